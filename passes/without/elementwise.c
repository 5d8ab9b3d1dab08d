/* Functions of numbers in terms of exp, log, sqrt, sin, cos, tanh, sigmoid and arithmetic, to a few ulp. Both sides of a select are
 * computed: what would leave the range on the side that is not taken gets another argument. */
#include "passes/without/without.h"

#include <math.h>

static Val K(Build *b, double v) { return ir_const(b, v); }
static Val plus(Build *b, Val x, double v) { return ir_add(b, x, K(b, v)); }
static Val times(Build *b, double v, Val x) { return ir_mul(b, K(b, v), x); }
static Val minus_from(Build *b, double v, Val x) { return ir_sub(b, K(b, v), x); }

/* ---- logarithms and exponentials --------------------------------------------------------------------------------- */

/* tanh(x/2) (e^x + 1) */
static Val expm1_(Build *b, Val x) {
  const Val t = ir_tanh(b, times(b, 0.5, x)), e = ir_exp(b, x), sum = plus(b, e, 1);
  return ir_mul(b, t, sum);
}

/* With u = 1 + x as it is rounded, x log(u)/(u - 1) makes good for what was lost (Kahan). */
static Val log1p_(Build *b, Val x) {
  const Val u = plus(b, x, 1), one = ir_eq(b, u, K(b, 1)), far = ir_eq(b, u, K(b, INFINITY));
  const Val none = ir_or(b, one, far), safe = ir_select(b, none, K(b, 2), u), lost = plus(b, safe, -1);
  const Val ratio = ir_div(b, x, lost), log = ir_log(b, safe), y = ir_mul(b, log, ratio);
  return ir_select(b, none, x, y);
}

static Val softplus(Build *b, Val x) {
  const Val a = ir_abs(b, x), e = ir_exp(b, ir_neg(b, a)), l = log1p_(b, e), r = ir_relu(b, x);
  return ir_add(b, r, l);
}

/* a^b (log a)^n; 0 where the power is 0 and the logarithm would be infinite. */
static Val powlog(Build *b, Val x, Val y, int n) {
  const Val p = ir_pow(b, x, y), zero = K(b, 0), at_zero = ir_eq(b, x, zero), up = ir_le(b, zero, y);
  const Val above = ir_lt(b, zero, x), lost = ir_eq(b, p, zero), low = ir_and(b, at_zero, up), under = ir_and(b, above, lost);
  const Val none = ir_or(b, low, under), safe = ir_select(b, none, K(b, 1), x), l = ir_log(b, safe);
  Val v = ir_mul(b, p, l);
  if (n == 2) v = ir_mul(b, v, l);
  return ir_select(b, none, zero, v);
}

/* ---- hyperbolic functions ------------------------------------------------------------------------------------------- */

/* h^2/2 + 1/(2 h^2), h = e^(|x|/2), whose square may leave the range only where the result does. */
static Val cosh_(Build *b, Val x) {
  const Val h = ir_exp(b, times(b, 0.5, ir_abs(b, x))), half = times(b, 0.5, h), high = ir_mul(b, half, h);
  const Val low = ir_div(b, ir_div(b, K(b, 0.5), h), h);
  return ir_add(b, high, low);
}

/* tanh(x/2) (cosh x + 1) */
static Val sinh_(Build *b, Val x) {
  const Val t = ir_tanh(b, times(b, 0.5, x)), c = plus(b, cosh_(b, x), 1);
  return ir_mul(b, t, c);
}

static Val signed_as(Build *b, Val v, Val x) {
  const Val low = ir_lt(b, x, K(b, 0)), other = ir_neg(b, v);
  return ir_select(b, low, other, v);
}

/* log1p(small), or log(2a) where a is so large that nothing else is left. */
static Val inverse(Build *b, Val a, Val large, Val small) {
  const Val safe = ir_select(b, large, K(b, 1), small), s = log1p_(b, safe), l = plus(b, ir_log(b, a), M_LN2);
  return ir_select(b, large, l, s);
}

static Val is_large(Build *b, Val a) { return ir_lt(b, K(b, 0x1p28), a); }

/* log(a + r), r = sqrt(1 + a^2), is log1p(a + (r - 1)), and r - 1 = a^2/(1 + r). */
static Val asinh_(Build *b, Val x) {
  const Val a = ir_abs(b, x), large = is_large(b, a), t = ir_select(b, large, K(b, 1), a), t2 = ir_mul(b, t, t);
  const Val r = ir_sqrt(b, plus(b, t2, 1)), q = ir_div(b, t2, plus(b, r, 1)), u = ir_add(b, t, q);
  return signed_as(b, inverse(b, a, large, u), x);
}

/* With t = x - 1: log1p(t + sqrt(t) sqrt(t + 2)), NaN below 1 by the first root. */
static Val acosh_(Build *b, Val x) {
  const Val large = is_large(b, x), t = plus(b, ir_select(b, large, K(b, 1), x), -1), low = ir_sqrt(b, t);
  const Val high = ir_sqrt(b, plus(b, t, 2)), root = ir_mul(b, low, high), u = ir_add(b, t, root);
  return inverse(b, ir_select(b, large, x, K(b, 1)), large, u);
}

static Val atanh_(Build *b, Val x) {
  const Val a = ir_abs(b, x), q = ir_div(b, times(b, 2, a), minus_from(b, 1, a)), l = times(b, 0.5, log1p_(b, q));
  return signed_as(b, l, x);
}

/* ---- angles ------------------------------------------------------------------------------------------------------------- */

/* Twice atan x = 2 atan(x/(1 + sqrt(1 + x^2))), which leaves |x| < 0.2 of those up to 1, then Taylor's series. */
static Val atan_small(Build *b, Val x) {
  enum { TERMS = 12 };
  for (int k = 0; k < 2; k++) {
    const Val r = ir_sqrt(b, plus(b, ir_mul(b, x, x), 1));
    x = ir_div(b, x, plus(b, r, 1));
  }
  const Val u = ir_mul(b, x, x);
  Val p = K(b, 0);
  for (int k = TERMS; k > 0; k--) {
    const double c = (k % 2 ? -1.0 : 1.0) / (2 * k + 1);
    p = k == TERMS ? K(b, c) : plus(b, ir_mul(b, p, u), c);
  }
  const Val rest = ir_mul(b, ir_mul(b, p, u), x), sum = ir_add(b, x, rest);
  return times(b, 4, sum);
}

/* Of a >= 0: beyond 1 it is pi/2 - atan(1/a). */
static Val atan_positive(Build *b, Val a) {
  const Val far = ir_lt(b, K(b, 1), a), inside = ir_select(b, far, K(b, 1), a), outside = ir_select(b, far, a, K(b, 1));
  const Val q = ir_div(b, K(b, 1), outside), t = atan_small(b, ir_select(b, far, q, inside)), other = minus_from(b, M_PI_2, t);
  return ir_select(b, far, other, t);
}

static Val atan_(Build *b, Val x) { return signed_as(b, atan_positive(b, ir_abs(b, x)), x); }

/* Negative, also if it is -0. */
static Val minus(Build *b, Val x) {
  const Val zero = K(b, 0), low = ir_lt(b, x, zero), turned = ir_lt(b, ir_div(b, K(b, 1), x), zero);
  return ir_or(b, low, turned);
}

/* The angle of the smaller one over the larger one, then its octant. */
static Val atan2_(Build *b, Val y, Val x) {
  const Val p = ir_abs(b, y), q = ir_abs(b, x), steep = ir_lt(b, q, p), low = ir_min(b, p, q), high = ir_max(b, p, q);
  const Val alike = ir_eq(b, low, high), none = ir_eq(b, high, K(b, 0)), at_origin = ir_select(b, none, K(b, 0), K(b, 1));
  const Val over = ir_select(b, alike, K(b, 1), high), ratio = ir_div(b, low, over),
            t = atan_small(b, ir_select(b, alike, at_origin, ratio));
  const Val turned = minus_from(b, M_PI_2, t), first = ir_select(b, steep, turned, t), back = minus_from(b, M_PI, first);
  const Val left = minus(b, x), half = ir_select(b, left, back, first), under = minus(b, y), other = ir_neg(b, half);
  return ir_select(b, under, other, half);
}

static Val root_of_rest(Build *b, Val x) {
  const Val low = minus_from(b, 1, x), high = plus(b, x, 1);
  return ir_sqrt(b, ir_mul(b, low, high));
}

static Val asin_(Build *b, Val x) {
  const Val r = root_of_rest(b, x);
  return atan2_(b, x, r);
}

static Val acos_(Build *b, Val x) {
  const Val r = root_of_rest(b, x);
  return atan2_(b, r, x);
}

static Val tan_(Build *b, Val x) {
  const Val s = ir_sin(b, x), c = ir_cos(b, x);
  return ir_div(b, s, c);
}

/* ---- the error function ----------------------------------------------------------------------------------------------- */

/* Up to 2.5: 2/sqrt(pi) e^(-x^2) sum of 2^k x^(2k+1)/(1 3 5 ... (2k+1)), whose terms have one sign. Beyond: 1 - erfc, of which few digits
 * are left, by the continued fraction e^(-x^2)/sqrt(pi)/(x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))). */
static Val erf_(Build *b, Val x) {
  enum { TERMS = 40, LEVELS = 40 };
  const Val a = ir_abs(b, x), near = ir_le(b, a, K(b, 2.5)), s = ir_select(b, near, a, K(b, 0)), capped = ir_min(b, a, K(b, 7));
  const Val l = ir_select(b, near, K(b, 2.5), capped), s2 = ir_mul(b, s, s);
  Val sum = K(b, 1), fraction = l;
  for (int k = TERMS; k > 0; k--) sum = plus(b, ir_mul(b, sum, times(b, 2.0 / (2 * k + 1), s2)), 1);
  for (int k = LEVELS; k > 0; k--) fraction = ir_add(b, l, ir_div(b, K(b, 0.5 * k), fraction));
  const Val scaled = times(b, M_2_SQRTPI, s), bell = ir_exp(b, ir_neg(b, s2)), small = ir_mul(b, ir_mul(b, scaled, bell), sum);
  const Val e = ir_exp(b, ir_neg(b, ir_mul(b, l, l))), rest = ir_div(b, times(b, 0.5 * M_2_SQRTPI, e), fraction);
  const Val large = minus_from(b, 1, rest), v = ir_select(b, near, small, large);
  return signed_as(b, v, x);
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------ */

static Val of_one(Build *b, Op op, Val x) {
  switch (op) {
  case OP_expm1: return expm1_(b, x);
  case OP_log1p: return log1p_(b, x);
  case OP_log2: return times(b, M_LOG2E, ir_log(b, x));
  case OP_log10: return times(b, M_LOG10E, ir_log(b, x));
  case OP_softplus: return softplus(b, x);
  case OP_rsqrt: return ir_div(b, K(b, 1), ir_sqrt(b, x));
  case OP_rsqrt3: {
    const Val r = ir_div(b, K(b, 1), ir_sqrt(b, x)), a = ir_abs(b, x);
    return ir_div(b, r, a);
  }
  case OP_sinh: return sinh_(b, x);
  case OP_cosh: return cosh_(b, x);
  case OP_asinh: return asinh_(b, x);
  case OP_acosh: return acosh_(b, x);
  case OP_atanh: return atanh_(b, x);
  case OP_tan: return tan_(b, x);
  case OP_atan: return atan_(b, x);
  case OP_asin: return asin_(b, x);
  case OP_acos: return acos_(b, x);
  case OP_erf: return erf_(b, x);
  default: return VAL_NONE;
  }
}

Val without_elementwise(Build *b, const Fn *f, const Inst *i, const Val *x) {
  (void)f;
  switch (i->op) {
  case OP_powlog: return powlog(b, x[0], x[1], 1);
  case OP_powlog2: return powlog(b, x[0], x[1], 2);
  case OP_atan2: return atan2_(b, x[0], x[1]);
  case OP_ne: return ir_not(b, ir_eq(b, x[0], x[1]));
  case OP_require: {
    const Val one = K(b, 1), none = K(b, NAN);
    return ir_select(b, x[0], one, none);
  }
  default: return of_one(b, (Op)i->op, x[0]);
  }
}
