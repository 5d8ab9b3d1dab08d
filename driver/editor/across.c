/* Files beside the one at hand: who imports what, and where a definition of the top level is named in all of them. By the tokens alone, so
 * that a folder of models takes milliseconds. What is open is read as it is there, the rest from the disk: the open documents, the folders
 * that they lie in, and those of the workspace. */
#include "driver/editor/across.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_FILES = 2000, MOST_DEPTH = 8, MOST_BYTES = 4 << 20 };

/* ---- reading ------------------------------------------------------------------------------------------------- */

static const char *canonical(Across *x, const char *path) {
  char *real = realpath(path, NULL);
  const char *out = arena_strdup(x->mem, real ? real : path);
  free(real);
  return out;
}

static const char *from_disk(Across *x, const char *path, size_t *len) {
  struct stat st;
  if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > MOST_BYTES) return NULL;
  FILE *in = fopen(path, "rbe");
  if (!in) return NULL;
  char *text = arena_alloc(x->mem, (size_t)st.st_size + 1);
  *len = fread(text, 1, (size_t)st.st_size, in);
  fclose(in);
  return text;
}

/* open: the document, of a file that is; these are read first. */
static AcrossFile *read_file(Across *x, const char *given, const Doc *open) {
  const char *path = canonical(x, given);
  for (uint32_t k = 0; k < x->file.n; k++)
    if (!strcmp(x->file.at[k]->path, path)) return x->file.at[k]->text ? x->file.at[k] : NULL;
  AcrossFile *f = ARENA_NEW(x->mem, AcrossFile);
  *f = (AcrossFile){.path = path, .open = open, .text = open ? open->text : NULL, .len = open ? open->len : 0};
  *vec_push(&x->file) = f;
  for (const Overlay *o = x->s->overlay; o; o = o->next)
    if (!strcmp(o->path, path)) f->text = o->text, f->len = o->len;
  if (!f->text) f->text = from_disk(x, path, &f->len);
  return f->text ? f : NULL;
}

/* Its tokens, and what it defines: read where they are asked for, since most files of a folder do not name what is looked for. */
static void lex(Across *x, AcrossFile *f) {
  if (f->names.path || !f->text) return;
  const uint32_t number = source_add(x->src, f->path, f->text, f->len);
  f->text = source_file(x->src, number)->text;
  f->names = (FileNames){.file = 1, .text = f->text, .path = f->path};
  f->names.lex = lexemes_read(x->src, number, x->interner, x->mem, x->unheard, &f->names.n);
  names_globals(&f->names, x->mem);
}

const FileNames *across_globals(Across *x, AcrossFile *f) {
  lex(x, f);
  return f->text ? &f->names : NULL;
}

/* The k-th file that is imported, as its path; NULL: there are fewer. *library: its name, if it may be one that is built in. */
static const char *import(Across *x, AcrossFile *f, uint32_t k, const char **library) {
  const FileNames *n = &f->names;
  lex(x, f);
  for (uint32_t i = 0; i + 1 < n->n; i++) {
    if (!n->lex[i].first || !names_text(n, i, "import") || n->lex[i + 1].kind != LEX_STRING || k--) continue;
    const Lexeme *l = &n->lex[i + 1];
    const char *name = arena_strndup(x->mem, n->text + l->begin + 1, l->end - l->begin > 1 ? l->end - l->begin - 2 : 0);
    const char *slash = strrchr(f->path, '/');
    *library = strncmp(name, "std/", 4) ? NULL : name;
    return arena_printf(x->mem, "%.*s/%s.hnn", slash ? (int)(slash - f->path) : 1, slash ? f->path : ".", name);
  }
  return NULL;
}

/* Its names, with those of what it imports itself: what that imports is not seen. */
static void resolve(Across *x, AcrossFile *f) {
  const char *path, *library;
  uint32_t n = 1;
  if (f->all) return;
  lex(x, f);
  while (import(x, f, n - 1, &library)) n++;
  f->all = ARENA_ARRAY(x->mem, FileNames, n);
  f->nall = 1;
  for (uint32_t k = 0; (path = import(x, f, k, &library)); k++) {
    AcrossFile *g = read_file(x, path, NULL);
    if (!g) continue;
    lex(x, g);
    f->all[f->nall] = g->names;
    f->all[f->nall].file = f->nall + 1;
    f->nall++;
  }
  f->all[0] = f->names;
  names_resolve(f->all, f->nall, 0, x->mem);
}

/* ---- which files ------------------------------------------------------------------------------------------------ */

static bool program(const char *name) {
  const size_t n = strlen(name);
  return n > 4 && !strcmp(name + n - 4, ".hnn");
}

static void list_folder(Across *x, const char *path, int depth) {
  DIR *dir = x->listed < MOST_FILES ? opendir(path) : NULL;
  const struct dirent *e;
  while (dir && (e = readdir(dir)) && x->listed < MOST_FILES) {
    if (*e->d_name == '.') continue;
    const char *inner = arena_printf(x->mem, "%s/%s", path, e->d_name);
    struct stat st;
    if (program(e->d_name)) x->listed++, read_file(x, inner, NULL);
    else if (depth > 0 && !strchr(e->d_name, '.') && lstat(inner, &st) == 0 && S_ISDIR(st.st_mode))
      list_folder(x, inner, depth - 1);
  }
  if (dir) closedir(dir);
}

void across_begin(Across *x, Server *s, Arena *mem) {
  *x = (Across){.s = s, .mem = mem, .src = source_create(), .interner = intern_create()};
  x->unheard = diag_create(x->src);
  for (const Doc *d = s->docs; d; d = d->next) read_file(x, d->path, d);
  for (const Doc *d = s->docs; d; d = d->next) {
    char folder[PATH_MAX];
    const char *slash = strrchr(d->path, '/');
    if (!slash || slash == d->path || (size_t)(slash - d->path) >= sizeof folder) continue;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - d->path), d->path);
    list_folder(x, folder, 0);
  }
  for (uint32_t k = 0; k < s->roots.n; k++) list_folder(x, s->roots.at[k], MOST_DEPTH);
}

void across_end(Across *x) {
  vec_free(&x->file);
  diag_destroy(x->unheard), intern_destroy(x->interner), source_destroy(x->src);
}

AcrossFile *across_file(Across *x, const char *path) { return read_file(x, path, NULL); }

/* ---- uses ---------------------------------------------------------------------------------------------------------- */

bool across_target(Across *x, const Doc *d, const Analysis *a, uint32_t lex, Target *t) {
  const Name *n = &a->file[0].name[lex];
  const FileNames *in = analysis_file(a, n->file);
  if (!in || n->def >= in->ndef || in->def[n->def].kind > DEF_LOSS) return false;
  const Def *def = &in->def[n->def];
  const bool library = *in->path == '<';
  *t = (Target){.library = library ? arena_strndup(x->mem, in->path + 1, strlen(in->path) - 6) : NULL,
                .path = library ? in->path : canonical(x, n->file == 1 ? d->path : in->path),
                .name = lexeme_text(in, def->at, x->mem),
                .begin = in->lex[def->at].begin};
  return true;
}

bool across_imports(Across *x, AcrossFile *f, const Target *t) {
  const char *path, *library;
  if (!f->text || !memmem(f->text, f->len, "import", 6)) return false;
  for (uint32_t k = 0; (path = import(x, f, k, &library)); k++)
    if (t->library ? library && !strcmp(library, t->library) : !strcmp(canonical(x, path), t->path)) return true;
  return false;
}

/* The next lexeme of a file from i on that names it; the file's n: there is none. */
uint32_t across_next(Across *x, AcrossFile *f, const Target *t, uint32_t i) {
  if (!f->text || !memmem(f->text, f->len, t->name, strlen(t->name))) return f->names.n;
  lex(x, f);
  const bool home = !t->library && !strcmp(f->path, t->path);
  if (!home && !across_imports(x, f, t)) return f->names.n;
  resolve(x, f);
  const FileNames *own = &f->all[0];
  for (; i < own->n; i++) {
    if (own->lex[i].kind != LEX_NAME || !names_text(own, i, t->name)) continue;
    const Name *n = &own->name[i];
    if (t->library && n->role == ROLE_UNKNOWN) break;
    if (t->library || !n->file || n->file > f->nall) continue;
    const FileNames *g = &f->all[n->file - 1];
    if (n->def < g->ndef && g->lex[g->def[n->def].at].begin == t->begin && !strcmp(g->path, t->path)) break;
  }
  return i;
}

const FileNames *across_names(Across *x, AcrossFile *f) {
  resolve(x, f);
  return f->all;
}

char *across_uri(const AcrossFile *f) { return f->open ? base_strdup(f->open->uri) : doc_uri(f->path); }
