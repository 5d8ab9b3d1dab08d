/* Groups of their own kind that fill memory: concat, put. */
#include "codegen/gen/gen_priv.h"

#include <string.h>

typedef struct Fill {
  Frame *fr;
  Val v, x;
  Type t; /* of what is filled */
  LLVMValueRef base, ld;
  int64_t axis, off;
  LLVMValueRef table;
} Fill;

static void shifted_one(Gen *g, void *ctx, Idx *at) {
  Fill *f = ctx;
  CgVec x = gen_at(g, f->fr, f->x, at);
  Idx to = {.axes = true};
  memcpy(to.ax, at->ax, sizeof to.ax);
  to.ax[f->axis] = cg_iadd(g->e, to.ax[f->axis], cg_i64(g->e, f->off));
  gen_store(g, f->t, f->base, f->ld, gen_lin(g, f->t, &to), &x);
}

static Fill fill_of(Gen *g, Frame *fr, const Group *gr) {
  Fill f = {.fr = fr, .v = gr->main, .t = ir_type(fr->p->f, gr->main)};
  const Inst *i = ir_inst(fr->p->f, gr->main);
  if (i->op == OP_concat) f.axis = ir_concat_attr(fr->p->f, i).axis;
  if (i->op == OP_put) f.axis = ir_put_attr(fr->p->f, i).axis;
  gen_memory(g, fr, gr->main, &f.base, &f.ld);
  return f;
}

void gen_concat(Gen *g, Frame *fr, const Group *gr) {
  const Inst *i = ir_inst(fr->p->f, gr->main);
  Fill f = fill_of(g, fr, gr);
  for (uint32_t k = 0; k < i->nargs; k++) {
    f.x = ir_arg(fr->p->f, i, k);
    Type t = ir_type(fr->p->f, f.x);
    gen_nest(g, t.rank, t.dim, false, shifted_one, &f);
    f.off += t.dim[f.axis];
  }
}

static void put_one(Gen *g, void *ctx, Idx *at) {
  Fill *f = ctx;
  CgVec x = gen_at(g, f->fr, f->x, at);
  Idx to = {.axes = true};
  memcpy(to.ax, at->ax, sizeof to.ax);
  LLVMValueRef p = LLVMBuildInBoundsGEP2(g->e->b, g->e->i64, f->table, &at->ax[f->axis], 1, "");
  to.ax[f->axis] = LLVMBuildLoad2(g->e->b, g->e->i64, p, "");
  gen_add(g, f->t, f->base, f->ld, gen_lin(g, f->t, &to), &x);
}

void gen_put(Gen *g, Frame *fr, const Group *gr) {
  const Fn *fn = fr->p->f;
  const Inst *i = ir_inst(fn, gr->main);
  Fill f = fill_of(g, fr, gr);
  gen_fill(g, f.t, f.base, f.ld, 0);
  f.x = ir_arg(fn, i, 0);
  f.table = cg_const_ints(g->e, ir_list(fn, i).at, ir_list(fn, i).n);
  gen_nest(g, ir_type(fn, f.x).rank, ir_type(fn, f.x).dim, false, put_one, &f);
}
