/* The text tests of passes (tests/passes), by numbers: what stands below `# gives` computes what stands above it, at random
 * points. So a wrong text is found though it was blessed. Passes that make functions of other inputs (means, gradients, parts)
 * are passed over, and so is what cannot be evaluated, derivatives above all: for these see test_derive.c, test_means.c. */
#include "passes/passes.h"
#include "tests/common/cunit_main.h"
#include "tests/common/random_fn.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 3, LONGEST = 1 << 16, FEWEST = 40 };

static const char folder[] = "tests/passes";

typedef struct Halves {
  Source *src;
  Diag *diag;
  FnList half[2];
} Halves;

static void read_half(Halves *h, int k, const char *name, const char *text, size_t length) {
  uint32_t file = source_add(h->src, name, text, length), offset = 0;
  for (Fn *f; (f = ir_parse_next(h->src, file, &offset, h->diag));) *vec_push(&h->half[k]) = f;
}

static void open_text(Halves *h, const char *name) {
  static const char between[] = "\n# gives\n";
  static char text[LONGEST];
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *in = fopen(path, "r");
  CU_ASSERT_PTR_NOT_NULL_FATAL(in);
  size_t n = fread(text, 1, sizeof text - 1, in);
  fclose(in);
  CU_ASSERT_FATAL(n < sizeof text - 1);
  text[n] = 0;
  char *cut = strstr(text, between);
  *h = (Halves){.src = source_create()};
  h->diag = diag_create(h->src);
  CU_ASSERT_PTR_NOT_NULL_FATAL(cut);
  read_half(h, 0, "above", text, (size_t)(cut + 1 - text));
  cut += sizeof between - 1;
  if (strncmp(cut, "error:", 6)) read_half(h, 1, "below", cut, strlen(cut));
}

static void close_text(Halves *h) {
  for (int k = 0; k < 2; k++) {
    for (uint32_t j = 0; j < h->half[k].n; j++) ir_fn_destroy(h->half[k].at[j]);
    vec_free(&h->half[k]);
  }
  diag_destroy(h->diag);
  source_destroy(h->src);
}

/* ---- values ---- */

static void draw(int kind, uint64_t seed, uint64_t sample0, int64_t lanes, uint32_t site, uint32_t counter, int64_t elems,
                 double *out) {
  for (int64_t k = 0; k < elems * lanes; k++) {
    uint64_t s = seed + 31 * (sample0 + (uint64_t)(k % lanes)) + 1009 * site + 100003 * counter + 7 * (uint64_t)(k / lanes);
    out[k] = random_real(&s, kind ? -2 : 0, kind ? 2 : 1);
  }
}

static bool comparable(const Fn *f, const Fn *g) {
  if (!ir_fn_plain(f) || !ir_fn_plain(g) || f->in.n != g->in.n || f->out.n != g->out.n) return false;
  for (uint32_t k = 0; k < f->in.n; k++)
    if (!type_eq(f->in.at[k].type, g->in.at[k].type)) return false;
  for (uint32_t k = 0; k < f->out.n; k++)
    if (!type_eq(ir_type(f, f->out.at[k]), ir_type(g, g->out.at[k]))) return false;
  return true;
}

static bool near(double x, double y, double tolerance) {
  return (isnan(x) && isnan(y)) || x == y || fabs(x - y) <= tolerance * (1 + fabs(x));
}

static bool same_values(const Fn *f, const Fn *g, uint64_t seed) {
  Tensor *in = base_zeroed(f->in.n + 1, sizeof *in), *x = base_zeroed(f->out.n + 1, sizeof *x),
         *y = base_zeroed(f->out.n + 1, sizeof *y);
  EvalEnv env = {.draw = draw};
  char err[200] = "";
  bool good = true;
  random_inputs(f, SAMPLES, seed, in);
  CU_ASSERT_FATAL(ir_eval(f, SAMPLES, in, x, &env, err, sizeof err) && ir_eval(g, SAMPLES, in, y, &env, err, sizeof err));
  for (uint32_t k = 0; k < f->out.n; k++)
    for (int64_t e = 0; e < type_count(x[k].type) * (x[k].type.lane ? SAMPLES : 1); e++)
      good = good && near(x[k].v[e], y[k].v[e], f->f64 == FN_F32 ? 1e-5 : 1e-12);
  ir_tensors_free(x, f->out.n);
  ir_tensors_free(y, f->out.n);
  for (uint32_t k = 0; k < f->in.n; k++) base_free(in[k].v);
  base_free(in);
  base_free(x);
  base_free(y);
  return good;
}

static uint32_t compare_halves(const char *name) {
  Halves h;
  uint32_t compared = 0;
  open_text(&h, name);
  CU_ASSERT(h.half[0].n > 0 || diag_errors(h.diag));
  for (uint32_t k = 0; k < h.half[0].n && h.half[0].n == h.half[1].n; k++) {
    const Fn *f = h.half[0].at[k], *g = h.half[1].at[k];
    if (!comparable(f, g)) continue;
    compared++;
    for (uint64_t seed = 1; seed <= 5; seed++) {
      bool good = same_values(f, g, seed);
      CU_ASSERT(good);
      if (!good) fprintf(stderr, "%s/%s: @%s does not compute what it did\n", folder, name, f->name);
    }
  }
  close_text(&h);
  return compared;
}

static void test_values(void) {
  DIR *d = opendir(folder);
  uint32_t compared = 0;
  CU_ASSERT_PTR_NOT_NULL_FATAL(d);
  for (struct dirent *e; (e = readdir(d));) {
    size_t n = strlen(e->d_name);
    if (n > 4 && !strcmp(e->d_name + n - 4, ".hir")) compared += compare_halves(e->d_name);
  }
  closedir(d);
  CU_ASSERT(compared >= FEWEST);
}

/* ---- exact functions, which have no text ---- */

/* In these nothing may round: what rescales a loop in f64 leaves it alone. */
static void test_exact(void) {
  Halves h;
  open_text(&h, "rescale_kick_drift.hir");
  CU_ASSERT_EQUAL_FATAL(h.half[0].n, 1);
  Fn *f = h.half[0].at[0];
  for (int exact = 0; exact < 2; exact++) {
    f->f64 = exact ? FN_EXACT : FN_F64;
    Fn *g = pass_rescale(NULL, f);
    CU_ASSERT_EQUAL(ir_verify(g, stdout), 0);
    CU_ASSERT_EQUAL(g->inst.n == f->inst.n, exact);
    ir_fn_destroy(g);
  }
  close_text(&h);
}

const Suite suite = {"texts of passes",
                     (CU_TestInfo[]){{"values", test_values}, {"not in exact functions", test_exact}, CU_TEST_INFO_NULL}};
