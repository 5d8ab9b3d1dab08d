/* Nodes that take rows by number: Gather and its kin. What is known while compiling is taken by `take`, else by `gather`. */
#include "frontend/onnx/node_priv.h"

/* a with `axis` replaced by the axes of the index. */
static void gathered(const Operand *a, uint32_t axis, const Operand *index, uint32_t *rank, int64_t *dim) {
  *rank = 0;
  for (uint32_t k = 0; k < axis; k++) dim[(*rank)++] = a->dim[k];
  for (uint32_t k = 0; k < index->rank && *rank < ONNX_MOST_RANK; k++) dim[(*rank)++] = index->dim[k];
  for (uint32_t k = axis + 1; k < a->rank && *rank < ONNX_MOST_RANK; k++) dim[(*rank)++] = a->dim[k];
}

/* The index is a number of the program: rows of the first axis, which is moved there and back. */
static Operand row(Node *x, Operand a, uint32_t axis, Operand index) {
  int to[IR_MAX_RANK], back[IR_MAX_RANK], n = 0;
  int64_t dim[ONNX_MOST_RANK];
  uint32_t rank;
  gathered(&a, axis, &index, &rank, dim);
  if (!node_fits(x, rank, dim)) return a;
  const Operand from_end = node_ew2(x, OP_add, index, operand_number((double)a.dim[axis]));
  index = node_select(x, node_ew2(x, OP_lt, index, operand_number(0)), from_end, index);
  Val v = node_with_axis(x, &a, axis);
  const Val i = node_val(x, &index);
  const int place = operand_place(&a, axis), axes = elab_type(x->E, v).rank, inner = elab_type(x->E, i).rank;
  to[n++] = place;
  for (int k = 0; k < axes; k++)
    if (k != place) to[n++] = k;
  if (place) v = ir_transpose(node_at(x), v, to);
  v = ir_gather(node_at(x), v, i);
  n = 0;
  for (int k = 0; k < place; k++) back[n++] = inner + k;
  for (int k = 0; k < inner; k++) back[n++] = k;
  for (int k = place; k < axes - 1; k++) back[n++] = inner + k;
  if (place) v = ir_transpose(node_at(x), v, back);
  return node_squeezed(x, a.kind, rank, dim, v);
}

/* Rows index[...] of an axis, which the axes of the index replace. */
static Operand rows(Node *x, Operand a, uint32_t axis, Operand index) {
  uint32_t rank;
  int64_t dim[ONNX_MOST_RANK];
  const int64_t n = operand_count(&index);
  if (x->failed) return a;
  if (a.rank + index.rank - 1 > ONNX_MOST_RANK) return node_error(x, "`%s` makes a tensor of too many axes", x->n->op), a;
  if (!operand_known(&index)) return row(x, a, axis, index);
  if (n > ELAB_ELEMENTS) return node_error(x, "`%s` takes %lld rows, %d at most", x->n->op, (long long)n, (int)ELAB_ELEMENTS), a;
  int64_t *at = ARENA_ARRAY(x->E->mem, int64_t, n + 1);
  for (int64_t k = 0; k < n; k++) {
    const Num v = index.v.kind == V_ARRAY ? index.v.array->at[k] : index.v.kind == V_NUM ? index.v.num : num_of(-1);
    at[k] = v.den == 1 ? v.num : (int64_t)1 << 40;
    if (at[k] < 0) at[k] += a.dim[axis];
    if (at[k] < 0 || at[k] >= a.dim[axis])
      return node_error(x, "`%s` takes row %g of an axis of %lld", x->n->op, v.v, (long long)a.dim[axis]), a;
  }
  gathered(&a, axis, &index, &rank, dim);
  return node_reshape(x, node_taken(x, a, axis, at, (uint32_t)n), rank, dim);
}

bool node_gather(Node *x, int op) {
  (void)op;
  uint32_t axis;
  if (!node_needs(x, 2) || !node_axis(x, node_int(x, "axis", 0), x->in[0].rank, &axis)) return false;
  return node_give(x, 0, rows(x, x->in[0], axis, x->in[1]));
}

/* index, or index + n where it counts from the end, times stride. */
static Operand offset(Node *x, Operand index, int64_t n, int64_t stride) {
  const Operand from_end = node_ew2(x, OP_add, index, operand_number((double)n));
  const Operand at = node_select(x, node_ew2(x, OP_lt, index, operand_number(0)), from_end, index);
  return stride == 1 ? at : node_ew2(x, OP_mul, at, operand_number((double)stride));
}

/* The last axis of the index numbers the first axes of what it takes from, which become one. */
bool node_gather_nd(Node *x, int op) {
  (void)op;
  if (!node_needs(x, 2)) return false;
  Operand a = x->in[0], index = x->in[1];
  const int64_t batch = node_int(x, "batch_dims", 0), last = index.rank ? index.dim[index.rank - 1] : 0;
  if (batch < 0 || batch >= index.rank || batch + last > a.rank || last < 1)
    return node_error(x, "`GatherND` of %s by %s", operand_text(x, &a), operand_text(x, &index));
  int64_t dim[ONNX_MOST_RANK], lead[ONNX_MOST_RANK], first = 1, stride;
  for (int64_t k = 0; k < batch; k++) {
    if (a.dim[k] != 1 || index.dim[k] != 1) return node_error(x, "`GatherND` with batch axes of %s", operand_text(x, &a));
    lead[k] = 1;
  }
  for (int64_t k = batch; k < batch + last; k++) first *= a.dim[k];
  stride = first;
  Operand flat = operand_number(0);
  for (int64_t k = 0; k < last; k++) {
    stride /= a.dim[batch + k] > 0 ? a.dim[batch + k] : 1;
    const Operand one = node_sliced(x, index, index.rank - 1, k, 1, 1);
    flat = node_ew2(x, OP_add, flat, offset(x, one, a.dim[batch + k], stride));
  }
  if (x->failed) return false;
  const uint32_t inner = index.rank - 1 - (uint32_t)batch;
  flat = node_reshape(x, flat, inner, index.dim + batch);
  uint32_t rank = 0;
  dim[rank++] = first;
  for (uint32_t k = (uint32_t)(batch + last); k < a.rank; k++) dim[rank++] = a.dim[k];
  const Operand r = rows(x, node_reshape(x, a, rank, dim), 0, flat);
  if (x->failed || (uint32_t)batch + r.rank > ONNX_MOST_RANK)
    return x->failed ? false : node_error(x, "`GatherND` makes a tensor of too many axes");
  for (uint32_t k = 0; k < r.rank; k++) lead[batch + k] = r.dim[k];
  return node_give(x, 0, node_reshape(x, r, (uint32_t)batch + r.rank, lead));
}

/* Each element takes one along an axis, at its own place in the others: all axes become one. */
bool node_gather_elements(Node *x, int op) {
  (void)op;
  uint32_t axis;
  if (!node_needs(x, 2) || !node_axis(x, node_int(x, "axis", 0), x->in[0].rank, &axis)) return false;
  const Operand a = x->in[0], index = x->in[1];
  int64_t stride = 1, own = 1, dim;
  if (index.rank != a.rank) return node_error(x, "`GatherElements` of %s by %s", operand_text(x, &a), operand_text(x, &index));
  Operand flat = operand_number(0);
  for (uint32_t k = a.rank; k-- > 0; stride *= a.dim[k]) {
    if (k == axis) own = stride;
    else if (index.dim[k] > a.dim[k])
      return node_error(x, "`GatherElements` of %s by %s", operand_text(x, &a), operand_text(x, &index));
    else if (index.dim[k] > 1) {
      int64_t *at = ARENA_ARRAY(x->E->mem, int64_t, index.dim[k] + 1), to[ONNX_MOST_RANK];
      for (int64_t i = 0; i < index.dim[k]; i++) at[i] = i * stride;
      for (uint32_t i = 0; i < a.rank; i++) to[i] = i == k ? index.dim[k] : 1;
      flat = node_ew2(x, OP_add, flat, node_reshape(x, operand_wholes(x, at, (uint32_t)index.dim[k]), a.rank, to));
    }
  }
  flat = node_ew2(x, OP_add, flat, offset(x, index, a.dim[axis], own));
  dim = operand_count(&a);
  return node_give(x, 0, rows(x, node_reshape(x, a, 1, &dim), 0, flat));
}
