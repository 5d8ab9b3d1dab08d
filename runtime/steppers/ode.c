/* Adaptive integration of tiles of trajectories with dense output: DOPRI5 and DOP853 of Hairer, Norsett
 * and Wanner, TSIT5 of Tsitouras, GAUSS16 (coefficients and citations in ir/adaptive.h, the steppers in ode_step.inc and
 * ode_gauss.inc). It is the reference
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
  int32_t steps, taken;     /* tried, and accepted */
  LaneState state;
  HnnOdeFailure why; /* of a lane that failed */
  bool last, accepted, rejected;
  double step, hold, moved; /* gauss16: the step, h or up to the next time; that of the polynomial; of the iteration */
  int32_t turns;
  double u, from, to;           /* taylor: the step in parts of h; where a kink was seen, from there to there, or 0 */
  bool seen;                    /* now */
  bool rests, bad, ends, fixed; /* fixed: steps of one length, `steps` of them behind the last time */
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
  q->taken += err <= 1;
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

/* ---- gauss16 ----------------------------------------------------------------------------------------------------------- */

/* Sets the step of each running lane, which ends at the next time at most; false when no lane runs. */
static bool ode_gauss_prepare(Lane *lane, int64_t n, int32_t max_steps) {
  bool any = false;
  for (int64_t l = 0; l < n; l++) {
    Lane *q = &lane[l];
    q->step = 0, q->rests = true;
    if (q->state != LANE_RUNS) continue;
    if (q->fixed) {
      const int32_t left = max_steps - q->steps++;
      q->last = left <= 1;
      q->step = ((q->time[q->next] - q->t) - q->te) / left;
      q->turns = 0, q->rests = q->bad = q->ends = false, q->err_old = HUGE_VAL;
      any = true;
      continue;
    }
    if (q->steps == max_steps) ode_lane_fail(q, HNN_ODE_STEPS);
    else if (0.1 * fabs(q->h) <= fabs(q->t) * DBL_EPSILON) ode_lane_fail(q, HNN_ODE_SMALL);
    if (q->state != LANE_RUNS) continue;
    q->steps++;
    const double end = q->time[q->next];
    q->last = (q->t + 1.01 * q->h - end) * q->dir > 0;
    q->step = q->last ? (end - q->t) - q->te : q->h;
    q->turns = 0, q->rests = q->bad = q->ends = false, q->err_old = HUGE_VAL;
    any = true;
  }
  return any;
}

/* After a turn in which the stages moved by q->moved, relative to their size: whether the lane goes on. */
static bool ode_gauss_rests(Lane *q, double rtol, double unit) {
  if (q->rests) return false;
  if (q->ends) {
    q->rests = true;
    return false;
  }
  const bool slow = ++q->turns >= 3 && q->moved >= 0.5 * q->err_old, small = q->moved <= fmax(GAUSS_LOOSE * unit, 0.01 * rtol);
  const bool lost = !(q->moved < HUGE_VAL), stuck = slow && !small && !q->fixed && q->turns >= GAUSS_PATIENCE;
  q->bad = !small;
  q->rests = lost || stuck || (slow && small) || q->turns == GAUSS_TURNS;
  const double next = q->moved * (q->moved / q->err_old);
  q->ends =
      q->moved <= unit || (q->turns >= 2 && q->moved < q->err_old && next <= (q->fixed ? GAUSS_REST_FIXED : GAUSS_REST) * unit);
  q->bad &= !q->ends;
  q->err_old = q->moved;
  return !q->rests;
}

/* The next step of a lane, from the last coefficient of its polynomial against the state. */
static void ode_gauss_control(Lane *q, double rtol, double part) {
  q->accepted = q->fixed && !q->bad;
  if (q->fixed) {
    if (q->bad) ode_lane_fail(q, HNN_ODE_STAGES);
    return;
  }
  if (q->bad || !isfinite(part)) {
    q->h = q->step * GAUSS_CUT;
    if (q->h == 0) ode_lane_fail(q, HNN_ODE_SMALL);
    return;
  }
  const double change = fmin(GAUSS_GROW, pow(GAUSS_SAFE * sqrt(rtol) / part, 1.0 / GAUSS_STAGES));
  q->accepted = change >= GAUSS_TAKEN;
  const double next = change * q->step;
  q->h = q->accepted && q->last && fabs(q->h) > fabs(next) ? q->h : next;
}

static void ode_gauss_move(Lane *q) {
  const double step = q->step + q->te, t = q->t;
  q->hold = q->step;
  q->t = q->last ? q->time[q->next] : t + step;
  q->te = q->last ? 0 : step - (q->t - t);
  if (q->fixed && q->last) q->steps = 0;
}

/* Of all lanes, once they are done. */
static void ode_counts(const HnnOde *o, const Lane *lane) {
  for (int64_t l = 0; o->counts && l < o->lanes; l++) {
    const bool failed = lane[l].state == LANE_FAILED;
    const double of[2] = {failed ? NAN : lane[l].taken, failed ? NAN : lane[l].steps - lane[l].taken};
    for (int k = 0; k < 2; k++) {
      if (o->f64) ((double *)o->counts)[k * o->lanes + l] = of[k];
      else ((float *)o->counts)[k * o->lanes + l] = (float)of[k];
    }
  }
}

#define REAL double
#define NAME(x) f64_##x
#define UNIT DBL_EPSILON
#include "runtime/steppers/ode_step.inc"
#include "runtime/steppers/ode_gauss.inc"
#undef UNIT
#undef REAL
#undef NAME
#define REAL float
#define NAME(x) f32_##x
#define UNIT ((double)FLT_EPSILON)
#include "runtime/steppers/ode_step.inc"
#include "runtime/steppers/ode_gauss.inc"
#undef UNIT
#undef REAL
#undef NAME

#include "runtime/steppers/ode_taylor.inc"

int32_t rt_ode(HnnOde *ode) {
  if (ode->lanes <= 0 || ode->dim <= 0 || ode->ntimes <= 0) return 0;
  if (ode->method == ADAPTIVE_GAUSS16) return ode->f64 ? f64_gauss_run(ode) : f32_gauss_run(ode);
  if (ode->method == ADAPTIVE_TAYLOR) return taylor_run(ode);
  const AdaptiveMethod *m = adaptive_method(ode->method);
  return ode->f64 ? f64_run(ode, m) : f32_run(ode, m);
}
