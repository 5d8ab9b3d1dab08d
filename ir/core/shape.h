/* What the shape rules share. Private to ir. */
#ifndef HNNC_IR_CORE_SHAPE_H
#define HNNC_IR_CORE_SHAPE_H

#include "ir/ir.h"

#include <stdlib.h>
#include <string.h>

enum { SHAPE_TEXT = 96, DOT_LABELS = 32 };

typedef struct Sig { /* an instruction not yet made */
  const Fn *f;
  Op op;
  const Val *args;
  const Type *type; /* of the operands */
  uint32_t nargs;
  const int64_t *attr;
  uint32_t nattr;
  const Fn *sub;
  char *err;
  size_t errsize;
} Sig;

/* Writes "`op` <text>" to err; always false. */
bool shape_bad(const Sig *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *shape_text(const Sig *s, Type t, char *buf); /* buf of SHAPE_TEXT */
bool shape_sane(const Sig *s, Type t);                   /* rank and number of elements are in range */

bool shape_want(const Sig *s, uint32_t k, DType dt); /* operand k is of that kind */

bool shape_gather(const Sig *s, Type *out); /* shape_rows.c */
bool shape_scatter(const Sig *s, Type *out);
bool shape_setrow(const Sig *s, Type *out);
bool shape_trisolve(const Sig *s, Type *out);
bool shape_solve(const Sig *s, Type *out);
bool shape_lu(const Sig *s, Type *out);
bool shape_det(const Sig *s, Type *out);
bool shape_logdet(const Sig *s, Type *out);
bool shape_cholesky(const Sig *s, Type *out);
bool shape_eigh(const Sig *s, Type *out);
bool shape_eigvals(const Sig *s, Type *out);
bool shape_eigvecs(const Sig *s, Type *out);
bool shape_scan(const Sig *s, Type *out);
bool shape_proj(const Sig *s, Type *out);
bool shape_integrate(const Sig *s, Type *out);
bool shape_ode(const Sig *s, Type *out);
bool shape_reversible(const Sig *s, Type *out);
bool shape_root(const Sig *s, Type *out);
bool shape_diag(const Sig *s, Type *out);
bool shape_diagv(const Sig *s, Type *out);
bool shape_tri(const Sig *s, Type *out);
bool shape_dot(const Sig *s, Type *out);
bool shape_cauchy(const Sig *s, Type *out);

static inline Type type_with_axis(Type t, int axis, uint32_t n) {
  memmove(t.dim + axis + 1, t.dim + axis, (size_t)(t.rank - axis) * sizeof t.dim[0]);
  t.dim[axis] = n;
  t.rank++;
  return t;
}

static inline Type type_without_axis(Type t, int axis) {
  t.rank--;
  memmove(t.dim + axis, t.dim + axis + 1, (size_t)(t.rank - axis) * sizeof t.dim[0]);
  t.dim[t.rank] = 0;
  return t;
}

#endif
