/* Nodes, attributes and constants of a graph. */
#include "codegen/onnx/onnx_priv.h"

#include <inttypes.h>
#include <string.h>

/* ---- nodes ------------------------------------------------------------------------------------------------------ */

const char *onnx_fresh(Onnx *o) { return arena_printf(o->mem, "%%%u", ++o->values); }

static Proto attribute(const char *name, int type) {
  Proto p = {0};
  onnx_put_text(&p, ATTR_NAME, name);
  onnx_put_whole(&p, ATTR_TYPE, type);
  return p;
}

void onnx_attr(Onnx *o, const char *name, int64_t v) {
  Proto p = attribute(name, IS_INT);
  onnx_put_whole(&p, ATTR_I, v);
  onnx_put_message(&o->attributes, NODE_ATTRIBUTE, &p);
}

void onnx_attr_list(Onnx *o, const char *name, uint32_t n, const int64_t *v) {
  Proto p = attribute(name, IS_INTS);
  for (uint32_t k = 0; k < n; k++) onnx_put_whole(&p, ATTR_INTS, v[k]);
  onnx_put_message(&o->attributes, NODE_ATTRIBUTE, &p);
}

void onnx_attr_text(Onnx *o, const char *name, const char *text) {
  Proto p = attribute(name, IS_STRING);
  onnx_put_text(&p, ATTR_S, text);
  onnx_put_message(&o->attributes, NODE_ATTRIBUTE, &p);
}

void onnx_attr_graph(Onnx *o, const char *name, Proto *graph) {
  Proto p = attribute(name, IS_GRAPH);
  onnx_put_message(&p, ATTR_G, graph);
  onnx_put_message(&o->attributes, NODE_ATTRIBUTE, &p);
}

void onnx_emit(Onnx *o, const char *op, uint32_t nin, const char *const *in, uint32_t nout, const char *const *out) {
  Proto p = {0};
  for (uint32_t k = 0; k < nin; k++) onnx_put_text(&p, NODE_INPUT, in[k]);
  for (uint32_t k = 0; k < nout; k++) onnx_put_text(&p, NODE_OUTPUT, out[k]);
  onnx_put_text(&p, NODE_NAME, arena_printf(o->mem, "%u %s", ++o->nodes_named, o->about));
  onnx_put_text(&p, NODE_OP, op);
  onnx_put_raw(&p, &o->attributes);
  onnx_proto_finish(&o->attributes);
  onnx_put_message(&o->nodes, GRAPH_NODE, &p);
}

const char *onnx_node(Onnx *o, const char *op, uint32_t n, const char *const *in) {
  const char *out = onnx_fresh(o);
  onnx_emit(o, op, n, in, 1, &out);
  return out;
}

/* ---- constants: each once, under a name that says what it is -------------------------------------------------------- */

static const char *constant(Onnx *o, const char *name, int type, uint32_t rank, const int64_t *dim, const void *raw, size_t size) {
  const char *kept = intern(o->names, name);
  if (index_find(&o->made, index_name(kept))) return kept;
  index_put(&o->made, index_name(kept), 1);
  Proto p = {0};
  for (uint32_t k = 0; k < rank; k++) onnx_put_whole(&p, TENSOR_DIM, dim[k]);
  onnx_put_whole(&p, TENSOR_TYPE, type);
  onnx_put_text(&p, TENSOR_NAME, kept);
  onnx_put_bytes(&p, TENSOR_RAW, raw, size);
  onnx_put_message(&o->initializers, GRAPH_INITIALIZER, &p);
  return kept;
}

const char *onnx_whole(Onnx *o, int64_t v) {
  return constant(o, arena_printf(o->mem, "int64(%" PRId64 ")", v), ONNX_INT64, 0, NULL, &v, sizeof v);
}

const char *onnx_wholes(Onnx *o, uint32_t n, const int64_t *v) {
  enum { NAMED = 64 };
  char name[NAMED * 22 + 16] = "int64[";
  size_t at = strlen(name);
  for (uint32_t k = 0; k < n && n <= NAMED; k++) at += (size_t)sprintf(name + at, k ? ",%" PRId64 : "%" PRId64, v[k]);
  strcpy(name + at, "]");
  const int64_t dim = n;
  return constant(o, n <= NAMED ? name : onnx_fresh(o), ONNX_INT64, 1, &dim, v, n * sizeof *v);
}

const char *onnx_float(Onnx *o, double v) {
  const float x = (float)v;
  return constant(o, arena_printf(o->mem, "f32(%.9g)", base_shown(v)), ONNX_FLOAT, 0, NULL, &x, sizeof x);
}

const char *onnx_real(Onnx *o, double v) {
  if (!o->f64) return onnx_float(o, v);
  return constant(o, arena_printf(o->mem, "f64(%.17g)", base_shown(v)), ONNX_DOUBLE, 0, NULL, &v, sizeof v);
}

int onnx_type(const Onnx *o, Type t) { return t.dt == DT_BOOL ? ONNX_BOOL : o->f64 ? ONNX_DOUBLE : ONNX_FLOAT; }

static const char *tensor(Onnx *o, const char *name, Type t, const void *v) {
  const size_t size = t.dt == DT_BOOL ? 1 : o->f64 ? sizeof(double) : sizeof(float);
  int64_t dim[IR_MAX_RANK];
  for (int k = 0; k < t.rank; k++) dim[k] = t.dim[k];
  return constant(o, name, onnx_type(o, t), t.rank, dim, v, (size_t)type_count(t) * size);
}

const char *onnx_table(Onnx *o, Type t, const double *v) {
  const size_t n = (size_t)type_count(t);
  const char *name = onnx_fresh(o);
  if (t.dt == DT_REAL && o->f64) return tensor(o, name, t, v);
  float *f = base_zeroed(n, sizeof *f);
  bool *truth = (bool *)f;
  for (size_t k = 0; k < n; k++)
    if (t.dt == DT_BOOL) truth[k] = v[k] != 0;
    else f[k] = (float)v[k];
  name = tensor(o, name, t, f);
  base_free(f);
  return name;
}

void onnx_param(Onnx *o, const char *name, Type t, const void *v) { tensor(o, name, t, v); }

/* ---- types ------------------------------------------------------------------------------------------------------------ */

static void value_info(Proto *p, int field, const char *name, int dt, Type t) {
  Proto shape = {0}, of = {0}, type = {0}, info = {0};
  for (int k = -(int)t.lane; k < t.rank; k++) {
    Proto dim = {0};
    if (k < 0) onnx_put_text(&dim, DIM_PARAM, "B");
    else onnx_put_whole(&dim, DIM_VALUE, t.dim[k]);
    onnx_put_message(&shape, SHAPE_DIM, &dim);
  }
  onnx_put_whole(&of, TENSOR_ELEM, dt);
  onnx_put_message(&of, TENSOR_SHAPE, &shape);
  onnx_put_message(&type, TYPE_TENSOR, &of);
  onnx_put_text(&info, INFO_NAME, name);
  onnx_put_message(&info, INFO_TYPE, &type);
  onnx_put_message(p, field, &info);
}

void onnx_value_info(Onnx *o, Proto *p, int field, const char *name, Type t) { value_info(p, field, name, onnx_type(o, t), t); }

void onnx_value_whole(Proto *p, int field, const char *name, int dt) { value_info(p, field, name, dt, (Type){0}); }
