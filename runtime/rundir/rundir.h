/* Run directories:
 *
 *   runs/kepler/20261123-101500/      runs/kepler/latest -> 20261123-101500
 *     manifest.json   what ran, with what, its status
 *     model.hnn       the model as run          metrics.jsonl   a line per progress report
 *     sources/        what it imported
 *     reports.json    reports, expects, proofs
 *     checkpoints/    step-N.safetensors, last -> step-N.safetensors; best-N, average-N likewise
 *     plots/          NAME.svg, NAME.dat, NAME.gp
 *
 * Every file but metrics.jsonl is replaced atomically; metrics.jsonl grows by whole lines. Nothing waits for the disk until
 * there is something to lose: the first checkpoint, or the end. */
#ifndef HNNC_RUNTIME_RUNDIR_RUNDIR_H
#define HNNC_RUNTIME_RUNDIR_RUNDIR_H

#include "runtime/runtime.h"

#include <jansson.h>

typedef struct RtRun RtRun;

/* A new directory, with `text` as model.hnn and status "running". out NULL: root/model/<time>[-k] and
 * root/model/latest; else `out` itself, made with its parents; a run that is in it already is moved to
 * out/earlier/<time>[-k], and a folder with other files is refused. root NULL: "runs". */
/* Both lock the directory while the process lives (an error if another has it), and remove what a killed one left unfinished. */
RtRun *rt_run_create(const char *root, const char *model, const char *out, const char *text, size_t size, RtError *err);
/* An existing one, to go on with. "DIR", or "DIR/checkpoints/step-N.safetensors" to go back to that. */
RtRun *rt_run_reopen(const char *dir, RtError *err);
/* The same to look at only: nothing is locked, written or removed, and another process may be at work in it. */
RtRun *rt_run_look(const char *dir, RtError *err);
/* The run that rank 0 has made or opened in DIR, for another rank: what is read is read there, what would be written is left out. `made`:
 * it is new, and nothing of it is read. */
RtRun *rt_run_follow(const char *dir, bool made, RtError *err);
bool rt_run_writes(const RtRun *r); /* not one of rt_run_follow: for those who write files into it by themselves */
void rt_run_destroy(RtRun *r);      /* closes; the status stays as it is */
const char *rt_run_dir(const RtRun *r);
char *rt_run_path(const RtRun *r, const char *name); /* DIR/name, malloc'ed */
bool rt_run_begun(const RtRun *r);                   /* something was trained: there is a checkpoint, or there was one */
bool rt_run_folder(const RtRun *r, const char *folder, RtError *err); /* DIR/folder is there */
/* DIR/arrays/NAME.npz, whole or not at all; the folder is made. */
char *rt_run_arrays_path(const RtRun *r, const char *name); /* malloc'ed */
bool rt_run_arrays(const RtRun *r, const char *name, const RtArray *a, int n, RtError *err);
/* DIR/folder/name, whole or not at all; the folder is made. */
bool rt_run_write(const RtRun *r, const char *folder, const char *name, const void *data, size_t size, RtError *err);

/* manifest.json: sets a key (the reference to value is taken over) without writing; rt_run_status writes.
 * Status: "running", "done", "stopped", "failed". `created`, `updated` are kept by the run. */
void rt_run_set(RtRun *r, const char *key, json_t *value);
const json_t *rt_run_get(const RtRun *r, const char *key);
bool rt_run_status(RtRun *r, const char *status, RtError *err);
/* For a signal handler of a process that ends now: the manifest, as it was last written, with the status "stopped". */
void rt_run_stop_now(const RtRun *r);

typedef struct RtMetric {
  const char *train; /* name of the loss */
  int action;        /* which `train` of the file */
  int64_t step;
  double loss, test, lr, samples_per_s; /* not finite: null */
  bool averaged;                        /* there is the test loss of averaged parameters, too: */
  double average;
  const RtNumber *losses, *tests; /* of each loss of a sum; 0: there is one */
  int nlosses, ntests;
  const RtNumber *monitor;
  int nmonitor;
} RtMetric;
bool rt_run_metric(RtRun *r, const RtMetric *m, RtError *err);
/* Before going on from a checkpoint: drops the lines after (action, step) and what was cut off. */
bool rt_run_metrics_trim(RtRun *r, int action, int64_t step, RtError *err);

typedef struct RtStatistic {
  const char *name;
  const double *v; /* of each element */
  int rank;        /* 0: one number, whatever the report is */
  int64_t elems;
} RtStatistic;
typedef struct RtReport {
  const char *name;
  int rank; /* 0: of a number, whose statistics are numbers; else lists, row-major */
  uint32_t dim[HNN_MAX_RANK];
  int64_t elems;
  const double *mean, *sd, *min, *max;
  int64_t n;
  const RtStatistic *asked; /* others that later items asked for */
  int nasked;
} RtReport;
typedef struct RtExpect {
  const char *text;
  bool holds;
} RtExpect;
typedef struct RtProof {
  const char *text, *answer;
} RtProof;
bool rt_run_reports(RtRun *r, const RtReport *report, int nreport, const RtExpect *expect, int nexpect, const RtProof *proof,
                    int nproof, RtError *err);
bool rt_reports_write(const char *path, const RtReport *report, int nreport, const RtExpect *expect, int nexpect,
                      const RtProof *proof, int nproof, RtError *err);

/* Checkpoints. `number` goes into the name: the steps of all trainings so far. The newest KEEP of this
 * process stay, and all that were written with keep = true. */
enum { RT_RUN_KEEP = 3 };
typedef struct RtPosition {
  int action;   /* the training at hand, counted from 0 */
  int64_t step; /* of it, done */
  int64_t number;
  uint64_t seed;
  const char *model_hash; /* of the text and the options that matter */
  const char *reports;    /* of the reports made before, which lie in reports.json */
  const char *keep;       /* which parameters the training ends with: "last", "best", "average" */
} RtPosition;
bool rt_run_checkpoint(RtRun *r, const RtPosition *at, const RtTensor *t, int n, bool keep, RtError *err);
/* Parameters alone, that a training keeps: checkpoints/KIND-N.safetensors, and checkpoints/KIND names it. `before`: the N of one
 * that it replaces; 0: of none. */
bool rt_run_kept(RtRun *r, const char *kind, int64_t number, int64_t before, const RtTensor *t, int n, RtError *err);
/* The last one (or the one named in rt_run_reopen); at->model_hash, at->reports live as long as the result. */
RtCheckpoint *rt_run_resume(RtRun *r, RtPosition *at, RtError *err);
/* The parameters of a run, "DIR": those that its last training ended with, or would now; or of a file, "FILE.safetensors". *path: the
 * file, malloc'ed, of a failure too. */
RtCheckpoint *rt_weights_read(const char *from, char **path, RtError *err);

#endif
