/* One step of a fixed-step method: the states before it become those after it.
 *
 *   symplectic_euler  p += dt*f_p(q, p), then q += dt*f_q(q, p)
 *   leapfrog          drift dt/2, kick dt, drift dt/2: one force a step; yoshida4, 6, 8 compose it and
 *                     join neighbouring drifts (not when the drift depends on time, which is then
 *                     taken in the middle of each). The half of the rates not asked for is dead.
 *                     Between outputs steps join theirs, too: D(h/2), then (K(h), D(h))^n, then D(-h/2):
 *                     one drift a kick, and no force outside of the loop.
 *   implicit          Runge-Kutta, see expand_implicit.c; gauss16: expand_stages.c */
#include "passes/loops/expand_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
Val expand_combine(Build *b, const double *c, const Val *x, int n, uint32_t stride) {
  Val sum = VAL_NONE;
  for (int j = 0; j < n; j++) {
    if (c[j] == 0) continue;
    Val term = scaled(b, c[j], x[(uint32_t)j * stride]);
    sum = sum.id ? ir_add(b, sum, term) : term;
  }
  return sum;
}

Val expand_add_scaled(Build *b, Val y, Val h, Val rate) { return rate.id ? ir_add(b, y, ir_mul(b, h, rate)) : y; }

/* The length of the step, with its sign. */
Val expand_length(const Scope *s) { return s->back ? ir_neg(s->b, s->dt) : s->dt; }

/* (k + c) * dt; c counts from where the step begins */
static Val time_at(const Traj *t, const Scope *s, double c) {
  if (!t->timed) return ir_const(s->b, 0);
  if (s->back) c = 1 - c;
  return ir_mul(s->b, c == 0 ? s->k : ir_add(s->b, s->k, coef(s->b, c)), s->dt);
}

void expand_rates(const Traj *t, const Scope *s, const Val *y, double c, Val *dy) {
  uint32_t n = t->states;
  Val *args = base_realloc(NULL, sizeof *args * (n + 2 + t->ninv));
  for (uint32_t k = 0; k < n; k++) args[k] = t->derivs ? ir_id(s->b, y[k]) : y[k];
  args[n] = time_at(t, s, c);
  if (t->derivs && t->timed) args[n] = ir_id(s->b, args[n]);
  if (t->ninv) memcpy(args + n + 1, s->inv, sizeof *args * t->ninv);
  if (t->counted) args[n + 1 + t->ninv] = t->timed ? s->k : ir_const(s->b, 0);
  ir_inline(s->b, t->rates, args, dy);
  base_free(args);
}

/* ---- steps: each replaces s->y ---- */

static void step_explicit(const Traj *t, Scope *s, const Tableau *rk) {
  uint32_t n = t->states;
  Val *k = base_realloc(NULL, sizeof *k * n * (MAX_STAGES + 1)), *at = k + n * MAX_STAGES;
  for (int i = 0; i < rk->stages; i++) {
    for (uint32_t v = 0; v < n; v++) at[v] = expand_add_scaled(s->b, s->y[v], s->dt, expand_combine(s->b, rk->a[i], k + v, i, n));
    expand_rates(t, s, at, rk->c[i], k + (uint32_t)i * n);
  }
  for (uint32_t v = 0; v < n; v++)
    s->y[v] = expand_add_scaled(s->b, s->y[v], s->dt, expand_combine(s->b, rk->b, k + v, rk->stages, n));
  base_free(k);
}

bool expand_joins(const Traj *t) {
  Composition c;
  return expand_composition(t->method, &c) && !t->drift_timed;
}

static void add_move(Moves *m, int which, double w, double c) { *vec_push(m) = (Move){which, w, c}; }

static void moves_between(Moves *m, const Composition *c) {
  double at = 0;
  for (int i = 0; i < c->n; at += c->w[i++]) {
    double half = c->w[i] / 2;
    add_move(m, 1, c->w[i], at + half);
    add_move(m, 0, half + c->w[(i + 1) % c->n] / 2, 0);
  }
}

static void moves_whole(const Traj *t, Moves *m, const Composition *c) {
  double at = 0, drift = 0; /* time reached by whole leapfrogs; drift still owed */
  for (int i = 0; i < c->n; i++) {
    double half = c->w[i] / 2;
    drift += half;
    add_move(m, 0, drift, at + half / 2);
    add_move(m, 1, c->w[i], at + half);
    drift = half;
    at += c->w[i];
    if (t->drift_timed || i == c->n - 1) {
      add_move(m, 0, drift, at - half / 2);
      drift = 0;
    }
  }
}

bool expand_moves(const Traj *t, Piece piece, Moves *m) {
  Composition c;
  if (!expand_composition(t->method, &c)) return false;
  if (piece == PIECE_BETWEEN) moves_between(m, &c);
  else if (piece == PIECE_WHOLE) moves_whole(t, m, &c);
  else add_move(m, 0, piece == PIECE_BEFORE ? c.w[0] / 2 : -c.w[0] / 2, 0);
  return true;
}

void expand_move(const Traj *t, Scope *s, Move m) {
  Val dy[2];
  expand_rates(t, s, s->y, m.c, dy);
  s->y[m.which] = expand_add_scaled(s->b, s->y[m.which], scaled(s->b, m.w, s->dt), dy[m.which]);
}

static void step_symplectic_euler(const Traj *t, Scope *s) {
  expand_move(t, s, (Move){1, 1, 0});
  expand_move(t, s, (Move){0, 1, 0});
}

Scope expand_enter(const Traj *t, const Scope *outer, Build *b, bool y_too, Vals *args, Val *hold) {
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

Val expand_lanes(Build *b, Val x, bool lane) { return lane ? ir_spread(b, x) : x; }

void expand_step(const Traj *t, Scope *s, Piece piece) {
  Tableau rk;
  Moves m = {0};
  const bool composed = expand_moves(t, piece, &m);
  for (uint32_t k = 0; k < m.n; k++) expand_move(t, s, m.at[k]);
  vec_free(&m);
  if (composed) return;
  if (t->method == M_SYMPLECTIC_EULER) step_symplectic_euler(t, s);
  else if (t->method == M_GAUSS16) expand_stages(t, s);
  else if (!expand_tableau(t->method, &rk)) base_fault("integrate: `%s` has no fixed step", ir_method[t->method].name);
  else if (t->method == M_EULER || t->method == M_RK4) step_explicit(t, s, &rk);
  else expand_implicit(t, s, &rk);
}
