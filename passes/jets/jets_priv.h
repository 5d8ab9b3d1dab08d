/* Between the files of this room. */
#ifndef HNNC_PASSES_JETS_JETS_PRIV_H
#define HNNC_PASSES_JETS_JETS_PRIV_H

#include "passes/jets/jets.h"

typedef enum { JETS_HISTORY, JETS_ZERO, JETS_RECIPROCAL, JETS_COEFFICIENT, JETS_ORDER, JETS_STEP } JetsIn;
typedef struct JetsInput {
  JetsIn kind;
  Val v; /* of f; or the number of a state */
} JetsInput;

/* What the rules see: the function of the values, with the partial derivatives they need in it, and a function that is being made of
 * what one order needs, whose inputs are made where they are first asked for. */
typedef struct Jets {
  const Fn *f;
  uint32_t states, order;
  bool *active;                                   /* by id of f: it changes with time by more than jumps */
  Val (*extra)[2];                                /* by id of f: partial derivatives by its operands; of x^z: z log x */
  Build *b;                                       /* of one order */
  Val *coefficient, *history, *zero, *reciprocal; /* by id of f, in b->f */
  Val k, h;
  VEC(JetsInput) in; /* of b->f */
  Diag *diag;
  bool failed;
} Jets;

Val jets_input(Jets *j, JetsIn kind, Val v, Type t);
Val jets_history(Jets *j, Val v); /* its coefficients below k, stacked */
Val jets_zero(Jets *j, Val v);    /* its value */
Val jets_reciprocal(Jets *j, Val v);
Val jets_coefficient(Jets *j, Val v);

/* jets_rules.c */
bool jets_own_rule(unsigned op);              /* elementwise, without partial derivatives */
bool jets_flat(unsigned op);                  /* changes by jumps */
Val jets_rule(Jets *j, Val v, const Inst *i); /* coefficient k of an active value; VAL_NONE: zero */

Val jets_exponential(Jets *j, Val v, Val exponent); /* v' = v exponent' */
/* C, or if `weighted` J, of two histories, as an einsum of labels of rows: of long ones the products of elements first, which are summed
 * then, in loops. */
Val jets_below(Jets *j, Val x, Val y, bool weighted, const int *lx, const int *ly, int nout, const int *lo);

/* jets_values.c */
typedef struct Values {
  Build b;
  bool *active, *varies; /* by id of b.f; varies: or jumps */
  Val (*extra)[2];
  uint32_t size, states;
} Values;

bool jets_values(Values *w, const Fn *rates, uint32_t states, Diag *diag); /* false: what has no series, which diag has */

/* jets_linear.c */
Val jets_linear_value(Copy *c, const Inst *i);   /* in the function of the values; VAL_NONE: as it stands */
Val jets_linear_beside(Build *b, const Inst *i); /* what the rule of det, logdet needs */
Val jets_linear_rule(Jets *j, Val v, const Inst *i);

#endif
