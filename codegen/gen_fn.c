/* A whole function: what is done once, the loop over tiles, what follows the batch sums, and the
 * constant that describes it. */
#include "codegen/gen.h"
#include "codegen/target.h"

#include <string.h>

LLVMValueRef gen_member(Gen *g, LLVMValueRef p, LLVMTypeRef t, size_t bytes) {
  return LLVMBuildLoad2(g->e->b, t, cg_gep_bytes(g->e, p, cg_i64(g->e, (int64_t)bytes)), "");
}

/* Per-sample arrays; the shared ones are loaded where they are needed. */
static void load_args(Gen *g, size_t field, const Fn *f, bool in, LLVMValueRef **p, LLVMValueRef **ld) {
  uint32_t n = in ? f->in.n : f->out.n;
  *p = ARENA_ARRAY(g->mem, LLVMValueRef, n + 1), *ld = ARENA_ARRAY(g->mem, LLVMValueRef, n + 1);
  if (!n) return;
  LLVMValueRef at = gen_member(g, g->call, g->e->ptr, field);
  for (uint32_t k = 0; k < n; k++) {
    if (!(in ? f->in.at[k].type : ir_type(f, f->out.at[k])).lane) continue;
    (*p)[k] = gen_member(g, at, g->e->ptr, k * sizeof(HnnArg) + offsetof(HnnArg, p));
    (*ld)[k] = gen_member(g, at, g->e->i64, k * sizeof(HnnArg) + offsetof(HnnArg, ld));
  }
}

LLVMValueRef gen_shared_array(Gen *g, size_t field, uint32_t k) {
  return gen_member(g, gen_member(g, g->call, g->e->ptr, field), g->e->ptr, k * sizeof(HnnArg) + offsetof(HnnArg, p));
}

LLVMValueRef gen_tile_start(Gen *g, LLVMValueRef p, Type t) {
  if (!t.lane) return p;
  LLVMValueRef first = cg_imul(g->e, g->tile, cg_i64(g->e, g->unit));
  return t.dt == DT_BOOL ? cg_gep_bytes(g->e, p, first) : cg_gep(g->e, p, first);
}

/* Points the per-sample inputs, and what is computed where it is wanted, to the tile's part of the caller's arrays. Shared
 * ones are looked for when they are needed (gen_memory). */
static void place_args(Gen *g, Frame *fr) {
  const Fn *f = fr->p->f;
  for (uint32_t v = 1; v < f->inst.n; v++) {
    const Inst *i = &f->inst.at[v];
    const PVal *q = &fr->p->val[v];
    if (!fr->p->live[v] || !i->type.lane || q->alias) continue;
    uint32_t k = q->cls == PC_IN ? (uint32_t)ir_attr(f, i, 0) : q->homeidx;
    if (q->cls == PC_IN) fr->base[v] = gen_tile_start(g, g->in[k], i->type), fr->ld[v] = g->inld[k];
    else if (q->home == HOME_OUT) fr->base[v] = gen_tile_start(g, g->out[k], i->type), fr->ld[v] = g->outld[k];
  }
}

static void copies(Gen *g, Frame *fr, Section s) {
  for (uint32_t k = 0; k < fr->p->copy.n; k++) {
    const Copy *c = &fr->p->copy.at[k];
    Type t = ir_type(fr->p->f, c->v);
    if (fr->p->val[c->v.id].section != s) continue;
    gen_forget(g);
    LLVMValueRef p = t.lane ? gen_tile_start(g, g->out[c->k], t) : gen_shared_array(g, offsetof(HnnCall, out), c->k);
    gen_copy(g, fr, c->v, t, p, t.lane ? g->outld[c->k] : gen_tile_ld(g), false);
  }
  gen_forget(g);
}

/* ---- the function ------------------------------------------------------------------------------------------------ */

/* What the tiles add is written into a frame of its own, so that it can be written for another number of vectors. */
static Frame *frame_again(Gen *g, const Frame *fr) {
  Frame *own = gen_frame(g, fr->p, fr->up);
  size_t n = sizeof(LLVMValueRef) * fr->p->f->inst.n;
  memcpy(own->ssa, fr->ssa, sizeof *fr->ssa * fr->p->f->inst.n);
  memcpy(own->base, fr->base, n);
  memcpy(own->ld, fr->ld, n);
  return own;
}

/* Tiles lo to hi, `step` at once. */
static void some_tiles(Gen *g, Frame *fr, const char *symbol, LLVMValueRef lo, LLVMValueRef hi, unsigned step) {
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  LLVMBasicBlockRef some = cg_block(g->e, "tiles"), after = cg_block(g->e, "after");
  g->e->tile = g->unit * step, g->e->nv = g->e->tile / g->e->vl;
  LLVMBuildCondBr(g->e->b, LLVMBuildICmp(g->e->b, LLVMIntSLT, lo, hi, ""), some, after);
  LLVMPositionBuilderAtEnd(g->e->b, some);
  cg_loop_begin(g->e, loop, lo, hi, step);
  g->tile = loop->iv;
  if (fr->p->ncut) {
    gen_piece_calls(g, fr->p, symbol);
  } else {
    Frame *own = frame_again(g, fr);
    place_args(g, own);
    gen_groups(g, own, SEC_TILE);
    copies(g, own, SEC_TILE);
  }
  cg_loop_end(g->e, loop);
  LLVMBuildBr(g->e->b, after);
  LLVMPositionBuilderAtEnd(g->e->b, after);
  g->tile = cg_i64(g->e, 0);
  free(loop);
}

static void tiles(Gen *g, Frame *fr, const char *symbol) {
  LLVMValueRef lo = gen_member(g, g->call, g->e->i64, offsetof(HnnCall, tile0));
  LLVMValueRef hi = gen_member(g, g->call, g->e->i64, offsetof(HnnCall, tile1));
  unsigned together = fr->p->ncut ? 1 : fr->p->target.together;
  LLVMBasicBlockRef none = cg_block(g->e, ""), start = cg_block(g->e, "");
  LLVMBuildCondBr(g->e->b, LLVMBuildICmp(g->e->b, LLVMIntSLT, lo, hi, ""), start, none);
  LLVMPositionBuilderAtEnd(g->e->b, none);
  gen_zero_sums(g, fr, true);
  LLVMBuildBr(g->e->b, start);
  LLVMPositionBuilderAtEnd(g->e->b, start);
  if (together > 1) {
    LLVMValueRef n = LLVMBuildNSWSub(g->e->b, hi, lo, ""), rest = LLVMBuildURem(g->e->b, n, cg_i64(g->e, together), "");
    LLVMValueRef mid = LLVMBuildNSWSub(g->e->b, hi, rest, "");
    some_tiles(g, fr, symbol, lo, mid, together);
    lo = mid;
  }
  some_tiles(g, fr, symbol, lo, hi, 1);
}

static void info_constant(CgEmit *e, const Plan *p, const char *symbol) {
  char name[512];
  snprintf(name, sizeof name, "%s_info", symbol);
  LLVMValueRef field[5] = {cg_i32(e, p->lane ? (int32_t)e->tile : 0), cg_i32(e, e->f64), cg_i64(e, p->scratch),
                           cg_i64(e, p->flop_tile), cg_i64(e, p->flop_once)};
  LLVMValueRef init = LLVMConstStructInContext(e->ctx, field, 5, 0);
  LLVMValueRef info = LLVMAddGlobal(e->mod, LLVMTypeOf(init), name);
  LLVMSetInitializer(info, init);
  LLVMSetGlobalConstant(info, 1);
}

void cg_gen_function(CgEmit *e, const Fn *f, const char *symbol) {
  Plan *p = plan_create(f, plan_target(f, e->vl, e->regs));
  CgEmit own = *e;
  own.tile = p->target.tile, own.vl = p->target.vl;
  own.nv = own.tile / own.vl;
  Gen g = {.e = &own, .mem = p->mem, .machine_vl = e->vl, .unit = own.tile};
  LLVMValueRef fn = cg_function(&own, symbol, LLVMFunctionType(own.voidt, &own.ptr, 1, 0), false);
  own.fn = g.main = fn;
  LLVMPositionBuilderAtEnd(own.b, cg_block(&own, ""));
  g.call = LLVMGetParam(fn, 0);
  g.tile = cg_i64(&own, 0);
  g.scratch = gen_member(&g, g.call, own.ptr, offsetof(HnnCall, scratch));
  load_args(&g, offsetof(HnnCall, in), f, true, &g.in, &g.inld);
  load_args(&g, offsetof(HnnCall, out), f, false, &g.out, &g.outld);
  LLVMBasicBlockRef body = cg_block(&own, "");
  LLVMBuildBr(own.b, body);
  LLVMPositionBuilderAtEnd(own.b, body);
  gen_outlines_init(&g, p);
  Frame *fr = gen_frame(&g, p, NULL);
  gen_open_sums(&g, fr);
  gen_groups(&g, fr, SEC_ONCE);
  copies(&g, fr, SEC_ONCE);
  if (p->lane) {
    tiles(&g, fr, symbol);
    gen_close_sums(&g, fr);
    gen_groups(&g, fr, SEC_LAST);
    copies(&g, fr, SEC_LAST);
  }
  LLVMBuildRetVoid(own.b);
  info_constant(&own, p, symbol);
  gen_outlines_finish(&g);
  free(g.memo);
  plan_destroy(p);
}
