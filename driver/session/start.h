#ifndef HNNC_DRIVER_SESSION_START_H
#define HNNC_DRIVER_SESSION_START_H

#include "driver/session/session.h"

/* Puts what instances start from into the session's parameters; 0, or the exit code after messages. */
int start_params(Session *s);

#endif
