/* Of net.c, load.c and graph.c: an instance of a file's graph. */
#ifndef HNNC_FRONTEND_ONNX_NET_PRIV_H
#define HNNC_FRONTEND_ONNX_NET_PRIV_H

#include "frontend/onnx/node_priv.h"
#include "frontend/onnx/onnx.h"

typedef struct OnnxLoaded { /* of Elab: files that were read, or could not be */
  struct OnnxLoaded *next;
  const char *path;
  OnnxFile *file; /* NULL: an error was said */
} OnnxLoaded;

typedef struct OnnxInput {
  const OnnxInfo *info;
  int64_t dim[ONNX_MOST_RANK];
  int batch; /* the axis of the samples, 1 long here; -1: none */
} OnnxInput;

typedef struct OnnxNet {
  const OnnxFile *file;
  Span use;
  OnnxInput *in;
  uint32_t nin;
  const char **param;     /* by weight: its name in paths; NULL: a constant */
  bool batched;           /* inputs have an axis of samples */
  const char *batch_name; /* what it is called, or NULL */
  int64_t batch;          /* the number of samples that the file was written for; 0: any */
} OnnxNet;

OnnxFile *onnx_net_file(Elab *E, const char *given, Span at);
/* Which weights are parameters, and what they are called; learned: those that are though they be scalars. */
void onnx_net_weights(Elab *E, OnnxNet *n, const char *const *learned, uint32_t nlearned);

/* A graph that is being elaborated: what its names are so far. */
typedef struct Walk Walk;
void onnx_walk_define(Walk *w, const char *name, Operand o);
bool onnx_walk_find(Walk *w, const char *name, Operand *out);    /* false: nothing has this name. Poison after an error */
bool onnx_walk_graph(Walk *w, const OnnxGraph *g, Operand *out); /* its inputs are defined. False after an error */
/* control.c: nodes that have graphs, If, Loop and Scan, written out turn by turn. */
bool onnx_control(const OnnxNode *n);
bool onnx_control_run(Walk *w, Node *x);

/* Operands of the graph's outputs. False after an error. */
bool onnx_graph_run(Elab *E, const OnnxNet *n, const Operand *in, Operand *out);

#endif
