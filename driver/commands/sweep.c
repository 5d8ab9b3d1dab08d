/* `hnnc run F --sweep ... --seeds ... --jobs N [--slurm]`, and `hnnc resume` of its folder: a process for each run, which is a run directory of its
 * own, on this machine or in a scheduler's queue. What is done or failed is left as it is, what was stopped goes on, the rest is started. */
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

/* In the process of the run: it stops with a checkpoint when this one is gone. Signals of the terminal go to this one alone. */
static void become(const Sweep *w, uint32_t k) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != w->self) _exit(EXIT_IO); /* it was gone before */
  sigprocmask(SIG_SETMASK, &w->before, NULL);
  sweep_become(w->o, w->dir, w->spec, k, w->threads, NULL);
}

static bool start(Sweep *w, Child *c, uint32_t k) {
  fflush(NULL);
  *c = (Child){fork(), k, pass_now()};
  if (c->pid == 0) become(w, k);
  return c->pid > 0;
}

/* ---- what is said ------------------------------------------------------------------------------------------------- */

/* The last error that a run said, in buf; "" if it said none. */
static const char *last_error(const Sweep *w, uint32_t k, char *buf, size_t size) {
  char *log = sweep_path(w->dir, "logs/%s.txt", sweep_point(w->spec, k).dir), line[512];
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
  char error[512];
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (code == 130 && w->stops) return;
  w->over++;
  if (code) w->failed++, w->code = w->code ? w->code : WIFEXITED(status) ? code : EXIT_FAULT;
  if (w->o->quiet && !code) return;
  fprintf(stderr, "%*u/%u  %s  %s  %.1f s\n",
          n < 10     ? 1
          : n < 100  ? 2
          : n < 1000 ? 3
                     : 5,
          w->over, n, sweep_point(w->spec, c->point).dir, code ? "failed" : "done", pass_now() - c->began);
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

/* Whether a run in this state is to be done. */
static bool to_do(const Options *o, SweepState state) { return state != SWEEP_DONE && (o->again || state != SWEEP_FAILED); }

/* Runs of a sweep that was killed end after their step: nobody else is at work in this one. */
static bool wanted(Sweep *w, uint32_t k) {
  const struct timespec moment = {0, 50 * 1000 * 1000};
  SweepState state;
  while ((state = sweep_state(w->dir, w->spec, k)) == SWEEP_RUNNING && !w->stops) wait_for_one(w, &moment);
  if (w->stops || to_do(w->o, state)) return true;
  w->over++;
  if (state == SWEEP_FAILED) w->failed++, w->code = EXIT_NUMBERS;
  return false;
}

static int all(Sweep *w) {
  const uint32_t n = sweep_count(w->spec);
  bool ok = true;
  for (uint32_t k = 0; ok && k < n && !w->stops; k++) {
    if (!wanted(w, k)) continue;
    Child *c;
    while (!(c = free_child(w)) && !w->stops) wait_for_one(w, NULL);
    if (w->stops) break;
    if (!(ok = start(w, c, k))) *c = (Child){0};
  }
  while (any_at_work(w)) wait_for_one(w, NULL);
  if (!ok) return refuse(CODE_output, EXIT_IO, "cannot start a process");
  if (w->stops) return fprintf(stderr, "stopped; `hnnc resume %s` continues\n", w->dir), 130;
  return w->code;
}

static void make_logs(const char *dir) {
  char *logs = sweep_path(dir, "logs");
  (void)mkdir(logs, 0777);
  free(logs);
}

static int go_here(const Options *o, const char *dir, json_t *spec) {
  Sweep w = {.o = o, .dir = dir, .spec = spec, .jobs = o->jobs ? o->jobs : 1, .self = getpid()};
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  const int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  RtError err;
  if (lock < 0 || (flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)) {
    snprintf(err.text, sizeof err.text, "another process is using the sweep %.200s: wait for it", dir);
    if (lock >= 0) close(lock);
    return refuse(CODE_output, EXIT_IO, err.text);
  }
  w.threads = o->threads ? o->threads : cores / w.jobs > 1 ? (int)(cores / w.jobs) : 1;
  w.child = base_zeroed((size_t)w.jobs, sizeof *w.child);
  make_logs(dir);
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

/* ---- on a cluster --------------------------------------------------------------------------------------------------------- */

/* What is not done, and not on its way already, as tasks of job arrays. */
static int go_there(const Options *o, const char *dir, const char *name, json_t *spec) {
  const uint32_t n = sweep_count(spec);
  bool *run = base_zeroed(2 * (size_t)n, sizeof *run), *queued = run + n;
  uint32_t wanted = 0, waiting = 0, over = 0;
  RtError err = {{0}};
  make_logs(dir);
  slurm_queued(dir, queued, n);
  for (uint32_t k = 0; k < n; k++) {
    const SweepState state = sweep_state(dir, spec, k);
    if (queued[k] || state == SWEEP_RUNNING) waiting++;
    else if (to_do(o, state)) run[k] = true, wanted++;
    else over++;
  }
  const SlurmJob job = {.dir = dir,
                        .name = name,
                        .options = o->slurm,
                        .wanted = run,
                        .n = n,
                        .jobs = o->jobs,
                        .threads = o->threads,
                        .no_cache = o->no_cache,
                        .again = o->again};
  const bool ok = !wanted || slurm_submit(&job, &err);
  if (ok && !o->quiet) {
    fprintf(stderr, "%s: %u of %u runs submitted", dir, wanted, n);
    if (waiting) fprintf(stderr, ", %u were waiting or running", waiting);
    if (over) fprintf(stderr, ", %u over", over);
    fputc('\n', stderr);
    fprintf(stderr, "`hnnc runs %s` shows their state, `hnnc resume %s --slurm` submits stopped runs again\n", dir, dir);
  }
  base_free(run);
  return ok ? 0 : refuse(CODE_output, EXIT_IO, err.text);
}

static int go(const Options *o, const char *dir, const char *name, json_t *spec) {
  if (o->slurm && slurm_there()) return go_there(o, dir, name, spec);
  if (o->slurm && !o->quiet) fprintf(stderr, "there is no `sbatch` here: the runs are processes on this machine\n");
  return go_here(o, dir, spec);
}

/* The task of an array: its run, in this process; with several ranks, those that srun starts. */
static int do_task(const Options *o, const char *dir, const json_t *spec) {
  const char *ranks = getenv("SLURM_NTASKS"), *cores = getenv("SLURM_CPUS_PER_TASK");
  char text[160];
  if (o->task >= sweep_count(spec)) {
    snprintf(text, sizeof text, "--task %" PRId64 ": the sweep has the runs 0 to %u", o->task, sweep_count(spec) - 1);
    return refuse(CODE_out_of_range, EXIT_USAGE, text);
  }
  const uint32_t k = (uint32_t)o->task;
  if (!to_do(o, sweep_state(dir, spec, k))) return 0;
  make_logs(dir);
  sweep_become(o, dir, spec, k,
               o->threads                 ? o->threads
               : cores && atoi(cores) > 0 ? atoi(cores)
                                          : 1,
               ranks && atoi(ranks) > 1 ? "srun" : NULL);
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
    return refuse(CODE_file, EXIT_USAGE, "a sweep reads its file more than once: it cannot be standard input");
  json_t *spec = sweep_make(o, hash, &err);
  if (!spec) return refuse(CODE_override, EXIT_USAGE, err.text);
  int code = look(o, spec, hash, name, sizeof name);
  json_object_set_new(spec, "sources", json_string(hash));
  char *dir = code ? NULL : sweep_begin(spec, name, o->out, &err);
  if (!code) code = dir ? go(o, dir, name, spec) : refuse(CODE_output, EXIT_IO, err.text);
  json_decref(spec);
  free(dir);
  return code;
}

bool sweep_asked(const Options *o) { return o->sweep.n || o->seeds || o->slurm; }

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
  if (!code && sources && strcmp(hash, sources)) {
    snprintf(err.text, sizeof err.text,
             "`%.200s`, or a file that it imports, has changed since the sweep started: restore it, or start a new sweep", model);
    code = refuse(CODE_resume, EXIT_IO, err.text);
  }
  if (!code) code = o->task >= 0 ? do_task(o, o->file, spec) : go(o, o->file, name, spec);
  json_decref(spec);
  return code;
}
