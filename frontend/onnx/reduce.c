/* Nodes that reduce axes, and those that scale by what they reduce to. */
#include "frontend/onnx/node_priv.h"

#include <string.h>

/* ---- reductions --------------------------------------------------------------------------------------------------- */

enum { R_SUM, R_MEAN, R_MAX, R_MIN, R_PROD, R_L1, R_L2, R_SQUARES, R_LOGSUM, R_LOGSUMEXP };

static Operand square(Node *x, Operand a) { return node_ew2(x, OP_mul, a, a); }

/* By a function of the language that takes one axis. */
static Operand one_by_one(Node *x, const char *name, Operand a, const bool *in) {
  for (uint32_t k = 0; k < a.rank && !x->failed; k++)
    if (in[k] && a.dim[k] > 1)
      a = node_call(x, name, a, k, false), a.rank++, memmove(a.dim + k + 1, a.dim + k, (a.rank - 1 - k) * sizeof *a.dim),
      a.dim[k] = 1;
  return a;
}

static Operand reduced(Node *x, int which, Operand a, const bool *in) {
  switch (which) {
  case R_SUM: return node_reduce(x, OP_sum, a, in, true);
  case R_MEAN: return node_mean(x, a, in);
  case R_MAX: return node_reduce(x, OP_rmax, a, in, true);
  case R_MIN: return node_reduce(x, OP_rmin, a, in, true);
  case R_PROD: return one_by_one(x, "prod", a, in);
  case R_L1: return node_reduce(x, OP_sum, node_ew1(x, OP_abs, a), in, true);
  case R_L2: return node_ew1(x, OP_sqrt, node_reduce(x, OP_sum, square(x, a), in, true));
  case R_SQUARES: return node_reduce(x, OP_sum, square(x, a), in, true);
  case R_LOGSUM: return node_ew1(x, OP_log, node_reduce(x, OP_sum, a, in, true));
  default: return one_by_one(x, "logsumexp", a, in);
  }
}

bool node_reduction(Node *x, int which) {
  bool in[ONNX_MOST_RANK], given;
  int64_t dim[ONNX_MOST_RANK];
  uint32_t rank = 0;
  if (!node_needs(x, 1)) return false;
  const Operand a = x->in[0];
  if (!node_axes(x, 1, a.rank, in, &given)) return false;
  if (!given && node_int(x, "noop_with_empty_axes", 0)) return node_give(x, 0, a);
  Operand r = reduced(x, which, a, in);
  if (x->failed) return false;
  const bool keep = node_int(x, "keepdims", 1) != 0;
  for (uint32_t k = 0; k < a.rank; k++)
    if (keep || !in[k]) dim[rank++] = in[k] ? 1 : a.dim[k];
  if (a.kind != OPERAND_REAL && which <= R_PROD && which != R_MEAN) r.kind = OPERAND_WHOLE;
  return node_give(x, 0, node_reshape(x, r, rank, dim));
}

bool node_arg(Node *x, int smallest) {
  uint32_t axis;
  if (!node_needs(x, 1) || !node_axis(x, node_int(x, "axis", 0), x->in[0].rank, &axis)) return false;
  const Operand a = x->in[0];
  const bool keep = node_int(x, "keepdims", 1) != 0;
  int64_t dim[ONNX_MOST_RANK];
  uint32_t rank = 0;
  if (node_int(x, "select_last_index", 0)) return node_error(x, "`%s` of the last of equals", x->n->op);
  for (uint32_t k = 0; k < a.rank; k++)
    if (k != axis || keep) dim[rank++] = k == axis ? 1 : a.dim[k];
  if (a.dim[axis] == 1) return node_give(x, 0, node_expand(x, operand_scalar(OPERAND_WHOLE, 0), rank, dim));
  Operand r = node_call(x, smallest ? "argmin" : "argmax", a, axis, false);
  if (x->failed) return false;
  return node_give(x, 0, operand_of(OPERAND_WHOLE, rank, dim, r.v));
}

static Operand flipped(Node *x, Operand a, uint32_t axis) { return node_sliced(x, a, axis, a.dim[axis] - 1, a.dim[axis], -1); }

bool node_cumsum(Node *x, int op) {
  (void)op;
  double at = 0;
  uint32_t axis;
  if (!node_needs(x, 2) || !node_number(x, 1, "the axis", &at) || !node_axis(x, (int64_t)at, x->in[0].rank, &axis)) return false;
  const bool reverse = node_int(x, "reverse", 0) != 0;
  const Operand a = x->in[0];
  Operand r = reverse ? flipped(x, a, axis) : a;
  if (a.dim[axis] > 1) r = node_call(x, "cumsum", r, axis, true);
  if (reverse && !x->failed) r = flipped(x, r, axis);
  if (node_int(x, "exclusive", 0)) r = node_ew2(x, OP_sub, r, a);
  r.kind = a.kind;
  return node_give(x, 0, r);
}

/* ---- softmax ---------------------------------------------------------------------------------------------------------- */

bool node_softmax(Node *x, int logarithm) {
  uint32_t axis;
  if (!node_needs(x, 1)) return false;
  const Operand given = x->in[0];
  if (!node_axis(x, node_int(x, "axis", x->opset < 13 ? 1 : -1), given.rank, &axis)) return false;
  Operand a = given;
  if (x->opset < 13) { /* all axes from this one on are one */
    int64_t dim[2] = {1, 1};
    for (uint32_t k = 0; k < given.rank; k++) dim[k >= axis] *= given.dim[k];
    a = node_reshape(x, given, 2, dim), axis = 1;
  }
  if (x->failed) return false;
  Operand r;
  if (a.dim[axis] == 1) r = node_expand(x, operand_number(logarithm ? 0 : 1), a.rank, a.dim);
  else if (!logarithm) r = node_call(x, "softmax", a, axis, true);
  else {
    Operand s = node_call(x, "logsumexp", a, axis, false);
    int64_t dim[ONNX_MOST_RANK];
    memcpy(dim, a.dim, sizeof dim);
    dim[axis] = 1;
    r = node_ew2(x, OP_sub, a, node_reshape(x, s, a.rank, dim));
  }
  return node_give(x, 0, node_reshape(x, r, given.rank, given.dim));
}

/* ---- normalisations --------------------------------------------------------------------------------------------------- */

typedef struct Scaled {
  Operand mean, deviation, out;
} Scaled;

/* (a - mean)/sqrt(variance + eps) over the axes; without a mean where that is not taken away. */
static Scaled scaled(Node *x, Operand a, const bool *in, double eps, bool centred) {
  Scaled s = {.out = a};
  if (centred) s.mean = node_mean(x, a, in), s.out = node_ew2(x, OP_sub, a, s.mean);
  if (x->failed) return s;
  s.deviation = node_ew1(x, OP_sqrt, node_ew2(x, OP_add, node_mean(x, square(x, s.out), in), operand_number(eps)));
  s.out = node_ew2(x, OP_div, s.out, s.deviation);
  return s;
}

/* LayerNormalization; without the mean RMSNormalization. */
bool node_layer_norm(Node *x, int centred) {
  uint32_t axis;
  bool in[ONNX_MOST_RANK];
  if (!node_needs(x, 2) || !node_axis(x, node_int(x, "axis", -1), x->in[0].rank, &axis)) return false;
  const Operand a = x->in[0];
  for (uint32_t k = 0; k < a.rank; k++) in[k] = k >= axis;
  const Scaled s = scaled(x, a, in, node_float(x, "epsilon", 1e-5), centred);
  if (x->failed) return false;
  Operand r = node_ew2(x, OP_mul, s.out, x->in[1]);
  if (x->nin > 2 && x->in[2].kind != OPERAND_NONE) r = node_ew2(x, OP_add, r, x->in[2]);
  if (centred && x->nout > 1 && !node_give(x, 1, s.mean)) return false;
  if (centred && x->nout > 2 && !node_give(x, 2, node_ew2(x, OP_div, operand_number(1), s.deviation))) return false;
  return node_give(x, 0, r);
}

/* [c] along axis 1 of a. */
static Operand channels(Node *x, Operand v, const Operand *a) {
  int64_t dim[ONNX_MOST_RANK];
  if (a->rank < 2 || operand_count(&v) != a->dim[1]) {
    node_error(x, "`%s` of %s has %s for the channels", x->n->op, operand_text(x, a), operand_text(x, &v));
    return v;
  }
  for (uint32_t k = 1; k < a->rank; k++) dim[k - 1] = k == 1 ? a->dim[1] : 1;
  return node_reshape(x, v, a->rank - 1, dim);
}

bool node_batch_norm(Node *x, int op) {
  (void)op;
  if (!node_needs(x, 5)) return false;
  if (node_int(x, "training_mode", 0))
    return node_error(x,
                      "`BatchNormalization` in training mode takes means over the batch: export the network after `model.eval()`");
  const Operand a = x->in[0];
  const Operand gain = channels(x, x->in[1], &a), shift = channels(x, x->in[2], &a), mean = channels(x, x->in[3], &a),
                variance = channels(x, x->in[4], &a);
  if (x->failed) return false;
  const Operand sd = node_ew1(x, OP_sqrt, node_ew2(x, OP_add, variance, operand_number(node_float(x, "epsilon", 1e-5))));
  const Operand factor = node_ew2(x, OP_div, gain, sd), centred = node_ew2(x, OP_sub, a, mean);
  return node_give(x, 0, node_ew2(x, OP_add, node_ew2(x, OP_mul, centred, factor), shift));
}

/* Of each channel (op 0: InstanceNormalization) or group of channels. */
bool node_group_norm(Node *x, int grouped) {
  if (!node_needs(x, 3)) return false;
  const Operand a = x->in[0];
  if (a.rank < 2) return node_error(x, "`%s` of %s", x->n->op, operand_text(x, &a));
  const int64_t groups = grouped ? node_int(x, "num_groups", 1) : a.dim[1];
  if (groups < 1 || a.dim[1] % groups)
    return node_error(x, "`%s` of %s in %lld groups", x->n->op, operand_text(x, &a), (long long)groups);
  const int64_t rest = a.dim[0] > 0 ? operand_count(&a) / (a.dim[0] * groups) : 0, dim[3] = {a.dim[0], groups, rest};
  const bool in[3] = {false, false, true};
  const Operand flat = node_reshape(x, a, 3, dim);
  if (x->failed) return false;
  const Scaled s = scaled(x, flat, in, node_float(x, "epsilon", 1e-5), true);
  if (x->failed) return false;
  Operand gain = x->in[1], shift = x->in[2];
  if (grouped && operand_count(&gain) == groups && groups != a.dim[1]) { /* opset 18: one for each group */
    const int64_t of[3] = {1, groups, 1};
    const Operand g = node_reshape(x, gain, 3, of), b = node_reshape(x, shift, 3, of);
    const Operand r = node_ew2(x, OP_add, node_ew2(x, OP_mul, s.out, g), b);
    return node_give(x, 0, node_reshape(x, r, a.rank, a.dim));
  }
  gain = channels(x, gain, &a), shift = channels(x, shift, &a);
  const Operand back = node_reshape(x, s.out, a.rank, a.dim);
  return node_give(x, 0, node_ew2(x, OP_add, node_ew2(x, OP_mul, back, gain), shift));
}
