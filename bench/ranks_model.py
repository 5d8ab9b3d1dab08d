#!/usr/bin/env python3
"""When do ranks pay: the time of a training step on R ranks, from what the code sends.

    bench/ranks_model.py                                      # the tables of docs/scaling-out.md
    bench/ranks_model.py --check docs/scaling-out.md          # the page has them as they are
    bench/ranks_model.py --params 41001 --batch 1125 --ranks 4 --latency 5e-3 --rate 1e9      # one case: rounds, bytes, times

A step is compute + exchange + update. Compute is that of the rank with the most chunks (runtime/steppers/fn.c says how many there are,
fn_ranks.c who has which); the exchange is that of fn_exchange.c, runtime/ranks/sum.c and ranks.c: its rounds, each a latency, and the bytes that a
rank sends. The constants are read from these files. Over TCP a message that the MPI announces first takes three latencies.
"""
import argparse
import difflib
import math
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
HEADER = 64                     # bytes before the sums of a rank
FLOP_A_PARAMETER = 12           # of the gradient of a loss with a gradient of a network, for each parameter and sample: pendulum.hnn has 11.9
GFLOPS = 400                    # of a core of a Zen 5, f32
UPDATE_S = 0.5e-9               # a parameter: Adam, and the sums of other ranks
NETWORKS = [("InfiniBand", 2e-6, 12e9), ("25 Gbit/s Ethernet", 15e-6, 3e9), ("10 Gbit/s Ethernet, TCP", 50e-6, 1.2e9), ("1 Gbit/s Ethernet, TCP", 100e-6, 0.12e9),
            ("between sites", 5e-3, 0.1e9)]


def constant(file, name):
    text = open(os.path.join(ROOT, file), encoding="utf-8").read()
    value = re.search(r"\b%s\s*=\s*(\d+(?:\s*<<\s*\d+)?)" % name, text).group(1)
    return eval(value, {})


FN, ACROSS, EXCHANGE, RANKS, MPI = ("runtime/steppers/fn.c", "runtime/steppers/fn_ranks.c", "runtime/steppers/fn_exchange.c", "runtime/ranks/ranks.c", "runtime/mpi/mpi.c")
MAX_CHUNKS, CHUNK_FLOP, CHUNK_FLOP_PER_SUM = (constant(FN, k) for k in ("MAX_CHUNKS", "CHUNK_FLOP", "CHUNK_FLOP_PER_SUM"))
LEAST_FLOP, SWAP_BYTES = constant(ACROSS, "LEAST_FLOP"), constant(EXCHANGE, "SWAP_BYTES")
FEW_BYTES = constant(RANKS, "FEW_BYTES")
PIECES_BYTES = constant(MPI, "PIECES_BYTES")


def chunks_of(flop, sums):
    least, c = max(CHUNK_FLOP, CHUNK_FLOP_PER_SUM*sums), 1
    while 2*c <= MAX_CHUNKS and 2*c <= flop/least:
        c *= 2
    return c


def nodes(chunks, rank, ranks):
    """Whole nodes of the tree that a rank's chunks are made of."""
    c, end, n = chunks*rank//ranks, chunks*(rank + 1)//ranks, 0
    while c < end:
        size = 1
        while c % (2*size) == 0 and c + 2*size <= end:
            size *= 2
        c, n = c + size, n + 1
    return n


def gather(total, ranks):
    """Of `total` bytes that lie with all: (length of the messages of each round)."""
    part = total/ranks
    if total <= FEW_BYTES or ranks == 2:
        have = [1 << k for k in range(math.ceil(math.log2(ranks)))]
        return [part*min(h, ranks - h) for h in have]
    return (ranks - 1)*[part]


def exchange(sums, real, chunks, ranks):
    """Messages of each round, bytes that the rank with the most sends."""
    count = [nodes(chunks, r, ranks) for r in range(ranks)]
    most, total = max(count), sum(count)*sums*real
    if ranks == 2 or total <= SWAP_BYTES:
        rounds = gather(total + ranks*HEADER, ranks)
        return rounds, sum(rounds)
    if sum(count) == ranks <= chunks and ranks & (ranks - 1) == 0:
        rounds = [sums*real/d for d in (1 << k for k in range(1, ranks.bit_length()))]
        return rounds + rounds[::-1], 2*sum(rounds) + len(rounds)*HEADER
    part = sums*real/ranks
    rounds = gather(sums*real, ranks)
    return [part] + rounds, (ranks - 1)*(HEADER + most*part) + sum(rounds)


def step(flop, params, batch, ranks, latency, rate, threads=1, real=4, gflops=GFLOPS):
    """(compute, exchange) in seconds; rounds; bytes."""
    sums = (params + 1 + 15)//16*16
    chunks = chunks_of(flop*batch, sums)
    whole = flop*batch/(gflops*1e9)
    alone = whole*-(-chunks//threads)/chunks + UPDATE_S*params
    if ranks == 1 or chunks < 2 or flop*batch < LEAST_FLOP:
        return alone, 0.0, 0, 0
    rounds, sent = exchange(sums, real, chunks, ranks)
    compute = whole*-(-(-(-chunks//ranks))//threads)/chunks + UPDATE_S*params
    waits = sum(3 if n > PIECES_BYTES else 1 for n in rounds)
    return compute, waits*latency + sent/rate, len(rounds), sent


def best(flop, params, batch, latency, rate, threads):
    """The least number of ranks, up to 1024, within 10 % of the fastest; how many times as fast as one; the most of which each does half of
    what it could. Ranks without a chunk would only pass on slices: they are no answer."""
    one = sum(step(flop, params, batch, 1, latency, rate, threads)[:2])
    gain = {r: one/sum(step(flop, params, batch, r, latency, rate, threads)[:2]) for r in (1 << k for k in range(11)) if r <= MAX_CHUNKS}
    fastest = min(r for r in gain if gain[r] >= 0.9*max(gain.values()))
    return fastest, gain[fastest], max(r for r in gain if gain[r] >= 0.5*r and (r == 1 or gain[r] > 1))


def table(params, threads):
    yield "| batch | %s |" % " | ".join(name for name, _, _ in NETWORKS)
    yield "| ---: |" + " ---: |"*len(NETWORKS)
    for batch in (64, 256, 1024, 4096, 16384, 65536, 262144):
        cells = []
        for _, latency, rate in NETWORKS:
            fastest, gain, half = best(FLOP_A_PARAMETER*params, params, batch, latency, rate, threads)
            cells.append("1" if fastest == 1 else "%d: %.1f× (%d)" % (fastest, gain, half))
        yield "| %d | %s |" % (batch, " | ".join(cells))


def tables():
    for name, params, threads in (("2-64-64-1, 4417 parameters, ranks of one core", 4417, 1), ("2-200-200-1, 41,001 parameters, ranks of one core", 41001, 1),
                                  ("2-200-200-1, ranks of 8 cores", 41001, 8), ("2-1000-1000-1, 1,005,001 parameters, ranks of one core", 1005001, 1)):
        yield "**%s**" % name
        yield ""
        yield from table(params, threads)
        yield ""


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--check", metavar="PAGE")
    p.add_argument("--params", type=int)
    p.add_argument("--flop", type=float, help="of a sample; default 12 for each parameter")
    p.add_argument("--batch", type=int, default=1024)
    p.add_argument("--ranks", type=int, default=2)
    p.add_argument("--threads", type=int, default=1, help="cores of a rank")
    p.add_argument("--gflops", type=float, default=GFLOPS, help="of a core")
    p.add_argument("--latency", type=float, default=50e-6, help="seconds, one way")
    p.add_argument("--rate", type=float, default=1.2e9, help="bytes a second")
    a = p.parse_args()
    if a.params:
        flop = a.flop or FLOP_A_PARAMETER*a.params
        one = sum(step(flop, a.params, a.batch, 1, a.latency, a.rate, a.threads, gflops=a.gflops)[:2])
        compute, swap, rounds, sent = step(flop, a.params, a.batch, a.ranks, a.latency, a.rate, a.threads, gflops=a.gflops)
        print("one rank %.1f us; %d ranks %.1f us: compute %.1f, exchange %.1f (%d rounds, %.1f kB from a rank)"
              % (1e6*one, a.ranks, 1e6*(compute + swap), 1e6*compute, 1e6*swap, rounds, sent/1e3))
        return
    text = "\n".join(tables()) + "\n"
    if not a.check:
        sys.stdout.write(text)
        return
    page = open(a.check, encoding="utf-8").read()
    found = re.search(r"<!-- bench/ranks_model.py -->\n(.*?)<!-- end -->", page, re.S)
    if not found or found.group(1) != text:
        sys.stdout.writelines(difflib.unified_diff((found.group(1) if found else "").splitlines(True), text.splitlines(True), a.check, "bench/ranks_model.py"))
        sys.exit("%s: the tables between `<!-- bench/ranks_model.py -->` and `<!-- end -->` are not those of bench/ranks_model.py" % a.check)


if __name__ == "__main__":
    main()
