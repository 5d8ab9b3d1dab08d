/* Runs of a folder. A manifest is looked at, never changed: a run may be under way. */
#include "driver/runs/runs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { DEEPEST = 8 };

/* A process that works in a run has locked it (rundir.c). */
static bool at_work(const char *dir) {
  const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool free_ = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0;
  if (fd >= 0) close(fd);
  return fd >= 0 && !free_;
}

static void take(json_t *to, const RtRun *run, const char *const *key, size_t n) {
  for (size_t k = 0; k < n; k++) {
    json_t *v = (json_t *)rt_run_get(run, key[k]);
    if (v) json_object_set(to, key[k], v);
  }
}

/* Of model.hnn alone: `model_hash` has overrides and seed in it. */
static void take_source(json_t *to, const RtRun *run) {
  RtError why;
  size_t n = 0;
  char *path = rt_run_path(run, "model.hnn"), *text = path ? rt_file_read(path, &n, &why) : NULL;
  if (text) json_object_set_new(to, "model.hnn", json_sprintf("%016llx", (unsigned long long)XXH3_64bits(text, n)));
  free(text);
  free(path);
}

static void take_reports(json_t *to, const RtRun *run) {
  char *path = rt_run_path(run, "reports.json");
  json_t *all = path ? json_load_file(path, 0, NULL) : NULL;
  json_t *reports = json_object_get(all, "reports"), *expects = json_object_get(all, "expects");
  json_object_set_new(to, "reports", json_is_object(reports) ? json_incref(reports) : json_object());
  json_object_set_new(to, "expects", json_is_array(expects) ? json_incref(expects) : json_array());
  json_decref(all);
  free(path);
}

json_t *runs_read(const char *dir, RtError *err) {
  static const char *const key[] = {"model", "status",    "overrides", "seed", "created", "updated", "seconds",    "params",
                                    "why",   "precision", "threads",   "hnnc", "build",   "cpu",     "model_hash", "data_hash"};
  RtRun *run = rt_run_look(dir, err);
  if (!run) return NULL;
  json_t *r = json_object();
  const char *status = json_string_value(rt_run_get(run, "status"));
  json_object_set_new(r, "dir", json_string(rt_run_dir(run)));
  take(r, run, key, sizeof key / sizeof *key);
  if (status && !strcmp(status, "running") && !at_work(rt_run_dir(run))) json_object_set_new(r, "status", json_string("killed"));
  take_source(r, run);
  take_reports(r, run);
  rt_run_destroy(run);
  return r;
}

static bool is_folder(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static char *in(const char *dir, const char *name) {
  char *path = NULL;
  if (asprintf(&path, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name) < 0) base_fault("out of memory");
  return path;
}

static bool is_run(const char *dir) {
  char *manifest = in(dir, "manifest.json");
  const bool is = access(manifest, F_OK) == 0;
  free(manifest);
  return is;
}

static void find(const char *dir, int deep, json_t *out) {
  RtError why;
  if (is_run(dir)) {
    json_t *r = runs_read(dir, &why);
    json_array_append_new(out, r ? r : json_pack("{s:s, s:s, s:s}", "dir", dir, "status", "damaged", "why", why.text));
    return;
  }
  DIR *d = deep < DEEPEST ? opendir(dir) : NULL;
  for (struct dirent *e; d && (e = readdir(d));) {
    if (e->d_name[0] == '.') continue;
    char *path = in(dir, e->d_name);
    if (is_folder(path)) find(path, deep + 1, out);
    free(path);
  }
  if (d) closedir(d);
}

static const char *text(const json_t *r, const char *key) {
  const char *s = json_string_value(json_object_get(r, key));
  return s ? s : "";
}

static int older(const void *a, const void *b) {
  const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
  const int by_time = strcmp(text(x, "created"), text(y, "created"));
  return by_time ? by_time : strcmp(text(x, "dir"), text(y, "dir"));
}

json_t *runs_find(const char *dir, RtError *err) {
  struct stat st;
  if (stat(dir, &st) || !S_ISDIR(st.st_mode)) {
    snprintf(err->text, sizeof err->text, "there is no folder `%.300s`", dir);
    return NULL;
  }
  json_t *found = json_array(), *out = json_array(), *r;
  size_t i;
  find(dir, 0, found);
  json_t **at = base_zeroed(json_array_size(found) + 1, sizeof *at);
  json_array_foreach(found, i, r) at[i] = r;
  qsort(at, json_array_size(found), sizeof *at, older);
  for (i = 0; i < json_array_size(found); i++) json_array_append(out, at[i]);
  base_free(at);
  json_decref(found);
  return out;
}
