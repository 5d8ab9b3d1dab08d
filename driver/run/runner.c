/* See runner.h. */
#include "driver/run/runner_priv.h"
#include "driver/run/save.h"
#include "driver/session/proofs.h"
#include "driver/session/data.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int runner_fail(Runner *r, const RtError *err) { return session_fail(r->s, EXIT_IO, CODE_output, (Span){0}, "%s", err->text); }

/* Of several ranks: what all know. */
bool runner_stopped(const Runner *r) {
  if (r->s->ranks) return r->s->ranks->stopping;
  return r->on.stop && __atomic_load_n(r->on.stop, __ATOMIC_RELAXED);
}

/* ---- reports and expectations -------------------------------------------------------------------------- */

static RtReport record_report(Arena *mem, const Report *report, const ReportResult *x) {
  RtStatistic *asked = ARENA_ARRAY(mem, RtStatistic, report->nasked + 1);
  const Type t = report_type(report);
  char text[STAT_TEXT];
  for (uint32_t k = 0; k < report->nasked; k++) {
    const Type of = stat_type(&(ReportUse){(Report *)report, report->asked[k]});
    asked[k] = (RtStatistic){arena_strdup(mem, report_stat_text(report->asked[k], text)), x->asked + (size_t)k * x->elems, of.rank,
                             type_count(of)};
  }
  RtReport r = {report->name, t.rank, {0}, x->elems, x->mean, x->sd, x->min, x->max, x->n, asked, (int)report->nasked};
  memcpy(r.dim, t.dim, sizeof *t.dim * t.rank);
  return r;
}

int runner_write_reports(Runner *r) {
  const Model *m = r->s->model;
  if (!r->run) return 0;
  RtReport *report = base_zeroed(m->naction, sizeof *report);
  RtExpect *expect = base_zeroed(m->naction, sizeof *expect);
  int nreport = 0, nexpect = 0;
  Arena *mem = arena_create();
  RtError err = {{0}};
  for (uint32_t i = 0; i < m->naction; i++) {
    const Action *a = &m->action[i];
    if (a->kind == DO_REPORT) {
      const ReportResult *x = &r->result[report_number(m, a->report)];
      if (x->made) report[nreport++] = record_report(mem, a->report, x);
    }
    if (a->kind == DO_EXPECT && r->judged[i]) expect[nexpect++] = (RtExpect){a->expect->text, r->holds[i]};
  }
  bool ok = rt_run_reports(r->run, report, nreport, expect, nexpect, proofs_list(r->s), (int)m->nproof, &err);
  rt_run_set(r->run, "reported", json_integer(nreport + nexpect));
  arena_destroy(mem);
  base_free(report);
  base_free(expect);
  return ok ? 0 : runner_fail(r, &err);
}

static int run_report(Runner *r, const Report *report) {
  ReportResult *x = &r->result[report_number(r->s->model, report)];
  int code = report_run(r->s, report, r->result, x);
  if (code) return code;
  x->made = true;
  r->not_finite |= !report_finite(report, x);
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
  if (x->film) json_object_set_new(entry, "gif", json_true());
  if (p->caption) json_object_set_new(entry, "caption", json_string(p->caption));
  if (!x->drawn) json_object_set_new(entry, x->nothing ? "nothing" : "why", json_string(x->why));
  if (!x->drawn && x->not_finite) json_object_set_new(entry, "not_finite", json_true());
  if (r->on.plot) r->on.plot(r->on.ctx, p, x);
  return rt_run_status(r->run, "running", &err) ? 0 : runner_fail(r, &err);
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
  else {
    RtArray stats = report_inputs(r->s, p->use, p->nuse, r->result);
    code = plot_run(r->s, r->run, p, &stats, &x);
    rt_array_finish(&stats);
  }
  r->not_finite |= x.not_finite;
  return code ? code : note_plot(r, p, &x);
}

/* ---- arrays -------------------------------------------------------------------------------------------- */

/* What is older than the checkpoint cannot be made again. */
static int run_save(Runner *r, const Action *a, bool done) {
  if (!r->run) return 0;
  if (!done) {
    int code = save_run(r->s, r->run, a->save, r->result, a->at);
    if (!code && r->on.save) r->on.save(r->on.ctx, a->save);
    return code;
  }
  char *path = rt_run_arrays_path(r->run, a->save->name);
  const bool there = path && access(path, R_OK) == 0;
  free(path);
  return there ? 0
               : session_fail(r->s, EXIT_IO, CODE_resume, a->at,
                              "`%s/arrays/%s.npz` is missing, and was written with parameters from before the checkpoint: restore "
                              "it, or start a new run",
                              rt_run_dir(r->run), a->save->name);
}

/* ---- the whole file ---------------------------------------------------------------------------------------- */

static int run_action(Runner *r, uint32_t i) {
  const Action *a = &r->s->model->action[i];
  bool done = r->from && (int)i < r->at.action;
  switch (a->kind) {
  case DO_TRAIN: return done ? 0 : runner_train(r, a->train, (int)i);
  case DO_REPORT: return done && r->result[report_number(r->s->model, a->report)].made ? 0 : run_report(r, a->report);
  case DO_EXPECT: return run_expect(r, a->expect, i);
  case DO_PLOT: return run_plot(r, a->plot, done);
  case DO_DATA: return made_run(r, a->data, (int)i, done);
  case DO_SAVE: return run_save(r, a, done);
  }
  return 0;
}

/* Steps of adaptive methods since `before`, in the manifest under what took them. */
static void note_steps(Runner *r, const char *what, const char *name, double before[2]) {
  double now[2];
  rt_pool_steps(r->s->pool, now);
  const double taken = now[0] - before[0], rejected = now[1] - before[1];
  memcpy(before, now, sizeof now);
  if (!r->run || (taken == 0 && rejected == 0)) return;
  if (!rt_run_get(r->run, "adaptive_steps")) rt_run_set(r->run, "adaptive_steps", json_object());
  char key[256];
  snprintf(key, sizeof key, "%s%s%s", what, name ? " " : "", name ? name : "");
  json_t *entry = json_object();
  json_object_set_new(entry, "taken", json_integer((json_int_t)taken));
  json_object_set_new(entry, "rejected", json_integer((json_int_t)rejected));
  json_object_set_new((json_t *)rt_run_get(r->run, "adaptive_steps"), key, entry);
}

static void note_action(Runner *r, const Action *a, double before[2]) {
  switch (a->kind) {
  case DO_TRAIN: note_steps(r, "train", NULL, before); break;
  case DO_REPORT: note_steps(r, "report", a->report->name, before); break;
  case DO_PLOT: note_steps(r, "plot", a->plot->name, before); break;
  case DO_DATA: note_steps(r, "data", a->data->name, before); break;
  case DO_SAVE: note_steps(r, "save", a->save->name, before); break;
  case DO_EXPECT: break;
  }
}

/* What was decided when the file was compiled; a `prove` that does not hold fails the run at its end. */
static int prove(Runner *r) {
  if (!r->s->model->nproof) return 0;
  if (r->on.proofs) r->on.proofs(r->on.ctx);
  r->failed_expect |= proofs_refuted(r->s);
  session_render(r->s);
  return runner_write_reports(r);
}

void runner_waited(Runner *r) {
  if (!r->run || rt_run_get(r->run, "seconds_compiling")) return;
  rt_run_set(r->run, "seconds_compiling", json_real(r->s->compiling));
  rt_run_set(r->run, "seconds_making_data", json_real(r->s->making_data));
}

/* Of this rank: how many, how long they took (with waiting for the others), what was sent. */
static void note_exchanges(Runner *r) {
  const RtRanks *ranks = r->s->ranks;
  json_t *o = json_object();
  json_object_set_new(o, "count", json_integer((json_int_t)ranks->heard));
  json_object_set_new(o, "seconds", json_real(ranks->waited));
  json_object_set_new(o, "bytes", json_integer((json_int_t)ranks->sent));
  rt_run_set(r->run, "exchanges", o);
}

static int finish(Runner *r, int code) {
  RtError err = {{0}};
  const bool failed = r->failed_expect || r->not_finite;
  const char *status = code == RUN_STOPPED ? "stopped" : code || failed ? "failed" : "done";
  runner_waited(r);
  if (r->run) rt_run_set(r->run, "seconds", json_real(pass_now() - r->s->started));
  if (r->run && r->s->ranks) note_exchanges(r);
  if (r->run && !rt_run_status(r->run, status, &err) && code <= 0) return runner_fail(r, &err);
  return code ? code : failed ? EXIT_NUMBERS : 0;
}

int runner_run(Runner *r) {
  const Model *m = r->s->model;
  RtError err = {{0}};
  RtRanks *ranks = r->s->ranks;
  if (ranks) ranks->asked = r->on.stop, ranks->stopping = false;
  if (r->run) rt_run_set(r->run, "why", NULL), record_run(r);
  if (r->run && !rt_run_status(r->run, "running", &err)) return runner_fail(r, &err);
  int code = r->from ? 0 : prove(r);
  double steps[2] = {0, 0};
  note_steps(r, "data", NULL, steps); /* made before anything else */
  for (uint32_t i = 0; !code && i < m->naction; i++) {
    code = run_action(r, i);
    note_action(r, &m->action[i], steps);
    if (!code && ranks) rt_ranks_agree(ranks);
    if (!code && runner_stopped(r)) code = RUN_STOPPED;
  }
  return finish(r, code);
}

void runner_init(Runner *r, Session *s, RtRun *run) {
  const uint32_t n = s->model->naction;
  *r = (Runner){.s = s,
                .run = run,
                .result = report_results(s->model),
                .holds = base_zeroed(n, sizeof *r->holds),
                .judged = base_zeroed(n, sizeof *r->judged)};
}

void runner_close(Runner *r) {
  rt_checkpoint_finish(r->from);
  rt_run_destroy(r->run);
  if (r->s) report_results_free(r->s->model, r->result);
  base_free(r->holds);
  base_free(r->judged);
  *r = (Runner){0};
}
