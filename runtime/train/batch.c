/* Batches: the samples of a step as arguments of the compiled functions.
 *
 * A batch takes random samples. In a set, [element][sample], each element of one is in a line of its own, so a set of which batches
 * are a part is copied once, [sample][element], with the fields that the loss reads. */
#include "runtime/train/train.h"

#include <stdlib.h>
#include <string.h>

void rt_batch_finish(Batch *b, int nfield) {
  for (int i = 0; b->field && i < nfield; i++) rt_array_finish(&b->field[i]);
  rt_array_finish(&b->weight);
  free(b->field);
  free(b->arg);
  *b = (Batch){0};
}

static bool batch_arguments(Batch *b, const RtTrain *t, const RtLoss *q, const RtSet *set, const int32_t *of) {
  for (int i = 0; i < q->nin; i++) {
    const int32_t k = of[i];
    const RtArray *a = k >= 0 ? &t->param[k] : k == INT32_MIN ? &b->weight : b->field ? &b->field[-1 - k] : &set->field[-1 - k];
    b->arg[i] = (HnnArg){a->v, k >= 0 ? 0 : a->ld};
  }
  return true;
}

bool rt_batch_init(Batch *b, const RtTrain *t, const RtLoss *q, const RtSet *set, const int32_t *of, int64_t n) {
  b->n = n;
  b->arg = calloc((size_t)q->nin + 1, sizeof *b->arg);
  int64_t from = 0, to = n; /* of a set that lies with several ranks, those that this one runs */
  const bool part = set && set->ranks && n == set->n;
  if (part) rt_leaves(set->ranks->rank, set->ranks->size, n, &from, &to);
  if (!b->arg || !(part ? rt_array_init_sparse : rt_array_init)(&b->weight, "weight", t->f64, 0, NULL, n)) return false;
  for (int64_t i = from; i < to; i++)
    if (t->f64) ((double *)b->weight.v)[i] = 1 / (double)n;
    else ((float *)b->weight.v)[i] = (float)(1 / (double)n);
  if (set && n != set->n) {
    b->field = calloc((size_t)set->nfield + 1, sizeof *b->field);
    if (!b->field) return false;
    for (int i = 0; i < set->nfield; i++) {
      const RtArray *a = &set->field[i];
      if (!rt_array_init(&b->field[i], a->name, a->f64, a->rank, a->dim, n)) return false;
    }
  }
  return batch_arguments(b, t, q, set, of);
}

/* ---- random samples ---------------------------------------------------------------------------------- */

static bool reads(const RtLoss *q, int field) {
  for (int i = 0; i < q->nin; i++)
    if (q->in_of[i] == -1 - field) return true;
  return false;
}

enum { TURNED = 64, BLOCK = 8 }; /* samples and elements at once, whose lines stay in the cache until they are full */

/* to[c * to_ld + r] = from[r * from_ld + c] */
#define COPY_ROWS(real)                     \
  for (int64_t b = 0; b < rows; b += BLOCK) \
    for (int64_t c = 0; c < columns; c++)   \
      for (int64_t r = b; r < rows && r < b + BLOCK; r++) ((real *)to)[c * to_ld + r] = ((const real *)from)[r * from_ld + c];

static void turn(bool f64, const void *from, int64_t from_ld, int64_t rows, int64_t columns, void *to, int64_t to_ld) {
  if (f64) COPY_ROWS(double)
  else COPY_ROWS(float)
}

bool rt_gather_init(Gather *g, const RtTrain *t, const RtLoss *q) {
  const RtSet *set = q->data;
  const size_t size = t->f64 ? 8 : 4;
  *g = (Gather){.f64 = t->f64, .last = set->n, .reads = calloc((size_t)set->nfield + 1, sizeof *g->reads)};
  for (int i = 0; g->reads && i < set->nfield; i++) g->elems += (g->reads[i] = reads(q, i)) ? set->field[i].elems : 0;
  if (set->ranks) rt_leaves(set->ranks->rank, set->ranks->size, set->n, &g->first, &g->last);
  g->sample = malloc((size_t)(g->last - g->first) * (size_t)g->elems * size + 1);
  if (!rt_order_init(&g->order, q->seed, set->n) || !g->sample || !g->reads) return false;
  int64_t at = 0;
  for (int i = 0; i < set->nfield; i++) {
    const RtArray *a = &set->field[i];
    if (!g->reads[i]) continue;
    for (int64_t s = g->first; s < g->last; s += TURNED)
      turn(g->f64, (const char *)a->v + (size_t)s * size, a->ld, a->elems, g->last - s < TURNED ? g->last - s : TURNED,
           (char *)g->sample + (size_t)((s - g->first) * g->elems + at) * size, g->elems);
    at += a->elems;
  }
  return true;
}

void rt_gather_finish(Gather *g) {
  rt_order_finish(&g->order);
  free(g->sample);
  free(g->reads);
}

enum { AHEAD = 8, LINE = 64 }; /* samples whose rows are asked for before they are read; bytes of a line */

/* The sample at a position of the epochs' permutations. */
static const char *row_of(Gather *g, const RtLoss *q, int64_t at) {
  const int64_t n = q->data->n;
  return (const char *)g->sample + (size_t)(rt_order_at(&g->order, at / n, at % n) * g->elems) * (g->f64 ? 8 : 4);
}

/* ---- samples that lie with several ranks ---- */

typedef struct Wanted {
  Gather *g;
  const RtLoss *q;
  Batch *b;
  int64_t first;
} Wanted;

static int64_t wanted_sample(void *ctx, int64_t lane) {
  const Wanted *w = ctx;
  const int64_t n = w->q->data->n, at = w->first + lane;
  return rt_order_at(&w->g->order, at / n, at % n);
}

static void pack(void *ctx, int64_t sample, char *to) {
  const Gather *g = ((Wanted *)ctx)->g;
  const size_t bytes = (size_t)g->elems * (g->f64 ? 8 : 4);
  memcpy(to, (const char *)g->sample + (size_t)(sample - g->first) * bytes, bytes);
}

static void put_row(Gather *g, const RtLoss *q, Batch *b, int64_t s, const char *from) {
  const size_t size = g->f64 ? 8 : 4;
  for (int i = 0; i < q->data->nfield; i++) {
    const RtArray *a = &b->field[i];
    if (!g->reads[i]) continue;
    turn(g->f64, from, a->elems, 1, a->elems, (char *)a->v + (size_t)s * size, a->ld);
    from += (size_t)a->elems * size;
  }
}

static void put(void *ctx, int64_t lane, const char *from) {
  const Wanted *w = ctx;
  put_row(w->g, w->q, w->b, lane, from);
}

static void gather_from_ranks(Gather *g, const RtLoss *q, Batch *b, int64_t first) {
  RtRanks *r = q->data->ranks;
  Wanted w = {g, q, b, first};
  int64_t *begin = calloc(2 * (size_t)r->size + 1, sizeof *begin), *end = begin + r->size;
  if (!begin) r->lost(r, r->rank, 4, "not enough memory");
  for (int k = 0; k < r->size; k++) rt_fn_range(q->gradient, k, b->n, &begin[k], &end[k]);
  r->fetch(r, &(RtFetch){q->data->n, (size_t)g->elems * (g->f64 ? 8 : 4), begin, end, wanted_sample, pack, put, &w});
  free(begin);
}

static void gather_own(Gather *g, const RtLoss *q, Batch *b, int64_t first) {
  const size_t bytes = (size_t)g->elems * (g->f64 ? 8 : 4);
  const char *row[AHEAD];
  int64_t begin, end; /* of several ranks: those that this one runs */
  rt_fn_range(q->gradient, q->rank, b->n, &begin, &end);
  for (int64_t s = begin - AHEAD; s < end; s++) {
    const char *from = s >= begin ? row[s % AHEAD] : NULL;
    if (s + AHEAD < end) {
      const char *next = row[(s + AHEAD) % AHEAD] = row_of(g, q, first + s + AHEAD);
      for (size_t k = 0; k < bytes; k += LINE) __builtin_prefetch(next + k);
    }
    if (from) put_row(g, q, b, s, from);
  }
}

void rt_gather(Gather *g, const RtLoss *q, Batch *b, int64_t first) {
  if (q->data->ranks) gather_from_ranks(g, q, b, first);
  else gather_own(g, q, b, first);
  for (int i = 0; i < q->data->nfield; i++)
    if (g->reads[i]) rt_array_pad(&b->field[i]);
}
