/* See recorded.h. */
#include "driver/run/recorded.h"
#include "driver/run/runner.h"
#include "driver/session/data.h"
#include "driver/session/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *recorded_text(const RtRun *run, const char *key) { return json_string_value(rt_run_get(run, key)); }

/* ---- the manifest ------------------------------------------------------------------------------------------ */

static bool damaged(const RtRun *run, RtError *err, const char *key, const char *should, const char *more) {
  snprintf(err->text, sizeof err->text, "%.200s/manifest.json is damaged: `%s` should %s%s", rt_run_dir(run), key, should, more);
  return false;
}

static bool texts(const RtRun *run, const char *key) {
  const char *name;
  json_t *x;
  json_object_foreach((json_t *)rt_run_get(run, key), name, x) if (!json_is_string(x)) return false;
  return true;
}

/* Whether it has what a run needs, each of its kind: what is edited or damaged is met here. */
static bool manifest_fits(const RtRun *run, RtError *err) {
  static const struct {
    const char *key;
    json_type type;
    bool must;
  } want[] = {{"model", JSON_STRING, true},    {"model_hash", JSON_STRING, true}, {"data_hash", JSON_STRING, true},
              {"build", JSON_STRING, true},    {"hnnc", JSON_STRING, true},       {"cpu", JSON_STRING, true},
              {"overrides", JSON_ARRAY, true}, {"seed", JSON_INTEGER, true},      {"plots", JSON_ARRAY, false},
              {"sources", JSON_OBJECT, false}, {"files", JSON_OBJECT, false},     {"params", JSON_STRING, false}};
  static const char *const kind[] = {"be an object", "be a list", "be a text", "be a whole number"};
  size_t k;
  json_t *x;
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    const json_t *v = rt_run_get(run, want[i].key);
    if (!v && !want[i].must) continue;
    if (!v || json_typeof(v) != want[i].type)
      return damaged(run, err, want[i].key, kind[want[i].type], v ? "" : ", and is missing");
  }
  if (!texts(run, "sources")) return damaged(run, err, "sources", "hold texts", "");
  if (!texts(run, "files")) return damaged(run, err, "files", "hold texts", "");
  json_array_foreach((json_t *)rt_run_get(run, "overrides"), k, x) if (!json_is_string(x)) break;
  if (k < json_array_size(rt_run_get(run, "overrides"))) return damaged(run, err, "overrides", "hold texts", "");
  json_array_foreach((json_t *)rt_run_get(run, "plots"), k, x) if (!json_is_object(x)) break;
  return k == json_array_size(rt_run_get(run, "plots")) || damaged(run, err, "plots", "hold objects", "");
}

/* What the run was started with; --threads and -q are this command's. */
static Options options_of_run(const RtRun *run, const Options *o) {
  Options out = *o;
  const json_t *text;
  size_t i;
  out.file = recorded_text(run, "model");
  out.seed = (uint64_t)json_integer_value(rt_run_get(run, "seed"));
  memset(&out.override_, 0, sizeof out.override_);
  json_array_foreach((json_t *)rt_run_get(run, "overrides"), i, text) * vec_push(&out.override_) = json_string_value(text);
  return out;
}

bool recorded_open(Recorded *r, RtRun *run, const Options *o, RtError *err) {
  RtError why;
  *r = (Recorded){.run = run};
  if (!manifest_fits(run, err)) return false;
  r->opt = options_of_run(run, o);
  char *path = rt_run_path(run, "model.hnn");
  r->text = path ? rt_file_read(path, &r->len, &why) : NULL;
  free(path);
  if (!r->text)
    snprintf(err->text, sizeof err->text, "`%.200s` is not a run that can be resumed: model.hnn is missing", rt_run_dir(run));
  return r->text != NULL;
}

void recorded_close(Recorded *r) {
  vec_free(&r->opt.override_);
  for (uint32_t k = 0; k < r->import.n; k++) free(r->import.at[k]);
  vec_free(&r->import);
  free(r->text);
  rt_run_destroy(r->run);
  *r = (Recorded){0};
}

/* ---- imports ------------------------------------------------------------------------------------------------- */

static const char *import(void *ctx, const char *path, size_t *len) {
  Recorded *r = ctx;
  RtError why;
  const char *file = json_string_value(json_object_get(rt_run_get(r->run, "sources"), path));
  if (!file || strchr(file, '/')) return NULL;
  char *name = NULL, *at = asprintf(&name, "sources/%s", file) < 0 ? NULL : rt_run_path(r->run, name);
  char *text = at ? rt_file_read(at, len, &why) : NULL;
  if (text) *vec_push(&r->import) = text;
  free(at);
  free(name);
  return text;
}

void recorded_imports(Recorded *r) {
  if (json_object_size(rt_run_get(r->run, "sources"))) r->opt.text = import, r->opt.text_ctx = r;
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

/* The first file that does not hold what it held. */
static const char *changed_file(const RtRun *run) {
  char hash[DATA_HASH];
  const char *path, *then;
  json_t *x;
  json_object_foreach((json_t *)rt_run_get(run, "files"), path, x) {
    data_file_fingerprint(path, hash);
    if ((then = json_string_value(x)) && strcmp(then, hash) != 0) return path;
  }
  return NULL;
}

/* Runs of earlier versions have the hash of all files alone, which says nothing where a question reads files of its own. */
int recorded_data(Session *s, const RtRun *run, DiagCode kind, const char *or_else) {
  char data[DATA_HASH];
  const char *path = changed_file(run);
  if (path)
    return session_fail(s, EXIT_IO, kind, (Span){0}, "`%s`, which `%s` reads, has changed since the run started: restore it, %s",
                        path, s->model->path, or_else);
  if (s->opt->ask) return 0;
  data_fingerprint(s, NULL, NULL, data);
  if (!strcmp(recorded_text(run, "data_hash"), data)) return 0;
  return session_fail(s, EXIT_IO, kind, (Span){0}, "the data that `%s` reads have changed since the run started: restore them, %s",
                      s->model->path, or_else);
}

/* ---- parameters ---------------------------------------------------------------------------------------------- */

static bool trains(const Model *m) {
  for (uint32_t i = 0; i < m->naction; i++)
    if (m->action[i].kind == DO_TRAIN) return true;
  return false;
}

/* Its sources are those of the directory, but for the library, which another build may have changed: its numbers may differ then. */
static int same_model(Session *s, const Recorded *r, FILE *said) {
  char hash[40], build[BUILD_TEXT];
  runner_hash(s->src, s->opt, hash);
  runner_build(build);
  if (!strcmp(recorded_text(r->run, "model_hash"), hash)) return 0;
  if (!strcmp(recorded_text(r->run, "build"), build))
    return session_fail(s, EXIT_IO, CODE_weights, (Span){0},
                        "`%s/model.hnn`, or a file that it imports, has changed since the run started: restore it",
                        rt_run_dir(r->run));
  if (said)
    fprintf(said, "warning: %s was made by another build of hnnc (%s, this is " HNNC_VERSION "), whose library may differ\n",
            rt_run_dir(r->run), recorded_text(r->run, "hnnc"));
  return 0;
}

int recorded_weights(Session *s, const Recorded *r, const char *from, FILE *said) {
  const char *status = recorded_text(r->run, "status");
  RtError err = {{0}};
  char *path;
  int code = recorded_data(
      s, r->run, CODE_weights,
      arena_printf(s->model->mem, "run again, or pass the model file `%s` and the run with --params, to use the current files",
                   s->model->path));
  if (!code) code = same_model(s, r, said);
  if (code || !trains(s->model)) return code;
  RtCheckpoint *c = rt_weights_read(from, &path, &err);
  code = c ? weights_take(s, c, path) : session_fail(s, EXIT_IO, CODE_weights, (Span){0}, "%s", err.text);
  if (!code && said && status && strcmp(status, "done") && strcmp(status, "failed"))
    fprintf(said, "%s: the run is %s; its parameters are those of %s\n", rt_run_dir(r->run), status, path);
  rt_checkpoint_finish(c);
  free(path);
  return code;
}

/* A model that is not the run's has files of its own. */
static void tell_changed(const Session *s, const char *from, FILE *said) {
  RtError err;
  RtRun *run = rt_run_look(from, &err);
  const char *model = run ? recorded_text(run, "model") : NULL;
  const char *path = model && !strcmp(model, s->model->path) ? changed_file(run) : NULL;
  if (path)
    fprintf(said, "warning: `%s`, which `%s` reads, has changed since the parameters of `%s` were made\n", path, model, from);
  rt_run_destroy(run);
}

int recorded_load(Session *s, const char *from, FILE *said) {
  const int code = weights_load(s, from);
  if (!code && said) tell_changed(s, from, said);
  return code;
}

/* ---- reports ----------------------------------------------------------------------------------------------- */

/* One number, or a list of n. JSON has no NaN, which was written as null: what is not there is NaN. */
static void numbers_of(const json_t *x, const char *key, uint32_t n, bool list, double *out) {
  const json_t *all = json_object_get(x, key);
  for (uint32_t e = 0; e < n; e++) {
    const json_t *v = list ? json_array_get(all, e) : all;
    out[e] = json_is_number(v) ? json_number_value(v) : NAN;
  }
}

static void take_report(const Report *r, const json_t *x, ReportResult *out) {
  char text[STAT_TEXT];
  const bool list = report_type(r).rank > 0;
  report_result_room(r, out);
  numbers_of(x, "mean", out->elems, list, out->mean);
  numbers_of(x, "sd", out->elems, list, out->sd);
  numbers_of(x, "min", out->elems, list, out->min);
  numbers_of(x, "max", out->elems, list, out->max);
  for (uint32_t k = 0; k < r->nasked; k++) {
    const Type t = stat_type(&(ReportUse){(Report *)r, r->asked[k]});
    numbers_of(x, report_stat_text(r->asked[k], text), (uint32_t)type_count(t), t.rank > 0, out->asked + (size_t)k * out->elems);
  }
  out->n = json_integer_value(json_object_get(x, "n"));
  out->made = true;
}

const char *recorded_reports(const RtRun *run, const Model *m, int action, ReportResult *result) {
  char *path = rt_run_path(run, "reports.json");
  json_t *root = path ? json_load_file(path, 0, NULL) : NULL, *reports = json_object_get(root, "reports");
  const char *missing = NULL;
  for (uint32_t i = 0; i < m->naction && (int)i < action; i++) {
    if (m->action[i].kind != DO_REPORT) continue;
    const Report *report = m->action[i].report;
    const json_t *x = json_object_get(reports, report->name);
    if (json_is_object(x)) take_report(report, x, &result[report_number(m, report)]);
    else if (!missing) missing = report->name;
  }
  json_decref(root);
  free(path);
  return missing;
}
