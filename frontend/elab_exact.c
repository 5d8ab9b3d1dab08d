/* Exact elaboration, for what is decided: a static value is computed only where nothing rounds; the rest
 * (cos 0.3, sqrt 2, multiples of pi) stays an operation on constants, which the finite field evaluates by its
 * relations. Constants of the file whose values were rounded are elaborated again where they are used. */
#include "frontend/elab.h"

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

/* Whether op(a) = r without rounding; a is exact. */
static bool unrounded(Op op, Num a, Num r) {
  Num square;
  switch (op) {
  case OP_add:
  case OP_sub:
  case OP_mul:
  case OP_div:
  case OP_neg:
  case OP_abs:
  case OP_min:
  case OP_max:
  case OP_sign:
  case OP_relu:
    return r.den > 0;
  case OP_sqrt:
    return r.den > 0 && number_op(OPR_MUL, r, r, &square) && square.den > 0 && square.num == a.num &&
           square.den == a.den;
  case OP_sin:
  case OP_tan:
  case OP_tanh:
  case OP_erf:
  case OP_expm1:
  case OP_log1p:
  case OP_exp:
  case OP_cos:
    return a.num == 0;
  case OP_log:
    return a.num == 1 && a.den == 1;
  default:
    return false;
  }
}

static Num at(Value v, uint32_t i) { return v.kind == V_ARRAY ? v.array->at[i] : v.num; }

bool exact_result(Op op, Value a, Value b, Value r) {
  if (r.kind == V_TURNS) {
    const Level *l = r.turns.level;
    for (uint32_t t = 0; t < l->n; t++)
      if (!exact_result(op, value_turn(a, l, t), value_turn(b, l, t), r.turns.at[t])) return false;
    return true;
  }
  if (r.kind == V_BOOL) return true;
  if (!exact_value(a) || !exact_value(b)) return false;
  for (uint32_t i = 0; i < (r.kind == V_ARRAY ? r.array->n : 1); i++) {
    if (op == OP_pow ? !is_exact(at(r, i)) || at(b, i).den != 1 : !unrounded(op, at(a, i), at(r, i)))
      return false;
  }
  return true;
}

/* A constant of the file, as operations of the innermost level. */
Value exact_const(Elab *E, Global *g) {
  Frame *frame = E->frame;
  Body *old = E->body, body = {.path = g->name, .top = true};
  Flow *flow = E->flow;
  frame_push(E, NULL, g->module);
  E->body = &body;
  E->flow = NULL;
  Value v = elab_expr(E, g->item->value);
  E->flow = flow;
  E->body = old;
  E->frame = frame;
  vec_free(&body.counts);
  vec_free(&body.params);
  vec_free(&body.used);
  return v;
}
