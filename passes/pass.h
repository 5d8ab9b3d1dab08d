/* What passes tell the table of passes (pass.c). Private to passes. */
#ifndef HNNC_PASSES_PASS_H
#define HNNC_PASSES_PASS_H

#include "passes/passes.h"

/* Every pass ends with `return pass_done("derive", start, out)`, start being pass_now() at its
 * beginning: adds to the times, prints and verifies as pass_options say. Returns out; a violation is
 * a fault of the compiler. NULL is passed through. */
Fn *pass_done(const char *name, double start, Fn *out);

#endif
