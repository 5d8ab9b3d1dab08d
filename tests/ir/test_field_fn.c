/* What unknown functions keep, in every order in which their values are met; what may not follow; signs,
 * error bounds, real points; Hamiltonians that separate and those that nearly do. */
#include "ir/field/field.h"
#include "passes/passes.h"
#include "tests/common/cunit_main.h"
#include "tests/common/field_expr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- laws: combine(terms) = 0, the terms evaluated in every order ---- */

typedef struct Law {
  const char *text;
  int n;
  Val (*term)(Build *b, const Val *v, int k);
  Val (*combine)(Build *b, const Val *t);
  FieldAnswer answer;
} Law;

#define PI 3.14159265358979323846
#define PI_OVER(n) ir_const_exact(b, PI / (n), 0, 0)
#define P1(p) (p)
#define P2(p, q) (k == 0 ? (p) : (q))
#define P3(p, q, r) (k == 0 ? (p) : P2K(q, r))
#define P2K(q, r) (k == 1 ? (q) : (r))
#define P4(p, q, r, s) (k == 0 ? (p) : k == 1 ? (q) : k == 2 ? (r) : (s))
#define COSH(a) MUL(K(0.5), ADD(EXP(a), EXP(NEG(a))))
#define SINH(a) MUL(K(0.5), SUB(EXP(a), EXP(NEG(a))))
#define NORM SQRT(ADD(SQ(x), SQ(y)))
#define EXPX EXP(x)
#define EXPY EXP(y)

#define LAWS                                                                                                                       \
  LAW(exp_sum, 3, P3(EXP(ADD(x, y)), EXPX, EXPY), SUB(t[0], MUL(t[1], t[2])), EQUAL)                                               \
  LAW(exp_difference, 3, P3(EXP(SUB(x, y)), EXPX, EXPY), SUB(MUL(t[0], t[2]), t[1]), EQUAL)                                        \
  LAW(exp_three, 4, P4(EXP(ADD(x, ADD(y, z))), EXPX, EXPY, EXP(z)), SUB(t[0], MUL(t[1], MUL(t[2], t[3]))), EQUAL)                  \
  LAW(exp_twice, 2, P2(EXP(ADD(x, x)), EXPX), SUB(t[0], SQ(t[1])), EQUAL)                                                          \
  LAW(exp_half, 2, P2(EXP(MUL(RATIO(1, 2), x)), EXPX), SUB(SQ(t[0]), t[1]), EQUAL)                                                 \
  LAW(exp_third, 2, P2(EXP(MUL(RATIO(1, 3), x)), EXPX), SUB(MUL(t[0], SQ(t[0])), t[1]), EQUAL)                                     \
  LAW(exp_two_thirds, 3, P3(EXP(MUL(RATIO(2, 3), x)), EXPX, EXP(MUL(RATIO(1, 2), x))), SUB(MUL(t[0], SQ(t[0])), SQ(SQ(t[2]))),     \
      EQUAL)                                                                                                                       \
  LAW(exp_mean, 3, P3(EXP(MUL(RATIO(1, 2), ADD(x, y))), EXPX, EXPY), SUB(SQ(t[0]), MUL(t[1], t[2])), EQUAL)                        \
  LAW(exp_root, 2, P2(SQRT(EXPX), EXP(MUL(RATIO(1, 2), x))), SUB(t[0], t[1]), EQUAL)                                               \
  LAW(exp_pairs, 4, P4(EXP(ADD(x, y)), EXP(ADD(y, z)), EXP(ADD(x, z)), EXP(ADD(x, ADD(y, z)))),                                    \
      SUB(MUL(t[0], MUL(t[1], t[2])), SQ(t[3])), EQUAL)                                                                            \
  LAW(sine_sum, 3, P3(SIN(ADD(x, y)), ADD(SIN(x), K(0)), SIN(y)), SUB(t[0], ADD(MUL(t[1], COS(y)), MUL(COS(x), t[2]))), EQUAL)     \
  LAW(cosine_sum, 3, P3(COS(ADD(x, y)), COS(x), COS(SUB(x, y))), SUB(ADD(t[0], t[2]), MUL(K(2), MUL(t[1], COS(y)))), EQUAL)        \
  LAW(cosine_twice, 2, P2(COS(ADD(x, x)), COS(x)), SUB(t[0], SUB(MUL(K(2), SQ(t[1])), K(1))), EQUAL)                               \
  LAW(sine_thrice, 2, P2(SIN(MUL(K(3), x)), SIN(x)), SUB(t[0], SUB(MUL(K(3), t[1]), MUL(K(4), MUL(t[1], SQ(t[1]))))), EQUAL)       \
  LAW(sine_half, 2, P2(SIN(MUL(RATIO(1, 2), x)), COS(x)), SUB(MUL(K(2), SQ(t[0])), SUB(K(1), t[1])), EQUAL)                        \
  LAW(tangent_half, 2, P2(F1(tan, MUL(RATIO(1, 2), x)), SIN(x)), SUB(MUL(t[0], ADD(K(1), COS(x))), t[1]), EQUAL)                   \
  LAW(quarter_turn, 2, P2(SIN(ADD(x, PI_OVER(2))), COS(x)), SUB(t[0], t[1]), EQUAL)                                                \
  LAW(half_turn, 2, P2(COS(SUB(x, PI_OVER(1))), COS(x)), ADD(t[0], t[1]), EQUAL)                                                   \
  LAW(whole_turn, 2, P2(SIN(ADD(x, PI_OVER(0.5))), SIN(x)), SUB(t[0], t[1]), EQUAL)                                                \
  LAW(three_phases, 3, P3(COS(x), COS(ADD(x, PI_OVER(1.5))), COS(SUB(x, PI_OVER(1.5)))), ADD(t[0], ADD(t[1], t[2])), EQUAL)        \
  LAW(sixths, 3, P3(COS(ADD(x, PI_OVER(3))), COS(SUB(x, PI_OVER(3))), COS(x)), SUB(ADD(t[0], t[1]), t[2]), EQUAL)                  \
  LAW(log_product, 3, P3(LOG(MUL(x, y)), LOG(x), LOG(y)), SUB(t[0], ADD(t[1], t[2])), EQUAL)                                       \
  LAW(log_quotient, 3, P3(LOG(DIV(x, y)), LOG(x), LOG(y)), SUB(t[0], SUB(t[1], t[2])), EQUAL)                                      \
  LAW(log_three, 4, P4(LOG(MUL(x, MUL(y, z))), LOG(x), LOG(y), LOG(z)), SUB(t[0], ADD(t[1], ADD(t[2], t[3]))), EQUAL)              \
  LAW(log_cube, 2, P2(LOG(MUL(x, SQ(x))), LOG(x)), SUB(t[0], MUL(K(3), t[1])), EQUAL)                                              \
  LAW(log_root, 2, P2(LOG(SQRT(x)), LOG(x)), SUB(ADD(t[0], t[0]), t[1]), EQUAL)                                                    \
  LAW(log_exp_product, 3, P3(LOG(MUL(EXPX, EXPY)), EXPX, EXPY), SUB(t[0], ADD(x, y)), EQUAL)                                       \
  LAW(log_exp_square, 2, P2(LOG(SQ(EXPX)), EXPX), SUB(t[0], ADD(x, x)), EQUAL)                                                     \
  LAW(log_mixed, 2, P2(LOG(MUL(y, EXPX)), LOG(y)), SUB(t[0], ADD(t[1], x)), EQUAL)                                                 \
  LAW(log_scaled, 2, P2(LOG(MUL(K(3), x)), LOG(x)), SUB(t[0], ADD(t[1], K(log(3)))), EQUAL)                                        \
  LAW(power_sum, 3, P3(F2(pow, x, ADD(y, z)), F2(pow, x, y), F2(pow, x, z)), SUB(t[0], MUL(t[1], t[2])), EQUAL)                    \
  LAW(power_product, 3, P3(F2(pow, MUL(x, y), z), F2(pow, x, z), F2(pow, y, z)), SUB(t[0], MUL(t[1], t[2])), EQUAL)                \
  LAW(cube_root, 2, P2(F2(pow, x, RATIO(1, 3)), LOG(x)), SUB(MUL(t[0], SQ(t[0])), x), EQUAL)                                       \
  LAW(root_cube, 2, P2(F1(rsqrt3, x), F1(rsqrt, x)), SUB(t[0], MUL(t[1], SQ(t[1]))), EQUAL)                                        \
  LAW(root_power, 2, P2(F1(rsqrt3, MUL(x, y)), F1(rsqrt3, x)),                                                                     \
      SUB(MUL(t[0], F1(rsqrt, MUL(x, y))), MUL(SQ(DIV(K(1), x)), SQ(DIV(K(1), y)))), EQUAL)                                        \
  LAW(tanh_sum, 3, P3(F1(tanh, ADD(x, y)), F1(tanh, x), F1(tanh, y)), SUB(MUL(t[0], ADD(K(1), MUL(t[1], t[2]))), ADD(t[1], t[2])), \
      EQUAL)                                                                                                                       \
  LAW(tanh_sigmoid, 3, P3(F1(tanh, x), F1(sigmoid, x), F1(sigmoid, ADD(x, x))),                                                    \
      ADD(MUL(K(0), t[1]), SUB(t[0], SUB(MUL(K(2), t[2]), K(1)))), EQUAL)                                                          \
  LAW(sigmoid_half, 2, P2(F1(sigmoid, x), F1(tanh, MUL(RATIO(1, 2), x))), SUB(t[0], MUL(K(0.5), ADD(K(1), t[1]))), EQUAL)          \
  LAW(softplus_log, 3, P3(F1(softplus, SUB(x, y)), LOG(ADD(EXPX, EXPY)), EXP(SUB(x, y))),                                          \
      ADD(MUL(K(0), t[2]), SUB(EXP(t[0]), ADD(K(1), DIV(EXPX, EXPY)))), EQUAL)                                                     \
  LAW(hyperbola, 2, P2(COSH(x), SINH(x)), SUB(SUB(SQ(t[0]), SQ(t[1])), K(1)), EQUAL)                                               \
  LAW(cosh_twice, 2, P2(COSH(ADD(x, x)), COSH(x)), SUB(t[0], SUB(MUL(K(2), SQ(t[1])), K(1))), EQUAL)                               \
  LAW(cosh_sum, 3, P3(COSH(ADD(x, y)), COSH(x), SINH(y)), SUB(t[0], ADD(MUL(t[1], COSH(y)), MUL(SINH(x), t[2]))), EQUAL)           \
  LAW(ray, 2, P2(F2(atan2, MUL(EXP(z), y), MUL(EXP(z), x)), F2(atan2, y, x)), SUB(t[0], t[1]), EQUAL)                              \
  LAW(ray_norm, 2, P2(F2(atan2, DIV(y, NORM), DIV(x, NORM)), F2(atan2, y, x)), SUB(t[0], t[1]), EQUAL)                             \
  LAW(angle_sine, 1, P1(F2(atan2, y, x)), SUB(SIN(t[0]), DIV(y, NORM)), EQUAL)                                                     \
  LAW(angle_cosine, 1, P1(F2(atan2, y, x)), SUB(MUL(NORM, COS(t[0])), x), EQUAL)                                                   \
  LAW(angle_turned, 1, P1(F2(atan2, y, x)), SUB(MUL(NORM, COS(ADD(t[0], z))), SUB(MUL(x, COS(z)), MUL(y, SIN(z)))), EQUAL)         \
  LAW(erf_odd, 2, P2(F1(erf, SUB(x, y)), F1(erf, SUB(y, x))), ADD(t[0], t[1]), EQUAL)                                              \
  LAW(not_exp_sum, 3, P3(EXP(ADD(x, y)), EXPX, EXPY), SUB(t[0], ADD(t[1], t[2])), DIFFERENT)                                       \
  LAW(not_sine_sum, 3, P3(SIN(ADD(x, y)), SIN(x), SIN(y)), SUB(t[0], ADD(t[1], t[2])), DIFFERENT)                                  \
  LAW(not_exp_half, 2, P2(EXP(MUL(RATIO(1, 2), x)), EXPX), SUB(SQ(t[0]), NEG(t[1])), DIFFERENT)                                    \
  LAW(not_log_minus, 2, P2(LOG(NEG(x)), LOG(x)), SUB(t[0], t[1]), UNDECIDED)                                                       \
  LAW(not_log_minus_double, 2, P2(LOG(NEG(SUB(x, y))), LOG(SUB(x, y))), SUB(t[0], t[1]), UNDECIDED)                                \
  LAW(not_log_square, 2, P2(LOG(SQ(x)), LOG(ABS(x))), SUB(t[0], t[1]), DIFFERENT)                                                  \
  LAW(not_ray, 2, P2(F2(atan2, MUL(z, y), MUL(z, x)), F2(atan2, y, x)), SUB(t[0], t[1]), DIFFERENT)                                \
  LAW(not_quarter, 2, P2(SIN(ADD(x, PI_OVER(2))), COS(x)), ADD(t[0], t[1]), DIFFERENT)                                             \
  LAW(not_phase, 2, P2(SIN(ADD(x, PI_OVER(3))), COS(x)), SUB(t[0], t[1]), DIFFERENT)

#define LAW(name, n, terms, sum, answer)                  \
  static Val name##_term(Build *b, const Val *v, int k) { \
    Val x = v[0], y = v[1], z = v[2];                     \
    (void)x, (void)y, (void)z, (void)k;                   \
    return terms;                                         \
  }                                                       \
  static Val name##_sum(Build *b, const Val *t) {         \
    Val x = t[4], y = t[5], z = t[6];                     \
    (void)x, (void)y, (void)z;                            \
    return sum;                                           \
  }
LAWS
#undef LAW
#define LAW(name, n, terms, sum, answer) {#name, n, name##_term, name##_sum, FIELD_##answer},
    static const Law laws[] = {LAWS};
enum { NLAWS = sizeof laws / sizeof *laws };

static Fn *begin(Build *b, Val *v, int n) {
  Fn *f = ir_fn_create("law", true);
  ir_build_init(b, f);
  b->fold = b->number = false;
  for (int k = 0; k < n; k++) v[k] = ir_input(b, NULL, IN_FIELD, 0, type_scalar(true));
  return f;
}

static Fn *end(Build *b, Fn *f, Val out) {
  ir_output(b, ir_spread(b, out), NULL);
  ir_build_finish(b);
  return f;
}

static Fn *law(Val (*side)(Build *, const Val *)) {
  Val v[8];
  Build b;
  Fn *f = begin(&b, v, 8);
  return end(&b, f, side(&b, v));
}

static Fn *zero(int n) {
  Val v[8];
  Build b;
  Fn *f = begin(&b, v, n);
  return end(&b, f, ir_const(&b, 0));
}

static Fn *law_in_order(const Law *law, const int *order) {
  Val v[3], t[7];
  Build b;
  Fn *f = begin(&b, v, 3);
  for (int k = 0; k < law->n; k++) t[order[k]] = law->term(&b, v, order[k]);
  memcpy(t + 4, v, sizeof v);
  return end(&b, f, law->combine(&b, t));
}

static void test_laws(void) {
  Fn *nothing = zero(3);
  for (int k = 0; k < NLAWS; k++) {
    int order[] = {0, 1, 2, 3};
    for (int code = 0; code < 256; code++) { /* all permutations of n terms */
      bool used[4] = {false}, ok = true;
      for (int i = 0, c = code; i < laws[k].n; i++, c /= 4) {
        order[i] = c % 4;
        ok = ok && order[i] < laws[k].n && !used[order[i]];
        used[order[i]] = true;
      }
      if (!ok || code >> 2 * laws[k].n) continue;
      FieldReport r;
      Fn *f = law_in_order(&laws[k], order);
      FieldAnswer got = ir_field_equal(f, nothing, 3, (uint64_t)code, &r);
      CU_ASSERT_EQUAL(got, laws[k].answer);
      if (got != laws[k].answer) printf("\n%s, order %d: %d: %s\n", laws[k].text, code, got, r.reason);
      if (got == FIELD_EQUAL) CU_ASSERT(r.bits >= FIELD_BITS && r.real_points > 0);
      if (got == FIELD_EQUAL && r.branched) printf("\n%s: %g, %g\n", laws[k].text, r.bits, r.sign_bits);
      ir_fn_destroy(f);
    }
  }
  ir_fn_destroy(nothing);
}

/* More arguments than relations are searched among: sums of two are found. which: exp, circle, log. */
static Fn *neighbours(int which, bool apart) {
  enum { N = 40 };
  uint32_t n = N;
  Build b0, *b = &b0;
  Fn *f = ir_fn_create("neighbours", true);
  ir_build_init(b, f);
  b->fold = b->number = false;
  Val x = ir_input(b, NULL, IN_FIELD, 0, type_real(true, 1, &n)), one = EXP(x), sum;
  Val u = ir_slice(b, x, 0, 0, N - 1, 1), v = ir_slice(b, x, 0, 1, N - 1, 1);
  Val p = ir_slice(b, one, 0, 0, N - 1, 1), q = ir_slice(b, one, 0, 1, N - 1, 1);
  if (which == 0) sum = apart ? MUL(p, q) : EXP(ADD(u, v));
  else if (which == 1) sum = apart ? SUB(MUL(SIN(u), COS(v)), MUL(COS(u), SIN(v))) : SIN(SUB(u, v));
  else sum = apart ? ADD(LOG(SQ(u)), LOG(SQ(v))) : LOG(MUL(SQ(u), SQ(v)));
  if (which && apart) sum = ADD(sum, SUB(p, EXP(u)));
  ir_output(b, ir_sum_all(b, sum), NULL);
  ir_build_finish(b);
  return f;
}

static void test_neighbours(void) {
  for (int which = 0; which < 3; which++)
    for (int order = 0; order < 2; order++) {
      FieldReport r;
      Fn *f = neighbours(which, order), *g = neighbours(which, !order), *h = neighbours((which + 1) % 3, true);
      FieldAnswer got = ir_field_equal(f, g, 3, 1, &r);
      CU_ASSERT_EQUAL(got, FIELD_EQUAL);
      CU_ASSERT(r.related && !r.branched && r.bits >= FIELD_BITS);
      if (got != FIELD_EQUAL) printf("\nneighbours %d: %s\n", which, r.reason);
      CU_ASSERT_EQUAL(ir_field_equal(f, h, 3, 1, &r), FIELD_DIFFERENT);
      ir_fn_destroy(f);
      ir_fn_destroy(g);
      ir_fn_destroy(h);
    }
}

/* ---- signs ---- */

typedef struct Signs {
  const char *text;
  Val (*left)(Build *b, const Val *v), (*right)(Build *b, const Val *v);
  FieldAnswer answer;
  bool branched;
} Signs;

static Val norm_of(Build *b, const Val *v, int n) {
  Val s = SQ(v[0]);
  for (int k = 1; k < n; k++) s = ADD(s, SQ(v[k]));
  return SQRT(s);
}

static Val relu_product(Build *b, const Val *v, int n, bool root) {
  Val p = K(1);
  for (int k = 0; k < n; k++) p = MUL(p, root ? ADD(v[k], SQRT(SQ(v[k]))) : F1(relu, v[k]));
  return p;
}

static Val relu_two(Build *b, const Val *v) { return relu_product(b, v, 2, false); }
static Val roots_two(Build *b, const Val *v) { return MUL(K(0.25), relu_product(b, v, 2, true)); }
static Val roots_eight(Build *b, const Val *v) { return relu_product(b, v, 8, true); }
static Val hidden(Build *b, const Val *v) { return MUL(SQRT(v[0]), SQRT(MUL(v[0], SQ(v[1])))); }
static Val plain(Build *b, const Val *v) { return MUL(v[0], v[1]); }
static Val plain_size(Build *b, const Val *v) { return MUL(v[0], ABS(v[1])); }
static Val nothing(Build *b, const Val *v) { return MUL(K(0), v[0]); }
static Val root_square(Build *b, const Val *v) { return SQRT(SQ(v[0])); }
static Val size(Build *b, const Val *v) { return ABS(v[0]); }
static Val itself(Build *b, const Val *v) { return (void)b, v[0]; }
static Val norms(Build *b, const Val *v) { return ADD(MUL(norm_of(b, v, 3), norm_of(b, v + 1, 3)), SQ(norm_of(b, v + 2, 3))); }
static Val norms_again(Build *b, const Val *v) {
  Val s = ADD(SQ(v[2]), ADD(SQ(v[3]), SQ(v[4])));
  return ADD(s, MUL(norm_of(b, v + 1, 3), norm_of(b, v, 3)));
}
static Val nested(Build *b, const Val *v) { return SQ(SQRT(ADD(v[0], norm_of(b, v + 1, 2)))); }
static Val nested_again(Build *b, const Val *v) { return ADD(norm_of(b, v + 1, 2), v[0]); }

static const Signs signs[] = {
  {"x + |x| times y + |y|", relu_two, roots_two, FIELD_EQUAL, false},
  {"eight relus by roots are not zero", roots_eight, nothing, FIELD_DIFFERENT, false},
  {"sqrt(x) sqrt(x y^2) is not x y", hidden, plain, FIELD_DIFFERENT, false},
  {"sqrt(x) sqrt(x y^2) is x |y|", hidden, plain_size, FIELD_EQUAL, false},
  {"sqrt(x^2) is |x|", root_square, size, FIELD_EQUAL, false},
  {"sqrt(x^2) is not x", root_square, itself, FIELD_DIFFERENT, false},
  {"three norms", norms, norms_again, FIELD_EQUAL, false},
  {"nested roots", nested, nested_again, FIELD_EQUAL, false},
};

static void test_signs(void) {
  for (size_t k = 0; k < sizeof signs / sizeof *signs; k++)
    for (uint64_t seed = 1; seed <= 40; seed++) {
      FieldReport r;
      Fn *f = law(signs[k].left), *g = law(signs[k].right);
      FieldAnswer got = ir_field_equal(f, g, 3, seed, &r);
      CU_ASSERT_EQUAL(got, signs[k].answer);
      if (got != signs[k].answer) printf("\n%s: %d: %s\n", signs[k].text, got, r.reason);
      if (got == FIELD_EQUAL) {
        CU_ASSERT_EQUAL(r.branched, signs[k].branched);
        if (r.branched) printf("\n%s: %g at %d\n", signs[k].text, r.sign_bits, r.points);
        CU_ASSERT(r.sign_bits >= FIELD_BITS || r.branched);
      }
      ir_fn_destroy(f);
      ir_fn_destroy(g);
    }
}

/* Forty independent signs: their patterns cannot all be met, and the report says so. */
static void test_many_signs(void) {
  enum { N = 40 };
  uint32_t n = N;
  Fn *f[2];
  FieldReport r;
  for (int w = 0; w < 2; w++) {
    Build b0, *b = &b0;
    f[w] = ir_fn_create("relus", true);
    ir_build_init(b, f[w]);
    b->fold = b->number = false;
    Val x = ir_input(b, "x", IN_FIELD, 0, type_real(true, 1, &n));
    Val y = w ? F1(relu, x) : MUL(K(0.5), ADD(x, ABS(x)));
    ir_output(b, ir_sum_all(b, y), NULL);
    ir_build_finish(b);
  }
  CU_ASSERT_EQUAL(ir_field_equal(f[0], f[1], 3, 1, &r), FIELD_EQUAL);
  CU_ASSERT(r.branched && r.sign_bits < 1 && r.bits >= FIELD_BITS && r.real_points >= 16);
  ir_fn_destroy(f[0]);
  ir_fn_destroy(f[1]);
}

/* ---- the bound ---- */

/* x -> x^2 + y, n times. */
static Fn *iterated(int n, bool swapped) {
  Val v[2];
  Build b0, *b = &b0;
  Fn *f = begin(b, v, 2);
  Val x = v[0];
  for (int k = 0; k < n; k++) x = swapped ? ADD(v[1], SQ(x)) : ADD(SQ(x), v[1]);
  return end(b, f, x);
}

static void test_bound(void) {
  for (int n = 1; n <= 80; n++) {
    Fn *f = iterated(n, false), *g = iterated(n, true);
    FieldReport r;
    CU_ASSERT_EQUAL(ir_field_degree(f, 1, (FieldDegree){2, 2, false}), exp2(n));
    FieldAnswer got = ir_field_equal(f, g, 3, 1, &r);
    CU_ASSERT_EQUAL(got, n < 60 ? FIELD_EQUAL : FIELD_UNDECIDED);
    CU_ASSERT(n >= 60 || (r.bits >= FIELD_BITS && r.bits <= r.points * (60.0 - n)));
    CU_ASSERT(n < 60 || strstr(r.reason, "degree"));
    ir_fn_destroy(f);
    ir_fn_destroy(g);
  }
}

static void test_degrees(void) {
  static const struct {
    Val (*make)(Build *, const Val *);
    double degree;
  } *c, cases[] = {{plain, 2}, {itself, 1}, {nested_again, 1}, {nothing, 1}};
  for (c = cases; c < cases + sizeof cases / sizeof *cases; c++) {
    Fn *f = law(c->make);
    CU_ASSERT_EQUAL(ir_field_degree(f, 1, (FieldDegree){2, 2, false}), c->degree);
    ir_fn_destroy(f);
  }
  Val v[2];
  Build b0, *b = &b0;
  Fn *f = begin(b, v, 2);
  f = end(b, f, ADD(DIV(v[0], v[1]), DIV(K(1), ADD(v[0], v[1])))); /* (x (x+y) + y)/(y (x+y)) */
  double d = ir_field_degree(f, 1, (FieldDegree){2, 2, false});
  CU_ASSERT(d >= 2 && d <= 3);
  ir_fn_destroy(f);
}

/* ---- real points ---- */

static Val cancels(Build *b, const Val *v) { /* (x + 2^40) - 2^40 */ return SUB(ADD(v[0], K(0x1p40)), K(0x1p40)); }
static Val unstable(Build *b, const Val *v) { return DIV(SUB(EXP(v[0]), EXP(NEG(v[0]))), v[0]); }
static Val stable(Build *b, const Val *v) { return DIV(SUB(F1(expm1, v[0]), F1(expm1, NEG(v[0]))), v[0]); }
static Val nearly(Build *b, const Val *v) { return MUL(v[0], ir_const_exact(b, 1 + 0x1p-30, (1 << 30) + 1, 1 << 30)); }
static Val far_away(Build *b, const Val *v) { return ADD(v[0], F1(relu, SUB(v[0], K(5)))); }
static Val tenth(Build *b, const Val *v) { return MUL(v[0], ir_const_exact(b, 0.1, 0, 0)); }
static Val exact_tenth(Build *b, const Val *v) { return MUL(v[0], RATIO(1, 10)); }

static void test_real(void) {
  static const struct {
    Val (*left)(Build *, const Val *), (*right)(Build *, const Val *);
    FieldAnswer answer;
  } cases[] = {{cancels, itself, FIELD_EQUAL},      {unstable, stable, FIELD_EQUAL},       {nearly, itself, FIELD_DIFFERENT},
               {far_away, itself, FIELD_DIFFERENT}, {tenth, exact_tenth, FIELD_UNDECIDED}, {cancels, nearly, FIELD_UNDECIDED}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    FieldReport r;
    Fn *f = law(cases[k].left), *g = law(cases[k].right);
    FieldAnswer got = ir_field_equal(f, g, 3, 5, &r);
    CU_ASSERT_EQUAL(got, cases[k].answer);
    if (got != cases[k].answer) printf("\nreal %d: %d: %s\n", (int)k, got, r.reason);
    if (got == FIELD_UNDECIDED) CU_ASSERT(r.real_points >= 900 && r.agreement < 1e-13);
    if (got == FIELD_DIFFERENT) {
      Tensor in[8], out[1];
      char err[80];
      ir_field_point(f, r.point, in);
      CU_ASSERT_FATAL(ir_eval(f, FIELD_LANES, in, out, NULL, err, sizeof err));
      CU_ASSERT_EQUAL(out[0].v[r.sample], r.left);
      ir_tensors_free(in, 8);
      ir_tensors_free(out, 1);
    }
    ir_fn_destroy(f);
    ir_fn_destroy(g);
  }
}

/* ---- separability ---- */

typedef Val Energy(Build *b, Val q, Val p);
static Val kinetic(Build *b, Val p) { return MUL(K(0.5), SQ(p)); }
static Val h_square(Build *b, Val q, Val p) { return SUB(SQ(ADD(q, p)), MUL(K(2), MUL(q, p))); }
static Val h_log(Build *b, Val q, Val p) { return ADD(LOG(MUL(EXP(q), EXP(p))), kinetic(b, p)); }
static Val h_circle(Build *b, Val q, Val p) { return ADD(ADD(SQ(SIN(p)), SQ(COS(p))), ADD(SIN(q), kinetic(b, p))); }
static Val h_addition(Build *b, Val q, Val p) { /* sin q sin p = (cos(q-p) - cos(q+p))/2 */
  Val w = SUB(MUL(K(2), MUL(SIN(q), SIN(p))), SUB(COS(SUB(q, p)), COS(ADD(q, p))));
  return ADD(w, ADD(kinetic(b, p), COS(q)));
}
static Val h_exp(Build *b, Val q, Val p) { return ADD(LOG(EXP(ADD(q, p))), DIV(EXP(ADD(q, p)), EXP(p))); }
static Val h_product(Build *b, Val q, Val p) { return LOG(MUL(ADD(K(1), SQ(q)), ADD(K(1), SQ(p)))); }
static Val h_coupled(Build *b, Val q, Val p) { return ADD(kinetic(b, p), MUL(RATIO(1, 1000000000), MUL(q, p))); }
static Val h_cubic(Build *b, Val q, Val p) { return SUB(MUL(SQ(ADD(q, p)), ADD(q, p)), MUL(K(3), MUL(q, MUL(p, q)))); }
static Val h_tanh(Build *b, Val q, Val p) { return SUB(F1(tanh, ADD(q, p)), ADD(F1(tanh, q), F1(tanh, p))); }
static Val h_root(Build *b, Val q, Val p) { return SQRT(ADD(K(1), ADD(SQ(p), SQ(q)))); }

static Fn *rates(Energy *h) {
  Build b;
  Fn *f = ir_fn_create("rates", true);
  ir_build_init(&b, f);
  b.fold = b.number = false;
  Val q = ir_id(&b, ir_input(&b, "q", IN_FIELD, 0, type_scalar(true))),
      p = ir_id(&b, ir_input(&b, "p", IN_FIELD, 1, type_scalar(true)));
  ir_input(&b, "t", IN_FIELD, 2, type_scalar(true));
  Val e = h(&b, q, p);
  ir_output(&b, ir_grad(&b, e, p), NULL);
  ir_output(&b, ir_neg(&b, ir_grad(&b, e, q)), NULL);
  ir_build_finish(&b);
  return f;
}

static void test_separable(void) {
  static const struct {
    const char *text;
    Energy *h;
    bool separable;
  } cases[] = {
    {"(q+p)^2 - 2qp", h_square, true},      {"log(exp q exp p)", h_log, true},     {"sin^2 p + cos^2 p + V", h_circle, true},
    {"addition theorem", h_addition, true}, {"exp(q+p)/exp p", h_exp, true},       {"log((1+q^2)(1+p^2))", h_product, true},
    {"1e-9 q p", h_coupled, false},         {"(q+p)^3 - 3 q^2 p", h_cubic, false}, {"tanh(q+p)", h_tanh, false},
    {"sqrt(1+p^2+q^2)", h_root, false}};
  Diag *diag = diag_create(NULL);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    Fn *f = rates(cases[k].h);
    bool got = pass_separable(NULL, f, diag);
    CU_ASSERT_EQUAL(got, cases[k].separable);
    if (got != cases[k].separable) printf("\n%s\n", cases[k].text);
    ir_fn_destroy(f);
  }
  diag_destroy(diag);
}

const Suite suite = {"unknown functions", (CU_TestInfo[]){{"laws, in every order", test_laws},
                                                          {"more arguments than atoms", test_neighbours},
                                                          {"signs", test_signs},
                                                          {"more signs than patterns", test_many_signs},
                                                          {"the bound", test_bound},
                                                          {"degrees", test_degrees},
                                                          {"real points", test_real},
                                                          {"separability", test_separable},
                                                          CU_TEST_INFO_NULL}};
