/* Refilled lanes of adaptive trajectories (codegen/adaptive/refill.c): random functions with a trajectory whose samples take from a few
 * to hundreds of steps, some of which fail, against the evaluator, whose lanes are those of a tile; and the bits of all tiles at once,
 * of which samples wait for lanes, against those of one tile after the other, of which none do. */
#include "tests/common/codegen_util.h"
#include "tests/common/random_fn.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"
#include "passes/jets/jets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a function has beside the trajectory, drawn by bits. */
enum {
  NET = 1,          /* a product before it and in its rates */
  AGAIN = 2,        /* what comes before it is needed behind it, too */
  OWN_TIMES = 4,    /* each sample has times of its own */
  FEW = 8,          /* steps, too few for some samples */
  DRAW = 16,        /* before it */
  SUM = 32,         /* over the samples, behind it */
  SUM_BEFORE = 64,  /* and before it, of what is needed behind */
  DRAWN_RATES = 128 /* the rates draw */
};

static const Method method[] = {M_DOP853, M_TSIT5, M_TAYLOR, M_DOPRI5};

static Val input(Build *b, bool lane, int rank, uint32_t n) {
  return ir_input(b, "x", lane ? IN_FIELD : IN_PARAM, b->f->in.n, type_real(lane, rank, (uint32_t[]){n, n}));
}

static Val product(Build *b, Val w, Val x) { return ir_dot(b, w, x, false, (int[]){0, 1}, (int[]){1}, 1, (int[]){0}); }
static Val each(Build *b, Val s, Val like) { return ir_expand_to(b, s, ir_type(b->f, like)); }

/* y' = k (sin(W y)/5 - y/2): faster for some samples than for others. */
static Fn *rates(Fn *f, uint32_t n, int has) {
  Build t;
  ir_build_init(&t, ir_sub_create(f, "rates"));
  Val y = input(&t, true, 1, n);
  input(&t, true, 0, 0);
  Val k = input(&t, true, 0, 0), w = input(&t, false, 2, n), to = has & NET ? product(&t, w, y) : ir_mul(&t, y, ir_const(&t, 3));
  if (has & DRAWN_RATES)
    k = ir_mul(&t, k,
               ir_add(&t, ir_const(&t, 1), ir_mul(&t, ir_const(&t, 0), ir_rand(&t, 0, 5, VAL_NONE, type_real(true, 0, NULL)))));
  Val pull = ir_sub(&t, ir_mul(&t, ir_sin(&t, to), ir_const(&t, 0.2)), ir_mul(&t, y, ir_const(&t, 0.5)));
  ir_output(&t, ir_mul(&t, each(&t, k, pull), pull), "dy");
  ir_build_finish(&t);
  return t.f;
}

static Fn *function(Method m, uint32_t n, int has, bool f64) {
  Build b;
  ir_build_init(&b, ir_fn_create("case", f64));
  Val x = input(&b, true, 1, n), speed = input(&b, true, 0, 0), w = input(&b, false, 2, n),
      z = ir_tanh(&b, has & NET ? product(&b, w, x) : x);
  if (has & DRAW) z = ir_add(&b, z, ir_rand(&b, 1, 3, VAL_NONE, ir_type(b.f, x)));
  Val times = ir_table(&b, type_real(false, 1, (uint32_t[]){4}), (double[]){0, 0.4, 0.45, 1});
  if (has & OWN_TIMES) times = ir_mul(&b, times, ir_expand_to(&b, ir_cos(&b, speed), type_real(true, 1, (uint32_t[]){4})));
  Val before = has & SUM_BEFORE ? ir_batch_sum(&b, ir_mul(&b, z, z)) : VAL_NONE;
  const double tol = f64 ? 1e-8 : 1e-6;
  Val s = ir_ode(&b, m, &z, 1, times, (Val[]){ir_exp(&b, ir_mul(&b, speed, ir_const(&b, f64 ? 2.5 : 0.1))), w}, 2, tol, tol,
                 has & FEW ? 15 : 100000, rates(b.f, n, has));
  Val y = ir_proj(&b, s, 0), end = ir_index(&b, y, 0, 3);
  ir_output(&b, y, "y");
  ir_output(&b, has & AGAIN ? ir_mul(&b, end, ir_add(&b, z, ir_const(&b, 2))) : ir_neg(&b, end), "end");
  if (f64) ir_output(&b, ir_proj(&b, s, 1), "counts");
  if (has & SUM) ir_output(&b, ir_batch_sum(&b, ir_sin(&b, end)), "sum");
  if (before.id) ir_output(&b, before, "before");
  ir_build_finish(&b);
  Fn *g = pass_jets(NULL, b.f, NULL);
  ir_fn_destroy(b.f);
  return g;
}

static bool is_refilled(const Fn *f) {
  char *text = NULL;
  size_t size;
  FILE *to = open_memstream(&text, &size);
  Cg *cg = codegen_start(NULL, NULL);
  cg_add(cg, f, "f");
  cg_print_kernels(cg, to, NULL, NULL);
  fclose(to);
  const bool yes = strstr(text, "refilled") != NULL;
  cg_destroy(cg);
  free(text);
  return yes;
}

/* Of f on random inputs, the per-sample results, end to end; tiles in calls of `step`. */
static double *results(Cg *cg, const Fn *f, const Tensor *in, int64_t B, int64_t step, double steps[2], size_t *n) {
  enum { MOST = 8 };
  const HnnKernelInfo info = cg_info(cg, "f");
  const int64_t ld = (B + 63) / 64 * 64, tiles = (B + info.tile - 1) / info.tile;
  HnnArg a[MOST], o[MOST];
  for (uint32_t k = 0; k < f->in.n; k++) {
    const int64_t rows = type_count(in[k].type), width = in[k].type.lane ? ld : 1;
    double *p = aligned_alloc(64, (size_t)(rows * width * 8 + 63) / 64 * 64);
    for (int64_t e = 0; e < rows; e++)
      for (int64_t s = 0; s < width; s++) p[e * width + s] = in[k].v[in[k].type.lane ? e * B + (s < B ? s : B - 1) : e];
    a[k] = (HnnArg){p, width};
  }
  *n = 0;
  for (uint32_t k = 0; k < f->out.n; k++) {
    const Type t = ir_type(f, f->out.at[k]);
    *n += t.lane ? (size_t)(type_count(t) * ld) : 0;
    o[k] = (HnnArg){calloc((size_t)(type_count(t) * ld) + 8, 8), ld};
  }
  void *scratch = aligned_alloc(64, (size_t)(info.scratch_bytes + 63) / 64 * 64);
  for (int64_t t = 0; t < tiles; t += step) {
    const int64_t end = t + step < tiles ? t + step : tiles;
    const HnnCall call = {.in = a, .out = o, .tile0 = t, .tile1 = end, .scratch = scratch, .seed = 3, .samples = B, .steps = steps};
    cg_kernel(cg, "f")(&call);
  }
  double *all = malloc(*n * 8), *at = all;
  for (uint32_t k = 0; k < f->out.n; k++) {
    const Type t = ir_type(f, f->out.at[k]);
    if (t.lane) memcpy(at, o[k].p, (size_t)(type_count(t) * ld) * 8), at += type_count(t) * ld;
    free(o[k].p);
  }
  for (uint32_t k = 0; k < f->in.n; k++) free(a[k].p);
  free(scratch);
  return all;
}

static void check_bits(const Fn *f, int64_t B, uint64_t seed) {
  Tensor in[8];
  char err[256];
  double steps[2] = {0, 0}, apart_steps[2] = {0, 0};
  size_t n, m;
  random_inputs(f, B, seed, in);
  Cg *cg = codegen_start(NULL, NULL);
  cg_add(cg, f, "f");
  CU_ASSERT_FATAL(cg_compile(cg, err, sizeof err));
  double *all = results(cg, f, in, B, INT32_MAX, steps, &n), *apart = results(cg, f, in, B, 1, apart_steps, &m);
  CU_ASSERT(n == m && memcmp(all, apart, n * sizeof *all) == 0);
  CU_ASSERT(steps[0] == apart_steps[0] && steps[1] == apart_steps[1] && steps[0] > (double)B);
  free(all), free(apart);
  ir_tensors_free(in, f->in.n);
  cg_destroy(cg);
}

static void test_random(void) {
  uint64_t r = 12;
  for (int k = 0; k < OFTEN(24); k++) {
    const int has = k < 8 ? 1 << k : (int)random_below(&r, 64);
    const int sums = has & (SUM | SUM_BEFORE), drop = sums && has & FEW ? FEW : 0; /* sums of NaN say nothing */
    Fn *f = function(method[random_below(&r, 4)], 1 + random_below(&r, 4), has & ~drop, true);
    const int64_t B = k % 8 == 5 ? 700 : 30 + random_below(&r, 120);
    CU_ASSERT(has & SUM_BEFORE || is_refilled(f) == !(has & DRAWN_RATES));
    codegen_check(NULL, f, B, (uint64_t)k);
    if (!(has & DRAWN_RATES)) check_bits(f, B, (uint64_t)k);
    ir_fn_destroy(f);
  }
}

/* What cannot be made twice is not: then lanes are those of the tile. */
static void test_once(void) {
  Fn *f = function(M_TSIT5, 18, SUM_BEFORE | AGAIN | SUM, true);
  codegen_check(NULL, f, 70, 1);
  CU_ASSERT(!is_refilled(f));
  ir_fn_destroy(f);
}

static void test_machines(void) {
  const char *const cpu[] = {CODEGEN_PLAIN, CODEGEN_WIDER};
  for (int c = 0; c < 2 && cpu[c]; c++) {
    for (int f64 = 0; f64 < 2; f64++) {
      Fn *f = function(M_DOP853, 3, NET | AGAIN | OWN_TIMES | (f64 ? FEW : 0), f64);
      codegen_check(cpu[c], f, 100, (uint64_t)c);
      ir_fn_destroy(f);
    }
  }
}

const Suite suite = {"refill",
                     (CU_TestInfo[]){{"random", test_random}, {"once", test_once}, {"machines", test_machines}, CU_TEST_INFO_NULL}};
