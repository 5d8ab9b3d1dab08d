/* Of the room alone: a node that is being elaborated, and its operands.
 *
 * An operand has the shape that it has in ONNX. Its value has those axes alone that are longer than 1, in their order: the batch is an axis
 * of 1, and so it costs nothing, nor do the axes of 1 that broadcasting needs. What is known while compiling is a static value:
 * shapes, and all that is computed from them. */
#ifndef HNNC_FRONTEND_ONNX_NODE_PRIV_H
#define HNNC_FRONTEND_ONNX_NODE_PRIV_H

#include "frontend/builtin/builtin.h"
#include "frontend/proto/onnx_file.h"

typedef enum { OPERAND_NONE, OPERAND_REAL, OPERAND_WHOLE, OPERAND_TRUTH } OperandKind; /* none: left out */

typedef struct Operand {
  OperandKind kind;
  uint32_t rank;
  int64_t dim[ONNX_MOST_RANK];
  Value v; /* V_NONE: there are no elements */
} Operand;

typedef struct Node {
  Elab *E;
  const OnnxNode *n;
  Span at, use;         /* the node's line, and where the network is named */
  int64_t opset, batch; /* batch: samples that the file was written for, which are one here; 0: any number */
  const Operand *in;    /* nin of them and then none */
  Operand *out;
  uint32_t nin, nout;
  bool failed; /* an error was said */
} Node;

/* Sets x->out. False after an error, which was said. */
typedef bool NodeRow(Node *x, int op);

/* operand.c */
bool node_error(Node *x, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* false */
Build *node_at(Node *x);
int64_t operand_count(const Operand *o);
Type operand_type(uint32_t rank, const int64_t *dim); /* of the value */
const char *operand_text(Node *x, const Operand *o);  /* "[1, 3]" */
int operand_place(const Operand *o, uint32_t axis);   /* in the value; of an axis of 1 where it would be */
bool operand_known(const Operand *o);
Operand operand_of(OperandKind kind, uint32_t rank, const int64_t *dim, Value v);
Operand operand_wholes(Node *x, const int64_t *v, uint32_t n); /* of one axis */
Operand operand_number(double v);
Operand operand_scalar(OperandKind kind, double v);
Val node_val(Node *x, const Operand *o);        /* a tensor of numbers, truth values as 0 and 1 */
bool node_give(Node *x, uint32_t k, Operand o); /* as result k; false where it is poison */
/* v as an operand of these axes; v has all of them. */
Operand node_squeezed(Node *x, OperandKind kind, uint32_t rank, const int64_t *dim, Val v);
bool node_fits(Node *x, uint32_t rank, const int64_t *dim);
bool node_needs(Node *x, uint32_t n); /* that the first n inputs are there */

/* Attributes. */
const OnnxAttr *node_attr(const Node *x, const char *name);
int64_t node_int(const Node *x, const char *name, int64_t otherwise);
double node_float(const Node *x, const char *name, double otherwise);
const char *node_text(const Node *x, const char *name, const char *otherwise);
bool node_ints(Node *x, const char *name, uint32_t most, int64_t *out, uint32_t *n); /* *n stays where it is not given */

/* Operands that must be known. */
bool node_list(Node *x, uint32_t k, const char *what, uint32_t most, int64_t *out, uint32_t *n);
bool node_number(Node *x, uint32_t k, const char *what, double *out);
bool node_axis(Node *x, int64_t axis, uint32_t rank, uint32_t *out);
/* Axes of input k, or of the attribute in older files; all where none is given. */
bool node_axes(Node *x, uint32_t k, uint32_t rank, bool *in, bool *given);

/* Arithmetic with broadcasting; poison once something failed. */
Operand node_ew1(Node *x, Op op, Operand a);
Operand node_ew2(Node *x, Op op, Operand a, Operand b);
Operand node_select(Node *x, Operand c, Operand a, Operand b);
bool node_broadcast(Node *x, const Operand *a, const Operand *b, uint32_t *rank, int64_t *dim);
Operand node_expand(Node *x, Operand a, uint32_t rank, const int64_t *dim); /* to a shape that it broadcasts to */
Operand node_reshape(Node *x, Operand a, uint32_t rank, const int64_t *dim);
Operand node_reduce(Node *x, Op op, Operand a, const bool *in, bool keep); /* OP_sum, OP_rmax, OP_rmin */
Operand node_mean(Node *x, Operand a, const bool *in);                     /* axes are kept */
/* A function of the language, of a's value and another argument. */
Operand node_call(Node *x, const char *name, Operand a, uint32_t axis, bool keep);

/* shape.c */
Val node_with_axis(Node *x, const Operand *a, uint32_t axis);      /* the value with an axis in it though it be 1 long */
Operand node_transposed(Node *x, Operand a, const uint32_t *perm); /* perm: the axis of a that each of the result is */
Operand node_sliced(Node *x, Operand a, uint32_t axis, int64_t start, int64_t n, int64_t step);
Operand node_taken(Node *x, Operand a, uint32_t axis, const int64_t *index, uint32_t n); /* rows index[0], index[1], ... */
Operand node_joined(Node *x, const Operand *of, uint32_t n, uint32_t axis);
/* Along one axis, as the mode of `Pad`; a negative number takes away. v: what a constant puts there. */
Operand node_padded(Node *x, Operand a, uint32_t axis, int64_t low, int64_t high, const char *mode, double v);
/* constant.c */
Operand operand_tensor(Node *x, const OnnxTensor *t);

/* elementwise.c, shape.c, constant.c, reduce.c, product.c, window.c */
NodeRow node_unary, node_binary, node_many, node_activation, node_compare, node_logic, node_where, node_clip, node_cast,
    node_identity, node_isnan, node_gelu, node_prelu;
NodeRow node_reshape_row, node_flatten, node_transpose, node_squeeze, node_unsqueeze, node_concat, node_split, node_slice,
    node_gather, node_gather_nd, node_gather_elements, node_expand_row, node_tile, node_pad, node_shape, node_constant,
    node_constant_of_shape, node_range, node_trilu, node_space;
NodeRow node_reduction, node_softmax, node_layer_norm, node_batch_norm, node_group_norm, node_arg, node_cumsum;
NodeRow node_matmul, node_gemm, node_einsum;
NodeRow node_conv, node_conv_transpose, node_pool, node_global_pool, node_resize;
/* A sum of products over labels, as einsum: result labels lo. Labels are below 2*ONNX_MOST_RANK + 26. */
Operand node_product(Node *x, Operand a, const int *la, Operand b, const int *lb, const int *lo, uint32_t nlo);

/* table.c */
bool node_row(Node *x); /* by its operator */

#endif
