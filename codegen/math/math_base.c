/* Shared by math_*.c: the types of operands, intrinsics, bounds, polynomials. */
#include "codegen/math/math_priv.h"

static bool is_vector(LLVMTypeRef t) { return LLVMGetTypeKind(t) == LLVMVectorTypeKind; }

Ew math_ew(CgEmit *e, V like) {
  LLVMTypeRef t = LLVMTypeOf(like);
  return (Ew){.e = e,
              .b = e->b,
              .n = is_vector(t) ? LLVMGetVectorSize(t) : 1,
              .f64 = e->f64,
              .fma = e->target->fma,
              .mant = e->f64 ? 52 : 23,
              .bias = e->f64 ? 1023 : 127,
              .magic = e->f64 ? 0x1.8p52 : 0x1.8p23};
}

CgEmit math_double(const CgEmit *e) {
  CgEmit d = *e;
  d.f64 = true;
  d.real = LLVMDoubleTypeInContext(e->ctx);
  d.es = 8;
  return d;
}

V math_call1(const Ew *m, const char *intrinsic, V x) {
  LLVMTypeRef t = LLVMTypeOf(x);
  return cg_intrinsic(m->e, intrinsic, &t, 1, &x, 1);
}

V math_call2(const Ew *m, const char *intrinsic, V x, V y) {
  LLVMTypeRef t = LLVMTypeOf(x);
  return cg_intrinsic(m->e, intrinsic, &t, 1, (V[]){x, y}, 2);
}

V math_at_most(const Ew *m, V x, double bound) {
  V k = K(m, bound);
  return pick(m, cmp(m, LLVMRealOLT, k, x), k, x);
}

V math_at_least(const Ew *m, V x, double bound) {
  V k = K(m, bound);
  return pick(m, cmp(m, LLVMRealOGT, k, x), k, x);
}

V math_poly(const Ew *m, V x, const double *c, int n) {
  V r = K(m, c[n - 1]);
  for (int i = n - 2; i >= 0; i--) r = fma_(m, r, x, K(m, c[i]));
  return r;
}
