/* Does a Hamiltonian separate? rates: (q, p, t, invariants...) -> (dH/dp, -dH/dq), as in `integrate`.
 *
 * H = T(p) + V(q) means: dq/dt does not depend on q, nor dp/dt on p. If the derived rates do not read
 * the variable at all, that is proved. If they do, they are compared with themselves at another value of that
 * variable alone, exactly (ir/field/field.h). Where that is undecided (an `ode` in the rates, say), values are compared at
 * random points: one difference beyond rounding refutes it, otherwise it separates as far as was tried. */
#include "passes/check/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 16, ROUNDS = 3 };

/* ---- exactly ---- */

/* Output k of f, with one more input that takes the place of input k if `other`. */
static Fn *alone(const Fn *f, uint32_t k, bool other) {
  Fn *g = ir_fn_create(f->name, f->f64);
  Val *x = base_realloc(NULL, sizeof *x * (f->in.n + 1)), *out = base_realloc(NULL, sizeof *out * (f->out.n + 1));
  Build b;
  ir_build_init(&b, g);
  for (uint32_t j = 0; j < f->in.n; j++)
    x[j] = ir_input(&b, f->in.at[j].name, f->in.at[j].kind, f->in.at[j].index, f->in.at[j].type);
  Val fresh = ir_input(&b, NULL, IN_OTHER, 0, f->in.at[k].type);
  if (other) x[k] = fresh;
  ir_inline(&b, f, x, out);
  ir_output(&b, out[k], NULL);
  ir_build_finish(&b);
  base_free(x);
  base_free(out);
  return g;
}

static FieldAnswer same_everywhere(const Fn *f, uint32_t k) {
  FieldReport report;
  Fn *at = alone(f, k, false), *elsewhere = alone(f, k, true);
  FieldAnswer answer = ir_field_equal(at, elsewhere, ROUNDS, UINT64_C(0x5e9a), &report);
  ir_fn_destroy(at);
  ir_fn_destroy(elsewhere);
  return answer;
}

/* ---- by numbers ---- */

/* Uniform on [0.5, 1.5): away from the poles of 1/r and sqrt. */
static double draw(uint64_t *state) { return 0.5 + (double)(field_bits(state) >> 11) * 0x1p-53; }

static void fill(Tensor *t, uint64_t *state) {
  for (int64_t i = 0; i < type_count(t->type) * (t->type.lane ? POINTS : 1); i++) t->v[i] = draw(state);
}

static bool same(const Tensor *a, const Tensor *b) {
  for (int64_t i = 0; i < type_count(a->type) * (a->type.lane ? POINTS : 1); i++)
    if (fabs(a->v[i] - b->v[i]) > 1e-9 * (1 + fabs(a->v[i]))) return false;
  return true;
}

/* Output k at two points that differ in input k alone. */
static bool output_moves(const Fn *f, uint32_t k) {
  Tensor *in = base_realloc(NULL, sizeof *in * (f->in.n + 1)), *out = base_realloc(NULL, sizeof *out * 2 * f->out.n);
  uint64_t state = 1;
  char err[256];
  for (uint32_t j = 0; j < f->in.n; j++) {
    Type t = f->in.at[j].type;
    in[j] = (Tensor){t, base_realloc(NULL, sizeof(double) * (size_t)(type_count(t) * POINTS + 1))};
    fill(&in[j], &state);
  }
  bool ok = ir_eval(f, POINTS, in, out, &(EvalEnv){0}, err, sizeof err), moves = false;
  if (ok) {
    fill(&in[k], &state);
    bool again = ir_eval(f, POINTS, in, out + f->out.n, &(EvalEnv){0}, err, sizeof err);
    moves = again && !same(&out[k], &out[f->out.n + k]);
    if (again) ir_tensors_free(out + f->out.n, f->out.n);
    ir_tensors_free(out, f->out.n);
  }
  for (uint32_t j = 0; j < f->in.n; j++) base_free(in[j].v);
  base_free(in);
  base_free(out);
  return moves;
}

bool check_separable(const Fn *f) {
  bool separable = true;
  for (uint32_t k = 0; k < 2 && k < f->out.n && separable; k++) {
    if (!pass_follows(f, k, k + 1, k)) continue;
    FieldAnswer answer = same_everywhere(f, k);
    separable = answer == FIELD_EQUAL || (answer == FIELD_UNDECIDED && !output_moves(f, k));
  }
  return separable;
}
