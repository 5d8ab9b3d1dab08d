/* Sparsity of loops: turn by turn, until nothing changes any more. */
#include "passes/sparsity/pattern_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Loop {
  SearchFrame *fr;
  const Inst *i;
  const Fn *body;
  ScanShape sh;
  Deps *in, *out, *carry; /* of one turn; the carries at hand */
} Loop;

static Type in_type(const Loop *l, uint32_t k) { return l->body->in.at[k].type; }

static Deps turn_of(Loop *l, uint32_t k, int64_t turn) {
  Deps x = sparsity_deps_of(l->fr, l->i, k);
  if (x.same) return x;
  int64_t n = type_count(in_type(l, k));
  return sparsity_deps_close((Deps){x.id + turn * n, false}, n);
}

static bool equal(Deps a, Deps b, int64_t n) {
  for (int64_t k = 0; k < (a.same && b.same ? 1 : n); k++)
    if (sparsity_deps_at(a, k) != sparsity_deps_at(b, k)) return false;
  return true;
}

static Deps both(Loop *l, Deps a, Deps b, int64_t n) {
  if (equal(a, b, n)) return a;
  Deps out = sparsity_deps_new(l->fr->search, n);
  for (int64_t k = 0; k < n; k++)
    out.id[k] = sparsity_set_union(&l->fr->search->sets, sparsity_deps_at(a, k), sparsity_deps_at(b, k));
  return sparsity_deps_close(out, n);
}

/* Every turn sees the same of the sequences. */
static bool steady(Loop *l) {
  for (uint32_t k = l->sh.carry; k < l->sh.carry + l->sh.xs; k++)
    if (!sparsity_deps_of(l->fr, l->i, k).same) return false;
  return true;
}

/* One turn; *changed: a carry is another. False: given up. */
static bool run_turn(Loop *l, int64_t turn, bool *changed) {
  const ScanShape *sh = &l->sh;
  *changed = false;
  for (uint32_t k = 0; k < l->i->nargs; k++)
    l->in[k] = k < sh->carry ? l->carry[k] : k < sh->carry + sh->xs ? turn_of(l, k, turn) : sparsity_deps_of(l->fr, l->i, k);
  if (!sparsity_run(l->fr->search, l->body, l->in, l->out)) return false;
  for (uint32_t k = 0; k < sh->carry; k++) {
    int64_t n = type_count(in_type(l, k));
    if (sh->converge) l->out[k] = both(l, l->out[k], l->carry[k], n);
    *changed = *changed || !equal(l->out[k], l->carry[k], n);
    l->carry[k] = l->out[k];
  }
  return true;
}

static void keep_turn(Loop *l, Deps *result, int64_t turn) {
  for (uint32_t k = l->sh.carry; k < l->body->out.n; k++) {
    int64_t n = type_count(ir_type(l->body, l->body->out.at[k]));
    if (k >= l->sh.carry + l->sh.ys) result[k] = both(l, result[k], l->out[k], n);
    else
      for (int64_t e = 0; e < n; e++) result[k].id[turn * n + e] = sparsity_deps_at(l->out[k], e);
  }
}

static bool run_turns(Loop *l, Deps *result) {
  bool still = steady(l), changed = true;
  for (int64_t s = 0; s < l->sh.n; s++) {
    int64_t turn = l->sh.reverse ? l->sh.n - 1 - s : s;
    if ((changed || !still) && !run_turn(l, turn, &changed)) return false;
    keep_turn(l, result, turn);
  }
  return true;
}

bool sparsity_loop(SearchFrame *fr, const Inst *i, Deps *result) {
  Loop l = {.fr = fr, .i = i, .body = ir_body(fr->f, i), .sh = ir_scan_shape(fr->f, i)};
  Search *p = fr->search;
  l.in = ARENA_ARRAY(p->mem, Deps, i->nargs + 1);
  l.out = ARENA_ARRAY(p->mem, Deps, l.body->out.n + 1);
  l.carry = ARENA_ARRAY(p->mem, Deps, l.sh.carry + 1);
  for (uint32_t k = 0; k < l.sh.carry; k++) l.carry[k] = sparsity_deps_of(fr, i, k);
  for (uint32_t k = l.sh.carry; k < l.body->out.n; k++) {
    int64_t n = type_count(ir_type(l.body, l.body->out.at[k]));
    if (p->sets.work + n * l.sh.n > p->limit) return false;
    result[k] = k < l.sh.carry + l.sh.ys ? sparsity_deps_new(p, n * l.sh.n) : sparsity_deps_same(p, SET_ZERO);
  }
  if (!run_turns(&l, result)) return false;
  for (uint32_t k = 0; k < l.body->out.n; k++) {
    if (k < l.sh.carry) result[k] = l.carry[k];
    else if (k < l.sh.carry + l.sh.ys)
      result[k] = sparsity_deps_close(result[k], type_count(ir_type(l.body, l.body->out.at[k])) * l.sh.n);
  }
  return true;
}
