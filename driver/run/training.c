/* One `train` of a run: its steps, what is told of them, and how it ends. */
#include "driver/train/nan_train.h"
#include "driver/run/monitor.h"
#include "driver/run/runner_priv.h"

#include <math.h>

typedef struct Watch {
  Runner *r;
  Trainer *t;
  int action, code;
  bool test_lost;
  int64_t heard; /* exchanges of the ranks until the last step */
  Written written;
  Monitor monitor;
  RtError err;
} Watch;

static bool on_test(void *ctx) {
  Watch *w = ctx;
  w->code = trainer_means(w->r->s, w->t);
  return !w->code;
}

static RunStep where(const Watch *w, int64_t step) {
  return (RunStep){.name = w->t->spec->name,
                   .action = w->action,
                   .step = step,
                   .steps = w->t->rt.steps,
                   .loss = NAN,
                   .test = NAN,
                   .average = NAN,
                   .lr = NAN,
                   .tested = w->t->spec->tested,
                   .averaged = w->t->spec->keep == KEEP_AVERAGE && w->t->spec->tested};
}

/* The losses of a sum by their labels; 0: there is one, or no values. */
static int by_label(const Train *t, const double *v, RtNumber *out) {
  if (t->nsum < 2 || !v) return 0;
  for (uint32_t k = 0; k < t->nsum; k++) out[k] = (RtNumber){t->sum[k].label, v[k]};
  return (int)t->nsum;
}

static bool tell(Watch *w, const RunStep *at) {
  Runner *r = w->r;
  const RtMetric m = {.train = at->name,
                      .action = at->action,
                      .step = at->step,
                      .loss = at->loss,
                      .test = at->test,
                      .lr = at->lr,
                      .samples_per_s = at->samples_per_s,
                      .averaged = at->averaged,
                      .average = at->average,
                      .losses = at->losses,
                      .tests = at->tests,
                      .nlosses = at->nlosses,
                      .ntests = at->ntests,
                      .monitor = at->monitor,
                      .nmonitor = at->nmonitor};
  if (r->on.step) r->on.step(r->on.ctx, at);
  if (at->tested && !isfinite(at->test) && !w->test_lost) {
    if (r->on.interrupts) r->on.interrupts(r->on.ctx);
    nan_test(r->s, w->t, at->step);
    w->test_lost = r->not_finite = true;
  }
  return !r->run || rt_run_metric(r->run, &m, &w->err);
}

static bool on_progress(void *ctx, const RtStep *x) {
  Watch *w = ctx;
  const Train *spec = w->t->spec;
  RunStep at = where(w, x->step);
  RtNumber *losses = base_zeroed(spec->nsum, sizeof *losses), *tests = base_zeroed(spec->nsum, sizeof *tests);
  if (rt_train_over(&w->t->rt)) at.steps = x->step; /* patience may have ended it */
  at.loss = x->loss, at.test = x->test, at.average = x->average, at.lr = x->lr, at.samples_per_s = x->samples_per_s;
  at.losses = losses, at.tests = tests;
  at.nlosses = by_label(spec, x->losses, losses), at.ntests = by_label(spec, x->tests, tests);
  RtNumber *monitor = base_zeroed(spec->nmonitor, sizeof *monitor);
  if (spec->nmonitor) w->code = monitor_run(&w->monitor, w->t->param, monitor);
  at.monitor = monitor, at.nmonitor = (int)spec->nmonitor;
  const bool ok = !w->code && tell(w, &at);
  base_free(monitor);
  base_free(losses);
  base_free(tests);
  return ok;
}

enum { AGREE_EVERY = 16 }; /* steps that every rank makes for itself, too short to be shared */

/* The same answer on all ranks: what they exchanged in this step has it. */
static bool on_stop(void *ctx, int64_t step) {
  Watch *w = ctx;
  RtRanks *ranks = w->r->s->ranks;
  const bool told = ranks->heard != w->heard;
  w->heard = ranks->heard;
  return told || step % AGREE_EVERY ? ranks->stopping : rt_ranks_agree(ranks);
}

static bool on_checkpoint(void *ctx, int64_t step) {
  Watch *w = ctx;
  return checkpoint_write(w->r, w->t, w->action, step, &w->written, &w->err);
}

static int judge_training(Runner *r, Watch *w, RtStatus status, const RtError *err) {
  if (w->code) return w->code;
  switch (status) {
  case RT_DONE: return 0;
  case RT_STOPPED: return runner_stopped(r) ? RUN_STOPPED : runner_fail(r, &w->err);
  case RT_NOT_FINITE: return nan_hunt(r->s, w->t, err->text);
  default: return runner_fail(r, w->err.text[0] ? &w->err : err);
  }
}

int runner_train(Runner *r, const Train *spec, int action) {
  Trainer t;
  int code = trainer_open(r->s, spec, &t);
  Watch w = {.r = r, .t = &t, .action = action};
  RtError err = {{0}};
  if (!code && r->from && r->at.action == action) {
    code = checkpoint_restore(r, &t, &w.written);
    r->steps_before = r->at.number - r->at.step;
  }
  if (!code) code = monitor_open(r->s, spec, &w.monitor);
  if (code) return monitor_close(&w.monitor), trainer_close(&t), code;
  if (r->run && !rt_run_get(r->run, "seconds_to_first_step")) {
    rt_run_set(r->run, "seconds_to_first_step", json_real(pass_now() - r->s->started));
    runner_waited(r);
  }
  t.rt.test_ready = on_test;
  t.rt.progress = on_progress;
  t.rt.checkpoint = r->run && rt_run_writes(r->run) ? on_checkpoint : NULL;
  t.rt.ctx = &w;
  t.rt.checkpoint_seconds = 10;
  t.rt.stop = r->on.stop;
  if (r->s->ranks) t.rt.stopped = on_stop;
  const RunStep first = where(&w, t.rt.step);
  if (r->on.begins) r->on.begins(r->on.ctx, &first);
  RtStatus status = rt_train(&t.rt, &err);
  if (r->on.ends) r->on.ends(r->on.ctx);
  trainer_publish(r->s, &t);
  code = judge_training(r, &w, status, &err);
  r->steps_before += t.rt.step;
  monitor_close(&w.monitor);
  trainer_close(&t);
  return code;
}
