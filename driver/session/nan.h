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
/* What made outputs of f not finite in one sample, said below m. */
void nan_cause(const Session *s, DiagMsg *m, const char *name, const Fn *f, const RtArray *stats, const RtSet *set, int64_t sample,
               uint64_t seed);
/* Says that the search ended before it found anything, if it did. */
bool nan_ended(DiagMsg *m, const Origin *o);
/* Between these two, whoever waits is told. */
void nan_begins(const char *name);
void nan_ends(void);
void nan_advise(const Session *s, DiagMsg *m, const Origin *o);

#endif
