/* The origin of what is not finite, by the reference evaluator: each value that is not finite has a source, that of the operand
 * it got it from; one whose operands are finite is a source itself. So a NaN that is computed and not taken (by `where`)
 * is not blamed. In loops a carry has the source of the turn before; stacked results that of any turn. */
#include "ir/eval/origin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Flow Flow;
struct Flow { /* one function, the whole or a body */
  const Fn *f;
  const Flow *up;
  uint32_t call;          /* the instruction of `up` whose body it is */
  uint32_t *now, *ever;   /* by instruction: its source, 0 if finite; now, and the first in any turn */
  HnnOdeFailure *failure; /* by instruction: of an ode */
  double *time;
  uint64_t *cost; /* by instruction: what its evaluation counts for in `looked`, less what its body does */
};

typedef struct Hunt {
  double limit;
  int64_t samples;
  uint64_t looked;
  Origin ended; /* the trajectory in which the search ended */
  VEC(Flow *) flow;
  VEC(Origin) origin; /* source k is origin.at[k - 1] */
} Hunt;

enum { FEW = 16 }; /* numbers take about as long as the call of an operation */

static uint64_t cost_of(const Fn *f, const Inst *i, int64_t samples) {
  bool lane = i->type.lane;
  for (uint32_t k = 0; k < i->nargs; k++) lane |= ir_type(f, ir_arg(f, i, k)).lane;
  return 1 + (uint64_t)(i->sub ? 0 : ir_inst_cost(f, i) * (double)(lane ? samples : 1) / FEW);
}

static void add_flows(Hunt *h, const Fn *f, const Flow *up, uint32_t call) {
  size_t n = f->inst.n;
  Flow *w = base_realloc(NULL, sizeof *w);
  *w = (Flow){.f = f, .up = up, .call = call};
  w->now = base_zeroed(n, sizeof *w->now);
  w->ever = base_zeroed(n, sizeof *w->ever);
  w->failure = base_zeroed(n, sizeof *w->failure);
  w->time = base_zeroed(n, sizeof *w->time);
  w->cost = base_zeroed(n, sizeof *w->cost);
  for (uint32_t id = 1; id < n; id++) w->cost[id] = cost_of(f, &f->inst.at[id], h->samples);
  *vec_push(&h->flow) = w;
  for (uint32_t id = 1; id < n; id++)
    if (f->inst.at[id].sub) add_flows(h, ir_body(f, &f->inst.at[id]), w, id);
}

static Flow *flow_of(Hunt *h, const Fn *f) {
  for (uint32_t k = 0; k < h->flow.n; k++)
    if (h->flow.at[k]->f == f) return h->flow.at[k];
  return NULL;
}

/* ---- sources ---------------------------------------------------------------------------------------- */

static double element(const Hunt *h, const Tensor *t, int64_t e, int64_t s) {
  return base_shown(t->v[(t->type.rank ? e : 0) * (t->type.lane ? h->samples : 1) + (t->type.lane ? s : 0)]);
}

static bool lost(const Hunt *h, double v) { return !(fabs(v) <= h->limit); }

/* The first element that is not finite, -1 if none. */
static int64_t first_lost(const Hunt *h, const Tensor *t) {
  int64_t n = type_count(t->type) * (t->type.lane ? h->samples : 1);
  for (int64_t k = 0; k < n; k++)
    if (lost(h, t->v[k])) return k;
  return -1;
}

static bool by_row(unsigned op) { return op == OP_gather || op == OP_scatter || op == OP_setrow; }

/* The index that made element `at` of t NaN: arg[0]; and of how many rows: arg[1]. Of several, the first that is outside. */
static void outside(const Hunt *h, const Fn *f, const Inst *i, const Tensor *t, int64_t at, const Tensor *const *args, Origin *o) {
  const Tensor *index = args[1];
  int64_t width = t->type.lane ? h->samples : 1, n = i->op == OP_gather ? args[0]->type.dim[0] : t->type.dim[0];
  bool lanes = i->op == OP_scatter && ir_scatter_attr(f, i).lanes;
  o->arg[1] = (double)n;
  for (int64_t s = lanes ? 0 : at % width; s < (lanes ? h->samples : at % width + 1); s++)
    for (int64_t k = 0; k < type_count(index->type); k++) {
      double row = element(h, index, k, s);
      if (row >= 0 && row < (double)n && row == floor(row)) continue;
      o->arg[0] = row, o->outside = true;
      return;
    }
}

/* An instruction is a source once, whatever the turn. */
static uint32_t new_source(Hunt *h, const Flow *w, uint32_t id, const Tensor *t, int64_t at, const Tensor *const *args) {
  const Inst *i = &w->f->inst.at[id];
  int64_t width = t->type.lane ? h->samples : 1;
  for (uint32_t k = 0; k < h->origin.n; k++)
    if (h->origin.at[k].f == w->f && h->origin.at[k].v.id == id) return k + 1;
  Origin o = {.f = w->f, .v = {id}, .value = t->v[at]};
  if (i->op == OP_require) o.arg[0] = element(h, args[1], 0, at % width);
  if (by_row(i->op) && args) outside(h, w->f, i, t, at, args, &o);
  for (uint32_t k = 0; i->op != OP_require && args && ir_elementwise(i->op) && k < i->nargs && k < 2; k++)
    o.arg[k] = element(h, args[k], at / width, at % width);
  *vec_push(&h->origin) = o;
  return h->origin.n;
}

/* The first that a body ever returned. */
static uint32_t of_outputs(const Flow *body) {
  uint32_t from = 0;
  for (uint32_t k = 0; k < body->f->out.n && !from; k++) from = body->ever[body->f->out.at[k].id];
  return from;
}

/* Of an `ode` whose steps became too small: what made its rates not finite, if they were so in the end. */
static uint32_t of_rates(const Flow *body) {
  bool end = false;
  for (uint32_t k = 0; k < body->f->out.n; k++) end |= body->now[body->f->out.at[k].id] != 0;
  return end ? of_outputs(body) : 0;
}

static uint32_t of_input(const Flow *w, uint32_t id) {
  const Flow *up = w->up;
  uint32_t k = ir_number(w->f, &w->f->inst.at[id]);
  if (!up) return 0;
  const Inst *call = &up->f->inst.at[w->call];
  if (call->op == OP_reversible && k >= (uint32_t)ir_reversible_attr(up->f, call).states)
    k -= (uint32_t)ir_reversible_attr(up->f, call).states;
  uint32_t from = k < call->nargs ? up->now[ir_arg(up->f, call, k).id] : 0;
  if (!from && call->op == OP_ode) return of_outputs(w);
  bool carried = call->op == OP_scan && k < ir_scan_shape(up->f, call).carry;
  return from || !carried ? from : w->now[w->f->out.at[k].id];
}

/* Of the operands of an `ode` that failed: the times where these are to blame, else the others. */
static uint32_t of_failed(const Flow *w, const Inst *ode, HnnOdeFailure why) {
  uint32_t from = 0;
  const uint32_t times = (uint32_t)ir_ode_attr(w->f, ode).states;
  for (uint32_t k = 0; k < ode->nargs && !from; k++)
    if ((k == times) == (why == HNN_ODE_TIMES)) from = w->now[ir_arg(w->f, ode, k).id];
  return from;
}

static uint32_t of_result(Hunt *h, Flow *w, uint32_t id, const Tensor *t, int64_t at) {
  const Inst *i = &w->f->inst.at[id];
  uint32_t multi = ir_arg(w->f, i, 0).id, index = ir_number(w->f, i);
  const Flow *body = flow_of(h, ir_body(w->f, &w->f->inst.at[multi]));
  HnnOdeFailure failure = w->failure[multi];
  uint32_t made = body && index < body->f->out.n ? body->f->out.at[index].id : 0;
  uint32_t from = !made ? 0 : failure ? of_outputs(body) : body->now[made] ? body->now[made] : body->ever[made];
  const uint32_t operand = failure ? of_failed(w, &w->f->inst.at[multi], failure) : 0;
  if (operand) return operand;
  if (failure == HNN_ODE_SMALL && body && (from = of_rates(body))) {
    h->origin.at[from - 1].failure = failure;
    return from;
  }
  if (failure && (failure != HNN_ODE_RATES || !from)) {
    from = new_source(h, w, multi, t, at, NULL);
    h->origin.at[from - 1].failure = failure, h->origin.at[from - 1].time = w->time[multi];
  }
  return from ? from : new_source(h, w, multi, t, at, NULL);
}

/* The trajectory that failed, of which it is asked in v (its counts of steps); 0: none is. */
static uint32_t asked_of(const Flow *w, Val v) {
  const Inst *i = ir_inst(w->f, v);
  if (i->op == OP_proj) return w->failure[ir_arg(w->f, i, 0).id] ? ir_arg(w->f, i, 0).id : 0;
  const bool through = ir_elementwise(i->op) || i->op == OP_slice || i->op == OP_reshape;
  uint32_t ode = 0;
  for (uint32_t k = 0; through && k < i->nargs && !ode; k++) ode = asked_of(w, ir_arg(w->f, i, k));
  return ode;
}

static uint32_t of_operands(Hunt *h, const Flow *w, uint32_t id, const Tensor *t, int64_t at, const Tensor *const *args) {
  const Inst *i = &w->f->inst.at[id];
  int64_t width = t->type.lane ? h->samples : 1;
  Origin row = {0};
  if (by_row(i->op)) outside(h, w->f, i, t, at, args, &row);
  if (row.outside && !lost(h, row.arg[0])) return 0;
  const uint32_t ode = i->op == OP_select && i->role != ROLE_PRIMAL && i->of == OP_ode ? asked_of(w, ir_arg(w->f, i, 0)) : 0;
  if (ode) {
    const uint32_t from = new_source(h, w, ode, t, at, NULL);
    h->origin.at[from - 1].failure = w->failure[ode], h->origin.at[from - 1].time = w->time[ode];
    return from;
  }
  for (uint32_t k = 0; k < i->nargs; k++) {
    uint32_t from = w->now[ir_arg(w->f, i, k).id];
    if (from && (!ir_elementwise(i->op) || lost(h, element(h, args[k], at / width, at % width)))) return from;
  }
  return 0;
}

static bool watch(void *ctx, const Fn *f, Val v, const Tensor *t, const Tensor *const *args) {
  Hunt *h = ctx;
  Flow *w = flow_of(h, f);
  const Inst *i = ir_inst(f, v);
  h->looked += w ? w->cost[v.id] : 1;
  if (h->looked > ORIGIN_MOST) return false;
  if (!w || i->type.dt != DT_REAL) return true;
  int64_t at = first_lost(h, t);
  uint32_t from = 0;
  if (at >= 0) {
    from = i->op == OP_in     ? of_input(w, v.id)
           : i->op == OP_proj ? of_result(h, w, v.id, t, at)
                              : of_operands(h, w, v.id, t, at, args);
    if (!from) from = new_source(h, w, v.id, t, at, args);
  }
  w->now[v.id] = from;
  if (!w->ever[v.id]) w->ever[v.id] = from;
  return true;
}

static void failed(void *ctx, const Fn *f, Val v, const HnnOde *ode) {
  Hunt *h = ctx;
  Flow *w = flow_of(h, f);
  /* The outermost, which fails last: its end is what is to be reached. */
  if (h->looked > ORIGIN_MOST) h->ended = (Origin){.f = f, .v = v, .time = base_shown(ode->failed_at)};
  if (!w || w->failure[v.id]) return;
  w->failure[v.id] = (HnnOdeFailure)ode->failure;
  w->time[v.id] = base_shown(ode->failed_at);
}

bool ir_origin_find(const Fn *f, int64_t n, const Tensor *in, const EvalEnv *env, double limit, Origin *out) {
  Hunt h = {.limit = limit, .samples = n, .looked = out->looked};
  EvalEnv e = *env;
  char err[256];
  uint32_t source = 0;
  e.watch = watch, e.failed = failed, e.ctx = &h;
  add_flows(&h, f, NULL, 0);
  Tensor *result = base_zeroed(f->out.n, sizeof *result);
  if (result && ir_eval(f, n, in, result, &e, err, sizeof err)) {
    for (uint32_t k = 0; k < f->out.n && !source; k++) source = h.flow.at[0]->now[f->out.at[k].id];
    ir_tensors_free(result, f->out.n);
  }
  *out = source ? h.origin.at[source - 1] : h.ended;
  out->looked = h.looked;
  for (uint32_t k = 0; k < h.flow.n; k++) {
    Flow *w = h.flow.at[k];
    base_free(w->now), base_free(w->ever), base_free(w->failure), base_free(w->time), base_free(w->cost), base_free(w);
  }
  vec_free(&h.flow);
  vec_free(&h.origin);
  base_free(result);
  return source != 0;
}

bool ir_origin_ended(const Origin *o) { return o->looked > ORIGIN_MOST; }

/* ---- words ------------------------------------------------------------------------------------------- */

Span ir_origin_place(const Origin *o) { return ir_inst(o->f, o->v)->at; }

static bool in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80);
}

/* The function that is called at a place, as it was written: `f` of `f(x, y)`; or the operator that stands there; or "". */
static const char *called(const Source *src, Span at, char *buf, size_t size) {
  const SourceFile *file = at.file ? source_file(src, at.file) : NULL;
  uint32_t n = 0, depth = 0, k;
  *buf = 0;
  if (!file || at.end > file->len || at.begin >= at.end) return buf;
  const char *text = file->text + at.begin;
  uint32_t len = at.end - at.begin;
  if (len <= 2 && strcspn(text, "+-*/^@<>=") == 0) return snprintf(buf, size, "%.*s", (int)len, text), buf;
  while (n < len && in_name(text[n])) n++;
  if (n == 0 || n >= len || n >= size || text[n] != '(' || (text[0] >= '0' && text[0] <= '9')) return buf;
  for (k = n; k < len; k++) {
    depth += text[k] == '(' || text[k] == '[', depth -= text[k] == ')' || text[k] == ']';
    if (depth == 0 && text[k + 1 < len ? k + 1 : k] != '(') break;
  }
  if (k + 1 == len) memcpy(buf, text, n), buf[n] = 0;
  return buf;
}

static const char *value_name(double v) { return isnan(v) ? "nan" : v < 0 ? "-inf" : "inf"; }

/* An elementwise operation on numbers: "1/sqrt(0)". */
static void formula(const Origin *o, char *buf, size_t size) {
  const Inst *i = ir_inst(o->f, o->v);
  double a = o->arg[0], b = o->arg[1];
  switch (i->op) {
  case OP_neg: snprintf(buf, size, "-(%g)", a); break;
  case OP_rsqrt: snprintf(buf, size, "1/sqrt(%g)", a); break;
  case OP_rsqrt3: snprintf(buf, size, "1/sqrt(%g)^3", a); break;
  case OP_add: snprintf(buf, size, "%g + %g", a, b); break;
  case OP_sub: snprintf(buf, size, "%g - %g", a, b); break;
  case OP_mul: snprintf(buf, size, "%g * %g", a, b); break;
  case OP_div: snprintf(buf, size, "%g/%g", a, b); break;
  case OP_pow: snprintf(buf, size, a < 0 ? "(%g)^%g" : "%g^%g", a, b); break;
  default:
    if (i->nargs > 1) snprintf(buf, size, "%s(%g, %g)", ir_op[i->op].name, a, b);
    else snprintf(buf, size, "%s(%g)", ir_op[i->op].name, a);
  }
}

static const char *unordered(const char *method, double from, char *buf, size_t size) {
  snprintf(buf, size, "the times of `%s`, from %g on, are not finite, or not in order", method, from);
  return buf;
}

const SourceStated *ir_origin_stated(const Source *src, const Origin *o) {
  const Inst *i = ir_inst(o->f, o->v);
  if (i->op != OP_require || ir_require_attr(o->f, i).cause != CAUSE_STATED) return NULL;
  const int64_t k = ir_require_attr(o->f, i).about / 2;
  return k < src->stated.n ? &src->stated.at[k] : NULL;
}

/* The words, less their quotes. */
static const char *stated(const Source *src, const Origin *o, char *buf, size_t size) {
  const SourceStated *s = ir_origin_stated(src, o);
  const SourceFile *file = s && s->words.file ? source_file(src, s->words.file) : NULL;
  if (!file || s->words.end > file->len || s->words.end < s->words.begin + 2)
    return snprintf(buf, size, "a requirement does not hold"), buf;
  const int n = (int)(s->words.end - s->words.begin - 2);
  if (s->of) return snprintf(buf, size, "`%s` requires: %.*s", s->of, n, file->text + s->words.begin + 1), buf;
  return snprintf(buf, size, "%.*s", n, file->text + s->words.begin + 1), buf;
}

static const char *requirement(const Source *src, const Origin *o, char *buf, size_t size) {
  const Inst *i = ir_inst(o->f, o->v);
  int64_t about = ir_require_attr(o->f, i).about;
  if (ir_require_attr(o->f, i).cause == CAUSE_STATED) {
    stated(src, o, buf, size);
    const size_t n = strlen(buf);
    if (about % 2) snprintf(buf + n, size - n, ", found %g", o->arg[0]);
    return buf;
  }
  if (ir_require_attr(o->f, i).cause == CAUSE_NOT_CONVERGED)
    snprintf(buf, size, "the iteration of `%s` did not converge at dt = %g", ir_method[about].name, o->arg[0]);
  else if (ir_require_attr(o->f, i).cause == CAUSE_TIMES) return unordered(ir_method[about].name, o->arg[0], buf, size);
  else if (ir_require_attr(o->f, i).cause == CAUSE_ENDED)
    snprintf(buf, size, "a crossing was not found before `until` = %g", o->arg[0]);
  else if (ir_require_attr(o->f, i).cause == CAUSE_LOST)
    snprintf(buf, size,
             about % 2 ? "before a crossing was found, `%s` could not continue"
                       : "before a crossing was found, a step of `%s` was not finite, or did not converge, at dt = %g",
             ir_method[about / 2].name, o->arg[0]);
  else snprintf(buf, size, "a crossing was not found within `steps` = %lld steps of dt = %g", (long long)about, o->arg[0]);
  return buf;
}

/* What a matrix must be for the operators of linear algebra; NULL: of others. */
static const char *wanted_of(Op op) {
  switch (op) {
  case OP_solve:
  case OP_logdet: return "singular";
  case OP_cholesky: return "not positive definite";
  default: return NULL;
  }
}

/* What ended the steps is not `max_steps`, but the record of a gradient, which was made for some or all of the states there are now. */
static bool record_full(const Origin *o) {
  const Inst *i = ir_inst(o->f, o->v);
  bool full = false;
  if (i->op != OP_ode || o->failure != HNN_ODE_STEPS) return false;
  const ode_attr attr = ir_ode_attr(o->f, i);
  for (int64_t n = attr.watched; n <= attr.states && attr.record; n++) full |= attr.record == ir_ode_room(o->f, i, (uint32_t)n);
  return full;
}

static const char *adaptive(const Origin *o, char *buf, size_t size) {
  const Inst *i = ir_inst(o->f, o->v);
  const char *method = ir_method[ir_ode_attr(o->f, i).method].name;
  switch (o->failure) {
  case HNN_ODE_STEPS:
    if (record_full(o)) {
      snprintf(buf, size,
               "the record of the steps of `%s`, which its gradient needs, is full at t = %g: it has room for %lld of this state",
               method, o->time, (long long)ir_ode_attr(o->f, i).record);
      break;
    }
    snprintf(buf, size, "`%s` used up its `max_steps` = %lld at t = %g", method, (long long)ir_ode_attr(o->f, i).max_steps,
             o->time);
    break;
  case HNN_ODE_STAGES: snprintf(buf, size, "the iteration of `%s` did not converge at t = %g", method, o->time); break;
  case HNN_ODE_MEMORY: snprintf(buf, size, "there was not enough memory for the stages of `%s`", method); break;
  case HNN_ODE_SMALL: snprintf(buf, size, "the step size of `%s` fell below rounding at t = %g", method, o->time); break;
  case HNN_ODE_RATES: snprintf(buf, size, "the rates of `%s` are not finite at the start, t = %g", method, o->time); break;
  default: return unordered(method, o->time, buf, size);
  }
  return buf;
}

/* "index 7 leaves an axis of 5"; NaN as an index is the fault of what made it. */
static const char *row_text(const Origin *o, char *buf, size_t size) {
  double i = o->arg[0];
  bool whole = i == floor(i);
  snprintf(buf, size,
           whole ? "the index %.10g is out of range for an axis of %.0f"
                 : "the index %.10g of an axis of %.0f is not a whole number",
           i, o->arg[1]);
  return buf;
}

/* Names of operators that have none in the language. */
const char *ir_origin_op(Op op) {
  switch (op) {
  case OP_dot: return "@";
  case OP_add: return "+";
  case OP_sub:
  case OP_neg: return "-";
  case OP_mul: return "*";
  case OP_div: return "/";
  case OP_pow: return "^";
  case OP_scan:
  case OP_batch_sum: return "sum";
  case OP_rmax: return "max";
  case OP_rmin: return "min";
  case OP_gather: return "[]";
  case OP_scatter: return "segment_sum";
  case OP_setrow: return "set";
  case OP_trisolve: return "solve_lower";
  case OP_lu: return "solve";
  case OP_logdet: return "logabsdet";
  default: return ir_op[op].name;
  }
}

static const char *derived(const Inst *i, const char *name, const char *what, char *buf, size_t size) {
  if (*name) snprintf(buf, size, "the derivative of `%s` is not finite: %s", name, what);
  else snprintf(buf, size, "the derivative of `%s` is not finite: %s", ir_origin_op((Op)i->of), what);
  return buf;
}

const char *ir_origin_text(const Source *src, const Origin *o, char *buf, size_t size) {
  const Inst *i = ir_inst(o->f, o->v);
  char name[64], numbers[128], what[160];
  called(src, i->at, name, sizeof name);
  if (i->op == OP_require) return requirement(src, o, buf, size);
  if (i->op == OP_ode && o->failure) return adaptive(o, buf, size);
  if (o->outside) return row_text(o, buf, size);
  if (i->op == OP_in) {
    snprintf(buf, size, "`%s` is %s", o->f->in.at[ir_number(o->f, i)].name, value_name(o->value));
    return buf;
  }
  if (ir_literal(i->op) && i->role != ROLE_PRIMAL && *name) { /* of what was computed while compiling */
    snprintf(what, sizeof what, "it gave %s", value_name(o->value));
    return derived(i, name, what, buf, size);
  }
  if (ir_literal(i->op)) {
    if (*name) snprintf(buf, size, "`%s` of constants is %s", name, value_name(o->value));
    else snprintf(buf, size, "a constant is %s", value_name(o->value));
    return buf;
  }
  if (wanted_of((Op)i->op)) {
    snprintf(what, sizeof what, "the matrix of `%s` is %s", *name ? name : ir_origin_op((Op)i->op), wanted_of((Op)i->op));
    if (i->role != ROLE_PRIMAL) return derived(i, name, what, buf, size);
    snprintf(buf, size, "%s", what);
    return buf;
  }
  if (!ir_elementwise(i->op)) {
    snprintf(what, sizeof what, "it gave %s", value_name(o->value));
    if (i->role != ROLE_PRIMAL) return derived(i, name, what, buf, size);
    snprintf(buf, size, "`%s` gave %s", *name ? name : ir_origin_op((Op)i->op), value_name(o->value));
    return buf;
  }
  formula(o, numbers, sizeof numbers);
  snprintf(what, sizeof what, "%s is %s", numbers, value_name(o->value));
  if (i->role != ROLE_PRIMAL) return derived(i, name, what, buf, size);
  snprintf(buf, size, "`%s` gave %s: %s", *name ? name : ir_origin_op((Op)i->op), value_name(o->value), numbers);
  return buf;
}

const char *ir_origin_advice(const Origin *o) {
  const Inst *i = ir_inst(o->f, o->v);
  if (i->op != OP_ode && o->failure == HNN_ODE_SMALL)
    return "the rates are not finite after some time, so the steps of the adaptive method fell below rounding there";
  if (i->op == OP_require && ir_require_attr(o->f, i).cause == CAUSE_NOT_CONVERGED)
    return "the step is too large: use a smaller `dt`";
  if (o->failure == HNN_ODE_TIMES || (i->op == OP_require && ir_require_attr(o->f, i).cause == CAUSE_TIMES))
    return "`times` must rise or fall throughout, within each sample; repeated times are allowed";
  if (i->op == OP_require && ir_require_attr(o->f, i).cause == CAUSE_STATED) return NULL;
  if (i->op == OP_require && ir_require_attr(o->f, i).cause == CAUSE_ENDED)
    return "use a larger `until` (time starts at `start`, and falls if `dt` is negative), or fewer `crossings`";
  if (i->op == OP_require && ir_require_attr(o->f, i).cause == CAUSE_LOST)
    return ir_require_attr(o->f, i).about % 2
               ? "a singularity is near, or `max_steps` is too small: end earlier with `until`, or raise `max_steps`"
               : "use a smaller `dt`, or end earlier with `until`";
  if (i->op == OP_require) return "use more `steps`, or a start whose orbit returns to the surface";
  if (i->op == OP_in && o->f->in.at[ir_number(o->f, i)].kind == IN_FIELD && isnan(o->value))
    return "it is a gap in the data: use `where(x_mask > 0, x, 0)`, which is 0 there";
  if (o->outside) return "rows are numbered from 0; at run time, an index cannot count from the end";
  switch (o->failure) {
  case HNN_ODE_STEPS:
    if (record_full(o))
      return "`max_steps` does not change that; take fewer steps: a larger `rtol`, a higher order (`dop853`, `gauss16`), a shorter "
             "time, or several `integrate` in sequence; fixed-step methods, such as rk4, have no such record";
    return "raise it in the options of the method, `max_steps = 10^7`, or use a shorter time or larger tolerances";
  case HNN_ODE_SMALL: return "a singularity is near, or the tolerances are below the rounding error";
  default: return NULL;
  }
}
