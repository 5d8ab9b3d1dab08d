#ifndef HNNC_DRIVER_TRAIN_TRAINER_H
#define HNNC_DRIVER_TRAIN_TRAINER_H

#include "driver/session/native.h"

/* One loss of a training's sum: what is compiled of it. */
typedef struct TrainerLoss {
  Native gradient, mean;
  char name[2][96];
  uint32_t *moved; /* those of the training's that it depends on */
  uint32_t nmoved;
  int64_t *offset;
  int32_t *in_of, *test_of;
} TrainerLoss;

typedef struct Trainer {
  const Train *spec;
  TrainerLoss *loss;   /* spec->nsum of them */
  Native update, norm; /* unused ones are empty */
  char name[2][96];
  RtTrain rt;     /* callbacks and `step` are the caller's */
  RtArray *param; /* the model's parameters; the moved ones inside rt.flat, others in place */
  int32_t *running;
  double *decay;
  int64_t *offset;        /* of spec->moved in rt.flat */
  NativeBuild late;       /* of the means, which the first step does not need; job NULL: there are none, or it is done */
  double compile_seconds; /* that were waited for */
} Trainer;

/* 0, or the exit code after messages. Makes the data it needs, while other threads compile. */
int trainer_open(Session *s, const Train *spec, Trainer *t);
int trainer_means(Session *s, Trainer *t); /* before the first test: the means of its losses, for 0 */
void trainer_close(Trainer *t);
void trainer_publish(Session *s, const Trainer *t);       /* trained values -> s->param */
const Fn *trainer_gradient(const Trainer *t, uint32_t k); /* of a loss, derived IR: FLOP counts, NaN hunts */
const Fn *trainer_test(const Trainer *t, uint32_t k);     /* its mean, after trainer_means */
const Fn *trainer_update(const Trainer *t);               /* NULL for lbfgs */
int64_t trainer_batch(const Trainer *t);                  /* samples a step, of all losses */

int trainer_states(const Optim *o);   /* arrays as long as the parameters that it keeps */
bool trainer_careful(const Optim *o); /* its averages are not bounded by the gradients: see RtTrain */
/* Which of the moved parameters a loss has, into which, and how many. */
uint32_t trainer_moved(const Train *t, uint32_t loss, uint32_t *which);

#endif
