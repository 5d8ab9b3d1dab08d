/* The engine of exported libraries: `hnnc compile model.hnn` links it, the compiled functions and a
 * generated table into model.so, and writes typed wrappers around the calls below. No LLVM, no hnnc. The text of this header and of
 * ir/abi.h is part of what is generated.
 *
 * Arrays of the user are row-major with the sample first: [n][dims...], in the model's precision. */
#ifndef HNNC_RUNTIME_LIBRARY_LIB_H
#define HNNC_RUNTIME_LIBRARY_LIB_H

#include "ir/abi.h"

#include <stdbool.h>

typedef struct LibParam {
  const char *name;
  int rank;
  uint32_t dim[HNN_MAX_RANK];
  int64_t elems, offset;
} LibParam;
/* offset: in the start values, in reals */

typedef struct LibInput {
  int kind, index;
  int64_t elems;
  bool lane;
} LibInput;
enum { LIB_PARAM, LIB_FIELD, LIB_WEIGHT }; /* index: parameter, number of the user's array */

typedef struct LibPart {
  HnnKernel kernel;
  const HnnKernelInfo *info;
  int nin, nout;
  const HnnRef *in;
  const int64_t *out_elems;
  const bool *out_lane;
} LibPart;

typedef struct LibFn {
  int nparts;
  const LibPart *part; /* as in RtSplitSpec; kernel NULL where absent */
  bool whole;          /* part 1 alone makes every output in order */
  int nin, nout;
  const LibInput *in;
  const bool *out_lane;
  const int64_t *out_elems;
  const HnnRef *from;
} LibFn;

/* A loss of the sum that is minimised. */
typedef struct LibLoss {
  int gradient; /* number of a function: loss, gradients, means */
  double factor;
  int nmoved;
  const int *moved; /* places in those of the training */
  int nrunning;
  const int *running; /* likewise */
} LibLoss;

typedef struct LibTrain {
  int nloss;
  const LibLoss *loss;
  int update; /* number of a function; -1: lbfgs */
  int nmoved;
  const int *moved;
  int nstates, history, max_iter; /* the last two of lbfgs */
  bool careful;                   /* as in RtTrain */
  double lr, beta1, beta2, clip, weight_decay;
  int nrunning;
  const int *running;  /* parameters that keep averages of means over the batch, which the gradient */
  const double *decay; /* functions give after the gradients; see rt_average */
} LibTrain;

typedef struct LibModel {
  bool f64;
  int nparam;
  const LibParam *param;
  int nfn;
  const LibFn *fn;
  int ntrain;
  const LibTrain *train;
  const void *start; /* parameters' start values, end to end */
} LibModel;

typedef struct Lib Lib;
Lib *lib_create(const LibModel *m); /* NULL without memory */
void lib_destroy(Lib *l);
void *lib_param(Lib *l, int k);
/* in: the user's arrays, out: likewise. 0, or -1 without memory, with n < 1, or with an n whose arrays have no size. */
int lib_call(Lib *l, int fn, int64_t n, const void *const *in, void *const *out);
/* One optimizer step on n[k] samples in[k] of each loss; *loss gets their sum before it. lr <= 0: the model's own.
 * 0; -1 as above; 1 if loss, gradient, lr or what the step makes is not finite (everything stays as it was). */
int lib_step(Lib *l, int train, const int64_t *n, const void *const *const *in, double lr, double *loss);

#endif
