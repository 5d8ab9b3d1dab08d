/* Between the files of this room. */
#ifndef HNNC_PASSES_JETS_JETS_PRIV_H
#define HNNC_PASSES_JETS_JETS_PRIV_H

#include "passes/jets/jets.h"

typedef enum { JETS_HISTORY, JETS_ZERO, JETS_RECIPROCAL, JETS_COEFFICIENT, JETS_ORDER, JETS_STEP } JetsIn;
typedef struct JetsInput {
  JetsIn kind;
  Val v; /* of f; or the number of a state, dual ones behind the others */
} JetsInput;

/* The function of the values (jets_values.c). */
typedef struct Values {
  Build b;
  bool *active, *varies; /* by id of b.f; varies: or jumps */
  Val (*extra)[2];
  uint32_t size, states, duals;
  bool kinks; /* something bends or jumps as time goes on */
} Values;

/* What the rules see: the function of the values, with the partial derivatives they need in it, and a function that is being made of
 * what one order needs, whose inputs are made where they are first asked for. */
typedef struct Jets {
  const Fn *f;
  uint32_t states, duals, order;
  bool last;       /* k is order - 1, the last in a step backwards: products may be summed over the batch */
  bool *active;    /* by id of f: it changes with time by more than jumps */
  Val (*extra)[2]; /* by id of f: partial derivatives by its operands; of x^z: z log x */
  Build *b;        /* of one order */
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

/* jets.c: of what is `live`, by id of f (NULL: of all), the function of one order, which is begun and is to be finished */
void jets_begin(Jets *j, const Values *w, Build *b, uint32_t order, bool last, Diag *diag);
void jets_orders(Jets *j, const bool *live);
void jets_output_histories(Jets *j);
void jets_end(Jets *j);

/* What is made of the function of one order. */
typedef struct Series {
  const Jets *j; /* of the function `one` */
  const Fn *one;
  Build b;     /* of the result */
  Val *map, h; /* by id of j->f: at order 0 */
} Series;
bool jets_is(const Series *s, uint32_t n, JetsIn kind); /* input n of it */
Val jets_invariant(Series *s, uint32_t n);              /* for it, of those that are the same at all orders */
Val jets_begun(Series *s, Val v);                       /* a history of which row 0 is v */
Type jets_stacked(Type t, uint32_t n);
uint32_t jets_rows(const Jets *j); /* of a history */

/* jets_rules.c */
bool jets_own_rule(unsigned op);              /* elementwise, without partial derivatives */
bool jets_flat(unsigned op);                  /* changes by jumps */
Val jets_rule(Jets *j, Val v, const Inst *i); /* coefficient k of an active value; VAL_NONE: zero */

Val jets_exponential(Jets *j, Val v, Val exponent); /* v' = v exponent' */
/* C, or if `weighted` J, of two histories, as an einsum of labels of rows: of long ones the products of elements first, which are summed
 * then, in loops. */
Val jets_below(Jets *j, Val x, Val y, bool weighted, const int *lx, const int *ly, int nout, const int *lo);

/* jets_values.c */
enum { JETS_UNROLLED_MOST = 4000 }; /* operations of a loop that is written out, turn by turn */

void jets_values(Values *w, const Fn *rates, uint32_t states, uint32_t duals);
void jets_values_end(Values *w);

/* jets_linear.c */
Val jets_linear_value(Copy *c, const Inst *i);   /* in the function of the values; VAL_NONE: as it stands */
Val jets_linear_beside(Build *b, const Inst *i); /* what the rule of det, logdet needs */
Val jets_linear_rule(Jets *j, Val v, const Inst *i);

#endif
