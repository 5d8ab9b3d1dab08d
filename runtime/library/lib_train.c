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
    if (!rt_fn_run(lib_fn(l->own, t->update), in, out, ld, 0, 0)) return false;
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

/* The same, or nothing where it is not finite: a LibCode. */
static int apply_whole(Lib *l, int train, const HnnArg *grad, double lr, double scale) {
  const LibTrain *t = &l->m->train[train];
  RtSpan *span = malloc(sizeof *span * (size_t)(t->nmoved + t->nstates + 1));
  const int n = span ? spans(l, train, span) : 0;
  void *before = span ? rt_spans_copy(span, n, l->m->f64) : NULL;
  int code = HNN_NO_MEMORY;
  if (before) {
    if (apply(l, train, grad, lr, scale)) code = rt_spans_finite(span, n, l->m->f64) ? HNN_OK : HNN_NOT_FINITE;
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

/* Of grad[from], grad[from + 1], ...: gradients, then means. */
static bool all_finite(const Lib *l, const LibTrain *t, const HnnArg *grad, int from) {
  for (int k = from; k < t->nmoved + t->nrunning; k++) {
    const int p = k < t->nmoved ? t->moved[k] : t->running[k - t->nmoved];
    if (!rt_finite(grad[k].p, l->m->param[p].elems, l->m->f64)) return false;
  }
  return true;
}

/* mean[k]: of the running averages in their order. */
static void move_averages(Lib *l, int train, const HnnArg *mean) {
  const LibTrain *t = &l->m->train[train];
  for (int k = 0; k < t->nrunning; k++)
    rt_average(l->param[t->running[k]], mean[k].p, l->m->param[t->running[k]].elems, l->m->f64, t->decay[k], l->steps[train]);
}

/* to += share (from - to), or, of a gradient, to += share from. */
static void add(const Lib *l, const HnnArg *to, const HnnArg *from, int64_t elems, double share, bool mean) {
  for (int64_t i = 0; i < elems; i++) {
    const double x = rt_real(to->p, i, l->m->f64), y = rt_real(from->p, i, l->m->f64);
    rt_set_real(to->p, i, l->m->f64, x + share * (mean ? y - x : y));
  }
}

/* Samples of the losses up to loss k that give the running mean r; those of loss k are among them. */
static double samples_of(const LibTrain *t, const int64_t *n, int k, int r) {
  double sum = 0;
  for (int j = 0; j <= k; j++)
    for (int i = 0; i < t->loss[j].nrunning; i++) sum += t->loss[j].running[i] == r ? (double)n[j] : 0;
  return sum;
}

/* Loss, gradients and means of the step at hand into *loss and *grad. False: no memory. */
static bool gradient(Lib *l, int train, const int64_t *n, const hnn_array *const *in, double *loss, const HnnArg **grad) {
  const LibTrain *t = &l->m->train[train];
  const Sum *sum = &l->sum[train];
  *loss = 0;
  if (sum->grad) memset(sum->memory, 0, (size_t)lib_moved_size(l, t) * real_size(l));
  for (int k = 0; k < t->nloss; k++) {
    const LibLoss *q = &t->loss[k];
    const Arguments *a = lib_bind(l->own, q->gradient, n[k], in[k]);
    const uint64_t seed = rt_random_u64(rt_loss_seed(0, k), RT_STREAM_DRAWS, (uint64_t)l->steps[train]);
    if (!a || !rt_fn_run(lib_fn(l->own, q->gradient), a->in, a->out, n[k], seed, 0)) return false;
    *loss += q->factor * rt_real(a->out[0].p, 0, l->m->f64);
    *grad = a->out + 1;
    for (int i = 0; sum->grad && i < q->nmoved; i++)
      add(l, &sum->grad[q->moved[i]], &a->out[1 + i], l->m->param[t->moved[q->moved[i]]].elems, q->factor, false);
    for (int i = 0; sum->grad && i < q->nrunning; i++)
      add(l, &sum->grad[t->nmoved + q->running[i]], &a->out[1 + q->nmoved + i], l->m->param[t->running[q->running[i]]].elems,
          (double)n[k] / samples_of(t, n, k, q->running[i]), true);
  }
  if (sum->grad) *grad = sum->grad;
  return true;
}

/* One step of a compiled update, of the rate lr. */
static int compiled_step(Lib *l, int train, const int64_t *n, const hnn_array *const *in, double lr, double *loss) {
  const LibTrain *t = &l->m->train[train];
  const HnnArg *grad = NULL;
  if (!gradient(l, train, n, in, loss, &grad)) return HNN_NO_MEMORY;
  const bool tame = moderate(l, t, grad);
  const double scale = isfinite(*loss) && all_finite(l, t, grad, tame ? t->nmoved : 0) ? clip_scale(l, t, grad) : -1;
  if (scale < 0) return HNN_NOT_FINITE;
  int code = HNN_OK;
  if (tame && calm(l, t, lr)) code = apply(l, train, grad, lr, scale) ? HNN_OK : HNN_NO_MEMORY;
  else code = apply_whole(l, train, grad, lr, scale);
  if (code) return code;
  move_averages(l, train, grad + t->nmoved);
  l->steps[train]++;
  return HNN_OK;
}

/* ---- lbfgs ---- */

/* The engine of lbfgs (train.h) on the user's samples: the moved parameters, their gradients, the means end to end. */
typedef struct Flat {
  RtTrain t;
  Loop loop;
  RtArray *param;   /* of the model, the moved ones in t.flat */
  int64_t *offset;  /* of each moved parameter in it */
  int32_t *numbers; /* of parameters: what the losses move and average */
  int64_t *offsets;
  HnnArg *mean; /* the step's means */
} Flat;

/* How many numbers and offsets its losses take. */
static size_t room(const LibTrain *t) {
  size_t n = 1;
  for (int k = 0; k < t->nloss; k++) n += (size_t)(t->loss[k].nmoved + t->loss[k].nrunning);
  return n;
}

static bool flat_alloc(Flat *q, const Lib *l, const LibTrain *t) {
  const size_t real = real_size(l), flat = (size_t)(q->t.flat_n + 1) * real, losses = (size_t)t->nloss;
  int64_t means = 1;
  for (int k = 0; k < t->nrunning; k++) means += l->m->param[t->running[k]].elems;
  q->t.flat = rt_zeroed(flat);
  q->t.sum = calloc(losses + 1, sizeof *q->t.sum);
  q->loop.grad = rt_zeroed(flat);
  q->loop.part = rt_zeroed(flat);
  q->loop.step_means = rt_zeroed((size_t)means * real);
  q->loop.term = calloc(losses + 1, sizeof *q->loop.term);
  q->loop.loss = calloc(2 * losses + 1, sizeof *q->loop.loss);
  q->param = calloc((size_t)l->m->nparam + 1, sizeof *q->param);
  q->offset = calloc((size_t)t->nmoved + 1, sizeof *q->offset);
  q->numbers = calloc(room(t), sizeof *q->numbers);
  q->offsets = calloc(room(t), sizeof *q->offsets);
  q->mean = calloc((size_t)t->nrunning + 1, sizeof *q->mean);
  return q->t.flat && q->t.sum && q->loop.grad && q->loop.part && q->loop.step_means && q->loop.term && q->loop.loss && q->param &&
         q->offset && q->numbers && q->offsets && q->mean;
}

/* The moved parameters into `flat`, and what is where. */
static void flat_params(Flat *q, const Lib *l, const LibTrain *t) {
  int64_t at = 0;
  for (int k = 0; k < l->m->nparam; k++) q->param[k] = (RtArray){.elems = l->m->param[k].elems, .f64 = l->m->f64, .v = l->param[k]};
  for (int k = 0; k < t->nmoved; k++) {
    const LibParam *p = &l->m->param[t->moved[k]];
    char *place = (char *)q->t.flat + (size_t)at * real_size(l);
    memcpy(place, l->param[t->moved[k]], (size_t)rt_padded(p->elems) * real_size(l));
    q->param[t->moved[k]].v = place;
    q->offset[k] = at;
    at += rt_padded(p->elems);
  }
  char *mean = q->loop.step_means;
  for (int k = 0; k < t->nrunning; mean += (size_t)l->m->param[t->running[k++]].elems * real_size(l)) q->mean[k].p = mean;
}

/* One loss; its numbers of parameters are written behind those of the losses before. False: no memory. */
static bool flat_loss(Flat *q, Lib *l, const LibTrain *t, int k, int64_t n, const hnn_array *in, size_t *used) {
  const LibLoss *from = &t->loss[k];
  const LibFn *f = &l->m->fn[from->gradient];
  const Arguments *a = lib_bind(l->own, from->gradient, n, in);
  Term *m = &q->loop.term[k];
  int32_t *moved = q->numbers + *used, *running = moved + from->nmoved;
  int64_t *offset = q->offsets + *used;
  *used += (size_t)(from->nmoved + from->nrunning);
  for (int i = 0; i < from->nmoved; i++) moved[i] = t->moved[from->moved[i]], offset[i] = q->offset[from->moved[i]];
  for (int i = 0; i < from->nrunning; i++) running[i] = t->running[from->running[i]];
  q->t.sum[k] = (RtLoss){.gradient = lib_fn(l->own, from->gradient),
                         .factor = from->factor,
                         .offset = offset,
                         .moved = moved,
                         .nmoved = from->nmoved,
                         .running = running,
                         .nrunning = from->nrunning,
                         .seed = rt_loss_seed(0, k)};
  m->batch.n = n;
  m->batch.arg = a ? calloc((size_t)f->nin + 1, sizeof *m->batch.arg) : NULL;
  if (!m->batch.arg || !rt_term_outputs(&q->loop, &q->t.sum[k], m)) return false;
  for (int i = 0; i < f->nin; i++)
    m->batch.arg[i] = f->in[i].kind == LIB_PARAM ? (HnnArg){q->param[f->in[i].index].v, 0} : a->in[i];
  return true;
}

static bool flat_init(Flat *q, Lib *l, int train, const int64_t *n, const hnn_array *const *in, double lr) {
  const LibTrain *t = &l->m->train[train];
  q->t = (RtTrain){.nsum = t->nloss,
                   .running = t->running,
                   .nrunning = t->nrunning,
                   .f64 = l->m->f64,
                   .flat_n = lib_moved_size(l, t),
                   .lr = lr,
                   .lbfgs = true,
                   .history = t->history,
                   .max_iter = t->max_iter,
                   .step = l->steps[train],
                   .state = l->state[train],
                   .nstates = t->nstates};
  q->loop = (Loop){.t = &q->t};
  if (!flat_alloc(q, l, t)) return false;
  q->t.param = q->param, q->t.nparam = l->m->nparam;
  q->loop.kept = q->loop.loss + t->nloss;
  flat_params(q, l, t);
  size_t used = 0;
  for (int k = 0; k < t->nloss; k++)
    if (!flat_loss(q, l, t, k, n[k], in[k], &used)) return false;
  return true;
}

static void flat_finish(Flat *q) {
  for (int k = 0; q->loop.term && k < q->t.nsum; k++) {
    Term *m = &q->loop.term[k];
    free(m->batch.arg), free(m->gout), free(m->means);
  }
  void *owned[] = {q->t.flat,    q->t.sum, q->loop.grad, q->loop.part, q->loop.step_means, q->loop.term,
                   q->loop.loss, q->param, q->offset,    q->numbers,   q->offsets,         q->mean};
  for (size_t k = 0; k < sizeof owned / sizeof *owned; k++) free(owned[k]);
}

static int lbfgs_step(Lib *l, int train, const int64_t *n, const hnn_array *const *in, double lr, double *loss) {
  const LibTrain *t = &l->m->train[train];
  Flat q = {0};
  RtError err;
  int code = HNN_NO_MEMORY;
  if (flat_init(&q, l, train, n, in, lr)) {
    q.loop.err = &err;
    code = rt_lbfgs_step(&q.loop) ? HNN_OK : q.loop.status == RT_NOT_FINITE ? HNN_NOT_FINITE : HNN_NO_MEMORY;
    *loss = q.loop.first_loss;
  }
  for (int k = 0; !code && k < t->nmoved; k++) {
    const size_t bytes = (size_t)rt_padded(l->m->param[t->moved[k]].elems) * real_size(l);
    memcpy(l->param[t->moved[k]], (char *)q.t.flat + (size_t)q.offset[k] * real_size(l), bytes);
  }
  if (!code) move_averages(l, train, q.mean), l->steps[train]++;
  flat_finish(&q);
  return code;
}

/* Whether the samples of all losses are there. */
static bool samples_good(const Lib *l, const LibTrain *t, const int64_t *n, const hnn_array *const *in) {
  for (int k = 0; k < t->nloss; k++)
    if (!lib_call_good(l, t->loss[k].gradient, n[k], in[k]) || n[k] < 1) return false;
  return true;
}

/* Makes the functions of a training that are not there yet. */
static bool made(Lib *l, const LibTrain *t) {
  bool ok = t->update < 0 || lib_fn(l->own, t->update);
  for (int k = 0; ok && k < t->nloss; k++) ok = lib_fn(l->own, t->loss[k].gradient) != NULL;
  return ok;
}

int lib_step(Lib *l, int train, const int64_t *n, const hnn_array *const *in, double lr, double *loss) {
  const LibTrain *t = &l->m->train[train];
  const double rate = lr > 0 || isnan(lr) ? lr : t->lr;
  if (l->shares || !loss || !samples_good(l, t, n, in)) return HNN_BAD_CALL;
  if (!made(l, t)) return HNN_NO_MEMORY;
  if (!isfinite(rate)) return HNN_NOT_FINITE;
  if (t->update < 0) return lbfgs_step(l, train, n, in, rate, loss);
  const uint64_t mode = float_mode_flush();
  const int code = compiled_step(l, train, n, in, rate, loss);
  float_mode_set(mode);
  return code;
}
