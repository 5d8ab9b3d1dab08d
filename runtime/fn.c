/* A compiled function run over any number of samples. The samples are cut into chunks of whole tiles by
 * n and the work alone; each chunk writes its batch sums to its own buffer, and the buffers are added in
 * chunk order, so that the result is the same to the bit for any number of threads. Small work is one
 * chunk, which runs on the caller's thread and writes to the outputs directly.
 *
 * An RtFn has one run at a time. Outputs may be the same memory as inputs of the same tile (the optimizer
 * updates in place). */
#include "runtime/split.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CHUNKS = 64,
       CHUNK_FLOP = 200000,        /* some microseconds: a few times what it costs to wake a thread */
       CHUNK_FLOP_PER_SUM = 1024,  /* keeps the addition of chunks under 2 percent of the work */
       REDUCE_PIECE = 8192 };

struct RtFn {
  RtSplit *split;            /* a function in parts; everything else is then unused */
  RtFnSpec spec;
  int64_t *out_elems;
  bool *out_lane;
  RtPool *pool;
  int64_t sums;              /* elements of one chunk's shared outputs, each rounded up to 64 bytes */
  char *partial;             /* (chunks - 1) x sums, or 1 x sums with one thread */
  int buffers;
  char *scratch;
  size_t scratch_size;       /* of one thread */
  HnnArg *arg;               /* outputs of each chunk */
  /* the run at hand: */
  const HnnArg *in, *out;
  HnnKernel kernel;
  int chunks;
  int64_t tiles;
  uint64_t seed, sample0;
};

/* The form that n samples run in. */
static bool few(const RtFn *f, int64_t n) { return f->spec.info.few && n <= f->spec.info.few_most; }

int64_t rt_fn_tile(const RtFn *f, int64_t n) {
  if (f->split) return rt_split_tile(f->split, n);
  return few(f, n) ? f->spec.info.few_tile : f->spec.info.tile ? f->spec.info.tile : 1;
}

static size_t real_size(const RtFn *f) { return f->spec.info.f64 ? 8 : 4; }
static int64_t padded(const RtFn *f, int64_t elems) {
  const int64_t line = 64 / (int64_t)real_size(f);
  return (elems + line - 1) / line * line;
}

RtFn *rt_fn_create(const RtFnSpec *spec, RtPool *pool) {
  RtFn *f = calloc(1, sizeof *f);
  if (!f) return NULL;
  f->spec = *spec;
  f->pool = pool;
  const size_t nout = spec->nout > 0 ? (size_t)spec->nout : 1;
  f->out_elems = calloc(nout, sizeof *f->out_elems);
  f->out_lane = calloc(nout, sizeof *f->out_lane);
  f->arg = calloc(nout * MAX_CHUNKS, sizeof *f->arg);
  f->scratch_size = ((size_t)spec->info.scratch_bytes + 127) / 64 * 64;
  f->scratch = rt_zeroed(f->scratch_size * (size_t)rt_pool_threads(pool));
  if (!f->out_elems || !f->out_lane || !f->arg || !f->scratch) { rt_fn_destroy(f); return NULL; }
  for (int i = 0; i < spec->nout; i++) {
    f->out_elems[i] = spec->out_elems[i];
    f->out_lane[i] = spec->out_lane[i];
    if (!spec->out_lane[i]) f->sums += padded(f, spec->out_elems[i]);
  }
  f->spec.out_elems = f->out_elems;
  f->spec.out_lane = f->out_lane;
  return f;
}

RtFn *rt_fn_create_split(const RtSplitSpec *spec) {
  RtFn *f = calloc(1, sizeof *f);
  if (f && !(f->split = rt_split_create(spec))) { free(f); return NULL; }
  return f;
}

void rt_fn_destroy(RtFn *f) {
  if (!f) return;
  rt_split_destroy(f->split);
  free(f->out_elems);
  free(f->out_lane);
  free(f->arg);
  free(f->partial);
  free(f->scratch);
  free(f);
}

/* A power of two, so that the chunks share out evenly among 2, 4, 8 ... threads. */
static int chunks_for(const RtFn *f, int64_t n, int64_t tiles) {
  const HnnKernelInfo *k = &f->spec.info;
  double least = CHUNK_FLOP;
  if (least < (double)CHUNK_FLOP_PER_SUM * (double)f->sums) least = (double)CHUNK_FLOP_PER_SUM * (double)f->sums;
  if (least < 16 * (double)k->flop_once) least = 16 * (double)k->flop_once;
  const double by_work = (double)k->flop_per_sample * (double)n / least;
  int c = 1;
  while (2 * c <= MAX_CHUNKS && 2 * c <= by_work && 2 * c <= tiles) c *= 2;
  return c;
}

static bool room_for(RtFn *f, int chunks) {
  const int want = !f->sums || chunks == 1 ? 0 : rt_pool_threads(f->pool) == 1 ? 1 : chunks - 1;
  if (want <= f->buffers) return true;
  free(f->partial);
  f->partial = rt_zeroed((size_t)f->sums * real_size(f) * (size_t)want);
  f->buffers = f->partial ? want : 0;
  return f->partial != NULL;
}

static void call(RtFn *f, const HnnArg *out, int64_t tile0, int64_t tile1, int thread) {
  const HnnCall c = {.in = f->in, .out = out, .tile0 = tile0, .tile1 = tile1,
    .scratch = f->scratch + f->scratch_size * (size_t)thread,
    .seed = f->seed, .sample0 = f->sample0, .host = &rt_host};
  f->kernel(&c);
}

/* Chunk c's outputs: the shared ones in buffer b, or where they belong (b < 0). */
static const HnnArg *outputs(RtFn *f, int c, int b) {
  HnnArg *arg = f->arg + (size_t)c * (size_t)f->spec.nout;
  char *p = b < 0 ? NULL : f->partial + (size_t)b * (size_t)f->sums * real_size(f);
  for (int i = 0; i < f->spec.nout; i++) {
    arg[i] = f->out[i];
    if (f->out_lane[i] || b < 0) continue;
    arg[i].p = p;
    p += (size_t)padded(f, f->out_elems[i]) * real_size(f);
  }
  return arg;
}

static void chunk_job(void *ctx, int c, int thread) {
  RtFn *f = ctx;
  call(f, outputs(f, c, f->sums ? c - 1 : -1), f->tiles * c / f->chunks, f->tiles * (c + 1) / f->chunks, thread);
}

/* out[i] += buffers b0 ... b1-1, elements [from, to) of output k, `offset` into a buffer. */
static void add(RtFn *f, int k, int64_t offset, int64_t from, int64_t to, int b0, int b1) {
  for (int b = b0; b < b1; b++) {
    const char *base = f->partial + ((size_t)b * (size_t)f->sums + (size_t)offset) * real_size(f);
    if (f->spec.info.f64) {
      double *restrict o = f->out[k].p;
      const double *restrict v = (const double *)base;
      for (int64_t i = from; i < to; i++) o[i] += v[i];
    } else {
      float *restrict o = f->out[k].p;
      const float *restrict v = (const float *)base;
      for (int64_t i = from; i < to; i++) o[i] += v[i];
    }
  }
}

static void add_range(RtFn *f, int64_t from, int64_t to, int b0, int b1) {
  int64_t offset = 0;
  for (int k = 0; k < f->spec.nout; k++) {
    if (f->out_lane[k]) continue;
    const int64_t a = from > offset ? from - offset : 0, end = to - offset;
    const int64_t b = end < f->out_elems[k] ? end : f->out_elems[k];
    if (a < b) add(f, k, offset, a, b, b0, b1);
    offset += padded(f, f->out_elems[k]);
  }
}

static void reduce_job(void *ctx, int piece, int thread) {
  (void)thread;
  RtFn *f = ctx;
  const int64_t from = (int64_t)piece * REDUCE_PIECE, to = from + REDUCE_PIECE;
  add_range(f, from, to < f->sums ? to : f->sums, 0, f->chunks - 1);
}

static void clear_sums(RtFn *f) {
  for (int i = 0; i < f->spec.nout; i++)
    if (!f->out_lane[i]) memset(f->out[i].p, 0, (size_t)f->out_elems[i] * real_size(f));
}

static void one_by_one(RtFn *f) {
  for (int c = 0; c < f->chunks; c++) {
    call(f, outputs(f, 0, c && f->sums ? 0 : -1), f->tiles * c / f->chunks, f->tiles * (c + 1) / f->chunks, 0);
    if (c && f->sums) add_range(f, 0, f->sums, 0, 1);
  }
}

void rt_fn_run(RtFn *f, const HnnArg *in, const HnnArg *out, int64_t n, uint64_t seed, uint64_t sample0) {
  if (f->split) { rt_split_run(f->split, in, out, n, seed, sample0); return; }
  const int64_t tile = rt_fn_tile(f, n);
  f->in = in, f->out = out, f->seed = seed, f->sample0 = sample0;
  f->kernel = few(f, n) ? f->spec.info.few : f->spec.kernel;
  if (!f->spec.info.tile) { call(f, out, 0, 1, 0); return; }
  if (n <= 0) { clear_sums(f); return; }
  f->tiles = (n + tile - 1) / tile;
  f->chunks = chunks_for(f, n, f->tiles);
  if (!room_for(f, f->chunks)) abort();
  if (f->chunks == 1) call(f, out, 0, f->tiles, 0);
  else if (rt_pool_threads(f->pool) == 1) one_by_one(f);
  else {
    rt_pool_run(f->pool, f->chunks, chunk_job, f);
    if (f->sums) rt_pool_run(f->pool, (int)((f->sums + REDUCE_PIECE - 1) / REDUCE_PIECE), reduce_job, f);
  }
}
