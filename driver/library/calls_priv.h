/* Between calls.c, which makes functions callable, and use.c, which shows and calls them. */
#ifndef HNNC_DRIVER_LIBRARY_CALLS_PRIV_H
#define HNNC_DRIVER_LIBRARY_CALLS_PRIV_H

#include "driver/library/model.h"
#include "driver/run/trainer.h"
#include "runtime/library/lib.h"

typedef struct Callable {
  const char *name, *kind; /* as hnnc_function has them */
  Span at;
  const Fn *fn;    /* parameters, arguments -> results; of a gradient the loss */
  Fn *owned;       /* that, or NULL: the model's */
  Fn *plain;       /* a product not by parameters, of which others may be taken; else NULL: fn */
  uint32_t *moved; /* outputs `slope`, ... are gradients by these parameters */
  uint32_t nmoved, slope;
  size_t of;     /* of a product: number of the function that it is taken of */
  bool gradient; /* compiled as the gradient of the loss fn */
  Memory memory;
  const Pattern **pattern;
  Native native; /* `run` NULL: not compiled yet */
} Callable;

typedef struct Calls {
  VEC(Callable *) list;
  LibModel engine;
  LibFn *fn; /* of the list; nparts 0: not compiled yet */
  LibParam *param;
  void **values;
  Lib *lib; /* NULL until something is called */
} Calls;

Calls *library_calls(hnnc_model *m);
/* Compiles function *one, or all (NULL) that are not. */
hnnc_status library_compile(hnnc_model *m, const size_t *one);
/* Another function: a product of function `of` with its Jacobian; its number, which it has already if it was asked for before. */
hnnc_status library_product(hnnc_model *m, ProductKind kind, size_t of, size_t *number);
int library_argument(const Fn *f, uint32_t index); /* place among the arguments of f of the field with this index */
void library_calls_finish(hnnc_model *m);

#endif
