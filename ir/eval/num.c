/* Numbers with exact fractions beside the f64 (num.h). */
#include "ir/eval/num.h"

#include <math.h>

static const double SAFE = 9007199254740992.0; /* 2^53: whole numbers below are f64 */

int64_t num_gcd(int64_t a, int64_t b) {
  while (b) {
    int64_t t = a % b;
    a = b;
    b = t;
  }
  return a < 0 ? -a : a;
}

static Num inexact(double v) { return (Num){base_shown(v), 0, 0}; }

static bool safe(int64_t n) { return fabs((double)n) <= SAFE; }

/* v: the value where num or den does not fit a double. */
static Num fraction(int64_t num, int64_t den, double v) {
  if (den == 0 || num == INT64_MIN || den == INT64_MIN) return inexact(v);
  if (den < 0) num = -num, den = -den;
  int64_t g = num_gcd(num, den);
  if (g > 1) num /= g, den /= g;
  return (Num){safe(num) && safe(den) ? (double)num / (double)den : v, num, den};
}

Num num_ratio(int64_t num, int64_t den) { return fraction(num, den, (double)num / (double)den); }

/* A longer fraction than those of DYADIC rather stands for a real that f64 cannot hold. */
Num num_of(double v) {
  enum { DYADIC = 1024 };
  double scaled = v * DYADIC;
  if (signbit(v) && v == 0) return inexact(v);
  if (fabs(v) <= SAFE && v == floor(v)) return num_ratio((int64_t)v, 1);
  if (fabs(scaled) <= SAFE && scaled == floor(scaled)) return num_ratio((int64_t)scaled, DYADIC);
  return inexact(v);
}

Num num_neg(Num a) { return (Num){base_shown(-a.v), -a.num, a.den}; }

static bool times(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }

static Num sum(Num a, Num b) {
  int64_t x, y, num, den;
  double v = a.v + b.v;
  bool fits = a.den && b.den && times(a.num, b.den, &x) && times(b.num, a.den, &y) && !__builtin_add_overflow(x, y, &num) &&
              times(a.den, b.den, &den);
  return fits ? fraction(num, den, v) : inexact(v);
}

static Num product(Num a, Num b) {
  int64_t num, den;
  bool fits = a.den && b.den && times(a.num, b.num, &num) && times(a.den, b.den, &den);
  return fits ? fraction(num, den, a.v * b.v) : inexact(a.v * b.v);
}

static Num quotient(Num a, Num b) {
  int64_t num, den;
  bool fits = a.den && b.den && b.num && times(a.num, b.den, &num) && times(a.den, b.num, &den);
  return fits ? fraction(num, den, a.v / b.v) : inexact(a.v / b.v);
}

static Num power(Num a, Num b) {
  enum { EXPONENT = 4096 };
  double v = ir_eval_scalar(OP_pow, a.v, b.v);
  if (b.den != 1 || !a.den || b.num > EXPONENT || b.num < -EXPONENT) return inexact(v);
  Num r = num_ratio(1, 1);
  for (int64_t k = b.num < 0 ? -b.num : b.num; k > 0 && r.den; k--) r = product(r, a);
  if (r.den && b.num < 0) r = quotient(num_ratio(1, 1), r);
  return r.den ? r : inexact(v);
}

static Num root(Num a) {
  double v = sqrt(a.v);
  if (a.num < 0) return inexact(v);
  int64_t num = (int64_t)sqrt((double)a.num), den = (int64_t)sqrt((double)a.den);
  bool whole = a.den && safe(a.num) && safe(a.den) && num * num == a.num && den * den == a.den;
  return whole ? num_ratio(num, den) : inexact(v);
}

/* floor, ceil, round: exact of fractions, and whole of reals as far as these hold every whole number. */
static Num whole(Op op, Num a) {
  if (!a.den) return num_of(ir_eval_scalar(op, a.v, 0));
  int64_t low = a.num / a.den - (a.num % a.den < 0), rest = a.num - low * a.den;
  if (op == OP_floor || rest == 0) return num_ratio(low, 1);
  if (op == OP_ceil) return num_ratio(low + 1, 1);
  bool above = rest > a.den - rest || (rest == a.den - rest && low % 2 != 0);
  return num_ratio(low + above, 1);
}

static Num modulus(Num a, Num b) {
  Num q = b.num ? whole(OP_floor, quotient(a, b)) : inexact(NAN), r = q.den ? sum(a, num_neg(product(q, b))) : q;
  return a.den && b.den && r.den ? r : inexact(ir_eval_scalar(OP_mod, a.v, b.v));
}

/* The value of the row, exact = num/den where `known`. */
static Num row(Op op, Num a, Num b, bool known, int64_t num, int64_t den) {
  return known ? num_ratio(num, den) : inexact(ir_eval_scalar(op, a.v, b.v));
}

/* log10, whole for powers of ten. */
static Num decimal(Num a) {
  int64_t n = a.den == 1 ? a.num : a.num == 1 ? a.den : 0, k = 0;
  for (; n > 1 && n % 10 == 0; n /= 10) k++;
  return row(OP_log10, a, a, n == 1, a.den == 1 ? k : -k, 1);
}

Num num_apply(Op op, Num a, Num b) {
  bool exact = a.den > 0, zero = exact && a.num == 0, one = exact && a.num == 1 && a.den == 1;
  switch (op) {
  case OP_add: return sum(a, b);
  case OP_sub: return sum(a, num_neg(b));
  case OP_mul: return product(a, b);
  case OP_div: return quotient(a, b);
  case OP_pow: return power(a, b);
  case OP_neg: return num_neg(a);
  case OP_abs: return signbit(a.v) ? num_neg(a) : a;
  case OP_min: return a.v < b.v || isnan(a.v) ? a : b;
  case OP_max: return a.v > b.v || isnan(a.v) ? a : b;
  case OP_relu: return a.v < 0 ? num_ratio(0, 1) : a;
  case OP_floor:
  case OP_ceil:
  case OP_round: return whole(op, a);
  case OP_mod: return modulus(a, b);
  case OP_sqrt: return root(a);
  case OP_rsqrt: return quotient(num_ratio(1, 1), root(a));
  case OP_rsqrt3: return quotient(quotient(num_ratio(1, 1), root(a)), num_apply(OP_abs, a, a));
  case OP_sign: return row(op, a, b, exact, (a.num > 0) - (a.num < 0), 1);
  case OP_sin:
  case OP_tan:
  case OP_tanh:
  case OP_erf:
  case OP_asin:
  case OP_atan:
  case OP_sinh:
  case OP_asinh:
  case OP_atanh:
  case OP_expm1:
  case OP_log1p: return row(op, a, b, zero, 0, 1);
  case OP_exp:
  case OP_cosh:
  case OP_cos: return row(op, a, b, zero, 1, 1);
  case OP_stop:
  case OP_fixed: return a;
  case OP_log:
  case OP_acos:
  case OP_acosh:
  case OP_log2: return row(op, a, b, one, 0, 1);
  case OP_log10: return decimal(a);
  case OP_sigmoid: return row(op, a, b, zero, 1, 2);
  default: return inexact(ir_eval_scalar(op, a.v, b.v));
  }
}
