/* What `gauss16(rtol)` is told that asks for smooth rates: its error is of the order of the square of what a step looks at, where they are
 * smooth, and there alone. */
#include "frontend/motion/traj_priv.h"
#include "passes/passes.h"

void traj_warn_kinks(Elab *E, const Plan *p, const Fn *rates) {
  Span kink;
  const char *op = pass_kink_by_inputs(rates, p->n + 1, &kink);
  if (!op) return;
  DiagMsg *m = elab_warn(E, CODE_bends, p->method->at,
                         "`gauss16` takes rates for smooth, and does not see its error where `%s` jumps or bends", op);
  elab_label(m, kink, "`%s` here", op);
  elab_help(m, "`dop853` and `tsit5` shorten their steps there");
}
