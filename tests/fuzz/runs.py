#!/usr/bin/env python3
"""Damaged run directories, caches and data files, as the whole command meets them. runs.py HNNC [--count N] [--seconds S] [--seed K]
[--out FOLDER] [--kinds manifest,checkpoint,...]

A small run is made once. Then one of its files is changed, and the run is gone on with, or made again: what ends well must have
the bits of the run that nothing happened to, anything else must be refused with a message. No crash, no sanitizer's report, no
more than 10 s. What fails is left in FOLDER as a directory, with the command in `command`."""
import argparse
import collections
import copy
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

MODEL = """precision f64
data d = read("t.csv", x = 0, y = 1)
net f(x: real) {
  param a: real = 1
  param b: real[2] ~ normal(0, 1)
  return a*x + sum(b)*x^2
}
loss l(x, y) = (f(x) - y)^2
report before = f(2)
train l on d {
  optimizer = adam(lr = 1e-2)
  batch = 2
  steps = 30
  every = 10
}
report after = f(x) on d
loss again(x, y) = l(x, y) + 1
train again on d {
  optimizer = sgd(lr = 1e-3)
  batch = all
  steps = 20
  every = 10
}
report last = f(x) on d
expect after < 100
"""
TABLE = "x,y\n" + "".join("%d,%g\n" % (k, 0.3*k*k + k) for k in range(6))
ODD = [None, True, False, 0, -1, 1, 2**31, 2**32, 2**63 - 1, -2**63, 1.5, 1e308, "", "x", "../../x", "a\nb", "\0", "%s%n", [], {}, [[]], [1]*9, ["x=1"], [None]]
WORDS = [b"0", b"-1", b"1e999", b"nan", b"", b",", b"\n", b"\"", b"{", b"}", b"null", b"\xff", b"9223372036854775808"]


# ---- damage -----------------------------------------------------------------------------------------------------------

def of_bytes(b, rng):
    b = bytearray(b)
    at = rng.randrange(len(b) + 1)
    how = rng.randrange(5)
    if how == 0:
        return bytes(b[:at])
    if how == 1 and at < len(b):
        b[at] ^= 1 << rng.randrange(8)
    elif how == 2:
        b[at:at + rng.randrange(4)] = rng.choice(WORDS)
    elif how == 3:
        n = rng.randrange(20)
        b[at:at] = b[rng.randrange(len(b) + 1):][:n]
    else:
        b[at:at + rng.randrange(40)] = b""
    return bytes(b)


def places(v, path=()):
    yield path
    for k in (v if isinstance(v, dict) else range(len(v)) if isinstance(v, list) else ()):
        yield from places(v[k], path + (k,))


def of_json(b, rng):
    """One value is another, is missing, or has another key."""
    top = json.loads(b)
    path = rng.choice(list(places(top))[1:])
    v = top
    for k in path[:-1]:
        v = v[k]
    how = rng.randrange(4)
    if how == 0:
        del v[path[-1]]
    elif how == 1 and isinstance(v, dict):
        v[rng.choice(["", "model", "seed", "x", "status"])] = v.pop(path[-1])
    elif how == 2 and isinstance(v[path[-1]], (int, float)) and not isinstance(v[path[-1]], bool):
        v[path[-1]] += rng.choice([1, -1, 0.5, 2**32])
    else:
        v[path[-1]] = copy.deepcopy(rng.choice(ODD))
    return json.dumps(top).encode()


def of_text_or_json(b, rng):
    if rng.random() < 0.3:
        return of_bytes(b, rng)
    try:
        return of_json(b, rng)
    except ValueError:
        return of_bytes(b, rng)


def of_checkpoint(b, rng):
    if rng.random() < 0.5:
        return of_bytes(b, rng)
    n = struct.unpack("<Q", b[:8])[0]
    head = of_text_or_json(b[8:8 + n], rng)
    length = len(head) if rng.random() < 0.8 else rng.choice([0, 1, 2**32, 2**63, 2**64 - 1, len(head) + 1])
    return struct.pack("<Q", length) + head + b[8 + n:]


# ---- what is run ---------------------------------------------------------------------------------------------------------

class Fuzz:
    def __init__(self, hnnc, folder, out):
        self.hnnc, self.folder, self.out = hnnc, folder, out
        self.tried, self.ended, self.found = collections.Counter(), collections.Counter(), 0
        self.start = os.path.join(folder, "start")
        os.mkdir(self.start)
        for name, text in ("m.hnn", MODEL), ("t.csv", TABLE):
            with open(os.path.join(self.start, name), "w", encoding="utf-8") as f:
                f.write(text)
        code, text = self.call(self.start, "run", "m.hnn", "--out", "r", "-q")
        assert code == 0, text
        self.want = self.end(self.start)
        self.checkpoints = sorted(f for f in os.listdir(self.start + "/r/checkpoints") if f.startswith("step"))
        assert len(self.checkpoints) > 1 and self.want, self.checkpoints

    def call(self, at, *args):
        env = dict(os.environ, HNNC_CACHE_DIR=os.path.join(at, "cache"), ASAN_OPTIONS="detect_leaks=0:exitcode=99:" + os.environ.get("ASAN_OPTIONS", ""),
                   UBSAN_OPTIONS="halt_on_error=1:exitcode=99")
        try:
            p = subprocess.run([self.hnnc, *args], cwd=at, env=env, timeout=10, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            return "hang", "longer than 10 s"
        return p.returncode, p.stdout.decode("utf-8", "replace")

    def end(self, at):
        """The bits that a run ends with."""
        got = []
        for name in "r/checkpoints/last", "r/reports.json":
            try:
                with open(os.path.join(at, name), "rb") as f:
                    got.append(f.read())
            except OSError:
                got.append(None)
        return got

    def fail(self, kind, at, command, what):
        self.found += 1
        keep = os.path.join(self.out, "run-%s-%d" % (kind, self.found))
        shutil.rmtree(keep, ignore_errors=True)
        shutil.copytree(at, keep, symlinks=True)
        with open(os.path.join(keep, "command"), "w", encoding="utf-8") as f:
            f.write("HNNC_CACHE_DIR=cache %s %s\n\n%s" % (self.hnnc, " ".join(command), what))
        print("%s: %s\n%s" % (kind, keep, what[:2000]), flush=True)

    def one(self, kind, rng):
        at = os.path.join(self.folder, "at")
        shutil.rmtree(at, ignore_errors=True)
        shutil.copytree(self.start, at, symlinks=True)
        name, damage = self.target(kind, at, rng)
        with open(name, "rb") as f:
            old = f.read()
        new = damage(old, rng) if old else b"x"
        with open(name, "wb") as f:
            f.write(new)
        if kind in ("cache", "data"):
            command = ("run", "m.hnn", "--out", "r", "-q")
        else:
            command = ("resume", "r/checkpoints/" + (self.picked or rng.choice(self.checkpoints[:-1])), "-q")
        code, text = self.call(at, *command)
        self.tried[kind] += 1
        if code not in (0, 1, 2, 3, 4) or "Sanitizer" in text or "runtime error" in text or "internal error" in text:
            self.fail(kind, at, command, "exit code %s\n%s" % (code, text))
        elif code and not text.strip():
            self.fail(kind, at, command, "exit code %s without a message" % code)
        elif code == 0:
            self.ended[kind] += 1
            if kind != "data" and self.end(at) != self.want:
                self.fail(kind, at, command, "another result")
        elif kind == "cache":
            self.fail(kind, at, command, "a damaged cache is no reason to fail: exit code %s\n%s" % (code, text))

    def target(self, kind, at, rng):
        self.picked = None
        if kind == "checkpoint":
            self.picked = rng.choice(self.checkpoints[:-1])
            return os.path.join(at, "r/checkpoints", self.picked), of_checkpoint
        if kind == "cache":
            folder = os.path.join(at, "cache")
            return os.path.join(folder, rng.choice(sorted(os.listdir(folder)))), of_bytes
        if kind == "data":
            return os.path.join(at, "t.csv"), of_bytes
        return os.path.join(at, "r", {"manifest": "manifest.json", "reports": "reports.json", "metrics": "metrics.jsonl", "model": "model.hnn"}[kind]), of_text_or_json


KINDS = ["manifest", "checkpoint", "cache", "data", "reports", "metrics", "model"]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("hnnc")
    p.add_argument("--count", type=int, default=70)
    p.add_argument("--seconds", type=float, default=0, help="as many as this time allows, instead of a count")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--kinds", default=",".join(KINDS))
    p.add_argument("--out", default=".")
    args = p.parse_args()
    folder = tempfile.mkdtemp(prefix="hnnc-fuzz-runs-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    begin, n, kinds = time.time(), 0, args.kinds.split(",")
    try:
        fuzz = Fuzz(os.path.abspath(args.hnnc), folder, os.path.abspath(args.out))
        while time.time() - begin < args.seconds if args.seconds else n < args.count:
            fuzz.one(kinds[n % len(kinds)], random.Random("%d %d" % (args.seed, n)))
            n += 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for k in kinds:
        print("%-11s %6d, of which %6d ended as if nothing had happened" % (k, fuzz.tried[k], fuzz.ended[k]))
    print("%d executions" % n)
    print("%d passed, %d failed" % (n - fuzz.found, fuzz.found))
    return 1 if fuzz.found else 0


if __name__ == "__main__":
    sys.exit(main())
