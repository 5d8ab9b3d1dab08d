/* How many instructions of an operator a function has, in its bodies too. */
#ifndef HNNC_TESTS_COMMON_OPS_COUNT_H
#define HNNC_TESTS_COMMON_OPS_COUNT_H

#include "ir/ir.h"

static inline uint32_t ops_count(const Fn *f, Op op) {
  uint32_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    n += f->inst.at[id].op == op;
    if (f->inst.at[id].sub) n += ops_count(ir_body(f, &f->inst.at[id]), op);
  }
  return n;
}

#endif
