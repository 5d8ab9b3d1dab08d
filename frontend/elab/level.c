/* Levels: the functions under construction, what flows from an outer one into an inner one, and the
 * way of every kind of numeric value into a tensor.
 *
 * Inputs of an inner function are made when they are met, so they come in a mixed order; level_order
 * sorts them into the order that the IR asks for. */
#include "frontend/elab/elab_priv.h"
#include "ir/eval/origin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

Build *elab_at(Elab *E, Span at) {
  if (at.file) E->now->level->b.at = at;
  return &E->now->level->b;
}

Type elab_type(Elab *E, Val v) { return ir_type(E->now->level->fn, v); }
Value elab_value(Elab *E, Val v) { return value_tensor(E->now->level, v); }
bool elab_lane(Elab *E) { return E->now->root->lane; }

/* ---- beginning and ending --------------------------------------------------------------------------- */

static void start(Level *l, Fn *f) {
  l->fn = f;
  ir_build_init(&l->b, f);
  l->b.fold = true;
  l->b.number = false;
}

static void finish(Elab *E, Level *l) {
  E->budget.written += l->fn->inst.n;
  ir_build_finish(&l->b);
  vec_free(&l->captures);
  vec_free(&l->walked);
  vec_free(&l->keys);
  index_free(&l->capture_of);
  index_free(&l->walked_of);
}

void root_begin(Elab *E, Root *r, const char *name, int f64, bool lane) {
  *r = (Root){.lane = lane};
  start(&r->level, ir_fn_create(name, f64));
  E->now->root = r;
  E->now->level = &r->level;
  E->now->reversible = false;
  E->now->no_draws = NULL;
}

static void root_finish(Elab *E, Root *r) {
  finish(E, &r->level);
  vec_free(&r->params);
  index_free(&r->param_of);
  vec_free(&r->uses);
  vec_free(&r->used);
  vec_free(&r->sparse);
}

/* new position of each input; the `in` instructions follow. */
static void reorder(Fn *f, const uint32_t *to) {
  Input *old = base_realloc(NULL, sizeof *old * (f->in.n + 1));
  if (f->in.n) memcpy(old, f->in.at, sizeof *old * f->in.n);
  for (uint32_t i = 0; i < f->in.n; i++) {
    f->in.at[to[i]] = old[i];
    if (old[i].kind == IN_OTHER) f->in.at[to[i]].index = to[i];
  }
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == OP_in) f->attr.at[i->attr] = to[f->attr.at[i->attr]];
  }
  base_free(old);
}

typedef struct Place {
  uint64_t key;
  uint32_t from;
} Place;

static uint64_t root_key(const Input *in, uint32_t i) {
  switch (in->kind) {
  case IN_PARAM: return in->index;
  case IN_FIELD: return ((uint64_t)1 << 32) + in->index;
  default: return ((uint64_t)2 << 32) + i;
  }
}

static int by_key(const void *a, const void *b) {
  const uint64_t x = ((const Place *)a)->key, y = ((const Place *)b)->key;
  return (x > y) - (x < y);
}

/* Parameters by number, then fields by number, then what else there is as made. */
Fn *root_end(Elab *E, Root *r) {
  Fn *f = r->level.fn;
  uint32_t *to = base_realloc(NULL, sizeof *to * (f->in.n + 1));
  Place *place = base_realloc(NULL, sizeof *place * (f->in.n + 1));
  for (uint32_t i = 0; i < f->in.n; i++) place[i] = (Place){root_key(&f->in.at[i], i), i};
  qsort(place, f->in.n, sizeof *place, by_key);
  for (uint32_t i = 0; i < f->in.n; i++) to[place[i].from] = i;
  reorder(f, to);
  base_free(place);
  base_free(to);
  root_finish(E, r);
  return f;
}

ReportUse *root_uses(Elab *E, const Root *r, uint32_t *n) {
  ReportUse *use = ARENA_ARRAY(E->mem, ReportUse, r->uses.n + 1);
  if (r->uses.n) memcpy(use, r->uses.at, sizeof *use * r->uses.n);
  *n = r->uses.n;
  return use;
}

Fn *root_end_of_reports(Elab *E, Root *r, ReportUse **use, uint32_t *n) {
  *use = root_uses(E, r, n);
  return root_end(E, r);
}

void root_drop(Elab *E, Root *r) {
  Fn *f = r->level.fn;
  root_finish(E, r);
  ir_fn_destroy(f);
}

void level_begin(Elab *E, Level *l, const char *name) {
  Level *up = E->now->level;
  *l = (Level){.up = up};
  start(l, ir_sub_create(up->fn, name));
  l->b.at = up->b.at;
  E->now->level = l;
}

void level_leave(Elab *E, Level *l) { E->now->level = l->up; }

void level_end(Elab *E, Level *l) {
  level_leave(E, l);
  finish(E, l);
}

/* Its function stays with its parent, unused. */
void level_drop(Elab *E, Level *l) { level_end(E, l); }

void level_order(Elab *E, Level *l, uint32_t first) {
  (void)E;
  Fn *f = l->fn;
  uint32_t *to = base_realloc(NULL, sizeof *to * (f->in.n + 1));
  for (uint32_t i = 0; i < first; i++) to[i] = i;
  for (uint32_t k = 0; k < l->walked.n; k++) to[ir_number(f, ir_inst(f, l->walked.at[k].inner))] = first + k;
  for (uint32_t k = 0; k < l->captures.n; k++) to[ir_number(f, ir_inst(f, l->captures.at[k].inner))] = first + l->walked.n + k;
  if (l->steps && l->turn.id) to[ir_number(f, ir_inst(f, l->turn))] = f->in.n - 1;
  reorder(f, to);
  base_free(to);
}

/* ---- from outside -------------------------------------------------------------------------------------- */

static Val level_use(Level *at, Level *from, Val v) {
  if (at == from) return v;
  if (!at->up) base_fault("a value is used outside the function that it belongs to");
  Val outer = level_use(at->up, from, v);
  const uint32_t *k = index_find(&at->capture_of, outer.id);
  if (k && *k < at->captures.n && at->captures.at[*k].outer.id == outer.id) return at->captures.at[*k].inner;
  index_put(&at->capture_of, outer.id, at->captures.n);
  Val inner = ir_input(&at->b, NULL, IN_OTHER, at->fn->in.n, ir_type(at->up->fn, outer));
  *vec_push(&at->captures) = (Capture){outer, inner};
  return inner;
}

Val elab_use(Elab *E, Value tensor) { return level_use(E->now->level, tensor.t.level, tensor.t.v); }

Val level_walk(Elab *E, Level *l, Val outer) {
  (void)E;
  const uint32_t *k = index_find(&l->walked_of, outer.id);
  if (k && *k < l->walked.n && l->walked.at[*k].outer.id == outer.id) return l->walked.at[*k].inner;
  index_put(&l->walked_of, outer.id, l->walked.n);
  Type t = ir_type(l->up->fn, outer);
  Type slice = type_real(t.lane, t.rank - 1, t.dim + 1);
  slice.dt = t.dt;
  Val inner = ir_input(&l->b, NULL, IN_OTHER, l->fn->in.n, slice);
  *vec_push(&l->walked) = (Walked){outer, inner};
  return inner;
}

/* Steps are counted by who takes them, turns along the loop. */
Val level_turn(Elab *E, Level *l) {
  if (l->turn.id) return l->turn;
  if (l->steps) return l->turn = ir_input(&l->b, "step", IN_OTHER, l->fn->in.n, type_scalar(false));
  return l->turn = level_walk(E, l, ir_iota(&l->up->b, (uint32_t)l->turns));
}

/* ---- into tensors ----------------------------------------------------------------------------------------
 */

/* A table of doubles; in exact elaboration, of constants where doubles would round. */
/* All elements are one number, not 0: 0 times what has no value is written in its place, and stays. */
static bool uniform(const Array *a) {
  for (uint32_t i = 0; i < a->n; i++)
    if (a->at[i].v != a->at[0].v || a->at[i].v == 0) return false;
  return a->n > 1 && !a->truth;
}

static Val array_tensor(Elab *E, const Array *a) {
  if (E->now->exact && !exact_table(a)) {
    Build *b = &E->now->level->b;
    Val *x = ARENA_ARRAY(E->mem, Val, a->n + 1);
    for (uint32_t i = 0; i < a->n; i++)
      x[i] = a->at[i].den ? ir_const_exact(b, a->at[i].v, a->at[i].num, a->at[i].den) : ir_const(b, a->at[i].v);
    return ir_reshape(b, ir_stack(b, x, a->n), (int)a->rank, a->dim);
  }
  if (uniform(a)) return ir_splat(&E->now->level->b, a->at[0].v, type_real(false, (int)a->rank, a->dim));
  double *v = base_realloc(NULL, sizeof *v * (a->n + 1));
  for (uint32_t i = 0; i < a->n; i++) v[i] = a->at[i].v;
  Build *b = &E->now->level->b;
  Val r = ir_table(b, type_real(false, (int)a->rank, a->dim), v);
  base_free(v);
  return a->truth ? ir_lt(b, ir_const(b, 0), r) : r;
}

/* Truth values as 0 and 1, turn by turn. */
Value elab_as_numbers(Elab *E, Value v) {
  if (v.kind == V_TENSOR) {
    Val c = elab_use(E, v);
    Build *b = &E->now->level->b;
    Val one = ir_const(b, 1), zero = ir_const(b, 0);
    return elab_value(E, ir_select(b, c, one, zero));
  }
  if (v.kind == V_BOOL) return value_num(v.b ? 1 : 0);
  if (v.kind == V_ARRAY) return value_array(E, v.array->rank, v.array->dim, v.array->at);
  if (v.kind != V_TURNS) return v;
  Value *turn = ARENA_ARRAY(E->mem, Value, v.turns.level->n + 1);
  for (uint32_t t = 0; t < v.turns.level->n; t++) turn[t] = elab_as_numbers(E, v.turns.at[t]);
  v.turns.at = turn;
  return v;
}

Value elab_as_truths(Elab *E, Value v) {
  if (v.kind == V_NUM || v.kind == V_ARRAY) return value_truths(E, v);
  if (v.kind == V_TENSOR) {
    Val x = elab_use(E, v);
    Build *b = &E->now->level->b;
    return elab_value(E, ir_lt(b, ir_const(b, 0), x));
  }
  if (v.kind != V_TURNS) return v;
  Value *turn = ARENA_ARRAY(E->mem, Value, v.turns.level->n + 1);
  for (uint32_t t = 0; t < v.turns.level->n; t++) turn[t] = elab_as_truths(E, v.turns.at[t]);
  v.turns.at = turn;
  return v;
}

/* The turns stacked, as a tensor of the level above, walked along. */
static Val turns_tensor(Elab *E, Value v, Span at) {
  Level *l = v.turns.level;
  for (uint32_t k = 0; k < l->keys.n; k++)
    if (l->keys.at[k].axis < 0 && l->keys.at[k].turns == v.turns.at) return elab_use(E, value_tensor(l, l->keys.at[k].inner));
  Context c;
  context_push(E, &c);
  c.level = l->up;
  Value stacked = elab_list(E, v.turns.at, NULL, l->n, at);
  Val outer = stacked.kind == V_POISON ? ir_const(&l->up->b, 0) : elab_tensor(E, stacked, at);
  context_pop(E, &c);
  if (stacked.kind == V_POISON) return ir_const(&E->now->level->b, 0);
  Val inner = level_walk(E, l, outer);
  *vec_push(&l->keys) = (WalkKey){.axis = -1, .turns = v.turns.at, .inner = inner};
  return elab_use(E, value_tensor(l, inner));
}

Val elab_tensor(Elab *E, Value v, Span at) {
  Build *b = elab_at(E, at);
  switch (v.kind) {
  case V_NUM: return v.num.den ? ir_const_exact(b, v.num.v, v.num.num, v.num.den) : ir_const(b, v.num.v);
  case V_BOOL: {
    Val zero = ir_const(b, 0), x = ir_const(b, v.b ? 1 : 0);
    return ir_lt(b, zero, x);
  }
  case V_REPORT: return elab_use(E, elab_stat(E, v.report, (ReportStat){.stat = STAT_MEAN}, at));
  case V_ARRAY: return array_tensor(E, v.array);
  case V_TENSOR: return elab_use(E, v);
  case V_TURNS: {
    Type t;
    if (value_type(v, &t) && t.dt == DT_BOOL) {
      Val x = turns_tensor(E, elab_as_numbers(E, v), at);
      return ir_lt(b, ir_const(b, 0), x);
    }
    return turns_tensor(E, v, at);
  }
  default: base_fault("a value that is not numeric meets a tensor");
  }
}

bool elab_fits(Elab *E, int64_t elements, Span at) {
  if (elements <= ELAB_TENSOR) return true;
  elab_error(E, CODE_too_large, at, "a tensor of %lld elements is too large", (long long)elements);
  return false;
}

static Value root_value(Elab *E, Val v) {
  Level *l = E->now->level;
  while (l->up) l = l->up;
  return value_tensor(l, v);
}

Val elab_field(Elab *E, uint32_t field, Span at) {
  Root *r = E->now->root;
  if (field == FIELD_INDEX) {
    r->level.b.at = at;
    if (!r->index.id) r->index = ir_input(&r->level.b, "index", IN_INDEX, 0, type_scalar(true));
    return elab_use(E, root_value(E, r->index));
  }
  if (!r->field[field].id) {
    Type t = r->data->field[field].type;
    t.lane = 1;
    r->level.b.at = at;
    r->field[field] = ir_input(&r->level.b, r->data->field[field].name, IN_FIELD, field, t);
  }
  return elab_use(E, root_value(E, r->field[field]));
}

static Val root_param(Elab *E, uint32_t param, Type type, Span at) {
  Root *r = E->now->root;
  const uint32_t *k = index_find(&r->param_of, (uint64_t)param + 1);
  if (k && *k < r->params.n && r->params.at[*k].param == param) return r->params.at[*k].v;
  index_put(&r->param_of, (uint64_t)param + 1, r->params.n);
  r->level.b.at = at;
  Val v = ir_input(&r->level.b, E->made.params.at[param].path, IN_PARAM, param, type);
  vec_reserve(&r->params, 1);
  r->params.at[r->params.n].param = param;
  r->params.at[r->params.n++].v = v;
  return v;
}

static bool same_stat(ReportStat a, ReportStat b) { return a.stat == b.stat && a.q == b.q; }

/* That the report is to tell it. */
static void ask(Elab *E, Report *r, ReportStat s) {
  for (uint32_t i = 0; i < r->nasked; i++)
    if (same_stat(r->asked[i], s)) return;
  ReportStat *more = ARENA_ARRAY(E->mem, ReportStat, r->nasked + 1);
  if (r->nasked) memcpy(more, r->asked, sizeof *more * r->nasked);
  more[r->nasked++] = s;
  r->asked = more;
}

/* Each statistic is one input of the root. */
Value elab_stat(Elab *E, Report *r, ReportStat s, Span at) {
  Root *root = E->now->root;
  Level *l = E->now->level;
  while (l->up) l = l->up;
  uint32_t k = 0;
  while (k < root->uses.n && (root->uses.at[k].report != r || !same_stat(root->uses.at[k].stat, s))) k++;
  if (!stat_plain(s.stat)) ask(E, r, s);
  if (k == root->uses.n) *vec_push(&root->uses) = (ReportUse){r, s}, *vec_push(&root->used) = VAL_NONE;
  if (root->used.at[k].id) return value_tensor(l, root->used.at[k]);
  l->b.at = at;
  const Val v = ir_input(&l->b, r->name, IN_SCALAR, stat_at(root->uses.at, k), stat_type(&root->uses.at[k]));
  return value_tensor(l, root->used.at[k] = v);
}

void root_add_uses(Root *r, const Root *of) {
  for (uint32_t k = r->uses.n; k < of->uses.n; k++) *vec_push(&r->uses) = of->uses.at[k], *vec_push(&r->used) = VAL_NONE;
}

static bool inside(const Level *at, const Level *outer) {
  while (at && at != outer) at = at->up;
  return at != NULL;
}

/* A claim about an instance stands outside of its comprehensions: there the parameter is that of any one turn. */
Val elab_param(Elab *E, uint32_t param, Level *const *stack, uint32_t nstack, Span at) {
  Type t = E->made.params.at[param].type;
  uint32_t any = 0;
  while (any < nstack && !inside(E->now->level, stack[any])) any++;
  Value v = root_value(E, root_param(E, param, type_real(false, (int)(t.rank - any), t.dim + any), at));
  for (uint32_t k = any; k < nstack; k++)
    v = value_tensor(stack[k], level_walk(E, stack[k], level_use(stack[k]->up, v.t.level, v.t.v)));
  return elab_use(E, v);
}

bool elab_reaches(const Fn *f, Val e, Val x) {
  if (x.id > e.id) return false;
  bool *hit = base_realloc(NULL, e.id + 1);
  memset(hit, 0, e.id + 1);
  hit[x.id] = true;
  for (uint32_t id = x.id + 1; id <= e.id; id++) {
    const Inst *i = &f->inst.at[id];
    for (uint32_t k = 0; k < i->nargs && !hit[id]; k++) {
      uint32_t a = ir_arg(f, i, k).id;
      hit[id] = a >= x.id && hit[a];
    }
  }
  bool r = hit[e.id];
  base_free(hit);
  return r;
}

/* ---- evaluating while compiling --------------------------------------------------------------------------
 */

void scratch_begin(Elab *E, Scratch *s) {
  context_push(E, &s->context);
  root_begin(E, &s->root, "static", true, false);
  s->root.no_params = "this is evaluated at compile time";
  s->root.no_draws = "draws are allowed in `data` and in a `loss`";
}

static Value from_tensor(Elab *E, const Tensor *t) {
  uint32_t n = (uint32_t)type_count(t->type);
  if (t->type.dt == DT_BOOL && t->type.rank == 0) return value_bool(t->v[0] != 0);
  if (t->type.rank == 0) return value_num(t->v[0]);
  Num *at = ARENA_ARRAY(E->mem, Num, n + 1);
  for (uint32_t i = 0; i < n; i++) at[i] = num_of(t->v[i]);
  Value v = value_array(E, t->type.rank, t->type.dim, at);
  return t->type.dt == DT_BOOL ? value_truths(E, v) : v;
}

static bool has_nan(const Tensor *t) {
  for (int64_t i = 0; i < type_count(t->type); i++)
    if (isnan(t->v[i])) return true;
  return false;
}

/* What made a number that is none of numbers; of a constant that is none was said where it was made. */
static void tell_nan(Elab *E, const Fn *f) {
  Origin o = {0};
  char text[256];
  if (!ir_origin_find(f, 1, NULL, &(EvalEnv){0}, INFINITY, &o) || ir_literal(ir_inst(f, o.v)->op)) return;
  elab_warn(E, CODE_nan, ir_origin_place(&o), "%s", ir_origin_text(E->src, &o, text, sizeof text));
}

static Value evaluate(Elab *E, Fn *f, Span at) {
  char err[256] = "";
  Tensor out;
  if (!ir_fn_plain(f)) {
    DiagMsg *m = elab_error(E, CODE_not_constant, at, "derivatives and trajectories cannot be evaluated at compile time");
    elab_help(m, "make it a `fn`, and call it where it is needed");
    return POISON;
  }
  if (!elab_affords(E, f, at)) return POISON;
  if (!ir_eval(f, 1, NULL, &out, &(EvalEnv){0}, err, sizeof err)) {
    elab_error(E, CODE_not_constant, at, "this cannot be evaluated at compile time: %s", err);
    return POISON;
  }
  Value v = from_tensor(E, &out);
  if (has_nan(&out)) tell_nan(E, f);
  ir_tensors_free(&out, 1);
  return v;
}

static Value settle(Elab *E, Scratch *s, Value v, Span at) {
  if (v.kind == V_TUPLE || v.kind == V_LIST) {
    Value *w = ARENA_ARRAY(E->mem, Value, v.list.n + 1);
    for (uint32_t i = 0; i < v.list.n; i++)
      if ((w[i] = settle(E, s, v.list.at[i], at)).kind == V_POISON) return POISON;
    v.list.at = w;
    return v;
  }
  if (v.kind != V_TENSOR || v.t.level != &s->root.level) return v;
  Fn *f = s->root.level.fn;
  if (ir_inst(f, v.t.v)->type.dt == DT_MULTI) return POISON;
  f->out.n = f->outname.n = 0;
  ir_output(&s->root.level.b, v.t.v, NULL);
  return evaluate(E, f, at);
}

bool scratch_settles(Elab *E, Scratch *s, Value *v, Span at) {
  const bool dear = v->kind == V_TENSOR && ir_eval_cost(s->root.level.fn, 0) > ELAB_COST;
  *v = scratch_end(E, s, dear ? POISON : *v, at);
  return !dear;
}

Value scratch_end(Elab *E, Scratch *s, Value v, Span at) {
  Value r = settle(E, s, v, at);
  root_drop(E, &s->root);
  context_pop(E, &s->context);
  return r;
}
