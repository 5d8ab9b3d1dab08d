/* The passes by name: times, dumps, verification. One thread. */
#include "passes/base/pass.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "passes/loops/expand_priv.h"

PassOptions pass_options;

typedef struct Timed {
  char name[64]; /* a copy: symbols of kernels end with their compiler */
  double seconds;
  uint32_t runs;
} Timed;
enum { MAX_TIMED = 64 };
static Timed timed[MAX_TIMED];
static uint32_t ntimed;

static Fn *run_simplify(const Fn *f, Diag *diag) {
  (void)diag;
  return pass_simplify(f);
}

static Fn *run_unmap(const Fn *f, Diag *diag) {
  (void)diag;
  Fn *g = pass_unmap(f);
  return g ? g : ir_copy_fn(NULL, f);
}

static Fn *run_mean(const Fn *f, Diag *diag) {
  (void)diag;
  return pass_mean(f);
}

static bool keeps_average(const Fn *f, uint32_t param) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == OP_batch_mean && ir_batch_mean_attr(f, i).param == param) return true;
    if (i->sub && keeps_average(ir_body(f, i), param)) return true;
  }
  return false;
}

/* By all parameters that are no averages. */
static Fn *run_gradient(const Fn *f, Diag *diag) {
  uint32_t *moved = base_realloc(NULL, sizeof *moved * (f->in.n + 1)), n = 0;
  for (uint32_t k = 0; k < f->in.n; k++)
    if (f->in.at[k].kind == IN_PARAM && !keeps_average(f, f->in.at[k].index)) moved[n++] = f->in.at[k].index;
  Fn *out = pass_gradient(f, moved, n, NULL, diag);
  free(moved);
  return out;
}

static Fn *run_means(const Fn *f, Diag *diag) {
  Running running = {0};
  Fn *out = means_lower(f, &running, diag);
  free(running.param);
  return out;
}

static Fn *run_reversible(const Fn *f, Diag *diag) { return pass_derive_as(f, MEMORY_REVERSIBLE, NULL, diag); }

static Fn *run_rescale(const Fn *f, Diag *diag) {
  (void)diag;
  return pass_rescale(f);
}

static Fn *run_lower(const Fn *f, Diag *diag) { return pass_lower(f, MEMORY_STORED, NULL, diag); }

static bool one(Fn *f, FnList *out) {
  if (f) *vec_push(out) = f;
  return f != NULL;
}

/* The parts, in the order in which they are run. */
static bool run_split(const Fn *f, FnList *out, Diag *diag) {
  Split s;
  if (!pass_split(f, &s, diag)) return false;
  for (uint32_t p = 0; p < s.n; p++) {
    one(s.part[p].fn, out);
    s.part[p].fn = NULL;
  }
  pass_split_finish(&s);
  return true;
}

typedef enum { ANY, LOSS } Takes; /* LOSS: a function with a loss, the first output */

/* name, what it takes, what makes one function of one, or what makes several */
#define PASSES(P)                                   \
  P("mean", LOSS, run_mean, NULL)                   \
  P("gradient", LOSS, run_gradient, NULL)           \
  P("means", LOSS, run_means, NULL)                 \
  P("expand", ANY, pass_expand, NULL)               \
  P("derive", ANY, pass_derive, NULL)               \
  P("derive-reversible", ANY, run_reversible, NULL) \
  P("simplify", ANY, run_simplify, NULL)            \
  P("unmap", ANY, run_unmap, NULL)                  \
  P("rescale", ANY, run_rescale, NULL)              \
  P("lower", ANY, run_lower, NULL)                  \
  P("split", ANY, NULL, run_split)

static const struct {
  const char *name;
  Takes takes;
  Fn *(*run)(const Fn *, Diag *);
  bool (*cut)(const Fn *, FnList *, Diag *);
} passes[] = {
#define ROW(name, takes, run, cut) {name, takes, run, cut},
  PASSES(ROW)};
enum { NPASSES = sizeof passes / sizeof *passes };

const char *const pass_names[] = {
#define NAME(name, takes, run, cut) name,
  PASSES(NAME) NULL};

bool pass_run(const char *name, const Fn *f, FnList *out, Diag *diag) {
  int k = 0;
  while (k < NPASSES && strcmp(passes[k].name, name)) k++;
  if (k == NPASSES) {
    const char *near = diag_nearest(name, pass_names, NPASSES);
    DiagMsg *m = diag_add(diag, CODE_no_pass, (Span){0}, "there is no pass `%s`", name);
    if (near) diag_help(m, "did you mean `%s`?", near);
    return false;
  }
  const bool scalar = f->out.n && ir_type(f, f->out.at[0]).dt == DT_REAL && !ir_type(f, f->out.at[0]).rank;
  if (passes[k].takes == LOSS && !scalar) {
    diag_add(diag, CODE_no_pass, (Span){0},
             "the pass `%s` takes a function whose first output is a real scalar, and that of `%s` is not", name, f->name);
    return false;
  }
  return passes[k].cut ? passes[k].cut(f, out, diag) : one(passes[k].run(f, diag), out);
}

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
