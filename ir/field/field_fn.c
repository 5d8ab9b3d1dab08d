/* Elementwise ops in the field. The unknown functions keep these relations, x being any element:
 *
 *   exp      exp(0) = 1, exp(-x) = 1/exp x, exp x > 0, exp(log x) = x, log(exp x) = x
 *   log      log 1 = 0, log(1/x) = -log x, log(1 + exp x) = softplus x
 *   softplus softplus x - softplus(-x) = x
 *   expm1, log1p, sigmoid, tanh   rational in exp and log: exp x - 1, log(1 + x), 1/(1 + exp(-x)),
 *            (exp 2x - 1)/(exp 2x + 1)
 *   sin, cos, tan   sin x = 2t/(1 + t^2), cos x = (1 - t^2)/(1 + t^2) for a random odd t(x); tan = sin/cos
 *   sinh, cosh   rational in exp; asinh x = log(x + sqrt(x^2 + 1)), acosh, atanh likewise; log10 x = log x/log 10
 *   atan x = atan2(x, 1), asin x = atan2(x, sqrt(1 - x^2)), acos x = atan2(sqrt(1 - x^2), x)
 *   floor ceil x = -floor(-x), mod(x, y) = x - y floor(x/y); round odd
 *   erf odd; atan2 odd in its first operand
 *   pow      exact for whole and half exponents, else exp(b log a); powlog, powlog2: times log a, its square
 *   inf      what is computed with it is as of numbers, or has no value; NaN: see FIELD_NAN
 *   sign     field_sign, the true sign for constants; a < b means b - a > 0; abs, relu, min, max follow
 *
 * and with env->related, which is asked for only where functions differ without it, those of field_hom.c:
 *
 *   exp(a x + b y + ...) = (exp x)^a (exp y)^b ... for rational a, b, ... of denominator up to 6: whole coefficients
 *            up to 12 of one, 8 of two, 4 of four, 2 of eight, 1 of 14 arguments; sums of two among more;
 *            exp(x + c) = exp(c) exp x for a constant c, exp(c) being folded
 *   log      the same read backwards: log(x^a y^b ...) = a log x + b log y + ... for positive x, y, ...;
 *            log(c x) = log c + log x for a constant c > 0, log c being folded
 *   cos + i sin   as exp, denominators 2, 3, 4, 6; of x + k pi/12, where k pi/12 is a constant of the program
 *   atan2(k y, k x) = atan2(y, x) for k > 0; sin, cos atan2(y, x) = y/r, x/r, r = sqrt(x^2 + y^2)
 *   sqrt(exp x) = exp(x/2), and what follows for tanh, sigmoid, softplus, pow, sinh, cosh
 *
 * With env->exact pi is an unknown number of which rational multiples are known as angles (field_turn.c).
 *
 * Constants (elements that the environment knows) are computed with as numbers, by num.c, as the builder
 * does when it folds them. So an element that turns out to be a constant only later has been
 * computed with in another way before: `learned` asks for another evaluation then. */
#include "ir/field/field_priv.h"

#include <math.h>

static FieldElem divide(FieldEnv *e, FieldElem a, FieldElem b) {
  return field_is_zero(b) ? field_no_value(e, "divides by zero") : field_mul(a, field_inverse(b));
}

/* ---- signs ---- */

static int sign(FieldEnv *e, FieldElem x) {
  const Num *k = field_known(e, x);
  if (k) return (k->v > 0) - (k->v < 0);
  if ((k = field_known(e, field_neg(x)))) return (k->v < 0) - (k->v > 0);
  return field_decide_sign(e, x);
}

static bool less(FieldEnv *e, FieldElem a, FieldElem b) { return sign(e, field_sub(b, a)) > 0; }

/* ---- functions ---- */

static FieldElem hyperbolic_tangent(FieldEnv *e, FieldElem x) {
  FieldElem y = field_exp(e, field_add(x, x));
  return divide(e, field_sub(y, FIELD_ONE), field_add(y, FIELD_ONE));
}

static FieldElem logistic(FieldEnv *e, FieldElem x) {
  FieldElem y = field_exp(e, x);
  return divide(e, y, field_add(y, FIELD_ONE));
}

static FieldElem square_root(FieldEnv *e, FieldElem x) {
  FieldElem y;
  if (!field_sqrt(x, &y)) return field_no_value(e, "no square root in the field");
  if (field_is_zero(x)) return y;
  if (!field_is_exp(e, x)) field_note_root(e, x, y.im != 0);
  y.tag |= field_domain(e, x, x.im || y.im);
  return y;
}

static FieldElem circular(FieldEnv *e, Op op, FieldElem x) {
  FieldElem cosine, sine;
  field_circle(e, x, &cosine, &sine);
  if (op == OP_tan) return divide(e, sine, cosine);
  return op == OP_sin ? sine : cosine;
}

/* Whether x is a whole number of moderate size. */
static bool whole(FieldElem x, int64_t *n) {
  const int64_t most = 1 << 20;
  if (x.im) return false;
  *n = x.re > FIELD_P / 2 ? -(int64_t)(FIELD_P - x.re) : (int64_t)x.re;
  return *n >= -most && *n <= most;
}

static FieldElem general_power(FieldEnv *e, FieldElem a, FieldElem b) {
  int64_t n, twice;
  if (!whole(field_add(b, b), &twice)) return e->unknown = true, field_exp(e, field_mul(b, field_log(e, a)));
  n = twice < 0 ? -twice : twice;
  FieldElem y = field_power(a, (uint64_t)n / 2);
  if (n & 1) y = field_mul(y, square_root(e, a));
  return twice < 0 ? divide(e, FIELD_ONE, y) : y;
}

/* ---- all ---- */

static FieldElem of_bool(bool b) { return (FieldElem){b, 0, FIELD_NONNEG}; }

static bool arithmetic(Op op) { return ir_op[op].cls == OPC_EW1 || ir_op[op].cls == OPC_EW2; }

/* On constants as fold.c does. */
static bool constant(FieldEnv *e, Op op, FieldElem a, FieldElem b, FieldElem *out) {
  const Num *x = field_known(e, a), *y = x && ir_op[op].arity > 1 ? field_known(e, b) : x;
  if (!x || !y) return false;
  Num m = *x, n = *y;
  if (!arithmetic(op)) return *out = of_bool(ir_eval_scalar(op, m.v, n.v) != 0), true;
  Num r = num_apply(op, m, n);
  if (e->exact && r.den == 0) return false;
  e->rounded |= r.den == 0;
  return *out = field_const(e, r.v, r.num, r.den), true;
}

static bool equal(FieldEnv *e, FieldElem a, FieldElem b) {
  bool same = field_eq(a, b);
  e->unequal |= !same;
  return same;
}

/* (exp x + sign exp(-x))/2 */
static FieldElem hyperbolic(FieldEnv *e, FieldElem x, int64_t sign) {
  FieldElem y = field_exp(e, x), z = field_mul(field_int(sign), field_inverse(y));
  return field_mul(field_add(y, z), field_ratio(1, 2));
}

/* log(x + sqrt(x^2 + c)) */
static FieldElem area(FieldEnv *e, FieldElem x, int64_t c) {
  FieldElem y = field_add(x, square_root(e, field_add(field_mul(x, x), field_int(c))));
  if (c > 0) y.tag |= FIELD_NONNEG;
  return field_log(e, y);
}

static FieldElem area_tangent(FieldEnv *e, FieldElem x) {
  FieldElem ratio = divide(e, field_add(FIELD_ONE, x), field_sub(FIELD_ONE, x));
  return field_mul(field_log(e, ratio), field_ratio(1, 2));
}

static FieldElem side(FieldEnv *e, FieldElem x) { return square_root(e, field_sub(FIELD_ONE, field_mul(x, x))); }

static FieldElem lower(FieldEnv *e, FieldElem x) {
  e->unknown = true;
  return field_keyed(e, OP_floor, x, FIELD_ONE);
}

static FieldElem general(FieldEnv *e, Op op, FieldElem a, FieldElem b) {
  e->unknown |= ir_has(op, OPF_SLOW) && op != OP_pow;
  switch (op) {
  case OP_neg: return field_neg(a);
  case OP_abs: return sign(e, a) < 0 ? field_neg(a) : a;
  case OP_sign: return field_int(sign(e, a));
  case OP_relu: return sign(e, a) > 0 ? a : of_bool(false);
  case OP_exp: return field_exp(e, a);
  case OP_expm1: return field_sub(field_exp(e, a), FIELD_ONE);
  case OP_log: return field_log(e, a);
  case OP_log1p: return field_log(e, field_add(FIELD_ONE, a));
  case OP_log2: return divide(e, field_log(e, a), field_log(e, field_int(2)));
  case OP_sqrt: return square_root(e, a);
  case OP_rsqrt: return divide(e, FIELD_ONE, square_root(e, a));
  case OP_rsqrt3: return divide(e, FIELD_ONE, field_mul(a, square_root(e, a)));
  case OP_sin:
  case OP_cos:
  case OP_tan: return circular(e, op, a);
  case OP_log10: return divide(e, field_log(e, a), field_log(e, field_int(10)));
  case OP_atan: return field_angle(e, a, FIELD_ONE);
  case OP_asin: return field_angle(e, a, side(e, a));
  case OP_acos: return field_angle(e, side(e, a), a);
  case OP_sinh: return hyperbolic(e, a, -1);
  case OP_cosh: return hyperbolic(e, a, 1);
  case OP_asinh: return area(e, a, 1);
  case OP_acosh: return area(e, a, -1);
  case OP_atanh: return area_tangent(e, a);
  case OP_stop:
  case OP_fixed: return a;
  case OP_tanh: return hyperbolic_tangent(e, a);
  case OP_sigmoid: return logistic(e, a);
  case OP_softplus: return field_softplus(e, a);
  case OP_floor: return lower(e, a);
  case OP_ceil: return field_neg(lower(e, field_neg(a)));
  case OP_round: e->unknown = true; /* falls through */
  case OP_erf: return field_odd(e, op, a, FIELD_ONE);
  case OP_add: return field_add(a, b);
  case OP_sub: return field_sub(a, b);
  case OP_mul: return field_mul(a, b);
  case OP_div: return divide(e, a, b);
  case OP_pow: return general_power(e, a, b);
  case OP_powlog: return field_mul(general_power(e, a, b), field_log(e, a));
  case OP_powlog2: return field_mul(general_power(e, a, b), field_mul(field_log(e, a), field_log(e, a)));
  case OP_min: return less(e, b, a) ? b : a;
  case OP_max: return less(e, a, b) ? b : a;
  case OP_mod: return field_sub(a, field_mul(b, lower(e, divide(e, a, b))));
  case OP_atan2: return field_angle(e, a, b);
  case OP_lt: return of_bool(less(e, a, b));
  case OP_le: return of_bool(field_eq(a, b) || less(e, a, b));
  case OP_eq: return of_bool(equal(e, a, b));
  case OP_ne: return of_bool(!equal(e, a, b));
  default: e->unknown = true; return field_keyed(e, op, a, ir_op[op].arity > 1 ? b : FIELD_ONE); /* nothing else is known of it */
  }
}

/* ---- what is no number --------------------------------------------------------------------------------- */

/* As a double; 0 stands for a number that is not known. False: that would tell another result. */
static bool extended(const FieldEnv *e, Op op, FieldElem x, double *v) {
  const Num *k = field_known(e, x);
  *v = k ? k->v : 0;
  if (x.tag & FIELD_INF) return *v = field_eq(x, field_not_finite(e, INFINITY)) ? INFINITY : -INFINITY, true;
  return k || op == OP_add || op == OP_sub || op == OP_min || op == OP_max || ir_op[op].cls == OPC_CMP;
}

/* An operand is infinite. */
static FieldElem of_infinity(FieldEnv *e, Op op, FieldElem a, FieldElem b) {
  double x, y, r;
  if (ir_op[op].arity < 2) b = a;
  if (!extended(e, op, a, &x) || !extended(e, op, b, &y)) return field_no_value(e, "an infinity is computed with");
  r = ir_eval_scalar(op, x, y);
  if (ir_op[op].cls == OPC_CMP) return of_bool(r != 0);
  if (op == OP_min || op == OP_max) return isinf(r) == isinf(x) && r == x ? a : b;
  if (!isfinite(r)) return field_not_finite(e, r);
  return r == floor(r) && fabs(r) < 1e6 ? field_const(e, r, (int64_t)r, 1) : field_no_value(e, "an infinity is computed with");
}

/* Of values that are NaN: false, but for `ne`. */
static bool compares_nan(FieldEnv *e, Op op, uint32_t lost) {
  if (ir_op[op].cls != OPC_CMP) return false;
  e->rows |= (lost & FIELD_ROW) != 0;
  e->domains |= (lost & FIELD_NAN) != 0;
  return (lost & FIELD_NAN) != 0;
}

/* Nowhere negative, whatever the operands. */
static bool nonnegative(Op op, FieldElem a, FieldElem b) {
  static const Op all[] = {OP_abs, OP_relu, OP_exp, OP_sqrt, OP_rsqrt, OP_rsqrt3, OP_cosh, OP_sigmoid, OP_softplus, OP_acos};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++)
    if (op == all[k]) return true;
  return op == OP_max && (a.tag | b.tag) & FIELD_NONNEG;
}

/* x^0 and 1^x are 1. */
static bool power_is_one(Op op, FieldElem a, FieldElem b) {
  return op == OP_pow && ((field_is_zero(b) && !(b.tag & FIELD_NAN)) || (field_eq(a, FIELD_ONE) && !(a.tag & FIELD_NAN)));
}

/* ---- any op --------------------------------------------------------------------------------------------- */

FieldElem field_apply(FieldEnv *e, Op op, FieldElem a, FieldElem b) {
  const uint32_t tags = a.tag | (ir_op[op].arity > 1 ? b.tag : 0);
  FieldElem out;
  if (ir_op[op].cls == OPC_LOGIC) return of_bool(ir_eval_scalar(op, (double)a.re, (double)b.re) != 0);
  if (compares_nan(e, op, tags)) return of_bool(op == OP_ne);
  if (ir_op[op].cls == OPC_CMP) a.tag &= ~(uint32_t)FIELD_ROW, b.tag &= ~(uint32_t)FIELD_ROW;
  if (tags & FIELD_INF && !(tags & FIELD_NAN)) out = of_infinity(e, op, a, b);
  else if (!constant(e, op, a, b, &out)) out = general(e, op, a, b);
  if (ir_op[op].cls == OPC_CMP) return out;
  out.tag |= power_is_one(op, a, b) ? 0 : tags & FIELD_LOST;
  if (nonnegative(op, a, b)) out.tag |= FIELD_NONNEG;
  return out;
}
