/* Fuzz target: any bytes as IR, through every pass alone and some in turn, as `hnnc opt` runs them. What comes out verifies,
 * and what is only simplified has the values that it had: where the function is smooth enough for that to be asked. */
#include "ir/ir.h"
#include "passes/passes.h"
#include "tests/fuzz/bytes.h"
#include "tests/common/random_fn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 3, MOST_INSTS = 400, MOST_FLOPS = 200000, MOST_BYTES = 1 << 20 };

static uint64_t insts(const Fn *f) {
  uint64_t n = f->inst.n;
  for (uint32_t k = 0; k < f->sub.n; k++) n += insts(f->sub.at[k]);
  return n;
}

/* Elements of all values: derivatives have more of them. */
static int64_t elems(const Fn *f) {
  int64_t n = 0;
  for (uint32_t k = 1; k < f->inst.n; k++)
    if (f->inst.at[k].type.dt != DT_MULTI) n += type_count(f->inst.at[k].type);
  for (uint32_t k = 0; k < f->sub.n; k++) n += elems(f->sub.at[k]);
  return n;
}

static bool turns_are_few(const Fn *f) {
  for (uint32_t k = 1; k < f->inst.n; k++) {
    const Inst *i = &f->inst.at[k];
    if (i->op == OP_scan && ir_attrs(f, i).at[0] > 200) return false;
    if (i->op == OP_integrate && ir_attrs(f, i).at[2] > 200) return false;
    if (i->op == OP_ode) return false;
  }
  for (uint32_t k = 0; k < f->sub.n; k++)
    if (!turns_are_few(f->sub.at[k])) return false;
  return true;
}

static bool small(const Fn *f) {
  const Flops n = pass_flops(f);
  return insts(f) < MOST_INSTS && n.per_sample < MOST_FLOPS && n.once < MOST_FLOPS && elems(f) < 20000 && turns_are_few(f);
}

/* ---- values --------------------------------------------------------------------------------------------------------- */

static bool draws(const Fn *f) {
  for (uint32_t k = 1; k < f->inst.n; k++)
    if (f->inst.at[k].op == OP_rand || f->inst.at[k].op == OP_batch_mean) return true;
  for (uint32_t k = 0; k < f->sub.n; k++)
    if (draws(f->sub.at[k])) return true;
  return false;
}

/* NULL: it cannot be evaluated as it is. */
static Tensor *values(const Fn *f, const Tensor *in) {
  Tensor *out = base_zeroed(f->out.n + 1, sizeof *out);
  char err[256];
  if (ir_eval(f, SAMPLES, in, out, &(EvalEnv){.seed = 1}, err, sizeof err)) return out;
  base_free(out);
  return NULL;
}

static void drop(Tensor *t, uint32_t n) {
  if (t) ir_tensors_free(t, n);
  base_free(t);
}

static int64_t count(const Tensor *t) { return type_count(t->type) * (t->type.lane ? SAMPLES : 1); }

/* Where a small change of the inputs makes no small one of the value, rounding may do so, too. */
static bool firm(double x, double near, double size) {
  return isfinite(x) && isfinite(near) && fabs(x - near) <= 1e-7 * (size + 1);
}

static void compare(const Fn *f, const Fn *g, const char *pass, Tensor *in) {
  Tensor *x = values(f, in), *y = values(g, in);
  for (uint32_t k = 0; k < f->in.n; k++)
    for (int64_t e = 0; e < count(&in[k]); e++) in[k].v[e] *= 1 + 1e-9 * (double)(e % 3 - 1);
  Tensor *near = values(f, in);
  for (uint32_t k = 0; x && y && near && k < f->out.n && k < g->out.n; k++) {
    double size = 0;
    for (int64_t e = 0; e < count(&x[k]); e++) size = isfinite(x[k].v[e]) ? fmax(size, fabs(x[k].v[e])) : size;
    for (int64_t e = 0; e < count(&x[k]); e++) {
      const double a = x[k].v[e], b = y[k].v[type_eq(x[k].type, y[k].type) ? e : 0];
      if (size > 1e12 || !firm(a, near[k].v[e], size) || fabs(a - b) <= 1e-5 * (size + 1)) continue;
      fprintf(stderr, "%s: output %u, element %lld: %.17g, was %.17g\n", pass, k, (long long)e, b, a);
      ir_print(stderr, f, NULL), ir_print(stderr, g, NULL);
      abort();
    }
  }
  drop(x, f->out.n), drop(y, g->out.n), drop(near, f->out.n);
}

/* ---- passes ----------------------------------------------------------------------------------------------------------- */

static bool keeps_values(const char *pass) {
  return !strcmp(pass, "simplify") || !strcmp(pass, "unmap") || !strcmp(pass, "overlap") || !strcmp(pass, "rescale");
}

/* What a pass makes, where that is one function, otherwise NULL. */
static Fn *run(const char *pass, const Fn *f, Diag *diag) {
  const int before = diag_errors(diag);
  FnList made = {0};
  if (!pass_by_name(NULL, pass, f, &made, diag) && diag_errors(diag) == before && !diag_full(diag)) abort();
  for (uint32_t k = 0; k < made.n; k++)
    if (ir_verify(made.at[k], stderr)) fprintf(stderr, "after %s\n", pass), abort();
  Fn *g = made.n == 1 ? made.at[0] : NULL;
  for (uint32_t k = 0; k < made.n && !g; k++) ir_fn_destroy(made.at[k]);
  vec_free(&made);
  if (!g || !keeps_values(pass) || draws(f)) return g;
  Tensor *in = base_zeroed(f->in.n + 1, sizeof *in);
  int64_t n = 0;
  for (uint32_t k = 0; k < f->in.n; k++) n += type_count(f->in.at[k].type);
  if (n < MOST_BYTES / 8) {
    random_inputs(f, SAMPLES, 7, in);
    compare(f, g, pass, in);
    for (uint32_t k = 0; k < f->in.n; k++) base_free(in[k].v);
  }
  base_free(in);
  return g;
}

static void chain(const Fn *f, const char *const *pass, Diag *diag) {
  Fn *g = run(pass[0], f, diag);
  for (int k = 1; g && pass[k] && small(g); k++) {
    Fn *next = run(pass[k], g, diag);
    ir_fn_destroy(g);
    g = next;
  }
  ir_fn_destroy(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const turn[][5] = {{"gradient", "derive", "simplify"},
                                        {"mean", "derive", "simplify"},
                                        {"derive", "simplify", "overlap", "rescale"},
                                        {"gradient", "derive-reversible", "simplify"}};
  if (size > 1 << 15) return 0;
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Fn *f = ir_parse(src, source_add(src, "fuzz.hir", (const char *)data, size), diag);
  if (f && small(f)) {
    const char *names[PASS_NAMES];
    const uint32_t n = pass_names(PASS_BY_HAND, names);
    for (uint32_t k = 0; k < n; k++) ir_fn_destroy(run(names[k], f, diag));
    for (size_t k = 0; k < sizeof turn / sizeof *turn; k++) chain(f, turn[k], diag);
  }
  ir_fn_destroy(f);
  diag_destroy(diag);
  source_destroy(src);
  return 0;
}
