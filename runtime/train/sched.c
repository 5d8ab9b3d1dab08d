/* Learning rates by step. Warm-up is a linear factor over the first `warmup` steps of any schedule. */
#include "runtime/runtime.h"

#include <math.h>

double rt_sched_rate(const RtTrain *t, int64_t step) {
  const double s = (double)step;
  double lr = t->lr;
  if (t->sched == RT_SCHED_COSINE && t->steps > 0)
    lr = t->to + (t->lr - t->to) * (1 + cos(3.14159265358979323846 * s / (double)t->steps)) / 2;
  if (t->sched == RT_SCHED_STEPS)
    for (int i = 0; i < t->nat; i++)
      if (s >= t->at[i]) lr *= t->factor;
  if (t->sched == RT_SCHED_PLATEAU) lr = fmax(t->lr * t->checks.scale, fmin(t->to, t->lr));
  return s < t->warmup ? lr * (s + 1) / t->warmup : lr;
}
