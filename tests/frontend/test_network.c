/* Networks in ONNX files: what the frontend makes of one; and that of a file that is cut off anywhere, or has any byte changed, there is a
 * message, or a model that verifies. The file is made by the writer of codegen/onnx. */
#include "codegen/onnx/proto.h"
#include "frontend/model.h"
#include "ir/base/onnx.h"
#include "tests/common/cunit_main.h"

#include <stdlib.h>
#include <string.h>

/* ---- the file ------------------------------------------------------------------------------------------------------ */

static Proto node(const char *op, const char *const *in, uint32_t n, const char *out) {
  Proto p = {0};
  for (uint32_t k = 0; k < n; k++) onnx_put_text(&p, NODE_INPUT, in[k]);
  onnx_put_text(&p, NODE_OUTPUT, out);
  onnx_put_text(&p, NODE_OP, op);
  return p;
}

static Proto tensor(const char *name, int type, uint32_t rank, const int64_t *dim, const void *raw, size_t size) {
  Proto p = {0};
  for (uint32_t k = 0; k < rank; k++) onnx_put_whole(&p, TENSOR_DIM, dim[k]);
  onnx_put_whole(&p, TENSOR_TYPE, type);
  onnx_put_text(&p, TENSOR_NAME, name);
  onnx_put_bytes(&p, TENSOR_RAW, raw, size);
  return p;
}

static Proto info(const char *name, int64_t n) {
  Proto dim = {0}, batch = {0}, shape = {0}, of = {0}, type = {0}, p = {0};
  onnx_put_text(&batch, DIM_PARAM, "B");
  onnx_put_message(&shape, SHAPE_DIM, &batch);
  onnx_put_whole(&dim, DIM_VALUE, n);
  onnx_put_message(&shape, SHAPE_DIM, &dim);
  onnx_put_whole(&of, TENSOR_ELEM, ONNX_FLOAT);
  onnx_put_message(&of, TENSOR_SHAPE, &shape);
  onnx_put_message(&type, TYPE_TENSOR, &of);
  onnx_put_text(&p, INFO_NAME, name);
  onnx_put_message(&p, INFO_TYPE, &type);
  return p;
}

static void add(Proto *to, int field, Proto inner) { onnx_put_message(to, field, &inner); }

/* y = reshape(tanh(x W + b), [-1, 3]) with W [2, 3]. */
static Proto file(void) {
  static const float w[6] = {1, 2, 3, 4, 5, 6}, b[3] = {0.5f, -0.5f, 0.25f};
  static const int64_t shape[2] = {-1, 3}, two[1] = {2}, three[1] = {3}, matrix[2] = {2, 3};
  Proto graph = {0}, opset = {0}, p = {0};
  add(&graph, GRAPH_NODE, node("MatMul", (const char *const[]){"x", "W"}, 2, "u"));
  add(&graph, GRAPH_NODE, node("Add", (const char *const[]){"u", "b"}, 2, "v"));
  add(&graph, GRAPH_NODE, node("Tanh", (const char *const[]){"v"}, 1, "t"));
  add(&graph, GRAPH_NODE, node("Reshape", (const char *const[]){"t", "s"}, 2, "y"));
  onnx_put_text(&graph, GRAPH_NAME, "g");
  add(&graph, GRAPH_INITIALIZER, tensor("W", ONNX_FLOAT, 2, matrix, w, sizeof w));
  add(&graph, GRAPH_INITIALIZER, tensor("b", ONNX_FLOAT, 1, three, b, sizeof b));
  add(&graph, GRAPH_INITIALIZER, tensor("s", ONNX_INT64, 1, two, shape, sizeof shape));
  add(&graph, GRAPH_INPUT, info("x", 2));
  add(&graph, GRAPH_OUTPUT, info("y", 3));
  onnx_put_whole(&p, MODEL_IR, 8);
  add(&p, MODEL_GRAPH, graph);
  onnx_put_whole(&opset, OPSET_VERSION, 18);
  add(&p, MODEL_OPSET, opset);
  return p;
}

/* ---- reading it ------------------------------------------------------------------------------------------------------ */

typedef struct Loaded {
  Source *src;
  Diag *diag;
  Model *m;
} Loaded;

static const unsigned char *bytes(void *ctx, Arena *mem, const char *path, size_t *size, char *err, size_t errsize) {
  const Proto *p = ctx;
  if (strcmp(path, "f.onnx") != 0) return snprintf(err, errsize, "no such file"), NULL;
  unsigned char *copy = ARENA_ARRAY(mem, unsigned char, p->n + 1);
  if (p->n) memcpy(copy, p->at, p->n);
  *size = p->n;
  return copy;
}

static Loaded load(Proto *p) {
  static const char text[] = "use f = onnx(\"f.onnx\")\n";
  Loaded l = {.src = source_create()};
  FrontOptions o = {.bytes = bytes, .ctx = p};
  l.diag = diag_create(l.src);
  l.m = model_load_text(l.src, "test.hnn", text, sizeof text - 1, &o, l.diag);
  return l;
}

static void unload(Loaded *l) {
  model_destroy(l->m);
  diag_destroy(l->diag);
  source_destroy(l->src);
}

static void test_what_it_is(void) {
  Proto p = file();
  Loaded l = load(&p);
  CU_ASSERT_FATAL(l.m != NULL);
  CU_ASSERT_FATAL(l.m->nparam == 2);
  const Param *w = &l.m->param[0], *b = &l.m->param[1];
  CU_ASSERT_STRING_EQUAL(w->path, "f/W");
  CU_ASSERT_STRING_EQUAL(b->path, "f/b");
  CU_ASSERT(w->type.rank == 2 && w->type.dim[0] == 2 && w->type.dim[1] == 3 && w->values[5] == 6 && b->values[1] == -0.5);
  CU_ASSERT_FATAL(l.m->nexport == 1);
  const Fn *f = l.m->export_[0].fn;
  const Type y = ir_type(f, f->out.at[0]);
  CU_ASSERT(ir_verify(f, stderr) == 0 && y.lane && y.rank == 1 && y.dim[0] == 3);
  char place[64];
  for (uint32_t k = 1; k < f->inst.n; k++) /* places are lines of the listing */
    if (f->inst.at[k].op == OP_tanh)
      CU_ASSERT_STRING_EQUAL(source_where(l.src, f->inst.at[k].at, place, sizeof place), "f.onnx:8:1");
  CU_ASSERT_STRING_EQUAL(source_file(l.src, f->inst.at[f->inst.n - 1].at.file)->name, "f.onnx");
  unload(&l);
  onnx_proto_finish(&p);
}

static void survives(Proto *p) {
  Loaded l = load(p);
  CU_ASSERT((l.m != NULL) == (diag_errors(l.diag) == 0));
  for (uint32_t k = 0; l.m && k < l.m->nexport; k++) CU_ASSERT(ir_verify(l.m->export_[k].fn, stderr) == 0);
  unload(&l);
}

static void test_cut_off(void) {
  Proto p = file();
  for (size_t n = 0; n < p.n; n++) survives(&(Proto){.at = p.at, .n = n});
  onnx_proto_finish(&p);
}

static void test_changed(void) {
  static const unsigned char by[] = {0x01, 0x02, 0x08, 0x80, 0xff, 0x7f};
  Proto p = file();
  for (size_t k = 0; k < p.n; k++)
    for (size_t i = 0; i < sizeof by; i++) {
      p.at[k] ^= by[i];
      survives(&p);
      p.at[k] ^= by[i];
    }
  onnx_proto_finish(&p);
}

const Suite suite = {
  "network",
  (CU_TestInfo[]){{"what it is", test_what_it_is}, {"cut off", test_cut_off}, {"changed", test_changed}, CU_TEST_INFO_NULL}};
