/* Outputs inside a step: their cotangents as those of the terms of the interpolant of the step, by the weights of the terms at their times. A
 * loop goes back over the outputs of a step. */
#include "passes/derive/ode/vjp_ode.h"

Val vjp_ode_at_least_0(Build *b, Val x) { return ir_max(b, x, ir_const(b, 0)); }

/* 1 where output `next`, at time `due`, is behind the time at which the step begins. */
static Val inside(Build *b, Val next, Val due, Val time, Val h) {
  Val ahead = ir_mul(b, ir_sub(b, due, time), h);
  return ir_indicator(b, ir_and(b, ir_le(b, ir_const(b, 0), next), ir_lt(b, ir_const(b, 0), ahead)));
}

uint32_t vjp_ode_terms(const OdeRev *w) { return !w->between ? 0 : w->m ? ODE_FIRST_TERMS + (uint32_t)w->m->ncont : 1; }

/* Of taylor the term has all coefficients, stacked. */
static Type term_type(const OdeRev *w, uint32_t s) {
  Type t = vjp_ode_cot_type(w, s);
  if (!w->order) return t;
  for (int k = t.rank++; k > 0; k--) t.dim[k] = t.dim[k - 1];
  t.dim[0] = w->order + 1;
  return t;
}

/* first x^k, k = 0 ... order */
static Val powers(Build *b, Val first, Val x, uint32_t order) {
  Val *all = base_zeroed(order + 1, sizeof *all), v;
  for (uint32_t k = 0; k <= order; k++) all[k] = k ? ir_mul(b, all[k - 1], x) : first;
  v = ir_stack(b, all, order + 1);
  base_free(all);
  return v;
}

static Val outer(Build *b, Val weights, Val x) {
  const int la[] = {0}, rank = ir_type(b->f, x).rank;
  int lb[IR_MAX_RANK], lo[IR_MAX_RANK];
  for (int k = 0; k < IR_MAX_RANK; k++) lb[k] = k + 1, lo[k] = k;
  return ir_dot(b, weights, x, false, la, lb, rank + 1, lo);
}

/* One output: adds its cotangents, by the weights of the terms of the interpolant there, and goes to the one before it. */
static Fn *moment_body(OdeRev *w, Fn *parent, const Val *args, uint32_t nargs, uint32_t carries) {
  Build b;
  Fn *f = ir_sub_create(parent, "moments");
  Val *in = base_realloc(NULL, sizeof *in * (nargs + 1)), weight[ODE_MOST_TERMS];
  ir_build_init(&b, f);
  b.at = w->i->at;
  for (uint32_t k = 0; k < nargs; k++) in[k] = ir_input(&b, NULL, IN_OTHER, 0, ir_type(parent, args[k]));
  const Val next = in[1], due = in[2], *inv = in + carries, time = inv[0], h = inv[1], times = inv[2], *out = inv + 3;
  Val on = ir_lt(&b, ir_const(&b, 0), in[0]), row = vjp_ode_at_least_0(&b, next);
  Val x = ir_div(&b, ir_sub(&b, due, time), ir_select(&b, ir_eq(&b, h, ir_const(&b, 0)), ir_const(&b, 1), h));
  Val rest = ir_sub(&b, ir_const(&b, 1), x), before = ir_select(&b, on, ir_sub(&b, next, ir_const(&b, 1)), next);
  Val due_before = ir_gather(&b, times, vjp_ode_at_least_0(&b, before));
  weight[0] = w->order ? powers(&b, ir_indicator(&b, on), x, w->order) : ir_indicator(&b, on);
  for (uint32_t c = 0; c + 1 < vjp_ode_terms(w); c++) weight[c + 1] = ir_mul(&b, weight[c], c & 1 ? rest : x);
  ir_output(&b, ir_mul(&b, in[0], inside(&b, before, due_before, time, h)), NULL);
  ir_output(&b, before, NULL);
  ir_output(&b, pass_with_lane(&b, due_before, w->lane), NULL);
  for (uint32_t c = 0; c < vjp_ode_terms(w); c++)
    for (uint32_t s = 0, o = 0; s < w->n; s++) {
      if (!w->rc[s].id) continue;
      Val sum = in[3 + c * (carries - 3) / vjp_ode_terms(w) + o];
      Val cot = ir_select(&b, on, ir_gather(&b, out[o], row), ir_const(&b, 0));
      ir_output(&b,
                pass_with_lane(&b, ir_add(&b, sum, w->order ? outer(&b, weight[0], cot) : ir_mul(&b, weight[c], cot)),
                               ir_type(f, sum).lane),
                NULL);
      o++;
    }
  ir_build_finish(&b);
  base_free(in);
  return f;
}

/* Moments of the outputs of a step: cotangents of its terms. *next, *due: the output before them. */
void vjp_ode_moments(OdeRev *w, Build *b, const OdeOutputs *x, Val time, Val h, Val *next, Val *due, Val *moment) {
  VEC(Val) args = {0};
  *vec_push(&args) = inside(b, *next, *due, time, h);
  *vec_push(&args) = *next;
  *vec_push(&args) = *due;
  for (uint32_t c = 0; c < vjp_ode_terms(w); c++)
    for (uint32_t s = 0; s < w->n; s++)
      if (w->rc[s].id) *vec_push(&args) = pass_zero_like(b, term_type(w, s));
  const uint32_t carries = args.n;
  *vec_push(&args) = time, *vec_push(&args) = h, *vec_push(&args) = x->time;
  for (uint32_t s = 0; s < w->n; s++)
    if (w->rc[s].id) *vec_push(&args) = x->out[s];
  Fn *f = moment_body(w, b->f, args.at, args.n, carries);
  Val loop = ir_scan(b, args.at, args.n, w->times, carries, 0, 0, 0, false, 2, f);
  *next = ir_proj(b, loop, 1), *due = ir_proj(b, loop, 2);
  uint32_t at = 3;
  for (uint32_t c = 0; c < vjp_ode_terms(w); c++)
    for (uint32_t s = 0; s < w->n; s++) moment[c * w->n + s] = w->rc[s].id ? ir_proj(b, loop, at++) : VAL_NONE;
  vec_free(&args);
}
