/* See nan_train.h. */
#include "driver/train/nan_train.h"
#include "driver/session/nan.h"

#include <inttypes.h>
#include <stdlib.h>

/* The samples of a loss at the step at hand; see rt_train. Of draws: numbers that nothing looks up. */
static int64_t *step_samples(const RtTrain *rt, const RtLoss *l, int64_t *n) {
  const int64_t total = l->data ? l->data->n : l->batch;
  *n = l->batch ? l->batch : total;
  int64_t *out = base_zeroed((size_t)*n, sizeof *out);
  RtOrder order;
  if (!rt_order_init(&order, l->seed, total)) base_fault("out of memory");
  for (int64_t j = 0; j < *n; j++) {
    int64_t position = rt->step * *n + j;
    if (!l->batch || !l->data) {
      out[j] = j;
      continue;
    }
    out[j] = rt_order_at(&order, position / total, position % total);
  }
  rt_order_finish(&order);
  return out;
}

/* A few samples at a time, which is soon done if one of the first fails; together, if none fails alone. */
static bool find_in_batch(const Fn *f, const Trainer *t, const RtSet *set, const int64_t *sample, int64_t n, uint64_t seed,
                          Origin *out) {
  enum { FEW = 32 };
  for (int64_t at = 0; n > FEW && at < n; at += FEW)
    if (nan_find(f, t->param, set, sample + at, n - at < FEW ? n - at : FEW, seed, at, out)) return true;
    else if (ir_origin_ended(out)) return false;
  return nan_find(f, t->param, set, sample, n, seed, 0, out);
}

static bool find_in_step(const Trainer *t, uint32_t k, Origin *out) {
  const RtLoss *l = &t->rt.sum[k];
  int64_t n, *sample = step_samples(&t->rt, l, &n);
  const uint64_t seed = rt_random_u64(l->seed, RT_STREAM_DRAWS, (uint64_t)t->rt.step);
  const bool found = find_in_batch(trainer_gradient(t, k), t, l->data, sample, n, seed, out);
  base_free(sample);
  return found;
}

/* The first loss in which `find` has an origin; their number: in none, or the search ended. */
static uint32_t first_lost(const Trainer *t, bool (*find)(const Trainer *t, uint32_t k, Origin *out), Origin *o) {
  uint32_t k = 0;
  nan_begins(t->spec->name);
  while (k < t->spec->nsum && !ir_origin_ended(o) && !find(t, k, o)) k++;
  nan_ends();
  return ir_origin_ended(o) ? t->spec->nsum : k;
}

int nan_hunt(Session *s, Trainer *t, const char *said) {
  const int64_t step = t->rt.step;
  char text[256];
  Origin o = {0};
  const uint32_t k = first_lost(t, find_in_step, &o);
  if (ir_origin_ended(&o)) {
    nan_ended(diag_add(s->diag, CODE_not_finite, (Span){0}, "`%s`: %s", t->spec->name, said), &o);
    return session_render(s), EXIT_NUMBERS;
  }
  if (k == t->spec->nsum)
    return session_fail(s, EXIT_NUMBERS, CODE_not_finite, (Span){0}, "`%s`: %s (in f64, the same step is finite)", t->spec->name,
                        said);
  DiagMsg *m =
      diag_add(s->diag, CODE_not_finite, ir_origin_place(&o), "the numbers of `%s` stopped being finite at step %" PRId64 ": %s",
               t->spec->sum[k].label, step, ir_origin_text(s->src, &o, text, sizeof text));
  nan_advise(s, m, &o);
  if (step > 0) diag_help(m, "a smaller learning rate or `clip` may keep it finite, unless the data are the cause");
  else if (t->spec->sum[k].data) diag_help(m, "no step was made yet: the cause is in the data, or in the initial parameters");
  else diag_help(m, "no step was made yet: the cause is in the draws, or in the initial parameters");
  session_render(s);
  return EXIT_NUMBERS;
}

static bool find_in_test(const Trainer *t, uint32_t k, Origin *out) {
  const RtLoss *l = &t->rt.sum[k];
  const int64_t n = l->test ? l->test->n : l->tests;
  int64_t *sample = base_zeroed((size_t)n, sizeof *sample);
  for (int64_t i = 0; i < n; i++) sample[i] = i;
  const RtSet *set = l->test;
  RtSet view = {0}; /* of the test, its fields where the loss has them */
  if (set) {
    view = (RtSet){.field = base_zeroed((size_t)l->data->nfield, sizeof *view.field),
                   .nfield = l->data->nfield,
                   .n = set->n,
                   .ranks = set->ranks};
    const uint32_t *field = t->spec->sum[k].test_field;
    for (int i = 0; i < view.nfield; i++) view.field[i] = set->field[field[i] < (uint32_t)set->nfield ? field[i] : 0];
  }
  const bool found =
      find_in_batch(trainer_test(t, k), t, set ? &view : NULL, sample, n, rt_random_u64(l->seed, RT_STREAM_DRAWS + 1, 0), out);
  base_free(view.field);
  base_free(sample);
  return found;
}

void nan_test(Session *s, const Trainer *t, int64_t step) {
  char text[256];
  Origin o = {0};
  const uint32_t k = first_lost(t, find_in_test, &o);
  const bool found = k < t->spec->nsum;
  DiagMsg *m =
      diag_add(s->diag, CODE_not_finite, found ? ir_origin_place(&o) : (Span){0},
               "the test loss of `%s` is not finite after %" PRId64 " steps", found ? t->spec->sum[k].label : t->spec->name, step);
  if (found) diag_help(m, "%s", ir_origin_text(s->src, &o, text, sizeof text)), nan_advise(s, m, &o);
  else nan_ended(m, &o);
  session_render(s);
}
