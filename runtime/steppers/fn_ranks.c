/* A function that several ranks run together: each some chunks, and all have all outputs then, to the bit what one rank makes.
 *
 * The tree of the chunks is that of fn.c, which n and the work alone decide. Rank r of R takes chunks [C r/R, C (r + 1)/R): a few
 * whole nodes of the tree (one where R is a power of two), whose sums it makes as fn.c would, on its threads. What is left are the
 * additions above these nodes. Every rank knows which nodes there are; it gets their sums, of
 *   all elements where they are few or there are two ranks: one gather, all add the same;
 *   where each of 2^k ranks has one node, in halves (ranks/sum.c): 2 k rounds, less than twice the sums sent;
 *   else of a slice, 1/R of the elements: N sums to everyone else, of which each adds its slice, and a gather of the slices: two
 *   rounds, about (nodes of a rank + 1) sums sent, whatever R is.
 * With them go a word of each rank (whether it is asked to stop) and the steps of adaptive methods.
 *
 * Outputs per sample are computed by one rank each, and gathered in pieces. Work too small to be shared is done by every rank, with
 * the same result: nothing is sent then. */
#include "runtime/steppers/fn_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
  LEAST_FLOP = 4000000, /* some tens of microseconds */
  SWAP_BYTES = 1 << 15, /* sums of all nodes that everyone gets whole */
  ADD_PIECE = 8192,
  LANES_AT_ONCE = 1 << 23 /* bytes of lanes that are gathered together */
};

typedef struct Node {
  int first, n; /* chunks */
} Node;

typedef struct Across {
  int *begin; /* of each rank's nodes among all */
  Node *node;
  int nodes, chunks; /* for which they were made */
  struct Sum {
    int into, from; /* nodes that are added, in this order */
  } *sum;
  int sums;
  Node *job;         /* of this rank: nodes, or parts of them where there are more threads */
  int *job_of, jobs; /* the first job of each of its nodes; the end */
  char *buf;         /* of the exchange */
  size_t size;
  size_t *at;       /* size + 1 */
  int64_t from, to; /* elements that are added at once */
  char **of;        /* where the sums of each node lie, from element `from` on */
} Across;

static Across *state_of(RtFn *f) {
  if (!f->mine) f->mine = calloc(1, sizeof(Across));
  return f->mine;
}

static void forget(Across *a) {
  free(a->begin), free(a->node), free(a->sum), free(a->job), free(a->job_of), free(a->of), free(a->at);
  a->begin = NULL, a->node = NULL, a->sum = NULL, a->job = NULL, a->job_of = NULL, a->of = NULL, a->at = NULL;
  a->chunks = 0;
}

static void finish(RtFn *f) {
  Across *a = f->mine;
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

static void range(const RtFn *f, int rank, int64_t *t0, int64_t *t1) {
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
static int cut(int c, int end, int most, Node *out) {
  int n = 0;
  while (c < end) {
    int size = 1;
    while (size < most && c % (2 * size) == 0 && c + 2 * size <= end) size *= 2;
    out[n++] = (Node){c, size};
    c += size;
  }
  return n;
}

/* The additions that make the node of chunks [first, first + n), in order; its number. */
static int additions(Across *a, int first, int n) {
  int k = 0;
  while (k < a->nodes && a->node[k].first != first) k++;
  if (a->node[k].n == n) return k;
  additions(a, first, n / 2);
  const int right = additions(a, first + n / 2, n / 2);
  a->sum[a->sums++] = (struct Sum){k, right};
  return k;
}

/* Nodes of this rank in as many jobs as keep its threads busy. */
static void make_jobs(const RtFn *f, Across *a) {
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

static bool make_tree(const RtFn *f, Across *a) {
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

static bool room(Across *a, size_t size) {
  if (size <= a->size) return true;
  free(a->buf);
  a->buf = rt_zeroed(size);
  a->size = a->buf ? size : 0;
  return a->buf != NULL;
}

/* ---- the share of this rank ------------------------------------------------------------------------------------------ */

static void run_job(void *ctx, int job, int thread) {
  RtFn *f = ctx;
  const Node *n = &((Across *)f->mine)->job[job];
  rt_fn_subtree(f, n->first, n->n, job, thread, 0);
}

/* The tree of a node above its jobs, of a piece of the sums. */
static void join_jobs(void *ctx, int piece, int thread) {
  RtFn *f = ctx;
  const Across *a = f->mine;
  const int rank = f->ranks->rank, mine = a->begin[rank + 1] - a->begin[rank];
  const int64_t from = (int64_t)piece * ADD_PIECE, to = from + ADD_PIECE < f->sums ? from + ADD_PIECE : f->sums;
  const size_t at = (size_t)from * rt_fn_real(f);
  (void)thread;
  for (int k = 0; k < mine; k++)
    for (int step = 1, first = a->job_of[k], n = a->job_of[k + 1] - first; step < n; step *= 2)
      for (int g = first; g < first + n; g += 2 * step)
        rt_add(rt_fn_buffer(f, g) + at, rt_fn_buffer(f, g + step) + at, to - from, f->spec.info.f64);
}

static bool run_sums(RtFn *f, Across *a) {
  int most = 1;
  for (int k = 0; k < a->jobs; k++) most = a->job[k].n > most ? a->job[k].n : most;
  f->depth = 0;
  for (int c = 1; c < most; c *= 2) f->depth++;
  f->base = a->jobs;
  if (!rt_fn_room(f, f->base + rt_pool_threads(f->pool) * f->depth + 1)) return false;
  rt_pool_run(f->pool, a->jobs, run_job, f);
  const int rank = f->ranks->rank;
  if (a->jobs > a->begin[rank + 1] - a->begin[rank])
    rt_pool_run(f->pool, (int)((f->sums + ADD_PIECE - 1) / ADD_PIECE), join_jobs, f);
  return true;
}

enum { PIECES_A_THREAD = 4 };

static void run_piece(void *ctx, int piece, int thread) {
  RtFn *f = ctx;
  int64_t t0, t1;
  range(f, f->ranks->rank, &t0, &t1);
  const int64_t unit = rt_fn_at_once(f), n = (t1 - t0 + unit - 1) / unit, pieces = PIECES_A_THREAD * rt_pool_threads(f->pool);
  const int64_t a = t0 + n * piece / pieces * unit, b = t0 + n * (piece + 1) / pieces * unit;
  if (a < b) rt_fn_tiles(f, f->out, a, b < t1 ? b : t1, thread);
}

/* ---- sums ------------------------------------------------------------------------------------------------------------ */

static void add_nodes(void *ctx, int piece, int thread) {
  const RtFn *f = ctx;
  const Across *a = f->mine;
  const int64_t from = (int64_t)piece * ADD_PIECE, n = a->to - a->from - from;
  const size_t at = (size_t)from * rt_fn_real(f);
  (void)thread;
  for (int k = 0; k < a->sums; k++)
    rt_add(a->of[a->sum[k].into] + at, a->of[a->sum[k].from] + at, n < ADD_PIECE ? n : ADD_PIECE, f->spec.info.f64);
}

static void add_all(RtFn *f, Across *a, int64_t from, int64_t to) {
  a->from = from, a->to = to;
  rt_pool_run(f->pool, (int)((to - from + ADD_PIECE - 1) / ADD_PIECE), add_nodes, f);
}

static RtTold header_of(const RtFn *f) {
  RtTold h = {.word = rt_ranks_word(f->ranks)};
  for (int t = 0; t < rt_pool_threads(f->pool); t++) h.steps[0] += f->steps[t][0], h.steps[1] += f->steps[t][1];
  return h;
}

/* Those of all ranks are this run's: the first thread has them, the others none. */
static void take_told(RtFn *f, const RtTold *all) {
  rt_ranks_heard(f->ranks, all->word);
  for (int t = 0; t < rt_pool_threads(f->pool); t++) f->steps[t][0] = f->steps[t][1] = 0;
  f->steps[0][0] = all->steps[0], f->steps[0][1] = all->steps[1];
}

static void hear(RtFn *f, const char *buf, size_t (*at)(const RtFn *f, int rank)) {
  RtTold all = {0};
  for (int r = 0; r < f->ranks->size; r++) {
    RtTold h;
    memcpy(&h, buf + at(f, r), sizeof h);
    all.word |= h.word;
    all.steps[0] += h.steps[0], all.steps[1] += h.steps[1];
  }
  take_told(f, &all);
}

/* Where the result lies at p, from element `from` on. */
static void put_outputs(RtFn *f, const char *p, int64_t from, int64_t to) {
  const size_t real = rt_fn_real(f);
  int64_t offset = 0;
  for (int k = 0; k < f->spec.nout; k++) {
    if (f->out_lane[k]) continue;
    const int64_t a = from > offset ? from : offset, end = offset + f->out_elems[k], b = to < end ? to : end;
    if (a < b) memcpy((char *)f->out[k].p + (size_t)(a - offset) * real, p + (size_t)(a - from) * real, (size_t)(b - a) * real);
    offset += rt_fn_padded(f, f->out_elems[k]);
  }
}

static size_t whole_at(const RtFn *f, int rank) {
  const Across *a = f->mine;
  return (size_t)rank * sizeof(RtTold) + (size_t)a->begin[rank] * (size_t)f->sums * rt_fn_real(f);
}

/* Everyone gets all sums of all nodes. */
static bool swap(RtFn *f, Across *a) {
  const size_t bytes = (size_t)f->sums * rt_fn_real(f);
  const int rank = f->ranks->rank;
  if (!room(a, whole_at(f, f->ranks->size))) return false;
  for (int r = 0; r <= f->ranks->size; r++) a->at[r] = whole_at(f, r);
  char *own = a->buf + a->at[rank];
  const RtTold h = header_of(f);
  memcpy(own, &h, sizeof h);
  for (int k = a->begin[rank]; k < a->begin[rank + 1]; k++)
    memcpy(own + sizeof h + (size_t)(k - a->begin[rank]) * bytes, rt_fn_buffer(f, a->job_of[k - a->begin[rank]]), bytes);
  rt_ranks_gather(f->ranks, a->buf, a->at);
  hear(f, a->buf, whole_at);
  for (int r = 0; r < f->ranks->size; r++)
    for (int k = a->begin[r]; k < a->begin[r + 1]; k++)
      a->of[k] = a->buf + a->at[r] + sizeof(RtTold) + (size_t)(k - a->begin[r]) * bytes;
  add_all(f, a, 0, f->sums);
  put_outputs(f, a->of[0], 0, f->sums);
  return true;
}

/* buffer of this rank's node += what has come, of a piece of elements [a->from, a->to). */
static void add_piece(void *ctx, int piece, int thread) {
  const RtFn *f = ctx;
  const Across *a = f->mine;
  const int64_t from = a->from + (int64_t)piece * ADD_PIECE, n = a->to - from < ADD_PIECE ? a->to - from : ADD_PIECE;
  (void)thread;
  rt_add(rt_fn_buffer(f, 0) + (size_t)from * rt_fn_real(f), a->buf + (size_t)from * rt_fn_real(f), n, f->spec.info.f64);
}

static void add_come(void *ctx, int64_t from, int64_t to) {
  RtFn *f = ctx;
  Across *a = f->mine;
  a->from = from, a->to = to;
  rt_pool_run(f->pool, (int)((to - from + ADD_PIECE - 1) / ADD_PIECE), add_piece, f);
}

static bool one_each(const RtFn *f, const Across *a) {
  return a->nodes == f->ranks->size && !(a->nodes & (a->nodes - 1)) && f->chunks >= a->nodes;
}

/* The sums of its node are in the buffer of its first job. */
static bool by_halves(RtFn *f, Across *a) {
  if (!room(a, (size_t)f->sums * rt_fn_real(f))) return false;
  RtTold told = header_of(f);
  const RtSum s = {.v = rt_fn_buffer(f, 0), .other = a->buf, .n = f->sums, .f64 = f->spec.info.f64, .add = add_come, .ctx = f};
  rt_ranks_sum(f->ranks, &s, &told);
  take_told(f, &told);
  put_outputs(f, s.v, 0, f->sums);
  return true;
}

/* Elements of the slice of a rank: whole lines. */
static int64_t slice(const RtFn *f, int rank) {
  const int64_t line = 64 / (int64_t)rt_fn_real(f);
  return f->sums / line * rank / f->ranks->size * line;
}

static size_t headers_at(const RtFn *f, int rank) { return (void)f, (size_t)rank * sizeof(RtTold); }

/* What is kept in the buffer: headers; the slice of the nodes of all; all slices, added. */
typedef struct Slices {
  size_t nodes, result, end, bytes; /* bytes: of this rank's slice */
} Slices;

static Slices lay_out(const RtFn *f, const Across *a) {
  const size_t real = rt_fn_real(f);
  Slices s = {.nodes = (size_t)f->ranks->size * sizeof(RtTold)};
  s.bytes = (size_t)(slice(f, f->ranks->rank + 1) - slice(f, f->ranks->rank)) * real;
  s.result = s.nodes + (size_t)a->nodes * s.bytes;
  s.end = s.result + (size_t)f->sums * real;
  return s;
}

static bool send_slices(RtFn *f, Across *a, const Slices *s) {
  const int size = f->ranks->size, rank = f->ranks->rank, mine = a->begin[rank + 1] - a->begin[rank];
  const size_t real = rt_fn_real(f);
  RtPiece *out = calloc((size_t)size * (size_t)(mine + 1) + (size_t)a->nodes + (size_t)size + 1, sizeof *out), *in = out;
  RtTold h = header_of(f);
  int nout = 0, nin = 0;
  if (!out) return false;
  in += (size_t)size * (size_t)(mine + 1);
  for (int d = 1; d < size; d++) {
    const int to = (rank + d) % size, from = (rank + size - d) % size;
    const size_t at = (size_t)slice(f, to) * real, n = (size_t)slice(f, to + 1) * real - at;
    out[nout++] = (RtPiece){to, &h, sizeof h};
    for (int k = 0; k < mine && n; k++) out[nout++] = (RtPiece){to, rt_fn_buffer(f, a->job_of[k]) + at, n};
    in[nin++] = (RtPiece){from, a->buf + headers_at(f, from), sizeof h};
    for (int k = a->begin[from]; k < a->begin[from + 1] && s->bytes; k++)
      in[nin++] = (RtPiece){from, a->buf + s->nodes + (size_t)k * s->bytes, s->bytes};
  }
  memcpy(a->buf + headers_at(f, rank), &h, sizeof h);
  for (int k = 0; k < mine; k++)
    memcpy(a->buf + s->nodes + (size_t)(a->begin[rank] + k) * s->bytes,
           rt_fn_buffer(f, a->job_of[k]) + (size_t)slice(f, rank) * real, s->bytes);
  rt_ranks_trade(f->ranks, out, nout, in, nin);
  free(out);
  return true;
}

static bool reduce_scatter(RtFn *f, Across *a) {
  const Slices s = lay_out(f, a);
  const size_t real = rt_fn_real(f);
  const int rank = f->ranks->rank;
  if (!room(a, s.end) || !send_slices(f, a, &s)) return false;
  hear(f, a->buf, headers_at);
  for (int k = 0; k < a->nodes; k++) a->of[k] = a->buf + s.nodes + (size_t)k * s.bytes;
  add_all(f, a, slice(f, rank), slice(f, rank + 1));
  memcpy(a->buf + s.result + (size_t)slice(f, rank) * real, a->of[0], s.bytes);
  for (int r = 0; r <= f->ranks->size; r++) a->at[r] = (size_t)slice(f, r) * real;
  rt_ranks_gather(f->ranks, a->buf + s.result, a->at);
  put_outputs(f, a->buf + s.result, 0, f->sums);
  return true;
}

/* ---- outputs per sample ------------------------------------------------------------------------------------------------ */

typedef struct Row {
  int out;
  int64_t e;
} Row;

static Row first_row(const RtFn *f, int out) {
  while (out < f->spec.nout && (!f->out_lane[out] || !f->out_elems[out])) out++;
  return (Row){out, 0};
}

static Row next_row(const RtFn *f, Row r) {
  if (++r.e < f->out_elems[r.out]) return r;
  return first_row(f, r.out + 1);
}

/* Between the rows of a rank's samples and one piece of memory. */
static Row move_rows(RtFn *f, Row r, int64_t rows, int rank, char *p, bool in) {
  const int64_t tile = rt_fn_tile(f, f->samples);
  const size_t real = rt_fn_real(f);
  int64_t t0, t1;
  range(f, rank, &t0, &t1);
  const size_t bytes = (size_t)((t1 - t0) * tile) * real;
  for (int64_t k = 0; k < rows; k++, r = next_row(f, r), p += bytes) {
    char *lanes = (char *)f->out[r.out].p + (size_t)(r.e * f->out[r.out].ld + t0 * tile) * real;
    memcpy(in ? lanes : p, in ? p : lanes, bytes);
  }
  return r;
}

/* A row of so many samples is gathered where it lies. */
static void spread(RtRanks *r, const HnnArg *lanes, int64_t elems, size_t real, int64_t n) {
  size_t *at = calloc((size_t)r->size + 1, sizeof *at);
  if (!at) r->lost(r, r->rank, 4, "not enough memory");
  for (int k = 0; k < r->size; k++) {
    int64_t from, to;
    rt_leaves(k, r->size, n, &from, &to);
    at[k] = (size_t)from * real, at[k + 1] = (size_t)to * real;
  }
  for (int64_t e = 0; e < elems; e++) rt_ranks_gather(r, (char *)lanes->p + (size_t)(e * lanes->ld) * real, at);
  free(at);
}

static bool gather_lanes(RtFn *f, Across *a) {
  if (f->samples >= RT_SHARD) {
    for (int k = 0; k < f->spec.nout; k++)
      if (f->out_lane[k]) spread(f->ranks, &f->out[k], f->out_elems[k], rt_fn_real(f), f->samples);
    return true;
  }
  const int64_t tile = rt_fn_tile(f, f->samples);
  const size_t real = rt_fn_real(f), row = (size_t)(f->tiles * tile) * real;
  int64_t left = 0, most = (int64_t)(LANES_AT_ONCE / row) + 1;
  for (int k = 0; k < f->spec.nout; k++) left += f->out_lane[k] ? f->out_elems[k] : 0;
  if (most > left) most = left;
  size_t *at = calloc((size_t)f->ranks->size + 1, sizeof *at);
  if (!at || !room(a, (size_t)most * row)) return free(at), false;
  Row r = first_row(f, 0);
  while (left > 0) {
    const int64_t rows = left < most ? left : most;
    Row next = r;
    for (int k = 0; k < f->ranks->size; k++) {
      int64_t t0, t1;
      range(f, k, &t0, &t1);
      at[k + 1] = at[k] + (size_t)((t1 - t0) * tile * rows) * real;
    }
    move_rows(f, r, rows, f->ranks->rank, a->buf + at[f->ranks->rank], false);
    rt_ranks_gather(f->ranks, a->buf, at);
    for (int k = 0; k < f->ranks->size; k++) next = move_rows(f, r, rows, k, a->buf + at[k], true);
    r = next, left -= rows;
  }
  free(at);
  return true;
}

/* Without sums: the words and the steps alone. */
static bool tell(RtFn *f, Across *a) {
  if (!room(a, headers_at(f, f->ranks->size))) return false;
  const RtTold h = header_of(f);
  memcpy(a->buf + headers_at(f, f->ranks->rank), &h, sizeof h);
  rt_ranks_gather_each(f->ranks, a->buf, sizeof h);
  hear(f, a->buf, headers_at);
  return true;
}

/* ------------------------------------------------------------------------------------------------------------------------ */

static bool run(RtFn *f) {
  Across *a = state_of(f);
  int64_t t0, t1;
  range(f, f->ranks->rank, &t0, &t1);
  f->own = t1 > t0 ? t1 - t0 : 1;
  if (!a) return false;
  if (!f->sums) {
    rt_pool_run(f->pool, PIECES_A_THREAD * rt_pool_threads(f->pool), run_piece, f);
    return tell(f, a) && (f->only_to || gather_lanes(f, a));
  }
  if (!make_tree(f, a) || !run_sums(f, a)) return false;
  const bool few = f->ranks->size == 2 || (double)a->nodes * (double)f->sums * (double)rt_fn_real(f) <= SWAP_BYTES;
  return (few ? swap(f, a) : one_each(f, a) ? by_halves(f, a) : reduce_scatter(f, a)) && (!has_lanes(f) || gather_lanes(f, a));
}

static const RtFnAcross across = {worth, run, range, spread, finish};

void rt_fn_share(RtFn *f, RtRanks *r) {
  if (f && r && r->size > 1) rt_fn_set_across(f, r, &across);
}
