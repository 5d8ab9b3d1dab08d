/* Between runner.c, training.c and checkpoint.c. */
#ifndef HNNC_DRIVER_RUN_RUNNER_PRIV_H
#define HNNC_DRIVER_RUN_RUNNER_PRIV_H

#include "driver/run/runner.h"

int runner_fail(Runner *r, const RtError *err); /* EXIT_IO, with its message */
bool runner_stopped(const Runner *r);           /* somebody asked it to */

/* training.c: one `train`, from its start or from where r->at is; 0 done, RUN_STOPPED, else the exit code. */
int runner_train(Runner *r, const Train *spec, int action);

/* checkpoint.c: of the training at hand after `step` steps, with what it keeps beside. */
typedef struct Written {
  int64_t best, average; /* the steps whose parameters lie in checkpoints/best, average; 0: none that are known */
  bool stale;            /* those of `best` were written by another process: they may be missing */
} Written;
bool checkpoint_write(Runner *r, const Trainer *t, int action, int64_t step, Written *w, RtError *err);
/* Puts back what a checkpoint holds of the training at hand; 0 or the exit code. */
int checkpoint_restore(Runner *r, Trainer *t, Written *w);

#endif
