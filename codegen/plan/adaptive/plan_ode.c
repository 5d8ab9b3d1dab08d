/* The scratch of an adaptive trajectory: see PlanOde. Arrays are kept off each other's place in a page, as others are that loops
 * walk along together. */
#include "codegen/plan/plan_priv.h"
#include "ir/adaptive.h"

bool plan_by_stages(const Fn *f, const Inst *ode) { return ode->op == OP_ode && ir_ode_attr(f, ode).method == ADAPTIVE_GAUSS16; }

PlanForm plan_stage_form(const Plan *p) {
  const unsigned vl = p->form.wide, tile = vl > GAUSS_STAGES ? vl : GAUSS_STAGES;
  return (PlanForm){.tile = tile, .vl = vl, .es = p->form.es, .wide = vl, .together = 1};
}

/* States and time are of the stages; all else is the sample's. */
Fn *plan_stage_body(const Fn *f, const Inst *ode) {
  const Fn *body = ir_body(f, ode);
  bool *lane = base_zeroed(body->in.n + 1, sizeof *lane);
  for (uint32_t k = 0; k <= (uint32_t)ir_ode_attr(f, ode).states; k++) lane[k] = true;
  Fn *own = ir_with_lanes(body, lane);
  base_free(lane);
  return own;
}

/* Without loops and large products. */
static bool is_straight(const Plan *p, const Fn *f) {
  for (uint32_t v = 1; v < f->inst.n; v++) {
    const Inst *i = &f->inst.at[v];
    if (i->sub || ir_has(i->op, OPF_IMPURE)) return false;
    for (uint32_t k = 0; i->op == OP_dot && k < 2; k++)
      if (type_count(ir_type(f, ir_arg(f, i, k))) > p->target->tune->unroll) return false;
  }
  return true;
}

/* Of rates whose lanes are stages: where they are straight code (passes/loops/straight.c), numbers are in registers. */
const CgTuning *plan_stage_tuning(const Plan *p, const Fn *f) {
  CgTuning *t = ARENA_NEW(p->mem, CgTuning);
  *t = *p->target->tune;
  if (is_straight(p, f)) t->tiny = t->stage_tiny;
  return t;
}

/* Behind the operands. */
static void by_stages(const Plan *p, PlanOde *o) {
  const int64_t es = p->form.es;
  o->lanes = o->w = 1;
  o->stages = plan_stage_form(p).tile;
  o->rows = o->dim;
  o->stride = plan_round_up(o->dim * es, p->tune->align);
  o->array = o->bytes;
  o->staged = o->array + GAUSS_NUMBERS * o->stride;
  o->staged_stride = plan_round_up((o->dim + o->second) * o->stages * es, p->tune->align);
  o->trajectory = o->staged + GAUSS_ARRAYS * o->staged_stride;
  o->counts = o->trajectory + plan_round_up((o->times * o->dim + o->w) * es, p->tune->align);
  o->bytes = o->counts + plan_round_up(2 * es, p->tune->align);
}

bool plan_ode_own(const Plan *p, const Inst *ode, uint32_t k) {
  return (k == (uint32_t)ir_ode_attr(p->f, ode).states ? ir_type(p->f, ir_arg(p->f, ode, k)) : ir_body(p->f, ode)->in.at[k].type)
      .lane;
}

PlanOde plan_ode(const Plan *p, const Inst *ode, unsigned tile) {
  const ode_attr attr = ir_ode_attr(p->f, ode);
  const AdaptiveMethod *m = adaptive_method(attr.method);
  PlanOde o = {.states = (uint32_t)attr.states, .order = ir_ode_order(p->f, ode), .kinks = attr.kinks != 0};
  o.arrays = ODE_K + (o.order ? (int)o.order : m->stages + m->extra);
  o.lanes = ir_type(p->f, ir_arg(p->f, ode, 0)).lane ? tile : 1;
  o.w = o.lanes > 1 ? o.lanes : p->form.wide;
  const int64_t es = p->form.es, row = o.lanes * es;
  o.off = ARENA_ARRAY(p->mem, int64_t, ode->nargs + 1);
  for (uint32_t k = 0; k < o.states; k++) {
    o.off[k] = o.dim * row;
    o.dim += type_count(ir_type(p->f, ir_arg(p->f, ode, k)));
    if (k < (uint32_t)attr.watched) o.watched = o.dim;
  }
  o.bytes = plan_round_up(o.dim * row, p->tune->align);
  for (uint32_t k = o.states; k < ode->nargs; k++) {
    const bool own = plan_ode_own(p, ode, k);
    int64_t *bytes = own ? &o.bytes : &o.common;
    o.off[k] = *bytes;
    *bytes += plan_round_up(type_count(ir_type(p->f, ir_arg(p->f, ode, k))) * (own ? tile : 1) * es, p->tune->align);
  }
  o.times = type_count(ir_type(p->f, ir_arg(p->f, ode, o.states)));
  if (plan_by_stages(p->f, ode)) {
    if (ir_ode_second(p->f, ode)) o.second = type_count(ir_type(p->f, ir_arg(p->f, ode, 0)));
    return by_stages(p, &o), o;
  }
  o.rows = (o.dim * o.lanes + o.w - 1) / o.w;
  o.stride = plan_round_up(o.rows * o.w * es, p->tune->align);
  o.array = o.bytes;
  o.series = o.array + o.arrays * o.stride;
  o.probe = o.series + plan_round_up(o.order * o.dim * row, p->tune->align);
  o.trajectory = o.probe + (o.kinks ? o.probe - o.series : 0);
  o.counts = o.trajectory + plan_round_up((o.times * o.dim * o.lanes + o.w) * es, p->tune->align);
  o.slots = o.counts + plan_round_up(2 * row, p->tune->align);
  o.bytes = o.slots + (o.lanes > 1 ? plan_round_up(ODE_SLOTS * o.lanes * 8, p->tune->align) : 0);
  return o;
}
