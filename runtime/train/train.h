/* Between train.c, batch.c, sched.c, check.c, lbfgs.c and lib_train.c. */
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

/* Where the samples of a step come from. */
typedef struct Gather {
  bool f64, *reads; /* of the set's fields: the loss does; NULL: all samples at each step */
  RtOrder order;
  void *sample;        /* [sample][elems], those fields end to end */
  int64_t elems;       /* of a sample */
  int64_t first, last; /* the samples that are here */
} Gather;

/* One loss of the sum, at a step. */
typedef struct Term {
  Batch batch, test;
  Gather gather;
  HnnArg *gout; /* (loss, grads..., means...) */
  void *means;  /* of the last evaluation, end to end */
  int64_t nmeans;
  union {
    double d;
    float f;
  } loss;
  double test_loss;
} Term;

typedef struct Loop {
  RtTrain *t;
  RtError *err;
  Term *term;
  void *grad;          /* flat_n */
  void *part;          /* of a sum: the gradient of one loss; NULL: each is in grad at once */
  bool moderate;       /* grad is, see rt_moderate */
  void *step_means;    /* those that the averages will take, in the order of t->running */
  double *loss, *kept; /* of each loss: at the last evaluation, and of the step */
  double *tests;
  double first_loss; /* of lbfgs: before its step */
  RtStatus status;
} Loop;

/* batch.c. n samples of a set, or, without one, of draws. */
bool rt_batch_init(Batch *b, const RtTrain *t, const RtLoss *q, const RtSet *set, const int32_t *of, int64_t n);
void rt_batch_finish(Batch *b, int nfield);
/* Batches that are a part of the loss's set; false: no memory. */
bool rt_gather_init(Gather *g, const RtTrain *t, const RtLoss *q);
void rt_gather_finish(Gather *g);
/* Positions first ... first+n-1 of the epochs' permutations, into the batch. */
void rt_gather(Gather *g, const RtLoss *q, Batch *b, int64_t first);

/* Where the gradient function of a loss puts what it gives: m->gout, m->means. False: no memory. */
bool rt_term_outputs(Loop *l, const RtLoss *q, Term *m);
/* Loss and gradient (into l->grad) at the parameters in t->flat, on the batch of t->step. False after
 * setting l->status when one of them is not finite. */
bool rt_train_gradient(Loop *l, double *loss);
/* The means over the batch of that evaluation are those of the step: where it starts. */
void rt_train_keep_means(Loop *l);
/* The losses of that evaluation are those of the step. */
void rt_train_keep_losses(Loop *l);
double rt_train_real(const void *p, bool f64);

/* check.c: after each step; at a check; at the end: the parameters become those that are kept. */
void rt_check_step(RtTrain *t);
void rt_check(RtTrain *t, const RtStep *at);
void rt_check_end(RtTrain *t);

/* One step: up to max_iter iterations. */
bool rt_lbfgs_step(Loop *l);

#endif
