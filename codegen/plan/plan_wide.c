/* Loops over elements whose vectors run along the elements (shared values, and functions that run one sample at a
 * time): which groups can be such loops, and where the loop has to be cut because what is read changes there. */
#include "codegen/plan/plan.h"

#include <stdlib.h>
#include <string.h>

typedef struct Walk {
  PlanCuts *cuts;
  uint64_t *seen; /* a hash table of value << 32 | shift: what was found to be readable */
  uint32_t nseen, size;
  bool fusing; /* what other groups compute counts as in memory: it will be, if the loops are joined */
  int64_t n;   /* positions of the loop */
} Walk;

static bool readable(Walk *w, const Plan *p, uint32_t group, Val v, int64_t shift);

static int64_t inner(Type t) { return t.rank && t.dim[0] ? type_count(t) / t.dim[0] : 1; }

static uint64_t *seen_at(const Walk *w, uint64_t key) {
  uint32_t k = (uint32_t)((key ^ key >> 29) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
  while (w->seen[k & (w->size - 1)] && w->seen[k & (w->size - 1)] != key) k++;
  return &w->seen[k & (w->size - 1)];
}

/* Whether this is the first time. */
static bool first_seen(Walk *w, Val v, int64_t shift) {
  uint64_t key = (uint64_t)v.id << 32 | (uint32_t)shift;
  if (w->nseen * 2 >= w->size) {
    uint64_t *old = w->seen;
    uint32_t n = w->size;
    w->size = n ? n * 2 : 64;
    w->seen = base_zeroed(w->size, sizeof *w->seen);
    for (uint32_t k = 0; k < n; k++)
      if (old[k]) *seen_at(w, old[k]) = old[k];
    base_free(old);
  }
  uint64_t *at = seen_at(w, key);
  if (*at) return false;
  *at = key, w->nseen++;
  return true;
}

/* Position `at` of a value that is read at position i + shift begins something new. */
static bool cut(Walk *w, int64_t at) {
  PlanCuts *c = w->cuts;
  int k = 0;
  if (at <= 0 || at >= w->n) return true;
  while (k < c->n && c->at[k] < at) k++;
  if (k < c->n && c->at[k] == at) return true;
  if (c->n == PLAN_CUTS) return false;
  memmove(c->at + k + 1, c->at + k, sizeof *c->at * (size_t)(c->n - k));
  c->at[k] = at, c->n++;
  return true;
}

static bool readable_view(Walk *w, const Plan *p, uint32_t group, const Inst *i, int64_t shift) {
  Val x = ir_arg(p->f, i, 0);
  switch (i->op) {
  case OP_id:
  case OP_spread:
  case OP_barrier:
  case OP_reshape: return readable(w, p, group, x, shift);
  case OP_expand: return ir_type(p->f, x).rank == 0;
  case OP_slice:
    if (ir_slice_attr(p->f, i).axis != 0 || ir_slice_attr(p->f, i).step != 1) return false;
    return readable(w, p, group, x, shift + ir_slice_attr(p->f, i).start * inner(i->type));
  default: return false;
  }
}

static bool readable_concat(Walk *w, const Plan *p, uint32_t group, const Inst *i, int64_t shift) {
  int64_t at = 0;
  if (ir_concat_attr(p->f, i).axis != 0) return false;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val a = ir_arg(p->f, i, k);
    if (!cut(w, at - shift) || !readable(w, p, group, a, shift - at)) return false;
    at += type_count(ir_type(p->f, a));
  }
  return true;
}

static bool readable_unslice(Walk *w, const Plan *p, uint32_t group, const Inst *i, int64_t shift) {
  Val x = ir_arg(p->f, i, 0);
  if (ir_unslice_attr(p->f, i).axis != 0 || ir_unslice_attr(p->f, i).step != 1 || ir_type(p->f, x).dim[0] == 0) return false;
  int64_t at = ir_unslice_attr(p->f, i).start * inner(i->type), end = at + type_count(ir_type(p->f, x));
  return cut(w, at - shift) && cut(w, end - shift) && readable(w, p, group, x, shift - at);
}

/* Rows of a series are read at the places of the result. */
static bool series_in_memory(Walk *w, const Plan *p, uint32_t group, const Inst *i) {
  for (uint32_t k = 0; k < 2; k++) {
    const Val r = plan_root(p, ir_arg(p->f, i, k));
    if (r.id != ir_arg(p->f, i, k).id || !readable(w, p, group, r, 0)) return false;
  }
  return true;
}

static bool readable_point(Walk *w, const Plan *p, uint32_t group, Val v, int64_t shift) {
  const Inst *i = ir_inst(p->f, v);
  const Group *own = p->group.at[p->val[v.id].group];
  if (own->main.id == v.id) return own->gemv && shift == 0;
  if (!first_seen(w, v, shift)) return true;
  if (i->op == OP_concat) return readable_concat(w, p, group, i, shift);
  if (i->op == OP_unslice) return readable_unslice(w, p, group, i, shift);
  if (i->op == OP_cauchy) return shift == 0 && plan_cauchy_plain(p->f, i) && series_in_memory(w, p, group, i);
  if (!ir_elementwise(i->op)) return false;
  for (uint32_t k = 0; k < i->nargs; k++)
    if (!readable(w, p, group, ir_arg(p->f, i, k), shift)) return false;
  return true;
}

/* True if v can be read at row-major positions i + shift, ... one after the other, for each i of the loop. */
static bool readable(Walk *w, const Plan *p, uint32_t group, Val v, int64_t shift) {
  const PVal *q = &p->val[v.id];
  if (q->alias) v.id = q->alias, q = &p->val[v.id];
  const Inst *i = ir_inst(p->f, v);
  if (i->type.rank == 0) return true;
  switch (q->cls) {
  case PC_CONST:
  case PC_TABLE:
  case PC_IOTA:
  case PC_BUF:
  case PC_SSA: return true;
  case PC_IN: return !i->type.lane || p->form.single;
  case PC_VIEW: return readable_view(w, p, group, i, shift);
  case PC_UP: {
    if (!first_seen(w, v, 0)) return true;
    Walk up = {.cuts = &(PlanCuts){0}, .fusing = w->fusing}; /* of what is read at a place that turns choose */
    bool ok = readable(&up, p->up, 0, ir_arg(p->up->f, ir_inst(p->up->f, p->call), ir_number(p->f, i)), 0);
    base_free(up.seen);
    return ok;
  }
  case PC_POINT: return (q->group != group && (q->stored || w->fusing)) || readable_point(w, p, group, v, shift);
  default: return false;
  }
}

bool plan_along(const Plan *p) { return p->form.vl == 1 && p->form.wide > 1 && (p->form.single || !p->lane); }

bool plan_wide_fused(const Plan *p, uint32_t group, const Val *v, uint32_t n) {
  Walk w = {.cuts = &(PlanCuts){0}, .fusing = true};
  bool ok = true;
  for (uint32_t k = 0; ok && k < n; k++) w.n = type_count(ir_type(p->f, v[k])), ok = readable(&w, p, group, v[k], 0);
  base_free(w.seen);
  return ok;
}

bool plan_wide(const Plan *p, uint32_t group, PlanCuts *cuts) {
  const Group *g = p->group.at[group];
  int64_t n = 1;
  *cuts = (PlanCuts){0};
  if ((g->kind != G_LOOP && !g->gemv) || p->form.wide < 2 || (g->lane && !p->form.single)) return false;
  for (uint32_t k = 0; k < g->rank; k++) n *= g->dim[k];
  Walk w = {.cuts = cuts, .n = n};
  bool ok = n > 1;
  for (uint32_t r = 0; ok && r < g->root.n; r++)
    ok = g->root.at[r].kind == ROOT_VALUE && readable(&w, p, group, g->root.at[r].v, 0);
  base_free(w.seen);
  return ok;
}

bool plan_wide_value(const Plan *p, uint32_t group, Val v, PlanCuts *cuts) {
  *cuts = (PlanCuts){0};
  if (p->form.wide < 2 || (ir_type(p->f, v).lane && !p->form.single)) return false;
  Walk w = {.cuts = cuts, .n = type_count(ir_type(p->f, v))};
  const bool ok = w.n > 1 && readable(&w, p, group, v, 0);
  base_free(w.seen);
  return ok;
}

/* ---- loops over positions of a tile ---- */

static bool flat(const Plan *p, uint32_t group, Val v, bool *seen) {
  const PVal *q = &p->val[v.id];
  const Inst *i = ir_inst(p->f, v);
  if (q->alias) v.id = q->alias, q = &p->val[v.id], i = ir_inst(p->f, v);
  switch (q->cls) {
  case PC_CONST:
  case PC_TABLE:
  case PC_IN:
  case PC_BUF:
  case PC_SSA: return true;
  case PC_VIEW:
    return (i->op == OP_id || i->op == OP_spread || i->op == OP_barrier || i->op == OP_reshape || i->type.rank == 0) &&
           flat(p, group, ir_arg(p->f, i, 0), seen);
  case PC_UP: {
    bool *above = base_zeroed(p->up->f->inst.n, sizeof *above);
    bool ok = flat(p->up, 0, ir_arg(p->up->f, ir_inst(p->up->f, p->call), ir_number(p->f, i)), above);
    base_free(above);
    return ok;
  }
  case PC_POINT:
    if (seen[v.id] || (q->stored && q->group != group)) return true;
    if (!ir_elementwise(i->op)) return false;
    seen[v.id] = true;
    for (uint32_t k = 0; k < i->nargs; k++)
      if (!flat(p, group, ir_arg(p->f, i, k), seen)) return false;
    return true;
  default: return false;
  }
}

bool plan_flat(const Plan *p, uint32_t group) {
  const Group *gr = p->group.at[group];
  bool *seen = base_zeroed(p->f->inst.n, sizeof *seen), ok = true;
  for (uint32_t r = 0; ok && r < gr->root.n; r++) {
    const Root *root = &gr->root.at[r];
    Val v = root->kind == ROOT_BATCH ? ir_arg(p->f, ir_inst(p->f, root->v), 0) : root->v;
    ok = (root->kind == ROOT_BATCH || root->kind == ROOT_VALUE) && flat(p, group, v, seen);
  }
  base_free(seen);
  return ok;
}
