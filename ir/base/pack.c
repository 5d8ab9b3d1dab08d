/* See pack.h. */
#include "ir/base/pack.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 28 }; /* bytes that are written */

void pack_bytes(Pack *p, void *v, size_t n) {
  size_t room = p->reading ? (size_t)(p->end - p->at) : MOST - p->out.n;
  p->bad |= n > room;
  if (p->bad || !n) return;
  if (p->reading) {
    memcpy(v, p->at, n);
    p->at += n;
  } else {
    vec_reserve(&p->out, (uint32_t)n);
    memcpy(p->out.at + p->out.n, v, n);
    p->out.n += (uint32_t)n;
  }
}

void pack_count(Pack *p, uint32_t *n, size_t size) {
  PACK(p, *n);
  if (!p->reading) return;
  if (!p->bad && size && *n > (size_t)(p->end - p->at) / size) p->bad = true;
  if (p->bad) *n = 0;
}

void pack_text(Pack *p, const char **s) {
  uint32_t n = !p->reading && *s ? (uint32_t)strlen(*s) + 1 : 0;
  pack_count(p, &n, 1);
  if (!p->reading) {
    pack_bytes(p, (void *)*s, n);
    return;
  }
  *s = n ? arena_strndup(p->mem, p->at, n - 1) : NULL;
  p->at += n;
}

void *pack_items(Pack *p, void *at, uint32_t *n, size_t size) {
  pack_count(p, n, 1);
  return p->reading ? arena_alloc(p->mem, size * (*n + 1)) : at;
}

void *pack_array(Pack *p, void *at, uint32_t *n, size_t size) {
  pack_count(p, n, size);
  if (p->reading) at = arena_alloc(p->mem, size * (*n + 1));
  pack_bytes(p, at, size * *n);
  return at;
}

void pack_finish(Pack *p) { vec_free(&p->out); }
