/* Checkpoints in the safetensors format: the header's length (8 bytes, little-endian), a JSON header
 *   {"__metadata__": {key: text}, name: {"dtype": "F64", "shape": [..], "data_offsets": [begin, end]}, ...}
 * and the elements, little-endian, in C order, without gaps. Every size and offset is checked against
 * the file before it is used; so is the metadata entry "xxh3", if it is there: the XXH3-64, as 16 digits, of header and elements as
 * they are with 16 zeros in its place. */
#include "runtime/runtime_priv.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct RtCheckpoint {
  RtTensor *tensor;
  int n;
  json_t *header;
};

enum { MAX_HEADER = 100 << 20 };

static int64_t tensor_bytes(const RtTensor *t) {
  int64_t n;
  return rt_elems(t->rank, t->dim, &n) ? n * (t->f64 ? 8 : 4) : -1;
}

static json_t *describe(const RtTensor *t, int64_t at, int64_t bytes) {
  json_t *shape = json_array();
  for (int d = 0; d < t->rank; d++) json_array_append_new(shape, json_integer(t->dim[d]));
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->f64 ? "F64" : "F32", "shape", shape, "data_offsets", (json_int_t)at,
                   (json_int_t)(at + bytes));
}

static const char hash_key[] = "\"xxh3\":\"";
enum { HASH_DIGITS = 16 };

/* Where the digits of the hash stand in a header, NULL: nowhere. In a string the quotes of the key would have backslashes. */
static char *hash_place(char *header, size_t len) {
  char *at = memmem(header, len, hash_key, sizeof hash_key - 1);
  return at && (size_t)(at - header) + sizeof hash_key + HASH_DIGITS <= len ? at + sizeof hash_key - 1 : NULL;
}

static void hash_text(const char *image, size_t size, char out[HASH_DIGITS + 1]) {
  snprintf(out, HASH_DIGITS + 1, "%016llx", (unsigned long long)XXH3_64bits(image, size));
}

bool rt_checkpoint_write(const char *path, const RtTensor *t, int n, const char *const (*meta)[2], int nmeta, RtError *err) {
  json_t *header = json_object(), *strings = json_object();
  for (int i = 0; i < nmeta; i++) json_object_set_new(strings, meta[i][0], json_string(meta[i][1]));
  json_object_set_new(strings, "xxh3", json_string("0000000000000000"));
  json_object_set_new(header, "__metadata__", strings);
  int64_t at = 0;
  for (int i = 0; i < n; i++) {
    const int64_t bytes = tensor_bytes(&t[i]);
    json_object_set_new(header, t[i].name, describe(&t[i], at, bytes));
    at += bytes;
  }
  char *text = json_dumps(header, JSON_COMPACT);
  const bool unique = json_object_size(header) == (size_t)n + 1;
  json_decref(header);
  const size_t len = text ? strlen(text) : 0, padded = (len + 7) / 8 * 8, size = 8 + padded + (size_t)at;
  char *image = text && unique ? malloc(size) : NULL;
  bool ok = image != NULL;
  if (ok) {
    for (int k = 0; k < 8; k++) image[k] = (char)(unsigned char)((uint64_t)padded >> (8 * k));
    memcpy(image + 8, text, len);
    memset(image + 8 + len, ' ', padded - len);
    char *p = image + 8 + padded;
    for (int i = 0; i < n; p += tensor_bytes(&t[i]), i++) memcpy(p, t[i].v, (size_t)tensor_bytes(&t[i]));
    char hash[HASH_DIGITS + 1], *place = hash_place(image + 8, padded);
    hash_text(image, size, hash);
    if (place) memcpy(place, hash, HASH_DIGITS);
    ok = rt_file_write(path, image, size, err);
  } else {
    rt_fail(err, unique ? "%s: not enough memory" : "%s: two tensors with the same name", path);
  }
  free(text);
  free(image);
  return ok;
}

static bool damaged(RtError *err, const char *path, const char *format, const char *name) {
  char why[200];
  snprintf(why, sizeof why, format, name);
  return rt_fail(err, "%s: the checkpoint is damaged (%s)", path, why);
}

static bool read_shape(const json_t *shape, RtTensor *t) {
  t->rank = (int)json_array_size(shape);
  if (!json_is_array(shape) || json_array_size(shape) > HNN_MAX_RANK) return false;
  for (int d = 0; d < t->rank; d++) {
    const json_t *v = json_array_get(shape, (size_t)d);
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX) return false;
    t->dim[d] = (uint32_t)json_integer_value(v);
  }
  return true;
}

/* One tensor, copied out of `data` into aligned memory. *covered sums the bytes of all. */
static bool read_tensor(const char *path, const char *name, const json_t *o, const char *data, uint64_t size, uint64_t *covered,
                        RtTensor *t, RtError *err) {
  const char *dtype = json_string_value(json_object_get(o, "dtype"));
  const json_t *offsets = json_object_get(o, "data_offsets");
  const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
  if (!dtype) return damaged(err, path, "tensor `%s` has no dtype", name);
  t->f64 = !strcmp(dtype, "F64");
  if (!t->f64 && strcmp(dtype, "F32"))
    return rt_fail(err, "%s: tensor `%s` is %s; only F32 and F64 are supported", path, name, dtype);
  if (!read_shape(json_object_get(o, "shape"), t)) return damaged(err, path, "tensor `%s` has no valid shape", name);
  if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
    return damaged(err, path, "tensor `%s` has no valid data_offsets", name);
  const json_int_t b = json_integer_value(begin), e = json_integer_value(end);
  const int64_t bytes = tensor_bytes(t);
  if (b < 0 || e < b || (uint64_t)e > size) return damaged(err, path, "tensor `%s` lies outside the file: it is truncated", name);
  if (bytes < 0 || e - b != bytes) return damaged(err, path, "the size of tensor `%s` does not fit its shape", name);
  void *v = rt_zeroed((size_t)bytes);
  t->name = strdup(name);
  t->v = v;
  if (!v || !t->name) return rt_fail(err, "%s: not enough memory", path);
  memcpy(v, data + b, (size_t)bytes);
  *covered += (uint64_t)bytes;
  return true;
}

static bool read_header(RtCheckpoint *c, const char *path, const char *image, size_t size, uint64_t *at, RtError *err) {
  uint64_t len = 0;
  if (size < 8) return damaged(err, path, "%s", "shorter than 8 bytes");
  for (int k = 0; k < 8; k++) len |= (uint64_t)(unsigned char)image[k] << (8 * k);
  if (len > size - 8 || len > MAX_HEADER) return damaged(err, path, "%s", "the header is truncated");
  json_error_t e;
  c->header = json_loadb(image + 8, (size_t)len, JSON_REJECT_DUPLICATES, &e);
  if (!json_is_object(c->header)) return damaged(err, path, "the header is not JSON: %s", c->header ? "not an object" : e.text);
  *at = 8 + len;
  return true;
}

/* Changes the image: the digits become zeros. */
static bool hash_holds(const RtCheckpoint *c, char *image, size_t header, size_t size) {
  const char *said = rt_checkpoint_meta(c, "xxh3");
  char *place = said ? hash_place(image + 8, header) : NULL, hash[HASH_DIGITS + 1];
  if (!said) return true;
  if (!place || strlen(said) != HASH_DIGITS || memcmp(place, said, HASH_DIGITS)) return false;
  memset(place, '0', HASH_DIGITS);
  hash_text(image, size, hash);
  return !strcmp(hash, said);
}

static int by_name(const void *a, const void *b) { return strcmp(((const RtTensor *)a)->name, ((const RtTensor *)b)->name); }

RtCheckpoint *rt_checkpoint_read(const char *path, RtError *err) {
  size_t size;
  char *image = rt_file_read(path, &size, err);
  if (!image) return NULL;
  RtCheckpoint *c = calloc(1, sizeof *c);
  uint64_t at = 0, covered = 0;
  bool ok = c ? read_header(c, path, image, size, &at, err) : rt_fail(err, "%s: not enough memory", path);
  if (ok) {
    c->tensor = calloc(json_object_size(c->header) + 1, sizeof *c->tensor);
    ok = c->tensor || rt_fail(err, "%s: not enough memory", path);
    const char *name;
    json_t *o;
    if (ok) json_object_foreach(c->header, name, o) {
        if (!strcmp(name, "__metadata__")) continue;
        ok = read_tensor(path, name, o, image + at, size - at, &covered, &c->tensor[c->n++], err);
        if (!ok) break;
      }
    if (ok && covered != size - at) ok = damaged(err, path, "%s", "the tensors do not fill the file");
    if (ok && !hash_holds(c, image, (size_t)at - 8, size)) ok = damaged(err, path, "%s", "it has changed since it was written");
  }
  free(image);
  if (ok) qsort(c->tensor, (size_t)c->n, sizeof *c->tensor, by_name);
  if (ok) return c;
  rt_checkpoint_finish(c);
  return NULL;
}

const RtTensor *rt_checkpoint_tensor(const RtCheckpoint *c, const char *name) {
  const RtTensor key = {.name = name};
  return bsearch(&key, c->tensor, (size_t)c->n, sizeof *c->tensor, by_name);
}

const RtTensor *rt_checkpoint_at(const RtCheckpoint *c, int k) { return k >= 0 && k < c->n ? &c->tensor[k] : NULL; }

const char *rt_checkpoint_meta(const RtCheckpoint *c, const char *key) {
  return json_string_value(json_object_get(json_object_get(c->header, "__metadata__"), key));
}

void rt_checkpoint_finish(RtCheckpoint *c) {
  if (!c) return;
  for (int i = 0; i < c->n; i++) {
    free((void *)c->tensor[i].name);
    free((void *)c->tensor[i].v);
  }
  free(c->tensor);
  json_decref(c->header);
  free(c);
}
