/* Types of rows by index: gather, its adjoint, and a row that is replaced. */
#include "ir/core/shape.h"

/* dims(head) ++ the axes of t from `from` on. */
static bool joined(const Sig *s, Type head, Type t, int from, Type *out) {
  if (head.rank + t.rank - from > IR_MAX_RANK)
    return shape_bad(s, "to rank %d, more than %d", head.rank + t.rank - from, IR_MAX_RANK);
  *out = head;
  out->dt = DT_REAL;
  for (int k = from; k < t.rank; k++) out->dim[out->rank++] = t.dim[k];
  return shape_sane(s, *out);
}

bool shape_gather(const Sig *s, Type *out) {
  Type x = s->type[0], i = s->type[1];
  if (!shape_want(s, 0, DT_REAL) || !shape_want(s, 1, DT_REAL)) return false;
  if (!x.rank) return shape_bad(s, "needs rows, found a scalar");
  if (!joined(s, i, x, 1, out)) return false;
  out->lane |= x.lane;
  return true;
}

bool shape_scatter(const Sig *s, Type *out) {
  scatter_attr attr = scatter_attr_at(s->attr);
  char x[SHAPE_TEXT], y[SHAPE_TEXT];
  Type c = s->type[0], i = s->type[1];
  uint32_t n = (uint32_t)attr.n;
  if (!shape_want(s, 0, DT_REAL) || !shape_want(s, 1, DT_REAL)) return false;
  if (attr.n < 1 || attr.n > INT32_MAX) return shape_bad(s, "needs a size of at least 1, found %lld", (long long)attr.n);
  if (attr.lanes & ~INT64_C(1)) return shape_bad(s, "has `lanes` 0 or 1");
  if (c.rank < i.rank || memcmp(c.dim, i.dim, i.rank * sizeof *c.dim))
    return shape_bad(s, "needs a row for each index, found %s and %s", shape_text(s, c, x), shape_text(s, i, y));
  if (attr.lanes && !(c.lane && i.lane)) return shape_bad(s, "over lanes needs both operands per sample");
  if (!joined(s, type_real(!attr.lanes && (c.lane || i.lane), 1, &n), c, i.rank, out)) return false;
  return true;
}

bool shape_setrow(const Sig *s, Type *out) {
  char x[SHAPE_TEXT], y[SHAPE_TEXT];
  Type t = s->type[0], i = s->type[1], v = s->type[2];
  for (uint32_t k = 0; k < 3; k++)
    if (!shape_want(s, k, DT_REAL)) return false;
  if (i.rank) return shape_bad(s, "has a scalar index");
  if (!t.rank || !type_same_dims(type_without_axis(t, 0), v))
    return shape_bad(s, "needs a row of the other, found %s and %s", shape_text(s, t, x), shape_text(s, v, y));
  *out = t;
  out->lane |= i.lane | v.lane;
  return true;
}
