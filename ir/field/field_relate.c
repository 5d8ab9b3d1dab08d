/* Relations c x = sum of[k] key[k] with small coefficients, by meeting in the middle: the combinations of the first
 * half of the keys go into a map, and c x minus those of the second half is looked up. At most 2^25
 * relations are tried for one x, so that one is met by accident with probability 2^-36. */
#include "ir/field/field_priv.h"

#include <stdlib.h>

typedef struct Search {
  FieldRelation *r;
  int most; /* of a coefficient's size */
  uint32_t half;
  FieldElem multiple[FIELD_ATOMS][32];
  FieldMap table; /* combination -> 1 + code of coefficients, base 2 most + 1 */
} Search;

static FieldElem join(const FieldRelation *r, FieldElem a, FieldElem b) { return r->product ? field_mul(a, b) : field_add(a, b); }

static FieldElem opposite(const FieldRelation *r, FieldElem a) { return r->product ? field_inverse(a) : field_neg(a); }

static FieldElem unit(const FieldRelation *r) { return r->product ? FIELD_ONE : FIELD_ZERO; }

static FieldElem times(const FieldRelation *r, FieldElem x, int c) {
  FieldElem y = unit(r);
  for (; c > 0; c--) y = join(r, y, x);
  return y;
}

static int coefficient(uint32_t n) { return n <= 1 ? 12 : n == 2 ? 8 : n <= 4 ? 4 : n <= 8 ? 2 : 1; }

static void tabulate(Search *s) {
  const FieldRelation *r = s->r;
  for (uint32_t k = 0; k < r->n; k++) {
    FieldElem *m = s->multiple[k] + s->most, inverse = opposite(r, r->key[k]);
    m[0] = unit(r);
    for (int c = 1; c <= s->most; c++) {
      m[c] = join(r, m[c - 1], r->key[k]);
      m[-c] = join(r, m[1 - c], inverse);
    }
  }
}

static void fill(Search *s, uint32_t k, FieldElem sum, uint32_t code) {
  if (k == s->half) {
    field_map_add(&s->table, sum, code + 1);
    return;
  }
  for (int c = 0; c <= 2 * s->most; c++)
    fill(s, k + 1, join(s->r, sum, s->multiple[k][c]), code * (uint32_t)(2 * s->most + 1) + (uint32_t)c);
}

static bool look(Search *s, uint32_t k, FieldElem rest, int64_t *work) {
  FieldRelation *r = s->r;
  if (k < r->n) {
    for (int c = 0; c <= 2 * s->most; c++) {
      int of = c & 1 ? -(c + 1) / 2 : c / 2; /* small ones first */
      r->of[k] = of;
      if (look(s, k + 1, join(r, rest, s->multiple[k][s->most - of]), work)) return true;
    }
    return false;
  }
  --*work;
  uint32_t code = field_map_find(&s->table, rest), base = (uint32_t)(2 * s->most + 1);
  if (!code--) return false;
  for (uint32_t h = s->half; h-- > 0; code /= base) r->of[h] = (int)(code % base) - s->most;
  return true;
}

bool field_relate(FieldEnv *e, FieldRelation *r, FieldElem x, const int *c) {
  Search s = {.r = r, .most = coefficient(r->n), .half = (r->n + 1) / 2};
  bool found = false;
  if (!r->n || e->state->work <= 0) return false;
  tabulate(&s);
  fill(&s, 0, unit(r), 0);
  e->state->work -= s.table.n;
  for (; *c && !found && e->state->work > 0; c++) {
    r->c = *c;
    found = look(&s, s.half, times(r, x, *c), &e->state->work);
  }
  field_map_free(&s.table);
  return found;
}
