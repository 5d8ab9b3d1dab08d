/* Series of solutions: coefficients are exactly those that derivatives along the flow give, and what has none is refused. */
#include "tests/common/cunit_main.h"
#include "tests/common/random_fn.h"

#include "passes/derive/derive_priv.h"
#include "passes/jets/jets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ORDER = 4 };

/* ---- rates ----------------------------------------------------------------------------------------------------------------- */

/* s(x) x + t, s being the first value of f, the field `state` of f taken for x, a vector; all else is the same at all times. */
static Fn *rates_of(const Fn *f, uint32_t state) {
  Build b;
  ir_build_init(&b, ir_fn_create("rates", f->f64));
  Val *arg = base_zeroed(f->in.n, sizeof *arg), *out = base_zeroed(f->out.n, sizeof *out);
  const Type own = f->in.at[state].type, flat = type_real(true, 1, (uint32_t[]){(uint32_t)type_count(own)});
  Val x = ir_input(&b, "x", IN_STATE, 0, flat), t = ir_input(&b, "t", IN_SCALAR, 0, type_scalar(true));
  for (uint32_t k = 0; k < f->in.n; k++)
    arg[k] = k == state ? ir_reshape(&b, x, own.rank, own.dim) : ir_input(&b, "inv", IN_OTHER, k, f->in.at[k].type);
  ir_inline(&b, f, arg, out);
  Val push = ir_mul(&b, ir_expand_to(&b, ir_spread(&b, out[0]), flat), x);
  ir_output(&b, ir_add(&b, push, ir_expand_to(&b, t, flat)), NULL);
  ir_build_finish(&b);
  base_free(arg), base_free(out);
  return b.f;
}

/* The derivative of e along the flow. */
static Val along(Build *b, Val e, Val x, Val t, Val rate) {
  Region r;
  Val out, one = ir_const(b, 1);
  region_init(&r, b->f, b, NULL);
  CU_ASSERT_FATAL(jvp_sweep(&r, (Val[]){x, t}, (Val[]){rate, ir_spread(b, one)}, 2, &e, 1, &out));
  region_finish(&r);
  return pass_value_or_zero(b, out, ir_type(b->f, e));
}

/* The coefficients by nested forward mode: x^(k) h^k/k!. */
static Fn *nested(const Fn *rates) {
  Build b;
  ir_build_init(&b, ir_fn_create("nested", rates->f64));
  Val *arg = base_zeroed(rates->in.n, sizeof *arg), rate, row[ORDER], by;
  for (uint32_t k = 0; k < rates->in.n; k++) {
    const Type t = k == 1 ? type_real(true, 1, (uint32_t[]){2}) : rates->in.at[k].type;
    arg[k] = ir_input(&b, "in", rates->in.at[k].kind, k, t);
  }
  Val h = by = ir_index(&b, arg[1], 0, 1);
  arg[1] = ir_index(&b, arg[1], 0, 0);
  ir_inline(&b, rates, arg, &rate);
  Val e = rate;
  for (int k = 0; k < ORDER; k++) {
    row[k] = ir_mul(&b, e, ir_expand_to(&b, by, ir_type(b.f, e)));
    if (k == ORDER - 1) break;
    e = along(&b, e, arg[0], arg[1], rate);
    by = ir_div(&b, ir_mul(&b, by, h), ir_const(&b, k + 2));
  }
  ir_output(&b, ir_stack(&b, row, ORDER), NULL);
  ir_build_finish(&b);
  base_free(arg);
  return b.f;
}

enum { B = 5 };

/* The largest difference of two functions at random real points, relative to the larger value; of which `seen` are finite. */
static double distance(const Fn *f, const Fn *g, uint64_t seed, int *seen) {
  Tensor *in = base_zeroed(f->in.n, sizeof *in), x, y;
  char err[128];
  double most = 0;
  random_inputs(f, B, seed, in);
  CU_ASSERT_FATAL(ir_eval(f, B, in, &x, &(EvalEnv){0}, err, sizeof err) && ir_eval(g, B, in, &y, &(EvalEnv){0}, err, sizeof err));
  for (int64_t e = 0; e < type_count(x.type) * B; e++) {
    if (!isfinite(x.v[e]) || !isfinite(y.v[e])) continue;
    most = fmax(most, fabs(x.v[e] - y.v[e]) / fmax(1, fabs(y.v[e])));
    (*seen)++;
  }
  ir_tensors_free(&x, 1), ir_tensors_free(&y, 1), ir_tensors_free(in, f->in.n);
  base_free(in);
  return most;
}

/* What the field cannot tell (powers are not known by their logarithms there) the numbers must. There is a series, unless the rates may
 * bend. */
static FieldAnswer compared(const Fn *rates, uint64_t seed, bool bends) {
  FieldReport report = {0};
  Diag *diag = diag_create(NULL);
  Fn *series = jets_series(rates, 1, ORDER, NULL, diag);
  if (!series) {
    diag_destroy(diag);
    return bends ? FIELD_UNDECIDED : FIELD_DIFFERENT;
  }
  Fn *want = nested(rates);
  FieldAnswer answer = ir_field_equal(series, want, 2, seed, &report);
  if (answer != FIELD_EQUAL) {
    int seen = 0;
    double far = distance(series, want, seed, &seen);
    CU_ASSERT(far < 1e-9);
    if (report.differs && seen < 10) answer = FIELD_DIFFERENT;
  }
  ir_fn_destroy(series);
  ir_fn_destroy(want);
  diag_destroy(diag);
  return answer;
}

static void test_random(void) {
  int decided = 0;
  for (uint64_t seed = 0; seed < 60; seed++) {
    const RandomSpec spec = {
      .seed = seed, .size = 6 + (int)(seed % 12), .f64 = true, .smooth = true, .scans = seed & 1, .fold = true};
    Fn *f = random_fn(&spec);
    for (uint32_t k = 0; k < f->in.n; k++) {
      if (!f->in.at[k].type.lane || f->in.at[k].type.dt != DT_REAL) continue;
      Fn *rates = rates_of(f, k), *simple = pass_simplify(NULL, rates);
      FieldAnswer answer = compared(simple, seed, true);
      if (answer == FIELD_DIFFERENT) printf("\nseed %llu, field %u\n", (unsigned long long)seed, k);
      CU_ASSERT(answer != FIELD_DIFFERENT);
      decided += answer == FIELD_EQUAL;
      ir_fn_destroy(rates);
      ir_fn_destroy(simple);
      break;
    }
    ir_fn_destroy(f);
  }
  CU_ASSERT(decided >= 50);
}

/* ---- each operator ------------------------------------------------------------------------------------------------------------ */

/* x' = op(z, w) with z, w smooth functions of x that lie inside of domains. */
static Fn *rates_by(Op op) {
  Build b;
  const Type v = type_real(true, 1, (uint32_t[]){2});
  ir_build_init(&b, ir_fn_create("rates", true));
  Val x = ir_input(&b, "x", IN_STATE, 0, v), t = ir_input(&b, "t", IN_SCALAR, 0, type_scalar(true));
  Val z = ir_add(&b, ir_mul(&b, x, ir_flip(&b, x, 0)), ir_expand_to(&b, t, v)), w = ir_add(&b, x, ir_const(&b, 2));
  if (op == OP_pow || op == OP_powlog || op == OP_powlog2) z = ir_exp(&b, z);
  ir_output(&b, ir_emit(&b, op, (Val[]){z, w}, (uint32_t)ir_op[op].arity, NULL, 0, NULL), NULL);
  ir_build_finish(&b);
  return b.f;
}

static void test_rows(void) {
  for (int op = OP_none + 1; op < OP_count; op++) {
    if (ir_op[op].cls > OPC_EW2) continue;
    Fn *rates = rates_by((Op)op);
    Diag *diag = diag_create(NULL);
    bool kinks;
    Fn *series = jets_series(rates, 1, ORDER, &kinks, diag);
    const bool bends = op == OP_abs || op == OP_sign || op == OP_relu || op == OP_floor || op == OP_ceil || op == OP_round ||
                       op == OP_mod || op == OP_min || op == OP_max;
    const bool powers = op == OP_pow || op == OP_powlog || op == OP_powlog2;
    CU_ASSERT(series && kinks == bends);
    if (!series || kinks != bends) printf("\n%s", ir_op[op].name);
    ir_fn_destroy(series);
    diag_destroy(diag);
    if (!bends && op != OP_stop && op != OP_fixed) {
      FieldAnswer answer = compared(rates, (uint64_t)op, false);
      if (answer != FIELD_EQUAL && !powers) printf("\n%s: %d", ir_op[op].name, answer);
      CU_ASSERT(answer == FIELD_EQUAL || (powers && answer != FIELD_DIFFERENT));
    }
    ir_fn_destroy(rates);
  }
}

/* ---- linear algebra ------------------------------------------------------------------------------------------------------------ */

/* Of matrices of n rows that move: A = x x^T + (2 + t) D, D diagonal with different elements; x' = what the operator gives. */
static Fn *rates_of_matrix(Op op, int variant, uint32_t n) {
  Build b;
  const Type v = type_real(true, 1, (uint32_t[]){n});
  ir_build_init(&b, ir_fn_create("rates", true));
  Val x = ir_input(&b, "x", IN_STATE, 0, v), t = ir_input(&b, "t", IN_SCALAR, 0, type_scalar(true)), out;
  Val d = ir_diag(&b, ir_add(&b, ir_iota(&b, n), ir_const(&b, 1)));
  Val a = ir_add(&b, ir_mul(&b, ir_expand(&b, x, 0, n), ir_expand(&b, x, 1, n)), ir_mul(&b, ir_add(&b, t, ir_const(&b, 2)), d));
  if (op != OP_cholesky && op != OP_eigh) a = ir_add(&b, a, ir_tri(&b, ir_expand(&b, x, 0, n), true, 1));
  switch (op) {
  case OP_solve: out = ir_solve(&b, a, variant & 2 ? a : x, variant & 1); break;
  case OP_trisolve: out = ir_trisolve(&b, a, x, variant & 1, variant & 2); break;
  case OP_det: out = ir_mul(&b, ir_det(&b, ir_lu(&b, a)), x); break;
  case OP_logdet: out = ir_mul(&b, ir_logdet(&b, ir_lu(&b, a)), x); break;
  case OP_cholesky: out = ir_matmul(&b, ir_cholesky(&b, a), x); break;
  default: out = ir_mul(&b, ir_eigvals(&b, ir_eigh(&b, a)), ir_matmul(&b, ir_eigvecs(&b, ir_eigh(&b, a)), x));
  }
  if (op == OP_solve && variant & 2) out = ir_matmul(&b, ir_add(&b, out, a), x);
  ir_output(&b, out, NULL);
  ir_build_finish(&b);
  return b.f;
}

static void test_matrices(void) {
  static const struct {
    Op op;
    int variants;
    bool exact;
  } list[] = {{OP_solve, 3, true},   {OP_trisolve, 4, true},  {OP_det, 1, true},
              {OP_logdet, 1, false}, {OP_cholesky, 1, false}, {OP_eigh, 1, false}};
  for (uint32_t k = 0; k < sizeof list / sizeof *list; k++)
    for (int variant = 0; variant < list[k].variants; variant++)
      for (uint32_t n = 2; n < 5; n += 2) {
        Fn *rates = rates_of_matrix(list[k].op, variant, n);
        const FieldAnswer answer = compared(rates, 3, false);
        const bool good = list[k].exact ? answer == FIELD_EQUAL : answer != FIELD_DIFFERENT;
        if (!good) printf("\n%s %d %u: %d", ir_op[list[k].op].name, variant, n, answer);
        CU_ASSERT(good);
        ir_fn_destroy(rates);
      }
}

/* x_i' = sum over j of (x_j - x_i)/(1 + (x_j - x_i)^2), a loop in a loop, which adds up, or stacks what is added then; and of x_j too what
 * it has from i. */
static Fn *rates_of_pairs(uint32_t n, bool adds) {
  const Type one = type_scalar(true), v = type_real(true, 1, &n);
  Build b, outer, inner;
  ir_build_init(&b, ir_fn_create("rates", true));
  Val x = ir_input(&b, "x", IN_STATE, 0, v), t = ir_input(&b, "t", IN_SCALAR, 0, one);
  ir_build_init(&outer, ir_sub_create(b.f, "i"));
  Val xi = ir_input(&outer, "x", IN_OTHER, 0, one), all = ir_input(&outer, "all", IN_OTHER, 0, v);
  ir_build_init(&inner, ir_sub_create(outer.f, "j"));
  Val y = ir_input(&inner, "y", IN_OTHER, 0, one), z = ir_input(&inner, "x", IN_OTHER, 0, one), d = ir_sub(&inner, y, z);
  d = ir_div(&inner, d, ir_add(&inner, ir_mul(&inner, d, d), ir_const(&inner, 1)));
  ir_output(&inner, d, NULL);
  if (adds) ir_output(&inner, d, NULL);
  ir_build_finish(&inner);
  Val loop = ir_scan(&outer, (Val[]){all, xi}, 2, n, 0, 1, 1, adds, false, 0, inner.f), row = ir_proj(&outer, loop, 0);
  ir_output(&outer, adds ? ir_proj(&outer, loop, 1) : ir_sum(&outer, row, 0), NULL);
  if (adds) ir_output(&outer, row, NULL);
  ir_build_finish(&outer);
  loop = ir_scan(&b, (Val[]){x, x}, 2, n, 0, 1, 1, adds, false, 0, outer.f);
  Val rate = ir_proj(&b, loop, 0);
  if (adds) rate = ir_sub(&b, rate, ir_mul(&b, ir_proj(&b, loop, 1), ir_expand_to(&b, t, v)));
  ir_output(&b, rate, NULL);
  ir_build_finish(&b);
  return b.f;
}

static void test_pairs(void) {
  for (int adds = 0; adds < 2; adds++) {
    Fn *rates = rates_of_pairs(5, adds);
    CU_ASSERT_EQUAL(compared(rates, 11, false), FIELD_EQUAL);
    ir_fn_destroy(rates);
  }
}

/* x' = (x.x) x + A(x)^-1 x, whose sums are longer than what is written out. */
static void test_long(void) {
  enum { N = 18 };
  Build b;
  const Type v = type_real(true, 1, (uint32_t[]){N});
  for (int solve = 0; solve < 2; solve++) {
    ir_build_init(&b, ir_fn_create("rates", true));
    Val x = ir_input(&b, "x", IN_STATE, 0, v);
    ir_input(&b, "t", IN_SCALAR, 0, type_scalar(true));
    Val out = ir_mul(&b, ir_expand_to(&b, ir_matmul(&b, x, x), v), x);
    if (solve) {
      Val a = ir_add(&b, ir_mul(&b, ir_expand(&b, x, 0, N), ir_expand(&b, x, 1, N)), ir_spread(&b, ir_eye(&b, N)));
      out = ir_solve(&b, a, x, false);
    }
    ir_output(&b, out, NULL);
    ir_build_finish(&b);
    const FieldAnswer answer = compared(b.f, 7, false); /* of systems the field cannot tell, the numbers do */
    CU_ASSERT(answer == FIELD_EQUAL || (solve && answer != FIELD_DIFFERENT));
    ir_fn_destroy(b.f);
  }
}

/* ---- backwards ------------------------------------------------------------------------------------------------------------------- */

/* Cotangents of x and of all that is the same at all times, from that of e; those of x first. */
static void swept(Build *b, const Fn *rates, const Val *arg, Val e, Val cot, Val *out) {
  Region r;
  Seed seed = {.v = e};
  Val *vars = base_zeroed(rates->in.n, sizeof *vars);
  Cot *c = base_zeroed(rates->in.n, sizeof *c);
  uint32_t n = 0;
  for (uint32_t k = 0; k < rates->in.n; k++)
    if (k != 1) vars[n++] = arg[k];
  seed.cot.part[EACH] = cot;
  region_init(&r, b->f, b, NULL);
  CU_ASSERT_FATAL(vjp_sweep(&r, VJP_SAMPLE, NULL, &seed, 1, vars, n, c));
  region_finish(&r);
  for (uint32_t k = 0; k < n; k++) out[k] = pass_value_or_zero(b, c[k].part[EACH], pass_type_with(ir_type(b->f, vars[k]), true));
  base_free(vars), base_free(c);
}

/* (x, t, cotangent of the rate, inv...) -> the rate, cotangents. */
static Fn *with_cotangents(const Fn *rates) {
  Build b;
  ir_build_init(&b, ir_fn_create("rates", rates->f64));
  Val *arg = base_zeroed(rates->in.n, sizeof *arg), *out = base_zeroed(rates->in.n, sizeof *out), rate, cot = VAL_NONE;
  for (uint32_t k = 0; k < rates->in.n; k++) {
    arg[k] = ir_input(&b, "in", rates->in.at[k].kind, k, rates->in.at[k].type);
    if (k == 1) cot = ir_input(&b, "cotangent", IN_OTHER, 0, rates->in.at[0].type);
  }
  ir_inline(&b, rates, arg, &rate);
  swept(&b, rates, arg, rate, cot, out);
  ir_output(&b, rate, NULL);
  for (uint32_t k = 0; k + 1 < rates->in.n; k++) ir_output(&b, out[k], NULL);
  ir_build_finish(&b);
  base_free(arg), base_free(out);
  return b.f;
}

/* (x, [t, h], terms, inv...) -> cotangents of x, inv... from those of x and of the coefficients that nested forward mode gives. */
static Fn *nested_backwards(const Fn *rates) {
  Fn *rows = nested(rates);
  Build b;
  ir_build_init(&b, ir_fn_create("backwards", rates->f64));
  Val *arg = base_zeroed(rates->in.n, sizeof *arg), *out = base_zeroed(rates->in.n, sizeof *out), row, term = VAL_NONE;
  const Type x = rates->in.at[0].type;
  for (uint32_t k = 0; k < rates->in.n; k++) {
    arg[k] = ir_input(&b, "in", rows->in.at[k].kind, k, rows->in.at[k].type);
    if (k == 1) term = ir_input(&b, "terms", IN_OTHER, 0, type_real(true, 2, (uint32_t[]){ORDER + 1, x.dim[0]}));
  }
  ir_inline(&b, rows, arg, &row);
  swept(&b, rates, arg, row, ir_slice(&b, term, 0, 1, ORDER, 1), out);
  for (uint32_t k = 0; k + 1 < rates->in.n; k++) ir_output(&b, k ? out[k] : ir_add(&b, out[0], ir_index(&b, term, 0, 0)), NULL);
  ir_build_finish(&b);
  base_free(arg), base_free(out);
  ir_fn_destroy(rows);
  return b.f;
}

static FieldAnswer compared_backwards(const Fn *rates, uint64_t seed) {
  FieldReport report = {0};
  Diag *diag = diag_create(NULL);
  Fn *swept_rates = with_cotangents(rates), *simple = pass_simplify(NULL, swept_rates);
  Fn *step = jets_adjoint(simple, 1, ORDER, diag);
  FieldAnswer answer = FIELD_UNDECIDED;
  if (step) {
    Fn *want = nested_backwards(rates);
    answer = ir_field_equal(step, want, 2, seed, &report);
    ir_fn_destroy(want);
  } else diag_render(diag, stdout, false);
  ir_fn_destroy(swept_rates), ir_fn_destroy(simple), ir_fn_destroy(step);
  diag_destroy(diag);
  return answer;
}

static void test_backwards(void) {
  int decided = 0;
  for (uint64_t seed = 0; seed < 40; seed++) {
    const RandomSpec spec = {.seed = seed, .size = 6 + (int)(seed % 8), .f64 = true, .smooth = true, .fold = true};
    Fn *f = random_fn(&spec);
    for (uint32_t k = 0; k < f->in.n; k++) {
      if (!f->in.at[k].type.lane || f->in.at[k].type.dt != DT_REAL) continue;
      Fn *rates = rates_of(f, k), *simple = pass_simplify(NULL, rates);
      FieldAnswer answer = compared_backwards(simple, seed);
      if (answer == FIELD_DIFFERENT) printf("\nseed %llu, field %u\n", (unsigned long long)seed, k);
      CU_ASSERT(answer != FIELD_DIFFERENT);
      decided += answer == FIELD_EQUAL;
      ir_fn_destroy(rates), ir_fn_destroy(simple);
      break;
    }
    ir_fn_destroy(f);
  }
  CU_ASSERT(decided >= 25);
  Fn *pairs = rates_of_pairs(4, false), *solved = rates_of_matrix(OP_solve, 0, 2);
  CU_ASSERT_EQUAL(compared_backwards(pairs, 5), FIELD_EQUAL);
  CU_ASSERT_EQUAL(compared_backwards(solved, 5), FIELD_EQUAL);
  ir_fn_destroy(pairs), ir_fn_destroy(solved);
}

const Suite suite = {"jets", (CU_TestInfo[]){{"every row", test_rows},
                                             {"random functions", test_random},
                                             {"linear algebra", test_matrices},
                                             {"pairs", test_pairs},
                                             {"long sums", test_long},
                                             {"backwards", test_backwards},
                                             CU_TEST_INFO_NULL}};
