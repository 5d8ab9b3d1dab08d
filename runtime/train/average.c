/* Moving averages of the means over the batch of training steps. */
#include "runtime/runtime.h"

#include <math.h>

void rt_average(void *average, const void *mean, int64_t n, bool f64, double decay, int64_t step) {
  const double k = (double)step, move = 1 - fmin(decay, k / (k + 1));
  for (int64_t i = 0; i < n; i++)
    if (f64) {
      double *a = (double *)average + i;
      *a += move * (((const double *)mean)[i] - *a);
    } else {
      float *a = (float *)average + i;
      *a = (float)((double)*a + move * ((double)((const float *)mean)[i] - (double)*a));
    }
}
