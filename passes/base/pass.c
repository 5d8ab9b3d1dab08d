/* What passes tell whoever watches: times, dumps, verification. */
#include "passes/base/pass.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_TIMED = 64 };

double pass_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void pass_timed(PassRun *run, const char *name, double seconds) {
  uint32_t k = 0;
  if (!run) return;
  while (k < run->times.n && strncmp(run->times.at[k].name, name, sizeof run->times.at[k].name - 1)) k++;
  if (k == MAX_TIMED) return;
  if (k == run->times.n) {
    PassTime *t = vec_push(&run->times);
    *t = (PassTime){.runs = 0};
    snprintf(t->name, sizeof t->name, "%s", name);
  }
  run->times.at[k].seconds += seconds;
  run->times.at[k].runs++;
}

void pass_times_print(const PassRun *run, FILE *out) {
  fprintf(out, "%-20s %6s %10s   (a pass that runs others counts their time too)\n", "pass", "runs", "ms");
  for (uint32_t k = 0; k < run->times.n; k++) {
    const PassTime *t = &run->times.at[k];
    fprintf(out, "%-20s %6u %10.3f\n", t->name, t->runs, 1e3 * t->seconds);
  }
  fprintf(out, "operations written: %llu\n", (unsigned long long)ir_written());
}

void pass_run_finish(PassRun *run) {
  vec_free(&run->times);
  vec_free(&run->swept);
}

void pass_at(const PassRun *run, const char *what, const char *name, Span at) {
  if (run && run->at) run->at(what, name, at);
}

bool pass_too_large(uint64_t before, uint64_t more, const char *what, Span at, Diag *diag) {
  if (ir_written() - before + more <= PASS_MOST) return false;
  if (!diag) return true;
  DiagMsg *m = diag_add(diag, CODE_too_large, at, "%s here makes a function of more than %d operations", what, (int)PASS_MOST);
  diag_help(m, "each order of derivatives, and each stage of a method, copies the function: nest fewer of them, or make the "
               "function smaller");
  return true;
}

static bool verify_wanted(const PassRun *run) {
#ifdef NDEBUG
  return run && run->verify_each;
#else
  (void)run;
  return true;
#endif
}

static void print_after(const PassRun *run, const char *name, const Fn *f) {
  const char *want = run ? run->print_after : NULL;
  if (!want || (strcmp(want, "all") && strcmp(want, name))) return;
  FILE *to = run->out ? run->out : stderr;
  fprintf(to, "# after %s\n", name);
  ir_print(to, f, run->src);
}

Fn *pass_done(PassRun *run, const char *name, double start, Fn *out) {
  pass_timed(run, name, pass_now() - start);
  if (!out) return NULL;
  print_after(run, name, out);
  if (run && run->trace) pass_trace_stage(run->trace, name, out);
  if (verify_wanted(run) && ir_verify(out, stderr)) base_fault("pass `%s` made a function that breaks the rules of the IR", name);
  return out;
}
