/* Where a name is defined and used, and another name for it; what a file defines. */
#include "driver/editor/server_priv.h"
#include "driver/process/process.h"
#include "ir/base/diag.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int32_t name_here(const Analysis *a, const Doc *d, const json_t *params) {
  const int32_t lex = lexeme_at(&a->file[0], text_offset(d->text, d->len, json_object_get(params, "position")));
  return lex >= 0 && a->file[0].lex[lex].kind == LEX_NAME && a->file[0].name[lex].file ? lex : -1;
}

/* Layers that are built into the program are written out once, so that an editor can show them. NULL: they cannot be. */
static char *written_out(const FileNames *f) {
  char dir[4096], path[8192];
  if (!session_cache_dir(dir, sizeof dir)) return NULL;
  const int n = snprintf(path, sizeof path, "%s/std-%s/%.*s", dir, HNNC_VERSION, (int)strlen(f->path) - 2, f->path + 1);
  if (n < 0 || n >= (int)sizeof path) return NULL;
  out_folders(path);
  const size_t len = strlen(f->text);
  struct stat st;
  if (stat(path, &st) == 0 && (size_t)st.st_size == len) return doc_uri(path);
  char *made = base_realloc(NULL, strlen(path) + 32);
  sprintf(made, "%s.%ld", path, (long)getpid());
  const int fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444);
  const bool whole = fd >= 0 && write(fd, f->text, len) == (ssize_t)len;
  if (fd >= 0) close(fd);
  char *uri = whole && rename(made, path) == 0 ? doc_uri(path) : NULL;
  if (!uri) unlink(made);
  base_free(made);
  return uri;
}

static json_t *location(const Doc *d, const FileNames *f, uint32_t lex) {
  char *uri = f->file == 1 ? base_strdup(d->uri) : *f->path == '<' ? written_out(f) : doc_uri(f->path);
  json_t *j =
      uri ? json_pack("{s:s, s:o}", "uri", uri, "range", text_range(f->text, strlen(f->text), f->lex[lex].begin, f->lex[lex].end))
          : NULL;
  base_free(uri);
  return j;
}

json_t *ask_definition(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  const int32_t lex = a ? name_here(a, d, params) : -1;
  if (lex < 0) return NULL;
  const Name *n = &a->file[0].name[lex];
  const FileNames *in = analysis_file(a, n->file);
  return in && n->def < in->ndef ? location(d, in, in->def[n->def].at) : NULL;
}

static bool same(const Name *a, const Name *b) { return a->file && a->file == b->file && a->def == b->def; }

json_t *ask_references(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  const int32_t lex = a ? name_here(a, d, params) : -1;
  if (lex < 0) return NULL;
  const FileNames *f = &a->file[0];
  const bool own = json_is_true(json_object_get(json_object_get(params, "context"), "includeDeclaration"));
  json_t *list = json_array();
  for (uint32_t k = 0; k < f->n; k++)
    if (same(&f->name[k], &f->name[lex]) && (own || f->name[k].role != ROLE_DEF)) json_array_append_new(list, location(d, f, k));
  return list;
}

/* ---- another name ------------------------------------------------------------------------------------------ */

static const char *not_renamed(const Analysis *a, int32_t lex) {
  if (lex < 0) return "there is no name of this file here";
  const Name *n = &a->file[0].name[lex];
  if (n->file != 1) return "this is defined in another file";
  return a->file[0].def[n->def].kind == DEF_FIELD
             ? "a field has the name that its data set gives it: rename it there by `name = value`"
             : NULL;
}

json_t *ask_prepare_rename(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  const int32_t lex = a ? name_here(a, d, params) : -1;
  if (!a || not_renamed(a, lex)) return NULL;
  return text_range(d->text, d->len, a->file[0].lex[lex].begin, a->file[0].lex[lex].end);
}

/* One name by itself, wherever it stands. */
static bool is_a_name(const char *word) {
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Interner *names = intern_create();
  Arena *mem = arena_create();
  uint32_t n;
  const char *text = arena_printf(mem, "const a = %s", word);
  const Lexeme *l = lexemes_read(src, source_add(src, "", text, strlen(text)), names, mem, diag, &n);
  bool ok = n == 4 && l[3].kind == LEX_NAME && l[3].end == strlen(text) && !diag_errors(diag);
  const char *key;
  for (uint32_t k = 0; (key = lexemes_keyword(k)); k++) ok &= strcmp(key, word) != 0;
  arena_destroy(mem), intern_destroy(names), diag_destroy(diag), source_destroy(src);
  return ok;
}

/* What stands there afterwards. A field that a variable gives its name keeps it: `yield q` becomes `yield q = angle`. */
static json_t *edit(const Doc *d, const FileNames *f, uint32_t k, const char *with, Arena *mem) {
  uint32_t stmt = k;
  while (stmt && !f->lex[stmt].first) stmt--;
  const char *old = lexeme_text(f, k, mem);
  bool field = false;
  for (uint32_t i = 0; i < f->ndef; i++) field |= f->def[i].kind == DEF_FIELD && f->def[i].at == k;
  return json_pack("{s:o, s:s}", "range", text_range(d->text, d->len, f->lex[k].begin, f->lex[k].end), "newText",
                   field ? arena_printf(mem, "%s = %s", old, with) : with);
}

static json_t *edits(const Doc *d, const FileNames *f, uint32_t lex, const char *with, Arena *mem) {
  json_t *list = json_array();
  for (uint32_t k = 0; k < f->n; k++)
    if (same(&f->name[k], &f->name[lex])) json_array_append_new(list, edit(d, f, k, with, mem));
  return list;
}

/* The text with all of them made. */
static char *applied(const FileNames *f, size_t len, uint32_t lex, const char *with, Arena *mem) {
  char *out = NULL;
  size_t n, at = 0;
  FILE *to = open_memstream(&out, &n);
  if (!to) return NULL;
  for (uint32_t k = 0; k < f->n; k++) {
    if (!same(&f->name[k], &f->name[lex])) continue;
    bool field = false;
    for (uint32_t i = 0; i < f->ndef; i++) field |= f->def[i].kind == DEF_FIELD && f->def[i].at == k;
    fwrite(f->text + at, 1, f->lex[k].begin - at, to);
    fprintf(to, "%s%s%s", field ? lexeme_text(f, k, mem) : "", field ? " = " : "", with);
    at = f->lex[k].end;
  }
  fwrite(f->text + at, 1, len - at, to);
  return fclose(to) ? NULL : out;
}

/* Whether the file has the errors that it had: the name is not taken, and nothing else has another meaning. */
static bool stays(Server *s, Doc *d, const Analysis *a, uint32_t lex, const char *with, Arena *mem) {
  char *text = applied(&a->file[0], d->len, lex, with, mem);
  Analysis *b = text ? analysis_make(s, d, text, strlen(text)) : NULL;
  bool ok = b && !b->broken && diag_errors(b->s.diag) == diag_errors(a->s.diag) && b->file[0].ndef == a->file[0].ndef;
  for (uint32_t k = 0, j = 0; ok && k < a->file[0].n; k++, j++) { /* everything is what it was */
    const Name *x = &a->file[0].name[k];
    while (j < b->file[0].n && b->file[0].lex[j].kind != a->file[0].lex[k].kind) j++;
    while (j < b->file[0].n && x->role == ROLE_USE && b->file[0].name[j].role == ROLE_NONE) j++;
    ok = j < b->file[0].n && (x->role != ROLE_USE || same(x, &b->file[0].name[j]) || b->file[0].n != a->file[0].n);
  }
  analysis_drop(b);
  free(text);
  return ok;
}

json_t *ask_rename(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  const char *with = json_string_value(json_object_get(params, "newName"));
  const int32_t lex = a ? name_here(a, d, params) : -1;
  const char *why = a ? not_renamed(a, lex) : "the file cannot be read";
  if (why) return json_string(why);
  if (!with || !is_a_name(with)) return json_string("this is no name, or a word of the language");
  Arena *mem = arena_create();
  json_t *j = stays(s, d, a, (uint32_t)lex, with, mem)
                  ? json_pack("{s:{s:o}}", "changes", d->uri, edits(d, &a->file[0], (uint32_t)lex, with, mem))
                  : json_string("something else has this name: the program would be another one");
  arena_destroy(mem);
  return j;
}

/* ---- what a file defines -------------------------------------------------------------------------------------- */

static int symbol_kind(DefKind k) {
  static const int kinds[] = {
    [DEF_CONST] = 14, [DEF_FN] = 12,   [DEF_HAMILTONIAN] = 12, [DEF_NET] = 5,   [DEF_FLOW] = 12, [DEF_USE] = 13,
    [DEF_DATA] = 18,  [DEF_LOSS] = 12, [DEF_REPORT] = 13,      [DEF_PLOT] = 19, [DEF_SAVE] = 19};
  return kinds[k];
}

json_t *ask_symbols(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  (void)params;
  if (!a) return NULL;
  const FileNames *f = &a->file[0];
  Arena *mem = arena_create();
  json_t *list = json_array();
  for (uint32_t k = 0; k < f->ndef && f->def[k].kind <= DEF_SAVE; k++) {
    const Def *x = &f->def[k];
    uint32_t last = x->end - 1;
    while (last > x->at && f->lex[last].kind == LEX_COMMENT) last--;
    json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:o, s:o}", "name", lexeme_text(f, x->at, mem), "detail",
                                          def_word[x->kind], "kind", symbol_kind(x->kind), "range",
                                          text_range(d->text, d->len, f->lex[x->begin].begin, f->lex[last].end), "selectionRange",
                                          text_range(d->text, d->len, f->lex[x->at].begin, f->lex[x->at].end)));
  }
  arena_destroy(mem);
  return list;
}
