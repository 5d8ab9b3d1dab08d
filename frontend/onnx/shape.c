/* Nodes that move elements, and what shapes are computed with. */
#include "frontend/onnx/node_priv.h"
#include "ir/base/onnx.h"

#include <string.h>

static const Value nothing = {.kind = V_NONE};

/* ---- other shapes of the same elements -------------------------------------------------------------------------------- */

static int64_t product(const int64_t *dim, uint32_t n) {
  int64_t p = 1;
  for (uint32_t k = 0; k < n; k++) p *= dim[k];
  return p;
}

bool node_reshape_row(Node *x, int op) {
  (void)op;
  int64_t dim[ONNX_MOST_RANK], known = 1, count;
  uint32_t rank = 0, open = UINT32_MAX;
  if (!node_needs(x, 1)) return false;
  const Operand a = x->in[0];
  if (node_attr(x, "shape") ? !node_ints(x, "shape", ONNX_MOST_RANK, dim, &rank)
                            : !node_needs(x, 2) || !node_list(x, 1, "the shape", ONNX_MOST_RANK, dim, &rank))
    return false;
  count = operand_count(&a);
  for (uint32_t k = 0; k < rank; k++) {
    if (dim[k] == 0 && !node_int(x, "allowzero", 0)) {
      if (k >= a.rank) return node_error(x, "`Reshape` keeps axis %u of %s", k, operand_text(x, &a));
      dim[k] = a.dim[k];
    }
    if (dim[k] == -1 && open == UINT32_MAX) open = k;
    else if (dim[k] < 0 || dim[k] > ELAB_TENSOR || (known *= dim[k]) > ELAB_TENSOR)
      return node_error(x, "`Reshape` to an axis of %lld", (long long)dim[k]);
  }
  /* The number of samples that the file was written for. */
  if (x->batch > 1 && rank && dim[0] == x->batch && known > 0 &&
      (open == UINT32_MAX ? count * x->batch == known : count % known != 0))
    known /= dim[0], dim[0] = 1;
  if (open != UINT32_MAX) dim[open] = known ? count / known : 0;
  return node_give(x, 0, node_reshape(x, a, rank, dim));
}

bool node_flatten(Node *x, int op) {
  (void)op;
  uint32_t at;
  if (!node_needs(x, 1)) return false;
  const Operand a = x->in[0];
  const int64_t axis = node_int(x, "axis", 1);
  if (axis == a.rank) at = a.rank;
  else if (!node_axis(x, axis, a.rank, &at)) return false;
  const int64_t dim[2] = {product(a.dim, at), product(a.dim + at, a.rank - at)};
  return node_give(x, 0, node_reshape(x, a, 2, dim));
}

bool node_squeeze(Node *x, int op) {
  (void)op;
  bool in[ONNX_MOST_RANK], given;
  int64_t dim[ONNX_MOST_RANK];
  uint32_t rank = 0;
  if (!node_needs(x, 1)) return false;
  const Operand a = x->in[0];
  if (!node_axes(x, 1, a.rank, in, &given)) return false;
  for (uint32_t k = 0; k < a.rank; k++) {
    if (given && in[k] && a.dim[k] != 1) return node_error(x, "`Squeeze` takes away axis %u of %s", k, operand_text(x, &a));
    if (!in[k] || a.dim[k] != 1) dim[rank++] = a.dim[k];
  }
  return node_give(x, 0, node_reshape(x, a, rank, dim));
}

bool node_unsqueeze(Node *x, int op) {
  (void)op;
  int64_t axis[ONNX_MOST_RANK], dim[ONNX_MOST_RANK];
  uint32_t n = 0, at;
  bool made[ONNX_MOST_RANK] = {0};
  if (!node_needs(x, 1)) return false;
  const Operand a = x->in[0];
  if (node_attr(x, "axes") ? !node_ints(x, "axes", ONNX_MOST_RANK, axis, &n)
                           : !node_needs(x, 2) || !node_list(x, 1, "the axes", ONNX_MOST_RANK, axis, &n))
    return false;
  if (a.rank + n > ONNX_MOST_RANK)
    return node_error(x, "`Unsqueeze` makes a tensor of %u axes, %d at most", a.rank + n, ONNX_MOST_RANK);
  for (uint32_t k = 0; k < n; k++) {
    if (!node_axis(x, axis[k], a.rank + n, &at)) return false;
    if (made[at]) return node_error(x, "`Unsqueeze` makes axis %u twice", at);
    made[at] = true;
  }
  for (uint32_t k = 0, from = 0; k < a.rank + n; k++) dim[k] = made[k] ? 1 : a.dim[from++];
  return node_give(x, 0, node_reshape(x, a, a.rank + n, dim));
}

Operand node_transposed(Node *x, Operand a, const uint32_t *perm) {
  int64_t dim[ONNX_MOST_RANK];
  int to[IR_MAX_RANK], n = 0;
  bool moves = false;
  for (uint32_t k = 0; k < a.rank; k++) {
    dim[k] = a.dim[perm[k]];
    if (dim[k] > 1 && n < IR_MAX_RANK) to[n] = operand_place(&a, perm[k]), moves |= to[n] != n, n++;
  }
  if (!moves || x->failed) return operand_of(a.kind, a.rank, dim, a.v);
  const Val v = node_val(x, &a);
  return node_squeezed(x, a.kind, a.rank, dim, ir_transpose(node_at(x), v, to));
}

bool node_transpose(Node *x, int op) {
  (void)op;
  int64_t perm[ONNX_MOST_RANK];
  uint32_t n = UINT32_MAX, to[ONNX_MOST_RANK];
  bool seen[ONNX_MOST_RANK] = {0};
  if (!node_needs(x, 1)) return false;
  const Operand a = x->in[0];
  if (!node_ints(x, "perm", ONNX_MOST_RANK, perm, &n)) return false;
  for (uint32_t k = 0; n == UINT32_MAX && k < a.rank; k++) perm[k] = a.rank - 1 - k;
  if (n != UINT32_MAX && n != a.rank) return node_error(x, "`Transpose` of %s names %u axes", operand_text(x, &a), n);
  for (uint32_t k = 0; k < a.rank; k++) {
    if (!node_axis(x, perm[k], a.rank, &to[k])) return false;
    if (seen[to[k]]) return node_error(x, "`Transpose` names axis %u twice", to[k]);
    seen[to[k]] = true;
  }
  return node_give(x, 0, node_transposed(x, a, to));
}

/* ---- joining and taking apart -------------------------------------------------------------------------------------------- */

Val node_with_axis(Node *x, const Operand *a, uint32_t axis) {
  const Val v = node_val(x, a);
  return a->dim[axis] == 1 ? ir_expand(node_at(x), v, operand_place(a, axis), 1) : v;
}

Operand node_joined(Node *x, const Operand *of, uint32_t n, uint32_t axis) {
  Val *part = ARENA_ARRAY(x->E->mem, Val, n + 1);
  uint32_t parts = 0;
  Operand r = of[0];
  r.dim[axis] = 0;
  for (uint32_t k = 0; k < n; k++) {
    if (of[k].kind == OPERAND_REAL) r.kind = OPERAND_REAL;
    r.dim[axis] += of[k].dim[axis];
    if (of[k].v.kind != V_NONE) part[parts++] = node_with_axis(x, &of[k], axis);
  }
  if (!node_fits(x, r.rank, r.dim)) return r;
  if (!parts) return operand_of(r.kind, r.rank, r.dim, nothing);
  const int at = operand_place(&r, axis);
  return node_squeezed(x, r.kind, r.rank, r.dim, parts == 1 ? part[0] : ir_concat(node_at(x), part, parts, at));
}

bool node_concat(Node *x, int op) {
  (void)op;
  uint32_t axis;
  if (!node_needs(x, 1) || !node_needs(x, x->nin) || !node_axis(x, node_int(x, "axis", 1), x->in[0].rank, &axis)) return false;
  for (uint32_t k = 1; k < x->nin; k++) {
    bool same = x->in[k].rank == x->in[0].rank;
    for (uint32_t d = 0; same && d < x->in[0].rank; d++) same = d == axis || x->in[k].dim[d] == x->in[0].dim[d];
    if (!same)
      return node_error(x, "`Concat` along axis %u of %s and %s", axis, operand_text(x, &x->in[0]), operand_text(x, &x->in[k]));
  }
  return node_give(x, 0, node_joined(x, x->in, x->nin, axis));
}

Operand node_sliced(Node *x, Operand a, uint32_t axis, int64_t start, int64_t n, int64_t step) {
  Operand r = a;
  r.dim[axis] = n;
  if (n == a.dim[axis] && (step > 0 || n == 1)) return a;
  if (n == 0 || a.v.kind == V_NONE) return operand_of(a.kind, r.rank, r.dim, nothing);
  const int at = operand_place(&a, axis);
  Val v = node_val(x, &a);
  if (step < 0) {
    v = ir_flip(node_at(x), v, at);
    start = a.dim[axis] - 1 - start, step = -step;
  }
  v = ir_slice(node_at(x), v, at, (uint32_t)start, (uint32_t)n, (uint32_t)(n > 1 ? step : 1));
  return node_squeezed(x, a.kind, r.rank, r.dim, v);
}

bool node_split(Node *x, int op) {
  (void)op;
  int64_t size[256], from = 0;
  uint32_t axis, n = 0;
  if (!node_needs(x, 1) || !node_axis(x, node_int(x, "axis", 0), x->in[0].rank, &axis)) return false;
  const Operand a = x->in[0];
  if (!node_ints(x, "split", 256, size, &n) ||
      (x->nin > 1 && x->in[1].kind != OPERAND_NONE && !node_list(x, 1, "the sizes", 256, size, &n)))
    return false;
  if (x->n->nout == 0 || x->n->nout > 256) return node_error(x, "`Split` into %u parts", x->n->nout);
  const int64_t each = (a.dim[axis] + x->n->nout - 1) / x->n->nout;
  for (uint32_t k = 0; n == 0 && k < x->n->nout; k++) size[k] = k + 1 < x->n->nout ? each : a.dim[axis] - each * k;
  for (uint32_t k = 0; k < x->n->nout; k++) {
    if ((n && k >= n) || size[k] < 0 || size[k] > a.dim[axis] - from)
      return node_error(x, "`Split` of %s along axis %u into parts that do not fit", operand_text(x, &a), axis);
    if (!node_give(x, k, node_sliced(x, a, axis, from, size[k], 1))) return false;
    from += size[k];
  }
  return from == a.dim[axis] || node_error(x, "`Split` of %s along axis %u leaves elements over", operand_text(x, &a), axis);
}

static int64_t clamped(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }

bool node_slice(Node *x, int op) {
  (void)op;
  enum { M = ONNX_MOST_RANK };
  int64_t start[M], end[M], axis[M], step[M];
  uint32_t n = 0, ends = 0, axes = UINT32_MAX, steps = UINT32_MAX, at;
  if (!node_needs(x, 1)) return false;
  Operand a = x->in[0];
  if (node_attr(x, "starts")) {
    if (!node_ints(x, "starts", M, start, &n) || !node_ints(x, "ends", M, end, &ends) || !node_ints(x, "axes", M, axis, &axes))
      return false;
  } else if (!node_needs(x, 3) || !node_list(x, 1, "the starts", M, start, &n) || !node_list(x, 2, "the ends", M, end, &ends) ||
             (x->nin > 3 && x->in[3].kind != OPERAND_NONE && !node_list(x, 3, "the axes", M, axis, &axes)) ||
             (x->nin > 4 && x->in[4].kind != OPERAND_NONE && !node_list(x, 4, "the steps", M, step, &steps)))
    return false;
  if (ends != n || (axes != UINT32_MAX && axes != n) || (steps != UINT32_MAX && steps != n))
    return node_error(x, "`Slice` has lists of unequal lengths");
  for (uint32_t k = 0; k < n; k++) {
    if (!node_axis(x, axes == UINT32_MAX ? k : axis[k], a.rank, &at)) return false;
    const int64_t by = steps == UINT32_MAX ? 1 : step[k], size = a.dim[at];
    if (by == 0 || by > ELAB_TENSOR || by < -ELAB_TENSOR) return node_error(x, "`Slice` with a step of %lld", (long long)by);
    int64_t from = start[k] < 0 ? start[k] + size : start[k], to = end[k] < 0 ? end[k] + size : end[k];
    from = by > 0 ? clamped(from, 0, size) : clamped(from, 0, size - 1);
    to = by > 0 ? clamped(to, 0, size) : clamped(to, -1, size - 1);
    const int64_t count = by > 0 ? (to - from + by - 1) / by : (from - to - by - 1) / -by;
    a = node_sliced(x, a, at, from, size && count > 0 ? count : 0, by);
  }
  return node_give(x, 0, a);
}

/* ---- rows by number, known ------------------------------------------------------------------------------------------ */

Operand node_taken(Node *x, Operand a, uint32_t axis, const int64_t *index, uint32_t n) {
  uint32_t *at = ARENA_ARRAY(x->E->mem, uint32_t, n + 1);
  Operand r = a;
  r.dim[axis] = n;
  for (uint32_t k = 0; k < n; k++) at[k] = (uint32_t)index[k];
  if (!node_fits(x, r.rank, r.dim) || n == 0 || a.v.kind == V_NONE) return operand_of(a.kind, r.rank, r.dim, nothing);
  const Val v = node_with_axis(x, &a, axis);
  return node_squeezed(x, a.kind, r.rank, r.dim, ir_take(node_at(x), v, operand_place(&a, axis), at, n));
}

/* ---- more elements ------------------------------------------------------------------------------------------------------ */

bool node_expand_row(Node *x, int op) {
  (void)op;
  int64_t dim[ONNX_MOST_RANK], out[ONNX_MOST_RANK];
  uint32_t n, rank;
  if (!node_needs(x, 2) || !node_list(x, 1, "the shape", ONNX_MOST_RANK, dim, &n)) return false;
  if (x->batch > 1 && n && dim[0] == x->batch) dim[0] = 1;
  const Operand to = operand_of(x->in[0].kind, n, dim, nothing);
  if (!node_fits(x, n, dim) || !node_broadcast(x, &x->in[0], &to, &rank, out)) return false;
  return node_give(x, 0, node_expand(x, x->in[0], rank, out));
}

bool node_tile(Node *x, int op) {
  (void)op;
  int64_t times[ONNX_MOST_RANK];
  uint32_t n;
  if (!node_needs(x, 2) || !node_list(x, 1, "the repeats", ONNX_MOST_RANK, times, &n)) return false;
  Operand a = x->in[0];
  if (n != a.rank) return node_error(x, "`Tile` of %s has %u repeats", operand_text(x, &a), n);
  for (uint32_t k = 0; k < n; k++) {
    enum { MOST = 4096 };
    if (times[k] < 1 || times[k] > MOST) return node_error(x, "`Tile` repeats an axis %lld times", (long long)times[k]);
    Operand *part = ARENA_ARRAY(x->E->mem, Operand, times[k]);
    for (int64_t i = 0; i < times[k]; i++) part[i] = a;
    if (times[k] > 1) a = node_joined(x, part, (uint32_t)times[k], k);
    if (x->failed) return false;
  }
  return node_give(x, 0, a);
}

/* n elements of `axis`, all v. */
static Operand filled(Node *x, Operand like, uint32_t axis, int64_t n, double v) {
  const Operand one = operand_scalar(like.kind, v);
  like.dim[axis] = n;
  return node_expand(x, one, like.rank, like.dim);
}

static int64_t reflected(int64_t k, int64_t n) {
  if (n == 1) return 0;
  k = k % (2 * n - 2);
  if (k < 0) k += 2 * n - 2;
  return k < n ? k : 2 * n - 2 - k;
}

Operand node_padded(Node *x, Operand a, uint32_t axis, int64_t low, int64_t high, const char *mode, double v) {
  const int64_t n = a.dim[axis], total = n + low + high;
  if (low < -n || high < -n || total < 0 || low > ELAB_TENSOR || high > ELAB_TENSOR) {
    node_error(x, "`Pad` makes %lld of %lld elements", (long long)total, (long long)n);
    return a;
  }
  if (!strcmp(mode, "constant") && v == 0 && low >= 0 && high >= 0 && a.v.kind != V_NONE) {
    Operand r = a;
    r.dim[axis] = total;
    if (!node_fits(x, r.rank, r.dim)) return a;
    const Val in = node_with_axis(x, &a, axis);
    return node_squeezed(x, a.kind, r.rank, r.dim,
                         ir_unslice(node_at(x), in, operand_place(&a, axis), (uint32_t)low, 1, (uint32_t)total));
  }
  if (!strcmp(mode, "constant")) {
    const int64_t from = low < 0 ? -low : 0, kept = total - (low > 0 ? low : 0) - (high > 0 ? high : 0);
    Operand part[3];
    uint32_t parts = 0;
    const Operand mid = node_sliced(x, a, axis, from, kept > 0 ? kept : 0, 1);
    if (low > 0) part[parts++] = filled(x, a, axis, low, v);
    part[parts++] = mid;
    if (high > 0) part[parts++] = filled(x, a, axis, high, v);
    return x->failed || parts == 1 ? mid : node_joined(x, part, parts, axis);
  }
  if (total > ELAB_ELEMENTS || n == 0) {
    node_error(x, "`Pad` makes %lld of %lld elements", (long long)total, (long long)n);
    return a;
  }
  int64_t *index = ARENA_ARRAY(x->E->mem, int64_t, total + 1);
  for (int64_t k = 0; k < total; k++) {
    const int64_t at = k - low;
    index[k] = !strcmp(mode, "edge") ? clamped(at, 0, n - 1) : !strcmp(mode, "wrap") ? ((at % n) + n) % n : reflected(at, n);
  }
  return node_taken(x, a, axis, index, (uint32_t)total);
}

bool node_pad(Node *x, int op) {
  (void)op;
  int64_t pad[2 * ONNX_MOST_RANK], axis[ONNX_MOST_RANK];
  uint32_t n = 0, axes = UINT32_MAX, at;
  double v = node_float(x, "value", 0);
  const char *mode = node_text(x, "mode", "constant");
  if (!node_needs(x, 1)) return false;
  Operand a = x->in[0];
  if (node_attr(x, "pads") ? !node_ints(x, "pads", 2 * ONNX_MOST_RANK, pad, &n)
                           : !node_needs(x, 2) || !node_list(x, 1, "the pads", 2 * ONNX_MOST_RANK, pad, &n))
    return false;
  if (!node_number(x, 2, "the value", &v) ||
      (x->nin > 3 && x->in[3].kind != OPERAND_NONE && !node_list(x, 3, "the axes", ONNX_MOST_RANK, axis, &axes)))
    return false;
  if (strcmp(mode, "constant") && strcmp(mode, "edge") && strcmp(mode, "reflect") && strcmp(mode, "wrap"))
    return node_error(x, "`Pad` of mode `%s`", mode);
  if (axes == UINT32_MAX) axes = a.rank;
  else if (n != 2 * axes) return node_error(x, "`Pad` has %u pads of %u axes", n, axes);
  if (n != 2 * axes) return node_error(x, "`Pad` has %u pads of %s", n, operand_text(x, &a));
  const bool named = x->nin > 3 && x->in[3].kind != OPERAND_NONE;
  for (uint32_t k = 0; k < axes && !x->failed; k++) {
    if (!node_axis(x, named ? axis[k] : k, a.rank, &at)) return false;
    if (pad[k] || pad[axes + k]) a = node_padded(x, a, at, pad[k], pad[axes + k], mode, v);
  }
  return node_give(x, 0, a);
}

/* ---- constants ---------------------------------------------------------------------------------------------------------------- */

bool node_shape(Node *x, int size) {
  if (!node_needs(x, 1)) return false;
  const Operand a = x->in[0];
  if (size) return node_give(x, 0, operand_scalar(OPERAND_WHOLE, (double)operand_count(&a)));
  int64_t start = node_int(x, "start", 0), end = node_int(x, "end", a.rank);
  start = clamped(start < 0 ? start + a.rank : start, 0, a.rank), end = clamped(end < 0 ? end + a.rank : end, start, a.rank);
  return node_give(x, 0, operand_wholes(x, a.dim + start, (uint32_t)(end - start)));
}

bool node_range(Node *x, int op) {
  (void)op;
  double start = 0, end = 0, by = 1;
  if (!node_needs(x, 3) || !node_number(x, 0, "the start", &start) || !node_number(x, 1, "the end", &end) ||
      !node_number(x, 2, "the step", &by))
    return false;
  const double count = by != 0 ? ceil((end - start) / by) : -1;
  if (!(count >= 0 && count <= ELAB_ELEMENTS)) return node_error(x, "`Range` from %g to %g by %g", start, end, by);
  const uint32_t n = (uint32_t)count;
  const int64_t dim = n;
  Num *at = ARENA_ARRAY(x->E->mem, Num, n + 1);
  for (uint32_t k = 0; k < n; k++) at[k] = num_of(start + k * by);
  const Value v = n == 0 ? nothing : n == 1 ? value_num(at[0].v) : value_array(x->E, 1, &n, at);
  return node_give(x, 0, operand_of(x->in[0].kind == OPERAND_REAL ? OPERAND_REAL : OPERAND_WHOLE, 1, &dim, v));
}

/* Zeros above or below a diagonal of the last two axes, whatever stood there. */
bool node_trilu(Node *x, int op) {
  (void)op;
  double k = 0;
  if (!node_needs(x, 1) || !node_number(x, 1, "the diagonal", &k)) return false;
  const Operand a = x->in[0];
  if (a.rank < 2) return node_error(x, "`Trilu` of %s", operand_text(x, &a));
  const int64_t rows = a.dim[a.rank - 2], cols = a.dim[a.rank - 1], dim[2] = {rows, cols};
  const bool upper = node_int(x, "upper", 1) != 0;
  if (rows * cols > ELAB_ELEMENTS) return node_error(x, "`Trilu` of %s is too large", operand_text(x, &a));
  double *keep = ARENA_ARRAY(x->E->mem, double, rows *cols + 1);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) keep[i * cols + j] = upper ? (double)(j - i) >= k : (double)(j - i) <= k;
  if (a.v.kind == V_NONE) return node_give(x, 0, a);
  const Operand mask = node_squeezed(x, OPERAND_TRUTH, 2, dim, ir_table(node_at(x), operand_type(2, dim), keep));
  return node_give(x, 0, node_select(x, mask, a, operand_scalar(a.kind, 0)));
}

/* DepthToSpace, SpaceToDepth. */
bool node_space(Node *x, int to_depth) {
  if (!node_needs(x, 1)) return false;
  const Operand a = x->in[0];
  const int64_t b = node_int(x, "blocksize", 1);
  if (a.rank != 4 || b < 1 || b > 4096 || (to_depth ? a.dim[2] % b || a.dim[3] % b : a.dim[1] % (b * b)))
    return node_error(x, "`%s` of %s in blocks of %lld", x->n->op, operand_text(x, &a), (long long)b);
  const int64_t n = a.dim[0], c = a.dim[1], h = a.dim[2], w = a.dim[3];
  const bool crd = !strcmp(node_text(x, "mode", "DCR"), "CRD");
  const int64_t deep[6] = {n, crd ? c / (b * b) : b, b, crd ? b : c / (b * b), h, w}, flat[6] = {n, c, h / b, b, w / b, b};
  static const uint32_t dcr_perm[6] = {0, 3, 4, 1, 5, 2}, crd_perm[6] = {0, 1, 4, 2, 5, 3}, depth_perm[6] = {0, 3, 5, 1, 2, 4};
  const int64_t space[4] = {n, c / (b * b), h * b, w * b}, depth[4] = {n, c * b * b, h / b, w / b};
  const Operand cut = node_reshape(x, a, 6, to_depth ? flat : deep);
  if (x->failed) return false;
  const Operand moved = node_transposed(x, cut, to_depth ? depth_perm : crd ? crd_perm : dcr_perm);
  return node_give(x, 0, node_reshape(x, moved, 4, to_depth ? depth : space));
}
