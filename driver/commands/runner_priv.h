/* Between run.c (the actions of a model) and resume.c. */
#ifndef HNNC_DRIVER_COMMANDS_RUNNER_PRIV_H
#define HNNC_DRIVER_COMMANDS_RUNNER_PRIV_H

#include "driver/commands/report_priv.h"
#include "driver/session/trainer.h"
#include "runtime/train/progress.h"
#include "runtime/rundir/rundir.h"

typedef struct Runner {
  Session *s;
  RtRun *run;
  ReportResult *result; /* by report_number */
  bool *holds;
  bool *judged;                   /* by action: expectations */
  char hash[40];                  /* of all sources and the options that decide numbers */
  int64_t steps_before;           /* of the trainings that are done */
  bool failed_expect, not_finite; /* the exit code is then 3 */
  /* where to go on: actions before `action` are done; the training there starts at `step` */
  RtCheckpoint *from;
  RtPosition at;
} Runner;

/* Runs every action from the top (or from r->at); 0 or the exit code. Closes the manifest. */
int runner_run(Runner *r);
void runner_alloc(Runner *r); /* the arrays by report and action, once there is a model */
void runner_close(Runner *r);
/* The hash that ties a checkpoint to its model: of the file, its imports, overrides, seed. Into out[40]. */
void runner_hash(const Source *src, const Options *o, char *out);
/* Of the sources that this command was built from, as far as they decide numbers. */
enum { BUILD_TEXT = 20 };
void runner_build(char out[BUILD_TEXT]);

#endif
