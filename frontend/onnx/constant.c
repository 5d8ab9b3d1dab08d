/* Numbers of the file as operands. */
#include "frontend/onnx/node_priv.h"
#include "ir/base/onnx.h"

#include <string.h>

static OperandKind kind_of(int type) {
  const bool real = type == ONNX_FLOAT || type == ONNX_DOUBLE || type == ONNX_FLOAT16 || type == ONNX_BFLOAT16;
  return real ? OPERAND_REAL : type == ONNX_BOOL ? OPERAND_TRUTH : OPERAND_WHOLE;
}

Operand operand_tensor(Node *x, const OnnxTensor *t) {
  const Type of = operand_type(t->rank, t->dim);
  const OperandKind kind = kind_of(t->type);
  Value v = {.kind = V_NONE};
  if (!node_fits(x, t->rank, t->dim)) return operand_of(kind, 0, NULL, POISON);
  if (t->count > ELAB_ELEMENTS) {
    node_error(x, "the constant `%s` has %lld elements, %d at most", t->name, (long long)t->count, (int)ELAB_ELEMENTS);
    return operand_of(kind, 0, NULL, POISON);
  }
  Num *at = ARENA_ARRAY(x->E->mem, Num, t->count + 1);
  for (int64_t k = 0; k < t->count; k++) at[k] = t->real ? num_of(t->real[k]) : num_ratio(t->whole[k], 1);
  if (t->count == 1) v = t->real ? value_num(t->real[0]) : value_exact(t->whole[0], 1);
  else if (t->count) v = value_array(x->E, of.rank, of.dim, at);
  if (kind == OPERAND_TRUTH && v.kind != V_NONE) v = value_truths(x->E, v);
  return operand_of(kind, t->rank, t->dim, v);
}

static Operand listed(Node *x, OperandKind kind, const double *real, const int64_t *whole, uint32_t n) {
  const int64_t dim = n;
  const uint32_t n32 = n;
  if (whole) return operand_wholes(x, whole, n);
  Num *at = ARENA_ARRAY(x->E->mem, Num, n + 1);
  for (uint32_t k = 0; k < n; k++) at[k] = num_of(real[k]);
  const Value v = n == 0 ? (Value){.kind = V_NONE} : n == 1 ? value_num(real[0]) : value_array(x->E, 1, &n32, at);
  return operand_of(kind, 1, &dim, v);
}

bool node_constant(Node *x, int op) {
  (void)op;
  for (uint32_t k = 0; k < x->n->nattr; k++) {
    const OnnxAttr *a = &x->n->attr[k];
    if (!strcmp(a->name, "value") && a->t) return node_give(x, 0, operand_tensor(x, a->t));
    if (!strcmp(a->name, "value_float")) return node_give(x, 0, operand_number(a->f));
    if (!strcmp(a->name, "value_floats")) return node_give(x, 0, listed(x, OPERAND_REAL, a->floats, NULL, a->nfloats));
    if (!strcmp(a->name, "value_ints")) return node_give(x, 0, listed(x, OPERAND_WHOLE, NULL, a->ints, a->nints));
    if (!strcmp(a->name, "value_int")) return node_give(x, 0, operand_of(OPERAND_WHOLE, 0, NULL, value_exact(a->i, 1)));
  }
  return node_error(x, "this constant is not a tensor of numbers");
}

bool node_constant_of_shape(Node *x, int op) {
  (void)op;
  int64_t dim[ONNX_MOST_RANK];
  uint32_t n;
  const OnnxAttr *a = node_attr(x, "value");
  if (!node_needs(x, 1) || !node_list(x, 0, "the shape", ONNX_MOST_RANK, dim, &n)) return false;
  Operand of = operand_number(0);
  if (a && a->t) {
    if (a->t->count != 1) return node_error(x, "`ConstantOfShape` repeats one number, found %lld", (long long)a->t->count);
    of = operand_tensor(x, a->t);
  }
  if (x->batch > 1 && n && dim[0] == x->batch) dim[0] = 1;
  return node_fits(x, n, dim) && node_give(x, 0, node_expand(x, operand_of(of.kind, 0, NULL, of.v), n, dim));
}
