/* Derivatives of adaptive trajectories: against differences of the discrete solution with its steps held, forwards against backwards,
 * by times, and as generated code against the evaluator; methods, samples with steps of their own, dense output, both directions
 * of time. */
#include "tests/common/codegen_util.h"
#include "tests/common/cunit_main.h"
#include "tests/common/derive_util.h"
#include "tests/common/often.h"
#include "runtime/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Case {
  Method m;
  bool lane, net, f64, ends; /* ends: two times alone */
  uint32_t n;
  double tol, dir;
} Case;

static const Method method[] = {M_DOPRI5, M_TSIT5, M_DOP853, M_GAUSS16, M_TAYLOR};
enum { METHODS = sizeof method / sizeof *method };
enum { POINTS = 7, INPUTS = 5 };

static const double at[POINTS] = {0, 0, 0.02, 0.5, 0.55, 1.3, 2};

static Val times_of(Build *b, const Case *c) {
  const uint32_t n = c->ends ? 2 : POINTS;
  double t[POINTS];
  for (uint32_t k = 0; k < n; k++) t[k] = 0.1 + c->dir * at[c->ends ? k * (POINTS - 1) : k];
  return ir_table(b, type_real(false, 1, &n), t);
}

/* q, p, then what does not change: a force of each sample, constants and weights of all. */
static void inputs(Build *b, const Case *c, Val *x) {
  const Type own = dims(c->lane, 1, c->n, 0, 0), all = dims(false, 1, c->n, 0, 0), square = dims(false, 2, c->n, c->n, 0);
  const Type type[INPUTS] = {own, own, own, all, square};
  for (int k = 0; k < INPUTS; k++) x[k] = ir_input(b, "x", type[k].lane ? IN_FIELD : IN_PARAM, b->f->in.n, type[k]);
}

/* Pendulums that a force of the time pushes, coupled where there is a network. */
static void rates(Build *t, const Case *c, const Val *x, Val time, Val *dq, Val *dp) {
  Val q = x[0];
  if (c->net) q = ir_tanh(t, ir_dot(t, x[4], q, false, (int[]){0, 1}, (int[]){1}, 1, (int[]){0}));
  Val pull = ir_mul(t, x[3], ir_sin(t, ir_mul(t, q, ir_const(t, 3))));
  *dq = ir_mul(t, x[1], ir_cos(t, x[0]));
  *dp = ir_sub(t, ir_neg(t, pull), ir_mul(t, x[2], ir_mul(t, time, time)));
}

/* Trajectories from x; where `held`, of states that take the steps of those from it. */
static Val ode(Build *b, const Case *c, const Val *x, const Val *held, Val times, Val *out) {
  Build t;
  Val in[2][INPUTS], args[4], inv[2 * INPUTS], dy[4];
  const uint32_t sets = held ? 2 : 1;
  uint32_t n = 0, m = 0;
  ir_build_init(&t, ir_sub_create(b->f, "rates"));
  for (uint32_t s = 0; s < sets; s++)
    for (int k = 0; k < 2; k++) args[n++] = s ? held[k] : x[k], in[s][k] = ir_input(&t, "y", IN_STATE, k, ir_type(b->f, x[k]));
  Val time = ir_input(&t, "t", IN_OTHER, 0, type_scalar(c->lane));
  for (uint32_t s = 0; s < sets; s++)
    for (int k = 2; k < INPUTS; k++) inv[m++] = s ? held[k] : x[k], in[s][k] = ir_input(&t, "c", IN_OTHER, 0, ir_type(b->f, x[k]));
  for (uint32_t s = 0; s < sets; s++) rates(&t, c, in[s], time, &dy[2 * s], &dy[2 * s + 1]);
  for (uint32_t k = 0; k < n; k++) ir_output(&t, dy[k], NULL);
  ir_build_finish(&t);
  ode_attr attr = {.method = c->m, .states = n, .max_steps = 300, .watched = 2};
  memcpy(&attr.rtol, &c->tol, sizeof c->tol);
  memcpy(&attr.atol, &c->tol, sizeof c->tol);
  Val v = ir_ode_as(b, &attr, args, times, inv, m, t.f);
  out[0] = ir_proj(b, v, n - 2), out[1] = ir_proj(b, v, n - 1);
  return v;
}

static Fn *begin(Build *b, const Case *c, const char *name) {
  Fn *f = ir_fn_create(name, c->f64);
  ir_build_init(b, f);
  return f;
}

/* An uneven sum of squares. */
static Val uneven(Build *b, Val y) {
  const Type t = ir_type(b->f, y);
  double w[POINTS * 20];
  for (int64_t k = 0; k < type_count(t); k++) w[k] = 0.5 + 0.4 * sin(3.0 * (double)k + 1);
  return ir_sum_all(b, ir_mul(b, ir_table(b, pass_type_with(t, false), w), ir_mul(b, y, y)));
}

static Fn *scalar(const Case *c, bool held) {
  Build b;
  Val x[INPUTS], moved[INPUTS], out[2];
  Fn *f = begin(&b, c, "f");
  inputs(&b, c, x);
  if (held) inputs(&b, c, moved);
  ode(&b, c, x, held ? moved : NULL, times_of(&b, c), out);
  ir_output(&b, ir_add(&b, uneven(&b, out[0]), ir_mul(&b, ir_const(&b, 0.3), uneven(&b, out[1]))), "e");
  ir_build_finish(&b);
  return f;
}

/* Fills the second half of the inputs with what the first has. */
static void same(Tensor *in) {
  for (int k = 0; k < INPUTS; k++) memcpy(in[INPUTS + k].v, in[k].v, size_of(in[k].type) * sizeof(double));
}

static bool is_near(double a, double b, double tol) {
  if (fabs(a - b) <= tol * (1 + fabs(a) + fabs(b))) return true;
  printf("\n%.15g, wanted %.15g\n", a, b);
  return false;
}

static Case varied(int k, double tol) {
  return (Case){.m = method[k % METHODS],
                .lane = k / METHODS % 3 != 1,
                .net = k / 2 % 2,
                .f64 = true,
                .ends = k % 6 == 5,
                .n = 1 + (uint32_t)k % 3,
                .tol = tol,
                .dir = k % 2 ? 1 : -1};
}

/* With its steps held the solution is a function whose differences can be taken. */
static void test_held(void) {
  int wrong = 0;
  for (int k = 0; k < OFTEN(16); k++) {
    const Case c = varied(k, k % 3 ? 1e-2 : 1e-3);
    Fn *held = scalar(&c, true), *f = scalar(&c, false), *g = derive_or_fail(gradient_of(f, true));
    Tensor *in = draw_inputs(held, -1.2, 1.2), *out = NULL;
    same(in);
    out = evaluate(g, in);
    for (uint32_t i = 0; i < INPUTS; i++)
      for (int64_t j = 0; j < type_count(in[i].type); j++)
        for (int s = 0; s < (in[i].type.lane ? SAMPLES : 1); s++) {
          double d[SAMPLES] = {0}, sum = 0;
          differences(held, in, INPUTS + i, (size_t)j, in[i].type.lane ? s : -1, 2e-4, d);
          for (int l = 0; l < (c.lane ? SAMPLES : 1); l++) sum += d[l];
          const double have = out[1 + i].v[(size_t)j * (in[i].type.lane ? SAMPLES : 1) + (size_t)s];
          wrong += !is_near(have, sum, 1e-8);
        }
    free_outputs(g, out);
    free_inputs(in, held->in.n);
    ir_fn_destroy(held), ir_fn_destroy(f), ir_fn_destroy(g);
  }
  CU_ASSERT_EQUAL(wrong, 0);
}

/* <v, J u> = <J^T v, u>, which is exact whatever the steps. */
static void test_transposed(void) {
  for (int k = 0; k < OFTEN(16); k++) {
    Build b;
    Val x[INPUTS], out[2];
    const Case c = varied(k, 1e-3);
    Fn *f = begin(&b, &c, "f");
    inputs(&b, &c, x);
    ode(&b, &c, x, NULL, times_of(&b, &c), out);
    ir_output(&b, ir_concat(&b, out, 2, 0), "y");
    ir_build_finish(&b);
    check_transposed(f);
    ir_fn_destroy(f);
  }
}

/* By everything, times among it, which may be of each sample. */
static Fn *timed(const Case *c, bool own) {
  Build b;
  Val x[INPUTS], out[2];
  Fn *f = begin(&b, c, "f");
  const Type t = type_real(own, 1, (uint32_t[]){POINTS});
  inputs(&b, c, x);
  Val scale = ir_input(&b, "s", IN_OTHER, 0, type_scalar(own)), shift = ir_input(&b, "s", IN_OTHER, 0, type_scalar(own));
  Val stretch = ir_add(&b, ir_const(&b, 1.3), ir_mul(&b, ir_const(&b, 0.3), scale));
  Val times = ir_mul(&b, times_of(&b, c), ir_expand_to(&b, stretch, t));
  times = ir_add(&b, times, ir_mul(&b, ir_expand_to(&b, shift, t), ir_table(&b, pass_type_with(t, false), at)));
  ode(&b, c, x, NULL, times, out);
  ir_output(&b, ir_add(&b, uneven(&b, out[0]), uneven(&b, out[1])), "e");
  ir_build_finish(&b);
  return f;
}

/* To what the tolerance leaves. */
static void test_times(void) {
  for (int k = 0; k < 8; k++) {
    const Case c = {
      .m = method[k % METHODS], .lane = true, .net = k / 2 % 2, .f64 = true, .n = 2, .tol = 1e-10, .dir = k % 2 ? 1 : -1};
    check_gradient(timed(&c, k > 3), -0.5, 0.5, 1e-6);
  }
}

/* In f32 the error estimates are other ones by rounding, and so are the steps: what differs is a part of the tolerance. */
#define F32_TOLERANCE 1e-2

static void check_code(const Fn *g) {
  char err[512];
  Cg *cg = codegen_start(NULL, NULL);
  Tensor *in = draw_inputs(g, -0.6, 0.6);
  cg_add(cg, g, "f");
  CU_ASSERT_FATAL(cg_compile(cg, err, sizeof err));
  CU_ASSERT(codegen_difference(cg, g, "f", SAMPLES, in, false) < (g->f64 ? 1e-11 : F32_TOLERANCE));
  free_inputs(in, g->in.n);
  cg_destroy(cg);
}

/* The gradient as generated code, and where samples need all kinds of numbers of steps. */
static void test_code(void) {
  for (int k = 0; k < OFTEN(16); k++) {
    const Case c = {.m = method[k % METHODS],
                    .lane = k / METHODS % 3 != 1,
                    .net = k / 2 % 2,
                    .f64 = k % 3 != 1,
                    .ends = k % 6 == 5,
                    .n = k == 7 ? 18 : 3,
                    .tol = k % 3 != 1 ? 1e-6 : F32_TOLERANCE,
                    .dir = k % 2 ? 1 : -1};
    Fn *f = scalar(&c, false), *g = derive_or_fail(gradient_of(f, k % 2));
    g->f64 = c.f64;
    check_code(g);
    if (k < 4 && c.f64) codegen_check_form(NULL, CG_SINGLE, g, 5, (uint64_t)k);
    ir_fn_destroy(f), ir_fn_destroy(g);
  }
  for (int k = 0; k < METHODS; k++) {
    const Case c = {.m = method[k], .lane = true, .f64 = true, .n = 2, .tol = 1e-6, .dir = 1};
    Fn *f = timed(&c, k % 2), *g = derive_or_fail(gradient_of(f, true));
    check_code(g);
    ir_fn_destroy(f), ir_fn_destroy(g);
  }
}

/* Samples that use up their steps have no number for a solution, nor for a gradient; the others have theirs. */
static void test_failures(void) {
  for (int k = 0; k < METHODS; k++) {
    const Case c = {.m = method[k], .lane = true, .f64 = true, .n = 2, .tol = 1e-9, .dir = 1};
    Fn *f = scalar(&c, false);
    for (uint32_t i = 1; i < f->inst.n; i++) /* as many as some samples need */
      if (f->inst.at[i].op == OP_ode) f->attr.at[f->inst.at[i].attr + 4] = k == 2 ? 14 : k > 2 ? 9 : 45;
    Fn *g = derive_or_fail(gradient_of(f, false));
    codegen_check(NULL, g, 19, 3);
    ir_fn_destroy(f), ir_fn_destroy(g);
  }
}

static int begin_tests(void) {
  derive_ode = rt_ode;
  return 0;
}

const Suite suite = {"adaptive derivatives",
                     (CU_TestInfo[]){{"steps held", test_held},
                                     {"transposed", test_transposed},
                                     {"times", test_times},
                                     {"code", test_code},
                                     {"failures", test_failures},
                                     CU_TEST_INFO_NULL},
                     begin_tests};
