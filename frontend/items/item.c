/* What several items have: data that they stand on, options in braces. */
#include "frontend/builtin/builtin.h"
#include "frontend/items/items_priv.h"

#include <string.h>

/* Bytes: with what stands around it (`.12-NAME.safetensors.tmp-4194304`) no more than the 255 of file systems. */
enum { FILE_NAME = 200 };

void item_file_name(Elab *E, const char *name, Span at, const char *what) {
  const size_t n = strlen(name);
  if (n > FILE_NAME)
    elab_error(E, CODE_too_large, at, "the name of %s becomes a file name, of at most %d bytes, found %zu", what, FILE_NAME, n);
}

static bool placed(const Elab *E, const Data *d) {
  for (uint32_t i = 0; i < E->made.actions.n; i++)
    if (E->made.actions.at[i].kind == DO_DATA && E->made.actions.at[i].data == d) return true;
  return false;
}

static const Item *named_below(const Elab *E, const Data *d, Span at) {
  for (uint32_t i = 0; i < E->main->nglobal; i++) {
    const Global *g = &E->main->global[i];
    if (g->v.kind == V_DATA && g->v.data == d && g->item->name_at.begin > at.begin) return g->item;
  }
  return NULL;
}

bool item_place(Elab *E, Data *d, Span at) {
  if (!d->trained || placed(E, d)) return true;
  const Item *below = named_below(E, d, at);
  if (below) {
    DiagMsg *m = elab_error(E, CODE_made_below, at,
                            "`%s` is made below this line, with the parameters that its networks have there", below->name);
    elab_label(m, below->name_at, "made here");
    elab_help(m, "put data made by networks above the statements that read them, and below the `train` of the networks");
    return false;
  }
  item_file_name(E, d->name, d->at, "data that follow from parameters");
  if ((d->on && !item_place(E, d->on, at)) || (d->base && !item_place(E, d->base, at))) return false;
  *vec_push(&E->made.actions) = (Action){.kind = DO_DATA, .at = d->at, .data = d};
  return true;
}

void item_made(Elab *E, Value v, Span at) {
  if (v.kind == V_DATA) item_place(E, v.data, at);
}

void item_starts(Elab *E, const Item *it, Value v) {
  if (v.kind == V_POISON) return;
  if (v.kind != V_FUNC || v.func->kind != F_USER || !v.func->path) {
    elab_help(
        elab_error(E, CODE_start, it->from_at, "only an instance of a network can start from a file, found %s", value_kind(E, v)),
        "write `use f = mlp([32], 1) from \"weights.safetensors\"`");
    return;
  }
  const char *file = elab_file(E, it->from);
  *vec_push(&E->made.starts) = (Start){v.func->path, file, it->as, it->from_at};
  *vec_push(&E->made.files) = file;
}

Data *item_data(Elab *E, Root *root, const Item *it) {
  Data *d = elab_data_named(E, it->on, it->on_at);
  if (d && !item_place(E, d, it->on_at)) return NULL;
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
    const Global *g = hides ? NULL : module_find(E->main, r->name);
    if (g && !(g->module->std && builtin_statistic(E, r->name, NULL))) continue;
    if (!hides && builtin_value(E, r->name, &v) && !builtin_statistic(E, r->name, NULL)) continue;
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
