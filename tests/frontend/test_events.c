/* Events: what is counted and what is not, two crossings within one step, several surfaces, time-dependent fields, times against those
 * known to many digits, random orbits against a search on the exact solution, trajectories that stop; compiled against evaluated. */
#include "tests/common/model_fn.h"
#include "tests/common/often.h"
#include "tests/common/cunit_main.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 24 };

/* f(x) = [states, times, ...] of one sample; all results flat, side by side. */
static int values(const char *text, double x, double *out) {
  Program g = program(text);
  Tensor t[8];
  int n = 0;
  run(&g, 1, (double *[]){&x}, t);
  for (uint32_t k = 0; k < g.f->out.n; k++)
    for (int64_t e = 0; e < type_count(t[k].type); e++) out[n++] = t[k].v[e];
  ir_tensors_free(t, g.f->out.n);
  drop(&g);
  return n;
}

static const char *const every[] = {
  "leapfrog", "rk4", "gauss4", "dopri5(rtol = 1e-9)", "tsit5(rtol = 1e-9)", "dop853(rtol = 1e-12)", "gauss16(rtol = 1e-12)"};
enum { EVERY = sizeof every / sizeof *every, FIXED = 3 };

/* Of a throw upwards, q = x + v t - t^2/2, which all methods have exactly: f gives the times. */
static void thrown(const char *options, const char *method, double dt, double v, int n, double *t) {
  char text[600];
  double out[64];
  snprintf(text, sizeof text,
           "hamiltonian H(q: real, p: real) = p^2/2 + q\n"
           "fn f(v: real) { let (q, p, t, k) = events(H, 0, v, %s, crossings = %d, dt = %.17g, method = %s, steps = 200, until = "
           "40*%g)\n"
           "  return t }\n",
           options, n, dt, method, dt < 0 ? -1.0 : 1.0);
  CU_ASSERT_EQUAL(values(text, v, out), n);
  for (int k = 0; k < n; k++) t[k] = out[k];
}

/* 2 v t - t^2 = 2 c: within one step of .75 both, the first and the second alone by the direction. */
static void test_within_a_step(void) {
  double t[3];
  for (int m = 0; m < EVERY; m++) {
    const double half = sqrt(1 - 2 * 0.49), far = sqrt(1 - 2 * 0.4999999);
    thrown("on = q - 0.49", every[m], 0.75, 1, 3, t);
    CU_ASSERT(fabs(t[0] - (1 - half)) < 1e-10 && fabs(t[1] - (1 + half)) < 1e-10 && isnan(t[2]));
    thrown("on = q - 0.49, direction = -1", every[m], 0.75, 1, 2, t);
    CU_ASSERT(fabs(t[0] - (1 + half)) < 1e-10 && isnan(t[1]));
    thrown("on = q - 0.49, direction = 1", every[m], 0.75, 1, 2, t);
    CU_ASSERT(fabs(t[0] - (1 - half)) < 1e-10 && isnan(t[1]));
    thrown("on = q - 0.4999999", every[m], 0.75, 1, 3, t); /* a tenth of a percent of the step apart */
    CU_ASSERT(fabs(t[0] - (1 - far)) < 1e-6 && fabs(t[1] - (1 + far)) < 1e-6 && isnan(t[2]));
    thrown("on = q - 0.5000001", every[m], 0.75, 1, 2, t); /* just missed */
    CU_ASSERT(isnan(t[0]));
    thrown("on = q - 0.49", every[m], -0.75, -1, 3, t); /* backwards */
    CU_ASSERT(fabs(t[0] + (1 - half)) < 1e-10 && fabs(t[1] + (1 + half)) < 1e-10 && isnan(t[2]));
  }
}

/* A start on the surface is none; the next one is where it comes down. The end of a step is one, once; a touch is none. */
static void test_what_counts(void) {
  double t[3];
  for (int m = 0; m < EVERY; m++) {
    thrown("on = q", every[m], 0.3, 1, 2, t);
    CU_ASSERT(fabs(t[0] - 2) < 1e-10 && isnan(t[1]));
    thrown("on = q, direction = 1", every[m], 0.3, 1, 1, t);
    CU_ASSERT(isnan(t[0]));
    thrown("on = q + 1.5", every[m], 0.25, 1, 2, t); /* at 3, the end of a step */
    CU_ASSERT(fabs(t[0] - 3) < 1e-10 && isnan(t[1]));
    thrown("on = p", every[m], 0.25, 1, 2, t); /* linear, at 1 */
    CU_ASSERT(fabs(t[0] - 1) < 1e-13 && isnan(t[1]));
    if (m >= FIXED) continue;
    thrown("on = q - 0.5", every[m], 0.25, 1, 2, t); /* touched at the end of a step, exactly */
    CU_ASSERT(isnan(t[0]));
  }
}

/* From the surface and back within the first step, however soon; and within the step behind one that ends on it. */
static void test_comes_back(void) {
  double t[4];
  static const double soon[] = {0.3, 0.01, 1e-5};
  for (int m = 0; m < EVERY; m++) {
    for (int k = 0; k < 3; k++) {
      const double v = soon[k], off = 1e-9 * v;
      thrown("on = q, direction = -1", every[m], 0.75, v, 2, t);
      CU_ASSERT(fabs(t[0] - 2 * v) < off && isnan(t[1]));
      thrown("on = q", every[m], 0.75, v, 2, t);
      CU_ASSERT(fabs(t[0] - 2 * v) < off && isnan(t[1]));
      thrown("on = (q, -q)", every[m], -0.75, -v, 3, t);
      CU_ASSERT(fabs(t[0] + 2 * v) < off && fabs(t[1] + 2 * v) < off && isnan(t[2]));
    }
    thrown("on = q", every[m], 0.75, -0.3, 1, t); /* below from the start on */
    CU_ASSERT(isnan(t[0]));
    thrown("on = q - 0.0390625", every[m], 0.25, 0.28125, 3, t); /* at 1/4 and 5/16 */
    CU_ASSERT(fabs(t[0] - 0.25) < 1e-12 && fabs(t[1] - 0.3125) < 1e-12 && isnan(t[2]));
  }
  static const char *const rates[] = {"t - 3*t^2", "3*t^2 - 8*t^3"}; /* touches where it starts; passes through twice as flat */
  for (int m = 0; m < 4; m++) {
    char text[500];
    snprintf(text, sizeof text,
             "fn move(x: real, t: real) = %s + 0*x\n"
             "fn f(s: real) { let (y, t, k) = events(move, s, on = x, crossings = 2, dt = 0.75, until = 9, method = %s)\n return t "
             "}\n",
             rates[m / 2],
             m % 2 ? "dop853(rtol = 1e-12)"
             : m   ? "taylor(rtol = 1e-12)"
                   : "rk4");
    CU_ASSERT_EQUAL(values(text, 0, t), 2);
    CU_ASSERT(fabs(t[0] - 0.5) < 1e-11 && isnan(t[1]));
  }
}

/* A ball that bounces 60 times, in ever shorter flights, each from the surface. */
static void test_bounces(void) {
  double out[61];
  for (int m = 1; m < EVERY; m++) {
    char text[700];
    snprintf(
        text, sizeof text,
        "fn fall(x: real, v: real) = (v, -10 + 0*v)\n"
        "fn flight(x: real, v: real, t: real) {\n"
        "  let (y, w, more, k) = events(fall, x, v, on = x, direction = -1, crossings = 1, until = 20, dt = 0.05, method = %s)\n"
        "  return (0*y[0], -0.8*w[0], t + more[0]) }\n"
        "fn f(u: real) { let (x, v, t) = iterate(flight, 0, u, 0, steps = 60)\n return t }\n",
        every[m]);
    CU_ASSERT_EQUAL(values(text, 4, out), 61);
    for (int k = 0; k <= 60; k++) CU_ASSERT(fabs(out[k] - 4 * (1 - pow(0.8, k))) < 1e-12);
  }
}

static void test_surfaces(void) {
  double out[64];
  for (int m = 0; m < EVERY; m++) {
    char text[600];
    snprintf(text, sizeof text,
             "fn fall(x: real[2], v: real[2]) = (v, [0*v[0], -1 + 0*v[1]])\n"
             "fn f(u: real) { let (x, v, t, k) = events(fall, [0, 0], [1, u], on = (x[1], v[1], x[0] - 1/2, x[1] - x[0]/2),\n"
             "  direction = (0, 0, 1, -1), crossings = 5, dt = 0.8, until = 3, method = %s)\n return t, k, x[:, 0] }\n",
             every[m]);
    CU_ASSERT_EQUAL(values(text, 1, out), 15);
    /* x = t, y = t - t^2/2: x = 1/2 at 1/2; the top at 1; y = x/2 at 1; the ground at 2 */
    const double t[] = {0.5, 1, 1, 2}, k[] = {2, 1, 3, 0};
    for (int i = 0; i < 4; i++) {
      CU_ASSERT(fabs(out[i] - t[i]) < 1e-10 && fabs(out[10 + i] - t[i]) < 1e-10);
      CU_ASSERT(i == 1 || i == 2 ? out[5 + i] == 1 || out[5 + i] == 3 : out[5 + i] == k[i]);
    }
    CU_ASSERT(out[6] != out[7] && isnan(out[4]) && isnan(out[9]) && isnan(out[14]));
  }
}

/* x = sin t meets t/2 at 1.8954942670339809, as a surface that moves, from a start time of its own. */
static void test_time(void) {
  double out[8];
  static const char *const method[] = {"rk4", "gauss6", "dop853(rtol = 1e-13)", "taylor(rtol = 1e-13)", "gauss16(rtol = 1e-13)"};
  for (int m = 0; m < 5; m++) {
    char text[600];
    snprintf(text, sizeof text,
             "fn turn(x: real, t: real) = cos(t) + 0*x\n"
             "fn f(s: real) { let (x, t, k) = events(turn, sin(s), on = x - t/2, crossings = 2, start = s, until = 9, dt = 0.01, "
             "method = %s)\n"
             "  return t, x }\n",
             method[m]);
    CU_ASSERT_EQUAL(values(text, 0.5, out), 4);
    CU_ASSERT(fabs(out[0] - 1.8954942670339809) < 1e-11 && fabs(out[2] - 0.9477471335169905) < 1e-11 && isnan(out[1]));
  }
}

/* A surface of the time alone: once a period, whatever the orbit does. */
static void test_strobe(void) {
  double out[4];
  static const char *const method[] = {"rk4", "gauss4", "dop853(rtol = 1e-10)", "taylor(rtol = 1e-12)"};
  for (int m = 0; m < 4; m++) {
    char text[600];
    snprintf(
        text, sizeof text,
        "fn drive(x: real, v: real, t: real) = (v, cos(t/3) - x)\n"
        "fn f(s: real) { let (x, v, t, k) = events(drive, s, 0, on = (sin(t/3), t - 20), direction = 1, crossings = 3, until = "
        "50, dt = 0.05, method = %s)\n return t, k[1] }\n",
        method[m]);
    CU_ASSERT_EQUAL(values(text, 0.5, out), 4);
    CU_ASSERT(fabs(out[0] - 6 * M_PI) < 1e-13 && fabs(out[1] - 20) < 1e-13 && fabs(out[2] - 12 * M_PI) < 1e-13 && out[3] == 1);
  }
}

/* Pericentres of e = 0.9 are 2 pi apart; the period of a pendulum is 2 pi/agm(1, cos(a/2)), a the largest angle. */
static void test_known_times(void) {
  static const char *const method[] = {"dopri5(rtol = 1e-11)", "tsit5(rtol = 1e-11)", "dop853(rtol = 1e-13)",
                                       "taylor(rtol = 1e-14)", "gauss16(rtol = 1e-14)"};
  double out[16], a = 1, b = sqrt(1 - 0.95 * 0.95);
  for (int k = 0; k < 8; k++) {
    const double c = (a + b) / 2;
    b = sqrt(a * b), a = c;
  }
  for (int m = 0; m < 5; m++) {
    char text[700];
    snprintf(
        text, sizeof text,
        "hamiltonian K(q: real[2], p: real[2]) = dot(p, p)/2 - 1/sqrt(dot(q, q))\n"
        "fn f(e: real) { let (q, p, t, k) = events(K, [-1 - e, 0], [0, -sqrt((1 - e)/(1 + e))], on = dot(q, p), direction = 1,\n"
        "  crossings = 3, method = %s)\n return t, q[:, 0] - (1 - e) }\n",
        method[m]);
    CU_ASSERT_EQUAL(values(text, 0.9, out), 6);
    for (int k = 0; k < 3; k++) {
      if (!(fabs(out[k] - (2 * k + 1) * M_PI) < 1e-7)) fprintf(stderr, "%s: off by %g\n", method[m], out[k] - (2 * k + 1) * M_PI);
      CU_ASSERT(fabs(out[k] - (2 * k + 1) * M_PI) < (m < 2   ? 1e-7
                                                     : m < 3 ? 1e-10
                                                             : 2e-11) &&
                fabs(out[3 + k]) < (m < 2 ? 1e-8 : 1e-11));
    }
    snprintf(text, sizeof text,
             "hamiltonian H(q: real, p: real) = p^2/2 - cos(q)\n"
             "fn f(p0: real) { let (q, p, t, k) = events(H, 0, p0, on = q, crossings = 3, method = %s)\n return t, q }\n",
             method[m]);
    CU_ASSERT_EQUAL(values(text, 1.9, out), 6);
    for (int k = 0; k < 3; k++) CU_ASSERT(fabs(out[k] - (k + 1) * M_PI / a) < (m < 2 ? 1e-8 : 2e-11) && fabs(out[3 + k]) < 1e-14);
  }
}

/* ---- random orbits ------------------------------------------------------------------------------------------------------ */

/* Three oscillators; the surface is a sum of their coordinates and a constant. */
typedef struct Wave {
  double w[3], c[3], x[3], v[3], level;
} Wave;

static double height(const Wave *o, double t) {
  double sum = o->level;
  for (int i = 0; i < 3; i++) sum += o->c[i] * (o->x[i] * cos(o->w[i] * t) + o->v[i] / o->w[i] * sin(o->w[i] * t));
  return sum;
}

static int searched(const Wave *o, double end, double *t, int most) {
  enum { PARTS = 200000 };
  int n = 0;
  for (int k = 0; k < PARTS && n < most; k++) {
    double a = end * k / PARTS, b = end * (k + 1) / PARTS;
    const bool below = height(o, a) < 0;
    if (below == (height(o, b) < 0)) continue;
    for (int i = 0; i < 60; i++) {
      const double m = (a + b) / 2;
      if ((height(o, m) < 0) == below) a = m;
      else b = m;
    }
    t[n++] = a;
  }
  return n;
}

static double draw(void) { return 2 * (double)rand() / RAND_MAX - 1; }

static void test_random(void) {
  static const char *const method[] = {"dop853(rtol = 1e-12)", "taylor(rtol = 1e-13)", "yoshida8", "tsit5(rtol = 1e-11)"};
  int total = 0;
  srand(5);
  for (int c = 0; c < (SANITIZED ? 4 : 16); c++) {
    Wave o = {.level = 0.3 * draw()};
    char text[1200];
    double out[MOST], t[MOST];
    for (int i = 0; i < 3; i++) o.w[i] = 0.5 + 2 * fabs(draw()), o.c[i] = draw(), o.x[i] = draw(), o.v[i] = draw();
    snprintf(text, sizeof text,
             "hamiltonian H(q: real[3], p: real[3]) = dot(p, p)/2 + sum(q^2*[%.17g, %.17g, %.17g])/2\n"
             "fn f(s: real) { let (q, p, t, k) = events(H, [%.17g, %.17g, %.17g], s*[%.17g, %.17g, %.17g],\n"
             "  on = dot(q, [%.17g, %.17g, %.17g]) + %.17g, crossings = %d, until = 12, dt = 0.1, method = %s)\n return t }\n",
             o.w[0] * o.w[0], o.w[1] * o.w[1], o.w[2] * o.w[2], o.x[0], o.x[1], o.x[2], o.v[0], o.v[1], o.v[2], o.c[0], o.c[1],
             o.c[2], o.level, MOST, method[c % 4]);
    CU_ASSERT_EQUAL(values(text, 1, out), MOST);
    const int n = searched(&o, 12, t, MOST);
    int have = 0;
    while (have < MOST && !isnan(out[have])) have++;
    if (have != n) fprintf(stderr, "case %d by %s: %d crossings, %d found\n", c, method[c % 4], n, have);
    CU_ASSERT_EQUAL(have, n);
    for (int k = 0; k < n && k < have; k++) CU_ASSERT(fabs(out[k] - t[k]) < 1e-6);
    total += n;
  }
  CU_ASSERT(total > (SANITIZED ? 10 : 40));
}

/* Up to height 2 and down again: six surfaces at random heights, of which every other bends so much that no polynomial of third degree tells
 * when a step crosses it. Both ways all are crossed, several within a step. */
static void test_order(void) {
  enum { SURFACES = 6, ALL = 2 * SURFACES };
  srand(7);
  for (int m = 0; m < EVERY; m++)
    for (int c = 0; c < (SANITIZED ? 1 : 2); c++) {
      char text[1500], on[800];
      double level[SURFACES], out[2 * ALL], want[ALL];
      int n = 0, which[ALL];
      for (int j = 0; j < SURFACES; j++) {
        level[j] = 0.05 + 1.7 * fabs(draw());
        n += snprintf(on + n, sizeof on - (size_t)n, j % 2 ? "%sexp(%d*(q - %.17g)) - 1" : "%s%d*(q - %.17g)", j ? ", " : "",
                      j < 3 ? 4 : -4, level[j]);
      }
      for (int k = 0; k < ALL; k++) { /* by time, the rising ones first */
        double last = k ? want[k - 1] : -1, best = 9;
        for (int j = 0; j < ALL; j++) {
          const double t = 2 + (j < SURFACES ? -1 : 1) * sqrt(4 - 2 * level[j % SURFACES]);
          if (t > last && t < best) best = t, which[k] = j % SURFACES;
        }
        want[k] = best;
      }
      snprintf(
          text, sizeof text,
          "hamiltonian H(q: real, p: real) = p^2/2 + q\n"
          "fn f(v: real) { let (q, p, t, k) = events(H, 0, v, on = (%s), crossings = %d, dt = 0.7, method = %s, until = 3.999)\n"
          "  return t, k }\n",
          on, ALL, every[m]);
      CU_ASSERT_EQUAL(values(text, 2, out), 2 * ALL);
      for (int k = 0; k < ALL; k++) {
        if (!(fabs(out[k] - want[k]) < 1e-8)) fprintf(stderr, "%s, case %d: %.12g is %.12g\n", every[m], c, out[k], want[k]);
        CU_ASSERT(fabs(out[k] - want[k]) < 1e-8 && out[ALL + k] == which[k]);
      }
    }
}

/* What touches, up to rounding and wherever in a step, is no crossing, and hides none. */
static void test_touch(void) {
  double t[3];
  srand(8);
  for (int m = 0; m < EVERY; m++)
    for (int c = 0; c < (SANITIZED ? 1 : 3); c++) {
      const double v = 1 + 0.5 * draw(), top = v * v / 2, dt = 0.35 + 0.3 * draw();
      char on[300];
      snprintf(on, sizeof on, "on = q - %.17g", top);
      thrown(on, every[m], dt, v, 1, t);
      CU_ASSERT(isnan(t[0]));
      snprintf(on, sizeof on, "on = (q + 0.5, p*p, %.17g - q), direction = (0, %d, %d)", top, c % 3 - 1, (c + 1) % 3 - 1);
      thrown(on, every[m], dt, v, 2, t);
      CU_ASSERT(fabs(t[0] - (v + sqrt(v * v + 1))) < 1e-9 && isnan(t[1]));
    }
}

/* What a derivative takes for a constant may be a crossing. */
static void test_constant(void) {
  double out[2];
  CU_ASSERT_EQUAL(
      values("fn turn(x: real, v: real) = (v, -x)\n"
             "fn f(v: real) { let (x, w, t, k) = events(turn, 0, stop_gradient(v), on = x, crossings = 1, method = rk4)\n"
             "  let (y, u) = integrate(turn, 0, v, times = [0, 9], stop = x, method = dop853(rtol = 1e-9))\n"
             "  return grad(t[0]*v, v), grad((v - stop_gradient(u[1]))^2, v) }\n",
             2, out),
      2);
  CU_ASSERT(fabs(out[0] - M_PI) < 1e-6 && fabs(out[1] - 8) < 1e-7);
}

/* ---- trajectories that stop ----------------------------------------------------------------------------------------------- */

static void test_stop(void) {
  double out[64];
  for (int m = 0; m < EVERY; m++) {
    char text[700];
    snprintf(text, sizeof text,
             "fn fall(x: real[2], v: real[2]) = (v, [0*v[0], -1 + 0*v[1]])\n"
             "fn f(u: real) { let (x, v) = integrate(fall, [0, 0], [1, u], times = linspace(0, 3, 7), stop = (x[1], x[0] - 10), "
             "method = %s)\n"
             "  return x[:, 0], x[:, 1] }\n",
             every[m]);
    CU_ASSERT_EQUAL(values(text, 1, out), 14);
    for (int k = 0; k < 7; k++) { /* at rest from t = 2 on */
      const double t = fmin(0.5 * k, 2);
      CU_ASSERT(fabs(out[k] - t) < 1e-9 && fabs(out[7 + k] - (t - t * t / 2)) < 1e-9);
    }
    snprintf(text, sizeof text,
             "hamiltonian H(q: real, p: real) = p^2/2 + q\n"
             "fn f(v: real) { let (q, p) = trajectory(H, 0, v, dt = -0.1, steps = 30, every = 10, start = 1, stop = p - 3, "
             "direction = 1, method = %s)\n"
             "  return p }\n",
             every[m]);
    CU_ASSERT_EQUAL(values(text, 1, out), 4);
    const double p[] = {1, 2, 3, 3};
    for (int k = 0; k < 4; k++) CU_ASSERT(fabs(out[k] - p[k]) < 1e-9);
  }
}

/* What never crosses ends, and is NaN; what is lost to infinity, too. */
static void test_never(void) {
  double out[4];
  CU_ASSERT_EQUAL(
      values(
          "fn decay(x: real) = -x\n"
          "fn f(x: real) { let (y, t, k) = events(decay, x, on = x - 2, crossings = 2, steps = 200, method = dop853(rtol = 1e-8))\n"
          "  return t, y }\n",
          1, out),
      4);
  CU_ASSERT(isnan(out[0]) && isnan(out[1]) && isnan(out[2]));
  CU_ASSERT_EQUAL(values("fn blow(x: real) = x^2\n"
                         "fn f(x: real) { let (y, t, k) = events(blow, x, on = (x - 2, x + 1), crossings = 2, method = tsit5(rtol "
                         "= 1e-8, max_steps = 2000))\n"
                         "  return t, y }\n",
                         1, out),
                  4);
  CU_ASSERT(fabs(out[0] - 0.5) < 1e-6 && isnan(out[1]) && fabs(out[2] - 2) < 1e-12);
  CU_ASSERT_EQUAL(values("fn blow(x: real) = x^2\n"
                         "fn f(x: real) { let y = integrate(blow, x, times = [0, 0.4, 0.8], stop = x - 2, method = rk4, substeps = "
                         "100)\n  return y }\n",
                         1, out),
                  3);
  CU_ASSERT(fabs(out[1] - 1 / 0.6) < 1e-6 && fabs(out[2] - 2) < 1e-6);
}

/* ---- samples -------------------------------------------------------------------------------------------------------------- */

#define SPREAD                                                                                                        \
  "fn bend(x: real[2], v: real[2], t: real) = (v, -x*(1 + x[1]) + 0.1*sin(t))\n"                                      \
  "fn f(x: real[2], v: real[2]) { let (a, b, t, k) = events(bend, x, v, on = (x[0] - 0.1, v[1]), direction = (1, 0)," \
  " crossings = 4, until = 9, start = 0.5, dt = 0.1, method = "

static void test_samples(void) {
  enum { B = 21 };
  static const char *const method[] = {
    "leapfrog", "rk4", "dopri5(rtol = 1e-7)", "dop853(rtol = 1e-10)", "taylor(rtol = 1e-12)", "gauss16(rtol = 1e-10)"};
  double x[2 * B], v[2 * B];
  for (int s = 0; s < B; s++) x[s] = 0.01 * s - 0.1, x[B + s] = 0.2 - 0.015 * s, v[s] = 0.3 * cos(s), v[B + s] = 0.3 * sin(2 * s);
  for (int m = 1; m < 6; m++) {
    char text[600];
    snprintf(text, sizeof text, "%s%s)\n return a, b, t, k }\n", SPREAD, method[m]);
    Program g = program(text);
    Tensor all[4], one[4];
    int lost = 0;
    run(&g, B, (double *[]){x, v}, all);
    for (int s = 0; s < B; s += 5) {
      double x1[] = {x[s], x[B + s]}, v1[] = {v[s], v[B + s]};
      run(&g, 1, (double *[]){x1, v1}, one);
      for (int o = 0; o < 4; o++)
        for (int64_t e = 0; e < type_count(one[o].type); e++) {
          const double p = all[o].v[e * B + s], q = one[o].v[e];
          CU_ASSERT(p == q || (isnan(p) && isnan(q)));
          lost += o == 2 && isnan(p);
        }
      ir_tensors_free(one, 4);
    }
    CU_ASSERT(lost < 16);
    ir_tensors_free(all, 4);
    drop(&g);
    if (SANITIZED && m % 2) continue;
    if (m == 2) { /* f32: far fewer digits, the same events */
      char narrow[700];
      snprintf(narrow, sizeof narrow, "precision f32\n%s", text);
      CU_ASSERT(compiled(narrow, B, (double *[]){x, v}) < 1e-2);
    }
    const double off = compiled(text, B, (double *[]){x, v});
    if (!(off < 1e-8)) fprintf(stderr, "%s: off by %g\n", method[m], off);
    CU_ASSERT(off < 1e-8);
  }
}

const Suite suite = {"events", (CU_TestInfo[]){{"within a step", test_within_a_step},
                                               {"what counts", test_what_counts},
                                               {"comes back", test_comes_back},
                                               {"bounces", test_bounces},
                                               {"surfaces", test_surfaces},
                                               {"time", test_time},
                                               {"strobe", test_strobe},
                                               {"known times", test_known_times},
                                               {"random", test_random},
                                               {"order", test_order},
                                               {"touch", test_touch},
                                               {"constant", test_constant},
                                               {"stop", test_stop},
                                               {"never", test_never},
                                               {"samples", test_samples},
                                               CU_TEST_INFO_NULL}};
