/* The .npy format, versions 1 to 3 (numpy.lib.format): magic, version, length of the header, a Python
 * dict literal with descr, fortran_order, shape; then the elements. Everything is checked against the
 * size of the file before it is used. Elements: f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1, either byte order. */
#include "runtime/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Scan { const char *s, *end; } Scan;

static void blank(Scan *c) {
  while (c->s < c->end && (*c->s == ' ' || *c->s == '\n' || *c->s == '\t')) c->s++;
}

static bool eat(Scan *c, const char *word) {
  blank(c);
  const size_t n = strlen(word);
  if ((size_t)(c->end - c->s) < n || memcmp(c->s, word, n)) return false;
  c->s += n;
  return true;
}

static bool quoted(Scan *c, char *out, size_t room) {
  blank(c);
  if (c->s == c->end || (*c->s != '\'' && *c->s != '"')) return false;
  const char q = *c->s++;
  size_t n = 0;
  for (; c->s < c->end && *c->s != q; c->s++)
    if (n + 1 < room) out[n++] = *c->s;
    else return false;
  out[n] = 0;
  return c->s < c->end && *c->s++ == q;
}

static bool shape(Scan *c, Npy *a) {
  if (!eat(c, "(")) return false;
  for (a->rank = 0; !eat(c, ")");) {
    uint64_t v = 0;
    blank(c);
    if (c->s == c->end || *c->s < '0' || *c->s > '9' || a->rank == 8) return false;
    for (; c->s < c->end && *c->s >= '0' && *c->s <= '9'; c->s++)
      if ((v = v * 10 + (uint64_t)(*c->s - '0')) > UINT32_MAX) return false;
    a->dim[a->rank++] = (uint32_t)v;
    eat(c, "L");
    if (eat(c, ",")) continue;
    blank(c);
    if (c->s == c->end || *c->s != ')') return false;
  }
  return true;
}

static bool dict(Scan *c, Npy *a, char *descr, size_t room, bool *plain) {
  char key[24];
  int seen = 0;
  *plain = true;
  if (!eat(c, "{")) return false;
  while (!eat(c, "}")) {
    if (!quoted(c, key, sizeof key) || !eat(c, ":")) return false;
    if (!strcmp(key, "descr")) {
      blank(c);
      if (c->s < c->end && *c->s == '[') { *plain = false; return true; }
      if (!quoted(c, descr, room)) return false;
      seen |= 1;
    } else if (!strcmp(key, "fortran_order")) {
      a->fortran = eat(c, "True");
      if (!a->fortran && !eat(c, "False")) return false;
      seen |= 2;
    } else if (!strcmp(key, "shape")) {
      if (!shape(c, a)) return false;
      seen |= 4;
    } else {
      return false;
    }
    eat(c, ",");
  }
  return seen == 7;
}

static bool element_type(Npy *a, const char *descr, RtError *err) {
  const char *d = descr;
  const char order = strchr("<>|=", *d) && *d ? *d++ : '=';
  a->big_endian = order == '>';
  a->kind = *d;
  a->size = *d && d[1] >= '1' && d[1] <= '8' && !d[2] ? d[1] - '0' : 0;
  const bool power = a->size == 1 || a->size == 2 || a->size == 4 || a->size == 8;
  const bool ok = a->kind == 'f' ? a->size == 4 || a->size == 8 : a->kind == 'b' ? a->size == 1
                : (a->kind == 'i' || a->kind == 'u') && power;
  return ok || rt_fail(err, "%s: elements of type `%.20s` cannot be read; save it as float64, e.g. x.astype(\"f8\")", a->what, descr);
}

static bool damaged(const Npy *a, RtError *err, const char *why) {
  return rt_fail(err, "%s: not a good .npy file (%s); save it again with numpy.save", a->what, why);
}

bool npy_parse(Npy *a, const char *what, const void *image, size_t size, RtError *err) {
  *a = (Npy){.what = what};
  const unsigned char *p = image;
  if (size < 10 || memcmp(p, "\x93NUMPY", 6)) return damaged(a, err, "it does not begin with \\x93NUMPY");
  if (p[6] < 1 || p[6] > 3) return damaged(a, err, "an unknown version of the format");
  const size_t at = p[6] == 1 ? 10 : 12;
  if (size < at) return damaged(a, err, "the header is cut off");
  size_t header = (size_t)p[8] | (size_t)p[9] << 8;
  if (p[6] > 1) header |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
  if (header > size - at) return damaged(a, err, "the header is cut off");
  Scan c = {(const char *)p + at, (const char *)p + at + header};
  char descr[64] = "";
  bool plain;
  if (!dict(&c, a, descr, sizeof descr, &plain)) return damaged(a, err, "the header cannot be understood");
  if (!plain) return rt_fail(err, "%s: structured arrays cannot be read; save each field as an array of its own (numpy.savez)", what);
  if (!element_type(a, descr, err)) return false;
  if (!rt_elems(a->rank, a->dim, &a->count)) return damaged(a, err, "the shape is too large");
  const uint64_t have = size - at - header;
  if ((uint64_t)a->count > have / (uint64_t)a->size)
    return rt_fail(err, "%s: the file is cut off: %lld elements of %d bytes are announced, %llu bytes follow; copy or save it again",
                   what, (long long)a->count, a->size, (unsigned long long)have);
  if ((uint64_t)a->count * (uint64_t)a->size != have) return damaged(a, err, "there are bytes after the elements");
  a->data = p + at + header;
  return true;
}

static double element(const Npy *a, int64_t i) {
  unsigned char b[8];
  const unsigned char *p = a->data + i * a->size;
  uint64_t w = 0;
  for (int k = 0; k < a->size; k++) b[k] = a->big_endian ? p[a->size - 1 - k] : p[k];
  for (int k = 0; k < a->size; k++) w |= (uint64_t)b[k] << (8 * k);
  if (a->kind == 'f' && a->size == 8) { double v; memcpy(&v, &w, 8); return v; }
  if (a->kind == 'f') { const uint32_t u = (uint32_t)w; float v; memcpy(&v, &u, 4); return (double)v; }
  if (a->kind == 'b') return w != 0;
  if (a->kind == 'u') return (double)w;
  const int up = 64 - 8 * a->size;
  return (double)((int64_t)(w << up) >> up);
}

static bool not_finite(const Npy *a, const uint32_t *index, RtError *err) {
  char text[128];
  size_t n = 0;
  for (int d = 0; d < a->rank; d++) n += (size_t)snprintf(text + n, sizeof text - n, d ? ", %u" : "%u", index[d]);
  return rt_fail(err, "%s: the element [%.*s] is not a finite number; remove that row or fill it in", a->what, (int)n, text);
}

bool npy_values(const Npy *a, int column, double *out, RtError *err) {
  uint32_t index[8] = {0};
  if (!a->count) return true;
  for (int64_t k = 0;;) {
    if (column >= 0) index[1] = (uint32_t)column;
    int64_t i = 0;
    for (int d = 0; d < a->rank; d++) {
      const int e = a->fortran ? a->rank - 1 - d : d;
      i = i * a->dim[e] + index[e];
    }
    const double v = element(a, i);
    if (!isfinite(v)) return not_finite(a, index, err);
    out[k++] = v;
    int d = a->rank - 1;
    for (; d >= 0; d--) {
      if (d == 1 && column >= 0) continue;
      if (++index[d] < a->dim[d]) break;
      index[d] = 0;
    }
    if (d < 0) return true;
  }
}

static bool columns_of(const Npy *a, bool info_only, RtTable *t, RtError *err) {
  if (a->rank == 0 || a->rank > 7) return rt_fail(err, "%s: an array of rank %d is no table; rows come along the first axis", a->what, a->rank);
  t->rows = a->dim[0];
  if (!t->rows || !a->count) return rt_fail(err, "%s: the array is empty", a->what);
  if (a->rank > 1 && a->dim[1] > 65536) return rt_fail(err, "%s: %u columns are too many", a->what, a->dim[1]);
  t->ncolumn = a->rank > 1 ? (int)a->dim[1] : 1;
  t->column = calloc((size_t)t->ncolumn, sizeof *t->column);
  if (!t->column) { t->ncolumn = 0; return rt_fail(err, "%s: not enough memory", a->what); }
  for (int c = 0; c < t->ncolumn; c++) {
    RtColumn *k = &t->column[c];
    *k = (RtColumn){.name = strdup(""), .number = true, .rank = a->rank > 2 ? a->rank - 2 : 0, .rows = t->rows};
    for (int d = 0; d < k->rank; d++) k->dim[d] = a->dim[2 + d];
    if (info_only) continue;
    k->v = malloc((size_t)(a->count / t->ncolumn) * sizeof *k->v);
    if (!k->v || !k->name) return rt_fail(err, "%s: not enough memory", a->what);
    if (!npy_values(a, a->rank > 1 ? c : -1, k->v, err)) return false;
  }
  return true;
}

bool rt_npy_read(const char *path, bool info_only, RtTable *out, RtError *err) {
  size_t size;
  char *image = rt_file_read(path, &size, err);
  Npy a;
  const bool ok = image && npy_parse(&a, path, image, size, err) && columns_of(&a, info_only, out, err);
  free(image);
  return ok;
}

unsigned char *npy_image(const RtArray *a, size_t *size) {
  char header[256], dims[128] = "";
  size_t n = 0;
  if (a->n) n += (size_t)snprintf(dims, sizeof dims, "%lld,", (long long)a->n);
  for (int d = 0; d < a->rank; d++) n += (size_t)snprintf(dims + n, sizeof dims - n, d || a->n ? " %u," : "%u,", a->dim[d]);
  int len = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", a->f64 ? "<f8" : "<f4", dims);
  while ((10 + len + 1) % 64) header[len++] = ' ';
  header[len++] = '\n';
  const int64_t rows = a->n ? a->n : 1, bytes = a->f64 ? 8 : 4;
  *size = 10 + (size_t)len + (size_t)(rows * a->elems * bytes);
  unsigned char *p = malloc(*size), *q = p;
  if (!p) return NULL;
  memcpy(q, "\x93NUMPY\x01\x00", 8);
  q[8] = (unsigned char)len, q[9] = (unsigned char)(len >> 8);
  memcpy(q + 10, header, (size_t)len);
  q += 10 + len;
  for (int64_t s = 0; s < rows; s++)
    for (int64_t e = 0; e < a->elems; e++, q += bytes) {
      const int64_t i = a->n ? e * a->ld + s : e;
      memcpy(q, (const char *)a->v + i * bytes, (size_t)bytes);
    }
  return p;
}

bool rt_npy_write(const char *path, const RtArray *a, RtError *err) {
  size_t size;
  unsigned char *image = npy_image(a, &size);
  const bool ok = image ? rt_file_write(path, image, size, err) : rt_fail(err, "%s: not enough memory", path);
  free(image);
  return ok;
}
