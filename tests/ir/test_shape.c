/* What the shape rules refuse, each with its message. */
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "tests/common/cunit_main.h"

/* Values: 1 scalar, 2 lane [3], 3 shared [4], 4 lane [3,4], 5 shared [4,4], 6 bool, 7 shared [2,2,2,2,2,2] */
enum { SCALAR = 1, LANE3, VEC4, MAT, SQUARE, FLAG, EIGHT };

#define DIMS(...) \
  (sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)), (uint32_t[]) { __VA_ARGS__ }

static Fn *values(void) {
  Fn *f = ir_fn_create("f", true);
  Build b;
  ir_build_init(&b, f);
  Type flag = type_scalar(false);
  flag.dt = DT_BOOL;
  ir_input(&b, "s", IN_OTHER, 0, type_scalar(false));
  ir_input(&b, "v", IN_OTHER, 0, type_real(true, DIMS(3)));
  ir_input(&b, "w", IN_OTHER, 0, type_real(false, DIMS(4)));
  ir_input(&b, "m", IN_OTHER, 0, type_real(true, DIMS(3, 4)));
  ir_input(&b, "q", IN_OTHER, 0, type_real(false, DIMS(4, 4)));
  ir_input(&b, "c", IN_OTHER, 0, flag);
  ir_input(&b, "z", IN_OTHER, 0, type_real(false, DIMS(2, 2, 2, 2, 2, 2, 1, 1)));
  ir_build_finish(&b);
  return f;
}

/* A body (h: f64, w: f64[4]) -> (h, sum w) */
static Fn *body_of(Fn *f) {
  Fn *g = ir_sub_create(f, "body");
  Build b;
  ir_build_init(&b, g);
  Val h = ir_input(&b, "h", IN_STATE, 0, type_scalar(false)), w = ir_input(&b, "w", IN_OTHER, 0, type_real(false, DIMS(4)));
  ir_output(&b, h, NULL);
  ir_output(&b, ir_sum(&b, w, 0), NULL);
  ir_build_finish(&b);
  return g;
}

typedef struct Bad {
  const char *message;
  Op op;
  uint32_t args[3];
  uint32_t nattr;
  int64_t attr[10];
  bool body;
} Bad;

static const Bad bad[] = {
  {"`add` takes 2 operands, found 1", OP_add, {LANE3}, 0, {0}, false},
  {"`add` needs operands of equal dims or a scalar, found f64[B,3] and f64[4]", OP_add, {LANE3, VEC4}, 0, {0}, false},
  {"`add` needs reals as operand 1, found bool", OP_add, {LANE3, FLAG}, 0, {0}, false},
  {"`tanh` names value %99, which is none", OP_tanh, {99}, 0, {0}, false},
  {"`tanh` takes 0 attributes, found 1", OP_tanh, {SCALAR}, 1, {0}, false},
  {"`tanh` takes no sub-function", OP_tanh, {SCALAR}, 0, {0}, true},
  {"`and` needs bools as operand 1, found f64", OP_and, {FLAG, SCALAR}, 0, {0}, false},
  {"`select` needs bools as operand 0, found f64", OP_select, {SCALAR, SCALAR, SCALAR}, 0, {0}, false},
  {"`select` needs two reals or two bools to choose from", OP_select, {FLAG, SCALAR, FLAG}, 0, {0}, false},
  {"`in` names input 9 of 7", OP_in, {0}, 1, {9}, false},
  {"`table` names table 0 of 0", OP_table, {0}, 1, {0}, false},
  {"`iota` counts 1 to 2147483647 turns, found 0", OP_iota, {0}, 1, {0}, false},
  {"`const` has a negative denominator", OP_const, {0}, 3, {0, 1, -1}, false},
  {"`rand` draws reals per sample", OP_rand, {0}, 2, {0, 0}, false},
  {"`rand` has kinds 0 and 1, found 2", OP_rand, {0}, 2, {2, 0}, false},
  {"`batch_sum` needs a value per sample, found a shared one", OP_batch_sum, {VEC4}, 0, {0}, false},
  {"`batch_mean` needs reals as operand 1, found bool", OP_batch_mean, {SCALAR, FLAG}, 2, {0, 0}, false},
  {"`batch_mean` needs a shared average, found one per sample", OP_batch_mean, {LANE3, LANE3}, 2, {0, 0}, false},
  {"`batch_mean` needs an average with the dims of what is averaged, found f64[4] and f64[B,3]",
   OP_batch_mean,
   {LANE3, VEC4},
   2,
   {0, 0},
   false},
  {"`batch_mean` has a lag of 0 or 1, found 2", OP_batch_mean, {VEC4, VEC4}, 2, {0, 2}, false},
  {"`batch_mean` names parameter -1", OP_batch_mean, {VEC4, VEC4}, 2, {-1, 0}, false},
  {"`reshape` must keep the number of elements, found f64[B,3] to f64[B,2,2]", OP_reshape, {LANE3}, 2, {2, 2}, false},
  {"`reshape` needs dims of at least 1, found 0", OP_reshape, {LANE3}, 1, {0}, false},
  {"`reshape` to rank 9, more than 8", OP_reshape, {EIGHT}, 9, {2, 2, 2, 2, 2, 2, 1, 1, 1}, false},
  {"`transpose` needs 2 axes, found 1", OP_transpose, {MAT}, 1, {0}, false},
  {"`transpose` names axis 1 twice", OP_transpose, {MAT}, 2, {1, 1}, false},
  {"`flip` has no axis 1 in rank 1", OP_flip, {VEC4}, 1, {1}, false},
  {"`expand` to rank 9, more than 8", OP_expand, {EIGHT}, 2, {0, 2}, false},
  {"`expand` has no axis 2 in rank 2", OP_expand, {LANE3}, 2, {2, 2}, false},
  {"`expand` has more than 2^31 elements", OP_expand, {MAT}, 2, {0, INT32_MAX}, false},
  {"`sum` has no axis 0 in rank 0", OP_sum, {SCALAR}, 1, {0}, false},
  {"`rmax` has no axis -1 in rank 1", OP_rmax, {VEC4}, 1, {-1}, false},
  {"`slice` of 2 from 2 by 2 leaves axis 0 of size 4", OP_slice, {VEC4}, 4, {0, 2, 2, 2}, false},
  {"`slice` needs a step of at least 1, found 0", OP_slice, {VEC4}, 4, {0, 0, 2, 0}, false},
  {"`window` of 5 is longer than axis 0 of size 4", OP_window, {VEC4}, 3, {0, 5, 1}, false},
  {"`window` to rank 9, more than 8", OP_window, {EIGHT}, 3, {0, 1, 1}, false},
  {"`window` needs a step of at least 1, found 0", OP_window, {VEC4}, 3, {0, 2, 0}, false},
  {"`unwindow` of 4 stretches of 4 by 1 does not make a size of 8", OP_unwindow, {SQUARE}, 3, {0, 1, 8}, false},
  {"`unwindow` has no axis 0 in rank 0", OP_unwindow, {VEC4}, 3, {0, 1, 8}, false},
  {"`unslice` of 4 from 1 by 1 leaves a size of 4", OP_unslice, {VEC4}, 4, {0, 1, 1, 4}, false},
  {"`concat` needs an operand", OP_concat, {0}, 1, {0}, false},
  {"`concat` along axis 0 needs operands alike in the others, found f64[B,3,4] and f64[4]", OP_concat, {MAT, VEC4}, 1, {0}, false},
  {"`take` index 4 leaves axis 0 of size 4", OP_take, {VEC4}, 2, {0, 4}, false},
  {"`take` needs an index", OP_take, {VEC4}, 1, {0}, false},
  {"`put` needs an index for each of 4, found 1", OP_put, {VEC4}, 3, {0, 9, 1}, false},
  {"`gather` needs rows, found a scalar", OP_gather, {SCALAR, VEC4}, 0, {0}, false},
  {"`gather` needs reals as operand 1, found bool", OP_gather, {VEC4, FLAG}, 0, {0}, false},
  {"`gather` to rank 9, more than 8", OP_gather, {MAT, EIGHT}, 0, {0}, false},
  {"`scatter` needs a row for each index, found f64[B,3] and f64[4]", OP_scatter, {LANE3, VEC4}, 2, {3, 0}, false},
  {"`scatter` needs a size of at least 1, found 0", OP_scatter, {VEC4, VEC4}, 2, {0, 0}, false},
  {"`scatter` over lanes needs both operands per sample", OP_scatter, {VEC4, VEC4}, 2, {3, 1}, false},
  {"`setrow` has a scalar index", OP_setrow, {MAT, VEC4, VEC4}, 0, {0}, false},
  {"`setrow` needs a row of the other, found f64[B,3,4] and f64[B,3]", OP_setrow, {MAT, SCALAR, LANE3}, 0, {0}, false},
  {"`diag` needs a vector, found rank 2", OP_diag, {MAT}, 0, {0}, false},
  {"`diagv` needs a square matrix", OP_diagv, {MAT}, 0, {0}, false},
  {"`tri` needs a matrix, found rank 1", OP_tri, {VEC4}, 2, {0, 0}, false},
  {"`dot` over lanes needs both operands per sample", OP_dot, {LANE3, VEC4}, 7, {1, 1, 1, 0, 1, 0, 1}, false},
  {"`dot` names ranks 2 and 1, found 1 and 1", OP_dot, {LANE3, VEC4}, 3, {0, 2, 1}, false},
  {"`dot` needs equal sizes for label 0, found 3 and 4", OP_dot, {LANE3, VEC4}, 5, {0, 1, 1, 0, 0}, false},
  {"`dot` has label 1 in one list only", OP_dot, {LANE3, VEC4}, 6, {0, 1, 1, 0, 1, 0}, false},
  {"`cauchy` has `weighted` 0 or 1", OP_cauchy, {MAT, MAT, SCALAR}, 6, {2, 1, 1, 0, 0, 0}, false},
  {"`cauchy` needs as many rows of both operands", OP_cauchy, {MAT, VEC4, SCALAR}, 5, {0, 1, 0, 0, 0}, false},
  {"`cauchy` has a shared scalar for its order", OP_cauchy, {MAT, MAT, VEC4}, 6, {0, 1, 1, 0, 0, 0}, false},
  {"`cauchy` names ranks 2 and 1, found 1 and 1", OP_cauchy, {MAT, MAT, SCALAR}, 7, {0, 2, 1, 0, 0, 0, 0}, false},
  {"`dot` names label 0 twice in one list", OP_dot, {SQUARE, VEC4}, 6, {0, 2, 1, 0, 0, 0}, false},
  {"`dot` has labels 0 to 31", OP_dot, {VEC4, VEC4}, 5, {0, 1, 1, 32, 32}, false},
  {"`trisolve` needs a square matrix and as many rows, found f64[4,4] and f64[B,3]",
   OP_trisolve,
   {SQUARE, LANE3},
   2,
   {0, 0},
   false},
  {"`solve` needs factors of a matrix, found f64[4,4]", OP_solve, {SQUARE, LANE3}, 1, {0}, false},
  {"`det` needs factors of a matrix, found f64[4,4]", OP_det, {SQUARE}, 0, {0}, false},
  {"`lu` needs a square matrix, found f64[4]", OP_lu, {VEC4}, 0, {0}, false},
  {"`eigh` needs a square matrix, found f64[4]", OP_eigh, {VEC4}, 0, {0}, false},
  {"`solve` has `trans` 0 or 1", OP_solve, {SQUARE, VEC4}, 1, {2}, false},
  {"`grad` needs a scalar, found f64[4]", OP_grad, {VEC4, SCALAR}, 0, {0}, false},
  {"`jac` has rank 9, more than 8", OP_jac, {VEC4, EIGHT}, 1, {0}, false},
  {"`logjac` needs two vectors of one length, found f64[B,3] by f64[4]", OP_logjac, {LANE3, VEC4}, 0, {0}, false},
  {"`divergence` needs equal dims, found f64[B,3] by f64[4]", OP_divergence, {LANE3, VEC4}, 0, {0}, false},
  {"`proj` needs an op with several results", OP_proj, {VEC4}, 1, {0}, false},
  {"`scan` needs a sub-function", OP_scan, {SCALAR, VEC4}, 7, {4, 1, 0, 0, 0, 0, 0}, false},
  {"`scan` has 3 results, but its body returns 2", OP_scan, {SCALAR, VEC4}, 7, {4, 1, 0, 1, 1, 0, 0}, true},
  {"`scan` has carry 0 of type f64[B,3], but its body takes f64", OP_scan, {LANE3, VEC4}, 7, {4, 1, 0, 1, 0, 0, 0}, true},
  {"`scan` of 5 turns needs a first axis of that size in operand 1", OP_scan, {SCALAR, VEC4}, 7, {5, 1, 1, 1, 0, 0, 0}, true},
  {"`scan` has sequence 1 of type f64, but its body takes f64[4]", OP_scan, {SCALAR, VEC4}, 7, {4, 1, 1, 1, 0, 0, 0}, true},
  {"`scan` of no turns has nothing to stack", OP_scan, {SCALAR, VEC4}, 7, {0, 1, 0, 1, 0, 0, 0}, true},
  {"`scan` to convergence has carries only, or sums while samples need it",
   OP_scan,
   {SCALAR, VEC4},
   7,
   {4, 1, 0, 1, 0, 0, 1},
   true},
  {"`scan` has `reverse` 0 or 1 and `converge` 0, 1 or 2", OP_scan, {SCALAR, VEC4}, 7, {4, 1, 0, 0, 0, 0, 3}, true},
  {"`scan` that goes on while carry 0 is positive needs a real scalar there",
   OP_scan,
   {VEC4, VEC4},
   7,
   {4, 2, 0, 0, 0, 0, 2},
   true},
  {"`scan` carry 1 must keep its type, found f64[4] and then f64", OP_scan, {SCALAR, VEC4}, 7, {4, 2, 0, 0, 0, 0, 0}, true},
  {"`integrate` needs a method of fixed steps, found dopri5", OP_integrate, {SCALAR, VEC4}, 4, {M_DOPRI5, 1, 10, 1}, true},
  {"`integrate` has 1 states, but 2 rates", OP_integrate, {SCALAR, SCALAR}, 4, {M_RK4, 1, 10, 1}, true},
  {"`reversible` has state 1 of type f64, but its body takes f64[4]", OP_reversible, {SCALAR, 0}, 1, {1}, true},
  {"`reversible` has 3 states, found 2 operands", OP_reversible, {SCALAR, VEC4}, 1, {3}, true},
  {"`root` needs a vector", OP_root, {SCALAR, VEC4}, 0, {0}, true},
  {"`root` has 3 operands, but its body takes 2", OP_root, {VEC4, SCALAR, SCALAR}, 0, {0}, true},
  {"`root` has operand 0 of type f64[4], but its body takes f64", OP_root, {VEC4, VEC4}, 0, {0}, true},
  {"`barrier` of a shared value waits for none per sample", OP_barrier, {VEC4, LANE3}, 0, {0}, false},
  {"`barrier` needs a real value", OP_barrier, {0}, 0, {0}, false},
  {"`ode` needs a positive tolerance", OP_ode, {SCALAR, VEC4}, 8, {M_DOPRI5, 1, 0, 0, 1, 1, 0, 0}, true},
  {"`ode` needs a vector of times, operand 1", OP_ode, {SCALAR, MAT}, 8, {M_DOPRI5, 1, 1, 1, 1, 1, 0, 0}, true},
  {"`ode` with times per sample needs states per sample", OP_ode, {SCALAR, LANE3}, 8, {M_DOPRI5, 1, 1, 1, 1, 1, 0, 0}, true},
  {"`ode` needs a number of steps", OP_ode, {SCALAR, VEC4}, 8, {M_DOPRI5, 1, 1, 1, 0, 1, 0, 0}, true},
  {"`ode` watches 1 ... 1 states", OP_ode, {SCALAR, VEC4}, 8, {M_DOPRI5, 1, 1, 1, 1, 2, 0, 0}, true},
  {"`require` quotes a scalar", OP_require, {FLAG, VEC4}, 2, {CAUSE_NO_CROSSING, 5}, false},
  {"`require` has a cause and what it is about", OP_require, {FLAG, SCALAR}, 2, {CAUSE_NOT_CONVERGED, M_count}, false},
};

static void test_refusals(void) {
  Fn *f = values(), *body = body_of(f);
  for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
    const Bad *t = &bad[k];
    Val args[3];
    uint32_t n = 0;
    char err[256];
    while (n < 3 && t->args[n]) args[n] = (Val){t->args[n]}, n++;
    Type type = type_scalar(false);
    bool ok = ir_infer(f, t->op, args, n, t->attr, t->nattr, t->body ? body : NULL, &type, err, sizeof err);
    CU_ASSERT_FALSE(ok);
    if (strcmp(err, t->message)) fprintf(stderr, "want: %s\nhave: %s\n", t->message, err);
    CU_ASSERT_STRING_EQUAL(err, t->message);
  }
  ir_fn_destroy(f);
}

static void test_results(void) {
  Fn *f = values();
  Build b;
  char text[64];
  ir_build_init(&b, f);
  Val scan = ir_scan(&b, (Val[]){{SCALAR}, {VEC4}}, 2, 9, 1, 0, 1, 0, false, false, body_of(f));
  CU_ASSERT_EQUAL(ir_type(f, scan).dt, DT_MULTI);
  CU_ASSERT_EQUAL(ir_result_count(f, ir_inst(f, scan)), 2);
  CU_ASSERT_STRING_EQUAL(type_text(ir_type(f, ir_proj(&b, scan, 0)), true, text, sizeof text), "f64");
  CU_ASSERT_STRING_EQUAL(type_text(ir_type(f, ir_proj(&b, scan, 1)), true, text, sizeof text), "f64[9]");
  Type t;
  CU_ASSERT_FALSE(ir_result_type(f, ir_inst(f, scan), 2, &t));
  Val g = ir_grad(&b, ir_sum(&b, (Val){LANE3}, 0), (Val){VEC4});
  CU_ASSERT_STRING_EQUAL(type_text(ir_type(f, g), true, text, sizeof text), "f64[B,4]");
  Val j = ir_jac(&b, (Val){VEC4}, (Val){LANE3});
  CU_ASSERT_STRING_EQUAL(type_text(ir_type(f, j), true, text, sizeof text), "f64[B,4,3]");
  ir_build_finish(&b);
  ir_fn_destroy(f);
}

const Suite suite = {"shape", (CU_TestInfo[]){{"refusals", test_refusals}, {"results", test_results}, CU_TEST_INFO_NULL}};
