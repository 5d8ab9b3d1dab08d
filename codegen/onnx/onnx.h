#ifndef HNNC_CODEGEN_ONNX_ONNX_H
#define HNNC_CODEGEN_ONNX_ONNX_H

#include "ir/ir.h"

typedef struct OnnxEntry {
  const char *key, *value;
} OnnxEntry;

/* A function as an ONNX model at opset 18. Fields are the inputs of the graph, parameters initializers, outputs of f its outputs, under
 * outname; what weighs samples is 1/B for each. The axis of samples is the first one, `B`. */
typedef struct OnnxModel {
  const Fn *fn; /* lowered, without the operators that onnx_lacks; fields are per sample, no two of one name, none an output's */
  const char *name, *version;
  const void *const *param; /* by number, in the function's precision */
  const OnnxEntry *entry;   /* its metadata */
  uint32_t nentry;
  const Source *src;
} OnnxModel;

enum { ONNX_OPSET = 18 };

/* Whether there is no operator of ONNX for op, or onnxruntime has none in this precision: it must be put in terms of others first. */
bool onnx_lacks(Op op, bool f64);
/* Why there is no way to put a lowered function in ONNX, and where it stands; NULL: there is one. */
const char *onnx_refused(const Fn *f, Span *at);
/* How many bytes were written; 0 after an error in diag. */
size_t onnx_write(FILE *out, const OnnxModel *m, Diag *diag);

#endif
