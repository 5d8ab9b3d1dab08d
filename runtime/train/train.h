/* Between train.c, sched.c, check.c, lbfgs.c and lib_train.c. */
#ifndef HNNC_RUNTIME_TRAIN_TRAIN_H
#define HNNC_RUNTIME_TRAIN_TRAIN_H

#include "runtime/runtime_priv.h"

/* A set of samples as arguments: the data in place, or the buffers that a batch is gathered into. */
typedef struct Batch {
  int64_t n;      /* samples */
  RtArray *field; /* NULL: in place */
  RtArray weight; /* 1/n, 0 in the padding */
  HnnArg *arg;    /* one per input of gradient and mean */
} Batch;

typedef struct Loop {
  RtTrain *t;
  RtError *err;
  Batch batch, test;
  int64_t *perm; /* of epoch `epoch`; NULL: all samples at each step */
  int64_t epoch;
  void *grad;               /* flat_n */
  bool moderate;            /* it is, see rt_moderate */
  HnnArg *gout;             /* (loss, grads..., means...) */
  void *means, *step_means; /* of the last evaluation; those that the averages will take: nmeans */
  int64_t nmeans;
  union {
    double d;
    float f;
  } loss, mean;
  double first_loss; /* of lbfgs: before its step */
  RtStatus status;
} Loop;

/* Loss and gradient (into l->grad) at the parameters in t->flat, on the batch of t->step. False after
 * setting l->status when one of them is not finite. */
bool rt_train_gradient(Loop *l, double *loss);
/* The means over the batch of that evaluation are those of the step: where it starts. */
void rt_train_keep_means(Loop *l);
double rt_train_real(const void *p, bool f64);

/* check.c: after each step; at a check; at the end: the parameters become those that are kept. */
void rt_check_step(RtTrain *t);
void rt_check(RtTrain *t, const RtStep *at);
void rt_check_end(RtTrain *t);

/* One step: up to max_iter iterations. */
bool rt_lbfgs_step(Loop *l);

#endif
