/* Values that others are put into, with zeros around them: the padding of a convolution (`unslice`, axis after axis).
 *
 * Where nothing but the last of a chain of these is read from memory, the group that computes what is inside stores it at its place
 * at once: nothing is copied. What is inside and in memory anyway is copied by one loop over its own elements. Either way the zeros are
 * written first. Others read what is inside from there, too. */
#include "codegen/plan/plan_priv.h"

#include <string.h>

static bool is_chained(const Plan *p, Val v) {
  const PVal *q = &p->val[v.id];
  return ir_inst(p->f, v)->op == OP_unslice && q->cls == PC_POINT && !q->alias;
}

Val plan_inside(const Plan *p, Val v) {
  for (int n = 0; n < IR_MAX_RANK && is_chained(p, v); n++) {
    const PVal *q = &p->val[v.id];
    if (n && (q->uses != 1 || q->stored || q->home != HOME_NONE)) break;
    v = ir_arg(p->f, ir_inst(p->f, v), 0);
  }
  return v;
}

/* The group of the chain's first link, if it does nothing else. */
static Group *own_loop(const Plan *p, Val v, Val inside, uint32_t *k) {
  Val first = v;
  while (ir_arg(p->f, ir_inst(p->f, first), 0).id != inside.id) first = ir_arg(p->f, ir_inst(p->f, first), 0);
  Group *g = p->group.at[ *k = p->val[first.id].group];
  for (uint32_t m = 0; m < g->member.n; m++) {
    bool link = false;
    for (Val at = v; at.id != inside.id; at = ir_arg(p->f, ir_inst(p->f, at), 0)) link |= at.id == g->member.at[m].id;
    if (!link) return NULL;
  }
  return g->kind == G_LOOP ? g : NULL;
}

bool plan_around(Plan *p, Val v) {
  PVal *q = &p->val[v.id];
  const Type t = ir_type(p->f, v);
  if (!is_chained(p, v) || q->home != HOME_NONE || !t.lane || p->form.single) return false;
  const Val inside = plan_inside(p, v);
  const PVal *in = &p->val[inside.id];
  const Type ti = ir_type(p->f, inside);
  uint32_t k = in->group;
  Group *g = in->cls == PC_POINT && !in->alias ? p->group.at[k] : NULL;
  if (!g || (g->kind != G_LOOP && g->kind != G_GEMM && g->kind != G_DOT)) {
    if (!(g = own_loop(p, v, inside, &k))) return false;
    memcpy(g->dim, ti.dim, sizeof ti.dim);
  } else p->val[inside.id].around = v.id;
  q->group = k;
  return true;
}
