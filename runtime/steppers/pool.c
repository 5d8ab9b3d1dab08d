/* Threads that take jobs from a counter. The caller is thread 0 and works too; a run with one job, or a
 * pool of one thread, never leaves the caller.
 *
 * `ticket` is {run, next job}: a thread claims a job by a compare-exchange on both halves. Before job, ctx,
 * mode and jobs change, the ticket is closed (a new run with no next job): a thread that is late from an
 * earlier run, with any mixture of old and new fields in hand, fails its exchange. Idle threads spin
 * for some microseconds (steps of a training loop follow each other closely), then sleep.
 *
 * Jobs run in the caller's floating-point mode on every thread. */
#include "runtime/float_mode.h"
#include "runtime/runtime_priv.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#define RELAX() _mm_pause()
#else
#define RELAX() ((void)0)
#endif

typedef void (*Job)(void *ctx, int job, int thread);

struct RtPool {
  int threads, spin;
  pthread_t *tid;
  struct Worker {
    RtPool *pool;
    int thread;
  } *worker;
  _Atomic(uint64_t) ticket;
  _Atomic(Job) job;
  _Atomic(void *) ctx;
  _Atomic(uint64_t) mode;
  atomic_int jobs, done, sleeping;
  atomic_bool stop;
  double steps[2];
  pid_t owner; /* a process that was forked has the pool, but not its threads */
  pthread_mutex_t lock;
  pthread_cond_t wake;
};

static int cores(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int n = CPU_COUNT(&set);
  return n > 0 ? n : 1;
}

/* Takes jobs of the current run until none is left; returns the run it saw last. */
static uint32_t work(RtPool *p, int thread) {
  for (;;) {
    uint64_t t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    const Job job = atomic_load_explicit(&p->job, memory_order_acquire);
    void *ctx = atomic_load_explicit(&p->ctx, memory_order_acquire);
    const uint64_t mode = atomic_load_explicit(&p->mode, memory_order_acquire);
    const uint32_t next = (uint32_t)t;
    if ((int)next >= atomic_load_explicit(&p->jobs, memory_order_acquire)) return (uint32_t)(t >> 32);
    if (!atomic_compare_exchange_strong_explicit(&p->ticket, &t, t + 1, memory_order_acq_rel, memory_order_relaxed)) continue;
    if (thread) float_mode_set(mode);
    job(ctx, (int)next, thread);
    atomic_fetch_add_explicit(&p->done, 1, memory_order_release);
  }
}

static bool changed(RtPool *p, uint32_t seen) { return (uint32_t)(atomic_load(&p->ticket) >> 32) != seen || atomic_load(&p->stop); }

static void wait_for_run(RtPool *p, uint32_t seen) {
  for (int i = 0; i < p->spin; i++) {
    if (changed(p, seen)) return;
    RELAX();
  }
  pthread_mutex_lock(&p->lock);
  atomic_fetch_add(&p->sleeping, 1);
  while (!changed(p, seen)) pthread_cond_wait(&p->wake, &p->lock);
  atomic_fetch_sub(&p->sleeping, 1);
  pthread_mutex_unlock(&p->lock);
}

static void *thread_main(void *arg) {
  const struct Worker *w = arg;
  uint32_t seen = 0;
  for (;;) {
    wait_for_run(w->pool, seen);
    if (atomic_load(&w->pool->stop)) return NULL;
    seen = work(w->pool, w->thread);
  }
}

static void wake_sleepers(RtPool *p) {
  if (!atomic_load(&p->sleeping)) return;
  pthread_mutex_lock(&p->lock);
  pthread_cond_broadcast(&p->wake);
  pthread_mutex_unlock(&p->lock);
}

RtPool *rt_pool_create(int threads) {
  const int have = cores();
  if (threads <= 0) threads = have;
  if (threads > 1024) threads = 1024;
  RtPool *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  p->threads = 1;
  p->owner = getpid();
  p->spin = threads <= have ? 4000 : 1;
  p->tid = calloc((size_t)threads, sizeof *p->tid);
  p->worker = calloc((size_t)threads, sizeof *p->worker);
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->wake, NULL);
  if (!p->tid || !p->worker) {
    rt_pool_destroy(p);
    return NULL;
  }
  for (int i = 1; i < threads; i++) { /* fewer than asked for is no error: results are the same */
    p->worker[i] = (struct Worker){p, i};
    if (pthread_create(&p->tid[i], NULL, thread_main, &p->worker[i]) != 0) break;
    p->threads = i + 1;
  }
  return p;
}

void rt_pool_destroy(RtPool *p) {
  if (!p) return;
  if (p->owner == getpid()) {
    atomic_store(&p->stop, true);
    wake_sleepers(p);
    for (int i = 1; i < p->threads; i++) pthread_join(p->tid[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
  }
  free(p->tid);
  free(p->worker);
  free(p);
}

int rt_pool_threads(const RtPool *p) { return p ? p->threads : 1; }

void rt_pool_run(RtPool *p, int jobs, void (*job)(void *ctx, int job, int thread), void *ctx) {
  if (!p || p->threads == 1 || jobs <= 1) {
    for (int i = 0; i < jobs; i++) job(ctx, i, 0);
    return;
  }
  const uint32_t closed = (uint32_t)(atomic_load(&p->ticket) >> 32) + 1u;
  atomic_store(&p->ticket, (uint64_t)closed << 32 | INT32_MAX);
  atomic_store_explicit(&p->done, 0, memory_order_relaxed);
  atomic_store_explicit(&p->job, job, memory_order_release);
  atomic_store_explicit(&p->ctx, ctx, memory_order_release);
  atomic_store_explicit(&p->mode, float_mode(), memory_order_release);
  atomic_store_explicit(&p->jobs, jobs, memory_order_release);
  atomic_store(&p->ticket, (uint64_t)(closed + 1u) << 32);
  wake_sleepers(p);
  work(p, 0);
  for (int i = 0; atomic_load_explicit(&p->done, memory_order_acquire) < jobs; i++)
    if (i < p->spin) RELAX();
    else sched_yield();
}

void rt_pool_count(RtPool *p, const double steps[2]) {
  if (!p || (steps[0] == 0 && steps[1] == 0)) return;
  pthread_mutex_lock(&p->lock);
  for (int k = 0; k < 2; k++) p->steps[k] += steps[k];
  pthread_mutex_unlock(&p->lock);
}

void rt_pool_steps(const RtPool *p, double out[2]) {
  for (int k = 0; k < 2; k++) out[k] = p ? p->steps[k] : 0;
}
