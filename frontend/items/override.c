/* name=value of the command line. A name is a path into the file: `n` a constant, `train.steps` an option of every training,
 * `train.fit.steps` of those of one loss, `drawn.count` an argument of what a `use` or a `data` calls, `phase.samples` an option of a plot; what
 * follows goes on into the call that stands there, `train.optimizer.lr`, `train.fit.schedule.warmup`. The value takes its place in the
 * tree, and what it means is found out where the tree is read. Its text is parsed as a file of its own, so that messages show the
 * override that they are about. */
#include "frontend/builtin/builtin.h"
#include "frontend/items/items_priv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct Override {
  const char *name, *value; /* "n" and "5" */
  Expr *expr;
  Span name_at;
} Override;

/* "nan", "-NaN" */
static bool is_nan(const char *value) { return !strcasecmp(value + strspn(value, "+- "), "nan"); }

static bool parse_value(Elab *E, Override *o) {
  const char *text = arena_printf(E->mem, "%s=%s", o->name, o->value), *dot = strrchr(o->name, '.');
  uint32_t file = source_add(E->src, "command line", text, strlen(text));
  int before = diag_errors(E->diag);
  Module *m = ARENA_NEW(E->mem, Module);
  m->ast = ast_parse_const(E->src, file, dot ? (uint32_t)(dot + 1 - o->name) : 0, E->m->names, E->diag);
  m->next = E->modules;
  E->modules = m;
  o->name_at = m->ast->first ? m->ast->first->name_at : (Span){file, 0, (uint32_t)strlen(o->name)};
  if (diag_errors(E->diag) > before) return false;
  if (is_nan(o->value))
    return elab_error(E, CODE_override, o->name_at, "`%s=%s`: a value must be a number, not NaN", o->name, o->value), false;
  if (!m->ast->first || m->ast->first->kind != IT_CONST || m->ast->first->next) {
    elab_error(E, CODE_override, o->name_at, "`%s=%s` is not a single value", o->name, o->value);
    return false;
  }
  o->expr = m->ast->first->value;
  return true;
}

static bool refused(Elab *E, const char *text, const char *what) {
  const uint32_t n = (uint32_t)strlen(text);
  elab_help(elab_error(E, CODE_override, (Span){source_add(E->src, "command line", text, n), 0, n}, "`%s` is not %s", text, what),
            "write overrides as `n=5`, `train.steps=100`, `train.optimizer.lr=1e-3`");
  return false;
}

static bool split(Elab *E, const char *text, Override *o) {
  const char *eq = strchr(text, '=');
  if (!eq || eq == text || !eq[1]) return refused(E, text, "of the form name=value");
  o->name = arena_strndup(E->mem, text, (size_t)(eq - text));
  o->value = arena_strdup(E->mem, eq + 1);
  if (*o->name == '.' || eq[-1] == '.' || strstr(o->name, "..")) return refused(E, text, "a path of names");
  return parse_value(E, o);
}

/* ---- constants --------------------------------------------------------------------------------------------
 */

/* An option of `train`, or of what stands at one: said with its path. */
static bool mean_train(DiagMsg *m, const Override *o, const char *name) {
  const char *in = train_option(name) ? "" : option_within(name);
  if (in) elab_help(m, "did you mean `train.%s%s%s=%s`?", in, *in ? "." : "", name, o->value);
  return in != NULL;
}

static void override_const(Elab *E, const Override *o) {
  for (Item *it = E->main->ast->first; it; it = it->next) {
    if (it->kind != IT_CONST || strcmp(it->name, o->name) != 0) continue;
    it->value = o->expr;
    return;
  }
  DiagMsg *m = elab_error(E, CODE_override, o->name_at, "the file has no constant `%s`", o->name);
  if (!mean_train(m, o, o->name)) elab_suggest_item(E, m, o->name, 1u << IT_CONST);
}

/* ---- calls ------------------------------------------------------------------------------------------------ */

/* The place of a name among the arguments that a call could give by place; -1: none. */
static int place_of(Elab *E, const Expr *callee, const char *name) {
  const OptionRow *row = callee->kind == EX_NAME ? option_row(callee->name) : NULL;
  const Global *g = callee->kind == EX_NAME ? module_find(E->main, callee->name) : NULL;
  int k = 0;
  if (g) {
    for (const Formal *f = g->item->templated ? g->item->tformals : g->item->formals; f; f = f->next, k++)
      if (!strcmp(f->name, name)) return k;
    return -1;
  }
  return row ? option_place(row->name, name) : -1;
}

/* The argument of this name in a call, made if it is not there. */
static Arg *argument_of(Elab *E, Expr *call, const char *name, Span at) {
  const int place = place_of(E, call->a, name);
  Arg **end = &call->args;
  int k = 0;
  for (; *end; end = &(*end)->next, k++)
    if ((*end)->name ? !strcmp((*end)->name, name) : k == place) return *end;
  *end = ARENA_NEW(E->mem, Arg);
  **end = (Arg){.name = intern(E->m->names, name), .name_at = at};
  call->nargs++;
  return *end;
}

/* `adam` becomes `adam()`. NULL: nothing is called there. */
static Expr *as_call(Elab *E, Expr *e) {
  if (!e || e->kind == EX_CALL) return e;
  if (e->kind != EX_NAME) return NULL;
  Expr *call = ARENA_NEW(E->mem, Expr);
  *call = (Expr){.kind = EX_CALL, .at = e->at, .a = e};
  return call;
}

/* Puts the value at the path `rest` under what stands in *e; false: nothing is called at `where`. */
static bool set_below(Elab *E, Expr **e, const char *rest, const Override *o, const char **where) {
  const char *dot = strchr(rest, '.'), *name = dot ? arena_strndup(E->mem, rest, (size_t)(dot - rest)) : rest;
  Expr *call = as_call(E, *e);
  if (!call) return false;
  *e = call;
  Arg *a = argument_of(E, call, name, o->name_at);
  *where = name;
  if (dot) return set_below(E, &a->value, dot + 1, o, where);
  a->value = o->expr;
  if (a->name) a->name_at = o->name_at;
  return true;
}

static void calls_nothing(Elab *E, const Override *o, const char *where) {
  elab_error(E, CODE_override, o->name_at, "`%s`: `%s` has no options of its own", o->name, where);
}

/* ---- options of train and plot ---------------------------------------------------------------------------------- */

static void drop_option(Item *it, const char *name) {
  for (Arg **a = &it->options; *a;)
    if (!strcmp((*a)->name, name)) *a = (*a)->next;
    else a = &(*a)->next;
}

static Arg *option_of(Elab *E, Item *it, const char *name, Span at) {
  for (Arg *a = it->options; a; a = a->next)
    if (!strcmp(a->name, name)) return a;
  Arg *a = ARENA_NEW(E->mem, Arg);
  *a = (Arg){.next = it->options, .name = intern(E->m->names, name), .name_at = at};
  return it->options = a;
}

/* What an option has where the file does not give it, so that its own can be set. */
static Expr *usual(Elab *E, const char *option, Span at) {
  const char *word = !strcmp(option, "optimizer") ? "adam" : !strcmp(option, "schedule") ? "constant" : NULL;
  if (!word) return NULL;
  Expr *e = ARENA_NEW(E->mem, Expr);
  *e = (Expr){.kind = EX_NAME, .at = at, .name = intern(E->m->names, word)};
  return e;
}

/* rest: "steps", "optimizer.lr". */
static void set_option(Elab *E, Item *it, const char *rest, const Override *o) {
  const char *dot = strchr(rest, '.'), *name = dot ? arena_strndup(E->mem, rest, (size_t)(dot - rest)) : rest, *where = name;
  if (!dot && !strcmp(name, "steps")) drop_option(it, "epochs");
  if (!dot && !strcmp(name, "epochs")) drop_option(it, "steps");
  Arg *a = option_of(E, it, name, o->name_at);
  if (!dot) a->value = o->expr, a->name_at = o->name_at;
  else {
    if (!a->value) a->value = usual(E, name, o->name_at);
    if (a->value ? !set_below(E, &a->value, dot + 1, o, &where) : train_option(name)) calls_nothing(E, o, where);
    if (!a->value) drop_option(it, name);
  }
}

static bool trains(const Item *it, const char *loss) {
  for (const Summand *s = it->sum; s; s = s->next)
    if (s->name && !strcmp(s->name, loss)) return true;
  return false;
}

/* What stands first may be a loss of some training; else an option of all. */
static void override_train(Elab *E, const Override *o) {
  const char *rest = o->name + strlen("train."), *dot = strchr(rest, '.'), *known[64];
  const char *first = dot ? arena_strndup(E->mem, rest, (size_t)(dot - rest)) : NULL;
  uint32_t n = 0;
  bool any = false, of_loss = false;
  for (const Item *it = E->main->ast->first; it; it = it->next) {
    if (it->kind != IT_TRAIN) continue;
    any = true;
    of_loss |= first && trains(it, first);
    for (const Summand *s = it->sum; s && n < 64; s = s->next)
      if (s->name) known[n++] = s->name;
  }
  if (!any) elab_error(E, CODE_override, o->name_at, "`%s`: the file trains nothing", o->name);
  else if (!first && !train_option(rest) && option_within(rest))
    mean_train(elab_error(E, CODE_override, o->name_at, "`train` has no option `%s`", rest), o, rest);
  else if (first && !of_loss && !train_option(first)) {
    DiagMsg *m = elab_error(E, CODE_override, o->name_at, "the file trains no `%s`, and `train` has no such option", first);
    elab_suggest(m, first, known, n);
    elab_help(m, "the file trains %s; options of `train`: %s", option_listed(E, known, n), train_options(E));
  } else
    for (Item *it = E->main->ast->first; it; it = it->next)
      if (it->kind == IT_TRAIN && (!of_loss || trains(it, first))) set_option(E, it, of_loss ? dot + 1 : rest, o);
}

/* ---- what else has a name ------------------------------------------------------------------------------------------ */

static void override_item(Elab *E, const Override *o) {
  const char *dot = strchr(o->name, '.'), *name = arena_strndup(E->mem, o->name, (size_t)(dot - o->name)), *where = name,
             *train = "train";
  for (Item *it = E->main->ast->first; it; it = it->next) {
    if (!it->name || strcmp(it->name, name) != 0) continue;
    if (it->kind == IT_PLOT) return set_option(E, it, dot + 1, o);
    if ((it->kind != IT_USE && it->kind != IT_DATA) || !it->value) continue;
    if (!set_below(E, &it->value, dot + 1, o, &where)) calls_nothing(E, o, where);
    return;
  }
  DiagMsg *m = elab_error(E, CODE_override, o->name_at, "`%s`: the file has no `use`, `data` or `plot` named `%s`", o->name, name);
  if (train_option(name)) elab_help(m, "did you mean `train.%s=%s`?", o->name, o->value);
  else if (diag_nearest(name, &train, 1)) elab_help(m, "did you mean `train%s=%s`?", dot, o->value);
  else elab_suggest_item(E, m, name, 1u << IT_USE | 1u << IT_DATA | 1u << IT_PLOT);
}

void override_apply(Elab *E) {
  for (uint32_t i = 0; i < E->o->noverride; i++) {
    Override o = {0};
    if (!split(E, E->o->override_[i], &o)) continue;
    if (!strncmp(o.name, "train.", 6)) override_train(E, &o);
    else if (strchr(o.name, '.')) override_item(E, &o);
    else override_const(E, &o);
  }
}
