/* Elementwise ops on vectors: one function for all of them, transcendental ones inline. */
#ifndef HNNC_CODEGEN_MATH_H
#define HNNC_CODEGEN_MATH_H

#include "emit.h"

/* The value of an elementwise op (EW1, EW2, CMP, LOG and `select`) on `lanes` lanes (1: scalars). Reals
 * are cg_real_type, bools cg_bool_type. */
LLVMValueRef cg_ew(CgEmit *e, Op op, LLVMValueRef *args, unsigned lanes);

#endif
