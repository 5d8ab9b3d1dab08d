/* Every layer of models/std/symplectic.hnn in numbers, f64: max |J^T Omega J - Omega| and both round trips at
 * rounding level, for several sizes, at random points and random parameters; and log|det| = 0. */
#include "tests/common/claims_util.h"
#include "tests/common/cunit_main.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What must be called for each flow of the file; the list is compared with the file. */
static const struct {
  const char *name, *call;
} layer[] = {{"irrotational_coupling", "irrotational_coupling(4)"},
             {"irrotational_coupling", "irrotational_coupling(3, act = sigmoid)"},
             {"gradient_coupling", "gradient_coupling()"},
             {"gradient_coupling", "gradient_coupling([4, 3])"},
             {"gradient_low", "gradient_low(4)"},
             {"gradient_up", "gradient_up(4)"},
             {"henon", "henon(3)"},
             {"phases", "phases()"},
             {"reflection", "reflection()"},
             {"triangular", "triangular()"},
             {"shear", "shear()"},
             {"linear_symplectic", "linear_symplectic()"},
             {"linear_symplectic", "linear_symplectic(reflections = 5)"},
             {"symplectic_scaling", "symplectic_scaling()"},
             {"zero_center", "zero_center()"},
             {"translation", "translation()"},
             {"batch_center", "batch_center()"},
             {"fourier_modes", "fourier_modes()"}};
enum { LAYERS = sizeof layer / sizeof *layer };

static const uint32_t sizes[] = {1, 2, 3, 5, 8};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void program(Text *t, uint32_t n) {
  *t = (Text){.n = 0};
  text_add(t, "precision f64\nimport \"std/symplectic\"\n");
  for (int k = 0; k < LAYERS; k++) {
    text_add(t, "use T%d = %s\n", k, layer[k].call);
    text_add(t, "fn J%d(q: real[%u], p: real[%u]) = jacobian(T%d)(q, p)\n", k, n, n, k);
    text_add(t, "fn back%d(q: real[%u], p: real[%u]) = inverse(T%d)(T%d(q, p))\n", k, n, n, k, k);
    text_add(t, "fn forth%d(q: real[%u], p: real[%u]) = T%d(inverse(T%d)(q, p))\n", k, n, n, k, k);
    text_add(t, "fn there%d(q: real[%u], p: real[%u]) = T%d(q, p)\n", k, n, n, k);
    text_add(t, "fn logdet%d(q: real[%u], p: real[%u]) = logdet(T%d)(q, p)\n", k, n, n, k);
  }
}

typedef double Measure(const Fn *f, const Values *v, uint64_t seed, int sample);

/* The largest of a measure over the sample points; NaN if one is. */
static double most(const Model *m, const char *what, int k, uint64_t seed, Measure *measure) {
  char name[32];
  Values v = {0};
  double most = 0;
  snprintf(name, sizeof name, "%s%d", what, k);
  Fn *f = claims_fn(m, name);
  CU_ASSERT_FATAL(f != NULL);
  CU_ASSERT_FATAL(claims_eval(f, seed, &v));
  for (int s = 0; s < POINTS; s++) {
    double d = measure(f, &v, seed, s);
    if (!isnan(most) && !(d <= most)) most = d;
  }
  claims_values_free(&v);
  ir_fn_destroy(f);
  return most;
}

/* How far the results lie from the arguments, over how large anything was on the way. */
static double away(const Fn *f, const Values *v, uint64_t seed, int s) {
  return claims_away(f, v, seed, s) / fmax(1, v->largest[s]);
}

/* The layer does something: else the rest says nothing. */
static double motion(const Fn *f, const Values *v, uint64_t seed, int s) { return claims_away(f, v, seed, s); }

static double defect(const Fn *f, const Values *v, uint64_t seed, int s) {
  (void)f, (void)seed;
  double size = fmax(1, jacobian_size(v->out, s));
  return defect_symplectic(v->out, s) / (size * size);
}

static double log_det(const Fn *f, const Values *v, uint64_t seed, int s) {
  (void)f, (void)seed;
  return fabs(claims_value(v->out, 0, s));
}

static void test_numbers(void) {
  static Text text;
  double worst_form = 0, worst_trip = 0, worst_log = 0;
  for (int s = 0; s < SIZES; s++) {
    program(&text, sizes[s]);
    Loaded l = claims_load(text.at, false);
    if (!l.m) diag_render(l.diag, stderr, false);
    CU_ASSERT_FATAL(l.m != NULL);
    for (int k = 0; k < LAYERS; k++)
      for (uint64_t seed = 1; seed <= 2; seed++) {
        double back = most(l.m, "back", k, seed, away), forth = most(l.m, "forth", k, seed, away), t = fmax(back, forth),
               d = most(l.m, "J", k, seed, defect), g = most(l.m, "logdet", k, seed, log_det);
        bool still = sizes[s] == 1 && !strcmp(layer[k].name, "fourier_modes");
        bool good =
            d <= 1e-13 && back <= 1e-13 && forth <= 1e-13 && g <= 1e-14 && (most(l.m, "there", k, seed, motion) > 1e-3 || still);
        CU_ASSERT(good);
        if (!good) printf("\n%s, n = %u: defect %.3g, round trip %.3g, log|det| %.3g\n", layer[k].call, sizes[s], d, t, g);
        worst_form = fmax(worst_form, d), worst_trip = fmax(worst_trip, t), worst_log = fmax(worst_log, g);
      }
    claims_unload(&l);
  }
  printf("\n%d layers, n = 1 ... 8: max |J^T Omega J - Omega| / |J|^2 %.2g, round trips %.2g, log|det| %.2g\n", LAYERS, worst_form,
         worst_trip, worst_log);
}

/* Every flow of the file is in the table, and is proved. */
static void test_complete(void) {
  Source *src = source_create();
  Diag *diag = diag_create(src);
  FrontOptions o = claims_options(diag, false);
  Model *m = model_load(src, "models/std/symplectic.hnn", &o, diag);
  uint32_t flows = 0;
  CU_ASSERT_FATAL(m != NULL);
  for (uint32_t i = 0; i < m->nproof; i++) {
    const char *name = strstr(m->proof[i].text, "symplectic flow ");
    bool known = false;
    if (!name) continue;
    flows++;
    for (int k = 0; k < LAYERS; k++) known |= !strcmp(layer[k].name, name + strlen("symplectic flow "));
    CU_ASSERT(known);
    if (!known) printf("\nno numbers for %s\n", name);
  }
  CU_ASSERT(flows >= 13);
  model_destroy(m);
  diag_destroy(diag);
  source_destroy(src);
}

const Suite suite = {
  "layers", (CU_TestInfo[]){{"every layer is known", test_complete}, {"defects and round trips", test_numbers}, CU_TEST_INFO_NULL}};
