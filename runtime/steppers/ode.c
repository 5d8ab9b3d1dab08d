/* Adaptive integration of tiles of trajectories with dense output: DOPRI5 and DOP853 of Hairer, Norsett
 * and Wanner, TSIT5 of Tsitouras (coefficients and citations in ir/adaptive.h, the stepper in ode_step.inc). It is the reference
 * that generated code (codegen/adaptive) is compared with, and what the evaluator takes.
 *
 * A lane fails when its right-hand side is not finite however small the step, when the step falls below
 * round-off of t, or after `max_steps`; its output is NaN at every time and it is counted in the result.
 * Relative tolerances below 10 ulp cannot be met and are raised to that. */
#include "runtime/runtime.h"
#include "ir/adaptive.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ODE_MAX_STEPS = 1000000 };

typedef enum { LANE_RUNS, LANE_DONE, LANE_FAILED } LaneState;
typedef struct Lane {
  const double *time; /* [ntimes] */
  double end, span, dir;
  double t, te, h, err_old; /* te: what t rounded off */
  int32_t next, upto;       /* first output time not written yet; the end of those in this step */
  int32_t steps;
  LaneState state;
  HnnOdeFailure why; /* of a lane that failed */
  bool last, accepted, rejected;
} Lane;

static void ode_lane_fail(Lane *q, HnnOdeFailure why) {
  q->state = LANE_FAILED;
  q->why = why;
  q->h = 0;
}

static bool ode_ordered(const double *t, int32_t n, double dir) {
  for (int32_t i = 0; i < n; i++)
    if (!isfinite(t[i]) || (i && (t[i] - t[i - 1]) * dir < 0)) return false;
  return true;
}

/* At the first of n times; a lane whose times are not in order does not run. */
static void ode_lane_start(Lane *q, const double *time, int32_t n) {
  *q = (Lane){.time = time, .t = time[0], .end = time[n - 1], .err_old = 1e-4, .state = LANE_RUNS};
  q->span = fabs(q->end - q->t);
  q->dir = q->end < q->t ? -1 : 1;
  while (q->next < n && time[q->next] == q->t) q->next++;
  if (!ode_ordered(time, n, q->dir)) ode_lane_fail(q, HNN_ODE_TIMES);
  else if (q->span == 0) q->state = LANE_DONE;
}

/* Sets each running lane's step to end at the last time at most; false when no lane runs. */
static bool ode_prepare(Lane *lane, int64_t n, int32_t max_steps) {
  bool any = false;
  for (int64_t l = 0; l < n; l++) {
    Lane *q = &lane[l];
    if (q->state != LANE_RUNS) {
      q->h = 0;
      continue;
    }
    if (q->steps == max_steps) {
      ode_lane_fail(q, HNN_ODE_STEPS);
      continue;
    }
    q->steps++;
    if (0.1 * fabs(q->h) <= fabs(q->t) * DBL_EPSILON) {
      ode_lane_fail(q, HNN_ODE_SMALL);
      continue;
    }
    q->last = (q->t + 1.01 * q->h - q->end) * q->dir > 0;
    if (q->last) q->h = (q->end - q->t) - q->te;
    any = true;
  }
  return any;
}

/* The next step of a lane from the error of this one: PI control (Gustafsson), as in the book's codes. */
static void ode_control(Lane *q, const AdaptiveMethod *m, double err) {
  if (q->state != LANE_RUNS) return;
  const double safe = 0.9, expo = 1.0 / m->order - m->beta * 0.75;
  if (!isfinite(err)) { /* outside the domain: come closer */
    q->h *= 0.1;
    q->rejected = true;
    if (q->h == 0) ode_lane_fail(q, HNN_ODE_SMALL);
    return;
  }
  const double fac = pow(err, expo);
  if (err > 1) {
    q->h /= fmin(1 / m->fac_min, fac / safe);
    q->rejected = true;
    return;
  }
  if (q->last) {
    q->state = LANE_DONE;
    q->h = 0;
    return;
  }
  const double pi = fac / pow(q->err_old, m->beta) / safe;
  double h = q->h / fmax(1 / m->fac_max, fmin(1 / m->fac_min, pi));
  if (fabs(h) > q->span) h = copysign(q->span, h);
  if (q->rejected && fabs(h) > fabs(q->h)) h = q->h;
  q->err_old = fmax(err, 1e-4);
  q->h = h;
  q->rejected = false;
}

#define REAL double
#define NAME(x) f64_##x
#include "runtime/steppers/ode_step.inc"
#undef REAL
#undef NAME
#define REAL float
#define NAME(x) f32_##x
#include "runtime/steppers/ode_step.inc"
#undef REAL
#undef NAME

int32_t rt_ode(HnnOde *ode) {
  if (ode->lanes <= 0 || ode->dim <= 0 || ode->ntimes <= 0) return 0;
  const AdaptiveMethod *m = adaptive_method(ode->method);
  return ode->f64 ? f64_run(ode, m) : f32_run(ode, m);
}
