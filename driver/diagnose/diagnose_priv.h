/* Between diagnose.c and diagnose_flow.c. */
#ifndef HNNC_DRIVER_DIAGNOSE_DIAGNOSE_PRIV_H
#define HNNC_DRIVER_DIAGNOSE_DIAGNOSE_PRIV_H

#include "driver/session/points.h"

typedef void DiagnoseRow(void *ctx, const char *what, const char *block, double worst, int64_t n);
/* Round trips, and the symplectic defect of flows that claim it or not; 0 or the exit code. */
int diagnose_flow(Session *s, DiagnoseRow *row, void *ctx, const Export *flow, const Export *inverse);

#endif
