/* The public face: functions are collected, made into objects (work.c, module.c), and linked into the process. */
#include "codegen/codegen.h"
#include "codegen/object/codegen_priv.h"
#include "codegen/gen/gen.h"
#include "codegen/kernels/kernels.h"

#include <string.h>

void cg_timed(const Cg *cg, const char *what, double seconds) {
  if (cg->opt.time && cg->opt.timed) cg->opt.timed(cg->opt.ctx, what, seconds);
}

Cg *cg_create(const CgOptions *o, char *err, size_t errsize) {
  Cg *cg = base_realloc(NULL, sizeof *cg);
  memset(cg, 0, sizeof *cg);
  cg->opt = *o;
  if (!cg_machine_init(&cg->machine, o, &cg_vector_kernels, err, errsize)) {
    cg_destroy(cg);
    return NULL;
  }
  if (o->cache_dir) cg->cache_dir = base_strdup(o->cache_dir);
  cg->opt.triple = cg->machine.triple; /* what workers are set up with; the caller's text may go */
  cg->opt.cpu = o->cpu ? cg->machine.cpu : NULL;
  cg->opt.features = o->features ? cg->machine.features : NULL;
  cg->opt.cache_dir = cg->cache_dir;
  return cg;
}

void cg_destroy(Cg *cg) {
  if (!cg) return;
  cg_work_drop(cg);
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    cg_image_destroy(cg->fn.at[k].image);
    ir_fn_destroy(cg->fn.at[k].own);
    base_free(cg->fn.at[k].symbol);
    base_free(cg->fn.at[k].object.p);
  }
  vec_free(&cg->fn);
  for (int k = 0; k < 2; k++) cg_image_destroy(cg->peak[k]);
  cg_machine_finish(&cg->machine);
  base_free(cg->cache_dir);
  base_free(cg);
}

void cg_abandon(Cg *cg) {
  cg_work_stop(cg);
  for (uint32_t k = 0; k < cg->fn.n; k++) cg_image_destroy(cg->fn.at[k].image);
  for (int k = 0; k < 2; k++) cg_image_destroy(cg->peak[k]);
  cg_machine_finish(&cg->machine);
}

void cg_add_for(Cg *cg, const Fn *f, const char *symbol, int64_t samples) {
  const uint32_t n = gen_shares(cg->machine.target.tune, f);
  for (uint32_t k = 0; k < n; k++)
    *vec_push(&cg->fn) = (CgFn){
      .f = f, .symbol = base_strdup(symbol), .share = {k, n}, .samples = plan_samples(&cg->machine.target, f->f64, samples)};
}

void cg_add(Cg *cg, const Fn *f, const char *symbol) {
  Fn *copy = ir_copy_fn(NULL, f);
  const uint32_t at = cg->fn.n;
  cg_add_for(cg, copy, symbol, 0);
  for (uint32_t k = at; k < cg->fn.n; k++) cg->fn.at[k].f = cg->fn.at[k].own = k > at ? ir_copy_fn(NULL, f) : copy;
}

/* ---- linking ---------------------------------------------------------------------------------------------------- */

/* The next shares of the function are there. */
static bool link_object(CgFn *f, char *err, size_t errsize) {
  char name[512];
  snprintf(name, sizeof name, "%s_info", f->symbol);
  f->image = cg_image_load(f->object.p, f->object.n, f->share.k + 1 < f->share.n ? f[1].image : NULL, err, errsize);
  if (!f->image) return false;
  if (f->share.k) return f->compiled = true;
  void *code = cg_image_symbol(f->image, f->symbol), *info = cg_image_symbol(f->image, name);
  if (!code || !info) return snprintf(err, errsize, "an object does not hold `%s`", f->symbol), false;
  f->kernel = (HnnKernel)(uintptr_t)code;
  memcpy(&f->info, info, sizeof f->info);
  f->compiled = true;
  return true;
}

static bool link_objects(Cg *cg, bool ok, char *err, size_t errsize) {
  for (uint32_t k = cg->fn.n; k-- > 0;) {
    CgFn *f = &cg->fn.at[k];
    ok = ok && (f->compiled || link_object(f, err, errsize));
    base_free(f->object.p);
    f->object = (CgObject){0};
  }
  return ok;
}

bool cg_compile(Cg *cg, char *err, size_t errsize) {
  bool ok = cg_work_objects(cg, err, errsize);
  const double start = cg_clock(CLOCK_MONOTONIC);
  ok = link_objects(cg, ok, err, errsize);
  cg_timed(cg, "link", cg_clock(CLOCK_MONOTONIC) - start);
  return ok;
}

static const CgFn *find(const Cg *cg, const char *symbol) {
  for (uint32_t k = cg->fn.n; k-- > 0;)
    if (!cg->fn.at[k].share.k && !strcmp(cg->fn.at[k].symbol, symbol)) return &cg->fn.at[k];
  return NULL;
}

HnnKernel cg_kernel(Cg *cg, const char *symbol) {
  const CgFn *f = find(cg, symbol);
  return f ? f->kernel : NULL;
}

HnnKernelInfo cg_info(Cg *cg, const char *symbol) {
  const CgFn *f = find(cg, symbol);
  return f ? f->info : (HnnKernelInfo){0};
}

bool cg_cached(const Cg *cg) { return cg->cached; }
int cg_vector_bits(const Cg *cg) { return (int)cg->machine.target.bits; }

/* ---- text and files ---------------------------------------------------------------------------------------------- */

void cg_print_kernels(Cg *cg, FILE *out, const Source *src, const CgNote *note) {
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    const CgFn *f = &cg->fn.at[k];
    if (f->compiled || f->share.k) continue;
    if (cg->opt.at) cg->opt.at(f->symbol);
    PlanForms forms = plan_forms(f->f, &cg->machine.target, cg->opt.form, f->samples);
    for (uint32_t n = 0; n < forms.n; n++) {
      if (n) fprintf(out, "for at most %lld samples: ", (long long)forms.most);
      plan_print(out, forms.plan[n], f->symbol, src, note);
      plan_destroy(forms.plan[n]);
    }
  }
}

uint32_t cg_objects(Cg *cg, const CgWrapper *wrapper, uint32_t n, CgObject **out, char *err, size_t errsize) {
  if (!cg_work_objects(cg, err, errsize)) return 0;
  *out = base_zeroed(cg->fn.n + 1, sizeof **out);
  const bool ok = cg_module_wrappers(cg, wrapper, n, *out, err, errsize);
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    (*out)[k + 1] = cg->fn.at[k].object;
    cg->fn.at[k].object = (CgObject){0};
    if (!ok) base_free((*out)[k + 1].p);
  }
  if (ok) return cg->fn.n + 1;
  base_free(*out);
  return 0;
}
