/* The one symbol of a module that speaks MPI, which is opened where a launcher started this process (driver/session/ranks.c). It is
 * built once for each MPI that there is, because their binaries differ. */
#ifndef HNNC_RUNTIME_MPI_MPI_H
#define HNNC_RUNTIME_MPI_MPI_H

#include "runtime/runtime.h"

/* trade, end, abandon, rank, size of *out. False: MPI does not start. An MPI that is running in the process (mpi4py) is used, and left
 * running at the end. */
typedef bool RtMpiOpen(RtRanks *out, RtError *err);
#define RT_MPI_OPEN "rt_mpi_open"

#endif
