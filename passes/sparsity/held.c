/* What may be held constant where only some elements of a Jacobian are asked for.
 *
 * The derivative of e by x is a sum over the ways from x to e, and one way leads over one user of each value. Where all the ways
 * over a user miss the elements that are asked for, the value counts as constant for that user, and nothing behind is
 * differentiated for its sake: a masked autoregressive network x -> s(x), of which element i reads those before i, has no
 * part in the diagonal of x exp(s(x)).
 *
 * Of values with several users each is tried, those nearest to x first. The search is bounded (by work that is counted);
 * what it does not get to stays as it is. */
#include "passes/sparsity/pattern_priv.h"
#include "passes/sparsity/sparsity.h"

#include <stdlib.h>
#include <string.h>

enum { SEARCH = 4 * SPARSITY_WORK };

typedef struct Holding {
  const Fn *f;
  Val e, x;
  const Pattern *needed;
  Search all;
  SearchFrame plain, left; /* with nothing held; with what is held so far */
  bool *need;              /* by id: between x and e, or beside */
  int64_t budget;          /* for trials */
  uint32_t *stamp, now;    /* by column of x */
  uint32_t *first, *user;  /* value id has the users user[first[id]] ... in the cone, a row each */
  Held *held;
} Holding;

/* The same elements without a derivative. */
static Deps constant(Search *p, Deps d, int64_t n) {
  if (d.same) return sparsity_deps_same(p, d.id[0] == SET_ZERO ? SET_ZERO : SET_NONE);
  Deps out = sparsity_deps_new(p, n);
  for (int64_t k = 0; k < n; k++) out.id[k] = d.id[k] == SET_ZERO ? SET_ZERO : SET_NONE;
  return sparsity_deps_close(out, n);
}

static bool moves(Deps d, int64_t n) {
  for (int64_t k = 0; k < (d.same ? 1 : n); k++)
    if (d.id[k] >= SET_FIRST) return true;
  return false;
}

static int64_t count(const Holding *h, uint32_t id) { return type_count(h->f->inst.at[id].type); }

/* ---- one user ------------------------------------------------------------------------------------------------- */

/* A column for each element of the value but those that are 0. */
static Deps fresh(const Holding *h, Search *p, uint32_t value) {
  Deps d = sparsity_deps_columns(p), of = h->plain.val[value];
  for (uint32_t k = 0; k < p->sets.ncol; k++)
    if (sparsity_deps_at(of, k) == SET_ZERO) d.id[k] = SET_ZERO;
  return d;
}

/* Rows of e by elements of the value, by way of the user alone. False: given up. */
static bool ways(Holding *h, SearchFrame *fr, HeldUse use) {
  bool *behind = base_zeroed((size_t)h->e.id + 1, sizeof *behind), ok = true;
  fr->val[use.value] = fresh(h, fr->search, use.value);
  for (uint32_t id = use.user; id <= h->e.id && ok; id++) {
    const Inst *i = &h->f->inst.at[id];
    behind[id] = id == use.user;
    for (uint32_t k = 0; k < i->nargs && h->need[id]; k++) behind[id] |= behind[ir_arg(h->f, i, k).id];
    if (!behind[id]) continue;
    for (uint32_t k = 0; k < i->nargs; k++) {
      const uint32_t a = ir_arg(h->f, i, k).id;
      const bool own = a == use.value && id == use.user;
      if (i->op == OP_proj || behind[a] || own || (fr->val[a].id && a != use.value)) continue;
      fr->val[a] = constant(fr->search, h->plain.val[a], count(h, a));
    }
    ok = sparsity_visit(fr, id);
  }
  base_free(behind);
  return ok;
}

/* A needed element of row i is by one of these elements of the value. */
static bool meets(Holding *h, uint32_t i, uint32_t set, const Sets *of, uint32_t value) {
  uint32_t n, m;
  const uint32_t *element = sparsity_set_columns(of, set, &n);
  h->now++;
  for (uint32_t k = h->needed->start[i]; k < h->needed->start[i + 1]; k++) h->stamp[h->needed->col[k]] = h->now;
  for (uint32_t k = 0; k < n; k++) {
    const uint32_t *column = sparsity_set_columns(&h->all.sets, sparsity_deps_at(h->left.val[value], element[k]), &m);
    h->budget -= m + 1;
    for (uint32_t c = 0; c < m; c++)
      if (h->stamp[column[c]] == h->now) return true;
  }
  return false;
}

static bool may_be_held(Holding *h, HeldUse use) {
  Search p = {.mem = arena_create(), .limit = h->budget};
  sparsity_set_init(&p.sets, (uint32_t)count(h, use.value));
  p.sets.work = h->f->inst.n / 8;
  SearchFrame fr = sparsity_frame(&p, h->f);
  bool free = ways(h, &fr, use);
  for (uint32_t i = 0; free && i < h->needed->rows; i++) {
    const uint32_t set = sparsity_deps_at(fr.val[h->e.id], i);
    free = h->budget > 0 && (set < SET_FIRST || !meets(h, i, set, &p.sets, use.value));
  }
  h->budget -= p.sets.work;
  sparsity_set_finish(&p.sets);
  arena_destroy(p.mem);
  return free;
}

/* ---- all users --------------------------------------------------------------------------------------------------- */

static bool repeats(const Fn *f, const Inst *i, uint32_t k) {
  for (uint32_t j = 0; j < k; j++)
    if (ir_arg(f, i, j).id == ir_arg(f, i, k).id) return true;
  return false;
}

static void find_users(Holding *h) {
  const Fn *f = h->f;
  uint32_t n = 0;
  h->first = base_zeroed((size_t)h->e.id + 2, sizeof *h->first);
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t id = 1; id <= h->e.id; id++)
      for (uint32_t k = 0; h->need[id] && id != h->x.id && k < f->inst.at[id].nargs; k++) {
        const uint32_t a = ir_arg(f, &f->inst.at[id], k).id;
        if (repeats(f, &f->inst.at[id], k)) continue;
        if (pass) h->user[h->first[a]++] = id;
        else h->first[a + 1]++, n++;
      }
    for (uint32_t id = 1; id <= h->e.id && !pass; id++) h->first[id + 1] += h->first[id];
    if (!pass) h->user = base_realloc(NULL, sizeof *h->user * ((size_t)n + 1));
  }
  memmove(h->first + 1, h->first, sizeof *h->first * (h->e.id + 1)); /* filled, first[id] has become first[id + 1] */
  h->first[0] = 0;
}

static void try_users(Holding *h, uint32_t value) {
  const uint32_t from = h->first[value], to = h->first[value + 1];
  for (uint32_t k = from; k < to && to - from > 1 && h->budget > 0; k++) {
    const HeldUse use = {h->user[k], value};
    if (may_be_held(h, use)) *vec_push(&h->held->use) = use;
  }
}

/* Visits an instruction, for which some of its operands are constants. */
static bool visit_holding(Holding *h, uint32_t id) {
  VEC(Deps) kept = {0};
  for (uint32_t k = 0; k < h->held->use.n; k++) {
    const HeldUse u = h->held->use.at[k];
    if (u.user != id) continue;
    *vec_push(&kept) = h->left.val[u.value];
    h->left.val[u.value] = constant(&h->all, h->left.val[u.value], count(h, u.value));
  }
  bool ok = sparsity_visit(&h->left, id);
  for (uint32_t k = 0, n = 0; k < h->held->use.n; k++)
    if (h->held->use.at[k].user == id) h->left.val[h->held->use.at[k].value] = kept.at[n++];
  vec_free(&kept);
  return ok;
}

static int by_user(const void *a, const void *b) {
  const HeldUse *x = a, *y = b;
  return x->user != y->user ? (x->user > y->user) - (x->user < y->user) : (x->value > y->value) - (x->value < y->value);
}

static bool search(Holding *h) {
  if (!sparsity_walk(&h->plain, h->e, h->x)) return false;
  for (uint32_t id = 1; id <= h->e.id; id++) {
    if (!h->need[id]) continue;
    if (id == h->x.id) h->left.val[id] = sparsity_deps_columns(&h->all);
    else if (!visit_holding(h, id)) return false;
    if (h->f->inst.at[id].type.dt == DT_REAL && id != h->e.id && moves(h->left.val[id], count(h, id))) try_users(h, id);
  }
  if (h->held->use.n) qsort(h->held->use.at, h->held->use.n, sizeof *h->held->use.at, by_user);
  return true;
}

bool sparsity_hold(const Fn *f, Val e, Val x, const Pattern *needed, Held *held, Pattern *left) {
  Holding h = {.f = f, .e = e, .x = x, .needed = needed, .budget = SEARCH, .held = held};
  h.all = (Search){.mem = arena_create(), .limit = SEARCH};
  *held = (Held){0};
  sparsity_set_init(&h.all.sets, needed->cols);
  h.plain = sparsity_frame(&h.all, f);
  h.left = sparsity_frame(&h.all, f);
  h.need = sparsity_cone(f, e, x);
  find_users(&h);
  h.stamp = base_zeroed((size_t)needed->cols + 1, sizeof *h.stamp);
  bool found = search(&h) && sparsity_rows(&h.all.sets, h.left.val[e.id], needed->rows, left);
  if (!found) vec_free(&held->use);
  base_free(h.stamp);
  base_free(h.need);
  base_free(h.first);
  base_free(h.user);
  sparsity_set_finish(&h.all.sets);
  arena_destroy(h.all.mem);
  return found;
}
