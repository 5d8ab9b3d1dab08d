/* The ranks that a launcher of MPI has started, of which this process is one. */
#ifndef HNNC_DRIVER_SESSION_RANKS_H
#define HNNC_DRIVER_SESSION_RANKS_H

#include "driver/session/session.h"

/* NULL and no error: this process is alone (nothing but the environment is looked at). Else all ranks have met; false in *ok, after a
 * message of the first rank: there are several, and they cannot. Once a process. */
RtRanks *ranks_begin(bool *ok, RtError *err);
/* For the library, where a process has its own errors: the same, once all come to it, ended as the process ends. */
RtRanks *ranks_meet(bool *ok, RtError *err);
int ranks_threads_alone(void); /* what ranks_threads would say, as far as it is known without asking the others; 0: all cores */
/* For the command: what ranks but the first print goes nowhere but, when one ends with an error, to the first. */
void ranks_quiet(RtRanks *r);
int ranks_threads(RtRanks *r); /* cores for the threads of this rank, those of a machine shared among its ranks */
/* Every rank comes here with its exit code, or all are ended within seconds. The code that all end with: that of the first. */
int ranks_end(RtRanks *r, int code);
/* Of rank 0: told why the run ends when another rank has failed, before all end. */
void ranks_on_lost(void (*told)(const char *why));

/* Whether all can run one code: 0, or the exit code after a message. */
int ranks_alike(Session *s);

typedef struct RanksPlace {
  char host[64];
  int32_t threads;
} RanksPlace;
/* Of all, after ranks_threads; threads: of this one's pool. */
const RanksPlace *ranks_places(RtRanks *r, int threads);

#endif
