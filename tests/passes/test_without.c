/* What stands for operators that a target lacks has their values: of random functions, of each elementwise operator at the edge, of
 * matrices; by the reference evaluator. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "passes/passes.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"
#include "tests/common/random_fn.h"

static void eval(const Fn *f, int64_t B, const Tensor *in, Tensor *out) {
  char err[200] = "";
  const bool good = ir_eval(f, B, in, out, NULL, err, sizeof err);
  if (!good) fprintf(stderr, "%s: %s\n", f->name, err);
  CU_ASSERT_FATAL(good);
}

static bool alike(double a, double b, double tol) {
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
  return a == b || fabs(a - b) <= tol * fabs(b) + DBL_MIN;
}

/* Results of f and of what stands for it. */
static void compare(const Fn *f, int64_t B, const Tensor *in, double tol, const char *name, uint64_t seed) {
  Fn *g = pass_without(NULL, f, NULL);
  Tensor *a = base_zeroed(f->out.n, sizeof *a), *b = base_zeroed(f->out.n, sizeof *b);
  CU_ASSERT_EQUAL(ir_verify(g, stderr), 0);
  eval(f, B, in, a);
  eval(g, B, in, b);
  for (uint32_t k = 0; k < f->out.n; k++) {
    CU_ASSERT(type_eq(a[k].type, b[k].type));
    double most = 1;
    const int64_t n = type_count(a[k].type) * (a[k].type.lane ? B : 1);
    for (int64_t e = 0; e < n; e++) most = isfinite(a[k].v[e]) ? fmax(most, fabs(a[k].v[e])) : most;
    for (int64_t e = 0; e < n; e++) {
      const bool good = alike(a[k].v[e], b[k].v[e], tol) || fabs(a[k].v[e] - b[k].v[e]) <= tol * most;
      if (!good)
        fprintf(stderr, "%s %llu: output %u: %.17g, expected %.17g\n", name, (unsigned long long)seed, k, b[k].v[e], a[k].v[e]);
      CU_ASSERT(good);
    }
  }
  ir_tensors_free(a, f->out.n);
  ir_tensors_free(b, f->out.n);
  base_free(a), base_free(b);
  ir_fn_destroy(g);
}

static void test_random(void) {
  for (uint64_t seed = 1; seed <= OFTEN(200); seed++) {
    const RandomSpec spec = {.seed = seed, .size = 10 + (int)(seed % 30), .f64 = true, .scans = true, .fold = seed % 2};
    Fn *f = random_fn(&spec);
    Tensor *in = base_zeroed(f->in.n, sizeof *in);
    random_inputs(f, 3, seed, in);
    compare(f, 3, in, 1e-9, "random", seed);
    for (uint32_t k = 0; k < f->in.n; k++) base_free(in[k].v);
    base_free(in);
    ir_fn_destroy(f);
  }
}

/* ---- elementwise, at the edge ------------------------------------------------------------------------------------ */

static const double points[] = {0,    -0.0, 1e-300, -1e-300, 1e-9,   -1e-9, 1e-3,     0.3,       -0.3, 0.5,       -0.5,
                                0.9,  1,    -1,     1.5,     -1.5,   2,     -2,       2.0001,    3,    -3,        5.5,
                                -5.5, 8,    20,     -20,     300,    -300,  800,      -800,      1e5,  -1e5,      1e9,
                                -1e9, 1e20, -1e20,  1e200,   -1e200, 1e300, INFINITY, -INFINITY, NAN,  0.9999999, 1.0000001};
enum { POINTS = sizeof points / sizeof *points };

static Fn *of_op(Op op, Tensor in[2]) {
  const int n = ir_op[op].arity;
  Fn *f = ir_fn_create(ir_op[op].name, FN_F64);
  Build b;
  ir_build_init(&b, f);
  Val x[2];
  for (int k = 0; k < n; k++) {
    x[k] = ir_input(&b, k ? "b" : "a", IN_FIELD, (uint32_t)k, type_scalar(true));
    in[k] = (Tensor){type_scalar(true), base_zeroed(POINTS * POINTS, sizeof(double))};
    for (int e = 0; e < POINTS * POINTS; e++) in[k].v[e] = points[k ? e / POINTS : e % POINTS];
  }
  ir_output(&b, ir_emit(&b, op, x, (uint32_t)n, NULL, 0, NULL), "y");
  ir_build_finish(&b);
  return f;
}

/* So many units in the last place, beyond those of the argument of a power. */
static double within(Op op) { return op == OP_powlog || op == OP_powlog2 ? 1e-12 : 16 * DBL_EPSILON; }

static void test_edge(void) {
  for (int op = 1; op < OP_count; op++) {
    if (ir_op[op].cls != OPC_EW1 && ir_op[op].cls != OPC_EW2) continue;
    Tensor in[2] = {{.v = NULL}, {.v = NULL}}, a, b;
    Fn *f = of_op((Op)op, in), *g = pass_without(NULL, f, NULL);
    eval(f, POINTS * POINTS, in, &a);
    eval(g, POINTS * POINTS, in, &b);
    for (int e = 0; e < POINTS * POINTS; e++) {
      const bool good = alike(b.v[e], a.v[e], within((Op)op));
      if (!good)
        fprintf(stderr, "%s(%g, %g): %.17g, expected %.17g\n", ir_op[op].name, in[0].v[e], in[1].v ? in[1].v[e] : 0, b.v[e],
                a.v[e]);
      CU_ASSERT(good);
    }
    ir_tensors_free(&a, 1), ir_tensors_free(&b, 1);
    base_free(in[0].v), base_free(in[1].v);
    ir_fn_destroy(f), ir_fn_destroy(g);
  }
}

/* ---- matrices -------------------------------------------------------------------------------------------------------- */

/* Everything that is computed of a symmetric matrix and of one that is not, of n rows; `empty`: a column of zeros. */
static Fn *of_matrices(uint32_t n, bool lane) {
  const uint32_t dim[] = {n, n}, wide[] = {n, 2};
  Fn *f = ir_fn_create("matrices", FN_F64);
  Build b;
  ir_build_init(&b, f);
  const Val a = ir_input(&b, "a", IN_FIELD, 0, type_real(lane, 2, dim)),
            x = ir_input(&b, "x", IN_FIELD, 1, type_real(true, 1, dim));
  const Val y = ir_input(&b, "y", IN_FIELD, 2, type_real(false, 2, wide)), lu = ir_lu(&b, a),
            t = ir_transpose(&b, a, (const int[]){1, 0});
  const Val square = ir_matmul(&b, a, t), both = ir_add(&b, a, t), sound = ir_add(&b, square, ir_eye(&b, n));
  const Val made[] = {lu,
                      ir_det(&b, lu),
                      ir_logdet(&b, lu),
                      ir_lu_solve(&b, lu, x, false),
                      ir_lu_solve(&b, lu, y, true),
                      ir_cholesky(&b, sound),
                      ir_eigh(&b, both),
                      ir_trisolve(&b, sound, x, true, false),
                      ir_trisolve(&b, sound, y, false, true),
                      ir_diag(&b, x),
                      ir_diagv(&b, a)};
  for (size_t k = 0; k < sizeof made / sizeof *made; k++) ir_output(&b, made[k], NULL);
  ir_build_finish(&b);
  return f;
}

static void test_matrices(void) {
  for (uint64_t seed = 1; seed <= OFTEN(40); seed++) {
    Fn *f = of_matrices(1 + (uint32_t)seed % 7, seed % 3 != 0);
    Tensor in[3];
    random_inputs(f, 3, seed, in);
    compare(f, 3, in, 1e-8, "matrices", seed);
    for (int k = 0; k < 3; k++) base_free(in[k].v);
    ir_fn_destroy(f);
  }
}

/* A column of zeros, rows that change places, NaN: what the factors are then. */
static void test_singular(void) {
  static const double m[][9] = {
    {0, 1, 2, 0, 3, 4, 0, 5, 7}, {0, 0, 1, 0, 2, 0, 3, 0, 0}, {1, 2, 3, 2, 4, 6, 1, 1, 1}, {NAN, 1, 2, 3, 4, 5, 6, 7, 9}, {0}};
  const uint32_t dim[] = {3, 3};
  for (size_t k = 0; k < sizeof m / sizeof *m; k++) {
    Fn *f = ir_fn_create("singular", FN_F64);
    Build b;
    ir_build_init(&b, f);
    const Val lu = ir_lu(&b, ir_input(&b, "a", IN_FIELD, 0, type_real(true, 2, dim)));
    ir_output(&b, lu, NULL);
    ir_output(&b, ir_det(&b, lu), NULL);
    ir_output(&b, ir_logdet(&b, lu), NULL);
    ir_build_finish(&b);
    const Tensor in = {f->in.at[0].type, (double *)m[k]};
    compare(f, 1, &in, 1e-13, "singular", k);
    ir_fn_destroy(f);
  }
}

/* ---- rows ---------------------------------------------------------------------------------------------------------------- */

static void test_places(void) {
  const uint32_t dim[] = {4, 3}, row[] = {3}, three[] = {2, 0, 2}, long_[] = {9};
  Fn *f = ir_fn_create("places", FN_F64);
  Build b;
  ir_build_init(&b, f);
  const Val x = ir_input(&b, "x", IN_FIELD, 0, type_real(true, 2, dim)),
            v = ir_input(&b, "v", IN_FIELD, 1, type_real(true, 1, row));
  const Val i = ir_input(&b, "i", IN_FIELD, 2, type_scalar(true)), s = ir_input(&b, "s", IN_FIELD, 3, type_real(false, 1, long_));
  ir_output(&b, ir_setrow(&b, x, i, v), NULL);
  ir_output(&b, ir_put(&b, v, 0, 5, three, 3), NULL);
  ir_output(&b, ir_unslice(&b, x, 1, 1, 2, 7), NULL);
  ir_output(&b, ir_unslice(&b, x, 0, 0, 1, 6), NULL);
  ir_output(&b, ir_unslice(&b, x, 0, 2, 1, 6), NULL);
  ir_output(&b, ir_unwindow(&b, ir_window(&b, s, 0, 3, 2), 0, 2, 9), NULL);
  ir_output(&b, ir_unwindow(&b, ir_window(&b, x, 0, 2, 1), 0, 1, 4), NULL);
  ir_build_finish(&b);
  double rows[] = {0, 3, -1, 4, 1.5, NAN, INFINITY, 2};
  Tensor in[4];
  random_inputs(f, 8, 1, in);
  base_free(in[2].v);
  in[2].v = rows;
  in[1].v[0] = INFINITY; /* does not come into other places */
  compare(f, 8, in, 0, "places", 0);
  for (int k = 0; k < 4; k++)
    if (k != 2) base_free(in[k].v);
  ir_fn_destroy(f);
}

const Suite suite = {"without", (CU_TestInfo[]){{"random functions", test_random},
                                                {"at the edge", test_edge},
                                                {"matrices", test_matrices},
                                                {"singular matrices", test_singular},
                                                {"places", test_places},
                                                CU_TEST_INFO_NULL}};
