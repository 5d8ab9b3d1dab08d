/* Losses over chains of reversible steps of two states q, p, for tests and benchmarks. */
#ifndef HNNC_TESTS_COMMON_STEP_CHAIN_H
#define HNNC_TESTS_COMMON_STEP_CHAIN_H

#include "ir/ir.h"

typedef struct Chain {
  Fn *f;
  Build b;
  uint32_t n, h;     /* elements of a state, of a hidden layer; n <= 256 */
  Val x[2], context; /* q, p; something per sample that every step reads */
  uint32_t nparam;
} Chain;

/* Adds a network's value, multiplies by its exponential, adds the gradient of a scalar (as an operator),
 * (q, p) -> (-p, q). */
typedef enum { ADD_NET, SCALE, GRADIENT, ROTATE, KINDS } StepKind;

Type chain_vec(bool lane, uint32_t n); /* n = 0: a scalar */
void chain_open(Chain *c, uint32_t n, uint32_t h);
void chain_states(Chain *c);          /* fields q, p, c */
void chain_weights(Chain *c, Val *w); /* three new parameters */
/* Moves the states by a step on the given weights; `moved` is the state that changes. */
void chain_step(Build *b, StepKind kind, int moved, uint32_t n, Val *x, Val context, const Val *w);
Fn *chain_close(Chain *c); /* the loss: a weighted sum of squares */

#endif
