/* Factorisations and systems of equations as loops over rows, of arithmetic on whole matrices. In turn k what is done to row or column k is
 * done to all, and a select takes what is meant: no element of another row comes into it, be it infinite or not a number. */
#include "passes/without/without.h"

#include <math.h>

/* The body of a loop over k = 0 ... n - 1: its inputs are carries, then k, then what else there is. */
typedef struct Loop {
  Build b;
  uint32_t n;
  Val rows; /* 0 ... n - 1 */
} Loop;

static Loop loop(Build *outer, const char *name, uint32_t n) {
  Loop l = {.n = n};
  ir_build_init(&l.b, ir_sub_create(outer->f, name));
  l.b.fold = outer->fold, l.b.at = outer->at, l.b.role = outer->role, l.b.of = outer->of;
  return l;
}

static Val enters(Loop *l, const char *name, Type t) { return ir_input(&l->b, name, IN_OTHER, 0, t); }

/* v along the columns, or the rows, of a matrix. */
static Val down(Loop *l, Val v, uint32_t cols) { return ir_expand(&l->b, v, 1, cols); }
static Val across(Loop *l, Val v, uint32_t rows) { return ir_expand(&l->b, v, 0, rows); }

/* Element, row or column k of x, whose axis has the size n; at: where k is, along it. */
static Val element(Loop *l, Val at, Val x) { return ir_sum(&l->b, ir_select(&l->b, at, x, ir_const(&l->b, 0)), 0); }
static Val row(Loop *l, Val at, Val x) {
  Build *b = &l->b;
  const uint32_t cols = ir_type(b->f, x).dim[1];
  const Val where = down(l, at, cols), zero = ir_const(b, 0);
  return ir_sum(b, ir_select(b, where, x, zero), 0);
}
static Val column(Loop *l, Val at, Val x) {
  Build *b = &l->b;
  const Val where = across(l, at, ir_type(b->f, x).dim[0]), zero = ir_const(b, 0);
  return ir_sum(b, ir_select(b, where, x, zero), 1);
}

static Val runs(Build *b, Loop *l, uint32_t carries, const Val *args, uint32_t nargs, uint32_t xs, bool reverse) {
  Fn *body = l->b.f;
  ir_build_finish(&l->b);
  return ir_scan(b, args, nargs, l->n, carries, xs, 0, 0, reverse, 0, body);
}

/* ---- triangular systems -------------------------------------------------------------------------------------------- */

/* Row by row: x_k = (v_k - A_k x)/A_kk, in A_k what is not yet known being 0. unit: the diagonal is 1. */
static Val substituted(Build *b, Val a, Val v, bool backward, bool unit) {
  const Type ta = ir_type(b->f, a), tv = ir_type(b->f, v);
  const bool lane = ta.lane || tv.lane, wide = tv.rank == 2;
  const uint32_t n = ta.dim[0];
  const Val strict = ir_tri(b, a, backward, backward ? 1 : -1), ones = ir_splat(b, 1, type_real(false, 1, &n));
  const Val diagonal = unit ? ones : without_diagv(b, NULL, &(Inst){.type = type_real(false, 1, &n)}, &a), k = ir_iota(b, n);
  const Val start = pass_zero_like(b, pass_type_with(tv, lane));
  Loop l = loop(b, "substitute", n);
  Val x = enters(&l, "x", pass_type_with(tv, lane)), at = enters(&l, "k", type_scalar(false)),
      r = enters(&l, "row", pass_turn_type(ta));
  Val d = enters(&l, "diagonal", pass_turn_type(ir_type(b->f, diagonal))), right = enters(&l, "right", pass_turn_type(tv));
  l.rows = ir_iota(&l.b, n);
  const Val known = ir_matmul(&l.b, r, x), rest = ir_sub(&l.b, right, known), y = ir_div(&l.b, rest, d);
  Val here = ir_eq(&l.b, l.rows, at), all = ir_expand(&l.b, y, 0, n);
  if (wide) here = down(&l, here, tv.dim[1]);
  ir_output(&l.b, ir_select(&l.b, here, all, x), NULL);
  const Val args[] = {start, k, strict, diagonal, v};
  return ir_proj(b, runs(b, &l, 1, args, 5, 4, backward), 0);
}

static Val transposed(Build *b, Val a) { return ir_transpose(b, a, (const int[]){1, 0}); }

Val without_trisolve(Build *b, const Fn *f, const Inst *i, const Val *x) {
  const trisolve_attr a = ir_trisolve_attr(f, i);
  const Val m = a.trans ? transposed(b, x[0]) : x[0];
  return substituted(b, m, x[1], a.upper != a.trans, false);
}

/* ---- elimination ----------------------------------------------------------------------------------------------------- */

/* The first row from k on with the largest element of column k; k itself if that is NaN. */
static Val pivot(Loop *l, Val column_k, Val here, Val at) {
  Build *b = &l->b;
  const Val later = ir_le(b, at, l->rows), size = ir_abs(b, column_k), number = ir_eq(b, size, size),
            counts = ir_and(b, later, number);
  const Val none = ir_const(b, -1), weighed = ir_select(b, counts, size, none), most = ir_rmax(b, weighed, 0);
  const Val best = ir_eq(b, weighed, most), open = ir_and(b, best, counts), far = ir_const(b, l->n), own = element(l, here, size);
  const Val first = ir_rmin(b, ir_select(b, open, l->rows, far), 0), sound = ir_eq(b, own, own);
  return ir_select(b, sound, first, at);
}

/* Turn k: its row and the pivot's change places, then the multipliers, which stay where the zeros would be. */
static void eliminate(Loop *l, Val a, Val swaps, Val at) {
  Build *b = &l->b;
  const uint32_t n = l->n;
  const Val here = ir_eq(b, l->rows, at), p = pivot(l, column(l, here, a), here, at), there = ir_eq(b, l->rows, p);
  const Val rk = row(l, here, a), rp = row(l, there, a), to_k = across(l, rp, n), to_p = across(l, rk, n);
  const Val down_p = down(l, there, n), down_k = down(l, here, n), moved = ir_select(b, down_p, to_p, a);
  const Val swapped = ir_select(b, down_k, to_k, moved), c = column(l, here, swapped), d = element(l, here, c);
  const Val empty = ir_eq(b, d, ir_const(b, 0)), below = ir_lt(b, at, l->rows), by = ir_select(b, empty, ir_const(b, 1), d);
  const Val q = ir_div(b, c, by), factor = down(l, q, n), pivots = across(l, rp, n);
  const Val product = ir_mul(b, factor, pivots), less = ir_sub(b, swapped, product);
  const Val cols = across(l, l->rows, n), in_col = ir_eq(b, cols, at), right = ir_lt(b, at, cols);
  const Val under = down(l, below, n), reduced = ir_select(b, right, less, swapped), made = ir_select(b, in_col, factor, reduced);
  const Val lower = ir_select(b, under, made, swapped), u = ir_select(b, empty, swapped, lower);
  ir_output(b, u, NULL);
  ir_output(b, ir_select(b, here, p, swaps), NULL);
}

Val without_lu(Build *b, const Fn *f, const Inst *i, const Val *x) {
  (void)f;
  const uint32_t n = i->type.dim[1], one[] = {1, n};
  const Type ta = ir_type(b->f, x[0]), ts = type_real(ta.lane, 1, &n);
  const Val none = pass_zero_like(b, ts), k = ir_iota(b, n);
  Loop l = loop(b, "eliminate", n);
  const Val a = enters(&l, "a", ta), swaps = enters(&l, "swaps", ts), at = enters(&l, "k", type_scalar(false));
  l.rows = ir_iota(&l.b, n);
  eliminate(&l, a, swaps, at);
  const Val args[] = {x[0], none, k}, loops = runs(b, &l, 2, args, 3, 1, false);
  const Val u = ir_proj(b, loops, 0), below = ir_reshape(b, ir_proj(b, loops, 1), 2, one), part[] = {u, below};
  return ir_concat(b, part, 2, 0);
}

static Val factors(Build *b, Val lu, uint32_t n) { return ir_slice(b, lu, 0, 0, n, 1); }
static Val swaps_of(Build *b, Val lu, uint32_t n) { return ir_index(b, lu, 0, n); }

/* Rows of x change places as the swaps say, the first one first, or backwards. */
static Val exchanged(Build *b, Val swaps, Val x, bool backward) {
  const Type ts = ir_type(b->f, swaps), tx = pass_type_with(ir_type(b->f, x), ts.lane || ir_type(b->f, x).lane);
  const Val k = ir_iota(b, ts.dim[0]), start = pass_with_lane(b, x, tx.lane);
  Loop l = loop(b, "exchange", ts.dim[0]);
  const Val y = enters(&l, "x", tx), at = enters(&l, "k", type_scalar(false)), with = enters(&l, "swap", pass_turn_type(ts));
  l.rows = ir_iota(&l.b, l.n);
  Val here = ir_eq(&l.b, l.rows, at), there = ir_eq(&l.b, l.rows, with), a, c;
  if (tx.rank == 2) a = row(&l, here, y), c = row(&l, there, y);
  else a = element(&l, here, y), c = element(&l, there, y);
  if (tx.rank == 2) here = down(&l, here, tx.dim[1]), there = down(&l, there, tx.dim[1]);
  const Val to_there = across(&l, a, l.n), to_here = across(&l, c, l.n), moved = ir_select(&l.b, there, to_there, y);
  ir_output(&l.b, ir_select(&l.b, here, to_here, moved), NULL);
  const Val args[] = {start, k, swaps};
  return ir_proj(b, runs(b, &l, 1, args, 3, 2, backward), 0);
}

Val without_solve(Build *b, const Fn *f, const Inst *i, const Val *x) {
  const uint32_t n = ir_type(b->f, x[0]).dim[1];
  const Val lu = factors(b, x[0], n), swaps = swaps_of(b, x[0], n);
  if (!ir_solve_attr(f, i).trans) {
    const Val low = substituted(b, lu, exchanged(b, swaps, x[1], false), false, true);
    return substituted(b, lu, low, true, false);
  }
  const Val t = transposed(b, lu), low = substituted(b, t, x[1], false, false);
  return exchanged(b, swaps, substituted(b, t, low, true, true), true);
}

/* The diagonal of lu(A), with the sign of the exchanges. */
static Val diagonal(Build *b, Val lu, uint32_t n) {
  const Val u = factors(b, lu, n);
  return without_diagv(b, NULL, &(Inst){.type = type_real(false, 1, &n)}, &u);
}

Val without_det(Build *b, const Fn *f, const Inst *i, const Val *x) {
  (void)f, (void)i;
  const uint32_t n = ir_type(b->f, x[0]).dim[1];
  const Val u = diagonal(b, x[0], n), swaps = swaps_of(b, x[0], n), k = ir_iota(b, n), none = ir_eq(b, swaps, k),
            turned = ir_neg(b, u);
  const Val d = ir_select(b, none, u, turned);
  Val product = ir_index(b, d, 0, 0);
  for (uint32_t at = 1; at < n; at++) product = ir_mul(b, product, ir_index(b, d, 0, at));
  return product;
}

Val without_logdet(Build *b, const Fn *f, const Inst *i, const Val *x) {
  (void)f, (void)i;
  return ir_sum(b, ir_log(b, ir_abs(b, diagonal(b, x[0], ir_type(b->f, x[0]).dim[1]))), 0);
}

/* ---- Cholesky: column by column ------------------------------------------------------------------------------------------ */

Val without_cholesky(Build *b, const Fn *f, const Inst *i, const Val *x) {
  (void)f;
  const uint32_t n = i->type.dim[0];
  const Type t = ir_type(b->f, x[0]);
  const Val start = pass_zero_like(b, t), k = ir_iota(b, n), cols = transposed(b, x[0]);
  Loop l = loop(b, "cholesky", n);
  Build *in = &l.b;
  const Val so_far = enters(&l, "l", t), at = enters(&l, "k", type_scalar(false)), c = enters(&l, "column", pass_turn_type(t));
  l.rows = ir_iota(in, n);
  const Val here = ir_eq(in, l.rows, at), own = row(&l, here, so_far), done = ir_matmul(in, so_far, own),
            rest = ir_sub(in, c, done);
  const Val d = ir_sqrt(in, element(&l, here, rest)), q = ir_div(in, rest, d), below = ir_lt(in, at, l.rows),
            zero = ir_const(in, 0);
  const Val lower = ir_select(in, below, q, zero), made = ir_select(in, here, d, lower);
  const Val all = down(&l, made, n), which = across(&l, here, n);
  ir_output(in, ir_select(in, which, all, so_far), NULL);
  const Val args[] = {start, k, cols};
  return ir_proj(b, runs(b, &l, 1, args, 3, 2, false), 0);
}
