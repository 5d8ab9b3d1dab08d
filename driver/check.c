/* `hnnc check FILE`: everything that can be known without running. */
#include "driver/proofs.h"

#include <inttypes.h>

static int64_t numbers(const Model *m) {
  int64_t n = 0;
  for (uint32_t i = 0; i < m->nparam; i++) n += type_count(m->param[i].type);
  return n;
}

static const char *plural(int64_t n) { return n == 1 ? "" : "s"; }

static void summary(const Model *m) {
  int64_t trains = 0, reports = 0, expects = 0, plots = 0;
  for (uint32_t i = 0; i < m->naction; i++) {
    trains += m->action[i].kind == DO_TRAIN;
    reports += m->action[i].kind == DO_REPORT;
    expects += m->action[i].kind == DO_EXPECT;
    plots += m->action[i].kind == DO_PLOT;
  }
  printf("%s: no errors; %" PRId64 " number%s in %" PRId64 " parameter%s, %u data set%s, %" PRId64 " training%s, %" PRId64 " report%s, %" PRId64
         " expectation%s",
         m->path, numbers(m), plural(numbers(m)), model_params(m), plural(model_params(m)), m->ndata, plural(m->ndata), trains, plural(trains),
         reports, plural(reports), expects, plural(expects));
  if (plots) printf(", %" PRId64 " plot%s", plots, plural(plots));
  printf("\n");
}

/* Means over the batch stand where a training step can take them. */
static bool means_fit(Session *s) {
  bool fit = true;
  for (uint32_t i = 0; i < s->model->naction; i++) {
    if (s->model->action[i].kind != DO_TRAIN) continue;
    Fn *mean = pass_step_mean(s->model->action[i].train->loss, s->diag);
    fit &= mean != NULL;
    ir_fn_destroy(mean);
  }
  if (!fit) session_render(s);
  return fit;
}

int command_check(const Options *o) {
  Session s;
  int code = session_open(&s, o);
  if (!code && !means_fit(&s)) code = EXIT_FILE;
  if (!code) {
    proofs_print(&s, stdout, false);
    if (proofs_refuted(&s)) code = EXIT_FILE;
    session_render(&s);                    /* warnings, and what was refuted */
    if (!code) summary(s.model);
  }
  if (o->time_passes) pass_times_print(stderr);
  session_close(&s);
  return code;
}
