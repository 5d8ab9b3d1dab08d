/* What is known at a point of the field: maps, constants, keyed random values. */
#include "ir/field/field_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAP_FIRST = 64, MAP_MOST = 1 << 20, WORK = 1 << 20 };

static uint64_t mix(uint64_t h, uint64_t x) {
  h = (h ^ x) * UINT64_C(0x9e3779b97f4a7c15);
  h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
  return h ^ h >> 32;
}

/* ---- maps ---- */

void field_map_free(FieldMap *m) {
  base_free(m->at);
  *m = (FieldMap){0};
}

void field_map_clear(FieldMap *m) {
  if (!m->n) return;
  memset(m->at, 0, m->cap * sizeof *m->at);
  memset(m->filter, 0, sizeof m->filter);
  m->n = 0;
}

static FieldSlot *slot(const FieldMap *m, FieldElem key) {
  uint32_t k = (uint32_t)mix(key.re, key.im) & (m->cap - 1);
  while (m->at[k].to && !field_eq(m->at[k].key, key)) k = (k + 1) & (m->cap - 1);
  return &m->at[k];
}

uint32_t field_map_slot(const FieldMap *m, FieldElem key) { return m->n ? slot(m, key)->to : 0; }

static void grow(FieldMap *m) {
  FieldMap old = *m;
  m->cap = old.cap ? 2 * old.cap : MAP_FIRST;
  m->at = base_realloc(NULL, m->cap * sizeof *m->at);
  memset(m->at, 0, m->cap * sizeof *m->at);
  for (uint32_t k = 0; k < old.cap; k++)
    if (old.at[k].to) *slot(m, old.at[k].key) = old.at[k];
  base_free(old.at);
}

bool field_map_add(FieldMap *m, FieldElem key, uint32_t to) {
  if (2 * (m->n + 1) > m->cap) grow(m);
  FieldSlot *s = slot(m, key);
  if (s->to) return false;
  *s = (FieldSlot){key, to};
  m->n++;
  m->filter[key.re >> 6 & 63] |= UINT64_C(1) << (key.re & 63);
  return true;
}

/* ---- random values ---- */

FieldElem field_no_value(FieldEnv *e, const char *why) {
  if (!e->why) e->why = why;
  return FIELD_ZERO;
}

FieldElem field_keyed(const FieldEnv *e, uint64_t tag, FieldElem a, FieldElem b) {
  uint64_t state = mix(mix(mix(mix(mix(e->seed, tag), a.re), a.im), b.re), b.im);
  return field_random(&state);
}

FieldElem field_positive(FieldElem x, bool *negative) {
  *negative = x.re > FIELD_P / 2 || (!x.re && x.im > FIELD_P / 2);
  return *negative ? field_neg(x) : x;
}

FieldElem field_odd(const FieldEnv *e, uint64_t tag, FieldElem a, FieldElem b) {
  bool negative;
  if (field_is_zero(a)) return a;
  FieldElem y = field_keyed(e, tag, field_positive(a, &negative), b);
  return negative ? field_neg(y) : y;
}

/* ---- constants ---- */

/* NaN and the infinities are unknown numbers, and say what they are. */
FieldElem field_not_finite(const FieldEnv *e, double v) {
  FieldElem x = field_keyed(e, OP_const, (FieldElem){isnan(v), 0, 0}, FIELD_ONE);
  x.tag = isnan(v) ? FIELD_NAN : FIELD_INF;
  return v < 0 ? field_neg(x) : x;
}

FieldElem field_table(const FieldEnv *e, double v) { return isfinite(v) ? field_double(v) : field_not_finite(e, v); }

FieldElem field_pi(const FieldEnv *e, int64_t num, int64_t den) {
  FieldElem pi = field_keyed(e, OP_const, field_double(FIELD_PI), FIELD_ONE);
  pi.tag = FIELD_NONNEG;
  return e->exact ? field_mul(field_ratio(num, den), pi) : field_double(FIELD_PI * (double)num / (double)den);
}

/* v = 2^k pi, which is what may have been made of pi without rounding. */
static bool doubled_pi(double v, FieldElem pi, FieldElem *out) {
  int k;
  double part = frexp(v / FIELD_PI, &k);
  if (fabs(part) != 0.5 || abs(k) > 32 || ldexp(FIELD_PI, k - 1) != fabs(v)) return false;
  FieldElem scale = k > 0 ? field_int((int64_t)1 << (k - 1)) : field_ratio(1, (int64_t)1 << (1 - k));
  *out = field_mul(v < 0 ? field_neg(scale) : scale, pi);
  return true;
}

FieldElem field_const(FieldEnv *e, double v, int64_t num, int64_t den) {
  FieldState *s = e->state;
  FieldElem x;
  if (e->exact && den == 0 && doubled_pi(v, field_pi(e, 1, 1), &x)) return x;
  if (!isfinite(v)) return field_not_finite(e, v);
  x = den > 0 ? field_ratio(num, den) : field_double(v);
  if (s->known.n >= MAP_MOST) return field_no_value(e, "too many constants");
  if (field_map_add(&s->known, x, s->num.n)) {
    *vec_push(&s->num) = (Num){v, num, den > 0 ? den : 0};
    e->learned++;
  }
  return x;
}

/* ---- environments ---- */

void field_env_init(FieldEnv *e, uint64_t seed) {
  *e = (FieldEnv){.state = base_realloc(NULL, sizeof *e->state)};
  memset(e->state, 0, sizeof *e->state);
  *vec_push(&e->state->num) = (Num){0};
  e->state->work = WORK;
  for (int k = -2; k <= 2; k++) field_const(e, k, k, 1);
  field_env_point(e, seed);
}

void field_env_point(FieldEnv *e, uint64_t seed) {
  FieldState *s = e->state;
  e->seed = seed;
  e->learned = 0;
  e->imaginary = e->unreal = e->branched = e->rounded = false;
  e->why = NULL;
  s->mixed = false;
  field_hom_clear(&s->exp);
  field_hom_clear(&s->circle);
  field_map_clear(&s->sites.of);
  s->sites.n = s->sites.valid = 0;
  s->sites.many = false;
}

void field_env_finish(FieldEnv *e) {
  FieldState *s = e->state;
  field_map_free(&s->known);
  vec_free(&s->num);
  field_hom_free(&s->exp);
  field_hom_free(&s->circle);
  field_map_free(&s->sites.of);
  base_free(s);
  *e = (FieldEnv){0};
}
