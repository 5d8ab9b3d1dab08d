/* Rows at indices that are computed: reals in the IR, int64 in ONNX. An index that is no whole number in range stands for row 0 where it
 * is read, and NaN is taken in its place. */
#include "codegen/onnx/onnx_priv.h"

#include <math.h>

/* 0 where an index is one, NaN elsewhere; *whole: the index as int64. */
static const char *sound(Onnx *o, const char *i, int64_t n, const char **whole) {
  const char *zero = onnx_real(o, 0), *last = onnx_real(o, (double)(n - 1)), *nan = onnx_real(o, NAN);
  const char *floor = NODE(o, "Floor", i), *even = NODE(o, "Equal", i, floor), *low = NODE(o, "LessOrEqual", zero, i);
  const char *high = NODE(o, "LessOrEqual", i, last);
  even = NODE(o, "And", even, low);
  even = NODE(o, "And", even, high);
  const char *known = NODE(o, "Where", even, i, zero);
  onnx_attr(o, "to", ONNX_INT64);
  *whole = NODE(o, "Cast", known);
  return NODE(o, "Where", even, zero, nan);
}

/* Axes of size 1 behind x, of which there are `have`, up to `want`. */
static const char *padded(Onnx *o, const char *x, int have, int want) {
  int64_t axes[2 * IR_MAX_RANK];
  uint32_t n = 0;
  for (int k = have; k < want; k++) axes[n++] = k;
  return onnx_unsqueeze(o, x, n, axes);
}

const char *onnx_gather(Onnx *o, const Scope *s, const Inst *i) {
  const Type x = ir_type(s->f, ir_arg(s->f, i, 0)), k = ir_type(s->f, ir_arg(s->f, i, 1));
  const char *at, *from = onnx_arg(s, i, 0), *gap = sound(o, onnx_arg(s, i, 1), x.dim[0], &at), *y;
  if (x.lane && k.lane) {
    at = padded(o, at, k.rank + 1, k.rank + 2);
    onnx_attr(o, "batch_dims", 1);
    y = NODE(o, "GatherND", from, at);
  } else {
    onnx_attr(o, "axis", x.lane);
    y = NODE(o, "Gather", from, at);
  }
  gap = padded(o, gap, k.rank + k.lane, k.lane ? i->type.rank + 1 : i->type.rank);
  return NODE(o, "Add", y, gap);
}

/* The axes of the indices are one, and with `lanes` that of the samples too. */
const char *onnx_scatter(Onnx *o, const Scope *s, const Inst *i) {
  const scatter_attr a = ir_scatter_attr(s->f, i);
  const Type c = ir_type(s->f, ir_arg(s->f, i, 0)), k = ir_type(s->f, ir_arg(s->f, i, 1)), y = i->type;
  const char *at, *rows = onnx_arg(s, i, 0), *gap = sound(o, onnx_arg(s, i, 1), a.n, &at), *zero = onnx_real(o, 0);
  if (y.lane && !c.lane) rows = onnx_spread(o, rows, c);
  if (y.lane && !k.lane) at = onnx_spread(o, at, k), gap = onnx_spread(o, gap, k);
  const int lane = y.lane || a.lanes, have = k.rank + lane, want = c.rank + lane;
  at = padded(o, at, have, want), gap = padded(o, gap, have, want);
  const char *none = NODE(o, "Equal", rows, zero), *spoiled = NODE(o, "Where", none, zero, gap), *dims = NODE(o, "Shape", rows);
  at = NODE(o, "Expand", at, dims);
  int64_t count = 1, flat[IR_MAX_RANK + 2], axis = y.lane;
  uint32_t n = 0;
  for (int d = 0; d < k.rank; d++) count *= k.dim[d];
  if (y.lane) flat[n++] = 0;
  flat[n++] = a.lanes ? -1 : count;
  for (int d = 1; d < y.rank; d++) flat[n++] = y.dim[d];
  const char *shape = onnx_wholes(o, n, flat);
  rows = NODE(o, "Reshape", rows, shape);
  at = NODE(o, "Reshape", at, shape);
  spoiled = NODE(o, "Reshape", spoiled, shape);
  Type one = y;
  one.lane = 0;
  const char *base = onnx_expand(o, zero, one);
  if (y.lane) base = onnx_spread(o, base, y);
  onnx_attr(o, "axis", axis);
  onnx_attr_text(o, "reduction", "add");
  const char *sum = NODE(o, "ScatterElements", base, at, rows);
  spoiled = onnx_reduce(o, "ReduceSum", spoiled, 1, &axis, true);
  return NODE(o, "Add", sum, spoiled);
}
