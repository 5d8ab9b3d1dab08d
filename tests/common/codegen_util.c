/* Runs functions compiled and evaluated, and compares. */
#include "tests/common/codegen_util.h"
#include "runtime/runtime.h"
#include "tests/common/random_fn.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- running both ------------------------------------------------------------------------------------------- */

static void draw_eval(int kind, uint64_t seed, uint64_t sample0, int64_t lanes, uint32_t site, uint32_t counter, int64_t elems,
                      double *out) {
  rt_draw64(kind, seed, sample0, (int32_t)lanes, site, counter, elems, out, lanes);
}

static Cg *start(const char *cpu, CgForm form, const char *cache) {
  char err[256];
  Cg *cg = cg_create(&(CgOptions){.cpu = cpu, .opt = 1, .form = form, .cache_dir = cache}, err, sizeof err);
  if (!cg) CU_FAIL(err);
  return cg;
}

Cg *codegen_start(const char *cpu, const char *cache) { return start(cpu, CG_AUTO, cache); }

static size_t element(Type t, bool f64) { return t.dt == DT_BOOL ? 1 : f64 ? 8 : 4; }

static void *to_native(const Tensor *x, bool f64, int64_t B, int64_t ld) {
  int64_t n = type_count(x->type), lanes = x->type.lane ? ld : 1;
  size_t es = element(x->type, f64);
  char *p = aligned_alloc(64, ((size_t)(n * lanes) * es + 128) / 64 * 64);
  for (int64_t e = 0; e < n; e++)
    for (int64_t s = 0; s < lanes; s++) {
      double v = x->type.lane ? x->v[e * B + (s < B ? s : B - 1)] : x->v[e];
      char *at = p + (size_t)(e * lanes + s) * es;
      if (x->type.dt == DT_BOOL) *at = v != 0;
      else if (f64) *(double *)(void *)at = v;
      else *(float *)(void *)at = (float)v;
    }
  return p;
}

static double native_at(const void *p, Type t, bool f64, int64_t i) {
  if (t.dt == DT_BOOL) return ((const uint8_t *)p)[i];
  return f64 ? ((const double *)p)[i] : ((const float *)p)[i];
}

/* Of one of the forms that a function is compiled in. */
static double form_difference(HnnKernel kernel, HnnKernelInfo info, const Fn *f, int64_t B, const Tensor *in, bool print) {
  int64_t ld = info.tile ? (B + 63) / 64 * 64 : 1, tiles = info.tile ? (B + info.tile - 1) / info.tile : 0;
  HnnArg *a = calloc(f->in.n + 1, sizeof *a), *o = calloc(f->out.n + 1, sizeof *o);
  Tensor *want = calloc(f->out.n + 1, sizeof *want), *rounded = calloc(f->in.n + 1, sizeof *rounded);
  char err[256] = "";
  double worst = 0;
  for (uint32_t k = 0; k < f->in.n; k++) {
    a[k] = (HnnArg){to_native(&in[k], f->f64, B, ld), ld};
    rounded[k] = in[k];
    int64_t n = type_count(in[k].type) * (in[k].type.lane ? B : 1);
    rounded[k].v = malloc((size_t)(n + 1) * sizeof(double));
    for (int64_t i = 0; i < n; i++) rounded[k].v[i] = f->f64 ? in[k].v[i] : (float)in[k].v[i];
  }
  for (uint32_t k = 0; k < f->out.n; k++) {
    Type t = ir_type(f, f->out.at[k]);
    size_t bytes = (size_t)(type_count(t) * (t.lane ? ld : 1)) * element(t, f->f64);
    o[k] = (HnnArg){aligned_alloc(64, (bytes + 128) / 64 * 64), ld};
    memset(o[k].p, 0x55, bytes);
  }
  void *scratch = aligned_alloc(64, (size_t)(info.scratch_bytes + 63) / 64 * 64);
  memset(scratch, 0x7f, (size_t)info.scratch_bytes);
  /* sums over the batch may include the padding: here it counts as samples, and is evaluated too */
  int64_t padded = info.tile ? tiles * info.tile : B;
  HnnCall call = {a, o, 0, tiles, scratch, 7, 1000, padded};
  kernel(&call);
  Tensor *wide = calloc(f->in.n + 1, sizeof *wide);
  for (uint32_t k = 0; k < f->in.n; k++) {
    int64_t n = type_count(in[k].type);
    wide[k] = rounded[k];
    if (!in[k].type.lane) continue;
    wide[k].v = malloc((size_t)(n * padded + 1) * sizeof(double));
    for (int64_t e = 0; e < n; e++)
      for (int64_t s = 0; s < padded; s++) wide[k].v[e * padded + s] = rounded[k].v[e * B + (s < B ? s : B - 1)];
  }
  EvalEnv env = {.seed = 7, .sample0 = 1000, .draw = draw_eval, .ode = rt_ode};
  bool ok = ir_eval(f, padded, wide, want, &env, err, sizeof err);
  if (!ok) CU_FAIL(err);
  for (uint32_t k = 0; ok && k < f->out.n; k++) {
    Type t = want[k].type;
    int64_t n = type_count(t);
    double big = ir_inst(f, f->out.at[k])->op == OP_batch_sum ? sqrt((double)padded) : 1, off = 0;
    for (int64_t e = 0; e < n; e++)
      for (int64_t s = 0; s < (t.lane ? padded : 1); s++) {
        double w = want[k].v[t.lane ? e * padded + s : e], g = native_at(o[k].p, t, f->f64, t.lane ? e * ld + s : e);
        if (w == g || (isnan(w) && isnan(g))) continue;
        if (!isfinite(w) || !isfinite(g)) off = INFINITY;
        if (isfinite(w) && fabs(w) > big) big = fabs(w);
        if (!(fabs(w - g) <= off)) off = isnan(w - g) ? INFINITY : fabs(w - g);
      }
    if (print && off / big > 1e-6) fprintf(stderr, "  output %u: off %g of %g\n", k, off, big);
    if (off / big > worst) worst = off / big;
  }
  if (ok) ir_tensors_free(want, f->out.n);
  for (uint32_t k = 0; k < f->in.n; k++) {
    if (wide[k].v != rounded[k].v) free(wide[k].v);
    free(rounded[k].v), free(a[k].p);
  }
  for (uint32_t k = 0; k < f->out.n; k++) free(o[k].p);
  free(a), free(o), free(want), free(rounded), free(wide), free(scratch);
  return worst;
}

/* Largest difference between compiled and evaluated, relative to the largest element of each output (or to
 * 1, of a sum over the batch to the root of its samples: sums cancel). */
double codegen_difference(Cg *cg, const Fn *f, const char *symbol, int64_t B, const Tensor *in, bool print) {
  HnnKernelInfo info = cg_info(cg, symbol), few = info;
  double off = form_difference(cg_kernel(cg, symbol), info, f, B, in, print), other = 0;
  few.tile = info.few_tile;
  if (info.few) other = form_difference(info.few, few, f, B, in, print);
  return other > off ? other : off;
}

static double compile_and_compare(const char *cpu, CgForm form, const Fn *f, int64_t B, uint64_t seed, bool print) {
  char err[256];
  Cg *cg = start(cpu, form, NULL);
  if (!cg) return INFINITY;
  cg_add(cg, f, "f");
  Tensor *in = base_zeroed(f->in.n, sizeof *in);
  random_inputs(f, B, seed, in);
  double off = INFINITY;
  if (print) cg_print_kernels(cg, stderr, NULL, NULL);
  if (cg_compile(cg, err, sizeof err)) off = codegen_difference(cg, f, "f", B, in, print);
  else CU_FAIL(err);
  for (uint32_t k = 0; k < f->in.n; k++) base_free(in[k].v);
  base_free(in);
  cg_destroy(cg);
  return off;
}

/* Says which value is the first that differs when it is the only output. */
static void blame(const char *cpu, CgForm form, const Fn *f, int64_t B, uint64_t seed, double bound) {
  for (uint32_t v = 1; v < f->inst.n; v++) {
    if (f->inst.at[v].type.dt == DT_MULTI || f->inst.at[v].op == OP_in) continue;
    Fn *one = ir_copy_fn(NULL, f);
    one->out.n = 1, one->out.at[0] = (Val){v};
    double off = compile_and_compare(cpu, form, one, B, seed, false);
    if (!(off <= bound)) {
      fprintf(stderr, "%%%u is off by %g\n", v, off);
      compile_and_compare(cpu, form, one, B, seed, true);
      ir_fn_destroy(one);
      return;
    }
    ir_fn_destroy(one);
  }
}

double codegen_check_form(const char *cpu, CgForm form, const Fn *f, int64_t B, uint64_t seed) {
  double bound = f->f64 ? 1e-12 : 1e-5, off = compile_and_compare(cpu, form, f, B, seed, false);
  CU_ASSERT(off <= bound);
  if (off <= bound) return off;
  fprintf(stderr, "seed %llu, cpu %s, form %d, %lld samples, off by %g\n", (unsigned long long)seed, cpu ? cpu : "host", form,
          (long long)B, off);
  if (!getenv("HNNC_BLAME")) return off;
  ir_print(stderr, f, NULL);
  compile_and_compare(cpu, form, f, B, seed, true);
  blame(cpu, form, f, B, seed, bound);
  return off;
}

double codegen_check(const char *cpu, const Fn *f, int64_t B, uint64_t seed) {
  return codegen_check_form(cpu, CG_AUTO, f, B, seed);
}
