/* Elementwise ops in the field. The unknown functions keep these relations, x being any element:
 *
 *   exp      exp(0) = 1, exp(-x) = 1/exp x, exp x > 0, exp(log x) = x, log(exp x) = x
 *   log      log 1 = 0, log(1/x) = -log x, log(1 + exp x) = softplus x
 *   softplus softplus x - softplus(-x) = x
 *   expm1, log1p, sigmoid, tanh   rational in exp and log: exp x - 1, log(1 + x), 1/(1 + exp(-x)),
 *            (exp 2x - 1)/(exp 2x + 1)
 *   sin, cos, tan   ((2t)/(1 + t^2), (1 - t^2)/(1 + t^2)) for a random odd t(x); sin/cos
 *   erf odd; atan2 odd in its first operand
 *   pow      exact for whole and half exponents, else exp(b log a)
 *   NaN, inf unknown numbers, inf = -(-inf)
 *   sign     field_sign, the true sign for constants; a < b means b - a > 0; abs, relu, min, max follow
 *
 * Constants (elements that are in the map `known`) are computed with as numbers, by num.c, as the builder
 * does when it folds them. So an element that turns out to be a constant only later has been
 * computed with in another way before: `learned` asks for another evaluation then. */
#include "ir/field.h"
#include "ir/fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const FieldElem ONE = {1, 0}, TWO = {2, 0};

/* ---- maps: open addressing, never more than half full ---- */

typedef struct Entry {
  FieldElem key, to;
  Num num;
  bool used;
} Entry;

struct FieldMap {
  Entry *at;
  uint32_t n, cap;           /* cap a power of two */
};

enum { MAP_FIRST = 64, MAP_MOST = 1 << 20 };

static uint64_t mix(uint64_t h, uint64_t x) {
  h = (h ^ x) * UINT64_C(0x9e3779b97f4a7c15);
  h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
  return h ^ h >> 32;
}

static struct FieldMap *map_create(void) {
  struct FieldMap *m = base_realloc(NULL, sizeof *m);
  *m = (struct FieldMap){base_realloc(NULL, MAP_FIRST * sizeof(Entry)), 0, MAP_FIRST};
  memset(m->at, 0, MAP_FIRST * sizeof(Entry));
  return m;
}

static void map_destroy(struct FieldMap *m) {
  if (m) free(m->at);
  free(m);
}

static void map_clear(struct FieldMap *m) {
  memset(m->at, 0, m->cap * sizeof *m->at);
  m->n = 0;
}

static Entry *map_slot(const struct FieldMap *m, FieldElem key) {
  uint32_t k = (uint32_t)mix(key.re, key.im) & (m->cap - 1);
  while (m->at[k].used && !field_eq(m->at[k].key, key)) k = (k + 1) & (m->cap - 1);
  return &m->at[k];
}

static const Entry *map_find(const struct FieldMap *m, FieldElem key) {
  const Entry *e = map_slot(m, key);
  return e->used ? e : NULL;
}

/* Keeps what is there. False: it was there. */
static bool map_add(struct FieldMap *m, Entry entry) {
  if (2 * (m->n + 1) > m->cap) {
    struct FieldMap old = *m;
    m->cap *= 2;
    m->at = base_realloc(NULL, m->cap * sizeof *m->at);
    memset(m->at, 0, m->cap * sizeof *m->at);
    for (uint32_t k = 0; k < old.cap; k++)
      if (old.at[k].used) *map_slot(m, old.at[k].key) = old.at[k];
    free(old.at);
  }
  Entry *to = map_slot(m, entry.key);
  if (to->used) return false;
  entry.used = true;
  *to = entry;
  m->n++;
  return true;
}

/* ---- environments ---- */

void field_env_init(FieldEnv *e, uint64_t seed) {
  *e = (FieldEnv){.known = map_create(), .exps = map_create(), .logs = map_create()};
  for (int k = -2; k <= 2; k++) field_const(e, k, k, 1);
  field_env_point(e, seed);
}

void field_env_point(FieldEnv *e, uint64_t seed) {
  e->seed = seed;
  e->learned = 0;
  e->imaginary = e->branched = e->rounded = false;
  e->why = NULL;
  map_clear(e->exps);
  map_clear(e->logs);
}

void field_env_finish(FieldEnv *e) {
  map_destroy(e->known);
  map_destroy(e->exps);
  map_destroy(e->logs);
  *e = (FieldEnv){0};
}

static FieldElem no_value(FieldEnv *e, const char *why) {
  if (!e->why) e->why = why;
  return (FieldElem){0, 0};
}

FieldElem field_keyed(const FieldEnv *e, uint64_t tag, FieldElem a, FieldElem b) {
  uint64_t state = mix(mix(mix(mix(mix(e->seed, tag), a.re), a.im), b.re), b.im);
  return field_random(&state);
}

/* NaN and the infinities are unknown numbers. */
static FieldElem not_finite(const FieldEnv *e, double v) {
  FieldElem x = field_keyed(e, OP_const, (FieldElem){isnan(v), 0}, ONE);
  return v < 0 ? field_neg(x) : x;
}

FieldElem field_table(const FieldEnv *e, double v) { return isfinite(v) ? field_double(v) : not_finite(e, v); }

FieldElem field_const(FieldEnv *e, double v, int64_t num, int64_t den) {
  if (!isfinite(v)) return not_finite(e, v);
  FieldElem x = den > 0 ? field_ratio(num, den) : field_double(v);
  if (e->known->n >= MAP_MOST) return no_value(e, "too many constants");
  e->learned += map_add(e->known, (Entry){.key = x, .num = {v, num, den > 0 ? den : 0}});
  return x;
}

/* ---- signs ---- */

/* x without a sign that is told by *negative: of x and -x, one. */
static FieldElem positive(FieldElem x, bool *negative) {
  *negative = x.re > FIELD_P / 2 || (!x.re && x.im > FIELD_P / 2);
  return *negative ? field_neg(x) : x;
}

/* A random odd function. */
static FieldElem odd(const FieldEnv *e, Op tag, FieldElem a, FieldElem b) {
  bool negative;
  if (field_is_zero(a)) return a;
  FieldElem y = field_keyed(e, tag, positive(a, &negative), b);
  return negative ? field_neg(y) : y;
}

static int sign(FieldEnv *e, FieldElem x) {
  const Entry *k = map_find(e->known, x);
  if (k) return (k->num.v > 0) - (k->num.v < 0);
  if ((k = map_find(e->known, field_neg(x)))) return (k->num.v < 0) - (k->num.v > 0);
  e->branched = true;
  return field_sign(x);
}

static bool less(FieldEnv *e, FieldElem a, FieldElem b) { return sign(e, field_sub(b, a)) > 0; }

/* ---- exp and log ---- */

static FieldElem divide(FieldEnv *e, FieldElem a, FieldElem b) {
  return field_is_zero(b) ? no_value(e, "divides by zero") : field_mul(a, field_inverse(b));
}

/* value = exp x, whichever was first. */
static void pair(FieldEnv *e, FieldElem x, FieldElem value) {
  FieldElem inverse = field_inverse(value);
  map_add(e->exps, (Entry){.key = x, .to = value});
  map_add(e->exps, (Entry){.key = field_neg(x), .to = inverse});
  map_add(e->logs, (Entry){.key = value, .to = x});
  map_add(e->logs, (Entry){.key = inverse, .to = field_neg(x)});
}

static FieldElem exponential(FieldEnv *e, FieldElem x) {
  bool negative;
  const Entry *met = map_find(e->exps, x);
  if (field_is_zero(x)) return ONE;
  if (met) return met->to;
  FieldElem y = field_keyed(e, OP_exp, positive(x, &negative), ONE);
  y = field_mul(y, y);
  if (field_is_zero(y)) return no_value(e, "an exponential is zero");
  if (negative) y = field_inverse(y);
  pair(e, x, y);
  return y;
}

static FieldElem softplus(FieldEnv *e, FieldElem x) {
  bool negative;
  FieldElem even = field_keyed(e, OP_softplus, positive(x, &negative), ONE);
  FieldElem y = field_add(field_mul(x, field_ratio(1, 2)), even);
  FieldElem value = field_add(ONE, exponential(e, x));
  if (!field_is_zero(value)) pair(e, y, value);
  return y;
}

static FieldElem logarithm(FieldEnv *e, FieldElem x) {
  if (field_is_zero(x)) return no_value(e, "the logarithm of zero");
  if (field_eq(x, ONE)) return (FieldElem){0, 0};
  const Entry *met = map_find(e->logs, x);
  if (met) return met->to;
  FieldElem inverse = field_inverse(x);
  if ((met = map_find(e->logs, field_sub(x, ONE)))) return softplus(e, met->to);
  if ((met = map_find(e->logs, field_sub(inverse, ONE)))) return field_neg(softplus(e, met->to));
  bool first = x.re < inverse.re || (x.re == inverse.re && x.im < inverse.im);
  FieldElem y = field_keyed(e, OP_log, first ? x : inverse, ONE);
  if (!first) y = field_neg(y);
  pair(e, y, x);
  return y;
}

static FieldElem hyperbolic_tangent(FieldEnv *e, FieldElem x) {
  FieldElem y = exponential(e, field_mul(TWO, x));
  return divide(e, field_sub(y, ONE), field_add(y, ONE));
}

static FieldElem logistic(FieldEnv *e, FieldElem x) {
  FieldElem y = exponential(e, x);
  return divide(e, y, field_add(y, ONE));
}

/* ---- the others ---- */

static FieldElem square_root(FieldEnv *e, FieldElem x) {
  FieldElem y;
  if (!field_sqrt(x, &y)) return no_value(e, "no square root in the field");
  e->imaginary |= x.im || y.im;
  return y;
}

static FieldElem circular(FieldEnv *e, Op op, FieldElem x) {
  FieldElem t = odd(e, OP_sin, x, ONE), square = field_mul(t, t), sine = field_add(t, t);
  FieldElem cosine = field_sub(ONE, square), scale = field_add(ONE, square);
  if (op == OP_tan) return divide(e, sine, cosine);
  return divide(e, op == OP_sin ? sine : cosine, scale);
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
  if (!whole(field_add(b, b), &twice)) return exponential(e, field_mul(b, logarithm(e, a)));
  n = twice < 0 ? -twice : twice;
  FieldElem y = field_power(a, (uint64_t)n / 2);
  if (n & 1) y = field_mul(y, square_root(e, a));
  return twice < 0 ? divide(e, ONE, y) : y;
}

/* ---- all ---- */

static FieldElem of_bool(bool b) { return (FieldElem){b, 0}; }

static bool arithmetic(Op op) {
  return ir_op[op].cls == OPC_EW1 || ir_op[op].cls == OPC_EW2;
}

/* On constants as fold.c does. */
static bool constant(FieldEnv *e, Op op, FieldElem a, FieldElem b, FieldElem *out) {
  const Entry *x = map_find(e->known, a), *y = x && ir_op[op].arity > 1 ? map_find(e->known, b) : x;
  if (!x || !y) return false;
  Num m = x->num, n = y->num;
  if (!arithmetic(op)) return *out = of_bool(ir_eval_scalar(op, m.v, n.v) != 0), true;
  Num r = num_apply(op, m, n);
  e->rounded |= r.den == 0;
  return *out = field_const(e, r.v, r.num, r.den), true;
}

static FieldElem general(FieldEnv *e, Op op, FieldElem a, FieldElem b) {
  switch (op) {
  case OP_neg: return field_neg(a);
  case OP_abs: return sign(e, a) < 0 ? field_neg(a) : a;
  case OP_sign: return field_int(sign(e, a));
  case OP_relu: return sign(e, a) > 0 ? a : of_bool(false);
  case OP_exp: return exponential(e, a);
  case OP_expm1: return field_sub(exponential(e, a), ONE);
  case OP_log: return logarithm(e, a);
  case OP_log1p: return logarithm(e, field_add(ONE, a));
  case OP_sqrt: return square_root(e, a);
  case OP_sin: case OP_cos: case OP_tan: return circular(e, op, a);
  case OP_tanh: return hyperbolic_tangent(e, a);
  case OP_sigmoid: return logistic(e, a);
  case OP_softplus: return softplus(e, a);
  case OP_erf: return odd(e, op, a, ONE);
  case OP_add: return field_add(a, b);
  case OP_sub: return field_sub(a, b);
  case OP_mul: return field_mul(a, b);
  case OP_div: return divide(e, a, b);
  case OP_pow: return general_power(e, a, b);
  case OP_min: return less(e, b, a) ? b : a;
  case OP_max: return less(e, a, b) ? b : a;
  case OP_atan2: return odd(e, op, a, b);
  case OP_lt: return of_bool(less(e, a, b));
  case OP_le: return of_bool(field_eq(a, b) || less(e, a, b));
  case OP_eq: return of_bool(field_eq(a, b));
  case OP_ne: return of_bool(!field_eq(a, b));
  default: base_fault("`%s` has no value in the field", ir_op[op].name);
  }
}

FieldElem field_apply(FieldEnv *e, Op op, FieldElem a, FieldElem b) {
  FieldElem out;
  if (ir_op[op].cls == OPC_LOGIC) return of_bool(ir_eval_scalar(op, (double)a.re, (double)b.re) != 0);
  return constant(e, op, a, b, &out) ? out : general(e, op, a, b);
}
