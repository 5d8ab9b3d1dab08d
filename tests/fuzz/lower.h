/* What fuzz targets do with a function that a model has. */
#ifndef HNNC_TESTS_FUZZ_LOWER_H
#define HNNC_TESTS_FUZZ_LOWER_H

#include "passes/passes.h"

#include <stdlib.h>

/* Derives only what is small: a mutation may ask for a million layers. */
static inline void lower(const Fn *f, Diag *diag) {
  if (ir_verify(f, stderr)) abort();
  if (f->inst.n > 3000) return;
  Fn *derived = pass_derive(NULL, f, diag), *lower = derived ? pass_lower(NULL, f, MEMORY_STORED, NULL, diag) : NULL;
  if (derived && (ir_verify(derived, stderr) || ir_verify(lower, stderr))) abort();
  ir_fn_destroy(derived);
  ir_fn_destroy(lower);
}

#endif
