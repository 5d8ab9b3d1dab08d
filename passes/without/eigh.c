/* Eigenvalues and eigenvectors of symmetric matrices by rotations (Jacobi): a sweep rotates every pair of axes so that their element is 0,
 * and sweeps are repeated until nothing moves. Then they are put in order, and signs are chosen as ir.h says. */
#include "passes/without/without.h"

#include <math.h>

/* A body with its own builder. */
static Build body(Build *outer, const char *name) {
  Build b;
  ir_build_init(&b, ir_sub_create(outer->f, name));
  b.fold = outer->fold, b.at = outer->at, b.role = outer->role, b.of = outer->of;
  return b;
}

static Val enters(Build *b, const char *name, Type t) { return ir_input(b, name, IN_OTHER, 0, t); }

/* The row of m where `at`, which is along the rows, holds. */
static Val row(Build *b, Val at, Val m) {
  const Val where = ir_expand(b, at, 1, ir_type(b->f, m).dim[1]), zero = ir_const(b, 0);
  return ir_sum(b, ir_select(b, where, m, zero), 0);
}

static Val element(Build *b, Val at, Val v) {
  const Val zero = ir_const(b, 0);
  return ir_sum(b, ir_select(b, at, v, zero), 0);
}

static Val transposed(Build *b, Val m) { return ir_transpose(b, m, (const int[]){1, 0}); }

/* ---- one rotation ---------------------------------------------------------------------------------------------- */

typedef struct Turn {
  Val p, q, c, s; /* where rows p and q are, cosine and sine */
} Turn;

/* Rows p and q as c p - s q and s p + c q. */
static Val rotated(Build *b, const Turn *t, Val m) {
  const uint32_t n = ir_type(b->f, m).dim[0], cols = ir_type(b->f, m).dim[1];
  const Val p = row(b, t->p, m), q = row(b, t->q, m), cp = ir_mul(b, t->c, p), sq = ir_mul(b, t->s, q);
  const Val sp = ir_mul(b, t->s, p), cq = ir_mul(b, t->c, q), first = ir_sub(b, cp, sq), second = ir_add(b, sp, cq);
  const Val at_p = ir_expand(b, t->p, 1, cols), at_q = ir_expand(b, t->q, 1, cols);
  const Val all_p = ir_expand(b, first, 0, n), all_q = ir_expand(b, second, 0, n), part = ir_select(b, at_p, all_p, m);
  return ir_select(b, at_q, all_q, part);
}

/* The angle that makes the element of p and q 0: the smaller one of two. */
static Turn angle(Build *b, Val a, Val p, Val q) {
  Turn t = {.p = p, .q = q};
  const Val one = ir_const(b, 1), zero = ir_const(b, 0), rp = row(b, p, a), rq = row(b, q, a);
  const Val pp = element(b, p, rp), qq = element(b, q, rq), pq = element(b, q, rp), none = ir_eq(b, pq, zero);
  const Val gap = ir_sub(b, qq, pp), twice = ir_add(b, pq, pq), by = ir_select(b, none, one, twice), theta = ir_div(b, gap, by);
  const Val size = ir_abs(b, theta), square = ir_mul(b, theta, theta), root = ir_sqrt(b, ir_add(b, square, one));
  const Val small = ir_div(b, one, ir_add(b, size, root)), low = ir_lt(b, theta, zero), other = ir_neg(b, small);
  const Val tangent = ir_select(b, none, zero, ir_select(b, low, other, small)), t2 = ir_mul(b, tangent, tangent);
  t.c = ir_div(b, one, ir_sqrt(b, ir_add(b, t2, one)));
  t.s = ir_mul(b, tangent, t.c);
  return t;
}

/* All pairs: carries a and v, whose rows are the vectors; sequences p and q. */
static Fn *sweep(Build *outer, Type t) {
  Build b = body(outer, "rotate");
  const Type number = type_scalar(false);
  Val a = enters(&b, "a", t), v = enters(&b, "v", t), p = enters(&b, "p", number), q = enters(&b, "q", number);
  const Val rows = ir_iota(&b, t.dim[0]), at_p = ir_eq(&b, rows, p), at_q = ir_eq(&b, rows, q);
  const Turn turn = angle(&b, a, at_p, at_q);
  a = rotated(&b, &turn, a);
  a = transposed(&b, rotated(&b, &turn, transposed(&b, a)));
  ir_output(&b, a, NULL);
  ir_output(&b, rotated(&b, &turn, v), NULL);
  Fn *f = b.f;
  ir_build_finish(&b);
  return f;
}

static Fn *sweeps(Build *outer, Type t) {
  const uint32_t n = t.dim[0], pairs = n * (n - 1) / 2;
  Build b = body(outer, "sweep");
  double *first = base_zeroed(2 * pairs, sizeof *first), *second = first + pairs;
  for (uint32_t p = 0, k = 0; p < n; p++)
    for (uint32_t q = p + 1; q < n; q++, k++) first[k] = p, second[k] = q;
  const Type list = type_real(false, 1, &pairs);
  const Val a = enters(&b, "a", t), v = enters(&b, "v", t), p = ir_table(&b, list, first), q = ir_table(&b, list, second);
  base_free(first);
  const Val args[] = {a, v, p, q}, loop = ir_scan(&b, args, 4, pairs, 2, 2, 0, 0, false, 0, sweep(&b, t));
  for (uint32_t k = 0; k < 2; k++) ir_output(&b, ir_proj(&b, loop, k), NULL);
  Fn *f = b.f;
  ir_build_finish(&b);
  return f;
}

/* ---- order and signs ---------------------------------------------------------------------------------------------- */

/* order[k, i]: 1 where value i is the k-th: so many are below it, or equal and before it. */
static Val order(Build *b, Val values, uint32_t n) {
  const Val down = ir_expand(b, values, 1, n), across = ir_expand(b, values, 0, n), k = ir_iota(b, n);
  const Val row_k = ir_expand(b, k, 1, n), col_k = ir_expand(b, k, 0, n), less = ir_lt(b, across, down),
            same = ir_eq(b, across, down);
  const Val before = ir_lt(b, col_k, row_k), tied = ir_and(b, same, before), counts = ir_indicator(b, ir_or(b, less, tied));
  const Val rank = ir_expand(b, ir_sum(b, counts, 1), 0, n);
  return ir_eq(b, rank, row_k);
}

static Val picked(Build *b, Val which, Val m, uint32_t n) { /* rows of m */
  const Val zero = ir_const(b, 0), wide = ir_expand(b, which, 2, n), all = ir_expand(b, m, 0, n);
  return ir_sum(b, ir_select(b, wide, all, zero), 1);
}

/* Of each row the first element that is large enough becomes positive. */
static Val turned(Build *b, Val rows, uint32_t n) {
  const Val size = ir_abs(b, rows), most = ir_rmax(b, size, 1), least = ir_mul(b, ir_const(b, EIGH_LEAST), most);
  const Val enough = ir_le(b, ir_expand(b, least, 1, n), size), place = ir_expand(b, ir_iota(b, n), 0, n), far = ir_const(b, n);
  const Val first = ir_rmin(b, ir_select(b, enough, place, far), 1), at = ir_eq(b, place, ir_expand(b, first, 1, n));
  const Val zero = ir_const(b, 0), sign = ir_sum(b, ir_select(b, at, rows, zero), 1), low = ir_lt(b, sign, zero);
  const Val other = ir_neg(b, rows), down = ir_expand(b, low, 1, n);
  return ir_select(b, down, other, rows);
}

Val without_eigh(Build *b, const Fn *f, const Inst *i, const Val *x) {
  (void)f;
  const uint32_t n = i->type.dim[1], one[] = {1, n};
  const Type t = ir_type(b->f, x[0]), vector = type_real(false, 1, &n);
  const Val lower = ir_tri(b, x[0], false, 0), upper = transposed(b, ir_tri(b, x[0], false, -1)), a = ir_add(b, lower, upper);
  const Val start = pass_with_lane(b, ir_eye(b, n), t.lane), args[] = {a, start};
  Val diagonal = a, vectors = start;
  if (n > 1) {
    const Val loop = ir_scan(b, args, 2, EIGH_SWEEPS, 2, 0, 0, 0, false, 1, sweeps(b, t));
    diagonal = ir_proj(b, loop, 0), vectors = ir_proj(b, loop, 1);
  }
  const Val values = without_diagv(b, NULL, &(Inst){.type = vector}, &diagonal), which = order(b, values, n);
  const Val zero = ir_const(b, 0), across = ir_expand(b, values, 0, n), sorted = ir_sum(b, ir_select(b, which, across, zero), 1);
  const Val rows = turned(b, picked(b, which, vectors, n), n);
  const Val columns = transposed(b, rows), below = ir_reshape(b, sorted, 2, one), part[] = {columns, below};
  return ir_concat(b, part, 2, 0);
}
