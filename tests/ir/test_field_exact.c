/* Exact constants: roots of unity as the cosines and sines of fractions of pi, and functions of FN_EXACT. */
#include "ir/field/field_priv.h"
#include "tests/common/cunit_main.h"

static const int orders[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 25, 27, 32, 48, 77, 128, 130, 256};

static bool turn(const FieldEnv *e, int64_t num, int64_t den, FieldElem *c, FieldElem *s) {
  return field_turn(e, field_pi(e, num, den), c, s);
}

/* Every N-th part of a turn is a point of the circle; N of them make a turn; they add up to 0; k times one is the k-th. */
static void test_turns(void) {
  FieldEnv e;
  field_env_init(&e, 7);
  e.exact = true;
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    int n = orders[i];
    FieldElem c, s, c1 = FIELD_ONE, s1 = FIELD_ZERO, ck = FIELD_ONE, sk = FIELD_ZERO, sum = FIELD_ZERO;
    if (n > 1) CU_ASSERT_FATAL(turn(&e, 2, n, &c1, &s1));
    CU_ASSERT(field_eq(field_add(field_mul(c1, c1), field_mul(s1, s1)), FIELD_ONE));
    for (int k = 0; k < n; k++) {
      if (k) CU_ASSERT_FATAL(turn(&e, 2 * k, n, &c, &s));
      if (k) CU_ASSERT(field_eq(c, ck) && field_eq(s, sk));
      if (k && n > 1) CU_ASSERT(!field_eq(ck, FIELD_ONE));
      sum = field_add(sum, ck);
      FieldElem next = field_sub(field_mul(ck, c1), field_mul(sk, s1));
      sk = field_add(field_mul(ck, s1), field_mul(sk, c1));
      ck = next;
    }
    CU_ASSERT(field_eq(ck, FIELD_ONE) && field_is_zero(sk));
    CU_ASSERT(n == 1 || field_is_zero(sum));
  }
  field_env_finish(&e);
}

/* The angles that roots are known of have the right ones; negative ones mirror them. */
static void test_known(void) {
  FieldEnv e;
  FieldElem c, s, root;
  field_env_init(&e, 9);
  e.exact = true;
  CU_ASSERT(turn(&e, 1, 2, &c, &s) && field_is_zero(c) && field_eq(s, FIELD_ONE));
  CU_ASSERT(turn(&e, 1, 1, &c, &s) && field_eq(c, field_int(-1)) && field_is_zero(s));
  CU_ASSERT(turn(&e, 1, 3, &c, &s) && field_eq(c, field_ratio(1, 2)));
  CU_ASSERT(field_sqrt(field_int(3), &root) && field_eq(field_add(s, s), root));
  CU_ASSERT(turn(&e, 1, 4, &c, &s) && field_eq(c, s));
  CU_ASSERT(field_sqrt(field_ratio(1, 2), &root) && field_eq(c, root));
  CU_ASSERT(turn(&e, -1, 6, &c, &s) && field_eq(s, field_ratio(-1, 2)));
  CU_ASSERT(turn(&e, 1001, 3, &c, &s) && field_eq(c, field_ratio(1, 2))); /* 1001/3 = 333 + 2/3 turns of pi */
  CU_ASSERT_FALSE(turn(&e, 2, 17, &c, &s));
  CU_ASSERT_FALSE(turn(&e, 1, 1024, &c, &s));
  int found = 0;
  uint64_t state = 3;
  for (int k = 0; k < 10000; k++) found += field_turn(&e, field_random(&state), &c, &s);
  CU_ASSERT_EQUAL(found, 0);
  field_env_finish(&e);
}

/* f(x) = op(constant)*x by two ways of writing the constant. */
static FieldAnswer compare(uint8_t kind, bool true_pair) {
  Fn *f[2];
  FieldReport r;
  for (int w = 0; w < 2; w++) {
    Build b;
    f[w] = ir_fn_create("f", kind);
    ir_build_init(&b, f[w]);
    Val x = ir_input(&b, "x", IN_OTHER, 0, type_scalar(false)), c = ir_const_exact(&b, 0.3, 3, 10), v;
    Val cosine = ir_cos(&b, c), sine = ir_sin(&b, c);
    if (w == 0) v = ir_add(&b, ir_mul(&b, cosine, cosine), ir_mul(&b, sine, sine));
    else v = true_pair ? ir_const(&b, 1) : ir_const_exact(&b, 1 + 0x1p-30, (1 << 30) + 1, 1 << 30);
    ir_output(&b, ir_mul(&b, v, x), NULL);
    ir_build_finish(&b);
  }
  FieldAnswer a = ir_field_equal(f[0], f[1], 3, 5, &r);
  ir_fn_destroy(f[0]);
  ir_fn_destroy(f[1]);
  return a;
}

static void test_functions(void) {
  CU_ASSERT_EQUAL(compare(FN_EXACT, true), FIELD_EQUAL);
  CU_ASSERT_EQUAL(compare(FN_EXACT, false), FIELD_DIFFERENT);
}

/* What rounds is not folded, what does not is; sub-functions and copies are of the same kind. */
static void test_folding(void) {
  Build b;
  Fn *f = ir_fn_create("f", FN_EXACT);
  ir_build_init(&b, f);
  double v;
  CU_ASSERT(ir_is_const(f, ir_div(&b, ir_const(&b, 1), ir_const(&b, 3)), NULL));
  CU_ASSERT(ir_is_const(f, ir_sqrt(&b, ir_const(&b, 9)), &v) && v == 3);
  CU_ASSERT_FALSE(ir_is_const(f, ir_sqrt(&b, ir_const(&b, 2)), NULL));
  CU_ASSERT_FALSE(ir_is_const(f, ir_mul(&b, ir_const(&b, FIELD_PI), ir_const(&b, 3)), NULL));
  CU_ASSERT_EQUAL(ir_sub_create(f, "g")->f64, FN_EXACT);
  Fn *copy = ir_copy_fn(NULL, f);
  CU_ASSERT_EQUAL(copy->f64, FN_EXACT);
  ir_fn_destroy(copy);
  ir_build_finish(&b);
  ir_fn_destroy(f);
}

const Suite suite = {"field_exact", (CU_TestInfo[]){{"turns", test_turns},
                                                    {"known angles", test_known},
                                                    {"functions", test_functions},
                                                    {"folding", test_folding},
                                                    CU_TEST_INFO_NULL}};
