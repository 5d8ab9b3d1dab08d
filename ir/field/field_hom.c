/* exp and log, and the points (cos x, sin x) of the circle, as homomorphisms on the arguments met at a point.
 *
 * exp is the list of pairs (x, v = exp x): an x that is new gets a v drawn from the squares Q, a v that is new (log)
 * gets an x drawn from F_p, unless, with `related`, c x = sum of[k] x[k] or v^c = product v[k]^of[k] holds for small
 * coefficients and pairs met before: then v is the root of order c of the product, x the c-th part of the sum.
 * Where more than FIELD_ATOMS pairs follow from no others, sums and differences of two met ones are tried.
 * A root of even order is taken of squares alone. If v was not drawn (it came as the argument of log), the
 * sign of the product is one that decides, and is noted. Points of the circle likewise; they have no parts if
 * they came from atan2, and multiples of pi/12, recognised by their rounded values, are what they are. */
#include "ir/field/field_priv.h"

#include <math.h>
#include <stdlib.h>

enum { CIRCLE = 6912, ANGLES = 3, CONSTANTS = 32, NEAR = 256 };

static const int PARTS[] = {1, 2, 3, 4, 5, 6, 0}, CIRCLE_PARTS[] = {1, 2, 3, 4, 6, 0};

void field_hom_clear(FieldHom *h) {
  field_map_clear(&h->by_x);
  field_map_clear(&h->by_v);
  h->pair.n = h->atom.n = 0;
  *vec_push(&h->pair) = (FieldPair){.drawn = false};
}

void field_hom_free(FieldHom *h) {
  field_map_free(&h->by_x);
  field_map_free(&h->by_v);
  vec_free(&h->pair);
  vec_free(&h->atom);
}

static double largest(const FieldHom *h) {
  double d = 1;
  for (uint32_t k = 1; k < h->pair.n; k++) d = fmax(d, h->pair.at[k].degree);
  return d;
}

void field_hom_degree(const FieldEnv *e, FieldDegree *d) {
  d->exp = fmax(d->exp, largest(&e->state->exp));
  d->circle = fmax(d->circle, largest(&e->state->circle));
  d->mixed |= e->state->mixed;
}

/* 1/c modulo an odd m prime to c. */
static uint64_t part(uint64_t m, int c) {
  FieldWide k = 1;
  while (k % (unsigned)c) k += m;
  return (uint64_t)(k / (unsigned)c);
}

static uint32_t insert(FieldHom *h, FieldPair p, bool atom) {
  uint32_t id = h->pair.n;
  *vec_push(&h->pair) = p;
  field_map_add(&h->by_x, p.x, id);
  if (atom) *vec_push(&h->atom) = id;
  return id;
}

/* ---- exp ---- */

static FieldElem reciprocal(FieldPair *p) {
  if (field_is_zero(p->w)) p->w = field_inverse(p->v);
  return p->w;
}

static FieldElem value(FieldPair *p, int n) {
  return n < 0 ? field_power(reciprocal(p), (uint64_t)-n) : field_power(p->v, (uint64_t)n);
}

static uint32_t pair_of(FieldEnv *e, FieldElem x, FieldElem v, FieldPair like, bool atom) {
  FieldHom *h = &e->state->exp;
  bool negative;
  like.x = field_positive(x, &negative);
  like.v = negative ? field_inverse(v) : v;
  like.w = negative ? v : FIELD_ZERO;
  uint32_t id = insert(h, like, atom);
  field_map_add(&h->by_v, like.v, id);
  return id;
}

/* The atoms as keys of a relation. */
static void keys(const FieldHom *h, FieldRelation *r) {
  for (uint32_t k = 0; k < h->atom.n; k++) {
    const FieldPair *p = &h->pair.at[h->atom.at[k]];
    r->key[r->n++] = r->product ? p->v : p->x;
  }
}

/* c x = sum of x[k]: v, 0 if it has no root. Its degree counts both sides of a fraction. */
static uint32_t exp_of(FieldEnv *e, FieldElem x, const FieldRelation *r) {
  FieldHom *h = &e->state->exp;
  FieldElem v = FIELD_ONE;
  FieldPair like = {.drawn = true};
  for (uint32_t k = 0; k < r->n; k++) {
    FieldPair *p = &h->pair.at[h->atom.at[k]];
    if (!r->of[k]) continue;
    v = field_mul(v, value(p, r->of[k]));
    like.drawn &= p->drawn;
    like.degree += abs(r->of[k]) * p->degree;
  }
  like.degree *= r->c;
  if (r->c % 2 == 0 && !like.drawn) {
    field_note_root(e, v, field_sign(v) < 0);
    if (v.im || field_sign(v) < 0) return e->imaginary = e->unreal = true, 0;
  }
  if (r->c > 1 && v.im) return 0;
  if (r->c > 1) v = field_power(v, part(r->c % 2 ? FIELD_P - 1 : (FIELD_P - 1) / 2, r->c));
  return pair_of(e, x, v, like, false);
}

/* x = a +- b of two met pairs, or a + a known constant. */
static uint32_t exp_near(FieldEnv *e, FieldElem x) {
  FieldHom *h = &e->state->exp;
  for (uint32_t k = 1, n = h->pair.n; k < n && e->state->work > 0; k++)
    for (int minus = 0; minus < 2; minus++) {
      bool negative;
      FieldPair *p = &h->pair.at[k];
      FieldElem rest = minus ? field_add(x, p->x) : field_sub(x, p->x);
      uint32_t id = field_map_find(&h->by_x, field_positive(rest, &negative));
      e->state->work--;
      if (!id) continue;
      FieldPair *q = &h->pair.at[id], like = {.drawn = p->drawn && q->drawn, .degree = p->degree + q->degree};
      FieldElem v = field_mul(value(p, minus ? -1 : 1), value(q, negative ? -1 : 1));
      return pair_of(e, x, v, like, false);
    }
  return 0;
}

static uint32_t exp_shifted(FieldEnv *e, FieldElem x) {
  FieldState *s = e->state;
  for (uint32_t k = 1, n = s->num.n; k < n && n < CONSTANTS; k++)
    for (int minus = 0; minus < 2; minus++) {
      bool negative;
      Num c = s->num.at[k], of;
      FieldElem key = c.den > 0 ? field_ratio(c.num, c.den) : field_double(c.v);
      FieldElem rest = minus ? field_add(x, key) : field_sub(x, key);
      uint32_t id = field_map_find(&s->exp.by_x, field_positive(rest, &negative));
      if (minus) c = num_apply(OP_neg, c, c);
      of = num_apply(OP_exp, c, c);
      if (!id || (e->exact && of.den == 0) || !isfinite(of.v) || of.v == 0) continue;
      FieldElem factor = field_const(e, of.v, of.num, of.den);
      if (field_sign(factor) < 0) continue; /* it has not the sign that exp x has */
      FieldPair like = s->exp.pair.at[id];
      e->rounded |= of.den == 0;
      return pair_of(e, x, field_mul(value(&s->exp.pair.at[id], negative ? -1 : 1), factor), like, false);
    }
  return 0;
}

static uint32_t exp_related(FieldEnv *e, FieldElem x) {
  FieldHom *h = &e->state->exp;
  FieldRelation r = {.product = false};
  uint32_t id = 0;
  if (h->atom.n <= FIELD_ATOMS) {
    keys(h, &r);
    if (field_relate(e, &r, x, PARTS)) id = exp_of(e, x, &r);
  } else {
    id = exp_near(e, x);
  }
  return id ? id : exp_shifted(e, x);
}

static FieldElem exponential(FieldEnv *e, FieldElem x) {
  FieldHom *h = &e->state->exp;
  bool negative;
  if (field_is_zero(x)) return FIELD_ONE;
  FieldElem key = field_positive(x, &negative);
  uint32_t id = field_map_find(&h->by_x, key);
  if (!id && e->related) id = exp_related(e, key);
  if (!id) {
    FieldElem v = field_keyed(e, OP_exp, key, FIELD_ONE);
    v = field_mul(v, v);
    if (field_is_zero(v)) return field_no_value(e, "an exponential is zero");
    id = pair_of(e, key, v, (FieldPair){.drawn = true, .degree = 2}, true);
  }
  FieldPair *p = &h->pair.at[id];
  e->state->mixed |= !p->drawn;
  return negative ? reciprocal(p) : p->v;
}

/* What is kept of a value has the tags of another way to it: those of a result are its argument's. */
static FieldElem tagged(FieldElem y, uint32_t tag) { return y.tag = tag, y; }

FieldElem field_exp(FieldEnv *e, FieldElem x) { return tagged(exponential(e, x), (x.tag & FIELD_LOST) | FIELD_NONNEG); }

bool field_is_exp(const FieldEnv *e, FieldElem v) {
  const FieldHom *h = &e->state->exp;
  uint32_t id = field_map_find(&h->by_v, v);
  return id && h->pair.at[id].drawn;
}

/* ---- log ---- */

static const FieldElem *find_log(const FieldEnv *e, FieldElem v) {
  const FieldHom *h = &e->state->exp;
  uint32_t id = field_map_find(&h->by_v, v);
  return id ? &h->pair.at[id].x : NULL;
}

/* Of v or of 1/v. */
static bool find_log_of(const FieldEnv *e, FieldElem v, FieldElem *x) {
  const FieldElem *met = find_log(e, v);
  if (met) return *x = *met, true;
  if (field_is_zero(v) || !(met = find_log(e, field_inverse(v)))) return false;
  return *x = field_neg(*met), true;
}

static FieldElem softened(FieldEnv *e, FieldElem x) {
  bool negative;
  FieldElem even = field_keyed(e, OP_softplus, field_positive(x, &negative), FIELD_ONE);
  FieldElem y = field_add(field_mul(x, field_ratio(1, 2)), even);
  FieldElem v = field_add(FIELD_ONE, field_exp(e, x));
  if (!field_is_zero(v) && !field_is_zero(y) && !find_log(e, v)) pair_of(e, y, v, (FieldPair){.degree = 2}, true);
  return y;
}

FieldElem field_softplus(FieldEnv *e, FieldElem x) { return tagged(softened(e, x), (x.tag & FIELD_LOST) | FIELD_NONNEG); }

/* v^c = product v[k]^of[k]. Squares on both sides tell nothing of elements that are not positive. */
static bool log_of(FieldEnv *e, FieldElem v, const FieldRelation *r, FieldElem *x) {
  FieldHom *h = &e->state->exp;
  FieldPair like = {.degree = 0};
  bool positive = !v.im && field_sign(v) > 0;
  *x = FIELD_ZERO;
  for (uint32_t k = 0; k < r->n; k++) {
    const FieldPair *p = &h->pair.at[h->atom.at[k]];
    if (!r->of[k]) continue;
    *x = field_add(*x, field_mul(field_int(r->of[k]), p->x));
    like.degree += abs(r->of[k]) * p->degree;
    positive = positive && !p->v.im && field_sign(p->v) > 0;
  }
  if (r->c % 2 == 0 && !positive) return false;
  like.degree *= r->c;
  *x = field_mul(*x, field_ratio(1, r->c));
  pair_of(e, *x, v, like, false);
  return true;
}

static bool log_near(FieldEnv *e, FieldElem v, FieldElem *x) {
  FieldHom *h = &e->state->exp;
  for (uint32_t k = 1, n = h->pair.n; k < n && n < NEAR && e->state->work > 0; k++)
    for (int minus = 0; minus < 2; minus++) {
      FieldPair *p = &h->pair.at[k];
      FieldElem rest = field_mul(v, value(p, minus ? 1 : -1)), shift = minus ? field_neg(p->x) : p->x;
      e->state->work -= 16;
      if (!find_log_of(e, rest, x)) continue;
      FieldPair like = {.degree = 2 * p->degree};
      *x = field_add(shift, *x);
      pair_of(e, *x, v, like, false);
      return true;
    }
  return false;
}

/* v = a known positive constant times one that was met. */
static bool log_scaled(FieldEnv *e, FieldElem v, FieldElem *x) {
  FieldState *s = e->state;
  for (uint32_t k = 1, n = s->num.n; k < n && n < CONSTANTS; k++) {
    Num c = s->num.at[k], of = num_apply(OP_log, c, c);
    if (!(c.v > 0) || c.v == 1 || (e->exact && of.den == 0)) continue;
    FieldElem key = c.den > 0 ? field_ratio(c.num, c.den) : field_double(c.v);
    for (int minus = 0; minus < 2; minus++) {
      FieldElem rest = field_mul(v, minus ? key : field_inverse(key));
      if (!find_log_of(e, rest, x)) continue;
      FieldElem log = field_const(e, of.v, of.num, of.den);
      e->rounded |= of.den == 0;
      *x = field_add(*x, minus ? field_neg(log) : log);
      return true;
    }
  }
  return false;
}

static bool log_related(FieldEnv *e, FieldElem v, FieldElem *x) {
  FieldHom *h = &e->state->exp;
  FieldRelation r = {.product = true};
  if (h->atom.n <= FIELD_ATOMS) {
    keys(h, &r);
    if (field_relate(e, &r, v, PARTS) && log_of(e, v, &r, x)) return true;
  } else if (log_near(e, v, x)) {
    return true;
  }
  return log_scaled(e, v, x);
}

static FieldElem logarithm(FieldEnv *e, FieldElem v) {
  FieldElem inverse, y;
  inverse = field_inverse(v);
  if (find_log_of(e, field_sub(v, FIELD_ONE), &y)) return field_softplus(e, y);
  if (find_log_of(e, field_sub(inverse, FIELD_ONE), &y)) return field_neg(field_softplus(e, y));
  if (e->related && log_related(e, v, &y)) return y;
  bool first = v.re < inverse.re || (v.re == inverse.re && v.im < inverse.im);
  y = field_keyed(e, OP_log, first ? v : inverse, FIELD_ONE);
  if (!first) y = field_neg(y);
  if (!field_is_zero(y)) pair_of(e, y, v, (FieldPair){.degree = 1}, true);
  return y;
}

FieldElem field_log(FieldEnv *e, FieldElem v) {
  FieldElem y;
  if (field_is_zero(v)) return field_no_value(e, "the logarithm of zero");
  bool one = field_eq(v, FIELD_ONE), met = !one && find_log_of(e, v, &y), power = met && v.tag & FIELD_NONNEG;
  uint32_t tag = power || one ? 0 : field_domain(e, v, v.im || field_sign(v) < 0);
  return tagged(one ? FIELD_ZERO : met ? y : logarithm(e, v), tag | (v.tag & FIELD_LOST));
}

/* ---- the circle ---- */

static FieldPair turn(FieldPair a, FieldPair b) {
  FieldElem c = field_sub(field_mul(a.v, b.v), field_mul(a.w, b.w));
  FieldElem s = field_add(field_mul(a.v, b.w), field_mul(a.w, b.v));
  return (FieldPair){.v = c, .w = s, .drawn = a.drawn && b.drawn, .degree = a.degree + b.degree};
}

static FieldPair turns(FieldPair a, uint64_t n, bool back) {
  FieldPair r = {.v = FIELD_ONE, .drawn = a.drawn};
  double degree = (double)n * a.degree;
  if (back) a.w = field_neg(a.w);
  for (; n; n >>= 1, a = turn(a, a))
    if (n & 1) r = turn(r, a);
  r.degree = degree;
  r.drawn = a.drawn;
  return r;
}

/* k pi/12: pi/12 = pi/3 - pi/4. */
static FieldPair twelfth(int k) {
  FieldElem root2, root3, half = field_ratio(1, 2);
  field_sqrt(half, &root2);
  field_sqrt(field_int(3), &root3);
  FieldPair third = {.v = half, .w = field_mul(half, root3), .drawn = true};
  FieldPair quarter = {.v = root2, .w = field_neg(root2), .drawn = true};
  return turns(turn(third, quarter), (uint64_t)(((k % 24) + 24) % 24), false);
}

/* Constants that are multiples of pi/12 up to their rounding. */
static uint32_t angles(const FieldEnv *e, FieldElem *key, int *twelfths) {
  const FieldState *s = e->state;
  uint32_t n = 0;
  if (e->exact) key[n] = field_pi(e, 1, 1), twelfths[n++] = 12;
  for (uint32_t k = 1; k < s->num.n && n < ANGLES && !e->exact; k++) {
    Num c = s->num.at[k];
    double of = c.v * (12 / FIELD_PI), whole = round(of);
    if (c.den || whole == 0 || fabs(whole) > 240 || fabs(of - whole) > 1e-15 * fabs(of)) continue;
    key[n] = field_double(c.v);
    twelfths[n++] = (int)whole;
  }
  return n;
}

static uint32_t circle_of(FieldEnv *e, FieldElem x, const FieldRelation *r, const int *twelfths, uint32_t nangles) {
  FieldHom *h = &e->state->circle;
  FieldPair z = {.v = FIELD_ONE, .drawn = true};
  int angle = 0;
  for (uint32_t k = 0; k < nangles; k++) angle += r->of[k] * twelfths[k];
  for (uint32_t k = nangles; k < r->n; k++)
    if (r->of[k]) z = turn(z, turns(h->pair.at[h->atom.at[k - nangles]], (uint64_t)abs(r->of[k]), r->of[k] < 0));
  if (r->c > 1 && (!z.drawn || angle % r->c)) return 0;
  double degree = z.degree * r->c;
  if (r->c > 1) z = turns(z, part((FIELD_P + 1) / CIRCLE, r->c), false);
  z = turn(z, twelfth(angle / r->c));
  z.degree = degree;
  z.x = x;
  z.drawn = z.drawn && angle == 0; /* of others and of an angle no part is taken */
  return insert(h, z, false);
}

static uint32_t circle_near(FieldEnv *e, FieldElem x) {
  FieldHom *h = &e->state->circle;
  for (uint32_t k = 1, n = h->pair.n; k < n && e->state->work > 0; k++)
    for (int minus = 0; minus < 2; minus++) {
      bool negative;
      FieldPair p = h->pair.at[k];
      FieldElem rest = minus ? field_add(x, p.x) : field_sub(x, p.x);
      uint32_t id = field_map_find(&h->by_x, field_positive(rest, &negative));
      e->state->work--;
      if (!id) continue;
      FieldPair z = turn(turns(p, 1, minus), turns(h->pair.at[id], 1, negative));
      z.x = x;
      return insert(h, z, false);
    }
  return 0;
}

static uint32_t circle_related(FieldEnv *e, FieldElem x) {
  FieldHom *h = &e->state->circle;
  FieldRelation r = {.product = false};
  int twelfths[ANGLES];
  uint32_t n = angles(e, r.key, twelfths);
  if (h->atom.n + n > FIELD_ATOMS) return circle_near(e, x);
  r.n = n;
  keys(h, &r);
  return field_relate(e, &r, x, CIRCLE_PARTS) ? circle_of(e, x, &r, twelfths, n) : 0;
}

/* (1 + it)/(1 - it) for a random t, with `related` to the power that has unique halves and thirds. */
static uint32_t circle_drawn(FieldEnv *e, FieldElem x) {
  FieldElem t = field_keyed(e, OP_sin, x, FIELD_ONE), square = field_mul(t, t), scale = field_add(FIELD_ONE, square);
  FieldElem n = field_inverse(scale); /* 1 + t^2 is not 0 in F_p */
  FieldPair z = {.v = field_mul(field_sub(FIELD_ONE, square), n), .w = field_mul(field_add(t, t), n), .degree = 2};
  if (e->related) z = turns(z, CIRCLE, false);
  z.drawn = e->related;
  z.x = x;
  return insert(&e->state->circle, z, true);
}

static void circular(FieldEnv *e, FieldElem x, FieldElem *cosine, FieldElem *sine) {
  FieldHom *h = &e->state->circle;
  bool negative;
  *cosine = FIELD_ONE;
  *sine = FIELD_ZERO;
  if (field_is_zero(x)) return;
  if (e->exact && field_turn(e, x, cosine, sine)) return;
  FieldElem key = field_positive(x, &negative);
  uint32_t id = field_map_find(&h->by_x, key);
  if (!id && e->related) id = circle_related(e, key);
  if (!id) id = circle_drawn(e, key);
  e->state->mixed |= e->related && !h->pair.at[id].drawn;
  *cosine = h->pair.at[id].v;
  *sine = negative ? field_neg(h->pair.at[id].w) : h->pair.at[id].w;
}

void field_circle(FieldEnv *e, FieldElem x, FieldElem *cosine, FieldElem *sine) {
  circular(e, x, cosine, sine);
  cosine->tag = sine->tag = x.tag & FIELD_LOST;
}

static bool below(FieldEnv *e, FieldElem x) {
  const Num *known = field_known(e, x);
  return known ? known->v < 0 : field_decide_sign(e, x) < 0;
}

static FieldElem straight(FieldEnv *e, int64_t num, int64_t den) {
  return e->exact ? field_pi(e, num, den) : field_const(e, FIELD_PI * (double)num / (double)den, 0, 0);
}

/* With `related`, atan2 of the ray: of y/x and the sign of x; it is the angle of (x, y)/r. */
static FieldElem angle_of(FieldEnv *e, FieldElem y, FieldElem x) {
  FieldElem r, ray = y, key = x;
  bool negative, zero = field_is_zero(y);
  if (field_is_zero(x) && zero) return FIELD_ZERO;
  if (field_is_zero(x)) return straight(e, below(e, y) ? -1 : 1, 2);
  if (!e->related && !zero) return field_odd(e, OP_atan2, y, x);
  bool left = below(e, x);
  if (zero) return left ? straight(e, 1, 1) : FIELD_ZERO;
  ray = field_mul(y, field_inverse(x));
  key = field_int(left ? -1 : 1);
  FieldElem angle = field_odd(e, OP_atan2, ray, key), square = field_add(field_mul(x, x), field_mul(y, y));
  bool root = field_sqrt(square, &r) && !r.im && !square.im && !field_is_zero(square);
  field_note_root(e, square, !root);
  if (!root) return e->imaginary = e->unreal = true, angle;
  FieldElem n = field_inverse(r), at = field_positive(angle, &negative);
  if (field_map_find(&e->state->circle.by_x, at)) return angle;
  FieldElem s = field_mul(y, n);
  insert(&e->state->circle, (FieldPair){.x = at, .v = field_mul(x, n), .w = negative ? field_neg(s) : s, .degree = 2}, true);
  return angle;
}

FieldElem field_angle(FieldEnv *e, FieldElem y, FieldElem x) { return tagged(angle_of(e, y, x), (y.tag | x.tag) & FIELD_LOST); }
