/* How many samples a tile of a function has, from its shapes and the machine. */
#include "codegen/plan/plan_priv.h"

/* A weight gradient that is a product (see place_lanes_dot). */
static bool wide_sum(const Fn *f, const Dot *d) {
  int64_t a = type_count(ir_type(f, d->a)), b = type_count(ir_type(f, d->b));
  return a >= PLAN_DW_MIN && b >= PLAN_DW_MIN;
}

static bool has_product(const Fn *f) {
  for (uint32_t v = 1; v < f->inst.n; v++) {
    Dot d;
    if (f->inst.at[v].op != OP_dot) continue;
    plan_dot(f, &f->inst.at[v], &d);
    if (type_count(f->inst.at[v].type) > PLAN_TINY && (d.lanes ? wide_sum(f, &d) : d.contraction > PLAN_SMALL)) return true;
  }
  for (uint32_t k = 0; k < f->sub.n; k++)
    if (has_product(f->sub.at[k])) return true;
  return false;
}

static uint32_t length(const Fn *f) {
  uint32_t n = f->inst.n;
  for (uint32_t k = 0; k < f->sub.n; k++) n += length(f->sub.at[k]);
  return n;
}

enum { LONG = 800, CHAIN_MOST = 200 }; /* instructions */

/* Straight code in loops of many turns, with at most `room` reals a sample from turn to turn. One turn waits for another,
 * so that only other samples fill the time. */
static bool is_chain(const Fn *f, unsigned room) {
  bool loop = false;
  if (f->inst.n > CHAIN_MOST) return false;
  for (uint32_t v = 1; v < f->inst.n; v++) {
    const Inst *i = &f->inst.at[v];
    if (i->op == OP_ode || (i->type.dt != DT_MULTI && i->type.lane && type_count(i->type) > PLAN_TINY)) return false;
    if (i->op != OP_scan) continue;
    int64_t carried = 0;
    const Fn *body = ir_body(f, i);
    for (uint32_t k = 0; k < ir_scan_shape(f, i).carry; k++) carried += type_count(ir_type(body, body->out.at[k]));
    if (carried > room || body->sub.n || body->inst.n > CHAIN_MOST) return false;
    for (uint32_t w = 1; w < body->inst.n; w++)
      if (type_count(body->inst.at[w].type) > PLAN_TINY) return false;
    loop = true;
  }
  return loop;
}

/* Two vectors a tile hide the latency of straight code, and register tiles of products need them where
 * there are 16 registers. With 32, products run as fast on one (measured: within 2 %), and fewer
 * samples of a batch that is no multiple of the tile are padding. Long code keeps the machine busy with one, too
 * (measured: within 6 %), and with two it takes LLVM twice as long. */
Target plan_target(const Fn *f, unsigned vl, unsigned regs) {
  unsigned nv = regs >= 32 && (has_product(f) || length(f) > LONG) ? 1 : 2;
  unsigned together = nv * 2 <= CG_MAX_NV && is_chain(f, regs / (2 * nv)) ? 2 : 1;
  return (Target){.tile = nv * vl, .vl = vl, .es = f->f64 ? 8 : 4, .wide = vl, .together = together, .regs = regs};
}
