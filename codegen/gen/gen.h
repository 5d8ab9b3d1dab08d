/* From a function to LLVM IR. */
#ifndef HNNC_CODEGEN_GEN_GEN_H
#define HNNC_CODEGEN_GEN_GEN_H

#include "codegen/codegen.h"
#include "codegen/plan/plan.h"

/* Writes `void symbol(const HnnCall *)` and the constant symbol_info into the module of e. */
void gen_function(CgEmit *e, const Fn *f, const char *symbol, CgForm form, int64_t samples);
/* Writes a function that takes pointers and gives them on as arrays. */
void gen_wrapper(CgEmit *e, const CgWrapper *w);

#endif
