/* The surfaces of events: expressions in the moving point, which has the names that the function gives to its arguments, and over these
 * those of the call; or functions of the states. Their slope along the orbit is that of the gradient and the rates. */
#include "frontend/builtin/builtin.h"
#include "frontend/motion/events_priv.h"

#include <string.h>

Build *events_at(Elab *E, const Events *s) { return elab_at(E, s->p.call); }

/* ---- names ----------------------------------------------------------------------------------------------------------------- */

static const char *plain_name(const Actual *a) { return a->e && a->e->kind == EX_NAME ? a->e->name : NULL; }

/* One that two states have is neither's. */
static void name_all(Elab *E, const Events *s, const char *const *name, uint32_t n, const Value *v) {
  frame_inner(E);
  for (uint32_t k = 0; k < n; k++) {
    bool alone = name[k] != NULL;
    for (uint32_t i = 0; i < n; i++) alone &= i == k || !name[i] || !alone || strcmp(name[i], name[k]) != 0;
    if (alone) frame_define(E, name[k], s->on->at, elab_named(E, name[k], v[k], s->on->at), false);
  }
}

/* Those that the function gives, the time's among them; how many. */
static uint32_t own_names(const Events *s, const char **name) {
  const Func *h = s->p.given;
  while (h && h->kind != F_USER) h = h->kind == F_BUILTIN || h->kind == F_METHOD ? NULL : h->of[0];
  uint32_t n = 0;
  for (const Formal *f = h ? h->item->formals : NULL; f && n < s->p.n + s->timed; f = f->next) name[n++] = f->name;
  return n >= s->p.n ? n : 0;
}

/* v: the states, and the time behind them. */
static void name_points(Elab *E, const Events *s, const Value *v) {
  const char *name[MAX_STATES + 1] = {NULL};
  uint32_t n = own_names(s, name);
  if (n) name_all(E, s, name, n, v);
  for (n = 0; n < s->p.n; n++) name[n] = plain_name(&s->p.state[n]);
  name_all(E, s, name, s->p.n, v);
}

static const Expr *named_in(const Expr *e, const char *name);

static const Expr *named_in_args(const Arg *a, const char *name) {
  const Expr *found = NULL;
  for (; a && !found; a = a->next) found = named_in(a->value, name);
  return found;
}

/* Where e has this name from around it, or NULL. */
static const Expr *named_in(const Expr *e, const char *name) {
  if (!e) return NULL;
  if (e->kind == EX_NAME) return strcmp(e->name, name) ? NULL : e;
  const Expr *found = named_in(e->b, name);
  if (e->kind == EX_COMPREHENSION && e->name && !strcmp(e->name, name)) return found;
  if (!found) found = named_in(e->a, name);
  return found ? found : named_in_args(e->args, name);
}

/* Two names of one state: one is mostly meant to be its start, which does not move. */
static bool clear_names(Elab *E, const Events *s) {
  const char *own[MAX_STATES + 1] = {NULL}, *given[MAX_STATES];
  const uint32_t n = own_names(s, own);
  for (uint32_t k = 0; k < s->p.n; k++) given[k] = plain_name(&s->p.state[k]);
  for (uint32_t k = 0; k < s->p.n && n; k++) {
    bool taken = !given[k]; /* by the call, for another state: its names are above those of the function */
    for (uint32_t i = 0; i < s->p.n; i++) taken |= given[i] && !strcmp(given[i], own[k]);
    const Expr *at = taken ? NULL : named_in(s->on->e, given[k]), *twin = at ? named_in(s->on->e, own[k]) : NULL;
    if (!twin) continue;
    DiagMsg *m =
        elab_error(E, CODE_ambiguous_name, at->at, "`%s` and `%s` are both the moving point in `%s`", given[k], own[k], s->option);
    elab_label(m, twin->at, "its name in `%s`", s->p.given->name);
    elab_help(m, "to use the start, which does not move, name it first: `let %s0 = %s`", given[k], given[k]);
    return false;
  }
  return true;
}

/* ---- values ---------------------------------------------------------------------------------------------------------------- */

static bool is_level(Elab *E, const Events *s, Value v) {
  Type t;
  if (v.kind == V_POISON || v.kind == V_NONE) return false;
  if (value_numeric(v) && value_type(v, &t) && t.rank == 0 && t.dt == DT_REAL) return true;
  DiagMsg *m = elab_error(E, CODE_not_scalar, s->on->at, "`%s` must be a scalar that is zero on the surface, found %s", s->option,
                          value_text(E, v));
  if (value_type(v, &t) && t.dt == DT_BOOL) elab_help(m, "`%s = q[0]` is the surface q[0] == 0", s->option);
  else if (value_type(v, &t) && t.dt == DT_REAL) elab_help(m, "`q[0]` takes one element");
  else if (v.kind == V_TUPLE && !s->several) elab_help(m, "`events` takes several surfaces, and returns which was crossed");
  return false;
}

/* The surfaces as values of the innermost level, in the point v. */
static bool levels(Elab *E, const Events *s, const Value *v, Value *out, uint32_t *n) {
  Context c;
  context_push(E, &c);
  c.no_draws = "a surface must stay the same along an orbit: draw before it, with `let`";
  name_points(E, s, v);
  if (!clear_names(E, s)) {
    context_pop(E, &c);
    return false;
  }
  Value all = elab_expr(E, s->on->e);
  const Value *part = all.kind == V_TUPLE && s->several ? all.list.at : &all;
  *n = all.kind == V_TUPLE && s->several ? all.list.n : 1;
  bool good = *n <= MAX_SURFACES;
  if (!good) elab_error(E, CODE_too_large, s->on->at, "`%s` takes at most %d surfaces, found %u", s->option, MAX_SURFACES, *n);
  for (uint32_t k = 0; good && k < *n; k++) {
    uint32_t required, arity = part[k].kind == V_FUNC ? func_arity(part[k].func, &required) : 0;
    out[k] = part[k];
    if (part[k].kind == V_FUNC) {
      const bool time = s->timed && arity != UINT32_MAX && required == s->p.n + 1;
      Actuals a = actuals_of(E, v, s->p.n + time, s->on->at);
      out[k] = elab_apply(E, part[k].func, &a);
    }
    good = is_level(E, s, out[k]);
  }
  context_pop(E, &c);
  return good;
}

static bool depends(Elab *E, const Events *s, const Moment *x, Val g) {
  const Fn *f = E->now->level->fn;
  for (uint32_t k = 0; k < s->p.n; k++)
    if (elab_reaches(f, g, x->x[k])) return true;
  if (s->timed && elab_reaches(f, g, x->t)) return true; /* a strobe */
  DiagMsg *m = elab_error(E, CODE_independent, s->on->at, "`%s` does not depend on the moving point", s->option);
  elab_help(m, "use the names that the states have in the call or in the function%s, or a function of them",
            s->timed ? ", or the name of the time" : "");
  return false;
}

/* The rates at v; parts of a tuple apart. */
static bool rates_at(Elab *E, const Events *s, const Value *v, Val *out) {
  Context c;
  context_push(E, &c);
  c.no_draws = "the motion to a surface cannot draw";
  Actuals a = actuals_of(E, v, s->p.n + s->timed, s->p.call);
  Value r = elab_apply(E, s->p.f, &a);
  context_pop(E, &c);
  const Value *part = r.kind == V_TUPLE ? r.list.at : &r;
  if (r.kind == V_POISON || (r.kind == V_TUPLE ? r.list.n : 1) != s->p.n) return false; /* said by the rates of the steps */
  for (uint32_t k = 0; k < s->p.n; k++) {
    if (!value_numeric(part[k])) return false;
    out[k] = elab_tensor(E, part[k], s->p.call);
  }
  return true;
}

static Val slope_of(Elab *E, const Events *s, const Moment *x, Val g, const Val *rate) {
  Build *b = events_at(E, s);
  Val sum = ir_const(b, 0);
  for (uint32_t k = 0; k < s->p.n; k++) {
    if (!elab_reaches(b->f, g, x->x[k])) continue;
    Val by = ir_grad(b, g, x->x[k]);
    sum = ir_add(b, sum, ir_sum_all(b, ir_mul(b, by, rate[k])));
  }
  return s->timed && elab_reaches(b->f, g, x->t) ? ir_add(b, sum, ir_grad(b, g, x->t)) : sum;
}

/* Directions are as many as surfaces. */
static bool of_each(Elab *E, const Events *s, uint32_t n) {
  if (!s->directions || s->directions == n) return true;
  DiagMsg *m = elab_error(E, CODE_shape_mismatch, s->direction->at, "%u direction%s for %u surface%s", s->directions,
                          s->directions == 1 ? "" : "s", n, n == 1 ? "" : "s");
  elab_label(m, s->on->at, "%u surface%s", n, n == 1 ? "" : "s");
  elab_help(m, "give one number for all surfaces, or a tuple with one for each; 0 means both directions");
  return false;
}

bool surface_values(Elab *E, Events *s, const Moment *x, Val *g, Val *slope) {
  Value v[MAX_STATES + 1], out[MAX_SURFACES];
  Moment own;
  uint32_t n;
  for (uint32_t k = 0; k < s->p.n; k++) own.x[k] = ir_id(events_at(E, s), x->x[k]), v[k] = elab_value(E, own.x[k]);
  own.t = ir_id(events_at(E, s), x->t), v[s->p.n] = elab_value(E, own.t);
  if (!levels(E, s, v, out, &n) || !of_each(E, s, n)) return false;
  s->m = n;
  Val rate[MAX_STATES];
  for (uint32_t k = 0; k < n; k++) {
    g[k] = elab_tensor(E, out[k], s->on->at);
    if (!depends(E, s, &own, g[k])) return false;
    g[k] = traj_lane(E, g[k], s->on->at);
  }
  if (!slope) return true;
  if (!rates_at(E, s, v, rate)) return false;
  for (uint32_t k = 0; k < n; k++) slope[k] = traj_lane(E, slope_of(E, s, &own, g[k], rate), s->on->at);
  return true;
}
