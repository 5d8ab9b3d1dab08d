/* Forward mode: one sweep forwards over a region, tangents beside the values they belong to.
 *
 * A linear structural op is its own derivative: it is emitted again on the tangent. A tangent has the
 * dims of its value, which `fit` alone sees to, but may be shared where the value is per sample (the
 * same for every sample).
 *
 * Of several directions (`chained`) what is the same for all should be computed once. Along a chain of elementwise ops the
 * tangent is then kept as factor * base, where the factor, a product of partial derivatives, does not depend on the
 * direction, and is multiplied out where the chain ends; and what follows from the seeds alone, which are tables
 * of 0 and 1, is computed while compiling. */
#include "passes/sparsity/sparsity.h"
#include "passes/derive/derive_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct Jvp {
  Region *r;
  Active act;
  Val *tan;           /* by id */
  Val *base, *factor; /* by id, `chained`: the tangent is factor * base, unless it is in `tan`, too */
  Val **multi;        /* by id of a MULTI instruction: by result */
};

Region *jvp_region(Jvp *s) { return s->r; }

Val *jvp_results(Jvp *s, Val multi) {
  if (!s->multi[multi.id]) {
    s->multi[multi.id] = base_zeroed(ir_result_count(s->r->src, ir_inst(s->r->src, multi)) + 1, sizeof(Val));
    if (!s->multi[multi.id]) base_fault("out of memory");
  }
  return s->multi[multi.id];
}

static Val plus(Build *b, Val x, Val y) { return !x.id ? y : !y.id ? x : ir_add(b, x, y); }

static Val fit(Build *b, Val t, Type like) {
  return t.id && ir_type(b->f, t).rank == 0 && like.rank > 0 ? ir_expand_to(b, t, like) : t;
}

/* ---- of constants -------------------------------------------------------------------------------------- */

static bool literal(const Fn *f, Val v) {
  const Inst *i = ir_inst(f, v);
  return ir_literal(i->op);
}

static bool whole_numbers(const double *v, int64_t n) {
  for (int64_t k = 0; k < n; k++)
    if (v[k] != nearbyint(v[k]) || fabs(v[k]) > 1e9) return false;
  return true;
}

Val jvp_literal(Build *b, Type t, const double *v) {
  int exponent;
  for (int64_t k = 1; k < type_count(t); k++)
    if (v[k] != v[0]) return ir_table(b, t, v);
  bool exact = v[0] == 0 || fabs(frexp(v[0], &exponent)) == 0.5;
  return exact && type_count(t) ? ir_splat(b, v[0], t) : ir_table(b, t, v);
}

enum { MOST_COMPUTED = 1 << 24 }; /* operations on numbers that this may take */

/* v as a table, where it is computed from tables and comes out in whole numbers, that is exactly. */
static Val computed(Build *b, Val v) {
  Inst i = v.id ? *ir_inst(b->f, v) : (Inst){0};
  bool tables = false, all = v.id && i.nargs > 0 && i.type.dt == DT_REAL && !i.type.lane && !i.sub;
  for (uint32_t k = 0; all && k < i.nargs; k++) {
    Val a = ir_arg(b->f, &i, k);
    all = literal(b->f, a);
    tables = tables || ir_inst(b->f, a)->op == OP_table;
  }
  if (!all || !tables || i.op == OP_batch_mean) return v;
  Fn *f = ir_fn_create("literal", b->f->f64);
  Val *arg = base_realloc(NULL, i.nargs * sizeof *arg);
  Tensor out;
  Build bf;
  char err[64];
  ir_build_init(&bf, f);
  bf.fold = false;
  for (uint32_t k = 0; k < i.nargs; k++) arg[k] = ir_copy_inst(&bf, b->f, ir_arg(b->f, &i, k), NULL);
  ir_output(&bf, ir_emit_as(&bf, (Op)i.op, arg, i.nargs, b->f->attr.at + i.attr, i.nattr, NULL, i.type), NULL);
  ir_build_finish(&bf);
  base_free(arg);
  if (ir_eval_cost(f, 0) <= MOST_COMPUTED && ir_eval(f, 1, NULL, &out, &(EvalEnv){0}, err, sizeof err)) {
    if (whole_numbers(out.v, type_count(out.type))) v = jvp_literal(b, i.type, out.v);
    ir_tensors_free(&out, 1);
  }
  ir_fn_destroy(f);
  return v;
}

/* ---- chains of elementwise ops ----------------------------------------------------------------------------- */

Val jvp_tangent(Jvp *s, Val v) {
  if (!s->tan[v.id].id && s->base && s->base[v.id].id) {
    Val t = s->base[v.id];
    if (s->factor[v.id].id) t = computed(s->r->b, ir_mul(s->r->b, s->factor[v.id], t));
    s->tan[v.id] = fit(s->r->b, t, ir_type(s->r->src, v));
  }
  return s->tan[v.id];
}

static Val operand(Jvp *s, const Inst *i, uint32_t k) { return ir_arg(s->r->src, i, k); }
static Val tangent(Jvp *s, const Inst *i, uint32_t k) { return jvp_tangent(s, operand(s, i, k)); }
static Val primal(Jvp *s, const Inst *i, uint32_t k) { return region_value(s->r, operand(s, i, k)); }

static Val jvp_elementwise(Jvp *s, Val v, const Inst *i) {
  Build *b = s->r->b;
  Val sum = VAL_NONE;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val t = tangent(s, i, k);
    if (t.id && pass_partial_exists(i->op, k)) sum = plus(b, sum, fit(b, ir_mul(b, region_partial(s->r, v, i, k), t), i->type));
  }
  return sum;
}

/* Instruction i continues a chain or ends two, or is left to jvp_elementwise (false): where shapes differ. */
static bool continue_chain(Jvp *s, Val v, const Inst *i) {
  Build *b = s->r->b;
  Val base[2], factor[2];
  uint32_t n = 0;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val x = operand(s, i, k), own = s->base[x.id].id ? s->base[x.id] : s->tan[x.id];
    if (!own.id || !pass_partial_exists(i->op, k)) continue;
    if (!type_same_dims(ir_type(s->r->src, x), i->type)) return false;
    Val p = region_partial(s->r, v, i, k);
    if (s->base[x.id].id && s->factor[x.id].id) p = ir_mul(b, p, s->factor[x.id]);
    if (n && base[0].id == own.id) {
      factor[0] = ir_add(b, factor[0], p);
    } else {
      base[n] = own;
      factor[n++] = p;
    }
  }
  if (n == 1) {
    s->base[v.id] = base[0];
    s->factor[v.id] = factor[0];
  } else if (n == 2) {
    Val x = computed(b, ir_mul(b, factor[0], base[0])), y = computed(b, ir_mul(b, factor[1], base[1]));
    s->tan[v.id] = fit(b, computed(b, ir_add(b, x, y)), i->type);
  }
  return true;
}

static Val jvp_none(Jvp *s, Val v, const Inst *i) {
  (void)s, (void)v, (void)i;
  return VAL_NONE;
}

/* ---- structural rules --------------------------------------------------------------------------------- */

/* The same op on other operands. */
static Val again(Jvp *s, const Inst *i, const Val *args) {
  int64_t *attrs = base_realloc(NULL, sizeof *attrs * (i->nattr + 1));
  for (uint32_t k = 0; k < i->nattr; k++) attrs[k] = ir_attrs(s->r->src, i).at[k];
  Val v = ir_emit(s->r->b, i->op, args, i->nargs, attrs, i->nattr, NULL);
  base_free(attrs);
  return v;
}

#define NONE_RULE(name) \
  Val jvp_##name(Jvp *s, Val v, const Inst *i) { return jvp_none(s, v, i); }
NONE_RULE(in)
NONE_RULE(const)
NONE_RULE(table)
NONE_RULE(iota)
NONE_RULE(rand)
NONE_RULE(batch_mean)
NONE_RULE(require)

#define FAULT_RULE(op_name)                                             \
  Val jvp_##op_name(Jvp *s, Val v, const Inst *i) {                     \
    (void)s, (void)v;                                                   \
    base_fault("%s in a region of differentiation", ir_op[i->op].name); \
  }
FAULT_RULE(integrate)
FAULT_RULE(grad)
FAULT_RULE(jac)
FAULT_RULE(divergence)
FAULT_RULE(logjac)

#define LINEAR_RULE(name)                        \
  Val jvp_##name(Jvp *s, Val v, const Inst *i) { \
    (void)v;                                     \
    Val t = tangent(s, i, 0);                    \
    return t.id ? again(s, i, &t) : VAL_NONE;    \
  }
LINEAR_RULE(reshape)
LINEAR_RULE(transpose)
LINEAR_RULE(flip)
LINEAR_RULE(expand)
LINEAR_RULE(sum)
LINEAR_RULE(slice)
LINEAR_RULE(unslice)
LINEAR_RULE(window)
LINEAR_RULE(unwindow)
LINEAR_RULE(take)
LINEAR_RULE(put)
LINEAR_RULE(diag)
LINEAR_RULE(diagv)
LINEAR_RULE(tri)

/* Linear in the first operand, and constant in the index. */
Val jvp_gather(Jvp *s, Val v, const Inst *i) {
  (void)v;
  Val t = tangent(s, i, 0);
  return t.id ? ir_gather(s->r->b, t, primal(s, i, 1)) : VAL_NONE;
}

Val jvp_scatter(Jvp *s, Val v, const Inst *i) {
  scatter_attr attr = ir_scatter_attr(s->r->src, i);
  (void)v;
  Val t = tangent(s, i, 0);
  if (!t.id) return VAL_NONE;
  return ir_scatter(s->r->b, pass_with_lane(s->r->b, t, attr.lanes != 0), primal(s, i, 1), (uint32_t)attr.n, attr.lanes != 0);
}

static Val tangent_or_zero(Jvp *s, const Inst *i, uint32_t k) {
  Val t = tangent(s, i, k);
  return t.id ? t : ir_splat(s->r->b, 0, pass_type_with(ir_type(s->r->src, operand(s, i, k)), false));
}

Val jvp_setrow(Jvp *s, Val v, const Inst *i) {
  (void)v;
  if (!tangent(s, i, 0).id && !tangent(s, i, 2).id) return VAL_NONE;
  Val x = tangent_or_zero(s, i, 0), row = tangent_or_zero(s, i, 2);
  return ir_setrow(s->r->b, x, primal(s, i, 1), row);
}

Val jvp_id(Jvp *s, Val v, const Inst *i) {
  (void)v;
  return tangent(s, i, 0);
}
Val jvp_barrier(Jvp *s, Val v, const Inst *i) {
  (void)v;
  return tangent(s, i, 0);
}
Val jvp_spread(Jvp *s, Val v, const Inst *i) {
  (void)v;
  return tangent(s, i, 0);
}

Val jvp_batch_sum(Jvp *s, Val v, const Inst *i) {
  (void)v;
  Val t = tangent(s, i, 0);
  return t.id ? ir_batch_sum(s->r->b, pass_with_lane(s->r->b, t, true)) : VAL_NONE;
}

Val jvp_select(Jvp *s, Val v, const Inst *i) {
  (void)v;
  Build *b = s->r->b;
  Val x = tangent(s, i, 1), y = tangent(s, i, 2);
  if (!x.id && !y.id) return VAL_NONE;
  Val zero = ir_const(b, 0);
  return ir_select(b, primal(s, i, 0), x.id ? x : zero, y.id ? y : zero);
}

Val jvp_concat(Jvp *s, Val v, const Inst *i) {
  (void)v;
  Val *args = base_realloc(NULL, sizeof *args * (i->nargs + 1));
  bool some = false;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val t = tangent(s, i, k);
    some = some || t.id;
    args[k] = t.id ? t : ir_splat(s->r->b, 0, pass_type_with(ir_type(s->r->src, operand(s, i, k)), false));
  }
  Val t = some ? again(s, i, args) : VAL_NONE;
  base_free(args);
  return t;
}

/* The mean of the tangents of those elements that attain the extremum. */
static Val extremum(Jvp *s, Val v, const Inst *i) {
  Build *b = s->r->b;
  Val t = tangent(s, i, 0);
  if (!t.id) return VAL_NONE;
  int axis = (int)ir_rmax_attr(s->r->src, i).axis;
  uint32_t n = ir_type(s->r->src, operand(s, i, 0)).dim[axis];
  Val hit = ir_eq(b, primal(s, i, 0), ir_expand(b, region_value(s->r, v), axis, n));
  Val count = ir_sum(b, ir_indicator(b, hit), axis);
  return ir_div(b, ir_sum(b, ir_select(b, hit, t, ir_const(b, 0)), axis), count);
}

Val jvp_rmax(Jvp *s, Val v, const Inst *i) { return extremum(s, v, i); }
Val jvp_rmin(Jvp *s, Val v, const Inst *i) { return extremum(s, v, i); }

Val jvp_dot(Jvp *s, Val v, const Inst *i) {
  dot_attr attr = ir_dot_attr(s->r->src, i);
  (void)v;
  Build *b = s->r->b;
  Val sum = VAL_NONE;
  for (uint32_t k = 0; k < 2; k++) {
    Val t = tangent(s, i, k), args[2];
    if (!t.id) continue;
    args[k] = pass_with_lane(b, t, attr.lanes != 0);
    args[1 - k] = primal(s, i, 1 - k);
    sum = plus(b, sum, again(s, i, args));
  }
  return sum;
}

/* By both series. */
Val jvp_cauchy(Jvp *s, Val v, const Inst *i) {
  Val sum = VAL_NONE;
  (void)v;
  for (uint32_t k = 0; k < 2; k++) {
    Val t = tangent(s, i, k), args[3] = {primal(s, i, 0), primal(s, i, 1), primal(s, i, 2)};
    if (!t.id) continue;
    args[k] = t;
    sum = plus(s->r->b, sum, again(s, i, args));
  }
  return sum;
}

Val jvp_proj(Jvp *s, Val v, const Inst *i) {
  proj_attr attr = ir_proj_attr(s->r->src, i);
  (void)v;
  Val multi = operand(s, i, 0);
  return s->multi[multi.id] ? s->multi[multi.id][attr.index] : VAL_NONE;
}

static JvpRule *const rule[OP_count] = {
#define EW1(name, ...) [OP_##name] = jvp_elementwise,
#define EW2(name, ...) [OP_##name] = jvp_elementwise,
#define CMP(name, ...) [OP_##name] = jvp_none,
#define LOG(name, ...) [OP_##name] = jvp_none,
#define ST(name, ...) [OP_##name] = jvp_##name,
#include "ir/ops.def"
};

static void mark_needed(Active *act, const Fn *f, const Val *e, uint32_t ne) {
  bool *need = base_zeroed(act->n, sizeof *need);
  for (uint32_t k = 0; k < ne; k++) need[e[k].id] = true;
  for (uint32_t id = act->n; id-- > 1;) {
    need[id] = need[id] && act->on[id];
    act->on[id] = need[id];
    for (uint32_t k = 0; need[id] && k < f->inst.at[id].nargs; k++) need[ir_arg(f, &f->inst.at[id], k).id] = true;
  }
  base_free(need);
}

/* ---- what is held constant --------------------------------------------------------------------------------- */

static void exchange(Val *at, Val *by) {
  const Val v = *at;
  *at = *by;
  *by = v;
}

/* Takes their tangents from the values that instruction id counts as constants, and gives them back. */
static void hold(Jvp *s, uint32_t id, Val (*kept)[2]) {
  const Held *h = s->r->held;
  for (uint32_t k = 0; h && k < h->use.n; k++) {
    if (h->use.at[k].user != id) continue;
    exchange(&s->tan[h->use.at[k].value], &kept[k][0]);
    if (s->base) exchange(&s->base[h->use.at[k].value], &kept[k][1]);
  }
}

static bool has_tangent(const Jvp *s, const Inst *i) {
  bool some = false;
  for (uint32_t k = 0; k < i->nargs; k++) {
    const uint32_t a = ir_arg(s->r->src, i, k).id;
    some |= s->tan[a].id || s->multi[a] || (s->base && s->base[a].id);
  }
  return some;
}

/* ---- the sweep ---------------------------------------------------------------------------------------------- */

static void visit(Jvp *s, uint32_t id) {
  Region *r = s->r;
  const Inst i = r->src->inst.at[id];
  if (!has_tangent(s, &i)) return;
  region_stamp(r, &i, ROLE_TANGENT);
  if (r->chained && rule[i.op] == jvp_elementwise && continue_chain(s, (Val){id}, &i)) return;
  s->tan[id] = fit(r->b, rule[i.op](s, (Val){id}, &i), i.type);
  if (r->chained) s->tan[id] = computed(r->b, s->tan[id]);
}

bool jvp_sweep(Region *r, const Val *x, const Val *t, uint32_t nx, const Val *e, uint32_t ne, Val *out) {
  Jvp s = {.r = r};
  Role role = r->b->role;
  Op of = r->b->of;
  Span at = r->b->at;
  bool *is_x = base_zeroed(r->n, sizeof *is_x);
  Val(*kept)[2] = base_zeroed(r->held ? r->held->use.n + 1 : 1, sizeof *kept);
  s.tan = base_zeroed(r->n, sizeof *s.tan);
  s.multi = base_zeroed(r->n, sizeof *s.multi);
  if (r->chained) {
    s.base = base_zeroed(r->n, sizeof *s.base);
    s.factor = base_zeroed(r->n, sizeof *s.factor);
  }
  region_active_init(&s.act, r->src, r->n);
  for (uint32_t k = 0; k < nx; k++) {
    s.act.on[x[k].id] = is_x[x[k].id] = true;
    s.tan[x[k].id] = fit(r->b, t[k], ir_type(r->src, x[k]));
  }
  region_active_spread(&s.act, r->src);
  mark_needed(&s.act, r->src, e, ne);
  for (uint32_t id = s.act.from; id < r->n && !r->failed; id++) {
    if (!s.act.on[id] || is_x[id]) continue;
    hold(&s, id, kept);
    visit(&s, id);
    hold(&s, id, kept);
  }
  for (uint32_t k = 0; k < ne; k++) out[k] = jvp_tangent(&s, e[k]);
  for (uint32_t id = s.act.from; id < r->n; id++) base_free(s.multi[id]);
  base_free(s.multi);
  base_free(s.tan);
  base_free(s.base);
  base_free(s.factor);
  base_free(is_x);
  base_free(kept);
  region_active_finish(&s.act);
  r->b->role = role;
  r->b->of = of;
  r->b->at = at;
  return !r->failed;
}
