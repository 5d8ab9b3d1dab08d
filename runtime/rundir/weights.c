/* Which file holds the parameters that a run ended with, or would end with if it stopped now: its newest checkpoint, or what the
 * training at hand keeps beside it. */
#include "runtime/rundir/rundir_priv.h"
#include "runtime/runtime_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *in_checkpoints(const char *dir, const char *kind, int64_t number) {
  char *path = NULL;
  const int n = number < 0 ? asprintf(&path, "%s/checkpoints/%s", dir, kind)
                           : asprintf(&path, "%s/checkpoints/%s-%" PRId64 ".safetensors", dir, kind, number);
  return n < 0 ? NULL : path;
}

/* The step of the training at hand whose parameters are the best so far; 0: there was no check yet. */
static int64_t best_step(const RtCheckpoint *c) {
  const RtTensor *t = rt_checkpoint_tensor(c, "optimizer.checks");
  RtChecks checks;
  if (!t || !t->f64 || t->rank != 1 || t->dim[0] != RT_CHECKS) return 0;
  memcpy(&checks, t->v, sizeof checks);
  return checks.best_step > 0 && checks.best_step < 1e15 ? (int64_t)checks.best_step : 0;
}

/* The file beside the newest checkpoint whose parameters the training keeps; NULL: those of the checkpoint itself. */
static char *kept_file(const char *dir, const RtCheckpoint *c) {
  const char *keep = rt_checkpoint_meta(c, "keep"), *step = rt_checkpoint_meta(c, "step"),
             *number = rt_checkpoint_meta(c, "number");
  if (!keep || !step || !number) return NULL;
  const int64_t at = strtoll(step, NULL, 10), before = strtoll(number, NULL, 10) - at, best = best_step(c);
  if (!strcmp(keep, "best") && best) return in_checkpoints(dir, keep, before + best);
  return !strcmp(keep, "average") && at ? in_checkpoints(dir, keep, before + at) : NULL;
}

static RtCheckpoint *of_run(const char *dir, char **path, RtError *err) {
  char *last = in_checkpoints(dir, "last", -1), *manifest = NULL;
  struct stat st;
  *path = NULL;
  if (!last || asprintf(&manifest, "%s/manifest.json", dir) < 0) return free(last), rt_fail(err, "not enough memory"), NULL;
  const bool run = access(manifest, F_OK) == 0, there = stat(last, &st) == 0;
  free(manifest);
  RtCheckpoint *c = there ? rt_checkpoint_read(last, err) : NULL;
  if (!run) rt_folder_no_run(dir, err);
  else if (!there) rt_fail(err, "%s has no checkpoint", dir);
  char *kept = c ? kept_file(dir, c) : NULL;
  if (!kept) return *path = last, c;
  free(last);
  rt_checkpoint_finish(c);
  *path = kept;
  return rt_checkpoint_read(kept, err);
}

RtCheckpoint *rt_weights_read(const char *from, char **path, RtError *err) {
  struct stat st;
  if (stat(from, &st) == 0 && S_ISDIR(st.st_mode)) {
    char *dir = strdup(from);
    for (size_t n = dir ? strlen(dir) : 0; n > 1 && dir[n - 1] == '/'; n--) dir[n - 1] = 0;
    RtCheckpoint *c = dir ? of_run(dir, path, err) : (rt_fail(err, "not enough memory"), NULL);
    free(dir);
    return c;
  }
  *path = strdup(from);
  return rt_checkpoint_read(from, err);
}
