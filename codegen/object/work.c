/* Objects of functions, one each: from the cache, from the process that compiles for this one, or made, several at a time, the longest
 * first. */
#include "codegen/object/codegen_priv.h"
#include "codegen/kernels/kernels.h"
#include "codegen/object/cache.h"
#include "ir/text/pack.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef HNNC_WITHOUT_OBJECTS
#define HNNC_WITHOUT_OBJECTS 0 /* 1: bench/narrow asks what it brings */
#endif

/* Everything the object of a function depends on. */
static char *cache_key(const Cg *cg, const CgFn *f, size_t *len) {
  const CgName version = cg_version();
  const char *text[] = {version.text, cg->machine.triple, cg->machine.cpu, cg->machine.features, f->symbol};
  int64_t number[] = {cg->opt.opt, cg->opt.form, f->samples, f->share.k, f->share.n};
  Pack p = {.bare = true};
  Fn *fn = (Fn *)f->f; /* which is only read */
  for (size_t k = 0; k < sizeof text / sizeof *text; k++) pack_text(&p, &text[k]);
  PACK(&p, number);
  pack_fn(&p, &fn);
  *len = p.out.n;
  if (!p.bad) return p.out.at;
  pack_finish(&p);
  return NULL;
}
enum { MAX_WORKERS = 64 };

struct Work {
  Cg *cg;
  uint32_t *order, n;
  atomic_uint next;
  pthread_t thread[MAX_WORKERS];
  uint32_t threads;
  bool fetched, failed;
  BaseHeap *heap;       /* of the thread that waits for it */
  pthread_mutex_t lock; /* of failed, err */
  char err[512];
};

/* From the cache; else it is to be made, by threads that may be at it when the caller's function is gone. */
static void fetch(Cg *cg, CgFn *f) {
  f->key = cg->cache_dir && !HNNC_WITHOUT_OBJECTS ? cache_key(cg, f, &f->keylen) : NULL;
  if (f->key) f->object = cg_cache_get(cg->cache_dir, f->key, f->keylen, cg->opt.refused);
  f->cached = f->object.p != NULL;
  if (!f->cached && !f->own) f->f = f->own = ir_copy_fn(NULL, f->f);
}

static void fail(Work *w, const char *symbol, const char *err) {
  pthread_mutex_lock(&w->lock);
  if (!w->failed) snprintf(w->err, sizeof w->err, "%s: %.400s", symbol, err);
  w->failed = true;
  pthread_mutex_unlock(&w->lock);
}

static void compile_one(Work *w, CgMachine *m, CgFn *f) {
  Cg *cg = w->cg;
  char err[512] = "";
  uint32_t k = (uint32_t)(f - cg->fn.at);
  double start = cg_clock(CLOCK_THREAD_CPUTIME_ID);
  bool ok = cg_module_object(cg, m, k, k + 1, &f->object, err, sizeof err);
  if (ok && f->key) cg_cache_put(cg->cache_dir, f->key, f->keylen, &f->object);
  f->seconds = cg_clock(CLOCK_THREAD_CPUTIME_ID) - start;
  if (!ok) fail(w, f->symbol, err);
}

static void work(void *arg) {
  Work *w = arg;
  CgMachine own;
  char err[256];
  if (!cg_machine_init(&own, &w->cg->opt, &cg_vector_kernels, err, sizeof err)) return;
  for (uint32_t k; (k = atomic_fetch_add(&w->next, 1)) < w->n;) compile_one(w, &own, &w->cg->fn.at[w->order[k]]);
  cg_machine_finish(&own);
}

/* A fault of one function is that of compile_one; any other ends this thread's work, not the process. */
static void *worker(void *arg) {
  Work *w = arg;
  char err[512];
  base_heap_enter(w->heap);
  if (!base_try(work, w, err, sizeof err)) fail(w, "the compiler", err);
  return NULL;
}

static uint32_t weight(const CgFn *f) { return plan_length(f->f) / f->share.n; }

static void pending(Cg *cg, Work *w) {
  w->order = base_realloc(NULL, sizeof *w->order * (cg->fn.n + 1));
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    if (cg->fn.at[k].compiled || cg->fn.at[k].object.p) continue;
    uint32_t at = w->n++;
    for (; at > 0 && weight(&cg->fn.at[w->order[at - 1]]) < weight(&cg->fn.at[k]); at--) w->order[at] = w->order[at - 1];
    w->order[at] = k;
  }
}

static void start_workers(Work *w, uint32_t most) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  uint32_t want = cores > 1 ? (uint32_t)cores - 1 : 0;
  if (want > w->cg->machine.target.tune->threads) want = w->cg->machine.target.tune->threads;
  if (want > MAX_WORKERS) want = MAX_WORKERS;
  if (want > most) want = most;
  while (w->threads < want && pthread_create(&w->thread[w->threads], NULL, worker, w) == 0) w->threads++;
}

/* Takes from the cache what it has, and leaves the rest to other threads; `here`: this one will help at once. */
static void begin_work(Cg *cg, bool here) {
  double start = cg_clock(CLOCK_MONOTONIC);
  Work *w = cg->work = base_realloc(NULL, sizeof *w);
  memset(w, 0, sizeof *w);
  w->cg = cg;
  w->heap = base_heap();
  pthread_mutex_init(&w->lock, NULL);
  for (uint32_t k = 0; k < cg->fn.n; k++)
    if (!cg->fn.at[k].compiled) fetch(cg, &cg->fn.at[k]), w->fetched = true;
  if (w->fetched && cg->cache_dir) cg_timed(cg, "cache", cg_clock(CLOCK_MONOTONIC) - start);
  pending(cg, w);
  if (w->n > here) start_workers(w, w->n - here);
}

/* Waits for the workers; `drop`: they take up nothing more. */
static void join(Work *w, bool drop) {
  if (drop) atomic_store(&w->next, w->n);
  while (w->threads > 0) pthread_join(w->thread[--w->threads], NULL);
}

static void end_work(Cg *cg) {
  Work *w = cg->work;
  for (uint32_t k = 0; k < cg->fn.n; k++) base_free(cg->fn.at[k].key), cg->fn.at[k].key = NULL;
  pthread_mutex_destroy(&w->lock);
  base_free(w->order);
  base_free(w);
  cg->work = NULL;
}

/* Objects for all that are not compiled: from the cache, or made. */
static bool make_own_objects(Cg *cg, char *err, size_t errsize) {
  if (!cg->work) begin_work(cg, true);
  Work *w = cg->work;
  for (uint32_t k; (k = atomic_fetch_add(&w->next, 1)) < w->n;) compile_one(w, &cg->machine, &cg->fn.at[w->order[k]]);
  join(w, false);
  for (uint32_t k = 0; k < w->n; k++) {
    const CgFn *f = &cg->fn.at[w->order[k]];
    char name[512];
    snprintf(name, sizeof name, f->share.k ? "%s, share %u" : "%s", f->symbol, f->share.k + 1);
    cg_timed(cg, name, f->seconds);
  }
  cg->cached = w->fetched && w->n == 0;
  bool failed = w->failed;
  if (failed) snprintf(err, errsize, "%s", w->err);
  end_work(cg);
  return !failed;
}

/* Those of a process that follows, or what others get. */
static bool pass_objects(Cg *cg, bool ok, char *err, size_t errsize) {
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    CgObject none = {0}, *o = ok || cg->opt.follows ? &cg->fn.at[k].object : &none;
    if (cg->fn.at[k].compiled) continue;
    cg->opt.pass_on(cg->opt.pass_ctx, o);
    if (ok && !o->p) ok = false, snprintf(err, errsize, "the process that compiles could not");
  }
  return ok;
}

bool cg_work_objects(Cg *cg, char *err, size_t errsize) {
  const bool ok = cg->opt.follows || make_own_objects(cg, err, errsize);
  return cg->opt.pass_on ? pass_objects(cg, ok, err, errsize) : ok;
}

void cg_work_stop(Cg *cg) {
  if (cg->work) join(cg->work, true);
}

void cg_work_drop(Cg *cg) {
  cg_work_stop(cg);
  if (cg->work) end_work(cg);
}

void cg_begin(Cg *cg) {
  if (!cg->work && !cg->opt.follows) begin_work(cg, false);
}
