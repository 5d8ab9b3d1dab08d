/* Between diagnose.c and diagnose_flow.c. */
#ifndef HNNC_DRIVER_COMMANDS_DIAGNOSE_PRIV_H
#define HNNC_DRIVER_COMMANDS_DIAGNOSE_PRIV_H

#include "driver/session/session.h"

enum { DIAGNOSE_SAMPLES = 4 };

EvalEnv diagnose_environment(void);
/* An input at its values: parameters as they are, fields of the set or drawn; v is allocated. */
void diagnose_fill(Session *s, const Input *in, const RtSet *set, Tensor *t);
typedef void DiagnoseRow(void *ctx, const char *what, const char *block, double worst, int64_t n);
/* Round trips, and the symplectic defect of flows that claim it or not; 0 or the exit code. */
int diagnose_flow(Session *s, DiagnoseRow *row, void *ctx, const Export *flow, const Export *inverse);

#endif
