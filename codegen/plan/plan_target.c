/* How many samples a tile of a function has, from its shapes and the machine. */
#include "codegen/plan/plan_priv.h"

enum { STRIDE_TURNS = 1000 };

/* A weight gradient that is a product (see place_lanes_dot). */
static bool wide_sum(const CgTuning *t, const Fn *f, const Dot *d) {
  int64_t a = type_count(ir_type(f, d->a)), b = type_count(ir_type(f, d->b));
  return a >= t->dw_min && b >= t->dw_min;
}

/* A product on register tiles; `gradient`: of a weight. */
static bool has_product(const CgTuning *t, const Fn *f, bool gradient) {
  for (uint32_t v = 1; v < f->inst.n; v++) {
    Dot d;
    if (f->inst.at[v].op != OP_dot) continue;
    plan_dot(f, &f->inst.at[v], &d);
    if (type_count(f->inst.at[v].type) > t->tiny && (d.lanes ? wide_sum(t, f, &d) : !gradient && d.contraction > t->small))
      return true;
  }
  for (uint32_t k = 0; k < f->sub.n; k++)
    if (has_product(t, f->sub.at[k], gradient)) return true;
  return false;
}

uint32_t plan_length(const Fn *f) {
  uint32_t n = f->inst.n;
  for (uint32_t k = 0; k < f->sub.n; k++) n += plan_length(f->sub.at[k]);
  return n;
}

/* A loop of straight code, and of such loops, on a few numbers, with at most `room` reals a sample from turn to turn. One turn
 * waits for another, so that only other samples fill the time. */
static bool is_chain(const CgTuning *t, const Fn *f, const Inst *i, unsigned room) {
  int64_t carried = 0;
  const Fn *body = ir_body(f, i);
  for (uint32_t k = 0; k < ir_scan_shape(f, i).carry; k++) carried += type_count(ir_type(body, body->out.at[k]));
  if (carried > room || body->inst.n > t->chain_most) return false;
  for (uint32_t v = 1; v < body->inst.n; v++) {
    const Inst *w = &body->inst.at[v];
    if (w->op == OP_ode || (w->op == OP_scan ? !is_chain(t, body, w, room) : type_count(w->type) > t->tiny)) return false;
  }
  return true;
}

/* All that it does takes as long as such loops. */
static bool waits(const CgTuning *t, const Fn *f, unsigned room) {
  bool loop = false;
  if (f->inst.n > t->chain_most) return false;
  for (uint32_t v = 1; v < f->inst.n; v++) {
    const Inst *i = &f->inst.at[v];
    if (i->op == OP_ode || (i->type.dt != DT_MULTI && i->type.lane && type_count(i->type) > t->tiny)) return false;
    if (i->op != OP_scan) continue;
    if (!is_chain(t, f, i, room)) return false;
    loop = true;
  }
  return loop;
}

/* Somewhere a chain goes on while some sample needs it, for long: the steps of an orbit between two events. Next to it all else is rare,
 * however long its code. */
static bool strides(const CgTuning *t, const Fn *f, unsigned room) {
  for (uint32_t v = 1; v < f->inst.n; v++) {
    const Inst *i = &f->inst.at[v];
    if (i->op != OP_scan) continue;
    const ScanShape shape = ir_scan_shape(f, i);
    if (shape.converge == 2 && shape.n >= STRIDE_TURNS && is_chain(t, f, i, room)) return true;
    if (strides(t, ir_body(f, i), room)) return true;
  }
  return false;
}

/* An adaptive trajectory of a long state: each of its loops runs over many elements, and its stages are to stay in the cache. */
static bool long_orbit(const CgTuning *t, const Fn *f) {
  for (uint32_t v = 1; v < f->inst.n; v++) {
    const Inst *i = &f->inst.at[v];
    int64_t dim = 0;
    for (uint32_t k = 0; i->op == OP_ode && k < ir_states(f, i); k++) dim += type_count(ir_type(f, ir_arg(f, i, k)));
    if (dim > t->tiny) return true;
  }
  for (uint32_t k = 0; k < f->sub.n; k++)
    if (long_orbit(t, f->sub.at[k])) return true;
  return false;
}

/* A batch of an odd number of vectors whose last is a tile of its own: more of them, and as long as it is padded. */
static bool odd(const CgTuning *t, unsigned vl, int64_t samples) {
  const int64_t vectors = (samples + vl - 1) / vl;
  return vectors % 2 && vectors <= t->pair_padded;
}

int64_t plan_samples(const CgTarget *t, bool f64, int64_t samples) {
  const int64_t many = t->tune->many_samples, vl = cg_lanes(t, f64);
  return samples < many ? samples : t->full && odd(t->tune, (unsigned)vl, samples) ? many / vl / 2 * 2 * vl + vl : many;
}

/* Products of a full-width core take half the time that they take elsewhere, and all around them (weight gradients read and written
 * once a tile, calls, starts of loops) as long as there: tiles of two vectors halve it. Register tiles of convolutions have
 * several pixels. A tile of one for what is left over is twice the code, which is worth while where weights are trained, or nothing is
 * known of the samples. */
static void in_pairs(PlanForm *form, const CgTuning *t, const Fn *f, int64_t samples) {
  if (samples && samples <= form->vl) return;
  if (samples && !odd(t, form->vl, samples)) form->tile = 2 * form->vl;
  else if (!samples || has_product(t, f, true)) form->together = HNN_AT_ONCE;
}

/* Of a full-width core, tanh and the like between two products take as long as these, and most of it is waiting: tiles of two vectors
 * are 8 to 10 % faster where lanes are refilled, so that twice as many cost nothing. */
static bool orbits_in_pairs(const CgTarget *t, const Fn *f, int64_t samples) {
  bool any = false;
  if (!t->full || (samples && samples <= 2 * (int64_t)cg_lanes(t, f->f64)) || long_orbit(t->tune, f)) return false;
  for (uint32_t v = 1; v < f->inst.n; v++) {
    const Inst *i = &f->inst.at[v];
    if (i->op != OP_ode) continue;
    if (ir_ode_attr(f, i).record || ir_ode_order(f, i) || plan_by_stages(f, i)) return false;
    any = true;
  }
  return any;
}

/* Two vectors a tile hide the latency of straight code, and register tiles of products need them where
 * there are few registers. With many, products run as fast on one, and fewer samples of a batch that is no multiple of the
 * tile are padding. Long code keeps the machine busy with one, too, and with two it takes LLVM twice as long. */
PlanForm plan_tiles(const Fn *f, const CgTarget *t, int64_t samples) {
  const CgTuning *tune = t->tune;
  const bool product = has_product(tune, f, false), chain = strides(tune, f, t->regs / 2),
             long_code = plan_length(f) > tune->one_vector_from && !chain, one = product || long_code || long_orbit(tune, f);
  unsigned vl = cg_lanes(t, f->f64),
           nv = cg_many_regs(t) && one && !(product && !long_code && orbits_in_pairs(t, f, samples)) ? 1 : 2;
  unsigned most = nv * HNN_AT_ONCE, together = most <= CG_MAX_NV && (chain || waits(tune, f, t->regs / most)) ? HNN_AT_ONCE : 1;
  PlanForm form = {.tile = nv * vl, .vl = vl, .es = f->f64 ? 8 : 4, .wide = vl, .together = together};
  if (t->full && nv == 1 && product && !long_code && !ir_holds(f, 0, OP_ode) && !ir_holds(f, 0, OP_window))
    in_pairs(&form, tune, f, samples);
  return form;
}
