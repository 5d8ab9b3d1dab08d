/* Operations that bend or jump, and where the rates of a trajectory have some. */
#include "passes/passes.h"

#include <stdlib.h>

const char *pass_kink(const Inst *i) {
  switch (i->op) {
  case OP_rmax: return "max";
  case OP_rmin: return "min";
  case OP_relu:
  case OP_abs:
  case OP_sign:
  case OP_floor:
  case OP_ceil:
  case OP_round:
  case OP_mod:
  case OP_min:
  case OP_max: return ir_op[i->op].name;
  default: return NULL;
  }
}

bool *pass_seen(const Fn *f) {
  bool *seen = base_zeroed(f->inst.n, sizeof *seen);
  for (uint32_t k = 0; k < f->out.n; k++) seen[f->out.at[k].id] = true;
  for (uint32_t id = f->inst.n; id-- > 1;) {
    const Inst *i = &f->inst.at[id];
    for (uint32_t k = 0; k < i->nargs && seen[id] && i->op != OP_fixed; k++) seen[ir_arg(f, i, k).id] = true;
  }
  return seen;
}

const char *pass_kink_by_inputs(const Fn *f, uint32_t n, Span *kink) {
  const char *found = NULL;
  bool *by = base_zeroed(f->inst.n, sizeof *by), *seen = pass_seen(f);
  for (uint32_t id = 1; id < f->inst.n && !found; id++) {
    const Inst *i = &f->inst.at[id];
    const bool constant = i->op == OP_stop || i->op == OP_fixed, chooses = i->op == OP_select;
    bool bends = false;
    by[id] = i->op == OP_in && ir_number(f, i) < n;
    for (uint32_t k = 0; k < i->nargs && !constant; k++) {
      const bool on = by[ir_arg(f, i, k).id];
      by[id] |= on;
      bends |= on && (chooses ? k == 0 : pass_kink(i) != NULL);
    }
    if (bends && seen[id]) *kink = i->at, found = chooses ? "where" : pass_kink(i);
  }
  base_free(by);
  base_free(seen);
  return found;
}
