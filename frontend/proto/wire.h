/* Reading messages in the wire format of protocol buffers (what it is: codegen/onnx/proto.h). The bytes may be anything: nothing is read
 * beyond the end, and what is no message sets `bad`, after which there are no more fields. */
#ifndef HNNC_FRONTEND_PROTO_WIRE_H
#define HNNC_FRONTEND_PROTO_WIRE_H

#include "ir/base/base.h"

typedef struct Wire {
  const unsigned char *at, *end;
  const char *bad; /* what is wrong, at `at`; NULL: nothing */
} Wire;

enum { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 5 };
typedef struct WireField {
  int number, kind;
  uint64_t whole; /* WIRE_VARINT; the bits of WIRE_64 and WIRE_32 */
  Wire in;        /* WIRE_BYTES */
} WireField;

bool wire_next(Wire *w, WireField *f);    /* false: there are no more */
bool wire_varint(Wire *w, uint64_t *out); /* of packed ones */
static inline size_t wire_left(const Wire *w) { return (size_t)(w->end - w->at); }

#endif
