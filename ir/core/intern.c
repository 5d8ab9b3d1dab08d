/* Interned strings: an open-addressed table of unique copies, at most half full. */
#include "ir/base/base.h"

#include <stdlib.h>
#include <string.h>

typedef struct Entry {
  const char *s; /* NULL: free */
  size_t n;
  uint64_t hash;
} Entry;

struct Interner {
  Arena *mem;
  Entry *slot;
  size_t used, size; /* size is a power of two */
};

Interner *intern_create(void) {
  Interner *in = base_realloc(NULL, sizeof *in);
  *in = (Interner){.mem = arena_create(), .size = 256};
  in->slot = base_realloc(NULL, in->size * sizeof *in->slot);
  memset(in->slot, 0, in->size * sizeof *in->slot);
  return in;
}

void intern_destroy(Interner *in) {
  if (!in) return;
  arena_destroy(in->mem);
  base_free(in->slot);
  base_free(in);
}

static uint64_t fnv1a(const char *s, size_t n) {
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
  return h ^ h >> 32;
}

static Entry *find(Interner *in, const char *s, size_t n, uint64_t hash) {
  for (size_t i = hash & (in->size - 1);; i = (i + 1) & (in->size - 1)) {
    Entry *e = &in->slot[i];
    if (!e->s || (e->hash == hash && e->n == n && memcmp(e->s, s, n) == 0)) return e;
  }
}

static void grow(Interner *in) {
  Entry *old = in->slot;
  size_t n = in->size;
  in->size *= 2;
  in->slot = base_realloc(NULL, in->size * sizeof *in->slot);
  memset(in->slot, 0, in->size * sizeof *in->slot);
  for (size_t i = 0; i < n; i++)
    if (old[i].s) *find(in, old[i].s, old[i].n, old[i].hash) = old[i];
  base_free(old);
}

const char *intern_n(Interner *in, const char *s, size_t n) {
  uint64_t hash = fnv1a(s, n);
  Entry *e = find(in, s, n, hash);
  if (e->s) return e->s;
  const char *copy = arena_strndup(in->mem, s, n);
  *e = (Entry){copy, n, hash};
  if (++in->used * 2 > in->size) grow(in);
  return copy;
}

const char *intern(Interner *in, const char *s) { return intern_n(in, s, strlen(s)); }
