/* Between runner.c, training.c and checkpoint.c. */
#ifndef HNNC_DRIVER_RUN_RUNNER_PRIV_H
#define HNNC_DRIVER_RUN_RUNNER_PRIV_H

#include "driver/run/runner.h"

int runner_fail(Runner *r, const RtError *err); /* EXIT_IO, with its message */
bool runner_stopped(const Runner *r);           /* somebody asked it to */

/* training.c: one `train`, from its start or from where r->at is; 0 done, RUN_STOPPED, else the exit code. */
int runner_train(Runner *r, const Train *spec, int action);
void runner_waited(Runner *r); /* what was waited for so far stands in the manifest: compiler, data; once */

/* made.c: data that follows from parameters, made at its place. Before the next `train` it is kept in the run directory, where
 * a run that goes on from there (done) takes it from; 0 or the exit code. */
int made_run(Runner *r, const Data *d, int action, bool done);

/* checkpoint.c: of the training at hand after `step` steps, with what it keeps beside. */
typedef struct Written {
  int64_t best, average; /* the steps whose parameters lie in checkpoints/best, average; 0: none that are known */
  bool stale;            /* those of `best` were written by another process: they may be missing */
} Written;
bool checkpoint_write(Runner *r, const Trainer *t, int action, int64_t step, Written *w, RtError *err);
/* Puts back what a checkpoint holds of the training at hand; 0 or the exit code. */
int checkpoint_restore(Runner *r, Trainer *t, Written *w);

#endif
