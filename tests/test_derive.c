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
        differences(f, in, k, j, (total || !val[0].type.lane) && t.lane ? s : -1, d);
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

/* ---- structural ops ------------------------------------------------------------------------------------------ */

/* A case takes an input of the type given and gives a value to be differentiated. */
typedef Val Case(Build *b, Val x, Val y);

static Type of(Build *b, Val v) { return ir_type(b->f, v); }

/* The conditions are not close to changing: values lie in [0.2, 1]. */
static Val case_select(Build *b, Val x, Val y)
{
  static const double level[] = {0, 2, 0, 9, 0, 9, 9, 0, 2};
  Val t = ir_table(b, dims(false, 2, 3, 3, 0), level);
  Val v = ir_select(b, ir_lt(b, t, x), ir_mul(b, x, y), y);
  return ir_add(b, v, ir_select(b, ir_lt(b, ir_mul(b, t, y), x), ir_index(b, ir_index(b, x, 0, 0), 0, 0), y));
}
static Val case_id(Build *b, Val x, Val y) { return ir_id(b, ir_mul(b, x, y)); }
static Val case_spread(Build *b, Val x, Val y) { return ir_mul(b, ir_spread(b, x), y); }
static Val case_batch_sum(Build *b, Val x, Val y)
{
  Val v = ir_mul(b, x, y);
  return of(b, v).lane ? ir_batch_sum(b, ir_sin(b, v)) : v;
}
static Val case_reshape(Build *b, Val x, Val y)
{
  uint32_t d[] = {9}, e[] = {3, 3};
  return ir_mul(b, ir_reshape(b, ir_sin(b, ir_reshape(b, x, 1, d)), 2, e), y);
}
static Val case_transpose(Build *b, Val x, Val y)
{
  uint32_t d[] = {1, 3, 3};
  return ir_mul(b, ir_transpose(b, ir_reshape(b, x, 3, d), (int[]){2, 0, 1}),
                ir_reshape(b, y, 3, (uint32_t[]){3, 1, 3}));
}
static Val case_expand(Build *b, Val x, Val y) { return ir_mul(b, ir_expand(b, x, 1, 2), ir_expand(b, ir_sin(b, y), 1, 2)); }
static Val case_sum(Build *b, Val x, Val y) { return ir_mul(b, ir_sum(b, x, 0), ir_sum(b, y, 1)); }
/* The extremum is not close to changing its place. */
static Val apart(Build *b, Val x)
{
  static const double at[] = {0, 2, 4, 2, 4, 0, 4, 0, 2};
  return ir_sin(b, ir_mul(b, ir_const(b, 0.25), ir_add(b, x, ir_table(b, dims(false, 2, 3, 3, 0), at))));
}
static Val case_rmax(Build *b, Val x, Val y) { return ir_mul(b, ir_rmax(b, apart(b, x), 0), ir_rmax(b, apart(b, y), 1)); }
static Val case_rmin(Build *b, Val x, Val y) { return ir_mul(b, ir_rmin(b, apart(b, x), 0), ir_rmin(b, apart(b, y), 1)); }
static Val case_slice(Build *b, Val x, Val y)
{
  Val v = ir_mul(b, ir_slice(b, x, 0, 1, 2, 1), ir_slice(b, y, 0, 0, 2, 2));
  v = ir_add(b, v, ir_slice(b, x, 0, 0, 2, 1));
  return ir_mul(b, v, ir_stack(b, (Val[]){ir_index(b, x, 0, 0), ir_index(b, y, 0, 2)}, 2));
}
static Val case_unslice(Build *b, Val x, Val y)
{
  return ir_add(b, ir_unslice(b, ir_mul(b, x, y), 1, 1, 2, 7), ir_unslice(b, ir_sin(b, x), 1, 2, 1, 7));
}
static Val case_concat(Build *b, Val x, Val y)
{
  Val v = ir_concat(b, (Val[]){x, ir_sin(b, y), x}, 3, 1);
  return ir_mul(b, v, ir_concat(b, (Val[]){ir_splat(b, 2, dims(false, 2, 3, 4, 0)), ir_slice(b, v, 1, 2, 5, 1)}, 2, 1));
}
static Val case_take(Build *b, Val x, Val y)
{
  return ir_mul(b, ir_take(b, x, 0, (uint32_t[]){2, 0, 2, 1}, 4), ir_take(b, y, 0, (uint32_t[]){0, 1, 1, 2}, 4));
}
static Val case_put(Build *b, Val x, Val y) { return ir_put(b, ir_mul(b, x, y), 0, 4, (uint32_t[]){3, 0, 3}, 3); }
static Val case_diag(Build *b, Val x, Val y)
{
  return ir_mul(b, ir_diag(b, ir_index(b, x, 0, 0)), ir_add(b, y, ir_diag(b, ir_index(b, y, 1, 1))));
}
static Val case_diagv(Build *b, Val x, Val y) { return ir_mul(b, ir_diagv(b, x), ir_diagv(b, ir_mul(b, x, y))); }
static Val case_tri(Build *b, Val x, Val y) { return ir_mul(b, ir_tri(b, x, true, 1), ir_tri(b, y, false, 1)); }
static Val case_dot(Build *b, Val x, Val y)
{
  Val v = ir_matmul(b, ir_matmul(b, x, y), ir_index(b, x, 0, 1));
  return ir_add(b, v, ir_dot(b, x, y, false, (int[]){0, 1}, (int[]){1, 0}, 1, (int[]){0}));
}
static Val case_lanes(Build *b, Val x, Val y)
{
  if (!of(b, x).lane || !of(b, y).lane) return ir_mul(b, x, y);
  return ir_dot(b, x, ir_sin(b, y), true, (int[]){0, 1}, (int[]){1, 2}, 2, (int[]){0, 2});
}
static Val case_trisolve(Build *b, Val x, Val y)
{
  Val a = ir_add(b, x, ir_diag(b, ir_splat(b, 2, dims(false, 1, 3, 0, 0)))), v = ir_trisolve(b, a, y, false, false);
  v = ir_add(b, v, ir_trisolve(b, a, ir_sin(b, y), true, true));
  v = ir_matmul(b, v, ir_trisolve(b, a, ir_index(b, y, 0, 0), true, false));
  return ir_mul(b, v, ir_trisolve(b, a, ir_index(b, y, 0, 1), false, true));
}

/* rk4-like: a carry per sample or shared, a shared one (time), xs, shared parameters; ys and zs. */
static Val loop(Build *b, Val x, Val y, bool reverse, bool converge)
{
  Val h0 = ir_index(b, x, 0, 0), t0 = ir_index(b, ir_index(b, y, 0, 0), 0, 0);
  bool lane = of(b, x).lane || of(b, y).lane;
  if (lane) h0 = ir_spread(b, h0);
  Build bb;
  Fn *body = ir_sub_create(b->f, "step");
  ir_build_init(&bb, body);
  Val h = input(&bb, of(b, h0)), t = input(&bb, of(b, t0)), s = VAL_NONE;
  if (!converge) s = input(&bb, type_with(of(b, h0), of(b, y).lane));
  Val w = input(&bb, of(b, x)), c = ir_const(&bb, 0.1);
  Val k1 = ir_tanh(&bb, ir_add(&bb, ir_matmul(&bb, w, h), t));
  Val k2 = ir_sin(&bb, ir_matmul(&bb, ir_transpose(&bb, w, (int[]){1, 0}), ir_add(&bb, h, ir_mul(&bb, c, k1))));
  Val next = ir_add(&bb, ir_mul(&bb, h, ir_const(&bb, 0.5)), ir_mul(&bb, c, ir_add(&bb, k1, k2)));
  if (!converge) next = ir_add(&bb, next, ir_mul(&bb, c, ir_mul(&bb, s, t)));
  ir_output(&bb, next, NULL);
  ir_output(&bb, ir_mul(&bb, t, ir_cos(&bb, t)), NULL);
  if (!converge) {
    ir_output(&bb, next, NULL);
    ir_output(&bb, ir_mul(&bb, k1, s), NULL);
    ir_output(&bb, ir_mul(&bb, t, ir_sum(&bb, w, 0)), NULL);
  }
  ir_build_finish(&bb);
  if (converge) {
    Val scan = ir_scan(b, (Val[]){h0, t0, x}, 3, 40, 2, 0, 0, 0, false, true, body);
    return ir_add(b, ir_proj(b, scan, 0), ir_proj(b, scan, 1));
  }
  Val scan = ir_scan(b, (Val[]){h0, t0, y, x}, 4, 3, 2, 1, 1, 2, reverse, false, body);
  Val v = ir_mul(b, ir_proj(b, scan, 0), ir_add(b, ir_proj(b, scan, 3), ir_proj(b, scan, 4)));
  v = ir_add(b, v, ir_mul(b, ir_sum(b, ir_proj(b, scan, 2), 0), ir_proj(b, scan, 1)));
  return ir_add(b, v, ir_index(b, ir_proj(b, scan, 2), 0, reverse ? 0 : 2));
}

static Val case_scan(Build *b, Val x, Val y) { return loop(b, x, y, false, false); }
static Val case_reverse(Build *b, Val x, Val y) { return loop(b, x, y, true, false); }
static Val case_converge(Build *b, Val x, Val y) { return loop(b, ir_mul(b, x, ir_const(b, 0.1)), y, false, true); }

static Val case_map(Build *b, Val x, Val y)
{
  Build bb;
  Fn *body = ir_sub_create(b->f, "each");
  ir_build_init(&bb, body);
  Type row = dims(of(b, x).lane, 1, 3, 0, 0);
  Val r = input(&bb, row), m = input(&bb, of(b, y));
  ir_output(&bb, ir_tanh(&bb, ir_matmul(&bb, m, r)), NULL);
  ir_output(&bb, ir_sum_all(&bb, ir_mul(&bb, r, r)), NULL);
  ir_build_finish(&bb);
  Val scan = ir_scan(b, (Val[]){x, y}, 2, 3, 0, 1, 2, 0, false, false, body);
  return ir_mul(b, ir_sum(b, ir_proj(b, scan, 0), 1), ir_proj(b, scan, 1));
}

/* A loop in a loop; the inner one reads the outer one's carry as an invariant. */
static Val case_nested(Build *b, Val x, Val y)
{
  Build b1, b2;
  Fn *outer = ir_sub_create(b->f, "outer");
  bool lane = of(b, x).lane || of(b, y).lane;
  Type vec = dims(lane, 1, 3, 0, 0);
  ir_build_init(&b1, outer);
  Val h = input(&b1, vec), row = input(&b1, dims(of(b, y).lane, 1, 3, 0, 0)), w = input(&b1, of(b, x));
  Fn *inner = ir_sub_create(outer, "inner");
  ir_build_init(&b2, inner);
  Val g = input(&b2, vec), u = input(&b2, vec), m = input(&b2, of(b, x));
  ir_output(&b2, ir_tanh(&b2, ir_add(&b2, ir_matmul(&b2, m, g), ir_mul(&b2, u, ir_const(&b2, 0.5)))), NULL);
  ir_build_finish(&b2);
  Val scan = ir_scan(&b1, (Val[]){h, h, w}, 3, 2, 1, 0, 0, 0, false, false, inner);
  ir_output(&b1, ir_add(&b1, ir_proj(&b1, scan, 0), row), NULL);
  ir_build_finish(&b1);
  Val h0 = ir_index(b, x, 0, 2);
  if (lane) h0 = ir_spread(b, h0);
  return ir_proj(b, ir_scan(b, (Val[]){h0, y, x}, 3, 3, 1, 1, 0, 0, false, false, outer), 0);
}

static Val case_rand(Build *b, Val x, Val y) { return ir_mul(b, x, y); }

static const struct { Op op; Case *make; } structural[] = {
  {OP_in, case_id}, {OP_const, case_slice}, {OP_table, case_id}, {OP_select, case_select}, {OP_id, case_id},
  {OP_spread, case_spread}, {OP_batch_sum, case_batch_sum}, {OP_reshape, case_reshape}, {OP_transpose, case_transpose},
  {OP_expand, case_expand}, {OP_sum, case_sum}, {OP_rmax, case_rmax}, {OP_rmin, case_rmin}, {OP_slice, case_slice},
  {OP_unslice, case_unslice}, {OP_concat, case_concat}, {OP_take, case_take}, {OP_put, case_put}, {OP_diag, case_diag},
  {OP_diagv, case_diagv}, {OP_tri, case_tri}, {OP_dot, case_dot}, {OP_dot, case_lanes}, {OP_trisolve, case_trisolve},
  {OP_scan, case_scan}, {OP_scan, case_reverse}, {OP_scan, case_converge}, {OP_scan, case_map}, {OP_scan, case_nested},
  {OP_proj, case_scan}, {OP_rand, case_rand},
  {OP_integrate, NULL}, {OP_ode, NULL}, {OP_grad, NULL}, {OP_jac, NULL}, {OP_divergence, NULL},  /* tests of their own */
};
enum { NSTRUCTURAL = sizeof structural / sizeof *structural };

static Fn *case_fn(Case *make, int lanes)
{
  Fn *f = ir_fn_create("case", true);
  Build b;
  ir_build_init(&b, f);
  Val x = input(&b, dims(lanes & 1, 2, 3, 3, 0)), y = input(&b, dims(lanes >> 1, 2, 3, 3, 0));
  ir_output(&b, to_scalar(&b, make(&b, x, y)), NULL);
  ir_build_finish(&b);
  return f;
}

static void test_structural(void)
{
  bool seen[OP_count] = {0};
  for (int k = 0; k < NSTRUCTURAL; k++) {
    seen[structural[k].op] = true;
    for (int lanes = 0; lanes < 4 && structural[k].make; lanes++)
      check_gradient(case_fn(structural[k].make, lanes), 0.2, 1.0, 1e-8);
  }
  for (int op = 1; op < OP_count; op++)
    if (ir_op[op].cls == OPC_STRUCT) CU_ASSERT_FATAL(seen[op]);
}

/* <v, J u> = <J^T v, u>, in each sample or over all. */
static void check_transposed(const Fn *f)
{
  Fn *g = ir_fn_create("transposed", true);
  Build b;
  uint32_t n = f->in.n;
  ir_build_init(&b, g);
  Val *x = calloc(n, sizeof *x), *u = calloc(n, sizeof *u), *out = calloc(f->out.n, sizeof *out), t;
  Cot *c = calloc(n, sizeof *c);
  for (uint32_t k = 0; k < n; k++) x[k] = input(&b, f->in.at[k].type);
  for (uint32_t k = 0; k < n; k++) u[k] = input(&b, f->in.at[k].type);
  ir_inline(&b, f, x, out);
  bool lane = of(&b, out[0]).lane;
  Val v = input(&b, of(&b, out[0]));
  Seed seed = {.v = out[0]};
  seed.cot.part[lane ? EACH : WHOLE] = v;
  Region r;
  region_init(&r, g, &b, NULL);
  CU_ASSERT_FATAL(jvp_sweep(&r, x, u, n, out, 1, &t));
  CU_ASSERT_FATAL(vjp_sweep(&r, lane ? VJP_SAMPLE : VJP_TOTAL, NULL, &seed, 1, x, n, c));
  region_finish(&r);
  Val left = ir_sum_all(&b, ir_mul(&b, v, t)), right = ir_const(&b, 0);
  for (uint32_t k = 0; k < n; k++)
    for (int p = 0; p < 2; p++) {
      if (!c[k].part[p].id) continue;
      Val dot = ir_sum_all(&b, ir_mul(&b, c[k].part[p], u[k]));
      right = ir_add(&b, right, !lane && of(&b, dot).lane ? ir_batch_sum(&b, dot) : dot);
    }
  ir_output(&b, left, NULL);
  ir_output(&b, right, NULL);
  ir_build_finish(&b);
  CU_ASSERT_EQUAL(ir_verify(g, stdout), 0);
  Tensor *in = random_inputs(g, 0.2, 1), *res = evaluate(g, in);
  for (size_t s = 0; s < (lane ? B : 1); s++) {
    bool same = near(res[0].v[s], res[1].v[res[1].type.lane ? s : 0], 1e-12);
    CU_ASSERT(same);
    if (!same) printf("\n<v, Ju> %.17g, <J'v, u> %.17g\n", res[0].v[s], res[1].v[s]);
  }
  free_outputs(g, res);
  free_inputs(in, g->in.n);
  ir_fn_destroy(g);
  free(x);
  free(u);
  free(out);
  free(c);
}

static void test_transposed(void)
{
  for (int k = 0; k < NSTRUCTURAL; k++)
    for (int lanes = 0; lanes < 4 && structural[k].make; lanes++) {
      Fn *f = case_fn(structural[k].make, lanes);
      check_transposed(f);
      ir_fn_destroy(f);
    }
}

int main(void)
{
  CU_initialize_registry();
  CU_pSuite s = CU_add_suite("derive", NULL, NULL);
  CU_add_test(s, "partials of elementwise ops", test_partials);
  CU_add_test(s, "structural ops against differences", test_structural);
  CU_add_test(s, "reverse mode is the transpose of forward mode", test_transposed);
  CU_basic_run_tests();
  int failed = (int)CU_get_number_of_failures();
  CU_cleanup_registry();
  return failed != 0;
}
