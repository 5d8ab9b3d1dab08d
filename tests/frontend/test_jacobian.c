/* Jacobians by their structure: against one tangent a column, exactly; against differences; compiled; in the language; and
 * what they cost. */
#include "tests/common/claims_util.h"
#include "tests/common/codegen_util.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"
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
    for (size_t k = 0; k < sizeof size / sizeof *size; k += SANITIZED ? 3 : 1) {
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

/* ---- log-determinants -------------------------------------------------------------------------------------------- */

/* value(), or, `gated`, y exp(S tanh(y)) + S sin(y), turned over, of y = a x and the strict lower triangle S of A: its Jacobian has the
 * determinant of its diagonal, which the network S has no part in. */
static Fn *log_det_fn(const Shape *s, bool gated, bool plainly) {
  Build b;
  Val x, a;
  Fn *f = start(s, &b, &x, &a);
  x = ir_id(&b, x);
  Val e = value(&b, s, x, a);
  if (gated) {
    Val strict = ir_tri(&b, matrix(&b, s->kind, s->rows, s->cols, s->seed), false, -1), y = ir_mul(&b, a, x);
    Val by = ir_exp(&b, ir_matmul(&b, strict, ir_mul(&b, ir_const(&b, 0.0625), ir_tanh(&b, y))));
    Val plus = ir_matmul(&b, strict, ir_sin(&b, y));
    e = ir_flip(&b, ir_add(&b, ir_mul(&b, y, by), plus), 0);
  }
  if (plainly) {
    Val factors = ir_lu(&b, ir_jac(&b, e, x));
    ir_output(&b, ir_spread(&b, ir_logdet(&b, factors)), NULL);
  } else {
    ir_output(&b, ir_spread(&b, ir_logjac(&b, e, x)), NULL);
  }
  ir_build_finish(&b);
  return f;
}

/* NULL: its log-determinant is -inf, which was said. */
static Fn *log_det(const Shape *s, bool gated, bool plainly, PassRun *run) {
  Diag *diag = diag_create(NULL);
  Fn *f = log_det_fn(s, gated, plainly), *g = pass_lower(run, f, MEMORY_STORED, NULL, diag);
  CU_ASSERT_EQUAL(g == NULL, diag_errors(diag) > 0);
  diag_destroy(diag);
  ir_fn_destroy(f);
  return g;
}

static void check_log_det(const Shape *s, bool gated) {
  PassRun run = {0};
  Fn *f = log_det(s, gated, false, &run), *g = log_det(s, gated, true, NULL);
  Tensor *in = draw_inputs(g, 0.2, 0.6), *want = evaluate(g, in), *got = f ? evaluate(f, in) : NULL;
  int bad = 0;
  for (int k = 0; k < SAMPLES; k++)
    bad += got && got[0].v[k] > -20 ? !near(got[0].v[k], want[0].v[k], 1e-9) : want[0].v[k] > -20; /* round-off, or none */
  CU_ASSERT_EQUAL(bad, 0);
  if (bad)
    printf("\nkind %d, %u, lanes %d %d%s: %.15g, not %.15g", s->kind, s->rows, s->lane, !s->param, gated ? ", gated" : "",
           got ? got[0].v[0] : -INFINITY, want[0].v[0]);
  if (gated) {
    CU_ASSERT(f && run.swept.n == 1 && run.swept.at[0].blocks == s->rows && run.swept.at[0].sweeps == 1);
    CU_ASSERT(f && (s->kind == NOTHING || run.swept.at[0].held > 0));
  }
  if (f) codegen_check(NULL, f, 5, s->seed + 1), free_outputs(f, got);
  pass_run_finish(&run);
  free_outputs(g, want);
  free_inputs(in, g->in.n);
  ir_fn_destroy(f);
  ir_fn_destroy(g);
}

static void test_log_det(void) {
  static const uint32_t size[] = {1, 2, 3, 6, 7, 10, 16};
  for (Kind kind = 0; kind < KINDS; kind++)
    for (size_t k = 0; k < sizeof size / sizeof *size; k += SANITIZED ? 3 : 1) {
      Shape s = {kind, size[k], size[k], k % 2, k % 3, true, false, kind + k};
      check_log_det(&s, false);
      check_log_det(&s, true);
    }
}

/* 2 x, turned round by one, and elements of the results of a random function of x: those of one output, or 0. */
static Fn *random_map(const RandomSpec *spec, bool plainly, bool *good) {
  uint64_t rng = spec->seed;
  Fn *f = random_fn(spec), *g = ir_fn_create("random", true);
  Build b;
  ir_build_init(&b, g);
  Val *in = base_realloc(NULL, sizeof *in * (f->in.n + 1)), *out = base_realloc(NULL, sizeof *out * f->out.n), x = VAL_NONE;
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *i = &f->in.at[k];
    in[k] = ir_input(&b, i->name, i->kind, i->index, i->type);
    uint32_t n = (uint32_t)type_count(i->type);
    if (x.id || i->type.dt != DT_REAL || n < 2 || n > 24) continue;
    x = ir_id(&b, ir_reshape(&b, in[k], 1, &n));
    in[k] = ir_reshape(&b, x, i->type.rank, i->type.dim);
  }
  ir_inline(&b, f, in, out);
  Val e = x;
  *good = x.id != 0;
  for (uint32_t k = 2; x.id && k < f->out.n; k++) {
    Type t = ir_type(g, out[k]);
    uint32_t n = ir_type(g, x).dim[0], size = (uint32_t)type_count(t), index[24];
    double factor[24];
    if (t.dt != DT_REAL || !size) continue;
    for (uint32_t j = 0; j < n; j++) index[j] = random_below(&rng, size), factor[j] = random_below(&rng, 2) * 0.125;
    Val some = ir_tanh(&b, ir_take(&b, ir_reshape(&b, out[k], 1, &size), 0, index, n));
    e = ir_add(&b, e, ir_mul(&b, ir_table(&b, type_real(false, 1, &n), factor), some));
    if (random_below(&rng, 2)) e = ir_mul(&b, e, ir_exp(&b, ir_mul(&b, ir_const(&b, 0.125), some)));
  }
  if (x.id) {
    const Val j = plainly ? ir_lu(&b, ir_jac(&b, e, x)) : ir_logjac(&b, e, x), v = plainly ? ir_logdet(&b, j) : j;
    ir_output(&b, ir_spread(&b, v), NULL);
  }
  ir_build_finish(&b);
  base_free(in);
  base_free(out);
  ir_fn_destroy(f);
  return g;
}

/* Whether something was held constant. */
static bool check_random_map(const RandomSpec *spec) {
  bool good, held = false;
  Fn *f = random_map(spec, false, &good), *g = random_map(spec, true, &good);
  PassRun run = {0};
  Diag *diag = diag_create(NULL);
  Fn *df = good ? pass_lower(&run, f, MEMORY_STORED, NULL, diag) : NULL,
     *dg = good ? pass_lower(NULL, g, MEMORY_STORED, NULL, diag) : NULL;
  CU_ASSERT(!good || dg);
  if (df && dg) {
    Tensor *in = draw_inputs(dg, 0.2, 0.6), *want = evaluate(dg, in), *got = evaluate(df, in);
    for (int k = 0; k < SAMPLES; k++) {
      const double w = want[0].v[k];
      const bool same = fabs(w) > 20 || !isfinite(w) || near(got[0].v[k], w, 1e-8);
      CU_ASSERT(same);
      if (!same) printf("\nrandom map %llu: %.15g, not %.15g", (unsigned long long)spec->seed, got[0].v[k], w);
    }
    for (uint32_t k = 0; k < run.swept.n; k++) held |= run.swept.at[k].held > 0;
    free_outputs(dg, want);
    free_outputs(df, got);
    free_inputs(in, dg->in.n);
  }
  pass_run_finish(&run);
  diag_destroy(diag);
  ir_fn_destroy(df);
  ir_fn_destroy(dg);
  ir_fn_destroy(f);
  ir_fn_destroy(g);
  return held;
}

static void test_random(void) {
  int held = 0;
  for (uint64_t seed = 1; seed <= OFTEN(400); seed++)
    held += check_random_map(&(RandomSpec){
      .seed = seed, .size = 5 + (int)(seed % 30), .f64 = true, .smooth = true, .scans = seed % 2, .fold = seed % 3});
  CU_ASSERT(held >= (SANITIZED ? 1 : 21));
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
                                                 {"log-determinants", test_log_det},
                                                 {"log-determinants of random maps", test_random},
                                                 {"in the language", test_language},
                                                 {"cost", test_cost},
                                                 CU_TEST_INFO_NULL}};
