/* A step of taylor backwards: the adjoint of the recurrences of its series (passes/jets/jets_adjoint.c), of the rates and what a sweep over them
 * gives of any cotangents. In powers of (time - t)/h, h being the step, the state at its end is the sum of the coefficients. */
#include "passes/derive/ode/vjp_ode.h"
#include "passes/jets/jets.h"

#include <string.h>

uint32_t vjp_ode_order(const Fn *f, const ode_attr *attr) {
  double rtol;
  memcpy(&rtol, &attr->rtol, sizeof rtol);
  return (uint32_t)adaptive_order(rtol, f->f64 != FN_F32);
}

/* (states..., t, cotangents..., inv...) -> rates, cotangents of the states, sums, of its own arena; NULL after an error. */
static Fn *swept(OdeRev *w, OdeTurn *t, const Val *y, Val time, Cot *cot) {
  Build b;
  OdeSeeds seeds = {0};
  const uint32_t n = w->n;
  OdeTurn u = {.outer = t->b, .b = &b, .inv = base_zeroed(w->ninv + 1, sizeof(Val))};
  Val *in = base_zeroed(3 * n, sizeof *in), *k = in + n, *lambda = in + 2 * n;
  ir_build_init(&b, ir_fn_create("rates", t->b->f->f64));
  b.at = w->i->at;
  for (uint32_t s = 0; s < n; s++) in[s] = vjp_ode_port(&u, y[s]);
  Val at = vjp_ode_port(&u, time);
  for (uint32_t s = 0; s < n; s++) lambda[s] = ir_input(&b, "cotangent", IN_OTHER, 0, vjp_ode_cot_type(w, s));
  vjp_ode_invariants(&u, w, t->inv);
  vjp_ode_rates(w, &b, in, at, u.inv, k);
  for (uint32_t s = 0; s < n; s++) vjp_ode_seed(w, &b, &seeds, k[s], lambda[s]);
  const bool ok = vjp_ode_sweep(w, &u, &seeds, in, n, true, cot);
  for (uint32_t s = 0; s < n && ok; s++) ir_output(&b, k[s], NULL);
  for (uint32_t s = 0; s < n && ok; s++) ir_output(&b, vjp_ode_one_part(w, &b, cot[s], vjp_ode_cot_type(w, s)), NULL);
  if (ok) vjp_ode_output_sums(&u, cot + n, w->ninv);
  Fn *simple = ok ? pass_simplify(NULL, b.f) : NULL;
  Fn *g = b.f;
  vjp_ode_turn_end(&u);
  vec_free(&seeds.at);
  base_free(in);
  ir_fn_destroy(g);
  return simple;
}

bool vjp_ode_taylor_step(OdeRev *w, OdeTurn *t, const Val *y, Val time, Val h, const Val *terms, Val *begin, Cot *inv) {
  Build *b = t->b;
  const uint32_t n = w->n;
  Cot *cot = base_zeroed(n + w->ninv + 1, sizeof *cot);
  Fn *rates = swept(w, t, y, time, cot);
  Fn *step = rates ? jets_adjoint(rates, n, w->order, vjp_region(w->s)->diag) : NULL;
  if (step) {
    Val *args = base_zeroed(step->in.n, sizeof *args), *out = base_zeroed(step->out.n + 1, sizeof *out);
    uint32_t at = n;
    for (uint32_t s = 0; s < n; s++) args[s] = y[s], args[n + 1 + s] = pass_with_lane(b, terms[s], vjp_ode_cot_type(w, s).lane);
    args[n] = ir_stack(b, (Val[]){time, h}, 2);
    for (uint32_t k = 0; k < w->ninv; k++) args[2 * n + 1 + k] = t->inv[k];
    ir_inline(b, step, args, out);
    memcpy(begin, out, sizeof *out * n);
    for (uint32_t k = 0; k < w->ninv; k++)
      for (int p = 0; p < 2; p++) inv[k].part[p] = cot[n + k].part[p].id ? out[at++] : VAL_NONE;
    base_free(args), base_free(out);
  }
  ir_fn_destroy(rates);
  ir_fn_destroy(step);
  base_free(cot);
  return step != NULL;
}
