/* What the files of the reader share. */
#ifndef HNNC_FRONTEND_PROTO_ONNX_PRIV_H
#define HNNC_FRONTEND_PROTO_ONNX_PRIV_H

#include "frontend/proto/onnx_file.h"
#include "frontend/proto/wire.h"

typedef struct Reader {
  const OnnxSource *s;
  const unsigned char *begin;
  char *err; /* "": nothing was wrong so far */
  size_t errsize;
  int depth;
} Reader;

bool onnx_file_fault(Reader *r, const unsigned char *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Whether w was read to its end; if not, that is said. */
bool onnx_file_done(Reader *r, const Wire *w, const char *what);
const char *onnx_file_text(Reader *r, const WireField *f); /* interned; "" where it is no text */
bool onnx_file_tensor(Reader *r, Wire in, OnnxTensor *t);

/* Numbers that a field adds to a list: packed ones all at once. size: bytes of each, 0: varints. */
typedef struct Numbers {
  VEC(uint64_t) at;
} Numbers;
bool onnx_file_numbers(Reader *r, const WireField *f, size_t size, Numbers *n);

#endif
