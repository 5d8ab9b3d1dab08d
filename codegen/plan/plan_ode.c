/* The scratch of an adaptive trajectory: see PlanOde. Arrays are kept off each other's place in a page, as others are that loops
 * walk along together. */
#include "codegen/plan/plan_priv.h"
#include "ir/adaptive.h"

PlanOde plan_ode(const Plan *p, const Inst *ode, unsigned tile) {
  const ode_attr attr = ir_ode_attr(p->f, ode);
  const AdaptiveMethod *m = adaptive_method(attr.method);
  PlanOde o = {.states = (uint32_t)attr.states};
  o.lanes = ir_type(p->f, ir_arg(p->f, ode, 0)).lane ? tile : 1;
  o.w = o.lanes > 1 ? o.lanes : p->form.wide;
  const int64_t es = p->form.es, row = o.lanes * es;
  o.off = ARENA_ARRAY(p->mem, int64_t, ode->nargs + 1);
  for (uint32_t k = 0; k < o.states; k++) {
    o.off[k] = o.dim * row;
    o.dim += type_count(ir_type(p->f, ir_arg(p->f, ode, k)));
  }
  o.bytes = plan_round_up(o.dim * row, p->tune->align);
  for (uint32_t k = o.states; k < ode->nargs; k++) {
    o.off[k] = o.bytes;
    o.bytes += plan_round_up(type_count(ir_type(p->f, ir_arg(p->f, ode, k))) * tile * es, p->tune->align);
  }
  o.times = type_count(ir_type(p->f, ir_arg(p->f, ode, o.states)));
  o.rows = (o.dim * o.lanes + o.w - 1) / o.w;
  o.stride = plan_round_up(o.rows * o.w * es, p->tune->align);
  o.array = o.bytes;
  o.trajectory = o.array + (ODE_K + m->stages + m->extra) * o.stride;
  o.bytes = o.trajectory + plan_round_up((o.times * o.dim * o.lanes + o.w) * es, p->tune->align);
  return o;
}
