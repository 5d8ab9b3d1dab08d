/* The ground floor: arenas, interned strings, places in source text, drawn diagnostics, suggestions. */
#include "ir/base/base.h"
#include "tests/common/cunit_main.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory and strings -------------------------------------------------------------------------- */

static void test_arena(void) {
  Arena *a = arena_create();
  char *held[2000];
  for (size_t i = 0; i < 2000; i++) {
    size_t n = i % 7 == 0 ? i * 40 : i % 33;
    held[i] = arena_alloc(a, n + 1);
    CU_ASSERT_EQUAL((uintptr_t)held[i] % 16, 0);
    size_t set = 0;
    for (size_t k = 0; k <= n; k++) set += held[i][k] != 0;
    CU_ASSERT_EQUAL(set, 0);
    memset(held[i], (int)(i % 251), n + 1);
  }
  for (size_t i = 0; i < 2000; i++) CU_ASSERT_EQUAL((unsigned char)held[i][i % 7 == 0 ? i * 40 : i % 33], i % 251);
  CU_ASSERT_STRING_EQUAL(arena_printf(a, "%d-%s", 42, "x"), "42-x");
  CU_ASSERT_STRING_EQUAL(arena_strndup(a, "hello", 4), "hell");
  CU_ASSERT_STRING_EQUAL(arena_strdup(a, ""), "");
  CU_ASSERT_PTR_NOT_EQUAL(arena_alloc(a, 0), arena_alloc(a, 0));
  arena_destroy(a);
  arena_destroy(NULL);
}

static void test_vec(void) {
  VEC(int) v = {0};
  for (int i = 0; i < 1000; i++) *vec_push(&v) = i;
  CU_ASSERT_EQUAL(v.n, 1000);
  for (int i = 0; i < 1000; i++) CU_ASSERT_EQUAL(v.at[i], i);
  vec_free(&v);
  CU_ASSERT_PTR_NULL(v.at);
}

static void test_intern(void) {
  Interner *in = intern_create();
  const char *first[5000];
  char buf[32];
  for (int i = 0; i < 5000; i++) {
    snprintf(buf, sizeof buf, "name%d", i);
    first[i] = intern(in, buf);
  }
  for (int i = 0; i < 5000; i++) {
    snprintf(buf, sizeof buf, "name%d tail", i);
    size_t n = strlen(buf) - 5;
    CU_ASSERT_PTR_EQUAL(intern_n(in, buf, n), first[i]);
    buf[n] = 0;
    CU_ASSERT_STRING_EQUAL(first[i], buf);
  }
  CU_ASSERT_PTR_EQUAL(intern(in, ""), intern_n(in, "abc", 0));
  CU_ASSERT_PTR_NOT_EQUAL(intern(in, "ab"), intern(in, "aB"));
  intern_destroy(in);
  intern_destroy(NULL);
}

/* ---- places ------------------------------------------------------------------------------------------ */

static void expect_place(const Source *s, Span at, uint32_t line, uint32_t column) {
  uint32_t l, c;
  source_place(s, at, &l, &c);
  CU_ASSERT_EQUAL(l, line);
  CU_ASSERT_EQUAL(c, column);
}

static void test_places(void) {
  static const char text[] = "ab\n\nθ = q̂\xff x\r\nlast"; /* lines start at 0, 3, 4, 16 */
  Source *s = source_create();
  char buf[64];
  uint32_t f = source_add(s, "a.hnn", text, sizeof text - 1);
  uint32_t g = source_add(s, "empty.hnn", "", 0);
  CU_ASSERT_EQUAL(f, 1);
  CU_ASSERT_EQUAL(source_file(s, f)->nlines, 4);
  CU_ASSERT_PTR_NULL(source_file(s, 0));
  CU_ASSERT_PTR_NULL(source_file(s, 3));
  expect_place(s, (Span){f, 0, 1}, 1, 1);
  expect_place(s, (Span){f, 2, 3}, 1, 3);
  expect_place(s, (Span){f, 3, 4}, 2, 1);
  expect_place(s, (Span){f, 4, 6}, 3, 1);
  expect_place(s, (Span){f, 9, 10}, 3, 5);  /* q, after a letter of two bytes */
  expect_place(s, (Span){f, 12, 13}, 3, 7); /* a byte that is not UTF-8, after a combining mark */
  expect_place(s, (Span){f, 14, 15}, 3, 9);
  expect_place(s, (Span){f, sizeof text - 1, sizeof text - 1}, 4, 5);
  expect_place(s, (Span){f, 900, 901}, 4, 5);
  expect_place(s, (Span){g, 0, 0}, 1, 1);
  expect_place(s, (Span){0}, 0, 0);
  CU_ASSERT_STRING_EQUAL(source_where(s, (Span){f, 9, 10}, buf, sizeof buf), "a.hnn:3:5");
  CU_ASSERT_STRING_EQUAL(source_where(s, (Span){0}, buf, sizeof buf), "-");
  Span j = span_join((Span){f, 9, 10}, (Span){f, 2, 4});
  CU_ASSERT(j.file == f && j.begin == 2 && j.end == 10);
  j = span_join((Span){0}, (Span){f, 2, 4});
  CU_ASSERT(j.file == f && j.begin == 2 && j.end == 4);
  j = span_join((Span){f, 1, 2}, (Span){g, 5, 6});
  CU_ASSERT(j.file == f && j.begin == 1 && j.end == 2);
  source_destroy(s);
}

static void test_load(void) {
  Source *s = source_create();
  char path[] = "/tmp/hnnc-test-XXXXXX";
  int fd = mkstemp(path);
  FILE *out = fdopen(fd, "wb");
  for (int i = 0; i < 100000; i++) fputc(i % 100 == 99 ? '\n' : i % 256, out);
  fclose(out);
  uint32_t f = source_load(s, path);
  CU_ASSERT_FATAL(f != 0);
  CU_ASSERT_EQUAL(source_file(s, f)->len, 100000);
  CU_ASSERT_EQUAL((unsigned char)source_file(s, f)->text[255], 255);
  CU_ASSERT_EQUAL(source_file(s, f)->text[100000], 0);
  remove(path);
  CU_ASSERT_EQUAL(source_load(s, path), 0);
  CU_ASSERT_EQUAL(errno, ENOENT);
  CU_ASSERT_EQUAL(source_load(s, "/"), 0);
  CU_ASSERT_EQUAL(errno, EISDIR);
  source_destroy(s);
}

static void test_characters(void) {
  static const struct {
    const char *s;
    uint32_t n;
    int32_t code;
  } row[] = {
    {"a", 1, 'a'},
    {"θ", 2, 0x3b8},
    {"ℏ", 3, 0x210f},
    {"𝑞", 4, 0x1d45e},
    {"\x80", 1, -1},
    {"\xff", 1, -1},
    {"\xc3(", 1, -1},
    {"\xce", 1, -1},
    {"\xc0\x80", 1, -1},
    {"\xe0\x80\x80", 1, -1},
    {"\xed\xa0\x80", 1, -1},
    {"\xf4\x90\x80\x80", 1, -1},
    {"\xf8\x88\x80\x80\x80", 1, -1},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    int32_t code;
    CU_ASSERT_EQUAL(source_char(row[i].s, (uint32_t)strlen(row[i].s), 0, &code), row[i].n);
    CU_ASSERT_EQUAL(code, row[i].code);
  }
}

/* ---- diagnostics --------------------------------------------------------------------------------------- */

typedef struct Page {
  Source *src;
  Diag *diag;
  const char *text;
} Page;

static Page page(const char *text) {
  Page p = {.src = source_create(), .text = text};
  source_add(p.src, "m.hnn", text, strlen(text));
  p.diag = diag_create(p.src);
  return p;
}

/* The place of the first `what` after `after`. */
static Span find(const Page *p, const char *after, const char *what) {
  const char *s = strstr(strstr(p->text, after), what);
  uint32_t at = (uint32_t)(s - p->text);
  return (Span){1, at, at + (uint32_t)strlen(what)};
}

static void expect_page(Page p, bool colour, const char *expected) {
  char *got = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&got, &n);
  diag_render(p.diag, out, colour);
  fclose(out);
  if (strcmp(got, expected) != 0) printf("\n--- expected\n%s--- found\n%s---\n", expected, got);
  CU_ASSERT_STRING_EQUAL(got, expected);
  free(got);
  diag_destroy(p.diag);
  source_destroy(p.src);
}

static void test_labels(void) {
  Page p = page("let x = 3\n\n\n\n\n\n\n\n\n\n\n  y = A @ x\n");
  DiagMsg *m = diag_add(p.diag, CODE_syntax, find(&p, "A", "@"), "`@` needs equal inner sizes, found %d and %d", 3, 4);
  diag_label(m, find(&p, "@", "x"), "real[4]");
  diag_label(m, find(&p, "A", "A"), "real[2, %d]", 3);
  diag_help(m, "declare `x` as real[3] to match `A`");
  expect_page(p, false,
              "error[syntax]: `@` needs equal inner sizes, found 3 and 4\n"
              "  --> m.hnn:12:9\n"
              "12 |   y = A @ x\n"
              "   |       - ^ - real[4]\n"
              "   |       |\n"
              "   |       real[2, 3]\n"
              "help: declare `x` as real[3] to match `A`\n");
}

static void test_labels_before_the_place(void) {
  Page p = page("f(aa, bb, cc)\n");
  DiagMsg *m = diag_add(p.diag, CODE_syntax, find(&p, "f", "cc"), "three things");
  diag_label(m, find(&p, "f", "aa"), "first");
  diag_label(m, find(&p, "f", "bb"), "second");
  expect_page(p, false,
              "error[syntax]: three things\n"
              " --> m.hnn:1:11\n"
              "1 | f(aa, bb, cc)\n"
              "  |   --  --  ^^\n"
              "  |   |   |\n"
              "  |   |   second\n"
              "  |   first\n");
}

static void test_other_lines(void) {
  Page p = page("use a = 1\nx\nuse a = 2\nb\n");
  DiagMsg *m = diag_add(p.diag, CODE_syntax, find(&p, "x", "a"), "`a` is defined twice");
  diag_label(m, find(&p, "u", "a"), "first here");
  diag_label(m, find(&p, "2", "b"), "not b");
  expect_page(p, false,
              "error[syntax]: `a` is defined twice\n"
              " --> m.hnn:3:5\n"
              "1 | use a = 1\n"
              "  |     - first here\n"
              "...\n"
              "3 | use a = 2\n"
              "  |     ^\n"
              "4 | b\n"
              "  | - not b\n");
}

static void test_other_files(void) {
  Page p = page("use a = 1\n");
  uint32_t g = source_add(p.src, "std/nets.hnn", "net a() { }\n", 12);
  DiagMsg *m = diag_add(p.diag, CODE_syntax, find(&p, "u", "a"), "clash");
  diag_label(m, (Span){g, 4, 5}, "also here");
  expect_page(p, false,
              "error[syntax]: clash\n"
              " --> m.hnn:1:5\n"
              "1 | use a = 1\n"
              "  |     ^\n"
              " ::: std/nets.hnn:1:5\n"
              "1 | net a() { }\n"
              "  |     - also here\n");
}

static void test_wide_characters(void) {
  Page p = page("\tθ =\tq̂ + x\x01\xff # β\n");
  DiagMsg *m = diag_add(p.diag, CODE_syntax, find(&p, "+", "x"), "odd");
  diag_label(m, find(&p, "\t", "θ"), "theta");
  diag_label(m, find(&p, "\t", "q̂"), "q hat");
  diag_label(m, find(&p, "#", "β"), "beta");
  expect_page(p, false,
              "error[syntax]: odd\n"
              " --> m.hnn:1:11\n"
              "1 |     θ =    q̂ + x\xef\xbf\xbd\xef\xbf\xbd # β\n"
              "  |     -      -   ^     - beta\n"
              "  |     |      |\n"
              "  |     |      q hat\n"
              "  |     theta\n");
}

static void test_spans(void) {
  Page p = page("fn f(x) {\n  return\n\n}");
  diag_add(p.diag, CODE_syntax, find(&p, "f", "f(x) {\n  return"), "over two lines");
  diag_add(p.diag, CODE_syntax, (Span){1, 19, 20}, "on an empty line");
  diag_add(p.diag, CODE_kink, (Span){1, 21, 21}, "at the end");
  diag_add(p.diag, CODE_unused, (Span){1, 2, 2}, "of no length");
  diag_add(p.diag, CODE_syntax, (Span){0}, "cannot read `x`: %s", "no such file");
  CU_ASSERT_EQUAL(diag_errors(p.diag), 3);
  CU_ASSERT_EQUAL(diag_warnings(p.diag), 2);
  expect_page(p, false,
              "error[syntax]: cannot read `x`: no such file\n\n"
              "warning[unused]: of no length\n --> m.hnn:1:3\n1 | fn f(x) {\n  |   ^\n\n"
              "error[syntax]: over two lines\n --> m.hnn:1:4\n1 | fn f(x) {\n  |    ^^^^^^\n\n"
              "error[syntax]: on an empty line\n --> m.hnn:3:1\n3 |\n  | ^\n\n"
              "warning[kink]: at the end\n --> m.hnn:4:2\n4 | }\n  |  ^\n");
}

static void test_order_and_repeats(void) {
  Page p = page("a b\n");
  diag_add(p.diag, CODE_syntax, find(&p, "a", "b"), "later");
  diag_add(p.diag, CODE_syntax, find(&p, "a", "a"), "sooner");
  diag_add(p.diag, CODE_syntax, find(&p, "a", "b"), "later");
  diag_add(p.diag, CODE_kink, find(&p, "a", "b"), "later");
  expect_page(p, false,
              "error[syntax]: sooner\n --> m.hnn:1:1\n1 | a b\n  | ^\n\n"
              "error[syntax]: later\n --> m.hnn:1:3\n1 | a b\n  |   ^\n\n"
              "warning[kink]: later\n --> m.hnn:1:3\n1 | a b\n  |   ^\n");
}

static void test_cap(void) {
  Page p = page("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
  char *got = NULL;
  size_t n = 0, shown = 0;
  for (uint32_t i = 0; i < 23; i++) {
    CU_ASSERT_EQUAL(diag_full(p.diag), i >= 20);
    diag_add(p.diag, CODE_syntax, (Span){1, i, i + 1}, "wrong");
  }
  diag_add(p.diag, CODE_syntax, (Span){1, 3, 4}, "wrong");
  FILE *out = open_memstream(&got, &n);
  diag_render(p.diag, out, false);
  fclose(out);
  for (const char *s = got; (s = strstr(s, "error[syntax]: wrong")); s++) shown++;
  CU_ASSERT_EQUAL(shown, 20);
  CU_ASSERT_PTR_NOT_NULL(strstr(got, "\n\n3 more errors not shown\n"));
  free(got);
  diag_destroy(p.diag);
  source_destroy(p.src);
}

static void test_colour(void) {
  Page p = page("a\n");
  diag_help(diag_add(p.diag, CODE_syntax, find(&p, "a", "a"), "wrong"), "mend it");
  expect_page(p, true,
              "\33[1;31merror[syntax]\33[0m\33[1m: wrong\33[0m\n"
              "\33[1;34m -->\33[0m m.hnn:1:1\n"
              "\33[1;34m1 |\33[0m a\n"
              "\33[1;34m  |\33[0m \33[1;31m^\33[0m\n"
              "\33[1mhelp\33[0m: mend it\n");
}

static void test_long_lines(void) {
  char text[5001];
  memset(text, 'x', 5000);
  text[4000] = 'y';
  text[5000] = 0;
  Page p = page(text);
  char expected[512], run[119]; /* and … where text is left out */
  memset(run, 'x', 118);
  run[118] = 0;
  run[39] = 'y';
  snprintf(expected, sizeof expected, "error[syntax]: far\n --> m.hnn:1:4001\n1 | …%s…\n  | %40s^\n", run, "");
  diag_add(p.diag, CODE_syntax, (Span){1, 4000, 4001}, "far");
  expect_page(p, false, expected);
}

static void test_nearest(void) {
  static const char *const names[] = {"hamiltonian", "energy", "velocity", "θ1", "q", "observed", NULL};
  static const struct {
    const char *name, *nearest;
  } row[] = {
    {"hamiltonain", "hamiltonian"},
    {"Energy", "energy"},
    {"enrgy", "energy"},
    {"energyy", "energy"},
    {"engrey", "energy"},
    {"momentum", NULL},
    {"θ2", "θ1"},
    {"p", NULL},
    {"", NULL},
    {"observd", "observed"},
    {"obsvd", NULL},
    {"qq", "q"},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    const char *got = diag_nearest(row[i].name, names, 7);
    if (row[i].nearest) CU_ASSERT_STRING_EQUAL(got ? got : "(none)", row[i].nearest)
    else CU_ASSERT_PTR_NULL(got);
  }
  char lengthy[400];
  memset(lengthy, 'a', sizeof lengthy - 1);
  lengthy[399] = 0;
  CU_ASSERT_PTR_NULL(diag_nearest(lengthy, names, 7));
  CU_ASSERT_PTR_NULL(diag_nearest("energy", names, 0));
}

const Suite suite = {"base", (CU_TestInfo[]){{"arena", test_arena},
                                             {"vec", test_vec},
                                             {"intern", test_intern},
                                             {"places", test_places},
                                             {"load", test_load},
                                             {"characters", test_characters},
                                             {"labels", test_labels},
                                             {"labels before the place", test_labels_before_the_place},
                                             {"other lines", test_other_lines},
                                             {"other files", test_other_files},
                                             {"wide characters", test_wide_characters},
                                             {"spans", test_spans},
                                             {"order and repeats", test_order_and_repeats},
                                             {"cap", test_cap},
                                             {"colour", test_colour},
                                             {"long lines", test_long_lines},
                                             {"nearest", test_nearest},
                                             CU_TEST_INFO_NULL}};
