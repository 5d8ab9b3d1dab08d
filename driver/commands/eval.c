/* `hnnc eval RUN FUNCTION [DATA]`: a function, a report or an expression of a trained model, on arrays of a file. */
#include "driver/commands/commands_priv.h"
#include "driver/run/eval.h"
#include "driver/run/recorded.h"
#include "driver/run/runner.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int refuse(DiagCode code, const char *text) {
  fprintf(stderr, "error[%s]: %s\n", diag_code_name(code), text);
  return EXIT_IO;
}

/* What the statistics of reports in the question are, of the run. */
static int take_reports(Session *s, const RtRun *run, ReportResult *results) {
  const Save *w = s->model->asked->save;
  if (run) recorded_reports(run, s->model, (int)s->model->naction, results);
  for (uint32_t k = 0; k < w->nuse; k++)
    if (!results[report_number(s->model, w->use[k].report)].made)
      return session_fail(s, EXIT_IO, CODE_weights, (Span){0}, "%s does not have the report `%s`",
                          run ? rt_run_dir(run) : s->model->path, w->use[k].report->name);
  return 0;
}

static int evaluate(Session *s, const RtRun *run, EvalData *d, const Options *o) {
  const Asked *a = s->model->asked;
  const int n = (int)a->save->fn->out.n;
  RtError err = {{0}};
  RtArray *array = base_zeroed((size_t)n, sizeof *array);
  ReportResult *results = report_results(s->model);
  int code = take_reports(s, run, results);
  if (!code) code = eval_run(s, d, results, o->seed, array);
  if (!code && !(s->ranks && s->ranks->rank) && !eval_write(array, n, (int)a->nlead, o->out, &err))
    code = session_fail(s, EXIT_IO, CODE_output, (Span){0}, "%s", err.text);
  for (int k = 0; k < n; k++) rt_array_finish(&array[k]);
  report_results_free(s->model, results);
  base_free(array);
  return code;
}

/* ---- of a file --------------------------------------------------------------------------------------------- */

static int of_file(const Options *o, EvalData *d) {
  Session s;
  int code = session_open(&s, o);
  if (!code && o->params) code = recorded_load(&s, o->params, o->quiet ? NULL : stderr);
  if (!code) code = evaluate(&s, NULL, d, o);
  if (o->time_passes) pass_times_print(&s.passes, stderr);
  session_close(&s);
  return code;
}

/* ---- of a run ---------------------------------------------------------------------------------------------- */

static int of_run(const Options *o, EvalData *d) {
  RtError err = {{0}};
  Recorded r;
  RtRun *run = rt_run_look(o->file, &err);
  if (!run) return refuse(CODE_weights, err.text);
  if (!recorded_open(&r, run, o, &err)) return recorded_close(&r), refuse(CODE_weights, err.text);
  recorded_imports(&r);
  Session s;
  int code = session_open_text(&s, &r.opt, r.text, r.len);
  if (!code) code = recorded_weights(&s, &r, o->params ? o->params : o->file, o->quiet ? NULL : stderr);
  if (!code) code = evaluate(&s, run, d, o);
  if (o->time_passes) pass_times_print(&s.passes, stderr);
  session_close(&s);
  recorded_close(&r);
  return code;
}

/* A model, a file's or of the standard input, and no folder or checkpoint. */
static bool is_model(const char *path) {
  struct stat st;
  const size_t n = strlen(path);
  return !strcmp(path, "-") || (n > 4 && !strcmp(path + n - 4, ".hnn") && (stat(path, &st) || !S_ISDIR(st.st_mode)));
}

int command_eval(const Options *o) {
  RtError err = {{0}};
  EvalData d;
  Options with = *o;
  if (!eval_open(&d, o->function, o->data, &err)) return eval_close(&d), refuse(CODE_file, err.text);
  with.ask = &d.ask;
  memset(with.no_warn, true, sizeof with.no_warn); /* they were said when it was trained */
  with.no_warn[CODE_saved] = false;
  const int code = is_model(o->file) ? of_file(&with, &d) : of_run(&with, &d);
  eval_close(&d);
  return code;
}
