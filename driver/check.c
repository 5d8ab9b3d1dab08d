/* `hnnc check FILE`: everything that can be known without running. */
#include "driver/driver.h"

#include <inttypes.h>

static int64_t numbers(const Model *m) {
  int64_t n = 0;
  for (uint32_t i = 0; i < m->nparam; i++) n += type_count(m->param[i].type);
  return n;
}

static const char *plural(int64_t n) { return n == 1 ? "" : "s"; }

int command_check(const Options *o) {
  Session s;
  int code = session_open(&s, o);
  if (!code) {
    int64_t trains = 0, reports = 0, expects = 0, plots = 0;
    for (uint32_t i = 0; i < s.model->naction; i++) {
      trains += s.model->action[i].kind == DO_TRAIN;
      reports += s.model->action[i].kind == DO_REPORT;
      expects += s.model->action[i].kind == DO_EXPECT;
      plots += s.model->action[i].kind == DO_PLOT;
    }
    session_render(&s);                    /* warnings */
    printf("%s: no errors; %" PRId64 " number%s in %u parameter%s, %u data set%s, %" PRId64 " training%s, %" PRId64
           " report%s, %" PRId64 " expectation%s",
           s.model->path, numbers(s.model), plural(numbers(s.model)), s.model->nparam, plural(s.model->nparam),
           s.model->ndata, plural(s.model->ndata), trains, plural(trains), reports, plural(reports), expects,
           plural(expects));
    if (plots) printf(", %" PRId64 " plot%s", plots, plural(plots));
    printf("\n");
  }
  session_close(&s);
  return code;
}
