/* Register-tiled product nests, written into the function under construction (see emit.h). */
#ifndef HNNC_CODEGEN_GEMM_H
#define HNNC_CODEGEN_GEMM_H

#include "emit.h"

enum { CG_GEMM_TERMS = 4 };

/* acc[i][lanes] = sum over terms t, k < t.k of A_t[i*a_i + k*a_k] * X_t[k*x_k][lanes], i < m; strides
 * in reals, A shared (scalars, broadcast), X per sample: e->nv vectors of e->vl at each k. Rows are
 * walked in register tiles; after each, `epilogue` gets the finished accumulators of rows
 * row .. row+n-1 as acc[r * e->nv + v], and stores what it likes. The k loops stay rolled. */
typedef struct CgGemmTerm {
  LLVMValueRef a, x;                   /* pointers to element (0, 0) */
  int64_t a_i, a_k;
  LLVMValueRef x_k;                    /* i64, reals */
  int64_t k;
} CgGemmTerm;

typedef struct CgGemm {
  int64_t m;
  CgGemmTerm term[CG_GEMM_TERMS];
  unsigned nterm;
  void (*epilogue)(void *ctx, LLVMValueRef row, unsigned n, LLVMValueRef *acc);   /* row: i64 */
  void *ctx;
} CgGemm;

void cg_gemm(CgEmit *e, const CgGemm *g);

/* out[i*out_i + j*out_j] += sum over terms t and the e->tile lanes s of A_t[i*a_i][s] * B_t[j*b_j][s],
 * i < m, j < n: a weight gradient of one tile, read-modify-write of `out` once for all terms. One
 * of out_i, out_j is 1. `scratch` is cg_dw_scratch(e, d) bytes, 64-byte aligned. */
typedef struct CgDwTerm {
  LLVMValueRef a, b;                   /* pointers to row 0 of the tile */
  LLVMValueRef a_i, b_j;               /* i64, reals between rows */
} CgDwTerm;

typedef struct CgDw {
  int64_t m, n, out_i, out_j;
  LLVMValueRef out;
  CgDwTerm term[CG_GEMM_TERMS];
  unsigned nterm;
  LLVMValueRef scratch;
} CgDw;

int64_t cg_dw_scratch(const CgEmit *e, const CgDw *d);   /* looks at m, n, nterm only */
void cg_dw(CgEmit *e, const CgDw *d);

#endif
