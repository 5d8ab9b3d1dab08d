/* The flow of a gradient: of the scalar that a piece computes, its derivative by each value on the way, as the compiler's own rules give it, and
 * whether it is one (local.h). Of several numbers it is a sum with weights. Loops and maps are values of the function as a whole; their bodies
 * are looked at by themselves, at the values of one turn. */
#include "driver/explore/local.h"
#include "driver/session/points.h"
#include "frontend/elab/scope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool has_cotangent(const Inst *i) { return i->type.dt == DT_REAL && !ir_literal(i->op) && i->op != OP_rand; }

/* ---- derivatives by all values ----------------------------------------------------------------------------------- */

static Val weights(Build *b, uint32_t k, Type t) {
  t.lane = false;
  double *w = base_zeroed((size_t)type_count(t) + 1, sizeof *w);
  for (int64_t e = 0; e < type_count(t); e++) w[e] = local_direction(~k, e);
  const Val v = ir_table(b, t, w);
  base_free(w);
  return v;
}

static Val total(Build *b, const Fn *f, const Val *map) {
  Val sum = VAL_NONE;
  const bool plain = f->out.n == 1 && !ir_type(f, f->out.at[0]).rank;
  for (uint32_t k = 0; k < f->out.n; k++) {
    const Type t = ir_type(f, f->out.at[k]);
    if (t.dt != DT_REAL) continue;
    Val one = map[f->out.at[k].id];
    one = ir_sum_all(b, plain ? one : ir_mul(b, one, weights(b, k, t)));
    if (ir_type(b->f, one).lane) one = ir_batch_sum(b, one);
    sum = sum.id ? ir_add(b, sum, one) : one;
  }
  return sum;
}

/* f with the derivatives of its total by each of its values: outputs in their order. NULL: there is no number. */
static Fn *with_cotangents(const Fn *f) {
  Build b;
  Val *map = base_zeroed(f->inst.n, sizeof *map);
  Fn *g = unit_like(f, "flow", &b, map);
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op != OP_in) map[id] = ir_copy_inst(&b, f, (Val){id}, map);
    if (i->op == OP_in || has_cotangent(i)) map[id] = ir_id(&b, map[id]);
  }
  const Val sum = total(&b, f, map);
  for (uint32_t id = 1; id < f->inst.n && sum.id; id++)
    if (has_cotangent(&f->inst.at[id])) ir_output(&b, ir_grad(&b, sum, map[id]), NULL);
  ir_build_finish(&b);
  base_free(map);
  if (sum.id) return g;
  ir_fn_destroy(g);
  return NULL;
}

/* ---- values at a point ------------------------------------------------------------------------------------------------ */

enum { TURN = 1 }; /* of a body that is looked at, if it has so many */

typedef struct Body {
  const Fn *f;
  uint32_t index; /* in the trace */
  Tensor *in;     /* as they are in turn TURN */
  int64_t turn;
  uint32_t last;
} Body;

typedef struct Flow {
  const Fn *top;
  Tensor *value; /* of top, by id */
  Body *body;
  uint32_t nbody;
  Index of;
  int samples;
  double made, most;
} Flow;

static Tensor copied(const Tensor *t, int samples) {
  const size_t n = (size_t)explore_elements(t->type, samples);
  Tensor out = {t->type, base_zeroed(n + 1, sizeof(double))};
  memcpy(out.v, t->v, n * sizeof *out.v);
  return out;
}

static bool watch(void *ctx, const Fn *f, Val v, const Tensor *value, const Tensor *const *args) {
  Flow *w = ctx;
  (void)args;
  w->made += (double)(type_count(value->type) * w->samples);
  if (f == w->top) {
    w->value[v.id] = copied(value, w->samples);
    return w->made <= w->most;
  }
  const uint32_t *k = index_find(&w->of, (uintptr_t)f);
  Body *b = k ? &w->body[*k] : NULL;
  if (b && v.id <= b->last) b->turn++;
  if (b) b->last = v.id;
  if (b && b->turn <= TURN && ir_inst(f, v)->op == OP_in) {
    Tensor *in = &b->in[ir_number(f, ir_inst(f, v))];
    base_free(in->v);
    *in = copied(value, w->samples);
  }
  return w->made <= w->most;
}

/* ---- one function -------------------------------------------------------------------------------------------------------- */

static void users(Local *l) {
  const Fn *f = l->f;
  for (uint32_t id = 1; id < f->inst.n; id++)
    for (uint32_t k = 0; k < f->inst.at[id].nargs; k++) l->first[ir_arg(f, &f->inst.at[id], k).id + 1]++;
  for (uint32_t id = 0; id < f->inst.n; id++) l->first[id + 1] += l->first[id];
  uint32_t *at = base_zeroed(f->inst.n + 1, sizeof *at);
  memcpy(at, l->first, (f->inst.n + 1) * sizeof *at);
  for (uint32_t id = 1; id < f->inst.n; id++)
    for (uint32_t k = 0; k < f->inst.at[id].nargs; k++) l->user[at[ir_arg(f, &f->inst.at[id], k).id]++] = id;
  base_free(at);
}

static uint32_t operands(const Fn *f) {
  uint32_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) n += f->inst.at[id].nargs;
  return n;
}

static void local_begin(Local *l) {
  const uint32_t n = l->f->inst.n;
  l->first = base_zeroed(n + 2, sizeof *l->first), l->user = base_zeroed(operands(l->f) + 1, sizeof *l->user);
  l->unit = base_zeroed(n, sizeof *l->unit), l->verdict = base_zeroed(n, sizeof *l->verdict);
  l->dir = base_zeroed(n, sizeof *l->dir), l->stamp = base_zeroed(n, sizeof *l->stamp),
  l->reader = base_zeroed(n, sizeof *l->reader);
  users(l);
}

static void local_finish(Local *l) {
  for (uint32_t id = 0; id < l->f->inst.n; id++) unit_finish(&l->unit[id]);
  base_free(l->first);
  base_free(l->user);
  base_free(l->unit);
  base_free(l->verdict);
  base_free(l->dir);
  base_free(l->stamp);
  base_free(l->reader);
}

static double size_of(const Tensor *t, int samples) {
  double s = 0;
  const int64_t n = explore_elements(t->type, samples);
  for (int64_t e = 0; e < n; e++) s += t->v[e] * t->v[e];
  return n ? sqrt(s / (double)n) : 0;
}

/* ---- what is said of it ------------------------------------------------------------------------------------------------ */

static Span stop_in(const Fn *f) {
  Span at = {0};
  for (uint32_t id = 1; id < f->inst.n && !at.file; id++) {
    const Inst *i = &f->inst.at[id];
    at = i->op == OP_stop ? i->at : i->sub ? stop_in(ir_body(f, i)) : at;
  }
  return at;
}

/* The first `stop` that reads id, or that stands in a loop that does; nowhere, if there is none. */
static Span stop_by(const Local *l, uint32_t id) {
  Span at = {0};
  for (uint32_t k = l->first[id]; k < l->first[id + 1] && !at.file; k++) {
    const Inst *i = &l->f->inst.at[l->user[k]];
    at = i->op == OP_stop ? i->at : i->sub ? stop_in(ir_body(l->f, i)) : at;
  }
  return at;
}

/* Through which value that differs the derivative by id goes, or 0. */
static uint32_t *above(const Local *l) {
  uint32_t *through = base_zeroed(l->f->inst.n, sizeof *through);
  for (uint32_t id = l->f->inst.n; id-- > 1;)
    for (uint32_t k = l->first[id]; k < l->first[id + 1] && !through[id]; k++) {
      const uint32_t u = l->user[k];
      through[id] = through[u] ? through[u] : l->cot[u] && l->verdict[u].error > LOCAL_WRONG ? u : 0;
    }
  return through;
}

/* [size of the derivative, error or null, why not or a remark]. A `stop` of the library is meant. */
static json_t *entry(const Explore *x, const Local *l, uint32_t id, uint32_t through) {
  const Verdict *v = &l->verdict[id];
  const Span stop = v->error > LOCAL_WRONG ? stop_by(l, id) : (Span){0};
  const bool meant = stop.file && module_is_library(source_file(x->s->src, stop.file));
  char where[256], why[400] = "";
  if (stop.file) source_where(x->s->src, stop, where, sizeof where);
  if (meant) snprintf(why, sizeof why, "`stop_gradient` at %s leaves part of it out, which is meant there", where);
  else if (stop.file) snprintf(why, sizeof why, "`stop_gradient` at %s leaves part of it out", where);
  else if (v->error < 0) snprintf(why, sizeof why, "%s", v->why);
  else if (v->error <= LOCAL_WRONG && through) snprintf(why, sizeof why, "it goes through %%%u, which differs", through);
  const bool told = v->error >= 0 && !meant && !(v->error <= LOCAL_WRONG && through);
  json_t *out = json_array();
  json_array_append_new(out, explore_number(size_of(l->cot[id], l->samples)));
  json_array_append_new(out, told ? explore_number(v->error) : json_null());
  if (*why) json_array_append_new(out, json_string(why));
  return out;
}

static json_t *entries(const Explore *x, const Local *l) {
  json_t *flow = json_array();
  uint32_t *through = above(l);
  for (uint32_t id = 1; id < l->f->inst.n; id++)
    json_array_append_new(flow, l->cot[id] ? entry(x, l, id, through[id]) : json_null());
  base_free(through);
  return flow;
}

/* ---- a function ------------------------------------------------------------------------------------------------------------ */

static void check(Explore *x, Local *l) {
  const double most = x->compare / 3;
  l->work = most;
  local_begin(l);
  local_check(l);
  x->compare -= most - l->work;
}

static bool counted(void *ctx, const Fn *f, Val v, const Tensor *value, const Tensor *const *args) {
  Local *l = ctx;
  (void)f, (void)v, (void)args;
  l->made += (double)local_elements(l, value->type);
  return l->made <= l->most;
}

/* Of f at `in`, whose values are given: an entry for each instruction, or NULL. */
static json_t *flow_of(Explore *x, const Fn *f, const Tensor *in, Tensor *value, int samples) {
  char err[256];
  Diag *unheard = diag_create(x->s->src);
  Local l = {.f = f, .samples = samples, .env = points_environment(), .value = value};
  l.env.watch = counted, l.env.ctx = &l, l.most = x->compare;
  Fn *g = with_cotangents(f), *h = g ? pass_derive(NULL, g, unheard) : NULL;
  Tensor *cot = h ? base_zeroed(h->out.n, sizeof *cot) : NULL;
  json_t *out = NULL;
  if (h && explore_spend(&x->compare, explore_cost(h) * samples) && ir_eval(h, samples, in, cot, &l.env, err, sizeof err)) {
    l.cot = base_zeroed(f->inst.n, sizeof *l.cot);
    for (uint32_t id = 1, k = 0; id < f->inst.n; id++)
      if (has_cotangent(&f->inst.at[id])) l.cot[id] = &cot[k++];
    check(x, &l);
    out = entries(x, &l);
    local_finish(&l);
    base_free(l.cot);
    ir_tensors_free(cot, h->out.n);
  }
  base_free(cot);
  diag_destroy(unheard);
  ir_fn_destroy(g);
  ir_fn_destroy(h);
  return out;
}

static bool values_of(Flow *w, const Fn *f, const Tensor *in) {
  char err[256];
  EvalEnv env = points_environment();
  Tensor *out = base_zeroed(f->out.n, sizeof *out);
  env.watch = watch, env.ctx = w;
  w->top = f, w->value = base_zeroed(f->inst.n, sizeof *w->value), w->made = 0;
  w->most = 4 * explore_cost(f) * w->samples + ODE_WORK;
  const bool ok = ir_eval(f, w->samples, in, out, &env, err, sizeof err);
  if (ok) ir_tensors_free(out, f->out.n);
  base_free(out);
  return ok;
}

static void bodies_of(Flow *w, const PassTrace *t, const TraceStage *st, const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    const Fn *body = i->op == OP_scan || i->op == OP_ode ? ir_body(f, i) : NULL;
    for (uint32_t k = st->top; body && k < st->top + st->nfn; k++)
      if (t->fn.at[k].fn == body) {
        index_put(&w->of, (uintptr_t)body, w->nbody);
        w->body = base_realloc(w->body, (w->nbody + 1) * sizeof *w->body);
        w->body[w->nbody++] =
            (Body){.f = body, .index = k, .in = base_zeroed(body->in.n + 1, sizeof(Tensor)), .turn = -1, .last = UINT32_MAX};
        bodies_of(w, t, st, body);
      }
  }
}

static json_t *flow_of_body(Explore *x, const Body *b, int samples) {
  Flow w = {.samples = samples};
  for (uint32_t k = 0; k < b->f->in.n; k++)
    if (!b->in[k].v) return NULL;
  json_t *flow = values_of(&w, b->f, b->in) ? flow_of(x, b->f, b->in, w.value, samples) : NULL;
  ir_tensors_free(w.value, b->f->inst.n);
  base_free(w.value);
  return flow ? json_pack("{s:i, s:i, s:o}", "fn", (int)b->index, "turn", b->turn < TURN ? (int)b->turn : TURN, "flow", flow)
              : NULL;
}

/* The stage whose function is the first that can be run, and still has its `stop`s. */
static const TraceStage *first_that_runs(const Piece *p, const bool *wanted) {
  for (uint32_t s = 0; s < p->trace->stage.n; s++) {
    const TraceStage *st = &p->trace->stage.at[s];
    if (wanted[s] && explore_runs(st->fn) && explore_whole(p, st->fn)) return st;
  }
  return NULL;
}

json_t *explore_flow(Explore *x, const Piece *p, const bool *wanted) {
  const TraceStage *st = p->job.gradient ? NULL : first_that_runs(p, wanted);
  if (!st || !explore_spend(&x->compare, explore_cost(st->fn) * p->samples)) return json_null();
  Flow w = {.samples = p->samples};
  Tensor *in = explore_inputs(x, p, st->fn);
  json_t *out = json_null(), *bodies = json_array();
  bodies_of(&w, p->trace, st, st->fn);
  const bool ok = values_of(&w, st->fn, in);
  json_t *flow = ok ? flow_of(x, st->fn, in, w.value, p->samples) : NULL;
  for (uint32_t k = 0; k < w.nbody; k++) {
    json_t *of = ok ? flow_of_body(x, &w.body[k], p->samples) : NULL;
    if (of) json_array_append_new(bodies, of);
    ir_tensors_free(w.body[k].in, w.body[k].f->in.n);
    base_free(w.body[k].in);
  }
  if (flow) out = json_pack("{s:i, s:o, s:O}", "fn", (int)st->top, "flow", flow, "bodies", bodies);
  json_decref(bodies);
  ir_tensors_free(in, st->fn->in.n);
  ir_tensors_free(w.value, st->fn->inst.n);
  base_free(w.value);
  base_free(w.body);
  base_free(in);
  index_free(&w.of);
  return out;
}
