/* Folding of `take` and `put`: lists of constant indices along an axis. */
#include "ir/build/fold.h"

#include <math.h>

#include <stdlib.h>

/* index[0 .. n) = start, start + step, ... with step != 0 */
static bool progression(const int64_t *index, uint32_t n, int64_t *step) {
  *step = n > 1 ? index[1] - index[0] : 1;
  for (uint32_t k = 1; k < n; k++)
    if (index[k] - index[k - 1] != *step) return false;
  return *step != 0;
}

static bool ascending(const int64_t *index, uint32_t n) {
  for (uint32_t k = 1; k < n; k++)
    if (index[k] <= index[k - 1]) return false;
  return true;
}

/* Where `what` is among index[0 .. n), which ascend; n if it is not. */
static uint32_t find_index(const int64_t *index, uint32_t n, int64_t what) {
  uint32_t low = 0, high = n;
  while (low < high) {
    uint32_t mid = low + (high - low) / 2;
    if (index[mid] < what) low = mid + 1;
    else high = mid;
  }
  return low < n && index[low] == what ? low : n;
}

static Val take_of_take(Build *b, const Cand *c, Val x) {
  uint32_t n = c->nattr - 1, *index = base_realloc(NULL, n * sizeof *index);
  for (uint32_t k = 0; k < n; k++) index[k] = (uint32_t)ir_list(b->f, ir_inst(b->f, c->args[0])).at[c->attr[1 + k]];
  Val v = ir_take(b, x, (int)c->attr[0], index, n);
  base_free(index);
  return v;
}

/* What was put is taken from where it came from; the rest is zero. */
static Val take_of_put(Build *b, const Cand *c, Val x) {
  Type one = ir_type(b->f, x);
  uint32_t n = c->nattr - 1, size = one.dim[c->attr[0]];
  const int64_t *put = ir_list(b->f, ir_inst(b->f, c->args[0])).at;
  if (!ascending(put, size)) return VAL_NONE;
  uint32_t *index = base_realloc(NULL, n * sizeof *index);
  bool zero = false;
  for (uint32_t k = 0; k < n; k++) {
    index[k] = find_index(put, size, c->attr[1 + k]);
    zero = zero || index[k] == size;
  }
  one.dim[c->attr[0]] = 1;
  if (zero) x = ir_concat(b, (Val[]){x, fold_zeros(b, one)}, 2, (int)c->attr[0]);
  Val v = ir_take(b, x, (int)c->attr[0], index, n);
  base_free(index);
  return v;
}

static Val take_evenly(Build *b, Val x, int axis, const int64_t *index, uint32_t n, int64_t step) {
  if (step > 0) return ir_slice(b, x, axis, (uint32_t)index[0], n, (uint32_t)step);
  return ir_flip(b, ir_slice(b, x, axis, (uint32_t)index[n - 1], n, (uint32_t)-step), axis);
}

Val fold_take(Build *b, const Cand *c) {
  const Inst *i = ir_inst(b->f, c->args[0]);
  uint32_t n = c->nattr - 1;
  int64_t step;
  bool same_axis = i->nattr && ir_take_attr(b->f, i).axis == c->attr[0];
  Op op = (Op)i->op;
  Val x = i->nargs ? ir_arg(b->f, i, 0) : VAL_NONE;
  if (op == OP_put && same_axis) {
    Val v = take_of_put(b, c, x);
    if (v.id) return v;
  }
  if (progression(c->attr + 1, n, &step)) return take_evenly(b, c->args[0], (int)c->attr[0], c->attr + 1, n, step);
  if (op == OP_expand && same_axis) return ir_expand(b, x, (int)c->attr[0], n);
  return op == OP_take && same_axis ? take_of_take(b, c, x) : VAL_NONE;
}

/* The inverse of a permutation of 0 .. n - 1; false if index is none. */
static bool inverse_permutation(const int64_t *index, uint32_t n, uint32_t *inverse) {
  for (uint32_t k = 0; k < n; k++) inverse[k] = n;
  for (uint32_t k = 0; k < n; k++) {
    if (inverse[index[k]] != n) return false;
    inverse[index[k]] = k;
  }
  return true;
}

/* What goes to every place once is taken from where it comes. */
static Val put_of_all(Build *b, const Cand *c) {
  uint32_t n = c->nattr - 2, *inverse = base_realloc(NULL, n * sizeof *inverse);
  Val v = inverse_permutation(c->attr + 2, n, inverse) ? ir_take(b, c->args[0], (int)c->attr[0], inverse, n) : VAL_NONE;
  base_free(inverse);
  return v;
}

Val fold_put(Build *b, const Cand *c) {
  int axis = (int)c->attr[0];
  uint32_t n = c->nattr - 2, total = (uint32_t)c->attr[1];
  const int64_t *index = c->attr + 2;
  int64_t step;
  if (!progression(index, n, &step)) return n == total ? put_of_all(b, c) : VAL_NONE;
  if (step > 0) return ir_unslice(b, c->args[0], axis, (uint32_t)index[0], (uint32_t)step, total);
  return ir_unslice(b, ir_flip(b, c->args[0], axis), axis, (uint32_t)index[n - 1], (uint32_t)-step, total);
}

/* ---- indices that turn out to be constants ---- */

/* The integers of v, all of them rows of n; n of them. The caller frees. NULL: not known, or some is none. */
static uint32_t *known_rows(const Build *b, Val v, uint32_t rows, uint32_t *n) {
  const Inst *i = ir_inst(b->f, v);
  const double *at = i->op == OP_table ? b->f->table.at[ir_table_attr(b->f, i).table].v : NULL;
  double one;
  if (!at && !ir_is_const(b->f, v, &one)) return NULL;
  *n = (uint32_t)type_count(i->type);
  uint32_t *index = base_realloc(NULL, sizeof *index * (*n + !*n));
  for (uint32_t k = 0; k < *n; k++) {
    double x = at ? at[k] : one;
    if (!(x >= 0 && x < rows) || x != floor(x)) {
      base_free(index);
      return NULL;
    }
    index[k] = (uint32_t)x;
  }
  return index;
}

static Val gather_known(Build *b, const Cand *c, const uint32_t *index, uint32_t n) {
  Val x = ir_take(b, c->args[0], 0, index, n);
  return fold_coerce(b, ir_reshape(b, x, c->type.rank, c->type.dim), c->type);
}

static Val scatter_known(Build *b, const Cand *c, const uint32_t *index, uint32_t n) {
  Type t = c->type;
  t.dim[0] = n;
  Val x = ir_reshape(b, c->args[0], t.rank, t.dim);
  return fold_coerce(b, ir_put(b, x, 0, c->type.dim[0], index, n), c->type);
}

/* Operands without their spreads; the sum over lanes needs them. */
static bool unspread(const Build *b, const Cand *c, Val *args) {
  bool any = false;
  for (uint32_t k = 0; k < c->nargs; k++) {
    const Inst *i = ir_inst(b->f, c->args[k]);
    args[k] = i->op == OP_spread ? ir_arg(b->f, i, 0) : c->args[k];
    any |= i->op == OP_spread;
  }
  return any;
}

Val fold_rows(Build *b, const Cand *c) {
  Val args[3];
  Num zero;
  uint32_t n = 0, rows = c->op == OP_gather ? ir_type(b->f, c->args[0]).dim[0] : c->type.dim[0];
  bool lanes = c->op == OP_scatter && c->attr[1];
  if (c->op != OP_setrow && fold_is_splat(b->f, c->args[0], &zero) && zero.v == 0 &&
      (c->op == OP_scatter || fold_structural_zero(b)))
    return fold_zeros(b, c->type);
  if (!lanes && unspread(b, c, args)) return fold_coerce(b, ir_emit(b, c->op, args, c->nargs, c->attr, c->nattr, NULL), c->type);
  uint32_t *index = lanes || c->op == OP_setrow ? NULL : known_rows(b, c->args[1], rows, &n);
  if (!index) return VAL_NONE;
  Val v = (c->op == OP_gather ? gather_known : scatter_known)(b, c, index, n);
  base_free(index);
  return v;
}
