/* Which names stand as variables of derivatives: the second argument of grad, jac, hess, div.
 *
 * A derivative is taken of the graph between two values. The builder folds while it emits (a sum of
 * squares becomes a dot product), so that an expression may no longer pass through a value that the
 * source computes it from. What is bound to such a name, in the same item of the file, therefore gets an
 * identity of its own, which nothing folds away; a static value becomes a tensor. */
#include "frontend/builtin/builtin_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Wrt {
  const char *name;
  const Item *item;
  uint32_t next; /* one more than that of the same name, 0 */
} Wrt;

struct Wrts {
  VEC(Wrt) list;
  Index at; /* by name, the last */
};

static struct Wrts *wrts(Elab *E) { return E->wrts ? E->wrts : (E->wrts = ARENA_NEW(E->mem, struct Wrts)); }

void wrt_finish(Elab *E) {
  vec_free(&wrts(E)->list);
  index_free(&wrts(E)->at);
}

static void block(Elab *E, const Item *it, const Block *b, int depth);

const Item *elab_wrt_item(Elab *E, const char *name, Span at) {
  const uint32_t *first = index_find(&wrts(E)->at, index_name(name));
  for (uint32_t i = first ? *first + 1 : 0; i; i = wrts(E)->list.at[i - 1].next) {
    const Wrt *w = &wrts(E)->list.at[i - 1];
    Span item = w->item->at;
    if (item.file == at.file && item.begin <= at.begin && at.end <= item.end) return w->item;
  }
  return NULL;
}

static bool is_variable(Elab *E, const char *name, Span at) { return elab_wrt_item(E, name, at) != NULL; }

static void add(Elab *E, const Item *it, const Expr *e) {
  while (e && e->kind == EX_INDEX) e = e->a;
  if (!e) return;
  if (e->kind == EX_TUPLE)
    for (const Arg *a = e->args; a; a = a->next) add(E, it, a->value);
  if (e->kind != EX_NAME || is_variable(E, e->name, it->at)) return;
  struct Wrts *w = wrts(E);
  const uint32_t *next = index_find(&w->at, index_name(e->name));
  *vec_push(&w->list) = (Wrt){e->name, it, next ? *next + 1 : 0};
  index_put(&w->at, index_name(e->name), w->list.n - 1);
}

static bool takes_variable(const Expr *f) {
  static const char *const names[] = {"grad", "jac", "hess", "div"};
  for (int i = 0; i < 4; i++)
    if (f->kind == EX_NAME && !strcmp(f->name, names[i])) return true;
  return false;
}

static void expr(Elab *E, const Item *it, const Expr *e, int depth) {
  if (!e || depth > ELAB_DEPTH) return;
  if (e->kind == EX_CALL && takes_variable(e->a)) {
    uint32_t k = 0;
    for (const Arg *a = e->args; a; a = a->next, k++)
      if (a->name ? !strcmp(a->name, "x") : k == 1) add(E, it, a->value);
  }
  expr(E, it, e->a, depth + 1);
  expr(E, it, e->b, depth + 1);
  for (const Arg *a = e->args; a; a = a->next) expr(E, it, a->value, depth + 1);
  if (e->block) block(E, it, e->block, depth + 1);
}

static void block(Elab *E, const Item *it, const Block *b, int depth) {
  for (const Stmt *s = b && depth <= ELAB_DEPTH ? b->first : NULL; s; s = s->next) {
    Expr *part[STMT_PARTS];
    ast_stmt_parts(s, part);
    for (int k = 0; k < STMT_PARTS; k++) expr(E, it, part[k], depth);
    for (const Arg *a = s->names; a; a = a->next) expr(E, it, a->value, depth);
    block(E, it, s->body, depth + 1);
    if (s->item) {
      expr(E, it, s->item->value, depth + 1);
      block(E, it, s->item->body, depth + 1);
    }
  }
}

void elab_wrt_scan(Elab *E, const Ast *ast) {
  for (const Item *it = ast->first; it; it = it->next) {
    expr(E, it, it->value, 0);
    block(E, it, it->body, 0);
  }
}

static Value identity(Elab *E, Value v, Span at) {
  if (value_numeric(v)) {
    Val x = elab_tensor(E, v, at);
    return elab_value(E, ir_id(elab_at(E, at), x));
  }
  if (v.kind != V_TUPLE) return v;
  Value *part = ARENA_ARRAY(E->mem, Value, v.list.n + 1);
  for (uint32_t i = 0; i < v.list.n; i++) part[i] = identity(E, v.list.at[i], at);
  return value_tuple(E, part, v.list.n);
}

Value elab_named(Elab *E, const char *name, Value v, Span at) { return is_variable(E, name, at) ? identity(E, v, at) : v; }
