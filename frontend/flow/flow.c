/* Flows as functions: recorded, then played forwards or undone. */
#include "frontend/builtin/builtin.h"
#include "frontend/claims/claims.h"
#include "frontend/flow/flow_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- recording -------------------------------------------------------------------------------------------
 */

static bool state_slot(Elab *E, Flow *w, const Formal *x, Val *state) {
  Entry *e = frame_find(E->now->frame, x->name);
  Type t;
  if (e->v.kind == V_POISON) return false;
  if (w->n == FLOW_STATES) {
    elab_error(E, CODE_flow_state, x->at, "a flow has at most %d states", FLOW_STATES);
    return false;
  }
  if (!value_numeric(e->v) || !value_type(e->v, &t) || t.dt != DT_REAL) {
    elab_error(E, CODE_flow_state, x->at, "a state of a flow must be a tensor, found %s", value_text(E, e->v));
    return false;
  }
  Val v = elab_tensor(E, e->v, x->at);
  *state = elab_lane(E) ? ir_spread(elab_at(E, x->at), v) : v;
  w->slot[w->n++] = (Slot){.name = x->name, .entry = (uint32_t)(e - E->now->frame->entries.at), .type = elab_type(E, *state)};
  return true;
}

static void first_readings(Elab *E, Flow *w) {
  for (uint32_t k = 0; k < w->n; k++) {
    Val in = ir_input(&w->level.b, w->slot[k].name, IN_STATE, k, w->slot[k].type), v = ir_id(&w->level.b, in);
    *vec_push(&w->readings) = (Reading){v, k, 0};
    w->frame->entries.at[w->slot[k].entry].v = elab_value(E, v);
  }
}

/* Returns to the level where the flow is used. */
static void flow_end(Elab *E, Flow *w) {
  level_drop(E, &w->level);
  vec_free(&w->steps);
  vec_free(&w->readings);
  vec_free(&w->stamp);
}

/* Records the body of f, whose parameters are bound in the innermost frame; the states are the values of its formals.
 * False after an error (w is finished then). */
static bool flow_begin(Elab *E, const Func *f, Flow *w, Val *state) {
  Context c;
  Value none = {.kind = V_NONE};
  *w = (Flow){.f = f, .frame = E->now->frame};
  for (const Formal *x = f->item->formals; x; x = x->next)
    if (!state_slot(E, w, x, &state[w->n < FLOW_STATES ? w->n : 0])) return false;
  context_push(E, &c);
  level_begin(E, &w->level, f->name);
  c.no_draws = "a flow is a map of its states, and cannot draw";
  first_readings(E, w);
  c.flow = w;
  if (f->item->body && elab_block(E, f->item->body, &none)) {
    if (!E->now->body->unmet)
      elab_error(E, CODE_flow_state, E->now->body->returned, "a flow returns the last values of its states: remove this `return`");
    w->broken = true;
  }
  context_pop(E, &c);
  if (!w->broken) return true;
  flow_end(E, w);
  return false;
}

/* ---- being called -----------------------------------------------------------------------------------------
 */

bool func_is_flow(const Func *f) {
  while (f->kind == F_INVERSE || f->kind == F_LIFT) f = f->of[0];
  return f->kind == F_USER && f->bound && f->item->kind == IT_FLOW;
}

static Value results(Elab *E, Play *p, int ask, Span at) {
  Value v[2 * FLOW_STATES + 1];
  uint32_t n = 0;
  for (uint32_t k = 0; (ask & FLOW_STATE) && k < play_width(p); k++) v[n++] = elab_value(E, p->known[k]);
  if (ask & FLOW_LOGDET) {
    Val zero = ir_const(elab_at(E, at), 0), sum = p->logdet.id ? p->logdet : zero;
    v[n++] = elab_value(E, elab_lane(E) ? ir_spread(elab_at(E, at), sum) : sum);
  }
  return value_tuple(E, v, n);
}

/* The momenta that belong to the states. */
static bool momenta(Elab *E, Play *p, const Actual *a) {
  for (uint32_t k = 0; k < p->w->n; k++) {
    Type t, want = p->w->slot[k].type;
    char text[128];
    if (!value_numeric(a[k].v) || !value_type(a[k].v, &t) || !type_same_dims(t, want)) {
      elab_error(E, CODE_shape_mismatch, a[k].at, "the momentum of `%s` must be %s, found %s", p->w->slot[k].name,
                 type_user(want, text, sizeof text), value_text(E, a[k].v));
      return false;
    }
    Val v = elab_tensor(E, a[k].v, a[k].at);
    p->known[p->w->n + k] = elab_lane(E) ? ir_spread(elab_at(E, a[k].at), v) : v;
  }
  return p->lift = true;
}

Value flow_body(Elab *E, const Func *f, int ask) {
  const Actual *const momentum = E->now->momenta;
  Flow w;
  Play p;
  Val state[FLOW_STATES];
  Type t[FLOW_STATES];
  Span at = f->item->name_at;
  if (!flow_begin(E, f, &w, state)) return POISON;
  if (ask & FLOW_CLAIM) {
    claim_judge(E, &w, state, E->now->judged);
    flow_end(E, &w);
    return POISON;
  }
  for (uint32_t k = 0; k < w.n; k++) t[k] = w.slot[k].type, t[k].lane = 0;
  claim_of(E, f, t, w.n);
  play_init(&p, E, &w, ask & FLOW_UNDO, state);
  p.want_logdet = (ask & FLOW_LOGDET) && !(ask & FLOW_LIFT);
  p.reversible = E->now->reversible;
  if ((ask & FLOW_LIFT) && !momenta(E, &p, momentum)) p.failed = true;
  else play_all(&p);
  Value v = p.failed || elab_stop(E) ? POISON : results(E, &p, ask, at);
  play_finish(&p);
  flow_end(E, &w);
  return v;
}

static Value derived(Elab *E, FuncKind kind, const char *name, const Func *of) {
  Func *f = ARENA_NEW(E->mem, Func);
  *f = (Func){.kind = kind, .name = name, .of = {of}};
  return value_func(f);
}

/* The inverse of a lift is the lift of the inverse; the former is how both are kept. */
static Value lifted(Elab *E, const Builtin *b, const Func *f, Span at) {
  uint32_t required, n = func_arity(f, &required);
  if (n != 1) {
    DiagMsg *m = elab_error(E, CODE_flow_state, at, "`lift` needs a flow with one state, q, but `%s` has %u", f->name, n);
    elab_help(m, "join them: `q[0:2]` and `q[2:4]` are parts of one state");
    return POISON;
  }
  if (f->kind == F_INVERSE) return derived(E, F_INVERSE, "inverse", derived(E, F_LIFT, b->name, f->of[0]).func);
  return derived(E, F_LIFT, b->name, f);
}

/* inverse(T), logdet(T), lift(T) */
Value bi_inverse(Elab *E, const Builtin *b, Actuals *a) {
  Value v = a->n ? a->at[0].v : (Value){.kind = V_NONE};
  bool inverse = b->op == F_INVERSE;
  if (a->n == 1 && v.kind == V_FUNC && v.func->kind == F_USER && !v.func->bound && v.func->item->kind == IT_FLOW &&
      !v.func->item->tformals) {
    Actuals none = {.call = a->call, .callee = a->callee};
    v = elab_instance(E, v.func, &none, NULL);
    if (v.kind == V_POISON) return v;
  }
  if (a->n != 1 || v.kind != V_FUNC || !func_is_flow(v.func)) {
    DiagMsg *m = elab_error(E, CODE_not_flow, a->n ? a->at[0].at : a->call, "`%s` takes a flow, found %s", b->name,
                            a->n > 1 ? "several arguments"
                            : a->n   ? value_kind(E, v)
                                     : "nothing");
    if (a->n && v.kind == V_FUNC && v.func->kind == F_USER && !v.func->bound)
      elab_help(m, "call it with its first list of arguments: `%s(...)`", v.func->name);
    else if (a->n == 1 && value_numeric(v) && b->op != F_LIFT)
      elab_help(m, "for a matrix, write `%s`", inverse ? "inv(A)" : "logabsdet(A)");
    else
      elab_help(m, inverse           ? "write `inverse(T)(y)` for a flow T"
                   : b->op == F_LIFT ? "write `lift(u)(q, p)` for a flow u of q"
                                     : "write `logdet(T)(x)` for a flow T");
    return POISON;
  }
  if (b->op == F_LIFT) return lifted(E, b, v.func, a->at[0].at);
  return inverse && v.func->kind == F_INVERSE ? value_func(v.func->of[0]) : derived(E, (FuncKind)b->op, b->name, v.func);
}
