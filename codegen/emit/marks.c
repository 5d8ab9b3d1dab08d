/* Lines of debug information that are numbers of IR instructions, for who looks at assembly (`.loc`). Only where they are asked for. */
#include "codegen/emit/emit.h"

#include <llvm-c/DebugInfo.h>
#include <string.h>

struct CgMarks {
  LLVMDIBuilderRef di;
  LLVMMetadataRef file;
  CgNumber number;
};

static void flag(LLVMModuleRef mod, LLVMContextRef ctx, const char *name, unsigned v) {
  LLVMMetadataRef value = LLVMValueAsMetadata(LLVMConstInt(LLVMInt32TypeInContext(ctx), v, 0));
  LLVMAddModuleFlag(mod, LLVMModuleFlagBehaviorWarning, name, strlen(name), value);
}

CgMarks *cg_marks_create(LLVMModuleRef mod, LLVMContextRef ctx, const CgNumber *number) {
  static const char name[] = "hnnc";
  CgMarks *m = base_zeroed(1, sizeof *m);
  m->number = *number;
  m->di = LLVMCreateDIBuilder(mod);
  m->file = LLVMDIBuilderCreateFile(m->di, name, 4, ".", 1);
  LLVMDIBuilderCreateCompileUnit(m->di, LLVMDWARFSourceLanguageC11, m->file, name, 4, 1, "", 0, 0, "", 0,
                                 LLVMDWARFEmissionLineTablesOnly, 0, 0, 0, "", 0, "", 0);
  flag(mod, ctx, "Debug Info Version", LLVMDebugMetadataVersion());
  flag(mod, ctx, "Dwarf Version", 4);
  return m;
}

static LLVMMetadataRef scope_of(CgMarks *m, LLVMValueRef fn) {
  LLVMMetadataRef is = LLVMGetSubprogram(fn);
  size_t n;
  if (is) return is;
  const char *name = LLVMGetValueName2(fn, &n);
  LLVMMetadataRef type = LLVMDIBuilderCreateSubroutineType(m->di, m->file, NULL, 0, LLVMDIFlagZero);
  is = LLVMDIBuilderCreateFunction(m->di, m->file, name, n, name, n, m->file, 0, type, 0, 1, 0, LLVMDIFlagZero, 1);
  LLVMSetSubprogram(fn, is);
  return is;
}

LLVMMetadataRef cg_mark(CgEmit *e, const Inst *i) {
  if (!e->marks) return NULL;
  LLVMMetadataRef was = LLVMGetCurrentDebugLocation2(e->b);
  const uint32_t number = e->marks->number.of(e->marks->number.ctx, i);
  if (number)
    LLVMSetCurrentDebugLocation2(e->b, LLVMDIBuilderCreateDebugLocation(e->ctx, number, 0, scope_of(e->marks, e->fn), NULL));
  return was;
}

void cg_unmark(CgEmit *e, LLVMMetadataRef was) {
  if (e->marks) LLVMSetCurrentDebugLocation2(e->b, was);
}

/* What was written while another function was begun in the middle of one has the location of the latter. */
static void own_locations(LLVMValueRef fn) {
  LLVMMetadataRef scope = LLVMGetSubprogram(fn);
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(fn); b; b = LLVMGetNextBasicBlock(b))
    for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) {
      LLVMMetadataRef at = LLVMInstructionGetDebugLoc(i);
      if (at && LLVMDILocationGetScope(at) != scope) LLVMInstructionSetDebugLoc(i, NULL);
    }
}

void cg_marks_end(CgMarks *m, LLVMModuleRef mod) {
  if (!m) return;
  LLVMDIBuilderFinalize(m->di);
  LLVMDisposeDIBuilder(m->di);
  base_free(m);
  for (LLVMValueRef f = LLVMGetFirstFunction(mod); f; f = LLVMGetNextFunction(f)) own_locations(f);
}
