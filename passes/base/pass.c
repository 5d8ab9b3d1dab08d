/* What passes tell whoever watches: times, dumps, verification. One thread. */
#include "passes/base/pass.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

PassOptions pass_options;

typedef struct Timed {
  char name[64]; /* a copy: symbols of kernels end with their compiler */
  double seconds;
  uint32_t runs;
} Timed;
enum { MAX_TIMED = 64 };
static Timed timed[MAX_TIMED];
static uint32_t ntimed;

double pass_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void pass_timed(const char *name, double seconds) {
  uint32_t k = 0;
  while (k < ntimed && strncmp(timed[k].name, name, sizeof timed[k].name - 1)) k++;
  if (k == MAX_TIMED) return;
  if (k == ntimed) snprintf(timed[ntimed++].name, sizeof timed[k].name, "%s", name);
  timed[k].seconds += seconds;
  timed[k].runs++;
}

void pass_times_print(FILE *out) {
  fprintf(out, "%-20s %6s %10s   (a pass that runs others counts their time too)\n", "pass", "runs", "ms");
  for (uint32_t k = 0; k < ntimed; k++) fprintf(out, "%-20s %6u %10.3f\n", timed[k].name, timed[k].runs, 1e3 * timed[k].seconds);
  fprintf(out, "operations written: %llu\n", (unsigned long long)ir_written());
}

void pass_at(const char *what, const char *name, Span at) {
  if (pass_options.at) pass_options.at(what, name, at);
}

bool pass_too_large(uint64_t before, uint64_t more, const char *what, Span at, Diag *diag) {
  if (ir_written() - before + more <= PASS_MOST) return false;
  if (!diag) return true;
  DiagMsg *m = diag_add(diag, CODE_too_large, at, "%s here makes a function of more than %d operations", what, (int)PASS_MOST);
  diag_help(m, "each order of derivatives, and each stage of a method, writes out what it is taken of again: take fewer of one "
               "another, or of less");
  return true;
}

static bool verify_wanted(void) {
#ifdef NDEBUG
  return pass_options.verify_each;
#else
  return true;
#endif
}

Fn *pass_done(const char *name, double start, Fn *out) {
  pass_timed(name, pass_now() - start);
  if (!out) return NULL;
  FILE *to = pass_options.out ? pass_options.out : stderr;
  const char *want = pass_options.print_after;
  if (want && (!strcmp(want, "all") || !strcmp(want, name))) {
    fprintf(to, "# after %s\n", name);
    ir_print(to, out, pass_options.src);
  }
  if (verify_wanted() && ir_verify(out, stderr)) base_fault("pass `%s` made a function that breaks the rules of the IR", name);
  return out;
}
