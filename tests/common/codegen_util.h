/* Runs functions compiled and evaluated, and compares. */
#ifndef HNNC_TESTS_COMMON_CODEGEN_UTIL_H
#define HNNC_TESTS_COMMON_CODEGEN_UTIL_H

#include "codegen/codegen.h"
#include "ir/ir.h"

Cg *codegen_start(const char *cpu, const char *cache); /* cpu NULL: the host; a failed assertion if it cannot */

/* Largest difference between compiled and evaluated, relative to the largest element of each output
 * (or to 1: sums cancel). The function must be compiled in cg; it is run in each of its
 * forms. */
double codegen_difference(Cg *cg, const Fn *f, const char *symbol, int64_t B, const Tensor *in, bool print);

/* Asserts that f, on random inputs, agrees to 1e-12 in f64 or 1e-5 in f32. With HNNC_BLAME set, says which
 * value is to blame. */
double codegen_check_form(const char *cpu, CgForm form, const Fn *f, int64_t B, uint64_t seed);
double codegen_check(const char *cpu, const Fn *f, int64_t B, uint64_t seed);

#endif
