/* Elementwise ops of the table as inline LLVM IR, for a scalar real or a vector of any length. */
#ifndef HNNC_CODEGEN_MATH_MATH_H
#define HNNC_CODEGEN_MATH_MATH_H

#include "codegen/target/target.h"
#include "ir/ir.h"

/* The value of an elementwise op (EW1, EW2, CMP, LOG, OP_select or OP_require) at the builder's position. Reals have
 * the element type float or double, bools are i1; all operands of one call have the same number of lanes,
 * which is taken from them, not from the CgEmit. No calls to a library; `mod` leaves the builder at the end of a new block. */
LLVMValueRef cg_ew(CgEmit *e, Op op, const LLVMValueRef *args);

CgEmit math_double(const CgEmit *e); /* a copy whose reals are double */

/* c x^(-3/2), c neither tiny nor huge, for no more than x^(-3/2) where the target has estimates. */
LLVMValueRef cg_rsqrt3(CgEmit *e, LLVMValueRef x, double c);

/* Two draws, of the elements 2k and 2k + 1, as runtime.h's rt_draw64 has them. sample, counter and last (the word of the site and
 * k) are i64 or vectors of them of one length; of counter and last the lower half counts. */
void cg_draw(CgEmit *e, int kind, LLVMValueRef seed, LLVMValueRef sample, LLVMValueRef counter, LLVMValueRef last,
             LLVMValueRef out[2]);

#endif
