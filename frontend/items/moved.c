/* Which parameters a training moves: all that the loss depends on, or those that `only` names. */
#include "frontend/builtin/builtin.h"
#include "frontend/items/items_priv.h"

#include <stdlib.h>
#include <string.h>

static bool under(const char *path, const char *prefix) {
  size_t n = strlen(prefix);
  return !strncmp(path, prefix, n) && (path[n] == 0 || path[n] == '/');
}

/* Whether some turn of a stack lies under the prefix. */
static bool turn_under(const Param *p, const char *prefix) {
  bool some = false;
  for (int64_t turn = 0; p->stacked && !some && turn < param_turns(p); turn++) {
    char *path = param_turn_path(p, turn);
    some = under(path, prefix);
    base_free(path);
  }
  return some;
}

static void one_turn(Elab *E, const char *path, const Param *p, Span at) {
  DiagMsg *m = elab_error(E, CODE_only, at, "`%s` is a part of `%s`, which is trained as a whole", path, p->path);
  elab_label(m, p->at, "in a comprehension");
  elab_help(
      m, "instances made by `for` or `repeat`, or in a list of networks `[mlp([32], 1) for k in 0:5]`, can be trained separately");
}

static bool in_moved(const Train *t, uint32_t p) {
  for (uint32_t i = 0; i < t->nmoved; i++)
    if (t->moved[i] == p) return true;
  return false;
}

/* Averages of means over the batch are parameters that nothing moves by a gradient. */
static bool is_average(const Elab *E, const Input *in) { return E->made.params.at[in->index].decay > 0; }

static void only_one(Elab *E, Train *t, Value v, Span at) {
  const char *path = v.kind == V_STRING ? v.string : v.kind == V_FUNC && v.func->kind == F_USER ? v.func->path : NULL;
  bool any = false, averages = false;
  if (v.kind == V_POISON) return;
  if (!path) {
    elab_error(E, CODE_only, at, "`only` takes networks, or paths of parameters as strings, found %s", value_kind(E, v));
    return;
  }
  for (uint32_t l = 0; l < t->nsum; l++) {
    const Fn *f = t->sum[l].loss;
    for (uint32_t i = 0; i < f->in.n; i++) {
      if (f->in.at[i].kind != IN_PARAM) continue;
      const Param *p = &E->made.params.at[f->in.at[i].index];
      if (!under(p->path, path)) {
        if (turn_under(p, path)) return one_turn(E, path, p, at);
        continue;
      }
      averages |= is_average(E, &f->in.at[i]);
      if (is_average(E, &f->in.at[i])) continue;
      any = true;
      if (!in_moved(t, f->in.at[i].index)) t->moved[t->nmoved++] = f->in.at[i].index;
    }
  }
  if (!any && averages)
    elab_help(elab_error(E, CODE_only, at, "`%s` is a `running` mean, which the optimizer does not move", path),
              "leave it out of `only`: a `running` mean follows the batch by itself");
  else if (!any) elab_error(E, CODE_only, at, "`%s` does not depend on parameters of `%s`", t->name, path);
}

void moved_only(Elab *E, Train *t, Value v, Span at) {
  t->nmoved = 0;
  if (v.kind == V_LIST)
    for (uint32_t i = 0; i < v.list.n; i++) only_one(E, t, v.list.at[i], at);
  else only_one(E, t, v, at);
  if (v.kind == V_LIST && v.list.n == 0) elab_error(E, CODE_only, at, "`only` selects nothing to train");
}

const char *moved_no_derivative(const Fn *f) {
  bool *from = base_realloc(NULL, f->inst.n);
  for (uint32_t id = 0; id < f->inst.n; id++)
    from[id] = f->inst.at[id].op == OP_in && f->in.at[ir_number(f, &f->inst.at[id])].kind == IN_PARAM;
  const char *what = elab_no_derivative(f, f->out.at[0], from);
  base_free(from);
  return what;
}

/* The parameters of one loss, those of the others before them; how many it has. */
static uint32_t add_moved(Elab *E, Train *t, const Fn *f) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < f->in.n; i++) {
    if (f->in.at[i].kind != IN_PARAM || is_average(E, &f->in.at[i])) continue;
    n++;
    if (!in_moved(t, f->in.at[i].index)) t->moved[t->nmoved++] = f->in.at[i].index;
  }
  return n;
}

void moved_all(Elab *E, Train *t, const Item *it) {
  uint32_t most = 1;
  for (uint32_t k = 0; k < t->nsum; k++) most += t->sum[k].loss->in.n;
  t->moved = ARENA_ARRAY(E->mem, uint32_t, most);
  const Summand *s = it->sum;
  for (uint32_t k = 0; k < t->nsum; k++, s = s->next) {
    const SumLoss *l = &t->sum[k];
    const uint32_t n = add_moved(E, t, l->loss);
    const char *what = moved_no_derivative(l->loss);
    if (what)
      elab_help(elab_error(E, CODE_no_derivative, s->name_at, "the loss `%s` goes through %s", l->name, what),
                "the states of `trajectory` and `integrate` have derivatives, with adaptive methods and with fixed steps");
    if (!n)
      elab_error(E, CODE_nothing_to_train, s->name_at, "the loss `%s` depends on no parameter: there is nothing to train", l->name);
  }
}
