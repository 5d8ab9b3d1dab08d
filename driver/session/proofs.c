/* What was decided about a model: printed, and for the run directory. */
#include "driver/session/proofs.h"
#include "driver/session/session.h"

#include <string.h>

static int width(const char *text) {
  int n = 0;
  for (; *text; text++) n += (*text & 0xC0) != 0x80;
  return n;
}

void proofs_print(const Session *s, FILE *out, bool own) {
  enum { MOST = 64 };
  const Model *m = s->model;
  int column = 0;
  for (uint32_t i = 0; i < m->nproof; i++)
    if (width(m->proof[i].text) > column) column = width(m->proof[i].text);
  if (column > MOST) column = MOST;
  for (uint32_t i = 0; i < m->nproof; i++) {
    const Proof *p = &m->proof[i];
    char where[256];
    int pad = column - width(p->text);
    if (own && !p->own) continue;
    fprintf(out, "%-9s  %s%*s  %s%s%s\n", answer_text[p->answer], p->text, pad > 0 ? pad : 0, "",
            source_where(s->src, p->at, where, sizeof where), *p->detail ? "  " : "", p->detail);
  }
  fflush(out);
}

void proofs_lines(const Session *s, FILE *out) {
  for (uint32_t i = 0; i < s->model->nproof; i++) {
    const Proof *p = &s->model->proof[i];
    fprintf(out, "{\"kind\":\"proof\",\"answer\":\"%s\",\"text\":", answer_text[p->answer]);
    diag_json_string(out, p->text);
    fputs(",\"detail\":", out);
    diag_json_string(out, p->detail);
    fputc(',', out);
    diag_json_place(s->src, p->at, out);
    fputs("}\n", out);
  }
}

bool proofs_refuted(const Session *s) {
  bool any = false;
  for (uint32_t i = 0; i < s->model->nproof; i++) {
    const Proof *p = &s->model->proof[i];
    if (p->answer != ANSWER_REFUTED || !p->stated) continue;
    const char *at = strstr(p->detail, " = ") ? "at " : ""; /* a point, if there are variables */
    diag_add(s->diag, CODE_proof_refuted, p->at, "this does not hold: %s%s", at, p->detail);
    any = true;
  }
  return any;
}

RtProof *proofs_list(const Session *s) {
  const Model *m = s->model;
  RtProof *list = ARENA_ARRAY(m->mem, RtProof, m->nproof + 1);
  for (uint32_t i = 0; i < m->nproof; i++) list[i] = (RtProof){m->proof[i].text, answer_text[m->proof[i].answer]};
  return list;
}

json_t *proofs_json(const Session *s) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < s->model->nproof; i++) {
    const Proof *p = &s->model->proof[i];
    char where[256];
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "text", p->text, "answer", answer_text[p->answer], "at",
                                          source_where(s->src, p->at, where, sizeof where), "detail", p->detail));
  }
  return list;
}
