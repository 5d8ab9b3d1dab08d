/* What is asked of a flow at one point is computed once: work counted in gradients of losses, in both ways of keeping states, against
 * losses that ask for one thing alone; and the gradients of both ways are the same. */
#include "tests/common/claims_util.h"
#include "tests/common/cunit_main.h"

#include <math.h>
#include <stdlib.h>

static const char flows[] =
    "import \"std/nets\"\n"
    "flow affine()(a: real[1], b: real[1]) {\nuse n = mlp([24], 2)\na *= exp(n(b)[0:1])\na += n(b)[1:2]\n}\n"
    "flow T(x: real[2]) {\nrepeat 3 {\naffine(x[0:1], x[1:2])\naffine(x[1:2], x[0:1])\n}\n}\n"
    "flow S(x: real[2]) {\nuse v = mlp([24], 2)\nevolve x along v for 1 steps 4 method gauss4\n}\n"
    "data d { yield x = normal(0, 1, 2) }\nuse s = d(count = 4)\n";

static Loaded program(const char *loss) {
  Text t = {0};
  text_add(&t, "%sloss l(x: real[2]) = %s\ntrain l on s { steps = 1 }\n", flows, loss);
  Loaded l = claims_load(t.at, false);
  CU_ASSERT_PTR_NOT_NULL_FATAL(l.m);
  return l;
}

/* The gradient by all parameters. */
static Fn *gradient(const Loaded *l, Memory memory) {
  uint32_t at = 0;
  while (l->m->action[at].kind != DO_TRAIN) at++;
  const Fn *loss = l->m->action[at].train->sum[0].loss;
  uint32_t moved[64], n = 0;
  for (uint32_t k = 0; k < loss->in.n && n < 64; k++)
    if (loss->in.at[k].kind == IN_PARAM) moved[n++] = loss->in.at[k].index;
  const PassJob job = {.fn = loss, .memory = memory, .gradient = true, .moved = moved, .nmoved = n};
  Lowered out;
  CU_ASSERT_TRUE_FATAL(pass_lower_all(NULL, &job, &out, l->diag));
  Fn *g = out.fn;
  out.fn = NULL;
  pass_lowered_finish(&out);
  return g;
}

static int64_t work(const char *loss, Memory memory) {
  Loaded l = program(loss);
  Fn *g = gradient(&l, memory);
  const int64_t n = pass_flops(g).per_sample;
  ir_fn_destroy(g);
  claims_unload(&l);
  return n;
}

static void test_work(void) {
  static const struct {
    const char *alone, *with;
    double most; /* how often the work of the first */
  } row[] = {{"sum(T(x)^2)", "sum(T(x)^2) - logdet(T)(x)", 1.02},
             {"sum(T(x)^2)", "-logdet(T)(x) + sum(T(x)^2)", 1.02},
             {"sum(T(x)^2)", "sum(T(x)^2) + sum(T(x)^4)", 1.02},
             {"sum(inverse(T)(x)^2)", "sum(inverse(T)(x)^2) + logdet(inverse(T))(x)", 1.02},
             {"sum(jacobian(T)(x)^2)", "sum(jacobian(T)(x)^2) + sum(T(x)^2) + logdet(T)(x)", 1.02},
             {"logdet(S)(x)", "sum(S(x)^2) + logdet(S)(x)", 1.02}};
  for (size_t k = 0; k < sizeof row / sizeof *row; k++)
    for (int way = MEMORY_STORED; way <= MEMORY_REVERSIBLE; way++) {
      const int64_t one = work(row[k].alone, way), both = work(row[k].with, way);
      CU_ASSERT(one > 0);
      CU_ASSERT((double)both <= row[k].most * (double)one);
    }
}

/* The stored way and one forward pass: the steps that undo are those that are computed again. */
static void test_undone_once(void) {
  const char *loss = "sum(T(x)^2) - logdet(T)(x)";
  const double kept = (double)work(loss, MEMORY_STORED), again = (double)work(loss, MEMORY_REVERSIBLE);
  CU_ASSERT(again > kept);
  CU_ASSERT(again < 1.37 * kept);
}

static void test_equal(void) {
  static const char *const loss[] = {"sum(T(x)^2) - logdet(T)(x)", "sum(inverse(T)(x)^4) + logdet(inverse(T))(x)",
                                     "logdet(S)(x)*sum(sin(S(x)))", "sum(T(S(x))^2) + logdet(T)(S(x)) + logdet(S)(x)"};
  for (size_t k = 0; k < sizeof loss / sizeof *loss; k++) {
    Loaded l = program(loss[k]);
    Fn *a = gradient(&l, MEMORY_STORED), *b = gradient(&l, MEMORY_REVERSIBLE);
    Values x = {0}, y = {0};
    CU_ASSERT_TRUE_FATAL(claims_eval(a, 1, &x) && claims_eval(b, 1, &y));
    CU_ASSERT_EQUAL_FATAL(x.n, y.n);
    for (uint32_t o = 0; o < x.n; o++)
      for (int64_t e = 0; e < type_count(x.out[o].type); e++)
        CU_ASSERT(fabs(claims_value(&x.out[o], e, 0) - claims_value(&y.out[o], e, 0)) <=
                  1e-6 * (1 + fabs(claims_value(&x.out[o], e, 0))));
    claims_values_free(&x);
    claims_values_free(&y);
    ir_fn_destroy(a);
    ir_fn_destroy(b);
    claims_unload(&l);
  }
}

const Suite suite = {"shared", (CU_TestInfo[]){{"work of what is asked at one point", test_work},
                                               {"undone and computed again at once", test_undone_once},
                                               {"gradients of both ways", test_equal},
                                               CU_TEST_INFO_NULL}};
