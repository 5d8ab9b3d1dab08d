/* See nan.h. */
#include "driver/session/nan.h"
#include "ir/eval/origin.h"
#include "driver/session/data.h"
#include "driver/process/process.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* An input of a function on n samples of a set; the weight is that of a mean. */
static Tensor input(const RtArray *param, const RtArray *stats, const RtSet *set, const Input *in, const int64_t *sample,
                    int64_t n) {
  int64_t elems = type_count(in->type), lanes = in->type.lane ? n : 1;
  Tensor out = {in->type, base_zeroed((size_t)(elems * lanes), sizeof(double))};
  for (int64_t e = 0; e < elems; e++)
    for (int64_t i = 0; i < lanes; i++)
      out.v[e * lanes + i] = in->kind == IN_PARAM    ? rt_real(param[in->index].v, e, param[in->index].f64)
                             : in->kind == IN_WEIGHT ? 1.0 / (double)n
                             : in->kind == IN_INDEX  ? (double)sample[i]
                             : in->kind == IN_SCALAR ? rt_real(stats->v, in->index + e, stats->f64)
                                                     : rt_real(set->field[in->index].v, e * set->field[in->index].ld + sample[i],
                                                               set->field[in->index].f64);
  return out;
}

static void draw(int kind, uint64_t seed, uint64_t sample0, int64_t lanes, uint32_t site, uint32_t counter, int64_t elems,
                 double *out) {
  rt_draw64(kind, seed, sample0, (int32_t)lanes, site, counter, elems, out, lanes);
}

/* The origin of what is not finite in f on n samples, numbered from `first`. */
static bool find(const Fn *f, const RtArray *param, const RtArray *stats, const RtSet *set, const int64_t *sample, int64_t n,
                 uint64_t seed, int64_t first, Origin *out) {
  EvalEnv env = {.seed = seed, .sample0 = (uint64_t)first, .draw = draw, .ode = rt_ode};
  Tensor *in = base_zeroed(f->in.n, sizeof *in);
  if (set) rt_set_bring((RtSet *)set, sample, n);
  for (uint32_t k = 0; k < f->in.n; k++) in[k] = input(param, stats, set, &f->in.at[k], sample, n);
  bool found = ir_origin_find(f, n, in, &env, f->f64 ? DBL_MAX : FLT_MAX, out);
  for (uint32_t k = 0; k < f->in.n; k++) base_free(in[k].v);
  base_free(in);
  return found;
}

bool nan_find(const Fn *f, const RtArray *param, const RtSet *set, const int64_t *sample, int64_t n, uint64_t seed, int64_t first,
              Origin *out) {
  return find(f, param, NULL, set, sample, n, seed, first, out);
}

void nan_advise(const Session *s, DiagMsg *m, const Origin *o) {
  const SourceStated *stated = ir_origin_stated(s->src, o);
  if (stated && stated->of) diag_label(m, stated->words, "`%s` requires this", stated->of);
  const char *advice = ir_origin_advice(o);
  if (advice) diag_help(m, "%s", advice);
}

bool nan_ended(DiagMsg *m, const Origin *o) {
  if (!ir_origin_ended(o)) return false;
  if (o->f) {
    const Inst *i = ir_inst(o->f, o->v);
    const ode_attr attr = ir_ode_attr(o->f, i);
    diag_label(m, i->at, "the search ended here");
    diag_help(m,
              "the search for the cause ended after %d operations, where `%s` was at t = %g: with fewer steps (`max_steps` allows "
              "%" PRId64 "), or a shorter time, it would be found",
              ORIGIN_MOST, ir_method[attr.method].name, o->time, attr.max_steps);
  } else
    diag_help(m, "the search for the cause ended after %d operations: with fewer steps, or a shorter time, it would be found",
              ORIGIN_MOST);
  return true;
}

void nan_begins(const char *name) { waiting_run("the search for what is not finite in", name, (Span){0}); }

void nan_ends(void) { waiting_run("", NULL, (Span){0}); }

/* What was found, or why nothing was. */
static void tell(const Session *s, DiagMsg *m, const Origin *o, bool found, bool sampled, int64_t sample) {
  char text[256];
  if (found) ir_origin_text(s->src, o, text, sizeof text);
  if (found && sampled) diag_help(m, "in sample %" PRId64 " %s", sample, text);
  else if (found) diag_help(m, "%s", text);
  if (found) nan_advise(s, m, o);
  else if (!nan_ended(m, o) && !s->model->f64)
    diag_help(m, "in f64 it is finite: an intermediate number left the range of f32, which ends at 3.4e38; write `precision f64`");
}

void nan_report(Session *s, const Report *report, const Fn *derived, const RtArray *stats, int64_t sample) {
  const RtSet *set = report->data ? data_native(s, report->data) : NULL;
  Origin o = {0};
  nan_begins(report->name);
  const bool found = find(derived, s->param, stats, set, &sample, 1, session_seed(s, 0), sample, &o);
  nan_ends();
  DiagMsg *m =
      diag_add(s->diag, CODE_not_finite, found ? ir_origin_place(&o) : (Span){0}, "the report `%s` is not finite", report->name);
  tell(s, m, &o, found, set != NULL, sample);
  session_render(s);
}

void nan_cause(const Session *s, DiagMsg *m, const char *name, const Fn *f, const RtArray *stats, const RtSet *set, int64_t sample,
               uint64_t seed) {
  Origin o = {0};
  nan_begins(name);
  const bool found = find(f, s->param, stats, set, &sample, 1, seed, sample, &o);
  nan_ends();
  if (found) diag_label(m, ir_origin_place(&o), "here");
  tell(s, m, &o, found, set != NULL, sample);
}

int nan_data(Session *s, const Data *d, const Fn *derived, int64_t draw_number, const char *field, int64_t sample) {
  const RtSet *on = d->on ? data_set(s, d->on) : NULL;
  RtSet own = on ? *on : (RtSet){0}; /* the rank that has the draw asks by itself */
  own.ranks = NULL;
  char text[256];
  Origin o = {0};
  nan_begins(d->name);
  bool found = nan_find(derived, s->param, on ? &own : NULL, &draw_number, 1, session_seed(s, d->seed), draw_number, &o);
  nan_ends();
  DiagMsg *m = field ? diag_add(s->diag, CODE_not_finite, d->at, "`%s` of the data set `%s` is not finite in sample %" PRId64,
                                field, d->name, sample)
                     : diag_add(s->diag, CODE_not_finite, d->at, "a trajectory of the data set `%s` is not finite in draw %" PRId64,
                                d->name, draw_number);
  if (found) {
    diag_label(m, ir_origin_place(&o), "here");
    diag_help(m, "%s", ir_origin_text(s->src, &o, text, sizeof text));
    nan_advise(s, m, &o);
  } else if (!nan_ended(m, &o)) diag_help(m, "a failed integration, or an operation without a result");
  session_render(s);
  return EXIT_NUMBERS;
}
