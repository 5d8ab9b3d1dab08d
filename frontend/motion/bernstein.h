/* Polynomials on [0, 1] in Bernstein's form, of values that are known when the program runs: between their ends they are within the
 * hull of their coefficients, and have no more roots than these change sign. */
#ifndef HNNC_FRONTEND_MOTION_BERNSTEIN_H
#define HNNC_FRONTEND_MOTION_BERNSTEIN_H

#include "ir/ir.h"

enum { BERNSTEIN_MOST = 8 };
typedef struct Bernstein {
  int n; /* degree */
  Val c[BERNSTEIN_MOST + 1];
} Bernstein;

Val bernstein_at(Build *b, const Bernstein *p, Val t, Val *slope);           /* slope: NULL, or for its derivative */
Bernstein bernstein_part(Build *b, const Bernstein *p, Val from, Val width); /* on [from, from + width], again as on [0, 1] */
/* Without a root at 0, which has the same signs behind it: (p - c[0] (1 - t)^n)/t, as of degree n. */
Bernstein bernstein_divided(Build *b, const Bernstein *p);
/* From values at the points 0 = x_0 < ... < x_n = 1 of Chebyshev and Lobatto: rows that give the coefficients, and those that give the
 * last two coefficients of the sum of Chebyshev polynomials. */
double bernstein_point(int n, int k);
void bernstein_from_values(int n, double *rows /* [n + 1][n + 1] */);
void bernstein_tail(int n, double *rows /* [2][n + 1] */);

#endif
