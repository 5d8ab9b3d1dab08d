/* `hnnc check FILE`: everything that can be known without running. */
#include "driver/session/proofs.h"
#include "driver/commands/commands_priv.h"

#include <inttypes.h>
#include <string.h>

static int64_t numbers(const Model *m) {
  int64_t n = 0;
  for (uint32_t i = 0; i < m->nparam; i++) n += type_count(m->param[i].type);
  return n;
}

static const char *plural(int64_t n) { return n == 1 ? "" : "s"; }

typedef struct Counts {
  int64_t trains, reports, expects, plots;
} Counts;

static Counts counts(const Model *m) {
  Counts c = {0};
  for (uint32_t i = 0; i < m->naction; i++) {
    c.trains += m->action[i].kind == DO_TRAIN;
    c.reports += m->action[i].kind == DO_REPORT;
    c.expects += m->action[i].kind == DO_EXPECT;
    c.plots += m->action[i].kind == DO_PLOT;
  }
  return c;
}

static void summary(const Model *m) {
  Counts c = counts(m);
  printf("%s: no errors; %" PRId64 " number%s in %" PRId64 " parameter%s, %u data set%s, %" PRId64 " training%s, %" PRId64
         " report%s, %" PRId64 " expectation%s",
         m->path, numbers(m), plural(numbers(m)), model_params(m), plural(model_params(m)), m->ndata, plural(m->ndata), c.trains,
         plural(c.trains), c.reports, plural(c.reports), c.expects, plural(c.expects));
  if (c.plots) printf(", %" PRId64 " plot%s", c.plots, plural(c.plots));
  printf("\n");
}

/* The last line of --json, whatever happened. */
static void summary_json(const Session *s) {
  printf("{\"kind\":\"summary\",\"file\":");
  diag_json_string(stdout, session_file(s));
  printf(",\"errors\":%d,\"warnings\":%d", s->errors, s->warnings);
  if (s->model) {
    Counts c = counts(s->model);
    printf(",\"numbers\":%" PRId64 ",\"parameters\":%" PRId64 ",\"data_sets\":%u,\"trainings\":%" PRId64 ",\"reports\":%" PRId64
           ",\"expectations\":%" PRId64 ",\"plots\":%" PRId64,
           numbers(s->model), model_params(s->model), s->model->ndata, c.trains, c.reports, c.expects, c.plots);
  }
  printf("}\n");
}

int command_check(const Options *o) {
  Session s;
  int code = session_open(&s, o);
  if (!code && !session_means_fit(&s)) session_render(&s), code = EXIT_FILE;
  if (!code) {
    if (o->json) proofs_lines(&s, stdout);
    else proofs_print(&s, stdout, false);
    if (proofs_refuted(&s)) code = EXIT_FILE;
    session_render(&s); /* what was refuted */
    if (!code && s.errors) code = EXIT_FILE;
    if (!code && !o->json) summary(s.model);
  }
  if (o->json) summary_json(&s);
  if (o->time_passes) pass_times_print(&s.passes, stderr);
  session_close(&s);
  return code;
}
