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

/* The widest vectors there are; no contraction (-std=c11), so that the numbers are the same on all machines. */
#if defined __x86_64__ && defined __GNUC__ && !defined __clang__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

enum { COLUMNS = 32 };       /* handled together: their sums stay in registers */

/* Takes from n of the columns at v what they have of the direction x. */
static inline __attribute__((always_inline)) void project(double *restrict v, int64_t n, int64_t count, int64_t length,
                                                          const double *restrict x) {
  double dot[COLUMNS] = {0};
  for (int64_t k = 0; k < length; k++)
    for (int64_t j = 0; j < n; j++) dot[j] += x[k] * v[k * count + j];
  for (int64_t k = 0; k < length; k++)
    for (int64_t j = 0; j < n; j++) v[k * count + j] -= x[k] * dot[j];
}

/* v: `count` vectors of `length` >= count as columns, [length][count], made orthonormal by modified
 * Gram-Schmidt, each against all that follow it. `x` holds length numbers. */
WIDE static void orthonormalise(double *restrict v, int64_t count, int64_t length, double *restrict x) {
  for (int64_t i = 0; i < count; i++) {
    double norm = 0;
    for (int64_t k = 0; k < length; k++) norm += v[k * count + i] * v[k * count + i];
    norm = 1 / sqrt(norm);
    for (int64_t k = 0; k < length; k++) x[k] = v[k * count + i] *= norm;
    int64_t j = i + 1;
    for (; j + COLUMNS <= count; j += COLUMNS) project(v + j, COLUMNS, count, length, x);
    for (; j + 8 <= count; j += 8) project(v + j, 8, count, length, x);
    if (j < count) project(v + j, count - j, count, length, x);
  }
}

/* The rows are orthonormal, or the columns where there are more rows (Saxe et al. 2014). */
static void init_orthogonal(RtArray *a, const Param *p, double *draw) {
  int64_t rows = p->type.rank > 0 ? p->type.dim[0] : 1, cols = a->elems / rows;
  bool tall = rows > cols;
  int64_t count = tall ? cols : rows;
  double *x = base_realloc(NULL, sizeof *x * (size_t)(tall ? rows : cols));
  orthonormalise(draw, count, tall ? rows : cols, x);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) store(a, i * cols + j, tall ? draw[i * count + j] : draw[j * count + i]);
  free(x);
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

static void job(void *ctx, int k, int thread) {
  Session *s = ctx;
  (void)thread;
  init_param(&s->param[k], &s->model->param[k], session_seed(s, 0));
}

void init_params(Session *s) { rt_pool_run(s->pool, (int)s->model->nparam, job, s); }
