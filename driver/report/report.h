/* A run as a page: what it was, how it went, what came out. data.c reads a run directory, which is looked at and never changed; serve.c shows it while
 * it trains. */
#ifndef HNNC_DRIVER_REPORT_REPORT_H
#define HNNC_DRIVER_REPORT_REPORT_H

#include "driver/runs/runs.h"

/* {"runs": [...], "hnnc": version}, each run with its manifest, metrics, reports, plots and model; NULL and why: one is no run. */
json_t *report_data(const char *const *dir, uint32_t n, RtError *err);

/* Serves the page of one run on the loopback at a port (0: any), under a token that nobody can guess, until a signal ends the process; only
 * returns with an exit code where it cannot begin. */
int report_serve(const char *dir, int port, RtError *err);

#endif
