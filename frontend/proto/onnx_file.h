/* An ONNX file as it lies in memory: ModelProto with what a network needs of it, whatever its bytes were. Names are interned; what is
 * no tensor of numbers, and what is larger than it says, is an error with its place. */
#ifndef HNNC_FRONTEND_PROTO_ONNX_FILE_H
#define HNNC_FRONTEND_PROTO_ONNX_FILE_H

#include "ir/abi.h"
#include "ir/base/base.h"

enum {
  ONNX_MOST_RANK = HNN_MAX_RANK + 4, /* axes of size 1 count as none where values are computed */
  ONNX_MOST_ELEMENTS = 1 << 28,
  ONNX_MOST_DEPTH = 8 /* graphs in graphs */
};

/* Numbers, in row order: real of what ONNX has as a float, whole of integers and truth values. */
typedef struct OnnxTensor {
  const char *name;
  int type; /* of ir/base/onnx.h */
  uint32_t rank;
  int64_t dim[ONNX_MOST_RANK], count;
  const double *real;
  const int64_t *whole;
} OnnxTensor;

typedef struct OnnxGraph OnnxGraph;
typedef struct OnnxAttr {
  const char *name;
  int type; /* IS_INT, ... */
  double f;
  int64_t i;
  const char *s;
  const OnnxTensor *t;
  OnnxGraph *g;
  const double *floats;
  const int64_t *ints;
  uint32_t nfloats, nints;
} OnnxAttr;

typedef struct OnnxNode {
  const char *name, *op, *domain; /* "" if unsaid */
  const char **in, **out;         /* "": left out */
  const OnnxAttr *attr;
  uint32_t nin, nout, nattr;
  Span at; /* its line in the listing */
} OnnxNode;

typedef struct OnnxInfo { /* of an input or output */
  const char *name;
  int type;
  bool shaped; /* its axes are known */
  uint32_t rank;
  int64_t dim[ONNX_MOST_RANK];        /* 0: not known, or called */
  const char *called[ONNX_MOST_RANK]; /* NULL: without a name */
  Span at;
} OnnxInfo;

struct OnnxGraph {
  const char *name;
  OnnxNode *node;
  OnnxTensor *weight;
  Span *weight_at;
  OnnxInfo *in, *out;
  uint32_t nnode, nweight, nin, nout;
};

typedef struct OnnxFile {
  const char *producer, *version;
  int64_t opset;
  OnnxGraph graph;
} OnnxFile;

/* Where the reader gets what it is told of. */
typedef struct OnnxSource {
  Arena *mem;
  Interner *names;
  /* The bytes of a file beside it, for weights that lie there; NULL + a message. */
  const unsigned char *(*beside)(void *ctx, const char *name, size_t *size, char *err, size_t errsize);
  void *ctx;
} OnnxSource;

/* NULL, and what is wrong, with the place in the file. */
OnnxFile *onnx_file_read(const OnnxSource *s, const void *bytes, size_t size, char *err, size_t errsize);

#endif
