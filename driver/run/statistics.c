/* Statistics that later items ask of a report: of the values of an element, sorted, or of the chains that its samples are. */
#include "driver/run/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- of values; v: sorted, without NaN ---- */

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* NumPy's, linear between neighbours; NaN where there is one. */
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

/* (sum w)^2/sum w^2 (Kish), in units of the largest. NaN where weights are negative, or none is above 0. */
static double effective_size(const double *v, int64_t n) {
  const double most = v[n - 1];
  double sum = 0, squares = 0;
  if (v[0] < 0) return NAN;
  for (int64_t i = 0; i < n; i++) sum += v[i] / most, squares += v[i] / most * (v[i] / most);
  return sum * sum / squares;
}

/* The same of w = exp(v). */
static double effective_size_log(const double *v, int64_t n) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) {
    const double w = exp(v[i] - v[n - 1]);
    sum += w, squares += w * w;
  }
  return sum * sum / squares;
}

static double statistic(ReportStat s, const double *v, int64_t n) {
  double sum = 0;
  switch (s.stat) {
  case STAT_SUM:
    for (int64_t i = 0; i < n; i++) sum += v[i];
    return sum;
  case STAT_QUANTILE: return quantile(v, n, s.q);
  case STAT_LOGMEANEXP: return log_mean_exp(v, n);
  case STAT_ESS: return effective_size(v, n);
  case STAT_ESS_LOG: return effective_size_log(v, n);
  default: base_fault("a statistic that is not asked for");
  }
}

static void answer_values(const Report *report, const RtArray *a, uint32_t e, double *v, ReportResult *out) {
  bool nan = false;
  for (int64_t i = 0; i < out->n; i++) nan |= isnan(v[i] = rt_real(a->v, report_row(a, e) + i, a->f64));
  qsort(v, (size_t)out->n, sizeof *v, ascending);
  for (uint32_t k = 0; k < report->nasked; k++)
    if (!stat_of_chains(report->asked[k].stat)) out->asked[k * out->elems + e] = nan ? NAN : statistic(report->asked[k], v, out->n);
}

/* ---- of chains ---- */

/* m chains of n draws, row by row: each sample is two of them, its first half and its second, of which the middle draw of an odd
 * number is no part. */
typedef struct Chains {
  double *v;
  uint32_t m, n;
} Chains;

/* Element e of what stands behind the axis of draws. */
static Chains halves(const RtArray *a, int64_t samples, uint32_t draws, uint32_t behind, uint32_t e) {
  const uint32_t half = draws / 2;
  Chains c = {base_realloc(NULL, sizeof(double) * (size_t)(2 * samples * half)), (uint32_t)(2 * samples), half};
  double *to = c.v;
  for (int64_t i = 0; i < samples; i++)
    for (uint32_t first = 0; first <= draws - half; first += draws - half)
      for (uint32_t t = first; t < first + half; t++) *to++ = rt_real(a->v, report_row(a, t * behind + e) + i, a->f64);
  return c;
}

static size_t count_of(const Chains *c) { return (size_t)c->m * c->n; }

/* A sum of squares about the mean, by Welford's recurrence. */
typedef struct Spread {
  double n, mean, m2;
} Spread;

static void spread_add(Spread *s, double x) {
  const double d = x - s->mean;
  s->mean += d / ++s->n;
  s->m2 += d * (x - s->mean);
}

static Spread spread_of(const double *v, uint32_t n) {
  Spread s = {0};
  for (uint32_t t = 0; t < n; t++) spread_add(&s, v[t]);
  return s;
}

/* R-hat (Gelman et al., Bayesian Data Analysis, 3rd ed., 11.4). NaN goes through. */
static double r_hat(const Chains *c) {
  Spread means = {0};
  double within = 0;
  for (uint32_t j = 0; j < c->m; j++) {
    const Spread chain = spread_of(c->v + (size_t)j * c->n, c->n);
    spread_add(&means, chain.mean);
    within += chain.m2 / (c->n - 1);
  }
  within /= means.n;
  const double between = c->n * means.m2 / (means.n - 1);
  return sqrt((between / within + c->n - 1) / c->n);
}

/* Winitzki's start (off by 0.002), then Newton's steps. */
static double normal_quantile(double p) {
  const double y = 2 * p - 1, l = log(1 - y * y), t = 2 / (0.147 * M_PI) + l / 2;
  double x = copysign(sqrt(sqrt(t * t - l / 0.147) - t), y);
  for (int k = 0; k < 4; k++) x -= (erf(x) - y) * sqrt(M_PI) / 2 * exp(x * x);
  return sqrt(2) * x;
}

/* How many of sorted[0, n) lie below x; with `equal` those that are x, too. */
static size_t below(const double *sorted, size_t n, double x, bool equal) {
  size_t low = 0, high = n;
  while (low < high) {
    const size_t mid = (low + high) / 2;
    if (sorted[mid] < x || (equal && sorted[mid] == x)) low = mid + 1;
    else high = mid;
  }
  return low;
}

/* R-hat of the normal scores of |v - centre|, or of v. Equal ones share their ranks. */
static double r_hat_of_scores(const Chains *c, const double *centre, double *sorted) {
  const size_t n = count_of(c);
  Chains z = {base_realloc(NULL, sizeof(double) * n), c->m, c->n};
  for (size_t i = 0; i < n; i++) z.v[i] = sorted[i] = centre ? fabs(c->v[i] - *centre) : c->v[i];
  qsort(sorted, n, sizeof *sorted, ascending);
  for (size_t i = 0; i < n; i++) {
    const double rank = (double)(below(sorted, n, z.v[i], false) + below(sorted, n, z.v[i], true) + 1) / 2;
    z.v[i] = normal_quantile((rank - 0.375) / ((double)n + 0.25));
  }
  const double r = r_hat(&z);
  base_free(z.v);
  return r;
}

/* Vehtari et al., arXiv:1903.08008: the larger of that of the ranks, and of those of the distances from the median. */
static double r_hat_ranks(const Chains *c) {
  const size_t n = count_of(c);
  double *sorted = base_realloc(NULL, sizeof(double) * n);
  const double bulk = r_hat_of_scores(c, NULL, sorted), median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
  const double tail = r_hat_of_scores(c, &median, sorted);
  base_free(sorted);
  return isnan(bulk) || isnan(tail) ? NAN : fmax(bulk, tail);
}

/* The autocovariance at lag t, with 1/n, the mean of all chains. */
static double autocovariance(const Chains *c, const double *mean, uint32_t t) {
  double sum = 0;
  for (uint32_t j = 0; j < c->m; j++)
    for (const double *x = c->v + (size_t)j * c->n, *end = x + c->n - t; x < end; x++) sum += (*x - mean[j]) * (x[t] - mean[j]);
  return sum / (double)count_of(c);
}

/* The autocorrelations of all chains together (Vehtari et al., arXiv:1903.08008, eq. 10), summed by Geyer's initial monotone sequence. */
static double effective_draws(const Chains *c) {
  const double n = c->n, all = (double)count_of(c);
  double *mean = base_realloc(NULL, sizeof *mean * c->m), total = 0, least = 2;
  for (uint32_t j = 0; j < c->m; j++) mean[j] = spread_of(c->v + (size_t)j * c->n, c->n).mean;
  const Spread means = spread_of(mean, c->m);
  const double own = autocovariance(c, mean, 0), variance = own + means.m2 / (means.n - 1), within = own * n / (n - 1);
  for (uint32_t t = 0; t + 1 < c->n && least > 0; t += 2) {
    const double even = t ? 1 - (within - autocovariance(c, mean, t)) / variance : 1;
    const double pair = even + 1 - (within - autocovariance(c, mean, t + 1)) / variance;
    least = fmax(fmin(pair, least), 0);
    total += least;
  }
  base_free(mean);
  return variance > 0 && isfinite(variance) ? all / fmax(2 * total - 1, 1 / log10(all)) : NAN;
}

static double of_chains(Stat s, const Chains *c) {
  for (size_t i = 0; i < count_of(c); i++)
    if (isnan(c->v[i])) return NAN;
  return s == STAT_R_HAT ? r_hat(c) : s == STAT_R_HAT_RANKS ? r_hat_ranks(c) : effective_draws(c);
}

static void answer_chains(const Report *report, const RtArray *a, Stat s, double *out, uint32_t elems, int64_t samples) {
  const uint32_t draws = report_type(report).dim[0], behind = elems / draws;
  for (uint32_t e = 0; e < behind; e++) {
    Chains c = halves(a, samples, draws, behind, e);
    out[e] = of_chains(s, &c);
    base_free(c.v);
  }
}

void report_answer(const Report *report, const RtArray *value, ReportResult *out) {
  if (!report->nasked) return;
  double *sorted = base_realloc(NULL, sizeof *sorted * (size_t)(value->n + 1));
  for (uint32_t e = 0; e < out->elems; e++) answer_values(report, value, e, sorted, out);
  for (uint32_t k = 0; k < report->nasked; k++)
    if (stat_of_chains(report->asked[k].stat))
      answer_chains(report, value, report->asked[k].stat, out->asked + (size_t)k * out->elems, out->elems, out->n);
  base_free(sorted);
}
