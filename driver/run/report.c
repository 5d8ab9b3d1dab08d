/* Reports (statistics of an expression over a data set) and expectations (conditions on them). */
#include "driver/run/report.h"
#include "driver/session/nan.h"
#include "driver/session/data.h"
#include "driver/session/native.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
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

/* ---- what later items ask ---- */

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* NumPy's, linear between neighbours; NaN where there is one. v is sorted. */
static double quantile(const double *v, int64_t n, double q) {
  const double at = q * (double)(n - 1), low = floor(at), part = at - low;
  const int64_t k = (int64_t)low;
  return part > 0 && v[k] != v[k + 1] ? v[k] + part * (v[k + 1] - v[k]) : v[k];
}

static double log_mean_exp(const double *v, int64_t n) {
  double sum = 0;
  const double most = v[n - 1];
  if (isinf(most)) return most;
  for (int64_t i = 0; i < n; i++) sum += exp(v[i] - most);
  return most + log(sum / (double)n);
}

/* v: sorted, without NaN. */
static double statistic(ReportStat s, const double *v, int64_t n) {
  double sum = 0;
  switch (s.stat) {
  case STAT_SUM:
    for (int64_t i = 0; i < n; i++) sum += v[i];
    return sum;
  case STAT_QUANTILE: return quantile(v, n, s.q);
  case STAT_LOGMEANEXP: return log_mean_exp(v, n);
  default: base_fault("a statistic that is not asked for");
  }
}

static void answer(const Report *report, const RtArray *a, ReportResult *out) {
  if (!report->nasked) return;
  double *v = base_realloc(NULL, sizeof *v * (size_t)out->n);
  bool nan = false;
  for (int64_t i = 0; i < out->n; i++) nan |= isnan(v[i] = rt_real(a->v, i, a->f64));
  qsort(v, (size_t)out->n, sizeof *v, ascending);
  out->asked = base_zeroed(report->nasked, sizeof *out->asked);
  for (uint32_t k = 0; k < report->nasked; k++) out->asked[k] = nan ? NAN : statistic(report->asked[k], v, out->n);
  base_free(v);
}

const char *report_stat_text(ReportStat s, char *text) {
  int digits = 1;
  if (s.stat == STAT_QUANTILE) do
      snprintf(text, STAT_TEXT, "quantile(%.*g)", digits, s.q);
    while (strtod(text + strlen("quantile("), NULL) != s.q && digits++ < 17);
  else snprintf(text, STAT_TEXT, "%s", s.stat == STAT_SUM ? "sum" : "logmeanexp");
  return text;
}

static double pick(const Model *m, const ReportUse *use, const ReportResult *results) {
  const ReportResult *r = &results[report_number(m, use->report)];
  switch (use->stat.stat) {
  case STAT_MEAN: return r->mean;
  case STAT_SD: return r->sd;
  case STAT_MIN: return r->min;
  case STAT_MAX: return r->max;
  case STAT_COUNT: return (double)r->n;
  default: break;
  }
  uint32_t k = 0;
  while (k < use->report->nasked && (use->report->asked[k].stat != use->stat.stat || use->report->asked[k].q != use->stat.q)) k++;
  if (k == use->report->nasked) base_fault("the report `%s` was not asked for a statistic", use->report->name);
  return r->asked[k];
}

RtArray report_inputs(const Session *s, const ReportUse *use, uint32_t n, const ReportResult *results) {
  RtArray a;
  const uint32_t room = n + 1;
  if (!rt_array_init(&a, "reports", s->model->f64, 1, &room, 0)) base_fault("there is not enough memory for %u reports", n);
  for (uint32_t k = 0; k < n; k++) rt_set_real(a.v, k, a.f64, pick(s->model, &use[k], results));
  return a;
}

/* ---- running ---- */

HnnArg report_argument(const RtArray *param, const Input *in, const RtSet *set, const RtArray *stats) {
  if (in->kind == IN_SCALAR) return (HnnArg){(char *)stats->v + in->index * (stats->f64 ? sizeof(double) : sizeof(float)), 0};
  const RtArray *a = in->kind == IN_PARAM ? &param[in->index] : &set->field[in->index];
  return (HnnArg){a->v, a->ld};
}

NativeJob report_job(Session *s, const Report *report, Native *native) {
  return (NativeJob){report->fn, report->name, native, .samples = report->data ? data_set(s, report->data)->n : 1};
}

/* The values of all samples, and the statistics of other reports that they follow from. */
static void values(Session *s, const Report *report, const Native *native, const RtArray *param, const ReportResult *results,
                   RtArray *value, RtArray *stats) {
  const Fn *f = report->fn;
  const RtSet *set = report->data ? data_native(s, report->data) : NULL;
  bool lane = ir_type(f, f->out.at[0]).lane;
  HnnArg *in = base_zeroed(f->in.n, sizeof *in);
  if (!rt_array_init(value, report->name, s->model->f64, 0, NULL, lane && set ? set->n : lane ? 1 : 0))
    base_fault("there is not enough memory for the report `%s`", report->name);
  *stats = report_inputs(s, report->use, report->nuse, results);
  for (uint32_t k = 0; k < f->in.n; k++) in[k] = report_argument(param, &f->in.at[k], set, stats);
  if (!rt_fn_run(native->run, in, &(HnnArg){value->v, value->ld}, set ? set->n : 1, session_seed(s, 0), 0))
    base_fault("there is not enough memory for the report `%s`", report->name);
  base_free(in);
}

static void tell(const Report *report, const RtArray *value, ReportResult *out) {
  base_free(out->asked);
  *out = statistics(value);
  answer(report, value, out);
}

void report_evaluate(Session *s, const Report *report, const Native *native, const RtArray *param, const ReportResult *results,
                     ReportResult *out) {
  RtArray value, stats;
  values(s, report, native, param, results, &value, &stats);
  tell(report, &value, out);
  rt_array_finish(&value);
  rt_array_finish(&stats);
}

int report_run(Session *s, const Report *report, const ReportResult *results, ReportResult *out) {
  int code = report->data ? data_make(s, report->data) : 0;
  if (code) return code;
  Native native;
  const NativeJob job = report_job(s, report, &native);
  if ((code = native_build(s, &job, 1))) return code;
  RtArray value, stats;
  values(s, report, &native, s->param, results, &value, &stats);
  tell(report, &value, out);
  if (!isfinite(out->mean)) nan_report(s, report, native.fn, &stats, first_not_finite(&value));
  rt_array_finish(&value);
  rt_array_finish(&stats);
  native_finish(&native);
  return 0;
}

int expect_run(Session *s, const Expect *e, const ReportResult *results, bool *holds) {
  char err[256];
  Fn *f = pass_derive(&s->passes, e->fn, s->diag);
  if (!f) return session_render(s), EXIT_FILE;
  Tensor *in = base_zeroed(e->nuse, sizeof *in), out = {0};
  double *v = base_zeroed(e->nuse, sizeof *v);
  for (uint32_t k = 0; k < e->nuse; k++) {
    v[k] = pick(s->model, &e->use[k], results);
    in[k] = (Tensor){f->in.at[k].type, &v[k]};
  }
  bool ok = ir_eval(f, 1, in, &out, &(EvalEnv){0}, err, sizeof err);
  if (ok) *holds = out.v[0] != 0, ir_tensors_free(&out, 1);
  base_free(in);
  base_free(v);
  ir_fn_destroy(f);
  return ok ? 0 : session_fail(s, EXIT_FAULT, CODE_internal, (Span){0}, "`expect %s` could not be evaluated: %s", e->text, err);
}

ReportResult *report_results(const Model *m) { return base_zeroed(m->naction, sizeof(ReportResult)); }

void report_results_free(const Model *m, ReportResult *results) {
  for (uint32_t i = 0; results && i < m->naction; i++) base_free(results[i].asked);
  base_free(results);
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
    for (uint32_t k = 0; k < m->action[i].report->nasked; k++) {
      const double x = isfinite(r->asked[k]) ? r->asked[k] : NAN;
      XXH3_64bits_update(state, &x, sizeof x);
    }
  }
  snprintf(out, REPORTS_HASH, "%016" PRIx64, (uint64_t)XXH3_64bits_digest(state));
  XXH3_freeState(state);
}
