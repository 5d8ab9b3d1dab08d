/* Ranks without MPI: processes that are forked, with a pair of sockets between each two. */
#ifndef HNNC_TESTS_COMMON_RANKS_UTIL_H
#define HNNC_TESTS_COMMON_RANKS_UTIL_H

#include "runtime/runtime.h"

enum { RANKS_LOST = 77 }; /* how a rank ends that notices that another is gone */

/* body(r, ctx) in `size` processes; code[k]: what it returned in rank k, RANKS_LOST, or -signal. False: no processes. */
bool ranks_run(int size, int (*body)(RtRanks *r, void *ctx), void *ctx, int *code);

#endif
