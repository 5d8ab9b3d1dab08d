/* Numbers: an f64 and, where it is known, the exact fraction. Literals, what the frontend computes from them, constants of
 * the IR, and what is proved about them are all of this type. */
#ifndef HNNC_IR_EVAL_NUM_H
#define HNNC_IR_EVAL_NUM_H

#include "ir/ir.h"

/* In lowest terms, exact when den > 0; num and den fit 63 bits. v is the nearest f64 where both fit 53 bits; -0 is the
 * fraction 0 with v = -0; NaN has no sign. */
typedef struct Num {
  double v;
  int64_t num, den;
} Num;

Num num_of(double v);                    /* whole numbers and fractions of 1024 are exact */
Num num_ratio(int64_t num, int64_t den); /* den != 0, of any sign */
Num num_neg(Num a);
int64_t num_gcd(int64_t a, int64_t b); /* >= 0; 0 of 0 and 0 */

/* One elementwise op on reals to reals. Exact where the operands are, the result is a fraction, and that is proved:
 * exp(0) = 1 is, exp(1e-20) = 1 is not. */
Num num_apply(Op op, Num a, Num b);

#endif
