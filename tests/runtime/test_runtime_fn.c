/* Arrays, the thread pool, and functions run over samples in chunks: the same bits for any number of
 * threads. Run by hand under -fsanitize=thread after changes to pool.c or fn.c (tests/meson.build). */
#include "runtime/float_mode.h"
#include "runtime/runtime.h"
#include "runtime/runtime_priv.h"
#include "tests/common/cunit_main.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { T = 16, OUT = 700 };

static void test_arrays(void) {
  const uint32_t dim[2] = {2, 3};
  RtArray a, b;
  CU_ASSERT_TRUE_FATAL(rt_array_init(&a, "q", true, 2, dim, 70));
  CU_ASSERT_EQUAL(a.elems, 6);
  CU_ASSERT_EQUAL(a.ld, 128);
  CU_ASSERT_EQUAL((uintptr_t)a.v % 64, 0);
  for (int e = 0; e < 6; e++)
    for (int s = 0; s < 70; s++) ((double *)a.v)[e * a.ld + s] = e + s / 100.0;
  rt_array_pad(&a);
  CU_ASSERT_EQUAL(((double *)a.v)[5 * a.ld + 127], 5 + 69 / 100.0);
  CU_ASSERT_TRUE_FATAL(rt_array_convert(&a, false, &b));
  CU_ASSERT_STRING_EQUAL(b.name, "q");
  CU_ASSERT_EQUAL(((float *)b.v)[5 * b.ld + 127], (float)(5 + 69 / 100.0));
  rt_array_finish(&b);
  rt_array_finish(&a);
  CU_ASSERT_TRUE_FATAL(rt_array_init(&a, NULL, false, 2, dim, 0));
  CU_ASSERT_EQUAL(a.n, 0);
  CU_ASSERT_EQUAL(a.ld, 6);
  CU_ASSERT_EQUAL(((float *)a.v)[63], 0);
  rt_array_finish(&a);
  rt_array_finish(&a);
  const uint32_t huge[3] = {UINT32_MAX, UINT32_MAX, UINT32_MAX};
  CU_ASSERT_FALSE(rt_array_init(&a, "x", true, 3, huge, 5));
  CU_ASSERT_FALSE(rt_array_init(&a, "x", true, 1, huge, INT64_MAX / 2));
}

static void test_finite(void) {
  const double odd[] = {INFINITY, -INFINITY, NAN, -NAN}, fine[] = {0, -0.0, 1, -1, 1e-320, -1e-45, 3.4e38, -3.4e38};
  double d[70];
  float f[70];
  for (int n = 0; n <= 70; n++) {
    for (int i = 0; i < n; i++) d[i] = fine[(i + n) % 8], f[i] = (float)d[i];
    if (n > 1) d[0] = -1.7e308;
    CU_ASSERT(rt_finite(d, n, true) && rt_finite(f, n, false));
    for (int i = 0; i < n; i++) {
      const double was = d[i];
      d[i] = odd[(i + n) % 4], f[i] = (float)d[i];
      CU_ASSERT(!rt_finite(d, n, true) && !rt_finite(f, n, false));
      d[i] = was, f[i] = (float)fine[(i + n) % 8];
    }
  }
}

static void test_moderate(void) {
  double d[150], sum[150];
  float f[150], fsum[150];
  for (int n = 0; n <= 150; n++) {
    for (int i = 0; i < n; i++) {
      d[i] = (i % 3 - 1) * 0x1.8p399, f[i] = (float)(i % 3 - 1) * 0x1.8p39f;
      sum[i] = 1.0 / (i + 3), fsum[i] = 1.0f / (float)(i + 3);
    }
    CU_ASSERT(rt_moderate(d, n, true) && rt_moderate(f, n, false));
    for (int i = 0; i < n; i++) {
      const double was = d[i];
      d[i] = i % 2 ? -0x1p400 : NAN, f[i] = i % 2 ? 0x1p40f : -INFINITY;
      CU_ASSERT(!rt_moderate(d, n, true) && !rt_moderate(f, n, false));
      d[i] = was, f[i] = (float)(i % 3 - 1) * 0x1.8p39f;
    }
    for (int i = 0; i < n; i++) d[i] = i / 7.0, f[i] = (float)i / 7;
    rt_add(sum, d, n, true);
    rt_add(fsum, f, n, false);
    for (int i = 0; i < n; i++) CU_ASSERT(sum[i] == 1.0 / (i + 3) + i / 7.0 && fsum[i] == 1.0f / (float)(i + 3) + (float)i / 7);
  }
}

typedef struct Marks {
  atomic_int count[1000];
  atomic_int wrong;
  int threads;
} Marks;

static void mark(void *ctx, int job, int thread) {
  Marks *m = ctx;
  atomic_fetch_add(&m->count[job], 1);
  if (thread < 0 || thread >= m->threads) atomic_fetch_add(&m->wrong, 1);
}

static void test_pool(void) {
  for (int threads = 1; threads <= 7; threads += 2) {
    RtPool *p = rt_pool_create(threads);
    CU_ASSERT_EQUAL(rt_pool_threads(p), threads);
    Marks *m = calloc(1, sizeof *m);
    m->threads = threads;
    int total = 0;
    for (int round = 0; round < 3000; round++) {
      const int jobs = round % 50 == 0 ? 1000 : round % 7;
      rt_pool_run(p, jobs, mark, m);
      total += jobs;
      if (round == 1500)
        for (volatile int i = 0; i < 2000000; i++) {} /* lets the threads fall asleep */
    }
    int sum = 0;
    for (int i = 0; i < 1000; i++) sum += m->count[i];
    CU_ASSERT_EQUAL(sum, total);
    CU_ASSERT_EQUAL(m->wrong, 0);
    CU_ASSERT_EQUAL(m->count[999], 60);
    free(m);
    rt_pool_destroy(p);
  }
  rt_pool_destroy(NULL);
}

static void halve(void *ctx, int job, int thread) {
  volatile double least = 0x1p-1022;
  (void)thread;
  ((double *)ctx)[job] = least / 2;
}

/* Threads compute as their caller does. */
static void test_float_mode(void) {
  RtPool *p = rt_pool_create(4);
  double got[200];
  for (int round = 0; round < 50; round++) {
    const bool flush = FLOAT_FLUSH && round % 2;
    const uint64_t before = flush ? float_mode_flush() : float_mode();
    rt_pool_run(p, 200, halve, got);
    float_mode_set(before);
    for (int i = 0; i < 200; i++) CU_ASSERT_EQUAL(got[i] == 0, flush);
  }
  volatile double least = 0x1p-1022;
  CU_ASSERT(least / 2 > 0);
  rt_pool_destroy(p);
}

/* (x: lane[2], w: shared scalar, weight: lane) -> y: lane = w x0 x1; sums: OUT of them; draw: lane */
static atomic_int kernel_calls, apart; /* apart: calls that begin within tiles that are done at once */
static int at_once = 1;

static void kernel(const HnnCall *c) {
  const float *x = c->in[0].p, *w = c->in[1].p, *weight = c->in[2].p;
  float *y = c->out[0].p, *sums = c->out[1].p, *draw = c->out[2].p, *tile = c->scratch;
  atomic_fetch_add(&kernel_calls, 1);
  if (c->tile0 % at_once) atomic_fetch_add(&apart, 1);
  memset(sums, 0, OUT * sizeof *sums);
  for (int64_t t = c->tile0; t < c->tile1; t++) {
    double drawn[T];
    rt_draw64(0, c->seed, c->sample0 + (uint64_t)t * T, T, 1, 0, 1, drawn, T);
    for (int s = 0; s < T; s++) draw[t * T + s] = (float)drawn[s];
    for (int s = 0; s < T; s++) tile[s] = *w * x[t * T + s] * x[c->in[0].ld + t * T + s];
    for (int s = 0; s < T; s++) y[t * T + s] = tile[s];
    for (int k = 0; k < OUT; k++)
      for (int s = 0; s < T; s++) sums[k] += weight[t * T + s] * tile[s] / (float)(k + 1);
  }
}

typedef struct Result {
  float *y, *draw, sums[OUT];
} Result;

static void run_kernel(int threads, int64_t n, int64_t flop, Result *r) {
  RtPool *pool = rt_pool_create(threads);
  const int64_t elems[] = {1, OUT, 1};
  const bool lane[] = {true, false, true};
  const RtFnSpec spec = {.kernel = kernel,
                         .info = {.tile = T, .at_once = at_once, .scratch_bytes = T * 4, .flop_per_sample = flop},
                         .nin = 3,
                         .nout = 3,
                         .out_elems = elems,
                         .out_lane = lane};
  RtFn *f = rt_fn_create(&spec, pool);
  const uint32_t two[] = {2};
  RtArray x, weight, y, draw;
  CU_ASSERT_TRUE_FATAL(rt_array_init(&x, "x", false, 1, two, n) && rt_array_init(&weight, "w", false, 0, NULL, n));
  CU_ASSERT_TRUE_FATAL(rt_array_init(&y, "y", false, 0, NULL, n) && rt_array_init(&draw, "d", false, 0, NULL, n));
  for (int64_t s = 0; s < n; s++) {
    ((float *)x.v)[s] = sinf((float)s), ((float *)x.v)[x.ld + s] = cosf(3 * (float)s);
    ((float *)weight.v)[s] = 1 / (float)n;
  }
  rt_array_pad(&x);
  float w = 1.5f;
  for (int i = 0; i < OUT; i++) r->sums[i] = 99;
  const HnnArg in[] = {{x.v, x.ld}, {&w, 0}, {weight.v, weight.ld}};
  const HnnArg out[] = {{y.v, y.ld}, {r->sums, 0}, {draw.v, draw.ld}};
  for (int again = 0; again < 3; again++) rt_fn_run(f, in, out, n, 11, 1000);
  r->y = y.v, r->draw = draw.v;
  free((void *)y.name);
  free((void *)draw.name);
  rt_array_finish(&x);
  rt_array_finish(&weight);
  rt_fn_destroy(f);
  rt_pool_destroy(pool);
}

static void test_threads(void) {
  const int threads[] = {1, 2, 3, 7};
  const int64_t n[] = {1, 16, 100, 5000, 30011};
  for (int k = 0; k < 5; k++) {
    Result first = {0};
    for (int i = 0; i < 4; i++) {
      Result r = {0};
      run_kernel(threads[i], n[k], 100000, &r);
      if (!i) {
        first = r;
        double sum = 0;
        for (int64_t s = 0; s < n[k]; s++) sum += 1.5 * sin((double)s) * cos(3.0 * (double)s) / (double)n[k];
        CU_ASSERT_DOUBLE_EQUAL(r.sums[0], sum, 1e-4);
        continue;
      }
      CU_ASSERT_EQUAL(memcmp(r.sums, first.sums, sizeof r.sums), 0);
      CU_ASSERT_EQUAL(memcmp(r.y, first.y, (size_t)n[k] * 4), 0);
      CU_ASSERT_EQUAL(memcmp(r.draw, first.draw, (size_t)n[k] * 4), 0);
      free(r.y);
      free(r.draw);
    }
    free(first.y);
    free(first.draw);
  }
}

/* Small work is one call; large work is cut. */
static void test_chunks(void) {
  Result r = {0};
  kernel_calls = 0;
  run_kernel(2, 500, 10, &r);
  CU_ASSERT_EQUAL(kernel_calls, 3);
  free(r.y);
  free(r.draw);
  kernel_calls = 0;
  run_kernel(2, 5000, 1000000, &r);
  CU_ASSERT_EQUAL(kernel_calls, 3 * 256); /* by work */
  free(r.y);
  free(r.draw);
  kernel_calls = 0;
  at_once = 2;
  run_kernel(2, 85 * T, 1000000, &r); /* 43 pairs, the last of one: 32 chunks */
  CU_ASSERT_EQUAL(kernel_calls, 3 * 32);
  CU_ASSERT_EQUAL(apart, 0);
  at_once = 1;
  free(r.y);
  free(r.draw);
}

static void shared_kernel(const HnnCall *c) { *(double *)c->out[0].p = 2 * *(const double *)c->in[0].p; }

static void test_shared(void) {
  const int64_t elems[] = {1};
  const bool lane[] = {false};
  const RtFnSpec spec = {.kernel = shared_kernel, .info = {.f64 = 1}, .nin = 1, .nout = 1, .out_elems = elems, .out_lane = lane};
  RtFn *f = rt_fn_create(&spec, NULL);
  double x = 21, y = 0;
  rt_fn_run(f, &(HnnArg){&x, 0}, &(HnnArg){&y, 0}, 0, 0, 0);
  CU_ASSERT_EQUAL(y, 42);
  rt_fn_destroy(f);
  rt_fn_destroy(NULL);
}

/* Two phases with tiles of 8 and 32. x, weight -> each = weight x, sum; then x, weight, each, sum -> sum of
 * each (x - sum): what the second reads of the padding must hold the weight 0 that the first computed there. */
enum { NARROW = 8, WIDE = 32 };

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

static RtFn *phase(HnnKernel k, int32_t tile, int nin, int nout, const int64_t *elems, const bool *lane, RtPool *pool) {
  const RtFnSpec spec = {.kernel = k,
                         .info = {.tile = tile, .f64 = 1, .flop_per_sample = 5000},
                         .nin = nin,
                         .nout = nout,
                         .out_elems = elems,
                         .out_lane = lane};
  return rt_fn_create(&spec, pool);
}

static void test_phases(void) {
  static const int64_t one[] = {1, 1};
  static const bool first_lane[] = {true, false}, shared[] = {false, true};
  static const HnnRef first_in[] = {{-1, 0}, {-1, 1}}, second_in[] = {{-1, 0}, {1, 0}, {1, 1}}, from[] = {{3, 0}, {1, 0}};
  for (int threads = 1; threads <= 3; threads++) {
    RtPool *pool = rt_pool_create(threads);
    const RtPart part[5] = {[1] = {phase(first_phase, NARROW, 2, 2, one, first_lane, pool), 2, 2, first_in, one, first_lane},
                            [3] = {phase(second_phase, WIDE, 3, 1, one, shared, pool), 3, 1, second_in, one, shared}};
    const RtSplitSpec spec = {5, part, true, 2, 2, shared, one, from};
    RtFn *f = rt_fn_create_split(&spec);
    static const int64_t n[] = {5, 8, 32, 200, 40, 1000, 3};
    for (int k = 0; k < 7; k++) {
      RtArray x, weight, each;
      CU_ASSERT_TRUE_FATAL(rt_array_init(&x, "x", true, 0, NULL, n[k]) && rt_array_init(&weight, "w", true, 0, NULL, n[k]) &&
                           rt_array_init(&each, "e", true, 0, NULL, n[k]));
      double out = 0, mean = 0, want = 0;
      for (int64_t s = 0; s < n[k]; s++) {
        ((double *)x.v)[s] = cos((double)s), ((double *)weight.v)[s] = 1 / (double)n[k];
        mean += cos((double)s) / (double)n[k];
      }
      for (int64_t s = 0; s < n[k]; s++) want += cos((double)s) * (cos((double)s) - mean) / (double)n[k];
      rt_array_pad(&x);
      const HnnArg in[] = {{x.v, x.ld}, {weight.v, weight.ld}}, to[] = {{&out, 0}, {each.v, each.ld}};
      rt_fn_run(f, in, to, n[k], 0, 0);
      CU_ASSERT_DOUBLE_EQUAL(out, want, 1e-13);
      for (int64_t s = 0; s < n[k]; s++) CU_ASSERT_EQUAL(((double *)each.v)[s], cos((double)s) * (1 / (double)n[k]));
      rt_array_finish(&x);
      rt_array_finish(&weight);
      rt_array_finish(&each);
    }
    rt_fn_destroy(f);
    rt_pool_destroy(pool);
  }
}

const Suite suite = {"fn", (CU_TestInfo[]){{"arrays", test_arrays},
                                           {"finite", test_finite},
                                           {"far from overflow, and sums", test_moderate},
                                           {"pool", test_pool},
                                           {"float mode", test_float_mode},
                                           {"threads", test_threads},
                                           {"chunks", test_chunks},
                                           {"shared", test_shared},
                                           {"phases of different tiles", test_phases},
                                           CU_TEST_INFO_NULL}};
