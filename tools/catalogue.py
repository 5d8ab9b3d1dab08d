#!/usr/bin/env python3
"""docs/catalogue.md: the libraries of models/std, from the comments and heads of their definitions, and what is proved of them.

catalogue.py HNNC writes it; catalogue.py HNNC --check compares, prints `N passed, N failed`, and fails where it differs."""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOC = os.path.join(ROOT, "docs/catalogue.md")
STD = os.path.join(ROOT, "models/std")
HEAD = """# Catalogue of layers

The library `models/std` has layers, flows, samplers and statistics, which you use by `import "std/nets"` and so on. [Choosing](choosing.md) helps to pick one. Each entry shows how to call a
definition, what it does, and which of its claims `hnnc check` proved (for sizes and integers of 3, and all real parameters). The files are short and worth reading.

`tools/catalogue.py` writes this page from the comments in `models/std`.
"""
ITEM = re.compile(r"(?:(symplectic|volume) )?(flow|net|fn|hamiltonian) (\w+)")


def proofs(hnnc, path):
    """By name of a definition: [(what, answer)]."""
    said = subprocess.run([hnnc, "check", path], capture_output=True, text=True, check=False).stdout
    out = {}
    for line in said.splitlines():
        found = re.match(r"(proved|undecided|refuted)\s+(.*?)\s+\S+:\d+:\d+", line)
        if found:
            answer, claim = found.groups()
            what, name = claim.rsplit(" ", 1)
            out.setdefault(name, []).append((what[:-3] if what.endswith(" in") else what, answer))
    return out


def head_of(lines, at):
    """The head of the definition that begins at a line: up to its body."""
    text, depth = "", 0
    for line in lines[at:]:
        for k, c in enumerate(line):
            depth += (c in "([") - (c in ")]")
            if depth == 0 and (c == "{" or (c == "=" and text.rstrip().endswith((")", "]")))):
                return text.strip()
            if c == "#":
                break
            text += c
        if depth == 0:
            return text.strip()
        text += " "
    return text.strip()


def unwrapped(comment):
    """The lines of a comment as paragraphs; indented lines stay code."""
    out = []
    for line in comment:
        if line.startswith("  "):
            out.append("    " + line.strip())
        elif out and line and not out[-1].startswith("    ") and out[-1]:
            out[-1] += " " + line
        else:
            out.append(line)
    return "\n".join(out)


def entries(path, proved):
    lines = open(path, encoding="utf-8").read().split("\n")
    comment, first = [], True
    for at, line in enumerate(lines):
        section = re.match(r"# -+ (.*?) -+$", line)
        if section:
            yield "### %s\n" % section.group(1)
            comment = []
        elif line.startswith("#"):
            if comment or line[2:]:
                comment.append(line[2:])
        elif ITEM.match(line):
            name = ITEM.match(line).group(3)
            told = "; ".join("%s: %s" % x for x in proved.get(name, []))
            yield "`%s`\n" % re.sub(r"\s+", " ", head_of(lines, at))
            if comment:
                yield unwrapped(comment) + "\n"
            if told:
                yield "*%s*\n" % told
            comment = []
        elif not line and comment:
            yield unwrapped(comment) + "\n"
            comment = []


def document(hnnc):
    parts = [HEAD]
    for path in sorted(glob.glob(os.path.join(STD, "*.hnn"))):
        parts.append("## std/%s\n" % os.path.basename(path)[:-4])
        parts += entries(path, proofs(hnnc, path))
    return "\n".join(parts)


def main():
    want = document(os.path.abspath(sys.argv[1]))
    if "--check" not in sys.argv:
        with open(DOC, "w", encoding="utf-8") as f:
            f.write(want)
        return 0
    same = os.path.exists(DOC) and open(DOC, encoding="utf-8").read() == want
    if not same:
        print("docs/catalogue.md is not what models/std says: run tools/catalogue.py build/hnnc")
    print("%d passed, %d failed" % (same, not same))
    return 0 if same else 1


raise SystemExit(main())
