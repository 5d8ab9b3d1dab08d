/* Philox: known answers, distributions, draws independent of tiles and order; permutations. */
#include "runtime/steppers/rng_priv.h"
#include "runtime/runtime.h"
#include "tests/common/cunit_main.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The vectors published with Random123 (kat_vectors, philox4x32 10). */
static void test_known_answers(void) {
  static const uint32_t kat[3][10] = {
    {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
    {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
    {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
  };
  for (int i = 0; i < 3; i++) {
    uint32_t out[4];
    rt_philox(kat[i], kat[i] + 4, out);
    CU_ASSERT_EQUAL(memcmp(out, kat[i] + 6, sizeof out), 0);
  }
}

/* The layout of the counter is a promise: data sets must not change from version to version. */
static void test_layout(void) {
  double v[3];
  const uint32_t counter[4] = {5, 7, 9, 11u << 20 | 1}, key[2] = {0x89abcdef, 0x01234567};
  uint32_t w[4];
  rt_philox(counter, key, w);
  rt_draw64(0, 0x0123456789abcdefu, (uint64_t)7 << 32 | 5, 1, 11, 9, 3, v, 1);
  CU_ASSERT_EQUAL(v[2], (double)(((uint64_t)w[1] << 32 | w[0]) >> 11) * 0x1p-53);
}

static void moments(int kind, double m[4]) {
  enum { N = 200000 };
  double *v = malloc(sizeof *v * N);
  rt_draw64(kind, 42, 0, N / 4, 3, 0, 4, v, N / 4);
  for (int k = 0; k < 4; k++) m[k] = 0;
  for (int i = 0; i < N; i++)
    for (int k = 0; k < 4; k++) m[k] += pow(v[i], k + 1) / N;
  free(v);
}

static void test_distributions(void) {
  double m[4];
  moments(0, m); /* thresholds: five standard errors */
  for (int k = 0; k < 4; k++) CU_ASSERT_DOUBLE_EQUAL(m[k], 1.0 / (k + 2), 0.0034);
  moments(1, m);
  CU_ASSERT_DOUBLE_EQUAL(m[0], 0, 0.0112);
  CU_ASSERT_DOUBLE_EQUAL(m[1], 1, 0.0159);
  CU_ASSERT_DOUBLE_EQUAL(m[2], 0, 0.0434);
  CU_ASSERT_DOUBLE_EQUAL(m[3], 3, 0.11);
}

static void test_uncorrelated(void) {
  enum { N = 100000 };
  double *v = malloc(sizeof *v * 4 * N), across = 0, along = 0;
  rt_draw64(1, 1, 0, N, 0, 0, 4, v, N);
  for (int i = 0; i + 1 < N; i++) across += v[i] * v[i + 1] / N, along += v[i] * v[N + i] / N;
  CU_ASSERT_DOUBLE_EQUAL(across, 0, 0.016);
  CU_ASSERT_DOUBLE_EQUAL(along, 0, 0.016);
  free(v);
}

/* Any split of the samples gives the same numbers; sites and counters give others. */
static void test_tiles(void) {
  enum { N = 37, E = 5 };
  double whole[E * N], part[E * 16], other[E * N];
  for (int kind = 0; kind < 2; kind++) {
    rt_draw64(kind, 9, 100, N, 2, 3, E, whole, N);
    for (int s = 0; s < N; s += 16) {
      const int lanes = N - s < 16 ? N - s : 16;
      rt_draw64(kind, 9, 100 + (uint64_t)s, lanes, 2, 3, E, part, 16);
      for (int e = 0; e < E; e++)
        for (int l = 0; l < lanes; l++) CU_ASSERT_EQUAL(part[e * 16 + l], whole[e * N + s + l]);
    }
    rt_draw64(kind, 9, 100, N, 3, 3, E, other, N);
    CU_ASSERT_NOT_EQUAL(other[0], whole[0]);
    rt_draw64(kind, 9, 100, N, 2, 4, E, other, N);
    CU_ASSERT_NOT_EQUAL(other[0], whole[0]);
  }
}

static void test_permutation(void) {
  enum { N = 1000 };
  int64_t a[N], b[N], seen[N] = {0}, fixed = 0;
  rt_permutation(3, 7, N, a);
  rt_permutation(3, 8, N, b);
  for (int i = 0; i < N; i++) seen[a[i]]++, fixed += a[i] == i;
  for (int i = 0; i < N; i++) CU_ASSERT_EQUAL(seen[i], 1);
  CU_ASSERT(fixed < 10);
  CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
  rt_permutation(3, 7, N, b);
  CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
  int64_t count[6] = {0}, p[3];
  for (uint64_t e = 0; e < 60000; e++) {
    rt_permutation(1, e, 3, p);
    count[p[0] * 2 + (p[1] > p[2])]++;
  }
  for (int i = 0; i < 6; i++) CU_ASSERT_DOUBLE_EQUAL((double)count[i], 10000, 460);
}

static void test_streams(void) {
  CU_ASSERT_NOT_EQUAL(rt_random_u64(1, 2, 3), rt_random_u64(1, 2, 4));
  CU_ASSERT_NOT_EQUAL(rt_random_u64(1, 2, 3), rt_random_u64(1, 3, 3));
  CU_ASSERT_NOT_EQUAL(rt_random_u64(1, 2, 3), rt_random_u64(2, 2, 3));
  CU_ASSERT_EQUAL(rt_random_u64(1, 2, 3), rt_random_u64(1, 2, 3));
}

/* By arithmetic: each place once, seeds and epochs apart, neighbours not together, and every number as likely at each place. */
static void test_permuted(void) {
  static const int64_t n[] = {1, 2, 3, 5, 16, 17, 1000, 4097, 70000};
  static char seen[70000];
  for (size_t k = 0; k < sizeof n / sizeof *n; k++) {
    memset(seen, 0, sizeof seen);
    for (int64_t i = 0; i < n[k]; i++) {
      const int64_t at = rt_permuted(9, 2, n[k], i);
      CU_ASSERT_FATAL(at >= 0 && at < n[k] && !seen[at]);
      seen[at] = 1;
    }
  }
  int64_t same = 0, other = 0;
  double near = 0, square = 0;
  int count[8][8] = {{0}};
  for (int64_t i = 0; i < 20000; i++) {
    const int64_t a = rt_permuted(1, 0, 1000003, i), b = rt_permuted(1, 0, 1000003, i + 1);
    same += a == rt_permuted(1, 1, 1000003, i), other += a == rt_permuted(2, 0, 1000003, i);
    near += ((double)a / 1000003 - 0.5) * ((double)b / 1000003 - 0.5),
        square += ((double)a / 1000003 - 0.5) * ((double)a / 1000003 - 0.5);
  }
  CU_ASSERT(same < 3 && other < 3);
  CU_ASSERT_DOUBLE_EQUAL(square / 20000, 1.0 / 12, 0.003);
  CU_ASSERT_DOUBLE_EQUAL(near / 20000, 0, 0.003);
  for (uint64_t seed = 0; seed < 8000; seed++)
    for (int i = 0; i < 8; i++) count[i][rt_permuted(seed, 0, 8, i)]++;
  for (int i = 0; i < 8; i++)
    for (int j = 0; j < 8; j++) CU_ASSERT(abs(count[i][j] - 1000) < 150);
}

/* Few samples are in the order that they have always had. */
static void test_order(void) {
  int64_t want[50];
  RtOrder o;
  CU_ASSERT_FATAL(rt_order_init(&o, 4, 50));
  for (int64_t epoch = 0; epoch < 3; epoch++) {
    rt_permutation(4, (uint64_t)epoch, 50, want);
    for (int64_t i = 0; i < 50; i++) CU_ASSERT_EQUAL(rt_order_at(&o, epoch, i), want[i]);
  }
  rt_order_finish(&o);
  CU_ASSERT_FATAL(rt_order_init(&o, 4, RT_SHARD));
  CU_ASSERT_EQUAL(rt_order_at(&o, 7, 11), rt_permuted(4, 7, RT_SHARD, 11));
  rt_order_finish(&o);
}

const Suite suite = {"rng", (CU_TestInfo[]){{"known answers", test_known_answers},
                                            {"layout", test_layout},
                                            {"distributions", test_distributions},
                                            {"uncorrelated", test_uncorrelated},
                                            {"tiles", test_tiles},
                                            {"permutation", test_permutation},
                                            {"permuted", test_permuted},
                                            {"order", test_order},
                                            {"streams", test_streams},
                                            CU_TEST_INFO_NULL}};
