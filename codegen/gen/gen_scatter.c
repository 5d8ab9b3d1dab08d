/* Rows added where an index says (`scatter`), one sample after the other: samples of a tile may name one row. Over lanes the rows
 * are added to one sum for all tiles of a call, in memory, in the order of the samples; so a table of parameters costs what a
 * batch reads of it. An index that names no row leaves NaN in every row, where what it would have added is not 0. */
#include "codegen/gen/gen_priv.h"

#include <math.h>
#include <string.h>

typedef struct Operand {
  LLVMValueRef base, ld;
  int64_t stride[IR_MAX_RANK];
  bool lane;
  Type t;
} Operand;

typedef struct Scatter {
  Operand c, index;
  Type t; /* of the result */
  bool lanes;
  LLVMValueRef dst, ld;         /* of the result */
  LLVMValueRef from, lane, row; /* the row that is added, and its sample; where it goes */
  LLVMValueRef used;            /* samples of this tile */
} Scatter;

/* Strided memory, or a copy in the group's scratch. */
static Operand operand(Gen *g, Frame *fr, const Group *gr, uint32_t k) {
  const Inst *i = ir_inst(fr->p->f, gr->main);
  Val v = ir_arg(fr->p->f, i, k);
  Operand x = {.t = ir_type(fr->p->f, v)};
  Affine a;
  if (plan_affine(fr->p, v, &a)) {
    x.base = gen_affine(g, fr, &a, &x.ld), x.lane = ir_type(a.p->f, a.root).lane;
    memcpy(x.stride, a.stride, sizeof x.stride);
    return x;
  }
  Type first = ir_type(fr->p->f, ir_arg(fr->p->f, i, 0));
  int64_t off = k ? plan_round_up(type_count(first) * (first.lane ? g->e->tile : 1) * g->e->es, g->tune->align) : 0, step = 1;
  x.base = gen_scratch(g, gr->work + off), x.ld = x.t.lane ? gen_tile_ld(g) : cg_i64(g->e, 1), x.lane = x.t.lane;
  for (int d = x.t.rank; d-- > 0; step *= x.t.dim[d]) x.stride[d] = step;
  gen_copy(g, fr, v, x.t, x.base, x.ld, false);
  return x;
}

/* The place of an element, `first` being the first of x's axes that `at` has. */
static LLVMValueRef place(Gen *g, const Operand *x, const Idx *at, int first, int n) {
  LLVMValueRef off = cg_i64(g->e, 0);
  for (int d = 0; d < n; d++) off = cg_iadd(g->e, off, cg_imul(g->e, at->ax[d], cg_i64(g->e, x->stride[first + d])));
  return cg_imul(g->e, off, x->ld);
}

static LLVMValueRef of_lane(Gen *g, bool lane, LLVMValueRef p, LLVMValueRef number) { return lane ? cg_gep(g->e, p, number) : p; }

/* ---- one row --------------------------------------------------------------------------------------------------------- */

static LLVMValueRef added(Gen *g, Scatter *s, const Idx *at) {
  int head = s->index.t.rank;
  return cg_load(g->e, cg_gep(g->e, s->from, place(g, &s->c, at, head, s->c.t.rank - head)), 1);
}

static LLVMValueRef target(Gen *g, Scatter *s, LLVMValueRef row, Idx *at) {
  Idx to = {.axes = true, .ax = {row}};
  memcpy(to.ax + 1, at->ax, sizeof *to.ax * (size_t)(s->t.rank - 1));
  LLVMValueRef p = cg_gep(g->e, s->dst, cg_imul(g->e, gen_lin(g, s->t, &to), s->ld));
  return of_lane(g, s->t.lane, p, s->lane);
}

static void add_one(Gen *g, void *ctx, Idx *at) {
  Scatter *s = ctx;
  LLVMValueRef p = target(g, s, s->row, at);
  cg_store(g->e, LLVMBuildFAdd(g->e->b, cg_load(g->e, p, 1), added(g, s, at), ""), p);
}

static void lose_one(Gen *g, void *ctx, Idx *at) {
  Scatter *s = ctx;
  CgEmit *e = g->e;
  LLVMBasicBlockRef all = cg_block(e, ""), after = cg_block(e, "");
  LLVMBuildCondBr(e->b, LLVMBuildFCmp(e->b, LLVMRealUNE, added(g, s, at), cg_real(e, 0, 1), ""), all, after);
  LLVMPositionBuilderAtEnd(e->b, all);
  CgLoop *rows = base_realloc(NULL, sizeof *rows);
  cg_loop_begin(e, rows, cg_i64(e, 0), cg_i64(e, s->t.dim[0]), 1);
  cg_store(e, cg_real(e, NAN, 1), target(g, s, rows->iv, at));
  cg_loop_end(e, rows);
  base_free(rows);
  LLVMBuildBr(e->b, after);
  LLVMPositionBuilderAtEnd(e->b, after);
}

static void one_row(Gen *g, Scatter *s, LLVMValueRef index) {
  CgEmit *e = g->e;
  LLVMBasicBlockRef good = cg_block(e, ""), bad = cg_block(e, ""), after = cg_block(e, "");
  GenRows r = gen_rows(g, (CgVec){.v = {index}}, s->t.dim[0]);
  s->row = LLVMBuildSExt(e->b, r.row[0], e->i64, "");
  LLVMBuildCondBr(e->b, r.valid[0], good, bad);
  LLVMPositionBuilderAtEnd(e->b, good);
  gen_nest(g, s->t.rank - 1u, s->t.dim + 1, false, add_one, s);
  LLVMBuildBr(e->b, after);
  LLVMPositionBuilderAtEnd(e->b, bad);
  gen_nest(g, s->t.rank - 1u, s->t.dim + 1, false, lose_one, s);
  LLVMBuildBr(e->b, after);
  LLVMPositionBuilderAtEnd(e->b, after);
}

/* ---- all rows -------------------------------------------------------------------------------------------------------- */

static void samples(Gen *g, void *ctx, Idx *at) {
  Scatter *s = ctx;
  LLVMValueRef from = cg_gep(g->e, s->c.base, place(g, &s->c, at, 0, s->index.t.rank));
  LLVMValueRef index = cg_gep(g->e, s->index.base, place(g, &s->index, at, 0, s->index.t.rank));
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(g->e, loop, cg_i64(g->e, 0), s->used, 1);
  s->lane = loop->iv, s->from = of_lane(g, s->c.lane, from, s->lane);
  one_row(g, s, cg_load(g->e, of_lane(g, s->index.lane, index, s->lane), 1));
  cg_loop_end(g->e, loop);
  base_free(loop);
}

/* Of a tile; behind the last sample there is padding. */
static LLVMValueRef used(Gen *g, const Scatter *s) {
  CgEmit *e = g->e;
  LLVMValueRef all = cg_i64(e, s->lanes || s->t.lane ? e->tile : 1);
  if (!s->lanes) return all;
  LLVMValueRef left = gen_member(g, g->call, e->i64, offsetof(HnnCall, samples));
  left = LLVMBuildSub(e->b, left, cg_imul(e, g->tile, cg_i64(e, g->unit)), "");
  return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, left, all, ""), left, all, "");
}

void gen_scatter(Gen *g, Frame *fr, const Group *gr) {
  const Fn *f = fr->p->f;
  const Inst *i = ir_inst(f, gr->main);
  Val sink = plan_sink(fr->p, gr->main);
  Scatter s = {.t = i->type, .lanes = ir_scatter_attr(f, i).lanes != 0};
  s.c = operand(g, fr, gr, 0), s.index = operand(g, fr, gr, 1);
  gen_memory(g, fr, sink, &s.dst, &s.ld);
  if (!s.t.lane) s.ld = cg_i64(g->e, 1);
  bool sums = fr->p->up ? fr->p->val[sink.id].home == HOME_ZS : s.lanes; /* zero from the start of the loop, or of the call */
  if (!sums) gen_fill(g, s.t, s.dst, s.ld, 0);
  s.used = used(g, &s);
  Entered was = gen_enter(g, &gen_element_reader, 1);
  gen_nest(g, s.index.t.rank, s.index.t.dim, false, samples, &s);
  gen_leave(g, was);
}
