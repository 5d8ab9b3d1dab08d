/* From a file to a Model: the file and its imports are parsed, overrides put in, and the items taken from
 * top to bottom; then what is named but was not used is looked at. */
#include "frontend/model/tree.h"
#include "frontend/warn/warn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- modules --------------------------------------------------------------------------------------------
 */

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
  *vec_push(&E->looked) = (Looked){arena_strdup(E->mem, path), mode, there};
  return there;
}

static const char *readable(Elab *E, const char *dir, const char *name) {
  bool here = !strcmp(dir, ".");
  const char *path = arena_printf(E->mem, "%s%s%s.hnn", here ? "" : dir, here ? "" : "/", name);
  size_t len;
  if (E->o->text && E->o->text(E->o->ctx, path, &len)) return path;
  return elab_look(E, path, R_OK) ? path : NULL;
}

static uint32_t load_file(Elab *E, const char *path) {
  size_t len;
  const char *text = E->o->text ? E->o->text(E->o->ctx, path, &len) : NULL;
  return text ? source_add(E->src, path, text, len) : source_load(E->src, path);
}

static Module *load_std(Elab *E, const char *name) {
  size_t len;
  const char *text = std_text(name, &len), *shown = arena_printf(E->mem, "<%s.hnn>", name);
  Module *m = loaded(E, shown);
  if (m || !text) return m;
  return module_load(E, shown, source_add(E->src, shown, text, len));
}

/* Beside the importing file, then in the library's folder, then among the copies built in. */
static Module *import(Elab *E, const Module *from, const Item *it) {
  const char *path = readable(E, from->dir, it->name), *dir = E->o->std_dir;
  bool std = !strncmp(it->name, "std/", 4);
  if (!path && std && dir) path = readable(E, dir, it->name + 4);
  if (!path && dir) path = readable(E, dir, it->name);
  if (!path && std) {
    Module *m = load_std(E, it->name);
    if (m) return m;
  }
  if (!path) {
    DiagMsg *m = elab_error(E, CODE_import, it->name_at, "there is no file `%s.hnn`", it->name);
    if (std) elab_help(m, "the library has \"std/nets\" and \"std/symplectic\"");
    else elab_help(m, "an import is relative to the file that it stands in, without `.hnn`");
    return NULL;
  }
  Module *m = loaded(E, path);
  if (m) return m;
  uint32_t file = load_file(E, path);
  if (file) return module_load(E, path, file);
  elab_error(E, CODE_file, it->name_at, "cannot read `%s`: %s", path, source_fault(errno));
  return NULL;
}

static void definitions_only(Elab *E, const Item *it) {
  if (it->kind == IT_TRAIN || it->kind == IT_REPORT || it->kind == IT_EXPECT || it->kind == IT_PLOT)
    elab_error(E, CODE_import, it->name_at, "a file that is imported holds definitions only");
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

/* ---- items ------------------------------------------------------------------------------------------------
 */

/* float32, single; float64, double */
static void suggest_precision(DiagMsg *m, const char *name) {
  static const char *const known[] = {"f32", "f64"};
  const bool single = strstr(name, "32") || !strcmp(name, "single") || !strcmp(name, "float"),
             two = strstr(name, "64") || !strcmp(name, "double");
  if (single || two) elab_help(m, "write `precision %s`", known[two]);
  else elab_suggest(m, name, known, 2);
}

static void precision(Elab *E) {
  const Item *first = NULL;
  for (const Item *it = E->main->ast->first; it; it = it->next) {
    if (it->kind != IT_PRECISION || !it->name) continue;
    if (first) elab_label(elab_error(E, CODE_precision, it->name_at, "the precision is given twice"), first->name_at, "first");
    first = it;
    if (!strcmp(it->name, "f32")) E->m->f64 = false;
    else if (strcmp(it->name, "f64") != 0)
      suggest_precision(elab_error(E, CODE_precision, it->name_at, "the precision is f32 or f64, found `%s`", it->name), it->name);
  }
}

static const char *item_text(const Item *it) {
  switch (it->kind) {
  case IT_CONST: return "the constant";
  case IT_USE: return "the instance";
  case IT_DATA: return "the data";
  case IT_PROVE: return "a proof";
  case IT_PLOT: return "the plot";
  case IT_TRAIN: return "the training of";
  case IT_REPORT: return "the report";
  case IT_EXPECT: return "an expectation";
  default: return "the definition of";
  }
}

static void item(Elab *E, const Item *it) {
  elab_tell(E, item_text(it), it->name, it->name_at);
  Frame *old = E->frame;
  frame_push(E, NULL, E->main);
  switch (it->kind) {
  case IT_CONST:
  case IT_USE: {
    Global *g = module_find(E->main, it->name);
    if (g && g->item == it) global_value(E, g, it->name_at);
    break;
  }
  case IT_DATA: {
    Global *g = module_find(E->main, it->name);
    if (g && g->item == it && !it->body) global_value(E, g, it->name_at);
    break;
  }
  case IT_FLOW: break;
  case IT_PROVE: prove_item(E, it); break;
  case IT_PLOT: plot_item(E, it); break;
  case IT_TRAIN: train_item(E, it); break;
  case IT_REPORT: report_item(E, it); break;
  case IT_EXPECT: expect_item(E, it); break;
  default: break;
  }
  E->frame = old;
}

static void report_names(Elab *E) {
  for (const Item *it = E->main->ast->first; it; it = it->next) {
    if (it->kind != IT_REPORT && it->kind != IT_PLOT) continue;
    for (const Item *old = E->main->ast->first; old != it; old = old->next)
      if (old->kind == it->kind && old->name == it->name) {
        elab_label(elab_error(E, CODE_defined_twice, it->name_at, "there are two %ss `%s`", it->kind == IT_PLOT ? "plot" : "report",
                              it->name),
                   old->name_at, "first");
        break;
      }
  }
}

/* Sizes and other static values are evaluated anywhere, hence the scratch function and the body around all. */
static void elaborate(Elab *E) {
  Scratch s;
  Body body = {.path = ""};
  scratch_begin(E, &s);
  E->body = &body;
  override_apply(E);
  precision(E);
  report_names(E);
  for (const Item *it = E->main->ast->first; it && !elab_stop(E); it = it->next) item(E, it);
  export_globals(E);
  resolve_globals(E);
  scratch_end(E, &s, POISON, (Span){0});
  vec_free(&body.counts);
  vec_free(&body.params);
  vec_free(&body.used);
  E->body = NULL;
}

/* ---- parameters ---------------------------------------------------------------------------------------- */

int64_t param_turns(const Param *p) {
  int64_t n = 1;
  for (uint32_t k = 0; k < p->stacked; k++) n *= p->type.dim[k];
  return n;
}

int64_t model_params(const Model *m) {
  int64_t n = 0;
  for (uint32_t k = 0; k < m->nparam; k++) n += param_turns(&m->param[k]);
  return n;
}

Type param_turn_type(const Param *p) { return type_real(false, (int)(p->type.rank - p->stacked), p->type.dim + p->stacked); }

/* The next range `a:b` at or behind s, and where it ends; NULL if there is none. */
static const char *next_range(const char *s, int64_t *a, int64_t *b, const char **end) {
  const char *colon = strchr(s, ':'), *begin = colon;
  if (!colon) return NULL;
  while (begin > s && begin[-1] >= '0' && begin[-1] <= '9') begin--;
  char *stop;
  *a = strtoll(begin, NULL, 10);
  *b = strtoll(colon + 1, &stop, 10);
  *end = stop;
  return begin;
}

/* No number is longer than the range that it comes from. */
char *param_turn_path(const Param *p, int64_t turn) {
  int64_t left = param_turns(p), a, b;
  const char *at = p->path, *begin, *end;
  size_t size = strlen(p->path) + 1, n = 0;
  char *path = base_realloc(NULL, size);
  for (; p->stacked && (begin = next_range(at, &a, &b, &end)); at = end) {
    left /= b - a;
    n += (size_t)snprintf(path + n, size - n, "%.*s%lld", (int)(begin - at), at, (long long)(a + turn / left));
    turn %= left;
  }
  snprintf(path + n, size - n, "%s", at);
  return path;
}

/* ---- the model ----------------------------------------------------------------------------------------- */

#define COPY(dst, ndst, vec)                                         \
  do {                                                               \
    (ndst) = (vec).n;                                                \
    (dst) = arena_alloc(m->mem, sizeof *(vec).at * ((vec).n + 1));   \
    if ((vec).n) memcpy((dst), (vec).at, sizeof *(vec).at *(vec).n); \
  } while (0)

static void hand_over(Elab *E) {
  Model *m = E->m;
  COPY(m->param, m->nparam, E->params);
  COPY(m->data, m->ndata, E->data);
  COPY(m->action, m->naction, E->actions);
  COPY(m->export_, m->nexport, E->exports);
  COPY(m->left_out, m->nleft_out, E->left_out);
  COPY(m->proof, m->nproof, E->proofs);
  COPY(m->looked, m->nlooked, E->looked);
}

#undef COPY

static void finish(Elab *E) {
  for (Frame *f = E->all_frames; f; f = f->next_all) vec_free(&f->entries), index_free(&f->index);
  for (Module *m = E->modules; m; m = m->next) ast_destroy(m->ast), index_free(&m->index);
  vec_free(&E->params);
  vec_free(&E->instances);
  index_free(&E->param_at);
  index_free(&E->instance_at);
  index_free(&E->wrt_at);
  vec_free(&E->data);
  vec_free(&E->reports);
  vec_free(&E->actions);
  vec_free(&E->exports);
  vec_free(&E->left_out);
  vec_free(&E->sparse);
  vec_free(&E->proofs);
  vec_free(&E->looked);
  vec_free(&E->claims);
  vec_free(&E->decided);
  vec_free(&E->wrt);
  vec_free(&E->said);
  vec_free(&E->type);
  index_free(&E->type_at);
  vec_free(&E->unknown);
}

static const char *base_name(Arena *mem, const char *path) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
  return arena_strndup(mem, base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
}

static const char *model_name(Arena *mem, const char *path) { return strcmp(path, SOURCE_STDIN) ? base_name(mem, path) : "input"; }

static Model *load(Source *src, uint32_t file, const char *path, const FrontOptions *o, Diag *diag) {
  static const FrontOptions none;
  Model *m = base_realloc(NULL, sizeof *m);
  int before = diag_errors(diag);
  *m = (Model){.mem = arena_create(), .names = intern_create(), .f64 = true};
  m->path = arena_strdup(m->mem, path);
  m->name = model_name(m->mem, path);
  Elab E = {.m = m, .mem = m->mem, .src = src, .diag = diag, .o = o ? o : &none};
  module_load(&E, m->path, file);
  elaborate(&E);
  if (diag_errors(diag) == before) warn_model(&E);
  hand_over(&E);
  if (E.o->tree) tree_make(&E, E.o->tree);
  finish(&E);
  if (diag_errors(diag) == before) return m;
  model_destroy(m);
  return NULL;
}

Model *model_load_text(Source *src, const char *path, const char *text, size_t len, const FrontOptions *o, Diag *diag) {
  return load(src, source_add(src, path, text, len), path, o, diag);
}

Model *model_load(Source *src, const char *path, const FrontOptions *o, Diag *diag) {
  uint32_t file = source_load_any(src, path);
  if (!file) {
    diag_add(diag, CODE_file, (Span){0}, "cannot read `%s`: %s", path, source_fault(errno));
    return NULL;
  }
  return load(src, file, source_file(src, file)->name, o, diag);
}

void model_destroy(Model *m) {
  if (!m) return;
  for (uint32_t i = 0; i < m->ndata; i++) ir_fn_destroy(m->data[i]->program);
  for (uint32_t i = 0; i < m->nexport; i++) ir_fn_destroy(m->export_[i].fn);
  for (uint32_t i = 0; i < m->naction; i++) {
    const Action *a = &m->action[i];
    ir_fn_destroy(a->kind == DO_TRAIN    ? a->train->loss
                  : a->kind == DO_REPORT ? a->report->fn
                  : a->kind == DO_EXPECT ? a->expect->fn
                                         : a->plot->fn);
    if (a->kind == DO_PLOT) ir_fn_destroy(a->plot->grid);
  }
  intern_destroy(m->names);
  arena_destroy(m->mem);
  free(m);
}
