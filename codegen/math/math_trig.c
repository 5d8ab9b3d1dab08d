/* sin, cos, tan, atan2, asin, acos, atan. Arguments are reduced by multiples of pi or pi/2 in three parts (Cody and Waite). */
#include "codegen/math/math_priv.h"

#include <math.h>

/* ---- reduction ------------------------------------------------------------------------------------ */

/* x = (k + shift) * pi * scale + r, |r| <= pi * scale / 2; parity has the last bit of k, above it anything. */
typedef struct Reduced {
  V r, parity;
} Reduced;

/* pi in three parts, all of them rounded down: so that r keeps the sign of a zero. With FMA every first
 * product is exact by itself; without, the first two parts have 32 bits and the products with k < 2^20 are. */
static const double PI32[3] = {0x1.921fb4p+1, 0x1.4442dp-23, 0x1.846988p-47};
static const double PI64_FMA[3] = {0x1.921fb54442d18p+1, 0x1.1a62633145c06p-53, 0x1.c1cd129024e08p-106};
static const double PI64[3] = {0x1.921fb544p+1, 0x1.0b4611a6p-33, 0x1.3198a2e037073p-68};

static Reduced reduce_same(const Ew *m, V x, double scale, double shift) {
  const double *pi = !m->f64 ? PI32 : m->fma ? PI64_FMA : PI64;
  V turns = K(m, M_1_PI / scale), magic = K(m, m->magic), z;
  if (shift == 0) z = fma_(m, x, turns, magic);
  else z = add(m, fma_(m, x, turns, K(m, -shift)), magic);
  V k = sub(m, z, magic), r = x;
  if (shift != 0) k = add(m, k, K(m, shift));
  for (int i = 0; i < 3; i++) r = fma_(m, k, K(m, -pi[i] * scale), r);
  return (Reduced){r, bits(m, z)};
}

/* Single precision without FMA has no exact products to build on: reduced in double. */
static Reduced reduce_any(const Ew *m, V x, double scale, double shift) {
  if (m->f64 || m->fma) return reduce_same(m, x, scale, shift);
  CgEmit wide = math_double(m->e);
  V w = LLVMBuildFPExt(m->b, x, cg_real_type(&wide, m->n), "");
  Ew d = math_ew(&wide, w);
  Reduced r = reduce_same(&d, w, scale, shift);
  r.r = LLVMBuildFPTrunc(m->b, r.r, cg_real_type(m->e, m->n), "");
  r.parity = LLVMBuildTrunc(m->b, r.parity, cg_int_type(m->e, m->n), "");
  return r;
}

/* NaN where k has more bits than the magic number leaves it: from there on neighbours of x are further apart than a turn
 * can be told. Just below, k may be off by a quarter of a turn and the kernels lose digits. In double without FMA 2^-53 |x|
 * is lost to the products; NaN where that is 1e-5. */
static Reduced reduce(const Ew *m, V x, double scale, double shift) {
  Reduced t = reduce_any(m, x, scale, shift);
  double limit = (!m->f64 ? 0x1p22 : m->fma ? 0x1p51 : 0x1p35) * 3.14159 * scale;
  t.r = pick(m, cmp(m, LLVMRealOLE, mag(m, x), K(m, limit)), t.r, K(m, NAN));
  return t;
}

/* ---- kernels ---------------------------------------------------------------------------------------- */

static const double SINPI32[] = {-0.166666666217980699, 0.00833333092027933333, -0.000198408431073361304, 2.75240759038810431e-6,
                                 -2.38655516010914118e-8};
static const double SINPI64[] = {-0.166666666666666656,   0.00833333333333319417,  -0.000198412698412091662,
                                 2.7557319211127514e-6,   -2.50521068718525269e-8, 1.60589396557124069e-10,
                                 -7.6429901282572376e-13, 2.72116012547007077e-15};
static const double SIN32[] = {-0.166666545790306339, 0.00833215875624439899, -0.000195150009868452268};
static const double SIN64[] = {-0.166666666666666305,  0.00833333333332206639, -0.000198412698295455605,
                               2.75573136054119202e-6, -2.505074515904176e-8,  1.58960737523481325e-10};
static const double COS32[] = {0.0416666467984508581, -0.00138873641296793747, 0.0000244380591612640204};
static const double COS64[] = {0.0416666666666665991,   -0.00138888888888740652, 0.000024801587289444351,
                               -2.75573143410154972e-7, 2.08757216792485331e-9,  -1.13595623666137088e-11};

static V odd_series(const Ew *m, V r, V u, V p) { return fma_(m, mul(m, u, p), r, r); }

/* sin r for |r| <= pi/2, negated when the parity is odd. The sign is that of r, zeros included. */
static V sine(const Ew *m, Reduced t) {
  V u = mul(m, t.r, t.r), s = odd_series(m, t.r, u, m->f64 ? POLY(m, u, SINPI64) : POLY(m, u, SINPI32));
  V flip = LLVMBuildShl(m->b, t.parity, KI(m, m->f64 ? 63 : 31), "");
  return sign_of(m, s, real(m, LLVMBuildXor(m->b, bits(m, t.r), flip, "")));
}

V math_sin(const Ew *m, V x) { return sine(m, reduce(m, x, 1, 0)); }

/* cos x = sin(x + pi/2) and x + pi/2 = (k + 1) pi + r. */
V math_cos(const Ew *m, V x) {
  Reduced t = reduce(m, x, 1, 0.5);
  t.parity = LLVMBuildNot(m->b, t.parity, "");
  return sine(m, t);
}

V math_tan(const Ew *m, V x) {
  Reduced t = reduce(m, x, 0.5, 0);
  V u = mul(m, t.r, t.r);
  V s = odd_series(m, t.r, u, m->f64 ? POLY(m, u, SIN64) : POLY(m, u, SIN32));
  s = sign_of(m, s, t.r);
  V c = fma_(m, mul(m, u, u), m->f64 ? POLY(m, u, COS64) : POLY(m, u, COS32), fma_(m, u, K(m, -0.5), K(m, 1)));
  V odd = LLVMBuildTrunc(m->b, t.parity, cg_bool_type(m->e, m->n), "");
  return divide(m, pick(m, odd, neg(m, c), s), pick(m, odd, s, c));
}

/* 4u = k + t exactly; by quarters of a turn. */
void math_turn(const Ew *m, V u, V *cosine, V *sine) {
  V four = mul(m, u, K(m, 4)), z = add(m, four, K(m, m->magic)), t = sub(m, four, sub(m, z, K(m, m->magic)));
  V r = mul(m, t, K(m, M_PI_2)), r2 = mul(m, r, r), k = bits(m, z), top = KI(m, (uint64_t)1 << (m->f64 ? 63 : 31));
  V s = odd_series(m, r, r2, m->f64 ? POLY(m, r2, SIN64) : POLY(m, r2, SIN32));
  V c = fma_(m, mul(m, r2, r2), m->f64 ? POLY(m, r2, COS64) : POLY(m, r2, COS32), fma_(m, r2, K(m, -0.5), K(m, 1)));
  V odd = LLVMBuildTrunc(m->b, k, cg_bool_type(m->e, m->n), ""), up = KI(m, m->f64 ? 62 : 30);
  V down = LLVMBuildAnd(m->b, LLVMBuildShl(m->b, k, up, ""), top, ""); /* k is 2 or 3 */
  V left = LLVMBuildAnd(m->b, LLVMBuildShl(m->b, LLVMBuildAdd(m->b, k, KI(m, 1), ""), up, ""), top, "");
  *cosine = real(m, LLVMBuildXor(m->b, bits(m, pick(m, odd, s, c)), left, ""));
  *sine = real(m, LLVMBuildXor(m->b, bits(m, pick(m, odd, c, s)), down, ""));
}

/* ---- atan2 ------------------------------------------------------------------------------------------ */

static const double ATAN32[] = {-0.333333151953362709, 0.199984719750667012, -0.142435407674104847, 0.10593859464373169,
                                -0.0607832016947139603};
static const double ATAN64[] = {-0.333333333333331961,  0.199999999999532233,  -0.142857142801644113,  0.111111107820615058,
                                -0.0909089772287455443, 0.0769205967935292512, -0.0666309880836293643, 0.0584785661650871911,
                                -0.0503917927956437736, 0.0380618744665625809, -0.0179047655768816573};

typedef struct Two {
  V hi, lo;
} Two; /* an unevaluated sum, |lo| tiny against |hi| */

/* turn * (pi/4) - a, where the condition holds. */
static Two reflect(const Ew *m, V where, double turn, Two a) {
  double hi = (m->f64 ? 0x1.921fb54442d18p-1 : 0x1.921fb6p-1) * turn;
  double lo = (m->f64 ? 0x1.1a62633145c07p-55 : -0x1.777a5cp-26) * turn;
  V top = K(m, hi), h = sub(m, top, a.hi);
  V l = add(m, sub(m, sub(m, top, h), a.hi), sub(m, K(m, lo), a.lo));
  return (Two){pick(m, where, h, a.hi), pick(m, where, l, a.lo)};
}

/* Brings both magnitudes (the larger one first) to where sums and quotients behave. */
static void tame(const Ew *m, V *large, V *small) {
  V inf = K(m, INFINITY), one = K(m, 1), zero = K(m, 0);
  V unbounded = cmp(m, LLVMRealOEQ, *large, inf), both_inf = cmp(m, LLVMRealOEQ, *small, inf);
  V s = pick(m, unbounded, pick(m, both_inf, one, zero), *small);
  V l = pick(m, unbounded, one, pick(m, cmp(m, LLVMRealOEQ, *large, zero), one, *large));
  V scale = pick(m, cmp(m, LLVMRealOGT, l, K(m, m->f64 ? 0x1p1000 : 0x1p120)), K(m, 0.25), one);
  *large = mul(m, l, scale);
  *small = mul(m, s, scale);
}

/* Octants: a = atan(small/large) in [0, pi/4], by t = (small - large)/(small + large) above pi/8. */
V math_atan2(const Ew *m, V y, V x) {
  V ax = mag(m, x), ay = mag(m, y), zero = K(m, 0);
  V steep = cmp(m, LLVMRealOGT, ay, ax);
  V large = pick(m, steep, ay, ax), small = pick(m, steep, ax, ay);
  tame(m, &large, &small);
  V upper = cmp(m, LLVMRealOGT, small, mul(m, large, K(m, M_SQRT2 - 1)));
  V t = divide(m, pick(m, upper, sub(m, small, large), small), pick(m, upper, add(m, small, large), large));
  V u = mul(m, t, t);
  V at = odd_series(m, t, u, m->f64 ? POLY(m, u, ATAN64) : POLY(m, u, ATAN32));
  Two a = reflect(m, upper, 1, (Two){pick(m, upper, neg(m, at), at), zero});
  a = reflect(m, steep, 2, a);
  V sign = LLVMBuildICmp(m->b, LLVMIntSLT, bits(m, x), KI(m, 0), "");
  a = reflect(m, sign, 4, a);
  V r = sign_of(m, add(m, a.hi, a.lo), y);
  return pick(m, cmp(m, LLVMRealUNO, x, y), add(m, x, y), r);
}

V math_atan(const Ew *m, V x) { return math_atan2(m, x, K(m, 1)); }

/* The other side of a triangle with hypotenuse 1; NaN beyond it. */
static V side(const Ew *m, V x) {
  V one = K(m, 1);
  return math_sqrt(m, mul(m, sub(m, one, x), add(m, one, x)));
}

V math_asin(const Ew *m, V x) { return math_atan2(m, x, side(m, x)); }
V math_acos(const Ew *m, V x) { return math_atan2(m, side(m, x), x); }
