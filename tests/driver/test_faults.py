#!/usr/bin/env python3
"""The table of faults: test_faults.py HNNC [ROW...]; prints `N passed, N failed`.

Each file tests/faults/*.rows is a section, a list of rows such as

  row: nan_in_relu
  was: trains on log of negative numbers, exit 0
  run: run nan_in_relu.hnn
  exit: 4
  says: `log` gave nan
  silent: holds
  report: value = 0.25 within 1e-12

`was` is the wrong answer that was found, for the reader. `run` is the command without `hnnc`, carried out in a copy of the
folder (`--out out` is added to `run`); `exit` what it must return, 0 if unsaid; `says` and `silent` are texts that its output
must have and must not have; `report` is the mean of a report, `nan` and `inf` among the values, equal if no `within` is said.
`says`, `silent` and `report` may stand several times. `seconds` is the longest the command may take (default 60)."""
import glob
import math
import os
import shutil
import subprocess
import time

from driver_util import check, environment, HNNC, load, main, SLOWER

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))        # tests/
ONCE = {"was", "run", "exit", "seconds"}
MANY = {"says", "silent", "report"}


def rows(path):
    """The rows of a section; a mistake in its form is an error."""
    out = []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if not line.strip() or line.startswith("#"):
            continue
        key, colon, value = line.partition(": ")
        key, where = key.strip(), "%s:%d" % (path, number)
        check(colon, where + ": expected `key: value`", line)
        if key == "row":
            out.append({"row": value})
            continue
        check(out and (key in ONCE and key not in out[-1] or key in MANY), where + ": `%s` cannot stand here" % key)
        if key in ONCE:
            out[-1][key] = value
        else:
            out[-1].setdefault(key, []).append(value)
    for r in out:
        check("run" in r and "was" in r, "%s: row %s has no `run` or no `was`" % (path, r["row"]))
    return out


def report(text, shown):
    name, _, value = text.partition("=")
    value, _, within = value.partition(" within ")
    got, want = load("out/reports.json")["reports"][name.strip()]["mean"], float(value)
    got = float("nan") if got is None else float(got)
    good = math.isnan(got) if math.isnan(want) else got == want or abs(got - want) <= float(within or 0)
    check(good, "report %s is %r, not %s" % (name, got, text), shown)


def tried(r):
    words = r["run"].split() + (["--out", "out"] if r["run"].startswith("run ") else [])
    p = subprocess.run([HNNC] + words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                       errors="replace", env=environment(), timeout=SLOWER*float(r.get("seconds", 60)))
    shown = "hnnc %s: exit code %d\n%s" % (" ".join(words), p.returncode, p.stdout)
    check(p.returncode == int(r.get("exit", 0)), "expected exit code %s" % r.get("exit", 0), shown)
    check("Sanitizer" not in p.stdout and "runtime error" not in p.stdout, "a fault", shown)
    for text in r.get("says", []):
        check(text in p.stdout, "nothing says `%s`" % text, shown)
    for text in r.get("silent", []):
        check(text not in p.stdout, "`%s` is said" % text, shown)
    for text in r.get("report", []):
        report(text, shown)


def case(r):
    def test():
        shutil.copytree(os.path.join(HERE, "faults"), "faults")
        os.chdir("faults")
        tried(r)
    return test


tests = {}
for section in sorted(glob.glob(os.path.join(HERE, "faults", "*.rows"))):
    for r in rows(section)[::3 if SLOWER > 1 else 1]:      # other builds try the rest
        name = "test_%s_%s" % (os.path.splitext(os.path.basename(section))[0], r["row"])
        check(name not in tests, "two rows `%s`" % name)
        tests[name] = case(r)
raise SystemExit(main(tests))
