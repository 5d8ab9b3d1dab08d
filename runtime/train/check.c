/* What a training does with what it sees at its checks, every `every` steps and at its end: the parameters with the lowest test
 * loss are kept, patience ends it, a plateau lowers its rate.
 *
 * A plateau is PyTorch's ReduceLROnPlateau: a check is an improvement if its loss is below level - threshold |level| (there, with a
 * factor 1 - threshold, which for losses below 0 is above the level); after more than `patience` checks without one the rate is
 * multiplied by `factor`, and the next `cooldown` checks do not count. Its loss is that on the test set, or, without one, the mean
 * of the steps since the last check. A loss that is not finite is no improvement. */
#include "runtime/train/train.h"

#include <math.h>
#include <string.h>

const RtChecks rt_checks_none = {.best = INFINITY, .level = INFINITY, .scale = 1};

static size_t real_size(const RtTrain *t) { return t->f64 ? 8 : 4; }

int64_t rt_train_kept_n(const RtTrain *t) {
  int64_t n = t->flat_n;
  for (int k = 0; k < t->nrunning; k++) n += t->param[t->running[k]].elems;
  return n;
}

/* Between the parameters and what is kept of them. */
static void copy(RtTrain *t, char *kept, bool out) {
  const size_t flat = (size_t)t->flat_n * real_size(t);
  memcpy(out ? t->flat : kept, out ? kept : t->flat, flat);
  kept += flat;
  for (int k = 0; k < t->nrunning; k++) {
    const RtArray *a = &t->param[t->running[k]];
    const size_t bytes = (size_t)a->elems * real_size(t);
    memcpy(out ? a->v : kept, out ? kept : a->v, bytes);
    kept += bytes;
  }
}

static void plateau(RtTrain *t, double loss) {
  RtChecks *c = &t->checks;
  const bool better = loss < (isfinite(c->level) ? c->level - t->threshold * fabs(c->level) : INFINITY);
  if (better) c->level = loss, c->worse = 0;
  else c->worse++;
  if (c->cooling > 0) c->cooling--, c->worse = 0;
  if (c->worse <= (double)t->patience) return;
  c->scale *= t->factor;
  c->cooling = (double)t->cooldown;
  c->worse = 0;
}

void rt_check_step(RtTrain *t) {
  t->checks.sum += t->loss;
  t->checks.count++;
}

void rt_check(RtTrain *t, const RtStep *at) {
  RtChecks *c = &t->checks;
  const double kept = t->keep == RT_KEEP_AVERAGE ? at->average : at->test;
  if (kept < c->best) {
    c->best = kept, c->best_step = (double)t->step, c->bad = 0;
    if (t->best) copy(t, t->best, false);
  } else if (t->tested) {
    c->bad++;
  }
  if (t->sched == RT_SCHED_PLATEAU) plateau(t, t->tested ? at->test : c->sum / c->count);
  c->sum = c->count = 0;
}

bool rt_train_over(const RtTrain *t) {
  return t->step >= t->steps || (t->stop_after > 0 && t->checks.bad >= (double)t->stop_after);
}

void rt_check_end(RtTrain *t) {
  if (t->best && isfinite(t->checks.best)) copy(t, t->best, true);
  if (t->keep == RT_KEEP_AVERAGE && t->averaged && t->step > 0) memcpy(t->flat, t->averaged, (size_t)t->flat_n * real_size(t));
}
