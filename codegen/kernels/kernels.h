/* Matrix products over a tile of samples, emitted inline at the builder's position as rolled loops
 * around register tiles. Everything here works on the CgEmit's real type and its VL lanes; pointers are
 * LLVM pointers to reals, strides count reals. Sizes are known when the code is emitted; a stride that is
 * an LLVMValueRef is an i64 and may be a run-time value. No pointer needs more than the alignment of
 * a real. The emitters leave the builder at the end of a new block (take LLVMGetInsertBlock after them)
 * and may add allocas to the function's entry block.
 *
 * Layout of lane data: [row][ld], lanes contiguous. `lanes` (a multiple of VL) is the tile T, or T times
 * the size of trailing axes that are shared by the weights: W[i,k] X[k,n,lane] has lanes = n*T.
 *
 * Summation order is fixed by the shapes and the target alone. */
#ifndef HNNC_CODEGEN_KERNELS_KERNELS_H
#define HNNC_CODEGEN_KERNELS_KERNELS_H

#include "codegen/emit/emit.h"

/* ---- C[i][l] = init + sum over terms t, k of A_t[i][k] * X_t[k][l] ------------------------------- */

typedef struct CgGemmTerm {
  int64_t K;
  LLVMValueRef a; /* shared; A(i,k) = a[i*as_i + k*as_k]; A^T is a swap of the strides */
  int64_t as_i, as_k;
  LLVMValueRef x, ldx; /* X(k,l) = x[k*ldx + l] */
} CgGemmTerm;

/* What a callback sees of one row: n consecutive vectors of VL lanes, the first lane being `lane`.
 * v[j] holds lanes [lane + j*VL, lane + (j+1)*VL) of row `row`. row and lane are i64 values. */
typedef struct CgRow {
  LLVMValueRef row, lane;
  int n;
  LLVMValueRef *v;
} CgRow;

typedef struct CgGemm {
  int64_t M, lanes;
  const CgGemmTerm *term;
  int nterm;
  /* Fills r->v with the starting values; NULL: zeros. */
  void (*init)(CgEmit *e, void *ctx, CgRow *r);
  /* Consumes r->v (stores them, after whatever is fused). Called in straight-line code, may emit loops.
   * Rows of one register tile come in increasing order; every (row, lane) comes exactly once at run time. */
  void (*done)(CgEmit *e, void *ctx, CgRow *r);
  void *ctx;
  /* true: `done` is emitted once per register-tile shape, in a loop over the tile's rows that reads the
   * sums from the stack (smaller code: right when done is longer than ~10 instructions a vector);
   * false: once per row of the register tile, on registers. */
  bool roll;
} CgGemm;

void cg_gemm(CgEmit *e, const CgGemm *g);

/* A ready-made `done`: C[row*ldc + lane]; ctx is the CgStoreRows. Also usable for `init` (loads). */
typedef struct CgRows {
  LLVMValueRef p, ld;
} CgRows;
void cg_rows_store(CgEmit *e, void *rows, CgRow *r);
void cg_rows_load(CgEmit *e, void *rows, CgRow *r);
/* A ready-made `init`: bias b[row], splat. ctx is an LLVMValueRef *, the pointer to b. */
void cg_rows_bias(CgEmit *e, void *pointer, CgRow *r);

/* ---- y[i] = sum over k of A[i][k] x[k], one x (gemv.c) ------------------------------------------------ */

typedef struct CgGemv {
  int64_t M, K;
  LLVMValueRef a, x, y; /* A(i,k) = a[i*as_i + k*as_k], x(k) = x[k*x_k], y contiguous */
  int64_t as_i, as_k, x_k;
} CgGemv;

bool cg_gemv_takes(unsigned vl, int64_t as_i, int64_t as_k, int64_t x_k);
void cg_gemv(CgEmit *e, const CgGemv *g);

/* ---- D[m][k] += sum over pairs p, r < R_p, lanes l of G_p[m][r][l] * X_p[k][r][l] ---------------- */

enum { CG_DW_STEP = 4 };

/* The X of a pair is read transposed, from cg_transpose: XT[l][k], one for each r. */
typedef struct CgDwPair {
  LLVMValueRef g, ldg;  /* G(m,r,l) = g[m*ldg + r*g_r + l] */
  LLVMValueRef xt;      /* XT(r,l,k) = xt[r*xt_r + l*ldt + k], ldt = cg_dw_ldt(e, K) */
  int64_t R, g_r, xt_r; /* R = 1 for a plain product; then g_r and xt_r do not matter */
} CgDwPair;

typedef struct CgDw {
  int64_t M, K, lanes; /* lanes: the number of l, usually T; any number >= 1 */
  const CgDwPair *pair;
  int npair; /* stacked: D is read and written once for all of them */
  LLVMValueRef d;
  int64_t ldd;       /* D(m,k) = d[m*ldd + k], ldd >= K; nothing beyond K is touched */
  LLVMValueRef used; /* i64, at run time: only the first lanes count, a positive multiple of CG_DW_STEP; NULL: all */
  LLVMValueRef set;  /* i1, at run time: D = instead of D +=; NULL: never */
} CgDw;

void cg_dw(CgEmit *e, const CgDw *w);
/* The same for one sample: lanes = 1, R = 1; x is read in place, contiguous, and not beyond K. (gemv.c) */
void cg_outer(CgEmit *e, const CgDw *w);

/* Row length of a transposed scratch for K: K rounded up to VL, kept off multiples of 1 KiB. */
int64_t cg_dw_ldt(const CgEmit *e, int64_t K);

/* XT[l][k] = X[k][l] for k < K, l < lanes (a multiple of VL), X(k,l) = x[k*ldx + l]. Writes rows of ldt:
 * columns K .. K rounded up to VL become 0. ldt = cg_dw_ldt(e, K). */
void cg_transpose(CgEmit *e, LLVMValueRef x, LLVMValueRef ldx, int64_t K, int64_t lanes, LLVMValueRef xt, int64_t ldt);

/* True where accumulating over lanes (below) beats cg_transpose + cg_dw for a product of this shape. */
bool cg_dw_prefers_lanes(const CgEmit *e, int64_t M, int64_t K);

/* ---- Lane accumulators: narrow products and sums over the batch, reduced once per call ------------ */

typedef struct CgLanePair {
  LLVMValueRef g, ldg, x, ldx; /* G(m,l) = g[m*ldg + l], X(k,l) = x[k*ldx + l] */
} CgLanePair;

/* acc[(m*K + k)*VL + v] += sum over pairs, l = v mod VL of G(m,l) * X(k,l). The caller zeroes acc before the
 * first tile and calls cg_lane_reduce after the last. */
void cg_dw_lanes(CgEmit *e, int64_t M, int64_t K, int64_t lanes, const CgLanePair *pair, int npair, LLVMValueRef acc);

/* dst[i] = sum of acc[i*VL .. i*VL + VL) for i < n; with `add`, dst[i] += it. */
void cg_lane_reduce(CgEmit *e, LLVMValueRef acc, int64_t n, LLVMValueRef dst, bool add);

#endif
