/* NAME.dat: the numbers of a plot as gnuplot and numpy.loadtxt read them. Data sets are parted by two empty
 * lines, samples in one by an empty line, and named in the comment above:
 *
 *   # phase: a plot of kind phase, from models/pendulum.hnn by hnnc 0.1.0
 *   # 16 of the 64 samples of `releases`
 *   # curve 0: true orbit
 *   # sample x y
 *
 * Level lines and maps are lattices, with 9 digits: x runs fastest, a line of the lattice ends with an empty
 * line. What is not finite is NaN. */
#include "driver/plot/plot_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a lattice needs. */
static void short_real(FILE *out, double v) {
  if (isfinite(v)) fprintf(out, "%.9g", v);
  else fputs("NaN", out);
}

/* The shortest of 15, 16 or 17 digits (6 to 9 of f32) that reads back the same. */
static void real(FILE *out, const PlotNumbers *d, double v) {
  char text[40];
  bool f64 = d->s->model->f64;
  if (!isfinite(v)) {
    fputs("NaN", out);
    return;
  }
  for (int digits = f64 ? 15 : 6; digits <= (f64 ? 17 : 9); digits++) {
    snprintf(text, sizeof text, "%.*g", digits, v);
    if (f64 ? strtod(text, NULL) == v : (double)strtof(text, NULL) == v) break;
  }
  fputs(text, out);
}

/* On one line. */
static void words(FILE *out, const char *s) {
  for (; *s; s++) fputc((unsigned char)*s < ' ' ? ' ' : *s, out);
}

static void heading(FILE *out, const char *what, uint32_t k, const char *label) {
  if (k) fputs("\n\n", out);
  fprintf(out, "# %s %u: ", what, k);
  words(out, label ? label : "");
  fputc('\n', out);
}

static void curve(FILE *out, const PlotNumbers *d, const PlotCurve *c) {
  const RtArray *tint = d->p->colour >= 0 ? &d->out[d->p->colour] : NULL;
  int64_t n = plot_length(d, c);
  const RtArray *error = c->error >= 0 ? &d->out[c->error] : NULL;
  fprintf(out, "# sample x y%s%s\n", error ? " error" : "", tint ? " colour" : "");
  for (int64_t i = 0; i < d->nsample; i++) {
    if (i && n > 1) fputc('\n', out);
    for (int64_t k = 0; k < n; k++) {
      double x, y;
      plot_point(d, c, k, i, &x, &y);
      fprintf(out, "%lld ", (long long)d->sample[i]);
      real(out, d, x);
      fputc(' ', out);
      real(out, d, y);
      if (error) fputc(' ', out), real(out, d, plot_error(d, c, k, i));
      if (tint) fputc(' ', out), real(out, d, plot_at(tint, tint->elems > 1 ? k : 0, i));
      fputc('\n', out);
    }
  }
}

static double along(const PlotNumbers *d, int axis, int64_t k, int64_t n) {
  if (!d->p->ranged[axis]) return (double)k;
  return n < 2 ? d->p->range[axis][0]
               : d->p->range[axis][0] + (d->p->range[axis][1] - d->p->range[axis][0]) * (double)k / (double)(n - 1);
}

static void matrix(FILE *out, const PlotNumbers *d) {
  const RtArray *a = &d->out[d->p->curve[0].y];
  fprintf(out, "# x y z\n");
  for (int64_t r = 0; r < a->dim[0]; r++) {
    if (r) fputc('\n', out);
    for (int64_t c = 0; c < a->dim[1]; c++) {
      real(out, d, along(d, 0, c, a->dim[1]));
      fputc(' ', out);
      real(out, d, along(d, 1, r, a->dim[0]));
      fputc(' ', out);
      real(out, d, plot_at(a, r * a->dim[1] + c, 0));
      fputc('\n', out);
    }
  }
}

static void lattice(FILE *out, const PlotNumbers *d, uint32_t g) {
  int64_t n = d->p->n, rows = plot_lattice_points(d) / n;
  fprintf(out, "# x y z\n");
  for (int64_t j = 0; j < rows; j++) {
    if (j) fputc('\n', out);
    for (int64_t i = 0; i < n; i++) {
      short_real(out, plot_lattice(d, 0, i));
      fputc(' ', out);
      short_real(out, plot_lattice(d, 1, j));
      fputc(' ', out);
      short_real(out, plot_at(&d->grid[g], 0, j * n + i));
      fputc('\n', out);
    }
  }
}

static void counts(FILE *out, const PlotNumbers *d, uint32_t c) {
  int64_t all = d->nsample * plot_length(d, &d->p->curve[c]);
  fprintf(out, "# low high count density\n");
  for (int64_t b = 0; b < d->bins; b++) {
    real(out, d, d->edge[b]);
    fputc(' ', out);
    real(out, d, d->edge[b + 1]);
    fprintf(out, " %lld ", (long long)d->count[c * d->bins + b]);
    real(out, d, (double)d->count[c * d->bins + b] / ((double)all * (d->edge[b + 1] - d->edge[b])));
    fputc('\n', out);
  }
}

void plot_data(FILE *out, const PlotNumbers *d) {
  const Plot *p = d->p;
  fprintf(out, "# %s: a plot of kind %s, from %s by hnnc %s\n", p->name, plot_kind_name[p->kind], d->s->model->path, HNNC_VERSION);
  if (p->data)
    fprintf(out, "# %lld of the %lld samples of `%s`\n", (long long)d->nsample, (long long)d->total,
            p->data->name ? p->data->name : "data");
  if (d->left_out)
    fprintf(out, "# %lld points are not drawn: not finite, or not above 0 on a logarithmic axis\n", (long long)d->left_out);
  if (p->kind == PLOT_FRAMES) plot_film_data(out, d);
  for (uint32_t c = 0; c < p->ncurve && p->kind != PLOT_FRAMES; c++) {
    heading(out, "curve", c, p->curve[c].label);
    if (plot_matrix(p)) matrix(out, d);
    else if (p->kind == PLOT_HISTOGRAM) counts(out, d, c);
    else curve(out, d, &p->curve[c]);
  }
  for (uint32_t g = 0; g < p->ngrid; g++) {
    heading(out, "function", p->ncurve + g, p->grid_label[g]);
    lattice(out, d, g);
  }
}
