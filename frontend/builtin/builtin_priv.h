/* Of the builtins alone: the handlers of the rows, and what they share. */
#ifndef HNNC_FRONTEND_BUILTIN_BUILTIN_PRIV_H
#define HNNC_FRONTEND_BUILTIN_BUILTIN_PRIV_H

#include "frontend/builtin/builtin.h"

BuiltinCall bi_ew1, bi_ew2, bi_where, bi_concat, bi_stack, bi_roll, bi_flip, bi_windows, bi_conv, bi_conv_transpose, bi_pool,
    bi_upsample, bi_reshape, bi_outer, bi_cross, bi_dot, bi_norm, bi_reduce, bi_maxabs, bi_prod, bi_softmax, bi_tri, bi_diag,
    bi_eye, bi_fill, bi_linspace, bi_omega, bi_solve, bi_inv, bi_det, bi_logabsdet, bi_trace, bi_cholesky, bi_eigh, bi_draw,
    bi_choice, bi_part, bi_stat, bi_misplaced, bi_transpose, bi_minmax, bi_length, bi_shape;
BuiltinCall bi_grad, bi_jac, bi_hess, bi_div, bi_functional /* field, poisson, jacobian, hessian, nonzeros */;

bool need_axis(Elab *E, const Actual *a, Type t, uint32_t *out); /* of those of t; negative: from the end */
bool need_shape(Elab *E, const Actual *a, uint32_t *rank, uint32_t *dim);
Value error_shape(Elab *E, const Actual *a, const char *name, const char *needs); /* poison */
Value error_mismatch(Elab *E, const Builtin *b, const Actual *x, const Actual *y, const char *needs,
                     Span at); /* the same; tensor.c */

/* wrt.c, names.c */
const Item *elab_wrt_item(Elab *E, const char *name, Span at); /* around `at`, where name is such a variable */
/* Whether the source computes e, of value ve, from the name x, of value vx, though no graph leads there. */
bool elab_names(Elab *E, const Expr *e, Val ve, const Expr *x, Val vx);

/* data.c, read.c */
Value data_instance(Elab *E, const Func *program, const Actuals *a);
Data *data_new(Elab *E, const char *name, DataKind kind, Span at);
Value data_read(Elab *E, const Expr *call, const char *name);

#endif
