/* Coefficients of the fixed-step methods.
 *
 * Compositions: Yoshida, Construction of higher order symplectic integrators, Phys. Lett. A 150
 * (1990) 262: the triple jump for order 4, solution A of table 1 for order 6, solution D of table 2
 * for order 8 (outermost lengths last in his numbering). The middle length makes the sum 1.
 * Gauss collocation: Hairer, Norsett, Wanner, Solving ODEs I, II.7 (orders 4 and 6). */
#include "passes/loops/expand_priv.h"

#include <math.h>

static const Tableau euler = {1, {{0}}, {1}, {0}};
static const Tableau rk4 = {4, {{0}, {0.5}, {0, 0.5}, {0, 0, 1}}, {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6}, {0, 0.5, 0.5, 1}};
static const Tableau midpoint = {1, {{0.5}}, {1}, {0.5}};

/* A step keeps quadratic invariants if b_i a_ij + b_j a_ji = b_i b_j. With coefficients rounded to doubles that fails in the last
 * digit, and an energy drifts the same way in every step. So a_ij = b_j/2 + s_ij with b_i s_ij = -b_j s_ji exactly, all of
 * them whole multiples of 2^-53, which sums of them keep; they are off by a unit in the last place at most. */
static double multiple(double v, int bits) { return nearbyint(ldexp(v, bits)) / ldexp(1, bits); }

static Tableau gauss4(void) {
  double r = multiple(sqrt(3) / 6, 53);
  return (Tableau){2, {{0.25, 0.25 - r}, {0.25 + r, 0.25}}, {0.5, 0.5}, {0.5 - r, 0.5 + r}};
}

static Tableau gauss6(void) {
  double b = multiple(1.0 / 18, 52), t = multiple(sqrt(15) / 120, 53), u = multiple(sqrt(15) / 30, 53), r = sqrt(15);
  return (Tableau){
    3,
    {{2.5 * b, 4 * b - 8 * t, 2.5 * b - u}, {2.5 * b + 5 * t, 4 * b, 2.5 * b - 5 * t}, {2.5 * b + u, 4 * b + 8 * t, 2.5 * b}},
    {5 * b, 8 * b, 5 * b},
    {0.5 - r / 10, 0.5, 0.5 + r / 10}};
}

bool expand_tableau(Method m, Tableau *out) {
  switch (m) {
  case M_EULER: *out = euler; return true;
  case M_RK4: *out = rk4; return true;
  case M_IMPLICIT_MIDPOINT: *out = midpoint; return true;
  case M_GAUSS4: *out = gauss4(); return true;
  case M_GAUSS6: *out = gauss6(); return true;
  default: return false;
  }
}

/* side[0] is next to the middle. */
static Composition symmetric(const double *side, int n) {
  Composition c = {.n = 2 * n + 1};
  c.w[n] = 1;
  for (int k = 0; k < n; k++) {
    c.w[n - 1 - k] = c.w[n + 1 + k] = side[k];
    c.w[n] -= 2 * side[k];
  }
  return c;
}

bool expand_composition(Method m, Composition *out) {
  static const double six[] = {-1.17767998417887, 0.235573213359357, 0.784513610477560};
  static const double eight[] = {0.102799849391985, -1.96061023297549, 1.93813913762276, -0.158240635368243,
                                 -1.44485223686048, 0.253693336566229, 0.914844246229740};
  double four = 1 / (2 - cbrt(2));
  switch (m) {
  case M_LEAPFROG: *out = symmetric(NULL, 0); return true;
  case M_YOSHIDA4: *out = symmetric(&four, 1); return true;
  case M_YOSHIDA6: *out = symmetric(six, 3); return true;
  case M_YOSHIDA8: *out = symmetric(eight, 7); return true;
  default: return false;
  }
}

bool expand_symmetric(Method m) {
  Composition c;
  return expand_composition(m, &c) || m == M_IMPLICIT_MIDPOINT || m == M_GAUSS4 || m == M_GAUSS6 || m == M_GAUSS16;
}
