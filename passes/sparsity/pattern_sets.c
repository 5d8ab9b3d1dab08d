/* Interned sets of columns: sorted lists in one arena, a hash table of contents, one of unions of pairs. */
#include "passes/sparsity/pattern_priv.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 1024 };

static uint32_t mix(uint64_t x) {
  x ^= x >> 33;
  x *= UINT64_C(0xff51afd7ed558ccd);
  x ^= x >> 33;
  return (uint32_t)x;
}

void sparsity_set_init(Sets *s, uint32_t ncol) {
  memset(s, 0, sizeof *s);
  s->ncol = ncol;
  vec_reserve(&s->column, 1);                /* never NULL: places in it are pointers also where a set is empty */
  *vec_push(&s->set) = (ColumnSet){0, 0, 0}; /* SET_ZERO and SET_NONE: empty, not in the table */
  *vec_push(&s->set) = (ColumnSet){0, 0, 0};
  s->nslot = s->npair = FIRST_SLOTS;
  s->slot = base_zeroed(s->nslot, sizeof *s->slot);
  s->pair = base_zeroed(s->npair, sizeof *s->pair);
  s->stamp = base_zeroed((size_t)ncol + 1, sizeof *s->stamp);
}

void sparsity_set_finish(Sets *s) {
  vec_free(&s->set);
  vec_free(&s->column);
  vec_free(&s->got);
  vec_free(&s->seen);
  base_free(s->slot);
  base_free(s->pair);
  base_free(s->stamp);
}

static void put_slot(Sets *s, uint32_t id) {
  uint32_t k = s->set.at[id].hash & (s->nslot - 1);
  while (s->slot[k]) k = (k + 1) & (s->nslot - 1);
  s->slot[k] = id;
}

static void grow_slots(Sets *s) {
  if (s->set.n * 2 < s->nslot) return;
  base_free(s->slot);
  s->nslot *= 2;
  s->slot = base_zeroed(s->nslot, sizeof *s->slot);
  for (uint32_t id = SET_FIRST; id < s->set.n; id++) put_slot(s, id);
}

/* The set of these ascending columns, n > 0. */
static uint32_t intern_set(Sets *s, const uint32_t *col, uint32_t n) {
  uint32_t hash = n;
  for (uint32_t k = 0; k < n; k++) hash = mix((uint64_t)hash << 32 | col[k]);
  s->work += n;
  for (uint32_t k = hash & (s->nslot - 1); s->slot[k]; k = (k + 1) & (s->nslot - 1)) {
    const ColumnSet *c = &s->set.at[s->slot[k]];
    if (c->hash == hash && c->n == n && !memcmp(s->column.at + c->at, col, n * sizeof *col)) return s->slot[k];
  }
  vec_reserve(&s->column, n);
  memcpy(s->column.at + s->column.n, col, n * sizeof *col);
  *vec_push(&s->set) = (ColumnSet){s->column.n, n, hash};
  s->column.n += n;
  put_slot(s, s->set.n - 1);
  grow_slots(s);
  return s->set.n - 1;
}

uint32_t sparsity_set_single(Sets *s, uint32_t column) { return intern_set(s, &column, 1); }

const uint32_t *sparsity_set_columns(const Sets *s, uint32_t id, uint32_t *n) {
  *n = s->set.at[id].n;
  return s->column.at + s->set.at[id].at;
}

/* ---- unions of two ---- */

static uint32_t merge(Sets *s, uint32_t a, uint32_t b) {
  ColumnSet x = s->set.at[a], y = s->set.at[b];
  uint32_t i = 0, j = 0, n = 0;
  s->got.n = 0;
  vec_reserve(&s->got, x.n + y.n);
  const uint32_t *p = s->column.at + x.at, *q = s->column.at + y.at;
  while (i < x.n || j < y.n) {
    uint32_t u = i < x.n ? p[i] : UINT32_MAX, v = j < y.n ? q[j] : UINT32_MAX;
    s->got.at[n++] = u < v ? u : v;
    i += u <= v;
    j += v <= u;
  }
  s->work += n;
  return n == x.n ? a : n == y.n ? b : intern_set(s, s->got.at, n);
}

static void grow_pairs(Sets *s) {
  UnionPair *old = s->pair;
  uint32_t n = s->npair;
  s->npair *= 2;
  s->pair = base_zeroed(s->npair, sizeof *s->pair);
  for (uint32_t k = 0; k < n; k++) {
    if (!old[k].a) continue;
    uint32_t to = mix((uint64_t)old[k].a << 32 | old[k].b) & (s->npair - 1);
    while (s->pair[to].a) to = (to + 1) & (s->npair - 1);
    s->pair[to] = old[k];
  }
  base_free(old);
}

uint32_t sparsity_set_union(Sets *s, uint32_t a, uint32_t b) {
  if (a > b) {
    uint32_t t = a;
    a = b;
    b = t;
  }
  if (a == b || a < SET_FIRST) return b;
  uint32_t k = mix((uint64_t)a << 32 | b) & (s->npair - 1);
  for (; s->pair[k].a; k = (k + 1) & (s->npair - 1))
    if (s->pair[k].a == a && s->pair[k].b == b) return s->pair[k].both;
  s->pair[k] = (UnionPair){a, b, merge(s, a, b)};
  uint32_t both = s->pair[k].both;
  if (++s->npairs * 2 > s->npair) grow_pairs(s);
  return both;
}

/* ---- unions of many ---- */

void sparsity_set_open(Sets *s) {
  s->now++;
  s->many = SET_ZERO;
  s->seen.n = s->got.n = 0;
}

void sparsity_set_add(Sets *s, uint32_t id) {
  s->work++;
  if (id > s->many && s->many < SET_FIRST) s->many = id;
  if (id < SET_FIRST || s->got.n == s->ncol) return;
  if (id >= s->seen.n) {
    uint32_t n = s->seen.n;
    vec_reserve(&s->seen, s->set.n - n);
    s->seen.n = s->set.n;
    memset(s->seen.at + n, 0, sizeof *s->seen.at * (s->seen.n - n));
  }
  if (s->seen.at[id] == s->now) return;
  s->seen.at[id] = s->now;
  ColumnSet c = s->set.at[id];
  vec_reserve(&s->got, c.n);
  for (uint32_t k = 0; k < c.n; k++) {
    uint32_t col = s->column.at[c.at + k];
    if (s->stamp[col] == s->now) continue;
    s->stamp[col] = s->now;
    s->got.at[s->got.n++] = col;
  }
  s->work += c.n;
}

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

uint32_t sparsity_set_close(Sets *s) {
  uint32_t n = 0;
  if (!s->got.n) return s->many;
  if (s->got.n > s->ncol / 16) {
    for (uint32_t c = 0; c < s->ncol; c++)
      if (s->stamp[c] == s->now) s->got.at[n++] = c;
    s->work += s->ncol / 8;
  } else {
    qsort(s->got.at, s->got.n, sizeof *s->got.at, ascending);
  }
  return intern_set(s, s->got.at, s->got.n);
}
