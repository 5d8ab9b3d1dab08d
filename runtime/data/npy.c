/* The .npy format, versions 1 to 3 (numpy.lib.format): magic, version, length of the header, a Python
 * dict literal with descr, fortran_order, shape; then the elements. Everything is checked against the
 * size of the file before it is used. Elements: f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1, either byte order. A table
 * is known by the beginning of the file; elements are read of the columns that are asked for. */
#include "runtime/data/table_priv.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Scan {
  const char *s, *end;
} Scan;

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
    if (c->s == c->end || *c->s < '0' || *c->s > '9' || a->rank > HNN_MAX_RANK) return false;
    for (; c->s < c->end && *c->s >= '0' && *c->s <= '9'; c->s++)
      if ((v = v * 10 + (uint64_t)(*c->s - '0')) > UINT32_MAX) return false; /* no file holds as many */
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
      if (c->s < c->end && *c->s == '[') {
        *plain = false;
        return true;
      }
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

/* What numpy calls a type, where it is no number: said by its letter. */
static bool other_type(const char *d, const char *descr, RtError *err) {
  static const struct {
    char letter;
    const char *what;
  } known[] = {
    {'O', "Python objects (`%.20s`); save numbers, e.g. x.astype(\"f8\"), under a name of their own"},
    {'c', "complex numbers (`%.20s`); save x.real and x.imag as two arrays"},
    {'M', "dates (`%.20s`); save them as numbers, e.g. seconds"},
    {'m', "time spans (`%.20s`); save them as numbers, e.g. seconds"},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (*d == known[i].letter) {
      char format[160];
      snprintf(format, sizeof format, "it contains %s", known[i].what);
      return rt_fail(err, format, descr);
    }
  return rt_fail(err, "its elements have the type `%.20s`, which is not supported; save it as float64, e.g. x.astype(\"f8\")",
                 descr);
}

static bool element_type(Npy *a, const char *descr, RtError *err) {
  const char *d = descr;
  const char order = strchr("<>|=", *d) && *d ? *d++ : '=';
  a->big_endian = order == '>';
  a->kind = *d == 'T' ? 'U' : *d;
  a->size = *d && d[1] >= '1' && d[1] <= '8' && !d[2] ? d[1] - '0' : 0;
  const bool power = a->size == 1 || a->size == 2 || a->size == 4 || a->size == 8;
  const bool ok = a->kind == 'f'                     ? power && a->size > 1
                  : a->kind == 'b'                   ? a->size == 1
                  : a->kind == 'U' || a->kind == 'S' ? true
                                                     : (a->kind == 'i' || a->kind == 'u') && power;
  return ok || other_type(d, descr, err);
}

static bool damaged(RtError *err, const char *why) {
  return rt_fail(err, "not a valid .npy file (%s); save it again with numpy.save", why);
}

/* Where the header's text lies. */
static bool header_of(const unsigned char *p, size_t have, uint64_t total, Scan *c, RtError *err) {
  if (have < 10 || memcmp(p, "\x93NUMPY", 6)) return damaged(err, "it does not begin with \\x93NUMPY");
  if (p[6] < 1 || p[6] > 3) return damaged(err, "an unknown version of the format");
  const size_t at = p[6] == 1 ? 10 : 12;
  if (have < at) return damaged(err, "the header is truncated");
  size_t n = (size_t)p[8] | (size_t)p[9] << 8;
  if (p[6] > 1) n |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
  if (n > total - at) return damaged(err, "the header is truncated");
  if (n > have - at) return damaged(err, "the header is too long");
  *c = (Scan){(const char *)p + at, (const char *)p + at + n};
  return true;
}

bool npy_parse(Npy *a, const void *image, size_t have, uint64_t total, RtError *err) {
  *a = (Npy){0};
  Scan c = {0};
  char descr[64] = "";
  bool plain;
  if (!header_of(image, have, total, &c, err)) return false;
  const size_t at = (size_t)(c.end - (const char *)image);
  if (!dict(&c, a, descr, sizeof descr, &plain)) return damaged(err, "the header cannot be parsed");
  if (!plain) return rt_fail(err, "structured arrays cannot be read; save each field as an array of its own (numpy.savez)");
  if (!element_type(a, descr, err)) return false;
  if (a->kind == 'U' || a->kind == 'S') return true;
  if (!rt_elems(a->rank, a->dim, &a->count)) return damaged(err, "the shape is too large");
  const uint64_t follow = total - at;
  if ((uint64_t)a->count > follow / (uint64_t)a->size)
    return rt_fail(
        err, "the file is truncated: the header announces %lld elements of %d bytes, but %llu bytes follow; copy or save it again",
        (long long)a->count, a->size, (unsigned long long)follow);
  if ((uint64_t)a->count * (uint64_t)a->size != follow) return damaged(err, "there are bytes after the elements");
  a->data = have == total ? (const unsigned char *)image + at : NULL;
  return true;
}

static double half(uint32_t w) {
  const int e = (int)(w >> 10 & 31), m = (int)(w & 1023);
  const double v = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
  return w >> 15 ? -v : v;
}

static uint64_t word(const Npy *a, int64_t i) {
  const unsigned char *p = a->data + i * a->size;
  uint64_t w = 0;
  for (int k = 0; k < a->size; k++) w |= (uint64_t)p[a->big_endian ? a->size - 1 - k : k] << (8 * k);
  return w;
}

static int64_t whole(const Npy *a, uint64_t w) {
  const int up = 64 - 8 * a->size;
  return (int64_t)(w << up) >> up;
}

static double element(const Npy *a, int64_t i) {
  const uint64_t w = word(a, i);
  if (a->kind == 'f' && a->size == 8) {
    double v;
    memcpy(&v, &w, 8);
    return v;
  }
  if (a->kind == 'f' && a->size == 2) return half((uint32_t)w);
  if (a->kind == 'f') {
    const uint32_t u = (uint32_t)w;
    float v;
    memcpy(&v, &u, 4);
    return (double)v;
  }
  if (a->kind == 'b') return w != 0;
  return a->kind == 'u' ? (double)w : (double)whole(a, w);
}

/* f64 holds all whole numbers up to 2^53, and of the larger ones those that are multiples of the right power of 2. */
static bool exact(const Npy *a, int64_t i) {
  if (a->kind == 'f' || a->size < 8) return true;
  const uint64_t w = word(a, i), m = a->kind == 'i' && w >> 63 ? 0 - w : w;
  return m <= (uint64_t)1 << 53 || m / (m & (0 - m)) < (uint64_t)1 << 53;
}

static bool refused(const Npy *a, const uint32_t *index, int64_t i, RtError *err) {
  char text[128], value[32];
  size_t n = 0;
  for (int d = 0; d < a->rank; d++) n += (size_t)snprintf(text + n, sizeof text - n, d ? ", %u" : "%u", index[d]);
  if (!n) snprintf(text, sizeof text, "()");
  if (exact(a, i)) return rt_fail(err, "the element [%s] is not a finite number; remove that row or fill it in", text);
  if (a->kind == 'u') snprintf(value, sizeof value, "%llu", (unsigned long long)word(a, i));
  else snprintf(value, sizeof value, "%lld", (long long)word(a, i));
  return rt_fail(err,
                 "the element [%s] is %s, a whole number that f64 cannot represent exactly; subtract a constant first, or save it "
                 "rounded, x.astype(\"f8\")",
                 text, value);
}

bool npy_values(const Npy *a, int second, int64_t from, int64_t to, double *out, bool *gap, RtError *err) {
  uint32_t index[8] = {(uint32_t)from};
  if (!a->count) return true;
  const int64_t row = a->rank ? a->count / a->dim[0] / (second >= 0 ? a->dim[1] : 1) : 1;
  for (int64_t k = from * row; !to || k < to * row;) {
    if (second >= 0) index[1] = (uint32_t)second;
    int64_t i = 0;
    for (int d = 0; d < a->rank; d++) {
      const int e = a->fortran ? a->rank - 1 - d : d;
      i = i * a->dim[e] + index[e];
    }
    const double v = element(a, i);
    if (gap && isnan(v)) *gap = true;
    else if ((!isfinite(v) && !a->any) || !exact(a, i)) return refused(a, index, i, err);
    out[k++] = v;
    int d = a->rank - 1;
    for (; d >= 0; d--) {
      if (d == 1 && second >= 0) continue;
      if (++index[d] < a->dim[d]) break;
      index[d] = 0;
    }
    if (d < 0) return true;
  }
  return true;
}

/* ---- a file as a table -------------------------------------------------------------------------------------- */

static bool whole_column(const Npy *a, RtTable *t, RtError *err) {
  if (a->rank > HNN_MAX_RANK + 1) return rt_fail(err, "%d axes are too many", a->rank);
  t->column = calloc(1, sizeof *t->column);
  if (!t->column) return rt_fail(err, "not enough memory");
  RtColumn *k = t->column;
  *k = (RtColumn){
    .name = strdup(""), .number = true, .rank = a->rank ? a->rank - 1 : 0, .rows = a->rank ? (int64_t)a->dim[0] : RT_EVERY_ROW};
  for (int d = 0; d < k->rank; d++) k->dim[d] = a->dim[1 + d];
  t->ncolumn = 1;
  return k->name || rt_fail(err, "not enough memory");
}

static bool columns_of(const Npy *a, RtTable *t, RtError *err) {
  if (a->kind == 'U' || a->kind == 'S') return rt_fail(err, "the array contains text");
  if (t->whole) return whole_column(a, t, err);
  if (a->rank == 0 || a->rank > HNN_MAX_RANK + 1)
    return rt_fail(err, "an array of rank %d is not a table; rows run along the first axis", a->rank);
  if (!a->count) return rt_fail(err, "the array is empty");
  if (a->rank > 1 && a->dim[1] > 65536) return rt_fail(err, "%u columns are too many", a->dim[1]);
  t->rows = a->dim[0];
  const int n = a->rank > 1 ? (int)a->dim[1] : 1;
  t->column = calloc((size_t)n, sizeof *t->column);
  if (!t->column) return rt_fail(err, "not enough memory");
  for (; t->ncolumn < n; t->ncolumn++) {
    RtColumn *k = &t->column[t->ncolumn];
    *k = (RtColumn){.name = strdup(""), .number = true, .rank = a->rank > 2 ? a->rank - 2 : 0, .rows = t->rows};
    for (int d = 0; d < k->rank; d++) k->dim[d] = a->dim[2 + d];
    if (!k->name) return rt_fail(err, "not enough memory");
  }
  return true;
}

/* The beginning of a file, and its size; all of it where it has none (a pipe). */
static unsigned char *head_of(const char *path, size_t *have, uint64_t *total, RtError *err) {
  struct stat st;
  FILE *f = fopen(path, "rb");
  if (!f) {
    rt_fail_errno(err, "open", path);
    return NULL;
  }
  if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
    fclose(f);
    unsigned char *all = (unsigned char *)rt_file_read(path, have, err);
    *total = *have;
    return all;
  }
  unsigned char *p = malloc(NPY_HEAD);
  *have = p ? fread(p, 1, NPY_HEAD, f) : 0;
  *total = *have < NPY_HEAD ? *have : (uint64_t)st.st_size;
  fclose(f);
  if (!p) rt_fail(err, "%s: not enough memory", path);
  return p;
}

bool rt_npy_open(const char *path, RtTable *t, RtError *err) {
  size_t have = 0;
  uint64_t total = 0;
  Npy a;
  RtError why;
  unsigned char *head = head_of(path, &have, &total, err);
  if (!head) return false;
  const bool ok = npy_parse(&a, head, have, total, &why) && columns_of(&a, t, &why);
  free(head);
  return ok || rt_fail(err, "%s: %s", path, why.text);
}

static bool column_values(const Npy *a, RtTable *t, int c, RtError *err) {
  RtColumn *k = &t->column[c];
  if (k->v || k->fault) return true;
  const size_t size = (size_t)(a->count / t->ncolumn + 1) * sizeof *k->v;
  k->mapped = t->to ? size : 0;
  k->v = t->to ? rt_sparse(size) : malloc(size);
  return k->v ? npy_values(a, a->rank > 1 && !t->whole ? c : -1, t->from, t->to, k->v, t->gaps ? &k->gap : NULL, err)
              : rt_fail(err, "not enough memory");
}

/* What is read of it comes from the disk; NULL: it cannot be. */
static void *map_file(const char *path, size_t *size) {
  struct stat st;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  void *p = MAP_FAILED;
  if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
    p = mmap(NULL, *size = (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (fd >= 0) close(fd);
  return p == MAP_FAILED ? NULL : p;
}

bool rt_npy_values(RtTable *t, const int *column, int n, RtError *err) {
  size_t size;
  Npy a;
  RtError why;
  RtTable now = {.whole = t->whole};
  char *image = t->to ? map_file(t->path, &size) : NULL;
  const bool mapped = image != NULL;
  if (!image && !(image = rt_file_read(t->path, &size, err))) return false;
  bool ok = npy_parse(&a, image, size, size, &why) && columns_of(&a, &now, &why);
  a.any = t->whole;
  if (ok && (now.rows != t->rows || now.column->rows != t->column->rows || now.ncolumn != t->ncolumn ||
             memcmp(now.column->dim, t->column->dim, sizeof now.column->dim)))
    ok = rt_fail(&why, "it is being changed");
  for (int i = 0; ok && i < n; i++) ok = column_values(&a, t, column[i], &why);
  rt_table_finish(&now);
  if (mapped) munmap(image, size);
  else free(image);
  return ok || rt_fail(err, "%s: %s", t->path, why.text);
}

unsigned char *npy_image(const RtArray *a, size_t *size) {
  char header[256], dims[128] = "";
  size_t n = 0;
  if (a->n) n += (size_t)snprintf(dims, sizeof dims, "%lld,", (long long)a->n);
  for (int d = 0; d < a->rank; d++) n += (size_t)snprintf(dims + n, sizeof dims - n, d || a->n ? " %u," : "%u,", a->dim[d]);
  int len = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                     a->truth ? "|b1"
                     : a->f64 ? "<f8"
                              : "<f4",
                     dims);
  while ((10 + len + 1) % 64) header[len++] = ' ';
  header[len++] = '\n';
  const int64_t rows = a->n ? a->n : 1, bytes = a->truth ? 1 : a->f64 ? 8 : 4;
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
      if (a->truth) *q = rt_real(a->v, i, a->f64) != 0;
      else memcpy(q, (const char *)a->v + i * bytes, (size_t)bytes);
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
