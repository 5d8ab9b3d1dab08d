/* Losses with means over the batch, written twice: with `batch_mean`, partly inside maps, and by hand on whole
 * arrays, where a mean is a weighted sum over the batch (or the average, as elsewhere than in training). */
#ifndef HNNC_TESTS_COMMON_MEANS_CASES_H
#define HNNC_TESTS_COMMON_MEANS_CASES_H

#include "passes/passes.h"

typedef enum { LOSS, BY_HAND, AVERAGED } Form; /* BY_HAND: with the weight as last input */

typedef struct MeansCase {
  const char *name;
  Fn *(*make)(Form form, bool f64);
  uint32_t means;            /* that follow one another */
  uint32_t nmoved, nrunning; /* parameters 0 ... are moved, those after keep averages */
} MeansCase;

extern const MeansCase means_cases[];
extern const int means_ncases;

Fn *means_derived(Fn *f, Diag *diag); /* f derived, simplified and verified; takes f, which must not be NULL */

#endif
