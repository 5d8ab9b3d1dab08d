/* Loops over elements whose vectors run along the elements (shared values, and functions that run one sample at a
 * time): which groups can be such loops, and where the loop has to be cut because what is read changes there. */
#include "codegen/plan.h"

#include <string.h>

typedef struct Walk {
  PlanCuts *cuts;
  VEC(uint64_t) seen;        /* value << 32 | shift: what was found to be readable */
  int64_t n;                 /* positions of the loop */
} Walk;

static bool readable(Walk *w, const Plan *p, uint32_t group, Val v, int64_t shift);

static int64_t inner(Type t) { return t.rank && t.dim[0] ? type_count(t) / t.dim[0] : 1; }

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
  case OP_id: case OP_spread: case OP_barrier: case OP_reshape: return readable(w, p, group, x, shift);
  case OP_expand: return ir_type(p->f, x).rank == 0;
  case OP_slice:
    if (ir_attr(p->f, i, 0) != 0 || ir_attr(p->f, i, 3) != 1) return false;
    return readable(w, p, group, x, shift + ir_attr(p->f, i, 1) * inner(i->type));
  default: return false;
  }
}

static bool readable_concat(Walk *w, const Plan *p, uint32_t group, const Inst *i, int64_t shift) {
  int64_t at = 0;
  if (ir_attr(p->f, i, 0) != 0) return false;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val a = ir_arg(p->f, i, k);
    if (!cut(w, at - shift) || !readable(w, p, group, a, shift - at)) return false;
    at += type_count(ir_type(p->f, a));
  }
  return true;
}

static bool readable_unslice(Walk *w, const Plan *p, uint32_t group, const Inst *i, int64_t shift) {
  Val x = ir_arg(p->f, i, 0);
  if (ir_attr(p->f, i, 0) != 0 || ir_attr(p->f, i, 2) != 1 || ir_type(p->f, x).dim[0] == 0) return false;
  int64_t at = ir_attr(p->f, i, 1) * inner(i->type), end = at + type_count(ir_type(p->f, x));
  return cut(w, at - shift) && cut(w, end - shift) && readable(w, p, group, x, shift - at);
}

static bool readable_point(Walk *w, const Plan *p, uint32_t group, Val v, int64_t shift) {
  const Inst *i = ir_inst(p->f, v);
  uint64_t key = (uint64_t)v.id << 32 | (uint32_t)shift;
  const Group *own = p->group.at[p->val[v.id].group];
  if (own->main.id == v.id) return own->gemv && shift == 0;
  for (uint32_t k = 0; k < w->seen.n; k++)
    if (w->seen.at[k] == key) return true;
  *vec_push(&w->seen) = key;
  if (i->op == OP_concat) return readable_concat(w, p, group, i, shift);
  if (i->op == OP_unslice) return readable_unslice(w, p, group, i, shift);
  if (!plan_is_elementwise((Op)i->op) || i->op == OP_tri) return false;
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
  case PC_CONST: case PC_TABLE: case PC_BUF: case PC_SSA: return true;
  case PC_IN: return !i->type.lane || p->target.single;
  case PC_VIEW: return readable_view(w, p, group, i, shift);
  case PC_UP: {
    Walk up = {.cuts = &(PlanCuts){0}};              /* of what is read at a place that turns choose */
    bool ok = readable(&up, p->up, 0, ir_arg(p->up->f, ir_inst(p->up->f, p->call), (uint32_t)ir_attr(p->f, i, 0)), 0);
    vec_free(&up.seen);
    return ok;
  }
  case PC_POINT: return (q->stored && q->group != group) || readable_point(w, p, group, v, shift);
  default: return false;
  }
}

bool plan_along(const Plan *p) { return p->target.vl == 1 && p->target.wide > 1 && (p->target.single || !p->lane); }

bool plan_wide_value(const Plan *p, uint32_t group, Val v, PlanCuts *cuts) {
  Walk w = {.cuts = cuts, .n = type_count(ir_type(p->f, v))};
  bool ok = readable(&w, p, group, v, 0);
  vec_free(&w.seen);
  return ok;
}

static bool wide_root(const Plan *p, uint32_t group, const Root *r, PlanCuts *cuts) {
  return r->kind == ROOT_VALUE && plan_wide_value(p, group, r->v, cuts);
}

bool plan_wide(const Plan *p, uint32_t group, PlanCuts *cuts) {
  const Group *g = p->group.at[group];
  int64_t n = 1;
  *cuts = (PlanCuts){0};
  if ((g->kind != G_LOOP && !g->gemv) || p->target.wide < 2 || (g->lane && !p->target.single)) return false;
  for (uint32_t k = 0; k < g->rank; k++) n *= g->dim[k];
  for (uint32_t r = 0; r < g->root.n; r++)
    if (!wide_root(p, group, &g->root.at[r], cuts)) return false;
  return n > 1;
}
