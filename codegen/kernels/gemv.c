/* For one sample, y = A x and sums of outer products g xT. y = A x: vectors run along rows or columns of A, whichever is contiguous, and A is read once.
 *
 * RowBlock contiguous: as many rows at a time as a vector has lanes, each with a vector of sums along k; these are added
 * up by a tree that leaves the sum of row i in lane i. (Few of them close together are read as columns of a stride.) ColumnBlock contiguous: a block of y stays in registers for all of
 * k. Short columns keep several sums for each element, so that the latency of a multiply-add is covered. */
#include "codegen/kernels/gemm_priv.h"

enum { MAX_LANES = 64 };

static bool short_stride(const CgTuning *t, unsigned vl, int64_t as_i) {
  return as_i > 1 && as_i <= t->gemv_stride && as_i * vl <= MAX_LANES;
}

bool cg_gemv_takes(const CgTuning *t, unsigned vl, int64_t as_i, int64_t as_k, int64_t x_k) {
  return as_i == 1 || (as_k == 1 && x_k == 1) || short_stride(t, vl, as_i);
}

/* ---- contiguous rows ---------------------------------------------------------------------------------------------- */

typedef struct RowBlock {
  const CgGemv *g;
  int64_t rows, row0;
} RowBlock;

static void add_part(CgEmit *e, const RowBlock *t, const LLVMValueRef *at, unsigned n, LLVMValueRef *acc) {
  LLVMValueRef x = cg_load_part(e, at[1], e->vl, n);
  for (int64_t r = 0; r < t->rows; r++) {
    LLVMValueRef row = cg_load_part(e, cg_gep(e, at[0], cg_i64(e, r * t->g->as_i)), e->vl, n);
    acc[r] = cg_fma(e, row, x, acc[r]);
  }
}

static void add_vector(CgEmit *e, void *ctx, const LLVMValueRef *at, int q, LLVMValueRef *acc) {
  const LLVMValueRef n = cg_i64(e, q * (int64_t)e->vl), a = cg_gep(e, at[0], n), x = cg_gep(e, at[1], n);
  const LLVMValueRef here[2] = {a, x};
  add_part(e, ctx, here, e->vl, acc);
}

/* v[0..vl) -> a vector whose lane i is the sum of v[i]. Vectors are joined by pairs: with m rows in each, row r in lanes
 * [r vl/m, (r + 1) vl/m), two of them become one with 2m rows in half as many lanes. */
static LLVMValueRef sum_rows(CgEmit *e, LLVMValueRef *v) {
  int vl = (int)e->vl, lo[MAX_LANES], hi[MAX_LANES];
  for (int m = 1; m < vl; m *= 2) {
    int s = vl / m, half = s / 2;
    for (int k = 0; k < vl; k++) {
      int group = k / half, from = (group < m ? 0 : vl) + group % m * s + k % half;
      lo[k] = from, hi[k] = from + half;
    }
    for (int i = 0; i < vl / m / 2; i++) {
      LLVMValueRef a = cg_shuffle(e, v[2 * i], v[2 * i + 1], lo, e->vl), b = cg_shuffle(e, v[2 * i], v[2 * i + 1], hi, e->vl);
      v[i] = LLVMBuildFAdd(e->b, a, b, "");
    }
  }
  return v[0];
}

static void rows_at(CgEmit *e, void *ctx, LLVMValueRef at) {
  RowBlock *t = ctx;
  LLVMValueRef acc[MAX_LANES], row = cg_iadd(e, at, cg_i64(e, t->row0));
  int64_t K = t->g->K, vl = e->vl, full = K / vl;
  for (int64_t r = 0; r < vl; r++) acc[r] = cg_real(e, 0, e->vl);
  const LLVMValueRef a = cg_gep(e, t->g->a, cg_imul(e, row, cg_i64(e, t->g->as_i))), done = cg_i64(e, full * vl);
  const GemmPair first = {{a, t->g->x}, {cg_i64(e, vl), cg_i64(e, vl)}};
  gemm_sum(e, first, full, 1, acc, (int)t->rows, add_vector, t);
  if (K % vl) {
    LLVMValueRef rest[2] = {cg_gep(e, a, done)};
    rest[1] = cg_gep(e, t->g->x, done);
    add_part(e, t, rest, (unsigned)(K % vl), acc);
  }
  cg_store_part(e, sum_rows(e, acc), cg_gep(e, t->g->y, row), e->vl, (unsigned)t->rows);
}

static void by_rows(CgEmit *e, const CgGemv *g) {
  int64_t vl = e->vl, full = g->M / vl;
  RowBlock t = {.g = g, .rows = vl};
  gemm_each(e, full, vl, rows_at, &t);
  t.row0 = full * vl, t.rows = g->M % vl;
  if (t.rows) rows_at(e, &t, cg_i64(e, 0));
}

/* ---- contiguous columns ----------------------------------------------------------------------------------------------- */

typedef struct ColumnBlock {
  const CgGemv *g;
  int nv, splits;
  unsigned last;
  int64_t from;
  LLVMValueRef i;
} ColumnBlock;

/* n reals that are `stride` apart. */
static LLVMValueRef load_strided(CgEmit *e, LLVMValueRef p, int64_t stride, unsigned n) {
  int mask[MAX_LANES];
  if (stride == 1) return cg_load_part(e, p, e->vl, n);
  for (unsigned k = 0; k < e->vl; k++) mask[k] = (int)(k * stride);
  LLVMValueRef all = cg_load_part(e, p, e->vl * (unsigned)stride, (n - 1) * (unsigned)stride + 1);
  return cg_shuffle(e, all, LLVMGetPoison(LLVMTypeOf(all)), mask, e->vl);
}

static void add_column(CgEmit *e, void *ctx, const LLVMValueRef *at, int q, LLVMValueRef *acc) {
  const ColumnBlock *t = ctx;
  const CgGemv *g = t->g;
  LLVMValueRef a = cg_gep(e, at[0], cg_i64(e, q * g->as_k)), x = cg_load(e, cg_gep(e, at[1], cg_i64(e, q * g->x_k)), 1);
  acc += q % t->splits * t->nv;
  x = cg_splat(e, x, e->vl);
  for (int j = 0; j < t->nv; j++) {
    LLVMValueRef p = cg_gep(e, a, cg_i64(e, j * (int64_t)e->vl * g->as_i));
    acc[j] = cg_fma(e, x, load_strided(e, p, g->as_i, j + 1 < t->nv ? e->vl : t->last), acc[j]);
  }
}

static int splits_for(const CgEmit *e, const CgGemv *g, int nv) {
  int splits = e->target->tune->gemv_splits, most = (int)GEMM_TUNED(e, gemv_vectors);
  while (splits > 1 && (splits * nv > most || splits > g->K)) splits /= 2;
  return splits;
}

static void columns_at(CgEmit *e, void *ctx, LLVMValueRef at) {
  ColumnBlock *t = ctx;
  LLVMValueRef acc[GEMM_MAX_ACC * 2];
  t->i = cg_iadd(e, at, cg_i64(e, t->from));
  t->splits = splits_for(e, t->g, t->nv);
  int n = t->nv * t->splits;
  for (int j = 0; j < n; j++) acc[j] = cg_real(e, 0, e->vl);
  const GemmPair first = {{cg_gep(e, t->g->a, cg_imul(e, t->i, cg_i64(e, t->g->as_i))), t->g->x},
                          {cg_i64(e, t->g->as_k), cg_i64(e, t->g->x_k)}};
  gemm_sum(e, first, t->g->K, t->splits > 2 ? t->splits : 2, acc, n, add_column, t);
  for (int half = n / 2; half >= t->nv; half /= 2)
    for (int j = 0; j < half; j++) acc[j] = LLVMBuildFAdd(e->b, acc[j], acc[j + half], "");
  for (int j = 0; j < t->nv; j++) {
    LLVMValueRef to = cg_gep(e, cg_gep(e, t->g->y, t->i), cg_i64(e, j * (int64_t)e->vl));
    cg_store_part(e, acc[j], to, e->vl, j + 1 < t->nv ? e->vl : t->last);
  }
}

static void by_columns(CgEmit *e, const CgGemv *g) {
  int64_t vl = e->vl, vectors = (g->M + vl - 1) / vl, most = GEMM_TUNED(e, gemv_vectors), blocks = (vectors + most - 1) / most;
  int64_t per = (vectors + blocks - 1) / blocks, whole = g->M / vl / per;
  ColumnBlock t = {.g = g, .nv = (int)per, .last = e->vl};
  gemm_each(e, whole, per * vl, columns_at, &t);
  t.from = whole * per * vl;
  if (t.from == g->M) return;
  t.nv = (int)(vectors - whole * per), t.last = (unsigned)(g->M - (vectors - 1) * vl);
  columns_at(e, &t, cg_i64(e, 0));
}

void cg_gemv(CgEmit *e, const CgGemv *g) {
  const CgTuning *t = e->target->tune;
  bool rows = g->as_k == 1 && g->x_k == 1, few = g->K <= t->gemv_stride && short_stride(t, e->vl, g->as_i);
  if (g->as_i == 1 || !rows || few) by_columns(e, g);
  else by_rows(e, g);
}

/* ---- outer products ------------------------------------------------------------------------------------------------------ */

enum { MAX_ROWS = 8 };

typedef struct Outer {
  const CgDw *w;
  int64_t row0, rows;
  LLVMValueRef d, g[MAX_ROWS][CG_DW_PAIRS];
} Outer;

/* n elements from k on; a number that is a vector's length is one (stores of a part are slow). */
static void outer_part(CgEmit *e, const Outer *t, LLVMValueRef k, unsigned n) {
  LLVMValueRef x[CG_DW_PAIRS];
  unsigned vl = n & (n - 1) ? e->vl : n;
  for (int p = 0; p < t->w->npair; p++) x[p] = cg_load_part(e, cg_gep(e, t->w->pair[p].xt, k), vl, n);
  for (int64_t r = 0; r < t->rows; r++) {
    LLVMValueRef d = cg_gep(e, cg_gep(e, t->d, k), cg_i64(e, r * t->w->ldd)), sum;
    LLVMValueRef g = cg_splat(e, t->g[r][0], vl);
    sum = t->w->set ? LLVMBuildFMul(e->b, g, x[0], "") : cg_fma(e, g, x[0], cg_load_part(e, d, vl, n));
    for (int p = 1; p < t->w->npair; p++) sum = cg_fma(e, cg_splat(e, t->g[r][p], vl), x[p], sum);
    cg_store_part(e, sum, d, vl, n);
  }
}

static void outer_vector(CgEmit *e, void *ctx, LLVMValueRef at) { outer_part(e, ctx, at, e->vl); }

static void outer_rows(CgEmit *e, void *ctx, LLVMValueRef at) {
  Outer *t = ctx;
  int64_t vl = e->vl, full = t->w->K / vl;
  LLVMValueRef row = cg_iadd(e, at, cg_i64(e, t->row0));
  t->d = cg_gep(e, t->w->d, cg_imul(e, row, cg_i64(e, t->w->ldd)));
  for (int64_t r = 0; r < t->rows; r++)
    for (int p = 0; p < t->w->npair; p++) {
      LLVMValueRef g = cg_gep(e, t->w->pair[p].g, cg_imul(e, cg_iadd(e, row, cg_i64(e, r)), t->w->pair[p].ldg));
      t->g[r][p] = cg_load(e, g, 1);
    }
  if (full <= e->target->tune->outer_straight)
    for (int64_t k = 0; k < full; k++) outer_part(e, t, cg_i64(e, k * vl), e->vl);
  else gemm_each(e, full, vl, outer_vector, t);
  if (t->w->K % vl) outer_part(e, t, cg_i64(e, full * vl), (unsigned)(t->w->K % vl));
}

void cg_outer(CgEmit *e, const CgDw *w) {
  int64_t rows = e->target->tune->outer_rows;
  Outer t = {.w = w, .rows = rows};
  if (w->npair > CG_DW_PAIRS || rows > MAX_ROWS) base_fault("codegen: too many outer products in one sum");
  gemm_each(e, w->M / rows, rows, outer_rows, &t);
  t.row0 = w->M / rows * rows, t.rows = w->M % rows;
  if (t.rows) outer_rows(e, &t, cg_i64(e, 0));
}
