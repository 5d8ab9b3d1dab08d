/* `hnnc check FILE`: everything that can be known without running. */
#include "driver/driver.h"

#include <inttypes.h>

static int64_t numbers(const Model *m) {
  int64_t n = 0;
  for (uint32_t i = 0; i < m->nparam; i++) n += type_count(m->param[i].type);
  return n;
}

static const char *plural(int64_t n) { return n == 1 ? "" : "s"; }

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
    int64_t trains = 0, reports = 0, expects = 0;
    for (uint32_t i = 0; i < s.model->naction; i++) {
      trains += s.model->action[i].kind == DO_TRAIN;
      reports += s.model->action[i].kind == DO_REPORT;
      expects += s.model->action[i].kind == DO_EXPECT;
    }
    session_render(&s);                    /* warnings */
    printf("%s: no errors; %" PRId64 " number%s in %u parameter%s, %u data set%s, %" PRId64 " training%s, %" PRId64
           " report%s, %" PRId64 " expectation%s\n",
           s.model->path, numbers(s.model), plural(numbers(s.model)), s.model->nparam, plural(s.model->nparam),
           s.model->ndata, plural(s.model->ndata), trains, plural(trains), reports, plural(reports), expects,
           plural(expects));
  }
  session_close(&s);
  return code;
}
