/* Between the files of this room. */
#ifndef HNNC_DRIVER_PLOT_PLOT_PRIV_H
#define HNNC_DRIVER_PLOT_PLOT_PRIV_H

#include "driver/plot/plot.h"

typedef struct PlotLevels {
  double *at;
  int n;
} PlotLevels;

/* What a plot is made of, evaluated. Arrays have the model's precision. */
typedef struct PlotNumbers {
  const Plot *p;
  const Session *s;
  const RtArray *stats;            /* of reports, that it takes */
  int64_t *sample, nsample, total; /* those drawn, by number in the set; 1 without data */
  RtArray *out;                    /* of p->fn; lanes are the samples drawn */
  RtArray *grid;                   /* of p->grid: point j*n + i of the lattice over `range` */
  double range[2][2];
  PlotLevels *levels;      /* of each function, for PLOT_PHASE */
  double tint[2];          /* least and most of what is shown in colour */
  double low[2], high[2];  /* of the points that are finite, and above 0 on a logarithmic axis */
  int64_t points, lattice; /* such points: of the curves, of the functions */
  int64_t left_out;        /* others */
  bool unseen;             /* the curves, or a function, have no such point */
  int64_t bins;
  double *edge;
  int64_t *count; /* histogram: [bins + 1], [curve][bins] */
} PlotNumbers;

void *plot_take(size_t n, size_t size, const Plot *p); /* n elements of zeros; never NULL */

/* Element e of sample number i (of those drawn) of an array. */
double plot_at(const RtArray *a, int64_t e, int64_t i);
/* Point k of a curve for the sample number i. */
void plot_point(const PlotNumbers *d, const PlotCurve *c, int64_t k, int64_t i, double *x, double *y);
double plot_error(const PlotNumbers *d, const PlotCurve *c, int64_t k, int64_t i); /* 0: it has none */
int64_t plot_length(const PlotNumbers *d, const PlotCurve *c);
double plot_lattice(const PlotNumbers *d, int axis, int64_t k); /* coordinate k of the lattice */
int64_t plot_lattice_points(const PlotNumbers *d);              /* a row of them for a histogram */

/* Its one curve is a matrix. */
static inline bool plot_matrix(const Plot *p) { return p->kind == PLOT_HEAT && !p->ngrid; }

void plot_histogram(PlotNumbers *d); /* edge, count; plot_count.c */
void plot_levels(PlotNumbers *d);

/* plot_frames.c, of kind `frames`: the numbers of its sheet, and its script. */
void plot_film_data(FILE *out, const PlotNumbers *d);
void plot_film_script(FILE *out, const PlotNumbers *d);

void plot_data(FILE *out, const PlotNumbers *d);
void plot_script(FILE *out, const PlotNumbers *d);

/* ---- plot_axes.c --------------------------------------------------------------------------------- */

typedef struct PlotPage {
  double width, height; /* pixels */
  bool row, aside;      /* the legend in one row, or beside the graph; else a list above it */
} PlotPage;
PlotPage plot_page(const PlotNumbers *d);
void plot_axes(FILE *out, const PlotNumbers *d, const PlotPage *page);
void plot_quoted(FILE *out, const char *text);                    /* as text for gnuplot, whatever it holds */
void plot_text_of(FILE *out, const char *what, const char *text); /* set WHAT to a text, if there is one */

/* ---- plot_script.c ------------------------------------------------------------------------------- */

void plot_terminal(FILE *out, const Plot *p, const PlotPage *page, double wide);
void plot_film_begin(FILE *out, const Plot *p, const PlotPage *page, int64_t moments, bool once);
void plot_film_end(FILE *out);

/* ---- gnuplot.c ----------------------------------------------------------------------------------- */

/* Runs `gnuplot script` in a folder; false and why not (one line). */
bool gnuplot_run(const char *folder, const char *script, char *why, size_t size);

#endif
