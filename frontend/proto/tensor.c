/* TensorProto: numbers of any type that ONNX has, inside of the file or beside it. */
#include "frontend/proto/onnx_priv.h"
#include "ir/base/onnx.h"

#include <stdlib.h>
#include <string.h>

/* ---- types ------------------------------------------------------------------------------------------------------- */

/* Bytes of an element; 0: of no type that can be read. */
static size_t size_of(int type) {
  switch (type) {
  case ONNX_UINT8:
  case ONNX_INT8:
  case ONNX_BOOL: return 1;
  case ONNX_UINT16:
  case ONNX_INT16:
  case ONNX_FLOAT16:
  case ONNX_BFLOAT16: return 2;
  case ONNX_FLOAT:
  case ONNX_INT32:
  case ONNX_UINT32: return 4;
  case ONNX_INT64:
  case ONNX_UINT64:
  case ONNX_DOUBLE: return 8;
  default: return 0;
  }
}

static bool is_real(int type) { return type == ONNX_FLOAT || type == ONNX_DOUBLE || type == ONNX_FLOAT16 || type == ONNX_BFLOAT16; }

static double float_of(uint64_t bits) {
  const uint32_t b = (uint32_t)bits;
  float f;
  memcpy(&f, &b, sizeof f);
  return f;
}

static double half_of(uint64_t bits) {
  const int exponent = (int)(bits >> 10 & 31);
  const double fraction = (double)(bits & 1023), sign = bits >> 15 & 1 ? -1 : 1;
  if (exponent == 31) return fraction > 0 ? (double)NAN : sign * (double)INFINITY;
  return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static double real_of(int type, uint64_t bits) {
  double d;
  switch (type) {
  case ONNX_FLOAT: return float_of(bits);
  case ONNX_FLOAT16: return half_of(bits);
  case ONNX_BFLOAT16: return float_of(bits << 16);
  default: memcpy(&d, &bits, sizeof d); return d;
  }
}

static int64_t whole_of(int type, uint64_t bits) {
  switch (type) {
  case ONNX_INT8: return (int8_t)bits;
  case ONNX_INT16: return (int16_t)bits;
  case ONNX_INT32: return (int32_t)bits;
  case ONNX_UINT8: return (uint8_t)bits;
  case ONNX_UINT16: return (uint16_t)bits;
  case ONNX_UINT32: return (uint32_t)bits;
  case ONNX_BOOL: return bits != 0;
  default: return (int64_t)bits;
  }
}

/* ---- numbers ------------------------------------------------------------------------------------------------------- */

static uint64_t little(const unsigned char *at, size_t n) {
  uint64_t v = 0;
  for (size_t k = 0; k < n; k++) v |= (uint64_t)at[k] << 8 * k;
  return v;
}

bool onnx_file_numbers(Reader *r, const WireField *f, size_t size, Numbers *n) {
  if (f->kind != WIRE_BYTES) return *vec_push(&n->at) = f->whole, true;
  Wire in = f->in;
  if (size && wire_left(&in) % size) return onnx_file_fault(r, in.at, "packed numbers of %zu bytes end within one", size);
  for (uint64_t v; in.at < in.end;) {
    if (!size && !wire_varint(&in, &v)) return onnx_file_done(r, &in, "packed numbers");
    if (size) v = little(in.at, size), in.at += size;
    *vec_push(&n->at) = v;
  }
  return true;
}

/* count elements of `size` bytes each at `raw`, or those of `listed`. */
static void take(Reader *r, OnnxTensor *t, const unsigned char *raw, size_t size, const Numbers *listed) {
  const size_t n = (size_t)t->count;
  double *real = is_real(t->type) ? ARENA_ARRAY(r->s->mem, double, n + 1) : NULL;
  int64_t *whole = real ? NULL : ARENA_ARRAY(r->s->mem, int64_t, n + 1);
  for (size_t k = 0; k < n; k++) {
    const uint64_t bits = raw ? little(raw + k * size, size) : listed->at.at[k];
    if (real) real[k] = real_of(t->type, bits);
    else whole[k] = whole_of(t->type, bits);
  }
  t->real = real, t->whole = whole;
}

/* ---- beside the file --------------------------------------------------------------------------------------------------- */

typedef struct External {
  const char *file;
  uint64_t offset, length;
  bool sized;
} External;

static void external_entry(Reader *r, Wire in, External *x) {
  WireField f;
  const char *key = "", *value = "";
  while (wire_next(&in, &f))
    if (f.kind == WIRE_BYTES && f.number == ENTRY_KEY) key = onnx_file_text(r, &f);
    else if (f.kind == WIRE_BYTES && f.number == ENTRY_VALUE) value = onnx_file_text(r, &f);
  if (!strcmp(key, "location")) x->file = value;
  if (!strcmp(key, "offset")) x->offset = strtoull(value, NULL, 10);
  if (!strcmp(key, "length")) x->length = strtoull(value, NULL, 10), x->sized = true;
}

/* A path of ONNX stays in the folder of the file. */
static bool stays(const char *path) {
  if (!*path || *path == '/') return false;
  for (const char *at = path; at; at = strchr(at, '/')) {
    at += *at == '/';
    if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || !at[2])) return false;
  }
  return true;
}

static bool beside(Reader *r, const unsigned char *at, OnnxTensor *t, const External *x) {
  char why[256] = "nothing was given";
  size_t n = 0;
  const size_t want = (size_t)t->count * size_of(t->type);
  if (!x->file || !stays(x->file))
    return onnx_file_fault(r, at, "the numbers of `%s` are in `%s`, which is not a file beside this one", t->name,
                           x->file ? x->file : "");
  const unsigned char *bytes = r->s->beside ? r->s->beside(r->s->ctx, x->file, &n, why, sizeof why) : NULL;
  if (!bytes) return onnx_file_fault(r, at, "the numbers of `%s` are in `%s`: %s", t->name, x->file, why);
  if ((x->sized && x->length != want) || x->offset > n || want > n - x->offset)
    return onnx_file_fault(r, at, "`%s` needs %zu bytes of `%s`, which are not there", t->name, want, x->file);
  take(r, t, bytes + x->offset, size_of(t->type), NULL);
  return true;
}

/* ---- the message ----------------------------------------------------------------------------------------------------- */

typedef struct Parts {
  Wire raw;
  bool has_raw, outside;
  Numbers dims, listed;
  External external;
} Parts;

static bool field(Reader *r, OnnxTensor *t, const WireField *f, Parts *p) {
  switch (f->number) {
  case TENSOR_DIM: return onnx_file_numbers(r, f, 0, &p->dims);
  case TENSOR_TYPE: return t->type = f->whole <= INT32_MAX ? (int)f->whole : 0, true;
  case TENSOR_NAME: return t->name = onnx_file_text(r, f), true;
  case TENSOR_FLOATS: return onnx_file_numbers(r, f, 4, &p->listed);
  case TENSOR_INT32S:
  case TENSOR_INT64S:
  case TENSOR_UINT64S: return onnx_file_numbers(r, f, 0, &p->listed);
  case TENSOR_DOUBLES: return onnx_file_numbers(r, f, 8, &p->listed);
  case TENSOR_RAW: return p->raw = f->in, p->has_raw = f->kind == WIRE_BYTES, true;
  case TENSOR_EXTERNAL:
    if (f->kind == WIRE_BYTES) external_entry(r, f->in, &p->external);
    return true;
  case TENSOR_LOCATION: return p->outside = f->whole == 1, true;
  default: return true;
  }
}

static bool shape(Reader *r, const unsigned char *at, OnnxTensor *t, const Parts *p) {
  if (p->dims.at.n > ONNX_MOST_RANK)
    return onnx_file_fault(r, at, "`%s` has %u axes, %d at most", t->name, p->dims.at.n, ONNX_MOST_RANK);
  t->rank = p->dims.at.n;
  t->count = 1;
  for (uint32_t k = 0; k < t->rank; k++) {
    const uint64_t n = p->dims.at.at[k];
    if (n > ONNX_MOST_ELEMENTS) return onnx_file_fault(r, at, "an axis of `%s` has %lld elements", t->name, (long long)n);
    t->dim[k] = (int64_t)n;
    t->count *= t->dim[k];
    if (t->count > ONNX_MOST_ELEMENTS) return onnx_file_fault(r, at, "`%s` has more than %d elements", t->name, ONNX_MOST_ELEMENTS);
  }
  if (!size_of(t->type)) return onnx_file_fault(r, at, "`%s` is not a tensor of numbers (type %d)", t->name, t->type);
  return true;
}

static bool numbers(Reader *r, const unsigned char *at, OnnxTensor *t, const Parts *p) {
  const size_t size = size_of(t->type);
  if (p->outside) return beside(r, at, t, &p->external);
  if (p->has_raw) {
    if (wire_left(&p->raw) != (size_t)t->count * size)
      return onnx_file_fault(r, at, "`%s` has %zu bytes, and needs %zu", t->name, wire_left(&p->raw), (size_t)t->count * size);
    return take(r, t, p->raw.at, size, NULL), true;
  }
  if (p->listed.at.n != t->count)
    return onnx_file_fault(r, at, "`%s` has %u numbers, and needs %lld", t->name, p->listed.at.n, (long long)t->count);
  return take(r, t, NULL, size, &p->listed), true;
}

bool onnx_file_tensor(Reader *r, Wire in, OnnxTensor *t) {
  const unsigned char *at = in.at;
  Parts p = {0};
  WireField f;
  bool good = true;
  *t = (OnnxTensor){.name = ""};
  while (good && wire_next(&in, &f)) good = field(r, t, &f, &p);
  good = good && onnx_file_done(r, &in, "a tensor") && shape(r, at, t, &p) && numbers(r, at, t, &p);
  vec_free(&p.dims.at);
  vec_free(&p.listed.at);
  return good;
}
