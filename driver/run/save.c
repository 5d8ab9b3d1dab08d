/* See save.h. */
#include "driver/run/save.h"
#include "driver/session/data.h"
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

static void count(Session *s, const Save *w, const RtArray *a, Span at) {
  const int64_t rows = a->n ? a->n : 1;
  int64_t lost = 0;
  for (int64_t e = 0; e < a->elems; e++)
    for (int64_t i = 0; i < rows; i++) lost += !isfinite(rt_real(a->v, a->n ? e * a->ld + i : e, a->f64));
  if (lost)
    diag_add(s->diag, CODE_saved, at, "`%s` of the arrays `%s` has %" PRId64 " number%s that %s not finite, of %" PRId64, a->name,
             w->name, lost, lost == 1 ? "" : "s", lost == 1 ? "is" : "are", rows * a->elems);
}

int save_evaluate(Session *s, const Save *w, const ReportResult *results, uint64_t seed, RtArray *out) {
  int code = w->data ? data_make(s, w->data) : 0;
  if (code) return code;
  Native native;
  NativeJob job = {w->fn, w->name, &native, .samples = w->data ? data_set(s, w->data)->n : 1};
  if ((code = native_build(s, &job, 1))) return code;
  RtArray stats = report_inputs(s, w->use, w->nuse, results);
  evaluate(s, w, &native, &stats, seed, out);
  rt_array_finish(&stats);
  native_finish(&native);
  return 0;
}

int save_run(Session *s, const RtRun *run, const Save *w, const ReportResult *results, Span at) {
  RtArray *out = base_zeroed(w->fn->out.n, sizeof *out);
  RtError err = {{0}};
  int code = save_evaluate(s, w, results, session_seed(s, 0), out);
  if (code) return base_free(out), code;
  for (uint32_t k = 0; k < w->fn->out.n; k++) count(s, w, &out[k], at);
  session_render(s);
  if (!rt_run_arrays(run, w->name, out, (int)w->fn->out.n, &err)) code = session_fail(s, EXIT_IO, CODE_output, at, "%s", err.text);
  for (uint32_t k = 0; k < w->fn->out.n; k++) rt_array_finish(&out[k]);
  base_free(out);
  return code;
}
