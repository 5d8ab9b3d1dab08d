/* Parameters of exported libraries to and from safetensors files: the header's length (8 bytes, little-endian), a JSON header
 *   {"__metadata__": {key: text}, name: {"dtype": "F64", "shape": [..], "data_offsets": [begin, end]}, ...}
 * and the elements, little-endian, in C order. Libraries are linked with nothing but libm, so the header is read here; every number in
 * it is checked against the file. Tensors that are no parameters, as checkpoints of runs have, are passed over. */
#include "runtime/library/lib_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- reading JSON ------------------------------------------------------------------------------------------ */

enum { NAME = 4096, DEPTH = 64 };

typedef struct Text {
  const char *at, *end;
} Text;

static bool next(Text *t, char c) {
  while (t->at < t->end && strchr(" \t\n\r", *t->at) && *t->at) t->at++;
  return t->at < t->end && *t->at == c;
}

static bool take(Text *t, char c) { return next(t, c) ? t->at++, true : false; }

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1; }

static bool four_digits(Text *t, uint32_t *v) {
  *v = 0;
  for (int k = 0; k < 4; k++, t->at++) {
    const int d = t->at < t->end ? digit(*t->at) : -1;
    if (d < 0) return false;
    *v = *v << 4 | (uint32_t)d;
  }
  return true;
}

static size_t utf8(uint32_t c, char *out) {
  const int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
  out[0] = (char)(lead[more] | c >> (6 * more));
  for (int k = 1; k <= more; k++) out[k] = (char)(0x80 | (c >> (6 * (more - k)) & 63));
  return (size_t)more + 1;
}

/* What follows a backslash, up to four bytes of it. */
static bool escaped(Text *t, char *out, size_t *n) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  if (t->at == t->end) return false;
  const char c = *t->at++, *plain = c ? strchr(from, c) : NULL;
  if (plain) return out[0] = to[plain - from], *n = 1, true;
  uint32_t v, low;
  if (c != 'u' || !four_digits(t, &v)) return false;
  if (v >= 0xd800 && v < 0xdc00) {
    if (t->end - t->at < 6 || t->at[0] != '\\' || t->at[1] != 'u') return false;
    t->at += 2;
    if (!four_digits(t, &low) || low < 0xdc00 || low > 0xdfff) return false;
    v = 0x10000 + ((v - 0xd800) << 10 | (low - 0xdc00));
  }
  return *n = utf8(v, out), true;
}

/* A string; one that is longer than a name can be is cut off. */
static bool string(Text *t, char out[NAME]) {
  size_t n = 0;
  if (!take(t, '"')) return false;
  while (t->at < t->end && *t->at != '"') {
    char c[4] = {*t->at++};
    size_t more = 1;
    if (c[0] == '\\' && !escaped(t, c, &more)) return false;
    if (n + more < NAME) memcpy(out + n, c, more), n += more;
  }
  out[n] = 0;
  return take(t, '"');
}

static bool whole(Text *t, int64_t *v) {
  int64_t n = 0;
  if (next(t, '-') || t->at == t->end || *t->at < '0' || *t->at > '9') return false;
  for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
    if (n > (INT64_MAX - 9) / 10) return false;
    n = 10 * n + (*t->at - '0');
  }
  return *v = n, true;
}

/* Any value. */
static bool skip(Text *t, int depth) {
  char text[NAME];
  if (depth > DEPTH) return false;
  if (next(t, '"')) return string(t, text);
  const bool object = next(t, '{');
  if (object || next(t, '[')) {
    const char close = object ? '}' : ']';
    t->at++;
    if (take(t, close)) return true;
    do
      if ((object && (!string(t, text) || !take(t, ':'))) || !skip(t, depth + 1)) return false;
    while (take(t, ','));
    return take(t, close);
  }
  const char *from = t->at;
  while (t->at < t->end && *t->at && strchr("+-.0123456789aeflnrstuE", *t->at)) t->at++;
  return t->at > from;
}

/* `[1, 2, ...]`, at most `most` numbers. */
static bool wholes(Text *t, int64_t *out, int most, int *n) {
  *n = 0;
  if (!take(t, '[')) return false;
  if (take(t, ']')) return true;
  do
    if (*n == most || !whole(t, &out[(*n)++])) return false;
  while (take(t, ','));
  return take(t, ']');
}

/* ---- a tensor --------------------------------------------------------------------------------------------------- */

typedef struct Tensor {
  char dtype[NAME];
  int rank;
  int64_t dim[HNN_AXES], range[2];
} Tensor;

static bool tensor(Text *t, Tensor *out) {
  char key[NAME];
  int two = 0;
  out->rank = -1, *out->dtype = 0;
  if (!take(t, '{')) return false;
  do {
    if (!string(t, key) || !take(t, ':')) return false;
    const bool good = !strcmp(key, "dtype")          ? string(t, out->dtype)
                      : !strcmp(key, "shape")        ? wholes(t, out->dim, HNN_AXES, &out->rank)
                      : !strcmp(key, "data_offsets") ? wholes(t, out->range, 2, &two)
                                                     : skip(t, 0);
    if (!good) return false;
  } while (take(t, ','));
  return take(t, '}') && two == 2 && out->rank >= 0 && *out->dtype;
}

static void shape_text(int rank, const int64_t *dim, char *out, size_t size) {
  size_t n = (size_t)snprintf(out, size, "[");
  for (int k = 0; k < rank && n < size; k++) n += (size_t)snprintf(out + n, size - n, k ? ", %lld" : "%lld", (long long)dim[k]);
  if (n < size) snprintf(out + n, size - n, "]");
}

static int wrong_shape(const char *path, const hnn_parameter *p, const Tensor *t) {
  char found[120], wanted[120];
  int64_t dim[HNN_AXES];
  for (int k = 0; k < p->rank; k++) dim[k] = p->dim[k];
  shape_text(t->rank, t->dim, found, sizeof found);
  shape_text(p->rank, dim, wanted, sizeof wanted);
  return lib_abi_fail(HNN_BAD_FILE, "%.150s: `%.60s` has the shape %s, expected %s", path, p->path, found, wanted);
}

/* The values of parameter p to `to`. */
static int values(const char *path, const hnn_parameter *p, const Tensor *t, const char *data, size_t size, bool f64, void *to) {
  const bool wide = !strcmp(t->dtype, "F64");
  const int64_t bytes = p->elems * (wide ? 8 : 4);
  bool same = t->rank == p->rank;
  for (int k = 0; same && k < p->rank; k++) same = t->dim[k] == p->dim[k];
  if (!same) return wrong_shape(path, p, t);
  if (!wide && strcmp(t->dtype, "F32"))
    return lib_abi_fail(HNN_BAD_FILE, "%.150s: `%.60s` is %.20s; only F32 and F64 are supported", path, p->path, t->dtype);
  if (t->range[1] - t->range[0] != bytes || t->range[1] > (int64_t)size)
    return lib_abi_fail(HNN_BAD_FILE, "%.150s: `%.60s` lies outside the file: it is truncated", path, p->path);
  for (int64_t i = 0; i < p->elems; i++) {
    double v;
    float narrow;
    const char *from = data + t->range[0] + i * (wide ? 8 : 4);
    if (wide) memcpy(&v, from, 8);
    else memcpy(&narrow, from, 4), v = (double)narrow;
    rt_set_real(to, i, f64, v);
    if (!isfinite(rt_real(to, i, f64)))
      return lib_abi_fail(HNN_BAD_FILE, "%.150s: element %lld of `%.60s` is not finite", path, (long long)i, p->path);
  }
  return HNN_OK;
}

/* ---- loading ------------------------------------------------------------------------------------------------------ */

static int number_of(const hnn_library *l, const char *path) {
  for (int k = 0; k < l->nparameter; k++)
    if (!strcmp(l->parameter[k].path, path)) return k;
  return -1;
}

/* What the file has into `image`, all reals end to end. */
static int read_all(const hnn_library *l, const char *path, const char *file, size_t size, char *image, bool *there) {
  uint64_t length = 0;
  for (int k = 0; size >= 8 && k < 8; k++) length |= (uint64_t)(unsigned char)file[k] << (8 * k);
  if (size < 8 || length > size - 8) return lib_abi_fail(HNN_BAD_FILE, "%.200s is not a safetensors file, or is truncated", path);
  const char *data = file + 8 + length;
  Text t = {file + 8, data};
  char name[NAME];
  bool good = take(&t, '{');
  if (good && take(&t, '}')) return HNN_OK;
  while (good) {
    Tensor one;
    good = string(&t, name) && take(&t, ':');
    const int k = good ? number_of(l, name) : -1;
    good = good && (k < 0 ? skip(&t, 0) : tensor(&t, &one));
    if (good && k >= 0) {
      const hnn_parameter *p = &l->parameter[k];
      const int code =
          values(path, p, &one, data, (size_t)(file + size - data), l->f64, image + (size_t)p->first * (l->f64 ? 8 : 4));
      if (code) return code;
      there[k] = true;
    }
    if (!take(&t, ',')) break;
  }
  return good && take(&t, '}') ? HNN_OK
                               : lib_abi_fail(HNN_BAD_FILE, "%.200s is not a safetensors file: its header cannot be read", path);
}

int lib_abi_load(hnn_model *m, const char *path) {
  if (!m || !path) return lib_abi_fail(HNN_BAD_CALL, "the model and the path must not be NULL");
  if (m->shares) return lib_abi_fail(HNN_BAD_CALL, "a handle that shares parameters cannot load");
  const hnn_library *l = m->m->library;
  RtError err;
  size_t size = 0;
  char *file = rt_file_read(path, &size, &err), *image = calloc((size_t)l->reals + 1, real_size(m));
  bool *there = calloc((size_t)l->nparameter + 1, sizeof *there);
  int code = !image || !there ? lib_abi_fail(HNN_NO_MEMORY, "%s", lib_abi_error(HNN_NO_MEMORY))
             : !file          ? lib_abi_fail(HNN_BAD_FILE, "%s", err.text)
                              : read_all(l, path, file, size, image, there);
  for (int k = 0; !code && k < l->nparameter; k++)
    if (!there[k]) code = lib_abi_fail(HNN_BAD_FILE, "%.200s has no parameter `%.100s`", path, l->parameter[k].path);
  for (int k = 0; !code && k < l->nparameter; k++)
    memcpy(lib_abi_param(m, k), image + (size_t)l->parameter[k].first * real_size(m), (size_t)l->parameter[k].elems * real_size(m));
  free(there);
  free(image);
  free(file);
  return code;
}

/* ---- saving --------------------------------------------------------------------------------------------------------- */

static void put_string(FILE *f, const char *s) {
  fputc('"', f);
  for (; *s; s++)
    if (*s == '"' || *s == '\\') fprintf(f, "\\%c", *s);
    else if ((unsigned char)*s < ' ') fprintf(f, "\\u%04x", *s);
    else fputc(*s, f);
  fputc('"', f);
}

static void put_header(FILE *f, const hnn_library *l) {
  const int64_t real = l->f64 ? 8 : 4;
  fprintf(f, "{\"__metadata__\":{\"model\":"), put_string(f, l->source);
  fprintf(f, ",\"model_hash\":"), put_string(f, l->hash);
  fprintf(f, ",\"hnnc\":"), put_string(f, l->compiler), fputc('}', f);
  for (int k = 0; k < l->nparameter; k++) {
    const hnn_parameter *p = &l->parameter[k];
    fputc(',', f), put_string(f, p->path);
    fprintf(f, ":{\"dtype\":\"%s\",\"shape\":[", l->f64 ? "F64" : "F32");
    for (int d = 0; d < p->rank; d++) fprintf(f, d ? ",%u" : "%u", p->dim[d]);
    fprintf(f, "],\"data_offsets\":[%lld,%lld]}", (long long)(p->first * real), (long long)((p->first + p->elems) * real));
  }
  fputc('}', f);
}

/* The file as it will be; NULL without memory. */
static char *image_of(const hnn_model *m, size_t *size) {
  const hnn_library *l = m->m->library;
  char *header = NULL, *out = NULL;
  size_t n = 0;
  FILE *text = open_memstream(&header, &n);
  if (!text) return NULL;
  put_header(text, l);
  const bool whole = fclose(text) == 0;
  const size_t padded = (n + 7) / 8 * 8;
  *size = 8 + padded + (size_t)l->reals * real_size(m);
  if (whole && (out = malloc(*size))) {
    for (int k = 0; k < 8; k++) out[k] = (char)((uint64_t)padded >> (8 * k) & 255);
    memcpy(out + 8, header, n);
    memset(out + 8 + n, ' ', padded - n);
    for (int k = 0; k < l->nparameter; k++) {
      const char *v = (const char *)lib_param(m, m->m->turn[k].param) + (size_t)m->m->turn[k].first * real_size(m);
      memcpy(out + 8 + padded + (size_t)l->parameter[k].first * real_size(m), v, (size_t)l->parameter[k].elems * real_size(m));
    }
  }
  free(header);
  return out;
}

int lib_abi_save(const hnn_model *m, const char *path) {
  struct stat there;
  RtError err;
  size_t size;
  if (!m || !path) return lib_abi_fail(HNN_BAD_CALL, "the model and the path must not be NULL");
  if (!stat(path, &there) && !S_ISREG(there.st_mode))
    return lib_abi_fail(HNN_BAD_FILE, "%.200s exists, and is not a regular file", path);
  char *image = image_of(m, &size);
  if (!image) return lib_abi_fail(HNN_NO_MEMORY, "%s", lib_abi_error(HNN_NO_MEMORY));
  const bool ok = rt_file_write(path, image, size, &err);
  free(image);
  return ok ? HNN_OK : lib_abi_fail(HNN_BAD_FILE, "%s", err.text);
}
