/* Linear algebra: systems of equations, and what matrices are taken apart into. */
#include "frontend/builtin/builtin_priv.h"

static bool is_square(Type t) { return t.rank == 2 && t.dim[0] == t.dim[1]; }

/* `a`, the first argument; `other`: the second, or NULL. */
static bool square(Elab *E, const Builtin *b, const Actual *a, const Actual *other) {
  Type t = type_of(a);
  if (is_square(t)) return true;
  const char *found = value_text(E, a->v);
  DiagMsg *m = elab_error(E, CODE_wrong_shape, a->at, "`%s` needs a square matrix, found %s", b->name, found);
  elab_label(m, a->at, "%s", found);
  if (other && t.rank == 1 && is_square(type_of(other))) elab_help(m, "the matrix comes first: `%s(A, b)`", b->name);
  else if (other && t.rank == 2 && b->op == 2) elab_help(m, "for least squares, write `solve(A.T @ A, A.T @ b)`");
  else if (!other && t.rank == 3 && t.dim[1] == t.dim[2])
    elab_help(m, "for each matrix, write `[%s(A[k]) for k in 0:%u]`", b->name, t.dim[0]);
  return false;
}

/* Of a lower (0) or upper (1) triangular matrix, or of any (2). */
Value bi_solve(Elab *E, const Builtin *b, Actuals *a) {
  Type t = type_of(&a->at[0]), x = type_of(&a->at[1]);
  if (!square(E, b, &a->at[0], &a->at[1])) return POISON;
  if (x.rank < 1 || x.rank > 2 || x.dim[0] != t.dim[0])
    return error_mismatch(E, b, &a->at[0], &a->at[1], "a right-hand side of the matrix's size", a->call);
  Val va = elab_tensor(E, a->at[0].v, a->at[0].at), vx = elab_tensor(E, a->at[1].v, a->at[1].at);
  Build *bl = elab_at(E, a->call);
  return elab_value(E, b->op == 2 ? ir_solve(bl, va, vx, false) : ir_trisolve(bl, va, vx, b->op != 0, false));
}

static Val matrix(Elab *E, const Builtin *b, const Actual *a) {
  return square(E, b, a, NULL) ? elab_tensor(E, a->v, a->at) : VAL_NONE;
}

Value bi_inv(Elab *E, const Builtin *b, Actuals *a) {
  Val m = matrix(E, b, &a->at[0]);
  if (!m.id) return POISON;
  Build *bl = elab_at(E, a->call);
  Val eye = ir_eye(bl, ir_type(bl->f, m).dim[0]);
  return elab_value(E, ir_solve(bl, m, eye, false));
}

Value bi_trace(Elab *E, const Builtin *b, Actuals *a) {
  Val m = matrix(E, b, &a->at[0]);
  if (!m.id) return POISON;
  Build *bl = elab_at(E, a->call);
  return elab_value(E, ir_sum(bl, ir_diagv(bl, m), 0));
}

static Val entry(Build *b, Val m, uint32_t i, uint32_t j) { return ir_index(b, ir_index(b, m, 0, i), 0, j); }

/* Of rows i and k, columns j and l. */
static Val minor_of(Build *b, Val m, uint32_t i, uint32_t k, uint32_t j, uint32_t l) {
  Val ij = entry(b, m, i, j), kl = entry(b, m, k, l), il = entry(b, m, i, l), kj = entry(b, m, k, j);
  Val plus = ir_mul(b, ij, kl), minus = ir_mul(b, il, kj);
  return ir_sub(b, plus, minus);
}

/* Up to 3 rows as the polynomial that it is: whatever the rank is, it has derivatives. */
static Val written_out(Build *b, Val m, uint32_t n) {
  if (n == 1) return entry(b, m, 0, 0);
  if (n == 2) return minor_of(b, m, 0, 1, 0, 1);
  Val sum = VAL_NONE;
  for (uint32_t j = 0; j < 3; j++) {
    Val lead = entry(b, m, 0, j), term = ir_mul(b, lead, minor_of(b, m, 1, 2, (j + 1) % 3, (j + 2) % 3));
    sum = sum.id ? ir_add(b, sum, term) : term;
  }
  return sum;
}

Value bi_det(Elab *E, const Builtin *b, Actuals *a) {
  Val m = matrix(E, b, &a->at[0]);
  if (!m.id) return POISON;
  Build *bl = elab_at(E, a->call);
  uint32_t n = ir_type(bl->f, m).dim[0];
  return elab_value(E, n <= 3 ? written_out(bl, m, n) : ir_det(bl, ir_lu(bl, m)));
}

Value bi_logabsdet(Elab *E, const Builtin *b, Actuals *a) {
  Val m = matrix(E, b, &a->at[0]);
  if (!m.id) return POISON;
  Build *bl = elab_at(E, a->call);
  return elab_value(E, ir_logdet(bl, ir_lu(bl, m)));
}

Value bi_cholesky(Elab *E, const Builtin *b, Actuals *a) {
  Val m = matrix(E, b, &a->at[0]);
  return m.id ? elab_value(E, ir_cholesky(elab_at(E, a->call), m)) : POISON;
}

Value bi_eigh(Elab *E, const Builtin *b, Actuals *a) {
  Val m = matrix(E, b, &a->at[0]);
  if (!m.id) return POISON;
  Build *bl = elab_at(E, a->call);
  Val f = ir_eigh(bl, m), values = ir_eigvals(bl, f), vectors = ir_eigvecs(bl, f);
  return value_tuple(E, (Value[]){elab_value(E, values), elab_value(E, vectors)}, 2);
}
