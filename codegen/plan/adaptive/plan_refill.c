/* Whether the lanes of an adaptive trajectory are refilled: a lane that is done takes the next of the samples that wait, and none
 * waits for the slowest of its tile. The function then runs over several tiles at once, in three turns: what comes before the
 * trajectory and its beginning, for each of them; the steps, of all; what comes behind, for each of them. Between the turns stands only
 * what the trajectory reads and gives (PlanOde, once for each tile); what else is needed behind it is computed again. So there must be
 * one trajectory, no sum over the samples before it that would be made twice, and rates that draw nothing: draws go by the sample's
 * place in its tile. Recorded steps are too long to be kept for many tiles. Sums behind it run in the order of the tiles, as always. */
#include "codegen/plan/plan_priv.h"
#include "ir/adaptive.h"

uint32_t plan_refilled(const Plan *p) {
  for (uint32_t k = 1; k < p->group.n; k++)
    if (p->group.at[k]->refill) return k;
  return 0;
}

/* The one trajectory of the tile; 0: there is none, or more. */
static uint32_t the_one(const Plan *p) {
  uint32_t one = 0, n = 0;
  for (uint32_t k = 1; k < p->group.n; k++)
    if (p->group.at[k]->kind == G_ODE && p->group.at[k]->section == SEC_TILE) one = k, n++;
  return n == 1 ? one : 0;
}

static bool draws(const Fn *f) {
  for (uint32_t v = 1; v < f->inst.n; v++)
    if (ir_has(f->inst.at[v].op, OPF_IMPURE)) return true;
  for (uint32_t k = 0; k < f->sub.n; k++)
    if (draws(f->sub.at[k])) return true;
  return false;
}

static bool fits(const Plan *p, const Inst *ode) {
  const ode_attr attr = ir_ode_attr(p->f, ode);
  if (attr.record || plan_by_stages(p->f, ode) || !ir_type(p->f, ir_arg(p->f, ode, 0)).lane || draws(ir_body(p->f, ode)))
    return false;
  for (uint32_t k = 0; k < ode->nargs; k++)
    if (ir_type(p->f, ir_arg(p->f, ode, k)).dt != DT_REAL) return false;
  return true;
}

/* ---- what is needed behind it ---------------------------------------------------------------------------------------- */

static void need(const Plan *p, Val ode, Val v, bool *needed) {
  const Inst *i = ir_inst(p->f, v);
  if (needed[v.id] || v.id == ode.id) return;
  needed[v.id] = true;
  for (uint32_t k = 0; k < i->nargs; k++) need(p, ode, ir_arg(p->f, i, k), needed);
}

static void need_of(const Plan *p, Val ode, const Group *g, bool *needed) {
  if (g->main.id) need(p, ode, g->main, needed);
  for (uint32_t m = 0; m < g->member.n; m++) need(p, ode, g->member.at[m], needed);
  for (uint32_t r = 0; r < g->root.n; r++) need(p, ode, g->root.at[r].v, needed);
}

static bool has_needed(const Group *g, const bool *needed) {
  bool any = g->main.id && needed[g->main.id];
  for (uint32_t m = 0; m < g->member.n; m++) any |= needed[g->member.at[m].id];
  for (uint32_t r = 0; r < g->root.n; r++) any |= needed[g->root.at[r].v.id];
  return any;
}

static bool sums(const Plan *p, const Group *g) {
  bool any = g->kind == G_DW;
  for (uint32_t r = 0; r < g->root.n; r++) {
    const Root *root = &g->root.at[r];
    any |=
        root->persist || root->kind == ROOT_BATCH || root->kind == ROOT_LANES || p->val[root->v.id].sum || p->val[root->v.id].into;
  }
  return any;
}

/* Marks the groups before it that run again; false: one of them must not. */
static bool mark_again(Plan *p, uint32_t at) {
  const Val ode = p->group.at[at]->main;
  bool *needed = base_zeroed(p->f->inst.n, sizeof *needed), fine = true;
  for (uint32_t k = at + 1; k < p->group.n; k++)
    if (p->group.at[k]->section == SEC_TILE) need_of(p, ode, p->group.at[k], needed);
  for (uint32_t k = 0; k < p->f->out.n; k++)
    if (ir_type(p->f, p->f->out.at[k]).lane) need(p, ode, p->f->out.at[k], needed);
  for (uint32_t k = 1; k < at; k++) {
    Group *g = p->group.at[k];
    g->again = g->section == SEC_TILE && has_needed(g, needed);
    fine &= !(g->again && sums(p, g));
  }
  base_free(needed);
  return fine;
}

/* ---- whether it pays ----------------------------------------------------------------------------------------------------- */

/* Operations of whole vectors. */
static double work(const Plan *p, const Fn *f) {
  double n = 0;
  for (uint32_t v = 1; v < f->inst.n; v++) {
    const Inst *i = &f->inst.at[v];
    Dot d;
    if (i->op == OP_scan) n += (double)ir_turns(f, i) * work(p, ir_body(f, i));
    if (i->op == OP_dot) plan_dot(f, i, &d), n += (double)type_count(i->type) * (double)d.contraction;
    else if (ir_elementwise(i->op)) n += (double)type_count(i->type) * ir_op[i->op].cycles;
  }
  return n;
}

/* The steps saved are worth more than what moves with a sample. */
static bool pays(const Plan *p, const Inst *ode, const PlanOde *o) {
  const CgTuning *t = p->tune;
  int64_t moved = 3 * o->dim + ODE_SLOTS;
  for (uint32_t k = o->states; k < ode->nargs; k++)
    if (plan_ode_own(p, ode, k)) moved += type_count(ir_type(p->f, ir_arg(p->f, ode, k)));
  return (t->ode_idle - t->ode_refilled) * t->ode_calls * work(p, ir_body(p->f, ode)) >
         t->moved_element * (double)(moved * o->lanes);
}

void plan_refill(Plan *p) {
  const uint32_t at = the_one(p);
  if (!at || p->up || !p->lane || p->form.single || p->form.together > 1 || p->ncut) return;
  Group *g = p->group.at[at];
  const Inst *ode = ir_inst(p->f, g->main);
  if (!fits(p, ode)) return;
  const PlanOde o = plan_ode(p, ode, p->form.tile);
  int64_t tiles = p->tune->refill_bytes / o.bytes;
  if (tiles > p->tune->refill_most) tiles = p->tune->refill_most;
  if (tiles < p->tune->refill_least || !pays(p, ode, &o) || !mark_again(p, at)) return;
  g->refill = (uint32_t)tiles;
}
