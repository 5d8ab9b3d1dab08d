/* Reports (statistics of an expression over a data set) and expectations (conditions on them). */
#include "driver/run/report.h"
#include "driver/session/nan.h"
#include "driver/session/data.h"
#include "driver/session/native.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

/* Mean and standard deviation by Welford's recurrence; sd has n - 1 below it, and is 0 for one sample. Of what is not
 * finite they are what NumPy gives: the mean of an infinity is infinite, min and max of a NaN are NaN. */
static ReportResult statistics(const RtArray *a) {
  ReportResult r = {.n = a->n ? a->n : 1, .min = rt_real(a->v, 0, a->f64), .max = rt_real(a->v, 0, a->f64)};
  double m2 = 0, sum = 0;
  for (int64_t i = 0; i < r.n; i++) {
    double x = rt_real(a->v, i, a->f64), d = x - r.mean;
    sum += x;
    r.mean += d / (double)(i + 1);
    m2 += d * (x - r.mean);
    r.min = ir_eval_scalar(OP_min, r.min, x);
    r.max = ir_eval_scalar(OP_max, r.max, x);
  }
  r.sd = !isfinite(m2) || !isfinite(sum) ? NAN : r.n > 1 ? sqrt(m2 / (double)(r.n - 1)) : 0;
  if (!isfinite(r.min) || !isfinite(r.max)) r.mean = sum / (double)r.n;
  return r;
}

static int64_t first_not_finite(const RtArray *a) {
  int64_t i = 0;
  while (i + 1 < a->n && isfinite(rt_real(a->v, i, a->f64))) i++;
  return i;
}

static HnnArg argument(const Session *s, const Input *in, const RtSet *set) {
  const RtArray *a = in->kind == IN_PARAM ? &s->param[in->index] : &set->field[in->index];
  return (HnnArg){a->v, a->ld};
}

int report_run(Session *s, const Report *report, ReportResult *out) {
  int code = report->data ? data_make(s, report->data) : 0;
  if (code) return code;
  Native native;
  NativeJob job = {report->fn, report->name, &native, .samples = report->data ? data_set(s, report->data)->n : 1};
  if ((code = native_build(s, &job, 1))) return code;
  const Fn *f = report->fn;
  const RtSet *set = report->data ? data_native(s, report->data) : NULL;
  bool lane = ir_type(f, f->out.at[0]).lane;
  RtArray value;
  HnnArg *in = base_zeroed(f->in.n, sizeof *in);
  if (!rt_array_init(&value, report->name, s->model->f64, 0, NULL, lane && set ? set->n : lane ? 1 : 0))
    base_fault("there is not enough memory for the report `%s`", report->name);
  for (uint32_t k = 0; k < f->in.n; k++) in[k] = argument(s, &f->in.at[k], set);
  if (!rt_fn_run(native.run, in, &(HnnArg){value.v, value.ld}, set ? set->n : 1, session_seed(s, 0), 0))
    base_fault("there is not enough memory for the report `%s`", report->name);
  *out = statistics(&value);
  if (!isfinite(out->mean)) nan_report(s, report, native.fn, first_not_finite(&value));
  rt_array_finish(&value);
  base_free(in);
  native_finish(&native);
  return 0;
}

static double pick(const ReportResult *r, Stat stat) {
  return stat == STAT_MEAN ? r->mean : stat == STAT_SD ? r->sd : stat == STAT_MIN ? r->min : r->max;
}

int expect_run(Session *s, const Expect *e, const ReportResult *results, bool *holds) {
  char err[256];
  Fn *f = pass_derive(&s->passes, e->fn, s->diag);
  if (!f) return session_render(s), EXIT_FILE;
  Tensor *in = base_zeroed(e->nuse, sizeof *in), out = {0};
  double *v = base_zeroed(e->nuse, sizeof *v);
  for (uint32_t k = 0; k < e->nuse; k++) {
    v[k] = pick(&results[report_number(s->model, e->use[k].report)], e->use[k].stat);
    in[k] = (Tensor){f->in.at[k].type, &v[k]};
  }
  bool ok = ir_eval(f, 1, in, &out, &(EvalEnv){0}, err, sizeof err);
  if (ok) *holds = out.v[0] != 0, ir_tensors_free(&out, 1);
  base_free(in);
  base_free(v);
  ir_fn_destroy(f);
  return ok ? 0 : session_fail(s, EXIT_FAULT, CODE_internal, (Span){0}, "`expect %s` could not be evaluated: %s", e->text, err);
}

uint32_t report_number(const Model *m, const Report *report) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < m->naction; i++) {
    if (m->action[i].kind != DO_REPORT) continue;
    if (m->action[i].report == report) return n;
    n++;
  }
  base_fault("a report is not in its model");
}

void reports_hash(const Model *m, const ReportResult *results, int action, char out[REPORTS_HASH]) {
  XXH3_state_t *state = XXH3_createState();
  XXH3_64bits_reset(state);
  for (int i = 0; i < action && i < (int)m->naction; i++) {
    if (m->action[i].kind != DO_REPORT) continue;
    const ReportResult *r = &results[report_number(m, m->action[i].report)];
    double v[] = {r->mean, r->sd, r->min, r->max};
    for (size_t k = 0; k < sizeof v / sizeof *v; k++)
      if (!isfinite(v[k])) v[k] = NAN;
    XXH3_64bits_update(state, v, sizeof v);
    XXH3_64bits_update(state, &r->n, sizeof r->n);
  }
  snprintf(out, REPORTS_HASH, "%016" PRIx64, (uint64_t)XXH3_64bits_digest(state));
  XXH3_freeState(state);
}
