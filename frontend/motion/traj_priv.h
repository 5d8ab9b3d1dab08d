/* What trajectory, integrate and section have in common: states, method, rates (motion/traj.c). */
#ifndef HNNC_FRONTEND_MOTION_TRAJ_PRIV_H
#define HNNC_FRONTEND_MOTION_TRAJ_PRIV_H

#include "frontend/elab/elab.h"

enum { MAX_STATES = 16, MAX_STEPS = 100000000, TRAJ_OPTIONS = 10 };

typedef struct TrajOption {
  const char *name;
  const Actual **slot;
} TrajOption; /* name = value */

typedef struct Plan {
  const char *name;
  const TrajOption *option;
  uint32_t noptions;
  const Func *f;            /* gives the rates: field(H) for a trajectory */
  const Func *given;        /* what the user wrote */
  Actual state[MAX_STATES]; /* `e` is NULL for a part of a tuple */
  uint32_t n;
  const Actual *dt, *steps, *every, *times, *method, *substeps, *start, *counts, *stop, *direction;
  Method m;
  bool adaptive; /* by rtol; gauss16 has steps of a fixed length, too */
  double rtol, atol;
  int64_t max_steps;
  bool counted;           /* `counts = true`: steps taken and rejected are two more results */
  int64_t nsteps;         /* of a fixed length; draws in the rates are counted by them */
  const char *any_states; /* help where there are others than q and p */
  Span call;
} Plan;

/* Each says what is wrong and returns false after an error. */
bool traj_take(Elab *E, Plan *p, const Actuals *a); /* function, states, options */
bool traj_need(Elab *E, const Plan *p, bool have, const char *what, const char *help);
bool traj_check(Elab *E, Plan *p, bool hamiltonian); /* states and method; sets m */
/* `steps` and `every`, which divides it. */
bool traj_counts(Elab *E, const Plan *p, int64_t *steps, int64_t *every);
bool traj_positive(Elab *E, const Actual *a, const char *what, int64_t fallback, int64_t *out);

/* Begins l, in which the rates of p->f are a function of (states..., t, captures); l stays the innermost
 * level, also after an error, until it is ended or dropped. */
bool traj_rates(Elab *E, const Plan *p, Level *l);
bool traj_separable(Elab *E, const Plan *p, const Level *l); /* or the method needs no such thing */
/* `integrate` of the rates in l, emitted into the innermost level, l->up. */
Val traj_steps(Elab *E, const Plan *p, const Level *l, const Val *y0, Val dt, int64_t steps, int64_t every);
/* stop.c: the n times (given, or those of the steps; steps: in all, `every` between two) up to where the orbit crosses p->stop. */
bool traj_stop(Elab *E, const Plan *p, Val dt, int64_t steps, int64_t every, uint32_t n, const Value *given, Value *times);
/* counts.c: the option `counts`, and the results of an `integrate` of so many steps or an `ode`. */
bool traj_take_counts(Elab *E, Plan *p);
Value traj_results(Elab *E, const Plan *p, Val multi, int64_t steps);
/* iterate.c: the loop whose body is l, in the level around; stacked: its states of all turns, else those of the last, in out. */
void traj_loop(Elab *E, const Plan *p, Level *l, const Val *start, bool stacked, Val *out);
/* The argument behind the states of the function that was given, or NULL; what is said where its name is none of the usual. */
const Formal *traj_last(const Plan *p);
bool traj_one_of(const Formal *f, const char *const *names, size_t n);
void traj_warn_last(const Plan *p, DiagMsg *m, const char *usual, const char *constant);
/* times.c: `times` are a vector that is known when the program runs, of this length; 0: they are not; an error: false. */
bool traj_run_times(Elab *E, const Plan *p, uint32_t *n);
/* The states at these times by a method of fixed steps, `substeps` between two of them. */
Value traj_between(Elab *E, Plan *p, uint32_t n, int64_t substeps);
void traj_warn_kinks(Elab *E, const Plan *p, const Fn *rates); /* kinks.c */
Val traj_lane(Elab *E, Val v, Span at);                        /* per sample, where samples are lanes */

#endif
