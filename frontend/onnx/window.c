/* Nodes that go along pictures: convolutions, pooling, other resolutions. Axis 0 is samples, axis 1 channels, the others are spatial. */
#include "frontend/onnx/node_priv.h"

#include <string.h>

enum { SPATIAL = 3 };

typedef struct Windows {
  uint32_t axes;
  int64_t k[SPATIAL], stride[SPATIAL], dilation[SPATIAL], low[SPATIAL], high[SPATIAL];
  int64_t more[SPATIAL]; /* behind `high`, where a last window that begins inside counts (ceil_mode) */
  int64_t out[SPATIAL];
} Windows;

static int64_t reach(const Windows *w, uint32_t k) { return (w->k[k] - 1) * w->dilation[k] + 1; }

static bool sensible(int64_t v) { return v >= 1 && v <= 1 << 20; }

/* Kernel sizes are known: the other attributes. */
static bool window_attributes(Node *x, Windows *w) {
  int64_t pad[2 * SPATIAL] = {0};
  uint32_t n = 0;
  for (uint32_t k = 0; k < SPATIAL; k++) w->stride[k] = w->dilation[k] = 1;
  if (!node_ints(x, "strides", w->axes, w->stride, &n) || !node_ints(x, "dilations", w->axes, w->dilation, &n)) return false;
  n = 2 * w->axes;
  if (!node_ints(x, "pads", 2 * w->axes, pad, &n)) return false;
  if (n != 2 * w->axes) return node_error(x, "`pads` of `%s` has %u numbers of %u axes", x->n->op, n, w->axes);
  for (uint32_t k = 0; k < w->axes; k++) {
    w->low[k] = pad[k], w->high[k] = pad[w->axes + k];
    if (!sensible(w->k[k]) || !sensible(w->stride[k]) || !sensible(w->dilation[k]) || w->low[k] < 0 || w->high[k] < 0 ||
        w->low[k] > 1 << 20 || w->high[k] > 1 << 20)
      return node_error(x, "`%s` with windows of %lld, a stride of %lld, %lld and %lld elements put at the ends", x->n->op,
                        (long long)w->k[k], (long long)w->stride[k], (long long)w->low[k], (long long)w->high[k]);
  }
  return true;
}

/* What is put at the ends of an input of these sizes, and the results. */
static bool window_sizes(Node *x, Windows *w, const int64_t *size, bool ceiling) {
  const char *automatic = node_text(x, "auto_pad", "NOTSET");
  const bool same = !strncmp(automatic, "SAME", 4);
  for (uint32_t k = 0; k < w->axes; k++) {
    const int64_t n = size[k], s = w->stride[k];
    if (same) {
      const int64_t out = (n + s - 1) / s, most = (out - 1) * s + reach(w, k), missing = most > n ? most - n : 0;
      w->low[k] = !strcmp(automatic, "SAME_LOWER") ? missing - missing / 2 : missing / 2;
      w->high[k] = missing - w->low[k];
    } else if (!strcmp(automatic, "VALID")) w->low[k] = w->high[k] = 0;
    const int64_t room = n + w->low[k] + w->high[k] - reach(w, k);
    if (room < 0)
      return node_error(x, "`%s`: a window of %lld does not fit into %lld", x->n->op, (long long)reach(w, k),
                        (long long)(room + reach(w, k)));
    w->out[k] = room / s + 1;
    if (ceiling && room % s && w->out[k] * s < n + w->low[k]) w->more[k] = w->out[k]++ * s - room;
  }
  return true;
}

/* Axis `axis` becomes the windows along it, and a new last axis what is in each. */
static Operand windowed(Node *x, Operand a, uint32_t axis, int64_t k, int64_t dilation, int64_t stride) {
  Operand r = a;
  const int64_t length = (k - 1) * dilation + 1;
  if (x->failed) return a;
  if (a.rank == ONNX_MOST_RANK) return node_error(x, "`%s` of a tensor of too many axes", x->n->op), a;
  r.rank++;
  r.dim[axis] = (a.dim[axis] - length) / stride + 1, r.dim[a.rank] = length;
  if (!node_fits(x, r.rank, r.dim)) return a;
  const Val v = node_with_axis(x, &a, axis);
  if (elab_type(x->E, v).rank == IR_MAX_RANK) return node_error(x, "`%s` of a tensor of too many axes", x->n->op), a;
  r = node_squeezed(x, OPERAND_REAL, r.rank, r.dim,
                    ir_window(node_at(x), v, operand_place(&a, axis), (uint32_t)length, (uint32_t)stride));
  return dilation == 1 || k == 1 ? r : node_sliced(x, r, a.rank, 0, k, dilation);
}

static Operand all_windows(Node *x, Operand a, uint32_t first, const Windows *w, double outside) {
  for (uint32_t k = 0; k < w->axes && !x->failed; k++)
    if (w->low[k] || w->high[k] + w->more[k])
      a = node_padded(x, a, first + k, w->low[k], w->high[k] + w->more[k], "constant", outside);
  for (uint32_t k = 0; k < w->axes; k++) a = windowed(x, a, first + k, w->k[k], w->dilation[k], w->stride[k]);
  return a;
}

/* ---- convolutions --------------------------------------------------------------------------------------------------- */

enum { L_SAMPLE, L_GROUP, L_IN, L_OUT, L_AT, L_TAP = L_AT + SPATIAL };

/* The input is [n, groups*c, ...]: with an axis of groups. */
static Operand grouped(Node *x, Operand a, uint32_t axis, int64_t groups) {
  Operand to = a;
  if (a.rank == ONNX_MOST_RANK || a.dim[axis] % groups) {
    node_error(x, "`%s` of %s in %lld groups", x->n->op, operand_text(x, &a), (long long)groups);
    return a;
  }
  memmove(to.dim + axis + 1, to.dim + axis, (a.rank - axis) * sizeof *to.dim);
  to.rank++, to.dim[axis] = groups, to.dim[axis + 1] = a.dim[axis] / groups;
  return node_reshape(x, a, to.rank, to.dim);
}

/* One number for each channel, axis 1, of a. */
static Operand biased(Node *x, Operand a) {
  int64_t dim[ONNX_MOST_RANK];
  if (x->failed || x->nin < 3 || x->in[2].kind == OPERAND_NONE) return a;
  for (uint32_t k = 1; k < a.rank; k++) dim[k - 1] = k == 1 ? a.dim[1] : 1;
  return node_ew2(x, OP_add, a, node_reshape(x, x->in[2], a.rank - 1, dim));
}

static bool conv_start(Node *x, Windows *w, int64_t *groups) {
  if (!node_needs(x, 2)) return false;
  const Operand *a = &x->in[0], *f = &x->in[1];
  if (a->rank < 3 || a->rank > 2 + SPATIAL || f->rank != a->rank)
    return node_error(x, "`%s` has one to %d spatial axes, found %s and weights of %s", x->n->op, SPATIAL, operand_text(x, a),
                      operand_text(x, f));
  *w = (Windows){.axes = a->rank - 2};
  *groups = node_int(x, "group", 1);
  memcpy(w->k, f->dim + 2, w->axes * sizeof *w->k);
  if (*groups < 1 || a->dim[1] % *groups)
    return node_error(x, "`%s` of %s in %lld groups", x->n->op, operand_text(x, a), (long long)*groups);
  return window_attributes(x, w);
}

bool node_conv(Node *x, int op) {
  (void)op;
  Windows w;
  int64_t groups;
  if (!conv_start(x, &w, &groups)) return false;
  const Operand a = x->in[0], f = x->in[1];
  if (f.dim[1] * groups != a.dim[1] || f.dim[0] % groups)
    return node_error(x, "`Conv` of %s with weights of %s", operand_text(x, &a), operand_text(x, &f));
  if (!window_sizes(x, &w, a.dim + 2, false)) return false;
  const Operand in = all_windows(x, grouped(x, a, 1, groups), 3, &w, 0), weights = grouped(x, f, 0, groups);
  int lf[ONNX_MOST_RANK] = {L_GROUP, L_OUT, L_IN}, la[ONNX_MOST_RANK] = {L_SAMPLE, L_GROUP, L_IN},
      lo[ONNX_MOST_RANK] = {L_SAMPLE, L_GROUP, L_OUT};
  int64_t dim[ONNX_MOST_RANK] = {a.dim[0], f.dim[0]};
  for (uint32_t k = 0; k < w.axes; k++) {
    lf[3 + k] = la[3 + w.axes + k] = L_TAP + (int)k, la[3 + k] = lo[3 + k] = L_AT + (int)k;
    dim[2 + k] = w.out[k];
  }
  const Operand y = node_product(x, weights, lf, in, la, lo, 3 + w.axes);
  if (x->failed) return false;
  return node_give(x, 0, biased(x, node_reshape(x, y, 2 + w.axes, dim)));
}

/* What is put at the ends and cut off, and the results, of inputs of these sizes. */
static bool transpose_sizes(Node *x, Windows *w, const int64_t *size) {
  int64_t more[SPATIAL] = {0}, out[SPATIAL];
  uint32_t n = w->axes, shaped = 0;
  const char *automatic = node_text(x, "auto_pad", "NOTSET");
  if (!node_ints(x, "output_padding", w->axes, more, &n) || !node_ints(x, "output_shape", w->axes, out, &shaped)) return false;
  for (uint32_t k = 0; k < w->axes; k++) {
    const int64_t full = w->stride[k] * (size[k] - 1) + more[k] + reach(w, k);
    if (more[k] < 0 || more[k] > 1 << 20) return node_error(x, "`output_padding` of %lld", (long long)more[k]);
    if (shaped || !strncmp(automatic, "SAME", 4)) {
      const int64_t want = shaped ? out[k] : size[k] * w->stride[k], total = full > want ? full - want : 0;
      w->low[k] = !strcmp(automatic, "SAME_UPPER") ? total / 2 : total - total / 2;
      w->high[k] = total - w->low[k];
    }
    w->more[k] = more[k];
    w->out[k] = full - w->low[k] - w->high[k];
    if (w->out[k] < 1 || w->out[k] > ELAB_TENSOR)
      return node_error(x, "`ConvTranspose` to an axis of %lld elements", (long long)w->out[k]);
  }
  return true;
}

/* Each tap's product is added at its place: y [n, g, o, at..., taps...]. */
static Operand spread(Node *x, Operand y, const Windows *w, const int64_t *dim) {
  uint32_t to[IR_MAX_RANK + 1], n = 0;
  const int64_t channels = dim[0] * dim[1];
  int64_t rows[1 + SPATIAL];
  if (1 + 2 * w->axes > IR_MAX_RANK || channels > ELAB_TENSOR) return node_error(x, "`ConvTranspose` of too many axes"), y;
  to[n++] = (uint32_t)channels;
  for (uint32_t k = 0; k < 2 * w->axes; k++) to[n++] = (uint32_t)y.dim[3 + k];
  Val v = node_val(x, &y);
  v = ir_reshape(node_at(x), v, (int)n, to);
  rows[0] = channels;
  for (uint32_t k = w->axes; k-- > 0;) {
    const int64_t size = w->stride[k] * (y.dim[3 + k] - 1) + reach(w, k);
    const int last = ir_type(node_at(x)->f, v).rank - 1;
    if (w->dilation[k] > 1 && w->k[k] > 1) v = ir_unslice(node_at(x), v, last, 0, (uint32_t)w->dilation[k], (uint32_t)reach(w, k));
    v = ir_unwindow(node_at(x), v, 1 + (int)k, (uint32_t)w->stride[k], (uint32_t)size);
    rows[1 + k] = size;
  }
  Operand r = node_squeezed(x, OPERAND_REAL, 1 + w->axes, rows, v);
  for (uint32_t k = 0; k < w->axes && !x->failed; k++)
    if (w->low[k] || w->high[k] - w->more[k]) r = node_padded(x, r, 1 + k, -w->low[k], w->more[k] - w->high[k], "constant", 0);
  return r;
}

bool node_conv_transpose(Node *x, int op) {
  (void)op;
  Windows w;
  int64_t groups;
  if (!conv_start(x, &w, &groups)) return false;
  const Operand a = x->in[0], f = x->in[1];
  if (f.dim[0] != a.dim[1])
    return node_error(x, "`ConvTranspose` of %s with weights of %s", operand_text(x, &a), operand_text(x, &f));
  if (!transpose_sizes(x, &w, a.dim + 2)) return false;
  const Operand in = grouped(x, a, 1, groups), weights = grouped(x, f, 0, groups);
  int lf[ONNX_MOST_RANK] = {L_GROUP, L_IN, L_OUT}, la[ONNX_MOST_RANK] = {L_SAMPLE, L_GROUP, L_IN},
      lo[ONNX_MOST_RANK] = {L_SAMPLE, L_GROUP, L_OUT};
  int64_t dim[ONNX_MOST_RANK] = {a.dim[0], groups * f.dim[1]};
  for (uint32_t k = 0; k < w.axes; k++) {
    lf[3 + k] = lo[3 + w.axes + k] = L_TAP + (int)k, la[3 + k] = lo[3 + k] = L_AT + (int)k;
    dim[2 + k] = w.out[k];
  }
  const Operand y = node_product(x, weights, lf, in, la, lo, 3 + 2 * w.axes);
  if (x->failed) return false;
  const Operand out = spread(x, y, &w, dim);
  if (x->failed) return false;
  return node_give(x, 0, biased(x, node_reshape(x, out, 2 + w.axes, dim)));
}

/* ---- pooling ------------------------------------------------------------------------------------------------------------ */

/* 1/(elements of each window along one axis), those that were put at the ends counted or not. */
static Operand shares(Node *x, const Windows *w, uint32_t k, int64_t n, bool pads, uint32_t behind) {
  int64_t dim[ONNX_MOST_RANK];
  double *v = ARENA_ARRAY(x->E->mem, double, w->out[k] + 1);
  for (int64_t i = 0; i < w->out[k]; i++) {
    int64_t count = 0;
    for (int64_t j = 0; j < w->k[k]; j++) {
      const int64_t at = i * w->stride[k] + j * w->dilation[k] - w->low[k];
      count += pads ? at < n + w->high[k] : at >= 0 && at < n;
    }
    v[i] = count ? 1.0 / (double)count : 0;
  }
  dim[0] = w->out[k];
  for (uint32_t d = 0; d < behind; d++) dim[1 + d] = 1;
  return node_squeezed(x, OPERAND_REAL, 1 + behind, dim, ir_table(node_at(x), operand_type(1, dim), v));
}

bool node_pool(Node *x, int largest) {
  Windows w = {0};
  bool taps[ONNX_MOST_RANK] = {0};
  uint32_t n = 0;
  if (!node_needs(x, 1)) return false;
  const Operand a = x->in[0];
  if (a.rank < 3 || a.rank > 2 + SPATIAL)
    return node_error(x, "`%s` has one to %d spatial axes, found %s", x->n->op, SPATIAL, operand_text(x, &a));
  w.axes = a.rank - 2;
  if (!node_ints(x, "kernel_shape", w.axes, w.k, &n) || n != w.axes)
    return node_error(x, "`%s` of %s needs a window of %u axes", x->n->op, operand_text(x, &a), w.axes);
  if (!window_attributes(x, &w) || !window_sizes(x, &w, a.dim + 2, node_int(x, "ceil_mode", 0) != 0)) return false;
  const bool pads = node_int(x, "count_include_pad", 0) != 0;
  Operand y = all_windows(x, a, 2, &w, largest ? -HUGE_VAL : 0);
  for (uint32_t k = 0; k < w.axes; k++) taps[2 + w.axes + k] = true;
  if (x->failed) return false;
  y = node_reduce(x, largest ? OP_rmax : OP_sum, y, taps, false);
  for (uint32_t k = 0; k < w.axes && !largest; k++) {
    const bool even = !w.more[k] && (pads || !(w.low[k] || w.high[k]));
    if (x->failed) return false;
    y = node_ew2(x, OP_mul, y, even ? operand_number(1.0 / (double)w.k[k]) : shares(x, &w, k, a.dim[2 + k], pads, w.axes - 1 - k));
  }
  return node_give(x, 0, y);
}

bool node_global_pool(Node *x, int largest) {
  bool in[ONNX_MOST_RANK];
  if (!node_needs(x, 1)) return false;
  for (uint32_t k = 0; k < x->in[0].rank; k++) in[k] = k >= 2;
  return node_give(x, 0, largest ? node_reduce(x, OP_rmax, x->in[0], in, true) : node_mean(x, x->in[0], in));
}

/* ---- other resolutions ------------------------------------------------------------------------------------------------------ */

typedef struct Scale {
  const char *where, *nearest;
  int64_t n, out;
  double factor;
} Scale;

/* Where element k of the result is in the input. */
static double source_of(const Scale *s, int64_t k) {
  if (!strcmp(s->where, "asymmetric")) return (double)k / s->factor;
  if (!strcmp(s->where, "align_corners")) return s->out > 1 ? (double)k * (double)(s->n - 1) / (double)(s->out - 1) : 0;
  if (!strcmp(s->where, "pytorch_half_pixel") && s->out == 1) return 0;
  return ((double)k + 0.5) / s->factor - 0.5;
}

static int64_t inside(const Scale *s, double at) { return at<0 ? 0 : at>(double)(s->n - 1) ? s->n - 1 : (int64_t)at; }

static Operand nearest(Node *x, Operand a, uint32_t axis, const Scale *s) {
  int64_t *index = ARENA_ARRAY(x->E->mem, int64_t, s->out + 1);
  for (int64_t k = 0; k < s->out; k++) {
    const double at = source_of(s, k);
    index[k] = inside(s, !strcmp(s->nearest, "floor")               ? floor(at)
                         : !strcmp(s->nearest, "ceil")              ? ceil(at)
                         : !strcmp(s->nearest, "round_prefer_ceil") ? floor(at + 0.5)
                                                                    : ceil(at - 0.5));
  }
  return node_taken(x, a, axis, index, (uint32_t)s->out);
}

static Operand linear(Node *x, Operand a, uint32_t axis, const Scale *s) {
  int64_t *low = ARENA_ARRAY(x->E->mem, int64_t, s->out + 1), *high = ARENA_ARRAY(x->E->mem, int64_t, s->out + 1),
          dim[ONNX_MOST_RANK];
  double *v = ARENA_ARRAY(x->E->mem, double, s->out + 1);
  for (int64_t k = 0; k < s->out; k++) {
    const double at = source_of(s, k), held = at<0 ? 0 : at>(double)(s->n - 1) ? (double)(s->n - 1) : at;
    low[k] = inside(s, floor(held)), high[k] = inside(s, floor(held) + 1);
    v[k] = held - floor(held);
  }
  dim[0] = s->out;
  for (uint32_t d = axis + 1; d < a.rank; d++) dim[d - axis] = 1;
  const Operand share = node_squeezed(x, OPERAND_REAL, a.rank - axis, dim, ir_table(node_at(x), operand_type(1, dim), v));
  const Operand from = node_taken(x, a, axis, low, (uint32_t)s->out), to = node_taken(x, a, axis, high, (uint32_t)s->out);
  return node_ew2(x, OP_add, from, node_ew2(x, OP_mul, share, node_ew2(x, OP_sub, to, from)));
}

/* Factors of all axes, from sizes where these are given. */
static bool factors(Node *x, Scale *s, uint32_t rank) {
  const bool upsample = !strcmp(x->n->op, "Upsample") || x->opset < 11;
  const uint32_t at = upsample ? 1 : 2;
  int64_t size[ONNX_MOST_RANK];
  uint32_t n = 0;
  const OnnxAttr *listed = node_attr(x, "scales");
  if (x->nin > 3 && x->in[3].kind != OPERAND_NONE) {
    if (!node_list(x, 3, "the sizes", ONNX_MOST_RANK, size, &n)) return false;
    if (n != rank) return node_error(x, "`Resize` has %u sizes of %u axes", n, rank);
    for (uint32_t k = 0; k < n; k++)
      s[k].out = k == 0 && x->batch > 1 && size[k] == x->batch ? 1 : size[k], s[k].factor = (double)s[k].out / (double)s[k].n;
    return true;
  }
  const Operand *f = at < x->nin ? &x->in[at] : NULL;
  if (listed ? listed->nfloats != rank : !f || !operand_known(f) || operand_count(f) != rank)
    return node_error(x, "the scales of `%s` must be known at compile time, one for each axis", x->n->op);
  for (uint32_t k = 0; k < rank; k++) {
    s[k].factor = listed ? listed->floats[k] : f->v.kind == V_ARRAY ? f->v.array->at[k].v : f->v.num.v;
    if (!(s[k].factor > 0 && s[k].factor < 1e6)) return node_error(x, "`%s` by %g", x->n->op, s[k].factor);
    s[k].out = (int64_t)floor((double)s[k].n * s[k].factor);
  }
  return true;
}

bool node_resize(Node *x, int op) {
  (void)op;
  Scale s[ONNX_MOST_RANK];
  if (!node_needs(x, 1)) return false;
  Operand a = x->in[0];
  const char *mode = node_text(x, "mode", "nearest"), *where = node_text(x, "coordinate_transformation_mode", "half_pixel");
  if (!strcmp(x->n->op, "Upsample") || x->opset < 11) where = "asymmetric";
  if (strcmp(mode, "nearest") && strcmp(mode, "linear") && strcmp(mode, "bilinear"))
    return node_error(x, "`%s` of mode `%s`: only `nearest` and `linear` are supported", x->n->op, mode);
  if (strcmp(where, "half_pixel") && strcmp(where, "asymmetric") && strcmp(where, "align_corners") &&
      strcmp(where, "pytorch_half_pixel"))
    return node_error(x, "`Resize` with coordinates by `%s`", where);
  if (node_int(x, "antialias", 0) || node_attr(x, "axes")) return node_error(x, "`Resize` of chosen axes, or with antialias");
  for (uint32_t k = 0; k < a.rank; k++)
    s[k] = (Scale){.where = where,
                   .nearest =
                       node_text(x, "nearest_mode", strcmp(where, "asymmetric") || x->opset >= 11 ? "round_prefer_floor" : "floor"),
                   .n = a.dim[k]};
  if (!factors(x, s, a.rank)) return false;
  for (uint32_t k = 0; k < a.rank && !x->failed; k++) {
    if (s[k].out < 1 || s[k].out > ELAB_ELEMENTS || s[k].n < 1)
      return node_error(x, "`%s` of %s to %lld elements", x->n->op, operand_text(x, &a), (long long)s[k].out);
    if (s[k].out == s[k].n && s[k].factor == 1) continue;
    a = !strcmp(mode, "nearest") ? nearest(x, a, k, &s[k]) : linear(x, a, k, &s[k]);
  }
  return node_give(x, 0, a);
}
