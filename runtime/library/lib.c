/* Models of exported libraries: their parameters, and what their trainings keep. */
#include "runtime/library/lib_priv.h"

#include <stdlib.h>
#include <string.h>

static bool make_sum(Lib *l, const LibTrain *t, Sum *s) {
  if (t->nloss == 1 && t->loss[0].factor == 1) return true;
  int64_t n = lib_moved_size(l, t);
  for (int k = 0; k < t->nrunning; k++) n += rt_padded(l->m->param[t->running[k]].elems);
  s->memory = rt_zeroed((size_t)(n + 1) * real_size(l));
  s->grad = calloc((size_t)(t->nmoved + t->nrunning) + 1, sizeof *s->grad);
  if (!s->memory || !s->grad) return false;
  char *at = s->memory;
  for (int k = 0; k < t->nmoved + t->nrunning; k++) {
    s->grad[k].p = at;
    at += (size_t)rt_padded(l->m->param[k < t->nmoved ? t->moved[k] : t->running[k - t->nmoved]].elems) * real_size(l);
  }
  return true;
}

static bool make_train(Lib *l, int k) {
  const LibTrain *t = &l->m->train[k];
  if (!make_sum(l, t, &l->sum[k])) return false;
  if (!(l->state[k] = calloc((size_t)t->nstates + 1, sizeof(void *)))) return false;
  for (int i = 0; i < t->nstates; i++)
    if (!(l->state[k][i] = rt_zeroed((size_t)(lib_moved_size(l, t) + 1) * real_size(l)))) return false;
  return true;
}

static bool make_params(Lib *l) {
  int64_t n = 0;
  for (int k = 0; k < l->m->nparam; k++) n += rt_padded(l->m->param[k].elems);
  if (!(l->params = rt_zeroed((size_t)(n + 1) * real_size(l)))) return false;
  n = 0;
  for (int k = 0; k < l->m->nparam; k++) {
    const LibParam *p = &l->m->param[k];
    l->param[k] = (char *)l->params + (size_t)n * real_size(l);
    n += rt_padded(p->elems);
    memcpy(l->param[k], (const char *)l->m->start + (size_t)p->offset * real_size(l), (size_t)p->elems * real_size(l));
  }
  return true;
}

/* A handle less of the parameters of l. */
static void release(Lib *l) {
  if (--l->users) return;
  for (int k = 0; l->state && k < l->m->ntrain; k++) {
    for (int i = 0; l->state[k] && i < l->m->train[k].nstates; i++) free(l->state[k][i]);
    free(l->state[k]);
  }
  for (int k = 0; l->sum && k < l->m->ntrain; k++) free(l->sum[k].memory), free(l->sum[k].grad);
  free(l->sum);
  free(l->params);
  free(l->param);
  free(l->steps);
  free(l->state);
  free(l);
}

Lib *lib_create(const LibModel *m) {
  Lib *l = calloc(1, sizeof *l);
  if (!l) return NULL;
  l->m = m, l->users = 1;
  l->param = calloc((size_t)m->nparam + 1, sizeof *l->param);
  l->steps = calloc((size_t)m->ntrain + 1, sizeof *l->steps);
  l->state = calloc((size_t)m->ntrain + 1, sizeof *l->state);
  l->sum = calloc((size_t)m->ntrain + 1, sizeof *l->sum);
  bool ok = l->param && l->steps && l->state && l->sum && make_params(l) && (l->own = lib_scratch_create(l, 1));
  for (int k = 0; ok && k < m->ntrain; k++) ok = make_train(l, k);
  if (ok) return l;
  lib_destroy(l);
  return NULL;
}

void lib_destroy(Lib *l) {
  if (!l) return;
  lib_scratch_destroy(l->own);
  if (l->shares) {
    Lib *of = l->of;
    free(l);
    if (of) release(of);
  } else release(l);
}

Lib *lib_share(const Lib *of) {
  Lib *l = of ? calloc(1, sizeof *l) : NULL;
  if (!l) return NULL;
  l->m = of->m, l->shares = true, l->param = of->param;
  if (!(l->own = lib_scratch_create(l, 1))) return free(l), NULL;
  l->of = of->shares ? of->of : (Lib *)of;
  if (l->of) l->of->users++;
  return l;
}

Lib *lib_create_on(const LibModel *m, void **param, RtPool *pool) {
  Lib *l = calloc(1, sizeof *l);
  if (!l) return NULL;
  l->m = m, l->shares = true, l->param = param;
  if ((l->own = lib_scratch_on(l, pool))) return l;
  free(l);
  return NULL;
}

void *lib_param(const Lib *l, int k) { return l->param[k]; }

int lib_threads(Lib *l, int threads) {
  if (threads < 0) return HNN_BAD_CALL;
  LibScratch *s = lib_scratch_create(l, threads);
  if (!s) return HNN_NO_MEMORY;
  lib_scratch_destroy(l->own);
  return l->own = s, HNN_OK;
}
