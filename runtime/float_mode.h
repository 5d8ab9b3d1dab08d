/* How a thread's processor treats subnormal numbers. Flushed, they count as 0: the moments of a parameter whose gradient
 * is 0 shrink into them after some hundred steps of Adam, and a step with many of them takes half as long again.
 * Where the processor has no such mode all of this does nothing. */
#ifndef HNNC_RUNTIME_FLOAT_MODE_H
#define HNNC_RUNTIME_FLOAT_MODE_H

#include <stdint.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
#define FLOAT_FLUSH 0x8040u /* MXCSR: results, operands */
static inline uint64_t float_mode(void) { return _mm_getcsr(); }
static inline void float_mode_set(uint64_t mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__)
#define FLOAT_FLUSH (1u << 24) /* FPCR.FZ */
static inline uint64_t float_mode(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
static inline void float_mode_set(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
#define FLOAT_FLUSH 0u
static inline uint64_t float_mode(void) { return 0; }
static inline void float_mode_set(uint64_t mode) { (void)mode; }
#endif

/* The mode before, for float_mode_set. */
static inline uint64_t float_mode_flush(void) {
  const uint64_t before = float_mode();
  float_mode_set(before | FLOAT_FLUSH);
  return before;
}

#endif
