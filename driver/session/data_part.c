/* Parts of data sets: the first, the last samples, all in another order. */
#include "driver/session/data_priv.h"

#include <stdlib.h>
#include <string.h>

static int64_t share_count(const Data *d, int64_t n) {
  int64_t k = d->share >= 1 ? (int64_t)d->share : (int64_t)(d->share * (double)n + 0.5);
  return k > n ? n : k;
}

/* Of the part's samples, those of the base. */
typedef struct Part {
  const Data *d;
  RtSet *set;
  const RtSet *base;
  RtOrder order;
} Part;

static int64_t part_sample(void *ctx, int64_t i) {
  Part *p = ctx;
  if (p->d->kind == DATA_SHUFFLE) return rt_order_at(&p->order, 0, i);
  return p->d->kind == DATA_FIRST ? i : p->base->n - p->set->n + i;
}

static void part_pack(void *ctx, int64_t sample, char *to) {
  const Part *p = ctx;
  for (int k = 0; k < p->base->nfield; k++)
    for (int64_t e = 0; e < p->base->field[k].elems; e++, to += sizeof(double))
      memcpy(to, (double *)p->base->field[k].v + e * p->base->field[k].ld + sample, sizeof(double));
}

static void part_put(void *ctx, int64_t i, const char *from) {
  const Part *p = ctx;
  for (int k = 0; k < p->set->nfield; k++)
    for (int64_t e = 0; e < p->set->field[k].elems; e++, from += sizeof(double))
      memcpy((double *)p->set->field[k].v + e * p->set->field[k].ld + i, from, sizeof(double));
}

static void fetch_part(Part *p) {
  RtRanks *r = p->base->ranks;
  int64_t *begin = base_zeroed(2 * (size_t)r->size, sizeof *begin), *end = begin + r->size;
  for (int k = 0; k < r->size; k++) {
    end[k] = p->set->n;
    if (p->set->ranks) rt_leaves(k, r->size, p->set->n, &begin[k], &end[k]);
  }
  rt_fetch(r, &(RtFetch){p->base->n, rt_set_sample_bytes(p->base), begin, end, part_sample, part_pack, part_put, p});
  base_free(begin);
}

int data_part(Session *s, const Data *d, RtSet *set) {
  const RtSet *base = data_set(s, d->base);
  Part p = {d, set, base, {0}};
  int64_t n = d->kind == DATA_SHUFFLE ? base->n : share_count(d, base->n);
  if (n <= 0) return data_no_samples(s, d);
  if (!rt_order_init(&p.order, session_seed(s, d->seed), base->n) || !data_alloc(set, d, n, base->ranks))
    return rt_order_finish(&p.order), data_no_memory(s, d, n);
  if (base->ranks) fetch_part(&p);
  for (int k = 0; k < set->nfield; k++) {
    RtArray *a = &set->field[k];
    const RtArray *b = &base->field[k];
    for (int64_t i = 0; !base->ranks && i < n; i++)
      for (int64_t e = 0, from = part_sample(&p, i); e < a->elems; e++)
        ((double *)a->v)[e * a->ld + i] = ((double *)b->v)[e * b->ld + from];
    rt_array_pad(a);
  }
  rt_order_finish(&p.order);
  return 0;
}
