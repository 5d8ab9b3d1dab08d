/* Steps and trajectories that are parts of others (base/part.c) are left out: who reads them reads what they are part of. So
 * T(x) and logdet(T)(x) are one chain of steps, which is played, undone and swept once, with the cotangents of both added
 * before.
 *
 * Where f is copied, what stands further on may be read earlier; it is brought there with all that it is computed from. */
#include "passes/loops/loops.h"

#include <stdlib.h>

static Fn *join(Fn *parent, const Fn *f);

static Val join_inst(Copy *c, uint32_t id, const Inst *i);

/* Instruction id, which may stand further on. */
static void bring(Copy *c, uint32_t id) {
  const Inst *i = &c->from->inst.at[id];
  if (c->map[id].id || c->result[id]) return;
  for (uint32_t k = 0; k < i->nargs; k++) bring(c, ir_arg(c->from, i, k).id);
  copy_inst(c, id, join_inst);
}

static Val join_inst(Copy *c, uint32_t id, const Inst *i) {
  const Parts *s = c->ctx;
  const uint32_t at = pass_part_of(s, id);
  if (c->result[id]) return VAL_NONE;
  if (at != id) {
    const uint32_t n = ir_states(c->from, i);
    bring(c, at);
    c->result[id] = base_zeroed(n, sizeof(Val));
    for (uint32_t k = 0; k < n; k++) c->result[id][k] = ir_proj(c->b, c->map[at], k);
    return VAL_NONE;
  }
  Fn *body = i->sub ? join(c->b->f, ir_body(c->from, i)) : NULL;
  return body ? copy_body(c, i, body) : VAL_NONE;
}

static bool any(const Fn *f) {
  Parts s;
  pass_parts(f, false, &s);
  bool yes = s.any;
  pass_parts_finish(&s);
  for (uint32_t id = 1; id < f->inst.n && !yes; id++) yes = f->inst.at[id].sub && any(ir_body(f, &f->inst.at[id]));
  return yes;
}

/* NULL: there is nothing to join. */
static Fn *join(Fn *parent, const Fn *f) {
  if (!any(f)) return NULL;
  Parts s;
  pass_parts(f, false, &s);
  Fn *g = copy_fn(parent, f, join_inst, &s);
  pass_parts_finish(&s);
  return g;
}

Fn *pass_join(PassRun *run, const Fn *f) {
  double start = pass_now();
  pass_at(run, "steps of", f->name, (Span){0});
  return pass_done(run, "join", start, join(NULL, f));
}
