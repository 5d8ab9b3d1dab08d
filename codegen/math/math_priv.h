/* Shared by math*.c: short names for vector IR on a real type, float or double, of any length.
 *
 * Nothing here sets fast-math flags: the error-compensating steps must stay as written. fma() rounds
 * once where the machine can and twice elsewhere; what needs an exact product uses split constants. */
#ifndef HNNC_CODEGEN_MATH_MATH_PRIV_H
#define HNNC_CODEGEN_MATH_MATH_PRIV_H

#include "codegen/math/math.h"

typedef LLVMValueRef V;

typedef struct Ew {
  CgEmit *e;
  LLVMBuilderRef b;
  unsigned n; /* lanes; 1 is a scalar */
  bool f64, fma;
  int mant;     /* explicit mantissa bits: 23 or 52 */
  int64_t bias; /* of the exponent */
  double magic; /* 1.5 * 2^mant: adding it rounds to an integer, held in the low bits */
} Ew;

Ew math_ew(CgEmit *e, V like); /* for operands like this one */

static inline V K(const Ew *m, double v) { return cg_real(m->e, v, m->n); }
static inline V KI(const Ew *m, uint64_t v) { return cg_bits(m->e, v, m->n); }
static inline V add(const Ew *m, V x, V y) { return LLVMBuildFAdd(m->b, x, y, ""); }
static inline V sub(const Ew *m, V x, V y) { return LLVMBuildFSub(m->b, x, y, ""); }
static inline V mul(const Ew *m, V x, V y) { return LLVMBuildFMul(m->b, x, y, ""); }
static inline V divide(const Ew *m, V x, V y) { return LLVMBuildFDiv(m->b, x, y, ""); }
static inline V neg(const Ew *m, V x) { return LLVMBuildFNeg(m->b, x, ""); }
static inline V fma_(const Ew *m, V x, V y, V z) { return cg_fma(m->e, x, y, z); }
static inline V bits(const Ew *m, V x) { return LLVMBuildBitCast(m->b, x, cg_int_type(m->e, m->n), ""); }
static inline V real(const Ew *m, V x) { return LLVMBuildBitCast(m->b, x, cg_real_type(m->e, m->n), ""); }
static inline V pick(const Ew *m, V c, V x, V y) { return LLVMBuildSelect(m->b, c, x, y, ""); }
static inline V cmp(const Ew *m, LLVMRealPredicate p, V x, V y) { return LLVMBuildFCmp(m->b, p, x, y, ""); }
static inline V both(const Ew *m, V x, V y) { return LLVMBuildAnd(m->b, x, y, ""); }

V math_call1(const Ew *m, const char *intrinsic, V x);
V math_call2(const Ew *m, const char *intrinsic, V x, V y);
static inline V mag(const Ew *m, V x) { return math_call1(m, "llvm.fabs", x); }
static inline V sign_of(const Ew *m, V x, V y) { return math_call2(m, "llvm.copysign", x, y); }

/* The bound where x is beyond it, else x; a NaN stays. */
V math_at_most(const Ew *m, V x, double bound);
V math_at_least(const Ew *m, V x, double bound);

/* c[0] + x c[1] + ... + x^(n-1) c[n-1] */
V math_poly(const Ew *m, V x, const double *c, int n);
#define POLY(m, x, c) math_poly((m), (x), (c), (int)(sizeof(c) / sizeof *(c)))

/* e^x = 2^k (1 + q): k an integral real within +-2^11, z = pow2_magic + k, |q| < 0.42. x within the range of exp. */
typedef struct ExpParts {
  V q, k, z;
} ExpParts;
ExpParts math_exp_parts(const Ew *m, V x, V low); /* of x + low, low NULL or tiny against x */
static inline double pow2_magic(const Ew *m) { return m->magic + (double)m->bias; }
V math_pow2(const Ew *m, V z);               /* 2^k from z = pow2_magic + k, exponent in the normal range */
V math_exp_scale(const Ew *m, ExpParts p);   /* the whole value: rounds to subnormals, 0, infinity */
V math_exp_clamped(const Ew *m, V x, V low); /* exp of any x */

/* x = 2^k (1 + f), f in [sqrt(1/2) - 1, sqrt(2) - 1], for normal x > 0. */
typedef struct LogParts {
  V f, k;
} LogParts;
LogParts math_log_parts(const Ew *m, V x);
V math_log_normal(const Ew *m, V x);                  /* of a normal x > 0 */
void math_turn(const Ew *m, V u, V *cosine, V *sine); /* of 2 pi u, 0 <= u <= 1 */
/* `value` for positive finite x, else what the logarithm is there. */
V math_log_special(const Ew *m, V x, V value);
V math_log_scaled(const Ew *m, V x, V *shift); /* subnormals made normal; *shift to add to k */

/* One function a row of the op table. */
#define EW1(name, ...) V math_##name(const Ew *m, V x);
#define EW2(name, ...) V math_##name(const Ew *m, V x, V y);
#define CMP(name, ...) V math_##name(const Ew *m, V x, V y);
#include "ir/ops.def"

#endif
