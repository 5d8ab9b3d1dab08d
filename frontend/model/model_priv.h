/* Of the making of models alone. */
#ifndef HNNC_FRONTEND_MODEL_MODEL_PRIV_H
#define HNNC_FRONTEND_MODEL_MODEL_PRIV_H

#include "frontend/elab/elab.h"

/* resolve.c: names in bodies that nothing elaborated */
void resolve_globals(Elab *E);

#endif
