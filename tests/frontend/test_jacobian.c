/* Jacobians by their structure: against one tangent a column, exactly; against differences; compiled; in the language; and
 * what they cost. */
#include "tests/common/claims_util.h"
#include "tests/common/codegen_util.h"
#include "tests/common/cunit_main.h"
#include "tests/common/derive_util.h"
#include "tests/common/random_fn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum { BAND, CYCLIC, ARROW, BLOCKS, LOWER, SOME, ROWS, DENSE, NOTHING, KINDS } Kind;

static bool in_kind(Kind kind, uint32_t i, uint32_t j, uint32_t n, uint64_t *rng) {
  uint32_t d = i > j ? i - j : j - i;
  switch (kind) {
  case BAND: return d <= 1;
  case CYCLIC: return d <= 1 || d == n - 1;
  case ARROW: return i == 0 || j == 0 || i == j;
  case BLOCKS: return i / 2 == j / 2;
  case LOWER: return j <= i;
  case SOME: return random_below(rng, 4) == 0;
  case ROWS: return i < 2;
  case DENSE: return true;
  default: return false;
  }
}

static Val matrix(Build *b, Kind kind, uint32_t rows, uint32_t cols, uint64_t seed) {
  double *v = base_zeroed((size_t)rows * cols, sizeof *v);
  for (uint32_t i = 0; i < rows; i++)
    for (uint32_t j = 0; j < cols; j++)
      if (in_kind(kind, i, j, cols, &seed)) v[i * cols + j] = 1 + (i + 2 * j) % 5;
  Val t = ir_table(b, type_real(false, 2, (uint32_t[]){rows, cols}), v);
  base_free(v);
  return t;
}

/* ---- functions of x, whose structure is that of A ------------------------------------------------------------- */

typedef struct Shape {
  Kind kind;
  uint32_t rows, cols;
  bool lane, param, f64, hessian;
  uint64_t seed;
} Shape;

/* e = sin(A (a x^2)) + A x, or minus the gradient of sum(exp(A (a x) / 8)) + x.x */
static Val value(Build *b, const Shape *s, Val x, Val a) {
  Val m = matrix(b, s->kind, s->rows, s->cols, s->seed);
  if (!s->hessian) return ir_add(b, ir_sin(b, ir_matmul(b, m, ir_mul(b, a, ir_mul(b, x, x)))), ir_matmul(b, m, x));
  Val bonds = ir_exp(b, ir_mul(b, ir_matmul(b, m, ir_mul(b, x, a)), ir_const(b, 0.125)));
  return ir_neg(b, ir_grad(b, ir_add(b, ir_sum_all(b, bonds), ir_sum_all(b, ir_mul(b, x, x))), x));
}

static Fn *start(const Shape *s, Build *b, Val *x, Val *a) {
  Fn *f = ir_fn_create("shape", s->f64);
  ir_build_init(b, f);
  *x = ir_input(b, "x", s->lane ? IN_FIELD : IN_PARAM, 0, type_real(s->lane, 1, &s->cols));
  *a = ir_input(b, "a", s->param ? IN_PARAM : IN_FIELD, s->lane == !s->param, type_real(!s->param, 1, &s->cols));
  return f;
}

static Fn *finish(Build *b, Val v) {
  Diag *diag = diag_create(NULL);
  ir_output(b, ir_spread(b, v), NULL);
  ir_build_finish(b);
  Fn *f = b->f, *g = pass_lower(NULL, f, MEMORY_STORED, NULL, diag);
  CU_ASSERT_FATAL(g != NULL);
  diag_destroy(diag);
  ir_fn_destroy(f);
  return g;
}

static Fn *by_structure(const Shape *s, bool trace) {
  Build b;
  Val x, a;
  start(s, &b, &x, &a);
  x = ir_id(&b, x);
  Val e = value(&b, s, x, a);
  return finish(&b, trace ? ir_divergence(&b, e, x) : ir_jac(&b, e, x));
}

/* Column j: the derivative of e at x + t u_j by t, at t = 0. One variable has no structure. */
static Fn *by_columns(const Shape *s, bool trace) {
  Build b;
  Val x, a, *column = base_zeroed(s->cols, sizeof *column);
  double *unit = base_zeroed(s->cols, sizeof *unit);
  start(s, &b, &x, &a);
  for (uint32_t j = 0; j < s->cols; j++) {
    unit[j] = 1;
    Val t = ir_const(&b, 0), u = ir_table(&b, type_real(false, 1, &s->cols), unit);
    unit[j] = 0;
    t = ir_id(&b, s->lane ? ir_spread(&b, t) : t);
    column[j] = ir_jac(&b, value(&b, s, ir_id(&b, ir_add(&b, x, ir_mul(&b, u, t))), a), t);
    if (trace) column[j] = ir_index(&b, column[j], 0, j);
  }
  Val v = ir_stack(&b, column, s->cols);
  base_free(column);
  base_free(unit);
  return finish(&b, trace ? ir_sum_all(&b, v) : ir_transpose(&b, v, (int[]){1, 0}));
}

static void check_equal(const Shape *s, bool trace) {
  FieldReport r;
  Fn *f = by_structure(s, trace), *g = by_columns(s, trace);
  FieldAnswer answer = ir_field_equal(f, g, FIELD_QUICK, 7, &r);
  CU_ASSERT_EQUAL(answer, FIELD_EQUAL);
  if (answer != FIELD_EQUAL)
    printf("\nkind %d, %u x %u, lanes %d %d, %s%s: %s\n", s->kind, s->rows, s->cols, s->lane, !s->param,
           s->hessian ? "hessian" : "jacobian", trace ? ", trace" : "", r.reason);
  ir_fn_destroy(f);
  ir_fn_destroy(g);
}

static void each_shape(void (*check)(const Shape *), bool f64) {
  static const uint32_t size[][2] = {{7, 7}, {10, 10}, {13, 6}, {6, 13}, {16, 16}};
  for (Kind kind = 0; kind < KINDS; kind++)
    for (size_t k = 0; k < sizeof size / sizeof *size; k++) {
      Shape s = {kind, size[k][0], size[k][1], k % 2, k % 3, f64, false, kind + k};
      check(&s);
      s.hessian = true;
      check(&s);
    }
}

static void exact(const Shape *s) {
  check_equal(s, false);
  if (s->rows == s->cols || s->hessian) check_equal(s, true);
}
static void test_exact(void) { each_shape(exact, true); }

static void compiled(const Shape *s) {
  Fn *f = by_structure(s, false);
  codegen_check(NULL, f, 5, s->seed + 1);
  ir_fn_destroy(f);
}
static void test_compiled(void) {
  each_shape(compiled, true);
  each_shape(compiled, false);
}

/* ---- differences ------------------------------------------------------------------------------------------------ */

static void numeric(const Shape *s) {
  Build b;
  Val x, a;
  start(s, &b, &x, &a);
  Fn *f = finish(&b, value(&b, s, ir_id(&b, x), a)), *j = by_structure(s, false);
  Tensor *in = draw_inputs(f, 0.2, 0.6), *out = evaluate(j, in);
  uint32_t rows = ir_type(f, f->out.at[0]).dim[0];
  double *d = base_zeroed((size_t)rows * SAMPLES, sizeof *d);
  int bad = 0;
  for (uint32_t c = 0; c < s->cols; c++) {
    differences(f, in, 0, c, -1, 1e-3, d);
    for (uint32_t i = 0; i < rows * SAMPLES; i++)
      bad += !near(out[0].v[(i / SAMPLES * s->cols + c) * SAMPLES + i % SAMPLES], d[i], 1e-7);
  }
  CU_ASSERT_EQUAL(bad, 0);
  if (bad) printf("\nkind %d, %u x %u: %d elements differ from differences", s->kind, s->rows, s->cols, bad);
  base_free(d);
  free_outputs(j, out);
  free_inputs(in, f->in.n);
  ir_fn_destroy(f);
  ir_fn_destroy(j);
}
static void test_differences(void) { each_shape(numeric, true); }

/* ---- the language --------------------------------------------------------------------------------------------------- */

static Loaded program(const char *body) {
  static Text t;
  t = (Text){.n = 0};
  text_add(&t, "precision f64\n%s", body);
  Loaded l = claims_load(t.at, false);
  if (!l.m) diag_render(l.diag, stdout, false);
  CU_ASSERT_FATAL(l.m != NULL);
  return l;
}

static Fn *lowered(const Loaded *l, const char *name) {
  Fn *f = claims_fn(l->m, name);
  CU_ASSERT_FATAL(f != NULL);
  Fn *g = pass_simplify(NULL, f);
  ir_fn_destroy(f);
  return g;
}

static const Export *export_of(const Loaded *l, const char *name) {
  for (uint32_t k = 0; k < l->m->nexport; k++)
    if (!strcmp(l->m->export_[k].name, name)) return &l->m->export_[k];
  return NULL;
}

/* `sparse` has the elements of `dense` at its pattern, and there are no others. */
static void check_nonzeros(const Loaded *l, const char *sparse, const char *dense, uint32_t count) {
  Fn *f = lowered(l, sparse), *g = lowered(l, dense);
  const Export *x = export_of(l, sparse);
  const Pattern *p = x ? x->pattern[0] : NULL;
  Values v, w;
  CU_ASSERT_FATAL(p != NULL);
  CU_ASSERT_FATAL(claims_eval(f, 3, &v) && claims_eval(g, 3, &w));
  CU_ASSERT_EQUAL(pattern_count(p), count);
  CU_ASSERT_EQUAL(v.out[0].type.dim[0], count);
  int bad = 0;
  for (uint32_t i = 0; i < p->rows; i++)
    for (uint32_t j = 0, k = p->start[i]; j < p->cols; j++)
      for (int s = 0; s < POINTS; s++) {
        bool has = k < p->start[i + 1] && p->col[k] == j;
        double want = claims_value(&w.out[0], i * p->cols + j, s);
        bad += has ? fabs(claims_value(&v.out[0], k, s) - want) > 1e-12 * (1 + fabs(want)) : want != 0;
        k += has && s == POINTS - 1;
      }
  CU_ASSERT_EQUAL(bad, 0);
  if (bad) printf("\n`%s`: %d elements are not those of `%s`", sparse, bad, dense);
  claims_values_free(&v);
  claims_values_free(&w);
  ir_fn_destroy(f);
  ir_fn_destroy(g);
}

static void test_language(void) {
  Loaded l = program(
      "hamiltonian H(q: real[7], p: real[7]) {\nlet d = roll(q, -1) - q\nreturn sum(p^2/2 + d^2/2 + d^4/4)\n}\n"
      "fn force(q: real[7]) = -grad(sum((roll(q, -1) - q)^4), q)\n"
      "fn a(q: real[7], p: real[7]) = jacobian(field(H))(q, p)\nfn A(q: real[7], p: real[7]) = nonzeros(jacobian(field(H)))(q, p)\n"
      "fn b(q: real[7]) = jacobian(force)(q)\nfn B(q: real[7]) = nonzeros(jacobian(force))(q)\n"
      "fn c(q: real[7], p: real[7]) = hessian(H)(q, p)\nfn C(q: real[7], p: real[7]) = nonzeros(hessian(H))(q, p)\n"
      "fn V(x: real[3, 4]) = sum(x[1:, :]^2*x[:-1, :]) + sum(x[:, 0])^2\n"
      "fn d(x: real[3, 4]) = reshape(hess(V(x), x), 12, 12)\nfn D(x: real[3, 4]) = nonzeros(hessian(V))(x)\n"
      "fn f(x: real[9]) = [sum(x[k:k + 2])^3 for k in 0:8]\n"
      "fn e(x: real[9]) = jacobian(f)(x)\nfn E(x: real[9]) = nonzeros(jacobian(f))(x)\n");
  check_nonzeros(&l, "A", "a", 7 + 21);
  check_nonzeros(&l, "B", "b", 21);
  check_nonzeros(&l, "C", "c", 21 + 7);
  check_nonzeros(&l, "D", "d", 8 + 16 + 3);
  check_nonzeros(&l, "E", "e", 16);
  claims_unload(&l);
}

/* ---- cost -------------------------------------------------------------------------------------------------------------- */

static int64_t flops(const Loaded *l, const char *name) {
  Fn *f = lowered(l, name);
  int64_t n = pass_flops(f).per_sample;
  ir_fn_destroy(f);
  return n;
}

/* The Fermi-Pasta-Ulam-Tsingou ring: matrices of three diagonals for at most four evaluations, their divergence for two. */
static void test_cost(void) {
  Loaded l = program("const N = 1024\nfn V(q: real[N]) {\nlet d = roll(q, -1) - q\nreturn sum(d^2/2 + d^4/4)\n}\n"
                     "fn force(q: real[N]) {\nlet d = roll(q, -1) - q\nlet f = d + d^3\nreturn f - roll(f, 1)\n}\nfn slope(q: "
                     "real[N]) = grad(V(q), q)\n"
                     "fn J(q: real[N]) = nonzeros(jacobian(force))(q)\nfn H(q: real[N]) = nonzeros(hessian(V))(q)\nfn dense(q: "
                     "real[N]) = jacobian(force)(q)\n"
                     "fn spread(q: real[N]) = div(force(q), q)\n");
  CU_ASSERT(flops(&l, "J") <= 4 * flops(&l, "force"));
  CU_ASSERT(flops(&l, "dense") <= 4 * flops(&l, "force") + 3 * 1024); /* and putting the nonzeros in place */
  CU_ASSERT(flops(&l, "H") <= 4 * flops(&l, "slope"));
  CU_ASSERT(flops(&l, "spread") <= 4 * flops(&l, "force"));
  CU_ASSERT(flops(&l, "J") < flops(&l, "dense") && flops(&l, "J") > flops(&l, "force"));
  claims_unload(&l);
}

const Suite suite = {"jacobian", (CU_TestInfo[]){{"against columns, exactly", test_exact},
                                                 {"against differences", test_differences},
                                                 {"compiled", test_compiled},
                                                 {"in the language", test_language},
                                                 {"cost", test_cost},
                                                 CU_TEST_INFO_NULL}};
