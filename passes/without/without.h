/* Operators that a target lacks, in terms of those it has. */
#ifndef HNNC_PASSES_WITHOUT_WITHOUT_H
#define HNNC_PASSES_WITHOUT_WITHOUT_H

#include "passes/base/pass.h"

/* What stands for instruction i, whose operands are x[0], x[1], ... */
typedef Val WithoutRule(Build *b, const Fn *f, const Inst *i, const Val *x);

/* elementwise.c */
WithoutRule without_elementwise;
/* places.c */
WithoutRule without_unslice, without_put, without_unwindow, without_setrow, without_diag, without_diagv;
/* matrix.c */
WithoutRule without_trisolve, without_lu, without_solve, without_det, without_logdet, without_cholesky;
/* eigh.c */
WithoutRule without_eigh;

#endif
