/* Chains that use each value twice, through all passes and the code generator. A walk that looks at a value once for each path
 * to it does not end with TURNS turns (2^40 paths), however fast the machine; nothing here is timed. */
#include "tests/common/codegen_util.h"
#include "passes/passes.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"

#include <stdlib.h>

enum { TURNS = 40 };

typedef enum { DIV, PRODUCT, SUM, POWER, TANH, CHOICE, ROLL, TOTAL, CONDITION, LINKS } Link;
typedef enum { SCALAR, TINY, VECTOR, MATRIX, SHAPES } Shape;

static Type type_of(Shape shape, bool lane) {
  static const uint32_t dim[SHAPES][2] = {[TINY] = {4}, [VECTOR] = {64}, [MATRIX] = {8, 9}};
  return type_real(lane, shape == MATRIX ? 2 : shape != SCALAR, dim[shape]);
}

static Val roll(Build *b, Val z) {
  uint32_t n = ir_type(b->f, z).dim[0];
  return ir_concat(b, (Val[]){ir_slice(b, z, 0, 1, n - 1, 1), ir_slice(b, z, 0, 0, 1, 1)}, 2, 0);
}

static Val linked(Build *b, Link link, Val z, Val x) {
  Val c = ir_const(b, 0.01), one = ir_const(b, 1);
  bool flat = ir_type(b->f, z).rank == 0;
  switch (link) {
  case DIV: return ir_div(b, z, ir_add(b, one, ir_mul(b, z, c)));
  case PRODUCT: return ir_mul(b, z, ir_sub(b, one, z));
  case SUM: return ir_add(b, ir_mul(b, z, c), ir_sub(b, z, x));
  case POWER: return ir_mul(b, ir_pow(b, ir_add(b, ir_mul(b, z, z), one), ir_const(b, -1.5)), z);
  case TANH: return ir_mul(b, ir_tanh(b, z), z);
  case CHOICE: return ir_select(b, ir_lt(b, z, x), ir_mul(b, z, c), ir_max(b, z, x));
  case ROLL: return ir_mul(b, flat ? ir_abs(b, z) : roll(b, z), z);
  case TOTAL: return ir_mul(b, z, flat ? ir_relu(b, z) : ir_sum_all(b, z));
  default: return ir_select(b, ir_and(b, ir_lt(b, z, x), ir_not(b, ir_lt(b, ir_mul(b, z, z), x))), z, x);
  }
}

/* A chain of x; looped: in the body of a loop of two turns. */
static Fn *chain(Link link, Shape shape, bool lane, bool looped, bool gradient) {
  Fn *f = ir_fn_create("chain", FN_F64);
  Build b, in;
  ir_build_init(&b, f);
  Val x = ir_input(&b, "x", lane ? IN_FIELD : IN_PARAM, 0, type_of(shape, lane)), z = gradient ? ir_id(&b, x) : x, from = z;
  if (looped) {
    ir_build_init(&in, ir_sub_create(f, "turn"));
    Val c = ir_input(&in, NULL, IN_OTHER, 0, ir_type(f, x)), y = c;
    for (int k = 0; k < TURNS; k++) y = linked(&in, link, y, c);
    ir_output(&in, y, NULL);
    ir_build_finish(&in);
    z = ir_proj(&b, ir_scan(&b, &z, 1, 2, 1, 0, 0, 0, false, false, in.f), 0);
  }
  for (int k = 0; k < TURNS && !looped; k++) z = linked(&b, link, z, from);
  z = ir_sum_all(&b, z);
  ir_output(&b, gradient ? ir_grad(&b, z, from) : z, "out");
  ir_build_finish(&b);
  return f;
}

static void write_code(const Fn *f, CgForm form, FILE *nowhere) {
  char err[256];
  Cg *cg = cg_create(&(CgOptions){.opt = 1, .form = form}, err, sizeof err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(cg);
  cg_add(cg, f, "f");
  CU_ASSERT(cg_print_llvm(cg, nowhere, err, sizeof err));
  cg_destroy(cg);
}

static void test_chains(void) {
  FILE *nowhere = fopen("/dev/null", "w");
  Source *src = source_create();
  Diag *diag = diag_create(src);
  CU_ASSERT_PTR_NOT_NULL_FATAL(nowhere);
  for (int n = 0; n < LINKS * SHAPES * 8; n += SANITIZED ? 3 : 1) { /* 3: all kinds of each, one in turn */
    bool lane = n & 1, looped = n & 2, gradient = n & 4;
    Fn *f = chain((Link)(n / 8 % LINKS), (Shape)(n / 8 / LINKS), lane, looped, gradient),
       *g = pass_lower(NULL, f, MEMORY_AUTO, NULL, diag);
    Split s;
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    if (pass_split(NULL, g, &s, diag)) pass_split_finish(&s);
    write_code(g, CG_AUTO, nowhere);
    write_code(g, CG_SINGLE, nowhere);
    ir_fn_destroy(f);
    ir_fn_destroy(g);
  }
  diag_destroy(diag);
  source_destroy(src);
  fclose(nowhere);
}

const Suite suite = {"growth", (CU_TestInfo[]){{"chains that use each value twice", test_chains}, CU_TEST_INFO_NULL}};
