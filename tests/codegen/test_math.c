/* Elementwise ops of the code generator against libm: the bounds that codegen/math/math.c states, special
 * values, and the table's own values for the simple rows; for each instruction set that this machine has.
 * jit_compile refuses code that calls a library. */
#include "codegen/math/math.h"
#include "tests/common/cunit_main.h"
#include "tests/common/jit.h"

#include <math.h>

enum { BLOCK = 4096, MAX_TARGETS = 5 };

/* ---- reference values ------------------------------------------------------------------------------ */

#define EW1(name, cycles, traits, value, d0)     \
  static double row_##name(double a, double b) { \
    (void)a, (void)b;                            \
    return value;                                \
  }
#define EW2(name, cycles, traits, value, d0, d1) \
  static double row_##name(double a, double b) { return value; }
#define CMP(name, value) \
  static double row_##name(double a, double b) { return value; }
#define LOG(name, arity, value)                  \
  static double row_##name(double a, double b) { \
    (void)b;                                     \
    return value;                                \
  }
#include "ir/ops.def"

typedef long double Wide;
static Wide sigmoid_wide(Wide x) { return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x)); }
static Wide softplus_wide(Wide x) { return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x)); }
static Wide rsqrt_wide(Wide x) { return 1 / sqrtl(x); }
static double rsqrt_(double x) { return (double)rsqrt_wide(x); }
static Wide rsqrt3_wide(Wide x) { return 1 / sqrtl(x) / fabsl(x); }
static double rsqrt3_(double x) { return (double)rsqrt3_wide(x); }
static double sigmoid_(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }
static double softplus_(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

typedef struct Case {
  const char *name;
  Op op;
  double ulp32, ulp64; /* bounds, as in codegen/math/math.c */
  double range;        /* |x| up to this is held to the bound; 0: everything */
  double typical;      /* f64 samples are drawn up to here, too */
  double (*one)(double);
  Wide (*one_wide)(Wide);
  double (*two)(double, double);
  Wide (*two_wide)(Wide, Wide);
} Case;

#define UNARY(n, u32, u64, range, typical) {#n, OP_##n, u32, u64, range, typical, n, n##l, NULL, NULL}
#define BINARY(n, u32, u64, typical) {#n, OP_##n, u32, u64, 0, typical, NULL, NULL, n, n##l}
static const Case CASES[] = {
  UNARY(exp, 1.5, 1.5, 0, 750),
  UNARY(expm1, 2, 2.5, 0, 750),
  UNARY(log, 1, 1, 0, 100),
  UNARY(log2, 2.5, 2.5, 0, 100),
  UNARY(log1p, 1, 1, 0, 10),
  UNARY(tanh, 3, 3, 0, 20),
  UNARY(sin, 2.5, 2.5, 1e5, 1e5),
  UNARY(cos, 2.5, 2.5, 1e5, 1e5),
  UNARY(tan, 4, 4, 1e5, 1e5),
  UNARY(erf, 1.5, 2, 0, 7),
  UNARY(log10, 0.6, 0.6, 0, 100),
  UNARY(asin, 3.5, 3.5, 0, 1.2),
  UNARY(acos, 3.5, 3.5, 0, 1.2),
  UNARY(atan, 3.5, 3.5, 0, 10),
  UNARY(sinh, 3, 3, 0, 750),
  UNARY(cosh, 3, 3, 0, 750),
  UNARY(asinh, 3.5, 3.5, 0, 100),
  UNARY(acosh, 3.5, 3.5, 0, 100),
  UNARY(atanh, 3, 3, 0, 1.2),
  {"sigmoid", OP_sigmoid, 2.5, 2.5, 0, 750, sigmoid_, sigmoid_wide, NULL, NULL},
  {"softplus", OP_softplus, 2, 2, 0, 750, softplus_, softplus_wide, NULL, NULL},
  {"rsqrt", OP_rsqrt, 1.5, 1.5, 0, 100, rsqrt_, rsqrt_wide, NULL, NULL},
  {"rsqrt3", OP_rsqrt3, 6, 6, 0, 100, rsqrt3_, rsqrt3_wide, NULL, NULL}, /* closer with estimates: see cubes */
  BINARY(pow, 0.6, 1.5, 30),
  BINARY(atan2, 2.5, 2.5, 10),
};
enum { NCASES = sizeof CASES / sizeof *CASES };

/* ---- compiled kernels ------------------------------------------------------------------------------- */

typedef void (*Map)(const void *a, const void *b, void *out, int64_t n);

static const double BOUND[] = {0, 1, NAN, -INFINITY, INFINITY};
enum { NBOUNDS = sizeof BOUND / sizeof *BOUND };
typedef struct Machine {
  Jit jit;
  const char *label;
  Map map[OP_count];
  Map bound[2][NBOUNDS][2]; /* min, max of a constant, and with one */
  double worst[NCASES], where[NCASES][2];
} Machine;

/* Beyond the bound's range digits get lost, down to 1e-9 in f64 (without FMA 2^-52 |x|) and 1e-5 in f32; beyond `limit`
 * there is no angle. */
static bool far_good(const Machine *m, Op op, bool f64, double x, double got, double want) {
  double limit = (!f64 ? 0x1p22 : m->jit.e.target->fma ? 0x1p51 : 0x1p35) * 3.14159 * (op == OP_tan ? 0.5 : 1);
  double slope = op == OP_tan ? 1 + want * want : 1, off = !f64 ? 1e-5 : m->jit.e.target->fma ? 1e-9 : 1e-14 + fabs(x) * 0x1p-52;
  if (!(fabs(x) <= limit)) return got != got;
  return fabs(got - want) <= off * slope * (1 + off * fabs(want));
}

/* constant: operand `which` is one. */
static void emit_map(Jit *j, Op op, unsigned lanes, const char *name, const double *constant, int which) {
  CgEmit *e = &j->e;
  jit_begin(j, name, 3);
  CgLoop l;
  cg_loop_begin(e, &l, cg_i64(e, 0), jit_param(j, 3), lanes);
  LLVMValueRef x[3], zero = cg_real(e, 0, lanes), y;
  for (unsigned i = 0; i < 2; i++) x[i] = cg_load(e, cg_gep(e, jit_param(j, i), l.iv), lanes);
  if (ir_op[op].cls == OPC_LOGIC)
    for (int i = 0; i < 2; i++) x[i] = LLVMBuildFCmp(e->b, LLVMRealUNE, x[i], zero, "");
  if (constant) x[which] = cg_real(e, *constant, lanes);
  if (op == OP_select || op == OP_require) {
    x[2] = x[1], x[1] = x[0];
    x[0] = LLVMBuildFCmp(e->b, LLVMRealOLT, x[1], zero, "");
  }
  y = cg_ew(e, op, x);
  if (ir_op[op].cls == OPC_CMP || ir_op[op].cls == OPC_LOGIC) y = LLVMBuildUIToFP(e->b, y, cg_real_type(e, lanes), "");
  cg_store(e, y, cg_gep(e, jit_param(j, 2), l.iv));
  cg_loop_end(e, &l);
  LLVMBuildRetVoid(e->b);
}

static bool elementwise(Op op) { return op && (ir_op[op].cls != OPC_STRUCT || op == OP_select || op == OP_require); }

/* lanes 0: the machine's own vectors. */
static void machine_open(Machine *m, JitTarget t, bool f64, unsigned lanes) {
  memset(m, 0, sizeof *m);
  jit_open(&m->jit, t, f64);
  m->label = lanes ? "scalar" : *t.cpu ? t.cpu : "host";
  char name[32];
  if (!lanes) lanes = m->jit.e.vl;
  for (int pass = 0; pass < 2; pass++) {
    for (Op op = OP_none; op < OP_count; op++) {
      snprintf(name, sizeof name, "map_%s", ir_op[op].name);
      if (elementwise(op) && !pass) emit_map(&m->jit, op, lanes, name, NULL, 0);
      if (elementwise(op) && pass) m->map[op] = (Map)jit_find(&m->jit, name);
    }
    for (int k = 0; k < 4 * NBOUNDS; k++) {
      snprintf(name, sizeof name, "bound_%d", k);
      if (!pass) emit_map(&m->jit, k % 2 ? OP_max : OP_min, lanes, name, &BOUND[k / 4], k / 2 % 2);
      else m->bound[k % 2][k / 4][k / 2 % 2] = (Map)jit_find(&m->jit, name);
    }
    if (!pass) jit_compile(&m->jit);
  }
}

static int machines_open(Machine *m, bool f64) {
  JitTarget t[4];
  int n = jit_targets(t);
  for (int i = 0; i < n; i++) machine_open(&m[i], t[i], f64, 0);
  machine_open(&m[n], t[n - 1], f64, 1);
  return n + 1;
}

static void machines_close(Machine *m, int n) {
  for (int i = 0; i < n; i++) jit_close(&m[i].jit);
}

/* ---- errors -------------------------------------------------------------------------------------------- */

/* |got - want| in units of the last place of `want` rounded to a format with `bits` of mantissa. Infinity
 * counts as the next power of two, so that an overflow on the edge is a rounding error. */
static double ulps(Wide got, Wide want, int bits, int emin, int emax) {
  if (isnan(got) || isnan(want)) return isnan(got) && isnan(want) ? 0 : INFINITY;
  Wide top = ldexpl(1, emax);
  if (fabsl(want) >= top * 2 && isinf(got)) return signbit(got) == signbit(want) ? 0 : INFINITY;
  if (isinf(got)) got = copysignl(top, got);
  if (fabsl(want) > top) want = copysignl(top, want);
  if (want == 0 && got == 0) return !signbit(got) == !signbit(want) ? 0 : INFINITY;
  int e;
  frexpl(want, &e);
  if (want == 0 || e < emin) e = emin;
  return (double)(fabsl(got - want) / ldexpl(1, e - bits));
}

static double ulps32(float got, double want) { return ulps(got, want, 24, -125, 128); }
static double ulps64(double got, Wide want) { return ulps(got, want, 53, -1021, 1024); }

static bool held(const Case *c, double x) { return c->range == 0 || fabs(x) <= c->range || !isfinite(x); }

static void note(Machine *m, int k, double err, double a, double b) {
  if (!(err > m->worst[k])) return;
  m->worst[k] = err;
  m->where[k][0] = a, m->where[k][1] = b;
}

static void report(Machine *m, int n, bool f64) {
  for (int k = 0; k < NCASES; k++)
    for (int i = 0; i < n; i++) {
      double bound = f64 ? CASES[k].ulp64 : CASES[k].ulp32;
      bool good = m[i].worst[k] <= bound;
      if (!good || getenv("HNNC_TEST_VERBOSE"))
        printf("  %s %-8s %-8s %6.3f ulp (bound %g) at %.17g %.17g\n", f64 ? "f64" : "f32", CASES[k].name, m[i].label,
               m[i].worst[k], bound, m[i].where[k][0], m[i].where[k][1]);
      CU_ASSERT(good);
    }
}

/* ---- f32 -------------------------------------------------------------------------------------------------- */

static void run32(Machine *m, int n, int k, const float *a, const float *b) {
  static double want[BLOCK];
  static float got[BLOCK];
  const Case *c = &CASES[k];
  for (int i = 0; i < BLOCK; i++) want[i] = c->one ? c->one(a[i]) : c->two(a[i], b[i]);
  for (int t = 0; t < n; t++) {
    m[t].map[c->op](a, b, got, BLOCK);
    for (int i = 0; i < BLOCK; i++) {
      double err = held(c, a[i]) ? ulps32(got[i], want[i]) : far_good(&m[t], c->op, false, a[i], got[i], want[i]) ? 0 : INFINITY;
      note(&m[t], k, err, a[i], b[i]);
    }
  }
}

static uint64_t state = 88172645463325252ULL;

static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static double uniform(double lo, double hi) { return lo + (hi - lo) * (double)(next_random() >> 11) * 0x1p-53; }

static float float_of(uint32_t bits) {
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

static double double_of(uint64_t bits) {
  double f;
  memcpy(&f, &bits, 8);
  return f;
}

static void fill32(const Case *c, float *a, float *b, uint32_t *next, uint32_t step) {
  bool typical = c->two && *next / step / BLOCK % 2;
  for (int i = 0; i < BLOCK; i++, *next += step) {
    a[i] = typical ? (float)uniform(-c->typical, c->typical) : float_of(*next);
    b[i] = typical ? (float)uniform(-c->typical, c->typical) : float_of((uint32_t)next_random());
  }
}

static void sweep32(void) {
  Machine m[MAX_TARGETS];
  int n = machines_open(m, false);
  for (int k = 0; k < NCASES; k++) {
    uint32_t step = CASES[k].one ? 2011 : 4001, next = 0;
    for (uint64_t done = 0; done < (1ULL << 32); done += (uint64_t)step * BLOCK) {
      float a[BLOCK], b[BLOCK];
      fill32(&CASES[k], a, b, &next, step);
      run32(m, n, k, a, b);
    }
  }
  report(m, n, false);
  machines_close(m, n);
}

/* ---- f64 -------------------------------------------------------------------------------------------------- */

static void run64(Machine *m, int n, int k, const double *a, const double *b) {
  static Wide want[BLOCK];
  static double got[BLOCK];
  const Case *c = &CASES[k];
  for (int i = 0; i < BLOCK; i++) want[i] = c->one ? c->one_wide(a[i]) : c->two_wide(a[i], b[i]);
  for (int t = 0; t < n; t++) {
    m[t].map[c->op](a, b, got, BLOCK);
    for (int i = 0; i < BLOCK; i++) {
      double err = held(c, a[i])                                                 ? ulps64(got[i], want[i])
                   : far_good(&m[t], c->op, true, a[i], got[i], (double)want[i]) ? 0
                                                                                 : INFINITY;
      note(&m[t], k, err, a[i], b[i]);
    }
  }
}

/* A third random bit patterns, a third of the op's own range, a third around the origin. */
static double sample64(const Case *c, int i) {
  if (i % 3 == 0) return double_of(next_random());
  double r = i % 3 == 1 ? c->typical : 2;
  return uniform(-r, r);
}

static void sweep64(void) {
  Machine m[MAX_TARGETS];
  int n = machines_open(m, true);
  for (int k = 0; k < NCASES; k++)
    for (int block = 0; block < 100; block++) {
      static double a[BLOCK], b[BLOCK];
      for (int i = 0; i < BLOCK; i++) {
        a[i] = sample64(&CASES[k], i);
        b[i] = sample64(&CASES[k], i + (i / 3) % 3);
      }
      run64(m, n, k, a, b);
    }
  report(m, n, true);
  machines_close(m, n);
}

/* sin and cos beyond the range of all machines, where codegen/math/math.c still claims the bound. */
static double far_angle(const CgEmit *e) { return !e->target->fma ? 1e6 : e->f64 ? 1e12 : 1e5; }

static double angle_error(Machine *m, Op op, double range, bool f64) {
  static double a[BLOCK], got[BLOCK];
  static float a32[BLOCK], got32[BLOCK];
  void *in = f64 ? (void *)a : a32;
  double worst = 0;
  for (int i = 0; i < BLOCK; i++) a32[i] = (float)(a[i] = uniform(-range, range));
  m->map[op](in, in, f64 ? (void *)got : got32, BLOCK);
  for (int i = 0; i < BLOCK; i++) {
    Wide x = f64 ? a[i] : a32[i], want = op == OP_sin ? sinl(x) : cosl(x);
    double err = f64 ? ulps64(got[i], want) : ulps32(got32[i], (double)want);
    if (err > worst) worst = err;
  }
  return worst;
}

static void large_angles(void) {
  for (int f64 = 0; f64 < 2; f64++) {
    Machine m[MAX_TARGETS];
    int n = machines_open(m, f64);
    for (int i = 0; i < n * 40; i++) {
      Machine *on = &m[i % n];
      CU_ASSERT(angle_error(on, i / n % 2 ? OP_sin : OP_cos, far_angle(&on->jit.e), f64) <= 2.5);
    }
    machines_close(m, n);
  }
}

static void hopeless_angles(void) {
  static const Op ops[] = {OP_sin, OP_cos, OP_tan};
  static double a[BLOCK], got[BLOCK];
  static float a32[BLOCK], got32[BLOCK];
  for (int f64 = 0; f64 < 2; f64++) {
    Machine m[MAX_TARGETS];
    int n = machines_open(m, f64);
    for (int i = 0; i < n * 12; i++) {
      Op op = ops[i / n % 3];
      double range = (!f64 ? 0x1p24 : m[i % n].jit.e.target->fma ? 0x1p53 : 0x1p37) * (i / n < 6 ? 1 : 1e-2);
      for (int k = 0; k < BLOCK; k++) a32[k] = (float)(a[k] = uniform(-range, range));
      m[i % n].map[op](f64 ? (void *)a : a32, f64 ? (void *)a : a32, f64 ? (void *)got : got32, BLOCK);
      for (int k = 0; k < BLOCK; k++) {
        double x = f64 ? a[k] : a32[k], want = op == OP_sin ? sin(x) : op == OP_cos ? cos(x) : tan(x);
        CU_ASSERT_FATAL(far_good(&m[i % n], op, f64, x, f64 ? got[k] : got32[k], want));
      }
    }
    machines_close(m, n);
  }
}

static const double SPECIAL[] = {0.0,
                                 -0.0,
                                 1,
                                 -1,
                                 2,
                                 -2,
                                 3,
                                 -3,
                                 0.5,
                                 -0.5,
                                 1.5,
                                 -1.5,
                                 INFINITY,
                                 -INFINITY,
                                 NAN,
                                 1e-30,
                                 -1e-30,
                                 1e30,
                                 -1e30,
                                 88.5,
                                 -88.5,
                                 89,
                                 -89,
                                 -103.5,
                                 -104,
                                 127,
                                 128,
                                 -127,
                                 -150,
                                 709.5,
                                 710,
                                 -709,
                                 -745,
                                 -746,
                                 1023,
                                 1024,
                                 4503599627370495.5,
                                 9007199254740993.0,
                                 0x1p-149,
                                 -0x1p-149,
                                 0x1p-126,
                                 0x1p-1074,
                                 -0x1p-1074,
                                 0x1p-1022,
                                 0x1.fffffep127,
                                 0x1.fffffffffffffp1023,
                                 0x1.fffffep-1,
                                 0x1.000002p0,
                                 8388607.5,
                                 16777215,
                                 16777216,
                                 0.625,
                                 0.92,
                                 3.14159265358979};
enum { NSPECIAL = sizeof SPECIAL / sizeof *SPECIAL };

/* ---- cubes of reciprocal roots ------------------------------------------------------------------------- */

static const double CUBE_FACTOR[] = {1, -0.3, 0x1p-90};
enum { NCUBES = sizeof CUBE_FACTOR / sizeof *CUBE_FACTOR };

typedef struct Cubes {
  Jit jit;
  Map map[NCUBES];
  double bound;
} Cubes;

/* x^(-3/2) and multiples of it: by one expansion where there is an estimate, else of three roots and two products. */
static void cubes_open(Cubes *m, JitTarget t, bool f64, bool vector) {
  char name[32];
  jit_open(&m->jit, t, f64);
  CgEmit *e = &m->jit.e;
  for (int k = 0; k < NCUBES; k++) {
    CgLoop l;
    snprintf(name, sizeof name, "cube_%d", k);
    jit_begin(&m->jit, name, 3);
    unsigned lanes = vector ? e->vl : 1;
    cg_loop_begin(e, &l, cg_i64(e, 0), jit_param(&m->jit, 3), lanes);
    cg_store(e, cg_rsqrt3(e, cg_load(e, cg_gep(e, jit_param(&m->jit, 0), l.iv), lanes), CUBE_FACTOR[k]),
             cg_gep(e, jit_param(&m->jit, 2), l.iv));
    cg_loop_end(e, &l);
    LLVMBuildRetVoid(e->b);
  }
  m->bound = cg_estimates(e, vector ? e->vl : 1) ? 3 : 6;
  jit_compile(&m->jit);
  for (int k = 0; k < NCUBES; k++) {
    snprintf(name, sizeof name, "cube_%d", k);
    m->map[k] = (Map)jit_find(&m->jit, name);
  }
}

static double cube_error(const Cubes *m, int k, const double *a, bool f64) {
  static double got[BLOCK];
  static float a32[BLOCK], got32[BLOCK];
  for (int i = 0; i < BLOCK; i++) a32[i] = (float)a[i];
  m->map[k](f64 ? (const void *)a : a32, a, f64 ? (void *)got : got32, BLOCK);
  double worst = 0;
  for (int i = 0; i < BLOCK; i++) {
    Wide x = f64 ? a[i] : a32[i], r = 1 / sqrtl(x), r3 = r * r * r;
    if (fabsl(r3) >= ldexpl(1, f64 ? 1024 : 128)) r3 = copysignl(INFINITY, r3); /* before the factor */
    Wide want = (Wide)(f64 ? CUBE_FACTOR[k] : (float)CUBE_FACTOR[k]) * r3;
    double err = f64 ? ulps64(got[i], want) : ulps32(got32[i], (double)want);
    if (err > worst) worst = err;
  }
  return worst;
}

/* Near 1, over the whole range, and special values. */
static void cube_points(double *a, int round) {
  for (int i = 0; i < BLOCK; i++)
    a[i] = round == 0 ? SPECIAL[i % NSPECIAL] : round % 2 ? uniform(0.25, 4) : fabs(double_of(next_random()));
}

static void cubes(void) {
  static double a[BLOCK];
  for (int f64 = 0; f64 < 2; f64++) {
    Cubes m[MAX_TARGETS];
    JitTarget t[4];
    int n = jit_targets(t);
    for (int i = 0; i < n; i++) cubes_open(&m[i], t[i], f64, true);
    cubes_open(&m[n], t[n - 1], f64, false);
    double worst[MAX_TARGETS] = {0};
    for (int round = 0; round < 200; round++) {
      cube_points(a, round);
      for (int i = 0; i <= n; i++) worst[i] = fmax(worst[i], cube_error(&m[i], round % NCUBES, a, f64));
    }
    for (int i = 0; i <= n; i++) {
      if (worst[i] > m[i].bound || getenv("HNNC_TEST_VERBOSE"))
        printf("  %s cube, machine %d: %.3f ulp\n", f64 ? "f64" : "f32", i, worst[i]);
      CU_ASSERT(worst[i] <= m[i].bound);
      jit_close(&m[i].jit);
    }
  }
}

/* ---- special values ------------------------------------------------------------------------------------- */

static void special_pairs(void (*check)(void *ctx, const double *a, const double *b), void *ctx) {
  static double a[BLOCK], b[BLOCK];
  _Static_assert(NSPECIAL * NSPECIAL <= BLOCK, "special values");
  for (int i = 0; i < BLOCK; i++) {
    a[i] = SPECIAL[i % NSPECIAL];
    b[i] = SPECIAL[i / NSPECIAL % NSPECIAL];
  }
  check(ctx, a, b);
}

typedef struct Machines {
  Machine m[MAX_TARGETS];
  int n;
} Machines;

static void check_special64(void *ctx, const double *a, const double *b) {
  Machines *s = ctx;
  for (int k = 0; k < NCASES; k++) run64(s->m, s->n, k, a, b);
}

static void check_special32(void *ctx, const double *a, const double *b) {
  Machines *s = ctx;
  static float a32[BLOCK], b32[BLOCK];
  for (int i = 0; i < BLOCK; i++) a32[i] = (float)a[i], b32[i] = (float)b[i];
  for (int k = 0; k < NCASES; k++) run32(s->m, s->n, k, a32, b32);
}

static double row_select(double a, double b) { return a < 0 ? a : b; }
static double row_require(double a, double b) {
  (void)b;
  return a < 0 ? 1 : NAN;
}

static double (*const ROW[OP_count])(double, double) = {
  [OP_select] = row_select,
  [OP_require] = row_require,
#define EW1(name, ...) [OP_##name] = row_##name,
#define EW2(name, ...) [OP_##name] = row_##name,
#define CMP(name, ...) [OP_##name] = row_##name,
#define LOG(name, ...) [OP_##name] = row_##name,
#include "ir/ops.def"
};

static bool transcendental(Op op) {
  for (int k = 0; k < NCASES; k++)
    if (CASES[k].op == op) return true;
  return false;
}

/* Of functions of others, where a power is neither subnormal nor infinite. */
static bool composed(Op op) { return op == OP_powlog || op == OP_powlog2; }

static bool close_to(double want, double got, double a, double b) {
  double p = fabs(pow(a, b));
  return (p > 0 && p < 0x1p-1000) || isinf(p) || fabs(got - want) <= 4e-15 * fabs(want);
}

/* The simple rows give exactly the table's value; min and max may take either zero. */
static void check_rows(void *ctx, const double *a, const double *b) {
  Machines *s = ctx;
  static double got[BLOCK];
  for (Op op = OP_none; op < OP_count; op++)
    for (int t = 0; elementwise(op) && !transcendental(op) && t < s->n; t++) {
      s->m[t].map[op](a, b, got, BLOCK);
      for (int i = 0; i < BLOCK; i++) {
        double want = ROW[op](a[i], b[i]);
        bool good = got[i] == want || (isnan(got[i]) && isnan(want)) || (composed(op) && close_to(want, got[i], a[i], b[i]));
        if (!good) printf("  %s(%g, %g) = %g, not %g on %s\n", ir_op[op].name, a[i], b[i], got[i], want, s->m[t].label);
        CU_ASSERT(good);
      }
    }
}

static bool same32(Op op, float got, float want, float a, float b) {
  const double p = fabs(pow(a, b));
  if (got == want || (isnan(got) && isnan(want))) return true;
  return composed(op) && ((p > 0 && p < 0x1p-120) || p > 0x1p120 || fabsf(got - want) <= 2e-6f * fabsf(want));
}

/* The same in f32. */
static void check_rows32(void *ctx, const double *a, const double *b) {
  Machines *s = ctx;
  static float a32[BLOCK], b32[BLOCK], got[BLOCK];
  for (int i = 0; i < BLOCK; i++) a32[i] = (float)a[i], b32[i] = (float)b[i];
  for (Op op = OP_none; op < OP_count; op++)
    for (int t = 0; elementwise(op) && !transcendental(op) && t < s->n; t++) {
      s->m[t].map[op](a32, b32, got, BLOCK);
      for (int i = 0; i < BLOCK; i++) {
        const float want = (float)ROW[op](a32[i], b32[i]);
        const bool good = same32(op, got[i], want, a32[i], b32[i]);
        if (!good) printf("  %s(%g, %g) = %g, not %g on %s, f32\n", ir_op[op].name, a32[i], b32[i], got[i], want, s->m[t].label);
        CU_ASSERT(good);
      }
    }
}

static void check_bounds(void *ctx, const double *a, const double *b) {
  Machines *s = ctx;
  static double got[BLOCK];
  for (int k = 0; k < 4 * NBOUNDS; k++)
    for (int t = 0; t < s->n; t++) {
      s->m[t].bound[k % 2][k / 4][k / 2 % 2](a, b, got, BLOCK);
      for (int i = 0; i < BLOCK; i++) {
        double c = BOUND[k / 4], want = k / 2 % 2 ? ROW[k % 2 ? OP_max : OP_min](a[i], c) : ROW[k % 2 ? OP_max : OP_min](c, b[i]);
        CU_ASSERT(got[i] == want || (isnan(got[i]) && isnan(want)));
      }
    }
}

/* floor, ceil, round and mod are exact, whatever the quotient. */
static void exact_rows(void) {
  static const Op ops[] = {OP_floor, OP_ceil, OP_round, OP_mod};
  static double a[BLOCK], b[BLOCK], got[BLOCK];
  static float a32[BLOCK], b32[BLOCK], got32[BLOCK];
  for (int f64 = 0; f64 < 2; f64++) {
    Machine m[MAX_TARGETS];
    int n = machines_open(m, f64);
    for (int round = 0; round < 400; round++) {
      for (int i = 0; i < BLOCK; i++) {
        a[i] = f64 ? double_of(next_random()) : float_of((uint32_t)next_random());
        b[i] = f64 ? double_of(next_random()) : float_of((uint32_t)next_random());
        if (round % 2) a[i] = uniform(-100, 100) * exp2(floor(uniform(-3, 60))), b[i] = uniform(-10, 10);
        if (round % 4 == 3) a[i] = floor(a[i] * 2) / 2, b[i] = floor(b[i]);
        a32[i] = (float)a[i], b32[i] = (float)b[i];
      }
      Op op = ops[round / 4 % 4];
      Machine *on = &m[round / 16 % n];
      on->map[op](f64 ? (void *)a : a32, f64 ? (void *)b : b32, f64 ? (void *)got : got32, BLOCK);
      for (int i = 0; i < BLOCK; i++) {
        double x = f64 ? a[i] : a32[i], y = f64 ? b[i] : b32[i], v = f64 ? got[i] : got32[i];
        double want = f64 ? ROW[op](x, y) : (float)ROW[op](x, y); /* in f32 only the last addition of mod rounds */
        bool same = v == want ? !signbit(v) == !signbit(want) : isnan(v) && isnan(want);
        if (!same) printf("  %s(%a, %a) = %a, not %a on %s\n", ir_op[op].name, x, y, v, want, on->label);
        CU_ASSERT_FATAL(same);
      }
    }
    machines_close(m, n);
  }
}

static void special_values(void) {
  Machines s;
  s.n = machines_open(s.m, false);
  special_pairs(check_special32, &s);
  special_pairs(check_rows32, &s);
  report(s.m, s.n, false);
  machines_close(s.m, s.n);
  s.n = machines_open(s.m, true);
  special_pairs(check_special64, &s);
  special_pairs(check_rows, &s);
  special_pairs(check_bounds, &s);
  report(s.m, s.n, true);
  machines_close(s.m, s.n);
}

const Suite suite = {"math", (CU_TestInfo[]){{"special values", special_values},
                                             {"exact rows", exact_rows},
                                             {"f32 against libm", sweep32},
                                             {"f64 against libm", sweep64},
                                             {"large angles", large_angles},
                                             {"hopeless angles", hopeless_angles},
                                             {"cubes of reciprocal roots", cubes},
                                             CU_TEST_INFO_NULL}};
