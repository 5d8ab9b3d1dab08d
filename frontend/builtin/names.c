/* Whether the source computes a value from a name, where the graph no longer shows it: x^0, 0*x and V(x) of a V that is
 * constant are numbers before a derivative is taken of them. Their derivative is 0; one by a value that the expression never
 * came near is a mistake.
 *
 * Names are followed backwards through the statements of the item that both stand in. A name that is bound more than once there
 * says nothing: it may be another value by then. Nor does a value of an outer function that follows from x there. */
#include "frontend/builtin/builtin_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Names {
  VEC(const char *) known;
  const char *x; /* the variable: bindings are counted */
  int bound;
  bool grew;
} Names;

static bool has(const Names *n, const char *name) {
  for (uint32_t i = 0; i < n->known.n; i++)
    if (n->known.at[i] == name) return true;
  return false;
}

static void add(Names *n, const char *name) {
  if (!name || has(n, name)) return;
  *vec_push(&n->known) = name;
  n->grew = true;
}

static void bind(Names *n, const char *name) { n->bound += name && name == n->x; }

/* ---- one walk over expressions and statements ------------------------------------------------------------------------- */

static void statements(Names *n, const Block *b, bool all, int depth);

/* Adds the names that stand in e, if they count; those that e binds are counted. */
static void expression(Names *n, const Expr *e, bool counts, int depth) {
  if (!e || depth > ELAB_DEPTH) return;
  if (counts && e->kind == EX_NAME) add(n, e->name);
  if (e->kind == EX_COMPREHENSION) bind(n, e->name);
  expression(n, e->a, counts, depth + 1);
  expression(n, e->b, counts, depth + 1);
  for (const Arg *a = e->args; a; a = a->next) expression(n, a->value, counts, depth + 1);
  if (e->block) statements(n, e->block, counts, depth + 1);
}

static const char *target(const Expr *e) {
  while (e && e->kind == EX_INDEX) e = e->a;
  return e && e->kind == EX_NAME ? e->name : NULL;
}

/* What is bound here, and whether some of it is known. */
static bool targets(Names *n, const Stmt *s, bool known) {
  for (const Arg *a = s->kind == ST_YIELD ? NULL : s->names; a; a = a->next) {
    const char *name = a->name ? a->name : target(a->value);
    bind(n, name);
    known = known || has(n, name);
  }
  for (const Arg *a = s->target && s->target->kind == EX_TUPLE ? s->target->args : NULL; a; a = a->next) {
    bind(n, target(a->value));
    known = known || has(n, target(a->value));
  }
  bind(n, target(s->target));
  return known || has(n, target(s->target));
}

static void formals(Names *n, const Formal *f) {
  for (; f; f = f->next) bind(n, f->name);
}

static void statements(Names *n, const Block *b, bool all, int depth) {
  for (const Stmt *s = b && depth <= ELAB_DEPTH ? b->first : NULL; s; s = s->next) {
    bool known = targets(n, s, all);
    Expr *part[STMT_PARTS];
    ast_stmt_parts(s, part);
    for (int k = 0; k < STMT_PARTS; k++) expression(n, part[k], known, depth + 1);
    statements(n, s->body, all, depth + 1);
    if (!s->item) continue;
    formals(n, s->item->tformals);
    formals(n, s->item->formals);
    expression(n, s->item->value, known, depth + 1);
    statements(n, s->item->body, known, depth + 1);
  }
}

/* ---- values of outer functions ------------------------------------------------------------------------------------------ */

/* Whether e follows from x in a function around that of l, both being values of l. */
static bool outside(const Level *l, Val e, Val x) {
  Val outer = VAL_NONE;
  bool found = false;
  for (uint32_t k = 0; k < l->captures.n; k++)
    if (l->captures.at[k].inner.id == x.id) outer = l->captures.at[k].outer;
  if (!outer.id || !l->up) return false;
  for (uint32_t k = 0; k < l->captures.n + l->walked.n && !found; k++) {
    bool captured = k < l->captures.n;
    Val inner = captured ? l->captures.at[k].inner : l->walked.at[k - l->captures.n].inner;
    Val from = captured ? l->captures.at[k].outer : l->walked.at[k - l->captures.n].outer;
    found = elab_reaches(l->fn, e, inner) && (elab_reaches(l->up->fn, from, outer) || outside(l->up, from, outer));
  }
  return found;
}

bool elab_names(Elab *E, const Expr *e, Val ve, const Expr *x, Val vx) {
  const Item *it = e && x && x->kind == EX_NAME ? elab_wrt_item(E, x->name, x->at) : NULL;
  if (!it || e->at.file != it->at.file || e->at.begin < it->at.begin || e->at.end > it->at.end) return false;
  Names n = {.x = x->name};
  expression(&n, e, true, 0);
  while (n.grew) {
    n.grew = false;
    n.bound = 0;
    formals(&n, it->tformals);
    formals(&n, it->formals);
    statements(&n, it->body, false, 0);
    expression(&n, it->value, false, 0);
  }
  bool good = has(&n, x->name) && n.bound <= 1 && !outside(E->now->level, ve, vx);
  vec_free(&n.known);
  return good;
}
