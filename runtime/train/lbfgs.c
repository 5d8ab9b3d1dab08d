/* L-BFGS: J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd ed., Springer 2006, algorithms 7.4
 * (two-loop recursion), 3.5 and 3.6 (line search with the strong Wolfe conditions).
 *
 * State i is s_i, state history + i is y_i, newest first; a pair with s = 0 is empty. That, the
 * parameters and the step number are all: the gradient at the parameters is computed anew at each step,
 * so a resumed training makes the same bits. Products are accumulated in f64. */
#include "runtime/train/train.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double ARMIJO = 1e-4, CURVATURE = 0.9;
enum { MAX_EVALUATIONS = 25 };

int rt_lbfgs_states(int history) { return 2 * history; }

typedef struct Search { /* f along x + t d */
  Loop *l;
  double *x, *d, *g; /* where it starts, the direction, the gradient there */
  double lr;
  double f, slope; /* at the point evaluated last, which t->flat and l->grad hold */
} Search;

static double dot(const double *a, const void *b, const RtTrain *t) {
  double sum = 0;
  for (int64_t i = 0; i < t->flat_n; i++) sum += a[i] * rt_real(b, i, t->f64);
  return sum;
}

static double dot_states(const void *a, const void *b, const RtTrain *t) {
  double sum = 0;
  for (int64_t i = 0; i < t->flat_n; i++) sum += rt_real(a, i, t->f64) * rt_real(b, i, t->f64);
  return sum;
}

/* d = -H g by the two-loop recursion; H starts as (s.y / y.y) of the newest pair. */
static void direction(const Search *q) {
  const RtTrain *t = q->l->t;
  double *d = q->d, alpha[256];
  int pairs = 0;
  for (int64_t i = 0; i < t->flat_n; i++) d[i] = -q->g[i];
  for (; pairs < t->history && pairs < 256; pairs++) {
    const void *s = t->state[pairs], *y = t->state[t->history + pairs];
    const double sy = dot_states(s, y, t);
    if (!(sy > 0)) break;
    alpha[pairs] = dot(d, s, t) / sy;
    for (int64_t i = 0; i < t->flat_n; i++) d[i] -= alpha[pairs] * rt_real(y, i, t->f64);
  }
  if (!pairs) return;
  const void *y0 = t->state[t->history];
  const double gamma = dot_states(t->state[0], y0, t) / dot_states(y0, y0, t);
  for (int64_t i = 0; i < t->flat_n; i++) d[i] *= gamma;
  for (int k = pairs - 1; k >= 0; k--) {
    const void *s = t->state[k], *y = t->state[t->history + k];
    const double beta = dot(d, y, t) / dot_states(s, y, t);
    for (int64_t i = 0; i < t->flat_n; i++) d[i] += (alpha[k] - beta) * rt_real(s, i, t->f64);
  }
}

/* Moves to x + step d and evaluates there; a point where something is not finite counts as infinitely high. */
static void evaluate(Search *q, double step) {
  RtTrain *t = q->l->t;
  for (int64_t i = 0; i < t->flat_n; i++) rt_set_real(t->flat, i, t->f64, q->x[i] + step * q->d[i]);
  if (!rt_train_gradient(q->l, &q->f)) q->f = INFINITY;
  q->slope = isfinite(q->f) ? dot(q->d, q->l->grad, t) : INFINITY;
}

/* The minimum of the cubic through two points with slopes, kept inside the middle 80 percent. */
static double between(double a, double fa, double ga, double b, double fb, double gb) {
  const double lo = fmin(a, b), hi = fmax(a, b), edge = 0.1 * (hi - lo);
  const double d1 = ga + gb - 3 * (fa - fb) / (a - b), square = d1 * d1 - ga * gb;
  double m = (a + b) / 2;
  if (square >= 0 && isfinite(square)) {
    const double d2 = copysign(sqrt(square), b - a), c = b - (b - a) * (gb + d2 - d1) / (gb - ga + 2 * d2);
    if (isfinite(c)) m = c;
  }
  return fmin(fmax(m, lo + edge), hi - edge);
}

/* A step by the strong Wolfe conditions from trial `t`; the point is left evaluated. 0 when no point
 * lower than the start was found; then the last one evaluated is not where to stay. */
static double line_search(Search *q, double f0, double slope0, double t) {
  double lo = 0, flo = f0, glo = slope0, hi = 0, fhi = 0, ghi = 0;
  bool bracket = false;
  for (int k = 0; k < MAX_EVALUATIONS; k++) {
    if (bracket) t = between(lo, flo, glo, hi, fhi, ghi);
    if (bracket && fabs(hi - lo) * fabs(slope0) <= DBL_EPSILON * fabs(f0)) break;
    evaluate(q, t);
    if (q->f > f0 + ARMIJO * t * slope0 || q->f >= flo) {
      hi = t, fhi = q->f, ghi = q->slope, bracket = true;
      continue;
    }
    if (fabs(q->slope) <= -CURVATURE * slope0) return t;
    if (bracket ? q->slope * (hi - lo) >= 0 : q->slope >= 0) hi = lo, fhi = flo, ghi = glo, bracket = true;
    lo = t, flo = q->f, glo = q->slope;
    if (!bracket) t *= 2;
  }
  if (lo > 0) evaluate(q, lo); /* lower, if not a Wolfe point */
  return lo;
}

/* Shifts the pairs and puts (x' - x, g' - g) first; a pair without positive curvature is left out. */
static void remember(const Search *q) {
  RtTrain *t = q->l->t;
  const int h = t->history;
  void *s = t->state[h - 1], *y = t->state[2 * h - 1];
  double sy = 0, yy = 0;
  for (int64_t i = 0; i < t->flat_n; i++) {
    const double ds = rt_real(t->flat, i, t->f64) - q->x[i], dy = rt_real(q->l->grad, i, t->f64) - q->g[i];
    sy += ds * dy;
    yy += dy * dy;
  }
  if (!(sy > DBL_EPSILON * yy) || !(yy > 0)) return;
  for (int64_t i = 0; i < t->flat_n; i++) {
    rt_set_real(s, i, t->f64, rt_real(t->flat, i, t->f64) - q->x[i]);
    rt_set_real(y, i, t->f64, rt_real(q->l->grad, i, t->f64) - q->g[i]);
  }
  memmove(t->state + 1, t->state, (size_t)(h - 1) * sizeof *t->state);
  memmove(t->state + h + 1, t->state + h, (size_t)(h - 1) * sizeof *t->state);
  t->state[0] = s;
  t->state[h] = y;
}

/* One iteration from the point that flat and grad hold, of loss f. False: no lower point, or flat. */
static bool iterate(Search *q, double *f) {
  RtTrain *t = q->l->t;
  double sum = 0;
  for (int64_t i = 0; i < t->flat_n; i++) {
    q->x[i] = rt_real(t->flat, i, t->f64);
    q->g[i] = rt_real(q->l->grad, i, t->f64);
    sum += fabs(q->g[i]);
  }
  if (sum == 0) return false;
  direction(q);
  double slope = dot(q->d, q->l->grad, t);
  const bool fresh = !(dot_states(t->state[0], t->state[t->history], t) > 0) || !(slope < 0);
  if (!(slope < 0)) {
    for (int64_t i = 0; i < t->flat_n; i++) q->d[i] = -q->g[i];
    slope = dot(q->d, q->l->grad, t);
  }
  const double got = line_search(q, *f, slope, q->lr * (fresh ? fmin(1, 1 / sum) : 1));
  if (got == 0) {
    for (int64_t i = 0; i < t->flat_n; i++) rt_set_real(t->flat, i, t->f64, q->x[i]);
    return false;
  }
  remember(q);
  rt_train_keep_losses(q->l);
  const double before = *f;
  *f = q->f;
  return fabs(before - *f) > DBL_EPSILON * fabs(before);
}

bool rt_lbfgs_step(Loop *l) {
  RtTrain *t = l->t;
  if (t->history < 1 || t->history > 256) {
    l->status = RT_FAILED;
    return rt_fail(l->err, "lbfgs: history must be 1 to 256");
  }
  double f;
  const bool finite = rt_train_gradient(l, &f);
  l->first_loss = f;
  if (!finite) return false;
  rt_train_keep_means(l);
  rt_train_keep_losses(l);
  double *mem = malloc(3 * (size_t)t->flat_n * sizeof *mem);
  if (!mem) {
    l->status = RT_FAILED;
    return rt_fail(l->err, "not enough memory for lbfgs");
  }
  Search q = {.l = l, .x = mem, .d = mem + t->flat_n, .g = mem + 2 * t->flat_n, .lr = rt_sched_rate(t, t->step)};
  for (int i = 0; i < (t->max_iter > 0 ? t->max_iter : 1) && iterate(&q, &f); i++) {}
  free(mem);
  t->loss = f;
  return true;
}
