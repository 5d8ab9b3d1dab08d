/* Between the reverse rule of `ode` (vjp_ode.c), outputs inside of steps (vjp_moments.c) and the steps of gauss16 and taylor. */
#ifndef HNNC_PASSES_DERIVE_ODE_VJP_ODE_H
#define HNNC_PASSES_DERIVE_ODE_VJP_ODE_H

#include "ir/adaptive.h"
#include "passes/derive/derive_priv.h"

typedef struct OdeRev {
  Vjp *s;
  Val v;
  const Inst *i;
  const AdaptiveMethod *m; /* NULL: gauss16, taylor */
  const Fn *body;
  uint32_t n, ninv, times, order; /* order: of taylor */
  int64_t record;
  bool lane, lanes; /* states are per sample; cotangents are */
  bool between;     /* there are outputs between the first and the last */
  const Val *rc;    /* by state: the cotangent of its trajectory, or none */
} OdeRev;

/* A function of one turn that is being made, and the arguments of its loop, which are values of `outer`. */
typedef struct OdeTurn {
  Build *outer, *b;
  VEC(Val) args;
  Val *inv; /* by invariant of the rates */
} OdeTurn;

typedef struct OdeSeeds {
  VEC(Seed) at;
} OdeSeeds;

void vjp_ode_turn_begin(OdeRev *w, OdeTurn *t, Build *outer, Build *b, const char *name);
void vjp_ode_turn_end(OdeTurn *t);
Val vjp_ode_port(OdeTurn *t, Val arg);                                /* an argument that is the same in all turns, or carried */
Val vjp_ode_port_of_turn(OdeTurn *t, Val arg);                        /* one that is a sequence */
void vjp_ode_invariants(OdeTurn *t, const OdeRev *w, const Val *arg); /* ports of all of them */
Type vjp_ode_cot_type(const OdeRev *w, uint32_t state);
/* The rates of each state at y, time. */
void vjp_ode_rates(const OdeRev *w, Build *b, const Val *y, Val time, const Val *inv, Val *k);
void vjp_ode_seed(const OdeRev *w, Build *b, OdeSeeds *list, Val v, Val cot);
/* Cotangents of x, and, if asked for, of the invariants behind them in `out`. */
bool vjp_ode_sweep(OdeRev *w, OdeTurn *t, const OdeSeeds *seeds, const Val *x, uint32_t nx, bool by_inv, Cot *out);
/* A cotangent that is handed on is one part: states are per sample, or what there is of the batch is not in their rates. */
Val vjp_ode_one_part(OdeRev *w, Build *b, Cot c, Type t);
/* The parts that there are, as outputs of t; how many. */
uint32_t vjp_ode_output_sums(OdeTurn *t, const Cot *inv, uint32_t ninv);

/* vjp_gauss.c: cotangents of the states as a step of gauss16 begins, from those at its end; of the invariants. */
bool vjp_ode_gauss_step(OdeRev *w, OdeTurn *t, const Val *y, Val time, Val h, const Val *end, Val *begin, Cot *inv);

/* vjp_taylor.c: cotangents of the states as a step of taylor begins, from those of its coefficients 0 ... order, stacked, in powers of the
 * part of the step that is done; of the invariants. */
bool vjp_ode_taylor_step(OdeRev *w, OdeTurn *t, const Val *y, Val time, Val h, const Val *terms, Val *begin, Cot *inv);
uint32_t vjp_ode_order(const Fn *f, const ode_attr *attr);

/* vjp_moments.c */
enum { ODE_FIRST_TERMS = 4, ODE_MOST_TERMS = 8 };
typedef struct OdeOutputs {
  Val time;       /* the times */
  const Val *out; /* by state: the cotangents of its outputs, or none */
} OdeOutputs;
uint32_t vjp_ode_terms(const OdeRev *w); /* of an interpolant; of taylor one, which has all coefficients */
Val vjp_ode_at_least_0(Build *b, Val x);
/* Moments of the outputs of a step: cotangents of its terms. *next, *due: the output before them. */
void vjp_ode_moments(OdeRev *w, Build *b, const OdeOutputs *x, Val time, Val h, Val *next, Val *due, Val *moment);

#endif
