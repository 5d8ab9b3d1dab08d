/* Names: frames of local ones, then the module's own items, then what it imports, then the language's.
 * Constants and instances are evaluated when first asked for, in a scope of their own. */
#include "frontend/builtin/builtin.h"
#include "frontend/elab/elab_priv.h"
#include "frontend/local/local.h"
#include "frontend/syntax/synonym.h"

#include <stdlib.h>
#include <string.h>

Frame *frame_push(Elab *E, Frame *up, Module *m) {
  Frame *f = E->free_frames;
  if (f) {
    E->free_frames = f->up;
    f->up = up, f->module = m;
    return E->now->frame = f;
  }
  f = ARENA_NEW(E->mem, Frame);
  f->up = up;
  f->module = m;
  f->next_all = E->all_frames;
  E->all_frames = f;
  E->now->frame = f;
  return f;
}

void frame_inner(Elab *E) { frame_push(E, E->now->frame, E->now->frame->module); }

void frame_pop(Elab *E) {
  Frame *f = E->now->frame;
  E->now->frame = f->up;
  f->entries.n = 0;
  index_free(&f->index);
  f->up = E->free_frames;
  E->free_frames = f;
}

/* From so many names on a frame has an index. */
enum { MANY_NAMES = 16 };

/* The one defined last. */
static Entry *entry_of(const Frame *f, const char *name) {
  if (f->index.n) {
    const uint32_t *i = index_find(&f->index, index_name(name));
    return i ? &f->entries.at[*i] : NULL;
  }
  for (uint32_t i = f->entries.n; i-- > 0;)
    if (f->entries.at[i].name == name) return &f->entries.at[i];
  return NULL;
}

Entry *frame_find(Frame *f, const char *name) {
  for (; f; f = f->up) {
    Entry *e = entry_of(f, name);
    if (e) return e;
  }
  return NULL;
}

static void entry_index(Frame *f) {
  const uint32_t n = f->entries.n;
  for (uint32_t i = n > MANY_NAMES ? n - 1 : 0; n >= MANY_NAMES && i < n; i++)
    index_put(&f->index, index_name(f->entries.at[i].name), i);
}

Entry *frame_define(Elab *E, const char *name, Span at, Value v, bool var) {
  Frame *f = E->now->frame;
  Entry *old = entry_of(f, name);
  if (old && strcmp(name, "_") != 0) {
    DiagMsg *m = elab_error(E, CODE_defined_twice, at, "`%s` is defined twice here", name);
    elab_label(m, old->at, "first");
    if (old->argument) elab_help(m, "`%s` is an argument: take another name, `%s %s1 = ...`", name, var ? "var" : "let", name);
    else if (!var) elab_help(m, "for a value that changes, write `var %s`, then `%s = ...`", name, name);
    old->v = v;
    old->var |= var;
    return old;
  }
  *vec_push(&f->entries) = (Entry){.name = name, .v = v, .at = at, .var = var, .level = E->now->level};
  entry_index(f);
  return &f->entries.at[f->entries.n - 1];
}

typedef struct Copies {
  struct Copies *next;
  Frame *in;
} Copies;

void entry_take(Elab *E, Frame *to, Entry *e, const Item *it) {
  Entry copy = *e;
  Copies *c = ARENA_NEW(E->mem, Copies);
  *c = (Copies){e->copies, to};
  e->copies = c;
  copy.taken = it, copy.copies = NULL;
  *vec_push(&to->entries) = copy;
  entry_index(to);
}

void entry_changed(Entry *e) {
  for (const Copies *c = e->copies; c; c = c->next) {
    Entry *copy = entry_of(c->in, e->name);
    copy->changed = true;
    entry_changed(copy);
  }
  e->copies = NULL;
}

static Global *own_global(Module *m, const char *name) {
  const uint32_t *i = index_find(&m->index, index_name(name));
  return i ? &m->global[*i] : NULL;
}

Global *module_find(Module *m, const char *name) {
  Global *g = own_global(m, name);
  for (uint32_t k = m->nimport; !g && k-- > 0;) g = own_global(m->import[k], name);
  return g;
}

/* ---- unknown names --------------------------------------------------------------------------------- */

static bool broken_in(const Ast *ast, const char *name) {
  for (uint32_t i = 0; ast && i < ast->nbroken; i++)
    if (ast->broken[i] == name) return true;
  return false;
}

bool elab_broken(const Elab *E, const char *name) {
  const Module *m = E->now->frame->module;
  bool broken = broken_in(m->ast, name);
  for (uint32_t k = 0; k < m->nimport; k++) broken |= broken_in(m->import[k]->ast, name);
  return broken;
}

static void fields_help(Elab *E, DiagMsg *m, const Data *d) {
  enum { MOST = 12 };
  const char *s = "";
  for (uint32_t i = 0; i < d->nfield && i < MOST; i++) s = arena_printf(E->mem, "%s%s`%s`", s, i ? ", " : "", d->field[i].name);
  if (d->nfield) elab_help(m, "`%s` has the field%s %s%s", d->name, d->nfield == 1 ? "" : "s", s, d->nfield > MOST ? ", ..." : "");
}

/* ωt, where ω and t are known: `ω*t`; NULL if it is none such. Of a long name nothing is tried: each place costs its length. */
static const char *as_product(Elab *E, const char *name) {
  enum { LONGEST = 64 };
  if (strlen(name) > LONGEST) return NULL;
  for (size_t i = 1; name[i]; i++) {
    if (((unsigned char)name[i] & 0xc0) == 0x80 || (name[i] >= '0' && name[i] <= '9')) continue;
    const char *a = intern_n(E->m->names, name, i), *b = intern(E->m->names, name + i);
    if (a != b && elab_known(E, a, false) && elab_known(E, b, false)) return arena_printf(E->mem, "%s*%s", a, b);
  }
  return NULL;
}

/* Where nothing stands on data: the program of the file that yields the name. */
static bool field_of(Elab *E, DiagMsg *m, const char *name) {
  if (!E->now->root || E->now->root->data || E->now->yield) return false;
  for (const Item *it = E->main->ast->first; it; it = it->next)
    for (const Stmt *s = it->kind == IT_DATA && it->body ? it->body->first : NULL; s; s = s->next)
      for (const Arg *a = s->kind == ST_YIELD ? s->names : NULL; a; a = a->next)
        if (a->name == name) {
          elab_help(m, "it is a field of `%s`: use it in a report, plot or save `on` its data, or as an argument of a loss",
                    it->name);
          return true;
        }
  return false;
}

/* A statement behind the place that defines the name, in the same body or in one around. */
static const Arg *defined_below(const Block *b, const char *name, Span at) {
  if (!b || b->at.file != at.file || b->at.begin > at.begin || b->at.end < at.end) return NULL;
  for (const Stmt *s = b->first; s; s = s->next) {
    const Arg *found = defined_below(s->item ? s->item->body : s->body, name, at);
    const bool defines = s->kind == ST_LET || s->kind == ST_VAR || s->kind == ST_USE || s->kind == ST_PARAM || s->kind == ST_DEFINE;
    for (const Arg *a = defines ? s->names : NULL; a && !found; a = a->next)
      if (a->name == name && a->name_at.begin > at.begin) found = a;
    if (found) return found;
  }
  return NULL;
}

static bool below(Elab *E, DiagMsg *m, const char *name, Span at) {
  const Arg *a = NULL;
  for (const Item *it = E->now->frame->module->ast->first; it && !a; it = it->next) a = defined_below(it->body, name, at);
  if (!a) return false;
  elab_label(m, a->name_at, "defined here");
  elab_help(m, "a name is known only after its definition: move the definition up");
  return true;
}

/* A report of the file: above, it is known to items alone. */
static bool is_report(Elab *E, DiagMsg *m, const char *name) {
  for (const Item *it = E->main->ast->first; it; it = it->next) {
    if (it->kind != IT_REPORT || it->name != name) continue;
    bool above = false;
    for (uint32_t i = 0; i < E->made.actions.n; i++)
      above |= E->made.actions.at[i].kind == DO_REPORT && E->made.actions.at[i].report->name == name;
    elab_label(m, it->name_at, "this is a report");
    if (above) elab_help(m, "only reports, expectations and plots below it can read it: pass it to a function as an argument");
    else elab_help(m, "reports are made from top to bottom: move it above this line");
    return true;
  }
  return false;
}

bool elab_unknown_first(Elab *E, const char *name) {
  if (E->now->failed) return true;
  for (uint32_t i = 0; i < E->unknown.n; i++)
    if (E->unknown.at[i] == name) return false;
  *vec_push(&E->unknown) = name;
  return true;
}

static bool is_type(const char *name) {
  static const char *const types[] = {"real", "bool", "string", "float", "double", "str"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (!strcmp(name, types[i])) return true;
  return false;
}

void elab_unknown(Elab *E, const char *name, Span at) {
  E->met++;
  if (elab_broken(E, name) || E->now->frame->module->lacking || strchr(name, '\'') || !elab_unknown_first(E, name))
    return; /* x': see tokens.c */
  VEC(const char *) known = {0};
  for (Frame *f = E->now->frame; f; f = f->up)
    for (uint32_t i = 0; i < f->entries.n; i++)
      if (f->entries.at[i].v.kind != V_POISON) *vec_push(&known) = f->entries.at[i].name;
  Module *m = E->now->frame->module;
  for (uint32_t i = 0; i < m->nglobal; i++) *vec_push(&known) = m->global[i].name;
  for (uint32_t k = 0; k < m->nimport; k++)
    for (uint32_t i = 0; i < m->import[k]->nglobal; i++) *vec_push(&known) = m->import[k]->global[i].name;
  vec_reserve(&known, 256);
  known.n += builtin_names(known.at + known.n, 256);
  DiagMsg *msg = elab_error(E, CODE_undefined, at, "`%s` is not defined", name);
  const char *twin = synonym_letter(name, known.at, known.n);
  const char *product = twin ? NULL : as_product(E, name), *library = twin || product ? NULL : module_of_library(name);
  if (twin) elab_help(msg, "did you mean `%s`?", twin);
  else if (product) elab_help(msg, "a product needs `*`: `%s`", product);
  else if (below(E, msg, name, at) || field_of(E, msg, name) || is_report(E, msg, name)) {
  } else if (library) elab_help(msg, "write `import \"%s\"`, which defines it", library);
  else if (!strcmp(name, "e")) elab_help(msg, "`exp(x)` is e^x");
  else if (is_type(name))
    elab_help(msg, "write a type after `:`, as in `x: real`; there are no conversions: every number is a real");
  else if (!strcmp(name, "index"))
    elab_help(msg, "`index`, the number of a draw, exists only in its data program: `yield x, k = index` makes it a field");
  else elab_suggest(msg, name, known.at, known.n);
  if (E->now->root && E->now->root->data) fields_help(E, msg, E->now->root->data);
  vec_free(&known);
}

void elab_suggest_item(Elab *E, DiagMsg *m, const char *name, unsigned kinds) {
  const Module *in = E->now->frame->module;
  VEC(const char *) known = {0};
  for (uint32_t i = 0; i < in->nglobal; i++)
    if (kinds >> in->global[i].item->kind & 1) *vec_push(&known) = in->global[i].name;
  elab_suggest(m, name, known.at, known.n);
  vec_free(&known);
}

bool elab_known(Elab *E, const char *name, bool builtins) {
  Value v;
  return frame_find(E->now->frame, name) || module_find(E->now->frame->module, name) || (builtins && builtin_value(E, name, &v));
}

bool elab_defined(Elab *E, const char *name, Span *at) {
  const Entry *e = frame_find(E->now->frame, name);
  const Global *g = e ? NULL : module_find(E->now->frame->module, name);
  if (e) *at = e->at;
  if (g) *at = g->item->name_at;
  return e || g;
}

/* ---- globals ---------------------------------------------------------------------------------------- */

static Value item_func(Elab *E, Global *g) {
  Func *f = ARENA_NEW(E->mem, Func);
  *f = (Func){.kind = F_USER, .name = g->name, .item = g->item, .module = g->module, .global = g};
  f->bound = !g->item->templated;
  if ((g->item->kind == IT_NET || g->item->kind == IT_FLOW) && f->bound) {
    f->path = g->name;
    instance_add(E, (Instance){.path = g->name, .func = f, .module = g->module, .at = g->item->name_at});
  }
  return value_func(f);
}

static Value evaluate(Elab *E, Global *g) {
  Scratch s;
  scratch_begin(E, &s);
  Value v = g->item->kind == IT_USE ? elab_use_value(E, g->item->value, g->name) : elab_expr(E, g->item->value);
  v = scratch_end(E, &s, v, g->item->value ? g->item->value->at : g->item->at);
  if (v.kind == V_NONE) v = POISON;
  return v;
}

Value global_value(Elab *E, Global *g, Span use) {
  if (g->state == G_DONE) return g->v;
  if (g->state == G_BUSY) {
    elab_label(elab_error(E, CODE_recursion, use, "`%s` is defined in terms of itself", g->name), g->item->name_at, "defined here");
    return POISON;
  }
  g->state = G_BUSY;
  Context c;
  context_alone(E, &c, g->module);
  Body *b = context_body(&c, g->name);
  b->top = true, b->constant = g->item->kind == IT_CONST;
  switch (g->item->kind) {
  case IT_CONST:
  case IT_USE: g->v = evaluate(E, g); break;
  case IT_FN:
  case IT_HAMILTONIAN:
  case IT_NET:
  case IT_FLOW:
  case IT_LOSS: g->v = item_func(E, g); break;
  case IT_DATA: g->v = data_item(E, g, use); break;
  default: g->v = POISON; break;
  }
  context_pop(E, &c);
  g->state = G_DONE;
  return g->v;
}

Value elab_name(Elab *E, const char *name, Span at) {
  Entry *e = frame_find(E->now->frame, name);
  if (e) {
    if (e->changed) return local_changed(E, e, at);
    if (e->v.kind == V_FIELD) return elab_value(E, elab_field(E, e->v.field, at));
    return e->v;
  }
  Global *g = module_find(E->now->frame->module, name);
  if (g) {
    Value v = global_value(E, g, at);
    return E->now->exact && g->item->kind == IT_CONST && !exact_value(v) ? exact_const(E, g) : v;
  }
  Value v;
  if (builtin_value(E, name, &v)) return v;
  elab_unknown(E, name, at);
  return POISON;
}
