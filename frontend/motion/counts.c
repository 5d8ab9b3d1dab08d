/* What a trajectory gives: its states, and with `counts = true` the steps taken and those rejected. */
#include "frontend/motion/traj_priv.h"

/* Of an adaptive method what it counted; else the steps that there are. */
Value traj_results(Elab *E, const Plan *p, Val multi, int64_t steps) {
  Value out[MAX_STATES + 2];
  Build *b = elab_at(E, p->call);
  for (uint32_t i = 0; i < p->n; i++) out[i] = elab_value(E, ir_proj(b, multi, i));
  if (!p->counted) return value_tuple(E, out, p->n);
  const Val counts = p->adaptive ? ir_proj(b, multi, p->n) : VAL_NONE;
  for (uint32_t k = 0; k < 2; k++)
    out[p->n + k] = counts.id ? elab_value(E, ir_index(b, counts, 0, k)) : value_exact(k ? 0 : steps, 1);
  return value_tuple(E, out, p->n + 2);
}

bool traj_take_counts(Elab *E, Plan *p) {
  if (!p->counts) return true;
  if (p->counts->v.kind == V_BOOL) return p->counted = p->counts->v.b, true;
  elab_help(elab_error(E, CODE_wrong_kind, p->counts->at, "`counts` must be true or false, found %s", value_text(E, p->counts->v)),
            "with `counts = true`, the numbers of accepted and rejected steps follow the states");
  return false;
}
