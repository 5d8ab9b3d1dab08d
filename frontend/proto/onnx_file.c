/* ModelProto, GraphProto, NodeProto: see onnx_file.h. */
#include "frontend/proto/onnx_priv.h"
#include "ir/base/onnx.h"

#include <stdarg.h>
#include <string.h>

/* ---- what all messages have --------------------------------------------------------------------------------------- */

bool onnx_file_fault(Reader *r, const unsigned char *at, const char *fmt, ...) {
  if (*r->err) return false;
  va_list ap;
  va_start(ap, fmt);
  const int n = vsnprintf(r->err, r->errsize, fmt, ap);
  va_end(ap);
  if (n >= 0 && (size_t)n < r->errsize) snprintf(r->err + n, r->errsize - (size_t)n, " (byte %zu)", (size_t)(at - r->begin));
  return false;
}

bool onnx_file_done(Reader *r, const Wire *w, const char *what) {
  return !w->bad || onnx_file_fault(r, w->at, "%s cannot be read: %s", what, w->bad);
}

/* Names stand in messages: no byte below the blank, and what is no UTF-8 is `?`. */
const char *onnx_file_text(Reader *r, const WireField *f) {
  if (f->kind != WIRE_BYTES) return "";
  const char *from = (const char *)f->in.at;
  const uint32_t n = wire_left(&f->in) < 4096 ? (uint32_t)wire_left(&f->in) : 4096;
  char *text = ARENA_ARRAY(r->s->mem, char, n + 1);
  for (uint32_t k = 0; k < n;) {
    int32_t code;
    const uint32_t bytes = source_char(from, n, k, &code);
    for (uint32_t i = 0; i < bytes; i++) text[k + i] = code < ' ' || code == 127 ? '?' : from[k + i];
    k += bytes;
  }
  return intern(r->s->names, text);
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

static bool read_graph(Reader *r, Wire in, OnnxGraph *g);

static void reals(Reader *r, const Numbers *n, OnnxAttr *a) {
  double *v = ARENA_ARRAY(r->s->mem, double, n->at.n + 1);
  for (uint32_t k = 0; k < n->at.n; k++) {
    const uint32_t bits = (uint32_t)n->at.at[k];
    float x;
    memcpy(&x, &bits, sizeof x);
    v[k] = x;
  }
  a->floats = v, a->nfloats = n->at.n;
}

static void wholes(Reader *r, const Numbers *n, OnnxAttr *a) {
  int64_t *v = ARENA_ARRAY(r->s->mem, int64_t, n->at.n + 1);
  for (uint32_t k = 0; k < n->at.n; k++) v[k] = (int64_t)n->at.at[k];
  a->ints = v, a->nints = n->at.n;
}

static bool attribute_field(Reader *r, const WireField *f, OnnxAttr *a, Numbers *floats, Numbers *ints) {
  const uint32_t bits = (uint32_t)f->whole;
  float x;
  switch (f->number) {
  case ATTR_NAME: return a->name = onnx_file_text(r, f), true;
  case ATTR_TYPE: return a->type = (int)(f->whole & 255), true;
  case ATTR_F: memcpy(&x, &bits, sizeof x); return a->f = x, true;
  case ATTR_I: return a->i = (int64_t)f->whole, true;
  case ATTR_S: return a->s = onnx_file_text(r, f), true;
  case ATTR_FLOATS: return onnx_file_numbers(r, f, 4, floats);
  case ATTR_INTS: return onnx_file_numbers(r, f, 0, ints);
  case ATTR_T: {
    OnnxTensor *t = ARENA_NEW(r->s->mem, OnnxTensor);
    a->t = t;
    return f->kind == WIRE_BYTES && onnx_file_tensor(r, f->in, t);
  }
  case ATTR_G: {
    OnnxGraph *g = ARENA_NEW(r->s->mem, OnnxGraph);
    a->g = g;
    return f->kind == WIRE_BYTES && read_graph(r, f->in, g);
  }
  default: return true;
  }
}

/* Files of before 2017 have no types of attributes: these follow from what is there. */
static void untyped(OnnxAttr *a) {
  if (a->type) return;
  a->type = a->t         ? IS_TENSOR
            : a->g       ? IS_GRAPH
            : a->s       ? IS_STRING
            : a->nfloats ? IS_FLOATS
            : a->nints   ? IS_INTS
            : a->f != 0  ? IS_FLOAT
                         : IS_INT;
}

static bool read_attribute(Reader *r, Wire in, OnnxAttr *a) {
  const unsigned char *at = in.at;
  WireField f;
  Numbers floats = {0}, ints = {0};
  bool good = true;
  *a = (OnnxAttr){.name = ""};
  while (good && wire_next(&in, &f)) good = attribute_field(r, &f, a, &floats, &ints);
  reals(r, &floats, a);
  wholes(r, &ints, a);
  vec_free(&floats.at);
  vec_free(&ints.at);
  untyped(a);
  return good ? onnx_file_done(r, &in, "an attribute") : onnx_file_fault(r, at, "an attribute `%s` cannot be read", a->name);
}

static bool read_node(Reader *r, Wire in, OnnxNode *n) {
  VEC(const char *) from = {0}, to = {0};
  VEC(OnnxAttr) attr = {0};
  WireField f;
  bool good = true;
  *n = (OnnxNode){.name = "", .op = "", .domain = ""};
  while (good && wire_next(&in, &f)) {
    if (f.kind != WIRE_BYTES) continue;
    if (f.number == NODE_INPUT) *vec_push(&from) = onnx_file_text(r, &f);
    if (f.number == NODE_OUTPUT) *vec_push(&to) = onnx_file_text(r, &f);
    if (f.number == NODE_NAME) n->name = onnx_file_text(r, &f);
    if (f.number == NODE_OP) n->op = onnx_file_text(r, &f);
    if (f.number == NODE_DOMAIN) n->domain = onnx_file_text(r, &f);
    if (f.number == NODE_ATTRIBUTE) good = read_attribute(r, f.in, vec_push(&attr));
  }
  good = good && onnx_file_done(r, &in, "a node");
  n->nin = from.n, n->nout = to.n, n->nattr = attr.n;
  n->in = ARENA_ARRAY(r->s->mem, const char *, from.n + 1);
  n->out = ARENA_ARRAY(r->s->mem, const char *, to.n + 1);
  OnnxAttr *kept = ARENA_ARRAY(r->s->mem, OnnxAttr, attr.n + 1);
  if (from.n) memcpy(n->in, from.at, sizeof *from.at * from.n);
  if (to.n) memcpy(n->out, to.at, sizeof *to.at * to.n);
  if (attr.n) memcpy(kept, attr.at, sizeof *attr.at * attr.n);
  n->attr = kept;
  vec_free(&from);
  vec_free(&to);
  vec_free(&attr);
  return good;
}

/* ---- inputs and outputs ----------------------------------------------------------------------------------------------- */

/* The first field of this number that is a message. */
static bool inner(Wire in, int number, Wire *out) {
  WireField f;
  while (wire_next(&in, &f))
    if (f.number == number && f.kind == WIRE_BYTES) return *out = f.in, true;
  return false;
}

static bool read_dim(Reader *r, Wire in, OnnxInfo *x) {
  WireField f;
  const unsigned char *at = in.at;
  if (x->rank == ONNX_MOST_RANK) return onnx_file_fault(r, at, "`%s` has more than %d axes", x->name, ONNX_MOST_RANK);
  while (wire_next(&in, &f)) {
    if (f.number == DIM_VALUE && f.kind == WIRE_VARINT) {
      if (f.whole > ONNX_MOST_ELEMENTS)
        return onnx_file_fault(r, at, "an axis of `%s` has %lld elements", x->name, (long long)f.whole);
      x->dim[x->rank] = (int64_t)f.whole;
    }
    if (f.number == DIM_PARAM) x->called[x->rank] = onnx_file_text(r, &f);
  }
  x->rank++;
  return onnx_file_done(r, &in, "the shape of an input");
}

static bool read_info(Reader *r, Wire in, OnnxInfo *x) {
  WireField f;
  Wire type = {0}, tensor, shape;
  *x = (OnnxInfo){.name = ""};
  while (wire_next(&in, &f)) {
    if (f.number == INFO_NAME) x->name = onnx_file_text(r, &f);
    if (f.number == INFO_TYPE && f.kind == WIRE_BYTES) type = f.in;
  }
  if (!onnx_file_done(r, &in, "an input or output")) return false;
  if (!type.at || !inner(type, TYPE_TENSOR, &tensor)) return true;
  for (Wire t = tensor; wire_next(&t, &f);)
    if (f.number == TENSOR_ELEM && f.kind == WIRE_VARINT) x->type = (int)(f.whole & 255);
  if (!inner(tensor, TENSOR_SHAPE, &shape)) return true;
  x->shaped = true;
  while (wire_next(&shape, &f))
    if (f.number == SHAPE_DIM && f.kind == WIRE_BYTES && !read_dim(r, f.in, x)) return false;
  return onnx_file_done(r, &shape, "a shape");
}

/* ---- graphs ----------------------------------------------------------------------------------------------------------- */

static void count(Wire in, OnnxGraph *g) {
  WireField f;
  while (wire_next(&in, &f)) {
    g->nnode += f.number == GRAPH_NODE;
    g->nweight += f.number == GRAPH_INITIALIZER;
    g->nin += f.number == GRAPH_INPUT;
    g->nout += f.number == GRAPH_OUTPUT;
  }
}

static bool graph_field(Reader *r, const WireField *f, OnnxGraph *g) {
  switch (f->number) {
  case GRAPH_NAME: return g->name = onnx_file_text(r, f), true;
  case GRAPH_NODE: return read_node(r, f->in, &g->node[g->nnode++]);
  case GRAPH_INITIALIZER: return onnx_file_tensor(r, f->in, &g->weight[g->nweight++]);
  case GRAPH_INPUT: return read_info(r, f->in, &g->in[g->nin++]);
  case GRAPH_OUTPUT: return read_info(r, f->in, &g->out[g->nout++]);
  case GRAPH_SPARSE: return onnx_file_fault(r, f->in.at, "sparse weights are not supported");
  default: return true;
  }
}

static bool read_graph(Reader *r, Wire in, OnnxGraph *g) {
  WireField f;
  bool good = true;
  *g = (OnnxGraph){.name = ""};
  if (++r->depth > ONNX_MOST_DEPTH) return onnx_file_fault(r, in.at, "graphs are nested more than %d deep", ONNX_MOST_DEPTH);
  count(in, g);
  g->node = ARENA_ARRAY(r->s->mem, OnnxNode, g->nnode + 1);
  g->weight = ARENA_ARRAY(r->s->mem, OnnxTensor, g->nweight + 1);
  g->weight_at = ARENA_ARRAY(r->s->mem, Span, g->nweight + 1);
  g->in = ARENA_ARRAY(r->s->mem, OnnxInfo, g->nin + 1);
  g->out = ARENA_ARRAY(r->s->mem, OnnxInfo, g->nout + 1);
  g->nnode = g->nweight = g->nin = g->nout = 0;
  while (good && wire_next(&in, &f)) good = f.kind != WIRE_BYTES || graph_field(r, &f, g);
  r->depth--;
  return good && onnx_file_done(r, &in, "the graph");
}

/* ---- the model ---------------------------------------------------------------------------------------------------------- */

static void opset(Reader *r, Wire in, OnnxFile *m) {
  WireField f;
  const char *domain = "";
  int64_t version = 0;
  while (wire_next(&in, &f))
    if (f.number == OPSET_DOMAIN) domain = onnx_file_text(r, &f);
    else if (f.number == OPSET_VERSION && f.kind == WIRE_VARINT) version = (int64_t)f.whole;
  if (!*domain || !strcmp(domain, "ai.onnx")) m->opset = version;
}

static bool model_field(Reader *r, const WireField *f, OnnxFile *m, bool *graph) {
  switch (f->number) {
  case MODEL_PRODUCER: return m->producer = onnx_file_text(r, f), true;
  case MODEL_VERSION: return m->version = onnx_file_text(r, f), true;
  case MODEL_OPSET:
    if (f->kind == WIRE_BYTES) opset(r, f->in, m);
    return true;
  case MODEL_GRAPH: return *graph = true, f->kind == WIRE_BYTES && read_graph(r, f->in, &m->graph);
  default: return true;
  }
}

OnnxFile *onnx_file_read(const OnnxSource *s, const void *bytes, size_t size, char *err, size_t errsize) {
  Wire in = {.at = bytes, .end = (const unsigned char *)bytes + size};
  Reader r = {.s = s, .begin = bytes, .err = err, .errsize = errsize};
  OnnxFile *m = ARENA_NEW(s->mem, OnnxFile);
  WireField f;
  bool graph = false, good = true;
  *err = 0;
  *m = (OnnxFile){.producer = "", .version = "", .opset = 1};
  while (good && wire_next(&in, &f)) good = model_field(&r, &f, m, &graph);
  /* The number of its version stands first. */
  const bool begins = size && *r.begin == (MODEL_IR << 3 | WIRE_VARINT);
  if (good && begins && (in.bad || !graph))
    good = onnx_file_fault(&r, in.end, "it is truncated or damaged: it ends before its graph does");
  good = good && onnx_file_done(&r, &in, "a part of it");
  if (good && !graph) good = onnx_file_fault(&r, in.at, "it contains no graph: it is not an ONNX file");
  if (!good && !*err) snprintf(err, errsize, "it is not an ONNX file");
  return good ? m : NULL;
}
