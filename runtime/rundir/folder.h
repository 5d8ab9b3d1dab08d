/* What lies in a folder that is a run, or was taken for one. */
#ifndef HNNC_RUNTIME_RUNDIR_FOLDER_H
#define HNNC_RUNTIME_RUNDIR_FOLDER_H

#include "runtime/runtime.h"

bool rt_folder_no_run(const char *dir, RtError *err);   /* false: says that it has no manifest, and which run in it may be meant */
bool rt_folder_ours(const char *dir, RtError *err);     /* it holds nothing but what a run makes */
int64_t rt_folder_step(const char *dir, int64_t below); /* of checkpoints/step-N: the largest N below; 0: none */

#endif
