/* Eigenvalues and eigenvectors of symmetric matrices: cyclic Jacobi, all samples of a tile at once.
 *
 * Each rotation makes one element below the diagonal 0, in the samples where it is not 0 already but for rounding: in others it is
 * the identity, so that what a sample gets does not depend on the others. Sweeps go on while some sample rotates. Then
 * eigenvalues are put in ascending order, and each vector gets its sign (EIGH_LEAST, ir.h). The reference evaluator does the
 * same, step by step. */
#include "codegen/matrix/matrix_priv.h"

typedef struct Eigh {
  Matrix a, v; /* the matrix, both triangles, in scratch; the result */
  LLVMValueRef n, zero, one;
  CgLoop *loop;
  CgVec lost; /* 0, NaN in samples whose matrix is not finite */
} Eigh;

static CgVec add(Gen *g, CgVec x, CgVec y) { return gen_binary(g, OP_add, x, y); }
static CgVec mul(Gen *g, CgVec x, CgVec y) { return gen_binary(g, OP_mul, x, y); }
static CgVec over(Gen *g, CgVec x, CgVec y) { return gen_binary(g, OP_div, x, y); }
static CgVec number(Gen *g, double v) { return gen_real(g, v, false); }
static LLVMValueRef next(Gen *g, LLVMValueRef i) { return cg_iadd(g->e, i, cg_i64(g->e, 1)); }

/* a from the lower triangle, v the identity. */
static void begin(Gen *g, Frame *fr, Val from, Eigh *s) {
  CgLoop *l = s->loop;
  gen_fill(g, s->v.t, s->v.base, s->v.ld, 0);
  cg_loop_begin(g->e, &l[0], s->zero, s->n, 1);
  CgVec lost = gen_carried(g, &l[0], gen_lanes(g, s->v.t, number(g, 0)));
  cg_loop_begin(g->e, &l[1], s->zero, next(g, l[0].iv), 1);
  lost = gen_carried(g, &l[1], lost);
  Idx at = {.axes = true, .ax = {l[0].iv, l[1].iv}};
  CgVec x = gen_lanes(g, s->a.t, gen_at(g, fr, from, &at));
  gen_set_entry(g, &s->a, l[0].iv, l[1].iv, x);
  gen_set_entry(g, &s->a, l[1].iv, l[0].iv, x);
  gen_carry(g, &l[1], 0, add(g, lost, mul(g, x, number(g, 0))));
  cg_loop_end(g->e, &l[1]);
  gen_set_entry(g, &s->v, l[0].iv, l[0].iv, number(g, 1));
  gen_carry(g, &l[0], 0, gen_last(g, &l[1], 0, s->v.t.lane));
  cg_loop_end(g->e, &l[0]);
  s->lost = gen_last(g, &l[0], 0, s->v.t.lane);
}

/* x - s (y + tau x), y + s (x - tau y) */
static void turn(Gen *g, CgVec s, CgVec tau, CgVec *x, CgVec *y) {
  CgVec up = gen_less(g, s, gen_fma(g, tau, *x, *y), *x), down = gen_fma(g, s, gen_less(g, tau, *y, *x), *y);
  *x = up, *y = down;
}

/* Columns p and q of the two matrices; of a the rows as well, but where they cross. */
static void turn_all(Gen *g, const Eigh *e, CgLoop *l, LLVMValueRef p, LLVMValueRef q, CgVec s, CgVec tau) {
  cg_loop_begin(g->e, l, e->zero, e->n, 1);
  CgVec x = gen_entry(g, &e->a, l->iv, p), y = gen_entry(g, &e->a, l->iv, q);
  turn(g, s, tau, &x, &y);
  gen_set_entry(g, &e->a, l->iv, p, x), gen_set_entry(g, &e->a, p, l->iv, x);
  gen_set_entry(g, &e->a, l->iv, q, y), gen_set_entry(g, &e->a, q, l->iv, y);
  x = gen_entry(g, &e->v, l->iv, p), y = gen_entry(g, &e->v, l->iv, q);
  turn(g, s, tau, &x, &y);
  gen_set_entry(g, &e->v, l->iv, p, x), gen_set_entry(g, &e->v, l->iv, q, y);
  cg_loop_end(g->e, l);
}

/* One rotation; whether some sample turned. */
static LLVMValueRef rotate(Gen *g, const Eigh *e, CgLoop *l, LLVMValueRef p, LLVMValueRef q) {
  CgVec pq = gen_entry(g, &e->a, q, p), pp = gen_entry(g, &e->a, p, p), qq = gen_entry(g, &e->a, q, q);
  CgVec off = gen_unary(g, OP_abs, pq), up = gen_unary(g, OP_abs, pp), down = gen_unary(g, OP_abs, qq);
  CgVec first = gen_binary(g, OP_lt, up, add(g, up, off)), second = gen_binary(g, OP_lt, down, add(g, down, off));
  CgVec on = gen_binary(g, OP_or, first, second);
  LLVMValueRef any = gen_wanted(g, &on);
  gen_open(g, &l[0], e->zero, e->one, any, 1);
  CgVec way = over(g, gen_binary(g, OP_sub, qq, pp), mul(g, number(g, 2), pq)), zero = number(g, 0), one = number(g, 1);
  CgVec length = gen_unary(g, OP_sqrt, gen_fma(g, way, way, one)), back = gen_binary(g, OP_lt, way, zero);
  CgVec t = over(g, gen_pick(g, &back, number(g, -1), one), add(g, gen_unary(g, OP_abs, way), length));
  t = gen_pick(g, &on, t, zero);
  CgVec c = over(g, one, gen_unary(g, OP_sqrt, gen_fma(g, t, t, one))), s = mul(g, t, c), tau = over(g, s, add(g, one, c));
  turn_all(g, e, &l[1], p, q, s, tau);
  CgVec rest = gen_pick(g, &on, zero, pq);
  gen_set_entry(g, &e->a, p, p, gen_less(g, t, pq, pp)), gen_set_entry(g, &e->a, q, q, gen_fma(g, t, pq, qq));
  gen_set_entry(g, &e->a, p, q, rest), gen_set_entry(g, &e->a, q, p, rest);
  cg_loop_end(g->e, &l[0]);
  return any;
}

static void sweeps(Gen *g, const Eigh *e) {
  CgLoop *l = e->loop;
  LLVMValueRef none = LLVMConstInt(g->e->i1, 0, 0);
  cg_loop_begin(g->e, &l[0], e->zero, cg_i64(g->e, EIGH_SWEEPS), 1);
  gen_open(g, &l[1], e->zero, e->n, NULL, 1);
  LLVMValueRef any = cg_loop_phi(g->e, &l[1], none);
  gen_open(g, &l[2], next(g, l[1].iv), e->n, NULL, 1);
  LLVMValueRef here = cg_loop_phi(g->e, &l[2], any), now = rotate(g, e, &l[3], l[1].iv, l[2].iv);
  cg_loop_next(&l[2], 0, LLVMBuildOr(g->e->b, here, now, ""));
  cg_loop_end(g->e, &l[2]);
  cg_loop_next(&l[1], 0, l[2].next[0]);
  cg_loop_end(g->e, &l[1]);
  l[0].stop = LLVMBuildNot(g->e->b, l[1].next[0], "");
  cg_loop_end(g->e, &l[0]);
}

static void order(Gen *g, const Eigh *e) {
  CgLoop *l = e->loop;
  cg_loop_begin(g->e, &l[0], e->zero, e->n, 1);
  gen_set_entry(g, &e->v, e->n, l[0].iv, gen_entry(g, &e->a, l[0].iv, l[0].iv));
  cg_loop_end(g->e, &l[0]);
  cg_loop_begin(g->e, &l[0], e->zero, e->n, 1);
  gen_open(g, &l[1], next(g, l[0].iv), e->n, NULL, 1);
  LLVMValueRef p = l[0].iv, q = l[1].iv;
  CgVec swap = gen_binary(g, OP_lt, gen_entry(g, &e->v, e->n, q), gen_entry(g, &e->v, e->n, p));
  gen_open(g, &l[2], e->zero, next(g, e->n), gen_wanted(g, &swap), 1);
  CgVec x = gen_entry(g, &e->v, l[2].iv, p), y = gen_entry(g, &e->v, l[2].iv, q);
  gen_set_entry(g, &e->v, l[2].iv, p, gen_pick(g, &swap, y, x));
  gen_set_entry(g, &e->v, l[2].iv, q, gen_pick(g, &swap, x, y));
  cg_loop_end(g->e, &l[2]);
  cg_loop_end(g->e, &l[1]);
  cg_loop_end(g->e, &l[0]);
}

/* 1 or -1, for a column. */
static CgVec sign(Gen *g, const Eigh *e, CgLoop *l, LLVMValueRef col) {
  CgVec zero = gen_lanes(g, e->v.t, number(g, 0));
  cg_loop_begin(g->e, l, e->zero, e->n, 1);
  CgVec most = gen_carried(g, l, zero);
  gen_carry(g, l, 0, gen_binary(g, OP_max, most, gen_unary(g, OP_abs, gen_entry(g, &e->v, l->iv, col))));
  cg_loop_end(g->e, l);
  CgVec least = mul(g, number(g, EIGH_LEAST), gen_last(g, l, 0, e->v.t.lane));
  cg_loop_begin(g->e, l, e->zero, e->n, 1);
  CgVec was = gen_carried(g, l, zero), x = gen_entry(g, &e->v, l->iv, col);
  CgVec open = gen_binary(g, OP_eq, was, zero), enough = gen_binary(g, OP_le, least, gen_unary(g, OP_abs, x));
  CgVec take = gen_binary(g, OP_and, open, enough), minus = gen_binary(g, OP_lt, x, zero);
  gen_carry(g, l, 0, gen_pick(g, &take, gen_pick(g, &minus, number(g, -1), number(g, 1)), was));
  cg_loop_end(g->e, l);
  return gen_last(g, l, 0, e->v.t.lane);
}

static void finish(Gen *g, const Eigh *e) {
  CgLoop *l = e->loop;
  cg_loop_begin(g->e, &l[0], e->zero, e->n, 1);
  CgVec way = sign(g, e, &l[1], l[0].iv);
  cg_loop_begin(g->e, &l[1], e->zero, e->n, 1);
  gen_set_entry(g, &e->v, l[1].iv, l[0].iv, gen_fma(g, way, gen_entry(g, &e->v, l[1].iv, l[0].iv), e->lost));
  cg_loop_end(g->e, &l[1]);
  gen_set_entry(g, &e->v, e->n, l[0].iv, add(g, gen_entry(g, &e->v, e->n, l[0].iv), e->lost));
  cg_loop_end(g->e, &l[0]);
}

void gen_eigh(Gen *g, Frame *fr, const Group *gr) {
  const Fn *f = fr->p->f;
  const Inst *i = ir_inst(f, gr->main);
  Val a = ir_arg(f, i, 0);
  int64_t n = i->type.dim[1];
  Eigh e = {.n = cg_i64(g->e, n), .zero = cg_i64(g->e, 0), .one = cg_i64(g->e, 1)};
  e.a = (Matrix){ir_type(f, a), gen_scratch(g, gr->work), gen_tile_ld(g), n};
  e.v = (Matrix){.t = i->type, .cols = n};
  gen_memory(g, fr, gr->main, &e.v.base, &e.v.ld);
  e.loop = base_realloc(NULL, 5 * sizeof *e.loop);
  begin(g, fr, a, &e);
  sweeps(g, &e);
  order(g, &e);
  finish(g, &e);
  base_free(e.loop);
}
