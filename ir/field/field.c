/* Arithmetic of F_p and F_p(i); products are in the header. */
#include "ir/field/field.h"

#include <math.h>

static const uint64_t P = FIELD_P;

_Static_assert(FIELD_P % 8 == 7, "-1 is no square, 2 is one");

/* ---- F_p ---- */

static uint64_t add(uint64_t a, uint64_t b) { return field_p_add(a, b); }
static uint64_t sub(uint64_t a, uint64_t b) { return field_p_sub(a, b); }
static uint64_t mul(uint64_t a, uint64_t b) { return field_p_mul(a, b); }

static uint64_t power(uint64_t a, uint64_t n) {
  uint64_t r = 1;
  for (; n; n >>= 1, a = mul(a, a))
    if (n & 1) r = mul(r, a);
  return r;
}

/* By Euclid's algorithm: u a = r mod p throughout; |u| stays below p. */
static uint64_t inverse(uint64_t a) {
  int64_t u = 1, v = 0;
  for (uint64_t r = a, s = P; s;) {
    uint64_t q = r / s, t = r - q * s;
    int64_t w = u - (int64_t)q * v;
    r = s, s = t;
    u = v, v = w;
  }
  return u < 0 ? (uint64_t)u + P : (uint64_t)u;
}

/* Whether a is 0 or a square; its root is a square itself. */
static bool root(uint64_t a, uint64_t *r) {
  *r = power(a, (P + 1) / 4);
  return mul(*r, *r) == a;
}

/* Jacobi's symbol (a/p) by reciprocity. */
static int legendre(uint64_t a) {
  uint64_t n = P;
  int sign = 1;
  while (a) {
    int twos = __builtin_ctzll(a);
    a >>= twos;
    if ((twos & 1) && (n % 8 == 3 || n % 8 == 5)) sign = -sign;
    if (a % 4 == 3 && n % 4 == 3) sign = -sign;
    uint64_t t = n % a;
    n = a;
    a = t;
  }
  return n == 1 ? sign : 0;
}

/* ---- F_p(i) ---- */

FieldElem field_power(FieldElem a, uint64_t n) {
  FieldElem r = {1, 0, FIELD_NONNEG};
  for (; n; n >>= 1, a = field_mul(a, a))
    if (n & 1) r = field_mul(r, a);
  return r;
}

static uint64_t norm(FieldElem a) { return add(mul(a.re, a.re), mul(a.im, a.im)); }

FieldElem field_inverse(FieldElem a) {
  if (!a.im) return (FieldElem){inverse(a.re), 0, a.tag};
  uint64_t n = inverse(norm(a));
  return (FieldElem){mul(a.re, n), mul(sub(0, a.im), n), a.tag};
}

int field_sign(FieldElem a) {
  if (!a.im) return legendre(a.re);
  return a.im > P / 2 ? -1 : 1;
}

/* (x + iy)^2 = a: x^2 = (re + |a|)/2 for one of the two signs of |a| = sqrt(norm). */
bool field_sqrt(FieldElem a, FieldElem *out) {
  const uint32_t tag = a.tag | FIELD_NONNEG;
  uint64_t r, n, half = (P + 1) / 2;
  if (!a.im) {
    if (root(a.re, &r)) return *out = (FieldElem){r, 0, tag}, true;
    root(sub(0, a.re), &r);
    return *out = (FieldElem){0, r, tag}, true;
  }
  if (!root(norm(a), &n)) return false;
  if (!root(mul(add(a.re, n), half), &r)) root(mul(sub(a.re, n), half), &r);
  *out = (FieldElem){r, mul(mul(a.im, half), inverse(r)), tag};
  return true;
}

/* ---- numbers ---- */

FieldElem field_int(int64_t n) {
  uint64_t m = (n < 0 ? 0 - (uint64_t)n : (uint64_t)n) % P;
  return (FieldElem){n < 0 ? sub(0, m) : m, 0, n < 0 ? 0 : FIELD_NONNEG};
}

FieldElem field_ratio(int64_t num, int64_t den) {
  FieldElem n = field_int(num);
  return den == 1 ? n : field_mul(n, field_inverse(field_int(den)));
}

FieldElem field_double(double v) {
  int e;
  int64_t m = (int64_t)ldexp(frexp(v, &e), 53);
  e -= 53;
  for (; m && !(m & 1); m /= 2) e++;
  uint64_t scale = power(e < 0 ? (P + 1) / 2 : 2, (uint64_t)(e < 0 ? -e : e));
  return field_mul(field_int(m), (FieldElem){scale, 0, FIELD_NONNEG});
}

uint64_t field_bits(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

FieldElem field_random(uint64_t *state) {
  uint64_t x;
  do x = field_bits(state) >> 3;
  while (x >= P);
  return (FieldElem){x, 0, 0};
}
