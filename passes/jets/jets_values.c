/* The function of the values at order 0: the rates, with what the rules need beside them (partial derivatives, of which there may be
 * partial derivatives in turn), powers as products, maps as plain operations, short loops turn by turn; which values change with time; and whether one bends or
 * jumps as it does: its series is that of the branch that it takes at order 0. */
#include "passes/jets/jets_priv.h"
#include "passes/simplify/simplify.h"

#include <string.h>

static bool becomes_active(const Values *w, uint32_t id, const Inst *i) {
  const Fn *f = w->b.f;
  (void)id;
  if (i->op == OP_in) return ir_number(f, i) <= w->states + w->duals;
  if (jets_flat(i->op)) return false;
  if (i->op == OP_gather || i->op == OP_scatter) return w->active[ir_arg(f, i, 0).id];
  if (i->op == OP_setrow) return w->active[ir_arg(f, i, 0).id] || w->active[ir_arg(f, i, 2).id];
  for (uint32_t k = i->op == OP_select; k < i->nargs; k++)
    if (w->active[ir_arg(f, i, k).id]) return true;
  return false;
}

static bool bends(unsigned op) {
  return op == OP_relu || op == OP_abs || op == OP_min || op == OP_max || op == OP_mod || op == OP_rmax || op == OP_rmin ||
         op == OP_select || op == OP_gather || op == OP_setrow || op == OP_scatter || (jets_flat(op) && ir_op[op].cls == OPC_EW1);
}

/* A branch or a row that changes with time, of which a series sees one; those in the derivatives of smooth functions bend nothing. */
static bool bent(const Values *w, const Inst *i) {
  const Fn *f = w->b.f;
  if (!bends(i->op) || (i->role != ROLE_PRIMAL && !bends(i->of))) return false;
  const uint32_t chooses = i->op == OP_gather || i->op == OP_scatter || i->op == OP_setrow;
  if (chooses || i->op == OP_select) return w->varies[ir_arg(f, i, chooses).id];
  return w->varies[ir_arg(f, i, 0).id] || (i->nargs > 1 && w->varies[ir_arg(f, i, 1).id]);
}

static bool varying(const Values *w, const Inst *i) {
  const Fn *f = w->b.f;
  if (i->op == OP_in) return ir_number(f, i) <= w->states + w->duals;
  for (uint32_t k = 0; k < i->nargs; k++)
    if (w->varies[ir_arg(f, i, k).id]) return true;
  return false;
}

typedef struct Of {
  const Fn *f;
  Val x, y, z;
} Of;

static Val operand_of(void *ctx, char letter) {
  const Of *o = ctx;
  return letter == 'x' ? o->x : letter == 'y' ? o->y : o->z;
}

/* z log x, of which x^z asks coefficient k: it stands before it. */
static Val by_logarithm(Build *b, Val x, Val z) { return ir_mul(b, z, ir_log(b, x)); }

/* What its rule needs beside it: partial derivatives, of which there may be partial derivatives in turn. */
static void beside(Values *w, uint32_t id) {
  const Inst i = w->b.f->inst.at[id];
  if (i.op == OP_det || i.op == OP_logdet) {
    w->b.at = i.at;
    const Val by = jets_linear_beside(&w->b, &i);
    w->extra[id][0] = by;
    return;
  }
  if (ir_op[i.op].cls > OPC_EW2) return;
  Of o = {w->b.f, ir_arg(w->b.f, &i, 0), i.nargs > 1 ? ir_arg(w->b.f, &i, 1) : VAL_NONE, {id}};
  Val extra[2] = {{0}};
  w->b.at = i.at;
  if (i.op == OP_pow && w->active[o.y.id]) extra[0] = by_logarithm(&w->b, o.x, o.y);
  for (uint32_t k = 0; k < i.nargs && !jets_own_rule(i.op); k++)
    if (w->active[k ? o.y.id : o.x.id] && pass_partial_exists((Op)i.op, k))
      extra[k] = pass_partial(&w->b, (Op)i.op, k, operand_of, &o);
  memcpy(w->extra[id], extra, sizeof extra);
}

static void grow(Values *w) {
  const uint32_t n = w->b.f->inst.n * 2;
  if (w->b.f->inst.n <= w->size) return;
  w->active = base_realloc(w->active, n * sizeof *w->active);
  w->varies = base_realloc(w->varies, n * sizeof *w->varies);
  memset(w->varies + w->size, 0, (n - w->size) * sizeof *w->varies);
  w->extra = base_realloc(w->extra, n * sizeof *w->extra);
  memset(w->active + w->size, 0, (n - w->size) * sizeof *w->active);
  memset(w->extra + w->size, 0, (n - w->size) * sizeof *w->extra);
  w->size = n;
}

/* x^n by squares, which have a series where x is 0. */
static Val whole_power(Build *b, Val x, uint32_t n) {
  Val y = VAL_NONE;
  for (; n; n >>= 1) {
    if (n & 1) y = y.id ? ir_mul(b, y, x) : x;
    if (n > 1) x = ir_mul(b, x, x);
  }
  return y;
}

/* The turns of a loop one after the other. */
static void unroll(Copy *c, uint32_t id, const Inst *i) {
  const ScanShape s = ir_scan_shape(c->from, i);
  const Fn *body = ir_body(c->from, i);
  const uint32_t outs = body->out.n;
  Val *arg = base_zeroed(i->nargs + 1, sizeof *arg), *out = base_zeroed(outs + 1, sizeof *out);
  Val *stack = base_zeroed((size_t)s.ys * s.n + 1, sizeof *stack), *map = base_zeroed(body->inst.n, sizeof *map);
  c->result[id] = base_zeroed(outs + 1, sizeof(Val));
  for (uint32_t k = 0; k < i->nargs; k++) arg[k] = c->map[ir_arg(c->from, i, k).id];
  Val *turn_arg = base_zeroed(i->nargs + 1, sizeof *turn_arg);
  for (uint32_t n = 0; n < s.n; n++) {
    const uint32_t at = s.reverse ? s.n - 1 - n : n;
    for (uint32_t k = 0; k < i->nargs; k++)
      turn_arg[k] = k >= s.carry && k < s.carry + s.xs ? ir_index(c->b, arg[k], 0, at) : arg[k];
    copy_emit(c->b, body, turn_arg, NULL, NULL, NULL, map);
    for (uint32_t k = 0; k < outs; k++) {
      out[k] = map[body->out.at[k].id];
      if (k < s.carry) arg[k] = pass_with_lane(c->b, out[k], ir_type(body, body->out.at[k]).lane);
      else if (k < s.carry + s.ys) stack[(k - s.carry) * s.n + at] = out[k];
      else c->result[id][k] = n ? ir_add(c->b, c->result[id][k], out[k]) : out[k];
    }
  }
  for (uint32_t k = 0; k < s.carry; k++) c->result[id][k] = arg[k];
  for (uint32_t k = 0; k < s.ys; k++) c->result[id][s.carry + k] = ir_stack(c->b, stack + k * s.n, s.n);
  base_free(arg), base_free(out), base_free(stack), base_free(map), base_free(turn_arg);
}

enum { WHOLE_MOST = 64 };

static Val plain_value(Copy *c, uint32_t id, const Inst *i) {
  double n;
  if (i->op == OP_scan && c->from->sub.n) {
    const ScanShape s = ir_scan_shape(c->from, i);
    const Fn *body = ir_body(c->from, i);
    if (!s.converge && s.n && !body->sub.n && (uint64_t)s.n * body->inst.n <= JETS_UNROLLED_MOST) unroll(c, id, i);
  }
  if (i->op == OP_powlog || i->op == OP_powlog2) { /* where it has a series log x is finite */
    const Val x = c->map[ir_arg(c->from, i, 0).id], z = c->map[ir_arg(c->from, i, 1).id], log = ir_log(c->b, x);
    by_logarithm(c->b, x, z);
    Val y = ir_mul(c->b, ir_pow(c->b, x, z), log);
    return i->op == OP_powlog ? y : ir_mul(c->b, y, log);
  }
  if (i->op != OP_pow) return jets_linear_value(c, i);
  if (!ir_is_const(c->from, ir_arg(c->from, i, 1), &n)) {
    by_logarithm(c->b, c->map[ir_arg(c->from, i, 0).id], c->map[ir_arg(c->from, i, 1).id]);
    return VAL_NONE;
  }
  if (!(n >= 1 && n <= WHOLE_MOST && n == (uint32_t)n)) return VAL_NONE;
  Val x = whole_power(c->b, c->map[ir_arg(c->from, i, 0).id], (uint32_t)n);
  return ir_type(c->b->f, x).rank < i->type.rank ? ir_expand_to(c->b, x, i->type) : x;
}

void jets_values(Values *w, const Fn *rates, uint32_t states, uint32_t duals) {
  Copy c;
  Fn *plain = simplify_maps(rates);
  if (plain) rates = plain;
  *w = (Values){.states = states, .duals = duals};
  ir_build_init(&w->b, ir_fn_create(rates->name, rates->f64));
  copy_begin(&c, &w->b, rates, NULL);
  copy_inputs(&c);
  copy_walk(&c, plain_value);
  copy_outputs(&c);
  copy_end(&c);
  ir_fn_destroy(plain);
  const uint32_t own = w->b.f->inst.n; /* partial derivatives come behind */
  bool *seen = pass_seen(w->b.f);
  for (uint32_t id = 1; id < w->b.f->inst.n; id++) {
    grow(w);
    const Inst i = w->b.f->inst.at[id];
    w->varies[id] = varying(w, &i);
    w->kinks |= id < own && seen[id] && bent(w, &i);
    w->active[id] = becomes_active(w, id, &i);
    if (w->active[id]) beside(w, id);
  }
  grow(w);
  base_free(seen);
  ir_build_finish(&w->b);
}

void jets_values_end(Values *w) {
  ir_fn_destroy(w->b.f);
  base_free(w->active), base_free(w->varies), base_free(w->extra);
}
