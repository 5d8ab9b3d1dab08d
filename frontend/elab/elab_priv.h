/* Of the evaluator alone. */
#ifndef HNNC_FRONTEND_ELAB_ELAB_PRIV_H
#define HNNC_FRONTEND_ELAB_ELAB_PRIV_H

#include "frontend/elab/call.h"
#include "frontend/elab/elab.h"

/* Kinds of expressions, and statements (call.c, index.c, loop.c, stmt.c). */
Value elab_call(Elab *E, const Expr *e);
Value elab_index(Elab *E, const Expr *e);
Value elab_comprehension(Elab *E, const Expr *e, bool summed); /* summed: of an empty range it is 0 */
/* value or block of a definition, in the current frame */
Value elab_body(Elab *E, const Item *it);
Value elab_block_value(Elab *E, const Block *b);
/* Binds shape variables in the innermost frame. `what` is what has the type: "argument `q` of `f`". */
bool elab_check_type(Elab *E, const TypeExpr *t, Value v, Span at, const char *what);
bool elab_defined(Elab *E, const char *name, Span *at);   /* where; false if it is none of the file's */
bool elab_unknown_first(Elab *E, const char *name);       /* it was not said before that this name is not defined */
Value array_element(Elab *E, const Array *a, uint32_t i); /* along the first axis */

/* The layer library, built in: "std/nets"; NULL if there is none. */
const char *std_text(const char *name, size_t *len);

/* note.c: the type of a node of the syntax tree. */
void elab_note_type(Elab *E, const void *node, Value v);
void elab_note_made(Elab *E, const void *node, const Fn *fn, uint32_t first);

/* exact.c */
bool exact_table(const Array *a); /* numbers that a table of doubles holds */
Value exact_const(Elab *E, Global *g);

/* budget.c */
bool elab_expand(Elab *E, Global *g, Span at);    /* one call more */
bool elab_affords(Elab *E, const Fn *f, Span at); /* to evaluate f while compiling; or an error */
Spent elab_spent(const Elab *E);
/* what: as messages name it, "`for i`". */
void loop_begin(Elab *E, Loop *l, Span at, const char *what, int64_t turns);
void loop_end(Elab *E, const Loop *l);
/* Around the call of a user's function: what it gave of the same numbers before, in *result, if .found. */
typedef struct KeptMark {
  bool found, keep;
  uint64_t spent;
  uint32_t inst, sites, params, met;
} KeptMark;
KeptMark kept_begin(Elab *E, const Func *f, const Actuals *a, Value *result);
void kept_end(Elab *E, const Func *f, const Actuals *a, KeptMark m, Value result);

/* turn.c */
/* As turns_unroll (turn.h), where what differs is no shape of an instance: a length. Of few turns. */
bool turns_write_out(Elab *E, Value v);
enum { TURNS_WRITTEN = 256 }; /* the most turns that are written out because something of them differs */

#endif
