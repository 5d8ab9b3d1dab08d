/* See runner.h. */
#include "driver/run/runner.h"
#include "driver/run/nan_train.h"
#include "driver/session/proofs.h"
#include "driver/session/data.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int fail(Runner *r, const RtError *err) { return session_fail(r->s, EXIT_IO, CODE_output, (Span){0}, "%s", err->text); }

/* ---- training --------------------------------------------------------------------------------------- */

typedef struct Watch {
  Runner *r;
  Trainer *t;
  int action, code;
  bool test_lost;
  RtError err;
} Watch;

static bool on_test(void *ctx) {
  Watch *w = ctx;
  w->code = trainer_mean(w->r->s, w->t);
  return !w->code;
}

static RunStep where(const Watch *w, int64_t step) {
  return (RunStep){.name = w->t->spec->name,
                   .action = w->action,
                   .step = step,
                   .steps = w->t->rt.steps,
                   .loss = NAN,
                   .test = NAN,
                   .lr = NAN,
                   .tested = w->t->spec->test != NULL};
}

static bool on_progress(void *ctx, int64_t step, double loss, double test, double lr, double samples_per_s) {
  Watch *w = ctx;
  Runner *r = w->r;
  const RtMetric m = {w->t->spec->name, w->action, step, loss, test, lr, samples_per_s};
  RunStep at = where(w, step);
  at.loss = loss, at.test = test, at.lr = lr, at.samples_per_s = samples_per_s;
  if (r->on.step) r->on.step(r->on.ctx, &at);
  if (w->t->spec->test && !isfinite(test) && !w->test_lost) {
    if (r->on.interrupts) r->on.interrupts(r->on.ctx);
    nan_test(r->s, w->t, step);
    w->test_lost = r->not_finite = true;
  }
  return !r->run || rt_run_metric(r->run, &m, &w->err);
}

/* One turn of a stack, or all that there is. */
static RtTensor turn_tensor(Arena *mem, const Param *p, int64_t turn, const RtArray *a) {
  Type t = param_turn_type(p);
  char *path = param_turn_path(p, turn);
  size_t bytes = (size_t)type_count(t) * (a->f64 ? sizeof(double) : sizeof(float));
  RtTensor r = {.name = arena_strdup(mem, path), .f64 = a->f64, .rank = t.rank, .v = (char *)a->v + (size_t)turn * bytes};
  memcpy(r.dim, t.dim, sizeof t.dim);
  base_free(path);
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

static bool stopped(const Runner *r) { return r->on.stop && __atomic_load_n(r->on.stop, __ATOMIC_RELAXED); }

static int judge_training(Runner *r, Watch *w, RtStatus status, const RtError *err) {
  if (w->code) return w->code;
  switch (status) {
  case RT_DONE: return 0;
  case RT_STOPPED: return stopped(r) ? RUN_STOPPED : fail(r, &w->err);
  case RT_NOT_FINITE: return nan_hunt(r->s, w->t, err->text);
  default: return fail(r, w->err.text[0] ? &w->err : err);
  }
}

/* From the start of the process; what of it the command waited for the compiler, and for the data. */
static void first_step_times(Runner *r) {
  if (!r->run || rt_run_get(r->run, "seconds_to_first_step")) return;
  rt_run_set(r->run, "seconds_to_first_step", json_real(pass_now() - r->s->started));
  rt_run_set(r->run, "seconds_compiling", json_real(r->s->compiling));
  rt_run_set(r->run, "seconds_making_data", json_real(r->s->making_data));
}

/* 0 done, RUN_STOPPED, else the exit code. */
static int run_train(Runner *r, const Train *spec, int action) {
  Trainer t;
  int code = trainer_open(r->s, spec, &t);
  Watch w = {.r = r, .t = &t, .action = action};
  RtError err = {{0}};
  if (!code && r->from && r->at.action == action) code = restore(r, &t);
  if (code) return trainer_close(&t), code;
  first_step_times(r);
  t.rt.test_ready = on_test;
  t.rt.progress = on_progress;
  t.rt.checkpoint = r->run ? on_checkpoint : NULL;
  t.rt.ctx = &w;
  t.rt.checkpoint_seconds = 10;
  t.rt.stop = r->on.stop;
  const RunStep first = where(&w, t.rt.step);
  if (r->on.begins) r->on.begins(r->on.ctx, &first);
  RtStatus status = rt_train(&t.rt, &err);
  if (r->on.ends) r->on.ends(r->on.ctx);
  trainer_publish(r->s, &t);
  code = judge_training(r, &w, status, &err);
  r->steps_before += t.rt.steps;
  trainer_close(&t);
  return code;
}

/* ---- reports and expectations -------------------------------------------------------------------------- */

int runner_write_reports(Runner *r) {
  const Model *m = r->s->model;
  if (!r->run) return 0;
  RtReport *report = base_zeroed(m->naction, sizeof *report);
  RtExpect *expect = base_zeroed(m->naction, sizeof *expect);
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
  base_free(report);
  base_free(expect);
  return ok ? 0 : fail(r, &err);
}

static int run_report(Runner *r, const Report *report) {
  ReportResult *x = &r->result[report_number(r->s->model, report)];
  int code = report_run(r->s, report, x);
  if (code) return code;
  x->made = true;
  r->not_finite |= !isfinite(x->mean);
  if (r->on.report) r->on.report(r->on.ctx, report, x);
  return runner_write_reports(r);
}

static int run_expect(Runner *r, const Expect *e, uint32_t action) {
  int code = expect_run(r->s, e, r->result, &r->holds[action]);
  if (code) return code;
  r->judged[action] = true;
  r->failed_expect |= !r->holds[action];
  if (r->on.expect) r->on.expect(r->on.ctx, e, r->holds[action]);
  return runner_write_reports(r);
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

static int note_plot(Runner *r, const Plot *p, const PlotResult *x) {
  RtError err = {{0}};
  json_t *entry = new_plot_entry(r, p);
  json_object_set_new(entry, "svg", json_boolean(x->drawn));
  if (!x->drawn) json_object_set_new(entry, x->nothing ? "nothing" : "why", json_string(x->why));
  if (!x->drawn && x->not_finite) json_object_set_new(entry, "not_finite", json_true());
  if (r->on.plot) r->on.plot(r->on.ctx, p, x);
  return rt_run_status(r->run, "running", &err) ? 0 : fail(r, &err);
}

/* One that is older than the checkpoint is drawn again only from its own numbers. */
static int run_plot(Runner *r, const Plot *p, bool done) {
  const json_t *entry = done && r->run ? plot_entry(r, p->name) : NULL;
  PlotResult x = {0};
  int code = 0;
  if (!r->run) return 0;
  if (json_is_true(json_object_get(entry, "svg"))) return 0;
  const char *nothing = json_string_value(json_object_get(entry, "nothing"));
  if (nothing) {
    x.nothing = true;
    x.not_finite = json_is_true(json_object_get(entry, "not_finite"));
    snprintf(x.why, sizeof x.why, "%s", nothing);
  } else if (entry) plot_draw(r->run, p->name, &x);
  else code = plot_run(r->s, r->run, p, &x);
  r->not_finite |= x.not_finite;
  return code ? code : note_plot(r, p, &x);
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

/* What was decided when the file was compiled; a `prove` that does not hold fails the run at its end. */
static int prove(Runner *r) {
  if (!r->s->model->nproof) return 0;
  if (r->on.proofs) r->on.proofs(r->on.ctx);
  r->failed_expect |= proofs_refuted(r->s);
  session_render(r->s);
  return runner_write_reports(r);
}

static int finish(Runner *r, int code) {
  RtError err = {{0}};
  const bool failed = r->failed_expect || r->not_finite;
  const char *status = code == RUN_STOPPED ? "stopped" : code || failed ? "failed" : "done";
  if (r->run) rt_run_set(r->run, "seconds", json_real(pass_now() - r->s->started));
  if (r->run && !rt_run_status(r->run, status, &err) && code <= 0) return fail(r, &err);
  return code ? code : failed ? EXIT_NUMBERS : 0;
}

int runner_run(Runner *r) {
  const Model *m = r->s->model;
  RtError err = {{0}};
  if (r->run) record_run(r);
  if (r->run && !rt_run_status(r->run, "running", &err)) return fail(r, &err);
  int code = r->from ? 0 : prove(r);
  for (uint32_t i = 0; !code && i < m->naction; i++) {
    code = run_action(r, i);
    if (!code && stopped(r)) code = RUN_STOPPED;
  }
  return finish(r, code);
}

void runner_init(Runner *r, Session *s, RtRun *run) {
  const uint32_t n = s->model->naction;
  *r = (Runner){.s = s,
                .run = run,
                .result = base_zeroed(n, sizeof *r->result),
                .holds = base_zeroed(n, sizeof *r->holds),
                .judged = base_zeroed(n, sizeof *r->judged)};
}

void runner_close(Runner *r) {
  rt_checkpoint_finish(r->from);
  rt_run_destroy(r->run);
  base_free(r->result);
  base_free(r->holds);
  base_free(r->judged);
  *r = (Runner){0};
}
