/* Simplification: a copy through the folding, numbering builder that leaves out what is dead, in rounds
 * until nothing changes.
 *
 * Loops (simplify_loop.c): dead carries, xs, ys and zs go; what does not depend on the turn moves out; a loop
 * of one turn is unrolled; equal loops are merged. The last (first) element of a stacked carry is the carry
 * itself. Products with constants are gathered where that is exact. `id` goes where no derivative is left that could name it.
 * Where no derivative is to come, simplify_powers also turns half and negative powers into roots and products. */
#include "ir/eval/num.h"
#include "passes/check/check.h"
#include "passes/simplify/simplify_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 12 };

static Fn *simplify(const Fn *f, bool powers);

/* ---- one copy ------------------------------------------------------------------------------------------- */

/* A product with a transposed factor reads the factor itself. */
static Val dot_inst(Copy *w, const Inst *i) {
  Fn *g = w->b->f;
  Val x[2];
  DotShape d = ir_dot_shape(w->from, i);
  for (int k = 0; k < 2; k++) {
    x[k] = w->map[ir_arg(w->from, i, k).id];
    while (ir_inst(g, x[k])->op == OP_transpose) {
      const Inst *t = ir_inst(g, x[k]);
      int moved[IR_MAX_RANK];
      for (int j = 0; j < d.rank[k]; j++) moved[ir_list(g, t).at[j]] = d.label[k][j];
      memcpy(d.label[k], moved, sizeof moved[0] * (size_t)d.rank[k]);
      x[k] = ir_arg(g, t, 0);
    }
  }
  return ir_dot(w->b, x[0], x[1], d.lanes, d.label[0], d.label[1], d.rank[2], d.label[2]);
}

static bool power_of_two(double v) {
  int exponent;
  return fabs(frexp(v, &exponent)) == 0.5;
}

/* The product of two constants of g, exact if both are known exactly and it fits. */
static Val const_product(Build *b, Val x, Val y) {
  Fn *g = b->f;
  double u, v;
  int64_t num = 0, den = 0;
  const Inst *i = ir_inst(g, x), *j = ir_inst(g, y);
  ir_is_const(g, x, &u);
  ir_is_const(g, y, &v);
  if (i->op == OP_const && j->op == OP_const &&
      (__builtin_mul_overflow(ir_const_attr(g, i).num, ir_const_attr(g, j).num, &num) ||
       __builtin_mul_overflow(ir_const_attr(g, i).den, ir_const_attr(g, j).den, &den)))
    num = den = 0;
  int64_t d = num_gcd(num, den);
  return ir_const_exact(b, u * v, d ? num / d : 0, d ? den / d : 0);
}

/* x + x is 2 x, and 2^k (c x) is (2^k c) x: both exact. So the halves and twos of quadratic forms and their
 * derivatives cancel. Signs move out of products, to where they meet a constant or a sum. */
static Val scale(Copy *w, Val x, Val by) {
  Build *b = w->b;
  double c, d;
  ir_is_const(b->f, by, &c);
  const Inst *i = ir_inst(b->f, x);
  for (uint32_t k = 0; i->op == OP_mul && k < 2; k++) {
    Val inner = ir_arg(b->f, i, k), rest = ir_arg(b->f, i, 1 - k);
    if (!ir_is_const(b->f, inner, &d) || !type_eq(ir_type(b->f, rest), i->type)) continue;
    if (b->f->f64 != FN_EXACT && !ir_normal(b->f, c * d)) continue;
    if (power_of_two(c) || power_of_two(d)) return ir_mul(b, rest, const_product(b, inner, by));
  }
  return VAL_NONE;
}

static Val sum_inst(Copy *w, const Inst *i) {
  Val x = w->map[ir_arg(w->from, i, 0).id], y = w->map[ir_arg(w->from, i, 1).id];
  if (x.id != y.id) return VAL_NONE;
  Val two = ir_const(w->b, 2), v = scale(w, x, two);
  return v.id ? v : ir_mul(w->b, x, two);
}

static Val product_inst(Copy *w, const Inst *i) {
  for (uint32_t k = 0; k < 2; k++) {
    Val by = w->map[ir_arg(w->from, i, k).id], x = w->map[ir_arg(w->from, i, 1 - k).id];
    Type t = ir_type(w->b->f, x);
    if (!type_eq(t, i->type)) continue;
    if (ir_is_const(w->b->f, by, NULL)) return scale(w, x, by);
    const Inst *n = ir_inst(w->b->f, x);
    if (n->op == OP_neg) return ir_neg(w->b, ir_mul(w->b, ir_arg(w->b->f, n, 0), by));
  }
  return VAL_NONE;
}

static Val slice_inst(Copy *w, const Inst *i) {
  Val x = w->map[ir_arg(w->from, i, 0).id];
  if (ir_slice_attr(w->from, i).axis != 0 || ir_slice_attr(w->from, i).n != 1) return VAL_NONE;
  return simplify_stacked(w->b, x, (uint32_t)ir_slice_attr(w->from, i).start);
}

/* Bodies of `integrate`, `ode`, `reversible` and `root` are functions of their own. */
static Val with_body(Copy *w, const Inst *i) {
  Fn *body = simplify(ir_body(w->from, i), w->b->powers);
  Val v = copy_body(w, i, ir_copy_fn(w->b->f, body));
  ir_fn_destroy(body);
  return v;
}

Val simplify_inst(Copy *w, uint32_t id, const Inst *i) {
  switch (i->op) {
  case OP_scan: simplify_scan(w, id); return VAL_NONE;
  case OP_dot: return dot_inst(w, i);
  case OP_add: return sum_inst(w, i);
  case OP_mul: return product_inst(w, i);
  case OP_slice: return slice_inst(w, i);
  case OP_stop:
  case OP_fixed:
    return w->b->powers ? w->map[ir_arg(w->from, i, 0).id] : VAL_NONE; /* until no derivative is to come, of any function */
  case OP_id: return w->variable && w->variable[id] ? VAL_NONE : w->map[ir_arg(w->from, i, 0).id];
  case OP_integrate:
  case OP_ode:
  case OP_reversible:
  case OP_root: return with_body(w, i);
  default: return VAL_NONE;
  }
}

static Fn *simplify_round(const Fn *f, bool powers) {
  Fn *g = ir_fn_create(f->name, f->f64);
  bool *live = ir_live(f);
  Build b;
  Copy c;
  ir_build_init(&b, g);
  b.powers = powers;
  copy_begin(&c, &b, f, NULL);
  c.live = live;
  copy_inputs(&c);
  copy_walk(&c, simplify_inst);
  copy_outputs(&c);
  copy_end(&c);
  ir_build_finish(&b);
  base_free(live);
  return g;
}

/* ---- to a fixed point ------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t x) {
  h = (h ^ x) * UINT64_C(0x9e3779b97f4a7c15);
  return h ^ (h >> 29);
}

static uint64_t fingerprint(const Fn *f) {
  uint64_t h = mix(f->in.n, f->out.n);
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    h = mix(h, i->op);
    for (uint32_t k = 0; k < i->nargs; k++) h = mix(h, ir_arg(f, i, k).id);
    for (uint32_t k = 0; k < i->nattr; k++) h = mix(h, (uint64_t)ir_attrs(f, i).at[k]);
    if (i->sub) h = mix(h, fingerprint(ir_body(f, i)));
  }
  for (uint32_t k = 0; k < f->out.n; k++) h = mix(h, f->out.at[k].id);
  return h;
}

static Fn *simplify(const Fn *f, bool powers) {
  Fn *g = simplify_round(f, powers);
  uint64_t was = fingerprint(g);
  for (int round = 1; round < ROUNDS; round++) {
    Fn *h = simplify_round(g, powers);
    uint64_t now = fingerprint(h);
    ir_fn_destroy(g);
    g = h;
    if (now == was) break;
    was = now;
  }
  return g;
}

static Fn *simplified(PassRun *run, const Fn *f, bool powers) {
  double start = pass_now();
  pass_at(run, "simplifying", f->name, (Span){0});
  Fn *out = pass_done(run, "simplify", start, simplify(f, powers));
  check_same(run, "simplify", f, out);
  return out;
}

Fn *pass_simplify(PassRun *run, const Fn *f) { return simplified(run, f, false); }

Fn *simplify_powers(PassRun *run, const Fn *f) { return simplified(run, f, true); }
