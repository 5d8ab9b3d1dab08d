/* Between data.c and data_part.c. */
#ifndef HNNC_DRIVER_SESSION_DATA_PRIV_H
#define HNNC_DRIVER_SESSION_DATA_PRIV_H

#include "driver/session/data.h"

/* Room for n samples in f64. ranks: that share it, if it is large; NULL: all of it is here. False: no memory. */
bool data_alloc(RtSet *set, const Data *d, int64_t n, RtRanks *ranks);
int data_no_memory(Session *s, const Data *d, int64_t samples); /* the exit code, after a message */
int data_no_samples(Session *s, const Data *d);

int data_part(Session *s, const Data *d, RtSet *set); /* of its base, which is made: 0 or the exit code */

#endif
