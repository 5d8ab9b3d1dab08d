/* What a concatenation puts one behind the other, where vectors run along elements: operands in memory of their own that one loop
 * copies to that of the result. As long as both are in scratch they are computed into the result's memory, and the loop goes: the
 * rows of a sparse Jacobian, one for each colour, which are then read by an index table. */
#include "codegen/plan/plan_priv.h"

/* The value whose elements these are, in their order. */
static Val elements_of(const Plan *p, Val v) {
  while (p->val[v.id].cls == PC_VIEW && ir_inst(p->f, v)->op == OP_reshape && !p->val[v.id].alias)
    v = ir_arg(p->f, ir_inst(p->f, v), 0);
  return v;
}

static bool in_scratch(const Plan *p, Val v) {
  const PVal *q = &p->val[v.id];
  return p->live[v.id] && q->cls == PC_POINT && q->stored && q->home == HOME_SCRATCH && !q->alias && !q->inside && !q->in_place &&
         !q->around && ir_type(p->f, v).dt == DT_REAL && p->group.at[q->group]->kind == G_LOOP;
}

/* A loop that stores c and does nothing else. */
static bool copies(const Plan *p, Val c) {
  const Group *g = p->group.at[p->val[c.id].group];
  return in_scratch(p, c) && g->root.n == 1 && g->root.at[0].kind == ROOT_VALUE && g->root.at[0].v.id == c.id;
}

/* Whole vectors: a loop may write them where its value ends. */
static bool is_part(const Plan *p, Val c, Val x) {
  return in_scratch(p, x) && p->val[x.id].section == p->val[c.id].section && p->val[x.id].group < p->val[c.id].group &&
         type_count(ir_type(p->f, x)) % p->form.wide == 0;
}

static bool all_parts(const Plan *p, Val c, const Inst *i) {
  bool ok = true;
  for (uint32_t k = 0; ok && k < i->nargs; k++) {
    const Val x = elements_of(p, ir_arg(p->f, i, k));
    ok = is_part(p, c, x);
    for (uint32_t j = 0; ok && j < k; j++) ok = elements_of(p, ir_arg(p->f, i, j)).id != x.id;
  }
  return ok;
}

void plan_parts(Plan *p) {
  for (uint32_t v = 1; v < p->f->inst.n && !p->up && !p->ncut && plan_along(p); v++) {
    const Inst *i = &p->f->inst.at[v];
    if (i->op != OP_concat || ir_concat_attr(p->f, i).axis != 0 || !copies(p, (Val){v}) || !all_parts(p, (Val){v}, i)) continue;
    PVal *c = &p->val[v];
    int64_t at = 0;
    for (uint32_t k = 0; k < i->nargs; k++) {
      const Val x = elements_of(p, ir_arg(p->f, i, k));
      PVal *q = &p->val[x.id];
      q->inside = v, q->inside_at = at;
      if (q->t0 < c->t0) c->t0 = q->t0;
      if (q->t1 > c->t1) c->t1 = q->t1;
      at += type_count(ir_type(p->f, x)) * p->form.es;
    }
    p->group.at[c->group]->root.n = 0;
  }
}

void plan_parts_place(Plan *p) {
  for (uint32_t v = 1; v < p->f->inst.n; v++)
    if (p->val[v].inside) p->val[v].off = p->val[p->val[v].inside].off + p->val[v].inside_at;
}
