/* Random flows that keep what they claim, and small changes to them. */
#ifndef HNNC_TESTS_COMMON_CLAIMS_GEN_H
#define HNNC_TESTS_COMMON_CLAIMS_GEN_H

#include "tests/common/claims_util.h"

enum { FLOWS_MOST = 12 };

typedef struct MadeFlow {
  char name[16], call[32]; /* "S1"; as a function: "S1", "S1(1/4)" */
  bool symplectic;         /* of q, p: real[n] each; else of x: real[n] or real[rows, n] */
  uint32_t n, rows;
  bool template; /* it has other instances, too */
} MadeFlow;

typedef struct Made { /* a program */
  Rng rng;
  bool nets, layers; /* imports */
  Text head;         /* flows and what they use: what is changed */
  MadeFlow flow[FLOWS_MOST];
  uint32_t nflow; /* the last is the one that is meant */
  uint32_t names;
  bool no_params; /* inside of a loop */
} Made;

void made_flows(Made *m, uint64_t seed); /* claims_gen.c */
void made_change(Made *m);               /* claims_mutate.c: one detail of the head */
/* The program with functions J_NAME, there_NAME, back_NAME, forth_NAME, logdet_NAME of each flow behind it: the Jacobian,
 * the flow, inverse(T)(T(x)), T(inverse(T)(x)). */
void made_text(const Made *m, Text *out);

/* ---- inside claims_gen*.c ------------------------------------------------------------------------------------- */

uint32_t gen_name(Made *m); /* a number for a new name */
/* A scalar of the vector x, of n elements, smooth or nearly so. */
void gen_scalar(Made *m, Text *t, const char *x, uint32_t n);
/* A vector of n elements, a gradient in x: a statement or two before it go to `before`. */
void gen_gradient(Made *m, Text *before, Text *t, const char *x, uint32_t n);
void gen_number(Made *m, Text *t);
void gen_matrix(Made *m, Text *t, uint32_t rows, uint32_t columns, int kind);
enum { MATRIX_ANY, MATRIX_SYMMETRIC, MATRIX_LOWER, MATRIX_UNIT_LOWER, MATRIX_SKEW };
void gen_symplectic_step(Made *m, Text *t, uint32_t n, int depth);
void gen_volume_step(Made *m, Text *t, uint32_t n, int depth);
void gen_add_flow(Made *m, MadeFlow f, const char *name); /* its call is its name */
void gen_symplectic_part(Made *m, Text *t, uint32_t n);   /* claims_gen_part.c */
void gen_volume_part(Made *m, Text *t, uint32_t n);       /* n > 1 */
void gen_plain_flow(Made *m, char *name, uint32_t n);     /* without a claim, to be lifted; its name has 16 bytes */
void gen_board_flow(Made *m, uint32_t n);                 /* of two axes */

#endif
