/* Rules of `root`, by the implicit function theorem, and its end.
 *
 * At the solution k of r(k, inv) = 0: dk = -(dr/dk)^-1 (dr/d inv) d inv. The rule is written in k itself, the op's
 * result, so that derivatives of the rule are those of higher order. How k was found does not matter. */
#include "passes/derive/derive_priv.h"

#include <stdlib.h>
#include <string.h>

/* The system of root v at its solution, all of it emitted. */
static Region at_root(Region *r, Val v, const Inst *i) {
  Val *args = base_zeroed(i->nargs, sizeof *args);
  args[0] = region_value(r, v);
  for (uint32_t k = 1; k < i->nargs; k++) args[k] = region_value(r, ir_arg(r->src, i, k));
  Region w = region_over(r, ir_body(r->src, i), args);
  base_free(args);
  return w;
}

static Val solved(Region *r, const Region *w, Val c, bool trans) {
  return ir_neg(r->b, ir_solve(r->b, w->prim[w->src->out.at[1].id], c, trans));
}

Val jvp_root(Jvp *s, Val v, const Inst *i) {
  Region *r = jvp_region(s);
  const Fn *body = ir_body(r->src, i);
  uint32_t nx = 0;
  Val *x = base_zeroed(i->nargs, sizeof *x), *t = base_zeroed(i->nargs, sizeof *t), moved = VAL_NONE;
  Region w = at_root(r, v, i);
  for (uint32_t k = 1; k < i->nargs; k++) {
    Val in = pass_input(body, k), tangent = jvp_tangent(s, ir_arg(r->src, i, k));
    if (in.id && tangent.id && ir_type(body, in).dt == DT_REAL) x[nx] = in, t[nx++] = tangent;
  }
  if (nx && !jvp_sweep(&w, x, t, nx, body->out.at, 1, &moved)) r->failed = true;
  Val out = moved.id ? solved(r, &w, moved, false) : VAL_NONE;
  region_finish(&w);
  base_free(x);
  base_free(t);
  return out;
}

void vjp_root(Vjp *s, Val v, const Inst *i, Val c) {
  Region *r = vjp_region(s);
  const Fn *body = ir_body(r->src, i);
  Region w = at_root(r, v, i);
  Seed seed = {.v = body->out.at[0]};
  bool each = vjp_mode(s) == VJP_SAMPLE || i->type.lane || ir_type(r->b->f, c).lane;
  uint32_t nx = 0, *which = base_zeroed(i->nargs, sizeof *which);
  Val *x = base_zeroed(i->nargs, sizeof *x);
  Cot *cot = base_zeroed(i->nargs, sizeof *cot);
  bool *sum = base_zeroed(body->in.n, sizeof *sum);
  seed.cot.part[each ? EACH : WHOLE] = solved(r, &w, c, true);
  for (uint32_t k = 1; k < i->nargs; k++) {
    Val in = pass_input(body, k), a = ir_arg(r->src, i, k);
    sum[k] = vjp_sums(s, a);
    if (!in.id || !vjp_active(s, a) || ir_type(body, in).dt != DT_REAL) continue;
    x[nx] = in;
    which[nx++] = k;
  }
  if (!vjp_sweep(&w, vjp_mode(s), sum, &seed, 1, x, nx, cot)) r->failed = true;
  for (uint32_t k = 0; k < nx && !r->failed; k++)
    for (int p = EACH; p <= WHOLE; p++)
      if (cot[k].part[p].id) vjp_push_part(s, ir_arg(r->src, i, which[k]), (Part)p, cot[k].part[p]);
  region_finish(&w);
  base_free(which);
  base_free(x);
  base_free(cot);
  base_free(sum);
}

/* ---- gone after derive ---------------------------------------------------------------------------------------- */

static Val drop(Copy *c, uint32_t id, const Inst *i) {
  const Fn *body = ir_body(c->from, i);
  (void)id;
  if (i->op == OP_root) return c->map[ir_arg(c->from, i, 0).id];
  return body && pass_holds(body, 0, OP_root) ? copy_body(c, i, copy_fn(c->b->f, body, drop, NULL)) : VAL_NONE;
}

Fn *derive_root_forget(const Fn *f) { return copy_fn(NULL, f, drop, NULL); }
