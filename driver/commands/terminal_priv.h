/* A run that a user watches: progress on stderr, results on stdout, stopped by signals (run.c). */
#ifndef HNNC_DRIVER_COMMANDS_TERMINAL_PRIV_H
#define HNNC_DRIVER_COMMANDS_TERMINAL_PRIV_H

#include "driver/run/runner.h"

/* From here on a signal ends the run, and its manifest says so. NULL: there is no run. */
void terminal_open(RtRun *run);
int terminal_run(Runner *r); /* the exit code, after messages */
void terminal_close(Runner *r);

#endif
