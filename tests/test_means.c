/* Means over the batch, lowered: exactly what is written by hand with sums; gradients against differences; phases. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/field.h"
#include "tests/cunit_main.h"
#include "tests/means_cases.h"
#include "tests/random_fn.h"

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
  Fn *step = derived(pass_step_mean(loss, diag)), *elsewhere = derived(pass_mean(loss)), *by_average = derived(pass_mean(averaged));
  Fn *g = derived(pass_gradient(loss, moved, c->nmoved, &running, diag));
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
  for (uint32_t k = 0; k < running.n; k++) CU_ASSERT_STRING_EQUAL(g->outname.at[1 + c->nmoved + k], g->in.at[running.param[k]].name);
  Fn *without = ir_copy_fn(NULL, g);
  without->out.n = without->outname.n = 1 + c->nmoved;
  same(c->name, "the gradient", without, all);
  free(running.param);
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
  Fn *loss = c->make(LOSS, true), *step = derived(pass_step_mean(loss, diag)),
     *g = derived(pass_gradient(loss, moved, c->nmoved, NULL, diag));
  Tensor in[16], out[16];
  random_inputs(g, B, 3, in);
  for (int s = 0; s < B; s++) in[g->in.n - 1].v[s] = s < B - 1 ? 1.0 / (B - 1) : 0;       /* one of padding */
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
  for (uint32_t k = 0; k < g->in.n; k++) free(in[k].v);
  ir_fn_destroy(loss);
  ir_fn_destroy(step);
  ir_fn_destroy(g);
}

static void test_differences(void) {
  for (int k = 0; k < means_ncases; k++) check_differences(&means_cases[k]);
}

/* ---- phases and work ---- */

/* 2k + 1 phases for k means in a chain; with HNNC_VERIFY_EACH the parts are compared with the whole. */
static void test_phases(void) {
  for (int k = 0; k < means_ncases; k++) {
    const MeansCase *c = &means_cases[k];
    uint32_t moved[] = {0, 1, 2, 3};
    Fn *loss = c->make(LOSS, true), *g = derived(pass_gradient(loss, moved, c->nmoved, NULL, diag));
    Split s;
    CU_ASSERT_FATAL(pass_split(g, &s, diag));
    CU_ASSERT_EQUAL(s.n, 2 * (2 * c->means + 1) + 1);
    if (s.n != 2 * (2 * c->means + 1) + 1) fprintf(stderr, "%s: %u parts\n", c->name, s.n);
    for (uint32_t p = 1; p < s.n; p += 2) CU_ASSERT_PTR_NOT_NULL(s.part[p].fn);
    CU_ASSERT(!pass_split_whole(&s, g));
    pass_split_finish(&s);
    ir_fn_destroy(loss);
    ir_fn_destroy(g);
  }
}

static int64_t transcendental(const Fn *f) { return pass_flops(f).transcendental_per_sample; }

/* However many means there are, no tanh is computed twice: not by cutting maps, and not by cutting the batch. */
static void test_work(void) {
  uint32_t moved[] = {0, 1, 2, 3};
  const MeansCase *c = &means_cases[1];
  CU_ASSERT_STRING_EQUAL_FATAL(c->name, "deep");
  Fn *loss = c->make(LOSS, true), *step = derived(pass_step_mean(loss, diag)), *once = derived(pass_mean(loss)),
     *g = derived(pass_gradient(loss, moved, c->nmoved, NULL, diag));
  CU_ASSERT(transcendental(once) > 0);
  CU_ASSERT_EQUAL(transcendental(step), transcendental(once));
  uint32_t scans = 0;
  for (uint32_t id = 1; id < step->inst.n; id++) scans += step->inst.at[id].op == OP_scan;
  CU_ASSERT_EQUAL(scans, c->means + 1);
  Split s;
  int64_t parts = 0;
  CU_ASSERT_FATAL(pass_split(g, &s, diag));
  for (uint32_t p = 0; p < s.n; p++)
    if (s.part[p].fn) parts += transcendental(s.part[p].fn);
  CU_ASSERT_EQUAL(parts, transcendental(g));
  pass_split_finish(&s);
  Fn *const made[] = {loss, step, once, g};
  for (size_t k = 0; k < sizeof made / sizeof *made; k++) ir_fn_destroy(made[k]);
}

/* ---- refusals ---- */

static void refused(const char *text, const char *place, const char *message) {
  Source *source = source_create();
  Diag *said = diag_create(source);
  Running running;
  char *shown;
  size_t size;
  Fn *f = ir_parse(source, source_add(source, "t.hir", text, strlen(text)), said);
  CU_ASSERT_PTR_NOT_NULL(f);
  if (f) CU_ASSERT_PTR_NULL(pass_gradient(f, NULL, 0, &running, said));
  FILE *out = open_memstream(&shown, &size);
  diag_render(said, out, false);
  fclose(out);
  CU_ASSERT_PTR_NOT_NULL(strstr(shown, message));
  CU_ASSERT_PTR_NOT_NULL(strstr(shown, place));
  if (!strstr(shown, message) || !strstr(shown, place)) fprintf(stderr, "%s", shown);
  if (f) free(running.param);
  ir_fn_destroy(f);
  free(shown);
  diag_destroy(said);
  source_destroy(source);
}

static void test_refuses(void) {
  refused("fn f64 @loop(\"x\" field 0: f64[B], \"A\" param 0: f64) {\n"
          "  %1 = in {index=0} : f64[B]\n  %2 = in {index=1} : f64\n"
          "  sub 1 @turn(\"\" other 0: f64[B], \"\" other 0: f64) {\n"
          "    %1 = in {index=0} : f64[B]\n    %2 = in {index=1} : f64\n    %3 = sin %1 : f64[B]\n"
          "    %4 = batch_mean %3, %2 {param=0, lag=0} : f64\n"
          "    %5 = sub %3, %4 : f64[B]\n    return %5\n  }\n"
          "  %3 = scan %1, %2 {n=3, carry=1, xs=0, ys=0, zs=0, reverse=0, converge=0} @1 : (f64[B])\n"
          "  %4 = proj %3 {index=0} : f64[B]\n  return %4\n}\n",
          "t.hir:8", "a mean over the batch cannot stand in a loop whose turns follow one another");
  refused("fn f64 @rates(\"x\" field 0: f64[B], \"t\" field 1: f64[2], \"A\" param 0: f64) {\n"
          "  %1 = in {index=0} : f64[B]\n  %2 = in {index=1} : f64[2]\n  %3 = in {index=2} : f64\n"
          "  sub 1 @rates(\"\" other 0: f64[B], \"\" other 0: f64[B], \"\" other 0: f64) {\n"
          "    %1 = in {index=0} : f64[B]\n    %2 = in {index=2} : f64\n"
          "    %3 = batch_mean %1, %2 {param=0, lag=0} : f64\n    %4 = sub %1, %3 : f64[B]\n    return %4\n  }\n"
          "  %4 = ode %1, %2, %3 {method=10, states=1, rtol=4517329193108106637, atol=4517329193108106637, max_steps=1000000} @1 : (f64[B,2])\n"
          "  %5 = proj %4 {index=0} : f64[B,2]\n  %6 = sum %5 {axis=0} : f64[B]\n  return %6\n}\n",
          "t.hir:8", "a mean over the batch cannot stand in the rates of a trajectory");
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

const Suite suite = {"means", (CU_TestInfo[]){
  {"as by hand, exactly", test_exact},
  {"gradients against differences", test_differences},
  {"phases", test_phases},
  {"nothing is computed twice", test_work},
  {"refusals", test_refuses},
  CU_TEST_INFO_NULL}, open_source, close_source};
