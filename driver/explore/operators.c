/* Each `grad`, `jac` and `divergence` that was written, its result beside differences of what it is taken of, by the reference evaluator in
 * f64. */
#include "driver/explore/local.h"
#include "driver/session/points.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double GOOD = 1e-7;

/* f with the variable of operator `op` moved by one more input; outputs: what the operator is taken of; result: that of the operator, and the
 * variable. */
static Fn *with_move(const Fn *f, uint32_t op, bool result) {
  const Inst *o = &f->inst.at[op];
  const uint32_t e = ir_arg(f, o, 0).id, x = ir_arg(f, o, 1).id;
  Build b;
  Val *map = base_zeroed(f->inst.n, sizeof *map);
  Fn *g = unit_like(f, "moved", &b, map);
  const Val by = ir_input(&b, "moved", IN_OTHER, f->in.n, ir_type(f, (Val){x}));
  for (uint32_t id = 1; id < op + result; id++) {
    if (f->inst.at[id].op != OP_in) map[id] = ir_copy_inst(&b, f, (Val){id}, map);
    if (id == x) map[id] = ir_id(&b, ir_add(&b, map[id], by));
  }
  ir_output(&b, map[e], NULL);
  if (result) ir_output(&b, map[op], NULL), ir_output(&b, map[x], NULL);
  ir_build_finish(&b);
  base_free(map);
  return g;
}

typedef struct Operator {
  const Fn *f; /* derived, of with_move without the result */
  int samples;
  Tensor *in;    /* the last one is the move */
  Tensor out[3]; /* at the point */
  Type e, x;
  uint32_t id;
  Op op;
  double size;        /* of the variable */
  int64_t only;       /* divergence: the element that is moved; -1: all, along `local_direction` */
  double *best, *own; /* of what the operator is taken of, by elements: the best differences, and how far they may be off */
} Operator;

static bool at(const Operator *o, double t, Tensor *out) {
  char err[256];
  const EvalEnv env = points_environment();
  const Tensor *by = &o->in[o->f->in.n - 1];
  const int64_t lanes = by->type.lane ? o->samples : 1;
  for (int64_t e = 0; e < explore_elements(by->type, o->samples); e++)
    by->v[e] = t * o->size * (o->only < 0 ? local_direction(o->id, e / lanes) : e / lanes == o->only);
  return ir_eval(o->f, o->samples, o->in, out, &env, err, sizeof err);
}

/* As local.c judges differences. Per unit of the move. */
static void judge(Operator *o, const Tensor v[4], double t) {
  for (int64_t e = 0; e < explore_elements(o->e, o->samples); e++) {
    const double p = v[0].v[e], m = v[1].v[e], ph = v[2].v[e], mh = v[3].v[e], here = o->out[0].v[e];
    const double d1 = (p - m) / (2 * t), d2 = (ph - mh) / t, rounding = 2e-15 * fmax(fabs(here), fmax(fabs(p), fabs(m))) / t;
    const double bent1 = fabs(p + m - 2 * here) / t, bent2 = fabs(ph + mh - 2 * here) / (t / 2);
    const double own = fabs(d2 - d1) + rounding + (bent2 > 0.75 * bent1 && bent2 > 4 * rounding ? bent2 : 0);
    if (own < o->own[e]) o->own[e] = own, o->best[e] = (4 * d2 - d1) / 3;
  }
}

static bool good_enough(const Operator *o) {
  double own = 0, all = 0;
  for (int64_t e = 0; e < explore_elements(o->e, o->samples); e++) own += o->own[e], all += fabs(o->best[e]);
  return own <= GOOD * all;
}

static bool differences(Operator *o) {
  static const double step[] = {1e-4, 4e-6, 2e-3, 1e-8};
  bool ok = true;
  for (int64_t e = 0; e < explore_elements(o->e, o->samples); e++) o->own[e] = INFINITY, o->best[e] = 0;
  for (int k = 0; k < 4 && ok && !(k && good_enough(o)); k++) {
    Tensor v[4];
    const double move[4] = {step[k], -step[k], step[k] / 2, -step[k] / 2};
    int n = 0;
    while (n < 4 && at(o, move[n], &v[n])) n++;
    if ((ok = n == 4)) judge(o, v, step[k]);
    ir_tensors_free(v, (uint32_t)n);
  }
  return ok;
}

/* What the operator's result has for element e of the value in sample l: the derivative along the direction. */
static double along(const Operator *o, int64_t e, int64_t l, double *scale) {
  const Tensor *r = &o->out[1];
  const int64_t lanes = r->type.lane ? o->samples : 1, n = type_count(o->x);
  double sum = 0;
  for (int64_t k = 0; k < n; k++) {
    const double one = o->size * r->v[(e * n + k) * lanes + (lanes > 1 ? l : 0)] * local_direction(o->id, k);
    sum += one, *scale += fabs(one);
  }
  return sum;
}

/* Into the worst error, unless the difference is not good enough. */
static void count(double told, double seen, double own, double scale, double *worst) {
  const double off = fabs(told - seen), error = off > 0 ? off / fmax(fmax(scale, fabs(seen)), 1e-300) : 0;
  if (!isfinite(off) || (error > LOCAL_WRONG && off <= 10 * (own + 1e-15 * scale))) return;
  if (!(error <= *worst)) *worst = error;
}

static double compare(Operator *o) {
  const int64_t lanes = o->e.lane ? o->samples : 1, n = type_count(o->e);
  double worst = NAN;
  for (int64_t e = 0; e < n * lanes && (e || differences(o)); e++) {
    double scale = 0;
    const double told = along(o, e / lanes, e % lanes, &scale);
    count(told, o->best[e], o->own[e], scale, &worst);
  }
  return worst;
}

static double compare_divergence(Operator *o) {
  const int64_t lanes = o->e.lane ? o->samples : 1, n = type_count(o->x), wide = o->out[1].type.lane ? o->samples : 1;
  double sum[POINTS] = {0}, size[POINTS] = {0}, own[POINTS] = {0}, worst = NAN;
  bool ok = true;
  for (o->only = 0; ok && o->only < n; o->only++) {
    ok = differences(o);
    for (int64_t l = 0; ok && l < lanes; l++) {
      const int64_t e = o->only * lanes + l;
      sum[l] += o->best[e], size[l] += fabs(o->best[e]), own[l] += o->own[e];
    }
  }
  for (int64_t l = 0; ok && l < lanes; l++) count(o->size * o->out[1].v[wide > 1 ? l : 0], sum[l], own[l], size[l], &worst);
  return worst;
}

/* NaN: it cannot be compared. whole: with the operator's result. */
static double error_of_operator(Operator *o, const Fn *whole) {
  const Fn *f = o->f;
  o->only = -1, o->size = 0, o->f = whole;
  const bool ok = at(o, 0, o->out);
  o->f = f;
  if (!ok) return NAN;
  const int64_t n = explore_elements(o->x, o->samples), count = explore_elements(o->e, o->samples);
  for (int64_t e = 0; e < n; e++) o->size += o->out[2].v[e] * o->out[2].v[e];
  o->size = o->size > 0 && isfinite(o->size) ? sqrt(o->size / (double)n) : 1;
  o->best = base_zeroed((size_t)count + 1, sizeof(double)), o->own = base_zeroed((size_t)count + 1, sizeof(double));
  const double error = o->op == OP_divergence ? compare_divergence(o) : compare(o);
  base_free(o->best);
  base_free(o->own);
  ir_tensors_free(o->out, 3);
  return error;
}

enum { ROWS = 32 }; /* evaluations of a divergence */

static bool comparable(const Fn *f, const Inst *i) {
  const Type e = ir_type(f, ir_arg(f, i, 0)), x = ir_type(f, ir_arg(f, i, 1));
  if (i->op != OP_grad && i->op != OP_jac && i->op != OP_divergence) return false;
  if (i->op == OP_divergence && type_count(x) > ROWS) return false;
  return e.lane || !x.lane; /* else a sum over samples of samples */
}

static double operator_error(Explore *x, const Piece *p, const Fn *f, uint32_t id) {
  Diag *unheard = diag_create(x->s->src);
  const Inst *i = &f->inst.at[id];
  Fn *g = with_move(f, id, false), *r = with_move(f, id, true), *h = pass_derive(NULL, g, unheard),
     *whole = h ? pass_derive(NULL, r, unheard) : NULL;
  double error = NAN;
  const Type e = ir_type(f, ir_arg(f, i, 0)), v = ir_type(f, ir_arg(f, i, 1));
  const double turns = i->op == OP_divergence ? 4 * (double)type_count(v) : 6;
  if (whole && explore_spend(&x->compare, (explore_cost(whole) + turns * explore_cost(h)) * p->samples)) {
    Operator o = {.f = h, .samples = p->samples, .id = id, .op = (Op)i->op, .e = e, .x = v};
    Tensor *in = explore_inputs(x, p, f);
    o.in = base_zeroed(f->in.n + 1, sizeof *o.in);
    memcpy(o.in, in, f->in.n * sizeof *in);
    o.in[f->in.n] = (Tensor){v, base_zeroed((size_t)explore_elements(v, p->samples) + 1, sizeof(double))};
    error = error_of_operator(&o, whole);
    ir_tensors_free(o.in, f->in.n + 1);
    base_free(o.in);
    base_free(in);
  }
  diag_destroy(unheard);
  ir_fn_destroy(g);
  ir_fn_destroy(r);
  ir_fn_destroy(h);
  ir_fn_destroy(whole);
  return error;
}

/* [[number, error], ...] of those that could be compared. */
json_t *explore_operators(Explore *x, const Piece *p) {
  const TraceFn *tf = &p->trace->fn.at[0];
  json_t *out = json_array();
  for (uint32_t id = 1; id < tf->fn->inst.n; id++) {
    const Inst *i = &tf->fn->inst.at[id];
    if (!ir_has(i->op, OPF_DERIV) || !comparable(tf->fn, i)) continue;
    const double error = operator_error(x, p, tf->fn, id);
    if (!isnan(error)) json_array_append_new(out, json_pack("[i, o]", (int)(tf->first + id - 1), explore_number(error)));
  }
  return out;
}
