/* Exact evaluation: functions of the IR at random points of a finite field.
 *
 * The field is F_{p^2} = F_p(i), p = 2^61 - 139666593, i^2 = -1. p = 3 mod 4, so exactly one of x and -x is a
 * square in F_p; and 2 and all odd primes up to 83 are squares. So "positive" can mean "a square of F_p":
 * products and quotients keep it, -x is of the opposite sign, and the numbers that programs are
 * written with have the sign that they should. |xy| = |x||y|, sqrt(x^2) = |x| and sqrt(xy) = sqrt(x) sqrt(y) for
 * positive x, y hold. Sums of positive elements have no sign of their own: no function can know.
 *
 * Rational operations are exact; transcendental functions are unknown functions, that is random values
 * keyed by function and argument, with the relations that field_fn.c lists. Operations on constants give
 * what the builder folds them to (num.c), rounded where that is rounded. */
#ifndef HNNC_IR_FIELD_H
#define HNNC_IR_FIELD_H

#include "ir/ir.h"

/* ---- field.c: arithmetic ------------------------------------------------------------------------ */

#define FIELD_P ((UINT64_C(1) << 61) - 139666593)

typedef struct FieldElem { uint64_t re, im; } FieldElem;     /* each below FIELD_P */

FieldElem field_int(int64_t n);
FieldElem field_ratio(int64_t num, int64_t den);             /* den > 0 */
FieldElem field_double(double v);                            /* v finite: its dyadic value */
FieldElem field_random(uint64_t *state);                     /* of F_p */
FieldElem field_add(FieldElem a, FieldElem b);
FieldElem field_sub(FieldElem a, FieldElem b);
FieldElem field_neg(FieldElem a);
FieldElem field_mul(FieldElem a, FieldElem b);
FieldElem field_power(FieldElem a, uint64_t n);
FieldElem field_inverse(FieldElem a);                        /* a != 0 */
bool field_sqrt(FieldElem a, FieldElem *root);               /* the positive root of a positive a; false: none */
int field_sign(FieldElem a);                                 /* -1, 0, 1; see above */
static inline bool field_eq(FieldElem a, FieldElem b) { return a.re == b.re && a.im == b.im; }
static inline bool field_is_zero(FieldElem a) { return !(a.re | a.im); }

/* ---- field_fn.c: elementwise ops ------------------------------------------------------------------ */

/* What is the same in all evaluations at one point, and in all functions that are compared. */
typedef struct FieldEnv {
  uint64_t seed;             /* keys the unknown functions and the draws */
  struct FieldMap *known;    /* constants: element -> number */
  struct FieldMap *exps, *logs;  /* pairs (x, exp x) met at this point, by x and by exp x */
  uint32_t learned;          /* constants met for the first time; what was computed before may not hold */
  bool imaginary;            /* a root was taken of an element that is not positive */
  bool branched;             /* a sign was asked for that is not a constant's */
  bool rounded;              /* a constant was rounded */
  const char *why;           /* this point cannot be used; NULL while it can */
} FieldEnv;

void field_env_init(FieldEnv *e, uint64_t seed);
void field_env_point(FieldEnv *e, uint64_t seed);            /* another point: forgets all but the constants */
void field_env_finish(FieldEnv *e);
FieldElem field_const(FieldEnv *e, double v, int64_t num, int64_t den);  /* den = 0: v; learns it */
FieldElem field_table(const FieldEnv *e, double v);          /* not to be learned */
FieldElem field_keyed(const FieldEnv *e, uint64_t tag, FieldElem a, FieldElem b);  /* random of F_p */

/* One op on elements; bools are 0 and 1. Sets e->why where it has no value. */
FieldElem field_apply(FieldEnv *e, Op op, FieldElem a, FieldElem b);

/* ---- eval_field.c: functions ------------------------------------------------------------------------ */

typedef struct FieldTensor { Type type; FieldElem *v; } FieldTensor;     /* laid out as Tensor */

/* As ir_eval. False: this point cannot be used, err says why (e->why), or the function cannot be
 * evaluated at all (e->why is NULL): `ode`, operators that are not expanded. Fixed points run all turns. */
bool ir_eval_field(const Fn *f, int64_t lanes, const FieldTensor *in, FieldTensor *out, FieldEnv *e, char *err,
                   size_t errsize);
void ir_field_tensors_free(FieldTensor *t, uint32_t n);

/* ---- field_equal.c: deciding ------------------------------------------------------------------------- */

typedef enum { FIELD_UNDECIDED, FIELD_EQUAL, FIELD_DIFFERENT } FieldAnswer;

typedef struct FieldReport {
  char reason[160];          /* for people: of FIELD_UNDECIDED, and of FIELD_DIFFERENT */
  uint32_t output;           /* FIELD_DIFFERENT: where, with both values at a real point */
  int64_t element, sample;
  double left, right;
  uint64_t point;            /* ir_field_point makes it again */
  int points;                /* points of the field at which the functions agreed */
  bool branched;             /* signs decide: branches that no point took have not been compared */
  bool differs;              /* FIELD_UNDECIDED although some point of the field tells them apart */
} FieldReport;

enum { FIELD_LANES = 2 };    /* samples at which functions are compared */

/* Whether a and b, of the same inputs and types of outputs, are the same function.
 * FIELD_EQUAL: they agree at `rounds` random points of the field; two are enough for an error below 2^-100,
 * unless signs decide what is computed: then they agree at many more points, and at real points.
 * FIELD_DIFFERENT: they differ in the field, and at a real point by more than rounding. */
FieldAnswer ir_field_equal(const Fn *a, const Fn *b, int rounds, uint64_t seed, FieldReport *report);

/* The inputs of real point `point`, allocated (ir_tensors_free). */
void ir_field_point(const Fn *f, uint64_t point, Tensor *in);

#endif
