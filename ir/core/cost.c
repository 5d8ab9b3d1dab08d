/* How many operations on numbers an evaluation takes, about: what a loop of the evaluator turns. */
#include "ir/ir.h"

static double elements(Type t) { return t.dt == DT_MULTI ? 0 : (double)type_count(t); }

/* The product of the sizes of all labels. */
static double dot_cost(const Fn *f, const Inst *i) {
  const Type a = ir_type(f, ir_arg(f, i, 0)), b = ir_type(f, ir_arg(f, i, 1));
  const DotShape d = ir_dot_shape(f, i);
  double n = elements(a);
  for (int k = 0; k < b.rank; k++)
    if (!ir_dot_has(&d, 0, d.label[1][k])) n *= b.dim[k];
  return n;
}

static double inst_cost(const Fn *f, const Inst *i, double dispatch) {
  double n = elements(i->type);
  for (uint32_t k = 0; k < i->nargs; k++) {
    const double in = elements(ir_type(f, ir_arg(f, i, k)));
    if (in > n) n = in;
  }
  switch (i->op) {
  case OP_scan: return (double)ir_turns(f, i) * ir_eval_cost(ir_body(f, i), dispatch);
  case OP_dot: return dispatch + dot_cost(f, i);
  case OP_trisolve:
  case OP_solve: return dispatch + elements(i->type) * ir_type(f, ir_arg(f, i, 0)).dim[1];
  case OP_lu:
  case OP_cholesky: return dispatch + n * i->type.dim[1] / 2;
  case OP_eigh: return dispatch + 100 * n * i->type.dim[1];
  default: return i->sub ? ir_eval_cost(ir_body(f, i), dispatch) : dispatch + n;
  }
}

double ir_inst_cost(const Fn *f, const Inst *i) { return inst_cost(f, i, 0); }

double ir_eval_cost(const Fn *f, double dispatch) {
  double sum = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) sum += inst_cost(f, &f->inst.at[id], dispatch);
  return sum;
}
