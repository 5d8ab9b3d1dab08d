/* What is said when numbers are not finite: the failed step, report or draw once more in the reference evaluator. */
#ifndef HNNC_DRIVER_RUN_NAN_H
#define HNNC_DRIVER_RUN_NAN_H

#include "driver/driver.h"

/* A report's first sample that is not finite. */
void nan_report(Session *s, const Report *report, const Fn *derived, int64_t sample);
/* A draw of a data program: `field` is not finite in `sample`, or, NULL, a trajectory on the way. Returns EXIT_NUMBERS. */
int nan_data(Session *s, const Data *d, const Fn *derived, int64_t draw, const char *field, int64_t sample);

#endif
