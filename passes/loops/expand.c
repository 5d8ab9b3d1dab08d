/* Expands fixed-step trajectories into loops.
 *
 *   integrate (y0..., dt, inv...) @rates
 *     -> scan of steps/every turns { scan of `every` turns { one step } }, the start put in front;
 *        no inner loop when every = 1.
 *
 * If asked for, the step of a symmetric method is a `reversible` of what the loop carries, the inverse being the
 * step of -dt from the other end. A step that is composed of drifts and kicks is a chain of them, one for each kick with
 * the drift behind it: what undoes it takes the force where the kick has, so that a backward pass computes it once.
 *
 * The loop carries the states and, if the rates use the time, the number of the step: t = k*dt, so
 * that the time gathers no round-off. The rates are inlined at each stage; if they hold derivative
 * operators, the states go in through `id`, a variable of their own: at a stage, p may depend on q,
 * and d/dq must not see that way. */
#include "passes/loops/expand_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- reversible steps ---- */

/* What is undone at once: moves, or, where there are none, the whole step. */
typedef struct Stretch {
  const Move *move;
  uint32_t n;
  bool last; /* the number of the step goes up behind it */
} Stretch;

/* The states: y, then the number of the step if there is one. Moves are undone in their places, a whole step by one that begins
 * at the other end. */
static void half_step(const Traj *t, Scope *s, const Stretch *x, bool undo, const Type *like) {
  const bool counts = t->timed && x->last;
  s->back = undo && !x->n;
  if (undo && counts) s->k = ir_sub(s->b, s->k, ir_const(s->b, 1));
  for (uint32_t k = 0; k < x->n; k++) {
    Move m = x->move[undo ? x->n - 1 - k : k];
    if (undo) m.w = -m.w;
    expand_move(t, s, m);
  }
  if (!x->n) expand_step(t, s, PIECE_WHOLE);
  if (!undo && counts) s->k = ir_add(s->b, s->k, ir_const(s->b, 1));
  for (uint32_t v = 0; v < t->states; v++) ir_output(s->b, expand_lanes(s->b, s->y[v], like[v].lane), "y");
  if (t->timed) ir_output(s->b, s->k, "k");
}

/* Inputs of the body: y, k, y, k, dt, inv. */
static void stretch_reversible(const Traj *t, Scope *s, const Stretch *x) {
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
    way[w] = (Scope){.b = &b, .y = hold + (uint32_t)w * n, .inv = hold + 2 * n + (uint32_t)w * t->ninv};
    for (uint32_t v = 0; v < n; v++) way[w].y[v] = ir_input(&b, "y", IN_STATE, v, like[v]);
    if (t->timed) way[w].k = ir_input(&b, "k", IN_OTHER, 0, ir_type(s->b->f, s->k));
  }
  dt = ir_input(&b, "dt", IN_OTHER, 1, ir_type(s->b->f, s->dt));
  for (uint32_t v = 0; v < t->ninv; v++)
    way[0].inv[v] = way[1].inv[v] = ir_input(&b, "inv", IN_OTHER, 2 + v, ir_type(s->b->f, s->inv[v]));
  for (int w = 0; w < 2; w++) {
    way[w].dt = dt;
    half_step(t, &way[w], x, w, like);
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
  base_free(hold);
  base_free(like);
}

static void step_reversible(const Traj *t, Scope *s, Piece piece) {
  Moves m = {0};
  if (!expand_moves(t, piece, &m)) stretch_reversible(t, s, &(Stretch){.last = true});
  for (uint32_t k = 0, n; k < m.n; k += n) {
    for (n = 1; k + n < m.n && !m.at[k + n].which; n++) {}
    stretch_reversible(t, s, &(Stretch){m.at + k, n, k + n == m.n});
  }
  vec_free(&m);
}

/* ---- loops ---- */

static void one_step(const Traj *t, Scope *s, Piece piece) {
  if (t->reversible) {
    step_reversible(t, s, piece);
  } else {
    expand_step(t, s, piece);
    if (t->timed) s->k = ir_add(s->b, s->k, ir_const(s->b, 1));
  }
}

/* A drift before or after the steps, which does not know of the time. */
static void edge(const Traj *t, Scope *s, Piece piece) {
  Traj still = *t;
  still.timed = false;
  one_step(&still, s, piece);
}

/* `turns` turns from the values of s, each of `inner` steps; stacked[v]: the states after each turn.
 * With stacked NULL, s->y and s->k are left at the end. */
static void loop(const Traj *t, Scope *s, uint32_t turns, uint32_t inner, Piece piece, Val *stacked) {
  Fn *body = ir_sub_create(s->b->f, inner > 1 ? "every" : "step");
  Build b;
  Vals args = {0};
  Val *hold = base_realloc(NULL, sizeof *hold * (t->states + t->ninv));
  ir_build_init(&b, body);
  b.at = s->b->at;
  Scope in = expand_enter(t, s, &b, true, &args, hold);
  bool joined = inner > 2 && expand_joins(t); /* two steps have as many drifts either way */
  if (joined) edge(t, &in, PIECE_BEFORE);
  if (inner > 1) loop(t, &in, inner, 1, joined ? PIECE_BETWEEN : PIECE_WHOLE, NULL);
  else one_step(t, &in, piece);
  if (joined) edge(t, &in, PIECE_AFTER);
  uint32_t n = t->states, carry = n + t->timed;
  for (uint32_t v = 0; v < n; v++) ir_output(&b, in.y[v] = expand_lanes(&b, in.y[v], ir_type(s->b->f, s->y[v]).lane), "y");
  if (t->timed) ir_output(&b, in.k, "k");
  for (uint32_t v = 0; stacked && v < n; v++) ir_output(&b, in.y[v], "y");
  ir_build_finish(&b);
  Val scan = ir_scan(s->b, args.at, args.n, turns, carry, 0, stacked ? n : 0, 0, false, false, body);
  for (uint32_t v = 0; v < n; v++) {
    if (stacked) stacked[v] = ir_proj(s->b, scan, carry + v);
    else s->y[v] = ir_proj(s->b, scan, v);
  }
  if (!stacked && t->timed) s->k = ir_proj(s->b, scan, n);
  vec_free(&args);
  base_free(hold);
}

/* ---- what the rates are like ---- */

/* ---- the walk ---- */

/* What the walks through a function and its bodies share. */
typedef struct Walk {
  PassRun *run;
  bool reversible; /* asked for; rates themselves are not */
  bool stepper;    /* gauss16 of f itself becomes an `ode` */
  uint64_t before; /* ir_written() at the begin */
  Diag *diag;
  bool failed; /* too large, which was said */
} Walk;

static Val expand_inst(Copy *c, uint32_t id, const Inst *i);

static Fn *expand_rates_of(Walk *w, const Fn *body) {
  const bool reversible = w->reversible, stepper = w->stepper;
  w->reversible = w->stepper = false;
  Fn *rates = copy_fn(NULL, body, expand_inst, w);
  w->reversible = reversible, w->stepper = stepper;
  return rates;
}

static uint64_t size_of(const Fn *f) {
  uint64_t n = f->inst.n;
  for (uint32_t k = 0; k < f->sub.n; k++) n += size_of(f->sub.at[k]);
  return n;
}

/* Each of a few stages writes out the rates. */
static bool affords(Walk *w, const Fn *rates, Span at) {
  enum { FEW = 4 };
  return !(w->failed = w->failed || pass_too_large(w->before, FEW * size_of(rates), "the trajectory", at, w->diag));
}

/* The rates with a time of each sample, if states have that. */
static Fn *with_times(const Traj *t, Fn *parent) {
  Build b;
  const Fn *f = t->rates;
  Val *in = base_zeroed(f->in.n + 1, sizeof *in), *out = base_zeroed(f->out.n + 1, sizeof *out);
  ir_build_init(&b, ir_sub_create(parent, "rates"));
  for (uint32_t k = 0; k < f->in.n; k++) {
    Type type = f->in.at[k].type;
    if (k == t->states) type.lane = f->in.at[0].type.lane;
    in[k] = ir_input(&b, f->in.at[k].name, f->in.at[k].kind, f->in.at[k].index, type);
  }
  ir_inline(&b, f, in, out);
  for (uint32_t k = 0; k < t->states; k++) ir_output(&b, pass_with_lane(&b, out[k], f->in.at[k].type.lane), NULL);
  ir_build_finish(&b);
  base_free(in), base_free(out);
  return b.f;
}

/* As an `ode` with rtol 0: max_steps steps between two times. False: it cannot be one. */
static bool by_stepper(const Traj *t, const Scope *s, integrate_attr attr, Val *result) {
  enum { POINTS = 1 << 16 };
  Build *b = s->b;
  const int64_t points = attr.every ? attr.steps / attr.every + 1 : 0;
  if (t->counted || points < 2 || points > POINTS || pass_holds(t->rates, OPF_IMPURE, OP_none)) return false;
  for (uint32_t v = 0; v < t->states; v++) {
    const Type type = ir_type(b->f, s->y[v]);
    if (!type_eq(type, t->rates->in.at[v].type) || type.lane != t->rates->in.at[0].type.lane) return false;
  }
  const uint32_t n = (uint32_t)points;
  double *at = base_realloc(NULL, sizeof *at * n);
  for (uint32_t k = 0; k < n; k++) at[k] = (double)(k * attr.every);
  const Val times = ir_mul(b, s->dt, ir_table(b, type_real(false, 1, &n), at));
  const Val multi = ir_ode(b, M_GAUSS16, s->y, t->states, times, s->inv, t->ninv, 0, 0, attr.every, with_times(t, b->f));
  for (uint32_t v = 0; v < t->states; v++) result[v] = ir_proj(b, multi, v);
  base_free(at);
  return true;
}

static Val *integrate(Walk *w, Build *b, const Fn *f, const Inst *i, const Val *map) {
  integrate_attr attr = ir_integrate_attr(f, i);
  uint32_t n = (uint32_t)attr.states, steps = (uint32_t)attr.steps, every = (uint32_t)attr.every;
  Traj t = {.run = w->run, .method = (Method)attr.method, .states = n, .ninv = i->nargs - n - 1};
  t.rates = expand_rates_of(w, ir_body(f, i));
  t.reversible = w->reversible && expand_symmetric(t.method);
  t.counted = t.rates->in.n > i->nargs;
  t.timed = pass_follows(t.rates, 0, n, n) || t.counted;
  t.drift_timed = pass_follows(t.rates, 0, 1, n) || (t.counted && pass_follows(t.rates, 0, 1, i->nargs));
  t.derivs = pass_holds(t.rates, OPF_DERIV, OP_none);
  Val *result = base_realloc(NULL, sizeof *result * (n + n + t.ninv)), *y = result + n;
  Scope s = {.b = b, .y = y, .inv = y + n, .dt = map[ir_arg(f, i, n).id]};
  for (uint32_t v = 0; v < n; v++) {
    Type type;
    if (!ir_result_type(f, i, v, &type)) base_fault("integrate: state %u has no type", v);
    y[v] = expand_lanes(b, map[ir_arg(f, i, v).id], type.lane || ir_type(b->f, s.dt).lane);
  }
  for (uint32_t v = 0; v < t.ninv; v++) s.inv[v] = map[ir_arg(f, i, n + 1 + v).id];
  if (w->stepper && t.method == M_GAUSS16 && by_stepper(&t, &s, attr, result)) {
    ir_fn_destroy(t.rates);
    return result;
  }
  if (t.timed) s.k = ir_const(b, 0);
  Val start[2];
  const bool moves = steps >= every && affords(w, t.rates, i->at);
  if (moves) loop(&t, &s, steps / every, every, PIECE_WHOLE, result);
  for (uint32_t v = 0; v < n; v++) {
    start[0] = ir_expand(b, y[v], 0, 1);
    start[1] = result[v];
    result[v] = moves ? ir_concat(b, start, 2, 0) : w->failed ? ir_expand(b, y[v], 0, steps / every + 1) : start[0];
  }
  ir_fn_destroy(t.rates);
  return result;
}

static Val expand_body(Copy *c, const Inst *i) {
  Walk *w = c->ctx;
  const bool stepper = w->stepper;
  w->stepper = false;
  const Val v = copy_body(c, i, copy_fn(c->b->f, ir_body(c->from, i), expand_inst, w));
  w->stepper = stepper;
  return v;
}

static Val expand_inst(Copy *c, uint32_t id, const Inst *i) {
  Walk *w = c->ctx;
  if (i->op == OP_integrate) c->result[id] = integrate(w, c->b, c->from, i, c->map);
  else if (i->sub && pass_holds(ir_body(c->from, i), 0, OP_integrate)) return expand_body(c, i);
  return VAL_NONE;
}

Fn *pass_expand_as(PassRun *run, const Fn *f, bool reversible, bool stepper, Diag *diag) {
  double start = pass_now();
  pass_at(run, "trajectories of", f->name, (Span){0});
  Walk w = {.run = run, .reversible = reversible, .stepper = stepper, .before = ir_written(), .diag = diag};
  Fn *out = copy_fn(NULL, f, expand_inst, &w);
  if (!w.failed) return pass_done(run, "expand", start, out);
  ir_fn_destroy(out);
  return NULL;
}

Fn *pass_expand(PassRun *run, const Fn *f, Diag *diag) { return pass_expand_as(run, f, false, false, diag); }
