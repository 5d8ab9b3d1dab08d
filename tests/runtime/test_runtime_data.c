/* Data files: text tables good and bad with their exact messages, .npy and .npz round trips, every byte of
 * a good file changed or cut. */
#include "runtime/data/apart_priv.h"
#include "tests/common/folder.h"
#include "tests/common/cunit_main.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zip.h>

static char place[256];

static const char *file(const char *name) {
  snprintf(place, sizeof place, "%s/%s", dir, name);
  return place;
}

static void put(const char *name, const void *data, size_t n) {
  FILE *f = fopen(file(name), "wb");
  CU_ASSERT_PTR_NOT_NULL_FATAL(f);
  CU_ASSERT_EQUAL(fwrite(data, 1, n, f), n);
  fclose(f);
}

/* As a program does that selects every column. */
static bool read_all(const char *name, RtTable *t, RtError *err) {
  if (!rt_table_read(file(name), RT_VALUES, t, err)) return false;
  int column[64];
  bool ok = t->ncolumn <= 64;
  for (int c = 0; ok && c < t->ncolumn; c++) {
    column[c] = c;
    ok = !t->column[c].fault;
    if (!ok) snprintf(err->text, sizeof err->text, "`%.40s`: %.400s", t->column[c].name, t->column[c].fault);
  }
  ok = ok && rt_table_values(t, column, t->ncolumn, err);
  if (!ok) rt_table_finish(t);
  return ok;
}

static bool table(const char *text, RtTable *t, RtError *err) {
  put("t.csv", text, strlen(text));
  return rt_table_read(file("t.csv"), RT_VALUES, t, err);
}

/* text -> "name:v,v,...;" per column, text columns as "name:text;", a column's fault as "name!fault;" */
static const struct {
  const char *text, *want;
} good[] = {
  {"t,q\n0,1\n1,2.5\n", "t:0,1;q:1,2.5;"},
  {"# a comment\n% another\n\n1 2 3\n4 5 6\n", ":1,4;:2,5;:3,6;"},
  {"%o v\n  0.0e+000  5.0e+000  1.1383885512243586e+000 \n  1.0e+000  5.5e+000  9.1875000000000000e-001 \n",
   ":0,1;:5,5.5;:1.13838855122436,0.91875;"},
  {"# t q\n0 1\n1 2\n", "t:0,1;q:1,2;"},
  {"# two words more\n0 1\n1 2\n", ":0,1;:1,2;"},
  {"planet,a,e\nMars,1.5,0.09\nVenus,0.7,0.007", "planet:text;a:1.5,0.7;e:0.09,0.007;"},
  {"\xEF\xBB\xBF"
   "a,b\r\n1,2\r\n3,4\r\n",
   "a:1,3;b:2,4;"},
  {"\"a, b\";c\n1;2\n", "a, b:1;c:2;"},
  {"Mercury,0.38\nVenus,0.72\n", ":text;:0.38,0.72;"},
  {"x\n1.0D+3\n-2.5d0\n+7\n.5\n", "x:1000,-2.5,7,0.5;"},
  {"a\tb\n1\t2\n", "a:1;b:2;"},
  {"a,b,note\n1,2,\n3,4,good\n", "a:1,3;b:2,4;note:text;"},
  {"1,2,\n", ":1;:2;:text;"},
  {"a,b\n1,\n3,good\nNA,x\n", "a!line 4: `NA` is not a finite number; remove the row or fill it in;b:text;"},
  /* lines */
  {"1,2\r3,4\r", ":1,3;:2,4;"},
  {"a\r1\r\r2", "a:1,2;"},
  {"a\n1\r2\r\n3", "a:1,2,3;"},
  {"a,b\r1,x\r2,3", "a:1,2;b:text;"},
  {"a,b\r1,3\r2,x", "a:1,2;b!line 3: expected a number, found `x`;"},
  /* what parts columns */
  {"a;b\n1;2\n", "a:1;b:2;"},
  {"a;b,c\n1;2\n", "a:1;b,c:2;"},
  {"t;x\n0;1,5\n1;2\n", "t:0,1;x!line 2: expected a number, found `1,5`; write numbers with a decimal point, not a comma;"},
  {"t;x\n0;1.5\n1;2,5\n", "t:0,1;x!line 3: expected a number, found `2,5`; write numbers with a decimal point, not a comma;"},
  {"a\tb\n1\t\n\t3\n",
   "a!line 3: the field is empty; fill it in or remove the row;b!line 2: the field is empty; fill it in or remove the row;"},
  {"a\tb\tc\n1   2\t3\n  4 5 6\n", "a:1,4;b:2,5;c:3,6;"},
  {"1\t2\t\n3\t4\t\n", ":1,3;:2,4;"},
  {"1\t\t2\n3\t4\n", ":1,3;:2,4;"},
  {"a\tb\n1\tNew York\n", "a:1;b:text;"},
  {"a b\n1 \"x, y\"\n", "a:1;b:text;"},
  /* quotes */
  {"\"say \"\"a\"\"\",b\n\"1\",2\n", "say \"a\":1;b:2;"},
  {"a,b\n1,\"x \"\"y\"\", z\"\n", "a:1;b:text;"},
  {"a,b\n1,\"2,5\"\n1,2\n", "a:1,1;b!line 2: expected a number, found `2,5`; write numbers with a decimal point, not a comma;"},
  {"5\" pipe,3\n", ":text;:3;"},
  {"\"1,5\";\"2 000\"\n3;4\n", "1,5:3;2 000:4;"},
  /* cells */
  {"x;y\n1;2\n1 000;3\n", "x!line 3: expected a number, found `1 000`; write it without separators between its digits;y:2,3;"},
  {"x,y\n1,2\n\xE2\x88\x92"
   "1,3\n",
   "x!line 3: expected a number, found `\xE2\x88\x92"
   "1`; its minus sign is a typographic one, write `-`;y:2,3;"},
  {"x\n1\n1_000\n", "x!line 3: expected a number, found `1_000`; write it without separators between its digits;"},
  {"x\n1\n1'000\n", "x!line 3: expected a number, found `1'000`; write it without separators between its digits;"},
  {"x,y\n1,2\n1\xC2\xA0"
   "000,3\n",
   "x!line 3: expected a number, found `1\xC2\xA0"
   "000`; write it without separators between its digits;y:2,3;"},
  {"x\n1\n0x10\n", "x!line 3: expected a number, found `0x10`; write it as a decimal number;"},
  {"x\n1\n1e5.3\n", "x!line 3: expected a number, found `1e5.3`;"},
  {"x\n1\n1.2.3\n", "x!line 3: expected a number, found `1.2.3`;"},
  {"x\n1\n1e\n", "x!line 3: expected a number, found `1e`;"},
  {"x\n1\n--1\n", "x!line 3: expected a number, found `--1`;"},
  {"x\n1\n5%\n", "x!line 3: expected a number, found `5%`;"},
  {"x\n1\n1.0+100\n", "x!line 3: expected a number, found `1.0+100`;"},
  {"x\n1\n*****\n", "x!line 3: expected a number, found `*****`;"},
  {"x,y\n1,2\n3,4 # good\n", "x:1,3;y!line 3: expected a number, found `4 # good`; put a comment on a line of its own;"},
  {"x,y\n1,2\nNA,3\n", "x!line 3: `NA` is not a finite number; remove the row or fill it in;y:2,3;"},
  {"x,y\nNA,2\n1,3\n", "x!line 2: `NA` is not a finite number; remove the row or fill it in;y:2,3;"},
  {"Na,K\n1,2\n", "Na:1;K:2;"},
  {"NA,K\n1,2\n", "NA:1;K:2;"},
  {"NA NA\n1 2\n", "!line 1: `NA` is not a finite number; remove the row or fill it in;!line 1: `NA` is not a finite number; "
                   "remove the row or fill it in;"},
  {"NA\nNA\n", ":text;"},
  {"x\nnan\nNaN\n", "x!line 2: `nan` is not a finite number; remove the row or fill it in;"},
  {"x\n9007199254740992\n18014398509481984\n-0009007199254740991\n100000000000000000000\n9007199254740993.\n",
   "x:9.00719925474099e+15,1.8014398509482e+16,-9.00719925474099e+15,1e+20,9.00719925474099e+15;"},
  {"x\n1\n9007199254740993\n",
   "x!line 3: `9007199254740993` is a whole number that f64 cannot represent exactly; write it with a decimal point to round it;"},
  {"x\n1\n-36893488147419103231\n", "x!line 3: `-36893488147419103231` is a whole number that f64 cannot represent exactly; write "
                                    "it with a decimal point to round it;"},
  {"x\n0."
   "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
   "000000000000000000000000000000000000001e150\n",
   "x:1e-16;"},
  {"a,b\n1,2\n#N/A,3\n# note, more\n4,#DIV/0!\n",
   "a!line 3: expected a number, found `#N/A`;b!line 5: expected a number, found `#DIV/0!`;"},
  {"x\n1\n\x1b[2J\n", "x!line 3: expected a number, found `?[2J`;"},
  {"x\n1\n123456789012345678901234567890123456789\xE2\x82\xAC\n",
   "x!line 3: expected a number, found `123456789012345678901234567890123456789`;"},
  {"x\n1e-400\n-0\n", "x:0,-0;"},
};

static void test_good_tables(void) {
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    RtTable t, info;
    RtError err = {""};
    char got[1000] = "";
    size_t n = 0;
    CU_ASSERT_TRUE(table(good[i].text, &t, &err));
    if (err.text[0]) printf("table %zu: %s\n", i, err.text);
    for (int c = 0; c < t.ncolumn; c++) {
      const bool faulty = t.column[c].number && t.column[c].fault;
      n += (size_t)snprintf(got + n, sizeof got - n, "%s%c", t.column[c].name, faulty ? '!' : ':');
      if (faulty) n += (size_t)snprintf(got + n, sizeof got - n, "%s;", t.column[c].fault);
      if (!t.column[c].number) n += (size_t)snprintf(got + n, sizeof got - n, "text;");
      CU_ASSERT_EQUAL(t.column[c].v == NULL, t.column[c].fault != NULL);
      for (int64_t r = 0; !t.column[c].fault && r < t.rows; r++)
        n += (size_t)snprintf(got + n, sizeof got - n, "%.15g%c", t.column[c].v[r], r + 1 < t.rows ? ',' : ';');
    }
    CU_ASSERT_STRING_EQUAL(got, good[i].want);
    if (strcmp(got, good[i].want)) printf("table %zu: %s\n", i, got);
    CU_ASSERT_TRUE(rt_table_read(file("t.csv"), RT_INFO, &info, &err));
    CU_ASSERT_EQUAL(info.rows, t.rows);
    for (int c = 0; c < info.ncolumn; c++) {
      CU_ASSERT_EQUAL(info.column[c].number, t.column[c].number);
      CU_ASSERT_STRING_EQUAL(info.column[c].fault ? info.column[c].fault : "", t.column[c].fault ? t.column[c].fault : "");
      CU_ASSERT_PTR_NULL(info.column[c].v);
    }
    rt_table_finish(&info);
    rt_table_finish(&t);
  }
}

static const struct {
  const char *text, *message;
} bad[] = {
  {"", ": the file is empty: no header, no rows"},
  {"# only comments\n\n", ": the file is empty: no header, no rows"},
  {"a,b\n", ": a header but no rows"},
  {"a,b\n1,2\n3\n4,5\n", ":3: found 1 column, but the rows above have 2"},
  {"a,b\n1,2\n3,4,5\n6,7\n", ":3: found 3 columns, but the rows above have 2"},
  {"a b\n1 2\n3", ":3: found 1 column, but the rows above have 2; it is the last line: is the file truncated?"},
  {"a,b\n1,\"2\n", ":2: the quote before `2` is not closed"},
  {"a,b\n\"1\"x,2\n", ":2: expected `,` after the quoted field `1`"},
  {"\"1\"2\n", ":1: expected a blank after the quoted field `1`"},
  {"1,2\n\"1\" x,2\n", ":2: expected `,` after the quoted field `1`"},
  {"1,5;2,5\n3;4\n", ":1: `1,5` is neither a number nor the name of a column; write numbers with a decimal point, not a comma; put "
                     "a name like this in double quotes"},
  {"x\n1\n1 000\n", ":3: found 2 columns, but the rows above have 1; it is the last line: is the file truncated?"},
  {"1,5 2,5\n3,5 4,5\n",
   ":1: found `5 2` between commas; write decimal points for decimal commas, or separate columns by commas only"},
  {"1,5\t2,5\n3,5\t4,5\n",
   ":1: found `5\t2` between commas; write decimal points for decimal commas, or separate columns by commas only"},
  {"\xE2\x88\x92"
   "1\n2\n",
   ":1: `\xE2\x88\x92"
   "1` is neither a number nor the name of a column; its minus sign is a typographic one, write `-`; put a name like this in "
   "double quotes"},
  {"Venus;1 000\nMars;2\n", ":1: `1 000` is neither a number nor the name of a column; write it without separators between its "
                            "digits; put a name like this in double quotes"},
  {"0x10\n16\n",
   ":1: `0x10` is neither a number nor the name of a column; write it as a decimal number; put a name like this in double quotes"},
  {"\xFF\xFE"
   "1\n",
   ": the file is in UTF-16; save it as UTF-8"},
  {"\xFE\xFF"
   "1\n",
   ": the file is in UTF-16; save it as UTF-8"},
  {"t,1,2\n0,5,6\n", ":2: `0` is a number, but the first row has text: if the first row is the header, none of its names may be a "
                     "number; if not, each field must be a number"},
  {"\"\",\"1\",\"b\"\n0,5,6\n", ":2: `6` is a number, but the first row has text: if the first row is the header, none of its "
                                "names may be a number; if not, each field must be a number"},
  {"a,b\r1,2\r3\r4,5\r", ":3: found 1 column, but the rows above have 2"},
};

static void test_bad_tables(void) {
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    for (int info = 0; info < 2; info++) {
      RtTable t;
      RtError err = {""};
      char want[400];
      put("t.csv", bad[i].text, strlen(bad[i].text));
      CU_ASSERT_FALSE(rt_table_read(file("t.csv"), info, &t, &err));
      snprintf(want, sizeof want, "%s%s", file("t.csv"), bad[i].message);
      CU_ASSERT_STRING_EQUAL(err.text, want);
      CU_ASSERT_PTR_NULL(t.column);
    }
}

/* RT_GAPS: empty, NA and NaN are NaN, in text and in arrays; infinity and text are faults still. */
static void test_gaps(void) {
  RtTable t;
  RtError err;
  double v[] = {1, NAN, 3};
  const uint32_t dim = 3;
  const RtArray a = {.name = "a", .v = v, .f64 = true, .rank = 1, .dim = {dim}, .elems = 3};
  put("t.csv", "a,b,c,d,e\n1,2,inf,,\nNA,-nan,1,x,\n,4,NaN,y,NA\n", 44);
  CU_ASSERT_TRUE_FATAL(rt_table_read(file("t.csv"), RT_GAPS, &t, &err));
  CU_ASSERT_TRUE(t.column[0].gap && t.column[1].gap && t.column[4].gap && !t.column[4].number && !t.column[4].fault);
  CU_ASSERT_TRUE(t.column[0].v[0] == 1 && isnan(t.column[0].v[1]) && isnan(t.column[0].v[2]) && isnan(t.column[1].v[1]));
  CU_ASSERT_STRING_EQUAL(t.column[2].fault, "line 2: `inf` is not a finite number; remove the row or fill it in");
  CU_ASSERT_STRING_EQUAL(t.column[3].fault, "it contains text, in line 3 `x`");
  rt_table_finish(&t);
  CU_ASSERT_TRUE_FATAL(rt_npy_write(file("t.npy"), &a, &err) && rt_npz_write(file("t.npz"), &a, 1, &err));
  for (int k = 0; k < 2; k++)
    for (unsigned how = RT_VALUES; how <= RT_GAPS; how += RT_GAPS) {
      CU_ASSERT_TRUE_FATAL(rt_table_read(file(k ? "t.npz" : "t.npy"), how, &t, &err));
      CU_ASSERT_EQUAL(rt_table_values(&t, &(int){0}, 1, &err), how == RT_GAPS);
      CU_ASSERT_TRUE(how != RT_GAPS || (t.column->gap && t.column->v[0] == 1 && isnan(t.column->v[1]) && t.column->v[2] == 3));
      rt_table_finish(&t);
    }
}

/* RT_WHOLE: an .npy is one column; empty arrays and what is not finite come as they are. */
static void test_whole(void) {
  RtTable t;
  RtError err;
  double v[] = {1, INFINITY, NAN, 4, 5, -6};
  const RtArray a = {.name = "a", .v = v, .f64 = true, .rank = 2, .dim = {2, 3}, .elems = 6},
                none = {.name = "a", .v = v, .f64 = true, .rank = 2, .dim = {0, 3}};
  for (int k = 0; k < 2; k++)
    for (int empty = 0; empty < 2; empty++) {
      const char *name = file(k ? "w.npz" : "w.npy");
      CU_ASSERT_TRUE_FATAL(k ? rt_npz_write(name, empty ? &none : &a, 1, &err) : rt_npy_write(name, empty ? &none : &a, &err));
      CU_ASSERT_TRUE_FATAL(rt_table_read(name, RT_GAPS | RT_WHOLE, &t, &err));
      CU_ASSERT_TRUE_FATAL(t.ncolumn == 1 && !t.text && rt_table_values(&t, &(int){0}, 1, &err));
      CU_ASSERT_TRUE(t.column->rows == (empty ? 0 : 2) && t.column->rank == 1 && t.column->dim[0] == 3 && !t.column->fault);
      CU_ASSERT_TRUE(empty || (isinf(t.column->v[1]) && isnan(t.column->v[2]) && t.column->v[5] == -6));
      rt_table_finish(&t);
    }
  put("w.csv", "q,p\n", 4);
  CU_ASSERT_FALSE(rt_table_read(file("w.csv"), RT_GAPS, &t, &err));
  CU_ASSERT_TRUE_FATAL(rt_table_read(file("w.csv"), RT_GAPS | RT_WHOLE, &t, &err));
  CU_ASSERT_TRUE(t.text && t.ncolumn == 2 && t.column[1].rows == 0 && t.column[1].number);
  rt_table_finish(&t);
  CU_ASSERT_TRUE_FATAL(rt_npy_write(file("w.npy"), &(RtArray){.name = "", .v = v, .f64 = true, .elems = 1}, &err));
  CU_ASSERT_TRUE_FATAL(rt_table_read(file("w.npy"), RT_WHOLE, &t, &err) && rt_table_values(&t, &(int){0}, 1, &err));
  CU_ASSERT_TRUE(t.column->rows == RT_EVERY_ROW && t.column->rank == 0 && t.column->v[0] == 1);
  rt_table_finish(&t);
}

static void test_missing(void) {
  RtTable t;
  RtError err;
  char want[400];
  static const char *const name[] = {"none.csv", "none.npy", "none.npz"};
  for (int i = 0; i < 3; i++) {
    CU_ASSERT_FALSE(rt_table_read(file(name[i]), RT_VALUES, &t, &err));
    snprintf(want, sizeof want, "cannot open %s: No such file or directory", file(name[i]));
    CU_ASSERT_STRING_EQUAL(err.text, want);
  }
  CU_ASSERT_FALSE(rt_table_read(dir, RT_VALUES, &t, &err));
  snprintf(want, sizeof want, "cannot read %s: it is a directory, not a file", dir);
  CU_ASSERT_STRING_EQUAL(err.text, want);
  put("zero.txt", "1 2\n\0 3\n", 8);
  CU_ASSERT_FALSE(rt_table_read(file("zero.txt"), RT_VALUES, &t, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, ":2: a NUL byte: this is not a text table"));
}

static RtArray sample_array(const char *name, bool f64, int rank, const uint32_t *dim, int64_t n, double first) {
  RtArray a;
  CU_ASSERT_TRUE_FATAL(rt_array_init(&a, name, f64, rank, dim, n));
  for (int64_t s = 0; s < n; s++)
    for (int64_t e = 0; e < a.elems; e++)
      if (f64) ((double *)a.v)[e * a.ld + s] = first + (double)(s * a.elems + e);
      else ((float *)a.v)[e * a.ld + s] = (float)(first + (double)(s * a.elems + e));
  rt_array_pad(&a);
  return a;
}

static void test_npy(void) {
  const uint32_t two[] = {2}, cube[] = {2, 3};
  RtTable t;
  RtError err;
  for (int f64 = 0; f64 < 2; f64++) {
    RtArray a = sample_array("a", f64, 1, two, 5, 10);
    CU_ASSERT_TRUE(rt_npy_write(file("a.npy"), &a, &err));
    CU_ASSERT_TRUE_FATAL(read_all("a.npy", &t, &err));
    CU_ASSERT_EQUAL(t.ncolumn, 2);
    CU_ASSERT_EQUAL(t.rows, 5);
    for (int r = 0; r < 5; r++)
      for (int c = 0; c < 2; c++) CU_ASSERT_EQUAL(t.column[c].v[r], 10 + 2 * r + c);
    rt_table_finish(&t);
    rt_array_finish(&a);
  }
  RtArray a = sample_array("a", true, 2, cube, 4, 0); /* [4, 2, 3]: two columns of [3] */
  CU_ASSERT_TRUE(rt_npy_write(file("b.npy"), &a, &err));
  CU_ASSERT_TRUE_FATAL(read_all("b.npy", &t, &err));
  CU_ASSERT_EQUAL(t.ncolumn, 2);
  CU_ASSERT_EQUAL(t.column[1].rank, 1);
  CU_ASSERT_EQUAL(t.column[1].dim[0], 3);
  CU_ASSERT_EQUAL(t.column[1].v[3 * 2 + 1], 2 * 6 + 3 + 1);
  rt_table_finish(&t);
  rt_array_finish(&a);
}

static void npy(const char *descr, const char *order, const char *shape, const void *data, size_t n) {
  unsigned char image[512] = "\x93NUMPY\x01";
  const int len = snprintf((char *)image + 10, 200, "{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }\n", descr, order, shape);
  image[8] = (unsigned char)len;
  memcpy(image + 10 + len, data, n);
  put("x.npy", image, 10 + (size_t)len + n);
}

static void check_npy(const char *descr, const char *order, const char *shape, const void *data, size_t n, double v0, double v1) {
  RtTable t;
  RtError err = {""};
  npy(descr, order, shape, data, n);
  CU_ASSERT_TRUE(read_all("x.npy", &t, &err));
  if (!t.ncolumn) {
    printf("%s: %s\n", descr, err.text);
    return;
  }
  CU_ASSERT_EQUAL(t.column[0].v[0], v0);
  CU_ASSERT_EQUAL(t.column[t.ncolumn - 1].v[t.rows - 1], v1);
  rt_table_finish(&t);
}

static void test_npy_types(void) {
  check_npy("<i4", "False", "2,", "\x01\0\0\0\xFE\xFF\xFF\xFF", 8, 1, -2);
  check_npy(">i4", "False", "2,", "\0\0\0\x01\xFF\xFF\xFF\xFE", 8, 1, -2);
  check_npy("<i8", "False", "2,", "\x01\0\0\0\0\0\0\0\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 16, 1, -2);
  check_npy("|u1", "False", "2,", "\x07\xFF", 2, 7, 255);
  check_npy("|b1", "False", "2,", "\x01\0", 2, 1, 0);
  check_npy("<f4", "False", "2,", "\0\0\x80\x3F\0\0\x20\xC0", 8, 1, -2.5);
  check_npy("<f2", "False", "2,", "\x00\x3E\x00\xC1", 4, 1.5, -2.5);
  check_npy(">f2", "False", "2,", "\x00\x01\x7B\xFF", 4, 0x1p-24, 65504);
  check_npy("<u8", "False", "2,", "\0\0\0\0\0\0\x20\0\0\xF8\xFF\xFF\xFF\xFF\xFF\xFF", 16, 0x1p53, 0x1.fffffffffffffp63);
  check_npy("<i8", "False", "2,", "\0\0\0\0\0\0\0\x80\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 16, -0x1p63, -2);
  check_npy(">f8", "False", "1,", "\x3F\xF8\0\0\0\0\0\0", 8, 1.5, 1.5);
  check_npy("<f8", "False", "1, 1", "\0\0\0\0\0\0\xF8\x3F", 8, 1.5, 1.5);
  RtTable t;
  RtError err;
  npy("|u1", "True", "2, 3", "\1\2\3\4\5\6", 6); /* columns are contiguous */
  CU_ASSERT_TRUE_FATAL(read_all("x.npy", &t, &err));
  CU_ASSERT_EQUAL(t.column[0].v[1], 2);
  CU_ASSERT_EQUAL(t.column[2].v[0], 5);
  rt_table_finish(&t);
}

static void expect_npy_error(const char *descr, const char *shape, size_t n, const char *message) {
  static const unsigned char zero[64];
  RtTable t;
  RtError err = {""};
  char want[512];
  npy(descr, "False", shape, zero, n);
  CU_ASSERT_FALSE(read_all("x.npy", &t, &err));
  snprintf(want, sizeof want, "%s: %s", file("x.npy"), message);
  CU_ASSERT_STRING_EQUAL(err.text, want);
}

static void test_bad_npy(void) {
  expect_npy_error("<f8", "3,", 16,
                   "the file is truncated: the header announces 3 elements of 8 bytes, but 16 bytes follow; copy or save it again");
  expect_npy_error("<f8", "1,", 16, "not a valid .npy file (there are bytes after the elements); save it again with numpy.save");
  expect_npy_error("<c16", "1,", 16, "it contains complex numbers (`<c16`); save x.real and x.imag as two arrays");
  expect_npy_error("|O", "1,", 8,
                   "it contains Python objects (`|O`); save numbers, e.g. x.astype(\"f8\"), under a name of their own");
  expect_npy_error("<M8[ns]", "1,", 8, "it contains dates (`<M8[ns]`); save them as numbers, e.g. seconds");
  expect_npy_error("<f16", "1,", 16,
                   "its elements have the type `<f16`, which is not supported; save it as float64, e.g. x.astype(\"f8\")");
  expect_npy_error("|V8", "1,", 8,
                   "its elements have the type `|V8`, which is not supported; save it as float64, e.g. x.astype(\"f8\")");
  expect_npy_error("<i3", "1,", 3,
                   "its elements have the type `<i3`, which is not supported; save it as float64, e.g. x.astype(\"f8\")");
  expect_npy_error("<U3", "1,", 12, "the array contains text");
  expect_npy_error("<f8", "-1,", 8, "not a valid .npy file (the header cannot be parsed); save it again with numpy.save");
  expect_npy_error("<f8", "0, 4000000000, 4000000000, 4000000000", 0, "the array is empty");
  expect_npy_error("<f8", "3, 0", 0, "the array is empty");
  expect_npy_error(
      "<f8", "1, 70000", 0,
      "the file is truncated: the header announces 70000 elements of 8 bytes, but 0 bytes follow; copy or save it again");
  expect_npy_error("<f8", "0,", 0, "the array is empty");
  expect_npy_error("<f8", "", 8, "an array of rank 0 is not a table; rows run along the first axis");
  expect_npy_error("<f8", "4000000000, 4000000000, 4000000000", 8,
                   "not a valid .npy file (the shape is too large); save it again with numpy.save");
  expect_npy_error("<f8", "99999999999,", 8, "not a valid .npy file (the header cannot be parsed); save it again with numpy.save");
  RtTable t;
  RtError err;
  npy("<f8", "False", "2, 1", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xF8\x7F", 16);
  CU_ASSERT_FALSE(read_all("x.npy", &t, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "the element [1, 0] is not a finite number"));
  npy("<i8", "False", "2,", "\1\0\0\0\0\0\x20\0\1\0\0\0\0\0\0\0", 16);
  CU_ASSERT_FALSE(read_all("x.npy", &t, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "the element [0] is 9007199254740993, a whole number that f64 cannot represent exactly"));
  npy("<i8", "False", "1, 1", "\xFF\xFF\xFF\xFF\xFF\xFF\xDF\xFF", 8);
  CU_ASSERT_FALSE(read_all("x.npy", &t, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "the element [0, 0] is -9007199254740993, a whole"));
  npy("<f2", "False", "1,", "\0\x7C", 2);
  CU_ASSERT_FALSE(read_all("x.npy", &t, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "the element [0] is not a finite number"));
  put("x.npy", "\x93NUM", 4);
  CU_ASSERT_FALSE(read_all("x.npy", &t, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "it does not begin with"));
}

static void test_npz(void) {
  const uint32_t two[] = {2};
  RtArray a[2] = {sample_array("q", true, 1, two, 70, 0), sample_array("test_q", false, 0, NULL, 9, 5)};
  RtTable t;
  RtError err = {""};
  CU_ASSERT_TRUE_FATAL(rt_npz_write(file("d.npz"), a, 2, &err));
  CU_ASSERT_TRUE_FATAL(read_all("d.npz", &t, &err));
  CU_ASSERT_EQUAL(t.ncolumn, 2);
  CU_ASSERT_STRING_EQUAL(t.column[0].name, "q");
  CU_ASSERT_EQUAL(t.column[0].rows, 70);
  CU_ASSERT_EQUAL(t.column[0].rank, 1);
  CU_ASSERT_EQUAL(t.column[0].v[2 * 69 + 1], 139);
  CU_ASSERT_STRING_EQUAL(t.column[1].name, "test_q");
  CU_ASSERT_EQUAL(t.column[1].rows, 9);
  CU_ASSERT_EQUAL(t.column[1].v[8], 13);
  rt_table_finish(&t);
  int code; /* stored instead of deflated */
  zip_t *z = zip_open(file("d.npz"), 0, &code);
  CU_ASSERT_PTR_NOT_NULL_FATAL(z);
  zip_stat_t st; /* of no time of this run; zip counts in local time from 1980 on */
  struct tm day = {.tm_year = 80, .tm_mday = 1, .tm_isdst = -1};
  for (zip_uint64_t i = 0; i < 2; i++) CU_ASSERT(zip_stat_index(z, i, 0, &st) == 0 && st.mtime == mktime(&day));
  for (zip_uint64_t i = 0; i < 2; i++) zip_set_file_compression(z, i, ZIP_CM_STORE, 0);
  CU_ASSERT_EQUAL(zip_close(z), 0);
  CU_ASSERT_TRUE_FATAL(read_all("d.npz", &t, &err));
  CU_ASSERT_EQUAL(t.column[0].v[2 * 69 + 1], 139);
  rt_table_finish(&t);
  for (int i = 0; i < 2; i++) rt_array_finish(&a[i]);
}

static void returns(void *ctx) { *(int *)ctx = 7; }
static void crashes(void *ctx) {
  *(int *)ctx = 8;
  raise(SIGSEGV);
}
static void allocates(void *ctx) {
  *(bool *)ctx = mmap(NULL, (size_t)64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}
static void aborts(void *ctx) {
  (void)ctx;
  abort();
}
static void loops(void *ctx) {
  for (volatile unsigned *at = ctx;; (*at)++) continue;
}

/* A call in a process of its own: its result, or how it ended. */
static void test_apart(void) {
  RtError why = {""};
  int *shared = rt_shared(sizeof *shared), own = 0;
  CU_ASSERT_PTR_NOT_NULL_FATAL(shared);
  CU_ASSERT(*shared == 0 && rt_apart(returns, shared, 60, 1 << 20, &why) && *shared == 7);
  CU_ASSERT(rt_apart(returns, &own, 60, 1 << 20, &why) && own == 0);
  CU_ASSERT(!rt_apart(crashes, shared, 60, 1 << 20, &why) && *shared == 8);
  CU_ASSERT_STRING_EQUAL(why.text, "it crashed");
  CU_ASSERT(!rt_apart(aborts, NULL, 60, 1 << 20, &why));
  CU_ASSERT_STRING_EQUAL(why.text, "it crashed");
  CU_ASSERT_FALSE(rt_apart(loops, shared, 1, 1 << 20, &why));
  CU_ASSERT_STRING_EQUAL(why.text, "it was stopped after 1 s of processor time, or because of its memory use");
  CU_ASSERT(rt_apart(allocates, shared, 60, 16 << 20, &why) && *(bool *)shared);
  CU_ASSERT(rt_apart(allocates, shared, 60, 256 << 20, &why) && !*(bool *)shared);
  signal(SIGCHLD, SIG_IGN); /* nobody waits for children */
  CU_ASSERT_TRUE(rt_apart(returns, shared, 60, 1 << 20, &why));
  CU_ASSERT_FALSE(rt_apart(crashes, shared, 60, 1 << 20, &why));
  signal(SIGCHLD, SIG_DFL);
  rt_shared_free(shared, sizeof *shared);
}

/* Every single byte changed in three ways, every length: an answer or an error, never a crash. */
static void mutate(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s", file(name));
  FILE *f = fopen(path, "rb");
  CU_ASSERT_PTR_NOT_NULL_FATAL(f);
  unsigned char image[4096];
  const size_t n = fread(image, 1, sizeof image, f);
  fclose(f);
  RtTable t;
  RtError err;
  int refused = 0;
  char out[32];
  snprintf(out, sizeof out, "m%s", strrchr(name, '.'));
  for (size_t i = 0; i < n; i++) {
    static const unsigned char flip[] = {0x01, 0x80, 0xFF};
    for (int k = 0; k < 3; k++) {
      image[i] ^= flip[k];
      put(out, image, n);
      if (read_all(out, &t, &err)) rt_table_finish(&t);
      else refused++;
      image[i] ^= flip[k];
    }
    put(out, image, i);
    CU_ASSERT_FALSE(read_all(out, &t, &err));
  }
  CU_ASSERT(refused > 0);
}

static void test_mutations(void) {
  const uint32_t two[] = {2};
  RtArray a = sample_array("q", true, 1, two, 5, 0);
  RtError err;
  CU_ASSERT_TRUE(rt_npy_write(file("s.npy"), &a, &err));
  CU_ASSERT_TRUE(rt_npz_write(file("s.npz"), &a, 1, &err));
  mutate("s.npy");
  mutate("s.npz");
  rt_array_finish(&a);
}

const Suite suite = {"data files",
                     (CU_TestInfo[]){{"good tables", test_good_tables},
                                     {"bad tables", test_bad_tables},
                                     {"gaps", test_gaps},
                                     {"whole", test_whole},
                                     {"missing", test_missing},
                                     {"npy", test_npy},
                                     {"npy types", test_npy_types},
                                     {"bad npy", test_bad_npy},
                                     {"npz", test_npz},
                                     {"apart", test_apart},
                                     {"mutations", test_mutations},
                                     CU_TEST_INFO_NULL},
                     make_folder, remove_folder};
