/* `hnnc check FILE`: everything that can be known without running. */
#include "driver/driver.h"

#include <inttypes.h>

static int64_t numbers(const Model *m) {
  int64_t n = 0;
  for (uint32_t i = 0; i < m->nparam; i++) n += type_count(m->param[i].type);
  return n;
}

static const char *plural(int64_t n) { return n == 1 ? "" : "s"; }

static int width(const char *text) {
  int n = 0;
  for (; *text; text++) n += (*text & 0xC0) != 0x80;
  return n;
}

/* What was decided, a line each: of imports only what their flows claim. */
void print_proofs(const Session *s, FILE *out) {
  int most = 0;
  for (uint32_t i = 0; i < s->model->nproof; i++) most = width(s->model->proof[i].text) > most ? width(s->model->proof[i].text) : most;
  if (most > 64) most = 64;
  for (uint32_t i = 0; i < s->model->nproof; i++) {
    const Proof *p = &s->model->proof[i];
    char where[256];
    fprintf(out, "%-9s  %s%*s  %s%s%s\n", answer_text[p->answer], p->text, most > width(p->text) ? most - width(p->text) : 0, "",
            source_where(s->src, p->at, where, sizeof where), *p->detail ? "  " : "", p->detail);
  }
}

/* A `prove` that is refuted is an error of the file. */
static bool refuted(Session *s) {
  bool any = false;
  for (uint32_t i = 0; i < s->model->nproof; i++) {
    const Proof *p = &s->model->proof[i];
    if (p->answer != ANSWER_REFUTED || !p->stated) continue;
    diag_error(s->diag, p->at, "this does not hold: at %s", p->detail);
    any = true;
  }
  return any;
}

int command_check(const Options *o) {
  Session s;
  int code = session_open(&s, o);
  if (!code) {
    int64_t trains = 0, reports = 0, expects = 0;
    for (uint32_t i = 0; i < s.model->naction; i++) {
      trains += s.model->action[i].kind == DO_TRAIN;
      reports += s.model->action[i].kind == DO_REPORT;
      expects += s.model->action[i].kind == DO_EXPECT;
    }
    print_proofs(&s, stdout);
    if (refuted(&s)) code = EXIT_FILE;
    session_render(&s);                    /* warnings, and what was refuted */
    if (!code) printf("%s: no errors; %" PRId64 " number%s in %u parameter%s, %u data set%s, %" PRId64 " training%s, %" PRId64
           " report%s, %" PRId64 " expectation%s\n",
           s.model->path, numbers(s.model), plural(numbers(s.model)), s.model->nparam, plural(s.model->nparam),
           s.model->ndata, plural(s.model->ndata), trains, plural(trains), reports, plural(reports), expects,
           plural(expects));
  }
  session_close(&s);
  return code;
}
