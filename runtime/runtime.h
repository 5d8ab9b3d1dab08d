/* The runtime: drives native functions. Knows no other floor but the calling convention (ir/abi.h).
 * Every function that can fail returns false (or NULL) and leaves a message, which says what to do,
 * in RtError; files are left untouched by a failure. */
#ifndef HNNC_RUNTIME_RUNTIME_H
#define HNNC_RUNTIME_RUNTIME_H

#include "ir/abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct RtError {
  char text[512];
} RtError;

/* ---- rng.c: Philox4x32-10 (Random123), Salmon et al. 2011 ------------------------------------------------
 * A draw depends on (seed, sample, site, counter, element) alone.
 * counter words: {sample lo, sample hi, counter, site << 20 | element/2}; key = seed lo, hi.
 * uniform: 53 bits on [0, 1), of which functions in f32 take the first 24; normal: Box-Muller on two uniforms of the same block.
 * Draws elems x lanes reals: out[e*ld + s] belongs to sample sample0 + s. */
void rt_draw64(int32_t kind, uint64_t seed, uint64_t sample0, int32_t lanes, uint32_t site, uint32_t counter, int64_t elems,
               double *out, int64_t ld);
uint64_t rt_random_u64(uint64_t seed, uint64_t stream, uint64_t index);
void rt_permutation(uint64_t seed, uint64_t epoch, int64_t n, int64_t *out); /* keyed Fisher-Yates */
/* Where a permutation of many puts i, by arithmetic alone: a Feistel network of six rounds over the least power of 4 that holds n, walked
 * until it falls below n (Black & Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). */
int64_t rt_permuted(uint64_t seed, uint64_t epoch, int64_t n, int64_t i);
/* An order of n samples in an epoch: rt_permutation, of RT_SHARD and more rt_permuted; for one that is asked for by its places. */
typedef struct RtOrder {
  uint64_t seed;
  int64_t n, epoch, *perm; /* NULL: by arithmetic */
} RtOrder;
bool rt_order_init(RtOrder *o, uint64_t seed, int64_t n); /* false: no memory */
int64_t rt_order_at(RtOrder *o, int64_t epoch, int64_t i);
void rt_order_finish(RtOrder *o);

/* ---- ode.c: dopri5, dop853 and tsit5, tiles of trajectories with masks: what the evaluator takes ------- */
int32_t rt_ode(HnnOde *ode); /* 0, or the number of lanes that failed (their output is NaN) */

/* ---- tensors in memory: sets of samples ------------------------------------------------------------------- */

typedef struct RtArray { /* one field of a data set, one parameter, ... */
  const char *name;      /* malloc'ed */
  bool f64;
  int rank;
  uint32_t dim[HNN_MAX_RANK]; /* of one sample */
  int64_t elems;              /* product of dims */
  int64_t n, ld;              /* samples; 0 and elems for shared */
  void *v;                    /* [elems][ld], 64-byte aligned, padding filled with sample n-1 */
  size_t mapped;              /* bytes of an array that is sparse; 0: it is not */
  bool truth;                 /* 0 and 1 are truth values: so they are written, as b1 */
} RtArray;
bool rt_array_init(RtArray *a, const char *name, bool f64, int rank, const uint32_t *dim, int64_t n);
/* The same, of zeros whose memory comes as they are written: for a rank that has a part of the samples. */
bool rt_array_init_sparse(RtArray *a, const char *name, bool f64, int rank, const uint32_t *dim, int64_t n);
void rt_array_finish(RtArray *a);
void rt_array_pad(RtArray *a);                                   /* refresh the padding */
bool rt_array_convert(const RtArray *a, bool f64, RtArray *out); /* precision */

typedef struct RtSet {
  RtArray *field;
  int nfield;
  int64_t n;
  struct RtRanks *ranks; /* NULL: all samples are here; else those of rt_leaves, and those that were brought */
} RtSet;
void rt_set_finish(RtSet *s);
enum { RT_PAD = 64 }; /* ld is a multiple of this: every tile width divides it */
/* So many samples lie with the ranks in leaves of about n/1024, by n alone, so that nothing depends on the number of ranks. */
enum { RT_SHARD = 1 << 19, RT_LEAVES = 1024, RT_LEAF_PAD = RT_PAD * HNN_AT_ONCE };
static inline int64_t rt_leaf(int64_t n, int k) { /* the first sample of leaf k */
  const int64_t at = (n + RT_LEAF_PAD - 1) / RT_LEAF_PAD * k / RT_LEAVES * RT_LEAF_PAD;
  return at < n ? at : n;
}
static inline void rt_leaves(int rank, int ranks, int64_t n, int64_t *from, int64_t *to) { /* the samples of a rank */
  *from = rt_leaf(n, RT_LEAVES * rank / ranks), *to = rt_leaf(n, RT_LEAVES * (rank + 1) / ranks);
}

/* ---- table.c, npy.c, npz.c: reading data files --------------------------------------------------------------- */

enum { RT_EVERY_ROW = -1 }; /* rows of a 0-d array: a constant of every sample */
typedef struct RtColumn {
  char *name;  /* never NULL: "" without a header */
  bool number; /* false: text, which nobody but a reader of this very column minds */
  char *fault; /* why it cannot be read as numbers, with the place (and the cell) in the file; NULL: it can */
  int rank;
  uint32_t dim[HNN_MAX_RANK]; /* of one row */
  int64_t rows;
  bool gap;       /* some value is NaN, known when the values are; without RT_GAPS: that is the fault, of a text table */
  double *v;      /* [rows][elems]; NULL until it is read */
  size_t mapped;  /* bytes of one of which some rows are there; 0: it is not */
  int64_t member; /* of the archive */
} RtColumn;
typedef struct RtTable {
  char *path;
  RtColumn *column;
  int ncolumn;
  int64_t rows;
  bool gaps, whole;
  int64_t from, to; /* rows whose values are wanted, where that can be: of an .npy; 0: all */
  bool text;        /* a text table */
  bool tree;        /* names are paths in it: group/x */
} RtTable;
/* How a table is read. RT_INFO: no values are wanted. RT_GAPS: empty cells, `NA` and NaN are NaN; otherwise faults. RT_WHOLE: arrays
 * as they are: an .npy is one column, whose first axis is the rows; arrays may be empty, and hold what is not finite. */
enum { RT_VALUES = 0, RT_INFO = 1, RT_GAPS = 2, RT_WHOLE = 4 };
/* Text tables (# % comments, CSV, blanks, header), .npy, .npz, HDF5, by extension and magic. An .npy of shape [n], [n, k],
 * [n, k, ...] has 1, k, k columns of samples [], [], [...]. An .npz has a column for each array, an HDF5 file for each dataset, first axis = rows; those
 * that are used together must be checked to have the same, and `rows` of the table is 0. What is wrong with one column is
 * said in its `fault` and hinders no other; what is wrong with the whole file fails. `how`: of RT_INFO, RT_GAPS, RT_WHOLE. */
bool rt_table_read(const char *path, unsigned how, RtTable *out, RtError *err);
/* Reads the values of columns without fault (those of a text table may be there already). NaN, inf and whole numbers that
 * f64 does not hold exactly are refused with their place. */
bool rt_table_values(RtTable *t, const int *column, int n, RtError *err);
void rt_table_finish(RtTable *t);
/* One array, shared and f64: the whole of an .npy (name NULL), the array of that name of an .npz or HDF5 file, a column of a text table.
 * Messages do not name the file. */
bool rt_array_read(const char *path, const char *name, RtArray *out, RtError *err);
bool rt_file_regular(const char *path, RtError *err); /* not a directory, a pipe, a device */
bool rt_npy_write(const char *path, const RtArray *a, RtError *err);
bool rt_npz_write(const char *path, const RtArray *a, int n, RtError *err);

/* ---- safetensors.c: checkpoints ----------------------------------------------------------------------------------- */

typedef struct RtTensor {
  const char *name;
  bool f64;
  int rank;
  uint32_t dim[HNN_MAX_RANK];
  const void *v;
} RtTensor;
/* Atomic: written beside, fsync'ed, renamed. Metadata: strings "key", "value". */
bool rt_checkpoint_write(const char *path, const RtTensor *t, int n, const char *const (*meta)[2], int nmeta, RtError *err);
typedef struct RtCheckpoint RtCheckpoint;
RtCheckpoint *rt_checkpoint_read(const char *path, RtError *err); /* everything validated */
const RtTensor *rt_checkpoint_tensor(const RtCheckpoint *c, const char *name);
const RtTensor *rt_checkpoint_at(const RtCheckpoint *c, int k); /* in the order of names; NULL behind the last */
const char *rt_checkpoint_meta(const RtCheckpoint *c, const char *key);
void rt_checkpoint_finish(RtCheckpoint *c);

/* ---- ranks: several processes that run one program, each a part of the samples ------------------------------------ */

/* Bytes to or from another rank. */
typedef struct RtPiece {
  int peer;
  void *p;
  size_t n;
} RtPiece;
/* What connects them: `trade`, `end` and `abandon` are given by whoever opened it (runtime/mpi, or a stand-in), the rest by who runs. Every
 * rank makes the same calls in the same order. */
typedef struct RtRanks RtRanks;
/* Samples that ranks want of a set that lies with all of them: rank p lanes [begin[p], end[p]), lane k the sample of that number. Packed
 * they have `bytes`. */
typedef struct RtFetch {
  int64_t n; /* samples of the set */
  size_t bytes;
  const int64_t *begin, *end;
  int64_t (*sample)(void *ctx, int64_t lane);
  void (*pack)(void *ctx, int64_t sample, char *to);
  void (*put)(void *ctx, int64_t lane, const char *from);
  void *ctx;
} RtFetch;
struct RtRanks {
  int rank, size;
  /* Sends and receives all of these; between two ranks pieces arrive in their order. All are done on return. A rank that is lost
   * ends this process, by way of `lost`. */
  void (*trade)(RtRanks *r, const RtPiece *out, int nout, const RtPiece *in, int nin);
  /* The last call: every rank ends with this code, 0 or what it failed with and why; rank 0's, which is given back, is that of all. Where the
   * others do not come to an end too, their processes are ended. */
  int (*end)(RtRanks *r, int code, const char *why);
  void (*abandon)(RtRanks *r, int code); /* ends every rank, now: does not return */
  void *ctx;
  void (*fetch)(RtRanks *r, const RtFetch *f); /* rt_ranks_init */
  /* Of rank 0: rank `from` has ended with an error, or nobody knows with what (why ""); must not return. */
  void (*lost)(RtRanks *r, int from, int code, const char *why);
  /* NULL, or told once when this process was asked to stop and waits for another rank: the launcher may be about to end both. */
  void (*stalled)(RtRanks *r);
  const volatile int *asked; /* NULL, or this process was asked to stop */
  bool stopping;             /* some rank was, and every rank knows: it is in what they exchange (rt_ranks_word) */
  int64_t heard;             /* exchanges so far that had it */
  double waited, sent;       /* seconds in exchanges, bytes */
};
void rt_ranks_init(RtRanks *r); /* what is not given */
/* Samples of a set that lies with all: these are then here, too; every rank names the same. */
void rt_set_bring(RtSet *s, const int64_t *sample, int64_t n);
void rt_set_bring_ranges(RtSet *s, const int64_t *begin, const int64_t *end); /* those of each rank to that rank */
size_t rt_set_sample_bytes(const RtSet *s);
void rt_fetch(RtRanks *r, const RtFetch *f); /* any number, in pieces */
/* ranks.c. at[k] .. at[k + 1]: the part of rank k in buf; each has its own, and gets the others'. */
void rt_ranks_gather(RtRanks *r, void *buf, const size_t *at);
void rt_ranks_gather_each(RtRanks *r, void *buf, size_t size); /* the same, of parts of one size */
void rt_ranks_broadcast(RtRanks *r, void *p, size_t n);        /* from rank 0 */
bool rt_ranks_agree(RtRanks *r);                               /* whether to stop */
void rt_ranks_wait(RtRanks *r);                                /* until all are here */

/* ---- pool.c: threads that take chunks of tiles; results do not depend on their number --------------------- */

typedef struct RtPool RtPool;
RtPool *rt_pool_create(int threads); /* 0: all cores */
void rt_pool_destroy(RtPool *p);
int rt_pool_threads(const RtPool *p);
/* Steps of adaptive methods, taken and rejected, of all runs of functions so far; by the thread that runs them. */
void rt_pool_count(RtPool *p, const double steps[2]);
void rt_pool_steps(const RtPool *p, double out[2]);
void rt_pool_run(RtPool *p, int jobs, void (*job)(void *ctx, int job, int thread), void *ctx);

/* A compiled function with its buffers: splits [0, n) samples into a number of chunks that depends on
 * n and the work alone, runs them on the pool, adds their batch sums in chunk order. */
typedef struct RtFn RtFn;
typedef struct RtFnSpec {
  HnnKernel kernel;
  HnnKernelInfo info;
  int nin, nout;
  const int64_t *out_elems; /* elements of each output (one sample's, for lane outputs) */
  const bool *out_lane;
} RtFnSpec;
RtFn *rt_fn_create(const RtFnSpec *spec, RtPool *pool);
void rt_fn_destroy(RtFn *f);
/* Tiles that n samples are run in; the ld of arrays is at least n rounded up to them. */
int64_t rt_fn_tile(const RtFn *f, int64_t n);
/* in/out as in HnnCall; shared outputs get the sum over all chunks. seed, sample0 for draws. False: there is no memory for
 * buffers, which only the first call with so many samples asks for. */
bool rt_fn_run(RtFn *f, const HnnArg *in, const HnnArg *out, int64_t n, uint64_t seed, uint64_t sample0);

/* Every rank runs its share of the samples in what follows, and all have all outputs then, with the bits that one rank makes; see
 * fn_ranks.c. Borrowed. */
void rt_fn_share(RtFn *f, RtRanks *r);
/* The samples whose inputs a rank reads in a run of n: [*from, *to). */
void rt_fn_range(RtFn *f, int rank, int64_t n, int64_t *from, int64_t *to);
/* In the runs that follow a function without sums runs these samples alone on this rank, and what it gives stays here; to 0: no more. */
void rt_fn_only(RtFn *f, int64_t from, int64_t to);

/* Who looks on while a run goes on by tiles: `progress` is called by the thread that called. Functions with shared outputs are not
 * watched. */
typedef struct RtWatch {
  void (*progress)(void *ctx, int64_t done, int64_t n);
  void *ctx;
} RtWatch;
void rt_fn_watch(RtFn *f, const RtWatch *w); /* the runs that follow; NULL: nobody. Borrowed */

/* average.c: moves `average` towards the mean of a training's step 0, 1, ...: by 1 - min(decay, step/(step + 1)), which
 * makes it the plain mean of all steps first, without a bias from its start, and then a moving average. */
void rt_average(void *average, const void *mean, int64_t n, bool f64, double decay, int64_t step);

/* A function in parts (passes.h, Split), as one RtFn: parts 0, 2, ... are shared work, 1, 3, ... phases of the
 * batch. Arrays are borrowed and must outlive it, but for `part` itself; the parts' RtFns become its own. */
typedef struct RtPart {
  RtFn *fn; /* NULL where there is nothing to do */
  int nin, nout;
  const HnnRef *in;
  const int64_t *out_elems;
  const bool *out_lane;
} RtPart;
typedef struct RtSplitSpec {
  int nparts;
  const RtPart *part;
  bool f64;
  int nin, nout; /* of the whole function */
  const bool *out_lane;
  const int64_t *out_elems;
  const HnnRef *from; /* of each output */
} RtSplitSpec;
RtFn *rt_fn_create_split(const RtSplitSpec *spec); /* NULL without memory: the parts stay the caller's */

/* ---- train.c, sched.c, check.c, lbfgs.c: the training loop --------------------------------------------------------------- */

typedef enum { RT_SCHED_CONSTANT, RT_SCHED_COSINE, RT_SCHED_STEPS, RT_SCHED_PLATEAU } RtSchedKind;
typedef enum { RT_KEEP_LAST, RT_KEEP_BEST, RT_KEEP_AVERAGE } RtKeep; /* the parameters that a training ends with */

/* What was seen at checks, as numbers that a checkpoint holds: resumable state. */
typedef struct RtChecks {
  double best, best_step, bad;         /* the lowest test loss (infinite: none yet), where; checks since without a lower one */
  double level, worse, cooling, scale; /* plateau: the lowest loss, checks above it, checks to wait, of the rate */
  double sum, count;                   /* of the losses of steps since the last check */
} RtChecks;
enum { RT_CHECKS = sizeof(RtChecks) / sizeof(double) };
extern const RtChecks rt_checks_none; /* of a training that begins */

typedef struct RtNumber {
  const char *name;
  double v;
} RtNumber;

/* A step that is told of. Losses: of its batch, before it; on the test set, NaN without; of the averaged parameters there, if they
 * are what is kept, else NaN. */
typedef struct RtStep {
  int64_t step;
  double loss, test, average, lr, samples_per_s;
  const double *losses, *tests; /* of each loss of the sum, without its factor */
} RtStep;

/* One loss of the sum that is minimised. */
typedef struct RtLoss {
  /* gradient: (params..., fields..., weight) -> (loss, grads..., means...); mean: the same -> loss. in_of[k] >= 0: input k is that
   * parameter, -1 - f: field f of data, INT32_MIN: weight; test_of: the same for the test (NULL: as in_of) */
  RtFn *gradient, *mean;
  const int32_t *in_of, *test_of;
  int nin;
  double factor;         /* of it in the sum */
  const int64_t *offset; /* in flat, of the gradients that it gives: those of the parameters */
  const int32_t *moved;
  int nmoved;
  const int32_t *running; /* parameters whose means over the batch it gives behind them */
  int nrunning;
  const RtSet *data, *test; /* precision of the model; NULL: it takes no fields */
  int rank;                 /* this one, of those that share its work */
  int64_t batch, tests;     /* samples a step, 0: all of data; of a test without data */
  uint64_t seed;            /* of its order and its draws */
} RtLoss;

typedef struct RtTrain {
  RtLoss *sum;
  int nsum;
  RtArray *param;
  int nparam; /* shared arrays inside `flat` */
  void *flat;
  int64_t flat_n;
  bool f64; /* all moved parameters, contiguous, padded with zeros */
  const int32_t *running;
  int nrunning;        /* parameters that keep averages of means over the batch, each once: towards the mean over the batches of */
  const double *decay; /* all losses that give it rt_average moves them after each step */
  RtFn *update;
  int nstates; /* pass_optim_update: p g state... lr scale bias1 bias2 -> p state... */
  RtFn *norm;  /* NULL without clipping */
  double lr, beta1, beta2, clip, weight_decay;
  bool careful; /* an update that may overflow whatever the gradient: look at each */
  RtSchedKind sched;
  double to, warmup, factor, threshold;
  int64_t patience, cooldown; /* of a plateau, in checks; see check.c */
  const double *at;
  int nat;
  RtKeep keep;
  int64_t stop_after; /* checks without a lower test loss after which the training is over; 0: none */
  double decay_kept;  /* of the averaged parameters, see rt_average; 0: none */
  bool lbfgs;
  int history, max_iter;
  bool tested; /* the losses have tests */
  int64_t steps, every;
  /* NULL, or called before each test, after which `mean` must be set; false stops. */
  bool (*test_ready)(void *ctx);
  /* called every `every` steps and at the end; false stops (Ctrl-C, time). every = 0: only at the end. */
  bool (*progress)(void *ctx, const RtStep *at);
  /* called when checkpoint_seconds have passed since the last one, and always at the end and on a stop;
   * false is RT_FAILED (the callback has said why). */
  bool (*checkpoint)(void *ctx, int64_t step);
  void *ctx;
  double checkpoint_seconds; /* 0: after each progress */
  const volatile int *stop;  /* NULL, or set by a signal handler: stop after this step */
  /* NULL, or asked after each step in the stead of `stop`. */
  bool (*stopped)(void *ctx, int64_t step);
  /* resumable state, the caller's: with `flat` and `step` the training continues bit for bit. */
  int64_t step; /* steps done */
  void **state; /* nstates arrays of flat_n, zero at the start, 64-byte aligned;
                                             lbfgs may change their order */
  double loss;  /* of the last step */
  double took;  /* seconds of the steps of this call, without what is made ready before them */
  RtChecks checks;
  void *best;     /* keep = RT_KEEP_BEST: rt_train_kept_n reals, `flat` and the averages of means behind it; else NULL */
  void *averaged; /* flat_n reals if decay_kept, else NULL */
} RtTrain;
typedef enum { RT_DONE, RT_STOPPED, RT_NOT_FINITE, RT_FAILED } RtStatus;

/* `flat_n` is a multiple of RT_PAD, `update` and `norm` run over all of it. Step s of the training takes of each loss
 * positions s*batch ... of the permutations of epochs 0, 1, ... laid end to end (rt_permutation(seed,
 * epoch)); batch = 0 or all of the data uses its arrays in place. Draws of step s have the seed
 * rt_random_u64(seed, RT_STREAM_DRAWS, s), with the seed of the loss, which is the training's for the first (rt_loss_seed).
 * Gradients are added up in the order of the losses. RT_NOT_FINITE (loss, gradient, or what the
 * update makes) leaves parameters and states as before that step. */
/* RT_DONE: the parameters are those that `keep` says, also where nothing was left to do; the checkpoint at the end was of the last. */
RtStatus rt_train(RtTrain *t, RtError *err);
int64_t rt_train_kept_n(const RtTrain *t);
bool rt_train_over(const RtTrain *t);                 /* all steps are done, or patience has ended it */
enum { RT_STREAM_DRAWS = 1, RT_STREAM_LOSSES = 3 };   /* 2: draws of tests */
uint64_t rt_loss_seed(uint64_t seed, int k);          /* of loss k of a training with that seed */
double rt_sched_rate(const RtTrain *t, int64_t step); /* of step 0, 1, ... */

/* lbfgs: a step is up to max_iter iterations on the step's batch, each with a strong-Wolfe line search;
 * nstates = rt_lbfgs_states(history), update and norm are not used, clip is ignored. */
int rt_lbfgs_states(int history);
void *rt_zeroed(size_t size); /* 64-byte aligned, freed with free() */

/* Number i of an array in either precision. */
static inline double rt_real(const void *v, int64_t i, bool f64) {
  return f64 ? ((const double *)v)[i] : (double)((const float *)v)[i];
}
static inline void rt_set_real(void *v, int64_t i, bool f64, double x) {
  if (f64) ((double *)v)[i] = x;
  else ((float *)v)[i] = (float)x;
}

/* A whole file in memory, with a NUL after it. */
char *rt_file_read(const char *path, size_t *size, RtError *err);
/* Atomic: all of it is on disk under the final name, or the old file is untouched. */
bool rt_file_write(const char *path, const void *data, size_t size, RtError *err);

/* ---- rundir.c, progress.c ----------------------------------------------------------------------------------------------- */
/* Run directories, metrics.jsonl, manifest.json, atomic files; a progress line on a terminal. Owned by
 * the runtime's author; see runtime/rundir/rundir.h and runtime/train/progress.h. */

#endif
