/* See rundir.h. */
#include "runtime/rundir/rundir_priv.h"
#include "runtime/runtime_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MANIFEST = 64 << 20 }; /* bytes: of no more than that is one read */

const char *rt_run_dir(const RtRun *r) { return r->dir; }

char *rt_run_path(const RtRun *r, const char *name) {
  char *p = NULL;
  return asprintf(&p, "%s/%s", r->dir, name) < 0 ? NULL : p;
}

/* ---- making and opening -------------------------------------------------------------------------------- */

/* Makes a directory and its parents; `fresh`: the last one must be new (EEXIST). */
static bool make_directories(const char *path, bool fresh, RtError *err) {
  char *p = strdup(path);
  if (!p) return rt_fail(err, "not enough memory");
  bool ok = true;
  for (char *s = p + 1; ok && *s; s++) {
    if (*s != '/') continue;
    *s = 0;
    ok = mkdir(p, 0777) == 0 || errno == EEXIST;
    *s = '/';
  }
  if (ok) {
    ok = mkdir(p, 0777) == 0;
    struct stat st;
    if (!ok && errno == EEXIST && !fresh) {
      ok = stat(p, &st) == 0 && S_ISDIR(st.st_mode);
      if (!ok) errno = ENOTDIR;
    }
  }
  const int e = errno;
  if (!ok && !(fresh && e == EEXIST)) rt_fail_errno(err, "make the directory", path);
  free(p);
  errno = e;
  return ok;
}

static char *timed_name(const char *root, const char *model, RtError *err) {
  char stamp[32], *dir = NULL;
  const time_t now = time(NULL);
  struct tm tm;
  localtime_r(&now, &tm);
  strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &tm);
  for (int k = 1; k < 1000; k++) {
    const int n = k == 1 ? asprintf(&dir, "%s/%s/%s", root, model, stamp) : asprintf(&dir, "%s/%s/%s-%d", root, model, stamp, k);
    if (n < 0) {
      rt_fail(err, "not enough memory");
      return NULL;
    }
    if (make_directories(dir, true, err)) return dir;
    const bool taken = errno == EEXIST;
    free(dir);
    if (!taken) return NULL;
  }
  rt_fail(err, "cannot find a free name in %s/%s", root, model);
  return NULL;
}

static bool link_latest(const RtRun *r, RtError *err) {
  const char *name = strrchr(r->dir, '/') + 1;
  char *path = NULL;
  if (asprintf(&path, "%.*slatest", (int)(name - r->dir), r->dir) < 0) return rt_fail(err, "not enough memory");
  const bool ok = rt_link_replace(name, path, err);
  free(path);
  return ok;
}

static bool exists(const RtRun *r, const char *name) {
  char *p = rt_run_path(r, name);
  const bool yes = p && access(p, F_OK) == 0;
  free(p);
  return yes;
}

static bool put(const RtRun *r, const char *name, const void *data, size_t size, RtError *err) {
  if (r->muted) return true;
  char *p = rt_run_path(r, name);
  const bool ok = p ? (r->settled ? rt_file_write : rt_file_put)(p, data, size, err) : rt_fail(err, "not enough memory");
  free(p);
  return ok;
}

bool rt_run_settle(RtRun *r, RtError *err) {
  static const char *const part[] = {"model.hnn", "manifest.json", "reports.json"};
  bool ok = true;
  r->settled |= r->muted;
  for (size_t i = 0; ok && !r->settled && i < sizeof part / sizeof *part; i++) {
    char *p = rt_run_path(r, part[i]);
    ok = p ? rt_file_settle(p, err) : rt_fail(err, "not enough memory");
    free(p);
  }
  r->settled |= ok;
  return ok;
}

/* ---- one process at a time ---- */

/* The lock is the system's, on the directory: a process that is killed has none. Where a file system has no locks there is none. */
static bool lock_directory(RtRun *r, RtError *err) {
  r->lock = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (r->lock < 0) return rt_fail_errno(err, "open", r->dir);
  if (flock(r->lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return true;
  return rt_fail(err, "another run is using %s: wait for it, or choose another directory with --out", r->dir);
}

/* `.NAME.tmp-NUMBER`, as file.c names what it has not finished. */
static bool is_left_over(const char *name) {
  const char *tmp = strstr(name, ".tmp-");
  return name[0] == '.' && tmp && tmp[5] && !tmp[5 + strspn(tmp + 5, "0123456789")];
}

/* What a killed process had not finished; nobody else is at work here. */
static void remove_left_overs(const RtRun *r) {
  static const char *const part[] = {".", "checkpoints", "plots", "sources", "arrays", "data"};
  for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
    char *path = rt_run_path(r, part[i]);
    DIR *d = path ? opendir(path) : NULL;
    for (struct dirent *e; d && (e = readdir(d));)
      if (is_left_over(e->d_name)) unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
    free(path);
  }
}

/* A run that is in DIR already goes into DIR/earlier/<time>[-k]: nothing is lost or mixed. */
static bool set_aside(const RtRun *r, RtError *err) {
  static const char *const part[] = {"model.hnn", "metrics.jsonl", "reports.json", "checkpoints",  "plots",
                                     "sources",   "arrays",        "data",         "manifest.json"};
  char *away = timed_name(r->dir, "earlier", err);
  bool ok = away != NULL;
  for (size_t i = 0; ok && i < sizeof part / sizeof *part; i++) {
    char *from = rt_run_path(r, part[i]), *to = NULL;
    ok = from && asprintf(&to, "%s/%s", away, part[i]) >= 0;
    if (ok && rename(from, to) != 0 && errno != ENOENT) ok = rt_fail_errno(err, "move aside", from);
    free(from);
    free(to);
  }
  free(away);
  return ok;
}

static bool open_metrics(RtRun *r, RtError *err) {
  char *p = rt_run_path(r, "metrics.jsonl");
  r->metrics = p ? fopen(p, "ae") : NULL;
  const bool ok = r->metrics || rt_fail_errno(err, "open", p ? p : "metrics.jsonl");
  free(p);
  return ok;
}

static bool make_folder(const RtRun *r, const char *name, RtError *err) {
  if (r->muted) return true;
  char *p = rt_run_path(r, name);
  const bool ok = p ? make_directories(p, false, err) : rt_fail(err, "not enough memory");
  free(p);
  return ok;
}

bool rt_run_write(const RtRun *r, const char *folder, const char *name, const void *data, size_t size, RtError *err) {
  char *path = NULL;
  if (asprintf(&path, "%s/%s", folder, name) < 0) return rt_fail(err, "not enough memory");
  const bool ok = make_folder(r, folder, err) && put(r, path, data, size, err);
  free(path);
  return ok;
}

bool rt_run_folder(const RtRun *r, const char *folder, RtError *err) { return make_folder(r, folder, err); }

char *rt_run_arrays_path(const RtRun *r, const char *name) {
  char *p = NULL;
  return asprintf(&p, "%s/arrays/%s.npz", r->dir, name) < 0 ? NULL : p;
}

bool rt_run_arrays(const RtRun *r, const char *name, const RtArray *a, int n, RtError *err) {
  if (r->muted) return true;
  char *path = rt_run_arrays_path(r, name);
  const bool ok = path ? make_folder(r, "arrays", err) && rt_npz_write(path, a, n, err) : rt_fail(err, "not enough memory");
  free(path);
  return ok;
}

static void stamp(json_t *manifest, const char *key) {
  char text[40];
  const time_t now = time(NULL);
  struct tm tm;
  gmtime_r(&now, &tm);
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
  json_object_set_new(manifest, key, json_string(text));
}

RtRun *rt_run_create(const char *root, const char *model, const char *out, const char *text, size_t size, RtError *err) {
  RtRun *r = calloc(1, sizeof *r);
  if (!r) {
    rt_fail(err, "not enough memory");
    return NULL;
  }
  r->lock = -1;
  bool ok;
  if (out) {
    r->dir = strdup(out);
    for (size_t n = r->dir ? strlen(r->dir) : 0; n > 1 && r->dir[n - 1] == '/'; n--) r->dir[n - 1] = 0;
    ok = r->dir && *r->dir ? make_directories(r->dir, false, err) : rt_fail(err, "`--out` needs the name of a directory");
    ok = ok && lock_directory(r, err);
    if (ok) remove_left_overs(r);
    if (ok) ok = exists(r, "manifest.json") ? set_aside(r, err) : rt_folder_ours(r->dir, err);
  } else {
    r->dir = timed_name(root ? root : "runs", model, err);
    ok = r->dir && lock_directory(r, err);
  }
  r->manifest = json_object();
  stamp(r->manifest, "created");
  ok = ok && make_folder(r, "checkpoints", err) && put(r, "model.hnn", text, size, err) && open_metrics(r, err) &&
       rt_run_status(r, "running", err) && (out || link_latest(r, err));
  if (ok) return r;
  rt_run_destroy(r);
  return NULL;
}

static bool read_manifest(RtRun *r, RtError *err) {
  char *p = rt_run_path(r, "manifest.json");
  struct stat st;
  size_t size;
  const bool small = !p || stat(p, &st) || st.st_size <= MANIFEST;
  char *text = p && small ? rt_file_read(p, &size, err) : NULL;
  if (!small) rt_fail(err, "%s is damaged: it has more than 64 MB", p);
  else if (!text) rt_folder_no_run(r->dir, err);
  json_error_t e;
  if (text) {
    r->manifest = json_loadb(text, size, 0, &e);
    if (!json_is_object(r->manifest)) rt_fail(err, "%s is damaged: %s", p, r->manifest ? "not a JSON object" : e.text);
  }
  free(text);
  free(p);
  return json_is_object(r->manifest);
}

static RtRun *existing(const char *dir, RtError *err) {
  RtRun *r = calloc(1, sizeof *r);
  if (!r) {
    rt_fail(err, "not enough memory");
    return NULL;
  }
  r->lock = -1;
  r->dir = strdup(dir);
  char *checkpoints = strstr(r->dir, "/checkpoints/");
  if (checkpoints && checkpoints[13]) {
    r->from = strdup(dir);
    *checkpoints = 0;
  }
  for (size_t n = strlen(r->dir); n > 1 && r->dir[n - 1] == '/'; n--) r->dir[n - 1] = 0;
  r->settled = true;
  if (read_manifest(r, err)) return r;
  rt_run_destroy(r);
  return NULL;
}

RtRun *rt_run_look(const char *dir, RtError *err) { return existing(dir, err); }

RtRun *rt_run_follow(const char *dir, bool made, RtError *err) {
  RtRun *r = made ? calloc(1, sizeof *r) : existing(dir, err);
  if (made && r) r->lock = -1, r->dir = strdup(dir), r->manifest = json_object();
  if (r && r->dir && r->manifest) return r->muted = true, r;
  if (made) rt_fail(err, "not enough memory");
  rt_run_destroy(r);
  return NULL;
}

bool rt_run_writes(const RtRun *r) { return !r->muted; }

RtRun *rt_run_reopen(const char *dir, RtError *err) {
  RtRun *r = existing(dir, err);
  if (!r) return NULL;
  if (lock_directory(r, err) && make_folder(r, "checkpoints", err) && open_metrics(r, err)) return remove_left_overs(r), r;
  rt_run_destroy(r);
  return NULL;
}

void rt_run_destroy(RtRun *r) {
  if (!r) return;
  if (r->metrics) fclose(r->metrics);
  for (int i = 0; i < RT_RUN_KEEP; i++) free(r->kept[i]);
  json_decref(r->manifest);
  if (r->lock >= 0) close(r->lock);
  free(r->stopped), free(r->stopped_path), free(r->stopped_tmp);
  free(r->from);
  free(r->dir);
  free(r);
}

/* ---- the manifest ---------------------------------------------------------------------------------------- */

void rt_run_set(RtRun *r, const char *key, json_t *value) {
  if (value) json_object_set_new(r->manifest, key, value);
  else json_object_del(r->manifest, key);
}

const json_t *rt_run_get(const RtRun *r, const char *key) { return json_object_get(r->manifest, key); }

/* The manifest with a status, as text; NULL without memory. */
static char *manifest_text(RtRun *r, const char *status) {
  json_object_set_new(r->manifest, "status", json_string(status));
  stamp(r->manifest, "updated");
  char *text = json_dumps(r->manifest, JSON_INDENT(2)), *line = NULL;
  if (text && asprintf(&line, "%s\n", text) < 0) line = NULL;
  free(text);
  return line;
}

/* What rt_run_stop_now writes, made while there is time. */
static bool prepare_stop(RtRun *r) {
  char *text = manifest_text(r, "stopped"), *path = rt_run_path(r, "manifest.json"), *tmp = NULL;
  if (text && path && asprintf(&tmp, "%s/.manifest.json.tmp-%ld", r->dir, (long)getpid()) >= 0) {
    char *old[] = {r->stopped, r->stopped_path, r->stopped_tmp};
    r->stopped_size = strlen(text);
    r->stopped = text, r->stopped_path = path, r->stopped_tmp = tmp;
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) free(old[i]);
    return true;
  }
  free(text);
  free(path);
  return false;
}

bool rt_run_status(RtRun *r, const char *status, RtError *err) {
  if (r->muted) return true;
  const bool running = !strcmp(status, "running");
  if (!running && !rt_run_settle(r, err)) return false;
  if (running && !prepare_stop(r)) return rt_fail(err, "not enough memory");
  char *text = manifest_text(r, status);
  const bool ok = text ? put(r, "manifest.json", text, strlen(text), err) : rt_fail(err, "not enough memory");
  free(text);
  return ok;
}

void rt_run_stop_now(const RtRun *r) {
  if (!r || !r->stopped) return;
  const int fd = open(r->stopped_tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return;
  size_t done = 0;
  for (ssize_t n = 1; n > 0 && done < r->stopped_size; done += n > 0 ? (size_t)n : 0)
    n = write(fd, r->stopped + done, r->stopped_size - done);
  close(fd);
  if (done == r->stopped_size && rename(r->stopped_tmp, r->stopped_path) == 0) return;
  unlink(r->stopped_tmp);
}

/* ---- metrics ------------------------------------------------------------------------------------------------ */

static json_t *real(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static void add_numbers(json_t *o, const char *key, const RtNumber *x, int n) {
  if (!n) return;
  json_t *list = json_object();
  for (int k = 0; k < n; k++) json_object_set_new(list, x[k].name, real(x[k].v));
  json_object_set_new(o, key, list);
}

bool rt_run_metric(RtRun *r, const RtMetric *m, RtError *err) {
  if (r->muted) return true;
  json_t *o = json_pack("{s:s, s:i, s:I, s:o, s:o, s:o, s:o}", "train", m->train, "action", m->action, "step", (json_int_t)m->step,
                        "loss", real(m->loss), "test", real(m->test), "lr", real(m->lr), "samples_per_s", real(m->samples_per_s));
  add_numbers(o, "losses", m->losses, m->nlosses);
  add_numbers(o, "tests", m->tests, m->ntests);
  add_numbers(o, "monitor", m->monitor, m->nmonitor);
  if (m->averaged) json_object_set_new(o, "average", real(m->average));
  char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
  json_decref(o);
  if (!text) return rt_fail(err, "not enough memory");
  const bool ok = fprintf(r->metrics, "%s\n", text) > 0 && fflush(r->metrics) == 0;
  free(text);
  if (ok) return true;
  char *p = rt_run_path(r, "metrics.jsonl");
  rt_fail_errno(err, "write", p ? p : "metrics.jsonl");
  clearerr(r->metrics);
  free(p);
  return false;
}

static bool keeps_line(const char *s, size_t n, int action, int64_t step) {
  json_error_t e;
  json_t *o = json_loadb(s, n, 0, &e);
  const json_int_t a = json_integer_value(json_object_get(o, "action")), k = json_integer_value(json_object_get(o, "step"));
  const bool keep = json_is_object(o) && (a < action || (a == action && k <= step));
  json_decref(o);
  return keep;
}

bool rt_run_metrics_trim(RtRun *r, int action, int64_t step, RtError *err) {
  if (r->muted) return true;
  char *p = rt_run_path(r, "metrics.jsonl");
  size_t size, kept = 0;
  char *text = p ? rt_file_read(p, &size, err) : NULL;
  free(p);
  if (!text) return false;
  for (char *s = text, *end = text + size, *eol; s < end && (eol = memchr(s, '\n', (size_t)(end - s))); s = eol + 1) {
    const size_t n = (size_t)(eol - s);
    if (!keeps_line(s, n, action, step)) continue;
    memmove(text + kept, s, n + 1);
    kept += n + 1;
  }
  bool ok = true;
  if (kept != size) {
    ok = put(r, "metrics.jsonl", text, kept, err);
    if (ok) {
      fclose(r->metrics);
      ok = open_metrics(r, err);
    }
  }
  free(text);
  return ok;
}

/* ---- reports ------------------------------------------------------------------------------------------------ */

/* A number, or a list of them. */
static json_t *reals(int rank, int64_t elems, const double *v) {
  if (!rank) return real(*v);
  json_t *list = json_array();
  for (int64_t e = 0; e < elems; e++) json_array_append_new(list, real(v[e]));
  return list;
}

/* What a mean of n independent samples is off by. */
static json_t *standard_errors(const RtReport *q) {
  json_t *list = json_array();
  for (int64_t e = 0; e < q->elems; e++) json_array_append_new(list, real(q->sd[e] / sqrt((double)q->n)));
  return list;
}

static json_t *report_object(const RtReport *q) {
  json_t *o = json_object();
  if (q->rank) {
    json_t *shape = json_array();
    for (int d = 0; d < q->rank; d++) json_array_append_new(shape, json_integer(q->dim[d]));
    json_object_set_new(o, "shape", shape);
  }
  json_object_set_new(o, "mean", reals(q->rank, q->elems, q->mean));
  json_object_set_new(o, "sd", reals(q->rank, q->elems, q->sd));
  if (q->rank) json_object_set_new(o, "standard_error", standard_errors(q));
  json_object_set_new(o, "min", reals(q->rank, q->elems, q->min));
  json_object_set_new(o, "max", reals(q->rank, q->elems, q->max));
  json_object_set_new(o, "n", json_integer(q->n));
  for (int k = 0; k < (int)q->nasked; k++) {
    const RtStatistic *s = &q->asked[k];
    json_object_set_new(o, s->name, reals(s->rank, s->elems, s->v));
  }
  return o;
}

/* malloc'ed; NULL: not enough memory. */
static char *reports_text(const RtReport *report, int nreport, const RtExpect *expect, int nexpect, const RtProof *proof,
                          int nproof) {
  json_t *reports = json_object(), *expects = json_array(), *proofs = json_array();
  for (int i = 0; i < nreport; i++) json_object_set_new(reports, report[i].name, report_object(&report[i]));
  for (int i = 0; i < nexpect; i++)
    json_array_append_new(expects, json_pack("{s:s, s:b}", "text", expect[i].text, "holds", expect[i].holds));
  for (int i = 0; i < nproof; i++)
    json_array_append_new(proofs, json_pack("{s:s, s:s}", "text", proof[i].text, "answer", proof[i].answer));
  json_t *o = json_pack("{s:o, s:o, s:o}", "reports", reports, "expects", expects, "proofs", proofs);
  char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL, *line = NULL;
  json_decref(o);
  if (text && asprintf(&line, "%s\n", text) < 0) line = NULL;
  free(text);
  return line;
}

bool rt_reports_write(const char *path, const RtReport *report, int nreport, const RtExpect *expect, int nexpect,
                      const RtProof *proof, int nproof, RtError *err) {
  char *text = reports_text(report, nreport, expect, nexpect, proof, nproof);
  const bool ok = text ? rt_file_write(path, text, strlen(text), err) : rt_fail(err, "not enough memory");
  free(text);
  return ok;
}

bool rt_run_reports(RtRun *r, const RtReport *report, int nreport, const RtExpect *expect, int nexpect, const RtProof *proof,
                    int nproof, RtError *err) {
  char *text = reports_text(report, nreport, expect, nexpect, proof, nproof);
  const bool ok = text ? put(r, "reports.json", text, strlen(text), err) : rt_fail(err, "not enough memory");
  free(text);
  return ok;
}
