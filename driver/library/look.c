/* What can be looked at in a model: messages, tree, claims, functions that are not there. */
#include "driver/library/model.h"
#include "ir/base/diag.h"

#include <stdlib.h>
#include <string.h>

/* ---- messages ------------------------------------------------------------------------------------------ */

static hnnc_message message_of(const hnnc_model *m, const DiagMsg *d) {
  hnnc_message out = {.error = diag_shown_level(m->s.diag, d) == DIAG_ERROR,
                      .code = diag_code_name(d->code),
                      .text = arena_strdup(m->said, d->text),
                      .at = library_place(m, d->at)};
  for (const DiagNote *n = d->labels; n; n = n->next) out.nlabels++;
  for (const DiagNote *n = d->helps; n; n = n->next) out.nhelps++;
  hnnc_label *label = ARENA_ARRAY(m->said, hnnc_label, out.nlabels);
  const char **help = ARENA_ARRAY(m->said, const char *, out.nhelps);
  out.labels = label, out.helps = help;
  for (const DiagNote *n = d->labels; n; n = n->next)
    *label++ = (hnnc_label){library_place(m, n->at), arena_strdup(m->said, n->text)};
  for (const DiagNote *n = d->helps; n; n = n->next) *help++ = arena_strdup(m->said, n->text);
  return out;
}

typedef struct Said {
  const hnnc_message *at;
  size_t n;
} Said;

static hnnc_status list_messages(hnnc_model *m, void *arg) {
  Said *said = arg;
  uint32_t n = 0;
  int more;
  DiagMsg **d = diag_sorted(m->s.diag, &n, &more);
  arena_destroy(m->said);
  m->said = arena_create();
  hnnc_message *out = ARENA_ARRAY(m->said, hnnc_message, n + 1);
  for (uint32_t k = 0; k < n; k++) out[k] = message_of(m, d[k]);
  base_free(d);
  *said = (Said){out, n};
  return HNNC_OK;
}

/* Of a model that can only be closed. */
static const char *broken_code(const hnnc_model *m) {
  return diag_code_name(m->state == HNNC_USAGE ? CODE_unknown_option : CODE_internal);
}

size_t hnnc_messages(hnnc_model *m, const hnnc_message **out) {
  Said said = {0};
  library_call(m, list_messages, &said);
  if (m && m->broken) {
    m->last = (hnnc_message){.error = true, .code = broken_code(m), .text = m->fault};
    said = (Said){&m->last, 1};
  }
  if (out) *out = said.at;
  return said.n;
}

typedef struct Drawing {
  FILE *out;
  bool colour;
} Drawing;

static hnnc_status draw_messages(hnnc_model *m, void *arg) {
  const Drawing *d = arg;
  diag_render(m->s.diag, d->out, d->colour);
  return HNNC_OK;
}

const char *hnnc_messages_text(hnnc_model *m, bool colour) {
  size_t size;
  if (!m || m->busy) return "";
  free(m->drawn);
  m->drawn = NULL;
  Drawing d = {open_memstream(&m->drawn, &size), colour};
  if (d.out) library_call(m, draw_messages, &d);
  const bool whole = d.out && !fclose(d.out);
  if (whole && !m->broken) return m->drawn;
  snprintf(m->shown, sizeof m->shown, "error[%s]: %s\n", m->broken ? broken_code(m) : diag_code_name(CODE_memory),
           m->broken ? m->fault : "there is not enough memory for the messages");
  return m->shown;
}

static hnnc_status forget(hnnc_model *m, void *arg) {
  (void)arg;
  diag_clear(m->s.diag);
  return HNNC_OK;
}

void hnnc_forget_messages(hnnc_model *m) { library_call(m, forget, NULL); }

/* ---- tree and claims --------------------------------------------------------------------------------------- */

static hnnc_status list_nodes(hnnc_model *m, void *arg) {
  (void)arg;
  if (m->node) return HNNC_OK;
  hnnc_node *out = ARENA_ARRAY(m->mem, hnnc_node, m->tree.node.n + 1);
  for (uint32_t k = 0; k < m->tree.node.n; k++) {
    const TreeNode *n = &m->tree.node.at[k];
    out[k] = (hnnc_node){.kind = n->kind,
                         .name = n->name,
                         .type = n->type,
                         .at = library_place(m, n->at),
                         .name_at = library_place(m, n->name_at),
                         .parent = n->parent};
  }
  m->node = out;
  return HNNC_OK;
}

size_t hnnc_tree(hnnc_model *m, const hnnc_node **out) {
  const bool there = library_call(m, list_nodes, NULL) == HNNC_OK;
  if (out) *out = there ? m->node : NULL;
  return there ? m->tree.node.n : 0;
}

static hnnc_status list_claims(hnnc_model *m, void *arg) {
  (void)arg;
  if (m->claim) return HNNC_OK;
  const Proof *p = m->s.model ? m->s.model->proof : m->tree.proof.at;
  const size_t n = m->s.model ? m->s.model->nproof : m->tree.proof.n;
  hnnc_claim *out = ARENA_ARRAY(m->mem, hnnc_claim, n + 1);
  for (size_t k = 0; k < n; k++)
    out[k] = (hnnc_claim){.text = p[k].text,
                          .detail = p[k].detail,
                          .at = library_place(m, p[k].at),
                          .answer = (hnnc_answer)p[k].answer,
                          .stated = p[k].stated};
  m->claim = out, m->nclaim = n;
  return HNNC_OK;
}

_Static_assert((int)HNNC_PROVED == (int)ANSWER_PROVED && (int)HNNC_REFUTED == (int)ANSWER_REFUTED,
               "answers are passed on by number");

size_t hnnc_claims(hnnc_model *m, const hnnc_claim **out) {
  const bool there = library_call(m, list_claims, NULL) == HNNC_OK;
  if (out) *out = there ? m->claim : NULL;
  return there ? m->nclaim : 0;
}

/* ---- what is no function of the model ------------------------------------------------------------------------ */

static hnnc_status list_left(hnnc_model *m, void *arg) {
  (void)arg;
  if (m->left || !m->s.model) return HNNC_OK;
  const LeftOut *l = m->s.model->left_out;
  m->nleft = m->s.model->nleft_out;
  m->left = ARENA_ARRAY(m->mem, hnnc_left, m->nleft + 1);
  for (size_t k = 0; k < m->nleft; k++) m->left[k] = (hnnc_left){l[k].name, l[k].kind, l[k].why};
  return HNNC_OK;
}

size_t hnnc_left_out(hnnc_model *m, const hnnc_left **out) {
  const bool there = library_call(m, list_left, NULL) == HNNC_OK;
  if (out) *out = there ? m->left : NULL;
  return there ? m->nleft : 0;
}
