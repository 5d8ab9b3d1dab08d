/* Plots: NAME.dat (the numbers), NAME.gp (a gnuplot script) and NAME.svg (what it draws), in the run's
 * `plots/`. plot.c evaluates, plot_data.c writes the numbers, plot_script.c the script, gnuplot.c runs it. */
#ifndef HNNC_DRIVER_PLOT_PLOT_H
#define HNNC_DRIVER_PLOT_PLOT_H

#include "driver/session/session.h"
#include "runtime/rundir/rundir.h"

typedef struct PlotResult {
  bool drawn;      /* there is NAME.svg */
  bool film;       /* and NAME.gif */
  char why[512];   /* if not */
  bool nothing;    /* there is nothing to draw: gnuplot is not asked */
  bool not_finite; /* because no point is finite */
} PlotResult;

/* Writes the files with the session's parameters and the statistics of reports that it takes; 0, or the exit code after messages. */
int plot_run(Session *s, RtRun *run, const Plot *p, const RtArray *stats, PlotResult *out);
/* The SVG from NAME.dat and NAME.gp that are there. */
void plot_draw(RtRun *run, const char *name, PlotResult *out);

#endif
