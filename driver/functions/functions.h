/* The functions of a model that can be called: those of the file, reports for each sample, losses, and products with Jacobians. Libraries
 * show them, the library of the compiler calls them, ONNX files are made of them. */
#ifndef HNNC_DRIVER_FUNCTIONS_FUNCTIONS_H
#define HNNC_DRIVER_FUNCTIONS_FUNCTIONS_H

#include "driver/session/session.h"

typedef struct Function {
  const char *name, *kind; /* as hnn_function has them (runtime/library/model.h) */
  const char *cname;       /* of a loss the name without the data that it is on; else `name` */
  Span at;
  const Fn *fn;    /* parameters, arguments -> results; of a gradient: the loss */
  Fn *owned;       /* that, or NULL: the model's */
  Fn *plain;       /* a product not by parameters, of which others may be taken; else NULL: fn */
  bool gradient;   /* of the loss fn */
  bool mean;       /* samples weigh 1/n: a loss, its gradient; else what is summed over them is a sum */
  uint32_t *moved; /* results `slope`, ... are gradients by these parameters */
  uint32_t nmoved, slope;
  const Train *train; /* of a gradient: the first that minimises it, and its number there; NULL: none does */
  uint32_t loss;
  Memory memory;
  const Pattern **pattern; /* by result; NULL: none has one */
  size_t of;               /* of a product: number of the function that it is taken of */
  ProductKind product;     /* and which one it is */
} Function;

typedef struct Functions {
  VEC(Function *) list;
} Functions;

/* Functions of the file, reports, then of each loss its gradient and its mean. */
void functions_add_own(Session *s, Functions *all);
void functions_add_losses(Session *s, Functions *all);
/* The product of function `of` with its Jacobian, once, and its number; false where it has none. */
bool functions_product(Session *s, Functions *all, ProductKind kind, size_t of, size_t *number);
/* Those that options ask for, of the model's functions and of each other. False after a message. */
bool functions_add_products(Session *s, Functions *all);
/* The name under which others see it: `gradient_LOSS`, `loss_LOSS`, or its own. */
const char *function_shown(const Function *x, Arena *mem);
void functions_finish(Functions *all);

#endif
