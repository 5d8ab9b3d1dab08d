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
  bool settled;            /* what was written is on the disk, and what will be has to be */
  char *kept[RT_RUN_KEEP]; /* paths of the newest, the oldest first */
};

/* What was written is on the disk, and what will be has to be. */
bool rt_run_settle(RtRun *r, RtError *err);

#endif
