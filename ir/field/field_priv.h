/* What the files of this room share. */
#ifndef HNNC_IR_FIELD_FIELD_PRIV_H
#define HNNC_IR_FIELD_FIELD_PRIV_H

#include "ir/field/field.h"
#include "ir/build/fold.h"

#define FIELD_ZERO ((FieldElem){0, 0, FIELD_NONNEG})
#define FIELD_ONE ((FieldElem){1, 0, FIELD_NONNEG})

/* ---- maps from elements to numbers > 0 (field_env.c): open addressing, never more than half full ---- */

typedef struct FieldSlot {
  FieldElem key;
  uint32_t to;
} FieldSlot;

typedef struct FieldMap {
  FieldSlot *at;
  uint32_t n, cap;     /* cap a power of two */
  uint64_t filter[64]; /* bit re mod 4096 of each key: most elements are in no map */
} FieldMap;

void field_map_clear(FieldMap *m);
void field_map_free(FieldMap *m);
uint32_t field_map_slot(const FieldMap *m, FieldElem key);   /* 0: not there */
bool field_map_add(FieldMap *m, FieldElem key, uint32_t to); /* keeps what is there. False: it was there */
static inline uint32_t field_map_find(const FieldMap *m, FieldElem key) {
  bool maybe = m->filter[key.re >> 6 & 63] >> (key.re & 63) & 1;
  return maybe ? field_map_slot(m, key) : 0;
}

/* ---- homomorphisms at one point (field_hom.c) ---- */

/* exp: v = exp x, w = 1/v once asked for (else 0). Circle: v = cos x, w = sin x. */
typedef struct FieldPair {
  FieldElem x, v, w;
  bool drawn;    /* v was drawn from a group in which roots are unique, or follows from such */
  double degree; /* of v in what was drawn, over a common denominator of the same degree */
} FieldPair;

typedef struct FieldHom {
  FieldMap by_x, by_v; /* x is stored with the sign that field_positive gives it; by_v is exp's alone */
  VEC(FieldPair) pair; /* [0] is a placeholder */
  VEC(uint32_t) atom;  /* pairs that follow from no others */
} FieldHom;

enum { FIELD_SITES = 192 };

/* Signs asked for at a point, each element once, in the order of the first time. */
typedef struct FieldSites {
  FieldMap of;
  uint32_t n, valid; /* those from `valid` on were asked of elements outside of F_p */
  bool many;         /* more than FIELD_SITES */
  bool negative[FIELD_SITES], root[FIELD_SITES];
} FieldSites;

typedef struct FieldState {
  FieldMap known; /* constants: element -> index into num */
  VEC(Num) num;
  FieldHom exp, circle;
  FieldSites sites;
  bool mixed;   /* exp x or a point of the circle was one that log or atan2 brought */
  int64_t work; /* look-ups left in searches, at all points */
} FieldState;

/* ---- field_env.c ---- */

static const double FIELD_PI = 3.14159265358979323846;
FieldElem field_pi(const FieldEnv *e, int64_t num, int64_t den); /* num/den pi, without learning it */
FieldElem field_no_value(FieldEnv *e, const char *why);
FieldElem field_not_finite(const FieldEnv *e, double v); /* NaN, inf or -inf */
/* The tag of a root or logarithm of x, `outside` the field's reals or not (field_sign.c); notes the sign where that counts. */
uint32_t field_domain(FieldEnv *e, FieldElem x, bool outside);
FieldElem field_positive(FieldElem x, bool *negative);                          /* of x and -x, one */
FieldElem field_odd(const FieldEnv *e, uint64_t tag, FieldElem a, FieldElem b); /* a random odd function of a */
static inline const Num *field_known(const FieldEnv *e, FieldElem x) {
  uint32_t k = field_map_find(&e->state->known, x);
  return k ? &e->state->num.at[k] : NULL;
}

/* ---- field_hom.c ---- */

FieldElem field_exp(FieldEnv *e, FieldElem x);
FieldElem field_log(FieldEnv *e, FieldElem x);
FieldElem field_softplus(FieldEnv *e, FieldElem x);
void field_circle(FieldEnv *e, FieldElem x, FieldElem *cosine, FieldElem *sine);
FieldElem field_angle(FieldEnv *e, FieldElem y, FieldElem x); /* atan2(y, x) */
/* field_turn.c: cos x, sin x of a rational multiple of pi; false if it is none, or not in the field. */
bool field_turn(const FieldEnv *e, FieldElem x, FieldElem *cosine, FieldElem *sine);
bool field_is_exp(const FieldEnv *e, FieldElem v);        /* of a value that was drawn: a square */
void field_hom_degree(const FieldEnv *e, FieldDegree *d); /* makes it as large as at this point */
void field_hom_clear(FieldHom *h);
void field_hom_free(FieldHom *h);

/* ---- field_relate.c: relations among few ---- */

enum { FIELD_ATOMS = 14 };

/* x and n keys; they multiply (product) or add. of[k]: coefficients, c > 0: c x = sum of[k] key[k]. */
typedef struct FieldRelation {
  bool product;
  uint32_t n;
  FieldElem key[FIELD_ATOMS];
  int c, of[FIELD_ATOMS];
} FieldRelation;

/* The first relation in the order of c, which is one of the entries of `c`, ending with 0. Counts its work. */
bool field_relate(FieldEnv *e, FieldRelation *r, FieldElem x, const int *c);

/* ---- field_sign.c ---- */

int field_decide_sign(FieldEnv *e, FieldElem x);               /* field_sign, noted */
void field_note_root(FieldEnv *e, FieldElem x, bool negative); /* x was the radicand of a root */

/* Signs at many points. */
typedef struct FieldSigns {
  VEC(struct FieldRow) row;
  uint32_t n; /* the most sites of a point */
  bool many;
} FieldSigns;

void field_signs_add(FieldSigns *s, const FieldEnv *e);
void field_signs_free(FieldSigns *s);
/* An upper bound of k, patterns being 2^k: signs themselves, and roots that may depend on what came before. */
int field_signs_patterns(const FieldSigns *s);

/* ---- two functions compared at real points (field_real.c) ---- */

/* Compares at n points from `first` on, or until they differ by more than rounding can make of it: true then,
 * and the report has the point, the place, the values and a reason. Adds to real_points and agreement. */
bool field_real_differ(const Fn *a, const Fn *b, uint64_t first, int n, FieldReport *r);

#endif
