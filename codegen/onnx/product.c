/* Products. The axis of samples is a label as others: a label is of the batch (in all three lists), contracted (in both operands alone)
 * or of one operand and the result. Without contracted ones a product is Mul, with nothing but those and the batch Mul and ReduceSum,
 * else MatMul of matrices whose rows and columns may be several axes in one. So there is no Einsum, which some runtimes lack. */
#include "codegen/onnx/onnx_priv.h"

#include <string.h>

enum { SAMPLES = -1, MOST = 2 * IR_MAX_RANK + 2 };

typedef struct Labels {
  int at[MOST];
  int64_t size[MOST]; /* of that of the samples -1 */
  uint32_t n;
} Labels;

static bool has(const Labels *l, int label) {
  for (uint32_t k = 0; k < l->n; k++)
    if (l->at[k] == label) return true;
  return false;
}

static void add(Labels *to, int label, int64_t size) {
  to->at[to->n] = label;
  to->size[to->n++] = size;
}

static void join(Labels *to, const Labels *l) {
  for (uint32_t k = 0; k < l->n; k++) add(to, l->at[k], l->size[k]);
}

/* Those of a list, in its order, that are or are not in two others. */
static Labels chosen(const Labels *of, const Labels *x, bool in_x, const Labels *y, bool in_y) {
  Labels out = {.n = 0};
  for (uint32_t k = 0; k < of->n; k++)
    if (has(x, of->at[k]) == in_x && has(y, of->at[k]) == in_y) add(&out, of->at[k], of->size[k]);
  return out;
}

static Labels side(const DotShape *d, int which, Type t) {
  Labels l = {.n = 0};
  if (t.lane) add(&l, SAMPLES, -1);
  for (int k = 0; k < d->rank[which]; k++) add(&l, d->label[which][k], t.dim[k]);
  return l;
}

static const char *ordered(Onnx *o, const char *x, const Labels *have, const Labels *want) {
  int perm[MOST];
  for (uint32_t k = 0; k < want->n; k++)
    for (uint32_t from = 0; from < have->n; from++)
      if (have->at[from] == want->at[k]) perm[k] = (int)from;
  return onnx_transpose(o, x, want->n, perm);
}

/* ---- without a matrix ------------------------------------------------------------------------------------------- */

/* x in the order of `all`, with axes of size 1 for what it has not. */
static const char *aligned(Onnx *o, const char *x, const Labels *have, const Labels *all) {
  const Labels own = chosen(all, have, true, have, true);
  int64_t axes[MOST];
  uint32_t n = 0;
  bool begun = false;
  x = ordered(o, x, have, &own);
  for (uint32_t k = 0; k < all->n; k++)
    if (has(have, all->at[k])) begun = true;
    else if (begun) axes[n++] = k;
  for (uint32_t k = 0; k < n; k++) axes[k] -= all->n; /* from the end: leading axes are not there */
  return onnx_unsqueeze(o, x, n, axes);
}

static const char *times(Onnx *o, const char *const x[2], const Labels l[2], const Labels *all) {
  const char *a = aligned(o, x[0], &l[0], all), *b = aligned(o, x[1], &l[1], all);
  return NODE(o, "Mul", a, b);
}

static const char *inner(Onnx *o, const char *const x[2], const Labels l[3], const Labels *contracted) {
  Labels all = l[2];
  int64_t axes[MOST];
  for (uint32_t k = 0; k < contracted->n; k++) axes[k] = l[2].n + k;
  join(&all, contracted);
  return onnx_reduce(o, "ReduceSum", times(o, x, l, &all), contracted->n, axes, false);
}

/* ---- matrices --------------------------------------------------------------------------------------------------------- */

/* Dims of axes that are one axis. */
static int64_t merged(const Labels *l) {
  int64_t n = 1;
  for (uint32_t k = 0; k < l->n; k++) n = n < 0 || l->size[k] < 0 ? -1 : n * l->size[k];
  return n;
}

static uint32_t put(int64_t *dim, uint32_t n, const Labels *l, bool batch) {
  for (uint32_t k = 0; k < l->n; k++) dim[n++] = batch && l->size[k] < 0 ? 0 : l->size[k];
  return n;
}

/* x as a stack of matrices. A vector is one, too, of one row or column: onnxruntime 1.32 takes a Transpose into the MatMul behind it, and
 * computes something else where the other operand has one axis. */
static const char *matrix(Onnx *o, const char *x, const Labels *have, const Labels *batch, const Labels *rows, const Labels *cols) {
  Labels want = *batch;
  int64_t dim[MOST];
  join(&want, rows);
  join(&want, cols);
  x = ordered(o, x, have, &want);
  if (rows->n == 1 && cols->n == 1) return x;
  uint32_t n = put(dim, 0, batch, true);
  dim[n++] = merged(rows), dim[n++] = merged(cols);
  const char *dims = onnx_wholes(o, n, dim);
  return NODE(o, "Reshape", x, dims);
}

/* l: of the left operand, the right one, the result. */
static const char *matmul(Onnx *o, const char *left, const char *right, const Labels l[3], const Labels *contracted) {
  const Labels batch = chosen(&l[2], &l[0], true, &l[1], true), rows = chosen(&l[2], &l[0], true, &l[1], false),
               cols = chosen(&l[2], &l[0], false, &l[1], true);
  const char *a = matrix(o, left, &l[0], &batch, &rows, contracted);
  const char *b = matrix(o, right, &l[1], &batch, contracted, &cols);
  const char *y = NODE(o, "MatMul", a, b);
  Labels have = batch;
  join(&have, &rows);
  join(&have, &cols);
  if (rows.n != 1 || cols.n != 1) {
    int64_t dim[MOST];
    uint32_t n = put(dim, 0, &batch, true);
    n = put(dim, n, &rows, false);
    n = put(dim, n, &cols, false);
    const char *dims = onnx_wholes(o, n, dim);
    y = NODE(o, "Reshape", y, dims);
  }
  return ordered(o, y, &have, &l[2]);
}

/* Whether the left operand stays left. A vector stands where the other operand need not be transposed; else the last axis of the result
 * is the right one's. */
static bool as_written(const Labels l[3], const Labels *contracted) {
  const Labels left = chosen(&l[0], &l[1], false, &l[2], true), right = chosen(&l[1], &l[0], false, &l[2], true);
  if (!left.n) return !has(contracted, l[1].at[l[1].n - 1]);
  if (!right.n) return has(contracted, l[0].at[l[0].n - 1]);
  return has(&right, l[2].at[l[2].n - 1]);
}

const char *onnx_dot(Onnx *o, const Scope *s, const Inst *i) {
  const DotShape d = ir_dot_shape(s->f, i);
  const char *x[2] = {onnx_arg(s, i, 0), onnx_arg(s, i, 1)};
  Labels l[3] = {side(&d, 0, ir_type(s->f, ir_arg(s->f, i, 0))), side(&d, 1, ir_type(s->f, ir_arg(s->f, i, 1))),
                 side(&d, 2, i->type)};
  const Labels contracted = chosen(&l[0], &l[1], true, &l[2], false);
  if (!contracted.n) return times(o, x, l, &l[2]);
  if (chosen(&l[2], &l[0], true, &l[1], true).n == l[2].n) return inner(o, x, l, &contracted);
  if (as_written(l, &contracted)) return matmul(o, x[0], x[1], l, &contracted);
  const Labels turned[3] = {l[1], l[0], l[2]};
  return matmul(o, x[1], x[0], turned, &contracted);
}
