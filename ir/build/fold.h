/* What building and folding share. Private to ir. */
#ifndef HNNC_IR_BUILD_FOLD_H
#define HNNC_IR_BUILD_FOLD_H

#include "ir/eval/num.h"

typedef struct Cand { /* an instruction about to be emitted; its arrays stay put meanwhile */
  Op op;
  const Val *args;
  uint32_t nargs;
  const int64_t *attr;
  uint32_t nattr;
  Type type;
} Cand;

/* A value of the type of `c` that is equal to it and no more work, or VAL_NONE. */
Val ir_fold(Build *b, const Cand *c);
Val fold_elementwise(Build *b, const Cand *c); /* fold.c */
Val fold_take(Build *b, const Cand *c);        /* fold_index.c */
Val fold_put(Build *b, const Cand *c);
Val fold_rows(Build *b, const Cand *c);       /* gather, scatter, setrow */
Val fold_structural(Build *b, const Cand *c); /* fold_struct.c */
/* The sum over an axis of `sum`, if that is a sum over the batch (or a reshaped one), in derivatives: a dot over samples and elements at
 * once, so that nothing larger than the result is summed up. Its dims may be others than those of the sum. */
Val fold_sum_of_lanes(Build *b, Val sum, int axis);
Val fold_dot(Build *b, const Cand *c); /* fold_dot.c */

/* x + y of two unslices that fit together; or VAL_NONE (fold_struct.c). */
Val fold_join(Build *b, Val x, Val y);

/* What is being built was not written by anybody: a derivative, or a function that is only decided on (FN_EXACT). Its products
 * and sums have no order that must be kept. */
bool fold_unwritten(const Build *b);
/* A derivative: its zeros are structural, and count for more than what they meet. */
bool fold_structural_zero(const Build *b);
/* Taking s out of a sum makes no value that is larger than those of the sum: constants of at least 1. */
bool fold_leaves_sum(const Build *b, Val s);

/* v (equal dims or rank 0; shared or per sample) as a value of type `want`. */
Val fold_coerce(Build *b, Val v, Type want);
Val fold_zeros(Build *b, Type want);
/* Whether 0 times x, or x - x, may be taken for 0: so it is, or x is finite whatever the numbers (literals, draws). */
bool fold_vanishes(const Build *b, Val x);

Val fold_splat(Build *b, Num n, Type want);     /* dims and lane of want */
bool fold_is_splat(const Fn *f, Val v, Num *n); /* a const, or a spread one */

#endif
