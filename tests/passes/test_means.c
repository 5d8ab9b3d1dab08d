/* Means over the batch, lowered: exactly what is written by hand with sums; gradients against differences; phases. How maps are
 * cut, and what is refused, is in tests/passes/means_*.hir. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/field/field.h"
#include "tests/common/cunit_main.h"
#include "tests/common/means_cases.h"
#include "tests/common/random_fn.h"

static Source *src;
static Diag *diag;

static Fn *derived(Fn *f) { return means_derived(f, diag); }

static void same(const char *name, const char *what, const Fn *a, const Fn *b) {
  FieldReport r;
  FieldAnswer answer = ir_field_equal(a, b, 3, 11, &r);
  CU_ASSERT_EQUAL(answer, FIELD_EQUAL);
  if (answer == FIELD_EQUAL) return;
  fprintf(stderr, "%s, %s: %s\n", name, what, r.reason);
  ir_print(stderr, a, NULL);
  ir_print(stderr, b, NULL);
}

/* The mean of a step and its gradient, by means.c and by hand. */
static void check_exact(const MeansCase *c) {
  uint32_t moved[] = {0, 1, 2, 3};
  Running running;
  Fn *loss = c->make(LOSS, true), *hand = c->make(BY_HAND, true), *averaged = c->make(AVERAGED, true);
  Fn *step = derived(pass_step_mean(NULL, loss, diag)), *elsewhere = derived(pass_mean(NULL, loss)),
     *by_average = derived(pass_mean(NULL, averaged));
  Fn *g = derived(pass_gradient(NULL, loss, moved, c->nmoved, &running, diag));
  /* by hand: the weight is an input already */
  Fn *f = ir_fn_create("by_hand", true), *all = ir_fn_create("by_hand_gradient", true);
  for (int k = 0; k < 2; k++) {
    Build b;
    Val args[16], out;
    ir_build_init(&b, k ? all : f);
    b.number = false;
    for (uint32_t i = 0; i < hand->in.n; i++)
      args[i] = ir_input(&b, hand->in.at[i].name, hand->in.at[i].kind, hand->in.at[i].index, hand->in.at[i].type);
    ir_inline(&b, hand, args, &out);
    Val mean = ir_batch_sum(&b, ir_mul(&b, args[hand->in.n - 1], ir_spread(&b, out)));
    ir_output(&b, mean, "loss");
    for (uint32_t p = 0; k && p < c->nmoved; p++) ir_output(&b, ir_grad(&b, mean, args[p]), NULL);
    ir_build_finish(&b);
  }
  f = derived(f), all = derived(all);
  same(c->name, "the mean of a step", step, f);
  same(c->name, "the mean elsewhere", elsewhere, by_average);
  CU_ASSERT_EQUAL(running.n, c->nrunning);
  for (uint32_t k = 0; k < running.n; k++) CU_ASSERT_EQUAL(running.param[k], c->nmoved + k);
  CU_ASSERT_EQUAL_FATAL(g->out.n, 1 + c->nmoved + c->nrunning);
  for (uint32_t k = 0; k < running.n; k++)
    CU_ASSERT_STRING_EQUAL(g->outname.at[1 + c->nmoved + k], g->in.at[running.param[k]].name);
  Fn *without = ir_copy_fn(NULL, g);
  without->out.n = without->outname.n = 1 + c->nmoved;
  same(c->name, "the gradient", without, all);
  base_free(running.param);
  Fn *const made[] = {loss, hand, averaged, step, elsewhere, by_average, g, f, all, without};
  for (size_t k = 0; k < sizeof made / sizeof *made; k++) ir_fn_destroy(made[k]);
}

static void test_exact(void) {
  for (int k = 0; k < means_ncases; k++) check_exact(&means_cases[k]);
}

/* ---- by differences ---- */

enum { B = 5 };

static double step_loss(const Fn *f, const Tensor *in) {
  char err[200];
  Tensor out;
  CU_ASSERT_FATAL(ir_eval(f, B, in, &out, &(EvalEnv){0}, err, sizeof err));
  double v = out.v[0];
  ir_tensors_free(&out, 1);
  return v;
}

static void check_differences(const MeansCase *c) {
  uint32_t moved[] = {0, 1, 2, 3};
  char err[200];
  Fn *loss = c->make(LOSS, true), *step = derived(pass_step_mean(NULL, loss, diag)),
     *g = derived(pass_gradient(NULL, loss, moved, c->nmoved, NULL, diag));
  Tensor in[16], out[16];
  random_inputs(g, B, 3, in);
  for (int s = 0; s < B; s++) in[g->in.n - 1].v[s] = s < B - 1 ? 1.0 / (B - 1) : 0; /* one of padding */
  CU_ASSERT_FATAL(ir_eval(g, B, in, out, &(EvalEnv){0}, err, sizeof err));
  CU_ASSERT_DOUBLE_EQUAL(out[0].v[0], step_loss(step, in), 1e-12);
  double largest = 0;
  for (uint32_t p = 0; p < c->nmoved; p++)
    for (int64_t e = 0; e < type_count(in[p].type); e++) {
      double keep = in[p].v[e], h = 1e-5;
      in[p].v[e] = keep + h;
      double hi = step_loss(step, in);
      in[p].v[e] = keep - h;
      double lo = step_loss(step, in);
      in[p].v[e] = keep;
      CU_ASSERT_DOUBLE_EQUAL(out[1 + p].v[e], (hi - lo) / (2 * h), 1e-7);
      largest = fmax(largest, fabs(out[1 + p].v[e]));
    }
  CU_ASSERT(largest > 1e-3);
  ir_tensors_free(out, g->out.n);
  for (uint32_t k = 0; k < g->in.n; k++) base_free(in[k].v);
  ir_fn_destroy(loss);
  ir_fn_destroy(step);
  ir_fn_destroy(g);
}

static void test_differences(void) {
  for (int k = 0; k < means_ncases; k++) check_differences(&means_cases[k]);
}

/* ---- phases ---- */

/* 2k + 1 phases for k means in a chain; with HNNC_VERIFY_EACH the parts are compared with the whole. */
static void test_phases(void) {
  for (int k = 0; k < means_ncases; k++) {
    const MeansCase *c = &means_cases[k];
    uint32_t moved[] = {0, 1, 2, 3};
    Fn *loss = c->make(LOSS, true), *g = derived(pass_gradient(NULL, loss, moved, c->nmoved, NULL, diag));
    Split s;
    CU_ASSERT_FATAL(pass_split(NULL, g, &s, diag));
    CU_ASSERT_EQUAL(s.n, 2 * (2 * c->means + 1) + 1);
    if (s.n != 2 * (2 * c->means + 1) + 1) fprintf(stderr, "%s: %u parts\n", c->name, s.n);
    for (uint32_t p = 1; p < s.n; p += 2) CU_ASSERT_PTR_NOT_NULL(s.part[p].fn);
    CU_ASSERT(!pass_split_whole(&s, g));
    pass_split_finish(&s);
    ir_fn_destroy(loss);
    ir_fn_destroy(g);
  }
}

static int open_source(void) {
  src = source_create();
  diag = diag_create(src);
  return 0;
}

static int close_source(void) {
  diag_destroy(diag);
  source_destroy(src);
  return 0;
}

const Suite suite = {"means",
                     (CU_TestInfo[]){{"as by hand, exactly", test_exact},
                                     {"gradients against differences", test_differences},
                                     {"phases", test_phases},
                                     CU_TEST_INFO_NULL},
                     open_source, close_source};
