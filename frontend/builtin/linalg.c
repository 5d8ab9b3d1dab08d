/* Linear algebra: systems of equations, and what matrices are taken apart into. */
#include "frontend/builtin/builtin_priv.h"

static Type type_of(const Actual *a) {
  Type t = {0};
  value_type(a->v, &t);
  return t;
}

static bool square(Elab *E, const Builtin *b, const Actual *a) {
  Type t = type_of(a);
  if (t.rank == 2 && t.dim[0] == t.dim[1]) return true;
  error_shape(E, a, b->name, "a square matrix");
  return false;
}

/* Of a lower (0) or upper (1) triangular matrix, or of any (2). */
Value bi_solve(Elab *E, const Builtin *b, Actuals *a) {
  Type t = type_of(&a->at[0]), x = type_of(&a->at[1]);
  if (!square(E, b, &a->at[0])) return POISON;
  if (x.rank < 1 || x.rank > 2 || x.dim[0] != t.dim[0])
    return error_mismatch(E, b, &a->at[0], &a->at[1], "a right-hand side of the matrix's size", a->call);
  Val va = elab_tensor(E, a->at[0].v, a->at[0].at), vx = elab_tensor(E, a->at[1].v, a->at[1].at);
  Build *bl = elab_at(E, a->call);
  return elab_value(E, b->op == 2 ? ir_solve(bl, va, vx, false) : ir_trisolve(bl, va, vx, b->op != 0, false));
}
