/* Sparsity of Jacobians (pattern.c), block triangular forms (blocks.c), what may be held constant (held.c), and colourings (colour.c): columns of one colour are differentiated by one sweep. */
#ifndef HNNC_PASSES_SPARSITY_SPARSITY_H
#define HNNC_PASSES_SPARSITY_SPARSITY_H

#include "ir/core/pattern.h"
#include "passes/passes.h"

/* Which elements of e depend on which of x, by the graph between them, all of it plain; may hold too many, never too few.
 * False where the search takes too long or finds too many; *out is not initialized then. */
bool sparsity_find(const Fn *f, Val e, Val x, Pattern *out);
/* What e is computed from, as a function of x, its first input. */
Fn *sparsity_function(const Fn *f, Val e, Val x);

/* The block triangular form of a square pattern up to permutations: within block k, start[k] <= r < start[k + 1], are the
 * rows row[r] and the columns col[r], all of a block in each other's way; (row[r], col[r]) is a nonzero. */
typedef struct Blocks {
  uint32_t n, *start, *row, *col;
  uint32_t nstuck; /* of a pattern without a transversal: rows row[0 .. nstuck) depend on nstuck - 1 columns col[...] alone */
} Blocks;
bool sparsity_blocks(const Pattern *p, Blocks *out); /* false: every matrix of this pattern is singular; see nstuck */
void sparsity_blocks_finish(Blocks *b);
void sparsity_blocks_elements(const Blocks *b, const Pattern *p, Pattern *out); /* those of p that are in a block */

/* Value `value` counts as constant where instruction `user` reads it. */
typedef struct HeldUse {
  uint32_t user, value;
} HeldUse;
typedef struct Held {
  VEC(HeldUse) use; /* by rising user */
} Held;
/* Uses of x, or of what is computed from it, by way of which no needed element of de/dx is reached, as far as that is seen by a
 * bounded search; *left: the pattern of the rest, which has the needed elements as de/dx has them. False: given up; neither is
 * initialized then. */
bool sparsity_hold(const Fn *f, Val e, Val x, const Pattern *needed, Held *held, Pattern *left);

enum { COLOUR_NONE = UINT32_MAX };
typedef struct Colouring {
  uint32_t n;   /* colours */
  uint32_t *of; /* by column; COLOUR_NONE: not needed */
} Colouring;

/* Each: false if more than `most` colours would be needed; then *out is empty. */

/* No row has two columns of one colour: J = (J s_c) read at the rows of the columns of colour c. Empty columns
 * need none. For rows, colour the transpose. */
bool colour_columns(const Pattern *p, uint32_t most, Colouring *out);
/* Of a symmetric pattern: neighbours differ, and no path of four has only two colours. Then each element (i, j) stands
 * alone in row i among the columns of j's colour, or in row j among those of i's. */
bool colour_star(const Pattern *p, uint32_t most, Colouring *out);
/* The same as colour_columns for some of its elements alone: each of those is the only nonzero of its row whose column has its colour.
 * Columns without any need no colour. */
bool colour_elements(const Pattern *p, const Pattern *needed, uint32_t most, Colouring *out);
void colour_finish(Colouring *c);

#endif
