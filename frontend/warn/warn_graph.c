/* What the graph of a loss or of a Hamiltonian says to warnings. Every answer is one that holds for all data: where a rule does not
 * know, nothing is said. */
#include "frontend/warn/warn.h"
#include "frontend/warn/warn_priv.h"
#include "passes/passes.h"

#include <stdlib.h>
#include <string.h>

static bool *flags(const Fn *f) { return base_zeroed(f->inst.n, sizeof(bool)); }

/* Marks what v depends on. */
static bool *cone(const Fn *f, Val v) {
  bool *in = flags(f);
  in[v.id] = true;
  for (uint32_t id = v.id; id > 0; id--) {
    const Inst *i = &f->inst.at[id];
    for (uint32_t k = 0; in[id] && k < i->nargs; k++) in[ir_arg(f, i, k).id] = true;
  }
  return in;
}

static const Input *input_of(const Fn *f, const Inst *i) { return i->op == OP_in ? &f->in.at[ir_in_attr(f, i).index] : NULL; }

static bool draws(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Fn *body = ir_body(f, &f->inst.at[id]);
    if (f->inst.at[id].op == OP_rand || (body && draws(body))) return true;
  }
  return false;
}

bool graph_reads_fields(const Fn *f, Val v) {
  bool *in = cone(f, v), found = false;
  for (uint32_t id = 1; id <= v.id && !found; id++) {
    const Inst *i = &f->inst.at[id];
    const Input *x = input_of(f, i);
    found = in[id] &&
            ((x && x->kind == IN_FIELD) || i->op == OP_rand || i->op == OP_batch_mean || (ir_body(f, i) && draws(ir_body(f, i))));
  }
  base_free(in);
  return found;
}

void graph_used_params(const Fn *f, Val v, bool *used) {
  bool *in = cone(f, v);
  for (uint32_t id = 1; id <= v.id; id++) {
    const Input *x = input_of(f, &f->inst.at[id]);
    if (in[id] && x && x->kind == IN_PARAM) used[x->index] = true;
  }
  base_free(in);
}

/* ---- a loss that is 0 where all parameters are --------------------------------------------------------------- */

/* Operations of one operand that are 0 at 0, or move elements. */
static bool keeps_zero(Op op) {
  switch (op) {
  case OP_neg:
  case OP_abs:
  case OP_sign:
  case OP_expm1:
  case OP_log1p:
  case OP_sqrt:
  case OP_sin:
  case OP_tan:
  case OP_tanh:
  case OP_relu:
  case OP_erf:
  case OP_asin:
  case OP_atan:
  case OP_sinh:
  case OP_asinh:
  case OP_atanh:
  case OP_stop:
  case OP_fixed:
  case OP_floor:
  case OP_ceil:
  case OP_round:
  case OP_sum:
  case OP_rmax:
  case OP_rmin:
  case OP_add:
  case OP_sub:
  case OP_min:
  case OP_max:
  case OP_concat: return true;
  default: return ir_has(op, OPF_VIEW | OPF_PLACES);
  }
}

static bool zero_value(const Fn *f, const Inst *i, const bool *zero) {
  bool all = i->nargs > 0, any = false;
  for (uint32_t k = 0; k < i->nargs; k++) {
    all &= zero[ir_arg(f, i, k).id];
    any |= zero[ir_arg(f, i, k).id];
  }
  double b;
  switch (i->op) {
  case OP_mul:
  case OP_dot: return any;
  case OP_div:
  case OP_mod:
  case OP_grad:
  case OP_jac:
  case OP_gather:
  case OP_scatter:
  case OP_divergence: return zero[ir_arg(f, i, 0).id];
  case OP_select: return zero[ir_arg(f, i, 1).id] && zero[ir_arg(f, i, 2).id];
  case OP_pow: return zero[ir_arg(f, i, 0).id] && ir_is_const(f, ir_arg(f, i, 1), &b) && b > 0;
  default: return all && keeps_zero((Op)i->op);
  }
}

static bool even(double x) { return x == 2 * (double)(int64_t)(x / 2); }

/* A sum of squares, and no product of a matrix with itself. */
static bool same_elements(const Fn *f, const Inst *i) {
  const DotShape d = ir_dot_shape(f, i);
  for (int k = 0; k < d.rank[0]; k++)
    if (d.label[0][k] != d.label[1][k]) return false;
  return true;
}

static bool not_negative(const Fn *f, const Inst *i, const bool *pos) {
  const Val a = i->nargs > 0 ? ir_arg(f, i, 0) : (Val){0}, b = i->nargs > 1 ? ir_arg(f, i, 1) : (Val){0};
  double c;
  switch (i->op) {
  case OP_abs:
  case OP_exp:
  case OP_sigmoid:
  case OP_softplus:
  case OP_relu:
  case OP_sqrt:
  case OP_rsqrt:
  case OP_rsqrt3:
  case OP_acos:
  case OP_cosh:
  case OP_acosh: return true;
  case OP_mul: return a.id == b.id || (pos[a.id] && pos[b.id]);
  case OP_dot: return (a.id == b.id && same_elements(f, i)) || (pos[a.id] && pos[b.id]);
  case OP_add:
  case OP_div:
  case OP_min: return pos[a.id] && pos[b.id];
  case OP_max: return pos[a.id] || pos[b.id];
  case OP_mod: return pos[b.id];
  case OP_pow: return pos[a.id] || (ir_is_const(f, b, &c) && even(c));
  case OP_asin:
  case OP_atan:
  case OP_sinh:
  case OP_asinh:
  case OP_atanh:
  case OP_stop:
  case OP_fixed:
  case OP_floor:
  case OP_ceil:
  case OP_round:
  case OP_gather:
  case OP_scatter:
  case OP_sum:
  case OP_rmax:
  case OP_rmin: return pos[a.id];
  default: return ir_has(i->op, OPF_VIEW) && pos[a.id];
  }
}

bool graph_vanishes(const Fn *f, Val v, const uint32_t *param, uint32_t n) {
  bool *zero = flags(f), *pos = flags(f);
  for (uint32_t id = 1; id <= v.id; id++) {
    const Inst *i = &f->inst.at[id];
    const Input *x = input_of(f, i);
    double c;
    if (ir_is_const(f, (Val){id}, &c)) zero[id] = c == 0, pos[id] = c >= 0;
    else if (x)
      for (uint32_t k = 0; x->kind == IN_PARAM && k < n; k++) zero[id] |= param[k] == x->index;
    else {
      zero[id] = zero_value(f, i, zero);
      pos[id] = not_negative(f, i, pos);
    }
  }
  const bool result = zero[v.id] && pos[v.id];
  base_free(zero), base_free(pos);
  return result;
}

/* ---- kinks ---------------------------------------------------------------------------------------------------- */

/* A constant to derivatives, which stop here. */
static bool constant(const Inst *i) { return i->op == OP_stop || i->op == OP_fixed; }

/* Hands marks on to whatever depends on what is marked, as derivatives see it. */
static void spread(const Fn *f, bool *mark) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    for (uint32_t k = 0; !mark[id] && !constant(i) && k < i->nargs; k++) mark[id] = mark[ir_arg(f, i, k).id];
  }
}

/* Marks what v depends on, as derivatives see it: softmax takes its largest element away and has no kink. */
static bool *smooth_cone(const Fn *f, Val v) {
  bool *in = flags(f);
  in[v.id] = true;
  for (uint32_t id = v.id; id > 0; id--) {
    const Inst *i = &f->inst.at[id];
    for (uint32_t k = 0; in[id] && !constant(i) && k < i->nargs; k++) in[ir_arg(f, i, k).id] = true;
  }
  return in;
}

/* Among what v depends on: a kink behind what both marks mark. */
static const Inst *find_kink(const Fn *f, Val v, const bool *by, const bool *trained) {
  bool *in = smooth_cone(f, v);
  const Inst *found = NULL;
  for (uint32_t id = 1; id <= v.id && !found; id++) {
    const Inst *i = &f->inst.at[id];
    if (!in[id] || !pass_kink(i)) continue;
    for (uint32_t k = 0; k < i->nargs && !found; k++) {
      const uint32_t a = ir_arg(f, i, k).id;
      if (by[a] && trained[a]) found = i;
    }
  }
  base_free(in);
  return found;
}

/* A kink under a derivative, behind what `trained` marks. In a body all inputs count as marked if any operand is. */
static const Inst *kink_in(const Fn *f, const bool *trained, const Inst **derivative) {
  const Inst *found = NULL;
  for (uint32_t id = 1; id < f->inst.n && !found; id++) {
    const Inst *i = &f->inst.at[id];
    const Fn *body = ir_body(f, i);
    if (ir_has(i->op, OPF_DERIV)) {
      bool *by = flags(f);
      by[ir_arg(f, i, 1).id] = true;
      spread(f, by);
      if ((found = find_kink(f, ir_arg(f, i, 0), by, trained))) *derivative = i;
      base_free(by);
    } else if (body) {
      bool any = false, *inner = flags(body);
      for (uint32_t k = 0; k < i->nargs; k++) any |= trained[ir_arg(f, i, k).id];
      for (uint32_t b = 1; any && b < body->inst.n; b++) inner[b] = body->inst.at[b].op == OP_in;
      spread(body, inner);
      found = kink_in(body, inner, derivative);
      base_free(inner);
    }
  }
  return found;
}

static bool *behind(const Fn *f, InKind kind) {
  bool *mark = flags(f);
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Input *x = input_of(f, &f->inst.at[id]);
    mark[id] = x && x->kind == kind;
  }
  spread(f, mark);
  return mark;
}

const char *graph_kink_in_loss(const Fn *f, Span *kink, Span *derivative) {
  bool *trained = behind(f, IN_PARAM);
  const Inst *d = NULL, *i = kink_in(f, trained, &d);
  base_free(trained);
  if (!i) return NULL;
  *kink = i->at, *derivative = d->at;
  return pass_kink(i);
}

const char *graph_kink_by_fields(const Fn *f, Val v, Span *kink) {
  bool *trained = behind(f, IN_PARAM), *by = behind(f, IN_FIELD);
  const Inst *i = find_kink(f, v, by, trained);
  base_free(trained), base_free(by);
  if (!i) return NULL;
  *kink = i->at;
  return pass_kink(i);
}
