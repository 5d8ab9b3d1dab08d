#ifndef HNNC_DRIVER_RUN_REPORT_H
#define HNNC_DRIVER_RUN_REPORT_H

#include "driver/session/session.h"

typedef struct ReportResult {
  double mean, sd, min, max;
  int64_t n;
  bool made;
} ReportResult;

/* Runs a report with the session's parameters; 0, or the exit code after messages. */
int report_run(Session *s, const Report *report, ReportResult *out);
/* `results` is indexed by report_number. */
int expect_run(Session *s, const Expect *e, const ReportResult *results, bool *holds);
/* The place of a report among the reports of the model, in the order of the file. */
uint32_t report_number(const Model *m, const Report *report);
/* Of the results of the reports before an action, as reports.json has them (what is not finite is null there). */
enum { REPORTS_HASH = 20 };
void reports_hash(const Model *m, const ReportResult *results, int action, char out[REPORTS_HASH]);

#endif
