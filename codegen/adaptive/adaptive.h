/* The steps of an adaptive trajectory, from packed operands to the packed trajectory. */
#ifndef HNNC_CODEGEN_ADAPTIVE_ADAPTIVE_H
#define HNNC_CODEGEN_ADAPTIVE_ADAPTIVE_H

#include "codegen/element/element.h"
#include "ir/adaptive.h"

typedef struct Adaptive {
  const AdaptiveMethod *method; /* NULL: gauss16 */
  const PlanOde *plan;
  double rtol, atol, max_steps; /* gauss16 with both 0: so many steps of one length between two times */
  int64_t work;                 /* scratch that the plan is of */
  bool lane_times;
  LLVMValueRef y0, time, out; /* as the plan has them */
  LLVMValueRef rates, ctx;    /* void rates(ctx, times of the lanes, state, where the rates go) */
} Adaptive;
void gen_adaptive(Gen *g, const Adaptive *a);
void gen_gauss(Gen *g, const Adaptive *a); /* of one sample: rates are of all stages, each a lane */

#endif
