/* Signs: which were asked for at each point, and how many patterns of them there may be.
 *
 * A site is the k-th element of which a sign was asked, or whose root was taken, at a point; sites of all points
 * correspond, because evaluation does not branch. Sign sites make patterns. A root site does not if its
 * radicand is no square times a product of earlier sites' elements: if it were, its sign would be the same
 * combination of theirs (or its opposite) at every point. So a column of signs outside the span of
 * the columns before it and of the constant proves the radicand independent. Only points count whose signs
 * up to that site are of elements of F_p. */
#include "ir/field/field_priv.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS = FIELD_SITES / 64, ROWS = 512, ROW_WORDS = ROWS / 64 };

typedef struct FieldRow {
  uint64_t negative[WORDS], root[WORDS];
  uint32_t valid;
} FieldRow;

static void note(FieldSites *s, FieldElem x, bool negative, bool root) {
  bool flipped;
  FieldElem key = field_positive(x, &flipped);
  if (s->n == FIELD_SITES) s->many = true;
  if (s->many) return;
  if (!field_map_add(&s->of, key, s->n + 1)) {
    uint32_t k = field_map_find(&s->of, key) - 1;
    if (!root) s->root[k] = false;
    return;
  }
  s->negative[s->n] = negative;
  s->root[s->n] = root;
  s->n++;
  if (!x.im && s->valid == s->n - 1) s->valid = s->n;
}

int field_decide_sign(FieldEnv *e, FieldElem x) {
  int sign = field_sign(x);
  e->branched = true;
  note(&e->state->sites, x, sign < 0, false);
  return sign;
}

uint32_t field_domain(FieldEnv *e, FieldElem x, bool outside) {
  const Num *k = field_known(e, x);
  if (k && k->v < 0) return FIELD_NAN; /* whatever the field takes it for */
  e->imaginary |= outside;
  if (x.tag & FIELD_NAN) return 0;
  if (k || x.tag & FIELD_NONNEG) return e->unreal |= outside, 0;
  if (e->domains) field_decide_sign(e, x);
  return outside ? FIELD_NAN : 0;
}

void field_note_root(FieldEnv *e, FieldElem x, bool negative) { note(&e->state->sites, x, negative, true); }

void field_signs_add(FieldSigns *s, const FieldEnv *e) {
  const FieldSites *sites = &e->state->sites;
  s->many |= sites->many;
  if (sites->n > s->n) s->n = sites->n;
  if (s->row.n >= ROWS) return;
  FieldRow *r = vec_push(&s->row);
  *r = (FieldRow){.valid = sites->valid};
  for (uint32_t k = 0; k < sites->n; k++) {
    r->negative[k / 64] |= (uint64_t)sites->negative[k] << k % 64;
    r->root[k / 64] |= (uint64_t)sites->root[k] << k % 64;
  }
}

void field_signs_free(FieldSigns *s) { vec_free(&s->row); }

/* ---- columns of signs: one bit a point ---- */

typedef struct Column {
  uint64_t bit[ROW_WORDS];
} Column;

static Column column(const FieldSigns *s, uint32_t k, uint32_t upto) {
  Column c = {{0}};
  for (uint32_t r = 0; r < s->row.n; r++)
    if (s->row.at[r].valid > upto) c.bit[r / 64] |= (s->row.at[r].negative[k / 64] >> k % 64 & 1) << r % 64;
  return c;
}

static Column ones(const FieldSigns *s, uint32_t upto) {
  Column c = {{0}};
  for (uint32_t r = 0; r < s->row.n; r++)
    if (s->row.at[r].valid > upto) c.bit[r / 64] |= UINT64_C(1) << r % 64;
  return c;
}

static int leading(const Column *c) {
  for (int w = 0; w < ROW_WORDS; w++)
    if (c->bit[w]) return w * 64 + __builtin_ctzll(c->bit[w]);
  return -1;
}

/* Reduces by the basis, which is by leading point; what is left joins it. False: nothing is left. */
static bool extend(Column *basis, bool *has, Column c) {
  for (int at; (at = leading(&c)) >= 0;) {
    if (!has[at]) {
      basis[at] = c;
      return has[at] = true;
    }
    for (int w = 0; w < ROW_WORDS; w++) c.bit[w] ^= basis[at].bit[w];
  }
  return false;
}

static bool independent(const FieldSigns *s, uint32_t site, Column *basis) {
  bool has[ROWS] = {false};
  extend(basis, has, ones(s, site));
  for (uint32_t k = 0; k < site; k++) extend(basis, has, column(s, k, site));
  return extend(basis, has, column(s, site, site));
}

/* A sign that was the same combination of those before at FIELD_BITS points more than there are signs is one. */
static bool splits(const FieldSigns *s, uint32_t k, bool root, Column *basis) {
  uint32_t valid = 0;
  if (independent(s, k, basis)) return !root;
  for (uint32_t r = 0; r < s->row.n; r++) valid += s->row.at[r].valid > k;
  return root || valid < k + FIELD_BITS;
}

int field_signs_patterns(const FieldSigns *s) {
  int patterns = 0;
  uint64_t root[WORDS];
  if (s->many || !s->row.n) return s->many ? FIELD_SITES : 0;
  Column *basis = base_realloc(NULL, ROWS * sizeof *basis);
  memset(root, 0xff, sizeof root);
  for (uint32_t r = 0; r < s->row.n; r++)
    for (int w = 0; w < WORDS; w++) root[w] &= s->row.at[r].root[w];
  for (uint32_t k = 0; k < s->n; k++) patterns += splits(s, k, root[k / 64] >> k % 64 & 1, basis);
  base_free(basis);
  return patterns;
}
