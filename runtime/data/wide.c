/* Over long arrays, by the widest vectors that the machine has: whether all reals are finite, or far from overflow, and sums. The
 * runtime is compiled for any processor, and a step of a small network would wait for these: the gradients of 2-200-200-1 take
 * 2.5 us by vectors of 256 bits with one sum, 1 us so. The results are those of a loop over the elements. */
#include "runtime/runtime_priv.h"

enum { FINITE, MODERATE, SUM }; /* what is to be done */

#define WIDE(type) __attribute__((vector_size(64), aligned(sizeof(type)), may_alias))
typedef uint32_t V32 WIDE(uint32_t);
typedef uint64_t V64 WIDE(uint64_t);
typedef float F32 WIDE(float);
typedef double F64 WIDE(double);

/* The sign bit of what is added up is set where an exponent is all ones: a step more changes the sign exactly there. */
#define INFINITE32(x) (((x) + 0x00800000u) ^ (x))
#define INFINITE64(x) (((x) + 0x0010000000000000u) ^ (x))
/* The same for exponents from 2^40, 2^400 on: adding what is missing to the sign bit sets it. */
#define LARGE32(x) (((x) & 0x7fffffffu) + (0x80000000u - ((127u + 40u) << 23)))
#define LARGE64(x) (((x) & 0x7fffffffffffffffu) + (0x8000000000000000u - ((uint64_t)(1023 + 400) << 52)))

#define NONE(name, word, vector, MARK)                                                 \
  __attribute__((always_inline)) static inline bool name(const word *w, int64_t n) {   \
    enum { LANES = 64 / sizeof(word) };                                                \
    vector a = {0}, b = {0};                                                           \
    word bad = 0;                                                                      \
    int64_t i = 0;                                                                     \
    for (; i + 2 * LANES <= n; i += 2 * LANES) {                                       \
      const vector x = *(const vector *)(w + i), y = *(const vector *)(w + i + LANES); \
      a |= MARK(x);                                                                    \
      b |= MARK(y);                                                                    \
    }                                                                                  \
    a |= b;                                                                            \
    for (int k = 0; k < LANES; k++) bad |= a[k];                                       \
    for (; i < n; i++) bad |= MARK(w[i]);                                              \
    return !(bad >> (8 * sizeof(word) - 1));                                           \
  }
NONE(finite32, uint32_t, V32, INFINITE32)
NONE(finite64, uint64_t, V64, INFINITE64)
NONE(moderate32, uint32_t, V32, LARGE32)
NONE(moderate64, uint64_t, V64, LARGE64)

#define ADD(name, real, vector)                                                                                     \
  __attribute__((always_inline)) static inline void name(real *restrict to, const real *restrict from, int64_t n) { \
    enum { LANES = 64 / sizeof(real) };                                                                             \
    int64_t i = 0;                                                                                                  \
    for (; i + LANES <= n; i += LANES) *(vector *)(to + i) += *(const vector *)(from + i);                          \
    for (; i < n; i++) to[i] += from[i];                                                                            \
  }
ADD(add32, float, F32)
ADD(add64, double, F64)

__attribute__((always_inline)) static inline bool work(int what, void *to, const void *v, int64_t n, bool f64) {
  if (what == SUM) {
    if (f64) add64(to, v, n);
    else add32(to, v, n);
    return true;
  }
  if (what == FINITE) return f64 ? finite64(v, n) : finite32(v, n);
  return f64 ? moderate64(v, n) : moderate32(v, n);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static bool by_256(int what, void *to, const void *v, int64_t n, bool f64) {
  return work(what, to, v, n, f64);
}
__attribute__((target("avx512f"))) static bool by_512(int what, void *to, const void *v, int64_t n, bool f64) {
  return work(what, to, v, n, f64);
}
static bool widest(int what, void *to, const void *v, int64_t n, bool f64) {
  if (__builtin_cpu_supports("avx512f")) return by_512(what, to, v, n, f64);
  return __builtin_cpu_supports("avx2") ? by_256(what, to, v, n, f64) : work(what, to, v, n, f64);
}
#else
static bool widest(int what, void *to, const void *v, int64_t n, bool f64) { return work(what, to, v, n, f64); }
#endif

bool rt_finite(const void *v, int64_t n, bool f64) { return widest(FINITE, NULL, v, n, f64); }
bool rt_moderate(const void *v, int64_t n, bool f64) { return widest(MODERATE, NULL, v, n, f64); }
void rt_add(void *to, const void *from, int64_t n, bool f64) { (void)widest(SUM, to, from, n, f64); }
