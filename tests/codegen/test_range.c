/* Simplification keeps numbers: random programs whose constants, data and values lie anywhere between the ends of their
 * precision. Where every step of the written order is finite and normal, so is every step after simplification,
 * and results differ by a few ulp an operation. No sum cancels, so errors are bounded by what is counted. */
#include "tests/common/codegen_util.h"
#include "passes/passes.h"
#include "tests/common/random_fn.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 2, N = 64, TURNS = 40, MANY = 4000, OPS = 14, INPUTS = 8, RESULTS = 4, COMPILED = OFTEN(80) };

/* ---- programs ---- */

typedef struct Made { /* a value, the binary logarithms between which its size lies, its sign, its error in ulp */
  Val v;
  double lo, hi, err;
  int sign;
} Made;

typedef struct Gen {
  Build *b;
  uint64_t rng;
  double lo, hi; /* where normal numbers end */
  VEC(Made) made;
  VEC(double) datum; /* of the inputs, one after the other */
} Gen;

static uint32_t below(Gen *g, uint32_t n) { return random_below(&g->rng, n); }
static double between(Gen *g, double lo, double hi) { return random_real(&g->rng, lo, hi); }
static Made pick(Gen *g) { return g->made.at[g->made.n - 1 - below(g, g->made.n < 6 || below(g, 3) == 0 ? g->made.n : 6)]; }
static const double LOG_N = 6.1;

static bool vector(Gen *g, Made x) { return ir_type(g->b->f, x.v).rank > 0; }
static bool fits(const Gen *g, double lo, double hi) { return lo > g->lo && hi < g->hi; }

static bool keep(Gen *g, Val v, double lo, double hi, int sign, double err) {
  bool ok = fits(g, lo, hi) && err < 1e6;
  if (ok) *vec_push(&g->made) = (Made){v, lo, hi, err, sign};
  return ok;
}

/* Where normal numbers end, more often than anywhere. */
static double anywhere(Gen *g) {
  double at = between(g, g->lo + 1, g->hi - 1), off = between(g, 0, 12);
  switch (below(g, 4)) {
  case 0: return g->lo + off;
  case 1: return g->hi - off;
  default: return at;
  }
}

static double round_to(const Gen *g, double v) { return g->b->f->f64 ? v : (float)v; }

/* A constant: often one that brings what is near 2^`from` somewhere else, often a power of two. */
static Made constant(Gen *g, double from) {
  static const double plain[] = {0.5, 2, -0.5, 3.2, -1, 0.25, 1, 1.0 / 3, -4, 100};
  double v = 0, e = 0;
  switch (below(g, 4)) {
  case 0: v = plain[below(g, 10)]; break;
  case 1: e = anywhere(g); break;
  case 2: e = floor(anywhere(g)); break;
  default: e = anywhere(g) - from;
  }
  if (v == 0 && !fits(g, e, e)) v = 0.5;
  if (v == 0) v = round_to(g, below(g, 4) ? exp2(e) : -exp2(e));
  double log = log2(fabs(v));
  return (Made){ir_const(g->b, v), log, log, 0, v < 0 ? -1 : 1};
}

static void input(Gen *g, bool lane, int rank) {
  uint32_t n = N;
  double at = fmin(fmax(anywhere(g), g->lo + 1.1), g->hi - 1.1), lo = INFINITY, hi = -INFINITY;
  Type t = type_real(lane, rank, &n);
  int sign = below(g, 4) ? 1 : -1;
  Val v = ir_input(g->b, NULL, lane ? IN_FIELD : IN_PARAM, g->b->f->in.n, t);
  for (int64_t k = 0; k < type_count(t) * (lane ? LANES : 1); k++) {
    double x = round_to(g, exp2(at + between(g, -1, 1)));
    *vec_push(&g->datum) = sign * x;
    lo = fmin(lo, log2(x)), hi = fmax(hi, log2(x));
  }
  keep(g, v, lo, hi, sign, 0);
}

static bool product(Gen *g, Made x, Made y) {
  if (below(g, 2)) {
    Made t = x;
    x = y, y = t;
  }
  return keep(g, ir_mul(g->b, x.v, y.v), x.lo + y.lo, x.hi + y.hi, x.sign * y.sign, x.err + y.err + 1);
}

static bool quotient(Gen *g, Made x, Made y) {
  return keep(g, ir_div(g->b, x.v, y.v), x.lo - y.hi, x.hi - y.lo, x.sign * y.sign, x.err + y.err + 1);
}

static bool sum_of_two(Gen *g, Made x, Made y) {
  Val v = x.sign == y.sign ? ir_add(g->b, x.v, y.v) : ir_sub(g->b, x.v, y.v);
  return keep(g, v, fmax(x.lo, y.lo), fmax(x.hi, y.hi) + 1, x.sign, fmax(x.err, y.err) + 1);
}

static bool power(Gen *g, Made x) {
  static const double exponent[] = {2, 3, -1, -2, -3, 0.5, 1.5, -0.5, -1.5, -2.5, -3.5, 4, -4, 5, 7, -6, 16, 0.7};
  double p = exponent[below(g, 18)], a = x.lo * p, b = x.hi * p;
  if (x.sign < 0) return false;
  return keep(g, ir_pow(g->b, x.v, ir_const(g->b, p)), fmin(a, b), fmax(a, b), 1, fabs(p) * (x.err + 1) + 3);
}

static bool root(Gen *g, Made x, Made y) {
  if (y.sign < 0) return false;
  Made r = {ir_sqrt(g->b, y.v), y.lo / 2, y.hi / 2, y.err / 2 + 1, 1};
  return below(g, 2) ? keep(g, r.v, r.lo, r.hi, 1, r.err) : quotient(g, x, r);
}

/* 1/sqrt(y) three times, in some order with other factors. */
static bool cube(Gen *g, Made x, Made y) {
  Build *b = g->b;
  if (y.sign < 0) return false;
  Val r = ir_rsqrt(b, y.v), v = x.v;
  double lo = x.lo, hi = x.hi;
  Made c = constant(g, x.lo);
  uint32_t with = below(g, 4);
  for (uint32_t k = 0; k < 4; k++) {
    if (k == with) v = ir_mul(b, v, c.v), lo += c.lo, hi += c.hi;
    if (k < 3) v = ir_mul(b, v, r), lo -= y.hi / 2, hi -= y.lo / 2;
    if (!fits(g, lo, hi)) return false;
  }
  return keep(g, v, lo, hi, x.sign * (with < 4 ? c.sign : 1), x.err + 3 * (y.err / 2 + 2) + 5);
}

static bool reduction(Gen *g, Made x, Made y) {
  if (!vector(g, x)) return false;
  if (below(g, 2) || !vector(g, y)) return keep(g, ir_sum(g->b, x.v, 0), x.lo, x.hi + LOG_N, x.sign, x.err + N);
  return keep(g, ir_matmul(g->b, x.v, y.v), x.lo + y.lo, x.hi + y.hi + LOG_N, x.sign * y.sign, x.err + y.err + N + 1);
}

/* A scalar along each of N rows of a matrix, summed over them. */
static bool outer_sum(Gen *g, Made x, Made y) {
  if (vector(g, x) || !vector(g, y)) return false;
  Val m = ir_expand(g->b, y.v, 0, N), s = ir_expand(g->b, ir_expand(g->b, x.v, 0, N), 0, N);
  Val p = below(g, 2) ? ir_mul(g->b, m, s) : ir_mul(g->b, s, m);
  return keep(g, ir_sum(g->b, p, (int)below(g, 2)), x.lo + y.lo, x.hi + y.hi + LOG_N, x.sign * y.sign, x.err + y.err + N + 1);
}

/* (z c) w d with c w d near 1, turn after turn: written out, or as a loop that sums it, too. */
static bool turns(Gen *g, Made z, Made w) {
  Build *b = g->b, body;
  double e = between(g, -20, 20), f = -(w.lo + w.hi) / 2 - e, spread = (w.hi - w.lo) / 2 * TURNS + 1;
  if (below(g, 2)) e = anywhere(g), f = -(w.lo + w.hi) / 2 - e;
  double lo = z.lo - spread, hi = z.hi + spread, c = round_to(g, exp2(e)), d = round_to(g, exp2(f));
  bool in_range =
      fits(g, e, e) && fits(g, f, f) && fits(g, lo + e, hi + e) && fits(g, lo - f - 1, hi - f + 1) && fits(g, lo, hi + 6);
  if (!in_range || vector(g, w) || z.err + (w.err + 4) * TURNS > 1e6) return false;
  double err = z.err + (w.err + 4) * TURNS;
  bool lane = ir_type(b->f, z.v).lane || ir_type(b->f, w.v).lane, loop = below(g, 2);
  Val v = lane ? ir_spread(b, z.v) : z.v;
  if (loop) {
    ir_build_init(&body, ir_sub_create(b->f, "turn"));
    body.fold = body.number = false;
    Val args[2] = {v, w.v}, y = ir_input(&body, NULL, IN_OTHER, 0, ir_type(b->f, v)),
        x = ir_input(&body, NULL, IN_OTHER, 0, ir_type(b->f, w.v));
    y = ir_mul(&body, ir_mul(&body, ir_mul(&body, y, ir_const(&body, c)), x), ir_const(&body, d));
    ir_output(&body, y, NULL);
    ir_output(&body, y, NULL);
    v = ir_scan(b, args, 2, TURNS, 1, 0, 0, 1, false, false, body.f);
    ir_build_finish(&body);
    bool all = below(g, 2);
    return keep(g, ir_proj(b, v, all), lo, hi + 6 * all, z.sign * (all || TURNS % 2 == 0 ? 1 : w.sign),
                all && w.sign < 0 ? INFINITY : err);
  }
  for (int k = 0; k < TURNS; k++) v = ir_mul(b, ir_mul(b, ir_mul(b, v, ir_const(b, c)), w.v), ir_const(b, d));
  return keep(g, v, lo, hi, z.sign, err);
}

static bool step(Gen *g) {
  Made x = pick(g), y = pick(g);
  switch (below(g, 16)) {
  case 0: return product(g, x, y);
  case 1: return quotient(g, x, y);
  case 2: return quotient(g, x, constant(g, -x.lo));
  case 3: return quotient(g, constant(g, x.lo), x);
  case 4: return sum_of_two(g, x, y);
  case 5: return power(g, x);
  case 6: return root(g, x, y);
  case 7: return cube(g, x, y);
  case 8: return reduction(g, x, y);
  case 9: return outer_sum(g, x, y);
  case 10: return turns(g, x, y);
  case 11: return keep(g, ir_neg(g->b, x.v), x.lo, x.hi, -x.sign, x.err);
  default: return product(g, x, constant(g, x.lo));
  }
}

/* Without what was tried and left out. */
static Fn *written(Fn *f) {
  Fn *out = ir_fn_create(f->name, f->f64);
  Build b;
  bool *live = ir_live(f);
  Val *map = base_zeroed(f->inst.n, sizeof *map);
  ir_build_init(&b, out);
  b.fold = b.number = false;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == OP_in) map[id] = ir_input(&b, NULL, f->in.at[ir_number(f, i)].kind, ir_number(f, i), i->type);
    else if (live[id]) map[id] = ir_copy_inst(&b, f, (Val){id}, map);
  }
  for (uint32_t k = 0; k < f->out.n; k++) ir_output(&b, map[f->out.at[k].id], NULL);
  ir_build_finish(&b);
  ir_fn_destroy(f);
  base_free(live);
  base_free(map);
  return out;
}

/* Writes data for its inputs and the largest error of its results. */
static Fn *program(uint64_t seed, bool f64, Tensor *in, double *err) {
  Fn *f = ir_fn_create("range", f64);
  Build b;
  ir_build_init(&b, f);
  b.fold = b.number = false;
  Gen g = {.b = &b, .rng = seed * 977 + f64, .lo = f64 ? -1021.9 : -125.9, .hi = f64 ? 1023.9 : 127.9};
  for (int k = 0; k < 5; k++) input(&g, k % 2, k > 1);
  while (g.made.n < 5) input(&g, true, 0);
  for (int made = 0, tries = 0; made < OPS && tries < 100 * OPS; tries++) made += step(&g);
  *err = 0;
  for (uint32_t k = g.made.n - RESULTS; k < g.made.n; k++) ir_output(&b, g.made.at[k].v, NULL), *err = fmax(*err, g.made.at[k].err);
  ir_build_finish(&b);
  const double *at = g.datum.at;
  for (uint32_t k = 0; k < f->in.n; k++) {
    Type t = f->in.at[k].type;
    size_t n = (size_t)(type_count(t) * (t.lane ? LANES : 1));
    in[k] = (Tensor){t, base_realloc(NULL, n * sizeof(double))};
    memcpy(in[k].v, at, n * sizeof *at);
    at += n;
  }
  vec_free(&g.made);
  vec_free(&g.datum);
  return written(f);
}

/* ---- every step ---- */

/* `room`: 1 for normal numbers alone. x^-n is 1/x^n, and where that ends, x^n is up to 4 times smaller than they: two of its bits
 * are lost, as many as by other roundings. */
typedef struct Watched {
  bool f64;
  double room;
  uint32_t bad;
} Watched;

static bool normal(const Watched *w, double v) {
  return fabs(v) * w->room >= (w->f64 ? DBL_MIN : FLT_MIN) && fabs(v) <= (w->f64 ? DBL_MAX : FLT_MAX);
}

static bool watch(void *ctx, const Fn *f, Val v, const Tensor *x, const Tensor *const *arg) {
  (void)arg;
  Watched *w = ctx;
  double c;
  if (ir_inst(f, v)->type.dt != DT_REAL || (ir_is_const(f, v, &c) && c == 0)) return true;
  for (int64_t k = 0; k < type_count(x->type) * (x->type.lane ? LANES : 1) && !w->bad; k++)
    if (!normal(w, x->v[k])) w->bad = v.id;
  return true;
}

static uint32_t run(const Fn *f, bool f64, double room, const Tensor *in, Tensor *out) {
  char err[200] = "";
  Watched w = {f64, room, 0};
  EvalEnv env = {.watch = watch, .ctx = &w};
  bool ok = ir_eval(f, LANES, in, out, &env, err, sizeof err);
  if (!ok) fprintf(stderr, "%s\n", err);
  CU_ASSERT_FATAL(ok);
  return w.bad;
}

static bool agree(const Tensor *a, const Tensor *b, double ulps) {
  for (int64_t k = 0; k < type_count(a->type) * (a->type.lane ? LANES : 1); k++)
    if (!(fabs(a->v[k] - b->v[k]) <= ulps * DBL_EPSILON * fabs(a->v[k]))) return false;
  return true;
}

static void free_inputs(Tensor *in, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) base_free(in[k].v);
}

static void test_steps(void) {
  Tensor in[INPUTS], want[RESULTS], got[RESULTS];
  double err;
  for (int f64 = 0; f64 < 2; f64++) {
    uint32_t used = 0, wrong = 0;
    for (uint64_t seed = 0; seed < MANY && wrong < 3; seed++) {
      Fn *f = program(seed, f64, in, &err), *g = pass_simplify(NULL, f), *h = pass_rescale(NULL, g);
      if (!run(f, f64, 1, in, want)) {
        uint32_t bad = run(h, f64, 4, in, got);
        bool same = true;
        for (uint32_t k = 0; k < RESULTS; k++) same = same && agree(&want[k], &got[k], 4 * (10 + err));
        used++;
        if (bad || !same) {
          wrong++;
          fprintf(stderr, "seed %d, f%d: %s %%%u\n", (int)seed, f64 ? 64 : 32, bad ? "not a normal number:" : "other numbers", bad);
          ir_print(stderr, f, NULL);
          ir_print(stderr, h, NULL);
        }
        ir_tensors_free(got, RESULTS);
      }
      ir_tensors_free(want, RESULTS);
      free_inputs(in, f->in.n);
      ir_fn_destroy(f);
      ir_fn_destroy(g);
      ir_fn_destroy(h);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(wrong || used > MANY / 10 * 9);
  }
}

/* ---- native code ---- */

/* f with its results of the size of 1, by powers of two. */
static Fn *near_one(const Fn *f, const Tensor *result) {
  Fn *out = ir_copy_fn(NULL, f);
  Build b;
  ir_build_init(&b, out);
  b.fold = b.number = false;
  for (uint32_t k = 0; k < RESULTS; k++) {
    double most = 0;
    for (int64_t e = 0; e < type_count(result[k].type) * (result[k].type.lane ? LANES : 1); e++)
      most = fmax(most, fabs(result[k].v[e]));
    out->out.at[k] = ir_mul(&b, out->out.at[k], ir_const(&b, exp2(-ilogb(most))));
  }
  ir_build_finish(&b);
  return out;
}

static void test_native(void) {
  for (int f64 = 0; f64 < 2; f64++) {
    Fn *f[COMPILED];
    Tensor in[COMPILED][INPUTS], want[RESULTS];
    double err[COMPILED];
    char name[32], message[256];
    uint32_t n = 0;
    Cg *cg = codegen_start(NULL, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(cg);
    for (uint64_t seed = MANY; n < COMPILED; seed++) {
      Fn *raw = program(seed, f64, in[n], &err[n]), *g = pass_simplify(NULL, raw);
      bool good = !run(raw, f64, 1, in[n], want) && err[n] < 1e3;
      if (good) f[n] = near_one(g, want), snprintf(name, sizeof name, "f%u", n), cg_add(cg, f[n], name), n++;
      else free_inputs(in[n], raw->in.n);
      ir_tensors_free(want, RESULTS);
      ir_fn_destroy(raw);
      ir_fn_destroy(g);
    }
    CU_ASSERT_FATAL(cg_compile(cg, message, sizeof message));
    for (uint32_t k = 0; k < n; k++) {
      snprintf(name, sizeof name, "f%u", k);
      double off = codegen_difference(cg, f[k], name, LANES, in[k], false) / (f64 ? DBL_EPSILON : FLT_EPSILON);
      if (!(off <= 4 * (10 + err[k])))
        fprintf(stderr, "f%d, off by %g ulp, not %g\n", f64 ? 64 : 32, off, err[k]), ir_print(stderr, f[k], NULL);
      CU_ASSERT(off <= 4 * (10 + err[k]));
      free_inputs(in[k], f[k]->in.n);
      ir_fn_destroy(f[k]);
    }
    cg_destroy(cg);
  }
}

const Suite suite = {
  "range", (CU_TestInfo[]){{"every step stays a normal number", test_steps}, {"native code", test_native}, CU_TEST_INFO_NULL}};
