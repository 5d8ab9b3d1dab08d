/* How much a file may take while it is elaborated: expressions evaluated, static elements made, operations written out. All
 * loops, functions and calls of the file count together. Who goes beyond is told which loop, or else which function, took most
 * of it, and elaboration stops: what comes behind would only say the same.
 *
 * What a function of the top level gives of numbers alone is paid once: masks and tables of a layer are the same in all its instances.
 * Kept are results that are numbers too, of calls that emitted, drew and made nothing, and that took long enough to be worth it. */
#include "frontend/elab/elab_priv.h"

#include <inttypes.h>
#include <string.h>

static Spent spent(const Elab *E) { return (Spent){E->budget.evaluated, E->budget.written + E->now->level->fn->inst.n}; }

void loop_begin(Elab *E, Loop *l, Span at, const char *what, int64_t turns) {
  *l = (Loop){.up = E->now->loop, .at = at, .what = what, .turns = turns, .before = spent(E)};
  E->now->loop = l;
}

void loop_end(Elab *E, const Loop *l) { E->now->loop = l->up; }

Spent elab_spent(const Elab *E) { return spent(E); }

/* Most of what was written, or evaluated, came since then. */
static bool heavy(const Elab *E, Spent before, bool written) {
  const Spent now = spent(E);
  return written ? now.written - before.written >= now.written / 2 : now.evaluated - before.evaluated >= now.evaluated / 2;
}

static const Loop *heavy_loop(const Elab *E, bool written) {
  const Loop *most = NULL;
  for (const Loop *l = E->now->loop; l; l = l->up)
    if (heavy(E, l->before, written)) most = l;
  return most;
}

/* Where the work came in several runs, none of which did most: the loop that runs. */
static const Loop *outermost(const Elab *E) {
  const Loop *l = E->now->loop;
  while (l && l->up) l = l->up;
  return l;
}

static const Call *heavy_call(const Elab *E, bool written) {
  const Call *most = NULL;
  for (const Call *c = E->now->calls; c; c = c->up)
    if (heavy(E, c->before, written)) most = c;
  return most;
}

/* `for i`, 1000 turns of 20 of `for j`, and so on inwards. */
static const char *turns_text(Elab *E, const Loop *inner, const Loop *outer) {
  if (inner == outer) return arena_printf(E->mem, "%" PRId64 " turn%s", outer->turns, outer->turns == 1 ? "" : "s");
  const char *around = turns_text(E, inner->up, outer);
  return arena_printf(E->mem, "%s, with %" PRId64 " of %s in each", around, inner->turns, inner->what);
}

static void tell_loops(Elab *E, DiagMsg *m, const Loop *outer) {
  diag_label(m, outer->at, "%s", turns_text(E, E->now->loop, outer));
  if (outer->maps)
    diag_help(m, "values that depend only on the indices of comprehensions are computed at compile time, for each turn");
  else
    diag_help(m, "such a loop runs at compile time, turn by turn; `iterate(f, x, steps = n)` and `[... for k in a:b]` are loops at "
                 "run time");
}

static void tell(Elab *E, bool written, uint64_t most) {
  const Loop *loop = heavy_loop(E, written);
  const Call *call = loop ? NULL : heavy_call(E, written);
  if (!loop && !call) loop = outermost(E);
  const char *who = loop ? loop->what : call ? arena_printf(E->mem, "`%s`", call->of->name) : "this";
  const Span at = loop ? loop->at : call ? call->of->item->name_at : E->now->level->b.at;
  DiagMsg *m = written
                   ? diag_add(E->diag, CODE_too_large, at, "%s makes a function of more than %" PRIu64 " operations", who, most)
                   : diag_add(E->diag, CODE_too_large, at, "%s takes more than %" PRIu64 " evaluations at compile time", who, most);
  if (loop) tell_loops(E, m, loop);
  else if (call) diag_help(m, "functions are expanded at each call; to use a value twice, name it with `let`");
}

bool elab_spend(Elab *E, uint64_t n) {
  if (E->budget.over) return false;
  E->budget.evaluated += n;
  const Spent now = spent(E);
  const bool one = E->now->level->fn->inst.n > ELAB_INSTS, all = now.written > ELAB_WRITTEN,
             long_ = now.evaluated > ELAB_EVALUATIONS;
  if (!one && !all && !long_) return true;
  E->budget.over = true;
  tell(E, one || all, one ? ELAB_INSTS : all ? ELAB_WRITTEN : ELAB_EVALUATIONS);
  return false;
}

/* Calls are counted apart: each costs more than what it spends. */
bool elab_expand(Elab *E, Global *g, Span at) {
  g->expansions++;
  if (E->budget.over || E->budget.expansions++ < ELAB_EXPANSIONS) return !E->budget.over;
  const Global *most = g;
  for (const Module *m = E->modules; m; m = m->next)
    for (uint32_t i = 0; i < m->nglobal; i++)
      if (m->global[i].expansions > most->expansions) most = &m->global[i];
  E->budget.over = true;
  const Loop *loop = heavy_loop(E, false);
  DiagMsg *m =
      diag_add(E->diag, CODE_too_large, loop ? loop->at : at, "this file expands to more than %d calls", (int)ELAB_EXPANSIONS);
  diag_label(m, most->item->name_at, "expanded %u times", most->expansions);
  if (loop) tell_loops(E, m, loop);
  else diag_help(m, "functions are expanded at each call; to use a value twice, name it with `let`");
  return false;
}

void elab_tell(const Elab *E, const char *what, const char *name, Span at) {
  if (E->o->at) E->o->at(E->o->ctx, what, name, at);
}

bool elab_affords(Elab *E, const Fn *f, Span at) {
  const double cost = ir_eval_cost(f, 0);
  if (cost <= ELAB_COST) return true;
  elab_help(elab_error(E, CODE_too_large, at, "this takes %.2g operations at compile time, more than the limit of %.2g", cost,
                       (double)ELAB_COST),
            "in a `fn`, if it depends on an argument, it is computed at run time");
  return false;
}

/* ---- results that are kept ------------------------------------------------------------------------------------- */

enum { KEPT_WORTH = 200, KEPT_MOST = 64 }; /* evaluations; results, of which the oldest is forgotten */

typedef struct KeptCall {
  const Item *item;
  Actuals given;
  bool exact;
  Value result;
} KeptCall;

struct KeptCalls {
  uint32_t n, last;
  KeptCall at[KEPT_MOST];
};

static bool plain(Value v) { return v.kind == V_NUM || v.kind == V_BOOL || v.kind == V_ARRAY; }

/* To the bit: 0 and -0 are two numbers, and so are .5 exactly and .5 by rounding. */
static bool same(Value a, Value b) {
  if (a.kind != b.kind) return false;
  if (a.kind == V_NUM) return !memcmp(&a.num, &b.num, sizeof a.num);
  if (a.kind == V_BOOL) return a.b == b.b;
  const Array *x = a.array, *y = b.array;
  return x == y || (x->rank == y->rank && x->truth == y->truth && !memcmp(x->dim, y->dim, sizeof *x->dim * x->rank) &&
                    !memcmp(x->at, y->at, sizeof *x->at * x->n));
}

static bool answers(const Elab *E, const KeptCall *k, const Func *f, const Actuals *a) {
  bool all = k->item == f->item && k->given.n == a->n && k->exact == E->now->exact;
  for (uint32_t i = 0; i < a->n && all; i++) all = k->given.at[i].name == a->at[i].name && same(k->given.at[i].v, a->at[i].v);
  return all;
}

KeptMark kept_begin(Elab *E, const Func *f, const Actuals *a, Value *result) {
  bool numbers = f->item->kind == IT_FN && !f->targs && !f->path && !f->home && !f->onnx && a->n;
  for (uint32_t i = 0; i < a->n && numbers; i++) numbers = plain(a->at[i].v);
  const Fn *fn = E->now->level->fn;
  for (uint32_t k = 0; numbers && E->kept && k < E->kept->n; k++)
    if (answers(E, &E->kept->at[k], f, a)) return *result = E->kept->at[k].result, (KeptMark){.found = true};
  return (KeptMark){.keep = numbers,
                    .spent = E->budget.evaluated,
                    .inst = fn->inst.n,
                    .sites = E->now->root->sites,
                    .params = E->made.params.n,
                    .met = E->met};
}

void kept_end(Elab *E, const Func *f, const Actuals *a, KeptMark m, Value result) {
  if (!m.keep || !plain(result) || E->budget.evaluated - m.spent < KEPT_WORTH || E->now->level->fn->inst.n != m.inst ||
      E->now->root->sites != m.sites || E->made.params.n != m.params || E->met != m.met)
    return;
  if (!E->kept) E->kept = ARENA_NEW(E->mem, struct KeptCalls);
  struct KeptCalls *all = E->kept;
  Actual *at = ARENA_ARRAY(E->mem, Actual, a->n);
  memcpy(at, a->at, sizeof *at * a->n);
  all->at[all->last] = (KeptCall){f->item, {at, a->n, a->call, a->callee}, E->now->exact, result};
  all->last = (all->last + 1) % KEPT_MOST;
  if (all->n < KEPT_MOST) all->n++;
}
