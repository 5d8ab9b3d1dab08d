/* `hnnc run FILE`: trains, reports and checks expectations, from top to bottom, into a run directory. */
#include "driver/plot/plot.h"
#include "driver/session/proofs.h"
#include "driver/commands/runner.h"
#include "driver/runtime_generation.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static volatile int interrupted;
static volatile sig_atomic_t training; /* stops after its step when asked to */
static const RtRun *volatile open_now;

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

static int fail(Runner *r, const RtError *err) { return session_fail(r->s, EXIT_IO, CODE_output, (Span){0}, "%s", err->text); }

/* ---- training --------------------------------------------------------------------------------------- */

typedef struct Watch {
  Runner *r;
  Trainer *t;
  RtProgress progress;
  int action, code;
  bool test_lost;
  RtError err;
} Watch;

static bool on_test(void *ctx) {
  Watch *w = ctx;
  w->code = trainer_mean(w->r->s, w->t);
  return !w->code;
}

static bool on_progress(void *ctx, int64_t step, double loss, double test, double lr, double samples_per_s) {
  Watch *w = ctx;
  const RtMetric m = {w->t->spec->name, w->action, step, loss, test, lr, samples_per_s};
  rt_progress_step(&w->progress, step, loss, test, lr, samples_per_s);
  if (w->t->spec->test && !isfinite(test) && !w->test_lost) {
    rt_progress_finish(&w->progress);
    nan_test(w->r->s, w->t, step);
    w->test_lost = w->r->not_finite = true;
  }
  return rt_run_metric(w->r->run, &m, &w->err);
}

/* One turn of a stack, or all that there is. */
static RtTensor turn_tensor(Arena *mem, const Param *p, int64_t turn, const RtArray *a) {
  Type t = param_turn_type(p);
  char *path = param_turn_path(p, turn);
  size_t bytes = (size_t)type_count(t) * (a->f64 ? sizeof(double) : sizeof(float));
  RtTensor r = {.name = arena_strdup(mem, path), .f64 = a->f64, .rank = t.rank, .v = (char *)a->v + (size_t)turn * bytes};
  memcpy(r.dim, t.dim, sizeof t.dim);
  free(path);
  return r;
}

static bool on_checkpoint(void *ctx, int64_t step) {
  Watch *w = ctx;
  const Model *m = w->r->s->model;
  Arena *mem = arena_create();
  VEC(RtTensor) tensor = {0};
  for (uint32_t k = 0; k < m->nparam; k++)
    for (int64_t turn = 0; turn < param_turns(&m->param[k]); turn++)
      *vec_push(&tensor) = turn_tensor(mem, &m->param[k], turn, &w->t->param[k]);
  for (int i = 0; i < w->t->rt.nstates; i++)
    *vec_push(&tensor) = (RtTensor){.name = arena_printf(mem, "optimizer.%d", i),
                                    .f64 = m->f64,
                                    .rank = 1,
                                    .dim = {(uint32_t)w->t->rt.flat_n},
                                    .v = w->t->rt.state[i]};
  char reports[REPORTS_HASH];
  reports_hash(m, w->r->result, w->action, reports);
  const RtPosition at = {w->action, step, w->r->steps_before + step, w->r->s->opt->seed, w->r->hash, reports};
  bool ok = rt_run_checkpoint(w->r->run, &at, tensor.at, (int)tensor.n, step == w->t->rt.steps, &w->err);
  vec_free(&tensor);
  arena_destroy(mem);
  return ok;
}

/* Puts back what a checkpoint holds of the training at hand. */
static int restore(Runner *r, Trainer *t) {
  size_t size = r->s->model->f64 ? sizeof(double) : sizeof(float);
  t->rt.step = r->at.step;
  for (int i = 0; i < t->rt.nstates; i++) {
    char name[32];
    snprintf(name, sizeof name, "optimizer.%d", i);
    const RtTensor *c = rt_checkpoint_tensor(r->from, name);
    if (!c || c->rank != 1 || c->dim[0] != t->rt.flat_n || c->f64 != r->s->model->f64)
      return session_fail(r->s, EXIT_IO, CODE_resume, (Span){0}, "the checkpoint in `%s` does not fit the optimizer of `%s`",
                          rt_run_dir(r->run), t->spec->name);
    memcpy(t->rt.state[i], c->v, (size_t)t->rt.flat_n * size);
  }
  return 0;
}

static int judge_training(Runner *r, Watch *w, RtStatus status, const RtError *err) {
  if (w->code) return w->code;
  switch (status) {
  case RT_DONE: return 0;
  case RT_STOPPED: return interrupted ? -1 : fail(r, &w->err);
  case RT_NOT_FINITE: return nan_hunt(r->s, w->t, err->text);
  default: return fail(r, w->err.text[0] ? &w->err : err);
  }
}

/* From the start of the process; what of it the command waited for the compiler, and for the data. */
static void first_step_times(Runner *r) {
  if (rt_run_get(r->run, "seconds_to_first_step")) return;
  rt_run_set(r->run, "seconds_to_first_step", json_real(pass_now() - r->s->started));
  rt_run_set(r->run, "seconds_compiling", json_real(r->s->compiling));
  rt_run_set(r->run, "seconds_making_data", json_real(r->s->making_data));
}

/* 0 done, -1 stopped by a signal, else the exit code. */
static int run_train(Runner *r, const Train *spec, int action) {
  Trainer t;
  int code = trainer_open(r->s, spec, &t);
  Watch w = {.r = r, .t = &t, .action = action};
  RtError err = {{0}};
  if (!code && r->from && r->at.action == action) code = restore(r, &t);
  if (code) return trainer_close(&t), code;
  first_step_times(r);
  rt_progress_init(&w.progress, stderr, r->s->opt->quiet, spec->name, t.rt.step, t.rt.steps);
  w.progress.tested = spec->test != NULL;
  t.rt.test_ready = on_test;
  t.rt.progress = on_progress;
  t.rt.checkpoint = on_checkpoint;
  t.rt.ctx = &w;
  t.rt.checkpoint_seconds = 10;
  t.rt.stop = &interrupted;
  training = 1;
  RtStatus status = rt_train(&t.rt, &err);
  training = 0;
  rt_progress_finish(&w.progress);
  trainer_publish(r->s, &t);
  code = judge_training(r, &w, status, &err);
  r->steps_before += t.rt.steps;
  trainer_close(&t);
  return code;
}

/* ---- reports and expectations -------------------------------------------------------------------------- */

/* Blanks behind a name in a column: a byte of UTF-8 that begins no character, and a combining mark (U+0300 to U+036F), take none. */
static int padding(const char *name, int column) {
  for (const unsigned char *c = (const unsigned char *)name; *c; c++)
    column -= (*c & 0xC0) != 0x80 && *c != 0xCC && !(*c == 0xCD && c[1] < 0xB0);
  return column > 0 ? column : 0;
}

static void print_report(const Report *report, const ReportResult *x) {
  printf("report %s%*s ", report->name, padding(report->name, 24), "");
  if (isnan(x->mean)) printf("nan\n");
  else if (!report->data) printf("%.6g\n", x->mean);
  else printf("%.6g ± %.2g, from %.6g to %.6g (%" PRId64 ")\n", x->mean, x->sd, x->min, x->max, x->n);
  fflush(stdout);
}

static int write_reports(Runner *r) {
  const Model *m = r->s->model;
  RtReport *report = calloc(m->naction + 1, sizeof *report);
  RtExpect *expect = calloc(m->naction + 1, sizeof *expect);
  int nreport = 0, nexpect = 0;
  RtError err = {{0}};
  for (uint32_t i = 0; i < m->naction; i++) {
    const Action *a = &m->action[i];
    if (a->kind == DO_REPORT) {
      const ReportResult *x = &r->result[report_number(m, a->report)];
      if (x->made) report[nreport++] = (RtReport){a->report->name, x->mean, x->sd, x->min, x->max, x->n};
    }
    if (a->kind == DO_EXPECT && r->judged[i]) expect[nexpect++] = (RtExpect){a->expect->text, r->holds[i]};
  }
  bool ok = rt_run_reports(r->run, report, nreport, expect, nexpect, proofs_list(r->s), (int)m->nproof, &err);
  free(report);
  free(expect);
  return ok ? 0 : fail(r, &err);
}

static int run_report(Runner *r, const Report *report) {
  ReportResult *x = &r->result[report_number(r->s->model, report)];
  int code = report_run(r->s, report, x);
  if (code) return code;
  x->made = true;
  r->not_finite |= !isfinite(x->mean);
  print_report(report, x);
  return write_reports(r);
}

static int run_expect(Runner *r, const Expect *e, uint32_t action) {
  int code = expect_run(r->s, e, r->result, &r->holds[action]);
  if (code) return code;
  r->judged[action] = true;
  r->failed_expect |= !r->holds[action];
  printf("expect %-40s %s\n", e->text, r->holds[action] ? "holds" : "FAILS");
  fflush(stdout);
  return write_reports(r);
}

/* ---- plots --------------------------------------------------------------------------------------------- */

/* Its entry in the manifest, NULL: none yet. */
static json_t *plot_entry(const Runner *r, const char *name) {
  size_t i;
  json_t *entry;
  json_array_foreach((json_t *)rt_run_get(r->run, "plots"), i, entry) {
    const char *have = json_string_value(json_object_get(entry, "name"));
    if (have && !strcmp(have, name)) return entry;
  }
  return NULL;
}

static json_t *new_plot_entry(Runner *r, const Plot *p) {
  if (!rt_run_get(r->run, "plots")) rt_run_set(r->run, "plots", json_array());
  json_t *entry = plot_entry(r, p->name);
  if (!entry) json_array_append_new((json_t *)rt_run_get(r->run, "plots"), entry = json_object());
  json_object_clear(entry);
  json_object_set_new(entry, "name", json_string(p->name));
  json_object_set_new(entry, "kind", json_string(plot_kind_name[p->kind]));
  return entry;
}

static int say_plot(Runner *r, const Plot *p, const PlotResult *x) {
  RtError err = {{0}};
  json_t *entry = new_plot_entry(r, p);
  json_object_set_new(entry, "svg", json_boolean(x->drawn));
  if (!x->drawn) {
    json_object_set_new(entry, x->nothing ? "nothing" : "why", json_string(x->why));
    if (x->not_finite) json_object_set_new(entry, "not_finite", json_true());
    fprintf(stderr, "plot %s: %s.svg was not made: %s\n", p->name, p->name, x->why);
  }
  if (!r->s->opt->quiet)
    printf("plot %s%*s %s/plots/%s.%s\n", p->name, padding(p->name, 26), "", rt_run_dir(r->run), p->name, x->drawn ? "svg" : "dat");
  fflush(stdout);
  return rt_run_status(r->run, "running", &err) ? 0 : fail(r, &err);
}

/* One that is older than the checkpoint is drawn again only from its own numbers. */
static int run_plot(Runner *r, const Plot *p, bool done) {
  const json_t *entry = done ? plot_entry(r, p->name) : NULL;
  PlotResult x = {0};
  int code = 0;
  if (json_is_true(json_object_get(entry, "svg"))) return 0;
  const char *nothing = json_string_value(json_object_get(entry, "nothing"));
  if (nothing) {
    x.nothing = true;
    x.not_finite = json_is_true(json_object_get(entry, "not_finite"));
    snprintf(x.why, sizeof x.why, "%s", nothing);
  } else if (entry) plot_draw(r->run, p->name, &x);
  else code = plot_run(r->s, r->run, p, &x);
  r->not_finite |= x.not_finite;
  return code ? code : say_plot(r, p, &x);
}

/* ---- the whole file ---------------------------------------------------------------------------------------- */

static int run_action(Runner *r, uint32_t i) {
  const Action *a = &r->s->model->action[i];
  bool done = r->from && (int)i < r->at.action;
  switch (a->kind) {
  case DO_TRAIN: {
    if (!done) return run_train(r, a->train, (int)i);
    int code = data_make(r->s, a->train->data);
    r->steps_before += code ? 0 : trainer_steps(a->train, data_set(r->s, a->train->data)->n);
    return code;
  }
  case DO_REPORT: return done && r->result[report_number(r->s->model, a->report)].made ? 0 : run_report(r, a->report);
  case DO_EXPECT: return run_expect(r, a->expect, i);
  case DO_PLOT: return run_plot(r, a->plot, done);
  }
  return 0;
}

static void describe_run(Runner *r) {
  const Session *s = r->s;
  json_t *overrides = json_array();
  for (uint32_t i = 0; i < s->opt->override_.n; i++) json_array_append_new(overrides, json_string(s->opt->override_.at[i]));
  rt_run_set(r->run, "hnnc", json_string(HNNC_VERSION));
  rt_run_set(r->run, "model", json_string(s->model->path));
  rt_run_set(r->run, "model_hash", json_string(r->hash));
  char data[40], build[BUILD_TEXT];
  data_fingerprint(s, data);
  runner_build(build);
  rt_run_set(r->run, "data_hash", json_string(data));
  rt_run_set(r->run, "build", json_string(build));
  rt_run_set(r->run, "overrides", overrides);
  rt_run_set(r->run, "seed", json_integer((json_int_t)s->opt->seed));
  rt_run_set(r->run, "threads", json_integer(rt_pool_threads(s->pool)));
  rt_run_set(r->run, "proofs", proofs_json(s));
  rt_run_set(r->run, "precision", json_string(s->model->f64 ? "f64" : "f32"));
  rt_run_set(r->run, "cpu", json_string(s->opt->cpu ? s->opt->cpu : cg_host_cpu()));
}

static bool has_checkpoint(const Runner *r) {
  char *path = rt_run_path(r->run, "checkpoints/last");
  bool has = path && access(path, F_OK) == 0;
  free(path);
  return has;
}

static int finish(Runner *r, int code) {
  RtError err = {{0}};
  rt_run_set(r->run, "seconds", json_real(pass_now() - r->s->started));
  const bool failed = r->failed_expect || r->not_finite;
  const char *status = code == -1 ? "stopped" : code || failed ? "failed" : "done";
  if (!rt_run_status(r->run, status, &err) && code <= 0) return fail(r, &err);
  if (code == -1 && has_checkpoint(r))
    fprintf(stderr, "stopped; `hnnc resume %s` goes on from the last checkpoint\n", rt_run_dir(r->run));
  else if (code == -1) fprintf(stderr, "stopped before the first checkpoint: there is nothing to resume\n");
  return code == -1 ? 130 : code ? code : failed ? EXIT_NUMBERS : 0;
}

/* What was decided when the file was compiled; a `prove` that does not hold fails the run at its end. */
static int prove(Runner *r) {
  if (!r->s->model->nproof) return 0;
  proofs_print(r->s, stdout, true);
  r->failed_expect |= proofs_refuted(r->s);
  session_render(r->s);
  return write_reports(r);
}

int runner_run(Runner *r) {
  const Model *m = r->s->model;
  RtError err = {{0}};
  open_now = r->run;
  catch_signals();
  describe_run(r);
  if (!rt_run_status(r->run, "running", &err)) return fail(r, &err);
  int code = r->from ? 0 : prove(r);
  for (uint32_t i = 0; !code && i < m->naction; i++) {
    code = run_action(r, i);
    if (!code && interrupted) code = -1;
  }
  return finish(r, code);
}

void runner_hash(const Source *src, const Options *o, char *out) {
  XXH3_state_t *state = XXH3_createState();
  XXH3_128bits_reset(state);
  for (uint32_t k = 1; k <= src->files.n; k++) {
    const SourceFile *f = source_file(src, k);
    XXH3_128bits_update(state, &f->len, sizeof f->len);
    XXH3_128bits_update(state, f->text, f->len);
  }
  for (uint32_t i = 0; i < o->override_.n; i++) XXH3_128bits_update(state, o->override_.at[i], strlen(o->override_.at[i]) + 1);
  XXH3_128bits_update(state, &o->seed, sizeof o->seed);
  XXH3_128bits_update(state, &o->opt, sizeof o->opt);
  XXH128_hash_t h = XXH3_128bits_digest(state);
  XXH3_freeState(state);
  snprintf(out, 40, "%016" PRIx64 "%016" PRIx64, (uint64_t)h.high64, (uint64_t)h.low64);
}

/* The sources of everything that makes numbers: see tools/generation.py. */
void runner_build(char out[BUILD_TEXT]) {
  const char *part[] = {cg_version(), pass_decide_version(), kept_version(), RUNTIME_GENERATION};
  XXH3_state_t *state = XXH3_createState();
  XXH3_128bits_reset(state);
  for (size_t i = 0; i < sizeof part / sizeof *part; i++) XXH3_128bits_update(state, part[i], strlen(part[i]) + 1);
  XXH128_hash_t h = XXH3_128bits_digest(state);
  XXH3_freeState(state);
  snprintf(out, BUILD_TEXT, "%016" PRIx64, (uint64_t)h.high64);
}

/* Imported files as they were: sources/1-NAME.hnn, ...; those of the library are the command's own. */
static bool keep_sources(Runner *r, RtError *err) {
  const Source *src = r->s->src;
  bool ok = true;
  for (uint32_t k = 2, n = 1; ok && k <= src->files.n; k++) {
    const SourceFile *f = source_file(src, k);
    if (!f->loaded) continue;
    const char *slash = strrchr(f->name, '/');
    ok = rt_run_write(r->run, "sources", arena_printf(r->s->model->mem, "%u-%s", n++, slash ? slash + 1 : f->name), f->text, f->len,
                      err);
  }
  return ok;
}

void runner_close(Runner *r) {
  open_now = NULL;
  rt_checkpoint_finish(r->from);
  rt_run_destroy(r->run);
  free(r->result);
  free(r->holds);
  free(r->judged);
}

static int open_run(Runner *r, const Options *o) {
  Session *s = r->s;
  RtError err = {{0}};
  const SourceFile *f = source_file(s->src, 1);
  runner_hash(s->src, o, r->hash);
  r->run = rt_run_create("runs", s->model->name, o->out, f->text, f->len, &err);
  open_now = r->run;
  catch_signals();
  if (!r->run || !keep_sources(r, &err)) return session_fail(s, EXIT_IO, CODE_output, (Span){0}, "%s", err.text);
  if (!o->quiet) fprintf(stderr, "%s: %s\n", s->model->path, rt_run_dir(r->run));
  return 0;
}

int command_run(const Options *o) {
  Session s;
  Runner r = {.s = &s};
  int code = session_open(&s, o);
  if (!code) code = open_run(&r, o);
  if (!code) {
    r.result = calloc(s.model->naction + 1, sizeof *r.result);
    r.holds = calloc(s.model->naction + 1, sizeof *r.holds);
    r.judged = calloc(s.model->naction + 1, sizeof *r.judged);
    code = runner_run(&r);
  }
  if (o->time_passes) pass_times_print(&s.passes, stderr);
  runner_close(&r);
  session_close(&s);
  return code;
}
