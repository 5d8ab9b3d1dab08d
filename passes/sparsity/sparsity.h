/* Sparsity of Jacobians (pattern.c), and colourings (colour.c): columns of one colour are differentiated by one sweep. */
#ifndef HNNC_PASSES_SPARSITY_SPARSITY_H
#define HNNC_PASSES_SPARSITY_SPARSITY_H

#include "ir/core/pattern.h"
#include "passes/passes.h"

/* Which elements of e depend on which of x, by the graph between them, all of it plain; may hold too many, never too few.
 * False where the search takes too long or finds too many; *out is not initialized then. */
bool sparsity_find(const Fn *f, Val e, Val x, Pattern *out);
/* What e is computed from, as a function of x, its first input. */
Fn *sparsity_function(const Fn *f, Val e, Val x);

enum { COLOUR_NONE = UINT32_MAX };
typedef struct Colouring {
  uint32_t n;   /* colours */
  uint32_t *of; /* by column; COLOUR_NONE: not needed */
} Colouring;

/* Each of the three: false if more than `most` colours would be needed; then *out is empty. */

/* No row has two columns of one colour: J = (J s_c) read at the rows of the columns of colour c. Empty columns
 * need none. For rows, colour the transpose. */
bool colour_columns(const Pattern *p, uint32_t most, Colouring *out);
/* Of a symmetric pattern: neighbours differ, and no path of four has only two colours. Then each element (i, j) stands
 * alone in row i among the columns of j's colour, or in row j among those of i's. */
bool colour_star(const Pattern *p, uint32_t most, Colouring *out);
/* Of a square pattern, for its diagonal alone: (i, j) and (j, i) are zero where i and j have one colour. */
bool colour_diagonal(const Pattern *p, uint32_t most, Colouring *out);
void colour_finish(Colouring *c);

#endif
