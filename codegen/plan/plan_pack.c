/* Places in scratch: arrays with lifetimes, the largest first, each at the lowest place that nothing alive at the same time
 * occupies. Many arrays of one size take a place one after the other, so an array is compared with places, and where many
 * places are taken for a long time, with blocks of them. */
#include "codegen/plan/plan_priv.h"

#include <stdlib.h>
#include <string.h>

static int by_size(const void *a, const void *b) {
  const PlanItem *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x->order < y->order ? -1 : x->order > y->order;
}

/* Bytes that values of one size take one after the other: their first and last times, in order. */
typedef struct Life {
  uint32_t t0, t1;
} Life;
/* full: of SPANS equal spans of time, those that one life covers whole. */
typedef struct Place {
  int64_t off, bytes;
  VEC(Life) life;
  uint64_t full;
} Place;

/* BLOCK places one after the other. full: spans at which all of them are taken; tight: no byte between them is free. */
enum { SPANS = 64, BLOCK = 32 };
typedef struct Block {
  uint64_t full;
  int64_t end;
  bool tight;
} Block;

typedef struct Places {
  VEC(Place) v; /* lowest first */
  VEC(Block) block;
  uint64_t times;
} Places;

static uint32_t span(const Places *all, uint32_t t) { return (uint32_t)((uint64_t)t * SPANS / all->times); }

/* Spans a ... b - 1. */
static uint64_t spans(uint32_t a, uint32_t b) {
  return a >= b ? 0 : (b - a == SPANS ? UINT64_MAX : ((UINT64_C(1) << (b - a)) - 1) << a);
}

/* The first life that ends at t or later. */
static uint32_t life_after(const Place *p, uint32_t t) {
  uint32_t lo = 0, hi = p->life.n;
  while (lo < hi) {
    uint32_t mid = (lo + hi) / 2;
    if (p->life.at[mid].t1 < t) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

static bool taken(const Place *p, const PlanItem *it) {
  uint32_t k = life_after(p, it->t0);
  return k < p->life.n && p->life.at[k].t0 <= it->t1;
}

static void sum_up(Places *all, uint32_t b) {
  const uint32_t from = b * BLOCK, to = from + BLOCK < all->v.n ? from + BLOCK : all->v.n;
  Block *x = &all->block.at[b];
  *x = (Block){.full = UINT64_MAX, .end = all->v.at[from].off, .tight = true};
  for (uint32_t k = from; k < to; k++) {
    const Place *p = &all->v.at[k];
    x->tight = x->tight && p->off <= x->end;
    x->full &= p->full;
    if (p->off + p->bytes > x->end) x->end = p->off + p->bytes;
  }
}

static void settle(Places *all, const PlanItem *it) {
  uint32_t k = 0, hi = all->v.n;
  while (k < hi) {
    uint32_t mid = (k + hi) / 2;
    if (all->v.at[mid].off < *it->off) k = mid + 1;
    else hi = mid;
  }
  for (; k < all->v.n && all->v.at[k].off == *it->off && all->v.at[k].bytes != it->bytes;) k++;
  const bool new = k == all->v.n || all->v.at[k].off != *it->off;
  if (new) {
    *vec_push(&all->v) = (Place){0};
    memmove(all->v.at + k + 1, all->v.at + k, sizeof *all->v.at * (all->v.n - 1 - k));
    all->v.at[k] = (Place){.off = *it->off, .bytes = it->bytes};
  }
  Place *p = &all->v.at[k];
  uint32_t at = life_after(p, it->t0);
  *vec_push(&p->life) = (Life){0};
  memmove(p->life.at + at + 1, p->life.at + at, sizeof *p->life.at * (p->life.n - 1 - at));
  p->life.at[at] = (Life){it->t0, it->t1};
  p->full |= spans(span(all, it->t0) + 1, span(all, it->t1));
  const uint32_t blocks = (all->v.n + BLOCK - 1) / BLOCK;
  while (all->block.n < blocks) *vec_push(&all->block) = (Block){0};
  for (uint32_t b = k / BLOCK; b < (new ? blocks : k / BLOCK + 1); b++) sum_up(all, b);
}

/* The lowest offset at which nothing is alive while it is. */
static int64_t lowest(const Places *all, const PlanItem *it) {
  const uint64_t mine = spans(span(all, it->t0), span(all, it->t1) + 1);
  int64_t off = 0;
  for (uint32_t k = 0; k < all->v.n && all->v.at[k].off < off + it->bytes; k++) {
    const Place *p = &all->v.at[k];
    const Block *x = &all->block.at[k / BLOCK];
    if (k % BLOCK == 0 && x->full & mine && x->tight) {
      if (x->end > off) off = x->end;
      k += BLOCK - 1;
    } else if (off < p->off + p->bytes && (p->full & mine || taken(p, it))) off = p->off + p->bytes;
  }
  return off;
}

/* Largest first, each at the lowest place that nothing alive at the same time occupies. */
int64_t plan_pack(PlanItem *item, uint32_t n) {
  int64_t top = 0;
  Places all = {.times = 1};
  for (uint32_t i = 0; i < n; i++)
    if (item[i].t1 >= all.times) all.times = (uint64_t)item[i].t1 + 1;
  if (n) qsort(item, n, sizeof *item, by_size);
  for (uint32_t i = 0; i < n; i++) {
    PlanItem *it = &item[i];
    *it->off = lowest(&all, it);
    settle(&all, it);
    if (*it->off + it->bytes > top) top = *it->off + it->bytes;
  }
  for (uint32_t k = 0; k < all.v.n; k++) vec_free(&all.v.at[k].life);
  vec_free(&all.v);
  vec_free(&all.block);
  return top;
}
