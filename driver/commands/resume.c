/* `hnnc resume DIR`: goes on where a run stopped, bit for bit: the model, the overrides and the seed are
 * the run's own, the parameters and the optimizer those of its last checkpoint. */
#include "driver/commands/commands_priv.h"
#include "driver/commands/terminal_priv.h"
#include "driver/session/data.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A refusal before there is a session, in the style of the others. */
static int refuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int refuse(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fprintf(stderr, "error[%s]: ", diag_code_name(CODE_resume));
  vfprintf(stderr, fmt, ap);
  fputc('\n', stderr);
  va_end(ap);
  return EXIT_IO;
}

/* Whether the manifest has what a run needs to go on, each of its kind: what is edited or damaged is met here. */
static bool manifest_fits(const RtRun *run) {
  static const struct {
    const char *key;
    json_type type;
    bool must;
  } want[] = {{"model", JSON_STRING, true},    {"model_hash", JSON_STRING, true}, {"data_hash", JSON_STRING, true},
              {"build", JSON_STRING, true},    {"hnnc", JSON_STRING, true},       {"cpu", JSON_STRING, true},
              {"overrides", JSON_ARRAY, true}, {"seed", JSON_INTEGER, true},      {"plots", JSON_ARRAY, false}};
  static const char *const kind[] = {"an object", "a list", "a text", "a whole number"};
  size_t k;
  json_t *x;
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    const json_t *v = rt_run_get(run, want[i].key);
    if (!v && !want[i].must) continue;
    if (v && json_typeof(v) == want[i].type) continue;
    refuse("%s/manifest.json is damaged: `%s` should be %s%s", rt_run_dir(run), want[i].key, kind[want[i].type],
           v ? "" : ", and is missing");
    return false;
  }
  json_array_foreach((json_t *)rt_run_get(run, "overrides"), k, x) if (!json_is_string(x)) break;
  bool texts = k == json_array_size(rt_run_get(run, "overrides"));
  json_array_foreach((json_t *)rt_run_get(run, "plots"), k, x) if (!json_is_object(x)) break;
  if (texts && k == json_array_size(rt_run_get(run, "plots"))) return true;
  refuse("%s/manifest.json is damaged: `%s` should hold %s", rt_run_dir(run), texts ? "plots" : "overrides",
         texts ? "objects" : "texts");
  return false;
}

/* What the run was started with, from its manifest; --threads and -q are this command's. */
static Options options_of_run(const RtRun *run, const Options *o) {
  Options out = *o;
  const json_t *text;
  size_t i;
  out.file = json_string_value(rt_run_get(run, "model"));
  out.seed = (uint64_t)json_integer_value(rt_run_get(run, "seed"));
  memset(&out.override_, 0, sizeof out.override_);
  json_array_foreach((json_t *)rt_run_get(run, "overrides"), i, text) * vec_push(&out.override_) = json_string_value(text);
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
        session_fail(r->s, EXIT_IO, CODE_resume, (Span){0}, "the checkpoint in `%s` does not hold the parameter `%s`",
                     rt_run_dir(r->run), path);
      base_free(path);
      if (!fits) return EXIT_IO;
      memcpy((char *)a->v + (size_t)turn * bytes, t->v, bytes);
    }
  }
  return 0;
}

/* JSON has no NaN: it was written as null. */
/* One number, or a list of n: what is not there is NaN. */
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

/* Reports made before the training at hand: they cannot be made again with today's parameters. */
static int take_reports(Runner *r) {
  char *path = rt_run_path(r->run, "reports.json");
  json_t *root = path ? json_load_file(path, 0, NULL) : NULL, *reports = json_object_get(root, "reports");
  const Model *m = r->s->model;
  const char *missing = NULL;
  for (uint32_t i = 0; !missing && i < m->naction && (int)i < r->at.action; i++) {
    if (m->action[i].kind != DO_REPORT) continue;
    const json_t *x = json_object_get(reports, m->action[i].report->name);
    if (!json_is_object(x)) missing = m->action[i].report->name;
    ReportResult *got = &r->result[report_number(m, m->action[i].report)];
    take_report(m->action[i].report, x, got);
    r->not_finite |= !report_finite(m->action[i].report, got);
  }
  json_decref(root);
  char hash[REPORTS_HASH];
  reports_hash(m, r->result, r->at.action, hash);
  int code = !missing && strcmp(hash, r->at.reports)
                 ? session_fail(r->s, EXIT_IO, CODE_resume, (Span){0},
                                "`%s` has changed since it was written, and "
                                "reports made before the checkpoint are taken from it: put it back, or start a new run",
                                path)
             : missing ? session_fail(r->s, EXIT_IO, CODE_resume, (Span){0},
                                      "`%s` does not have the report `%s`, which was made before the checkpoint: "
                                      "start a new run",
                                      path, missing)
                       : 0;
  free(path);
  return code;
}

static const char *text_of(const Runner *r, const char *key) { return json_string_value(rt_run_get(r->run, key)); }

/* Imported files lie in sources/, if there were others than those of the library. */
static int changed_model(const Runner *r) {
  const char *dir = rt_run_dir(r->run);
  char *sources = rt_run_path(r->run, "sources");
  const bool kept = sources && access(sources, F_OK) == 0;
  free(sources);
  if (!kept)
    return session_fail(r->s, EXIT_IO, CODE_resume, (Span){0},
                        "`%s/model.hnn` is not what the run was started with: put it back, or start "
                        "a new run",
                        dir);
  return session_fail(r->s, EXIT_IO, CODE_resume, (Span){0},
                      "`%s/model.hnn`, or a file that it imports, is not what the run was started "
                      "with (`%s/sources/` has what it imported then): put it back, or start a new run",
                      dir, dir);
}

/* Whatever decides the numbers must be what it was. The processor decides the last digits alone. */
static int same_as_started(Runner *r) {
  Session *s = r->s;
  const CgName host = cg_host_cpu();
  const char *dir = rt_run_dir(r->run), *cpu = s->opt->cpu ? s->opt->cpu : host.text;
  char data[40], build[BUILD_TEXT];
  data_fingerprint(s, data);
  runner_build(build);
  if (strcmp(text_of(r, "build"), build))
    return session_fail(s, EXIT_IO, CODE_resume, (Span){0},
                        "`%s` was started by another build of hnnc (%s, this is " HNNC_VERSION "): resume it with "
                        "that one, or start a new run",
                        dir, text_of(r, "hnnc"));
  if (strcmp(text_of(r, "model_hash"), r->hash)) return changed_model(r);
  if (strcmp(text_of(r, "data_hash"), data))
    return session_fail(s, EXIT_IO, CODE_resume, (Span){0},
                        "the data that `%s` reads are not what the run was started with: put them "
                        "back, or start a new run",
                        s->model->path);
  if (strcmp(text_of(r, "cpu"), cpu))
    fprintf(stderr,
            "warning: `%s` was started on %s, this is %s: the last digits will differ from those of a run that was not "
            "stopped\n",
            dir, text_of(r, "cpu"), cpu);
  return 0;
}

static int go_on(Runner *r, const Options *o) {
  Session *s = r->s;
  RtError err = {{0}};
  runner_hash(s->src, o, r->hash);
  int code = same_as_started(r);
  if (code) return code;
  const char *status = text_of(r, "status");
  const bool ended = !status || !strcmp(status, "done") || !strcmp(status, "failed");
  if (!ended && !rt_run_begun(r->run)) { /* all of it anew */
    if (!rt_run_metrics_trim(r->run, 0, 0, &err)) return session_fail(s, EXIT_IO, CODE_resume, (Span){0}, "%s", err.text);
    return terminal_run(r);
  }
  r->from = rt_run_resume(r->run, &r->at, &err);
  if (!r->from) return session_fail(s, EXIT_IO, CODE_resume, (Span){0}, "%s", err.text);
  if (strcmp(r->at.model_hash, r->hash))
    return session_fail(s, EXIT_IO, CODE_resume, (Span){0}, "the checkpoint in `%s` is of another model", rt_run_dir(r->run));
  if ((code = take_params(r)) || (code = take_reports(r))) return code;
  if (!rt_run_metrics_trim(r->run, r->at.action, r->at.step, &err))
    return session_fail(s, EXIT_IO, CODE_resume, (Span){0}, "%s", err.text);
  return terminal_run(r);
}

int command_resume(const Options *o) {
  RtError err = {{0}};
  RtRun *run = rt_run_reopen(o->file, &err);
  if (!run) return refuse("%s", err.text);
  if (!manifest_fits(run)) return rt_run_destroy(run), EXIT_IO;
  char *path = rt_run_path(run, "model.hnn"), *text = NULL;
  size_t len = 0;
  FILE *f = path ? fopen(path, "rb") : NULL;
  if (f) {
    size_t cap = 0;
    ssize_t got = getdelim(&text, &cap, EOF, f); /* the text has no byte 255: it is UTF-8 */
    len = got > 0 ? (size_t)got : 0;
    fclose(f);
  }
  Options with = options_of_run(run, o);
  if (!text) {
    refuse("`%s` is not a run that can be resumed: model.hnn is missing", o->file);
    rt_run_destroy(run);
    return free(path), free(text), EXIT_IO;
  }
  Session s;
  Runner r = {.run = run};
  int code = session_open_text(&s, &with, text, len);
  if (!code) runner_init(&r, &s, run), code = go_on(&r, &with);
  terminal_close(&r);
  session_close(&s);
  vec_free(&with.override_);
  free(path), free(text);
  return code;
}
