#!/usr/bin/env python3
"""Differential tests: random programs, compiled by hnnc and carried out by a reference that shares nothing with it.

  tests/differential/run.py HNNC [--count N] [--seconds S] [--first K] [--kinds algebra,flows] [--seed S] [--no-shrink] [--out DIR] [--ranks "mpirun -n 3"]

writes N programs (seeds K, K + 1, ...), compiles them as libraries in f32 and f64, calls each function on batches of 1 to 100
samples, and compares every number with the reference's, within a bound of rounding that the reference computes along (scalar.py).
Trainings make a few steps; runs (`hnnc run`, data from an .npz) are made with one thread and with two. Nothing but Python is needed. A program that differs is shrunk and printed with its seed;
`--seed S` does one again, `--show S` prints its text. Exit 1 if anything differs.

The files: syntax.py reads programs, interp.py, builtins_of_language.py and flows.py carry them out on graph.py's nodes,
methods.py integrates, training.py has the optimizers, scalar.py and tensor.py the numbers; generate.py writes programs, native.py
compiles and calls them, check.py and whole_run.py compare, shrink.py makes them small."""
import argparse
import collections
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.setrecursionlimit(100000)

import check
import generate
import interp
import native
import shrink
import whole_run

GROUP = 10                     # programs in one file


def fails(hnnc, case, folder):
    """The differences of one case compiled alone, as texts by kind."""
    try:
        if case.kind == "runs":
            return {d.what: d for d in check.check_run(hnnc, case, folder, check.Tally())}
        libraries = check.compiled(hnnc, case.compiled or case.text, folder)
    except native.Failed as e:
        if e.code == 1:
            return {"refused": check.Difference(case, "refused", e.text)}
        return {"crash": check.Difference(case, "crash", str(e))}
    try:
        return {d.what: d for d in check.check_case(case, libraries, check.Tally())}
    finally:
        for lib in libraries:
            lib.close()


def smaller(hnnc, case, what, folder):
    """The case shrunk to what still shows the difference `what`."""
    def still(text):
        try:
            c = generate.Case(case.seed, case.kind, text, case.calls, case.special, case.train)
            return what in fails(hnnc, c, folder)
        except Exception:                # the text is no program any more
            return False
    return shrink.shrink(case.text, still)


class Runner:
    def __init__(self, args, folder):
        self.args, self.folder, self.tally = args, folder, check.Tally()
        self.found, self.kinds = [], collections.Counter()

    def report(self, d):
        if d.what == "refused" and not self.args.refused:
            self.tally.refused += 1
            if self.args.verbose:
                print("refused %s: %s" % (d.case.seed, d.text.split("\n")[0]), flush=True)
            return
        self.found.append(d)
        print("\n%s" % d, flush=True)
        text = d.case.text
        if self.args.shrink and d.what != "missing":
            text = smaller(self.args.hnnc, d.case, d.what, self.folder)
            again = fails(self.args.hnnc, generate.Case(d.case.seed, d.case.kind, text, d.case.calls, d.case.special, d.case.train), self.folder)
            print("shrunk: %s" % again.get(d.what, "(not again)"))
        print(text, flush=True)

    def alone(self, case):
        for d in fails(self.args.hnnc, case, self.folder).values():
            self.report(d)

    def group(self, cases):
        for c in [c for c in cases if c.kind == "runs"]:
            try:
                for d in check.check_run(self.args.hnnc, c, self.folder, self.tally):
                    self.report(d)
            except native.Failed as e:
                self.report(check.Difference(c, "refused" if e.code == 1 else "crash", str(e)))
        self.libraries([c for c in cases if c.kind != "runs"])

    def libraries(self, cases):
        if not cases:
            return
        text = "\n".join(c.text for c in cases)
        try:
            libraries = check.compiled(self.args.hnnc, text, self.folder)
        except native.Failed:
            for c in cases:
                self.tally.cases += 1
                self.alone(c)
            return
        for c in cases:
            start = time.time()
            seen = set()
            for d in check.check_case(c, libraries, self.tally):
                if d.what not in seen:
                    seen.add(d.what)
                    self.report(d)
            if self.args.verbose and time.time() - start > 5:
                print("slow: %s, %.1f s" % (c.seed, time.time() - start), flush=True)
        for lib in libraries:
            lib.close()
        for name in os.listdir(self.folder):
            shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)


PLANTED = [("algebra", "tanh", "sin"), ("derivatives", "+", "-"), ("trajectories", "0.05", "0.051"), ("flows", "sin(", "cos("),
           ("trainings", "0.", "0.9"), ("runs", "sigmoid", "tanh"), ("iterates", "0.2", "0.3")]
TRIES = 20          # programs of a kind in which a fault may be planted: not all hold the text, and it may be where nothing reads it


def planted(hnnc, folder):
    """Compiled programs that are not those of the reference: how many such faults pass as equal."""
    missed = 0
    for kind, old, new in PLANTED:
        for seed in range(TRIES):
            case = generate.case("%s:%d" % (kind, seed))
            at = case.text.rfind(old, 0, case.text.find("data ") if "data " in case.text else None)
            case.compiled = case.text[:at] + new + case.text[at + len(old):]
            if at >= 0 and {"value", "nan"} & set(fails(hnnc, case, folder)):
                break
        else:
            missed += 1
            print("planted fault not found: %s, `%s` for `%s`" % (kind, new, old))
    return missed


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("hnnc")
    p.add_argument("--count", type=int, default=60)
    p.add_argument("--seconds", type=float, default=0, help="as many as this time allows, instead of a count")
    p.add_argument("--first", type=int, default=0)
    p.add_argument("--kinds", help="of %s" % ", ".join(generate.KINDS))
    p.add_argument("--seed", action="append", help="only this one, a number or kind:number")
    p.add_argument("--show", help="print the program of a seed")
    p.add_argument("--no-shrink", dest="shrink", action="store_false")
    p.add_argument("--refused", action="store_true", help="count programs that hnnc refuses as differences")
    p.add_argument("--planted", action="store_true", help="first see that faults planted in a few programs are found")
    p.add_argument("--ranks", help="the second of the two runs of a program is one under this, e.g. 'mpirun -n 3'")
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    whole_run.LAUNCHER = args.ranks.split() if args.ranks else []
    args.hnnc = os.path.abspath(args.hnnc)
    kinds = args.kinds.split(",") if args.kinds else None
    if args.show:
        print(generate.case(args.show, kinds).text)
        return 0
    folder = tempfile.mkdtemp(prefix="hnnc-differential-")
    os.environ["HNNC_CACHE_DIR"] = ""
    start = time.time()
    try:
        missed = planted(args.hnnc, folder) if args.planted else 0
        runner = Runner(args, folder)
        seeds = args.seed or range(args.first, args.first + (10**9 if args.seconds else args.count))
        tried = 0
        while tried < len(seeds) and (not args.seconds or time.time() - start < args.seconds):
            part = seeds[tried:tried + GROUP]
            runner.group([generate.case(seed, kinds) for seed in part])
            tried += len(part)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    t = runner.tally
    print("%d programs, %d numbers compared, %d undecided, %d programs refused, %d differences; worst %.2f of the bound; %.0f s"
          % (tried, t.compared, t.unknown, t.refused, len(runner.found), t.worst, time.time() - start))
    print("%d passed, %d failed" % (tried - len({d.case.seed for d in runner.found}), len({d.case.seed for d in runner.found})))
    return 1 if runner.found or missed else 0


if __name__ == "__main__":
    sys.exit(main())
