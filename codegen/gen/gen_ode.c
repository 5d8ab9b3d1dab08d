/* Adaptive trajectories: the body becomes a function rates(ctx, t, y, dy) that the host's stepper calls.
 * ctx is a pair {call, number of the tile}: the body finds everything else where the group packed it
 * in scratch: states [dim][tile], times, invariants, trajectory [ntimes][dim][tile], each at a
 * multiple of `align`, in this order but the trajectory last. */
#include "codegen/gen/gen_priv.h"

#include <string.h>

typedef struct Ode {
  Frame *fr;
  const Group *gr;
  const Inst *i;
  uint32_t states;
  int64_t dim, times;
  int64_t *off; /* scratch offset of each operand; states by their rows */
  int64_t trajectory;
} Ode;

static void layout(Gen *g, Ode *o) {
  const Fn *f = o->fr->p->f;
  int64_t row = (int64_t)g->e->tile * g->e->es, at = o->gr->work;
  for (uint32_t k = 0; k < o->states; k++) {
    o->off[k] = at + o->dim * row;
    o->dim += type_count(ir_type(f, ir_arg(f, o->i, k)));
  }
  at += plan_round_up(o->dim * row, g->tune->align);
  for (uint32_t k = o->states; k < o->i->nargs; k++) {
    o->off[k] = at;
    at += plan_round_up(type_count(ir_type(f, ir_arg(f, o->i, k))) * row, g->tune->align);
  }
  o->times = type_count(ir_type(f, ir_arg(f, o->i, o->states)));
  o->trajectory = at;
}

/* The body as a function of its own; the builder and the state of g are put back afterwards. */
static LLVMValueRef rates(Gen *g, const Ode *o) {
  CgEmit *e = g->e;
  const Plan *p = o->gr->body;
  LLVMTypeRef arg[4] = {e->ptr, e->ptr, e->ptr, e->ptr};
  LLVMValueRef fn = cg_function(e, "rates", LLVMFunctionType(e->voidt, arg, 4, 0), true);
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
  LLVMValueRef outer = e->fn;
  Gen saved = *g;
  e->fn = fn;
  g->memo = NULL, g->nmemo = g->memo_size = 0;
  LLVMPositionBuilderAtEnd(e->b, cg_block(e, ""));
  LLVMValueRef ctx = LLVMGetParam(fn, 0);
  g->call = LLVMBuildLoad2(e->b, e->ptr, ctx, "");
  g->tile = LLVMBuildLoad2(e->b, e->i64, cg_gep_bytes(e, ctx, cg_i64(e, 8)), "");
  g->scratch = LLVMBuildLoad2(e->b, e->ptr, cg_gep_bytes(e, g->call, cg_i64(e, offsetof(HnnCall, scratch))), "");
  Frame *fr = gen_frame(g, p, NULL);
  int64_t row = 0;
  for (uint32_t v = 1; v < p->f->inst.n; v++) {
    const Inst *i = &p->f->inst.at[v];
    if (i->op != OP_in) continue;
    uint32_t k = ir_number(p->f, i);
    if (k < o->states) {
      LLVMValueRef at = cg_i64(e, (o->off[k] - o->off[0]));
      fr->base[v] = cg_gep_bytes(e, LLVMGetParam(fn, 2), at);
    } else if (k == o->states) fr->base[v] = LLVMGetParam(fn, 1);
    else fr->base[v] = gen_scratch(g, o->off[k]);
  }
  gen_groups(g, fr, SEC_TILE);
  for (uint32_t k = 0; k < p->copy.n; k++) {
    Val v = p->copy.at[k].v;
    Type t = ir_type(p->f, v);
    t.lane = p->f->in.at[k].type.lane; /* a rate is of the type of its state */
    gen_forget(g);
    gen_copy(g, fr, v, t, cg_gep_bytes(e, LLVMGetParam(fn, 3), cg_i64(e, row)), gen_tile_ld(g), false);
    row += type_count(t) * (int64_t)(e->tile * e->es);
  }
  LLVMBuildRetVoid(e->b);
  base_free(g->memo);
  *g = saved;
  e->fn = outer;
  LLVMPositionBuilderAtEnd(e->b, here);
  return fn;
}

static void put_field(Gen *g, LLVMValueRef ode, size_t bytes, LLVMValueRef v) {
  LLVMBuildStore(g->e->b, v, cg_gep_bytes(g->e, ode, cg_i64(g->e, (int64_t)bytes)));
}

static void call_host(Gen *g, const Ode *o, LLVMValueRef fn) {
  CgEmit *e = g->e;
  const Fn *f = o->fr->p->f;
  LLVMValueRef ctx = cg_alloca(e, 16), ode = cg_alloca(e, sizeof(HnnOde));
  LLVMTypeRef f64 = LLVMDoubleTypeInContext(e->ctx);
  double rtol, atol;
  int64_t bits = ir_ode_attr(f, o->i).rtol;
  memcpy(&rtol, &bits, sizeof rtol);
  bits = ir_ode_attr(f, o->i).atol;
  memcpy(&atol, &bits, sizeof atol);
  put_field(g, ctx, 0, g->call);
  put_field(g, ctx, 8, g->tile);
  put_field(g, ode, offsetof(HnnOde, method), cg_i32(e, (int32_t)ir_ode_attr(f, o->i).method));
  put_field(g, ode, offsetof(HnnOde, f64), cg_i32(e, e->f64));
  put_field(g, ode, offsetof(HnnOde, lanes), cg_i32(e, (int32_t)e->tile));
  put_field(g, ode, offsetof(HnnOde, dim), cg_i32(e, (int32_t)o->dim));
  put_field(g, ode, offsetof(HnnOde, ntimes), cg_i32(e, (int32_t)o->times));
  put_field(g, ode, offsetof(HnnOde, max_steps), cg_i32(e, (int32_t)ir_ode_attr(f, o->i).max_steps));
  put_field(g, ode, offsetof(HnnOde, lane_times), cg_i32(e, ir_type(f, ir_arg(f, o->i, o->states)).lane));
  put_field(g, ode, offsetof(HnnOde, rtol), LLVMConstReal(f64, rtol));
  put_field(g, ode, offsetof(HnnOde, atol), LLVMConstReal(f64, atol));
  put_field(g, ode, offsetof(HnnOde, times), gen_scratch(g, o->off[o->states]));
  put_field(g, ode, offsetof(HnnOde, y0), gen_scratch(g, o->off[0]));
  put_field(g, ode, offsetof(HnnOde, out), gen_scratch(g, o->trajectory));
  put_field(g, ode, offsetof(HnnOde, rates), fn);
  put_field(g, ode, offsetof(HnnOde, ctx), ctx);
  LLVMValueRef host = LLVMBuildLoad2(e->b, e->ptr, cg_gep_bytes(e, g->call, cg_i64(e, offsetof(HnnCall, host))), "");
  LLVMValueRef step = LLVMBuildLoad2(e->b, e->ptr, cg_gep_bytes(e, host, cg_i64(e, offsetof(HnnHost, ode))), "");
  LLVMBuildCall2(e->b, LLVMFunctionType(e->i32, &e->ptr, 1, 0), step, &ode, 1, "");
}

typedef struct Unpack {
  const Ode *o;
  LLVMValueRef time, base, ld;
  uint32_t k;
  Type t;
} Unpack;

static void unpack_row(Gen *g, void *ctx, Idx *at) {
  Unpack *u = ctx;
  int64_t row = (int64_t)g->e->tile * g->e->es;
  LLVMValueRef from = gen_scratch(g, u->o->trajectory + (u->o->off[u->k] - u->o->off[0]));
  from = cg_gep_bytes(g->e, from, cg_imul(g->e, u->time, cg_i64(g->e, u->o->dim * row)));
  CgVec x = gen_load(g, u->t, from, gen_tile_ld(g), gen_lin(g, u->t, at));
  LLVMValueRef to = cg_iadd(g->e, cg_imul(g->e, u->time, cg_i64(g->e, type_count(u->t))), gen_lin(g, u->t, at));
  gen_store(g, u->t, u->base, u->ld, to, &x);
}

static void unpack(Gen *g, const Ode *o, uint32_t k) {
  Val r = plan_result(o->fr->p, o->gr->main, k);
  Unpack u = {.o = o, .k = k, .t = o->gr->body->f->in.at[k].type};
  CgLoop loop;
  if (!r.id) return;
  gen_memory(g, o->fr, r, &u.base, &u.ld);
  cg_loop_begin(g->e, &loop, cg_i64(g->e, 0), cg_i64(g->e, o->times), 1);
  u.time = loop.iv;
  gen_nest(g, u.t.rank, u.t.dim, true, unpack_row, &u);
  cg_loop_end(g->e, &loop);
}

/* Operand k as the body wants it; the times as they are, shared or per sample, for the stepper. */
static void pack(Gen *g, const Ode *o, uint32_t k) {
  Val a = ir_arg(o->fr->p->f, o->i, k);
  Type t = ir_type(o->fr->p->f, a);
  const Fn *body = o->gr->body->f;
  if (k != o->states) t.lane = body->in.at[k].type.lane;
  gen_copy(g, o->fr, a, t, gen_scratch(g, o->off[k]), gen_tile_ld(g), false);
  gen_forget(g);
}

void gen_ode(Gen *g, Frame *fr, const Group *gr) {
  Ode o = {.fr = fr, .gr = gr, .i = ir_inst(fr->p->f, gr->main)};
  o.states = (uint32_t)ir_ode_attr(fr->p->f, o.i).states;
  o.off = ARENA_ARRAY(g->mem, int64_t, o.i->nargs + 1);
  layout(g, &o);
  for (uint32_t k = 0; k < o.i->nargs; k++) pack(g, &o, k);
  call_host(g, &o, rates(g, &o));
  for (uint32_t k = 0; k < o.states; k++) unpack(g, &o, k);
}
