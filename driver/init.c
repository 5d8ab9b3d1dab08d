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

/* v: `count` vectors of `length` >= count as columns, [length][count], made orthonormal by modified
 * Gram-Schmidt, each against all that follow it: the inner loops run along rows. `dot` holds count numbers. */
static void orthonormalise(double *restrict v, int64_t count, int64_t length, double *restrict dot) {
  for (int64_t i = 0; i < count; i++) {
    double norm = 0;
    for (int64_t k = 0; k < length; k++) norm += v[k * count + i] * v[k * count + i];
    norm = 1 / sqrt(norm);
    memset(dot, 0, sizeof *dot * (size_t)count);
    for (int64_t k = 0; k < length; k++) {
      double *row = v + k * count, x = row[i] *= norm;
      for (int64_t j = i + 1; j < count; j++) dot[j] += x * row[j];
    }
    for (int64_t k = 0; k < length; k++) {
      double *row = v + k * count, x = row[i];
      for (int64_t j = i + 1; j < count; j++) row[j] -= x * dot[j];
    }
  }
}

/* The rows are orthonormal, or the columns where there are more rows (Saxe et al. 2014). */
static void init_orthogonal(RtArray *a, const Param *p, double *draw) {
  int64_t rows = p->type.rank > 0 ? p->type.dim[0] : 1, cols = a->elems / rows;
  bool tall = rows > cols;
  int64_t count = tall ? cols : rows;
  double *dot = base_realloc(NULL, sizeof *dot * (size_t)count);
  orthonormalise(draw, count, tall ? rows : cols, dot);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) store(a, i * cols + j, tall ? draw[i * count + j] : draw[j * count + i]);
  free(dot);
}

static void init_param(RtArray *a, const Param *p, uint64_t seed) {
  if (p->decay > 0) {
    for (int64_t i = 0; i < a->elems; i++) store(a, i, 0);
    return;
  }
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
