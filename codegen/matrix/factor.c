/* Factorisations by elimination: lu with row pivots, Cholesky.
 *
 * Each sample chooses its own pivot, the first of the largest elements of the column: its row changes places with the pivot row by
 * selects, a row that no sample of the tile chose being passed over. So what a sample gets does not depend on the others.
 * Tiny ones are straight code in registers; others work in the place of the result. */
#include "codegen/matrix/matrix_priv.h"

#include <math.h>

static CgVec number(Gen *g, int64_t k) { return gen_real(g, (double)k, false); }

/* 1/x, 0 where x is 0: a column of zeros is left as it is. */
static CgVec inverse(Gen *g, CgVec x) {
  CgVec none = gen_binary(g, OP_eq, x, number(g, 0));
  return gen_pick(g, &none, number(g, 0), gen_binary(g, OP_div, number(g, 1), x));
}

/* ---- straight code ------------------------------------------------------------------------------------------------- */

static CgVec *tiny_matrix(Gen *g, Frame *fr, Val a, int64_t count) {
  Type t = ir_type(fr->p->f, a);
  CgVec *x = ARENA_ARRAY(g->mem, CgVec, count);
  for (int64_t k = 0; k < type_count(t); k++) {
    Idx at = gen_const_idx(g, t, k);
    x[k] = gen_at(g, fr, a, &at);
  }
  return x;
}

static void tiny_column(Gen *g, CgVec *a, int64_t n, int64_t k) {
  CgVec best = gen_unary(g, OP_abs, a[k * n + k]), p = number(g, k);
  for (int64_t i = k + 1; i < n; i++) {
    CgVec size = gen_unary(g, OP_abs, a[i * n + k]), more = gen_binary(g, OP_lt, best, size);
    best = gen_pick(g, &more, size, best), p = gen_pick(g, &more, number(g, i), p);
  }
  for (int64_t i = k + 1; i < n; i++) {
    CgVec swap = gen_binary(g, OP_eq, p, number(g, i));
    for (int64_t j = 0; j < n; j++) {
      CgVec up = a[k * n + j], down = a[i * n + j];
      a[k * n + j] = gen_pick(g, &swap, down, up), a[i * n + j] = gen_pick(g, &swap, up, down);
    }
  }
  CgVec by = inverse(g, a[k * n + k]);
  for (int64_t i = k + 1; i < n; i++) {
    CgVec f = a[i * n + k] = gen_binary(g, OP_mul, a[i * n + k], by);
    for (int64_t j = k + 1; j < n; j++) a[i * n + j] = gen_less(g, f, a[k * n + j], a[i * n + j]);
  }
  a[n * n + k] = p;
}

static CgVec root(Gen *g, CgVec x) {
  CgVec on = gen_binary(g, OP_lt, number(g, 0), x);
  return gen_pick(g, &on, gen_unary(g, OP_sqrt, x), gen_real(g, (double)NAN, false));
}

static void tiny_root_column(Gen *g, CgVec *a, int64_t n, int64_t k) {
  CgVec d = a[k * n + k] = root(g, a[k * n + k]), by = gen_binary(g, OP_div, number(g, 1), d);
  for (int64_t j = k + 1; j < n; j++) a[k * n + j] = number(g, 0);
  for (int64_t i = k + 1; i < n; i++) a[i * n + k] = gen_binary(g, OP_mul, a[i * n + k], by);
  for (int64_t i = k + 1; i < n; i++)
    for (int64_t j = k + 1; j <= i; j++) a[i * n + j] = gen_less(g, a[i * n + k], a[j * n + k], a[i * n + j]);
}

void gen_factor_tiny(Gen *g, Frame *fr, Val v) {
  const Inst *i = ir_inst(fr->p->f, v);
  int64_t n = i->type.dim[1], count = type_count(i->type);
  CgVec *a = tiny_matrix(g, fr, ir_arg(fr->p->f, i, 0), count);
  for (int64_t k = 0; k < n; k++) (i->op == OP_lu ? tiny_column : tiny_root_column)(g, a, n, k);
  for (int64_t k = 0; k < count; k++) gen_ssa_set(g, fr, v, k, gen_lanes(g, i->type, a[k]));
}

/* ---- loops ----------------------------------------------------------------------------------------------------------- */

static CgVec pivot(Gen *g, CgLoop *l, const Matrix *a, LLVMValueRef k, LLVMValueRef n) {
  CgVec best = gen_unary(g, OP_abs, gen_entry(g, a, k, k)), p = gen_lanes(g, a->t, gen_whole(g, k));
  gen_open(g, l, cg_iadd(g->e, k, cg_i64(g->e, 1)), n, NULL, 1);
  best = gen_carried(g, l, best), p = gen_carried(g, l, p);
  CgVec size = gen_unary(g, OP_abs, gen_entry(g, a, l->iv, k)), more = gen_binary(g, OP_lt, best, size);
  unsigned second = gen_carry(g, l, 0, gen_pick(g, &more, size, best));
  gen_carry(g, l, second, gen_pick(g, &more, gen_whole(g, l->iv), p));
  cg_loop_end(g->e, l);
  return gen_last(g, l, second, a->t.lane);
}

static void eliminate(Gen *g, CgLoop *l, const Matrix *a) {
  LLVMValueRef n = cg_i64(g->e, a->cols), zero = cg_i64(g->e, 0);
  cg_loop_begin(g->e, &l[0], zero, n, 1);
  LLVMValueRef k = l[0].iv, below = cg_iadd(g->e, k, cg_i64(g->e, 1));
  CgVec p = pivot(g, &l[1], a, k, n);
  gen_set_entry(g, a, n, k, p);
  gen_open(g, &l[1], below, n, NULL, 1);
  RowStep swap = {a, k, l[1].iv, gen_binary(g, OP_eq, p, gen_whole(g, l[1].iv))};
  gen_swap_rows(g, &l[2], &swap, zero);
  cg_loop_end(g->e, &l[1]);
  CgVec by = inverse(g, gen_entry(g, a, k, k));
  gen_open(g, &l[1], below, n, NULL, 1);
  RowStep less = {a, k, l[1].iv, gen_binary(g, OP_mul, gen_entry(g, a, l[1].iv, k), by)};
  gen_set_entry(g, a, l[1].iv, k, less.by);
  gen_subtract_row(g, &l[2], &less, below);
  cg_loop_end(g->e, &l[1]);
  cg_loop_end(g->e, &l[0]);
}

void gen_lu(Gen *g, Frame *fr, const Group *gr) {
  const Fn *f = fr->p->f;
  const Inst *i = ir_inst(f, gr->main);
  Matrix a = {.t = i->type, .cols = i->type.dim[1]};
  gen_memory(g, fr, gr->main, &a.base, &a.ld);
  gen_copy(g, fr, ir_arg(f, i, 0), ir_type(f, ir_arg(f, i, 0)), a.base, a.ld, false);
  CgLoop *l = base_realloc(NULL, 3 * sizeof *l);
  eliminate(g, l, &a);
  base_free(l);
}

/* ---- Cholesky --------------------------------------------------------------------------------------------------------- */

static void lower_part(Gen *g, Frame *fr, Val from, CgLoop *l, const Matrix *a) {
  LLVMValueRef zero = cg_i64(g->e, 0);
  gen_fill(g, a->t, a->base, a->ld, 0);
  cg_loop_begin(g->e, &l[0], zero, cg_i64(g->e, a->cols), 1);
  cg_loop_begin(g->e, &l[1], zero, cg_iadd(g->e, l[0].iv, cg_i64(g->e, 1)), 1);
  Idx at = {.axes = true, .ax = {l[0].iv, l[1].iv}};
  gen_set_entry(g, a, l[0].iv, l[1].iv, gen_at(g, fr, from, &at));
  cg_loop_end(g->e, &l[1]);
  cg_loop_end(g->e, &l[0]);
}

void gen_cholesky(Gen *g, Frame *fr, const Group *gr) {
  CgEmit *e = g->e;
  const Inst *i = ir_inst(fr->p->f, gr->main);
  Matrix a = {.t = i->type, .cols = i->type.dim[1]};
  LLVMValueRef n = cg_i64(e, a.cols), one = cg_i64(e, 1);
  CgLoop *l = base_realloc(NULL, 3 * sizeof *l);
  gen_memory(g, fr, gr->main, &a.base, &a.ld);
  lower_part(g, fr, ir_arg(fr->p->f, i, 0), l, &a);
  cg_loop_begin(e, &l[0], cg_i64(e, 0), n, 1);
  LLVMValueRef k = l[0].iv, below = cg_iadd(e, k, one);
  CgVec d = root(g, gen_entry(g, &a, k, k)), by = gen_binary(g, OP_div, number(g, 1), d);
  gen_set_entry(g, &a, k, k, d);
  gen_open(g, &l[1], below, n, NULL, 1);
  CgVec f = gen_binary(g, OP_mul, gen_entry(g, &a, l[1].iv, k), by);
  gen_set_entry(g, &a, l[1].iv, k, f);
  cg_loop_begin(e, &l[2], below, cg_iadd(e, l[1].iv, one), 1);
  gen_set_entry(g, &a, l[1].iv, l[2].iv, gen_less(g, f, gen_entry(g, &a, l[2].iv, k), gen_entry(g, &a, l[1].iv, l[2].iv)));
  cg_loop_end(e, &l[2]);
  cg_loop_end(e, &l[1]);
  cg_loop_end(e, &l[0]);
  base_free(l);
}
