/* The reports that a training evaluates at its checks, with those whose statistics they take. */
#ifndef HNNC_DRIVER_RUN_MONITOR_H
#define HNNC_DRIVER_RUN_MONITOR_H

#include "driver/run/report.h"

typedef struct Monitor {
  Session *s;
  const Train *spec;
  const Report **report; /* in the order of the file */
  Native *native;
  uint32_t n;
  ReportResult *result; /* by report_number */
  NativeBuild build;    /* job NULL: it is done */
} Monitor;

/* 0, or the exit code after messages. Makes their data; other threads compile meanwhile. */
int monitor_open(Session *s, const Train *spec, Monitor *m);
/* Their means with these parameters, as the training names them: into out[spec->nmonitor]. */
int monitor_run(Monitor *m, const RtArray *param, RtNumber *out);
void monitor_close(Monitor *m);

#endif
