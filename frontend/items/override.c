/* name=value of the command line: a constant's value, or an option of `train`. The text of the value is
 * parsed as a file of its own, so that messages show the override that they are about. */
#include "frontend/items/items_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Override {
  const char *name, *value; /* "n" and "5" */
  Expr *expr;
  Span name_at;
} Override;

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
  if (!m->ast->first || m->ast->first->kind != IT_CONST || m->ast->first->next) {
    elab_error(E, CODE_override, o->name_at, "`%s=%s` is no single value", o->name, o->value);
    return false;
  }
  o->expr = m->ast->first->value;
  return true;
}

static bool split(Elab *E, const char *text, Override *o) {
  const char *eq = strchr(text, '=');
  if (!eq || eq == text || !eq[1]) {
    uint32_t file = source_add(E->src, "command line", text, strlen(text));
    elab_help(elab_error(E, CODE_override, (Span){file, 0, (uint32_t)strlen(text)}, "`%s` is not of the form name=value", text),
              "`n=5`, `train.steps=100`");
    return false;
  }
  o->name = arena_strndup(E->mem, text, (size_t)(eq - text));
  o->value = arena_strdup(E->mem, eq + 1);
  return parse_value(E, o);
}

/* ---- constants --------------------------------------------------------------------------------------------
 */

static void override_const(Elab *E, const Override *o) {
  for (Item *it = E->main->ast->first; it; it = it->next) {
    if (it->kind != IT_CONST || strcmp(it->name, o->name) != 0) continue;
    it->value = o->expr;
    return;
  }
  DiagMsg *m = elab_error(E, CODE_override, o->name_at, "the file has no constant `%s`", o->name);
  if (train_option(o->name)) elab_help(m, "did you mean `train.%s=%s`?", o->name, o->value);
  else elab_suggest_item(E, m, o->name, 1u << IT_CONST);
}

/* ---- options of train ---------------------------------------------------------------------------------- */

static void drop_option(Item *it, const char *name) {
  for (Arg **a = &it->options; *a;)
    if (!strcmp((*a)->name, name)) *a = (*a)->next;
    else a = &(*a)->next;
}

static void set_option(Elab *E, Item *it, const char *name, const Override *o) {
  Arg *a = ARENA_NEW(E->mem, Arg);
  drop_option(it, name);
  if (!strcmp(name, "steps")) drop_option(it, "epochs");
  if (!strcmp(name, "epochs")) drop_option(it, "steps");
  *a = (Arg){.next = it->options, .name = intern(E->m->names, name), .name_at = o->name_at, .value = o->expr};
  it->options = a;
}

static void override_train(Elab *E, const Override *o) {
  const char *rest = o->name + strlen("train."), *dot = strchr(rest, '.');
  const char *loss = dot ? arena_strndup(E->mem, rest, (size_t)(dot - rest)) : NULL, *known[64];
  uint32_t n = 0;
  bool any = false;
  for (Item *it = E->main->ast->first; it; it = it->next) {
    if (it->kind != IT_TRAIN) continue;
    bool meant = !loss;
    for (const Summand *s = it->sum; s; s = s->next) {
      if (!s->name) continue;
      if (n < 64) known[n++] = s->name;
      meant |= loss && !strcmp(loss, s->name);
    }
    if (!meant) continue;
    set_option(E, it, dot ? dot + 1 : rest, o);
    any = true;
  }
  if (any) return;
  if (loss && n) elab_suggest(elab_error(E, CODE_override, o->name_at, "the file trains no `%s`", loss), loss, known, n);
  else elab_error(E, CODE_override, o->name_at, "`%s`: the file trains nothing", o->name);
}

void override_apply(Elab *E) {
  for (uint32_t i = 0; i < E->o->noverride; i++) {
    Override o = {0};
    if (!split(E, E->o->override_[i], &o)) continue;
    if (!strncmp(o.name, "train.", 6)) override_train(E, &o);
    else override_const(E, &o);
  }
}
