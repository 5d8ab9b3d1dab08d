/* A function that several ranks run together: each some chunks, and all have all outputs then, to the bit what one rank makes.
 *
 * The tree of the chunks is that of fn.c, which n and the work alone decide. Rank r of R takes chunks [C r/R, C (r + 1)/R): a few
 * whole nodes of the tree (one where R is a power of two), whose sums it makes as fn.c would, on its threads. What is left are the
 * additions above these nodes, which follow the exchange (fn_exchange.c).
 *
 * Outputs per sample are computed by one rank each. Work too small to be shared is done by every rank, with the same result: nothing
 * is sent then. */
#include "runtime/steppers/fn_ranks_priv.h"

#include <stdlib.h>

enum { LEAST_FLOP = 4000000 }; /* some tens of microseconds */

static RtAcross *state_of(RtFn *f) {
  if (!f->mine) f->mine = calloc(1, sizeof(RtAcross));
  return f->mine;
}

static void forget(RtAcross *a) {
  free(a->begin), free(a->node), free(a->sum), free(a->job), free(a->job_of), free(a->of), free(a->at);
  a->begin = NULL, a->node = NULL, a->sum = NULL, a->job = NULL, a->job_of = NULL, a->of = NULL, a->at = NULL;
  a->chunks = 0;
}

static void finish(RtFn *f) {
  RtAcross *a = f->mine;
  if (!a) return;
  forget(a);
  free(a->buf);
  free(a);
  f->mine = NULL;
}
static bool has_lanes(const RtFn *f) {
  for (int k = 0; k < f->spec.nout; k++)
    if (f->out_lane[k]) return true;
  return false;
}

/* By n, the work and the number of ranks. What it takes to gather outputs per sample counts: about a number in the time of 32
 * operations. */
static bool worth(const RtFn *f) {
  if (f->only_to) return true;
  if (f->samples >= RT_SHARD) return f->ranks->size > 1;
  if (f->ranks->size < 2 || (f->sums ? f->chunks < 2 : f->units < 2)) return false;
  double numbers = 0;
  for (int k = 0; k < f->spec.nout; k++) numbers += f->out_lane[k] ? (double)f->out_elems[k] : 0;
  const double flop = (double)f->spec.info.flop_per_sample;
  return flop * (double)f->samples >= LEAST_FLOP && flop >= 32 * numbers;
}

static int first_chunk(const RtFn *f, int rank) { return (int)((int64_t)f->chunks * rank / f->ranks->size); }

void rt_across_range(const RtFn *f, int rank, int64_t *t0, int64_t *t1) {
  const int64_t end = f->tiles, size = f->ranks->size, unit = rt_fn_at_once(f), tile = rt_fn_tile(f, f->samples);
  const bool tree = f->sums || f->samples >= RT_SHARD;
  if (f->only_to) {
    *t0 = f->only_from / tile, *t1 = (f->only_to + tile - 1) / tile;
    return;
  }
  *t0 = tree ? rt_fn_chunk_start(f, first_chunk(f, rank)) : f->units * rank / size * unit;
  *t1 = tree ? rt_fn_chunk_start(f, first_chunk(f, rank + 1)) : f->units * (rank + 1) / size * unit;
  if (*t1 > end) *t1 = end;
  if (*t0 > end) *t0 = end;
}

/* ---- the nodes of the tree ------------------------------------------------------------------------------------------ */

/* The largest nodes that chunks [c, end) are made of, of at most `most` chunks. */
static int cut(int c, int end, int most, RtNode *out) {
  int n = 0;
  while (c < end) {
    int size = 1;
    while (size < most && c % (2 * size) == 0 && c + 2 * size <= end) size *= 2;
    out[n++] = (RtNode){c, size};
    c += size;
  }
  return n;
}

/* The additions that make the node of chunks [first, first + n), in order; its number. */
static int additions(RtAcross *a, int first, int n) {
  int k = 0;
  while (k < a->nodes && a->node[k].first != first) k++;
  if (a->node[k].n == n) return k;
  additions(a, first, n / 2);
  const int right = additions(a, first + n / 2, n / 2);
  a->sum[a->sums++] = (struct Sum){k, right};
  return k;
}

/* Nodes of this rank in as many jobs as keep its threads busy. */
static void make_jobs(const RtFn *f, RtAcross *a) {
  const int rank = f->ranks->rank, threads = rt_pool_threads(f->pool);
  const int mine = first_chunk(f, rank + 1) - first_chunk(f, rank), want = threads & (threads - 1) ? 4 * threads : threads;
  int most = 1;
  while (2 * most * want <= mine) most *= 2;
  a->jobs = 0;
  for (int k = a->begin[rank]; k < a->begin[rank + 1]; k++) {
    a->job_of[k - a->begin[rank]] = a->jobs;
    a->jobs += cut(a->node[k].first, a->node[k].first + a->node[k].n, most, a->job + a->jobs);
  }
  a->job_of[a->begin[rank + 1] - a->begin[rank]] = a->jobs;
}

static bool make_tree(const RtFn *f, RtAcross *a) {
  const size_t size = (size_t)f->ranks->size, chunks = (size_t)f->chunks;
  if (a->chunks == f->chunks) return true;
  forget(a);
  a->begin = calloc(size + 1, sizeof *a->begin);
  a->at = calloc(size + 1, sizeof *a->at);
  a->node = calloc(chunks + 1, sizeof *a->node);
  a->sum = calloc(chunks + 1, sizeof *a->sum);
  a->job = calloc(chunks + 1, sizeof *a->job);
  a->job_of = calloc(chunks + 2, sizeof *a->job_of);
  a->of = calloc(chunks + 1, sizeof *a->of);
  if (!a->begin || !a->at || !a->node || !a->sum || !a->job || !a->job_of || !a->of) return false;
  a->nodes = a->sums = 0;
  for (int r = 0; r < f->ranks->size; r++) {
    a->nodes += cut(first_chunk(f, r), first_chunk(f, r + 1), f->chunks, a->node + a->nodes);
    a->begin[r + 1] = a->nodes;
  }
  additions(a, 0, f->chunks);
  make_jobs(f, a);
  a->chunks = f->chunks;
  return true;
}

/* ---- the share of this rank ------------------------------------------------------------------------------------------ */

static void run_job(void *ctx, int job, int thread) {
  RtFn *f = ctx;
  const RtNode *n = &((RtAcross *)f->mine)->job[job];
  rt_fn_subtree(f, n->first, n->n, job, thread, 0);
}

/* The tree of a node above its jobs, of a piece of the sums. */
static void join_jobs(void *ctx, int piece, int thread) {
  RtFn *f = ctx;
  const RtAcross *a = f->mine;
  const int rank = f->ranks->rank, mine = a->begin[rank + 1] - a->begin[rank];
  const int64_t from = (int64_t)piece * RT_ADD_PIECE, to = from + RT_ADD_PIECE < f->sums ? from + RT_ADD_PIECE : f->sums;
  const size_t at = (size_t)from * rt_fn_real(f);
  (void)thread;
  for (int k = 0; k < mine; k++)
    for (int step = 1, first = a->job_of[k], n = a->job_of[k + 1] - first; step < n; step *= 2)
      for (int g = first; g < first + n; g += 2 * step)
        rt_add(rt_fn_buffer(f, g) + at, rt_fn_buffer(f, g + step) + at, to - from, f->spec.info.f64);
}

static bool run_sums(RtFn *f, RtAcross *a) {
  int most = 1;
  for (int k = 0; k < a->jobs; k++) most = a->job[k].n > most ? a->job[k].n : most;
  f->depth = 0;
  for (int c = 1; c < most; c *= 2) f->depth++;
  f->base = a->jobs;
  if (!rt_fn_room(f, f->base + rt_pool_threads(f->pool) * f->depth + 1)) return false;
  rt_pool_run(f->pool, a->jobs, run_job, f);
  const int rank = f->ranks->rank;
  if (a->jobs > a->begin[rank + 1] - a->begin[rank])
    rt_pool_run(f->pool, (int)((f->sums + RT_ADD_PIECE - 1) / RT_ADD_PIECE), join_jobs, f);
  return true;
}

enum { PIECES_A_THREAD = 4 };

static void run_piece(void *ctx, int piece, int thread) {
  RtFn *f = ctx;
  int64_t t0, t1;
  rt_across_range(f, f->ranks->rank, &t0, &t1);
  const int64_t unit = rt_fn_at_once(f), n = (t1 - t0 + unit - 1) / unit, pieces = PIECES_A_THREAD * rt_pool_threads(f->pool);
  const int64_t a = t0 + n * piece / pieces * unit, b = t0 + n * (piece + 1) / pieces * unit;
  if (a < b) rt_fn_tiles(f, f->out, a, b < t1 ? b : t1, thread);
}

/* ------------------------------------------------------------------------------------------------------------------------ */

static bool run(RtFn *f) {
  RtAcross *a = state_of(f);
  int64_t t0, t1;
  rt_across_range(f, f->ranks->rank, &t0, &t1);
  f->own = t1 > t0 ? t1 - t0 : 1;
  if (!a) return false;
  if (!f->sums) {
    rt_pool_run(f->pool, PIECES_A_THREAD * rt_pool_threads(f->pool), run_piece, f);
    return rt_across_tell(f, a) && (f->only_to || rt_across_lanes(f, a));
  }
  if (!make_tree(f, a) || !run_sums(f, a)) return false;
  return rt_across_sums(f, a) && (!has_lanes(f) || rt_across_lanes(f, a));
}

static const RtFnAcross across = {worth, run, rt_across_range, rt_across_spread, finish};

void rt_fn_share(RtFn *f, RtRanks *r) {
  if (f && r && r->size > 1) rt_fn_set_across(f, r, &across);
}
