/* trajectory and integrate: the rates become a function of their own, of the states, the time and what
 * they capture; a fixed-step method becomes `integrate`, an adaptive one `ode`. The start is included.
 *
 * Where samples are lanes the states are lanes too, whatever the start is: a carry's type must not
 * change from step to step. */
#include "frontend/builtin/builtin.h"
#include "frontend/motion/traj_priv.h"
#include "passes/passes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- arguments ----------------------------------------------------------------------------------------- */

static bool take_named(Elab *E, const Plan *p, const Actual *a) {
  const char *known[TRAJ_OPTIONS];
  for (uint32_t i = 0; i < p->noptions; i++) {
    known[i] = p->option[i].name;
    if (strcmp(a->name, known[i]) != 0) continue;
    if (*p->option[i].slot) {
      elab_error(E, CODE_given_twice, a->name_at, "`%s` is given twice", a->name);
      return false;
    }
    *p->option[i].slot = a;
    return true;
  }
  DiagMsg *m = elab_error(E, CODE_unknown_option, a->name_at, "`%s` has no option `%s`", p->name, a->name);
  if (!strcmp(a->name, "rtol") || !strcmp(a->name, "atol") || !strcmp(a->name, "max_steps"))
    elab_help(m, "it belongs to the method: `method = dopri5(%s = ...)`", a->name);
  else elab_suggest_option(m, a->name, known, p->noptions);
  return false;
}

static bool take_state(Elab *E, Plan *p, const Actual *a, Value v) {
  if (!value_numeric(v)) {
    elab_error(E, CODE_wrong_kind, a->at, "a state of `%s` must be a tensor, found %s", p->name, value_text(E, v));
    return false;
  }
  if (p->n == MAX_STATES) {
    elab_error(E, CODE_argument_count, a->at, "`%s` takes at most %d states", p->name, MAX_STATES);
    return false;
  }
  p->state[p->n] = *a;
  p->state[p->n++].v = v;
  return true;
}

bool traj_take(Elab *E, Plan *p, const Actuals *a) {
  for (uint32_t i = 0; i < a->n; i++) {
    const Actual *x = &a->at[i];
    if (x->v.kind == V_POISON) return false;
    if (x->name) {
      if (!take_named(E, p, x)) return false;
    } else if (!p->given) {
      if (x->v.kind != V_FUNC) {
        elab_error(E, CODE_not_function, x->at, "the first argument of `%s` must be a function, found %s", p->name,
                   value_kind(E, x->v));
        return false;
      }
      p->given = x->v.func;
    } else if (x->v.kind == V_TUPLE) {
      Actual part = *x;
      part.e = NULL;
      for (uint32_t k = 0; k < x->v.list.n; k++)
        if (!take_state(E, p, &part, x->v.list.at[k])) return false;
    } else if (!take_state(E, p, x, x->v)) {
      return false;
    }
  }
  return true;
}

bool traj_need(Elab *E, const Plan *p, bool have, const char *what, const char *help) {
  if (have) return true;
  elab_help(elab_error(E, CODE_missing_argument, p->call, "`%s` needs %s", p->name, what), "%s", help);
  return false;
}

static bool take_method(Elab *E, Plan *p) {
  if (!traj_need(E, p, p->method, "a method", "`method = leapfrog`, yoshida4, implicit_midpoint, rk4, dopri5(rtol = 1e-9), ..."))
    return false;
  const Value v = p->method->v;
  if (v.kind != V_FUNC || v.func->kind != F_METHOD) {
    DiagMsg *m =
        elab_error(E, CODE_method, p->method->at, "`method` must be the name of an integration method, found %s", value_kind(E, v));
    if (v.kind == V_STRING) elab_help(m, "write the name without quotes: `method = %s`", v.string);
    return false;
  }
  p->m = v.func->method;
  p->adaptive = ir_method[p->m].adaptive && v.func->rtol > 0;
  if (ir_method[p->m].adaptive && !p->adaptive && p->times && !p->substeps) {
    elab_help(elab_error(E, CODE_method, p->method->at, "`%s` needs a tolerance", v.func->name),
              "write `method = %s(rtol = 1e-12)`; with `dt` and `steps`, or `substeps`, it takes fixed steps", v.func->name);
    return false;
  }
  p->rtol = v.func->rtol;
  p->max_steps = v.func->max_steps;
  p->atol = v.func->atol;
  return true;
}

static void other_count(Elab *E, const Plan *p) {
  DiagMsg *m =
      elab_error(E, CODE_argument_count, p->call, "`%s` takes q and p, found %u state%s", p->name, p->n, p->n == 1 ? "" : "s");
  uint32_t required, arity = p->given->kind == F_USER ? func_arity(p->given, &required) : 0;
  const bool trajectory = !strcmp(p->name, "trajectory");
  if (p->n > 2 && arity == p->n && trajectory)
    elab_help(m,
              "put other arguments of `%s` into a list of their own: `hamiltonian %s(k)(q, p) = ...`, then `trajectory(%s(k), q, "
              "p, ...)`",
              p->given->name, p->given->name, p->given->name);
  else if (p->n > 2 && trajectory)
    elab_help(
        m,
        "name the other arguments: `trajectory(H, q, p, dt = 0.1, steps = 100, method = leapfrog)`; `integrate` takes any states");
  else if (p->any_states) elab_help(m, "%s", p->any_states);
}

/* of: what asks for it */
static bool of_one_shape(Elab *E, const Plan *p, const char *of) {
  Type q, r;
  value_type(p->state[0].v, &q);
  if (!value_type(p->state[1].v, &r) || type_same_dims(q, r)) return true;
  const char *tq = value_text(E, p->state[0].v), *tp = value_text(E, p->state[1].v);
  DiagMsg *m = elab_error(E, CODE_shape_mismatch, p->call, "`%s` needs q and p of the same shape, found %s and %s", of, tq, tp);
  elab_label(m, p->state[0].at, "%s", tq);
  elab_label(m, p->state[1].at, "%s", tp);
  return false;
}

bool traj_check(Elab *E, Plan *p, bool hamiltonian) {
  Type t;
  if (!traj_need(E, p, p->given, "a function and its start", "`trajectory(H, q, p, ...)`, `integrate(f, x, ...)`")) return false;
  if (!traj_need(E, p, p->n > 0, "a start", "the states follow the function")) return false;
  if (hamiltonian && p->n != 2) return other_count(E, p), false;
  if (!take_method(E, p)) return false;
  const char *method = ir_method[p->m].name;
  const bool in_turn = ir_method[p->m].symplectic && ir_method[p->m].separable;
  if (in_turn && p->n != 2) {
    elab_error(E, CODE_argument_count, p->method->at, "`%s` moves q and p in turn, found %u state%s", method, p->n,
               p->n == 1 ? "" : "s");
    return false;
  }
  if ((hamiltonian || in_turn) && !of_one_shape(E, p, hamiltonian ? p->name : method)) return false;
  for (uint32_t i = 0; i < p->n; i++)
    if (value_type(p->state[i].v, &t) && t.rank == IR_MAX_RANK) {
      elab_error(E, CODE_too_large, p->state[i].at, "a state has at most %d axes", IR_MAX_RANK - 1);
      return false;
    }
  return true;
}

/* ---- times ------------------------------------------------------------------------------------------------
 */

static bool static_times(Elab *E, const Plan *p, const Array **out) {
  const Value v = p->times->v;
  if (!value_numbers(v) || v.array->rank != 1 || v.array->n < 2) {
    elab_help(elab_error(E, CODE_times, p->times->at, "`times` must be a list of at least two numbers, found %s", value_text(E, v)),
              "write `linspace(0, 10, 101)`");
    return false;
  }
  const Num *t = v.array->at;
  for (uint32_t i = 1; i < v.array->n; i++)
    if (!(t[i].v != t[i - 1].v) || (t[i].v > t[i - 1].v) != (t[1].v > t[0].v)) {
      elab_error(E, CODE_times, p->times->at, "`times` must rise or fall throughout: %g is followed by %g", t[i - 1].v, t[i].v);
      return false;
    }
  if (!isfinite(t[0].v) || !isfinite(t[v.array->n - 1].v)) {
    elab_error(E, CODE_times, p->times->at, "`times` must be finite");
    return false;
  }
  *out = v.array;
  return true;
}

static bool even_times(Elab *E, const Plan *p, double *dt, uint32_t *n) {
  const Array *t;
  if (!static_times(E, p, &t)) return false;
  double h = (t->at[t->n - 1].v - t->at[0].v) / (t->n - 1);
  for (uint32_t i = 1; i < t->n; i++)
    if (fabs(t->at[i].v - t->at[i - 1].v - h) > 1e-9 * fabs(h)) {
      elab_help(
          elab_error(E, CODE_times, p->times->at, "`%s` has a fixed step and needs equally spaced times", ir_method[p->m].name),
          "for any times, use an adaptive method: dopri5, tsit5, dop853, taylor, gauss16(rtol = 1e-12)");
      return false;
    }
  *dt = h;
  *n = t->n - 1;
  return true;
}

bool traj_positive(Elab *E, const Actual *a, const char *what, int64_t fallback, int64_t *out) {
  *out = fallback;
  if (!a) return true;
  if (!need_int(E, a, what, out)) return false;
  if (*out >= 1 && *out <= MAX_STEPS) return true;
  elab_error(E, CODE_out_of_range, a->at, "%s must be from 1 to %d, found %lld", what, MAX_STEPS, (long long)*out);
  return false;
}

bool traj_counts(Elab *E, const Plan *p, int64_t *steps, int64_t *every) {
  if (!traj_positive(E, p->steps, "`steps`", 0, steps) || !traj_positive(E, p->every, "`every`", 1, every)) return false;
  if (*steps % *every == 0) return true;
  elab_error(E, CODE_times, p->every->at, "`every` must divide `steps`: %lld does not divide %lld", (long long)*every,
             (long long)*steps);
  return false;
}

static bool both_ways(Elab *E, const Plan *p) {
  if (p->times && (p->dt || p->steps || p->every || p->start)) {
    const Actual *other = p->dt ? p->dt : p->steps ? p->steps : p->every ? p->every : p->start;
    DiagMsg *m = elab_error(E, CODE_times, other->name_at, "`times` and `%s` exclude each other", other->name);
    elab_label(m, p->times->name_at, "given here");
    const bool adaptive = p->adaptive, steps = other == p->dt || other == p->steps;
    if (steps && adaptive) elab_help(m, "`%s` chooses its own steps by `rtol`", ir_method[p->m].name);
    else if (steps) elab_help(m, "`substeps = k` takes k steps between two times");
    return false;
  }
  if (p->times) return true;
  return traj_need(E, p, p->dt && p->steps, "times, or dt and steps", "`times = linspace(0, 1, 11)`, or `dt = 0.1, steps = 10`");
}

/* ---- rates --------------------------------------------------------------------------------------------- */

static bool rate_types(Elab *E, const Plan *p, Value v) {
  const Value *part = v.kind == V_TUPLE ? v.list.at : &v;
  uint32_t n = v.kind == V_TUPLE ? v.list.n : 1;
  if (n != p->n) {
    elab_error(E, CODE_rates, p->call, "`%s` returns %u rate%s for %u state%s", p->given->name, n, n == 1 ? "" : "s", p->n,
               p->n == 1 ? "" : "s");
    return false;
  }
  for (uint32_t i = 0; i < n; i++) {
    Type have, want;
    value_type(p->state[i].v, &want);
    if (value_numeric(part[i]) && value_type(part[i], &have) && type_same_dims(have, want)) continue;
    DiagMsg *m = elab_error(E, CODE_rates, p->call, "`%s` returns a rate of %s for a state of %s", p->given->name,
                            value_text(E, part[i]), value_text(E, p->state[i].v));
    elab_label(m, p->state[i].at, "%s", value_text(E, p->state[i].v));
    return false;
  }
  return true;
}

static bool rate_outputs(Elab *E, const Plan *p, Value v) {
  if (v.kind == V_POISON || !rate_types(E, p, v)) return false;
  for (uint32_t i = 0; i < p->n; i++) {
    Value one = v.kind == V_TUPLE ? v.list.at[i] : v;
    Val r = elab_tensor(E, one, p->call);
    if (elab_lane(E)) r = ir_spread(elab_at(E, p->call), r);
    ir_output(elab_at(E, p->call), r, NULL);
  }
  return true;
}

/* The time of the rates, of which the steps begin at 0. */
static bool from_start(Elab *E, const Plan *p, Val *t) {
  Build *b = elab_at(E, p->call);
  Type type;
  if (p->adaptive) return true;
  if (p->times) {
    const Num first = p->times->v.array->at[0];
    if (first.v != 0) *t = ir_add(b, *t, ir_const_exact(b, first.v, first.num, first.den));
    return true;
  }
  if (!p->start) return true;
  if (!value_numeric(p->start->v) || !value_type(p->start->v, &type) || type.rank) {
    elab_error(E, CODE_not_scalar, p->start->at, "`start` must be a scalar, found %s", value_text(E, p->start->v));
    return false;
  }
  *t = ir_add(b, *t, elab_tensor(E, p->start->v, p->start->at));
  return true;
}

/* rate(t, y), as other solvers have it. */
static bool time_first(Elab *E, const Plan *p) {
  const Formal *f = p->given->kind == F_USER ? p->given->item->formals : NULL;
  if (!f || (strcmp(f->name, "t") && strcmp(f->name, "time")) || (f->type && f->type->ndims)) return false;
  DiagMsg *m = elab_error(E, CODE_rates, p->call, "`%s` takes the time first, but it must take the time last", p->given->name);
  elab_label(m, f->at, "the time");
  elab_help(m, "write `%s(%s, %s)`", p->given->name, f->next ? f->next->name : "x", f->name);
  return true;
}

/* The argument behind the states is the time, whatever its name says. */
static void warn_time(Elab *E, const Plan *p) {
  static const char *const names[] = {"t", "time", "tau", "τ", "s", "T", "_"};
  const Formal *f = traj_last(p);
  if (!f || f->name[0] == 't' || f->name[0] == '_' || traj_one_of(f, names, sizeof names / sizeof *names)) return;
  traj_warn_last(p, elab_warn(E, CODE_time_argument, p->call, "`%s` of `%s` receives the time", f->name, p->given->name), "t",
                 "2.5");
}

static bool rates(Elab *E, const Plan *p) {
  uint32_t required, arity = func_arity(p->f, &required);
  Value args[MAX_STATES + 1];
  for (uint32_t i = 0; i < p->n; i++) {
    Type t;
    value_type(p->state[i].v, &t);
    t.lane = elab_lane(E);
    args[i] = elab_value(E, ir_input(elab_at(E, p->call), NULL, IN_STATE, i, t));
  }
  Val t = ir_input(elab_at(E, p->call), "t", IN_SCALAR, p->n, type_scalar(elab_lane(E) && p->adaptive));
  bool timed = arity != UINT32_MAX && required == p->n + 1;
  if (timed && time_first(E, p)) return false;
  if (timed) warn_time(E, p);
  if (!from_start(E, p, &t)) return false;
  args[p->n] = elab_value(E, t);
  Actuals a = actuals_of(E, args, p->n + timed, p->call);
  return rate_outputs(E, p, elab_apply(E, p->f, &a));
}

/* Why rates of the method draw nothing; NULL: they may. */
static const char *refuses_draws(const Plan *p) {
  const MethodInfo *m = &ir_method[p->m];
  if (!p->nsteps) return "a Hamiltonian must stay the same along its orbit; the rates of `integrate` may draw";
  if (p->adaptive) return "rates that draw need a fixed-step method, such as `euler`";
  if (m->symplectic && !m->separable) return "rates that draw need an explicit method, such as `euler`";
  return NULL;
}

bool traj_rates(Elab *E, const Plan *p, Level *l) {
  Context c;
  level_begin(E, l, p->given->name);
  l->steps = true, l->turns = (uint64_t)p->nsteps;
  context_push(E, &c);
  if (!c.no_draws) c.no_draws = refuses_draws(p);
  bool good = rates(E, p);
  context_pop(E, &c);
  if (good) level_order(E, l, p->n + 1);
  if (good && p->adaptive && (p->m == M_GAUSS16 || p->m == M_TAYLOR)) traj_warn_kinks(E, p, l->fn);
  return good;
}

bool traj_separable(Elab *E, const Plan *p, const Level *l) {
  if (!ir_method[p->m].separable || pass_separable(E->o->passes, l->fn, E->diag)) return true;
  DiagMsg *m = elab_error(E, CODE_not_separable, p->method->at,
                          "`%s` needs a Hamiltonian that separates into T(p) + V(q), but `%s` does not", ir_method[p->m].name,
                          p->given->name);
  elab_help(m, "use implicit_midpoint, gauss4, gauss6 or gauss16, which take any Hamiltonian");
  return false;
}

/* ---- warnings ------------------------------------------------------------------------------------------- */

enum { EULER_MANY = 100, RK4_MANY = 100000 };

static void warn_drift(Elab *E, const Plan *p, int64_t steps) {
  const char *name = ir_method[p->m].name;
  const bool euler = !strcmp(name, "euler"), rk4 = !strcmp(name, "rk4");
  if (!(euler && steps >= EULER_MANY) && !(rk4 && steps >= RK4_MANY)) return;
  elab_help(elab_warn(E, CODE_energy_drift, p->method->at, "the energy %s over %lld steps of `%s`", euler ? "grows" : "drifts",
                      (long long)steps, name),
            "`leapfrog`, `yoshida4`, `implicit_midpoint` and `gauss4` keep its error bounded");
}

static void warn_tolerance(Elab *E, const Plan *p) {
  if (!p->adaptive || p->rtol >= 1e-7 || E->now->level->fn->f64 != FN_F32) return;
  elab_help(elab_warn(E, CODE_tolerance, p->method->at, "f32 has 7 digits: its rounding error is above rtol = %g", p->rtol),
            "use `precision f64`, or a larger `rtol`");
}

/* ---- emission ------------------------------------------------------------------------------------------ */

Val traj_lane(Elab *E, Val v, Span at) { return elab_lane(E) ? ir_spread(elab_at(E, at), v) : v; }

static bool fixed_steps(Elab *E, const Plan *p, Val *dt, int64_t *steps, int64_t *every, uint32_t *run_times) {
  if (!traj_run_times(E, p, run_times)) return false;
  if (*run_times) {
    if (!traj_positive(E, p->substeps, "`substeps`", 1, every)) return false;
    *steps = (*run_times - 1) * *every;
    return true;
  }
  if (p->times) {
    double h;
    uint32_t n;
    if (!traj_positive(E, p->substeps, "`substeps`", 1, every) || !even_times(E, p, &h, &n)) return false;
    *steps = n * *every;
    *dt = ir_const(elab_at(E, p->call), h / (double)*every);
    return true;
  }
  Type t;
  if (p->substeps) {
    elab_error(E, CODE_times, p->substeps->name_at, "`substeps` needs `times`");
    return false;
  }
  if (!traj_counts(E, p, steps, every)) return false;
  if (!value_numeric(p->dt->v) || !value_type(p->dt->v, &t) || t.rank) {
    elab_error(E, CODE_not_scalar, p->dt->at, "`dt` must be a scalar, found %s", value_text(E, p->dt->v));
    return false;
  }
  if (p->dt->v.kind == V_NUM && !(p->dt->v.num.v != 0 && isfinite(p->dt->v.num.v)))
    return elab_error(E, CODE_out_of_range, p->dt->at, "`dt` must be finite and not 0, found %g", p->dt->v.num.v), false;
  *dt = elab_tensor(E, p->dt->v, p->dt->at);
  return true;
}

static bool grid_times(Elab *E, const Plan *p, Value *out, uint32_t *points) {
  const Array *grid;
  if (p->substeps) {
    elab_help(elab_error(E, CODE_times, p->substeps->name_at, "`%s` chooses its own steps, and takes no `substeps`",
                         ir_method[p->m].name),
              "set the accuracy by `rtol`: `method = %s(rtol = 1e-9)`", ir_method[p->m].name);
    return false;
  }
  if (!traj_run_times(E, p, points)) return false;
  if (p->times) {
    *out = p->times->v;
    if (*points) return true;
    const bool good = static_times(E, p, &grid);
    return good && (*points = grid->n);
  }
  int64_t steps, every;
  double dt, start = 0;
  if (!traj_positive(E, p->steps, "`steps`", 0, &steps) || !traj_positive(E, p->every, "`every`", 1, &every)) return false;
  if (!need_number(E, p->dt, "`dt` of an adaptive method", &dt)) return false;
  if (p->start && !need_number(E, p->start, "`start` with an adaptive method", &start)) return false;
  if (dt == 0 || !isfinite(dt))
    return elab_error(E, CODE_out_of_range, p->dt->at, "`dt` must be finite and not 0, found %g", dt), false;
  if (steps % every || steps / every >= ELAB_ELEMENTS) {
    elab_error(E, CODE_out_of_range, p->call, "`every` must divide `steps`, of which there are at most %d", (int)ELAB_ELEMENTS);
    return false;
  }
  uint32_t n = (uint32_t)(steps / every) + 1;
  Num *t = ARENA_ARRAY(E->mem, Num, n);
  for (uint32_t i = 0; i < n; i++) t[i] = num_of(start + dt * (double)(i * every));
  *points = n;
  *out = value_array(E, 1, &n, t);
  return true;
}

static Val *captured(Elab *E, const Level *l) {
  Val *inv = ARENA_ARRAY(E->mem, Val, l->captures.n + 1);
  for (uint32_t k = 0; k < l->captures.n; k++) inv[k] = l->captures.at[k].outer;
  return inv;
}

Val traj_steps(Elab *E, const Plan *p, const Level *l, const Val *y0, Val dt, int64_t steps, int64_t every) {
  return ir_integrate(elab_at(E, p->call), p->m, y0, p->n, dt, captured(E, l), l->captures.n, (uint32_t)steps, (uint32_t)every,
                      l->fn);
}

static Val emit(Elab *E, const Plan *p, Level *l, Val dt, int64_t steps, int64_t every, const Value *times) {
  Val y0[MAX_STATES];
  for (uint32_t i = 0; i < p->n; i++) y0[i] = traj_lane(E, elab_tensor(E, p->state[i].v, p->state[i].at), p->state[i].at);
  if (!times) return traj_steps(E, p, l, y0, dt, steps, every);
  Val t = elab_tensor(E, *times, p->call);
  return ir_ode(elab_at(E, p->call), p->m, y0, p->n, t, captured(E, l), l->captures.n, p->rtol, p->atol, p->max_steps, l->fn);
}

static bool fit(Elab *E, const Plan *p, uint32_t points) {
  bool good = true;
  for (uint32_t i = 0; good && i < p->n; i++) {
    Type t;
    value_type(p->state[i].v, &t);
    good = elab_fits(E, type_count(t) * points, p->call);
  }
  return good;
}

Value bi_trajectory(Elab *E, const Builtin *b, Actuals *a) {
  Plan p = {.name = b->name, .call = a->call, .any_states = "`integrate` takes any states"};
  p.option = (TrajOption[]){{"dt", &p.dt},         {"steps", &p.steps},        {"every", &p.every}, {"times", &p.times},
                            {"method", &p.method}, {"substeps", &p.substeps},  {"start", &p.start}, {"counts", &p.counts},
                            {"stop", &p.stop},     {"direction", &p.direction}};
  p.noptions = 10;
  Func field = {.kind = F_FIELD, .name = "field"};
  bool hamiltonian = b->op != 0;
  if (!traj_take(E, &p, a) || !traj_check(E, &p, hamiltonian) || !both_ways(E, &p) || !traj_take_counts(E, &p)) return POISON;
  field.of[0] = p.given;
  p.f = hamiltonian ? &field : p.given;
  Val dt = VAL_NONE;
  int64_t steps = 0, every = 1;
  const bool adaptive = p.adaptive;
  uint32_t points = 0;
  Value times;
  if (adaptive ? !grid_times(E, &p, &times, &points) : !fixed_steps(E, &p, &dt, &steps, &every, &points)) return POISON;
  const bool run_times = points && !adaptive;
  if (!points) points = (uint32_t)(steps / every + 1);
  if (hamiltonian) warn_drift(E, &p, steps);
  else p.nsteps = adaptive ? 1 : steps;
  warn_tolerance(E, &p);
  if (!fit(E, &p, points)) return POISON;
  Actual until = {.at = p.call};
  if (p.direction && !p.stop) return elab_error(E, CODE_times, p.direction->name_at, "`direction` needs `stop`"), POISON;
  if (p.stop) {
    const Value *given = adaptive ? &times : p.times ? &p.times->v : NULL;
    if (!traj_stop(E, &p, dt, steps, every, points, given, adaptive ? &times : &until.v)) return POISON;
    if (!adaptive) return p.times = &until, traj_between(E, &p, points, every);
  }
  if (run_times) return traj_between(E, &p, points, every);
  Level *l = ARENA_NEW(E->mem, Level);
  if (!traj_rates(E, &p, l) || !traj_separable(E, &p, l)) return level_drop(E, l), POISON;
  level_leave(E, l);
  Val multi = emit(E, &p, l, dt, steps, every, adaptive ? &times : NULL);
  level_end(E, l);
  return traj_results(E, &p, multi, steps);
}
