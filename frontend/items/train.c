/* train: the loss as a function of parameters and fields, and the options. */
#include "frontend/elab/elab.h"
#include "frontend/syntax/synonym.h"
#include "frontend/warn/warn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- options that look like calls: adam(lr = 1e-3), cosine(to = 1e-5) ---------------------------------- */

typedef struct OptionRow {
  const char *name, *kind, *params;
  Optim spec;
} OptionRow;

/* clang-format off */
static const OptionRow rows[] = {
  {"adam", "optimizer", "lr betas eps weight_decay", {OPT_ADAM, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}},
  {"adamw", "optimizer", "lr betas eps weight_decay", {OPT_ADAMW, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01}},
  {"sgd", "optimizer", "lr momentum nesterov weight_decay", {OPT_SGD, .lr = 1e-2}},
  {"rmsprop", "optimizer", "lr alpha eps momentum weight_decay", {OPT_RMSPROP, .lr = 1e-2, .alpha = 0.99, .eps = 1e-8}},
  {"lbfgs", "optimizer", "lr history max_iter", {OPT_LBFGS, .lr = 1, .history = 10, .max_iter = 20}},
  {"cosine", "schedule", "to warmup", {0}},
  {"steps", "schedule", "at factor warmup", {0}},
  {"constant", "schedule", "warmup", {0}},
  {"all", "batch", "", {0}},
  {"auto", "memory", "", {0}},
  {"stored", "memory", "", {0}},
  {"reversible", "memory", "", {0}},
};
/* clang-format on */
enum { NROWS = sizeof rows / sizeof *rows };

static const OptionRow *row_named(const char *name) {
  for (int i = 0; i < NROWS; i++)
    if (!strcmp(rows[i].name, name)) return &rows[i];
  return NULL;
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

static const char *listed(Elab *E, const char *const *name, uint32_t n) {
  const char *s = "";
  for (uint32_t i = 0; i < n; i++) s = arena_printf(E->mem, "%s%s%s", s, i ? ", " : "", name[i]);
  return s;
}

Value option_apply(Elab *E, const Func *f, const Actuals *a) {
  const OptionRow *row = row_named(f->name);
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
      if (n) elab_help(m, "options of `%s`: %s", f->name, listed(E, known, n));
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

/* ---- values of options --------------------------------------------------------------------------------- */

typedef struct Want {
  const char *name;
  Value v;
  Span at;
} Want;

static bool want_number(Elab *E, const Want *w, double low, bool open, double *out) {
  Actual a = {.v = w->v, .at = w->at};
  if (!need_number(E, &a, arena_printf(E->mem, "`%s`", w->name), out)) return false;
  if (open ? *out > low : *out >= low) return true;
  elab_error(E, CODE_out_of_range, w->at, "`%s` is %s %g, found %g", w->name, open ? "above" : "at least", low, *out);
  return false;
}

static bool want_count(Elab *E, const Want *w, int64_t low, int64_t *out) {
  Actual a = {.v = w->v, .at = w->at};
  if (!need_int(E, &a, arena_printf(E->mem, "`%s`", w->name), out)) return false;
  if (*out >= low) return true;
  elab_error(E, CODE_out_of_range, w->at, "`%s` is at least %lld, found %lld", w->name, (long long)low, (long long)*out);
  return false;
}

static bool want_betas(Elab *E, const Want *w, Optim *o) {
  const Array *a = w->v.kind == V_ARRAY && w->v.array->rank == 1 && w->v.array->n == 2 ? w->v.array : NULL;
  bool good = a != NULL;
  for (int i = 0; a && i < 2; i++) good &= a->at[i].v >= 0 && a->at[i].v < 1;
  if (!good) {
    elab_error(E, CODE_wrong_kind, w->at, "`betas` are two numbers from 0 to below 1, found %s", value_shown(E, w->v));
    return false;
  }
  o->beta1 = a->at[0].v;
  o->beta2 = a->at[1].v;
  return true;
}

static void optimizer_arg(Elab *E, const Want *w, Optim *o) {
  const char *n = w->name;
  int64_t k;
  if (!strcmp(n, "lr")) want_number(E, w, 0, true, &o->lr);
  else if (!strcmp(n, "eps")) want_number(E, w, 0, true, &o->eps);
  else if (!strcmp(n, "weight_decay")) want_number(E, w, 0, false, &o->weight_decay);
  else if (!strcmp(n, "momentum")) want_number(E, w, 0, false, &o->momentum);
  else if (!strcmp(n, "alpha")) want_number(E, w, 0, false, &o->alpha);
  else if (!strcmp(n, "betas")) want_betas(E, w, o);
  else if (!strcmp(n, "history") && want_count(E, w, 1, &k)) o->history = k > 1000 ? 1000 : (int)k;
  else if (!strcmp(n, "max_iter") && want_count(E, w, 1, &k)) o->max_iter = k > 1000000 ? 1000000 : (int)k;
  else if (!strcmp(n, "nesterov")) {
    if (w->v.kind == V_BOOL) o->nesterov = w->v.b;
    else elab_error(E, CODE_wrong_kind, w->at, "`nesterov` is true or false, found %s", value_kind(E, w->v));
  }
}

static bool rising(const Array *a) {
  for (uint32_t i = 0; i < a->n; i++)
    if (a->at[i].den != 1 || a->at[i].num < 1 || (i && a->at[i].num <= a->at[i - 1].num)) return false;
  return a->rank == 1;
}

static void schedule_arg(Elab *E, const Want *w, Schedule *s) {
  const char *n = w->name;
  if (!strcmp(n, "to")) want_number(E, w, 0, false, &s->to);
  else if (!strcmp(n, "warmup")) want_number(E, w, 0, false, &s->warmup);
  else if (!strcmp(n, "factor")) want_number(E, w, 0, true, &s->factor);
  else if (w->v.kind != V_ARRAY || !rising(w->v.array))
    elab_error(E, CODE_wrong_kind, w->at, "`steps` takes a rising list of whole steps, found %s", value_shown(E, w->v));
  else {
    double *at = ARENA_ARRAY(E->mem, double, w->v.array->n);
    for (uint32_t i = 0; i < w->v.array->n; i++) at[i] = w->v.array->at[i].v;
    s->at = at;
    s->nat = w->v.array->n;
  }
}

static const Func *option_func(Elab *E, const Want *w, const char *kind) {
  if (w->v.kind == V_FUNC && w->v.func->kind == F_OPTION && !strcmp(row_named(w->v.func->name)->kind, kind)) return w->v.func;
  if (w->v.kind == V_POISON) return NULL;
  const char *list = !strcmp(kind, "optimizer") ? "adam, adamw, sgd, rmsprop or lbfgs"
                     : !strcmp(kind, "memory")  ? "reversible, stored or auto"
                                                : "cosine(...), steps(...) or constant";
  DiagMsg *m = elab_error(E, CODE_wrong_kind, w->at, "`%s` is %s, found %s", w->name, list, value_kind(E, w->v));
  if (w->v.kind == V_STRING) elab_help(m, "without quotes: `%s = %s`", w->name, w->v.string);
  return NULL;
}

static void optimizer(Elab *E, const Want *w, Optim *o) {
  const Func *f = option_func(E, w, "optimizer");
  if (!f) return;
  *o = row_named(f->name)->spec;
  for (uint32_t i = 0; i < f->noption; i++) {
    Want x = {f->option[i].name, f->option[i].v, f->option[i].at};
    optimizer_arg(E, &x, o);
  }
}

static void schedule(Elab *E, const Want *w, Schedule *s) {
  const Func *f = option_func(E, w, "schedule");
  if (!f) return;
  s->kind = !strcmp(f->name, "cosine") ? SCHED_COSINE : !strcmp(f->name, "steps") ? SCHED_STEPS : SCHED_CONSTANT;
  s->factor = 0.1;
  for (uint32_t i = 0; i < f->noption; i++) {
    Want x = {f->option[i].name, f->option[i].v, f->option[i].at};
    schedule_arg(E, &x, s);
  }
  bool given = false;
  for (uint32_t i = 0; i < f->noption; i++) given |= !strcmp(f->option[i].name, "at");
  if (s->kind == SCHED_STEPS && !given)
    elab_help(elab_error(E, CODE_missing_argument, w->at, "`steps` needs the steps at which the rate falls"),
              "`steps([1000, 2000], factor = 0.1)`");
}

static void memory(Elab *E, const Want *w, Train *t) {
  const Func *f = option_func(E, w, "memory");
  if (!f) return;
  t->memory = !strcmp(f->name, "stored") ? MEMORY_STORED : !strcmp(f->name, "reversible") ? MEMORY_REVERSIBLE : MEMORY_AUTO;
}

static void batch(Elab *E, const Want *w, Train *t) {
  if (w->v.kind == V_FUNC && w->v.func->kind == F_OPTION && !strcmp(w->v.func->name, "all")) t->batch = 0;
  else if (w->v.kind == V_FUNC)
    elab_error(E, CODE_wrong_kind, w->at, "`batch` is a number of samples, or all, found %s", value_kind(E, w->v));
  else want_count(E, w, 1, &t->batch);
}

/* ---- data ---------------------------------------------------------------------------------------------- */

static void test_data(Elab *E, Train *t, const Want *w) {
  Data *d = elab_data_value(E, w->v, w->at, "`test`");
  if (!d) return;
  for (uint32_t i = 0; i < t->loss->in.n; i++) {
    const Input *in = &t->loss->in.at[i];
    if (in->kind != IN_FIELD) continue;
    const DataField *want = &t->data->field[in->index];
    if (in->index < d->nfield && !strcmp(d->field[in->index].name, want->name) && type_eq(d->field[in->index].type, want->type))
      continue;
    char text[96];
    elab_help(elab_error(E, CODE_missing_field, w->at, "`%s` has not the fields of `%s`: %s of %s", d->name, t->data->name,
                         want->name, type_user(want->type, text, sizeof text)),
              "both come from the same program or file");
    return;
  }
  t->test = d;
}

static bool loss_args(Elab *E, const Func *f, const Data *d, Actuals *a) {
  bool good = true;
  for (const Formal *x = f->item->formals; x; x = x->next) {
    uint32_t k = 0;
    while (k < d->nfield && strcmp(d->field[k].name, x->name) != 0) k++;
    if (k < d->nfield) {
      a->at[a->n++] = (Actual){.name = x->name, .name_at = x->at, .v = elab_value(E, elab_field(E, k, x->at)), .at = x->at};
    } else if (!x->init) {
      const char *known[64];
      uint32_t n = 0;
      for (; n < d->nfield && n < 64; n++) known[n] = d->field[n].name;
      DiagMsg *m = elab_error(E, CODE_missing_field, x->at, "`%s` has no field `%s`", d->name, x->name);
      elab_label(m, a->call, "trained on it here");
      elab_suggest(m, x->name, known, n);
      good = false;
    }
  }
  return good;
}

static Fn *loss_fn(Elab *E, const Func *f, const Data *d, const Item *it) {
  Saved old = elab_leave(E);
  Root root;
  root_begin(E, &root, f->name, E->m->f64, true);
  root.reversible = true;
  root.data = d;
  root.field = ARENA_ARRAY(E->mem, Val, d->nfield + 1);
  frame_push(E, NULL, f->module);
  uint32_t n = 0;
  for (const Formal *x = f->item->formals; x; x = x->next) n++;
  Actuals a = {.call = it->on_at, .callee = it->name_at, .at = ARENA_ARRAY(E->mem, Actual, n + 1)};
  Value v = loss_args(E, f, d, &a) ? elab_apply(E, f, &a) : POISON;
  Fn *fn = NULL;
  if (v.kind == V_POISON) {
    root_drop(E, &root);
  } else {
    Val out = elab_tensor(E, v, it->name_at);
    ir_output(elab_at(E, it->name_at), ir_spread(elab_at(E, it->name_at), out), "loss");
    fn = root_end(E, &root);
  }
  elab_return(E, old);
  return fn;
}

/* ---- the item ------------------------------------------------------------------------------------------ */

static const char *const option_names[] = {"optimizer", "schedule", "batch", "steps", "epochs", "clip",
                                           "only",      "test",     "every", "seed",  "memory"};
enum { NOPTIONS = sizeof option_names / sizeof *option_names };

bool train_option(const char *name) {
  for (int k = 0; k < NOPTIONS; k++)
    if (!strcmp(option_names[k], name)) return true;
  return false;
}

static bool row_option(const char *name) { return !strcmp(name, "lr") || !strcmp(name, "betas") || !strcmp(name, "weight_decay"); }

static Value option_value(Elab *E, const Arg *o) {
  Frame *old = E->frame;
  frame_push(E, old, old->module);
  bool named =
      !strcmp(o->name, "optimizer") || !strcmp(o->name, "schedule") || !strcmp(o->name, "batch") || !strcmp(o->name, "memory");
  for (int i = 0; named && i < NROWS; i++) {
    Func *f = ARENA_NEW(E->mem, Func);
    *f = (Func){.kind = F_OPTION, .name = rows[i].name};
    frame_define(E, intern(E->m->names, rows[i].name), o->name_at, value_func(f), false);
  }
  Value v = elab_expr(E, o->value);
  E->frame = old;
  return v;
}

static void set_option(Elab *E, Train *t, const Arg *o) {
  Want w = {o->name, option_value(E, o), o->value ? o->value->at : o->name_at};
  int64_t n;
  if (w.v.kind == V_POISON) return;
  if (!strcmp(o->name, "optimizer")) optimizer(E, &w, &t->opt);
  else if (!strcmp(o->name, "schedule")) schedule(E, &w, &t->sched);
  else if (!strcmp(o->name, "batch")) batch(E, &w, t);
  else if (!strcmp(o->name, "memory")) memory(E, &w, t);
  else if (!strcmp(o->name, "steps")) want_count(E, &w, 1, &t->steps);
  else if (!strcmp(o->name, "epochs")) want_count(E, &w, 1, &t->epochs);
  else if (!strcmp(o->name, "every")) want_count(E, &w, 1, &t->every);
  else if (!strcmp(o->name, "clip")) want_number(E, &w, 0, true, &t->clip);
  else if (!strcmp(o->name, "seed")) {
    if (want_count(E, &w, 0, &n)) t->seed = (uint64_t)n;
  } else if (t->loss && !strcmp(o->name, "only")) moved_only(E, t, w.v, w.at);
  else if (t->loss && !strcmp(o->name, "test")) test_data(E, t, &w);
}

static void set_options(Elab *E, Train *t, const Item *it) {
  const Arg *steps = NULL, *epochs = NULL;
  bool unknown = it->broken; /* which may be what says how long */
  for (const Arg *o = it->options; o; o = o->next) {
    int k = 0;
    while (k < NOPTIONS && strcmp(option_names[k], o->name) != 0) k++;
    if (k == NOPTIONS) {
      DiagMsg *m = elab_error(E, CODE_unknown_option, o->name_at, "`train` has no option `%s`", o->name);
      if (row_option(o->name)) elab_help(m, "it belongs to the optimizer: `optimizer = adam(%s = ...)`", o->name);
      else if (synonym(o->name) || diag_nearest(o->name, option_names, NOPTIONS))
        elab_suggest_option(m, o->name, option_names, NOPTIONS);
      else elab_help(m, "options of `train`: %s", listed(E, option_names, NOPTIONS));
      unknown = true;
      continue;
    }
    for (const Arg *p = it->options; p != o; p = p->next)
      if (p->name == o->name)
        elab_label(elab_error(E, CODE_given_twice, o->name_at, "`%s` is given twice", o->name), p->name_at, "first");
    if (!strcmp(o->name, "steps")) steps = o;
    if (!strcmp(o->name, "epochs")) epochs = o;
    set_option(E, t, o);
  }
  if (steps && epochs) {
    elab_label(elab_error(E, CODE_train_length, epochs->name_at, "`steps` and `epochs` exclude each other"), steps->name_at,
               "given here");
  } else if (!steps && !epochs && !unknown) {
    elab_help(elab_error(E, CODE_train_length, it->name_at, "`train %s` does not say how long", it->name),
              "`steps = 2000` or `epochs = 10`");
  }
}

static const Func *loss_named(Elab *E, const Item *it) {
  const Module *m = E->frame->module;
  Global *g = module_find(E->frame->module, it->name);
  if (g && g->item->kind == IT_LOSS) return global_value(E, g, it->name_at).func;
  if (!g && elab_broken(E, it->name)) return E->met++, NULL;
  VEC(const char *) known = {0};
  for (uint32_t i = 0; i < m->nglobal; i++)
    if (m->global[i].item->kind == IT_LOSS) *vec_push(&known) = m->global[i].name;
  DiagMsg *msg = elab_error(E, CODE_undefined, it->name_at, g ? "`%s` is no loss" : "there is no loss `%s`", it->name);
  if (g) elab_label(msg, g->item->name_at, "defined here");
  else elab_suggest(msg, it->name, known.at, known.n);
  vec_free(&known);
  return NULL;
}

void train_item(Elab *E, const Item *it) {
  Saved old = elab_leave(E);
  Scratch s;
  Body body = {.path = it->name, .top = true};
  Train *t = ARENA_NEW(E->mem, Train);
  frame_push(E, NULL, E->main);
  scratch_begin(E, &s);
  E->body = &body;
  t->name = it->name;
  t->opt = rows[0].spec;
  const Func *f = loss_named(E, it);
  t->data = elab_data_named(E, it->on, it->on_at);
  if (f && t->data && (t->loss = loss_fn(E, f, t->data, it))) moved_all(E, t, it->name_at);
  set_options(E, t, it);
  if (!diag_errors(E->diag)) warn_train(E, t, it);
  *vec_push(&E->actions) = (Action){.kind = DO_TRAIN, .at = it->at, .train = t};
  scratch_end(E, &s, POISON, it->at);
  vec_free(&body.counts);
  vec_free(&body.params);
  vec_free(&body.used);
  elab_return(E, old);
}
