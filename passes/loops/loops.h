/* Trajectories and steps: joined where one is part of another (join.c), expanded into loops (expand.c), and what keeping
 * their states takes (memory.c). */
#ifndef HNNC_PASSES_LOOPS_LOOPS_H
#define HNNC_PASSES_LOOPS_LOOPS_H

#include "passes/base/pass.h"

/* Replaces every `integrate` by scans over its method's stages, rates inlined; in bodies too. NULL after an error. */
Fn *pass_expand(PassRun *run, const Fn *f, Diag *diag);
/* The same; steps of symmetric methods become `reversible`; `stepper`: those of gauss16 that nothing is differentiated through become an
 * `ode` of steps of one length. */
Fn *pass_expand_as(PassRun *run, const Fn *f, bool reversible, bool stepper, Diag *diag);
/* Bodies of `ode {gauss16}` whose rates are of second order give q'' as well (second.c). */
Fn *pass_second(PassRun *run, const Fn *f);
/* The short loops of such bodies, and sums of rows among zeros, written out (straight.c). */
Fn *pass_straight(PassRun *run, const Fn *f);
/* f without steps and trajectories that are part of others, in bodies too; NULL: there are none. */
Fn *pass_join(PassRun *run, const Fn *f);

#endif
