/* Maps of one sample whose turns are lanes: rows of every size, read from wherever they may lie, in and outside loops, against the evaluator. */
#include "tests/common/codegen_util.h"
#include "tests/common/random_fn.h"
#include "tests/common/cunit_main.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_WAYS = 7, SHARED = 2 };

typedef struct Map {
  uint32_t n, row; /* turns; numbers of a row, 0: one, without an axis */
  int way[2];      /* where the rows of the two that are mapped over lie */
  uint32_t ys, zs;
  bool looped, slow, f64;
} Map;

static uint32_t width(const Map *m) { return m->row ? m->row : 1; }

static Type stacked(const Map *m, bool lane) { return type_real(lane, m->row ? 2 : 1, (uint32_t[]){m->n, m->row}); }

static Val ramp(Build *b, const Map *m) {
  const uint32_t count = m->n * width(m);
  double *v = base_realloc(NULL, sizeof *v * count);
  for (uint32_t k = 0; k < count; k++) v[k] = 0.25 + 0.5 * (double)(k * 7 % 5);
  const Val t = ir_table(b, stacked(m, false), v);
  base_free(v);
  return t;
}

/* [n][row] of x, an input of n + 2 rows. */
static Val rows(Build *b, const Map *m, Val x, int way) {
  const Type t = stacked(m, true);
  const Val part = ir_slice(b, x, 0, 1, m->n, 1);
  switch (way) {
  case 0: return part;
  case 1: return ir_mul(b, part, ir_const(b, 0.5));                                                                  /* computed */
  case 2: return ir_flip(b, part, 0);                                                                                /* backwards */
  case 3: return m->row ? ir_transpose(b, ir_reshape(b, part, 2, (uint32_t[]){m->row, m->n}), (int[]){1, 0}) : part; /* columns */
  case 4: return ir_concat(b, (Val[]){ir_slice(b, x, 0, 2, 1, 1), ir_slice(b, x, 0, 0, m->n - 1, 1)}, 2, 0);
  case 5: return ramp(b, m);
  default: return ir_splat(b, 0.75, t);
  }
}

static Type row_type(Type t) { return type_real(t.lane, t.rank - 1, t.dim + 1); }

/* Of two rows and what is shared: a number and a row. */
static Fn *body(Build *b, const Map *m, const Val *arg) {
  Build t;
  ir_build_init(&t, ir_sub_create(b->f, "map"));
  Val in[2 + SHARED];
  for (uint32_t k = 0; k < 2 + SHARED; k++) {
    Type type = ir_type(b->f, arg[k]);
    if (k < 2) type = row_type(type);
    in[k] = ir_input(&t, "", IN_OTHER, k, type);
  }
  Val d = ir_sub(&t, in[3], in[0]), r = m->row ? ir_dot(&t, d, d, false, (int[]){0}, (int[]){0}, 0, NULL) : ir_mul(&t, d, d);
  Val w = ir_rsqrt(&t, ir_add(&t, r, ir_const(&t, 1)));
  if (m->slow) w = ir_mul(&t, w, ir_tanh(&t, r));
  const Val both = ir_mul(&t, ir_mul(&t, d, w), ir_add(&t, in[1], in[2]));
  for (uint32_t k = 0; k < m->ys; k++) ir_output(&t, k ? w : both, "y");
  for (uint32_t k = 0; k < m->zs; k++) ir_output(&t, k ? ir_mul(&t, w, in[2]) : ir_neg(&t, both), "z");
  ir_build_finish(&t);
  return t.f;
}

static Val mapped(Build *b, const Map *m, Val x, Val y, Val s, Val *sum) {
  const Val one = ir_slice(b, x, 0, 0, 1, 1),
            arg[2 + SHARED] = {rows(b, m, x, m->way[0]), rows(b, m, y, m->way[1]), s, ir_reshape(b, one, m->row ? 1 : 0, &m->row)};
  const Val map = ir_scan(b, arg, 2 + SHARED, m->n, 0, 2, m->ys, m->zs, m->n % 2, false, body(b, m, arg));
  Val all = VAL_NONE;
  *sum = VAL_NONE;
  for (uint32_t k = 0; k < m->ys + m->zs; k++) {
    const Val r = ir_sum_all(b, ir_proj(b, map, k));
    *sum = sum->id ? ir_add(b, *sum, r) : r;
    if (!k && m->ys) all = ir_proj(b, map, 0);
  }
  return all.id ? all : ir_slice(b, x, 0, 1, m->n, 1);
}

static Fn *function(const Map *m) {
  Build b, t;
  ir_build_init(&b, ir_fn_create("maps", m->f64));
  Type big = stacked(m, true);
  big.dim[0] += 2;
  Val x = ir_input(&b, "x", IN_FIELD, 0, big), y = ir_input(&b, "y", IN_FIELD, 1, big),
      s = ir_input(&b, "s", IN_FIELD, 2, type_real(true, 0, NULL)), sum, last;
  if (m->looped) { /* the rows in the middle move */
    ir_build_init(&t, ir_sub_create(b.f, "turn"));
    Val x0 = ir_input(&t, "", IN_OTHER, 0, big), y0 = ir_input(&t, "", IN_OTHER, 1, big),
        s0 = ir_input(&t, "", IN_OTHER, 2, ir_type(b.f, s));
    const Val moved = ir_unslice(&t, mapped(&t, m, x0, y0, s0, &sum), 0, 1, 1, m->n + 2);
    ir_output(&t, ir_add(&t, x0, ir_mul(&t, moved, ir_const(&t, 0.125))), "x");
    ir_output(&t, sum, "sum");
    ir_build_finish(&t);
    const Val loop = ir_scan(&b, (Val[]){x, y, s}, 3, 3, 1, 0, 1, 0, false, false, t.f);
    last = ir_proj(&b, loop, 0), sum = ir_proj(&b, loop, 1);
  } else last = mapped(&b, m, x, y, s, &sum);
  ir_output(&b, last, "last");
  ir_output(&b, sum, "sum");
  ir_build_finish(&b);
  return b.f;
}

/* For a processor with vectors of 8. */
static bool turned(const Fn *f) {
  if (!CODEGEN_WIDER) return false;
  char *text = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&text, &n);
  char err[256];
  Cg *cg = cg_create(&(CgOptions){.cpu = "skylake-avx512", .form = CG_SINGLE}, err, sizeof err);
  CU_ASSERT_FATAL(cg != NULL);
  cg_add(cg, f, "f");
  cg_print_kernels(cg, out, NULL, NULL);
  cg_destroy(cg);
  fclose(out);
  const bool found = strstr(text, "turns are lanes") != NULL;
  free(text);
  return found;
}

static Map random_map(uint64_t *s) {
  Map m = {.n = 2 + random_below(s, random_below(s, 3) ? 12 : 70), .row = random_below(s, 9)};
  for (int k = 0; k < 2; k++) m.way[k] = (int)random_below(s, ROWS_WAYS);
  m.ys = random_below(s, 3), m.zs = m.ys ? random_below(s, 3) : 1 + random_below(s, 2);
  m.looped = random_below(s, 2), m.slow = random_below(s, 4) == 0, m.f64 = random_below(s, 3) > 0;
  return m;
}

static uint32_t many(const char *cpu, uint64_t first, uint32_t count) {
  uint32_t found = 0;
  for (uint64_t seed = first; seed < first + count; seed++) {
    uint64_t s = seed;
    const Map m = random_map(&s);
    Fn *f = function(&m);
    if (!cpu) found += turned(f);
    codegen_check_form(cpu, CG_SINGLE, f, 1 + random_below(&s, 2), seed);
    ir_fn_destroy(f);
  }
  return found;
}

static void test_random(void) {
  const uint32_t found = many(NULL, 1, 100);
  CU_ASSERT(found >= 80 || !CODEGEN_WIDER);
}

static void test_isas(void) {
  many(CODEGEN_PLAIN, 201, 25);
  if (CODEGEN_WIDER) many(CODEGEN_WIDER, 301, 25);
}

/* NaN and infinity in one row stay in it; the turns that fill a vector up are not summed. */
static void test_ends(void) {
  for (uint32_t n = 2; n <= 18; n++) {
    const Map m = {.n = n, .row = 3, .ys = 1, .zs = 1, .f64 = true};
    Fn *f = function(&m);
    CU_ASSERT(turned(f) || n < 6 || !CODEGEN_WIDER);
    codegen_check_form(NULL, CG_SINGLE, f, 2, n);
    ir_fn_destroy(f);
  }
}

const Suite suite = {"codegen turns", (CU_TestInfo[]){{"random maps", test_random},
                                                      {"random maps on other machines", test_isas},
                                                      {"vectors that are not full", test_ends},
                                                      CU_TEST_INFO_NULL}};
