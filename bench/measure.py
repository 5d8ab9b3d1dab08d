"""Processes of peers, and pairs of measurements taken in turn.

A comparison is first a check, that both sides compute the same, and then rounds: hnnc, peer, hnnc, peer, ... Each pair
gives a ratio; what is reported is their median, with the lowest and the highest as the spread, so that what slows the
machine down for a while hits both sides of a pair.
"""
import json
import os
import select
import statistics
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


class Refused(Exception):
    """The peer cannot do it, for the reason given."""


class Disagreement(Exception):
    """The two sides do not compute the same: no time counts."""


def environment(cores):
    n = str(len(cores))
    env = dict(os.environ, OMP_NUM_THREADS=n, OPENBLAS_NUM_THREADS=n, MKL_NUM_THREADS=n, PYTHONPATH=HERE,
               TF_CPP_MIN_LOG_LEVEL="2")
    if len(cores) == 1:
        env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return env


class Process:
    """peers/worker.py with one peer, pinned to `cores`. Every request has a time limit."""

    def __init__(self, module, python, cores, log, more=None):
        self.log = open(log, "w", encoding="utf-8")
        self.p = subprocess.Popen([python, "-m", "peers.worker", module], cwd=HERE, env={**environment(cores), **(more or {})},
                                  text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                  preexec_fn=lambda: os.sched_setaffinity(0, cores))
        self.answer(120)

    def answer(self, limit):
        if not select.select([self.p.stdout], [], [], limit)[0]:
            self.close()
            raise Refused(f"took longer than {limit:.0f} s")
        line = self.p.stdout.readline()
        if not line:
            code = self.p.wait()
            raise Refused(f"its process ended with code {code}; see {os.path.relpath(self.log.name)}")
        got = json.loads(line)
        if "missing" in got or "error" in got:
            raise Refused(got.get("missing") or got["error"])
        return got

    def ask(self, limit, **request):
        try:
            self.p.stdin.write(json.dumps(request) + "\n")
            self.p.stdin.flush()
        except BrokenPipeError:
            pass                                  # the answer says why
        return self.answer(limit)

    def close(self):
        self.p.kill()
        self.p.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def python_of(folder):
    path = os.path.join(HERE, "venv", folder, "bin", "python")
    return path if os.path.exists(path) else sys.executable if not folder else None


def agree(name, want, got, rtol):
    """The largest difference, as a share of the largest value; Disagreement if it is above rtol."""
    want, got = np.asarray(want), np.asarray(got)
    if want.shape != got.shape:
        raise Disagreement(f"{name} gives {got.size} numbers, hnnc {want.size}")
    worst = float(np.max(np.abs(want - got)) / np.max(np.abs(want)))
    if not worst <= rtol:
        raise Disagreement(f"{name} differs from hnnc by {worst:.2e} of the largest value, more than {rtol:.0e}")
    return worst


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def pairs(ours, theirs, rounds):
    """ours, theirs: functions that measure seconds a step. The order within a pair changes from pair to pair."""
    a, b = [], []
    for k in range(rounds):
        for times, measure in ((a, ours), (b, theirs))[::1 if k % 2 else -1]:
            times.append(measure())
    return {"hnnc_s": spread(a), "peer_s": spread(b), "ratio": spread([y / x for x, y in zip(a, b)]),
            "hnnc_rounds": a, "peer_rounds": b}
