/* Whether two functions are the same: derived, simplified, and compared in the finite field (ir/field.h). Errors of
 * deriving, adaptive trajectories and functions that would take too long are undecided, with the reason.
 *
 * "Different" is confirmed at a real point by more than rounding can make: both sides are evaluated again, each result of
 * an operation disturbed at random by some 32 ulp (Vignes' stochastic arithmetic); how far the values then scatter says
 * what they are worth. Towers of exponentials and steps that undo each other over huge values scatter widely. */
#include "passes/pass.h"

#include "ir/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 2, SCATTERED = 3, POINTS = 32 };
static const int64_t MOST_FLOPS = 20000000;
static const double DISTURBANCE = 0x1p-48, WORTH = 64;   /* a difference counts from 64 times the scatter on */

static Fn *lowered(const Fn *f) {
  Diag *diag = diag_create(NULL);
  Fn *derived = pass_derive(f, diag), *g = derived ? pass_simplify(derived) : NULL;
  ir_fn_destroy(derived);
  diag_destroy(diag);
  return g;
}

static FieldAnswer undecided(FieldReport *r, const char *why) {
  *r = (FieldReport){0};
  snprintf(r->reason, sizeof r->reason, "%s", why);
  return FIELD_UNDECIDED;
}

static bool affordable(const Fn *f) {
  Flops n = pass_flops(f);
  return n.per_sample + n.once <= MOST_FLOPS;
}

/* ---- a difference, confirmed ---------------------------------------------------------------------------------- */

static double disturbance(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return 1 + DISTURBANCE * ((double)((z ^ z >> 31) >> 11) * 0x1p-52 - 1);
}

static bool disturb(void *ctx, const Fn *f, Val v, const Tensor *x) {
  const Inst *i = ir_inst(f, v);
  OpClass cls = ir_op[i->op].cls;
  bool computed = cls == OPC_EW1 || cls == OPC_EW2 || i->op == OP_dot || i->op == OP_trisolve;
  if (!computed || !x->v || x->type.dt != DT_REAL) return true;
  for (int64_t e = 0; e < type_count(x->type) * (x->type.lane ? FIELD_LANES : 1); e++) x->v[e] *= disturbance(ctx);
  return true;
}

static bool outputs(const Fn *f, const Tensor *in, uint64_t seed, Tensor *out) {
  char err[80];
  EvalEnv env = {.watch = seed ? disturb : NULL, .ctx = &seed};
  return ir_eval(f, FIELD_LANES, in, out, &env, err, sizeof err);
}

/* Widens scatter[element] by how far f lies from `out` when it is disturbed. */
static bool scatter(const Fn *f, const Tensor *in, const Tensor *out, uint32_t k, double *wide) {
  Tensor *other = base_realloc(NULL, sizeof *other * (f->out.n + 1));
  bool good = true;
  for (uint64_t run = 1; run <= SCATTERED && good; run++) {
    good = outputs(f, in, run * UINT64_C(0x2545f4914f6cdd1d), other);
    for (int64_t e = 0; good && e < type_count(out[k].type) * (out[k].type.lane ? FIELD_LANES : 1); e++) {
      double d = fabs(other[k].v[e] - out[k].v[e]);
      wide[e] = isnan(d) ? INFINITY : fmax(wide[e], d);
    }
    if (good) ir_tensors_free(other, f->out.n);
  }
  free(other);
  return good;
}

static bool output_differs(const Fn *const *f, const Tensor *in, Tensor *const *out, uint32_t k, FieldReport *r) {
  Type t = out[0][k].type;
  int64_t n = type_count(t) * (t.lane ? FIELD_LANES : 1);
  double *wide = base_realloc(NULL, sizeof *wide * (size_t)(n + 1)), scale = 0;
  bool differs = false;
  memset(wide, 0, sizeof *wide * (size_t)(n + 1));
  for (int64_t e = 0; e < n; e++)
    for (int w = 0; w < 2; w++)
      if (isfinite(out[w][k].v[e])) scale = fmax(scale, fabs(out[w][k].v[e]));
  bool good = scatter(f[0], in, out[0], k, wide) && scatter(f[1], in, out[1], k, wide);
  for (int64_t e = 0; e < n && good && !differs; e++) {
    double x = out[0][k].v[e], y = out[1][k].v[e];
    differs = isfinite(x) && isfinite(y) && fabs(x - y) > 1e-9 * scale && fabs(x - y) > WORTH * wide[e];
    if (!differs) continue;
    r->output = k, r->left = x, r->right = y;
    r->element = t.lane ? e / FIELD_LANES : e, r->sample = t.lane ? e % FIELD_LANES : 0;
  }
  free(wide);
  return differs;
}

static bool differ_at(const Fn *const *f, uint64_t point, FieldReport *r) {
  Tensor *in = base_realloc(NULL, sizeof *in * (f[0]->in.n + 1)), *out[2] = {NULL, NULL};
  bool good[2] = {false, false}, differ = false;
  ir_field_point(f[0], point, in);
  for (int w = 0; w < 2; w++) {
    out[w] = base_realloc(NULL, sizeof **out * (f[w]->out.n + 1));
    good[w] = outputs(f[w], in, 0, out[w]);
  }
  for (uint32_t k = 0; good[0] && good[1] && k < f[0]->out.n && !differ; k++) differ = output_differs(f, in, out, k, r);
  if (differ) r->point = point;
  for (int w = 0; w < 2; w++) {
    if (good[w]) ir_tensors_free(out[w], f[w]->out.n);
    free(out[w]);
  }
  ir_tensors_free(in, f[0]->in.n);
  free(in);
  return differ;
}

static FieldAnswer confirmed(const Fn *a, const Fn *b, FieldReport *r) {
  const Fn *f[2] = {a, b};
  uint64_t first = r->point & ~UINT64_C(3);
  if (a->in.n != b->in.n || a->out.n != b->out.n || differ_at(f, r->point, r)) return FIELD_DIFFERENT;
  for (uint64_t k = 0; k < POINTS; k++)
    if (differ_at(f, first + k, r)) return FIELD_DIFFERENT;
  snprintf(r->reason, sizeof r->reason, "output %u, element %lld differs in the field, but at real points by no more than rounding", r->output,
           (long long)r->element);
  return FIELD_UNDECIDED;
}

FieldAnswer pass_decide(const Fn *a, const Fn *b, FieldReport *r) {
  double start = pass_now();
  Fn *x = lowered(a), *y = x ? lowered(b) : NULL;
  FieldAnswer answer = !x || !y                            ? undecided(r, "it has no derivative")
                       : !affordable(x) || !affordable(y) ? undecided(r, "it would take too long to evaluate exactly")
                                                          : ir_field_equal(x, y, ROUNDS, UINT64_C(0x9e3779b97f4a7c15), r);
  if (answer == FIELD_DIFFERENT) answer = confirmed(x, y, r);
  ir_fn_destroy(x);
  ir_fn_destroy(y);
  pass_timed("decide", pass_now() - start);
  return answer;
}
