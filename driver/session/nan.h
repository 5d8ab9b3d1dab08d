/* What is said when numbers are not finite: the failed step, report or draw once more in the reference evaluator. */
#ifndef HNNC_DRIVER_SESSION_NAN_H
#define HNNC_DRIVER_SESSION_NAN_H

#include "ir/eval/origin.h"
#include "driver/session/session.h"

/* A report's first sample that is not finite. stats: the statistics of other reports that it takes. */
void nan_report(Session *s, const Report *report, const Fn *derived, const RtArray *stats, int64_t sample);
/* A draw of a data program: `field` is not finite in `sample`, or, NULL, a trajectory on the way. Returns EXIT_NUMBERS. */
int nan_data(Session *s, const Data *d, const Fn *derived, int64_t draw, const char *field, int64_t sample);

/* The origin of what is not finite in f on n samples of a set, numbered from `first`. */
bool nan_find(const Fn *f, const RtArray *param, const RtSet *set, const int64_t *sample, int64_t n, uint64_t seed, int64_t first,
              Origin *out);
void nan_advise(const Session *s, DiagMsg *m, const Origin *o);

#endif
