/* How much the backward pass of training keeps of reversible steps and symmetric trajectories, if it keeps it.
 *
 * An estimate, for one sample, from the loss before it is derived:
 *   reversible  every result of arithmetic in its f: what a sweep over f may read
 *   integrate   by a symmetric method: the states at each recorded step, and those between two of them
 *   scan        with steps inside: its carries at each turn, and one turn's share of the above
 * The machine enters by two constants (passes.h): a tile of MEMORY_TILE samples, a cache of MEMORY_CACHE bytes. What
 * fits is faster kept; what does not is written to memory and read again, which costs more than the one step
 * in four that computing it again adds. Constants, so that a model does the same arithmetic everywhere. */
#include "passes/loops/expand_priv.h"

/* Elements that arithmetic makes. */
static int64_t values(const Fn *f) {
  int64_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    OpClass c = ir_op[i->op].cls;
    if (c == OPC_EW1 || c == OPC_EW2 || i->op == OP_dot || i->op == OP_trisolve || i->op == OP_solve || i->op == OP_lu ||
        i->op == OP_concat || i->op == OP_grad)
      n = pass_plus(n, type_count(i->type));
    if (i->sub) n = pass_plus(n, values(ir_body(f, i)));
  }
  return n;
}

static int64_t results(const Fn *f, const Inst *i, uint32_t n) {
  int64_t sum = 0;
  const Fn *body = ir_body(f, i);
  for (uint32_t k = 0; k < n && k < body->out.n; k++) sum = pass_plus(sum, type_count(ir_type(body, body->out.at[k])));
  return sum;
}

static int64_t kept(const Fn *f) {
  int64_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == OP_reversible) {
      n = pass_plus(n, values(ir_body(f, i)) / 2); /* f and g are of a size */
    } else if (i->op == OP_integrate) {
      integrate_attr a = ir_integrate_attr(f, i);
      if (expand_symmetric((Method)a.method))
        n = pass_plus(n, pass_times(results(f, i, (uint32_t)a.states), pass_plus(a.steps / a.every, a.every)));
    } else if (i->op == OP_scan) {
      int64_t inside = kept(ir_body(f, i));
      if (inside) n = pass_plus(n, pass_plus(inside, pass_times(ir_scan_shape(f, i).n, results(f, i, ir_scan_shape(f, i).carry))));
    }
  }
  return n;
}

int64_t pass_memory_bytes(const Fn *gradient) { return pass_times(kept(gradient), gradient->f64 ? 8 : 4); }
