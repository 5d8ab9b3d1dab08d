/* Loops over elements with vectors along them. A loop is cut where what is read changes (plan_wide.c); of each stretch
 * between cuts the middle runs by whole vectors at positions that are multiples of the vector, what is left at its ends
 * as parts of a vector, whose other lanes are neither read nor written. */
#include "codegen/gen/gen_priv.h"

#include <string.h>

/* ---- positions ------------------------------------------------------------------------------------------------ */

bool gen_wide_distance(const Gen *g, LLVMValueRef lin, int64_t *c) {
  int64_t at, lo;
  if (cg_is_int(lin, &at) && cg_is_int(g->wide_iv, &lo)) return *c = at - lo, true;
  for (int k = 0; k < g->nshift; k++)
    if (g->shift[k].v == lin) return *c = g->shift[k].c, true;
  return false;
}

LLVMValueRef gen_shift(Gen *g, LLVMValueRef lin, int64_t by) {
  int64_t c;
  if (!g->wide || cg_is_int(lin, &c) || !gen_wide_distance(g, lin, &c)) return cg_iadd(g->e, lin, cg_i64(g->e, by));
  c += by;
  for (int k = 0; k < g->nshift; k++)
    if (g->shift[k].c == c) return g->shift[k].v;
  LLVMValueRef v = cg_iadd(g->e, g->wide_iv, cg_i64(g->e, c));
  if (g->nshift < GEN_SHIFTS) g->shift[g->nshift].c = c, g->shift[g->nshift++].v = v;
  return v;
}

Idx gen_wide_idx(Type t, LLVMValueRef lin) {
  Idx at = {.lin = lin, .axes = t.rank < 2};
  if (t.rank == 1) at.ax[0] = lin;
  return at;
}

bool gen_wide_first(const Gen *g, LLVMValueRef lin, int64_t *first) {
  int64_t c;
  if (!gen_wide_distance(g, lin, &c)) return false;
  *first = g->wide_lo + c;
  return true;
}

/* ---- loops ---------------------------------------------------------------------------------------------------------- */

typedef struct Wide {
  NestFn body;
  void *ctx;
} Wide;

static void at_position(Gen *g, const Wide *w, LLVMValueRef iv, unsigned vl, unsigned part, int rank) {
  g->wide_iv = iv, g->shift[0].v = iv, g->shift[0].c = 0, g->nshift = 1;
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
  g->wide_lo = lo, g->wide_hi = hi;
  rest(g, w, lo, from - lo, rank);
  if (to - from == vl) at_position(g, w, cg_i64(g->e, from), (unsigned)vl, 0, rank);
  else if (to > from) {
    CgLoop *loop = base_realloc(NULL, sizeof *loop);
    cg_loop_begin(g->e, loop, cg_i64(g->e, from), cg_i64(g->e, to), vl);
    at_position(g, w, loop->iv, (unsigned)vl, 0, rank);
    cg_loop_end(g->e, loop);
    free(loop);
  }
  rest(g, w, to, hi - to, rank);
}

void gen_wide_nest(Gen *g, int rank, int64_t n, const PlanCuts *cuts, NestFn body, void *ctx) {
  Wide w = {body, ctx};
  CgEmit saved = *g->e;
  g->wide = true, g->e->nv = 1;
  for (int k = 0; k <= cuts->n; k++) stretch(g, &w, k ? cuts->at[k - 1] : 0, k < cuts->n ? cuts->at[k] : n, rank);
  g->wide = false, g->part = 0;
  g->e->vl = saved.vl, g->e->nv = saved.nv;
}
