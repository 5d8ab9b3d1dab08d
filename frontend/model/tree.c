/* See tree.h: a walk over the syntax trees of all files, with the types that the evaluator noted (Elab.type_of). */
#include "frontend/elab/elab.h"
#include "frontend/model/tree.h"

#include <stdlib.h>

typedef struct Walk {
  Elab *E;
  Tree *t;
  Index node_of; /* by expression */
} Walk;

static const char *const expr_kind[] = {
  [EX_ERROR] = "error", [EX_NUMBER] = "number", [EX_STRING] = "string", [EX_BOOL] = "bool",
  [EX_NAME] = "name",   [EX_UNARY] = "unary",   [EX_BINARY] = "binary", [EX_CALL] = "call",
  [EX_INDEX] = "index", [EX_MEMBER] = "member", [EX_LIST] = "list",     [EX_COMPREHENSION] = "comprehension",
  [EX_TUPLE] = "tuple", [EX_RANGE] = "range",   [EX_BLOCK] = "block",
};

/* Returns the index of the node. */
static int32_t add(Walk *w, int32_t in, const char *kind, const char *name, Span name_at, Span at, const char *type) {
  Arena *mem = w->t->mem;
  *vec_push(&w->t->node) = (TreeNode){.kind = kind,
                                      .name = name ? arena_strdup(mem, name) : NULL,
                                      .type = type ? arena_strdup(mem, type) : NULL,
                                      .at = at,
                                      .name_at = name ? name_at : (Span){0},
                                      .parent = in};
  return (int32_t)w->t->node.n - 1;
}

static void block(Walk *w, int32_t in, const Block *b);

static const char *name_of(const Expr *e) {
  if (e->kind == EX_UNARY || e->kind == EX_BINARY) return ast_opr_text(e->op);
  return e->kind == EX_NUMBER || e->kind == EX_BOOL || e->kind == EX_BLOCK ? NULL : e->name;
}

static Span place_of_name(const Expr *e) {
  return e->op_at.file ? e->op_at : e->name_at.file ? e->name_at : e->kind == EX_NAME ? e->at : (Span){0};
}

static void expr(Walk *w, int32_t in, const Expr *e);

static void args(Walk *w, int32_t in, const Arg *a) {
  for (; a; a = a->next) {
    if (!a->name) expr(w, in, a->value);
    else
      expr(w, add(w, in, "option", a->name, a->name_at, a->value ? span_join(a->name_at, a->value->at) : a->name_at, NULL),
           a->value);
  }
}

static void expr(Walk *w, int32_t in, const Expr *e) {
  if (!e) return;
  const int32_t here = add(w, in, expr_kind[e->kind], name_of(e), place_of_name(e), e->at, elab_type_of(w->E, e));
  index_put(&w->node_of, (uintptr_t)e, (uint32_t)here);
  expr(w, here, e->a);
  expr(w, here, e->b);
  args(w, here, e->args);
  block(w, here, e->block);
}

static void formals(Walk *w, int32_t in, const Formal *f) {
  for (; f; f = f->next) {
    const Span typed = f->type ? span_join(f->at, f->type->at) : f->at;
    const int32_t here =
        add(w, in, "argument", f->name, f->at, f->init ? span_join(typed, f->init->at) : typed, elab_type_of(w->E, f));
    if (f->type) args(w, here, f->type->dims);
    expr(w, here, f->init);
  }
}

/* `names` are what a statement defines, or where it assigns to. */
static void names(Walk *w, int32_t in, const Stmt *s) {
  for (const Arg *a = s->names; a; a = a->next) {
    if (a->value) expr(w, in, a->value);
    else if (a->name) add(w, in, "defines", a->name, a->name_at, a->name_at, elab_type_of(w->E, a));
  }
}

static void item(Walk *w, int32_t in, const Item *it);

static void block(Walk *w, int32_t in, const Block *b) {
  for (const Stmt *s = b ? b->first : NULL; s; s = s->next) {
    if (s->item) {
      item(w, in, s->item);
      continue;
    }
    const int32_t here = add(w, in, ast_stmt_text[s->kind], NULL, (Span){0}, s->at, NULL);
    Expr *part[STMT_PARTS];
    ast_stmt_parts(s, part);
    names(w, here, s);
    if (s->type) args(w, here, s->type->dims);
    for (int k = 0; k < STMT_PARTS; k++) expr(w, here, part[k]);
    args(w, here, s->how);
    block(w, here, s->body);
  }
}

static void item(Walk *w, int32_t in, const Item *it) {
  const int32_t here = add(w, in, ast_item_text[it->kind], it->name, it->name_at, it->at, NULL);
  formals(w, here, it->tformals);
  formals(w, here, it->formals);
  if (it->result) args(w, here, it->result->dims);
  expr(w, here, it->value);
  for (const Summand *s = it->sum; s; s = s->next) expr(w, here, s->weight);
  args(w, here, it->options);
  block(w, here, it->body);
}

static void made(const Walk *w) {
  const NoteMade *m;
  for (uint32_t k = 0; (m = elab_made(w->E, k)); k++) {
    const uint32_t *node = index_find(&w->node_of, (uintptr_t)m->node);
    if (node) *vec_push(&w->t->made) = (TreeMade){m->fn, (int32_t)*node, m->first, m->end};
  }
}

void tree_make(Elab *E, Tree *t) {
  Walk w = {E, t, {0}};
  *t = (Tree){.mem = arena_create()};
  for (uint32_t file = 1; file <= E->src->files.n; file++)
    for (const Module *m = E->modules; m; m = m->next)
      for (const Item *it = m->ast->file == file ? m->ast->first : NULL; it; it = it->next) item(&w, -1, it);
  made(&w);
  index_free(&w.node_of);
  for (uint32_t k = 0; k < E->made.proofs.n; k++) {
    Proof p = E->made.proofs.at[k];
    p.text = arena_strdup(t->mem, p.text), p.detail = arena_strdup(t->mem, p.detail ? p.detail : "");
    *vec_push(&t->proof) = p;
  }
}

void tree_finish(Tree *t) {
  vec_free(&t->node);
  vec_free(&t->made);
  vec_free(&t->proof);
  arena_destroy(t->mem);
  *t = (Tree){0};
}
