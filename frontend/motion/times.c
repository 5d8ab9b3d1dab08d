/* `times` that are known when the program runs, by methods of fixed steps: a loop over the intervals, in which an `integrate`
 * makes `substeps` steps of the interval's own length from its own begin.
 *
 * Derivatives by the times are those of the steps. What is not in order is NaN: the start is times a `require`. */
#include "frontend/motion/traj_priv.h"
#include "passes/passes.h"

bool traj_run_times(Elab *E, const Plan *p, uint32_t *n) {
  Type t;
  *n = 0;
  if (!p->times || p->times->v.kind != V_TENSOR) return true;
  if (value_type(p->times->v, &t) && t.dt == DT_REAL && t.rank == 1 && t.dim[0] > 1) {
    *n = t.dim[0];
    return true;
  }
  elab_help(elab_error(E, CODE_times, p->times->at, "`times` must be a list of at least two numbers, found %s",
                       value_text(E, p->times->v)),
            "write `linspace(0, 10, 101)`, or use a field of the data");
  return false;
}

/* 1, or NaN where the times neither rise nor fall. */
static Val in_order(Build *b, const Plan *p, Val times, Val h) {
  Val zero = ir_const(b, 0), rise = ir_le(b, zero, ir_rmin(b, h, 0)), fall = ir_le(b, ir_rmax(b, h, 0), zero);
  Val ok = ir_or(b, rise, fall);
  return ir_require(b, ok, ir_index(b, times, 0, 0), CAUSE_TIMES, p->m);
}

/* The states at the end of an interval, as outputs of l; inputs of the rates are captured by it. */
static bool interval(Elab *E, Plan *p, Level *l, Val begin, Val h, int64_t substeps, const Val *in) {
  const Actual start = {.v = value_tensor(l, begin), .at = p->times->at};
  Level *rates = ARENA_NEW(E->mem, Level);
  const Actual *times = p->times;
  p->times = NULL, p->start = &start;
  const bool good = traj_rates(E, p, rates) && traj_separable(E, p, rates);
  p->times = times, p->start = NULL;
  if (!good) return level_drop(E, rates), false;
  level_leave(E, rates);
  Val multi = traj_steps(E, p, rates, in, h, substeps, substeps);
  level_end(E, rates);
  for (uint32_t k = 0; k < p->n; k++) {
    Build *b = elab_at(E, p->call);
    ir_output(b, ir_index(b, ir_proj(b, multi, k), 0, 1), NULL);
  }
  return true;
}

Value traj_between(Elab *E, Plan *p, uint32_t n, int64_t substeps) {
  Build *b = elab_at(E, p->call);
  Val times = elab_tensor(E, p->times->v, p->times->at), begin = ir_slice(b, times, 0, 0, n - 1, 1);
  Val h = ir_sub(b, ir_slice(b, times, 0, 1, n - 1, 1), begin), ok = in_order(b, p, times, h);
  Val start[MAX_STATES], in[MAX_STATES], loop[MAX_STATES];
  Value out[MAX_STATES + 2];
  if (substeps > 1) h = ir_div(b, h, ir_const(b, (double)substeps));
  for (uint32_t k = 0; k < p->n; k++) {
    Val y = elab_tensor(E, p->state[k].v, p->state[k].at);
    start[k] = traj_lane(E, ir_mul(b, y, ok), p->state[k].at);
  }
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, "times");
  l->turns = n - 1;
  for (uint32_t k = 0; k < p->n; k++) in[k] = ir_input(elab_at(E, p->call), NULL, IN_STATE, k, ir_type(b->f, start[k]));
  p->nsteps = p->nsteps ? substeps : 0;
  begin = level_walk(E, l, begin), h = level_walk(E, l, h);
  if (!interval(E, p, l, begin, h, substeps, in)) return level_drop(E, l), POISON;
  traj_loop(E, p, l, start, true, loop);
  for (uint32_t k = 0; k < p->n; k++) {
    b = elab_at(E, p->call);
    out[k] = elab_value(E, ir_concat(b, (Val[]){ir_expand(b, start[k], 0, 1), loop[k]}, 2, 0));
  }
  if (p->counted) out[p->n] = value_exact((int64_t)(n - 1) * substeps, 1), out[p->n + 1] = value_exact(0, 1);
  return value_tuple(E, out, p->n + (p->counted ? 2 : 0));
}
