/* What split.c and unmix.c share. */
#ifndef HNNC_PASSES_SPLIT_SPLIT_PRIV_H
#define HNNC_PASSES_SPLIT_SPLIT_PRIV_H

#include "passes/base/pass.h"

bool split_has_lanes(const Fn *f);            /* anything per sample in it, at any depth */
void split_summed(const Fn *body, bool *out); /* which outputs of a body follow from a sum over the batch */

/* A copy in which no loop over samples makes results that are shared and no sums: such a loop stands
 * twice, the second time for those results alone, and simplify drops from each what is not read. */
Fn *split_unmix(const Fn *f);

#endif
