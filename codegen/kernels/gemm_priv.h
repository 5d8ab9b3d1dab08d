/* Shared by gemm*.c: sizes of register tiles, sums held in registers around loops. */
#ifndef HNNC_CODEGEN_KERNELS_GEMM_PRIV_H
#define HNNC_CODEGEN_KERNELS_GEMM_PRIV_H

#include "codegen/kernels/kernels.h"

enum { GEMM_MAX_ACC = 32 }; /* accumulators of a register tile */

/* Rows of a register tile of nv vectors a row: the sums, one operand row and a broadcast (and the product,
 * without FMA) fit the registers. */
int64_t gemm_max_rows(const CgEmit *e, int nv);
/* The height that cuts M rows evenly: a divisor of M near the most, else tiles that differ by few rows. */
int64_t gemm_rows(int64_t M, int64_t most);

/* The operands of a sum of products: where its first term has them, and how far the next has them behind (an i64). Pointers go
 * around the loop, since an operand at a pointer and a constant is part of a multiply-add at no cost; one with an index is not, and
 * no pass of LLVM's looks for better addresses (target.c). */
typedef struct GemmPair {
  LLVMValueRef at[2], step[2];
} GemmPair;

/* Adds `count` terms to acc[0..n): step(e, ctx, at, q, acc) adds the q-th behind the one whose operands are at `at`. A loop of
 * `unroll` terms a turn, then the rest in line. */
typedef void (*GemmStep)(CgEmit *e, void *ctx, const LLVMValueRef *at, int q, LLVMValueRef *acc);
void gemm_sum(CgEmit *e, GemmPair first, int64_t count, int unroll, LLVMValueRef *acc, int n, GemmStep step, void *ctx);
/* The same for a count that is known at run time, a positive multiple of `unroll`. */
void gemm_sum_upto(CgEmit *e, GemmPair first, LLVMValueRef count, int unroll, LLVMValueRef *acc, int n, GemmStep step, void *ctx);

/* Calls body for 0, step, ... < count * step: in line if count is 1, else in a loop; not at all if 0. */
typedef void (*GemmBody)(CgEmit *e, void *ctx, LLVMValueRef at);
void gemm_each(CgEmit *e, int64_t count, int64_t step, GemmBody body, void *ctx);

/* The first n lanes of v (whose length is `lanes` >= n) to p, by pieces that are powers of two. With `add`,
 * added to what is there, or to 0 where `set` (an i1, or NULL) is true. */
void gemm_store_first(CgEmit *e, LLVMValueRef v, unsigned lanes, unsigned n, LLVMValueRef p, bool add, LLVMValueRef set);
/* What is at p, or 0 where `set` is true. */
LLVMValueRef gemm_load_unless(CgEmit *e, LLVMValueRef set, LLVMValueRef p, unsigned lanes);

/* Few registers, or many: the row of the tuning table that counts. */
#define GEMM_TUNED(e, name) (cg_many_regs((e)->target) ? (e)->target->tune->name##_many : (e)->target->tune->name##_few)

#endif
