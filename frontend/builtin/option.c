/* Options of `train` that look like calls: adam(lr = 1e-3), cosine(to = 1e-5). Adding one is a row here, and where the item reads
 * its arguments (items/train.c). */
#include "frontend/builtin/builtin.h"

#include <string.h>

/* clang-format off */
static const OptionRow rows[] = {
  {"adam", OPTION_OPTIMIZER, "lr betas eps weight_decay", 0, {OPT_ADAM, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}},
  {"adamw", OPTION_OPTIMIZER, "lr betas eps weight_decay", 0, {OPT_ADAMW, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01}},
  {"sgd", OPTION_OPTIMIZER, "lr momentum nesterov weight_decay", 0, {OPT_SGD, .lr = 1e-2}},
  {"rmsprop", OPTION_OPTIMIZER, "lr alpha eps momentum weight_decay", 0, {OPT_RMSPROP, .lr = 1e-2, .alpha = 0.99, .eps = 1e-8}},
  {"lbfgs", OPTION_OPTIMIZER, "lr history max_iter", 0, {OPT_LBFGS, .lr = 1, .history = 10, .max_iter = 20}},
  {"cosine", OPTION_SCHEDULE, "to warmup", SCHED_COSINE, {0}},
  {"steps", OPTION_SCHEDULE, "at factor warmup", SCHED_STEPS, {0}},
  {"constant", OPTION_SCHEDULE, "warmup", SCHED_CONSTANT, {0}},
  {"all", OPTION_BATCH, "", 0, {0}},
  {"auto", OPTION_MEMORY, "", MEMORY_AUTO, {0}},
  {"stored", OPTION_MEMORY, "", MEMORY_STORED, {0}},
  {"reversible", OPTION_MEMORY, "", MEMORY_REVERSIBLE, {0}},
};
/* clang-format on */
enum { NROWS = sizeof rows / sizeof *rows };

const OptionRow *option_row(const char *name) {
  for (int i = 0; i < NROWS; i++)
    if (!strcmp(rows[i].name, name)) return &rows[i];
  return NULL;
}

void option_names(Elab *E, Span at) {
  for (int i = 0; i < NROWS; i++) {
    Func *f = ARENA_NEW(E->mem, Func);
    *f = (Func){.kind = F_OPTION, .name = rows[i].name};
    frame_define(E, intern(E->m->names, rows[i].name), at, value_func(f), false);
  }
}

static uint32_t words(Elab *E, const char *s, const char **out) {
  uint32_t n = 0;
  while (*s) {
    size_t len = strcspn(s, " ");
    out[n++] = arena_strndup(E->mem, s, len);
    s += len + (s[len] == ' ');
  }
  return n;
}

const char *option_listed(Elab *E, const char *const *name, uint32_t n) {
  const char *s = "";
  for (uint32_t i = 0; i < n; i++) s = arena_printf(E->mem, "%s%s%s", s, i ? ", " : "", name[i]);
  return s;
}

Value option_apply(Elab *E, const Func *f, const Actuals *a) {
  const OptionRow *row = option_row(f->name);
  const char *known[8];
  uint32_t n = words(E, row->params, known);
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
                              x->name ? "`%s` has no option `%s`" : "`%s` has fewer options", f->name, x->name);
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
