/* Messages of the elaborator. A body is elaborated at each call, so that its errors come again and
 * again: each is said once, by the hash of its place and text. What a mistake of the model makes of the inside of an imported
 * function is one mistake: of a call into another file the first error is shown, with the call. */
#include "frontend/elab/elab.h"
#include "frontend/syntax/synonym.h"

#include <string.h>
#include <strings.h>

static uint64_t hash(Span at, const char *text) {
  uint64_t h = 14695981039346656037u ^ ((uint64_t)at.file << 40 ^ (uint64_t)at.begin << 20 ^ at.end);
  for (; *text; text++) h = (h ^ (unsigned char)*text) * 1099511628211u;
  return h;
}

bool elab_of_library(const Elab *E, uint32_t file) {
  const Module *m = E->modules;
  while (m && (!m->ast || m->ast->file != file)) m = m->next;
  return m && m->std;
}

/* Of an error in the library the innermost call that is written outside of it; of one in another imported file where the model
 * calls into that, if it does. */
static const Call *entered(const Elab *E, Span at) {
  const Call *c = E->main && at.file && at.file != E->main->ast->file ? E->now->calls : NULL;
  if (c && elab_of_library(E, at.file)) {
    while (c && elab_of_library(E, c->at.file)) c = c->up;
    return c;
  }
  while (c && c->at.file != E->main->ast->file) c = c->up;
  return c;
}

static bool said(Elab *E, uint64_t h) {
  for (uint32_t i = 0; i < E->said.n; i++)
    if (E->said.at[i] == h) return true;
  *vec_push(&E->said) = h;
  return false;
}

static DiagMsg *say(Elab *E, DiagCode code, Span at, const char *fmt, va_list ap) {
  char text[1024];
  vsnprintf(text, sizeof text, fmt, ap);
  E->met += diag_code_level(code) == DIAG_ERROR;
  if (E->now->failed) {
    *E->now->failed |= diag_code_level(code) == DIAG_ERROR;
    return NULL;
  }
  if (said(E, hash(at, text))) return NULL;
  const Call *call = entered(E, at);
  if (call && diag_code_level(code) == DIAG_ERROR && said(E, hash(call->at, ""))) return NULL;
  const bool library = call && elab_of_library(E, at.file); /* whose users look at their own line */
  DiagMsg *m = diag_add(E->diag, code, library ? call->at : at, "%s", text);
  if (library) diag_label(m, at, "here, in `%s`", call->of->name);
  else if (call) diag_label(m, call->at, "called here");
  return m;
}

DiagMsg *elab_error(Elab *E, DiagCode code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  DiagMsg *m = say(E, code, at, fmt, ap);
  va_end(ap);
  return m;
}

DiagMsg *elab_warn(Elab *E, DiagCode code, Span at, const char *fmt, ...) {
  if (diag_warnings(E->diag) >= ELAB_WARNINGS) return NULL;
  va_list ap;
  va_start(ap, fmt);
  DiagMsg *m = say(E, code, at, fmt, ap);
  va_end(ap);
  if (m && diag_warnings(E->diag) == ELAB_WARNINGS) diag_help(m, "hnnc shows at most %d warnings: this is the last", ELAB_WARNINGS);
  return m;
}

void elab_label(DiagMsg *m, Span at, const char *fmt, ...) {
  char text[512];
  if (!m || !at.file) return;
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  diag_label(m, at, "%s", text);
}

void elab_help(DiagMsg *m, const char *fmt, ...) {
  char text[512];
  if (!m) return;
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  diag_help(m, "%s", text);
}

static const char *same_letters(const char *name, const char *const *candidates, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (candidates[i] && !strcasecmp(candidates[i], name)) return candidates[i];
  return NULL;
}

void elab_suggest(DiagMsg *m, const char *name, const char *const *candidates, size_t n) {
  const char *best = same_letters(name, candidates, n), *other = synonym(name);
  if (other && !best) {
    elab_help(m, "%s", other);
    return;
  }
  if (!best) best = diag_nearest(name, candidates, n);
  if (best) elab_help(m, "did you mean `%s`?", best);
}

void elab_suggest_option(DiagMsg *m, const char *name, const char *const *options, size_t n) {
  const char *here = same_letters(name, options, n) ? NULL : synonym_among(name, options, n);
  if (here) elab_help(m, "it is called `%s` here", here);
  else elab_suggest(m, name, options, n);
}

/* Well after the last message that is shown, so that the number of the others can be told. */
bool elab_stop(Elab *E) { return E->budget.over || diag_errors(E->diag) >= ELAB_ERRORS; }
