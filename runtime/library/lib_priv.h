/* Between lib.c and lib_train.c. */
#ifndef HNNC_RUNTIME_LIBRARY_LIB_PRIV_H
#define HNNC_RUNTIME_LIBRARY_LIB_PRIV_H

#include "runtime/library/lib.h"
#include "runtime/runtime_priv.h"

/* What a function is called with, kept from call to call; lane arrays and outputs are in `memory`. */
typedef struct Arguments {
  HnnArg *in, *out; /* of the call at hand: of `room`, or the user's own arrays */
  HnnArg *room;     /* inputs, then outputs */
  void *memory;
  int64_t ld, n; /* of the last call; 0: none yet */
} Arguments;

/* What one thread calls functions with: each is made when it is first called. */
typedef struct Caller {
  RtFn **fn;
  Arguments *arguments;
} Caller;

typedef struct LibScratch {
  const Lib *l;
  int threads;
  RtPool *pool, *alone; /* of all threads; of one, NULL if that is all */
  bool lent;            /* the pool is somebody else's */
  Caller whole;         /* its functions run on the pool */
  Caller *strip;        /* of each thread, if there are several: its functions run on it alone */
} LibScratch;

/* What a sum of losses is added up in: gradients end to end, then means, as the parameters of a training. */
typedef struct Sum {
  void *memory;
  HnnArg *grad; /* of each moved parameter, then each mean; NULL: there is one loss, which gives them itself */
} Sum;

struct hnn_model {
  const LibModel *m;
  bool shares;           /* parameters of another, which trains */
  Lib *of;               /* whose they are, where that is a model */
  _Atomic int64_t users; /* handles that read the parameters of this model, itself too: the last to be destroyed frees them */
  LibScratch *own;       /* of trainings, and of calls without one */
  void *params, **param; /* one allocation, each parameter rounded up to RT_PAD */
  int64_t *steps;        /* of each training */
  Sum *sum;              /* of each training */
  void ***state;         /* of each training, nstates arrays of its parameters end to end */
};

static inline size_t real_size(const Lib *l) { return l->m->f64 ? 8 : 4; }

LibScratch *lib_scratch_create(const Lib *l, int threads); /* NULL without memory */
LibScratch *lib_scratch_on(const Lib *l, RtPool *pool);    /* lent, or made by lib_scratch_create */
void lib_scratch_destroy(LibScratch *s);
RtFn *lib_fn(LibScratch *s, int fn); /* NULL without memory */
/* The arguments for n samples of the user; NULL without memory or with an n that cannot be. */
Arguments *lib_bind(LibScratch *s, int fn, int64_t n, const hnn_array *in);
/* Whether n and the arrays that the function reads are good. */
bool lib_call_good(const Lib *l, int fn, int64_t n, const hnn_array *in);
/* Reals of the moved parameters end to end, each rounded up to RT_PAD. */
int64_t lib_moved_size(const Lib *l, const LibTrain *t);

#endif
