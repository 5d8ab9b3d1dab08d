/* Faults: what should not happen, and memory that is not to be had. A fault ends the process, unless the thread is inside
 * base_try: then it ends what base_try called, by a long jump. What was allocated on the way lies in the heap of the thread
 * (heap.c), which whoever called base_try frees; files that were open then stay open. */
#include "ir/base/base.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_FAULT = 70 };

typedef struct Boundary {
  jmp_buf back;
  char *text;
  size_t size;
  struct Boundary *around;
} Boundary;

/* Of each thread: a fault is met where it happens. */
static _Thread_local Boundary *boundary;

bool base_try(void (*f)(void *), void *ctx, char *text, size_t size) {
  Boundary b = {.text = text, .size = size, .around = boundary};
  const bool whole = setjmp(b.back) == 0;
  boundary = whole ? &b : b.around;
  if (whole) f(ctx);
  boundary = b.around;
  return whole;
}

void base_fault(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  if (boundary) {
    vsnprintf(boundary->text, boundary->size, fmt, ap);
    va_end(ap);
    longjmp(boundary->back, 1);
  }
  fflush(stdout);
  fputs("hnnc: internal error: ", stderr);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fputc('\n', stderr);
  exit(EXIT_FAULT);
}
