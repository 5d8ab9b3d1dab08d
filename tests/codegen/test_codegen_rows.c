/* Compiled functions against the evaluator: rows by index, of every shape, where they are and where they are not rows. */
#include "tests/common/codegen_util.h"
#include "tests/common/random_fn.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"

#include <math.h>
#include <stdlib.h>

typedef struct Rows {
  Build b;
  uint64_t seed;
  uint32_t n;   /* of the table */
  bool outside; /* some indices name no row */
} Rows;

static uint32_t below(Rows *r, uint32_t n) { return random_below(&r->seed, n); }

static Val input(Build *b, bool lane, int rank, const uint32_t *dim) {
  return ir_input(b, "x", lane ? IN_FIELD : IN_PARAM, b->f->in.n, type_real(lane, rank, dim));
}

/* From values within -1 ... 1. */
static Val index_of(Rows *r, Val v) {
  Build *b = &r->b;
  double n = r->n, by = r->outside ? 0.6 : 0.499;
  Val at = ir_floor(b, ir_add(b, ir_mul(b, v, ir_const(b, n * by)), ir_const(b, n / 2)));
  if (!r->outside) return at;
  static const double wrong[] = {0.5, 1e30, -1e300, NAN, INFINITY};
  return ir_select(b, ir_lt(b, ir_const(b, 0.9), v), ir_const(b, wrong[below(r, 5)]), at);
}

/* In memory, computed, or seen through views: with rows at a stride, backwards, repeated. */
static Val table(Rows *r, bool lane, const uint32_t *row, int rank) {
  Build *b = &r->b;
  uint32_t dim[IR_MAX_RANK] = {r->n}, turned[IR_MAX_RANK] = {0}, wide[IR_MAX_RANK];
  int perm[IR_MAX_RANK];
  for (int k = 0; k < rank; k++) dim[k + 1] = row[k];
  for (int k = 0; k <= rank; k++)
    turned[k] = dim[(k + 1) % (rank + 1)], perm[k] = (k + rank) % (rank + 1), wide[k] = k ? dim[k] : 2 * r->n + 1;
  switch (below(r, 6)) {
  case 0: return ir_sin(b, input(b, lane, rank + 1, dim));
  case 1: return ir_transpose(b, input(b, lane, rank + 1, turned), perm);
  case 2: return ir_flip(b, input(b, lane, rank + 1, dim), 0);
  case 3: return ir_slice(b, input(b, lane, rank + 1, wide), 0, 1, r->n, 2);
  case 4: return ir_expand(b, input(b, lane, rank, dim + 1), 0, r->n);
  default: return input(b, lane, rank + 1, dim);
  }
}

/* The same inside a loop over the indices: sums over the turns, for each sample and over the batch. */
static void in_loop(Rows *r, Val x, Val at) {
  Build *b = &r->b, t;
  Type ti = ir_type(b->f, at);
  uint32_t turns = ti.dim[0];
  ir_build_init(&t, ir_sub_create(b->f, "turn"));
  Val one = ir_input(&t, "at", IN_OTHER, 0, type_real(ti.lane, ti.rank - 1, ti.dim + 1));
  Val rows = ir_input(&t, "x", IN_OTHER, 1, ir_type(b->f, x)), row = ir_gather(&t, rows, one), square = ir_mul(&t, row, row);
  bool lanes = ir_type(t.f, square).lane && ti.lane;
  ir_output(&t, row, NULL);
  ir_output(&t, ir_scatter(&t, square, one, r->n, false), NULL);
  if (lanes) ir_output(&t, ir_scatter(&t, square, one, r->n, true), NULL);
  ir_build_finish(&t);
  Val scan = ir_scan(b, (Val[]){at, x}, 2, turns, 0, 1, 1, 1u + lanes, below(r, 2), 0, t.f);
  for (uint32_t k = 0; k < 2u + lanes; k++) ir_output(b, ir_proj(b, scan, k), NULL);
}

static void random_rows(const char *cpu, CgForm form, uint64_t seed, bool f64) {
  static const uint32_t rows[] = {1, 2, 3, 7, 12, 13, 40, 300}, widths[] = {1, 2, 3, 5, 17}, many[] = {1, 2, 4, 5, 9};
  Rows r = {.seed = seed};
  uint32_t row[2], some[2];
  ir_build_init(&r.b, ir_fn_create("rows", f64));
  r.n = rows[below(&r, 8)], r.outside = below(&r, 3) == 0;
  int rank = (int)below(&r, 3), indices = (int)below(&r, 3), ways = (int)below(&r, 4);
  for (int k = 0; k < 2; k++) row[k] = widths[below(&r, 5)], some[k] = many[below(&r, 5)];
  Build *b = &r.b;
  Val x = table(&r, ways & 1, row, rank), at = index_of(&r, input(b, ways & 2, indices, some)), y = ir_gather(b, x, at);
  Val c = ir_mul(b, y, ir_const(b, 0.5));
  ir_output(b, y, "rows");
  ir_output(b, ir_scatter(b, c, at, r.n, false), "sums");
  if (ways & 2) ir_output(b, ir_scatter(b, ir_spread(b, c), at, r.n, true), "sums over the batch");
  if (!indices) ir_output(b, ir_setrow(b, x, at, ir_sin(b, y)), "set");
  if (indices && rank < 2) in_loop(&r, x, at);
  ir_build_finish(b);
  codegen_check_form(cpu, form, b->f, 1 + (int64_t)random_below(&seed, 40), seed);
  ir_fn_destroy(b->f);
}

/* Rows of a view of one number that reaches the loop from outside: a carry, an argument or a sum of the loop around it. */
static void from_outside(CgForm form, int number, bool diagonal, bool lane) {
  const uint32_t n = 2;
  Build outer, b, t;
  ir_build_init(&outer, ir_fn_create("rows", true));
  Val start = input(&outer, lane, 0, NULL), other = input(&outer, true, 0, NULL), at = input(&outer, true, 1, (uint32_t[]){3});
  ir_build_init(&b, ir_sub_create(outer.f, "around"));
  Val h = ir_input(&b, "h", IN_STATE, 0, ir_type(outer.f, start)), c = ir_input(&b, "c", IN_OTHER, 1, ir_type(outer.f, other));
  Val places = ir_input(&b, "at", IN_OTHER, 2, ir_type(outer.f, at)), of = number == 0 ? h : number == 1 ? c : ir_mul(&b, h, c);
  ir_build_init(&t, ir_sub_create(b.f, "turn"));
  Val x = ir_expand(&b, of, 0, n);
  if (diagonal) x = ir_diagv(&b, ir_expand(&b, x, 0, n));
  Val one = ir_input(&t, "at", IN_OTHER, 0, type_scalar(true)), rows = ir_input(&t, "x", IN_OTHER, 1, ir_type(b.f, x));
  Val index = ir_select(&t, ir_lt(&t, ir_const(&t, 0), one), ir_const(&t, 1), ir_const(&t, 0));
  ir_output(&t, ir_gather(&t, rows, index), NULL);
  ir_build_finish(&t);
  Val scan = ir_scan(&b, (Val[]){places, x}, 2, 3, 0, 1, 1, 0, false, 0, t.f);
  Val next = ir_add(&b, ir_mul(&b, h, ir_const(&b, 0.5)), ir_index(&b, ir_proj(&b, scan, 0), 0, 1));
  ir_output(&b, lane ? next : ir_mul(&b, h, ir_const(&b, 0.5)), "h");
  ir_output(&b, next, NULL);
  ir_build_finish(&b);
  Val all = ir_scan(&outer, (Val[]){start, other, at}, 3, 4, 1, 0, 1, 0, false, 0, b.f);
  ir_output(&outer, ir_proj(&outer, all, 0), "last");
  ir_output(&outer, ir_proj(&outer, all, 1), "each");
  ir_build_finish(&outer);
  codegen_check_form(NULL, form, outer.f, 5, 17);
  ir_fn_destroy(outer.f);
}

static void test_outside(void) {
  for (int k = 0; k < 24; k++) from_outside(k % 2 ? CG_TILES : CG_SINGLE, k / 2 % 3, k / 6 % 2, k / 12);
}

static void many(const char *cpu, CgForm form, uint64_t seed, int n) {
  for (int k = 0; k < OFTEN(n); k++) random_rows(cpu, form, seed + (uint64_t)k, k & 1);
}

static void test_tiles(void) { many(NULL, CG_TILES, 100, 60); }
static void test_single(void) { many(NULL, CG_SINGLE, 200, 40); }
static void test_widths(void) {
  many(CODEGEN_PLAIN, CG_TILES, 300, 30);
  if (CODEGEN_WIDER) many(CODEGEN_WIDER, CG_TILES, 400, 30);
}

const Suite suite = {"rows", (CU_TestInfo[]){{"tiles", test_tiles},
                                             {"one sample", test_single},
                                             {"other widths", test_widths},
                                             {"views of a number from outside", test_outside},
                                             CU_TEST_INFO_NULL}};
