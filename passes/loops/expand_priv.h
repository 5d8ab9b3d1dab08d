/* expand.c, the steps of its loops (expand_step.c, expand_implicit.c) and the tables of its methods (methods.c). */
#ifndef HNNC_PASSES_LOOPS_EXPAND_PRIV_H
#define HNNC_PASSES_LOOPS_EXPAND_PRIV_H

#include "passes/loops/loops.h"

bool expand_symmetric(Method m); /* a step is undone by one of -dt */

enum { MAX_STAGES = 4, MAX_SUBSTEPS = 15 };

typedef struct Tableau { /* Runge-Kutta; implicit if a has entries on or above the diagonal */
  int stages;
  double a[MAX_STAGES][MAX_STAGES], b[MAX_STAGES], c[MAX_STAGES];
} Tableau;

/* A symmetric composition of leapfrog steps of lengths w[k] * dt. */
typedef struct Composition {
  int n;
  double w[MAX_SUBSTEPS];
} Composition;

bool expand_tableau(Method m, Tableau *out); /* false if m is none */
bool expand_composition(Method m, Composition *out);

/* One `integrate` while it is expanded. */
typedef struct Traj {
  PassRun *run;
  Fn *rates; /* already expanded itself */
  Method method;
  uint32_t states, ninv;
  bool timed, drift_timed, derivs; /* the time or the number of the step is used; by f_q; derivative operators in the rates */
  bool counted;                    /* the rates take the number of the step, last */
  bool reversible;                 /* steps are to be reversible */
} Traj;

/* The values a step sees, in the function that is being built. */
typedef struct Scope {
  Build *b;
  Val *y, k, dt, *inv; /* k: number of the step, none unless timed */
  bool back;           /* step k is undone: from t = (k+1)*dt by -dt */
} Scope;

/* What of a step: all; or, where steps join their drifts, what comes before all of them, one that begins with the kick
 * and ends with the whole drift, what takes back the half that the last one drifted too far. */
typedef enum { PIECE_WHOLE, PIECE_BEFORE, PIECE_BETWEEN, PIECE_AFTER } Piece;

/* For the steps: */
Val expand_combine(Build *b, const double *c, const Val *x, int n, uint32_t stride); /* sum_j c[j] * x[j*stride] */
Val expand_add_scaled(Build *b, Val y, Val h, Val rate);                             /* y + h*rate, rate may be none */
Val expand_length(const Scope *s);                                                   /* of the step, with its sign */
void expand_rates(const Traj *t, const Scope *s, const Val *y, double c, Val *dy);   /* at y, c*dt after its begin */
void expand_implicit(const Traj *t, Scope *s, const Tableau *rk);                    /* replaces s->y */
void expand_stages(const Traj *t, Scope *s);                                         /* the same, of gauss16 */

/* y[which] += w*dt*f_which(y, t + c*dt): what a step of a composition consists of. */
typedef struct Move {
  int which;
  double w, c;
} Move;
typedef VEC(Move) Moves;
bool expand_moves(const Traj *t, Piece piece, Moves *m); /* appended; false: the method is no composition */
void expand_move(const Traj *t, Scope *s, Move m);

bool expand_joins(const Traj *t);
void expand_step(const Traj *t, Scope *s, Piece piece); /* replaces s->y */

typedef VEC(Val) Vals;

/* A body whose inputs are args and whose scope names them: y (unless carried elsewhere), k, dt, inv. */
Scope expand_enter(const Traj *t, const Scope *outer, Build *b, bool y_too, Vals *args, Val *hold);
Val expand_lanes(Build *b, Val x, bool lane);

#endif
