/* Data files: text tables good and bad with their exact messages, .npy and .npz round trips, every byte of
 * a good file changed or cut. */
#include "runtime/runtime.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

static char dir[] = "/tmp/hnnc-data-XXXXXX";
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

static bool table(const char *text, RtTable *t, RtError *err) {
  put("t.csv", text, strlen(text));
  return rt_table_read(file("t.csv"), false, t, err);
}

/* text -> "name:v,v,...;" per column, text columns as "name:text;" */
static const struct { const char *text, *want; } good[] = {
  {"t,q\n0,1\n1,2.5\n", "t:0,1;q:1,2.5;"},
  {"# a comment\n% another\n\n1 2 3\n4 5 6\n", ":1,4;:2,5;:3,6;"},
  {"%o v\n  0.0e+000  5.0e+000  1.1383885512243586e+000 \n  1.0e+000  5.5e+000  9.1875000000000000e-001 \n", ":0,1;:5,5.5;:1.13838855122436,0.91875;"},
  {"# t q\n0 1\n1 2\n", "t:0,1;q:1,2;"},
  {"# two words more\n0 1\n1 2\n", ":0,1;:1,2;"},
  {"planet,a,e\nMars,1.5,0.09\nVenus,0.7,0.007", "planet:text;a:1.5,0.7;e:0.09,0.007;"},
  {"\xEF\xBB\xBF" "a,b\r\n1,2\r\n3,4\r\n", "a:1,3;b:2,4;"},
  {"\"a, b\";c\n1;2\n", "a, b:1;c:2;"},
  {"Mercury,0.38\nVenus,0.72\n", ":text;:0.38,0.72;"},
  {"x\n1.0D+3\n-2.5d0\n+7\n.5\n", "x:1000,-2.5,7,0.5;"},
  {"a\tb\n1\t2\n", "a:1;b:2;"},
  {"a,b,note\n1,2,\n3,4,good\n", "a:1,3;b:2,4;note:text;"},
  {"1,2,\n", ":1;:2;:text;"},
};

static void test_good_tables(void) {
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    RtTable t, info;
    RtError err = {""};
    char got[400] = "";
    size_t n = 0;
    CU_ASSERT_TRUE(table(good[i].text, &t, &err));
    if (err.text[0]) printf("table %zu: %s\n", i, err.text);
    for (int c = 0; c < t.ncolumn; c++) {
      n += (size_t)snprintf(got + n, sizeof got - n, "%s:", t.column[c].name);
      if (!t.column[c].number) n += (size_t)snprintf(got + n, sizeof got - n, "text;");
      for (int64_t r = 0; t.column[c].number && r < t.rows; r++)
        n += (size_t)snprintf(got + n, sizeof got - n, "%.15g%c", t.column[c].v[r], r + 1 < t.rows ? ',' : ';');
    }
    CU_ASSERT_STRING_EQUAL(got, good[i].want);
    CU_ASSERT_TRUE(rt_table_read(file("t.csv"), true, &info, &err));
    CU_ASSERT_EQUAL(info.rows, t.rows);
    for (int c = 0; c < info.ncolumn; c++) {
      CU_ASSERT_EQUAL(info.column[c].number, t.column[c].number);
      CU_ASSERT_PTR_NULL(info.column[c].v);
    }
    rt_table_finish(&info);
    rt_table_finish(&t);
  }
}

static const struct { const char *text, *message; } bad[] = {
  {"", ": the file is empty: no header, no rows"},
  {"# only comments\n\n", ": the file is empty: no header, no rows"},
  {"a,b\n", ": a header but no rows"},
  {"a,b\n1,2\n3\n4,5\n", ":3: found 1 column, the rows above have 2"},
  {"a,b\n1,2\n3,4,5\n6,7\n", ":3: found 3 columns, the rows above have 2"},
  {"a b\n1 2\n3", ":3: found 1 column, the rows above have 2; it is the last line: is the file cut off?"},
  {"a,b\n1,2\n3,x\n", ":3: column 2 (`b`): expected a number, found `x`"},
  {"1 2\n3 4x\n", ":2: column 2: expected a number, found `4x`"},
  {"1 2\n3 0x10\n", ":2: column 2: expected a number, found `0x10`"},
  {"a,b\n1,2\nnan,3\n", ":3: column 1 (`a`): `nan` is not a finite number; remove the row or fill it in"},
  {"a,b\n1,-inf\n", ":2: column 2 (`b`): `-inf` is not a finite number; remove the row or fill it in"},
  {"a,b\n1,1e999\n", ":2: column 2 (`b`): `1e999` is out of range"},
  {"a,b\n1,2\n3,\n", ":3: column 2 (`b`): the field is empty; fill it in or remove the row"},
  {"a,b\n1,\n3,4\n", ":2: column 2 (`b`): the field is empty; fill it in or remove the row"},
  {"a,b\n1,\"2\n", ":2: column 2: the quote is not closed"},
  {"a,b\n\"1\"x,2\n", ":2: column 1: expected `,` after the quoted field"},
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

static void test_missing(void) {
  RtTable t;
  RtError err;
  char want[400];
  static const char *const name[] = {"none.csv", "none.npy", "none.npz"};
  for (int i = 0; i < 3; i++) {
    CU_ASSERT_FALSE(rt_table_read(file(name[i]), false, &t, &err));
    snprintf(want, sizeof want, "cannot open %s: No such file or directory", file(name[i]));
    CU_ASSERT_STRING_EQUAL(err.text, want);
  }
  CU_ASSERT_FALSE(rt_table_read(dir, false, &t, &err));
  snprintf(want, sizeof want, "cannot read %s: Is a directory", dir);
  CU_ASSERT_STRING_EQUAL(err.text, want);
  put("zero.txt", "1 2\n\0 3\n", 8);
  CU_ASSERT_FALSE(rt_table_read(file("zero.txt"), false, &t, &err));
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
    CU_ASSERT_TRUE_FATAL(rt_table_read(file("a.npy"), false, &t, &err));
    CU_ASSERT_EQUAL(t.ncolumn, 2);
    CU_ASSERT_EQUAL(t.rows, 5);
    for (int r = 0; r < 5; r++)
      for (int c = 0; c < 2; c++) CU_ASSERT_EQUAL(t.column[c].v[r], 10 + 2 * r + c);
    rt_table_finish(&t);
    rt_array_finish(&a);
  }
  RtArray a = sample_array("a", true, 2, cube, 4, 0);          /* [4, 2, 3]: two columns of [3] */
  CU_ASSERT_TRUE(rt_npy_write(file("b.npy"), &a, &err));
  CU_ASSERT_TRUE_FATAL(rt_table_read(file("b.npy"), false, &t, &err));
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
  CU_ASSERT_TRUE(rt_table_read(file("x.npy"), false, &t, &err));
  if (!t.ncolumn) { printf("%s: %s\n", descr, err.text); return; }
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
  check_npy(">f8", "False", "1,", "\x3F\xF8\0\0\0\0\0\0", 8, 1.5, 1.5);
  check_npy("<f8", "False", "1, 1", "\0\0\0\0\0\0\xF8\x3F", 8, 1.5, 1.5);
  RtTable t;
  RtError err;
  npy("|u1", "True", "2, 3", "\1\2\3\4\5\6", 6);               /* columns are contiguous */
  CU_ASSERT_TRUE_FATAL(rt_table_read(file("x.npy"), false, &t, &err));
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
  CU_ASSERT_FALSE(rt_table_read(file("x.npy"), false, &t, &err));
  snprintf(want, sizeof want, "%s: %s", file("x.npy"), message);
  CU_ASSERT_STRING_EQUAL(err.text, want);
}

static void test_bad_npy(void) {
  expect_npy_error("<f8", "3,", 16, "the file is cut off: 3 elements of 8 bytes are announced, 16 bytes follow; copy or save it again");
  expect_npy_error("<f8", "1,", 16, "not a good .npy file (there are bytes after the elements); save it again with numpy.save");
  expect_npy_error("<c16", "1,", 16, "elements of type `<c16` cannot be read; save it as float64, e.g. x.astype(\"f8\")");
  expect_npy_error("<f8", "0,", 0, "the array is empty");
  expect_npy_error("<f8", "", 8, "an array of rank 0 is no table; rows come along the first axis");
  expect_npy_error("<f8", "4000000000, 4000000000, 4000000000", 8, "not a good .npy file (the shape is too large); save it again with numpy.save");
  expect_npy_error("<f8", "99999999999,", 8, "not a good .npy file (the header cannot be understood); save it again with numpy.save");
  RtTable t;
  RtError err;
  npy("<f8", "False", "2, 1", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xF8\x7F", 16);
  CU_ASSERT_FALSE(rt_table_read(file("x.npy"), false, &t, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "the element [1, 0] is not a finite number"));
  put("x.npy", "\x93NUM", 4);
  CU_ASSERT_FALSE(rt_table_read(file("x.npy"), false, &t, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "it does not begin with"));
}

static void test_npz(void) {
  const uint32_t two[] = {2};
  RtArray a[2] = {sample_array("q", true, 1, two, 70, 0), sample_array("test_q", false, 0, NULL, 9, 5)};
  RtTable t;
  RtError err = {""};
  CU_ASSERT_TRUE_FATAL(rt_npz_write(file("d.npz"), a, 2, &err));
  CU_ASSERT_TRUE_FATAL(rt_table_read(file("d.npz"), false, &t, &err));
  CU_ASSERT_EQUAL(t.ncolumn, 2);
  CU_ASSERT_STRING_EQUAL(t.column[0].name, "q");
  CU_ASSERT_EQUAL(t.column[0].rows, 70);
  CU_ASSERT_EQUAL(t.column[0].rank, 1);
  CU_ASSERT_EQUAL(t.column[0].v[2 * 69 + 1], 139);
  CU_ASSERT_STRING_EQUAL(t.column[1].name, "test_q");
  CU_ASSERT_EQUAL(t.column[1].rows, 9);
  CU_ASSERT_EQUAL(t.column[1].v[8], 13);
  rt_table_finish(&t);
  int code;                                                    /* stored instead of deflated */
  zip_t *z = zip_open(file("d.npz"), 0, &code);
  CU_ASSERT_PTR_NOT_NULL_FATAL(z);
  for (zip_uint64_t i = 0; i < 2; i++) zip_set_file_compression(z, i, ZIP_CM_STORE, 0);
  CU_ASSERT_EQUAL(zip_close(z), 0);
  CU_ASSERT_TRUE_FATAL(rt_table_read(file("d.npz"), false, &t, &err));
  CU_ASSERT_EQUAL(t.column[0].v[2 * 69 + 1], 139);
  rt_table_finish(&t);
  for (int i = 0; i < 2; i++) rt_array_finish(&a[i]);
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
      if (rt_table_read(file(out), false, &t, &err)) rt_table_finish(&t);
      else refused++;
      image[i] ^= flip[k];
    }
    put(out, image, i);
    CU_ASSERT_FALSE(rt_table_read(file(out), false, &t, &err));
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

int main(void) {
  if (!mkdtemp(dir)) return 1;
  CU_initialize_registry();
  CU_pSuite s = CU_add_suite("data files", NULL, NULL);
  CU_add_test(s, "good tables", test_good_tables);
  CU_add_test(s, "bad tables", test_bad_tables);
  CU_add_test(s, "missing", test_missing);
  CU_add_test(s, "npy", test_npy);
  CU_add_test(s, "npy types", test_npy_types);
  CU_add_test(s, "bad npy", test_bad_npy);
  CU_add_test(s, "npz", test_npz);
  CU_add_test(s, "mutations", test_mutations);
  CU_basic_run_tests();
  const unsigned failed = CU_get_number_of_failures();
  CU_cleanup_registry();
  char command[300];
  snprintf(command, sizeof command, "rm -r '%s'", dir);
  return system(command) != 0 || failed != 0;
}
