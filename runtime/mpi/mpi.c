/* Messages between ranks by MPI. Only point-to-point calls of the first version of MPI are used, by the thread that called it
 * (MPI_THREAD_FUNNELED): what is done with them is in runtime/ranks.
 *
 * Who waits for a message spins, then lets others have the core. Rank 0 also looks, on a communicator of its own, whether another rank
 * has come to its end: in the middle of the work that is a failure. At the end every rank tells rank 0 how it ended, and waits to be let
 * go, with rank 0's code, which is then that of all: a launcher takes any rank's. If some do not come within seconds, MPI_Abort ends them. A rank that is killed the launcher notices. */
#include "runtime/mpi/mpi.h"

#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DATA = 7, END = 8, BYE = 9 };
enum { SPIN = 4096, LOOK_EVERY = 64, MOST_BYTES = 1 << 30 };
/* Over TCP an MPI sends at once what is short (Open MPI: less than 64 kB); what is longer it announces, and waits until the other side
 * has answered: two latencies more. A message whose time is mostly latency goes in pieces that are short. */
enum { SHORT_BYTES = 48 << 10, PIECES_BYTES = 1 << 20 };
#define STALLED 0.3 /* seconds of a wait after which rank 0 leaves word in the run directory, or says that a rank is lost */
enum { PATIENCE_FAILED = 2, PATIENCE = 20 }; /* seconds for the others to come to an end */

typedef struct Ended {
  int32_t code;
  char why[508];
} Ended;

typedef struct Mpi {
  MPI_Comm data, control;
  bool own; /* we have started it */
  MPI_Request *request;
  MPI_Status *status;
  int room;
  /* of rank 0: how many others have ended, the first of them, or the first with an error; when it was heard of */
  int ended, from;
  Ended how;
  double heard;
} Mpi;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Of rank 0: what another one said at its end; false: nobody did. */
static bool take_end(RtRanks *r) {
  Mpi *m = r->ctx;
  MPI_Status status;
  Ended e;
  int there = 0;
  MPI_Iprobe(MPI_ANY_SOURCE, END, m->control, &there, &status);
  if (!there) return false;
  MPI_Recv(&e, sizeof e, MPI_BYTE, status.MPI_SOURCE, END, m->control, MPI_STATUS_IGNORE);
  e.why[sizeof e.why - 1] = 0;
  if (!m->ended++ || (e.code && !m->how.code)) m->how = e, m->from = status.MPI_SOURCE, m->heard = now();
  return true;
}

/* In the middle of the work. One that has ended has sent what this rank waits for, if it ended as all do: then the wait is short. */
static void look_ended(RtRanks *r) {
  const Mpi *m = r->ctx;
  while (take_end(r)) {}
  if (m->ended && now() - m->heard > STALLED) r->lost(r, m->from, m->how.code, m->how.why);
}

/* `since`: of the wait; 0: it begins, minus: it was told. */
static void look_stalled(RtRanks *r, double *since) {
  if (!r->asked || !__atomic_load_n(r->asked, __ATOMIC_RELAXED) || *since < 0 || !r->stalled) return;
  if (*since == 0) *since = now();
  if (now() - *since < STALLED) return;
  *since = -1;
  r->stalled(r);
}

static void wait_all(RtRanks *r, int n) {
  Mpi *m = r->ctx;
  int done = 0;
  double since = 0;
  for (int64_t k = 0; !done; k++) {
    MPI_Testall(n, m->request, &done, m->status);
    if (done) return;
    if (k > SPIN) sched_yield();
    if (k > SPIN && k % LOOK_EVERY == 0) look_stalled(r, &since);
    if (r->rank == 0 && k % LOOK_EVERY == 0) look_ended(r);
  }
}

static bool room(Mpi *m, int n) {
  if (n <= m->room) return true;
  MPI_Request *more = realloc(m->request, (size_t)(2 * n) * sizeof *more);
  if (more) m->request = more;
  MPI_Status *status = realloc(m->status, (size_t)(2 * n) * sizeof *status);
  if (status) m->status = status;
  if (more && status) m->room = 2 * n;
  return more && status;
}

static int add(RtRanks *r, const RtPiece *p, bool in, int n) {
  Mpi *m = r->ctx;
  const size_t most = p->n <= PIECES_BYTES ? SHORT_BYTES : MOST_BYTES;
  for (size_t at = 0; at < p->n; at += most) {
    const int bytes = (int)(p->n - at < most ? p->n - at : most);
    if (!room(m, n + 1)) r->lost(r, r->rank, 4, "not enough memory");
    if (in) MPI_Irecv((char *)p->p + at, bytes, MPI_BYTE, p->peer, DATA, m->data, &m->request[n++]);
    else MPI_Isend((char *)p->p + at, bytes, MPI_BYTE, p->peer, DATA, m->data, &m->request[n++]);
  }
  return n;
}

static void trade(RtRanks *r, const RtPiece *out, int nout, const RtPiece *in, int nin) {
  int n = 0;
  for (int k = 0; k < nin; k++) n = add(r, &in[k], true, n);
  for (int k = 0; k < nout; k++) n = add(r, &out[k], false, n);
  if (n) wait_all(r, n);
}

static void abandon(RtRanks *r, int code) {
  const Mpi *m = r->ctx;
  MPI_Abort(m->data, code ? code : 70);
  abort();
}

static void pause_briefly(void) { nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL); }

/* Everyone else's end; false: not in time. */
static bool gather_ends(RtRanks *r, int code) {
  const Mpi *m = r->ctx;
  const double until = now() + (code ? PATIENCE_FAILED : PATIENCE);
  while (m->ended + 1 < r->size && now() < until)
    if (!take_end(r)) pause_briefly();
  if (m->how.code && !code) r->lost(r, m->from, m->how.code, m->how.why);
  return m->ended + 1 == r->size;
}

static void end_first(RtRanks *r, int code) {
  const Mpi *m = r->ctx;
  int32_t bye = code;
  if (!gather_ends(r, code)) abandon(r, code);
  for (int k = 1; k < r->size; k++) MPI_Send(&bye, sizeof bye, MPI_BYTE, k, BYE, m->control);
}

/* The code of rank 0: a launcher gives the first one that it sees, or a mixture. */
static int end_other(RtRanks *r, int code, const char *why) {
  const Mpi *m = r->ctx;
  Ended e = {.code = code};
  MPI_Request request[2];
  MPI_Status status[2];
  int32_t bye = 0;
  int done = 0;
  const double until = now() + PATIENCE;
  strncpy(e.why, why ? why : "", sizeof e.why - 1);
  MPI_Irecv(&bye, sizeof bye, MPI_BYTE, 0, BYE, m->control, &request[0]);
  MPI_Isend(&e, sizeof e, MPI_BYTE, 0, END, m->control, &request[1]);
  while (!done) {
    MPI_Testall(2, request, &done, status);
    if (!done && now() > until) abandon(r, code);
    if (!done) pause_briefly();
  }
  return bye;
}

static int end(RtRanks *r, int code, const char *why) {
  Mpi *m = r->ctx;
  int over = 0;
  MPI_Finalized(&over);
  if (over) return code; /* by who had started it */
  if (r->rank) code = end_other(r, code, why);
  else end_first(r, code);
  MPI_Comm_free(&m->data);
  MPI_Comm_free(&m->control);
  if (m->own) MPI_Finalize();
  free(m->request);
  free(m->status);
  free(m);
  r->ctx = NULL;
  return code;
}

static bool refuse(RtError *err, const char *why) {
  snprintf(err->text, sizeof err->text, "%s", why);
  return false;
}

__attribute__((visibility("default"))) bool rt_mpi_open(RtRanks *out, RtError *err);
bool rt_mpi_open(RtRanks *out, RtError *err) {
  int running = 0, over = 0, level = MPI_THREAD_SINGLE;
  Mpi *m = calloc(1, sizeof *m);
  if (!m) return refuse(err, "not enough memory");
  MPI_Initialized(&running);
  MPI_Finalized(&over);
  m->own = !running;
  if (over || (!running && MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS))
    return free(m), refuse(err, over ? "MPI was already finalized in this process" : "MPI cannot be started");
  MPI_Comm_dup(MPI_COMM_WORLD, &m->data);
  MPI_Comm_dup(MPI_COMM_WORLD, &m->control);
  *out = (RtRanks){.trade = trade, .end = end, .abandon = abandon, .ctx = m};
  MPI_Comm_rank(m->data, &out->rank);
  MPI_Comm_size(m->data, &out->size);
  return true;
}
