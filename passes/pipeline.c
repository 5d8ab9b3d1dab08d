/* The order of the passes.
 *
 *   a loss    -> means -> gradient        of one sample -> of a batch, with its derivatives by parameters (train/)
 *   whole     -> derive -> simplify -> overlap -> rescale          no derivative and no trajectory is left
 *   parts     -> split                                  what is run one after the other, ready to be compiled
 *
 *   derive    steps and trajectories that are part of others join them (loops/); the bodies of a function first, then
 *             expand                      trajectories become loops (loops/)
 *             simplify, unmap, simplify
 *             level, simplify, ...        derivatives, innermost first (derive/)
 *             series                      of the rates of adaptive trajectories by `taylor` (jets/)
 *
 * What is asked about functions (do rates separate? what depends on what? are two the same?) is asked of them lowered.
 * At the end of the file, every pass by its name. */
#include "passes/check/check.h"
#include "passes/derive/derive.h"
#include "passes/jets/jets.h"
#include "passes/loops/loops.h"
#include "passes/pass_generation.h"
#include "passes/simplify/simplify.h"
#include "passes/sparsity/sparsity.h"
#include "passes/train/train.h"

#include <stdlib.h>
#include <string.h>

/* ---- derive ------------------------------------------------------------------------------------------------------------- */

/* Bodies come before what holds them: the rates of an `integrate` are derived before it is expanded, and it is expanded
 * before anything is differentiated through it. */
static Fn *derive(PassRun *run, const Fn *f, bool reversible, bool top, Diag *diag);

static Fn *derive_body(PassRun *run, const Fn *f, bool reversible, Diag *diag) { return derive(run, f, reversible, false, diag); }

static Fn *derive(PassRun *run, const Fn *f, bool reversible, bool top, Diag *diag) {
  Fn *inner = derive_bodies(run, f, derive_body, reversible, diag);
  const bool stepper = run && !run->loops && top && !reversible && f->f64 != FN_EXACT && !pass_has_derivatives(f);
  Fn *loops = inner ? pass_expand_as(run, inner, reversible, stepper, diag) : NULL;
  Fn *out = loops ? derive_levels(run, loops, reversible, top, diag) : NULL;
  ir_fn_destroy(inner);
  ir_fn_destroy(loops);
  return out;
}

static Fn *derive_way(PassRun *run, const Fn *f, Memory way, Diag *diag) {
  Fn *g = derive(run, f, way == MEMORY_REVERSIBLE, true, diag);
  return g ? derive_end(run, g) : NULL;
}

/* Both ways where states might be too much to keep. */
static Fn *derive_cheaper(PassRun *run, const Fn *f, MemoryChoice *c, Diag *diag) {
  c->way = MEMORY_STORED;
  Fn *stored = derive_way(run, f, MEMORY_STORED, diag);
  if (!stored || !c->bytes) return stored;
  const MemoryCost kept = pass_memory_cost(stored);
  if (c->bytes <= MEMORY_KEPT && kept.bytes <= MEMORY_KEPT) return stored;
  Fn *again = derive_way(run, f, MEMORY_REVERSIBLE, diag);
  if (again && kept.bytes <= MEMORY_MOST && kept.work <= pass_memory_cost(again).work) {
    ir_fn_destroy(again);
    return stored;
  }
  ir_fn_destroy(stored);
  c->way = MEMORY_REVERSIBLE;
  return again;
}

/* Rates of gauss16 as its stages want them. Takes g. */
static Fn *by_stages(PassRun *run, Fn *g) {
  Fn *second = pass_second(run, g), *out = pass_straight(run, second);
  ir_fn_destroy(g);
  ir_fn_destroy(second);
  return out;
}

Fn *pass_derive_as(PassRun *run, const Fn *f, Memory memory, MemoryChoice *chosen, Diag *diag) {
  double start = pass_now();
  Fn *joined = pass_join(run, f);
  if (joined) f = joined;
  MemoryChoice c = {memory, pass_memory_bytes(f)};
  Fn *averaged = pass_holds(f, 0, OP_batch_mean) ? train_means_averaged(f) : NULL;
  if (averaged) f = averaged;
  Fn *g = memory == MEMORY_AUTO ? derive_cheaper(run, f, &c, diag) : derive_way(run, f, memory, diag);
  ir_fn_destroy(averaged);
  ir_fn_destroy(joined);
  if (chosen) *chosen = c;
  Fn *with_series = g && pass_holds(g, 0, OP_ode) ? pass_jets(run, g, diag) : g;
  if (with_series != g) ir_fn_destroy(g);
  return pass_done(run, "derive", start,
                   with_series && pass_holds(with_series, 0, OP_ode) ? by_stages(run, with_series) : with_series);
}

Fn *pass_derive(PassRun *run, const Fn *f, Diag *diag) { return pass_derive_as(run, f, MEMORY_STORED, NULL, diag); }

/* ---- from a loss to its mean and gradient ------------------------------------------------------------------------------- */

/* The loss with its inner derivatives taken and its means lowered. NULL after an error. */
static Fn *lower_means(PassRun *run, const Fn *loss, Running *running, Diag *diag) {
  double start = pass_now();
  *running = (Running){0};
  Fn *joined = pass_join(run, loss);
  /* means and reversible steps stay in it */
  Fn *derived = pass_done(run, "derive", start, derive(run, joined ? joined : loss, true, true, diag));
  ir_fn_destroy(joined);
  Fn *out = derived ? train_means_lower(run, derived, running, diag) : NULL;
  ir_fn_destroy(derived);
  return pass_done(run, "means", start, out);
}

Fn *pass_gradient(PassRun *run, const Fn *loss, const uint32_t *moved, uint32_t nmoved, Running *running, Diag *diag) {
  double start = pass_now();
  Running list = {0};
  bool means = pass_holds(loss, 0, OP_batch_mean);
  Fn *lowered = means ? lower_means(run, loss, &list, diag) : NULL;
  Fn *out = means && !lowered ? NULL : train_gradient(means ? lowered : loss, means, moved, nmoved);
  ir_fn_destroy(lowered);
  if (running) *running = list;
  else base_free(list.param);
  return pass_done(run, "gradient", start, out);
}

const char *const pass_product_name[PRODUCT_KINDS] = {"vjp", "jvp", "hvp", "grad"};

bool pass_has_product(const Fn *f, ProductKind kind) {
  return (kind != PRODUCT_HVP && kind != PRODUCT_GRAD) || (f->out.n == 1 && !ir_type(f, f->out.at[0]).rank);
}

Fn *pass_product(PassRun *run, const Fn *f, ProductKind kind, bool by_params) {
  const double start = pass_now();
  return pass_done(run, "product", start, train_product(f, kind, by_params));
}

Fn *pass_mean(PassRun *run, const Fn *loss) {
  double start = pass_now();
  return pass_done(run, "mean", start, train_mean(loss, false));
}

Fn *pass_step_mean(PassRun *run, const Fn *loss, Diag *diag) {
  if (!pass_holds(loss, 0, OP_batch_mean)) return pass_mean(run, loss);
  double start = pass_now();
  Running list = {0};
  Fn *lowered = lower_means(run, loss, &list, diag), *out = lowered ? train_mean(lowered, true) : NULL;
  ir_fn_destroy(lowered);
  base_free(list.param);
  return pass_done(run, "mean", start, out);
}

/* ---- lowering ------------------------------------------------------------------------------------------------------------ */

Fn *pass_lower(PassRun *run, const Fn *f, Memory memory, MemoryChoice *chosen, Diag *diag) {
  Fn *derived = pass_derive_as(run, f, memory, chosen, diag);
  Fn *simple = derived ? simplify_powers(run, derived) : NULL;
  Fn *through = simple ? pass_overlap(run, simple) : NULL;
  Fn *out = through ? pass_rescale(run, through) : NULL;
  ir_fn_destroy(derived);
  ir_fn_destroy(simple);
  ir_fn_destroy(through);
  return out;
}

bool pass_lower_all(PassRun *run, const PassJob *job, Lowered *out, Diag *diag) {
  *out = (Lowered){0};
  Fn *gradient = job->gradient ? pass_gradient(run, job->fn, job->moved, job->nmoved, &out->running, diag) : NULL;
  const Fn *f = job->gradient ? gradient : job->fn;
  out->fn = f ? pass_lower(run, f, job->memory, &out->memory, diag) : NULL;
  ir_fn_destroy(gradient);
  return out->fn && pass_split(run, out->fn, &out->split, diag);
}

void pass_lowered_finish(Lowered *l) {
  pass_split_finish(&l->split);
  ir_fn_destroy(l->fn);
  base_free(l->running.param);
  *l = (Lowered){0};
}

/* ---- questions ----------------------------------------------------------------------------------------------------------- */

bool pass_separable(PassRun *run, const Fn *rates, Diag *diag) {
  Fn *f = pass_lower(run, rates, MEMORY_STORED, NULL, diag);
  bool separable = !f || check_separable(f);
  ir_fn_destroy(f);
  return separable;
}

void pass_pattern(PassRun *run, const Fn *f, Val e, Val x, Pattern *out) {
  uint32_t rows = (uint32_t)type_count(ir_type(f, e)), cols = (uint32_t)type_count(ir_type(f, x));
  Diag *unheard = diag_create(NULL);
  Fn *g = sparsity_function(f, e, x), *h = pass_lower(run, g, MEMORY_STORED, NULL, unheard);
  Val v = h ? pass_input(h, 0) : VAL_NONE;
  if (h && !v.id) pattern_init(out, rows, cols, 0);
  else if (!h || !sparsity_find(h, h->out.at[0], v, SPARSITY_QUICK, out)) pattern_dense(out, rows, cols);
  diag_destroy(unheard);
  ir_fn_destroy(g);
  ir_fn_destroy(h);
}

FieldAnswer pass_decide(PassRun *run, const Fn *a, const Fn *b, FieldReport *r) {
  double start = pass_now();
  const uint64_t before = ir_written();
  Diag *unheard = diag_create(NULL);
  Fn *x = pass_lower(run, a, MEMORY_STORED, NULL, unheard), *y = x ? pass_lower(run, b, MEMORY_STORED, NULL, unheard) : NULL;
  const char *why = ir_written() - before > PASS_MOST ? "its derivatives are too large" : "it has no derivative";
  FieldAnswer answer = x && y ? check_equal(x, y, r) : check_undecided(r, why);
  diag_destroy(unheard);
  ir_fn_destroy(x);
  ir_fn_destroy(y);
  pass_timed(run, "decide", pass_now() - start);
  return answer;
}

const char *pass_decide_version(void) { return PASS_GENERATION; }

/* ---- the table ------------------------------------------------------------------------------------------------------------ */

static Fn *run_simplify(PassRun *run, const Fn *f, Diag *diag) {
  (void)diag;
  return pass_simplify(run, f);
}

static Fn *run_unmap(PassRun *run, const Fn *f, Diag *diag) {
  (void)diag;
  Fn *g = pass_unmap(run, f);
  return g ? g : ir_copy_fn(NULL, f);
}

static Fn *run_join(PassRun *run, const Fn *f, Diag *diag) {
  (void)diag;
  Fn *g = pass_join(run, f);
  return g ? g : ir_copy_fn(NULL, f);
}

static Fn *run_mean(PassRun *run, const Fn *f, Diag *diag) {
  (void)diag;
  return pass_mean(run, f);
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
static Fn *run_gradient(PassRun *run, const Fn *f, Diag *diag) {
  uint32_t *moved = base_realloc(NULL, sizeof *moved * (f->in.n + 1)), n = 0;
  for (uint32_t k = 0; k < f->in.n; k++)
    if (f->in.at[k].kind == IN_PARAM && !keeps_average(f, f->in.at[k].index)) moved[n++] = f->in.at[k].index;
  Fn *out = pass_gradient(run, f, moved, n, NULL, diag);
  base_free(moved);
  return out;
}

static Fn *run_means(PassRun *run, const Fn *f, Diag *diag) {
  Running running = {0};
  Fn *out = lower_means(run, f, &running, diag);
  base_free(running.param);
  return out;
}

static Fn *run_reversible(PassRun *run, const Fn *f, Diag *diag) { return pass_derive_as(run, f, MEMORY_REVERSIBLE, NULL, diag); }

static Fn *run_overlap(PassRun *run, const Fn *f, Diag *diag) {
  (void)diag;
  return pass_overlap(run, f);
}

static Fn *run_rescale(PassRun *run, const Fn *f, Diag *diag) {
  (void)diag;
  return pass_rescale(run, f);
}

static Fn *run_without(PassRun *run, const Fn *f, Diag *diag) {
  (void)diag;
  return pass_without(run, f, NULL);
}

static Fn *run_lower(PassRun *run, const Fn *f, Diag *diag) { return pass_lower(run, f, MEMORY_STORED, NULL, diag); }

static bool one(Fn *f, FnList *out) {
  if (f) *vec_push(out) = f;
  return f != NULL;
}

/* The parts, in the order in which they are run. */
static bool run_split(PassRun *run, const Fn *f, FnList *out, Diag *diag) {
  Split s;
  if (!pass_split(run, f, &s, diag)) return false;
  for (uint32_t p = 0; p < s.n; p++) {
    one(s.part[p].fn, out);
    s.part[p].fn = NULL;
  }
  pass_split_finish(&s);
  return true;
}

typedef enum { ANY, LOSS } Takes; /* LOSS: a function with a loss, the first output */
enum { REPORTS = 1 };             /* it ends with pass_done: --print-after may name it */

/* What makes one function of one, or several; neither: it takes no function. */
static const struct {
  const char *name;
  Takes takes;
  unsigned traits;
  Fn *(*run)(PassRun *, const Fn *, Diag *);
  bool (*cut)(PassRun *, const Fn *, FnList *, Diag *);
} passes[] = {
  {"mean", LOSS, REPORTS, run_mean, NULL},
  {"gradient", LOSS, REPORTS, run_gradient, NULL},
  {"means", LOSS, REPORTS, run_means, NULL},
  {"join", ANY, REPORTS, run_join, NULL},
  {"expand", ANY, REPORTS, pass_expand, NULL},
  {"derive", ANY, REPORTS, pass_derive, NULL},
  {"derive-reversible", ANY, 0, run_reversible, NULL},
  {"simplify", ANY, REPORTS, run_simplify, NULL},
  {"unmap", ANY, REPORTS, run_unmap, NULL},
  {"overlap", ANY, REPORTS, run_overlap, NULL},
  {"rescale", ANY, REPORTS, run_rescale, NULL},
  {"lower", ANY, 0, run_lower, NULL},
  {"without", ANY, REPORTS, run_without, NULL},
  {"split", ANY, REPORTS, NULL, run_split},
  {"optimizer", ANY, REPORTS, NULL, NULL},
};
enum { NPASSES = sizeof passes / sizeof *passes };
_Static_assert((int)NPASSES <= (int)PASS_NAMES, "names fit into what pass_names takes");

static bool used(PassUse use, int k) {
  return use == PASS_BY_HAND ? passes[k].run || passes[k].cut : (passes[k].traits & REPORTS) != 0;
}

uint32_t pass_names(PassUse use, const char *names[PASS_NAMES]) {
  uint32_t n = 0;
  for (int k = 0; k < NPASSES; k++)
    if (used(use, k)) names[n++] = passes[k].name;
  return n;
}

bool pass_by_name(PassRun *run, const char *name, const Fn *f, FnList *out, Diag *diag) {
  int k = 0;
  while (k < NPASSES && (strcmp(passes[k].name, name) || !used(PASS_BY_HAND, k))) k++;
  if (k == NPASSES) {
    const char *names[PASS_NAMES];
    const uint32_t n = pass_names(PASS_BY_HAND, names);
    const char *near = diag_nearest(name, names, (int)n);
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
  return passes[k].cut ? passes[k].cut(run, f, out, diag) : one(passes[k].run(run, f, diag), out);
}
