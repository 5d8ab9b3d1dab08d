/* Plots: NAME.dat (the numbers), NAME.gp (a gnuplot script) and NAME.svg (what it draws), in the run's
 * `plots/`. plot.c evaluates, plot_data.c writes the numbers, plot_script.c the script, gnuplot.c runs it. */
#ifndef HNNC_DRIVER_PLOT_PLOT_H
#define HNNC_DRIVER_PLOT_PLOT_H

#include "driver/driver.h"
#include "runtime/rundir/rundir.h"

typedef struct PlotLevels {
  double *at;
  int n;
} PlotLevels;

/* What a plot is made of, evaluated. Arrays have the model's precision. */
typedef struct PlotNumbers {
  const Plot *p;
  const Session *s;
  int64_t *sample, nsample, total; /* those drawn, by number in the set; 1 without data */
  RtArray *out;                    /* of p->fn; lanes are the samples drawn */
  RtArray *grid;                   /* of p->grid: point j*n + i of the lattice over `range` */
  double range[2][2];
  PlotLevels *levels;       /* of each function, for PLOT_PHASE */
  double low[2], high[2];   /* of the points that are finite, and above 0 on a logarithmic axis */
  int64_t points, left_out; /* such points, and others */
  int64_t bins;
  double *edge;
  int64_t *count; /* histogram: [bins + 1], [curve][bins] */
} PlotNumbers;

/* Element e of sample number i (of those drawn) of an array. */
double plot_at(const RtArray *a, int64_t e, int64_t i);
/* Point k of a curve for the sample number i. */
void plot_point(const PlotNumbers *d, const PlotCurve *c, int64_t k, int64_t i, double *x, double *y);
int64_t plot_length(const PlotNumbers *d, const PlotCurve *c);
double plot_lattice(const PlotNumbers *d, int axis, int64_t k); /* coordinate k of the lattice */

void plot_histogram(PlotNumbers *d); /* edge, count; plot_count.c */
void plot_levels(PlotNumbers *d);

void plot_data(FILE *out, const PlotNumbers *d);
void plot_script(FILE *out, const PlotNumbers *d);

typedef struct PlotResult {
  bool drawn;      /* there is NAME.svg */
  char why[512];   /* if not */
  bool nothing;    /* there is nothing to draw: gnuplot is not asked */
  bool not_finite; /* because no point is finite */
} PlotResult;

/* Writes the files with the session's parameters; 0, or the exit code after messages. */
int plot_run(Session *s, RtRun *run, const Plot *p, PlotResult *out);
/* The SVG from NAME.dat and NAME.gp that are there. */
void plot_draw(RtRun *run, const char *name, PlotResult *out);

/* ---- gnuplot.c ----------------------------------------------------------------------------------- */

/* Runs `gnuplot script` in a folder; false and why not (one line). */
bool gnuplot_run(const char *folder, const char *script, char *why, size_t size);

#endif
