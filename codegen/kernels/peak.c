/* The peak: independent multiply-adds on registers, enough of them to hide their latency. */
#include "codegen/kernels/kernels.h"

#include <time.h>

enum { MAX_SUMS = 32 };

int64_t cg_peak_flop(const CgEmit *e) { return 2 * (int64_t)e->target->tune->peak_sums * e->target->tune->peak_unroll * e->vl; }

/* x -> x * 0.5 + c stays finite, and nothing can be folded: the factors are read from memory. */
void cg_emit_peak(CgEmit *e, const char *name) {
  LLVMTypeRef args[] = {e->ptr, e->i64};
  int sums = e->target->tune->peak_sums;
  if (sums > MAX_SUMS) base_fault("codegen: too many sums to measure the peak");
  e->fn = cg_function(e, name, LLVMFunctionType(e->voidt, args, 2, 0), false);
  LLVMPositionBuilderAtEnd(e->b, cg_block(e, "entry"));
  LLVMValueRef sink = LLVMGetParam(e->fn, 0), sum[MAX_SUMS] = {0};
  LLVMValueRef half = cg_load(e, sink, e->vl);
  CgLoop l;
  cg_loop_begin(e, &l, cg_i64(e, 0), LLVMGetParam(e->fn, 1), 1);
  for (int i = 0; i < sums; i++) sum[i] = cg_loop_phi(e, &l, cg_real(e, i + 1, e->vl));
  for (int q = 0; q < e->target->tune->peak_unroll; q++)
    for (int i = 0; i < sums; i++) sum[i] = cg_fma(e, half, sum[i], half);
  for (int i = 0; i < sums; i++) cg_loop_next(&l, (unsigned)i, sum[i]);
  cg_loop_end(e, &l);
  LLVMValueRef total = sum[0];
  for (int i = 1; i < sums; i++) total = LLVMBuildFAdd(e->b, total, sum[i], "");
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

double cg_peak_rate(const CgTuning *t, CgPeakLoop f, int64_t flop) {
  int64_t turns = 256;
  while (one_run(f, turns) < 4e-4) turns *= 2;
  double best = one_run(f, turns);
  for (int i = 0; i < t->peak_runs; i++) {
    double run = one_run(f, turns);
    if (run < best) best = run;
  }
  return (double)turns * (double)flop / best * 1e-9;
}
