/* Taylor series of the solutions of differential equations. */
#ifndef HNNC_PASSES_JETS_JETS_H
#define HNNC_PASSES_JETS_JETS_H

#include "passes/base/pass.h"

/* Of the body (states..., t, inv...) of an `ode`, plain: (states..., [t, h], inv...) -> for each state its coefficients 1 ... order in
 * powers of (time - t)/h, stacked. Where the rates bend or jump as time goes on, those of the branches that hold at t; *kinks (or NULL):
 * they may. Of its own arena. NULL after an error, which diag has. */
Fn *jets_series(const Fn *rates, uint32_t states, uint32_t order, bool *kinks, Diag *diag);

/* One step backwards. Of (states..., t, cotangents..., inv...), plain, -> (rates..., cotangents of the states through them, sums...), where
 * `cotangents` are those of the rates, (states..., [t, h], terms..., inv...) -> (cotangents of the states, sums), where the terms of a
 * state are cotangents of its coefficients 0 ... order, stacked. Of its own arena. NULL after an error. */
Fn *jets_adjoint(const Fn *rates, uint32_t states, uint32_t order, Diag *diag);

/* The bodies of all `ode` by `taylor`. NULL after an error; a copy where there are none. */
Fn *pass_jets(PassRun *run, const Fn *f, Diag *diag);

#endif
