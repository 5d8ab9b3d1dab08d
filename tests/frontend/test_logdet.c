/* logdet of flows that do not keep volume: against log|det| of the derived Jacobian (by elimination in C), of the inverse,
 * in a comprehension, and its derivatives by the parameters against differences. */
#include "tests/common/claims_util.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Case {
  const char *name;
  uint32_t least;          /* sizes of x: real[n] from this to 3, or this alone if it is more */
  const char *more, *body; /* what stands before the flow; its statements; @ is n */
  double tolerance;
  bool step; /* the clause is no inverse: only the step is looked at */
} Case;

static const Case cases[] = {
  {"one scale", 1, "", "param s: real = 0\nx *= exp(s)", 1e-12},
  {"scales", 1, "", "param s: real[@] = 0\nx /= exp(tanh(s))\nx *= exp(2*s)", 1e-12},
  {"a scale by others", 2, "import \"std/nets\"\n", "x[0] *= exp(mlp([3], 1)(x[1:])[0])\nx[1:] += x[0]^2\nx[1:] /= exp(sin(x[0]))",
   1e-11},
  {"exp", 1, "", "x = exp(x)  inverse  log(x)", 1e-12},
  {"sinh", 1, "", "x = (exp(x) - exp(-x))/2  inverse  log(x + sqrt(1 + x^2))", 1e-10},
  {"a matrix", 1, "",
   "param a: real[@, @] ~ glorot\nparam d: real[@] = 0\nlet L = tril(a, -1) + diag(exp(d))\nlet U = triu(a, 1) + eye(@)\n"
   "x = L @ (U @ x)  inverse  solve_upper(U, solve_lower(L, x))",
   1e-11},
  {"turned over", 1, "", "x = -3*x  inverse  -x/3", 1e-12},
  {"exchanged", 2, "", "x = roll(x, 1)\nx[0] *= exp(x[1])", 1e-12},
  {"coupled steps", 2, "",
   "x = concat(x[0:1]*exp(x[1]), x[1:])  inverse  concat(x[0:1]*exp(-x[1]), x[1:])\nx[1:] += sin(x[0])\nx = exp(0.3*x)  inverse  "
   "log(x)/0.3",
   1e-11},
  {"another flow", 1, "flow S(x: real[@]) {\nparam s: real[@] = 0\nx *= exp(s)\nx = exp(x/2)  inverse  2*log(x)\n}\n",
   "S(x)\nx += 0.3\nS(x)\ninverse(S)(x)\nx *= exp(0.1)", 1e-11},
  {"parts", 2, "flow S(a: real[1], b: real[1]) {\nparam s: real = 0\na *= exp(s*sin(b))\nb += a^2\n}\n",
   "S(x[0:1], x[1:2])\ninverse(S)(x[1:2], x[0:1])", 1e-10},
  {"of a template", 1, "flow S(t: real)(x: real[@]) {\nx *= exp(t)\nx = t*x  inverse  x/t\nx = exp(x)  inverse  log(x)\n}\n",
   "S(0.3)(x)\nx -= 1\nS(-0.7)(x)\nrepeat 2 { S(1/2)(x) }", 1e-10},
  {"along a field", 1, "fn f(x: real[d]) = sin(x) - x^3/3\n", "evolve x along f for 0.4 steps 40 method gauss6", 1e-8},
  {"along a field, order 16", 1, "fn f(x: real[d]) = sin(x) - x^3/3\n", "evolve x along f for 0.2 steps 4 method gauss16", 1e-11},
  {"along a net", 1, "import \"std/nets\"\nuse rate = mlp([4], @)\nfn f(x: real[@]) = rate(x)\n",
   "evolve x along f for 0.5 steps 30 method gauss6", 1e-8},
  {"along a field in time", 1, "fn f(x: real[d], t: real) = sin(x + t)*x\n",
   "evolve x along f for 0.4 steps 40 method gauss6\nx *= exp(0.2)", 1e-8},
  {"of a Hamiltonian", 2, "hamiltonian H(q: real[1], p: real[1]) = p[0]^2/2 + q[0]^4/4\n",
   "evolve(x[0:1], x[1:2]) under H for 0.3 steps 3 method leapfrog\nx *= exp(tanh(0.2))", 1e-11},
  {"centred", 1, "", "running m = mean_over_batch(x) decay 0.9\nx -= m\nx = exp(x)  inverse  log(x)", 1e-12},
  {"elementwise, many", 9, "", "param a: real[@] = 0\nx = (exp(a)*x + exp(x) - exp(-x))/2 + x*0  inverse  x", 1e-10, true},
  {"autoregressive", 6, "const strict = [[where(j < i, 1, 0) for j in 0:6] for i in 0:6]\n",
   "param w: real[@, @] ~ glorot\nlet m = w*strict\nx = x*exp(tanh(m @ x)) + sin(m @ x)  inverse  x", 1e-10, true},
  {"a masked coupling", 6, "const black = [where(mod(k, 2) == 0, 1, 0) for k in 0:6]\n",
   "param w: real[@, @] ~ glorot\nlet h = tanh(w @ ((1 - black)*x))\nx = x*exp(black*h) + black*sin(w @ h)  inverse  x", 1e-10,
   true},
  {"blocks of several sizes", 6, "",
   "param w: real[@] = 1\nx = concat([x[0]*(2 + sin(x[1])), x[1] + x[0]/4], x[2:4]*exp(w[1:3]*x[3:5]/4), "
   "[x[4] + x[5]^3/5 + x[0]*x[1], x[5] - x[4]/3 + sin(x[2])])  inverse  x",
   1e-10, true},
  {"places changed", 6, "", "x = roll(x + 0.2*sin(x), 2)*exp(x[0]/3)  inverse  x", 1e-10, true},
  {"many pairs", 12, "", "x = concat([x[2*i] + x[2*i + 1]^2/3 for i in 0:6], [x[2*i + 1] + x[2*i]^2/3 for i in 0:6])  inverse  x",
   1e-10, true},
  {"sums of shared parts", 6, "", "param w: real[@] = 1\nlet s = sum(x)\nx = x + w*tanh(s)/8  inverse  x", 1e-10, true},
  {"claimed", 2,
   "volume flow S(x: real[@]) {\nparam a: real[@, @] ~ glorot\nx = (tril(a, -1) + eye(@)) @ x  inverse  solve_lower(tril(a, -1) + "
   "eye(@), x)\n}\n",
   "S(x)\nx *= exp(0.5)\nx = 2*x  inverse  x/2", 1e-12}};
enum { CASES = sizeof cases / sizeof *cases };

static void with_size(Text *t, const char *s, uint32_t n) {
  for (; *s; s++)
    if (*s == '@' && (s[1] == ']' || s[1] == ',' || s[1] == ')')) text_add(t, "%u", n);
    else text_add(t, "%c", *s);
}

static Loaded program(const Case *c, uint32_t n) {
  static Text t;
  t = (Text){.n = 0};
  text_add(&t, "precision f64\n");
  with_size(&t, c->more, n);
  text_add(&t, "flow T(x: real[%u]) {\n", n);
  with_size(&t, c->body, n);
  text_add(&t, "\n}\nfn there(x: real[%u]) = T(x)\nfn J(x: real[%u]) = jacobian(T)(x)\n", n, n);
  text_add(&t, "fn ld(x: real[%u]) = logdet(T)(x)\nfn back(x: real[%u]) = logdet(inverse(T))(T(x))\n", n, n);
  text_add(&t, "fn each(x: real[%u]) = [logdet(T)(k*x/4) for k in 0:5]\nfn alone(x: real[%u]) = logdet(T)(3*x/4)\n", n, n);
  text_add(&t, "fn slope(x: real[%u]) = grad(logdet(T)(x) + sum(x), x)\n", n);
  text_add(
      &t,
      "fn differences(x: real[%u]) = [(logdet(T)(x + eye(%u)[k]/32768) - logdet(T)(x - eye(%u)[k]/32768))*16384 for k in 0:%u]\n",
      n, n, n, n);
  Loaded l = claims_load(t.at, c->step);
  if (!l.m) printf("\n%s\n", t.at), diag_render(l.diag, stdout, false);
  CU_ASSERT_FATAL(l.m != NULL);
  return l;
}

static Values values(const Model *m, const char *name, uint64_t seed) {
  Fn *f = claims_fn(m, name);
  Values v = {0};
  CU_ASSERT_FATAL(f != NULL);
  CU_ASSERT_FATAL(claims_eval(f, seed, &v));
  ir_fn_destroy(f);
  return v;
}

static bool close_to(double a, double b, double tolerance) { return fabs(a - b) <= tolerance * (1 + fabs(a)); }

static int check_points(const Model *m, const Case *c, uint64_t seed) {
  Values j = values(m, "J", seed), ld = values(m, "ld", seed), back = values(m, "back", seed), each = values(m, "each", seed),
         alone = values(m, "alone", seed), slope = values(m, "slope", seed), differences = values(m, "differences", seed);
  int good = 0;
  for (int s = 0; s < POINTS; s++) {
    double got = claims_value(ld.out, 0, s), want = log(fabs(jacobian_det(j.out, s)));
    if (!isfinite(want) || j.largest[s] > 1e4) continue;
    bool same = close_to(want, got, c->tolerance);
    bool inverse = c->step || close_to(-got, claims_value(back.out, 0, s), fmax(1e-9, c->tolerance));
    bool inside = close_to(claims_value(alone.out, 0, s), claims_value(each.out, 3, s), 1e-12);
    for (int64_t e = 0; e < type_count(slope.out->type) && slope.largest[s] < 1e4; e++) {
      double a = claims_value(slope.out, e, s) - 1, b = claims_value(differences.out, e, s);
      CU_ASSERT(close_to(a, b, 1e-5));
      if (!close_to(a, b, 1e-5)) printf("\n%s, sample %d: by x[%lld] %.15g, differences %.15g\n", c->name, s, (long long)e, a, b);
    }
    CU_ASSERT(same && inverse && inside);
    if (!same || !inverse || !inside)
      printf("\n%s, sample %d: logdet %.15g, log|det J| %.15g, of the inverse %.15g; alone %.15g, in a comprehension %.15g\n",
             c->name, s, got, want, claims_value(back.out, 0, s), claims_value(alone.out, 0, s), claims_value(each.out, 3, s));
    good += same && inverse && inside;
  }
  claims_values_free(&j), claims_values_free(&ld), claims_values_free(&back), claims_values_free(&each), claims_values_free(&alone);
  claims_values_free(&slope), claims_values_free(&differences);
  return good;
}

static void test_against_jacobian(void) {
  for (int k = 0; k < CASES; k++)
    for (uint32_t n = cases[k].least; n <= 3 || n == cases[k].least; n++) {
      Loaded l = program(&cases[k], n);
      int good = 0;
      enum { SEEDS = SANITIZED ? 1 : 3, LEAST = 4 * SEEDS };
      for (uint64_t seed = 1; seed <= SEEDS; seed++) good += check_points(l.m, &cases[k], seed);
      CU_ASSERT(good >= LEAST);
      if (good < LEAST) printf("\n%s, n = %u: only %d points\n", cases[k].name, n, good);
      claims_unload(&l);
    }
}

/* ---- derivatives ------------------------------------------------------------------------------------------- */

static const Export *export_named(const Model *m, const char *name) {
  for (uint32_t i = 0; i < m->nexport; i++)
    if (!strcmp(m->export_[i].name, name)) return &m->export_[i];
  return NULL;
}

static Fn *derived(Fn *f) {
  Diag *diag = diag_create(NULL);
  Fn *g = pass_derive(NULL, f, diag);
  diag_destroy(diag);
  ir_fn_destroy(f);
  return g;
}

static bool all_small(const Values *v) {
  for (int s = 0; s < POINTS; s++)
    if (!(v->largest[s] < 1e5)) return false;
  return true;
}

/* d/dp of the weighted sum over the batch against differences; the number of derivatives looked at. */
static int check_parameter(const Fn *mean, uint32_t param, const Tensor *slope, const Case *c) {
  int looked = 0;
  for (int64_t e = 0; e < type_count(slope->type); e++) {
    double d[2];
    for (int side = 0; side < 2; side++) {
      Values v = {0};
      CU_ASSERT_FATAL(claims_eval_at(mean, 5, (Nudge){param, e, side ? 1e-5 : -1e-5}, &v));
      d[side] = v.out[0].v[0];
      claims_values_free(&v);
    }
    double want = (d[1] - d[0]) / 2e-5;
    bool same = close_to(want, slope->v[e], 1e-5);
    CU_ASSERT(same);
    if (!same) printf("\n%s: by parameter %u[%lld]: %.12g, differences %.12g\n", c->name, param, (long long)e, slope->v[e], want);
    looked++;
  }
  return looked;
}

static int check_derivatives(const Model *m, const Case *c) {
  const Export *x = export_named(m, "ld");
  CU_ASSERT_FATAL(x != NULL);
  uint32_t *moved = base_realloc(NULL, sizeof *moved * (m->nparam + 1)), n = 0;
  int looked = 0;
  for (uint32_t i = 0; i < m->nparam; i++)
    if (m->param[i].decay == 0) moved[n++] = i;
  Fn *gradient = n ? derived(pass_gradient(NULL, x->fn, moved, n, NULL, NULL)) : NULL,
     *mean = n ? derived(pass_mean(NULL, x->fn)) : NULL;
  Values v = {0};
  CU_ASSERT_FATAL(!n || (gradient && mean && claims_eval(gradient, 5, &v)));
  for (uint32_t k = 0; k < n && all_small(&v); k++) looked += check_parameter(mean, moved[k], &v.out[1 + k], c);
  if (n) claims_values_free(&v);
  ir_fn_destroy(gradient);
  ir_fn_destroy(mean);
  base_free(moved);
  return looked;
}

static void test_derivatives(void) {
  int looked = 0;
  for (int k = 0; k < CASES; k++)
    for (uint32_t n = cases[k].least; n <= 3 || n == cases[k].least; n++) {
      Loaded l = program(&cases[k], n);
      looked += check_derivatives(l.m, &cases[k]);
      claims_unload(&l);
    }
  CU_ASSERT(looked > 100);
}

const Suite suite = {"logdet", (CU_TestInfo[]){{"against the Jacobian", test_against_jacobian},
                                               {"derivatives by parameters", test_derivatives},
                                               CU_TEST_INFO_NULL}};
