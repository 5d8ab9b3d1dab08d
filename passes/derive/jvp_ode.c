/* Forward rule of `ode`: the equation of the tangents beside that of the states, whose steps they take (`watched`), so that it is the
 * derivative of the discrete solution, and the record's as well. Times enter by the rates at them, which is true of the solution, and
 * of the discrete one to its tolerance. */
#include "passes/derive/derive_priv.h"

#include <stdlib.h>

typedef struct Fwd {
  Jvp *s;
  Val v;
  const Inst *i;
  ode_attr attr;
  const Fn *body;
  uint32_t n, ninv;
  bool lane; /* states are per sample, or become so by their tangents */
} Fwd;

static Val arg_of(const Fwd *w, uint32_t k) { return region_value(jvp_region(w->s), ir_arg(jvp_region(w->s)->src, w->i, k)); }
static Val tangent_of(const Fwd *w, uint32_t k) { return jvp_tangent(w->s, ir_arg(jvp_region(w->s)->src, w->i, k)); }

/* The rates of a turn: sequences of states and times. */
static Fn *rates_at(Region *r, const Fn *body, uint32_t n, const Val *args, uint32_t nargs, uint32_t xs) {
  Build b;
  Fn *f = ir_sub_create(r->b->f, "rates_at");
  Val *in = base_zeroed(body->in.n + 1, sizeof *in), *map = base_zeroed(body->inst.n, sizeof *map);
  ir_build_init(&b, f);
  for (uint32_t k = 0; k < nargs; k++) {
    const Type t = ir_type(r->b->f, args[k]);
    in[k] = pass_with_lane(&b, ir_input(&b, NULL, IN_OTHER, 0, k < xs ? pass_turn_type(t) : t), body->in.at[k].type.lane);
  }
  copy_emit(&b, body, in, NULL, NULL, NULL, map);
  for (uint32_t k = 0; k < n; k++) ir_output(&b, map[body->out.at[k].id], NULL);
  ir_build_finish(&b);
  base_free(in);
  base_free(map);
  return f;
}

void derive_ode_moving(Region *r, Val v, const Inst *i, Val *rate) {
  const uint32_t n = (uint32_t)ir_ode_attr(r->src, i).states;
  const Type times = ir_type(r->src, ir_arg(r->src, i, n));
  Val *args = base_realloc(NULL, sizeof *args * (i->nargs + 1));
  for (uint32_t k = 0; k < n; k++) args[k] = region_recorded(r, v, k);
  for (uint32_t k = n; k < i->nargs; k++) args[k] = region_value(r, ir_arg(r->src, i, k));
  Fn *f = rates_at(r, ir_body(r->src, i), n, args, i->nargs, n + 1);
  Val loop = ir_scan(r->b, args, i->nargs, times.dim[0], 0, n + 1, n, 0, false, false, f);
  for (uint32_t k = 0; k < n; k++) rate[k] = ir_proj(r->b, loop, k);
  base_free(args);
}

/* Times rate [times, ..] with what moves the times. */
static Val by_times(Build *b, Val rate, Val moved) {
  for (int k = 1; k < ir_type(b->f, rate).rank; k++) moved = ir_expand(b, moved, k, ir_type(b->f, rate).dim[k]);
  return ir_mul(b, rate, moved);
}

/* The body: states, their tangents, the time, invariants, those of their tangents that are not zero. */
static Fn *both(Fwd *w, const Val *args, uint32_t nargs) {
  Region *r = jvp_region(w->s), br;
  const Fn *f = w->body;
  const uint32_t n = w->n, first = 2 * n + 1, moved = first + w->ninv;
  Build b;
  Fn *g = ir_sub_create(r->b->f, "rates");
  ir_build_init(&b, g);
  b.at = w->i->at;
  Val *in = base_zeroed(nargs + 1, sizeof *in), *x = base_zeroed(f->in.n + 1, sizeof *x),
      *map = base_zeroed(f->inst.n, sizeof *map);
  Val *vars = base_zeroed(f->in.n + 1, sizeof *vars), *tans = base_zeroed(f->in.n + 1, sizeof *tans);
  Val *e = base_zeroed(n, sizeof *e), *out = base_zeroed(n, sizeof *out);
  uint32_t m = 0, at = moved;
  for (uint32_t k = 0; k < nargs; k++)
    in[k] = ir_input(&b, NULL, IN_OTHER, 0, k == 2 * n ? type_scalar(w->lane) : ir_type(r->b->f, args[k]));
  for (uint32_t k = 0; k < n; k++) vars[m] = x[k] = in[k], tans[m++] = in[n + k];
  x[n] = in[2 * n];
  for (uint32_t k = 0; k < w->ninv; k++) {
    x[n + 1 + k] = in[first + k];
    if (tangent_of(w, n + 1 + k).id) vars[m] = in[first + k], tans[m++] = in[at++];
  }
  copy_emit(&b, f, x, NULL, NULL, NULL, map);
  for (uint32_t k = 0; k < n; k++) e[k] = map[f->out.at[k].id];
  region_init(&br, g, &b, r->diag);
  if (!jvp_sweep(&br, vars, tans, m, e, n, out)) r->failed = true;
  region_finish(&br);
  for (uint32_t k = 0; k < n; k++) ir_output(&b, pass_with_lane(&b, e[k], w->lane), NULL);
  for (uint32_t k = 0; k < n; k++) {
    const Type t = pass_type_with(ir_type(g, in[k]), w->lane);
    ir_output(&b, pass_value_or_zero(&b, out[k], t), NULL);
  }
  ir_build_finish(&b);
  void *list[] = {in, x, map, vars, tans, e, out};
  for (int k = 0; k < 7; k++) base_free(list[k]);
  return g;
}

static Val start_tangent(Fwd *w, uint32_t k, Val rate, Val moved) {
  Build *b = jvp_region(w->s)->b;
  const Type t = pass_type_with(ir_type(jvp_region(w->s)->src, ir_arg(jvp_region(w->s)->src, w->i, k)), w->lane);
  Val x = pass_value_or_zero(b, tangent_of(w, k), t);
  if (rate.id) x = ir_sub(b, x, ir_mul(b, ir_index(b, rate, 0, 0), ir_index(b, moved, 0, 0)));
  return pass_with_lane(b, x, w->lane);
}

static void forward(Fwd *w) {
  Region *r = jvp_region(w->s);
  const uint32_t n = w->n;
  Val moved = tangent_of(w, n), *args = base_realloc(NULL, sizeof *args * 2 * (w->i->nargs + 1)),
      *rate = base_zeroed(n, sizeof *rate);
  uint32_t m = 0;
  if (moved.id) derive_ode_moving(r, w->v, w->i, rate);
  for (uint32_t k = 0; k < n; k++) args[m++] = pass_with_lane(r->b, arg_of(w, k), w->lane);
  for (uint32_t k = 0; k < n; k++) args[m++] = start_tangent(w, k, rate[k], moved);
  for (uint32_t k = n; k < w->i->nargs; k++) args[m++] = arg_of(w, k);
  for (uint32_t k = n + 1; k < w->i->nargs; k++)
    if (tangent_of(w, k).id) args[m++] = tangent_of(w, k);
  ode_attr attr = w->attr;
  attr.states = 2 * w->attr.states;
  Fn *f = both(w, args, m);
  Val ode = ir_ode_as(r->b, &attr, args, args[2 * n], args + 2 * n + 1, m - 2 * n - 1, f), *res = jvp_results(w->s, w->v);
  for (uint32_t k = 0; k < n; k++) {
    res[k] = ir_proj(r->b, ode, n + k);
    if (moved.id) res[k] = ir_add(r->b, res[k], by_times(r->b, rate[k], moved));
    if (!attr.record) continue;
    res[ir_ode_result(n, ODE_STATE, k)] = ir_proj(r->b, ode, ir_ode_result(2 * n, ODE_STATE, n + k));
    if (attr.method != M_GAUSS16) res[ir_ode_result(n, ODE_RATE, k)] = ir_proj(r->b, ode, ir_ode_result(2 * n, ODE_RATE, n + k));
  }
  base_free(args);
  base_free(rate);
}

Val jvp_ode(Jvp *s, Val v, const Inst *i) {
  Region *r = jvp_region(s);
  Fwd w = {.s = s, .v = v, .i = i, .attr = ir_ode_attr(r->src, i), .body = ir_body(r->src, i)};
  w.n = (uint32_t)w.attr.states, w.ninv = i->nargs - w.n - 1;
  w.lane = ir_type(r->src, ir_arg(r->src, i, 0)).lane;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val t = jvp_tangent(s, ir_arg(r->src, i, k));
    w.lane |= t.id && ir_type(r->b->f, t).lane;
  }
  forward(&w);
  return VAL_NONE;
}
