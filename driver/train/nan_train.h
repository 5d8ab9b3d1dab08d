/* Where a training's numbers stopped being finite: the failed step once more in the reference evaluator, watching for the
 * first value that is not. */
#ifndef HNNC_DRIVER_TRAIN_NAN_TRAIN_H
#define HNNC_DRIVER_TRAIN_NAN_TRAIN_H

#include "driver/train/trainer.h"

/* Says at which operation the numbers of the step at hand stopped being finite. Returns EXIT_NUMBERS. */
int nan_hunt(Session *s, Trainer *t, const char *said); /* said: by the runtime, where the hunt finds nothing */
/* The same of the loss of the test set, after `step` steps. */
void nan_test(Session *s, const Trainer *t, int64_t step);

#endif
