/* Derivatives of derivatives, Jacobians, trajectories, the gradient of the HNN loss, and random programs.
 * That its step takes six products is in tests/passes/derive_six_products.hir. */
#include "tests/common/cunit_main.h"
#include "tests/common/derive_util.h"
#include "tests/common/random_fn.h"
#include "tests/common/often.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- higher derivatives ------------------------------------------------------------------------------------- */

/* sin(w x0 x1) exp(x0) + x1^3 / (1 + x0^2), and a product of all */
static Val nested_value(Build *b, Val x, Val w) {
  Val x0 = ir_index(b, x, 0, 0), x1 = ir_index(b, x, 0, 1);
  Val u = ir_mul(b, ir_sin(b, ir_mul(b, w, ir_mul(b, x0, x1))), ir_exp(b, x0));
  Val v = ir_div(b, ir_pow(b, x1, ir_const(b, 3)), ir_add(b, ir_const(b, 1), ir_mul(b, x0, x0)));
  return ir_add(b, ir_add(b, u, v), ir_sum_all(b, ir_tanh(b, ir_mul(b, x, w))));
}

/* The order-th derivative: |grad(...)|^2 over and over, so that each level depends on the one before. */
static Fn *nested_fn(int order, int lanes) {
  Fn *f = ir_fn_create("nested", true);
  Build b;
  ir_build_init(&b, f);
  Val x = ir_id(&b, input(&b, dims(lanes & 1, 1, 2, 0, 0))), w = input(&b, dims(lanes >> 1, 0, 0, 0, 0));
  Val e = nested_value(&b, x, w);
  for (int k = 0; k < order; k++) e = to_scalar(&b, ir_grad(&b, e, x));
  ir_output(&b, e, NULL);
  ir_build_finish(&b);
  return derive_or_fail(f);
}

/* The same with the derivative not yet expanded, so that all levels are expanded in one run. */
static Fn *nested_gradient(int order, int lanes) {
  Fn *f = ir_fn_create("nested", true);
  Build b;
  ir_build_init(&b, f);
  Val x = ir_id(&b, input(&b, dims(lanes & 1, 1, 2, 0, 0))), w = ir_id(&b, input(&b, dims(lanes >> 1, 0, 0, 0, 0)));
  Val e = nested_value(&b, x, w);
  for (int k = 0; k < order; k++) {
    Val g = ir_grad(&b, e, x);
    e = ir_sum_all(&b, ir_mul(&b, g, g));
  }
  ir_output(&b, e, NULL);
  ir_output(&b, ir_grad(&b, e, x), NULL);
  ir_output(&b, ir_grad(&b, e, w), NULL);
  ir_build_finish(&b);
  return derive_or_fail(f);
}

static void test_nested(void) {
  for (int lanes = 0; lanes < 4; lanes++) {
    for (int order = 0; order < 3; order++) check_gradient(nested_fn(order, lanes), 0.2, 0.8, 1e-6);
    for (int order = 1; order < 3; order++) {
      Fn *g = nested_gradient(order, lanes);
      Tensor *in = draw_inputs(g, 0.2, 0.8), *out = evaluate(g, in);
      for (uint32_t k = 0; k < 2; k++) {
        Type t = out[k + 1].type;
        for (int64_t j = 0; j < type_count(t); j++) {
          double d[SAMPLES];
          differences(g, in, k, (size_t)j, -1, 1e-3, d);
          for (int s = 0; s < (t.lane ? SAMPLES : 1); s++) {
            bool same = near(out[k + 1].v[t.lane ? j * SAMPLES + s : j], d[s], 1e-6);
            CU_ASSERT(same);
          }
        }
      }
      free_outputs(g, out);
      free_inputs(in, g->in.n);
      ir_fn_destroy(g);
    }
  }
}

/* ---- Jacobians ---------------------------------------------------------------------------------------------- */

static Val curve(Build *b, Val x, Val w, int rows) {
  /* [rows] from [n]: sin(A x) * w + sum(x^2) */
  Type t = ir_type(b->f, x);
  double *a = base_realloc(NULL, sizeof *a * (size_t)rows * t.dim[0]);
  for (size_t k = 0; k < (size_t)rows * t.dim[0]; k++) a[k] = sin((double)k);
  Val y = ir_matmul(b, ir_table(b, dims(false, 2, (uint32_t)rows, t.dim[0], 0), a), x);
  base_free(a);
  return ir_add(b, ir_mul(b, ir_sin(b, y), w), ir_sum_all(b, ir_mul(b, x, x)));
}

/* jac against differences; lanes: bit 0 x, bit 1 w. */
static void check_jac(int rows, int n, int lanes) {
  Fn *f = ir_fn_create("jac", true);
  Build b;
  ir_build_init(&b, f);
  Val x = ir_id(&b, input(&b, dims(lanes & 1, 1, (uint32_t)n, 0, 0))), w = input(&b, dims(lanes >> 1, 0, 0, 0, 0));
  Val e = curve(&b, x, w, rows);
  ir_output(&b, e, NULL);
  ir_output(&b, ir_jac(&b, e, x), NULL);
  Val h = ir_sum_all(&b, ir_mul(&b, e, e));
  ir_output(&b, ir_jac(&b, ir_grad(&b, h, x), x), NULL);
  ir_output(&b, ir_grad(&b, h, x), NULL);
  if (rows == n) ir_output(&b, ir_divergence(&b, e, x), NULL);
  ir_build_finish(&b);
  Fn *g = derive_or_fail(f);
  Tensor *in = draw_inputs(g, 0.2, 0.8), *out = evaluate(g, in);
  bool lane = lanes != 0;
  double d[SAMPLES * 16], trace[SAMPLES] = {0};
  CU_ASSERT_EQUAL(out[1].type.lane, lane);
  for (int j = 0; j < n; j++) {
    differences(g, in, 0, (size_t)j, -1, 1e-3, d);
    for (int i = 0; i < rows; i++)
      for (int s = 0; s < (lane ? SAMPLES : 1); s++) {
        size_t at = (size_t)(i * n + j);
        bool same = near(out[1].v[lane ? at * SAMPLES + s : at], d[lane ? i * SAMPLES + s : i], 1e-8);
        CU_ASSERT(same);
        if (i == j) trace[s] += d[lane ? i * SAMPLES + s : i];
      }
  }
  for (int s = 0; rows == n && s < (lane ? SAMPLES : 1); s++) CU_ASSERT(near(out[4].v[s], trace[s], 1e-8));
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      for (int s = 0; s < (lane ? SAMPLES : 1); s++) {
        size_t p = (size_t)(i * n + j), q = (size_t)(j * n + i);
        CU_ASSERT(near(out[2].v[lane ? p * SAMPLES + s : p], out[2].v[lane ? q * SAMPLES + s : q], 1e-11));
      }
  free_outputs(g, out);
  free_inputs(in, g->in.n);
  ir_fn_destroy(g);
}

static void test_jacobians(void) {
  static const int sizes[][2] = {{1, 1}, {2, 3}, {3, 2}, {1, 6}, {6, 1}, {5, 7}, {7, 5}, {6, 6}, {3, 3}};
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
    for (int lanes = 0; lanes < 4; lanes++) check_jac(sizes[k][0], sizes[k][1], lanes);
}

/* The IR of a Jacobian does not grow with its size. */
static uint32_t size_of_fn(const Fn *f) {
  uint32_t n = f->inst.n;
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].sub) n += size_of_fn(ir_body(f, &f->inst.at[id]));
  return n;
}

static uint32_t jac_size(uint32_t n) {
  Fn *f = ir_fn_create("size", true);
  Build b;
  ir_build_init(&b, f);
  Val x = input(&b, dims(true, 1, n, 0, 0));
  ir_output(&b, ir_jac(&b, ir_grad(&b, ir_sum_all(&b, curve(&b, x, ir_const(&b, 2), (int)n)), x), x), NULL);
  ir_build_finish(&b);
  Fn *g = derive_or_fail(f);
  uint32_t size = size_of_fn(g);
  ir_fn_destroy(g);
  return size;
}

static void test_size(void) { CU_ASSERT_EQUAL(jac_size(8), jac_size(80)); }

/* ---- trajectories --------------------------------------------------------------------------------------------- */

/* The last state and the sum over a trajectory of field(H), H given by its gradient: a derivative in the rates. */
static Fn *trajectory_fn(Method m, int lanes) {
  Fn *f = ir_fn_create("trajectory", true);
  Build b, rb;
  ir_build_init(&b, f);
  Val y = input(&b, dims(lanes & 1, 1, 4, 0, 0)), k = input(&b, dims(lanes >> 1, 0, 0, 0, 0));
  Type vec = dims(lanes != 0, 1, 2, 0, 0);
  Fn *rates = ir_sub_create(f, "rates");
  ir_build_init(&rb, rates);
  Val q = ir_id(&rb, input(&rb, vec)), p = ir_id(&rb, input(&rb, vec));
  input(&rb, dims(false, 0, 0, 0, 0));
  Val c = input(&rb, dims(lanes >> 1, 0, 0, 0, 0));
  Val h = ir_add(&rb, ir_mul(&rb, ir_const(&rb, 0.5), ir_sum_all(&rb, ir_mul(&rb, p, p))),
                 ir_sum_all(&rb, ir_mul(&rb, c, ir_cos(&rb, q))));
  ir_output(&rb, ir_grad(&rb, h, p), NULL);
  ir_output(&rb, ir_neg(&rb, ir_grad(&rb, h, q)), NULL);
  ir_build_finish(&rb);
  Val y0[2] = {ir_slice(&b, y, 0, 0, 2, 1), ir_slice(&b, y, 0, 2, 2, 1)};
  for (int s = 0; s < 2 && lanes; s++) y0[s] = ir_spread(&b, y0[s]);
  Val t = ir_integrate(&b, m, y0, 2, ir_const(&b, 0.1), &k, 1, 6, 2, rates);
  Val qs = ir_proj(&b, t, 0), ps = ir_proj(&b, t, 1);
  ir_output(&b, ir_add(&b, to_scalar(&b, qs), to_scalar(&b, ir_index(&b, ps, 0, 3))), NULL);
  ir_build_finish(&b);
  return f;
}

static void test_trajectories(void) {
  static const Method methods[] = {M_EULER, M_RK4, M_LEAPFROG, M_YOSHIDA4, M_IMPLICIT_MIDPOINT};
  for (size_t k = 0; k < sizeof methods / sizeof *methods; k++)
    for (int lanes = 0; lanes < 4; lanes++) {
      Fn *f = trajectory_fn(methods[k], lanes), *plain = derive_or_fail(ir_copy_fn(NULL, f));
      Tensor *in = draw_inputs(f, 0.2, 0.8);
      for (int total = 0; total < 2; total++) {
        Fn *g = derive_or_fail(gradient_of(f, total));
        CU_ASSERT_EQUAL(check_gradients(plain, g, in, total, 1e-7), 0);
        ir_fn_destroy(g);
      }
      free_inputs(in, f->in.n);
      ir_fn_destroy(plain);
      ir_fn_destroy(f);
    }
}

/* ---- the HNN loss ------------------------------------------------------------------------------------------------ */

/* |J grad H(x) - dx|^2, H a scalar net with two hidden layers of h. */
static Fn *hnn_loss(uint32_t h) {
  Fn *f = ir_fn_create("hnn", true);
  Build b;
  ir_build_init(&b, f);
  const Type types[] = {dims(false, 2, h, 2, 0), dims(false, 1, h, 0, 0), dims(false, 2, h, h, 0),
                        dims(false, 1, h, 0, 0), dims(false, 1, h, 0, 0), dims(false, 0, 0, 0, 0)};
  Val p[6];
  for (uint32_t k = 0; k < 6; k++) p[k] = ir_input(&b, "p", IN_PARAM, k, types[k]);
  Val q = ir_input(&b, "q", IN_FIELD, 0, type_scalar(true)), m = ir_input(&b, "p", IN_FIELD, 1, type_scalar(true));
  Val dx = ir_input(&b, "dx", IN_FIELD, 2, dims(true, 1, 2, 0, 0));
  q = ir_id(&b, q), m = ir_id(&b, m);
  Val h1 = ir_tanh(&b, ir_add(&b, ir_matmul(&b, p[0], ir_stack(&b, (Val[]){q, m}, 2)), p[1]));
  Val h2 = ir_tanh(&b, ir_add(&b, ir_matmul(&b, p[2], h1), p[3]));
  Val e = ir_add(&b, ir_matmul(&b, p[4], h2), p[5]);
  Val flow = ir_stack(&b, (Val[]){ir_grad(&b, e, m), ir_neg(&b, ir_grad(&b, e, q))}, 2);
  Val d = ir_sub(&b, flow, dx);
  ir_output(&b, ir_sum_all(&b, ir_mul(&b, d, d)), "loss");
  ir_build_finish(&b);
  return f;
}

static void test_hnn_gradient(void) {
  Fn *loss = hnn_loss(5), *plain = derive_or_fail(ir_copy_fn(NULL, loss));
  Tensor *in = draw_inputs(loss, -0.9, 0.9);
  for (int total = 0; total < 2; total++) {
    Fn *g = derive_or_fail(gradient_of(loss, total));
    CU_ASSERT_EQUAL(check_gradients(plain, g, in, total, 1e-8), 0);
    ir_fn_destroy(g);
  }
  free_inputs(in, loss->in.n);
  ir_fn_destroy(plain);
  ir_fn_destroy(loss);
}

/* ---- random programs ------------------------------------------------------------------------------------------------- */

enum { PROGRAMS = OFTEN(200) };

static void test_random(void) {
  uint32_t checked = 0, numbers = 0;
  for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
    RandomSpec spec = {.seed = seed, .size = 6 + (int)(seed % 30), .f64 = true, .smooth = true, .scans = true, .fold = seed & 1};
    Fn *f = random_fn(&spec), *e = keep_output(f, (uint32_t)(seed / 2 % 2));
    Fn *s = pass_simplify(NULL, e);
    CU_ASSERT_EQUAL(ir_verify(s, stdout), 0);
    Tensor *in = draw_inputs(e, -1, 1), *before = evaluate(e, in), *after = evaluate(s, in);
    for (size_t k = 0; k < size_of(before[0].type); k++) CU_ASSERT(near(before[0].v[k], after[0].v[k], 1e-12));
    free_outputs(e, before);
    free_outputs(s, after);
    check_transposed(e);
    for (int total = 0; total < 2; total++) {
      Fn *g = derive_or_fail(gradient_of(e, total));
      int bad = check_gradients(e, g, in, total, 1e-7);
      CU_ASSERT_EQUAL(bad, 0);
      if (bad) printf("\nrandom program %llu\n", (unsigned long long)seed);
      for (uint32_t k = 1; k < g->out.n; k++) numbers += (uint32_t)size_of(ir_type(g, g->out.at[k]));
      ir_fn_destroy(g);
    }
    checked++;
    free_inputs(in, e->in.n);
    ir_fn_destroy(s);
    ir_fn_destroy(e);
    ir_fn_destroy(f);
  }
  printf(" %u programs, %u derivatives ", checked, numbers);
}

const Suite suite = {"derive_nest", (CU_TestInfo[]){{"second and third derivatives", test_nested},
                                                    {"jac and divergence", test_jacobians},
                                                    {"the IR of a Jacobian does not grow with its size", test_size},
                                                    {"trajectories by fixed-step methods", test_trajectories},
                                                    {"the gradient of the HNN loss", test_hnn_gradient},
                                                    {"random programs", test_random},
                                                    CU_TEST_INFO_NULL}};
