/* What the files of the room share: a graph that is being written, and how values of the IR stand in it.
 *
 * A value per sample of dims d is a tensor [B, d...], a shared one d. ONNX aligns dims at the right, so a scalar per sample [B] is made
 * [B, 1, ...] where it meets dims. Values of a scan's body are named apart from all others: bodies see what is outside of them.
 * Where a call has several operands that emit, they are locals first: their order is the order in the file. */
#ifndef HNNC_CODEGEN_ONNX_ONNX_PRIV_H
#define HNNC_CODEGEN_ONNX_ONNX_PRIV_H

#include "codegen/onnx/onnx.h"
#include "codegen/onnx/proto.h"
#include "ir/base/onnx.h"

typedef struct Onnx {
  const OnnxModel *m;
  Arena *mem;
  Interner *names;
  Index made;         /* initializers, by name */
  Proto initializers; /* fields of the GraphProto: of the whole model */
  Proto nodes;        /* of the graph that is being written */
  Proto attributes;   /* of the next node */
  const char *batch;  /* the number of samples, int64[1]; NULL: no input is per sample */
  bool batch_read;
  const char *about; /* what the next nodes are called: operator and place */
  uint32_t values, nodes_named;
  bool f64;
} Onnx;

/* A function that is walked. */
typedef struct Scope {
  const Fn *f;
  const char **name;    /* by id */
  const char ***result; /* by id of a MULTI instruction: names of its results */
} Scope;

/* ---- graph.c: nodes and constants ------------------------------------------------------------------------------ */

const char *onnx_fresh(Onnx *o); /* a name that no other value has */
/* Attributes of the node that is emitted next. */
void onnx_attr(Onnx *o, const char *name, int64_t v);
void onnx_attr_list(Onnx *o, const char *name, uint32_t n, const int64_t *v);
void onnx_attr_text(Onnx *o, const char *name, const char *text);
void onnx_attr_graph(Onnx *o, const char *name, Proto *graph); /* empties it */
void onnx_emit(Onnx *o, const char *op, uint32_t nin, const char *const *in, uint32_t nout, const char *const *out);
const char *onnx_node(Onnx *o, const char *op, uint32_t n, const char *const *in); /* with one result: its name */
#define NODE(o, op, ...) \
  onnx_node(o, op, sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *), (const char *const[]){__VA_ARGS__})

const char *onnx_whole(Onnx *o, int64_t v);                     /* int64, of rank 0 */
const char *onnx_wholes(Onnx *o, uint32_t n, const int64_t *v); /* int64[n] */
const char *onnx_real(Onnx *o, double v);                       /* of rank 0, in the model's precision */
const char *onnx_float(Onnx *o, double v);                      /* f32, of rank 0 */
const char *onnx_table(Onnx *o, Type t, const double *v);
void onnx_param(Onnx *o, const char *name, Type t, const void *v);
/* A ValueInfoProto as field `field` of p. */
void onnx_value_info(Onnx *o, Proto *p, int field, const char *name, Type t);
void onnx_value_whole(Proto *p, int field, const char *name, int dt); /* of rank 0 */
int onnx_type(const Onnx *o, Type t);

/* ---- shape.c: tensors in other shapes ------------------------------------------------------------------------------ */

const char *onnx_batch(Onnx *o);
const char *onnx_reshape(Onnx *o, const char *x, Type to);                       /* of the same elements, with the lane of x */
const char *onnx_transpose(Onnx *o, const char *x, uint32_t n, const int *perm); /* of all n axes; x itself if nothing moves */
const char *onnx_unsqueeze(Onnx *o, const char *x, uint32_t n, const int64_t *axes);
const char *onnx_expand(Onnx *o, const char *x, Type t); /* what broadcasts to t */
const char *onnx_spread(Onnx *o, const char *x, Type t); /* a shared value of dims t for each sample */
const char *onnx_reduce(Onnx *o, const char *op, const char *x, uint32_t n, const int64_t *axes, bool keep);
const char *onnx_slice(Onnx *o, const char *x, int64_t axis, int64_t start, int64_t end, int64_t step);
static inline int64_t onnx_axis(Type t, int64_t axis) { return axis + t.lane; }

/* ---- functions.c: the walk ------------------------------------------------------------------------------------------ */

const char *onnx_arg(const Scope *s, const Inst *i, uint32_t k);
/* The same as a tensor that broadcasts to the dims of `to`. */
const char *onnx_wide(Onnx *o, const Scope *s, const Inst *i, uint32_t k, Type to);
/* The nodes of f, whose inputs have these names; out: names of its outputs. */
void onnx_walk(Onnx *o, const Fn *f, const char *const *in, const char **out);

/* ---- rows of operators: table.c, and those that need more than a name ---------------------------------------------- */

typedef const char *OnnxRow(Onnx *o, const Scope *s, const Inst *i);
const char *onnx_row(Onnx *o, const Scope *s, const Inst *i); /* the name of i's value; NULL: i has several */
OnnxRow onnx_dot;                                             /* product.c */
OnnxRow onnx_gather, onnx_scatter;                            /* rows.c */
void onnx_scan(Onnx *o, Scope *s, uint32_t id);               /* loop.c */

#endif
