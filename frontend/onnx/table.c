/* Operators of ONNX: a row each. */
#include "frontend/onnx/node_priv.h"

#include <string.h>

enum { SWAP = 1 << 16 }; /* node_compare */

/* clang-format off */
static const struct Row {
  const char *op;
  NodeRow *row;
  int which; /* an Op, or one of several that a row is for */
} rows[] = {
  {"Abs", node_unary, OP_abs}, {"Acos", node_unary, OP_acos}, {"Acosh", node_unary, OP_acosh}, {"Asin", node_unary, OP_asin},
  {"Asinh", node_unary, OP_asinh}, {"Atan", node_unary, OP_atan}, {"Atanh", node_unary, OP_atanh}, {"Ceil", node_unary, OP_ceil},
  {"Cos", node_unary, OP_cos}, {"Cosh", node_unary, OP_cosh}, {"Erf", node_unary, OP_erf}, {"Exp", node_unary, OP_exp},
  {"Floor", node_unary, OP_floor}, {"Log", node_unary, OP_log}, {"Neg", node_unary, OP_neg}, {"Reciprocal", node_activation, 10},
  {"Relu", node_unary, OP_relu}, {"Round", node_unary, OP_round}, {"Sigmoid", node_unary, OP_sigmoid}, {"Sign", node_unary, OP_sign},
  {"Sin", node_unary, OP_sin}, {"Sinh", node_unary, OP_sinh}, {"Softplus", node_unary, OP_softplus}, {"Sqrt", node_unary, OP_sqrt},
  {"Tan", node_unary, OP_tan}, {"Tanh", node_unary, OP_tanh},
  {"Elu", node_activation, 0}, {"Celu", node_activation, 1}, {"Selu", node_activation, 2}, {"LeakyRelu", node_activation, 3},
  {"HardSigmoid", node_activation, 4}, {"HardSwish", node_activation, 5}, {"Mish", node_activation, 6}, {"Swish", node_activation, 7},
  {"Softsign", node_activation, 8}, {"ThresholdedRelu", node_activation, 9}, {"Gelu", node_gelu, 0}, {"PRelu", node_prelu, 0},
  {"Add", node_binary, OP_add}, {"Sub", node_binary, OP_sub}, {"Mul", node_binary, OP_mul}, {"Div", node_binary, OP_div},
  {"Pow", node_binary, OP_pow}, {"Mod", node_binary, OP_mod},
  {"Sum", node_many, OP_add}, {"Mean", node_many, OP_none}, {"Max", node_many, OP_max}, {"Min", node_many, OP_min}, {"Clip", node_clip, 0},
  {"Equal", node_compare, OP_eq}, {"Less", node_compare, OP_lt}, {"LessOrEqual", node_compare, OP_le},
  {"Greater", node_compare, OP_lt | SWAP}, {"GreaterOrEqual", node_compare, OP_le | SWAP},
  {"And", node_logic, OP_and}, {"Or", node_logic, OP_or}, {"Xor", node_logic, OP_ne}, {"Not", node_logic, OP_not},
  {"Where", node_where, 0}, {"IsNaN", node_isnan, 0}, {"IsInf", node_isnan, 1},
  {"Identity", node_identity, 0}, {"Dropout", node_identity, 0}, {"Cast", node_cast, 0}, {"CastLike", node_cast, 0},
  {"Constant", node_constant, 0}, {"ConstantOfShape", node_constant_of_shape, 0}, {"Range", node_range, 0},
  {"Shape", node_shape, 0}, {"Size", node_shape, 1},
  {"Reshape", node_reshape_row, 0}, {"Flatten", node_flatten, 0}, {"Squeeze", node_squeeze, 0}, {"Unsqueeze", node_unsqueeze, 0},
  {"Transpose", node_transpose, 0}, {"Concat", node_concat, 0}, {"Split", node_split, 0}, {"Slice", node_slice, 0}, {"Gather", node_gather, 0}, {"GatherND", node_gather_nd, 0}, {"GatherElements", node_gather_elements, 0},
  {"Expand", node_expand_row, 0}, {"Tile", node_tile, 0}, {"Pad", node_pad, 0}, {"Trilu", node_trilu, 0},
  {"DepthToSpace", node_space, 0}, {"SpaceToDepth", node_space, 1},
  {"ReduceSum", node_reduction, 0}, {"ReduceMean", node_reduction, 1}, {"ReduceMax", node_reduction, 2}, {"ReduceMin", node_reduction, 3},
  {"ReduceProd", node_reduction, 4}, {"ReduceL1", node_reduction, 5}, {"ReduceL2", node_reduction, 6}, {"ReduceSumSquare", node_reduction, 7},
  {"ReduceLogSum", node_reduction, 8}, {"ReduceLogSumExp", node_reduction, 9}, {"ArgMax", node_arg, 0}, {"ArgMin", node_arg, 1},
  {"CumSum", node_cumsum, 0}, {"Softmax", node_softmax, 0}, {"LogSoftmax", node_softmax, 1},
  {"LayerNormalization", node_layer_norm, 1}, {"RMSNormalization", node_layer_norm, 0}, {"BatchNormalization", node_batch_norm, 0},
  {"InstanceNormalization", node_group_norm, 0}, {"GroupNormalization", node_group_norm, 1},
  {"MatMul", node_matmul, 0}, {"Gemm", node_gemm, 0}, {"Einsum", node_einsum, 0},
  {"Conv", node_conv, 0}, {"ConvTranspose", node_conv_transpose, 0}, {"MaxPool", node_pool, 1}, {"AveragePool", node_pool, 0},
  {"GlobalAveragePool", node_global_pool, 0}, {"GlobalMaxPool", node_global_pool, 1}, {"Resize", node_resize, 0}, {"Upsample", node_resize, 0},
};
/* clang-format on */
enum { ROWS = sizeof rows / sizeof *rows };

static const struct Row *row_of(const char *op) {
  for (size_t k = 0; k < ROWS; k++)
    if (!strcmp(rows[k].op, op)) return &rows[k];
  return NULL;
}

static bool unknown(Node *x) {
  DiagMsg *m = *x->n->domain
                   ? elab_error(x->E, CODE_network, x->at, "the operator `%s` of `%s` is not supported", x->n->op, x->n->domain)
                   : elab_error(x->E, CODE_network, x->at, "the operator `%s` is not supported", x->n->op);
  elab_label(m, x->use, "in this network");
  elab_help(
      m,
      "docs/onnx.md lists the supported operators: products, convolutions, normalisations, attention, elementwise functions, ...");
  x->failed = true;
  return false;
}

/* What is made of constants alone is one; what takes too long to evaluate is left to the program. */
static bool folded(Node *x, const struct Row *r, uint32_t k) {
  Scratch s;
  Operand out[256] = {0}, *kept = x->out;
  bool whole = true;
  for (uint32_t i = 0; i < x->nin; i++)
    whole &= x->in[i].v.kind == V_NONE || x->in[i].kind == OPERAND_NONE || exact_whole(x->in[i].v);
  if (x->nout > 256 || (x->E->now->exact && !whole)) return false;
  x->out = out;
  scratch_begin(x->E, &s);
  const bool good = r->row(x, r->which);
  Value v = good ? out[k].v : POISON;
  if (v.kind == V_NONE) scratch_end(x->E, &s, POISON, x->at);
  else if (!scratch_settles(x->E, &s, &v, x->at) && good) return x->out = kept, false;
  x->out = kept;
  if (!good) return true;
  out[k].v = v;
  return node_give(x, k, out[k]), true;
}

bool node_row(Node *x) {
  const bool own = !*x->n->domain || !strcmp(x->n->domain, "ai.onnx") || !strcmp(x->n->op, "Gelu");
  const struct Row *r = own ? row_of(x->n->op) : NULL;
  bool known = true;
  if (!r) return unknown(x);
  for (uint32_t k = 0; k < x->nin; k++) known &= operand_known(&x->in[k]);
  for (uint32_t k = 0; known && k < x->nout && !x->failed; k++) known = folded(x, r, k);
  return known ? !x->failed : r->row(x, r->which);
}
