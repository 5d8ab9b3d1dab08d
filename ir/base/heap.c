/* Checked allocation, and heaps: what is allocated while a thread is in a heap is on a list there, wherever it is freed, and
 * goes at the latest with the heap. So that a fault, which leaves everything as it is (fault.c), loses no memory. Outside of a heap
 * the memory is the system's alone. */
#include "ir/base/base.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct Block {
  struct Block *next, *prev; /* in the list of its heap */
  BaseHeap *heap;            /* NULL: none */
  size_t size;
} Block; /* before the bytes: a multiple of 16 */

struct BaseHeap {
  pthread_mutex_t lock; /* of all that follows: threads that work for one model share its heap */
  Block all;            /* a ring */
  size_t used, most;
};

static _Thread_local BaseHeap *current;

BaseHeap *base_heap_create(size_t most) {
  BaseHeap *h = calloc(1, sizeof *h);
  if (!h) return NULL;
  pthread_mutex_init(&h->lock, NULL);
  h->all.next = h->all.prev = &h->all;
  h->most = most;
  return h;
}

void base_heap_destroy(BaseHeap *h) {
  if (!h) return;
  for (Block *b = h->all.next, *next; b != &h->all; b = next) {
    next = b->next;
    free(b);
  }
  pthread_mutex_destroy(&h->lock);
  free(h);
}

BaseHeap *base_heap_enter(BaseHeap *h) {
  BaseHeap *was = current;
  current = h;
  return was;
}

BaseHeap *base_heap(void) { return current; }

size_t base_heap_used(BaseHeap *h) {
  pthread_mutex_lock(&h->lock);
  const size_t used = h->used;
  pthread_mutex_unlock(&h->lock);
  return used;
}

/* Counts `size` more bytes of a heap, and `less` fewer; false: they would be too many. */
static bool take(BaseHeap *h, size_t size, size_t less) {
  const bool fits = !h->most || (size <= h->most && h->used - less <= h->most - size);
  if (fits) h->used += size - less;
  return fits;
}

static void link_in(BaseHeap *h, Block *b) {
  b->next = h->all.next, b->prev = &h->all;
  b->next->prev = b->prev->next = b;
}

static void link_out(Block *b) { b->prev->next = b->next, b->next->prev = b->prev; }

/* A block of so many bytes in place of an old one (or NULL), of its heap or of the thread's; NULL: there is no memory. */
static Block *resize(Block *old, size_t bytes, bool zeroed) {
  BaseHeap *h = old ? old->heap : current;
  if (bytes > SIZE_MAX - sizeof(Block)) return NULL;
  if (h) pthread_mutex_lock(&h->lock);
  const size_t less = old ? old->size : 0;
  const bool fits = !h || take(h, bytes, less);
  if (fits && h && old) link_out(old);
  Block *b = !fits ? NULL : zeroed ? calloc(1, sizeof *b + bytes) : realloc(old, sizeof *b + bytes);
  if (b) b->heap = h, b->size = bytes;
  if (b && h) link_in(h, b);
  if (!b && fits && h) h->used -= bytes - less;
  if (!b && fits && h && old) link_in(h, old);
  if (h) pthread_mutex_unlock(&h->lock);
  return b;
}

void *base_realloc(void *p, size_t bytes) {
  Block *b = resize(p ? (Block *)p - 1 : NULL, bytes ? bytes : 1, false);
  if (!b) base_fault("out of memory (%zu bytes asked)", bytes);
  return b + 1;
}

void *base_zeroed(size_t n, size_t size) {
  Block *b = n < SIZE_MAX / (size ? size : 1) - 1 ? resize(NULL, (n + 1) * size, true) : NULL;
  if (!b) base_fault("out of memory (%zu elements of %zu bytes asked)", n + 1, size);
  return b + 1;
}

char *base_strdup(const char *s) {
  const size_t n = strlen(s) + 1;
  return memcpy(base_realloc(NULL, n), s, n);
}

void base_free(void *p) {
  if (!p) return;
  Block *b = (Block *)p - 1;
  BaseHeap *h = b->heap;
  if (h) {
    pthread_mutex_lock(&h->lock);
    link_out(b);
    h->used -= b->size;
    pthread_mutex_unlock(&h->lock);
  }
  free(b);
}
