/* Simplification of `scan`.
 *
 * A value of the body is *outer* if it follows from invariants alone; outer values are computed before the
 * loop, where one that is computed in the loop still becomes an invariant. (An `expand` stays
 * inside: repeating a value is cheaper than reading its copies.) Invariants enter the new body when
 * they are first read, so unused and repeated ones disappear. */
#include "passes/simplify/simplify_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Loop {
  Copy *up; /* the copy that the loop is part of */
  Inst i;
  ScanShape sh;
  const Fn *body;
  bool *used;    /* by result: read after the loop */
  bool *keep;    /* by result: needed (carries: also inside) */
  bool *live;    /* by id of the body */
  bool *outside; /* by id of the body: follows from invariants alone */
  Copy out, in;  /* outer values, in up->b; the rest, in nb */
  Build nb;
  VEC(Val) arg;             /* arguments of the new loop */
  uint32_t carry, xs;       /* of the new loop */
  VEC(Val) inv_arg, inv_in; /* an outer value and the input of the new body that it became */
} Loop;

/* ---- what is needed ----------------------------------------------------------------------------------- */

static void find_used(Loop *l, uint32_t id) {
  const Fn *f = l->up->from;
  for (uint32_t p = id + 1; p < f->inst.n; p++) {
    const Inst *i = &f->inst.at[p];
    if (i->op == OP_proj && l->up->live[p] && ir_arg(f, i, 0).id == id) l->used[ir_number(f, i)] = true;
  }
}

/* Used results need what they read; a carry that is read needs its next value. */
static void find_live(Loop *l) {
  const Fn *body = l->body;
  memcpy(l->keep, l->used, sizeof *l->keep * body->out.n);
  for (uint32_t o = 0; o < l->sh.carry && l->sh.converge; o++) l->keep[o] = true;
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t o = 0; o < body->out.n; o++)
      if (l->keep[o]) l->live[body->out.at[o].id] = true;
    pass_mark_needed(body, l->live);
    for (uint32_t c = 0; c < l->sh.carry; c++) {
      Val in = pass_input(body, c);
      if (in.id && l->live[in.id] && !l->keep[c]) l->keep[c] = changed = true;
    }
  }
}

/* ---- inside and outside ----------------------------------------------------------------------------------- */

/* The value before the loop that input k of the body has in every turn, or VAL_NONE. */
static Val constant_input(Loop *l, uint32_t k) {
  Fn *g = l->up->b->f;
  Val a = l->up->map[ir_arg(l->up->from, &l->i, k).id];
  if (k >= l->sh.carry + l->sh.xs) return a;
  if (k == 0 && l->sh.converge == 2) return VAL_NONE;
  if (k < l->sh.carry) return l->body->out.at[k].id == pass_input(l->body, k).id ? a : VAL_NONE;
  const Inst *i = ir_inst(g, a);
  if (i->op == OP_expand && ir_expand_attr(g, i).axis == 0) return ir_arg(g, i, 0);
  if (i->op == OP_const) {
    double v;
    Type t = i->type;
    ir_is_const(g, a, &v);
    t.rank--;
    memmove(t.dim, t.dim + 1, sizeof t.dim - sizeof t.dim[0]);
    return ir_const_attr(g, i).den ? VAL_NONE : ir_splat(l->up->b, v, t);
  }
  return VAL_NONE;
}

/* What lies between a derivative's x and its e stays together: nothing moves out of a body with such. */
static void find_outside(Loop *l) {
  bool named = pass_has_derivatives(l->body);
  for (uint32_t id = 1; id < l->body->inst.n; id++) {
    const Inst *i = &l->body->inst.at[id];
    if (i->op == OP_in) {
      uint32_t k = ir_number(l->body, i);
      l->out.map[id] = constant_input(l, k);
      l->outside[id] = l->out.map[id].id != 0;
      continue;
    }
    bool all = !named && !ir_has(i->op, OPF_IMPURE);
    for (uint32_t k = 0; k < i->nargs; k++) all = all && l->outside[ir_arg(l->body, i, k).id];
    l->outside[id] = all;
  }
}

static Val invariant(Loop *l, Val v, const char *name) {
  Fn *g = l->up->b->f;
  const Inst *i = ir_inst(g, v);
  if (i->op == OP_const) return ir_copy_inst(&l->nb, g, v, NULL);
  if (i->op == OP_spread && ir_inst(g, ir_arg(g, i, 0))->op == OP_const)
    return ir_spread(&l->nb, ir_copy_inst(&l->nb, g, ir_arg(g, i, 0), NULL));
  for (uint32_t k = 0; k < l->inv_arg.n; k++)
    if (l->inv_arg.at[k].id == v.id) return l->inv_in.at[k];
  *vec_push(&l->inv_arg) = v;
  *vec_push(&l->inv_in) = ir_input(&l->nb, name, IN_OTHER, 0, i->type);
  return l->inv_in.at[l->inv_in.n - 1];
}

/* A literal stands where it is read, in the loop and before it: what nobody reads outside does not come to stand there. */
static bool is_literal(const Fn *f, Val v) {
  const Inst *i = ir_inst(f, v);
  return i->op == OP_const || (i->op == OP_spread && ir_inst(f, ir_arg(f, i, 0))->op == OP_const);
}

/* An outer value before the loop. */
static Val outer(Loop *l, Val v) {
  const Inst *i = ir_inst(l->body, v);
  if (l->out.map[v.id].id || l->out.result[v.id]) return l->out.map[v.id];
  for (uint32_t k = 0; k < i->nargs; k++) outer(l, ir_arg(l->body, i, k));
  copy_inst(&l->out, v.id, simplify_inst);
  return l->out.map[v.id];
}

/* An outer value inside the loop. */
static Val bring_in(Loop *l, Val v) {
  Val *in = &l->in.map[v.id];
  if (in->id) return *in;
  const Inst *i = ir_inst(l->body, v);
  if (i->op == OP_expand || is_literal(l->body, v)) {
    if (i->nargs) bring_in(l, ir_arg(l->body, i, 0));
    *in = ir_copy_inst(&l->nb, l->body, v, l->in.map);
  } else {
    *in = invariant(l, l->out.map[v.id], i->op == OP_in ? l->body->in.at[ir_number(l->body, i)].name : NULL);
  }
  return *in;
}

static Val inside(Loop *l, Val v) { return l->outside[v.id] ? bring_in(l, v) : l->in.map[v.id]; }

/* ---- the new loop ------------------------------------------------------------------------------------------ */

static void make_ports(Loop *l) {
  uint32_t ninv = l->sh.carry + l->sh.xs;
  for (uint32_t k = 0; k < ninv; k++) {
    Val in = pass_input(l->body, k), a = l->up->map[ir_arg(l->up->from, &l->i, k).id];
    bool carry = k < l->sh.carry;
    if (in.id && l->outside[in.id]) continue;
    if (carry ? !l->keep[k] : !in.id || !l->live[in.id]) continue;
    Type t = ir_type(l->up->b->f, a);
    Val v = ir_input(&l->nb, l->body->in.at[k].name, IN_OTHER, 0, carry ? t : pass_turn_type(t));
    if (in.id) l->in.map[in.id] = v;
    *vec_push(&l->arg) = a;
    ++*(carry ? &l->carry : &l->xs);
  }
}

static bool reads_inside(const Loop *l, const Inst *i) {
  if (i->op == OP_proj) return false; /* of a scan that was taken apart, or mapped with it */
  for (uint32_t k = 0; k < i->nargs; k++)
    if (l->outside[ir_arg(l->body, i, k).id]) return true;
  return false;
}

static void fill_body(Loop *l) {
  for (uint32_t id = 1; id < l->body->inst.n; id++) {
    const Inst *i = &l->body->inst.at[id];
    if (!l->live[id] || i->op == OP_in) continue;
    if (l->outside[id]) {
      if (!is_literal(l->body, (Val){id})) outer(l, (Val){id});
      continue;
    }
    for (uint32_t k = 0; reads_inside(l, i) && k < i->nargs; k++) inside(l, ir_arg(l->body, i, k));
    copy_inst(&l->in, id, simplify_inst);
  }
}

/* A result that is the same in every turn. */
static Val constant_result(Loop *l, uint32_t o) {
  Build *b = l->up->b;
  Val v = outer(l, l->body->out.at[o]);
  if (o < l->sh.carry + l->sh.ys) return o < l->sh.carry ? v : ir_expand(b, v, 0, l->sh.n);
  return ir_mul(b, v, ir_const(b, l->sh.n));
}

/* ---- what moves out of sums ---- */

static bool moves_out(Op op) {
  return op == OP_neg || op == OP_reshape || op == OP_transpose || op == OP_expand || op == OP_unslice;
}

/* What a sum over the turns sums: signs and places in a bigger value come after the loop. So its sums are small, and a sum
 * over samples is the last thing in the body, which is kept for each lane. */
static Val summand(const Loop *l, uint32_t o) {
  Val v = l->body->out.at[o];
  const Inst *i = ir_inst(l->body, v);
  if (o < l->sh.carry + l->sh.ys || pass_has_derivatives(l->body)) return v;
  for (; moves_out((Op)i->op) && !l->outside[v.id]; i = ir_inst(l->body, v)) v = ir_arg(l->body, i, 0);
  return v;
}

/* v of the body after the loop, from the sum of what it is made of. */
static Val after_sum(Loop *l, Val v, Val from, Val sum) {
  if (v.id == from.id) return sum;
  Val a = ir_arg(l->body, ir_inst(l->body, v), 0);
  l->out.map[a.id] = after_sum(l, a, from, sum);
  return ir_copy_inst(l->up->b, l->body, v, l->out.map);
}

/* ---- results ---- */

/* Outputs of the new body; index[o]: where result o of the old one is, or -1. */
static void make_outputs(Loop *l, int *index, uint32_t *ys, uint32_t *zs) {
  for (uint32_t o = 0; o < l->body->out.n; o++) {
    index[o] = -1;
    Val old = l->body->out.at[o];
    bool carry = o < l->sh.carry;
    if (!l->keep[o] || (!carry && l->outside[old.id])) continue;
    if (carry && pass_input(l->body, o).id && l->outside[pass_input(l->body, o).id]) continue;
    Val v = inside(l, summand(l, o));
    uint32_t first = o < l->sh.carry ? 0 : o < l->sh.carry + l->sh.ys ? l->carry : l->carry + *ys;
    for (uint32_t k = first; !carry && k < l->nb.f->out.n; k++)
      if (l->nb.f->out.at[k].id == v.id) index[o] = (int)k;
    if (index[o] >= 0) continue;
    index[o] = (int)l->nb.f->out.n;
    ir_output(&l->nb, v, NULL);
    if (!carry) ++*(o < l->sh.carry + l->sh.ys ? ys : zs);
  }
}

/* An equal loop that exists already. */
static Val find_equal(const Fn *g, const Loop *l, const int64_t *attr) {
  for (uint32_t id = 1; id < g->inst.n; id++) {
    const Inst *i = &g->inst.at[id];
    if (i->op != OP_scan || i->nargs != l->arg.n) continue;
    bool same = true;
    for (uint32_t k = 0; same && k < i->nargs; k++) same = ir_arg(g, i, k).id == l->arg.at[k].id;
    same = same && memcmp(ir_attrs(g, i).at, attr, i->nattr * sizeof *attr) == 0;
    if (same && pass_same(ir_body(g, i), l->nb.f)) return (Val){id};
  }
  return VAL_NONE;
}

static void emit_loop(Loop *l, uint32_t id) {
  Build *b = l->up->b;
  uint32_t ys = 0, zs = 0, nout = l->body->out.n;
  int *index = base_zeroed(nout, sizeof *index);
  make_outputs(l, index, &ys, &zs);
  for (uint32_t k = 0; k < l->inv_arg.n; k++) *vec_push(&l->arg) = l->inv_arg.at[k];
  Val loop = VAL_NONE;
  if (l->carry + ys + zs > 0) {
    int64_t attr[] = {l->sh.n, l->carry, l->xs, ys, zs, l->sh.reverse, l->sh.converge};
    loop = find_equal(b->f, l, attr);
    if (!loop.id) loop = ir_scan(b, l->arg.at, l->arg.n, l->sh.n, l->carry, l->xs, ys, zs, l->sh.reverse, l->sh.converge, l->nb.f);
  }
  Val *res = l->up->result[id] = base_zeroed(nout, sizeof *res);
  for (uint32_t o = 0; o < nout; o++) {
    if (!l->used[o]) continue;
    res[o] = index[o] < 0 ? constant_result(l, o)
                          : after_sum(l, l->body->out.at[o], summand(l, o), ir_proj(b, loop, (uint32_t)index[o]));
  }
  base_free(index);
}

/* ---- loops of one turn ---------------------------------------------------------------------------------------- */

static void unroll(Loop *l, uint32_t id) {
  Copy w;
  Build *b = l->up->b;
  copy_begin(&w, b, l->body, NULL);
  w.live = l->live;
  for (uint32_t k = 0; k < l->i.nargs; k++) {
    Val in = pass_input(l->body, k), a = l->up->map[ir_arg(l->up->from, &l->i, k).id];
    bool x = k >= l->sh.carry && k < l->sh.carry + l->sh.xs;
    if (in.id) w.map[in.id] = x ? ir_index(b, a, 0, 0) : a;
  }
  copy_walk(&w, simplify_inst);
  Val *res = l->up->result[id] = base_zeroed(l->body->out.n, sizeof *res);
  for (uint32_t o = 0; o < l->body->out.n; o++) {
    if (!l->used[o]) continue;
    Val v = w.map[l->body->out.at[o].id];
    res[o] = o >= l->sh.carry && o < l->sh.carry + l->sh.ys ? ir_expand(b, v, 0, 1) : v;
  }
  copy_end(&w);
}

void simplify_scan(Copy *w, uint32_t id) {
  Loop l = {.up = w, .i = w->from->inst.at[id]};
  l.sh = ir_scan_shape(w->from, &l.i);
  l.body = ir_body(w->from, &l.i);
  uint32_t n = l.body->inst.n;
  l.used = base_zeroed(l.body->out.n, sizeof *l.used);
  l.keep = base_zeroed(l.body->out.n, sizeof *l.keep);
  l.live = base_zeroed(n, sizeof *l.live);
  l.outside = base_zeroed(n, sizeof *l.outside);
  find_used(&l, id);
  find_live(&l);
  if (l.sh.n == 1) {
    unroll(&l, id);
  } else {
    ir_build_init(&l.nb, ir_sub_create(w->b->f, l.body->name));
    l.nb.powers = w->b->powers;
    l.nb.at = l.i.at;
    copy_begin(&l.out, w->b, l.body, NULL);
    copy_begin(&l.in, &l.nb, l.body, NULL);
    l.out.live = l.in.live = l.live;
    find_outside(&l);
    make_ports(&l);
    fill_body(&l);
    emit_loop(&l, id);
    copy_end(&l.out);
    copy_end(&l.in);
    ir_build_finish(&l.nb);
  }
  vec_free(&l.arg);
  vec_free(&l.inv_arg);
  vec_free(&l.inv_in);
  base_free(l.used);
  base_free(l.keep);
  base_free(l.live);
  base_free(l.outside);
}

/* ---- elements of stacks ------------------------------------------------------------------------------------------ */

Val simplify_stacked(Build *b, Val stack, uint32_t start) {
  Fn *g = b->f;
  const Inst *p = ir_inst(g, stack);
  if (p->op != OP_proj) return VAL_NONE;
  Val loop = ir_arg(g, p, 0);
  const Inst *i = ir_inst(g, loop);
  if (i->op != OP_scan) return VAL_NONE;
  ScanShape s = ir_scan_shape(g, i);
  const Fn *body = ir_body(g, i);
  uint32_t y = ir_number(g, p), last = s.reverse ? 0 : s.n - 1, first = s.reverse ? s.n - 1 : 0;
  if (y < s.carry || y >= s.carry + s.ys) return VAL_NONE;
  for (uint32_t c = 0; c < s.carry; c++) {
    Val in = pass_input(body, c);
    if (start == last && body->out.at[c].id == body->out.at[y].id) return ir_expand(b, ir_proj(b, loop, c), 0, 1);
    if (start == first && in.id && in.id == body->out.at[y].id) return ir_expand(b, ir_arg(g, i, c), 0, 1);
  }
  return VAL_NONE;
}
