/* What the tests of differentiation share: evaluation on random inputs, differences, and the two checks
 * that any function can be put to. */
#ifndef HNNC_TESTS_COMMON_DERIVE_UTIL_H
#define HNNC_TESTS_COMMON_DERIVE_UTIL_H

#include "passes/base/pass.h"

enum { SAMPLES = 3 };
extern int32_t (*derive_ode)(HnnOde *); /* the stepper that `ode` is evaluated by; NULL: none */

uint32_t pick(uint32_t n); /* 0 .. n-1 */
double uniform(double lo, double hi);
bool near(double a, double b, double tol);

Type dims(bool lane, int rank, uint32_t a, uint32_t b, uint32_t c);
Val input(Build *b, Type t);
Val to_scalar(Build *b, Val y); /* unevenly weighted sum of squares */

size_t size_of(Type t); /* numbers in a tensor of SAMPLES samples */
Tensor *draw_inputs(const Fn *f, double lo, double hi);
void free_inputs(Tensor *in, uint32_t n);
Tensor *evaluate(const Fn *f, const Tensor *in); /* all outputs */
void free_outputs(const Fn *f, Tensor *out);
Fn *derive_or_fail(Fn *f); /* takes f */

/* d out[0] / d (element j of input k), by differences of order 4 and step h; for a per-sample input of all samples at
 * once (sample < 0) or of one. d: an entry for each element of out[0]. */
void differences(const Fn *f, Tensor *in, uint32_t k, size_t j, int sample, double h, double *d);

/* f with outputs: e = out[0], then its gradient by every input. `total`: of the sum over the batch. */
Fn *gradient_of(const Fn *f, bool total);
/* Compares the gradients that g gives (as gradient_of) with differences of f; returns how many differ. */
int check_gradients(const Fn *f, const Fn *g, Tensor *in, bool total, double tol);
Fn *keep_output(const Fn *f, uint32_t k); /* f with output k alone */
/* The gradient of f's scalar output by differences, per sample and in total. Takes f. */
void check_gradient(Fn *f, double lo, double hi, double tol);
/* <v, J u> = <J^T v, u> for random u, v, in each sample or over all. */
void check_transposed(const Fn *f);

#endif
