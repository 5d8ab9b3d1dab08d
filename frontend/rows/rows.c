/* Subscripts known only when the program runs. One index makes a `gather` of its axis; several make one of all their axes together,
 * by the number of the element, each index being checked for its own axis first: what names none is NaN, and so is the number. */
#include "frontend/rows/rows.h"

#include <string.h>

enum { EXACT_F32 = 1 << 24 }; /* whole numbers that an f32 holds */

/* The axes of x in another order: those of the indices first. */
static Val to_front(Build *b, Val x, const RowIndex *index, uint32_t n) {
  int perm[IR_MAX_RANK], m = 0, rank = ir_type(b->f, x).rank;
  bool taken[IR_MAX_RANK] = {false}, moved = false;
  for (uint32_t k = 0; k < n; k++) taken[index[k].axis] = true, perm[m++] = index[k].axis;
  for (int k = 0; k < rank; k++)
    if (!taken[k]) perm[m++] = k;
  for (int k = 0; k < rank; k++) moved |= perm[k] != k;
  return moved ? ir_transpose(b, x, perm) : x;
}

/* The first `n` axes behind the `to` axes that follow them. */
static Val back(Build *b, Val x, int n, int to) {
  int perm[IR_MAX_RANK], rank = ir_type(b->f, x).rank;
  if (!n || !to) return x;
  for (int k = 0; k < rank; k++) perm[k] = k < to ? n + k : k < to + n ? k - to : k;
  return ir_transpose(b, x, perm);
}

static Val fixed_table(Build *b, const RowIndex *i) {
  int64_t n = type_count(i->dims);
  double *v = base_realloc(NULL, sizeof *v * (size_t)(n + 1));
  for (int64_t k = 0; k < n; k++) v[k] = i->fixed[k];
  Type t = i->dims;
  t.lane = 0, t.dt = DT_REAL;
  Val x = ir_table(b, t, v);
  base_free(v);
  return x;
}

static Val index_value(Elab *E, const RowIndex *i) {
  return i->fixed ? fixed_table(elab_at(E, i->at), i) : elab_tensor(E, i->v, i->at);
}

/* i where it is one of 0 ... n - 1, else NaN. */
static Val checked(Build *b, Val i, uint32_t n) {
  double *v = base_realloc(NULL, sizeof *v * n);
  for (uint32_t k = 0; k < n; k++) v[k] = k;
  Val numbers = ir_table(b, type_real(false, 1, &n), v);
  base_free(v);
  return ir_gather(b, numbers, i);
}

/* Rows of the first axis. */
static Val take_one(Elab *E, Val x, const RowIndex *i) {
  if (!i->fixed) return ir_gather(elab_at(E, i->at), x, index_value(E, i));
  Build *b = elab_at(E, i->at);
  Val r = ir_take(b, x, 0, i->fixed, (uint32_t)type_count(i->dims));
  if (i->dims.rank == 1) return r;
  Type t = ir_type(b->f, r), d = i->dims;
  for (int k = 1; k < t.rank; k++) d.dim[d.rank++] = t.dim[k];
  return ir_reshape(b, r, d.rank, d.dim);
}

/* The number of the element that all indices name. */
static Val element_number(Elab *E, const RowIndex *index, uint32_t n, const uint32_t *dim) {
  Val sum = VAL_NONE;
  for (uint32_t k = 0; k < n; k++) {
    Val i = index_value(E, &index[k]);
    Build *b = elab_at(E, index[k].at);
    if (!index[k].fixed) i = checked(b, i, dim[k]);
    if (sum.id) sum = ir_mul(b, sum, ir_const(b, dim[k]));
    sum = sum.id ? ir_add(b, sum, i) : i;
  }
  return sum;
}

/* One axis after the other: each index picks along with those before it. `x` has the indices' axes in front. */
static Val take_together(Elab *E, Val x, const RowIndex *index, uint32_t n) {
  Build *b = elab_at(E, index[0].at);
  Type t = ir_type(b->f, x);
  uint32_t dim[IR_MAX_RANK] = {1};
  int rank = 1;
  for (uint32_t k = 0; k < n; k++) dim[0] *= t.dim[k];
  for (int k = (int)n; k < t.rank; k++) dim[rank++] = t.dim[k];
  Val number = element_number(E, index, n, t.dim);
  return ir_gather(elab_at(E, index[0].at), ir_reshape(elab_at(E, index[0].at), x, rank, dim), number);
}

static Value too_many(Elab *E, Span at) {
  elab_error(E, CODE_too_large, at, "a tensor has at most %d axes, those of the indices included", IR_MAX_RANK);
  return POISON;
}

/* The dims that all indices have, but for scalars; false after an error. */
static bool common(Elab *E, const RowIndex *index, uint32_t n, Type *out) {
  const RowIndex *first = NULL;
  *out = (Type){0};
  for (uint32_t k = 0; k < n; k++) {
    if (index[k].dims.rank && first && !type_same_dims(first->dims, index[k].dims)) {
      DiagMsg *m =
          elab_error(E, CODE_shape_mismatch, index[k].at, "indices of several axes are paired element by element, found %s and %s",
                     value_text(E, first->v), value_text(E, index[k].v));
      elab_label(m, first->at, "%s", value_text(E, first->v));
      elab_label(m, index[k].at, "%s", value_text(E, index[k].v));
      elab_help(m, "to take a block, index one axis after the other: `x[v][:, w]`");
      return false;
    }
    if (index[k].dims.rank && !first) first = &index[k], *out = index[k].dims;
  }
  return true;
}

Value rows_take(Elab *E, Value x, const RowIndex *index, uint32_t n, bool first, Span at) {
  Type dims, t;
  int64_t size = 1;
  if (!common(E, index, n, &dims) || !value_type(x, &t)) return POISON;
  if (dims.rank + t.rank - (int)n > IR_MAX_RANK) return too_many(E, at);
  for (uint32_t k = 0; k < n; k++) size *= t.dim[index[k].axis];
  if (!elab_fits(E, type_count(t) / size * type_count(dims), at)) return POISON;
  Val v = elab_use(E, x);
  bool boolean = t.dt == DT_BOOL;
  if (boolean) v = ir_indicator(elab_at(E, at), v);
  v = to_front(elab_at(E, at), v, index, n);
  if (n == 1) v = take_one(E, v, index);
  else if (E->now->level->fn->f64 == FN_F32 && size > EXACT_F32) {
    elab_help(
        elab_error(E, CODE_too_large, at, "indices of several axes count %lld elements, more than f32 can count", (long long)size),
        "use `precision f64`, or index one axis after the other: `x[i][j]`");
    return POISON;
  } else v = take_together(E, v, index, n);
  v = back(elab_at(E, at), v, dims.rank, first ? 0 : index[0].axis);
  if (boolean) v = ir_ne(elab_at(E, at), v, ir_const(elab_at(E, at), 0));
  return elab_value(E, v);
}
