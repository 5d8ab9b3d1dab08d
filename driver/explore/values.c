/* Numbers: every function of a piece that holds no derivative and no trajectory of fixed steps is run by the reference evaluator at a few
 * samples. Of each instruction it is kept how large it is, and the first elements of each sample; of a body that is run in turns
 * (loops, maps, rates of trajectories) as its last turn has it, the sizes over all turns, and how it was in other turns (turns.c). */
#include "driver/explore/values.h"
#include "driver/session/points.h"
#include "driver/session/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

json_t *explore_number(double v) { return isfinite(v) ? json_real(v) : json_string(isnan(v) ? "nan" : v > 0 ? "inf" : "-inf"); }

/* Of POINTS samples the first p->samples. */
static void cut(Tensor *t, const Piece *p, bool weight) {
  if (!t->type.lane || p->samples == POINTS) return;
  for (int64_t e = 0; e < type_count(t->type); e++)
    for (int64_t l = 0; l < p->samples; l++) t->v[e * p->samples + l] = weight ? 1.0 / (double)p->samples : t->v[e * POINTS + l];
}

Tensor *explore_inputs(Explore *x, const Piece *p, const Fn *f) {
  Tensor *in = base_zeroed(f->in.n, sizeof *in);
  const RtSet *set = p->data ? data_set(x->s, p->data) : NULL;
  for (uint32_t k = 0; k < f->in.n; k++) {
    points_fill(x->s, &f->in.at[k], set && set->n ? set : NULL, &in[k]);
    cut(&in[k], p, f->in.at[k].kind == IN_WEIGHT);
  }
  return in;
}

bool explore_whole(const Piece *p, const Fn *f) {
  const uint32_t n = p->given->in.n;
  for (uint32_t k = 0; k < n && k < f->in.n; k++)
    if (strcmp(f->in.at[k].name ? f->in.at[k].name : "", p->given->in.at[k].name ? p->given->in.at[k].name : "")) return false;
  return f->in.n == n || (f->in.n == n + 1 && f->in.at[n].kind == IN_WEIGHT);
}

bool explore_runs(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (ir_has(i->op, OPF_DERIV) || i->op == OP_integrate || (i->sub && !explore_runs(ir_body(f, i)))) return false;
  }
  return true;
}

/* Samples are left out where there are fewer, and where a function is large. */
void explore_samples(Explore *x, Piece *p) {
  enum { LARGE = 1 << 19 };
  const RtSet *set = p->data ? data_set(x->s, p->data) : NULL;
  p->samples = set && set->n && set->n < POINTS ? (int)set->n : POINTS;
  for (uint32_t s = 0; s < p->trace->stage.n; s++)
    if (explore_runs(p->trace->stage.at[s].fn) && explore_cost(p->trace->stage.at[s].fn) > LARGE) p->samples = 1;
}

typedef struct Watch {
  Ran *ran; /* by function of the stage */
  Index of;
  Ran *now;
  int64_t lanes;
  double work, most; /* elements that were made; an evaluation ends where they are too many */
} Watch;

static bool all_finite(const Tensor *t, int64_t samples) {
  const int64_t n = explore_elements(t->type, samples);
  for (int64_t e = 0; t->v && e < n; e++)
    if (!isfinite(t->v[e])) return false;
  return true;
}

static void take(Seen *s, const Tensor *v, int64_t samples) {
  const int64_t lanes = v->type.lane ? samples : 1, n = type_count(v->type), all = n * lanes;
  double least = INFINITY, most = -INFINITY, squares = 0;
  int64_t bad = 0;
  for (int64_t e = 0; e < all; e++) {
    const double one = v->v[e];
    const bool good = isfinite(one);
    bad += !good;
    squares += good ? one * one : 0;
    least = one < least ? one : least, most = one > most ? one : most;
  }
  s->least = !s->n || least < s->least ? least : s->least, s->most = !s->n || most > s->most ? most : s->most;
  s->squares += squares, s->bad += bad, s->n += all;
  s->now = all > bad ? squares / (double)(all - bad) : NAN, s->bad_now = bad > 0;
  s->lanes = (int)lanes, s->elems = n < SHOWN ? (int)n : SHOWN;
  for (int l = 0; l < s->lanes; l++)
    for (int e = 0; e < s->elems; e++) s->shown[l * SHOWN + e] = v->v[e * lanes + l];
}

static Ran *ran_of(Watch *w, const Fn *f) {
  if (w->now && w->now->f == f) return w->now;
  const uint32_t *k = index_find(&w->of, (uintptr_t)f);
  return k ? w->now = &w->ran[*k] : NULL;
}

static bool watch(void *ctx, const Fn *f, Val v, const Tensor *value, const Tensor *const *args) {
  Watch *w = ctx;
  Ran *r = ran_of(w, f);
  if (!r) return true;
  Seen *s = &r->seen[v.id];
  turns_begin(r, v.id);
  take(s, value, w->lanes);
  if (s->bad_now && !s->origin) {
    bool good = args != NULL;
    for (uint32_t a = 0; good && a < ir_inst(f, v)->nargs; a++) good = all_finite(args[a], w->lanes);
    s->origin = good || !args;
  }
  turns_take(r, v.id);
  w->work += EXPLORE_DISPATCH + (double)(type_count(value->type) * w->lanes);
  return w->work <= w->most;
}

json_t *explore_shown(const double *shown, int lanes, int elems, json_t *to) {
  for (int l = 0; l < lanes; l++) {
    json_t *one = json_array();
    for (int e = 0; e < elems; e++) json_array_append_new(one, explore_number(shown[l * SHOWN + e]));
    json_array_append_new(to, one);
  }
  return to;
}

/* [size, least, most, not finite (2: of finite operands), [sample 0's elements], ...]; null: it was not computed. */
static json_t *seen_json(const Seen *s) {
  if (!s->n) return json_null();
  json_t *out = json_array();
  const int64_t good = s->n - s->bad;
  json_array_append_new(out, explore_number(good ? sqrt(s->squares / (double)good) : NAN));
  json_array_append_new(out, explore_number(s->least));
  json_array_append_new(out, explore_number(s->most));
  json_array_append_new(out, json_integer(!s->bad ? 0 : s->origin ? 2 : 1));
  return explore_shown(s->shown, s->lanes, s->elems, out);
}

/* Of a stage, as far as there is work for it. */
static void evaluate(Explore *x, const Piece *p, const TraceStage *st, double most, json_t *values, json_t *turns) {
  Watch w = {.ran = base_zeroed(st->nfn, sizeof *w.ran), .lanes = p->samples, .most = most};
  char err[256];
  EvalEnv env = points_environment();
  env.watch = watch, env.ctx = &w;
  for (uint32_t k = 0; k < st->nfn; k++) {
    w.ran[k] = ran_create(p->trace->fn.at[st->top + k].fn);
    index_put(&w.of, (uintptr_t)w.ran[k].f, k);
  }
  Tensor *in = explore_inputs(x, p, st->fn), *out = base_zeroed(st->fn->out.n, sizeof *out);
  if (ir_eval(st->fn, p->samples, in, out, &env, err, sizeof err)) ir_tensors_free(out, st->fn->out.n);
  ir_tensors_free(in, st->fn->in.n);
  base_free(in);
  base_free(out);
  for (uint32_t k = 0; k < st->nfn; k++) {
    char key[16];
    json_t *of = json_array(), *turn = turns_json(&w.ran[k]);
    for (uint32_t id = 1; id < w.ran[k].f->inst.n; id++) json_array_append_new(of, seen_json(&w.ran[k].seen[id]));
    snprintf(key, sizeof key, "%u", st->top + k);
    json_object_set_new(values, key, of);
    if (turn) json_object_set_new(turns, key, turn);
    ran_finish(&w.ran[k]);
  }
  index_free(&w.of);
  base_free(w.ran);
}

void explore_values(Explore *x, const Piece *p, const bool *wanted, json_t **values, json_t **turns) {
  *values = json_object(), *turns = json_object();
  for (uint32_t s = 0; s < p->trace->stage.n; s++) {
    const TraceStage *st = &p->trace->stage.at[s];
    if (!wanted[s] || !explore_runs(st->fn) || !explore_whole(p, st->fn)) continue;
    const double work = explore_cost(st->fn) * p->samples;
    if (explore_spend(&x->work, work))
      evaluate(x, p, st, fmax(work, ir_holds(st->fn, 0, OP_ode) ? ODE_WORK : 0) * 4 + 1e4, *values, *turns);
  }
}
