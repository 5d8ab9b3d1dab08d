/* For tests of the emitters: a module of functions for one machine, compiled into memory. */
#ifndef HNNC_TESTS_COMMON_JIT_H
#define HNNC_TESTS_COMMON_JIT_H

#include "codegen/kernels/kernels.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Object.h>
#include <llvm-c/Orc.h>
#include <stdlib.h>
#include <string.h>

typedef struct JitTarget {
  const char *cpu; /* "" is the host */
  unsigned bits, regs;
  bool fma;
} JitTarget;

/* The machines of the test that this one can run, narrow ones first; returns their number. */
static inline int jit_targets(JitTarget t[4]) {
  int n = 0;
#ifdef __x86_64__
  t[n++] = (JitTarget){"x86-64", 128, 16, false};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) t[n++] = (JitTarget){"haswell", 256, 16, true};
  if (__builtin_cpu_supports("avx512f")) t[n++] = (JitTarget){"", 512, 32, true};
#else
  t[n++] = (JitTarget){"", 128, 32, true};
#endif
  return n;
}

typedef struct Jit {
  CgTarget target;
  CgEmit e; /* whose target is this: a Jit does not move */
  LLVMTargetMachineRef tm;
  LLVMOrcLLJITRef jit;
} Jit;

static inline void jit_check(LLVMErrorRef err) {
  if (err) base_fault("%s", LLVMGetErrorMessage(err));
}

static inline void jit_open(Jit *j, JitTarget t, bool f64) {
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
  memset(j, 0, sizeof *j);
  char *triple = LLVMGetDefaultTargetTriple(), *err = NULL;
  char *cpu = *t.cpu ? LLVMCreateMessage(t.cpu) : LLVMGetHostCPUName();
  char *features = *t.cpu ? LLVMCreateMessage("") : LLVMGetHostCPUFeatures();
  LLVMTargetRef target;
  if (LLVMGetTargetFromTriple(triple, &target, &err)) base_fault("%s", err);
  j->tm = LLVMCreateTargetMachine(target, triple, cpu, features, LLVMCodeGenLevelLess, LLVMRelocPIC, LLVMCodeModelSmall);
  CgEmit *e = &j->e;
  bool x86 = false;
#ifdef __x86_64__
  x86 = true;
#endif
  j->target = cg_target(x86, t.bits, t.regs, t.fma, &cg_vector_kernels);
  LLVMContextRef ctx = LLVMContextCreate();
  cg_emit_init(e, &j->target, ctx, LLVMModuleCreateWithNameInContext("test", ctx), f64);
  e->nv = 2;
  e->tile = e->nv * e->vl;
  LLVMSetTarget(e->mod, triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(j->tm);
  LLVMSetModuleDataLayout(e->mod, layout);
  LLVMDisposeTargetData(layout);
  LLVMDisposeMessage(triple);
  LLVMDisposeMessage(cpu);
  LLVMDisposeMessage(features);
}

/* Begins `void name(p0, ..., p[pointers-1], i64 n)`. */
static inline void jit_begin(Jit *j, const char *name, unsigned pointers) {
  CgEmit *e = &j->e;
  LLVMTypeRef type[8];
  for (unsigned i = 0; i < pointers; i++) type[i] = e->ptr;
  type[pointers] = e->i64;
  e->fn = cg_function(e, name, LLVMFunctionType(e->voidt, type, pointers + 1, 0), false);
  LLVMPositionBuilderAtEnd(e->b, cg_block(e, "entry"));
}

static inline LLVMValueRef jit_param(Jit *j, unsigned k) { return LLVMGetParam(j->e.fn, k); }

/* Functions and data that the object expects from elsewhere: there must be none. */
static inline void jit_check_imports(Jit *j, LLVMMemoryBufferRef object) {
  char *err = NULL;
  LLVMBinaryRef bin = LLVMCreateBinary(object, j->e.ctx, &err);
  if (!bin) base_fault("%s", err);
  LLVMSectionIteratorRef section = LLVMObjectFileCopySectionIterator(bin);
  LLVMSymbolIteratorRef s = LLVMObjectFileCopySymbolIterator(bin);
  for (; !LLVMObjectFileIsSymbolIteratorAtEnd(bin, s); LLVMMoveToNextSymbol(s)) {
    const char *name = LLVMGetSymbolName(s);
    LLVMMoveToContainingSection(section, s);
    if (LLVMObjectFileIsSectionIteratorAtEnd(bin, section) && *name && *name != '_' &&
        strcmp(name, "test") != 0) /* the module itself */
      base_fault("the code calls %s", name);
  }
  LLVMDisposeSymbolIterator(s);
  LLVMDisposeSectionIterator(section);
  LLVMDisposeBinary(bin);
}

/* Compiles everything begun so far. HNNC_TEST_ASM names a file that gets the assembly. */
static inline void jit_compile(Jit *j) {
  char *err = NULL;
  if (LLVMVerifyModule(j->e.mod, LLVMReturnStatusAction, &err)) base_fault("%s", err);
  LLVMDisposeMessage(err);
  const char *path = getenv("HNNC_TEST_ASM");
  if (path) {
    LLVMModuleRef copy = LLVMCloneModule(j->e.mod);
    if (LLVMTargetMachineEmitToFile(j->tm, copy, path, LLVMAssemblyFile, &err)) base_fault("%s", err);
    LLVMDisposeModule(copy);
  }
  LLVMMemoryBufferRef object;
  if (LLVMTargetMachineEmitToMemoryBuffer(j->tm, j->e.mod, LLVMObjectFile, &err, &object)) base_fault("%s", err);
  jit_check_imports(j, object);
  jit_check(LLVMOrcCreateLLJIT(&j->jit, NULL));
  jit_check(LLVMOrcLLJITAddObjectFile(j->jit, LLVMOrcLLJITGetMainJITDylib(j->jit), object));
}

static inline void *jit_find(Jit *j, const char *name) {
  LLVMOrcExecutorAddress at;
  jit_check(LLVMOrcLLJITLookup(j->jit, &at, name));
  return (void *)(uintptr_t)at;
}

static inline void jit_close(Jit *j) {
  cg_emit_finish(&j->e);
  LLVMDisposeModule(j->e.mod);
  LLVMContextDispose(j->e.ctx);
  LLVMDisposeTargetMachine(j->tm);
  if (j->jit) jit_check(LLVMOrcDisposeLLJIT(j->jit));
}

#endif
