#ifndef HNNC_DRIVER_SESSION_WEIGHTS_H
#define HNNC_DRIVER_SESSION_WEIGHTS_H

#include "driver/session/session.h"

/* Puts the numbers of a file into the session's parameters, each found by its path, in the model's precision; 0, or the exit code after
 * a message that names what is missing or of another shape: nothing has changed then. from: what the file is called. */
int weights_take(Session *s, const RtCheckpoint *c, const char *from);
/* The same of a run or a file, as rt_weights_read has it. */
int weights_load(Session *s, const char *from);

/* For messages: "real[2, 3]"; the names of a file, the first of them. */
const char *weights_shape(char *text, size_t size, int rank, const uint32_t *dim);
void weights_listed(DiagMsg *m, const RtCheckpoint *c);

#endif
