/* Where a name is defined and used. */
#include "driver/editor/across.h"
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
char *library_uri(const FileNames *f) {
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
  char *uri = f->file == 1 ? base_strdup(d->uri) : *f->path == '<' ? library_uri(f) : doc_uri(f->path);
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

/* Of a name that other files see, everywhere. */
static bool references_across(Server *s, const Doc *d, const Analysis *a, uint32_t lex, bool own, json_t *list) {
  Arena *mem = arena_create();
  Across x;
  Target t;
  across_begin(&x, s, mem);
  const bool seen = across_target(&x, d, a, lex, &t);
  for (uint32_t k = 0; seen && k < x.file.n; k++) {
    AcrossFile *f = x.file.at[k];
    for (uint32_t i = across_next(&x, f, &t, 0); i < f->names.n; i = across_next(&x, f, &t, i + 1)) {
      if (!own && f->all[0].name[i].role == ROLE_DEF) continue;
      char *uri = across_uri(f);
      const Lexeme *l = &f->names.lex[i];
      json_array_append_new(list, json_pack("{s:s, s:o}", "uri", uri, "range", text_range(f->text, f->len, l->begin, l->end)));
      base_free(uri);
    }
  }
  across_end(&x);
  arena_destroy(mem);
  return seen;
}

json_t *ask_references(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  const int32_t lex = a ? name_here(a, d, params) : -1;
  if (lex < 0) return NULL;
  const FileNames *f = &a->file[0];
  const bool own = json_is_true(json_object_get(json_object_get(params, "context"), "includeDeclaration"));
  json_t *list = json_array();
  if (references_across(s, d, a, (uint32_t)lex, own, list)) return list;
  for (uint32_t k = 0; k < f->n; k++)
    if (same(&f->name[k], &f->name[lex]) && (own || f->name[k].role != ROLE_DEF)) json_array_append_new(list, location(d, f, k));
  return list;
}
