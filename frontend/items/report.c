/* report and expect; and the functions that the file names, for `hnnc compile`. */
#include "frontend/elab/elab.h"

#include <stdlib.h>
#include <string.h>

/* ---- report -------------------------------------------------------------------------------------------- */

static bool report_value(Elab *E, const Item *it, Value v) {
  Type t;
  if (v.kind == V_POISON || v.kind == V_NONE) return false;
  if (value_numeric(v) && value_type(v, &t) && t.rank == 0) return true;
  DiagMsg *m =
      elab_error(E, CODE_not_scalar, it->value->at, "the report `%s` needs a scalar, found %s", it->name, value_kind(E, v));
  if (value_type(v, &t) && t.dt == DT_BOOL) elab_help(m, "`where(..., 1, 0)` counts");
  else if (value_type(v, &t))
    elab_help(m, t.rank == 1 && t.dim[0] == 1 ? "`[0]` takes its element" : "`norm`, `sum`, `mean` or `maxabs` makes one of it");
  return false;
}

Data *elab_on_data(Elab *E, Root *root, const Item *it) {
  Data *d = elab_data_named(E, it->on, it->on_at);
  if (!d) return NULL;
  root->data = d;
  root->field = ARENA_ARRAY(E->mem, Val, d->nfield + 1);
  for (uint32_t i = 0; i < d->nfield; i++)
    frame_define(E, d->field[i].name, it->on_at, (Value){.kind = V_FIELD, .field = i}, false);
  return d;
}

static void add_report(Elab *E, const Item *it, Root *root, Value v, Data *d) {
  Report *r = ARENA_NEW(E->mem, Report);
  Val out = elab_tensor(E, v, it->value->at);
  if (d) out = ir_spread(elab_at(E, it->value->at), out);
  ir_output(elab_at(E, it->value->at), out, it->name);
  *r = (Report){.name = it->name, .fn = root_end(E, root), .data = d};
  *vec_push(&E->reports) = r;
  *vec_push(&E->actions) = (Action){.kind = DO_REPORT, .at = it->at, .report = r};
}

void report_item(Elab *E, const Item *it) {
  Saved old = elab_leave(E);
  Root root;
  Body body = {.path = it->name};
  frame_push(E, NULL, E->main);
  root_begin(E, &root, it->name, E->m->f64, it->on != NULL);
  root.no_draws = "a report has no draws of its own: make them in `data`, and report `on` it";
  E->body = &body;
  Data *d = it->on ? elab_on_data(E, &root, it) : NULL;
  Value v = it->on && !d ? POISON : elab_expr(E, it->value);
  if (report_value(E, it, v)) {
    add_report(E, it, &root, v, d);
  } else {
    root_drop(E, &root);
    Report *r = ARENA_NEW(E->mem, Report); /* keeps its name known to expects */
    *r = (Report){.name = it->name};
    *vec_push(&E->reports) = r;
  }
  vec_free(&body.counts);
  vec_free(&body.params);
  vec_free(&body.used);
  elab_return(E, old);
}

/* ---- expect -----------------------------------------------------------------------------------------------
 */

Value report_stat(Elab *E, Report *r, Stat s, Span at) {
  Root *root = E->root;
  Level *l = E->level;
  while (l->up) l = l->up;
  for (uint32_t i = 0; i < root->uses.n; i++)
    if (root->uses.at[i].report == r && root->uses.at[i].stat == s) return value_tensor(l, root->uses.at[i].v);
  l->b.at = at;
  Val v = ir_input(&l->b, r->name, IN_SCALAR, root->uses.n, type_scalar(false));
  vec_reserve(&root->uses, 1);
  root->uses.at[root->uses.n].report = r;
  root->uses.at[root->uses.n].stat = s;
  root->uses.at[root->uses.n++].v = v;
  return value_tensor(l, v);
}

static bool is_condition(Elab *E, const Item *it, Value v) {
  Type t;
  if (v.kind == V_POISON || v.kind == V_NONE) return false;
  if (value_type(v, &t) && t.dt == DT_BOOL && t.rank == 0) return true;
  elab_help(elab_error(E, CODE_not_condition, it->value->at, "`expect` needs a condition, found %s", value_kind(E, v)),
            "`expect max(name) < 1e-3`");
  return false;
}

static void add_expect(Elab *E, const Item *it, Root *root, Value v) {
  Expect *x = ARENA_NEW(E->mem, Expect);
  Val out = elab_tensor(E, v, it->value->at);
  ir_output(elab_at(E, it->value->at), out, "holds");
  x->text = arena_strdup(E->mem, it->text ? it->text : "");
  x->nuse = root->uses.n;
  x->use = arena_alloc(E->mem, sizeof *x->use * (x->nuse + 1));
  for (uint32_t i = 0; i < x->nuse; i++) {
    x->use[i].report = root->uses.at[i].report;
    x->use[i].stat = root->uses.at[i].stat;
  }
  x->fn = root_end(E, root);
  *vec_push(&E->actions) = (Action){.kind = DO_EXPECT, .at = it->at, .expect = x};
}

void expect_item(Elab *E, const Item *it) {
  Saved old = elab_leave(E);
  Root root;
  Body body = {.path = "expect"};
  frame_push(E, NULL, E->main);
  root_begin(E, &root, "expect", true, false);
  root.no_params = "an `expect` compares reports";
  root.no_draws = "an `expect` compares reports";
  E->body = &body;
  for (uint32_t i = 0; i < E->reports.n; i++) {
    Report *r = E->reports.at[i];
    uint32_t first = 0;
    while (E->reports.at[first]->name != r->name) first++;
    if (first == i) frame_define(E, r->name, it->at, r->fn ? (Value){.kind = V_REPORT, .report = r} : POISON, false);
  }
  Value v = elab_expr(E, it->value);
  if (is_condition(E, it, v)) add_expect(E, it, &root, v);
  else root_drop(E, &root);
  vec_free(&body.counts);
  vec_free(&body.params);
  vec_free(&body.used);
  elab_return(E, old);
}

/* ---- exports ------------------------------------------------------------------------------------------- */

static bool result(Elab *E, Value v, Span at) {
  uint32_t n = v.kind == V_TUPLE ? v.list.n : 1;
  for (uint32_t i = 0; i < n; i++)
    if (!value_numeric(v.kind == V_TUPLE ? v.list.at[i] : v)) return false;
  for (uint32_t i = 0; i < n; i++) {
    Val x = elab_tensor(E, v.kind == V_TUPLE ? v.list.at[i] : v, at);
    ir_output(elab_at(E, at), ir_spread(elab_at(E, at), x), NULL);
  }
  return true;
}

/* `callee`, which takes what f takes, on arguments of these types; NULL where it gives no tensors, draws, or has errors. */
static Fn *standalone(Elab *E, const Func *f, const Func *callee, const char *name, const Type *t, uint32_t n) {
  Saved old = elab_leave(E);
  Root root;
  Fn *fn = NULL;
  Body body = {.path = f->name};
  frame_push(E, NULL, f->module);
  root_begin(E, &root, name, E->m->f64, true);
  E->body = &body;
  Value *v = ARENA_ARRAY(E->mem, Value, n + 1);
  const Formal *x = f->item->formals;
  for (uint32_t i = 0; i < n; i++, x = x ? x->next : NULL) {
    Type ty = t[i];
    ty.lane = 1;
    v[i] = elab_value(E, ir_input(elab_at(E, x ? x->at : f->item->name_at), x ? x->name : NULL, IN_FIELD, i, ty));
  }
  Actuals a = actuals_of(E, v, n, f->item->name_at);
  Value r = elab_apply(E, callee, &a);
  if (r.kind != V_POISON && result(E, r, f->item->name_at) && !root.sites) fn = root_end(E, &root);
  else root_drop(E, &root);
  vec_free(&body.counts);
  vec_free(&body.params);
  vec_free(&body.used);
  elab_return(E, old);
  return fn;
}

/* *declared: all types stand in the file; otherwise those of the first call. */
static bool argument_types(Elab *E, const Global *g, const Func *f, Type *t, uint32_t *n, bool *declared) {
  Frame *old = E->frame;
  frame_push(E, f->targs, f->module);
  bool known = formals_known(E, f->item->formals, t, n);
  E->frame = old;
  *declared = known;
  if (known) return true;
  const Instance *in = f->path ? instance_find(E, f->path) : NULL;
  const Type *from = in && in->called ? in->arg : !f->path && g->fixed ? g->arg : NULL;
  *n = from ? (in ? in->narg : g->narg) : 0;
  if (!from || *n > 64) return false;
  memcpy(t, from, sizeof *t * *n);
  return true;
}

/* The pattern of each result of fn that is a vector of nonzeros. */
static const Pattern **patterns(Elab *E, const Fn *fn) {
  const Pattern **p = ARENA_ARRAY(E->mem, const Pattern *, fn->out.n + 1);
  for (uint32_t k = 0; k < fn->out.n; k++)
    for (uint32_t s = 0; s < E->sparse.n; s++)
      if (E->sparse.at[s].fn == fn && E->sparse.at[s].v.id == fn->out.at[k].id) p[k] = E->sparse.at[s].pattern;
  return p;
}

static void leave_out(Elab *E, const Global *g, const Func *f, const char *kind) {
  const Formal *x = f->item->formals;
  while (x && x->type && !strcmp(x->type->base, "real")) x = x->next;
  const char *why = !f->item->formals ? "it takes no arguments"
                    : !x              ? "the shapes of its arguments are not known"
                    : !x->type ? arena_printf(E->mem, "its argument `%s` has no type; `%s: real` would be one", x->name, x->name)
                               : arena_printf(E->mem, "its argument `%s` is no real, and must be known while compiling", x->name);
  *vec_push(&E->left_out) = (LeftOut){g->name, kind, why};
}

static void export_as(Elab *E, const Global *g, const Func *f, const Func *callee, const char *name, const char *kind) {
  Type t[64];
  uint32_t n;
  bool declared;
  const bool main_part = callee == f && f->item->kind != IT_LOSS; /* an inverse is told by its flow */
  if (!argument_types(E, g, f, t, &n, &declared)) {
    if (main_part) leave_out(E, g, f, kind);
    return;
  }
  E->quiet = !declared;
  E->failed = false;
  E->sparse.n = 0;
  Fn *fn = standalone(E, f, callee, name, t, n);
  E->quiet = false;
  if (main_part && (!fn || n == 0 || E->failed)) leave_out(E, g, f, kind);
  if (!fn) return;
  if (f->item->kind == IT_LOSS || n == 0 || E->failed) {
    ir_fn_destroy(fn);
    return;
  }
  *vec_push(&E->exports) = (Export){name, kind, fn, patterns(E, fn), g->item->name_at};
}

static void export_one(Elab *E, Global *g) {
  const Func *f = g->v.kind == V_FUNC && g->v.func->kind == F_USER && g->v.func->bound ? g->v.func : NULL;
  if (!f || g->broken) return;
  elab_tell(E, "the function", g->name, g->item->name_at);
  switch (f->item->kind) {
  case IT_FLOW: {
    Func inverse = {.kind = F_INVERSE, .name = "inverse", .of = {f}}, logdet = {.kind = F_LOGDET, .name = "logdet", .of = {f}};
    export_as(E, g, f, f, g->name, "flow");
    export_as(E, g, f, &inverse, arena_printf(E->mem, "%s_inverse", g->name), "inverse");
    export_as(E, g, f, &logdet, arena_printf(E->mem, "%s_logdet", g->name), "logdet");
    break;
  }
  case IT_NET: export_as(E, g, f, f, g->name, "net"); break;
  case IT_HAMILTONIAN: export_as(E, g, f, f, g->name, "hamiltonian"); break;
  default: export_as(E, g, f, f, g->name, "fn"); break;
  }
}

void export_globals(Elab *E) {
  frame_push(E, NULL, E->main);
  for (uint32_t i = 0; i < E->main->nglobal && !elab_stop(E); i++) {
    Global *g = &E->main->global[i];
    switch (g->item->kind) {
    case IT_FN:
    case IT_HAMILTONIAN:
    case IT_NET:
    case IT_USE:
      global_value(E, g, g->item->name_at);
      export_one(E, g);
      break;
    case IT_FLOW:
      global_value(E, g, g->item->name_at);
      export_one(E, g);
      break;
    case IT_LOSS:
      global_value(E, g, g->item->name_at);
      if (!g->elaborated) export_one(E, g);
      break;
    case IT_DATA:
      if (g->item->body && !g->elaborated) data_check(E, g);
      break;
    default: break;
    }
  }
  for (uint32_t i = 0; i < E->main->nglobal && !elab_stop(E); i++) /* last: all uses are known */
    if (E->main->global[i].item->kind == IT_FLOW) claim_item(E, &E->main->global[i]);
  E->frame = NULL;
}
