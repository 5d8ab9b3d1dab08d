/* Rational multiples of pi as angles. pi is a number drawn for the point (field_pi); x = r pi with a small
 * fraction r is told by rational reconstruction of x/pi (one that is none is taken for one with probability
 * 2^-22).
 *
 * The points of the unit circle of F_p are a cyclic group of order p + 1. A turn's N-th part, N made of 2^8,
 * 3^3, 5^2, 7, 11 and 13, is a product of roots of unity of prime power order. Those of order 8 and 3 are the
 * true ones, (1 + i)/sqrt 2 and (-1 + i sqrt 3)/2 with positive roots, and those of order 2^k, 3^k are roots
 * of them; for the others any primitive root will do: no rational identity tells it from the true one. */
#include "ir/field/field_priv.h"

#include <stdlib.h>

typedef struct Point {
  FieldElem c, s;
} Point;

static Point join(Point a, Point b) {
  return (Point){field_sub(field_mul(a.c, b.c), field_mul(a.s, b.s)), field_add(field_mul(a.c, b.s), field_mul(a.s, b.c))};
}

static Point power(Point a, uint64_t n) {
  Point r = {FIELD_ONE, FIELD_ZERO};
  for (; n; n >>= 1, a = join(a, a))
    if (n & 1) r = join(r, a);
  return r;
}

/* u = num/den modulo p, den > 0, both small. */
static bool reconstruct(uint64_t u, int64_t *num, int64_t *den) {
  enum { MOST_NUM = 1 << 23, MOST_DEN = 1 << 14 };
  uint64_t r0 = FIELD_P, r1 = u;
  int64_t t0 = 0, t1 = 1;
  while (r1 >= MOST_NUM) {
    uint64_t q = r0 / r1, r = r0 - q * r1;
    if (q > MOST_DEN) return false;
    int64_t t = t0 - (int64_t)q * t1;
    r0 = r1, r1 = r, t0 = t1, t1 = t;
    if (llabs(t1) > MOST_DEN) return false;
  }
  if (!r1) return false;
  *num = t1 < 0 ? -(int64_t)r1 : (int64_t)r1;
  *den = llabs(t1);
  return true;
}

/* exp(2 pi i/order) for the largest powers of primes; tests/ir/test_field_exact.c tells how these are known. */
static const struct Root {
  uint64_t prime, order;
  Point at;
} roots[] = {
  {2, 256, {{219954292812456181u, 0}, {1905945113641297938u, 0}}}, {3, 27, {{105531487331932697u, 0}, {154996364635302546u, 0}}},
  {5, 25, {{1099728252911722824u, 0}, {1116857348254785015u, 0}}}, {7, 7, {{698933068299097371u, 0}, {1983252428570751768u, 0}}},
  {11, 11, {{1718048134089634930u, 0}, {485602733713893836u, 0}}}, {13, 13, {{1909516168051683327u, 0}, {329788801172309340u, 0}}}};
enum { ROOTS = sizeof roots / sizeof *roots };

/* The power of its prime in n; 0 if it has none so large. */
static uint64_t part(uint64_t n, const struct Root *root) {
  uint64_t r = 1;
  while (n % root->prime == 0) n /= root->prime, r *= root->prime;
  return r > root->order ? 0 : r;
}

/* num/den of a turn. */
static bool fraction(uint64_t num, uint64_t den, Point *out) {
  uint64_t rest = den;
  *out = (Point){FIELD_ONE, FIELD_ZERO};
  for (int i = 0; i < ROOTS; i++) {
    uint64_t order = part(den, &roots[i]), other, k = 0;
    if (!order) return false;
    if (order == 1) continue;
    other = den / order;
    rest /= order;
    while ((k * (other % order)) % order != num % order) k++; /* num/den = k/order + ... */
    *out = join(*out, power(roots[i].at, k * (roots[i].order / order)));
  }
  return rest == 1;
}

static uint64_t gcd(uint64_t a, uint64_t b) { return b ? gcd(b, a % b) : a; }

bool field_turn(const FieldEnv *e, FieldElem x, FieldElem *cosine, FieldElem *sine) {
  int64_t num, den;
  Point z;
  if (x.im || !reconstruct(field_mul(x, field_inverse(field_pi(e, 1, 1))).re, &num, &den)) return false;
  uint64_t turns = 2 * (uint64_t)den, at = (uint64_t)(num % (int64_t)turns + (int64_t)turns) % turns, d = gcd(at, turns);
  if (!fraction(at / d, turns / d, &z)) return false;
  *cosine = z.c;
  *sine = z.s;
  return true;
}
