/* Forward rule of `scan`: one loop that carries the tangents beside the values.
 *
 *   carries  c, tangents of active c     ys  tangents of the active ys
 *   xs       x, tangents of active x     zs  tangents of the active zs
 *   inv      i, tangents of active i
 *
 * A loop that may end early (`converge`) still may: its tangents converge with it. */
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
