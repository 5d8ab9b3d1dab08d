/* Instances in the turns of comprehensions: see elab/turn.c. */
#ifndef HNNC_FRONTEND_ELAB_TURN_H
#define HNNC_FRONTEND_ELAB_TURN_H

#include "frontend/elab/value.h"

/* The comprehensions in whose turns an instance made here is another each. */
Level *const *turns_here(Elab *E, uint32_t *n);
/* The next numbers of a name in this body: f.2, or f.2:7 for five turns. */
const char *turns_path(Elab *E, const char *name, Level *const *stack, uint32_t nstack);
bool turns_type(Type one, Level *const *stack, uint32_t nstack, Type *out); /* false: too many axes */
int64_t turns_elements(Type one, Level *const *stack, uint32_t nstack);
bool turns_int(Value v, int64_t *out); /* an integer, the same in all turns */
/* Asks for turns one by one where v differs between them and instances are made: true, the value at hand is poison. */
bool turns_unroll(Elab *E, Value v);
void turns_unroll_stack(Level *const *stack, uint32_t nstack);

/* What was emitted and made since a mark is taken back. */
typedef struct TurnsMark {
  struct LevelMark *level;
  struct Count *count;
  uint32_t nlevel, ncount, nused, nparams, root_params, sites, sparse, uses;
} TurnsMark;
TurnsMark turns_mark(Elab *E);
void turns_undo(Elab *E, const TurnsMark *m);

#endif
