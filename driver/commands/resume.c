/* `hnnc resume DIR`: goes on where a run stopped, bit for bit: the model, the overrides and the seed are
 * the run's own, the parameters and the optimizer those of its last checkpoint. */
#include "driver/commands/commands_priv.h"
#include "driver/commands/terminal_priv.h"
#include "driver/run/recorded.h"
#include "driver/session/weights.h"

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

/* Reports made before the training at hand: they cannot be made again with today's parameters. */
static int take_reports(Runner *r) {
  const Model *m = r->s->model;
  char *path = rt_run_path(r->run, "reports.json"), hash[REPORTS_HASH];
  const char *missing = recorded_reports(r->run, m, r->at.action, r->result);
  for (uint32_t i = 0; i < m->naction && (int)i < r->at.action; i++)
    if (m->action[i].kind == DO_REPORT && r->result[report_number(m, m->action[i].report)].made)
      r->not_finite |= !report_finite(m->action[i].report, &r->result[report_number(m, m->action[i].report)]);
  reports_hash(m, r->result, missing ? 0 : r->at.action, hash);
  int code = missing                       ? session_fail(r->s, EXIT_IO, CODE_resume, (Span){0},
                                                          "`%s` does not have the report `%s`, which was made before the checkpoint: "
                                                                                "start a new run",
                                                          path, missing)
             : strcmp(hash, r->at.reports) ? session_fail(r->s, EXIT_IO, CODE_resume, (Span){0},
                                                          "`%s` has changed since it was written, and reports made before the "
                                                          "checkpoint are read from it: restore it, or start a new run",
                                                          path)
                                           : 0;
  free(path);
  return code;
}

static const char *text_of(const Runner *r, const char *key) { return recorded_text(r->run, key); }

/* Imported files lie in sources/, if there were others than those of the library. */
static int changed_model(const Runner *r) {
  const char *dir = rt_run_dir(r->run);
  char *sources = rt_run_path(r->run, "sources");
  const bool kept = sources && access(sources, F_OK) == 0;
  free(sources);
  if (!kept)
    return session_fail(r->s, EXIT_IO, CODE_resume, (Span){0},
                        "`%s/model.hnn` has changed since the run started: restore it, or start a new run", dir);
  return session_fail(r->s, EXIT_IO, CODE_resume, (Span){0},
                      "`%s/model.hnn`, or a file that it imports, has changed since the run started (`%s/sources/` has the "
                      "original imports): restore it, or start a new run",
                      dir, dir);
}

/* Whatever decides the numbers must be what it was. The processor decides the last digits alone. */
static int same_as_started(Runner *r) {
  Session *s = r->s;
  const CgName host = cg_host_cpu();
  const char *dir = rt_run_dir(r->run), *cpu = s->opt->cpu ? s->opt->cpu : host.text;
  char build[BUILD_TEXT];
  runner_build(build);
  if (strcmp(text_of(r, "build"), build))
    return session_fail(s, EXIT_IO, CODE_resume, (Span){0},
                        "`%s` was started by another build of hnnc (%s, this is " HNNC_VERSION "): resume it with "
                        "that one, or start a new run",
                        dir, text_of(r, "hnnc"));
  const int code = recorded_data(s, r->run, CODE_resume, "or start a new run"); /* a network of a file is of both kinds */
  if (code) return code;
  if (strcmp(text_of(r, "model_hash"), r->hash)) return changed_model(r);
  if (strcmp(text_of(r, "cpu"), cpu))
    fprintf(stderr, "warning: `%s` was started on %s, this is %s: the last digits will differ from those of an uninterrupted run\n",
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
    char *start = text_of(r, "params") ? rt_run_path(r->run, RECORD_START) : NULL;
    code = start ? weights_load(s, start) : 0;
    free(start);
    return code ? code : terminal_run(r);
  }
  r->from = rt_run_resume(r->run, &r->at, &err);
  if (!r->from) return session_fail(s, EXIT_IO, CODE_resume, (Span){0}, "%s", err.text);
  if (strcmp(r->at.model_hash, r->hash))
    return session_fail(s, EXIT_IO, CODE_resume, (Span){0}, "the checkpoint in `%s` belongs to another model", rt_run_dir(r->run));
  if ((code = weights_take(s, r->from, rt_run_dir(r->run))) || (code = take_reports(r))) return code;
  if (!rt_run_metrics_trim(r->run, r->at.action, r->at.step, &err))
    return session_fail(s, EXIT_IO, CODE_resume, (Span){0}, "%s", err.text);
  return terminal_run(r);
}

int command_resume(const Options *o) {
  RtError err = {{0}};
  Recorded recorded;
  if (sweep_is(o->file)) return sweep_resume(o);
  if (o->slurm || o->again || o->task >= 0)
    return refuse("`%s` is not a sweep, and %s is for sweeps", o->file, o->slurm ? "--slurm" : o->again ? "--again" : "--task");
  RtRun *run = !o->ranks || !o->ranks->rank ? rt_run_reopen(o->file, &err) : NULL;
  if (o->ranks) run = record_follow(o->ranks, run, o->file, &err);
  if (!run) return refuse("%s", err.text);
  if (!recorded_open(&recorded, run, o, &err)) return recorded_close(&recorded), refuse("%s", err.text);
  Session s;
  Runner r = {.run = run};
  recorded.run = NULL; /* the runner's */
  int code = session_open_text(&s, &recorded.opt, recorded.text, recorded.len);
  if (!code) runner_init(&r, &s, run), code = go_on(&r, &recorded.opt);
  terminal_close(&r);
  session_close(&s);
  recorded_close(&recorded);
  return code;
}
