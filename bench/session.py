"""One workload on a set of cores: prepared, checked against each peer, and measured in pairs with it."""
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np

from machine import load
from measure import HERE, Disagreement, Process, Refused, agree, environment, pairs, python_of, spread
from peers import PEERS, hnnc_peer
from workloads import error

COMPILE_LIMIT, CHECK_LIMIT, ROUND_LIMIT = 900, 180, 120        # seconds that a peer may take
OTHER_METHOD = 2e-2                                            # how far a peer of another method may be from ours


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Hnnc:
    """The command, with a cache of its own, pinned."""

    def __init__(self, path, work):
        self.path, self.work = os.path.abspath(path), work
        self.cache = os.path.join(work, "cache")
        shutil.rmtree(self.cache, ignore_errors=True)          # of earlier measurements: what is cold must be cold
        self.loop = os.path.join(work, "loop.so")
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", os.path.join(HERE, "loop.c"), "-o", self.loop],
                       check=True)

    def run(self, *args, cores, limit=300):
        done = subprocess.run([self.path, *args], capture_output=True, text=True, timeout=limit,
                              env=dict(environment(cores), HNNC_CACHE_DIR=self.cache),
                              preexec_fn=lambda: os.sched_setaffinity(0, cores))
        if done.returncode:
            raise RuntimeError(f"hnnc {' '.join(args)} ended with {done.returncode}: {done.stderr.strip()[:400]}")
        return done.stdout

    def bench(self, model, cores, *more):
        return json.loads(self.run("bench", model, "--threads", str(len(cores)), "--json", *more, cores=cores))

    def train(self, model, folder, cores, *more):
        """The losses of `hnnc run`, and its seconds to the first step."""
        out = os.path.join(folder, "run")
        shutil.rmtree(out, ignore_errors=True)
        self.run("run", model, "--out", out, "--threads", str(len(cores)), "-q", *more, cores=cores)
        with open(os.path.join(out, "metrics.jsonl"), encoding="utf-8") as f:
            losses = [json.loads(line)["loss"] for line in f]
        with open(os.path.join(out, "manifest.json"), encoding="utf-8") as f:
            return losses, json.load(f)["seconds_to_first_step"]


def prepare(w, hnnc):
    """The folder from which hnnc and all peers read: model, data, start parameters, spec; the start parameters."""
    folder = os.path.join(hnnc.work, w.name)
    os.makedirs(folder, exist_ok=True)
    np.savez(os.path.join(folder, "data.npz"), **w.data)
    model = os.path.join(folder, "step.hnn")
    with open(model, "w", encoding="utf-8") as f:
        f.write(w.model)
    said = hnnc.run("compile", model, cores=os.sched_getaffinity(0))
    flop = re.search(rf"^\s*{w.entry}\s+(\d+) FLOP a sample", said, re.M)
    start = hnnc_peer.read_start(folder)
    np.savez(os.path.join(folder, "start.npz"), **{f"{k:03d}": v for k, (_, v) in enumerate(start)})
    spec = {"hnnc": hnnc.path, "loop": hnnc.loop, "family": w.family, "kind": w.kind, "precision": w.precision,
            "entry": w.entry, "steps": w.steps, "config": w.config, "quality": None,
            "out": [w.batch, w.out or sum(a.shape[1] for a in w.data.values())] if w.kind == "call" else None}
    write_spec(folder, spec)
    return folder, model, spec, int(flop.group(1)) * w.batch if flop else None, [v for _, v in start]


def write_spec(folder, spec):
    with open(os.path.join(folder, "spec.json"), "w", encoding="utf-8") as f:
        json.dump(spec, f)


def same_result(name, w, reference, values):
    """How far the peer is from hnnc. One of another method must be as accurate, and near."""
    try:
        if not w.exact:
            return {"difference": agree(name, reference, values, w.rtol)}
    except Disagreement:
        if name != "heyoka":
            raise
    far = agree(name, reference, values, OTHER_METHOD)
    if w.quality and w.quality(values) > w.quality(reference) * (10 if w.exact else 1):
        raise Disagreement(f"{name} has an error of {w.quality(values):.1e}, hnnc {w.quality(reference):.1e}")
    return {"difference": far, "error": w.quality(values) if w.quality else None}


def fresh(folder, name):
    """A folder that is not there yet: what a peer keeps of an earlier compilation must not help it."""
    path = os.path.join(folder, name)
    shutil.rmtree(path, ignore_errors=True)
    return path


def measure_peer(name, w, folder, cores, ours, reference, options):
    module, venv, _ = PEERS[name]
    python = python_of(venv)
    if not python:
        return {"missing": f"bench/venv/{venv} is not there: run bench/setup"}
    log = os.path.join(folder, f"{name}.log")
    before, rounds = load(), options.rounds if runs_in_library(w, cores) else max(3, options.rounds // 2)
    try:
        with Process(module, python, cores, log, {"TORCHINDUCTOR_CACHE_DIR": fresh(folder, "inductor"),
                                                "TORCHINDUCTOR_COMPILE_THREADS": "1"}) as peer:
            loaded = peer.ask(COMPILE_LIMIT, do="load", folder=folder)
            found = same_result(name, w, reference, peer.ask(CHECK_LIMIT, do="check")["values"])
            theirs = lambda: peer.ask(ROUND_LIMIT, do="time", seconds=options.seconds)[clock(cores, options)]
            theirs()
            found.update(pairs(ours, theirs, rounds), compile_s=loaded["compile_s"], versions=loaded["versions"],
                         peak_mb=peer.ask(10, do="memory")["peak_mb"], load=max(before, load()))
            return found
    except Refused as e:
        return {"missing": str(e)}
    except Disagreement as e:
        return {"disagrees": str(e)}


def clock(cores, options):
    """On one core the processor time of a process is what it would take there alone, without what others take of it."""
    return options.clock if len(cores) == 1 else "wall"


def runs_in_library(w, cores):
    return w.kind == "call" or len(cores) == 1


def ours_for(w, hnnc, model, folder, cores, worker, options):
    """What measures seconds a step of hnnc. A library trains on one thread, so on more it is `hnnc bench`, whose step is
    that of `hnnc run`; its losses are checked against the library's first. It measures for seconds by itself, so of it
    there are half as many rounds, three at least."""
    if runs_in_library(w, cores):
        return lambda: worker.ask(ROUND_LIMIT, do="time", seconds=options.seconds)[clock(cores, options)]
    return lambda: hnnc.bench(model, cores)["us_per_step"] * 1e-6


def run_workload(w, hnnc, cores, names, options, peaks):
    say(f"{w.name} on {len(cores)} core{'s' if len(cores) > 1 else ''}, load {load():.2f}")
    folder, model, spec, flop, start = prepare(w, hnnc)
    result = {"workload": w.name, "cores": len(cores), "clock": clock(cores, options), "precision": w.precision, "unit": w.unit, "per": w.per * w.scale,
              "reach": w.reach, "load": load(), "peers": {}}
    with Process("peers.hnnc_peer", sys.executable, cores, os.path.join(folder, "hnnc.log")) as worker:
        worker.ask(COMPILE_LIMIT, do="load", folder=folder)
        reference = worker.ask(CHECK_LIMIT, do="check")["values"]
        if w.exact:
            right = w.exact(start)
            np.save(os.path.join(folder, "right.npy"), right)
            w.quality = lambda values: error(values, right)
        if w.quality:
            spec["quality"] = result["quality"] = w.quality(reference)
            write_spec(folder, spec)
        if w.kind == "train":
            losses, cold = hnnc.train(model, folder, cores, "--no-cache")
            result["run_difference"] = agree("hnnc run", reference, losses, w.rtol)
            hnnc.train(model, folder, cores)
            cached = hnnc.train(model, folder, cores)[1]
            figures = hnnc.bench(model, cores)
            flop, peaks[w.precision, len(cores)] = figures["flop_per_step"], figures["peak_gflops"]
            result["hnnc_bench_s"] = figures["us_per_step"] * 1e-6
            result.update(cold_s=cold, cached_s=cached)
        ours = ours_for(w, hnnc, model, folder, cores, worker, options)
        ours()
        for name in names:
            result["peers"][name] = r = measure_peer(name, w, folder, cores, ours, reference, options)
            say(f"  {name:14}", f"{r['ratio']['median']:8.2f} times hnnc's {r['hnnc_s']['median'] * 1e6:.4g} µs" +
                (f", error {r['error']:.1e}, hnnc {result['quality']:.1e}" if r.get("error") else "")
                if "ratio" in r else r.get("missing") or "DISAGREES: " + r["disagrees"])
        rounds = [t for r in result["peers"].values() for t in r.get("hnnc_rounds", [])]
        result["hnnc_s"] = spread(rounds or [ours() for _ in range(options.rounds)])
        result["hnnc_peak_mb"] = worker.ask(10, do="memory")["peak_mb"]
    result["flop"], result["peak_gflops"] = flop, peaks.get((w.precision, len(cores)))
    if flop and result["peak_gflops"]:
        result["gflops"] = flop / result["hnnc_s"]["median"] * 1e-9
        result["share"] = result["gflops"] / result["peak_gflops"]
    return result
