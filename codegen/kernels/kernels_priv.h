/* Kernels as functions of the module, and calls of them (shared.c): as in CgKernels. */
#ifndef HNNC_CODEGEN_KERNELS_KERNELS_PRIV_H
#define HNNC_CODEGEN_KERNELS_KERNELS_PRIV_H

#include "codegen/kernels/kernels.h"

void cg_shared_transpose(CgEmit *e, LLVMValueRef x, LLVMValueRef ldx, int64_t k, LLVMValueRef xt);
void cg_shared_dw(CgEmit *e, const CgDw *w);
void cg_shared_outer(CgEmit *e, const CgDw *w);
void cg_shared_gemv(CgEmit *e, const CgGemv *m);
void cg_shared_reduce(CgEmit *e, LLVMValueRef acc, LLVMValueRef n, LLVMValueRef dst, bool blocks);

#endif
