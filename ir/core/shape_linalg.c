/* Types of systems of equations and factorisations. */
#include "ir/core/shape.h"

/* A square matrix and as many rows. */
static bool linear_system(const Sig *s, Type *out) {
  char y[SHAPE_TEXT], z[SHAPE_TEXT];
  Type a = s->type[0], x = s->type[1];
  if (!shape_want(s, 0, DT_REAL) || !shape_want(s, 1, DT_REAL)) return false;
  if (a.rank != 2 || a.dim[0] != a.dim[1] || x.rank < 1 || x.rank > 2 || x.dim[0] != a.dim[0])
    return shape_bad(s, "needs a square matrix and as many rows, found %s and %s", shape_text(s, a, y), shape_text(s, x, z));
  *out = x;
  out->lane |= a.lane;
  return true;
}

bool shape_trisolve(const Sig *s, Type *out) {
  trisolve_attr attr = trisolve_attr_at(s->attr);
  if ((attr.upper | attr.trans) & ~INT64_C(1)) return shape_bad(s, "has `upper` and `trans` 0 or 1");
  return linear_system(s, out);
}

/* The matrix that a factorisation is of. */
static bool factored(const Sig *s, Type *out) {
  char y[SHAPE_TEXT];
  Type a = s->type[0];
  if (!shape_want(s, 0, DT_REAL)) return false;
  if (a.rank != 2 || a.dim[0] != a.dim[1] + 1) return shape_bad(s, "needs factors of a matrix, found %s", shape_text(s, a, y));
  *out = a, out->dim[0]--;
  return true;
}

bool shape_solve(const Sig *s, Type *out) {
  solve_attr attr = solve_attr_at(s->attr);
  char y[SHAPE_TEXT], z[SHAPE_TEXT];
  Type a, x = s->type[1];
  if (attr.trans & ~INT64_C(1)) return shape_bad(s, "has `trans` 0 or 1");
  if (!factored(s, &a) || !shape_want(s, 1, DT_REAL)) return false;
  if (x.rank < 1 || x.rank > 2 || x.dim[0] != a.dim[0])
    return shape_bad(s, "needs as many rows as the matrix, found %s and %s", shape_text(s, a, y), shape_text(s, x, z));
  *out = x;
  out->lane |= a.lane;
  return true;
}

static bool square(const Sig *s, Type *out) {
  char y[SHAPE_TEXT];
  Type a = s->type[0];
  if (!shape_want(s, 0, DT_REAL)) return false;
  if (a.rank != 2 || a.dim[0] != a.dim[1]) return shape_bad(s, "needs a square matrix, found %s", shape_text(s, a, y));
  *out = a;
  return true;
}

static bool factors(const Sig *s, Type *out) {
  if (!square(s, out)) return false;
  out->dim[0]++;
  return true;
}

static bool of_factors(const Sig *s, Type *out, uint8_t rank) {
  if (!factored(s, out)) return false;
  *out = type_real(out->lane, rank, out->dim);
  return true;
}

bool shape_lu(const Sig *s, Type *out) { return factors(s, out); }
bool shape_det(const Sig *s, Type *out) { return of_factors(s, out, 0); }
bool shape_logdet(const Sig *s, Type *out) { return of_factors(s, out, 0); }
bool shape_cholesky(const Sig *s, Type *out) { return square(s, out); }
bool shape_eigh(const Sig *s, Type *out) { return factors(s, out); }
bool shape_eigvals(const Sig *s, Type *out) { return of_factors(s, out, 1); }
bool shape_eigvecs(const Sig *s, Type *out) { return of_factors(s, out, 2); }
