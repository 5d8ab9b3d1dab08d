/* Reversible steps and symmetric trajectories: the gradient of training with states computed again from the
 * end is the one with states kept; in the finite field where the inverse is exact there. */
#include "codegen/codegen.h"
#include "ir/field/field.h"
#include "tests/common/ops_count.h"
#include "tests/common/codegen_util.h"
#include "tests/common/cunit_main.h"
#include "tests/common/derive_util.h"
#include "tests/common/step_chain.h"
#include "tests/common/often.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 2, MAX_PARAMS = 256 };

static Fn *derived(Fn *loss, Memory memory) {
  uint32_t moved[MAX_PARAMS], n = 0;
  for (uint32_t k = 0; k < loss->in.n; k++)
    if (loss->in.at[k].kind == IN_PARAM && n < MAX_PARAMS) moved[n++] = loss->in.at[k].index;
  Fn *g = pass_gradient(NULL, loss, moved, n, NULL, NULL);
  Diag *diag = diag_create(NULL);
  Fn *d = pass_derive_as(NULL, g, memory, NULL, diag);
  if (!d) {
    diag_render(diag, stdout, false);
    CU_FAIL_FATAL("derive failed");
  }
  CU_ASSERT_EQUAL(ir_verify(d, stdout), 0);
  diag_destroy(diag);
  ir_fn_destroy(g);
  return d;
}

static Fn *derived_of(Fn *loss, Memory memory) /* takes the loss */
{
  Fn *d = derived(loss, memory);
  ir_fn_destroy(loss);
  return d;
}

static double worst(const Fn *a, const Fn *b) {
  Tensor *in = draw_inputs(a, -0.5, 0.5), *x = evaluate(a, in), *y = evaluate(b, in);
  double most = 0;
  for (uint32_t k = 0; k < a->out.n; k++)
    for (size_t j = 0; j < size_of(x[k].type); j++) {
      double d = fabs(x[k].v[j] - y[k].v[j]) / (1 + fabs(x[k].v[j]));
      if (!(d <= most)) most = d;
    }
  free_outputs(a, x);
  free_outputs(b, y);
  free_inputs(in, a->in.n);
  return most;
}

/* Takes the loss. exact: the inverses are, in the field. */
static void check(Fn *loss, bool exact, double tol) {
  FieldReport r = {0};
  Fn *kept = derived(loss, MEMORY_STORED), *again = derived(loss, MEMORY_REVERSIBLE);
  CU_ASSERT_EQUAL(ops_count(kept, OP_barrier), 0);
  CU_ASSERT(ops_count(again, OP_barrier) > 0);
  CU_ASSERT_EQUAL(ops_count(kept, OP_reversible) + ops_count(again, OP_reversible), 0);
  bool good = !exact || ir_field_equal(kept, again, ROUNDS, 7, &r) == FIELD_EQUAL;
  double most = worst(kept, again);
  good = good && most <= tol;
  CU_ASSERT(good);
  if (!good) {
    printf("\n%s, worst %g\n", r.reason, most);
    ir_print(stdout, loss, NULL);
    ir_print(stdout, kept, NULL);
    ir_print(stdout, again, NULL);
  }
  ir_fn_destroy(kept);
  ir_fn_destroy(again);
  ir_fn_destroy(loss);
}

static void test_chains(void) {
  for (int round = 0; round < OFTEN(24); round++) {
    Chain c;
    Val w[3];
    chain_open(&c, 1 + pick(4), 1 + pick(5));
    bool shared = pick(2);
    chain_states(&c);
    chain_weights(&c, w);
    for (uint32_t k = 0, n = 1 + pick(6); k < n; k++) {
      if (!shared && k) chain_weights(&c, w);
      chain_step(&c.b, k ? (StepKind)pick(KINDS) : ADD_NET, (int)pick(2), c.n, c.x, c.context, w);
      if (pick(4) == 0) c.x[0] = ir_id(&c.b, c.x[0]);
    }
    check(chain_close(&c), true, 1e-9);
  }
}

/* ---- steps in bodies ----------------------------------------------------------------------------------------- */

/* A loop over `turns`, its body a chain of steps. With `map`, each turn moves states of its own; else the states
 * are carried through all. peek: the body also reads the states it begins with, which then must be kept. */
static Fn *loop_loss(uint32_t turns, uint32_t steps, bool map, bool peek) {
  Chain c;
  Val w[3], args[6], x[2], v[4], context;
  chain_open(&c, 1 + pick(3), 1 + pick(4));
  c.context = ir_input(&c.b, "c", IN_FIELD, 2, chain_vec(true, c.n));
  for (uint32_t k = 0; k < 2; k++)
    args[k] = ir_input(&c.b, "x", IN_FIELD, k, map ? dims(true, 2, turns, c.n, 0) : chain_vec(true, c.n));
  chain_weights(&c, w);
  if (!map) chain_step(&c.b, ADD_NET, 0, c.n, args, c.context, w); /* what is undone is not an input */
  args[2] = c.context;
  memcpy(args + 3, w, sizeof w);
  Fn *body = ir_sub_create(c.f, "turn");
  Build b;
  ir_build_init(&b, body);
  b.number = b.fold = false;
  for (int k = 0; k < 2; k++) x[k] = ir_input(&b, "x", IN_OTHER, 0, chain_vec(true, c.n));
  context = ir_input(&b, "c", IN_OTHER, 0, chain_vec(true, c.n));
  for (int k = 0; k < 3; k++) v[k] = ir_input(&b, "w", IN_OTHER, 0, ir_type(c.f, w[k]));
  Val before = ir_sum_all(&b, ir_tanh(&b, x[0]));
  for (uint32_t k = 0; k < steps; k++) chain_step(&b, k ? (StepKind)pick(KINDS) : ADD_NET, (int)(k & 1), c.n, x, context, v);
  for (int k = 0; k < 2 && !map; k++) ir_output(&b, x[k], NULL);
  Val y = ir_mul(&b, ir_sum_all(&b, x[0]), ir_sum_all(&b, x[1]));
  ir_output(&b, peek ? ir_add(&b, y, before) : y, NULL);
  ir_build_finish(&b);
  Val loop = ir_scan(&c.b, args, 6, turns, map ? 0 : 2, map ? 2 : 0, 1, 0, !map && pick(2), false, body);
  Val e = ir_sum_all(&c.b, ir_tanh(&c.b, ir_proj(&c.b, loop, map ? 0 : 2)));
  for (uint32_t k = 0; k < 2 && !map; k++) e = ir_add(&c.b, e, ir_sum_all(&c.b, ir_sin(&c.b, ir_proj(&c.b, loop, k))));
  ir_output(&c.b, e, "loss");
  ir_build_finish(&c.b);
  return c.f;
}

static void test_maps(void) {
  for (int round = 0; round < OFTEN(12); round++) check(loop_loss(2 + pick(3), 1 + pick(3), true, pick(2)), true, 1e-9);
}

/* Whether some loop stacks a state: a result of the dims of a state with an axis more. */
static bool stacks(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == OP_proj && ir_inst(f, ir_arg(f, i, 0))->op == OP_scan && i->type.lane && i->type.rank == 2) return true;
    if (i->sub && stacks(ir_body(f, i))) return true;
  }
  return false;
}

static void test_loops(void) {
  for (int round = 0; round < OFTEN(12); round++) {
    bool peek = round % 3 == 0;
    Fn *loss = loop_loss(2 + pick(3), 2 + pick(2), false, peek);
    Fn *kept = derived(loss, MEMORY_STORED), *again = derived(loss, MEMORY_REVERSIBLE);
    CU_ASSERT(stacks(kept));
    CU_ASSERT_EQUAL(stacks(again), peek);
    ir_fn_destroy(kept);
    ir_fn_destroy(again);
    check(loss, true, 1e-9);
  }
}

/* ---- what is not a gradient of training --------------------------------------------------------------------- */

/* A derivative by a state inside of the loss goes through steps: those are kept, the ones before are not. */
static void test_inner_derivative(void) {
  for (int round = 0; round < 6; round++) {
    Chain c;
    Val w[3];
    chain_open(&c, 1 + pick(3), 1 + pick(3));
    chain_states(&c);
    chain_weights(&c, w);
    for (uint32_t k = 0; k < 3; k++) chain_step(&c.b, ADD_NET, (int)(k & 1), c.n, c.x, c.context, w);
    Val q = ir_id(&c.b, c.x[0]), x[2] = {q, c.x[1]};
    for (uint32_t k = 0; k < 2; k++) chain_step(&c.b, ADD_NET, (int)(k & 1), c.n, x, c.context, w);
    Val e = ir_sum_all(&c.b, ir_mul(&c.b, x[0], x[1]));
    c.x[1] = ir_grad(&c.b, e, q);
    check(chain_close(&c), true, 1e-9);
  }
}

/* ---- trajectories ---------------------------------------------------------------------------------------------- */

/* dH/dp, -dH/dq of H = T(p) + V(q) (1 + t), T and V sums of tanh; or of one that does not separate. */
static Fn *rates(Fn *parent, uint32_t n, const Type *inv, bool separable, bool timed) {
  Fn *f = ir_sub_create(parent, "rates");
  Build b;
  Val x[2], w[2];
  ir_build_init(&b, f);
  b.number = b.fold = false;
  for (uint32_t k = 0; k < 2; k++) x[k] = ir_id(&b, ir_input(&b, "x", IN_STATE, k, chain_vec(true, n)));
  Val t = ir_input(&b, "t", IN_OTHER, 0, type_scalar(false));
  for (uint32_t k = 0; k < 2; k++) w[k] = ir_input(&b, "w", IN_OTHER, k, inv[k]);
  Val v = ir_sum_all(&b, ir_tanh(&b, ir_add(&b, ir_matmul(&b, w[0], x[0]), w[1]))), k = ir_sum_all(&b, ir_mul(&b, x[1], x[1]));
  if (timed) v = ir_mul(&b, v, ir_add(&b, t, ir_const(&b, 1)));
  Val h = separable ? ir_add(&b, v, k) : ir_add(&b, k, ir_mul(&b, v, ir_add(&b, k, ir_const(&b, 1))));
  ir_output(&b, ir_grad(&b, h, x[1]), NULL);
  ir_output(&b, ir_neg(&b, ir_grad(&b, h, x[0])), NULL);
  ir_build_finish(&b);
  return f;
}

static Fn *trajectory(Method m, uint32_t steps, uint32_t every, bool timed, bool all) {
  Chain c;
  Val w[2];
  Type inv[2];
  chain_open(&c, 1 + pick(2), 1 + pick(2));
  chain_states(&c);
  inv[0] = dims(false, 2, c.h, c.n, 0);
  inv[1] = chain_vec(false, c.h);
  for (uint32_t k = 0; k < 2; k++) w[k] = ir_input(&c.b, "w", IN_PARAM, k, inv[k]);
  Fn *r = rates(c.f, c.n, inv, ir_method[m].separable, timed);
  Val v = ir_integrate(&c.b, m, c.x, 2, ir_const(&c.b, 0.0625), w, 2, steps, every, r);
  for (uint32_t k = 0; k < 2; k++) {
    Val stack = ir_proj(&c.b, v, k);
    c.x[k] = ir_index(&c.b, stack, 0, steps / every);
    if (all) c.x[k] = ir_add(&c.b, c.x[k], ir_sum(&c.b, ir_tanh(&c.b, stack), 0));
  }
  return chain_close(&c);
}

static void test_trajectories(void) {
  static const Method method[] = {M_LEAPFROG,          M_YOSHIDA4, M_YOSHIDA6, M_YOSHIDA8,
                                  M_IMPLICIT_MIDPOINT, M_GAUSS4,   M_GAUSS6,   M_GAUSS16};
  static const uint32_t every[] = {1, 2, 3, 6};
  for (size_t i = 0; i < sizeof method / sizeof *method; i++)
    for (size_t j = 0; j < 4; j++)
      for (int timed = 0; timed < 2; timed++) {
        bool implicit = !ir_method[method[i]].separable;
        if (implicit && j % 3) continue; /* slow to evaluate */
        if (SANITIZED && (i + j + (size_t)timed) % 4) continue;
        /* with the time, only leapfrog meets the same times from both ends without rounding */
        check(trajectory(method[i], implicit ? every[j] * 2 : 6, every[j], timed, j < 3),
              !implicit && (!timed || method[i] == M_LEAPFROG), 1e-9);
      }
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void test_choice(void) {
  Diag *diag = diag_create(NULL);
  for (int deep = 0; deep < 2; deep++) {
    Fn *loss = trajectory(M_LEAPFROG, deep ? 100000 : 10, 1, false, false),
       *g = pass_gradient(NULL, loss, (uint32_t[]){0, 1}, 2, NULL, NULL);
    MemoryChoice c;
    Fn *d = pass_derive_as(NULL, g, MEMORY_AUTO, &c, diag);
    CU_ASSERT_EQUAL(c.way, deep ? MEMORY_REVERSIBLE : MEMORY_STORED);
    CU_ASSERT(c.bytes > 0);
    CU_ASSERT_EQUAL(stacks(d), !deep);
    ir_fn_destroy(d);
    ir_fn_destroy(g);
    ir_fn_destroy(loss);
  }
  diag_destroy(diag);
}

/* Bytes of scratch of the compiled gradient of a chain whose steps have one set of weights. */
static int64_t scratch(uint32_t depth, uint32_t n, uint32_t h, Memory memory) {
  Chain c;
  Val w[3];
  char err[512];
  chain_open(&c, n, h);
  chain_states(&c);
  chain_weights(&c, w);
  for (uint32_t k = 0; k < depth; k++) chain_step(&c.b, ADD_NET, (int)(k & 1), n, c.x, c.context, w);
  Fn *d = derived_of(chain_close(&c), memory);
  Cg *cg = codegen_start(CODEGEN_PLAIN, NULL);
  FILE *out = tmpfile();
  long long bytes = -1;
  cg_add(cg, d, "f");
  cg_print_kernels(cg, out, NULL, NULL);
  rewind(out);
  while (bytes < 0 && fgets(err, sizeof err, out))
    if (strstr(err, "scratch")) sscanf(strstr(err, "scratch"), "scratch %lld", &bytes);
  fclose(out);
  cg_destroy(cg);
  ir_fn_destroy(d);
  return bytes;
}

static void test_flat(void) {
  const uint32_t deepest = SANITIZED ? 320 : 1000;
  for (uint32_t h = 6; h <= 24; h += 18) { /* tiny values in registers; big ones */
    int64_t kept = scratch(32, h, 2 * h, MEMORY_STORED), deep = scratch(256, h, 2 * h, MEMORY_STORED);
    int64_t again = scratch(32, h, 2 * h, MEMORY_REVERSIBLE);
    CU_ASSERT(h < 12 || deep > 3 * kept);
    CU_ASSERT(again > 0);
    CU_ASSERT_EQUAL(scratch(256, h, 2 * h, MEMORY_REVERSIBLE), again);
    CU_ASSERT_EQUAL(scratch(deepest, h, 2 * h, MEMORY_REVERSIBLE), again);
  }
  /* all in registers: memory between the pieces of the code */
  int64_t some = scratch(256, 2, 8, MEMORY_REVERSIBLE), more = scratch(deepest, 2, 8, MEMORY_REVERSIBLE);
  CU_ASSERT(some > 0 && more < some + some / 4);
}

/* Takes the loss. Compiled code does what the evaluator does; what takes long is compiled for one machine each way. */
static void compiled(Fn *loss, bool both, uint64_t seed) {
  for (int m = 0; m < 2; m++) {
    Fn *d = derived(loss, m ? MEMORY_REVERSIBLE : MEMORY_STORED);
    if (both || m) codegen_check(NULL, d, 11, seed);
    if (both || !m) codegen_check(CODEGEN_PLAIN, d, 11, seed);
    ir_fn_destroy(d);
  }
  ir_fn_destroy(loss);
}

/* deep: the code is cut into pieces; loops among them, whose last carries cross. */
static Fn *mixed(uint32_t depth, uint32_t n, uint32_t h, bool tied, bool loops) {
  Chain c;
  Val w[3];
  chain_open(&c, n, h);
  chain_states(&c);
  chain_weights(&c, w);
  Type inv[2] = {dims(false, 2, h, n, 0), chain_vec(false, h)};
  for (uint32_t k = 0; k < depth; k++) {
    if (!tied) chain_weights(&c, w);
    if (loops && k % 5 == 4) {
      Val v = ir_integrate(&c.b, k & 1 ? M_LEAPFROG : M_IMPLICIT_MIDPOINT, c.x, 2, ir_const(&c.b, 0.0625), w, 2, 2 + (k & 3),
                           2 + (k & 3), rates(c.f, n, inv, k & 1, false));
      for (uint32_t j = 0; j < 2; j++) c.x[j] = ir_index(&c.b, ir_proj(&c.b, v, j), 0, 1);
    } else {
      chain_step(&c.b, k ? (StepKind)(k % KINDS) : ADD_NET, (int)(k & 1), n, c.x, c.context, w);
    }
  }
  return chain_close(&c);
}

static void test_compiled(void) {
  compiled(mixed(5, 2, 4, false, false), true, 1);
  compiled(mixed(5, 14, 17, true, false), true, 2);
  compiled(trajectory(M_LEAPFROG, 6, 6, true, true), true, 3);
  compiled(trajectory(M_GAUSS4, 6, 1, true, true), true, 4);
  if (SANITIZED) return; /* the rest is more of the same, and long */
  compiled(mixed(24, 14, 17, false, true), false, 5);
  compiled(mixed(60, 2, 4, true, true), false, 6);
  compiled(mixed(80, 2, 8, true, false), false, 7);
}

const Suite suite = {"reversible", (CU_TestInfo[]){{"chains of steps", test_chains},
                                                   {"steps in maps", test_maps},
                                                   {"steps in loops", test_loops},
                                                   {"derivatives inside of the loss", test_inner_derivative},
                                                   {"trajectories of symmetric methods", test_trajectories},
                                                   {"the way that is chosen", test_choice},
                                                   {"memory does not grow with depth", test_flat},
                                                   {"compiled", test_compiled},
                                                   CU_TEST_INFO_NULL}};
