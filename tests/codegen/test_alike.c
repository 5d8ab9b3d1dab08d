/* Groups that are alike and written once (codegen/gen/gen_outline.c), against the evaluator; that they are written once; and
 * the linker (codegen/object/image.c) on objects that are damaged. */
#include "codegen/object/codegen_priv.h"
#include "codegen/object/image_priv.h"
#include "tests/common/codegen_util.h"
#include "tests/common/cunit_main.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Val input(Build *b, bool lane, int rank, uint32_t a, uint32_t c) {
  return ir_input(b, "x", lane ? IN_FIELD : IN_PARAM, b->f->in.n, type_real(lane, rank, (uint32_t[]){a, c}));
}

static void start(Build *b, bool f64) { ir_build_init(b, ir_fn_create("case", f64)); }

static void check(Build *b, const char *cpu, int64_t B) {
  ir_build_finish(b);
  codegen_check(cpu, b->f, B, (uint64_t)B);
  ir_fn_destroy(b->f);
}

static Val outer(Build *b, Val x, Val y) { return ir_dot(b, x, y, true, (int[]){0}, (int[]){1}, 2, (int[]){0, 1}); }

/* ---- layers ------------------------------------------------------------------------------------------------------- */

/* h -> tanh(W h + c); weight gradients of each layer; `odd`: one layer is another function. */
static void network(Build *b, uint32_t layers, uint32_t width, bool lane, bool odd) {
  Val h = input(b, lane, 1, width, 0);
  for (uint32_t k = 0; k < layers; k++) {
    Val w = input(b, false, 2, width, width), c = input(b, false, 1, width, 0);
    Val y = ir_tanh(b, ir_add(b, ir_mul(b, ir_matmul(b, w, h), ir_const(b, odd && k == layers / 2 ? 0.25 : 0.5)), c));
    if (lane && k % 2) ir_output(b, outer(b, y, h), "dw");
    h = y;
  }
  ir_output(b, h, "h");
}

/* A tiny state: registers between a loop over `width` and the next. */
static Val coupling(Build *b, Val q, Val w, Val v, Val c) {
  Val y = ir_tanh(b, ir_add(b, ir_tanh(b, ir_add(b, ir_matmul(b, w, q), c)), ir_sin(b, c)));
  return ir_matmul(b, v, y);
}

static void flow(Build *b, uint32_t steps, uint32_t d, uint32_t width) {
  Val q = input(b, true, 1, d, 0), p = input(b, true, 1, d, 0);
  for (uint32_t k = 0; k < steps; k++) {
    Val w = input(b, false, 2, width, d), v = input(b, false, 2, d, width), c = input(b, false, 1, width, 0);
    Val moved = ir_add(b, p, coupling(b, q, w, v, c));
    p = ir_neg(b, q), q = moved;
  }
  ir_output(b, q, "q");
  ir_output(b, ir_batch_sum(b, p), "p");
}

/* Products of one sample whose few results are read in registers, by code that is not in their group. */
static void test_products(void) {
  for (int f64 = 0; f64 < 2; f64++)
    for (uint32_t n = 9; n <= 12; n += 3) {
      Build b;
      start(&b, f64);
      Val x = input(&b, true, 1, n, 0), c[4], sum = ir_const(&b, 0);
      for (int k = 0; k < 4; k++) c[k] = ir_matmul(&b, input(&b, false, 2, n, n), k ? ir_sin(&b, c[k - 1]) : x);
      for (uint32_t k = 0; k < 4; k++)
        sum = ir_add(&b, ir_mul(&b, sum, ir_index(&b, c[k], 0, k)), ir_index(&b, c[k], 0, n - 1 - k));
      ir_output(&b, sum, "sum");
      ir_build_finish(&b);
      codegen_check(NULL, b.f, 5, n);
      codegen_check_form(NULL, CG_SINGLE, b.f, 5, n);
      ir_fn_destroy(b.f);
    }
}

static void test_networks(void) {
  for (int k = 0; k < 16; k++) {
    Build b;
    start(&b, k & 1);
    network(&b, k & 2 ? 5 : 3, k & 4 ? 20 : 33, !(k & 8), k & 2);
    check(&b, k % 3 ? NULL : CODEGEN_PLAIN, k & 1 ? 19 : 40);
  }
}

static void test_flows(void) {
  for (int k = 0; k < 12; k++) {
    Build b;
    start(&b, k & 1);
    flow(&b, 6, 1 + (uint32_t)k % 4, k & 2 ? 17 : 32);
    check(&b, k % 3 ? NULL : CODEGEN_PLAIN, 37);
  }
}

/* So many groups that a tile is cut into pieces. */
static void test_long(void) {
  for (int k = 0; k < 2; k++) {
    Build b;
    start(&b, true);
    if (k) flow(&b, 90, 3, 20);
    else network(&b, 90, 20, true, true);
    check(&b, NULL, 21);
  }
}

/* The same inside of a loop: slices of what is around it, carries, sums over turns. */
static void in_loop(uint32_t d, uint32_t width, bool reverse, bool f64) {
  Build b, t;
  start(&b, f64);
  Val arg[8] = {input(&b, true, 1, d, 0),          input(&b, true, 1, width, 0),  input(&b, true, 2, 4, d),
                input(&b, false, 2, 4, width),     input(&b, false, 2, width, d), input(&b, false, 2, d, width),
                input(&b, false, 2, width, width), input(&b, false, 1, width, 0)};
  ir_build_init(&t, ir_sub_create(b.f, "turn"));
  Val q = input(&t, true, 1, d, 0), h = input(&t, true, 1, width, 0), x = input(&t, true, 1, d, 0),
      c = input(&t, false, 1, width, 0);
  Val w = input(&t, false, 2, width, d), v = input(&t, false, 2, d, width), u = input(&t, false, 2, width, width),
      e = input(&t, false, 1, width, 0);
  for (int k = 0; k < 3; k++)
    q = ir_add(&t, q,
               ir_mul(&t, coupling(&t, ir_add(&t, q, x), w, v, k ? c : e), ir_const(&t, 0.0625))); /* rounding grows slowly */
  Val y = h;
  for (int k = 0; k < 3; k++) y = ir_tanh(&t, ir_add(&t, ir_mul(&t, ir_matmul(&t, u, y), ir_const(&t, 0.125)), c));
  ir_output(&t, q, "q");
  ir_output(&t, y, "h");
  ir_output(&t, ir_mul(&t, q, x), "y");
  ir_output(&t, ir_batch_sum(&t, y), "z");
  ir_build_finish(&t);
  Val s = ir_scan(&b, arg, 8, 4, 2, 2, 1, 1, reverse, false, t.f);
  for (uint32_t k = 0; k < 4; k++) ir_output(&b, ir_proj(&b, s, k), "r");
  check(&b, NULL, 26);
}

static void test_loops(void) {
  for (int k = 0; k < 8; k++) in_loop(k & 4 ? 2 : 3, k & 4 ? 40 : 19, k & 2, k & 1);
}

/* ---- written once ---------------------------------------------------------------------------------------------------- */

static uint32_t divisions(uint32_t layers, bool is_flow, CgForm form) {
  char err[256] = "", *text = NULL;
  size_t n;
  Build b;
  Cg *cg = cg_create(&(CgOptions){.cpu = CODEGEN_PLAIN, .opt = 1, .form = form}, err, sizeof err);
  FILE *out = open_memstream(&text, &n);
  uint32_t found = 0;
  start(&b, false);
  if (is_flow) flow(&b, layers, 2, 32);
  else network(&b, layers, 32, true, false);
  ir_build_finish(&b);
  cg_add(cg, b.f, "f");
  CU_ASSERT_TRUE(cg_print_llvm(cg, out, err, sizeof err));
  fclose(out);
  for (const char *p = text; (p = strstr(p, " fdiv ")); p++) found++;
  free(text);
  cg_destroy(cg);
  ir_fn_destroy(b.f);
  return found;
}

static void test_once(void) {
  for (int k = 0; k < 2; k++) {
    CU_ASSERT(divisions(1, k, CG_TILES) > 0);
    CU_ASSERT_EQUAL(divisions(8, k, CG_TILES), divisions(40, k, CG_TILES));
  }
}

/* ---- shares ------------------------------------------------------------------------------------------------------------- */

/* Objects of one function: the first calls what the others define. */
static void test_shares(void) {
  char err[256] = "";
  CgImage *im[8] = {NULL};
  CgObject *object;
  Build b;
  Cg *cg = codegen_start(NULL, NULL);
  start(&b, true);
  flow(&b, 90, 3, 20);
  ir_build_finish(&b);
  cg_add(cg, b.f, "f");
  const uint32_t n = cg_objects(cg, NULL, 0, &object, err, sizeof err) - 1; /* the first is of wrappers */
  CU_ASSERT_FATAL(n > 1 && n < 8);
  for (uint32_t k = n; k-- > 0;) {
    const CgObject *o = &object[k + 1];
    if (!k) CU_ASSERT_PTR_NULL(cg_image_load(o->p, o->n, NULL, err, sizeof err));
    im[k] = cg_image_load(o->p, o->n, im[k + 1], err, sizeof err);
    CU_ASSERT_PTR_NOT_NULL(im[k]);
    base_free(o->p);
  }
  base_free(object[0].p);
  base_free(object);
  CU_ASSERT_PTR_NOT_NULL(cg_image_symbol(im[0], "f"));
  CU_ASSERT_PTR_NULL(cg_image_symbol(im[1], "f"));
  for (uint32_t k = 0; k < n; k++) cg_image_destroy(im[k]);
  cg_destroy(cg);
  ir_fn_destroy(b.f);
}

/* ---- damaged objects --------------------------------------------------------------------------------------------------- */

static size_t make_object(char **p) {
  char path[] = "/tmp/hnnc-object-XXXXXX", err[256] = "";
  Build b;
  Cg *cg = codegen_start(NULL, NULL);
  start(&b, true);
  network(&b, 4, 20, true, false);
  ir_build_finish(&b);
  cg_add(cg, b.f, "f");
  close(mkstemp(path));
  CU_ASSERT_TRUE_FATAL(cg_write_object(cg, path, err, sizeof err));
  FILE *in = fopen(path, "rb");
  CU_ASSERT_PTR_NOT_NULL_FATAL(in);
  *p = base_realloc(NULL, 1 << 20);
  size_t n = fread(*p, 1, 1 << 20, in);
  fclose(in);
  unlink(path);
  cg_destroy(cg);
  ir_fn_destroy(b.f);
  return n;
}

static void test_damage(void) {
  char *object, err[256] = "";
  size_t n = make_object(&object);
  CgImage *im = cg_image_load(object, n, NULL, err, sizeof err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(im);
  CU_ASSERT_PTR_NOT_NULL(cg_image_symbol(im, "f"));
  CU_ASSERT_PTR_NOT_NULL(cg_image_symbol(im, "f_info"));
  CU_ASSERT_PTR_NULL(cg_image_symbol(im, "g"));
  cg_image_destroy(im);
  for (size_t cut = 0; cut < n; cut += 1 + cut / 8) {
    char *part = base_realloc(NULL, cut + 1); /* of its own size: a sanitizer sees what is read beyond it */
    memcpy(part, object, cut);
    CU_ASSERT_PTR_NULL(cg_image_load(part, cut, NULL, err, sizeof err));
    base_free(part);
  }
  for (size_t at = 0; at < n; at += 1 + n / 3000) { /* loads or does not: it is not run */
    object[at] ^= 0x55;
    cg_image_destroy(cg_image_load(object, n, NULL, err, sizeof err));
    object[at] ^= 0x55;
  }
  base_free(object);
}

const Suite suite = {"alike", (CU_TestInfo[]){{"networks", test_networks},
                                              {"flows", test_flows},
                                              {"products", test_products},
                                              {"in pieces", test_long},
                                              {"in loops", test_loops},
                                              {"written once", test_once},
                                              {"shares", test_shares},
                                              {"damaged objects", test_damage},
                                              CU_TEST_INFO_NULL}};
