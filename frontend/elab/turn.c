/* Instances in the turns of comprehensions.
 *
 * A template that is called in a comprehension is an instance of its own in each turn. The body is elaborated once
 * all the same: the parameters of all turns are one, *stacked* on a first axis for each comprehension around, which
 * its loop walks along. The path says so: `f.0:5` stands for f.0 ... f.4. In several comprehensions the numbers count
 * all turns, those of the innermost fastest.
 *
 * Turns whose instances differ in shape cannot be stacked. What finds that asks for the comprehension to be
 * unrolled, and goes on with poison; the comprehension then takes back what was made and elaborates turn by turn. */
#include "frontend/elab/elab_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- which turns --------------------------------------------------------------------------------------- */

Level *const *turns_here(Elab *E, uint32_t *n) {
  const Body *b = E->now->body;
  uint32_t more = 0;
  for (Level *l = E->now->level; l && l != b->base; l = l->up) more += l->n > 0;
  *n = b->nstack + more;
  if (!more) return b->stack;
  Level **stack = ARENA_ARRAY(E->mem, Level *, *n);
  if (b->nstack) memcpy(stack, b->stack, sizeof *stack * b->nstack);
  uint32_t k = *n;
  for (Level *l = E->now->level; l && l != b->base; l = l->up)
    if (l->n > 0) stack[--k] = l, l->owns = true;
  return stack;
}

const char *turns_path(Elab *E, const char *name, Level *const *stack, uint32_t nstack) {
  Body *b = E->now->body;
  uint32_t i = 0;
  uint64_t turns = 1;
  for (uint32_t k = b->nstack; k < nstack; k++) turns *= stack[k]->n;
  while (i < b->counts.n && b->counts.at[i].name != name) i++;
  if (i == b->counts.n) *vec_push(&b->counts) = (Count){name, 0};
  uint32_t first = b->counts.at[i].n;
  if (turns > ELAB_TURNS) turns = ELAB_TURNS; /* too large, which is said of its parameters */
  b->counts.at[i].n += (uint32_t)turns;
  if (nstack == b->nstack) return arena_printf(E->mem, "%s/%s.%u", b->path, name, first);
  return arena_printf(E->mem, "%s/%s.%u:%u", b->path, name, first, first + (uint32_t)turns);
}

int64_t turns_elements(Type one, Level *const *stack, uint32_t nstack) {
  double n = (double)type_count(one);
  for (uint32_t k = 0; k < nstack; k++) n *= stack[k]->n;
  return n < 1e18 ? (int64_t)n : INT64_MAX;
}

bool turns_type(Type one, Level *const *stack, uint32_t nstack, Type *out) {
  uint32_t dim[IR_MAX_RANK];
  if (one.rank + nstack > IR_MAX_RANK) return false;
  for (uint32_t k = 0; k < nstack; k++) dim[k] = stack[k]->n;
  memcpy(dim + nstack, one.dim, sizeof *dim * one.rank);
  *out = type_real(false, (int)(nstack + one.rank), dim);
  return true;
}

/* ---- turns one by one ---------------------------------------------------------------------------------- */

void turns_unroll_stack(Level *const *stack, uint32_t nstack) {
  for (uint32_t k = 0; k < nstack; k++) stack[k]->unroll = true;
}

bool turns_int(Value v, int64_t *out) {
  int64_t other;
  if (v.kind != V_TURNS) return value_is_int(v, out);
  if (!turns_int(v.turns.at[0], out)) return false;
  for (uint32_t t = 1; t < v.turns.level->n; t++)
    if (!turns_int(v.turns.at[t], &other) || other != *out) return false;
  return true;
}

static bool inside(const Elab *E, const Level *of) {
  const Level *l = E->now->level;
  while (l && l != of) l = l->up;
  return l != NULL;
}

bool turns_unroll(Elab *E, Value v) {
  return v.kind == V_TURNS && v.turns.level->owns && inside(E, v.turns.level) && (v.turns.level->unroll = true);
}

bool turns_write_out(Elab *E, Value v) {
  return v.kind == V_TURNS && v.turns.level->n <= TURNS_WRITTEN && inside(E, v.turns.level) && (v.turns.level->unroll = true);
}

/* ---- taking back --------------------------------------------------------------------------------------- */

struct LevelMark {
  Level *level;
  uint32_t inst, pool, attr, in, sub, table, captures, walked, keys;
  Val turn;
};

TurnsMark turns_mark(Elab *E) {
  const Body *b = E->now->body;
  TurnsMark m = {.ncount = b->counts.n,
                 .nused = b->used.n,
                 .nparams = E->made.params.n,
                 .root_params = E->now->root->params.n,
                 .sites = E->now->root->sites,
                 .sparse = E->now->root->sparse.n,
                 .uses = E->now->root->uses.n};
  for (Level *l = E->now->level; l; l = l->up) m.nlevel++;
  m.level = ARENA_ARRAY(E->mem, struct LevelMark, m.nlevel);
  struct LevelMark *k = m.level;
  for (Level *l = E->now->level; l; l = l->up) {
    const Fn *f = l->fn;
    *k++ = (struct LevelMark){l,          f->inst.n,     f->pool.n,   f->attr.n, f->in.n, f->sub.n,
                              f->table.n, l->captures.n, l->walked.n, l->keys.n, l->turn};
  }
  m.count = ARENA_ARRAY(E->mem, Count, m.ncount + 1);
  if (m.ncount) memcpy(m.count, b->counts.at, sizeof *m.count * m.ncount);
  return m;
}

static void forget_fields(Root *r, uint32_t inst) {
  if (r->index.id >= inst) r->index = VAL_NONE;
  for (uint32_t k = 0; r->data && k < r->data->nfield; k++)
    if (r->field[k].id >= inst) r->field[k] = VAL_NONE;
}

/* All of these only grow, and what is older refers to nothing that came later. */
void turns_undo(Elab *E, const TurnsMark *m) {
  Body *b = E->now->body;
  for (uint32_t k = 0; k < m->nlevel; k++) {
    const struct LevelMark *x = &m->level[k];
    Fn *f = x->level->fn;
    f->inst.n = x->inst, f->pool.n = x->pool, f->attr.n = x->attr, f->in.n = x->in, f->sub.n = x->sub;
    f->table.n = x->table;
    x->level->captures.n = x->captures, x->level->walked.n = x->walked, x->level->keys.n = x->keys;
    x->level->turn = x->turn;
  }
  forget_fields(E->now->root, m->level[m->nlevel - 1].inst);
  E->made.params.n = m->nparams;
  E->now->root->params.n = m->root_params;
  E->now->root->sites = m->sites;
  E->now->root->sparse.n = m->sparse;
  E->now->root->uses.n = E->now->root->used.n = m->uses;
  b->counts.n = m->ncount;
  if (m->ncount) memcpy(b->counts.at, m->count, sizeof *m->count * m->ncount);
  b->used.n = m->nused;
}

/* ---- parameters of a stack: each turn has one ---------------------------------------------------------- */

int64_t param_turns(const Param *p) {
  int64_t n = 1;
  for (uint32_t k = 0; k < p->stacked; k++) n *= p->type.dim[k];
  return n;
}

int64_t model_params(const Model *m) {
  int64_t n = 0;
  for (uint32_t k = 0; k < m->nparam; k++) n += param_turns(&m->param[k]);
  return n;
}

Type param_turn_type(const Param *p) { return type_real(false, (int)(p->type.rank - p->stacked), p->type.dim + p->stacked); }

/* The next range `a:b` at or behind s, and where it ends; NULL if there is none. */
static const char *next_range(const char *s, int64_t *a, int64_t *b, const char **end) {
  const char *colon = strchr(s, ':'), *begin = colon;
  if (!colon) return NULL;
  while (begin > s && begin[-1] >= '0' && begin[-1] <= '9') begin--;
  char *stop;
  *a = strtoll(begin, NULL, 10);
  *b = strtoll(colon + 1, &stop, 10);
  *end = stop;
  return begin;
}

/* No number is longer than the range that it comes from. */
char *param_turn_path(const Param *p, int64_t turn) {
  int64_t left = param_turns(p), a, b;
  const char *at = p->path, *begin, *end;
  size_t size = strlen(p->path) + 1, n = 0;
  char *path = base_realloc(NULL, size);
  for (; p->stacked && (begin = next_range(at, &a, &b, &end)); at = end) {
    left /= b - a;
    n += (size_t)snprintf(path + n, size - n, "%.*s%lld", (int)(begin - at), at, (long long)(a + turn / left));
    turn %= left;
  }
  snprintf(path + n, size - n, "%s", at);
  return path;
}
