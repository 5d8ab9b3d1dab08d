#!/usr/bin/env python3
"""The second half of docs/messages.md: what is said of the programs in tests/golden/messages and tests/golden/beginners, before and after.

messages.py writes it from x.hnn, x.was (what the compiler said at commit cfacab5) and x.out (what the golden tests hold it to);
messages.py --check compares, prints `N passed, N failed`, and fails where it differs."""
import glob
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOC = os.path.join(ROOT, "docs/messages.md")
MARK = "<!-- what follows is written by tools/messages.py -->\n"
PARTS = [("messages", "Seventy mistakes, before and after"), ("beginners", "Seventy more")]


def text(path):
    with open(path, encoding="utf-8-sig", newline="") as f:
        return f.read().replace("\r\n", "\n").rstrip("\n")


def fenced(title, body):
    return "%s\n\n```\n%s\n```\n" % (title, body or "(nothing)")


def entry(program):
    base = program[:-len(".hnn")]
    was, out = text(base + ".was"), text(base + ".out")
    parts = ["### %s\n" % os.path.basename(base), "```hnn\n%s\n```\n" % text(program)]
    parts += [fenced("The same before and after:", out)] if was == out else [fenced("Before:", was), fenced("After:", out)]
    return "\n".join(parts)


def document():
    head = text(DOC).partition(MARK.rstrip("\n"))[0]
    parts = [head + MARK]
    for folder, title in PARTS:
        programs = sorted(glob.glob(os.path.join(ROOT, "tests/golden", folder, "*.hnn")))
        parts.append("## %s\n" % title)
        parts.append("The programs are those of `tests/golden/%s`.\n" % folder)
        parts += [entry(p) for p in programs]
    return "\n".join(parts)


def main():
    want = document()
    if "--check" not in sys.argv:
        with open(DOC, "w", encoding="utf-8") as f:
            f.write(want)
        return 0
    with open(DOC, encoding="utf-8") as f:
        same = f.read() == want
    if not same:
        print("docs/messages.md is not what the golden files say: run tools/messages.py")
    print("%d passed, %d failed" % (same, not same))
    return 0 if same else 1


raise SystemExit(main())
