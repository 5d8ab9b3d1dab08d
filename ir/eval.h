/* What the parts of the reference evaluator share. Private to ir. */
#ifndef HNNC_IR_EVAL_H
#define HNNC_IR_EVAL_H

#include "ir/ir.h"

typedef struct Run {         /* one evaluation, through all sub-functions */
  int64_t B;
  const EvalEnv *env;
  char *err;
  size_t errsize;
} Run;

typedef struct Node {        /* one instruction being evaluated */
  Run *run;
  const Fn *f;
  const Inst *i;
  const int64_t *attr;
  const Tensor *arg[3];      /* the first three operands */
  const Tensor *const *args; /* all */
  Tensor *out;               /* allocated, not yet written */
  Tensor *results;           /* MULTI ops: one per result, allocated */
  uint32_t nresults;
} Node;

bool eval_fail(Run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Evaluates f; in[] are borrowed, out[] are allocated. On failure out[] holds nothing to free. */
bool eval_fn(Run *r, const Fn *f, const Tensor *in, Tensor *out);

Tensor eval_tensor(Type t, int64_t B);                   /* zeros */
static inline int64_t eval_width(const Tensor *t, int64_t B) { return t->type.lane ? B : 1; }

/* Element e of `from` (fits the lanes of `to`) into element o of `to`. */
void eval_move(const Run *r, Tensor *to, int64_t o, const Tensor *from, int64_t e);

/* One function an op, named as in ops.def. */
#define ST(name, ...) bool eval_##name(Node *n);
#include "ir/ops.def"

#endif
