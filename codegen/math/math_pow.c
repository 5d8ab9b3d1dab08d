/* pow, log10. In single precision it is exp(y log |x|) in double. In double the logarithm is an unevaluated sum
 * of two doubles, good to 2^-64, so that the error of y log |x|, up to 745, stays below the last place. */
#include "codegen/math/math_priv.h"

#include <math.h>

/* log(m) = s (2 + z (2/3 + z P(z))), s = (m - 1)/(m + 1), z = s^2. */
static const double POW64[] = {0.400000000000022726, 0.285714285700913981, 0.222222225214231348, 0.181817842322920914,
                               0.153867637045556454, 0.132566656259405378, 0.131977741691323659};

/* ---- arithmetic on unevaluated sums ------------------------------------------------------------- */

typedef struct Two {
  V hi, lo;
} Two;

static V split(const Ew *m, V x) { /* the upper 26 bits (Veltkamp) */
  V c = mul(m, x, K(m, 0x1.0000002p27));
  return sub(m, c, sub(m, c, x));
}

static Two product(const Ew *m, V x, V y) { /* exact */
  V p = mul(m, x, y);
  if (m->fma) return (Two){p, fma_(m, x, y, neg(m, p))};
  V xh = split(m, x), yh = split(m, y), xl = sub(m, x, xh), yl = sub(m, y, yh);
  V e = sub(m, mul(m, xh, yh), p);
  e = add(m, add(m, e, mul(m, xh, yl)), mul(m, xl, yh));
  return (Two){p, add(m, e, mul(m, xl, yl))};
}

static Two multiply(const Ew *m, Two x, Two y) {
  Two p = product(m, x.hi, y.hi);
  V cross = fma_(m, x.hi, y.lo, mul(m, x.lo, y.hi));
  return (Two){p.hi, add(m, p.lo, cross)};
}

static Two fast_sum(const Ew *m, V large, V small) { /* exact if large is 0 or the larger */
  V s = add(m, large, small);
  return (Two){s, sub(m, small, sub(m, s, large))};
}

/* log x for x > 0, normalised to f and k. */
static Two log_two(const Ew *m, LogParts p) {
  Two d = fast_sum(m, K(m, 2), p.f), s, z, u, v;
  s.hi = divide(m, p.f, d.hi);
  Two back = product(m, s.hi, d.hi);
  V rest = sub(m, sub(m, sub(m, p.f, back.hi), back.lo), mul(m, s.hi, d.lo));
  s.lo = divide(m, rest, d.hi);
  z = multiply(m, s, s);
  u = fast_sum(m, K(m, 0x1.5555555555555p-1), mul(m, z.hi, POLY(m, z.hi, POW64)));
  u.lo = add(m, u.lo, K(m, 0x1.5555555555555p-55));
  v = multiply(m, z, u);
  Two w = fast_sum(m, K(m, 2), v.hi);
  w.lo = add(m, w.lo, v.lo);
  Two l = multiply(m, s, w);
  Two sum = fast_sum(m, mul(m, p.k, K(m, 0x1.62e42fefa3800p-1)), l.hi); /* 42 bits: exact */
  sum.lo = add(m, sum.lo, fma_(m, p.k, K(m, 0x1.ef35793c76730p-45), l.lo));
  return fast_sum(m, sum.hi, sum.lo);
}

/* ---- signs and special values --------------------------------------------------------------------- */

/* Whether |y| is integral, and odd. Beyond 2^52 all are integral, beyond 2^53 even. */
static void parity(const Ew *m, V y, V *integral, V *odd) {
  V big = K(m, ldexp(1, m->mant)), a = mag(m, y), half = mul(m, a, K(m, 0.5));
  V whole = sub(m, add(m, a, big), big), whole2 = sub(m, add(m, half, big), big);
  V huge = cmp(m, LLVMRealOGE, a, big), huge2 = cmp(m, LLVMRealOGE, half, big);
  *integral = LLVMBuildOr(m->b, huge, cmp(m, LLVMRealOEQ, whole, a), "");
  V even = LLVMBuildOr(m->b, huge2, cmp(m, LLVMRealOEQ, whole2, half), "");
  *odd = both(m, *integral, LLVMBuildNot(m->b, even, ""));
}

/* x^y from |x|^y. */
static V with_sign(const Ew *m, V x, V y, V r) {
  V integral, odd, one = K(m, 1), zero = K(m, 0);
  parity(m, y, &integral, &odd);
  V minus = LLVMBuildICmp(m->b, LLVMIntSLT, bits(m, x), KI(m, 0), "");
  r = pick(m, both(m, minus, odd), neg(m, r), r);
  V finite = cmp(m, LLVMRealOGT, x, K(m, -INFINITY));
  V broken = both(m, both(m, cmp(m, LLVMRealOLT, x, zero), finite), LLVMBuildNot(m->b, integral, ""));
  V ordered = cmp(m, LLVMRealORD, x, y);
  r = pick(m, both(m, broken, ordered), K(m, NAN), r);
  V sure = LLVMBuildOr(m->b, cmp(m, LLVMRealOEQ, x, one), cmp(m, LLVMRealOEQ, y, zero), "");
  return pick(m, sure, one, pick(m, ordered, r, add(m, x, y)));
}

/* |x|^y in double. y is cut to +-2^70, where every base but 1 has left the range. */
static V pow_magnitude(const Ew *m, V x, V y) {
  V a = mag(m, x), shift, scaled = math_log_scaled(m, a, &shift);
  y = math_at_least(m, math_at_most(m, y, 0x1p70), -0x1p70);
  LogParts p = math_log_parts(m, scaled);
  p.k = add(m, p.k, shift);
  Two l = log_two(m, p), e = product(m, y, l.hi);
  e.lo = fma_(m, y, l.lo, e.lo);
  V inf = K(m, INFINITY), none = cmp(m, LLVMRealOEQ, a, K(m, 0)), all = cmp(m, LLVMRealOEQ, a, inf);
  V edge = LLVMBuildOr(m->b, none, all, "");
  e.hi = pick(m, edge, mul(m, y, pick(m, none, K(m, -INFINITY), inf)), e.hi);
  V outside = LLVMBuildOr(m->b, edge, cmp(m, LLVMRealOGT, mag(m, e.hi), K(m, 800)), "");
  return math_exp_clamped(m, e.hi, pick(m, outside, K(m, 0), e.lo));
}

/* The same, to about 2^-45. */
static V pow_magnitude_coarse(const Ew *m, V x, V y) {
  y = math_at_least(m, math_at_most(m, y, 0x1p70), -0x1p70);
  return math_exp_clamped(m, mul(m, y, math_log(m, mag(m, x))), NULL);
}

V math_pow(const Ew *m, V x, V y) {
  if (m->f64) return with_sign(m, x, y, pow_magnitude(m, x, y));
  CgEmit wide = math_double(m->e);
  LLVMTypeRef t = cg_real_type(&wide, m->n);
  V wx = LLVMBuildFPExt(m->b, x, t, ""), wy = LLVMBuildFPExt(m->b, y, t, "");
  Ew d = math_ew(&wide, wx);
  V r = pow_magnitude_coarse(&d, wx, wy);
  return with_sign(m, x, y, LLVMBuildFPTrunc(m->b, r, cg_real_type(m->e, m->n), ""));
}

/* x^y l, 0 where it tends to 0 though l is infinite. */
static V power_times(const Ew *m, V x, V y, V l) {
  V zero = K(m, 0), p = math_pow(m, x, y);
  V at_zero = both(m, cmp(m, LLVMRealOEQ, x, zero), cmp(m, LLVMRealOGE, y, zero));
  V vanishes = both(m, cmp(m, LLVMRealOGT, x, zero), cmp(m, LLVMRealOEQ, p, zero));
  return pick(m, LLVMBuildOr(m->b, at_zero, vanishes, ""), zero, mul(m, p, l));
}

V math_powlog(const Ew *m, V x, V y) { return power_times(m, x, y, math_log(m, x)); }

V math_powlog2(const Ew *m, V x, V y) {
  V l = math_log(m, x);
  return power_times(m, x, y, mul(m, l, l));
}

/* So near the value that powers of ten give whole numbers. */
V math_log10(const Ew *m, V x) {
  if (!m->f64) {
    CgEmit wide = math_double(m->e);
    V w = LLVMBuildFPExt(m->b, x, cg_real_type(&wide, m->n), "");
    Ew d = math_ew(&wide, w);
    return LLVMBuildFPTrunc(m->b, mul(&d, math_log(&d, w), K(&d, M_LOG10E)), cg_real_type(m->e, m->n), "");
  }
  V shift, scaled = math_log_scaled(m, x, &shift);
  LogParts p = math_log_parts(m, scaled);
  p.k = add(m, p.k, shift);
  Two l = multiply(m, log_two(m, p), (Two){K(m, 0x1.bcb7b1526e50ep-2), K(m, 0x1.95355baaafad3p-57)});
  return math_log_special(m, x, add(m, l.hi, l.lo));
}
