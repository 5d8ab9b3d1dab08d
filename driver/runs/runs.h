/* Many runs: what lies in a folder of them, as data and as tables; and sweeps, a folder of runs of one file by a grid of overrides and seeds. */
#ifndef HNNC_DRIVER_RUNS_RUNS_H
#define HNNC_DRIVER_RUNS_RUNS_H

#include "driver/driver.h"
#include "runtime/rundir/rundir.h"

/* ---- list.c ------------------------------------------------------------------------------------------------- */

/* The run in `dir`, as an object: "dir", "model", "status", "overrides", "seed", "created", "seconds", "reports", "expects" and what else its manifest
 * says. Status "killed": it says "running", and no process is at work. NULL and why: it is none. */
json_t *runs_read(const char *dir, RtError *err);
/* All runs in a folder, and in folders in it, oldest first; of one that is a run itself, that one. Not those that were set aside. */
json_t *runs_find(const char *dir, RtError *err);

/* ---- table.c ------------------------------------------------------------------------------------------------ */

/* A table for each model: status, overrides, seed, seconds, reports; then the failed ones. */
void runs_print(FILE *out, const char *dir, const json_t *runs);
/* What differs between runs, and their reports side by side. */
void runs_compare(FILE *out, const json_t *runs);

/* ---- sweep.c ------------------------------------------------------------------------------------------------ */

/* One run of a sweep, from sweep.json. */
typedef struct SweepPoint {
  const char *dir; /* its folder, in that of the sweep */
  const json_t *overrides;
  int64_t seed;
} SweepPoint;

/* The points of --sweep and --seeds: sweep.json as it is to be. hash: of the sources. NULL and why: a text that is no list of values. */
json_t *sweep_make(const Options *o, const char *hash, RtError *err);
uint32_t sweep_count(const json_t *sweep);
SweepPoint sweep_point(const json_t *sweep, uint32_t k);
/* DIR/sweep.json; NULL and why. *none: there is no such file. */
json_t *sweep_read(const char *dir, bool *none, RtError *err);
/* Makes the folder (out NULL: one in runs/NAME), and writes it there. The folder, malloc'ed; NULL and why: it has another sweep, or other files. */
char *sweep_begin(const json_t *sweep, const char *name, const char *out, RtError *err);

/* ---- point.c ------------------------------------------------------------------------------------------------ */

/* False, and what went wrong. */
bool sweep_fail(RtError *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* DIR/..., malloc'ed. */
char *sweep_path(const char *dir, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* DIR/NAME, replaced whole or not at all; false and why. */
bool sweep_write(const char *dir, const char *name, const json_t *json, RtError *err);

typedef enum SweepState { SWEEP_NOT_BEGUN, SWEEP_RUNNING, SWEEP_STOPPED, SWEEP_KILLED, SWEEP_DONE, SWEEP_FAILED } SweepState;
SweepState sweep_state(const char *dir, const json_t *sweep, uint32_t k);
/* This process becomes run k: it begins, or goes on, and what it says goes to its log. threads 0: as many as there are. launcher (or NULL): what it
 * is started by, `srun`. Does not come back: exit code 4 where that cannot be. */
_Noreturn void sweep_become(const Options *o, const char *dir, const json_t *sweep, uint32_t k, int threads, const char *launcher);

/* ---- slurm.c ------------------------------------------------------------------------------------------------ */

typedef struct SlurmJob {
  const char *dir, *name; /* of the sweep, with its logs/ there; of the model */
  const char *options;    /* of sbatch, as they are written behind #SBATCH */
  const bool *wanted;     /* which of the n runs */
  uint32_t n;
  int jobs, threads;    /* tasks at a time, cores of each; 0: as Slurm has it */
  bool no_cache, again; /* again: of what failed, too */
} SlurmJob;
bool slurm_there(void); /* there is an `sbatch` */
/* Marks the runs whose tasks wait in the queue, or are under way there. */
void slurm_queued(const char *dir, bool *queued, uint32_t n);
/* Says the numbers of the jobs on stderr. False and why: some may have been submitted, which DIR/jobs.json has. */
bool slurm_submit(const SlurmJob *j, RtError *err);

#endif
