/* See ranks_util.h. */
#include "tests/common/ranks_util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 64 };

typedef struct Wires {
  int fd[MOST];
} Wires;

typedef struct Queue { /* the pieces of one direction that are not done yet */
  const RtPiece *p;
  int n;
  size_t *done;
} Queue;

/* The first piece of a peer that is not done; n: none. */
static int first_of(const Queue *q, int peer) {
  int k = 0;
  while (k < q->n && (q->p[k].peer != peer || q->done[k] == q->p[k].n)) k++;
  return k;
}

static void move(RtRanks *r, const Queue *q, int peer, int fd, bool in) {
  const int k = first_of(q, peer);
  if (k == q->n) return;
  char *at = (char *)q->p[k].p + q->done[k];
  const size_t left = q->p[k].n - q->done[k];
  const ssize_t n = in ? recv(fd, at, left, MSG_DONTWAIT) : send(fd, at, left, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n > 0) q->done[k] += (size_t)n;
  else if (n == 0 || (errno != EAGAIN && errno != EINTR)) r->lost(r, peer, 0, "");
}

static void trade(RtRanks *r, const RtPiece *out, int nout, const RtPiece *in, int nin) {
  const Wires *w = r->ctx;
  size_t *done = calloc((size_t)(nout + nin) + 1, sizeof *done);
  const Queue send = {out, nout, done}, take = {in, nin, done + nout};
  for (;;) {
    struct pollfd p[MOST];
    int n = 0;
    for (int k = 0; k < r->size; k++) {
      if (k == r->rank) continue;
      const short events = (short)((first_of(&send, k) < nout ? POLLOUT : 0) | (first_of(&take, k) < nin ? POLLIN : 0));
      if (events) p[n++] = (struct pollfd){w->fd[k], events, 0};
    }
    if (!n) break;
    poll(p, (nfds_t)n, -1);
    for (int i = 0; i < n; i++)
      for (int k = 0; k < r->size; k++) {
        if (k == r->rank || w->fd[k] != p[i].fd) continue;
        if (p[i].revents & POLLOUT) move(r, &send, k, p[i].fd, false);
        if (p[i].revents & (POLLIN | POLLHUP | POLLERR)) move(r, &take, k, p[i].fd, true);
      }
  }
  free(done);
}

static void on_lost(RtRanks *r, int from, int code, const char *why) {
  (void)r, (void)from, (void)code, (void)why;
  _exit(RANKS_LOST);
}

bool ranks_run(int size, int (*body)(RtRanks *r, void *ctx), void *ctx, int *code) {
  static int fd[MOST][MOST];
  pid_t pid[MOST];
  for (int a = 0; a < size; a++)
    for (int b = 0; b < a; b++) {
      int pair[2];
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) return false;
      fd[a][b] = pair[0], fd[b][a] = pair[1];
    }
  for (int k = 0; k < size; k++) {
    if ((pid[k] = fork()) < 0) return false;
    if (pid[k]) continue;
    Wires w = {{0}};
    for (int a = 0; a < size; a++)
      for (int b = 0; b < size; b++)
        if (a == k && b != k) w.fd[b] = fd[a][b];
        else if (a != b) close(fd[a][b]);
    RtRanks r = {.rank = k, .size = size, .trade = trade, .lost = on_lost, .ctx = &w};
    _exit(body(&r, ctx));
  }
  for (int a = 0; a < size; a++)
    for (int b = 0; b < size; b++)
      if (a != b) close(fd[a][b]);
  for (int k = 0; k < size; k++) {
    int status = 0;
    waitpid(pid[k], &status, 0);
    code[k] = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  return true;
}
