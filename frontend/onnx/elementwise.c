/* Nodes that work element by element. */
#include "frontend/onnx/node_priv.h"
#include "ir/base/onnx.h"

#include <string.h>

static bool is_real(int64_t type) {
  return type == ONNX_FLOAT || type == ONNX_DOUBLE || type == ONNX_FLOAT16 || type == ONNX_BFLOAT16;
}

/* Towards zero. */
static Operand truncated(Node *x, Operand a) {
  Operand size = node_ew1(x, OP_floor, node_ew1(x, OP_abs, a)), sign = node_ew1(x, OP_sign, a);
  Operand r = node_ew2(x, OP_mul, sign, size);
  r.kind = OPERAND_WHOLE;
  return r;
}

static Operand number(Node *x, double v) {
  (void)x;
  return operand_number(v);
}

static Operand with(Node *x, Op op, Operand a, double v) { return node_ew2(x, op, a, operand_number(v)); }

bool node_unary(Node *x, int op) { return node_needs(x, 1) && node_give(x, 0, node_ew1(x, (Op)op, x->in[0])); }

bool node_binary(Node *x, int op) {
  if (!node_needs(x, 2)) return false;
  const Operand a = x->in[0], b = x->in[1];
  const bool wholes = a.kind != OPERAND_REAL && b.kind != OPERAND_REAL;
  Operand r = node_ew2(x, (Op)op, a, b);
  if (op == OP_div && wholes) r = truncated(x, r);
  if (op == OP_mod && node_int(x, "fmod", 0))
    r = node_ew2(x, OP_sub, a, node_ew2(x, OP_mul, truncated(x, node_ew2(x, OP_div, a, b)), b));
  if (op == OP_pow) r.kind = a.kind;
  return node_give(x, 0, r);
}

/* Sum, Mean, Max, Min of any number of operands; OP_none: Mean. */
bool node_many(Node *x, int op) {
  if (!node_needs(x, 1) || !node_needs(x, x->nin)) return false;
  Operand r = x->in[0];
  for (uint32_t k = 1; k < x->nin; k++) r = node_ew2(x, op ? (Op)op : OP_add, r, x->in[k]);
  if (!op) r = with(x, OP_div, r, x->nin);
  return node_give(x, 0, r);
}

/* Equal, Less, Greater; from CMP_SWAP on with the operands in the other order. */
bool node_compare(Node *x, int op) {
  enum { SWAP = 1 << 16 };
  if (!node_needs(x, 2)) return false;
  const bool swap = op & SWAP;
  return node_give(x, 0, node_ew2(x, (Op)(op & ~SWAP), x->in[swap], x->in[!swap]));
}

/* Truth values are numbers here: and is the least, or the largest, xor whether they differ, not whether it is 0. */
bool node_logic(Node *x, int op) {
  if (!node_needs(x, op == OP_not ? 1 : 2)) return false;
  if (op == OP_not) return node_give(x, 0, node_ew2(x, OP_eq, x->in[0], number(x, 0)));
  const Op with = op == OP_and ? OP_min : op == OP_or ? OP_max : OP_ne;
  Operand r = node_ew2(x, with, x->in[0], x->in[1]);
  if (with != OP_ne) r = node_ew2(x, OP_ne, r, number(x, 0));
  return node_give(x, 0, r);
}

bool node_where(Node *x, int op) {
  (void)op;
  return node_needs(x, 3) && node_give(x, 0, node_select(x, x->in[0], x->in[1], x->in[2]));
}

bool node_identity(Node *x, int op) {
  (void)op;
  double training = 0;
  if (!node_needs(x, 1) || (!strcmp(x->n->op, "Dropout") && !node_number(x, 2, "whether it trains", &training))) return false;
  if (training != 0) return node_error(x, "`Dropout` in training mode draws: export the network after `model.eval()`");
  if (x->nout > 1) { /* the mask of Dropout */
    const Operand a = x->in[0];
    node_give(x, 1, node_expand(x, operand_scalar(OPERAND_TRUTH, 1), a.rank, a.dim));
  }
  return node_give(x, 0, x->in[0]);
}

bool node_isnan(Node *x, int op) {
  if (!node_needs(x, 1)) return false;
  const Operand a = x->in[0];
  return node_give(x, 0, op ? node_ew2(x, OP_eq, node_ew1(x, OP_abs, a), number(x, HUGE_VAL)) : node_ew2(x, OP_ne, a, a));
}

bool node_cast(Node *x, int op) {
  (void)op;
  if (!node_needs(x, 1)) return false;
  Operand a = x->in[0];
  const int64_t to = node_int(x, "to", x->nin > 1 && x->in[1].kind == OPERAND_REAL ? ONNX_FLOAT : ONNX_INT64);
  if (to == ONNX_BOOL) return node_give(x, 0, a.kind == OPERAND_TRUTH ? a : node_ew2(x, OP_ne, a, number(x, 0)));
  if (to == ONNX_STRING || to > ONNX_BFLOAT16) return node_error(x, "`Cast` to a type that is not known (%d)", (int)to);
  if (a.kind == OPERAND_TRUTH && a.v.kind != V_NONE) node_at(x), a.v = elab_as_numbers(x->E, a.v);
  if (a.kind == OPERAND_REAL && !is_real(to)) a = truncated(x, a);
  a.kind = is_real(to) ? OPERAND_REAL : OPERAND_WHOLE;
  return node_give(x, 0, a);
}

bool node_clip(Node *x, int op) {
  (void)op;
  if (!node_needs(x, 1)) return false;
  Operand r = x->in[0];
  const OperandKind kind = r.kind;
  if (node_attr(x, "min")) r = with(x, OP_max, r, node_float(x, "min", 0));
  else if (x->nin > 1 && x->in[1].kind != OPERAND_NONE) r = node_ew2(x, OP_max, r, x->in[1]);
  if (node_attr(x, "max")) r = with(x, OP_min, r, node_float(x, "max", 0));
  else if (x->nin > 2 && x->in[2].kind != OPERAND_NONE) r = node_ew2(x, OP_min, r, x->in[2]);
  r.kind = kind;
  return node_give(x, 0, r);
}

/* ---- activations ------------------------------------------------------------------------------------------------------- */

bool node_gelu(Node *x, int op) {
  (void)op;
  if (!node_needs(x, 1)) return false;
  const Operand a = x->in[0], half = with(x, OP_mul, a, 0.5);
  Operand in;
  if (!strcmp(node_text(x, "approximate", "none"), "tanh")) {
    const Operand cube = node_ew2(x, OP_mul, a, node_ew2(x, OP_mul, a, a));
    in = node_ew1(x, OP_tanh, with(x, OP_mul, node_ew2(x, OP_add, a, with(x, OP_mul, cube, 0.044715)), 0.79788456080286535588));
  } else in = node_ew1(x, OP_erf, with(x, OP_mul, a, 0.70710678118654752440));
  return node_give(x, 0, node_ew2(x, OP_mul, half, with(x, OP_add, in, 1)));
}

bool node_prelu(Node *x, int op) {
  (void)op;
  if (!node_needs(x, 2)) return false;
  const Operand a = x->in[0], below = node_ew2(x, OP_mul, a, x->in[1]);
  return node_give(x, 0, node_select(x, with(x, OP_lt, a, 0), below, a));
}

/* c (exp(min(a, 0)/d) - 1): nothing overflows on the side that is not taken. */
static Operand below(Node *x, Operand a, double c, double d) {
  Operand e = with(x, OP_min, a, 0);
  if (d != 1) e = with(x, OP_div, e, d);
  e = node_ew1(x, OP_expm1, e);
  return c == 1 ? e : with(x, OP_mul, e, c);
}

static Operand clamp(Node *x, Operand a, double low, double high) { return with(x, OP_min, with(x, OP_max, a, low), high); }

enum {
  ELU,
  CELU,
  SELU,
  LEAKY,
  HARD_SIGMOID,
  HARD_SWISH,
  MISH,
  SWISH,
  SOFTSIGN,
  THRESHOLDED,
  RECIPROCAL
}; /* the rows of table.c have these numbers */

static Operand activation(Node *x, int which, Operand a) {
  const Operand positive = with(x, OP_lt, a, 0);
  switch (which) {
  case ELU: return node_select(x, positive, below(x, a, node_float(x, "alpha", 1), 1), a);
  case CELU: {
    const double alpha = node_float(x, "alpha", 1);
    return node_select(x, positive, below(x, a, alpha, alpha), a);
  }
  case SELU: {
    const double alpha = node_float(x, "alpha", 1.67326319217681884765625),
                 gamma = node_float(x, "gamma", 1.05070102214813232421875);
    return with(x, OP_mul, node_select(x, positive, below(x, a, alpha, 1), a), gamma);
  }
  case LEAKY: return node_select(x, positive, with(x, OP_mul, a, node_float(x, "alpha", 0.01)), a);
  case HARD_SIGMOID:
    return clamp(x, with(x, OP_add, with(x, OP_mul, a, node_float(x, "alpha", 0.2)), node_float(x, "beta", 0.5)), 0, 1);
  case HARD_SWISH: return node_ew2(x, OP_mul, a, clamp(x, with(x, OP_add, with(x, OP_mul, a, 1.0 / 6), 0.5), 0, 1));
  case MISH: return node_ew2(x, OP_mul, a, node_ew1(x, OP_tanh, node_ew1(x, OP_softplus, a)));
  case SWISH: return node_ew2(x, OP_mul, a, node_ew1(x, OP_sigmoid, with(x, OP_mul, a, node_float(x, "alpha", 1))));
  case RECIPROCAL: return node_ew2(x, OP_div, operand_number(1), a);
  case SOFTSIGN: return node_ew2(x, OP_div, a, with(x, OP_add, node_ew1(x, OP_abs, a), 1));
  default: return node_select(x, with(x, OP_le, a, node_float(x, "alpha", 1)), operand_number(0), a);
  }
}

bool node_activation(Node *x, int which) { return node_needs(x, 1) && node_give(x, 0, activation(x, which, x->in[0])); }
