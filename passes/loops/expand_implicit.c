/* One step of an implicit Runge-Kutta method: the stages K_i = f(t + c_i dt, y + dt sum_j a_ij K_j) are solved to
 * round-off, or the states become NaN.
 *
 *   plainly   a loop renews the stages by the equation, from K_i = f(t, y), until they move by no more than 4 units in the
 *             last place; late (pass_status_late), by no more than that moves the states by. Where steps are small that is all.
 *   Newton    samples that have not come to rest by then go on with r(K) = f(...) - K and the matrix dr/dK, from the
 *             plain iterate if that is any good, else from K_i = f(t, y), by steps that are shortened until |r| shrinks. Done is
 *             who moves the states by no more than 4 units in the last place of |y| + |dt| |K|, or who cannot
 *             lessen |r| any more and would move them by less than the root of a unit: rates that round off more than
 *             that have no better solution. Where no sample needs it, the loop has no turn.
 *   direct    rates that are linear in the states: K is the solution of one linear system, corrected once.
 *
 * A sample that is done stays as it is, so that it does not depend on the others. Derivatives do not go through the
 * iteration: `root` names what its result solves. Systems of more than MOST unknowns, and rates that have no derivative, have
 * the plain iteration alone, and derivatives go through it.
 *
 * States per sample and shared ones (which do not depend on the others) are solved one after the other.
 * Where functions are compared (FN_EXACT) there are no decisions: what is not linear is iterated plainly for 50 turns, and
 * accepted at 1e-12. What is left of an iteration must not look like a difference. */
#include "passes/derive/derive.h"
#include "passes/loops/expand_priv.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 48, DIRECT = 4, EXACT_TURNS = 50, PLAIN_TURNS = 50, NEWTON_TURNS = 60 };
static const double GOOD_START = 0.1, SHORTEST = 1e-6, LOOSE = 1000; /* LOOSE: units, without Newton */

typedef struct Implicit {
  const Traj *t;
  Scope *s;
  const Tableau *rk;
  uint32_t n, nk; /* states; stages of all states: number i*n + v */
  bool lane;      /* the states that are solved for now */
  uint32_t size;  /* unknowns */
  Val *start, *k; /* by stage: f(t, y); the solution, VAL_NONE as long as it is not known */
} Implicit;

/* The same inside of a body: its scope, and the stages known before as inputs. */
typedef struct Within {
  Scope in;
  Val *hold, *k;
} Within;

static Type type_in(const Implicit *m, uint32_t j) { return ir_type(m->s->b->f, m->start[j]); }
static bool unknown(const Implicit *m, uint32_t j) { return type_in(m, j).lane == m->lane; }

static void enter(const Implicit *m, Build *b, Vals *args, Within *w) {
  w->hold = base_zeroed(m->n + m->t->ninv, sizeof *w->hold), w->k = base_zeroed(m->nk, sizeof *w->k);
  w->in = expand_enter(m->t, m->s, b, true, args, w->hold);
  for (uint32_t j = 0; j < m->nk; j++) {
    if (!m->k[j].id) continue;
    *vec_push(args) = m->k[j];
    w->k[j] = ir_input(b, "K", IN_OTHER, j, ir_type(m->s->b->f, m->k[j]));
  }
}

static void leave(Within *w) {
  base_free(w->hold);
  base_free(w->k);
}

static void open_body(const Implicit *m, Build *b, const char *name) {
  ir_build_init(b, ir_sub_create(m->s->b->f, name));
  b->at = m->s->b->at;
}

/* What stage i is by stages k: rates[v]. States that are neither known nor asked for stay where they are. */
static void stage(const Implicit *m, const Scope *in, const Val *k, int i, Val *rates) {
  Val *at = base_zeroed(m->n, sizeof *at);
  for (uint32_t v = 0; v < m->n; v++) {
    at[v] = in->y[v];
    if (k[v].id)
      at[v] = expand_add_scaled(in->b, at[v], expand_length(in), expand_combine(in->b, m->rk->a[i], k + v, m->rk->stages, m->n));
  }
  expand_rates(m->t, in, at, m->rk->c[i], rates);
  base_free(at);
}

static Val scalar(Build *b, double v, bool lane) { return pass_with_lane(b, ir_const(b, v), lane); }

static Val largest(Build *b, Val max, Val x) {
  uint32_t n = (uint32_t)type_count(ir_type(b->f, x));
  x = ir_abs(b, x);
  if (ir_type(b->f, x).rank) x = ir_rmax(b, ir_reshape(b, x, 1, &n), 0);
  return max.id ? ir_max(b, max, x) : x;
}

static Val both(Build *b, Val x, Val y) { return !x.id ? y : !y.id ? x : ir_and(b, x, y); }

/* Of x >= 0, without a huge constant. */
static Val is_finite(Build *b, Val x) { return ir_lt(b, ir_mul(b, ir_const(b, 0.5), x), ir_add(b, x, ir_const(b, 1))); }

/* x <= bound, which must be finite: what runs away moves by no more than an infinite part of itself. */
static Val within(Build *b, Val x, Val bound) { return ir_and(b, ir_le(b, x, bound), is_finite(b, bound)); }

static double unit(const Build *b) { return b->f->f64 ? DBL_EPSILON : FLT_EPSILON; }

/* ---- stages as one vector ------------------------------------------------------------------------------------- */

static Type vector(const Implicit *m) { return type_real(m->lane, 1, &m->size); }

static Val gather(const Implicit *m, Build *b, const Val *k) {
  VEC(Val) part = {0};
  for (uint32_t j = 0; j < m->nk; j++) {
    if (!unknown(m, j)) continue;
    uint32_t n = (uint32_t)type_count(type_in(m, j));
    *vec_push(&part) = ir_reshape(b, k[j], 1, &n);
  }
  Val v = pass_with_lane(b, ir_concat(b, part.at, part.n, 0), m->lane);
  vec_free(&part);
  return v;
}

static void scatter(const Implicit *m, Build *b, Val x, Val *k) {
  uint32_t at = 0;
  for (uint32_t j = 0; j < m->nk; j++) {
    if (!unknown(m, j)) continue;
    Type t = type_in(m, j);
    uint32_t n = (uint32_t)type_count(t);
    k[j] = ir_reshape(b, ir_slice(b, x, 0, at, n, 1), t.rank, t.dim);
    at += n;
  }
}

/* Whether |dt| |d| <= part (|y| + |dt| |k|) in the largest elements of each state. */
static Val small(const Implicit *m, const Scope *in, const Val *k, const Val *d, double part) {
  Build *b = in->b;
  Val h = ir_abs(b, in->dt), all = VAL_NONE;
  for (uint32_t v = 0; v < m->n; v++) {
    Val change = VAL_NONE, rate = VAL_NONE;
    if (!unknown(m, v)) continue;
    for (uint32_t j = v; j < m->nk; j += m->n) change = largest(b, change, d[j]), rate = largest(b, rate, k[j]);
    Val bound = ir_mul(b, ir_const(b, part), ir_add(b, largest(b, VAL_NONE, in->y[v]), ir_mul(b, h, rate)));
    all = both(b, all, within(b, ir_mul(b, h, change), bound));
  }
  return all;
}

/* ---- the system as a function --------------------------------------------------------------------------------- */

/* (k, what `enter` takes) -> r(k), dr/dk, on its own and derived; NULL if there is no such derivative. */
static Fn *system_of(const Implicit *m, Vals *args) {
  Build b;
  Within w;
  ir_build_init(&b, ir_fn_create("stages", m->s->b->f->f64));
  b.at = m->s->b->at;
  Val k = ir_input(&b, "k", IN_STATE, 0, vector(m)), *next = base_zeroed(m->n, sizeof *next), *r = base_zeroed(m->nk, sizeof *r);
  enter(m, &b, args, &w);
  scatter(m, &b, k, w.k);
  for (uint32_t j = 0; j < m->nk; j++) {
    if (j % m->n == 0) stage(m, &w.in, w.k, (int)(j / m->n), next);
    if (unknown(m, j)) r[j] = ir_sub(&b, next[j % m->n], w.k[j]);
  }
  Val all = gather(m, &b, r);
  ir_output(&b, all, "r");
  ir_output(&b, ir_jac(&b, all, k), "jacobian");
  ir_build_finish(&b);
  Fn *derived = derive_plain(m->t->run, b.f, NULL);
  ir_fn_destroy(b.f);
  leave(&w);
  base_free(next);
  base_free(r);
  return derived;
}

/* r and dr/dk at x. */
typedef struct Equation {
  Val r, jacobian;
} Equation;

static Equation equation_at(Build *b, const Fn *system, Val x, const Val *args) {
  Val *in = base_zeroed(system->in.n, sizeof *in), out[2];
  in[0] = x;
  memcpy(in + 1, args, sizeof *in * (system->in.n - 1));
  ir_inline(b, system, in, out);
  base_free(in);
  return (Equation){out[0], out[1]};
}

/* ---- plainly ------------------------------------------------------------------------------------------------------ */

/* The stages again. A stage sees those before it renewed, which takes fewer turns. */
static void again(const Implicit *m, const Scope *in, const Val *k, Val *next) {
  Val *rates = base_zeroed(m->n, sizeof *rates);
  memcpy(next, k, sizeof *next * m->nk);
  for (uint32_t j = 0; j < m->nk; j++) {
    if (j % m->n == 0) stage(m, in, next, (int)(j / m->n), rates);
    if (unknown(m, j)) next[j] = pass_with_lane(in->b, rates[j % m->n], m->lane);
  }
  base_free(rates);
}

/* 1 where the iteration can begin: the rates are finite. */
static Val begins(const Implicit *m) {
  Build *b = m->s->b;
  Val sum = VAL_NONE;
  for (uint32_t v = 0; v < m->n; v++) {
    if (!unknown(m, v)) continue;
    Val x = ir_sum_all(b, ir_abs(b, m->start[v]));
    sum = sum.id ? ir_add(b, sum, x) : x;
  }
  return ir_indicator(b, is_finite(b, sum));
}

/* Whether the stages rest: what they move by is no more than 4 units of what they are; `late`, of what they are and would
 * have to be to change the states, since rates that round off more never come to rest. */
static Val rests(const Implicit *m, const Within *w, const Val *next, Val late) {
  Build *b = w->in.b;
  Val still = VAL_NONE, h = ir_abs(b, w->in.dt), zero = ir_const(b, 0);
  for (uint32_t j = 0; j < m->nk; j++) {
    if (!unknown(m, j)) continue;
    Val more = ir_select(b, late, ir_div(b, largest(b, VAL_NONE, w->in.y[j % m->n]), h), zero);
    Val bound = ir_mul(b, ir_const(b, 4 * unit(b)), ir_add(b, largest(b, VAL_NONE, next[j]), more));
    still = both(b, still, within(b, largest(b, VAL_NONE, ir_sub(b, next[j], w->k[j])), bound));
  }
  return still;
}

/* One turn. Outputs the status, which counts down from 1 under way and is 0 at rest, and the stages; the stages alone where no
 * status is carried. */
static void plain_turn(const Implicit *m, Build *b, const Within *w, Val status) {
  Val *next = base_zeroed(m->nk, sizeof *next), on = VAL_NONE, zero = ir_const(b, 0);
  again(m, &w->in, w->k, next);
  if (status.id) {
    Val still = rests(m, w, next, pass_status_late(b, status));
    on = ir_lt(b, zero, status);
    ir_output(b, pass_with_lane(b, pass_status_next(b, status, on, still), m->lane), "status");
  }
  for (uint32_t j = 0; j < m->nk; j++)
    if (unknown(m, j)) ir_output(b, on.id ? ir_select(b, on, next[j], w->k[j]) : next[j], "K");
  base_free(next);
}

/* Sets k; the status afterwards, unless it is not asked for: then there are as many turns as can be. */
static Val plainly(Implicit *m, Val *k, uint32_t turns, bool stops) {
  Build b, *out = m->s->b;
  Vals args = {0};
  Within w;
  Val status = VAL_NONE, *in = base_zeroed(m->nk, sizeof *in);
  open_body(m, &b, "stages");
  if (stops) {
    *vec_push(&args) = pass_with_lane(out, begins(m), m->lane);
    status = ir_input(&b, "status", IN_STATE, 0, type_scalar(m->lane));
  }
  for (uint32_t j = 0; j < m->nk; j++) {
    if (!unknown(m, j)) continue;
    *vec_push(&args) = m->start[j];
    in[j] = ir_input(&b, "K", IN_STATE, j, type_in(m, j));
  }
  uint32_t carry = args.n, at = stops;
  enter(m, &b, &args, &w);
  for (uint32_t j = 0; j < m->nk; j++)
    if (unknown(m, j)) w.k[j] = in[j];
  plain_turn(m, &b, &w, status);
  ir_build_finish(&b);
  Val loop = ir_scan(out, args.at, args.n, turns, carry, 0, 0, 0, false, stops ? 2 : 1, b.f);
  for (uint32_t j = 0; j < m->nk; j++)
    if (unknown(m, j)) k[j] = ir_proj(out, loop, at++);
  leave(&w);
  base_free(in);
  vec_free(&args);
  return stops ? ir_proj(out, loop, 0) : VAL_NONE;
}

/* ---- Newton -------------------------------------------------------------------------------------------------------- */

typedef struct Newton {
  Val status, k, d, way, size;
} Newton; /* d: the step from k; way: the part of it that is tried,
                                                                    * negative at first, 0: anything will do; size: |r(k)| */

/* One turn: r and the step at k + way*d. If |r| is smaller there, on from there, else a shorter way. */
static Newton newton_turn(const Implicit *m, const Fn *system, const Scope *in, const Newton *x, Val start, const Val *args) {
  Build *b = in->b;
  Val zero = ir_const(b, 0), one = ir_const(b, 1), *k = base_zeroed(m->nk, sizeof *k), *d = base_zeroed(m->nk, sizeof *d);
  Val at = ir_add(b, x->k, ir_mul(b, ir_abs(b, x->way), x->d));
  Equation q = equation_at(b, system, at, args);
  Val size = largest(b, VAL_NONE, q.r), step = ir_neg(b, ir_solve(b, q.jacobian, q.r, false));
  Val on = ir_lt(b, zero, x->status), first = ir_lt(b, x->way, zero);
  Val better = ir_or(b, ir_lt(b, size, x->size), ir_and(b, ir_eq(b, x->way, zero), is_finite(b, size)));
  scatter(m, b, at, k), scatter(m, b, step, d);
  Val done = ir_and(b, better, small(m, in, k, d, 4 * unit(b)));
  scatter(m, b, x->k, k), scatter(m, b, x->d, d);
  Val floor = ir_and(b, ir_eq(b, x->way, one), small(m, in, k, d, sqrt(unit(b))));
  Val lost = ir_lt(b, x->way, ir_const(b, SHORTEST));
  Val worse = ir_select(b, first, one, ir_select(b, floor, zero, ir_select(b, lost, ir_const(b, -1), one)));
  Val from = ir_select(b, first, start, ir_select(b, floor, at, x->k)),
      shorter = ir_select(b, first, zero, ir_mul(b, ir_const(b, 0.25), x->way));
  Newton y = {
    .status = ir_select(b, better, ir_select(b, done, zero, one), worse),
    .k = ir_select(b, better, ir_select(b, done, ir_add(b, at, step), at), from),
    .d = ir_select(b, better, step, x->d),
    .way = ir_select(b, better, one, shorter),
    .size = ir_select(b, better, size, x->size),
  };
  y.status = ir_select(b, on, y.status, x->status);
  y.k = ir_select(b, on, y.k, x->k), y.d = ir_select(b, on, y.d, x->d);
  y.way = ir_select(b, on, y.way, x->way), y.size = ir_select(b, on, y.size, x->size);
  base_free(k);
  base_free(d);
  return y;
}

/* From the plain iterates k where `status` says so. The solution as a vector; *status: 0 where there is one. */
static Val newton(const Implicit *m, const Fn *system, const Val *k, Val *status) {
  Build b, *out = m->s->b;
  Vals args = {0};
  Within w;
  Type t = vector(m), s = type_scalar(m->lane);
  open_body(m, &b, "newton");
  Val start = gather(m, out, m->start);
  *vec_push(&args) = pass_with_lane(out, *status, m->lane);
  *vec_push(&args) = gather(m, out, k);
  *vec_push(&args) = pass_zero_like(out, t);
  *vec_push(&args) = scalar(out, -1, m->lane);
  *vec_push(&args) = pass_with_lane(out, ir_mul(out, ir_const(out, GOOD_START), largest(out, VAL_NONE, start)), m->lane);
  *vec_push(&args) = start;
  Newton x = {.status = ir_input(&b, "status", IN_STATE, 0, s),
              .k = ir_input(&b, "k", IN_STATE, 1, t),
              .d = ir_input(&b, "step", IN_STATE, 2, t),
              .way = ir_input(&b, "way", IN_STATE, 3, s),
              .size = ir_input(&b, "size", IN_STATE, 4, s)};
  Val from = ir_input(&b, "start", IN_OTHER, 0, t), *in = base_zeroed(system->in.n, sizeof *in);
  uint32_t first = b.f->in.n;
  enter(m, &b, &args, &w);
  for (uint32_t j = first; j < b.f->in.n; j++) in[j - first] = pass_input(b.f, j);
  Newton y = newton_turn(m, system, &w.in, &x, from, in);
  const Val next[] = {y.status, y.k, y.d, y.way, y.size};
  for (int j = 0; j < 5; j++) ir_output(&b, pass_with_lane(&b, next[j], m->lane), NULL);
  ir_build_finish(&b);
  Val loop = ir_scan(out, args.at, args.n, NEWTON_TURNS, 5, 0, 0, 0, false, 2, b.f);
  *status = ir_proj(out, loop, 0);
  leave(&w);
  base_free(in);
  vec_free(&args);
  return ir_proj(out, loop, 1);
}

/* ---- the stages ------------------------------------------------------------------------------------------------------ */

/* The solution of a linear system, corrected by what it leaves over. */
static void direct(Implicit *m, const Fn *system, const Val *args) {
  Build *b = m->s->b;
  Val x = pass_zero_like(b, vector(m));
  for (int turn = 0; turn < (b->f->f64 == FN_EXACT ? 1 : 2); turn++) {
    Equation q = equation_at(b, system, x, args);
    x = ir_sub(b, x, ir_solve(b, q.jacobian, q.r, false));
  }
  scatter(m, b, pass_with_lane(b, x, m->lane), m->k);
}

/* Names the solution k as one of the system. */
static void name_root(Implicit *m, const Fn *system, Val k, const Vals *args) {
  Build *b = m->s->b;
  Val *all = base_zeroed(args->n + 1, sizeof *all);
  all[0] = k;
  memcpy(all + 1, args->at, sizeof *all * args->n);
  scatter(m, b, ir_root(b, all, args->n + 1, ir_copy_fn(b->f, system)), m->k);
  base_free(all);
}

/* Whether the stages that k makes are k, in `part` of |y| + |dt| |k|. */
static Val settled(const Implicit *m, const Val *k, double part) {
  Val *next = base_zeroed(m->nk, sizeof *next), *d = base_zeroed(m->nk, sizeof *d);
  again(m, m->s, k, next);
  for (uint32_t j = 0; j < m->nk; j++)
    if (unknown(m, j)) d[j] = ir_sub(m->s->b, next[j], k[j]);
  Val good = small(m, m->s, next, d, part);
  base_free(next);
  base_free(d);
  return good;
}

/* Sets m->k of the states that are solved for; whether they are a solution, VAL_NONE: always. */
static Val solve(Implicit *m) {
  Build *b = m->s->b;
  bool exact = b->f->f64 == FN_EXACT;
  Vals args = {0};
  Val *k = base_zeroed(m->nk, sizeof *k), good = VAL_NONE;
  memcpy(k, m->k, sizeof *k * m->nk);
  Fn *system = m->size <= MOST ? system_of(m, &args) : NULL;
  bool linear = system && !pass_follows(system, 1, 2, 0);
  if (linear && (exact || m->size <= DIRECT)) {
    direct(m, system, args.at);
  } else if (exact || !system) {
    plainly(m, k, exact ? EXACT_TURNS : PLAIN_TURNS, false);
    good = settled(m, k, exact ? 1e-12 : LOOSE * unit(b));
    if (system) name_root(m, system, gather(m, b, k), &args);
    else memcpy(m->k, k, sizeof *k * m->nk);
  } else {
    Val status = plainly(m, k, 16 + 2 * m->size < PLAIN_TURNS ? 16 + 2 * m->size : PLAIN_TURNS, true);
    Val x = newton(m, system, k, &status);
    good = ir_eq(b, status, ir_const(b, 0));
    name_root(m, system, x, &args);
  }
  ir_fn_destroy(system);
  vec_free(&args);
  base_free(k);
  return good;
}

/* NaN for what has not converged, by a factor, so that derivatives are NaN, too. */
static Val poison(const Implicit *m, Val y, Val good) {
  Build *b = m->s->b;
  return ir_mul(b, y, ir_require(b, good, m->s->dt, CAUSE_NOT_CONVERGED, m->t->method));
}

void expand_implicit(const Traj *t, Scope *s, const Tableau *rk) {
  uint32_t n = t->states, nk = n * (uint32_t)rk->stages;
  Build *b = s->b;
  Val *hold = base_zeroed(2 * nk + n, sizeof *hold), good[2] = {VAL_NONE, VAL_NONE};
  Implicit m = {.t = t, .s = s, .rk = rk, .n = n, .nk = nk, .start = hold, .k = hold + nk};
  expand_rates(t, s, s->y, 0, hold + 2 * nk);
  for (uint32_t j = 0; j < nk; j++) m.start[j] = pass_with_lane(b, hold[2 * nk + j % n], ir_type(b->f, s->y[j % n]).lane);
  for (int lane = 0; lane < 2; lane++) {
    m.lane = lane, m.size = 0;
    for (uint32_t j = 0; j < nk; j++) m.size += unknown(&m, j) ? (uint32_t)type_count(type_in(&m, j)) : 0;
    if (m.size) good[lane] = solve(&m);
  }
  for (uint32_t v = 0; v < n; v++) {
    Val of = good[ir_type(b->f, s->y[v]).lane];
    s->y[v] = expand_add_scaled(b, s->y[v], expand_length(s), expand_combine(b, rk->b, m.k + v, rk->stages, n));
    if (of.id) s->y[v] = poison(&m, s->y[v], of);
  }
  base_free(hold);
}
