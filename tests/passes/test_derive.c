/* Differentiation: every op against differences, reverse against forward mode. */
#include "tests/common/cunit_main.h"
#include "tests/common/derive_cases.h"
#include "tests/common/derive_util.h"

#include <math.h>
#include <stdlib.h>

enum { B = SAMPLES };

/* ---- elementwise ops --------------------------------------------------------------------------------------- */

static void check_partial(Op op, double sign) {
  for (int shape = 0; shape < 6; shape++) {
    Fn *f = ir_fn_create(ir_op[op].name, true);
    Build b;
    ir_build_init(&b, f);
    Val x[2];
    Type vec = dims(shape & 1, 1, 2, 0, 0), other = shape < 2 ? vec : dims(!(shape & 1), shape < 4, 2, 0, 0);
    x[0] = input(&b, vec);
    if (ir_op[op].arity == 2) x[1] = input(&b, other);
    for (int k = 0; k < ir_op[op].arity; k++) {
      x[k] = sign < 0 ? ir_neg(&b, x[k]) : x[k];
      if (op == OP_acosh) x[k] = ir_add(&b, x[k], ir_const(&b, 1)); /* into its domain */
    }
    Val y = ir_emit(&b, op, x, (uint32_t)ir_op[op].arity, NULL, 0, NULL);
    ir_output(&b, to_scalar(&b, y), NULL);
    ir_build_finish(&b);
    check_gradient(f, 0.3, 0.85, 1e-8);
  }
}

static void test_partials(void) {
  int n = 0;
  for (int op = 1; op < OP_count; op++) {
    if (ir_op[op].cls != OPC_EW1 && ir_op[op].cls != OPC_EW2) continue;
    if (op == OP_stop || op == OP_fixed) continue; /* differences see through it */
    n++;
    check_partial(op, 1);
    if (isfinite(ir_eval_scalar(op, -0.7, -0.4))) check_partial(op, -1);
  }
  CU_ASSERT(n >= 24);
}

/* d/dx x stop(x^2) = x^2, in whatever order it is taken. */
static void test_stop(void) {
  for (int way = 0; way < 3; way++) {
    Fn *f = ir_fn_create("stop", true);
    Build b;
    ir_build_init(&b, f);
    Val x = ir_id(&b, input(&b, dims(true, 1, 1, 0, 0))), y = ir_mul(&b, x, ir_stop(&b, ir_mul(&b, x, x)));
    Val e = ir_reshape(&b, y, 0, NULL), one = way == 1 ? ir_reshape(&b, ir_jac(&b, y, x), 1, (uint32_t[]){1}) : ir_grad(&b, e, x);
    if (way == 2) one = ir_grad(&b, ir_reshape(&b, one, 0, NULL), x);
    ir_output(&b, one, NULL);
    ir_build_finish(&b);
    Fn *g = pass_lower(NULL, f, MEMORY_STORED, NULL, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    bool left = false;
    for (uint32_t id = 1; id < g->inst.n; id++) left |= g->inst.at[id].op == OP_stop;
    CU_ASSERT(!left);
    double v[] = {0.5, -3};
    Tensor in = {type_real(true, 1, (uint32_t[]){1}), v}, out = {0};
    char err[100];
    CU_ASSERT_FATAL(ir_eval(g, 2, &in, &out, NULL, err, sizeof err));
    for (int s = 0; s < 2; s++) CU_ASSERT_EQUAL(out.v[s], way == 2 ? 0 : v[s] * v[s]);
    ir_tensors_free(&out, 1);
    ir_fn_destroy(f), ir_fn_destroy(g);
  }
}

/* ---- structural ops ------------------------------------------------------------------------------------------ */

static void test_structural(void) {
  bool seen[OP_count] = {0};
  for (int k = 0; k < derive_ncases; k++) {
    seen[derive_cases[k].op] = true;
    for (int lanes = 0; lanes < 4 && derive_cases[k].make; lanes++)
      check_gradient(derive_case(derive_cases[k].make, lanes, true), 0.2, 1.0, 1e-8);
  }
  for (int op = 1; op < OP_count; op++)
    if (ir_op[op].cls == OPC_STRUCT) CU_ASSERT_FATAL(seen[op]);
}

static void test_transposed(void) {
  for (int k = 0; k < derive_ncases; k++)
    for (int lanes = 0; lanes < 4 && derive_cases[k].make; lanes++) {
      Fn *f = derive_case(derive_cases[k].make, lanes, true);
      check_transposed(f);
      ir_fn_destroy(f);
    }
}

const Suite suite = {"derive", (CU_TestInfo[]){{"partials of elementwise ops", test_partials},
                                               {"what is constant to derivatives", test_stop},
                                               {"structural ops against differences", test_structural},
                                               {"reverse mode is the transpose of forward mode", test_transposed},
                                               CU_TEST_INFO_NULL}};
