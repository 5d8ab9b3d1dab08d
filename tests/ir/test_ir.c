/* The builder: every fold rule gives the value of the program that it replaces, and the shape that it
 * promises; value numbering; types and their errors; copies. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/common/cunit_main.h"
#include "tests/common/random_fn.h"

enum { SAMPLES = 5 };

/* Inputs of every rule: lane and shared scalars, vectors of 3 and 6, matrices. */
enum { IN_X, IN_Y, IN_S, IN_V, IN_U, IN_W, IN_L, IN_M, IN_N, IN_A, IN_Q, IN_count };

static Type type_of(int k) {
  static const struct {
    bool lane;
    int rank;
    uint32_t dim[2];
  } t[IN_count] = {
    [IN_X] = {true, 0, {0}},    [IN_Y] = {true, 0, {0}},     [IN_S] = {false, 0, {0}},   [IN_V] = {true, 1, {3}},
    [IN_U] = {true, 1, {3}},    [IN_W] = {false, 1, {3}},    [IN_L] = {true, 1, {6}},    [IN_M] = {true, 2, {3, 4}},
    [IN_N] = {true, 2, {3, 4}}, [IN_A] = {false, 2, {4, 3}}, [IN_Q] = {true, 2, {4, 4}},
  };
  return type_real(t[k].lane, t[k].rank, t[k].dim);
}

#define X in[IN_X]
#define Y in[IN_Y]
#define S in[IN_S]
#define V in[IN_V]
#define U in[IN_U]
#define W in[IN_W]
#define L in[IN_L]
#define M in[IN_M]
#define N in[IN_N]
#define A in[IN_A]
#define Q in[IN_Q]
#define K(c) ir_const(b, c)
#define K3(c) ir_splat(b, c, type_of(IN_W))
#define DERIVED(...) (b->role = ROLE_ADJOINT, b->of = OP_mul, __VA_ARGS__)
#define DIMS(...) \
  (sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)), (uint32_t[]) { __VA_ARGS__ }
#define PERM(...) \
  (int[]) { __VA_ARGS__ }
#define IDX(...) (uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)
#define CAT(axis, ...) ir_concat(b, (Val[]){__VA_ARGS__}, sizeof((Val[]){__VA_ARGS__}) / sizeof(Val), axis)
#define SL(x, start, n, step) ir_slice(b, x, 0, start, n, step)
#define UN(x, start, step, total) ir_unslice(b, x, 0, start, step, total)

#define AX(...) \
  (sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (int[]) { __VA_ARGS__ }
#define DOT(x, y, ...) einsum(b, x, y, false, __VA_ARGS__)
#define DOTL(x, y, ...) einsum(b, x, y, true, __VA_ARGS__)

static Val einsum(Build *b, Val x, Val y, bool lanes, size_t na, const int *la, size_t nb, const int *lb, size_t nout,
                  const int *lo) {
  (void)na, (void)nb;
  return ir_dot(b, x, y, lanes, la, lb, (int)nout, lo);
}

typedef struct Rule {
  const char *text;
  Val (*make)(Build *b, const Val *in);
  Op op;
  uint32_t most;
} Rule;

#define GLUE2(a, b) a##b
#define GLUE(a, b) GLUE2(a, b) /* fold_rules.def: a rule is named by its line */

#define R(op, most, ...)                                       \
  static Val GLUE(rule_, __LINE__)(Build * b, const Val *in) { \
    (void)b, (void)in;                                         \
    return __VA_ARGS__;                                        \
  }
#include "tests/ir/fold_rules.def"

static const Rule rules[] = {
#define R(op, most, ...) {#__VA_ARGS__, GLUE(rule_, __LINE__), OP_##op, most},
#include "tests/ir/fold_rules.def"
};

static uint32_t reached(const Fn *f) {
  bool *live = ir_live(f);
  uint32_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) n += live[id] && f->inst.at[id].op != OP_in;
  base_free(live);
  return n;
}

static Fn *build_rule(const Rule *r, bool fold) {
  Fn *f = ir_fn_create("rule", true);
  Build b;
  Val in[IN_count];
  ir_build_init(&b, f);
  b.fold = b.number = fold;
  for (int k = 0; k < IN_count; k++) in[k] = ir_input(&b, "in", IN_OTHER, (uint32_t)k, type_of(k));
  ir_output(&b, r->make(&b, in), "out");
  ir_build_finish(&b);
  return f;
}

static void positive_inputs(const Fn *f, Tensor *in) {
  random_inputs(f, SAMPLES, 7, in);
  for (uint32_t k = 0; k < f->in.n; k++)
    for (int64_t e = type_count(in[k].type) * (in[k].type.lane ? SAMPLES : 1); e-- > 0;) in[k].v[e] = fabs(in[k].v[e]) + 0.1;
}

static double worst(const Tensor *p, const Tensor *q) {
  double most = type_eq(p->type, q->type) ? 0 : INFINITY;
  int64_t n = most == 0 ? type_count(p->type) * (p->type.lane ? SAMPLES : 1) : 0;
  for (int64_t e = 0; e < n; e++) {
    double d = fabs(p->v[e] - q->v[e]) / fmax(1, fabs(p->v[e]));
    if (!(d <= most)) most = d;
  }
  return most;
}

static void check_rule(const Rule *r) {
  Fn *plain = build_rule(r, false), *folded = build_rule(r, true);
  Tensor in[IN_count], p, q;
  char err[256];
  positive_inputs(plain, in);
  CU_ASSERT_EQUAL(ir_verify(plain, stderr), 0);
  CU_ASSERT_EQUAL(ir_verify(folded, stderr), 0);
  bool ok = ir_eval(plain, SAMPLES, in, &p, NULL, err, sizeof err);
  CU_ASSERT_FATAL(ok);
  ok = ir_eval(folded, SAMPLES, in, &q, NULL, err, sizeof err);
  CU_ASSERT_FATAL(ok);
  double d = worst(&p, &q);
  Op op = (Op)ir_inst(folded, folded->out.at[0])->op;
  if (!(d <= 1e-14) || op != r->op || reached(folded) > r->most) {
    fprintf(stderr, "%s: off by %g, %s of %u\n", r->text, d, ir_op[op].name, reached(folded));
    ir_print(stderr, folded, NULL);
    CU_FAIL("a fold rule");
  }
  ir_tensors_free(&p, 1);
  ir_tensors_free(&q, 1);
  ir_tensors_free(in, IN_count);
  ir_fn_destroy(plain);
  ir_fn_destroy(folded);
}

static void test_rules(void) {
  for (size_t k = 0; k < sizeof rules / sizeof rules[0]; k++) check_rule(&rules[k]);
}

/* What was written, not derived: no rule makes a finite number of one that is not, or of a finite one another, when inputs are NaN,
 * infinite or zero of either sign. */
static void special_inputs(const Fn *f, uint64_t seed, Tensor *in) {
  static const double special[] = {NAN, INFINITY, -INFINITY, 0, -0.0};
  positive_inputs(f, in);
  for (uint32_t k = 0; k < f->in.n; k++)
    for (int64_t e = type_count(in[k].type) * (in[k].type.lane ? SAMPLES : 1); e-- > 0;) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      if ((seed >> 40) % 4 == 0) in[k].v[e] = special[(seed >> 33) % 5];
    }
}

/* Zeros of a matrix that has a diagonal alone are no factors; C's pow(-inf, -0.5) is 0, 1/sqrt(-inf) is not. */
static bool differs(const Rule *r) {
  return strstr(r->text, "DERIVED(") || strstr(r->text, "ir_diag(") || strstr(r->text, "K(-0.5)") || strstr(r->text, "K(-1.5)") ||
         strstr(r->text, "K(-2.5)");
}

static bool same_special(const Tensor *p, const Tensor *q, double within) {
  for (int64_t e = type_count(p->type) * (p->type.lane ? SAMPLES : 1); e-- > 0;) {
    bool same = isfinite(p->v[e]) ? fabs(p->v[e] - q->v[e]) <= within * fmax(1, fabs(p->v[e])) : !isfinite(q->v[e]);
    if (!same) return false;
  }
  return true;
}

static void test_special(void) {
  char err[256];
  for (size_t k = 0; k < sizeof rules / sizeof rules[0]; k++) {
    const Rule *r = &rules[k];
    Fn *plain = build_rule(r, false), *folded = build_rule(r, true);
    for (uint64_t seed = 1; seed <= 20 && !differs(r); seed++) {
      Tensor in[IN_count], p, q;
      special_inputs(plain, seed, in);
      CU_ASSERT_FATAL(ir_eval(plain, SAMPLES, in, &p, NULL, err, sizeof err));
      CU_ASSERT_FATAL(ir_eval(folded, SAMPLES, in, &q, NULL, err, sizeof err));
      bool same = same_special(&p, &q, 1e-13);
      if (!same) fprintf(stderr, "%s, seed %llu: NaN or infinity differ\n", r->text, (unsigned long long)seed), seed = 99;
      CU_ASSERT(same);
      ir_tensors_free(&p, 1);
      ir_tensors_free(&q, 1);
      ir_tensors_free(in, IN_count);
    }
    ir_fn_destroy(plain);
    ir_fn_destroy(folded);
  }
}

/* Random programs: the verbatim one and its copy through the folding builder give the same values. */
static Fn *refolded(const Fn *f) {
  Fn *g = ir_fn_create(f->name, f->f64);
  Build b;
  Val *args = base_zeroed(f->in.n + 1, sizeof *args), *out = base_zeroed(f->out.n + 1, sizeof *out);
  ir_build_init(&b, g);
  for (uint32_t k = 0; k < f->in.n; k++)
    args[k] = ir_input(&b, f->in.at[k].name, f->in.at[k].kind, f->in.at[k].index, f->in.at[k].type);
  ir_inline(&b, f, args, out);
  for (uint32_t k = 0; k < f->out.n; k++) ir_output(&b, out[k], f->outname.at[k]);
  ir_build_finish(&b);
  base_free(args);
  base_free(out);
  return g;
}

static void same_values(const Fn *f, const Fn *g, uint64_t seed) {
  Tensor *in = base_zeroed(f->in.n + 1, sizeof *in), *p = base_zeroed(f->out.n, sizeof *p), *q = base_zeroed(f->out.n, sizeof *q);
  char err[256];
  random_inputs(f, SAMPLES, seed, in);
  bool ok = ir_eval(f, SAMPLES, in, p, NULL, err, sizeof err) && ir_eval(g, SAMPLES, in, q, NULL, err, sizeof err);
  CU_ASSERT_FATAL(ok);
  for (uint32_t k = 0; k < f->out.n; k++) {
    double d = worst(&p[k], &q[k]);
    if (!(d <= 1e-11)) fprintf(stderr, "seed %llu, output %u: off by %g\n", (unsigned long long)seed, k, d);
    CU_ASSERT_TRUE(d <= 1e-11);
  }
  ir_tensors_free(in, f->in.n);
  ir_tensors_free(p, f->out.n);
  ir_tensors_free(q, f->out.n);
  base_free(in);
  base_free(p);
  base_free(q);
}

static void test_random(void) {
  for (uint64_t seed = 1; seed <= 200; seed++) {
    RandomSpec spec = {.seed = seed, .size = 10 + (int)(seed % 50), .f64 = true, .smooth = seed & 1, .scans = seed % 3 == 0};
    Fn *f = random_fn(&spec), *g = refolded(f), *h = ir_copy_fn(NULL, f);
    CU_ASSERT_EQUAL(ir_verify(g, stderr), 0);
    CU_ASSERT_TRUE(reached(g) <= reached(f));
    char *was = ir_text(f), *is = ir_text(h);
    CU_ASSERT_STRING_EQUAL(was, is);
    same_values(f, g, seed);
    base_free(was);
    base_free(is);
    ir_fn_destroy(f);
    ir_fn_destroy(g);
    ir_fn_destroy(h);
  }
}

/* The same of inputs that are not finite: folding makes nothing finite of them, and spoils no sample beside. */
static void test_random_special(void) {
  char err[256];
  for (uint64_t seed = 1; seed <= 200; seed++) {
    RandomSpec spec = {.seed = seed, .size = 6 + (int)(seed % 30), .f64 = true, .scans = seed % 3 == 0, .special = true};
    Fn *f = random_fn(&spec), *g = refolded(f);
    Tensor *in = base_zeroed(f->in.n + 1, sizeof *in), *p = base_zeroed(f->out.n, sizeof *p), *q = base_zeroed(f->out.n, sizeof *q);
    random_inputs(f, SAMPLES, seed | RANDOM_SPECIAL, in);
    CU_ASSERT_FATAL(ir_eval(f, SAMPLES, in, p, NULL, err, sizeof err) && ir_eval(g, SAMPLES, in, q, NULL, err, sizeof err));
    for (uint32_t k = 0; k < f->out.n; k++) {
      bool same = same_special(&p[k], &q[k], 1e-10);
      if (!same) fprintf(stderr, "seed %llu, output %u: NaN or infinity differ\n", (unsigned long long)seed, k);
      CU_ASSERT(same);
    }
    ir_tensors_free(in, f->in.n);
    ir_tensors_free(p, f->out.n);
    ir_tensors_free(q, f->out.n);
    base_free(in), base_free(p), base_free(q);
    ir_fn_destroy(f);
    ir_fn_destroy(g);
  }
}

/* ---- value numbers ---- */

static void test_numbering(void) {
  Fn *f = ir_fn_create("f", true);
  Build b;
  ir_build_init(&b, f);
  Val x = ir_input(&b, "x", IN_FIELD, 0, type_of(IN_V)), y = ir_input(&b, "y", IN_FIELD, 1, type_of(IN_U));
  CU_ASSERT_EQUAL(ir_add(&b, x, y).id, ir_add(&b, y, x).id);
  CU_ASSERT_NOT_EQUAL(ir_sub(&b, x, y).id, ir_sub(&b, y, x).id);
  CU_ASSERT_EQUAL(ir_const(&b, 3).id, ir_const(&b, 3).id);
  CU_ASSERT_NOT_EQUAL(ir_const(&b, 3).id, ir_splat(&b, 3, type_of(IN_V)).id);
  CU_ASSERT_NOT_EQUAL(ir_id(&b, x).id, ir_id(&b, x).id);
  Type t = type_scalar(true);
  CU_ASSERT_EQUAL(ir_rand(&b, 0, 1, VAL_NONE, t).id, ir_rand(&b, 0, 1, VAL_NONE, t).id); /* what its site and counter say */
  CU_ASSERT_NOT_EQUAL(ir_rand(&b, 0, 1, VAL_NONE, t).id, ir_rand(&b, 0, 2, VAL_NONE, t).id);
  CU_ASSERT_EQUAL(ir_table(&b, type_of(IN_W), (double[]){1, 2, 3}).id, ir_table(&b, type_of(IN_W), (double[]){1, 2, 3}).id);
  CU_ASSERT_EQUAL(ir_tanh(&b, x).id, ir_tanh(&b, x).id);
  for (int k = 0; k < 500; k++) ir_slice(&b, ir_add(&b, x, ir_const(&b, k)), 0, 1, 1, 1);
  uint32_t n = f->inst.n;
  for (int k = 0; k < 500; k++) ir_slice(&b, ir_add(&b, x, ir_const(&b, k)), 0, 1, 1, 1);
  CU_ASSERT_EQUAL(f->inst.n, n);
  b.number = false;
  CU_ASSERT_NOT_EQUAL(ir_tanh(&b, x).id, ir_tanh(&b, x).id);
  b.fold = false;
  CU_ASSERT_EQUAL(ir_inst(f, ir_add(&b, ir_const(&b, 0), ir_const(&b, 0)))->op, OP_add);
  ir_build_finish(&b);
  ir_fn_destroy(f);
}

/* Emission stamps what the builder says; a copy keeps what the source says. */
static void test_stamps(void) {
  Fn *f = ir_fn_create("f", true), *g = ir_fn_create("g", true);
  Build b, c;
  ir_build_init(&b, f);
  Val x = ir_input(&b, "x", IN_FIELD, 0, type_of(IN_V));
  b.at = (Span){1, 2, 3};
  b.role = ROLE_ADJOINT;
  b.of = OP_dot;
  Val y = ir_tanh(&b, x);
  CU_ASSERT_EQUAL(ir_inst(f, y)->of, OP_dot);
  ir_build_init(&c, g);
  Val map[3] = {VAL_NONE, ir_input(&c, "x", IN_FIELD, 0, type_of(IN_V))};
  const Inst *i = ir_inst(g, ir_copy_inst(&c, f, y, map));
  CU_ASSERT_TRUE(i->role == ROLE_ADJOINT && i->of == OP_dot && i->at.file == 1 && i->at.begin == 2 && i->at.end == 3);
  CU_ASSERT_TRUE(c.role == ROLE_PRIMAL && c.at.file == 0);
  ir_build_finish(&b);
  ir_build_finish(&c);
  ir_fn_destroy(f);
  ir_fn_destroy(g);
}

/* ---- exact constants ---- */

static void expect_exact(Build *b, Val v, int64_t num, int64_t den) {
  const Inst *i = ir_inst(b->f, v);
  CU_ASSERT_EQUAL_FATAL(i->op, OP_const);
  CU_ASSERT_EQUAL(ir_const_attr(b->f, i).num, num);
  CU_ASSERT_EQUAL(ir_const_attr(b->f, i).den, den);
  double value;
  CU_ASSERT_TRUE(ir_is_const(b->f, v, &value));
  if (den) CU_ASSERT_EQUAL(value, (double)num / (double)den);
}

static void test_exact(void) {
  Fn *f = ir_fn_create("f", true);
  Build bb, *b = &bb;
  ir_build_init(b, f);
  Val third = ir_const_exact(b, 1.0 / 3, 1, 3), tenth = ir_const_exact(b, 0.1, 1, 10);
  expect_exact(b, ir_add(b, third, tenth), 13, 30);
  expect_exact(b, ir_sub(b, tenth, third), -7, 30);
  expect_exact(b, ir_mul(b, third, K(6)), 2, 1);
  expect_exact(b, ir_div(b, third, ir_neg(b, tenth)), -10, 3);
  expect_exact(b, ir_pow(b, third, K(-2)), 9, 1);
  expect_exact(b, ir_sqrt(b, ir_const_exact(b, 2.25, 9, 4)), 3, 2);
  expect_exact(b, ir_sqrt(b, K(2)), 0, 0);
  expect_exact(b, ir_max(b, third, tenth), 1, 3);
  expect_exact(b, ir_cos(b, K(0)), 1, 1);
  expect_exact(b, ir_sigmoid(b, K(0)), 1, 2);
  expect_exact(b, K(0.5), 1, 2);
  expect_exact(b, K(0.1), 0, 0);
  expect_exact(b, K(-0.0), 0, 0);
  expect_exact(b, ir_sum(b, ir_expand(b, third, 0, 3), 0), 1, 1);
  const int64_t whole = (int64_t)1 << 53, most = (int64_t)1 << 62;
  Val big = K(9007199254740992.0), huge = ir_const_exact(b, (double)most, most, 1);
  expect_exact(b, ir_add(b, big, big), 2 * whole, 1);
  expect_exact(b, ir_mul(b, ir_div(b, K(1), big), third), 1, 3 * whole);
  expect_exact(b, ir_add(b, huge, huge), 0, 0);
  expect_exact(b, ir_mul(b, huge, K(3)), 0, 0);
  expect_exact(b, ir_mul(b, ir_div(b, K(1), huge), third), 0, 0);
  expect_exact(b, ir_sub(b, ir_const_exact(b, 1e18, INT64_MIN, 1), K(1)), 0, 0);
  expect_exact(b, ir_div(b, K(1), ir_div(b, K(1), K(3))), 3, 1);
  CU_ASSERT_TRUE(isinf(ir_eval_scalar(OP_div, 1, 0)));
  expect_exact(b, ir_div(b, K(1), K(0)), 0, 0);
  ir_build_finish(b);
  ir_fn_destroy(f);
}

/* ---- types ---- */

static void test_types(void) {
  char buf[64];
  CU_ASSERT_STRING_EQUAL(type_text(type_of(IN_M), true, buf, sizeof buf), "f64[B,3,4]");
  CU_ASSERT_STRING_EQUAL(type_text(type_scalar(false), false, buf, sizeof buf), "f32");
  CU_ASSERT_STRING_EQUAL(type_text(type_scalar(true), false, buf, sizeof buf), "f32[B]");
  CU_ASSERT_STRING_EQUAL(type_user(type_of(IN_M), buf, sizeof buf), "real[3, 4]");
  CU_ASSERT_STRING_EQUAL(type_user(type_scalar(true), buf, sizeof buf), "real");
  CU_ASSERT_EQUAL(strlen(type_text(type_of(IN_M), true, buf, 6)), 5);
  CU_ASSERT_EQUAL(type_count(type_of(IN_M)), 12);
  CU_ASSERT_FALSE(type_eq(type_of(IN_V), type_of(IN_W)));
  CU_ASSERT_TRUE(type_same_dims(type_of(IN_V), type_of(IN_W)));
  for (int k = OP_none + 1; k < OP_count; k++) CU_ASSERT_EQUAL(ir_op_named(ir_op[k].name, strlen(ir_op[k].name)), (Op)k);
  CU_ASSERT_EQUAL(ir_op_named("tan", 3), OP_tan);
  CU_ASSERT_EQUAL(ir_op_named("tanhh", 5), OP_none);
  CU_ASSERT_TRUE(ir_op[OP_scan].has_sub && !ir_op[OP_sum].has_sub && !ir_op[OP_select].has_sub);
  for (int k = 0; k < M_count; k++) CU_ASSERT_PTR_NOT_NULL(ir_method[k].name);
}

const Suite suite = {"ir", (CU_TestInfo[]){{"fold rules", test_rules},
                                           {"fold rules at NaN, infinities and zeros", test_special},
                                           {"random programs of what is not finite", test_random_special},
                                           {"folded random programs", test_random},
                                           {"value numbers", test_numbering},
                                           {"places and roles", test_stamps},
                                           {"exact constants", test_exact},
                                           {"types and ops", test_types},
                                           CU_TEST_INFO_NULL}};
