/* Expands fixed-step trajectories into loops.
 *
 *   integrate (y0..., dt, inv...) @rates
 *     -> scan of steps/every turns { scan of `every` turns { one step } }, the start put in front;
 *        no inner loop when every = 1.
 *
 * If asked for, the step of a symmetric method is a `reversible` of what the loop carries, the inverse being the
 * step of -dt from the other end.
 *
 * The loop carries the states and, if the rates use the time, the number of the step: t = k*dt, so
 * that the time gathers no round-off. The rates are inlined at each stage; if they hold derivative
 * operators, the states go in through `id`, a variable of their own: at a stage, p may depend on q,
 * and d/dq must not see that way.
 *
 *   symplectic_euler  p += dt*f_p(q, p), then q += dt*f_q(q, p)
 *   leapfrog          drift dt/2, kick dt, drift dt/2: one force a step; yoshida4, 6, 8 compose it and
 *                     join neighbouring drifts (not when the drift depends on time, which is then
 *                     taken in the middle of each). The half of the rates not asked for is dead.
 *   implicit          Runge-Kutta stages K_i = f(t + c_i dt, y + dt sum_j a_ij K_j) by fixed-point
 *                     iteration in a `converge` scan of at most 50 turns, from K_i = f(t, y). The last
 *                     turn stands outside and measures the residual; a sample that has not converged
 *                     (relative 1e-6 in f64, 1e-3 in f32) becomes NaN instead of being wrong. Where functions are
 *                     compared (FN_EXACT) 1e-12: what is left of an iteration must not look like a difference. */
#include "passes/expand.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/pass.h"

enum { FIXED_POINT_TURNS = 50 };

/* One `integrate` while it is expanded. */
typedef struct Traj {
  Fn *rates; /* already expanded itself */
  Method method;
  uint32_t states, ninv;
  bool timed, drift_timed, derivs; /* the time is used; by f_q; derivative operators in the rates */
  bool reversible;                 /* steps are to be reversible */
} Traj;

/* The values a step sees, in the function that is being built. */
typedef struct Scope {
  Build *b;
  Val *y, k, dt, *inv; /* k: number of the step, none unless timed */
  bool back;           /* step k is undone: from t = (k+1)*dt by -dt */
} Scope;

/* ---- small values ---- */

/* A coefficient, exact if it is a small rational. */
static Val coef(Build *b, double v) {
  for (int64_t den = 1; den <= 36; den++) {
    double num = nearbyint(v * (double)den);
    if (fabs(num) < 1000 && num / (double)den == v) return ir_const_exact(b, v, (int64_t)num, den);
  }
  return ir_const(b, v);
}

static Val scaled(Build *b, double c, Val x) { return c == 1 ? x : ir_mul(b, coef(b, c), x); }

/* sum_j c[j] * x[j*stride]; VAL_NONE if every c is 0 */
static Val combine(Build *b, const double *c, const Val *x, int n, uint32_t stride) {
  Val sum = VAL_NONE;
  for (int j = 0; j < n; j++) {
    if (c[j] == 0) continue;
    Val term = scaled(b, c[j], x[(uint32_t)j * stride]);
    sum = sum.id ? ir_add(b, sum, term) : term;
  }
  return sum;
}

static Val add_scaled(Build *b, Val y, Val h, Val rate) {
  return rate.id ? ir_add(b, y, ir_mul(b, h, rate)) : y;
}

/* The length of the step, with its sign. */
static Val length(const Scope *s) { return s->back ? ir_neg(s->b, s->dt) : s->dt; }

/* (k + c) * dt; c counts from where the step begins */
static Val time_at(const Traj *t, const Scope *s, double c) {
  if (!t->timed) return ir_const(s->b, 0);
  if (s->back) c = 1 - c;
  return ir_mul(s->b, c == 0 ? s->k : ir_add(s->b, s->k, coef(s->b, c)), s->dt);
}

static void rates_at(const Traj *t, const Scope *s, const Val *y, double c, Val *dy) {
  uint32_t n = t->states;
  Val *args = base_realloc(NULL, sizeof *args * (n + 1 + t->ninv));
  for (uint32_t k = 0; k < n; k++) args[k] = t->derivs ? ir_id(s->b, y[k]) : y[k];
  args[n] = time_at(t, s, c);
  if (t->derivs && t->timed) args[n] = ir_id(s->b, args[n]);
  if (t->ninv) memcpy(args + n + 1, s->inv, sizeof *args * t->ninv);
  ir_inline(s->b, t->rates, args, dy);
  free(args);
}

/* ---- steps: each replaces s->y ---- */

static void step_explicit(const Traj *t, Scope *s, const Tableau *rk) {
  uint32_t n = t->states;
  Val *k = base_realloc(NULL, sizeof *k * n * (MAX_STAGES + 1)), *at = k + n * MAX_STAGES;
  for (int i = 0; i < rk->stages; i++) {
    for (uint32_t v = 0; v < n; v++)
      at[v] = add_scaled(s->b, s->y[v], s->dt, combine(s->b, rk->a[i], k + v, i, n));
    rates_at(t, s, at, rk->c[i], k + (uint32_t)i * n);
  }
  for (uint32_t v = 0; v < n; v++)
    s->y[v] = add_scaled(s->b, s->y[v], s->dt, combine(s->b, rk->b, k + v, rk->stages, n));
  free(k);
}

/* y[which] += w*dt*f_which(y, t + c*dt) */
static void move(const Traj *t, Scope *s, int which, double w, double c) {
  Val dy[2];
  rates_at(t, s, s->y, c, dy);
  s->y[which] = add_scaled(s->b, s->y[which], scaled(s->b, w, length(s)), dy[which]);
}

static void step_symplectic_euler(const Traj *t, Scope *s) {
  move(t, s, 1, 1, 0);
  move(t, s, 0, 1, 0);
}

static void step_composition(const Traj *t, Scope *s, const Composition *c) {
  double at = 0, drift = 0; /* time reached by whole leapfrogs; drift still owed */
  for (int i = 0; i < c->n; i++) {
    double half = c->w[i] / 2;
    drift += half;
    move(t, s, 0, drift, at + half / 2);
    move(t, s, 1, c->w[i], at + half);
    drift = half;
    at += c->w[i];
    if (t->drift_timed || i == c->n - 1) {
      move(t, s, 0, drift, at - half / 2);
      drift = 0;
    }
  }
}

/* The stages again, from the stages: next[i*n + v]. A stage sees those before it renewed, which
 * takes fewer turns. */
static void stages_again(const Traj *t, const Scope *s, const Tableau *rk, const Val *k, Val *next) {
  uint32_t n = t->states;
  Val *at = base_realloc(NULL, sizeof *at * n);
  memcpy(next, k, sizeof *next * n * (uint32_t)rk->stages);
  for (int i = 0; i < rk->stages; i++) {
    for (uint32_t v = 0; v < n; v++)
      at[v] = add_scaled(s->b, s->y[v], length(s), combine(s->b, rk->a[i], next + v, rk->stages, n));
    rates_at(t, s, at, rk->c[i], next + (uint32_t)i * n);
  }
  free(at);
}

static Val largest(Build *b, Val max, Val x) {
  uint32_t n = (uint32_t)type_count(ir_type(b->f, x));
  x = ir_abs(b, x);
  if (ir_type(b->f, x).rank) x = ir_rmax(b, ir_reshape(b, x, 1, &n), 0);
  return max.id ? ir_max(b, max, x) : x;
}

/* Whether |dt|*|K' - K| <= tolerance * (|y| + |dt|*|K'|), in the largest elements of the states, or of
 * those that are shared. */
static Val converged(const Traj *t, Scope *s, int stages, const Val *old, const Val *k, const Val *next,
                     bool shared) {
  Build *b = s->b;
  Val change = VAL_NONE, size = VAL_NONE, rate = VAL_NONE, h = ir_abs(b, s->dt);
  for (uint32_t v = 0; v < t->states; v++) {
    if (shared && ir_type(b->f, old[v]).lane) continue;
    size = largest(b, size, old[v]);
    for (int i = 0; i < stages; i++) {
      uint32_t j = (uint32_t)i * t->states + v;
      rate = largest(b, rate, next[j]);
      change = largest(b, change, ir_sub(b, next[j], k[j]));
    }
  }
  double part = b->f->f64 == FN_EXACT ? 1e-12 : b->f->f64 ? 1e-6 : 1e-3;
  Val bound = ir_mul(b, ir_const(b, part), ir_add(b, size, ir_mul(b, h, rate)));
  return ir_le(b, ir_mul(b, h, change), bound);
}

/* NaN for what has not converged, by a factor, so that derivatives are NaN, too; a shared state does not depend on the
 * others. */
static void poison(const Traj *t, Scope *s, int stages, const Val *old, const Val *k, const Val *next) {
  Build *b = s->b;
  for (uint32_t v = 0; v < t->states; v++) {
    Val good = converged(t, s, stages, old, k, next, !ir_type(b->f, old[v]).lane);
    s->y[v] = ir_mul(b, s->y[v], ir_select(b, good, ir_const(b, 1), ir_const(b, NAN)));
  }
}

typedef VEC(Val) Vals;

/* A body whose inputs are args and whose scope names them: y (unless carried elsewhere), k, dt, inv. */
static Scope enter(const Traj *t, const Scope *outer, Build *b, bool y_too, Vals *args, Val *hold) {
  Scope in = {.b = b, .y = hold, .inv = hold + t->states, .back = outer->back};
  Fn *of = outer->b->f;
  for (uint32_t v = 0; y_too && v < t->states; v++) {
    *vec_push(args) = outer->y[v];
    in.y[v] = ir_input(b, "y", IN_STATE, v, ir_type(of, outer->y[v]));
  }
  if (t->timed) {
    *vec_push(args) = outer->k;
    in.k = ir_input(b, "k", IN_OTHER, 0, ir_type(of, outer->k));
  }
  *vec_push(args) = outer->dt;
  in.dt = ir_input(b, "dt", IN_OTHER, 1, ir_type(of, outer->dt));
  for (uint32_t v = 0; v < t->ninv; v++) {
    *vec_push(args) = outer->inv[v];
    in.inv[v] = ir_input(b, "inv", IN_OTHER, 2 + v, ir_type(of, outer->inv[v]));
  }
  return in;
}

static Val lanes_like(Build *b, Val x, bool lane) { return lane ? ir_spread(b, x) : x; }

static void step_implicit(const Traj *t, Scope *s, const Tableau *rk) {
  uint32_t n = t->states, nk = n * (uint32_t)rk->stages;
  Val *hold = base_realloc(NULL, sizeof *hold * (3 * nk + n + t->ninv));
  Val *k = hold, *next = hold + nk, *in_k = next + nk, *names = in_k + nk;
  rates_at(t, s, s->y, 0, next);
  for (uint32_t j = 0; j < nk; j++) k[j] = lanes_like(s->b, next[j % n], ir_type(s->b->f, s->y[j % n]).lane);

  Fn *body = ir_sub_create(s->b->f, "stages");
  Build b;
  Vals args = {0};
  ir_build_init(&b, body);
  b.at = s->b->at;
  for (uint32_t j = 0; j < nk; j++) {
    *vec_push(&args) = k[j];
    in_k[j] = ir_input(&b, "K", IN_STATE, j, ir_type(s->b->f, k[j]));
  }
  Scope in = enter(t, s, &b, true, &args, names);
  stages_again(t, &in, rk, in_k, next);
  for (uint32_t j = 0; j < nk; j++) ir_output(&b, lanes_like(&b, next[j], ir_type(body, in_k[j]).lane), NULL);
  ir_build_finish(&b);
  Val loop = ir_scan(s->b, args.at, args.n, FIXED_POINT_TURNS, nk, 0, 0, 0, false, true, body);
  for (uint32_t j = 0; j < nk; j++) k[j] = ir_proj(s->b, loop, j);
  vec_free(&args);

  stages_again(t, s, rk, k, next);
  memcpy(names, s->y, sizeof *names * n);
  for (uint32_t v = 0; v < n; v++)
    s->y[v] = add_scaled(s->b, s->y[v], length(s), combine(s->b, rk->b, next + v, rk->stages, n));
  poison(t, s, rk->stages, names, k, next);
  free(hold);
}

static void step(const Traj *t, Scope *s) {
  Tableau rk;
  Composition c;
  if (t->method == M_SYMPLECTIC_EULER)
    step_symplectic_euler(t, s);
  else if (method_composition(t->method, &c))
    step_composition(t, s, &c);
  else if (!method_tableau(t->method, &rk))
    base_fault("integrate: `%s` has no fixed step", ir_method[t->method].name);
  else if (t->method == M_EULER || t->method == M_RK4)
    step_explicit(t, s, &rk);
  else
    step_implicit(t, s, &rk);
}

/* ---- reversible steps ---- */

/* The states of the step: y, then the number of the step if there is one. */
static void half_step(const Traj *t, Scope *s, const Type *like) {
  if (s->back && t->timed) s->k = ir_sub(s->b, s->k, ir_const(s->b, 1));
  step(t, s);
  if (!s->back && t->timed) s->k = ir_add(s->b, s->k, ir_const(s->b, 1));
  for (uint32_t v = 0; v < t->states; v++) ir_output(s->b, lanes_like(s->b, s->y[v], like[v].lane), "y");
  if (t->timed) ir_output(s->b, s->k, "k");
}

/* Inputs of the body: y, k, y, k, dt, inv. f and g are the step of the same code. */
static void step_reversible(const Traj *t, Scope *s) {
  uint32_t n = t->states, states = n + t->timed;
  Fn *body = ir_sub_create(s->b->f, "reversible");
  Build b;
  Vals args = {0};
  Type *like = base_realloc(NULL, sizeof *like * n);
  Val *hold = base_realloc(NULL, sizeof *hold * 2 * (n + t->ninv)), dt;
  Scope way[2];
  ir_build_init(&b, body);
  b.at = s->b->at;
  for (uint32_t v = 0; v < n; v++) like[v] = ir_type(s->b->f, s->y[v]);
  for (int w = 0; w < 2; w++) {
    way[w] = (Scope){.b = &b, .y = hold + (uint32_t)w * n, .inv = hold + 2 * n + (uint32_t)w * t->ninv, .back = w};
    for (uint32_t v = 0; v < n; v++) way[w].y[v] = ir_input(&b, "y", IN_STATE, v, like[v]);
    if (t->timed) way[w].k = ir_input(&b, "k", IN_OTHER, 0, ir_type(s->b->f, s->k));
  }
  dt = ir_input(&b, "dt", IN_OTHER, 1, ir_type(s->b->f, s->dt));
  for (uint32_t v = 0; v < t->ninv; v++)
    way[0].inv[v] = way[1].inv[v] = ir_input(&b, "inv", IN_OTHER, 2 + v, ir_type(s->b->f, s->inv[v]));
  for (int w = 0; w < 2; w++) {
    way[w].dt = dt;
    half_step(t, &way[w], like);
  }
  ir_build_finish(&b);
  for (uint32_t v = 0; v < n; v++) *vec_push(&args) = s->y[v];
  if (t->timed) *vec_push(&args) = s->k;
  *vec_push(&args) = s->dt;
  for (uint32_t v = 0; v < t->ninv; v++) *vec_push(&args) = s->inv[v];
  Val op = ir_reversible(s->b, args.at, args.n, states, body);
  for (uint32_t v = 0; v < n; v++) s->y[v] = ir_proj(s->b, op, v);
  if (t->timed) s->k = ir_proj(s->b, op, n);
  vec_free(&args);
  free(hold);
  free(like);
}

/* ---- loops ---- */

/* `turns` turns from the values of s, each of `inner` steps; stacked[v]: the states after each turn.
 * With stacked NULL, s->y and s->k are left at the end. */
static void loop(const Traj *t, Scope *s, uint32_t turns, uint32_t inner, Val *stacked) {
  Fn *body = ir_sub_create(s->b->f, inner > 1 ? "every" : "step");
  Build b;
  Vals args = {0};
  Val *hold = base_realloc(NULL, sizeof *hold * (t->states + t->ninv));
  ir_build_init(&b, body);
  b.at = s->b->at;
  Scope in = enter(t, s, &b, true, &args, hold);
  if (inner > 1) {
    loop(t, &in, inner, 1, NULL);
  } else if (t->reversible) {
    step_reversible(t, &in);
  } else {
    step(t, &in);
    if (t->timed) in.k = ir_add(&b, in.k, ir_const(&b, 1));
  }
  uint32_t n = t->states, carry = n + t->timed;
  for (uint32_t v = 0; v < n; v++)
    ir_output(&b, in.y[v] = lanes_like(&b, in.y[v], ir_type(s->b->f, s->y[v]).lane), "y");
  if (t->timed) ir_output(&b, in.k, "k");
  for (uint32_t v = 0; stacked && v < n; v++) ir_output(&b, in.y[v], "y");
  ir_build_finish(&b);
  Val scan = ir_scan(s->b, args.at, args.n, turns, carry, 0, stacked ? n : 0, 0, false, false, body);
  for (uint32_t v = 0; v < n; v++) {
    if (stacked)
      stacked[v] = ir_proj(s->b, scan, carry + v);
    else
      s->y[v] = ir_proj(s->b, scan, v);
  }
  if (!stacked && t->timed) s->k = ir_proj(s->b, scan, n);
  vec_free(&args);
  free(hold);
}

/* ---- what the rates are like ---- */

static bool has_op(const Fn *f, unsigned flags, Op op) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == op || (ir_op[i->op].flags & flags)) return true;
    if (i->sub && has_op(ir_body(f, i), flags, op)) return true;
  }
  return false;
}

/* Whether outputs [from, to) follow from input `index`. */
static bool follows(const Fn *f, uint32_t from, uint32_t to, uint32_t index) {
  bool *yes = base_realloc(NULL, f->inst.n), any = false;
  memset(yes, 0, f->inst.n);
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    yes[id] = i->op == OP_in && ir_attr(f, i, 0) == index;
    for (uint32_t k = 0; k < i->nargs; k++) yes[id] |= yes[ir_arg(f, i, k).id];
  }
  for (uint32_t k = from; k < to && k < f->out.n; k++) any |= yes[f->out.at[k].id];
  free(yes);
  return any;
}

/* ---- the walk ---- */

static Fn *expand_sub(Fn *parent, const Fn *f, bool reversible);
static Fn *expand_alone(const Fn *f, bool reversible);

static Val *integrate(Build *b, const Fn *f, const Inst *i, const Val *map, bool reversible) {
  Traj t = {.method = (Method)ir_attr(f, i, 0),
            .states = (uint32_t)ir_attr(f, i, 1),
            .ninv = i->nargs - (uint32_t)ir_attr(f, i, 1) - 1};
  uint32_t steps = (uint32_t)ir_attr(f, i, 2), every = (uint32_t)ir_attr(f, i, 3), n = t.states;
  t.rates = expand_alone(ir_body(f, i), false);
  t.reversible = reversible && method_symmetric(t.method);
  t.timed = follows(t.rates, 0, n, n);
  t.drift_timed = follows(t.rates, 0, 1, n);
  t.derivs = has_op(t.rates, OPF_DERIV, OP_none);
  Val *result = base_realloc(NULL, sizeof *result * (n + n + t.ninv)), *y = result + n;
  Scope s = {.b = b, .y = y, .inv = y + n, .dt = map[ir_arg(f, i, n).id]};
  for (uint32_t v = 0; v < n; v++) {
    Type type;
    if (!ir_result_type(f, i, v, &type)) base_fault("integrate: state %u has no type", v);
    y[v] = lanes_like(b, map[ir_arg(f, i, v).id], type.lane || ir_type(b->f, s.dt).lane);
  }
  for (uint32_t v = 0; v < t.ninv; v++) s.inv[v] = map[ir_arg(f, i, n + 1 + v).id];
  if (t.timed) s.k = ir_const(b, 0);
  Val start[2];
  if (steps >= every) loop(&t, &s, steps / every, every, result);
  for (uint32_t v = 0; v < n; v++) {
    start[0] = ir_expand(b, y[v], 0, 1);
    start[1] = result[v];
    result[v] = steps >= every ? ir_concat(b, start, 2, 0) : start[0];
  }
  ir_fn_destroy(t.rates);
  return result;
}

static Val copy_with_body(Build *b, const Fn *f, const Inst *i, const Val *map, bool reversible) {
  Val *args = base_realloc(NULL, sizeof *args * (i->nargs + 1));
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = map[ir_arg(f, i, k).id];
  Val v =
      ir_emit(b, (Op)i->op, args, i->nargs, f->attr.at + i->attr, i->nattr, expand_sub(b->f, ir_body(f, i), reversible));
  free(args);
  return v;
}

/* f has its inputs mapped. */
static void expand_body(Build *b, const Fn *f, Val *map, bool reversible) {
  Val **results = base_realloc(NULL, sizeof *results * f->inst.n);
  memset(results, 0, sizeof *results * f->inst.n);
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    b->at = i->at, b->role = (Role)i->role, b->of = (Op)i->of;
    if (i->op == OP_in) continue;
    if (i->op == OP_integrate)
      results[id] = integrate(b, f, i, map, reversible);
    else if (i->op == OP_proj && results[ir_arg(f, i, 0).id])
      map[id] = results[ir_arg(f, i, 0).id][ir_attr(f, i, 0)];
    else if (i->sub && has_op(ir_body(f, i), 0, OP_integrate))
      map[id] = copy_with_body(b, f, i, map, reversible);
    else
      map[id] = ir_copy_inst(b, f, (Val){id}, map);
  }
  for (uint32_t k = 0; k < f->out.n; k++) ir_output(b, map[f->out.at[k].id], f->outname.at[k]);
  for (uint32_t id = 1; id < f->inst.n; id++) free(results[id]);
  free(results);
}

static void expand_into(Fn *out, const Fn *f, bool reversible) {
  Build b;
  ir_build_init(&b, out);
  Val *map = base_realloc(NULL, sizeof *map * f->inst.n),
      *input = base_realloc(NULL, sizeof *input * (f->in.n + 1));
  memset(map, 0, sizeof *map * f->inst.n);
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *in = &f->in.at[k];
    input[k] = ir_input(&b, in->name, in->kind, in->index, in->type);
  }
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].op == OP_in) map[id] = input[ir_attr(f, &f->inst.at[id], 0)];
  expand_body(&b, f, map, reversible);
  free(map);
  free(input);
  ir_build_finish(&b);
}

static Fn *expand_sub(Fn *parent, const Fn *f, bool reversible) {
  Fn *out = ir_sub_create(parent, f->name);
  expand_into(out, f, reversible);
  return out;
}

static Fn *expand_alone(const Fn *f, bool reversible) {
  Fn *out = ir_fn_create(f->name, f->f64);
  expand_into(out, f, reversible);
  return out;
}

Fn *pass_expand_as(const Fn *f, bool reversible, Diag *diag) {
  (void)diag;
  double start = pass_now();
  return pass_done("expand", start, expand_alone(f, reversible));
}

Fn *pass_expand(const Fn *f, Diag *diag) { return pass_expand_as(f, false, diag); }
