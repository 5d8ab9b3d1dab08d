/* The reference evaluator against values computed here by hand, and the shape rules' refusals. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/common/cunit_main.h"
#include "tests/common/random_fn.h"

enum { B = 2, MAX_IN = 8 };

typedef struct Case { /* a function under construction with its inputs' values */
  Fn *f;
  Build b;
  Tensor in[MAX_IN], out;
} Case;

static void case_init(Case *c) {
  memset(c, 0, sizeof *c);
  c->f = ir_fn_create("case", true);
  ir_build_init(&c->b, c->f);
  c->b.fold = c->b.number = false;
}

static void case_finish(Case *c) {
  ir_build_finish(&c->b);
  ir_tensors_free(&c->out, 1);
  ir_tensors_free(c->in, MAX_IN);
  ir_fn_destroy(c->f);
}

static Val given(Case *c, Type t, const double *v) {
  size_t size = (size_t)(type_count(t) * (t.lane ? B : 1)) * sizeof *v;
  Tensor *in = &c->in[c->f->in.n];
  *in = (Tensor){t, base_realloc(NULL, size)};
  memcpy(in->v, v, size);
  return ir_input(&c->b, "in", IN_OTHER, 0, t);
}

#define DIMS(...) \
  (sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)), (uint32_t[]) { __VA_ARGS__ }
#define SHARED(...) type_real(false, DIMS(__VA_ARGS__))
#define LANE(...) type_real(true, DIMS(__VA_ARGS__))
#define VALUES(...) \
  (double[]) { __VA_ARGS__ }
#define EXPECT(c, v, ...) expect(c, v, VALUES(__VA_ARGS__), sizeof(VALUES(__VA_ARGS__)) / sizeof(double), __LINE__)

/* The value v of the case is `want`, laid out [element][sample]; ends the case. */
static void expect(Case *c, Val v, const double *want, size_t n, int line) {
  char err[256];
  ir_output(&c->b, v, NULL);
  CU_ASSERT_EQUAL(ir_verify(c->f, stderr), 0);
  bool ok = ir_eval(c->f, B, c->in, &c->out, NULL, err, sizeof err);
  if (!ok) fprintf(stderr, "line %d: %s\n", line, err);
  CU_ASSERT_FATAL(ok);
  size_t have = (size_t)(type_count(c->out.type) * (c->out.type.lane ? B : 1));
  CU_ASSERT_EQUAL_FATAL(have, n);
  for (size_t k = 0; k < n; k++) {
    double have_k = c->out.v[k], d = fabs(have_k - want[k]);
    bool same = isfinite(want[k]) ? d <= 1e-14 * fmax(1, fabs(want[k])) : have_k == want[k] || (isnan(have_k) && isnan(want[k]));
    if (!same) fprintf(stderr, "line %d: [%zu] is %.17g, not %.17g\n", line, k, have_k, want[k]);
    CU_ASSERT_TRUE(same);
  }
  case_finish(c);
}

/* ---- elementwise ---- */

static void test_scalars(void) {
  static const struct {
    Op op;
    double a, b, want;
  } t[] = {
    {OP_neg, 2, 0, -2},
    {OP_abs, -2, 0, 2},
    {OP_sign, -3, 0, -1},
    {OP_sign, 0, 0, 0},
    {OP_exp, 1, 0, 2.718281828459045},
    {OP_expm1, 1e-9, 0, 1.0000000005e-9},
    {OP_log, 10, 0, 2.302585092994046},
    {OP_log2, 8, 0, 3},
    {OP_log1p, 1e-9, 0, 9.999999995e-10},
    {OP_sqrt, 2, 0, 1.4142135623730951},
    {OP_rsqrt, 4, 0, 0.5},
    {OP_rsqrt3, 4, 0, 0.125},
    {OP_sin, 1, 0, 0.8414709848078965},
    {OP_cos, 1, 0, 0.5403023058681398},
    {OP_tan, 1, 0, 1.5574077246549023},
    {OP_tanh, 1, 0, 0.7615941559557649},
    {OP_sigmoid, 1, 0, 0.7310585786300049},
    {OP_sigmoid, -800, 0, 0},
    {OP_softplus, 1, 0, 1.3132616875182228},
    {OP_softplus, 800, 0, 800},
    {OP_softplus, -800, 0, 0},
    {OP_relu, -1, 0, 0},
    {OP_relu, 2, 0, 2},
    {OP_erf, 0.5, 0, 0.5204998778130465},
    {OP_log10, 1000, 0, 3},
    {OP_asin, 0.5, 0, 0.52359877559829887},
    {OP_acos, 0.5, 0, 1.0471975511965979},
    {OP_atan, 1, 0, 0.7853981633974483},
    {OP_sinh, 1, 0, 1.1752011936438014},
    {OP_cosh, 1, 0, 1.5430806348152437},
    {OP_asinh, 1, 0, 0.88137358701954305},
    {OP_acosh, 2, 0, 1.3169578969248168},
    {OP_atanh, 0.5, 0, 0.54930614433405489},
    {OP_stop, 0.5, 0, 0.5},
    {OP_fixed, 0.5, 0, 0.5},
    {OP_floor, -2.5, 0, -3},
    {OP_ceil, -2.5, 0, -2},
    {OP_round, 2.5, 0, 2},
    {OP_round, -3.5, 0, -4},
    {OP_mod, 7, 3, 1},
    {OP_mod, -7, 3, 2},
    {OP_mod, 7, -3, -2},
    {OP_mod, -7, -3, -1},
    {OP_mod, 5.25, 1, 0.25},
    {OP_add, 2, 3, 5},
    {OP_sub, 2, 3, -1},
    {OP_mul, 2, 3, 6},
    {OP_div, 3, 2, 1.5},
    {OP_pow, 2, 10, 1024},
    {OP_powlog, 2, 3, 5.5451774444795623},
    {OP_powlog, 0, 2, 0},
    {OP_powlog2, 2, 3, 3.8436241113456115},
    {OP_min, 2, 3, 2},
    {OP_max, 2, 3, 3},
    {OP_atan2, 1, -1, 2.356194490192345},
    {OP_lt, 1, 2, 1},
    {OP_lt, 2, 2, 0},
    {OP_le, 2, 2, 1},
    {OP_eq, 2, 2, 1},
    {OP_ne, 2, 2, 0},
    {OP_and, 1, 0, 0},
    {OP_and, 1, 1, 1},
    {OP_or, 0, 1, 1},
    {OP_or, 0, 0, 0},
    {OP_not, 0, 0, 1},
  };
  bool seen[OP_count] = {false};
  for (size_t k = 0; k < sizeof t / sizeof t[0]; k++) {
    double v = ir_eval_scalar(t[k].op, t[k].a, t[k].b);
    if (!(fabs(v - t[k].want) <= 4e-16 * fabs(t[k].want))) fprintf(stderr, "%s: %.17g\n", ir_op[t[k].op].name, v);
    CU_ASSERT_TRUE(fabs(v - t[k].want) <= 4e-16 * fabs(t[k].want));
    seen[t[k].op] = true;
  }
  for (int op = OP_none + 1; op < OP_count; op++) CU_ASSERT_TRUE(seen[op] || ir_op[op].cls == OPC_STRUCT);
}

static void test_broadcast(void) {
  Case c;
  case_init(&c);
  Val x = given(&c, type_scalar(true), VALUES(1, 2)), w = given(&c, SHARED(2), VALUES(10, 20));
  EXPECT(&c, ir_sub(&c.b, w, x), 9, 8, 19, 18);
  case_init(&c);
  x = given(&c, LANE(2), VALUES(1, 2, 3, 4));
  Val y = given(&c, type_scalar(false), VALUES(2));
  EXPECT(&c, ir_select(&c.b, ir_lt(&c.b, y, x), x, ir_neg(&c.b, y)), -2, -2, 3, 4);
}

/* ---- structural ---- */

static Val matrix(Case *c) { return given(c, SHARED(2, 3), VALUES(1, 2, 3, 4, 5, 6)); }
static Val lanes(Case *c) { return given(c, LANE(3), VALUES(1, -1, 2, -2, 3, -3)); }

#define ONE(operand, make, ...)    \
  do {                             \
    Case c;                        \
    case_init(&c);                 \
    Val x = operand(&c);           \
    EXPECT(&c, make, __VA_ARGS__); \
  } while (0)

static void test_moving(void) {
  ONE(matrix, ir_transpose(&c.b, x, (int[]){1, 0}), 1, 4, 2, 5, 3, 6);
  ONE(matrix, ir_add(&c.b, ir_reshape(&c.b, ir_iota(&c.b, 6), 2, (uint32_t[]){2, 3}), x), 1, 3, 5, 7, 9, 11);
  ONE(matrix, ir_flip(&c.b, x, 0), 4, 5, 6, 1, 2, 3);
  ONE(matrix, ir_flip(&c.b, x, 1), 3, 2, 1, 6, 5, 4);
  ONE(lanes, ir_flip(&c.b, x, 0), 3, -3, 2, -2, 1, -1);
  ONE(matrix, ir_expand(&c.b, x, 1, 2), 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6);
  ONE(matrix, ir_slice(&c.b, x, 1, 0, 2, 2), 1, 3, 4, 6);
  ONE(matrix, ir_unslice(&c.b, x, 0, 1, 2, 4), 0, 0, 0, 1, 2, 3, 0, 0, 0, 4, 5, 6);
  ONE(matrix, ir_window(&c.b, x, 1, 2, 1), 1, 2, 2, 3, 4, 5, 5, 6);
  ONE(matrix, ir_window(&c.b, x, 0, 1, 1), 1, 2, 3, 4, 5, 6);
  ONE(matrix, ir_window(&c.b, x, 0, 2, 1), 1, 4, 2, 5, 3, 6);
  ONE(matrix, ir_window(&c.b, x, 1, 1, 2), 1, 3, 4, 6);
  ONE(matrix, ir_unwindow(&c.b, x, 0, 1, 4), 1, 6, 8, 6);
  ONE(matrix, ir_unwindow(&c.b, x, 0, 3, 7), 1, 2, 3, 4, 5, 6, 0);
  ONE(matrix, ir_index(&c.b, x, 0, 1), 4, 5, 6);
  ONE(matrix, ir_concat(&c.b, (Val[]){x, x}, 2, 1), 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6);
  ONE(matrix, ir_take(&c.b, x, 1, (uint32_t[]){2, 0, 2}, 3), 3, 1, 3, 6, 4, 6);
  ONE(matrix, ir_put(&c.b, x, 1, 4, (uint32_t[]){3, 0, 3}, 3), 2, 0, 0, 4, 5, 0, 0, 10);
  ONE(matrix, ir_tri(&c.b, x, false, 0), 1, 0, 0, 4, 5, 0);
  ONE(matrix, ir_tri(&c.b, x, true, 1), 0, 2, 3, 0, 0, 6);
  ONE(lanes, ir_reshape(&c.b, x, 2, (uint32_t[]){3, 1}), 1, -1, 2, -2, 3, -3);
  ONE(lanes, ir_diagv(&c.b, ir_diag(&c.b, x)), 1, -1, 2, -2, 3, -3);
  ONE(lanes, ir_sum(&c.b, ir_diag(&c.b, x), 0), 1, -1, 2, -2, 3, -3);
  ONE(lanes, ir_stack(&c.b, (Val[]){x, ir_neg(&c.b, x)}, 2), 1, -1, 2, -2, 3, -3, -1, 1, -2, 2, -3, 3);
  ONE(lanes, ir_id(&c.b, x), 1, -1, 2, -2, 3, -3);
  ONE(matrix, ir_concat(&c.b, (Val[]){ir_index(&c.b, x, 0, 0), lanes(&c)}, 2, 0), 1, 1, 2, 2, 3, 3, 1, -1, 2, -2, 3, -3);
  ONE(matrix, ir_spread(&c.b, ir_index(&c.b, x, 0, 0)), 1, 1, 2, 2, 3, 3);
  ONE(matrix, ir_mul(&c.b, ir_table(&c.b, SHARED(2, 3), VALUES(1, 0, 1, 0, 1, 0)), x), 1, 0, 3, 0, 5, 0);
}

static Val reals(Case *c, const double *v, uint32_t n) { return ir_table(&c->b, type_real(false, 1, &n), v); }

/* Rows of x are 1 2 3 and 4 5 6; of series, below their order. */
static void test_cauchy(void) {
  const int i[] = {0}, none[] = {0};
#define SERIES ir_concat(&c.b, (Val[]){x, ir_mul(&c.b, x, x)}, 2, 0)
  ONE(matrix, ir_cauchy(&c.b, SERIES, SERIES, ir_const(&c.b, 3), false, i, i, 1, i), 2 * 4 * 1, 2 * 5 * 4, 2 * 6 * 9);
  ONE(matrix, ir_cauchy(&c.b, SERIES, SERIES, ir_const(&c.b, 3), true, i, i, 0, none), 4 + 20 + 54);
  ONE(matrix, ir_cauchy(&c.b, x, x, ir_const(&c.b, 1), true, i, i, 1, i), 0, 0, 0);
  ONE(matrix, ir_cauchy(&c.b, x, x, ir_const(&c.b, 3), true, i, i, 1, i), NAN, NAN, NAN);
#undef SERIES
}

/* A number that is no row: half of one, below, beyond, far away, none at all. */
static void test_rows(void) {
  ONE(matrix, ir_gather(&c.b, x, reals(&c, VALUES(1, 0, 1), 3)), 4, 5, 6, 1, 2, 3, 4, 5, 6);
  ONE(matrix, ir_gather(&c.b, x, ir_const(&c.b, 1)), 4, 5, 6);
  ONE(matrix, ir_gather(&c.b, ir_index(&c.b, x, 0, 0), given(&c, LANE(2), VALUES(2, 1, 0, 2))), 3, 2, 1, 3);
  ONE(lanes, ir_gather(&c.b, x, ir_const(&c.b, 2)), 3, -3);
  ONE(lanes, ir_gather(&c.b, x, given(&c, type_scalar(true), VALUES(2, 0))), 3, -1);
  ONE(matrix, ir_gather(&c.b, ir_index(&c.b, x, 0, 0), reals(&c, VALUES(0.5, -1, 3, 1e300, NAN, -INFINITY, -0.0), 7)), NAN, NAN,
      NAN, NAN, NAN, NAN, 1);
  ONE(matrix, ir_scatter(&c.b, ir_transpose(&c.b, x, (int[]){1, 0}), reals(&c, VALUES(2, 0, 2), 3), 3, false), 2, 5, 0, 0, 4, 10);
  ONE(matrix, ir_scatter(&c.b, ir_index(&c.b, x, 0, 0), given(&c, type_scalar(true), VALUES(1, 0)), 2, false), 0, 1, 0, 2, 0, 3, 1,
      0, 2, 0, 3, 0);
  ONE(lanes, ir_scatter(&c.b, x, given(&c, LANE(3), VALUES(0, 1, 0, 1, 1, 0)), 2, true), 1 + 2 - 3, -1 - 2 + 3);
  ONE(matrix, ir_scatter(&c.b, ir_index(&c.b, x, 0, 0), reals(&c, VALUES(0, 2, 1), 3), 2, false), NAN, NAN);
  ONE(matrix, ir_scatter(&c.b, ir_mul(&c.b, x, ir_const(&c.b, 0)), reals(&c, VALUES(0, 9), 2), 2, false), 0, 0, 0, 0, 0, 0);
  ONE(matrix, ir_setrow(&c.b, x, ir_const(&c.b, 1), ir_index(&c.b, x, 0, 0)), 1, 2, 3, 1, 2, 3);
  ONE(lanes, ir_setrow(&c.b, x, given(&c, type_scalar(true), VALUES(0, 2)), ir_const(&c.b, 7)), 7, -1, 2, -2, 3, 7);
  ONE(lanes, ir_setrow(&c.b, x, given(&c, type_scalar(true), VALUES(3, 1)), ir_const(&c.b, 7)), NAN, -1, NAN, 7, NAN, -3);
}

static void test_reductions(void) {
  ONE(matrix, ir_sum(&c.b, x, 0), 5, 7, 9);
  ONE(matrix, ir_sum(&c.b, x, 1), 6, 15);
  ONE(matrix, ir_sum_all(&c.b, x), 21);
  ONE(lanes, ir_rmax(&c.b, x, 0), 3, -1);
  ONE(lanes, ir_rmin(&c.b, x, 0), 1, -3);
  ONE(lanes, ir_batch_sum(&c.b, ir_mul(&c.b, x, x)), 2, 8, 18);
  ONE(lanes, ir_batch_mean(&c.b, x, ir_table(&c.b, SHARED(3), VALUES(4, 5, 6)), 9), 4, 5, 6);
}

static void test_products(void) {
  ONE(matrix, ir_matmul(&c.b, x, lanes(&c)), 14, -14, 32, -32);
  ONE(lanes, ir_matmul(&c.b, x, x), 14, 14);
  ONE(lanes, ir_dot(&c.b, x, x, true, (int[]){0}, (int[]){1}, 2, (int[]){1, 0}), 2, 4, 6, 4, 8, 12, 6, 12, 18);
  ONE(lanes, ir_dot(&c.b, x, x, true, (int[]){0}, (int[]){0}, 0, NULL), 28);
  ONE(lanes, ir_dot(&c.b, x, x, false, (int[]){0}, (int[]){0}, 1, (int[]){0}), 1, 1, 4, 4, 9, 9);
  ONE(matrix, ir_dot(&c.b, x, x, false, (int[]){0, 1}, (int[]){2, 1}, 2, (int[]){2, 0}), 14, 32, 32, 77);
  ONE(matrix, ir_dot(&c.b, x, x, false, (int[]){0, 1}, (int[]){0, 1}, 0, NULL), 91);
}

static Val triangle(Case *c) { return given(c, SHARED(2, 2), VALUES(2, 7, 3, 4)); }

static void test_trisolve(void) {
  Type v = SHARED(2), m = SHARED(2, 2);
  ONE(triangle, ir_trisolve(&c.b, x, given(&c, v, VALUES(2, 11)), false, false), 1, 2);
  ONE(triangle, ir_trisolve(&c.b, x, given(&c, v, VALUES(16, 8)), true, false), 1, 2);
  ONE(triangle, ir_trisolve(&c.b, x, given(&c, v, VALUES(8, 8)), false, true), 1, 2);
  ONE(triangle, ir_trisolve(&c.b, x, given(&c, v, VALUES(2, 15)), true, true), 1, 2);
  ONE(triangle, ir_trisolve(&c.b, x, given(&c, m, VALUES(2, 4, 11, 6)), false, false), 1, 2, 2, 0);
  ONE(triangle, ir_trisolve(&c.b, x, given(&c, LANE(2), VALUES(2, 4, 11, 6)), false, false), 1, 2, 2, 0);
}

static Val square(Case *c) { return given(c, SHARED(2, 2), VALUES(0, 2, 3, 4)); }
static Val singular(Case *c) { return given(c, SHARED(2, 2), VALUES(1, 2, 2, 4)); }

static void test_solve(void) {
  Type v = SHARED(2), m = SHARED(2, 2);
  ONE(square, ir_solve(&c.b, x, given(&c, v, VALUES(4, 11)), false), 1, 2);
  ONE(square, ir_solve(&c.b, x, given(&c, v, VALUES(6, 10)), true), 1, 2);
  ONE(square, ir_solve(&c.b, x, given(&c, m, VALUES(4, 0, 11, 6)), false), 1, 2, 2, 0);
  ONE(square, ir_solve(&c.b, x, given(&c, LANE(2), VALUES(4, 0, 11, 6)), false), 1, 2, 2, 0);
  ONE(singular, ir_solve(&c.b, x, given(&c, v, VALUES(0, 1)), false), NAN, NAN);
  ONE(triangle, ir_solve(&c.b, ir_tri(&c.b, x, false, 0), given(&c, v, VALUES(2, 11)), false), 1, 2);
}

static Val turned(Case *c) { return given(c, SHARED(3, 3), VALUES(0, 0, 2, 0, 3, 1, 4, 0, 0)); }
static Val positive(Case *c) { return given(c, SHARED(2, 2), VALUES(4, 99, 2, 10)); }
static Val indefinite(Case *c) { return given(c, SHARED(2, 2), VALUES(1, 0, 2, 4)); }
static Val swapped(Case *c) { return given(c, SHARED(2, 2), VALUES(3, 99, 4, -3)); }
static Val lost(Case *c) { return given(c, SHARED(2, 2), VALUES(1, 0, NAN, 4)); }

static void test_factors(void) {
  ONE(square, ir_lu(&c.b, x), 3, 4, 0, 2, 1, 1);
  ONE(turned, ir_lu(&c.b, x), 4, 0, 0, 0, 3, 1, 0, 0, 2, 2, 1, 2);
  ONE(singular, ir_lu(&c.b, x), 2, 4, 0.5, 0, 1, 1);
  ONE(square, ir_det(&c.b, ir_lu(&c.b, x)), -6);
  ONE(turned, ir_det(&c.b, ir_lu(&c.b, x)), -24);
  ONE(singular, ir_det(&c.b, ir_lu(&c.b, x)), 0);
  ONE(turned, ir_logdet(&c.b, ir_lu(&c.b, x)), log(24));
  ONE(singular, ir_logdet(&c.b, ir_lu(&c.b, x)), -INFINITY);
  ONE(positive, ir_cholesky(&c.b, x), 2, 0, 1, 3);
  ONE(indefinite, ir_cholesky(&c.b, x), 1, 0, 2, NAN);
  ONE(swapped, ir_eigvals(&c.b, ir_eigh(&c.b, x)), -5, 5);
  ONE(swapped, ir_mul(&c.b, ir_const(&c.b, sqrt(5)), ir_eigvecs(&c.b, ir_eigh(&c.b, x))), 1, 2, -2, 1);
  ONE(lost, ir_eigh(&c.b, x), NAN, NAN, NAN, NAN, NAN, NAN);
}

/* ---- loops ---- */

/* carry h, sequence x, invariant s: h' = s h + x; y = h + x; z = x */
static Fn *recurrence(Case *c, bool lane) {
  Fn *f = ir_sub_create(c->f, "turn");
  Build b;
  ir_build_init(&b, f);
  Val h = ir_input(&b, "h", IN_STATE, 0, type_scalar(lane)), x = ir_input(&b, "x", IN_OTHER, 0, type_scalar(lane));
  Val s = ir_input(&b, "s", IN_OTHER, 0, type_scalar(false));
  ir_output(&b, ir_add(&b, ir_mul(&b, s, h), x), NULL);
  ir_output(&b, ir_add(&b, h, x), NULL);
  ir_output(&b, x, NULL);
  ir_build_finish(&b);
  return f;
}

static void scan_case(bool reverse, bool lane, uint32_t result, const double *want, size_t n) {
  Case c;
  case_init(&c);
  Val h = given(&c, type_scalar(lane), VALUES(1, 2));
  Val x = lane ? given(&c, LANE(3), VALUES(1, 10, 2, 20, 3, 30)) : given(&c, SHARED(3), VALUES(1, 2, 3));
  Val s = given(&c, type_scalar(false), VALUES(2));
  Val scan = ir_scan(&c.b, (Val[]){h, x, s}, 3, 3, 1, 1, 1, 1, reverse, false, recurrence(&c, lane));
  expect(&c, ir_proj(&c.b, scan, result), want, n, __LINE__);
}

static void test_scan(void) {
  scan_case(false, false, 0, VALUES(19), 1); /* 1 3 8 19 */
  scan_case(false, false, 1, VALUES(2, 5, 11), 3);
  scan_case(false, false, 2, VALUES(6), 1);
  scan_case(true, false, 0, VALUES(25), 1); /* 1 5 12 25 */
  scan_case(true, false, 1, VALUES(13, 7, 4), 3);
  scan_case(false, true, 0, VALUES(19, 126), 2); /* 2 14 48 126 */
  scan_case(false, true, 1, VALUES(2, 12, 5, 34, 11, 78), 6);
  scan_case(true, true, 2, VALUES(6, 60), 2);
}

static int turns;
static bool count_turns(void *ctx, const Fn *f, Val v, const Tensor *t, const Tensor *const *args) {
  (void)args;
  (void)v, (void)t;
  turns += f != ctx && ir_inst(f, v)->op == OP_cos;
  return true;
}

/* x <- cos x settles long before a thousand turns. */
static void test_converge(void) {
  Case c;
  char err[128];
  case_init(&c);
  Fn *body = ir_sub_create(c.f, "turn");
  Build b;
  ir_build_init(&b, body);
  ir_output(&b, ir_cos(&b, ir_input(&b, "x", IN_STATE, 0, type_scalar(true))), NULL);
  ir_build_finish(&b);
  Val x = given(&c, type_scalar(true), VALUES(1, -0.5));
  ir_output(&c.b, ir_proj(&c.b, ir_scan(&c.b, &x, 1, 1000, 1, 0, 0, 0, false, true, body), 0), NULL);
  EvalEnv env = {.watch = count_turns, .ctx = c.f};
  turns = 0;
  CU_ASSERT_FATAL(ir_eval(c.f, B, c.in, &c.out, &env, err, sizeof err));
  CU_ASSERT_TRUE(turns > 50 && turns < 150);
  for (int s = 0; s < B; s++) CU_ASSERT_DOUBLE_EQUAL(c.out.v[s], 0.7390851332151607, 1e-15);
  case_finish(&c);
}

/* Each sample by its own size: a root of 1e-30 is not at rest because one of 1 is. */
static void test_converge_sizes(void) {
  Case c;
  char err[128];
  case_init(&c);
  Fn *body = ir_sub_create(c.f, "turn");
  Build b;
  ir_build_init(&b, body);
  Val x = ir_input(&b, "x", IN_STATE, 0, type_scalar(true)), g = ir_input(&b, "g", IN_OTHER, 1, type_scalar(true));
  ir_output(&b, ir_mul(&b, ir_const(&b, 0.5), ir_add(&b, x, ir_div(&b, g, x))), NULL);
  ir_build_finish(&b);
  Val args[2] = {given(&c, type_scalar(true), VALUES(1, 1e-28)), given(&c, type_scalar(true), VALUES(1, 1e-60))};
  ir_output(&c.b, ir_proj(&c.b, ir_scan(&c.b, args, 2, 1000, 1, 0, 0, 0, false, true, body), 0), NULL);
  CU_ASSERT_FATAL(ir_eval(c.f, B, c.in, &c.out, &(EvalEnv){0}, err, sizeof err));
  CU_ASSERT_DOUBLE_EQUAL(c.out.v[0], 1, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(c.out.v[1], 1e-30, 1e-45);
  case_finish(&c);
}

/* x <- cos x as often as each sample counts; one of them never begins. */
static void test_while(void) {
  static const double count[2][B] = {{3, 0}, {-1, 0}};
  for (int k = 0; k < 2; k++) {
    Case c;
    case_init(&c);
    Fn *body = ir_sub_create(c.f, "turn");
    Build b;
    ir_build_init(&b, body);
    Val n = ir_input(&b, "n", IN_STATE, 0, type_scalar(true)), x = ir_input(&b, "x", IN_STATE, 1, type_scalar(true));
    Val on = ir_lt(&b, ir_const(&b, 0), n);
    ir_output(&b, ir_select(&b, on, ir_sub(&b, n, ir_const(&b, 1)), n), NULL);
    ir_output(&b, ir_select(&b, on, ir_cos(&b, x), x), NULL);
    ir_build_finish(&b);
    Val args[2] = {given(&c, type_scalar(true), count[k]), given(&c, type_scalar(true), VALUES(7, 8))};
    Val scan = ir_scan(&c.b, args, 2, 1000, 2, 0, 0, 0, false, 2, body);
    ir_output(&c.b, ir_proj(&c.b, scan, 1), NULL);
    EvalEnv env = {.watch = count_turns, .ctx = c.f};
    char err[128];
    turns = 0;
    CU_ASSERT_EQUAL(ir_verify(c.f, stderr), 0);
    CU_ASSERT_FATAL(ir_eval(c.f, B, c.in, &c.out, &env, err, sizeof err));
    CU_ASSERT_EQUAL(turns, k ? 0 : 3);
    CU_ASSERT_EQUAL(c.out.v[0], k ? 7 : cos(cos(cos(7))));
    CU_ASSERT_EQUAL(c.out.v[1], 8);
    case_finish(&c);
  }
}

static void test_map_and_empty(void) {
  Case c;
  case_init(&c);
  Fn *body = ir_sub_create(c.f, "turn");
  Build b;
  ir_build_init(&b, body);
  Val x = ir_input(&b, "x", IN_OTHER, 0, LANE(2)), w = ir_input(&b, "w", IN_OTHER, 0, SHARED(2));
  ir_output(&b, ir_matmul(&b, x, w), NULL);
  ir_output(&b, ir_batch_sum(&b, x), NULL);
  ir_build_finish(&b);
  Val args[2] = {given(&c, LANE(2, 2), VALUES(1, 2, 3, 4, 5, 6, 7, 8)), given(&c, SHARED(2), VALUES(1, 10))};
  Val scan = ir_scan(&c.b, args, 2, 2, 0, 1, 1, 1, false, false, body);
  Val sums = ir_spread(&c.b, ir_proj(&c.b, scan, 1));
  EXPECT(&c, ir_concat(&c.b, (Val[]){ir_proj(&c.b, scan, 0), sums}, 2, 0), 31, 42, 75, 86, 14, 14, 22, 22);
  case_init(&c);
  Val h = given(&c, type_scalar(true), VALUES(4, 5)), s = given(&c, type_scalar(true), VALUES(0, 0));
  body = ir_sub_create(c.f, "turn");
  ir_build_init(&b, body);
  Val y = ir_input(&b, "h", IN_STATE, 0, type_scalar(true));
  ir_output(&b, ir_add(&b, y, ir_input(&b, "s", IN_OTHER, 0, type_scalar(true))), NULL);
  ir_build_finish(&b);
  EXPECT(&c, ir_proj(&c.b, ir_scan(&c.b, (Val[]){h, s}, 2, 0, 1, 0, 0, 0, false, false, body), 0), 4, 5);
}

static double time_of(const HnnOde *o, int k, int s) { return ((const double *)o->times)[o->lane_times ? k * o->lanes + s : k]; }

/* A stand-in for the adaptive stepper: many Euler steps. */
static int32_t euler(HnnOde *o) {
  size_t n = (size_t)o->dim * (size_t)o->lanes;
  double *out = o->out, *dy = base_realloc(NULL, n * sizeof *dy), *t = base_realloc(NULL, (size_t)o->lanes * sizeof *t);
  memcpy(out, o->y0, n * sizeof *out);
  for (int k = 1; k < o->ntimes; k++, out += n) {
    memcpy(out + n, out, n * sizeof *out);
    for (int step = 0; step < 1000; step++) {
      for (int s = 0; s < o->lanes; s++) t[s] = time_of(o, k - 1, s) + step * (time_of(o, k, s) - time_of(o, k - 1, s)) / 1000;
      o->rates(o->ctx, t, out + n, dy);
      for (size_t e = 0; e < n; e++) {
        const int s = (int)e % o->lanes;
        out[n + e] += (time_of(o, k, s) - time_of(o, k - 1, s)) / 1000 * dy[e];
      }
    }
  }
  base_free(dy);
  base_free(t);
  return 0;
}

static void test_ode(void) {
  Case c;
  char err[128];
  case_init(&c);
  Fn *body = ir_sub_create(c.f, "rates");
  Build b;
  ir_build_init(&b, body);
  Val x = ir_input(&b, "x", IN_STATE, 0, LANE(2)), y = ir_input(&b, "y", IN_STATE, 1, type_scalar(true));
  Val t = ir_input(&b, "t", IN_SCALAR, 0, type_scalar(true)), k = ir_input(&b, "k", IN_OTHER, 0, type_scalar(false));
  ir_output(&b, ir_mul(&b, k, ir_neg(&b, x)), NULL);
  ir_output(&b, ir_add(&b, t, ir_mul(&b, y, ir_const(&b, 0))), NULL);
  ir_build_finish(&b);
  Val y0[2] = {given(&c, LANE(2), VALUES(1, 2, 3, 4)), given(&c, type_scalar(true), VALUES(0, 1))};
  Val times = given(&c, SHARED(3), VALUES(0, 1, 2)), two = given(&c, type_scalar(false), VALUES(2));
  Val ode = ir_ode(&c.b, M_DOPRI5, y0, 2, times, &two, 1, 1e-6, 1e-9, 1000, body);
  ir_output(&c.b, ir_proj(&c.b, ode, 0), NULL);
  ir_output(&c.b, ir_proj(&c.b, ode, 1), NULL);
  times = given(&c, LANE(2), VALUES(0, 1, 1, 3)); /* from 0 to 1, from 1 to 3 */
  ode = ir_ode(&c.b, M_DOPRI5, y0, 2, times, &two, 1, 1e-6, 1e-9, 1000, body);
  ir_output(&c.b, ir_proj(&c.b, ode, 1), NULL);
  Tensor out[3];
  CU_ASSERT_FALSE(ir_eval(c.f, B, c.in, out, NULL, err, sizeof err));
  EvalEnv env = {.ode = euler};
  CU_ASSERT_FATAL(ir_eval(c.f, B, c.in, out, &env, err, sizeof err));
  CU_ASSERT_EQUAL(type_count(out[0].type), 6);
  for (int e = 0; e < 4; e++) CU_ASSERT_DOUBLE_EQUAL(out[0].v[8 + e], (e + 1) * exp(-4), 1e-3);
  for (int s = 0; s < B; s++) CU_ASSERT_DOUBLE_EQUAL(out[1].v[4 + s], s + 2, 2e-3);
  CU_ASSERT_DOUBLE_EQUAL(out[2].v[2], 0.5, 1e-3);
  CU_ASSERT_DOUBLE_EQUAL(out[2].v[3], 1 + 4, 1e-2);
  ir_tensors_free(out, 3);
  case_finish(&c);
}

static void draw(int kind, uint64_t seed, uint64_t sample0, int64_t n, uint32_t site, uint32_t counter, int64_t elems,
                 double *out) {
  for (int64_t e = 0; e < elems; e++)
    for (int64_t s = 0; s < n; s++)
      out[e * n + s] = kind + 10.0 * (double)(seed + sample0 + (uint64_t)s) + site * 100.0 + counter * 1000.0 + (double)e / 10;
}

static bool stop_at_tanh(void *ctx, const Fn *f, Val v, const Tensor *t, const Tensor *const *args) {
  (void)args;
  (void)ctx, (void)t;
  return ir_inst(f, v)->op != OP_tanh;
}

static void test_environment(void) {
  Case c;
  char err[128];
  case_init(&c);
  Val n = given(&c, type_scalar(false), VALUES(3));
  ir_output(&c.b, ir_rand(&c.b, 1, 2, n, LANE(2)), NULL);
  CU_ASSERT_FALSE(ir_eval(c.f, B, c.in, &c.out, NULL, err, sizeof err));
  EvalEnv env = {.seed = 1, .sample0 = 4, .draw = draw};
  CU_ASSERT_FATAL(ir_eval(c.f, B, c.in, &c.out, &env, err, sizeof err));
  CU_ASSERT_TRUE(c.out.v[0] == 3251 && c.out.v[1] == 3261 && c.out.v[3] == 3261.1);
  case_finish(&c);
  case_init(&c);
  Val x = given(&c, type_scalar(true), VALUES(1, 2));
  ir_output(&c.b, ir_neg(&c.b, ir_tanh(&c.b, x)), NULL);
  env = (EvalEnv){.watch = stop_at_tanh};
  CU_ASSERT_FALSE(ir_eval(c.f, B, c.in, &c.out, &env, err, sizeof err));
  CU_ASSERT_STRING_EQUAL(err, "stopped at %2 of @case");
  c.in[0].type.lane = 0;
  CU_ASSERT_FALSE(ir_eval(c.f, B, c.in, &c.out, NULL, err, sizeof err));
  CU_ASSERT_STRING_EQUAL(err, "@case takes f64[B] as input 0, found f64");
  case_finish(&c);
}

const Suite suite = {"eval", (CU_TestInfo[]){{"elementwise ops", test_scalars},
                                             {"broadcasts", test_broadcast},
                                             {"moving", test_moving},
                                             {"rows by index", test_rows},
                                             {"cauchy", test_cauchy},
                                             {"reductions", test_reductions},
                                             {"products", test_products},
                                             {"triangular solves", test_trisolve},
                                             {"solves", test_solve},
                                             {"factorisations", test_factors},
                                             {"scan", test_scan},
                                             {"scan to convergence", test_converge},
                                             {"scan to convergence, of sizes", test_converge_sizes},
                                             {"scan while", test_while},
                                             {"map, no turns", test_map_and_empty},
                                             {"ode", test_ode},
                                             {"draws, watching, errors", test_environment},
                                             CU_TEST_INFO_NULL}};
