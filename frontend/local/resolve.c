/* Names in bodies that nothing elaborates: templates and functions without types that are never used, definitions inside bodies.
 * Shapes cannot be checked there, but a name that means nothing is an error all the same. */
#include "frontend/local/local.h"

#include <string.h>

static void expr(Elab *E, const Expr *e, int depth);
static void block(Elab *E, const Block *b, int depth);
static void definition(Elab *E, const Item *it, int depth);

static void define(Elab *E, const char *name, Span at) {
  if (name && !frame_find(E->now->frame, name)) frame_define(E, name, at, (Value){.kind = V_NONE}, true);
}

static void inner(Elab *E, const Expr *e, const char *name, Span at, int depth) {
  frame_inner(E);
  define(E, name, at);
  expr(E, e, depth);
  frame_pop(E);
}

static void expr(Elab *E, const Expr *e, int depth) {
  if (!e || depth > ELAB_DEPTH) return;
  if (e->kind == EX_NAME && !elab_known(E, e->name, true)) elab_unknown(E, e->name, e->at);
  if (e->kind == EX_COMPREHENSION) {
    expr(E, e->b, depth + 1);
    inner(E, e->a, e->name, e->name_at, depth + 1);
    return;
  }
  expr(E, e->a, depth + 1);
  expr(E, e->b, depth + 1);
  for (const Arg *a = e->args; a; a = a->next) expr(E, a->value, depth + 1);
  if (e->block) {
    frame_inner(E);
    block(E, e->block, depth + 1);
    frame_pop(E);
  }
}

static void targets(Elab *E, const Stmt *s, int depth) {
  for (const Arg *a = s->names; a; a = a->next) {
    if (s->kind == ST_ASSIGN) expr(E, a->value, depth);
    else define(E, a->name, a->name_at);
  }
}

static void stmt(Elab *E, const Stmt *s, int depth) {
  Expr *part[STMT_PARTS];
  ast_stmt_parts(s, part);
  for (int k = 0; k < STMT_PARTS; k++)
    if (part[k] != s->init_dist) expr(E, part[k], depth);
  for (const Arg *a = s->how; a; a = a->next) expr(E, a->value, depth);
  if (s->kind == ST_YIELD) {
    for (const Arg *a = s->names; a; a = a->next)
      if (a->value) expr(E, a->value, depth);
      else if (!elab_known(E, a->name, true)) elab_unknown(E, a->name, a->name_at);
    return;
  }
  if (s->body) frame_inner(E);
  targets(E, s, depth);
  if (s->type)
    for (const Arg *d = s->type->dims; d; d = d->next) expr(E, d->value, depth);
  if (s->item) definition(E, s->item, depth + 1);
  if (!s->body) return;
  block(E, s->body, depth + 1);
  frame_pop(E);
}

/* Functions of one body see one another. */
static void functions(Elab *E, const Stmt *s) {
  for (; s; s = s->next)
    if (s->item) define(E, s->item->name, s->item->name_at);
}

static void block(Elab *E, const Block *b, int depth) {
  if (depth > ELAB_DEPTH) return;
  functions(E, b->first);
  for (const Stmt *s = b->first; s && !elab_stop(E); s = s->next) stmt(E, s, depth);
}

static void formals(Elab *E, const Formal *f, int depth) {
  for (; f; f = f->next) {
    expr(E, f->init, depth);
    if (f->type)
      for (const Arg *d = f->type->dims; d; d = d->next) {
        if (d->value->kind == EX_NAME) define(E, d->value->name, d->value->at);
        else expr(E, d->value, depth);
      }
    define(E, f->name, f->at);
  }
}

static void definition(Elab *E, const Item *it, int depth) {
  if (depth > ELAB_DEPTH) return;
  frame_inner(E);
  formals(E, it->tformals, depth);
  formals(E, it->formals, depth);
  frame_inner(E);
  expr(E, it->value, depth);
  if (it->body) block(E, it->body, depth);
  frame_pop(E);
  frame_pop(E);
}

void resolve_local(Elab *E, const Stmt *s) {
  frame_inner(E);
  functions(E, s);
  definition(E, s->item, 0);
  frame_pop(E);
}

static void global(Elab *E, const Item *it) {
  Context c;
  context_push(E, &c);
  frame_push(E, NULL, E->main);
  definition(E, it, 0);
  context_pop(E, &c);
}

void resolve_globals(Elab *E) {
  for (uint32_t i = 0; i < E->main->nglobal && !elab_stop(E); i++) {
    Global *g = &E->main->global[i];
    ItemKind k = g->item->kind;
    bool body = k == IT_FN || k == IT_HAMILTONIAN || k == IT_NET || k == IT_FLOW || k == IT_LOSS;
    if (body && !g->elaborated && !g->broken) global(E, g->item);
  }
}
