/* What the ranks of a function have made, brought together. Every rank knows which nodes of the tree there are; it gets their sums, of
 *   all elements where they are few or there are two ranks: one gather, all add the same;
 *   where each of 2^k ranks has one node, in halves (ranks/sum.c): 2 k rounds, less than twice the sums sent;
 *   else of a slice, 1/R of the elements: N sums to everyone else, of which each adds its slice, and a gather of the slices: two
 *   rounds, about (nodes of a rank + 1) sums sent, whatever R is.
 * With them go a word of each rank (whether it is asked to stop) and the steps of adaptive methods. Outputs per sample are gathered in
 * pieces. */
#include "runtime/steppers/fn_ranks_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
  SWAP_BYTES = 1 << 15,   /* sums of all nodes that everyone gets whole */
  LANES_AT_ONCE = 1 << 23 /* bytes of lanes that are gathered together */
};

static bool room(RtAcross *a, size_t size) {
  if (size <= a->size) return true;
  free(a->buf);
  a->buf = rt_zeroed(size);
  a->size = a->buf ? size : 0;
  return a->buf != NULL;
}
/* ---- sums ------------------------------------------------------------------------------------------------------------ */

static void add_nodes(void *ctx, int piece, int thread) {
  const RtFn *f = ctx;
  const RtAcross *a = f->mine;
  const int64_t from = (int64_t)piece * RT_ADD_PIECE, n = a->to - a->from - from;
  const size_t at = (size_t)from * rt_fn_real(f);
  (void)thread;
  for (int k = 0; k < a->sums; k++)
    rt_add(a->of[a->sum[k].into] + at, a->of[a->sum[k].from] + at, n < RT_ADD_PIECE ? n : RT_ADD_PIECE, f->spec.info.f64);
}

static void add_all(RtFn *f, RtAcross *a, int64_t from, int64_t to) {
  a->from = from, a->to = to;
  rt_pool_run(f->pool, (int)((to - from + RT_ADD_PIECE - 1) / RT_ADD_PIECE), add_nodes, f);
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
  const RtAcross *a = f->mine;
  return (size_t)rank * sizeof(RtTold) + (size_t)a->begin[rank] * (size_t)f->sums * rt_fn_real(f);
}

/* Everyone gets all sums of all nodes. */
static bool swap(RtFn *f, RtAcross *a) {
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
  const RtAcross *a = f->mine;
  const int64_t from = a->from + (int64_t)piece * RT_ADD_PIECE, n = a->to - from < RT_ADD_PIECE ? a->to - from : RT_ADD_PIECE;
  (void)thread;
  rt_add(rt_fn_buffer(f, 0) + (size_t)from * rt_fn_real(f), a->buf + (size_t)from * rt_fn_real(f), n, f->spec.info.f64);
}

static void add_come(void *ctx, int64_t from, int64_t to) {
  RtFn *f = ctx;
  RtAcross *a = f->mine;
  a->from = from, a->to = to;
  rt_pool_run(f->pool, (int)((to - from + RT_ADD_PIECE - 1) / RT_ADD_PIECE), add_piece, f);
}

static bool one_each(const RtFn *f, const RtAcross *a) {
  return a->nodes == f->ranks->size && !(a->nodes & (a->nodes - 1)) && f->chunks >= a->nodes;
}

/* The sums of its node are in the buffer of its first job. */
static bool by_halves(RtFn *f, RtAcross *a) {
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

static Slices lay_out(const RtFn *f, const RtAcross *a) {
  const size_t real = rt_fn_real(f);
  Slices s = {.nodes = (size_t)f->ranks->size * sizeof(RtTold)};
  s.bytes = (size_t)(slice(f, f->ranks->rank + 1) - slice(f, f->ranks->rank)) * real;
  s.result = s.nodes + (size_t)a->nodes * s.bytes;
  s.end = s.result + (size_t)f->sums * real;
  return s;
}

static bool send_slices(RtFn *f, RtAcross *a, const Slices *s) {
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

static bool reduce_scatter(RtFn *f, RtAcross *a) {
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

bool rt_across_sums(RtFn *f, RtAcross *a) {
  const bool few = f->ranks->size == 2 || (double)a->nodes * (double)f->sums * (double)rt_fn_real(f) <= SWAP_BYTES;
  return few ? swap(f, a) : one_each(f, a) ? by_halves(f, a) : reduce_scatter(f, a);
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
  rt_across_range(f, rank, &t0, &t1);
  const size_t bytes = (size_t)((t1 - t0) * tile) * real;
  for (int64_t k = 0; k < rows; k++, r = next_row(f, r), p += bytes) {
    char *lanes = (char *)f->out[r.out].p + (size_t)(r.e * f->out[r.out].ld + t0 * tile) * real;
    memcpy(in ? lanes : p, in ? p : lanes, bytes);
  }
  return r;
}

/* A row of so many samples is gathered where it lies. */
void rt_across_spread(RtRanks *r, const HnnArg *lanes, int64_t elems, size_t real, int64_t n) {
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

bool rt_across_lanes(RtFn *f, RtAcross *a) {
  if (f->samples >= RT_SHARD) {
    for (int k = 0; k < f->spec.nout; k++)
      if (f->out_lane[k]) rt_across_spread(f->ranks, &f->out[k], f->out_elems[k], rt_fn_real(f), f->samples);
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
      rt_across_range(f, k, &t0, &t1);
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
bool rt_across_tell(RtFn *f, RtAcross *a) {
  if (!room(a, headers_at(f, f->ranks->size))) return false;
  const RtTold h = header_of(f);
  memcpy(a->buf + headers_at(f, f->ranks->rank), &h, sizeof h);
  rt_ranks_gather_each(f->ranks, a->buf, sizeof h);
  hear(f, a->buf, headers_at);
  return true;
}
