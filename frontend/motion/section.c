/* section(H, q, p, on = g, ...): the points where orbits cross the surface g = 0. events(f, x..., on = (g1, g2), ...): points, times
 * and which surface. stop = g of a trajectory: times end where an orbit crosses.
 *
 * All are one loop (events.c). */
#include "frontend/builtin/builtin.h"
#include "frontend/motion/events_priv.h"

#include <math.h>
#include <string.h>

/* ---- arguments --------------------------------------------------------------------------------------- */

static bool bad_direction(Elab *E, const Actual *a, int64_t sign) {
  if (sign >= -1 && sign <= 1) return false;
  elab_help(elab_error(E, CODE_out_of_range, a->at, "`direction` must be 1, -1 or 0, found %lld", (long long)sign),
            "1: `on` rises through zero, -1: it falls, 0: both");
  return true;
}

/* Of each surface, or one of all; 0 where nothing else is usual. */
bool events_direction(Elab *E, Events *s, int64_t usual) {
  for (uint32_t j = 0; j < MAX_SURFACES; j++) s->sign[j] = usual;
  const Actual *a = s->direction;
  if (!a) return true;
  if (a->v.kind != V_TUPLE && a->v.kind != V_ARRAY) {
    if (!need_int(E, a, "`direction`", &s->sign[0]) || bad_direction(E, a, s->sign[0])) return false;
    for (uint32_t j = 1; j < MAX_SURFACES; j++) s->sign[j] = s->sign[0];
    return true;
  }
  const uint32_t n = a->v.kind == V_TUPLE ? a->v.list.n : a->v.array->n;
  if (n > MAX_SURFACES)
    return elab_error(E, CODE_too_large, a->at, "at most %d surfaces can have a direction, found %u", MAX_SURFACES, n), false;
  s->directions = n;
  for (uint32_t j = 0; j < n; j++) {
    const Actual one = {.v = a->v.kind == V_TUPLE ? a->v.list.at[j] : value_num(a->v.array->at[j].v), .at = a->at};
    if (!need_int(E, &one, "each `direction`", &s->sign[j]) || bad_direction(E, a, s->sign[j])) return false;
  }
  return true;
}

static bool is_scalar(Elab *E, const Actual *a, Value v, const char *what) {
  Type t;
  if (value_numeric(v) && value_type(v, &t) && !t.rank && t.dt == DT_REAL) return true;
  elab_error(E, CODE_not_scalar, a->at, "`%s` must be a scalar, found %s", what, value_text(E, v));
  return false;
}

static bool take_step(Elab *E, Events *s) {
  const Actual *a = s->p.dt;
  s->dt = a ? a->v : value_exact(1, 20);
  if (a && !is_scalar(E, a, s->dt, "dt")) return false;
  if (s->dt.kind != V_NUM || (s->dt.num.v != 0 && isfinite(s->dt.num.v))) return true;
  elab_error(E, CODE_out_of_range, a->at, "`dt` must be finite and not 0, found %g", s->dt.num.v);
  return false;
}

static bool take_times(Elab *E, Events *s) {
  s->begin = s->p.start ? s->p.start->v : value_exact(0, 1);
  s->end = s->until ? s->until->v : (Value){.kind = V_NONE};
  return (!s->p.start || is_scalar(E, s->p.start, s->begin, "start")) && (!s->until || is_scalar(E, s->until, s->end, "until"));
}

static const char *const section_form = "`section(H, q, p, on = q[0], direction = 1, crossings = 100)`";
static const char *const events_form = "`events(f, x, v, on = x, crossings = 10, method = dop853(rtol = 1e-9))`";

static bool is_motion(Elab *E, Events *s, const char *form, bool hamiltonian) {
  if (!traj_need(E, &s->p, s->p.given, hamiltonian ? "a Hamiltonian and its start" : "a function and its start", form))
    return false;
  if (!traj_need(E, &s->p, s->p.n > 0, "a start", form)) return false;
  return traj_check(E, &s->p, hamiltonian);
}

/* The rates: of a Hamiltonian its field. */
static void moves_by(Events *s, Func *field, bool hamiltonian) {
  field->of[0] = s->p.given;
  s->p.f = hamiltonian ? field : s->p.given;
  events_timed(s);
}

void events_timed(Events *s) {
  uint32_t required;
  const uint32_t arity = func_arity(s->p.f, &required);
  s->timed = arity != UINT32_MAX && required == s->p.n + 1;
}

static bool is_hamiltonian(const Func *f) {
  while (f && f->kind != F_USER) f = f->kind == F_POISSON ? f->of[0] : NULL;
  return !f || f->item->kind == IT_HAMILTONIAN;
}

static bool take(Elab *E, Events *s, const Actuals *a, Actual *method, bool section) {
  const TrajOption option[] = {{"on", &s->on},         {"direction", &s->direction}, {"crossings", &s->crossings},
                               {"dt", &s->p.dt},       {"steps", &s->p.steps},       {"method", &s->p.method},
                               {"start", &s->p.start}, {"until", &s->until}};
  s->p.option = option;
  s->p.noptions = sizeof option / sizeof *option;
  s->option = "on", s->several = !section;
  bool taken = traj_take(E, &s->p, a);
  s->p.option = NULL, s->p.noptions = 0;
  if (!taken) return false;
  const bool hamiltonian = section || (s->p.given && is_hamiltonian(s->p.given));
  *method = (Actual){.at = s->p.call};
  builtin_value(E, ir_method[M_YOSHIDA4].name, &method->v);
  if (!s->p.method && hamiltonian) s->p.method = method;
  if (!is_motion(E, s, section ? section_form : events_form, hamiltonian)) return false;
  return traj_need(E, &s->p, s->on, "a surface", "`on = q[0]`: an expression in the moving point, zero on the surface") &&
         traj_need(E, &s->p, s->crossings, "a number of crossings", "`crossings = 100`") &&
         traj_positive(E, s->crossings, "`crossings`", 0, &s->count) &&
         traj_positive(E, s->p.steps, "`steps`", 100000, &s->steps) && events_direction(E, s, section ? 1 : 0) && take_step(E, s) &&
         take_times(E, s);
}

/* ---- section and events ---------------------------------------------------------------------------------------------- */

static Value results(Elab *E, const Events *s, const Found *f, bool all) {
  Value out[MAX_STATES + 2];
  uint32_t n = 0;
  for (; n < s->p.n; n++) out[n] = elab_value(E, f->x[n]);
  if (all) out[n++] = elab_value(E, f->t), out[n++] = elab_value(E, f->which);
  return value_tuple(E, out, n);
}

Value bi_section(Elab *E, const Builtin *b, Actuals *a) {
  Events *s = ARENA_NEW(E->mem, Events);
  Actual method;
  Func field = {.kind = F_FIELD, .name = "field"};
  Found found;
  const bool section = b->op == 0;
  *s = (Events){.p = {.name = b->name, .call = a->call}};
  if (!take(E, s, a, &method, section)) return POISON;
  moves_by(s, &field, section || is_hamiltonian(s->p.given));
  Type t;
  for (uint32_t k = 0; k < s->p.n; k++)
    if (value_type(s->p.state[k].v, &t) && !elab_fits(E, type_count(t) * s->count, s->p.call)) return POISON;
  return events_emit(E, s, &found) ? results(E, s, &found, !section) : POISON;
}
