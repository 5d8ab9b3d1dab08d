/* The functions that the file names, for `hnnc compile`; what nothing used is elaborated on the way. */
#include "frontend/builtin/builtin.h"
#include "frontend/claims/claims.h"
#include "frontend/items/items_priv.h"

#include <stdlib.h>
#include <string.h>

/* A loss gives one number, or had an error. */
static bool loss_result(Elab *E, Value v, Span at) {
  Val x = elab_tensor(E, v, at);
  return ir_output(elab_at(E, at), ir_spread(elab_at(E, at), x), "loss"), true;
}

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

/* The pattern of each result of fn that is a vector of nonzeros. */
static const Pattern **patterns(Elab *E, const Root *root) {
  const Fn *fn = root->level.fn;
  const Pattern **p = ARENA_ARRAY(E->mem, const Pattern *, fn->out.n + 1);
  for (uint32_t k = 0; k < fn->out.n; k++)
    for (uint32_t s = 0; s < root->sparse.n; s++)
      if (root->sparse.at[s].fn == fn && root->sparse.at[s].v.id == fn->out.at[k].id) p[k] = root->sparse.at[s].pattern;
  return p;
}

/* A library's functions give the same for the same arguments. */
static const char *draws(Elab *E, Span at) {
  char place[512];
  source_where(E->src, at, place, sizeof place);
  return arena_printf(E->mem, "it draws, at %s, and a function of a library cannot draw: make the draw an argument", place);
}

/* `callee`, which takes what f takes, on arguments of these types; NULL where it gives no tensors, draws, or has errors. *why: of the
 * first two. */
static Fn *standalone(Elab *E, const Func *f, const Func *callee, const char *name, const Type *t, uint32_t n,
                      const Pattern ***pattern, const char **why) {
  Context c;
  Root root;
  Fn *fn = NULL;
  context_alone(E, &c, f->module);
  context_body(&c, f->name);
  c.reversible = f->item->kind == IT_LOSS;
  root_begin(E, &root, name, E->m->f64, true);
  Value *v = ARENA_ARRAY(E->mem, Value, n + 1);
  const Formal *x = f->item->formals;
  for (uint32_t i = 0; i < n; i++, x = x ? x->next : NULL) {
    Type ty = t[i];
    ty.lane = 1;
    v[i] = elab_value(E, ir_input(elab_at(E, x ? x->at : f->item->name_at), x ? x->name : NULL, IN_FIELD, i, ty));
  }
  Actuals a = actuals_of(E, v, n, f->item->name_at);
  Value r = elab_apply(E, callee, &a);
  const bool loss = f->item->kind == IT_LOSS;
  const bool gives = r.kind != V_POISON && (loss ? loss_result : result)(E, r, f->item->name_at);
  if (root.sites && !loss) *why = draws(E, root.drawn);
  else if (r.kind != V_POISON && !gives) *why = arena_printf(E->mem, "it returns %s, not numbers", value_kind(E, r));
  if (gives && (loss || !root.sites)) *pattern = patterns(E, &root), fn = root_end(E, &root);
  else root_drop(E, &root);
  context_pop(E, &c);
  return fn;
}

bool item_argument_types(Elab *E, const Global *g, const Func *f, Type *t, uint32_t *n, bool *declared) {
  bool known = func_types(E, f, t, n);
  *declared = known;
  if (known) return true;
  const Instance *in = f->path ? instance_find(E, f->path) : NULL;
  const Type *from = in && in->called ? in->arg : !f->path && g->fixed ? g->arg : NULL;
  *n = from ? (in ? in->narg : g->narg) : 0;
  if (!from || *n > 64) return false;
  memcpy(t, from, sizeof *t * *n);
  return true;
}

/* why: NULL, where its arguments say it */
static void leave_out(Elab *E, const Global *g, const Func *f, const char *kind, const char *why) {
  const Formal *x = f->item->formals;
  while (x && x->type && !strcmp(x->type->base, "real")) x = x->next;
  if (!why)
    why = !f->item->formals               ? "it takes no arguments"
          : !x && f->item->kind == IT_NET ? "the shapes of its arguments are not known"
          : !x       ? arena_printf(E->mem, "the shapes of its arguments are not known: write them, as in `%s: real[3]`",
                                    f->item->formals->name)
          : !x->type ? arena_printf(E->mem, "its argument `%s` has no type; `%s: real` would be one", x->name, x->name)
                     : arena_printf(E->mem, "its argument `%s` is not a real, so it must be known at compile time", x->name);
  *vec_push(&E->made.left_out) = (LeftOut){g->name, kind, why};
}

/* Its gradient is by all that an optimizer would move; where it has none, it is a value alone. */
static void export_loss(Elab *E, const Global *g, Fn *fn) {
  Loss l = {.name = g->name, .fn = fn, .moved = ARENA_ARRAY(E->mem, uint32_t, fn->in.n + 1), .at = g->item->name_at};
  for (uint32_t i = 0; i < fn->in.n && !moved_no_derivative(fn); i++)
    if (fn->in.at[i].kind == IN_PARAM && E->made.params.at[fn->in.at[i].index].decay <= 0) l.moved[l.nmoved++] = fn->in.at[i].index;
  *vec_push(&E->made.losses) = l;
}

static bool trained(const Elab *E, const char *loss) {
  for (uint32_t k = 0; k < E->made.actions.n; k++)
    for (uint32_t i = 0; E->made.actions.at[k].kind == DO_TRAIN && i < E->made.actions.at[k].train->nsum; i++)
      if (!strcmp(E->made.actions.at[k].train->sum[i].name, loss)) return true;
  return false;
}

static void export_as(Elab *E, const Global *g, const Func *f, const Func *callee, const char *name, const char *kind) {
  Type t[64];
  uint32_t n;
  bool declared;
  const bool main_part = callee == f, loss = f->item->kind == IT_LOSS; /* an inverse is told by its flow */
  if (!item_argument_types(E, g, f, t, &n, &declared)) {
    if (main_part) leave_out(E, g, f, kind, NULL);
    return;
  }
  bool failed = false;
  const char *why = NULL;
  const Pattern **pattern;
  Context c;
  context_push(E, &c);
  c.failed = declared ? NULL : &failed;
  Fn *fn = standalone(E, f, callee, name, t, n, &pattern, &why);
  context_pop(E, &c);
  const bool none = !fn || (n == 0 && !loss) || failed;
  if (none && main_part) leave_out(E, g, f, kind, why);
  if (none) {
    ir_fn_destroy(fn);
    return;
  }
  if (loss) export_loss(E, g, fn);
  else *vec_push(&E->made.exports) = (Export){name, kind, fn, pattern, g->item->name_at};
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
  case IT_LOSS: export_as(E, g, f, f, g->name, "loss"); break;
  case IT_NET: export_as(E, g, f, f, g->name, "net"); break;
  case IT_HAMILTONIAN: export_as(E, g, f, f, g->name, "hamiltonian"); break;
  default: export_as(E, g, f, f, g->name, "fn"); break;
  }
}

void export_globals(Elab *E) {
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
      if (!trained(E, g->name)) export_one(E, g);
      break;
    case IT_DATA:
      if (g->item->body && !g->elaborated) data_check(E, g);
      break;
    default: break;
    }
  }
  for (uint32_t i = 0; i < E->main->nglobal && !elab_stop(E); i++) /* last: all uses are known */
    if (E->main->global[i].item->kind == IT_FLOW) claim_item(E, &E->main->global[i]);
}
