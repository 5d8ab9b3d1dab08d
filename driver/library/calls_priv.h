/* Between calls.c, which makes functions callable, and use.c, which shows and calls them. */
#ifndef HNNC_DRIVER_LIBRARY_CALLS_PRIV_H
#define HNNC_DRIVER_LIBRARY_CALLS_PRIV_H

#include "driver/library/model.h"
#include "driver/functions/functions.h"
#include "driver/session/native.h"
#include "runtime/library/lib.h"

typedef struct Calls {
  Functions all;
  VEC(Native *) native; /* of each; `cg` NULL: not compiled yet */
  LibModel engine;
  LibFn *fn; /* of each; nparts 0: not compiled yet */
  void **values;
  Lib *lib; /* NULL until something is called */
} Calls;

Calls *library_calls(hnnc_model *m);
/* Compiles function *one, or all (NULL) that are not. */
hnnc_status library_compile(hnnc_model *m, const size_t *one);
/* Another function: a product of function `of` with its Jacobian; its number, which it has already if it was asked for before. */
hnnc_status library_product(hnnc_model *m, ProductKind kind, size_t of, size_t *number);
void library_calls_finish(hnnc_model *m);

#endif
