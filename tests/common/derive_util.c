/* What the tests of differentiation share. */
#include "tests/common/derive_util.h"

#include "passes/jets/jets.h"
#include "passes/derive/derive_priv.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = SAMPLES };

int32_t (*derive_ode)(HnnOde *);
static uint64_t rng = 88172645463325252u;

uint32_t pick(uint32_t n) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return (uint32_t)((rng >> 11) % n);
}

double uniform(double lo, double hi) { return lo + (hi - lo) * (pick(1u << 30) + 0.5) / (1u << 30); }

Type dims(bool lane, int rank, uint32_t a, uint32_t b, uint32_t c) {
  uint32_t d[] = {a, b, c};
  return type_real(lane, rank, d);
}

Val input(Build *b, Type t) { return ir_input(b, "x", IN_OTHER, 0, t); }

/* ---- evaluating --------------------------------------------------------------------------------------- */

size_t size_of(Type t) { return (size_t)type_count(t) * (t.lane ? B : 1); }

Tensor *draw_inputs(const Fn *f, double lo, double hi) {
  Tensor *in = base_zeroed(f->in.n + 1, sizeof *in);
  for (uint32_t k = 0; k < f->in.n; k++) {
    in[k].type = f->in.at[k].type;
    in[k].v = base_realloc(NULL, size_of(in[k].type) * sizeof(double));
    for (size_t j = 0; j < size_of(in[k].type); j++) in[k].v[j] = uniform(lo, hi);
  }
  return in;
}

void free_inputs(Tensor *in, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) base_free(in[k].v);
  base_free(in);
}

Tensor *evaluate(const Fn *f, const Tensor *in) {
  Tensor *out = base_zeroed(f->out.n + 1, sizeof *out);
  char err[256] = "";
  EvalEnv env = {.ode = derive_ode};
  Diag *diag = diag_create(NULL);
  Fn *series = pass_holds(f, 0, OP_ode) ? pass_jets(NULL, f, diag) : NULL; /* which taylor asks for */
  const bool good = ir_eval(series ? series : f, B, in, out, &env, err, sizeof err);
  ir_fn_destroy(series);
  diag_destroy(diag);
  if (!good) {
    printf("\neval of @%s: %s\n", f->name, err);
    ir_print(stdout, f, NULL);
    CU_FAIL_FATAL("evaluation failed");
  }
  return out;
}

void free_outputs(const Fn *f, Tensor *out) {
  ir_tensors_free(out, f->out.n);
  base_free(out);
}

Fn *derive_or_fail(Fn *f) {
  Diag *diag = diag_create(NULL);
  Fn *g = pass_derive(NULL, f, diag);
  if (!g) {
    diag_render(diag, stdout, false);
    CU_FAIL_FATAL("derive failed");
  }
  CU_ASSERT_EQUAL(ir_verify(g, stdout), 0);
  diag_destroy(diag);
  ir_fn_destroy(f);
  return g;
}

bool near(double a, double b, double tol) { return fabs(a - b) <= tol * (1 + fabs(a) + fabs(b)); }

/* d out[0] / d (element j of input k), by differences of order 4; for a per-sample input of all samples at
 * once (sample < 0) or of one. d: an entry for each element of out[0]. */
void differences(const Fn *f, Tensor *in, uint32_t k, size_t j, int sample, double h, double *d) {
  static const double at[] = {1, -1, 2, -2}, weight[] = {8, -8, -1, 1};
  size_t n = size_of(ir_type(f, f->out.at[0]));
  for (size_t e = 0; e < n; e++) d[e] = 0;
  bool lane = in[k].type.lane;
  size_t first = lane ? j * B + (sample < 0 ? 0 : (size_t)sample) : j, last = lane && sample < 0 ? first + B : first + 1;
  for (int p = 0; p < 4; p++) {
    for (size_t s = first; s < last; s++) in[k].v[s] += at[p] * h;
    Tensor *out = evaluate(f, in);
    for (size_t e = 0; e < n; e++) d[e] += weight[p] * out[0].v[e] / (12 * h);
    free_outputs(f, out);
    for (size_t s = first; s < last; s++) in[k].v[s] -= at[p] * h;
  }
}

/* ---- gradients against differences ------------------------------------------------------------------------ */

/* f with outputs: e, then its gradient by every input. `total`: of the sum over the batch. */
Fn *gradient_of(const Fn *f, bool total) {
  Fn *g = ir_fn_create("gradient", true);
  Build b;
  ir_build_init(&b, g);
  Val *x = base_zeroed(f->in.n + 1, sizeof *x), *out = base_zeroed(f->out.n + 1, sizeof *out);
  for (uint32_t k = 0; k < f->in.n; k++) x[k] = ir_id(&b, input(&b, f->in.at[k].type));
  ir_inline(&b, f, x, out);
  Val e = total && ir_type(g, out[0]).lane ? ir_batch_sum(&b, out[0]) : out[0];
  ir_output(&b, e, NULL);
  for (uint32_t k = 0; k < f->in.n; k++) ir_output(&b, ir_grad(&b, e, x[k]), NULL);
  ir_build_finish(&b);
  base_free(x);
  base_free(out);
  return g;
}

int check_gradients(const Fn *f, const Fn *g, Tensor *in, bool total, double tol) {
  int bad = 0;
  Tensor *val = evaluate(f, in), *out = evaluate(g, in);
  size_t ne = size_of(val[0].type);
  double d[B];
  for (uint32_t k = 0; k < f->in.n; k++) {
    Type t = in[k].type, tg = out[k + 1].type;
    CU_ASSERT_EQUAL(tg.lane, t.lane || (!total && val[0].type.lane));
    CU_ASSERT(type_same_dims(t, tg));
    size_t stride = type_count(t) > 9 ? (size_t)type_count(t) / 5 : 1; /* a few of many */
    for (size_t j = 0; j < (size_t)type_count(t); j += stride)
      for (int s = 0; s < (tg.lane ? B : 1); s++) {
        int sample = (total || !val[0].type.lane) && t.lane ? s : -1;
        double want = 0, got = out[k + 1].v[tg.lane ? j * B + (size_t)s : j];
        bool same = false;
        for (double h = 1e-3; !same && h > 1e-5; h /= 4) { /* smaller where higher derivatives are large */
          differences(f, in, k, j, sample, h, d);
          want = d[!total && tg.lane && ne > 1 ? s : 0];
          for (size_t e = 1; total && e < ne; e++) want += d[e];
          same = near(got, want, tol);
        }
        if (!same && bad++ < 3) printf("\n  input %u[%zu] sample %d: %.15g, differences %.15g", k, j, s, got, want);
      }
  }
  free_outputs(f, val);
  free_outputs(g, out);
  return bad;
}

/* Per sample and in total. Takes f. */
void check_gradient(Fn *f, double lo, double hi, double tol) {
  Tensor *in = draw_inputs(f, lo, hi);
  for (int total = 0; total < 2; total++) {
    Fn *g = derive_or_fail(gradient_of(f, total));
    int bad = check_gradients(f, g, in, total, tol);
    CU_ASSERT_EQUAL(bad, 0);
    if (bad) {
      printf("\n%s of\n", total ? "total" : "per sample");
      ir_print(stdout, f, NULL);
      ir_print(stdout, g, NULL);
    }
    ir_fn_destroy(g);
  }
  free_inputs(in, f->in.n);
  ir_fn_destroy(f);
}

Val to_scalar(Build *b, Val y) {
  /* uneven weights, so that no error cancels */
  Type t = ir_type(b->f, y);
  double *w = base_realloc(NULL, size_of(t) * sizeof *w);
  for (int64_t k = 0; k < type_count(t); k++) w[k] = uniform(0.5, 1.5);
  Val v = ir_sum_all(b, ir_mul(b, ir_table(b, pass_type_with(t, false), w), ir_mul(b, y, y)));
  base_free(w);
  return v;
}

/* <v, J u> = <J^T v, u>, in each sample or over all. */
void check_transposed(const Fn *f) {
  Fn *g = ir_fn_create("transposed", true);
  Build b;
  uint32_t n = f->in.n;
  ir_build_init(&b, g);
  Val *x = base_zeroed(n, sizeof *x), *u = base_zeroed(n, sizeof *u), *out = base_zeroed(f->out.n, sizeof *out), t;
  Cot *c = base_zeroed(n, sizeof *c);
  for (uint32_t k = 0; k < n; k++) x[k] = input(&b, f->in.at[k].type);
  for (uint32_t k = 0; k < n; k++) u[k] = input(&b, f->in.at[k].type);
  ir_inline(&b, f, x, out);
  bool lane = ir_type(g, out[0]).lane;
  Val v = input(&b, ir_type(g, out[0]));
  Seed seed = {.v = out[0]};
  seed.cot.part[lane ? EACH : WHOLE] = v;
  Region r;
  region_init(&r, g, &b, NULL);
  CU_ASSERT_FATAL(jvp_sweep(&r, x, u, n, out, 1, &t));
  CU_ASSERT_FATAL(vjp_sweep(&r, lane ? VJP_SAMPLE : VJP_TOTAL, NULL, &seed, 1, x, n, c));
  region_finish(&r);
  Val left = ir_sum_all(&b, ir_mul(&b, v, t)), right = ir_const(&b, 0);
  for (uint32_t k = 0; k < n; k++)
    for (int p = 0; p < 2; p++) {
      if (!c[k].part[p].id) continue;
      Val dot = ir_sum_all(&b, ir_mul(&b, c[k].part[p], u[k]));
      right = ir_add(&b, right, !lane && ir_type(g, dot).lane ? ir_batch_sum(&b, dot) : dot);
    }
  ir_output(&b, left, NULL);
  ir_output(&b, right, NULL);
  ir_build_finish(&b);
  CU_ASSERT_EQUAL(ir_verify(g, stdout), 0);
  Tensor *in = draw_inputs(g, 0.2, 1), *res = evaluate(g, in);
  for (size_t s = 0; s < (lane ? B : 1); s++) {
    bool same = near(res[0].v[s], res[1].v[res[1].type.lane ? s : 0], 1e-12);
    CU_ASSERT(same);
    if (!same) printf("\n<v, Ju> %.17g, <J'v, u> %.17g\n", res[0].v[s], res[1].v[s]);
  }
  free_outputs(g, res);
  free_inputs(in, g->in.n);
  ir_fn_destroy(g);
  base_free(x);
  base_free(u);
  base_free(out);
  base_free(c);
}

Fn *keep_output(const Fn *f, uint32_t k) {
  Fn *g = ir_fn_create(f->name, f->f64);
  Build b;
  Val *x = base_zeroed(f->in.n + 1, sizeof *x), *out = base_zeroed(f->out.n + 1, sizeof *out);
  ir_build_init(&b, g);
  b.fold = b.number = false;
  for (uint32_t i = 0; i < f->in.n; i++) x[i] = input(&b, f->in.at[i].type);
  ir_inline(&b, f, x, out);
  ir_output(&b, out[k], NULL);
  ir_build_finish(&b);
  base_free(x);
  base_free(out);
  return g;
}
