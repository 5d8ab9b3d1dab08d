/* What passes tell the table of passes (pass.c). Private to passes. */
#ifndef HNNC_PASSES_BASE_PASS_H
#define HNNC_PASSES_BASE_PASS_H

#include "passes/passes.h"

/* Every pass ends with `return pass_done("derive", start, out)`, start being pass_now() at its
 * beginning: adds to the times, prints and verifies as pass_options say. Returns out; a violation is
 * a fault of the compiler. NULL is passed through. */
Fn *pass_done(const char *name, double start, Fn *out);

/* To who waits: what is being done, of which function (or NULL), where. */
void pass_at(const char *what, const char *name, Span at);

/* Operations of one function, those of its bodies too: beyond, derivatives and trajectories are not written out. */
enum { PASS_MOST = 1000000 };
/* Whether what was written since ir_written() was `before`, or will be, is more, which is said of what stands at `at`. */
bool pass_too_large(uint64_t before, uint64_t more, const char *what, Span at, Diag *diag);

/* derive.c: pass_derive with every `batch_mean` left where it is. */
Fn *derive_keeping(const Fn *f, Diag *diag);

/* means.c, see there: */
bool means_inside(const Fn *f);                                /* holds a `batch_mean`, itself or a body of it */
Fn *means_averaged(const Fn *f);                               /* every `batch_mean` replaced by its average */
Fn *means_lower(const Fn *loss, Running *running, Diag *diag); /* NULL after an error */

/* check.c: under verify_each, and when HNNC_VERIFY_EACH is in the environment (as in the tests), what passes
 * make is compared with what they were given. A difference is a fault of the compiler; both functions
 * are printed. */
void check_same(const char *pass, const Fn *before, const Fn *after);
void check_split(const Fn *f, const Split *s);
void check_level(const Fn *f, const bool *ready); /* ready: the operators about to be expanded, by id */

#endif
