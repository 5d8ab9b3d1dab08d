/* The names that a definition inside a body takes from around it, or from the file or the language: those in its text that none of
 * its own parameters, statements and comprehensions binds at that place. They are found once, when the file is read; what they
 * mean is looked up where the definition stands (local/local.c). */
#include "frontend/syntax/parse_priv.h"

#include <stdlib.h>

typedef struct Walk {
  Parser *ps;
  VEC(const char *) bound; /* a stack */
  Args free;
} Walk;

static void block(Walk *w, const Block *b);
static void definition(Walk *w, const Item *it);

static void bind(Walk *w, const char *name) {
  if (name) *vec_push(&w->bound) = name;
}

static void use(Walk *w, const char *name, Span at) {
  for (uint32_t i = 0; i < w->bound.n; i++)
    if (w->bound.at[i] == name) return;
  for (const Arg *a = w->free.first; a; a = a->next)
    if (a->name == name) return;
  w->free = args_add(w->ps, w->free, name, at, NULL);
}

static void expr(Walk *w, const Expr *e);

static void args(Walk *w, const Arg *a) {
  for (; a; a = a->next) expr(w, a->value);
}

static void expr(Walk *w, const Expr *e) {
  if (!e) return;
  const uint32_t outer = w->bound.n;
  if (e->kind == EX_NAME) use(w, e->name, e->at);
  if (e->kind == EX_COMPREHENSION) {
    expr(w, e->b);
    bind(w, e->name);
    expr(w, e->a);
  } else {
    expr(w, e->a);
    expr(w, e->b);
  }
  args(w, e->args);
  if (e->block) block(w, e->block);
  w->bound.n = outer;
}

static void type(Walk *w, const TypeExpr *t) {
  if (t) args(w, t->dims);
}

static bool binds(const Stmt *s) {
  return s->kind == ST_LET || s->kind == ST_VAR || s->kind == ST_USE || s->kind == ST_PARAM || s->kind == ST_RUNNING;
}

static void bind_all(Walk *w, const Stmt *s) {
  for (const Arg *a = s->names; a; a = a->next) bind(w, a->name);
}

static void stmt(Walk *w, const Stmt *s) {
  Expr *part[STMT_PARTS];
  ast_stmt_parts(s, part);
  for (int k = 0; k < STMT_PARTS; k++) expr(w, part[k]);
  args(w, s->names);
  args(w, s->how);
  type(w, s->type);
  for (const Arg *a = s->kind == ST_YIELD ? s->names : NULL; a; a = a->next)
    if (!a->value) use(w, a->name, a->name_at);
  if (binds(s) || s->kind == ST_DEFINE) bind_all(w, s);
  if (s->item) definition(w, s->item);
  if (!s->body) return;
  const uint32_t outer = w->bound.n;
  if (s->kind == ST_FOR) bind_all(w, s);
  block(w, s->body);
  w->bound.n = outer;
}

static void block(Walk *w, const Block *b) {
  const uint32_t outer = w->bound.n;
  for (const Stmt *s = b->first; s; s = s->next) stmt(w, s);
  w->bound.n = outer;
}

/* A parameter is bound in the types and defaults of the list that it stands in, too: `fn f(x: real[n], y = x)`. */
static void formals(Walk *w, const Formal *f) {
  for (const Formal *x = f; x; x = x->next) bind(w, x->name);
  for (; f; f = f->next) {
    type(w, f->type);
    expr(w, f->init);
  }
}

static void definition(Walk *w, const Item *it) {
  const uint32_t outer = w->bound.n;
  formals(w, it->tformals);
  formals(w, it->formals);
  type(w, it->result);
  expr(w, it->value);
  if (it->body) block(w, it->body);
  w->bound.n = outer;
}

void ast_free_names(Parser *ps, Item *it) {
  Walk w = {.ps = ps};
  definition(&w, it);
  it->free = w.free.first;
  vec_free(&w.bound);
}

const Arg *ast_names_in(Parser *ps, const Expr *e) {
  Walk w = {.ps = ps};
  expr(&w, e);
  vec_free(&w.bound);
  return w.free.first;
}
