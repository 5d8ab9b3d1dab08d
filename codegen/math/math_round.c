/* floor, ceil, round, mod: exact. */
#include "codegen/math/math_priv.h"

#include <math.h>

/* Whole numbers by adding and taking away 2^mant; from there on all are whole. Where multiply-adds are one instruction,
 * rounding is, too. */
V math_round(const Ew *m, V x) {
  if (m->fma) return math_call1(m, "llvm.rint", x);
  V big = K(m, ldexp(1, m->mant)), a = mag(m, x), near = sub(m, add(m, a, big), big);
  return sign_of(m, pick(m, cmp(m, LLVMRealOLT, a, big), near, a), x);
}

/* The nearest whole number, and one more or less where it lies on the wrong side. */
static V toward(const Ew *m, V x, LLVMRealPredicate wrong, double step) {
  V near = math_round(m, x);
  return sign_of(m, pick(m, cmp(m, wrong, near, x), add(m, near, K(m, step)), near), x);
}

V math_floor(const Ew *m, V x) { return m->fma ? math_call1(m, "llvm.floor", x) : toward(m, x, LLVMRealOGT, -1); }
V math_ceil(const Ew *m, V x) { return m->fma ? math_call1(m, "llvm.ceil", x) : toward(m, x, LLVMRealOLT, 1); }

/* ---- mod -------------------------------------------------------------------------------------------------- */

static V any(const Ew *m, V x) {
  LLVMTypeRef t = LLVMTypeOf(x);
  return m->n > 1 ? cg_intrinsic(m->e, "llvm.vector.reduce.or", &t, 1, &x, 1) : x;
}

/* How many bits of a quotient one step takes: as many as make its product with a real exact. */
static int quotient_bits(const Ew *m) { return m->fma ? m->mant : (m->mant - 1) / 2; }

/* x - q y, exact where it is a real: q has quotient_bits and one more. In parts of y without FMA, where q y may be beyond the
 * largest real though x is not: then of a quarter of both. */
static V exact_rest(const Ew *m, V q, V y, V x) {
  if (m->fma) return fma_(m, neg(m, q), y, x);
  V huge = cmp(m, LLVMRealOGT, x, K(m, ldexp(1, (int)m->bias - 1))), one = K(m, 1), scale = pick(m, huge, K(m, 0.25), one);
  V part = mul(m, y, scale), high = real(m, LLVMBuildAnd(m->b, bits(m, part), KI(m, ~(uint64_t)0 << (m->mant + 2) / 2), ""));
  V r = sub(m, sub(m, mul(m, x, scale), mul(m, q, high)), mul(m, q, sub(m, part, high)));
  return mul(m, r, pick(m, huge, K(m, 4), one));
}

/* x mod y for 0 <= x < 2^quotient_bits y: by the nearest quotient, whose rest may be below 0. */
static V short_rest(const Ew *m, V x, V y) {
  V big = K(m, ldexp(1, m->mant)), q = sub(m, add(m, divide(m, x, y), big), big), r = exact_rest(m, q, y, x);
  return pick(m, cmp(m, LLVMRealOLT, r, K(m, 0)), add(m, r, y), r);
}

/* A loop of which a value in is a start or comes from its end. */
typedef struct Loop {
  LLVMBasicBlockRef before, body;
} Loop;

static Loop loop_begin(const Ew *m) {
  Loop l = {LLVMGetInsertBlock(m->b), cg_block(m->e, "")};
  LLVMBuildBr(m->b, l.body);
  LLVMPositionBuilderAtEnd(m->b, l.body);
  return l;
}

static V loop_value(const Ew *m, Loop l, V start) {
  V v = LLVMBuildPhi(m->b, LLVMTypeOf(start), "");
  LLVMAddIncoming(v, &start, &l.before, 1);
  return v;
}

static void loop_next(const Ew *m, V value, V next) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(m->b);
  LLVMAddIncoming(value, &next, &here, 1);
}

static void loop_end(const Ew *m, Loop l, V again) {
  LLVMBasicBlockRef after = cg_block(m->e, "");
  LLVMBuildCondBr(m->b, again, l.body, after);
  LLVMPositionBuilderAtEnd(m->b, after);
}

/* |x| mod |y|: the divisor is multiplied by 2^quotient_bits until one step reaches; then back. Most have one turn in either loop.
 * Where there is no rest, x or y is NaN, for which no turn follows. */
static V positive_rest(const Ew *m, V x, V y) {
  double step = ldexp(1, quotient_bits(m));
  Loop up = loop_begin(m);
  V s = loop_value(m, up, y), larger = mul(m, s, K(m, step)), grows = cmp(m, LLVMRealOLE, larger, x);
  V top = pick(m, grows, larger, s);
  loop_next(m, s, top);
  loop_end(m, up, any(m, grows));
  Loop down = loop_begin(m);
  V d = loop_value(m, down, top), r = loop_value(m, down, x), rest = short_rest(m, r, d);
  V more = cmp(m, LLVMRealOGT, d, y), small = cmp(m, LLVMRealOLT, r, d);
  rest = pick(m, small, r, rest);
  loop_next(m, d, pick(m, more, mul(m, d, K(m, 1 / step)), d));
  loop_next(m, r, rest);
  loop_end(m, down, any(m, more));
  return rest;
}

/* As fmod, then with the sign of y: y is added to a rest of the other sign. */
V math_mod(const Ew *m, V x, V y) {
  V zero = K(m, 0), nan = K(m, NAN), a = mag(m, x), b = mag(m, y);
  V lost = LLVMBuildOr(m->b, cmp(m, LLVMRealUEQ, a, K(m, INFINITY)), cmp(m, LLVMRealUEQ, b, zero), "");
  V r = positive_rest(m, pick(m, lost, nan, a), pick(m, lost, nan, b));
  V differ = LLVMBuildICmp(m->b, LLVMIntSLT, LLVMBuildXor(m->b, bits(m, x), bits(m, y), ""), KI(m, 0), "");
  V other = both(m, differ, cmp(m, LLVMRealONE, r, zero));
  return sign_of(m, pick(m, other, sub(m, b, r), r), y);
}
