/* From a file to a Model: the file and its imports are parsed, overrides put in, and the items taken from
 * top to bottom; then what is named but was not used is looked at. */
#include "frontend/builtin/builtin.h"
#include "frontend/claims/claims.h"
#include "frontend/items/items.h"
#include "frontend/local/local.h"
#include "frontend/model/tree.h"
#include "frontend/warn/warn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
      suggest_precision(elab_error(E, CODE_precision, it->name_at, "the precision must be f32 or f64, found `%s`", it->name),
                        it->name);
  }
}

static void language(Elab *E) {
  const Item *first = NULL;
  for (const Item *it = E->main->ast->first; it; it = it->next) {
    if (it->kind != IT_LANGUAGE) continue;
    if (first)
      elab_label(elab_error(E, CODE_language, it->value->at, "the version of the language is given twice"), first->value->at,
                 "first");
    first = it;
  }
}

static const char *item_text(const Item *it) {
  switch (it->kind) {
  case IT_CONST: return "the constant";
  case IT_USE: return "the instance";
  case IT_DATA: return "the data";
  case IT_PROVE: return "a proof";
  case IT_PLOT: return "the plot";
  case IT_SAVE: return "the arrays";
  case IT_TRAIN: return "the training of";
  case IT_REPORT: return "the report";
  case IT_EXPECT: return "an expectation";
  default: return "the definition of";
  }
}

static void item(Elab *E, const Item *it) {
  elab_tell(E, item_text(it), it->name, it->name_at);
  Context c;
  context_push(E, &c);
  frame_push(E, NULL, E->main);
  switch (it->kind) {
  case IT_CONST:
  case IT_USE: {
    Global *g = module_find(E->main, it->name);
    if (g && g->item == it) item_made(E, global_value(E, g, it->name_at), it->name_at);
    if (g && g->item == it && it->from) item_starts(E, it, g->v);
    break;
  }
  case IT_DATA: {
    Global *g = module_find(E->main, it->name);
    if (g && g->item == it && !it->body) item_made(E, global_value(E, g, it->name_at), it->name_at);
    break;
  }
  case IT_FLOW: break;
  case IT_PROVE: prove_item(E, it); break;
  case IT_PLOT: plot_item(E, it); break;
  case IT_SAVE: save_item(E, it); break;
  case IT_TRAIN: train_item(E, it); break;
  case IT_REPORT: report_item(E, it); break;
  case IT_EXPECT: expect_item(E, it); break;
  default: break;
  }
  context_pop(E, &c);
}

static void report_names(Elab *E) {
  for (const Item *it = E->main->ast->first; it; it = it->next) {
    if (it->kind != IT_REPORT && it->kind != IT_PLOT && it->kind != IT_SAVE) continue;
    for (const Item *old = E->main->ast->first; old != it; old = old->next)
      if (old->kind == it->kind && old->name == it->name) {
        elab_label(elab_error(E, CODE_defined_twice, it->name_at, "there are two %ss `%s`", ast_item_text[it->kind], it->name),
                   old->name_at, "first");
        break;
      }
  }
}

/* Sizes and other static values are evaluated anywhere, hence the scratch function and the body around all. */
static void elaborate(Elab *E) {
  Context c;
  Scratch s;
  context_alone(E, &c, E->main);
  context_body(&c, "");
  scratch_begin(E, &s);
  override_apply(E);
  language(E);
  precision(E);
  report_names(E);
  for (const Item *it = E->main->ast->first; it && !elab_stop(E); it = it->next) item(E, it);
  train_monitors(E);
  export_globals(E);
  if (E->o->ask) ask_item(E);
  resolve_globals(E);
  scratch_end(E, &s, POISON, (Span){0});
  context_pop(E, &c);
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
  COPY(m->param, m->nparam, E->made.params);
  COPY(m->data, m->ndata, E->made.data);
  COPY(m->action, m->naction, E->made.actions);
  COPY(m->export_, m->nexport, E->made.exports);
  COPY(m->loss, m->nloss, E->made.losses);
  COPY(m->left_out, m->nleft_out, E->made.left_out);
  COPY(m->proof, m->nproof, E->made.proofs);
  COPY(m->looked, m->nlooked, E->made.looked);
  COPY(m->start, m->nstart, E->made.starts);
  COPY(m->file, m->nfile, E->made.files);
}

#undef COPY

static void finish(Elab *E) {
  for (Frame *f = E->all_frames; f; f = f->next_all) vec_free(&f->entries), index_free(&f->index);
  for (Module *m = E->modules; m; m = m->next) ast_destroy(m->ast), index_free(&m->index);
  vec_free(&E->made.params);
  vec_free(&E->made.data);
  vec_free(&E->made.actions);
  vec_free(&E->made.exports);
  vec_free(&E->made.losses);
  vec_free(&E->made.left_out);
  vec_free(&E->made.proofs);
  vec_free(&E->made.looked);
  vec_free(&E->made.starts);
  vec_free(&E->made.files);
  vec_free(&E->said);
  vec_free(&E->unknown);
  notes_finish(E);
  nets_finish(E);
  wrt_finish(E);
  claims_finish(E);
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
  Context bottom = {0};
  Elab E = {.now = &bottom, .m = m, .mem = m->mem, .src = src, .diag = diag, .o = o ? o : &none};
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
  for (uint32_t i = 0; i < m->nloss; i++) ir_fn_destroy(m->loss[i].fn);
  for (uint32_t i = 0; i < m->naction; i++) {
    const Action *a = &m->action[i];
    for (uint32_t k = 0; a->kind == DO_TRAIN && k < a->train->nsum; k++) ir_fn_destroy(a->train->sum[k].loss);
    ir_fn_destroy(a->kind == DO_REPORT   ? a->report->fn
                  : a->kind == DO_EXPECT ? a->expect->fn
                  : a->kind == DO_PLOT   ? a->plot->fn
                  : a->kind == DO_SAVE   ? a->save->fn
                                         : NULL);
    if (a->kind == DO_PLOT) ir_fn_destroy(a->plot->grid);
  }
  intern_destroy(m->names);
  arena_destroy(m->mem);
  base_free(m);
}
