/* One `train` of a model, ready to run: its gradient, test loss and update compiled, its moved
 * parameters laid end to end. */
#include "driver/train/trainer.h"
#include "driver/session/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 }; /* elements: every parameter starts on a cache line */
enum { GRADIENT, MEAN, UPDATE = 0, NORM };

int trainer_states(const Optim *o) { return o->kind == OPT_LBFGS ? rt_lbfgs_states(o->history) : pass_optim_states(o); }

bool trainer_careful(const Optim *o) {
  const bool momentum = fabs(o->momentum) < 1;
  switch (o->kind) {
  case OPT_ADAM:
  case OPT_ADAMW: return !(o->eps > 0 && o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1);
  case OPT_RMSPROP: return !(o->eps > 0 && o->alpha >= 0 && o->alpha < 1 && momentum);
  default: return !momentum;
  }
}

/* field: where each is in the set at hand; NULL: as they are numbered. */
static int32_t *input_map(const Fn *f, const uint32_t *field) {
  int32_t *map = base_zeroed(f->in.n, sizeof *map);
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *in = &f->in.at[k];
    const uint32_t i = in->kind == IN_FIELD && field ? field[in->index] : in->index;
    map[k] = in->kind == IN_PARAM ? (int32_t)i : in->kind == IN_FIELD ? -1 - (int32_t)i : INT32_MIN;
  }
  return map;
}

/* The averages of all losses, each once. */
static void set_running(Session *s, Trainer *t) {
  t->running = base_zeroed(s->model->nparam, sizeof *t->running);
  t->decay = base_zeroed(s->model->nparam, sizeof *t->decay);
  int n = 0;
  for (uint32_t k = 0; k < t->spec->nsum; k++)
    for (uint32_t i = 0; i < t->loss[k].gradient.running.n; i++) {
      const int32_t p = (int32_t)t->loss[k].gradient.running.param[i];
      int at = 0;
      while (at < n && t->running[at] != p) at++;
      if (at < n) continue;
      t->running[n] = p;
      t->decay[n++] = s->model->param[p].decay;
    }
  t->rt.running = t->running, t->rt.nrunning = n, t->rt.decay = t->decay;
}

static bool lay_out(Session *s, Trainer *t, const Train *spec) {
  size_t size = s->model->f64 ? sizeof(double) : sizeof(float);
  t->offset = base_zeroed(spec->nmoved, sizeof *t->offset);
  int64_t n = 0;
  for (uint32_t k = 0; k < spec->nmoved; k++) {
    t->offset[k] = n;
    n += (s->param[spec->moved[k]].elems + ALIGN - 1) / ALIGN * ALIGN;
  }
  t->rt.flat_n = n ? n : ALIGN;
  t->rt.state = base_zeroed((size_t)t->rt.nstates, sizeof *t->rt.state);
  t->rt.flat = rt_zeroed((size_t)t->rt.flat_n * size);
  bool ok = t->rt.flat != NULL;
  for (int i = 0; ok && i < t->rt.nstates; i++) ok = (t->rt.state[i] = rt_zeroed((size_t)t->rt.flat_n * size)) != NULL;
  if (ok && spec->average > 0) ok = (t->rt.averaged = rt_zeroed((size_t)t->rt.flat_n * size)) != NULL;
  t->rt.param = s->param; /* sizes */
  if (ok && spec->keep == KEEP_BEST) ok = (t->rt.best = rt_zeroed((size_t)rt_train_kept_n(&t->rt) * size)) != NULL;
  return ok;
}

/* Parameters that move live inside `flat` while training, so that a step updates them in place. */
static void move_in(Session *s, Trainer *t) {
  size_t size = s->model->f64 ? sizeof(double) : sizeof(float);
  t->param = base_zeroed(s->model->nparam, sizeof *t->param);
  memcpy(t->param, s->param, sizeof *t->param * s->model->nparam);
  for (uint32_t k = 0; k < t->spec->nmoved; k++) {
    RtArray *a = &t->param[t->spec->moved[k]];
    void *place = (char *)t->rt.flat + (size_t)t->offset[k] * size;
    memcpy(place, a->v, (size_t)a->elems * size);
    a->v = place;
  }
  t->rt.param = t->param;
}

void trainer_publish(Session *s, const Trainer *t) {
  size_t size = s->model->f64 ? sizeof(double) : sizeof(float);
  for (uint32_t k = 0; k < t->spec->nmoved; k++) {
    uint32_t p = t->spec->moved[k];
    memcpy(s->param[p].v, t->param[p].v, (size_t)t->param[p].elems * size);
  }
}

uint32_t trainer_moved(const Train *t, uint32_t loss, uint32_t *which) {
  const Fn *f = t->sum[loss].loss;
  uint32_t n = 0;
  for (uint32_t k = 0; k < t->nmoved; k++)
    for (uint32_t i = 0; i < f->in.n; i++)
      if (f->in.at[i].kind == IN_PARAM && f->in.at[i].index == t->moved[k]) which[n++] = t->moved[k];
  return n;
}

/* Samples that a step takes of a loss; 0: those of its data as they are. More than there are is all of them; `bench --batch` takes
 * samples several times. */
static int64_t batch_of(Session *s, const SumLoss *l) {
  if (!l->data) return l->batch ? l->batch : 1;
  const int64_t all = data_set(s, l->data)->n;
  return l->batch == all || (l->batch > all && !s->opt->batch) ? 0 : l->batch;
}

static int make_data(Session *s, const Train *spec) {
  int code = 0;
  for (uint32_t k = 0; !code && k < spec->nsum; k++) {
    if (spec->sum[k].data) code = data_make(s, spec->sum[k].data);
    if (!code && spec->sum[k].test) code = data_make(s, spec->sum[k].test);
  }
  return code;
}

static int begin(Session *s, Trainer *t, const Optim *o, NativeBuild *b) {
  const Train *spec = t->spec;
  const bool f64 = s->model->f64;
  Fn *update = o->kind == OPT_LBFGS ? NULL : pass_optim_update(&s->passes, o, f64),
     *norm = spec->clip > 0 ? pass_optim_norm(&s->passes, f64) : NULL;
  NativeJob *job = ARENA_ARRAY(s->model->mem, NativeJob, spec->nsum + 2);
  int n = 0;
  for (uint32_t k = 0; k < spec->nsum; k++) {
    TrainerLoss *l = &t->loss[k];
    l->moved = base_zeroed(spec->nmoved, sizeof *l->moved);
    l->nmoved = trainer_moved(spec, k, l->moved);
    const int64_t batch = batch_of(s, &spec->sum[k]);
    job[n++] = (NativeJob){.fn = spec->sum[k].loss,
                           .name = l->name[GRADIENT],
                           .native = &l->gradient,
                           .samples = batch || !spec->sum[k].data ? batch : data_set(s, spec->sum[k].data)->n,
                           .memory = spec->memory,
                           .gradient = true,
                           .moved = l->moved,
                           .nmoved = l->nmoved};
  }
  if (update)
    job[n++] = (NativeJob){.fn = update, .name = t->name[UPDATE], .native = &t->update, .memory = spec->memory, .alone = true};
  if (norm) job[n++] = (NativeJob){.fn = norm, .name = t->name[NORM], .native = &t->norm, .memory = spec->memory, .alone = true};
  int code = native_begin(s, job, n, b);
  ir_fn_destroy(update);
  ir_fn_destroy(norm);
  return code;
}

/* The loss of a test set is computed after many steps: it is compiled while the first ones run. */
static int begin_late(Session *s, Trainer *t) {
  const Train *spec = t->spec;
  if (!spec->tested) return 0;
  NativeJob *job = ARENA_ARRAY(s->model->mem, NativeJob, spec->nsum);
  for (uint32_t k = 0; k < spec->nsum; k++) {
    TrainerLoss *l = &t->loss[k];
    job[k] = (NativeJob){pass_mean(&s->passes, spec->sum[k].loss), l->name[MEAN], &l->mean, .memory = spec->memory};
  }
  int code = native_begin(s, job, (int)spec->nsum, &t->late);
  for (uint32_t k = 0; k < spec->nsum; k++) ir_fn_destroy((Fn *)job[k].fn);
  if (!code) cg_begin(t->late.cg);
  return code;
}

int trainer_means(Session *s, Trainer *t) {
  if (!t->late.job) return 0;
  int code = native_end(s, &t->late);
  t->late.job = NULL;
  for (uint32_t k = 0; k < t->spec->nsum; k++) t->rt.sum[k].mean = t->loss[k].mean.run;
  return code;
}

static int64_t steps_of(Session *s, const Train *t) {
  uint32_t k = 0;
  while (!t->steps && !t->sum[k].data) k++;
  return train_steps(t, t->steps ? 0 : data_set(s, t->sum[k].data)->n);
}

/* Of the first test on data. */
static int64_t test_samples(Session *s, const Train *t) {
  for (uint32_t k = 0; k < t->nsum; k++)
    if (t->sum[k].test) return data_set(s, t->sum[k].test)->n;
  return 1;
}

static void set_loss(Session *s, Trainer *t, uint32_t k) {
  const SumLoss *spec = &t->spec->sum[k];
  TrainerLoss *l = &t->loss[k];
  l->in_of = input_map(l->gradient.fn, NULL);
  if (spec->test) l->test_of = input_map(l->gradient.fn, spec->test_field);
  l->offset = base_zeroed(l->nmoved, sizeof *l->offset);
  for (uint32_t i = 0; i < l->nmoved; i++)
    for (uint32_t j = 0; j < t->spec->nmoved; j++)
      if (t->spec->moved[j] == l->moved[i]) l->offset[i] = t->offset[j];
  t->rt.sum[k] = (RtLoss){.gradient = l->gradient.run,
                          .in_of = l->in_of,
                          .test_of = l->test_of,
                          .nin = (int)l->gradient.fn->in.n,
                          .factor = spec->weight,
                          .offset = l->offset,
                          .moved = (const int32_t *)l->moved,
                          .nmoved = (int)l->nmoved,
                          .running = (const int32_t *)l->gradient.running.param,
                          .nrunning = (int)l->gradient.running.n,
                          .data = spec->data ? data_native(s, spec->data) : NULL,
                          .test = spec->test ? data_native(s, spec->test) : NULL,
                          .rank = s->ranks ? s->ranks->rank : 0,
                          .batch = batch_of(s, spec),
                          .tests = !spec->draws                   ? 1
                                   : spec->tests == TESTS_AS_DATA ? test_samples(s, t->spec)
                                                                  : spec->tests,
                          .seed = rt_loss_seed(session_seed(s, t->spec->seed), (int)k)};
}

static void set_options(Session *s, Trainer *t, const Optim *o) {
  const Train *spec = t->spec;
  RtTrain *rt = &t->rt;
  for (uint32_t k = 0; k < spec->nsum; k++) set_loss(s, t, k);
  rt->f64 = s->model->f64;
  rt->nparam = (int)s->model->nparam;
  rt->update = t->update.run, rt->norm = t->norm.run;
  rt->lr = o->lr, rt->beta1 = o->beta1, rt->beta2 = o->beta2, rt->clip = spec->clip;
  rt->weight_decay = o->weight_decay, rt->careful = trainer_careful(o);
  rt->sched = (RtSchedKind)spec->sched.kind;
  rt->to = spec->sched.to, rt->warmup = spec->sched.warmup, rt->factor = spec->sched.factor;
  rt->at = spec->sched.at, rt->nat = (int)spec->sched.nat;
  rt->patience = spec->sched.patience, rt->cooldown = spec->sched.cooldown, rt->threshold = spec->sched.threshold;
  rt->keep = (RtKeep)spec->keep, rt->stop_after = spec->patience, rt->decay_kept = spec->average;
  rt->checks = rt_checks_none;
  rt->lbfgs = o->kind == OPT_LBFGS, rt->history = o->history, rt->max_iter = o->max_iter;
  rt->tested = spec->tested;
  rt->steps = steps_of(s, spec);
  rt->every = train_every(spec, rt->steps);
}

/* Names in dumps and symbols: of the losses, the second of one name with its number. */
static void set_names(Trainer *t) {
  const Train *spec = t->spec;
  for (uint32_t k = 0; k < spec->nsum; k++) {
    char number[16] = "";
    bool twice = false;
    for (uint32_t i = 0; i < k; i++) twice |= !strcmp(spec->sum[i].name, spec->sum[k].name);
    if (twice) snprintf(number, sizeof number, "_%u", k + 1);
    snprintf(t->loss[k].name[GRADIENT], sizeof t->loss[k].name[0], "%.64s%s_gradient", spec->sum[k].name, number);
    snprintf(t->loss[k].name[MEAN], sizeof t->loss[k].name[0], "%.64s%s_mean", spec->sum[k].name, number);
  }
  snprintf(t->name[UPDATE], sizeof t->name[0], "%.64s_update", spec->sum[0].name);
  snprintf(t->name[NORM], sizeof t->name[0], "%.64s_norm", spec->sum[0].name);
}

_Static_assert((int)SCHED_CONSTANT == (int)RT_SCHED_CONSTANT && (int)SCHED_COSINE == (int)RT_SCHED_COSINE &&
                   (int)SCHED_STEPS == (int)RT_SCHED_STEPS && (int)SCHED_PLATEAU == (int)RT_SCHED_PLATEAU &&
                   (int)KEEP_LAST == (int)RT_KEEP_LAST && (int)KEEP_BEST == (int)RT_KEEP_BEST &&
                   (int)KEEP_AVERAGE == (int)RT_KEEP_AVERAGE,
               "schedules and what is kept are passed on by number");

int trainer_open(Session *s, const Train *spec, Trainer *t) {
  *t = (Trainer){.spec = spec, .loss = base_zeroed(spec->nsum, sizeof *t->loss)};
  NativeBuild b;
  const Optim o = spec->opt;
  set_names(t);
  double start = pass_now();
  int code = begin(s, t, &o, &b);
  if (code) return code;
  cg_begin(b.cg);
  t->compile_seconds = pass_now() - start;
  if ((code = make_data(s, spec))) return code;
  start = pass_now();
  if ((code = native_end(s, &b)) || (code = begin_late(s, t))) return code;
  t->compile_seconds += pass_now() - start;
  t->rt.sum = base_zeroed(spec->nsum, sizeof *t->rt.sum);
  t->rt.nsum = (int)spec->nsum;
  t->rt.nstates = trainer_states(&o);
  set_running(s, t);
  if (!lay_out(s, t, spec))
    return session_fail(s, EXIT_IO, CODE_memory, (Span){0}, "there is not enough memory for the optimizer of `%s`", spec->name);
  set_options(s, t, &o);
  move_in(s, t);
  return 0;
}

const Fn *trainer_gradient(const Trainer *t, uint32_t k) { return t->loss[k].gradient.fn; }
const Fn *trainer_test(const Trainer *t, uint32_t k) { return t->loss[k].mean.fn; }
const Fn *trainer_update(const Trainer *t) { return t->update.fn; }

int64_t trainer_batch(const Trainer *t) {
  int64_t n = 0;
  for (int k = 0; k < t->rt.nsum; k++) {
    const RtLoss *l = &t->rt.sum[k];
    n += l->batch ? l->batch : l->data->n;
  }
  return n;
}

void trainer_close(Trainer *t) {
  for (uint32_t k = 0; k < t->spec->nsum; k++) {
    TrainerLoss *l = &t->loss[k];
    native_finish(&l->gradient), native_finish(&l->mean);
    base_free(l->moved), base_free(l->offset), base_free(l->in_of), base_free(l->test_of);
  }
  native_finish(&t->update), native_finish(&t->norm);
  for (int i = 0; t->rt.state && i < t->rt.nstates; i++) free(t->rt.state[i]);
  base_free(t->rt.state);
  free(t->rt.flat);
  free(t->rt.best);
  free(t->rt.averaged);
  base_free(t->rt.sum);
  base_free(t->loss);
  base_free(t->running), base_free(t->decay);
  base_free(t->offset);
  base_free(t->param);
}
