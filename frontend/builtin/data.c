/* Data: programs that make one draw each, files, and parts of other data. A program is elaborated once
 * for each use of it, in f64 whatever the file's precision is. */
#include "frontend/builtin/builtin_priv.h"
#include "frontend/syntax/synonym.h"

#include <stdlib.h>
#include <string.h>

/* What a data program gives. */
struct Yield {
  bool seen;
  uint32_t met; /* errors met before the program */
  YieldForm form;
  uint32_t window, orders; /* rows of one sample; of SHUFFLED the number of orders */
  Span window_at;
  VEC(Entry) fields;
};

Data *data_new(Elab *E, const char *name, DataKind kind, Span at) {
  Data *d = ARENA_NEW(E->mem, Data);
  *d = (Data){.name = name, .kind = kind, .at = at, .group = -1, .rows = -1};
  *vec_push(&E->made.data) = d;
  return d;
}

Data *elab_data_value(Elab *E, Value v, Span at, const char *what) {
  if (v.kind == V_DATA) return v.data;
  if (v.kind == V_POISON) return NULL;
  if (v.kind == V_FUNC && v.func->kind == F_USER && v.func->item->kind == IT_DATA) {
    DiagMsg *m = elab_error(E, CODE_not_data, at, "`%s` is a data program, not data", v.func->name);
    elab_help(m, "write `use draws = %s(count = ..., seed = ...)` to draw data from it", v.func->name);
  } else {
    elab_error(E, CODE_not_data, at, "%s must be data, found %s", what, value_kind(E, v));
  }
  return NULL;
}

Data *elab_data_named(Elab *E, const char *name, Span at) {
  Global *g = module_find(E->now->frame->module, name);
  if (g) return elab_data_value(E, global_value(E, g, at), at, arena_printf(E->mem, "`%s`", name));
  if (elab_broken(E, name)) return E->met++, NULL;
  elab_suggest_item(E, elab_error(E, CODE_undefined, at, "there is no data set `%s`", name), name, 1u << IT_DATA | 1u << IT_USE);
  return NULL;
}

static bool is_read(Elab *E, const Expr *e) {
  return e && e->kind == EX_CALL && e->a->kind == EX_NAME && !strcmp(e->a->name, "read") && !elab_known(E, e->a->name, false);
}

Value data_item(Elab *E, Global *g, Span use) {
  (void)use;
  if (g->item->body) {
    Func *f = ARENA_NEW(E->mem, Func);
    *f = (Func){.kind = F_USER, .name = g->name, .item = g->item, .module = g->module, .global = g, .bound = true};
    return value_func(f);
  }
  if (is_read(E, g->item->value)) return data_read(E, g->item->value, g->name);
  Scratch s;
  scratch_begin(E, &s);
  Value v = scratch_end(E, &s, elab_expr(E, g->item->value), g->item->at);
  Data *d = elab_data_value(E, v, g->item->value ? g->item->value->at : g->item->at, arena_printf(E->mem, "`%s`", g->name));
  if (!d) return POISON;
  if (!d->name) d->name = g->name;
  return v;
}

/* ---- yield ------------------------------------------------------------------------------------------------
 */

static const char *const form_word[] = {[YF_WINDOWS] = "windows", [YF_SHUFFLED] = "shuffled"};

static uint32_t form_count(Elab *E, const Arg *a, const char *what, const char *unit) {
  int64_t n;
  if (!elab_int(E, a->value, arena_printf(E->mem, "`%s`", what), &n)) return 1;
  if (n >= 1 && n <= ELAB_TURNS) return (uint32_t)n;
  if (n < 1) elab_error(E, CODE_out_of_range, a->value->at, "`%s` needs at least one %s, found %lld", what, unit, (long long)n);
  else
    elab_error(E, CODE_out_of_range, a->value->at, "`%s` takes at most %d %ss, found %lld", what, ELAB_TURNS, unit, (long long)n);
  return 1;
}

static bool form_option(Elab *E, const Stmt *s, const Arg *a, const Arg **orders) {
  static const char *const known[] = {"orders"};
  const char *word = form_word[s->yield];
  if (a->name && s->yield == YF_SHUFFLED && !strcmp(a->name, "orders")) {
    if (*orders)
      return elab_label(elab_error(E, CODE_given_twice, a->name_at, "`orders` is given twice"), (*orders)->name_at, "first"), false;
    *orders = a;
    return true;
  }
  Span at = a->name ? a->name_at : a->value->at;
  DiagMsg *m = a->name ? elab_error(E, CODE_unknown_option, at, "`%s` has no option `%s`", word, a->name)
                       : elab_error(E, CODE_argument_count, at, "`%s` takes one number of rows, found a second one", word);
  if (s->yield != YF_SHUFFLED) elab_help(m, "`windows(32)` makes a sample of each 32 consecutive rows");
  else if (a->name) elab_suggest(m, a->name, known, 1);
  else elab_help(m, "`shuffled(32, orders = 16)` takes every row once in each of 16 orders");
  return false;
}

/* windows(m), shuffled(m, orders = k) */
static void yield_form(Elab *E, const Stmt *s, Yield *y) {
  const Arg *rows = NULL, *orders = NULL;
  y->window = y->orders = 1;
  if (s->yield != YF_WINDOWS && s->yield != YF_SHUFFLED) return;
  for (const Arg *a = s->how; a; a = a->next)
    if (!a->name && !rows) rows = a;
    else if (!form_option(E, s, a, &orders)) return;
  if (!rows) {
    elab_help(elab_error(E, CODE_missing_argument, s->at, "`%s` needs the number of rows in a sample", form_word[s->yield]),
              "`yield %s(32) ...`", form_word[s->yield]);
    return;
  }
  y->window_at = rows->value->at;
  y->window = form_count(E, rows, form_word[s->yield], "row");
  if (orders) y->orders = form_count(E, orders, "orders", "order");
}

void elab_yield(Elab *E, const Stmt *s) {
  Yield *y = E->now->yield;
  if (!y || E->now->calls || E->now->level != &E->now->root->level) {
    elab_error(E, CODE_misplaced, s->at, "`yield` is only allowed in a data program, outside of comprehensions");
    return;
  }
  if (y->seen) {
    elab_error(E, CODE_yield, s->at, "a data program can only yield once");
    return;
  }
  y->seen = true;
  y->form = s->yield;
  yield_form(E, s, y);
  for (const Arg *a = s->names; a; a = a->next) {
    Value v = a->value ? elab_expr(E, a->value) : elab_name(E, a->name, a->name_at);
    for (uint32_t i = 0; i < y->fields.n; i++)
      if (y->fields.at[i].name == a->name)
        elab_error(E, CODE_defined_twice, a->name_at, "the field `%s` is yielded twice", a->name);
    if (v.kind != V_POISON && !value_numeric(v)) {
      elab_error(E, CODE_wrong_kind, a->value ? a->value->at : a->name_at, "a field must be a tensor, found %s", value_text(E, v));
      v = POISON;
    }
    *vec_push(&y->fields) = (Entry){.name = a->name, .v = v, .at = a->value ? a->value->at : a->name_at};
  }
}

/* The type of one sample's field, of the value that the program gives. */
static bool field_type(Elab *E, const Yield *y, const Entry *f, Type t, uint32_t *rows, Type *out) {
  t.lane = 0;
  *out = t;
  if (y->form == YF_ONE) return true;
  if (t.rank == 0) {
    elab_error(E, CODE_yield, f->at, "`%s` is a scalar: it has no axis of samples", f->name);
    return false;
  }
  if (*rows == 0) *rows = t.dim[0];
  if (*rows != t.dim[0]) {
    DiagMsg *m =
        elab_error(E, CODE_unequal_rows, f->at, "all fields need the same number of samples, found %u and %u", *rows, t.dim[0]);
    elab_label(m, f->at, "%s", value_text(E, f->v));
    elab_label(m, y->fields.at[0].at, "%s", value_text(E, y->fields.at[0].v));
    return false;
  }
  if (y->form == YF_EACH) {
    *out = type_real(false, t.rank - 1, t.dim + 1);
    return true;
  }
  if (y->window > t.dim[0]) {
    DiagMsg *m = elab_error(E, CODE_window, f->at, "%s of %u rows are longer than `%s`, which has %u",
                            y->form == YF_WINDOWS ? "windows" : "shuffled samples", y->window, f->name, t.dim[0]);
    elab_label(m, y->window_at, "%u", y->window);
    return false;
  }
  out->dim[0] = y->window;
  return true;
}

static bool outputs(Elab *E, Data *d, const Yield *y, const Item *it) {
  uint32_t rows = 0;
  bool good = true;
  if (!y->seen) {
    if (!elab_stop(E) && !it->body->broken && E->met == y->met)
      elab_help(elab_error(E, CODE_yield, it->name_at, "the data program `%s` yields nothing", it->name),
                "end it with `yield x, y, ...`");
    return false;
  }
  static const YieldKind kinds[] = {
    [YF_ONE] = YIELD_ONE, [YF_EACH] = YIELD_EACH, [YF_WINDOWS] = YIELD_WINDOWS, [YF_SHUFFLED] = YIELD_SHUFFLED};
  d->yield = kinds[y->form];
  d->window = y->window;
  d->orders = y->orders;
  d->field = ARENA_ARRAY(E->mem, DataField, y->fields.n + 1);
  for (uint32_t i = 0; i < y->fields.n; i++) {
    const Entry *f = &y->fields.at[i];
    Type t;
    if (f->v.kind == V_POISON) {
      good = false;
      continue;
    }
    Val v = elab_tensor(E, f->v, f->at);
    if (!field_type(E, y, f, elab_type(E, v), &rows, &t)) {
      good = false;
      continue;
    }
    ir_output(elab_at(E, f->at), ir_spread(elab_at(E, f->at), v), f->name);
    d->field[d->nfield++] = (DataField){f->name, t};
  }
  return good;
}

void data_scope(Elab *E, Root *r, const Data *d, Span at) {
  r->data = d;
  r->field = ARENA_ARRAY(E->mem, Val, d->nfield + 1);
  for (uint32_t i = 0; i < d->nfield; i++) frame_define(E, d->field[i].name, at, (Value){.kind = V_FIELD, .field = i}, false);
}

/* Elaborates the program into d; false after an error. */
static bool run_program(Elab *E, const Func *f, Data *d) {
  if (f->global->active) {
    if (!f->global->broken) elab_error(E, CODE_recursion, f->item->name_at, "`%s` draws from itself", f->name);
    f->global->broken = true;
    return false;
  }
  f->global->active++;
  Context c;
  Root root;
  Yield y = {.met = E->met};
  Value v;
  context_alone(E, &c, f->module);
  context_body(&c, f->name);
  root_begin(E, &root, f->name, true, true);
  c.yield = &y;
  frame_define(E, intern(E->m->names, "index"), f->item->name_at, (Value){.kind = V_FIELD, .field = FIELD_INDEX}, false);
  bool good = true;
  if (f->item->on) good = (d->on = elab_data_named(E, f->item->on, f->item->on_at)) != NULL;
  if (d->on) frame_inner(E), data_scope(E, &root, d->on, d->on->at);
  frame_inner(E);
  if (good) {
    good = !elab_block(E, f->item->body, &v);
    if (!good && !E->now->body->unmet)
      elab_help(elab_error(E, CODE_yield, E->now->body->returned, "a data program ends with `yield`, not `return`"),
                "write `yield` and the names of its fields");
    good = good && outputs(E, d, &y, f->item);
  }
  f->global->active--;
  f->global->elaborated = true;
  d->trained = root.params.n > 0 || (d->on && d->on->trained);
  if (good) d->program = root_end(E, &root);
  else root_drop(E, &root);
  vec_free(&y.fields);
  context_pop(E, &c);
  return good;
}

static bool seed_arg(Elab *E, const Actual *a, const char *what, int64_t *out) {
  if (!need_int(E, a, what, out)) return false;
  if (*out >= 0) return true;
  elab_error(E, CODE_out_of_range, a->at, "%s must not be negative, found %lld", what, (long long)*out);
  return false;
}

static bool program_args(Elab *E, const Func *f, const Actuals *a, Data *d) {
  static const char *const known[] = {"count", "seed"};
  bool has_count = false;
  for (uint32_t i = 0; i < a->n; i++) {
    const Actual *x = &a->at[i];
    int64_t n;
    const char *name = x->name ? x->name : i + (f->item->on != NULL) < 2 ? known[i + (f->item->on != NULL)] : "";
    if (!strcmp(name, "seed")) {
      if (!seed_arg(E, x, "`seed`", &n)) return false;
      d->seed = (uint64_t)n;
    } else if (!strcmp(name, "count") && !f->item->on) {
      if (!need_int(E, x, "`count`", &n)) return false;
      if (n < 1 || n > (int64_t)1 << 31) {
        elab_error(E, CODE_out_of_range, x->at,
                   n < 1 ? "`count` must be at least 1, found %lld" : "`count` must be at most 2^31, found %lld", (long long)n);
        return false;
      }
      d->count = n;
      has_count = true;
    } else {
      DiagMsg *m = x->name ? elab_error(E, CODE_unknown_option, x->name_at, "`%s` has no option `%s`", f->name, name)
                           : elab_error(E, CODE_argument_count, x->at, "`%s` takes %s", f->name,
                                        f->item->on ? "a seed" : "a count and a seed");
      if (!strcmp(name, "count")) elab_help(m, "it makes one draw for each sample of `%s`", f->item->on);
      else if (x->name && (synonym(name) || synonym_among(name, known, 2) || diag_nearest(name, known, 2)))
        elab_suggest_option(m, name, known, 2);
      else if (x->name) elab_help(m, "options of `%s`: %s", f->name, f->item->on ? "seed" : "count, seed");
      return false;
    }
  }
  if (has_count || f->item->on) return true;
  elab_help(elab_error(E, CODE_missing_argument, a->call, "`%s` needs the number of draws", f->name),
            "write `%s(count = 100, seed = 0)`", f->name);
  return false;
}

Value data_instance(Elab *E, const Func *f, const Actuals *a) {
  for (uint32_t i = 0; i < a->n; i++)
    if (a->at[i].v.kind == V_POISON) return POISON;
  Data *d = data_new(E, f->name, DATA_PROGRAM, a->call);
  d->source = f->item;
  bool good = program_args(E, f, a, d);
  good &= run_program(E, f, d);
  return good ? (Value){.kind = V_DATA, .data = d} : POISON;
}

void data_check(Elab *E, Global *g) {
  Value v = global_value(E, g, g->item->name_at);
  if (v.kind != V_FUNC) return;
  Data d = {.group = -1};
  if (run_program(E, v.func, &d)) ir_fn_destroy(d.program);
}

/* ---- parts --------------------------------------------------------------------------------------------- */

/* first(d, share), last(d, share), shuffle(d, seed) */
Value bi_part(Elab *E, const Builtin *b, Actuals *a) {
  Data *base = elab_data_value(E, a->at[0].v, a->at[0].at, arena_printf(E->mem, "the first argument of `%s`", b->name));
  int64_t seed;
  double share;
  if (!base) return POISON;
  Data *d = data_new(E, b->name, (DataKind)b->op, a->call);
  d->base = base;
  d->trained = base->trained;
  d->field = base->field;
  d->nfield = base->nfield;
  if (b->op == DATA_SHUFFLE) {
    if (!seed_arg(E, &a->at[1], "a seed", &seed)) return POISON;
    d->seed = (uint64_t)seed;
    return (Value){.kind = V_DATA, .data = d};
  }
  if (!need_number(E, &a->at[1], "a share", &share)) return POISON;
  if (!(share > 0) || (share > 1 && share != (double)(int64_t)share)) {
    elab_error(E, CODE_out_of_range, a->at[1].at, "a share must be above 0 and at most 1, or a whole count, found %g", share);
    return POISON;
  }
  d->share = share;
  return (Value){.kind = V_DATA, .data = d};
}
