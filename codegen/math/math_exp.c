/* exp, expm1, tanh, sigmoid, softplus, erf, log, log2, log1p.
 *
 * All of exp's family but tanh rest on math_exp_parts: x = k ln 2 + r, |r| <= ln 2 / 2, q = e^r - 1 = r + r^2 Q(r),
 * k found by adding 1.5 * 2^mant and the bias of exponents, which leaves the exponent of 2^k in the low bits.
 * The log family rests on math_log_parts and log_sum. */
#include "codegen/math/math_priv.h"

#include <math.h>

/* ---- e^x - 1 on a reduced argument ------------------------------------------------------------ */

static const double EXP32[] = {0.500000009478846414, 0.166665189954660856, 0.0416662061063376753, 0.00836887430547937031,
                               0.00139504858151379053};
static const double EXP64[] = {0.500000000000001285,   0.166666666666666933,    0.0416666666665147305,    0.00833333333331066988,
                               0.00138888889471690846, 0.000198412699102802905, 0.0000248014898022606178, 2.75572223671234568e-6,
                               2.76313252541478441e-7, 2.511601216450501e-8};

/* ln 2 in two parts. Without FMA the first has so few bits that its product with k is exact. */
static void ln2_parts(const Ew *m, double part[2]) {
  if (m->f64) {
    part[0] = m->fma ? 0x1.62e42fefa39efp-1 : 0x1.62e42ff000000p-1;
    part[1] = m->fma ? 0x1.abc9e3b39803fp-56 : -0x1.718432a1b0e26p-35;
  } else {
    part[0] = m->fma ? 0x1.62e43p-1 : 0x1.63p-1;
    part[1] = m->fma ? -0x1.05c61p-29 : -0x1.bd0106p-13;
  }
}

ExpParts math_exp_parts(const Ew *m, V x, V low) {
  double ln2[2];
  ln2_parts(m, ln2);
  ExpParts p;
  p.z = fma_(m, x, K(m, M_LOG2E), K(m, pow2_magic(m)));
  p.k = sub(m, p.z, K(m, pow2_magic(m)));
  V r = fma_(m, p.k, K(m, -ln2[0]), x);
  r = fma_(m, p.k, K(m, -ln2[1]), r);
  if (low) r = add(m, r, low);
  V q = m->f64 ? POLY(m, r, EXP64) : POLY(m, r, EXP32);
  p.q = fma_(m, mul(m, r, r), q, r);
  return p;
}

/* The shift drops all of z but the exponent. */
V math_pow2(const Ew *m, V z) { return real(m, LLVMBuildShl(m->b, bits(m, z), KI(m, (uint64_t)m->mant), "")); }

/* Without an instruction for it, 2^k is 2^h * 2^(k - h), h = k/2 rounded: each factor is normal, and only the last product rounds. */
V math_exp_scale(const Ew *m, ExpParts p) {
  if (cg_estimates(m->e, m->n)) return m->e->target->instruction->scale(m->e, add(m, p.q, K(m, 1)), p.k);
  V magic = K(m, pow2_magic(m)), zh = fma_(m, p.k, K(m, 0.5), magic), h = sub(m, zh, magic);
  V half = math_pow2(m, zh), rest = math_pow2(m, add(m, sub(m, p.k, h), magic));
  return mul(m, fma_(m, half, p.q, half), rest);
}

V math_exp_clamped(const Ew *m, V x, V low) {
  x = math_at_least(m, math_at_most(m, x, m->f64 ? 710 : 89), m->f64 ? -746 : -104);
  return math_exp_scale(m, math_exp_parts(m, x, low));
}

V math_exp(const Ew *m, V x) { return math_exp_clamped(m, x, NULL); }

/* 2 (2^(k-1) q + (2^(k-1) - 1/2)), so that k = 128 or 1024 does not overflow too early. */
V math_expm1(const Ew *m, V x) {
  V c = math_at_least(m, math_at_most(m, x, m->f64 ? 710 : 89), m->f64 ? -40 : -20);
  ExpParts p = math_exp_parts(m, c, NULL);
  V half = math_pow2(m, sub(m, p.z, K(m, 1)));
  V y = fma_(m, half, p.q, sub(m, half, K(m, 0.5)));
  return sign_of(m, add(m, y, y), x);
}

/* (e^(2r) - 1)/2 = r + r^2 Q(r): as math_exp_parts has it, each coefficient times a power of two. */
static V half_expm1(const Ew *m, V r) {
  double c[sizeof EXP64 / sizeof *EXP64];
  int n = m->f64 ? (int)(sizeof EXP64 / sizeof *EXP64) : (int)(sizeof EXP32 / sizeof *EXP32);
  for (int i = 0; i < n; i++) c[i] = ldexp(m->f64 ? EXP64[i] : EXP32[i], i + 1);
  return fma_(m, mul(m, r, r), math_poly(m, r, c, n), r);
}

/* With h = (e^(2|x|) - 1)/2: tanh |x| = h / (h + 1). The clamp is where that rounds to 1. |x| = k ln(2)/2 + r, with all
 * of ln 2 that one real holds: what it lacks is lost in tanh, which is flat where k is large. */
V math_tanh(const Ew *m, V x) {
  double ln2[2];
  ln2_parts(m, ln2);
  V a = math_at_most(m, mag(m, x), m->f64 ? 19.0625 : 9.011);
  V magic = K(m, pow2_magic(m)), z = fma_(m, a, K(m, 2 * M_LOG2E), magic), k = sub(m, z, magic);
  V r = fma_(m, k, K(m, -ln2[0] / 2), a);
  if (!m->fma) r = fma_(m, k, K(m, -ln2[1] / 2), r);
  V two = math_pow2(m, z), h = fma_(m, two, half_expm1(m, r), fma_(m, two, K(m, 0.5), K(m, -0.5)));
  return sign_of(m, divide(m, h, add(m, h, K(m, 1))), x);
}

static V exp_minus_abs(const Ew *m, V x) {
  V a = math_at_most(m, mag(m, x), m->f64 ? 746 : 104);
  return math_exp_scale(m, math_exp_parts(m, neg(m, a), NULL));
}

V math_sigmoid(const Ew *m, V x) {
  V t = exp_minus_abs(m, x), one = K(m, 1);
  V top = pick(m, cmp(m, LLVMRealOGE, x, K(m, 0)), one, t);
  return divide(m, top, add(m, t, one));
}

/* ---- logarithms -------------------------------------------------------------------------------- */

static const double LOG32[] = {0.33333316549143211,  -0.250008098090499477, 0.200023009895436738, -0.166245865438553483,
                               0.141809000316255882, -0.131281470448547491, 0.128832918067182978, -0.0786315881473234956};
static const double LOG64[] = {0.666666666666673487, 0.399999999994112142, 0.285714287432443504, 0.222221984773450017,
                               0.181835696854681636, 0.153139043689587188, 0.14797498299084299};

/* k ln 2 + log(1 + f) + c, c tiny against the rest (or NULL). f as in LogParts. */
static V log_sum(const Ew *m, V k, V f, V c) {
  V hi = K(m, m->f64 ? 0x1.62e42ff000000p-1 : 0x1.63p-1); /* k * hi is exact */
  V lo = K(m, m->f64 ? -0x1.718432a1b0e26p-35 : -0x1.bd0106p-13);
  V half = mul(m, mul(m, f, f), K(m, 0.5)), small;
  if (m->f64) { /* with s = f/(2+f): log(1+f) = f - f^2/2 + s (f^2/2 + s^2 R) */
    V s = divide(m, f, add(m, f, K(m, 2))), z = mul(m, s, s);
    small = mul(m, s, fma_(m, z, POLY(m, z, LOG64), half));
  } else {
    V f2 = mul(m, f, f);
    small = mul(m, mul(m, POLY(m, f, LOG32), f), f2);
  }
  if (c) small = add(m, small, c);
  small = fma_(m, k, lo, small);
  return fma_(m, k, hi, add(m, f, sub(m, small, half)));
}

LogParts math_log_parts(const Ew *m, V x) {
  uint64_t root = m->f64 ? 0x3fe6a09e667f3bcdULL : 0x3f3504f3; /* sqrt(1/2) */
  uint64_t one = (uint64_t)m->bias << m->mant, fraction = ((uint64_t)1 << m->mant) - 1;
  V d = LLVMBuildAdd(m->b, bits(m, x), KI(m, one - root), "");
  V k = LLVMBuildLShr(m->b, d, KI(m, (uint64_t)m->mant), ""); /* biased */
  V whole = real(m, LLVMBuildOr(m->b, k, KI(m, (uint64_t)(m->mant + m->bias) << m->mant), ""));
  V base = real(m, LLVMBuildAdd(m->b, LLVMBuildAnd(m->b, d, KI(m, fraction), ""), KI(m, root), ""));
  return (LogParts){sub(m, base, K(m, 1)), sub(m, whole, K(m, ldexp(1, m->mant) + (double)m->bias))};
}

V math_log_scaled(const Ew *m, V x, V *shift) {
  double up = m->f64 ? 54 : 25;
  V small = cmp(m, LLVMRealOLT, x, K(m, m->f64 ? 0x1p-1022 : 0x1p-126));
  *shift = pick(m, small, K(m, -up), K(m, 0));
  return pick(m, small, mul(m, x, K(m, ldexp(1, (int)up))), x);
}

V math_log_special(const Ew *m, V x, V value) {
  V zero = K(m, 0), low = pick(m, cmp(m, LLVMRealOEQ, x, zero), K(m, -INFINITY), K(m, NAN));
  value = pick(m, cmp(m, LLVMRealOGT, x, zero), value, low);
  return pick(m, cmp(m, LLVMRealUEQ, x, K(m, INFINITY)), x, value); /* infinity and NaN */
}

V math_log(const Ew *m, V x) {
  V shift, scaled = math_log_scaled(m, x, &shift);
  LogParts p = math_log_parts(m, scaled);
  return math_log_special(m, x, log_sum(m, add(m, p.k, shift), p.f, NULL));
}

V math_log_normal(const Ew *m, V x) {
  LogParts p = math_log_parts(m, x);
  return log_sum(m, p.k, p.f, NULL);
}

/* k + log(1 + f)/ln 2: whole for powers of two. */
V math_log2(const Ew *m, V x) {
  V shift, scaled = math_log_scaled(m, x, &shift);
  LogParts p = math_log_parts(m, scaled);
  V l = log_sum(m, K(m, 0), p.f, NULL);
  return math_log_special(m, x, fma_(m, l, K(m, 1.4426950408889634), add(m, p.k, shift)));
}

/* u + c = 1 + x exactly; log u, and c/u put in before the last roundings. */
V math_log1p(const Ew *m, V x) {
  V one = K(m, 1), u = add(m, x, one), v = sub(m, u, one);
  V c = add(m, sub(m, x, v), sub(m, one, sub(m, u, v)));
  LogParts p = math_log_parts(m, u);
  V y = math_log_special(m, u, log_sum(m, p.k, p.f, divide(m, c, u)));
  return sign_of(m, y, x);
}

/* log(1 + t) for t in [0, 1]: f is t, or (t - 1)/2 with k = 1, either of them exact. */
static V log1p_unit(const Ew *m, V t) {
  V one = K(m, 1), upper = cmp(m, LLVMRealOGT, t, K(m, M_SQRT2 - 1));
  V f = pick(m, upper, mul(m, sub(m, t, one), K(m, 0.5)), t);
  return log_sum(m, pick(m, upper, one, K(m, 0)), f, NULL);
}

V math_softplus(const Ew *m, V x) {
  V l = log1p_unit(m, exp_minus_abs(m, x)), zero = K(m, 0);
  return add(m, l, pick(m, cmp(m, LLVMRealOGT, x, zero), x, zero));
}

/* ---- erf ---------------------------------------------------------------------------------------- */

static const double ERF32[] = {0.128379165725507517,   -0.376126258217542055,    0.112835851354057764,    -0.0268538115433954767,
                               0.00518832705042865843, -0.000801018847022895431, 0.0000785384507172255312};
static const double ERF64[] = {0.128379167095512566,   -0.376126389031835193,    0.11283791670944174,     -0.026866170643109758,
                               0.0052239776061046081,  -0.000854832592866452205, 0.000120552935580474334, -0.0000149247119528697122,
                               1.64471274370758889e-6, -1.62062834734538474e-7,  1.37108553963143086e-8,  -7.7792462194648474e-10};
static const double ERFC32[] = {1.84960551578676435,     2.63896687493978189,   0.84311763438748308,     0.0415034375997147902,
                                -0.00989536340190949469, 0.0018292893774104369, -0.000186347396150567649};
static const double ERFC64[] = {
  1.84960550993324826,    2.63896751423478855,      0.84310725635865981,       0.041561098042173074,     -0.0100338253784027949,
  0.00197790259382021886, -0.00023732259004637997,  -0.0000262775640836916866, 0.0000271584803981645144, -9.6079668636378735e-6,
  2.05875307575989631e-6, -1.4204683997881016e-7,   -9.80497010260038916e-8,   5.22634137368642057e-8,   -1.49852145512078664e-8,
  2.88108044067604531e-9, -3.70877426002804653e-10, 2.90582737068530141e-11,   -1.04921893534684503e-12};

/* Below 1: x + x P(x^2). Above: 1 - e^-p(|x| - 1), p = -log erfc; clamped where that rounds to 1. */
V math_erf(const Ew *m, V x) {
  V a = mag(m, x), u = mul(m, a, a);
  V low = fma_(m, a, m->f64 ? POLY(m, u, ERF64) : POLY(m, u, ERF32), a);
  V t = sub(m, math_at_most(m, a, m->f64 ? 5.95 : 3.95), K(m, 1));
  V p = m->f64 ? POLY(m, t, ERFC64) : POLY(m, t, ERFC32);
  ExpParts ex = math_exp_parts(m, neg(m, p), NULL);
  V two = math_pow2(m, ex.z), high = sub(m, K(m, 1), fma_(m, two, ex.q, two));
  return sign_of(m, pick(m, cmp(m, LLVMRealOLT, a, K(m, 1)), low, high), x);
}
