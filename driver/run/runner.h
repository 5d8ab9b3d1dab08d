/* The actions of a model, from top to bottom: trainings, reports, expectations, plots; in a run directory, or without one.
 * Nothing is printed here: whoever runs hears of what happens by RunEvents. */
#ifndef HNNC_DRIVER_RUN_RUNNER_H
#define HNNC_DRIVER_RUN_RUNNER_H

#include "driver/plot/plot.h"
#include "driver/run/report.h"
#include "driver/train/trainer.h"
#include "runtime/rundir/rundir.h"

/* Where a training stands after so many steps. test, average, lr: NaN where there is none. */
typedef struct RunStep {
  const char *name; /* of the loss */
  int action;       /* the training's place among the actions */
  int64_t step, steps;
  double loss, test, average, lr, samples_per_s; /* average: the test loss of averaged parameters that are kept */
  const RtNumber *losses, *tests, *monitor;      /* of each loss of a sum; reports */
  int nlosses, ntests, nmonitor;
  bool tested, averaged; /* there is a test set; there are such parameters */
} RunStep;

/* What is told, each NULL if nobody asks. A training begins and ends around its steps. */
typedef struct RunEvents {
  void *ctx;
  void (*begins)(void *ctx, const RunStep *at); /* step: the first that is to be made; no loss yet */
  void (*step)(void *ctx, const RunStep *at);
  void (*interrupts)(void *ctx); /* a message is about to be said in a training */
  void (*ends)(void *ctx);
  void (*proofs)(void *ctx); /* those of the model, before what is refuted is said */
  void (*report)(void *ctx, const Report *r, const ReportResult *x);
  void (*expect)(void *ctx, const Expect *e, bool holds);
  void (*plot)(void *ctx, const Plot *p, const PlotResult *x);
  void (*save)(void *ctx, const Save *w); /* its file is there */
  volatile int *stop;                     /* not 0: training stops after its step, with a checkpoint; NULL: never */
} RunEvents;

typedef struct Runner {
  Session *s;
  RtRun *run; /* NULL: without a directory, without checkpoints and plots */
  RunEvents on;
  ReportResult *result;           /* by report_number */
  bool *holds, *judged;           /* by action: expectations */
  char hash[40];                  /* of all sources and the options that decide numbers */
  int64_t steps_before;           /* of the trainings that are done */
  bool failed_expect, not_finite; /* the exit code is then 3 */
  /* where to go on: actions before `action` are done; the training there starts at `step` */
  RtCheckpoint *from;
  RtPosition at;
} Runner;

enum { RUN_STOPPED = -1 };

void runner_init(Runner *r, Session *s, RtRun *run);
/* Runs every action from the top (or from r->at). 0, RUN_STOPPED, or the exit code after messages. */
int runner_run(Runner *r);
/* Writes the reports so far and the proofs into the directory; 0 or the exit code. */
int runner_write_reports(Runner *r);
void runner_close(Runner *r); /* the directory too */

/* ---- record.c ------------------------------------------------------------------------------------ */

/* A new run directory, `out` or one in runs/, with the sources; NULL and why. */
RtRun *record_open(const Session *s, const char *out, RtError *err);
void record_run(Runner *r); /* into the manifest */
/* `run`, that the first rank has opened, for all; or NULL: they have none. dir: it was there before, under this name. */
RtRun *record_follow(RtRanks *ranks, RtRun *run, const char *dir, RtError *err);
/* The session's parameters alone, as a .safetensors file. */
bool checkpoint_params(const Session *s, const char *path, RtError *err);
/* Where it starts from the parameters of `from`: keeps a copy of the session's, which a run that begins again takes. */
bool record_start(Runner *r, const char *from, RtError *err);
#define RECORD_START "data/start.safetensors"
/* The hash that ties a checkpoint to its model: of the file, its imports, overrides, seed. Into out[40]. */
void runner_hash(const Source *src, const Options *o, char *out);
/* Of the sources that this command was built from, as far as they decide numbers. */
enum { BUILD_TEXT = 20 };
void runner_build(char out[BUILD_TEXT]);

#endif
