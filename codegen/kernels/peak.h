/* The loop that measures a core's peak of fused multiply-adds. */
#ifndef HNNC_CODEGEN_KERNELS_PEAK_H
#define HNNC_CODEGEN_KERNELS_PEAK_H

#include "codegen/emit/emit.h"

/* Emits `void name(real *sink, i64 turns)`: turns >= 1 of cg_peak_flop(e) operations each. */
void cg_emit_peak(CgEmit *e, const char *name);
int64_t cg_peak_flop(const CgEmit *e);

/* The best rate of several runs of such a function, GFLOP/s; about 20 ms. */
typedef void (*CgPeakLoop)(void *sink, int64_t turns);
double cg_peak_rate(CgPeakLoop f, int64_t flop);

#endif
