/* The public face: functions are collected, compiled (each a module of its own, on several threads) or
 * taken from the cache, and linked into the process. */
#include "codegen/codegen.h"
#include "codegen/peak.h"
#include "codegen/plan.h"
#include "codegen/target.h"

#include <errno.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

_Static_assert((int)CG_TILES == (int)PLAN_TILES && (int)CG_SINGLE == (int)PLAN_SINGLE, "forms are passed on by number");

typedef struct CgFn {
  Fn *f;
  char *symbol;
  int64_t samples;           /* it is compiled for; 0: unknown */
  bool compiled, cached;
  LLVMMemoryBufferRef object;          /* between compiling and linking */
  double seconds;
  HnnKernel kernel;
  HnnKernelInfo info;
} CgFn;

struct Cg {
  CgMachine machine;
  CgOptions opt;
  char *cache_dir;
  LLVMOrcLLJITRef jit;
  VEC(CgFn) fn;
  bool cached;
  int64_t peak_flop[2];      /* of one turn of the loop, once it is there */
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void timed(const Cg *cg, const char *what, double begin) {
  if (cg->opt.time && cg->opt.timed) cg->opt.timed(what, now() - begin);
}

static bool orc_ok(LLVMErrorRef e, char *err, size_t errsize) {
  if (!e) return true;
  char *m = LLVMGetErrorMessage(e);
  snprintf(err, errsize, "%s", m);
  LLVMDisposeErrorMessage(m);
  return false;
}

Cg *cg_create(const CgOptions *o, char *err, size_t errsize) {
  Cg *cg = base_realloc(NULL, sizeof *cg);
  memset(cg, 0, sizeof *cg);
  cg->opt = *o;
  if (!cg_machine_init(&cg->machine, o, err, errsize)) {
    cg_destroy(cg);
    return NULL;
  }
  if (o->cache_dir) cg->cache_dir = strdup(o->cache_dir);
  cg->opt.triple = cg->machine.triple;   /* what workers are set up with; the caller's text may go */
  cg->opt.cpu = o->cpu ? cg->machine.cpu : NULL;
  cg->opt.features = o->features ? cg->machine.features : NULL;
  cg->opt.cache_dir = cg->cache_dir;
  return cg;
}

void cg_destroy(Cg *cg) {
  if (!cg) return;
  if (cg->jit) LLVMConsumeError(LLVMOrcDisposeLLJIT(cg->jit));
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    ir_fn_destroy(cg->fn.at[k].f);
    free(cg->fn.at[k].symbol);
  }
  vec_free(&cg->fn);
  cg_machine_finish(&cg->machine);
  free(cg->cache_dir);
  free(cg);
}

/* From MANY samples on, how many there are makes no difference to the code. */
enum { MANY = 64 };

void cg_add_for(Cg *cg, const Fn *f, const char *symbol, int64_t samples) {
  *vec_push(&cg->fn) = (CgFn){.f = ir_copy_fn(NULL, f), .symbol = strdup(symbol), .samples = samples < MANY ? samples : MANY};
}

void cg_add(Cg *cg, const Fn *f, const char *symbol) { cg_add_for(cg, f, symbol, 0); }

/* ---- modules ------------------------------------------------------------------------------------------------ */

/* Writes functions [from, to) that are not compiled yet. */
static LLVMModuleRef write_module(Cg *cg, const CgMachine *m, LLVMContextRef ctx, uint32_t from, uint32_t to) {
  LLVMModuleRef mod = cg_module(m, ctx);
  for (uint32_t k = from; k < to; k++) {
    CgEmit e;
    if (cg->fn.at[k].compiled) continue;
    cg_emit_init(&e, m, ctx, mod, cg->fn.at[k].f->f64);
    cg_gen_function(&e, cg->fn.at[k].f, cg->fn.at[k].symbol, (PlanForm)cg->opt.form, cg->fn.at[k].samples);
    cg_emit_finish(&e);
  }
  return mod;
}

static LLVMMemoryBufferRef compile_range(Cg *cg, const CgMachine *m, uint32_t from, uint32_t to, LLVMCodeGenFileType kind,
                                         char *err, size_t errsize) {
  LLVMContextRef ctx = LLVMContextCreate();
  LLVMMemoryBufferRef out = NULL;
  LLVMModuleRef mod = write_module(cg, m, ctx, from, to);
  if (!cg_object(m, mod, kind, &out, err, errsize)) out = NULL;
  LLVMDisposeModule(mod);
  LLVMContextDispose(ctx);
  return out;
}

static LLVMMemoryBufferRef compile_pending(Cg *cg, LLVMCodeGenFileType kind, char *err, size_t errsize) {
  return compile_range(cg, &cg->machine, 0, cg->fn.n, kind, err, errsize);
}

/* Everything the object of a function depends on, as text. */
static char *cache_key(Cg *cg, const CgFn *f, size_t *len) {
  char *text = NULL;
  FILE *out = open_memstream(&text, len);
  if (!out) return NULL;
  char *ir = ir_text(f->f);
  fprintf(out, "%s\n%s\n%s\n%s\n%d\n", cg_version(), cg->machine.triple, cg->machine.cpu, cg->machine.features, cg->opt.opt);
  fprintf(out, "%d %d\n%s\n%s\n", cg->opt.form, (int)f->samples, f->symbol, ir);
  free(ir);
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

/* ---- compiling: a function an object, several at a time, the longest first ------------------------------------ */

typedef struct Work {
  Cg *cg;
  uint32_t *order, n;
  atomic_uint next;
  bool failed;
  pthread_mutex_t lock;      /* of failed, err */
  char *err;
  size_t errsize;
} Work;

static void compile_one(Work *w, const CgMachine *m, CgFn *f) {
  Cg *cg = w->cg;
  char err[512] = "";
  size_t keylen = 0;
  uint32_t k = (uint32_t)(f - cg->fn.at);
  char *key = cg->cache_dir ? cache_key(cg, f, &keylen) : NULL;
  f->object = key ? cg_cache_get(cg->cache_dir, key, keylen) : NULL;
  f->cached = f->object != NULL;
  if (!f->object) {
    double begin = now();
    f->object = compile_range(cg, m, k, k + 1, LLVMObjectFile, err, sizeof err);
    if (f->object && key) cg_cache_put(cg->cache_dir, key, keylen, f->object);
    f->seconds = now() - begin;
  }
  free(key);
  if (f->object) return;
  pthread_mutex_lock(&w->lock);
  if (!w->failed) snprintf(w->err, w->errsize, "%s: %s", f->symbol, err);
  w->failed = true;
  pthread_mutex_unlock(&w->lock);
}

static void *worker(void *arg) {
  Work *w = arg;
  CgMachine own;
  char err[256];
  if (!cg_machine_init(&own, &w->cg->opt, err, sizeof err)) return NULL;
  for (uint32_t k; (k = atomic_fetch_add(&w->next, 1)) < w->n;) compile_one(w, &own, &w->cg->fn.at[w->order[k]]);
  cg_machine_finish(&own);
  return NULL;
}

static uint32_t weight(const Fn *f) {
  uint32_t n = f->inst.n;
  for (uint32_t k = 0; k < f->sub.n; k++) n += weight(f->sub.at[k]);
  return n;
}

static void pending(Cg *cg, Work *w) {
  w->order = base_realloc(NULL, sizeof *w->order * (cg->fn.n + 1));
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    if (cg->fn.at[k].compiled) continue;
    uint32_t at = w->n++;
    for (; at > 0 && weight(cg->fn.at[w->order[at - 1]].f) < weight(cg->fn.at[k].f); at--) w->order[at] = w->order[at - 1];
    w->order[at] = k;
  }
}

enum { MAX_WORKERS = 8 };

static void compile_all(Work *w) {
  pthread_t thread[MAX_WORKERS];
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  uint32_t more = 0, want = cores > 1 ? (uint32_t)cores - 1 : 0;
  if (want > MAX_WORKERS) want = MAX_WORKERS;
  while (more < want && more + 1 < w->n && pthread_create(&thread[more], NULL, worker, w) == 0) more++;
  for (uint32_t k; (k = atomic_fetch_add(&w->next, 1)) < w->n;) compile_one(w, &w->cg->machine, &w->cg->fn.at[w->order[k]]);
  while (more-- > 0) pthread_join(thread[more], NULL);
}

/* ---- linking ---------------------------------------------------------------------------------------------------- */

static bool start_jit(Cg *cg, char *err, size_t errsize) {
  LLVMOrcDefinitionGeneratorRef process;
  if (cg->jit) return true;
  LLVMOrcLLJITBuilderRef b = LLVMOrcCreateLLJITBuilder();
  LLVMTargetMachineRef tm = LLVMCreateTargetMachine(LLVMGetTargetMachineTarget(cg->machine.tm), cg->machine.triple, cg->machine.cpu,
                                                    cg->machine.features, LLVMCodeGenLevelLess, LLVMRelocPIC, LLVMCodeModelSmall);
  LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(b, LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(tm));
  if (!orc_ok(LLVMOrcCreateLLJIT(&cg->jit, b), err, errsize)) {
    cg->jit = NULL;
    return false;
  }
  char prefix = LLVMOrcLLJITGetGlobalPrefix(cg->jit);
  if (!orc_ok(LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, prefix, NULL, NULL), err, errsize)) return false;
  LLVMOrcJITDylibAddGenerator(LLVMOrcLLJITGetMainJITDylib(cg->jit), process);
  return true;
}

static bool look_up(Cg *cg, CgFn *f, char *err, size_t errsize) {
  LLVMOrcExecutorAddress code, info;
  char name[512];
  snprintf(name, sizeof name, "%s_info", f->symbol);
  if (!orc_ok(LLVMOrcLLJITLookup(cg->jit, &code, f->symbol), err, errsize)) return false;
  if (!orc_ok(LLVMOrcLLJITLookup(cg->jit, &info, name), err, errsize)) return false;
  f->kernel = (HnnKernel)(uintptr_t)code;
  memcpy(&f->info, (const void *)(uintptr_t)info, sizeof f->info);
  f->compiled = true;
  return true;
}

/* Links the objects of what was compiled, which it takes over; with `drop` only lets them go. */
static bool link_objects(Cg *cg, bool drop, char *err, size_t errsize) {
  bool ok = !drop && start_jit(cg, err, errsize);
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    LLVMMemoryBufferRef object = cg->fn.at[k].object;
    cg->fn.at[k].object = NULL;
    if (object && ok) ok = orc_ok(LLVMOrcLLJITAddObjectFile(cg->jit, LLVMOrcLLJITGetMainJITDylib(cg->jit), object), err, errsize);
    else if (object) LLVMDisposeMemoryBuffer(object);
  }
  for (uint32_t k = 0; ok && k < cg->fn.n; k++)
    if (!cg->fn.at[k].compiled) ok = look_up(cg, &cg->fn.at[k], err, errsize);
  return ok;
}

bool cg_compile(Cg *cg, char *err, size_t errsize) {
  Work w = {.cg = cg, .err = err, .errsize = errsize, .lock = PTHREAD_MUTEX_INITIALIZER};
  pending(cg, &w);
  cg->cached = w.n > 0;
  compile_all(&w);
  for (uint32_t k = 0; k < w.n; k++) {
    const CgFn *f = &cg->fn.at[w.order[k]];
    cg->cached &= f->cached;
    if (!f->cached && cg->opt.time && cg->opt.timed) cg->opt.timed(f->symbol, f->seconds);
  }
  double begin = now();
  bool ok = w.n == 0 || link_objects(cg, w.failed, err, errsize);
  if (w.n) timed(cg, "link", begin);
  free(w.order);
  return ok && !w.failed;
}

static const CgFn *find(const Cg *cg, const char *symbol) {
  for (uint32_t k = cg->fn.n; k-- > 0;)
    if (!strcmp(cg->fn.at[k].symbol, symbol)) return &cg->fn.at[k];
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
int cg_vector_bits(const Cg *cg) { return (int)cg->machine.bits; }

/* ---- text and files ---------------------------------------------------------------------------------------------- */

void cg_print_kernels(Cg *cg, FILE *out, const Source *src) {
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    const CgFn *f = &cg->fn.at[k];
    if (f->compiled) continue;
    unsigned vl = cg->machine.bits / 8 / (f->f->f64 ? 8 : 4);
    PlanForms forms = plan_forms(f->f, vl, cg->machine.regs, (PlanForm)cg->opt.form, f->samples);
    for (uint32_t n = 0; n < forms.n; n++) {
      Plan *p = plan_create(f->f, forms.target[n]);
      if (n) fprintf(out, "for at most %lld samples: ", (long long)forms.most);
      plan_print(out, p, f->symbol, src);
      plan_destroy(p);
    }
  }
}

bool cg_print_llvm(Cg *cg, FILE *out, char *err, size_t errsize) {
  LLVMContextRef ctx = LLVMContextCreate();
  LLVMModuleRef mod = write_module(cg, &cg->machine, ctx, 0, cg->fn.n);
  char *text = LLVMPrintModuleToString(mod);
  bool ok = fputs(text, out) >= 0;
  if (!ok) snprintf(err, errsize, "cannot write: %s", strerror(errno));
  LLVMDisposeMessage(text);
  LLVMDisposeModule(mod);
  LLVMContextDispose(ctx);
  return ok;
}

static bool write_buffer(LLVMMemoryBufferRef b, FILE *out, char *err, size_t errsize) {
  size_t n = LLVMGetBufferSize(b);
  bool ok = fwrite(LLVMGetBufferStart(b), 1, n, out) == n && fflush(out) == 0;
  if (!ok) snprintf(err, errsize, "cannot write: %s", strerror(errno));
  LLVMDisposeMemoryBuffer(b);
  return ok;
}

bool cg_print_asm(Cg *cg, FILE *out, char *err, size_t errsize) {
  LLVMMemoryBufferRef b = compile_pending(cg, LLVMAssemblyFile, err, errsize);
  return b && write_buffer(b, out, err, errsize);
}

bool cg_write_object(Cg *cg, const char *path, char *err, size_t errsize) {
  LLVMMemoryBufferRef b = compile_pending(cg, LLVMObjectFile, err, errsize);
  if (!b) return false;
  FILE *out = fopen(path, "wb");
  if (!out) {
    snprintf(err, errsize, "cannot write %s: %s", path, strerror(errno));
    LLVMDisposeMemoryBuffer(b);
    return false;
  }
  bool ok = write_buffer(b, out, err, errsize);
  if (fclose(out) != 0 && ok) snprintf(err, errsize, "cannot write %s: %s", path, strerror(errno)), ok = false;
  return ok;
}

/* ---- the machine's peak ---------------------------------------------------------------------------------------------- */

static bool add_peak(Cg *cg, bool f64, const char *name) {
  char err[256];
  CgEmit e;
  LLVMMemoryBufferRef object;
  LLVMContextRef ctx = LLVMContextCreate();
  LLVMModuleRef mod = cg_module(&cg->machine, ctx);
  cg_emit_init(&e, &cg->machine, ctx, mod, f64);
  cg_emit_peak(&e, name);
  cg->peak_flop[f64] = cg_peak_flop(&e);
  bool ok = cg_object(&cg->machine, mod, LLVMObjectFile, &object, err, sizeof err);
  cg_emit_finish(&e);
  LLVMDisposeModule(mod);
  LLVMContextDispose(ctx);
  if (!ok) return false;
  if (!start_jit(cg, err, sizeof err)) {
    LLVMDisposeMemoryBuffer(object);
    return false;
  }
  return orc_ok(LLVMOrcLLJITAddObjectFile(cg->jit, LLVMOrcLLJITGetMainJITDylib(cg->jit), object), err, sizeof err);
}

double cg_measure_peak(Cg *cg, bool f64) {
  char err[256];
  const char *name = f64 ? "hnnc_peak64" : "hnnc_peak32";
  LLVMOrcExecutorAddress code;
  if (!cg->peak_flop[f64] && !add_peak(cg, f64, name)) return 0;
  if (!orc_ok(LLVMOrcLLJITLookup(cg->jit, &code, name), err, sizeof err)) return 0;
  return cg_peak_rate((CgPeakLoop)(uintptr_t)code, cg->peak_flop[f64]);
}
