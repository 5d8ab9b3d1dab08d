/* The ranks that a launcher of MPI has started, of which this process is one. */
#ifndef HNNC_DRIVER_SESSION_RANKS_H
#define HNNC_DRIVER_SESSION_RANKS_H

#include "driver/driver.h"
#include "runtime/runtime.h"

/* NULL and no error: this process is alone (nothing but the environment is looked at). Else all ranks have met; false in *ok, after a
 * message of the first rank: there are several, and they cannot. Once a process. */
RtRanks *ranks_begin(bool *ok, RtError *err);
/* For the command: what ranks but the first print goes nowhere but, when one ends with an error, to the first. */
void ranks_quiet(RtRanks *r);
int ranks_threads(RtRanks *r); /* cores for the threads of this rank, those of a machine shared among its ranks */
/* Every rank comes here with its exit code, or all are ended within seconds. */
void ranks_end(RtRanks *r, int code);
/* Of rank 0: told why the run ends when another rank has failed, before all end. */
void ranks_on_lost(void (*told)(const char *why));

typedef struct RanksPlace {
  char host[64];
  int32_t threads;
} RanksPlace;
const RanksPlace *ranks_places(RtRanks *r, int threads); /* of all; threads: of this one's pool */

#endif
