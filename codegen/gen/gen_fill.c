/* Groups of their own kind that fill memory: concat, put, triangular solves. */
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

/* ---- triangular solves ------------------------------------------------------------------------------------------- */

/* Substitution runs downwards for a lower A and for the transpose of an upper one. */
static bool forward(const Fn *f, const Inst *i) {
  return (ir_trisolve_attr(f, i).upper != 0) == (ir_trisolve_attr(f, i).trans != 0);
}

static CgVec coefficient(Gen *g, Frame *fr, const Inst *i, LLVMValueRef row, LLVMValueRef col) {
  bool trans = ir_trisolve_attr(fr->p->f, i).trans != 0;
  Idx at = {.axes = true, .ax = {trans ? col : row, trans ? row : col}};
  return gen_at(g, fr, ir_arg(fr->p->f, i, 0), &at);
}

void gen_trisolve_tiny(Gen *g, Frame *fr, Val v) {
  const Fn *f = fr->p->f;
  const Inst *i = ir_inst(f, v);
  Val x = ir_arg(f, i, 1);
  int64_t n = i->type.dim[0], m = i->type.rank > 1 ? i->type.dim[1] : 1;
  for (int64_t c = 0; c < m; c++)
    for (int64_t t = 0; t < n; t++) {
      int64_t row = forward(f, i) ? t : n - 1 - t;
      Idx at = gen_const_idx(g, i->type, row * m + c);
      CgVec sum = gen_at(g, fr, x, &at);
      for (int64_t s = 0; s < t; s++) {
        int64_t col = forward(f, i) ? s : n - 1 - s;
        CgVec a = coefficient(g, fr, i, cg_i64(g->e, row), cg_i64(g->e, col));
        CgVec prod = gen_ew(g, OP_mul, (CgVec[]){a, gen_ssa_get(g, fr, v, col * m + c)}, 2, true);
        sum = gen_ew(g, OP_sub, (CgVec[]){sum, prod}, 2, true);
      }
      CgVec d = coefficient(g, fr, i, cg_i64(g->e, row), cg_i64(g->e, row));
      gen_ssa_set(g, fr, v, row * m + c, gen_ew(g, OP_div, (CgVec[]){sum, d}, 2, true));
    }
}

typedef struct Solve {
  Fill *f;
  const Inst *i;
  LLVMValueRef row, col;
} Solve;

static LLVMValueRef solve_lin(Gen *g, const Solve *s, LLVMValueRef row, LLVMValueRef c) {
  int64_t m = s->i->type.rank > 1 ? s->i->type.dim[1] : 1;
  return cg_iadd(g->e, cg_imul(g->e, row, cg_i64(g->e, m)), c);
}

static void divide_one(Gen *g, void *ctx, Idx *at) {
  Solve *s = ctx;
  LLVMValueRef lin = solve_lin(g, s, s->row, at->ax[0]);
  CgVec arg[2] = {gen_load(g, s->f->t, s->f->base, s->f->ld, lin), coefficient(g, s->f->fr, s->i, s->row, s->row)};
  CgVec y = gen_ew(g, OP_div, arg, 2, true);
  gen_store(g, s->f->t, s->f->base, s->f->ld, lin, &y);
}

static void subtract_one(Gen *g, void *ctx, Idx *at) {
  Solve *s = ctx;
  LLVMValueRef lin = solve_lin(g, s, s->row, at->ax[0]), from = solve_lin(g, s, s->col, at->ax[0]);
  CgVec prod[2] = {coefficient(g, s->f->fr, s->i, s->row, s->col), gen_load(g, s->f->t, s->f->base, s->f->ld, from)};
  CgVec arg[2] = {gen_load(g, s->f->t, s->f->base, s->f->ld, lin), gen_ew(g, OP_mul, prod, 2, true)};
  CgVec y = gen_ew(g, OP_sub, arg, 2, true);
  gen_store(g, s->f->t, s->f->base, s->f->ld, lin, &y);
}

/* y = x, then for each row in turn: divide it, subtract it from the rows to come. */
void gen_trisolve(Gen *g, Frame *fr, const Group *gr) {
  const Fn *fn = fr->p->f;
  const Inst *i = ir_inst(fn, gr->main);
  Fill f = fill_of(g, fr, gr);
  uint32_t n = f.t.dim[0], m = f.t.rank > 1 ? f.t.dim[1] : 1;
  Solve s = {&f, i, NULL, NULL};
  CgLoop rows, rest;
  gen_copy(g, fr, ir_arg(fn, i, 1), f.t, f.base, f.ld, false);
  LLVMValueRef last = cg_i64(g->e, n - 1);
  if (n > 1) {
    cg_loop_begin(g->e, &rows, cg_i64(g->e, 0), last, 1);
    s.row = forward(fn, i) ? rows.iv : LLVMBuildSub(g->e->b, last, rows.iv, "");
    gen_nest(g, 1, &m, false, divide_one, &s);
    s.col = s.row;
    cg_loop_begin(g->e, &rest, cg_iadd(g->e, rows.iv, cg_i64(g->e, 1)), cg_i64(g->e, n), 1);
    s.row = forward(fn, i) ? rest.iv : LLVMBuildSub(g->e->b, last, rest.iv, "");
    gen_nest(g, 1, &m, false, subtract_one, &s);
    cg_loop_end(g->e, &rest);
    cg_loop_end(g->e, &rows);
  }
  s.row = forward(fn, i) ? last : cg_i64(g->e, 0);
  gen_nest(g, 1, &m, false, divide_one, &s);
}
