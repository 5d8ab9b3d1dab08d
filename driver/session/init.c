/* The start of every parameter. A draw depends on the seed and the parameter's path alone, so that
 * adding a layer elsewhere leaves the others as they were. */
#include "driver/session/session.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { UNIFORM = 0, NORMAL = 1 };

/* fan_in = last dim, fan_out = first dim, of a matrix; a vector has both equal to its length.
 * Glorot & Bengio 2010: uniform on +-sqrt(6 / (fan_in + fan_out)). */
static double glorot_bound(Type t) {
  double out = t.rank > 0 ? t.dim[0] : 1;
  double in = t.rank > 1 ? (double)type_count(t) / out : out;
  return sqrt(6 / (in + out));
}

/* The widest vectors there are; no contraction (-std=c11), so that the numbers are the same on all machines. */
#if defined __x86_64__ && defined __GNUC__ && !defined __clang__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

enum { COLUMNS = 32 }; /* handled together: their sums stay in registers */

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
static void init_orthogonal(RtArray *a, int64_t first, Type t, double *draw) {
  int64_t rows = t.rank > 0 ? t.dim[0] : 1, cols = type_count(t) / rows;
  bool tall = rows > cols;
  int64_t count = tall ? cols : rows;
  double *x = base_realloc(NULL, sizeof *x * (size_t)(tall ? rows : cols));
  orthonormalise(draw, count, tall ? rows : cols, x);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++)
      rt_set_real(a->v, first + i * cols + j, a->f64, tall ? draw[i * count + j] : draw[j * count + i]);
  base_free(x);
}

/* One turn of a stack, which begins at `first`: its draws are those of its own path, its fan is that of its own shape. */
static void init_turn(RtArray *a, const Param *p, int64_t turn, uint64_t seed, double *draw) {
  char *path = param_turn_path(p, turn);
  Type t = param_turn_type(p);
  int64_t n = type_count(t), first = turn * n;
  bool normal = p->init == INIT_NORMAL || p->init == INIT_ORTHOGONAL;
  rt_draw64(normal ? NORMAL : UNIFORM, seed, XXH3_64bits(path, strlen(path)), 1, 0, 0, n, draw, 1);
  double lo = p->a, hi = p->b;
  if (p->init == INIT_GLOROT) hi = glorot_bound(t), lo = -hi;
  if (p->init == INIT_ORTHOGONAL) init_orthogonal(a, first, t, draw);
  else
    for (int64_t i = 0; i < n; i++) rt_set_real(a->v, first + i, a->f64, normal ? p->a + p->b * draw[i] : lo + (hi - lo) * draw[i]);
  base_free(path);
}

static void init_param(RtArray *a, const Param *p, uint64_t seed) {
  int64_t n = type_count(param_turn_type(p));
  if (p->decay > 0) {
    for (int64_t i = 0; i < a->elems; i++) rt_set_real(a->v, i, a->f64, 0);
    return;
  }
  if (p->init == INIT_VALUE) {
    for (int64_t i = 0; i < a->elems; i++) rt_set_real(a->v, i, a->f64, p->values ? p->values[i % n] : p->a);
    return;
  }
  double *draw = base_realloc(NULL, sizeof(double) * (size_t)(n + 1));
  for (int64_t turn = 0; turn < param_turns(p); turn++) init_turn(a, p, turn, seed, draw);
  base_free(draw);
}

typedef struct Drawing {
  Session *s;
  BaseHeap *heap;
  atomic_bool failed;
} Drawing;

typedef struct One {
  Session *s;
  int k;
} One;

static void draw_one(void *ctx) {
  const One *one = ctx;
  init_param(&one->s->param[one->k], &one->s->model->param[one->k], session_seed(one->s, 0));
}

/* In another thread, where nobody would meet a fault. */
static void job(void *ctx, int k, int thread) {
  Drawing *d = ctx;
  char err[64];
  (void)thread;
  BaseHeap *was = base_heap_enter(d->heap);
  if (!base_try(draw_one, &(One){d->s, k}, err, sizeof err)) atomic_store(&d->failed, true);
  base_heap_enter(was);
}

void init_params(Session *s) {
  Drawing d = {.s = s, .heap = base_heap()};
  rt_pool_run(s->pool, (int)s->model->nparam, job, &d);
  if (atomic_load(&d.failed)) base_fault("out of memory for the initial values of the parameters");
}
