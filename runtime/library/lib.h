/* The engine of exported libraries: `hnnc compile model.hnn` links it, the compiled functions and a
 * generated table into model.so, and writes typed wrappers around the calls below. No LLVM, no hnnc. The text of this header and of
 * ir/abi.h is part of what is generated.
 *
 * What is not said here says model.h. */
#ifndef HNNC_RUNTIME_LIBRARY_LIB_H
#define HNNC_RUNTIME_LIBRARY_LIB_H

#include "ir/abi.h"
#include "runtime/library/model.h"

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
enum { LIB_PARAM, LIB_FIELD, LIB_WEIGHT, LIB_ONE }; /* index: parameter, number of the user's array */

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
  /* If `moved`: outputs slope, slope + 1, ... are gradients by these parameters, which the user gets end to end, as the last output;
   * what is behind them he does not get. Of what lies before, the loss or values per sample, nothing is done in strips. */
  int slope, nmoved;
  const int *moved;
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

/* A parameter as the library shows it: each turn of a stack is one. */
typedef struct LibTurn {
  int param;
  int64_t first; /* element of that */
} LibTurn;

typedef struct LibModel {
  bool f64;
  int64_t reals; /* of all parameters */
  int nparam;
  const LibParam *param;
  int nfn;
  const LibFn *fn;
  int ntrain;
  const LibTrain *train;
  const void *start;          /* parameters' start values, end to end */
  const hnn_library *library; /* what is shown (NULL: nothing): its functions are */
  const int *shown;           /* these of fn, its parameters */
  const LibTurn *turn;        /* these */
} LibModel;

/* ---- the engine: arguments are good, but for arrays and numbers of samples ---- */

typedef hnn_model Lib;
Lib *lib_create(const LibModel *m); /* NULL without memory */
Lib *lib_share(const Lib *l);
struct RtPool;
/* Parameters that live elsewhere, each on 64 bytes and zero up to RT_PAD; threads of a pool that does, too. It cannot train. */
Lib *lib_create_on(const LibModel *m, void **param, struct RtPool *pool);
void lib_destroy(Lib *l);
void *lib_param(const Lib *l, int k);
int lib_threads(Lib *l, int threads);
/* fn: of LibModel.fn. */
int lib_call(Lib *l, int fn, int64_t n, uint64_t seed, const hnn_array *in, const hnn_array *out);
int lib_step(Lib *l, int train, const int64_t *n, const hnn_array *const *in, double lr, double *loss);

/* ---- what hnn_library has: whatever the arguments; lib_abi_fail says why in this thread ---- */

int lib_abi_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
hnn_model *lib_abi_create(const LibModel *m, const char *lacks); /* lacks: why this processor cannot, or NULL */
hnn_model *lib_abi_share(const hnn_model *m);
int lib_abi_threads(hnn_model *m, int threads);
void *lib_abi_param(hnn_model *m, int k);
int lib_abi_call(hnn_model *m, int function, int64_t n, uint64_t seed, const hnn_array *in, const hnn_array *out);
int lib_abi_step(hnn_model *m, int training, const int64_t *n, const hnn_array *const *in, double lr, double *loss);
int lib_abi_load(hnn_model *m, const char *path);
int lib_abi_save(const hnn_model *m, const char *path);
const char *lib_abi_error(int code);

#endif
