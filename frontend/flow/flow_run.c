/* A recording is played: its steps become values of the innermost level, forwards or undone.
 *
 * log|det| of a step: 0 for a shift and a permutation, the sum of the exponents for a scaling, what the
 * other flow gives for a call, the integral of the divergence for a motion along a field, 0 for one under a
 * Hamiltonian; for a step with its own inverse, of its derived Jacobian, unless the flow is proved to keep
 * volume. */
#include "frontend/builtin/builtin.h"
#include "frontend/claims/claims.h"
#include "frontend/flow/flow_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- out of the recording ------------------------------------------------------------------------------ */

static Val captured(Elab *E, Flow *w, Val inner) {
  for (uint32_t k = 0; k < w->level.captures.n; k++)
    if (w->level.captures.at[k].inner.id == inner.id) return elab_use(E, value_tensor(w->level.up, w->level.captures.at[k].outer));
  base_fault("a flow's recording reads an input that it does not have");
}

static Val current(const Play *p, const Reading *r) {
  return r->slot < FLOW_STATES ? p->read[r->slot] : elab_use(p->E, value_tensor(p->home, p->mean[r->slot - FLOW_STATES]));
}

/* Copies what the roots are computed from; they become values of the innermost level. */
static void copy_out(Play *p, Val *root, uint32_t n) {
  Flow *w = p->w;
  const Fn *f = w->level.fn;
  Cone c = {0};
  flow_cone(w, root, n, &c);
  Val *map = base_realloc(NULL, sizeof *map * f->inst.n);
  for (uint32_t j = 0; j < c.ids.n; j++) {
    Val v = {c.ids.at[j]};
    const Reading *r = flow_reading(w, v);
    if (r) map[v.id] = current(p, r);
    else if (ir_inst(f, v)->op == OP_in) map[v.id] = captured(p->E, w, v);
    else map[v.id] = ir_copy_inst(&p->E->now->level->b, f, v, map);
  }
  for (uint32_t k = 0; k < n; k++)
    if (root[k].id) root[k] = map[root[k].id];
  base_free(map);
  vec_free(&c.ids);
}

static Val out_of(Play *p, Val v) {
  copy_out(p, &v, 1);
  return v;
}

static Value value_out(void *ctx, Value v) {
  Play *p = ctx;
  if (v.kind != V_TENSOR || v.t.level != &p->w->level) return v;
  return elab_value(p->E, out_of(p, v.t.v));
}

/* ---- pieces -------------------------------------------------------------------------------------------- */

static Val get(Play *p, const Piece *x) { return flow_get(&p->E->now->level->b, p->known[x->slot], x); }

static void put(Play *p, const Piece *x, Val v) {
  Build *b = &p->E->now->level->b;
  v = flow_put(b, p->known[x->slot], x, v);
  p->known[x->slot] = elab_lane(p->E) ? ir_spread(b, v) : v;
}

static void add_logdet(Play *p, Val v, bool minus) {
  Build *b = &p->E->now->level->b;
  if (minus) v = ir_neg(b, v);
  p->logdet = p->logdet.id ? ir_add(b, p->logdet, v) : v;
}

/* ---- steps --------------------------------------------------------------------------------------------- */

static void shift(Play *p, const Step *s) {
  Build *b = &p->E->now->level->b;
  Val e = out_of(p, s->e), x = get(p, &s->piece[0]);
  put(p, &s->piece[0], s->negative != p->undo ? ir_sub(b, x, e) : ir_add(b, x, e));
}

static void scale(Play *p, const Step *s) {
  Build *b = &p->E->now->level->b;
  Val e = out_of(p, s->e), x = get(p, &s->piece[0]), factor = ir_exp(b, e);
  bool down = s->negative != p->undo;
  put(p, &s->piece[0], down ? ir_div(b, x, factor) : ir_mul(b, x, factor));
  if (!p->want_logdet) return;
  int64_t n = type_count(ir_type(b->f, x)) / type_count(ir_type(b->f, e));
  Val sum = ir_sum_all(b, e);
  add_logdet(p, n == 1 ? sum : ir_mul(b, ir_const(b, (double)n), sum), down);
}

static Val flattened(Play *p, const Step *s) {
  Val state[FLOW_STATES];
  for (uint32_t k = 0; k < s->n; k++) state[k] = p->known[s->piece[k].slot];
  return flow_flat(&p->E->now->level->b, state, s->n);
}

/* A whole state in another's place, with one sign. */
static bool whole_state(const Play *p, const Step *s, const uint32_t *from, const bool *minus, int64_t n, uint32_t *which) {
  int64_t first = 0;
  for (*which = 0; *which < s->n; ++*which) {
    int64_t m = type_count(p->w->slot[s->piece[*which].slot].type);
    if (from[0] == first && m == n) break;
    first += m;
  }
  for (int64_t i = 0; i < n && *which < s->n; i++)
    if (from[i] != first + i || minus[i] != minus[0]) return false;
  return *which < s->n;
}

static Val moved_elements(Play *p, Val flat, const uint32_t *from, const bool *minus, int64_t n, Type t) {
  Build *b = &p->E->now->level->b;
  bool mixed = false;
  double *sign = base_realloc(NULL, sizeof *sign * (size_t)n);
  for (int64_t i = 0; i < n; i++) sign[i] = minus[i] ? -1 : 1, mixed |= minus[i] != minus[0];
  Val v = ir_take(b, flat, 0, from, (uint32_t)n);
  if (mixed) v = ir_mul(b, v, ir_table(b, type_real(false, 1, (uint32_t[]){(uint32_t)n}), sign));
  else if (minus[0]) v = ir_neg(b, v);
  base_free(sign);
  return ir_reshape(b, v, t.rank, t.dim);
}

static void permute(Play *p, const Step *s) {
  Build *b = &p->E->now->level->b;
  int64_t total = 0, first = 0;
  for (uint32_t k = 0; k < s->n; k++) total += type_count(p->w->slot[s->piece[k].slot].type);
  uint32_t *from = base_realloc(NULL, sizeof *from * (size_t)total), which;
  bool *minus = base_realloc(NULL, (size_t)total);
  for (int64_t i = 0; i < total; i++) {
    int64_t to = p->undo ? s->from[i] : i;
    from[to] = p->undo ? (uint32_t)i : s->from[i];
    minus[to] = s->minus[i];
  }
  Val next[FLOW_STATES], flat = VAL_NONE;
  for (uint32_t k = 0; k < s->n; k++) {
    Type t = p->w->slot[s->piece[k].slot].type;
    int64_t n = type_count(t);
    if (whole_state(p, s, from + first, minus + first, n, &which)) {
      next[k] = ir_reshape(b, p->known[s->piece[which].slot], t.rank, t.dim);
      if (minus[first]) next[k] = ir_neg(b, next[k]);
    } else {
      if (!flat.id) flat = flattened(p, s);
      next[k] = moved_elements(p, flat, from + first, minus + first, n, t);
    }
    first += n;
  }
  for (uint32_t k = 0; k < s->n; k++) put(p, &s->piece[k], next[k]);
  base_free(from);
  base_free(minus);
}

static bool has_stop(const Fn *f) {
  for (uint32_t id = 1; f && id < f->inst.n; id++)
    if (f->inst.at[id].op == OP_stop || has_stop(ir_body(f, &f->inst.at[id]))) return true;
  return false;
}

bool flow_stops(const Fn *f, const Val *y, const Val *x, uint32_t n) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    bool from = false, to = false;
    if (f->inst.at[id].op != OP_stop && !has_stop(ir_body(f, &f->inst.at[id]))) continue;
    for (uint32_t k = 0; k < n; k++) {
      from |= elab_reaches(f, (Val){id}, x[k]);
      to |= elab_reaches(f, y[k], (Val){id});
    }
    if (from && to) return true;
  }
  return false;
}

Val flow_jacobian(Elab *E, const Val *y, const Val *x, uint32_t n) {
  Build *b = &E->now->level->b;
  Val row[FLOW_STATES], column[FLOW_STATES];
  for (uint32_t c = 0; c < n; c++) {
    for (uint32_t r = 0; r < n; r++) {
      uint32_t dim[2] = {(uint32_t)type_count(ir_type(b->f, y[r])), (uint32_t)type_count(ir_type(b->f, x[c]))};
      Val flat = ir_reshape(b, y[r], 1, dim);
      if (elab_reaches(b->f, flat, x[c])) {
        row[r] = ir_reshape(b, ir_jac(b, flat, x[c]), 2, dim);
      } else {
        row[r] = ir_splat(b, 0, type_real(false, 2, dim));
        if (elab_lane(E)) row[r] = ir_spread(b, row[r]);
      }
    }
    column[c] = n == 1 ? row[0] : ir_concat(b, row, n, 0);
  }
  return n == 1 ? column[0] : ir_concat(b, column, n, 1);
}

static uint32_t loops(Flow *w, const Val *root, uint32_t n) {
  Cone c = {0};
  uint32_t some = 0;
  flow_cone(w, root, n, &c);
  for (uint32_t j = 0; j < c.ids.n; j++) some += ir_inst(w->level.fn, (Val){c.ids.at[j]})->sub != 0;
  vec_free(&c.ids);
  return some;
}

/* Whether the log-determinant of a step undone is minus that of the step where this leads: where that has fewer loops (an inverse
 * by iteration), and where what the step computes there is wanted in any case. */
static bool by_step(Play *p, const Step *s) {
  if (!p->undo) return false;
  const uint32_t there = loops(p->w, s->after, s->n), back = loops(p->w, s->before, s->n);
  return there == back ? p->again : there < back;
}

/* log|det| of the Jacobian of the moved states, from `vector` to `next`. */
static Val step_log_det(Play *p, const Step *s, const Val *next) {
  Elab *E = p->E;
  Build *b = elab_at(E, s->stmt->at);
  Val y = flow_flat(b, next, s->n);
  if (flow_stops(b->f, &y, &p->vector, 1)) {
    elab_error(E, CODE_no_derivative, s->stmt->at,
               "the log-determinant of this step needs its derivatives, which `stop_gradient` hides");
    return ir_const(b, 0);
  }
  return ir_logjac(b, y, p->vector);
}

static bool keeps_volume(Play *p) {
  Type t[FLOW_STATES];
  for (uint32_t k = 0; k < p->w->n; k++) t[k] = p->w->slot[k].type, t[k].lane = 0;
  if (!p->w->f->item->symplectic && !p->w->f->item->volume) return false;
  const Claim *c = claim_of(p->E, p->w->f, t, p->w->n);
  return c && (c->symplectic == ANSWER_PROVED || c->volume == ANSWER_PROVED);
}

/* The states of a clause become parts of one vector, by which it is differentiated. */
static void read_as_vector(Play *p, const Step *s, const Val *state) {
  Build *b = &p->E->now->level->b;
  uint32_t first = 0;
  p->vector = ir_id(b, flow_flat(b, state, s->n));
  for (uint32_t k = 0; k < s->n; k++) {
    Type t = p->w->slot[s->piece[k].slot].type;
    uint32_t n = (uint32_t)type_count(t);
    Val part = s->n == 1 ? p->vector : ir_slice(b, p->vector, 0, first, n, 1);
    p->read[s->piece[k].slot] = ir_reshape(b, part, t.rank, t.dim);
    first += n;
  }
}

static void add_of_step(Play *p, const Step *s, const Val *next) {
  Play forth = *p;
  Val after[FLOW_STATES];
  memcpy(after, s->after, sizeof after);
  read_as_vector(&forth, s, next);
  copy_out(&forth, after, s->n);
  add_logdet(p, step_log_det(&forth, s, after), true);
}

/* The clause, in the state before the step: `known` undone. */
static void said_log_det(Play *p, const Step *s) {
  if (p->undo) play_read(p);
  add_logdet(p, out_of(p, s->logdet), p->undo);
}

static void assign(Play *p, const Step *s) {
  const bool adds = p->want_logdet && !keeps_volume(p);
  Val next[FLOW_STATES];
  memcpy(next, p->undo ? s->before : s->after, sizeof next);
  copy_out(p, next, s->n);
  if (p->vector.id && by_step(p, s)) add_of_step(p, s, next);
  else if (p->vector.id) add_logdet(p, step_log_det(p, s, next), false);
  if (adds && s->logdet.id && !p->undo) said_log_det(p, s);
  for (uint32_t k = 0; k < s->n; k++) put(p, &s->piece[k], next[k]);
  if (adds && s->logdet.id && p->undo) said_log_det(p, s);
}

/* The part of the momentum that belongs to a piece. */
static Piece momentum(const Play *p, const Piece *x) {
  Piece m = *x;
  m.slot += p->w->n;
  return m;
}

/* The results of a call: the pieces, their momenta, then the log-determinant if it was asked for. */
static void take_results(Play *p, const Step *s, Value r) {
  if (r.kind == V_POISON) {
    p->failed = true;
    return;
  }
  const Value *at = r.kind == V_TUPLE ? r.list.at : &r;
  for (uint32_t k = 0; k < s->n; k++) put(p, &s->piece[k], elab_tensor(p->E, at[k], s->stmt->at));
  for (uint32_t k = 0; k < s->n && p->lift; k++) {
    Piece m = momentum(p, &s->piece[k]);
    put(p, &m, elab_tensor(p->E, at[s->n + k], s->stmt->at));
  }
  if (p->want_logdet) add_logdet(p, elab_tensor(p->E, at[s->n], s->stmt->at), false);
}

static Value *piece_values(Play *p, const Step *s, uint32_t more) {
  Value *v = ARENA_ARRAY(p->E->mem, Value, s->n + more + 1);
  for (uint32_t k = 0; k < s->n; k++) v[k] = elab_value(p->E, get(p, &s->piece[k]));
  return v;
}

static void call(Play *p, const Step *s) {
  Elab *E = p->E;
  const Func *f = func_map(E, s->func, value_out, p);
  Value *v = piece_values(p, s, s->n);
  for (uint32_t k = 0; k < s->n && p->lift; k++) {
    Piece m = momentum(p, &s->piece[k]);
    v[s->n + k] = elab_value(E, get(p, &m));
  }
  Actuals a = actuals_of(E, v, p->lift ? 2 * s->n : s->n, s->stmt->at);
  int ask = FLOW_STATE | (p->want_logdet ? FLOW_LOGDET : 0) | (s->negative != p->undo ? FLOW_UNDO : 0) | (p->lift ? FLOW_LIFT : 0);
  take_results(p, s, flow_apply(E, f, &a, ask));
}

/* One call of trajectory or integrate, of which only the end is kept. */
static Value motion(Play *p, const Step *s, const Func *f, Value *state, uint32_t n) {
  Elab *E = p->E;
  Span at = s->stmt->at;
  Build *b = elab_at(E, at);
  Val time = out_of(p, s->e), dt = ir_div(b, time, ir_const(b, (double)s->steps));
  if (p->undo) dt = ir_neg(b, dt);
  Value steps = value_exact(s->steps, 1);
  Actual *x = ARENA_ARRAY(E->mem, Actual, n + 6);
  x[0] = (Actual){.v = value_func(f), .at = s->stmt->law->at};
  for (uint32_t k = 0; k < n; k++) x[1 + k] = (Actual){.v = state[k], .at = s->stmt->target->at};
  x[n + 1] = (Actual){.name = "dt", .v = elab_value(E, dt), .at = at};
  x[n + 2] = (Actual){.name = "steps", .v = steps, .at = at};
  x[n + 3] = (Actual){.name = "every", .v = steps, .at = at};
  x[n + 4] = (Actual){.name = "method", .v = value_func(s->method), .at = s->stmt->method ? s->stmt->method->at : at};
  x[n + 5] = (Actual){.name = "start", .v = elab_value(E, time), .at = at};
  Actuals a = {.at = x, .n = n + 5 + p->undo, .call = at, .callee = s->stmt->law->at};
  return builtin_apply(E, builtin_find(s->under ? "trajectory" : "integrate"), &a);
}

static void evolve(Play *p, const Step *s) {
  Elab *E = p->E;
  bool in_turn = ir_method[s->method->method].separable; /* q and p, rates free of what they move: no divergence */
  bool traced = p->want_logdet && !s->under && !in_turn;
  const Func *f = func_map(E, s->func, value_out, p);
  Value *state = piece_values(p, s, 1);
  if (traced) {
    Func *g = ARENA_NEW(E->mem, Func);
    *g = (Func){.kind = F_SPREADING, .name = f->name, .of = {f}, .nstate = s->n};
    f = g;
    state[s->n] = elab_value(E, ir_splat(&E->now->level->b, 0, type_scalar(elab_lane(E))));
  }
  Value r = motion(p, s, f, state, s->n + traced);
  if (r.kind == V_POISON) {
    p->failed = true;
    return;
  }
  const Value *end = r.kind == V_TUPLE ? r.list.at : &r;
  for (uint32_t k = 0; k < s->n + traced; k++) {
    Val last = ir_index(&E->now->level->b, elab_tensor(E, end[k], s->stmt->at), 0, 1);
    if (k < s->n) put(p, &s->piece[k], last);
    else add_logdet(p, last, false);
  }
}

/* Forwards the mean is taken here; backwards, and where steps are looked at alone, its average stands for it.
 */
static void running(Play *p, const Step *s) {
  if (p->undo) return;
  Val average = p->mean[s->running];
  Val e = out_of(p, s->e);
  Build *b = &p->E->now->level->b;
  p->mean[s->running] = s->lag ? ir_moving_mean(b, e, average, s->param) : ir_batch_mean(b, e, average, s->param);
}

/* ---- all ----------------------------------------------------------------------------------------------- */

uint32_t play_width(const Play *p) { return p->lift ? 2 * p->w->n : p->w->n; }

void play_init(Play *p, Elab *E, Flow *w, bool undo, const Val *state) {
  *p = (Play){.E = E, .w = w, .undo = undo, .home = E->now->level};
  memcpy(p->known, state, sizeof *state * w->n);
  p->mean = base_realloc(NULL, sizeof *p->mean * (w->nrunning + 1));
  for (uint32_t k = 0; k < w->steps.n; k++)
    if (w->steps.at[k].kind == STEP_RUNNING)
      p->mean[w->steps.at[k].running] = elab_param(E, w->steps.at[k].param, NULL, 0, w->steps.at[k].stmt->at);
}

void play_finish(Play *p) { base_free(p->mean); }

void play_one(Play *p, const Step *s) {
  switch (s->kind) {
  case STEP_SHIFT: shift(p, s); break;
  case STEP_SCALE: scale(p, s); break;
  case STEP_PERMUTE: permute(p, s); break;
  case STEP_ASSIGN: assign(p, s); break;
  case STEP_CALL: call(p, s); break;
  case STEP_EVOLVE: evolve(p, s); break;
  case STEP_RUNNING: running(p, s); break;
  }
}

void play_read(Play *p) {
  for (uint32_t k = 0; k < p->w->n; k++) p->read[k] = ir_id(&p->E->now->level->b, p->known[k]);
}

void play_plain(Play *p, const Step *first, uint32_t n) {
  elab_at(p->E, first->stmt->at);
  p->vector = VAL_NONE;
  if (p->lift) {
    lift_group(p, first, n);
    return;
  }
  play_read(p);
  if (first->kind == STEP_ASSIGN) {
    if (p->want_logdet && !first->logdet.id && !keeps_volume(p)) {
      Val state[FLOW_STATES];
      for (uint32_t k = 0; k < first->n; k++) state[k] = p->known[first->piece[k].slot];
      read_as_vector(p, first, state);
    }
    for (uint32_t k = 0; k < p->w->n; k++) p->known[k] = p->read[k];
  }
  for (uint32_t k = 0; k < n; k++) {
    const Step *s = &first[p->undo ? n - 1 - k : k];
    elab_at(p->E, s->stmt->at);
    play_one(p, s);
  }
}

static void play_group(Play *p, const Step *first, uint32_t n) {
  if (p->failed) return;
  if (group_is_wrapped(p, first)) group_wrapped(p, first, n);
  else play_plain(p, first, n);
}

void play_step(Play *p, const Step *s) { play_group(p, s, 1); }

void play_all(Play *p) {
  const Step *at = p->w->steps.at;
  const uint32_t n = p->w->steps.n;
  uint32_t begin = p->undo ? n : 0, end = begin;
  while ((p->undo ? begin > 0 : end < n) && !p->failed && !elab_stop(p->E)) {
    if (p->undo) {
      end = begin--;
      while (at[begin].joined) begin--;
    } else {
      begin = end++;
      while (end < n && at[end].joined) end++;
    }
    play_group(p, &at[begin], end - begin);
  }
}
