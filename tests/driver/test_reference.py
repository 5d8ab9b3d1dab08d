#!/usr/bin/env python3
"""The examples of the pages: test_reference.py HNNC; prints `N passed, N failed`. Those in docs/examples run as well, but for one that is wrong on purpose. A fence `hnn run` is a program that runs, with
exit code 0, so what it says of its numbers it says by `expect`; `hnn check` one that is only checked; `hnn run name=value` overrides.
A fence `csv FILE` lies beside those of its section, and what one of them writes is there for those that follow; so does what onnx("FILE") reads, of
tests/networks. `hnn file NAME` is a program that lies there under its name: the sessions of the section (`$ hnnc ... NAME`) are typed, and what they show of codes,
places, verdicts and reports has to be said again, whatever the numbers are."""
import glob
import os
import re
import shutil
import subprocess
import tempfile

from driver_util import check, environment, HNNC, main

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

KINDS = ["run"], ["check"]
TESTED = KINDS + (["file"],)


def sections():
    for path in sorted(glob.glob(os.path.join(ROOT, "docs/**/*.md"), recursive=True)):
        text = open(path, encoding="utf-8").read()
        parts = [os.path.basename(path)[:-3]] + re.split(r"^##+ (.*)\n", text, flags=re.M)      # what stands above the first heading counts as well
        yield from zip(parts[::2], parts[1::2])


def fences(section):
    return [(words.split() or ["session"], body) for words, body in re.findall(r"^```([^\n]*)\n(.*?)^```$", section, re.M | re.S)]


SAID = r"^(?:(?:error|warning)\[\w+\]| *--> \S+|report +\w+|expect .*(?:holds|FAILS)$|(?:proved|refuted|undecided) .*?:\d+:\d+| +d2? .* (?:ok|WRONG)$|kernel \w+|# `\w+`: memory = \w+|[a-z_,]+$)"


def said(text):
    """What a command says, without its numbers and the width of its columns."""
    lines = [re.search(SAID, line) for line in text.splitlines()]
    return [re.sub(r"\s+", " ", re.sub(r"(?<= )-?\d[\d.e+-]*", "#", m.group())) for m in lines if m]


def session(body, folder, title):
    """Each command of a session on a file that lies here shows what the page shows."""
    for words, shown in re.findall(r"^\$ (hnnc [^\n]*)\n((?:(?!\$ ).*\n)*)", body, re.M):
        names = re.findall(r"[\w/]+\.hnn", words)
        if not names or not os.path.exists(os.path.join(folder, names[0])):
            continue
        path = os.path.dirname(os.path.abspath(HNNC)) + os.pathsep + os.environ["PATH"]
        p = subprocess.run(words, shell=True, capture_output=True, cwd=folder, env=dict(environment(), PATH=path), timeout=120)
        got = said((p.stdout + p.stderr).decode())
        for line in said(shown):
            check(line in got, "the session `%s` of `%s` does not say: %s" % (words, title, line), (p.stdout + p.stderr).decode())


def section(title, found):
    def test():
        with tempfile.TemporaryDirectory() as folder:
            for words, body in found:
                if words[0] == "csv":
                    open(os.path.join(folder, words[1]), "w", encoding="utf-8").write(body)
                if words[:2] == ["hnn", "file"]:
                    open(os.path.join(folder, words[2]), "w", encoding="utf-8").write(body)
                if words == ["session"]:
                    session(body, folder, title)
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
         if any(words[0] == "hnn" and words[1:2] in TESTED for words, _ in found)}


def example(path):
    def test():
        wrong = os.path.basename(path).startswith("wrong_")
        with tempfile.TemporaryDirectory() as folder:
            p = subprocess.run([HNNC, "check" if wrong else "run", path], capture_output=True, cwd=folder, env=environment(), timeout=120)
        check(p.returncode == (1 if wrong else 0), "%s: exit %d" % (path, p.returncode), p.stderr.decode())
    return test


TESTS.update(("test_" + os.path.basename(path)[:-4], example(path)) for path in glob.glob(os.path.join(ROOT, "docs/examples/*.hnn")))
raise SystemExit(main(TESTS))
