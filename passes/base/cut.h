/* A function cut into pieces that run one after the other: which values leave the piece that makes them, and
 * which are made again where they are read. For the phases of a training step (split.c) and for maps that are
 * cut at a mean over the batch (means.c). */
#ifndef HNNC_PASSES_BASE_CUT_H
#define HNNC_PASSES_BASE_CUT_H

#include "passes/base/pass.h"

#define CUT_FREE UINT32_MAX /* at hand in every piece: inputs, constants */

typedef struct Cut {
  const Fn *f;
  uint32_t n;            /* pieces */
  const uint32_t *piece; /* by id: which makes it; operands come from this piece or earlier ones */
  const bool *root;      /* by id: an output of its piece in any case */
  const bool *dear;      /* by id, may be NULL: never made again */
  bool once;             /* shared values of rank > 0 are made once: pieces are run for each tile of samples */
  /* by cut_cross: */
  bool *made;    /* by id: made in its own piece */
  bool *carried; /* by id: leaves it */
  bool *reads;   /* [piece * f->inst.n + id]: enters that piece as an input */
} Cut;

void cut_cross(Cut *c);
void cut_finish(Cut *c);
bool cut_reads(const Cut *c, uint32_t piece, uint32_t id);

/* A carried value as it lies between pieces: bools as 0 and 1, and never of the highest rank, so that a
 * map can stack it. */
Val cut_leave(Build *b, Val v);
Type cut_type(Type t);
Val cut_enter(Build *b, Val v, Type t);

#endif
