/* Training steps of exported libraries: on the user's samples, all or nothing. */
#include "runtime/library/lib_priv.h"

#include "runtime/float_mode.h"
#include "runtime/train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t lib_moved_size(const Lib *l, const LibTrain *t) {
  int64_t n = 0;
  for (int k = 0; k < t->nmoved; k++) n += rt_padded(l->m->param[t->moved[k]].elems);
  return n;
}

/* min(1, clip / norm of all gradients); negative where the norm is not finite. */
static double clip_scale(const Lib *l, const LibTrain *t, const HnnArg *grad) {
  if (t->clip <= 0) return 1;
  double square = 0;
  for (int k = 0; k < t->nmoved; k++)
    for (int64_t i = 0; i < l->m->param[t->moved[k]].elems; i++) {
      const double g = rt_real(grad[k].p, i, l->m->f64);
      square += g * g;
    }
  const double norm = sqrt(square);
  return !isfinite(norm) ? -1 : norm > t->clip ? t->clip / norm : 1;
}

static void scalar_argument(const Lib *l, double v, void *store, HnnArg *arg) {
  rt_set_real(store, 0, l->m->f64, v);
  *arg = (HnnArg){store, 0};
}

/* Parameters from k on that lie one after the other, as their gradients do. */
static int neighbours(const Lib *l, const LibTrain *t, const HnnArg *grad, int k) {
  int n = 1;
  for (; k + n < t->nmoved; n++) {
    const int last = t->moved[k + n - 1];
    const size_t bytes = (size_t)rt_padded(l->m->param[last].elems) * real_size(l);
    if ((char *)l->param[last] + bytes != l->param[t->moved[k + n]]) break;
    if ((char *)grad[k + n - 1].p + bytes != grad[k + n].p) break;
  }
  return n;
}

/* update: p g state... lr scale bias1 bias2 -> p state..., in place. What is between two parameters is 0, and so is its
 * gradient: neighbours are updated as one. */
/* False: no memory; parameters before are moved, others are not. */
static bool apply(Lib *l, int train, const HnnArg *grad, double lr, double scale) {
  const LibTrain *t = &l->m->train[train];
  const double step = (double)l->steps[train] + 1;
  const double value[4] = {lr, scale, 1 / (1 - pow(t->beta1, step)), 1 / (1 - pow(t->beta2, step))};
  double store[4];
  HnnArg in[16], out[16];
  const int ns = t->nstates;
  for (int i = 0; i < 4; i++) scalar_argument(l, value[i], &store[i], &in[2 + ns + i]);
  int64_t at = 0;
  for (int k = 0, n; k < t->nmoved; k += n) {
    int64_t ld = 0;
    n = neighbours(l, t, grad, k);
    for (int j = k; j < k + n; j++) ld += rt_padded(l->m->param[t->moved[j]].elems);
    in[0] = out[0] = (HnnArg){l->param[t->moved[k]], ld};
    in[1] = (HnnArg){grad[k].p, ld};
    for (int i = 0; i < ns; i++) in[2 + i] = out[1 + i] = (HnnArg){(char *)l->state[train][i] + (size_t)at * real_size(l), ld};
    if (!rt_fn_run(l->fn[t->update], in, out, ld, 0, 0)) return false;
    at += ld;
  }
  return true;
}

/* Everything that a step changes: the moved parameters, then the states. */
static int spans(const Lib *l, int train, RtSpan *span) {
  const LibTrain *t = &l->m->train[train];
  int n = 0;
  for (int k = 0; k < t->nmoved; k++) span[n++] = (RtSpan){l->param[t->moved[k]], rt_padded(l->m->param[t->moved[k]].elems)};
  for (int i = 0; i < t->nstates; i++) span[n++] = (RtSpan){l->state[train][i], lib_moved_size(l, t)};
  return n;
}

/* The same, or nothing where it is not finite: 0, 1, -1 without memory. */
static int apply_whole(Lib *l, int train, const HnnArg *grad, double lr, double scale) {
  const LibTrain *t = &l->m->train[train];
  RtSpan *span = malloc(sizeof *span * (size_t)(t->nmoved + t->nstates + 1));
  const int n = span ? spans(l, train, span) : 0;
  void *before = span ? rt_spans_copy(span, n, l->m->f64) : NULL;
  int code = -1;
  if (before) {
    code = !apply(l, train, grad, lr, scale) ? -1 : !rt_spans_finite(span, n, l->m->f64);
    if (code) rt_spans_restore(span, n, l->m->f64, before);
  }
  free(before);
  free(span);
  return code;
}

/* Whether all gradients are far from overflow, and so finite; see rt_moderate. */
static bool moderate(const Lib *l, const LibTrain *t, const HnnArg *grad) {
  for (int k = 0; k < t->nmoved; k++)
    if (!rt_moderate(grad[k].p, l->m->param[t->moved[k]].elems, l->m->f64)) return false;
  return true;
}

/* Whether no update by moderate gradients can overflow. */
static bool calm(const Lib *l, const LibTrain *t, double lr) {
  bool ok = !t->careful && rt_moderate_rate(lr, l->m->f64) && !(fabs(lr * t->weight_decay) > 1);
  for (int k = 0; ok && t->weight_decay != 0 && k < t->nmoved; k++)
    ok = rt_moderate(l->param[t->moved[k]], l->m->param[t->moved[k]].elems, l->m->f64);
  return ok;
}

/* Outputs from, from + 1, ... of the gradient: gradients, then means. */
static bool all_finite(const Lib *l, const LibTrain *t, const HnnArg *grad, int from) {
  for (int k = from; k < t->nmoved + t->nrunning; k++)
    if (!rt_finite(grad[k].p, l->m->fn[t->gradient].out_elems[1 + k], l->m->f64)) return false;
  return true;
}

/* mean[k]: of the running averages in their order. */
static void move_averages(Lib *l, int train, const HnnArg *mean) {
  const LibTrain *t = &l->m->train[train];
  for (int k = 0; k < t->nrunning; k++)
    rt_average(l->param[t->running[k]], mean[k].p, l->m->param[t->running[k]].elems, l->m->f64, t->decay[k], l->steps[train]);
}

/* One step of a compiled update, of the rate lr. */
static int compiled_step(Lib *l, int train, int64_t n, const void *const *in, double lr, double *loss) {
  const LibTrain *t = &l->m->train[train];
  const Arguments *a = lib_bind(l, t->gradient, n, in);
  if (!a) return -1;
  const uint64_t seed = rt_random_u64(0, RT_STREAM_DRAWS, (uint64_t)l->steps[train]);
  if (!rt_fn_run(l->fn[t->gradient], a->in, a->out, n, seed, 0)) return -1;
  *loss = rt_real(a->out[0].p, 0, l->m->f64);
  const HnnArg *grad = a->out + 1;
  const bool tame = moderate(l, t, grad);
  const double scale = isfinite(*loss) && all_finite(l, t, grad, tame ? t->nmoved : 0) ? clip_scale(l, t, grad) : -1;
  if (scale < 0) return 1;
  int code = 0;
  if (tame && calm(l, t, lr)) code = apply(l, train, grad, lr, scale) ? 0 : -1;
  else code = apply_whole(l, train, grad, lr, scale);
  if (code) return code;
  move_averages(l, train, grad + t->nmoved);
  l->steps[train]++;
  return 0;
}

/* ---- lbfgs ---- */

/* The engine of lbfgs (train.h) on the user's samples: the moved parameters, their gradients, the means end to end. */
typedef struct Flat {
  RtTrain t;
  Loop loop;
  HnnArg *arg, *mean; /* inputs of the gradient; the step's means */
} Flat;

static bool flat_alloc(Flat *q, const Lib *l, const LibTrain *t, int nin) {
  const size_t real = real_size(l), flat = (size_t)(q->t.flat_n + 1) * real;
  for (int k = 0; k < t->nrunning; k++) q->loop.nmeans += l->m->param[t->running[k]].elems;
  q->t.flat = rt_zeroed(flat);
  q->loop.grad = rt_zeroed(flat);
  q->loop.means = rt_zeroed((size_t)(q->loop.nmeans + 1) * real);
  q->loop.step_means = rt_zeroed((size_t)(q->loop.nmeans + 1) * real);
  q->loop.gout = calloc((size_t)(t->nmoved + t->nrunning) + 1, sizeof *q->loop.gout);
  q->arg = calloc((size_t)nin + 1, sizeof *q->arg);
  q->mean = calloc((size_t)t->nrunning + 1, sizeof *q->mean);
  return q->t.flat && q->loop.grad && q->loop.means && q->loop.step_means && q->loop.gout && q->arg && q->mean;
}

static bool flat_init(Flat *q, Lib *l, int train, const Arguments *a, int64_t n, double lr) {
  const LibTrain *t = &l->m->train[train];
  const LibFn *f = &l->m->fn[t->gradient];
  q->t = (RtTrain){.gradient = l->fn[t->gradient],
                   .nmoved = t->nmoved,
                   .f64 = l->m->f64,
                   .flat_n = lib_moved_size(l, t),
                   .lr = lr,
                   .lbfgs = true,
                   .history = t->history,
                   .max_iter = t->max_iter,
                   .step = l->steps[train],
                   .state = l->state[train],
                   .nstates = t->nstates};
  q->loop = (Loop){.t = &q->t, .batch.n = n};
  if (!flat_alloc(q, l, t, f->nin)) return false;
  memcpy(q->arg, a->in, (size_t)f->nin * sizeof *q->arg);
  q->loop.batch.arg = q->arg;
  q->loop.gout[0].p = &q->loop.loss;
  char *place = q->t.flat, *grad = q->loop.grad, *mean = q->loop.means, *kept = q->loop.step_means;
  for (int k = 0; k < t->nmoved; k++) {
    const LibParam *p = &l->m->param[t->moved[k]];
    const size_t bytes = (size_t)rt_padded(p->elems) * real_size(l);
    memcpy(place, l->param[t->moved[k]], bytes);
    for (int i = 0; i < f->nin; i++)
      if (f->in[i].kind == LIB_PARAM && f->in[i].index == t->moved[k]) q->arg[i].p = place;
    q->loop.gout[1 + k].p = grad;
    place += bytes, grad += bytes;
  }
  for (int k = 0; k < t->nrunning; k++) {
    const size_t bytes = (size_t)l->m->param[t->running[k]].elems * real_size(l);
    q->loop.gout[1 + t->nmoved + k].p = mean;
    q->mean[k].p = kept;
    mean += bytes, kept += bytes;
  }
  return true;
}

static void flat_finish(Flat *q) {
  void *owned[] = {q->t.flat, q->loop.grad, q->loop.means, q->loop.step_means, q->loop.gout, q->arg, q->mean};
  for (size_t k = 0; k < sizeof owned / sizeof *owned; k++) free(owned[k]);
}

static int lbfgs_step(Lib *l, int train, int64_t n, const void *const *in, double lr, double *loss) {
  const LibTrain *t = &l->m->train[train];
  const Arguments *a = lib_bind(l, t->gradient, n, in);
  Flat q = {0};
  RtError err;
  int code = -1;
  if (a && flat_init(&q, l, train, a, n, lr)) {
    q.loop.err = &err;
    code = rt_lbfgs_step(&q.loop) ? 0 : q.loop.status == RT_NOT_FINITE ? 1 : -1;
    *loss = q.loop.first_loss;
  }
  const char *place = q.t.flat;
  for (int k = 0; !code && k < t->nmoved; k++) {
    const size_t bytes = (size_t)rt_padded(l->m->param[t->moved[k]].elems) * real_size(l);
    memcpy(l->param[t->moved[k]], place, bytes);
    place += bytes;
  }
  if (!code) move_averages(l, train, q.mean), l->steps[train]++;
  flat_finish(&q);
  return code;
}

int lib_step(Lib *l, int train, int64_t n, const void *const *in, double lr, double *loss) {
  const LibTrain *t = &l->m->train[train];
  const double rate = lr > 0 || isnan(lr) ? lr : t->lr;
  if (!isfinite(rate)) return 1;
  if (t->update < 0) return lbfgs_step(l, train, n, in, rate, loss);
  const uint64_t mode = float_mode_flush();
  const int code = compiled_step(l, train, n, in, rate, loss);
  float_mode_set(mode);
  return code;
}
