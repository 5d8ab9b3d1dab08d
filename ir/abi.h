/* The native calling convention: how compiled functions are called.
 * Plain C, no other header of the house: generated code, the runtime, the driver and exported
 * libraries agree on this page (codegen builds the same structs by field order).
 *
 * A function with per-sample values runs over *tiles* of T samples (T fixed when it is compiled).
 * A lane array is [element][ld]: element e of sample s at p[e*ld + s]; ld >= samples rounded up to
 * T, and the padding holds finite copies of a real sample, so that whole tiles may be read and
 * written. Padded samples have weight 0. Shared arrays are contiguous, row-major. Reals have the
 * function's precision; bools are bytes. */
#ifndef HNNC_IR_ABI_H
#define HNNC_IR_ABI_H

#include <stdint.h>

enum { HNN_MAX_RANK = 8 }; /* axes of a tensor of one sample */

typedef struct HnnArg {
  void *p;
  int64_t ld; /* lane arrays only */
} HnnArg;

typedef struct HnnOde { /* one adaptive integration of a tile of trajectories by the evaluator, always [row][lanes] */
  int32_t method;       /* Method (M_DOPRI5, M_DOP853, M_TSIT5, M_TAYLOR) */
  int32_t f64;          /* 1: every real below is a double; 0: a float */
  int32_t lanes;        /* samples in the tile */
  int32_t dim;          /* elements of the whole state */
  int32_t ntimes;
  int32_t max_steps; /* 10^6 if it is not above 0 */
  int32_t order; /* by taylor: how many coefficients `rates` gives, dy being [order][dim][lanes] and t [2][lanes], with the scale */
  int32_t kinks; /* by taylor, 1: rates bend or jump, and steps are checked */
  int32_t lane_times; /* 1: each lane has times of its own */
  double rtol, atol;
  const void *times; /* [ntimes] or [ntimes][lanes], increasing or decreasing; times[0] is the start */
  const void *y0;    /* [dim][lanes] */
  void *out;         /* [ntimes][dim][lanes] */
  void (*rates)(void *ctx, const void *t /* [lanes] */, const void *y /* [dim][lanes] */, void *dy);
  void *ctx;
  int32_t watched;         /* the first elements, which decide the steps; 0: all */
  int32_t record;          /* rows of the record of accepted steps; 0: none */
  void *states, *starts;   /* [record][dim][lanes]: states as steps begin, and their rates (not of gauss16, taylor) */
  void *steps;             /* [record][2][lanes]: their times and lengths */
  int32_t failure, failed; /* set if lanes failed: HnnOdeFailure of the first of them, and which */
  double failed_at;        /* and at which time */
  void *counts;            /* NULL, or [2][lanes]: steps taken, and rejected; NaN of a lane that failed */
} HnnOde;

typedef enum HnnOdeFailure {
  HNN_ODE_STEPS = 1, /* max_steps are used up */
  HNN_ODE_SMALL,     /* the step fell below rounding of t: a singularity, or tolerances that cannot be met */
  HNN_ODE_RATES,     /* the state or the rates are not finite at the start */
  HNN_ODE_TIMES,     /* the times are not finite or not in order */
  HNN_ODE_MEMORY,    /* there is no memory for the stages */
  HNN_ODE_STAGES     /* the iteration for the stages of a step of given length did not converge */
} HnnOdeFailure;

enum { HNN_AT_ONCE = 2 }; /* tiles that code may do at once: a call of fewer is slower, but computes the same */

typedef struct HnnCall {
  const HnnArg *in;       /* one per input of the function */
  const HnnArg *out;      /* one per output. Lane outputs are written for the tiles run; shared
                                outputs (batch sums) are *written* with the sum over the tiles run */
  int64_t tile0, tile1;   /* tiles to run: samples [tile0*T, tile1*T); ignored by shared functions */
  void *scratch;          /* scratch_bytes of HnnKernelInfo, aligned to 64, one per thread */
  uint64_t seed, sample0; /* for draws: key; number of sample 0 of tile 0 */
  int64_t samples;        /* what lies behind them in the last tile is padding, and may be left out of sums */
  double *steps;          /* NULL, or [2]: steps of adaptive methods, taken and rejected, are added */
} HnnCall;

typedef void (*HnnKernel)(const HnnCall *);

typedef struct HnnKernelInfo { /* exported as the constant <symbol>_info beside each function */
  int32_t tile;                /* T; 0 for a shared function */
  int32_t f64;
  int32_t at_once; /* tiles that are done at once where a call has as many: calls had best begin and end with whole ones */
  HnnKernel few;   /* the same with other tiles, faster for at most few_most samples, or NULL */
  int32_t few_tile, few_most;
  int64_t scratch_bytes;   /* enough for both */
  int64_t flop_per_sample; /* counted from the IR, per sample of a tile */
  int64_t flop_once;       /* and per call */
} HnnKernelInfo;

/* A function may be compiled in parts that read each other: an output of a part; part < 0: an input of the whole. */
typedef struct HnnRef {
  int part, index;
} HnnRef;

#endif
