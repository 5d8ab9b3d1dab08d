/* Which carries of a loop are written where they were read, so that a turn works on one buffer instead of two: those
 * whose old value is read by earlier groups of the turn alone, and by the group that makes the new one only at the index
 * that it writes; and which of these need no buffer while the loop runs. */
#include "codegen/plan/plan_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Reads {
  const Plan *p;
  Val old;
  uint32_t group;
  uint8_t *seen;
} Reads; /* seen: bit `same` */

static bool reads(Reads *r, Val v, bool same);

/* same: the operands are read at the index that the group writes. */
static bool operands_read(Reads *r, Val v, bool same) {
  const Inst *i = ir_inst(r->p->f, v);
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val a = ir_arg(r->p->f, i, k), s = plan_strip(r->p, a);
    bool here = same && type_same_dims(ir_type(r->p->f, a), i->type);
    if (here ? s.id != r->old.id && reads(r, s, true) : reads(r, a, false)) return true;
  }
  return false;
}

/* Whether the old value is read for v in this group; with `same`, at other indices than the one that v is at. */
static bool reads(Reads *r, Val v, bool same) {
  const Plan *p = r->p;
  const PVal *q = &p->val[v.id];
  if (q->alias) v.id = q->alias, q = &p->val[v.id];
  if (v.id == r->old.id) return true;
  if (q->cls == PC_VIEW) return reads(r, ir_arg(p->f, ir_inst(p->f, v), 0), false);
  if (q->cls != PC_POINT || r->seen[v.id] >> same & 1 || (q->stored && q->group != r->group)) return false;
  r->seen[v.id] |= (uint8_t)(1 << same);
  return operands_read(r, v, same && plan_is_elementwise((Op)ir_inst(p->f, v)->op));
}

static bool group_reads(const Plan *p, uint32_t k, Val old, bool same) {
  const Group *g = p->group.at[k];
  Reads r = {p, old, k, base_realloc(NULL, p->f->inst.n)};
  memset(r.seen, 0, p->f->inst.n);
  bool any = g->main.id && operands_read(&r, g->main, false);
  for (uint32_t n = 0; n < g->root.n && !any; n++)
    any = g->root.at[n].kind == ROOT_VALUE ? reads(&r, g->root.at[n].v, same) : operands_read(&r, g->root.at[n].v, false);
  for (uint32_t n = 0; g->kind == G_TINY && n < g->member.n && !any; n++) any = operands_read(&r, g->member.at[n], false);
  base_free(r.seen);
  return any;
}

/* What is computed in a loop is stored after all of it was read (before_stores, gen_roots.c). */
static bool plain_loop(const Group *g) {
  bool plain = g->kind == G_LOOP;
  for (uint32_t r = 0; r < g->root.n; r++) plain &= g->root.at[r].kind == ROOT_VALUE;
  return plain;
}

static Val input_of(const Plan *p, uint32_t carry) {
  for (uint32_t v = 1; v < p->f->inst.n; v++)
    if (p->live[v] && p->f->inst.at[v].op == OP_in && ir_number(p->f, &p->f->inst.at[v]) == carry) return (Val){v};
  return VAL_NONE;
}

bool plan_in_place(const Plan *p, uint32_t carry) {
  Val next = p->f->out.at[carry], old = input_of(p, carry);
  const PVal *q = &p->val[next.id];
  bool converge = ir_scan_shape(p->up->f, ir_inst(p->up->f, p->call)).converge != 0;
  if (converge || !old.id || q->cls != PC_POINT || q->home != HOME_NEXT || q->homeidx != carry) return false;
  if (plan_history(p, carry)) return true; /* a row that is set is not read in this turn */
  if (!plain_loop(p->group.at[q->group])) return false;
  for (uint32_t k = 0; k < p->copy.n; k++)
    if (plan_root(p, p->copy.at[k].v).id == old.id) return false;
  for (uint32_t k = 1; k < p->group.n; k++) {
    const Group *g = p->group.at[k];
    uint32_t when = g->joined ? p->group.at[g->joined]->t0 : g->t0;
    if (when < p->group.at[q->group]->t0 || (k == q->group && plan_sweep_in_place(p, k, old))) continue;
    if (group_reads(p, k, old, k == q->group)) return false;
  }
  return true;
}

/* ---- carries in registers ------------------------------------------------------------------------------------------- */

/* The new value is wanted by its own group alone. */
static bool lone_result(const Plan *p, Val next) {
  uint32_t own = p->val[next.id].group;
  for (uint32_t k = 0; k < p->copy.n; k++)
    if (plan_root(p, p->copy.at[k].v).id == next.id) return false;
  for (uint32_t v = next.id + 1; v < p->f->inst.n; v++) {
    const Inst *i = &p->f->inst.at[v];
    if (!p->live[v] || p->val[v].cls == PC_VIEW || p->val[v].group == own) continue;
    for (uint32_t k = 0; k < i->nargs; k++)
      if (plan_root(p, ir_arg(p->f, i, k)).id == next.id) return false;
  }
  return true;
}

int64_t plan_carry_vectors(const Plan *p, uint32_t carry) {
  Val next = p->f->out.at[carry], old = input_of(p, carry);
  PlanSweep s;
  Type t = ir_type(p->f, next);
  bool all = plan_sweep(p, p->val[next.id].group, &s) && s.lo == s.hi && t.dt == DT_REAL && lone_result(p, next);
  plan_sweep_free(&s);
  for (uint32_t k = 1; all && k < p->group.n; k++) all = k == p->val[next.id].group || !group_reads(p, k, old, false);
  return all ? (type_count(t) + p->form.wide - 1) / p->form.wide : 0;
}
