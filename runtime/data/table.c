/* Text tables. Lines are rows, ended by LF, CR LF or CR; empty lines and lines that begin with `#` or `%` are comments.
 * The first row says what parts columns: semicolons if it has one, else commas, else single tabs, else white space; a
 * field may be in double quotes. A first row without a number is the header; without one, the last comment before the
 * first row gives the names if it has as many words as the rows have columns, all of them identifiers
 * (what numpy.savetxt writes). A column is text if its first field that is no gap is no number; what else is no number
 * in a column is its fault. */
#include "runtime/data/table_priv.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef enum { KIND_UNKNOWN, KIND_NUMBER, KIND_TEXT } Kind;
typedef struct Field {
  const char *at;
  size_t len;
  bool quoted;
} Field;
typedef struct Read {
  const char *path;
  RtError *err;
  bool info_only;
  long line;
  char separator; /* ',', ';', '\t', 0: white space, 1: not known yet */
  bool started;   /* the header or a row was seen */
  bool named;     /* by a header */
  bool no_memory;
  Field *field;
  int nfield, room;
  Kind *kind;
  RtTable *t;
  int64_t capacity;
} Read;

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f'; }

static bool add_field(Read *r, const char *at, size_t len, bool quoted) {
  if (r->nfield == r->room) {
    const int room = r->room ? 2 * r->room : 16;
    Field *more = room < 1 << 28 ? realloc(r->field, (size_t)room * sizeof *more) : NULL;
    if (!more) return rt_fail(r->err, "%s: not enough memory", r->path);
    r->field = more;
    r->room = room;
  }
  r->field[r->nfield++] = (Field){at, len, quoted};
  return true;
}

/* Bytes of a field that a message quotes: whole characters. */
static int shown(const char *at, size_t len) {
  if (len <= 40) return (int)len;
  for (len = 40; len > 30 && ((unsigned char)at[len] & 0xC0) == 0x80;) len--;
  return (int)len;
}

/* Behind the quote that closes the one before s; two quotes are one character. */
static const char *closing(const char *s, const char *end) {
  for (; s < end; s++)
    if (*s == '"' && !(s + 1 < end && s[1] == '"')) return s;
    else if (*s == '"') s++;
  return NULL;
}

static bool parts(const Read *r, char c) { return r->separator ? c == r->separator : is_space(c); }
static bool blank(const Read *r, char c) { return is_space(c) && c != r->separator; }

/* Up to the separator or the end of the line; sets p behind it. */
static bool one_field(Read *r, const char **p, const char *end) {
  const char *s = *p, *e;
  while (s < end && blank(r, *s)) s++;
  if (s < end && *s == '"') {
    if (!(e = closing(++s, end)))
      return rt_fail(r->err, "%s:%ld: the quote before `%.*s` is not closed", r->path, r->line, shown(s, (size_t)(end - s)), s);
    *p = e + 1;
    if (*p < end && !is_space(**p) && !parts(r, **p))
      return rt_fail(r->err, "%s:%ld: expected %s after the quoted field `%.*s`", r->path, r->line,
                     r->separator == ','   ? "`,`"
                     : r->separator == ';' ? "`;`"
                                           : "a blank",
                     shown(s, (size_t)(e - s)), s);
    return add_field(r, s, (size_t)(e - s), true);
  }
  for (e = s; e < end && !parts(r, *e); e++) {}
  *p = e;
  while (e > s && is_space(e[-1])) e--;
  return add_field(r, s, (size_t)(e - s), false);
}

static bool split_by(Read *r, char separator, const char *s, const char *end) {
  r->nfield = 0;
  r->separator = separator;
  for (;;) {
    if (!one_field(r, &s, end)) return false;
    while (s < end && blank(r, *s)) s++;
    if (s == end) return true;
    if (separator && *s != separator)
      return rt_fail(r->err, "%s:%ld: expected `%c` after the quoted field `%.*s`", r->path, r->line, separator,
                     shown(r->field[r->nfield - 1].at, r->field[r->nfield - 1].len), r->field[r->nfield - 1].at);
    if (separator) s++;
  }
}

/* Tabs part columns if each stands alone between fields without blanks: then two of them hold an empty one. */
static bool single_tabs(const char *s, const char *end) {
  bool any = false;
  for (; s < end; s++) {
    if (is_space(*s) && (*s != '\t' || s + 1 == end || s[1] == '\t')) return false;
    any |= *s == '\t';
  }
  return any;
}

static char separator_of(const char *line, const char *end) {
  char found = 0;
  bool in = false;
  for (const char *s = line; s < end; s++) {
    if (*s == '"' && (in || s == line || s[-1] == ',' || s[-1] == ';' || is_space(s[-1]))) in = !in;
    if (!in && *s == ';') return ';';
    if (!in && *s == ',') found = ',';
  }
  return found ? found : single_tabs(line, end) ? '\t' : 0;
}

/* Rows of a table with tabs may be aligned by blanks. */
static bool split_line(Read *r, const char *s, const char *end) {
  const int want = r->t->ncolumn;
  if (r->separator == 1) r->separator = separator_of(s, end);
  if (!split_by(r, r->separator, s, end)) return false;
  if (r->separator != '\t' || !want || r->nfield == want) return true;
  const bool good = split_by(r, 0, s, end);
  r->separator = '\t';
  return good && (r->nfield == want || split_by(r, '\t', s, end));
}

static bool make_columns(Read *r, bool named) {
  r->t->column = calloc((size_t)r->nfield, sizeof *r->t->column);
  r->kind = calloc((size_t)r->nfield, sizeof *r->kind);
  bool ok = r->t->column && r->kind;
  for (int c = 0; ok && c < r->nfield; c++) {
    const Field f = r->field[c];
    char *name = strndup(f.at, named ? f.len : 0), *to = name;
    r->t->column[c] = (RtColumn){.name = name, .number = true};
    r->t->ncolumn = c + 1;
    ok = name != NULL;
    for (const char *s = name; ok && f.quoted && (*to = *s); to++) s += *s == '"' ? 2 : 1;
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
  r->capacity = r->capacity ? 2 * r->capacity : 4;
  for (int c = 0; c < r->t->ncolumn; c++) {
    double *more = realloc(r->t->column[c].v, (size_t)r->capacity * sizeof *more);
    if (!more) return rt_fail(r->err, "%s: not enough memory", r->path);
    r->t->column[c].v = more;
  }
  return true;
}

/* The first fault of a column counts. */
static void __attribute__((format(printf, 3, 4))) fault(Read *r, int c, const char *format, ...) {
  RtError text;
  va_list ap;
  if (r->t->column[c].fault) return;
  va_start(ap, format);
  vsnprintf(text.text, sizeof text.text, format, ap);
  va_end(ap);
  for (char *s = text.text; *s; s++)
    if ((unsigned char)*s < ' ' || *s == 0x7F) *s = '?'; /* no escape of a file moves a cursor */
  r->t->column[c].fault = strdup(text.text);
  r->no_memory |= !r->t->column[c].fault;
}

static bool is_gap(Cell cell) { return cell == CELL_GAP || cell == CELL_NAN; }

static void bad_cell(Read *r, int c, Cell cell, Field f) {
  const char *help = rt_cell_help(f.at, f.len);
  const int n = shown(f.at, f.len);
  if (cell == CELL_GAP && !f.len) fault(r, c, "line %ld: the field is empty; fill it in or remove the row", r->line);
  else if (cell == CELL_TEXT && r->kind[c] == KIND_TEXT)
    fault(r, c, "it contains text, in line %ld `%.*s`%s", r->line, n, f.at, help);
  else if (cell == CELL_TEXT) fault(r, c, "line %ld: expected a number, found `%.*s`%s", r->line, n, f.at, help);
  else if (cell == CELL_RANGE) fault(r, c, "line %ld: `%.*s` is out of range", r->line, n, f.at);
  else if (cell == CELL_INEXACT)
    fault(r, c, "line %ld: `%.*s` is a whole number that f64 cannot represent exactly; write it with a decimal point to round it",
          r->line, n, f.at);
  else fault(r, c, "line %ld: `%.*s` is not a finite number; remove the row or fill it in", r->line, n, f.at);
}

/* A number with a decimal comma: a column that begins with one is no column of text, which could be passed over. */
static bool comma(Field f) { return memchr(f.at, ',', f.len) && !memchr(f.at, '.', f.len) && rt_cell_foreign(f.at, f.len); }

/* A gap at the beginning of a column of text is no fault of it, so text that comes first takes its place. */
static void store(Read *r, int c) {
  const Field f = r->field[c];
  double v = 0;
  const Cell cell = rt_cell(f.at, f.len, &v);
  if (r->kind[c] == KIND_UNKNOWN && cell == CELL_TEXT) {
    free(r->t->column[c].fault);
    r->t->column[c].fault = NULL, r->t->column[c].gap = false;
  }
  if (r->kind[c] == KIND_UNKNOWN && cell != CELL_GAP) r->kind[c] = cell == CELL_TEXT && !comma(f) ? KIND_TEXT : KIND_NUMBER;
  if (is_gap(cell) && !r->t->column[c].fault) r->t->column[c].gap = true;
  if (is_gap(cell) && r->t->gaps) v = NAN;
  else if (cell != CELL_NUMBER) bad_cell(r, c, cell, f);
  if (!r->info_only) r->t->column[c].v[r->t->rows] = v;
}

static bool is_header(const Read *r) {
  bool gaps = true;
  double v;
  for (int c = 0; c < r->nfield; c++) {
    const Cell cell = rt_cell(r->field[c].at, r->field[c].len, &v);
    if (cell != CELL_TEXT && cell != CELL_GAP) return false;
    gaps = gaps && cell == CELL_GAP;
  }
  return !gaps;
}

/* A first row with numbers is no header. But where it has text and the second has a number, it may be meant as one. */
static bool first_was_row(const Read *r) {
  double v;
  for (int c = 0; c < r->nfield; c++)
    if (r->kind[c] == KIND_TEXT && rt_cell(r->field[c].at, r->field[c].len, &v) == CELL_NUMBER)
      return rt_fail(r->err,
                     "%s:%ld: `%.*s` is a number, but the first row has text: if the first row is the header, none of its names "
                     "may be a number; if not, each field must be a number",
                     r->path, r->line, shown(r->field[c].at, r->field[c].len), r->field[c].at);
  return true;
}

static bool row(Read *r, bool last) {
  if (r->nfield != r->t->ncolumn)
    return rt_fail(r->err, "%s:%ld: found %d column%s, but the rows above have %d%s", r->path, r->line, r->nfield,
                   r->nfield == 1 ? "" : "s", r->t->ncolumn, last ? "; it is the last line: is the file truncated?" : "");
  if (!grow(r) || (r->t->rows == 1 && !r->named && !first_was_row(r))) return false;
  for (int c = 0; c < r->nfield; c++) store(r, c);
  r->t->rows++;
  return !r->no_memory || rt_fail(r->err, "%s: not enough memory", r->path);
}

static bool several_numbers(Field f) {
  int words = 0;
  double v;
  for (const char *s = f.at, *end = f.at + f.len; s < end;) {
    const char *e = s;
    while (e < end && !is_space(*e)) e++;
    if (e > s && rt_cell(s, (size_t)(e - s), &v) != CELL_NUMBER) return false;
    words += e > s;
    s = e + (e < end);
  }
  return words > 1;
}

/* Commas may be those of numbers, and numbers in another notation are no names of columns: a first row says the wrong
 * thing without a word, all others are columns' faults. */
static bool doubtful(Read *r, bool header) {
  for (int c = 0; c < r->nfield; c++) {
    const Field f = r->field[c];
    if (f.quoted) continue;
    if (header && rt_cell_foreign(f.at, f.len))
      return !rt_fail(r->err,
                      "%s:%ld: `%.*s` is neither a number nor the name of a column%s; put a name like this in double quotes",
                      r->path, r->line, shown(f.at, f.len), f.at, rt_cell_help(f.at, f.len));
    if (!header && r->separator == ',' && several_numbers(f))
      return !rt_fail(
          r->err,
          "%s:%ld: found `%.*s` between commas; write decimal points for decimal commas, or separate columns by commas only",
          r->path, r->line, shown(f.at, f.len), f.at);
  }
  return false;
}

/* The first line that is no comment: the header, or a row whose columns the comment above may name. */
static bool first_line(Read *r, const char *s, const char *end, const char *comment, const char *comment_end) {
  const bool header = is_header(r);
  r->started = true;
  if (doubtful(r, header)) return false;
  r->named = header;
  if (header) return make_columns(r, true);
  if (!make_columns(r, false)) return false;
  RtError ignored, *err = r->err;
  r->err = &ignored;
  if (comment && names_from_comment(r, comment, comment_end))
    for (int c = 0; c < r->nfield; c++) {
      char *name = strndup(r->field[c].at, r->field[c].len);
      if (name) {
        free(r->t->column[c].name);
        r->t->column[c].name = name;
      }
    }
  r->err = err;
  return split_line(r, s, end) && row(r, false);
}

/* Without blanks around it; tabs at its ends hold empty fields if they part columns. */
static void trim(const Read *r, const char **s, const char **end) {
  const bool tabs = r->started && r->separator == '\t';
  while (*s < *end && is_space((*end)[-1]) && !(tabs && (*end)[-1] == '\t')) --*end;
  while (*s < *end && is_space(**s) && !(tabs && **s == '\t')) ++*s;
}

static bool all_blank(const char *s, const char *end) {
  while (s < end && is_space(*s)) s++;
  return s == end;
}

/* `#` and `%` begin comments, but for what spreadsheets write for a cell that they cannot compute. */
static bool is_comment(const char *s, const char *end) {
  static const char *const error[] = {"#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#NUM!", "#NAME?", "#NULL!"};
  for (size_t i = 0; i < sizeof error / sizeof *error; i++) {
    const size_t n = strlen(error[i]);
    if ((size_t)(end - s) >= n && !memcmp(s, error[i], n) && (s + n == end || is_space(s[n]) || s[n] == ',' || s[n] == ';'))
      return false;
  }
  return s < end && (*s == '#' || *s == '%');
}

static bool lines(Read *r, const char *s, const char *end) {
  const char *comment = NULL, *comment_end = NULL, *lf = NULL;
  while (s < end) {
    if (!lf || lf < s) lf = memchr(s, '\n', (size_t)(end - s));
    if (!lf) lf = end;
    const char *cr = memchr(s, '\r', (size_t)(lf - s)), *e = cr ? cr : lf;
    const char *next = cr && cr + 1 < lf ? cr + 1 : lf < end ? lf + 1 : end;
    r->line++;
    if (memchr(s, 0, (size_t)(e - s))) return rt_fail(r->err, "%s:%ld: a NUL byte: this is not a text table", r->path, r->line);
    trim(r, &s, &e);
    if (is_comment(s, e)) comment = s, comment_end = e;
    else if (!all_blank(s, e)) {
      if (!split_line(r, s, e)) return false;
      if (r->started ? !row(r, next == end) : !first_line(r, s, e, comment, comment_end)) return false;
    }
    s = next;
  }
  return true;
}

static bool finish(Read *r) {
  if (!r->t->rows && !(r->started && r->t->whole))
    return rt_fail(r->err, r->started ? "%s: a header but no rows" : "%s: the file is empty: no header, no rows", r->path);
  for (int c = 0; c < r->t->ncolumn; c++) {
    RtColumn *k = &r->t->column[c];
    k->number = r->kind[c] == KIND_NUMBER || !r->t->rows;
    k->rows = r->t->rows;
    if (k->fault) {
      free(k->v);
      k->v = NULL;
    }
  }
  return true;
}

static bool read_text(const char *path, bool info_only, RtTable *out, RtError *err) {
  size_t size;
  char *text = rt_file_read(path, &size, err);
  if (!text) return false;
  Read r = {.path = path, .err = err, .info_only = info_only, .separator = 1, .t = out};
  const size_t bom = size >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3) ? 3 : 0;
  out->text = true;
  const bool wide = size >= 2 && (!memcmp(text, "\xFF\xFE", 2) || !memcmp(text, "\xFE\xFF", 2));
  const bool ok =
      wide ? rt_fail(err, "%s: the file is in UTF-16; save it as UTF-8", path) : lines(&r, text + bom, text + size) && finish(&r);
  free(r.field);
  free(r.kind);
  free(text);
  return ok;
}

/* ---- files ------------------------------------------------------------------------------------------------- */

static bool has_magic_at(const char *path, long at, const char *magic, size_t n) {
  char head[8] = {0};
  FILE *f = fopen(path, "rb");
  const bool same = f && fseek(f, at, SEEK_SET) == 0 && fread(head, 1, n, f) == n && !memcmp(head, magic, n);
  if (f) fclose(f);
  return same;
}

static bool has_magic(const char *path, const char *magic, size_t n) { return has_magic_at(path, 0, magic, n); }

static bool ends(const char *path, const char *end) {
  const size_t n = strlen(path), m = strlen(end);
  return n >= m && !strcmp(path + n - m, end);
}

static bool is_npy(const char *path) { return ends(path, ".npy") || has_magic(path, "\x93NUMPY", 6); }
bool rt_table_is_npy(const char *path) { return is_npy(path); }
static bool is_npz(const char *path) { return ends(path, ".npz") || has_magic(path, "PK\x03\x04", 4); }

/* A block of the user's may stand before what is HDF5: MATLAB's does. */
static bool is_hdf5(const char *path) {
  bool is = ends(path, ".h5") || ends(path, ".hdf5");
  for (long at = 0; !is && at <= 2048; at = at ? 2 * at : 512) is = has_magic_at(path, at, "\x89HDF\r\n\x1a\n", 8);
  return is;
}

bool rt_table_values(RtTable *t, const int *column, int n, RtError *err) {
  bool all = true;
  for (int i = 0; i < n; i++) all = all && (t->column[column[i]].v || t->column[column[i]].fault);
  if (all) return true;
  if (is_npy(t->path)) return rt_npy_values(t, column, n, err);
  if (is_npz(t->path)) return rt_npz_values(t, column, n, err);
  return is_hdf5(t->path) ? rt_hdf5_values(t, column, n, err) : rt_fail(err, "%s: it is being changed", t->path);
}

bool rt_table_read(const char *path, unsigned how, RtTable *out, RtError *err) {
  *out = (RtTable){.path = strdup(path), .gaps = how & RT_GAPS, .whole = how & RT_WHOLE};
  const bool ok = !out->path      ? rt_fail(err, "%s: not enough memory", path)
                  : is_npy(path)  ? rt_npy_open(path, out, err)
                  : is_npz(path)  ? rt_npz_open(path, out, err)
                  : is_hdf5(path) ? rt_hdf5_open(path, out, err)
                                  : read_text(path, how & RT_INFO, out, err);
  if (!ok) rt_table_finish(out);
  return ok;
}

void rt_table_finish(RtTable *t) {
  if (!t) return;
  for (int c = 0; c < t->ncolumn; c++) {
    free(t->column[c].name);
    free(t->column[c].fault);
    if (!t->column[c].mapped) free(t->column[c].v);
    else if (t->column[c].v) munmap(t->column[c].v, t->column[c].mapped);
  }
  free(t->column);
  free(t->path);
  *t = (RtTable){0};
}
