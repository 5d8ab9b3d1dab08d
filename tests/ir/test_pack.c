/* Functions and messages as bytes: they come back the same, and what is cut off anywhere is noticed. */
#include "ir/text/pack.h"
#include "tests/common/cunit_main.h"
#include "tests/common/random_fn.h"
#include "tests/common/often.h"

#include <stdlib.h>
#include <string.h>

static Fn *some(uint64_t seed) {
  return random_fn(&(RandomSpec){.seed = seed, .size = 60, .f64 = seed & 1, .scans = true, .draws = true, .fold = seed & 2});
}

static Pack written(Fn *f, bool bare) {
  Pack p = {.bare = bare};
  pack_fn(&p, &f);
  CU_ASSERT_FALSE(p.bad);
  return p;
}

static Fn *read_back(const char *at, size_t n, Pack *p) {
  Fn *f = NULL;
  *p = (Pack){.reading = true, .at = at, .end = at + n};
  pack_fn(p, &f);
  return f;
}

static void test_functions(void) {
  for (uint64_t seed = 0; seed < OFTEN(200); seed++) {
    Fn *f = some(seed);
    for (uint32_t id = 1; id < f->inst.n; id++) f->inst.at[id].at = (Span){1, id, id + 1};
    Pack p = written(f, false), in;
    Fn *g = read_back(p.out.at, p.out.n, &in);
    CU_ASSERT_FATAL(g && !in.bad && in.at == in.end);
    char *x = ir_text(f), *y = ir_text(g);
    CU_ASSERT_STRING_EQUAL(x, y);
    CU_ASSERT_EQUAL(g->inst.at[1].at.begin, 1);
    CU_ASSERT_EQUAL(ir_verify(g, stderr), 0);
    Pack again = written(g, false);
    CU_ASSERT(again.out.n == p.out.n && !memcmp(again.out.at, p.out.at, p.out.n));
    base_free(x), base_free(y);
    pack_finish(&p), pack_finish(&again);
    ir_fn_destroy(f), ir_fn_destroy(g);
  }
}

/* Without places: the same for functions that differ in these alone. */
static void test_bare(void) {
  Fn *f = some(5), *g = some(5), *h = some(6);
  f->inst.at[2].at = (Span){1, 2, 3};
  Pack a = written(f, true), b = written(g, true), c = written(h, true), d = written(f, false), e = written(g, false);
  CU_ASSERT(a.out.n == b.out.n && !memcmp(a.out.at, b.out.at, a.out.n));
  CU_ASSERT(a.out.n != c.out.n || memcmp(a.out.at, c.out.at, a.out.n));
  CU_ASSERT(d.out.n != e.out.n || memcmp(d.out.at, e.out.at, d.out.n));
  pack_finish(&a), pack_finish(&b), pack_finish(&c), pack_finish(&d), pack_finish(&e);
  ir_fn_destroy(f), ir_fn_destroy(g), ir_fn_destroy(h);
}

static void test_cut_off(void) {
  Fn *f = some(3);
  Pack p = written(f, false), in;
  for (size_t n = 0; n < p.out.n; n += 1 + n / 64) {
    char *cut = base_realloc(NULL, n + 1);
    memcpy(cut, p.out.at, n);
    ir_fn_destroy(read_back(cut, n, &in));
    CU_ASSERT(in.bad);
    base_free(cut);
  }
  pack_finish(&p);
  ir_fn_destroy(f);
}

static char *drawn(const Diag *d) {
  char *text = NULL;
  size_t n;
  FILE *out = open_memstream(&text, &n);
  diag_render(d, out, false);
  fclose(out);
  return text;
}

static void test_messages(void) {
  Source *src = source_create();
  uint32_t file = source_add(src, "f.hnn", "let a = b\nlet c = d\n", 20);
  Diag *d = diag_create(src), *e = diag_create(src);
  DiagMsg *m = diag_add(d, CODE_kink, (Span){file, 4, 5}, "`%s` is odd", "a");
  diag_label(m, (Span){file, 8, 9}, "beside this");
  diag_label(m, (Span){file, 14, 15}, "and this");
  diag_help(m, "take another");
  diag_add(d, CODE_unused, (Span){file, 14, 15}, "here, too");
  Pack p = {0};
  diag_pack(&p, d);
  Arena *mem = arena_create();
  Pack in = {.reading = true, .mem = mem, .at = p.out.at, .end = p.out.at + p.out.n};
  diag_pack(&in, e);
  CU_ASSERT(!in.bad && in.at == in.end);
  CU_ASSERT_EQUAL(diag_warnings(e), 2);
  char *x = drawn(d), *y = drawn(e);
  CU_ASSERT_STRING_EQUAL(x, y);
  free(x), free(y);
  pack_finish(&p);
  arena_destroy(mem);
  diag_destroy(d), diag_destroy(e);
  source_destroy(src);
}

const Suite suite = {"pack", (CU_TestInfo[]){{"functions come back", test_functions},
                                             {"places do not count", test_bare},
                                             {"what is cut off is noticed", test_cut_off},
                                             {"messages come back", test_messages},
                                             CU_TEST_INFO_NULL}};
