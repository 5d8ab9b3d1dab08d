/* Calls that only carry options: adam(lr = 1e-3), cosine(to = 1e-5) in `train`, and dopri5(rtol = 1e-9). One more of `train` is a
 * row here, and is read by the item (items/train.c). */
#include "frontend/builtin/builtin.h"

#include <math.h>
#include <string.h>

/* clang-format off */
static const OptionRow rows[] = {
  {"adam", "m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, x <- x - lr m^/(sqrt(v^) + eps), where m^ = m/(1 - b1^t) and v^ = v/(1 - b2^t): Kingma & Ba, arXiv:1412.6980", OPTION_OPTIMIZER, 0, {OPT_ADAM, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}},
  {"adamw", "`adam` with x <- x - lr weight_decay x before it: Loshchilov & Hutter, arXiv:1711.05101", OPTION_OPTIMIZER, 0, {OPT_ADAMW, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01}},
  {"sgd", "u <- momentum u + g, x <- x - lr u; with `nesterov` x <- x - lr (g + momentum u): Sutskever et al., ICML 2013", OPTION_OPTIMIZER, 0, {OPT_SGD, .lr = 1e-2}},
  {"rmsprop", "v <- alpha v + (1 - alpha) g^2, u <- momentum u + g/(sqrt(v) + eps), x <- x - lr u: Tieleman & Hinton, 2012", OPTION_OPTIMIZER, 0, {OPT_RMSPROP, .lr = 1e-2, .alpha = 0.99, .eps = 1e-8}},
  {"lbfgs", "x <- x - s B g: B an inverse of the Hessian made of the last `history` steps, s by a line search for the strong Wolfe conditions: Nocedal, Math. Comp. 35 (1980)", OPTION_OPTIMIZER, 0, {OPT_LBFGS, .lr = 1, .history = 10, .max_iter = 20}},
  {"cosine", "to + (lr - to) (1 + cos(pi s/n))/2 at step s of n: Loshchilov & Hutter, arXiv:1608.03983", OPTION_SCHEDULE, SCHED_COSINE, {0}},
  {"steps", "lr times `factor` at each step listed", OPTION_SCHEDULE, SCHED_STEPS, {0}},
  {"constant", "lr", OPTION_SCHEDULE, SCHED_CONSTANT, {0}},
  {"plateau", "times `factor`, down to `to`, when a loss no longer falls: PyTorch's ReduceLROnPlateau, counted in checks", OPTION_SCHEDULE, SCHED_PLATEAU, {0}},
  {"last", "the parameters of the last step", OPTION_KEEP, KEEP_LAST, {0}},
  {"best", "those of the check with the lowest test loss", OPTION_KEEP, KEEP_BEST, {0}},
  {"average", "the averaged ones: the option `average` says over how many steps", OPTION_KEEP, KEEP_AVERAGE, {0}},
  {"all", "all samples in each step", OPTION_BATCH, 0, {0}},
  {"auto", "the cheaper of the two, by an estimate", OPTION_MEMORY, MEMORY_AUTO, {0}},
  {"stored", "the states of flows and trajectories are kept for the backward pass", OPTION_MEMORY, MEMORY_STORED, {0}},
  {"reversible", "the backward pass undoes the steps from the last state on: memory does not grow with their number", OPTION_MEMORY, MEMORY_REVERSIBLE, {0}},
};
/* clang-format on */
enum { NROWS = sizeof rows / sizeof *rows };

/* ---- options of each -------------------------------------------------------------------------------------------- */

static const OptionText texts[] = {
#define OPTION(whose, name, type, by_default, doc) {whose, name, type, by_default, doc},
#include "frontend/builtin/option.def"
#undef OPTION
};

/* A word of the list, or of `plot` any `plot:kind`. */
static bool belongs(const char *words, const char *whose) {
  const size_t n = strlen(whose);
  for (const char *w = words; *w; w += strcspn(w, " "), w += *w == ' ')
    if (!strncmp(w, whose, n) && (!w[n] || w[n] == ' ' || w[n] == ':')) return true;
  return false;
}

const OptionText *option_text(const char *whose, uint32_t k) {
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (belongs(texts[i].whose, whose) && k-- == 0) return &texts[i];
  return NULL;
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

const char *const option_of_kind[] = {[OPTION_OPTIMIZER] = "optimizer",
                                      [OPTION_SCHEDULE] = "schedule",
                                      [OPTION_BATCH] = "batch",
                                      [OPTION_MEMORY] = "memory",
                                      [OPTION_KEEP] = "keep"};

const OptionRow *option_row(const char *name) {
  for (int i = 0; i < NROWS; i++)
    if (!strcmp(rows[i].name, name)) return &rows[i];
  return NULL;
}

const OptionRow *option_words(uint32_t k) { return k < NROWS ? &rows[k] : NULL; }

int option_place(const char *whose, const char *name) {
  const OptionText *t;
  for (uint32_t k = 0; (t = option_text(whose, k)); k++)
    if (!strcmp(t->name, name)) return (int)k;
  return -1;
}

const char *option_within(const char *name) {
  for (int i = 0; i < NROWS; i++)
    if (option_place(rows[i].name, name) >= 0) return option_of_kind[rows[i].kind];
  return NULL;
}

bool option_near(const char *name) {
  const char *known[NROWS];
  for (int i = 0; i < NROWS; i++) known[i] = rows[i].name;
  return diag_nearest(name, known, NROWS) != NULL;
}

void option_names(Elab *E, Span at) {
  for (int i = 0; i < NROWS; i++) {
    Func *f = ARENA_NEW(E->mem, Func);
    *f = (Func){.kind = F_OPTION, .name = rows[i].name};
    frame_define(E, intern(E->m->names, rows[i].name), at, value_func(f), false);
  }
}

const char *option_listed(Elab *E, const char *const *name, uint32_t n) {
  const char *s = "";
  for (uint32_t i = 0; i < n; i++) s = arena_printf(E->mem, "%s%s%s", s, i ? ", " : "", name[i]);
  return s;
}

enum { OPTIONS_MOST = sizeof texts / sizeof *texts };

Value option_apply(Elab *E, const Func *f, const Actuals *a) {
  const char *known[OPTIONS_MOST];
  const OptionText *t;
  uint32_t n = 0;
  for (; n < OPTIONS_MOST && (t = option_text(f->name, n)); n++) known[n] = t->name;
  OptionArg *args = ARENA_ARRAY(E->mem, OptionArg, a->n + 1);
  Func *g = ARENA_NEW(E->mem, Func);
  *g = *f;
  for (uint32_t i = 0; i < a->n; i++) {
    const Actual *x = &a->at[i];
    uint32_t k = x->name ? 0 : i;
    if (x->v.kind == V_POISON) return POISON;
    while (x->name && k < n && strcmp(known[k], x->name) != 0) k++;
    if (k >= n) {
      DiagMsg *m = elab_error(E, CODE_unknown_option, x->name ? x->name_at : x->at,
                              x->name ? "`%s` has no option `%s`" : "`%s` does not have this many options", f->name, x->name);
      if (x->name) elab_suggest_option(m, x->name, known, n);
      if (n) elab_help(m, "options of `%s`: %s", f->name, option_listed(E, known, n));
      return POISON;
    }
    args[i] = (OptionArg){known[k], x->v, x->at};
    for (uint32_t j = 0; j < i; j++)
      if (!strcmp(args[j].name, known[k])) {
        elab_error(E, CODE_given_twice, x->at, "`%s` is given twice", known[k]);
        return POISON;
      }
  }
  g->option = args;
  g->noption = a->n;
  return value_func(g);
}

const char *option_default(const OptionText *t, const char *whose, Arena *mem) {
  const OptionRow *row = option_row(whose);
  if (*t->by_default != '=' || !row) return !strcmp(whose, "gauss16") && !strcmp(t->name, "rtol") ? "" : t->by_default;
  const Optim *o = &row->optim;
  if (!strcmp(t->name, "betas")) return arena_printf(mem, "[%g, %g]", o->beta1, o->beta2);
  const struct {
    const char *name;
    double v;
  } of[] = {{"lr", o->lr},       {"eps", o->eps},         {"weight_decay", o->weight_decay}, {"momentum", o->momentum},
            {"alpha", o->alpha}, {"history", o->history}, {"max_iter", o->max_iter}};
  for (size_t i = 0; i < sizeof of / sizeof *of; i++)
    if (!strcmp(of[i].name, t->name)) return arena_printf(mem, "%g", of[i].v);
  return "";
}

/* ---- methods of integration -------------------------------------------------------------------------------- */

enum { MAX_STEPS_MOST = 2000000000 };

static bool take_tolerance(Elab *E, const Actual *x, double *tolerance) {
  if (!need_number(E, x, "a tolerance", tolerance)) return false;
  if (*tolerance > 0 && isfinite(*tolerance)) return true;
  elab_error(E, CODE_out_of_range, x->at, "a tolerance must be positive and finite, found %g", *tolerance);
  return false;
}

static bool take_max_steps(Elab *E, const Actual *x, int64_t *steps) {
  if (!need_int(E, x, "`max_steps`", steps)) return false;
  if (*steps >= 1 && *steps <= MAX_STEPS_MOST) return true;
  elab_error(E, CODE_out_of_range, x->at, "`max_steps` must be from 1 to %d, found %lld", MAX_STEPS_MOST, (long long)*steps);
  return false;
}

enum { RTOL, ATOL, STEPS, KNOWN };
static const char *const known[] = {"rtol", "atol", "max_steps"};

/* The option that argument i of a method sets, KNOWN after an error. */
static int option_of(Elab *E, const Func *f, const Actuals *a, uint32_t i, bool *given) {
  const Actual *x = &a->at[i];
  int option = x->name ? 0 : i < KNOWN ? (int)i : KNOWN;
  while (x->name && option < KNOWN && strcmp(x->name, known[option]) != 0) option++;
  if (option == KNOWN && x->name) {
    DiagMsg *m = elab_error(E, CODE_unknown_option, x->name_at, "`%s` has no option `%s`", f->name, x->name);
    if (!strcmp(x->name, "dt") || !strcmp(x->name, "steps") || !strcmp(x->name, "substeps"))
      elab_help(m, "write `%s` next to the method: `method = %s, %s = ...`", x->name, f->name, x->name);
    else elab_suggest_option(m, x->name, known, KNOWN);
  } else if (option == KNOWN)
    elab_error(E, CODE_argument_count, x->at, "`%s` takes rtol, atol, max_steps, found %u values", f->name, a->n);
  else if (given[option]) {
    elab_error(E, CODE_given_twice, x->name ? x->name_at : x->at, "`%s` is given twice", known[option]);
    return KNOWN;
  } else given[option] = true;
  return option;
}

/* dopri5(rtol = 1e-9, atol = 1e-12, max_steps = 10^6) */
Value method_apply(Elab *E, const Func *f, const Actuals *a) {
  Func *g = ARENA_NEW(E->mem, Func);
  bool given[KNOWN] = {false};
  *g = *f;
  if (!ir_method[f->method].adaptive) {
    elab_help(elab_error(E, CODE_method, a->call, "`%s` has a fixed step and takes no tolerances", f->name), "write `method = %s`",
              f->name);
    return POISON;
  }
  for (uint32_t i = 0; i < a->n; i++) {
    const Actual *x = &a->at[i];
    if (x->v.kind == V_POISON) return POISON;
    int option = option_of(E, f, a, i, given);
    if (option == KNOWN) return POISON;
    if (option == STEPS ? !take_max_steps(E, x, &g->max_steps) : !take_tolerance(E, x, option == ATOL ? &g->atol : &g->rtol))
      return POISON;
  }
  if (!(g->rtol > 0)) { /* gauss16, whose steps would have a fixed length */
    elab_help(elab_error(E, CODE_method, a->call, "`%s` also needs a tolerance", f->name), "write `%s(rtol = 1e-12, ...)`",
              f->name);
    return POISON;
  }
  if (!given[ATOL]) g->atol = g->rtol / 100;
  return value_func(g);
}
