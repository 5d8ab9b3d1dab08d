/* What the compiler says of a document: names, shapes and claims, without code. Each analysis has a heap of its own and is made under
 * base_try, so that neither a fault nor a text that is never finished costs more than itself.
 *
 * Deciding claims can take longer than a key stroke. Answers are kept in the compiler's cache; what is not there is decided while there
 * is time, and again when nobody types. Steps of flows are read by the same means, so messages of a text with open questions are not told
 * before these are answered. */
#include "driver/editor/server_priv.h"
#include "driver/session/proofs.h"
#include "ir/base/diag.h"

#include <stdlib.h>
#include <string.h>

#define MOST_MEMORY ((size_t)4 << 30)
#define MOST_KEPT ((size_t)64 << 20) /* of all documents together, beside the one at hand */
#define TYPING_SECONDS 0.03          /* for claims, while keys may come */
#define PATIENT_SECONDS 20.0         /* when none do */

/* ---- making one ------------------------------------------------------------------------------------------ */

typedef struct Making {
  Server *s;
  Doc *d;
  Analysis *a;
  const char *text;
  size_t len;
} Making;

static bool may_decide(void *ctx) {
  Making *m = ctx;
  const double seconds = pass_now() - m->s->began;
  const bool may = m->s->patient ? seconds < PATIENT_SECONDS && (m->s->must || !rpc_ahead(NULL, NULL)) : seconds < TYPING_SECONDS;
  m->a->unsure |= !may && (!m->s->patient || rpc_ahead(NULL, NULL)); /* what took too long at leisure is not tried again */
  return may;
}

/* A newer text of the document that a request is about, or that the request is withdrawn. */
static bool overtaken(const json_t *message, void *ctx) {
  Server *s = ctx;
  const char *method = json_string_value(json_object_get(message, "method"));
  const json_t *params = json_object_get(message, "params"), *doc = json_object_get(params, "textDocument");
  const char *uri = json_string_value(json_object_get(doc, "uri"));
  if (!method) return false;
  if (!strcmp(method, "$/cancelRequest") && json_equal(json_object_get(params, "id"), s->asking))
    return s->given_up = REQUEST_CANCELLED, true;
  if (strcmp(method, "textDocument/didChange") != 0 || !uri || !s->at || strcmp(uri, s->at->uri) != 0) return false;
  return s->given_up = CONTENT_MODIFIED, true;
}

/* Whoever types on does not wait for what is out of date. */
static void at_item(void *ctx) {
  const Making *m = ctx;
  Server *s = m->s;
  const bool stop = s->hurried ? rpc_ahead(NULL, NULL) : s->asking && rpc_ahead(overtaken, s);
  if (!stop) return;
  s->stopped = true;
  base_fault("stopped");
}

static bool same_file(const char *real, const char *path) {
  char *other = realpath(path, NULL);
  const bool same = !strcmp(real, other ? other : path);
  free(other);
  return same;
}

/* Imports that are open are read as they are there. */
static const char *open_text(void *ctx, const char *path, size_t *len) {
  Making *m = ctx;
  *vec_push(&m->a->asked) = arena_strdup(m->a->mem, path);
  for (const Overlay *o = m->s->overlay; o; o = o->next)
    if (same_file(o->path, path)) return *len = o->len, o->text;
  for (const Doc *d = m->s->docs; d; d = d->next)
    if (!strcmp(d->path, path)) return *len = d->len, d->text;
  return NULL;
}

static void read_names(Analysis *a) {
  Interner *names = intern_create();
  Diag *unheard = diag_create(a->s.src);
  const uint32_t n = a->s.src->files.n;
  a->file = ARENA_ARRAY(a->mem, FileNames, n + 1);
  for (uint32_t k = 0; k < n; k++) {
    const SourceFile *f = source_file(a->s.src, k + 1);
    a->file[k] = (FileNames){.file = k + 1, .text = f->text, .path = f->name};
    a->file[k].lex = lexemes_read(a->s.src, k + 1, names, a->mem, unheard, &a->file[k].n);
    names_globals(&a->file[k], a->mem);
  }
  if (n) names_resolve(a->file, n, 0, a->mem);
  a->nfile = n;
  intern_destroy(names);
  diag_destroy(unheard);
}

static void make(void *ctx) {
  Making *m = ctx;
  Analysis *a = m->a;
  a->mem = arena_create();
  a->opt = (Options){.command = "library",
                     .file = arena_strdup(a->mem, m->d->path),
                     .quiet = true,
                     .library = true,
                     .opt = 1,
                     .tree = &a->tree,
                     .text = open_text,
                     .may_decide = may_decide,
                     .at_item = at_item,
                     .text_ctx = m};
  session_look(&a->s, &a->opt, m->text, m->len);
  if (a->s.model && session_means_fit(&a->s)) proofs_refuted(&a->s);
  model_destroy(a->s.model);
  a->s.model = NULL;
  pass_run_finish(&a->s.passes);
  read_names(a);
}

Analysis *analysis_make(Server *s, Doc *d, const char *text, size_t len) {
  Analysis *a = base_zeroed(1, sizeof *a);
  if (!(a->heap = base_heap_create(MOST_MEMORY))) return base_free(a), NULL;
  Making m = {s, d, a, text, len};
  BaseHeap *outer = base_heap_enter(a->heap);
  s->began = pass_now(), s->spent = true, s->stopped = false;
  a->broken = !base_try(make, &m, a->fault, sizeof a->fault);
  base_heap_enter(outer);
  if (a->broken) base_heap_destroy(a->heap), a->heap = NULL;
  return a;
}

void analysis_drop(Analysis *a) {
  if (!a) return;
  base_heap_destroy(a->heap);
  base_free(a);
}

/* What outlives an analysis, so that a change of an import, or leisure, finds the document without one. */
static void note_imports(Doc *d) {
  for (uint32_t k = 0; k < d->imports.n; k++) base_free(d->imports.at[k]);
  d->imports.n = 0;
  for (uint32_t k = 0; d->a && d->a->heap && k < d->a->asked.n; k++) *vec_push(&d->imports) = base_strdup(d->a->asked.at[k]);
  d->unsure = d->a && !d->a->broken && d->a->unsure;
}

void analysis_forget(Doc *d) {
  analysis_drop(d->a);
  d->a = NULL;
  note_imports(d);
  vec_free(&d->imports);
}

/* Many documents may be open, few are looked at: those not needed for longest give their memory back, and are analysed again when asked. */
static void make_room(Server *s, const Doc *keep) {
  for (;;) {
    size_t sum = 0;
    Doc *oldest = NULL;
    for (Doc *d = s->docs; d; d = d->next) {
      if (d == keep || !d->a || !d->a->heap) continue;
      sum += base_heap_used(d->a->heap);
      if (!oldest || d->used < oldest->used) oldest = d;
    }
    if (sum <= MOST_KEPT) return;
    analysis_drop(oldest->a);
    oldest->a = NULL;
    s->spent = true;
  }
}

static bool in_doubt(const Analysis *a) {
  return a && !a->broken && a->unsure && (diag_errors(a->s.diag) || diag_warnings(a->s.diag));
}

Analysis *analysis_of(Server *s, Doc *d) {
  if (d->dirty || !d->a) {
    Analysis *a = analysis_make(s, d, d->text, d->len);
    if (in_doubt(a) && !s->stopped) {
      const bool patient = s->patient;
      analysis_drop(a);
      s->patient = s->must = true;
      a = analysis_make(s, d, d->text, d->len);
      s->patient = patient, s->must = false;
    }
    if (s->stopped) return analysis_drop(a), NULL;
    analysis_drop(d->a);
    d->a = a;
    d->dirty = false;
    note_imports(d);
    analysis_publish(s, d);
    make_room(s, d);
  }
  d->used = ++s->clock;
  return d->a && !d->a->broken ? d->a : NULL;
}

/* ---- messages ------------------------------------------------------------------------------------------------- */

static json_t *string(const char *s) {
  json_t *j = json_string(s);
  return j ? j : json_string("");
}

static json_t *range_of(const Analysis *a, Span at) {
  const SourceFile *f = source_file(a->s.src, at.file == 1 ? 1 : 0);
  return f ? text_range(f->text, f->len, at.begin, at.end) : text_range("", 0, 0, 0);
}

static json_t *location(const Analysis *a, const Doc *d, Span at) {
  const SourceFile *f = source_file(a->s.src, at.file);
  if (!f || *f->name == '<') return NULL;
  char *uri = at.file == 1 ? base_strdup(d->uri) : doc_uri(f->name);
  json_t *j = json_pack("{s:s, s:o}", "uri", uri, "range", text_range(f->text, f->len, at.begin, at.end));
  base_free(uri);
  return j;
}

static json_t *message(const Analysis *a, const Doc *d, const DiagMsg *m) {
  char *text = NULL, where[256];
  size_t n;
  FILE *out = open_memstream(&text, &n);
  json_t *related = json_array();
  if (!out) base_fault("out of memory");
  if (m->at.file > 1) fprintf(out, "%s: ", source_where(a->s.src, m->at, where, sizeof where));
  fputs(m->text, out);
  for (const DiagNote *l = m->labels; l; l = l->next) {
    json_t *at = location(a, d, l->at);
    if (at) json_array_append_new(related, json_pack("{s:o, s:o}", "location", at, "message", string(l->text)));
  }
  for (const DiagNote *h = m->helps; h; h = h->next) fprintf(out, "\nhelp: %s", h->text);
  fclose(out);
  json_t *j = json_pack("{s:o, s:i, s:s, s:s, s:o}", "range", range_of(a, m->at), "severity",
                        diag_shown_level(a->s.diag, m) == DIAG_ERROR ? 1 : 2, "code", diag_code_name(m->code), "source", "hnnc",
                        "message", string(text ? text : ""));
  if (json_array_size(related)) json_object_set(j, "relatedInformation", related);
  json_decref(related);
  free(text);
  return j;
}

void analysis_publish(Server *s, Doc *d) {
  json_t *list = json_array();
  uint32_t n = 0;
  int more;
  (void)s;
  if (d->a && d->a->broken)
    json_array_append_new(list, json_pack("{s:o, s:i, s:s, s:o}", "range", text_range("", 0, 0, 0), "severity", 1, "source", "hnnc",
                                          "message", string(d->a->fault)));
  DiagMsg **m = d->a && !d->a->broken ? diag_sorted(d->a->s.diag, &n, &more) : NULL;
  for (uint32_t k = 0; k < n; k++) {
    json_t *one = message(d->a, d, m[k]);
    if (one) json_array_append_new(list, one);
  }
  base_free(m);
  rpc_write(json_pack("{s:s, s:{s:s, s:I, s:o}}", "method", "textDocument/publishDiagnostics", "params", "uri", d->uri, "version",
                      (json_int_t)d->version, "diagnostics", list));
}

/* ---- types ---------------------------------------------------------------------------------------------------- */

const FileNames *analysis_file(const Analysis *a, uint32_t file) { return file && file <= a->nfile ? &a->file[file - 1] : NULL; }

/* The node of a name; -1: none. One that was evaluated is preferred. */
static int32_t node_of(const Analysis *a, uint32_t begin, uint32_t end) {
  int32_t found = -1;
  for (uint32_t k = 0; k < a->tree.node.n; k++) {
    const TreeNode *t = &a->tree.node.at[k];
    if (t->at.file > 1) break;
    if (t->name_at.file == 1 && t->name_at.begin == begin && t->name_at.end == end && (found < 0 || t->type)) found = (int32_t)k;
  }
  return found;
}

const char *analysis_type(const Analysis *a, uint32_t lex, bool call) {
  const Lexeme *l = &a->file[0].lex[lex];
  int32_t k = node_of(a, l->begin, l->end);
  while (call && k >= 0) { /* name, name(...), name(...)(...) begin at the same byte */
    const int32_t up = a->tree.node.at[k].parent;
    if (up < 0 || strcmp(a->tree.node.at[up].kind, "call") != 0 || a->tree.node.at[up].at.begin != l->begin) break;
    k = up;
  }
  return k < 0 ? NULL : a->tree.node.at[k].type;
}
