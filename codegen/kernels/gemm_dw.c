/* Sums over the samples of products of two per-sample values: D += G X^T.
 *
 * cg_dw: with X transposed to [lane][k], the product is one with contiguous k: vectors over k, G broadcast, a
 * register tile of rows by vectors (6 x 4 with 32 registers, 6 x 2 with 16), the sum over the lanes innermost. */
#include "codegen/kernels/gemm_priv.h"

/* ---- one register tile --------------------------------------------------------------------------------- */

enum { DW_MAX_VECTORS = 5 };

typedef struct ColumnBlock { /* of consecutive k */
  int nv;
  unsigned width[DW_MAX_VECTORS]; /* lanes of each vector */
  unsigned used[DW_MAX_VECTORS];  /* of these, the ones with k < K */
} ColumnBlock;

typedef struct Tile {
  const CgDw *w;
  ColumnBlock blk;
  int64_t row0, rows, k0;
  LLVMValueRef row, k;
  const CgDwPair *pair;
} Tile;

static int64_t offset_of(const Tile *t, int j) {
  int64_t at = 0;
  for (int i = 0; i < j; i++) at += t->blk.width[i];
  return at;
}

static LLVMValueRef place(CgEmit *e, const Tile *t, int64_t r, int j) {
  LLVMValueRef row = cg_imul(e, t->row, cg_i64(e, t->w->ldd));
  LLVMValueRef p = cg_gep(e, t->w->d, cg_iadd(e, row, t->k));
  return cg_gep(e, p, cg_i64(e, r * t->w->ldd + offset_of(t, j)));
}

static bool whole(const Tile *t, int j) { return t->blk.used[j] == t->blk.width[j]; }

static void start_sums(CgEmit *e, const Tile *t, LLVMValueRef *acc) {
  for (int64_t r = 0; r < t->rows; r++)
    for (int j = 0; j < t->blk.nv; j++)
      acc[r * t->blk.nv + j] =
          whole(t, j) ? gemm_load_unless(e, t->w->set, place(e, t, r, j), t->blk.width[j]) : cg_real(e, 0, t->blk.width[j]);
}

/* D of the next row tile, from the second-level cache, while this one is summed up: 1 % of a step where multiply-adds take half the time. */
static void fetch_next(CgEmit *e, const Tile *t) {
  LLVMValueRef arg[4] = {NULL, cg_i32(e, 1), cg_i32(e, 3), cg_i32(e, 1)}; /* to be written, to the first level, data */
  for (int64_t r = 0; r < t->rows; r++)
    for (int j = 0; j < t->blk.nv; j++) {
      arg[0] = place(e, t, t->rows + r, j);
      cg_intrinsic(e, "llvm.prefetch", &e->ptr, 1, arg, 4);
    }
}

static void store_sums(CgEmit *e, const Tile *t, LLVMValueRef *acc) {
  for (int64_t r = 0; r < t->rows; r++)
    for (int j = 0; j < t->blk.nv; j++)
      gemm_store_first(e, acc[r * t->blk.nv + j], t->blk.width[j], t->blk.used[j], place(e, t, r, j), !whole(t, j), t->w->set);
}

/* Rows of G are reached one from the other: their distances, if known at run time alone, would each take a register. */
static void add_lane(CgEmit *e, void *ctx, const LLVMValueRef *at, int q, LLVMValueRef *acc) {
  const Tile *t = ctx;
  LLVMValueRef row = at[0], xt = cg_gep(e, at[1], cg_i64(e, q * cg_dw_ldt(e, t->w->K))), x[DW_MAX_VECTORS];
  for (int j = 0; j < t->blk.nv; j++) x[j] = cg_load(e, cg_gep(e, xt, cg_i64(e, offset_of(t, j))), t->blk.width[j]);
  for (int64_t r = 0; r < t->rows; r++) {
    if (r) row = cg_gep(e, row, t->pair->ldg);
    LLVMValueRef s = cg_load(e, cg_gep(e, row, cg_i64(e, q)), 1), wide = NULL;
    for (int j = 0; j < t->blk.nv; j++) {
      if (j == 0 || t->blk.width[j] != t->blk.width[j - 1]) wide = cg_splat(e, s, t->blk.width[j]);
      acc[r * t->blk.nv + j] = cg_fma(e, wide, x[j], acc[r * t->blk.nv + j]);
    }
  }
}

static void add_pair(CgEmit *e, void *ctx, const LLVMValueRef *at, int q, LLVMValueRef *acc) {
  Tile *t = ctx;
  GemmPair first = {.step = {cg_i64(e, 1), cg_i64(e, cg_dw_ldt(e, t->w->K))}};
  first.at[0] = cg_gep(e, at[0], cg_i64(e, q * t->pair->g_r));
  first.at[1] = cg_gep(e, at[1], cg_i64(e, q * t->pair->xt_r));
  const int sums = (int)t->rows * t->blk.nv, step = (int)e->target->tune->dw_step;
  if (t->w->used) gemm_sum_upto(e, first, t->w->used, step, acc, sums, add_lane, t);
  else gemm_sum(e, first, t->w->lanes, step, acc, sums, add_lane, t);
}

static void row_tile(CgEmit *e, void *ctx, LLVMValueRef at) {
  Tile *t = ctx;
  LLVMValueRef acc[GEMM_MAX_ACC];
  t->row = cg_iadd(e, at, cg_i64(e, t->row0));
  start_sums(e, t, acc);
  if (e->target->full) fetch_next(e, t);
  for (int i = 0; i < t->w->npair; i++) {
    t->pair = &t->w->pair[i];
    GemmPair first = {.step = {cg_i64(e, t->pair->g_r), cg_i64(e, t->pair->xt_r)}};
    first.at[0] = cg_gep(e, t->pair->g, cg_imul(e, t->row, t->pair->ldg));
    first.at[1] = cg_gep(e, t->pair->xt, t->k);
    gemm_sum(e, first, t->pair->R, 1, acc, (int)t->rows * t->blk.nv, add_pair, t);
  }
  store_sums(e, t, acc);
}

/* ---- the nest ------------------------------------------------------------------------------------------- */

static void column_block(CgEmit *e, void *ctx, LLVMValueRef at) {
  Tile *t = ctx;
  int64_t M = t->w->M, rows = gemm_rows(M, gemm_max_rows(e, t->blk.nv)), full = M / rows * rows;
  t->k = cg_iadd(e, at, cg_i64(e, t->k0));
  t->row0 = 0;
  t->rows = rows;
  gemm_each(e, full / rows, rows, row_tile, t);
  t->row0 = full;
  t->rows = M - full;
  if (t->rows) row_tile(e, t, cg_i64(e, 0));
}

static unsigned power_of_two_from(unsigned n) {
  unsigned w = 1;
  while (w < n) w *= 2;
  return w;
}

void cg_dw(CgEmit *e, const CgDw *w) {
  int64_t vl = e->vl, vectors = w->K / vl;
  unsigned tail = (unsigned)(w->K % vl);
  int most = GEMM_TUNED(e, dw_vectors);
  Tile t = {.w = w, .blk = {.nv = most}};
  for (int j = 0; j < DW_MAX_VECTORS; j++) t.blk.width[j] = t.blk.used[j] = e->vl;
  gemm_each(e, vectors / most, most * vl, column_block, &t);
  t.k0 = vectors / most * most * vl;
  t.blk.nv = (int)(vectors % most);
  if (tail) {
    t.blk.width[t.blk.nv] = power_of_two_from(tail);
    t.blk.used[t.blk.nv++] = tail;
  }
  if (t.blk.nv) column_block(e, &t, cg_i64(e, 0));
}

int64_t cg_dw_ldt(const CgEmit *e, int64_t K) {
  int64_t vl = e->vl, ldt = (K + vl - 1) / vl * vl;
  return ldt * e->es % e->target->tune->row_period == 0 ? ldt + vl : ldt;
}
