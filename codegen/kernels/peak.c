/* The peak: independent multiply-adds on registers, enough of them to hide their latency (4 cycles, two
 * a cycle, on what we know; 14 is a margin and fits 16 registers with the factor). Without FMA a
 * multiplication and an addition, whose latencies add up to 7 cycles. */
#include "codegen/kernels/peak.h"

#include <time.h>

enum { SUMS = 14, UNROLL = 4, RUNS = 20 };

int64_t cg_peak_flop(const CgEmit *e) { return 2 * (int64_t)SUMS * UNROLL * e->vl; }

/* x -> x * 0.5 + c stays finite, and nothing can be folded: the factors are read from memory. */
void cg_emit_peak(CgEmit *e, const char *name) {
  LLVMTypeRef args[] = {e->ptr, e->i64};
  e->fn = cg_function(e, name, LLVMFunctionType(e->voidt, args, 2, 0), false);
  LLVMPositionBuilderAtEnd(e->b, cg_block(e, "entry"));
  LLVMValueRef sink = LLVMGetParam(e->fn, 0), sum[SUMS];
  LLVMValueRef half = cg_load(e, sink, e->vl);
  CgLoop l;
  cg_loop_begin(e, &l, cg_i64(e, 0), LLVMGetParam(e->fn, 1), 1);
  for (int i = 0; i < SUMS; i++) sum[i] = cg_loop_phi(e, &l, cg_real(e, i + 1, e->vl));
  for (int q = 0; q < UNROLL; q++)
    for (int i = 0; i < SUMS; i++) sum[i] = cg_fma(e, half, sum[i], half);
  for (unsigned i = 0; i < SUMS; i++) cg_loop_next(&l, i, sum[i]);
  cg_loop_end(e, &l);
  LLVMValueRef total = sum[0];
  for (int i = 1; i < SUMS; i++) total = LLVMBuildFAdd(e->b, total, sum[i], "");
  cg_store(e, total, sink);
  LLVMBuildRetVoid(e->b);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double one_run(CgPeakLoop f, int64_t turns) {
  _Alignas(64) double sink[8] = {0};
  double begin = now();
  f(sink, turns);
  return now() - begin;
}

double cg_peak_rate(CgPeakLoop f, int64_t flop) {
  int64_t turns = 256;
  while (one_run(f, turns) < 4e-4) turns *= 2;
  double best = one_run(f, turns);
  for (int i = 0; i < RUNS; i++) {
    double t = one_run(f, turns);
    if (t < best) best = t;
  }
  return (double)turns * (double)flop / best * 1e-9;
}
