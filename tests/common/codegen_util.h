/* Runs functions compiled and evaluated, and compares. */
#ifndef HNNC_TESTS_COMMON_CODEGEN_UTIL_H
#define HNNC_TESTS_COMMON_CODEGEN_UTIL_H

#include "codegen/codegen.h"
#include "ir/ir.h"

/* Processors to make code for, beside the host: what every machine of its kind can run, one with vectors of 256 bits, and one that does
 * tiles in pairs (CgTarget.full), NULL where this machine cannot. */
#ifdef __x86_64__
#define CODEGEN_PLAIN "x86-64"
#define CODEGEN_OTHERS "haswell", "znver4" /* whose code is only written down */
#define CODEGEN_WIDER (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "haswell" : NULL)
#define CODEGEN_FULL                                                                                                            \
  (__builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bitalg") && __builtin_cpu_supports("gfni") ? "znver5" \
                                                                                                                     : NULL)
#else
#define CODEGEN_PLAIN "generic"
#define CODEGEN_OTHERS "cortex-a76", "neoverse-n1"
#define CODEGEN_WIDER NULL
#define CODEGEN_FULL NULL
#endif

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
