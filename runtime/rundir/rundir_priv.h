/* What the files of this room know of a run. */
#ifndef HNNC_RUNTIME_RUNDIR_RUNDIR_PRIV_H
#define HNNC_RUNTIME_RUNDIR_RUNDIR_PRIV_H

#include "runtime/rundir/rundir.h"

struct RtRun {
  char *dir;
  char *from; /* NULL, or the checkpoint to go back to */
  json_t *manifest;
  FILE *metrics;
  int lock;                                   /* the directory, locked while the process lives; -1: not yet */
  char *stopped, *stopped_path, *stopped_tmp; /* the manifest of a run that is stopped this moment; see rt_run_stop_now */
  size_t stopped_size;
  bool muted;              /* another process writes: see rt_run_follow */
  bool settled;            /* what was written is on the disk, and what will be has to be */
  char *kept[RT_RUN_KEEP]; /* paths of the newest, the oldest first */
};

/* What was written is on the disk, and what will be has to be. */
bool rt_run_settle(RtRun *r, RtError *err);

/* folder.c: what lies in a folder that is a run, or was taken for one. */
bool rt_folder_no_run(const char *dir, RtError *err);   /* false: says that it has no manifest, and which run in it may be meant */
bool rt_folder_ours(const char *dir, RtError *err);     /* it holds nothing but what a run makes */
int64_t rt_folder_step(const char *dir, int64_t below); /* of checkpoints/step-N: the largest N below; 0: none */

#endif
