/* One `train` of a model, ready to run: its gradient, test loss and update compiled, its moved
 * parameters laid end to end. */
#include "driver/run/trainer.h"
#include "driver/session/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRADIENT, MEAN, UPDATE, NORM, NPARTS };
enum { ALIGN = 64 }; /* elements: every parameter starts on a cache line */

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

static int32_t *input_map(const Fn *f) {
  int32_t *map = base_zeroed(f->in.n, sizeof *map);
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *in = &f->in.at[k];
    map[k] = in->kind == IN_PARAM ? (int32_t)in->index : in->kind == IN_FIELD ? -1 - (int32_t)in->index : INT32_MIN;
  }
  return map;
}

static void set_running(Session *s, Trainer *t) {
  double *decay = base_zeroed(t->running.n, sizeof *decay);
  for (uint32_t k = 0; k < t->running.n; k++) decay[k] = s->model->param[t->running.param[k]].decay;
  t->rt.running = (const int32_t *)t->running.param;
  t->rt.nrunning = (int)t->running.n;
  t->rt.decay = decay;
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

void trainer_adopt(Session *s, Trainer *t) {
  size_t size = s->model->f64 ? sizeof(double) : sizeof(float);
  for (uint32_t k = 0; k < t->spec->nmoved; k++) {
    uint32_t p = t->spec->moved[k];
    memcpy(t->param[p].v, s->param[p].v, (size_t)t->param[p].elems * size);
  }
}

static int begin(Session *s, Trainer *t, const Optim *o, NativeBuild *b) {
  const Train *spec = t->spec;
  bool f64 = s->model->f64;
  static const char *const part[NPARTS] = {"gradient", "mean", "update", "norm"};
  for (int k = 0; k < NPARTS; k++) snprintf(t->name[k], sizeof t->name[k], "%.64s_%s", spec->name, part[k]);
  Fn *fn[NPARTS] = {spec->loss, NULL, o->kind == OPT_LBFGS ? NULL : pass_optim_update(&s->passes, o, f64),
                    spec->clip > 0 ? pass_optim_norm(&s->passes, f64) : NULL};
  NativeJob job[NPARTS];
  const int64_t all = data_set(s, spec->data)->n, samples = spec->batch && (spec->batch < all || s->opt->batch) ? spec->batch : all;
  int n = 0;
  for (int k = 0; k < NPARTS; k++)
    if (fn[k]) job[n++] = (NativeJob){fn[k], t->name[k], &t->native[k], k == GRADIENT ? samples : 0, spec->memory};
  job[0].gradient = true;
  job[0].moved = spec->moved, job[0].nmoved = spec->nmoved;
  int code = native_begin(s, job, n, b);
  for (int k = MEAN; k < NPARTS; k++) ir_fn_destroy(fn[k]);
  if (code) return code;
  t->rt.in_of = input_map(t->native[GRADIENT].fn);
  t->rt.nin = (int)t->native[GRADIENT].fn->in.n;
  t->running = t->native[GRADIENT].running;
  return 0;
}

/* The loss of a test set is computed after many steps: it is compiled while the first ones run. */
static int begin_late(Session *s, Trainer *t) {
  if (!t->spec->test) return 0;
  Fn *mean = pass_mean(&s->passes, t->spec->loss);
  NativeJob job = {mean, t->name[MEAN], &t->native[MEAN], .memory = t->spec->memory};
  int code = native_begin(s, &job, 1, &t->late);
  ir_fn_destroy(mean);
  if (!code) cg_begin(t->late.cg);
  return code;
}

int trainer_mean(Session *s, Trainer *t) {
  if (!t->late.job) return 0;
  int code = native_end(s, &t->late);
  t->late.job = NULL;
  t->rt.mean = t->native[MEAN].run;
  return code;
}

int64_t trainer_steps(const Train *t, int64_t samples) {
  int64_t batch = t->batch && t->batch < samples ? t->batch : samples;
  return t->steps ? t->steps : (t->epochs * samples + batch - 1) / batch;
}

static void set_options(Session *s, Trainer *t, const Optim *o) {
  const Train *spec = t->spec;
  const RtSet *data = data_native(s, spec->data);
  RtTrain *rt = &t->rt;
  /* More than there are is all of them; `bench --batch` takes samples several times. */
  int64_t batch = spec->batch == data->n || (spec->batch > data->n && !s->opt->batch) ? 0 : spec->batch;
  rt->f64 = s->model->f64;
  rt->nparam = (int)s->model->nparam;
  rt->moved = (const int32_t *)spec->moved;
  rt->nmoved = (int)spec->nmoved;
  rt->offset = t->offset;
  rt->lr = o->lr, rt->beta1 = o->beta1, rt->beta2 = o->beta2, rt->clip = spec->clip;
  rt->weight_decay = o->weight_decay, rt->careful = trainer_careful(o);
  rt->sched = (RtSchedKind)spec->sched.kind;
  rt->to = spec->sched.to, rt->warmup = spec->sched.warmup, rt->factor = spec->sched.factor;
  rt->at = spec->sched.at, rt->nat = (int)spec->sched.nat;
  rt->patience = spec->sched.patience, rt->cooldown = spec->sched.cooldown, rt->threshold = spec->sched.threshold;
  rt->keep = (RtKeep)spec->keep, rt->stop_after = spec->patience, rt->decay_kept = spec->average;
  rt->checks = rt_checks_none;
  rt->lbfgs = o->kind == OPT_LBFGS, rt->history = o->history, rt->max_iter = o->max_iter;
  rt->data = data;
  rt->test = spec->test ? data_native(s, spec->test) : NULL;
  rt->batch = batch;
  rt->steps = trainer_steps(spec, data->n);
  rt->every = spec->every ? spec->every : rt->steps >= 20 ? rt->steps / 20 : 1;
  rt->seed = session_seed(s, spec->seed);
}

_Static_assert((int)SCHED_CONSTANT == (int)RT_SCHED_CONSTANT && (int)SCHED_COSINE == (int)RT_SCHED_COSINE &&
                   (int)SCHED_STEPS == (int)RT_SCHED_STEPS && (int)SCHED_PLATEAU == (int)RT_SCHED_PLATEAU &&
                   (int)KEEP_LAST == (int)RT_KEEP_LAST && (int)KEEP_BEST == (int)RT_KEEP_BEST &&
                   (int)KEEP_AVERAGE == (int)RT_KEEP_AVERAGE,
               "schedules and what is kept are passed on by number");

int trainer_open(Session *s, const Train *spec, Trainer *t) {
  *t = (Trainer){.spec = spec};
  NativeBuild b;
  const Optim o = spec->opt;
  double start = pass_now();
  int code = begin(s, t, &o, &b);
  if (code) return code;
  cg_begin(b.cg);
  t->compile_seconds = pass_now() - start;
  if ((code = data_make(s, spec->data)) || (spec->test && (code = data_make(s, spec->test)))) return code;
  start = pass_now();
  if ((code = native_end(s, &b)) || (code = begin_late(s, t))) return code;
  t->compile_seconds += pass_now() - start;
  t->rt.gradient = t->native[GRADIENT].run;
  t->rt.update = t->native[UPDATE].run;
  t->rt.norm = t->native[NORM].run;
  t->rt.nstates = trainer_states(&o);
  set_running(s, t);
  if (!lay_out(s, t, spec))
    return session_fail(s, EXIT_IO, CODE_memory, (Span){0}, "there is not enough memory for the optimizer of `%s`", spec->name);
  set_options(s, t, &o);
  move_in(s, t);
  return 0;
}

const Fn *trainer_gradient(const Trainer *t) { return t->native[GRADIENT].fn; }
const Fn *trainer_test(const Trainer *t) { return t->native[MEAN].fn; }
const Fn *trainer_update(const Trainer *t) { return t->native[UPDATE].fn; }

void trainer_close(Trainer *t) {
  for (int k = 0; k < NPARTS; k++) native_finish(&t->native[k]);
  for (int i = 0; t->rt.state && i < t->rt.nstates; i++) free(t->rt.state[i]);
  base_free(t->rt.state);
  free(t->rt.flat);
  free(t->rt.best);
  free(t->rt.averaged);
  base_free((void *)t->rt.in_of);
  base_free((void *)t->rt.decay);
  base_free(t->offset);
  base_free(t->param);
}
