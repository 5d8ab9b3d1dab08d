/* Whether all of an array is finite. */
#include "runtime/util.h"

/* By exponent bits, in blocks of a known length: what a compiler makes vectors of, unlike isfinite with its early exit. */
enum { BLOCK = 64 };

static uint64_t bad64(uint64_t w) {
  const uint64_t mask = 0x7FF0000000000000u;
  return (w & mask) + (mask & -mask);
}

static uint32_t bad32(uint32_t w) {
  const uint32_t mask = 0x7F800000u;
  return (w & mask) + (mask & -mask);
}

bool rt_finite(const void *v, int64_t n, bool f64) {
  int64_t i = 0;
  if (f64) {
    const uint64_t *w = v;
    uint64_t bad = 0;
    for (; i + BLOCK <= n; i += BLOCK)
      for (int k = 0; k < BLOCK; k++) bad |= bad64(w[i + k]);
    for (; i < n; i++) bad |= bad64(w[i]);
    return !(bad >> 63);
  }
  const uint32_t *w = v;
  uint32_t bad = 0;
  for (; i + BLOCK <= n; i += BLOCK)
    for (int k = 0; k < BLOCK; k++) bad |= bad32(w[i + k]);
  for (; i < n; i++) bad |= bad32(w[i]);
  return !(bad >> 31);
}
