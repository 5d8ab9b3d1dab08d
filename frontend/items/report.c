/* report and expect. */
#include "frontend/builtin/builtin.h"
#include "frontend/items/items_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- report -------------------------------------------------------------------------------------------- */

/* Of a report: its statistics stand in reports.json. */
enum { MOST_ELEMENTS = 1 << 16 };

static bool report_value(Elab *E, const Item *it, Value v) {
  Type t;
  if (v.kind == V_POISON || v.kind == V_NONE) return false;
  const bool tensor = value_type(v, &t), numeric = value_numeric(v);
  if (numeric && type_count(t) >= 1 && type_count(t) <= MOST_ELEMENTS) return true;
  if (numeric) {
    elab_help(elab_error(E, CODE_too_large, it->value->at, "a report has 1 to %d elements, found %lld", (int)MOST_ELEMENTS,
                         (long long)type_count(t)),
              "`save name = { x = ... }` writes arrays of any size");
    return false;
  }
  DiagMsg *m = elab_error(E, CODE_wrong_kind, it->value->at, "the report `%s` needs a number, a vector or a matrix, found %s",
                          it->name, value_kind(E, v));
  if (tensor) elab_help(m, "`where(..., 1, 0)` turns it into a number");
  return false;
}

static void report_fn(Elab *E, const Item *it, Root *root, Value v, Report *r) {
  Val out = elab_tensor(E, v, it->value->at);
  if (r->data) out = ir_spread(elab_at(E, it->value->at), out);
  ir_output(elab_at(E, it->value->at), out, it->name);
  r->fn = root_end_of_reports(E, root, &r->use, &r->nuse);
}

/* After an error it has no function, and its name is known to expects. */
void report_item(Elab *E, const Item *it) {
  Context c;
  Root root;
  context_alone(E, &c, E->main);
  context_body(&c, it->name);
  root_begin(E, &root, it->name, E->m->f64, it->on != NULL);
  root.no_draws = "a report cannot draw: draw in `data`, and report `on` it";
  item_reports(E, &root, false);
  Data *d = it->on ? item_data(E, &root, it) : NULL;
  Value v = it->on && !d ? POISON : elab_expr(E, it->value);
  Report *r = ARENA_NEW(E->mem, Report);
  *r = (Report){.name = it->name, .data = d};
  if (report_value(E, it, v)) report_fn(E, it, &root, v, r);
  else root_drop(E, &root);
  *vec_push(&E->made.actions) = (Action){.kind = DO_REPORT, .at = it->at, .report = r};
  context_pop(E, &c);
}

/* ---- expect -----------------------------------------------------------------------------------------------
 */

static bool is_condition(Elab *E, const Item *it, Value v) {
  Type t;
  if (v.kind == V_POISON || v.kind == V_NONE) return false;
  if (value_type(v, &t) && t.dt == DT_BOOL && t.rank == 0) return true;
  DiagMsg *m = elab_error(E, CODE_not_condition, it->value->at, "`expect` needs a condition, found %s", value_kind(E, v));
  if (value_type(v, &t) && t.dt == DT_BOOL)
    elab_help(m, "write one truth value: `expect maxabs(name - [1, 2]) < 1e-3`, `expect name[0] < 1`");
  else elab_help(m, "write `expect max(name) < 1e-3`");
  return false;
}

static void add_expect(Elab *E, const Item *it, Root *root, Value v) {
  Expect *x = ARENA_NEW(E->mem, Expect);
  Val out = elab_tensor(E, v, it->value->at);
  ir_output(elab_at(E, it->value->at), out, "holds");
  x->text = arena_strdup(E->mem, it->text ? it->text : "");
  x->fn = root_end_of_reports(E, root, &x->use, &x->nuse);
  *vec_push(&E->made.actions) = (Action){.kind = DO_EXPECT, .at = it->at, .expect = x};
}

void expect_item(Elab *E, const Item *it) {
  Context c;
  Root root;
  context_alone(E, &c, E->main);
  context_body(&c, "expect");
  root_begin(E, &root, "expect", true, false);
  root.no_params = "an `expect` compares reports";
  root.no_draws = "an `expect` compares reports";
  item_reports(E, &root, true);
  Value v = elab_expr(E, it->value);
  if (is_condition(E, it, v)) add_expect(E, it, &root, v);
  else root_drop(E, &root);
  context_pop(E, &c);
}
