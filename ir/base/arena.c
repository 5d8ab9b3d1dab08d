/* Arenas.
 *
 * An arena is a list of zeroed chunks, newest first; only the newest is filled. A request larger than
 * a quarter of a chunk gets a chunk of its own behind the newest, so that the rest of that is not lost. */
#include "ir/base/base.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 16, FIRST_CHUNK = 16 << 10, LAST_CHUNK = 1 << 20 };

typedef struct Chunk {
  struct Chunk *next;
  size_t used, size; /* of the bytes after the header */
} Chunk;

enum { HEADER = (sizeof(Chunk) + ALIGN - 1) / ALIGN * ALIGN };

struct Arena {
  Chunk *top;
  size_t grow; /* size of the next chunk */
};

static Chunk *chunk_create(size_t size) {
  if (size > SIZE_MAX - HEADER) base_fault("out of memory (%zu bytes asked)", size);
  Chunk *c = base_zeroed(1, HEADER + size);
  c->size = size;
  return c;
}

Arena *arena_create(void) {
  Arena *a = base_realloc(NULL, sizeof *a);
  *a = (Arena){.grow = FIRST_CHUNK};
  return a;
}

void arena_destroy(Arena *a) {
  if (!a) return;
  for (Chunk *c = a->top, *next; c; c = next) {
    next = c->next;
    base_free(c);
  }
  base_free(a);
}

static void *take(Chunk *c, size_t bytes) {
  void *p = (char *)c + HEADER + c->used;
  c->used += bytes;
  return p;
}

void *arena_alloc(Arena *a, size_t bytes) {
  if (bytes > SIZE_MAX - 2 * ALIGN - HEADER) base_fault("out of memory (%zu bytes asked)", bytes);
  bytes = bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
  if (a->top && a->top->size - a->top->used >= bytes) return take(a->top, bytes);
  if (a->top && bytes > a->grow / 4) {
    Chunk *own = chunk_create(bytes);
    own->next = a->top->next;
    a->top->next = own;
    return take(own, bytes);
  }
  Chunk *c = chunk_create(bytes > a->grow ? bytes : a->grow);
  c->next = a->top;
  a->top = c;
  if (a->grow < LAST_CHUNK) a->grow *= 2;
  return take(c, bytes);
}

char *arena_strndup(Arena *a, const char *s, size_t n) {
  char *p = arena_alloc(a, n + 1);
  if (n) memcpy(p, s, n);
  return p;
}

char *arena_strdup(Arena *a, const char *s) { return arena_strndup(a, s, strlen(s)); }

char *arena_printf(Arena *a, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(NULL, 0, fmt, ap);
  va_end(ap);
  if (n < 0) base_fault("cannot format a string");
  char *p = arena_alloc(a, (size_t)n + 1);
  va_start(ap, fmt);
  vsnprintf(p, (size_t)n + 1, fmt, ap);
  va_end(ap);
  return p;
}
