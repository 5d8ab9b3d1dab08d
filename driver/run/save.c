/* See save.h. */
#include "driver/run/save.h"
#include "driver/session/data.h"
#include "driver/session/nan.h"
#include "driver/session/native.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static void take(RtArray *a, const Save *w, const char *key, bool f64, Type t, int64_t n) {
  if (!rt_array_init(a, key, f64, t.rank, t.dim, n)) base_fault("there is not enough memory for the arrays `%s`", w->name);
}

static void evaluate(Session *s, const Save *w, const Native *native, const RtArray *stats, uint64_t seed, RtArray *out) {
  const Fn *f = w->fn;
  const RtSet *set = w->data ? data_native(s, w->data) : NULL;
  const int64_t n = set ? set->n : 1;
  HnnArg *in = base_zeroed(f->in.n, sizeof *in), *to = base_zeroed(f->out.n, sizeof *to);
  for (uint32_t k = 0; k < f->in.n; k++) in[k] = report_argument(s->param, &f->in.at[k], set, stats);
  for (uint32_t k = 0; k < f->out.n; k++) {
    take(&out[k], w, w->key[k], f->f64, ir_type(f, f->out.at[k]), set ? n : 0);
    out[k].truth = w->truth[k];
    to[k] = (HnnArg){out[k].v, out[k].ld};
  }
  if (!rt_fn_run(native->run, in, to, n, seed, 0)) base_fault("there is not enough memory for the arrays `%s`", w->name);
  base_free(in);
  base_free(to);
}

/* Whether what a sample is computed with is finite: of a gap nobody asks the cause. */
static bool whole(const RtSet *set, int64_t sample) {
  for (int k = 0; set && k < set->nfield; k++)
    for (int64_t e = 0; e < set->field[k].elems; e++)
      if (!isfinite(rt_real(set->field[k].v, e * set->field[k].ld + sample, set->field[k].f64))) return false;
  return true;
}

static int64_t odd_numbers(const RtArray *a, int64_t i) {
  int64_t n = 0;
  for (int64_t e = 0; e < a->elems; e++) n += !isfinite(rt_real(a->v, a->n ? e * a->ld + i : e, a->f64));
  return n;
}

/* What they were computed with, of a set that lies with several ranks. */
static void bring_odd(const RtArray *a, const RtSet *set) {
  int64_t *sample = set && set->ranks && a->n ? base_zeroed((size_t)a->n, sizeof *sample) : NULL, n = 0;
  for (int64_t i = 0; sample && i < a->n; i++)
    if (odd_numbers(a, i)) sample[n++] = i;
  if (sample) rt_set_bring((RtSet *)set, sample, n);
  base_free(sample);
}

typedef struct Lost {
  int64_t n, first; /* numbers that are not finite, and the first sample that made one; -1: none */
} Lost;

/* asked: what is not finite in a question is not told of again in its answer. */
static Lost count(const RtArray *a, const RtSet *set, bool asked) {
  Lost lost = {.first = -1};
  bring_odd(a, set);
  for (int64_t i = 0; i < (a->n ? a->n : 1); i++) {
    const int64_t n = odd_numbers(a, i);
    const bool made = n && whole(a->n ? set : NULL, i);
    if (made && lost.first < 0) lost.first = i;
    if (made || !asked) lost.n += n;
  }
  return lost;
}

/* Of several arrays the first is told the cause of. */
static void tell_lost(Session *s, const Save *w, const Native *native, const RtArray *stats, uint64_t seed, Span at,
                      const RtArray *out) {
  const RtSet *set = w->data ? data_native(s, w->data) : NULL;
  const bool asked = s->model->asked && s->model->asked->save == w;
  bool told = false;
  for (uint32_t k = 0; k < w->fn->out.n; k++) {
    const RtArray *a = &out[k];
    const Lost lost = count(a, set, asked);
    if (!lost.n) continue;
    const char *of = asked ? "" : arena_printf(s->model->mem, " of the arrays `%s`", w->name);
    DiagMsg *m = diag_add(s->diag, CODE_saved, at, "`%s`%s has %" PRId64 " number%s that %s not finite, of %" PRId64, a->name, of,
                          lost.n, lost.n == 1 ? "" : "s", lost.n == 1 ? "is" : "are", (a->n ? a->n : 1) * a->elems);
    if (!told && lost.first >= 0) nan_cause(s, m, a->name, native->fn, stats, set, lost.first, seed), told = true;
  }
  session_render(s);
}

int save_evaluate(Session *s, const Save *w, const ReportResult *results, uint64_t seed, Span at, RtArray *out) {
  int code = w->data ? data_make(s, w->data) : 0;
  if (code) return code;
  Native native;
  NativeJob job = {w->fn, w->name, &native, .samples = w->data ? data_set(s, w->data)->n : 1};
  if ((code = native_build(s, &job, 1))) return code;
  RtArray stats = report_inputs(s, w->use, w->nuse, results);
  evaluate(s, w, &native, &stats, seed, out);
  tell_lost(s, w, &native, &stats, seed, at, out);
  rt_array_finish(&stats);
  native_finish(&native);
  return 0;
}

int save_run(Session *s, const RtRun *run, const Save *w, const ReportResult *results, Span at) {
  RtArray *out = base_zeroed(w->fn->out.n, sizeof *out);
  RtError err = {{0}};
  int code = save_evaluate(s, w, results, session_seed(s, 0), at, out);
  if (code) return base_free(out), code;
  if (!rt_run_arrays(run, w->name, out, (int)w->fn->out.n, &err)) code = session_fail(s, EXIT_IO, CODE_output, at, "%s", err.text);
  for (uint32_t k = 0; k < w->fn->out.n; k++) rt_array_finish(&out[k]);
  base_free(out);
  return code;
}
