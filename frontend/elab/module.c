/* Modules: a file and what it imports, parsed once each, with the names that they define. */
#include "frontend/builtin/builtin.h"
#include "frontend/elab/elab_priv.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char *folder(Elab *E, const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? arena_strndup(E->mem, path, slash == path ? 1 : (size_t)(slash - path)) : ".";
}

static void add_global(Elab *E, Module *m, const Item *it) {
  const uint32_t *i = index_find(&m->index, index_name(it->name));
  if (i) {
    elab_label(elab_error(E, CODE_defined_twice, it->name_at, "`%s` is defined twice", it->name), m->global[*i].item->name_at,
               "first");
    return;
  }
  index_put(&m->index, index_name(it->name), m->nglobal);
  m->global[m->nglobal++] = (Global){.name = it->name, .item = it, .module = m};
}

static bool defines(const Item *it) {
  switch (it->kind) {
  case IT_CONST:
  case IT_FN:
  case IT_HAMILTONIAN:
  case IT_NET:
  case IT_FLOW:
  case IT_USE:
  case IT_DATA:
  case IT_LOSS: return it->name != NULL;
  default: return false;
  }
}

static Module *loaded(Elab *E, const char *path) {
  for (Module *m = E->modules; m; m = m->next)
    if (m->path && !strcmp(m->path, path)) return m;
  return NULL;
}

bool elab_look(Elab *E, const char *path, int mode) {
  bool there = access(path, mode) == 0;
  *vec_push(&E->made.looked) = (Looked){arena_strdup(E->mem, path), mode, there};
  return there;
}

/* The path of a file that is there, else NULL. Whoever gives texts (o->text) is asked once for each: what was given is *file. */
static const char *readable(Elab *E, const char *dir, const char *name, uint32_t *file) {
  bool here = !strcmp(dir, ".");
  const char *path = arena_printf(E->mem, "%s%s%s.hnn", here ? "" : dir, here ? "" : "/", name);
  size_t len = 0;
  if (E->o->text && loaded(E, path)) return path;
  const char *text = E->o->text ? E->o->text(E->o->ctx, path, &len) : NULL;
  if (text) *file = source_add(E->src, path, text, len);
  return text || elab_look(E, path, R_OK) ? path : NULL;
}

static const char *const libraries[] = {"std/nets",     "std/symplectic", "std/flows", "std/sampling",
                                        "std/symmetry", "std/images",     "std/tables"};
enum { LIBRARIES = sizeof libraries / sizeof *libraries };

/* A definition stands at the beginning of a line: some words, the name, a parameter list. */
static bool defines_name(const char *text, const char *name) {
  const size_t n = strlen(name);
  for (const char *at = strstr(text, name); at; at = strstr(at + 1, name)) {
    if (at == text || at[-1] != ' ' || at[n] != '(') continue;
    const char *line = at;
    while (line > text && line[-1] != '\n') line--;
    const char *c = line;
    while (c < at && (*c == ' ' || (*c >= 'a' && *c <= 'z'))) c++;
    if (c == at && *line != ' ') return true;
  }
  return false;
}

const char *module_of_library(const char *name) {
  size_t len;
  for (int k = 0; k < LIBRARIES; k++) {
    const char *text = std_text(libraries[k], &len);
    if (text && defines_name(text, name)) return libraries[k];
  }
  return NULL;
}

bool module_is_library(const SourceFile *f) {
  size_t len;
  for (int k = 0; k < LIBRARIES; k++) {
    const char *text = std_text(libraries[k], &len);
    if (text && len == f->len && !memcmp(text, f->text, len)) return true;
  }
  return false;
}

static const char *libraries_text(Elab *E) {
  const char *s = "";
  for (int k = 0; k < LIBRARIES; k++)
    s = arena_printf(E->mem, "%s%s\"%s\"", s, k == 0 ? "" : k + 1 < LIBRARIES ? ", " : " and ", libraries[k]);
  return s;
}

static Module *load_std(Elab *E, const char *name) {
  size_t len;
  const char *text = std_text(name, &len), *shown = arena_printf(E->mem, "<%s.hnn>", name);
  Module *m = loaded(E, shown);
  if (m || !text) return m;
  return module_load(E, shown, source_add(E->src, shown, text, len));
}

/* A text that is made when it is asked for (o->text) could import for ever. */
enum { MOST_MODULES = 1000 };

static bool too_many(const Elab *E) {
  int n = 0;
  for (const Module *m = E->modules; m; m = m->next) n++;
  return n >= MOST_MODULES;
}

/* Beside the importing file, then in the library's folder, then among the copies built in. */
static Module *imported(Elab *E, const Module *from, const Item *it) {
  uint32_t file = 0;
  const char *path = readable(E, from->dir, it->name, &file), *dir = E->o->std_dir;
  bool std = !strncmp(it->name, "std/", 4);
  if (!path && std && dir) path = readable(E, dir, it->name + 4, &file);
  if (!path && dir) path = readable(E, dir, it->name, &file);
  if (!path && std) {
    Module *m = load_std(E, it->name);
    if (m) return m;
  }
  if (!path) {
    DiagMsg *m = elab_error(E, CODE_import, it->name_at, "there is no file `%s.hnn`", it->name);
    if (std) elab_help(m, "the library has %s", libraries_text(E));
    else elab_help(m, "an import is relative to the importing file; leave out `.hnn`");
    return NULL;
  }
  Module *m = loaded(E, path);
  if (m) return m;
  if (too_many(E)) return elab_error(E, CODE_import, it->name_at, "more than %d files are imported", MOST_MODULES), NULL;
  if (!file) file = source_load(E->src, path);
  if (file) return module_load(E, path, file);
  elab_error(E, CODE_file, it->name_at, "cannot read `%s`: %s", path, source_fault(errno));
  return NULL;
}

static Module *import(Elab *E, const Module *from, const Item *it) {
  Module *m = imported(E, from, it);
  if (m && !strncmp(it->name, "std/", 4)) m->std = true;
  return m;
}

static void definitions_only(Elab *E, const Item *it) {
  if (it->kind == IT_TRAIN || it->kind == IT_REPORT || it->kind == IT_EXPECT || it->kind == IT_PLOT || it->kind == IT_SAVE)
    elab_error(E, CODE_import, it->name_at, "an imported file may contain definitions only");
}

Module *module_load(Elab *E, const char *path, uint32_t file) {
  Module *m = ARENA_NEW(E->mem, Module);
  bool main = !E->main;
  uint32_t n = 0, k = 0;
  m->path = path;
  m->dir = folder(E, path);
  m->next = E->modules;
  E->modules = m;
  if (main) E->main = m;
  m->ast = ast_parse(E->src, file, E->m->names, E->diag);
  elab_wrt_scan(E, m->ast);
  for (const Item *it = m->ast->first; it; it = it->next) n++, k += it->kind == IT_IMPORT;
  m->global = ARENA_ARRAY(E->mem, Global, n + 1);
  m->import = ARENA_ARRAY(E->mem, Module *, k + 1);
  for (const Item *it = m->ast->first; it; it = it->next) {
    if (!main) definitions_only(E, it);
    if (defines(it)) add_global(E, m, it);
    Module *other = it->kind == IT_IMPORT && !it->broken ? import(E, m, it) : NULL;
    m->lacking |= it->kind == IT_IMPORT && !other;
    if (other == m) elab_error(E, CODE_import, it->name_at, "this file imports itself");
    if (other && other != m) m->import[m->nimport++] = other;
  }
  return m;
}
