/* Whoever waits for the compiler for more than a second is told what it is at: a thread looks at the clock, and says what
 * was last heard from the frontend, the passes or the code generator. Then again after four times as long, and so on.
 * The clock stands still while nobody is to wait: a training between two parts of the compiler's work does not count. It begins
 * anew where the program is waited for. */
#include "driver/process/process.h"
#include "passes/passes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed; /* whether anybody waits, or it is over */
  bool running, over;
  Source *const *src; /* a kept model comes with one of its own */
  const char *command;
  const uint64_t *written;
  double waited, since;  /* seconds waited up to `since`, where the wait that lasts began; 0: none lasts */
  double patience, next; /* seconds waited after which it is told first, and next */
  bool running_it;       /* what is waited for is the program, not the compiler */
  char what[320];        /* "" where nobody is to wait */
} w = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* $HNNC_PATIENCE, in seconds. */
static double patience(void) {
  const char *text = getenv("HNNC_PATIENCE");
  char *end;
  double seconds = text ? strtod(text, &end) : 1;
  return text && (end == text || *end || !(seconds > 0)) ? 1 : seconds < 1e6 ? seconds : 1e6;
}

static void say(void) {
  const unsigned long long n = __atomic_load_n(w.written, __ATOMIC_RELAXED);
  fprintf(stderr, "%s: still at %s after %.0f s", w.command, w.what, w.waited + pass_now() - w.since);
  if (n && !w.running_it) fprintf(stderr, "; %llu operations were written so far", n);
  fprintf(stderr, "\n");
}

static void *watch(void *unused) {
  (void)unused;
  pthread_mutex_lock(&w.lock);
  while (!w.over) {
    const double until = w.since + w.next - w.waited;
    struct timespec t = {(time_t)until, (long)((until - (double)(time_t)until) * 1e9)};
    if (w.since == 0) pthread_cond_wait(&w.changed, &w.lock);
    else if (pass_now() < until) pthread_cond_timedwait(&w.changed, &w.lock, &t);
    else say(), w.next *= 4;
  }
  pthread_mutex_unlock(&w.lock);
  return NULL;
}

void waiting_begin(const char *command, Source *const *src) {
  pthread_condattr_t clock;
  if (w.running) return;
  w.src = src, w.command = command, w.written = ir_written_here(), w.waited = w.since = 0, w.patience = w.next = patience(),
  w.over = false, *w.what = 0;
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_cond_init(&w.changed, &clock);
  pthread_condattr_destroy(&clock);
  w.running = pthread_create(&w.thread, NULL, watch, NULL) == 0;
}

static void set(bool running_it, const char *what, const char *name, Span at) {
  char place[256];
  if (!w.running) return;
  pthread_mutex_lock(&w.lock);
  w.running_it = running_it;
  const bool placed = at.file && at.file <= (*w.src)->files.n;
  if (!*what != (w.since == 0)) {
    const double now = pass_now();
    if (*what && running_it) w.waited = 0, w.next = w.patience;
    w.waited += *what ? 0 : now - w.since, w.since = *what ? now : 0;
    pthread_cond_signal(&w.changed);
  }
  snprintf(w.what, sizeof w.what, "%s%s%s%s%s%s%s", what, name ? " `" : "", name ? name : "", name ? "`" : "", placed ? " (" : "",
           placed ? source_where(*w.src, at, place, sizeof place) : "", placed ? ")" : "");
  pthread_mutex_unlock(&w.lock);
}

void waiting_at(const char *what, const char *name, Span at) { set(false, what, name, at); }

void waiting_run(const char *what, const char *name, Span at) { set(true, what, name, at); }

/* The length of the name of what a kernel is a part of: `r` of r_pre, r_batch2 (pass_split_suffix). */
static int whole(const char *name) {
  static const char *const parts[] = {"_pre", "_post", "_between", "_batch"};
  size_t n = strlen(name), k = n;
  while (k && name[k - 1] >= '0' && name[k - 1] <= '9') k--;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    const size_t len = strlen(parts[i]), end = i < 2 ? n : k; /* some have a number */
    if (end > len && (i < 2 || k < n) && !strncmp(name + end - len, parts[i], len)) return (int)(end - len);
  }
  return (int)n;
}

void waiting_code(const char *symbol) {
  if (!w.running) return;
  pthread_mutex_lock(&w.lock);
  const char *name = !strncmp(symbol, "hnn_", 4) ? symbol + 4 : symbol;
  if (*w.what && !w.running_it) snprintf(w.what, sizeof w.what, "the code of `%.*s`", whole(name), name);
  pthread_mutex_unlock(&w.lock);
}

void waiting_end(void) {
  if (!w.running) return;
  pthread_mutex_lock(&w.lock);
  w.over = true;
  pthread_cond_signal(&w.changed);
  pthread_mutex_unlock(&w.lock);
  pthread_join(w.thread, NULL);
  pthread_cond_destroy(&w.changed);
  w.running = false;
}
