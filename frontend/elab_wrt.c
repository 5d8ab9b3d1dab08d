/* Which names stand as variables of derivatives: the second argument of grad, jac, hess, div.
 *
 * A derivative is taken of the graph between two values. The builder folds while it emits (a sum of
 * squares becomes a dot product), so that an expression may no longer pass through a value that the
 * source computes it from. What is bound to such a name therefore gets an identity of its own, which
 * nothing folds away. */
#include "frontend/elab.h"

#include <string.h>

static void block(Elab *E, const Block *b, int depth);

static void add(Elab *E, const Expr *e) {
  if (!e) return;
  if (e->kind == EX_TUPLE)
    for (const Arg *a = e->args; a; a = a->next) add(E, a->value);
  if (e->kind == EX_NAME && !elab_is_wrt(E, e->name)) *vec_push(&E->wrt) = e->name;
}

static bool takes_variable(const Expr *f) {
  static const char *const names[] = {"grad", "jac", "hess", "div"};
  for (int i = 0; i < 4; i++)
    if (f->kind == EX_NAME && !strcmp(f->name, names[i])) return true;
  return false;
}

static void expr(Elab *E, const Expr *e, int depth) {
  if (!e || depth > ELAB_DEPTH) return;
  if (e->kind == EX_CALL && takes_variable(e->a)) {
    uint32_t k = 0;
    for (const Arg *a = e->args; a; a = a->next, k++)
      if (a->name ? !strcmp(a->name, "x") : k == 1) add(E, a->value);
  }
  expr(E, e->a, depth + 1);
  expr(E, e->b, depth + 1);
  for (const Arg *a = e->args; a; a = a->next) expr(E, a->value, depth + 1);
  if (e->block) block(E, e->block, depth + 1);
}

static void block(Elab *E, const Block *b, int depth) {
  for (const Stmt *s = b && depth <= ELAB_DEPTH ? b->first : NULL; s; s = s->next) {
    expr(E, s->value, depth);
    for (const Arg *a = s->names; a; a = a->next) expr(E, a->value, depth);
    block(E, s->body, depth + 1);
  }
}

void elab_wrt_scan(Elab *E, const Ast *ast) {
  for (const Item *it = ast->first; it; it = it->next) {
    expr(E, it->value, 0);
    block(E, it->body, 0);
  }
}

bool elab_is_wrt(Elab *E, const char *name) {
  for (uint32_t i = 0; i < E->wrt.n; i++)
    if (E->wrt.at[i] == name) return true;
  return false;
}

static Value identity(Elab *E, Value v, Span at) {
  if (v.kind == V_TENSOR && elab_type(E, elab_use(E, v)).dt == DT_REAL) return elab_value(E, ir_id(elab_at(E, at), elab_use(E, v)));
  if (v.kind != V_TUPLE) return v;
  Value *part = ARENA_ARRAY(E->mem, Value, v.list.n + 1);
  for (uint32_t i = 0; i < v.list.n; i++) part[i] = identity(E, v.list.at[i], at);
  return value_tuple(E, part, v.list.n);
}

Value elab_named(Elab *E, const char *name, Value v, Span at) { return elab_is_wrt(E, name) ? identity(E, v, at) : v; }
