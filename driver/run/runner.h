/* Between run.c (the actions of a model), nan.c (where numbers stopped being finite) and resume.c. */
#ifndef HNNC_DRIVER_RUN_RUNNER_H
#define HNNC_DRIVER_RUN_RUNNER_H

#include "driver/run/report.h"
#include "driver/run/trainer.h"
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
void runner_close(Runner *r);
/* The hash that ties a checkpoint to its model: of the file, its imports, overrides, seed. Into out[40]. */
void runner_hash(const Source *src, const Options *o, char *out);
/* Of the sources that this command was built from, as far as they decide numbers. */
enum { BUILD_TEXT = 20 };
void runner_build(char out[BUILD_TEXT]);
/* Says at which operation the numbers of the step at hand stopped being finite. Returns EXIT_NUMBERS. */
int nan_hunt(Session *s, Trainer *t, const char *said); /* said: by the runtime, where the hunt finds nothing */
/* The same of the loss of the test set, after `step` steps. */
void nan_test(Session *s, const Trainer *t, int64_t step);

#endif
