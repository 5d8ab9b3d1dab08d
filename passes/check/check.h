/* What passes make is compared with what they were given, under verify_each, and when HNNC_VERIFY_EACH is in the
 * environment (as in the tests). A difference is a fault of the compiler; both functions are printed. */
#ifndef HNNC_PASSES_CHECK_CHECK_H
#define HNNC_PASSES_CHECK_CHECK_H

#include "passes/base/pass.h"

bool check_wanted(const PassRun *run);
void check_same(PassRun *run, const char *pass, const Fn *before, const Fn *after);
void check_split(PassRun *run, const Fn *f, const Split *s);

/* For other comparisons: whether f can be evaluated exactly in little time; the fault, if a and b differ. */
bool check_affordable(const PassRun *run, const Fn *f);
void check_compare(const PassRun *run, const char *pass, const Fn *a, const Fn *b, const char *title_a, const char *title_b);
/* A function with the inputs of f, without folding and numbering; writes their values. */
Fn *check_inputs(Build *b, const Fn *f, Val *x);

/* decide.c: whether two functions, without derivatives and trajectories, are the same. */
FieldAnswer check_equal(const Fn *x, const Fn *y, FieldReport *r);
FieldAnswer check_undecided(FieldReport *r, const char *why); /* that, as an answer */
/* separable.c: whether rates, without derivatives and trajectories, separate. */
bool check_separable(const Fn *rates);

#endif
