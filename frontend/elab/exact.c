/* Exact elaboration, for what is decided: a static value is computed only where nothing rounds; the rest
 * (cos 0.3, sqrt 2, multiples of pi) stays an operation on constants, which the finite field evaluates by its
 * relations. Constants of the file whose values were rounded are elaborated again where they are used. */
#include "frontend/elab/elab_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double WHOLE = 67108864; /* 2^26: sums of products of such are exact */

static bool each(Value v, bool (*test)(Num)) {
  if (v.kind == V_NUM) return test(v.num);
  if (v.kind == V_BOOL || v.kind == V_STRING || v.kind == V_NONE) return true;
  if (v.kind == V_ARRAY)
    for (uint32_t i = 0; i < v.array->n; i++)
      if (!test(v.array->at[i])) return false;
  if (v.kind == V_LIST || v.kind == V_TUPLE)
    for (uint32_t i = 0; i < v.list.n; i++)
      if (!each(v.list.at[i], test)) return false;
  if (v.kind == V_TURNS)
    for (uint32_t t = 0; t < v.turns.level->n; t++)
      if (!each(v.turns.at[t], test)) return false;
  return true;
}

static bool is_exact(Num n) { return n.den > 0; }
static bool is_whole(Num n) { return n.den == 1 && fabs(n.v) < WHOLE; }
static bool is_dyadic(Num n) { return n.den > 0 && (n.den & (n.den - 1)) == 0; }

bool exact_value(Value v) { return each(v, is_exact); }
bool exact_whole(Value v) { return each(v, is_whole); }
bool exact_table(const Array *a) { return each((Value){.kind = V_ARRAY, .array = a}, is_dyadic); }

/* A constant of the file, as operations of the innermost level. */
Value exact_const(Elab *E, Global *g) {
  Context c;
  context_push(E, &c);
  Body *b = context_body(&c, g->name);
  b->top = b->constant = true;
  c.flow = NULL;
  frame_push(E, NULL, g->module);
  Value v = elab_expr(E, g->item->value);
  context_pop(E, &c);
  return v;
}
