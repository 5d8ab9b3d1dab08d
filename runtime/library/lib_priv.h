/* Between lib.c and lib_train.c. */
#ifndef HNNC_RUNTIME_LIBRARY_LIB_PRIV_H
#define HNNC_RUNTIME_LIBRARY_LIB_PRIV_H

#include "runtime/library/lib.h"
#include "runtime/runtime_priv.h"

/* What a function is called with, kept from call to call; lane arrays and outputs are in `memory`. */
typedef struct Arguments {
  HnnArg *in, *out;
  void *memory;
  int64_t ld, n; /* of the last call; 0: none yet */
} Arguments;

/* What a sum of losses is added up in: gradients end to end, then means, as the parameters of a training. */
typedef struct Sum {
  void *memory;
  HnnArg *grad; /* of each moved parameter, then each mean; NULL: there is one loss, which gives them itself */
} Sum;

struct Lib {
  const LibModel *m;
  RtPool *pool;
  RtFn **fn;
  Arguments *arguments;  /* of each function */
  void *params, **param; /* one allocation, each parameter rounded up to RT_PAD */
  int64_t *steps;        /* of each training */
  Sum *sum;              /* of each training */
  void ***state;         /* of each training, nstates arrays of its parameters end to end */
};

static inline size_t real_size(const Lib *l) { return l->m->f64 ? 8 : 4; }

/* The arguments for n samples of the user; NULL without memory or with an n that cannot be. */
Arguments *lib_bind(Lib *l, int fn, int64_t n, const void *const *user);
/* Reals of the moved parameters end to end, each rounded up to RT_PAD. */
int64_t lib_moved_size(const Lib *l, const LibTrain *t);

#endif
