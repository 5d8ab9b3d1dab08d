/* Deciding whether two functions are the same.
 *
 * A point of the field that cannot be used (a zero divisor, an element without a root) is drawn again.
 * Points at which a root or logarithm was taken of an element that is not positive lie outside the real domain:
 * identities like sqrt(x) sqrt(y) = sqrt(xy) may fail there by a sign. So only agreement counts there, and once
 * the functions differ at such a point, only points without such roots count.
 * A difference in the field may still come of rounded constants, or of relations that the unknown
 * functions do not keep: the functions must differ at a real point, too. If they do not, they are compared in the
 * field again with addition theorems (FieldEnv.related), which the first comparison does without, being
 * quicker: what is equal without them is equal with them. A check (FIELD_QUICK) does without them.
 * An equality (`==`) of elements that differ is known to be false only if nothing was unknown or rounded. Else addition
 * theorems must be asked, and what they leave open is undecided.
 * Signs (see field.h and field_sign.c): with k of them open, points are added until all patterns have been met but
 * for 2^-FIELD_BITS, or until WORK elements have been computed. */
#include "ir/field/field_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  TRIES = 12,
  BRANCHED = 6,
  SEARCH = 96,
  REAL = 2,
  AGREEMENT = 1000,
  SETTLE = 6,
  PROVED_WORK = 2000000,
  POINTS = 1100,
  WORK = 200000,
  REAL_WORK = 8000000,
  DOUBTFUL_WORK = 1000000,
  QUICK_BITS = 16,
  QUICK_WORK = 6000
};

typedef struct Pair {
  const Fn *f[2];
  int rounds;
  int64_t lanes;
  FieldEnv env;
  FieldTensor *in, *out[2];
  FieldReport *report;
  double cost; /* of a point, in elements, about */
} Pair;

static bool proof(const Pair *p) { return p->rounds > FIELD_QUICK; }
static int64_t total(const Pair *p, Type t) { return type_count(t) * (t.lane ? p->lanes : 1); }

/* ---- points of the field ---- */

static void draw_point(Pair *p, uint64_t seed) {
  for (uint32_t k = 0; k < p->f[0]->in.n; k++)
    for (int64_t e = 0; e < total(p, p->in[k].type); e++)
      p->in[k].v[e] = p->in[k].type.dt == DT_BOOL ? (FieldElem){field_bits(&seed) >> 63, 0} : field_random(&seed);
}

static bool eval_pair(Pair *p) {
  for (int w = 0; w < 2; w++)
    if (!ir_eval_field(p->f[w], p->lanes, p->in, p->out[w], &p->env, p->report->reason, sizeof p->report->reason)) {
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

/* Terms that are added for an element. */
static double terms(const Fn *f, const Inst *i) {
  double n = 1, out = (double)type_count(i->type);
  if (i->op == OP_sum || i->op == OP_dot || i->op == OP_trisolve || i->op == OP_solve || i->op == OP_cauchy || i->op == OP_gather ||
      i->op == OP_scatter)
    for (uint32_t k = 0; k < i->nargs; k++) n = fmax(n, (double)type_count(ir_type(f, ir_arg(f, i, k))) / out);
  if (i->op == OP_lu || i->op == OP_cholesky) n *= i->type.dim[1];
  return n;
}

/* Constants are known from the start, so that a first evaluation seldom learns any. Adds up the cost. */
static void learn(Pair *p, const Fn *f, double times) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    double v;
    if (i->sub) learn(p, ir_body(f, i), i->op == OP_scan ? times * (double)ir_scan_shape(f, i).n : times);
    p->cost += times * (double)(2 + type_count(i->type) * p->lanes) * terms(f, i);
    if (i->op != OP_const) continue;
    memcpy(&v, &f->attr.at[i->attr], sizeof v);
    field_const(&p->env, v, ir_const_attr(f, i).num, ir_const_attr(f, i).den);
  }
}

/* Notes the first difference. `lost`: NaN is among the values; `plain`: some that are none differ. */
static bool agree(Pair *p, bool *lost, bool *plain) {
  bool same = true;
  *lost = *plain = false;
  for (uint32_t k = 0; k < p->f[0]->out.n; k++) {
    Type t = p->out[0][k].type;
    for (int64_t e = 0; e < total(p, t); e++) {
      const FieldElem x = p->out[0][k].v[e], y = p->out[1][k].v[e];
      const bool nan = (x.tag | y.tag) & FIELD_NAN;
      *lost |= nan;
      if (field_eq(x, y)) continue;
      if (same || (!nan && !*plain)) {
        p->report->output = k;
        p->report->element = t.lane ? e / p->lanes : e;
        p->report->sample = t.lane ? e % p->lanes : 0;
      }
      same = false;
      *plain |= !nan;
    }
  }
  return same;
}

/* ---- how many points ---- */

typedef struct Tally {
  int tries;      /* points drawn */
  int any, real;  /* points of agreement; those inside the real domain */
  bool doubtful;  /* they differ at a point outside of it */
  FieldDegree of; /* the largest met */
  double bits;    /* of one point */
  FieldSigns signs;
  int patterns, counted; /* of signs, when that many points were known */
} Tally;

static void count_bits(const Pair *p, Tally *t) {
  FieldDegree now = t->of;
  double degree = 0;
  field_hom_degree(&p->env, &now);
  if (t->bits && now.exp <= t->of.exp && now.circle <= t->of.circle && now.mixed == t->of.mixed) return;
  t->of = now;
  for (int w = 0; w < 2; w++) degree += ir_field_degree(p->f[w], p->lanes, now);
  t->bits = fmax(60.9 - log2(degree), 1e-9);
}

/* Points that it takes to leave no pattern of 2^k out, but for 2^-FIELD_BITS. */
static double sign_bits(int k, int points) { return k ? -points * log2(1 - exp2(-fmin(k, 40))) : INFINITY; }

static double usable_bits(const Tally *t, int points) {
  return fmax(t->bits - log2(fmax(1, (double)t->tries / fmax(1, points))), 1e-9);
}

/* Points to agree at, by what is known now. */
static int wanted(const Pair *p, Tally *t) {
  FieldReport *r = p->report;
  int want = p->rounds;
  double points = ceil((FIELD_BITS + 1) / usable_bits(t, r->points));
  if (proof(p) && points <= POINTS) want = (int)fmax(want, points); /* more would not be a proof either */
  if (r->points < want) return want;
  if (t->signs.row.n && (uint32_t)t->counted * 5 / 4 < t->signs.row.n) {
    t->patterns = field_signs_patterns(&t->signs);
    t->counted = (int)t->signs.row.n;
  }
  if (!t->patterns) return want;
  double most = (double)(proof(p) ? WORK : QUICK_WORK) / p->cost, each = sign_bits(t->patterns, 1);
  most = fmin(POINTS, fmax(BRANCHED * p->rounds, most));
  return (int)fmax(want, fmin(most, ceil((proof(p) ? FIELD_BITS : QUICK_BITS) / each)));
}

/* ---- deciding ---- */

/* As many real points of `most` as time allows. */
static int real_points(const Pair *p, int most, double work) {
  return (int)fmin(most, fmax(BRANCHED, work / (p->cost * FIELD_LANES)));
}

/* Those at which what the field says is looked at once more. */
static int control_points(const Pair *p) {
  if (!proof(p)) return p->report->branched ? REAL : 0;
  return p->report->branched ? SEARCH : real_points(p, SEARCH, PROVED_WORK);
}

static bool differ_really(const Pair *p, uint64_t seed, int points) {
  return field_real_differ(p->f[0], p->f[1], seed, points, p->report);
}

static void undecided(const Pair *p) {
  FieldReport *r = p->report;
  r->differs = true;
  if (!r->real_points) {
    snprintf(r->reason, sizeof r->reason,
             "output %u, element %lld differs in finite-field arithmetic; no real point was found at which both sides have values",
             r->output, (long long)r->element);
    return;
  }
  if (r->blurred) {
    snprintf(
        r->reason, sizeof r->reason,
        "output %u, element %lld differs in finite-field arithmetic, and at %d of %d real points, where rounding may be the cause",
        r->output, (long long)r->element, r->blurred, r->real_points);
    return;
  }
  snprintf(r->reason, sizeof r->reason,
           "output %u, element %lld differs in finite-field arithmetic%s, but agrees to %.0e at %d real points", r->output,
           (long long)r->element,
           p->env.rounded     ? ", with rounded constants"
           : p->env.imaginary ? ", with imaginary roots"
                              : "",
           r->agreement, r->real_points);
}

/* One more point. False: a difference, or nothing can be evaluated. */
static bool try_point(Pair *p, uint64_t *seed, Tally *t, bool *different) {
  t->tries++;
  field_env_point(&p->env, field_bits(seed));
  draw_point(p, field_bits(seed));
  if (!eval_settled(p)) return p->env.why != NULL;
  bool lost, plain, same = agree(p, &lost, &plain), doubt = !same && (p->env.unreal || !plain);
  free_pair(p);
  count_bits(p, t);
  field_signs_add(&t->signs, &p->env);
  p->report->branched |= p->env.branched;
  t->any += same;
  t->real += same && !p->env.unreal && !lost;
  *different = !same && (!doubt || (!t->doubtful && differ_really(p, *seed, SEARCH)));
  t->doubtful |= doubt;
  return !*different;
}

typedef enum { AGREE, DISAGREE, NEITHER } Outcome;

/* Points that may be drawn for `want` of use. Where those outside of the real domain tell nothing, half of the points are of use for each root
 * or logarithm that is like asinh's: of 8 elements one in 256. */
static double tries_for(const Pair *p, const Tally *t, int want) {
  const double some = (p->env.related ? TRIES / 2 : TRIES) * want;
  return t->doubtful && proof(p) ? fmax(some, DOUBTFUL_WORK / p->cost) : some;
}

/* In the field. NEITHER: the functions cannot be compared, reason says why. */
static Outcome compare_once(Pair *p, uint64_t seed, Tally *t) {
  FieldReport *r = p->report;
  const bool domains = p->env.domains;
  bool different = false;
  int want = p->rounds;
  r->points = 0;
  r->branched = false;
  for (int tries = 0; r->points < want; tries++) {
    if (tries >= tries_for(p, t, want)) break;
    if (!try_point(p, &seed, t, &different)) return different ? DISAGREE : NEITHER;
    if (p->env.domains != domains) return NEITHER;
    r->points = t->doubtful ? t->real : t->any;
    want = wanted(p, t);
  }
  if (r->points < want) return t->doubtful ? DISAGREE : NEITHER;
  return AGREE;
}

/* Once NaN has been compared, the signs that make it so are those of cases, and are noted. */
static Outcome compare(Pair *p, uint64_t seed, Tally *t) {
  const bool domains = p->env.domains;
  const Outcome outcome = compare_once(p, seed, t);
  if (domains == p->env.domains) return outcome;
  field_signs_free(&t->signs);
  *t = (Tally){0};
  return compare_once(p, seed, t);
}

/* Agreement: is it enough? */
static FieldAnswer conclude(const Pair *p, uint64_t seed, Tally *t) {
  FieldReport *r = p->report;
  t->patterns = field_signs_patterns(&t->signs);
  r->bits = usable_bits(t, r->points) * r->points;
  r->sign_bits = sign_bits(t->patterns, r->points);
  r->branched = r->sign_bits < FIELD_BITS;
  r->related = p->env.related;
  *r->reason = 0;
  if (differ_really(p, seed, control_points(p))) return FIELD_DIFFERENT;
  if (!proof(p)) return FIELD_EQUAL;
  if (!r->real_points && !differ_really(p, seed + 8, SEARCH) && !r->real_points) {
    snprintf(r->reason, sizeof r->reason, "no real point was found at which both sides have values");
    return FIELD_UNDECIDED;
  }
  if (r->bits >= FIELD_BITS) return FIELD_EQUAL;
  snprintf(r->reason, sizeof r->reason, "agrees at %d points of the finite field, but its degree is too high for a proof",
           r->points);
  return FIELD_UNDECIDED;
}

/* An equality was taken for false that may be true; a row was compared that may be none. */
static bool open_equality(const Pair *p) { return proof(p) && p->env.unequal && (p->env.unknown || p->env.rounded); }
static bool open(const Pair *p) { return open_equality(p) || (proof(p) && p->env.rows); }

static FieldAnswer decide(Pair *p, uint64_t seed) {
  FieldReport *r = p->report;
  FieldAnswer answer = FIELD_UNDECIDED;
  for (int related = 0; related < (proof(p) ? 2 : 1); related++) {
    Tally t = {0};
    p->env.related = related;
    p->env.unknown = p->env.unequal = p->env.rows = p->env.domains = false;
    Outcome outcome = compare(p, seed, &t);
    bool settled = outcome == AGREE && !open(p);
    if (settled) answer = conclude(p, seed, &t);
    field_signs_free(&t.signs);
    if (settled) return answer;
    uint32_t output = r->output;
    int64_t element = r->element;
    if (outcome == DISAGREE && !related && differ_really(p, seed, real_points(p, SEARCH, REAL_WORK))) return FIELD_DIFFERENT;
    if (outcome == NEITHER && !p->env.why) return FIELD_UNDECIDED;
    r->output = output;
    r->element = element;
    if (outcome == NEITHER && related) return FIELD_UNDECIDED;
  }
  if (differ_really(p, seed + SEARCH, proof(p) ? real_points(p, AGREEMENT, REAL_WORK) - r->real_points : 0)) return FIELD_DIFFERENT;
  if (!open(p)) return undecided(p), FIELD_UNDECIDED;
  if (!open_equality(p)) {
    snprintf(r->reason, sizeof r->reason, "the comparison reads a row that may not exist");
    return FIELD_UNDECIDED;
  }
  snprintf(r->reason, sizeof r->reason, "it depends on an equality of transcendental or rounded values, which is not decided");
  return FIELD_UNDECIDED;
}

/* ---- what is compared ---- */

static bool same_signature(const Fn *a, const Fn *b) {
  if (a->in.n != b->in.n || a->out.n != b->out.n) return false;
  for (uint32_t k = 0; k < a->in.n; k++)
    if (!type_eq(a->in.at[k].type, b->in.at[k].type)) return false;
  for (uint32_t k = 0; k < a->out.n; k++)
    if (!type_eq(ir_type(a, a->out.at[k]), ir_type(b, b->out.at[k]))) return false;
  return true;
}

/* Samples meet: one is not enough. */
static bool sums_batch(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (ir_sums_batch(f, i) || i->op == OP_rand) return true;
    if (i->sub && sums_batch(ir_body(f, i))) return true;
  }
  return false;
}

FieldAnswer ir_field_equal(const Fn *a, const Fn *b, int rounds, uint64_t seed, FieldReport *report) {
  FieldReport unused;
  Pair p = {.f = {a, b}, .rounds = rounds, .report = report ? report : &unused, .cost = 1};
  *p.report = (FieldReport){0};
  if (!same_signature(a, b)) {
    snprintf(p.report->reason, sizeof p.report->reason, "inputs or outputs are of different types");
    return FIELD_DIFFERENT;
  }
  p.lanes = sums_batch(a) || sums_batch(b) ? FIELD_LANES : 1;
  p.in = base_realloc(NULL, sizeof *p.in * (a->in.n + 1));
  for (uint32_t k = 0; k < a->in.n; k++) {
    Type t = a->in.at[k].type;
    p.in[k] = (FieldTensor){t, base_realloc(NULL, sizeof(FieldElem) * (size_t)(total(&p, t) + 1))};
  }
  for (int w = 0; w < 2; w++) p.out[w] = base_realloc(NULL, sizeof *p.out[w] * (a->out.n + 1));
  field_env_init(&p.env, seed);
  learn(&p, a, 1);
  learn(&p, b, 1);
  FieldAnswer answer = decide(&p, seed);
  field_env_finish(&p.env);
  ir_field_tensors_free(p.in, a->in.n);
  base_free(p.in);
  base_free(p.out[0]);
  base_free(p.out[1]);
  return answer;
}
