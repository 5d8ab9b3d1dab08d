/* See data_write.h. */
#include "tests/fuzz/data_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_int(Bytes *b, uint64_t v, int bytes) {
  for (int k = 0; k < bytes; k++, v >>= 8) fuzz_put(b, &(unsigned char){(unsigned char)v}, 1);
}

/* ---- tables ------------------------------------------------------------------------------------------------ */

/* What every element type holds, half floats and bytes among them. */
double fuzz_value(void) {
  static const double some[] = {0, 1, 2, 3, 7, 100, 127};
  return some[fuzz_draw(sizeof some / sizeof *some)];
}

void fuzz_column(Column *c, int i, int64_t rows, int most_rank) {
  *c = (Column){.rank = (int)fuzz_draw((uint64_t)most_rank + 1), .elems = 1, .rows = rows};
  snprintf(c->name, sizeof c->name, "%c%d", "qpxyze"[fuzz_draw(6)], i);
  for (int d = 0; d < c->rank; d++) c->elems *= c->dim[d] = 1 + (uint32_t)fuzz_draw(d ? 2 : 3);
  for (int64_t k = 0; k < rows * c->elems; k++) c->v[k] = fuzz_value();
}

void fuzz_table(Table *t, int most_rank) {
  t->n = 1 + (int)fuzz_draw(MOST_COLUMNS - 1);
  t->rows = 1 + (int64_t)fuzz_draw(MOST_ROWS - 1);
  for (int c = 0; c < t->n; c++) fuzz_column(&t->column[c], c, t->rows, most_rank);
}

/* ---- text --------------------------------------------------------------------------------------------------- */

static void print_number(char *out, size_t size, double v) {
  static const char *const format[] = {"%.17g", "%+.17g", "%.3f", "%.6e", "%.1E", "%03.0f"};
  const size_t k = fuzz_draw(sizeof format / sizeof *format);
  snprintf(out, size, format[k], v);
  if (k == 4 && strtod(out, NULL) != v) snprintf(out, size, "%.17g", v); /* two digits are not enough */
  for (char *s = out; k == 3 && *s; s++)
    if (*s == 'e' && fuzz_chance(30)) *s = 'D';
}

static void put_cell(Bytes *b, const Style *s, const char *text) {
  const bool quote = s->quotes && fuzz_chance(30);
  if (s->blanks && s->separator && s->separator != '\t' && fuzz_chance(30)) fuzz_put_text(b, "  ");
  fuzz_put_text(b, quote ? "\"" : "");
  fuzz_put_text(b, text);
  fuzz_put_text(b, quote ? "\"" : "");
  if (s->blanks && s->separator && s->separator != '\t' && fuzz_chance(30)) fuzz_put_text(b, " ");
}

static void put_separator(Bytes *b, const Style *s) {
  if (s->separator) fuzz_put(b, &s->separator, 1);
  else fuzz_put_text(b, fuzz_chance(50) ? " " : "  ");
}

void fuzz_write_text(Bytes *b, const Style *s, const Table *t, int64_t row, int col, const char *cell, long *line) {
  static const char *const words[] = {"Venus", "n/a", "a b", "#7", "x1", "-"};
  char text[64];
  long at = 1;
  b->n = 0;
  if (s->bom) fuzz_put_text(b, "\xEF\xBB\xBF");
  if (s->comments) fuzz_put_text(b, "% made by a test"), fuzz_put_text(b, s->eol), at++;
  if (s->header == 2) fuzz_put_text(b, "# ");
  for (int c = 0; s->header && c < t->n; c++) {
    if (c) put_separator(b, s);
    fuzz_put_text(b, t->column[c].name);
  }
  if (s->header) fuzz_put_text(b, s->eol), at++;
  for (int64_t r = 0; r < t->rows; r++, at++) {
    if (s->comments && r && fuzz_chance(10)) fuzz_put_text(b, fuzz_chance(50) ? "#" : "  "), fuzz_put_text(b, s->eol), at++;
    if (r == row) *line = at;
    for (int c = 0; c < t->n; c++) {
      if (c) put_separator(b, s);
      if (t->column[c].text) snprintf(text, sizeof text, "%s", words[s->separator && c ? fuzz_draw(6) : 0]);
      else print_number(text, sizeof text, t->column[c].v[r]);
      put_cell(b, s, cell && r == row && c == col ? cell : text);
    }
    if (r + 1 < t->rows || s->last_eol) fuzz_put_text(b, s->eol);
  }
}

Style fuzz_style(const Table *t) {
  static const char *const eol[] = {"\n", "\r\n", "\r"};
  Style s = {.separator = ",;\t\0"[fuzz_draw(4)],
             .eol = eol[fuzz_draw(3)],
             .header = (int)fuzz_draw(3),
             .bom = fuzz_chance(10),
             .comments = fuzz_chance(30),
             .quotes = fuzz_chance(20),
             .blanks = fuzz_chance(30),
             .last_eol = fuzz_chance(70)};
  if (s.header == 2 && s.separator) s.header = 1;
  for (int c = 0; c < t->n; c++)
    if (t->column[c].text && s.header != 1) s.header = 1;
  if (s.separator == '\t' && s.header != 1) s.quotes = false;
  return s;
}

/* ---- .npy, .npz --------------------------------------------------------------------------------------------- */

static uint64_t half_bits(double v) {
  if (v == 0) return 0;
  int e;
  const double m = frexp(v, &e);
  return (uint64_t)(e + 14) << 10 | ((uint64_t)(m * 2048) & 1023);
}

static uint64_t bits_of(double v, char kind, int size) {
  uint64_t w = 0;
  const float f = (float)v;
  if (kind == 'f' && size == 8) memcpy(&w, &v, 8);
  else if (kind == 'f' && size == 4) memcpy(&w, &f, 4);
  else if (kind == 'f') w = half_bits(v);
  else w = (uint64_t)(int64_t)v;
  return w;
}

/* The element at C index i of an array, in Fortran's order: its place. */
static int64_t fortran_place(int64_t i, int rank, const uint32_t *dim) {
  int64_t place = 0, stride[4], s = 1;
  for (int d = 0; d < rank; d++) stride[d] = s, s *= dim[d];
  for (int d = rank - 1; d >= 0; d--) place += i % dim[d] * stride[d], i /= dim[d];
  return place;
}

void fuzz_write_npy(Bytes *b, int rank, const uint32_t *dim, const double *v, int64_t odd, uint64_t odd_word, const char *type) {
  static const char *const types[] = {"f8", "f4", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"};
  if (!type) type = types[fuzz_draw(sizeof types / sizeof *types)];
  const int size = type[1] - '0', version = 1 + (int)fuzz_draw(3);
  const bool big = fuzz_chance(30), fortran = rank > 1 && fuzz_chance(40);
  char header[256];
  int n = snprintf(header, sizeof header, "{'descr': '%c%s', 'fortran_order': %s, 'shape': (",
                   size == 1 ? '|'
                   : big     ? '>'
                             : '<',
                   type, fortran ? "True" : "False");
  int64_t count = 1;
  for (int d = 0; d < rank; d++) {
    n += snprintf(header + n, sizeof header - (size_t)n, d ? ", %u" : "%u,", dim[d]);
    if (d == 0 && rank > 1) n--;
    count *= dim[d];
  }
  n += snprintf(header + n, sizeof header - (size_t)n, "), }%*s\n", (int)fuzz_draw(64), "");
  fuzz_put(b, "\x93NUMPY", 6);
  put_int(b, (uint64_t)version, 2);
  put_int(b, (uint64_t)n, version == 1 ? 2 : 4);
  fuzz_put(b, header, (size_t)n);
  uint64_t *word = calloc((size_t)count, sizeof *word);
  if (!word) abort();
  for (int64_t i = 0; i < count; i++)
    word[fortran ? fortran_place(i, rank, dim) : i] = i == odd ? odd_word : bits_of(v[i], type[0], size);
  for (int64_t i = 0; i < count; i++)
    for (int k = 0; k < size; k++) put_int(b, word[i] >> 8 * (big ? size - 1 - k : k), 1);
  free(word);
}

static uint32_t crc32_of(const unsigned char *p, size_t n) {
  uint32_t c = ~0u;
  for (size_t i = 0; i < n; i++) {
    c ^= p[i];
    for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
  }
  return ~c;
}

void fuzz_add_member(Zip *z, const char *name, const Bytes *data, bool wide) {
  const size_t at = z->out.n, len = strlen(name);
  const uint32_t crc = crc32_of(data->at, data->n);
  for (int central = 0; central < 2; central++) {
    Bytes *b = central ? &z->central : &z->out;
    const bool extra = wide && !central;
    fuzz_put(b, central ? "PK\1\2" : "PK\3\4", 4);
    if (central) put_int(b, 20, 2);
    put_int(b, wide ? 45 : 20, 2);
    put_int(b, 0, 4);
    put_int(b, 0x00210000, 4);
    put_int(b, crc, 4);
    put_int(b, extra ? UINT32_MAX : data->n, 4);
    put_int(b, extra ? UINT32_MAX : data->n, 4);
    put_int(b, len, 2);
    put_int(b, extra ? 20 : 0, 2);
    if (central) put_int(b, 0, 10), put_int(b, at, 4);
    fuzz_put_text(b, name);
    if (extra) put_int(b, 1, 2), put_int(b, 16, 2), put_int(b, data->n, 8), put_int(b, data->n, 8);
  }
  fuzz_put(&z->out, data->at, data->n);
  z->n++;
}

void fuzz_end_zip(Zip *z) {
  const size_t at = z->out.n, n = z->central.n;
  fuzz_put(&z->out, z->central.at, n);
  fuzz_put(&z->out, "PK\5\6\0\0\0\0", 8);
  put_int(&z->out, (uint64_t)z->n, 2), put_int(&z->out, (uint64_t)z->n, 2);
  put_int(&z->out, n, 4), put_int(&z->out, at, 4);
  put_int(&z->out, 0, 2);
  free(z->central.at);
}
