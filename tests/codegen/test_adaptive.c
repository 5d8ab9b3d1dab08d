/* Adaptive trajectories as generated code against the runtime's stepper, which the evaluator takes: methods, tiles and single
 * samples, times of all and of each, backwards, dense output, samples that fail; and that no sample's bits depend on others. */
#include "tests/common/codegen_util.h"
#include "tests/common/random_fn.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"
#include "passes/jets/jets.h"
#include "runtime/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const Method method[] = {M_DOPRI5, M_DOP853, M_TSIT5, M_GAUSS16, M_TAYLOR};
enum { METHODS = sizeof method / sizeof *method };

static Val input(Build *b, bool lane, int rank, uint32_t n) {
  return ir_input(b, "x", lane ? IN_FIELD : IN_PARAM, b->f->in.n, type_real(lane, rank, (uint32_t[]){n, n}));
}

/* With the series that `taylor` runs. */
static Fn *with_series(Fn *f) {
  Fn *g = pass_jets(NULL, f, NULL);
  ir_fn_destroy(f);
  return g;
}

static void finish(Build *b, const char *cpu, int64_t B) {
  ir_build_finish(b);
  b->f = with_series(b->f);
  codegen_check(cpu, b->f, B, (uint64_t)B);
  codegen_check_form(cpu, CG_SINGLE, b->f, B, (uint64_t)B);
  ir_fn_destroy(b->f);
}

static Val table(Build *b, uint32_t n, const double *v) { return ir_table(b, type_real(false, 1, &n), v); }

/* Three turns of c = tanh(c/2 + q) from a constant. */
static Val turns(Build *b, Val q, bool lane) {
  Build t;
  Type type = ir_type(b->f, q);
  Val zero = ir_splat(b, 0.1, type_real(false, type.rank, type.dim));
  ir_build_init(&t, ir_sub_create(b->f, "turn"));
  Val c = ir_input(&t, "c", IN_STATE, 0, type), x = ir_input(&t, "q", IN_OTHER, 0, type);
  ir_output(&t, ir_tanh(&t, ir_add(&t, ir_mul(&t, c, ir_const(&t, 0.5)), x)), "c");
  ir_build_finish(&t);
  return ir_proj(b, ir_scan(b, (Val[]){lane ? ir_spread(b, zero) : zero, q}, 2, 3, 1, 0, 0, 0, false, false, t.f), 0);
}

/* A pendulum for each element, with a force of each sample that grows with time, through W and a loop where there is a network. */
static Fn *pendulum(Fn *f, bool lane, uint32_t n, bool net) {
  Build t;
  ir_build_init(&t, ir_sub_create(f, "rates"));
  Val q = input(&t, lane, 1, n), p = input(&t, lane, 1, n), time = input(&t, lane, 0, 0), k = input(&t, false, 1, n);
  Val c = input(&t, lane, 1, n), w = input(&t, false, 2, n);
  if (net) q = ir_tanh(&t, ir_dot(&t, w, q, false, (int[]){0, 1}, (int[]){1}, 1, (int[]){0}));
  if (net) q = turns(&t, q, lane);
  Val pull = ir_mul(&t, k, ir_sin(&t, q)), push = ir_mul(&t, c, time);
  ir_output(&t, p, "dq");
  ir_output(&t, ir_sub(&t, ir_neg(&t, pull), push), "dp");
  ir_build_finish(&t);
  return t.f;
}

enum { SHARED, LANES, LANE_TIMES, KINDS };

static bool fixed; /* steps of one length, three between two times */

static void one(Method m, int kind, bool f64, uint32_t n, bool net, const double *at, const char *cpu) {
  Build b;
  const bool lane = kind != SHARED;
  const double tol = fixed ? 0 : f64 ? 1e-9 : 1e-6;
  ir_build_init(&b, ir_fn_create("case", f64));
  Val q = input(&b, lane, 1, n), p = input(&b, lane, 1, n), k = input(&b, false, 1, n), w = input(&b, false, 2, n);
  Val times = table(&b, 7, at);
  if (kind == LANE_TIMES) {
    Val stretch = ir_sin(&b, input(&b, true, 0, 0));
    times = ir_mul(&b, times, ir_expand_to(&b, stretch, type_real(true, 1, (uint32_t[]){7})));
  }
  Val s = ir_ode(&b, m, (Val[]){q, p}, 2, times, (Val[]){k, ir_mul(&b, q, q), w}, 3, tol, tol, fixed ? 3 : 1000000,
                 pendulum(b.f, lane, n, net));
  ir_output(&b, ir_proj(&b, s, 0), "q");
  ir_output(&b, ir_index(&b, ir_proj(&b, s, 1), 0, 6), "p");
  if (f64) ir_output(&b, ir_proj(&b, s, 2), "counts"); /* the evaluator has f64: of f32, steps may differ by one */
  finish(&b, cpu, 19);
}

static const double forward[7] = {0, 0.02, 0.25, 0.26, 0.5, 0.9, 1}, backward[7] = {0.3, 0.2, 0.1, -0.3, -0.31, -0.32, -0.7};
static const double again[7] = {0.5, 0.5, 0.6, 0.6, 0.9, 1.2, 1.2};

static void test_methods(void) {
  static const uint32_t size[] = {1, 3, 18};
  for (int m = 0; m < METHODS; m++)
    for (int kind = 0; kind < KINDS; kind++)
      for (int s = 0; s < 3; s++) {
        if (SANITIZED && (m + kind + s) % 3) continue;
        one(method[m], kind, true, size[s], s == 2, kind == LANES ? backward : forward, NULL);
        one(method[m], kind, false, size[s], s == 1, s == 0 ? again : forward, NULL);
      }
}

static void test_fixed(void) {
  fixed = true;
  for (int kind = 0; kind < KINDS; kind++)
    for (int f64 = 0; f64 < 2; f64++)
      one(M_GAUSS16, kind, f64, kind == LANES ? 18 : 3, false, kind == LANES ? backward : again, NULL);
  fixed = false;
}

static void test_machines(void) {
  const char *const cpu[] = {CODEGEN_PLAIN, CODEGEN_WIDER};
  for (int c = 0; c < 2 && cpu[c] && !(SANITIZED && c); c++)
    for (int m = 0; m < METHODS; m++)
      for (int f64 = 0; f64 < 2; f64++) {
        one(method[m], LANES, f64, 3, true, again, cpu[c]);
        one(method[m], LANE_TIMES, f64, 18, false, backward, cpu[c]);
      }
}

/* ---- series of neighbours ------------------------------------------------------------------------------------------ */

static Val rolled(Build *b, Val x, uint32_t by) {
  const uint32_t n = ir_type(b->f, x).dim[0];
  return ir_concat(b, (Val[]){ir_slice(b, x, 0, by, n - by, 1), ir_slice(b, x, 0, 0, by, 1)}, 2, 0);
}

/* One more value of a program that reads others at their places, shifted, or a part of them alone. */
static Val next_value(Build *b, uint64_t *r, Val x, Val y) {
  const uint32_t n = ir_type(b->f, x).dim[0], by = 1 + random_below(r, n - 1), left = n - by;
  Val half = ir_mul(b, y, ir_const(b, 0.5)), square = ir_add(b, ir_mul(b, x, x), ir_const(b, 2));
  switch (random_below(r, 8)) {
  case 0: return ir_mul(b, x, half);
  case 1: return ir_sub(b, ir_mul(b, x, x), half);
  case 2: return ir_mul(b, rolled(b, x, by), half);
  case 3: return ir_sub(b, half, rolled(b, ir_mul(b, y, x), n - 1));
  case 4: return ir_unslice(b, ir_mul(b, ir_slice(b, x, 0, by, left, 1), ir_slice(b, y, 0, 0, left, 1)), 0, by / 2, 1, n);
  case 5: return ir_div(b, half, square);
  case 6: return ir_sin(b, ir_sub(b, rolled(b, x, by), y));
  default: return ir_concat(b, (Val[]){ir_slice(b, half, 0, left, by, 1), ir_sqrt(b, ir_slice(b, square, 0, 0, left, 1))}, 2, 0);
  }
}

static Fn *neighbours(Fn *f, bool lane, uint32_t n, uint32_t count, uint64_t *r) {
  Build t;
  Val v[64];
  ir_build_init(&t, ir_sub_create(f, "rates"));
  v[0] = input(&t, lane, 1, n), v[1] = input(&t, lane, 1, n);
  input(&t, lane, 0, 0);
  v[2] = ir_mul(&t, v[0], input(&t, false, 1, n));
  for (uint32_t k = 3; k < count + 3; k++)
    v[k] = next_value(&t, r, v[k - 1 - random_below(r, k < 5 ? k : 5)], v[random_below(r, k)]);
  ir_output(&t, v[count + 1], "dq");
  ir_output(&t, ir_sub(&t, ir_mul(&t, v[count + 2], ir_const(&t, 0.5)), v[0]), "dp");
  ir_build_finish(&t);
  return t.f;
}

static void chain(uint64_t seed, uint32_t n, uint32_t count, bool lane, bool f64, int64_t B, const char *cpu) {
  Build b;
  uint64_t r = seed;
  ir_build_init(&b, ir_fn_create("case", f64));
  Val q = input(&b, lane, 1, n), p = input(&b, lane, 1, n), k = input(&b, false, 1, n);
  Val times = table(&b, 3, (double[]){0, 0.1, 0.15});
  Val s = ir_ode(&b, M_TAYLOR, (Val[]){q, p}, 2, times, &k, 1, f64 ? 1e-9 : 1e-5, f64 ? 1e-9 : 1e-5, 1000000,
                 neighbours(b.f, lane, n, count, &r));
  ir_output(&b, ir_proj(&b, s, 0), "q");
  ir_output(&b, ir_proj(&b, s, 1), "p");
  finish(&b, cpu, B);
}

static void test_neighbours(void) {
  static const uint32_t size[] = {7, 13, 16, 37, 64};
  for (uint64_t k = 0; k < OFTEN(10); k++) chain(k + 1, size[k % 5], 3 + k % 6, k % 3 > 0, k % 4 > 0, k % 2 ? 1 : 9, NULL);
}

/* y' = A(y)^-1 y + L(y) y - log |det A(y)| y/20 by series, L L^T = A = y y^T + (4, 5, ...). */
static void test_systems(void) {
  for (int k = 0; k < 4; k++) {
    const bool lane = k & 1;
    const uint32_t n = k < 2 ? 2 : 5;
    Build b, t;
    ir_build_init(&b, ir_fn_create("case", true));
    Val x = input(&b, lane, 1, n), times = table(&b, 3, (double[]){0, 0.1, 0.3});
    ir_build_init(&t, ir_sub_create(b.f, "rates"));
    Val y = input(&t, lane, 1, n);
    input(&t, lane, 0, 0);
    Val d = ir_diag(&t, ir_add(&t, ir_iota(&t, n), ir_const(&t, 4)));
    Val a = ir_add(&t, ir_mul(&t, ir_expand(&t, y, 0, n), ir_expand(&t, y, 1, n)), d), lu = ir_lu(&t, a);
    Val rate = ir_add(&t, ir_lu_solve(&t, lu, y, false), ir_matmul(&t, ir_cholesky(&t, a), y));
    Val by = ir_mul(&t, ir_logdet(&t, lu), ir_const(&t, 0.05));
    ir_output(&t, ir_sub(&t, rate, ir_mul(&t, ir_expand_to(&t, by, ir_type(t.f, y)), y)), "dy");
    ir_build_finish(&t);
    Val s = ir_ode(&b, M_TAYLOR, &x, 1, times, NULL, 0, 1e-10, 1e-10, 1000000, t.f);
    ir_output(&b, ir_proj(&b, s, 0), "y");
    finish(&b, NULL, lane ? 9 : 1);
  }
}

/* ---- kinks ----------------------------------------------------------------------------------------------------------- */

/* q'' = -sign(q) from rest at q = a: parabolas, of period 4 sqrt(2 a), with a jump at 0; and r' = |q| + max(r, w t) - r, which bends. */
static Fn *bouncing(Fn *f, bool lane, uint32_t n) {
  Build t;
  ir_build_init(&t, ir_sub_create(f, "rates"));
  Val q = input(&t, lane, 1, n), p = input(&t, lane, 1, n), r = input(&t, lane, 1, n), time = input(&t, lane, 0, 0);
  Val w = input(&t, false, 1, n), most = ir_max(&t, r, ir_mul(&t, w, time)), none = ir_const(&t, 0);
  ir_output(&t, p, "dq");
  ir_output(&t, ir_select(&t, ir_lt(&t, none, q), ir_const(&t, -1), ir_const(&t, 1)), "dp");
  ir_output(&t, ir_sub(&t, ir_add(&t, ir_relu(&t, q), most), r), "dr");
  ir_build_finish(&t);
  return t.f;
}

static Fn *kinked(bool lane, uint32_t n, double tol, bool f64) {
  Build b;
  ir_build_init(&b, ir_fn_create("case", f64));
  Val q = input(&b, lane, 1, n), w = input(&b, false, 1, n), one = ir_const(&b, 1), times;
  times = table(&b, 4, f64 ? (double[]){0, 2, 5.5, 9} : (double[]){0, 0.5, 1.6, 2.4}); /* in f32 each kink costs some digits */
  Val a = ir_add(&b, ir_mul(&b, q, ir_mul(&b, q, ir_const(&b, 0.1))), one), none = ir_mul(&b, q, ir_const(&b, 0));
  Val s = ir_ode(&b, M_TAYLOR, (Val[]){a, none, q}, 3, times, &w, 1, tol, tol, 1000000, bouncing(b.f, lane, n));
  ir_output(&b, ir_proj(&b, s, 0), "q");
  ir_output(&b, ir_proj(&b, s, 2), "r");
  ir_output(&b, a, "a");
  ir_build_finish(&b);
  return with_series(b.f);
}

static void test_kinks(void) {
  for (int k = 0; k < 6; k++) {
    Fn *f = kinked(k % 3 > 0, k % 3 == 1 ? 1 : 5, k < 3 ? 1e-10 : 1e-6, k < 3);
    codegen_check(NULL, f, 19, (uint64_t)k);
    codegen_check_form(NULL, CG_SINGLE, f, 19, (uint64_t)k);
    ir_fn_destroy(f);
  }
}

/* The position at time t: half a period on one side, as a parabola, and half on the other. */
static double parabola(double a, double t) {
  const double quarter = sqrt(2 * a), half = floor((t + quarter) / (2 * quarter)), x = t - 2 * quarter * half;
  return (fmod(half, 2) == 0 ? 1 : -1) * (a - x * x / 2);
}

static void test_bounces(void) {
  enum { S = 5 };
  static const double at[] = {0, 2, 5.5, 9};
  Fn *f = kinked(true, 1, 1e-12, true);
  Tensor *in = base_zeroed(f->in.n, sizeof *in), out[3];
  char err[128];
  random_inputs(f, S, 3, in);
  CU_ASSERT_FATAL(ir_eval(f, S, in, out, &(EvalEnv){.ode = rt_ode}, err, sizeof err));
  for (int k = 0; k < 4; k++)
    for (int s = 0; s < S; s++) CU_ASSERT_DOUBLE_EQUAL(out[0].v[k * S + s], parabola(out[2].v[s], at[k]), 1e-10);
  ir_tensors_free(out, 3), ir_tensors_free(in, f->in.n);
  base_free(in);
  ir_fn_destroy(f);
}

/* y' = y^2 from 1 + x: ends at t = 1/(1 + x), for some samples before the last time, for some behind it. Few steps are too few
 * for some. Times of samples that are in no order. */
static void test_failures(void) {
  for (int m = 0; m < METHODS; m++)
    for (int kind = 0; kind < 3; kind++) {
      Build b, t;
      ir_build_init(&b, ir_fn_create("case", true));
      Val x = input(&b, true, 1, 2), y = ir_add(&b, x, ir_const(&b, 1)), times = table(&b, 3, (double[]){0, 0.3, 0.8});
      if (kind == 2) times = ir_mul(&b, times, input(&b, true, 1, 3));
      ir_build_init(&t, ir_sub_create(b.f, "rates"));
      Val y0 = input(&t, true, 1, 2);
      input(&t, true, 0, 0);
      ir_output(&t, ir_mul(&t, y0, y0), "dy");
      ir_build_finish(&t);
      Val s = ir_ode(&b, method[m], &y, 1, times, NULL, 0, 1e-8, 1e-8, kind == 1 ? 9 : 1000000, t.f);
      ir_output(&b, ir_proj(&b, s, 0), "y");
      ir_output(&b, ir_proj(&b, s, 1), "counts");
      finish(&b, NULL, 41);
    }
}

/* ---- exact, and apart ---------------------------------------------------------------------------------------------------- */

/* A planar orbit around 1, to the end of a period and half of one. */
static Fn *kepler(Method m, double rtol, bool f64) {
  Build b, t;
  ir_build_init(&b, ir_fn_create("case", f64));
  Val q = input(&b, true, 1, 2), p = input(&b, true, 1, 2);
  ir_build_init(&t, ir_sub_create(b.f, "rates"));
  Val q0 = input(&t, true, 1, 2), p0 = input(&t, true, 1, 2);
  input(&t, true, 0, 0);
  Val r2 = ir_dot(&t, q0, q0, false, (int[]){0}, (int[]){0}, 0, NULL), r = ir_sqrt(&t, r2);
  ir_output(&t, p0, "dq");
  ir_output(&t, ir_neg(&t, ir_div(&t, q0, ir_expand_to(&t, ir_mul(&t, r2, r), ir_type(t.f, q0)))), "dp");
  ir_build_finish(&t);
  const double pi = 3.14159265358979323846;
  Val s = ir_ode(&b, m, (Val[]){q, p}, 2, table(&b, 3, (double[]){0, pi, 2 * pi}), NULL, 0, rtol, rtol, 1000000, t.f);
  ir_output(&b, ir_proj(&b, s, 0), "q");
  ir_build_finish(&b);
  return with_series(b.f);
}

enum { SAMPLES = 37, LD = 64 };

/* q at the three times, [3][2][LD], of orbits of eccentricities e, and the steps of all of them. */
static void run(Cg *cg, const double *e, double *out, double steps[2]) {
  double q[2 * LD], p[2 * LD];
  HnnKernelInfo info = cg_info(cg, "f");
  for (int s = 0; s < LD; s++) {
    const double x = e[s < SAMPLES ? s : SAMPLES - 1];
    q[s] = 1 - x, q[LD + s] = 0, p[s] = 0, p[LD + s] = sqrt((1 + x) / (1 - x));
  }
  HnnArg in[2] = {{q, LD}, {p, LD}}, o = {out, LD};
  void *scratch = aligned_alloc(64, (size_t)(info.scratch_bytes + 127) / 64 * 64);
  const HnnCall call = {
    .in = in, .out = &o, .tile1 = (SAMPLES + info.tile - 1) / info.tile, .scratch = scratch, .samples = SAMPLES, .steps = steps};
  cg_kernel(cg, "f")(&call);
  free(scratch);
}

static void test_kepler(void) {
  static const double rtol[] = {1e-5, 1e-8, 1e-11};
  double e[SAMPLES], swapped[SAMPLES], out[6 * LD], other[6 * LD], before = 0;
  char err[256];
  for (int s = 0; s < SAMPLES; s++) e[s] = 0.7 * s / SAMPLES, swapped[SAMPLES - 1 - s] = e[s];
  for (int m = 0; m < METHODS; m++)
    for (int k = 0; k < 3; k++) {
      Fn *f = kepler(method[m], rtol[k], true);
      Cg *cg = codegen_start(NULL, NULL);
      cg_add(cg, f, "f");
      CU_ASSERT_FATAL(cg_compile(cg, err, sizeof err));
      double steps[2] = {0, 0}, again_steps[2] = {0, 0};
      run(cg, e, out, steps);
      run(cg, swapped, other, again_steps);
      /* copies behind the samples are not counted: those of the other order are of another sample */
      CU_ASSERT(steps[0] == again_steps[0] && steps[1] == again_steps[1] && steps[0] > SAMPLES);
      double worst = 0;
      for (int s = 0; s < SAMPLES; s++) {
        worst = fmax(worst, fabs(out[2 * LD + s] + 1 + e[s]) + fabs(out[4 * LD + s] - (1 - e[s])) + fabs(out[5 * LD + s]));
        for (int d = 0; d < 6; d++) CU_ASSERT_EQUAL(out[d * LD + s], other[d * LD + SAMPLES - 1 - s]);
      }
      CU_ASSERT(worst < 3e3 * rtol[k]);
      CU_ASSERT(k == 0 || worst < before / 30); /* the tolerance is heard */
      before = worst;
      cg_destroy(cg);
      ir_fn_destroy(f);
    }
}

/* Code for a machine that is not here. */
static void test_aarch64(void) {
  char err[256] = "", path[] = "/tmp/hnnc-object-XXXXXX", name[16];
  Cg *cg = cg_create(&(CgOptions){.triple = "aarch64-unknown-linux-gnu", .opt = 1}, err, sizeof err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(cg);
  for (int m = 0; m < METHODS; m++)
    for (int f64 = 0; f64 < 2; f64++) {
      Fn *f = kepler(method[m], 1e-6, f64);
      snprintf(name, sizeof name, "f%d%d", m, f64);
      cg_add(cg, f, name);
      ir_fn_destroy(f);
    }
  close(mkstemp(path));
  CU_ASSERT_TRUE(cg_write_object(cg, path, err, sizeof err));
  struct stat st;
  CU_ASSERT_TRUE(stat(path, &st) == 0 && st.st_size > 10000);
  unlink(path);
  cg_destroy(cg);
}

const Suite suite = {"adaptive", (CU_TestInfo[]){{"methods", test_methods},
                                                 {"steps of one length", test_fixed},
                                                 {"machines", test_machines},
                                                 {"failures", test_failures},
                                                 {"neighbours", test_neighbours},
                                                 {"systems by series", test_systems},
                                                 {"kinks", test_kinks},
                                                 {"bounces", test_bounces},
                                                 {"kepler", test_kepler},
                                                 {"aarch64", test_aarch64},
                                                 CU_TEST_INFO_NULL}};
