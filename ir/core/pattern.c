/* Patterns of nonzeros, see pattern.h. */
#include "ir/core/pattern.h"

#include <stdlib.h>
#include <string.h>

void pattern_init(Pattern *p, uint32_t rows, uint32_t cols, uint32_t count) {
  *p = (Pattern){.rows = rows, .cols = cols};
  p->start = base_realloc(NULL, sizeof *p->start * ((size_t)rows + 1));
  p->col = base_realloc(NULL, sizeof *p->col * ((size_t)count + 1));
  memset(p->start, 0, sizeof *p->start * ((size_t)rows + 1));
}

void pattern_finish(Pattern *p) {
  base_free(p->start);
  base_free(p->col);
  *p = (Pattern){0};
}

void pattern_dense(Pattern *p, uint32_t rows, uint32_t cols) {
  pattern_init(p, rows, cols, rows * cols);
  for (uint32_t i = 0; i < rows; i++) {
    p->start[i + 1] = (i + 1) * cols;
    for (uint32_t j = 0; j < cols; j++) p->col[i * cols + j] = j;
  }
}

void pattern_transpose(const Pattern *p, Pattern *out) {
  pattern_init(out, p->cols, p->rows, pattern_count(p));
  uint32_t *at = base_realloc(NULL, sizeof *at * ((size_t)p->cols + 1));
  for (uint32_t k = 0; k < pattern_count(p); k++) out->start[p->col[k] + 1]++;
  for (uint32_t j = 0; j < p->cols; j++) out->start[j + 1] += out->start[j];
  memcpy(at, out->start, sizeof *at * ((size_t)p->cols + 1));
  for (uint32_t i = 0; i < p->rows; i++)
    for (uint32_t k = p->start[i]; k < p->start[i + 1]; k++) out->col[at[p->col[k]]++] = i;
  base_free(at);
}

bool pattern_has(const Pattern *p, uint32_t row, uint32_t col) {
  uint32_t low = p->start[row], high = p->start[row + 1];
  while (low < high) {
    uint32_t mid = low + (high - low) / 2;
    if (p->col[mid] < col) low = mid + 1;
    else high = mid;
  }
  return low < p->start[row + 1] && p->col[low] == col;
}

bool pattern_equal(const Pattern *a, const Pattern *b) {
  return a->rows == b->rows && a->cols == b->cols && !memcmp(a->start, b->start, sizeof *a->start * ((size_t)a->rows + 1)) &&
         !memcmp(a->col, b->col, sizeof *a->col * pattern_count(a));
}

void pattern_symmetric(const Pattern *p, Pattern *out) {
  Pattern t;
  pattern_transpose(p, &t);
  pattern_init(out, p->rows, p->cols, 2 * pattern_count(p));
  uint32_t n = 0;
  for (uint32_t i = 0; i < p->rows; i++) {
    uint32_t a = p->start[i], b = t.start[i];
    while (a < p->start[i + 1] || b < t.start[i + 1]) {
      uint32_t x = a < p->start[i + 1] ? p->col[a] : UINT32_MAX, y = b < t.start[i + 1] ? t.col[b] : UINT32_MAX;
      out->col[n++] = x < y ? x : y;
      a += x <= y;
      b += y <= x;
    }
    out->start[i + 1] = n;
  }
  pattern_finish(&t);
}
