/* Between fn_ranks.c, which decides what each rank of a function runs, and fn_exchange.c, which brings it together. */
#ifndef HNNC_RUNTIME_STEPPERS_FN_RANKS_PRIV_H
#define HNNC_RUNTIME_STEPPERS_FN_RANKS_PRIV_H

#include "runtime/steppers/fn_priv.h"

enum { RT_ADD_PIECE = 8192 }; /* elements that a thread adds at once */

typedef struct RtNode {
  int first, n; /* chunks */
} RtNode;

typedef struct RtAcross {
  int *begin; /* of each rank's nodes among all */
  RtNode *node;
  int nodes, chunks; /* for which they were made */
  struct Sum {
    int into, from; /* nodes that are added, in this order */
  } *sum;
  int sums;
  RtNode *job;       /* of this rank: nodes, or parts of them where there are more threads */
  int *job_of, jobs; /* the first job of each of its nodes; the end */
  char *buf;         /* of the exchange */
  size_t size;
  size_t *at;       /* size + 1 */
  int64_t from, to; /* elements that are added at once */
  char **of;        /* where the sums of each node lie, from element `from` on */
} RtAcross;

/* fn_ranks.c: the tiles of a rank. */
void rt_across_range(const RtFn *f, int rank, int64_t *t0, int64_t *t1);

/* fn_exchange.c; false: no memory. The sums of all nodes, added in the order of the tree; outputs per sample; or the words and the steps alone. */
bool rt_across_sums(RtFn *f, RtAcross *a);
bool rt_across_lanes(RtFn *f, RtAcross *a);
bool rt_across_tell(RtFn *f, RtAcross *a);
void rt_across_spread(RtRanks *r, const HnnArg *lanes, int64_t elems, size_t real, int64_t n);

#endif
