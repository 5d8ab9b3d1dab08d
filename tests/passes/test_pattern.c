/* Sparsity: patterns of linear maps are found exactly, no derivative of a random function lies outside of what is found,
 * and colourings keep what they promise. */
#include "tests/common/cunit_main.h"
#include "tests/common/random_fn.h"
#include "tests/common/often.h"

#include "passes/sparsity/sparsity.h"
#include "passes/derive/derive_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- matrices --------------------------------------------------------------------------------------------- */

typedef enum { BAND, CYCLIC, ARROW, BLOCKS, LOWER, DENSE, DIAGONAL, SOME, NOTHING, KINDS } Kind;

static bool in_kind(Kind kind, uint32_t i, uint32_t j, uint32_t n, uint64_t *rng) {
  uint32_t d = i > j ? i - j : j - i;
  switch (kind) {
  case BAND: return d <= 2;
  case CYCLIC: return d <= 1 || d == n - 1;
  case ARROW: return i == 0 || j == 0 || i == j;
  case BLOCKS: return i / 3 == j / 3;
  case LOWER: return j <= i;
  case DENSE: return true;
  case DIAGONAL: return i == j;
  case SOME: return random_below(rng, 5) == 0;
  default: return false;
  }
}

static Pattern matrix(Kind kind, uint32_t rows, uint32_t cols, uint64_t seed) {
  Pattern p;
  uint32_t n = 0;
  pattern_init(&p, rows, cols, rows * cols);
  for (uint32_t i = 0; i < rows; i++) {
    for (uint32_t j = 0; j < cols; j++)
      if (in_kind(kind, i, j, cols, &seed)) p.col[n++] = j;
    p.start[i + 1] = n;
  }
  return p;
}

static void check_same(const Pattern *want, const Pattern *got, const char *what) {
  bool same = pattern_equal(want, got);
  CU_ASSERT(same);
  if (!same) printf("\n%s, %u x %u: %u elements, found %u", what, want->rows, want->cols, pattern_count(want), pattern_count(got));
}

/* ---- linear maps ------------------------------------------------------------------------------------------ */

static Val table_of(Build *b, const Pattern *p) {
  double *v = base_zeroed((size_t)p->rows * p->cols + 1, sizeof *v);
  for (uint32_t i = 0; i < p->rows; i++)
    for (uint32_t k = p->start[i]; k < p->start[i + 1]; k++) v[i * p->cols + p->col[k]] = 1 + i + k % 3;
  Val t = ir_table(b, type_real(false, 2, (uint32_t[]){p->rows, p->cols}), v);
  base_free(v);
  return t;
}

static Val vector_input(Build *b, uint32_t n) { return ir_input(b, "x", IN_OTHER, 0, type_real(true, 1, &n)); }

static void check_found(Build *b, Val e, Val x, const Pattern *want, const char *what) {
  Pattern got;
  ir_build_finish(b);
  CU_ASSERT_FATAL(sparsity_find(b->f, e, x, &got));
  check_same(want, &got, what);
  pattern_finish(&got);
  ir_fn_destroy(b->f);
}

/* tanh(A sin x), where A is a table with zeros. */
static void test_tables(void) {
  for (Kind kind = 0; kind < KINDS; kind++)
    for (uint32_t n = 1; n <= 40; n += 13) {
      Pattern p = matrix(kind, n, n + (kind == SOME ? 5 : 0), n);
      Build b;
      ir_build_init(&b, ir_fn_create("linear", true));
      Val x = vector_input(&b, p.cols);
      check_found(&b, ir_tanh(&b, ir_matmul(&b, table_of(&b, &p), ir_sin(&b, x))), x, &p, "a table");
      pattern_finish(&p);
    }
}

static void test_moves(void) {
  Pattern cyclic = matrix(CYCLIC, 9, 9, 0), lower = matrix(LOWER, 9, 9, 0);
  Build b;
  ir_build_init(&b, ir_fn_create("ring", true));
  Val x = vector_input(&b, 9);
  Val right = ir_concat(&b, (Val[]){ir_slice(&b, x, 0, 1, 8, 1), ir_slice(&b, x, 0, 0, 1, 1)}, 2, 0);
  Val left = ir_take(&b, x, 0, (uint32_t[]){8, 0, 1, 2, 3, 4, 5, 6, 7}, 9);
  check_found(&b, ir_add(&b, ir_mul(&b, left, right), ir_exp(&b, x)), x, &cyclic, "a ring");

  ir_build_init(&b, ir_fn_create("triangle", true)); /* (tril of a parameter) @ x */
  x = vector_input(&b, 9);
  Val a = ir_input(&b, "a", IN_PARAM, 0, type_real(false, 2, (uint32_t[]){9, 9}));
  check_found(&b, ir_matmul(&b, ir_tri(&b, a, false, 0), x), x, &lower, "a triangle");

  ir_build_init(&b, ir_fn_create("solved", true));
  x = vector_input(&b, 9);
  a = ir_input(&b, "a", IN_PARAM, 0, type_real(false, 2, (uint32_t[]){9, 9}));
  check_found(&b, ir_trisolve(&b, a, x, false, false), x, &lower, "a triangular solve");
  pattern_finish(&cyclic);
  pattern_finish(&lower);
}

/* ys of a loop that adds up: e_i = x_0 + ... + x_i; zs: the sum of all. */
static void test_loops(void) {
  Pattern lower = matrix(LOWER, 12, 12, 0), row = matrix(DENSE, 1, 12, 0);
  for (int which = 0; which < 2; which++) {
    Build b, body;
    ir_build_init(&b, ir_fn_create("loop", true));
    Val x = vector_input(&b, 12), zero = ir_spread(&b, ir_const(&b, 0));
    ir_build_init(&body, ir_sub_create(b.f, "turn"));
    Val s = ir_input(&body, NULL, IN_OTHER, 0, type_scalar(true)), y = ir_input(&body, NULL, IN_OTHER, 0, type_scalar(true));
    s = ir_add(&body, s, ir_sin(&body, y));
    for (int k = 0; k < 3; k++) ir_output(&body, s, NULL);
    ir_build_finish(&body);
    Val scan = ir_scan(&b, (Val[]){zero, x}, 2, 12, 1, 1, 1, 1, false, false, body.f);
    Val e = ir_proj(&b, scan, which ? 2 : 1);
    check_found(&b, e, x, which ? &row : &lower, "a loop");
  }
  pattern_finish(&lower);
  pattern_finish(&row);
}

/* A chain of 10^5 turns: what every element comes to depend on soon stays so; over more elements the search is given up. */
static void test_bounded(void) {
  Pattern dense = matrix(DENSE, 40, 40, 0), none;
  Build b, body;
  ir_build_init(&b, ir_fn_create("long", true));
  Val x = vector_input(&b, 40);
  ir_build_init(&body, ir_sub_create(b.f, "turn"));
  Val s = vector_input(&body, 40);
  Val moved = ir_concat(&body, (Val[]){ir_slice(&body, s, 0, 1, 39, 1), ir_slice(&body, s, 0, 0, 1, 1)}, 2, 0);
  ir_output(&body, ir_add(&body, ir_sin(&body, s), moved), NULL);
  ir_build_finish(&body);
  Val scan = ir_scan(&b, (Val[]){x}, 1, 100000, 1, 0, 0, 0, false, false, body.f);
  check_found(&b, ir_proj(&b, scan, 0), x, &dense, "a long loop");
  pattern_finish(&dense);

  ir_build_init(&b, ir_fn_create("square", true));
  x = vector_input(&b, 3000);
  Val e = ir_mul(&b, ir_expand(&b, x, 0, 3000), ir_expand(&b, x, 1, 3000));
  ir_build_finish(&b);
  CU_ASSERT_FALSE(sparsity_find(b.f, e, x, &none));
  ir_fn_destroy(b.f);
}

/* ---- random functions ------------------------------------------------------------------------------------------ */

enum { B = 2 };

/* f with the derivative of value e by element j of x, by forward mode, as its only output. */
static bool column(const Fn *f, Val e, Val x, uint32_t j, const Tensor *in, Tensor *out) {
  Fn *g = ir_copy_fn(NULL, f);
  Build b;
  Type t = pass_type_with(ir_type(g, x), false);
  Region r;
  Val tangent;
  double *v = base_zeroed((size_t)type_count(t) + 1, sizeof *v);
  char err[128];
  v[j] = 1;
  ir_build_init(&b, g);
  Val seed = ir_table(&b, t, v);
  region_init(&r, g, &b, NULL);
  bool ok = jvp_sweep(&r, &x, &seed, 1, &e, 1, &tangent) && tangent.id;
  region_finish(&r);
  g->out.n = g->outname.n = 0;
  if (ok) ir_output(&b, tangent, NULL);
  ir_build_finish(&b);
  ok = ok && ir_eval(g, B, in, out, &(EvalEnv){0}, err, sizeof err);
  base_free(v);
  ir_fn_destroy(g);
  return ok;
}

/* How many elements lie outside the pattern, none of which may be other than 0 (or not finite: 0 times infinity). */
static uint32_t check_outside(const Fn *f, Val e, Val x, const Tensor *in, uint64_t seed) {
  Pattern p;
  Tensor out;
  if (!sparsity_find(f, e, x, &p)) return 0;
  uint32_t outside = 0, wrong = 0;
  for (uint32_t j = 0; j < p.cols; j++) {
    if (!column(f, e, x, j, in, &out)) continue;
    for (uint32_t i = 0; i < p.rows; i++) {
      if (pattern_has(&p, i, j)) continue;
      outside++;
      uint32_t lanes = out.type.lane ? B : 1;
      for (uint32_t s = 0; s < lanes; s++) wrong += out.v[i * lanes + s] > 0 || out.v[i * lanes + s] < 0;
    }
    ir_tensors_free(&out, 1);
  }
  CU_ASSERT_EQUAL(wrong, 0);
  if (wrong) printf("\nseed %llu, %%%u by %%%u: %u elements outside of the pattern", (unsigned long long)seed, e.id, x.id, wrong);
  pattern_finish(&p);
  return outside;
}

static uint32_t check_function(const RandomSpec *spec) {
  Fn *f = random_fn(spec);
  Tensor *in = base_zeroed(f->in.n + 1, sizeof *in);
  uint32_t outside = 0;
  random_inputs(f, B, spec->seed, in);
  for (uint32_t o = 0; o < f->out.n; o++)
    for (uint32_t k = 0; k < f->in.n; k++) {
      Val e = f->out.at[o], x = pass_input(f, k);
      Type te = ir_type(f, e);
      if (!x.id || te.dt != DT_REAL || ir_type(f, x).dt != DT_REAL || (!te.lane && ir_type(f, x).lane)) continue;
      if (type_count(te) * type_count(ir_type(f, x)) <= 400) outside += check_outside(f, e, x, in, spec->seed);
    }
  ir_tensors_free(in, f->in.n);
  base_free(in);
  ir_fn_destroy(f);
  return outside;
}

static void test_random(void) {
  uint32_t outside = 0;
  for (uint64_t seed = 1; seed <= OFTEN(300); seed++)
    outside +=
        check_function(&(RandomSpec){.seed = seed, .size = 5 + (int)(seed % 30), .f64 = true, .scans = seed % 2, .fold = seed % 3});
  CU_ASSERT(outside > 1000); /* something was found */
}

/* ---- colourings --------------------------------------------------------------------------------------------------- */

static void check_columns(const Pattern *p, const Colouring *c) {
  int bad = 0;
  for (uint32_t i = 0; i < p->rows; i++)
    for (uint32_t a = p->start[i]; a < p->start[i + 1]; a++) {
      bad += c->of[p->col[a]] >= c->n;
      for (uint32_t b = a + 1; b < p->start[i + 1]; b++) bad += c->of[p->col[a]] == c->of[p->col[b]];
    }
  CU_ASSERT_EQUAL(bad, 0);
}

static bool stands_alone(const Pattern *p, const Colouring *c, uint32_t row, uint32_t col) {
  for (uint32_t k = p->start[row]; k < p->start[row + 1]; k++)
    if (p->col[k] != col && c->of[p->col[k]] == c->of[col]) return false;
  return true;
}

static void check_star(const Pattern *p, const Colouring *c) {
  int bad = 0;
  for (uint32_t i = 0; i < p->rows; i++)
    for (uint32_t k = p->start[i]; k < p->start[i + 1]; k++)
      bad += !stands_alone(p, c, i, p->col[k]) && !stands_alone(p, c, p->col[k], i);
  CU_ASSERT_EQUAL(bad, 0);
}

static void check_diagonal(const Pattern *p, const Colouring *c) {
  int bad = 0;
  for (uint32_t i = 0; i < p->rows; i++)
    for (uint32_t k = p->start[i]; k < p->start[i + 1]; k++)
      bad += p->col[k] != i && c->of[i] != COLOUR_NONE && c->of[p->col[k]] == c->of[i];
  CU_ASSERT_EQUAL(bad, 0);
}

static bool colour_diagonal(const Pattern *p, uint32_t most, Colouring *out) {
  Pattern d;
  pattern_init(&d, p->rows, p->cols, p->rows);
  for (uint32_t i = 0; i < p->rows; i++) {
    d.start[i + 1] = d.start[i] + pattern_has(p, i, i);
    if (pattern_has(p, i, i)) d.col[d.start[i]] = i;
  }
  bool found = colour_elements(p, &d, most, out);
  pattern_finish(&d);
  return found;
}

static void test_colourings(void) {
  for (Kind kind = 0; kind < KINDS; kind++)
    for (uint32_t n = 1; n <= 60; n += 1 + n / 7) {
      Pattern p = matrix(kind, n, n, n), s, t;
      Colouring c;
      pattern_symmetric(&p, &s);
      pattern_transpose(&s, &t);
      check_same(&s, &t, "symmetric");
      CU_ASSERT_FATAL(colour_columns(&p, n, &c));
      check_columns(&p, &c);
      colour_finish(&c);
      CU_ASSERT_FATAL(colour_star(&s, n, &c));
      check_star(&s, &c);
      colour_finish(&c);
      CU_ASSERT_FATAL(colour_diagonal(&p, n, &c));
      check_diagonal(&p, &c);
      colour_finish(&c);
      pattern_finish(&p);
      pattern_finish(&s);
      pattern_finish(&t);
    }
}

/* kind, size, and how many colours of columns, stars, the diagonal */
static void test_known(void) {
  static const struct {
    Kind kind;
    uint32_t n, columns, star, diagonal;
  } known[] = {{CYCLIC, 1024, 4, 3, 2},   {CYCLIC, 1023, 3, 3, 3}, {BAND, 200, 5, 5, 3},    {ARROW, 300, 300, 2, 2},
               {ARROW, 1500, 1500, 2, 2}, {BLOCKS, 99, 3, 3, 3},   {DIAGONAL, 50, 1, 1, 1}, {DENSE, 20, 20, 20, 20},
               {LOWER, 30, 30, 30, 30},   {NOTHING, 9, 0, 0, 0}};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    Pattern p = matrix(known[k].kind, known[k].n, known[k].n, 0), s;
    Colouring c;
    pattern_symmetric(&p, &s);
    CU_ASSERT_FATAL(colour_columns(&p, known[k].n, &c));
    CU_ASSERT(c.n <= known[k].columns);
    colour_finish(&c);
    CU_ASSERT_FATAL(colour_star(&s, known[k].n, &c));
    CU_ASSERT(c.n <= known[k].star);
    colour_finish(&c);
    CU_ASSERT_FATAL(colour_diagonal(&p, known[k].n, &c));
    CU_ASSERT(c.n <= known[k].diagonal);
    colour_finish(&c);
    if (known[k].columns > 1) CU_ASSERT_FALSE(colour_columns(&p, 1, &c));
    pattern_finish(&p);
    pattern_finish(&s);
  }
}

/* ---- block triangular forms ---------------------------------------------------------------------------------------- */

static Pattern random_pattern(uint32_t n, uint64_t *rng) {
  Pattern p;
  const uint32_t each = 1 + random_below(rng, n);
  pattern_init(&p, n, n, n * n);
  for (uint32_t i = 0, at = 0; i < n; i++) {
    for (uint32_t j = 0; j < n; j++)
      if (random_below(rng, each) == 0 || (i == j && random_below(rng, 3))) p.col[at++] = j;
    p.start[i + 1] = at;
  }
  return p;
}

/* From row i along elements to the rows that the columns are matched with, within block k alone. */
static uint32_t reached(const Pattern *p, const Blocks *b, uint32_t k, const uint32_t *owner, uint32_t from, bool backwards) {
  bool seen[64] = {[0] = false};
  uint32_t count = 1;
  seen[from] = true;
  for (bool more = true; more;) {
    more = false;
    for (uint32_t r = b->start[k]; r < b->start[k + 1]; r++)
      for (uint32_t c = b->start[k]; c < b->start[k + 1]; c++) {
        const uint32_t i = b->row[r], to = owner[b->col[c]];
        if (!pattern_has(p, i, b->col[c]) || seen[backwards ? i : to] || !seen[backwards ? to : i]) continue;
        seen[backwards ? i : to] = more = true;
        count++;
      }
  }
  return count;
}

static void check_blocks(const Pattern *p, const Blocks *b) {
  uint32_t owner[64], block[64], bad = 0;
  for (uint32_t i = 0; i < p->rows; i++) owner[i] = UINT32_MAX;
  CU_ASSERT_EQUAL(b->start[b->n], p->rows);
  for (uint32_t k = 0; k < b->n; k++)
    for (uint32_t r = b->start[k]; r < b->start[k + 1]; r++) {
      bad += !pattern_has(p, b->row[r], b->col[r]) || owner[b->col[r]] != UINT32_MAX;
      owner[b->col[r]] = b->row[r];
      block[b->row[r]] = k;
    }
  for (uint32_t i = 0; i < p->rows; i++) /* nothing beyond the own block on one side */
    for (uint32_t k = p->start[i]; k < p->start[i + 1]; k++) bad += block[owner[p->col[k]]] > block[i];
  for (uint32_t k = 0; k < b->n; k++) { /* and no block is two */
    const uint32_t size = b->start[k + 1] - b->start[k], first = b->row[b->start[k]];
    bad += reached(p, b, k, owner, first, false) != size || reached(p, b, k, owner, first, true) != size;
  }
  CU_ASSERT_EQUAL(bad, 0);
}

static void test_blocks(void) {
  uint64_t rng = 5;
  uint32_t singular = 0, several = 0;
  for (int round = 0; round < 4000; round++) {
    Pattern p = random_pattern(1 + random_below(&rng, 20), &rng), e;
    Blocks b;
    bool met[64] = {[0] = false};
    uint32_t columns = 0;
    if (sparsity_blocks(&p, &b)) {
      check_blocks(&p, &b);
      sparsity_blocks_elements(&b, &p, &e);
      CU_ASSERT(pattern_count(&e) >= p.rows && (b.n > 1 || pattern_equal(&e, &p)));
      several += b.n > 1 && b.n < p.rows;
      pattern_finish(&e);
    } else { /* more rows than columns that they have */
      for (uint32_t r = 0; r < b.nstuck; r++)
        for (uint32_t k = p.start[b.row[r]]; k < p.start[b.row[r] + 1]; k++) {
          columns += !met[p.col[k]];
          met[p.col[k]] = true;
        }
      CU_ASSERT_EQUAL(columns + 1, b.nstuck);
      singular++;
    }
    sparsity_blocks_finish(&b);
    pattern_finish(&p);
  }
  CU_ASSERT(singular > 200 && several > 200);
}

const Suite suite = {"pattern", (CU_TestInfo[]){{"linear maps", test_tables},
                                                {"moves and triangles", test_moves},
                                                {"loops", test_loops},
                                                {"bounded work", test_bounded},
                                                {"random functions", test_random},
                                                {"colourings", test_colourings},
                                                {"known colourings", test_known},
                                                {"block triangular forms", test_blocks},
                                                CU_TEST_INFO_NULL}};
