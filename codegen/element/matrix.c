/* Matrices in memory, an element at a time: what systems and factorisations are written with. */
#include "codegen/element/element.h"

/* ---- elements of samples -------------------------------------------------------------------------------------- */

CgVec gen_pick(Gen *g, const CgVec *c, CgVec a, CgVec b) {
  Type lane = {.lane = c->lane || a.lane || b.lane};
  CgVec x = {.lane = lane.lane};
  a = gen_lanes(g, lane, a), b = gen_lanes(g, lane, b);
  for (unsigned v = 0; v < (x.lane ? g->e->nv : 1); v++)
    x.v[v] = LLVMBuildSelect(g->e->b, c->v[c->lane ? v : 0], a.v[v], b.v[v], "");
  return x;
}

CgVec gen_binary(Gen *g, Op op, CgVec x, CgVec y) { return gen_ew(g, op, (CgVec[]){x, y}, 2, x.lane || y.lane); }
CgVec gen_unary(Gen *g, Op op, CgVec x) { return gen_ew(g, op, &x, 1, x.lane); }
CgVec gen_less(Gen *g, CgVec f, CgVec x, CgVec y) { return gen_fma(g, gen_unary(g, OP_neg, f), x, y); }

LLVMValueRef gen_wanted(Gen *g, const CgVec *c) {
  LLVMValueRef any = c->v[0];
  for (unsigned v = 1; v < (c->lane ? g->e->nv : 1); v++) any = LLVMBuildOr(g->e->b, any, c->v[v], "");
  LLVMTypeRef t = LLVMTypeOf(any);
  return c->lane && g->e->vl > 1 ? cg_intrinsic(g->e, "llvm.vector.reduce.or", &t, 1, &any, 1) : any;
}

CgVec gen_whole(Gen *g, LLVMValueRef i) { return (CgVec){.v = {LLVMBuildSIToFP(g->e->b, i, cg_real_type(g->e, 1), "")}}; }

/* ---- loops --------------------------------------------------------------------------------------------------------- */

void gen_open(Gen *g, CgLoop *l, LLVMValueRef lo, LLVMValueRef hi, LLVMValueRef only, int64_t step) {
  LLVMValueRef some = LLVMBuildICmp(g->e->b, LLVMIntSLT, lo, hi, "");
  cg_loop_begin_if(g->e, l, only ? LLVMBuildAnd(g->e->b, some, only, "") : some, lo, hi, step);
}

CgVec gen_carried(Gen *g, CgLoop *l, CgVec init) {
  CgVec x = {.lane = init.lane};
  for (unsigned v = 0; v < (x.lane ? g->e->nv : 1); v++) x.v[v] = cg_loop_phi(g->e, l, init.v[v]);
  return x;
}

unsigned gen_carry(Gen *g, CgLoop *l, unsigned number, CgVec next) {
  for (unsigned v = 0; v < (next.lane ? g->e->nv : 1); v++) cg_loop_next(l, number++, next.v[v]);
  return number;
}

CgVec gen_last(Gen *g, const CgLoop *l, unsigned number, bool lane) {
  CgVec x = {.lane = lane};
  for (unsigned v = 0; v < (lane ? g->e->nv : 1); v++) x.v[v] = l->next[number + v];
  return x;
}

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

CgVec gen_entry(Gen *g, const Matrix *m, LLVMValueRef row, LLVMValueRef col) {
  return gen_load(g, m->t, m->base, m->ld, cg_iadd(g->e, cg_imul(g->e, row, cg_i64(g->e, m->cols)), col));
}

void gen_set_entry(Gen *g, const Matrix *m, LLVMValueRef row, LLVMValueRef col, CgVec x) {
  x = gen_lanes(g, m->t, x);
  gen_store(g, m->t, m->base, m->ld, cg_iadd(g->e, cg_imul(g->e, row, cg_i64(g->e, m->cols)), col), &x);
}

enum { UNROLL = 4 };

/* body for columns from ... cols-1, the last ones of them several at a time. */
static void along(Gen *g, CgLoop *l, const Matrix *m, LLVMValueRef from, LLVMValueRef only,
                  void (*body)(Gen *, const RowStep *, LLVMValueRef), const RowStep *s) {
  CgEmit *e = g->e;
  LLVMValueRef cols = cg_i64(e, m->cols), odd = LLVMBuildAnd(e->b, LLVMBuildSub(e->b, cols, from, ""), cg_i64(e, UNROLL - 1), "");
  LLVMValueRef middle = cg_iadd(e, from, odd);
  gen_open(g, l, from, middle, only, 1);
  body(g, s, l->iv);
  cg_loop_end(e, l);
  gen_open(g, l, middle, cols, only, UNROLL);
  for (int64_t k = 0; k < UNROLL; k++) body(g, s, cg_iadd(e, l->iv, cg_i64(e, k)));
  cg_loop_end(e, l);
}

static void swap_one(Gen *g, const RowStep *s, LLVMValueRef col) {
  CgVec up = gen_entry(g, s->m, s->k, col), down = gen_entry(g, s->m, s->i, col);
  gen_set_entry(g, s->m, s->k, col, gen_pick(g, &s->by, down, up));
  gen_set_entry(g, s->m, s->i, col, gen_pick(g, &s->by, up, down));
}

void gen_swap_rows(Gen *g, CgLoop *l, const RowStep *s, LLVMValueRef from) {
  along(g, l, s->m, from, gen_wanted(g, &s->by), swap_one, s);
}

static void subtract_one(Gen *g, const RowStep *s, LLVMValueRef col) {
  gen_set_entry(g, s->m, s->i, col, gen_less(g, s->by, gen_entry(g, s->m, s->k, col), gen_entry(g, s->m, s->i, col)));
}

void gen_subtract_row(Gen *g, CgLoop *l, const RowStep *s, LLVMValueRef from) { along(g, l, s->m, from, NULL, subtract_one, s); }
