/* Sections: order of the crossings, directions, starts on the surface, samples that do not cross, samples
 * of very different pace; the names in `on`; compiled against evaluated. */
#include "tests/common/model_fn.h"
#include "tests/common/often.h"
#include "tests/common/cunit_main.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 }; /* samples */

#define OSC "hamiltonian H(q: real[1], p: real[1]) = (q[0]^2 + p[0]^2)/2\n"
#define FN(options) "fn f(x: real[1], y: real[1]) = section(H, x, y, " options ")\n"

/* One sample of one degree of freedom: the first n crossings. */
static void crossings(const char *text, double x, double y, int n, double *q, double *p) {
  Program g = program(text);
  Tensor out[2];
  run(&g, 1, (double *[]){&x, &y}, out);
  CU_ASSERT_EQUAL(type_count(out[0].type), n);
  for (int k = 0; k < n; k++) q[k] = out[0].v[k], p[k] = out[1].v[k];
  ir_tensors_free(out, 2);
  drop(&g);
}

/* ---- order ---------------------------------------------------------------------------------------------- */

/* Two oscillators, of frequencies 1 and sqrt 2: the first tells when x = 1/2, the second where it is then. */
static double oscillators(const char *method, double dt) {
  char text[512];
  double q[] = {0, 1}, p[] = {1, 0.5}, w = sqrt(2), worst = 0;
  snprintf(text, sizeof text,
           "hamiltonian H(q: real[2], p: real[2]) = dot(p, p)/2 + q[0]^2/2 + q[1]^2\n"
           "fn f(q: real[2], p: real[2]) = section(H, q, p, on = q[0] - 1/2, crossings = 3, dt = %.17g, method = %s)\n",
           dt, method);
  Program g = program(text);
  Tensor out[2];
  run(&g, 1, (double *[]){q, p}, out);
  for (int k = 0; k < 3; k++) {
    double t = asin(0.5) + 2 * M_PI * k;
    double want[] = {0.5, cos(w * t) + 0.5 / w * sin(w * t), cos(t), -w * sin(w * t) + 0.5 * cos(w * t)};
    CU_ASSERT_DOUBLE_EQUAL(out[0].v[2 * k], 0.5, 1e-15);
    for (int i = 0; i < 4; i++) worst = fmax(worst, fabs((i < 2 ? out[0].v : out[1].v)[2 * k + i % 2] - want[i]));
  }
  ir_tensors_free(out, 2);
  drop(&g);
  return worst;
}

static void test_order(void) {
  static const struct {
    Method m;
    double dt;
  } rows[] = {
    {M_EULER, 0.01}, {M_SYMPLECTIC_EULER, 0.02}, {M_LEAPFROG, 0.1}, {M_IMPLICIT_MIDPOINT, 0.1}, {M_RK4, 0.1}, {M_YOSHIDA4, 0.1},
    {M_GAUSS4, 0.2}, {M_YOSHIDA6, 0.2},          {M_GAUSS6, 0.2},   {M_YOSHIDA8, 0.4},
  };
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
    const MethodInfo *m = &ir_method[rows[k].m];
    double a = oscillators(m->name, rows[k].dt), b = oscillators(m->name, rows[k].dt / 2), order = log2(a / b);
    if (!(fabs(order - m->order) < 0.3)) fprintf(stderr, "%s: errors %g and %g, order %g\n", m->name, a, b, order);
    CU_ASSERT(fabs(order - m->order) < 0.3);
  }
}

/* The period of a pendulum is 2 pi/agm(1, cos(a/2)), a the largest angle; the time is a coordinate. */
static void test_period(void) {
  Program g = program("hamiltonian H(q: real[2], p: real[2]) = p[0]^2/2 - cos(q[0]) + p[1]\n"
                      "fn f(x: real[2], y: real[2]) = section(H, x, y, on = q[0], crossings = 4, dt = 0.02, method = yoshida8)\n");
  double q[] = {0, 0}, p[] = {1.9, 0}, a = 1, b = sqrt(1 - 0.95 * 0.95);
  for (int k = 0; k < 8; k++) {
    double c = (a + b) / 2;
    b = sqrt(a * b), a = c;
  }
  Tensor out[2];
  run(&g, 1, (double *[]){q, p}, out);
  for (int k = 0; k < 4; k++) {
    CU_ASSERT_DOUBLE_EQUAL(out[0].v[2 * k], 0, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(out[1].v[2 * k], 1.9, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(out[0].v[2 * k + 1], (k + 1) * 2 * M_PI / a, 1e-11);
  }
  ir_tensors_free(out, 2);
  drop(&g);
}

/* ---- meaning --------------------------------------------------------------------------------------------- */

static void test_directions(void) {
  static const struct {
    const char *text;
    double p[4];
  } rows[] = {
    {OSC FN("on = q[0], crossings = 4"), {1, 1, 1, 1}},
    {OSC FN("on = q[0], crossings = 4, direction = 1"), {1, 1, 1, 1}},
    {OSC FN("on = q[0], crossings = 4, direction = -1"), {-1, -1, -1, -1}},
    {OSC FN("on = q[0], crossings = 4, direction = 0"), {-1, 1, -1, 1}},
    {OSC FN("on = -q[0], crossings = 4, direction = 1"), {-1, -1, -1, -1}},
    {OSC FN("on = q[0], crossings = 4, dt = -0.05"), {-1, -1, -1, -1}}, /* rises as it runs: backwards */
    {OSC FN("on = q[0], crossings = 4, direction = 0, dt = -0.05"), {1, -1, 1, -1}},
  };
  double q[4], p[4];
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
    crossings(rows[k].text, sin(1), cos(1), 4, q, p);
    for (int i = 0; i < 4; i++) {
      CU_ASSERT_DOUBLE_EQUAL(q[i], 0, 1e-16);
      CU_ASSERT_DOUBLE_EQUAL(p[i], rows[k].p[i], 1e-6);
    }
  }
}

/* From a start on the surface, exact or up to rounding, the first crossing is the next one. */
static void test_start_on_surface(void) {
  const char *text = "hamiltonian H(q: real[2], p: real[2]) = dot(p, p)/2 + q[0]^2/2 + p[1]\n"
                     "fn f(q: real[2], p: real[2]) = section(H, q, p, on = q[0] - 0.3, crossings = 3, "
                     "direction = 0, method = yoshida8)\n";
  Program g = program(text);
  double off[] = {0, 1e-16, -1e-16, 5e-16, -5e-16};
  for (int k = 0; k < 5; k++)
    for (int sign = -1; sign < 2; sign += 2) {
      double q[] = {0.3 + off[k], 0}, p[] = {sign * sqrt(1 - 0.09), 0}, above = M_PI - 2 * asin(0.3);
      Tensor out[2];
      run(&g, 1, (double *[]){q, p}, out);
      double first = sign > 0 ? above : 2 * M_PI - above;
      CU_ASSERT_DOUBLE_EQUAL(out[0].v[1], first, 1e-9);
      CU_ASSERT_DOUBLE_EQUAL(out[0].v[3], 2 * M_PI, 1e-9);
      CU_ASSERT_DOUBLE_EQUAL(out[0].v[5], 2 * M_PI + first, 1e-9);
      ir_tensors_free(out, 2);
    }
  drop(&g);
}

/* x = t - 1 at a step of 1/8: the crossing is the end of step 8, one at 17/16 is in step 9. */
static void test_steps(void) {
#define FREE "hamiltonian H(q: real[1], p: real[1]) = p[0]^2/2\n"
  double q[3], p[3];
  crossings(FREE FN("on = q[0] - 1, crossings = 3, dt = 0.125, steps = 8"), 0, 1, 3, q, p);
  CU_ASSERT_EQUAL(q[0], 1);
  CU_ASSERT(isnan(q[1]) && isnan(q[2]) && isnan(p[1]) && isnan(p[2]));
  crossings(FREE FN("on = q[0] - 1, crossings = 3, dt = 0.125, steps = 7"), 0, 1, 3, q, p);
  CU_ASSERT(isnan(q[0]) && isnan(q[1]) && isnan(q[2]) && isnan(p[0]));
  crossings(FREE FN("on = q[0] - 17/16, crossings = 3, dt = 0.125, steps = 8"), 0, 1, 3, q, p);
  CU_ASSERT(isnan(q[0]));
  crossings(FREE FN("on = q[0] - 17/16, crossings = 3, dt = 0.125, steps = 9"), 0, 1, 3, q, p);
  CU_ASSERT_DOUBLE_EQUAL(q[0], 17.0 / 16, 1e-15);
  /* the count begins anew at each crossing: they are in steps 58, 120 and 183 of 1/20 */
  crossings(OSC FN("on = q[0], crossings = 3, direction = 0, steps = 63"), 0.3, 1, 3, q, p);
  CU_ASSERT(!isnan(q[2]) && fabs(q[2]) < 1e-15);
  crossings(OSC FN("on = q[0], crossings = 3, direction = 0, steps = 62"), 0.3, 1, 3, q, p);
  CU_ASSERT(!isnan(q[0]) && !isnan(q[1]) && isnan(q[2]));
  /* lost to infinity, long before the steps are over */
  crossings("hamiltonian H(q: real[1], p: real[1]) = p[0]^2/2 - q[0]^4\n" FN(
                "on = q[0] + 2, crossings = 3, method = leapfrog, steps = 100000000"),
            1, 1, 3, q, p);
  CU_ASSERT(isnan(q[0]) && isnan(q[2]));
}

static void test_names(void) {
  static const char *const texts[] = {
    OSC "fn f(x: real[1], y: real[1]) = section(H, x, y, on = x[0], crossings = 2)\n",
    OSC "fn f(x: real[1], y: real[1]) = section(H, x, y, on = q[0], crossings = 2)\n",
    OSC "fn f(p: real[1], q: real[1]) = section(H, p, q, on = p[0], crossings = 2)\n", /* the call's names win */
    OSC "fn f(x: real[1], y: real[1]) = section(H, 1*x, 1*y, on = q[0], crossings = 2)\n",
    OSC "fn f(x: real[1], y: real[1]) = section(H, (x, y), on = q[0], crossings = 2)\n",
    OSC "fn g(a, b) = a[0] + 0*b[0]\nfn f(x: real[1], y: real[1]) = section(H, x, y, on = g, crossings = 2)\n",
    OSC
    "fn f(x: real[1], y: real[1]) { let x0 = x[0]\n let c = x0 - x0\n return section(H, x, y, on = x[0] - c, crossings = 2) }\n",
    OSC "fn f(x: real[1], y: real[1]) = section(H, x, y, crossings = 2, on = grad(q[0]^2, q)[0])\n",
    OSC "fn f(x: real[1], y: real[1]) { let (a, b) = [section(H, x, y, on = q[0], crossings = 2) for k in 0:3]\n return (a[2], "
        "b[2]) }\n",
    OSC "fn f(x: real[1], y: real[1]) { let s = section\n return s(H, x, y, on = q[0], crossings = 2) }\n",
    OSC "fn f(x: real[1], y: real[1]) { let c = 1\n return section(poisson(H, H), x, y, on = c*q[0], crossings = 2, method = rk4, "
        "steps = 3) }\n",
  };
  double q[2], p[2];
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
    crossings(texts[k], 0.3, 1, 2, q, p);
    if (k == sizeof texts / sizeof *texts - 1) { /* {H, H} = 0 moves nothing */
      CU_ASSERT(isnan(q[0]) && isnan(p[1]));
      continue;
    }
    for (int i = 0; i < 2; i++) {
      CU_ASSERT_DOUBLE_EQUAL(q[i], 0, 1e-15);
      CU_ASSERT_DOUBLE_EQUAL(p[i], sqrt(1.09), 1e-6);
    }
  }
}

/* ---- samples ---------------------------------------------------------------------------------------------- */

/* An oscillator with its frequency as a second coordinate, which rests. */
#define PACED                                                            \
  "hamiltonian H(q: real[2], p: real[2]) = (p[0]^2 + q[1]^2*q[0]^2)/2\n" \
  "fn f(q: real[2], p: real[2]) = section(H, q, p, on = q[0] - 0.1, crossings = 3, direction = 0, steps = 300)\n"

/* Frequencies from 0.1, too slow for 300 steps, to 12. */
static void paced(double *q, double *p, int64_t B) {
  for (int64_t s = 0; s < B; s++) {
    q[s] = 0.2 + 0.01 * (double)s, q[B + s] = 0.1 * pow(120, (double)s / (double)(B - 1));
    p[s] = 1, p[B + s] = 0;
  }
}

static void test_paces(void) {
  enum { B = 21 };
  double q[2 * B], p[2 * B];
  Program g = program(PACED);
  Tensor all[2], one[2];
  int lost = 0;
  paced(q, p, B);
  run(&g, B, (double *[]){q, p}, all);
  for (int s = 0; s < B; s++) {
    double q1[] = {q[s], q[B + s]}, p1[] = {1, 0};
    run(&g, 1, (double *[]){q1, p1}, one);
    for (int o = 0; o < 2; o++)
      for (int e = 0; e < 6; e++) {
        double a = all[o].v[e * B + s], b = one[o].v[e];
        CU_ASSERT(a == b || (isnan(a) && isnan(b)));
        if (o == 1 || e % 2) continue;
        lost += isnan(a);
        CU_ASSERT(isnan(a) || fabs(a - 0.1) < 1e-15);
      }
    ir_tensors_free(one, 2);
  }
  CU_ASSERT(lost > 3 && lost < 30);
  ir_tensors_free(all, 2);
  drop(&g);
}

static void test_compiled(void) {
#define HH                                                                                       \
  "hamiltonian H(q: real[2], p: real[2]) = dot(p, p)/2 + dot(q, q)/2 + q[0]^2*q[1] - q[1]^3/3\n" \
  "fn f(q: real[2], p: real[2]) = section(H, q, p, on = q[0], crossings = 5, method = "
  static const int64_t sizes[] = {1, 7, 21, MOST};
  double q[2 * MOST], p[2 * MOST];
  for (int k = 0; k < (SANITIZED ? 2 : 4); k++) {
    int64_t B = sizes[k];
    if (B > 1) {
      paced(q, p, B);
      CU_ASSERT(compiled(PACED, B, (double *[]){q, p}) < 1e-11);
    }
    for (int64_t s = 0; s < B; s++) {
      q[s] = 0, q[B + s] = 0.004 * (double)s;
      p[s] = 0.4, p[B + s] = 0.1 - 0.003 * (double)s;
    }
    CU_ASSERT(compiled(HH "yoshida4)\n", B, (double *[]){q, p}) < 1e-11);
    CU_ASSERT(compiled(HH "gauss4, dt = 0.2, steps = 40)\n", B, (double *[]){q, p}) < 1e-11);
    CU_ASSERT(compiled(HH "rk4, direction = 0, dt = -0.1)\n", B, (double *[]){q, p}) < 1e-11);
    CU_ASSERT(compiled("precision f32\n" HH "leapfrog, dt = 0.1)\n", B, (double *[]){q, p}) < 1e-4);
  }
}

/* Small enough that every pass on it is compared with its input in the finite field. */
static void test_exact(void) {
  Program g =
      program(OSC "fn f(x: real[1], y: real[1]) = section(H, x, y, on = q[0], crossings = 2, steps = 5, method = leapfrog)\n");
  Flops n = pass_flops(g.f);
  CU_ASSERT(n.per_sample + n.once < 100000);
  drop(&g);
}

const Suite suite = {"section", (CU_TestInfo[]){{"order", test_order},
                                                {"period of a pendulum", test_period},
                                                {"directions", test_directions},
                                                {"start on the surface", test_start_on_surface},
                                                {"steps", test_steps},
                                                {"names", test_names},
                                                {"paces", test_paces},
                                                {"compiled", test_compiled},
                                                {"exact checks", test_exact},
                                                CU_TEST_INFO_NULL}};
