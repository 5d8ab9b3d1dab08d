/* Rules of `reversible`.
 *
 * Backwards: the states before the step are computed from those after it by g (undo.c), f is computed again
 * from them, and swept over, as a function of its own: what belongs to one step costs what one step is long.
 * So of a chain of steps only the states at its end are kept. Forwards: f with its tangents. */
#include "passes/derive/derive_priv.h"

#include <stdlib.h>
#include <string.h>

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
