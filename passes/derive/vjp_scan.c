/* Reverse rule of `scan`.
 *
 * The loop over the turns runs the other way. A turn starts from the stored carries, computes the body
 * again and sweeps backwards over it:
 *
 *   carries  cotangents of the carries
 *   xs       stored carries, transcendental functions that were kept (region_kept), xs, cotangents of the ys
 *   inv      invariants, cotangents of the zs
 *   ys       cotangents of the xs
 *   zs       cotangents of the invariants, so that sums over the batch flow into sums over turns
 *
 * Under VJP_TOTAL the cotangents of shared carries and xs stay per sample (part EACH) until the loop has
 * ended: only invariants are summed over the batch inside it.
 *
 * A loop that can be undone (undo.c) stores nothing: it carries the states after the turn backwards as well, a
 * turn computes those before it, and hands them on. Results whose cotangent is WHOLE and
 * that nothing per sample flows into are taken in a loop of their own. */
#include "passes/derive/derive_priv.h"

#include <stdlib.h>
#include <string.h>

/* One reverse loop being built. Ports are the loop's arguments (carry, xs, inv) and results (carry, ys, zs). */
typedef struct Rev {
  Vjp *s;
  Val v;
  const Inst *i;
  ScanShape sh;
  const Fn *body;
  bool lanes;    /* cotangents carried are per sample */
  Val *rc;       /* by result: cotangent in, VAL_NONE if zero */
  bool *in;      /* by argument: active */
  bool *hot;     /* by result: has a cotangent in some turn */
  Val *cot_in;   /* by result: its cotangent inside the reverse body */
  bool *carried; /* by carry: has a cotangent carry */
  bool undo;     /* the turns are undone: */
  Val *y;        /* by carry: the state after the turn, inside the reverse body */
  Val *kept;     /* by id of the body: the stacked value, inside the reverse body */
  uint32_t nkept;
} Rev;

/* Does result o of the body depend on input k? One row of flags by result for each input. */
static bool *dependence(const Fn *body, uint32_t nin) {
  bool *dep = base_zeroed((size_t)nin * body->out.n, sizeof *dep);
  for (uint32_t k = 0; k < nin; k++) {
    Val v = pass_input(body, k);
    if (!v.id || ir_type(body, v).dt != DT_REAL) continue;
    Active a;
    region_active_init(&a, body, body->inst.n);
    a.on[v.id] = true;
    region_active_spread(&a, body);
    for (uint32_t o = 0; o < body->out.n; o++) dep[k * body->out.n + o] = a.on[body->out.at[o].id];
    region_active_finish(&a);
  }
  return dep;
}

/* Which carries are active, and which results have a cotangent: fixed points around the loop. */
static void find_hot(Rev *w) {
  uint32_t nin = w->i->nargs, nout = w->body->out.n;
  bool *dep = dependence(w->body, nin);
  for (uint32_t k = 0; k < nin; k++) w->in[k] = vjp_active(w->s, ir_arg(vjp_region(w->s)->src, w->i, k));
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t c = 0; c < w->sh.carry; c++)
      for (uint32_t k = 0; k < nin && !w->in[c]; k++)
        if (w->in[k] && dep[k * nout + c]) w->in[c] = changed = true;
  }
  for (uint32_t o = 0; o < nout; o++) w->hot[o] = w->rc[o].id != 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t c = 0; c < w->sh.carry; c++)
      for (uint32_t o = 0; o < nout && !w->hot[c]; o++)
        if (w->hot[o] && dep[c * nout + o]) w->hot[c] = changed = true;
  }
  for (uint32_t c = 0; c < w->sh.carry; c++) w->carried[c] = w->hot[c] && w->in[c];
  base_free(dep);
}

/* ---- the body of the reverse loop ----------------------------------------------------------------------- */

typedef struct Args {
  VEC(Val) v;
} Args;

static Val port(Build *b, Type t) { return ir_input(b, NULL, IN_OTHER, 0, t); }

/* The states after the turn are carried; x[c] stands for the state before it, which the sweep will find. */
static void undo_inputs(Rev *w, Build *bb, Args *args, Val *x) {
  Region *r = vjp_region(w->s);
  Val *y = base_zeroed(w->sh.carry, sizeof *y), *after = base_zeroed(w->body->out.n, sizeof *after);
  uint32_t n = 0;
  for (uint32_t o = 0; o < w->body->out.n; o++)
    if (w->rc[o].id) after[n++] = w->rc[o];
  undo_results(r, w->v, after, n, y);
  for (uint32_t c = 0; c < w->sh.carry; c++) {
    Type t = ir_type(w->body, w->body->out.at[c]);
    *vec_push(&args->v) = y[c];
    w->y[c] = port(bb, t);
    x[c] = ir_id(bb, pass_zero_like(bb, t));
  }
  base_free(y);
  base_free(after);
}

/* What each turn has kept of its values. */
static void kept_inputs(Rev *w, Build *bb, Args *args) {
  Region *r = vjp_region(w->s);
  bool *keep = region_kept(r->src, w->i);
  for (uint32_t id = 1; id < w->body->inst.n; id++) {
    Val saved = keep[id] ? region_saved(r, w->v, (Val){id}) : VAL_NONE;
    if (!saved.id) continue;
    *vec_push(&args->v) = saved;
    w->kept[id] = port(bb, pass_turn_type(ir_type(r->b->f, saved)));
    w->nkept++;
  }
  base_free(keep);
}

/* The sweep goes through the instructions that compute such a value again; what reads it then reads the kept one. */
static void read_kept(const Rev *w, Fn *rb, const Val *map) {
  Val *now = base_zeroed(rb->inst.n, sizeof *now);
  for (uint32_t id = 1; id < w->body->inst.n; id++)
    if (w->kept[id].id) now[map[id].id] = w->kept[id];
  for (uint32_t id = 1; id < rb->inst.n; id++)
    for (uint32_t k = 0; k < rb->inst.at[id].nargs; k++) {
      Val *a = &rb->pool.at[rb->inst.at[id].args + k];
      if (now[a->id].id) *a = now[a->id];
    }
  for (uint32_t k = 0; k < rb->out.n; k++)
    if (now[rb->out.at[k].id].id) rb->out.at[k] = now[rb->out.at[k].id];
  base_free(now);
}

/* Inputs of the reverse body and arguments of the reverse loop, in step. x[k] is the primal input k. */
static void make_inputs(Rev *w, Build *bb, Args *args, Val *x) {
  Region *r = vjp_region(w->s);
  Build *b = r->b;
  const ScanShape *sh = &w->sh;
  for (uint32_t c = 0; c < sh->carry; c++) {
    if (!w->carried[c]) continue;
    Type t = pass_type_with(ir_type(w->body, w->body->out.at[c]), w->lanes);
    *vec_push(&args->v) = w->rc[c].id ? pass_with_lane(b, w->rc[c], w->lanes) : pass_zero_like(b, t);
    w->cot_in[c] = port(bb, t);
  }
  if (w->undo) undo_inputs(w, bb, args, x);
  for (uint32_t c = 0; c < sh->carry && !w->undo; c++) {
    Val in = pass_input(w->body, c), saved = in.id ? region_saved(r, w->v, in) : VAL_NONE;
    if (!saved.id) continue;
    *vec_push(&args->v) = saved;
    x[c] = port(bb, pass_turn_type(ir_type(b->f, saved)));
  }
  if (!w->undo) kept_inputs(w, bb, args);
  for (uint32_t k = sh->carry; k < sh->carry + sh->xs; k++) {
    Val a = region_value(r, ir_arg(r->src, w->i, k));
    *vec_push(&args->v) = a;
    x[k] = port(bb, pass_turn_type(ir_type(b->f, a)));
  }
  for (uint32_t o = sh->carry; o < sh->carry + sh->ys; o++) {
    if (!w->rc[o].id) continue;
    *vec_push(&args->v) = w->rc[o];
    w->cot_in[o] = port(bb, pass_turn_type(ir_type(b->f, w->rc[o])));
  }
  for (uint32_t k = sh->carry + sh->xs; k < w->i->nargs; k++) {
    Val a = region_value(r, ir_arg(r->src, w->i, k));
    *vec_push(&args->v) = a;
    x[k] = port(bb, ir_type(b->f, a));
  }
  for (uint32_t o = sh->carry + sh->ys; o < w->body->out.n; o++) {
    if (!w->rc[o].id) continue;
    *vec_push(&args->v) = w->rc[o];
    w->cot_in[o] = port(bb, ir_type(b->f, w->rc[o]));
  }
}

/* Sweeps backwards over the recomputed turn. out[k]: the cotangent of primal input k. */
static bool sweep_body(Rev *w, Build *bb, const Val *x, const Val *map, Cot *out) {
  Region *r = vjp_region(w->s), br;
  const ScanShape *sh = &w->sh;
  uint32_t nin = w->i->nargs, nout = w->body->out.n, nseed = 0, nx = 0;
  Seed *seed = base_zeroed(nout, sizeof *seed);
  Val *vars = base_zeroed(nin, sizeof *vars);
  Cot *cots = base_zeroed(nin, sizeof *cots);
  uint32_t *which = base_zeroed(nin, sizeof *which);
  bool *sum = base_zeroed(bb->f->in.n, sizeof *sum);
  VjpMode mode = vjp_mode(w->s) == VJP_SAMPLE ? VJP_SAMPLE : VJP_BODY;
  for (uint32_t o = 0; o < nout; o++) {
    if (!w->cot_in[o].id) continue;
    Val v = map[w->body->out.at[o].id];
    Part part = mode == VJP_SAMPLE || ir_type(bb->f, v).lane || ir_type(bb->f, w->cot_in[o]).lane ? EACH : WHOLE;
    seed[nseed].v = v;
    seed[nseed++].cot.part[part] = w->cot_in[o];
  }
  for (uint32_t k = 0; k < nin; k++) {
    if (!x[k].id) continue;
    if (k >= sh->carry + sh->xs) sum[ir_number(bb->f, ir_inst(bb->f, x[k]))] = vjp_sums(w->s, ir_arg(r->src, w->i, k));
    if (!w->in[k] || ir_type(bb->f, x[k]).dt != DT_REAL) continue;
    vars[nx] = x[k];
    which[nx++] = k;
  }
  region_init(&br, bb->f, bb, r->diag);
  if (w->undo) {
    undo_hold(&br, x, sh->carry);
    for (uint32_t c = 0; c < sh->carry; c++) undo_set(&br, map[w->body->out.at[c].id], w->y[c]);
  }
  bool ok = vjp_sweep(&br, mode, sum, seed, nseed, vars, nx, cots);
  if (ok && w->undo) undo_rest(&br);
  for (uint32_t c = 0; ok && w->undo && c < sh->carry; c++) w->y[c] = undo_get(&br, x[c]);
  region_finish(&br);
  for (uint32_t k = 0; k < nx; k++) out[which[k]] = cots[k];
  base_free(seed);
  base_free(vars);
  base_free(cots);
  base_free(which);
  base_free(sum);
  return ok;
}

/* The outputs of the reverse body, in order: next cotangents, states before the turn, cotangents of xs, of
 * invariants. */
static bool make_outputs(Rev *w, Build *bb, const Cot *cot) {
  for (uint32_t c = 0; c < w->sh.carry; c++) {
    if (!w->carried[c]) continue;
    Val each = cot[c].part[EACH], whole = cot[c].part[WHOLE];
    if (each.id && whole.id) return false;
    Val next = each.id ? each : whole;
    Type t = ir_type(bb->f, w->cot_in[c]);
    ir_output(bb, next.id ? pass_with_lane(bb, next, w->lanes) : pass_zero_like(bb, t), NULL);
  }
  for (uint32_t c = 0; w->undo && c < w->sh.carry; c++) ir_output(bb, w->y[c], NULL);
  for (uint32_t k = w->sh.carry; k < w->i->nargs; k++)
    for (int p = 0; p < 2; p++)
      if (cot[k].part[p].id) ir_output(bb, cot[k].part[p], NULL);
  return true;
}

static uint32_t count_parts(const Cot *cot, uint32_t from, uint32_t to) {
  uint32_t n = 0;
  for (uint32_t k = from; k < to; k++) n += (cot[k].part[EACH].id != 0) + (cot[k].part[WHOLE].id != 0);
  return n;
}

/* Emits the loop and hands its results to the operands. */
static void emit_loop(Rev *w, Fn *rb, const Args *args, uint32_t carry, uint32_t xs, const Cot *cot) {
  Region *r = vjp_region(w->s);
  uint32_t ninv = w->sh.carry + w->sh.xs;
  uint32_t ys = count_parts(cot, w->sh.carry, ninv), zs = count_parts(cot, ninv, w->i->nargs), at = 0;
  if (carry + ys + zs == 0) return;
  Val loop = ir_scan(r->b, args->v.at, args->v.n, w->sh.n, carry, xs, ys, zs, !w->sh.reverse, false, rb);
  for (uint32_t c = 0; c < w->sh.carry; c++)
    if (w->carried[c]) vjp_push(w->s, ir_arg(r->src, w->i, c), ir_proj(r->b, loop, at++));
  for (uint32_t c = 0; w->undo && c < w->sh.carry; c++, at++)
    if (undo_on(r)) undo_set(r, ir_arg(r->src, w->i, c), ir_proj(r->b, loop, at));
  for (uint32_t k = w->sh.carry; k < w->i->nargs; k++)
    for (int p = 0; p < 2; p++) {
      if (!cot[k].part[p].id) continue;
      Val c = ir_proj(r->b, loop, at++);
      (p == WHOLE ? vjp_push_whole : vjp_push)(w->s, ir_arg(r->src, w->i, k), c);
    }
}

static void reverse_loop(Rev *w) {
  Region *r = vjp_region(w->s);
  uint32_t nin = w->i->nargs;
  Args args = {0};
  Build bb;
  Fn *rb = ir_sub_create(r->b->f, "reverse");
  ir_build_init(&bb, rb);
  bb.at = w->i->at;
  Val *x = base_zeroed(nin, sizeof *x), *map = base_zeroed(w->body->inst.n, sizeof *map);
  Cot *cot = base_zeroed(nin, sizeof *cot);
  find_hot(w);
  make_inputs(w, &bb, &args, x);
  uint32_t carry = 0, xs = w->sh.xs;
  for (uint32_t c = 0; c < w->sh.carry; c++) {
    carry += w->carried[c] + w->undo;
    xs += !w->undo && x[c].id;
  }
  xs += w->nkept;
  for (uint32_t o = w->sh.carry; o < w->sh.carry + w->sh.ys; o++) xs += w->rc[o].id != 0;
  copy_emit(&bb, w->body, x, NULL, region_store_inst, NULL, map); /* the turn again */
  if (!sweep_body(w, &bb, x, map, cot)) r->failed = true;
  else if (make_outputs(w, &bb, cot)) {
    read_kept(w, rb, map);
    emit_loop(w, rb, &args, carry, xs, cot);
  } else
    region_error(r, CODE_batch_mean, w->i->at, NULL, "a sum over the batch inside a loop may not change what the loop carries");
  ir_build_finish(&bb);
  vec_free(&args.v);
  base_free(x);
  base_free(map);
  base_free(cot);
}

/* ---- the two parts ------------------------------------------------------------------------------------------ */

/* Does anything per sample flow into the shared output o of the body? Through a sum over the batch alone. */
static bool from_lanes(const Fn *body, uint32_t o) {
  if (!ir_fn_sums_batch(body)) return false;
  bool *need = base_zeroed(body->inst.n, sizeof *need), found = false;
  need[body->out.at[o].id] = true;
  for (uint32_t id = body->inst.n; id-- > 1 && !found;) {
    const Inst *i = &body->inst.at[id];
    bool shared = i->type.dt == DT_MULTI || !i->type.lane;
    if (!need[id] || !shared) continue;
    found = ir_sums_batch(body, i) || (i->sub && ir_fn_sums_batch(ir_body(body, i)));
    for (uint32_t k = 0; k < i->nargs; k++) need[ir_arg(body, i, k).id] = true;
  }
  base_free(need);
  return found;
}

static bool any_lane(const Rev *w) {
  const Region *r = vjp_region(w->s);
  for (uint32_t o = 0; o < w->body->out.n; o++)
    if (w->rc[o].id && ir_type(r->b->f, w->rc[o]).lane) return true;
  for (uint32_t id = 1; id < w->body->inst.n; id++)
    if (w->body->inst.at[id].type.dt != DT_MULTI && w->body->inst.at[id].type.lane) return true;
  return false;
}

static bool any(const Val *v, uint32_t n) {
  for (uint32_t k = 0; k < n; k++)
    if (v[k].id) return true;
  return false;
}

void vjp_scan(Vjp *s, Val v, const Inst *i, Val c) {
  (void)c;
  Region *r = vjp_region(s);
  if (ir_scan_shape(r->src, i).converge == 2) {
    region_error(
        r, CODE_no_derivative, r->asked,
        "compute second derivatives forward over reverse: write `hessian(f)(x)`, or `grad` and `jac` by at most 256 numbers; "
        "fixed-step methods, such as rk4 and gauss4, have derivatives of any order",
        "this differentiates the gradient of an adaptive method in reverse mode, but that gradient only has a forward derivative");
    return;
  }
  const Fn *body = ir_body(r->src, i);
  uint32_t nout = body->out.n;
  const Cot *res = vjp_results(s, v);
  Val *rc = base_zeroed(nout, sizeof *rc);
  bool *lanes = base_zeroed(nout, sizeof *lanes);
  for (uint32_t o = 0; o < nout; o++) lanes[o] = res[o].part[WHOLE].id && from_lanes(body, o);
  for (int pass = EACH; pass <= WHOLE; pass++) {
    for (uint32_t o = 0; o < nout; o++)
      rc[o] = pass == WHOLE          ? (lanes[o] ? VAL_NONE : res[o].part[WHOLE])
              : res[o].part[EACH].id ? res[o].part[EACH]
              : lanes[o]             ? res[o].part[WHOLE]
                                     : VAL_NONE;
    if (!any(rc, nout)) continue;
    Rev w = {.s = s, .v = v, .i = i, .sh = ir_scan_shape(r->src, i), .body = body, .rc = rc};
    w.lanes = pass == EACH && (vjp_mode(s) != VJP_SAMPLE || any_lane(&w));
    w.in = base_zeroed(i->nargs, sizeof *w.in);
    w.hot = base_zeroed(nout, sizeof *w.hot);
    w.cot_in = base_zeroed(nout, sizeof *w.cot_in);
    w.carried = base_zeroed(w.sh.carry, sizeof *w.carried);
    w.undo = undo_scan_can(r->src, i);
    w.y = base_zeroed(w.sh.carry, sizeof *w.y);
    w.kept = base_zeroed(body->inst.n, sizeof *w.kept);
    reverse_loop(&w);
    base_free(w.in);
    base_free(w.hot);
    base_free(w.cot_in);
    base_free(w.carried);
    base_free(w.y);
    base_free(w.kept);
  }
  base_free(rc);
  base_free(lanes);
}
