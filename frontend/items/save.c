/* save name = { key = expression, ... } on data: an array for each key, samples first; without data the arrays as they are. */
#include "frontend/builtin/builtin.h"
#include "frontend/items/items_priv.h"

#include <stdlib.h>

enum { SAVE_ARRAYS = 256 }; /* of one item */

/* A truth value is computed as 0 or 1, and written as what it is. */
bool item_array(Elab *E, const char *name, Value v, Span at, Save *s, uint32_t k) {
  Type t;
  if (v.kind == V_POISON || v.kind == V_NONE) return false;
  if (!value_type(v, &t)) {
    DiagMsg *m = elab_error(E, CODE_wrong_kind, at, "`%s` must be one array, found %s", name, value_kind(E, v));
    if (v.kind == V_TUPLE) elab_help(m, "give each value its own key, or unpack it in a block with `let (a, b) = ...`");
    else if (v.kind == V_FUNC) elab_help(m, "call the function to get a value: `%s(...)`", v.func->name);
    return false;
  }
  Build *b = elab_at(E, at);
  Val x = elab_tensor(E, v, at);
  s->truth[k] = t.dt == DT_BOOL;
  if (s->truth[k]) x = ir_indicator(b, x);
  ir_output(b, s->data ? ir_spread(b, x) : x, name);
  s->key[k] = name;
  return true;
}

bool item_arrays(Elab *E, const Item *it, Save *s) {
  uint32_t n = 0;
  for (const Arg *o = it->options; o; o = o->next) n++;
  if (n > SAVE_ARRAYS) {
    elab_error(E, CODE_too_large, it->name_at, "a `save` has at most %d arrays, found %u", SAVE_ARRAYS, n);
    return false;
  }
  if (!n && !it->broken)
    elab_help(elab_error(E, CODE_missing_argument, it->name_at, "`save %s` has nothing to save", it->name),
              "write `save %s = { x = x, energy = H(q, p) } on data`", it->name);
  s->key = ARENA_ARRAY(E->mem, const char *, n + 1);
  s->truth = ARENA_ARRAY(E->mem, bool, n + 1);
  bool good = n > 0 && !it->broken;
  uint32_t k = 0;
  for (const Arg *o = it->options; o; o = o->next)
    if (item_option_twice(E, it, o)) good = false;
    else {
      item_file_name(E, o->name, o->name_at, "a saved array");
      good &= item_array(E, o->name, elab_expr(E, o->value), o->value->at, s, k++);
    }
  return good;
}

void save_item(Elab *E, const Item *it) {
  Context c;
  Root root;
  Save *s = ARENA_NEW(E->mem, Save);
  *s = (Save){.name = it->name};
  context_alone(E, &c, E->main);
  context_body(&c, it->name);
  root_begin(E, &root, it->name, E->m->f64, it->on != NULL);
  root.no_draws = "a `save` cannot draw: draw in `data`, and save `on` it";
  item_reports(E, &root, false);
  bool good = !it->on || (s->data = item_data(E, &root, it));
  item_file_name(E, it->name, it->name_at, "a `save`");
  good = good && item_arrays(E, it, s);
  if (good) s->fn = root_end_of_reports(E, &root, &s->use, &s->nuse);
  else root_drop(E, &root);
  *vec_push(&E->made.actions) = (Action){.kind = DO_SAVE, .at = it->at, .save = s};
  context_pop(E, &c);
}
