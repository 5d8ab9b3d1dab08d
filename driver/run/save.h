/* `save`: arrays of an expression each over a data set, into the run directory's arrays/NAME.npz, whole or not at all. */
#ifndef HNNC_DRIVER_RUN_SAVE_H
#define HNNC_DRIVER_RUN_SAVE_H

#include "driver/run/report.h"
#include "runtime/rundir/rundir.h"

/* Its arrays, samples as lanes: out[w->fn->out.n]; seed: of draws; at: where it is asked for. 0 or the exit code. What is not finite is
 * there, and a warning says how much there is of it, and the cause. */
int save_evaluate(Session *s, const Save *w, const ReportResult *results, uint64_t seed, Span at, RtArray *out);
int save_run(Session *s, const RtRun *run, const Save *w, const ReportResult *results, Span at);

#endif
