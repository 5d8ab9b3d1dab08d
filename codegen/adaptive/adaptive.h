/* The steps of an adaptive trajectory, from packed operands to the packed trajectory. */
#ifndef HNNC_CODEGEN_ADAPTIVE_ADAPTIVE_H
#define HNNC_CODEGEN_ADAPTIVE_ADAPTIVE_H

#include "codegen/element/element.h"
#include "ir/adaptive.h"

typedef struct AdaptiveTo {
  LLVMValueRef base, ld; /* of a result; NULL: nobody reads it */
} AdaptiveTo;

typedef struct Adaptive {
  const AdaptiveMethod *method; /* NULL: gauss16 */
  const PlanOde *plan;
  double rtol, atol, max_steps; /* gauss16 with both 0: so many steps of one length between two times */
  LLVMValueRef base;            /* scratch that the plan is of */
  const int64_t *own;           /* of series: scratch where the body keeps those of each state itself, or -1 */
  bool lane_times;
  const int64_t *lane_off,
      *lane_n; /* where lanes are refilled: operands of the rates that are a sample's own, and their elements */
  int nlane;
  LLVMValueRef y0, time, out, counts; /* as the plan has them */
  int64_t record;                     /* rows, or 0 */
  int64_t *record_n;                  /* elements of each state */
  AdaptiveTo *record_state, *record_rate, record_steps;
  LLVMValueRef rates, ctx; /* void rates(ctx, times of the lanes, state, where the rates go) */
} Adaptive;
void gen_adaptive(Gen *g, const Adaptive *a);
/* The same in two turns, where lanes are refilled: the samples of a tile begin, in scratch of its own; then all steps of the samples in
 * the first n places of scratch, one behind the other from `base` on. */
void gen_adaptive_begin(Gen *g, const Adaptive *a);
void gen_adaptive_refilled(Gen *g, const Adaptive *a, LLVMValueRef n);
void gen_gauss(Gen *g, const Adaptive *a); /* of one sample: rates are of all stages, each a lane */

#endif
