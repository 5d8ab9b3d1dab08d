/* See wire.h. */
#include "frontend/proto/wire.h"

#include <string.h>

static bool fault(Wire *w, const char *what) {
  if (!w->bad) w->bad = what;
  return false;
}

bool wire_varint(Wire *w, uint64_t *out) {
  *out = 0;
  for (int shift = 0; shift < 70 && w->at < w->end; shift += 7) {
    const unsigned char c = *w->at++;
    if (shift < 64) *out |= (uint64_t)(c & 127) << shift;
    if (c < 128) return true;
  }
  return fault(w, "a number has no end");
}

static bool fixed(Wire *w, size_t n, uint64_t *out) {
  *out = 0;
  if (wire_left(w) < n) return fault(w, "a number goes beyond the end");
  for (size_t k = 0; k < n; k++) *out |= (uint64_t)w->at[k] << 8 * k;
  w->at += n;
  return true;
}

bool wire_next(Wire *w, WireField *f) {
  uint64_t tag, n;
  if (w->bad || w->at == w->end || !wire_varint(w, &tag)) return false;
  *f = (WireField){.number = (int)(tag >> 3 & 0x1fffffff), .kind = (int)(tag & 7)};
  if (tag >> 32 || !f->number) return fault(w, "a field has no number");
  switch (f->kind) {
  case WIRE_VARINT: return wire_varint(w, &f->whole);
  case WIRE_64: return fixed(w, 8, &f->whole);
  case WIRE_32: return fixed(w, 4, &f->whole);
  case WIRE_BYTES:
    if (!wire_varint(w, &n)) return false;
    if (n > wire_left(w)) return fault(w, "a field goes beyond the end");
    f->in = (Wire){.at = w->at, .end = w->at + n};
    w->at += n;
    return true;
  default: return fault(w, "a field has an unknown type");
  }
}
