/* Elementwise ops of the table as inline LLVM IR, for a scalar real or a vector of any length. */
#ifndef HNNC_CODEGEN_MATH_MATH_H
#define HNNC_CODEGEN_MATH_MATH_H

#include "codegen/target/target.h"
#include "ir/ir.h"

/* The value of an elementwise op (EW1, EW2, CMP, LOG, OP_select or OP_require) at the builder's position. Reals have
 * the element type float or double, bools are i1; all operands of one call have the same number of lanes,
 * which is taken from them, not from the CgEmit. Straight-line code: no blocks, no calls to a library. */
LLVMValueRef cg_ew(CgEmit *e, Op op, const LLVMValueRef *args);

/* c x^(-3/2), c neither tiny nor huge, for no more than x^(-3/2) where the target has estimates. */
LLVMValueRef cg_rsqrt3(CgEmit *e, LLVMValueRef x, double c);

#endif
