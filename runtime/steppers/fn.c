/* A compiled function run over any number of samples. The samples are cut into chunks of whole tiles by
 * n and the work alone, a power of two of them, and the batch sums of the chunks are added as a binary tree: so the
 * result is the same to the bit for any number of threads. A thread takes a whole subtree (a group) and adds in
 * buffers of its own, which stay in its cache; only the sums of the groups go from one core to another. Small work
 * is one chunk, which runs on the caller's thread and writes to the outputs directly.
 *
 * An RtFn has one run at a time. Outputs may be the same memory as inputs of the same tile (the optimizer
 * updates in place). */
#include "runtime/steppers/fn_priv.h"
#include "runtime/steppers/split_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
  MAX_CHUNKS = 1024, /* as many ranks may share them */
  CHUNK_FLOP =
      1000000, /* ten microseconds of products, more of elementwise work: below, what other cores have in their caches costs more */
  CHUNK_FLOP_PER_SUM = 1024, /* keeps the addition of chunks under 2 percent of the work */
  CHUNKS_A_THREAD = 4,
  REDUCE_PIECE = 8192
};

/* The form that n samples run in. */
static bool few(const RtFn *f, int64_t n) { return f->spec.info.few && n <= f->spec.info.few_most; }

int64_t rt_fn_tile(const RtFn *f, int64_t n) {
  if (f->split) return rt_split_tile(f->split, n);
  return few(f, n) ? f->spec.info.few_tile : f->spec.info.tile ? f->spec.info.tile : 1;
}

RtFn *rt_fn_create(const RtFnSpec *spec, RtPool *pool) {
  RtFn *f = calloc(1, sizeof *f);
  if (!f) return NULL;
  f->spec = *spec;
  f->pool = pool;
  const size_t nout = spec->nout > 0 ? (size_t)spec->nout : 1;
  f->out_elems = calloc(nout, sizeof *f->out_elems);
  f->out_lane = calloc(nout, sizeof *f->out_lane);
  f->arg = calloc(nout * (size_t)rt_pool_threads(pool), sizeof *f->arg);
  f->steps = calloc((size_t)rt_pool_threads(pool), sizeof *f->steps);
  f->scratch_size = ((size_t)spec->info.scratch_bytes + 127) / 64 * 64;
  f->scratch = rt_spacious(f->scratch_size * (size_t)rt_pool_threads(pool), &f->memory);
  if (!f->out_elems || !f->out_lane || !f->arg || !f->steps || !f->scratch) {
    rt_fn_destroy(f);
    return NULL;
  }
  for (int i = 0; i < spec->nout; i++) {
    f->out_elems[i] = spec->out_elems[i];
    f->out_lane[i] = spec->out_lane[i];
    if (!spec->out_lane[i]) f->sums += rt_fn_padded(f, spec->out_elems[i]);
  }
  f->spec.out_elems = f->out_elems;
  f->spec.out_lane = f->out_lane;
  return f;
}

void rt_fn_watch(RtFn *f, const RtWatch *w) {
  f->watch = w;
  if (f->split) rt_split_watch(f->split, w);
}

RtFn *rt_fn_create_split(const RtSplitSpec *spec) {
  RtFn *f = calloc(1, sizeof *f);
  if (f && !(f->split = rt_split_create(spec))) {
    free(f);
    return NULL;
  }
  return f;
}

void rt_fn_destroy(RtFn *f) {
  if (!f) return;
  if (f->across && !f->split) f->across->finish(f);
  rt_split_destroy(f->split);
  free(f->out_elems);
  free(f->out_lane);
  free(f->arg);
  free(f->steps);
  free(f->partial);
  free(f->memory);
  free(f);
}

static int64_t at_once(const RtFn *f, int64_t n) { return !few(f, n) && f->spec.info.at_once > 1 ? f->spec.info.at_once : 1; }

int64_t rt_fn_at_once(const RtFn *f) { return at_once(f, f->samples); }

/* A power of two, so that the chunks share out evenly among 2, 4, 8 ... threads. Where nothing is summed, any number
 * gives the same result, and long chunks are faster: kernels may do several tiles at once. */
static int chunks_for(const RtFn *f, int64_t n) {
  const HnnKernelInfo *k = &f->spec.info;
  if (n >= RT_SHARD) return RT_LEAVES; /* where the samples are, if there are several ranks */
  double least = CHUNK_FLOP;
  if (least < (double)CHUNK_FLOP_PER_SUM * (double)f->sums) least = (double)CHUNK_FLOP_PER_SUM * (double)f->sums;
  if (least < 16 * (double)k->flop_once) least = 16 * (double)k->flop_once;
  const double by_work = (double)k->flop_per_sample * (double)n / least;
  const int threads = rt_pool_threads(f->pool), most = f->sums ? MAX_CHUNKS : threads > 1 ? CHUNKS_A_THREAD * threads : 1;
  int c = 1;
  while (2 * c <= MAX_CHUNKS && 2 * c <= most && 2 * c <= by_work && 2 * c <= f->units) c *= 2;
  return c;
}

/* As many groups as threads; where that is no power of two, more, so that none waits long at the end. */
static int groups_for(const RtFn *f, int chunks) {
  const int threads = rt_pool_threads(f->pool), want = threads & (threads - 1) ? 4 * threads : threads;
  int g = 1;
  while (g < chunks && (g < want || !f->sums)) g *= 2;
  return g;
}

bool rt_fn_room(RtFn *f, int want) {
  if (!f->sums || want <= f->buffers) return true;
  free(f->partial);
  f->partial = rt_zeroed((size_t)f->sums * rt_fn_real(f) * (size_t)want);
  f->buffers = f->partial ? want : 0;
  return f->partial != NULL;
}

static void call(RtFn *f, const HnnArg *out, int64_t tile0, int64_t tile1, int thread) {
  const HnnCall c = {.in = f->in,
                     .out = out,
                     .tile0 = tile0,
                     .tile1 = tile1,
                     .scratch = f->scratch + f->scratch_size * (size_t)thread,
                     .seed = f->seed,
                     .sample0 = f->sample0,
                     .samples = f->samples,
                     .steps = f->steps[thread]};
  f->kernel(&c);
}

enum { SLICES = 64 }; /* of a chunk, between looks at the watch */

void rt_fn_tiles(RtFn *f, const HnnArg *out, int64_t tile0, int64_t tile1, int thread) {
  const RtWatch *w = f->watch;
  if (!w || !w->progress || f->sums) {
    call(f, out, tile0, tile1, thread);
    return;
  }
  const int64_t least = (tile1 - tile0 + SLICES - 1) / SLICES, step = (least + HNN_AT_ONCE - 1) / HNN_AT_ONCE * HNN_AT_ONCE;
  for (int64_t t = tile0; t < tile1; t += step) {
    const int64_t end = t + step < tile1 ? t + step : tile1;
    call(f, out, t, end, thread);
    const int64_t done = __atomic_add_fetch(&f->done, end - t, __ATOMIC_RELAXED);
    if (thread == 0) w->progress(w->ctx, (int64_t)((double)done / (double)f->own * (double)f->samples), f->samples);
  }
}

char *rt_fn_buffer(const RtFn *f, int b) { return f->partial + (size_t)b * (size_t)f->sums * rt_fn_real(f); }
static int group_buffer(int group) { return group - 1; }
static int thread_buffer(const RtFn *f, int thread, int level) { return f->base + thread * f->depth + level; }

/* The outputs of a chunk whose sums go to buffer b. */
static const HnnArg *outputs(RtFn *f, int thread, int b) {
  HnnArg *arg = f->arg + (size_t)thread * (size_t)f->spec.nout;
  char *p = b == RT_FN_OUTPUTS || !f->sums ? NULL : rt_fn_buffer(f, b);
  for (int i = 0; i < f->spec.nout; i++) {
    arg[i] = f->out[i];
    if (f->out_lane[i] || !p) continue;
    arg[i].p = p;
    p += (size_t)rt_fn_padded(f, f->out_elems[i]) * rt_fn_real(f);
  }
  return arg;
}

static void add(const RtFn *f, void *to, const void *from, int64_t n) { rt_add(to, from, n, f->spec.info.f64); }

/* Sums [from, to) of buffer b to those of buffer `into`. */
static void add_range(RtFn *f, int into, int b, int64_t from, int64_t to) {
  const size_t size = rt_fn_real(f);
  if (into != RT_FN_OUTPUTS) {
    add(f, rt_fn_buffer(f, into) + (size_t)from * size, rt_fn_buffer(f, b) + (size_t)from * size, to - from);
    return;
  }
  int64_t offset = 0;
  for (int k = 0; k < f->spec.nout; k++) {
    if (f->out_lane[k]) continue;
    const int64_t first = from > offset ? from - offset : 0, end = to - offset;
    const int64_t last = end < f->out_elems[k] ? end : f->out_elems[k];
    if (first < last)
      add(f, (char *)f->out[k].p + (size_t)first * size, rt_fn_buffer(f, b) + (size_t)(offset + first) * size, last - first);
    offset += rt_fn_padded(f, f->out_elems[k]);
  }
}

int64_t rt_fn_chunk_start(const RtFn *f, int c) {
  if (f->samples >= RT_SHARD) {
    const int64_t first = rt_leaf(f->samples, c), tile = rt_fn_tile(f, f->samples);
    return c < f->chunks ? first / tile : f->tiles; /* a leaf is of whole tiles; one that is empty begins where the samples end */
  }
  const int64_t tile = f->units * c / f->chunks * at_once(f, f->samples);
  return tile < f->tiles ? tile : f->tiles;
}

void rt_fn_subtree(RtFn *f, int c, int n, int b, int thread, int level) {
  if (n == 1) {
    rt_fn_tiles(f, outputs(f, thread, b), rt_fn_chunk_start(f, c), rt_fn_chunk_start(f, c + 1), thread);
    return;
  }
  const int other = thread_buffer(f, thread, level);
  rt_fn_subtree(f, c, n / 2, b, thread, level + 1);
  rt_fn_subtree(f, c + n / 2, n / 2, other, thread, level + 1);
  if (f->sums) add_range(f, b, other, 0, f->sums);
}

static void group_job(void *ctx, int group, int thread) {
  RtFn *f = ctx;
  const int n = f->chunks / f->groups;
  rt_fn_subtree(f, group * n, n, group_buffer(group), thread, 0);
}

/* The top of the tree, for a piece of the sums. */
static void reduce_job(void *ctx, int piece, int thread) {
  (void)thread;
  RtFn *f = ctx;
  const int64_t from = (int64_t)piece * REDUCE_PIECE, to = from + REDUCE_PIECE;
  for (int step = 1; step < f->groups; step *= 2)
    for (int g = 0; g < f->groups; g += 2 * step)
      add_range(f, group_buffer(g), group_buffer(g + step), from, to < f->sums ? to : f->sums);
}

static void clear_sums(RtFn *f) {
  for (int i = 0; i < f->spec.nout; i++)
    if (!f->out_lane[i]) memset(f->out[i].p, 0, (size_t)f->out_elems[i] * rt_fn_real(f));
}

static void tell_steps(RtFn *f) {
  for (int thread = 0; thread < rt_pool_threads(f->pool); thread++) {
    rt_pool_count(f->pool, f->steps[thread]);
    f->steps[thread][0] = f->steps[thread][1] = 0;
  }
}

void rt_fn_shape(RtFn *f, int64_t n) {
  const int64_t tile = rt_fn_tile(f, n);
  f->samples = n;
  f->own = f->tiles = (n + tile - 1) / tile;
  f->units = (f->tiles + at_once(f, n) - 1) / at_once(f, n);
  f->done = 0;
  f->chunks = chunks_for(f, n);
}

void rt_fn_range(RtFn *f, int rank, int64_t n, int64_t *from, int64_t *to) {
  *from = 0, *to = n;
  if (!f) return;
  if (f->split) {
    rt_split_range(f->split, rank, n, from, to);
  } else if (f->across && n > 0 && f->spec.info.tile) {
    rt_fn_shape(f, n);
    if (!f->across->worth(f)) return;
    f->across->range(f, rank, from, to);
    *from *= rt_fn_tile(f, n), *to *= rt_fn_tile(f, n);
    if (*from > n) *from = n;
    if (*to > n) *to = n;
  }
}

void rt_fn_only(RtFn *f, int64_t from, int64_t to) {
  if (f->split) rt_split_only(f->split, from, to);
  f->only_from = from, f->only_to = to;
}

void rt_fn_set_across(RtFn *f, RtRanks *r, const RtFnAcross *across) {
  if (f->split) rt_split_set_across(f->split, r, across);
  f->ranks = r, f->across = across;
}

bool rt_fn_run(RtFn *f, const HnnArg *in, const HnnArg *out, int64_t n, uint64_t seed, uint64_t sample0) {
  if (f->split) return rt_split_run(f->split, in, out, n, seed, sample0);
  f->in = in, f->out = out, f->seed = seed, f->sample0 = sample0;
  f->kernel = few(f, n) ? f->spec.info.few : f->spec.kernel;
  f->samples = n;
  if (!f->spec.info.tile) {
    call(f, out, 0, 1, 0);
    tell_steps(f);
    return true;
  }
  if (n <= 0) {
    clear_sums(f);
    return true;
  }
  rt_fn_shape(f, n);
  if (f->across && f->across->worth(f)) {
    const bool ok = f->across->run(f);
    tell_steps(f);
    return ok;
  }
  f->groups = groups_for(f, f->chunks);
  f->base = f->groups - 1, f->depth = 0;
  for (int c = f->groups; c < f->chunks; c *= 2) f->depth++;
  if (!rt_fn_room(f, f->base + rt_pool_threads(f->pool) * f->depth)) return false;
  rt_pool_run(f->pool, f->groups, group_job, f);
  if (f->sums && f->groups > 1) rt_pool_run(f->pool, (int)((f->sums + REDUCE_PIECE - 1) / REDUCE_PIECE), reduce_job, f);
  tell_steps(f);
  return true;
}
