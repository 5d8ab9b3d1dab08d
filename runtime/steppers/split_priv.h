/* Between fn.c and split.c. */
#ifndef HNNC_RUNTIME_STEPPERS_SPLIT_PRIV_H
#define HNNC_RUNTIME_STEPPERS_SPLIT_PRIV_H

#include "runtime/steppers/fn_priv.h"

RtSplit *rt_split_create(const RtSplitSpec *spec); /* takes over the RtFns of spec on success */
void rt_split_watch(RtSplit *s, const RtWatch *w);
void rt_split_destroy(RtSplit *s);
void rt_split_set_across(RtSplit *s, RtRanks *r, const RtFnAcross *across); /* of the phases of the batch */
void rt_split_range(RtSplit *s, int64_t n, int64_t *from, int64_t *to);     /* of all phases together */
int64_t rt_split_tile(const RtSplit *s, int64_t n);
bool rt_split_run(RtSplit *s, const HnnArg *in, const HnnArg *out, int64_t n, uint64_t seed, uint64_t sample0);

#endif
