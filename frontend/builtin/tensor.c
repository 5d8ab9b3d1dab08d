/* Handlers of the built-in functions that reshape, join and contract tensors. They emit into the
 * innermost level; builtin_apply evaluates what comes out when all arguments were static. */
#include "frontend/builtin/builtin_priv.h"

#include <math.h>
#include <string.h>

Value error_mismatch(Elab *E, const Builtin *b, const Actual *x, const Actual *y, const char *needs, Span at) {
  const char *tx = value_text(E, x->v), *ty = value_text(E, y->v);
  DiagMsg *m = elab_error(E, CODE_shape_mismatch, at, "`%s` needs %s, found %s and %s", b->name, needs, tx, ty);
  elab_label(m, x->at, "%s", tx);
  elab_label(m, y->at, "%s", ty);
  return POISON;
}

/* ---- elementwise ------------------------------------------------------------------------------------------
 */

Value bi_ew1(Elab *E, const Builtin *b, Actuals *a) { return elab_unary_op(E, (Op)b->op, a->at[0].v, a->call); }

Value bi_ew2(Elab *E, const Builtin *b, Actuals *a) {
  return elab_binary_op(E, (Op)b->op, a->at[0].v, a->at[1].v, a->at[0].at, a->at[1].at, a->call, b->name);
}

Value bi_where(Elab *E, const Builtin *b, Actuals *a) {
  (void)b;
  return elab_select(E, a->at[0].v, a->at[1].v, a->at[2].v, a->at[0].at, a->at[1].at, a->at[2].at, a->call);
}

/* ---- reductions ---------------------------------------------------------------------------------------- */

bool need_axis(Elab *E, const Actual *a, Type t, uint32_t *out) {
  int64_t k;
  if (!need_int(E, a, "`axis`", &k)) return false;
  if (k >= -(int64_t)t.rank && k < t.rank) return *out = (uint32_t)(k < 0 ? k + t.rank : k), true;
  elab_error(E, CODE_axis, a->at, "a tensor of %d ax%s has no axis %lld", t.rank, t.rank == 1 ? "is" : "es", (long long)k);
  return false;
}

static Val flat(Elab *E, Val x) {
  uint32_t n = (uint32_t)type_count(elab_type(E, x));
  return ir_reshape(&E->now->level->b, x, 1, &n);
}

static bool tensor_arg(Elab *E, const Builtin *b, const Actual *a) {
  if (value_numeric(a->v)) return true;
  elab_error(E, CODE_wrong_kind, a->at, "`%s` needs a tensor, found %s", b->name, value_text(E, a->v));
  return false;
}

static Report *report_named(Elab *E, const char *name) {
  for (uint32_t i = 0; name && i < E->made.actions.n; i++) {
    const Action *x = &E->made.actions.at[i];
    if (x->kind == DO_REPORT && x->report->fn && !strcmp(x->report->name, name)) return x->report;
  }
  return NULL;
}

/* The report above that has the name of this argument, which is a field of the data at hand. Bodies of functions know none. */
static Report *behind_field(Elab *E, const Actual *a) {
  const bool named = a->e && a->e->kind == EX_NAME && a->v.kind == V_TENSOR && E->now->root->stats;
  const Entry *e = named ? frame_find(E->now->frame, a->e->name) : NULL;
  return e && e->v.kind == V_FIELD ? report_named(E, a->e->name) : NULL;
}

/* Of a field that is an array a statistic could be of either; of one that is a number it says nothing. */
static bool two_meanings(Elab *E, const Builtin *b, const Actual *a) {
  if (!behind_field(E, a) || !type_of(a).rank) return false;
  const char *name = a->e->name;
  elab_help(elab_error(E, CODE_defined_twice, a->at, "`%s(%s)` could mean the field `%s` or the report above", b->name, name, name),
            "give the report another name; `let y = %s` takes the field", name);
  return true;
}

/* The report that an argument names, also where its name is that of a function, or of a field that is a number; NULL: none. Bodies of
 * the file's functions know none: there a name is that of what they were given. */
static Report *report_of(Elab *E, const Actual *a) {
  if (a->v.kind == V_REPORT) return a->v.report;
  if (a->v.kind == V_TENSOR) return type_of(a).rank ? NULL : behind_field(E, a);
  const bool names = a->v.kind == V_FUNC && a->e && a->e->kind == EX_NAME && a->e->name == a->v.func->name;
  return report_named(E, names && E->now->root->stats && !E->now->calls ? a->e->name : NULL);
}

/* A list of reports of samples: a list of their means, which is no list of chains or weights. */
static bool list_of_reports(Elab *E, const Builtin *b, const Actual *a) {
  for (const Arg *x = a->e && a->e->kind == EX_LIST ? a->e->args : NULL; x; x = x->next) {
    const Entry *e = x->value && x->value->kind == EX_NAME ? frame_find(E->now->frame, x->value->name) : NULL;
    if (!e || e->v.kind != V_REPORT || !e->v.report->data) continue;
    DiagMsg *m = elab_error(E, CODE_wrong_kind, x->value->at,
                            "in a list, `%s` is its mean over the samples, for which `%s` has no meaning", e->name, b->name);
    elab_help(m, "`%s(%s)` takes all samples of one report: draw chains that belong together by one `use`", b->name, e->name);
    return true;
  }
  return false;
}

const Builtin *builtin_statistic(Elab *E, const char *name, const Actuals *of) {
  const Builtin *b = builtin_find(name);
  return b && b->call == bi_stat && (!of || (of->n && report_of(E, &of->at[0]))) ? b : NULL;
}

bool builtin_misasked(Elab *E, const char *name, const Actuals *of) {
  const Builtin *b = builtin_find(name);
  return of->n && !report_of(E, &of->at[0]) && (two_meanings(E, b, &of->at[0]) || list_of_reports(E, b, &of->at[0]));
}

static bool share(Elab *E, const Actual *a, double *out) {
  if (!need_number(E, a, "the share of a `quantile`", out)) return false;
  if (*out >= 0 && *out <= 1) return true;
  DiagMsg *m = elab_error(E, CODE_out_of_range, a->at, "the share of a `quantile` must be from 0 to 1, found %g", *out);
  if (*out > 1 && *out <= 100) elab_help(m, "as a share of 1, write %g", *out / 100);
  return false;
}

/* Two draws in each half of a chain have a variance. */
static bool chains(Elab *E, const Builtin *b, const Report *r, const Actual *a) {
  enum { FEWEST = 4 };
  const Type t = report_type(r);
  if (t.rank && t.dim[0] >= FEWEST) return true;
  DiagMsg *m = elab_error(E, CODE_wrong_shape, a->at, "`%s` needs chains of %d draws or more, found %s for each sample", b->name,
                          FEWEST, value_text(E, (Value){.kind = V_REPORT, .report = (Report *)r}));
  elab_help(m, "each sample is a chain: `report x = x[:, 0] on chains` gives all its draws of one number");
  return false;
}

/* op: the statistic; of a median a quantile without its share. */
Value bi_stat(Elab *E, const Builtin *b, Actuals *a) {
  Report *r = report_of(E, &a->at[0]);
  ReportStat s = {.stat = (Stat)b->op};
  if (!r && (two_meanings(E, b, &a->at[0]) || list_of_reports(E, b, &a->at[0]))) return POISON;
  if (!r) {
    DiagMsg *m = elab_error(E, CODE_wrong_kind, a->at[0].at, "`%s` takes the name of a report above, found %s", b->name,
                            value_text(E, a->at[0].v));
    if (s.stat == STAT_SD) elab_help(m, "`sqrt(mean((x - mean(x))^2))` is the standard deviation of a tensor");
    if (s.stat >= STAT_LOGMEANEXP && value_numeric(a->at[0].v) && !type_of(&a->at[0]).rank)
      elab_help(m, "`report r = ... on data` has a value for each sample, and `%s(r)` takes all of them", b->name);
    else if (s.stat >= STAT_ESS) elab_help(m, "`import \"std/sampling\"` has it for tensors");
    return POISON;
  }
  if (stat_of_chains(s.stat) && !chains(E, b, r, &a->at[0])) return POISON;
  if (s.stat == STAT_QUANTILE && !strcmp(b->name, "median")) s.q = 0.5;
  else if (s.stat == STAT_QUANTILE && !share(E, &a->at[1], &s.q)) return POISON;
  return elab_stat(E, r, s, a->call);
}

static Value evaluated(Elab *E, Value v, Value from, Scratch *s, Span at) {
  return value_static(from) ? scratch_end(E, s, v, at) : v;
}

/* sum, mean */
Value bi_reduce(Elab *E, const Builtin *b, Actuals *a) {
  const Actual *x = &a->at[0];
  uint32_t axis = 0;
  Report *r = given(&a->at[1]) ? NULL : report_of(E, x);
  if (r) return elab_stat(E, r, (ReportStat){.stat = b->op == 1 ? STAT_MEAN : STAT_SUM}, a->call);
  if (!given(&a->at[1]) && two_meanings(E, b, x)) return POISON;
  if (!tensor_arg(E, b, x) || (given(&a->at[1]) && !need_axis(E, &a->at[1], type_of(x), &axis))) return POISON;
  Scratch s;
  bool fixed = b->op == 1 && value_static(x->v);
  if (fixed) scratch_begin(E, &s);
  Val v = in(E, x), y;
  Build *bl = elab_at(E, a->call);
  Type t = elab_type(E, v);
  y = given(&a->at[1]) ? ir_sum(bl, v, (int)axis) : t.rank ? ir_sum_all(bl, v) : v;
  double n = given(&a->at[1]) ? t.dim[axis] : (double)type_count(t);
  if (b->op == 1 && n != 1) y = ir_mul(bl, y, ir_const_exact(bl, 1 / n, 1, (int64_t)n));
  return fixed ? scratch_end(E, &s, elab_value(E, y), a->call) : elab_value(E, y);
}

Value bi_minmax(Elab *E, const Builtin *b, Actuals *a) {
  const Actual *x = &a->at[0];
  uint32_t axis = 0;
  Report *r = given(&a->at[1]) || given(&a->at[2]) ? NULL : report_of(E, x);
  if (r) return elab_stat(E, r, (ReportStat){.stat = b->op == OP_max ? STAT_MAX : STAT_MIN}, a->call);
  if (given(&a->at[1]) && given(&a->at[2])) {
    elab_error(E, CODE_axis, a->at[2].at, "`axis` is for `%s` of one tensor, found two", b->name);
    return POISON;
  }
  if (given(&a->at[1])) return bi_ew2(E, b, a);
  if (!given(&a->at[2]) && two_meanings(E, b, x)) return POISON;
  if (!tensor_arg(E, b, x) || (given(&a->at[2]) && !need_axis(E, &a->at[2], type_of(x), &axis))) return POISON;
  if (x->v.kind == V_NUM) return x->v;
  Scratch s;
  if (value_static(x->v)) scratch_begin(E, &s);
  Val v = in(E, x);
  Build *bl = elab_at(E, a->call);
  if (!given(&a->at[2])) v = flat(E, v);
  v = b->op == OP_max ? ir_rmax(bl, v, (int)axis) : ir_rmin(bl, v, (int)axis);
  return evaluated(E, elab_value(E, v), x->v, &s, a->call);
}

Value bi_maxabs(Elab *E, const Builtin *b, Actuals *a) {
  (void)b;
  Val v = flat(E, in(E, &a->at[0]));
  Build *bl = elab_at(E, a->call);
  return elab_value(E, ir_rmax(bl, ir_abs(bl, v), 0));
}

/* logsumexp, softmax: with the largest element m taken away, which is a constant to derivatives, as the result does not depend
 * on it. Where m is infinite, 0: exp(-inf) is 0, and inf - inf no number. */
Value bi_softmax(Elab *E, const Builtin *b, Actuals *a) {
  Type t = type_of(&a->at[0]);
  uint32_t axis = 0;
  if (t.rank == 0) return error_shape(E, &a->at[0], b->name, "a tensor");
  if (given(&a->at[1]) && !need_axis(E, &a->at[1], t, &axis)) return POISON;
  Val x = in(E, &a->at[0]);
  if (!given(&a->at[1])) x = flat(E, x);
  Build *bl = elab_at(E, a->call);
  uint32_t n = elab_type(E, x).dim[axis];
  Val m = ir_fixed(bl, ir_rmax(bl, x, (int)axis)), size = ir_abs(bl, m);
  Val finite = ir_lt(bl, size, ir_const(bl, INFINITY));
  m = ir_select(bl, finite, m, ir_const(bl, 0));
  Val e = ir_exp(bl, ir_sub(bl, x, ir_expand(bl, m, (int)axis, n))), s = ir_sum(bl, e, (int)axis);
  if (b->op == 0) return elab_value(E, ir_add(bl, m, ir_log(bl, s)));
  Val r = ir_div(bl, e, ir_expand(bl, s, (int)axis, n));
  return elab_value(E, given(&a->at[1]) ? r : ir_reshape(bl, r, t.rank, t.dim));
}

/* Halves are multiplied, so that the graph grows with the logarithm of the size. */
static Val product(Elab *E, Val x, int axis) {
  Build *b = &E->now->level->b;
  for (;;) {
    uint32_t n = elab_type(E, x).dim[axis], half = n / 2;
    if (n == 1) return ir_index(b, x, axis, 0);
    Val lo = ir_slice(b, x, axis, 0, half, 1), hi = ir_slice(b, x, axis, half, half, 1), r = ir_mul(b, lo, hi);
    if (n % 2) {
      Val last = ir_slice(b, x, axis, n - 1, 1, 1), both[2] = {r, last};
      r = ir_concat(b, both, 2, axis);
    }
    x = r;
  }
}

Value bi_prod(Elab *E, const Builtin *b, Actuals *a) {
  (void)b;
  uint32_t axis = 0;
  if (given(&a->at[1]) && !need_axis(E, &a->at[1], type_of(&a->at[0]), &axis)) return POISON;
  Val v = in(E, &a->at[0]);
  elab_at(E, a->call);
  return elab_value(E, product(E, given(&a->at[1]) ? v : flat(E, v), (int)axis));
}

Value bi_norm(Elab *E, const Builtin *b, Actuals *a) {
  (void)b;
  Val v = in(E, &a->at[0]);
  Build *bl = elab_at(E, a->call);
  Val s = ir_mul(bl, v, v);
  return elab_value(E, ir_sqrt(bl, elab_type(E, v).rank ? ir_sum_all(bl, s) : s));
}

Value bi_length(Elab *E, const Builtin *b, Actuals *a) {
  uint32_t n = value_length(E, a->at[0].v);
  if (n || a->at[0].v.kind == V_LIST) return value_exact(n, 1);
  return error_shape(E, &a->at[0], b->name, "a list or a tensor");
}

/* Of a number it is the empty list. */
Value bi_shape(Elab *E, const Builtin *b, Actuals *a) {
  Type t;
  if (!tensor_arg(E, b, &a->at[0]) || !value_type(a->at[0].v, &t)) return POISON;
  const uint32_t rank = t.rank;
  Num *n = ARENA_ARRAY(E->mem, Num, rank + 1);
  for (uint32_t k = 0; k < rank; k++) n[k] = num_of(t.dim[k]);
  return rank ? value_array(E, 1, &rank, n) : (Value){.kind = V_LIST};
}

/* ---- joining ------------------------------------------------------------------------------------------- */

static bool joined_axis(Elab *E, const Actual *axis, int rank, int *out) {
  uint32_t k = 0;
  if (given(axis) && !need_axis(E, axis, (Type){.rank = (uint8_t)rank}, &k)) return false;
  *out = (int)k;
  return true;
}

static bool same_but(Type x, Type y, int axis) {
  if (x.rank != y.rank) return false;
  for (int k = 0; k < x.rank; k++)
    if (k != axis && x.dim[k] != y.dim[k]) return false;
  return true;
}

static Value merge_rows(Elab *E, Actuals *a, Type t) {
  uint32_t dim[IR_MAX_RANK] = {t.dim[0] * t.dim[1]};
  for (int k = 2; k < t.rank; k++) dim[k - 1] = t.dim[k];
  Val v = in(E, &a->at[1]);
  return elab_value(E, ir_reshape(elab_at(E, a->call), v, t.rank - 1, dim));
}

Value bi_concat(Elab *E, const Builtin *b, Actuals *a) {
  uint32_t n = a->n - 1;
  Type first = type_of(&a->at[1]);
  int axis;
  for (uint32_t i = 1; i <= n; i++)
    if (type_of(&a->at[i]).rank == 0) {
      elab_help(elab_error(E, CODE_wrong_shape, a->at[i].at, "`concat` joins tensors, found a scalar"), "`[x]` makes it a real[1]");
      return POISON;
    }
  if (!joined_axis(E, &a->at[0], first.rank, &axis)) return POISON;
  if (n == 1 && first.rank >= 2 && !given(&a->at[0])) return merge_rows(E, a, first);
  Val *x = ARENA_ARRAY(E->mem, Val, n);
  int64_t total = 0;
  for (uint32_t i = 0; i < n; i++) total += type_count(type_of(&a->at[i + 1]));
  if (!elab_fits(E, total, a->call)) return POISON;
  for (uint32_t i = 0; i < n; i++) {
    if (!same_but(first, type_of(&a->at[i + 1]), axis))
      return error_mismatch(E, b, &a->at[1], &a->at[i + 1], "equal shapes except along the joined axis", a->at[i + 1].at);
    x[i] = in(E, &a->at[i + 1]);
  }
  return elab_value(E, ir_concat(elab_at(E, a->call), x, n, axis));
}

Value bi_stack(Elab *E, const Builtin *b, Actuals *a) {
  uint32_t n = a->n - 1;
  Type first = type_of(&a->at[1]);
  int axis, perm[IR_MAX_RANK];
  if (first.rank == IR_MAX_RANK) return error_shape(E, &a->at[1], b->name, "fewer axes");
  if (!joined_axis(E, &a->at[0], first.rank + 1, &axis) || !elab_fits(E, type_count(first) * n, a->call)) return POISON;
  Val *x = ARENA_ARRAY(E->mem, Val, n);
  for (uint32_t i = 0; i < n; i++) {
    if (!type_same_dims(first, type_of(&a->at[i + 1])))
      return error_mismatch(E, b, &a->at[1], &a->at[i + 1], "equal shapes", a->at[i + 1].at);
    x[i] = in(E, &a->at[i + 1]);
  }
  Val r = ir_stack(elab_at(E, a->call), x, n);
  for (int k = 0; k <= first.rank; k++) perm[k] = k < axis ? k + 1 : k == axis ? 0 : k;
  return elab_value(E, axis ? ir_transpose(elab_at(E, a->call), r, perm) : r);
}

/* ---- moving -------------------------------------------------------------------------------------------- */

Value bi_roll(Elab *E, const Builtin *b, Actuals *a) {
  Type t = type_of(&a->at[0]);
  uint32_t axis = 0;
  int64_t shift;
  if (t.rank == 0) return error_shape(E, &a->at[0], b->name, "a tensor");
  if (!need_int(E, &a->at[1], "the shift of `roll`", &shift)) return POISON;
  if (given(&a->at[2]) && !need_axis(E, &a->at[2], t, &axis)) return POISON;
  int64_t n = t.dim[axis], k = ((shift % n) + n) % n;
  Val v = in(E, &a->at[0]);
  if (k == 0) return elab_value(E, v);
  Build *bl = elab_at(E, a->call);
  Val end = ir_slice(bl, v, (int)axis, (uint32_t)(n - k), (uint32_t)k, 1),
      start = ir_slice(bl, v, (int)axis, 0, (uint32_t)(n - k), 1);
  Val part[2] = {end, start};
  return elab_value(E, ir_concat(bl, part, 2, (int)axis));
}

Value bi_flip(Elab *E, const Builtin *b, Actuals *a) {
  Type t = type_of(&a->at[0]);
  uint32_t axis = 0;
  if (t.rank == 0) return error_shape(E, &a->at[0], b->name, "a tensor");
  if (given(&a->at[1]) && !need_axis(E, &a->at[1], t, &axis)) return POISON;
  Val v = in(E, &a->at[0]);
  return elab_value(E, ir_flip(elab_at(E, a->call), v, (int)axis));
}

static bool shape_args(Elab *E, Actuals *a, uint32_t from, Num *size, uint32_t *rank) {
  *rank = 0;
  const Actual *first = &a->at[from];
  if (value_numbers(first->v) && first->v.array->rank == 1 && a->n == from + 1 && first->v.array->n <= IR_MAX_RANK) {
    for (; *rank < first->v.array->n; ++*rank) size[*rank] = first->v.array->at[*rank];
    return true;
  }
  for (uint32_t i = from; i < a->n; i++) {
    if (a->at[i].v.kind != V_NUM || *rank == IR_MAX_RANK) {
      elab_error(E, CODE_too_large, a->at[i].at, "a shape has at most %d integers, found %s", IR_MAX_RANK,
                 value_text(E, a->at[i].v));
      return false;
    }
    size[(*rank)++] = a->at[i].v.num;
  }
  return true;
}

Value bi_reshape(Elab *E, const Builtin *b, Actuals *a) {
  (void)b;
  Num size[IR_MAX_RANK];
  uint32_t rank, dim[IR_MAX_RANK], open = IR_MAX_RANK;
  int64_t have = type_count(type_of(&a->at[0])), want = 1;
  if (!shape_args(E, a, 1, size, &rank)) return POISON;
  for (uint32_t k = 0; k < rank; k++) {
    if (size[k].den == 1 && size[k].num == -1 && open == IR_MAX_RANK) {
      open = k;
      continue;
    }
    if (size[k].den != 1 || size[k].num < 1 || size[k].num > have) {
      elab_error(E, CODE_reshape, a->at[1].at, "%lld elements cannot be reshaped to a size of %g", (long long)have, size[k].v);
      return POISON;
    }
    want *= dim[k] = (uint32_t)size[k].num;
    if (want > have) break;
  }
  if (open < IR_MAX_RANK && want <= have && have % want == 0) dim[open] = (uint32_t)(have / want), want = have;
  if (want != have) {
    DiagMsg *m = elab_error(E, CODE_reshape, a->at[1].at,
                            "`reshape` must keep the number of elements: the new shape does not have %lld", (long long)have);
    elab_label(m, a->at[0].at, "%s", value_text(E, a->at[0].v));
    return POISON;
  }
  Val v = in(E, &a->at[0]);
  return elab_value(E, ir_reshape(elab_at(E, a->call), v, (int)rank, dim));
}

Value bi_transpose(Elab *E, const Builtin *b, Actuals *a) {
  (void)b;
  return elab_transpose(E, a->at[0].v, a->call);
}

/* ---- products ------------------------------------------------------------------------------------------ */

Value bi_outer(Elab *E, const Builtin *b, Actuals *a) {
  Type x = type_of(&a->at[0]), y = type_of(&a->at[1]);
  int la[IR_MAX_RANK], lb[IR_MAX_RANK], lo[IR_MAX_RANK], n = 0;
  if (x.rank + y.rank > IR_MAX_RANK) return error_mismatch(E, b, &a->at[0], &a->at[1], "fewer axes", a->call);
  if (!elab_fits(E, type_count(x) * type_count(y), a->call)) return POISON;
  for (int k = 0; k < x.rank; k++) la[k] = lo[n] = n, n++;
  for (int k = 0; k < y.rank; k++) lb[k] = lo[n] = n, n++;
  Val vx = in(E, &a->at[0]), vy = in(E, &a->at[1]);
  Build *bl = elab_at(E, a->call);
  return elab_value(E, x.rank && y.rank ? ir_dot(bl, vx, vy, false, la, lb, n, lo) : ir_mul(bl, vx, vy));
}

Value bi_dot(Elab *E, const Builtin *b, Actuals *a) {
  Type x = type_of(&a->at[0]), y = type_of(&a->at[1]);
  static const int label[1] = {0};
  if (x.rank != 1 || !type_same_dims(x, y)) {
    Value r = error_mismatch(E, b, &a->at[0], &a->at[1], "two vectors of the same size", a->call);
    return r;
  }
  Val vx = in(E, &a->at[0]), vy = in(E, &a->at[1]);
  return elab_value(E, ir_dot(elab_at(E, a->call), vx, vy, false, label, label, 0, NULL));
}

Value bi_cross(Elab *E, const Builtin *b, Actuals *a) {
  static const uint32_t next[3] = {1, 2, 0}, last[3] = {2, 0, 1};
  Type x = type_of(&a->at[0]), y = type_of(&a->at[1]);
  if (x.rank != 1 || !type_same_dims(x, y) || x.dim[0] < 2 || x.dim[0] > 3)
    return error_mismatch(E, b, &a->at[0], &a->at[1], "two real[3] or two real[2]", a->call);
  Val vx = in(E, &a->at[0]), vy = in(E, &a->at[1]);
  Build *bl = elab_at(E, a->call);
  if (x.dim[0] == 2) {
    Val x0 = ir_index(bl, vx, 0, 0), x1 = ir_index(bl, vx, 0, 1), y0 = ir_index(bl, vy, 0, 0), y1 = ir_index(bl, vy, 0, 1);
    Val p = ir_mul(bl, x0, y1), m = ir_mul(bl, x1, y0);
    return elab_value(E, ir_sub(bl, p, m));
  }
  Val xn = ir_take(bl, vx, 0, next, 3), xl = ir_take(bl, vx, 0, last, 3), yn = ir_take(bl, vy, 0, next, 3),
      yl = ir_take(bl, vy, 0, last, 3);
  Val p = ir_mul(bl, xn, yl), m = ir_mul(bl, xl, yn);
  return elab_value(E, ir_sub(bl, p, m));
}

Value bi_tri(Elab *E, const Builtin *b, Actuals *a) {
  int64_t k = 0;
  if (type_of(&a->at[0]).rank < 2) return error_shape(E, &a->at[0], b->name, "a matrix");
  if (given(&a->at[1]) && !need_int(E, &a->at[1], "`k`", &k)) return POISON;
  if (k > 1 << 20 || k < -(1 << 20)) k = k > 0 ? 1 << 20 : -(1 << 20);
  Val v = in(E, &a->at[0]);
  return elab_value(E, ir_tri(elab_at(E, a->call), v, b->op != 0, (int)k));
}

Value bi_diag(Elab *E, const Builtin *b, Actuals *a) {
  Type t = type_of(&a->at[0]);
  bool square = t.rank == 2 && t.dim[0] == t.dim[1];
  if (t.rank != 1 && !square) return error_shape(E, &a->at[0], b->name, "a vector or a square matrix");
  if (!square && !elab_fits(E, (int64_t)t.dim[0] * t.dim[0], a->call)) return POISON;
  Val v = in(E, &a->at[0]);
  return elab_value(E, square ? ir_diagv(elab_at(E, a->call), v) : ir_diag(elab_at(E, a->call), v));
}
