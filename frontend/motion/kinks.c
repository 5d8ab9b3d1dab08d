/* What is said of rates that jump or bend. The error of `gauss16(rtol)` is of the order of the square of what a step looks at where they are
 * smooth, and there alone; `taylor` ends its steps where they are not, which costs it more than its other steps. */
#include "frontend/motion/traj_priv.h"
#include "passes/passes.h"

void traj_warn_kinks(Elab *E, const Plan *p, const Fn *rates) {
  Span kink;
  const char *op = pass_kink_by_inputs(rates, p->n + 1, &kink);
  if (!op) return;
  if (p->m == M_TAYLOR) {
    DiagMsg *m = elab_warn(E, CODE_kink_steps, p->method->at,
                           "`taylor` looks for the places where `%s` jumps or bends, and ends steps there", op);
    elab_label(m, kink, "steps end where this does");
    elab_help(m, "use a smooth function, such as softplus; if the places are meant, add `# allow: kink_steps` to this line");
    return;
  }
  DiagMsg *m = elab_warn(E, CODE_bends, p->method->at,
                         "`gauss16` assumes smooth rates, and does not see its error where `%s` jumps or bends", op);
  elab_label(m, kink, "`%s` here", op);
  elab_help(m, "`dop853` and `tsit5` shorten their steps there");
}
