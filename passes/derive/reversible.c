/* Reversible steps: their bodies emitted, written out where nothing is to be computed from the end, and their rules.
 *
 * The body of a `reversible` holds no derivative operator when it is written out here (derive takes bodies
 * first), so its inputs need no names of their own.
 *
 * Backwards: the states before the step are computed from those after it by g (undo.c), f is computed again
 * from them, and swept over, as a function of its own: what belongs to one step costs what one step is long.
 * So of a chain of steps only the states at its end are kept. Forwards: f with its tangents. */
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

/* ---- rules ------------------------------------------------------------------------------------------------ */

/* A region over the step f, all of whose values (the carries that its loops store, too) are emitted to r->b. */
Region region_over(Region *r, const Fn *f, const Val *args) {
  Region w = {.src = f, .n = f->inst.n, .b = r->b, .diag = r->diag};
  w.prim = base_zeroed(f->inst.n, sizeof *w.prim);
  copy_emit(r->b, f, args, NULL, NULL, NULL, w.prim);
  return w;
}

/* ---- backwards ----------------------------------------------------------------------------------------- */

/* Sweeps over f from the cotangents of its results. */
static void sweep_step(Vjp *s, const Inst *i, const Fn *f, Region *w, const Cot *res) {
  Region *r = vjp_region(s);
  uint32_t states = f->out.n, nseed = 0, nx = 0;
  Seed *seed = base_zeroed(states, sizeof *seed);
  Val *x = base_zeroed(i->nargs, sizeof *x);
  uint32_t *which = base_zeroed(i->nargs, sizeof *which);
  Cot *cot = base_zeroed(i->nargs, sizeof *cot);
  bool *sum = base_zeroed(f->in.n, sizeof *sum);
  for (uint32_t k = 0; k < states; k++)
    if (res[k].part[EACH].id || res[k].part[WHOLE].id) seed[nseed++] = (Seed){f->out.at[k], res[k]};
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val in = pass_input(f, k), a = ir_arg(r->src, i, k);
    sum[k] = vjp_sums(s, a);
    if (!in.id || !w->prim[in.id].id || !vjp_active(s, a) || ir_type(f, in).dt != DT_REAL) continue;
    x[nx] = in;
    which[nx++] = k;
  }
  if (!vjp_sweep(w, vjp_mode(s), sum, seed, nseed, x, nx, cot)) r->failed = true;
  for (uint32_t k = 0; k < nx && !r->failed; k++)
    for (int p = EACH; p <= WHOLE; p++)
      if (cot[k].part[p].id) vjp_push_part(s, ir_arg(r->src, i, which[k]), (Part)p, cot[k].part[p]);
  base_free(seed);
  base_free(x);
  base_free(which);
  base_free(cot);
  base_free(sum);
}

void vjp_reversible(Vjp *s, Val v, const Inst *i, Val c) {
  (void)c;
  Region *r = vjp_region(s);
  uint32_t states = (uint32_t)ir_reversible_attr(r->src, i).states, n = 0;
  const Cot *res = vjp_results(s, v);
  Val *after = base_zeroed(2 * states, sizeof *after), *args = base_zeroed(i->nargs, sizeof *args);
  for (uint32_t k = 0; k < states; k++)
    for (int p = EACH; p <= WHOLE; p++)
      if (res[k].part[p].id) after[n++] = res[k].part[p];
  Fn *f = derive_step_forward(ir_body(r->src, i));
  if (undo_on(r)) {
    undo_step(r, v, after, n, args, args + states);
  } else {
    for (uint32_t k = 0; k < i->nargs; k++) args[k] = region_value(r, ir_arg(r->src, i, k));
  }
  Region w = region_over(r, f, args);
  sweep_step(s, i, f, &w, res);
  region_finish(&w);
  ir_fn_destroy(f);
  base_free(after);
  base_free(args);
}

/* ---- forwards ------------------------------------------------------------------------------------------- */

Val jvp_reversible(Jvp *s, Val v, const Inst *i) {
  Region *r = jvp_region(s);
  uint32_t states = (uint32_t)ir_reversible_attr(r->src, i).states, nx = 0;
  Fn *f = derive_step_forward(ir_body(r->src, i));
  Val *args = base_zeroed(i->nargs, sizeof *args), *x = base_zeroed(i->nargs, sizeof *x), *t = base_zeroed(i->nargs, sizeof *t);
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val in = pass_input(f, k), tangent = jvp_tangent(s, ir_arg(r->src, i, k));
    args[k] = region_value(r, ir_arg(r->src, i, k));
    if (in.id && tangent.id && ir_type(f, in).dt == DT_REAL) x[nx] = in, t[nx++] = tangent;
  }
  Region w = region_over(r, f, args);
  if (nx && !jvp_sweep(&w, x, t, nx, f->out.at, states, jvp_results(s, v))) r->failed = true;
  region_finish(&w);
  ir_fn_destroy(f);
  base_free(args);
  base_free(x);
  base_free(t);
  return VAL_NONE;
}
