/* The public face: functions are collected, written into one module, compiled or taken from the cache,
 * and linked into the process. */
#include "codegen/codegen.h"
#include "codegen/peak.h"
#include "codegen/plan.h"
#include "codegen/target.h"

#include <errno.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <string.h>
#include <time.h>

typedef struct CgFn { Fn *f; char *symbol; bool compiled; HnnKernel kernel; HnnKernelInfo info; } CgFn;

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

void cg_add(Cg *cg, const Fn *f, const char *symbol) {
  *vec_push(&cg->fn) = (CgFn){.f = ir_copy_fn(NULL, f), .symbol = strdup(symbol)};
}

/* ---- modules ------------------------------------------------------------------------------------------------ */

static LLVMModuleRef write_module(Cg *cg, LLVMContextRef ctx) {
  LLVMModuleRef mod = cg_module(&cg->machine, ctx);
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    CgEmit e;
    if (cg->fn.at[k].compiled) continue;
    cg_emit_init(&e, &cg->machine, ctx, mod, cg->fn.at[k].f->f64);
    cg_gen_function(&e, cg->fn.at[k].f, cg->fn.at[k].symbol);
    cg_emit_finish(&e);
  }
  return mod;
}

static LLVMMemoryBufferRef compile_pending(Cg *cg, LLVMCodeGenFileType kind, char *err, size_t errsize) {
  LLVMContextRef ctx = LLVMContextCreate();
  LLVMMemoryBufferRef out = NULL;
  double begin = now();
  LLVMModuleRef mod = write_module(cg, ctx);
  timed(cg, "emit", begin);
  begin = now();
  if (!cg_object(&cg->machine, mod, kind, &out, err, errsize)) out = NULL;
  timed(cg, "codegen", begin);
  LLVMDisposeModule(mod);
  LLVMContextDispose(ctx);
  return out;
}

/* Everything an object depends on, as text. */
static char *cache_key(Cg *cg, size_t *len) {
  char *text = NULL;
  FILE *out = open_memstream(&text, len);
  if (!out) return NULL;
  fprintf(out, "%s\n%s\n%s\n%s\n%d\n", cg_version(), cg->machine.triple, cg->machine.cpu, cg->machine.features, cg->opt.opt);
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    if (cg->fn.at[k].compiled) continue;
    char *ir = ir_text(cg->fn.at[k].f);
    fprintf(out, "%s\n%s\n", cg->fn.at[k].symbol, ir);
    free(ir);
  }
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
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

/* Takes the buffer over. */
static bool link_object(Cg *cg, LLVMMemoryBufferRef object, char *err, size_t errsize) {
  double begin = now();
  if (!start_jit(cg, err, errsize)) {
    LLVMDisposeMemoryBuffer(object);
    return false;
  }
  if (!orc_ok(LLVMOrcLLJITAddObjectFile(cg->jit, LLVMOrcLLJITGetMainJITDylib(cg->jit), object), err, errsize)) return false;
  for (uint32_t k = 0; k < cg->fn.n; k++)
    if (!cg->fn.at[k].compiled && !look_up(cg, &cg->fn.at[k], err, errsize)) return false;
  timed(cg, "link", begin);
  return true;
}

bool cg_compile(Cg *cg, char *err, size_t errsize) {
  size_t keylen = 0;
  bool pending = false;
  char *key = NULL;
  LLVMMemoryBufferRef object = NULL;
  for (uint32_t k = 0; k < cg->fn.n; k++) pending |= !cg->fn.at[k].compiled;
  cg->cached = false;
  if (!pending) return true;
  if (cg->cache_dir) key = cache_key(cg, &keylen);
  if (key) object = cg_cache_get(cg->cache_dir, key, keylen);
  cg->cached = object != NULL;
  if (!object) {
    object = compile_pending(cg, LLVMObjectFile, err, errsize);
    if (object && key) cg_cache_put(cg->cache_dir, key, keylen, object);
  }
  free(key);
  return object && link_object(cg, object, err, errsize);
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
    Plan *p = plan_create(f->f, plan_target(f->f, vl, cg->machine.regs));
    plan_print(out, p, f->symbol, src);
    plan_destroy(p);
  }
}

bool cg_print_llvm(Cg *cg, FILE *out, char *err, size_t errsize) {
  LLVMContextRef ctx = LLVMContextCreate();
  LLVMModuleRef mod = write_module(cg, ctx);
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
