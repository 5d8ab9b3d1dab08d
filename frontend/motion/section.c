/* section(H, q, p, on = g, ...): the points where orbits cross the surface g(q, p) = 0.
 *
 * A loop over the crossings carries the point of the orbit's grid and g there. In each turn
 *   search   a `converge` loop steps on until g passes zero in the wanted direction, then holds the
 *            points before and after still; it ends when every sample holds
 *   locate   Ridders' method on the length of one step of the same method from the point before, in units
 *            of dt, again a `converge` loop: the crossing has the order of the method
 * and the orbit goes on from the grid point after, so that the steps of a symplectic method are all alike.
 * A sample that does not cross in time, or is lost (g not finite), goes on as NaN.
 *
 * Neither loop may end before it is done: a sample under way moves a carry in each turn (`status`
 * changes sign, the interval shrinks); one that is done moves none.
 *
 * Instructions are made in one order under every compiler: a call has at most one argument that makes some. */
#include "frontend/builtin/builtin.h"
#include "frontend/motion/traj_priv.h"

#include <math.h>
#include <string.h>

enum { LOCATE_TURNS = 64 }; /* the interval at least halves in each */

typedef struct Section {
  Plan p;
  const Actual *on, *direction, *crossings;
  int64_t sign, count, steps;
  Value dt; /* of the level in which the section stands */
} Section;

typedef struct Point {
  Val q, p, g;
} Point;

/* ---- arguments --------------------------------------------------------------------------------------- */

static bool take_direction(Elab *E, Section *s) {
  s->sign = 1;
  if (!s->direction) return true;
  if (!need_int(E, s->direction, "`direction`", &s->sign)) return false;
  if (s->sign >= -1 && s->sign <= 1) return true;
  elab_help(elab_error(E, CODE_out_of_range, s->direction->at, "`direction` is 1, -1 or 0, found %lld", (long long)s->sign),
            "1: `on` rises through zero, -1: it falls, 0: both");
  return false;
}

static bool take_step(Elab *E, Section *s) {
  const Actual *a = s->p.dt;
  Type t;
  s->dt = a ? a->v : value_exact(1, 20);
  if (!value_numeric(s->dt) || !value_type(s->dt, &t) || t.rank || t.dt != DT_REAL) {
    elab_error(E, CODE_not_scalar, a->at, "`dt` is a scalar, found %s", value_text(E, s->dt));
    return false;
  }
  if (s->dt.kind != V_NUM || (s->dt.num.v != 0 && isfinite(s->dt.num.v))) return true;
  elab_error(E, CODE_out_of_range, a->at, "`dt` is finite and not 0, found %g", s->dt.num.v);
  return false;
}

static bool take_method(Elab *E, Section *s, Actual *otherwise) {
  *otherwise = (Actual){.at = s->p.call};
  builtin_value(E, ir_method[M_YOSHIDA4].name, &otherwise->v);
  if (!s->p.method) s->p.method = otherwise;
  if (!traj_check(E, &s->p, true)) return false;
  if (!s->p.adaptive) return true;
  elab_help(
      elab_error(E, CODE_method, s->p.method->at, "`section` needs a method of fixed steps, found `%s`", ir_method[s->p.m].name),
      "a crossing is located by one step of the same method: yoshida4, gauss4, rk4, ...");
  return false;
}

static bool take(Elab *E, Section *s, const Actuals *a, Actual *method) {
  const TrajOption option[] = {{"on", &s->on},   {"direction", &s->direction}, {"crossings", &s->crossings},
                               {"dt", &s->p.dt}, {"steps", &s->p.steps},       {"method", &s->p.method}};
  const char *form = "`section(H, q, p, on = q[0], direction = 1, crossings = 100)`";
  uint32_t required;
  s->p.option = option;
  s->p.noptions = sizeof option / sizeof *option;
  bool taken = traj_take(E, &s->p, a);
  s->p.option = NULL, s->p.noptions = 0;
  if (!taken) return false;
  if (!traj_need(E, &s->p, s->p.given, "a Hamiltonian and its start", form)) return false;
  if (!traj_need(E, &s->p, s->p.n > 0, "a start", form)) return false;
  if (!take_method(E, s, method)) return false;
  if (func_arity(s->p.given, &required) != UINT32_MAX && required > 2) {
    elab_error(E, CODE_argument_count, s->p.call, "`section` needs a Hamiltonian of q and p alone, and `%s` takes %u arguments",
               s->p.given->name, required);
    return false;
  }
  return traj_need(E, &s->p, s->on, "a surface", "`on = q[0]`: an expression in the moving point, zero on the surface") &&
         traj_need(E, &s->p, s->crossings, "a number of crossings", "`crossings = 100`") &&
         traj_positive(E, s->crossings, "`crossings`", 0, &s->count) &&
         traj_positive(E, s->p.steps, "`steps`", 100000, &s->steps) && take_direction(E, s) && take_step(E, s);
}

/* ---- the surface --------------------------------------------------------------------------------------- */

static void name_point(Elab *E, const char *q, const char *p, const Value *v, Span at) {
  frame_inner(E);
  if (q && q != p) frame_define(E, q, at, elab_named(E, q, v[0], at), false);
  if (p && q != p) frame_define(E, p, at, elab_named(E, p, v[1], at), false);
}

static const char *plain_name(const Actual *a) { return a->e && a->e->kind == EX_NAME ? a->e->name : NULL; }

/* The Hamiltonian's own names, and over these those of the arguments. */
static void name_points(Elab *E, const Section *s, const Value *v) {
  const Func *h = s->p.given;
  while (h && h->kind != F_USER) h = h->kind == F_BUILTIN || h->kind == F_METHOD ? NULL : h->of[0];
  const Formal *q = h ? h->item->formals : NULL;
  if (q && q->next) name_point(E, q->name, q->next->name, v, s->on->at);
  name_point(E, plain_name(&s->p.state[0]), plain_name(&s->p.state[1]), v, s->on->at);
}

static bool is_level(Elab *E, const Section *s, Value v) {
  Type t;
  if (v.kind == V_POISON || v.kind == V_NONE) return false;
  if (value_numeric(v) && value_type(v, &t) && t.rank == 0 && t.dt == DT_REAL) return true;
  DiagMsg *m = elab_error(E, CODE_not_scalar, s->on->at, "`on` is a scalar, zero on the surface, found %s", value_text(E, v));
  if (value_type(v, &t) && t.dt == DT_BOOL) elab_help(m, "`on = q[0]` is the surface q[0] == 0");
  else if (value_type(v, &t) && t.dt == DT_REAL) elab_help(m, "`q[0]` takes one element");
  return false;
}

/* Sets x->g; it must depend on the point `from` of an orbit, if one is given. */
static bool surface(Elab *E, const Section *s, Point *x, const Point *from) {
  Context c;
  Value at[2] = {elab_value(E, x->q), elab_value(E, x->p)};
  context_push(E, &c);
  c.no_draws = "a surface does not change along an orbit: draw before, by `let`";
  name_points(E, s, at);
  Value v = elab_expr(E, s->on->e);
  if (v.kind == V_FUNC) {
    Actuals a = actuals_of(E, at, 2, s->on->at);
    v = elab_apply(E, v.func, &a);
  }
  context_pop(E, &c);
  if (!is_level(E, s, v)) return false;
  x->g = traj_lane(E, elab_tensor(E, v, s->on->at), s->on->at);
  const Fn *f = E->now->level->fn;
  if (!from || elab_reaches(f, x->g, from->q) || elab_reaches(f, x->g, from->p)) return true;
  DiagMsg *m = elab_error(E, CODE_independent, s->on->at, "`on` does not depend on the moving point");
  elab_help(m, "the point has the names that q and p have in the call or in the Hamiltonian; "
               "a function of (q, p) will do");
  return false;
}

/* ---- pieces --------------------------------------------------------------------------------------------- */

static Build *builder(Elab *E, const Section *s) { return elab_at(E, s->p.call); }

/* One step of length h from x. */
static bool step(Elab *E, const Section *s, Point x, Val h, Point *out) {
  Level *l = ARENA_NEW(E->mem, Level);
  if (!traj_rates(E, &s->p, l) || !traj_separable(E, &s->p, l)) {
    level_drop(E, l);
    return false;
  }
  level_leave(E, l);
  Build *b = builder(E, s);
  Val multi = traj_steps(E, &s->p, l, (Val[]){x.q, x.p}, h, 1, 1);
  level_end(E, l);
  *out = (Point){ir_index(b, ir_proj(b, multi, 0), 0, 1), ir_index(b, ir_proj(b, multi, 1), 0, 1), VAL_NONE};
  return true;
}

static Val length(Elab *E, const Section *s) { return elab_tensor(E, s->dt, s->p.call); }

/* Whether g passes zero from x to y in the wanted direction. Where y lies on the surface, that is the
 * crossing, and the step from there on is none. */
static Val crosses(Build *b, const Section *s, Val x, Val y) {
  Val zero = ir_const(b, 0);
  Val below = ir_le(b, zero, y), from_below = ir_lt(b, x, zero), up = ir_and(b, from_below, below);
  Val above = ir_le(b, y, zero), from_above = ir_lt(b, zero, x), down = ir_and(b, from_above, above);
  return s->sign > 0 ? up : s->sign < 0 ? down : ir_or(b, up, down);
}

static Point choose(Build *b, Val c, Point x, Point y) {
  Val q = ir_select(b, c, x.q, y.q), p = ir_select(b, c, x.p, y.p);
  return (Point){q, p, ir_select(b, c, x.g, y.g)};
}

static Val carried(Elab *E, const Section *s, const char *name, Type t) {
  return ir_input(builder(E, s), name, IN_STATE, E->now->level->fn->in.n, t);
}

/* One statement each: C leaves the order within an initializer open, and inputs have one. */
static Point carried_point(Elab *E, const Section *s, const Fn *of, Point x) {
  Point y;
  y.q = carried(E, s, "q", ir_type(of, x.q));
  y.p = carried(E, s, "p", ir_type(of, x.p));
  y.g = carried(E, s, "g", ir_type(of, x.g));
  return y;
}

static void returned(Elab *E, const Section *s, const Val *v, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    Val x = traj_lane(E, v[k], s->p.call);
    ir_output(builder(E, s), x, NULL);
  }
}

/* Ends l, the body of a loop of n turns from the carries `first`. */
static Val loop(Elab *E, const Section *s, Level *l, const Val *first, uint32_t carry, uint32_t ys, int64_t n) {
  Val *args = ARENA_ARRAY(E->mem, Val, carry + l->captures.n);
  memcpy(args, first, sizeof *args * carry);
  for (uint32_t k = 0; k < l->captures.n; k++) args[carry + k] = l->captures.at[k].outer;
  level_order(E, l, carry);
  uint32_t nargs = carry + l->captures.n;
  level_end(E, l);
  return ir_scan(builder(E, s), args, nargs, (uint32_t)n, carry, 0, ys, 0, false, ys == 0, l->fn);
}

/* ---- search --------------------------------------------------------------------------------------------- */

/* One turn: `status` is 1 or -1 under way, 0 when done. */
static bool search_turn(Elab *E, const Section *s, Point before, Point at, Val status) {
  Point next;
  if (!step(E, s, at, length(E, s), &next) || !surface(E, s, &next, &at)) return false;
  Build *b = builder(E, s);
  Val busy = ir_ne(b, status, ir_const(b, 0));
  Val most = ir_const(b, b->f->f64 ? 1e300 : 1e37), finite = ir_le(b, ir_abs(b, next.g), most);
  Val on = ir_and(b, busy, ir_and(b, finite, ir_not(b, crosses(b, s, at.g, next.g))));
  before = choose(b, busy, at, before);
  at = choose(b, busy, next, at);
  Val done = ir_const(b, 0);
  status = ir_select(b, on, ir_neg(b, status), done);
  returned(E, s, (Val[]){before.q, before.p, before.g, at.q, at.p, at.g, status}, 7);
  return true;
}

/* From x on: the grid points before and after the next crossing, or the last ones looked at. */
static bool search(Elab *E, const Section *s, Point x, Point *before, Point *after) {
  const Fn *up = E->now->level->fn;
  Val one = traj_lane(E, ir_const(builder(E, s), 1), s->p.call);
  Val first[] = {x.q, x.p, x.g, x.q, x.p, x.g, one};
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, "search");
  Point a = carried_point(E, s, up, x), c = carried_point(E, s, up, x);
  if (!search_turn(E, s, a, c, carried(E, s, "status", ir_type(up, one)))) {
    level_drop(E, l);
    return false;
  }
  Val r = loop(E, s, l, first, 7, 0, s->steps);
  Build *b = builder(E, s);
  *before = (Point){ir_proj(b, r, 0), ir_proj(b, r, 1), ir_proj(b, r, 2)};
  *after = (Point){ir_proj(b, r, 3), ir_proj(b, r, 4), ir_proj(b, r, 5)};
  return true;
}

/* ---- locate --------------------------------------------------------------------------------------------- */

/* The interval [a, b] of step lengths, g at its ends, the last length tried. a == b when done. */
typedef struct Bracket {
  Val a, b, ga, gb, t;
} Bracket;

static bool probe(Elab *E, const Section *s, Point from, Val t, Val *g) {
  Point x;
  Build *b = builder(E, s);
  Val h = ir_mul(b, t, length(E, s));
  if (!step(E, s, from, h, &x) || !surface(E, s, &x, NULL)) return false;
  *g = x.g;
  return true;
}

/* C. Ridders, IEEE Trans. Circuits Syst. 26 (1979) 979: regula falsi on g times an exponential that makes the
 * ends and the middle m lie on a line. With x = g(m)/g(a) and y = g(b)/g(a) the next length is
 * m + (m - a) x/sqrt(x^2 - y), on that side of m where g changes sign. */
static Val ridders(Build *b, Bracket k, Val m, Val gm) {
  Val x = ir_div(b, gm, k.ga), y = ir_div(b, k.gb, k.ga);
  Val part = ir_div(b, x, ir_sqrt(b, ir_sub(b, ir_mul(b, x, x), y)));
  Val t = ir_add(b, m, ir_mul(b, ir_sub(b, m, k.a), part));
  Val before_b = ir_lt(b, t, k.b);
  return ir_select(b, ir_and(b, ir_lt(b, k.a, t), before_b), t, m);
}

static bool locate_turn(Elab *E, const Section *s, Point from, Bracket k) {
  Build *b = builder(E, s);
  Val zero = ir_const(b, 0), half = ir_const(b, 0.5), gm, gt, m = ir_mul(b, ir_add(b, k.a, k.b), half);
  if (!probe(E, s, from, m, &gm)) return false;
  Val t = ridders(builder(E, s), k, m, gm);
  if (!probe(E, s, from, t, &gt)) return false;
  builder(E, s);
  Val tol = ir_const(b, b->f->f64 ? 0x1p-51 : 0x1p-22), busy = ir_lt(b, k.a, k.b);
  Val m_low = ir_lt(b, zero, ir_div(b, gm, k.ga)), t_low = ir_lt(b, zero, ir_div(b, gt, k.ga));
  Val high = ir_and(b, t_low, ir_not(b, m_low)); /* t is below m, the crossing between them */
  Val mid = ir_and(b, m_low, ir_not(b, t_low));  /* m is below t */
  Bracket n = {.a = ir_select(b, t_low, t, ir_select(b, mid, m, k.a)),
               .ga = ir_select(b, t_low, gt, ir_select(b, mid, gm, k.ga)),
               .b = ir_select(b, t_low, ir_select(b, high, m, k.b), t),
               .gb = ir_select(b, t_low, ir_select(b, high, gm, k.gb), gt)};
  Val still = ir_le(b, ir_abs(b, ir_sub(b, t, k.t)), tol), narrow = ir_le(b, ir_sub(b, n.b, n.a), tol);
  Val small = ir_or(b, still, narrow), done = ir_or(b, ir_eq(b, gt, zero), small);
  n.a = ir_select(b, done, t, n.a), n.b = ir_select(b, done, t, n.b);
  Val out[] = {ir_select(b, busy, n.a, k.a), ir_select(b, busy, n.b, k.b), ir_select(b, busy, n.ga, k.ga),
               ir_select(b, busy, n.gb, k.gb), ir_select(b, busy, t, k.t)};
  returned(E, s, out, 5);
  return true;
}

/* The crossing between two grid points, in the samples where there is one. */
static bool locate(Elab *E, const Section *s, Point before, Point after, Val found, Point *out) {
  const Fn *up = E->now->level->fn;
  Build *b = builder(E, s);
  Val zero = traj_lane(E, ir_const(b, 0), s->p.call);
  Val first[] = {zero, ir_select(b, found, ir_const(b, 1), zero), before.g, after.g, ir_select(b, found, ir_const(b, -1), zero)};
  Value q = elab_value(E, before.q), p = elab_value(E, before.p);
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, "locate");
  Bracket k;
  Val *in[] = {&k.a, &k.b, &k.ga, &k.gb, &k.t};
  for (int i = 0; i < 5; i++) *in[i] = carried(E, s, NULL, ir_type(up, first[i]));
  Point from = {elab_use(E, q), elab_use(E, p), VAL_NONE};
  if (!locate_turn(E, s, from, k)) {
    level_drop(E, l);
    return false;
  }
  Val turns = loop(E, s, l, first, 5, 0, LOCATE_TURNS); /* leaves a level: the builder of now is another */
  Val t = ir_proj(builder(E, s), turns, 4);
  return step(E, s, before, ir_mul(builder(E, s), t, length(E, s)), out);
}

/* ---- crossings ------------------------------------------------------------------------------------------ */

static bool crossing_turn(Elab *E, const Section *s, Point x) {
  Point before, after, at;
  if (!search(E, s, x, &before, &after)) return false;
  Val found = crosses(builder(E, s), s, before.g, after.g);
  if (!locate(E, s, before, after, found, &at)) return false;
  Build *b = builder(E, s);
  Val met = ir_require(b, found, length(E, s), CAUSE_NO_CROSSING, s->steps), out[] = {after.q, after.p, after.g, at.q, at.p};
  for (uint32_t k = 0; k < 5; k++) out[k] = ir_mul(b, out[k], met);
  returned(E, s, out, 5);
  return true;
}

/* The start. One that lies on the surface up to rounding, against the way of one step, lies on it:
 * crossings that were found before are starts too. */
static bool start(Elab *E, const Section *s, Point *x) {
  Point next;
  const Actual *a = s->p.state;
  x->q = traj_lane(E, elab_tensor(E, a[0].v, a[0].at), a[0].at);
  x->p = traj_lane(E, elab_tensor(E, a[1].v, a[1].at), a[1].at);
  if (!step(E, s, *x, length(E, s), &next) || !surface(E, s, x, NULL) || !surface(E, s, &next, NULL)) return false;
  Build *b = builder(E, s);
  Val far = ir_abs(b, ir_sub(b, next.g, x->g)), way = ir_mul(b, ir_const(b, b->f->f64 ? 1e-9 : 1e-4), far), zero = ir_const(b, 0);
  x->g = ir_select(b, ir_le(b, ir_abs(b, x->g), way), zero, x->g);
  x->g = traj_lane(E, x->g, s->p.call);
  return true;
}

static Value emit(Elab *E, Section *s) {
  Point x;
  Value out[2];
  s->dt = elab_value(E, elab_tensor(E, s->dt, s->p.call));
  if (!start(E, s, &x)) return POISON;
  const Fn *up = E->now->level->fn;
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, "crossing");
  if (!crossing_turn(E, s, carried_point(E, s, up, x))) {
    level_drop(E, l);
    return POISON;
  }
  Val r = loop(E, s, l, (Val[]){x.q, x.p, x.g}, 3, 2, s->count);
  for (uint32_t k = 0; k < 2; k++) out[k] = elab_value(E, ir_proj(builder(E, s), r, 3 + k));
  return value_tuple(E, out, 2);
}

Value bi_section(Elab *E, const Builtin *b, Actuals *a) {
  Section *s = ARENA_NEW(E->mem, Section);
  Actual method;
  Func field = {.kind = F_FIELD, .name = "field"};
  *s = (Section){.p = {.name = b->name, .call = a->call}};
  if (!take(E, s, a, &method)) return POISON;
  Type t;
  field.of[0] = s->p.given;
  s->p.f = &field;
  for (uint32_t k = 0; k < 2; k++)
    if (value_type(s->p.state[k].v, &t) && !elab_fits(E, type_count(t) * s->count, s->p.call)) return POISON;
  return emit(E, s);
}
