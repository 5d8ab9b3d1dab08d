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

uint64_t rt_loss_seed(uint64_t seed, int k) { return k ? rt_random_u64(seed, RT_STREAM_LOSSES, (uint64_t)k) : seed; }

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

/* grad += factor part, of the parameters that the loss moves. */
static void add_part(Loop *l, const RtLoss *q) {
  const RtTrain *t = l->t;
  for (int k = 0; k < q->nmoved; k++) {
    const int64_t from = q->offset[k], to = from + t->param[q->moved[k]].elems;
    if (t->f64)
      for (int64_t i = from; i < to; i++) ((double *)l->grad)[i] += q->factor * ((double *)l->part)[i];
    else
      for (int64_t i = from; i < to; i++) ((float *)l->grad)[i] += (float)q->factor * ((float *)l->part)[i];
  }
}

bool rt_train_gradient(Loop *l, double *loss) {
  RtTrain *t = l->t;
  *loss = 0;
  if (l->part) memset(l->grad, 0, (size_t)t->flat_n * real_size(t));
  for (int k = 0; k < t->nsum; k++) {
    const RtLoss *q = &t->sum[k];
    Term *m = &l->term[k];
    const uint64_t seed = rt_random_u64(q->seed, RT_STREAM_DRAWS, (uint64_t)t->step);
    if (!evaluate(l, q->gradient, m->batch.arg, m->gout, m->batch.n, seed)) return false;
    l->loss[k] = rt_train_real(&m->loss, t->f64);
    if (l->part) add_part(l, q);
    *loss += q->factor * l->loss[k];
  }
  if (!isfinite(*loss)) return not_finite(l, "loss");
  l->moderate = rt_moderate(l->grad, t->flat_n, t->f64);
  if (!l->moderate && !rt_finite(l->grad, t->flat_n, t->f64)) return not_finite(l, "gradient");
  for (int k = 0; k < t->nsum; k++)
    if (!rt_finite(l->term[k].means, l->term[k].nmeans, t->f64)) return not_finite(l, "mean over the batch");
  return true;
}

void rt_train_keep_losses(Loop *l) { memcpy(l->kept, l->loss, (size_t)l->t->nsum * sizeof *l->kept); }

/* Of the batches of all losses that have it: the mean of parameter p over them, as one. */
static void joint_mean(Loop *l, int32_t p, int64_t elems, void *out) {
  const RtTrain *t = l->t;
  double samples = 0;
  for (int k = 0; k < t->nsum; k++) {
    const RtLoss *q = &t->sum[k];
    const char *from = l->term[k].means;
    for (int r = 0; r < q->nrunning; from += (size_t)t->param[q->running[r++]].elems * real_size(t)) {
      if (q->running[r] != p) continue;
      const double n = (double)l->term[k].batch.n, share = n / (samples + n);
      for (int64_t i = 0; i < elems; i++) {
        const double before = samples > 0 ? rt_real(out, i, t->f64) : 0;
        rt_set_real(out, i, t->f64, share == 1 ? rt_real(from, i, t->f64) : before + share * (rt_real(from, i, t->f64) - before));
      }
      samples += n;
    }
  }
}

void rt_train_keep_means(Loop *l) {
  const RtTrain *t = l->t;
  char *to = l->step_means;
  for (int k = 0; k < t->nrunning; k++) {
    const int64_t elems = t->param[t->running[k]].elems;
    joint_mean(l, t->running[k], elems, to);
    to += (size_t)elems * real_size(t);
  }
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
  rt_train_keep_losses(l);
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
  double sum = 0;
  if (!t->tested) return NAN;
  for (int k = 0; k < t->nsum; k++) {
    const RtLoss *q = &t->sum[k];
    Term *m = &l->term[k];
    union {
      double d;
      float f;
    } mean = {0};
    const HnnArg out = {&mean, 0};
    if (!q->mean || !evaluate(l, q->mean, m->test.arg, &out, m->test.n, rt_random_u64(q->seed, RT_STREAM_DRAWS + 1, 0))) return NAN;
    l->tests[k] = rt_train_real(&mean, t->f64);
    sum += q->factor * l->tests[k];
  }
  return sum;
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

static int64_t means_of(const RtTrain *t, const int32_t *running, int n) {
  int64_t elems = 0;
  for (int k = 0; k < n; k++) elems += t->param[running[k]].elems;
  return elems;
}

bool rt_term_outputs(Loop *l, const RtLoss *q, Term *m) {
  const RtTrain *t = l->t;
  char *grad = l->part ? l->part : l->grad;
  m->nmeans = means_of(t, q->running, q->nrunning);
  m->gout = calloc((size_t)(q->nmoved + q->nrunning) + 1, sizeof *m->gout);
  m->means = rt_zeroed((size_t)(m->nmeans + 1) * real_size(t));
  if (!m->gout || !m->means) return false;
  m->gout[0].p = &m->loss;
  for (int i = 0; i < q->nmoved; i++) m->gout[1 + i].p = grad + (size_t)q->offset[i] * real_size(t);
  char *mean = m->means;
  for (int k = 0; k < q->nrunning; mean += (size_t)t->param[q->running[k++]].elems * real_size(t))
    m->gout[1 + q->nmoved + k].p = mean;
  return true;
}

static bool term_init(Loop *l, const RtLoss *q, Term *m) {
  const RtTrain *t = l->t;
  const bool all = q->data && (q->batch <= 0 || q->batch == q->data->n);
  if (q->data && q->data->n < 1) return rt_fail(l->err, "the training data has no samples");
  if (t->tested && q->test && q->test->n < 1) return rt_fail(l->err, "the test data has no samples");
  const int64_t n = all ? q->data->n : q->batch > 0 ? q->batch : 1, tests = q->test ? q->test->n : q->tests > 0 ? q->tests : 1;
  bool ok = rt_batch_init(&m->batch, t, q, q->data, q->in_of, n);
  if (ok && t->tested) ok = rt_batch_init(&m->test, t, q, q->test, q->test_of ? q->test_of : q->in_of, tests);
  if (ok && q->data && !all) ok = rt_gather_init(&m->gather, t, q);
  return (ok && rt_term_outputs(l, q, m)) || rt_fail(l->err, "not enough memory for a batch");
}

static bool loop_init(Loop *l) {
  RtTrain *t = l->t;
  const size_t nsum = (size_t)t->nsum;
  if (t->flat_n % RT_PAD) return rt_fail(l->err, "flat_n = %lld is not a multiple of %d", (long long)t->flat_n, RT_PAD);
  const bool direct = t->nsum == 1 && t->sum[0].factor == 1;
  l->term = calloc(nsum + 1, sizeof *l->term);
  l->loss = calloc(3 * nsum + 1, sizeof *l->loss);
  l->grad = rt_zeroed((size_t)t->flat_n * real_size(t));
  l->part = direct ? NULL : rt_zeroed((size_t)t->flat_n * real_size(t));
  l->step_means = rt_zeroed((size_t)(means_of(t, t->running, t->nrunning) + 1) * real_size(t));
  if (!l->term || !l->loss || !l->grad || (!direct && !l->part) || !l->step_means)
    return rt_fail(l->err, "not enough memory for a batch");
  l->kept = l->loss + nsum, l->tests = l->kept + nsum;
  for (int k = 0; k < t->nsum; k++)
    if (!term_init(l, &t->sum[k], &l->term[k])) return false;
  return true;
}

static void loop_finish(Loop *l) {
  for (int k = 0; l->term && k < l->t->nsum; k++) {
    const RtLoss *q = &l->t->sum[k];
    Term *m = &l->term[k];
    rt_batch_finish(&m->batch, q->data ? q->data->nfield : 0);
    rt_batch_finish(&m->test, q->test ? q->test->nfield : 0);
    rt_gather_finish(&m->gather);
    free(m->gout);
    free(m->means);
  }
  free(l->term);
  free(l->loss);
  free(l->grad);
  free(l->part);
  free(l->step_means);
}

static bool stop_asked(const RtTrain *t) {
  if (t->stopped) return t->stopped(t->ctx, t->step);
  return t->stop && __atomic_load_n(t->stop, __ATOMIC_RELAXED);
}

/* Tests, checks, tells: false ends the loop. */
static bool check(Loop *l, double samples_per_s) {
  RtTrain *t = l->t;
  if (t->tested && t->test_ready && !t->test_ready(t->ctx)) return false;
  RtStep at = {.step = t->step, .loss = t->loss, .lr = rt_sched_rate(t, t->step - 1), .samples_per_s = samples_per_s};
  at.average = averaged_loss(l);
  at.test = test_loss(l);
  at.losses = l->kept, at.tests = t->tested ? l->tests : NULL;
  if (l->status == RT_FAILED) return false;
  rt_check(t, &at);
  return !t->progress || t->progress(t->ctx, &at);
}

/* Of all losses, a step. */
static double samples(const Loop *l) {
  double n = 0;
  for (int k = 0; k < l->t->nsum; k++) n += (double)l->term[k].batch.n;
  return n;
}

static RtStatus run(Loop *l) {
  RtTrain *t = l->t;
  double reported = rt_now(), saved = reported;
  int64_t reported_step = t->step;
  for (bool last = rt_train_over(t); !last;) {
    for (int k = 0; k < t->nsum; k++)
      if (l->term[k].gather.reads) rt_gather(&l->term[k].gather, &t->sum[k], &l->term[k].batch, t->step * l->term[k].batch.n);
    if (!one_step(l)) return l->status;
    move_averages(l);
    t->step++;
    rt_check_step(t);
    const bool due = t->step >= t->steps || (t->every > 0 && t->step % t->every == 0);
    const double now = rt_now();
    bool go_on = true;
    if (due) {
      go_on = check(l, (double)(t->step - reported_step) * samples(l) / fmax(now - reported, 1e-9));
      if (l->status == RT_FAILED) return RT_FAILED;
      reported = rt_now(), reported_step = t->step;
    }
    const bool end = rt_train_over(t);
    const bool stop = stop_asked(t);
    last = end || !go_on || stop;
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
  const bool ready = loop_init(&l);
  const double start = rt_now();
  const RtStatus status = ready ? run(&l) : RT_FAILED;
  t->took = rt_now() - start;
  if (status == RT_DONE) rt_check_end(t);
  loop_finish(&l);
  return status;
}
