/* What a checkpoint holds of a training: parameters, the optimizer's states, and, where it has such, what it saw at its checks, the
 * best and the averaged parameters; and the files beside it of the parameters that are kept. */
#include "driver/run/runner_priv.h"

#include <string.h>

typedef VEC(RtTensor) Tensors;

/* One turn of a stack, or all that there is. */
static RtTensor turn_tensor(Arena *mem, const Param *p, int64_t turn, const RtArray *a) {
  Type t = param_turn_type(p);
  char *path = param_turn_path(p, turn);
  size_t bytes = (size_t)type_count(t) * (a->f64 ? sizeof(double) : sizeof(float));
  RtTensor r = {.name = arena_strdup(mem, path), .f64 = a->f64, .rank = t.rank, .v = (char *)a->v + (size_t)turn * bytes};
  memcpy(r.dim, t.dim, sizeof t.dim);
  base_free(path);
  return r;
}

static void add_params(Arena *mem, const Model *m, const RtArray *param, Tensors *out) {
  for (uint32_t k = 0; k < m->nparam; k++)
    for (int64_t turn = 0; turn < param_turns(&m->param[k]); turn++)
      *vec_push(out) = turn_tensor(mem, &m->param[k], turn, &param[k]);
}

/* The resumable state of a training beside its parameters: what is written, and read again. */
static void add_state(Arena *mem, const Trainer *t, Tensors *out) {
  const RtTrain *rt = &t->rt;
  for (int i = 0; i < rt->nstates; i++)
    *vec_push(out) = (RtTensor){arena_printf(mem, "optimizer.%d", i), rt->f64, 1, {(uint32_t)rt->flat_n}, rt->state[i]};
  if (rt->tested || rt->sched == RT_SCHED_PLATEAU)
    *vec_push(out) = (RtTensor){"optimizer.checks", true, 1, {RT_CHECKS}, &rt->checks};
  if (rt->best) *vec_push(out) = (RtTensor){"optimizer.best", rt->f64, 1, {(uint32_t)rt_train_kept_n(rt)}, rt->best};
  if (rt->averaged) *vec_push(out) = (RtTensor){"optimizer.average", rt->f64, 1, {(uint32_t)rt->flat_n}, rt->averaged};
}

/* The parameters with those of the training from `kept`, which is laid out as RtTrain says. */
static RtArray *kept_params(Arena *mem, const Model *m, const Trainer *t, const void *kept, bool running) {
  const RtTrain *rt = &t->rt;
  const size_t real = rt->f64 ? sizeof(double) : sizeof(float);
  RtArray *param = ARENA_ARRAY(mem, RtArray, m->nparam + 1);
  memcpy(param, t->param, sizeof *param * m->nparam);
  for (uint32_t k = 0; k < t->spec->nmoved; k++) param[t->spec->moved[k]].v = (char *)kept + (size_t)t->offset[k] * real;
  const char *at = (const char *)kept + (size_t)rt->flat_n * real;
  for (int k = 0; running && k < rt->nrunning; at += (size_t)param[rt->running[k++]].elems * real)
    param[rt->running[k]].v = (void *)at;
  return param;
}

static bool write_kept(Runner *r, const Trainer *t, const char *kind, const void *kept, int64_t step, int64_t before,
                       RtError *err) {
  Arena *mem = arena_create();
  Tensors tensor = {0};
  add_params(mem, r->s->model, kept_params(mem, r->s->model, t, kept, kept == t->rt.best), &tensor);
  const int64_t number = r->steps_before + step;
  const bool ok = rt_run_kept(r->run, kind, number, before ? r->steps_before + before : 0, tensor.at, (int)tensor.n, err);
  vec_free(&tensor);
  arena_destroy(mem);
  return ok;
}

static bool write_all_kept(Runner *r, const Trainer *t, int64_t step, Written *w, RtError *err) {
  const int64_t best = (int64_t)t->rt.checks.best_step;
  if (t->rt.best && best && (best != w->best || w->stale)) {
    if (!write_kept(r, t, "best", t->rt.best, best, w->best, err)) return false;
    w->best = best, w->stale = false;
  }
  if (!t->rt.averaged || !step) return true;
  if (!write_kept(r, t, "average", t->rt.averaged, step, w->average, err)) return false;
  w->average = step;
  return true;
}

bool checkpoint_write(Runner *r, const Trainer *t, int action, int64_t step, Written *w, RtError *err) {
  const Model *m = r->s->model;
  Arena *mem = arena_create();
  Tensors tensor = {0};
  add_params(mem, m, t->param, &tensor);
  add_state(mem, t, &tensor);
  char reports[REPORTS_HASH];
  reports_hash(m, r->result, action, reports);
  static const char *const keep[] = {[KEEP_LAST] = "last", [KEEP_BEST] = "best", [KEEP_AVERAGE] = "average"};
  const RtPosition at = {action, step, r->steps_before + step, r->s->opt->seed, r->hash, reports, keep[t->spec->keep]};
  bool ok =
      write_all_kept(r, t, step, w, err) && rt_run_checkpoint(r->run, &at, tensor.at, (int)tensor.n, rt_train_over(&t->rt), err);
  vec_free(&tensor);
  arena_destroy(mem);
  return ok;
}

bool checkpoint_params(const Session *s, const char *path, RtError *err) {
  static const char *const meta[][2] = {{"format", "hnnc-params"}};
  Arena *mem = arena_create();
  Tensors tensor = {0};
  add_params(mem, s->model, s->param, &tensor);
  const bool ok = rt_checkpoint_write(path, tensor.at, (int)tensor.n, meta, 1, err);
  vec_free(&tensor);
  arena_destroy(mem);
  return ok;
}

int checkpoint_restore(Runner *r, Trainer *t, Written *w) {
  Arena *mem = arena_create();
  Tensors want = {0};
  add_state(mem, t, &want);
  bool fits = true;
  for (uint32_t i = 0; fits && i < want.n; i++) {
    const RtTensor *to = &want.at[i], *c = rt_checkpoint_tensor(r->from, to->name);
    fits = c && c->rank == 1 && c->dim[0] == to->dim[0] && c->f64 == to->f64;
    if (fits) memcpy((void *)to->v, c->v, (size_t)c->dim[0] * (c->f64 ? sizeof(double) : sizeof(float)));
  }
  vec_free(&want);
  arena_destroy(mem);
  t->rt.step = r->at.step;
  *w = (Written){(int64_t)t->rt.checks.best_step, t->rt.averaged ? r->at.step : 0, true};
  if (fits) return 0;
  return session_fail(r->s, EXIT_IO, CODE_resume, (Span){0}, "the checkpoint in `%s` does not fit the training of `%s`",
                      rt_run_dir(r->run), t->spec->name);
}
