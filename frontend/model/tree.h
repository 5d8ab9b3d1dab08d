/* The tree of a file for tools: what stands where, and the type that each expression had when it was first evaluated. It is
 * made whether or not there are errors; what could not be read is left out, what was not evaluated has no type.
 * Nodes are in the order of the text, each after the node that it is in. */
#ifndef HNNC_FRONTEND_MODEL_TREE_H
#define HNNC_FRONTEND_MODEL_TREE_H

#include "frontend/model.h"

typedef struct TreeNode {
  const char *kind; /* "flow", "let", "call", ...: as in the dump of --emit=ast */
  const char *name; /* that it defines or uses; NULL: none */
  const char *type; /* "real[2, 3]", "a function"; NULL: not known */
  Span at, name_at; /* name_at.file 0: no name of its own */
  int32_t parent;   /* index; -1: a definition of a file */
} TreeNode;

/* An expression was evaluated: instructions [first, end) of fn, a function of the model or a body of one, were made by it. */
typedef struct TreeMade {
  const Fn *fn;
  int32_t node;
  uint32_t first, end;
} TreeMade;

struct Tree {
  Arena *mem;
  VEC(TreeNode) node;
  VEC(TreeMade) made; /* if FrontOptions asked for it */
  VEC(Proof) proof;   /* what was decided before the errors, too */
};

void tree_finish(Tree *t);

/* model.c, once all is elaborated and before the syntax trees go. */
struct Elab;
void tree_make(struct Elab *E, Tree *t);

#endif
