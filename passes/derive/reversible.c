/* Reversible steps: their bodies emitted, and written out where nothing is to be computed from the end.
 *
 * The body of a `reversible` holds no derivative operator when it is written out here (derive takes bodies
 * first), so its inputs need no names of their own. */
#include "passes/derive/derive_priv.h"

#include <stdlib.h>
#include <string.h>

/* What outputs [first, first + n) follow from, by id. */
static bool *wanted(const Fn *f, uint32_t first, uint32_t n) {
  bool *need = base_zeroed(f->inst.n, sizeof *need);
  for (uint32_t k = 0; k < n; k++) need[f->out.at[first + k].id] = true;
  pass_mark_needed(f, need);
  return need;
}

void derive_step_emit(Build *b, const Fn *callee, const Val *args, uint32_t first, uint32_t n, Val *map) {
  bool *need = wanted(callee, first, n);
  copy_emit(b, callee, args, need, NULL, NULL, map);
  base_free(need);
}

Val region_store_inst(Copy *c, uint32_t id, const Inst *i) {
  (void)i;
  return region_store(c->b, c->from, (Val){id}, c->map, true);
}

Fn *derive_step_forward(const Fn *body) {
  uint32_t states = body->out.n / 2;
  Fn *f = ir_fn_create(body->name, body->f64);
  Build b;
  Val *map = base_zeroed(body->inst.n, sizeof *map), *in = base_zeroed(body->in.n, sizeof *in);
  bool *need = wanted(body, 0, states);
  ir_build_init(&b, f);
  for (uint32_t k = 0; k < body->in.n; k++)
    if (k < states || k >= 2 * states) in[k] = ir_input(&b, NULL, IN_OTHER, k, body->in.at[k].type);
  copy_emit(&b, body, in, need, region_store_inst, NULL, map);
  for (uint32_t k = 0; k < states; k++) ir_output(&b, map[body->out.at[k].id], NULL);
  ir_build_finish(&b);
  base_free(map);
  base_free(in);
  base_free(need);
  return f;
}

/* ---- writing out ---------------------------------------------------------------------------------------- */

static Fn *write_out(Fn *parent, const Fn *f, const bool *which);

/* Step i in place: results[k] is state k after it. Steps inside of it are written out too. */
static Val *step_results(Copy *c, const Inst *i) {
  const Fn *body = ir_body(c->from, i);
  uint32_t states = body->out.n / 2;
  Fn *flat = pass_holds(body, 0, OP_reversible) ? write_out(NULL, body, NULL) : NULL;
  if (flat) body = flat;
  Val *args = base_zeroed(body->in.n, sizeof *args), *in = base_zeroed(body->inst.n, sizeof *in);
  Val *out = base_zeroed(states, sizeof *out);
  for (uint32_t k = 0; k < i->nargs; k++) args[k < states ? k : k + states] = c->map[ir_arg(c->from, i, k).id];
  derive_step_emit(c->b, body, args, 0, states, in);
  for (uint32_t k = 0; k < states; k++) out[k] = in[body->out.at[k].id];
  ir_fn_destroy(flat);
  base_free(args);
  base_free(in);
  return out;
}

/* ctx: which, or NULL: all */
static Val write_inst(Copy *c, uint32_t id, const Inst *i) {
  const bool *which = c->ctx;
  const Fn *body = ir_body(c->from, i);
  if (!body || (which && !which[id])) return VAL_NONE;
  if (i->op == OP_reversible) c->result[id] = step_results(c, i);
  else if (pass_holds(body, 0, OP_reversible)) return copy_body(c, i, write_out(c->b->f, body, NULL));
  return VAL_NONE;
}

static Fn *write_out(Fn *parent, const Fn *f, const bool *which) {
  Fn *g = parent ? ir_sub_create(parent, f->name) : ir_fn_create(f->name, f->f64);
  bool *live = ir_live(f);
  Build b;
  Copy c;
  ir_build_init(&b, g);
  copy_begin(&c, &b, f, (void *)which);
  c.live = live;
  copy_inputs(&c);
  copy_walk(&c, write_inst);
  copy_outputs(&c);
  copy_end(&c);
  ir_build_finish(&b);
  base_free(live);
  return g;
}

Fn *derive_step_inline(const Fn *f, const bool *which) { return write_out(NULL, f, which); }
