/* Handlers of windows and of what is made of them: convolutions, pooling.
 *
 * A convolution is a product through windows of its input, y[o, i] = sum_{c, j} W[o, c, j] x[c, s i + j - low], where what is missing at the ends
 * is put there before. Its derivatives follow from those of `window`, whose adjoint adds stretches up, and of the product. */
#include "frontend/builtin/builtin_priv.h"

#include <string.h>

enum { MOST_SPATIAL = 3 };
typedef enum { PAD_SAME, PAD_VALID, PAD_PERIODIC } Padding;

/* One spatial axis: sizes of input, kernel and result, and how many elements are put before and behind. */
typedef struct ConvAxis {
  uint32_t n, k, out, low, high;
} ConvAxis;

typedef struct Conv {
  ConvAxis axis[MOST_SPATIAL];
  int spatial;
  uint32_t stride;
  Padding padding;
} Conv;

static bool length_arg(Elab *E, const Actual *a, const char *what, uint32_t most, uint32_t *out) {
  int64_t k;
  if (!need_int(E, a, what, &k)) return false;
  if (k >= 1 && k <= most) return *out = (uint32_t)k, true;
  elab_error(E, CODE_out_of_range, a->at, "%s must be from 1 to %u, found %lld", what, most, (long long)k);
  return false;
}

/* ---- windows -------------------------------------------------------------------------------------------------------- */

Value bi_windows(Elab *E, const Builtin *b, Actuals *a) {
  const Type t = type_of(&a->at[0]);
  uint32_t axis = t.rank - 1u, k, stride = 1;
  if (t.rank == 0 || t.rank == IR_MAX_RANK) return error_shape(E, &a->at[0], b->name, t.rank ? "fewer axes" : "a tensor");
  if (given(&a->at[3]) && !need_axis(E, &a->at[3], t, &axis)) return POISON;
  if (!length_arg(E, &a->at[1], "the length of a window", t.dim[axis], &k)) return POISON;
  if (given(&a->at[2]) && !length_arg(E, &a->at[2], "`stride`", INT32_MAX, &stride)) return POISON;
  if (!elab_fits(E, type_count(t) / t.dim[axis] * ((t.dim[axis] - k) / stride + 1) * k, a->call)) return POISON;
  const Val v = in(E, &a->at[0]);
  return elab_value(E, ir_window(elab_at(E, a->call), v, (int)axis, k, stride));
}

/* ---- convolutions ------------------------------------------------------------------------------------------------------- */

static bool padding_arg(Elab *E, const Actual *a, Padding *out) {
  static const char *const word[] = {"same", "valid", "periodic"};
  if (!given(a)) return true;
  for (int k = 0; a->v.kind == V_STRING && k < 3; k++)
    if (!strcmp(a->v.string, word[k])) return *out = (Padding)k, true;
  if (a->v.kind != V_POISON) elab_error(E, CODE_wrong_kind, a->at, "`padding` must be `same`, `valid` or `periodic`");
  return false;
}

/* x and W have their shapes, [c, n...] and [out, c, k...]; axis `channels` of W is that of x. */
static bool conv_args(Elab *E, const Builtin *b, const Actuals *a, int channels, Conv *c) {
  const Type x = type_of(&a->at[0]), w = type_of(&a->at[1]);
  *c = (Conv){.spatial = x.rank - 1, .stride = 1};
  if (x.rank < 2 || x.rank > MOST_SPATIAL + 1)
    return error_shape(E, &a->at[0], b->name, "an axis of channels and one to three spatial axes"), false;
  if (w.rank != x.rank + 1 || w.dim[channels] != x.dim[0]) {
    const char *needs = channels ? "weights [out, channels, k...] with as many channels and axes as its input"
                                 : "weights [channels, out, k...] with as many channels and axes as its input";
    error_mismatch(E, b, &a->at[0], &a->at[1], needs, a->at[1].at);
    return false;
  }
  return (!given(&a->at[2]) || length_arg(E, &a->at[2], "`stride`", 1 << 20, &c->stride)) && padding_arg(E, &a->at[3], &c->padding);
}

/* n and k are known: what is put at the ends, and the result. */
static bool size_axis(Elab *E, const Actuals *a, const Conv *c, ConvAxis *x) {
  if (c->padding == PAD_VALID) {
    if (x->k <= x->n) return x->out = (x->n - x->k) / c->stride + 1, true;
    elab_error(E, CODE_shape_mismatch, a->at[1].at, "a kernel of size %u does not fit into an axis of %u without padding", x->k,
               x->n);
    return false;
  }
  x->out = (x->n + c->stride - 1) / c->stride;
  const int64_t most = (int64_t)(x->out - 1) * c->stride + x->k, missing = most > x->n ? most - x->n : 0;
  x->low = (uint32_t)(missing / 2), x->high = (uint32_t)(missing - missing / 2);
  if (c->padding != PAD_PERIODIC || x->high <= x->n) return true;
  elab_error(E, CODE_shape_mismatch, a->at[1].at, "a kernel of size %u wraps around an axis of %u more than once", x->k, x->n);
  return false;
}

static Val padded(Build *b, Val x, int at, const Conv *c) {
  const ConvAxis *n = &c->axis[at - 1];
  if (!n->low && !n->high) return x;
  if (c->padding == PAD_SAME) return ir_unslice(b, x, at, n->low, 1, n->low + n->n + n->high);
  Val part[3];
  uint32_t parts = 0;
  if (n->low) part[parts++] = ir_slice(b, x, at, n->n - n->low, n->low, 1);
  part[parts++] = x;
  if (n->high) part[parts++] = ir_slice(b, x, at, 0, n->high, 1);
  return ir_concat(b, part, parts, at);
}

/* Its adjoint. */
static Val unpadded(Build *b, Val y, int at, const Conv *c) {
  const ConvAxis *n = &c->axis[at - 1];
  if (!n->low && !n->high) return y;
  Val x = ir_slice(b, y, at, n->low, n->n, 1);
  if (c->padding != PAD_PERIODIC) return x;
  if (n->low) {
    const Val before = ir_unslice(b, ir_slice(b, y, at, 0, n->low, 1), at, n->n - n->low, 1, n->n);
    x = ir_add(b, x, before);
  }
  const Val behind = ir_unslice(b, ir_slice(b, y, at, n->low + n->n, n->high, 1), at, 0, 1, n->n);
  return ir_add(b, x, behind);
}

enum { L_OUT, L_IN, L_AT, L_TAP = L_AT + MOST_SPATIAL }; /* labels of the product */

static void labels(const Conv *c, int *weights, int *windows, int *result) {
  weights[0] = L_OUT, weights[1] = windows[0] = L_IN, result[0] = L_OUT;
  for (int k = 0; k < c->spatial; k++)
    weights[2 + k] = windows[1 + c->spatial + k] = L_TAP + k, windows[1 + k] = result[1 + k] = L_AT + k;
}

Value bi_conv(Elab *E, const Builtin *b, Actuals *a) {
  Conv c;
  int lw[IR_MAX_RANK], lx[IR_MAX_RANK], ly[IR_MAX_RANK];
  if (!conv_args(E, b, a, 1, &c)) return POISON;
  const Type x = type_of(&a->at[0]), w = type_of(&a->at[1]);
  int64_t most = w.dim[0];
  for (int k = 0; k < c.spatial; k++) {
    c.axis[k] = (ConvAxis){.n = x.dim[1 + k], .k = w.dim[2 + k]};
    if (!size_axis(E, a, &c, &c.axis[k])) return POISON;
    most *= c.axis[k].out;
  }
  if (!elab_fits(E, most, a->call)) return POISON;
  Val v = in(E, &a->at[0]);
  const Val weights = in(E, &a->at[1]);
  Build *bl = elab_at(E, a->call);
  for (int k = 1; k <= c.spatial; k++) v = padded(bl, v, k, &c);
  for (int k = 1; k <= c.spatial; k++) v = ir_window(bl, v, k, c.axis[k - 1].k, c.stride);
  labels(&c, lw, lx, ly);
  return elab_value(E, ir_dot(bl, weights, v, false, lw, lx, 1 + c.spatial, ly));
}

/* The adjoint of that by x, which has `stride` times as many elements along each axis, or with `valid` as few as the windows take. */
Value bi_conv_transpose(Elab *E, const Builtin *b, Actuals *a) {
  Conv c;
  int lw[IR_MAX_RANK], lx[IR_MAX_RANK], ly[IR_MAX_RANK];
  if (!conv_args(E, b, a, 0, &c)) return POISON;
  const Type y = type_of(&a->at[0]), w = type_of(&a->at[1]);
  int64_t most = w.dim[1];
  for (int k = 0; k < c.spatial; k++) {
    const int64_t m = y.dim[1 + k], taps = w.dim[2 + k], n = c.padding == PAD_VALID ? c.stride * (m - 1) + taps : c.stride * m;
    if (n > INT32_MAX || !elab_fits(E, n, a->call)) return POISON;
    c.axis[k] = (ConvAxis){.n = (uint32_t)n, .k = (uint32_t)taps};
    if (!size_axis(E, a, &c, &c.axis[k])) return POISON;
    most *= n;
    if (!elab_fits(E, most, a->call)) return POISON;
  }
  const Val y0 = in(E, &a->at[0]), weights = in(E, &a->at[1]);
  Build *bl = elab_at(E, a->call);
  labels(&c, lw, lx, ly);
  Val v = ir_dot(bl, weights, y0, false, lw, ly, 1 + 2 * c.spatial, lx);
  for (int k = c.spatial; k >= 1; k--)
    v = ir_unwindow(bl, v, k, c.stride, c.axis[k - 1].low + c.axis[k - 1].n + c.axis[k - 1].high);
  for (int k = c.spatial; k >= 1; k--) v = unpadded(bl, v, k, &c);
  return elab_value(E, v);
}

/* ---- blocks --------------------------------------------------------------------------------------------------------------- */

static bool blocks_arg(Elab *E, const Builtin *b, const Actuals *a, bool divide, uint32_t *k) {
  const Type t = type_of(&a->at[0]);
  if (t.rank < 2) return error_shape(E, &a->at[0], b->name, "an axis of channels, followed by other axes"), false;
  if (!length_arg(E, &a->at[1], "the size of a block", INT32_MAX, k)) return false;
  for (int i = 1; divide && i < t.rank; i++)
    if (t.dim[i] % *k) {
      elab_error(E, CODE_shape_mismatch, a->at[1].at,
                 "the block size %u must divide each axis after the first, found an axis of %u", *k, t.dim[i]);
      return false;
    }
  return true;
}

Value bi_pool(Elab *E, const Builtin *b, Actuals *a) {
  uint32_t k;
  if (!blocks_arg(E, b, a, true, &k)) return POISON;
  Val v = in(E, &a->at[0]);
  const int rank = elab_type(E, v).rank;
  Build *bl = elab_at(E, a->call);
  double count = 1;
  for (int i = 1; i < rank; i++, count *= k) {
    v = ir_window(bl, v, i, k, k);
    v = b->op == OP_rmax ? ir_rmax(bl, v, rank) : ir_sum(bl, v, rank);
  }
  if (b->op == OP_rmax) return elab_value(E, v);
  const Val by = ir_const(bl, 1 / count);
  return elab_value(E, ir_mul(bl, v, by));
}

Value bi_upsample(Elab *E, const Builtin *b, Actuals *a) {
  uint32_t k;
  if (!blocks_arg(E, b, a, false, &k)) return POISON;
  Type t = type_of(&a->at[0]);
  int64_t most = type_count(t);
  for (int i = 1; i < t.rank; i++, most *= k)
    if (!elab_fits(E, most * k, a->call)) return POISON;
  Val v = in(E, &a->at[0]);
  Build *bl = elab_at(E, a->call);
  for (int i = 1; i < t.rank; i++) {
    v = ir_expand(bl, v, i + 1, k);
    t.dim[i] *= k;
    v = ir_reshape(bl, v, t.rank, t.dim);
  }
  return elab_value(E, v);
}
