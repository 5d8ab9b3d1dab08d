/* Loops too long to be stored, swept backwards in segments, against the same loops stored: a carry that nothing depends on makes
 * the difference by its size alone. */
#include "tests/common/cunit_main.h"
#include "tests/common/derive_util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONG = 40000 };

typedef struct Case {
  uint32_t turns, inner; /* inner: turns of a loop in the body, or 0 */
  bool reverse, draws, lane;
  int order; /* of the derivative */
} Case;

static void draw(int kind, uint64_t seed, uint64_t sample0, int64_t lanes, uint32_t site, uint32_t counter, int64_t elems,
                 double *out) {
  for (int64_t e = 0; e < elems; e++)
    for (int64_t s = 0; s < lanes; s++)
      out[e * lanes + s] = sin((double)(kind + 3) * (double)(seed + site + 1) + 17.1 * counter + 5.3 * (double)e +
                               2.9 * (double)(sample0 + (uint64_t)s));
}

/* The same of every loop. */
static Val weighted(Build *b, Val y) {
  Type t = ir_type(b->f, y);
  const uint32_t n = (uint32_t)type_count(t);
  Val w = ir_add(b, ir_mul(b, ir_iota(b, n), ir_const(b, 0.125)), ir_const(b, 0.5));
  Val sized = ir_reshape(b, w, t.rank, t.dim), square = ir_mul(b, y, y);
  return ir_sum_all(b, ir_mul(b, sized, square));
}

static Val inner(Build *b, const Case *c, Val h, Val k) {
  Build t;
  ir_build_init(&t, ir_sub_create(b->f, "inner"));
  Val y = ir_input(&t, "y", IN_STATE, 0, ir_type(b->f, h)), w = ir_input(&t, "k", IN_OTHER, 1, ir_type(b->f, k));
  ir_output(&t, ir_tanh(&t, ir_mul(&t, w, y)), "y");
  ir_build_finish(&t);
  return ir_proj(b, ir_scan(b, (Val[]){h, k}, 2, c->inner, 1, 0, 0, 0, false, 0, t.f), 0);
}

/* h -> tanh(k h + x + draw) and stacked, and summed; pad: a carry of its own. */
static Fn *body_of(Build *outer, const Case *c, Type h0, Type pad) {
  Build b;
  ir_build_init(&b, ir_sub_create(outer->f, "turn"));
  Val h = ir_input(&b, "h", IN_STATE, 0, h0), p = ir_input(&b, "pad", IN_STATE, 1, pad);
  Val x = ir_input(&b, "x", IN_OTHER, 2, h0), turn = ir_input(&b, "turn", IN_OTHER, 3, type_scalar(false));
  Val k = ir_input(&b, "k", IN_OTHER, 4, dims(false, 1, 3, 0, 0));
  Val from = c->inner ? inner(&b, c, h, k) : h, next = ir_add(&b, ir_mul(&b, k, from), x);
  if (c->draws) next = ir_add(&b, next, ir_mul(&b, h, ir_rand(&b, 0, 5, turn, dims(true, 1, 3, 0, 0))));
  next = ir_tanh(&b, next);
  Val stacked = ir_mul(&b, ir_sin(&b, h), x), sum = ir_mul(&b, next, next);
  Val padded = ir_add(&b, ir_mul(&b, p, ir_const(&b, 0.5)), ir_const(&b, 0.25));
  Val out[] = {next, padded, stacked, sum};
  for (int j = 0; j < 4; j++) ir_output(&b, out[j], NULL);
  ir_build_finish(&b);
  return b.f;
}

static Fn *loop_of(const Case *c, uint32_t pad) {
  Fn *f = ir_fn_create("loop", true);
  Build b;
  ir_build_init(&b, f);
  Type row = dims(c->lane, 1, 3, 0, 0), padding = dims(false, 1, pad, 0, 0);
  Val h = ir_id(&b, input(&b, row)), x = ir_id(&b, input(&b, dims(c->lane, 2, c->turns, 3, 0)));
  Val k = ir_id(&b, input(&b, dims(false, 1, 3, 0, 0))), p = ir_splat(&b, 1, padding), turn = ir_iota(&b, c->turns);
  if (c->lane) h = ir_spread(&b, h), x = ir_spread(&b, x);
  Val args[] = {h, p, x, turn, k};
  Val scan = ir_scan(&b, args, 5, c->turns, 2, 2, 1, 1, c->reverse, 0, body_of(&b, c, row, padding));
  Val last = weighted(&b, ir_proj(&b, scan, 0)), all = weighted(&b, ir_proj(&b, scan, 2)), sum = weighted(&b, ir_proj(&b, scan, 3));
  Val left = ir_sum_all(&b, ir_proj(&b, scan, 1)), e = ir_add(&b, ir_add(&b, last, all), sum);
  const Val by[] = {h, x, k};
  for (int order = 1; order < c->order; order++) e = weighted(&b, ir_grad(&b, e, order & 1 ? k : h));
  ir_output(&b, e, NULL);
  for (int j = 0; j < 3; j++) {
    Val total = c->lane ? ir_batch_sum(&b, e) : e;
    ir_output(&b, ir_grad(&b, total, by[j]), NULL);
  }
  ir_output(&b, ir_mul(&b, left, ir_const_exact(&b, 1.0 / 1024, 1, 1024)), NULL);
  ir_build_finish(&b);
  return derive_or_fail(f);
}

static bool has_segment(const Fn *f) {
  bool any = !strcmp(f->name, "segment");
  for (uint32_t k = 0; k < f->sub.n; k++) any |= has_segment(f->sub.at[k]);
  return any;
}

static Tensor *outputs(const Fn *f, const Tensor *in) {
  Tensor *out = base_zeroed(f->out.n + 1, sizeof *out);
  char err[256] = "";
  EvalEnv env = {.seed = 11, .draw = draw};
  if (!ir_eval(f, SAMPLES, in, out, &env, err, sizeof err)) CU_FAIL_FATAL(err);
  return out;
}

static void compare(const Case *c) {
  Fn *stored = loop_of(c, 1), *cut = loop_of(c, LONG);
  CU_ASSERT(!has_segment(stored));
  CU_ASSERT(has_segment(cut));
  Tensor *in = draw_inputs(stored, -1, 1), *want = outputs(stored, in), *got = outputs(cut, in);
  double worst = 0, most = 0;
  for (uint32_t k = 0; k + 1 < stored->out.n; k++)
    for (size_t j = 0; j < size_of(want[k].type); j++) {
      worst = fmax(worst, fabs(want[k].v[j] - got[k].v[j]));
      most = fmax(most, fabs(want[k].v[j]));
    }
  CU_ASSERT(most > 1e-3);
  CU_ASSERT(worst <= 1e-13 * (1 + most));
  if (!(worst <= 1e-13 * (1 + most)))
    printf("\n%u turns, reverse %d, order %d: off by %g of %g\n", c->turns, c->reverse, c->order, worst, most);
  free_outputs(stored, want);
  free_outputs(cut, got);
  free_inputs(in, stored->in.n);
  ir_fn_destroy(stored);
  ir_fn_destroy(cut);
}

/* Numbers of turns that are products, and such that leave a rest. */
static void test_turns(void) {
  static const uint32_t turns[] = {4, 5, 7, 9, 12, 13, 23};
  for (size_t k = 0; k < sizeof turns / sizeof *turns; k++)
    for (int way = 0; way < 4; way++) compare(&(Case){.turns = turns[k], .reverse = way & 1, .lane = way & 2, .order = 1});
}

static void test_nested(void) {
  for (int way = 0; way < 4; way++) {
    compare(&(Case){.turns = 7, .inner = 3, .reverse = way & 1, .lane = way & 2, .order = 1});
    compare(&(Case){.turns = 7, .inner = way & 2 ? 0 : 2, .reverse = way & 1, .order = 2});
  }
}

/* What a segment draws when it is computed again is what it drew. */
static void test_draws(void) {
  for (int reverse = 0; reverse < 2; reverse++)
    for (int order = 1; order < 3; order++)
      compare(&(Case){.turns = 11, .reverse = reverse, .lane = true, .draws = true, .order = order});
}

const Suite suite = {"segment", (CU_TestInfo[]){{"numbers of turns", test_turns},
                                                {"loops in loops and second derivatives", test_nested},
                                                {"draws", test_draws},
                                                CU_TEST_INFO_NULL}};
