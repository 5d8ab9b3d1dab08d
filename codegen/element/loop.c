/* Loops over the elements of a value, and what needs no more than one: fills and copies. */
#include "codegen/element/element.h"

/* ---- loops ------------------------------------------------------------------------------------------------- */

/* Values that go around the loops: each element of the sums. */
static void each_sum(Gen *g, CgLoop *l, void (*f)(Gen *g, CgLoop *l, unsigned number, LLVMValueRef *v)) {
  unsigned number = 0;
  for (uint32_t k = 0; k < g->nsum; k++) {
    Type t = g->sum[k].t;
    for (int64_t n = 0; n < type_count(t); n++)
      for (unsigned v = 0; v < (t.lane ? g->e->nv : 1); v++) f(g, l, number++, &g->sum[k].v[n].v[v]);
  }
}

static void sum_enters(Gen *g, CgLoop *l, unsigned number, LLVMValueRef *v) {
  (void)number;
  *v = cg_loop_phi(g->e, l, *v);
}

static void sum_goes_on(Gen *g, CgLoop *l, unsigned number, LLVMValueRef *v) {
  (void)g;
  cg_loop_next(l, number, *v);
}

static void loop_begin(Gen *g, CgLoop *l, int64_t n, bool sums) {
  cg_loop_begin(g->e, l, cg_i64(g->e, 0), cg_i64(g->e, n), 1);
  if (sums) each_sum(g, l, sum_enters);
}

void gen_nest_sums(Gen *g, uint32_t rank, const uint32_t *dim, bool flat, NestFn body, void *ctx, bool sums) {
  CgLoop *loop = base_realloc(NULL, sizeof *loop * IR_MAX_RANK);
  Idx at = {.axes = !flat || rank < 2};
  uint32_t loops = 0;
  int64_t n = 1;
  for (uint32_t k = 0; k < rank; k++) n *= dim[k];
  if (n == 0) {
    base_free(loop);
    return;
  }
  if (flat && rank > 1) {
    loop_begin(g, &loop[loops], n, sums);
    at.lin = loop[loops++].iv;
  } else
    for (uint32_t k = 0; k < rank; k++) {
      at.ax[k] = cg_i64(g->e, 0);
      if (dim[k] == 1) continue;
      loop_begin(g, &loop[loops], dim[k], sums);
      at.ax[k] = loop[loops++].iv;
    }
  if (rank == 1) at.lin = at.ax[0];
  gen_forget(g);
  body(g, ctx, &at);
  gen_forget(g);
  while (loops-- > 0) {
    if (sums) each_sum(g, &loop[loops], sum_goes_on);
    cg_loop_end(g->e, &loop[loops]);
  }
  base_free(loop);
}

void gen_nest_rows(Gen *g, uint32_t rank, const uint32_t *dim, LLVMValueRef lo, LLVMValueRef hi, NestFn body, void *ctx) {
  CgLoop *loop = base_realloc(NULL, sizeof *loop * IR_MAX_RANK);
  Idx at = {.axes = true};
  for (uint32_t k = 0; k < rank; k++) {
    cg_loop_begin(g->e, &loop[k], k ? cg_i64(g->e, 0) : lo, k ? cg_i64(g->e, dim[k]) : hi, 1);
    at.ax[k] = loop[k].iv;
  }
  if (rank == 1) at.lin = at.ax[0];
  gen_forget(g);
  body(g, ctx, &at);
  gen_forget(g);
  for (uint32_t k = rank; k-- > 0;) cg_loop_end(g->e, &loop[k]);
  base_free(loop);
}

void gen_nest(Gen *g, uint32_t rank, const uint32_t *dim, bool flat, NestFn body, void *ctx) {
  gen_nest_sums(g, rank, dim, flat, body, ctx, false);
}

void gen_zero(Gen *g, LLVMValueRef base, int64_t bytes) {
  if (bytes) g->kernel->zero(g->e, base, cg_i64(g->e, bytes));
}

/* ---- fills and copies ----------------------------------------------------------------------------------------------- */

typedef struct Constant {
  LLVMValueRef base, ld;
  Type t;
  double v;
} Constant;
static void fill_one(Gen *g, void *ctx, Idx *at) {
  Constant *f = ctx;
  CgVec x = gen_real(g, f->v, f->t.lane);
  gen_store(g, f->t, f->base, f->ld, gen_lin(g, f->t, at), &x);
}

void gen_fill(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, double v) {
  int64_t width = g->e->tile;
  if (v == 0 && t.dt == DT_REAL && (!t.lane || (cg_is_int(ld, &width) && width == g->e->tile))) {
    gen_zero(g, base, type_count(t) * (t.lane ? width : 1) * g->e->es);
    return;
  }
  Constant f = {base, ld, t, v};
  gen_nest(g, t.rank, t.dim, true, fill_one, &f);
}

typedef struct Copied {
  Frame *fr;
  Val x;
  Type t; /* of what is written */
  LLVMValueRef base, ld;
  bool add;
} Copied;

static void copy_one(Gen *g, void *ctx, Idx *at) {
  Copied *f = ctx;
  CgVec x = gen_at(g, f->fr, f->x, at);
  LLVMValueRef lin = gen_lin(g, f->t, at);
  if (f->add) gen_add(g, f->t, f->base, f->ld, lin, &x);
  else gen_store(g, f->t, f->base, f->ld, lin, &x);
}

/* Elements by an index table, one sample: several a turn, which is otherwise no more than the turn itself. */
static void copy_row(Gen *g, Copied *f) {
  const int64_t step = g->tune->copy_elements;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(g->e, loop, cg_i64(g->e, 0), cg_i64(g->e, f->t.dim[0]), step);
  for (int64_t k = 0; k < step; k++) {
    Idx at = {.axes = true};
    at.lin = at.ax[0] = cg_iadd(g->e, loop->iv, cg_i64(g->e, k));
    gen_forget(g);
    copy_one(g, f, &at);
  }
  gen_forget(g);
  cg_loop_end(g->e, loop);
  base_free(loop);
}

void gen_copy(Gen *g, Frame *fr, Val v, Type t, LLVMValueRef base, LLVMValueRef ld, bool add) {
  Copied f = {.fr = fr, .x = v, .t = t, .base = base, .ld = ld, .add = add};
  if (g->e->tile == 1 && t.rank == 1 && !plan_is_tiny(fr->p, t) && t.dim[0] % g->tune->copy_elements == 0 &&
      ir_inst(fr->p->f, v)->op == OP_take) {
    copy_row(g, &f);
    return;
  }
  if (!plan_is_tiny(fr->p, t)) {
    gen_nest(g, t.rank, t.dim, false, copy_one, &f);
    return;
  }
  for (int64_t k = 0; k < type_count(t); k++) {
    Idx at = gen_const_idx(g, t, k);
    copy_one(g, &f, &at);
  }
}
