/* Ranks: what they exchange, and functions that they run together, to the bit what one process makes of the same, for any number of
 * ranks and threads. MPI is stood in for by sockets. */
#include "runtime/runtime.h"
#include "runtime/runtime_priv.h"
#include "tests/common/cunit_main.h"
#include "tests/common/ranks_util.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { T = 8, MOST_RANKS = 16 };

static bool all_zero(int size, int (*body)(RtRanks *r, void *ctx), void *ctx) {
  int code[MOST_RANKS];
  bool ok = ranks_run(size, body, ctx, code);
  for (int k = 0; ok && k < size; k++) ok = code[k] == 0;
  return ok;
}

/* ---- what they exchange ------------------------------------------------------------------------------------------------ */

static unsigned char byte_of(int rank, size_t k, int round) { return (unsigned char)(rank * 37 + (int)(k % 251) * 11 + round); }

/* Few bytes and many, parts of nothing among them. */
static int gather_some(RtRanks *r, void *ctx) {
  static const uint64_t most[] = {9, 60000, 24000};
  (void)ctx;
  for (int round = 0; round < 12; round++) {
    size_t at[MOST_RANKS + 1] = {0};
    for (int k = 0; k < r->size; k++)
      at[k + 1] = at[k] + rt_random_u64(5, (uint64_t)round, (uint64_t)k) % most[round % 3] * (size_t)((k + round) % 3 > 0);
    unsigned char *buf = calloc(at[r->size] + 1, 1);
    for (size_t k = at[r->rank]; k < at[r->rank + 1]; k++) buf[k] = byte_of(r->rank, k, round);
    rt_ranks_gather(r, buf, at);
    for (int p = 0; p < r->size; p++)
      for (size_t k = at[p]; k < at[p + 1]; k++)
        if (buf[k] != byte_of(p, k, round)) return 1;
    size_t n = (size_t)round * 5000 + 1;
    unsigned char *told = calloc(n, 1);
    for (size_t k = 0; !r->rank && k < n; k++) told[k] = byte_of(3, k, round);
    rt_ranks_broadcast(r, told, n);
    for (size_t k = 0; k < n; k++)
      if (told[k] != byte_of(3, k, round)) return 2;
    free(told);
    free(buf);
  }
  return 0;
}

static void test_exchange(void) {
  for (int size = 1; size <= 9; size++) CU_ASSERT(all_zero(size, gather_some, NULL));
}

/* One is asked to stop, and all know after the same exchange. */
static int ask_one(RtRanks *r, void *ctx) {
  const int *who = ctx;
  volatile int asked = 0;
  r->asked = &asked;
  if (rt_ranks_agree(r)) return 1;
  asked = r->rank == *who;
  if (!rt_ranks_agree(r)) return 2;
  asked = 0;
  return rt_ranks_agree(r) && r->heard == 3 ? 0 : 3;
}

static void test_stop(void) {
  for (int size = 2; size <= 5; size++)
    for (int who = 0; who < size; who++) CU_ASSERT(all_zero(size, ask_one, &who));
}

/* ---- functions --------------------------------------------------------------------------------------------------------- */

/* (x: lane[2], w: shared, weight: lane) -> (sums, y: lane, draw: lane): `sums` of them, f32 whose rounding shows the order. */
typedef struct Case {
  int64_t n, flop, sums;
  int lanes, at_once, threads;
  int32_t few; /* samples up to which the other form is taken */
} Case;
static int64_t sums_now;

static void kernel_of(const HnnCall *c, int tile, int first) {
  const float *x = c->in[0].p, *w = c->in[1].p, *weight = c->in[2].p;
  float *sums = sums_now ? c->out[0].p : NULL, *y = first < 2 ? c->out[first].p : NULL, *draw = y ? c->out[first + 1].p : NULL;
  if (sums) memset(sums, 0, (size_t)sums_now * sizeof *sums);
  c->steps[0] += (double)(c->tile1 - c->tile0), c->steps[1] += 1;
  for (int64_t s = c->tile0 * tile; s < c->tile1 * tile; s++) {
    double drawn = 0;
    rt_draw64(0, c->seed, c->sample0 + (uint64_t)s, 1, 1, 0, 1, &drawn, 1);
    const float v = *w * x[s] * x[c->in[0].ld + s] + (float)drawn;
    if (y) y[s] = v, draw[s] = (float)drawn, draw[c->out[first + 1].ld + s] = v * v;
    for (int64_t k = 0; k < sums_now; k++) sums[k] += weight[s] * v / (float)(k + 1);
  }
}

static void sums_alone(const HnnCall *c) { kernel_of(c, T, 2); }
static void sums_and_lanes(const HnnCall *c) { kernel_of(c, T, 1); }
static void lanes_alone(const HnnCall *c) { kernel_of(c, T, 0); }
static void few_sums(const HnnCall *c) { kernel_of(c, 2 * T, 2); }

typedef struct Made {
  float *sums;
  RtArray y, draw;
  double steps[2];
} Made;

static bool make(const Case *c, int threads, RtRanks *ranks, Made *m) {
  RtPool *pool = rt_pool_create(threads);
  const int64_t elems[] = {c->sums, 1, 2};
  const bool lane[] = {false, true, true};
  const int first = c->sums == 0;
  RtFnSpec spec = {.kernel = !c->sums   ? lanes_alone
                             : c->lanes ? sums_and_lanes
                                        : sums_alone,
                   .info = {.tile = T, .at_once = c->at_once, .flop_per_sample = c->flop},
                   .nin = 3,
                   .nout = (c->sums > 0) + 2 * c->lanes,
                   .out_elems = elems + first,
                   .out_lane = lane + first};
  if (c->few) spec.info.few = few_sums, spec.info.few_most = c->few, spec.info.few_tile = 2 * T;
  RtFn *f = rt_fn_create(&spec, pool);
  if (ranks) rt_fn_share(f, ranks);
  sums_now = c->sums;
  RtArray x, weight;
  const uint32_t two = 2;
  bool ok = rt_array_init(&x, "x", false, 1, &two, c->n) && rt_array_init(&weight, "w", false, 0, NULL, c->n) &&
            rt_array_init(&m->y, "y", false, 0, NULL, c->n) && rt_array_init(&m->draw, "d", false, 1, &two, c->n);
  m->sums = rt_zeroed((size_t)(c->sums + 1) * sizeof(float));
  for (int64_t s = 0; s < c->n; s++) {
    ((float *)x.v)[s] = sinf((float)s), ((float *)x.v)[x.ld + s] = cosf(3 * (float)s);
    ((float *)weight.v)[s] = 1 / (float)c->n;
  }
  rt_array_pad(&x);
  float w = 1.5f;
  const HnnArg in[] = {{x.v, x.ld}, {&w, 0}, {weight.v, weight.ld}};
  const HnnArg out[] = {{m->sums, 0}, {m->y.v, m->y.ld}, {m->draw.v, m->draw.ld}};
  for (int again = 0; ok && again < 2; again++) ok = rt_fn_run(f, in, out + first, c->n, 11, 1000);
  rt_pool_steps(pool, m->steps);
  rt_array_finish(&x);
  rt_array_finish(&weight);
  rt_fn_destroy(f);
  rt_pool_destroy(pool);
  return ok;
}

static bool same_lanes(const Case *c, const RtArray *a, const RtArray *b) {
  bool same = true;
  for (int64_t e = 0; c->lanes && e < a->elems; e++)
    same &= !memcmp((float *)a->v + e * a->ld, (float *)b->v + e * b->ld, (size_t)c->n * sizeof(float));
  return same;
}

static int compare(RtRanks *r, void *ctx) {
  const Case *c = ctx;
  Made one = {0}, all = {0};
  if (!make(c, 1, NULL, &one) || !make(c, c->threads, r, &all)) return 1;
  if (memcmp(one.sums, all.sums, (size_t)c->sums * sizeof(float))) return 2;
  if (!same_lanes(c, &one.y, &all.y) || !same_lanes(c, &one.draw, &all.draw)) return 3;
  return one.steps[0] == all.steps[0] ? 0 : 4;
}

static void test_functions(void) {
  static const Case some[] = {{1, 100000, 3, 1, 1, 1, 0},       {500, 10, 700, 1, 1, 1, 0},       {5000, 10000, 700, 1, 1, 2, 0},
                              {30011, 10000, 20, 0, 1, 1, 0},   {85 * T, 1000000, 5, 0, 2, 1, 0}, {3000, 20000, 1, 1, 4, 3, 0},
                              {20011, 10000, 0, 1, 4, 2, 0},    {77, 1000000, 0, 1, 1, 1, 0},     {64, 9000000, 10000, 0, 1, 2, 0},
                              {4000, 100000, 3000, 0, 1, 1, 0}, {900, 1000000, 40, 0, 1, 2, 1000}};
  static const int size[] = {1, 2, 3, 4, 5, 7, 8, 16};
  for (size_t k = 0; k < sizeof some / sizeof *some; k++)
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
      Case c = some[k];
      const bool ok = all_zero(size[i], compare, &c);
      CU_ASSERT(ok);
      if (!ok) fprintf(stderr, "case %zu, %d ranks\n", k, size[i]);
    }
}

/* Samples that a rank reads are those that it runs: all are read by somebody, and nothing else is. */
static int read_range(RtRanks *r, void *ctx) {
  const int64_t elems[] = {5};
  const bool lane[] = {false};
  (void)ctx;
  sums_now = 5;
  RtPool *pool = rt_pool_create(1);
  const RtFnSpec spec = {.kernel = sums_alone,
                         .info = {.tile = T, .flop_per_sample = 1000000},
                         .nin = 3,
                         .nout = 1,
                         .out_elems = elems,
                         .out_lane = lane};
  RtFn *f = rt_fn_create(&spec, pool);
  rt_fn_share(f, r);
  for (int64_t n = 1; n < 3000; n = n * 3 + 1) {
    int64_t own[2 * MOST_RANKS] = {0}, end = 0;
    size_t at[MOST_RANKS + 1];
    for (int k = 0; k <= r->size; k++) at[k] = (size_t)k * 2 * sizeof *own;
    rt_fn_range(f, r->rank, n, &own[2 * r->rank], &own[2 * r->rank + 1]);
    const bool whole = own[2 * r->rank] == 0 && own[2 * r->rank + 1] == n;
    rt_ranks_gather(r, own, at);
    for (int k = 0; !whole && k < r->size; end = own[2 * k++ + 1])
      if (own[2 * k] != end) return 1;
    if (!whole && end != n) return 2;
    if (whole && r->size > 1 && n > 100) return 3;
  }
  rt_fn_destroy(f);
  rt_pool_destroy(pool);
  return 0;
}

static void test_range(void) {
  for (int size = 1; size <= 5; size++) CU_ASSERT(all_zero(size, read_range, NULL));
}

/* ---- samples that lie with several --------------------------------------------------------------------------------------- */

enum { LARGE = RT_SHARD + 1000 };

static float value_of(int64_t sample, int64_t e) { return (float)(sample % 100003) + (float)e / 8; }

/* A set of which each rank has its leaves alone; nothing else has been written. */
static bool large_set(RtRanks *r, RtArray *a, RtSet *set) {
  const uint32_t three = 3;
  if (!rt_array_init_sparse(a, "x", false, 1, &three, LARGE)) return false;
  int64_t from, to;
  rt_leaves(r->rank, r->size, LARGE, &from, &to);
  for (int64_t e = 0; e < 3; e++)
    for (int64_t s = from; s < to; s++) ((float *)a->v)[e * a->ld + s] = value_of(s, e);
  *set = (RtSet){a, 1, LARGE, r};
  return true;
}

static int bring_some(RtRanks *r, void *ctx) {
  enum { WANTED = 40000 };
  RtArray a;
  RtSet set;
  (void)ctx;
  if (!large_set(r, &a, &set)) return 1;
  int64_t *sample = calloc(WANTED, sizeof *sample), begin[MOST_RANKS], end[MOST_RANKS];
  for (int k = 0; k < WANTED; k++) sample[k] = rt_permuted(3, 0, LARGE, k);
  rt_set_bring(&set, sample, WANTED);
  for (int k = 0; k < WANTED; k++)
    for (int64_t e = 0; e < 3; e++)
      if (((float *)a.v)[e * a.ld + sample[k]] != value_of(sample[k], e)) return 2;
  for (int k = 0; k < r->size; k++) begin[k] = 100 * k, end[k] = 100000 - 7000 * k;
  rt_set_bring_ranges(&set, begin, end);
  for (int64_t s = begin[r->rank]; s < end[r->rank]; s++)
    if (((float *)a.v)[2 * a.ld + s] != value_of(s, 2)) return 3;
  rt_array_finish(&a);
  free(sample);
  return 0;
}

static void test_bring(void) {
  for (int size = 1; size <= 5; size++) CU_ASSERT(all_zero(size, bring_some, NULL));
}

/* A function over all of it: what a rank reads is what it has. */
static void sum_kernel(const HnnCall *c) {
  const float *x = c->in[0].p;
  float *sum = c->out[0].p, *y = c->out[1].p;
  *sum = 0;
  for (int64_t s = c->tile0 * T; s < c->tile1 * T; s++) *sum += y[s] = x[s] + x[2 * c->in[0].ld + s];
}

static int run_large(RtRanks *r, void *ctx) {
  static const int64_t elems[] = {1, 1};
  static const bool lane[] = {false, true};
  float sum[2] = {0, 1};
  RtArray a, y;
  RtSet set;
  (void)ctx;
  for (int alone = 1; alone >= 0; alone--) {
    RtPool *pool = rt_pool_create(1 + alone);
    RtRanks one = {.size = 1};
    if (!large_set(alone ? &one : r, &a, &set) || !rt_array_init(&y, "y", false, 0, NULL, LARGE)) return 1;
    const RtFnSpec spec = {
      .kernel = sum_kernel, .info = {.tile = T, .flop_per_sample = 1}, .nin = 1, .nout = 2, .out_elems = elems, .out_lane = lane};
    RtFn *f = rt_fn_create(&spec, pool);
    if (!alone) rt_fn_share(f, r);
    const HnnArg out[] = {{&sum[alone], 0}, {y.v, y.ld}};
    if (!rt_fn_run(f, &(HnnArg){a.v, a.ld}, out, LARGE, 0, 0)) return 2;
    for (int64_t s = 0; s < LARGE; s++)
      if (((float *)y.v)[s] != value_of(s, 0) + value_of(s, 2)) return 3;
    rt_array_finish(&a), rt_array_finish(&y);
    rt_fn_destroy(f);
    rt_pool_destroy(pool);
  }
  return memcmp(&sum[0], &sum[1], sizeof *sum) ? 4 : 0;
}

static void test_large(void) {
  for (int size = 1; size <= 5; size += 2) CU_ASSERT(all_zero(size, run_large, NULL));
}

/* ---- phases ------------------------------------------------------------------------------------------------------------ */

enum { NARROW = 8, WIDE = 32 };

/* x, weight -> each = weight x, sum; then x, each, sum -> sum of each (x - sum), whose chunks lie elsewhere. */
static void first_phase(const HnnCall *c) {
  const double *x = c->in[0].p, *weight = c->in[1].p;
  double *each = c->out[0].p, *sum = c->out[1].p;
  *sum = 0;
  for (int64_t s = c->tile0 * NARROW; s < c->tile1 * NARROW; s++) *sum += each[s] = weight[s] * x[s];
}

static void second_phase(const HnnCall *c) {
  const double *x = c->in[0].p, *each = c->in[1].p, *sum = c->in[2].p;
  double *out = c->out[0].p;
  *out = 0;
  for (int64_t s = c->tile0 * WIDE; s < c->tile1 * WIDE; s++) *out += each[s] * (x[s] - *sum);
}

static RtFn *phase(HnnKernel k, int32_t tile, int64_t flop, int nin, int nout, const bool *lane, RtPool *pool) {
  static const int64_t one[] = {1, 1};
  const RtFnSpec spec = {.kernel = k,
                         .info = {.tile = tile, .f64 = 1, .flop_per_sample = flop},
                         .nin = nin,
                         .nout = nout,
                         .out_elems = one,
                         .out_lane = lane};
  return rt_fn_create(&spec, pool);
}

static double phases(RtRanks *r, int64_t n, double *each_sum) {
  static const int64_t one[] = {1, 1};
  static const bool first_lane[] = {true, false}, shared[] = {false, true};
  static const HnnRef first_in[] = {{-1, 0}, {-1, 1}}, second_in[] = {{-1, 0}, {1, 0}, {1, 1}}, from[] = {{3, 0}, {1, 0}};
  RtPool *pool = rt_pool_create(2);
  const RtPart part[5] = {[1] = {phase(first_phase, NARROW, 50000, 2, 2, first_lane, pool), 2, 2, first_in, one, first_lane},
                          [3] = {phase(second_phase, WIDE, 9000, 3, 1, shared, pool), 3, 1, second_in, one, shared}};
  const RtSplitSpec spec = {5, part, true, 2, 2, shared, one, from};
  RtFn *f = rt_fn_create_split(&spec);
  if (r) rt_fn_share(f, r);
  RtArray x, weight, each;
  double out = 0;
  if (!rt_array_init(&x, "x", true, 0, NULL, n) || !rt_array_init(&weight, "w", true, 0, NULL, n) ||
      !rt_array_init(&each, "e", true, 0, NULL, n))
    return NAN;
  for (int64_t s = 0; s < n; s++) ((double *)x.v)[s] = cos((double)s), ((double *)weight.v)[s] = 1 / (double)n;
  rt_array_pad(&x);
  const HnnArg in[] = {{x.v, x.ld}, {weight.v, weight.ld}}, to[] = {{&out, 0}, {each.v, each.ld}};
  if (!rt_fn_run(f, in, to, n, 0, 0)) return NAN;
  *each_sum = 0;
  for (int64_t s = 0; s < n; s++) *each_sum += ((double *)each.v)[s] * (double)(s % 17);
  rt_array_finish(&x), rt_array_finish(&weight), rt_array_finish(&each);
  rt_fn_destroy(f);
  rt_pool_destroy(pool);
  return out;
}

static int compare_phases(RtRanks *r, void *ctx) {
  const int64_t *n = ctx;
  double each[2] = {0, 1};
  const double one = phases(NULL, *n, &each[0]), all = phases(r, *n, &each[1]);
  return memcmp(&one, &all, sizeof one) || each[0] != each[1];
}

static void test_phases(void) {
  int64_t n[] = {40, 1000, 20000, 33333};
  for (int k = 0; k < 4; k++)
    for (int size = 1; size <= 5; size++) CU_ASSERT(all_zero(size, compare_phases, &n[k]));
}

/* ---- one that is lost -------------------------------------------------------------------------------------------------- */

static int lose_one(RtRanks *r, void *ctx) {
  const int *who = ctx;
  for (int k = 0; k < 100; k++) {
    if (k == 50 && r->rank == *who) raise(SIGKILL);
    rt_ranks_wait(r);
  }
  return 0;
}

/* Nobody waits for it: whoever needs it, or one that has noticed, notices. */
static void test_lost(void) {
  for (int size = 2; size <= 5; size++)
    for (int who = 0; who < size; who++) {
      int code[MOST_RANKS];
      CU_ASSERT(ranks_run(size, lose_one, &who, code));
      for (int k = 0; k < size; k++) CU_ASSERT_EQUAL(code[k], k == who ? -SIGKILL : RANKS_LOST);
    }
}

const Suite suite = {"ranks", (CU_TestInfo[]){{"exchange", test_exchange},
                                              {"stop", test_stop},
                                              {"functions", test_functions},
                                              {"range", test_range},
                                              {"samples of others", test_bring},
                                              {"many samples", test_large},
                                              {"phases", test_phases},
                                              {"one that is lost", test_lost},
                                              CU_TEST_INFO_NULL}};
