/* Compiled functions as the engine of runtime/library has them: in this process, and in libraries. */
#ifndef HNNC_DRIVER_SESSION_ENGINE_H
#define HNNC_DRIVER_SESSION_ENGINE_H

#include "driver/session/session.h"
#include "runtime/library/lib.h"

typedef struct EngineFn {
  const Fn *whole; /* derived and simplified */
  const Split *split;
  bool sum;              /* samples weigh 1; else what has weights is a mean */
  const uint32_t *moved; /* outputs `slope`, ... are gradients by these */
  uint32_t nmoved, slope;
} EngineFn;

/* Its row, which is the arena's; kernels are left out. */
void engine_fn(Arena *mem, const EngineFn *f, LibFn *out);
/* Parameters one behind the other; how many numbers they have. */
int64_t engine_params(Arena *mem, const Model *m, LibParam **out);
/* Place of the field among the arguments that the user gives, which stand by their number. */
int engine_argument(const Fn *f, uint32_t input);

#endif
