/* A flow of q lifted to phase space: Q = u(q), P = (du/dq)^-T p, step by step, so that every step is canonical and is undone.
 *
 * A step moves some elements x by a map that also reads others, r: x -> F(x; r). Its momenta become P = (dF/dx)^-T p, those of r lose
 * (dF/dr)^T P: one gradient, of P . F with x and P held, for all updates of a group, so that a network that they share is swept once.
 * (dF/dx)^-T is known for updates and permutations, is the lift of the other flow for a call, and the gradient of
 * p . F^-1 at the new state for what has an inverse of its own. */
#include "frontend/elab/message.h"
#include "frontend/flow/flow_priv.h"

#include <string.h>

static Val dot(Build *b, Val sum, Val x, Val y) {
  Val v = ir_sum_all(b, ir_mul(b, x, y));
  return sum.id ? ir_add(b, sum, v) : v;
}

static void set(Play *p, uint32_t slot, Val v) { p->known[slot] = elab_lane(p->E) ? ir_spread(&p->E->now->level->b, v) : v; }

/* Adds the gradient of `sum` to the momenta, or takes it away. */
static void add_gradient(Play *p, Val sum, const Val *by, bool minus) {
  Build *b = &p->E->now->level->b;
  for (uint32_t k = 0; k < p->w->n; k++) {
    const uint32_t m = p->w->n + k;
    if (!elab_reaches(b->f, sum, by[k])) continue;
    Val g = ir_grad(b, sum, by[k]);
    set(p, m, minus ? ir_sub(b, p->known[m], g) : ir_add(b, p->known[m], g));
  }
}

static bool seen(Play *p, const Step *s, Val sum, const Val *by) {
  Val same[FLOW_STATES];
  for (uint32_t k = 0; k < p->w->n; k++) same[k] = sum;
  if (!flow_stops(p->E->now->level->fn, same, by, p->w->n)) return true;
  elab_error(p->E, CODE_no_derivative, s->stmt->at, "the lift of this step needs its derivatives, which `stop_gradient` hides");
  return p->failed = true, false;
}

/* The states of `from` moved by steps that read what it reads. */
static Play moved(const Play *from, const Val *read, const Step *first, uint32_t n) {
  Play p = *from;
  p.lift = false;
  memcpy(p.read, read, sizeof *read * p.w->n);
  for (uint32_t k = 0; k < n && !p.failed; k++) play_one(&p, &first[p.undo ? n - 1 - k : k]);
  return p;
}

/* ---- what moves by a permutation -------------------------------------------------------------------------- */

static void permuted(Play *p, const Step *s) {
  const uint32_t n = p->w->n;
  Play m = *p;
  m.lift = false;
  memcpy(m.known, p->known + n, sizeof *m.known * n);
  play_one(&m, s);
  Play x = moved(p, p->known, s, 1);
  memcpy(p->known, x.known, sizeof *x.known * n);
  memcpy(p->known + n, m.known, sizeof *m.known * n);
}

/* ---- by what has an inverse of its own --------------------------------------------------------------------- */

static void by_inverse(Play *p, const Step *s) {
  const uint32_t n = p->w->n;
  Build *b = elab_at(p->E, s->stmt->at);
  Play there = moved(p, p->known, s, 1), back;
  if ((p->failed = there.failed)) return;
  Val y[FLOW_STATES], sum = VAL_NONE;
  for (uint32_t k = 0; k < n; k++) there.known[k] = y[k] = ir_id(b, there.known[k]);
  there.undo = !there.undo;
  back = moved(&there, y, s, 1);
  if ((p->failed = back.failed)) return;
  for (uint32_t k = 0; k < n; k++) sum = dot(b, sum, p->known[n + k], back.known[k]);
  if (!seen(p, s, sum, y)) return;
  memcpy(p->known, y, sizeof *y * n);
  for (uint32_t k = 0; k < n; k++) set(p, n + k, ir_splat(b, 0, p->w->slot[k].type));
  add_gradient(p, sum, y, false);
}

/* A motion that -t undoes only to its order: its Jacobian is divided by. */
static void by_jacobian(Play *p, const Step *s) {
  const uint32_t n = p->w->n;
  Elab *E = p->E;
  Build *b = elab_at(E, s->stmt->at);
  Val x[FLOW_STATES], flat[FLOW_STATES], sum = VAL_NONE;
  int64_t total = 0, at = 0;
  for (uint32_t k = 0; k < n; k++) x[k] = ir_id(b, p->known[k]), total += flow_count(p->w, k);
  Play from = *p;
  memcpy(from.known, x, sizeof *x * n);
  Play there = moved(&from, x, s, 1);
  if (there.failed || !elab_fits(E, total * total, s->stmt->at)) {
    p->failed = true;
    return;
  }
  for (uint32_t k = 0; k < n; k++) sum = dot(b, sum, p->known[n + k], there.known[k]);
  if (!seen(p, s, sum, x)) return;
  for (uint32_t k = 0; k < n; k++) {
    const uint32_t m = (uint32_t)flow_count(p->w, k);
    flat[k] = ir_reshape(b, p->known[n + k], 1, &m);
  }
  Val before = n == 1 ? flat[0] : ir_concat(b, flat, n, 0), after = ir_solve(b, flow_jacobian(E, there.known, x, n), before, true);
  for (uint32_t k = 0; k < n; at += flow_count(p->w, k++)) {
    Type t = p->w->slot[k].type;
    set(p, n + k, ir_reshape(b, ir_slice(b, after, 0, (uint32_t)at, (uint32_t)flow_count(p->w, k), 1), t.rank, t.dim));
  }
  memcpy(p->known, there.known, sizeof *x * n);
}

/* ---- by updates and other flows ---------------------------------------------------------------------------- */

/* x *= exp(e): p /= exp(e) */
static void scaled(Play *p, const Step *s) {
  Play m = *p;
  Step other = *s;
  m.lift = false;
  memcpy(m.known, p->known + p->w->n, sizeof *m.known * p->w->n);
  other.negative = !s->negative;
  play_one(&m, &other);
  memcpy(p->known + p->w->n, m.known, sizeof *m.known * p->w->n);
}

static bool reads_states(const Play *p, const Step *s) {
  ValList list = {0};
  if (s->kind == STEP_CALL) flow_tensors(p->w, value_func(s->func), &list);
  const bool any = s->kind != STEP_CALL || list.v.n;
  vec_free(&list.v);
  return any;
}

static void by_parts(Play *p, const Step *first, uint32_t n) {
  const uint32_t states = p->w->n;
  Build *b = elab_at(p->E, first->stmt->at);
  const Play before = *p;
  Val x[FLOW_STATES], sum = VAL_NONE;
  memcpy(p->read, p->known, sizeof *p->read * states);
  for (uint32_t k = 0; k < n && !p->failed; k++) {
    const Step *s = &first[p->undo ? n - 1 - k : k];
    if (s->kind == STEP_CALL) play_one(p, s);
    else if (s->kind == STEP_SCALE) scaled(p, s);
  }
  if (p->failed || !reads_states(p, first)) return;
  for (uint32_t k = 0; k < states; k++) x[k] = ir_id(b, before.known[k]);
  Play there = moved(&before, x, first, n);
  if ((p->failed = there.failed)) return;
  for (uint32_t k = 0; k < states; k++) {
    if (there.known[k].id != before.known[k].id) sum = dot(b, sum, p->known[states + k], there.known[k]);
    if (first->kind != STEP_CALL) p->known[k] = there.known[k];
  }
  if (seen(p, first, sum, x)) add_gradient(p, sum, x, true);
}

/* ---- all ------------------------------------------------------------------------------------------------------ */

static bool undone_to_its_order(const Step *s) {
  return s->kind == STEP_EVOLVE && !s->under &&
         (!ir_method[s->method->method].symplectic || s->method->method == M_SYMPLECTIC_EULER);
}

void lift_group(Play *p, const Step *first, uint32_t n) {
  switch (first->kind) {
  case STEP_PERMUTE: permuted(p, first); break;
  case STEP_ASSIGN: by_inverse(p, first); break;
  case STEP_EVOLVE: (undone_to_its_order(first) ? by_jacobian : by_inverse)(p, first); break;
  case STEP_RUNNING: memcpy(p->read, p->known, sizeof *p->read * p->w->n), play_one(p, first); break;
  default: by_parts(p, first, n);
  }
}
