/* In a loss groups of steps of flows become `reversible` operators (ir.h): the steps and, beside them, what undoes them,
 * so that a backward pass may compute the states again from the end instead of keeping them. The
 * log-determinant, if it is asked for, is one more state, to which each adds. */
#include "frontend/flow/flow_priv.h"

#include <string.h>

static bool whole(const Step *s) {
  for (uint32_t k = 0; k < s->n; k++)
    if (s->piece[k].element) return false;
  return true;
}

/* A call in place of whole states is played step by step itself; a mean moves nothing. */
bool group_is_wrapped(const Play *p, const Step *s) {
  return p->reversible && s->kind != STEP_RUNNING && !(s->kind == STEP_CALL && whole(s));
}

/* Plays the group on inputs of the body: their outputs. */
static bool half(const Play *outer, const Step *s, uint32_t m, bool undo, const Val *in) {
  Elab *E = outer->E;
  const uint32_t n = play_width(outer);
  Play p = *outer;
  p.undo = undo;
  p.reversible = false;
  p.again = undo != outer->undo;
  memcpy(p.known, in, sizeof *in * n);
  p.logdet = p.want_logdet ? in[n] : VAL_NONE;
  play_plain(&p, s, m);
  for (uint32_t k = 0; k < n && !p.failed; k++) ir_output(&E->now->level->b, p.known[k], NULL);
  if (p.want_logdet && !p.failed)
    ir_output(&E->now->level->b, elab_lane(E) ? ir_spread(&E->now->level->b, p.logdet) : p.logdet, NULL);
  return !p.failed;
}

void group_wrapped(Play *p, const Step *s, uint32_t m) {
  Elab *E = p->E;
  uint32_t n = play_width(p), states = n + p->want_logdet;
  Val in[2 * (2 * FLOW_STATES + 1)];
  Context c;
  Level *l = ARENA_NEW(E->mem, Level);
  if (p->want_logdet && !p->logdet.id) {
    p->logdet = ir_const(elab_at(E, s->stmt->at), 0);
    if (elab_lane(E)) p->logdet = ir_spread(&E->now->level->b, p->logdet);
  }
  if (p->want_logdet) p->known[n] = p->logdet;
  level_begin(E, l, "step");
  for (uint32_t k = 0; k < 2 * states; k++)
    in[k] = ir_input(elab_at(E, s->stmt->at), NULL, IN_STATE, k, ir_type(l->up->fn, p->known[k % states]));
  context_push(E, &c);
  c.reversible = false;
  bool good = half(p, s, m, p->undo, in) && half(p, s, m, !p->undo, in + states);
  context_pop(E, &c);
  if (!good) {
    level_drop(E, l);
    p->failed = true;
    return;
  }
  level_order(E, l, 2 * states);
  Val *args = ARENA_ARRAY(E->mem, Val, states + l->captures.n + 1);
  memcpy(args, p->known, sizeof *args * states);
  for (uint32_t k = 0; k < l->captures.n; k++) args[states + k] = l->captures.at[k].outer;
  level_leave(E, l);
  Val step = ir_reversible(elab_at(E, s->stmt->at), args, states + l->captures.n, states, l->fn);
  level_end(E, l);
  for (uint32_t k = 0; k < states; k++) p->known[k] = ir_proj(&E->now->level->b, step, k);
  if (p->want_logdet) p->logdet = p->known[n];
}
