/* Types of the ops with several results (scan, integrate, ode, reversible) and of `proj`. */
#include "ir/core/shape.h"

#include <math.h>

static bool body_out(const Fn *body, uint32_t k, Type *t) {
  if (k >= body->out.n || body->out.at[k].id == 0 || body->out.at[k].id >= body->inst.n) return false;
  *t = ir_type(body, body->out.at[k]);
  return t->dt != DT_MULTI;
}

/* Input k of the body has the type `want`. */
static bool body_in(const Sig *s, uint32_t k, Type want, const char *what) {
  char x[SHAPE_TEXT], y[SHAPE_TEXT];
  if (type_eq(s->sub->in.at[k].type, want)) return true;
  return shape_bad(s, "has %s %u of type %s, but its body takes %s", what, k, shape_text(s, want, x),
                   shape_text(s, s->sub->in.at[k].type, y));
}

static bool small_attr(const Sig *s, int64_t v, int64_t least, const char *what) {
  if (v >= least && v <= INT32_MAX) return true;
  return shape_bad(s, "needs %s of at least %lld, found %lld", what, (long long)least, (long long)v);
}

/* Outputs first ... first + n of the body agree with the operands of the same number (a state, a carry). */
static bool body_returns(const Sig *s, uint32_t n, const char *what) {
  char x[SHAPE_TEXT], y[SHAPE_TEXT];
  for (uint32_t k = 0; k < n; k++) {
    Type t;
    if (!body_out(s->sub, k, &t)) return shape_bad(s, "has a body without output %u", k);
    if (!type_eq(t, s->type[k]))
      return shape_bad(s, "%s %u must keep its type, found %s and then %s", what, k, shape_text(s, s->type[k], x),
                       shape_text(s, t, y));
  }
  return true;
}

static bool any_lane(const Sig *s, uint32_t nouts) {
  Type t;
  for (uint32_t k = 0; k < nouts; k++)
    if (body_out(s->sub, k, &t) && t.lane) return true;
  return false;
}

static bool scan_counts(const Sig *s) {
  scan_attr a = scan_attr_at(s->attr);
  const int64_t counts[] = {a.n, a.carry, a.xs, a.ys, a.zs};
  for (int k = 0; k < 5; k++)
    if (!small_attr(s, counts[k], 0, "counts")) return false;
  if ((a.reverse & ~INT64_C(1)) || a.converge < 0 || a.converge > 2)
    return shape_bad(s, "has `reverse` 0 or 1 and `converge` 0, 1 or 2");
  if (a.n == 0 && (a.xs || a.ys)) return shape_bad(s, "of no turns has nothing to stack");
  if (a.converge && (a.xs || a.ys || (a.zs && a.converge == 1) || !a.carry))
    return shape_bad(s, "to convergence has carries only, or sums while samples need it");
  if (a.carry + a.xs > s->nargs)
    return shape_bad(s, "has %lld carries and %lld sequences, found %u operands", (long long)a.carry, (long long)a.xs, s->nargs);
  if (s->sub->in.n != s->nargs) return shape_bad(s, "has %u operands, but its body takes %u", s->nargs, s->sub->in.n);
  if (s->sub->out.n != a.carry + a.ys + a.zs)
    return shape_bad(s, "has %lld results, but its body returns %u", (long long)(a.carry + a.ys + a.zs), s->sub->out.n);
  return true;
}

bool shape_scan(const Sig *s, Type *out) {
  scan_attr a = scan_attr_at(s->attr);
  if (!scan_counts(s)) return false;
  if (a.converge == 2 && (s->type[0].dt != DT_REAL || s->type[0].rank))
    return shape_bad(s, "that goes on while carry 0 is positive needs a real scalar there");
  uint32_t carry = (uint32_t)a.carry, seq = carry + (uint32_t)a.xs;
  for (uint32_t k = 0; k < s->nargs; k++) {
    Type t = s->type[k];
    if (k >= carry && k < seq) {
      if (t.rank == 0 || t.dim[0] != a.n)
        return shape_bad(s, "of %lld turns needs a first axis of that size in operand %u", (long long)a.n, k);
      t = type_without_axis(t, 0);
    }
    if (!body_in(s, k, t, k < carry ? "carry" : k < seq ? "sequence" : "invariant")) return false;
  }
  if (!body_returns(s, carry, "carry")) return false;
  for (uint32_t k = carry; k < s->sub->out.n; k++) {
    Type t;
    if (!body_out(s->sub, k, &t)) return shape_bad(s, "has a body without output %u", k);
    if (k < carry + a.ys && t.rank == IR_MAX_RANK) return shape_bad(s, "stacks to rank %d", t.rank + 1);
    if (k < carry + a.ys && !shape_sane(s, type_with_axis(t, 0, (uint32_t)a.n))) return false;
    if (k >= carry + a.ys && t.dt != DT_REAL) return shape_bad(s, "sums reals only, output %u", k);
  }
  *out = (Type){.dt = DT_MULTI, .lane = any_lane(s, s->sub->out.n)};
  return true;
}

static bool method_attr(const Sig *s, bool adaptive) {
  if (s->attr[0] < 0 || s->attr[0] >= M_count) return shape_bad(s, "has no method %lld", (long long)s->attr[0]);
  if (adaptive ? ir_method[s->attr[0]].adaptive : ir_fixed_steps((Method)s->attr[0])) return true;
  return shape_bad(s, adaptive ? "needs an adaptive method, found %s" : "needs a method of fixed steps, found %s",
                   ir_method[s->attr[0]].name);
}

/* A body that takes [t, h] gives coefficients, as many for each state. */
static bool series(const Sig *s, uint32_t n) {
  Type t = s->sub->in.at[n].type, x;
  if (t.dt != DT_REAL || t.rank != 1 || t.dim[0] != 2) return shape_bad(s, "has series whose input %u is no pair of reals", n);
  for (uint32_t k = 0; k < n; k++) {
    if (!body_out(s->sub, k, &x) || !x.rank || x.dim[0] < 2) return shape_bad(s, "has no coefficients of state %u", k);
    if (k && x.dim[0] != t.dim[1]) return shape_bad(s, "has not as many coefficients of each state");
    t.dim[1] = x.dim[0];
    if (!type_eq(type_without_axis(x, 0), s->type[k])) return shape_bad(s, "has coefficients of another type than state %u", k);
  }
  return true;
}

/* Behind the rates of q and p stands the second one of q. */
static bool second_rate(const Sig *s) {
  Type t;
  return (body_out(s->sub, 2, &t) && type_eq(t, s->type[0])) || shape_bad(s, "has a second rate of another type than state 0");
}

/* states..., clock, inv...; the body takes states..., t, inv... and returns a rate for each state; with `counts` it may
 * take the number of the step as well. */
static bool rates(const Sig *s, uint32_t stacked, bool counts) {
  if (!small_attr(s, s->attr[1], 1, "states")) return false;
  if (s->attr[1] + 1 > s->nargs) return shape_bad(s, "has %lld states, found %u operands", (long long)s->attr[1], s->nargs);
  uint32_t n = (uint32_t)s->attr[1];
  const bool counted = counts && s->sub->in.n == s->nargs + 1;
  if (s->sub->in.n != s->nargs + counted) return shape_bad(s, "has %u operands, but its rates take %u", s->nargs, s->sub->in.n);
  if (counted && !type_eq(s->sub->in.at[s->nargs].type, type_scalar(false)))
    return shape_bad(s, "has rates whose last input, the number of the step, is no shared scalar");
  const bool second = s->op == OP_ode && s->attr[0] == M_GAUSS16 && n == 2 && s->sub->out.n == 3;
  if (s->sub->out.n != n + second) return shape_bad(s, "has %u states, but %u rates", n, s->sub->out.n);
  if (second && !second_rate(s)) return false;
  for (uint32_t k = 0; k < s->nargs; k++) {
    if (k < n && s->type[k].dt != DT_REAL) return shape_bad(s, "needs reals as states");
    if (k < n && s->type[k].rank == IR_MAX_RANK) return shape_bad(s, "stacks to rank %d", IR_MAX_RANK + 1);
    if (k < n && !shape_sane(s, type_with_axis(s->type[k], 0, stacked))) return false;
    if (k != n && !body_in(s, k, s->type[k], k < n ? "state" : "invariant")) return false;
  }
  Type t = s->sub->in.at[n].type;
  if (s->op == OP_ode && s->attr[0] == M_TAYLOR && t.rank) return series(s, n);
  if (t.dt != DT_REAL || t.rank) return shape_bad(s, "has rates whose time, input %u, is no scalar", n);
  return body_returns(s, n, "state");
}

static uint32_t integrate_points(const int64_t *a) { return (uint32_t)(a[2] / a[3] + 1); }

bool shape_integrate(const Sig *s, Type *out) {
  const int64_t *a = s->attr;
  if (!method_attr(s, false) || !small_attr(s, a[2], 0, "steps") || !small_attr(s, a[3], 1, "`every`")) return false;
  if (!rates(s, integrate_points(a), true)) return false;
  uint32_t n = (uint32_t)a[1];
  Type dt = s->type[n];
  if (dt.dt != DT_REAL || dt.rank) return shape_bad(s, "needs a scalar step, operand %u", n);
  if (ir_method[a[0]].symplectic && ir_method[a[0]].separable && (n != 2 || !type_same_dims(s->type[0], s->type[1])))
    return shape_bad(s, "by %s needs two states alike", ir_method[a[0]].name);
  if (dt.lane && !any_lane(s, n)) return shape_bad(s, "with a step per sample needs states per sample");
  *out = (Type){.dt = DT_MULTI, .lane = any_lane(s, n)};
  return true;
}

bool shape_ode(const Sig *s, Type *out) {
  const int64_t *a = s->attr;
  double tol[2];
  memcpy(tol, a + 2, sizeof tol);
  if (!method_attr(s, true)) return false;
  if (!(tol[0] >= 0) || !(tol[1] >= 0) || isinf(tol[0] + tol[1]) || (!(tol[0] + tol[1] > 0) && a[0] != M_GAUSS16))
    return shape_bad(s, "needs a positive tolerance");
  if (a[4] < 1 || a[4] > INT32_MAX) return shape_bad(s, "needs a number of steps");
  if (a[1] < 1 || a[1] >= s->nargs) return shape_bad(s, "has %lld states, found %u operands", (long long)a[1], s->nargs);
  const ode_attr attr = ode_attr_at(a);
  if (attr.watched < 1 || attr.watched > attr.states) return shape_bad(s, "watches 1 ... %lld states", (long long)attr.states);
  if (attr.record < 0 || attr.record > ODE_MOST_RECORD) return shape_bad(s, "records 0 ... %d steps", (int)ODE_MOST_RECORD);
  if (attr.kinks < 0 || attr.kinks > 1) return shape_bad(s, "has kinks, 1, or none, 0");
  uint32_t n = (uint32_t)a[1];
  Type times = s->type[n];
  if (times.dt != DT_REAL || times.rank != 1) return shape_bad(s, "needs a vector of times, operand %u", n);
  if (times.lane && !s->type[0].lane) return shape_bad(s, "with times per sample needs states per sample");
  if (!rates(s, times.dim[0], false)) return false;
  for (uint32_t k = 1; k < n; k++)
    if (s->type[k].lane != s->type[0].lane) return shape_bad(s, "needs all states per sample, or none");
  if (s->sub->in.at[n].type.lane != s->type[0].lane)
    return shape_bad(s, "needs a time per sample for states per sample, and a shared one for shared ones");
  *out = (Type){.dt = DT_MULTI, .lane = s->type[0].lane};
  return true;
}

/* x..., inv...; the body takes x, y, inv and returns f(x, inv), g(y, inv). */
bool shape_reversible(const Sig *s, Type *out) {
  reversible_attr attr = reversible_attr_at(s->attr);
  char x[SHAPE_TEXT], y[SHAPE_TEXT];
  if (!small_attr(s, attr.states, 1, "states")) return false;
  if (attr.states > s->nargs) return shape_bad(s, "has %lld states, found %u operands", (long long)attr.states, s->nargs);
  uint32_t n = (uint32_t)attr.states;
  if (s->sub->in.n != s->nargs + n)
    return shape_bad(s, "has %u operands and %u states, but its body takes %u", s->nargs, n, s->sub->in.n);
  if (s->sub->out.n != 2 * n) return shape_bad(s, "has %u states, but its body returns %u", n, s->sub->out.n);
  for (uint32_t k = 0; k < s->sub->in.n; k++) {
    if (k < n && s->type[k].dt != DT_REAL) return shape_bad(s, "needs reals as states");
    if (!body_in(s, k, s->type[k < n ? k : k - n], k < 2 * n ? "state" : "invariant")) return false;
  }
  for (uint32_t k = 0; k < 2 * n; k++) {
    Type t;
    if (!body_out(s->sub, k, &t)) return shape_bad(s, "has a body without output %u", k);
    if (!type_eq(t, s->type[k % n]))
      return shape_bad(s, "state %u must keep its type, found %s and then %s", k % n, shape_text(s, s->type[k % n], x),
                       shape_text(s, t, y));
  }
  *out = (Type){.dt = DT_MULTI, .lane = any_lane(s, n)};
  return true;
}

/* k, inv...; the body takes the same and returns r, dr/dk. */
bool shape_root(const Sig *s, Type *out) {
  Type r, jacobian;
  if (!s->nargs || s->type[0].dt != DT_REAL || s->type[0].rank != 1) return shape_bad(s, "needs a vector");
  if (s->sub->in.n != s->nargs) return shape_bad(s, "has %u operands, but its body takes %u", s->nargs, s->sub->in.n);
  for (uint32_t k = 0; k < s->nargs; k++)
    if (!body_in(s, k, s->type[k], "operand")) return false;
  Type t = s->type[0], square = type_with_axis(t, 0, t.dim[0]);
  const bool alone = s->sub->out.n == 1; /* k + r contracts */
  if ((s->sub->out.n != 2 && !alone) || !body_out(s->sub, 0, &r) || !type_same_dims(r, t) ||
      (!alone && (!body_out(s->sub, 1, &jacobian) || !type_same_dims(jacobian, square))))
    return shape_bad(s, "of size %u needs a body that returns as many numbers and a square matrix", t.dim[0]);
  *out = t;
  return true;
}

bool ir_ode_second(const Fn *f, const Inst *i) { return ir_body(f, i)->out.n > ir_states(f, i); }

int64_t ir_ode_room(const Fn *f, const Inst *i, uint32_t states) {
  enum { RECORD_BYTES = 1 << 20, RECORD_LEAST = 64 };
  int64_t row = 2;
  for (uint32_t k = 0; k < states; k++) row += 2 * type_count(ir_type(f, ir_arg(f, i, k)));
  const int64_t rows = RECORD_BYTES / (row * (f->f64 ? 8 : 4));
  return rows < RECORD_LEAST ? RECORD_LEAST : rows;
}

uint32_t ir_ode_order(const Fn *f, const Inst *i) {
  const Fn *body = ir_body(f, i);
  const ode_attr attr = ir_ode_attr(f, i);
  const bool series = attr.method == M_TAYLOR && (uint64_t)attr.states < body->in.n && body->in.at[attr.states].type.rank;
  return series ? ir_type(body, body->out.at[0]).dim[0] : 0;
}

int64_t ir_turns(const Fn *f, const Inst *scan) {
  enum { WHILE_TURNS = 8 }; /* of a loop that ends when its samples are done */
  ScanShape s = ir_scan_shape(f, scan);
  return s.converge == 2 && s.n > WHILE_TURNS ? WHILE_TURNS : s.n;
}

#define ATTRS(op) (sizeof(op##_attr) / sizeof(int64_t)) /* attributes of an operator whose last ones are no list */

/* Rates that its body has, but for a second one; states, once it is verified. */
static uint32_t ode_states(const Fn *f, const Inst *ode) {
  const uint32_t n = ir_body(f, ode)->out.n;
  const bool plain = ode->nattr != ATTRS(ode) || ir_ode_attr(f, ode).method != M_GAUSS16;
  return plain || ir_ode_attr(f, ode).states != 2 || n != 3 ? n : 2;
}

/* Of the results of a record how many there are. */
static uint32_t recorded(const Fn *f, const Inst *ode) {
  if (ode->nattr != ATTRS(ode)) return 0;
  const ode_attr attr = ir_ode_attr(f, ode);
  const uint32_t n = (uint32_t)attr.states;
  return !attr.record ? 0 : ir_records_rates((Method)attr.method) ? 2 * n + 1 : n + 1;
}

static bool record_type(const Fn *f, const Inst *ode, uint32_t index, Type *out) {
  const ode_attr attr = ir_ode_attr(f, ode);
  const uint32_t n = (uint32_t)attr.states, rows = (uint32_t)attr.record;
  if (!n || ode->nargs < n) return false;
  const bool lane = ir_type(f, ir_arg(f, ode, 0)).lane;
  if (index == ir_ode_result(n, ODE_COUNTS, 0)) return *out = type_real(lane, 1, (uint32_t[]){2}), true;
  if (index == ir_ode_result(n, ODE_STEPS, 0)) return *out = type_real(lane, 2, (uint32_t[]){rows, 2}), true;
  Type t = ir_type(f, ir_arg(f, ode, (index - n - 1) % (n + 1)));
  if (t.dt != DT_REAL || t.rank == IR_MAX_RANK) return false;
  *out = type_with_axis(t, 0, rows);
  return true;
}

uint32_t ir_result_count(const Fn *f, const Inst *m) {
  const Fn *body = m->sub <= f->sub.n ? ir_body(f, m) : NULL;
  if (m->op == OP_reversible) return body ? body->out.n / 2 : 0;
  if (m->op == OP_ode && body) return ode_states(f, m) + 1 + recorded(f, m);
  return ir_has(m->op, OPF_MULTI) && body ? body->out.n : 0;
}

/* Size of the new first axis of result `index`; 0 if it has none. */
static bool stacked_size(const Fn *f, const Inst *m, uint32_t index, uint32_t *n) {
  const int64_t *a = f->attr.at + m->attr;
  *n = 0;
  switch (m->op) {
  case OP_scan:
    if (m->nattr != ATTRS(scan)) return false;
    if (index >= scan_attr_at(a).carry && index < scan_attr_at(a).carry + scan_attr_at(a).ys) *n = (uint32_t)scan_attr_at(a).n;
    return true;
  case OP_integrate:
    if (m->nattr != ATTRS(integrate) || a[3] < 1) return false;
    *n = integrate_points(a);
    return true;
  case OP_ode:
    if (m->nattr != ATTRS(ode) || a[1] < 0 || a[1] >= m->nargs) return false;
    Val times = ir_arg(f, m, (uint32_t)a[1]);
    if (times.id >= f->inst.n) return false;
    *n = ir_type(f, times).dim[0];
    return true;
  case OP_reversible: return true;
  default: return false;
  }
}

bool ir_result_type(const Fn *f, const Inst *m, uint32_t index, Type *out) {
  uint32_t n;
  Type t;
  if (index >= ir_result_count(f, m)) return false;
  if (m->op == OP_ode && index >= ode_states(f, m)) return record_type(f, m, index, out);
  if (!body_out(ir_body(f, m), index, &t)) return false;
  if (!stacked_size(f, m, index, &n)) return false;
  if (m->op == OP_ode && ir_ode_order(f, m)) t = type_without_axis(t, 0);
  if (n && t.rank == IR_MAX_RANK) return false;
  *out = n ? type_with_axis(t, 0, n) : t;
  return true;
}

bool shape_proj(const Sig *s, Type *out) {
  proj_attr attr = proj_attr_at(s->attr);
  const Inst *m = ir_inst(s->f, s->args[0]);
  uint32_t n = ir_result_count(s->f, m);
  if (attr.index < 0 || attr.index >= n) return shape_bad(s, "asks for result %lld of %u", (long long)attr.index, n);
  if (!ir_result_type(s->f, m, (uint32_t)attr.index, out)) return shape_bad(s, "has a broken operand");
  return true;
}
