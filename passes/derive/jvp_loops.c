/* Forward rules of `scan` and, further down, of `ode`. Of `scan`: one loop that carries the tangents beside the values.
 *
 *   carries  c, tangents of active c     ys  tangents of the active ys
 *   xs       x, tangents of active x     zs  tangents of the active zs
 *   inv      i, tangents of active i
 *
 * A loop that may end early (`converge`) still may: its tangents converge with it.
 *
 * Of `ode`: the equation of the tangents beside that of the states, whose steps they take (`watched`), so that it is the
 * derivative of the discrete solution, and the record's as well. Times enter by the rates at them, which is true of the solution, and
 * of the discrete one to its tolerance. */
#include "passes/derive/derive_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Fwd {
  Jvp *s;
  const Inst *i;
  ScanShape sh;
  const Fn *body;
  bool *out;  /* by result: has a tangent */
  bool lanes; /* tangents of shared carries are per sample */
} Fwd;

/* Which results have a tangent: a fixed point over the carries. */
static void find_active(Fwd *w) {
  Region *r = jvp_region(w->s);
  for (bool changed = true; changed;) {
    changed = false;
    Active a;
    region_active_init(&a, w->body, w->body->inst.n);
    for (uint32_t k = 0; k < w->i->nargs; k++) {
      Val v = pass_input(w->body, k);
      bool on = jvp_tangent(w->s, ir_arg(r->src, w->i, k)).id || (k < w->sh.carry && w->out[k]);
      if (v.id && on && ir_type(w->body, v).dt == DT_REAL) a.on[v.id] = true;
      if (k < w->sh.carry && on && !w->out[k]) w->out[k] = changed = true;
    }
    region_active_spread(&a, w->body);
    for (uint32_t o = 0; o < w->body->out.n; o++)
      if (a.on[w->body->out.at[o].id] && !w->out[o]) w->out[o] = changed = true;
    region_active_finish(&a);
  }
}

typedef struct Args {
  VEC(Val) v;
} Args;

static Type carry_type(const Fwd *w, uint32_t c) {
  Type t = ir_type(w->body, w->body->out.at[c]);
  return pass_type_with(t, t.lane || w->lanes);
}

/* x[k], t[k]: primal input k and its tangent in the new body. Returns how many carries or xs there are. */
static uint32_t make_ports(Fwd *w, Build *bb, Args *args, uint32_t from, uint32_t to, Val *x, Val *t) {
  Region *r = jvp_region(w->s);
  Build *b = r->b;
  bool carry = from < w->sh.carry, xs = !carry && from < w->sh.carry + w->sh.xs;
  uint32_t n = to - from;
  for (uint32_t k = from; k < to; k++) {
    Val a = region_value(r, ir_arg(r->src, w->i, k));
    Type ty = ir_type(b->f, a);
    *vec_push(&args->v) = a;
    x[k] = ir_input(bb, NULL, IN_OTHER, 0, xs ? pass_turn_type(ty) : ty);
  }
  for (uint32_t k = from; k < to; k++) {
    Val a = jvp_tangent(w->s, ir_arg(r->src, w->i, k));
    if (carry && w->out[k]) a = a.id ? pass_with_lane(b, a, carry_type(w, k).lane) : pass_zero_like(b, carry_type(w, k));
    if (!a.id) continue;
    Type ty = ir_type(b->f, a);
    *vec_push(&args->v) = a;
    t[k] = ir_input(bb, NULL, IN_OTHER, 0, xs ? pass_turn_type(ty) : ty);
    n++;
  }
  return n;
}

static bool sweep_body(Fwd *w, Build *bb, const Val *x, const Val *t, const Val *map, Val *tan) {
  Region br;
  uint32_t n = 0, nout = w->body->out.n;
  Val *vars = base_zeroed(w->i->nargs, sizeof *vars), *tans = base_zeroed(w->i->nargs, sizeof *tans);
  Val *e = base_zeroed(nout, sizeof *e);
  for (uint32_t k = 0; k < w->i->nargs; k++) {
    if (!t[k].id) continue;
    vars[n] = x[k];
    tans[n++] = t[k];
  }
  for (uint32_t o = 0; o < nout; o++) e[o] = map[w->body->out.at[o].id];
  region_init(&br, bb->f, bb, jvp_region(w->s)->diag);
  bool ok = jvp_sweep(&br, vars, tans, n, e, nout, tan);
  region_finish(&br);
  base_free(vars);
  base_free(tans);
  base_free(e);
  return ok;
}

/* Outputs [from, to) and their tangents; index[o]: where the tangent of o is. Returns how many. */
static uint32_t make_outputs(Fwd *w, Build *bb, uint32_t from, uint32_t to, const Val *map, const Val *tan, int *index) {
  uint32_t start = bb->f->out.n;
  for (uint32_t o = from; o < to; o++) {
    bool carry = o < w->sh.carry;
    Val v = map[w->body->out.at[o].id];
    if (carry) ir_output(bb, pass_with_lane(bb, v, ir_type(w->body, w->body->out.at[o]).lane), NULL);
  }
  for (uint32_t o = from; o < to; o++) {
    bool carry = o < w->sh.carry;
    if (!(carry ? w->out[o] : tan[o].id != 0)) continue;
    index[o] = (int)bb->f->out.n;
    Val v = tan[o];
    if (carry) v = v.id ? pass_with_lane(bb, v, carry_type(w, o).lane) : pass_zero_like(bb, carry_type(w, o));
    ir_output(bb, v, NULL);
  }
  return bb->f->out.n - start;
}

static void forward_loop(Fwd *w, Val v) {
  Region *r = jvp_region(w->s);
  const ScanShape *sh = &w->sh;
  uint32_t nin = w->i->nargs, nout = w->body->out.n, inv = sh->carry + sh->xs;
  Args args = {0};
  Build bb;
  Fn *fb = ir_sub_create(r->b->f, "tangent");
  ir_build_init(&bb, fb);
  bb.at = w->i->at;
  Val *x = base_zeroed(nin, sizeof *x), *t = base_zeroed(nin, sizeof *t);
  Val *map = base_zeroed(w->body->inst.n, sizeof *map), *tan = base_zeroed(nout, sizeof *tan);
  int *index = base_zeroed(nout, sizeof *index);
  uint32_t carry = sh->carry ? make_ports(w, &bb, &args, 0, sh->carry, x, t) : 0;
  uint32_t xs = sh->xs ? make_ports(w, &bb, &args, sh->carry, inv, x, t) : 0;
  if (nin > inv) make_ports(w, &bb, &args, inv, nin, x, t);
  copy_emit(&bb, w->body, x, NULL, NULL, NULL, map);
  if (sweep_body(w, &bb, x, t, map, tan)) {
    make_outputs(w, &bb, 0, sh->carry, map, tan, index);
    uint32_t ys = make_outputs(w, &bb, sh->carry, sh->carry + sh->ys, map, tan, index);
    uint32_t zs = make_outputs(w, &bb, sh->carry + sh->ys, nout, map, tan, index);
    Val loop = ir_scan(r->b, args.v.at, args.v.n, sh->n, carry, xs, ys, zs, sh->reverse, sh->converge, fb);
    Val *res = jvp_results(w->s, v);
    for (uint32_t o = 0; o < nout; o++)
      if (o < sh->carry ? w->out[o] : tan[o].id != 0) res[o] = ir_proj(r->b, loop, (uint32_t)index[o]);
  } else {
    r->failed = true;
  }
  ir_build_finish(&bb);
  vec_free(&args.v);
  base_free(x);
  base_free(t);
  base_free(map);
  base_free(tan);
  base_free(index);
}

Val jvp_scan(Jvp *s, Val v, const Inst *i) {
  Region *r = jvp_region(s);
  Fwd w = {.s = s, .i = i, .sh = ir_scan_shape(r->src, i), .body = ir_body(r->src, i)};
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val a = ir_arg(r->src, i, k), t = jvp_tangent(s, a);
    if (t.id && ir_type(r->b->f, t).lane && !ir_type(r->src, a).lane) w.lanes = true;
  }
  w.out = base_zeroed(w.body->out.n, sizeof *w.out);
  find_active(&w);
  forward_loop(&w, v);
  base_free(w.out);
  return VAL_NONE;
}

/* ---- adaptive trajectories ------------------------------------------------------------------------------- */

typedef struct Moving {
  Jvp *s;
  Val v;
  const Inst *i;
  ode_attr attr;
  const Fn *body;
  uint32_t n, ninv;
  bool lane; /* states are per sample, or become so by their tangents */
} Moving;

static Val arg_of(const Moving *w, uint32_t k) { return region_value(jvp_region(w->s), ir_arg(jvp_region(w->s)->src, w->i, k)); }
static Val tangent_of(const Moving *w, uint32_t k) { return jvp_tangent(w->s, ir_arg(jvp_region(w->s)->src, w->i, k)); }

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
static Fn *both(Moving *w, const Val *args, uint32_t nargs) {
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

static Val start_tangent(Moving *w, uint32_t k, Val rate, Val moved) {
  Build *b = jvp_region(w->s)->b;
  const Type t = pass_type_with(ir_type(jvp_region(w->s)->src, ir_arg(jvp_region(w->s)->src, w->i, k)), w->lane);
  Val x = pass_value_or_zero(b, tangent_of(w, k), t);
  if (rate.id) x = ir_sub(b, x, ir_mul(b, ir_index(b, rate, 0, 0), ir_index(b, moved, 0, 0)));
  return pass_with_lane(b, x, w->lane);
}

static void forward(Moving *w) {
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
    if (ir_records_rates((Method)attr.method))
      res[ir_ode_result(n, ODE_RATE, k)] = ir_proj(r->b, ode, ir_ode_result(2 * n, ODE_RATE, n + k));
  }
  base_free(args);
  base_free(rate);
}

Val jvp_ode(Jvp *s, Val v, const Inst *i) {
  Region *r = jvp_region(s);
  Moving w = {.s = s, .v = v, .i = i, .attr = ir_ode_attr(r->src, i), .body = ir_body(r->src, i)};
  w.n = (uint32_t)w.attr.states, w.ninv = i->nargs - w.n - 1;
  w.lane = ir_type(r->src, ir_arg(r->src, i, 0)).lane;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val t = jvp_tangent(s, ir_arg(r->src, i, k));
    w.lane |= t.id && ir_type(r->b->f, t).lane;
  }
  forward(&w);
  return VAL_NONE;
}
