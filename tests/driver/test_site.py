#!/usr/bin/env python3
"""The site: test_site.py. Sphinx makes it without a warning, and every link inside it leads to a page, a file and an element that are there. Debian's python3-sphinx,
python3-myst-parser and furo; without them the test is skipped."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NEEDED = "import sphinx, myst_parser, furo"


def python():
    """The interpreter that has the packages: Debian's are not seen by others."""
    for candidate in "/usr/bin/python3", sys.executable:
        if shutil.which(candidate) and not subprocess.run([candidate, "-c", NEEDED], capture_output=True, check=False).returncode:
            return candidate
    print("skipped: python3-sphinx, python3-myst-parser and furo are not installed")
    sys.exit(77)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def links(folder):
    ids = {}
    pages = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name.endswith(".html")]
    for page in pages:
        ids[page] = set(re.findall(r'\b(?:id|name)="([^"]+)"', read(page)))
    for page in pages:
        for target in re.findall(r'\b(?:href|src)="([^"]+)"', read(page)):
            if re.match(r"[a-z]+:|//", target):
                continue
            path, _, anchor = urllib.parse.unquote(target).partition("#")
            path = path.partition("?")[0]
            there = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if not os.path.exists(there):
                yield "%s: there is no %s" % (os.path.relpath(page, folder), target)
            elif anchor and there in ids and anchor not in ids[there]:
                yield "%s: %s leads to no element" % (os.path.relpath(page, folder), target)


interpreter = python()
with tempfile.TemporaryDirectory() as where:
    made = subprocess.run([interpreter, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", os.path.join(where, "trees"), os.path.join(ROOT, "docs"),
                           os.path.join(where, "site")], capture_output=True, text=True, timeout=300, check=False)
    faults = made.stderr.strip().splitlines() if made.returncode else sorted(set(links(os.path.join(where, "site"))))
for fault in faults:
    print(fault)
print("%d passed, %d failed" % (0 if faults else 1, len(faults)))
sys.exit(1 if faults else 0)
