/* The start of every parameter. A draw depends on the seed and the parameter's path alone, so that
 * adding a layer elsewhere leaves the others as they were. */
#include "driver/driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { UNIFORM = 0, NORMAL = 1 };

static void store(RtArray *a, int64_t i, double v) {
  if (a->f64) ((double *)a->v)[i] = v;
  else ((float *)a->v)[i] = (float)v;
}

/* fan_in = last dim, fan_out = first dim, of a matrix; a vector has both equal to its length.
 * Glorot & Bengio 2010: uniform on +-sqrt(6 / (fan_in + fan_out)). */
static double glorot_bound(const Param *p) {
  double out = p->type.rank > 0 ? p->type.dim[0] : 1;
  double in = p->type.rank > 1 ? (double)type_count(p->type) / out : out;
  return sqrt(6 / (in + out));
}

/* Rows (or columns, of the shorter side) made orthonormal by modified Gram-Schmidt, twice. */
static void orthonormalise(double *v, int64_t count, int64_t length) {
  for (int64_t i = 0; i < count; i++)
    for (int pass = 0; pass < 2; pass++) {
      double *a = v + i * length, norm = 0;
      for (int64_t j = 0; j < i; j++) {
        const double *b = v + j * length;
        double dot = 0;
        for (int64_t k = 0; k < length; k++) dot += a[k] * b[k];
        for (int64_t k = 0; k < length; k++) a[k] -= dot * b[k];
      }
      for (int64_t k = 0; k < length; k++) norm += a[k] * a[k];
      for (int64_t k = 0; k < length; k++) a[k] /= sqrt(norm);
    }
}

static void init_orthogonal(RtArray *a, const Param *p, double *draw) {
  int64_t rows = p->type.rank > 0 ? p->type.dim[0] : 1, cols = a->elems / rows;
  bool tall = rows > cols;                 /* drawn as [short][long], then laid out */
  orthonormalise(draw, tall ? cols : rows, tall ? rows : cols);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) store(a, i * cols + j, tall ? draw[j * rows + i] : draw[i * cols + j]);
}

static void init_param(RtArray *a, const Param *p, uint64_t seed) {
  if (p->init == INIT_VALUE) {
    for (int64_t i = 0; i < a->elems; i++) store(a, i, p->values ? p->values[i] : p->a);
    return;
  }
  double *draw = base_realloc(NULL, sizeof(double) * (size_t)(a->elems + 1));
  bool normal = p->init == INIT_NORMAL || p->init == INIT_ORTHOGONAL;
  uint64_t stream = XXH3_64bits(p->path, strlen(p->path));
  rt_draw64(normal ? NORMAL : UNIFORM, seed, stream, 1, 0, 0, a->elems, draw, 1);
  double lo = p->a, hi = p->b;
  if (p->init == INIT_GLOROT) hi = glorot_bound(p), lo = -hi;
  if (p->init == INIT_ORTHOGONAL) init_orthogonal(a, p, draw);
  else
    for (int64_t i = 0; i < a->elems; i++)
      store(a, i, normal ? p->a + p->b * draw[i] : lo + (hi - lo) * draw[i]);
  free(draw);
}

void init_params(Session *s) {
  for (uint32_t i = 0; i < s->model->nparam; i++)
    init_param(&s->param[i], &s->model->param[i], session_seed(s, 0));
}
