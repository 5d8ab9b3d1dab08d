/* Compiled functions against the evaluator: a network, and random ones by the hundred. */
#include "tests/common/codegen_util.h"
#include "tests/common/random_fn.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- a network ------------------------------------------------------------------------------------------------- */

static uint32_t dims(uint32_t *d, uint32_t a, uint32_t b) {
  d[0] = a, d[1] = b;
  return 2;
}

static Val dense(Build *b, Val w, Val x, Val bias) { return ir_add(b, ir_matmul(b, w, x), bias); }

/* A two-layer network, the gradient of its energy by its input written by hand, all with sums over
 * the batch: the shape of a training step. */
static Fn *network(uint32_t h, uint32_t d, bool f64) {
  Fn *f = ir_fn_create("network", f64);
  Build b;
  uint32_t n[2];
  ir_build_init(&b, f);
  Val w1 = ir_input(&b, "w1", IN_PARAM, 0, type_real(false, (int)dims(n, h, d), n));
  Val b1 = ir_input(&b, "b1", IN_PARAM, 1, type_real(false, 1, &h));
  Val w2 = ir_input(&b, "w2", IN_PARAM, 2, type_real(false, (int)dims(n, h, h), n));
  Val b2 = ir_input(&b, "b2", IN_PARAM, 3, type_real(false, 1, &h));
  Val w3 = ir_input(&b, "w3", IN_PARAM, 4, type_real(false, 1, &h));
  Val x = ir_input(&b, "x", IN_FIELD, 0, type_real(true, 1, &d));
  Val weight = ir_input(&b, "weight", IN_WEIGHT, 0, type_scalar(true));
  Val one = ir_const(&b, 1);
  Val h1 = ir_tanh(&b, dense(&b, w1, x, b1)), h2 = ir_tanh(&b, dense(&b, w2, h1, b2));
  Val e = ir_matmul(&b, w3, h2);
  Val u2 = ir_mul(&b, w3, ir_sub(&b, one, ir_mul(&b, h2, h2)));
  int perm[2] = {1, 0};
  Val v1 = ir_matmul(&b, ir_transpose(&b, w2, perm), u2);
  Val u1 = ir_mul(&b, v1, ir_sub(&b, one, ir_mul(&b, h1, h1)));
  Val g = ir_matmul(&b, ir_transpose(&b, w1, perm), u1);
  ir_output(&b, e, "e");
  ir_output(&b, g, "g");
  Val wu = ir_mul(&b, u2, weight), wu1 = ir_mul(&b, u1, weight);
  ir_output(&b, ir_dot(&b, wu, h1, true, (int[]){0}, (int[]){1}, 2, (int[]){0, 1}), "dw2");
  ir_output(&b, ir_dot(&b, wu1, x, true, (int[]){0}, (int[]){1}, 2, (int[]){0, 1}), "dw1");
  ir_output(&b, ir_batch_sum(&b, wu), "db2");
  ir_output(&b, ir_batch_sum(&b, ir_mul(&b, e, weight)), "loss");
  ir_build_finish(&b);
  return f;
}

static void test_network(void) {
  static const uint32_t width[] = {1, 3, 13, 32, 50};
  for (size_t k = 0; k < sizeof width / sizeof *width; k++)
    for (int f64 = 0; f64 < 2; f64++) {
      Fn *f = network(width[k], 2 + (uint32_t)k, f64);
      codegen_check(NULL, f, 37, k);
      codegen_check(NULL, f, 200, k);
      codegen_check_form(NULL, CG_SINGLE, f, 1 + (int64_t)k, k);
      ir_fn_destroy(f);
    }
}

/* Wide enough for several blocks of a product, and for tails of each. */
static void test_network_single(void) {
  static const struct {
    uint32_t width;
    const char *cpu;
  } run[] = {{140, NULL}, {270, NULL}, {67, CODEGEN_PLAIN}};
  for (size_t k = 0; k < sizeof run / sizeof *run; k++)
    for (int f64 = 0; f64 < 2; f64++) {
      Fn *f = network(run[k].width, 3 + (uint32_t)k, f64);
      codegen_check_form(run[k].cpu, CG_SINGLE, f, 1 + (int64_t)k, k);
      ir_fn_destroy(f);
    }
}

/* ---- concatenations whose operands lie in them ------------------------------------------------------------------------ */

/* Rows a, b, a + b of n elements by an index table; a is read on its own, before and after, with `twice` in another concatenation,
 * and with `shown` the rows go out as well. */
static void rows_by_index(const char *cpu, uint32_t n, bool f64, bool twice, bool shown, int64_t B) {
  Fn *f = ir_fn_create("rows", f64);
  Build b;
  ir_build_init(&b, f);
  const uint32_t row[] = {1, n}, all[] = {3 * n};
  uint32_t *index = calloc(3 * n, sizeof *index), *early = index + 2 * n;
  for (uint32_t k = 0; k < 2 * n; k++) index[k] = (7 * k + 5) % (3 * n);
  for (uint32_t k = 0; k < n; k++) early[k] = index[k] % (2 * n);
  Val q = ir_input(&b, "q", IN_FIELD, 0, type_real(true, 1, &n)), a = ir_sin(&b, q);
  Val c = ir_add(&b, ir_mul(&b, q, ir_flip(&b, a, 0)), ir_exp(&b, q)), d = ir_add(&b, a, ir_flip(&b, c, 0));
  Val part[] = {ir_reshape(&b, a, 2, row), ir_reshape(&b, c, 2, row), ir_reshape(&b, d, 2, row)};
  Val rows = ir_concat(&b, part, 3, 0), taken = ir_take(&b, ir_reshape(&b, rows, 1, all), 0, index, 2 * n);
  ir_output(&b, taken, "taken");
  ir_output(&b, ir_mul(&b, ir_flip(&b, a, 0), ir_slice(&b, taken, 0, 1, n, 1)), "after");
  if (twice) ir_output(&b, ir_take(&b, ir_reshape(&b, ir_concat(&b, part, 2, 0), 1, (uint32_t[]){2 * n}), 0, early, n), "twice");
  if (shown) ir_output(&b, rows, "rows");
  ir_build_finish(&b);
  codegen_check_form(cpu, CG_SINGLE, f, B, n);
  ir_fn_destroy(f);
  free(index);
}

static void test_parts(void) {
  static const uint32_t size[] = {13, 16, 24, 40, 128};
  for (size_t k = 0; k < sizeof size / sizeof *size; k++)
    for (int way = 0; way < 8; way++)
      rows_by_index(way % 3 ? NULL : CODEGEN_PLAIN, size[k], way & 1, way & 2, way & 4, 1 + way % 2);
}

/* ---- tiles in pairs --------------------------------------------------------------------------------------------------- */

/* Products of few rows at several places, whose sums are split, products in a loop, draws, and sums over the batch. */
static Fn *many_products(bool f64) {
  Build b, t;
  const uint32_t n = 17;
  Fn *f = ir_fn_create("products", f64);
  ir_build_init(&b, f);
  Val w = ir_input(&b, "w", IN_PARAM, 0, type_real(false, 2, (uint32_t[]){n, n}));
  Val v = ir_input(&b, "v", IN_PARAM, 1, type_real(false, 2, (uint32_t[]){3, n}));
  Val x = ir_input(&b, "x", IN_FIELD, 0, type_real(true, 2, (uint32_t[]){n, 5}));
  Val h = ir_tanh(&b, ir_matmul(&b, w, ir_index(&b, x, 1, 2)));
  ir_build_init(&t, ir_sub_create(f, "turn"));
  Val ht = ir_input(&t, "h", IN_OTHER, 0, type_real(true, 1, &n)), wt = ir_input(&t, "w", IN_OTHER, 1, ir_type(f, w));
  ir_output(&t, ir_sin(&t, ir_matmul(&t, wt, ht)), "h");
  ir_build_finish(&t);
  Val last = ir_proj(&b, ir_scan(&b, (Val[]){h, w}, 2, 3, 1, 0, 0, 0, false, false, t.f), 0);
  ir_output(&b, ir_matmul(&b, v, ir_tanh(&b, x)), "y");
  ir_output(&b, ir_mul(&b, last, ir_rand(&b, 0, 1, VAL_NONE, type_real(true, 1, &n))), "drawn");
  ir_output(&b, ir_dot(&b, h, last, true, (int[]){0}, (int[]){1}, 2, (int[]){0, 1}), "dw");
  ir_output(&b, ir_batch_sum(&b, ir_mul(&b, h, last)), "sum");
  ir_build_finish(&b);
  return f;
}

enum { SAMPLES = 160 }; /* an odd number of vectors of f32, an even one of f64 */

static HnnArg *arrays(const Fn *f, bool outputs) {
  const uint32_t n = outputs ? f->out.n : f->in.n;
  HnnArg *a = calloc(n + 1, sizeof *a);
  for (uint32_t k = 0; k < n; k++) {
    const Type t = outputs ? ir_type(f, f->out.at[k]) : f->in.at[k].type;
    const int64_t elems = type_count(t) * (t.lane ? SAMPLES : 1);
    uint64_t seed = k + 1;
    a[k] = (HnnArg){aligned_alloc(64, (size_t)(elems + 8) / 8 * 64), SAMPLES};
    for (int64_t i = 0; i < elems; i++) {
      const double v = (double)random_below(&seed, 2000) / 1000 - 1;
      if (f->f64) ((double *)a[k].p)[i] = v;
      else ((float *)a[k].p)[i] = (float)v;
    }
  }
  return a;
}

static void drop(HnnArg *a, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) free(a[k].p);
  free(a);
}

/* f, made for so many samples, with all tiles in one call or each in its own. */
static HnnArg *run(const char *cpu, const Fn *f, int64_t made_for, int vectors, int at_once, bool each) {
  char err[256];
  Cg *cg = codegen_start(cpu, NULL);
  cg_add_for(cg, f, "f", made_for);
  CU_ASSERT_FATAL(cg_compile(cg, err, sizeof err));
  const HnnKernelInfo info = cg_info(cg, "f");
  CU_ASSERT_EQUAL(info.tile, vectors * (f->f64 ? 8 : 16));
  CU_ASSERT_EQUAL(info.at_once, at_once);
  HnnArg *in = arrays(f, false), *out = arrays(f, true);
  void *scratch = aligned_alloc(64, (size_t)(info.scratch_bytes + 63) / 64 * 64);
  const int64_t n = SAMPLES / info.tile, step = each ? 1 : n;
  for (int64_t t = 0; t < n; t += step) cg_kernel(cg, "f")(&(HnnCall){in, out, t, t + step, scratch, 7, 1000, SAMPLES});
  free(scratch);
  drop(in, f->in.n);
  cg_destroy(cg);
  return out;
}

/* Per sample the same to the bit; sums over the batch, which are of one order each, nearly. */
static void same(const Fn *f, HnnArg *a, HnnArg *b, bool sums) {
  for (uint32_t k = 0; k < f->out.n; k++) {
    const Type t = ir_type(f, f->out.at[k]);
    const int64_t elems = type_count(t) * (t.lane ? SAMPLES : 1);
    double off = 0;
    if (t.lane) CU_ASSERT(!memcmp(a[k].p, b[k].p, (size_t)elems * (f->f64 ? 8 : 4)));
    for (int64_t i = 0; i < elems && !t.lane && sums; i++)
      off = fmax(off, f->f64 ? fabs(((double *)a[k].p)[i] - ((double *)b[k].p)[i])
                             : fabs((double)((float *)a[k].p)[i] - (double)((float *)b[k].p)[i]));
    CU_ASSERT(off < (f->f64 ? 1e-13 : 1e-4));
  }
  drop(b, f->out.n);
}

/* What a sample gives does not depend on what its tile is done with, nor on how many tiles code is made for. */
static void test_pairs(void) {
  const char *cpu = CODEGEN_FULL;
  for (int f64 = 0; cpu && f64 < 2; f64++) {
    const int vl = f64 ? 8 : 16;
    Fn *f = many_products(f64);
    HnnArg *out = run(cpu, f, 0, 1, 2, false);
    same(f, out, run(cpu, f, 0, 1, 2, true), false);
    same(f, out, run(cpu, f, 13 * vl, 1, 2, false), true);
    same(f, out, run(cpu, f, 12 * vl, 2, 1, false), true);
    same(f, out, run(cpu, f, 1000 * vl + 1, 2, 1, false), true);
    drop(out, f->out.n);
    for (int64_t B = 1; B < 200; B = 3 * B + 14) codegen_check(cpu, f, B, (uint64_t)B);
    ir_fn_destroy(f);
    f = network(20, 3, f64);
    codegen_check(cpu, f, 200, 1);
    ir_fn_destroy(f);
  }
}

/* ---- random functions ----------------------------------------------------------------------------------------------- */

static void random_one(const char *cpu, CgForm form, uint64_t seed, bool f64, bool scans) {
  int k = (int)(seed % 100);
  RandomSpec spec = {.seed = seed, .size = 6 + k % 40, .f64 = f64, .scans = scans, .draws = k % 3 == 0, .fold = k % 2};
  Fn *f = random_fn(&spec);
  uint64_t s = seed;
  codegen_check_form(cpu, form, f, form == CG_SINGLE ? 1 + k % 5 : 1 + (int64_t)random_below(&s, 100), seed);
  ir_fn_destroy(f);
}

static void random_many(const char *cpu, uint64_t first, int count, bool f64, bool scans) {
  for (int k = 0; k < OFTEN(count); k++) random_one(cpu, CG_AUTO, first + (uint64_t)k, f64, scans);
}

static void test_random_pairs(void) {
  for (uint64_t k = 0; CODEGEN_FULL && k < (uint64_t)OFTEN(30); k++) random_one(CODEGEN_FULL, CG_AUTO, 7001 + k, k % 2, k % 3 == 0);
}

/* The same functions one sample at a time: vectors along elements, of which there are fewer. */
static void single_many(const char *cpu, uint64_t first, int count, bool f64, bool scans) {
  for (int k = 0; k < OFTEN(count); k++) {
    RandomSpec spec = {
      .seed = first + (uint64_t)k, .size = 6 + k % 40, .f64 = f64, .scans = scans, .draws = k % 3 == 0, .fold = k % 2};
    Fn *f = random_fn(&spec);
    codegen_check_form(cpu, CG_SINGLE, f, 1 + k % 5, spec.seed);
    ir_fn_destroy(f);
  }
}

static void test_single(void) {
  single_many(NULL, 1, 30, true, false);
  single_many(NULL, 1001, 30, false, false);
  single_many(NULL, 2001, 50, true, true);
  single_many(CODEGEN_PLAIN, 3001, 20, false, true);
  if (CODEGEN_WIDER) single_many(CODEGEN_WIDER, 3201, 20, true, true);
}

/* NaN, infinities and zeros of either sign among the inputs, in every form and at every width: the same results are not finite. */
static void special_many(const char *cpu, CgForm form, uint64_t first, int count, bool f64) {
  for (int k = 0; k < OFTEN(count); k++) {
    RandomSpec spec = {
      .seed = first + (uint64_t)k, .size = 4 + k % 24, .f64 = f64, .scans = k % 3 == 0, .special = true, .fold = k % 2};
    Fn *f = random_fn(&spec);
    uint64_t s = spec.seed;
    codegen_check_form(cpu, form, f, form == CG_SINGLE ? 1 + k % 5 : 1 + (int64_t)random_below(&s, 60), spec.seed | RANDOM_SPECIAL);
    ir_fn_destroy(f);
  }
}

static void test_special(void) {
  special_many(NULL, CG_AUTO, 5001, 60, true);
  special_many(NULL, CG_AUTO, 5101, 60, false);
  special_many(NULL, CG_SINGLE, 5201, 30, true);
  special_many(NULL, CG_SINGLE, 5301, 30, false);
  special_many(CODEGEN_PLAIN, CG_AUTO, 5401, 40, false);
  special_many(CODEGEN_PLAIN, CG_SINGLE, 5501, 15, true);
  if (CODEGEN_WIDER) special_many(CODEGEN_WIDER, CG_AUTO, 5601, 40, true);
}

static char **hunt; /* cpu form seed f64 scans: one random function only */
static void test_hunt(void) {
  random_one(strcmp(hunt[1], "host") ? hunt[1] : NULL, (CgForm)atoi(hunt[2]), strtoull(hunt[3], NULL, 10), atoi(hunt[4]),
             atoi(hunt[5]));
}

static void test_random64(void) { random_many(NULL, 1, 100, true, false); }
static void test_random32(void) { random_many(NULL, 1001, 100, false, false); }
static void test_random_loops(void) { random_many(NULL, 2001, 100, true, true); }
static void test_random_isas(void) {
  random_many(CODEGEN_PLAIN, 3001, 30, true, true);
  random_many(CODEGEN_PLAIN, 3101, 30, false, true);
  if (CODEGEN_WIDER) {
    random_many(CODEGEN_WIDER, 3201, 30, true, true);
    random_many(CODEGEN_WIDER, 3301, 30, false, true);
  }
}

static CU_TestInfo *arguments(int argc, char **argv) {
  static CU_TestInfo one[] = {{"one random function", test_hunt}, CU_TEST_INFO_NULL};
  hunt = argv;
  return argc == 6 ? one : suite.tests;
}

const Suite suite = {"codegen",
                     (CU_TestInfo[]){{"a network and its gradients", test_network},
                                     {"the same one sample at a time", test_network_single},
                                     {"random functions, f64", test_random64},
                                     {"random functions, f32", test_random32},
                                     {"random functions with loops", test_random_loops},
                                     {"random functions on other vector widths", test_random_isas},
                                     {"random functions, one sample at a time", test_single},
                                     {"random functions of what is not finite", test_special},
                                     {"concatenations whose operands lie in them", test_parts},
                                     {"tiles in pairs", test_pairs},
                                     {"random functions, tiles in pairs", test_random_pairs},
                                     CU_TEST_INFO_NULL},
                     .arguments = arguments};
