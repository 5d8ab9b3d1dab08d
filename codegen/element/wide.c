/* Loops over elements with vectors along them. A loop is cut where what is read changes (plan_wide.c); of each stretch
 * between cuts the middle runs by whole vectors at positions that are multiples of the vector, what is left at its ends
 * as parts of a vector, whose other lanes are neither read nor written. */
#include "codegen/element/element.h"

#include <string.h>

/* ---- positions ------------------------------------------------------------------------------------------------ */

bool gen_wide_distance(const Gen *g, LLVMValueRef lin, int64_t *c) {
  const Stretch *s = &g->stretch;
  int64_t at, lo;
  if (cg_is_int(lin, &at) && cg_is_int(s->iv, &lo)) return *c = at - lo, true;
  for (int k = 0; k < s->nshift; k++)
    if (s->shift[k].v == lin) return *c = s->shift[k].c, true;
  return false;
}

void gen_wide_position(Gen *g, LLVMValueRef iv) {
  Stretch *s = &g->stretch;
  s->iv = s->shift[0].v = iv, s->shift[0].c = 0, s->nshift = 1;
}

LLVMValueRef gen_shift(Gen *g, LLVMValueRef lin, int64_t by) {
  Stretch *s = &g->stretch;
  int64_t c;
  if (cg_is_int(lin, &c) || !gen_wide_distance(g, lin, &c)) return cg_iadd(g->e, lin, cg_i64(g->e, by));
  c += by;
  for (int k = 0; k < s->nshift; k++)
    if (s->shift[k].c == c) return s->shift[k].v;
  LLVMValueRef v = cg_iadd(g->e, s->iv, cg_i64(g->e, c));
  if (s->nshift < GEN_SHIFTS) s->shift[s->nshift].c = c, s->shift[s->nshift++].v = v;
  return v;
}

Idx gen_wide_idx(Type t, LLVMValueRef lin) {
  Idx at = {.lin = lin, .axes = t.rank < 2};
  if (t.rank == 1) at.ax[0] = lin;
  return at;
}

/* Where lin is at the beginning of the stretch. */
static bool first_of(const Gen *g, LLVMValueRef lin, int64_t *first) {
  int64_t c;
  if (!gen_wide_distance(g, lin, &c)) return false;
  *first = g->stretch.lo + c;
  return true;
}

/* ---- what is read ---------------------------------------------------------------------------------------------- */

CgVec gen_wide_scalar(Gen *g, Frame *fr, Val v, Idx *at) {
  Entered was = gen_enter(g, &gen_element_reader, 1);
  CgVec x = gen_at(g, fr, v, at);
  gen_leave(g, was);
  x.lane = false;
  return x;
}

/* Tiny values at consecutive positions. */
CgVec gen_wide_tiny(Gen *g, Frame *fr, Val v, int64_t first) {
  unsigned n = g->part ? g->part : g->e->vl;
  if (g->e->vl == 1) return gen_ssa_get(g, fr, v, first);
  LLVMValueRef x = gen_ssa_get(g, fr, v, first).v[0];
  LLVMTypeRef t = LLVMTypeOf(x);
  CgVec out = {.v = {LLVMConstNull(LLVMVectorType(t, g->e->vl))}, .lane = true};
  for (unsigned k = 0; k < n; k++)
    out.v[0] = LLVMBuildInsertElement(g->e->b, out.v[0], gen_ssa_get(g, fr, v, first + k).v[0], cg_i32(g->e, (int32_t)k), "");
  return out;
}

/* Along the first axis, as plan_wide.c allows. */
static CgVec slice(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  Val x = ir_arg(fr->p->f, i, 0);
  Type t = ir_type(fr->p->f, x);
  int64_t row = type_count(t) / t.dim[0];
  Idx to = gen_wide_idx(t, gen_shift(g, gen_lin(g, i->type, at), ir_slice_attr(fr->p->f, i).start * row));
  return gen_at(g, fr, x, &to);
}

static CgVec unslice(Gen *g, Frame *fr, const Inst *i, LLVMValueRef lin, int64_t first) {
  Val x = ir_arg(fr->p->f, i, 0);
  Type t = ir_type(fr->p->f, x);
  int64_t n = t.dim[0], row = type_count(t) / n, start = ir_unslice_attr(fr->p->f, i).start;
  if (first < start * row || first >= (start + n) * row) return gen_real(g, 0, false);
  Idx from = gen_wide_idx(t, gen_shift(g, lin, -start * row));
  return gen_at(g, fr, x, &from);
}

/* One of its operands. */
static CgVec concat(Gen *g, Frame *fr, const Inst *i, LLVMValueRef lin, int64_t first) {
  int64_t at = 0;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val a = ir_arg(fr->p->f, i, k);
    Type t = ir_type(fr->p->f, a);
    if (first < at + type_count(t)) {
      Idx to = gen_wide_idx(t, gen_shift(g, lin, -at));
      return gen_at(g, fr, a, &to);
    }
    at += type_count(t);
  }
  base_fault("codegen: concat beyond its end");
}

bool gen_wide_move(Gen *g, Frame *fr, const Inst *i, Idx *at, CgVec *out) {
  int64_t first;
  if (i->op == OP_slice) return *out = slice(g, fr, i, at), true;
  if ((i->op != OP_unslice && i->op != OP_concat) || !first_of(g, gen_lin(g, i->type, at), &first)) return false;
  *out = i->op == OP_concat ? concat(g, fr, i, at->lin, first) : unslice(g, fr, i, at->lin, first);
  return true;
}

static CgVec wide_at(Gen *g, Frame *fr, Val v, Idx *at) {
  return ir_type(fr->p->f, v).rank == 0 ? gen_wide_scalar(g, fr, v, at) : gen_by_class(g, fr, v, at);
}

const Reader gen_wide_reader = {.along = true, .at = wide_at, .tiny = gen_wide_tiny, .move = gen_wide_move};

/* ---- loops ---------------------------------------------------------------------------------------------------------- */

typedef struct Wide {
  NestFn body;
  void *ctx;
} Wide;

static void at_position(Gen *g, const Wide *w, LLVMValueRef iv, unsigned vl, unsigned part, int rank) {
  gen_wide_position(g, iv);
  g->e->vl = vl, g->part = part;
  Idx at = gen_wide_idx((Type){.rank = (uint8_t)rank}, iv);
  gen_forget(g);
  w->body(g, w->ctx, &at);
  gen_forget(g);
}

static unsigned power_from(int64_t n) {
  unsigned w = 1;
  while (w < n) w *= 2;
  return w;
}

/* Fewer than a vector, from `lo` on. */
static void rest(Gen *g, const Wide *w, int64_t lo, int64_t n, int rank) {
  if (n <= 0) return;
  unsigned vl = power_from(n);
  at_position(g, w, cg_i64(g->e, lo), vl, n < vl ? (unsigned)n : 0, rank);
}

static void stretch(Gen *g, const Wide *w, int64_t lo, int64_t hi, int rank) {
  int64_t vl = g->machine_vl, from = (lo + vl - 1) / vl * vl, to;
  if (hi - lo < g->tune->aligned_from * vl) from = lo;
  to = from + (hi - from) / vl * vl;
  g->stretch.lo = lo;
  rest(g, w, lo, from - lo, rank);
  if (to - from == vl) at_position(g, w, cg_i64(g->e, from), (unsigned)vl, 0, rank);
  else if (to > from) {
    CgLoop *loop = base_realloc(NULL, sizeof *loop);
    cg_loop_begin(g->e, loop, cg_i64(g->e, from), cg_i64(g->e, to), vl);
    at_position(g, w, loop->iv, (unsigned)vl, 0, rank);
    cg_loop_end(g->e, loop);
    base_free(loop);
  }
  rest(g, w, to, hi - to, rank);
}

void gen_wide_nest(Gen *g, int rank, int64_t n, const PlanCuts *cuts, NestFn body, void *ctx) {
  Wide w = {body, ctx};
  Entered was = gen_enter(g, &gen_wide_reader, g->machine_vl);
  for (int k = 0; k <= cuts->n; k++) stretch(g, &w, k ? cuts->at[k - 1] : 0, k < cuts->n ? cuts->at[k] : n, rank);
  gen_leave(g, was);
}
