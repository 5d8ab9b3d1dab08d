/* Types of products and of what makes or takes matrices (shape.c). */
#include "ir/core/shape.h"

bool shape_diag(const Sig *s, Type *out) {
  Type t = s->type[0];
  if (!shape_want(s, 0, DT_REAL)) return false;
  if (t.rank != 1) return shape_bad(s, "needs a vector, found rank %d", t.rank);
  *out = type_with_axis(t, 0, t.dim[0]);
  return shape_sane(s, *out);
}

bool shape_diagv(const Sig *s, Type *out) {
  Type t = s->type[0];
  if (!shape_want(s, 0, DT_REAL)) return false;
  if (t.rank != 2 || t.dim[0] != t.dim[1]) return shape_bad(s, "needs a square matrix");
  *out = type_without_axis(t, 0);
  return true;
}

bool shape_tri(const Sig *s, Type *out) {
  tri_attr attr = tri_attr_at(s->attr);
  if (!shape_want(s, 0, DT_REAL)) return false;
  if (s->type[0].rank < 2) return shape_bad(s, "needs a matrix, found rank %d", s->type[0].rank);
  if (attr.upper != 0 && attr.upper != 1) return shape_bad(s, "has `upper` 0 or 1");
  if (attr.k < INT32_MIN || attr.k > INT32_MAX) return shape_bad(s, "has a diagonal outside 32 bits");
  *out = s->type[0];
  return true;
}

/* The type of a product of x and y by n labels. */
static bool einsum(const Sig *s, Type x, Type y, const int64_t *label, uint32_t n, Type *out) {
  Type t = {.dt = DT_REAL};
  uint32_t size[DOT_LABELS] = {0}, nin = (uint32_t)(x.rank + y.rank);
  uint8_t lists[DOT_LABELS] = {0};
  if (n < nin || n - nin > IR_MAX_RANK) return shape_bad(s, "has %u labels for ranks %d and %d", n, x.rank, y.rank);
  t.rank = (uint8_t)(n - nin);
  t.lane = x.lane || y.lane;
  for (uint32_t k = 0; k < n; k++) {
    if (label[k] < 0 || label[k] >= DOT_LABELS) return shape_bad(s, "has labels 0 to %d", DOT_LABELS - 1);
    uint8_t list = k < x.rank ? 1 : k < nin ? 2 : 4;
    if (lists[label[k]] & list) return shape_bad(s, "names label %lld twice in one list", (long long)label[k]);
    lists[label[k]] |= list;
    if (list == 4) continue;
    uint32_t d = list == 1 ? x.dim[k] : y.dim[k - x.rank];
    if (size[label[k]] && size[label[k]] != d)
      return shape_bad(s, "needs equal sizes for label %lld, found %u and %u", (long long)label[k], size[label[k]], d);
    size[label[k]] = d;
  }
  for (int l = 0; l < DOT_LABELS; l++)
    if (lists[l] && !(lists[l] & (lists[l] - 1))) return shape_bad(s, "has label %d in one list only", l);
  for (int k = 0; k < t.rank; k++) t.dim[k] = size[label[nin + (uint32_t)k]];
  *out = t;
  return shape_sane(s, t);
}

static bool ranks(const Sig *s, Type x, Type y) {
  const int64_t *a = s->attr;
  if (a[1] == x.rank && a[2] == y.rank) return true;
  return shape_bad(s, "names ranks %lld and %lld, found %d and %d", (long long)a[1], (long long)a[2], x.rank, y.rank);
}

bool shape_dot(const Sig *s, Type *out) {
  const int64_t *a = s->attr;
  Type x = s->type[0], y = s->type[1];
  if (!shape_want(s, 0, DT_REAL) || !shape_want(s, 1, DT_REAL)) return false;
  if (a[0] != 0 && a[0] != 1) return shape_bad(s, "has `lanes` 0 or 1");
  if (a[0] && !(x.lane && y.lane)) return shape_bad(s, "over lanes needs both operands per sample");
  if (!ranks(s, x, y) || !einsum(s, x, y, a + 3, s->nattr - 3, out)) return false;
  out->lane &= !a[0];
  return true;
}

bool shape_cauchy(const Sig *s, Type *out) {
  const int64_t *a = s->attr;
  for (uint32_t k = 0; k < 3; k++)
    if (!shape_want(s, k, DT_REAL)) return false;
  if (a[0] != 0 && a[0] != 1) return shape_bad(s, "has `weighted` 0 or 1");
  if (!s->type[0].rank || !s->type[1].rank || s->type[0].dim[0] != s->type[1].dim[0])
    return shape_bad(s, "needs as many rows of both operands");
  if (s->type[2].rank || s->type[2].lane) return shape_bad(s, "has a shared scalar for its order");
  Type x = type_without_axis(s->type[0], 0), y = type_without_axis(s->type[1], 0);
  return ranks(s, x, y) && einsum(s, x, y, a + 3, s->nattr - 3, out);
}
