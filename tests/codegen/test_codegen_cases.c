/* Compiled functions against the evaluator, one kind at a time: products of every shape, loops, shared
 * work, other machines; and the cache. */
#include "tests/common/codegen_case.h"
#include "tests/common/random_fn.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- products -------------------------------------------------------------------------------------------------- */

/* Up to four labels of random sizes, each in two or three of the lists; operands in random axis order. */
static void random_product(uint64_t seed, bool f64) {
  static const uint32_t size[] = {1, 2, 3, 5, 8, 17, 33};
  uint64_t s = seed;
  int la[6], lb[6], lo[6], na = 0, nb = 0, no = 0;
  uint32_t n[4];
  Build b;
  start(&b, f64);
  for (int l = 0; l < 4; l++) {
    n[l] = size[random_below(&s, 7)];
    uint32_t where = random_below(&s, 5);
    if (where == 4) continue;
    if (where != 1) la[na++] = l;
    if (where != 2) lb[nb++] = l;
    if (where != 0) lo[no++] = l;
  }
  bool lane_a = random_below(&s, 2), lane_b = random_below(&s, 2), lanes = lane_a && lane_b && random_below(&s, 2);
  int *list[3] = {la, lb, lo}, count[3] = {na, nb, no};
  for (int k = 0; k < 3; k++)
    for (int i = count[k]; i-- > 1;) {
      int j = (int)random_below(&s, (uint32_t)i + 1), t = list[k][i];
      list[k][i] = list[k][j], list[k][j] = t;
    }
  Val x[2];
  for (int k = 0; k < 2; k++) {
    uint32_t dim[IR_MAX_RANK];
    for (int i = 0; i < count[k]; i++) dim[i] = n[list[k][i]];
    bool cut = count[k] && random_below(&s, 3) == 0;
    if (cut) dim[0] = dim[0] * 2 + 1;
    x[k] = ir_input(&b, "x", IN_OTHER, (uint32_t)k, type_real(k ? lane_b : lane_a, count[k], dim));
    if (cut) x[k] = ir_slice(&b, x[k], 0, 1, dim[0] / 2, 2);
    if (random_below(&s, 2)) x[k] = ir_tanh(&b, x[k]);
    if (count[k] && random_below(&s, 3) == 0) x[k] = ir_flip(&b, x[k], (int)random_below(&s, (uint32_t)count[k]));
  }
  Val y = ir_dot(&b, x[0], x[1], lanes, la, lb, no, lo);
  ir_output(&b, y, "y");
  if (!lanes) ir_output(&b, ir_sin(&b, ir_add(&b, y, ir_const(&b, 0.5))), "sin y");
  finish(&b, NULL, 1 + random_below(&s, 40));
}

static void test_products(void) {
  for (uint64_t k = 0; k < OFTEN(120); k++) random_product(k, k % 2);
}

/* A convolution of a few sizes and strides, what its adjoint by the input adds up, and its gradient by the weights. */
static void random_convolution(uint64_t seed, bool f64) {
  uint64_t s = seed;
  const uint32_t c = 1 + random_below(&s, 9), out = 1 + random_below(&s, 20), space = 1 + random_below(&s, 3),
                 stride = 1 + random_below(&s, 3),
                 most = space == 1   ? 20
                        : space == 2 ? 9
                                     : 5;
  uint32_t n[4] = {c}, w[5] = {out, c}, m[4] = {out};
  int lw[5] = {0, 1}, lx[7] = {1}, ly[4] = {0};
  Build b;
  start(&b, f64);
  for (uint32_t k = 1; k <= space; k++) {
    w[1 + k] = 1 + random_below(&s, 4);
    n[k] = w[1 + k] + random_below(&s, most);
    m[k] = (n[k] - w[1 + k]) / stride + 1;
    lw[1 + k] = lx[space + k] = 10 + (int)k, lx[k] = ly[k] = 20 + (int)k;
  }
  const int rank = (int)space + 1;
  Val x = ir_input(&b, "x", IN_OTHER, 0, type_real(true, rank, n)), g = ir_input(&b, "g", IN_OTHER, 1, type_real(true, rank, m)),
      W = ir_input(&b, "W", IN_OTHER, 2, type_real(random_below(&s, 4) == 0, rank + 1, w)), v = x;
  for (int k = 1; k < rank; k++) v = ir_window(&b, v, k, w[1 + k], stride);
  const Val y = random_below(&s, 2) ? ir_dot(&b, W, v, false, lw, lx, rank, ly) : ir_dot(&b, v, W, false, lx, lw, rank, ly);
  ir_output(&b, random_below(&s, 2) ? ir_tanh(&b, y) : y, "y");
  Val back = ir_dot(&b, W, g, false, lw, ly, 2 * rank - 1, lx);
  for (int k = rank - 1; k > 0; k--) back = ir_unwindow(&b, back, k, stride, n[k]);
  ir_output(&b, back, "by x");
  ir_output(&b, random_below(&s, 2) ? ir_dot(&b, g, v, true, ly, lx, rank + 1, lw) : ir_dot(&b, v, g, true, lx, ly, rank + 1, lw),
            "by W");
  finish(&b, NULL, 1 + random_below(&s, 40));
}

static void test_convolutions(void) {
  for (uint64_t k = 0; k < OFTEN(60); k++) random_convolution(k, k % 2);
}

/* ---- powers of reciprocal roots ---------------------------------------------------------------------------------- */

/* way: a constant at x^(-3/2) or away from it; more: x^(-3/2) is needed beside, or 1/sqrt(x). */
static void cube(uint32_t n, bool lane, int way, int more, bool f64, int64_t B) {
  Build b;
  start(&b, f64);
  Val x = input(&b, lane, n > 0, n, 0, 0), y = input(&b, true, n > 0, n, 0, 0), c = ir_const(&b, -0.3),
      k = input(&b, false, 0, 0, 0, 0);
  Val z = ir_add(&b, ir_mul(&b, x, x), ir_const(&b, 1)), r3 = ir_rsqrt3(&b, z), v;
  if (way == 0) v = ir_mul(&b, y, ir_mul(&b, c, r3));
  else if (way == 1) v = ir_mul(&b, ir_mul(&b, r3, k), y);
  else if (way == 2) v = ir_add(&b, y, ir_mul(&b, r3, c));
  else v = ir_mul(&b, ir_const(&b, 0x1p-90), r3);
  if (more == 1) v = ir_mul(&b, v, r3);
  if (more == 2) ir_output(&b, r3, "r3");
  if (more == 3) ir_output(&b, ir_rsqrt(&b, z), "r");
  ir_output(&b, v, "v");
  finish(&b, NULL, B);
}

static void test_cubes(void) {
  static const uint32_t size[] = {0, 2, 37};
  for (int k = 0; k < 3; k++)
    for (int way = 0; way < 4; way++)
      for (int more = 0; more < 4; more++)
        for (int kind = 0; kind < 4; kind++) cube(size[k], kind & 1, way, more, kind >> 1, 1 + 13 * way);
}

/* ---- big values ------------------------------------------------------------------------------------------------ */

static void test_shared(void) {
  for (int f64 = 0; f64 < 2; f64++)
    for (uint32_t n = 3; n < 60; n += 14) {
      Build b;
      start(&b, f64);
      Val x = input(&b, false, 2, n, 7, 0), y = input(&b, false, 2, n, 7, 0), k = input(&b, false, 0, 0, 0, 0);
      Val z = ir_add(&b, ir_mul(&b, x, k), ir_tanh(&b, y));
      Val w = ir_reshape(&b, z, 1, (uint32_t[]){7 * n});
      ir_output(&b, ir_select(&b, ir_lt(&b, x, y), z, k), "z");
      ir_output(&b, ir_exp(&b, w), "w");
      ir_output(&b, ir_matmul(&b, ir_transpose(&b, z, (int[]){1, 0}), y), "product");
      ir_output(&b, ir_sum_all(&b, z), "sum");
      finish(&b, NULL, 1);
    }
}

static void test_structure(void) {
  for (int lane = 0; lane < 2; lane++)
    for (uint32_t n = 2; n < 30; n += 9) {
      Build b;
      start(&b, true);
      Val x = input(&b, lane, 2, n, n, 0), y = input(&b, true, 2, n, 3, 0), v = input(&b, lane, 1, n, 0, 0);
      uint32_t index[3] = {n - 1, 0, n - 1};
      Val a = ir_mul(&b, x, x);
      ir_output(&b, ir_concat(&b, (Val[]){a, y, x}, 3, 1), "concat");
      ir_output(&b, ir_take(&b, a, 0, index, 3), "take");
      ir_output(&b, ir_put(&b, y, 1, n + 3, index, 3), "put");
      ir_output(&b, ir_unslice(&b, a, 1, 2, 3, 4 * n), "unslice");
      ir_output(&b, ir_tri(&b, a, true, 1), "triu");
      ir_output(&b, ir_diag(&b, v), "diag");
      ir_output(&b, ir_diagv(&b, a), "diagv");
      ir_output(&b, ir_rmax(&b, a, 0), "max");
      ir_output(&b, ir_rmin(&b, ir_transpose(&b, x, (int[]){1, 0}), 1), "min");
      ir_output(&b, ir_lt(&b, x, v.id && n == 1 ? x : ir_expand(&b, v, 0, n)), "less");
      ir_output(&b, ir_add(&b, ir_expand(&b, v, 1, n), x), "expand");
      Val eye = ir_expand_to(&b, ir_const(&b, 3), type_real(false, 1, &n));
      Val tri = ir_add(&b, ir_tri(&b, x, false, -1), ir_diag(&b, eye));
      for (int k = 0; k < 2; k++) {
        ir_output(&b, ir_trisolve(&b, tri, y, false, k), "solve");
        ir_output(&b, ir_trisolve(&b, ir_transpose(&b, tri, (int[]){1, 0}), v, true, k), "solve");
      }
      finish(&b, NULL, 19);
    }
}

/* ---- rings: elements at a distance ------------------------------------------------------------------------------- */

static Val rolled(Build *b, Val x, uint32_t n, uint32_t shift) {
  Val parts[2] = {ir_slice(b, x, 0, (int)shift, (int)(n - shift), 1), ir_slice(b, x, 0, 0, (int)shift, 1)};
  return ir_concat(b, parts, 2, 0);
}

/* Turns of q, p on a ring. way 0: what a new state is made of is read at its index alone; 1: q is also read at a distance
 * in the group that makes the new q, 2: after it, 3: the states change places. All but the first forbid one buffer. */
static void ring(uint32_t n, uint32_t shift, int way, bool f64, int64_t B) {
  Build b, t;
  start(&b, f64);
  Val q0 = input(&b, true, 1, n, 0, 0), p0 = input(&b, true, 1, n, 0, 0), k0 = input(&b, false, 1, n, 0, 0);
  ir_build_init(&t, ir_sub_create(b.f, "turn"));
  Val q = input(&t, true, 1, n, 0, 0), p = input(&t, true, 1, n, 0, 0), k = input(&t, false, 1, n, 0, 0);
  Val h = ir_const(&t, 0.125), x = ir_add(&t, q, ir_mul(&t, p, h)), d = ir_sub(&t, rolled(&t, x, n, shift), x);
  Val force = ir_mul(&t, k, ir_tanh(&t, d));
  Val p1 = ir_add(&t, p, ir_mul(&t, h, ir_sub(&t, force, rolled(&t, force, n, n - shift))));
  Val q1 = ir_add(&t, x, ir_mul(&t, way == 1 ? rolled(&t, q, n, shift) : p1, h));
  if (way == 2) p1 = ir_sub(&t, p1, ir_mul(&t, rolled(&t, ir_tanh(&t, ir_mul(&t, q, rolled(&t, q1, n, shift))), n, shift), h));
  ir_output(&t, way == 3 ? p1 : q1, "q");
  ir_output(&t, way == 3 ? q1 : p1, "p");
  ir_output(&t, ir_sum_all(&t, ir_mul(&t, q, p)), "sum");
  ir_build_finish(&t);
  Val s = ir_scan(&b, (Val[]){q0, p0, k0}, 3, 5, 2, 0, 1, 0, false, false, t.f);
  Val q2 = ir_proj(&b, s, 0), p2 = ir_proj(&b, s, 1);
  ir_output(&b, ir_concat(&b, (Val[]){q2, p2}, 2, 0), "states");
  ir_output(&b, ir_proj(&b, s, 2), "sums");
  ir_output(&b, ir_unslice(&b, ir_tanh(&b, rolled(&b, q2, n, shift)), 0, 3, 1, n + 5), "unsliced");
  ir_output(&b, ir_sum_all(&b, ir_sin(&b, rolled(&b, p2, n, shift))), "sum");
  finish(&b, NULL, B);
}

static void test_rings(void) {
  static const uint32_t size[] = {13, 16, 17, 31, 33, 64, 71, 130};
  for (uint32_t k = 0; k < 8; k++)
    for (int f64 = 0; f64 < 2; f64++) {
      ring(size[k], 1, 0, f64, 1 + k % 5);
      ring(size[k], size[k] / 2, (int)(k % 4), f64, 1 + k % 3);
      ring(size[k], size[k] - 1, (int)((k + 1) % 4), f64, 2);
    }
}

/* ---- loops ---------------------------------------------------------------------------------------------------------- */

/* A loop with weights: gradients of the weights come out as sums over turns and samples. */
static void loop_sums(uint32_t n, uint32_t turns, bool reverse, bool f64) {
  Build b, t;
  start(&b, f64);
  Val w = input(&b, false, 2, n, n, 0), h = input(&b, true, 1, n, 0, 0), xs = input(&b, true, 2, turns, n, 0);
  Val c = input(&b, false, 1, turns, 0, 0);
  ir_build_init(&t, ir_sub_create(b.f, "turn"));
  Val h0 = input(&t, true, 1, n, 0, 0), x0 = input(&t, true, 1, n, 0, 0), c0 = input(&t, false, 0, 0, 0, 0);
  Val w0 = input(&t, false, 2, n, n, 0);
  Val y = ir_tanh(&t, ir_add(&t, ir_matmul(&t, w0, h0), ir_mul(&t, x0, c0)));
  Val dw = ir_dot(&t, y, h0, true, (int[]){0}, (int[]){1}, 2, (int[]){0, 1});
  ir_output(&t, y, "h");
  ir_output(&t, ir_mul(&t, y, y), "y");
  ir_output(&t, dw, "dw");
  ir_output(&t, ir_mul(&t, ir_neg(&t, ir_batch_sum(&t, y)), c0), "db");
  ir_output(&t, ir_add(&t, ir_batch_sum(&t, x0), ir_batch_sum(&t, h0)), "dx");
  ir_output(&t, x0, "sum");
  ir_build_finish(&t);
  Val s = ir_scan(&b, (Val[]){h, xs, c, w}, 4, turns, 1, 2, 1, 4, reverse, false, t.f);
  for (uint32_t k = 0; k < 6; k++) ir_output(&b, ir_proj(&b, s, k), "r");
  ir_output(&b, ir_sin(&b, ir_proj(&b, s, 0)), "last");
  finish(&b, NULL, 45);
}

static void test_loops(void) {
  for (uint32_t n = 2; n < 40; n += 17)
    for (int k = 0; k < 4; k++) loop_sums(n, 1 + (uint32_t)k * 2, k % 2, k / 2);
}

static Val outer(Build *b, Val x, Val y) { return ir_dot(b, x, y, true, (int[]){0}, (int[]){1}, 2, (int[]){0, 1}); }

/* Sums of weight gradients and of batch sums, at the top and over the turns of a loop; some of their
 * terms are wanted by themselves too. */
static void sums_of_sums(uint32_t n, uint32_t m, bool shared_term) {
  Build b, t;
  start(&b, true);
  Val x = input(&b, true, 1, n, 0, 0), y = input(&b, true, 1, m, 0, 0);
  Val a = outer(&b, x, y), c = outer(&b, ir_sin(&b, x), ir_cos(&b, y)), d = outer(&b, ir_cos(&b, x), y);
  ir_output(&b, ir_add(&b, ir_add(&b, a, c), d), "dw");
  if (shared_term) ir_output(&b, c, "c");
  Val s0 = ir_batch_sum(&b, x), s1 = ir_batch_sum(&b, ir_mul(&b, x, x)), s2 = ir_batch_sum(&b, ir_tanh(&b, x));
  ir_output(&b, ir_reshape(&b, ir_add(&b, s0, ir_add(&b, s1, s2)), 2, (uint32_t[]){1, n}), "db");
  if (shared_term) ir_output(&b, ir_mul(&b, s1, s0), "s");
  ir_build_init(&t, ir_sub_create(b.f, "turn"));
  Val x0 = input(&t, true, 1, n, 0, 0), y0 = input(&t, true, 1, m, 0, 0), h = ir_tanh(&t, ir_add(&t, x0, x0));
  ir_output(&t, h, "x");
  ir_output(&t, ir_add(&t, outer(&t, h, y0), outer(&t, x0, ir_sin(&t, y0))), "dw");
  ir_output(&t, ir_add(&t, ir_batch_sum(&t, h), ir_batch_sum(&t, x0)), "db");
  ir_build_finish(&t);
  Val s = ir_scan(&b, (Val[]){x, y}, 2, 4, 1, 0, 0, 2, false, false, t.f);
  for (uint32_t k = shared_term; k < 3; k++) ir_output(&b, ir_proj(&b, s, k), "r");
  finish(&b, NULL, 27);
}

static void test_sums(void) {
  for (int k = 0; k < 2; k++) {
    sums_of_sums(20, 33, k);
    sums_of_sums(20, 3, k);
    sums_of_sums(2, 3, k);
  }
}

/* Newton's iteration for a square root: the early end must not show. */
static void test_converge(void) {
  for (uint32_t n = 1; n < 30; n += 13)
    for (int f64 = 0; f64 < 2; f64++) {
      Build b, t;
      start(&b, f64);
      Val a = input(&b, true, 1, n, 0, 0);
      Val goal = ir_add(&b, ir_mul(&b, a, a), ir_const(&b, 1));
      ir_build_init(&t, ir_sub_create(b.f, "turn"));
      Val x = input(&t, true, 1, n, 0, 0), g = input(&t, true, 1, n, 0, 0);
      ir_output(&t, ir_mul(&t, ir_add(&t, x, ir_div(&t, g, x)), ir_const(&t, 0.5)), "x");
      ir_build_finish(&t);
      Val s = ir_scan(&b, (Val[]){goal, goal}, 2, 100000, 1, 0, 0, 0, false, true, t.f);
      ir_output(&b, ir_proj(&b, s, 0), "root");
      finish(&b, NULL, 21);
    }
}

/* A carry that grows by 2 ulp a turn has converged after the first: a million turns would show. */
static void test_converge_early(void) {
  for (uint32_t n = 1; n < 30; n += 13) {
    Build b, t;
    start(&b, true);
    Val a = input(&b, true, 1, n, 0, 0);
    ir_build_init(&t, ir_sub_create(b.f, "turn"));
    ir_output(&t, ir_mul(&t, input(&t, true, 1, n, 0, 0), ir_const(&t, 1 + 0x1p-51)), "x");
    ir_build_finish(&t);
    Val s = ir_scan(&b, &a, 1, 1000000, 1, 0, 0, 0, false, true, t.f);
    ir_output(&b, ir_sub(&b, ir_div(&b, ir_proj(&b, s, 0), a), ir_const(&b, 1)), "growth");
    finish(&b, NULL, 21);
  }
}

/* A number that becomes NaN is no rest: what follows from it comes a turn later, and once in each turn after. */
static void test_converge_nan(void) {
  for (uint32_t n = 1; n < 30; n += 13) {
    Build b, t;
    start(&b, true);
    Val a = input(&b, true, 1, n, 0, 0), c = input(&b, true, 1, n, 0, 0);
    ir_build_init(&t, ir_sub_create(b.f, "turn"));
    Val x = input(&t, true, 1, n, 0, 0), y = input(&t, true, 1, n, 0, 0), one = ir_const(&t, 1);
    ir_output(&t, ir_sqrt(&t, ir_sub(&t, ir_const(&t, -1), ir_mul(&t, x, x))), "x");
    ir_output(&t, ir_add(&t, y, ir_select(&t, ir_ne(&t, x, x), one, ir_const(&t, 0))), "y");
    ir_build_finish(&t);
    Val s = ir_scan(&b, (Val[]){a, c}, 2, 5, 2, 0, 0, 0, false, true, t.f);
    ir_output(&b, ir_sub(&b, ir_proj(&b, s, 1), c), "four");
    finish(&b, NULL, 21);
  }
}

/* Straight code in a loop: tiles are done together, and those left over singly. A shared value crosses both. */
static void test_orbits(void) {
  for (int f64 = 0; f64 < 2; f64++)
    for (int64_t samples = 1; samples < 300; samples = samples * 3 + 5) {
      Build b, t;
      start(&b, f64);
      Val q = input(&b, true, 1, 2, 0, 0), p = input(&b, true, 1, 2, 0, 0), k = input(&b, false, 0, 0, 0, 0);
      Val c = ir_add(&b, ir_mul(&b, k, k), ir_const(&b, 0.01));
      ir_build_init(&t, ir_sub_create(b.f, "step"));
      Val q0 = input(&t, true, 1, 2, 0, 0), p0 = input(&t, true, 1, 2, 0, 0), c0 = input(&t, false, 0, 0, 0, 0);
      Val q1 = ir_add(&t, q0, ir_mul(&t, p0, ir_const(&t, 0.05)));
      Val r = ir_add(&t, ir_dot(&t, q1, q1, false, (int[]){0}, (int[]){0}, 0, NULL), ir_const(&t, 1));
      Val p1 = ir_sub(&t, p0, ir_mul(&t, q1, ir_div(&t, c0, ir_sqrt(&t, r))));
      ir_output(&t, q1, "q");
      ir_output(&t, p1, "p");
      ir_build_finish(&t);
      Val s = ir_scan(&b, (Val[]){q, p, c}, 3, 20, 2, 0, 0, 0, false, false, t.f);
      ir_output(&b, ir_proj(&b, s, 0), "q");
      ir_output(&b, ir_proj(&b, s, 1), "p");
      finish(&b, NULL, samples);
    }
}

/* A loop of such loops, with draws between them. */
static void test_chains(void) {
  for (int f64 = 0; f64 < 2; f64++)
    for (int64_t samples = 1; samples < 200; samples = samples * 3 + 5) {
      Build b, t, u;
      start(&b, f64);
      Val q = input(&b, true, 1, 2, 0, 0), turns = ir_iota(&b, 4), x[6];
      ir_build_init(&t, ir_sub_create(b.f, "turn"));
      Val q0 = input(&t, true, 1, 2, 0, 0), turn = input(&t, false, 0, 0, 0, 0);
      Val p0 = ir_rand(&t, 0, 1, turn, type_real(true, 1, (uint32_t[]){2})),
          yes = ir_rand(&t, 0, 2, turn, type_real(true, 0, NULL));
      ir_build_init(&u, ir_sub_create(t.f, "step"));
      x[0] = input(&u, true, 1, 2, 0, 0), x[1] = input(&u, true, 1, 2, 0, 0);
      x[2] = ir_add(&u, x[0], ir_mul(&u, x[1], ir_const(&u, 0.05)));
      x[3] = ir_mul(&u, x[2], ir_const(&u, 0.1));
      ir_output(&u, x[2], "q");
      ir_output(&u, ir_sub(&u, x[1], x[3]), "p");
      ir_build_finish(&u);
      Val s = ir_scan(&t, (Val[]){q0, p0}, 2, 7, 2, 0, 0, 0, false, false, u.f);
      x[4] = ir_proj(&t, s, 0), x[5] = ir_expand_to(&t, ir_lt(&t, yes, ir_const(&t, 0.5)), ir_type(t.f, x[4]));
      ir_output(&t, ir_select(&t, x[5], x[4], q0), "q");
      ir_build_finish(&t);
      ir_output(&b, ir_proj(&b, ir_scan(&b, (Val[]){q, turns}, 2, 4, 1, 1, 0, 0, false, false, t.f), 0), "q");
      finish(&b, NULL, samples);
    }
}

static void test_ode(void) {
  enum { SHARED, LANES, LANE_TIMES, KINDS };
  for (int kind = 0; kind < KINDS; kind++)
    for (int f64 = 0; f64 < 2; f64++)
      for (uint32_t n = 1; n < 20; n += 17) {
        Build b, t;
        const bool lane = kind != SHARED;
        start(&b, f64);
        Val q = input(&b, lane, 1, n, 0, 0), p = input(&b, lane, 1, n, 0, 0), k = input(&b, false, 1, n, 0, 0);
        ir_build_init(&t, ir_sub_create(b.f, "rates"));
        Val q0 = input(&t, lane, 1, n, 0, 0), p0 = input(&t, lane, 1, n, 0, 0), time = input(&t, lane, 0, 0, 0, 0);
        Val k0 = input(&t, false, 1, n, 0, 0), c0 = input(&t, lane, 1, n, 0, 0);
        ir_output(&t, p0, "dq");
        ir_output(&t, ir_sub(&t, ir_neg(&t, ir_mul(&t, k0, ir_sin(&t, q0))), ir_mul(&t, c0, time)), "dp");
        ir_build_finish(&t);
        Val times = ir_table(&b, type_real(false, 1, (uint32_t[]){4}), (double[]){0, 0.25, 0.5, 1});
        if (kind == LANE_TIMES) times = ir_mul(&b, times, ir_sin(&b, input(&b, true, 1, 4, 0, 0)));
        Val s = ir_ode(&b, M_DOPRI5, (Val[]){q, p}, 2, times, (Val[]){k, ir_mul(&b, q, q)}, 2, 1e-6, 1e-6, 1000000, t.f);
        ir_output(&b, ir_proj(&b, s, 0), "q");
        ir_output(&b, ir_index(&b, ir_proj(&b, s, 1), 0, 3), "p");
        finish(&b, NULL, 19);
      }
}

/* ---- the cache ---------------------------------------------------------------------------------------------------------- */

static Fn *small(double c) {
  Build b;
  start(&b, true);
  ir_output(&b, ir_mul(&b, input(&b, true, 1, 3, 0, 0), ir_const(&b, c)), "y");
  ir_build_finish(&b);
  return b.f;
}

static int refusals;
static void refused(const char *path) { refusals += strstr(path, ".o") != NULL; }

/* Compiles c*x with the cache and checks it; returns whether it came from there. */
static bool cached(const char *dir, double c) {
  char err[256] = "";
  Fn *f = small(c);
  Cg *cg = cg_create(&(CgOptions){.opt = 1, .cache_dir = dir, .refused = refused}, err, sizeof err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(cg);
  Tensor in;
  random_inputs(f, 5, 1, &in);
  cg_add(cg, f, "f");
  bool ok = cg_compile(cg, err, sizeof err), hit = ok && cg_cached(cg);
  CU_ASSERT(ok);
  if (ok) CU_ASSERT(codegen_difference(cg, f, "f", 5, &in, false) < 1e-12);
  base_free(in.v);
  ir_fn_destroy(f);
  cg_destroy(cg);
  return hit;
}

static void only_file(const char *dir, char *path, size_t size) {
  char command[512];
  snprintf(command, sizeof command, "ls %s/*.o", dir);
  FILE *p = popen(command, "r");
  CU_ASSERT_PTR_NOT_NULL_FATAL(p);
  CU_ASSERT_PTR_NOT_NULL(fgets(path, (int)size, p));
  pclose(p);
  path[strcspn(path, "\n")] = 0;
}

static void spoil(const char *path, long at, bool cut) {
  struct stat st;
  CU_ASSERT_EQUAL(stat(path, &st), 0);
  if (cut) {
    CU_ASSERT_EQUAL(truncate(path, at < 0 ? st.st_size + at : at), 0);
    return;
  }
  FILE *f = fopen(path, "r+b");
  CU_ASSERT_PTR_NOT_NULL_FATAL(f);
  fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
  int c = fgetc(f);
  fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
  fputc(c ^ 0x40, f);
  fclose(f);
}

static void test_cache(void) {
  char dir[] = "/tmp/hnnc-cache-XXXXXX", deep[64], path[256] = "", command[128];
  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
  snprintf(deep, sizeof deep, "%s/a/b", dir);
  CU_ASSERT_FALSE(cached(deep, 2));
  CU_ASSERT_TRUE(cached(deep, 2));
  only_file(deep, path, sizeof path);
  static const struct {
    long at;
    bool cut;
  } harm[] = {{0, false}, {20, false}, {45, false}, {-9, false}, {200, false}, {0, true}, {17, true}, {-1, true}};
  for (size_t k = 0; k < sizeof harm / sizeof *harm; k++) {
    spoil(path, harm[k].at, harm[k].cut);
    CU_ASSERT_FALSE(cached(deep, 2)); /* seen, and mended */
    CU_ASSERT_TRUE(cached(deep, 2));
  }
  CU_ASSERT_EQUAL(refusals, 0);
  CU_ASSERT_EQUAL(chmod(path, 0666), 0);
  CU_ASSERT_FALSE(cached(deep, 2)); /* others can write to it: not read, but replaced */
  CU_ASSERT_EQUAL(refusals, 1);
  CU_ASSERT_TRUE(cached(deep, 2));
  CU_ASSERT_EQUAL(refusals, 1);
  CU_ASSERT_FALSE(cached(deep, 3));
  CU_ASSERT_FALSE(cached("/proc/nowhere/cache", 2));
  CU_ASSERT_FALSE(cached("/proc/nowhere/cache", 2));
  snprintf(command, sizeof command, "rm -rf %s", dir);
  CU_ASSERT_EQUAL(system(command), 0);
}

/* One real of a sample beside a vector of it whose length is no multiple of the machine's. */
static void test_scalar_beside(void) {
  for (uint32_t n = 13; n < 40; n += 6)
    for (int f64 = 0; f64 < 2; f64++) {
      Build b;
      start(&b, f64);
      Val x = input(&b, true, 1, n, 0, 0), s = input(&b, true, 0, 0, 0, 0);
      ir_output(&b, ir_mul(&b, x, s), "y");
      ir_output(&b, ir_add(&b, ir_slice(&b, x, 0, 1, n - 1, 1), s), "z");
      finish(&b, NULL, 9);
    }
}

/* ---- several at once -------------------------------------------------------------------------------------------------------- */

typedef struct Writer {
  uint64_t seed;
  char *text;
  size_t n;
  bool ok;
  pthread_t thread;
} Writer;

/* The code of some functions, as text, for a machine and a precision that depend on the seed; and compiled. */
static void *write_some(void *ctx) {
  Writer *w = ctx;
  char err[256];
  static const char *const cpu[] = {CODEGEN_PLAIN, CODEGEN_OTHERS, NULL};
  Cg *cg = cg_create(&(CgOptions){.cpu = cpu[w->seed % 4], .opt = 1}, err, sizeof err),
     *own = cg_create(&(CgOptions){.opt = 1}, err, sizeof err);
  FILE *out = open_memstream(&w->text, &w->n);
  w->ok = cg && own && out;
  for (uint64_t k = 0; w->ok && k < 6; k++) {
    char name[16];
    RandomSpec spec = {.seed = 100 * w->seed + k, .size = 30, .f64 = w->seed % 2, .scans = true};
    Fn *f = random_fn(&spec);
    snprintf(name, sizeof name, "f%d", (int)k);
    cg_add(cg, f, name);
    cg_add(own, f, name);
    ir_fn_destroy(f);
  }
  w->ok = w->ok && cg_print_llvm(cg, out, err, sizeof err) && cg_compile(own, err, sizeof err) && cg_kernel(own, "f5");
  cg_destroy(cg);
  cg_destroy(own);
  if (out) fclose(out);
  return NULL;
}

/* Nothing is shared: what one thread writes is what it would write alone. */
static void test_at_once(void) {
  enum { THREADS = 4 };
  Writer alone[THREADS], w[THREADS];
  for (uint64_t k = 0; k < THREADS; k++) {
    alone[k] = w[k] = (Writer){.seed = k};
    write_some(&alone[k]);
  }
  for (int k = 0; k < THREADS; k++) CU_ASSERT_EQUAL_FATAL(pthread_create(&w[k].thread, NULL, write_some, &w[k]), 0);
  for (int k = 0; k < THREADS; k++) {
    pthread_join(w[k].thread, NULL);
    CU_ASSERT_TRUE(alone[k].ok && w[k].ok && w[k].n > 1000);
    CU_ASSERT_TRUE(w[k].n == alone[k].n && !memcmp(w[k].text, alone[k].text, w[k].n));
    free(w[k].text);
    free(alone[k].text);
  }
}

/* ---- other machines -------------------------------------------------------------------------------------------------------- */

static void test_aarch64(void) {
  char err[256] = "", path[] = "/tmp/hnnc-object-XXXXXX";
  Cg *cg = cg_create(&(CgOptions){.triple = "aarch64-unknown-linux-gnu", .opt = 1}, err, sizeof err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(cg);
  CU_ASSERT_EQUAL(cg_vector_bits(cg), 128);
  for (uint64_t k = 0; k < 10; k++) {
    char name[16];
    RandomSpec spec = {.seed = k, .size = 20, .f64 = k % 2, .scans = true, .draws = true};
    Fn *f = random_fn(&spec);
    snprintf(name, sizeof name, "f%d", (int)k);
    cg_add(cg, f, name);
    ir_fn_destroy(f);
  }
  close(mkstemp(path));
  CU_ASSERT_TRUE(cg_write_object(cg, path, err, sizeof err));
  struct stat st;
  CU_ASSERT_TRUE(stat(path, &st) == 0 && st.st_size > 1000);
  unlink(path);
  cg_destroy(cg);
}

static void test_unknown(void) {
  char err[256] = "";
  Cg *cg = cg_create(&(CgOptions){.triple = "z80-unknown-none", .opt = 1}, err, sizeof err);
  CU_ASSERT_PTR_NULL(cg);
  CU_ASSERT_NOT_EQUAL(err[0], 0);
  cg_destroy(cg);
  cg = codegen_start(NULL, NULL);
  CU_ASSERT_PTR_NULL((void *)(uintptr_t)cg_kernel(cg, "nothing"));
  CU_ASSERT_TRUE(cg_compile(cg, err, sizeof err));
  CU_ASSERT_TRUE(cg_measure_peak(cg, true) > 0.1);
  cg_destroy(cg);
}

const Suite suite = {"codegen cases", (CU_TestInfo[]){{"products", test_products},
                                                      {"convolutions", test_convolutions},
                                                      {"powers of reciprocal roots", test_cubes},
                                                      {"shared work", test_shared},
                                                      {"structure", test_structure},
                                                      {"rings", test_rings},
                                                      {"sums over turns", test_loops},
                                                      {"sums of sums", test_sums},
                                                      {"convergence", test_converge},
                                                      {"early end", test_converge_early},
                                                      {"NaN in a loop", test_converge_nan},
                                                      {"orbits", test_orbits},
                                                      {"chains", test_chains},
                                                      {"adaptive trajectories", test_ode},
                                                      {"cache", test_cache},
                                                      {"a scalar beside a vector", test_scalar_beside},
                                                      {"several at once", test_at_once},
                                                      {"aarch64", test_aarch64},
                                                      {"unknown names", test_unknown},
                                                      CU_TEST_INFO_NULL}};
