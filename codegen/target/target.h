/* Which machine code is made for, and LLVM's objects for it; modules from functions. */
#ifndef HNNC_CODEGEN_TARGET_TARGET_H
#define HNNC_CODEGEN_TARGET_TARGET_H

#include "codegen/object/cache.h"
#include "codegen/codegen.h"
#include "codegen/emit/emit.h"
#include "codegen/plan/plan.h"

typedef struct CgMachine {
  char *triple, *cpu, *features; /* malloc'ed */
  int opt;
  LLVMTargetMachineRef tm; /* NULL until cg_machine_start */
  unsigned bits, regs;
  bool fma, x86;
} CgMachine;

bool cg_machine_init(CgMachine *m, const CgOptions *o, char *err, size_t errsize);
bool cg_machine_start(CgMachine *m, char *err, size_t errsize); /* LLVM's part: before modules are made */
void cg_machine_finish(CgMachine *m);
/* Whether the code of another machine runs here is the caller's business. */
void cg_emit_init(CgEmit *e, const CgMachine *m, LLVMContextRef ctx, LLVMModuleRef mod, bool f64);
void cg_emit_finish(CgEmit *e);
LLVMModuleRef cg_module(const CgMachine *m, LLVMContextRef ctx);
bool cg_object(const CgMachine *m, LLVMModuleRef mod, LLVMCodeGenFileType kind, CgObject *out, char *err, size_t errsize);

/* gen_fn.c: writes `void symbol(const HnnCall *)` and the constant symbol_info into the module of e. */
void cg_gen_function(CgEmit *e, const Fn *f, const char *symbol, PlanForm form, int64_t samples);

#endif
