/* Messages in the wire format of protocol buffers: a message is its fields one after the other, each a varint (number << 3 | kind) and
 * a varint (kind 0), eight bytes (1), a length and so many bytes (2), or four bytes (5). Inner messages are made before outer ones. */
#ifndef HNNC_CODEGEN_ONNX_PROTO_H
#define HNNC_CODEGEN_ONNX_PROTO_H

#include "ir/base/base.h"

typedef struct Proto {
  unsigned char *at;
  size_t n, cap;
} Proto;

void onnx_put_whole(Proto *p, int field, int64_t v);
void onnx_put_bytes(Proto *p, int field, const void *v, size_t n);
void onnx_put_text(Proto *p, int field, const char *text);
void onnx_put_message(Proto *p, int field, Proto *inner); /* empties the inner one */
void onnx_put_raw(Proto *p, const Proto *fields);         /* fields as they are */
void onnx_proto_finish(Proto *p);

#endif
