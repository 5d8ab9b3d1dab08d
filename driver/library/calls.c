/* Functions of an open model. They are called as those of an exported library are, by the engine of runtime/library, whose tables are made
 * here: each function is compiled when it is first called. */
#include "driver/library/calls_priv.h"
#include "driver/session/engine.h"

#include <stdlib.h>
#include <string.h>

/* A Native for each that has none yet. */
static void add_natives(Calls *c) {
  while (c->native.n < c->all.list.n) *vec_push(&c->native) = base_zeroed(1, sizeof(Native));
}

hnnc_status library_product(hnnc_model *m, ProductKind kind, size_t of, size_t *number) {
  Calls *c = library_calls(m);
  if (!functions_product(&m->s, &c->all, kind, of, number)) return HNNC_USAGE;
  return add_natives(c), HNNC_OK;
}

/* ---- tables of the engine --------------------------------------------------------------------------------------- */

static void make_params(hnnc_model *m) {
  const Model *model = m->s.model;
  Calls *c = m->calls;
  LibParam *param;
  c->values = base_zeroed(model->nparam + 1, sizeof *c->values);
  for (uint32_t k = 0; k < model->nparam; k++) c->values[k] = m->s.param[k].v;
  c->engine.reals = engine_params(m->mem, model, &param);
  c->engine.f64 = model->f64, c->engine.nparam = (int)model->nparam, c->engine.param = param;
}

/* The engine for as many functions as there are: what was called before is made anew, from code that is there. */
static bool make_engine(hnnc_model *m) {
  Calls *c = m->calls;
  if (c->lib && c->engine.nfn == (int)c->all.list.n) return true;
  lib_destroy(c->lib);
  LibFn *fn = base_zeroed(c->all.list.n + 1, sizeof *fn);
  if (c->engine.nfn) memcpy(fn, c->fn, sizeof *fn * (size_t)c->engine.nfn);
  base_free(c->fn);
  c->fn = fn, c->engine.fn = fn, c->engine.nfn = (int)c->all.list.n;
  return (c->lib = lib_create_on(&c->engine, c->values, m->s.pool)) != NULL;
}

Calls *library_calls(hnnc_model *m) {
  if (m->calls) return m->calls;
  m->calls = base_zeroed(1, sizeof *m->calls);
  make_params(m);
  functions_add_own(&m->s, &m->calls->all);
  functions_add_losses(&m->s, &m->calls->all);
  add_natives(m->calls);
  return m->calls;
}

static void fill(const Function *x, Native *n, LibFn *out) {
  const EngineFn e = {
    .whole = n->fn, .split = &n->split, .sum = !x->mean, .moved = x->moved, .nmoved = x->nmoved, .slope = x->slope};
  engine_fn(n->mem, &e, out);
  LibPart *part = ARENA_ARRAY(n->mem, LibPart, n->split.n);
  for (uint32_t k = 0; k < n->split.n; k++) {
    HnnKernelInfo *info = ARENA_NEW(n->mem, HnnKernelInfo);
    part[k] = out->part[k];
    part[k].kernel = native_kernel(n, k, info), part[k].info = info;
  }
  out->part = part;
}

hnnc_status library_compile(hnnc_model *m, const size_t *one) {
  Calls *c = library_calls(m);
  const uint32_t all = c->all.list.n;
  NativeJob *job = base_zeroed(all + 1, sizeof *job);
  int n = 0;
  for (uint32_t k = 0; k < all; k++) {
    const Function *x = c->all.list.at[k];
    if (c->native.at[k]->cg || (one && *one != k)) continue;
    job[n++] = (NativeJob){.fn = x->fn,
                           .name = x->name,
                           .native = c->native.at[k],
                           .memory = x->memory,
                           .gradient = x->gradient,
                           .moved = x->moved,
                           .nmoved = x->gradient ? x->nmoved : 0};
  }
  int code = n ? native_compile(&m->s, job, n) : 0;
  if (!code && !make_engine(m))
    code = session_fail(&m->s, EXIT_IO, CODE_memory, (Span){0}, "there is not enough memory for the functions");
  for (uint32_t k = 0; !code && k < all; k++)
    if (c->native.at[k]->cg && !c->fn[k].nparts) fill(c->all.list.at[k], c->native.at[k], &c->fn[k]);
  base_free(job);
  return library_status(code);
}

void library_calls_finish(hnnc_model *m) {
  Calls *c = m->calls;
  if (!c) return;
  lib_destroy(c->lib);
  for (uint32_t k = 0; k < c->native.n; k++) native_finish(c->native.at[k]), base_free(c->native.at[k]);
  vec_free(&c->native);
  functions_finish(&c->all);
  base_free(c->fn), base_free(c->values);
  base_free(c);
  m->calls = NULL;
}
