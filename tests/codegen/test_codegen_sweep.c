/* Loops over elements that read their operands at a distance, compiled one sample at a time: lattices of every size, in and
 * outside loops of the language, against the evaluator. */
#include "tests/common/codegen_util.h"
#include "tests/common/random_fn.h"
#include "tests/common/cunit_main.h"

#include <stdlib.h>
#include <string.h>

typedef struct Lattice {
  uint32_t n, inner; /* sites, numbers a site: 0: one, without an axis */
  int shift[3];      /* of each kick */
  int kicks, ends;   /* 0: a ring; 1: beyond the ends is 0; 2: the first or last site again */
  bool slow, kinks, f64;
} Lattice;

static Val input(Build *b, const Lattice *l, bool lane) {
  return ir_input(b, "x", lane ? IN_FIELD : IN_PARAM, b->f->in.n, type_real(lane, l->inner ? 2 : 1, (uint32_t[]){l->n, l->inner}));
}

static Val cut(Build *b, Val x, uint32_t from, uint32_t n) { return ir_slice(b, x, 0, from, n, 1); }

/* Element k of the result is element k + by of x. */
static Val moved(Build *b, const Lattice *l, Val x, int by) {
  uint32_t n = l->n, k = (uint32_t)abs(by) % n;
  if (k == 0) return x;
  Val inside = by > 0 ? cut(b, x, k, n - k) : cut(b, x, 0, n - k);
  if (l->ends == 1) return ir_unslice(b, inside, 0, by > 0 ? 0 : k, 1, n);
  Val other = by > 0 ? cut(b, x, 0, k) : cut(b, x, n - k, k);
  if (l->ends == 2) other = by > 0 ? cut(b, x, n - k, k) : cut(b, x, 0, k);
  return ir_concat(b, by > 0 ? (Val[]){inside, other} : (Val[]){other, inside}, 2, 0);
}

static Val force(Build *b, const Lattice *l, Val d, Val k) {
  Val f = ir_mul(b, d, ir_add(b, ir_mul(b, ir_mul(b, d, d), ir_const(b, 1.0 / 32)), k));
  if (l->slow) f = ir_mul(b, k, ir_tanh(b, d));
  return l->kinks ? ir_select(b, ir_lt(b, d, ir_neg(b, d)), f, ir_relu(b, d)) : f;
}

/* Half a step, then kicks with a step behind each. */
static void leap(Build *b, const Lattice *l, Val *q, Val *p, Val k) {
  Val h = ir_const(b, 0.0625);
  *q = ir_add(b, *q, ir_mul(b, *p, ir_const(b, 0.03125)));
  for (int n = 0; n < l->kicks; n++) {
    Val f = force(b, l, ir_sub(b, moved(b, l, *q, l->shift[n]), *q), k);
    *p = ir_add(b, *p, ir_mul(b, h, ir_sub(b, f, moved(b, l, f, -l->shift[n]))));
    *q = ir_add(b, *q, ir_mul(b, *p, h));
  }
}

/* way 0: nothing else reads the states, so that those of short lattices stay in registers; 1: they change places; 2: each turn's
 * q is a result too; 3: they are read by another loop; 4: there is no loop around. */
enum { WAYS = 5 };
static Fn *lattice(const Lattice *l, int way) {
  Build b, t;
  ir_build_init(&b, ir_fn_create("lattice", l->f64));
  Val q = input(&b, l, true), p = input(&b, l, true), k = input(&b, l, false);
  if (way < 4) {
    ir_build_init(&t, ir_sub_create(b.f, "turn"));
    Val q0 = input(&t, l, true), p0 = input(&t, l, true), k0 = input(&t, l, false), q1 = q0, p1 = p0;
    leap(&t, l, &q1, &p1, k0);
    ir_output(&t, way == 1 ? p1 : q1, "q");
    ir_output(&t, way == 1 ? q1 : p1, "p");
    if (way == 2) ir_output(&t, q1, "each");
    if (way == 3) ir_output(&t, ir_sum_all(&t, ir_mul(&t, moved(&t, l, q0, 1), p1)), "sum");
    ir_build_finish(&t);
    Val s = ir_scan(&b, (Val[]){q, p, k}, 3, 5, 2, 0, way >= 2, 0, false, false, t.f);
    q = ir_proj(&b, s, 0), p = ir_proj(&b, s, 1);
    if (way >= 2) ir_output(&b, ir_proj(&b, s, 2), "each");
  } else leap(&b, l, &q, &p, k);
  ir_output(&b, q, "q");
  ir_output(&b, p, "p");
  ir_build_finish(&b);
  return b.f;
}

static void check(const char *cpu, const Lattice *l, int way, int64_t B) {
  Fn *f = lattice(l, way);
  codegen_check_form(cpu, CG_SINGLE, f, B, (uint64_t)l->n + 1);
  ir_fn_destroy(f);
}

static void test_sizes(void) {
  static const uint32_t size[] = {13, 15, 16, 17, 24, 31, 32, 33, 40, 63, 64, 65, 96, 127, 130, 256, 259};
  static const int shift[] = {1, -1, 2, -2};
  for (uint32_t k = 0; k < sizeof size / sizeof *size; k++)
    for (int s = 0; s < 4; s++) {
      Lattice l = {.n = size[k], .shift = {shift[s]}, .kicks = 1, .f64 = (k + (uint32_t)s) % 2};
      check(NULL, &l, (int)(k + (uint32_t)s) % WAYS, 1 + s);
      l.f64 = !l.f64;
      check(NULL, &l, 0, 1);
    }
}

static void random_lattice(const char *cpu, uint64_t seed) {
  uint64_t s = seed;
  Lattice l = {.n = 4 + random_below(&s, random_below(&s, 2) ? 60 : 300)};
  l.kicks = 1 + (int)random_below(&s, 3), l.ends = (int)random_below(&s, 3);
  l.inner = random_below(&s, 4) ? 0 : 1 + random_below(&s, 4);
  if (!l.inner) l.n += 9; /* not tiny */
  for (int k = 0; k < 3; k++) l.shift[k] = (int)random_below(&s, 7) - 3;
  if (random_below(&s, 4) == 0) l.shift[0] = (int)random_below(&s, l.n);
  l.slow = random_below(&s, 3) == 0, l.kinks = random_below(&s, 3) == 0, l.f64 = random_below(&s, 2);
  check(cpu, &l, (int)random_below(&s, WAYS), 1 + random_below(&s, 3));
}

static void test_random(void) {
  for (uint64_t k = 1; k <= 120; k++) random_lattice(NULL, k);
}

static void test_isas(void) {
  for (uint64_t k = 201; k <= 240; k++) random_lattice(CODEGEN_PLAIN, k);
  if (!CODEGEN_WIDER) return;
  for (uint64_t k = 301; k <= 340; k++) random_lattice(CODEGEN_WIDER, k);
}

/* What the plan says of a function. */
static bool planned(const Fn *f, const char *words) {
  char *text = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&text, &n);
  Cg *cg = codegen_start("skylake-avx512", NULL);
  cg_add(cg, f, "f");
  cg_print_kernels(cg, out, NULL, NULL);
  cg_destroy(cg);
  fclose(out);
  bool found = strstr(text, words) != NULL;
  free(text);
  return found;
}

/* A turn is one sweep, and short states stay in registers. */
static void test_plans(void) {
  if (!CODEGEN_WIDER) return; /* the words are those of vectors of 8 */
  Lattice l = {.n = 256, .shift = {1}, .kicks = 1, .f64 = true};
  static const struct {
    uint32_t n;
    int kicks, way;
    const char *words;
  } plan[] = {
    {256, 1, 0, "a sweep of 32, 1 ... 30 in a loop\n"},
    {1024, 3, 0, "in a loop\n"},
    {32, 1, 0, "carry 1, in registers"},
    {32, 1, 0, "carry 0, in registers"},
    {64, 1, 4, "a sweep of 8\n"},
  };
  for (size_t k = 0; k < sizeof plan / sizeof *plan; k++) {
    l.n = plan[k].n, l.kicks = plan[k].kicks, l.shift[1] = l.shift[2] = 1;
    Fn *f = lattice(&l, plan[k].way);
    CU_ASSERT(planned(f, plan[k].words));
    ir_fn_destroy(f);
  }
}

const Suite suite = {"codegen sweep", (CU_TestInfo[]){{"rings of many sizes", test_sizes},
                                                      {"random lattices", test_random},
                                                      {"random lattices on other machines", test_isas},
                                                      {"what becomes one sweep", test_plans},
                                                      CU_TEST_INFO_NULL}};
