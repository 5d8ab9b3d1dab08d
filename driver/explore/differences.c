/* Derivatives beside differences, by the reference evaluator in f64.
 *
 * The flow of a gradient: of the scalar that a piece computes, its derivative by each value on the way, as the compiler's own rules give it,
 * and how far it is from a difference: the value is moved while the function runs, in a direction that is the same in every run. Where a
 * derivative is wrong, all values above the wrong rule show it and none below.
 *
 * Operators: of each `grad`, `jac` and `divergence` that was written, its result beside differences of what it is taken of. */
#include "driver/explore/explore_priv.h"
#include "driver/session/points.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double STEP = 1e-3, GOOD = 1e-6;

static double direction(uint32_t id, int64_t e) {
  const double r = 0.5 + 0.5 * (double)(rt_random_u64(3, id, (uint64_t)e) >> 40) / (1 << 24);
  return rt_random_u64(4, id, (uint64_t)e) & 1 ? r : -r;
}

static int64_t elements(Type t) { return type_count(t) * (t.lane ? POINTS : 1); }

static double size_of(const Tensor *t) {
  double s = 0;
  const int64_t n = elements(t->type);
  for (int64_t e = 0; e < n; e++) s += t->v[e] * t->v[e];
  return n ? sqrt(s / (double)n) : 0;
}

/* ---- a value that is moved while the function runs -------------------------------------------------------- */

typedef struct Moved {
  const Fn *f;
  uint32_t id;
  double h; /* times `direction`, times its size */
  double size;
} Moved;

static bool move(void *ctx, const Fn *f, Val v, const Tensor *value, const Tensor *const *args) {
  Moved *m = ctx;
  (void)args;
  if (f != m->f || v.id != m->id) return true;
  if (!(m->size > 0)) m->size = fmax(size_of(value), 1e-3);
  for (int64_t e = 0; e < elements(value->type); e++) value->v[e] += m->h * m->size * direction(m->id, e);
  return true;
}

/* The sum of the first output over the samples, with a value moved; NaN if it cannot be evaluated. */
static double total_at(const Fn *f, const Tensor *in, Moved *m, double h) {
  char err[256];
  EvalEnv env = points_environment();
  Tensor *out = base_zeroed(f->out.n, sizeof *out), *own = base_zeroed(f->in.n, sizeof *own);
  double sum = 0;
  env.watch = move, env.ctx = m, m->h = h;
  for (uint32_t k = 0; k < f->in.n; k++) { /* an input may be what is moved */
    own[k] = (Tensor){in[k].type, base_zeroed((size_t)elements(in[k].type), sizeof(double))};
    memcpy(own[k].v, in[k].v, (size_t)elements(in[k].type) * sizeof(double));
  }
  const bool ok = ir_eval(f, POINTS, own, out, &env, err, sizeof err);
  for (int64_t e = 0; ok && e < elements(out[0].type); e++) sum += out[0].v[e];
  if (ok) ir_tensors_free(out, f->out.n);
  ir_tensors_free(own, f->in.n);
  base_free(own);
  base_free(out);
  return ok ? sum : NAN;
}

static double slope(const Fn *f, const Tensor *in, Moved *m, double h) {
  const double d1 = (total_at(f, in, m, h) - total_at(f, in, m, -h)) / (2 * h);
  const double d2 = (total_at(f, in, m, h / 2) - total_at(f, in, m, -h / 2)) / h;
  return (4 * d2 - d1) / 3;
}

/* ---- the flow of a gradient -------------------------------------------------------------------------------- */

static bool has_cotangent(const Inst *i) { return i->type.dt == DT_REAL && !ir_literal(i->op) && i->op != OP_rand; }

/* f with the derivatives of its first output, summed over the samples, by each of its values: outputs in their order. */
static Fn *with_cotangents(const Fn *f) {
  Fn *g = ir_fn_create("flow", f->f64);
  Build b;
  ir_build_init(&b, g);
  b.number = b.fold = false;
  Val *map = base_zeroed(f->inst.n, sizeof *map), *in = base_zeroed(f->in.n, sizeof *in);
  for (uint32_t k = 0; k < f->in.n; k++)
    in[k] = ir_id(&b, ir_input(&b, f->in.at[k].name, f->in.at[k].kind, f->in.at[k].index, f->in.at[k].type));
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    map[id] = i->op == OP_in ? in[ir_number(f, i)] : ir_copy_inst(&b, f, (Val){id}, map);
    if (i->op != OP_in && has_cotangent(i)) map[id] = ir_id(&b, map[id]);
  }
  Val total = ir_sum_all(&b, map[f->out.at[0].id]);
  if (ir_type(g, total).lane) total = ir_batch_sum(&b, total);
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (has_cotangent(&f->inst.at[id])) ir_output(&b, ir_grad(&b, total, map[id]), NULL);
  ir_build_finish(&b);
  base_free(map);
  base_free(in);
  return g;
}

/* The error of <cotangent, direction>, the least of steps that get shorter where it is large: a kink is stepped over by the long ones. -1: the
 * point is at a kink, as of max |J'OJ - O| where that is 0: there is nothing to compare with. */
static double error_of(const Fn *f, const Tensor *in, Moved *m, const Tensor *cot) {
  const double here = total_at(f, in, m, 0);
  double d = 0, fd = 0, least = INFINITY, h = STEP, scale = 1e-6 * fabs(here) + 1e-12; /* rounding is less */
  for (int64_t e = 0; e < elements(cot->type); e++) {
    d += cot->v[e] * m->size * direction(m->id, e);
    scale += fabs(cot->v[e]) * m->size;
  }
  for (int k = 0; k < 3 && !(least <= GOOD); k++, h /= 8) {
    fd = slope(f, in, m, h);
    const double error = fabs(d - fd) / fmax(scale, fabs(fd));
    if (!(error >= least)) least = error;
  }
  const double bends = fabs(total_at(f, in, m, h) + total_at(f, in, m, -h) - 2 * here) / (2 * h);
  return least > GOOD && bends > 0.01 * fmax(scale, fabs(fd)) ? -1 : least;
}

/* The stage whose function is the first that can be run, and still has its `stop`s. */
static const TraceStage *first_plain(const Piece *p, const bool *wanted) {
  for (uint32_t s = 0; s < p->trace->stage.n; s++) {
    const TraceStage *st = &p->trace->stage.at[s];
    if (wanted[s] && ir_fn_plain(st->fn) && explore_whole(p, st->fn)) return st;
  }
  return NULL;
}

/* {"fn": index, "flow": [[size of the derivative, error] or null, ...]}; error null: there was no time to compare, or it is at a kink. */
static json_t *flow_json(Explore *x, const Fn *f, uint32_t index, const Tensor *in, const Tensor *cot) {
  json_t *flow = json_array();
  const double each = ir_eval_cost(f) * POINTS * 5;
  uint32_t n = 0, out = 0, every = 1;
  for (uint32_t id = 1; id < f->inst.n; id++) n += has_cotangent(&f->inst.at[id]);
  while (every < n && each * n / every > x->work / 8) every *= 2;
  const bool some = explore_spend(x, each * n / every);
  for (uint32_t id = 1; id < f->inst.n; id++) {
    if (!has_cotangent(&f->inst.at[id])) {
      json_array_append_new(flow, json_null());
      continue;
    }
    const Tensor *c = &cot[out];
    Moved m = {f, id, 0, 0};
    const bool now = out++ % every == 0 && some;
    json_t *one = json_array();
    json_array_append_new(one, explore_number(size_of(c)));
    const double error = now ? error_of(f, in, &m, c) : -1;
    json_array_append_new(one, error < 0 ? json_null() : explore_number(error));
    json_array_append_new(flow, one);
  }
  return json_pack("{s:i, s:o}", "fn", (int)index, "flow", flow);
}

json_t *explore_flow(Explore *x, const Piece *p, const bool *wanted) {
  const TraceStage *st = p->job.gradient ? NULL : first_plain(p, wanted);
  const Type t = st ? ir_type(st->fn, st->fn->out.at[0]) : (Type){0};
  if (!st || st->fn->out.n != 1 || t.rank || t.dt != DT_REAL) return json_null();
  char err[256];
  EvalEnv env = points_environment();
  Diag *unheard = diag_create(x->s->src);
  Fn *g = with_cotangents(st->fn), *h = pass_derive(NULL, g, unheard);
  json_t *out = json_null();
  if (h && explore_spend(x, ir_eval_cost(h) * POINTS)) {
    Tensor *in = explore_inputs(x, p, st->fn), *cot = base_zeroed(h->out.n, sizeof *cot);
    if (ir_eval(h, POINTS, in, cot, &env, err, sizeof err)) {
      out = flow_json(x, st->fn, st->top, in, cot);
      ir_tensors_free(cot, h->out.n);
    }
    ir_tensors_free(in, st->fn->in.n);
    base_free(in);
    base_free(cot);
  }
  diag_destroy(unheard);
  ir_fn_destroy(g);
  ir_fn_destroy(h);
  return out;
}

/* ---- operators ---------------------------------------------------------------------------------------------- */

/* f with the variable of operator `op` moved by one more input; outputs: what the operator is taken of, and its result. */
static Fn *with_move(const Fn *f, uint32_t op) {
  const Inst *o = &f->inst.at[op];
  const uint32_t e = ir_arg(f, o, 0).id, x = ir_arg(f, o, 1).id;
  Fn *g = ir_fn_create("moved", f->f64);
  Build b;
  ir_build_init(&b, g);
  b.number = b.fold = false;
  Val *map = base_zeroed(f->inst.n, sizeof *map), *in = base_zeroed(f->in.n, sizeof *in);
  for (uint32_t k = 0; k < f->in.n; k++)
    in[k] = ir_input(&b, f->in.at[k].name, f->in.at[k].kind, f->in.at[k].index, f->in.at[k].type);
  const Val by = ir_input(&b, "moved", IN_OTHER, f->in.n, ir_type(f, (Val){x}));
  for (uint32_t id = 1; id <= op; id++) {
    const Inst *i = &f->inst.at[id];
    map[id] = i->op == OP_in ? in[ir_number(f, i)] : ir_copy_inst(&b, f, (Val){id}, map);
    if (id == x) map[id] = ir_id(&b, ir_add(&b, map[id], by));
  }
  ir_output(&b, map[e], NULL);
  ir_output(&b, map[op], NULL);
  ir_build_finish(&b);
  base_free(map);
  base_free(in);
  return g;
}

typedef struct Operator {
  const Fn *f;   /* derived, of with_move */
  Tensor *in;    /* the last one is the move */
  Tensor out[2]; /* at the point */
  Type e, x;
  uint32_t id;
  Op op;
  int64_t only; /* divergence: the element that is moved; -1: all, along `direction` */
} Operator;

static bool at(Operator *o, double h, Tensor out[2]) {
  char err[256];
  const EvalEnv env = points_environment();
  Tensor *by = &o->in[o->f->in.n - 1];
  const int64_t lanes = by->type.lane ? POINTS : 1;
  for (int64_t e = 0; e < elements(by->type); e++)
    by->v[e] = o->only >= 0 ? (e / lanes == o->only ? h : 0) : h * direction(o->id, e / lanes);
  return ir_eval(o->f, POINTS, o->in, out, &env, err, sizeof err);
}

/* Element k of the value, sample l, by differences. */
static bool differences(Operator *o, double h, double *out) {
  Tensor v[4][2];
  const double step[4] = {h, -h, h / 2, -h / 2};
  int n = 0;
  while (n < 4 && at(o, step[n], v[n])) n++;
  for (int64_t e = 0; n == 4 && e < elements(v[0][0].type); e++) {
    const double d1 = (v[0][0].v[e] - v[1][0].v[e]) / (2 * h), d2 = (v[2][0].v[e] - v[3][0].v[e]) / h;
    out[e] = (4 * d2 - d1) / 3;
  }
  for (int k = 0; k < n; k++) ir_tensors_free(v[k], 2);
  return n == 4;
}

/* What the operator's result has for element e of the value in sample l: the derivative along the direction. */
static double along(const Operator *o, int64_t e, int64_t l, double *scale) {
  const Tensor *r = &o->out[1];
  const int64_t lanes = r->type.lane ? POINTS : 1, n = type_count(o->x);
  double sum = 0;
  for (int64_t k = 0; k < n; k++) {
    const double one = r->v[(e * n + k) * lanes + (lanes > 1 ? l : 0)] * direction(o->id, k);
    sum += one, *scale += fabs(one);
  }
  return sum;
}

static double compare(Operator *o, double h) {
  const int64_t lanes = o->e.lane ? POINTS : 1, n = type_count(o->e);
  double *fd = base_zeroed((size_t)(n * lanes), sizeof *fd), worst = 0;
  const bool ok = differences(o, h, fd);
  for (int64_t e = 0; ok && e < n; e++)
    for (int64_t l = 0; l < lanes; l++) {
      double scale = 1e-9;
      const double d = along(o, e, l, &scale), error = fabs(d - fd[e * lanes + l]) / fmax(scale, fabs(fd[e * lanes + l]));
      if (!(error <= worst)) worst = error;
    }
  base_free(fd);
  return ok ? worst : NAN;
}

static double compare_divergence(Operator *o, double h) {
  const int64_t lanes = o->e.lane ? POINTS : 1, n = type_count(o->x), wide = o->out[1].type.lane ? POINTS : 1;
  double *fd = base_zeroed((size_t)(n * lanes), sizeof *fd), sum[POINTS] = {0}, size[POINTS] = {0}, worst = 0;
  bool ok = true;
  for (o->only = 0; ok && o->only < n; o->only++) {
    ok = differences(o, h, fd);
    for (int64_t l = 0; ok && l < lanes; l++) sum[l] += fd[o->only * lanes + l], size[l] += fabs(fd[o->only * lanes + l]);
  }
  o->only = -1;
  for (int64_t l = 0; l < lanes; l++) {
    const double error = fabs(o->out[1].v[wide > 1 ? l : 0] - sum[l]) / fmax(size[l], 1e-9);
    if (!(error <= worst)) worst = error;
  }
  base_free(fd);
  return ok ? worst : NAN;
}

static double error_of_operator(Operator *o) {
  double least = NAN, h = STEP;
  o->only = -1;
  if (!at(o, 0, o->out)) return NAN;
  for (int k = 0; k < 4 && !(least <= GOOD); k++, h /= 8) {
    const double error = o->op == OP_divergence ? compare_divergence(o, h) : compare(o, h);
    if (!(error >= least)) least = error;
  }
  ir_tensors_free(o->out, 2);
  return least;
}

enum { ROWS = 32 }; /* evaluations of a divergence */

static bool comparable(const Fn *f, const Inst *i) {
  const Type e = ir_type(f, ir_arg(f, i, 0)), x = ir_type(f, ir_arg(f, i, 1));
  if (i->op != OP_grad && i->op != OP_jac && i->op != OP_divergence) return false;
  if (i->op == OP_divergence && type_count(x) > ROWS) return false;
  return e.lane || !x.lane; /* else a sum over samples of samples */
}

static json_t *operator_error(Explore *x, const Piece *p, const Fn *f, uint32_t id) {
  Diag *unheard = diag_create(x->s->src);
  const Inst *i = &f->inst.at[id];
  Fn *g = with_move(f, id), *h = pass_derive(NULL, g, unheard);
  json_t *out = NULL;
  if (h && explore_spend(x, ir_eval_cost(h) * POINTS * 5)) {
    Operator o = {.f = h, .id = id, .op = (Op)i->op, .e = ir_type(f, ir_arg(f, i, 0)), .x = ir_type(f, ir_arg(f, i, 1))};
    Tensor *in = explore_inputs(x, p, f);
    o.in = base_zeroed(h->in.n, sizeof *o.in);
    memcpy(o.in, in, f->in.n * sizeof *in);
    o.in[f->in.n] = (Tensor){o.x, base_zeroed((size_t)elements(o.x), sizeof(double))};
    out = explore_number(error_of_operator(&o));
    ir_tensors_free(o.in, h->in.n);
    base_free(o.in);
    base_free(in);
  }
  diag_destroy(unheard);
  ir_fn_destroy(g);
  ir_fn_destroy(h);
  return out;
}

/* [[number, error], ...] of those that could be compared. */
json_t *explore_operators(Explore *x, const Piece *p) {
  const TraceFn *tf = &p->trace->fn.at[0];
  json_t *out = json_array();
  for (uint32_t id = 1; id < tf->fn->inst.n; id++) {
    const Inst *i = &tf->fn->inst.at[id];
    if (!ir_has(i->op, OPF_DERIV) || !comparable(tf->fn, i)) continue;
    json_t *error = operator_error(x, p, tf->fn, id);
    if (error) json_array_append_new(out, json_pack("[i, o]", (int)(tf->first + id - 1), error));
  }
  return out;
}
