/* Linear systems by substitution, triangular ones and those that lu has factored; determinants.
 *
 * For each row in turn: divide it, if the triangle's diagonal is not 1, and subtract it from the rows to come. Up to `small` rows
 * (tuning.def) this is straight code in registers; beyond, loops over the right-hand sides in the place of the result. */
#include "codegen/matrix/matrix_priv.h"

#include <math.h>

/* One triangle: rows downwards or upwards. */
typedef struct Triangle {
  bool down, divide, strict, trans; /* strict: a row of which the diagonal is 0 has no value */
} Triangle;

static CgVec coefficient(Gen *g, Frame *fr, Val a, const Triangle *s, LLVMValueRef row, LLVMValueRef col) {
  Idx at = {.axes = true, .ax = {s->trans ? col : row, s->trans ? row : col}};
  return gen_at(g, fr, a, &at);
}

static CgVec diagonal(Gen *g, Frame *fr, Val a, const Triangle *s, LLVMValueRef k) {
  CgVec d = coefficient(g, fr, a, s, k, k);
  if (!s->strict) return d;
  CgVec none = gen_binary(g, OP_eq, d, gen_real(g, 0, false));
  return gen_pick(g, &none, gen_real(g, (double)NAN, false), d);
}

/* The two triangles of a system in their order; of a triangular one the one. */
static int triangles(const Fn *f, const Inst *i, Triangle out[2]) {
  bool trans = i->op == OP_solve ? ir_solve_attr(f, i).trans != 0 : ir_trisolve_attr(f, i).trans != 0;
  if (i->op == OP_trisolve) return out[0] = (Triangle){(ir_trisolve_attr(f, i).upper != 0) == trans, true, false, trans}, 1;
  out[0] = (Triangle){true, trans, true, trans}, out[1] = (Triangle){false, !trans, true, trans};
  return 2;
}

/* ---- straight code ------------------------------------------------------------------------------------------------- */

static void tiny_triangle(Gen *g, Frame *fr, Val a, const Triangle *s, CgVec *x, int64_t n, int64_t m) {
  for (int64_t t = 0; t < n; t++) {
    int64_t k = s->down ? t : n - 1 - t;
    CgVec d = {0};
    if (s->divide) d = diagonal(g, fr, a, s, cg_i64(g->e, k));
    for (int64_t c = 0; c < m && s->divide; c++) x[k * m + c] = gen_binary(g, OP_div, x[k * m + c], d);
    for (int64_t i = s->down ? k + 1 : 0; i < (s->down ? n : k); i++) {
      CgVec f = coefficient(g, fr, a, s, cg_i64(g->e, i), cg_i64(g->e, k));
      for (int64_t c = 0; c < m; c++) x[i * m + c] = gen_less(g, f, x[k * m + c], x[i * m + c]);
    }
  }
}

static void tiny_swaps(Gen *g, Frame *fr, Val a, bool back, CgVec *x, int64_t n, int64_t m) {
  for (int64_t t = 0; t < n; t++) {
    int64_t k = back ? n - 1 - t : t;
    Idx at = {.axes = true, .ax = {cg_i64(g->e, n), cg_i64(g->e, k)}};
    CgVec p = gen_at(g, fr, a, &at);
    for (int64_t i = k + 1; i < n; i++) {
      CgVec swap = gen_binary(g, OP_eq, p, gen_real(g, (double)i, false));
      for (int64_t c = 0; c < m; c++) {
        CgVec up = x[k * m + c], down = x[i * m + c];
        x[k * m + c] = gen_pick(g, &swap, down, up), x[i * m + c] = gen_pick(g, &swap, up, down);
      }
    }
  }
}

void gen_solve_tiny(Gen *g, Frame *fr, Val v) {
  const Fn *f = fr->p->f;
  const Inst *i = ir_inst(f, v);
  Val a = ir_arg(f, i, 0), from = ir_arg(f, i, 1);
  int64_t n = i->type.dim[0], count = type_count(i->type), m = count / n;
  Triangle s[2];
  int parts = triangles(f, i, s);
  CgVec *x = ARENA_ARRAY(g->mem, CgVec, count);
  for (int64_t k = 0; k < count; k++) {
    Idx at = gen_const_idx(g, i->type, k);
    x[k] = gen_at(g, fr, from, &at);
  }
  if (parts == 2 && !s[0].trans) tiny_swaps(g, fr, a, false, x, n, m);
  for (int k = 0; k < parts; k++) tiny_triangle(g, fr, a, &s[k], x, n, m);
  if (parts == 2 && s[0].trans) tiny_swaps(g, fr, a, true, x, n, m);
  for (int64_t k = 0; k < count; k++) gen_ssa_set(g, fr, v, k, gen_lanes(g, i->type, x[k]));
}

/* ---- loops ----------------------------------------------------------------------------------------------------------- */

static void triangle(Gen *g, Frame *fr, Val a, const Triangle *s, CgLoop *l, const Matrix *x, int64_t rows) {
  CgEmit *e = g->e;
  LLVMValueRef zero = cg_i64(e, 0), n = cg_i64(e, rows);
  cg_loop_begin(e, &l[0], zero, n, 1);
  LLVMValueRef k = s->down ? l[0].iv : LLVMBuildSub(e->b, cg_i64(e, rows - 1), l[0].iv, "");
  if (s->divide) {
    CgVec d = diagonal(g, fr, a, s, k);
    cg_loop_begin(e, &l[1], zero, cg_i64(e, x->cols), 1);
    gen_set_entry(g, x, k, l[1].iv, gen_binary(g, OP_div, gen_entry(g, x, k, l[1].iv), d));
    cg_loop_end(e, &l[1]);
  }
  gen_open(g, &l[1], s->down ? cg_iadd(e, k, cg_i64(e, 1)) : zero, s->down ? n : k, NULL, 1);
  RowStep less = {x, k, l[1].iv, coefficient(g, fr, a, s, l[1].iv, k)};
  gen_subtract_row(g, &l[2], &less, zero);
  cg_loop_end(e, &l[1]);
  cg_loop_end(e, &l[0]);
}

/* Row k changes places with that of its pivot. */
static void swap(Gen *g, Frame *fr, Val a, CgLoop *l, const Matrix *x, LLVMValueRef k, int64_t rows) {
  CgEmit *e = g->e;
  Idx at = {.axes = true, .ax = {cg_i64(e, rows), k}};
  CgVec p = gen_at(g, fr, a, &at);
  if (!p.lane) {
    LLVMValueRef i = LLVMBuildFPToSI(e->b, p.v[0], e->i64, "");
    RowStep all = {x, k, i, {.v = {LLVMBuildICmp(e->b, LLVMIntNE, i, k, "")}}};
    gen_swap_rows(g, &l[1], &all, cg_i64(e, 0));
    return;
  }
  gen_open(g, &l[0], cg_iadd(e, k, cg_i64(e, 1)), cg_i64(e, rows), NULL, 1);
  RowStep some = {x, k, l[0].iv, gen_binary(g, OP_eq, p, gen_whole(g, l[0].iv))};
  gen_swap_rows(g, &l[1], &some, cg_i64(e, 0));
  cg_loop_end(e, &l[0]);
}

static void swaps(Gen *g, Frame *fr, Val a, bool back, CgLoop *l, const Matrix *x, int64_t rows) {
  CgEmit *e = g->e;
  cg_loop_begin(e, &l[0], cg_i64(e, 0), cg_i64(e, rows), 1);
  swap(g, fr, a, &l[1], x, back ? LLVMBuildSub(e->b, cg_i64(e, rows - 1), l[0].iv, "") : l[0].iv, rows);
  cg_loop_end(e, &l[0]);
}

void gen_solve(Gen *g, Frame *fr, const Group *gr) {
  const Fn *f = fr->p->f;
  const Inst *i = ir_inst(f, gr->main);
  Val a = ir_arg(f, i, 0);
  int64_t n = i->type.dim[0];
  Matrix x = {.t = i->type, .cols = type_count(i->type) / n};
  Triangle s[2];
  int parts = triangles(f, i, s);
  CgLoop *l = base_realloc(NULL, 3 * sizeof *l);
  gen_memory(g, fr, gr->main, &x.base, &x.ld);
  gen_copy(g, fr, ir_arg(f, i, 1), i->type, x.base, x.ld, false);
  if (parts == 2 && !s[0].trans) swaps(g, fr, a, false, l, &x, n);
  for (int k = 0; k < parts; k++) triangle(g, fr, a, &s[k], l, &x, n);
  if (parts == 2 && s[0].trans) swaps(g, fr, a, true, l, &x, n);
  base_free(l);
}

/* ---- determinants ----------------------------------------------------------------------------------------------------- */

/* A factor of det A with its sign, which the row of pivots tells, or a term of log|det A|; with those before it. */
static CgVec det_more(Gen *g, Frame *fr, Val a, bool log, CgVec y, LLVMValueRef n, LLVMValueRef k) {
  Idx at = {.axes = true, .ax = {k, k}}, place = {.axes = true, .ax = {n, k}};
  CgVec d = gen_at(g, fr, a, &at);
  if (log) return gen_binary(g, OP_add, y, gen_unary(g, OP_log, gen_unary(g, OP_abs, d)));
  CgVec moved = gen_binary(g, OP_ne, gen_at(g, fr, a, &place), gen_whole(g, k));
  return gen_binary(g, OP_mul, y, gen_pick(g, &moved, gen_unary(g, OP_neg, d), d));
}

void gen_det(Gen *g, Frame *fr, Val v) {
  CgEmit *e = g->e;
  const Fn *f = fr->p->f;
  const Inst *i = ir_inst(f, v);
  Val a = ir_arg(f, i, 0);
  bool log = i->op == OP_logdet;
  int64_t rows = ir_type(f, a).dim[1];
  LLVMValueRef n = cg_i64(e, rows);
  CgVec y = gen_lanes(g, i->type, gen_real(g, log ? 0 : 1, false));
  if (plan_is_tiny(fr->p, ir_type(f, a))) {
    for (int64_t k = 0; k < rows; k++) y = det_more(g, fr, a, log, y, n, cg_i64(e, k));
  } else {
    CgLoop *l = base_realloc(NULL, sizeof *l);
    cg_loop_begin(e, l, cg_i64(e, 0), n, 1);
    y = gen_carried(g, l, y);
    gen_carry(g, l, 0, gen_lanes(g, i->type, det_more(g, fr, a, log, y, n, l->iv)));
    cg_loop_end(e, l);
    gen_forget(g);
    y = gen_last(g, l, 0, i->type.lane);
    base_free(l);
  }
  gen_ssa_set(g, fr, v, 0, gen_lanes(g, i->type, y));
}
