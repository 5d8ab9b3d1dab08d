/* Functions of the language that go along an axis: running sums and products, sorting.
 *
 * A running sum is a scan, so that it has the order of additions that it is written with, and derivatives of any order; a running
 * product has them without dividing. Sorting counts for each element how many come before it, all pairs being compared, which is
 * elementwise and has no branch; the elements are then added into zeros at these numbers, so that the derivative goes back the
 * same way. */
#include "frontend/rows/rows.h"

#include <math.h>

/* The second argument, or the first axis. */
static bool axis_of(Elab *E, const Builtin *b, const Actuals *a, int *out) {
  Type t = type_of(&a->at[0]);
  int64_t k = 0;
  if (t.rank == 0) {
    const char *text = value_text(E, a->at[0].v);
    elab_label(elab_error(E, CODE_wrong_shape, a->at[0].at, "`%s` needs a tensor, found %s", b->name, text), a->at[0].at, "%s",
               text);
    return false;
  }
  if (a->at[1].v.kind != V_NONE && !need_int(E, &a->at[1], "`axis`", &k)) return false;
  if (k >= -(int64_t)t.rank && k < t.rank) return *out = (int)(k < 0 ? k + t.rank : k), true;
  elab_error(E, CODE_axis, a->at[1].at, "a tensor of %d ax%s has no axis %lld", t.rank, t.rank == 1 ? "is" : "es", (long long)k);
  return false;
}

/* The axis in front of the others, or (`back`) the first axis where it was. */
static Val moved(Build *b, Val x, int axis, bool back) {
  int perm[IR_MAX_RANK], rank = ir_type(b->f, x).rank;
  for (int k = 0; k < rank; k++) {
    int from = k < axis ? k + 1 : k == axis ? 0 : k;
    perm[back ? k : from] = back ? from : k;
  }
  return axis ? ir_transpose(b, x, perm) : x;
}

/* ---- running sums and products -------------------------------------------------------------------------- */

Value rows_cumulative(Elab *E, const Builtin *b, Actuals *a) {
  int axis;
  if (!axis_of(E, b, a, &axis)) return POISON;
  Val x = elab_tensor(E, a->at[0].v, a->at[0].at);
  Build *bl = elab_at(E, a->call), turn;
  x = moved(bl, x, axis, false);
  Type t = ir_type(bl->f, x), row = type_real(t.lane, t.rank - 1, t.dim + 1);
  Val start = ir_splat(bl, b->op == OP_add ? 0 : 1, type_real(false, row.rank, row.dim));
  if (t.lane) start = ir_spread(bl, start);
  Fn *body = ir_sub_create(bl->f, b->name);
  ir_build_init(&turn, body);
  turn.at = a->call;
  Val so_far = ir_input(&turn, NULL, IN_STATE, 0, row), next = ir_input(&turn, NULL, IN_OTHER, 1, row);
  next = b->op == OP_add ? ir_add(&turn, so_far, next) : ir_mul(&turn, so_far, next);
  ir_output(&turn, next, NULL);
  ir_output(&turn, next, NULL);
  ir_build_finish(&turn);
  Val loop = ir_scan(bl, (Val[]){start, x}, 2, t.dim[0], 1, 1, 1, 0, false, 0, body);
  return elab_value(E, moved(bl, ir_proj(bl, loop, 1), axis, true));
}

/* ---- sorting -------------------------------------------------------------------------------------------- */

/* How many of x[n, m] come before each along the first axis. NaN counts as infinity, behind all that are; equal elements keep
 * their order, which a second number says. */
static Val places(Build *b, Val x, uint32_t n, uint32_t m) {
  Val none = ir_ne(b, x, x), zero = ir_const(b, 0), key = ir_select(b, none, ir_const(b, INFINITY), x);
  Val late = ir_select(b, none, ir_const(b, n), zero);
  Val order = ir_add(b, ir_expand(b, ir_iota(b, n), 1, m), late);
  Val k0 = ir_expand(b, key, 1, n), k1 = ir_expand(b, key, 0, n), o0 = ir_expand(b, order, 1, n), o1 = ir_expand(b, order, 0, n);
  Val less = ir_lt(b, k0, k1), same = ir_eq(b, k0, k1), first = ir_lt(b, o0, o1), tie = ir_and(b, same, first);
  Val before = ir_or(b, less, tie);
  return ir_sum(b, ir_select(b, before, ir_const(b, 1), zero), 0);
}

Value rows_sort(Elab *E, const Builtin *b, Actuals *a) {
  int axis;
  if (!axis_of(E, b, a, &axis)) return POISON;
  Type t = type_of(&a->at[0]);
  uint32_t n = t.dim[axis], count = (uint32_t)type_count(t), m = count / n;
  if (!elab_fits(E, type_count(t) * n, a->call)) return POISON; /* all pairs */
  Val x = elab_tensor(E, a->at[0].v, a->at[0].at);
  Build *bl = elab_at(E, a->call);
  x = moved(bl, x, axis, false);
  Type front = ir_type(bl->f, x);
  x = ir_reshape(bl, x, 2, (uint32_t[]){n, m});
  Val place = places(bl, ir_fixed(bl, x), n, m), column = ir_expand(bl, ir_iota(bl, m), 0, n);
  Val row = ir_mul(bl, place, ir_const(bl, m)), at = ir_add(bl, row, column);
  Val what = b->op ? ir_expand(bl, ir_iota(bl, n), 1, m) : x;
  if (ir_type(bl->f, at).lane) what = ir_spread(bl, what);
  Val sorted = ir_reshape(bl, ir_scatter(bl, what, at, count, false), front.rank, front.dim);
  return elab_value(E, moved(bl, sorted, axis, true));
}
