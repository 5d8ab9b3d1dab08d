/* Which elements of a matrix may differ from zero: compressed rows. */
#ifndef HNNC_IR_CORE_PATTERN_H
#define HNNC_IR_CORE_PATTERN_H

#include "ir/base/base.h"

typedef struct Pattern {
  uint32_t rows, cols;
  uint32_t *start; /* row i has col[start[i]] ... col[start[i + 1] - 1], ascending; rows + 1 entries */
  uint32_t *col;
} Pattern;

static inline uint32_t pattern_count(const Pattern *p) { return p->start[p->rows]; }
static inline uint32_t pattern_row(const Pattern *p, uint32_t i) { return p->start[i + 1] - p->start[i]; }

void pattern_init(Pattern *p, uint32_t rows, uint32_t cols, uint32_t count); /* allocates; entries unset */
void pattern_finish(Pattern *p);
void pattern_dense(Pattern *p, uint32_t rows, uint32_t cols);
void pattern_transpose(const Pattern *p, Pattern *out);
bool pattern_has(const Pattern *p, uint32_t row, uint32_t col);
bool pattern_equal(const Pattern *a, const Pattern *b);
/* p and its transpose together; p is square. */
void pattern_symmetric(const Pattern *p, Pattern *out);

#endif
