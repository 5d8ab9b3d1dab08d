/* The machine: names, vector width and registers from its features; LLVM set up for it. */
#include "codegen/target/target_priv.h"
#include "codegen/cg_generation.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Support.h>
#include <pthread.h>
#include <string.h>

/* In the place of LLVM's own, which ends the process. */
static void fatal(const char *reason) { base_fault("LLVM: %s", reason); }

/* Loops are written with the addresses that they are to have: LLVM's search for better ones (loop strength reduction) takes a quarter of
 * its time for convolutions, and gains nothing. */
static void init_targets(void) {
  static const char *const option[] = {"hnnc", "-disable-lsr"};
  LLVMParseCommandLineOptions(sizeof option / sizeof *option, option, "");
  LLVMInstallFatalErrorHandler(fatal);
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeX86AsmParser();
#ifdef HNNC_AARCH64
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  LLVMInitializeAArch64AsmParser();
#endif
}

#define TUNE(name, type, value, unit, reason) .name = (value),
const CgTuning cg_vector_tuning = {
#include "codegen/target/tuning.def"
};

typedef struct Message {
  char *own;
  const char *llvm;
} Message;

static void copy(void *ctx) {
  Message *m = ctx;
  m->own = base_strdup(m->llvm);
}

static char *copy_message(char *m) {
  char err[128];
  Message both = {.llvm = m};
  const bool whole = base_try(copy, &both, err, sizeof err);
  LLVMDisposeMessage(m);
  if (!whole) base_fault("%s", err);
  return both.own;
}

CgName cg_host_cpu(void) {
  CgName name;
  char *m = LLVMGetHostCPUName();
  snprintf(name.text, sizeof name.text, "%s", m);
  LLVMDisposeMessage(m);
  return name;
}

CgName cg_llvm(void) {
  CgName name;
  unsigned a, b, c;
  LLVMGetVersion(&a, &b, &c);
  snprintf(name.text, sizeof name.text, "%u.%u.%u", a, b, c);
  return name;
}

CgName cg_version(void) {
  CgName name;
  snprintf(name.text, sizeof name.text, "llvm %.20s hnnc %.34s", cg_llvm().text, CG_GENERATION);
  return name;
}

/* Asks LLVM itself what a cpu has: a function compiled for it would use it. */
static bool has_feature(const CgMachine *m, const char *name) {
  char want[64];
  snprintf(want, sizeof want, "+%s", name);
  size_t n = strlen(want);
  for (const char *p = m->features; (p = strstr(p, want)); p += n)
    if ((p == m->features || p[-1] == ',') && (p[n] == 0 || p[n] == ',')) return true;
  return false;
}

/* Beyond plain x86-64; what a later row has, those before it had. */
#define V2 "sse3 ssse3 sse4.1 sse4.2 popcnt"
#define V3 V2 " avx avx2 fma bmi bmi2"
#define V4 V3 " avx512f avx512vl avx512dq avx512bw avx512cd"
#define ICE V4 " avx512vbmi avx512ifma avx512vpopcntdq avx512vbmi2 avx512vnni avx512bitalg gfni"

typedef struct CpuRow {
  const char *cpu;
  unsigned bits;
  bool fma;
  const char *needs;
  bool full;
} CpuRow;
static const CpuRow cpu_row[] = {
  /* when only a cpu is given; the host, if not here, counts as plain x86-64 */
  {"x86-64", 128, false, "", false},
  {"x86-64-v2", 128, false, V2, false},
  {"x86-64-v3", 256, true, V3, false},
  {"x86-64-v4", 512, true, V4, false},
  {"haswell", 256, true, V3, false},
  {"broadwell", 256, true, V3, false},
  {"skylake", 256, true, V3, false},
  {"alderlake", 256, true, V3 " gfni", false},
  {"skylake-avx512", 512, true, V4, false},
  {"cascadelake", 512, true, V4 " avx512vnni", false},
  {"icelake-server", 512, true, ICE, false},
  {"icelake-client", 512, true, ICE, false},
  {"sapphirerapids", 512, true, ICE, false},
  {"tigerlake", 512, true, ICE, false},
  {"znver1", 256, true, V3, false},
  {"znver2", 256, true, V3, false},
  {"znver3", 256, true, V3, false},
  {"znver4", 512, true, ICE, false},
  {"znver5", 512, true, ICE, true},
  {"sandybridge", 256, false, V2 " avx", false},
  {"ivybridge", 256, false, V2 " avx", false},
};

/* LLVM takes any name, and makes code for no processor in particular where it does not know it: names are looked at before. */
bool cg_cpu_known(const char *name) {
#ifdef __x86_64__
  for (size_t k = 0; k < sizeof cpu_row / sizeof *cpu_row; k++)
    if (!strcmp(cpu_row[k].cpu, name)) return true;
#else
  static const char *const arm[] = {"generic",     "cortex-a53",  "cortex-a72",  "cortex-a76", "cortex-x1", "neoverse-n1",
                                    "neoverse-n2", "neoverse-v1", "neoverse-v2", "ampere1",    "apple-m1",  "apple-m2"};
  for (size_t k = 0; k < sizeof arm / sizeof *arm; k++)
    if (!strcmp(arm[k], name)) return true;
#endif
  return !strcmp(name, cg_host_cpu().text);
}

CgTarget cg_target(bool x86, unsigned bits, unsigned regs, bool fma, const CgKernels *k) {
  return (CgTarget){.bits = bits,
                    .regs = regs,
                    .fma = fma,
                    .tune = &cg_vector_tuning,
                    .instruction = x86 ? &target_x86 : &target_aarch64,
                    .kernel = k};
}

static bool is_x86(const CgMachine *m) { return !strncmp(m->triple, "x86_64", 6); }

static CgTarget target_of(const CgMachine *m, bool explicit_cpu, const CgKernels *k) {
  unsigned bits = 128;
  bool fma = false, full = false;
  if (!is_x86(m)) return cg_target(false, bits, 32, true, k);
  for (size_t n = 0; n < sizeof cpu_row / sizeof *cpu_row; n++) {
    if (strcmp(cpu_row[n].cpu, m->cpu)) continue;
    if (explicit_cpu) bits = cpu_row[n].bits, fma = cpu_row[n].fma;
    full = cpu_row[n].full;
  }
  if (has_feature(m, "avx")) bits = bits < 256 ? 256 : bits;
  if (has_feature(m, "avx512f") && has_feature(m, "avx512vl") && has_feature(m, "avx512dq")) bits = 512;
  if (has_feature(m, "fma")) fma = true;
  CgTarget t = cg_target(true, bits, bits == 512 ? 32 : 16, fma, k);
  t.full = full && bits == 512;
  return t;
}

bool cg_machine_init(CgMachine *m, const CgOptions *o, const CgKernels *k, char *err, size_t errsize) {
  memset(m, 0, sizeof *m);
  char *host = copy_message(LLVMGetDefaultTargetTriple());
  m->triple = base_strdup(o->triple ? o->triple : host);
  bool native = !strncmp(host, m->triple, strcspn(m->triple, "-") + 1);
  base_free(host);
  m->opt = o->opt;
  m->cpu = base_strdup(o->cpu ? o->cpu : native ? cg_host_cpu().text : "generic");
  m->features = o->features         ? base_strdup(o->features)
                : o->cpu || !native ? base_strdup("")
                                    : copy_message(LLVMGetHostCPUFeatures());
  m->target = target_of(m, o->cpu != NULL, k);
  return native || cg_machine_start(m, err, errsize); /* this machine's code generator is there */
}

bool cg_machine_start(CgMachine *m, char *err, size_t errsize) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  LLVMTargetRef target;
  char *message = NULL;
  if (m->tm) return true;
  pthread_once(&once, init_targets);
  if (LLVMGetTargetFromTriple(m->triple, &target, &message)) {
    snprintf(err, errsize, "no code generator for %s: %s", m->triple, message);
    LLVMDisposeMessage(message);
    return false;
  }
  LLVMCodeGenOptLevel level = m->opt <= 0 ? LLVMCodeGenLevelNone : m->opt == 1 ? LLVMCodeGenLevelLess : LLVMCodeGenLevelDefault;
  m->tm = LLVMCreateTargetMachine(target, m->triple, m->cpu, m->features, level, LLVMRelocPIC, LLVMCodeModelSmall);
  if (!m->tm) snprintf(err, errsize, "no code generator for %s on %s", m->cpu, m->triple);
  return m->tm != NULL;
}

void cg_processor(const CgOptions *o, CgProcessor *out) {
  CgMachine m;
  char err[64], name[24];
  size_t n = 0;
  *out = (CgProcessor){.cpu = ""};
  cg_machine_init(&m, o, NULL, err, sizeof err); /* no code is made */
  snprintf(out->cpu, sizeof out->cpu, "%s", m.cpu);
  const char *at = ICE; /* all that may be asked for: of it what the machine has */
  bool row = false;
  for (size_t k = 0; o->cpu && k < sizeof cpu_row / sizeof *cpu_row; k++)
    if (!strcmp(cpu_row[k].cpu, o->cpu)) row = true, at = cpu_row[k].needs;
  while (is_x86(&m) && *at) {
    size_t length = strcspn(at, " ");
    snprintf(name, sizeof name, "%.*s", (int)length, at);
    if (row || has_feature(&m, name)) n += (size_t)snprintf(out->needs + n, sizeof out->needs - n, "%s%s", n ? " " : "", name);
    at += length + (at[length] == ' ');
  }
  cg_machine_finish(&m);
}

void cg_machine_finish(CgMachine *m) {
  if (m->tm) LLVMDisposeTargetMachine(m->tm);
  base_free(m->triple);
  base_free(m->cpu);
  base_free(m->features);
  memset(m, 0, sizeof *m);
}

/* What LLVM says of its own accord: an error would end the process. */
static void said(LLVMDiagnosticInfoRef d, void *unused) {
  (void)unused;
  if (LLVMGetDiagInfoSeverity(d) != LLVMDSError) return;
  char text[400], *message = LLVMGetDiagInfoDescription(d);
  snprintf(text, sizeof text, "%s", message);
  LLVMDisposeMessage(message);
  fatal(text);
}

LLVMModuleRef cg_module(const CgMachine *m, LLVMContextRef ctx) {
  LLVMContextSetDiagnosticHandler(ctx, said, NULL);
  LLVMModuleRef mod = LLVMModuleCreateWithNameInContext("hnnc", ctx);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(m->tm);
  LLVMSetTarget(mod, m->triple);
  LLVMSetModuleDataLayout(mod, layout);
  LLVMDisposeTargetData(layout);
  return mod;
}

void cg_emit_init(CgEmit *e, const CgTarget *t, LLVMContextRef ctx, LLVMModuleRef mod, bool f64) {
  memset(e, 0, sizeof *e);
  e->mem = arena_create();
  e->ctx = ctx, e->mod = mod, e->f64 = f64;
  e->b = LLVMCreateBuilderInContext(ctx);
  e->es = f64 ? 8 : 4;
  e->target = t, e->block_limit = t->tune->block_limit;
  e->vl = cg_lanes(t, f64);
  e->nv = 1, e->tile = e->vl; /* until a function is planned: plan_target */
  e->real = f64 ? LLVMDoubleTypeInContext(ctx) : LLVMFloatTypeInContext(ctx);
  e->i1 = LLVMInt1TypeInContext(ctx), e->i8 = LLVMInt8TypeInContext(ctx);
  e->i32 = LLVMInt32TypeInContext(ctx), e->i64 = LLVMInt64TypeInContext(ctx);
  e->ptr = LLVMPointerTypeInContext(ctx, 0), e->voidt = LLVMVoidTypeInContext(ctx);
}

void cg_emit_finish(CgEmit *e) {
  if (e->b) LLVMDisposeBuilder(e->b);
  arena_destroy(e->mem);
  e->b = NULL, e->mem = NULL;
}

typedef struct Copying {
  CgObject *to;
  LLVMMemoryBufferRef from;
} Copying;

static void copy_object(void *ctx) {
  const Copying *c = ctx;
  c->to->p = base_realloc(NULL, c->to->n + 1);
  memcpy(c->to->p, LLVMGetBufferStart(c->from), c->to->n);
}

typedef struct Emission {
  LLVMTargetMachineRef tm;
  LLVMModuleRef mod;
  LLVMCodeGenFileType kind;
  LLVMMemoryBufferRef made;
  char *message;
  bool failed;
} Emission;

static void emit(void *ctx) {
  Emission *x = ctx;
  x->failed = LLVMTargetMachineEmitToMemoryBuffer(x->tm, x->mod, x->kind, &x->message, &x->made);
}

bool cg_object(const CgMachine *m, LLVMModuleRef mod, LLVMCodeGenFileType kind, CgObject *out, bool *lost, char *err,
               size_t errsize) {
  Emission x = {.tm = m->tm, .mod = mod, .kind = kind};
#ifndef NDEBUG
  char *message = NULL;
  if (LLVMVerifyModule(mod, LLVMReturnStatusAction, &message)) {
    snprintf(err, errsize, "invalid code was generated: %s", message);
    LLVMDisposeMessage(message);
    return false;
  }
  if (message) LLVMDisposeMessage(message);
#endif
  *lost = !base_try(emit, &x, err, errsize);
  if (*lost) return false;
  if (x.failed) {
    snprintf(err, errsize, "%s", x.message ? x.message : "no code was generated");
    if (x.message) LLVMDisposeMessage(x.message);
    return false;
  }
  CgObject made = {.n = LLVMGetBufferSize(x.made)};
  bool ok = base_try(copy_object, &(Copying){&made, x.made}, err, errsize);
  LLVMDisposeMemoryBuffer(x.made);
  if (ok) *out = made;
  return ok;
}
