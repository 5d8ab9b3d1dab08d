/* Values computed again from the end, instead of being kept from forwards.
 *
 * A *unit* is a reversible step, or a loop whose carries go through such (undo_scan_can). A sweep backwards that
 * comes to a unit knows the states after it: those that the unit behind it has given back, or, at the
 * end of a chain, those computed forwards. It undoes the unit, and what reads the states before it is from
 * then on given the values computed again. What follows from states by other ops (slices, sums, a network
 * beside the flow) is computed again with them; what follows from no unit is kept as always.
 *
 * The states enter behind a barrier: else value numbering would find g's terms among f's and keep those, one
 * for each step. The barrier comes after the cotangents that have been reached, so that no
 * step is undone before the one behind it is done with. */
#include "passes/derive/derive_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Undo {
  Val *again; /* by id: the value computed again */
  bool *dep;  /* by id: follows from a unit, or from what is held */
  bool *held;
  bool *can;               /* by id: known to be computable again */
  uint32_t *failed, epoch; /* by id: the epoch in which it was not; an epoch ends when something is set */
  bool any;                /* something is set */
  Val *map;                /* operands of what is being copied */
} Undo;

static bool is_unit(const Fn *f, const Inst *i) { return i->op == OP_reversible || (i->op == OP_scan && undo_scan_can(f, i)); }

/* May be computed again from its operands, at the price of computing it. */
static bool repeatable(const Fn *f, const Inst *i, bool of_unit) {
  if (i->op == OP_in || i->op == OP_ode || ir_has(i->op, OPF_IMPURE)) return false;
  if (i->op == OP_scan && ir_scan_shape(f, i).carry > 0) return false;
  return i->op != OP_reversible && !(i->op == OP_proj && of_unit);
}

/* ---- can a loop be undone? --------------------------------------------------------------------------------- */

/* The sweep of vjp_scan over a body, without emitting: what is known when. */
typedef struct Trial {
  const Fn *f;
  bool *unit, *follows, *known; /* follows: from a carry */
  uint32_t *proj, *next;        /* by unit: the last of its proj; by proj: the one before */
} Trial;

static bool trial_can(Trial *t, uint32_t id) {
  const Inst *i = &t->f->inst.at[id];
  if (t->known[id]) return true;
  if (!repeatable(t->f, i, i->op == OP_proj && t->unit[ir_arg(t->f, i, 0).id])) return false;
  for (uint32_t k = 0; k < i->nargs; k++)
    if (!trial_can(t, ir_arg(t->f, i, k).id)) return false;
  return t->known[id] = true;
}

static bool one_to_one(const Inst *i) { return i->op == OP_id || i->op == OP_reshape || i->op == OP_transpose; }

static void trial_set(Trial *t, uint32_t id) {
  t->known[id] = true;
  while (one_to_one(&t->f->inst.at[id])) t->known[id = ir_arg(t->f, &t->f->inst.at[id], 0).id] = true;
}

static bool trial_unit(Trial *t, uint32_t id) {
  const Inst *i = &t->f->inst.at[id];
  uint32_t states = ir_states(t->f, i);
  bool *got = base_zeroed(states, sizeof *got), all = true;
  for (uint32_t p = t->proj[id]; p; p = t->next[p]) {
    int64_t k = ir_number(t->f, &t->f->inst.at[p]);
    if (k < states && t->known[p]) got[k] = true;
  }
  for (uint32_t k = 0; k < states; k++) all = all && got[k];
  base_free(got);
  for (uint32_t k = states; all && k < i->nargs; k++) all = trial_can(t, ir_arg(t->f, i, k).id);
  for (uint32_t k = 0; all && k < states; k++) trial_set(t, ir_arg(t->f, i, k).id);
  return all;
}

static bool trial_inst(Trial *t, uint32_t id) {
  const Inst *i = &t->f->inst.at[id];
  if (!t->follows[id] || i->op == OP_in) return true;
  if (t->unit[id]) return trial_unit(t, id);
  if (i->op == OP_proj && t->unit[ir_arg(t->f, i, 0).id]) return true;
  if (i->type.dt != DT_REAL && i->type.dt != DT_MULTI) return true; /* read by those that are checked */
  return trial_can(t, id);
}

static bool try_body(Trial *t, uint32_t carry, const bool *live) {
  const Fn *f = t->f;
  bool any = false, ok = true;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    t->follows[id] = i->op == OP_in && ir_number(f, i) < carry;
    for (uint32_t k = 0; k < i->nargs; k++) t->follows[id] |= t->follows[ir_arg(f, i, k).id];
    t->known[id] = !t->follows[id];
    t->unit[id] = live[id] && t->follows[id] && is_unit(f, i);
    any = any || t->unit[id];
    if (i->op != OP_proj || !live[id]) continue;
    t->next[id] = t->proj[ir_arg(f, i, 0).id];
    t->proj[ir_arg(f, i, 0).id] = id;
  }
  for (uint32_t k = 0; k < carry; k++) trial_set(t, f->out.at[k].id);
  for (uint32_t id = f->inst.n; any && ok && id-- > 1;)
    if (live[id]) ok = trial_inst(t, id);
  for (uint32_t k = 0; any && ok && k < carry; k++) {
    Val in = pass_input(f, k);
    ok = in.id && live[in.id] && t->known[in.id];
  }
  return any && ok;
}

bool undo_scan_can(const Fn *f, const Inst *scan) {
  ScanShape s = ir_scan_shape(f, scan);
  const Fn *body = ir_body(f, scan);
  if (!s.carry || s.converge || !s.n || !pass_holds(body, 0, OP_reversible)) return false;
  uint32_t n = body->inst.n;
  Trial t = {.f = body,
             .unit = base_zeroed(n, 1),
             .follows = base_zeroed(n, 1),
             .known = base_zeroed(n, 1),
             .proj = base_zeroed(n, sizeof *t.proj),
             .next = base_zeroed(n, sizeof *t.next)};
  bool *live = ir_live(body), ok = try_body(&t, s.carry, live);
  base_free(live);
  base_free(t.unit);
  base_free(t.follows);
  base_free(t.known);
  base_free(t.proj);
  base_free(t.next);
  return ok;
}

/* ---- what has been computed again ------------------------------------------------------------------------- */

static bool unit_at(const Region *r, uint32_t id) { return is_unit(r->src, &r->src->inst.at[id]); }

static void spread(Region *r) {
  Undo *u = r->undo;
  for (uint32_t id = 1; id < r->n; id++) {
    const Inst *i = &r->src->inst.at[id];
    for (uint32_t k = 0; !u->dep[id] && k < i->nargs; k++) u->dep[id] = u->dep[ir_arg(r->src, i, k).id];
  }
}

void undo_open(Region *r) {
  Undo *u = NULL;
  if (r->b->f != r->src || r->b->stepless || !pass_holds(r->src, 0, OP_reversible)) return;
  for (uint32_t id = 1; id < r->n; id++) {
    if (!unit_at(r, id)) continue;
    if (!u) {
      u = base_zeroed(1, sizeof *u);
      u->dep = base_zeroed(r->n, sizeof *u->dep);
    }
    u->dep[id] = true;
  }
  r->undo = u;
  if (!u) return;
  u->again = base_zeroed(r->n, sizeof *u->again);
  u->held = base_zeroed(r->n, sizeof *u->held);
  u->can = base_zeroed(r->n, sizeof *u->can);
  u->failed = base_zeroed(r->n, sizeof *u->failed);
  u->map = base_zeroed(r->n, sizeof *u->map);
  u->epoch = 1;
  spread(r);
}

void undo_close(Region *r) {
  Undo *u = r->undo;
  if (!u) return;
  base_free(u->again);
  base_free(u->dep);
  base_free(u->held);
  base_free(u->can);
  base_free(u->failed);
  base_free(u->map);
  base_free(u);
  r->undo = NULL;
}

bool undo_on(const Region *r) { return r->undo != NULL; }

void undo_hold(Region *r, const Val *hold, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) r->undo->held[hold[k].id] = r->undo->dep[hold[k].id] = true;
  spread(r);
}

static Val inverse_view(Region *r, const Inst *i, Val again) {
  Val x = ir_arg(r->src, i, 0);
  Type t = ir_type(r->src, x);
  int perm[IR_MAX_RANK];
  if (i->op == OP_reshape) return ir_reshape(r->b, again, t.rank, t.dim);
  if (i->op == OP_id) return again;
  for (int k = 0; k < t.rank; k++) perm[ir_list(r->src, i).at[k]] = k;
  return ir_transpose(r->b, again, perm);
}

void undo_set(Region *r, Val v, Val again) {
  Undo *u = r->undo;
  while (v.id < r->n && u->dep[v.id] && !u->again[v.id].id) {
    Inst i = *ir_inst(r->src, v);
    u->again[v.id] = again;
    u->any = true;
    u->epoch++;
    if (!one_to_one(&i) || u->held[v.id]) break;
    again = inverse_view(r, &i, again);
    v = ir_arg(r->src, &i, 0);
  }
}

Val undo_get(const Region *r, Val v) { return v.id < r->n ? r->undo->again[v.id] : VAL_NONE; }

static bool can(Region *r, uint32_t id) {
  Undo *u = r->undo;
  const Inst *i = &r->src->inst.at[id];
  if (!u->dep[id] || u->again[id].id || u->can[id]) return true;
  if (u->failed[id] == u->epoch) return false;
  bool ok = !u->held[id] && repeatable(r->src, i, i->op == OP_proj && unit_at(r, ir_arg(r->src, i, 0).id));
  for (uint32_t k = 0; ok && k < i->nargs; k++) ok = can(r, ir_arg(r->src, i, k).id);
  if (!ok) u->failed[id] = u->epoch;
  return u->can[id] = ok;
}

static Val repeat(Region *r, Val v) {
  Undo *u = r->undo;
  if (!u->dep[v.id]) return v;
  if (u->again[v.id].id) return u->again[v.id];
  Inst i = *ir_inst(r->src, v);
  for (uint32_t k = 0; k < i.nargs; k++) {
    Val a = ir_arg(r->src, &i, k), w = repeat(r, a);
    u->map[a.id] = w;
  }
  return u->again[v.id] = ir_copy_inst(r->b, r->src, v, u->map);
}

Val undo_value(Region *r, Val v) {
  Undo *u = r->undo;
  if (v.id >= r->n || !u->any || !can(r, v.id)) return v;
  return repeat(r, v);
}

/* ---- undoing --------------------------------------------------------------------------------------------------- */

void undo_results(Region *r, Val v, const Val *after, uint32_t nafter, Val *y) {
  Inst i = *ir_inst(r->src, v);
  uint32_t states = ir_states(r->src, &i);
  for (uint32_t k = 0; k < states; k++) {
    Val p = ir_proj(r->b, r->prim ? r->prim[v.id] : v, k);
    Val known = r->undo ? undo_get(r, p) : VAL_NONE;
    y[k] = ir_barrier(r->b, known.id ? known : p, after, nafter);
  }
}

/* Values per sample are computed with anew. */
static Val apart(Region *r, Val v, const Val *after, uint32_t nafter) {
  Type t = ir_type(r->b->f, v);
  return t.dt == DT_REAL && t.lane && !ir_is_const(r->b->f, v, NULL) ? ir_barrier(r->b, v, after, nafter) : v;
}

void undo_step(Region *r, Val v, const Val *after, uint32_t nafter, Val *x, Val *inv) {
  Inst i = *ir_inst(r->src, v);
  const Fn *body = ir_body(r->src, &i);
  uint32_t states = ir_states(r->src, &i), n = i.nargs - states;
  bool known = true;
  for (uint32_t k = 0; k < states; k++) {
    x[k] = undo_get(r, ir_arg(r->src, &i, k));
    known = known && x[k].id;
  }
  for (uint32_t k = 0; k < n; k++) inv[k] = apart(r, region_value(r, ir_arg(r->src, &i, states + k)), after, nafter);
  if (known) return;
  Val *in = base_zeroed(body->in.n, sizeof *in), *map = base_zeroed(body->inst.n, sizeof *map);
  undo_results(r, v, after, nafter, in + states);
  for (uint32_t k = 0; k < n; k++) in[2 * states + k] = inv[k];
  derive_step_emit(r->b, body, in, states, states, map);
  for (uint32_t k = 0; k < states; k++) x[k] = map[body->out.at[states + k].id];
  for (uint32_t k = 0; k < states; k++) undo_set(r, ir_arg(r->src, &i, k), x[k]);
  base_free(in);
  base_free(map);
}

typedef struct Ports {
  VEC(Val) arg;
} Ports;

static Val port(Build *b, Ports *p, Val arg, Type t) {
  *vec_push(&p->arg) = arg;
  return ir_input(b, NULL, IN_OTHER, 0, t);
}

/* The turns of loop v, undone from the last one; `sub` is the loop's body again. */
static void undo_turns(Region *r, Val v, Build *sub, Ports *ports) {
  Inst i = *ir_inst(r->src, v);
  const Fn *body = ir_body(r->src, &i);
  ScanShape s = ir_scan_shape(r->src, &i);
  Val *y = base_zeroed(s.carry, sizeof *y), *hold = base_zeroed(s.carry, sizeof *hold), *x = base_zeroed(i.nargs, sizeof *x);
  Val *map = base_zeroed(body->inst.n, sizeof *map);
  Region w;
  undo_results(r, v, NULL, 0, y);
  for (uint32_t k = 0; k < s.carry; k++) {
    Type t = ir_type(body, body->out.at[k]);
    y[k] = port(sub, ports, y[k], t);
    x[k] = hold[k] = ir_id(sub, pass_zero_like(sub, t));
  }
  for (uint32_t k = s.carry; k < i.nargs; k++) {
    Val a = region_value(r, ir_arg(r->src, &i, k));
    Type t = ir_type(r->b->f, a);
    x[k] = port(sub, ports, a, k < s.carry + s.xs ? pass_turn_type(t) : t);
  }
  copy_emit(sub, body, x, NULL, NULL, NULL, map);
  region_init(&w, sub->f, sub, r->diag);
  undo_hold(&w, hold, s.carry);
  for (uint32_t k = 0; k < s.carry; k++) undo_set(&w, map[body->out.at[k].id], y[k]);
  undo_rest(&w);
  for (uint32_t k = 0; k < s.carry; k++) ir_output(sub, undo_get(&w, hold[k]), NULL);
  region_finish(&w);
  base_free(y);
  base_free(hold);
  base_free(x);
  base_free(map);
}

static void undo_loop(Region *r, Val v) {
  Inst i = *ir_inst(r->src, v);
  ScanShape s = ir_scan_shape(r->src, &i);
  Build sub;
  Ports ports = {0};
  ir_build_init(&sub, ir_sub_create(r->b->f, "undo"));
  sub.at = i.at;
  undo_turns(r, v, &sub, &ports);
  Val loop = ir_scan(r->b, ports.arg.at, ports.arg.n, s.n, s.carry, s.xs, 0, 0, !s.reverse, false, sub.f);
  for (uint32_t k = 0; k < s.carry; k++) undo_set(r, ir_arg(r->src, &i, k), ir_proj(r->b, loop, k));
  ir_build_finish(&sub);
  vec_free(&ports.arg);
}

void undo_rest(Region *r) {
  for (uint32_t id = r->n; id-- > 1;) {
    Inst i = r->src->inst.at[id];
    bool done = true;
    if (!is_unit(r->src, &i)) continue;
    uint32_t states = ir_states(r->src, &i);
    for (uint32_t k = 0; k < states; k++) {
      Val a = ir_arg(r->src, &i, k);
      done = done && (!r->undo->dep[a.id] || undo_get(r, a).id);
    }
    if (done) continue;
    if (i.op == OP_reversible) {
      Val *x = base_zeroed(i.nargs, sizeof *x);
      undo_step(r, (Val){id}, NULL, 0, x, x + states);
      base_free(x);
    } else {
      undo_loop(r, (Val){id});
    }
  }
}
