/* The sums of vectors of R = 2^k ranks, each of which has one, in the order of a binary tree over the ranks: neighbours are added first, then pairs of
 * neighbours, ... By recursive halving and doubling (Thakur, Rabenseifner, Gropp, Int. J. High Perform. Comput. Appl. 19(1), 2005): in round j of k
 * ranks r and r ^ 2^j swap halves of what they still hold, and each adds its own; then back in the opposite order, each gets the half that the other
 * has. a + b = b + a, to the bit, so that the order is that of the tree whoever adds. It takes 2 log2 R rounds: with a latency L and a bandwidth W,
 * for n bytes 2 (L log2 R + n/W (R - 1)/R). */
#include "runtime/runtime_priv.h"

/* Elements [from, to) that this rank still holds, and those of its partner in the round. */
typedef struct Halves {
  int64_t from, mid, to;
} Halves;

enum { MOST_ROUNDS = 32 };

static Halves halve(int64_t from, int64_t to, int64_t line) { return (Halves){from, from + (to - from) / line / 2 * line, to}; }

static RtPiece piece(const RtSum *s, int peer, char *base, int64_t from, int64_t to) {
  const size_t real = s->f64 ? 8 : 4;
  return (RtPiece){peer, base + (size_t)from * real, (size_t)(to - from) * real};
}

static void join(RtTold *all, const RtTold *other) {
  all->word |= other->word;
  for (int k = 0; k < 2; k++) all->steps[k] += other->steps[k];
}

void rt_ranks_sum(RtRanks *r, const RtSum *s, RtTold *told) {
  const int64_t line = 64 / (s->f64 ? 8 : 4);
  Halves half[MOST_ROUNDS];
  int round = 0;
  int64_t from = 0, to = s->n;
  for (int d = 1; d < r->size; d *= 2, round++) {
    const int peer = r->rank ^ d;
    const Halves h = half[round] = halve(from, to, line);
    const bool low = !(r->rank & d);
    RtTold theirs, ours = *told;
    from = low ? h.from : h.mid, to = low ? h.mid : h.to;
    const RtPiece out[2] = {{peer, &ours, sizeof ours}, piece(s, peer, s->v, low ? h.mid : h.from, low ? h.to : h.mid)};
    const RtPiece in[2] = {{peer, &theirs, sizeof theirs}, piece(s, peer, s->other, from, to)};
    rt_ranks_trade(r, out, 2, in, 2);
    join(told, &theirs);
    s->add(s->ctx, from, to);
  }
  for (int d = r->size / 2; d > 0; d /= 2) {
    const int peer = r->rank ^ d;
    const Halves h = half[--round];
    const bool low = !(r->rank & d);
    const RtPiece out = piece(s, peer, s->v, from, to);
    const RtPiece in = piece(s, peer, s->v, low ? h.mid : h.from, low ? h.to : h.mid);
    rt_ranks_trade(r, &out, 1, &in, 1);
    from = h.from, to = h.to;
  }
}
