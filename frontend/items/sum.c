/* The losses of a `train`: `hnn on observed, 0.1*pinn on collocation, penalty`. Each is a function of parameters and of the fields of
 * its own data, or of draws and parameters alone. `batch` and `test` say one thing for all, or one for each. */
#include "frontend/builtin/builtin.h"
#include "frontend/items/items_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool train_read(const Train *t) {
  bool all = t->nsum > 0;
  for (uint32_t k = 0; k < t->nsum; k++) all &= t->sum[k].loss != NULL;
  return all;
}

/* ---- a loss as a function ------------------------------------------------------------------------------- */

static bool loss_args(Elab *E, const Func *f, const Data *d, Actuals *a) {
  bool good = true;
  for (const Formal *x = f->item->formals; x; x = x->next) {
    uint32_t k = 0;
    while (d && k < d->nfield && strcmp(d->field[k].name, x->name) != 0) k++;
    if (d && k < d->nfield) {
      a->at[a->n++] = (Actual){.name = x->name, .name_at = x->at, .v = elab_value(E, elab_field(E, k, x->at)), .at = x->at};
    } else if (!x->init && !d) {
      DiagMsg *m = elab_error(E, CODE_missing_field, a->call,
                              "the loss `%s` takes the field `%s`, but there are no data to train `on`", f->name, x->name);
      elab_label(m, x->at, "this is a field of data");
      elab_help(m, "write `train %s on data { ... }`", f->name);
      return false;
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

static void loss_fn(Elab *E, const Func *f, SumLoss *l, const Summand *at) {
  Context c;
  Root root;
  context_alone(E, &c, f->module);
  root_begin(E, &root, f->name, E->m->f64, true);
  c.reversible = true;
  root.data = l->data;
  root.field = ARENA_ARRAY(E->mem, Val, (l->data ? l->data->nfield : 0) + 1);
  uint32_t required, n = func_arity(f, &required);
  Actuals a = {.call = at->on ? at->on_at : at->at, .callee = at->name_at, .at = ARENA_ARRAY(E->mem, Actual, n + 1)};
  Value v = loss_args(E, f, l->data, &a) ? elab_apply(E, f, &a) : POISON;
  if (v.kind == V_POISON) {
    root_drop(E, &root);
  } else {
    Val out = elab_tensor(E, v, at->name_at);
    ir_output(elab_at(E, at->name_at), ir_spread(elab_at(E, at->name_at), out), "loss");
    l->draws = root.sites > 0;
    l->loss = root_end(E, &root);
  }
  context_pop(E, &c);
}

static const Func *loss_named(Elab *E, const Summand *s) {
  if (!s->name) {
    DiagMsg *m = elab_error(E, CODE_undefined, s->value->at, "`train` takes a loss, or a number times a loss");
    const bool sum = s->value->kind == EX_BINARY && (s->value->op == OPR_ADD || s->value->op == OPR_SUB);
    if (sum) elab_help(m, "give each loss of a sum its data: `train fit on d, 0.1*penalty on d { ... }`");
    else elab_help(m, "write `train fit on d { ... }` or `train 0.1*fit on d { ... }`");
    return NULL;
  }
  Global *g = module_find(E->now->frame->module, s->name);
  if (g && g->item->kind == IT_LOSS) return global_value(E, g, s->name_at).func;
  if (!g && elab_broken(E, s->name)) return E->met++, NULL;
  DiagMsg *msg = elab_error(E, CODE_undefined, s->name_at, g ? "`%s` is not a loss" : "there is no loss `%s`", s->name);
  if (g) elab_label(msg, g->item->name_at, "defined here");
  if (g && (g->item->kind == IT_USE || g->item->kind == IT_DATA)) elab_help(msg, "give each loss its data: `train a on s, b on t`");
  else elab_suggest_item(E, msg, s->name, 1u << IT_LOSS);
  return NULL;
}

static double weight(Elab *E, const Summand *s) {
  double w = 1;
  if (!s->weight) return 1;
  Actual a = {.v = elab_expr(E, s->weight), .at = s->weight->at};
  if (a.v.kind == V_POISON || !need_number(E, &a, arena_printf(E->mem, "the weight of `%s`", s->name ? s->name : "a loss"), &w))
    return 1;
  if (!isfinite(w)) elab_error(E, CODE_out_of_range, a.at, "the weight of `%s` must be finite, found %g", s->name, w);
  return w;
}

/* ---- names in what is told ------------------------------------------------------------------------------ */

static bool same_name(const Train *t, uint32_t k) {
  for (uint32_t i = 0; i < t->nsum; i++)
    if (i != k && !strcmp(t->sum[i].name, t->sum[k].name)) return true;
  return false;
}

static bool taken(const Train *t, uint32_t k, const char *label) {
  for (uint32_t i = 0; i < k; i++)
    if (!strcmp(t->sum[i].label, label)) return true;
  return false;
}

static void name_sum(Elab *E, Train *t) {
  t->name = "";
  for (uint32_t k = 0; k < t->nsum; k++) {
    SumLoss *l = &t->sum[k];
    const char *first = same_name(t, k) && l->data ? arena_printf(E->mem, "%s on %s", l->name, l->data->name) : l->name;
    l->label = first;
    for (int n = 2; taken(t, k, l->label); n++) l->label = arena_printf(E->mem, "%s, %d", first, n);
    t->name = k ? arena_printf(E->mem, "%s + %s", t->name, l->label) : l->label;
  }
}

void sum_losses(Elab *E, Train *t, const Item *it) {
  uint32_t n = 0;
  for (const Summand *s = it->sum; s; s = s->next) n++;
  t->sum = ARENA_ARRAY(E->mem, SumLoss, n + 1);
  for (const Summand *s = it->sum; s; s = s->next) {
    SumLoss *l = &t->sum[t->nsum++];
    *l = (SumLoss){.name = s->name ? s->name : "loss", .weight = weight(E, s)};
    const Func *f = loss_named(E, s);
    if (s->on) l->data = elab_data_named(E, s->on, s->on_at);
    if (l->data && !item_place(E, l->data, s->on_at)) l->data = NULL;
    if (f && (!s->on || l->data)) loss_fn(E, f, l, s);
  }
  name_sum(E, t);
}

/* ---- options that are for all, or for each -------------------------------------------------------------- */

/* The value for loss k; POISON after an error, which is told once. */
static Value for_loss(Elab *E, const Train *t, const OptionArg *w, uint32_t k) {
  const bool list = w->v.kind == V_LIST || w->v.kind == V_TUPLE, array = w->v.kind == V_ARRAY && w->v.array->rank == 1;
  const uint32_t n = list ? w->v.list.n : array ? w->v.array->n : 0;
  if (!list && !array) return w->v;
  if (n == t->nsum) return list ? w->v.list.at[k] : elab_element(E, w->v, k, w->at);
  if (!k)
    elab_error(E, CODE_wrong_kind, w->at, "`%s` has %u entr%s, expected one for each of the %u loss%s", w->name, n,
               n == 1 ? "y" : "ies", t->nsum, t->nsum == 1 ? "" : "es");
  return POISON;
}

void sum_batch(Elab *E, Train *t, const OptionArg *w) {
  for (uint32_t k = 0; k < t->nsum; k++) {
    const OptionArg one = {w->name, for_loss(E, t, w, k), w->at};
    if (one.v.kind == V_POISON) return;
    if (one.v.kind == V_FUNC && one.v.func->kind == F_OPTION && !strcmp(one.v.func->name, "all")) continue;
    if (one.v.kind == V_FUNC) {
      elab_error(E, CODE_wrong_kind, w->at, "`batch` must be a number of samples, or `all`, found %s", value_kind(E, one.v));
      return;
    }
    if (!option_count(E, &one, 1, &t->sum[k].batch)) return;
  }
}

/* ---- test ---- */

/* What the loss reads of its data must be in the test, by name. */
static bool test_fields(Elab *E, SumLoss *l, const Data *d, Span at) {
  l->test_field = ARENA_ARRAY(E->mem, uint32_t, l->data->nfield + 1);
  for (uint32_t i = 0; i < l->loss->in.n; i++) {
    const Input *in = &l->loss->in.at[i];
    if (in->kind != IN_FIELD) continue;
    const DataField *want = &l->data->field[in->index];
    uint32_t k = 0;
    while (k < d->nfield && (strcmp(d->field[k].name, want->name) || !type_eq(d->field[k].type, want->type))) k++;
    l->test_field[in->index] = k;
    if (k < d->nfield) continue;
    char text[96];
    elab_help(elab_error(E, CODE_missing_field, at, "`%s` does not have the fields of `%s`: %s of %s", d->name, l->data->name,
                         want->name, type_user(want->type, text, sizeof text)),
              "both must come from the same program or file");
    return false;
  }
  return true;
}

static bool test_on_data(Elab *E, SumLoss *l, const OptionArg *w, Value v) {
  if (v.kind == V_NUM) {
    elab_help(elab_error(E, CODE_not_data, w->at, "`%s` is trained on data, so its `test` must be data, found a number", l->name),
              "a number of draws is only for a loss without data");
    return false;
  }
  Data *d = elab_data_value(E, v, w->at, "`test`");
  if (!d || !test_fields(E, l, d, w->at) || !item_place(E, d, w->at)) return false;
  l->test = d;
  return true;
}

/* each: it is said for this loss alone. */
static bool test_one(Elab *E, SumLoss *l, const OptionArg *w, Value v, bool each) {
  if (v.kind == V_POISON) return false;
  if (l->data) return test_on_data(E, l, w, v);
  const OptionArg one = {w->name, v, w->at};
  if (v.kind == V_NUM) return option_count(E, &one, 1, &l->tests);
  if (!each && v.kind == V_DATA) return l->tests = TESTS_AS_DATA, true;
  elab_help(elab_error(E, CODE_wrong_kind, w->at, "`%s` has no data, so its `test` must be a number of draws, found %s", l->name,
                       value_kind(E, v)),
            "write `test = 4096`");
  return false;
}

void sum_test(Elab *E, Train *t, const OptionArg *w) {
  if (!train_read(t)) return;
  const bool each = w->v.kind == V_LIST || w->v.kind == V_TUPLE || w->v.kind == V_ARRAY;
  bool good = true, data = false;
  for (uint32_t k = 0; k < t->nsum; k++) data |= t->sum[k].data != NULL;
  if (!each && !data && w->v.kind == V_DATA) return (void)test_one(E, &t->sum[0], w, w->v, true);
  for (uint32_t k = 0; good && k < t->nsum; k++) good = test_one(E, &t->sum[k], w, for_loss(E, t, w, k), each);
  t->tested = good;
}

/* ---- what does not fit together ---- */

static const Summand *summand(const Item *it, uint32_t k) {
  const Summand *s = it->sum;
  while (k--) s = s->next;
  return s;
}

void sum_check(Elab *E, const Train *t, const Item *it) {
  const Arg *epochs = ast_option(it, "epochs"), *batch = ast_option(it, "batch");
  bool data = false;
  if (!train_read(t) || it->broken) return;
  for (uint32_t k = 0; k < t->nsum; k++) {
    const SumLoss *l = &t->sum[k];
    data |= l->data != NULL;
    if (l->data || !l->draws || l->batch) continue;
    DiagMsg *m = elab_error(E, CODE_missing_argument, batch ? batch->value->at : summand(it, k)->name_at,
                            "`%s` has no data, only draws: `batch` must say how many a step takes", l->name);
    elab_help(m, "write `batch = 256`");
  }
  if (epochs && !data)
    elab_help(elab_error(E, CODE_train_length, epochs->name_at, "`epochs` needs data, and `%s` has none", t->name),
              "write `steps = 2000`");
}
