/* Samples that lie with several ranks, each of which has some leaves (rt_leaf): who wants which, everyone knows, so that no rank has to
 * be asked. A rank that wants m samples gets (R - 1)/R of them from the others, in one message of each. */
#include "runtime/runtime_priv.h"

#include <stdlib.h>
#include <string.h>

static int owner_of(const RtRanks *r, int64_t n, int64_t sample) {
  int low = 0, high = r->size; /* the last rank that begins there or before */
  while (high - low > 1) {
    const int mid = (low + high) / 2;
    if (rt_leaf(n, RT_LEAVES * mid / r->size) <= sample) low = mid;
    else high = mid;
  }
  return low;
}

/* Of each pair of a rank that wants and one that has: of this rank, in both places. */
typedef struct Counts {
  int64_t *send, *take; /* samples to, from each rank */
  int *owner;           /* of each lane that this rank wants */
} Counts;

static void count(const RtRanks *r, const RtFetch *f, Counts *c) {
  for (int p = 0; p < r->size; p++)
    for (int64_t lane = f->begin[p]; lane < f->end[p]; lane++) {
      const int owner = owner_of(r, f->n, f->sample(f->ctx, lane));
      if (p == r->rank) c->owner[lane - f->begin[p]] = owner, c->take[owner]++;
      else if (owner == r->rank) c->send[p]++;
    }
}

static void pack(const RtRanks *r, const RtFetch *f, char *buf) {
  for (int p = 0; p < r->size; p++)
    for (int64_t lane = f->begin[p]; p != r->rank && lane < f->end[p]; lane++) {
      const int64_t sample = f->sample(f->ctx, lane);
      if (owner_of(r, f->n, sample) == r->rank) f->pack(f->ctx, sample, buf), buf += f->bytes;
    }
}

/* at: where the samples of each rank lie in buf; `own` has room for one. */
static void unpack(const RtRanks *r, const RtFetch *f, const Counts *c, char **at, char *own) {
  for (int64_t lane = f->begin[r->rank]; lane < f->end[r->rank]; lane++) {
    const int owner = c->owner[lane - f->begin[r->rank]];
    if (owner == r->rank) f->pack(f->ctx, f->sample(f->ctx, lane), own);
    f->put(f->ctx, lane, owner == r->rank ? own : at[owner]);
    if (owner != r->rank) at[owner] += f->bytes;
  }
}

static void *take(RtRanks *r, int64_t n, size_t size) {
  void *p = calloc((size_t)n + 1, size);
  if (!p) r->lost(r, r->rank, 4, "not enough memory for the samples of others");
  return p;
}

static void fetch(RtRanks *r, const RtFetch *f) {
  Counts c = {take(r, 2 * r->size, sizeof *c.send), NULL, take(r, f->end[r->rank] - f->begin[r->rank], sizeof *c.owner)};
  c.take = c.send + r->size;
  count(r, f, &c);
  int64_t sent = 0, taken = 0;
  for (int p = 0; p < r->size; p++) sent += c.send[p], taken += p == r->rank ? 0 : c.take[p];
  char *out = take(r, sent, f->bytes), *in = take(r, taken + 1, f->bytes), *to = out, *from = in;
  char **at = take(r, r->size, sizeof *at);
  RtPiece *piece = take(r, 2 * r->size, sizeof *piece);
  int nout = 0, nin = r->size;
  pack(r, f, out);
  for (int p = 0; p < r->size; p++) {
    const size_t m = (size_t)c.send[p] * f->bytes, n = p == r->rank ? 0 : (size_t)c.take[p] * f->bytes;
    at[p] = from;
    if (m) piece[nout++] = (RtPiece){p, to, m}, to += m;
    if (n) piece[nin++] = (RtPiece){p, from, n}, from += n;
  }
  rt_ranks_trade(r, piece, nout, piece + r->size, nin - r->size);
  unpack(r, f, &c, at, in + (size_t)taken * f->bytes);
  free(out), free(in), free(at), free(piece), free(c.send), free(c.owner);
}

void rt_ranks_init(RtRanks *r) { r->fetch = fetch; }

/* ---- in place ---- */

typedef struct Bringing {
  RtSet *s;
  const int64_t *sample; /* NULL: the lane */
} Bringing;

static int64_t brought(void *ctx, int64_t lane) {
  const int64_t *sample = ((Bringing *)ctx)->sample;
  return sample ? sample[lane] : lane;
}

static void move(const RtSet *s, int64_t sample, char *p, bool in) {
  for (int k = 0; k < s->nfield; k++) {
    const RtArray *a = &s->field[k];
    const size_t size = a->f64 ? 8 : 4;
    for (int64_t e = 0; e < a->elems; e++, p += size) {
      char *v = (char *)a->v + (size_t)(e * a->ld + sample) * size;
      memcpy(in ? v : p, in ? p : v, size);
    }
  }
}

static void pack_sample(void *ctx, int64_t sample, char *to) { move(((Bringing *)ctx)->s, sample, to, false); }
static void put_sample(void *ctx, int64_t lane, const char *from) {
  Bringing *b = ctx;
  move(b->s, brought(ctx, lane), (char *)from, true);
}

size_t rt_set_sample_bytes(const RtSet *s) {
  size_t bytes = 0;
  for (int k = 0; k < s->nfield; k++) bytes += (size_t)s->field[k].elems * (s->field[k].f64 ? 8 : 4);
  return bytes;
}

enum { AT_ONCE = 1 << 14 };

/* In pieces, as many on all ranks. */
void rt_fetch(RtRanks *r, const RtFetch *f) {
  int64_t *begin = take(r, 2 * r->size, sizeof *begin), *end = begin + r->size;
  bool more = true;
  for (int64_t at = 0; more; at += AT_ONCE) {
    more = false;
    for (int p = 0; p < r->size; p++) {
      begin[p] = f->begin[p] + at < f->end[p] ? f->begin[p] + at : f->end[p];
      end[p] = f->end[p] - begin[p] > AT_ONCE ? begin[p] + AT_ONCE : f->end[p];
      more |= begin[p] < end[p];
    }
    RtFetch piece = *f;
    piece.begin = begin, piece.end = end;
    if (more) fetch(r, &piece);
  }
  free(begin);
}

void rt_set_bring(RtSet *s, const int64_t *sample, int64_t n) {
  RtRanks *r = s->ranks;
  if (!r) return;
  Bringing b = {s, sample};
  int64_t *begin = take(r, 2 * r->size, sizeof *begin), *end = begin + r->size;
  for (int p = 0; p < r->size; p++) end[p] = n;
  rt_fetch(r, &(RtFetch){s->n, rt_set_sample_bytes(s), begin, end, brought, pack_sample, put_sample, &b});
  free(begin);
}

void rt_set_bring_ranges(RtSet *s, const int64_t *begin, const int64_t *end) {
  Bringing b = {s, NULL};
  if (s->ranks) rt_fetch(s->ranks, &(RtFetch){s->n, rt_set_sample_bytes(s), begin, end, brought, pack_sample, put_sample, &b});
}
