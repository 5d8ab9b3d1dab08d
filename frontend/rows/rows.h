/* Subscripts known only when the program runs, and the functions of the language that go with them. */
#ifndef HNNC_FRONTEND_ROWS_ROWS_H
#define HNNC_FRONTEND_ROWS_ROWS_H

#include "frontend/builtin/builtin.h"

/* What stands for an axis of a tensor: numbers known while compiling, which are within it, or a tensor of reals. */
typedef struct RowIndex {
  int axis;
  Span at;
  Type dims;             /* of the index; rank 0: one row, the axis is removed */
  const uint32_t *fixed; /* type_count(dims) numbers, or NULL: */
  Value v;
} RowIndex;

/* x at indices of n different axes, in their order. As in NumPy several are taken together, element by element, a scalar with each;
 * their dims stand for the first of the axes, or in front (`first`). */
Value rows_take(Elab *E, Value x, const RowIndex *index, uint32_t n, bool first, Span at);

BuiltinCall rows_set, rows_argmax /* and argmin */, rows_one_hot, rows_searchsorted, rows_segment_sum,
    rows_cumulative /* cumsum, cumprod */, rows_sort /* and argsort */;

#endif
