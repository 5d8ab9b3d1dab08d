/* The training loop on a small regression whose kernels are written here: every optimizer path, batches,
 * schedules, clipping, stops, resumption to the bit, numbers that are not finite. */
#include "runtime/train/train.h"
#include "runtime/float_mode.h"
#include "runtime/runtime.h"
#include "tests/common/cunit_main.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { T = 8, N = 203, DIM = 3, FLAT = 64 };

/* (w: [DIM], b: scalar, x: lane [DIM], y: lane, weight: lane) -> loss, dw, db; f64. |w.x + b - y|^2 + quartic */
static double quartic;

static double residual(const HnnCall *c, int64_t s) {
  const double *w = c->in[0].p, *b = c->in[1].p, *x = c->in[2].p, *y = c->in[3].p;
  double r = *b - y[s];
  for (int k = 0; k < DIM; k++) r += w[k] * x[k * c->in[2].ld + s];
  return r;
}

static void gradient(const HnnCall *c) {
  const double *x = c->in[2].p, *weight = c->in[4].p;
  double *loss = c->out[0].p, *dw = c->out[1].p, *db = c->out[2].p;
  *loss = *db = 0;
  memset(dw, 0, DIM * sizeof *dw);
  for (int64_t s = c->tile0 * T; s < c->tile1 * T; s++) {
    const double r = residual(c, s), g = weight[s] * (2 * r + 4 * quartic * r * r * r);
    *loss += weight[s] * (r * r + quartic * r * r * r * r);
    for (int k = 0; k < DIM; k++) dw[k] += g * x[k * c->in[2].ld + s];
    *db += g;
  }
}

static void mean(const HnnCall *c) {
  const double *weight = c->in[4].p;
  double *loss = c->out[0].p;
  *loss = 0;
  for (int64_t s = c->tile0 * T; s < c->tile1 * T; s++) {
    const double r = residual(c, s);
    *loss += weight[s] * (r * r + quartic * r * r * r * r);
  }
}

/* p g m v lr scale bias1 bias2 -> p m v, in place */
static void adam(const HnnCall *c) {
  double *p = c->in[0].p, *g = c->in[1].p, *m = c->in[2].p, *v = c->in[3].p;
  const double lr = *(double *)c->in[4].p, scale = *(double *)c->in[5].p, b1 = *(double *)c->in[6].p, b2 = *(double *)c->in[7].p;
  for (int64_t i = c->tile0 * T; i < c->tile1 * T; i++) {
    m[i] = 0.9 * m[i] + 0.1 * scale * g[i];
    v[i] = 0.999 * v[i] + 0.001 * scale * scale * g[i] * g[i];
    p[i] -= lr * m[i] * b1 / (sqrt(v[i] * b2) + 1e-8);
  }
}

static void sgd(const HnnCall *c) {
  double *p = c->in[0].p, *g = c->in[1].p;
  const double lr = *(double *)c->in[2].p, scale = *(double *)c->in[3].p;
  for (int64_t i = c->tile0 * T; i < c->tile1 * T; i++) p[i] -= lr * scale * g[i];
}

static void norm(const HnnCall *c) {
  double *out = c->out[0].p;
  const double *g = c->in[0].p;
  *out = 0;
  for (int64_t i = c->tile0 * T; i < c->tile1 * T; i++) *out += g[i] * g[i];
}

typedef struct Seen {
  int calls, checkpoints;
  double loss, test, lr;
  int64_t step, stop_at;
} Seen;

static bool progress(void *ctx, const RtStep *at) {
  Seen *s = ctx;
  s->calls++;
  s->loss = at->loss, s->test = at->test, s->lr = at->lr, s->step = at->step;
  CU_ASSERT(at->samples_per_s > 0);
  return !s->stop_at || at->step < s->stop_at;
}

static bool checkpoint(void *ctx, int64_t step) {
  Seen *s = ctx;
  s->checkpoints++;
  CU_ASSERT(step >= s->step);
  return true;
}

static RtFn *make(HnnKernel k, int nin, int nout, const int64_t *elems, const bool *lane, RtPool *pool) {
  const RtFnSpec spec = {.kernel = k,
                         .info = {.tile = T, .f64 = 1, .flop_per_sample = 5000},
                         .nin = nin,
                         .nout = nout,
                         .out_elems = elems,
                         .out_lane = lane};
  return rt_fn_create(&spec, pool);
}

typedef struct Rig {
  RtTrain t;
  RtLoss loss[2];
  RtSet data, held;
  RtArray param[2];
  RtPool *pool;
  Seen seen;
  double *flat;
} Rig;

static void fill(RtSet *set, int64_t n, uint64_t seed) {
  const uint32_t dim[] = {DIM};
  *set = (RtSet){.field = calloc(2, sizeof(RtArray)), .nfield = 2, .n = n};
  CU_ASSERT_TRUE_FATAL(rt_array_init(&set->field[0], "x", true, 1, dim, n) && rt_array_init(&set->field[1], "y", true, 0, NULL, n));
  double *x = set->field[0].v, *y = set->field[1].v;
  const int64_t ld = set->field[0].ld;
  rt_draw64(1, seed, 0, (int32_t)n, 0, 0, DIM, x, ld);
  for (int64_t s = 0; s < n; s++) y[s] = 1 * x[s] - 2 * x[ld + s] + 0.5 * x[2 * ld + s] + 3;
  rt_array_pad(&set->field[0]);
  rt_array_pad(&set->field[1]);
}

static void rig_init(Rig *r, int threads, int nstates) {
  static const int32_t in_of[] = {0, 1, -1, -2, INT32_MIN}, moved[] = {0, 1};
  static const int64_t offset[] = {0, 32}, gout[] = {1, DIM, 1}, ones[] = {1, 1, 1};
  static const bool shared[] = {false, false, false}, lane[] = {true, true, true};
  *r = (Rig){.pool = rt_pool_create(threads)};
  fill(&r->data, N, 1);
  fill(&r->held, 50, 2);
  r->flat = rt_zeroed(FLAT * sizeof(double));
  r->param[0] = (RtArray){.f64 = true, .rank = 1, .dim = {DIM}, .elems = DIM, .ld = DIM, .v = r->flat};
  r->param[1] = (RtArray){.f64 = true, .elems = 1, .ld = 1, .v = r->flat + 32};
  quartic = 0;
  r->loss[0] = (RtLoss){.gradient = make(gradient, 5, 3, gout, shared, r->pool),
                        .mean = make(mean, 5, 1, gout, shared, r->pool),
                        .in_of = in_of,
                        .nin = 5,
                        .factor = 1,
                        .moved = moved,
                        .nmoved = 2,
                        .offset = offset,
                        .data = &r->data,
                        .test = &r->held,
                        .seed = 7};
  r->t = (RtTrain){.sum = r->loss,
                   .nsum = 1,
                   .param = r->param,
                   .nparam = 2,
                   .flat = r->flat,
                   .flat_n = FLAT,
                   .f64 = true,
                   .nstates = nstates,
                   .lr = 0.05,
                   .beta1 = 0.9,
                   .beta2 = 0.999,
                   .tested = true,
                   .checks = rt_checks_none,
                   .steps = 400,
                   .every = 100,
                   .progress = progress,
                   .checkpoint = checkpoint,
                   .ctx = &r->seen};
  r->t.norm = make(norm, 1, 1, ones, shared, r->pool);
  r->t.update = nstates == 2 ? make(adam, 8, 3, ones, lane, r->pool) : make(sgd, 6, 1, ones, lane, r->pool);
  r->t.state = calloc((size_t)nstates + 1, sizeof *r->t.state);
  for (int i = 0; i < nstates; i++) r->t.state[i] = rt_zeroed(FLAT * sizeof(double));
}

static void rig_finish(Rig *r) {
  rt_fn_destroy(r->loss[0].gradient);
  rt_fn_destroy(r->loss[0].mean);
  rt_fn_destroy(r->t.norm);
  rt_fn_destroy(r->t.update);
  for (int i = 0; i < r->t.nstates; i++) free(r->t.state[i]);
  free(r->t.state);
  free(r->flat);
  rt_set_finish(&r->data);
  rt_set_finish(&r->held);
  rt_pool_destroy(r->pool);
}

static void check_solution(const Rig *r, double within) {
  CU_ASSERT_DOUBLE_EQUAL(r->flat[0], 1, within);
  CU_ASSERT_DOUBLE_EQUAL(r->flat[1], -2, within);
  CU_ASSERT_DOUBLE_EQUAL(r->flat[2], 0.5, within);
  CU_ASSERT_DOUBLE_EQUAL(r->flat[32], 3, within);
}

static void test_adam(void) {
  for (int64_t batch = 0; batch <= 20; batch += 20) {
    Rig r;
    RtError err = {""};
    rig_init(&r, 1, 2);
    r.loss[0].batch = batch;
    CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_DONE);
    check_solution(&r, 0.02);
    CU_ASSERT_EQUAL(r.seen.calls, 4);
    CU_ASSERT_EQUAL(r.seen.checkpoints, 4);
    CU_ASSERT_EQUAL(r.t.step, 400);
    CU_ASSERT(r.seen.test < 1e-3 && r.seen.loss < 1e-3 && r.seen.loss == r.t.loss);
    for (int i = DIM; i < 32; i++) CU_ASSERT_EQUAL(r.flat[i], 0);
    rig_finish(&r);
  }
}

/* The padding has no gradient. Its first moment shrinks to the last subnormal number, and stays there unless they are flushed. The caller's mode is untouched. */
static void test_moments_end(void) {
  Rig r;
  RtError err;
  rig_init(&r, 2, 2);
  r.t.steps = 7200;
  r.t.lr = 1e-4;
  ((double *)r.t.state[0])[DIM] = 1e-3;
  CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_DONE);
  CU_ASSERT_EQUAL(((double *)r.t.state[0])[DIM] == 0, FLOAT_FLUSH != 0);
  volatile double least = 0x1p-1022;
  CU_ASSERT(least / 2 > 0);
  rig_finish(&r);
}

static void test_sgd_matches_by_hand(void) {
  Rig r;
  RtError err;
  rig_init(&r, 1, 0);
  r.t.norm = (rt_fn_destroy(r.t.norm), NULL);
  r.t.steps = 1;
  CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_DONE);
  double db = 0, loss = 0;
  for (int s = 0; s < N; s++) {
    const double y = ((double *)r.data.field[1].v)[s];
    db += -2 * y / N;
    loss += y * y / N;
  }
  CU_ASSERT_DOUBLE_EQUAL(r.flat[32], -0.05 * db, 1e-12);
  CU_ASSERT_DOUBLE_EQUAL(r.seen.loss, loss, 1e-12);
  rig_finish(&r);
}

/* A clipped step has the length lr * clip; one within the norm is untouched. */
static void test_clip(void) {
  double length[2];
  for (int k = 0; k < 2; k++) {
    Rig r;
    RtError err;
    rig_init(&r, 1, 0);
    r.t.steps = 1;
    r.t.clip = k ? 1e6 : 0.5;
    CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_DONE);
    length[k] = 0;
    for (int i = 0; i < FLAT; i++) length[k] += r.flat[i] * r.flat[i];
    rig_finish(&r);
  }
  CU_ASSERT_DOUBLE_EQUAL(sqrt(length[0]), 0.05 * 0.5, 1e-12);
  CU_ASSERT(sqrt(length[1]) > 0.1);
}

/* Each sample once an epoch: with one pass of sgd at batch 1 in a linear model, the sum of steps tells. */
static void test_batches_are_epochs(void) {
  Rig r;
  RtError err;
  rig_init(&r, 1, 0);
  r.loss[0].batch = 29; /* 7 x 29 = 203: seven steps are an epoch */
  r.t.lr = 1e-9;        /* gradients stay those at zero */
  r.t.steps = 7;
  CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_DONE);
  double want = 0;
  for (int s = 0; s < N; s++) want += 1e-9 * 2 * ((double *)r.data.field[1].v)[s] / 29;
  CU_ASSERT_DOUBLE_EQUAL(r.flat[32] / want, 1, 1e-7);
  rig_finish(&r);
}

static double element(const RtArray *a, int64_t e, int64_t s) {
  return a->f64 ? ((double *)a->v)[e * a->ld + s] : (double)((float *)a->v)[e * a->ld + s];
}

/* A batch over the end of an epoch, longer than what is asked for ahead, of a set of which one field is not read. */
static void gathered(bool f64, int64_t n, int64_t first) {
  const uint32_t dim[3] = {1, 13, 5};
  RtArray field[3], part[3];
  for (int i = 0; i < 3; i++) {
    CU_ASSERT_FATAL(rt_array_init(&field[i], "x", f64, 1, &dim[i], N) && rt_array_init(&part[i], "x", f64, 1, &dim[i], n));
    for (int64_t k = 0; k < field[i].elems * field[i].ld; k++)
      if (f64) ((double *)field[i].v)[k] = (double)(100000 * i + k);
      else ((float *)field[i].v)[k] = (float)(100000 * i + k);
  }
  const RtSet set = {field, 3, N};
  const int32_t in[3] = {0, -3, -1};
  const RtLoss q = {.data = &set, .nin = 3, .in_of = in, .seed = 7};
  const RtTrain t = {.f64 = f64};
  Gather g;
  Batch b = {.n = n, .field = part};
  CU_ASSERT_FATAL(rt_gather_init(&g, &t, &q));
  rt_gather(&g, &q, &b, first);
  int64_t perm[N], wrong = 0;
  for (int64_t s = 0; s < part[0].ld; s++) {
    const int64_t at = first + (s < n ? s : n - 1);
    rt_permutation(7, (uint64_t)(at / N), N, perm);
    for (int i = 0; i < 3; i++)
      for (int64_t e = 0; e < part[i].elems; e++)
        wrong += element(&part[i], e, s) != (i == 1 ? 0 : element(&field[i], e, perm[at % N]));
  }
  CU_ASSERT_EQUAL(wrong, 0);
  rt_gather_finish(&g);
  for (int i = 0; i < 3; i++) rt_array_finish(&field[i]), rt_array_finish(&part[i]);
}

static void test_gather(void) {
  for (int64_t n = 1; n < N; n += 40) {
    gathered(true, n, 3 * N - n / 2);
    gathered(false, n, N - 1);
  }
}

static void run_to(Rig *r, int threads, int64_t batch, int64_t stop_at, bool lbfgs) {
  RtError err = {""};
  rig_init(r, threads, lbfgs ? rt_lbfgs_states(4) : 2);
  r->t.lbfgs = lbfgs, r->t.history = 4, r->t.max_iter = 2;
  if (lbfgs) quartic = 0.3, r->t.lr = 1, r->t.every = 1, r->t.steps = 12;
  r->loss[0].batch = batch;
  r->t.sched = RT_SCHED_COSINE;
  r->t.warmup = 20;
  r->t.clip = 1;
  r->seen.stop_at = stop_at;
  CU_ASSERT_EQUAL(rt_train(&r->t, &err), stop_at ? RT_STOPPED : RT_DONE);
  if (!stop_at) return;
  CU_ASSERT_EQUAL(r->t.step, stop_at);
  CU_ASSERT(r->seen.checkpoints > 0);
  r->seen.stop_at = 0;
  CU_ASSERT_EQUAL(rt_train(&r->t, &err), RT_DONE);
}

static void test_resume(void) {
  for (int lbfgs = 0; lbfgs < 2; lbfgs++)
    for (int64_t batch = 0; batch <= 32; batch += 32) {
      Rig whole, parts, threads;
      run_to(&whole, 1, batch, 0, lbfgs);
      run_to(&parts, 1, batch, lbfgs ? 5 : 200, lbfgs);
      run_to(&threads, 3, batch, lbfgs ? 3 : 100, lbfgs);
      CU_ASSERT_EQUAL(memcmp(whole.flat, parts.flat, FLAT * sizeof(double)), 0);
      CU_ASSERT_EQUAL(memcmp(whole.flat, threads.flat, FLAT * sizeof(double)), 0);
      for (int i = 0; i < whole.t.nstates; i++)
        CU_ASSERT_EQUAL(memcmp(whole.t.state[i], parts.t.state[i], FLAT * sizeof(double)), 0);
      rig_finish(&whole);
      rig_finish(&parts);
      rig_finish(&threads);
    }
}

static void test_lbfgs(void) {
  Rig r;
  RtError err = {""};
  rig_init(&r, 1, rt_lbfgs_states(10));
  quartic = 0.3;
  r.t.lbfgs = true, r.t.history = 10, r.t.max_iter = 20, r.t.lr = 1, r.t.steps = 3, r.t.every = 1;
  CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_DONE);
  check_solution(&r, 1e-7);
  CU_ASSERT(r.seen.loss < 1e-14);
  r.t.history = 0, r.t.step = 0;
  CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_FAILED);
  rig_finish(&r);
}

static void test_not_finite(void) {
  Rig r;
  RtError err = {""};
  rig_init(&r, 1, 0);
  r.t.lr = 1e120;
  CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_NOT_FINITE);
  CU_ASSERT_STRING_EQUAL(err.text, "the loss is not finite at step 3; a smaller learning rate, `clip = 1` or f64 may help");
  CU_ASSERT_EQUAL(r.t.step, 2);
  CU_ASSERT(isfinite(r.flat[0]));
  rig_finish(&r);
}

static void test_stop_flag(void) {
  Rig r;
  RtError err;
  volatile int stop = 1;
  rig_init(&r, 1, 2);
  r.t.stop = &stop;
  CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_STOPPED);
  CU_ASSERT_EQUAL(r.t.step, 1);
  CU_ASSERT_EQUAL(r.seen.checkpoints, 1);
  rig_finish(&r);
}

static void test_refusals(void) {
  Rig r;
  RtError err = {""};
  rig_init(&r, 1, 2);
  r.t.flat_n = 60;
  CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_FAILED);
  r.t.flat_n = FLAT;
  const int64_t n = r.data.n;
  r.data.n = 0;
  CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_FAILED);
  CU_ASSERT_STRING_EQUAL(err.text, "the training data has no samples");
  r.data.n = n;
  rig_finish(&r);
}

/* 0.25 of the loss and 0.75 of it, each on all of the data, is the loss; the gradient of a sum is not that of its parts. */
static void test_sum(void) {
  for (int lbfgs = 0; lbfgs < 2; lbfgs++) {
    Rig one, two;
    RtError err = {""};
    for (int k = 0; k < 2; k++) {
      Rig *r = k ? &two : &one;
      rig_init(r, 1, lbfgs ? rt_lbfgs_states(4) : 2);
      r->t.lbfgs = lbfgs, r->t.history = 4, r->t.max_iter = 2, r->t.steps = lbfgs ? 8 : 60, r->t.every = 4;
      r->t.clip = 1;
      if (lbfgs) quartic = 0.3, r->t.lr = 1;
    }
    two.loss[1] = two.loss[0];
    two.loss[0].factor = 0.25, two.loss[1].factor = 0.75;
    two.t.nsum = 2;
    CU_ASSERT_EQUAL(rt_train(&one.t, &err), RT_DONE);
    CU_ASSERT_EQUAL(rt_train(&two.t, &err), RT_DONE);
    CU_ASSERT_DOUBLE_EQUAL(one.seen.loss, two.seen.loss, 1e-10);
    CU_ASSERT_DOUBLE_EQUAL(one.seen.test, two.seen.test, 1e-10);
    for (int i = 0; i < FLAT; i++) CU_ASSERT_DOUBLE_EQUAL(one.flat[i], two.flat[i], 1e-9);
    rig_finish(&one);
    rig_finish(&two);
  }
}

static RtStep seen(double test) { return (RtStep){.loss = test, .test = test, .average = NAN}; }

/* The lowest test loss is kept, NaN never, and checks without a lower one end the training. */
static void test_best(void) {
  double best[FLAT], flat[FLAT] = {0};
  const double test[] = {NAN, 3, 2, NAN, 5, 2, 1.5, 4, 4, 4}, want[] = {0, 1, 2, 2, 2, 2, 6, 6, 6, 6},
               bad[] = {1, 0, 0, 1, 2, 3, 0, 1, 2, 3};
  RtTrain t = {.checks = rt_checks_none,
               .tested = true,
               .f64 = true,
               .flat = flat,
               .flat_n = FLAT,
               .best = best,
               .keep = RT_KEEP_BEST,
               .steps = 100,
               .stop_after = 3};
  for (int k = 0; k < 10; k++) {
    t.step = k, flat[0] = k;
    const RtStep at = seen(test[k]);
    rt_check(&t, &at);
    CU_ASSERT_EQUAL(t.checks.best_step, want[k]);
    CU_ASSERT_EQUAL(t.checks.bad, bad[k]);
    CU_ASSERT(k == 0 || best[0] == want[k]);
  }
  CU_ASSERT_TRUE(rt_train_over(&t));
  rt_check_end(&t);
  CU_ASSERT_EQUAL(flat[0], 6);
}

/* PyTorch's ReduceLROnPlateau; of losses below 0 the threshold is one of their size. */
static void test_plateau(void) {
  const double loss[] = {-1, -1.00001, -0.5, NAN, -2, -2, -2, -2, -2, -2, -2, -2},
               rate[] = {1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2};
  RtTrain t = {.checks = rt_checks_none,
               .tested = true,
               .sched = RT_SCHED_PLATEAU,
               .lr = 1,
               .factor = 0.5,
               .patience = 2,
               .threshold = 1e-4,
               .cooldown = 1,
               .to = 0.2,
               .steps = 100};
  for (int k = 0; k < 12; k++) {
    const RtStep at = seen(loss[k]);
    rt_check(&t, &at);
    CU_ASSERT_DOUBLE_EQUAL(rt_sched_rate(&t, 50), rate[k], 1e-15);
  }
}

static void test_schedules(void) {
  RtTrain t = {.lr = 1, .steps = 100};
  CU_ASSERT_EQUAL(rt_sched_rate(&t, 50), 1);
  t.warmup = 10;
  CU_ASSERT_DOUBLE_EQUAL(rt_sched_rate(&t, 0), 0.1, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rt_sched_rate(&t, 9), 1, 1e-15);
  t.warmup = 0, t.sched = RT_SCHED_COSINE, t.to = 0.2;
  CU_ASSERT_DOUBLE_EQUAL(rt_sched_rate(&t, 0), 1, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rt_sched_rate(&t, 50), 0.6, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rt_sched_rate(&t, 100), 0.2, 1e-15);
  const double at[] = {30, 60};
  t.sched = RT_SCHED_STEPS, t.at = at, t.nat = 2, t.factor = 0.1;
  CU_ASSERT_DOUBLE_EQUAL(rt_sched_rate(&t, 29), 1, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rt_sched_rate(&t, 30), 0.1, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rt_sched_rate(&t, 60), 0.01, 1e-15);
}

const Suite suite = {"train", (CU_TestInfo[]){{"adam", test_adam},
                                              {"moments end", test_moments_end},
                                              {"sgd by hand", test_sgd_matches_by_hand},
                                              {"clip", test_clip},
                                              {"epochs", test_batches_are_epochs},
                                              {"gather", test_gather},
                                              {"resume", test_resume},
                                              {"lbfgs", test_lbfgs},
                                              {"not finite", test_not_finite},
                                              {"stop flag", test_stop_flag},
                                              {"refusals", test_refusals},
                                              {"schedules", test_schedules},
                                              {"sum", test_sum},
                                              {"best", test_best},
                                              {"plateau", test_plateau},
                                              CU_TEST_INFO_NULL}};
