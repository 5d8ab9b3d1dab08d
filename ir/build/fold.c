/* Folding of elementwise ops: constants, algebraic identities, and broadcasts moved outward.
 *
 * Rules are directional: a result is no more work than what it replaces, and negations, broadcasts
 * (`expand`, `spread`) and constants move towards the result, so that every chain of rules ends.
 * In derivatives x*0 and x-x are 0 also where x may be infinite or NaN: their zeros are structural, and they live from
 * it. In what was written they are NaN there, and stay (fold_vanishes), in functions that are only decided on, too: what
 * is proved is proved of what was written.
 *
 * Numbers are kept: where every step of the written order is finite and normal, so is every step of what replaces it,
 * and digits are lost only by rounding, once a step. So two constants that meet become one if that is a normal number
 * of the precision (gathered without this, the factors of a loop's turns overflow). To move a constant past a factor, or a
 * factor out of a sum, makes values that are not in the written order. It is done where there is none (fold_unwritten),
 * with constants within 2^-20 ... 2^20. */
#include "ir/build/fold.h"

#include <float.h>
#include <math.h>

Val fold_coerce(Build *b, Val v, Type want) {
  Type have = ir_type(b->f, v);
  if (have.rank == 0 && want.rank) v = ir_expand_to(b, v, want);
  return want.lane ? ir_spread(b, v) : v;
}

Val fold_zeros(Build *b, Type want) { return fold_splat(b, num_ratio(0, 1), want); }

/* Of real numbers there is a value. (In f64 it may be infinite.) */
static bool is_total(Op op) {
  static const Op all[] = {OP_add,     OP_sub,      OP_mul,  OP_exp,    OP_expm1, OP_sin,   OP_cos,   OP_tanh,
                           OP_sigmoid, OP_softplus, OP_erf,  OP_atan,   OP_sinh,  OP_cosh,  OP_asinh, OP_min,
                           OP_max,     OP_relu,     OP_abs,  OP_sign,   OP_floor, OP_ceil,  OP_round, OP_sum,
                           OP_dot,     OP_rmax,     OP_rmin, OP_concat, OP_diag,  OP_diagv, OP_tri};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++)
    if (op == all[k]) return true;
  return false;
}

/* x is finite, by literals and draws alone; `reals`: for all real inputs. */
static bool is_finite(const Fn *f, Val x, bool reals, int depth) {
  const Inst *i = ir_inst(f, x);
  const Table *t;
  double v;
  if (depth > 8) return false;
  if (reals && is_total((Op)i->op)) {
    bool all = true;
    for (uint32_t k = 0; k < i->nargs && all; k++) all = is_finite(f, ir_arg(f, i, k), reals, depth + 1);
    return all;
  }
  switch (i->op) {
  case OP_in: return reals && i->type.dt == DT_REAL;
  case OP_const: return ir_is_const(f, x, &v) && isfinite(v);
  case OP_iota:
  case OP_rand: return true;
  case OP_table:
    t = &f->table.at[ir_table_attr(f, i).table];
    for (int64_t e = type_count(t->type); e-- > 0;)
      if (!isfinite(t->v[e])) return false;
    return true;
  case OP_put: return false; /* it adds */
  default:
    if (!ir_has(i->op, OPF_VIEW | OPF_PLACES) && !(ir_op[i->op].cls == OPC_EW1 && ir_has(i->op, OPF_SIMPLE))) return false;
    return is_finite(f, ir_arg(f, i, 0), reals, depth + 1);
  }
}

bool ir_has_value(const Fn *f, Val x) { return is_finite(f, x, true, 0); }

bool fold_unwritten(const Build *b) { return b->role != ROLE_PRIMAL || b->f->f64 == FN_EXACT; }

bool fold_structural_zero(const Build *b) { return b->role != ROLE_PRIMAL; }

bool fold_vanishes(const Build *b, Val x) { return fold_structural_zero(b) || is_finite(b->f, x, b->f->f64 == FN_EXACT, 0); }

/* ---- looking at operands ---- */

static bool is_op(const Build *b, Val v, Op op, Val *inner) {
  const Inst *i = ir_inst(b->f, v);
  if (i->op != op) return false;
  *inner = ir_arg(b->f, i, 0);
  return true;
}

static bool is_value(const Build *b, Val v, double want) {
  double have;
  return ir_is_const(b->f, v, &have) && have == want;
}

/* ---- what keeps numbers ---- */

bool ir_normal(const Fn *f, double v) {
  double a = fabs(v);
  return f->f64 == FN_F32 ? a >= FLT_MIN && a <= FLT_MAX : a >= DBL_MIN && a <= DBL_MAX;
}

bool fold_leaves_sum(const Build *b, Val s) {
  double c;
  return fold_unwritten(b) || (ir_is_const(b->f, s, &c) && fabs(c) >= 1);
}

/* A value off by this factor is still far from where f32 ends. */
static bool moderate(double c) { return fabs(c) >= 0x1p-20 && fabs(c) <= 0x1p20; }

/* ---- broadcasts ---- */

/* The scalar that v repeats in all its axes, or VAL_NONE. */
static Val scalar_of(Build *b, Val v) {
  Num n;
  if (ir_type(b->f, v).rank == 0) return VAL_NONE;
  if (ir_inst(b->f, v)->op == OP_const && fold_is_splat(b->f, v, &n)) return fold_splat(b, n, type_scalar(false));
  while (is_op(b, v, OP_expand, &v) || is_op(b, v, OP_reshape, &v))
    if (ir_type(b->f, v).rank == 0) return v;
  return VAL_NONE;
}

/* Operands without their spreads and broadcasts of scalars; tells whether there were any. */
static bool strip(Build *b, const Cand *c, Val *args) {
  bool changed = false;
  for (uint32_t k = 0; k < c->nargs; k++) {
    Val s;
    args[k] = c->args[k];
    if (is_op(b, args[k], OP_spread, &s)) args[k] = s, changed = true;
    if ((s = scalar_of(b, args[k])).id) args[k] = s, changed = true;
  }
  return changed;
}

/* All operands that have axes are expanded alike: the op of the operands before, expanded. */
static Val fold_expanded(Build *b, const Cand *c) {
  Val args[3], inner;
  int64_t axis = -1, n = 0;
  for (uint32_t k = 0; k < c->nargs; k++) {
    args[k] = c->args[k];
    if (ir_type(b->f, args[k]).rank == 0) continue;
    if (!is_op(b, args[k], OP_expand, &inner)) return VAL_NONE;
    const int64_t *a = b->f->attr.at + ir_inst(b->f, args[k])->attr;
    if (axis >= 0 && (a[0] != axis || a[1] != n)) return VAL_NONE;
    axis = a[0];
    n = a[1];
    args[k] = inner;
  }
  if (axis < 0) return VAL_NONE;
  return ir_expand(b, ir_emit(b, c->op, args, c->nargs, NULL, 0, NULL), (int)axis, (uint32_t)n);
}

/* ---- identities: VAL_NONE, or a value that may still need its broadcast ---- */

static Val fold_add(Build *b, Val x, Val y) {
  Val z;
  if (is_value(b, y, 0)) return x;
  if (is_value(b, x, 0)) return y;
  if (is_op(b, y, OP_neg, &z)) return ir_sub(b, x, z);
  if (is_op(b, x, OP_neg, &z)) return ir_sub(b, y, z);
  return fold_join(b, x, y);
}

static Val fold_sub(Build *b, Val x, Val y) {
  Val z;
  if (x.id == y.id && fold_vanishes(b, x)) return fold_zeros(b, ir_type(b->f, x));
  if (is_value(b, y, 0)) return x;
  if (is_value(b, x, 0)) return ir_neg(b, y);
  if (is_op(b, y, OP_neg, &z)) return ir_add(b, x, z);
  return VAL_NONE;
}

/* (v s) c is v (s c) for a scalar s of a tensor v and a constant c, where nobody wrote v s: one product instead of one an
 * element. A force times the square of a step is such. */
static Val scalar_first(Build *b, Val x, Val c) {
  const Inst *i = ir_inst(b->f, x);
  double by;
  if (i->op != OP_mul || i->type.rank == 0 || !ir_is_const(b->f, c, &by) || !moderate(by)) return VAL_NONE;
  if (i->role == ROLE_PRIMAL && !fold_unwritten(b)) return VAL_NONE;
  Val v = ir_arg(b->f, i, 0), s = ir_arg(b->f, i, 1), t;
  if (ir_type(b->f, v).rank == 0) t = v, v = s, s = t;
  if (ir_type(b->f, s).rank || !ir_type(b->f, v).rank) return VAL_NONE;
  const Role role = b->role;
  b->role = i->role == ROLE_PRIMAL ? role : (Role)i->role; /* nor did anybody write what comes of it */
  Val all = ir_mul(b, v, ir_mul(b, s, c));
  b->role = role;
  return all;
}

/* v is u times a constant. */
static bool scaled(const Build *b, Val v, Val *u, Val *c, double *by) {
  const Inst *i = ir_inst(b->f, v);
  if (i->op != OP_mul) return false;
  *u = ir_arg(b->f, i, 0), *c = ir_arg(b->f, i, 1);
  if (ir_is_const(b->f, *u, NULL)) {
    Val t = *u;
    *u = *c, *c = t;
  }
  return ir_is_const(b->f, *c, by);
}

/* (u c') c is u (c' c), and (u c' w) c is u w (c' c). In exact functions constants that round stay as they are. */
static Val one_constant(Build *b, Val x, Val c) {
  Val u, k;
  double by, with;
  if (b->f->f64 == FN_EXACT || !ir_is_const(b->f, c, &by)) return VAL_NONE;
  if (scaled(b, x, &u, &k, &with)) return ir_normal(b->f, with * by) ? ir_mul(b, u, ir_mul(b, k, c)) : VAL_NONE;
  const Inst *i = ir_inst(b->f, x);
  for (uint32_t n = 0; i->op == OP_mul && fold_unwritten(b) && n < 2; n++) {
    Val w = ir_arg(b->f, i, 1 - n);
    if (scaled(b, ir_arg(b->f, i, n), &u, &k, &with) && moderate(with) && ir_normal(b->f, with * by))
      return ir_mul(b, ir_mul(b, u, w), ir_mul(b, k, c));
  }
  return VAL_NONE;
}

/* (sqrt(z) + a) rsqrt(z) is 1 + a rsqrt(z): the force of a function of a distance takes no root beside the reciprocal one. */
static Val root_cancels(Build *b, Val x, Val y) {
  Val z, w;
  if (!fold_unwritten(b)) return VAL_NONE;
  if (!is_op(b, y, OP_rsqrt, &z)) w = x, x = y, y = w;
  if (!is_op(b, y, OP_rsqrt, &z)) return VAL_NONE;
  if (is_op(b, x, OP_sqrt, &w) && w.id == z.id) return fold_structural_zero(b) ? ir_const(b, 1) : VAL_NONE;
  const Inst *i = ir_inst(b->f, x);
  if (i->op != OP_add && i->op != OP_sub) return VAL_NONE;
  const bool minus = i->op == OP_sub;
  Val u = ir_arg(b->f, i, 0), v = ir_arg(b->f, i, 1), one = ir_const(b, 1);
  if (is_op(b, u, OP_sqrt, &w) && w.id == z.id) {
    Val rest = ir_mul(b, v, y);
    return minus ? ir_sub(b, one, rest) : ir_add(b, one, rest);
  }
  if (!is_op(b, v, OP_sqrt, &w) || w.id != z.id) return VAL_NONE;
  Val rest = ir_mul(b, u, y);
  return minus ? ir_sub(b, rest, one) : ir_add(b, rest, one);
}

static Val fold_mul(Build *b, Val x, Val y) {
  Val z, w;
  double c;
  if (ir_is_const(b->f, x, NULL)) z = x, x = y, y = z;
  if (is_value(b, y, 0) && fold_vanishes(b, x)) return y;
  if (is_value(b, y, 1)) return x;
  if (is_value(b, y, -1)) return ir_neg(b, x);
  if (ir_is_const(b->f, y, NULL) && ((z = one_constant(b, x, y)).id || (z = scalar_first(b, x, y)).id)) return z;
  if ((z = root_cancels(b, x, y)).id) return z;
  if (!is_op(b, x, OP_neg, &z)) return VAL_NONE;
  if (is_op(b, y, OP_neg, &w)) return ir_mul(b, z, w);
  return ir_is_const(b->f, y, &c) ? ir_mul(b, z, ir_neg(b, y)) : VAL_NONE;
}

static Val fold_div(Build *b, Val x, Val y) {
  Val z, w;
  double c;
  int exponent;
  if (is_value(b, x, 0) && fold_structural_zero(b)) return x;
  if (is_op(b, y, OP_sqrt, &z)) return ir_mul(b, x, ir_rsqrt(b, z));
  if (is_op(b, x, OP_neg, &z) && is_op(b, y, OP_neg, &w)) return ir_div(b, z, w);
  if (!ir_is_const(b->f, y, &c)) return VAL_NONE;
  if (c == 1) return x;
  if (c == -1) return ir_neg(b, x);
  if (ir_is_const(b->f, x, NULL)) return VAL_NONE; /* two constants that were not folded: 1/y would come back here */
  if (isfinite(c) && c != 0 && fabs(frexp(c, &exponent)) == 0.5 && ir_normal(b->f, c) && ir_normal(b->f, 1 / c))
    return ir_mul(b, x, ir_div(b, ir_const(b, 1), y));
  return VAL_NONE;
}

/* x^n for n >= 1 by squaring. */
static Val power(Build *b, Val x, int64_t n) {
  Val r = VAL_NONE;
  for (;; x = ir_mul(b, x, x)) {
    if (n & 1) r = r.id ? ir_mul(b, r, x) : x;
    if (!(n >>= 1)) return r;
  }
}

/* Whether x^n has no better derivative than its products, root or reciprocal: those of x sqrt(x) are 0 inf at 0, and those of
 * 1/(x x) where x x overflows. */
static bool power_at_once(double n) { return n == floor(n) ? n >= -1 : n == 0.5 || n == -0.5 || n == -1.5; }

/* Whole and half exponents up to 16 become products, a square root and a reciprocal, most of them once all derivatives
 * have been taken. */
static Val fold_pow(Build *b, Val x, Val y) {
  Num n;
  if (!fold_is_splat(b->f, y, &n)) return VAL_NONE;
  double twice = 2 * fabs(n.v);
  if (!(twice <= 32) || twice != floor(twice)) return VAL_NONE;
  if (twice == 0) return ir_const(b, 1);
  if (!b->powers && !power_at_once(n.v)) return VAL_NONE;
  if (n.v == -1.5) return ir_rsqrt3(b, x);
  if (n.v < 0 && twice <= 7 && (int64_t)twice & 1) return power(b, ir_rsqrt(b, x), (int64_t)twice);
  int64_t whole = (int64_t)twice / 2;
  Val r = whole ? power(b, x, whole) : VAL_NONE;
  if ((int64_t)twice & 1) r = r.id ? ir_mul(b, r, ir_sqrt(b, x)) : ir_sqrt(b, x);
  return n.v < 0 ? ir_div(b, ir_const(b, 1), r) : r;
}

/* x^y (log x)^n from x^y and log x, which others need, too. */
static Val fold_powlog(Build *b, Val x, Val y, int n) {
  if (!b->powers) return VAL_NONE;
  Val zero = ir_const(b, 0), p = ir_pow(b, x, y), l = ir_log(b, x), v = p;
  Val none = ir_or(b, ir_and(b, ir_eq(b, x, zero), ir_le(b, zero, y)), ir_and(b, ir_lt(b, zero, x), ir_eq(b, p, zero)));
  for (; n > 0; n--) v = ir_mul(b, v, l);
  return ir_select(b, none, zero, v);
}

static Val fold_neg(Build *b, Val x) {
  const Inst *i = ir_inst(b->f, x);
  Val p = i->nargs ? ir_arg(b->f, i, 0) : VAL_NONE, q = i->nargs > 1 ? ir_arg(b->f, i, 1) : VAL_NONE;
  if (i->op == OP_neg) return p;
  if (i->op == OP_sub) return ir_sub(b, q, p);
  if (i->op == OP_mul && ir_is_const(b->f, q, NULL)) return ir_mul(b, p, ir_neg(b, q));
  if (i->op == OP_div && ir_is_const(b->f, p, NULL)) return ir_div(b, ir_neg(b, p), q);
  return VAL_NONE;
}

/* ---- conditions ---- */

/* Whether v is the same bool everywhere, by constants alone. */
static bool known_bool(const Fn *f, Val v, int depth, bool *value) {
  const Inst *i = ir_inst(f, v);
  double x, y;
  bool p = false, q = false;
  if (depth > 8) return false;
  if (i->op == OP_spread || i->op == OP_expand) return known_bool(f, ir_arg(f, i, 0), depth + 1, value);
  if (ir_op[i->op].cls == OPC_CMP) {
    if (!ir_is_const(f, ir_arg(f, i, 0), &x) || !ir_is_const(f, ir_arg(f, i, 1), &y)) return false;
    return *value = ir_eval_scalar((Op)i->op, x, y) != 0, true;
  }
  if (ir_op[i->op].cls != OPC_LOGIC) return false;
  bool first = known_bool(f, ir_arg(f, i, 0), depth + 1, &p);
  bool second = i->nargs > 1 && known_bool(f, ir_arg(f, i, 1), depth + 1, &q);
  if (i->nargs == 1) return *value = !p, first;
  bool decides = i->op == OP_or; /* alone */
  if ((first && p == decides) || (second && q == decides)) return *value = decides, true;
  return *value = !decides, first && second;
}

static Val fold_select(Build *b, Val c, Val x, Val y) {
  Num p, q;
  Val z;
  bool value;
  if (x.id == y.id) return x;
  if (fold_is_splat(b->f, x, &p) && fold_is_splat(b->f, y, &q) && p.v == q.v && p.num == q.num && p.den == q.den) return x;
  if (known_bool(b->f, c, 0, &value)) return value ? x : y;
  return is_op(b, c, OP_not, &z) ? ir_select(b, z, y, x) : VAL_NONE;
}

static Val fold_require(Build *b, const Cand *c) {
  bool ok;
  return known_bool(b->f, c->args[0], 0, &ok) && ok ? fold_splat(b, num_ratio(1, 1), c->type) : VAL_NONE;
}

static Val identity(Build *b, const Cand *c) {
  Val x = c->args[0], y = c->nargs > 1 ? c->args[1] : VAL_NONE, z;
  switch (c->op) {
  case OP_add: return fold_add(b, x, y);
  case OP_sub: return fold_sub(b, x, y);
  case OP_mul: return fold_mul(b, x, y);
  case OP_div: return fold_div(b, x, y);
  case OP_pow: return fold_pow(b, x, y);
  case OP_powlog: return fold_powlog(b, x, y, 1);
  case OP_powlog2: return fold_powlog(b, x, y, 2);
  case OP_neg: return fold_neg(b, x);
  case OP_abs: return is_op(b, x, OP_neg, &z) ? ir_abs(b, z) : is_op(b, x, OP_abs, &z) ? x : VAL_NONE;
  case OP_cos: return is_op(b, x, OP_neg, &z) ? ir_cos(b, z) : VAL_NONE;
  case OP_min:
  case OP_max:
  case OP_and:
  case OP_or: return x.id == y.id ? x : VAL_NONE;
  case OP_not: return is_op(b, x, OP_not, &z) ? z : VAL_NONE;
  case OP_select: return fold_select(b, x, y, c->args[2]);
  default: return VAL_NONE;
  }
}

static bool fold_constant(Build *b, const Cand *c, Val *out) {
  Num x, y = {0};
  OpClass cls = ir_op[c->op].cls;
  if (cls != OPC_EW1 && cls != OPC_EW2) return false;
  if (!fold_is_splat(b->f, c->args[0], &x) || (c->nargs > 1 && !fold_is_splat(b->f, c->args[1], &y))) return false;
  Num r = num_apply(c->op, x, y);
  if (b->f->f64 == FN_EXACT && r.den == 0) return false;
  *out = fold_splat(b, r, c->type);
  return true;
}

Val fold_elementwise(Build *b, const Cand *c) {
  Val args[3], v;
  if (fold_constant(b, c, &v)) return v;
  if (strip(b, c, args)) v = ir_emit(b, c->op, args, c->nargs, NULL, 0, NULL);
  else if (!(v = identity(b, c)).id && !(v = fold_expanded(b, c)).id) return VAL_NONE;
  return fold_coerce(b, v, c->type);
}

Val ir_fold(Build *b, const Cand *c) {
  if (c->op == OP_require) return fold_require(b, c);
  if (ir_op[c->op].cls != OPC_STRUCT || c->op == OP_select) return fold_elementwise(b, c);
  return c->op == OP_dot ? fold_dot(b, c) : fold_structural(b, c);
}
