/* Rules of `root`, by the implicit function theorem, and its end.
 *
 * At the solution k of r(k, inv) = 0: dk = -(dr/dk)^-1 (dr/d inv) d inv. The rule is written in k itself, the op's
 * result, so that derivatives of the rule are those of higher order. How k was found does not matter. Without the matrix dr/dk the
 * system is solved by iteration. */
#include "passes/derive/derive.h"
#include "passes/derive/derive_priv.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

/* ---- without the matrix ------------------------------------------------------------------------------------------
 *
 * x of c + J x = 0 or c + J^T x = 0 for J = dr/dk at the solution, by x <- x + (c + J x), which contracts as k + r does. J x and
 * J^T x are derivatives of r. The result is a `root` again, of the residual c + J x, so that derivatives of it are those of the solution. */
enum { TURNS = 50 };

/* (x, c, k, inv...) -> c + J x. NULL: r has no derivative. */
static Fn *residual(const Fn *body, Type x, bool trans) {
  Build b;
  Val *in = base_zeroed(body->in.n + 1, sizeof *in), r;
  ir_build_init(&b, ir_fn_create("linear", body->f64));
  const Val u = ir_input(&b, "x", IN_STATE, 0, x), c = ir_input(&b, "c", IN_OTHER, 0, x);
  for (uint32_t k = 0; k < body->in.n; k++) in[k] = ir_input(&b, body->in.at[k].name, IN_OTHER, 1 + k, body->in.at[k].type);
  if (trans) {
    const Val k = in[0] = ir_id(&b, in[0]);
    ir_inline(&b, body, in, &r);
    r = ir_grad(&b, ir_sum_all(&b, ir_mul(&b, r, u)), k);
  } else {
    const Val s = ir_id(&b, pass_with_lane(&b, ir_const(&b, 0), x.lane));
    in[0] = ir_add(&b, in[0], ir_mul(&b, s, u));
    ir_inline(&b, body, in, &r);
    r = ir_jac(&b, r, s);
  }
  ir_output(&b, pass_with_lane(&b, ir_add(&b, c, r), x.lane), "r");
  ir_build_finish(&b);
  base_free(in);
  Fn *g = derive_plain(NULL, b.f, NULL);
  ir_fn_destroy(b.f);
  return g;
}

static Val largest(Build *b, Val x) { return ir_rmax(b, ir_abs(b, x), 0); }

/* A turn of x. Outputs the status, which counts down from 1 and is 0 at rest, unless there is none, and x. */
static Fn *turn(Build *out, const Fn *linear, bool stops) {
  Build b;
  Val *in = base_zeroed(linear->in.n + 1, sizeof *in), r, status = VAL_NONE;
  const bool lane = linear->in.at[0].type.lane;
  ir_build_init(&b, ir_sub_create(out->f, "linear"));
  if (stops) status = ir_input(&b, "status", IN_STATE, 0, type_scalar(lane));
  for (uint32_t k = 0; k < linear->in.n; k++) in[k] = ir_input(&b, linear->in.at[k].name, IN_OTHER, k, linear->in.at[k].type);
  ir_inline(&b, linear, in, &r);
  Val next = ir_add(&b, in[0], r);
  if (stops) {
    const Val zero = ir_const(&b, 0), on = ir_lt(&b, zero, status), late = pass_status_late(&b, status);
    const double unit = b.f->f64 ? DBL_EPSILON : (double)FLT_EPSILON;
    const Val part = ir_select(&b, late, ir_const(&b, 64 * unit), ir_const(&b, 4 * unit));
    const Val still = ir_le(&b, largest(&b, r), ir_mul(&b, part, largest(&b, next)));
    ir_output(&b, pass_with_lane(&b, pass_status_next(&b, status, on, still), lane), "status");
    next = ir_select(&b, on, next, in[0]);
  }
  ir_output(&b, pass_with_lane(&b, next, lane), "x");
  ir_build_finish(&b);
  base_free(in);
  return b.f;
}

static Val linear_root(Build *b, const Fn *body, const Val *args, uint32_t nargs, Val c, bool trans) {
  const bool lane = ir_type(b->f, args[0]).lane || ir_type(b->f, c).lane, stops = b->f->f64 != FN_EXACT;
  const Type t = pass_type_with(ir_type(b->f, args[0]), lane);
  Fn *linear = residual(body, t, trans);
  if (!linear) base_fault("root: its equation has no derivative");
  Val *in = base_zeroed(nargs + 3, sizeof *in);
  in[0] = pass_with_lane(b, ir_const(b, 1), lane);
  in[1] = in[2] = pass_with_lane(b, c, lane);
  memcpy(in + 3, args, sizeof *in * nargs);
  const uint32_t from = !stops;
  const Val loop = ir_scan(b, in + from, nargs + 3 - from, TURNS, 1 + stops, 0, 0, 0, false, stops ? 2 : 0, turn(b, linear, stops));
  in[1] = ir_proj(b, loop, stops);
  const Val x = ir_root(b, in + 1, nargs + 2, ir_copy_fn(b->f, linear));
  ir_fn_destroy(linear);
  base_free(in);
  return x;
}

/* ---- the rules ---- */

/* What its body takes at its solution; the caller frees. */
static Val *at_solution(Region *r, Val v, const Inst *i) {
  Val *args = base_zeroed(i->nargs, sizeof *args);
  args[0] = region_value(r, v);
  for (uint32_t k = 1; k < i->nargs; k++) args[k] = region_value(r, ir_arg(r->src, i, k));
  return args;
}

/* The system of root v at its solution, all of it emitted. */
static Region at_root(Region *r, Val v, const Inst *i) {
  Val *args = at_solution(r, v, i);
  Region w = region_over(r, ir_body(r->src, i), args);
  base_free(args);
  return w;
}

static Val solved(Region *r, Val v, const Inst *i, const Region *w, Val c, bool trans) {
  if (w->src->out.n > 1) return ir_neg(r->b, ir_solve(r->b, w->prim[w->src->out.at[1].id], c, trans));
  Val *args = at_solution(r, v, i);
  const Val x = linear_root(r->b, ir_body(r->src, i), args, i->nargs, c, trans);
  base_free(args);
  return x;
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
  Val out = moved.id ? solved(r, v, i, &w, moved, false) : VAL_NONE;
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
  seed.cot.part[each ? EACH : WHOLE] = solved(r, v, i, &w, c, true);
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
  (void)id;
  return i->op == OP_root ? c->map[ir_arg(c->from, i, 0).id] : copy_inside(c, i, OP_root, drop);
}

Fn *derive_root_forget(const Fn *f) { return copy_fn(NULL, f, drop, NULL); }
