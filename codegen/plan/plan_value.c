/* Values as the plan sees them: what lies behind aliases, views and sums. */
#include "codegen/plan/plan.h"

bool plan_is_elementwise(Op op) { return ir_elementwise(op) || op == OP_tri || op == OP_setrow; }

bool plan_is_point(const Plan *p, Val v) { return p->val[v.id].cls == PC_POINT; }

Val plan_strip(const Plan *p, Val v) {
  for (;;) {
    const Inst *i = ir_inst(p->f, v);
    if (p->val[v.id].alias) v.id = p->val[v.id].alias;
    else if (i->op == OP_id || i->op == OP_spread) v = ir_arg(p->f, i, 0);
    else return v;
  }
}

Val plan_result(const Plan *p, Val multi, uint32_t index) {
  for (uint32_t v = multi.id + 1; v < p->f->inst.n; v++) {
    const Inst *i = &p->f->inst.at[v];
    if (i->op == OP_proj && p->live[v] && ir_arg(p->f, i, 0).id == multi.id && ir_number(p->f, i) == index) return (Val){v};
  }
  return VAL_NONE;
}

Val plan_root(const Plan *p, Val v) {
  for (;;) {
    const PVal *q = &p->val[v.id];
    if (q->alias) v.id = q->alias;
    else if (q->cls == PC_VIEW) v = ir_arg(p->f, ir_inst(p->f, v), 0);
    else return v;
  }
}

Val plan_sink(const Plan *p, Val v) { return p->val[v.id].into ? (Val){p->val[v.id].into} : v; }
