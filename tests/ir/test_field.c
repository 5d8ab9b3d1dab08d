/* The finite field: arithmetic, what is decided and what is not, every derivative rule exactly,
 * simplification exactly, and no false equality among mutations of random functions. */
#include "ir/field/field.h"
#include "passes/passes.h"
#include "tests/common/cunit_main.h"
#include "tests/common/derive_cases.h"
#include "tests/common/field_expr.h"
#include "tests/common/random_fn.h"
#include "tests/common/often.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- arithmetic ---- */

static FieldElem any(uint64_t *s) { return (FieldElem){field_random(s).re, field_random(s).re}; }

static void test_axioms(void) {
  uint64_t s = 1;
  int squares = 0;
  for (int k = 0; k < 2000; k++) {
    FieldElem a = any(&s), b = any(&s), c = any(&s), r, one = field_int(1);
    CU_ASSERT(field_eq(field_mul(a, field_add(b, c)), field_add(field_mul(a, b), field_mul(a, c))));
    CU_ASSERT(field_eq(field_mul(a, field_mul(b, c)), field_mul(field_mul(a, b), c)));
    CU_ASSERT(field_eq(field_mul(a, b), field_mul(b, a)));
    CU_ASSERT(field_eq(field_sub(field_add(a, b), b), a));
    CU_ASSERT(field_eq(field_mul(a, field_inverse(a)), one));
    CU_ASSERT(field_eq(field_power(a, 5), field_mul(a, field_mul(field_mul(a, a), field_mul(a, a)))));
    bool square = field_sqrt(a, &r);
    squares += square;
    if (square) CU_ASSERT(field_eq(field_mul(r, r), a));
    CU_ASSERT(field_sqrt(field_mul(a, a), &r) && (field_eq(r, a) || field_eq(r, field_neg(a))));
    a.im = b.im = 0;
    CU_ASSERT(field_sqrt(a, &r) && field_eq(field_mul(r, r), a));
    CU_ASSERT(field_sign(a) > 0 ? !r.im && field_sign(r) > 0 : !r.re);
    CU_ASSERT_EQUAL(field_sign(field_neg(a)), -field_sign(a));
    CU_ASSERT_EQUAL(field_sign(field_mul(a, b)), field_sign(a) * field_sign(b));
  }
  CU_ASSERT(squares > 900 && squares < 1100);
  FieldElem i = {0, 1}, top = field_neg(field_int(1));
  CU_ASSERT(field_eq(field_mul(i, i), top));
  CU_ASSERT(field_eq(field_mul(top, top), field_int(1)));
  CU_ASSERT_EQUAL(field_power(field_int(3), FIELD_P - 1).re, 1);
}

static void test_numbers(void) {
  for (int k = 1; k <= 60; k++) CU_ASSERT_EQUAL(field_sign(field_int(k)), 1);
  CU_ASSERT(field_eq(field_ratio(3, 8), field_double(0.375)));
  CU_ASSERT(field_eq(field_ratio(-7, 1), field_double(-7)));
  CU_ASSERT(field_eq(field_mul(field_double(0x1p-1074), field_power(field_int(2), 1074)), field_int(1)));
  CU_ASSERT(!field_eq(field_ratio(1, 10), field_double(0.1)));
  CU_ASSERT(field_is_zero(field_double(-0.0)));
  CU_ASSERT(field_eq(field_int(INT64_MIN), field_double(-0x1p63)));
}

/* ---- identities ---- */

typedef Val Expr(Build *b, Val x, Val y);
typedef struct Claim {
  const char *text;
  Expr *left, *right;
  FieldAnswer answer;
} Claim;

#define CLAIMS                                                                               \
  TRUE(circle, ADD(SQ(SIN(x)), SQ(COS(x))), K(1))                                            \
  TRUE(tangent, MUL(F1(tan, x), COS(x)), SIN(x))                                             \
  TRUE(sine, SIN(NEG(x)), NEG(SIN(x)))                                                       \
  TRUE(cosine, COS(SUB(x, y)), COS(SUB(y, x)))                                               \
  TRUE(reciprocal, MUL(EXP(SUB(x, y)), EXP(SUB(y, x))), K(1))                                \
  TRUE(expm1, ADD(F1(expm1, x), K(1)), EXP(x))                                               \
  TRUE(log_exp, LOG(EXP(MUL(x, y))), MUL(x, y))                                              \
  TRUE(log_inverse, LOG(DIV(y, x)), NEG(LOG(DIV(x, y))))                                     \
  TRUE(tanh_odd, F1(tanh, NEG(x)), NEG(F1(tanh, x)))                                         \
  TRUE(tanh_sigmoid, F1(tanh, x), SUB(MUL(K(2), F1(sigmoid, ADD(x, x))), K(1)))              \
  TRUE(sigmoid, ADD(F1(sigmoid, x), F1(sigmoid, NEG(x))), K(1))                              \
  TRUE(softplus, SUB(F1(softplus, x), F1(softplus, NEG(x))), x)                              \
  TRUE(softplus_log, F1(softplus, x), F1(log1p, EXP(x)))                                     \
  TRUE(cosh_sinh, SUB(SQ(F1(cosh, x)), SQ(F1(sinh, x))), K(1))                               \
  TRUE(tanh_ratio, MUL(F1(tanh, x), F1(cosh, x)), F1(sinh, x))                               \
  TRUE(sinh_odd, F1(sinh, NEG(x)), NEG(F1(sinh, x)))                                         \
  TRUE(cosh_even, F1(cosh, NEG(x)), F1(cosh, x))                                             \
  TRUE(asinh_odd, F1(asinh, NEG(x)), NEG(F1(asinh, x)))                                      \
  TRUE(atanh_odd, F1(atanh, NEG(x)), NEG(F1(atanh, x)))                                      \
  TRUE(atan_odd, F1(atan, NEG(x)), NEG(F1(atan, x)))                                         \
  TRUE(asin_odd, F1(asin, NEG(x)), NEG(F1(asin, x)))                                         \
  TRUE(tan_atan, F1(tan, F1(atan, x)), x)                                                    \
  TRUE(sinh_asinh, F1(sinh, F1(asinh, x)), x)                                                \
  TRUE(cosh_acosh, F1(cosh, F1(acosh, x)), x)                                                \
  TRUE(tanh_atanh, F1(tanh, F1(atanh, x)), x)                                                \
  TRUE(log10_product, F1(log10, MUL(SQ(x), SQ(y))), ADD(F1(log10, SQ(x)), F1(log10, SQ(y)))) \
  TRUE(stopped, F1(stop, MUL(x, y)), MUL(y, x))                                              \
  TRUE(ceil_floor, F1(ceil, NEG(x)), NEG(F1(floor, x)))                                      \
  TRUE(round_odd, F1(round, NEG(x)), NEG(F1(round, x)))                                      \
  TRUE(rest, ADD(F2(mod, x, y), MUL(y, F1(floor, DIV(x, y)))), x)                            \
  TRUE(log_sigmoid, LOG(F1(sigmoid, x)), NEG(F1(softplus, NEG(x))))                          \
  TRUE(erf, F1(erf, SUB(x, y)), NEG(F1(erf, SUB(y, x))))                                     \
  TRUE(atan2, F2(atan2, NEG(x), y), NEG(F2(atan2, x, y)))                                    \
  TRUE(magnitude, F1(abs, MUL(x, y)), MUL(F1(abs, x), F1(abs, y)))                           \
  TRUE(root_square, F1(sqrt, SQ(x)), F1(abs, x))                                             \
  TRUE(root_product, F1(sqrt, MUL(x, y)), MUL(F1(sqrt, x), F1(sqrt, y)))                     \
  TRUE(root_quotient, DIV(K(1), F1(sqrt, x)), F1(sqrt, DIV(K(1), x)))                        \
  TRUE(extrema, ADD(F2(max, x, y), F2(min, x, y)), ADD(x, y))                                \
  TRUE(maximum, F2(max, x, y), MUL(K(0.5), ADD(ADD(x, y), F1(abs, SUB(x, y)))))              \
  TRUE(relu, SUB(F1(relu, x), F1(relu, NEG(x))), x)                                          \
  TRUE(relu_max, F1(relu, x), F2(max, x, K(0)))                                              \
  TRUE(order, SEL(F2(lt, x, ADD(x, K(1))), x, y), x)                                         \
  TRUE(power, F2(pow, x, K(-3)), DIV(K(1), MUL(x, SQ(x))))                                   \
  TRUE(half_power, SQ(F2(pow, x, K(2.5))), MUL(SQ(SQ(x)), x))                                \
  TRUE(any_power, MUL(F2(pow, x, y), F2(pow, x, NEG(y))), K(1))                              \
  TRUE(binomial, MUL(ADD(x, y), SUB(x, y)), SUB(SQ(x), SQ(y)))                               \
  TRUE(thirds, MUL(K(3), MUL(x, RATIO(1, 3))), x)                                            \
  TRUE(folded, MUL(EXP(K(0.5)), x), MUL(x, K(exp(0.5))))                                     \
  TRUE(late_constant, F1(tan, ADD(SUB(x, x), K(0.5))), K(tan(0.5)))                          \
  FALSE(swapped, SIN(x), COS(x))                                                             \
  FALSE(hyperbola, SUB(SQ(COS(x)), SQ(SIN(x))), K(1))                                        \
  FALSE(exp_sum, EXP(ADD(x, y)), ADD(EXP(x), EXP(y)))                                        \
  FALSE(tanh_even, F1(tanh, NEG(x)), F1(tanh, x))                                            \
  FALSE(softplus_sum, ADD(F1(softplus, x), F1(softplus, NEG(x))), x)                         \
  FALSE(square_sum, SQ(ADD(x, y)), ADD(SQ(x), SQ(y)))                                        \
  FALSE(quotient, DIV(x, y), DIV(y, x))                                                      \
  FALSE(magnitude_itself, F1(abs, x), x)                                                     \
  FALSE(root_of_square, F1(sqrt, SQ(x)), x)                                                  \
  FALSE(root_sum, F1(sqrt, ADD(SQ(x), SQ(y))), ADD(F1(abs, x), F1(abs, y)))                  \
  FALSE(max_first, F2(max, x, y), x)                                                         \
  FALSE(relu_itself, F1(relu, x), x)                                                         \
  FALSE(nearly, MUL(x, K(1.00000001)), x)                                                    \
  FALSE(powers, F2(pow, x, K(3)), F2(pow, x, K(2)))                                          \
  FALSE(sinh_cosh, F1(cosh, x), F1(sinh, x))                                                 \
  FALSE(atan_tan, F1(atan, x), F1(asinh, x))                                                 \
  FALSE(floor_ceil, F1(ceil, x), F1(floor, x))                                               \
  FALSE(rest_sign, F2(mod, NEG(x), y), NEG(F2(mod, x, y)))                                   \
  FALSE(sigmoid_tanh, F1(sigmoid, x), F1(tanh, x))                                           \
  TRUE(exp_product, EXP(ADD(x, y)), MUL(EXP(x), EXP(y)))                                     \
  TRUE(log_product, LOG(MUL(SQ(x), SQ(y))), ADD(LOG(SQ(x)), LOG(SQ(y))))                     \
  TRUE(double_angle, SIN(ADD(x, x)), MUL(K(2), MUL(SIN(x), COS(x))))                         \
  OPEN(rounded, MUL(x, K(0.1)), MUL(x, RATIO(1, 10)))

#define TRUE(name, l, r) CLAIM(name, l, r)
#define FALSE(name, l, r) CLAIM(name, l, r)
#define OPEN(name, l, r) CLAIM(name, l, r)
#define CLAIM(name, l, r)                           \
  static Val name##_left(Build *b, Val x, Val y) {  \
    (void)b, (void)x, (void)y;                      \
    return l;                                       \
  }                                                 \
  static Val name##_right(Build *b, Val x, Val y) { \
    (void)b, (void)x, (void)y;                      \
    return r;                                       \
  }
CLAIMS
#undef TRUE
#undef FALSE
#undef OPEN
#define TRUE(name, l, r) {#name, name##_left, name##_right, FIELD_EQUAL},
#define FALSE(name, l, r) {#name, name##_left, name##_right, FIELD_DIFFERENT},
#define OPEN(name, l, r) {#name, name##_left, name##_right, FIELD_UNDECIDED},
static const Claim claims[] = {CLAIMS};
enum { NCLAIMS = sizeof claims / sizeof *claims };

static Fn *expression(Expr *e) {
  Fn *f = ir_fn_create("claim", true);
  Build b;
  ir_build_init(&b, f);
  b.fold = b.number = false;
  Val x = ir_input(&b, "x", IN_FIELD, 0, type_scalar(true)), y = ir_input(&b, "y", IN_PARAM, 0, type_scalar(false));
  ir_output(&b, ir_spread(&b, e(&b, x, y)), NULL);
  ir_build_finish(&b);
  return f;
}

static void test_identities(void) {
  for (int k = 0; k < NCLAIMS; k++) {
    FieldReport r;
    Fn *left = expression(claims[k].left), *right = expression(claims[k].right);
    FieldAnswer got = ir_field_equal(left, right, 3, 1, &r);
    CU_ASSERT_EQUAL(got, claims[k].answer);
    if (got != claims[k].answer) printf("\n%s: %d: %s\n", claims[k].text, got, r.reason);
    if (got == FIELD_EQUAL) CU_ASSERT(r.points >= 3);
    if (got == FIELD_DIFFERENT) CU_ASSERT(r.left != r.right);
    CU_ASSERT(got != FIELD_UNDECIDED || r.differs);
    if (got == FIELD_EQUAL) CU_ASSERT(r.bits >= FIELD_BITS && r.sign_bits >= FIELD_BITS && !r.branched);
    if (r.branched) printf("\n%s: %g bits, signs %g at %d points\n", claims[k].text, r.bits, r.sign_bits, r.points);
    ir_fn_destroy(left);
    ir_fn_destroy(right);
  }
}

/* ---- derivatives ---- */

static Val flat(Build *b, Val v) {
  uint32_t n = (uint32_t)type_count(ir_type(b->f, v));
  return ir_reshape(b, v, 1, &n);
}

/* Output 0 by input k: rows by reverse mode one by one, or by forward mode, which derive takes when there
 * are no fewer rows than columns. */
static Fn *jacobian(const Fn *f, uint32_t k, bool forward) {
  Fn *g = ir_fn_create("jacobian", true);
  Build b;
  ir_build_init(&b, g);
  Val *x = base_zeroed(f->in.n + 1, sizeof *x), *out = base_zeroed(f->out.n + 1, sizeof *out), part[200];
  for (uint32_t j = 0; j < f->in.n; j++) x[j] = ir_id(&b, ir_input(&b, NULL, IN_OTHER, j, f->in.at[j].type));
  ir_inline(&b, f, x, out);
  Val y = flat(&b, out[0]), v;
  uint32_t rows = (uint32_t)type_count(ir_type(g, y)), columns = (uint32_t)type_count(f->in.at[k].type), n = 0;
  if (forward) {
    do part[n++] = y;
    while (n * rows < columns);
    Val jac = ir_jac(&b, ir_concat(&b, part, n, 0), x[k]);
    v = ir_slice(&b, jac, 0, 0, rows, 1);
  } else {
    for (; n < rows; n++) part[n] = ir_grad(&b, ir_index(&b, y, 0, n), x[k]);
    v = ir_stack(&b, part, n);
  }
  ir_output(&b, v, NULL);
  ir_build_finish(&b);
  base_free(x);
  base_free(out);
  Diag *diag = diag_create(NULL);
  Fn *h = pass_derive(NULL, g, diag);
  if (!h) diag_render(diag, stdout, false);
  CU_ASSERT_PTR_NOT_NULL_FATAL(h);
  diag_destroy(diag);
  ir_fn_destroy(g);
  return h;
}

/* True if decided; a difference fails. */
static bool exact(const char *what, const Fn *a, const Fn *b, int rounds) {
  FieldReport r;
  FieldAnswer answer = ir_field_equal(a, b, rounds, 7, &r);
  CU_ASSERT_NOT_EQUAL(answer, FIELD_DIFFERENT);
  if (answer != FIELD_EQUAL) printf("\n%s: %s\n", what, r.reason);
  if (answer == FIELD_DIFFERENT) {
    ir_print(stdout, a, NULL);
    ir_print(stdout, b, NULL);
  }
  return answer == FIELD_EQUAL;
}

static bool modes_agree(const char *what, const Fn *f, uint32_t k) {
  Fn *forward = jacobian(f, k, true), *reverse = jacobian(f, k, false);
  bool same = exact(what, forward, reverse, 2);
  ir_fn_destroy(forward);
  ir_fn_destroy(reverse);
  return same;
}

static void test_elementwise_rules(void) {
  for (int op = 1; op < OP_count; op++) {
    if (ir_op[op].cls != OPC_EW1 && ir_op[op].cls != OPC_EW2) continue;
    for (int lanes = 0; lanes < 4; lanes++) {
      Fn *f = ir_fn_create(ir_op[op].name, true);
      Build b;
      ir_build_init(&b, f);
      uint32_t two = 2;
      Val x[2] = {ir_input(&b, "x", IN_OTHER, 0, type_real(lanes & 1, 1, &two)),
                  ir_input(&b, "y", IN_OTHER, 1, type_real(lanes >> 1, lanes < 2, &two))};
      Val y = ir_emit(&b, (Op)op, x, (uint32_t)ir_op[op].arity, NULL, 0, NULL);
      ir_output(&b, ir_mul(&b, y, x[1]), NULL);
      ir_build_finish(&b);
      for (uint32_t k = 0; k < 2; k++) CU_ASSERT(modes_agree(ir_op[op].name, f, k));
      ir_fn_destroy(f);
    }
  }
}

/* Eigenvalues have no exact value. */
static bool is_exact(Op op) { return op != OP_eigh && op != OP_eigvals && op != OP_eigvecs; }

static void test_structural_rules(void) {
  for (int c = 0; c < derive_ncases; c++)
    for (int lanes = 0; lanes < 4 && derive_cases[c].make && is_exact(derive_cases[c].op); lanes++) {
      Fn *f = derive_case(derive_cases[c].make, lanes, false);
      bool batch = derive_cases[c].op == OP_batch_sum || !ir_type(f, f->out.at[0]).lane;
      for (uint32_t k = 0; k < 2; k++) /* a column of a shared value by a sample moves all samples */
        if (!batch || !f->in.at[k].type.lane) CU_ASSERT(modes_agree(ir_op[derive_cases[c].op].name, f, k));
      ir_fn_destroy(f);
    }
}

/* (q, p) -> |J grad H - dx|^2 for a network H with two hidden layers of width h. */
static Fn *hnn_loss(uint32_t h) {
  uint32_t w1[] = {h, 2}, w2[] = {h, h};
  Fn *f = ir_fn_create("hnn", true);
  Build b;
  ir_build_init(&b, f);
  Val W1 = ir_input(&b, "W1", IN_PARAM, 0, type_real(false, 2, w1)), b1 = ir_input(&b, "b1", IN_PARAM, 1, type_real(false, 1, w1)),
      W2 = ir_input(&b, "W2", IN_PARAM, 2, type_real(false, 2, w2)), W3 = ir_input(&b, "W3", IN_PARAM, 3, type_real(false, 1, w1)),
      x = ir_id(&b, ir_input(&b, "x", IN_FIELD, 0, type_real(true, 1, w1 + 1))),
      dx = ir_input(&b, "dx", IN_FIELD, 1, type_real(true, 1, w1 + 1));
  Val y = ir_tanh(&b, ir_add(&b, ir_matmul(&b, W1, x), b1));
  Val H = ir_matmul(&b, W3, ir_tanh(&b, ir_matmul(&b, W2, y)));
  Val e = ir_sub(&b, ir_grad(&b, H, x), dx);
  ir_output(&b, ir_sum_all(&b, ir_mul(&b, e, e)), "loss");
  ir_build_finish(&b);
  return f;
}

static void test_hnn(void) {
  Fn *f = hnn_loss(5);
  for (uint32_t k = 0; k < 4; k++) CU_ASSERT(modes_agree("the HNN loss", f, k));
  ir_fn_destroy(f);
}

/* ---- random functions ---- */

static void test_random(void) {
  enum { FUNCTIONS = OFTEN(200), SMALL = 6 };
  int simplified = 0, derived = 0, tried = 0;
  for (uint64_t seed = 1; seed <= FUNCTIONS; seed++) {
    RandomSpec spec = {.seed = seed,
                       .size = 8 + (int)(seed % 16),
                       .f64 = true,
                       .smooth = seed % 3 == 0,
                       .scans = true,
                       .draws = seed % 5 == 0,
                       .fold = seed % 2};
    char name[40];
    snprintf(name, sizeof name, "random function %d", (int)seed);
    Fn *f = random_fn(&spec), *g = pass_simplify(NULL, f);
    simplified += exact(name, f, g, 2);
    for (uint32_t k = 0; k < f->in.n; k++) {
      if (type_count(f->in.at[k].type) > SMALL) continue;
      tried++;
      derived += modes_agree(name, f, k);
    }
    ir_fn_destroy(f);
    ir_fn_destroy(g);
  }
  CU_ASSERT(simplified >= FUNCTIONS * 96 / 100); /* what is folded of constants, of `iota` too, is rounded: nothing exact is left */
  CU_ASSERT(derived >= tried * 97 / 100);
  printf(" %d of %d, %d of %d decided ", simplified, FUNCTIONS, derived, tried);
}

/* ---- mutations ---- */

static Fn *random_body(Fn *f, uint64_t *s) {
  while (f->sub.n && random_below(s, 3) == 0) f = f->sub.at[random_below(s, f->sub.n)];
  return f;
}

/* One instruction of f, or of a body, becomes another one of the same type. False: nothing was changed. */
static bool mutate(Fn *f, uint64_t *s) {
  f = random_body(f, s);
  uint32_t id = 1 + random_below(s, f->inst.n - 1);
  Inst *i = &f->inst.at[id];
  OpClass cls = ir_op[i->op].cls;
  if (i->op == OP_const) {
    double v = random_below(s, 2) ? -3 : 0.75;
    memcpy(&f->attr.at[i->attr], &v, sizeof v);
    f->attr.at[i->attr + 1] = (int64_t)(v * 4);
    return f->attr.at[i->attr + 2] = 4, true;
  }
  if (i->nargs && random_below(s, 2)) {
    Val *arg = &f->pool.at[i->args + random_below(s, i->nargs)], to = {1 + random_below(s, id - 1)};
    if (to.id == arg->id || !type_eq(ir_type(f, to), ir_type(f, *arg)) || ir_type(f, to).dt == DT_MULTI) return false;
    return *arg = to, true;
  }
  if (cls == OPC_STRUCT) return false;
  Op op = (Op)(1 + random_below(s, OP_count - 1));
  if (ir_op[op].cls != cls || ir_op[op].arity != ir_op[i->op].arity || op == i->op) return false;
  return i->op = (uint16_t)op, true;
}

/* Whether the functions agree to 1e-6 at some real points, as far as they have values there. Not at whole numbers,
 * where x == 3 may hold. */
static bool agree_numerically(const Fn *a, const Fn *b, uint64_t point) {
  Tensor in[8], x[8], y[8];
  char err[80];
  bool same = true;
  ir_field_point(a, point & ~UINT64_C(4), in);
  bool first = ir_eval(a, FIELD_LANES, in, x, NULL, err, sizeof err);
  bool second = ir_eval(b, FIELD_LANES, in, y, NULL, err, sizeof err);
  CU_ASSERT_FATAL(first && second);
  for (uint32_t k = 0; k < a->out.n; k++)
    for (int64_t e = 0; e < type_count(x[k].type) * (x[k].type.lane ? FIELD_LANES : 1); e++) {
      double u = x[k].v[e], v = y[k].v[e];
      if (isfinite(u) && isfinite(v) && fabs(u - v) > 1e-6 * (1 + fabs(u) + fabs(v))) same = false;
    }
  ir_tensors_free(x, a->out.n);
  ir_tensors_free(y, b->out.n);
  ir_tensors_free(in, a->in.n);
  return same;
}

static void test_mutations(void) {
  enum { MUTATIONS = OFTEN(10000), EACH = 20 }; /* few of each function: those of one are undecided together */
  uint64_t s = 99;
  int count[3] = {0}, wrong = 0;
  for (uint64_t seed = 1; seed <= MUTATIONS / EACH; seed++) {
    RandomSpec spec = {.seed = seed, .size = 4 + (int)(seed % 8), .f64 = true, .scans = seed % 4 == 0};
    Fn *f = random_fn(&spec);
    for (int k = 0; k < EACH;) {
      Fn *g = ir_copy_fn(NULL, f);
      if (mutate(g, &s) && !ir_verify(g, stderr)) {
        k++;
        FieldAnswer answer = ir_field_equal(f, g, 3, random_bits(&s), NULL);
        count[answer]++;
        for (int p = 0; p < 4 && answer == FIELD_EQUAL; p++)
          if (!agree_numerically(f, g, random_bits(&s))) wrong++, p = 4;
      }
      ir_fn_destroy(g);
    }
    ir_fn_destroy(f);
  }
  CU_ASSERT_EQUAL(wrong, 0);
  CU_ASSERT(count[FIELD_DIFFERENT] > MUTATIONS / 2);
  CU_ASSERT(count[FIELD_UNDECIDED] < MUTATIONS / 20);
  printf(" %d equal, %d different, %d undecided ", count[FIELD_EQUAL], count[FIELD_DIFFERENT], count[FIELD_UNDECIDED]);
}

const Suite suite = {"field", (CU_TestInfo[]){{"arithmetic", test_axioms},
                                              {"numbers", test_numbers},
                                              {"identities", test_identities},
                                              {"elementwise rules, reverse = forward", test_elementwise_rules},
                                              {"structural rules, reverse = forward", test_structural_rules},
                                              {"the HNN loss, reverse = forward", test_hnn},
                                              {"random functions", test_random},
                                              {"mutations", test_mutations},
                                              CU_TEST_INFO_NULL}};
