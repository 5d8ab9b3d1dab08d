/* sinh, cosh and the inverses: by exp's parts and log1p. */
#include "codegen/math/math_priv.h"

#include <math.h>

/* 2^(k-2) for e^|x| = 2^k (1 + q), and q; the clamp is where both functions have left the range. A quarter, so that e^x/2 does
 * not overflow before they do. */
static V quarter(const Ew *m, V x, V *q) {
  ExpParts p = math_exp_parts(m, math_at_most(m, mag(m, x), m->f64 ? 710.6 : 89.5), NULL);
  *q = p.q;
  return math_pow2(m, sub(m, p.z, K(m, 2)));
}

/* With h = (e^|x| - 1)/4: 2h + 2h/(4h + 1), whose second term loses nothing to the first where x is small. */
V math_sinh(const Ew *m, V x) {
  V q, w = quarter(m, x, &q), h = fma_(m, w, q, sub(m, w, K(m, 0.25))), two = add(m, h, h);
  V t = math_at_most(m, h, 0x1p60), rest = divide(m, add(m, t, t), fma_(m, t, K(m, 4), K(m, 1)));
  return sign_of(m, add(m, two, rest), x);
}

V math_cosh(const Ew *m, V x) {
  V q, w = quarter(m, x, &q), e = fma_(m, w, q, w);
  return add(m, add(m, e, e), divide(m, K(m, 0.125), e));
}

/* log1p(small), and log(2a) where a is so large that nothing else is left of asinh and acosh. */
static V inverse(const Ew *m, V a, V large, V small) {
  V l = math_log1p(m, pick(m, large, sub(m, a, K(m, 1)), small));
  return add(m, l, pick(m, large, K(m, M_LN2), K(m, 0)));
}

static V is_large(const Ew *m, V a) { return cmp(m, LLVMRealOGT, a, K(m, m->f64 ? 0x1p28 : 0x1p13)); }

/* log(a + r), r = sqrt(1 + a^2), is log1p(a + (r - 1)), and r - 1 = a^2/(1 + r). */
V math_asinh(const Ew *m, V x) {
  V a = mag(m, x), one = K(m, 1), large = is_large(m, a), t = pick(m, large, one, a), t2 = mul(m, t, t);
  V r = math_sqrt(m, add(m, t2, one)), u = add(m, t, divide(m, t2, add(m, one, r)));
  return sign_of(m, inverse(m, a, large, u), x);
}

/* With t = x - 1: log1p(t + sqrt(t (t + 2))). */
V math_acosh(const Ew *m, V x) {
  V one = K(m, 1), large = is_large(m, x), t = sub(m, pick(m, large, one, x), one);
  V u = add(m, t, math_sqrt(m, mul(m, t, add(m, t, K(m, 2)))));
  return pick(m, cmp(m, LLVMRealOLT, x, one), K(m, NAN), inverse(m, x, large, u));
}

V math_atanh(const Ew *m, V x) {
  V a = mag(m, x), t = divide(m, add(m, a, a), sub(m, K(m, 1), a));
  return sign_of(m, mul(m, math_log1p(m, t), K(m, 0.5)), x);
}
