/* expand.c and the tables of its methods (methods.c). */
#ifndef HNNC_PASSES_EXPAND_H
#define HNNC_PASSES_EXPAND_H

#include "passes/passes.h"

/* Replaces every `integrate` by scans, in sub-functions too. NULL after an error. */
Fn *pass_expand(const Fn *f, Diag *diag);
/* The same; steps of symmetric methods become `reversible`. */
Fn *pass_expand_as(const Fn *f, bool reversible, Diag *diag);
bool method_symmetric(Method m); /* a step is undone by one of -dt */

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

bool method_tableau(Method m, Tableau *out); /* false if m is none */
bool method_composition(Method m, Composition *out);

#endif
