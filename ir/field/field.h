/* Exact evaluation: functions of the IR at random points of a finite field, and deciding by it.
 *
 * The field is F_{p^2} = F_p(i), p = 2^61 - 12226564353, i^2 = -1. p = 3 mod 4, so exactly one of x and -x is a
 * square in F_p; and 2 and all odd primes up to 59 are squares. So "positive" can mean "a square of F_p":
 * products and quotients keep it, -x is of the opposite sign, and the numbers that programs are
 * written with have the sign that they should. |xy| = |x||y|, sqrt(x^2) = |x| and sqrt(xy) = sqrt(x) sqrt(y) for
 * positive x, y hold. Sums of positive elements have no sign of their own: no function can know.
 *
 * Rational operations are exact; transcendental functions are unknown functions, that is random values
 * keyed by function and argument, with the relations that field_fn.c and field_hom.c list. Operations on
 * constants give what the builder folds them to (num.c), rounded where that is rounded.
 *
 * What the prime is good for beside signs: the squares Q of F_p are a group of order (p-1)/2 = 17 * m, no prime
 * below 17 divides it. So every element of Q has exactly one root of order c <= 16 in Q, and if exp takes its
 * values in Q, exp(x/c) follows from exp x and exp x from exp(x/c), whichever is met first. Points of
 * the unit circle are a group of order p+1 = 2^8 3^3 n, n prime to 6: sines and cosines are drawn from its
 * subgroup of order n, where halves and thirds are unique; and a whole turn has its 24th part. n is divisible by
 * 5^2, 7, 11 and 13, so that a turn has its N-th part for all N made of these primes, as in Fourier modes.
 *
 * In functions of FN_EXACT what rounds is an unknown value: cos(3/10), sqrt 2 = a root of 2, pi an unknown number of
 * which rational multiples are known as angles. In others constants are what the builder folds them to.
 *
 * Why a proof is one. Every relation that is imposed is true of the real functions. So the random values are
 * a generic point of a variety on which the real functions are, too, and what vanishes there vanishes for them.
 * That a relation is met by accident has the probability (degree of the arguments)/p, and helps a false claim
 * only where the claim has the relation as a factor: so the bound is (degree of the claim)(1 + degree of the
 * arguments)/p at each point (field_degree.c), to the power of the number of points.
 * Signs are different: a claim may be true for one sign of x and false for the other, and sqrt(x^2) = x is true
 * at half of the points. Every sign that is asked for is noted (field_sign.c): k independent ones make
 * 2^k patterns, equally likely; one that no point of N has had is left out with probability (1 - 2^-k)^N at
 * most. A root whose radicand is seen to be independent, modulo squares, of all before it splits nothing
 * (Kummer): it costs no more than its degree. */
#ifndef HNNC_IR_FIELD_FIELD_H
#define HNNC_IR_FIELD_FIELD_H

#include "ir/ir.h"

/* ---- field.c: arithmetic ------------------------------------------------------------------------ */

#define FIELD_P ((UINT64_C(1) << 61) - FIELD_C)
#define FIELD_C UINT64_C(12226564353)

typedef struct FieldElem {
  uint64_t re, im; /* each below FIELD_P */
  uint32_t tag;
} FieldElem;

/* What is known of the real value beside. A real point with the signs that were met has NaN for it; it is an infinity; it is of a
 * row whose index is not known to be one; it is nowhere negative (where it has a value at all). */
enum { FIELD_NAN = 1, FIELD_INF = 2, FIELD_ROW = 4, FIELD_NONNEG = 8, FIELD_LOST = FIELD_NAN | FIELD_ROW };

FieldElem field_int(int64_t n);
FieldElem field_ratio(int64_t num, int64_t den); /* den > 0 */
FieldElem field_double(double v);                /* v finite: its dyadic value */
uint64_t field_bits(uint64_t *state);            /* splitmix64 */
FieldElem field_random(uint64_t *state);         /* of F_p */
FieldElem field_power(FieldElem a, uint64_t n);
FieldElem field_inverse(FieldElem a);          /* a != 0 */
bool field_sqrt(FieldElem a, FieldElem *root); /* the positive root of a positive a; false: none */
int field_sign(FieldElem a);                   /* -1, 0, 1; see above */

__extension__ typedef unsigned __int128 FieldWide;

static inline uint64_t field_p_add(uint64_t a, uint64_t b) {
  uint64_t s = a + b;
  return s >= FIELD_P ? s - FIELD_P : s;
}
static inline uint64_t field_p_sub(uint64_t a, uint64_t b) { return a >= b ? a - b : a + FIELD_P - b; }

/* x < 2^61 * 2^61: three folds of what is above bit 61 leave less than 2p. */
static inline uint64_t field_p_reduce(FieldWide x) {
  const uint64_t mask = (UINT64_C(1) << 61) - 1;
  FieldWide y = (FieldWide)(uint64_t)(x >> 61) * FIELD_C + ((uint64_t)x & mask);
  y = (FieldWide)(uint64_t)(y >> 61) * FIELD_C + ((uint64_t)y & mask);
  uint64_t z = (uint64_t)(y >> 61) * FIELD_C + ((uint64_t)y & mask);
  return z >= FIELD_P ? z - FIELD_P : z;
}
static inline uint64_t field_p_mul(uint64_t a, uint64_t b) { return field_p_reduce((FieldWide)a * b); }

static inline uint32_t field_tags(FieldElem a, FieldElem b) {
  return ((a.tag | b.tag) & ~(uint32_t)FIELD_NONNEG) | (a.tag & b.tag);
}
static inline FieldElem field_add(FieldElem a, FieldElem b) {
  return (FieldElem){field_p_add(a.re, b.re), field_p_add(a.im, b.im), field_tags(a, b)};
}
static inline FieldElem field_sub(FieldElem a, FieldElem b) {
  return (FieldElem){field_p_sub(a.re, b.re), field_p_sub(a.im, b.im), (a.tag | b.tag) & ~(uint32_t)FIELD_NONNEG};
}
static inline FieldElem field_neg(FieldElem a) { return field_sub((FieldElem){0, 0, 0}, a); }
static inline bool field_eq(FieldElem a, FieldElem b) { return a.re == b.re && a.im == b.im; } /* whatever the tags */
static inline FieldElem field_mul(FieldElem a, FieldElem b) {
  uint32_t tag = field_tags(a, b) | (field_eq(a, b) ? FIELD_NONNEG : 0);
  if (!(a.im | b.im)) return (FieldElem){field_p_mul(a.re, b.re), 0, tag};
  uint64_t x = field_p_mul(a.re, b.re), y = field_p_mul(a.im, b.im);
  uint64_t z = field_p_mul(field_p_add(a.re, a.im), field_p_add(b.re, b.im));
  return (FieldElem){field_p_sub(x, y), field_p_sub(field_p_sub(z, x), y), tag};
}
static inline bool field_is_zero(FieldElem a) { return !(a.re | a.im); }

/* ---- field_env.c, field_fn.c: elementwise ops ------------------------------------------------------- */

/* What is the same in all evaluations at one point, and in all functions that are compared. */
typedef struct FieldEnv {
  uint64_t seed;            /* keys the unknown functions and the draws */
  struct FieldState *state; /* private: constants, functions met, signs asked for (field_priv.h) */
  bool exact;               /* of a function of FN_EXACT: operations on constants that would round are unknown */
  bool related;             /* addition theorems are looked for, which takes time */
  uint32_t learned;         /* constants met for the first time; what was computed before may not hold */
  bool imaginary;           /* a root or logarithm was taken of an element that is not positive */
  bool unreal;              /* of one that is nowhere negative: no real point has the signs that were met */
  bool branched;            /* a sign was asked for that is not a constant's */
  bool rounded;             /* a constant was rounded */
  bool unknown, unequal;    /* kept from point to point: an unknown function was met; == was asked of what differs; */
  bool domains;             /* NaN was compared: which values there are is a matter of signs; */
  bool rows;                /* a row was compared whose index is not known to be one */
  const char *why;          /* this point cannot be used; NULL while it can */
} FieldEnv;

void field_env_init(FieldEnv *e, uint64_t seed);
void field_env_point(FieldEnv *e, uint64_t seed); /* another point: forgets all but the constants */
void field_env_finish(FieldEnv *e);
FieldElem field_const(FieldEnv *e, double v, int64_t num, int64_t den);           /* den = 0: v; learns it */
FieldElem field_table(const FieldEnv *e, double v);                               /* not to be learned */
FieldElem field_keyed(const FieldEnv *e, uint64_t tag, FieldElem a, FieldElem b); /* random of F_p */

/* One op on elements; bools are 0 and 1. Sets e->why where it has no value. */
FieldElem field_apply(FieldEnv *e, Op op, FieldElem a, FieldElem b);

/* ---- eval_field.c: functions ------------------------------------------------------------------------ */

typedef struct FieldTensor {
  Type type;
  FieldElem *v;
} FieldTensor; /* laid out as Tensor */

/* As ir_eval. False: this point cannot be used, err says why (e->why), or the function cannot be
 * evaluated at all (e->why is NULL): `ode`, operators that are not expanded. Fixed points run all turns. */
bool ir_eval_field(const Fn *f, int64_t lanes, const FieldTensor *in, FieldTensor *out, FieldEnv *e, char *err, size_t errsize);
void ir_field_tensors_free(FieldTensor *t, uint32_t n);

/* ---- field_degree.c: how large a field a claim needs --------------------------------------------------- */

/* Degrees of the values of unknown functions in what is drawn. */
typedef struct FieldDegree {
  double exp, circle; /* of exp x, and of a point of the circle */
  bool mixed;         /* times the degree of an argument of log and atan2, as exp(a log x) is x^a */
} FieldDegree;

/* An upper bound of the degree of the outputs, as a polynomial in what is drawn at random once it has a common
 * denominator, times 1 + the largest degree of an argument of an unknown function; infinite if it is beyond
 * double. lanes as in ir_eval_field. */
double ir_field_degree(const Fn *f, int64_t lanes, FieldDegree of);

/* ---- field_equal.c: deciding ------------------------------------------------------------------------- */

typedef enum { FIELD_UNDECIDED, FIELD_EQUAL, FIELD_DIFFERENT } FieldAnswer;

typedef struct FieldReport {
  char reason[200]; /* for people: of FIELD_UNDECIDED, and of FIELD_DIFFERENT */
  uint32_t output;  /* FIELD_DIFFERENT: where, with both values at a real point */
  int64_t element, sample;
  double left, right;
  uint64_t point;   /* ir_field_point makes it again */
  int points;       /* points of the field at which the functions agreed */
  double bits;      /* FIELD_EQUAL: the probability of error is below 2^-bits ... */
  double sign_bits; /* ... unless a pattern of signs was left out, which has probability 2^-sign_bits */
  bool branched;    /* sign_bits < FIELD_BITS: branches that no point took have not been compared */
  bool differs;     /* FIELD_UNDECIDED although some point of the field tells them apart */
  bool related;     /* an addition theorem was needed */
  int real_points;  /* real points at which both have values ... */
  int blurred;      /* ... at which they differ, but rounding may be why */
  double blur;      /* ... and by how much at most */
  double agreement; /* ... and the largest difference there, relative to the larger value */
} FieldReport;

enum {
  FIELD_LANES = 2, /* samples of a real point; one suffices in the field without sums over the batch */
  FIELD_QUICK = 2, /* rounds of a check of the compiler */
  FIELD_BITS = 100 /* of a proof */
};

/* Whether a and b, of the same inputs and types of outputs, are the same function.
 * FIELD_EQUAL: they agree at `rounds` or more random points of the field. With more rounds than FIELD_QUICK that is
 * a proof: as many points as report->bits >= FIELD_BITS takes, and as signs take where that can be afforded;
 * and a real point was found at which both have values. With fewer it is a check: report->bits tells.
 * FIELD_DIFFERENT: they differ in the field, and at a real point by more than rounding.
 * FIELD_UNDECIDED: neither; report->reason says what was found.
 * Sets of measure zero do not count (x == 3 is false), nor do points at which only one side has a value. */
FieldAnswer ir_field_equal(const Fn *a, const Fn *b, int rounds, uint64_t seed, FieldReport *report);

/* field_real.c: the inputs of real point `point`, FIELD_LANES samples, allocated (ir_tensors_free). */
void ir_field_point(const Fn *f, uint64_t point, Tensor *in);

#endif
