/* What fills memory: groups of their own kind (concat, put), and zeros around what a group computes. */
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

/* ---- zeros around what is inside (plan_around.c) ------------------------------------------------------------ */

typedef struct Border {
  Fill f;
  uint32_t low, apart; /* the places of an axis, those from `low` on being `apart` further */
} Border;

static void border_one(Gen *g, void *ctx, Idx *at) {
  Border *b = ctx;
  Idx to = {.axes = true};
  memcpy(to.ax, at->ax, sizeof to.ax);
  const LLVMValueRef i = at->ax[b->f.axis], behind = LLVMBuildICmp(g->e->b, LLVMIntSGE, i, cg_i64(g->e, b->low), "");
  const LLVMValueRef skip = LLVMBuildSelect(g->e->b, behind, cg_i64(g->e, b->apart), cg_i64(g->e, 0), "");
  to.ax[b->f.axis] = cg_iadd(g->e, i, skip);
  CgVec zero = gen_real(g, 0, true);
  gen_store(g, b->f.t, b->f.base, b->f.ld, gen_lin(g, b->f.t, &to), &zero);
}

void gen_around_open(Gen *g, Frame *fr, Val v) {
  const Fn *fn = fr->p->f;
  const Val inside = plan_inside(fr->p, v);
  Border b = {.f = {.t = ir_type(fn, v)}};
  gen_memory(g, fr, v, &b.f.base, &b.f.ld);
  uint32_t axes = 0;
  bool holes = false;
  for (Val at = v; at.id != inside.id; at = ir_arg(fn, ir_inst(fn, at), 0)) {
    const unslice_attr u = ir_unslice_attr(fn, ir_inst(fn, at));
    holes |= u.step != 1 || axes >> u.axis & 1;
    axes |= 1u << u.axis;
  }
  if (holes) {
    gen_fill(g, b.f.t, b.f.base, b.f.ld, 0);
    return;
  }
  for (Val at = v; at.id != inside.id; at = ir_arg(fn, ir_inst(fn, at), 0)) {
    const unslice_attr u = ir_unslice_attr(fn, ir_inst(fn, at));
    uint32_t dim[IR_MAX_RANK];
    memcpy(dim, b.f.t.dim, sizeof dim);
    b.f.axis = u.axis, b.low = (uint32_t)u.start, b.apart = ir_type(fn, ir_arg(fn, ir_inst(fn, at), 0)).dim[u.axis];
    dim[u.axis] = (uint32_t)u.total - b.apart;
    if (dim[u.axis]) gen_nest(g, b.f.t.rank, dim, false, border_one, &b);
  }
}

void gen_around(Gen *g, Frame *fr, Val v, Idx *at) {
  const Fn *fn = fr->p->f;
  const Val inside = plan_inside(fr->p, v);
  const Type t = ir_type(fn, v);
  LLVMValueRef base, ld;
  gen_axes(g, ir_type(fn, inside), at);
  CgVec x = gen_at(g, fr, inside, at);
  Idx to = gen_around_idx(g, fr, v, at);
  gen_memory(g, fr, v, &base, &ld);
  gen_store(g, t, base, ld, gen_lin(g, t, &to), &x);
}
