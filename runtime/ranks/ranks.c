/* What ranks do together, from messages between two of them alone: so it works over whatever carries messages, and its cost is
 * known. Of R ranks, with a latency L and a bandwidth W:
 *   gather of n bytes in all: few bytes by dissemination (Bruck et al., IEEE TPDS 8(11), 1997), log2 R rounds: L log2 R + n/W;
 *   many by a ring, R - 1 rounds in which each passes on the part that it got last: L (R - 1) + n/W;
 *   broadcast: a binomial tree, (L + n/W) log2 R.
 * Parts lie in one buffer in the order of the ranks, and no rank adds anything: what is summed, and in which order, is up to the
 * caller (steppers/fn_exchange.c). */
#include "runtime/runtime_priv.h"

#include <stdlib.h>
#include <string.h>

enum { FEW_BYTES = 1 << 20 };

static void trade(RtRanks *r, const RtPiece *out, int nout, const RtPiece *in, int nin) {
  const double start = rt_now();
  r->trade(r, out, nout, in, nin);
  r->waited += rt_now() - start;
  for (int k = 0; k < nout; k++) r->sent += (double)out[k].n;
}

/* Parts from .. from + n - 1 (numbers modulo the ranks) as one or two runs of bytes. */
static int parts(RtRanks *r, char *buf, const size_t *at, int peer, int from, int n, RtPiece out[2]) {
  const int first = from % r->size, end = first + n;
  const int to = end < r->size ? end : r->size;
  int k = 0;
  out[k++] = (RtPiece){peer, buf + at[first], at[to] - at[first]};
  if (end > r->size) out[k++] = (RtPiece){peer, buf + at[0], at[end - r->size] - at[0]};
  return k;
}

/* After a round a rank has its own part and those of the `have` - 1 ranks behind it. */
static void disseminate(RtRanks *r, char *buf, const size_t *at) {
  for (int have = 1; have < r->size; have *= 2) {
    const int n = have < r->size - have ? have : r->size - have;
    const int to = (r->rank - have + r->size) % r->size, from = (r->rank + have) % r->size;
    RtPiece out[2], in[2];
    const int nout = parts(r, buf, at, to, r->rank, n, out), nin = parts(r, buf, at, from, from, n, in);
    trade(r, out, nout, in, nin);
  }
}

static void ring(RtRanks *r, char *buf, const size_t *at) {
  const int next = (r->rank + 1) % r->size, before = (r->rank + r->size - 1) % r->size;
  for (int k = 0; k + 1 < r->size; k++) {
    const int mine = (r->rank - k + r->size) % r->size, theirs = (mine - 1 + r->size) % r->size;
    trade(r, &(RtPiece){next, buf + at[mine], at[mine + 1] - at[mine]}, 1,
          &(RtPiece){before, buf + at[theirs], at[theirs + 1] - at[theirs]}, 1);
  }
}

void rt_ranks_gather(RtRanks *r, void *buf, const size_t *at) {
  (at[r->size] <= FEW_BYTES || r->size == 2 ? disseminate : ring)(r, buf, at);
}

void rt_ranks_gather_each(RtRanks *r, void *buf, size_t size) {
  size_t *at = calloc((size_t)r->size + 1, sizeof *at);
  if (!at) r->lost(r, r->rank, 4, "not enough memory");
  for (int k = 0; k <= r->size; k++) at[k] = (size_t)k * size;
  rt_ranks_gather(r, buf, at);
  free(at);
}

void rt_ranks_trade(RtRanks *r, const RtPiece *out, int nout, const RtPiece *in, int nin) { trade(r, out, nout, in, nin); }

void rt_ranks_broadcast(RtRanks *r, void *p, size_t n) {
  int bit = 1;
  while (bit < r->size && !(r->rank & bit)) bit *= 2;
  if (r->rank) trade(r, NULL, 0, &(RtPiece){r->rank - bit, p, n}, 1);
  for (bit /= 2; bit > 0; bit /= 2)
    if (r->rank + bit < r->size) trade(r, &(RtPiece){r->rank + bit, p, n}, 1, NULL, 0);
}

uint64_t rt_ranks_word(const RtRanks *r) { return r->asked && __atomic_load_n(r->asked, __ATOMIC_RELAXED); }

void rt_ranks_heard(RtRanks *r, uint64_t words) {
  r->stopping |= words & 1;
  r->heard++;
}

/* Of one word of each rank. */
bool rt_ranks_agree(RtRanks *r) {
  uint64_t *word = calloc((size_t)r->size + 1, sizeof *word);
  if (!word) r->lost(r, r->rank, 4, "not enough memory");
  word[r->rank] = rt_ranks_word(r);
  rt_ranks_gather_each(r, word, sizeof *word);
  for (int k = 1; k < r->size; k++) word[0] |= word[k];
  rt_ranks_heard(r, word[0]);
  free(word);
  return r->stopping;
}

void rt_ranks_wait(RtRanks *r) { (void)rt_ranks_agree(r); }
