/* Tensors in other shapes. */
#include "codegen/onnx/onnx_priv.h"

const char *onnx_batch(Onnx *o) {
  o->batch_read = true;
  const int64_t one = 1;
  return o->batch ? o->batch : onnx_wholes(o, 1, &one);
}

/* Dims of a reshape of a value that is per sample or not: 0 is the same as before. */
static uint32_t dims_of(Type t, int64_t batch, int64_t *dim) {
  uint32_t n = 0;
  if (t.lane) dim[n++] = batch;
  for (int k = 0; k < t.rank; k++) dim[n++] = t.dim[k];
  return n;
}

const char *onnx_reshape(Onnx *o, const char *x, Type to) {
  int64_t dim[IR_MAX_RANK + 1];
  const uint32_t n = dims_of(to, 0, dim);
  const char *dims = onnx_wholes(o, n, dim);
  return NODE(o, "Reshape", x, dims);
}

const char *onnx_transpose(Onnx *o, const char *x, uint32_t n, const int *perm) {
  int64_t to[2 * IR_MAX_RANK];
  bool moves = false;
  for (uint32_t k = 0; k < n; k++) to[k] = perm[k], moves |= perm[k] != (int)k;
  if (!moves) return x;
  onnx_attr_list(o, "perm", n, to);
  return NODE(o, "Transpose", x);
}

const char *onnx_unsqueeze(Onnx *o, const char *x, uint32_t n, const int64_t *axes) {
  if (!n) return x;
  const char *list = onnx_wholes(o, n, axes);
  return NODE(o, "Unsqueeze", x, list);
}

const char *onnx_expand(Onnx *o, const char *x, Type t) {
  int64_t dim[IR_MAX_RANK + 1];
  const uint32_t n = dims_of(t, 1, dim); /* a 1 leaves what there is */
  const char *dims = onnx_wholes(o, n, dim);
  return NODE(o, "Expand", x, dims);
}

const char *onnx_spread(Onnx *o, const char *x, Type t) {
  const char *to = onnx_batch(o);
  if (t.rank) {
    int64_t dim[IR_MAX_RANK + 1];
    t.lane = 0;
    const uint32_t n = dims_of(t, 0, dim);
    const char *rest = onnx_wholes(o, n, dim);
    onnx_attr(o, "axis", 0);
    to = NODE(o, "Concat", to, rest);
  }
  return NODE(o, "Expand", x, to);
}

const char *onnx_reduce(Onnx *o, const char *op, const char *x, uint32_t n, const int64_t *axes, bool keep) {
  const char *list = onnx_wholes(o, n, axes);
  onnx_attr(o, "keepdims", keep);
  return NODE(o, op, x, list);
}

const char *onnx_slice(Onnx *o, const char *x, int64_t axis, int64_t start, int64_t end, int64_t step) {
  const char *from = onnx_wholes(o, 1, &start), *to = onnx_wholes(o, 1, &end), *along = onnx_wholes(o, 1, &axis),
             *by = onnx_wholes(o, 1, &step);
  return NODE(o, "Slice", x, from, to, along, by);
}
