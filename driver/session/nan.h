/* What is said when numbers are not finite: the failed step, report or draw once more in the reference evaluator. */
#ifndef HNNC_DRIVER_SESSION_NAN_H
#define HNNC_DRIVER_SESSION_NAN_H

#include "driver/session/trainer.h"

/* Says at which operation the numbers of the step at hand stopped being finite. Returns EXIT_NUMBERS. */
int nan_hunt(Session *s, Trainer *t, const char *said); /* said: by the runtime, where the hunt finds nothing */
/* The same of the loss of the test set, after `step` steps. */
void nan_test(Session *s, const Trainer *t, int64_t step);
/* A report's first sample that is not finite. */
void nan_report(Session *s, const Report *report, const Fn *derived, int64_t sample);
/* A draw of a data program: `field` is not finite in `sample`, or, NULL, a trajectory on the way. Returns EXIT_NUMBERS. */
int nan_data(Session *s, const Data *d, const Fn *derived, int64_t draw, const char *field, int64_t sample);

#endif
