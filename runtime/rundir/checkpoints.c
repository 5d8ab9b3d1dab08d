/* The checkpoints of a run: the newest RT_RUN_KEEP and those that were to be kept, `checkpoints/last` naming the newest.
 * What a resumed run begins with is read here, and why one cannot begin is told. */
#include "runtime/rundir/rundir_priv.h"
#include "runtime/runtime_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes room for `path` among the newest; the oldest one's file goes, unless it was to be kept. */
static void retain(RtRun *r, char *path, bool keep) {
  for (int i = 0; i < RT_RUN_KEEP; i++)
    if (r->kept[i] && !strcmp(r->kept[i], path)) {
      free(r->kept[i]);
      r->kept[i] = NULL;
    }
  if (keep) {
    free(path);
    return;
  }
  if (r->kept[0]) unlink(r->kept[0]);
  free(r->kept[0]);
  memmove(r->kept, r->kept + 1, (RT_RUN_KEEP - 1) * sizeof *r->kept);
  r->kept[RT_RUN_KEEP - 1] = path;
}

bool rt_run_checkpoint(RtRun *r, const RtPosition *at, const RtTensor *t, int n, bool keep, RtError *err) {
  if (r->muted) return true;
  char name[64], link[] = "checkpoints/last", action[16], step[32], number[32], seed[32];
  snprintf(name, sizeof name, "checkpoints/step-%" PRId64 ".safetensors", at->number);
  snprintf(action, sizeof action, "%d", at->action);
  snprintf(step, sizeof step, "%" PRId64, at->step);
  snprintf(number, sizeof number, "%" PRId64, at->number);
  snprintf(seed, sizeof seed, "%" PRIu64, at->seed);
  const char *const meta[][2] = {{"format", "hnnc-3"},
                                 {"action", action},
                                 {"step", step},
                                 {"number", number},
                                 {"seed", seed},
                                 {"model_hash", at->model_hash ? at->model_hash : ""},
                                 {"reports", at->reports ? at->reports : ""},
                                 {"keep", at->keep ? at->keep : "last"}};
  char *path = rt_run_path(r, name), *last = rt_run_path(r, link);
  bool ok = path && last ? rt_run_settle(r, err) && rt_checkpoint_write(path, t, n, meta, sizeof meta / sizeof *meta, err)
                         : rt_fail(err, "not enough memory");
  ok = ok && rt_link_replace(strchr(name, '/') + 1, last, err);
  free(last);
  if (ok) retain(r, path, keep);
  else free(path);
  return ok;
}

static char *kept_path(const RtRun *r, const char *kind, int64_t number) {
  char name[64];
  snprintf(name, sizeof name, "checkpoints/%s-%" PRId64 ".safetensors", kind, number);
  return rt_run_path(r, name);
}

bool rt_run_kept(RtRun *r, const char *kind, int64_t number, int64_t before, const RtTensor *t, int n, RtError *err) {
  if (r->muted) return true;
  static const char *const meta[][2] = {{"format", "hnnc-kept"}};
  char link[32];
  snprintf(link, sizeof link, "checkpoints/%s", kind);
  char *path = kept_path(r, kind, number), *last = rt_run_path(r, link);
  bool ok =
      path && last ? rt_run_settle(r, err) && rt_checkpoint_write(path, t, n, meta, 1, err) : rt_fail(err, "not enough memory");
  ok = ok && rt_link_replace(strrchr(path, '/') + 1, last, err);
  char *old = ok && before && before != number ? kept_path(r, kind, before) : NULL;
  if (old) unlink(old);
  free(old);
  free(last);
  free(path);
  return ok;
}

static bool read_position(const RtCheckpoint *c, RtPosition *at) {
  const char *format = rt_checkpoint_meta(c, "format"), *action = rt_checkpoint_meta(c, "action"),
             *step = rt_checkpoint_meta(c, "step"), *number = rt_checkpoint_meta(c, "number"),
             *seed = rt_checkpoint_meta(c, "seed");
  at->model_hash = rt_checkpoint_meta(c, "model_hash");
  at->reports = rt_checkpoint_meta(c, "reports");
  if (!format || strcmp(format, "hnnc-3") || !rt_checkpoint_meta(c, "xxh3") || !action || !step || !number || !seed ||
      !at->model_hash || !at->reports)
    return false;
  at->action = atoi(action);
  at->step = strtoll(step, NULL, 10);
  at->number = strtoll(number, NULL, 10);
  at->seed = strtoull(seed, NULL, 10);
  return at->action >= 0 && at->step >= 0;
}

/* The checkpoint with its position, or NULL and why. */
static RtCheckpoint *read_whole(const char *path, RtPosition *at, RtError *why) {
  RtCheckpoint *c = rt_checkpoint_read(path, why);
  if (!c || read_position(c, at)) return c;
  const char *format = rt_checkpoint_meta(c, "format");
  if (format && !strcmp(format, "hnnc-kept"))
    rt_fail(why, "%s: this checkpoint contains the parameters that a training keeps, not the state of the training", path);
  else rt_fail(why, "%s: this checkpoint was not written by hnnc run", path);
  rt_checkpoint_finish(c);
  return NULL;
}

/* The newest step-N that is whole, 0: none; *any: there are some. */
static int64_t whole_step(const RtRun *r, bool *any) {
  for (int64_t n = INT64_MAX; (n = rt_folder_step(r->dir, n)) > 0;) {
    char name[64];
    snprintf(name, sizeof name, "checkpoints/step-%" PRId64 ".safetensors", n);
    *any = true;
    RtPosition at;
    RtError why;
    char *path = rt_run_path(r, name);
    RtCheckpoint *c = path ? read_whole(path, &at, &why) : NULL;
    free(path);
    rt_checkpoint_finish(c);
    if (c) return n;
  }
  return 0;
}

bool rt_run_begun(const RtRun *r) {
  char *path = rt_run_path(r, "checkpoints/last");
  struct stat link;
  const bool there = r->from || !path || lstat(path, &link) == 0 || rt_folder_step(r->dir, INT64_MAX) > 0;
  free(path);
  char *metrics = rt_run_path(r, "metrics.jsonl");
  const bool told = metrics && stat(metrics, &link) == 0 && link.st_size > 0;
  free(metrics);
  return there || told;
}

RtCheckpoint *rt_run_resume(RtRun *r, RtPosition *at, RtError *err) {
  char *path = r->from ? strdup(r->from) : rt_run_path(r, "checkpoints/last");
  RtError why = {"not enough memory"};
  RtCheckpoint *c = path ? read_whole(path, at, &why) : NULL;
  if (!c) {
    bool any = false;
    const int64_t other = whole_step(r, &any);
    if (other) rt_fail(err, "%.300s; try hnnc resume %.120s/checkpoints/step-%" PRId64 ".safetensors", why.text, r->dir, other);
    else if (any) rt_fail(err, "%.300s; no other checkpoint of %.120s is intact: start a new run", why.text, r->dir);
    else rt_fail(err, "this run has no checkpoint yet: start a new run");
  }
  free(path);
  return c;
}
