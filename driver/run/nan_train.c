/* See nan_train.h. */
#include "driver/run/nan_train.h"
#include "driver/session/nan.h"

#include <inttypes.h>
#include <stdlib.h>

/* The samples of the step at hand; see rt_train. */
static int64_t *step_samples(const RtTrain *rt, int64_t *n) {
  int64_t total = rt->data->n;
  *n = rt->batch ? rt->batch : total;
  int64_t *out = base_zeroed((size_t)*n, sizeof *out), *perm = base_zeroed((size_t)total, sizeof *perm), epoch = -1;
  for (int64_t j = 0; j < *n; j++) {
    int64_t position = rt->step * *n + j;
    if (!rt->batch) {
      out[j] = j;
      continue;
    }
    if (position / total != epoch) rt_permutation(rt->seed, (uint64_t)(epoch = position / total), total, perm);
    out[j] = perm[position % total];
  }
  base_free(perm);
  return out;
}

/* A few samples at a time, which is soon done if one of the first fails; together, if none fails alone. */
static bool find_in_batch(const Fn *f, const Trainer *t, const RtSet *set, const int64_t *sample, int64_t n, uint64_t seed,
                          Origin *out) {
  enum { FEW = 32 };
  for (int64_t at = 0; n > FEW && at < n; at += FEW)
    if (nan_find(f, t->param, set, sample + at, n - at < FEW ? n - at : FEW, seed, at, out)) return true;
  return nan_find(f, t->param, set, sample, n, seed, 0, out);
}

int nan_hunt(Session *s, Trainer *t, const char *said) {
  int64_t n, step = t->rt.step;
  int64_t *sample = step_samples(&t->rt, &n);
  char text[256];
  Origin o;
  uint64_t seed = rt_random_u64(t->rt.seed, RT_STREAM_DRAWS, (uint64_t)step);
  bool found = find_in_batch(trainer_gradient(t), t, t->rt.data, sample, n, seed, &o);
  base_free(sample);
  if (!found)
    return session_fail(s, EXIT_NUMBERS, CODE_not_finite, (Span){0}, "`%s`: %s (in f64 the same step is)", t->spec->name, said);
  DiagMsg *m =
      diag_add(s->diag, CODE_not_finite, origin_place(&o), "the numbers of `%s` stopped being finite at step %" PRId64 ": %s",
               t->spec->name, step, origin_text(s->src, &o, text, sizeof text));
  nan_advise(m, &o);
  if (step > 0) diag_help(m, "a smaller learning rate or `clip` may keep it finite, unless the data at hand cannot be");
  else diag_help(m, "no step was made yet: it lies in the data, or in where the parameters start");
  session_render(s);
  return EXIT_NUMBERS;
}

void nan_test(Session *s, const Trainer *t, int64_t step) {
  int64_t n = t->rt.test->n, *sample = base_zeroed((size_t)n, sizeof *sample);
  char text[256];
  Origin o = {0};
  for (int64_t i = 0; i < n; i++) sample[i] = i;
  bool found = find_in_batch(trainer_test(t), t, t->rt.test, sample, n, rt_random_u64(t->rt.seed, RT_STREAM_DRAWS + 1, 0), &o);
  base_free(sample);
  DiagMsg *m = diag_add(s->diag, CODE_not_finite, found ? origin_place(&o) : (Span){0},
                        "the test loss of `%s` is not finite after %" PRId64 " steps", t->spec->name, step);
  if (found) diag_help(m, "%s", origin_text(s->src, &o, text, sizeof text)), nan_advise(m, &o);
  session_render(s);
}
