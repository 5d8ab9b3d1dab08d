/* Data files: data [-n COUNT] [-t SECONDS] [-s SEED]
 *
 * COUNT times, or as often as SECONDS allow, a table of known numbers is written as text, .npy or .npz, in one of the many ways in which that may be done,
 * and read as the command does: every number must come back, bit by bit. Then one element is made something that is no
 * number: its column, and no other, must say so, with the line and the cell. Then the file is damaged, where its structure
 * is weak: an answer or an error, never a read out of range, a value that is not finite, or, where a checksum stands in the
 * file, a wrong number. A failure leaves the file, and says which. */
#include "runtime/runtime.h"
#include "tests/fuzz/data_write.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char dir[64], path[96];
static size_t number, refused, accepted;

static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  fprintf(stderr, "table %zu, %s: ", number, path);
  vfprintf(stderr, format, ap);
  fprintf(stderr, "\n");
  va_end(ap);
  _exit(1);
}

static void require(bool ok, const char *what) {
  if (!ok) fail("%s", what);
}

static void on_crash(int sig) {
  ssize_t ignored = write(STDERR_FILENO, path, strlen(path));
  (void)ignored;
  signal(sig, SIG_DFL);
  raise(sig);
}

static void save(const Bytes *b) {
  FILE *f = fopen(path, "wb");
  require(f && (!b->n || fwrite(b->at, 1, b->n, f) == b->n) && fclose(f) == 0, "cannot be written");
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static bool read_column(RtTable *t, int c, RtError *err) { return !t->column[c].fault && rt_table_values(t, &c, 1, err); }

static int find(const RtTable *t, const char *name) {
  for (int c = 0; c < t->ncolumn; c++)
    if (!strcmp(t->column[c].name, name)) return c;
  return -1;
}

static int64_t elems_of(const RtColumn *c) {
  int64_t n = 1;
  for (int d = 0; d < c->rank; d++) n *= c->dim[d];
  return n;
}

static bool same(const RtColumn *got, const Column *want) {
  if (got->rows != (want->constant ? RT_EVERY_ROW : want->rows) || got->rank != want->rank) return false;
  for (int d = 0; d < want->rank; d++)
    if (got->dim[d] != want->dim[d]) return false;
  return got->v && !memcmp(got->v, want->v, (size_t)(want->constant ? 1 : want->rows * want->elems) * sizeof(double));
}

/* Columns are looked up by name where the file has names, else by position. */
static void expect_column(RtTable *t, const Column *want, int position, bool named) {
  RtError err = {""};
  const int c = named ? find(t, want->name) : position;
  require(c >= 0 && c < t->ncolumn, "a column is missing");
  if (want->text) {
    require(!t->column[c].number && t->column[c].fault, "a column of text is not known as such");
    return;
  }
  if (t->column[c].fault) fail("column %d, `%s`: %s", c, want->name, t->column[c].fault);
  require(t->column[c].number, "a column of numbers is taken for text");
  if (!read_column(t, c, &err)) fail("%s", err.text);
  require(same(&t->column[c], want), "other numbers");
}

static void expect_table(const Table *want, bool named, int but) {
  RtTable t;
  RtError err = {""};
  if (!rt_table_read(path, RT_VALUES, &t, &err)) fail("%s", err.text);
  require(t.ncolumn == want->n, "another number of columns");
  for (int c = 0; c < want->n; c++)
    if (c != but) expect_column(&t, &want->column[c], c, named);
  rt_table_finish(&t);
}

/* Whatever was read can be used. */
static void sound(RtTable *t) {
  RtError err = {""};
  for (int c = 0; c < t->ncolumn; c++) {
    if (!read_column(t, c, &err)) continue;
    const RtColumn *k = &t->column[c];
    require(k->rows > 0 || k->rows == RT_EVERY_ROW, "a column without rows");
    for (int64_t i = 0; i < (k->rows > 0 ? k->rows : 1) * elems_of(k); i++) require(isfinite(k->v[i]), "a value is not finite");
  }
}

/* Arrays as they are: what can be read as a table can be read so, too, and all that is announced is there. */
static void whole(bool must) {
  RtTable t;
  RtError err = {""};
  const bool ok = rt_table_read(path, RT_GAPS | RT_WHOLE, &t, &err);
  double sum = 0;
  require(ok || !must, "a table that cannot be read whole");
  require(ok || err.text[0], "an error without a word");
  for (int c = 0; ok && c < t.ncolumn; c++) {
    if (!read_column(&t, c, &err)) continue;
    const RtColumn *k = &t.column[c];
    for (int64_t i = 0; i < (k->rows >= 0 ? k->rows : 1) * elems_of(k); i++) sum += k->v[i];
  }
  require(sum <= 0 || sum > 0 || isnan(sum), "a sum");
  if (ok) rt_table_finish(&t);
}

static bool try_reading(const Bytes *b, RtTable *t) {
  RtError err = {""};
  RtTable info;
  save(b);
  const bool looked = rt_table_read(path, RT_INFO, &info, &err), ok = rt_table_read(path, RT_VALUES, t, &err);
  require(looked == ok, "a look at the file and reading it say different things");
  if (looked) rt_table_finish(&info);
  require(ok || err.text[0], "an error without a word");
  *(ok ? &accepted : &refused) += 1;
  whole(ok);
  if (ok) sound(t);
  return ok;
}

static void try_damaged(const Bytes *b) {
  RtTable t;
  if (try_reading(b, &t)) rt_table_finish(&t);
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

/* One cell is no number. The first row of a table without header may say something else as a whole. */
static void spoil_cell(Bytes *b, const Style *s, const Table *t) {
  static const char *const cells[] = {"x",
                                      "0x10",
                                      "nan",
                                      "-inf",
                                      "NA",
                                      "1_000",
                                      "\xE2\x88\x92"
                                      "1",
                                      "1e5.3",
                                      "1e999",
                                      "9007199254740993",
                                      "1.2.3",
                                      "--1",
                                      "1e",
                                      "+",
                                      ".",
                                      "5%",
                                      "1'000",
                                      "1e+",
                                      "\xEF\xBC\x91",
                                      "1\xC2\xA0"
                                      "000",
                                      "",
                                      "1 000",
                                      "1,5"};
  const char *cell = cells[fuzz_draw(sizeof cells / sizeof *cells)];
  const int64_t row = (int64_t)fuzz_draw((uint64_t)t->rows);
  const int c = (int)fuzz_draw((uint64_t)t->n);
  long line = 0;
  char where[32], quoted[64];
  if (t->column[c].text || (!s->separator && (!*cell || strchr(cell, ' '))) || (s->separator == ',' && strchr(cell, ',')) ||
      (!s->separator && strchr(cell, ',')) || (t->n == 1 && (!*cell || strpbrk(cell, ", "))))
    return;
  if (s->separator == '\t' && (!*cell || strpbrk(cell, ", "))) return;
  fuzz_write_text(b, s, t, row, c, cell, &line);
  RtTable got;
  RtError err = {""};
  save(b);
  const bool first = row == 0 && s->header != 1;
  if (!rt_table_read(path, RT_VALUES, &got, &err)) {
    if (!first) fail("a cell spoils the whole table: %s", err.text);
    return;
  }
  const char *fault = got.ncolumn == t->n ? got.column[c].fault : NULL;
  snprintf(where, sizeof where, "line %ld", line);
  snprintf(quoted, sizeof quoted, "`%s`", cell);
  if (!fault && first) {
    rt_table_finish(&got);
    return;
  }
  if (!fault || !strstr(fault, where) || !strstr(fault, *cell ? quoted : "empty"))
    fail("`%s` in line %ld: %s", cell, line, fault ? fault : "no fault");
  rt_table_finish(&got);
  if (!first) expect_table(t, s->header != 0, c);
}

static void damage_text(Bytes *b) {
  static const char *const word[] = {"\n",   "\r",           ",",    ";", "\t", "\"", "#",    "%",  "nan",      "1e999",
                                     "\xff", "\xEF\xBB\xBF", "e",    "D", "-",  "0x", "\0\0", "NA", "\xC2\xA0", "1,5;2,5",
                                     "\n\n", "\"\"",         "1 000"};
  for (uint64_t k = 1 + fuzz_draw(4); k > 0; k--) {
    const char *w = word[fuzz_draw(sizeof word / sizeof *word)];
    const size_t from = (size_t)fuzz_draw(b->n + 1), n = *w ? strlen(w) : 1,
                 drop = fuzz_chance(50) ? 0 : (size_t)fuzz_draw(b->n - from + 1) % 5;
    Bytes out = {0};
    fuzz_put(&out, b->at, from);
    if (fuzz_chance(80)) fuzz_put(&out, w, n);
    fuzz_put(&out, b->at + from + drop, b->n - from - drop);
    free(b->at);
    *b = out;
    if (fuzz_chance(10)) b->n = (size_t)fuzz_draw(b->n + 1);
  }
}

static void text_case(Bytes *b) {
  Table t;
  long line;
  snprintf(path, sizeof path, "%s/t.%s", dir, fuzz_chance(50) ? "csv" : "txt");
  fuzz_table(&t, 0);
  for (int c = 1; c < t.n; c++) t.column[c].text = fuzz_chance(15);
  const Style s = fuzz_style(&t);
  fuzz_write_text(b, &s, &t, -1, -1, NULL, &line);
  save(b);
  expect_table(&t, s.header != 0, -1);
  spoil_cell(b, &s, &t);
  for (int k = 0; k < 3; k++) {
    fuzz_write_text(b, &s, &t, -1, -1, NULL, &line);
    damage_text(b);
    try_damaged(b);
  }
}

/* ---- .npy ------------------------------------------------------------------------------------------------------ */

/* Columns as one array: [rows, n, ...] of columns of one shape. */
static void join(const Table *t, int *rank, uint32_t *dim, double *v) {
  const Column *c = t->column;
  *rank = 2 + c->rank;
  dim[0] = (uint32_t)t->rows, dim[1] = (uint32_t)t->n;
  memcpy(dim + 2, c->dim, sizeof *dim * (size_t)c->rank);
  for (int64_t r = 0; r < t->rows; r++)
    for (int k = 0; k < t->n; k++)
      memcpy(v + (r * t->n + k) * c->elems, t->column[k].v + r * c->elems, (size_t)c->elems * sizeof *v);
}

static void replace(Bytes *b, const char *old, const char *new) {
  for (size_t i = 0; i + strlen(old) <= b->n; i++) {
    if (memcmp(b->at + i, old, strlen(old))) continue;
    Bytes out = {0};
    fuzz_put(&out, b->at, i);
    fuzz_put_text(&out, new);
    fuzz_put(&out, b->at + i + strlen(old), b->n - i - strlen(old));
    free(b->at);
    *b = out;
    return;
  }
}

static void damage_npy(Bytes *b) {
  static const char *const pair[][2] = {{"'shape': (", "'shape': (-"},
                                        {"'shape': (", "'shape': (0, "},
                                        {"'shape': (", "'shape': (4294967295, 4294967295, "},
                                        {"'shape': (", "'shape': (99999999999999999999, "},
                                        {"'shape': (", "'shape': ((((((("},
                                        {"'shape': (", "'shape': (1, 1, 1, 1, 1, 1, 1, "},
                                        {"'shape'", "'shapes'"},
                                        {"f8", "O8"},
                                        {"f8", "c8"},
                                        {"f8", "U9"},
                                        {"f8", "f9"},
                                        {"'<", "'"},
                                        {"False", "True"},
                                        {"True", "Maybe"},
                                        {"}", ""},
                                        {"}", ", 'more': 1}"},
                                        {"'descr': '", "'descr': [('a', '"},
                                        {"\n", ""},
                                        {"(", "(4294967296,"},
                                        {"), }", "), 'shape': (1,)}"},
                                        {"'shape': (", "'shape': (2147483648, 2147483648, 4, "},
                                        {"u", "i"},
                                        {"i", "f"},
                                        {"1", "2"}};
  for (uint64_t k = 1 + fuzz_draw(2); k > 0 && b->n; k--) {
    const size_t p = (size_t)fuzz_draw(sizeof pair / sizeof *pair), at = (size_t)fuzz_draw(fuzz_chance(50) ? b->n
                                                                                           : b->n < 12     ? b->n
                                                                                                           : 12);
    const uint64_t how = fuzz_draw(8);
    if (how < 4) replace(b, pair[p][0], pair[p][1]);
    else if (how == 4) b->at[at] = (unsigned char)fuzz_draw(256);
    else if (how == 5) b->n = (size_t)fuzz_draw(b->n + 1);
    else if (how == 6) fuzz_put(b, "12345678", 1 + (size_t)fuzz_draw(8));
    else b->at[at] ^= (unsigned char)(1 << fuzz_draw(8));
  }
}

static void npy_case(Bytes *b) {
  Table t;
  int rank;
  uint32_t dim[5];
  double v[MOST_COLUMNS * MOST_ROWS * MOST_ELEMS];
  RtTable got;
  RtError err = {""};
  snprintf(path, sizeof path, "%s/a.npy", dir);
  fuzz_table(&t, 2);
  for (int c = 1; c < t.n; c++)
    t.column[c].rank = t.column->rank, memcpy(t.column[c].dim, t.column->dim, sizeof t.column->dim),
    t.column[c].elems = t.column->elems;
  for (int c = 0; c < t.n; c++)
    for (int64_t k = 0; k < t.rows * t.column->elems; k++) t.column[c].v[k] = fuzz_value();
  join(&t, &rank, dim, v);
  b->n = 0;
  fuzz_write_npy(b, rank, dim, v, -1, 0, NULL);
  save(b);
  expect_table(&t, false, -1);
  /* a gap, or a whole number that f64 does not hold: in its column only */
  const int64_t count = t.rows * t.n * t.column->elems, odd = (int64_t)fuzz_draw((uint64_t)count);
  const int bad = (int)(odd / t.column->elems % t.n);
  const bool whole = fuzz_chance(50);
  b->n = 0;
  fuzz_write_npy(b, rank, dim, v, odd, whole ? ((uint64_t)1 << 53) + 1 : 0x7ff8000000000000u, whole ? "i8" : "f8");
  save(b);
  require(rt_table_read(path, RT_VALUES, &got, &err), "an element spoils the whole file");
  require(!read_column(&got, bad, &err) && strstr(err.text, "the element ["), "an element that is no number of f64 is read");
  rt_table_finish(&got);
  expect_table(&t, false, bad);
  for (int k = 0; k < 3; k++) {
    b->n = 0;
    fuzz_write_npy(b, rank, dim, v, -1, 0, k ? NULL : "f8");
    damage_npy(b);
    try_damaged(b);
  }
}

/* ---- .npz ------------------------------------------------------------------------------------------------------ */

static void array_image(Bytes *b, const Column *c) {
  uint32_t dim[4] = {(uint32_t)c->rows, c->dim[0], c->dim[1], c->dim[2]};
  b->n = 0;
  fuzz_write_npy(b, c->constant ? 0 : c->rank + 1, dim, c->v, -1, 0, NULL);
}

/* Arrays of other lengths, constants, and, as the last, one that is damaged or cannot be read, if `bad`. */
static void write_npz(Bytes *out, const Table *t, bool bad) {
  Zip z = {0};
  Bytes b = {0};
  char name[40];
  const bool wide = fuzz_chance(50);
  for (int c = 0; c < t->n; c++) {
    array_image(&b, &t->column[c]);
    snprintf(name, sizeof name, "%s.npy", t->column[c].name);
    if (fuzz_chance(5)) fuzz_add_member(&z, t->column[c].name, &b, wide); /* no array: its name says no .npy */
    fuzz_add_member(&z, name, &b, wide);
    if (!bad || c + 1 < t->n) continue;
    if (fuzz_chance(30)) replace(&b, "'shape': (", "'shape': (0, ");
    else damage_npy(&b);
    fuzz_add_member(&z, "dir/bad.npy", &b, wide);
  }
  fuzz_end_zip(&z);
  free(out->at);
  free(b.at);
  *out = z.out;
}

/* Through the library's own writer, deflated where that is shorter. */
static void write_by_library(const Table *t) {
  RtArray a[MOST_COLUMNS];
  RtError err;
  for (int c = 0; c < t->n; c++) {
    const Column *k = &t->column[c];
    if (!rt_array_init(&a[c], k->name, fuzz_chance(50), k->rank, k->dim, k->constant ? 0 : k->rows)) abort();
    for (int64_t r = 0; r < (k->constant ? 1 : k->rows); r++)
      for (int64_t e = 0; e < k->elems; e++) {
        const int64_t i = k->constant ? 0 : e * a[c].ld + r;
        if (a[c].f64) ((double *)a[c].v)[i] = k->v[r * k->elems + e];
        else ((float *)a[c].v)[i] = (float)k->v[r * k->elems + e];
      }
  }
  require(rt_npz_write(path, a, t->n, &err), "cannot be written");
  for (int c = 0; c < t->n; c++) rt_array_finish(&a[c]);
}

static void load(Bytes *b) {
  FILE *f = fopen(path, "rb");
  unsigned char chunk[4096];
  b->n = 0;
  require(f != NULL, "cannot be opened");
  for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;) fuzz_put(b, chunk, n);
  fclose(f);
}

/* A field of one of the records; sizes, places, methods, flags. */
static void damage_zip(Bytes *b) {
  static const uint32_t odd[] = {0, 1, 8, 0x7fffffff, 0x80000000, 0xffffffff, 0xffff, 93};
  size_t record[64], n = 0;
  for (size_t i = 0; i + 30 < b->n && n < 64; i++)
    if (b->at[i] == 'P' && b->at[i + 1] == 'K' && b->at[i + 2] < 9) record[n++] = i;
  for (uint64_t k = 1 + fuzz_draw(3); k > 0 && b->n > 40; k--) {
    const uint64_t how = fuzz_draw(6);
    size_t at = (size_t)fuzz_draw(b->n);
    if (how < 4 && n) {
      at = record[fuzz_draw(n)] + 4 + (size_t)fuzz_draw(42);
      const uint32_t v = fuzz_chance(50) ? odd[fuzz_draw(8)] : (uint32_t)fuzz_draw(b->n);
      for (size_t j = 0, bytes = fuzz_chance(50) ? 2 : 4; j < bytes && at + j < b->n; j++)
        b->at[at + j] = (unsigned char)(v >> 8 * j);
    } else if (how == 4) {
      b->n = at;
    } else {
      b->at[at] ^= (unsigned char)(1 << fuzz_draw(8));
    }
  }
}

/* One bit is another: the checksum holds what numbers are read. */
static void flip_one(Bytes *b, const Table *t) {
  RtTable got;
  RtError err = {""};
  b->at[fuzz_draw(b->n)] ^= (unsigned char)(1 << fuzz_draw(8));
  if (!try_reading(b, &got)) return;
  for (int c = 0; c < t->n; c++) {
    const int at = find(&got, t->column[c].name);
    if (at >= 0 && read_column(&got, at, &err))
      require(same(&got.column[at], &t->column[c]), "one bit is another, and so are the numbers");
  }
  rt_table_finish(&got);
}

static void npz_case(Bytes *b) {
  Table t;
  snprintf(path, sizeof path, "%s/a.npz", dir);
  fuzz_table(&t, 3);
  for (int c = 0; c < t.n; c++) {
    if (fuzz_chance(20)) fuzz_column(&t.column[c], c, 1 + (int64_t)fuzz_draw(MOST_ROWS - 1), 3);
    if (fuzz_chance(10)) t.column[c] = (Column){.name = "dt", .constant = true, .elems = 1, .rows = 1, .v = {fuzz_value()}};
  }
  for (int c = 0; c < t.n; c++) snprintf(t.column[c].name + 1, sizeof t.column[c].name - 1, "%c", 'a' + c);
  const bool library = fuzz_chance(30);
  if (library) write_by_library(&t);
  else write_npz(b, &t, false), save(b);
  expect_table(&t, true, -1);
  for (int k = 0; k < 2; k++) {
    if (library) write_by_library(&t), load(b);
    else write_npz(b, &t, false);
    flip_one(b, &t);
  }
  write_npz(b, &t, true); /* what is wrong with one member hinders no other */
  RtTable got;
  RtError err = {""};
  save(b);
  if (!rt_table_read(path, RT_VALUES, &got, &err)) fail("%s", err.text);
  for (int c = 0; c < t.n; c++) expect_column(&got, &t.column[c], c, true);
  sound(&got);
  rt_table_finish(&got);
  damage_zip(b);
  try_damaged(b);
}

int main(int argc, char **argv) {
  size_t count = 1000;
  time_t end = 0;
  Bytes b = {0};
  for (int i = 1; i + 1 < argc; i += 2)
    if (!strcmp(argv[i], "-n")) count = strtoul(argv[i + 1], NULL, 10);
    else if (!strcmp(argv[i], "-t")) end = time(NULL) + atol(argv[i + 1]), count = SIZE_MAX;
    else if (!strcmp(argv[i], "-s")) fuzz_state = strtoul(argv[i + 1], NULL, 10);
  snprintf(dir, sizeof dir, "%s/hnnc-fuzz-data-XXXXXX",
           access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* nothing waits for a disk */
  if (!mkdtemp(dir)) return 1;
  signal(SIGABRT, on_crash);
  signal(SIGSEGV, on_crash);
  for (number = 0; number < count && (!end || time(NULL) < end); number++)
    (number % 3 == 0 ? text_case : number % 3 == 1 ? npy_case : npz_case)(&b);
  printf("%zu tables; %zu damaged files were read, %zu refused\n", number, accepted, refused);
  free(b.at);
  if (number >= 100 && (accepted < number / 10 || refused < number / 10))
    return fprintf(stderr, "damage is too weak or too strong\n"), 1;
  char command[128];
  snprintf(command, sizeof command, "rm -r '%s'", dir);
  return system(command) != 0;
}
