/* Training: from a loss to the mean of a batch and its gradient (train.c), and means over the batch inside of it (means.c). */
#ifndef HNNC_PASSES_TRAIN_TRAIN_H
#define HNNC_PASSES_TRAIN_TRAIN_H

#include "passes/base/pass.h"

/* means.c, see there: */
Fn *train_means_averaged(const Fn *f); /* every `batch_mean` replaced by its average */
/* From a loss whose inner derivatives are taken. NULL after an error. */
Fn *train_means_lower(PassRun *run, const Fn *loss, Running *running, Diag *diag);

/* The mean of a loss, and with gradients by the parameters `moved`, which stay operators. lowered: the loss is what
 * train_means_lower made; then the means of the step come out behind the gradients, too. */
Fn *train_mean(const Fn *loss, bool lowered);
Fn *train_gradient(const Fn *loss, bool lowered, const uint32_t *moved, uint32_t nmoved);

Fn *train_product(const Fn *f, ProductKind kind, bool by_params); /* product.c */

#endif
