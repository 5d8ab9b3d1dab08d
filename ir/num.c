/* Numbers with exact rationals beside the f64. Numerators and denominators stay within 2^53, so that
 * f64 products tell an overflow; beyond it only the f64 is kept. */
#include "ir/fold.h"

#include <math.h>

static const double EXACT_MAX = 9007199254740992.0;      /* 2^53 */

static int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    int64_t t = a % b;
    a = b;
    b = t;
  }
  return a < 0 ? -a : a;
}

static bool fits(double v) { return fabs(v) <= EXACT_MAX; }

Num num_ratio(int64_t num, int64_t den) {
  if (!fits((double)num) || !fits((double)den)) return (Num){(double)num / (double)den, 0, 0};
  int64_t g = gcd(num, den);
  if (g > 1) num /= g, den /= g;
  return (Num){(double)num / (double)den, num, den};
}

/* Integers and the plain dyadic fractions (1/2, 3/4) are taken for what they are; a longer fraction
 * rather stands for a real that f64 cannot hold. */
Num num_of(double v) {
  enum { DYADIC = 1024 };
  double scaled = v * DYADIC;
  if (signbit(v) && v == 0) return (Num){v, 0, 0};
  if (fits(v) && v == floor(v)) return num_ratio((int64_t)v, 1);
  if (fits(scaled) && scaled == floor(scaled)) return num_ratio((int64_t)scaled, DYADIC);
  return (Num){v, 0, 0};
}

static bool usable(Num a) { return a.den > 0 && fits((double)a.num) && fits((double)a.den); }

/* p/q op r/s by cross products that must fit. */
static bool cross(int64_t x, int64_t y, int64_t *out) {
  if (!fits((double)x * (double)y)) return false;
  *out = x * y;
  return true;
}

static bool exact_sum(Num a, Num b, int64_t sign, Num *out) {
  int64_t p, q, den;
  if (!cross(a.num, b.den, &p) || !cross(b.num, a.den, &q) || !cross(a.den, b.den, &den)) return false;
  *out = num_ratio(p + sign * q, den);
  return true;
}

static bool exact_mul(Num a, Num b, Num *out) {
  int64_t num, den;
  if (!cross(a.num, b.num, &num) || !cross(a.den, b.den, &den)) return false;
  *out = num_ratio(num, den);
  return true;
}

static bool exact_div(Num a, Num b, Num *out) {
  if (b.num == 0) return false;
  return exact_mul(a, b.num < 0 ? (Num){0, -b.den, -b.num} : (Num){0, b.den, b.num}, out);
}

static bool exact_pow(Num a, Num b, Num *out) {
  if (b.den != 1 || b.num < -64 || b.num > 64 || (a.num == 0 && b.num <= 0)) return false;
  Num r = num_ratio(1, 1);
  for (int64_t k = b.num < 0 ? -b.num : b.num; k > 0; k--)
    if (!exact_mul(r, a, &r)) return false;
  return b.num < 0 ? exact_div(num_ratio(1, 1), r, out) : (*out = r, true);
}

static bool exact_sqrt(Num a, Num *out) {
  if (a.num < 0) return false;
  int64_t num = (int64_t)sqrt((double)a.num), den = (int64_t)sqrt((double)a.den);
  if (num * num != a.num || den * den != a.den) return false;
  *out = num_ratio(num, den);
  return true;
}

/* The ops that are rational everywhere, or at 0 or 1. */
static bool exact(Op op, Num a, Num b, Num *out) {
  bool zero = a.num == 0, one = a.num == 1 && a.den == 1;
  switch (op) {
  case OP_add: return exact_sum(a, b, 1, out);
  case OP_sub: return exact_sum(a, b, -1, out);
  case OP_mul: return exact_mul(a, b, out);
  case OP_div: return exact_div(a, b, out);
  case OP_pow: return exact_pow(a, b, out);
  case OP_min: return *out = a.v <= b.v ? a : b, true;
  case OP_max: return *out = a.v >= b.v ? a : b, true;
  case OP_neg: return *out = num_ratio(-a.num, a.den), true;
  case OP_abs: return *out = num_ratio(a.num < 0 ? -a.num : a.num, a.den), true;
  case OP_sign: return *out = num_ratio((a.num > 0) - (a.num < 0), 1), true;
  case OP_relu: return *out = a.num > 0 ? a : num_ratio(0, 1), true;
  case OP_sqrt: return exact_sqrt(a, out);
  case OP_rsqrt: return exact_sqrt(a, out) && exact_div(num_ratio(1, 1), *out, out);
  case OP_sin: case OP_tan: case OP_tanh: case OP_erf: case OP_expm1: case OP_log1p:
    return *out = num_ratio(0, 1), zero;
  case OP_exp: case OP_cos: return *out = num_ratio(1, 1), zero;
  case OP_log: return *out = num_ratio(0, 1), one;
  case OP_sigmoid: return *out = num_ratio(1, 2), zero;
  default: return false;
  }
}

Num num_apply(Op op, Num a, Num b) {
  Num r;
  bool two = ir_op[op].arity == 2;
  if (usable(a) && (!two || usable(b)) && exact(op, a, b, &r)) return r;
  return (Num){ir_eval_scalar(op, a.v, b.v), 0, 0};
}
