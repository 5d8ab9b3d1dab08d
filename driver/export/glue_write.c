/* The library: compiled functions, tables, and the functions that programs call by name. */
#include "driver/export/glue_data_priv.h"

#include "driver/process/process.h"
#include "lib_base.h"

#include <stdlib.h>
#include <string.h>

/* The engine, embedded by the build. */
__asm__(".section .rodata\n.global hnnc_lib_base\n.global hnnc_lib_base_end\n.balign 16\n"
        "hnnc_lib_base: .incbin \"" HNNC_LIB_BASE "\"\nhnnc_lib_base_end:\n.previous\n");
extern const char hnnc_lib_base[], hnnc_lib_base_end[];

/* Functions of the engine that every library shows under its own name. */
static void show_engine(const Glue *g, GlueNames *names) {
  static const char *const shown[][2] = {{"library", "lib_so_library"},      {"create", "lib_so_create"},
                                         {"destroy", "lib_destroy"},         {"share", "lib_abi_share"},
                                         {"threads", "lib_abi_threads"},     {"load", "lib_abi_load"},
                                         {"save", "lib_abi_save"},           {"error", "lib_abi_error"},
                                         {"param", "lib_abi_param"},         {"param_name", "lib_so_param_name"},
                                         {"param_size", "lib_so_param_size"}};
  for (size_t k = 0; k < sizeof shown / sizeof *shown; k++)
    *vec_push(names) = (CgShown){.name = arena_printf(g->s->model->mem, "%s_%s", g->name, shown[k][0]), .symbol = shown[k][1]};
}

typedef VEC(CgWrapper) Wrappers;

static void add_wrapper(const Glue *g, Wrappers *list, GlueNames *names, const char *name, CgWrapper w) {
  w.symbol = arena_printf(g->s->model->mem, "%s_%s", g->name, name);
  w.to = w.step ? "lib_abi_step" : "lib_abi_call";
  *vec_push(list) = w;
  *vec_push(names) = (CgShown){.name = w.symbol, .symbol = w.symbol};
}

static void add_wrappers(const Glue *g, Wrappers *list, GlueNames *names) {
  int train = 0;
  for (int i = 0; i < g->n; i++) {
    const GlueFn *f = &g->fn[i];
    const int n = (int)glue_losses(f);
    int *nin = ARENA_ARRAY(g->s->model->mem, int, n);
    if (glue_has_wrapper(f)) {
      for (int k = 0; k < n; k++) nin[k] = f[k].nuser;
      CgWrapper w = {.number = f->number, .nset = n, .nin = nin, .nout = (int)glue_outputs(f) + glue_slope(f)};
      if (glue_trains(f)) w.step = true, w.number = train++, w.nout = 0;
      add_wrapper(g, list, names, f->wrapper, w);
    }
    if (f->kind == GLUE_GRADIENT && f->shown) {
      nin[0] = f->nuser;
      add_wrapper(g, list, names, f->gradient, (CgWrapper){.number = f->number, .nset = 1, .nin = nin, .nout = 2});
    }
  }
}

static void add_start(const Session *s, CgSpan *span) {
  const size_t real = s->model->f64 ? sizeof(double) : sizeof(float);
  for (uint32_t k = 0; k < s->model->nparam; k++) span[k] = (CgSpan){s->param[k].v, (size_t)s->param[k].elems * real};
}

bool glue_write(const Glue *g, FILE *out, char *err, size_t errsize) {
  const Model *m = g->s->model;
  CgData data = {0};
  GlueNames names = {0};
  Wrappers wrapper = {0};
  CgSpan *start = ARENA_ARRAY(m->mem, CgSpan, m->nparam + 1);
  Cg *cg = cg_create(&g->s->cg, err, errsize);
  bool ok = cg != NULL;
  if (ok) {
    const size_t root = glue_data(&data, g, &names);
    show_engine(g, &names);
    add_wrappers(g, &wrapper, &names);
    add_start(g->s, start);
    glue_add(cg, g);
    const CgShared shared = {.base = hnnc_lib_base,
                             .base_size = (size_t)(hnnc_lib_base_end - hnnc_lib_base),
                             .soname = arena_printf(m->mem, "%s.so", g->file),
                             .slot = "lib_so_model",
                             .root = root,
                             .data = &data,
                             .numbers = start,
                             .nnumbers = (int)m->nparam,
                             .wrapper = wrapper.at,
                             .nwrapper = (int)wrapper.n,
                             .shown = names.at,
                             .nshown = (int)names.n};
    waiting_at("the library", NULL, (Span){0});
    ok = cg_write_shared(cg, &shared, out, err, errsize);
    waiting_at("", NULL, (Span){0});
  }
  cg_destroy(cg);
  cg_data_finish(&data);
  vec_free(&names);
  vec_free(&wrapper);
  return ok;
}
