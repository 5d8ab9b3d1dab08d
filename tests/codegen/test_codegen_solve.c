/* Compiled functions against the evaluator: dense linear systems, and loops that go on while some sample needs it. */
#include "tests/common/codegen_case.h"
#include "tests/common/random_fn.h"
#include "tests/common/cunit_main.h"

#include <stdlib.h>
#include <string.h>

/* Turns of each sample's own number, with none for some tiles: what is carried comes out as it came in. */
static void test_while(void) {
  for (uint32_t n = 1; n < 30; n += 13)
    for (int f64 = 0; f64 < 2; f64++)
      for (int way = 0; way < 4; way++) {
        Build b, t;
        start(&b, f64);
        Val a = input(&b, true, 1, n, 0, 0), c = input(&b, way & 1, 0, 0, 0, 0);
        Val first = way & 2 ? c : ir_sub(&b, ir_mul(&b, c, c), ir_const(&b, 9));
        ir_build_init(&t, ir_sub_create(b.f, "turn"));
        Val s = input(&t, way & 1, 0, 0, 0, 0), x = input(&t, true, 1, n, 0, 0), y = input(&t, true, 1, n, 0, 0);
        Val on = ir_lt(&t, ir_const(&t, 0), s);
        ir_output(&t, ir_select(&t, on, ir_sub(&t, s, ir_const(&t, 0.25)), s), "s");
        ir_output(&t, ir_select(&t, on, ir_add(&t, ir_sin(&t, x), y), x), "x");
        ir_output(&t, ir_select(&t, on, ir_cos(&t, x), y), "y");
        ir_build_finish(&t);
        Val r = ir_scan(&b, (Val[]){first, a, ir_neg(&b, a)}, 3, 20, 3, 0, 0, 0, false, 2, t.f);
        for (uint32_t k = 0; k < 3; k++) ir_output(&b, ir_proj(&b, r, k), "result");
        finish(&b, NULL, 21);
      }
}

/* Matrices whose pivots stand below the diagonal, each sample's in another place. */
static void test_solve(void) {
  for (uint32_t n = 1; n < 20; n += n < 6 ? 1 : 6)
    for (int f64 = 0; f64 < 2; f64++)
      for (int way = 0; way < 4; way++) {
        Build b;
        start(&b, f64);
        Val x = input(&b, way & 1, 2, n, n, 0), y = input(&b, way & 2, 2, n, 3, 0), v = input(&b, true, 1, n, 0, 0);
        uint32_t index[20];
        for (uint32_t k = 0; k < n; k++) index[k] = (k * 5 + 1) % n;
        if (n % 5 == 0)
          for (uint32_t k = 0; k < n; k++) index[k] = n - 1 - k;
        Val eye = ir_diag(&b, ir_expand_to(&b, ir_const(&b, n), type_real(false, 1, &n)));
        Val a = ir_take(&b, ir_add(&b, x, ir_take(&b, eye, 0, index, n)), 0, index, n);
        for (int k = 0; k < 2; k++) {
          ir_output(&b, ir_solve(&b, a, y, k), "columns");
          ir_output(&b, ir_solve(&b, a, v, k), "vector");
        }
        finish(&b, NULL, 17);
      }
}

/* Symmetric matrices, positive definite, their eigenvalues apart; the upper triangle is another one's. */
static void test_symmetric(void) {
  for (uint32_t n = 1; n < 20; n += n < 6 ? 1 : 6)
    for (int f64 = 0; f64 < 2; f64++)
      for (int lane = 0; lane < 2; lane++) {
        Build b;
        start(&b, f64);
        Val x = input(&b, lane, 2, n, n, 0);
        double apart[20];
        for (uint32_t k = 0; k < n; k++) apart[k] = 2 * n * (1 + (k * 7 + 3) % n);
        Val a = ir_add(&b, ir_sin(&b, x), ir_diag(&b, ir_table(&b, type_real(false, 1, &n), apart))), e = ir_eigh(&b, a);
        ir_output(&b, ir_cholesky(&b, a), "cholesky");
        ir_output(&b, ir_index(&b, e, 0, n), "values");
        ir_output(&b, ir_slice(&b, e, 0, 0, n, 1), "vectors");
        ir_output(&b, ir_det(&b, ir_lu(&b, ir_mul(&b, a, ir_const(&b, 0.5 / n)))), "det");
        ir_output(&b, ir_logdet(&b, ir_lu(&b, a)), "logdet");
        finish(&b, NULL, 17);
      }
}

const Suite suite = {"codegen solve", (CU_TestInfo[]){{"linear systems", test_solve},
                                                      {"symmetric matrices", test_symmetric},
                                                      {"loops that may have no turn", test_while},
                                                      CU_TEST_INFO_NULL}};
