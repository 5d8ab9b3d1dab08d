/* Differentiation of functions without trajectories (levels.c). */
#ifndef HNNC_PASSES_DERIVE_DERIVE_H
#define HNNC_PASSES_DERIVE_DERIVE_H

#include "passes/base/pass.h"

/* What makes a body, in which something is to be expanded, free of that. NULL after an error. */
typedef Fn *DeriveBody(PassRun *run, const Fn *body, bool reversible, Diag *diag);
/* f with its bodies derived by `each`. NULL after an error. */
Fn *derive_bodies(PassRun *run, const Fn *f, DeriveBody *each, bool reversible, Diag *diag);

/* f, whose bodies are derived and which holds no `integrate`, with its own operators expanded, simplified before and after
 * each level. reversible: steps stay for the gradients of training (in the function on top), or, in a body, for those
 * that go through it. NULL after an error. */
Fn *derive_levels(PassRun *run, const Fn *f, bool reversible, bool top, Diag *diag);
/* g, which it takes, and of which no derivative is to be taken any more, without reversible steps and roots. */
Fn *derive_end(PassRun *run, Fn *g);

/* The whole of it for a function without `integrate` in it. NULL after an error. */
Fn *derive_plain(PassRun *run, const Fn *f, Diag *diag);

#endif
