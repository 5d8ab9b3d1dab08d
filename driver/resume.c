/* `hnnc resume DIR`: goes on where a run stopped, bit for bit: the model, the overrides and the seed are
 * the run's own, the parameters and the optimizer those of its last checkpoint. */
#include "driver/runner.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int complain(const char *text) {
  fprintf(stderr, "error: %s\n", text);
  return EXIT_IO;
}

/* What the run was started with, from its manifest; --threads and -q are this command's. */
static Options options_of_run(const RtRun *run, const Options *o) {
  Options out = *o;
  const json_t *overrides = rt_run_get(run, "overrides"), *seed = rt_run_get(run, "seed"), *text;
  size_t i;
  out.file = json_string_value(rt_run_get(run, "model"));
  out.seed = seed ? (uint64_t)json_integer_value(seed) : 0;
  memset(&out.override_, 0, sizeof out.override_);
  json_array_foreach((json_t *)overrides, i, text)
    if (json_is_string(text)) *vec_push(&out.override_) = json_string_value(text);
  return out;
}

static int take_params(Runner *r) {
  const Model *m = r->s->model;
  size_t size = m->f64 ? sizeof(double) : sizeof(float);
  for (uint32_t k = 0; k < m->nparam; k++) {
    const Param *p = &m->param[k];
    RtArray *a = &r->s->param[k];
    Type one = param_turn_type(p);
    size_t bytes = (size_t)type_count(one) * size;
    for (int64_t turn = 0; turn < param_turns(p); turn++) {
      char *path = param_turn_path(p, turn);
      const RtTensor *t = rt_checkpoint_tensor(r->from, path);
      bool fits = t && t->f64 == a->f64 && t->rank == one.rank && !memcmp(t->dim, one.dim, sizeof(uint32_t) * one.rank);
      if (!fits)
        session_fail(r->s, EXIT_IO, (Span){0}, "the checkpoint in `%s` does not hold the parameter `%s`", rt_run_dir(r->run), path);
      free(path);
      if (!fits) return EXIT_IO;
      memcpy((char *)a->v + (size_t)turn * bytes, t->v, bytes);
    }
  }
  return 0;
}

/* JSON has no NaN: it was written as null. */
static double number_of(const json_t *x, const char *key) {
  const json_t *v = json_object_get(x, key);
  return json_is_number(v) ? json_number_value(v) : NAN;
}

/* Reports made before the training at hand: they cannot be made again with today's parameters. */
static void take_reports(Runner *r) {
  char *path = rt_run_path(r->run, "reports.json");
  json_t *root = path ? json_load_file(path, 0, NULL) : NULL, *reports = json_object_get(root, "reports");
  const Model *m = r->s->model;
  for (uint32_t i = 0; i < m->naction && (int)i < r->at.action; i++) {
    if (m->action[i].kind != DO_REPORT) continue;
    const json_t *x = json_object_get(reports, m->action[i].report->name);
    if (!x) continue;
    ReportResult *got = &r->result[report_number(m, m->action[i].report)];
    *got = (ReportResult){number_of(x, "mean"), number_of(x, "sd"), number_of(x, "min"), number_of(x, "max"),
                          json_integer_value(json_object_get(x, "n")), true};
    r->not_finite |= !isfinite(got->mean);
  }
  json_decref(root);
  free(path);
}

static int go_on(Runner *r, const Options *o) {
  Session *s = r->s;
  RtError err = {{0}};
  const SourceFile *f = source_file(s->src, 1);
  runner_hash(f->text, f->len, o, r->hash);
  const json_t *hash = rt_run_get(r->run, "model_hash");
  if (!hash || strcmp(json_string_value(hash), r->hash))
    return session_fail(s, EXIT_IO, (Span){0}, "`%s/model.hnn` is not what the run was started with: start a new run",
                        rt_run_dir(r->run));
  char data[40];
  data_fingerprint(s, data);
  const json_t *was = rt_run_get(r->run, "data_hash");
  if (!was || strcmp(json_string_value(was), data))
    return session_fail(s, EXIT_IO, (Span){0}, "the data that `%s` reads are not what the run was started with: put them "
                        "back, or start a new run", s->model->path);
  r->result = calloc(s->model->naction + 1, sizeof *r->result);
  r->holds = calloc(s->model->naction + 1, sizeof *r->holds);
  r->judged = calloc(s->model->naction + 1, sizeof *r->judged);
  r->from = rt_run_resume(r->run, &r->at, &err);
  if (!r->from) return session_fail(s, EXIT_IO, (Span){0}, "%s", err.text);
  if (strcmp(r->at.model_hash, r->hash))
    return session_fail(s, EXIT_IO, (Span){0}, "the checkpoint in `%s` is of another model", rt_run_dir(r->run));
  int code = take_params(r);
  if (code) return code;
  take_reports(r);
  if (!rt_run_metrics_trim(r->run, r->at.action, r->at.step, &err)) return session_fail(s, EXIT_IO, (Span){0}, "%s", err.text);
  return runner_run(r);
}

int command_resume(const Options *o) {
  RtError err = {{0}};
  RtRun *run = rt_run_reopen(o->file, &err);
  if (!run) return complain(err.text);
  char *path = rt_run_path(run, "model.hnn"), *text = NULL;
  size_t len = 0;
  FILE *f = path ? fopen(path, "rb") : NULL;
  if (f) {
    size_t cap = 0;
    ssize_t got = getdelim(&text, &cap, EOF, f);   /* the text has no byte 255: it is UTF-8 */
    len = got > 0 ? (size_t)got : 0;
    fclose(f);
  }
  Options with = options_of_run(run, o);
  if (!text || !with.file) {
    fprintf(stderr, "error: `%s` is not a run that can be resumed: %s\n", o->file, text ? "its manifest names no model"
                                                                                       : "model.hnn is missing");
    rt_run_destroy(run);
    return free(path), free(text), EXIT_IO;
  }
  Session s;
  Runner r = {.s = &s, .run = run};
  int code = session_open_text(&s, &with, text, len);
  if (!code) code = go_on(&r, &with);
  rt_checkpoint_finish(r.from);
  rt_run_destroy(run);
  session_close(&s);
  vec_free(&with.override_);
  free(r.result), free(r.holds), free(r.judged), free(path), free(text);
  return code;
}
