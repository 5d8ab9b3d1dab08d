/* Equations of second order in the bodies of `ode {gauss16}`: of two states, the first (q) moves by rates that are affine in the other
 * (p) and know nothing else, and p by rates that do not know p.
 *
 *   q' = g(p), p' = f(q, t)   ->   a third output, q'' = g_p f(q, t), which does not depend on p
 *
 * Stages of q then need q'' alone (codegen/adaptive/gauss.c). Found by what the derived rates read, not by names: a Hamiltonian
 * with a quadratic kinetic energy has it, so has x' = v, v' = f(x). */
#include "passes/derive/derive.h"
#include "passes/loops/loops.h"

#include <stdlib.h>

static bool reads(const Fn *f, uint32_t out, uint32_t in) { return pass_follows(f, out, out + 1, in); }

enum { Q, P, CLOCK, SECOND = 2 /* the output */ };

static bool fits(const Fn *rates) {
  return !reads(rates, Q, Q) && !reads(rates, Q, CLOCK) && reads(rates, Q, P) && !reads(rates, P, P);
}

/* The rates, and the derivative of q' along p'; NULL: q' is not affine in p, or has no derivative. */
static Fn *with_second(PassRun *run, const Fn *rates) {
  Build b;
  Val *in = base_zeroed(rates->in.n + 1, sizeof *in), out[2], moved[2];
  const bool lane = rates->in.at[Q].type.lane;
  ir_build_init(&b, ir_fn_create(rates->name, rates->f64));
  for (uint32_t k = 0; k < rates->in.n; k++) {
    const Input *x = &rates->in.at[k];
    in[k] = ir_input(&b, x->name, x->kind, x->index, x->type);
  }
  ir_inline(&b, rates, in, out);
  const Val s = ir_id(&b, pass_with_lane(&b, ir_const(&b, 0), lane));
  in[P] = ir_add(&b, in[P], ir_mul(&b, s, out[P]));
  ir_inline(&b, rates, in, moved);
  for (uint32_t k = 0; k < 2; k++) ir_output(&b, out[k], NULL);
  ir_output(&b, pass_with_lane(&b, ir_jac(&b, moved[Q], s), lane), "second");
  ir_build_finish(&b);
  Fn *g = derive_plain(run, b.f, NULL);
  ir_fn_destroy(b.f);
  base_free(in);
  if (g && !reads(g, SECOND, P)) return g;
  ir_fn_destroy(g);
  return NULL;
}

static Val second(Copy *c, uint32_t id, const Inst *i) {
  const Fn *body = ir_body(c->from, i);
  (void)id;
  if (i->op != OP_ode) return copy_inside(c, i, OP_ode, second);
  const ode_attr attr = ir_ode_attr(c->from, i);
  const bool pair = attr.method == M_GAUSS16 && attr.states == 2 && body->out.n == 2 && !pass_has_derivatives(body);
  Fn *g = pair && fits(body) ? with_second(c->ctx, body) : NULL;
  return g ? copy_own_body(c, i, g) : VAL_NONE;
}

Fn *pass_second(PassRun *run, const Fn *f) {
  const double start = pass_now();
  return pass_done(run, "second", start, copy_fn(NULL, f, second, run));
}
