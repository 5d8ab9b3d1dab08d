/* Random functions for tests: every op, shapes up to rank 3, shared values and lanes, loops; the same
 * seed gives the same function. Values stay of moderate size, so that results can be compared with
 * tolerances and differentiated by differences. */
#ifndef HNNC_TESTS_COMMON_RANDOM_FN_H
#define HNNC_TESTS_COMMON_RANDOM_FN_H

#include "ir/ir.h"

typedef struct RandomSpec {
  uint64_t seed;
  int size; /* operations, about */
  bool f64;
  bool smooth; /* no kinks: abs, min, select, ... are left out */
  bool scans, draws;
  bool special; /* `require` is among the ops; for inputs with RANDOM_SPECIAL */
  bool fold;    /* build with folding and value numbering */
} RandomSpec;

/* Inputs: parameters (shared), fields (per sample). Outputs: a scalar per sample that depends on
 * nearly everything, a sum over the batch of it, and some values of any shape. */
Fn *random_fn(const RandomSpec *spec);

uint64_t random_bits(uint64_t *state); /* splitmix64 */
uint32_t random_below(uint64_t *state, uint32_t n);
double random_real(uint64_t *state, double lo, double hi);

/* Random inputs for f on B samples: values in [-1, 1], one array a Tensor (free v). */
/* In the seed: in a third of the samples some are NaN, infinite or a zero of either sign; sometimes shared ones. */
#define RANDOM_SPECIAL (UINT64_C(1) << 63)
void random_inputs(const Fn *f, int64_t B, uint64_t seed, Tensor *in);

#endif
