/* Elementwise ops as LLVM IR: dispatch and the ops that are one instruction or two.
 * Transcendental functions are in math_exp.c, math_hyper.c, math_pow.c and math_trig.c, with polynomials from fit/fit.py.
 *
 * Largest errors in units of the last place, over all finite arguments unless a range is given; asserted
 * by tests/codegen/test_math.c (f32 against every 2011th bit pattern, f64 against long double).
 *
 *            f32   f64                              f32   f64
 *   exp      1.5   1.5        sigmoid               2.5   2.5
 *   expm1    2     2.5        softplus              2     2
 *   log      1     1          erf                   1.5   2
 *   log1p    1     1          pow                   0.6   1.5
 *   log2     2.5   2.5
 *   tanh     3     3          atan2                 2.5   2.5
 *   sin cos  2.5   2.5   |x| <= 1e5   rsqrt           1.5   1.5
 *   tan      4     4     |x| <= 1e5   rsqrt3          3     3      with AVX-512, else 6
 *   atan asin acos  3.5   3.5        sinh cosh             3     3
 *   asinh acosh     3.5   3.5        atanh                 3     3
 *   log10     0.6   0.6
 *   floor ceil round mod   exact
 *
 * sin and cos hold their bound up to |x| = 1e6 without FMA and, in f64, up to 1e12 with it. From there on they lose digits
 * (1e-5 is left at 1.3e7 in f32, 1e-9 at 7e15 in f64), and where no digit can be right, they and tan are NaN: |x| > 2^22 pi, 2^51 pi
 * (tan: half of it; f64 without FMA: 2^35 pi). The last place of a subnormal result is the smallest subnormal.
 * NaN gives NaN, infinities and signed zeros are as in C99 Annex F. */
#include "codegen/math/math_priv.h"

#include <math.h>

/* ---- rows that are an instruction or two --------------------------------------------------------- */

V math_neg(const Ew *m, V x) { return neg(m, x); }
V math_abs(const Ew *m, V x) { return mag(m, x); }
V math_stop(const Ew *m, V x) {
  (void)m;
  return x;
}
V math_fixed(const Ew *m, V x) { return math_stop(m, x); }
V math_sqrt(const Ew *m, V x) { return math_call1(m, "llvm.sqrt", x); }

/* ---- reciprocal roots ------------------------------------------------------------------------------ */

/* 1 - s y, at most 2^-13. Where the estimate y is 0 or infinite it may be NaN or infinite: then 2^-12, so that y stays what it is. */
static V estimate_error(const Ew *m, V s, V y) {
  V e = fma_(m, neg(m, s), y, K(m, 1));
  return m->e->target->instruction->smaller(m->e, e, K(m, 0x1p-12));
}

static V estimate(const Ew *m, V x) { return m->e->target->instruction->rsqrt(m->e, x); }

/* 1/sqrt(x) = y (1 + e/2 + 3/8 e^2 + ...), as far as it counts. A division by a root takes three times as long, and none of
 * the multipliers. */
static V rsqrt_refined(const Ew *m, V x) {
  V y = estimate(m, x), e = estimate_error(m, mul(m, x, y), y), p = K(m, 0.5);
  if (m->f64) p = fma_(m, fma_(m, e, K(m, 0.3125), K(m, 0.375)), e, p);
  return fma_(m, mul(m, e, y), p, y);
}

V math_rsqrt(const Ew *m, V x) {
  return cg_estimates(m->e, m->n) ? rsqrt_refined(m, x) : divide(m, K(m, 1), math_call1(m, "llvm.sqrt", x));
}

/* c y^3 (1 + 3/2 e + 15/8 e^2 + 35/16 e^3 + ...), c in the coefficients: no more to do than for 1/sqrt(x) alone. The term that
 * is left out, 315/128 e^4, is met by the second one, within 2^-13 to a sixth. */
static V rsqrt3_refined(const Ew *m, V x, double c) {
  const double most = 0x1p-26 * 2 * (M_SQRT2 - 1) * 315 / 128, series[] = {c, c * 1.5, c * (1.875 + most), c * 2.1875};
  V y = estimate(m, x), y2 = mul(m, y, y);
  return mul(m, mul(m, y2, y), math_poly(m, estimate_error(m, x, y2), series, m->f64 ? 4 : 3));
}

V cg_rsqrt3(CgEmit *e, V x, double c) {
  Ew w = math_ew(e, x), *m = &w;
  if (cg_estimates(m->e, m->n)) return rsqrt3_refined(m, x, c);
  V r = math_rsqrt(m, x), r3 = mul(m, r, mul(m, r, r));
  return c == 1 ? r3 : mul(m, r3, K(m, c));
}

V math_rsqrt3(const Ew *m, V x) { return cg_rsqrt3(m->e, x, 1); }

/* ---- more of them ----------------------------------------------------------------------------------- */

V math_add(const Ew *m, V x, V y) { return add(m, x, y); }
V math_sub(const Ew *m, V x, V y) { return sub(m, x, y); }
V math_mul(const Ew *m, V x, V y) { return mul(m, x, y); }
V math_div(const Ew *m, V x, V y) { return divide(m, x, y); }
V math_lt(const Ew *m, V x, V y) { return cmp(m, LLVMRealOLT, x, y); }
V math_le(const Ew *m, V x, V y) { return cmp(m, LLVMRealOLE, x, y); }
V math_eq(const Ew *m, V x, V y) { return cmp(m, LLVMRealOEQ, x, y); }
V math_ne(const Ew *m, V x, V y) { return cmp(m, LLVMRealUNE, x, y); }

V math_sign(const Ew *m, V x) {
  V zero = K(m, 0), up = pick(m, cmp(m, LLVMRealOGT, x, zero), K(m, 1), x);
  return pick(m, cmp(m, LLVMRealOLT, x, zero), K(m, -1), up);
}

/* x where it beats y, else y, and so y where either is NaN: one instruction on x86. A NaN of x is put back; if one operand is a
 * constant, it stands there, and nothing is left to do. */
static V extremum(const Ew *m, LLVMRealPredicate beats, V x, V y) {
  if (LLVMIsConstant(y)) {
    V t = x;
    x = y, y = t;
  }
  V r = pick(m, cmp(m, beats, x, y), x, y), lost = cmp(m, LLVMRealUNO, x, x);
  return LLVMIsConstant(lost) && LLVMIsNull(lost) ? r : pick(m, lost, x, r);
}

V math_min(const Ew *m, V x, V y) { return extremum(m, LLVMRealOLT, x, y); }
V math_max(const Ew *m, V x, V y) { return extremum(m, LLVMRealOGT, x, y); }
V math_relu(const Ew *m, V x) { return extremum(m, LLVMRealOGT, K(m, 0), x); }

/* ---- dispatch ------------------------------------------------------------------------------------- */

static V math_and(const Ew *m, const V *a) { return LLVMBuildAnd(m->b, a[0], a[1], ""); }
static V math_or(const Ew *m, const V *a) { return LLVMBuildOr(m->b, a[0], a[1], ""); }
static V math_not(const Ew *m, const V *a) { return LLVMBuildNot(m->b, a[0], ""); }
static V math_select(const Ew *m, const V *a) { return pick(m, a[0], a[1], a[2]); }

V cg_ew(CgEmit *e, Op op, const V *a) {
  Ew w = math_ew(e, a[0]), *m = &w;
  switch (op) {
#define EW1(name, ...) \
  case OP_##name: return math_##name(m, a[0]);
#define EW2(name, ...) \
  case OP_##name: return math_##name(m, a[0], a[1]);
#define CMP(name, ...) \
  case OP_##name: return math_##name(m, a[0], a[1]);
#define LOG(name, ...) \
  case OP_##name: return math_##name(m, a);
#include "ir/ops.def"
  case OP_select: return math_select(m, a);
  case OP_require: return pick(m, a[0], K(m, 1), K(m, NAN));
  default: base_fault("`%s` is not an elementwise op", ir_op[op].name);
  }
}
