/* stop = g of a trajectory: its times end where the orbit crosses the surface. What is asked for later is asked for then, so that the
 * state holds: steps of no length for methods of fixed steps, equal times for adaptive ones. */
#include "frontend/motion/events_priv.h"

#include <string.h>

enum { FIRST_WINDOWS = 64 /* of the whole time, for an adaptive method: only what is tried first */, MOST_WINDOWS = 100000 };

/* The times of a method of fixed steps that was told its step. */
static Val grid(Elab *E, const Plan *p, Val dt, int64_t every, uint32_t n) {
  Val start = p->start ? elab_tensor(E, p->start->v, p->start->at) : VAL_NONE;
  Build *b = elab_at(E, p->call);
  Val by = ir_mul(b, dt, ir_const(b, (double)every)), at = ir_mul(b, ir_iota(b, n), by);
  return start.id ? ir_add(b, at, start) : at;
}

static Val shared_step(Elab *E, const Plan *p, Val begin, Val end, int64_t steps) {
  Build *b = elab_at(E, p->call);
  Val span = ir_sub(b, end, begin);
  return ir_div(b, span, ir_const(b, (double)steps));
}

bool traj_stop(Elab *E, const Plan *p, Val dt, int64_t steps, int64_t every, uint32_t n, const Value *given, Value *times) {
  const bool adaptive = p->adaptive;
  Events *s = ARENA_NEW(E->mem, Events);
  *s = (Events){.p = *p, .on = p->stop, .direction = p->direction, .option = "stop", .several = true, .count = 1};
  s->p.times = NULL, s->p.nsteps = 0;
  events_timed(s);
  if (!events_direction(E, s, 0)) return false;
  Val all = given ? elab_tensor(E, *given, p->call) : grid(E, p, dt, every, n);
  Val begin = ir_index(elab_at(E, p->call), all, 0, 0), end = ir_index(elab_at(E, p->call), all, 0, n - 1);
  if (adaptive || !dt.id) dt = shared_step(E, p, begin, end, adaptive ? FIRST_WINDOWS : (int64_t)(n - 1) * every);
  s->dt = elab_value(E, dt), s->begin = elab_value(E, begin), s->end = elab_value(E, end);
  s->steps = adaptive ? MOST_WINDOWS : steps + 1; /* one more, as times that are added up round */
  Found found;
  if (!events_emit(E, s, &found)) return false;
  Build *b = elab_at(E, p->call);
  Val zero = ir_const(b, 0), met = ir_lt(b, zero, ir_index(b, found.met, 0, 0));
  Val t = ir_select(b, met, ir_index(b, found.t, 0, 0), end), rises = ir_le(b, begin, end);
  Val upto = ir_expand(b, t, 0, n);
  if (ir_type(b->f, upto).lane) all = ir_spread(b, all);
  Val low = ir_min(b, all, upto), high = ir_max(b, all, upto);
  *times = elab_value(E, ir_select(b, rises, low, high));
  return true;
}
