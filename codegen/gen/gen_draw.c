/* Draws: a function of the module for each kind and layout, which a group calls. Vectors run along the samples of a tile; where a tile
 * is one sample, along pairs of elements. */
#include "codegen/gen/gen_priv.h"
#include "codegen/math/math.h"

#include <stddef.h>
#include <stdio.h>

typedef enum { SEED, SAMPLE, COUNTER, LAST, ELEMENTS, OUT, STRIDE, LANES, ARGUMENTS } Argument;

typedef struct Draws {
  CgEmit *e;
  int kind;
  LLVMValueRef arg[ARGUMENTS], pairs;
} Draws;

static LLVMValueRef numbers(CgEmit *e, LLVMValueRef first, unsigned n) {
  LLVMValueRef k[64];
  for (unsigned i = 0; i < n; i++) k[i] = cg_i64(e, i);
  return n > 1 ? LLVMBuildAdd(e->b, cg_splat(e, first, n), LLVMConstVector(k, n), "") : first;
}

/* Blocks of n samples from number `sample`, or of n pairs from `pair`. */
static void blocks(const Draws *d, LLVMValueRef sample, LLVMValueRef pair, unsigned n, bool along, LLVMValueRef out[2]) {
  CgEmit *e = d->e;
  LLVMValueRef s = along ? cg_splat(e, sample, n) : numbers(e, sample, n), last = cg_iadd(e, d->arg[LAST], pair);
  LLVMValueRef p = along ? numbers(e, last, n) : cg_splat(e, last, n), c = cg_splat(e, d->arg[COUNTER], n);
  cg_draw(e, d->kind, d->arg[SEED], s, c, p, out);
}

static LLVMValueRef place(const Draws *d, LLVMValueRef element, LLVMValueRef lane) {
  return cg_gep(d->e, d->arg[OUT], cg_iadd(d->e, cg_imul(d->e, element, d->arg[STRIDE]), lane));
}

/* The second of a pair is stored first, where the other one follows if it has no place of its own. */
static void store_pair(const Draws *d, LLVMValueRef pair, LLVMValueRef lane, LLVMValueRef v[2]) {
  CgEmit *e = d->e;
  LLVMValueRef first = cg_imul(e, pair, cg_i64(e, 2)), second = cg_iadd(e, first, cg_i64(e, 1));
  LLVMValueRef in = LLVMBuildICmp(e->b, LLVMIntSLT, second, d->arg[ELEMENTS], "");
  cg_store(e, v[1], place(d, LLVMBuildSelect(e->b, in, second, first, ""), lane));
  cg_store(e, v[0], place(d, first, lane));
}

/* Two vectors of 64-bit words at a time: the rounds of one block are a chain, whose waits the other fills (in C a block took 10 ns so,
 * 12 to 14 alone). */
static unsigned at_once(const CgEmit *e) { return e->f64 && e->tile >= 2 * e->vl ? 2 * e->vl : e->vl; }

/* `n` samples at a time. */
static void draw_lanes(const Draws *d, unsigned n) {
  CgEmit *e = d->e;
  LLVMValueRef zero = cg_i64(e, 0), v[2];
  CgLoop pair, lane;
  cg_loop_begin(e, &pair, zero, d->pairs, 1);
  cg_loop_begin(e, &lane, zero, d->arg[LANES], n);
  blocks(d, cg_iadd(e, d->arg[SAMPLE], lane.iv), pair.iv, n, false, v);
  store_pair(d, pair.iv, lane.iv, v);
  cg_loop_end(e, &lane);
  cg_loop_end(e, &pair);
}

/* Elements 2k, 2k + 1, ... of vectors that have the one and the other. */
static LLVMValueRef interleaved(CgEmit *e, LLVMValueRef v[2], unsigned n) {
  LLVMValueRef at[128];
  for (unsigned k = 0; k < n; k++) at[2 * k] = cg_i32(e, (int32_t)k), at[2 * k + 1] = cg_i32(e, (int32_t)(n + k));
  return LLVMBuildShuffleVector(e->b, v[0], v[1], LLVMConstVector(at, 2 * n), "");
}

/* Whole vectors of pairs whose elements follow one another, then pairs one by one. */
static void draw_elements(const Draws *d, bool contiguous) {
  CgEmit *e = d->e;
  unsigned n = cg_lanes(e->target, e->f64);
  LLVMValueRef zero = cg_i64(e, 0), one = cg_i64(e, 1), v[2], start = zero;
  CgLoop loop;
  if (contiguous) {
    LLVMValueRef full = LLVMBuildAShr(e->b, d->arg[ELEMENTS], one, ""),
                 count = LLVMBuildAnd(e->b, full, cg_i64(e, -(int64_t)n), "");
    cg_loop_begin_if(e, &loop, LLVMBuildICmp(e->b, LLVMIntSGT, count, zero, ""), zero, count, n);
    blocks(d, d->arg[SAMPLE], loop.iv, n, true, v);
    cg_store(e, interleaved(e, v, n), place(d, cg_imul(e, loop.iv, cg_i64(e, 2)), zero));
    cg_loop_end(e, &loop);
    start = count;
  }
  cg_loop_begin_if(e, &loop, LLVMBuildICmp(e->b, LLVMIntSLT, start, d->pairs, ""), start, d->pairs, 1);
  blocks(d, d->arg[SAMPLE], loop.iv, 1, true, v);
  store_pair(d, loop.iv, zero, v);
  cg_loop_end(e, &loop);
}

static LLVMValueRef draw_function(Gen *g, int kind, bool contiguous) {
  CgEmit *e = g->e;
  char name[64];
  bool along = e->tile == 1;
  unsigned n = along ? 1 : at_once(e);
  snprintf(name, sizeof name, "draw.%d.%u.%u.%d", kind, e->es * 8, n, contiguous);
  LLVMValueRef fn = LLVMGetNamedFunction(e->mod, name), outer = e->fn;
  if (fn) return fn;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
  LLVMTypeRef type[ARGUMENTS] = {e->i64, e->i64, e->i64, e->i64, e->i64, e->ptr, e->i64, e->i64};
  fn = e->fn = cg_function(e, name, LLVMFunctionType(e->voidt, type, ARGUMENTS, 0), true);
  LLVMPositionBuilderAtEnd(e->b, cg_block(e, ""));
  Draws d = {.e = e, .kind = kind};
  for (unsigned k = 0; k < ARGUMENTS; k++) d.arg[k] = LLVMGetParam(fn, k);
  if (contiguous) d.arg[STRIDE] = cg_i64(e, 1);
  d.pairs = LLVMBuildAShr(e->b, cg_iadd(e, d.arg[ELEMENTS], cg_i64(e, 1)), cg_i64(e, 1), "");
  if (along) draw_elements(&d, contiguous);
  else draw_lanes(&d, n);
  LLVMBuildRetVoid(e->b);
  e->fn = outer;
  LLVMPositionBuilderAtEnd(e->b, here);
  return fn;
}

static LLVMValueRef member(Gen *g, int64_t bytes) {
  return LLVMBuildLoad2(g->e->b, g->e->i64, cg_gep_bytes(g->e, g->call, cg_i64(g->e, bytes)), "");
}

/* The counter operand as 32 bits; of a vector its first lane, all being the same. */
static LLVMValueRef counter_of(Gen *g, Frame *fr, const Inst *i) {
  CgEmit *e = g->e;
  if (!i->nargs) return cg_i64(e, 0);
  Idx at = {.axes = true, .lin = cg_i64(e, 0)};
  CgVec c = gen_at(g, fr, ir_arg(fr->p->f, i, 0), &at);
  LLVMValueRef one =
      LLVMGetTypeKind(LLVMTypeOf(c.v[0])) == LLVMVectorTypeKind ? LLVMBuildExtractElement(e->b, c.v[0], cg_i32(e, 0), "") : c.v[0];
  return LLVMBuildAnd(e->b, LLVMBuildFPToSI(e->b, one, e->i64, ""), cg_i64(e, 0xffffffff), "");
}

/* Site and pair of elements share the last word of the counter: 12 bits and 20. */
void gen_rand(Gen *g, Frame *fr, const Group *gr) {
  CgEmit *e = g->e;
  const Fn *fn = fr->p->f;
  const Inst *i = ir_inst(fn, gr->main);
  LLVMValueRef arg[ARGUMENTS];
  gen_memory(g, fr, gr->main, &arg[OUT], &arg[STRIDE]);
  bool contiguous = e->tile == 1 && LLVMIsConstant(arg[STRIDE]) && LLVMConstIntGetZExtValue(arg[STRIDE]) == 1;
  arg[SEED] = member(g, offsetof(HnnCall, seed));
  arg[SAMPLE] = cg_iadd(e, member(g, offsetof(HnnCall, sample0)), cg_imul(e, g->tile, cg_i64(e, g->unit)));
  arg[COUNTER] = counter_of(g, fr, i);
  arg[LAST] = cg_i64(e, (int64_t)(uint32_t)(ir_rand_attr(fn, i).site << 20));
  arg[ELEMENTS] = cg_i64(e, type_count(i->type));
  arg[LANES] = cg_i64(e, e->tile);
  LLVMValueRef draw = draw_function(g, (int)ir_rand_attr(fn, i).kind, contiguous);
  LLVMBuildCall2(e->b, LLVMGlobalGetValueType(draw), draw, arg, ARGUMENTS, "");
}
