/* Adaptive integrators against closed forms: tolerances met, orders of the steps and of the dense output,
 * lanes independent of each other, failures counted. */
#include "ir/ir.h"
#include "ir/adaptive.h"
#include "runtime/runtime.h"
#include "tests/common/cunit_main.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DOPRI5 = 10, DOP853, TSIT5, GAUSS16 };
_Static_assert(DOPRI5 == (int)M_DOPRI5 && DOP853 == (int)M_DOP853 && TSIT5 == (int)M_TSIT5 && GAUSS16 == (int)M_GAUSS16,
               "the runtime knows the methods by number");

static int calls;

static void oscillator(void *ctx, const void *t, const void *y, void *dy) {
  const int lanes = *(const int *)ctx;
  const double *v = y;
  double *d = dy;
  (void)t;
  calls++;
  for (int l = 0; l < lanes; l++) d[l] = v[lanes + l], d[lanes + l] = -v[l];
}

static void oscillator32(void *ctx, const void *t, const void *y, void *dy) {
  const int lanes = *(const int *)ctx;
  const float *v = y;
  float *d = dy;
  (void)t;
  for (int l = 0; l < lanes; l++) d[l] = v[lanes + l], d[lanes + l] = -v[l];
}

static void kepler(void *ctx, const void *t, const void *y, void *dy) {
  const int n = *(const int *)ctx;
  const double *v = y;
  double *d = dy;
  (void)t;
  for (int l = 0; l < n; l++) {
    const double r2 = v[l] * v[l] + v[n + l] * v[n + l], r3 = r2 * sqrt(r2);
    d[l] = v[2 * n + l], d[n + l] = v[3 * n + l];
    d[2 * n + l] = -v[l] / r3, d[3 * n + l] = -v[n + l] / r3;
  }
}

/* y' = 5 t^4 cos(t^5) in lane 0, y' = y^2 (blows up at t = 1) in lane 1, sqrt(1 - t) (domain ends) in lane 2 */
static void mixed(void *ctx, const void *t, const void *y, void *dy) {
  const int n = *(const int *)ctx;
  const double *v = y, *s = t;
  double *d = dy;
  for (int l = 0; l < n; l++) d[l] = l % 3 == 0 ? 5 * pow(s[l], 4) * cos(pow(s[l], 5)) : l % 3 == 1 ? v[l] * v[l] : sqrt(1 - s[l]);
}

static int32_t integrate(int method, void (*f)(void *, const void *, const void *, void *), int lanes, int dim, int n,
                         const double *times, const double *y0, double *out, double rtol) {
  HnnOde o = {.method = method,
              .f64 = 1,
              .lanes = lanes,
              .dim = dim,
              .ntimes = n,
              .rtol = rtol,
              .atol = rtol,
              .times = times,
              .y0 = y0,
              .out = out,
              .rates = f,
              .ctx = &lanes};
  return rt_ode(&o);
}

static double oscillator_error(int method, double rtol, double end, int n) {
  enum { LANES = 3 };
  const double y0[2 * LANES] = {1, 0.5, 2, 0, 1, -1};
  double *times = calloc((size_t)n, sizeof *times), *out = calloc((size_t)n * 2 * LANES, sizeof *out), worst = 0;
  for (int i = 0; i < n; i++) times[i] = end * i / (n - 1);
  CU_ASSERT_EQUAL(integrate(method, oscillator, LANES, 2, n, times, y0, out, rtol), 0);
  for (int i = 0; i < n; i++)
    for (int l = 0; l < LANES; l++) {
      const double q = y0[l] * cos(times[i]) + y0[LANES + l] * sin(times[i]);
      worst = fmax(worst, fabs(out[(i * 2) * LANES + l] - q));
    }
  free(times);
  free(out);
  return worst;
}

static void test_oscillator(void) {
  for (int back = 0; back < 2; back++) {
    const double end = back ? -20 : 20;
    CU_ASSERT(oscillator_error(DOPRI5, 1e-10, end, 777) < 1e-8);
    CU_ASSERT(oscillator_error(DOP853, 1e-10, end, 777) < 1e-8);
    CU_ASSERT(oscillator_error(DOPRI5, 1e-12, end, 777) < 1e-10);
    CU_ASSERT(oscillator_error(DOP853, 1e-12, end, 777) < 1e-10);
    CU_ASSERT(oscillator_error(DOP853, 1e-10, end, 2) < 1e-8);
    CU_ASSERT(oscillator_error(GAUSS16, 1e-10, end, 777) < 1e-11);
    CU_ASSERT(oscillator_error(GAUSS16, 1e-14, end, 2) < 1e-13);
  }
  CU_ASSERT(oscillator_error(DOPRI5, 1e-5, 20, 300) > 1e-10); /* the tolerance is heard */
}

/* Error falls as tol; work grows as tol^(-1/order): the order of the method from the calls it makes. */
static void test_order(void) {
  for (int method = DOPRI5; method <= TSIT5; method++) {
    const double a = method == DOP853 ? 1e-8 : 1e-6, b = method == DOP853 ? 1e-13 : 1e-10;
    calls = 0;
    oscillator_error(method, a, 400, 2);
    const int coarse = calls;
    calls = 0;
    oscillator_error(method, b, 400, 2);
    const double order = log(a / b) / log((double)calls / coarse);
    CU_ASSERT_DOUBLE_EQUAL(order, method == DOP853 ? 8 : 5, 0.35);
  }
}

/* A polynomial of the interpolant's degree is met exactly between the steps. */
static int power;
static void monomial(void *ctx, const void *t, const void *y, void *dy) {
  (void)ctx, (void)y;
  *(double *)dy = power * pow(*(const double *)t, power - 1);
}

static void test_dense_order(void) {
  const int degree[] = {4, 7, 4};
  for (int m = 0; m < 3; m++) {
    double times[101], out[101], y0 = 0, worst;
    for (int i = 0; i <= 100; i++) times[i] = i / 100.0;
    for (power = 1; power <= degree[m]; power++) {
      worst = 0;
      CU_ASSERT_EQUAL(integrate(DOPRI5 + m, monomial, 1, 1, 101, times, &y0, out, 1e-3), 0);
      for (int i = 0; i <= 100; i++) worst = fmax(worst, fabs(out[i] - pow(times[i], power)));
      CU_ASSERT(worst < 1e-13);
    }
  }
}

/* A planar orbit of eccentricity e, a = 1, from the perihelion. */
static void kepler_at(double e, double t, double v[4]) {
  double E = t;
  for (int i = 0; i < 60; i++) E -= (E - e * sin(E) - t) / (1 - e * cos(E));
  const double b = sqrt(1 - e * e), rate = 1 / (1 - e * cos(E));
  v[0] = cos(E) - e, v[1] = b * sin(E), v[2] = -sin(E) * rate, v[3] = b * cos(E) * rate;
}

static void test_kepler(void) {
  enum { LANES = 4, N = 401 };
  const double ecc[LANES] = {0, 0.2056, 0.5, 0.8};
  double times[N], y0[4 * LANES], *out = malloc(sizeof *out * N * 4 * LANES), exact[4], worst[2] = {0, 0};
  for (int i = 0; i < N; i++) times[i] = 0.05 * i; /* three revolutions */
  for (int l = 0; l < LANES; l++) {
    kepler_at(ecc[l], 0, exact);
    for (int d = 0; d < 4; d++) y0[d * LANES + l] = exact[d];
  }
  for (int m = 0; m < 2; m++) {
    CU_ASSERT_EQUAL(integrate(DOPRI5 + m, kepler, LANES, 4, N, times, y0, out, 1e-10), 0);
    for (int i = 0; i < N; i++)
      for (int l = 0; l < LANES; l++) {
        kepler_at(ecc[l], times[i], exact);
        for (int d = 0; d < 4; d++) worst[m] = fmax(worst[m], fabs(out[(i * 4 + d) * LANES + l] - exact[d]));
      }
  }
  CU_ASSERT(worst[0] < 1e-6); /* of the orbit with e = 0.8, whose perihelion multiplies errors */
  CU_ASSERT(worst[1] < 3e-7);
  CU_ASSERT_EQUAL(integrate(DOP853, kepler, LANES, 4, N, times, y0, out, 1e-12), 0);
  worst[0] = worst[1] = 0;
  for (int i = 0; i < N; i++)
    for (int l = 0; l < LANES; l++) {
      kepler_at(ecc[l], times[i], exact);
      for (int d = 0; d < 4; d++) worst[l > 1] = fmax(worst[l > 1], fabs(out[(i * 4 + d) * LANES + l] - exact[d]));
    }
  CU_ASSERT(worst[0] < 1e-10);
  CU_ASSERT(worst[1] < 5e-9);
  free(out);
}

/* Each lane alone gives the bits that it gives in company. */
static void test_lanes_apart(void) {
  enum { LANES = 5, N = 33 };
  double times[N], y0[4 * LANES], out[N * 4 * LANES], one[N * 4], v[4];
  for (int i = 0; i < N; i++) times[i] = 0.3 * i;
  for (int l = 0; l < LANES; l++) {
    kepler_at(0.19 * l, 0.1, v);
    for (int d = 0; d < 4; d++) y0[d * LANES + l] = v[d];
  }
  for (int method = DOPRI5; method <= GAUSS16; method++) {
    CU_ASSERT_EQUAL(integrate(method, kepler, LANES, 4, N, times, y0, out, 1e-9), 0);
    for (int l = 0; l < LANES; l++) {
      for (int d = 0; d < 4; d++) v[d] = y0[d * LANES + l];
      integrate(method, kepler, 1, 4, N, times, v, one, 1e-9);
      int differ = 0;
      for (int k = 0; k < N * 4; k++) differ += memcmp(&one[k], &out[k * LANES + l], sizeof *one) != 0;
      CU_ASSERT_EQUAL(differ, 0);
    }
  }
}

/* Times of each lane: it gives the bits that it gives alone with them, also beside lanes that fail or go nowhere. */
static void test_lane_times(void) {
  enum { LANES = 6, N = 25, BACK = 1, STILL = 3, WILD = 4, EMPTY = 5 };
  double times[N * LANES], y0[4 * LANES], out[N * 4 * LANES], one[N * 4], at[N], v[4];
  int lanes = LANES;
  for (int l = 0; l < LANES; l++) {
    kepler_at(0.12 * l, 0.1, v);
    for (int d = 0; d < 4; d++) y0[d * LANES + l] = v[d];
    for (int i = 0; i < N; i++) times[i * LANES + l] = l + (0.1 + 0.2 * l) * i + 0.05 * sin(i * (l + 1));
    for (int i = 0; i < N && l == BACK; i++) times[i * LANES + l] *= -1;
    for (int i = 0; i < N && l == STILL; i++) times[i * LANES + l] = 3;
    times[3 * LANES + l] = times[2 * LANES + l];
  }
  times[7 * LANES + WILD] = -1, times[9 * LANES + EMPTY] = NAN;
  for (int method = DOPRI5; method <= GAUSS16; method++) {
    HnnOde o = {.method = method,
                .f64 = 1,
                .lanes = LANES,
                .dim = 4,
                .ntimes = N,
                .rtol = 1e-9,
                .atol = 1e-9,
                .lane_times = 1,
                .times = times,
                .y0 = y0,
                .out = out,
                .rates = kepler,
                .ctx = &lanes};
    CU_ASSERT_EQUAL(rt_ode(&o), 2);
    CU_ASSERT(o.failure == HNN_ODE_TIMES && o.failed == WILD && o.failed_at == WILD);
    for (int l = 0; l < LANES; l++) {
      for (int d = 0; d < 4; d++) v[d] = y0[d * LANES + l];
      for (int i = 0; i < N; i++) at[i] = times[i * LANES + l];
      CU_ASSERT_EQUAL(integrate(method, kepler, 1, 4, N, at, v, one, 1e-9), l >= WILD);
      int differ = 0, lost = 0;
      for (int k = 0; k < N * 4; k++) {
        lost += isnan(out[k * LANES + l]);
        differ += !isnan(one[k]) && memcmp(&one[k], &out[k * LANES + l], sizeof *one) != 0;
      }
      CU_ASSERT_EQUAL(differ, 0);
      CU_ASSERT_EQUAL(lost, l >= WILD ? N * 4 : 0);
    }
    CU_ASSERT_EQUAL(out[(4 * (N - 1)) * LANES + STILL], y0[STILL]);
  }
}

static void test_failures(void) {
  const double times[] = {0, 0.5, 0.9, 1.5}, y0[3] = {0, 1, 0};
  double out[4 * 3];
  for (int method = DOPRI5; method <= GAUSS16; method++) {
    CU_ASSERT_EQUAL(integrate(method, mixed, 3, 1, 4, times, y0, out, 1e-9), 2);
    for (int i = 0; i < 4; i++) {
      CU_ASSERT_DOUBLE_EQUAL(out[3 * i], sin(pow(times[i], 5)), 1e-7);
      CU_ASSERT(isnan(out[3 * i + 1]) && isnan(out[3 * i + 2]));
    }
  }
  const double wild[] = {0, 2, 1}, bad[] = {0, NAN};
  CU_ASSERT_EQUAL(integrate(DOP853, mixed, 3, 1, 3, wild, y0, out, 1e-9), 3);
  CU_ASSERT_EQUAL(integrate(DOP853, mixed, 3, 1, 2, bad, y0, out, 1e-9), 3);
  CU_ASSERT(isnan(out[0]));
}

/* Why, and when; of the first lane that failed. */
static HnnOdeFailure failure(int lanes, int32_t max_steps, int n, const double *times, const double *y0, double *at,
                             int32_t *lane) {
  double out[4 * 3];
  HnnOde o = {.method = DOPRI5,
              .f64 = 1,
              .lanes = lanes,
              .dim = 1,
              .ntimes = n,
              .rtol = 1e-9,
              .atol = 1e-9,
              .max_steps = max_steps,
              .times = times,
              .y0 = y0,
              .out = out,
              .rates = mixed,
              .ctx = &lanes};
  CU_ASSERT(rt_ode(&o) > 0);
  *at = o.failed_at, *lane = o.failed;
  return (HnnOdeFailure)o.failure;
}

static void test_causes(void) {
  const double times[] = {0, 0.5, 0.9, 1.5}, y0[3] = {0, 1, 0}, wild[] = {0, 2, 1}, nan[3] = {NAN, 1, 0};
  double at;
  int32_t lane;
  CU_ASSERT_EQUAL(failure(3, 0, 4, times, y0, &at, &lane), HNN_ODE_SMALL);
  CU_ASSERT(lane == 1 && fabs(at - 1) < 1e-6);
  CU_ASSERT_EQUAL(failure(1, 5, 4, times, y0, &at, &lane), HNN_ODE_STEPS);
  CU_ASSERT(lane == 0 && at > 0 && at < 1.5);
  CU_ASSERT_EQUAL(failure(3, 0, 3, wild, y0, &at, &lane), HNN_ODE_TIMES);
  CU_ASSERT_EQUAL(failure(3, 0, 4, times, nan, &at, &lane), HNN_ODE_RATES);
  CU_ASSERT(lane == 0 && at == 0);
}

static void test_edges(void) {
  const double same[] = {2, 2, 2}, twice[] = {0, 0, 1, 1}, y0[2] = {1, 0};
  double out[8];
  CU_ASSERT_EQUAL(integrate(DOP853, oscillator, 1, 2, 1, same, y0, out, 1e-9), 0);
  CU_ASSERT_EQUAL(out[0], 1);
  CU_ASSERT_EQUAL(integrate(DOP853, oscillator, 1, 2, 3, same, y0, out, 1e-9), 0);
  CU_ASSERT_EQUAL(out[4], 1);
  CU_ASSERT_EQUAL(integrate(DOP853, oscillator, 1, 2, 4, twice, y0, out, 1e-11), 0);
  CU_ASSERT_EQUAL(out[2], 1);
  CU_ASSERT_DOUBLE_EQUAL(out[4], cos(1), 1e-9);
  CU_ASSERT_DOUBLE_EQUAL(out[6], cos(1), 1e-9);
}

static void test_f32(void) {
  enum { LANES = 2, N = 50 };
  float times[N], out[N * 2 * LANES];
  const float y0[2 * LANES] = {1, 0, 0, 1};
  int lanes = LANES;
  for (int i = 0; i < N; i++) times[i] = 0.2f * (float)i;
  for (int method = DOPRI5; method <= GAUSS16; method++) {
    HnnOde o = {.method = method,
                .f64 = 0,
                .lanes = LANES,
                .dim = 2,
                .ntimes = N,
                .rtol = 1e-10,
                .atol = 1e-10,
                .times = times,
                .y0 = y0,
                .out = out,
                .rates = oscillator32,
                .ctx = &lanes};
    CU_ASSERT_EQUAL(rt_ode(&o), 0);
    double worst = 0;
    for (int i = 0; i < N; i++) worst = fmax(worst, fabs(out[i * 2 * LANES] - cos((double)times[i])));
    CU_ASSERT(worst < 2e-5);
  }
}

/* A step of gauss16 keeps the symplectic form: the identities of ir/gauss.h, to 2^-57 (in the long double of this machine, if it has one). */
static void test_symplectic(void) {
  const AdaptiveGauss *g = &adaptive_gauss16;
  const long double most = ldexpl(1, LDBL_MANT_DIG >= 64 ? -57 : -51);
  long double sum = 0, half = 0;
  for (int i = 0; i < GAUSS_STAGES; i++) {
    const long double bi = (long double)g->b[i] + (long double)g->b_low[i], xi = (long double)g->bx[i] + (long double)g->bx_low[i];
    sum += bi, half += xi;
    CU_ASSERT(fabsl(xi - bi * (1 - (long double)g->c[i])) < ldexpl(most, -4));
    CU_ASSERT(g->c[i] + g->c[GAUSS_STAGES - 1 - i] == 1);
    for (int j = 0; j < GAUSS_STAGES; j++) {
      const long double bj = (long double)g->b[j] + (long double)g->b_low[j],
                        xj = (long double)g->bx[j] + (long double)g->bx_low[j];
      CU_ASSERT(fabsl(bi * (long double)g->a[i][j] + bj * (long double)g->a[j][i] - bi * bj) < most);
      CU_ASSERT(fabsl(bi * (xj - (long double)g->aa[i][j]) - bj * (xi - (long double)g->aa[j][i])) < most);
    }
  }
  CU_ASSERT(fabsl(sum - 1) < ldexpl(most, -4));
  CU_ASSERT(fabsl(half - 0.5L) < ldexpl(most, -4));
}

const Suite suite = {"ode", (CU_TestInfo[]){{"oscillator", test_oscillator},
                                            {"order", test_order},
                                            {"dense order", test_dense_order},
                                            {"kepler", test_kepler},
                                            {"lanes apart", test_lanes_apart},
                                            {"lane times", test_lane_times},
                                            {"failures", test_failures},
                                            {"causes", test_causes},
                                            {"edges", test_edges},
                                            {"f32", test_f32},
                                            {"symplectic", test_symplectic},
                                            CU_TEST_INFO_NULL}};
