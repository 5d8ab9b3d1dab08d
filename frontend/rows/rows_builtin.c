/* Functions of the language about rows and their numbers, which are reals without a derivative. */
#include "frontend/rows/rows.h"

#include <math.h>

enum { COUNTED = 32 }; /* edges, at most, that are compared one by one */

/* Truth values count as 1 and 0. */
static Val real_of(Elab *E, const Actual *a) {
  Val x = in(E, a);
  Build *b = elab_at(E, a->at);
  return elab_type(E, x).dt == DT_BOOL ? ir_indicator(b, x) : x;
}

static bool needs(Elab *E, const Builtin *b, const Actual *a, const char *what, bool met) {
  if (met) return true;
  const char *t = value_text(E, a->v);
  elab_label(elab_error(E, CODE_wrong_shape, a->at, "`%s` needs %s, found %s", b->name, what, t), a->at, "%s", t);
  return false;
}

static Type with_axis(Type t, uint32_t n) {
  t.dim[t.rank++] = n;
  return t;
}

static Val numbers(Build *b, uint32_t n) {
  double *v = base_realloc(NULL, sizeof *v * n);
  for (uint32_t k = 0; k < n; k++) v[k] = k;
  Val x = ir_table(b, type_real(false, 1, &n), v);
  base_free(v);
  return x;
}

/* x[n] along axis `axis` of a value of the dims t. */
static Val along(Build *b, Val x, Type t, int axis) {
  for (int k = 0; k < t.rank; k++)
    if (k != axis) x = ir_expand(b, x, k, t.dim[k]);
  return x;
}

/* An integer known while compiling, or one of an array of them, is within 0 ... n - 1; from the end if negative. */
static bool within(Elab *E, const Actual *a, Num i, uint32_t n, bool negative, int64_t *out) {
  if (i.den != 1) elab_error(E, CODE_whole_number, a->at, "an index must be an integer, found %g", i.v);
  else if (i.num < (negative ? -(int64_t)n : 0) || i.num >= (int64_t)n)
    elab_help(elab_error(E, CODE_index, a->at, "index %lld is out of range for an axis of %u", (long long)i.num, n),
              negative ? "indices run from 0 to %u, or from -1 backwards" : "indices run from 0 to %u", n - 1);
  else return *out = i.num < 0 ? i.num + n : i.num, true;
  return false;
}

/* ---- x with another row --------------------------------------------------------------------------------- */

Value rows_set(Elab *E, const Builtin *b, Actuals *a) {
  Type t = type_of(&a->at[0]), row;
  int64_t at = 0;
  if (!needs(E, b, &a->at[0], "a tensor", t.rank > 0)) return POISON;
  if (!needs(E, b, &a->at[1], "one index, a scalar", type_of(&a->at[1]).rank == 0)) return POISON;
  row = type_real(false, t.rank - 1, t.dim + 1);
  if (type_of(&a->at[2]).rank && !type_same_dims(row, type_of(&a->at[2]))) {
    char want[64];
    const char *v = value_text(E, a->at[2].v), *x = value_text(E, a->at[0].v);
    DiagMsg *m = elab_error(E, CODE_shape_mismatch, a->at[2].at, "a row of %s must be %s, found %s", x,
                            type_user(row, want, sizeof want), v);
    elab_label(m, a->at[0].at, "%s", x);
    elab_label(m, a->at[2].at, "%s", v);
    return POISON;
  }
  bool fixed = a->at[1].v.kind == V_NUM;
  if (fixed && !within(E, &a->at[1], a->at[1].v.num, t.dim[0], true, &at)) return POISON;
  Val x = real_of(E, &a->at[0]), i = fixed ? ir_const(elab_at(E, a->at[1].at), (double)at) : in(E, &a->at[1]),
      v = real_of(E, &a->at[2]);
  Build *bl = elab_at(E, a->call);
  if (row.rank && !elab_type(E, v).rank) v = ir_expand_to(bl, v, row);
  x = ir_setrow(bl, x, i, v);
  return elab_value(E, t.dt == DT_BOOL ? ir_ne(bl, x, ir_const(bl, 0)) : x);
}

/* ---- numbers of rows ------------------------------------------------------------------------------------ */

static bool axis_of(Elab *E, const Actual *a, Type t, int *out) {
  int64_t k = 0;
  *out = 0;
  if (!given(a)) return true;
  if (!need_int(E, a, "`axis`", &k)) return false;
  if (k >= -(int64_t)t.rank && k < t.rank) return *out = (int)(k < 0 ? k + t.rank : k), true;
  elab_error(E, CODE_axis, a->at, "a tensor of %d ax%s has no axis %lld", t.rank, t.rank == 1 ? "is" : "es", (long long)k);
  return false;
}

/* The least number of those that attain the extremum; of NaN, which is the extremum then, the first. */
Value rows_argmax(Elab *E, const Builtin *b, Actuals *a) {
  Type t = type_of(&a->at[0]);
  int axis;
  if (!needs(E, b, &a->at[0], "a tensor", t.rank > 0) || !axis_of(E, &a->at[1], t, &axis)) return POISON;
  Val x = real_of(E, &a->at[0]);
  Build *bl = elab_at(E, a->call);
  uint32_t count = (uint32_t)type_count(t);
  if (!given(&a->at[1])) x = ir_reshape(bl, x, 1, &count), t = elab_type(E, x);
  uint32_t n = t.dim[axis];
  Val most = b->op == OP_rmax ? ir_rmax(bl, x, axis) : ir_rmin(bl, x, axis);
  Val equal = ir_eq(bl, x, ir_expand(bl, most, axis, n)), none = ir_ne(bl, x, x);
  Val at = along(bl, numbers(bl, n), t, axis);
  return elab_value(E, ir_rmin(bl, ir_select(bl, ir_or(bl, equal, none), at, ir_const(bl, n)), axis));
}

Value rows_one_hot(Elab *E, const Builtin *b, Actuals *a) {
  Type t = type_of(&a->at[0]);
  int64_t n, at;
  (void)b;
  if (!need_int(E, &a->at[1], "the size of `one_hot`", &n)) return POISON;
  if (n < 1 || n > ELAB_ELEMENTS) {
    elab_error(E, CODE_out_of_range, a->at[1].at, "a size must be an integer from 1 to %d, found %lld", (int)ELAB_ELEMENTS,
               (long long)n);
    return POISON;
  }
  if (a->at[0].v.kind == V_NUM && !within(E, &a->at[0], a->at[0].v.num, (uint32_t)n, false, &at)) return POISON;
  if (!needs(E, b, &a->at[0], "fewer axes", t.rank < IR_MAX_RANK) || !elab_fits(E, type_count(t) * n, a->call)) return POISON;
  Val i = in(E, &a->at[0]);
  Build *bl = elab_at(E, a->call);
  Val one = ir_const(bl, 1);
  if (!t.rank) return elab_value(E, ir_scatter(bl, one, i, (uint32_t)n, false));
  uint32_t size = (uint32_t)n;
  Type all = with_axis(t, size);
  Val here = ir_eq(bl, ir_expand(bl, i, t.rank, size), along(bl, numbers(bl, size), all, t.rank));
  Val there = ir_gather(bl, ir_splat(bl, 1, type_real(false, 1, &size)), i); /* or NaN */
  Val hot = ir_indicator(bl, here), known = ir_expand(bl, there, t.rank, size);
  return elab_value(E, ir_mul(bl, hot, known));
}

/* ---- sorted edges --------------------------------------------------------------------------------------- */

static bool rises(Elab *E, const Actual *a) {
  for (uint32_t k = 1; a->v.kind == V_ARRAY && k < a->v.array->n; k++)
    if (!(a->v.array->at[k - 1].v <= a->v.array->at[k].v)) {
      elab_error(E, CODE_out_of_range, a->at, "`searchsorted` needs edges in rising order, found %g before %g",
                 a->v.array->at[k - 1].v, a->v.array->at[k].v);
      return false;
    }
  return true;
}

/* How many edges lie below x, each compared with it. */
static Val counted(Build *b, Val edges, Val x, Type t, uint32_t n) {
  Type all = with_axis(t, n);
  Val below = ir_lt(b, along(b, edges, all, t.rank), ir_expand(b, x, t.rank, n));
  return ir_sum(b, ir_indicator(b, below), t.rank);
}

/* The same by halving: of powers of two, the largest first, each is added to the number if as many edges lie below x. */
static Val halved(Build *b, Val edges, Val x, Type t, uint32_t n) {
  Val count = ir_expand_to(b, ir_const(b, 0), t), last = ir_const(b, n), one = ir_const(b, 1);
  uint32_t step = 1;
  while (step <= n / 2) step *= 2;
  for (; step; step /= 2) {
    Val next = ir_add(b, count, ir_const(b, step)), at = ir_sub(b, ir_min(b, next, last), one);
    Val within = ir_le(b, next, last), below = ir_lt(b, ir_gather(b, edges, at), x), more = ir_and(b, within, below);
    count = ir_select(b, more, next, count);
  }
  return count;
}

Value rows_searchsorted(Elab *E, const Builtin *b, Actuals *a) {
  Type te = type_of(&a->at[0]), t = type_of(&a->at[1]);
  if (!needs(E, b, &a->at[0], "a vector of edges", te.rank == 1) || !rises(E, &a->at[0])) return POISON;
  Val edges = in(E, &a->at[0]), x = in(E, &a->at[1]);
  Build *bl = elab_at(E, a->call);
  bool few = te.dim[0] <= COUNTED && t.rank < IR_MAX_RANK;
  Val n = (few ? counted : halved)(bl, edges, x, t, te.dim[0]);
  return elab_value(E, ir_select(bl, ir_eq(bl, x, x), n, ir_const(bl, NAN)));
}

/* ---- sums ----------------------------------------------------------------------------------------------- */

/* Of ids known while compiling. */
static Value sum_fixed(Elab *E, Val x, const Actual *ids, uint32_t n, Span at) {
  const Array *a = ids->v.array;
  Type t = elab_type(E, x);
  uint32_t *index = ARENA_ARRAY(E->mem, uint32_t, a->n + 1), dim[IR_MAX_RANK] = {a->n};
  int rank = 1;
  for (uint32_t k = 0; k < a->n; k++) {
    int64_t i;
    if (!within(E, ids, a->at[k], n, false, &i)) return POISON;
    index[k] = (uint32_t)i;
  }
  for (int k = (int)a->rank; k < t.rank; k++) dim[rank++] = t.dim[k];
  Build *b = elab_at(E, at);
  return elab_value(E, ir_put(b, ir_reshape(b, x, rank, dim), 0, n, index, a->n));
}

Value rows_segment_sum(Elab *E, const Builtin *b, Actuals *a) {
  Type t = type_of(&a->at[0]), ids = type_of(&a->at[1]), head = t;
  int64_t n;
  if (!needs(E, b, &a->at[1], "a vector of ids", ids.rank > 0) || !need_int(E, &a->at[2], "the number of sums", &n)) return POISON;
  head.rank = ids.rank < t.rank ? ids.rank : t.rank;
  if (!type_same_dims(head, ids)) {
    const char *x = value_text(E, a->at[0].v), *i = value_text(E, a->at[1].v);
    DiagMsg *m = elab_error(E, CODE_shape_mismatch, a->at[1].at, "`segment_sum` needs an id for each row, found %s and %s", x, i);
    elab_label(m, a->at[0].at, "%s", x);
    elab_label(m, a->at[1].at, "%s", i);
    return POISON;
  }
  if (n < 1 || n > ELAB_ELEMENTS) {
    elab_error(E, CODE_out_of_range, a->at[2].at, "a size must be an integer from 1 to %d, found %lld", (int)ELAB_ELEMENTS,
               (long long)n);
    return POISON;
  }
  if (!elab_fits(E, type_count(t) / type_count(ids) * n, a->call)) return POISON;
  Val x = real_of(E, &a->at[0]);
  if (a->at[1].v.kind == V_ARRAY) return sum_fixed(E, x, &a->at[1], (uint32_t)n, a->call);
  Val at = in(E, &a->at[1]);
  return elab_value(E, ir_scatter(elab_at(E, a->call), x, at, (uint32_t)n, false));
}
