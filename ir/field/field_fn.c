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
 *   NaN, inf unknown numbers, inf = -(-inf)
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
  if (!field_is_exp(e, x) && !field_is_zero(x)) field_note_root(e, x, y.im != 0);
  e->imaginary |= x.im || y.im;
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

static FieldElem of_bool(bool b) { return (FieldElem){b, 0}; }

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
  return field_log(e, field_add(x, square_root(e, field_add(field_mul(x, x), field_int(c)))));
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

FieldElem field_apply(FieldEnv *e, Op op, FieldElem a, FieldElem b) {
  FieldElem out;
  if (ir_op[op].cls == OPC_LOGIC) return of_bool(ir_eval_scalar(op, (double)a.re, (double)b.re) != 0);
  return constant(e, op, a, b, &out) ? out : general(e, op, a, b);
}
