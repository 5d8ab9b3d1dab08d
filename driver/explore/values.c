/* Numbers: every function of a piece that holds no derivative and no trajectory is run by the reference evaluator at a few samples. Of each
 * instruction it is kept how large it is, and the first elements of each sample; of a body, as its last turn has it, the sizes over
 * all turns. */
#include "driver/explore/explore_priv.h"
#include "driver/session/points.h"
#include "driver/session/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 3 }; /* elements of each sample */

json_t *explore_number(double v) { return isfinite(v) ? json_real(v) : json_string(isnan(v) ? "nan" : v > 0 ? "inf" : "-inf"); }

Tensor *explore_inputs(Explore *x, const Piece *p, const Fn *f) {
  Tensor *in = base_zeroed(f->in.n, sizeof *in);
  const RtSet *set = p->data ? data_set(x->s, p->data) : NULL;
  for (uint32_t k = 0; k < f->in.n; k++) points_fill(x->s, &f->in.at[k], set && set->n ? set : NULL, &in[k]);
  return in;
}

bool explore_whole(const Piece *p, const Fn *f) {
  const uint32_t n = p->given->in.n;
  for (uint32_t k = 0; k < n && k < f->in.n; k++)
    if (strcmp(f->in.at[k].name ? f->in.at[k].name : "", p->given->in.at[k].name ? p->given->in.at[k].name : "")) return false;
  return f->in.n == n || (f->in.n == n + 1 && f->in.at[n].kind == IN_WEIGHT);
}

typedef struct Seen {
  double squares, least, most;
  int64_t n, bad; /* elements, over all turns; those that are not finite */
  bool origin;    /* not finite, of finite operands */
  double shown[POINTS * SHOWN];
  int lanes, elems; /* of what is shown */
} Seen;

typedef struct Watch {
  const PassTrace *t;
  uint32_t from, end; /* its functions in the trace */
  Seen **seen;        /* by function, then id */
} Watch;

static bool all_finite(const Tensor *t) {
  for (int64_t e = 0; t->v && e < type_count(t->type) * (t->type.lane ? POINTS : 1); e++)
    if (!isfinite(t->v[e])) return false;
  return true;
}

static void take(Seen *s, const Tensor *v) {
  const int64_t lanes = v->type.lane ? POINTS : 1, n = type_count(v->type);
  for (int64_t e = 0; e < n * lanes; e++) {
    const double one = v->v[e];
    s->bad += !isfinite(one);
    if (isfinite(one)) s->squares += one * one;
    if (!s->n || one < s->least) s->least = one;
    if (!s->n || one > s->most) s->most = one;
    s->n++;
  }
  s->lanes = (int)lanes, s->elems = n < SHOWN ? (int)n : SHOWN;
  for (int l = 0; l < s->lanes; l++)
    for (int e = 0; e < s->elems; e++) s->shown[l * SHOWN + e] = v->v[e * lanes + l];
}

static bool watch(void *ctx, const Fn *f, Val v, const Tensor *value, const Tensor *const *args) {
  const Watch *w = ctx;
  for (uint32_t k = w->from; k < w->end; k++) {
    if (w->t->fn.at[k].fn != f) continue;
    Seen *s = &w->seen[k - w->from][v.id];
    take(s, value);
    bool good = args != NULL;
    for (uint32_t a = 0; good && a < ir_inst(f, v)->nargs; a++) good = all_finite(args[a]);
    s->origin |= s->bad && (good || !args);
  }
  return true;
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
  for (int l = 0; l < s->lanes; l++) {
    json_t *one = json_array();
    for (int e = 0; e < s->elems; e++) json_array_append_new(one, explore_number(s->shown[l * SHOWN + e]));
    json_array_append_new(out, one);
  }
  return out;
}

static bool evaluate(Explore *x, const Piece *p, const TraceStage *st, json_t *values) {
  Watch w = {p->trace, st->top, st->top + st->nfn, base_zeroed(st->nfn, sizeof *w.seen)};
  char err[256];
  EvalEnv env = points_environment();
  env.watch = watch, env.ctx = &w;
  for (uint32_t k = 0; k < st->nfn; k++) w.seen[k] = base_zeroed(p->trace->fn.at[st->top + k].fn->inst.n, sizeof **w.seen);
  Tensor *in = explore_inputs(x, p, st->fn), *out = base_zeroed(st->fn->out.n, sizeof *out);
  const bool ok = ir_eval(st->fn, POINTS, in, out, &env, err, sizeof err);
  if (ok) ir_tensors_free(out, st->fn->out.n);
  ir_tensors_free(in, st->fn->in.n);
  base_free(in);
  base_free(out);
  for (uint32_t k = 0; k < st->nfn; k++) {
    const Fn *f = p->trace->fn.at[st->top + k].fn;
    char key[16];
    json_t *of = json_array();
    for (uint32_t id = 1; id < f->inst.n; id++) json_array_append_new(of, seen_json(&w.seen[k][id]));
    snprintf(key, sizeof key, "%u", st->top + k);
    json_object_set_new(values, key, of);
    base_free(w.seen[k]);
  }
  base_free(w.seen);
  return ok;
}

json_t *explore_values(Explore *x, const Piece *p, const bool *wanted) {
  json_t *values = json_object();
  for (uint32_t s = 0; s < p->trace->stage.n; s++) {
    const TraceStage *st = &p->trace->stage.at[s];
    if (!wanted[s] || !ir_fn_plain(st->fn) || !explore_whole(p, st->fn)) continue;
    if (explore_spend(x, ir_eval_cost(st->fn) * POINTS)) evaluate(x, p, st, values);
  }
  return values;
}
