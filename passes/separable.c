/* Does a Hamiltonian separate? rates: (q, p, t, invariants...) -> (dH/dp, -dH/dq), as in `integrate`.
 *
 * H = T(p) + V(q) means: dq/dt does not depend on q, nor dp/dt on p. If the derived rates do not read
 * the variable at all, that is proved. If they do, their values are compared at random points between
 * which only that variable differs: one difference beyond rounding refutes it. Otherwise (they read it
 * and nothing comes of it) the methods that need it are right too, as far as was tried. */
#include "passes/passes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 16 };

/* Where the points lie, by turns: first away from the poles of 1/r and sqrt; then on both sides of where signs and
 * thresholds decide. */
static const struct { double low, high; } range[] = {{0.5, 1.5}, {-1, 1}, {-3, 3}, {-0.2, 0.2}};
enum { RANGES = sizeof range / sizeof *range };

/* Marks what follows from input `index`. */
static bool output_reads(const Fn *f, uint32_t output, uint32_t index) {
  bool *from = base_realloc(NULL, f->inst.n);
  memset(from, 0, f->inst.n);
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    from[id] = i->op == OP_in && ir_attr(f, i, 0) == index;
    for (uint32_t k = 0; k < i->nargs; k++) from[id] |= from[ir_arg(f, i, k).id];
  }
  bool reads = from[f->out.at[output].id];
  free(from);
  return reads;
}

/* Uniform on [0, 1); splitmix64. */
static double draw(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void fill(Tensor *t, int turn, uint64_t *state) {
  double low = range[turn].low, width = range[turn].high - low;
  for (int64_t i = 0; i < type_count(t->type) * (t->type.lane ? POINTS : 1); i++) t->v[i] = low + width * draw(state);
}

static bool same(const Tensor *a, const Tensor *b) {
  for (int64_t i = 0; i < type_count(a->type) * (a->type.lane ? POINTS : 1); i++)
    if (fabs(a->v[i] - b->v[i]) > 1e-9 * (1 + fabs(a->v[i]))) return false;
  return true;
}

/* Output k at two points that differ in input k alone. */
static bool output_moves(const Fn *f, uint32_t k, int turn) {
  Tensor *in = base_realloc(NULL, sizeof *in * (f->in.n + 1)), *out = base_realloc(NULL, sizeof *out * 2 * f->out.n);
  uint64_t state = (uint64_t)turn;
  char err[256];
  for (uint32_t j = 0; j < f->in.n; j++) {
    Type t = f->in.at[j].type;
    in[j] = (Tensor){t, base_realloc(NULL, sizeof(double) * (size_t)(type_count(t) * POINTS + 1))};
    fill(&in[j], turn, &state);
  }
  bool ok = ir_eval(f, POINTS, in, out, &(EvalEnv){0}, err, sizeof err), moves = false;
  if (ok) {
    fill(&in[k], turn, &state);
    bool again = ir_eval(f, POINTS, in, out + f->out.n, &(EvalEnv){0}, err, sizeof err);
    moves = again && !same(&out[k], &out[f->out.n + k]);
    if (again) ir_tensors_free(out + f->out.n, f->out.n);
    ir_tensors_free(out, f->out.n);
  }
  for (uint32_t j = 0; j < f->in.n; j++) free(in[j].v);
  free(in);
  free(out);
  return moves;
}

bool pass_separable(const Fn *rates, Diag *diag) {
  Fn *derived = pass_derive(rates, diag), *f = derived ? pass_simplify(derived) : NULL;
  bool separable = true;
  for (uint32_t k = 0; f && k < 2 && k < f->out.n; k++)
    for (int turn = 0; turn < RANGES && output_reads(f, k, k); turn++)
      if (output_moves(f, k, turn)) separable = false;
  ir_fn_destroy(derived);
  ir_fn_destroy(f);
  return separable;
}
