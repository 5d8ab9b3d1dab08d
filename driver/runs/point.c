/* One run of a sweep, by its number: what became of it, and the process that does it, on this machine or in a scheduler's task. */
#include "driver/process/process.h"
#include "driver/runs/runs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool sweep_fail(RtError *err, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(err->text, sizeof err->text, fmt, ap);
  va_end(ap);
  return false;
}

char *sweep_path(const char *dir, const char *fmt, ...) {
  char *below = NULL, *path = NULL;
  va_list ap;
  va_start(ap, fmt);
  if (vasprintf(&below, fmt, ap) < 0 || asprintf(&path, "%s/%s", dir, below) < 0) base_fault("out of memory");
  va_end(ap);
  free(below);
  return path;
}

bool sweep_write(const char *dir, const char *name, const json_t *json, RtError *err) {
  char *path = sweep_path(dir, "%s", name), *tmp = sweep_path(dir, "%s.tmp", name);
  const bool ok = (json_dump_file(json, tmp, JSON_INDENT(1)) == 0 && rename(tmp, path) == 0) ||
                  sweep_fail(err, "cannot write %.300s: %s", path, strerror(errno));
  free(tmp);
  free(path);
  return ok;
}

SweepState sweep_state(const char *dir, const json_t *sweep, uint32_t k) {
  static const char *const says[] = {[SWEEP_RUNNING] = "running",
                                     [SWEEP_STOPPED] = "stopped",
                                     [SWEEP_KILLED] = "killed",
                                     [SWEEP_DONE] = "done",
                                     [SWEEP_FAILED] = "failed"};
  RtError err;
  SweepState state = SWEEP_NOT_BEGUN;
  char *run = sweep_path(dir, "%s", sweep_point(sweep, k).dir);
  json_t *r = runs_read(run, &err);
  const char *status = json_string_value(json_object_get(r, "status"));
  for (int i = 1; status && i < (int)(sizeof says / sizeof *says); i++)
    if (!strcmp(status, says[i])) state = (SweepState)i;
  if (!json_is_string(json_object_get(r, "model")) && state != SWEEP_RUNNING)
    state = SWEEP_NOT_BEGUN; /* its manifest is not whole */
  json_decref(r);
  free(run);
  return state;
}

/* By `hnnc resume` of the run. */
static bool goes_on(SweepState state) { return state == SWEEP_STOPPED || state == SWEEP_KILLED; }

/* The command line of a run: run F ... --out DIR, or resume DIR. */
typedef VEC(const char *) Words;

static void words_of(const Options *o, const json_t *sweep, const SweepPoint *p, bool resumed, const char *dir, Words *out) {
  const char *params = json_string_value(json_object_get(sweep, "params"));
  size_t i;
  json_t *x;
  *vec_push(out) = resumed ? "resume" : "run";
  *vec_push(out) = resumed ? dir : json_string_value(json_object_get(sweep, "model"));
  *vec_push(out) = "-q";
  if (o->no_cache) *vec_push(out) = "--no-cache";
  if (resumed) return;
  json_array_foreach(p->overrides, i, x) * vec_push(out) = json_string_value(x);
  *vec_push(out) = "--out", *vec_push(out) = dir;
  if (params) *vec_push(out) = "--params", *vec_push(out) = params;
}

static bool to_log(const char *dir, const char *name) {
  char *log = sweep_path(dir, "logs/%s.txt", name);
  const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666), none = open("/dev/null", O_RDONLY);
  free(log);
  return fd >= 0 && none >= 0 && dup2(fd, 1) >= 0 && dup2(fd, 2) >= 0 && dup2(none, 0) >= 0;
}

void sweep_become(const Options *o, const char *dir, const json_t *sweep, uint32_t k, int threads, const char *launcher) {
  const SweepPoint p = sweep_point(sweep, k);
  const bool resumed = goes_on(sweep_state(dir, sweep, k));
  char *run = sweep_path(dir, "%s", p.dir), seed[48], cores[32], self[4096];
  Words words = {0};
  if (!own_program(self, sizeof self)) launcher = NULL;
  snprintf(seed, sizeof seed, "--seed=%" PRId64, p.seed);
  snprintf(cores, sizeof cores, "--threads=%d", threads);
  if (launcher) *vec_push(&words) = launcher;
  *vec_push(&words) = launcher ? self : "hnnc";
  words_of(o, sweep, &p, resumed, run, &words);
  if (!resumed) *vec_push(&words) = seed;
  if (threads) *vec_push(&words) = cores;
  *vec_push(&words) = NULL;
  if (!to_log(dir, p.dir)) _exit(EXIT_IO);
  if (launcher) execvp(launcher, (char *const *)words.at);
  else execv(OWN_PROGRAM, (char *const *)words.at);
  _exit(EXIT_IO);
}
