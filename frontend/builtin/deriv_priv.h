/* What the files of derivatives share (builtin/deriv.c, builtin/matrix.c). */
#ifndef HNNC_FRONTEND_BUILTIN_DERIV_PRIV_H
#define HNNC_FRONTEND_BUILTIN_DERIV_PRIV_H

#include "frontend/elab/elab.h"

/* The arguments with identities of their own, x, in place of the first `n`. */
bool deriv_fresh(Elab *E, const Func *f, const Actuals *a, uint32_t n, Actuals *out, Val *x);
bool deriv_whole(Elab *E, const Actual *a, const char *who, Val *out); /* a tuple's parts flattened and joined */
Val deriv_flat(Elab *E, Val v, Span at);                               /* as real[n] */
Val deriv_zeros(Elab *E, Type t, Span at);

/* builtin/matrix.c: jacobian(f)(x...), hessian(f)(x...), nonzeros(either)(x...) */
Value matrix_apply(Elab *E, const Func *f, const Actuals *a);

#endif
