/* Writing messages; see proto.h. */
#include "codegen/onnx/proto.h"

#include <string.h>

static void put(Proto *p, const void *v, size_t n) {
  if (p->n + n > p->cap) p->at = base_realloc(p->at, p->cap = 2 * (p->n + n));
  if (n) memcpy(p->at + p->n, v, n);
  p->n += n;
}

static void varint(Proto *p, uint64_t v) {
  unsigned char text[10];
  size_t n = 0;
  do text[n++] = (unsigned char)((v & 127) | (v > 127 ? 128 : 0));
  while (v >>= 7);
  put(p, text, n);
}

void onnx_put_whole(Proto *p, int field, int64_t v) {
  varint(p, (uint64_t)field << 3);
  varint(p, (uint64_t)v);
}

void onnx_put_bytes(Proto *p, int field, const void *v, size_t n) {
  varint(p, (uint64_t)field << 3 | 2);
  varint(p, n);
  put(p, v, n);
}

void onnx_put_text(Proto *p, int field, const char *text) { onnx_put_bytes(p, field, text, strlen(text)); }

void onnx_put_message(Proto *p, int field, Proto *inner) {
  onnx_put_bytes(p, field, inner->at, inner->n);
  onnx_proto_finish(inner);
}

void onnx_put_raw(Proto *p, const Proto *fields) { put(p, fields->at, fields->n); }

void onnx_proto_finish(Proto *p) {
  base_free(p->at);
  *p = (Proto){0};
}
