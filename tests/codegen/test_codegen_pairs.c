/* Sums over pairs as matrices: random ones, in loops too, are what they were, exactly in the finite field and compiled; those whose two sides
 * differ stay. */
#include "codegen/plan/plan.h"
#include "codegen/target/target.h"
#include "ir/field/field.h"
#include "tests/common/codegen_util.h"
#include "tests/common/random_fn.h"
#include "tests/common/cunit_main.h"

#include <stdlib.h>
#include <string.h>

/* FALLING, SLOW: even; UNEVEN: not. */
typedef enum { FALLING, SLOW, UNEVEN } Law;
typedef struct Sum {
  uint32_t n, dim;
  Law law;
  bool later;  /* over j > i, and not j < i */
  bool skewed; /* a map is left out, and the sum has other terms */
  bool minus;  /* taken off */
  bool looped, weighed, f64;
} Sum;

static Val row(Build *b, const Sum *s, Val x, uint32_t k) { return ir_reshape(b, ir_slice(b, x, 0, k, 1, 1), 1, &s->dim); }

static Type row_type(Type t) { return type_real(t.lane, t.rank - 1, t.dim + 1); }

static Fn *body(Build *b, const Sum *s, const Val *arg, uint32_t nargs, uint32_t xs) {
  Build t;
  Val in[4];
  ir_build_init(&t, ir_sub_create(b->f, "pair"));
  for (uint32_t k = 0; k < nargs; k++) {
    Type type = ir_type(b->f, arg[k]);
    if (k < xs) type = row_type(type);
    in[k] = ir_input(&t, "", IN_OTHER, k, type);
  }
  const Val c = xs == 2 ? in[1] : ir_const(&t, 0.5), x = in[0], y = in[xs], scale = in[xs + 1];
  const Val d = ir_sub(&t, y, x), r = ir_dot(&t, d, d, false, (int[]){0}, (int[]){0}, 0, NULL);
  Val w = s->law == SLOW ? ir_exp(&t, ir_neg(&t, r)) : ir_rsqrt3(&t, ir_add(&t, r, scale));
  if (s->law == UNEVEN) w = ir_mul(&t, w, ir_add(&t, ir_const(&t, 2), ir_reshape(&t, ir_slice(&t, x, 0, 0, 1, 1), 0, NULL)));
  const Val f = ir_mul(&t, d, ir_mul(&t, w, c));
  ir_output(&t, f, "over");
  ir_output(&t, ir_neg(&t, f), "given");
  ir_build_finish(&t);
  return t.f;
}

/* Weights of row i with the rows from `first` on: as a loop is given them, or as they stand. */
static Val weights(Build *b, const Sum *s, uint32_t i, uint32_t first, uint32_t n) {
  double v[32];
  if (!n) n = 1; /* unused */
  for (uint32_t k = 0; k < n; k++) v[k] = 1 + 0.125 * (double)((first + k + 1) * (i + 1) % 7);
  return s->weighed ? ir_table(b, type_real(false, 1, &n), v) : ir_splat(b, 0.5, type_real(false, 1, &n));
}

static uint32_t first_of(const Sum *s, uint32_t i) { return s->later ? i + 1 : 0; }
static uint32_t length_of(const Sum *s, uint32_t i) { return s->later ? s->n - 1 - i : i; }

static Val forces(Build *b, const Sum *s, Val x, Val scale, const Val *weight) {
  const uint32_t n = s->n;
  Val part[32], sum = VAL_NONE;
  const Type one = type_real(true, 2, (uint32_t[]){1, s->dim});
  for (uint32_t i = 0; i < n; i++) {
    part[i] = ir_splat(b, 0, one);
    const uint32_t first = first_of(s, i), count = length_of(s, i);
    if (count < 2 || (s->skewed && i == n / 2)) continue;
    const Val arg[4] = {ir_slice(b, x, 0, first, count, 1), weight[i], row(b, s, x, i), scale};
    const Val map = ir_scan(b, arg, 4, count, 0, 2, 1, 1, i % 2, 0, body(b, s, arg, 4, 2));
    const Val f = ir_unslice(b, ir_proj(b, map, 0), 0, first, 1, n);
    part[i] = ir_reshape(b, ir_proj(b, map, 1), 2, one.dim);
    sum = !sum.id ? (s->minus ? ir_neg(b, f) : f) : s->minus ? ir_sub(b, sum, f) : ir_add(b, f, sum);
  }
  const Val rows = ir_concat(b, part, n, 0);
  sum = s->minus ? ir_sub(b, sum, rows) : ir_add(b, sum, rows);
  return s->skewed ? ir_add(b, ir_mul(b, x, x), sum) : sum;
}

static Fn *function(const Sum *s) {
  Build b, t;
  ir_build_init(&b, ir_fn_create("pairs", s->f64));
  const Type type = type_real(true, 2, (uint32_t[]){s->n, s->dim});
  Val arg[40], weight[32] = {VAL_NONE};
  arg[0] = ir_input(&b, "x", IN_FIELD, 0, type);
  arg[1] = ir_input(&b, "scale", IN_FIELD, 1, type_scalar(true));
  arg[1] = ir_add(&b, ir_mul(&b, arg[1], arg[1]), ir_const(&b, 0.25));
  for (uint32_t i = 0; i < s->n; i++) weight[i] = arg[2 + i] = weights(&b, s, i, first_of(s, i), length_of(s, i));
  if (s->looped) {
    ir_build_init(&t, ir_sub_create(b.f, "step"));
    Val in[40];
    for (uint32_t k = 0; k < s->n + 2; k++) in[k] = ir_input(&t, "", IN_OTHER, k, ir_type(b.f, arg[k]));
    ir_output(&t, ir_add(&t, in[0], ir_mul(&t, forces(&t, s, in[0], in[1], in + 2), ir_const(&t, 1.0 / 64))), "x");
    ir_build_finish(&t);
    ir_output(&b, ir_proj(&b, ir_scan(&b, arg, s->n + 2, 3, 1, 0, 0, 0, false, 0, t.f), 0), "x");
  } else ir_output(&b, forces(&b, s, arg[0], arg[1], weight), "f");
  ir_build_finish(&b);
  return b.f;
}

static Sum random_sum(uint64_t *s) {
  Sum sum = {.n = 3 + random_below(s, 15), .dim = 1 + random_below(s, 3), .law = (Law)random_below(s, 3)};
  sum.later = random_below(s, 2), sum.skewed = random_below(s, 3) == 0, sum.minus = random_below(s, 2);
  sum.looped = random_below(s, 2), sum.weighed = random_below(s, 2), sum.f64 = random_below(s, 3) > 0;
  return sum;
}

/* Whether there was a matrix. */
static bool one(const Sum *s, uint64_t seed) {
  const CgTarget t = cg_target(true, 512, 32, true, NULL);
  Fn *f = function(s), *g = plan_pairs(f, &t, 8);
  CU_ASSERT(!g || s->law != UNEVEN);
  if (g) {
    FieldReport r;
    CU_ASSERT(ir_verify(g, stdout) == 0);
    const FieldAnswer same = ir_field_equal(f, g, FIELD_QUICK, seed, &r);
    if (same != FIELD_EQUAL) printf("seed %d: %s\n", (int)seed, r.reason);
    CU_ASSERT(same == FIELD_EQUAL);
    ir_fn_destroy(g);
  }
  ir_fn_destroy(f);
  return g != NULL;
}

static void test_exact(void) {
  uint32_t found = 0, even = 0;
  for (uint64_t seed = 1; seed <= 150; seed++) {
    uint64_t s = seed;
    Sum sum = random_sum(&s);
    if (sum.law == FALLING) sum.looped = false; /* roots of roots have a value at too few points */
    const bool matrix = one(&sum, seed);
    if (sum.law != UNEVEN && sum.n >= 8) even++, found += matrix;
  }
  CU_ASSERT(even > 50 && found >= 30); /* where it pays */
}

static void compiled(const char *cpu, uint64_t first, uint32_t count) {
  for (uint64_t seed = first; seed < first + count; seed++) {
    uint64_t s = seed;
    const Sum sum = random_sum(&s);
    Fn *f = function(&sum);
    codegen_check_form(cpu, CG_SINGLE, f, 1 + random_below(&s, 2), seed);
    ir_fn_destroy(f);
  }
}

static void test_compiled(void) {
  compiled(NULL, 1, 30);
  compiled(CODEGEN_PLAIN, 101, 8);
  if (CODEGEN_WIDER) compiled(CODEGEN_WIDER, 201, 8);
}

const Suite suite = {
  "codegen pairs",
  (CU_TestInfo[]){{"random sums, exactly", test_exact}, {"random sums, compiled", test_compiled}, CU_TEST_INFO_NULL}};
