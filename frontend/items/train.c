/* train: its options; the losses that it minimises are read in sum.c. */
#include "frontend/builtin/builtin.h"
#include "frontend/items/items_priv.h"
#include "frontend/syntax/synonym.h"
#include "frontend/warn/warn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- values of options --------------------------------------------------------------------------------- */

typedef OptionArg Want; /* an option of `train`, or an argument of one */

static bool want_number(Elab *E, const Want *w, double low, bool open, double *out) {
  Actual a = {.v = w->v, .at = w->at};
  if (!need_number(E, &a, arena_printf(E->mem, "`%s`", w->name), out)) return false;
  if (open ? *out > low : *out >= low) return true;
  elab_error(E, CODE_out_of_range, w->at, "`%s` must be %s %g, found %g", w->name, open ? "above" : "at least", low, *out);
  return false;
}

bool option_count(Elab *E, const Want *w, int64_t low, int64_t *out) {
  Actual a = {.v = w->v, .at = w->at};
  if (!need_int(E, &a, arena_printf(E->mem, "`%s`", w->name), out)) return false;
  if (*out >= low) return true;
  elab_error(E, CODE_out_of_range, w->at, "`%s` must be at least %lld, found %lld", w->name, (long long)low, (long long)*out);
  return false;
}

static bool want_betas(Elab *E, const Want *w, Optim *o) {
  const Array *a = value_numbers(w->v);
  bool good = a && a->rank == 1 && a->n == 2;
  for (int i = 0; good && i < 2; i++) good &= a->at[i].v >= 0 && a->at[i].v < 1;
  if (!good) {
    elab_error(E, CODE_wrong_kind, w->at, "`betas` must be two numbers, at least 0 and below 1, found %s", value_shown(E, w->v));
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
  else if (!strcmp(n, "history") && option_count(E, w, 1, &k)) o->history = k > 1000 ? 1000 : (int)k;
  else if (!strcmp(n, "max_iter") && option_count(E, w, 1, &k)) o->max_iter = k > 1000000 ? 1000000 : (int)k;
  else if (!strcmp(n, "nesterov")) {
    if (w->v.kind == V_BOOL) o->nesterov = w->v.b;
    else elab_error(E, CODE_wrong_kind, w->at, "`nesterov` must be true or false, found %s", value_kind(E, w->v));
  }
}

static bool rising(const Array *a) {
  for (uint32_t i = 0; i < a->n; i++)
    if (a->at[i].den != 1 || a->at[i].num < 1 || (i && a->at[i].num <= a->at[i - 1].num)) return false;
  return a->rank == 1;
}

/* One that falls on a plateau must fall. */
static void want_factor(Elab *E, const Want *w, Schedule *s) {
  if (!want_number(E, w, 0, true, &s->factor) || s->kind != SCHED_PLATEAU || s->factor < 1) return;
  elab_error(E, CODE_out_of_range, w->at, "`factor` must be below 1, found %g: the rate falls on a plateau", s->factor);
}

static void schedule_arg(Elab *E, const Want *w, Schedule *s) {
  const char *n = w->name;
  if (!strcmp(n, "to")) want_number(E, w, 0, false, &s->to);
  else if (!strcmp(n, "warmup")) want_number(E, w, 0, false, &s->warmup);
  else if (!strcmp(n, "factor")) want_factor(E, w, s);
  else if (!strcmp(n, "patience")) option_count(E, w, 0, &s->patience);
  else if (!strcmp(n, "cooldown")) option_count(E, w, 0, &s->cooldown);
  else if (!strcmp(n, "threshold")) want_number(E, w, 0, false, &s->threshold);
  else if (!value_numbers(w->v) || !rising(w->v.array))
    elab_error(E, CODE_wrong_kind, w->at, "`steps` takes a rising list of whole steps, found %s", value_shown(E, w->v));
  else {
    double *at = ARENA_ARRAY(E->mem, double, w->v.array->n);
    for (uint32_t i = 0; i < w->v.array->n; i++) at[i] = w->v.array->at[i].v;
    s->at = at;
    s->nat = w->v.array->n;
  }
}

static const char *const listed[] = {[OPTION_OPTIMIZER] = "adam, adamw, sgd, rmsprop or lbfgs",
                                     [OPTION_SCHEDULE] = "cosine(...), steps(...), plateau(...) or constant",
                                     [OPTION_BATCH] = "a number of samples, or all",
                                     [OPTION_MEMORY] = "reversible, stored or auto",
                                     [OPTION_KEEP] = "last, best or average"};

/* The row that is given; NULL after an error. */
static const OptionRow *option_of(Elab *E, const Want *w, OptionKind kind) {
  const OptionRow *row = w->v.kind == V_FUNC && w->v.func->kind == F_OPTION ? option_row(w->v.func->name) : NULL;
  if (row && row->kind == kind) return row;
  if (w->v.kind == V_POISON) return NULL;
  DiagMsg *m = elab_error(E, CODE_wrong_kind, w->at, "`%s` must be %s, found %s", w->name, listed[kind], value_kind(E, w->v));
  if (w->v.kind == V_STRING) elab_help(m, "write it without quotes: `%s = %s`", w->name, w->v.string);
  return NULL;
}

static void optimizer(Elab *E, Train *t, const Want *w) {
  const OptionRow *row = option_of(E, w, OPTION_OPTIMIZER);
  if (!row) return;
  t->opt = row->optim;
  const Func *f = w->v.func;
  for (uint32_t i = 0; i < f->noption; i++) optimizer_arg(E, &f->option[i], &t->opt);
}

static void schedule(Elab *E, Train *t, const Want *w) {
  Schedule *s = &t->sched;
  const OptionRow *row = option_of(E, w, OPTION_SCHEDULE);
  if (!row) return;
  s->kind = (SchedKind)row->which;
  s->factor = 0.1, s->patience = 10, s->threshold = 1e-4; /* PyTorch's, of plateau too */
  const Func *f = w->v.func;
  bool given = false;
  for (uint32_t i = 0; i < f->noption; i++) {
    schedule_arg(E, &f->option[i], s);
    given |= !strcmp(f->option[i].name, "at");
  }
  if (s->kind == SCHED_STEPS && !given)
    elab_help(elab_error(E, CODE_missing_argument, w->at, "`steps` needs the steps at which the rate falls"),
              "write `steps([1000, 2000], factor = 0.1)`");
}

static void memory(Elab *E, Train *t, const Want *w) {
  const OptionRow *row = option_of(E, w, OPTION_MEMORY);
  if (row) t->memory = (Memory)row->which;
}

static void keep(Elab *E, Train *t, const Want *w) {
  const OptionRow *row = option_of(E, w, OPTION_KEEP);
  if (row) t->keep = (Keep)row->which;
}

/* ---- the item ------------------------------------------------------------------------------------------ */

static void steps(Elab *E, Train *t, const Want *w) { option_count(E, w, 1, &t->steps); }
static void epochs(Elab *E, Train *t, const Want *w) { option_count(E, w, 1, &t->epochs); }
static void every(Elab *E, Train *t, const Want *w) { option_count(E, w, 1, &t->every); }
static void clip(Elab *E, Train *t, const Want *w) { want_number(E, w, 0, true, &t->clip); }

static void patience(Elab *E, Train *t, const Want *w) { option_count(E, w, 1, &t->patience); }

static void average(Elab *E, Train *t, const Want *w) {
  if (!want_number(E, w, 0, true, &t->average) || t->average < 1) return;
  elab_help(elab_error(E, CODE_out_of_range, w->at, "`average` must be below 1, found %g", t->average),
            "each step keeps this share of the average: `average = 0.999` averages over about 1000 steps");
}

static void seed(Elab *E, Train *t, const Want *w) {
  int64_t n;
  if (option_count(E, w, 0, &n)) t->seed = (uint64_t)n;
}

static void only(Elab *E, Train *t, const Want *w) {
  if (train_read(t)) moved_only(E, t, w->v, w->at);
}

static const struct {
  const char *name;
  void (*set)(Elab *E, Train *t, const Want *w);
  int words; /* its value may be a word of builtin/option.c: of which kind, or 0 */
} options[] = {
  {"optimizer", optimizer, 1 + OPTION_OPTIMIZER},
  {"schedule", schedule, 1 + OPTION_SCHEDULE},
  {"batch", sum_batch, 1 + OPTION_BATCH},
  {"steps", steps, 0},
  {"epochs", epochs, 0},
  {"clip", clip, 0},
  {"only", only, 0},
  {"test", sum_test, 0},
  {"every", every, 0},
  {"seed", seed, 0},
  {"memory", memory, 1 + OPTION_MEMORY},
  {"keep", keep, 1 + OPTION_KEEP},
  {"monitor", NULL, 0}, /* names of reports, which may stand below: train_monitors */
  {"patience", patience, 0},
  {"average", average, 0},
};
enum { NOPTIONS = sizeof options / sizeof *options };

static int option_number(const char *name) {
  int k = 0;
  while (k < NOPTIONS && strcmp(options[k].name, name) != 0) k++;
  return k;
}

bool train_option(const char *name) { return option_number(name) < NOPTIONS; }

const char *train_options(Elab *E) {
  const char *known[NOPTIONS];
  for (int k = 0; k < NOPTIONS; k++) known[k] = options[k].name;
  return option_listed(E, known, NOPTIONS);
}

static bool row_option(const char *name) { return !strcmp(name, "lr") || !strcmp(name, "betas") || !strcmp(name, "weight_decay"); }

static void unknown_option(Elab *E, const Arg *o) {
  const char *known[NOPTIONS];
  for (int k = 0; k < NOPTIONS; k++) known[k] = options[k].name;
  DiagMsg *m = elab_error(E, CODE_unknown_option, o->name_at, "`train` has no option `%s`", o->name);
  if (!strcmp(o->name, "shuffle"))
    elab_help(m, "batches are always in random order: each sample comes once before any comes again");
  else if (row_option(o->name)) elab_help(m, "it belongs to the optimizer: `optimizer = adam(%s = ...)`", o->name);
  else if (synonym(o->name) || synonym_among(o->name, known, NOPTIONS) || diag_nearest(o->name, known, NOPTIONS))
    elab_suggest_option(m, o->name, known, NOPTIONS);
  else elab_help(m, "options of `train`: %s", train_options(E));
}

/* A word of which not even a likeness is known among options: those that there are. What else it may mean elsewhere is not meant. */
static bool unknown_word(Elab *E, const Arg *o, OptionKind kind) {
  const Expr *e = o->value && o->value->kind == EX_CALL ? o->value->a : o->value;
  if (!e || e->kind != EX_NAME || elab_known(E, e->name, true) || option_near(e->name)) return false;
  elab_help(elab_error(E, CODE_undefined, e->at, "`%s` is not defined", e->name), "`%s` must be %s", o->name, listed[kind]);
  return true;
}

static void set_option(Elab *E, Train *t, const Arg *o, int k) {
  if (!options[k].set) return;
  frame_inner(E);
  if (options[k].words) option_names(E, o->name_at);
  if (options[k].words && unknown_word(E, o, (OptionKind)(options[k].words - 1))) {
    frame_pop(E);
    return;
  }
  const Want w = {o->name, elab_expr(E, o->value), o->value ? o->value->at : o->name_at};
  frame_pop(E);
  if (w.v.kind != V_POISON) options[k].set(E, t, &w);
}

static void set_options(Elab *E, Train *t, const Item *it) {
  const Arg *steps = NULL, *epochs = NULL;
  bool unknown = it->broken; /* which may be what says how long */
  for (const Arg *o = it->options; o; o = o->next) {
    const int k = option_number(o->name);
    if (k == NOPTIONS) {
      unknown_option(E, o);
      unknown = true;
      continue;
    }
    item_option_twice(E, it, o);
    if (!strcmp(o->name, "steps")) steps = o;
    if (!strcmp(o->name, "epochs")) epochs = o;
    set_option(E, t, o, k);
  }
  if (steps && epochs) {
    elab_label(elab_error(E, CODE_train_length, epochs->name_at, "`steps` and `epochs` exclude each other"), steps->name_at,
               "given here");
  } else if (!steps && !epochs && !unknown) {
    elab_help(elab_error(E, CODE_train_length, it->name_at, "`train %s` does not say how long to train", t->name),
              "write `steps = 2000` or `epochs = 10`");
  }
}

/* What is decided by test losses, without a test. */
static void needs_test(Elab *E, const Train *t, const Item *it, const char *option) {
  const Arg *o = ast_option(it, option);
  elab_help(elab_error(E, CODE_missing_argument, o ? o->name_at : it->name_at,
                       "`%s` uses the test loss, but `train %s` has no `test`", option, t->name),
            "write `test = held_out`, a data set that the loss is not trained on");
}

static void check_kept(Elab *E, const Train *t, const Item *it) {
  if (train_read(t) && !ast_option(it, "test") && !it->broken) {
    if (t->keep == KEEP_BEST) needs_test(E, t, it, "keep");
    if (t->patience) needs_test(E, t, it, "patience");
  }
  if (t->keep == KEEP_AVERAGE && !ast_option(it, "average"))
    elab_help(elab_error(E, CODE_missing_argument, ast_option(it, "keep")->name_at, "`keep = average` needs the option `average`"),
              "write `average = 0.999`");
}

void train_item(Elab *E, const Item *it) {
  Context c;
  Scratch s;
  Train *t = ARENA_NEW(E->mem, Train);
  context_alone(E, &c, E->main);
  context_body(&c, it->name ? it->name : "train")->top = true;
  scratch_begin(E, &s);
  t->opt = option_row("adam")->optim;
  sum_losses(E, t, it);
  if (train_read(t)) moved_all(E, t, it);
  set_options(E, t, it);
  check_kept(E, t, it);
  sum_check(E, t, it);
  if (!diag_errors(E->diag)) warn_train(E, t, it);
  *vec_push(&E->made.actions) = (Action){.kind = DO_TRAIN, .at = it->at, .train = t};
  scratch_end(E, &s, POISON, it->at);
  context_pop(E, &c);
}

/* ---- what is looked at meanwhile, once all reports are known ---- */

static Report *report_named(Elab *E, const Expr *e) {
  const char *known[64];
  uint32_t n = 0;
  if (e->kind != EX_NAME) {
    elab_help(elab_error(E, CODE_wrong_kind, e->at, "`monitor` takes names of reports"),
              "write `report m = ...`, then `monitor = [m]`");
    return NULL;
  }
  for (uint32_t i = 0; i < E->made.actions.n; i++) {
    Report *r = E->made.actions.at[i].kind == DO_REPORT ? E->made.actions.at[i].report : NULL;
    if (r && !strcmp(r->name, e->name)) return r;
    if (r && n < 64) known[n++] = r->name;
  }
  const Global *other = module_find(E->main, e->name);
  DiagMsg *m = elab_error(E, CODE_undefined, e->at, other ? "`%s` is not a report" : "there is no report `%s`", e->name);
  if (other) elab_label(m, other->item->name_at, "defined here");
  if (other) elab_help(m, "write `report m = ... on data`, then `monitor = [m]`");
  else elab_suggest(m, e->name, known, n);
  return NULL;
}

/* Data that is made of parameters behind the training; NULL: none that the report stands on. */
static const Data *made_later(const Elab *E, const Report *r, uint32_t action) {
  const Data *d = r->data;
  for (uint32_t i = action; d && i < E->made.actions.n; i++)
    if (E->made.actions.at[i].kind == DO_DATA && E->made.actions.at[i].data == d) return d;
  const Data *later = NULL;
  for (uint32_t i = 0; !later && i < r->nuse; i++) later = made_later(E, r->use[i].report, action);
  return later;
}

static void add_monitor(Elab *E, Train *t, const Expr *e, uint32_t action) {
  Report *r = report_named(E, e);
  if (r && r->fn && report_type(r).rank) {
    elab_help(elab_error(E, CODE_not_scalar, e->at, "`monitor` takes scalar reports, but `%s` has %lld elements", r->name,
                         (long long)type_count(report_type(r))),
              "report one element, or their `norm`, `mean` or `maxabs`");
    return;
  }
  const Data *later = r ? made_later(E, r, action) : NULL;
  if (later) {
    elab_help(
        elab_error(E, CODE_made_below, e->at, "`%s` depends on `%s`, which is made after this training", r->name, later->name),
        "a monitored report needs data that exist before the training");
    return;
  }
  for (uint32_t k = 0; r && k < t->nmonitor; k++)
    if (t->monitor[k] == r) {
      elab_error(E, CODE_given_twice, e->at, "`monitor` names `%s` twice", r->name);
      return;
    }
  if (r && r->fn) t->monitor[t->nmonitor++] = r;
}

static void monitors(Elab *E, Train *t, const Arg *o, uint32_t action) {
  const Expr *e = o->value;
  const bool list = e && (e->kind == EX_LIST || e->kind == EX_TUPLE);
  t->monitor = ARENA_ARRAY(E->mem, Report *, (list ? e->nargs : 1) + 1);
  for (const Arg *a = list ? e->args : NULL; a; a = a->next) add_monitor(E, t, a->value, action);
  if (e && !list && e->kind != EX_ERROR) add_monitor(E, t, e, action);
}

void train_monitors(Elab *E) {
  uint32_t action = 0;
  for (const Item *it = E->main->ast->first; it; it = it->next) {
    if (it->kind != IT_TRAIN) continue;
    while (action < E->made.actions.n && E->made.actions.at[action].kind != DO_TRAIN) action++;
    if (action == E->made.actions.n) return;
    const Arg *o = ast_option(it, "monitor");
    if (o) monitors(E, E->made.actions.at[action].train, o, action);
    action++;
  }
}
