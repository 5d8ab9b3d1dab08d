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
static void statistics(const RtArray *a, uint32_t e, ReportResult *r) {
  const int64_t at = report_row(a, e);
  double m2 = 0, sum = 0, mean = 0, min = rt_real(a->v, at, a->f64), max = min;
  for (int64_t i = 0; i < r->n; i++) {
    double x = rt_real(a->v, at + i, a->f64), d = x - mean;
    sum += x;
    mean += d / (double)(i + 1);
    m2 += d * (x - mean);
    min = ir_eval_scalar(OP_min, min, x);
    max = ir_eval_scalar(OP_max, max, x);
  }
  r->sd[e] = !isfinite(m2) || !isfinite(sum) ? NAN : r->n > 1 ? sqrt(m2 / (double)(r->n - 1)) : 0;
  r->mean[e] = isfinite(min) && isfinite(max) ? mean : sum / (double)r->n;
  r->min[e] = min, r->max[e] = max;
}

static int64_t first_not_finite(const RtArray *a) {
  for (int64_t i = 0; i < a->n; i++)
    for (uint32_t e = 0; e < a->elems; e++)
      if (!isfinite(rt_real(a->v, report_row(a, e) + i, a->f64))) return i;
  return 0;
}

const char *report_stat_text(ReportStat s, char *text) {
  static const char *const names[] = {[STAT_SUM] = "sum",
                                      [STAT_LOGMEANEXP] = "logmeanexp",
                                      [STAT_ESS] = "ess",
                                      [STAT_ESS_LOG] = "ess_log",
                                      [STAT_R_HAT] = "r_hat",
                                      [STAT_R_HAT_RANKS] = "r_hat_ranks",
                                      [STAT_ESS_CHAINS] = "ess_chains"};
  int digits = 1;
  if (s.stat == STAT_QUANTILE) do
      snprintf(text, STAT_TEXT, "quantile(%.*g)", digits, s.q);
    while (strtod(text + strlen("quantile("), NULL) != s.q && digits++ < 17);
  else snprintf(text, STAT_TEXT, "%s", names[s.stat]);
  return text;
}

/* The elements of one statistic; that of a count is *count. */
static const double *pick(const Model *m, const ReportUse *use, const ReportResult *results, double *count) {
  const ReportResult *r = &results[report_number(m, use->report)];
  switch (use->stat.stat) {
  case STAT_MEAN: return r->mean;
  case STAT_SD: return r->sd;
  case STAT_MIN: return r->min;
  case STAT_MAX: return r->max;
  case STAT_COUNT: *count = (double)r->n; return count;
  default: break;
  }
  uint32_t k = 0;
  while (k < use->report->nasked && (use->report->asked[k].stat != use->stat.stat || use->report->asked[k].q != use->stat.q)) k++;
  if (k == use->report->nasked) base_fault("the report `%s` was not asked for a statistic", use->report->name);
  return r->asked + (size_t)k * r->elems;
}

static uint32_t inputs_room(const ReportUse *use, uint32_t n) {
  return n ? stat_at(use, n - 1) + (uint32_t)type_count(stat_type(&use[n - 1])) : 0;
}

RtArray report_inputs(const Session *s, const ReportUse *use, uint32_t n, const ReportResult *results) {
  RtArray a;
  double count;
  const uint32_t room = inputs_room(use, n) + 1;
  if (!rt_array_init(&a, "reports", s->model->f64, 1, &room, 0)) base_fault("there is not enough memory for %u reports", n);
  for (uint32_t k = 0; k < n; k++) {
    const double *v = pick(s->model, &use[k], results, &count);
    for (uint32_t e = 0, at = stat_at(use, k); e < type_count(stat_type(&use[k])); e++) rt_set_real(a.v, at + e, a.f64, v[e]);
  }
  return a;
}

/* ---- running ---- */

/* What is asked of weights, of values that are none. */
static void tell_negative(Session *s, const Report *report, const ReportResult *r) {
  uint32_t e = 0;
  bool asked = false;
  for (uint32_t k = 0; k < report->nasked; k++) asked |= report->asked[k].stat == STAT_ESS;
  while (e < r->elems && !(r->min[e] < 0)) e++;
  if (!asked || e == r->elems) return;
  DiagMsg *m = diag_add(s->diag, CODE_not_finite, (Span){0},
                        "`ess(%s)` is NaN: weights must not be negative, but the smallest of `%s` is %g", report->name,
                        report->name, r->min[e]);
  diag_help(m, "for log-weights, use `ess_log(%s)`; for Markov chains, `ess_chains(%s)`", report->name, report->name);
  session_render(s);
}

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
  const Type t = ir_type(f, f->out.at[0]);
  HnnArg *in = base_zeroed(f->in.n, sizeof *in);
  if (!rt_array_init(value, report->name, s->model->f64, t.rank, t.dim, t.lane && set ? set->n : t.lane ? 1 : 0))
    base_fault("there is not enough memory for the report `%s`", report->name);
  *stats = report_inputs(s, report->use, report->nuse, results);
  for (uint32_t k = 0; k < f->in.n; k++) in[k] = report_argument(param, &f->in.at[k], set, stats);
  if (!rt_fn_run(native->run, in, &(HnnArg){value->v, value->ld}, set ? set->n : 1, session_seed(s, 0), 0))
    base_fault("there is not enough memory for the report `%s`", report->name);
  base_free(in);
}

static void tell(const Report *report, const RtArray *value, ReportResult *out) {
  report_result_room(report, out);
  out->n = value->n ? value->n : 1;
  for (uint32_t e = 0; e < out->elems; e++) statistics(value, e, out);
  report_answer(report, value, out);
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
  if (!report_finite(report, out)) nan_report(s, report, native.fn, &stats, first_not_finite(&value));
  tell_negative(s, report, out);
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
  double *v = base_zeroed(inputs_room(e->use, e->nuse) + 1, sizeof *v), count;
  for (uint32_t k = 0; k < e->nuse; k++) {
    double *at = v + stat_at(e->use, k);
    in[k] = (Tensor){f->in.at[k].type, at};
    memcpy(at, pick(s->model, &e->use[k], results, &count), sizeof *at * (size_t)type_count(in[k].type));
  }
  bool ok = ir_eval(f, 1, in, &out, &(EvalEnv){.ode = rt_ode}, err, sizeof err);
  if (ok) *holds = out.v[0] != 0, ir_tensors_free(&out, 1);
  base_free(in);
  base_free(v);
  ir_fn_destroy(f);
  return ok ? 0 : session_fail(s, EXIT_FAULT, CODE_internal, (Span){0}, "`expect %s` could not be evaluated: %s", e->text, err);
}

void report_result_room(const Report *report, ReportResult *r) {
  if (r->mean) return;
  r->elems = (uint32_t)type_count(report_type(report));
  r->mean = base_zeroed(((size_t)report->nasked + 4) * r->elems, sizeof *r->mean);
  r->sd = r->mean + r->elems, r->min = r->sd + r->elems, r->max = r->min + r->elems, r->asked = r->max + r->elems;
}

/* Logarithms of weights are -inf where a weight is 0. What is asked of their exponentials alone, and is a number, shows that no other
 * value was none. */
static bool logarithms(const Report *report, const ReportResult *r, uint32_t e) {
  bool good = false;
  for (uint32_t k = 0; k < report->nasked && !good; k++)
    good = stat_of_logs(report->asked[k].stat) && isfinite(r->asked[k * r->elems + e]);
  return good;
}

bool report_finite(const Report *report, const ReportResult *r) {
  uint32_t e = 0;
  while (e < r->elems && (isfinite(r->mean[e]) || logarithms(report, r, e))) e++;
  return e == r->elems;
}

ReportResult *report_results(const Model *m) { return base_zeroed(m->naction, sizeof(ReportResult)); }

void report_results_free(const Model *m, ReportResult *results) {
  for (uint32_t i = 0; results && i < m->naction; i++) base_free(results[i].mean);
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

static void hash_numbers(XXH3_state_t *state, const double *v, size_t n) {
  for (size_t k = 0; k < n; k++) {
    const double x = isfinite(v[k]) ? v[k] : NAN;
    XXH3_64bits_update(state, &x, sizeof x);
  }
}

void reports_hash(const Model *m, const ReportResult *results, int action, char out[REPORTS_HASH]) {
  XXH3_state_t *state = XXH3_createState();
  XXH3_64bits_reset(state);
  for (int i = 0; i < action && i < (int)m->naction; i++) {
    if (m->action[i].kind != DO_REPORT) continue;
    const ReportResult *r = &results[report_number(m, m->action[i].report)];
    hash_numbers(state, r->mean, 4 * (size_t)r->elems);
    XXH3_64bits_update(state, &r->n, sizeof r->n);
    hash_numbers(state, r->asked, (size_t)m->action[i].report->nasked * r->elems);
  }
  snprintf(out, REPORTS_HASH, "%016" PRIx64, (uint64_t)XXH3_64bits_digest(state));
  XXH3_freeState(state);
}
