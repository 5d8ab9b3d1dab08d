/* What the two halves of simplify share. */
#ifndef HNNC_PASSES_SIMPLIFY_SIMPLIFY_PRIV_H
#define HNNC_PASSES_SIMPLIFY_SIMPLIFY_PRIV_H

#include "passes/simplify/simplify.h"

/* A copy of (part of) `from` on its way into b. */
typedef struct Walk {
  const Fn *from;
  Build *b;
  Val *map;     /* by id of from */
  Val **result; /* by id of a MULTI instruction that was taken apart: its results */
  const bool *live;
  bool named; /* `id` stays: a derivative may name it */
} Walk;

void walk_init(Walk *w, const Fn *from, Build *b, const bool *live);
void walk_finish(Walk *w);
void walk_inst(Walk *w, uint32_t id); /* sets map[id]; operands are mapped */

/* simplify_loop.c: fills w->result[id]. */
void simplify_scan(Walk *w, uint32_t id);
/* The element x0 of a slice of one of a stacked result, if it is at hand; else VAL_NONE. */
Val stacked_element(Build *b, Val stack, uint32_t start);

#endif
