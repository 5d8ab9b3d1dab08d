/* Philox4x32-10: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy
 * as 1, 2, 3", SC'11. A block of four words is a pure function of a 128-bit counter and a 64-bit key, so
 * every draw can be made anywhere, in any order. Counter layout in runtime.h; the known answers of the
 * paper's authors are in tests/runtime/test_runtime_rng.c. */
#include "runtime/steppers/rng_priv.h"
#include "runtime/runtime.h"

#include <math.h>
#include <stdlib.h>

void rt_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    const uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)b;
    c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* Two 64-bit words: the values of elements 2k and 2k+1. */
static void draw_block(uint64_t seed, uint64_t sample, uint32_t counter, uint32_t last, uint64_t out[2]) {
  const uint32_t c[4] = {(uint32_t)sample, (uint32_t)(sample >> 32), counter, last};
  const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  uint32_t w[4];
  rt_philox(c, key, w);
  out[0] = (uint64_t)w[1] << 32 | w[0];
  out[1] = (uint64_t)w[3] << 32 | w[2];
}

static double unit(uint64_t w) { return (double)(w >> 11) * 0x1p-53; }

static void normal_pair(const uint64_t w[2], double out[2]) {
  const double r = sqrt(-2 * log1p(-unit(w[0]))), angle = 2 * 3.14159265358979323846 * unit(w[1]);
  out[0] = r * cos(angle);
  out[1] = r * sin(angle);
}

/* Kind 0: uniform, 1: normal. The site has 12 bits, the pair of elements 20: a draw of more than 2^21
 * elements would share values with the next site. */
static uint32_t last_word(uint32_t site, int64_t e) { return (site << 20) + (uint32_t)(e / 2); }

void rt_draw64(int32_t kind, uint64_t seed, uint64_t sample0, int32_t lanes, uint32_t site, uint32_t counter, int64_t elems,
               double *out, int64_t ld) {
  for (int64_t e = 0; e < elems; e += 2)
    for (int32_t s = 0; s < lanes; s++) {
      uint64_t w[2];
      double v[2];
      draw_block(seed, sample0 + (uint64_t)s, counter, last_word(site, e), w);
      if (kind) normal_pair(w, v);
      else v[0] = unit(w[0]), v[1] = unit(w[1]);
      out[e * ld + s] = v[0];
      if (e + 1 < elems) out[(e + 1) * ld + s] = v[1];
    }
}

/* Streams for the runtime's own use: another key than the draws of the same seed. */
static void stream_block(uint64_t seed, uint64_t stream, uint64_t block, uint64_t out[2]) {
  const uint32_t c[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
  const uint32_t key[2] = {(uint32_t)seed ^ 0x68C5A3D1u, (uint32_t)(seed >> 32) ^ 0xB5297A4Du};
  uint32_t w[4];
  rt_philox(c, key, w);
  out[0] = (uint64_t)w[1] << 32 | w[0];
  out[1] = (uint64_t)w[3] << 32 | w[2];
}

uint64_t rt_random_u64(uint64_t seed, uint64_t stream, uint64_t index) {
  uint64_t w[2];
  stream_block(seed, stream, index >> 1, w);
  return w[index & 1];
}

void rt_permutation(uint64_t seed, uint64_t epoch, int64_t n, int64_t *out) {
  for (int64_t i = 0; i < n; i++) out[i] = i;
  uint64_t w[2] = {0, 0};
  for (int64_t i = n - 1; i > 0; i--) {
    const uint64_t index = (uint64_t)(n - 1 - i);
    if (!(index & 1)) stream_block(seed, epoch, index >> 1, w);
    const int64_t j = (int64_t)(w[index & 1] % (uint64_t)(i + 1)), t = out[i];
    out[i] = out[j];
    out[j] = t;
  }
}

enum { ROUNDS = 6 };

/* The finalizer of MurmurHash3, of half a number and a round's key. */
static uint64_t scramble(uint64_t x, uint64_t key) {
  x ^= key;
  x = (x ^ x >> 33) * 0xFF51AFD7ED558CCDu;
  x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53u;
  return x ^ x >> 33;
}

int64_t rt_permuted(uint64_t seed, uint64_t epoch, int64_t n, int64_t i) {
  uint64_t key[ROUNDS], x = (uint64_t)i;
  int half = 1;
  while (half < 31 && (uint64_t)1 << 2 * half < (uint64_t)n) half++;
  const uint64_t mask = ((uint64_t)1 << half) - 1;
  for (int k = 0; k < ROUNDS; k += 2) stream_block(seed, epoch, (uint64_t)k, key + k);
  do
    for (int k = 0; k < ROUNDS; k++) x = (x & mask) << half | ((x >> half ^ scramble(x & mask, key[k])) & mask);
  while (x >= (uint64_t)n);
  return (int64_t)x;
}

bool rt_order_init(RtOrder *o, uint64_t seed, int64_t n) {
  *o = (RtOrder){.seed = seed, .n = n, .epoch = -1};
  return n >= RT_SHARD || (o->perm = malloc((size_t)(n + 1) * sizeof *o->perm));
}

int64_t rt_order_at(RtOrder *o, int64_t epoch, int64_t i) {
  if (!o->perm) return rt_permuted(o->seed, (uint64_t)epoch, o->n, i);
  if (epoch != o->epoch) rt_permutation(o->seed, (uint64_t)epoch, o->n, o->perm);
  o->epoch = epoch;
  return o->perm[i];
}

void rt_order_finish(RtOrder *o) {
  free(o->perm);
  *o = (RtOrder){0};
}
