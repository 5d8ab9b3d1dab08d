/* Derivatives of every elementwise operator at the edge (0, subnormal, tiny, huge, infinite, NaN), orders 1 to 3, in both
 * precisions, against edge_table.def: evaluated, folded from constants, and compiled for each instruction set that this
 * machine has; taken by gradients and by Jacobians, mixed ones in more than one order.
 *
 * A power counts three times: with an exponent per sample, with one that is a constant, and with one that is shared. */
#include "tests/common/codegen_util.h"
#include "passes/passes.h"
#include "tests/common/cunit_main.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table ------------------------------------------------------------------------------------------------------ */

enum { MOST = 9 };
typedef struct Row {
  uint8_t op, f64, two;
  double a, b, want[MOST];
} Row;

#define INF INFINITY    /* inf or NaN is right */
#define ANY (-INFINITY) /* not compared */
static const Row ROWS[] = {
#define U(op, f64, a, ...) {OP_##op, f64, 0, a, 0, {__VA_ARGS__}},
#define B(op, f64, a, b, ...) {OP_##op, f64, 1, a, b, {__VA_ARGS__}},
#include "tests/codegen/edge_table.def"
};
enum { NROWS = sizeof ROWS / sizeof *ROWS };

/* Columns: how often by a, how often by b. */
static const int BY1[][2] = {{1, 0}, {2, 0}, {3, 0}};
static const int BY2[][2] = {{1, 0}, {0, 1}, {2, 0}, {1, 1}, {0, 2}, {3, 0}, {2, 1}, {1, 2}, {0, 3}};

static double factorial(int n) { return n > 1 ? n * factorial(n - 1) : 1; }

/* What the terms of a derivative are of, which may cancel. */
static double size_of_terms(const Row *r, int order, double want) {
  switch (r->op) {
  case OP_tanh:
  case OP_sigmoid:
  case OP_softplus:
  case OP_expm1: return fmax(1, fabs(want)); /* 1 - y^2, y + 1 */
  case OP_atan2: {
    double big = hypot(r->a, r->b), scale = factorial(order - 1);
    for (int k = 0; k < order; k++) scale /= big;
    return isfinite(scale) ? fmax(scale, fabs(want)) : fabs(want);
  }
  default: return fabs(want);
  }
}

static bool right(const Row *r, int order, double want, double got) {
  if (want == ANY) return true;
  if (isnan(want)) return isnan(got);
  if (want == INF) return !isfinite(got);
  double ulp = r->f64 ? DBL_EPSILON : FLT_EPSILON, least = r->f64 ? DBL_MIN : FLT_MIN;
  double ulps = r->op == OP_erf ? 2000 : 100; /* e^-x^2: x^2 rounds */
  return fabs(got - want) <= ulps * ulp * size_of_terms(r, order, want) + 64 * least;
}

/* ---- functions of derivatives ------------------------------------------------------------------------------------------- */

typedef enum { EACH_SAMPLE, SHARED, CONSTANT } Second; /* what the second operand is */
typedef struct Form {
  Op op;
  bool f64, two, forward, late;
  Second second;
  double exponent;
} Form;

static const uint32_t ONE[] = {1};

/* d e/d x of vectors of one element. */
static Val slope(Build *b, bool forward, Val e, Val x) {
  return forward ? ir_reshape(b, ir_jac(b, e, x), 1, ONE) : ir_grad(b, ir_reshape(b, e, 0, NULL), x);
}

/* A column's derivative: `late` by b first. */
static Val derivative(Build *b, const Form *form, Val e, Val x, Val y, const int by[2]) {
  for (int turn = 0; turn < 2; turn++) {
    bool second = turn != form->late;
    for (int k = 0; k < by[second]; k++) e = slope(b, form->forward, e, second ? y : x);
  }
  return e;
}

static Fn *derivatives(const Form *form) {
  Fn *f = ir_fn_create("edge", form->f64);
  Build b;
  Val arg[2] = {{0}, {0}};
  ir_build_init(&b, f);
  arg[0] = ir_id(&b, ir_input(&b, "a", IN_OTHER, 0, type_real(true, 1, ONE)));
  Val given = ir_input(&b, "b", IN_OTHER, 1, type_real(form->second != SHARED, 1, ONE));
  arg[1] = form->second == CONSTANT ? ir_const(&b, form->exponent) : ir_id(&b, given);
  Val e = ir_emit(&b, form->op, arg, form->two ? 2 : 1, NULL, 0, NULL);
  int columns = form->two ? 9 : 3;
  for (int k = 0; k < columns; k++) {
    const int *by = form->two ? BY2[k] : BY1[k];
    bool skipped = form->second == CONSTANT && by[1];
    Val d = skipped ? arg[0] : derivative(&b, form, e, arg[0], arg[1], by);
    ir_output(&b, ir_spread(&b, d), NULL);
  }
  ir_build_finish(&b);
  Diag *diag = diag_create(NULL);
  Fn *g = pass_lower(NULL, f, MEMORY_STORED, NULL, diag);
  if (!g) diag_render(diag, stdout, false);
  CU_ASSERT_PTR_NOT_NULL_FATAL(g);
  diag_destroy(diag);
  ir_fn_destroy(f);
  return g;
}

/* ---- three ways to run them ----------------------------------------------------------------------------------------------- */

typedef struct Run {
  Form form;
  const Row **row;
  int n; /* rows */
  Fn *f;
  double *got; /* [column][row] */
  int failed;
} Run;

static int columns(const Run *r) { return r->form.two ? 9 : 3; }

static void compare(Run *r, const char *how) {
  for (int k = 0; k < columns(r); k++)
    for (int s = 0; s < r->n; s++) {
      const Row *row = r->row[s];
      const int *by = row->two ? BY2[k] : BY1[k];
      double got = r->got[k * r->n + s], want = row->want[k];
      if (!row->f64) got = (float)got;
      if (r->form.second == CONSTANT && (by[1] || isnan(row->a))) continue;
      bool good = right(row, by[0] + by[1], want, got);
      CU_ASSERT(good);
      if (good || r->failed++ >= 12) continue;
      printf("\n  %s, %s: %s(%.9g, %.9g), %d by a, %d by b%s%s: %.17g, not %.17g", how, row->f64 ? "f64" : "f32",
             ir_op[row->op].name, row->a, row->b, by[0], by[1], r->form.forward ? ", forward" : "", r->form.late ? ", b first" : "",
             got, want);
    }
}

static Tensor *inputs(const Run *r) {
  Tensor *in = calloc(2, sizeof *in);
  for (int k = 0; k < 2; k++) {
    in[k].type = type_real(k == 0 || r->form.second != SHARED, 1, ONE);
    in[k].v = malloc((size_t)r->n * sizeof *in[k].v);
    for (int s = 0; s < r->n; s++) in[k].v[s] = k ? r->row[s]->b : r->row[s]->a;
  }
  return in;
}

static void evaluated(Run *r) {
  Tensor *in = inputs(r), out[MOST];
  char err[256] = "";
  bool ok = ir_eval(r->f, r->n, in, out, &(EvalEnv){0}, err, sizeof err);
  if (!ok) CU_FAIL_FATAL(err);
  for (int k = 0; k < columns(r); k++) memcpy(r->got + k * r->n, out[k].v, (size_t)r->n * sizeof *r->got);
  ir_tensors_free(out, (uint32_t)columns(r));
  for (int k = 0; k < 2; k++) free(in[k].v);
  free(in);
  compare(r, "evaluated");
}

static void folded(Run *r) {
  for (int s = 0; s < r->n; s++) {
    Fn *f = ir_fn_create("folded", r->form.f64);
    Build b;
    Val arg[2], out[MOST];
    ir_build_init(&b, f);
    for (int k = 0; k < 2; k++) {
      arg[k] = ir_splat(&b, k ? r->row[s]->b : r->row[s]->a, type_real(false, 1, ONE));
      if (r->f->in.at[k].type.lane) arg[k] = ir_spread(&b, arg[k]);
    }
    ir_inline(&b, r->f, arg, out);
    for (int k = 0; k < columns(r); k++) CU_ASSERT(ir_is_const(f, out[k], &r->got[k * r->n + s]));
    ir_build_finish(&b);
    ir_fn_destroy(f);
  }
  compare(r, "folded");
}

static void compiled(Run *r, const char *cpu) {
  Cg *cg = codegen_start(cpu, NULL);
  char err[256] = "";
  cg_add(cg, r->f, "f");
  if (!cg_compile(cg, err, sizeof err)) CU_FAIL_FATAL(err);
  HnnKernelInfo info = cg_info(cg, "f");
  HnnArg in[2], out[MOST];
  int64_t ld = (r->n + 63) / 64 * 64;
  size_t bytes = (size_t)ld * sizeof(double);
  for (int k = 0; k < 2 + columns(r); k++) {
    double *p = aligned_alloc(64, bytes);
    *(k < 2 ? &in[k] : &out[k - 2]) = (HnnArg){p, ld};
    for (int64_t s = 0; k < 2 && s < ld; s++) {
      const Row *row = r->row[s < r->n ? s : r->n - 1];
      if (r->form.f64) p[s] = k ? row->b : row->a;
      else ((float *)(void *)p)[s] = (float)(k ? row->b : row->a);
    }
  }
  void *scratch = aligned_alloc(64, (size_t)(info.scratch_bytes + 127) / 64 * 64);
  HnnCall call = {in, out, 0, (r->n + info.tile - 1) / info.tile, scratch, 0, 0, r->n};
  cg_kernel(cg, "f")(&call);
  for (int k = 0; k < columns(r); k++)
    for (int s = 0; s < r->n; s++) r->got[k * r->n + s] = r->form.f64 ? ((double *)out[k].p)[s] : (double)((float *)out[k].p)[s];
  for (int k = 0; k < 2 + columns(r); k++) free(k < 2 ? in[k].p : out[k - 2].p);
  free(scratch);
  cg_destroy(cg);
  compare(r, cpu ? cpu : "compiled");
}

static void everywhere(Run *r) {
  r->f = derivatives(&r->form);
  evaluated(r);
  folded(r);
  bool native = !r->form.forward && !r->form.late && r->form.second != SHARED; /* other orders are the same instructions */
  if (native) compiled(r, NULL);
  if (native) compiled(r, CODEGEN_PLAIN);
  if (native && CODEGEN_WIDER) compiled(r, CODEGEN_WIDER);
  ir_fn_destroy(r->f);
}

/* ---- all rows ---------------------------------------------------------------------------------------------------------------- */

/* Rows of an operator, all or those of one second operand. */
static void rows_of(Form form) {
  Run r = {.form = form, .row = malloc(NROWS * sizeof *r.row), .got = malloc(NROWS * MOST * sizeof *r.got)};
  for (int k = 0; k < NROWS; k++) {
    const Row *row = &ROWS[k];
    bool mine = row->op == form.op && row->f64 == form.f64;
    if (mine && (form.second == EACH_SAMPLE || row->b == form.exponent)) r.row[r.n++] = row;
  }
  CU_ASSERT(r.n > 0);
  if (r.n) everywhere(&r);
  free(r.row);
  free(r.got);
}

static void one_op(Op op) {
  for (int f64 = 0; f64 < 2; f64++)
    for (int forward = 0; forward < 2; forward++)
      for (int late = 0; late < (ir_op[op].arity == 2 ? 2 : 1); late++)
        rows_of((Form){.op = op, .f64 = f64, .two = ir_op[op].arity == 2, .forward = forward, .late = late});
}

static void test_unary(void) {
  for (Op op = OP_none; op < OP_count; op++)
    if (ir_op[op].cls == OPC_EW1 && op) one_op(op);
}

static void test_binary(void) {
  for (Op op = OP_none; op < OP_count; op++)
    if (ir_op[op].cls == OPC_EW2) one_op(op);
}

static void test_exponents(void) {
  static const double exponent[] = {0, 1, 2, 3, 4, 17, 0.5, 1.5, 2.5, 3.5, -0.5, -1, -1.5, -2, -3, 1.75, -0.75};
  for (size_t k = 0; k < sizeof exponent / sizeof *exponent; k++)
    for (int form = 0; form < 8; form++)
      rows_of((Form){.op = OP_pow,
                     .f64 = form & 1,
                     .two = true,
                     .forward = form & 2,
                     .second = form & 4 ? SHARED : CONSTANT,
                     .exponent = exponent[k]});
}

const Suite suite = {"edge", (CU_TestInfo[]){{"operators of one operand", test_unary},
                                             {"operators of two", test_binary},
                                             {"powers by their exponents", test_exponents},
                                             CU_TEST_INFO_NULL}};
