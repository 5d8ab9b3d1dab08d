/* Calls, and the types that functions declare (call.c, type.c). */
#ifndef HNNC_FRONTEND_ELAB_CALL_H
#define HNNC_FRONTEND_ELAB_CALL_H

#include "frontend/elab/value.h"

typedef struct Actual {
  const char *name;
  Span name_at;
  Value v;
  Span at;
  const Expr *e;
} Actual;
typedef struct Actuals {
  Actual *at;
  uint32_t n;
  Span call, callee;
} Actuals;

Actuals elab_actuals(Elab *E, const Expr *call);
Actuals actuals_of(Elab *E, const Value *v, uint32_t n, Span at);
Actuals actuals_spread(Elab *E, const Actuals *a); /* tuples among them as their elements */
Value elab_apply(Elab *E, const Func *f, const Actuals *a);
bool elab_bind(Elab *E, const Formal *formals, const Actuals *a, const char *name, Span defined);
uint32_t func_arity(const Func *f, uint32_t *required); /* UINT32_MAX: any */

/* type.c. The dims of a type; silent: false, and no message, when a name in them is unknown. */
bool elab_dims(Elab *E, const TypeExpr *t, bool silent, uint32_t *rank, uint32_t *dim);
bool elab_shape_variable(Elab *E, const Expr *e); /* in a declared shape: bound by the argument */
/* The types of a user's function's arguments, where all are declared as real tensors of known dims. */
bool func_types(Elab *E, const Func *f, Type *out, uint32_t *n);

/* What is asked of a flow. */
enum FlowAsk { FLOW_UNDO = 1, FLOW_STATE = 2, FLOW_LOGDET = 4, FLOW_CLAIM = 8, FLOW_LIFT = 16 };
/* A flow, an inverse, a lift; of a lift the momenta stand behind the states. */
Value flow_apply(Elab *E, const Func *f, const Actuals *a, int ask);

#endif
