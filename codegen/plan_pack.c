/* Places in scratch: arrays with lifetimes, the largest first, each at the lowest place that nothing alive at the same time
 * occupies. Many arrays of one size take a place one after the other, so an array is compared with places. */
#include "codegen/plan_priv.h"

#include <stdlib.h>
#include <string.h>

static int by_size(const void *a, const void *b) {
  const PlanItem *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x->order < y->order ? -1 : x->order > y->order;
}

/* Bytes that values of one size take one after the other: their first and last times, in order. */
typedef struct Life { uint32_t t0, t1; } Life;
typedef struct Place { int64_t off, bytes; VEC(Life) life; } Place;
typedef struct Places { VEC(Place) v; } Places;     /* lowest first */

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

static void settle(Places *all, const PlanItem *it) {
  uint32_t k = 0;
  while (k < all->v.n && all->v.at[k].off < *it->off) k++;
  for (; k < all->v.n && all->v.at[k].off == *it->off && all->v.at[k].bytes != it->bytes;) k++;
  if (k == all->v.n || all->v.at[k].off != *it->off) {
    *vec_push(&all->v) = (Place){0};
    memmove(all->v.at + k + 1, all->v.at + k, sizeof *all->v.at * (all->v.n - 1 - k));
    all->v.at[k] = (Place){.off = *it->off, .bytes = it->bytes};
  }
  Place *p = &all->v.at[k];
  uint32_t at = life_after(p, it->t0);
  *vec_push(&p->life) = (Life){0};
  memmove(p->life.at + at + 1, p->life.at + at, sizeof *p->life.at * (p->life.n - 1 - at));
  p->life.at[at] = (Life){it->t0, it->t1};
}

/* Largest first, each at the lowest place that nothing alive at the same time occupies. */
int64_t plan_pack(PlanItem *item, uint32_t n) {
  int64_t top = 0;
  Places all = {0};
  if (n) qsort(item, n, sizeof *item, by_size);
  for (uint32_t i = 0; i < n; i++) {
    PlanItem *it = &item[i];
    int64_t off = 0;
    for (uint32_t k = 0; k < all.v.n && all.v.at[k].off < off + it->bytes; k++) {
      const Place *p = &all.v.at[k];
      if (off < p->off + p->bytes && taken(p, it)) off = p->off + p->bytes;
    }
    *it->off = off;
    settle(&all, it);
    if (off + it->bytes > top) top = off + it->bytes;
  }
  for (uint32_t k = 0; k < all.v.n; k++) vec_free(&all.v.at[k].life);
  vec_free(&all.v);
  return top;
}
