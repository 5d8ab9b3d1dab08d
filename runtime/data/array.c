/* Tensors in memory. A lane array is [elems][ld] with ld a multiple of RT_PAD; samples n ... ld-1 repeat
 * sample n-1, so that whole tiles may be read. A shared array has n = 0 and ld = elems; its memory is
 * rounded up to RT_PAD elements of zero. */
#include "runtime/runtime_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static const size_t LARGE_PAGE = (size_t)2 << 20;

static size_t up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* Large pages for n bytes on one, if the system gives them to those who ask. */
static void ask_for_large(void *p, size_t n) {
#ifdef MADV_HUGEPAGE
  (void)madvise(p, n, MADV_HUGEPAGE);
#else
  (void)p, (void)n;
#endif
}

void *rt_zeroed(size_t size) {
  const size_t align = size < 4 * LARGE_PAGE ? 64 : LARGE_PAGE;
  if (size > SIZE_MAX - LARGE_PAGE) return NULL;
  size = up(size ? size : 1, 64);
  void *p = aligned_alloc(align, up(size, align));
  if (p && align == LARGE_PAGE) ask_for_large(p, up(size, align));
  if (p) memset(p, 0, size);
  return p;
}

void *rt_spacious(size_t size, void **memory) {
  const size_t align = size < LARGE_PAGE ? 64 : LARGE_PAGE;
  *memory = size < SIZE_MAX - 2 * LARGE_PAGE ? calloc(up(size, align) + align, 1) : NULL;
  if (!*memory) return NULL;
  char *p = (char *)*memory + (-(uintptr_t)*memory & (align - 1));
  if (align == LARGE_PAGE) ask_for_large(p, up(size, align));
  return p;
}

bool rt_fail(RtError *err, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  if (err) vsnprintf(err->text, sizeof err->text, format, ap);
  va_end(ap);
  return false;
}

double rt_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool rt_elems(int rank, const uint32_t *dim, int64_t *elems) {
  int64_t n = 1;
  for (int i = 0; i < rank; i++) {
    if (dim[i] && n > (INT64_MAX >> 8) / dim[i]) return false;
    n *= dim[i];
  }
  *elems = n;
  return true;
}

static size_t real_size(bool f64) { return f64 ? sizeof(double) : sizeof(float); }

/* In pages as small as they are. */
void *rt_sparse(size_t size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return NULL;
#ifdef MADV_NOHUGEPAGE
  (void)madvise(p, size, MADV_NOHUGEPAGE);
#endif
  return p;
}

static bool init(RtArray *a, const char *name, bool f64, int rank, const uint32_t *dim, int64_t n, bool mapped) {
  *a = (RtArray){.f64 = f64, .rank = rank, .n = n};
  if (rank < 0 || rank > HNN_MAX_RANK || n < 0 || !rt_elems(rank, dim, &a->elems)) return false;
  if (rank) memcpy(a->dim, dim, (size_t)rank * sizeof *dim);
  const int64_t pad = RT_PAD;
  if (n > INT64_MAX / 16 - pad) return false;
  a->ld = n ? (n + pad - 1) / pad * pad : a->elems;
  const int64_t count = n ? a->ld : (a->elems + pad - 1) / pad * pad, rows = n ? a->elems : 1;
  if (rows && count > INT64_MAX / 8 / rows) return false;
  const size_t size = (size_t)(count * rows) * real_size(f64);
  a->mapped = mapped && size ? size : 0;
  a->v = a->mapped ? rt_sparse(size) : rt_zeroed(size);
  a->name = strdup(name ? name : "");
  if (a->v && a->name) return true;
  rt_array_finish(a);
  return false;
}

bool rt_array_init(RtArray *a, const char *name, bool f64, int rank, const uint32_t *dim, int64_t n) {
  return init(a, name, f64, rank, dim, n, false);
}

bool rt_array_init_sparse(RtArray *a, const char *name, bool f64, int rank, const uint32_t *dim, int64_t n) {
  return init(a, name, f64, rank, dim, n, true);
}

void rt_array_finish(RtArray *a) {
  if (!a) return;
  free((void *)a->name);
  if (!a->mapped) free(a->v);
  else if (a->v) munmap(a->v, a->mapped);
  *a = (RtArray){0};
}

void rt_array_pad(RtArray *a) {
  if (!a->n) return;
  for (int64_t e = 0; e < a->elems; e++)
    for (int64_t s = a->n; s < a->ld; s++)
      if (a->f64) ((double *)a->v)[e * a->ld + s] = ((double *)a->v)[e * a->ld + a->n - 1];
      else ((float *)a->v)[e * a->ld + s] = ((float *)a->v)[e * a->ld + a->n - 1];
}

bool rt_array_convert(const RtArray *a, bool f64, RtArray *out) {
  if (!rt_array_init(out, a->name, f64, a->rank, a->dim, a->n)) return false;
  const int64_t count = a->n ? a->elems * a->ld : a->elems;
  if (f64 == a->f64) memcpy(out->v, a->v, (size_t)count * real_size(f64));
  else if (f64)
    for (int64_t i = 0; i < count; i++) ((double *)out->v)[i] = ((const float *)a->v)[i];
  else
    for (int64_t i = 0; i < count; i++) ((float *)out->v)[i] = (float)((const double *)a->v)[i];
  return true;
}

void rt_set_finish(RtSet *s) {
  if (!s) return;
  for (int i = 0; i < s->nfield; i++) rt_array_finish(&s->field[i]);
  free(s->field);
  *s = (RtSet){0};
}

/* ---- all or nothing ---- */

void *rt_spans_copy(const RtSpan *s, int n, bool f64) {
  int64_t all = 1;
  for (int k = 0; k < n; k++) all += s[k].n;
  char *copy = malloc((size_t)all * real_size(f64)), *to = copy;
  for (int k = 0; copy && k < n; to += (size_t)s[k++].n * real_size(f64)) memcpy(to, s[k].p, (size_t)s[k].n * real_size(f64));
  return copy;
}

void rt_spans_restore(const RtSpan *s, int n, bool f64, const void *copy) {
  const char *from = copy;
  for (int k = 0; k < n; from += (size_t)s[k++].n * real_size(f64)) memcpy(s[k].p, from, (size_t)s[k].n * real_size(f64));
}

bool rt_spans_finite(const RtSpan *s, int n, bool f64) {
  for (int k = 0; k < n; k++)
    if (!rt_finite(s[k].p, s[k].n, f64)) return false;
  return true;
}
