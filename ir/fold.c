#include "ir/fold.h"
Val ir_fold(Build *b, const Cand *c) { (void)b; (void)c; return VAL_NONE; }
Val fold_coerce(Build *b, Val v, Type want) {
  if (!ir_type(b->f, v).rank && want.rank && ir_inst(b->f, v)->op != OP_const) v = ir_expand_to(b, v, want);
  return want.lane ? ir_spread(b, v) : v;
}
Num num_of(double v) { return (Num){v, (int64_t)v, 1}; }
