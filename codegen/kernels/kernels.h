/* The code of processors with vector registers: what target.h asks of a target, as one table, and the parts of it that tests
 * and benchmarks try by themselves. */
#ifndef HNNC_CODEGEN_KERNELS_KERNELS_H
#define HNNC_CODEGEN_KERNELS_KERNELS_H

#include "codegen/target/target.h"

extern const CgKernels cg_vector_kernels;

/* ---- written where they stand ----------------------------------------------------------------------------- */

void cg_gemm(CgEmit *e, const CgGemm *g);

bool cg_gemv_takes(const CgTuning *t, unsigned vl, int64_t as_i, int64_t as_k, int64_t x_k);
void cg_gemv(CgEmit *e, const CgGemv *g);

void cg_dw(CgEmit *e, const CgDw *w);
void cg_places(CgEmit *e, const CgPlaces *w);
int64_t cg_places_bytes(unsigned vl, unsigned es, const CgPlaces *w);
/* The same for one sample: lanes = 1, R = 1; x is read in place, contiguous, and not beyond K. (gemv.c) */
void cg_outer(CgEmit *e, const CgDw *w);

/* Row length of a transposed scratch for K: K rounded up to VL, kept off multiples of row_period. */
int64_t cg_dw_ldt(const CgEmit *e, int64_t K);

/* XT[l][k] = X[k][l] for k < K, l < lanes (a multiple of VL), X(k,l) = x[k*ldx + l]. Writes rows of ldt:
 * columns K .. K rounded up to VL become 0. ldt = cg_dw_ldt(e, K). */
void cg_transpose(CgEmit *e, LLVMValueRef x, LLVMValueRef ldx, int64_t K, int64_t lanes, LLVMValueRef xt, int64_t ldt);

/* A vector of lanes of each of M rows: XT[l / q][k][l % q], q a power of two, M q <= VL. Writes VL / q vectors; rows behind M are 0. */
void cg_transpose_units(CgEmit *e, LLVMValueRef x, LLVMValueRef ldx, int64_t M, int64_t q, LLVMValueRef xt);

/* dst[i] = sum of acc[i*VL .. i*VL + VL) for i < n. */
void cg_lane_reduce(CgEmit *e, LLVMValueRef acc, int64_t n, LLVMValueRef dst);

/* ---- the loop that measures a core's peak of fused multiply-adds (peak.c) ------------------------------------- */

/* Emits `void name(real *sink, i64 turns)`: turns >= 1 of cg_peak_flop(e) operations each. */
void cg_emit_peak(CgEmit *e, const char *name);
int64_t cg_peak_flop(const CgEmit *e);

/* The best rate of several runs of such a function, GFLOP/s; about 20 ms. */
typedef void (*CgPeakLoop)(void *sink, int64_t turns);
double cg_peak_rate(const CgTuning *t, CgPeakLoop f, int64_t flop);

#endif
