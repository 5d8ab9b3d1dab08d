/* Random expressions: rewritten by true identities they are never different, changed a little they are never
 * equal. The rates of what is left undecided are printed. */
#include "ir/field/field.h"
#include "tests/common/cunit_main.h"
#include "tests/common/random_fn.h"
#include "tests/common/often.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- expressions ---- */

enum { INPUTS = 3, NODES = 4000, DEPTH = 4 };

typedef struct Node {
  Op op; /* OP_in: input `k`; OP_const: num/den */
  int k, den;
  const struct Node *l, *r;
} Node;

typedef struct Gen {
  Node pool[NODES];
  int n;
  uint64_t s;
} Gen;

static uint32_t below(Gen *g, uint32_t n) { return random_below(&g->s, n); }

static const Node *node(Gen *g, Op op, const Node *l, const Node *r) {
  if (g->n == NODES) abort();
  g->pool[g->n] = (Node){op, 0, 1, l, r};
  return &g->pool[g->n++];
}

static const Node *number(Gen *g, int num, int den) {
  Node *n = (Node *)node(g, OP_const, NULL, NULL);
  n->k = num;
  n->den = den;
  return n;
}

static const Node *input(Gen *g, uint32_t k) {
  Node *n = (Node *)node(g, OP_in, NULL, NULL);
  n->k = (int)k;
  return n;
}

#define N1(op, a) node(g, OP_##op, a, NULL)
#define N2(op, a, b) node(g, OP_##op, a, b)
#define HALF(a) N2(mul, number(g, 1, 2), a)
#define ONE_ number(g, 1, 1)
#define SQUARE(a) N2(mul, a, a)

static bool constant(const Node *n) { return !n || (n->op != OP_in && constant(n->l) && constant(n->r)); }

/* No function of a constant: it would be rounded. */
static const Node *expression(Gen *g, int depth) {
  static const Op unary[] = {OP_exp, OP_sin, OP_cos, OP_tanh, OP_sigmoid, OP_softplus, OP_neg, OP_abs, OP_erf, OP_expm1};
  if (depth == 0 || below(g, 6) == 0) return below(g, 5) ? input(g, below(g, INPUTS)) : number(g, 1 + (int)below(g, 3), 2);
  const Node *l = expression(g, depth - 1);
  if (constant(l)) l = input(g, below(g, INPUTS));
  switch (below(g, 9)) {
  case 0:
  case 1: return N2(add, l, expression(g, depth - 1));
  case 2: return N2(sub, l, expression(g, depth - 1));
  case 3: return N2(mul, l, expression(g, depth - 1));
  case 4: return N2(div, l, N2(add, ONE_, SQUARE(expression(g, depth - 1))));
  case 5: return below(g, 2) ? N1(sqrt, N2(add, ONE_, SQUARE(l))) : N1(log, N2(add, ONE_, SQUARE(l)));
  case 6: return below(g, 4) ? node(g, OP_sin, l, NULL) : N2(atan2, l, expression(g, depth - 1));
  default: return node(g, unary[below(g, sizeof unary / sizeof *unary)], l, NULL);
  }
}

static int count(const Node *n) { return n ? 1 + count(n->l) + count(n->r) : 0; }

static Val emit(Build *b, const Val *in, const Node *n) {
  Val a[2];
  if (n->op == OP_in) return in[n->k];
  if (n->op == OP_const) return ir_const_exact(b, (double)n->k / n->den, n->k, n->den);
  a[0] = emit(b, in, n->l);
  if (n->r) a[1] = emit(b, in, n->r);
  return ir_emit(b, n->op, a, n->r ? 2 : 1, NULL, 0, NULL);
}

static Fn *function(const Node *n, bool fold) {
  Fn *f = ir_fn_create("expression", true);
  Build b;
  Val in[INPUTS];
  ir_build_init(&b, f);
  b.fold = b.number = fold;
  for (int k = 0; k < INPUTS; k++) in[k] = ir_input(&b, NULL, IN_FIELD, 0, type_scalar(true));
  ir_output(&b, ir_spread(&b, emit(&b, in, n)), NULL);
  ir_build_finish(&b);
  return f;
}

/* ---- true identities ---- */

/* n itself if the identity does not apply. */
static const Node *identity(Gen *g, const Node *n) {
  const Node *b = input(g, below(g, INPUTS)), *l = n->l, *r = n->r, *u = l ? l->l : NULL, *v = l ? l->r : NULL;
  if (below(g, 2)) b = N2(add, b, expression(g, 1));
  if (constant(n)) return n;
  bool sum = l && (l->op == OP_add || l->op == OP_sub), plus = sum && l->op == OP_add;
  switch (below(g, 20)) {
  case 0: return N2(sub, N2(add, n, b), b);
  case 1: return N2(mul, N2(mul, n, N1(exp, b)), N1(exp, N1(neg, b)));
  case 2: return N2(mul, n, N2(add, SQUARE(N1(sin, b)), SQUARE(N1(cos, b))));
  case 3: return n->op == OP_add || n->op == OP_mul ? node(g, n->op, r, l) : n;
  case 4:
  case 5:
    if (n->op != OP_exp) return n;
    return sum ? node(g, plus ? OP_mul : OP_div, N1(exp, u), N1(exp, v)) : SQUARE(N1(exp, HALF(l)));
  case 6:
  case 7:
    if (n->op == OP_sin && sum) return node(g, l->op, N2(mul, N1(sin, u), N1(cos, v)), N2(mul, N1(cos, u), N1(sin, v)));
    if (n->op == OP_cos && sum)
      return node(g, plus ? OP_sub : OP_add, N2(mul, N1(cos, u), N1(cos, v)), N2(mul, N1(sin, u), N1(sin, v)));
    if (n->op == OP_sin) return N2(mul, number(g, 2, 1), N2(mul, N1(sin, HALF(l)), N1(cos, HALF(l))));
    return n->op == OP_cos ? N2(sub, ONE_, N2(mul, number(g, 2, 1), SQUARE(N1(sin, HALF(l))))) : n;
  case 8: return n->op == OP_tanh ? N2(sub, N2(mul, number(g, 2, 1), N1(sigmoid, N2(add, l, l))), ONE_) : n;
  case 9: return n->op == OP_sigmoid ? N2(div, ONE_, N2(add, ONE_, N1(exp, N1(neg, l)))) : n;
  case 10: return n->op == OP_softplus ? N1(log, N2(add, ONE_, N1(exp, l))) : n;
  case 11: return N1(log, N1(exp, n));
  case 12: return n->op == OP_mul && r->op == OP_add ? N2(add, N2(mul, l, r->l), N2(mul, l, r->r)) : n;
  case 13: return n->op == OP_div ? N2(mul, l, N2(div, ONE_, r)) : n;
  case 14: return N2(mul, N1(sqrt, N1(exp, b)), N2(mul, n, N1(exp, N1(neg, HALF(b)))));
  case 15: return n->op == OP_abs ? N1(sqrt, SQUARE(l)) : n;
  case 16: return n->op == OP_atan2 ? N2(atan2, N2(mul, l, N1(exp, b)), N2(mul, r, N1(exp, b))) : n;
  case 17: return n->op == OP_sub ? N1(neg, N2(sub, r, l)) : n;
  case 18: return n->op == OP_log ? N2(sub, N1(log, N2(mul, l, N1(exp, b))), b) : n;
  default: return n->op == OP_erf ? N1(neg, N1(erf, N1(neg, l))) : n;
  }
}

/* ---- changes ---- */

static const Node *change(Gen *g, const Node *n) {
  static const Op swap[][2] = {{OP_sin, OP_cos},      {OP_cos, OP_sin},      {OP_add, OP_sub}, {OP_sub, OP_add}, {OP_exp, OP_expm1},
                               {OP_tanh, OP_sigmoid}, {OP_sigmoid, OP_tanh}, {OP_abs, OP_neg}, {OP_mul, OP_add}};
  switch (below(g, 4)) {
  case 0: return N2(mul, n, number(g, 1000001, 1000000));
  case 1: return N2(add, n, N2(mul, number(g, 1, 1000), input(g, below(g, INPUTS))));
  case 2: return n->op == OP_in ? input(g, (uint32_t)(n->k + 1) % INPUTS) : N1(neg, n);
  default:
    for (size_t k = 0; k < sizeof swap / sizeof *swap; k++)
      if (n->op == swap[k][0]) return node(g, swap[k][1], n->l, n->r);
    return N2(sub, n, number(g, 1, 3));
  }
}

/* n with its subexpression number `at`, in prefix order, replaced. */
static const Node *replace(Gen *g, const Node *n, int at, const Node *(*by)(Gen *, const Node *)) {
  if (at == 0) return by(g, n);
  int left = count(n->l);
  bool l = at <= left;
  const Node *a = l ? replace(g, n->l, at - 1, by) : n->l, *b = l || !n->r ? n->r : replace(g, n->r, at - 1 - left, by);
  Node *copy = (Node *)node(g, n->op, a, b);
  copy->k = n->k;
  copy->den = n->den;
  return copy;
}

static const Node *somewhere(Gen *g, const Node *n, const Node *(*by)(Gen *, const Node *)) {
  return replace(g, n, (int)below(g, (uint32_t)count(n)), by);
}

/* ---- tests ---- */

static void start(Gen *g, uint64_t seed) {
  g->n = 0;
  g->s = seed;
}

static FieldAnswer decide(const Node *a, const Node *b, uint64_t seed, FieldReport *r) {
  Fn *f = function(a, seed & 1), *h = function(b, seed & 2);
  FieldAnswer answer = ir_field_equal(f, h, 3, seed, r);
  ir_fn_destroy(f);
  ir_fn_destroy(h);
  return answer;
}

static void test_identities(void) {
  enum { PAIRS = OFTEN(5000), STEPS = 4 };
  int undecided = 0, branched = 0;
  Gen *g = base_realloc(NULL, sizeof *g);
  for (uint64_t seed = 1; seed <= PAIRS; seed++) {
    FieldReport r;
    start(g, seed);
    const Node *a = expression(g, DEPTH), *b = a;
    for (int k = 0; k < STEPS && count(b) < 200; k++) b = somewhere(g, b, identity);
    FieldAnswer answer = decide(a, b, seed, &r);
    CU_ASSERT_NOT_EQUAL(answer, FIELD_DIFFERENT);
    undecided += answer == FIELD_UNDECIDED;
    branched += answer == FIELD_EQUAL && r.branched;
    if (answer == FIELD_EQUAL) CU_ASSERT(r.bits >= FIELD_BITS);
    if (answer == FIELD_DIFFERENT || (getenv("FIELD_VERBOSE") && answer == FIELD_UNDECIDED)) {
      Fn *f = function(a, false), *h = function(b, false);
      printf("\nseed %d: %s\n", (int)seed, r.reason);
      ir_print(stdout, f, NULL);
      ir_print(stdout, h, NULL);
      ir_fn_destroy(f);
      ir_fn_destroy(h);
    }
  }
  base_free(g);
  CU_ASSERT(undecided < PAIRS * 5 / 100);
  printf(" %.2f %% undecided, %.2f %% with signs left out ", 100.0 * undecided / PAIRS, 100.0 * branched / PAIRS);
}

/* Whether they agree to 1e-9 of their size wherever both have values. */
static bool numerically(const Node *a, const Node *b) {
  enum { POINTS = 64 };
  Fn *f = function(a, false), *h = function(b, false);
  Tensor in[INPUTS], x, y;
  char err[80];
  bool same = true;
  for (uint64_t p = 0; p < POINTS; p++) {
    ir_field_point(f, p & ~UINT64_C(4), in);
    bool left = ir_eval(f, FIELD_LANES, in, &x, NULL, err, sizeof err);
    bool right = ir_eval(h, FIELD_LANES, in, &y, NULL, err, sizeof err);
    CU_ASSERT_FATAL(left && right);
    for (int e = 0; e < FIELD_LANES; e++)
      if (isfinite(x.v[e]) && isfinite(y.v[e]) && fabs(x.v[e] - y.v[e]) > 1e-9 * (1 + fabs(x.v[e]))) same = false;
    ir_tensors_free(in, INPUTS);
    ir_tensors_free(&x, 1);
    ir_tensors_free(&y, 1);
  }
  ir_fn_destroy(f);
  ir_fn_destroy(h);
  return same;
}

static void test_changes(void) {
  enum { PAIRS = OFTEN(10000) };
  int got[3] = {0}, wrong = 0;
  Gen *g = base_realloc(NULL, sizeof *g);
  for (uint64_t seed = 1; seed <= PAIRS; seed++) {
    FieldReport r;
    start(g, seed + 1000000);
    const Node *a = expression(g, DEPTH), *b = somewhere(g, a, change);
    if (seed % 2) b = somewhere(g, b, identity);
    FieldAnswer answer = decide(a, b, seed, &r);
    got[answer]++;
    bool lie = answer == FIELD_EQUAL && !numerically(a, b);
    wrong += lie;
    if (lie || (getenv("FIELD_VERBOSE") && answer == FIELD_UNDECIDED)) {
      Fn *f = function(a, false), *h = function(b, false);
      printf("\nchange %d: %s: %g bits, signs %g\n", (int)seed, r.reason, r.bits, r.sign_bits);
      ir_print(stdout, f, NULL);
      ir_print(stdout, h, NULL);
      ir_fn_destroy(f);
      ir_fn_destroy(h);
    }
  }
  base_free(g);
  CU_ASSERT_EQUAL(wrong, 0);
  CU_ASSERT(got[FIELD_UNDECIDED] < PAIRS * 2 / 100);
  printf(" %d equal, %d different, %.2f %% undecided ", got[FIELD_EQUAL], got[FIELD_DIFFERENT],
         100.0 * got[FIELD_UNDECIDED] / PAIRS);
}

const Suite suite = {"random expressions",
                     (CU_TestInfo[]){{"true identities", test_identities}, {"changes", test_changes}, CU_TEST_INFO_NULL}};
