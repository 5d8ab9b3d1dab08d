/* Sums over the samples, and over places within one, of products of two per-sample values: D[m][k] += sum over r, l of G[m][r][l] X[k][r][l].
 *
 * A register tile of rows by columns of D holds sums of whole vectors of lanes, through all places; the lanes are added up last. So
 * neither operand is transposed, and D is read and written once: what weight gradients of convolutions want, whose places are the
 * pixels. Tiles as in gemm_dw.c (6 x 4 with 32 registers, 6 x 2 with 16), columns first. */
#include "codegen/kernels/gemm_priv.h"

typedef struct Tile {
  const CgPlaces *w;
  int64_t rows, cols, row0, col0;
  LLVMValueRef row, col;
  int depth;         /* in the loops over places; behind them come the vectors of lanes */
  LLVMValueRef g, x; /* at the tile's first row and column, and the turns of these loops */
} Tile;

static void add_vector(CgEmit *e, void *ctx, LLVMValueRef k, int q, LLVMValueRef *acc) {
  const Tile *t = ctx;
  const LLVMValueRef lane = cg_imul(e, cg_iadd(e, k, cg_i64(e, q)), cg_i64(e, e->vl));
  LLVMValueRef x[GEMM_MAX_ACC];
  for (int64_t c = 0; c < t->cols; c++)
    x[c] = cg_load(e, cg_gep(e, cg_gep(e, t->x, lane), cg_imul(e, t->w->ldx, cg_i64(e, c))), e->vl);
  for (int64_t r = 0; r < t->rows; r++) {
    LLVMValueRef g = cg_load(e, cg_gep(e, cg_gep(e, t->g, lane), cg_imul(e, t->w->ldg, cg_i64(e, r))), e->vl);
    for (int64_t c = 0; c < t->cols; c++) acc[r * t->cols + c] = cg_fma(e, g, x[c], acc[r * t->cols + c]);
  }
}

static void add_places(CgEmit *e, Tile *t, LLVMValueRef *acc);

static void add_place(CgEmit *e, void *ctx, LLVMValueRef k, int q, LLVMValueRef *acc) {
  Tile t = *(const Tile *)ctx;
  const CgPlace *l = &t.w->loop[t.depth++];
  const LLVMValueRef turn = cg_iadd(e, k, cg_i64(e, q));
  t.g = cg_gep(e, t.g, cg_imul(e, turn, l->g));
  t.x = cg_gep(e, t.x, cg_imul(e, turn, l->x));
  add_places(e, &t, acc);
}

static void add_places(CgEmit *e, Tile *t, LLVMValueRef *acc) {
  const int n = (int)(t->rows * t->cols);
  if (t->depth == t->w->nloop) gemm_sum(e, t->w->lanes / e->vl, 1, acc, n, add_vector, t);
  else gemm_sum(e, t->w->loop[t->depth].n, 1, acc, n, add_place, t);
}

static void store_sums(CgEmit *e, const Tile *t, LLVMValueRef *acc) {
  for (int64_t r = 0; r < t->rows; r++)
    for (int64_t c = 0; c < t->cols; c++) {
      const LLVMValueRef at = cg_iadd(e, cg_imul(e, cg_iadd(e, t->row, cg_i64(e, r)), cg_i64(e, t->w->ldd)),
                                      cg_imul(e, cg_iadd(e, t->col, cg_i64(e, c)), cg_i64(e, t->w->ldk)));
      const LLVMValueRef p = cg_gep(e, t->w->d, at), sum = cg_sum_lanes(e, acc[r * t->cols + c], e->vl);
      cg_store(e, LLVMBuildFAdd(e->b, gemm_load_unless(e, t->w->set, p, 1), sum, ""), p);
    }
}

static void row_tile(CgEmit *e, void *ctx, LLVMValueRef at) {
  Tile *t = ctx;
  LLVMValueRef acc[GEMM_MAX_ACC];
  t->row = cg_iadd(e, at, cg_i64(e, t->row0));
  t->depth = 0;
  t->g = cg_gep(e, t->w->g, cg_imul(e, t->row, t->w->ldg));
  t->x = cg_gep(e, t->w->x, cg_imul(e, t->col, t->w->ldx));
  for (int64_t k = 0; k < t->rows * t->cols; k++) acc[k] = cg_real(e, 0, e->vl);
  add_places(e, t, acc);
  store_sums(e, t, acc);
}

static void column_block(CgEmit *e, void *ctx, LLVMValueRef at) {
  Tile *t = ctx;
  const int64_t M = t->w->M, rows = gemm_rows(M, gemm_max_rows(e, (int)t->cols)), full = M / rows * rows;
  t->col = cg_iadd(e, at, cg_i64(e, t->col0));
  t->row0 = 0, t->rows = rows;
  gemm_each(e, full / rows, rows, row_tile, t);
  t->row0 = full, t->rows = M - full;
  if (t->rows) row_tile(e, t, cg_i64(e, 0));
}

void cg_places(CgEmit *e, const CgPlaces *w) {
  const int64_t most = gemm_rows(w->K, GEMM_TUNED(e, dw_vectors)), full = w->K / most * most;
  Tile t = {.w = w, .cols = most};
  gemm_each(e, full / most, most, column_block, &t);
  t.col0 = full, t.cols = w->K - full;
  if (t.cols) column_block(e, &t, cg_i64(e, 0));
}
