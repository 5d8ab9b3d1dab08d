/* Between fn.c, which runs a function in one process, and fn_ranks.c, which runs a share of it (fn_exchange.c). fn.c names nothing of the latter: the
 * engine of exported libraries has no ranks. */
#ifndef HNNC_RUNTIME_STEPPERS_FN_PRIV_H
#define HNNC_RUNTIME_STEPPERS_FN_PRIV_H

#include "runtime/runtime_priv.h"

typedef struct RtSplit RtSplit;

typedef struct RtFnAcross {
  /* Of the run that rt_fn_shape has told: */
  bool (*worth)(const RtFn *f);                                     /* the same answer on all ranks */
  bool (*run)(RtFn *f);                                             /* false: no memory */
  void (*range)(const RtFn *f, int rank, int64_t *t0, int64_t *t1); /* tiles */
  void (*spread)(RtRanks *r, const HnnArg *lanes, int64_t elems, size_t real,
                 int64_t n); /* what each has of RT_SHARD and more samples */
  void (*finish)(RtFn *f);
} RtFnAcross;

struct RtFn {
  RtSplit *split; /* a function in parts; everything else is then unused */
  RtFnSpec spec;
  int64_t *out_elems;
  bool *out_lane;
  RtPool *pool;
  int64_t sums;  /* elements of one chunk's shared outputs, each rounded up to 64 bytes */
  char *partial; /* buffers of sums: of the groups but the first, then those of each thread */
  int buffers;
  char *scratch; /* in `memory` */
  void *memory;
  size_t scratch_size; /* of one thread */
  HnnArg *arg;         /* outputs of the chunk that each thread runs */
  double (*steps)[8];  /* of adaptive methods: taken and rejected in this run, by thread; a line each */
  /* the run at hand: */
  const HnnArg *in, *out;
  HnnKernel kernel;
  int chunks, groups, depth;           /* depth: of the tree of one group */
  int base;                            /* buffers of groups, before those of threads */
  int64_t tiles, units, samples, done; /* units: of tiles that the kernel does at once */
  int64_t own;                         /* tiles that this rank runs */
  uint64_t seed, sample0;
  const RtWatch *watch;
  RtRanks *ranks; /* NULL: this process runs all of it */
  const RtFnAcross *across;
  int64_t only_from, only_to; /* samples of rt_fn_only */
  void *mine;                 /* of across: buffers that are kept */
};

enum { RT_FN_OUTPUTS = -1 }; /* for a number of a buffer: where the sums belong in the end */

void rt_fn_set_across(RtFn *f, RtRanks *r, const RtFnAcross *across);
void rt_fn_shape(RtFn *f, int64_t n);            /* form, tiles, units, chunks of a run of n samples */
int64_t rt_fn_at_once(const RtFn *f);            /* tiles of a unit */
int64_t rt_fn_chunk_start(const RtFn *f, int c); /* its first tile */
char *rt_fn_buffer(const RtFn *f, int b);
bool rt_fn_room(RtFn *f, int buffers); /* of sums */
/* Chunks [c, c + n), n a power of two, into buffer b, with buffers of the thread from `level` on. */
void rt_fn_subtree(RtFn *f, int c, int n, int b, int thread, int level);
void rt_fn_tiles(RtFn *f, const HnnArg *out, int64_t tile0, int64_t tile1, int thread);

static inline size_t rt_fn_real(const RtFn *f) { return f->spec.info.f64 ? 8 : 4; }
static inline int64_t rt_fn_padded(const RtFn *f, int64_t elems) {
  const int64_t line = 64 / (int64_t)rt_fn_real(f);
  return (elems + line - 1) / line * line;
}

#endif
