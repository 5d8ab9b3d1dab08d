/* Adaptive trajectories: the body becomes a function rates(ctx, t, y, dy) that the loop over steps (codegen/adaptive) calls.
 * ctx is {call, number of the tile, scratch of the trajectory}: the body finds everything else where the group packed it there (PlanOde). */
#include "codegen/gen/gen_priv.h"

#include <float.h>
#include <string.h>

typedef struct Ode {
  Frame *fr;
  const Group *gr;
  const Inst *i;
  PlanOde plan;
  LLVMValueRef base; /* its scratch */
} Ode;

static LLVMValueRef place(Gen *g, const Ode *o, int64_t off) { return cg_gep_bytes(g->e, o->base, cg_i64(g->e, off)); }
static bool is_own(const Ode *o, uint32_t k) { return k < o->plan.states || plan_ode_own(o->fr->p, o->i, k); }
static LLVMValueRef operand(Gen *g, const Ode *o, uint32_t k) {
  return is_own(o, k) ? place(g, o, o->plan.off[k]) : gen_scratch(g, o->gr->work + o->plan.off[k]);
}
static LLVMValueRef first_place(Gen *g, const Ode *o) { return gen_scratch(g, o->gr->work + o->plan.common); }

/* Scratch in which a loop of the body leaves its result k, a carry of one buffer; -1: it does not, or must not, as series of two places
 * are there at once. */
static int64_t own_place(const Ode *o, uint32_t k) {
  const Plan *p = o->gr->body;
  const Inst *i = ir_inst(p->f, p->f->out.at[k]);
  if (i->op == OP_slice && ir_slice_attr(p->f, i).axis == 0 && ir_slice_attr(p->f, i).start == 0)
    i = ir_inst(p->f, ir_arg(p->f, i, 0));
  if (!o->plan.order || o->plan.kinks || o->plan.lanes == 1 || i->op != OP_proj) return -1;
  const Group *loop = p->group.at[p->val[ir_arg(p->f, i, 0).id].group];
  const uint32_t carry = ir_number(p->f, i);
  if (loop->kind != G_SCAN || loop->main.id != ir_arg(p->f, i, 0).id || carry >= ir_states(p->f, ir_inst(p->f, loop->main)))
    return -1;
  const Type kept = ir_type(loop->body->f, loop->body->f->out.at[carry]);
  return plan_is_tiny(p, kept) || !kept.lane || !loop->body->carry_one[carry] || loop->body->carry_regs[carry]
             ? -1
             : loop->body->carry_buf[carry];
}

/* Whether a result may be computed where it goes: the lanes of a tile are there, no more, and nothing else is it. */
static bool in_its_place(const Ode *o, Frame *fr, uint32_t k) {
  const Plan *p = fr->p;
  const Val v = p->copy.at[k].v;
  const PVal *q = &p->val[v.id];
  const Op op = ir_inst(p->f, v)->op;
  if (!o->plan.stages || q->home != HOME_SCRATCH || q->alias || op == OP_in || op == OP_proj || fr->base[v.id]) return false;
  return (q->cls == PC_BUF || q->cls == PC_POINT) && q->stored && ir_type(p->f, v).lane;
}

/* Computes the results of the body, one behind the other where the last argument points. */
static void results(Gen *g, const Ode *o, Frame *fr) {
  CgEmit *e = g->e;
  const Plan *p = fr->p;
  int64_t row = 0;
  bool *there = base_zeroed(p->copy.n + 1, sizeof *there);
  LLVMValueRef *to = base_zeroed(p->copy.n + 1, sizeof *to);
  for (uint32_t k = 0; k < p->copy.n; k++) {
    Type t = ir_type(p->f, p->copy.at[k].v);
    to[k] = cg_gep_bytes(e, LLVMGetParam(e->fn, 3), cg_i64(e, row));
    there[k] = in_its_place(o, fr, k);
    if (there[k]) fr->base[p->copy.at[k].v.id] = to[k];
    t.lane = p->f->in.at[k].type.lane; /* a rate is of the type of its state */
    row += type_count(t) * (t.lane ? e->tile : 1) * e->es;
  }
  gen_groups(g, fr, SEC_TILE);
  for (uint32_t k = 0; k < p->copy.n; k++) {
    Type t = ir_type(p->f, p->copy.at[k].v);
    t.lane = p->f->in.at[k].type.lane;
    if (there[k] || own_place(o, p->copy.at[k].k) >= 0) continue;
    gen_forget(g);
    gen_copy(g, fr, p->copy.at[k].v, t, to[k], gen_tile_ld(g), false);
  }
  base_free(there), base_free(to);
}

/* The body as a function of its own; the builder and the state of g are put back afterwards. */
static LLVMValueRef rates(Gen *g, const Ode *of) {
  CgEmit *e = g->e;
  Ode own = *of, *o = &own;
  const Plan *p = o->gr->body;
  LLVMTypeRef arg[4] = {e->ptr, e->ptr, e->ptr, e->ptr};
  LLVMValueRef fn = cg_function(e, "rates", LLVMFunctionType(e->voidt, arg, 4, 0), true);
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
  LLVMValueRef outer = e->fn;
  Gen saved = *g;
  const CgEmit outside = *e;
  e->tile = p->form.tile, e->vl = p->form.vl, e->nv = e->tile / e->vl;
  e->fn = fn;
  g->memo = NULL, g->nmemo = g->memo_size = 0;
  LLVMPositionBuilderAtEnd(e->b, cg_block(e, ""));
  LLVMValueRef ctx = LLVMGetParam(fn, 0);
  g->call = LLVMBuildLoad2(e->b, e->ptr, ctx, "");
  g->tile = LLVMBuildLoad2(e->b, e->i64, cg_gep_bytes(e, ctx, cg_i64(e, 8)), "");
  g->scratch = LLVMBuildLoad2(e->b, e->ptr, cg_gep_bytes(e, g->call, cg_i64(e, offsetof(HnnCall, scratch))), "");
  o->base = o->gr->refill ? LLVMBuildLoad2(e->b, e->ptr, cg_gep_bytes(e, ctx, cg_i64(e, 16)), "") : first_place(g, o);
  Frame *fr = gen_frame(g, p, NULL);
  for (uint32_t v = 1; v < p->f->inst.n; v++) {
    const Inst *i = &p->f->inst.at[v];
    if (i->op != OP_in) continue;
    uint32_t k = ir_number(p->f, i);
    if (k < o->plan.states) {
      LLVMValueRef at = cg_i64(e, o->plan.off[k] * (o->plan.stages ? o->plan.stages : 1));
      fr->base[v] = cg_gep_bytes(e, LLVMGetParam(fn, 2), at);
    } else if (k == o->plan.states) fr->base[v] = LLVMGetParam(fn, 1);
    else fr->base[v] = operand(g, o, k);
  }
  results(g, o, fr);
  LLVMBuildRetVoid(e->b);
  base_free(g->memo);
  *g = saved;
  e->tile = outside.tile, e->vl = outside.vl, e->nv = outside.nv;
  e->fn = outer;
  LLVMPositionBuilderAtEnd(e->b, here);
  return fn;
}

static AdaptiveTo result(Gen *g, const Ode *o, OdeResult what, uint32_t k) {
  AdaptiveTo to = {0};
  Val r = plan_result(o->fr->p, o->gr->main, ir_ode_result(o->plan.states, what, k));
  if (r.id) gen_memory(g, o->fr, r, &to.base, &to.ld);
  return to;
}

static void record(Gen *g, const Ode *o, Adaptive *a) {
  const Fn *f = o->fr->p->f;
  const uint32_t n = o->plan.states;
  a->record = ir_ode_attr(f, o->i).record;
  if (!a->record) return;
  a->record_n = ARENA_ARRAY(g->mem, int64_t, n);
  a->record_state = ARENA_ARRAY(g->mem, AdaptiveTo, n), a->record_rate = ARENA_ARRAY(g->mem, AdaptiveTo, n);
  for (uint32_t k = 0; k < n; k++) {
    a->record_n[k] = type_count(ir_type(f, ir_arg(f, o->i, k)));
    a->record_state[k] = result(g, o, ODE_STATE, k);
    a->record_rate[k] = ir_records_rates((Method)ir_ode_attr(f, o->i).method) ? result(g, o, ODE_RATE, k) : (AdaptiveTo){0};
  }
  a->record_steps = result(g, o, ODE_STEPS, 0);
}

/* Operands of the rates that each sample has its own of. */
static void own_operands(Gen *g, const Ode *o, Adaptive *a) {
  const Fn *f = o->fr->p->f;
  int64_t *off = ARENA_ARRAY(g->mem, int64_t, o->i->nargs), *n = ARENA_ARRAY(g->mem, int64_t, o->i->nargs);
  for (uint32_t k = o->plan.states; k < o->i->nargs; k++) {
    if (!plan_ode_own(o->fr->p, o->i, k)) continue;
    off[a->nlane] = o->plan.off[k], n[a->nlane++] = type_count(ir_type(f, ir_arg(f, o->i, k)));
  }
  a->lane_off = off, a->lane_n = n;
}

static Adaptive trajectory(Gen *g, const Ode *o, LLVMValueRef fn) {
  CgEmit *e = g->e;
  const Fn *f = o->fr->p->f;
  const ode_attr attr = ir_ode_attr(f, o->i);
  LLVMValueRef ctx = cg_alloca(e, 24);
  Adaptive a = {.method = adaptive_method(attr.method), .plan = &o->plan, .max_steps = (double)attr.max_steps};
  memcpy(&a.rtol, &attr.rtol, sizeof a.rtol);
  memcpy(&a.atol, &attr.atol, sizeof a.atol);
  if (o->plan.stages) a.method = NULL;
  const double least = ADAPTIVE_MIN_RTOL * (e->f64 ? DBL_EPSILON : (double)FLT_EPSILON);
  if ((a.rtol > 0 || a.atol > 0) && a.rtol < least) a.rtol = least; /* both 0: steps of one length */
  LLVMBuildStore(e->b, g->call, ctx);
  LLVMBuildStore(e->b, g->tile, cg_gep_bytes(e, ctx, cg_i64(e, 8)));
  LLVMBuildStore(e->b, o->base, cg_gep_bytes(e, ctx, cg_i64(e, 16)));
  a.base = o->base;
  a.lane_times = ir_type(f, ir_arg(f, o->i, o->plan.states)).lane;
  a.y0 = place(g, o, 0);
  a.time = operand(g, o, o->plan.states);
  a.out = place(g, o, o->plan.trajectory), a.counts = place(g, o, o->plan.counts);
  a.rates = fn, a.ctx = ctx;
  record(g, o, &a);
  own_operands(g, o, &a);
  int64_t *own = ARENA_ARRAY(g->mem, int64_t, o->plan.states + 1);
  for (uint32_t k = 0; k < o->plan.states; k++) own[k] = own_place(o, k);
  a.own = own;
  return a;
}

typedef struct Unpack {
  const Ode *o;
  LLVMValueRef time, base, ld;
  uint32_t k;
  Type t;
} Unpack;

static void unpack_row(Gen *g, void *ctx, Idx *at) {
  Unpack *u = ctx;
  LLVMValueRef from = place(g, u->o, u->o->plan.trajectory + u->o->plan.off[u->k]);
  from = cg_gep(g->e, from, cg_imul(g->e, u->time, cg_i64(g->e, u->o->plan.dim * u->o->plan.lanes)));
  CgVec x = gen_load(g, u->t, from, gen_tile_ld(g), gen_lin(g, u->t, at));
  LLVMValueRef to = cg_iadd(g->e, cg_imul(g->e, u->time, cg_i64(g->e, type_count(u->t))), gen_lin(g, u->t, at));
  gen_store(g, u->t, u->base, u->ld, to, &x);
}

static void unpack(Gen *g, const Ode *o, uint32_t k) {
  Val r = plan_result(o->fr->p, o->gr->main, k);
  Unpack u = {.o = o, .k = k, .t = ir_body(o->fr->p->f, o->i)->in.at[k].type};
  CgLoop loop;
  if (!r.id) return;
  gen_memory(g, o->fr, r, &u.base, &u.ld);
  cg_loop_begin(g->e, &loop, cg_i64(g->e, 0), cg_i64(g->e, o->plan.times), 1);
  u.time = loop.iv;
  gen_nest(g, u.t.rank, u.t.dim, true, unpack_row, &u);
  cg_loop_end(g->e, &loop);
}

/* Steps taken and rejected. */
static void unpack_counts(Gen *g, const Ode *o) {
  Val r = plan_result(o->fr->p, o->gr->main, o->plan.states);
  if (!r.id) return;
  LLVMValueRef base, ld;
  const Type t = ir_type(o->fr->p->f, r);
  gen_memory(g, o->fr, r, &base, &ld);
  for (int k = 0; k < 2; k++) {
    CgVec x = gen_load(g, t, place(g, o, o->plan.counts), gen_tile_ld(g), cg_i64(g->e, k));
    gen_store(g, t, base, ld, cg_i64(g->e, k), &x);
  }
}

/* Operand k as the body wants it; the times as they are, shared or per sample, for the stepper. */
static void pack(Gen *g, const Ode *o, uint32_t k) {
  Val a = ir_arg(o->fr->p->f, o->i, k);
  Type t = ir_type(o->fr->p->f, a);
  const Fn *body = ir_body(o->fr->p->f, o->i);
  if (k != o->plan.states) t.lane = body->in.at[k].type.lane;
  gen_copy(g, o->fr, a, t, operand(g, o, k), gen_tile_ld(g), false);
  gen_forget(g);
}

static Ode open(Gen *g, Frame *fr, const Group *gr) {
  Ode o = {.fr = fr, .gr = gr, .i = ir_inst(fr->p->f, gr->main)};
  o.plan = plan_ode(fr->p, o.i, g->e->tile);
  o.base = first_place(g, &o);
  return o;
}

static void pack_some(Gen *g, const Ode *o, bool of_samples) {
  for (uint32_t k = 0; k < o->i->nargs; k++)
    if (is_own(o, k) == of_samples) pack(g, o, k);
}

static void unpack_all(Gen *g, const Ode *o) {
  for (uint32_t k = 0; k < o->plan.states; k++) unpack(g, o, k);
  unpack_counts(g, o);
}

void gen_ode(Gen *g, Frame *fr, const Group *gr) {
  Ode o = open(g, fr, gr);
  pack_some(g, &o, false);
  pack_some(g, &o, true);
  Adaptive a = trajectory(g, &o, rates(g, &o));
  if (a.method) gen_adaptive(g, &a);
  else gen_gauss(g, &a);
  unpack_all(g, &o);
}

/* ---- lanes that are refilled ------------------------------------------------------------------------------------------- */

/* Of tile `number` of those that wait. */
static Ode waiting(Gen *g, Frame *fr, const Group *gr, LLVMValueRef number) {
  Ode o = open(g, fr, gr);
  o.base = cg_gep_bytes(g->e, o.base, cg_imul(g->e, number, cg_i64(g->e, o.plan.bytes)));
  return o;
}

LLVMValueRef gen_ode_rates(Gen *g, Frame *fr, const Group *gr) {
  const Ode o = open(g, fr, gr);
  pack_some(g, &o, false);
  return rates(g, &o);
}

void gen_ode_begin(Gen *g, Frame *fr, const Group *gr, LLVMValueRef rates, LLVMValueRef number) {
  const Ode o = waiting(g, fr, gr, number);
  pack_some(g, &o, true);
  const Adaptive a = trajectory(g, &o, rates);
  gen_adaptive_begin(g, &a);
  gen_forget(g);
}

void gen_ode_steps(Gen *g, Frame *fr, const Group *gr, LLVMValueRef rates, LLVMValueRef tiles) {
  const Ode o = open(g, fr, gr);
  const Adaptive a = trajectory(g, &o, rates);
  gen_adaptive_refilled(g, &a, tiles);
  gen_forget(g);
}

void gen_ode_end(Gen *g, Frame *fr, const Group *gr, LLVMValueRef number) {
  const Ode o = waiting(g, fr, gr, number);
  unpack_all(g, &o);
  gen_forget(g);
}
