/* `hnnc run F --sweep ... --seeds ... --jobs N`, and `hnnc resume` of its folder: a process for each run, which is a run directory of its
 * own. What is done or failed is left as it is, what was stopped goes on, the rest is started. */
#include "driver/commands/commands_priv.h"
#include "driver/runs/runs.h"
#include "driver/session/session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

static int refuse(DiagCode code, int exit_code, const char *text) {
  fprintf(stderr, "error[%s]: %s\n", diag_code_name(code), text);
  return exit_code;
}

/* ---- processes ------------------------------------------------------------------------------------------------- */

typedef struct Child {
  pid_t pid; /* 0: none */
  uint32_t point;
  double began;
} Child;

typedef struct Sweep {
  const Options *o;
  const char *dir;
  json_t *spec;
  Child *child;
  int jobs, threads, stops; /* stops: how often somebody asked for it */
  uint32_t over, failed;
  int code; /* of the first that failed */
  sigset_t before, waited;
  pid_t self;
} Sweep;

static char *in_sweep(const Sweep *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static char *in_sweep(const Sweep *w, const char *fmt, ...) {
  char *below = NULL, *path = NULL;
  va_list ap;
  va_start(ap, fmt);
  if (vasprintf(&below, fmt, ap) < 0 || asprintf(&path, "%s/%s", w->dir, below) < 0) base_fault("out of memory");
  va_end(ap);
  free(below);
  return path;
}

/* "": it was not begun, or stopped before its manifest was whole. */
static void status_of(const Sweep *w, uint32_t k, char *out, size_t size) {
  RtError err;
  char *dir = in_sweep(w, "%s", sweep_point(w->spec, k).dir);
  json_t *r = runs_read(dir, &err);
  const char *status = json_string_value(json_object_get(r, "status"));
  const bool whole = json_is_string(json_object_get(r, "model")) || (status && !strcmp(status, "running"));
  snprintf(out, size, "%s", status && whole ? status : "");
  json_decref(r);
  free(dir);
}

/* The command line of a run: run F ... --out DIR, or resume DIR. */
typedef VEC(const char *) Words;

static void words_of(const Sweep *w, uint32_t k, bool resumed, const char *dir, const char *seed, const char *threads, Words *out) {
  const SweepPoint p = sweep_point(w->spec, k);
  const char *params = json_string_value(json_object_get(w->spec, "params"));
  size_t i;
  json_t *x;
  *vec_push(out) = "hnnc";
  *vec_push(out) = resumed ? "resume" : "run";
  *vec_push(out) = resumed ? dir : json_string_value(json_object_get(w->spec, "model"));
  *vec_push(out) = threads;
  *vec_push(out) = "-q";
  if (w->o->no_cache) *vec_push(out) = "--no-cache";
  if (!resumed) {
    json_array_foreach(p.overrides, i, x) * vec_push(out) = json_string_value(x);
    *vec_push(out) = seed;
    *vec_push(out) = "--out", *vec_push(out) = dir;
    if (params) *vec_push(out) = "--params", *vec_push(out) = params;
  }
  *vec_push(out) = NULL;
}

/* In the process of the run: it stops with a checkpoint when this one is gone. Signals of the terminal go to this one alone. */
static void become(const Sweep *w, const char *log, const char *const *words) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != w->self) _exit(EXIT_IO); /* it was gone before */
  const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666), none = open("/dev/null", O_RDONLY);
  if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || none < 0 || dup2(none, 0) < 0) _exit(EXIT_IO);
  sigprocmask(SIG_SETMASK, &w->before, NULL);
  execv("/proc/self/exe", (char *const *)words);
  _exit(EXIT_IO);
}

static bool start(Sweep *w, Child *c, uint32_t k, bool resumed) {
  const SweepPoint p = sweep_point(w->spec, k);
  char *dir = in_sweep(w, "%s", p.dir), *log = in_sweep(w, "logs/%s.txt", p.dir), seed[48], threads[32];
  Words words = {0};
  snprintf(seed, sizeof seed, "--seed=%" PRId64, p.seed);
  snprintf(threads, sizeof threads, "--threads=%d", w->threads);
  words_of(w, k, resumed, dir, seed, threads, &words);
  fflush(NULL);
  *c = (Child){fork(), k, pass_now()};
  if (c->pid == 0) become(w, log, words.at);
  vec_free(&words);
  free(dir);
  free(log);
  return c->pid > 0;
}

/* ---- what is said ------------------------------------------------------------------------------------------------- */

/* The last error that a run said, in buf; "" if it said none. */
static const char *last_error(const Sweep *w, uint32_t k, char *buf, size_t size) {
  char *log = in_sweep(w, "logs/%s.txt", sweep_point(w->spec, k).dir), line[512];
  FILE *f = fopen(log, "r");
  *buf = 0;
  while (f && fgets(line, sizeof line, f))
    if (!strncmp(line, "error", 5)) line[strcspn(line, "\n")] = 0, snprintf(buf, size, "%s", line);
  if (f) fclose(f);
  free(log);
  return buf;
}

static void tell(Sweep *w, const Child *c, int status) {
  const uint32_t n = sweep_count(w->spec);
  char error[512], said[32];
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (code == 130 && w->stops) return;
  w->over++;
  status_of(w, c->point, said, sizeof said);
  if (code) w->failed++, w->code = w->code ? w->code : WIFEXITED(status) ? code : EXIT_FAULT;
  if (w->o->quiet && !code) return;
  fprintf(stderr, "%*u/%u  %s  %s  %.1f s\n",
          n < 10     ? 1
          : n < 100  ? 2
          : n < 1000 ? 3
                     : 5,
          w->over, n, sweep_point(w->spec, c->point).dir, code ? "failed" : said, pass_now() - c->began);
  if (!code) return;
  last_error(w, c->point, error, sizeof error);
  if (*error) fprintf(stderr, "  %s\n", error);
  fprintf(stderr, "  %s/logs/%s.txt\n", w->dir, sweep_point(w->spec, c->point).dir);
}

/* ---- the loop -------------------------------------------------------------------------------------------------------- */

static Child *free_child(Sweep *w) {
  for (int k = 0; k < w->jobs; k++)
    if (!w->child[k].pid) return &w->child[k];
  return NULL;
}

static bool any_at_work(const Sweep *w) {
  bool any = false;
  for (int k = 0; k < w->jobs; k++) any |= w->child[k].pid != 0;
  return any;
}

static void reap(Sweep *w) {
  int status;
  for (int k = 0; k < w->jobs; k++) {
    Child *c = &w->child[k];
    if (!c->pid || waitpid(c->pid, &status, WNOHANG) != c->pid) continue;
    tell(w, c, status);
    *c = (Child){0};
  }
}

/* Signals are blocked, and taken here: a run that is over is reaped before any is sent to it. most: to wait for; NULL: until there is one. */
static void wait_for_one(Sweep *w, const struct timespec *most) {
  const int number = most ? sigtimedwait(&w->waited, NULL, most) : sigwaitinfo(&w->waited, NULL);
  reap(w);
  if (number < 0 || number == SIGCHLD) return;
  w->stops++;
  for (int k = 0; k < w->jobs; k++)
    if (w->child[k].pid) kill(w->child[k].pid, SIGTERM);
}

/* Runs of a sweep that was killed end after their step: nobody else is at work in this one. */
static bool wanted(Sweep *w, uint32_t k, bool *resumed) {
  const struct timespec moment = {0, 50 * 1000 * 1000};
  char status[32];
  for (;;) {
    status_of(w, k, status, sizeof status);
    if (w->stops || strcmp(status, "running") != 0) break;
    wait_for_one(w, &moment);
  }
  *resumed = !strcmp(status, "stopped") || !strcmp(status, "killed");
  if (w->stops || !*status || *resumed) return true;
  w->over++;
  if (strcmp(status, "done")) w->failed++, w->code = EXIT_NUMBERS;
  return false;
}

static int all(Sweep *w) {
  const uint32_t n = sweep_count(w->spec);
  bool resumed, ok = true;
  for (uint32_t k = 0; ok && k < n && !w->stops; k++) {
    if (!wanted(w, k, &resumed)) continue;
    Child *c;
    while (!(c = free_child(w)) && !w->stops) wait_for_one(w, NULL);
    if (w->stops) break;
    if (!(ok = start(w, c, k, resumed))) *c = (Child){0};
  }
  while (any_at_work(w)) wait_for_one(w, NULL);
  if (!ok) return refuse(CODE_output, EXIT_IO, "cannot start a process");
  if (w->stops) return fprintf(stderr, "stopped; `hnnc resume %s` goes on\n", w->dir), 130;
  return w->code;
}

static int go(const Options *o, const char *dir, json_t *spec) {
  Sweep w = {.o = o, .dir = dir, .spec = spec, .jobs = o->jobs ? o->jobs : 1, .self = getpid()};
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  const int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  RtError err;
  if (lock < 0 || (flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)) {
    snprintf(err.text, sizeof err.text, "another process is at work in the sweep %.200s: wait for it", dir);
    if (lock >= 0) close(lock);
    return refuse(CODE_output, EXIT_IO, err.text);
  }
  w.threads = o->threads ? o->threads : cores / w.jobs > 1 ? (int)(cores / w.jobs) : 1;
  w.child = base_zeroed((size_t)w.jobs, sizeof *w.child);
  char *logs = in_sweep(&w, "logs");
  (void)mkdir(logs, 0777);
  free(logs);
  sigemptyset(&w.waited);
  static const int number[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP};
  for (size_t k = 0; k < sizeof number / sizeof *number; k++) sigaddset(&w.waited, number[k]);
  sigprocmask(SIG_BLOCK, &w.waited, &w.before);
  if (!o->quiet) fprintf(stderr, "%s: %u runs in %s\n", json_string_value(json_object_get(spec, "model")), sweep_count(spec), dir);
  const int code = all(&w);
  sigprocmask(SIG_SETMASK, &w.before, NULL);
  json_t *runs = runs_find(dir, &err);
  if (runs) runs_print(stdout, dir, runs);
  if (w.failed && !o->quiet) fprintf(stderr, "%u of %u runs failed\n", w.failed, sweep_count(spec));
  json_decref(runs);
  base_free(w.child);
  close(lock);
  return code;
}

/* ---- the commands ----------------------------------------------------------------------------------------------------- */

/* Of the file and what it imports from the disk: not of what the command line says, which differs from run to run. */
static void sources_hash(const Source *src, char out[20]) {
  XXH3_state_t *state = XXH3_createState();
  XXH3_64bits_reset(state);
  for (uint32_t k = 1; k <= src->files.n; k++) {
    const SourceFile *f = source_file(src, k);
    if (k > 1 && !f->loaded) continue;
    XXH3_64bits_update(state, &f->len, sizeof f->len);
    XXH3_64bits_update(state, f->text, f->len);
  }
  snprintf(out, 20, "%016" PRIx64, (uint64_t)XXH3_64bits_digest(state));
  XXH3_freeState(state);
}

/* The first of the runs is checked before any begins: what is wrong with the file is said once, and here. */
static int look(const Options *o, const json_t *spec, char hash[20], char *name, size_t size) {
  const SweepPoint p = sweep_point(spec, 0);
  Options first = *o;
  Session s;
  size_t i;
  json_t *x;
  memset(&first.override_, 0, sizeof first.override_);
  json_array_foreach(p.overrides, i, x) * vec_push(&first.override_) = json_string_value(x);
  first.file = json_string_value(json_object_get(spec, "model"));
  first.command = "check";
  const int code = session_open(&s, &first);
  if (!code) sources_hash(s.src, hash), snprintf(name, size, "%s", s.model->name);
  session_close(&s);
  vec_free(&first.override_);
  return code;
}

int sweep_run(const Options *o) {
  RtError err = {{0}};
  char hash[20] = "", name[256];
  if (!strcmp(o->file, "-"))
    return refuse(CODE_file, EXIT_USAGE, "a sweep reads its file more than once: it cannot be the standard input");
  json_t *spec = sweep_make(o, hash, &err);
  if (!spec) return refuse(CODE_override, EXIT_USAGE, err.text);
  int code = look(o, spec, hash, name, sizeof name);
  json_object_set_new(spec, "sources", json_string(hash));
  char *dir = code ? NULL : sweep_begin(spec, name, o->out, &err);
  if (!code) code = dir ? go(o, dir, spec) : refuse(CODE_output, EXIT_IO, err.text);
  json_decref(spec);
  free(dir);
  return code;
}

bool sweep_is(const char *dir) {
  char path[4096];
  snprintf(path, sizeof path, "%s/sweep.json", dir);
  return access(path, F_OK) == 0;
}

int sweep_resume(const Options *o) {
  RtError err = {{0}};
  char hash[20] = "", name[256];
  bool none;
  json_t *spec = sweep_read(o->file, &none, &err);
  if (!spec) return refuse(CODE_resume, EXIT_IO, err.text);
  const char *model = json_string_value(json_object_get(spec, "model")),
             *sources = json_string_value(json_object_get(spec, "sources"));
  int code = look(o, spec, hash, name, sizeof name);
  if (!code && strcmp(hash, sources)) {
    snprintf(err.text, sizeof err.text,
             "`%.200s`, or a file that it imports, is not what the sweep was started with: put it back, or start a new sweep",
             model);
    code = refuse(CODE_resume, EXIT_IO, err.text);
  }
  if (!code) code = go(o, o->file, spec);
  json_decref(spec);
  return code;
}
