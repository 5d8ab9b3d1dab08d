#ifndef HNNC_DRIVER_RUN_TRAINER_H
#define HNNC_DRIVER_RUN_TRAINER_H

#include "driver/session/native.h"

typedef struct Trainer {
  const Train *spec;
  Native native[4]; /* gradient, mean, update, norm; unused ones are empty */
  RtTrain rt;       /* callbacks and `step` are the caller's */
  RtArray *param;   /* the model's parameters; the moved ones inside rt.flat, others in place */
  Running running;  /* those that keep averages of means over the batch */
  int64_t *offset;
  char name[4][96];
  NativeBuild late;       /* of the mean, which the first step does not need; job NULL: there is none, or it is done */
  double compile_seconds; /* that were waited for */
} Trainer;

/* 0, or the exit code after messages. Makes the data it needs, while other threads compile. */
int trainer_open(Session *s, const Train *spec, Trainer *t);
int trainer_mean(Session *s, Trainer *t); /* before the first test: rt.mean, for 0 */
void trainer_close(Trainer *t);
void trainer_publish(Session *s, const Trainer *t); /* trained values -> s->param */
void trainer_adopt(Session *s, Trainer *t);         /* s->param -> the trainer (resume) */
const Fn *trainer_gradient(const Trainer *t);       /* derived IR: FLOP counts, NaN hunts */
const Fn *trainer_test(const Trainer *t);           /* the mean loss, after trainer_mean */
const Fn *trainer_update(const Trainer *t);         /* NULL for lbfgs */

int64_t trainer_steps(const Train *t, int64_t samples); /* of a training on a set of that size */
int trainer_states(const Optim *o);                     /* arrays as long as the parameters that it keeps */
bool trainer_careful(const Optim *o);                   /* its averages are not bounded by the gradients: see RtTrain */

#endif
