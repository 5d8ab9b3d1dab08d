/* Subscripts.
 *
 * Most subscripts are known while compiling, but may differ from turn to turn of a comprehension. A tensor
 * from outside the loop is then *walked along*: q[2*k + 1] is a strided slice of q of which each turn
 * sees one row; the same slice met again is the same value, so that derivatives by q[k] work. A tensor from inside the loop
 * is contracted with rows of zeros and ones. Lists of integers, and subscripts that only the program knows, are in frontend/rows. */
#include "frontend/elab/elab_priv.h"
#include "frontend/rows/rows.h"
#include "frontend/syntax/synonym.h"

#include <stdlib.h>
#include <string.h>

typedef struct Sub {
  bool range;
  Value a, b;    /* NUM or TURNS of them; V_NONE where a range is open */
  uint32_t step; /* of a range: 1 if none is written */
  Span at;
} Sub;

/* Elements start, start + step, ... of an axis, n of them; 0: the one at start, without the axis. */
typedef struct Stretch {
  int64_t start;
  uint32_t n, step;
} Stretch;

/* ---- one subscript of one turn ------------------------------------------------------------------------ */

static Value bad_index(Elab *E, Span at, int64_t i, uint32_t n) {
  DiagMsg *m = elab_error(E, CODE_index, at, "index %lld is out of range for an axis of %u", (long long)i, n);
  if (n) elab_help(m, "indices run from 0 to %u, or from -1 backwards", n - 1);
  return POISON;
}

static bool sub_int(Elab *E, Value v, bool range, Span at, int64_t *out) {
  if (value_is_int(v, out)) return true;
  if (v.kind == V_NUM) elab_error(E, CODE_whole_number, at, "a subscript needs an integer, found %g", v.num.v);
  else if (range && v.kind == V_TENSOR)
    elab_help(
        elab_error(E, CODE_not_constant, at, "the bounds of a range must be known at compile time, found %s", value_text(E, v)),
        "for a fixed length from `i` on, write `x[i + [0, 1, 2]]`");
  else elab_error(E, CODE_not_constant, at, "a subscript needs an integer, or a tensor of integers, found %s", value_text(E, v));
  return false;
}

/* What the subscript takes of an axis of n. */
static bool resolve(Elab *E, const Sub *s, Value a, Value b, uint32_t n, Stretch *out) {
  int64_t i, j;
  if (!s->range) {
    if (!sub_int(E, a, false, s->at, &i)) return false;
    if (i < -(int64_t)n || i >= (int64_t)n) return bad_index(E, s->at, i, n), false;
    *out = (Stretch){i < 0 ? i + n : i, 0, 1};
    return true;
  }
  i = 0, j = n;
  if (a.kind != V_NONE && !sub_int(E, a, true, s->at, &i)) return false;
  if (b.kind != V_NONE && !sub_int(E, b, true, s->at, &j)) return false;
  int64_t i0 = i < 0 ? i + n : i, j0 = j < 0 ? j + n : j;
  if (i0 < 0 || j0 > (int64_t)n || i0 >= j0) {
    DiagMsg *m = elab_error(E, CODE_index, s->at,
                            i0 >= j0 && i0 >= 0 && j0 <= (int64_t)n ? "the range %lld:%lld is empty on an axis of %u"
                                                                    : "the range %lld:%lld goes beyond an axis of %u",
                            (long long)i, (long long)j, n);
    elab_help(m, "ranges are half-open: %u:%u is the whole axis", 0u, n);
    return false;
  }
  *out = (Stretch){i0, (uint32_t)((j0 - i0 + s->step - 1) / s->step), s->step};
  return true;
}

static bool range_step(Elab *E, const Expr *e, uint32_t *out) {
  int64_t step = 1;
  const Value v = e->args ? elab_expr(E, e->args->value) : value_exact(1, 1);
  if (v.kind == V_POISON || (!turns_int(v, &step) && turns_write_out(E, v))) return false;
  if (e->args && !elab_int(E, e->args->value, "the step of a range", &step)) return false;
  if (step < 1) {
    DiagMsg *m =
        elab_error(E, CODE_range, e->args->value->at, "the step of a range must be at least 1, found %lld", (long long)step);
    if (step == -1 && !e->a && !e->b) elab_help(m, "to go backwards, use `flip(x)`");
    return false;
  }
  *out = step < ELAB_ELEMENTS ? (uint32_t)step : ELAB_ELEMENTS; /* longer than any axis */
  return true;
}

static bool parse_sub(Elab *E, const Expr *e, Sub *s) {
  *s = (Sub){.at = e->at, .a = {.kind = V_NONE}, .b = {.kind = V_NONE}, .step = 1};
  if (e->kind != EX_RANGE) {
    s->a = elab_expr(E, e);
  } else {
    s->range = true;
    if (!range_step(E, e, &s->step)) return false;
    if (e->a) s->a = elab_expr(E, e->a);
    if (e->b) s->b = elab_expr(E, e->b);
  }
  return s->a.kind != V_POISON && s->b.kind != V_POISON;
}

static Level *sub_level(const Sub *s) {
  Level *a = value_turns(s->a), *b = value_turns(s->b);
  if (!a || !b) return a ? a : b;
  return level_depth(a) > level_depth(b) ? a : b;
}

/* Ranges that differ in length from turn to turn have the loop written out. */
static bool lengths_differ(Elab *E, const Sub *s) {
  if (!turns_write_out(E, s->a) && !turns_write_out(E, s->b))
    elab_error(E, CODE_range, s->at, "the length of this range differs from turn to turn");
  return false;
}

/* ---- static arrays ------------------------------------------------------------ */

/* All subscripts plain: element or block of an array. */
static Value array_sub(Elab *E, const Array *a, const Sub *s, uint32_t n) {
  uint32_t dim[IR_MAX_RANK], rank = 0, stride[IR_MAX_RANK], total = 1;
  Stretch of[IR_MAX_RANK];
  for (uint32_t k = 0; k < a->rank; k++) {
    of[k] = (Stretch){0, a->dim[k], 1};
    if (k < n && !resolve(E, &s[k], s[k].a, s[k].b, a->dim[k], &of[k])) return POISON;
    if (of[k].n) dim[rank++] = of[k].n;
    else of[k].n = 1;
    total *= of[k].n;
  }
  uint32_t step = 1;
  for (uint32_t k = a->rank; k-- > 0; step *= a->dim[k]) stride[k] = step;
  Num *v = ARENA_ARRAY(E->mem, Num, total + 1);
  for (uint32_t i = 0; i < total; i++) {
    uint32_t rest = i, at = 0;
    for (uint32_t k = a->rank; k-- > 0; rest /= of[k].n) at += ((uint32_t)of[k].start + rest % of[k].n * of[k].step) * stride[k];
    v[i] = a->at[at];
  }
  Value part = rank ? value_array(E, rank, dim, v) : (Value){.kind = V_NUM, .num = v[0]};
  return a->truth ? value_truths(E, part) : part;
}

static Value static_sub(Elab *E, Value base, const Sub *s, uint32_t n) {
  Level *l = value_turns(base);
  for (uint32_t k = 0; k < n; k++) {
    Level *m = sub_level(&s[k]);
    if (m && (!l || level_depth(m) > level_depth(l))) l = m;
  }
  if (!l) return array_sub(E, base.array, s, n);
  Value *turn = ARENA_ARRAY(E->mem, Value, l->n + 1);
  Sub one[IR_MAX_RANK];
  Type first = {0}, t;
  for (uint32_t i = 0; i < l->n; i++) {
    if (!elab_spend(E, n)) return POISON;
    for (uint32_t k = 0; k < n; k++) one[k] = s[k], one[k].a = value_turn(s[k].a, l, i), one[k].b = value_turn(s[k].b, l, i);
    turn[i] = static_sub(E, value_turn(base, l, i), one, n);
    if (turn[i].kind == V_POISON) return POISON;
    value_type(turn[i], &t);
    if (i == 0) first = t;
    if (!type_same_dims(first, t)) {
      while (n > 1 && !sub_level(s)) s++, n--;
      return lengths_differ(E, s), POISON;
    }
  }
  return (Value){.kind = V_TURNS, .turns = {l, turn}};
}

/* ---- tensors: a subscript that differs from turn to turn ----------------------------------------------- */

/* start: by turn; the rest of *out holds for all. */
static bool turns_starts(Elab *E, const Sub *s, const Level *l, uint32_t n, int64_t *start, Stretch *out) {
  for (uint32_t t = 0; t < l->n; t++) {
    Stretch w;
    Value a = value_turn(s->a, l, t), b = value_turn(s->b, l, t);
    if (a.kind == V_TURNS || b.kind == V_TURNS) {
      elab_help(elab_error(E, CODE_subscript, s->at, "this subscript depends on two loops"),
                "index by one of them at a time, as in x[i][j]");
      return false;
    }
    if (!resolve(E, s, a, b, n, &w)) return false;
    if (t > 0 && w.n != out->n) return lengths_differ(E, s);
    start[t] = w.start;
    *out = w;
  }
  return true;
}

static Val move_axis(Build *b, Val x, int from, int to) {
  int rank = ir_type(b->f, x).rank, perm[IR_MAX_RANK + 1], n = 0;
  if (from == to) return x;
  for (int k = 0; k < rank; k++)
    if (k != from) perm[n++] = k;
  for (int k = rank - 1; k > to; k--) perm[k] = perm[k - 1];
  perm[to] = from;
  return ir_transpose(b, x, perm);
}

static Val rows(Build *b, Val x, const int64_t *start, uint32_t n, Stretch of) {
  int64_t step = n > 1 ? start[1] - start[0] : 1;
  bool even = step >= 1 && of.n == 0;
  for (uint32_t t = 1; t < n; t++) even &= start[t] - start[t - 1] == step;
  if (even) return ir_slice(b, x, 0, (uint32_t)start[0], n, (uint32_t)step);
  uint32_t w = of.n ? of.n : 1, *index = base_realloc(NULL, sizeof *index * n * w);
  for (uint32_t t = 0; t < n; t++)
    for (uint32_t j = 0; j < w; j++) index[t * w + j] = (uint32_t)start[t] + j * of.step;
  Val r = ir_take(b, x, 0, index, n * w);
  base_free(index);
  if (!of.n) return r;
  Type t = ir_type(b->f, x);
  uint32_t dim[IR_MAX_RANK + 1] = {n, w};
  for (uint32_t k = 1; k < t.rank; k++) dim[k + 1] = t.dim[k];
  return ir_reshape(b, r, t.rank + 1, dim);
}

static const WalkKey *walk_find(const Level *l, Val base, int axis, const int64_t *start, Stretch of) {
  for (uint32_t k = 0; k < l->keys.n; k++) {
    const WalkKey *w = &l->keys.at[k];
    if (w->base.id == base.id && w->axis == axis && w->width == of.n && w->step == of.step &&
        !memcmp(w->start, start, sizeof *start * l->n))
      return w;
  }
  return NULL;
}

/* base lies outside l: its rows become what the loop walks along. Emits into l->up. */
static Value walk_sub(Elab *E, Value base, int axis, Level *l, const int64_t *start, Stretch of, Span at) {
  Context c;
  context_push(E, &c);
  c.level = l->up;
  Val outer = elab_use(E, base);
  const WalkKey *found = walk_find(l, outer, axis, start, of);
  Val inner = found ? found->inner : VAL_NONE;
  if (!found) {
    Build *b = elab_at(E, at);
    inner = level_walk(E, l, rows(b, move_axis(b, outer, axis, 0), start, l->n, of));
    c.level = l;
    if (of.n) inner = move_axis(elab_at(E, at), inner, 0, axis);
    *vec_push(&l->keys) = (WalkKey){outer, axis, start, of.n, of.step, NULL, inner};
  }
  context_pop(E, &c);
  return value_tensor(l, inner);
}

/* Which elements of the axis a turn takes: truths [n], or [width, n]. */
static Val taken(Elab *E, Level *l, const int64_t *start, uint32_t n, Stretch of, Span at) {
  const uint32_t w = of.n ? of.n : 1, dim[2] = {w, n};
  Value *turn = ARENA_ARRAY(E->mem, Value, l->n + 1);
  for (uint32_t i = 0; i < l->n; i++) {
    Num *v = ARENA_ARRAY(E->mem, Num, w * n);
    for (uint32_t j = 0; j < w * n; j++) v[j] = num_of(0);
    for (uint32_t j = 0; j < w; j++) v[j * n + (uint32_t)start[i] + j * of.step] = num_of(1);
    turn[i] = value_array(E, of.n ? 2 : 1, of.n ? dim : dim + 1, v);
  }
  Val zero = ir_const(elab_at(E, at), 0), one = elab_tensor(E, (Value){.kind = V_TURNS, .turns = {l, turn}}, at);
  return ir_ne(elab_at(E, at), one, zero);
}

/* base is made inside the loop: a sum over the axis in which the elements that are not taken count as 0, whatever they are. */
static Value onehot_sub(Elab *E, Value base, int axis, Level *l, const int64_t *start, Stretch of, Span at) {
  Val x = elab_use(E, base);
  Type t = elab_type(E, x);
  uint32_t n = t.dim[axis], width = of.n;
  if ((int64_t)n * (width ? width : 1) * l->n > ELAB_ELEMENTS) {
    elab_error(E, CODE_too_large, at, "indexing a value made inside the loop by its index is too large here");
    return POISON;
  }
  Val on = taken(E, l, start, n, of, at);
  Build *b = elab_at(E, at);
  Val zero = ir_const(b, 0);
  if (t.dt == DT_BOOL) x = ir_select(b, x, ir_const(b, 1), zero);
  if (width) x = ir_expand(b, x, axis, width); /* [..., width, n, ...] */
  for (int k = 0; k < axis; k++) on = ir_expand(b, on, k, t.dim[k]);
  for (int k = axis + 1; k < t.rank; k++) on = ir_expand(b, on, k + (width != 0), t.dim[k]);
  Val y = ir_sum(b, ir_select(b, on, x, zero), axis + (width != 0));
  return elab_value(E, t.dt == DT_BOOL ? ir_ne(b, y, zero) : y);
}

static bool is_outside(const Level *base, const Level *l) {
  for (l = l->up; l; l = l->up)
    if (l == base) return true;
  return false;
}

static Value turns_sub(Elab *E, Value base, const Sub *s, int axis) {
  Level *l = sub_level(s);
  Type t;
  value_type(base, &t);
  int64_t *start = ARENA_ARRAY(E->mem, int64_t, l->n + 1);
  Stretch of = {0};
  if (!turns_starts(E, s, l, t.dim[axis], start, &of)) return POISON;
  if (of.n && t.rank == IR_MAX_RANK) {
    elab_error(E, CODE_too_large, s->at, "a tensor has at most %d axes, the loop's included", IR_MAX_RANK);
    return POISON;
  }
  if (is_outside(base.t.level, l)) return walk_sub(E, base, axis, l, start, of, s->at);
  return onehot_sub(E, base, axis, l, start, of, s->at);
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

static Value plain_sub(Elab *E, Value base, const Sub *s, int axis) {
  Type t;
  Stretch of;
  value_type(base, &t);
  if (!resolve(E, s, s->a, s->b, t.dim[axis], &of)) return POISON;
  if (of.n == t.dim[axis]) return base;
  Val x = elab_use(E, base);
  Build *b = elab_at(E, s->at);
  return elab_value(E, of.n ? ir_slice(b, x, axis, (uint32_t)of.start, of.n, of.step) : ir_index(b, x, axis, (uint32_t)of.start));
}

/* The subscripts that differ from turn to turn come first, the outermost loop's before the inner ones',
 * so that each is met while its base still lies outside. */
static Value tensor_sub(Elab *E, Value base, const Sub *s, uint32_t n) {
  int axis[IR_MAX_RANK];
  bool done[IR_MAX_RANK] = {false};
  for (uint32_t k = 0; k < n; k++) axis[k] = (int)k;
  for (uint32_t turn = 0; turn < n; turn++) {
    uint32_t best = n;
    for (uint32_t k = 0; k < n; k++) {
      if (done[k]) continue;
      Level *l = sub_level(&s[k]), *m = best < n ? sub_level(&s[best]) : NULL;
      if (best == n || (l && (!m || level_depth(l) < level_depth(m)))) best = k;
    }
    base = sub_level(&s[best]) ? turns_sub(E, base, &s[best], axis[best]) : plain_sub(E, base, &s[best], axis[best]);
    if (base.kind == V_POISON) return base;
    done[best] = true;
    for (uint32_t k = best + 1; k < n && !s[best].range; k++) axis[k]--;
  }
  return base;
}

/* ---- lists of integers, and subscripts known when the program runs ------------------------------------------ */

static Value of_first_turn(Value v) {
  while (v.kind == V_TURNS) v = v.turns.at[0];
  return v;
}

/* For all rows that it names: neither a range nor one integer known while compiling. */
static bool is_index(const Sub *s) {
  Value v = of_first_turn(s->a);
  return !s->range && (v.kind == V_TENSOR || v.kind == V_ARRAY);
}

static bool mask(Elab *E, const Sub *s, Value v) {
  Type t;
  if (!value_type(v, &t) || t.dt != DT_BOOL) return false;
  elab_help(elab_error(E, CODE_subscript, s->at,
                       "a mask known only at run time would select an unknown number of elements, found %s", value_text(E, v)),
            "`where(mask, x, 0)` keeps the shape; a list of integers selects those rows, `x[[0, 2]]`");
  return true;
}

/* The integers of a list, from the start. */
static const uint32_t *fixed_rows(Elab *E, const Sub *s, const Array *a, uint32_t n) {
  uint32_t *at = ARENA_ARRAY(E->mem, uint32_t, a->n + 1);
  for (uint32_t k = 0; k < a->n; k++) {
    int64_t i;
    if (!sub_int(E, (Value){.kind = V_NUM, .num = a->at[k]}, false, s->at, &i)) return NULL;
    if (i < -(int64_t)n || i >= (int64_t)n) return bad_index(E, s->at, i, n), NULL;
    at[k] = (uint32_t)(i < 0 ? i + n : i);
  }
  return at;
}

/* The same of lists that differ from turn to turn. */
static Value from_start(Elab *E, const Sub *s, Value v, uint32_t n) {
  if (v.kind == V_ARRAY) {
    const uint32_t *at = fixed_rows(E, s, v.array, n);
    Num *row = ARENA_ARRAY(E->mem, Num, v.array->n + 1);
    for (uint32_t k = 0; at && k < v.array->n; k++) row[k] = num_ratio(at[k], 1);
    return at ? value_array(E, v.array->rank, v.array->dim, row) : POISON;
  }
  if (v.kind != V_TURNS) return v;
  Value *turn = ARENA_ARRAY(E->mem, Value, v.turns.level->n + 1);
  for (uint32_t t = 0; t < v.turns.level->n; t++)
    if ((turn[t] = from_start(E, s, v.turns.at[t], n)).kind == V_POISON) return POISON;
  v.turns.at = turn;
  return v;
}

/* n: the size of the axis. */
static bool row_index(Elab *E, const Sub *s, int axis, uint32_t n, RowIndex *out) {
  *out = (RowIndex){.axis = axis, .at = s->at, .v = s->a};
  if (mask(E, s, of_first_turn(s->a)) || !value_type(s->a, &out->dims)) return false;
  if (s->a.kind == V_ARRAY) return (out->fixed = fixed_rows(E, s, s->a.array, n)) != NULL;
  out->v = from_start(E, s, s->a, n);
  return out->v.kind != V_POISON;
}

/* What is known while compiling comes first. Indices that others stand between come to be the first axes. */
static Value index_sub(Elab *E, Value base, const Sub *s, uint32_t n, Span at) {
  Sub rest[IR_MAX_RANK];
  RowIndex index[IR_MAX_RANK];
  Type t;
  uint32_t m = 0, blocks = 0;
  int axis = 0;
  for (uint32_t k = 0; k < n; k++)
    rest[k] = is_index(&s[k]) ? (Sub){.range = true, .a = {.kind = V_NONE}, .b = {.kind = V_NONE}, .step = 1, .at = s[k].at} : s[k];
  base = tensor_sub(E, base, rest, n);
  if (base.kind == V_POISON) return base;
  value_type(base, &t);
  for (uint32_t k = 0; k < n; k++) {
    if (is_index(&s[k]) && !row_index(E, &s[k], axis, t.dim[axis], &index[m++])) return POISON;
    axis += is_index(&s[k]) || s[k].range;
    blocks += !s[k].range && (!k || s[k - 1].range);
  }
  return rows_take(E, base, index, m, blocks > 1, at);
}

static bool any_index(const Sub *s, uint32_t n) {
  bool any = false;
  for (uint32_t k = 0; k < n; k++) any |= is_index(&s[k]);
  return any;
}

static bool known(Value base, const Sub *s, uint32_t n) {
  bool all = value_static(base);
  for (uint32_t k = 0; k < n; k++)
    all = all && (s[k].a.kind == V_NONE || value_static(s[k].a)) && (s[k].b.kind == V_NONE || value_static(s[k].b));
  return all;
}

static Value index_sub_any(Elab *E, Value base, const Sub *s, uint32_t n, const Expr *e) {
  Scratch scratch;
  bool fixed = known(base, s, n);
  if (fixed) scratch_begin(E, &scratch);
  if (base.kind != V_TENSOR) base = elab_value(E, elab_tensor(E, base, e->a->at));
  Value v = index_sub(E, base, s, n, e->at);
  return fixed ? scratch_end(E, &scratch, v, e->at) : v;
}

static Value list_sub(Elab *E, Value v, const Sub *s) {
  Stretch of;
  if (s->a.kind == V_TENSOR && !s->range) {
    elab_error(E, CODE_not_constant, s->at, "%s needs an index known at compile time, found %s", value_text(E, v),
               value_text(E, s->a));
    return POISON;
  }
  if (!resolve(E, s, s->a, s->b, v.list.n, &of)) return POISON;
  if (!of.n) return v.list.at[of.start];
  Value *at = ARENA_ARRAY(E->mem, Value, of.n);
  for (uint32_t k = 0; k < of.n; k++) at[k] = v.list.at[of.start + (int64_t)k * of.step];
  v.list.at = at;
  v.list.n = of.n;
  return v;
}

/* A mask known while compiling, of an axis of n: the rows where it holds. */
static Value mask_rows(Elab *E, Value v, uint32_t n, Span at) {
  const Array *a = v.array;
  uint32_t m = 0;
  Num *row = ARENA_ARRAY(E->mem, Num, a->n + 1);
  for (uint32_t k = 0; k < a->n; k++)
    if (a->at[k].v != 0) row[m++] = num_ratio(k, 1);
  if (a->rank == 1 && a->n == n && m) return value_array(E, 1, &m, row);
  if (m) elab_error(E, CODE_shape_mismatch, at, "a mask for an axis of %u must be bool[%u], found %s", n, n, value_text(E, v));
  else elab_error(E, CODE_index, at, "this mask selects no element");
  return POISON;
}

Value elab_index_of(Elab *E, Value base, const Expr *e) {
  Sub s[IR_MAX_RANK];
  uint32_t n = 0;
  bool good = base.kind != V_POISON;
  Type t = {0};
  bool list = base.kind == V_LIST || base.kind == V_TUPLE;
  if (good && !list && (!value_type(base, &t) || t.rank == 0)) {
    DiagMsg *m = elab_error(E, CODE_subscript, e->a->at, "%s has no elements to index", value_text(E, base));
    elab_label(m, e->a->at, "%s", value_text(E, base));
    if (base.kind == V_FUNC && e->a->kind == EX_NAME) elab_help(m, "write arguments in `( )`: `%s(x)`", e->a->name);
    if (base.kind == V_FUNC && e->a->kind == EX_CALL) elab_help(m, "it needs another list of arguments: `f(...)(x)[0]`");
    return POISON;
  }
  for (const Arg *a = e->args; good && a; a = a->next)
    if (a->value->kind == EX_NAME && (!strcmp(a->value->name, "None") || !strcmp(a->value->name, "newaxis")) &&
        !elab_known(E, a->value->name, true)) {
      elab_help(elab_error(E, CODE_subscript, a->value->at, "a subscript cannot make a new axis"), "%s", synonym("newaxis"));
      return POISON;
    }
  if (good && e->nargs > (list ? 1u : t.rank)) {
    DiagMsg *m = elab_error(E, CODE_subscript, e->at, "too many subscripts: %u for %s", e->nargs, value_text(E, base));
    elab_label(m, e->a->at, "%s", value_text(E, base));
    if (base.kind == V_TUPLE)
      elab_help(m, "subscript each value of a tuple separately, `(a, b)[0][i]`, or unpack it, `let (x, y) = ...`");
    return POISON;
  }
  for (const Arg *a = e->args; a; a = a->next) {
    Sub one;
    good &= parse_sub(E, a->value, &one);
    if (good && one.a.kind == V_TURNS && of_first_turn(one.a).kind == V_ARRAY && of_first_turn(one.a).array->truth)
      good = !turns_write_out(E, one.a); /* as many rows as hold in this turn */
    if (good && !list && one.a.kind == V_ARRAY && one.a.array->truth)
      good = (one.a = mask_rows(E, one.a, t.dim[n], one.at)).kind != V_POISON;
    if (n < IR_MAX_RANK) s[n++] = one;
  }
  if (!good) return POISON;
  if (list) return list_sub(E, base, s);
  if (any_index(s, n)) return index_sub_any(E, base, s, n, e);
  if (value_arrays(base)) return static_sub(E, base, s, n);
  if (base.kind == V_TURNS) base = elab_value(E, elab_tensor(E, base, e->a->at));
  return tensor_sub(E, base, s, n);
}

Value elab_index(Elab *E, const Expr *e) { return elab_index_of(E, elab_expr(E, e->a), e); }
