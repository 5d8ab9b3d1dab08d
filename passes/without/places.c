/* What puts elements in their places, in terms of concat, take and select. */
#include "passes/without/without.h"

#include <math.h>

static Type one_axis(Type t, int axis, uint32_t n) {
  t.dim[axis] = n;
  return t;
}

/* x and `more` zeros behind it. */
static Val with_zeros(Build *b, Val x, int axis, uint32_t more) {
  const Val part[2] = {x, pass_zero_like(b, one_axis(ir_type(b->f, x), axis, more))};
  return ir_concat(b, part, 2, axis);
}

/* ---- at constant places -------------------------------------------------------------------------------------------- */

/* to[k]: the place of element k. The places are taken from x and a zero behind it, once for each time that one is used again. */
static Val placed(Build *b, Val x, int axis, uint32_t total, const int64_t *to, uint32_t n) {
  uint32_t *from = base_realloc(NULL, sizeof *from * (total + 1));
  bool *done = base_zeroed(n, sizeof *done);
  const Val padded = with_zeros(b, x, axis, 1);
  Val sum = VAL_NONE;
  for (uint32_t left = n; left;) {
    for (uint32_t k = 0; k < total; k++) from[k] = n;
    for (uint32_t k = 0; k < n; k++)
      if (!done[k] && from[to[k]] == n) from[to[k]] = k, done[k] = true, left--;
    const Val turn = ir_take(b, padded, axis, from, total);
    sum = sum.id ? ir_add(b, sum, turn) : turn;
  }
  base_free(from);
  base_free(done);
  return sum;
}

Val without_put(Build *b, const Fn *f, const Inst *i, const Val *x) {
  const put_attr a = ir_put_attr(f, i);
  const IrList index = ir_list(f, i);
  return placed(b, x[0], (int)a.axis, (uint32_t)a.total, index.at, index.n);
}

static Val unsliced(Build *b, Val x, int axis, int64_t start, int64_t step, int64_t total) {
  const uint32_t n = ir_type(b->f, x).dim[axis];
  if (step == 1) { /* zeros on both sides */
    Val part[3];
    uint32_t parts = 0;
    const Type t = ir_type(b->f, x);
    const int64_t behind = total - start - n;
    if (start) part[parts++] = pass_zero_like(b, one_axis(t, axis, (uint32_t)start));
    part[parts++] = x;
    if (behind) part[parts++] = pass_zero_like(b, one_axis(t, axis, (uint32_t)behind));
    return parts > 1 ? ir_concat(b, part, parts, axis) : x;
  }
  int64_t *to = base_realloc(NULL, sizeof *to * (n + 1));
  for (uint32_t k = 0; k < n; k++) to[k] = start + k * step;
  const Val v = placed(b, x, axis, (uint32_t)total, to, n);
  base_free(to);
  return v;
}

Val without_unslice(Build *b, const Fn *f, const Inst *i, const Val *x) {
  const unslice_attr a = ir_unslice_attr(f, i);
  return unsliced(b, x[0], (int)a.axis, a.start, a.step, a.total);
}

/* One after the other, the first elements of all stretches, the second ones, ... */
Val without_unwindow(Build *b, const Fn *f, const Inst *i, const Val *x) {
  const unwindow_attr a = ir_unwindow_attr(f, i);
  const Type t = ir_type(b->f, x[0]);
  Val sum = VAL_NONE;
  for (uint32_t k = 0; k < t.dim[t.rank - 1]; k++) {
    const Val v = unsliced(b, ir_index(b, x[0], t.rank - 1, k), (int)a.axis, k, a.step, a.total);
    sum = sum.id ? ir_add(b, sum, v) : v;
  }
  return sum;
}

/* ---- diagonals: every n + 1st element -------------------------------------------------------------------------------- */

Val without_diag(Build *b, const Fn *f, const Inst *i, const Val *x) {
  (void)f;
  const uint32_t n = i->type.dim[0];
  return ir_reshape(b, unsliced(b, x[0], 0, 0, n + 1, (int64_t)n * n), 2, i->type.dim);
}

Val without_diagv(Build *b, const Fn *f, const Inst *i, const Val *x) {
  (void)f;
  const uint32_t n = i->type.dim[0], all = n * n;
  return ir_slice(b, ir_reshape(b, x[0], 1, &all), 0, 0, n, n + 1);
}

/* ---- at a place that is computed ---------------------------------------------------------------------------------------- */

/* All NaN where there is no such row. */
Val without_setrow(Build *b, const Fn *f, const Inst *i, const Val *x) {
  (void)f;
  const Type t = i->type;
  Val rows = ir_iota(b, t.dim[0]), v = ir_expand(b, x[2], 0, t.dim[0]), at = ir_eq(b, rows, x[1]);
  for (int axis = 1; axis < t.rank; axis++) at = ir_expand(b, at, axis, t.dim[axis]);
  const Val low = ir_le(b, ir_const(b, 0), x[1]), high = ir_le(b, x[1], ir_const(b, t.dim[0] - 1));
  const Val whole = ir_eq(b, ir_floor(b, x[1]), x[1]), within = ir_and(b, low, high), set = ir_select(b, at, v, x[0]);
  const Val inside = ir_and(b, within, whole), none = ir_const(b, NAN);
  return ir_select(b, inside, set, none);
}
