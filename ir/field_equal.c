/* Deciding whether two functions are the same.
 *
 * A point of the field that cannot be used (a zero divisor, an element without a root) is drawn again.
 * Points at which a root was taken of an element that is not positive lie outside the real domain:
 * identities like sqrt(x) sqrt(y) = sqrt(xy) may fail there by a sign. So only agreement counts there, and once
 * the functions differ at such a point, only points without such roots count.
 * Where signs decide what is computed (max, select, ...) a point takes one branch of each: many points are
 * compared then, also real ones, whose signs are those of real programs.
 * A difference in the field may still come of rounded constants, or of relations that the unknown
 * functions do not keep: the functions must differ at a real point, too. */
#include "ir/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 12, BRANCHED = 6, REAL_POINTS = 16, SETTLE = 6 };

typedef struct Pair {
  const Fn *f[2];
  FieldEnv env;
  FieldTensor *in, *out[2];
  FieldReport *report;
} Pair;

static uint64_t bits(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static double uniform(uint64_t *state) { return (double)(bits(state) >> 11) * 0x1p-53; }

static int64_t total(Type t) { return type_count(t) * (t.lane ? FIELD_LANES : 1); }

/* ---- points of the field ---- */

static void draw_point(Pair *p, uint64_t seed) {
  for (uint32_t k = 0; k < p->f[0]->in.n; k++)
    for (int64_t e = 0; e < total(p->in[k].type); e++)
      p->in[k].v[e] = p->in[k].type.dt == DT_BOOL ? (FieldElem){bits(&seed) >> 63, 0} : field_random(&seed);
}

static bool eval_pair(Pair *p) {
  for (int w = 0; w < 2; w++)
    if (!ir_eval_field(p->f[w], FIELD_LANES, p->in, p->out[w], &p->env, p->report->reason,
                       sizeof p->report->reason)) {
      if (w) ir_field_tensors_free(p->out[0], p->f[0]->out.n);
      return false;
    }
  return true;
}

static void free_pair(Pair *p) {
  for (int w = 0; w < 2; w++) ir_field_tensors_free(p->out[w], p->f[w]->out.n);
}

/* Until no constant is new. */
static bool eval_settled(Pair *p) {
  for (int k = 0; k < SETTLE; k++) {
    p->env.learned = 0;
    if (!eval_pair(p)) {
      if (!p->env.learned || !p->env.why) return false;
      continue;
    }
    if (!p->env.learned) return true;
    free_pair(p);
  }
  p->env.why = "the constants of a loop do not settle";
  snprintf(p->report->reason, sizeof p->report->reason, "%s", p->env.why);
  return false;
}

/* Notes the first difference. */
static bool agree(Pair *p) {
  for (uint32_t k = 0; k < p->f[0]->out.n; k++) {
    Type t = p->out[0][k].type;
    for (int64_t e = 0; e < total(t); e++) {
      if (field_eq(p->out[0][k].v[e], p->out[1][k].v[e])) continue;
      p->report->output = k;
      p->report->element = t.lane ? e / FIELD_LANES : e;
      p->report->sample = t.lane ? e % FIELD_LANES : 0;
      return false;
    }
  }
  return true;
}

/* ---- real points ---- */

void ir_field_point(const Fn *f, uint64_t point, Tensor *in) {
  static const double low[] = {0.1, -1, 0.5, -3}, high[] = {1, 1, 2, 3};
  int range = (int)(point & 3);
  uint64_t state = point;
  for (uint32_t k = 0; k < f->in.n; k++) {
    Type t = f->in.at[k].type;
    in[k] = (Tensor){t, base_realloc(NULL, sizeof(double) * (size_t)(total(t) + 1))};
    for (int64_t e = 0; e < total(t); e++) {
      double u = uniform(&state);
      in[k].v[e] = t.dt == DT_BOOL ? u < 0.5 : low[range] + (high[range] - low[range]) * u;
    }
  }
}

static void draw(int kind, uint64_t seed, uint64_t sample0, int64_t lanes, uint32_t site, uint32_t counter,
                 int64_t elems, double *out) {
  (void)sample0;
  uint64_t state = seed ^ (uint64_t)site << 32 ^ counter;
  for (int64_t k = 0; k < elems * lanes; k++) {
    double u = uniform(&state);
    out[k] = kind ? 4 * u - 2 : u;
  }
}

static double largest(const Tensor *t) {
  double most = 0;
  for (int64_t e = 0; e < total(t->type); e++)
    if (isfinite(t->v[e])) most = fmax(most, fabs(t->v[e]));
  return most;
}

/* Whether output k differs by more than rounding can make of it; notes where. */
static bool output_differs(const Tensor *x, const Tensor *y, uint32_t k, FieldReport *r) {
  double scale = fmax(largest(x), largest(y));
  for (int64_t e = 0; e < total(x->type); e++) {
    bool finite = isfinite(x->v[e]) && isfinite(y->v[e]);
    if (!finite || !(fabs(x->v[e] - y->v[e]) > 1e-9 * scale)) continue;
    r->output = k;
    r->element = x->type.lane ? e / FIELD_LANES : e;
    r->sample = x->type.lane ? e % FIELD_LANES : 0;
    r->left = x->v[e];
    r->right = y->v[e];
    return true;
  }
  return false;
}

static bool differ_at(const Fn *a, const Fn *b, uint64_t point, FieldReport *r) {
  uint32_t nin = a->in.n, nout = a->out.n;
  Tensor *in = base_realloc(NULL, sizeof *in * (nin + 1)), *x = base_realloc(NULL, sizeof *x * (nout + 1)),
         *y = base_realloc(NULL, sizeof *y * (nout + 1));
  EvalEnv env = {.seed = point, .draw = draw};
  char err[80];
  bool differ = false;
  ir_field_point(a, point, in);
  if (ir_eval(a, FIELD_LANES, in, x, &env, err, sizeof err)) {
    if (ir_eval(b, FIELD_LANES, in, y, &env, err, sizeof err)) {
      for (uint32_t k = 0; k < nout && !differ; k++) differ = output_differs(&x[k], &y[k], k, r);
      ir_tensors_free(y, nout);
    }
    ir_tensors_free(x, nout);
  }
  ir_tensors_free(in, nin);
  free(in);
  free(x);
  free(y);
  r->point = point;
  return differ;
}

/* ---- deciding ---- */

/* Looks for a real point at which they differ. */
static bool differ_really(const Pair *p, uint64_t seed) {
  FieldReport *r = p->report;
  for (uint64_t k = 0; k < REAL_POINTS; k++)
    if (differ_at(p->f[0], p->f[1], (seed & ~UINT64_C(3)) + k, r)) {
      snprintf(r->reason, sizeof r->reason, "output %u, element %lld of sample %lld: %.17g and %.17g", r->output,
               (long long)r->element, (long long)r->sample, r->left, r->right);
      return true;
    }
  return false;
}

static FieldAnswer differing(const Pair *p, uint64_t seed) {
  FieldReport *r = p->report;
  r->differs = true;
  if (differ_really(p, seed)) return FIELD_DIFFERENT;
  snprintf(r->reason, sizeof r->reason, "output %u, element %lld differs in the field%s, but not at %d real points",
           r->output, (long long)r->element,
           p->env.rounded     ? ", with rounded constants"
           : p->env.imaginary ? ", with imaginary roots"
                              : "",
           REAL_POINTS);
  return FIELD_UNDECIDED;
}

typedef struct Tally {
  int any, real;             /* points of agreement; those without imaginary roots */
  bool doubtful;             /* they differ at a point with imaginary roots */
} Tally;

/* One more point. False: a difference, or nothing can be evaluated. */
static bool try_point(Pair *p, uint64_t *seed, Tally *t, bool *different) {
  field_env_point(&p->env, bits(seed));
  draw_point(p, bits(seed));
  if (!eval_settled(p)) return p->env.why != NULL;
  bool same = agree(p), imaginary = p->env.imaginary;
  free_pair(p);
  p->report->branched |= p->env.branched;
  t->any += same;
  t->real += same && !imaginary;
  *different = !same && (!imaginary || (!t->doubtful && differ_really(p, *seed)));
  t->doubtful |= !same && imaginary;
  return !*different;
}

static FieldAnswer decide(Pair *p, int rounds, uint64_t seed) {
  FieldReport *r = p->report;
  Tally t = {0};
  bool different = false;
  int want = rounds;
  for (int tries = TRIES * rounds; tries > 0 && r->points < want; tries--) {
    if (!try_point(p, &seed, &t, &different)) return different ? differing(p, seed) : FIELD_UNDECIDED;
    if (r->branched && want == rounds) want *= BRANCHED, tries *= BRANCHED;
    r->points = t.doubtful ? t.real : t.any;
  }
  if (t.doubtful && r->points < want) return differing(p, seed);
  if (r->points < want) return FIELD_UNDECIDED;
  return r->branched && differ_really(p, seed) ? FIELD_DIFFERENT : FIELD_EQUAL;
}

static bool same_signature(const Fn *a, const Fn *b) {
  if (a->in.n != b->in.n || a->out.n != b->out.n) return false;
  for (uint32_t k = 0; k < a->in.n; k++)
    if (!type_eq(a->in.at[k].type, b->in.at[k].type)) return false;
  for (uint32_t k = 0; k < a->out.n; k++)
    if (!type_eq(ir_type(a, a->out.at[k]), ir_type(b, b->out.at[k]))) return false;
  return true;
}

FieldAnswer ir_field_equal(const Fn *a, const Fn *b, int rounds, uint64_t seed, FieldReport *report) {
  FieldReport unused;
  Pair p = {.f = {a, b}, .report = report ? report : &unused};
  *p.report = (FieldReport){0};
  if (!same_signature(a, b)) {
    snprintf(p.report->reason, sizeof p.report->reason, "inputs or outputs are of different types");
    return FIELD_DIFFERENT;
  }
  p.in = base_realloc(NULL, sizeof *p.in * (a->in.n + 1));
  for (uint32_t k = 0; k < a->in.n; k++) {
    Type t = a->in.at[k].type;
    p.in[k] = (FieldTensor){t, base_realloc(NULL, sizeof(FieldElem) * (size_t)(total(t) + 1))};
  }
  for (int w = 0; w < 2; w++) p.out[w] = base_realloc(NULL, sizeof *p.out[w] * (a->out.n + 1));
  field_env_init(&p.env, seed);
  FieldAnswer answer = decide(&p, rounds, seed);
  field_env_finish(&p.env);
  ir_field_tensors_free(p.in, a->in.n);
  free(p.in);
  free(p.out[0]);
  free(p.out[1]);
  return answer;
}
