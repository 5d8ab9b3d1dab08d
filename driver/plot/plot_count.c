/* What is counted: the bins of histograms, and which level lines are drawn. */
#include "driver/plot/plot_priv.h"

#include <math.h>
#include <stdlib.h>

/* ---- histograms: bins of equal width, or of equal ratio on a logarithmic axis ---------------------------- */

/* Rice's rule for the largest of the curves. */
static int64_t choose_bins(const PlotNumbers *d) {
  if (d->p->bins) return d->p->bins;
  double n = ceil(2 * cbrt((double)d->points / (double)(d->p->ncurve ? d->p->ncurve : 1)));
  return n < 5 ? 5 : n > 100 ? 100 : (int64_t)n;
}

static void edges(PlotNumbers *d) {
  const Plot *p = d->p;
  double low = p->ranged[0] ? p->range[0][0] : d->low[0], high = p->ranged[0] ? p->range[0][1] : d->high[0];
  if (!(low <= high)) low = 1, high = 2;
  if (low == high && p->log[0]) low /= 1.5, high *= 1.5;
  if (low == high) low -= fmax(0.5, fabs(low) * 0.1), high += fmax(0.5, fabs(high) * 0.1);
  for (int64_t b = 0; b <= d->bins; b++) {
    double t = (double)b / (double)d->bins;
    d->edge[b] = p->log[0] ? low * pow(high / low, t) : low + (high - low) * t;
  }
  d->edge[d->bins] = high;
}

/* A bin has its lower edge, the last one both. */
static int64_t bin_of(const PlotNumbers *d, double x) {
  int64_t a = 0, b = d->bins;
  if (!(x >= d->edge[0] && x <= d->edge[b])) return -1;
  while (b - a > 1) {
    int64_t m = a + (b - a) / 2;
    if (x >= d->edge[m]) a = m;
    else b = m;
  }
  return a;
}

void plot_histogram(PlotNumbers *d) {
  const Plot *p = d->p;
  d->bins = choose_bins(d);
  d->edge = plot_take((size_t)d->bins + 1, sizeof *d->edge, p);
  d->count = plot_take((size_t)d->bins * p->ncurve, sizeof *d->count, p);
  edges(d);
  for (uint32_t c = 0; c < p->ncurve; c++)
    for (int64_t i = 0; i < d->nsample; i++)
      for (int64_t k = 0; k < plot_length(d, &p->curve[c]); k++) {
        double x, y;
        plot_point(d, &p->curve[c], k, i, &x, &y);
        int64_t b = bin_of(d, x);
        if (b >= 0) d->count[c * d->bins + b]++;
      }
}

/* ---- level lines ---------------------------------------------------------------------------------------------
 * Of the first function at its quantiles over the lattice: between two lines lies an equal area, wherever it
 * is steep. Of the others where the first one's lines are, on the average: a Hamiltonian is known up to a
 * constant, and lines that should coincide do. */

static int rising(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The mean of function g where the first one crosses the level between neighbours (k, k + step). */
static void crossing(const PlotNumbers *d, uint32_t g, double level, int64_t k, int64_t step, double *sum, int64_t *n) {
  double a = plot_at(&d->grid[0], 0, k), b = plot_at(&d->grid[0], 0, k + step);
  if (!isfinite(a) || !isfinite(b) || (a < level) == (b < level)) return;
  double t = (level - a) / (b - a), u = plot_at(&d->grid[g], 0, k), v = plot_at(&d->grid[g], 0, k + step);
  if (!isfinite(u) || !isfinite(v)) return;
  *sum += u + (v - u) * t;
  ++*n;
}

static bool level_of(const PlotNumbers *d, uint32_t g, double level, double *out) {
  double sum = 0;
  int64_t count = 0, n = d->p->n;
  for (int64_t k = 0; k < n * n; k++) {
    if (k % n + 1 < n) crossing(d, g, level, k, 1, &sum, &count);
    if (k / n + 1 < n) crossing(d, g, level, k, n, &sum, &count);
  }
  *out = sum / (double)(count ? count : 1);
  return count > 0;
}

static void keep_distinct(PlotLevels *l) {
  int n = 0;
  qsort(l->at, (size_t)l->n, sizeof *l->at, rising);
  for (int k = 0; k < l->n; k++)
    if (!n || l->at[k] > l->at[n - 1]) l->at[n++] = l->at[k];
  l->n = n;
}

void plot_levels(PlotNumbers *d) {
  const Plot *p = d->p;
  int64_t n = 0;
  double *v = plot_take((size_t)(p->n * p->n), sizeof *v, p);
  for (int64_t k = 0; k < p->n * p->n; k++)
    if (isfinite(plot_at(&d->grid[0], 0, k))) v[n++] = plot_at(&d->grid[0], 0, k);
  qsort(v, (size_t)n, sizeof *v, rising);
  d->levels = plot_take(p->ngrid, sizeof *d->levels, p);
  for (uint32_t g = 0; g < p->ngrid; g++) d->levels[g].at = plot_take((size_t)p->contours, sizeof(double), p);
  for (int64_t k = 0; k < p->contours && n; k++) {
    double level = v[(int64_t)(((double)k + 0.5) * (double)n / (double)p->contours)], other;
    for (uint32_t g = 0; g < p->ngrid; g++)
      if (level_of(d, g, level, &other)) d->levels[g].at[d->levels[g].n++] = g ? other : level;
  }
  for (uint32_t g = 0; g < p->ngrid; g++) keep_distinct(&d->levels[g]);
  free(v);
}
