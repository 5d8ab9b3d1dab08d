/* Operators. An elementwise one has three ways: static values are computed; values that differ from turn
 * to turn are computed turn by turn; and as soon as a tensor takes part, it becomes IR. */
#include "frontend/builtin/builtin_priv.h"
#include "ir/eval/origin.h"

#include <math.h>
#include <string.h>

static Level *deeper(Level *a, Level *b) {
  if (!a || !b) return a ? a : b;
  return level_depth(a) > level_depth(b) ? a : b;
}

/* ---- static values --------------------------------------------------------------------------------------
 */

static Num element(Value v, uint32_t i) { return v.kind == V_NUM ? v.num : v.array->at[i]; }

static Value static_op(Elab *E, Op op, Value a, Value b) {
  if (a.kind == V_NUM && b.kind == V_NUM) return (Value){.kind = V_NUM, .num = num_apply(op, a.num, b.num)};
  const Array *like = a.kind == V_ARRAY ? a.array : b.array;
  Num *v = ARENA_ARRAY(E->mem, Num, like->n + 1);
  for (uint32_t i = 0; i < like->n; i++) v[i] = num_apply(op, element(a, i), element(b, i));
  return value_array(E, like->rank, like->dim, v);
}

static bool compares(Op op) { return ir_op[op].cls == OPC_CMP; }

static Value static_compare(Elab *E, Op op, Value a, Value b) {
  if (a.kind == V_NUM && b.kind == V_NUM) return value_bool(ir_eval_scalar(op, a.num.v, b.num.v) != 0);
  const Array *like = a.kind == V_ARRAY ? a.array : b.array;
  Num *v = ARENA_ARRAY(E->mem, Num, like->n + 1);
  for (uint32_t i = 0; i < like->n; i++) v[i] = num_ratio(ir_eval_scalar(op, element(a, i).v, element(b, i).v) != 0, 1);
  return value_truths(E, value_array(E, like->rank, like->dim, v));
}

static bool constant(Value v) {
  if (v.kind == V_TURNS) return constant(v.turns.at[0]);
  return v.kind == V_NUM || v.kind == V_ARRAY || v.kind == V_BOOL;
}

/* Whether it can be computed now. */
static bool now(Value a, Value b) { return constant(a) && constant(b); }

/* ---- shapes -------------------------------------------------------------------------------------------- */

bool elab_same_dims(Elab *E, Type a, Type b, Value va, Value vb, Span at_a, Span at_b, Span at, const char *what) {
  if (type_same_dims(a, b) || a.rank == 0 || b.rank == 0) return true;
  const char *ta = value_text(E, va), *tb = value_text(E, vb);
  DiagMsg *m = elab_error(E, CODE_shape_mismatch, at, "`%s` needs equal shapes or a scalar, found %s and %s", what, ta, tb);
  elab_label(m, at_a, "%s", ta);
  elab_label(m, at_b, "%s", tb);
  if (type_count(a) == 1 || type_count(b) == 1)
    elab_help(m, "%s is not a scalar: `x[0]` takes its element", type_count(a) == 1 ? ta : tb);
  return false;
}

void elab_help_numeric(DiagMsg *m, Value v) {
  if (v.kind == V_FUNC && v.func->name) elab_help(m, "call the function to get a value: `%s(...)`", v.func->name);
  if (v.kind == V_TUPLE) elab_help(m, "unpack the tuple, `let (a, b) = ...`, or make a vector, `[x, y]`");
}

static Value not_numeric(Elab *E, Value a, Value b, Span at_a, Span at_b, Span at, const char *what) {
  bool first = !value_numeric(a);
  const char *t = value_text(E, first ? a : b);
  Type type;
  DiagMsg *m = elab_error(E, CODE_wrong_kind, at, "`%s` needs numbers, found %s", what, t);
  elab_label(m, first ? at_a : at_b, "%s", t);
  elab_help_numeric(m, first ? a : b);
  if (value_type(first ? a : b, &type) && type.dt == DT_BOOL) elab_help(m, "`where(c, x, 0)` is x where c holds, else 0");
  return POISON;
}

/* ---- powers ----------------------------------------------------------------------------------------------
 */

static Val ones(Build *b, Type t) {
  Val one = ir_const(b, 1);
  return t.rank ? ir_expand_to(b, one, t) : one;
}

/* Small whole powers are products: exact, cheap, and defined for negative x. */
static Val power(Build *b, Val x, int64_t n) {
  if (n == 0) return ones(b, ir_type(b->f, x));
  Val r = VAL_NONE;
  for (;; n >>= 1) {
    if (n & 1) r = r.id ? ir_mul(b, r, x) : x;
    if (n <= 1) return r;
    x = ir_mul(b, x, x);
  }
}

static bool small_power(Value e, int64_t *n) { return value_is_int(e, n) && *n >= 0 && *n <= 16; }

/* ---- binary ----------------------------------------------------------------------------------------------
 */

static Val emit2(Build *b, Op op, Val x, Val y) {
  Val args[2] = {x, y};
  return ir_emit(b, op, args, 2, NULL, 0, NULL);
}

static Value tensor_op(Elab *E, Op op, Value a, Value b, Span at_a, Span at_b, Span at) {
  int64_t n;
  if (op == OP_pow && small_power(b, &n)) {
    Val x = elab_tensor(E, a, at_a);
    return elab_value(E, power(elab_at(E, at), x, n));
  }
  Val x = elab_tensor(E, a, at_a);
  if (op == OP_pow && b.kind == V_NUM && b.num.v == 0.5) return elab_value(E, ir_sqrt(elab_at(E, at), x));
  Val y = elab_tensor(E, b, at_b);
  return elab_value(E, emit2(elab_at(E, at), op, x, y));
}

static Value compute(Elab *E, Op op, Value a, Value b) {
  Level *l = deeper(value_turns(a), value_turns(b));
  if (l) {
    Value *turn = ARENA_ARRAY(E->mem, Value, l->n + 1);
    for (uint32_t t = 0; t < l->n; t++)
      if ((turn[t] = compute(E, op, value_turn(a, l, t), value_turn(b, l, t))).kind == V_POISON) return POISON;
    return (Value){.kind = V_TURNS, .turns = {l, turn}};
  }
  if (!elab_spend(E, 1)) return POISON;
  return compares(op) ? static_compare(E, op, a, b) : static_op(E, op, a, b);
}

/* The first element of r that is NaN although those that it is made of are numbers, such as a root of -1. */
static bool made_nan(Value a, Value b, Value r, double *x, double *y) {
  Level *l = deeper(value_turns(a), value_turns(b));
  for (uint32_t t = 0; l && t < l->n; t++)
    if (made_nan(value_turn(a, l, t), value_turn(b, l, t), value_turn(r, l, t), x, y)) return true;
  if (l || (r.kind != V_NUM && r.kind != V_ARRAY)) return false;
  for (uint32_t i = 0; i < (r.kind == V_NUM ? 1 : r.array->n); i++) {
    if (!isnan(element(r, i).v)) continue;
    *x = element(a, i).v, *y = element(b, i).v;
    if (!isnan(*x) && !isnan(*y)) return true;
  }
  return false;
}

static Value not_a_number(Elab *E, Op op, Value a, Value b, Value r, Span at) {
  double x, y;
  if (!made_nan(a, b, r, &x, &y)) return r;
  if (ir_op[op].cls == OPC_EW1) elab_warn(E, CODE_nan, at, "`%s` of %g is not a number", ir_op[op].name, x);
  else elab_warn(E, CODE_nan, at, "`%s` of %g and %g is not a number", ir_origin_op(op), x, y);
  return r;
}

Value elab_binary_op(Elab *E, Op op, Value a, Value b, Span at_a, Span at_b, Span at, const char *what) {
  if (a.kind == V_POISON || b.kind == V_POISON) return POISON;
  if (!value_numeric(a) || !value_numeric(b)) return not_numeric(E, a, b, at_a, at_b, at, what);
  Type ta, tb;
  value_type(a, &ta), value_type(b, &tb);
  if (!elab_same_dims(E, ta, tb, a, b, at_a, at_b, at, what)) return POISON;
  if ((op == OP_div || op == OP_mod) && b.kind == V_NUM && b.num.v == 0) {
    elab_label(elab_error(E, CODE_division_by_zero, at, "division by zero"), at_b, "this is 0");
    return POISON;
  }
  if (now(a, b)) {
    Value r = not_a_number(E, op, a, b, compute(E, op, a, b), at);
    if (r.kind == V_POISON || !E->now->exact || (exact_value(a) && exact_value(b) && exact_value(r))) return r;
  }
  return tensor_op(E, op, a, b, at_a, at_b, at);
}

/* ---- unary --------------------------------------------------------------------------------------------- */

Value elab_unary_op(Elab *E, Op op, Value v, Span at) {
  if (v.kind == V_POISON) return v;
  if (!value_numeric(v)) {
    elab_help_numeric(elab_error(E, CODE_wrong_kind, at, "`%s` needs a number or tensor, found %s",
                                 op == OP_neg ? "-" : ir_op[op].name, value_text(E, v)),
                      v);
    return POISON;
  }
  if (now(v, v)) {
    Value r = not_a_number(E, op, v, v, compute(E, op, v, v), at);
    if (r.kind == V_POISON || !E->now->exact || (exact_value(v) && exact_value(r))) return r;
  }
  Val x = elab_tensor(E, v, at);
  return elab_value(E, ir_emit(elab_at(E, at), op, &x, 1, NULL, 0, NULL));
}

Value elab_negate(Elab *E, Value v, Span at) { return elab_unary_op(E, OP_neg, v, at); }

/* ---- selection, logic ---------------------------------------------------------------------------------- */

static bool truth(Value v, uint32_t i) { return v.kind == V_BOOL ? v.b : v.array->at[i].v != 0; }

/* Element by element; of truth values as well. */
static Value pick(Elab *E, Value c, Value a, Value b) {
  const Array *like = c.kind == V_ARRAY ? c.array : a.kind == V_ARRAY ? a.array : b.array;
  const bool truths = a.kind == V_BOOL || (a.kind == V_ARRAY && a.array->truth);
  Num *v = ARENA_ARRAY(E->mem, Num, like->n + 1);
  if (!elab_spend(E, like->n)) return POISON;
  for (uint32_t i = 0; i < like->n; i++) {
    const Value of = truth(c, i) ? a : b;
    v[i] = truths ? num_ratio(truth(of, i), 1) : element(of, i);
  }
  Value r = value_array(E, like->rank, like->dim, v);
  return truths ? value_truths(E, r) : r;
}

static Value choose(Elab *E, Value c, Value a, Value b) {
  Level *l = deeper(value_turns(c), deeper(value_turns(a), value_turns(b)));
  if (!elab_spend(E, 1)) return POISON;
  Type ta, tb;
  value_type(a, &ta), value_type(b, &tb);
  if (!l) return c.kind == V_BOOL && type_same_dims(ta, tb) ? (c.b ? a : b) : pick(E, c, a, b);
  Value *turn = ARENA_ARRAY(E->mem, Value, l->n + 1);
  for (uint32_t t = 0; t < l->n; t++)
    if ((turn[t] = choose(E, value_turn(c, l, t), value_turn(a, l, t), value_turn(b, l, t))).kind == V_POISON) return POISON;
  return (Value){.kind = V_TURNS, .turns = {l, turn}};
}

Value elab_select(Elab *E, Value c, Value a, Value b, Span at_c, Span at_a, Span at_b, Span at) {
  if (c.kind == V_POISON || a.kind == V_POISON || b.kind == V_POISON) return POISON;
  Type tc, ta, tb;
  if (!value_type(c, &tc) || tc.dt != DT_BOOL) {
    elab_error(E, CODE_not_condition, at_c, "the first argument of `where` must be a condition, found %s", value_text(E, c));
    return POISON;
  }
  const bool truths = value_type(a, &ta) && ta.dt == DT_BOOL && value_type(b, &tb) && tb.dt == DT_BOOL;
  if (!truths && (!value_numeric(a) || !value_numeric(b))) return not_numeric(E, a, b, at_a, at_b, at, "where");
  value_type(a, &ta), value_type(b, &tb);
  if (!elab_same_dims(E, ta, tb, a, b, at_a, at_b, at, "where") || !elab_same_dims(E, tc, ta, c, a, at_c, at_a, at, "where") ||
      !elab_same_dims(E, tc, tb, c, b, at_c, at_b, at, "where"))
    return POISON;
  if (constant(c) && constant(a) && constant(b)) return choose(E, c, a, b);
  Val vc = elab_tensor(E, c, at_c), va = elab_tensor(E, a, at_a), vb = elab_tensor(E, b, at_b);
  return elab_value(E, ir_select(elab_at(E, at), vc, va, vb));
}

/* Of truth values known while compiling; `not` looks at a alone. */
static Value static_logic(Elab *E, Opr op, Value a, Value b) {
  Level *l = deeper(value_turns(a), value_turns(b));
  if (!elab_spend(E, 1)) return POISON;
  if (l) {
    Value *turn = ARENA_ARRAY(E->mem, Value, l->n + 1);
    for (uint32_t t = 0; t < l->n; t++)
      if ((turn[t] = static_logic(E, op, value_turn(a, l, t), value_turn(b, l, t))).kind == V_POISON) return POISON;
    return (Value){.kind = V_TURNS, .turns = {l, turn}};
  }
  const Array *like = a.kind == V_ARRAY ? a.array : b.kind == V_ARRAY ? b.array : NULL;
  Num *v = ARENA_ARRAY(E->mem, Num, (like ? like->n : 0) + 1);
  for (uint32_t i = 0; i < (like ? like->n : 1); i++) {
    const bool x = truth(a, i), y = truth(b, i);
    v[i] = num_ratio(op == OPR_AND ? x && y : op == OPR_OR ? x || y : !x, 1);
  }
  return like ? value_truths(E, value_array(E, like->rank, like->dim, v)) : value_bool(v[0].v != 0);
}

Value elab_not(Elab *E, Value v, const Expr *e) {
  Type t;
  if (v.kind == V_POISON) return v;
  if (!value_type(v, &t) || t.dt != DT_BOOL) {
    elab_label(elab_error(E, CODE_not_condition, e->op_at, "`not` needs a truth value, found %s", value_text(E, v)), e->a->at, "%s",
               value_text(E, v));
    return POISON;
  }
  if (constant(v)) return static_logic(E, OPR_NOT, v, v);
  Val x = elab_tensor(E, v, e->a->at);
  return elab_value(E, ir_not(elab_at(E, e->at), x));
}

static Value logic(Elab *E, Opr op, Value a, Value b, const Expr *ea, const Expr *eb, Span at, Span op_at) {
  Type ta, tb;
  bool fa = value_type(a, &ta) && ta.dt == DT_BOOL, fb = value_type(b, &tb) && tb.dt == DT_BOOL;
  if (!fa || !fb) {
    const char *t = value_text(E, fa ? b : a);
    elab_label(elab_error(E, CODE_not_condition, op_at, "`%s` needs truth values, found %s", ast_opr_text(op), t),
               fa ? eb->at : ea->at, "%s", t);
    return POISON;
  }
  if (!elab_same_dims(E, ta, tb, a, b, ea->at, eb->at, op_at, ast_opr_text(op))) return POISON;
  if (constant(a) && constant(b)) return static_logic(E, op, a, b);
  Val x = elab_tensor(E, a, ea->at), y = elab_tensor(E, b, eb->at);
  Build *bl = elab_at(E, at);
  return elab_value(E, op == OPR_AND ? ir_and(bl, x, y) : ir_or(bl, x, y));
}

static Value compare(Elab *E, Opr op, Value a, Value b, const Expr *ea, const Expr *eb, Span op_at) {
  bool eq = op == OPR_EQ || op == OPR_NE;
  if (eq && (a.kind == V_STRING || a.kind == V_BOOL) && b.kind == a.kind) return value_bool(value_equal(a, b) == (op == OPR_EQ));
  bool swap = op == OPR_GT || op == OPR_GE;
  Op o = op == OPR_LT || op == OPR_GT ? OP_lt : op == OPR_LE || op == OPR_GE ? OP_le : op == OPR_EQ ? OP_eq : OP_ne;
  const char *what = ast_opr_text(op);
  Type ta, tb;
  if (eq && value_type(a, &ta) && ta.dt == DT_BOOL && value_type(b, &tb) && tb.dt == DT_BOOL) {
    if (!elab_same_dims(E, ta, tb, a, b, ea->at, eb->at, op_at, what)) return POISON;
    elab_at(E, op_at);
    a = elab_as_numbers(E, a), b = elab_as_numbers(E, b);
  }
  if (swap) return elab_binary_op(E, o, b, a, eb->at, ea->at, op_at, what);
  return elab_binary_op(E, o, a, b, ea->at, eb->at, op_at, what);
}

/* ---- @ ------------------------------------------------------------------------------------------------- */

static Value matmul(Elab *E, Value a, Value b, const Expr *ea, const Expr *eb, Span at, Span op_at) {
  Type ta, tb;
  const char *na = value_text(E, a), *nb = value_text(E, b);
  if (!value_numeric(a) || !value_numeric(b)) return not_numeric(E, a, b, ea->at, eb->at, op_at, "@");
  value_type(a, &ta), value_type(b, &tb);
  if (ta.rank == 0 || tb.rank == 0) {
    DiagMsg *m = elab_error(E, CODE_wrong_shape, op_at, "`@` needs tensors, found a scalar");
    elab_label(m, ea->at, "%s", na);
    elab_label(m, eb->at, "%s", nb);
    elab_help(m, "use `*` to multiply by a scalar");
    return POISON;
  }
  if (ta.dim[ta.rank - 1] != tb.dim[0]) {
    DiagMsg *m =
        elab_error(E, CODE_shape_mismatch, op_at, "`@` needs equal inner sizes, found %u and %u", ta.dim[ta.rank - 1], tb.dim[0]);
    elab_label(m, ea->at, "%s", na);
    elab_label(m, eb->at, "%s", nb);
    if (eb->kind == EX_NAME && ea->kind == EX_NAME && tb.rank == 1)
      elab_help(m, "declare `%s` as real[%u] to match `%s`", eb->name, ta.dim[ta.rank - 1], ea->name);
    else if (ta.rank == 2 && ta.dim[0] == tb.dim[0] && ea->kind == EX_NAME)
      elab_help(m, "`%s.T @ ...` contracts the other axis", ea->name);
    return POISON;
  }
  if (ta.rank + tb.rank - 2 > IR_MAX_RANK) {
    elab_error(E, CODE_too_large, op_at, "a tensor has at most %d axes", IR_MAX_RANK);
    return POISON;
  }
  if (!elab_fits(E, type_count(ta) / tb.dim[0] * (type_count(tb) / tb.dim[0]), op_at)) return POISON;
  Scratch s;
  bool fixed = value_static(a) && value_static(b);
  if (E->now->exact) fixed = fixed && exact_whole(a) && exact_whole(b);
  if (fixed) scratch_begin(E, &s);
  for (;; fixed = false) {
    Val x = elab_tensor(E, a, ea->at), y = elab_tensor(E, b, eb->at);
    Value r = elab_value(E, ir_matmul(elab_at(E, at), x, y));
    if (!fixed || scratch_settles(E, &s, &r, at)) return r;
  }
}

Value elab_binary(Elab *E, Opr op, Value a, Value b, const Expr *ea, const Expr *eb, Span at, Span op_at) {
  static const Op arith[] = {[OPR_ADD] = OP_add, [OPR_SUB] = OP_sub, [OPR_MUL] = OP_mul, [OPR_DIV] = OP_div, [OPR_POW] = OP_pow};
  if (a.kind == V_POISON || b.kind == V_POISON) return POISON;
  switch (op) {
  case OPR_ADD:
  case OPR_SUB:
  case OPR_MUL:
  case OPR_DIV:
  case OPR_POW: return elab_binary_op(E, arith[op], a, b, ea->at, eb->at, op_at, ast_opr_text(op));
  case OPR_MATMUL: return matmul(E, a, b, ea, eb, at, op_at);
  case OPR_AND:
  case OPR_OR: return logic(E, op, a, b, ea, eb, at, op_at);
  default: return compare(E, op, a, b, ea, eb, op_at);
  }
}
