/* Sums of overlapping stretches of a product (passes/simplify/overlap.c): for all kernels and steps, one to three axes, ends cut
 * away, either operand first, lanes in either: exactly the same, in the finite field, and no stretch is left. */
#include "ir/field/field.h"
#include "passes/passes.h"
#include "tests/common/ops_count.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"

enum { AXES = 3, IN = 2, OUT = 2 };

typedef struct Case {
  int axes, taps[AXES], step[AXES], m[AXES], start[AXES], n[AXES];
  bool swapped, per_sample; /* y first in the product; taps per sample, too */
} Case;

/* With one place that no stretch meets, if there can be one. */
static uint32_t length(const Case *c, int a) { return (uint32_t)((c->m[a] - 1) * c->step[a] + c->taps[a] + (c->step[a] > 1)); }

/* W[in, out, taps...] and y[in, places...] to [out, places..., taps...], added up from the last axis on, the wanted stretch of each. */
static Fn *adjoint(const Case *c) {
  Build b;
  ir_build_init(&b, ir_fn_create("adjoint", true));
  uint32_t dw[2 + AXES] = {IN, OUT}, dy[1 + AXES] = {IN};
  int lw[2 + AXES] = {0, 1}, ly[1 + AXES] = {0}, lo[1 + 2 * AXES] = {1};
  for (int a = 0; a < c->axes; a++) {
    dw[2 + a] = (uint32_t)c->taps[a], dy[1 + a] = (uint32_t)c->m[a];
    lw[2 + a] = 2 + AXES + a, ly[1 + a] = 2 + a;
    lo[1 + a] = 2 + a, lo[1 + c->axes + a] = 2 + AXES + a;
  }
  const Val w = ir_input(&b, "W", c->per_sample ? IN_FIELD : IN_PARAM, 0, type_real(c->per_sample, 2 + c->axes, dw));
  const Val y = ir_input(&b, "y", IN_FIELD, 1, type_real(true, 1 + c->axes, dy));
  const int nout = 1 + 2 * c->axes;
  Val v = c->swapped ? ir_dot(&b, y, w, false, ly, lw, nout, lo) : ir_dot(&b, w, y, false, lw, ly, nout, lo);
  for (int a = c->axes; a-- > 0;) {
    v = ir_unwindow(&b, v, 1 + a, (uint32_t)c->step[a], length(c, a));
    if (c->start[a] || (uint32_t)c->n[a] < length(c, a)) v = ir_slice(&b, v, 1 + a, (uint32_t)c->start[a], (uint32_t)c->n[a], 1);
  }
  ir_output(&b, v, "x");
  ir_build_finish(&b);
  return b.f;
}

/* Axes of one stretch, or of stretches of one place, are none of the product: nothing is added up along them. */
static bool overlapping(const Case *c) {
  bool yes = true;
  for (int a = 0; a < c->axes; a++) yes &= c->taps[a] > 1 && c->m[a] > 1;
  return yes;
}

static void check(const Case *c) {
  FieldReport r;
  PassRun run = {0};
  Fn *f = adjoint(c), *g = pass_overlap(&run, f);
  if (ir_field_equal(f, g, 1, 7, &r) != FIELD_EQUAL) {
    ir_print(stderr, f, NULL);
    ir_print(stderr, g, NULL);
    CU_FAIL("another function");
  }
  if (overlapping(c)) CU_ASSERT_EQUAL(ops_count(g, OP_unwindow), 0);
  pass_run_finish(&run);
  ir_fn_destroy(f);
  ir_fn_destroy(g);
}

/* All that is left of an axis, without its first or last places, one place of it. */
static void cut(Case *c, int a, int how) {
  const int all = (int)length(c, a);
  c->start[a] = how == 0 ? 0 : how == 1 ? 1 : how == 2 ? c->taps[a] - 1 : (all > 1 ? all - 2 : 0);
  if (c->start[a] >= all) c->start[a] = 0;
  c->n[a] = how == 3 ? 1 : how == 2 ? all - c->start[a] - (all - c->start[a] > 2) : all - c->start[a];
}

static void test_line(void) {
  for (int taps = 1; taps <= 6; taps++)
    for (int step = 1; step <= 4; step++)
      for (int m = 1; m <= 4; m += 3)
        for (int how = 0; how < 4; how++)
          for (int k = 0; k < 4; k++) {
            Case c = {.axes = 1, .taps = {taps}, .step = {step}, .m = {m}, .swapped = k & 1, .per_sample = k & 2};
            cut(&c, 0, how);
            check(&c);
          }
}

static void test_plane_and_space(void) {
  uint64_t seed = 3;
  for (int k = 0; k < OFTEN(400); k++) {
    Case c = {.axes = 2 + k % 2, .swapped = k & 4, .per_sample = k & 8};
    for (int a = 0; a < c.axes; a++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      const uint32_t x = (uint32_t)(seed >> 33);
      c.taps[a] = 1 + (int)(x % 4), c.step[a] = 1 + (int)(x / 4 % 3), c.m[a] = 1 + (int)(x / 12 % 3);
      cut(&c, a, (int)(x / 36 % 4));
    }
    check(&c);
  }
}

/* Phases with as many taps are one product. */
static void test_products(void) {
  const int taps[] = {3, 4, 5, 2, 6}, step[] = {2, 2, 3, 3, 3}, products[] = {4, 1, 4, 1, 1};
  for (int k = 0; k < 5; k++) {
    Case c = {.axes = 2, .taps = {taps[k], taps[k]}, .step = {step[k], step[k]}, .m = {3, 4}};
    cut(&c, 0, 0), cut(&c, 1, 1);
    PassRun run = {0};
    Fn *f = adjoint(&c), *g = pass_overlap(&run, f);
    CU_ASSERT_EQUAL(ops_count(g, OP_dot), (uint32_t)products[k]);
    pass_run_finish(&run);
    ir_fn_destroy(f);
    ir_fn_destroy(g);
  }
}

const Suite suite = {
  "overlap", (CU_TestInfo[]){
               {"one axis", test_line}, {"two and three", test_plane_and_space}, {"products", test_products}, CU_TEST_INFO_NULL}};
