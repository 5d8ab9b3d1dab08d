/* A definition inside a body becomes a function whose frame holds copies of the names that it uses from around it (Item.free).
 * What it makes, instances of templates, belongs to the place where it stands: every call of it is of the same, as of a function of
 * the file. Definitions of one body see one another in either order: who stands above gets the one below when that is met. So
 * no function is ever among the names of its own, and a cycle is found where the last of it is defined. */
#include "frontend/local/local.h"
#include "frontend/builtin/builtin.h"

/* Paths are numbered where the body stands in turns, as those of instances are. */
static void set_home(Elab *E, Func *f) {
  const Body *b = E->now->body;
  f->stack = turns_here(E, &f->nstack);
  f->home = b->loops || f->nstack > b->nstack ? turns_path(E, f->name, f->stack, f->nstack)
                                              : arena_printf(E->mem, "%s/%s", b->path, f->name);
}

static const Arg *taking(const Func *f, const char *name) {
  const Arg *a = f->item->free;
  while (a && a->name != name) a = a->next;
  return a;
}

/* The way from f to a definition through what is taken along; NULL if there is none. */
static const char *way(Elab *E, const Func *f, const Item *to) {
  if (f->item == to) return f->name;
  for (uint32_t i = 0; i < f->targs->entries.n; i++) {
    const Value v = f->targs->entries.at[i].v;
    const char *rest = v.kind == V_FUNC && v.func->home ? way(E, v.func, to) : NULL;
    if (rest) return arena_printf(E->mem, "%s -> %s", f->name, rest);
  }
  return NULL;
}

static void circular(Elab *E, const Func *f, const char *back, Span at) {
  elab_help(elab_error(E, CODE_recursion, at, "`%s` calls itself: %s -> %s", f->name, f->name, back),
            "functions are expanded at each call, so they cannot call themselves; use `for`, `repeat` or `iterate`");
}

static Frame *around_taken(Elab *E, const Item *it) {
  Context c;
  Frame *around = E->now->frame;
  context_push(E, &c);
  Frame *f = frame_push(E, NULL, around->module);
  for (const Arg *a = it->free; a; a = a->next) {
    Entry *e = frame_find(around, a->name);
    if (e) entry_take(E, f, e, it);
  }
  context_pop(E, &c);
  return f;
}

/* f, which `e` names, to those above it in its body that use it. */
static void give_above(Elab *E, const Frame *body, Entry *e, const Func *f) {
  for (uint32_t i = 0; i < body->entries.n; i++) {
    const Func *g = body->entries.at[i].v.kind == V_FUNC ? body->entries.at[i].v.func : NULL;
    const Arg *use = g && g->home && g != f ? taking(g, f->name) : NULL;
    if (!use || frame_find(g->targs, f->name)) continue;
    const char *back = way(E, f, g->item);
    if (back) circular(E, g, back, use->name_at);
    Entry given = *e;
    if (back) given.v = POISON;
    entry_take(E, g->targs, &given, g->item);
  }
}

void local_define(Elab *E, const Stmt *s) {
  const Item *it = s->item;
  const uint32_t met = E->met;
  Func *f = ARENA_NEW(E->mem, Func);
  Global *g = ARENA_NEW(E->mem, Global);
  if (!elab_spend(E, 1)) return;
  resolve_local(E, s);
  *g = (Global){.name = it->name, .item = it, .module = E->now->frame->module, .state = G_DONE};
  *f = (Func){.kind = F_USER, .name = it->name, .item = it, .module = g->module, .global = g, .bound = !it->templated};
  set_home(E, f);
  f->targs = around_taken(E, it);
  const Arg *self = taking(f, f->name);
  if (self) circular(E, f, f->name, self->name_at);
  g->v = E->met == met ? value_func(f) : POISON;
  Entry *e = frame_define(E, it->name, it->name_at, g->v, false);
  if (g->v.kind == V_FUNC && e->v.kind == V_FUNC && e->v.func == f) give_above(E, E->now->frame, e, f);
}

Value local_changed(Elab *E, const Entry *e, Span at) {
  DiagMsg *m =
      elab_error(E, CODE_captured, at, "`%s` has changed since `%s`, which reads it, was defined", e->name, e->taken->name);
  elab_label(m, e->taken->name_at, "defined here");
  elab_help(m, "pass the changing value as an argument: `%s %s(%s, ...)`", ast_item_text[e->taken->kind], e->taken->name, e->name);
  return POISON;
}

void local_assigned(Elab *E, const Entry *e, Span at) {
  DiagMsg *m =
      elab_error(E, CODE_captured, at, "`%s` is defined outside of `%s` and cannot be reassigned in it", e->name, e->taken->name);
  elab_label(m, e->taken->name_at, "defined here");
  elab_help(m, "return the new value, and assign it at the call: `%s = %s(...)`", e->name, e->taken->name);
}
