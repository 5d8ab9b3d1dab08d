/* The training loop: batches, the compiled gradient, clipping, the compiled update, test losses, and
 * when to report. All numbers are functions of (data, parameters, states, seed, step): a training that
 * is stopped after any step and resumed makes the same bits as one that was not. */
#include "runtime/train/train.h"

#include "runtime/float_mode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STATES = 8 }; /* of a compiled update */

double rt_train_real(const void *p, bool f64) { return f64 ? *(const double *)p : (double)*(const float *)p; }

static size_t real_size(const RtTrain *t) { return t->f64 ? 8 : 4; }

/* ---- batches ----------------------------------------------------------------------------------------- */

static void batch_finish(Batch *b, int nfield) {
  for (int i = 0; b->field && i < nfield; i++) rt_array_finish(&b->field[i]);
  rt_array_finish(&b->weight);
  free(b->field);
  free(b->arg);
  *b = (Batch){0};
}

static bool batch_init(Batch *b, const RtTrain *t, const RtSet *set, int64_t n) {
  b->n = n;
  b->arg = calloc((size_t)t->nin + 1, sizeof *b->arg);
  if (!b->arg || !rt_array_init(&b->weight, "weight", t->f64, 0, NULL, n)) return false;
  for (int64_t i = 0; i < n; i++)
    if (t->f64) ((double *)b->weight.v)[i] = 1 / (double)n;
    else ((float *)b->weight.v)[i] = (float)(1 / (double)n);
  if (n != set->n) {
    b->field = calloc((size_t)set->nfield + 1, sizeof *b->field);
    if (!b->field) return false;
    for (int i = 0; i < set->nfield; i++) {
      const RtArray *a = &set->field[i];
      if (!rt_array_init(&b->field[i], a->name, a->f64, a->rank, a->dim, n)) return false;
    }
  }
  for (int i = 0; i < t->nin; i++) {
    const int32_t k = t->in_of[i];
    const RtArray *a = k >= 0 ? &t->param[k] : k == INT32_MIN ? &b->weight : b->field ? &b->field[-1 - k] : &set->field[-1 - k];
    b->arg[i] = (HnnArg){a->v, k >= 0 ? 0 : a->ld};
  }
  return true;
}

/* Positions first ... first+n-1 of the epochs' permutations, into index. */
static void gather(Loop *l, int64_t first) {
  const RtSet *set = l->t->data;
  for (int64_t s = 0; s < l->batch.n; s++) {
    const int64_t epoch = (first + s) / set->n, from_place = (first + s) % set->n;
    if (epoch != l->epoch) rt_permutation(l->t->seed, (uint64_t)epoch, set->n, l->perm);
    l->epoch = epoch;
    const int64_t from = l->perm[from_place];
    for (int i = 0; i < set->nfield; i++) {
      const RtArray *a = &set->field[i];
      RtArray *b = &l->batch.field[i];
      if (l->t->f64)
        for (int64_t e = 0; e < a->elems; e++) ((double *)b->v)[e * b->ld + s] = ((double *)a->v)[e * a->ld + from];
      else
        for (int64_t e = 0; e < a->elems; e++) ((float *)b->v)[e * b->ld + s] = ((float *)a->v)[e * a->ld + from];
    }
  }
  for (int i = 0; i < set->nfield; i++) rt_array_pad(&l->batch.field[i]);
}

/* ---- one step ----------------------------------------------------------------------------------------- */

static bool not_finite(Loop *l, const char *what) {
  l->status = RT_NOT_FINITE;
  return rt_fail(l->err, "the %s is not finite at step %lld; a smaller learning rate, `clip = 1` or f64 may help", what,
                 (long long)l->t->step + 1);
}

/* Of a compiled function: what else it allocates is there before the first step. */
static bool evaluate(Loop *l, RtFn *f, const HnnArg *in, const HnnArg *out, int64_t n, uint64_t seed) {
  if (rt_fn_run(f, in, out, n, seed, 0)) return true;
  l->status = RT_FAILED;
  return rt_fail(l->err, "not enough memory for a step of %lld samples", (long long)n);
}

bool rt_train_gradient(Loop *l, double *loss) {
  RtTrain *t = l->t;
  const uint64_t seed = rt_random_u64(t->seed, RT_STREAM_DRAWS, (uint64_t)t->step);
  if (!evaluate(l, t->gradient, l->batch.arg, l->gout, l->batch.n, seed)) return false;
  *loss = rt_train_real(&l->loss, t->f64);
  if (!isfinite(*loss)) return not_finite(l, "loss");
  l->moderate = rt_moderate(l->grad, t->flat_n, t->f64);
  if (!l->moderate && !rt_finite(l->grad, t->flat_n, t->f64)) return not_finite(l, "gradient");
  return rt_finite(l->means, l->nmeans, t->f64) || not_finite(l, "mean over the batch");
}

void rt_train_keep_means(Loop *l) {
  if (l->nmeans) memcpy(l->step_means, l->means, (size_t)l->nmeans * real_size(l->t));
}

static void move_averages(Loop *l) {
  RtTrain *t = l->t;
  int64_t at = 0;
  for (int k = 0; k < t->nrunning; k++) {
    const RtArray *a = &t->param[t->running[k]];
    rt_average(a->v, (const char *)l->step_means + (size_t)at * real_size(t), a->elems, t->f64, t->decay[k], t->step);
    at += a->elems;
  }
  if (t->averaged) rt_average(t->averaged, t->flat, t->flat_n, t->f64, t->decay_kept, t->step);
}

static bool clip_scale(Loop *l, double *scale) {
  RtTrain *t = l->t;
  *scale = 1;
  if (!t->norm || !(t->clip > 0)) return true;
  union {
    double d;
    float f;
  } square = {0};
  const HnnArg in = {l->grad, t->flat_n}, out = {&square, 0};
  if (!evaluate(l, t->norm, &in, &out, t->flat_n, 0)) return false;
  const double norm = sqrt(rt_train_real(&square, t->f64));
  if (!isfinite(norm)) return not_finite(l, "norm of the gradient");
  if (norm > t->clip) *scale = t->clip / norm;
  return true;
}

/* Whether no update of these can overflow; see rt_moderate. */
static bool calm(const Loop *l, double lr) {
  const RtTrain *t = l->t;
  if (t->careful || !rt_moderate_rate(lr, t->f64) || !l->moderate) return false;
  return t->weight_decay == 0 || (fabs(lr * t->weight_decay) <= 1 && rt_moderate(t->flat, t->flat_n, t->f64));
}

/* Parameters and states are moved together, or stay as they were. */
static bool update(Loop *l, const HnnArg *in, const HnnArg *out, double lr) {
  RtTrain *t = l->t;
  RtSpan span[1 + MAX_STATES] = {{t->flat, t->flat_n}};
  for (int i = 0; i < t->nstates; i++) span[1 + i] = (RtSpan){t->state[i], t->flat_n};
  if (calm(l, lr)) return evaluate(l, t->update, in, out, t->flat_n, 0);
  void *before = rt_spans_copy(span, 1 + t->nstates, t->f64);
  if (!before) {
    l->status = RT_FAILED;
    return rt_fail(l->err, "not enough memory for the optimizer");
  }
  const bool ran = evaluate(l, t->update, in, out, t->flat_n, 0), ok = ran && rt_spans_finite(span, 1 + t->nstates, t->f64);
  if (!ok) rt_spans_restore(span, 1 + t->nstates, t->f64, before);
  free(before);
  return ok || (ran && not_finite(l, "update"));
}

static bool compiled_step(Loop *l) {
  RtTrain *t = l->t;
  double loss, scale;
  if (t->nstates > MAX_STATES) {
    l->status = RT_FAILED;
    return rt_fail(l->err, "an optimizer with %d states", t->nstates);
  }
  if (!rt_train_gradient(l, &loss) || !clip_scale(l, &scale)) return false;
  rt_train_keep_means(l);
  t->loss = loss;
  const double k = (double)t->step + 1;
  const double v[4] = {rt_sched_rate(t, t->step), scale, 1 / (1 - pow(t->beta1, k)), 1 / (1 - pow(t->beta2, k))};
  union {
    double d;
    float f;
  } scalar[4];
  HnnArg in[2 + MAX_STATES + 4] = {{t->flat, t->flat_n}, {l->grad, t->flat_n}}, out[1 + MAX_STATES] = {{t->flat, t->flat_n}};
  for (int i = 0; i < t->nstates; i++) in[2 + i] = out[1 + i] = (HnnArg){t->state[i], t->flat_n};
  for (int i = 0; i < 4; i++) {
    if (t->f64) scalar[i].d = v[i];
    else scalar[i].f = (float)v[i];
    in[2 + t->nstates + i] = (HnnArg){&scalar[i], 0};
  }
  return update(l, in, out, v[0]);
}

/* L-BFGS goes to the last digit, and keeps its subnormal numbers. */
static bool one_step(Loop *l) {
  if (l->t->lbfgs) return rt_lbfgs_step(l);
  const uint64_t mode = float_mode_flush();
  const bool ok = compiled_step(l);
  float_mode_set(mode);
  return ok;
}

/* ---- the loop ----------------------------------------------------------------------------------------- */

static double test_loss(Loop *l) {
  RtTrain *t = l->t;
  if (!t->test || !t->mean) return NAN;
  const HnnArg out = {&l->mean, 0};
  if (!evaluate(l, t->mean, l->test.arg, &out, l->test.n, rt_random_u64(t->seed, RT_STREAM_DRAWS + 1, 0))) return NAN;
  return rt_train_real(&l->mean, t->f64);
}

/* Those of the averaged parameters, put in the place of the others for as long as that takes. */
static double averaged_loss(Loop *l) {
  RtTrain *t = l->t;
  if (!t->averaged || t->keep != RT_KEEP_AVERAGE) return NAN;
  const RtSpan there = {t->flat, t->flat_n};
  void *before = rt_spans_copy(&there, 1, t->f64);
  if (!before) {
    l->status = RT_FAILED;
    return rt_fail(l->err, "not enough memory for averaged parameters"), NAN;
  }
  memcpy(t->flat, t->averaged, (size_t)t->flat_n * real_size(t));
  const double loss = test_loss(l);
  rt_spans_restore(&there, 1, t->f64, before);
  free(before);
  return loss;
}

static bool loop_init(Loop *l) {
  RtTrain *t = l->t;
  if (t->flat_n % RT_PAD) return rt_fail(l->err, "flat_n = %lld is no multiple of %d", (long long)t->flat_n, RT_PAD);
  if (t->data->n < 1) return rt_fail(l->err, "the training data has no samples");
  if (t->test && t->test->n < 1) return rt_fail(l->err, "the test data has no samples");
  const bool all = t->batch <= 0 || t->batch == t->data->n;
  bool ok = batch_init(&l->batch, t, t->data, all ? t->data->n : t->batch);
  if (ok && t->test) ok = batch_init(&l->test, t, t->test, t->test->n);
  l->epoch = -1;
  if (!all) l->perm = malloc((size_t)t->data->n * sizeof *l->perm);
  l->grad = rt_zeroed((size_t)t->flat_n * real_size(t));
  l->gout = calloc((size_t)(t->nmoved + t->nrunning) + 1, sizeof *l->gout);
  for (int k = 0; k < t->nrunning; k++) l->nmeans += t->param[t->running[k]].elems;
  l->means = rt_zeroed((size_t)(l->nmeans + 1) * real_size(t));
  l->step_means = rt_zeroed((size_t)(l->nmeans + 1) * real_size(t));
  if (!ok || (!all && !l->perm) || !l->grad || !l->gout || !l->means || !l->step_means)
    return rt_fail(l->err, "not enough memory for a batch");
  l->gout[0].p = &l->loss;
  int64_t at = 0;
  for (int k = 0; k < t->nrunning; k++) {
    l->gout[1 + t->nmoved + k].p = (char *)l->means + (size_t)at * real_size(t);
    at += t->param[t->running[k]].elems;
  }
  for (int i = 0; i < t->nmoved; i++) l->gout[1 + i].p = (char *)l->grad + (size_t)t->offset[i] * real_size(t);
  return true;
}

static void loop_finish(Loop *l) {
  batch_finish(&l->batch, l->t->data->nfield);
  if (l->t->test) batch_finish(&l->test, l->t->test->nfield);
  free(l->perm);
  free(l->grad);
  free(l->gout);
  free(l->means);
  free(l->step_means);
}

static bool stop_asked(const RtTrain *t) { return t->stop && __atomic_load_n(t->stop, __ATOMIC_RELAXED); }

/* Tests, checks, tells: false ends the loop. */
static bool check(Loop *l, double samples_per_s) {
  RtTrain *t = l->t;
  if (t->test && t->test_ready && !t->test_ready(t->ctx)) return false;
  const RtStep at = {t->step, t->loss, test_loss(l), averaged_loss(l), rt_sched_rate(t, t->step - 1), samples_per_s};
  if (l->status == RT_FAILED) return false;
  rt_check(t, &at);
  return !t->progress || t->progress(t->ctx, &at);
}

static RtStatus run(Loop *l) {
  RtTrain *t = l->t;
  double reported = rt_now(), saved = reported;
  int64_t reported_step = t->step;
  for (bool last = rt_train_over(t); !last;) {
    if (l->perm) gather(l, t->step * l->batch.n);
    if (!one_step(l)) return l->status;
    move_averages(l);
    t->step++;
    rt_check_step(t);
    const bool due = t->step >= t->steps || (t->every > 0 && t->step % t->every == 0);
    const double now = rt_now();
    bool go_on = true;
    if (due) {
      go_on = check(l, (double)(t->step - reported_step) * (double)l->batch.n / fmax(now - reported, 1e-9));
      if (l->status == RT_FAILED) return RT_FAILED;
      reported = rt_now(), reported_step = t->step;
    }
    const bool end = rt_train_over(t);
    last = end || !go_on || stop_asked(t);
    if (t->checkpoint && (last || (now - saved >= t->checkpoint_seconds && (due || t->checkpoint_seconds > 0)))) {
      if (!t->checkpoint(t->ctx, t->step)) return RT_FAILED;
      saved = rt_now();
      reported += due ? saved - reported : saved - now;
    }
    if (last && (!end || !go_on)) return RT_STOPPED;
  }
  return RT_DONE;
}

RtStatus rt_train(RtTrain *t, RtError *err) {
  Loop l = {.t = t, .err = err};
  const RtStatus status = loop_init(&l) ? run(&l) : RT_FAILED;
  if (status == RT_DONE) rt_check_end(t);
  loop_finish(&l);
  return status;
}
