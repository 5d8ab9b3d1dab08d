/* From a function to LLVM IR. */
#ifndef HNNC_CODEGEN_GEN_GEN_H
#define HNNC_CODEGEN_GEN_GEN_H

#include "codegen/codegen.h"
#include "codegen/plan/plan.h"

/* Share k of n of a function, which is written in n modules: so that several threads can compile a long one. The pieces that its tiles are
 * cut into are shared out, all else is in share 0; which has an end alone if it is not cut. */
typedef struct GenShare {
  uint32_t k, n;
} GenShare;
uint32_t gen_shares(const CgTuning *t, const Fn *f); /* that are worth it */

/* Writes `void symbol(const HnnCall *)` and the constant symbol_info, or its share of them, into the module of e. */
void gen_function(CgEmit *e, const Fn *f, const char *symbol, CgForm form, int64_t samples, GenShare share);
/* Writes a function that takes pointers and gives them on as arrays. */
void gen_wrapper(CgEmit *e, const CgWrapper *w);

#endif
