/* Numbers by key: open addressing, at most half full. */
#include "ir/base/base.h"

#include <stdlib.h>
#include <string.h>

static struct IndexSlot *slot_of(const Index *x, uint64_t key) {
  uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
  uint32_t at = (uint32_t)(h >> 32) & (x->size - 1);
  while (x->slot[at].key && x->slot[at].key != key) at = (at + 1) & (x->size - 1);
  return &x->slot[at];
}

static void grow(Index *x) {
  struct IndexSlot *old = x->slot;
  uint32_t size = x->size;
  x->size = size ? size * 2 : 32;
  x->slot = base_zeroed(x->size, sizeof *x->slot);
  for (uint32_t k = 0; k < size; k++)
    if (old[k].key) *slot_of(x, old[k].key) = old[k];
  base_free(old);
}

uint32_t *index_find(const Index *x, uint64_t key) {
  struct IndexSlot *s = x->size ? slot_of(x, key) : NULL;
  return s && s->key ? &s->at : NULL;
}

void index_put(Index *x, uint64_t key, uint32_t at) {
  if (key == 0) base_fault("an index has no key 0");
  if (2 * (x->n + 1) > x->size) grow(x);
  struct IndexSlot *s = slot_of(x, key);
  x->n += s->key == 0;
  *s = (struct IndexSlot){key, at};
}

void index_free(Index *x) {
  base_free(x->slot);
  *x = (Index){0};
}
