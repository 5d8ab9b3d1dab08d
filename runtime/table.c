/* Text tables. Lines are rows; empty lines and lines that begin with `#` or `%` are comments. Columns are
 * parted by commas if the first row has one, else by semicolons, else by white space; a field may be in
 * double quotes. A first row without a number is the header; without one, the last comment before the
 * first row gives the names if it has as many words as the rows have columns, all of them identifiers
 * (what numpy.savetxt writes). A column is text if its first non-empty field is no number.
 * Exponents may be long (`e+000`) or Fortran's (`1.0D+3`). */
#include "runtime/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum { KIND_UNKNOWN, KIND_NUMBER, KIND_TEXT } Kind;
typedef struct Field { const char *at; size_t len; } Field;
typedef struct Read {
  const char *path;
  RtError *err;
  bool info_only;
  long line;
  char separator;            /* ',' or ';', 0: white space, 1: not known yet */
  bool started;              /* the header or a row was seen */
  Field *field; int nfield, room;
  Kind *kind; long *empty_line;          /* line of the first empty field of a column */
  RtTable *t;
  int64_t capacity;
} Read;

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

static bool add_field(Read *r, const char *at, size_t len) {
  if (r->nfield == r->room) {
    const int room = r->room ? 2 * r->room : 16;
    Field *more = realloc(r->field, (size_t)room * sizeof *more);
    if (!more) return rt_fail(r->err, "%s: not enough memory", r->path);
    r->field = more;
    r->room = room;
  }
  r->field[r->nfield++] = (Field){at, len};
  return true;
}

/* Up to the separator or the end of the line; sets p behind it. */
static bool one_field(Read *r, const char **p, const char *end) {
  const char *s = *p, *e;
  while (s < end && is_space(*s)) s++;
  if (s < end && *s == '"') {
    for (e = ++s; e < end && *e != '"'; e++) {}
    if (e == end) return rt_fail(r->err, "%s:%ld: column %d: the quote is not closed", r->path, r->line, r->nfield + 1);
    *p = e + 1;
    return add_field(r, s, (size_t)(e - s));
  }
  for (e = s; e < end && (r->separator ? *e != r->separator : !is_space(*e)); e++) {}
  *p = e;
  while (e > s && is_space(e[-1])) e--;
  return add_field(r, s, (size_t)(e - s));
}

/* A comma outside quotes, else a semicolon, else white space. */
static char separator_of(const char *s, const char *end) {
  char found = 0;
  for (bool in = false; s < end; s++) {
    if (*s == '"') in = !in;
    if (!in && *s == ',') return ',';
    if (!in && *s == ';') found = ';';
  }
  return found;
}

static bool split_line(Read *r, const char *s, const char *end) {
  r->nfield = 0;
  if (r->separator == 1) r->separator = separator_of(s, end);
  for (;;) {
    if (!one_field(r, &s, end)) return false;
    while (s < end && is_space(*s)) s++;
    if (s == end) return true;
    if (r->separator && *s != r->separator)
      return rt_fail(r->err, "%s:%ld: column %d: expected `%c` after the quoted field", r->path, r->line, r->nfield, r->separator);
    if (r->separator) s++;
  }
}

typedef enum { PARSED, NOT_A_NUMBER, NOT_FINITE, OUT_OF_RANGE } Parsed;

static Parsed parse_number(Field f, double *v) {
  char text[128];
  if (f.len == 0 || f.len >= sizeof text) return NOT_A_NUMBER;
  memcpy(text, f.at, f.len);
  text[f.len] = 0;
  for (char *c = text; *c; c++)
    if ((*c == 'd' || *c == 'D') && c > text) *c = 'e';
  char *end;
  *v = strtod(text, &end);
  if (*end || end == text || memchr(text, 'x', f.len) || memchr(text, 'X', f.len)) return NOT_A_NUMBER;
  if (isfinite(*v)) return PARSED;
  return strpbrk(text, "nN") ? NOT_FINITE : OUT_OF_RANGE;      /* nan, inf */
}

static const char *column_name(const Read *r, int c, char *buffer, size_t size) {
  if (r->t->column[c].name[0]) snprintf(buffer, size, "column %d (`%s`)", c + 1, r->t->column[c].name);
  else snprintf(buffer, size, "column %d", c + 1);
  return buffer;
}

static bool make_columns(Read *r, bool named) {
  r->t->ncolumn = r->nfield;
  r->t->column = calloc((size_t)r->nfield, sizeof *r->t->column);
  r->kind = calloc((size_t)r->nfield, sizeof *r->kind);
  r->empty_line = calloc((size_t)r->nfield, sizeof *r->empty_line);
  bool ok = r->t->column && r->kind && r->empty_line;
  for (int c = 0; ok && c < r->nfield; c++) {
    r->t->column[c].name = strndup(r->field[c].at, named ? r->field[c].len : 0);
    r->t->column[c].number = true;
    ok = r->t->column[c].name != NULL;
  }
  return ok || rt_fail(r->err, "%s: not enough memory", r->path);
}

static bool identifier(Field f) {
  if (!f.len || (f.at[0] >= '0' && f.at[0] <= '9')) return false;
  for (size_t i = 0; i < f.len; i++) {
    const unsigned char c = (unsigned char)f.at[i];
    if (!(c == '_' || c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) return false;
  }
  return true;
}

static bool names_from_comment(Read *r, const char *s, const char *end) {
  while (s < end && (*s == '#' || *s == '%' || is_space(*s))) s++;
  while (end > s && is_space(end[-1])) end--;
  if (s >= end || !split_line(r, s, end) || r->nfield != r->t->ncolumn) return false;
  for (int c = 0; c < r->nfield; c++)
    if (!identifier(r->field[c])) return false;
  return true;
}

static bool grow(Read *r) {
  if (r->info_only || r->t->rows < r->capacity) return true;
  r->capacity = r->capacity ? 2 * r->capacity : 256;
  for (int c = 0; c < r->t->ncolumn; c++) {
    double *more = realloc(r->t->column[c].v, (size_t)r->capacity * sizeof *more);
    if (!more) return rt_fail(r->err, "%s: not enough memory", r->path);
    r->t->column[c].v = more;
  }
  return true;
}

static bool store(Read *r, int c) {
  char name[160];
  const Field f = r->field[c];
  double v = 0;
  const Parsed p = f.len ? parse_number(f, &v) : NOT_A_NUMBER;
  if (!f.len && r->kind[c] != KIND_NUMBER) {
    if (!r->empty_line[c]) r->empty_line[c] = r->line;
    return true;
  }
  if (r->kind[c] == KIND_UNKNOWN) r->kind[c] = p == NOT_A_NUMBER ? KIND_TEXT : KIND_NUMBER;
  if (r->kind[c] == KIND_TEXT) return true;
  const long line = r->empty_line[c] ? r->empty_line[c] : r->line;
  column_name(r, c, name, sizeof name);
  if (!f.len || r->empty_line[c])
    return rt_fail(r->err, "%s:%ld: %s: the field is empty; fill it in or remove the row", r->path, line, name);
  const int len = f.len > 40 ? 40 : (int)f.len;
  if (p == NOT_A_NUMBER) return rt_fail(r->err, "%s:%ld: %s: expected a number, found `%.*s`", r->path, line, name, len, f.at);
  if (p != PARSED)
    return rt_fail(r->err, p == NOT_FINITE ? "%s:%ld: %s: `%.*s` is not a finite number; remove the row or fill it in"
                                           : "%s:%ld: %s: `%.*s` is out of range", r->path, line, name, len, f.at);
  if (!r->info_only) r->t->column[c].v[r->t->rows] = v;
  return true;
}

static bool is_header(const Read *r) {
  double v;
  for (int c = 0; c < r->nfield; c++)
    if (parse_number(r->field[c], &v) != NOT_A_NUMBER) return false;
  return true;
}

static bool row(Read *r, bool last) {
  if (r->nfield != r->t->ncolumn)
    return rt_fail(r->err, "%s:%ld: found %d column%s, the rows above have %d%s", r->path, r->line, r->nfield, r->nfield == 1 ? "" : "s",
                   r->t->ncolumn, last ? "; it is the last line: is the file cut off?" : "");
  if (!grow(r)) return false;
  for (int c = 0; c < r->nfield; c++)
    if (!store(r, c)) return false;
  r->t->rows++;
  return true;
}

/* The first line that is no comment: the header, or a row whose columns the comment above may name. */
static bool first_line(Read *r, const char *s, const char *end, const char *comment, const char *comment_end) {
  r->started = true;
  if (is_header(r)) return make_columns(r, true);
  if (!make_columns(r, false)) return false;
  RtError ignored, *err = r->err;
  r->err = &ignored;
  if (comment && names_from_comment(r, comment, comment_end))
    for (int c = 0; c < r->nfield; c++) {
      char *name = strndup(r->field[c].at, r->field[c].len);
      if (name) { free(r->t->column[c].name); r->t->column[c].name = name; }
    }
  r->err = err;
  return split_line(r, s, end) && row(r, false);
}

static bool lines(Read *r, const char *s, const char *end) {
  const char *comment = NULL, *comment_end = NULL;
  while (s < end) {
    const char *eol = memchr(s, '\n', (size_t)(end - s)), *next = eol ? eol + 1 : end, *e = eol ? eol : end;
    r->line++;
    if (memchr(s, 0, (size_t)(e - s))) return rt_fail(r->err, "%s:%ld: a NUL byte: this is not a text table", r->path, r->line);
    while (s < e && is_space(*s)) s++;
    while (e > s && is_space(e[-1])) e--;
    if (s < e && (*s == '#' || *s == '%')) comment = s, comment_end = e;
    else if (s < e) {
      if (!split_line(r, s, e)) return false;
      if (r->started ? !row(r, next == end) : !first_line(r, s, e, comment, comment_end)) return false;
    }
    s = next;
  }
  return true;
}

static bool finish(Read *r) {
  if (!r->t->rows)
    return rt_fail(r->err, r->started ? "%s: a header but no rows" : "%s: the file is empty: no header, no rows", r->path);
  for (int c = 0; c < r->t->ncolumn; c++) {
    RtColumn *k = &r->t->column[c];
    k->number = r->kind[c] == KIND_NUMBER;
    k->rows = r->t->rows;
    if (!k->number) { free(k->v); k->v = NULL; }
  }
  return true;
}

static bool read_text(const char *path, bool info_only, RtTable *out, RtError *err) {
  size_t size;
  char *text = rt_file_read(path, &size, err);
  if (!text) return false;
  Read r = {.path = path, .err = err, .info_only = info_only, .separator = 1, .t = out};
  const size_t bom = size >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3) ? 3 : 0;
  const bool ok = lines(&r, text + bom, text + size) && finish(&r);
  free(r.field);
  free(r.kind);
  free(r.empty_line);
  free(text);
  return ok;
}

static bool has_magic(const char *path, const char *magic, size_t n) {
  char head[8] = {0};
  FILE *f = fopen(path, "rb");
  const bool same = f && fread(head, 1, n, f) == n && !memcmp(head, magic, n);
  if (f) fclose(f);
  return same;
}

static bool ends(const char *path, const char *end) {
  const size_t n = strlen(path), m = strlen(end);
  return n >= m && !strcmp(path + n - m, end);
}

bool rt_table_read(const char *path, bool info_only, RtTable *out, RtError *err) {
  *out = (RtTable){0};
  const bool npy = ends(path, ".npy") || has_magic(path, "\x93NUMPY", 6);
  const bool npz = ends(path, ".npz") || has_magic(path, "PK\x03\x04", 4);
  const bool ok = npy ? rt_npy_read(path, info_only, out, err) : npz ? rt_npz_read(path, info_only, out, err)
                                                               : read_text(path, info_only, out, err);
  if (!ok) rt_table_finish(out);
  return ok;
}

void rt_table_finish(RtTable *t) {
  if (!t) return;
  for (int c = 0; c < t->ncolumn; c++) {
    free(t->column[c].name);
    free(t->column[c].v);
  }
  free(t->column);
  *t = (RtTable){0};
}
