/* Where the first number that is not finite comes from. */
#ifndef HNNC_IR_EVAL_ORIGIN_H
#define HNNC_IR_EVAL_ORIGIN_H

#include "ir/ir.h"

typedef struct Origin {
  const Fn *f; /* instruction v of f made it of finite numbers */
  Val v;
  double value, arg[2];  /* it, and what it was made of (elementwise ops; arg[0]: what `require` quotes) */
  bool outside;          /* arg: an index that is no row, and how many rows there are */
  HnnOdeFailure failure; /* of an `ode`, 0 if none */
  double time;
  uint64_t looked; /* operations that were evaluated in search of it so far */
} Origin;

/* A search ends after so many operations, each on a few numbers (some 5 s of the processor): a program may run for hours. */
enum { ORIGIN_MOST = 100000000 };

/* Evaluates f on n samples and follows what is not finite in its outputs, or is beyond `limit`, back to its origin. env:
 * the generators. out->looked is that of earlier searches, 0 at first. False: the outputs are finite, f cannot be evaluated, or the
 * search ended; if that was inside an `ode`, out has it, and the time it had come to. */
bool ir_origin_find(const Fn *f, int64_t n, const Tensor *in, const EvalEnv *env, double limit, Origin *out);
bool ir_origin_ended(const Origin *o); /* before anything was found */
Span ir_origin_place(const Origin *o);
/* Of what the model states; else NULL. */
const SourceStated *ir_origin_stated(const Source *src, const Origin *o);
/* "`log` of -0.3 gave nan", "the iteration of `gauss4` did not converge at dt = 0.3", ... in buf. */
const char *ir_origin_text(const Source *src, const Origin *o, char *buf, size_t size);
/* How the language writes an op: `^`, `@`, `sum`. */
const char *ir_origin_op(Op op);
/* What may help, or NULL. */
const char *ir_origin_advice(const Origin *o);

#endif
