/* Between the files of this room. */
#ifndef HNNC_CODEGEN_MATRIX_MATRIX_PRIV_H
#define HNNC_CODEGEN_MATRIX_MATRIX_PRIV_H

#include "codegen/matrix/matrix.h"

/* ---- matrix.c: matrices in memory ------------------------------------------------------------------------------- */

typedef struct Matrix {
  Type t; /* of the value that holds it */
  LLVMValueRef base, ld;
  int64_t cols;
} Matrix;

CgVec gen_entry(Gen *g, const Matrix *m, LLVMValueRef row, LLVMValueRef col);
void gen_set_entry(Gen *g, const Matrix *m, LLVMValueRef row, LLVMValueRef col, CgVec x);

/* Rows k and i, by a condition or a factor. */
typedef struct RowStep {
  const Matrix *m;
  LLVMValueRef k, i;
  CgVec by;
} RowStep;
void gen_swap_rows(Gen *g, CgLoop *l, const RowStep *s, LLVMValueRef from);    /* where `by`; from a column on */
void gen_subtract_row(Gen *g, CgLoop *l, const RowStep *s, LLVMValueRef from); /* row i -= by row k */

CgVec gen_pick(Gen *g, const CgVec *c, CgVec a, CgVec b); /* for each sample one of two */
CgVec gen_binary(Gen *g, Op op, CgVec x, CgVec y);
CgVec gen_unary(Gen *g, Op op, CgVec x);
CgVec gen_less(Gen *g, CgVec f, CgVec x, CgVec y); /* y - f x */
CgVec gen_whole(Gen *g, LLVMValueRef i);           /* an integer as a shared real */
LLVMValueRef gen_wanted(Gen *g, const CgVec *c);   /* by some sample of the tile */
/* A loop over lo ... hi-1, of no turn if it is empty or `only`, if it is not NULL, does not hold. */
void gen_open(Gen *g, CgLoop *l, LLVMValueRef lo, LLVMValueRef hi, LLVMValueRef only, int64_t step);
/* What a loop carries from turn to turn: its value in a turn; the next one, from a number on, gives the number of what
 * comes after; the last one. */
CgVec gen_carried(Gen *g, CgLoop *l, CgVec init);
unsigned gen_carry(Gen *g, CgLoop *l, unsigned number, CgVec next);
CgVec gen_last(Gen *g, const CgLoop *l, unsigned number, bool lane);

#endif
