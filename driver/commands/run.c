/* `hnnc run FILE`: trains, reports and checks expectations, from top to bottom, into a run directory. Here is what the user
 * sees and does meanwhile, of a run that is resumed, too; what happens is in run/runner.c. */
#include "driver/commands/terminal_priv.h"
#include "driver/session/proofs.h"
#include "runtime/train/progress.h"
#include "driver/commands/commands_priv.h"
#include "driver/run/recorded.h"
#include "driver/process/process.h"
#include "driver/session/ranks.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int interrupted;
static volatile sig_atomic_t training; /* stops after its step when asked to */
static RtRun *volatile open_now;

/* Training ends with a checkpoint. Everything else, and a second signal, ends at once, with the manifest saying so. */
static void on_signal(int number) {
  (void)number;
  if (!interrupted++ && training) return;
  rt_run_stop_now(open_now);
  stop_clean();
  (void)!write(STDERR_FILENO, "stopped\n", 8);
  _exit(130);
}

/* A reader that is gone, or a limit on sizes of files, is an error of the write that meets it. */
static void catch_signals(void) {
  struct sigaction action = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
  sigaction(SIGPIPE, &ignore, NULL);
  sigaction(SIGXFSZ, &ignore, NULL);
}

/* ---- what happens -------------------------------------------------------------------------------------- */

typedef struct Terminal {
  Runner *r;
  RtProgress progress;
  const Data *data; /* that is being made */
  double began, told;
} Terminal;

enum { TOLD_A_SECOND = 5 };

static void on_data_begins(void *ctx, const Data *d, int64_t draws) {
  Terminal *t = ctx;
  (void)draws;
  t->data = d, t->began = pass_now(), t->told = 0;
  waiting_run("the first draws of the data", d->name, d->at);
}

/* From a second on, on a terminal. */
static void on_data(void *ctx, int64_t done, int64_t draws) {
  Terminal *t = ctx;
  const double now = pass_now(), spent = now - t->began;
  if (done > 0) waiting_run("", NULL, (Span){0});
  if (t->r->s->opt->quiet || spent < 1 || now - t->told < 1.0 / TOLD_A_SECOND || done < 1 || !isatty(STDERR_FILENO)) return;
  fprintf(stderr, "\rdata %s  %" PRId64 "/%" PRId64 " draws  %.0fs left\033[K", t->data->name, done, draws,
          spent / (double)done * (double)(draws - done));
  t->told = now;
}

static void on_data_ends(void *ctx) {
  const Terminal *t = ctx;
  waiting_run("", NULL, (Span){0});
  if (t->told > 0) fprintf(stderr, "\r\033[K");
}

static void on_begins(void *ctx, const RunStep *at) {
  Terminal *t = ctx;
  rt_progress_init(&t->progress, stderr, t->r->s->opt->quiet, at->name, at->step, at->steps);
  t->progress.tested = at->tested, t->progress.averaged = at->averaged;
  training = 1;
}

static void on_step(void *ctx, const RunStep *at) {
  Terminal *t = ctx;
  t->progress.steps = at->steps;
  t->progress.losses = at->losses, t->progress.nlosses = at->nlosses;
  t->progress.monitor = at->monitor, t->progress.nmonitor = at->nmonitor;
  const RtStep step = {
    .step = at->step, .loss = at->loss, .test = at->test, .average = at->average, .lr = at->lr, .samples_per_s = at->samples_per_s};
  rt_progress_step(&t->progress, &step);
}

static void on_interrupts(void *ctx) { rt_progress_finish(&((Terminal *)ctx)->progress); }

static void on_ends(void *ctx) {
  training = 0;
  on_interrupts(ctx);
}

static void on_proofs(void *ctx) { proofs_print(((Terminal *)ctx)->r->s, stdout, true); }

/* Blanks behind a name in a column: a byte of UTF-8 that begins no character, and a combining mark (U+0300 to U+036F), take none. */
static int padding(const char *name, int column) {
  for (const unsigned char *c = (const unsigned char *)name; *c; c++)
    column -= (*c & 0xC0) != 0x80 && *c != 0xCC && !(*c == 0xCD && c[1] < 0xB0);
  return column > 0 ? column : 0;
}

/* The first elements of a tensor: `[1.2 ± 0.1, ..., … 997 more]`; of one sample, or of none, the values alone. */
static void print_elements(const Report *report, const ReportResult *x) {
  enum { SHOWN = 4 };
  const uint32_t n = x->elems <= SHOWN + 1 ? x->elems : SHOWN;
  const bool several = report->data && x->n > 1;
  for (uint32_t e = 0; e < n; e++) {
    printf(e ? ", %.6g" : "[%.6g", base_shown(x->mean[e]));
    if (several && !isnan(x->mean[e])) printf(" ± %.2g", base_shown(x->sd[e]));
  }
  if (n < x->elems) printf(", … %u more", x->elems - n);
  if (several) printf("] (mean ± sd, %" PRId64 ")\n", x->n);
  else printf("]\n");
}

static void on_report(void *ctx, const Report *report, const ReportResult *x) {
  (void)ctx;
  printf("report %s%*s ", report->name, padding(report->name, 24), "");
  if (report_type(report).rank) print_elements(report, x);
  else if (isnan(*x->mean)) printf("nan\n");
  else if (!report->data || x->n == 1) printf("%.6g\n", base_shown(*x->mean));
  else printf("%.6g ± %.2g, from %.6g to %.6g (mean ± sd, %" PRId64 ")\n", *x->mean, base_shown(*x->sd), *x->min, *x->max, x->n);
  fflush(stdout);
}

static void on_expect(void *ctx, const Expect *e, bool holds) {
  (void)ctx;
  printf("expect %-40s %s\n", e->text, holds ? "holds" : "FAILS");
  fflush(stdout);
}

static void on_plot(void *ctx, const Plot *p, const PlotResult *x) {
  const Runner *r = ((Terminal *)ctx)->r;
  if (!x->drawn) fprintf(stderr, "plot %s: %s.svg was not made: %s\n", p->name, p->name, x->why);
  if (!r->s->opt->quiet)
    printf("plot %s%*s %s/plots/%s.%s\n", p->name, padding(p->name, 26), "", rt_run_dir(r->run), p->name, x->drawn ? "svg" : "dat");
  fflush(stdout);
}

static void on_save(void *ctx, const Save *w) {
  const Runner *r = ((Terminal *)ctx)->r;
  if (!r->s->opt->quiet) printf("save %s%*s %s/arrays/%s.npz\n", w->name, padding(w->name, 26), "", rt_run_dir(r->run), w->name);
  fflush(stdout);
}

/* ---- the command ----------------------------------------------------------------------------------------- */

static bool has_checkpoint(const Runner *r) {
  char *path = rt_run_path(r->run, "checkpoints/last");
  bool has = path && access(path, F_OK) == 0;
  free(path);
  return has;
}

/* Another rank has failed: the run can be resumed. */
static void on_lost(const char *why) {
  RtRun *run = open_now;
  RtError err;
  if (!run) return;
  rt_run_set(run, "why", json_string(why));
  (void)rt_run_status(run, "stopped", &err);
}

void terminal_open(RtRun *run) {
  open_now = run;
  catch_signals();
  ranks_on_lost(on_lost);
}

int terminal_run(Runner *r) {
  Terminal t = {.r = r};
  r->s->on_data = (DataEvents){.ctx = &t, .begins = on_data_begins, .progress = on_data, .ends = on_data_ends};
  r->on = (RunEvents){.ctx = &t,
                      .begins = on_begins,
                      .step = on_step,
                      .interrupts = on_interrupts,
                      .ends = on_ends,
                      .proofs = on_proofs,
                      .report = on_report,
                      .save = on_save,
                      .expect = on_expect,
                      .plot = on_plot,
                      .stop = &interrupted};
  terminal_open(r->run);
  int code = runner_run(r);
  if (code != RUN_STOPPED) return code;
  if (has_checkpoint(r)) fprintf(stderr, "stopped; `hnnc resume %s` continues from the last checkpoint\n", rt_run_dir(r->run));
  else fprintf(stderr, "stopped before the first checkpoint; `hnnc resume %s` starts again\n", rt_run_dir(r->run));
  return 130;
}

/* What the manifest says is how the run ended: the few milliseconds that are left, no signal makes another end of it. */
void terminal_close(Runner *r) {
  signal(SIGINT, SIG_IGN), signal(SIGTERM, SIG_IGN), signal(SIGHUP, SIG_IGN);
  open_now = NULL;
  runner_close(r);
}

static int run(Session *s, const Options *o) {
  Runner r;
  RtError err = {{0}};
  stop_hold(); /* from the first file of the run on, its manifest says how it ended */
  runner_init(&r, s, record_open(s, o->out, &err));
  runner_hash(s->src, o, r.hash);
  if (r.run && o->params && !record_start(&r, o->params, &err)) rt_run_destroy(r.run), r.run = NULL;
  terminal_open(r.run);
  stop_release();
  if (r.run && !o->quiet) fprintf(stderr, "%s: %s\n", s->model->path, rt_run_dir(r.run));
  int code = r.run ? terminal_run(&r) : session_fail(s, EXIT_IO, CODE_output, (Span){0}, "%s", err.text);
  terminal_close(&r);
  return code;
}

int command_run(const Options *o) {
  Session s;
  if (sweep_asked(o)) return sweep_run(o);
  int code = session_open(&s, o);
  if (!code && o->params) code = recorded_load(&s, o->params, o->quiet ? NULL : stderr);
  if (!code) code = run(&s, o);
  if (o->time_passes) pass_times_print(&s.passes, stderr);
  session_close(&s);
  return code;
}
