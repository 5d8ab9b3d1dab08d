/* Differentiation: every op against differences, reverse against forward mode, nesting, loops, the
 * HNN loss and its count of products, random programs. */
#include "ir/ir.h"
#include "passes/derive.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 3 };              /* samples */

static uint64_t rng = 88172645463325252u;

static uint32_t pick(uint32_t n)
{
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return (uint32_t)((rng >> 11) % n);
}

static double uniform(double lo, double hi) { return lo + (hi - lo) * (pick(1u << 30) + 0.5) / (1u << 30); }

static Type dims(bool lane, int rank, uint32_t a, uint32_t b, uint32_t c)
{
  uint32_t d[] = {a, b, c};
  return type_real(lane, rank, d);
}

static Val input(Build *b, Type t) { return ir_input(b, "x", IN_OTHER, 0, t); }

/* ---- evaluating --------------------------------------------------------------------------------------- */

static size_t size_of(Type t) { return (size_t)type_count(t) * (t.lane ? B : 1); }

static Tensor *random_inputs(const Fn *f, double lo, double hi)
{
  Tensor *in = calloc(f->in.n + 1, sizeof *in);
  for (uint32_t k = 0; k < f->in.n; k++) {
    in[k].type = f->in.at[k].type;
    in[k].v = malloc(size_of(in[k].type) * sizeof(double));
    for (size_t j = 0; j < size_of(in[k].type); j++) in[k].v[j] = uniform(lo, hi);
  }
  return in;
}

static void free_inputs(Tensor *in, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) free(in[k].v);
  free(in);
}

static Tensor *evaluate(const Fn *f, const Tensor *in)
{
  Tensor *out = calloc(f->out.n + 1, sizeof *out);
  char err[256] = "";
  EvalEnv env = {0};
  if (!ir_eval(f, B, in, out, &env, err, sizeof err)) {
    printf("\neval of @%s: %s\n", f->name, err);
    ir_print(stdout, f, NULL);
    CU_FAIL_FATAL("evaluation failed");
  }
  return out;
}

static void free_outputs(const Fn *f, Tensor *out)
{
  ir_tensors_free(out, f->out.n);
  free(out);
}

static Fn *derive_or_fail(Fn *f)
{
  Diag *diag = diag_create(NULL);
  Fn *g = pass_derive(f, diag);
  if (!g) {
    diag_render(diag, stdout, false);
    CU_FAIL_FATAL("derive failed");
  }
  CU_ASSERT_EQUAL(ir_verify(g, stdout), 0);
  diag_destroy(diag);
  ir_fn_destroy(f);
  return g;
}

static bool near(double a, double b, double tol) { return fabs(a - b) <= tol * (1 + fabs(a) + fabs(b)); }

/* d out[0] / d (element j of input k), by differences of order 4; for a per-sample input of all samples at
 * once (sample < 0) or of one. d: an entry for each element of out[0]. */
static void differences(const Fn *f, Tensor *in, uint32_t k, size_t j, int sample, double *d)
{
  static const double at[] = {1, -1, 2, -2}, weight[] = {8, -8, -1, 1};
  const double h = 1e-3;
  size_t n = size_of(ir_type(f, f->out.at[0]));
  for (size_t e = 0; e < n; e++) d[e] = 0;
  bool lane = in[k].type.lane;
  size_t first = lane ? j * B + (sample < 0 ? 0 : (size_t)sample) : j, last = lane && sample < 0 ? first + B : first + 1;
  for (int p = 0; p < 4; p++) {
    for (size_t s = first; s < last; s++) in[k].v[s] += at[p] * h;
    Tensor *out = evaluate(f, in);
    for (size_t e = 0; e < n; e++) d[e] += weight[p] * out[0].v[e] / (12 * h);
    free_outputs(f, out);
    for (size_t s = first; s < last; s++) in[k].v[s] -= at[p] * h;
  }
}

/* ---- gradients against differences ------------------------------------------------------------------------ */

/* f with outputs: e, then its gradient by every input. `total`: of the sum over the batch. */
static Fn *gradient_of(const Fn *f, bool total)
{
  Fn *g = ir_fn_create("gradient", true);
  Build b;
  ir_build_init(&b, g);
  Val *x = calloc(f->in.n + 1, sizeof *x), *out = calloc(f->out.n + 1, sizeof *out);
  for (uint32_t k = 0; k < f->in.n; k++) x[k] = ir_id(&b, input(&b, f->in.at[k].type));
  ir_inline(&b, f, x, out);
  Val e = total && ir_type(g, out[0]).lane ? ir_batch_sum(&b, out[0]) : out[0];
  ir_output(&b, e, NULL);
  for (uint32_t k = 0; k < f->in.n; k++) ir_output(&b, ir_grad(&b, e, x[k]), NULL);
  ir_build_finish(&b);
  free(x);
  free(out);
  return g;
}

static int check_one(const Fn *f, const Fn *g, Tensor *in, bool total, double tol)
{
  int bad = 0;
  Tensor *val = evaluate(f, in), *out = evaluate(g, in);
  size_t ne = size_of(val[0].type);
  double d[B];
  for (uint32_t k = 0; k < f->in.n; k++) {
    Type t = in[k].type, tg = out[k + 1].type;
    CU_ASSERT_EQUAL(tg.lane, t.lane || (!total && val[0].type.lane));
    CU_ASSERT(type_same_dims(t, tg));
    for (size_t j = 0; j < (size_t)type_count(t); j++)
      for (int s = 0; s < (tg.lane ? B : 1); s++) {
        differences(f, in, k, j, total && t.lane ? s : -1, d);
        double want = 0, got = out[k + 1].v[tg.lane ? j * B + (size_t)s : j];
        if (total) for (size_t e = 0; e < ne; e++) want += d[e];
        else want = d[tg.lane && ne > 1 ? s : 0];
        if (!near(got, want, tol) && bad++ < 3) printf("\n  input %u[%zu] sample %d: %.15g, differences %.15g", k, j, s, got, want);
      }
  }
  free_outputs(f, val);
  free_outputs(g, out);
  return bad;
}

/* Per sample and in total. Takes f. */
static void check_gradient(Fn *f, double lo, double hi, double tol)
{
  Tensor *in = random_inputs(f, lo, hi);
  for (int total = 0; total < 2; total++) {
    Fn *g = derive_or_fail(gradient_of(f, total));
    int bad = check_one(f, g, in, total, tol);
    CU_ASSERT_EQUAL(bad, 0);
    if (bad) {
      printf("\n%s of\n", total ? "total" : "per sample");
      ir_print(stdout, f, NULL);
      ir_print(stdout, g, NULL);
    }
    ir_fn_destroy(g);
  }
  free_inputs(in, f->in.n);
  ir_fn_destroy(f);
}

static Val to_scalar(Build *b, Val y)
{
  /* uneven weights, so that no error cancels */
  Type t = ir_type(b->f, y);
  double *w = malloc(size_of(t) * sizeof *w);
  for (int64_t k = 0; k < type_count(t); k++) w[k] = uniform(0.5, 1.5);
  Val v = ir_sum_all(b, ir_mul(b, ir_table(b, type_with(t, false), w), ir_mul(b, y, y)));
  free(w);
  return v;
}

/* ---- elementwise ops --------------------------------------------------------------------------------------- */

static void check_partial(Op op, double sign)
{
  for (int shape = 0; shape < 6; shape++) {
    Fn *f = ir_fn_create(ir_op[op].name, true);
    Build b;
    ir_build_init(&b, f);
    Val x[2];
    Type vec = dims(shape & 1, 1, 2, 0, 0), other = shape < 2 ? vec : dims(!(shape & 1), shape < 4, 2, 0, 0);
    x[0] = input(&b, vec);
    if (ir_op[op].arity == 2) x[1] = input(&b, other);
    for (int k = 0; k < ir_op[op].arity; k++) x[k] = sign < 0 ? ir_neg(&b, x[k]) : x[k];
    Val y = ir_emit(&b, op, x, (uint32_t)ir_op[op].arity, NULL, 0, NULL);
    ir_output(&b, to_scalar(&b, y), NULL);
    ir_build_finish(&b);
    check_gradient(f, 0.3, 0.85, 1e-8);
  }
}

static void test_partials(void)
{
  int n = 0;
  for (int op = 1; op < OP_count; op++) {
    if (ir_op[op].cls != OPC_EW1 && ir_op[op].cls != OPC_EW2) continue;
    n++;
    check_partial(op, 1);
    if (isfinite(ir_eval_scalar(op, -0.7, -0.4))) check_partial(op, -1);
  }
  CU_ASSERT(n >= 24);
}

int main(void)
{
  CU_initialize_registry();
  CU_pSuite s = CU_add_suite("derive", NULL, NULL);
  CU_add_test(s, "partials of elementwise ops", test_partials);
  CU_basic_run_tests();
  int failed = (int)CU_get_number_of_failures();
  CU_cleanup_registry();
  return failed != 0;
}
