/* What LLVM would end the process for is an error of whoever compiled. */
#include "codegen/kernels/kernels.h"
#include "codegen/target/target.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"

#include <llvm-c/Core.h>
#include <stdlib.h>
#include <string.h>

/* A function of one instruction that no assembler knows. */
static void add_nonsense(LLVMContextRef ctx, LLVMModuleRef mod) {
  static char nonsense[] = "no_such_instruction %xmm0", none[] = "";
  LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(ctx), NULL, 0, 0);
  LLVMValueRef f = LLVMAddFunction(mod, "f", type);
  LLVMBuilderRef b = LLVMCreateBuilderInContext(ctx);
  LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(ctx, f, ""));
  LLVMBuildCall2(b, type, LLVMGetInlineAsm(type, nonsense, sizeof nonsense - 1, none, 0, 1, 0, LLVMInlineAsmDialectATT, 0), NULL, 0,
                 "");
  LLVMBuildRetVoid(b);
  LLVMDisposeBuilder(b);
}

static void test_llvm(void) {
  char err[256] = "";
  CgMachine m;
  CgObject out = {0};
  bool lost = false;
  if (SANITIZED) return; /* what LLVM held is lost, and LeakSanitizer sees it */
  CU_ASSERT_FATAL(cg_machine_init(&m, &(CgOptions){.opt = 1}, &cg_vector_kernels, err, sizeof err));
  CU_ASSERT_FATAL(cg_machine_start(&m, err, sizeof err));
  LLVMContextRef ctx = LLVMContextCreate();
  LLVMModuleRef mod = cg_module(&m, ctx);
  add_nonsense(ctx, mod);
  CU_ASSERT_FALSE(cg_object(&m, mod, LLVMObjectFile, &out, &lost, err, sizeof err));
  CU_ASSERT(lost && out.p == NULL);
  CU_ASSERT_PTR_NOT_NULL(strstr(err, "LLVM: "));
}

const Suite suite = {"fault", (CU_TestInfo[]){{"LLVM gives up", test_llvm}, CU_TEST_INFO_NULL}};
