/* What lies in a folder that is a run, or was taken for one. */
#include "runtime/rundir/rundir_priv.h"
#include "runtime/runtime_priv.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool holds_run(const char *dir, const char *name) {
  char *p = NULL;
  const bool yes = asprintf(&p, "%s/%s/manifest.json", dir, name) >= 0 && access(p, F_OK) == 0;
  free(p);
  return yes;
}

/* The folder holds no run, but maybe runs: then the last one is to be named. Its name is the time when it began. */
bool rt_folder_no_run(const char *dir, RtError *err) {
  char last[256] = "";
  DIR *d = opendir(dir);
  for (struct dirent *e; d && (e = readdir(d));)
    if (strcmp(e->d_name, "..") && strcmp(e->d_name, "earlier") && strcmp(e->d_name, last) > 0 && holds_run(dir, e->d_name))
      snprintf(last, sizeof last, "%s", e->d_name);
  if (d) closedir(d);
  if (!d) return rt_fail(err, access(dir, F_OK) ? "there is no run directory %s" : "%s is not a run directory", dir);
  if (!*last) return rt_fail(err, "%s is not a run directory: it has no readable manifest.json", dir);
  return rt_fail(err, "%s is not a run directory, but a folder of runs: try %s/%s", dir, dir,
                 holds_run(dir, "latest") ? "latest" : last);
}

/* Files of others and a run would be mixed, and what belongs to whom could not be told. */
bool rt_folder_ours(const char *dir, RtError *err) {
  static const char *const own[] = {".",     "..",      "model.hnn", "metrics.jsonl", "reports.json", "checkpoints",
                                    "plots", "sources", "earlier",   "arrays",        "data"};
  DIR *d = opendir(dir);
  if (!d) return rt_fail_errno(err, "open", dir);
  char foreign[256] = "";
  for (struct dirent *e; !*foreign && (e = readdir(d));) {
    bool known = false;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) known |= !strcmp(e->d_name, own[i]);
    if (!known) snprintf(foreign, sizeof foreign, "%s", e->d_name);
  }
  closedir(d);
  return !*foreign ||
         rt_fail(err, "%s is not a run directory, and contains other files (%.100s): choose a new directory with --out", dir,
                 foreign);
}

/* The newest step-N of the folder below `below`; 0 if there is none. */
int64_t rt_folder_step(const char *dir, int64_t below) {
  char *path = NULL;
  DIR *d = asprintf(&path, "%s/checkpoints", dir) >= 0 ? opendir(path) : NULL;
  free(path);
  int64_t best = 0;
  for (struct dirent *e; d && (e = readdir(d));) {
    long long n;
    int end = 0;
    if (sscanf(e->d_name, "step-%lld.safetensors%n", &n, &end) == 1 && end && !e->d_name[end] && n < below && n > best) best = n;
  }
  if (d) closedir(d);
  return best;
}
