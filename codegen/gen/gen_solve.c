/* Dense linear systems: elimination with row pivots, then substitution backwards.
 *
 * Each sample chooses its own pivots: going down a column, a row whose element is larger than that of the pivot row
 * changes places with it, by selects, where some sample of the tile wants it. So the pivot row ends with the largest, and
 * what a sample gets does not depend on the others. Up to `small` rows (tuning.def) this is straight code in registers; beyond,
 * loops over a copy of A in scratch and the right-hand sides in the place of the result. A shared A is eliminated once
 * for all samples of a tile. */
#include "codegen/gen/gen_priv.h"

#include <string.h>

/* One of two rows' elements for each sample. */
static CgVec pick(Gen *g, const CgVec *c, CgVec a, CgVec b) {
  Type lane = {.lane = c->lane || a.lane || b.lane};
  CgVec x = {.lane = lane.lane};
  a = gen_lanes(g, lane, a), b = gen_lanes(g, lane, b);
  for (unsigned v = 0; v < (x.lane ? g->e->nv : 1); v++)
    x.v[v] = LLVMBuildSelect(g->e->b, c->v[c->lane ? v : 0], a.v[v], b.v[v], "");
  return x;
}

static CgVec larger(Gen *g, CgVec than, CgVec x) {
  CgVec a = gen_ew(g, OP_abs, &than, 1, than.lane), b = gen_ew(g, OP_abs, &x, 1, x.lane);
  return gen_ew(g, OP_lt, (CgVec[]){a, b}, 2, a.lane || b.lane);
}

/* y - f x */
static CgVec less(Gen *g, CgVec f, CgVec x, CgVec y) {
  f = gen_ew(g, OP_neg, &f, 1, f.lane);
  return gen_fma(g, f, x, y);
}

static CgVec over(Gen *g, CgVec x, CgVec y) { return gen_ew(g, OP_div, (CgVec[]){x, y}, 2, x.lane || y.lane); }

/* ---- straight code ------------------------------------------------------------------------------------------------- */

/* Straight of A and, behind them, of the right-hand sides. */
typedef struct Straight {
  CgVec **at;
  int64_t n, width;
} Straight;

static void straight_swap(Gen *g, Straight *r, int64_t k, int64_t i) {
  CgVec want = larger(g, r->at[k][k], r->at[i][k]);
  for (int64_t j = k; j < r->width; j++) {
    CgVec up = r->at[k][j], down = r->at[i][j];
    r->at[k][j] = pick(g, &want, down, up);
    r->at[i][j] = pick(g, &want, up, down);
  }
}

static void straight_column(Gen *g, Straight *r, int64_t k) {
  for (int64_t i = k + 1; i < r->n; i++) straight_swap(g, r, k, i);
  for (int64_t i = k + 1; i < r->n; i++) {
    CgVec f = over(g, r->at[i][k], r->at[k][k]);
    for (int64_t j = k + 1; j < r->width; j++) r->at[i][j] = less(g, f, r->at[k][j], r->at[i][j]);
  }
}

void gen_solve_tiny(Gen *g, Frame *fr, Val v) {
  const Fn *f = fr->p->f;
  const Inst *i = ir_inst(f, v);
  Val a = ir_arg(f, i, 0), x = ir_arg(f, i, 1);
  bool trans = ir_solve_attr(f, i).trans != 0;
  int64_t n = i->type.dim[0], m = i->type.rank > 1 ? i->type.dim[1] : 1;
  Straight *r = ARENA_NEW(g->mem, Straight);
  r->n = n, r->width = n + m, r->at = ARENA_ARRAY(g->mem, CgVec *, n);
  for (int64_t row = 0; row < n; row++) r->at[row] = ARENA_ARRAY(g->mem, CgVec, n + m);
  for (int64_t row = 0; row < n; row++)
    for (int64_t j = 0; j < n + m; j++) {
      Idx at =
          j < n ? gen_const_idx(g, ir_type(f, a), trans ? j * n + row : row * n + j) : gen_const_idx(g, i->type, row * m + j - n);
      r->at[row][j] = gen_at(g, fr, j < n ? a : x, &at);
    }
  for (int64_t k = 0; k < n; k++) straight_column(g, r, k);
  for (int64_t k = n; k-- > 0;)
    for (int64_t c = 0; c < m; c++) {
      CgVec sum = r->at[k][n + c];
      for (int64_t j = k + 1; j < n; j++) sum = less(g, r->at[k][j], r->at[j][n + c], sum);
      r->at[k][n + c] = over(g, sum, r->at[k][k]);
      gen_ssa_set(g, fr, v, k * m + c, gen_lanes(g, i->type, r->at[k][n + c]));
    }
}

/* ---- loops ----------------------------------------------------------------------------------------------------------- */

typedef struct Matrix {
  Type t;
  LLVMValueRef base, ld;
  int64_t cols;
} Matrix; /* a matrix in memory */
typedef struct System {
  Frame *fr;
  Val a;
  bool trans;
  Matrix A, x;
  int64_t n;
} System;

static CgVec load(Gen *g, const Matrix *b, LLVMValueRef row, LLVMValueRef col) {
  return gen_load(g, b->t, b->base, b->ld, cg_iadd(g->e, cg_imul(g->e, row, cg_i64(g->e, b->cols)), col));
}

static void store(Gen *g, const Matrix *b, LLVMValueRef row, LLVMValueRef col, CgVec x) {
  x = gen_lanes(g, b->t, x);
  gen_store(g, b->t, b->base, b->ld, cg_iadd(g->e, cg_imul(g->e, row, cg_i64(g->e, b->cols)), col), &x);
}

static void copy_one(Gen *g, void *ctx, Idx *at) {
  System *s = ctx;
  Idx from = {.axes = true, .ax = {at->ax[s->trans], at->ax[!s->trans]}};
  store(g, &s->A, at->ax[0], at->ax[1], gen_at(g, s->fr, s->a, &from));
}

/* Loops [lo, hi), of no turn if it is empty or `only` does not hold. */
static void open(Gen *g, CgLoop *l, LLVMValueRef lo, LLVMValueRef hi, LLVMValueRef only) {
  LLVMValueRef some = LLVMBuildICmp(g->e->b, LLVMIntSLT, lo, hi, "");
  cg_loop_begin_if(g->e, l, only ? LLVMBuildAnd(g->e->b, some, only, "") : some, lo, hi, 1);
}

static LLVMValueRef wanted(Gen *g, const CgVec *c) {
  LLVMValueRef any = c->v[0];
  for (unsigned v = 1; v < (c->lane ? g->e->nv : 1); v++) any = LLVMBuildOr(g->e->b, any, c->v[v], "");
  LLVMTypeRef t = LLVMTypeOf(any);
  return c->lane && g->e->vl > 1 ? cg_intrinsic(g->e, "llvm.vector.reduce.or", &t, 1, &any, 1) : any;
}

static void swap_rows(Gen *g, CgLoop *l, const Matrix *b, LLVMValueRef k, LLVMValueRef i, LLVMValueRef from, const CgVec *want,
                      LLVMValueRef any) {
  open(g, l, from, cg_i64(g->e, b->cols), any);
  CgVec up = load(g, b, k, l->iv), down = load(g, b, i, l->iv);
  store(g, b, k, l->iv, pick(g, want, down, up));
  store(g, b, i, l->iv, pick(g, want, up, down));
  cg_loop_end(g->e, l);
}

/* row i -= f row k, from a column on */
static void subtract_row(Gen *g, CgLoop *l, const Matrix *b, CgVec f, LLVMValueRef i, LLVMValueRef k, LLVMValueRef from) {
  open(g, l, from, cg_i64(g->e, b->cols), NULL);
  store(g, b, i, l->iv, less(g, f, load(g, b, k, l->iv), load(g, b, i, l->iv)));
  cg_loop_end(g->e, l);
}

static void eliminate(Gen *g, CgLoop l[3], const System *s) {
  LLVMValueRef n = cg_i64(g->e, s->n), zero = cg_i64(g->e, 0);
  cg_loop_begin(g->e, &l[0], zero, n, 1);
  LLVMValueRef k = l[0].iv, below = cg_iadd(g->e, k, cg_i64(g->e, 1));
  open(g, &l[1], below, n, NULL);
  CgVec want = larger(g, load(g, &s->A, k, k), load(g, &s->A, l[1].iv, k));
  LLVMValueRef any = wanted(g, &want);
  swap_rows(g, &l[2], &s->A, k, l[1].iv, k, &want, any);
  swap_rows(g, &l[2], &s->x, k, l[1].iv, zero, &want, any);
  cg_loop_end(g->e, &l[1]);
  open(g, &l[1], below, n, NULL);
  CgVec f = over(g, load(g, &s->A, l[1].iv, k), load(g, &s->A, k, k));
  subtract_row(g, &l[2], &s->A, f, l[1].iv, k, below);
  subtract_row(g, &l[2], &s->x, f, l[1].iv, k, zero);
  cg_loop_end(g->e, &l[1]);
  cg_loop_end(g->e, &l[0]);
}

static void substitute(Gen *g, CgLoop l[3], const System *s) {
  LLVMValueRef zero = cg_i64(g->e, 0), last = cg_i64(g->e, s->n - 1);
  cg_loop_begin(g->e, &l[0], zero, cg_i64(g->e, s->n), 1);
  LLVMValueRef k = LLVMBuildSub(g->e->b, last, l[0].iv, "");
  CgVec d = load(g, &s->A, k, k);
  cg_loop_begin(g->e, &l[1], zero, cg_i64(g->e, s->x.cols), 1);
  store(g, &s->x, k, l[1].iv, over(g, load(g, &s->x, k, l[1].iv), d));
  cg_loop_end(g->e, &l[1]);
  open(g, &l[1], zero, k, NULL);
  subtract_row(g, &l[2], &s->x, load(g, &s->A, l[1].iv, k), l[1].iv, k, zero);
  cg_loop_end(g->e, &l[1]);
  cg_loop_end(g->e, &l[0]);
}

void gen_solve(Gen *g, Frame *fr, const Group *gr) {
  const Fn *f = fr->p->f;
  const Inst *i = ir_inst(f, gr->main);
  Val a = ir_arg(f, i, 0);
  Type t = ir_type(f, a);
  System s = {.fr = fr, .a = a, .trans = ir_solve_attr(f, i).trans != 0, .n = t.dim[0]};
  s.A = (Matrix){t, gen_scratch(g, gr->work), gen_tile_ld(g), t.dim[0]};
  s.x = (Matrix){.t = i->type, .cols = i->type.rank > 1 ? i->type.dim[1] : 1};
  gen_memory(g, fr, gr->main, &s.x.base, &s.x.ld);
  gen_nest(g, 2, t.dim, false, copy_one, &s);
  gen_copy(g, fr, ir_arg(f, i, 1), i->type, s.x.base, s.x.ld, false);
  CgLoop *l = base_realloc(NULL, 3 * sizeof *l);
  eliminate(g, l, &s);
  substitute(g, l, &s);
  base_free(l);
}
