/* What several items have: data that they stand on, options in braces. */
#include "frontend/builtin/builtin.h"
#include "frontend/items/items_priv.h"

Data *item_data(Elab *E, Root *root, const Item *it) {
  Data *d = elab_data_named(E, it->on, it->on_at);
  if (d) data_scope(E, root, d, it->on_at);
  return d;
}

void item_reports(Elab *E, Root *root, bool hides) {
  Value v;
  root->stats = true;
  for (uint32_t i = 0; i < E->made.actions.n; i++) {
    const Action *a = &E->made.actions.at[i];
    Report *r = a->kind == DO_REPORT ? a->report : NULL;
    if (!r || frame_find(E->now->frame, r->name)) continue;
    if (!hides && (module_find(E->main, r->name) || builtin_value(E, r->name, &v))) continue;
    frame_define(E, r->name, a->at, r->fn ? (Value){.kind = V_REPORT, .report = r} : POISON, false);
  }
  frame_inner(E);
}

bool item_option_twice(Elab *E, const Item *it, const Arg *o) {
  const Arg *first = it->options;
  while (first != o && first->name != o->name) first = first->next;
  if (first != o) elab_label(elab_error(E, CODE_given_twice, o->name_at, "`%s` is given twice", o->name), first->name_at, "first");
  return first != o;
}
