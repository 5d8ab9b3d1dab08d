/* Another name for a definition: in its file, and in all files that import it (across.h). Nothing is renamed unless the programs stay what
 * they are: as many errors as before, each name the one that it was. */
#include "driver/editor/across.h"
#include "ir/base/diag.h"

#include <stdlib.h>
#include <string.h>

static int32_t name_here(const Analysis *a, const Doc *d, const json_t *params) {
  const int32_t lex = lexeme_at(&a->file[0], text_offset(d->text, d->len, json_object_get(params, "position")));
  return lex >= 0 && a->file[0].lex[lex].kind == LEX_NAME && a->file[0].name[lex].file ? lex : -1;
}

static bool same(const Name *a, const Name *b) { return a->file && a->file == b->file && a->def == b->def; }

static const char *not_renamed(const Analysis *a, int32_t lex) {
  if (lex < 0) return "there is no name here that a program defines";
  const Name *n = &a->file[0].name[lex];
  const FileNames *in = analysis_file(a, n->file);
  if (!in || n->def >= in->ndef || *in->path == '<') return "this is defined in the built-in library";
  return in->def[n->def].kind == DEF_FIELD ? "a field is named by its data set: rename it there with `name = value`" : NULL;
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

/* ---- the change of one file ---------------------------------------------------------------------------------- */

typedef struct Change {
  const FileNames *f; /* with all its names */
  size_t len;
  const char *uri;
  VEC(uint32_t) at; /* lexemes that get the name */
  char *text;       /* what the file is then */
} Change;

/* A field that a variable gives its name keeps it: `yield q` becomes `yield q = angle`. */
static const char *written(const FileNames *f, uint32_t lex, const char *with, Arena *mem) {
  bool field = false;
  for (uint32_t i = 0; i < f->ndef; i++) field |= f->def[i].kind == DEF_FIELD && f->def[i].at == lex;
  return field ? arena_printf(mem, "%s = %s", lexeme_text(f, lex, mem), with) : with;
}

static json_t *edits(const Change *c, const char *with, Arena *mem) {
  json_t *list = json_array();
  for (uint32_t k = 0; k < c->at.n; k++) {
    const Lexeme *l = &c->f->lex[c->at.at[k]];
    json_array_append_new(list, json_pack("{s:o, s:s}", "range", text_range(c->f->text, c->len, l->begin, l->end), "newText",
                                          written(c->f, c->at.at[k], with, mem)));
  }
  return list;
}

static bool apply(Change *c, const char *with, Arena *mem) {
  size_t n, at = 0;
  FILE *to = open_memstream(&c->text, &n);
  if (!to) return false;
  for (uint32_t k = 0; k < c->at.n; k++) {
    const Lexeme *l = &c->f->lex[c->at.at[k]];
    fwrite(c->f->text + at, 1, l->begin - at, to);
    fputs(written(c->f, c->at.at[k], with, mem), to);
    at = l->end;
  }
  fwrite(c->f->text + at, 1, c->len - at, to);
  return fclose(to) == 0;
}

/* Everything is what it was, by the tokens; where fields got names of their own, there are more of them. */
static bool means_the_same(const FileNames *a, const FileNames *b) {
  bool ok = a->ndef == b->ndef;
  for (uint32_t k = 0, j = 0; ok && k < a->n; k++, j++) {
    const Name *x = &a->name[k];
    while (j < b->n && b->lex[j].kind != a->lex[k].kind) j++;
    while (j < b->n && x->role == ROLE_USE && b->name[j].role == ROLE_NONE) j++;
    ok = j < b->n && (x->role != ROLE_USE || same(x, &b->name[j]) || b->n != a->n);
  }
  return ok;
}

static int errors_of(Server *s, const char *uri, const char *path, const char *text, size_t len, const FileNames *as) {
  Doc d = {.uri = (char *)uri, .path = (char *)path};
  Analysis *a = analysis_make(s, &d, text, len);
  const int n = !a || a->broken || (as && !means_the_same(as, &a->file[0])) ? -1 : diag_errors(a->s.diag);
  analysis_drop(a);
  return n;
}

static json_t *refused(void) { return json_string("something else has this name: the meaning of the program would change"); }

/* ---- a name of one file ---------------------------------------------------------------------------------------- */

static json_t *rename_here(Server *s, Doc *d, const Analysis *a, uint32_t lex, const char *with, Arena *mem) {
  Change c = {.f = &a->file[0], .len = d->len, .uri = d->uri};
  for (uint32_t k = 0; k < c.f->n; k++)
    if (same(&c.f->name[k], &c.f->name[lex])) *vec_push(&c.at) = k;
  const bool stays = apply(&c, with, mem) && errors_of(s, d->uri, d->path, c.text, strlen(c.text), c.f) == diag_errors(a->s.diag);
  json_t *j = stays ? json_pack("{s:{s:o}}", "changes", d->uri, edits(&c, with, mem)) : refused();
  free(c.text);
  vec_free(&c.at);
  return j;
}

/* ---- a name that others see -------------------------------------------------------------------------------------- */

typedef struct Renaming {
  Across x;
  Target t;
  VEC(Change) change;
  Overlay *overlay;
} Renaming;

static bool find_changes(Renaming *r, const char *with) {
  bool good = true;
  for (uint32_t k = 0; good && k < r->x.file.n; k++) {
    AcrossFile *f = r->x.file.at[k];
    Change c = {.len = f->len};
    for (uint32_t i = across_next(&r->x, f, &r->t, 0); i < f->names.n; i = across_next(&r->x, f, &r->t, i + 1))
      *vec_push(&c.at) = i;
    if (!c.at.n) continue;
    c.f = &f->all[0];
    char *uri = across_uri(f);
    c.uri = arena_strdup(r->x.mem, uri);
    base_free(uri);
    good = apply(&c, with, r->x.mem);
    Overlay *o = ARENA_NEW(r->x.mem, Overlay);
    *o = (Overlay){r->overlay, f->path, c.text, good ? strlen(c.text) : 0};
    r->overlay = o;
    *vec_push(&r->change) = c;
  }
  return good;
}

/* All files that see the definition have the errors that they had, with all changes made. */
static bool all_stay(Server *s, Renaming *r) {
  bool ok = true;
  for (uint32_t k = 0; ok && k < r->x.file.n; k++) {
    AcrossFile *f = r->x.file.at[k];
    if (!f->text || (strcmp(f->path, r->t.path) != 0 && !across_imports(&r->x, f, &r->t))) continue;
    const char *path = f->open ? f->open->path : f->path, *text = f->text;
    size_t len = f->len;
    const int before = errors_of(s, "", path, text, len, NULL);
    s->overlay = r->overlay;
    for (const Overlay *o = r->overlay; o; o = o->next)
      if (!strcmp(o->path, f->path)) text = o->text, len = o->len;
    ok = before >= 0 && errors_of(s, "", path, text, len, NULL) == before;
    s->overlay = NULL;
  }
  if (!ok) return false;
  Across y;
  s->overlay = r->overlay;
  across_begin(&y, s, r->x.mem);
  s->overlay = NULL;
  for (uint32_t k = 0; ok && k < r->change.n; k++)
    for (uint32_t j = 0; j < y.file.n; j++)
      if (!strcmp(y.file.at[j]->path, r->change.at[k].f->path))
        ok &= means_the_same(r->change.at[k].f, across_names(&y, y.file.at[j]));
  across_end(&y);
  return ok;
}

static json_t *rename_across(Server *s, Doc *d, const Analysis *a, uint32_t lex, const char *with, Arena *mem) {
  Renaming r = {0};
  across_begin(&r.x, s, mem);
  json_t *j = NULL;
  if (across_target(&r.x, d, a, lex, &r.t)) {
    j = find_changes(&r, with) && all_stay(s, &r) ? json_object() : refused();
    json_t *changes = json_is_object(j) ? json_object() : NULL;
    for (uint32_t k = 0; changes && k < r.change.n; k++)
      json_object_set_new(changes, r.change.at[k].uri, edits(&r.change.at[k], with, mem));
    if (changes) json_object_set_new(j, "changes", changes);
  }
  for (uint32_t k = 0; k < r.change.n; k++) free(r.change.at[k].text), vec_free(&r.change.at[k].at);
  vec_free(&r.change);
  across_end(&r.x);
  return j;
}

json_t *ask_rename(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  const char *with = json_string_value(json_object_get(params, "newName"));
  const int32_t lex = a ? name_here(a, d, params) : -1;
  const char *why = a ? not_renamed(a, lex) : "the file cannot be read";
  if (why) return json_string(why);
  if (!with || !is_a_name(with)) return json_string("this is not a name, or it is a word of the language");
  Arena *mem = arena_create();
  json_t *j = rename_across(s, d, a, (uint32_t)lex, with, mem);
  if (!j) j = rename_here(s, d, a, (uint32_t)lex, with, mem);
  arena_destroy(mem);
  return j;
}
