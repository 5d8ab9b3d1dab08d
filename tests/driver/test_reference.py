#!/usr/bin/env python3
"""The examples of the pages: test_reference.py HNNC; prints `N passed, N failed`. Those in docs/examples run as well, but for one that is wrong on purpose. A fence `hnn run` is a program that runs, with
exit code 0, so what it says of its numbers it says by `expect`; `hnn check` one that is only checked; `hnn run name=value` overrides.
A fence `csv FILE` lies beside those of its section, and what one of them writes is there for those that follow; so does what onnx("FILE") reads, of
tests/networks."""
import glob
import os
import re
import shutil
import subprocess
import tempfile

from driver_util import check, environment, HNNC, main

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

KINDS = ["run"], ["check"]


def sections():
    for path in sorted(glob.glob(os.path.join(ROOT, "docs/**/*.md"), recursive=True)):
        text = open(path, encoding="utf-8").read()
        parts = [os.path.basename(path)[:-3]] + re.split(r"^##+ (.*)\n", text, flags=re.M)      # what stands above the first heading counts as well
        yield from zip(parts[::2], parts[1::2])


def fences(section):
    return [(words.split(), body) for words, body in re.findall(r"^```([^\n]+)\n(.*?)^```\n", section, re.M | re.S)]


def section(title, found):
    def test():
        with tempfile.TemporaryDirectory() as folder:
            for words, body in found:
                if words[0] == "csv":
                    open(os.path.join(folder, words[1]), "w", encoding="utf-8").write(body)
                if words[0] != "hnn" or words[1:2] not in KINDS:
                    continue
                for name in re.findall(r'onnx\("([^"]+)"', body):
                    shutil.copy(os.path.join(ROOT, "tests/networks", name), folder)
                p = subprocess.run([HNNC, words[1], "-"] + words[2:], input=body.encode(), capture_output=True, cwd=folder,
                                   env=environment(), timeout=120)
                check(p.returncode == 0 and b"warning[" not in p.stderr, "an example of `%s`: exit %d" % (title, p.returncode),
                      p.stderr.decode() + body)
    return test


TESTS = {"test_%d_%s" % (k, re.sub(r"\W+", "_", title)): section(title, found)
          for k, (title, body) in enumerate(sections()) for found in [fences(body)]
         if any(words[0] == "hnn" and words[1:2] in KINDS for words, _ in found)}


def example(path):
    def test():
        wrong = os.path.basename(path).startswith("wrong_")
        with tempfile.TemporaryDirectory() as folder:
            p = subprocess.run([HNNC, "check" if wrong else "run", path], capture_output=True, cwd=folder, env=environment(), timeout=120)
        check(p.returncode == (1 if wrong else 0), "%s: exit %d" % (path, p.returncode), p.stderr.decode())
    return test


TESTS.update(("test_" + os.path.basename(path)[:-4], example(path)) for path in glob.glob(os.path.join(ROOT, "docs/examples/*.hnn")))
raise SystemExit(main(TESTS))
