/* What the rooms of the runtime share. */
#ifndef HNNC_RUNTIME_RUNTIME_PRIV_H
#define HNNC_RUNTIME_RUNTIME_PRIV_H

#include "runtime/runtime.h"

bool rt_fail(RtError *err, const char *format, ...) __attribute__((format(printf, 2, 3))); /* false */
bool rt_fail_errno(RtError *err, const char *doing, const char *path); /* "cannot <doing> <path>: why; what to do" */
/* Zeros that are touched page by page as they are used, where they are many in pages of 2 MiB, if the system has them for those who ask:
 * a tile that outgrows the caches would else look up the place of a page at every other line. *memory is to be freed; NULL without
 * memory. Aligned to 64 bytes. */
void *rt_spacious(size_t size, void **memory);
void *rt_sparse(size_t size); /* zeros that take no memory until they are written, for munmap; NULL: no room */
double rt_now(void);          /* monotonic seconds */
bool rt_elems(int rank, const uint32_t *dim, int64_t *elems); /* false: too large */

static inline int64_t rt_padded(int64_t n) { return (n + RT_PAD - 1) / RT_PAD * RT_PAD; }

bool rt_finite(const void *v, int64_t n, bool f64); /* every real */
/* Every real is below 2^40 (2^400 in f64). From such a gradient and a rate below it no optimizer whose averages are bounded
 * makes anything that is not finite: its square, and their product, are far from overflow, and what a step adds is then below
 * half an ulp of a parameter that is near it. */
bool rt_moderate(const void *v, int64_t n, bool f64);
void rt_add(void *to, const void *from, int64_t n, bool f64); /* to[k] += from[k]; not the same memory */
static inline bool rt_moderate_rate(double lr, bool f64) { return lr < (f64 ? 0x1p400 : 0x1p40) && lr > -(f64 ? 0x1p400 : 0x1p40); }

/* Arrays that are changed in place, all of them or none. */
typedef struct RtSpan {
  void *p;
  int64_t n;
} RtSpan;
void *rt_spans_copy(const RtSpan *s, int n, bool f64); /* malloc'ed; NULL without memory */
void rt_spans_restore(const RtSpan *s, int n, bool f64, const void *copy);
bool rt_spans_finite(const RtSpan *s, int n, bool f64);

/* ranks.c. A message, in the time that is counted; what each rank tells all others, in whatever they exchange. */
void rt_ranks_trade(RtRanks *r, const RtPiece *out, int nout, const RtPiece *in, int nin);
uint64_t rt_ranks_word(const RtRanks *r);
void rt_ranks_heard(RtRanks *r, uint64_t words); /* those of all, joined by `or` */
/* What goes with the sums of a rank: its word, and steps of adaptive methods. */
typedef struct RtTold {
  uint64_t word;
  double steps[2];
  char fill[40]; /* a line */
} RtTold;
/* sum.c. Of 2^k ranks: v becomes the sum of all ranks' v, and told that of theirs. */
typedef struct RtSum {
  char *v, *other; /* [n]; other: room for what comes */
  int64_t n;       /* whole lines */
  bool f64;
  void (*add)(void *ctx, int64_t from, int64_t to); /* v += other, these elements */
  void *ctx;
} RtSum;
void rt_ranks_sum(RtRanks *r, const RtSum *s, RtTold *told);

/* file.c. As rt_file_write, without waiting for the disk; rt_file_settle does that, for a file that may be missing. */
bool rt_file_put(const char *path, const void *data, size_t size, RtError *err);
bool rt_file_settle(const char *path, RtError *err);
bool rt_link_replace(const char *target, const char *path, RtError *err); /* symlink, atomically */

#endif
