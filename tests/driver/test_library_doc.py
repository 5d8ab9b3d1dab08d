#!/usr/bin/env python3
"""test_library_doc.py LIBHNNC: the program in docs/library.md compiles against hnnc.h and libhnnc, and prints what the text says."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
library = os.path.abspath(sys.argv[1])
text = open(os.path.join(ROOT, "docs/library.md"), encoding="utf-8").read()
program = re.search(r"```c\n(.*?)```", text, re.S).group(1)
wanted = re.search(r"Its last line is `(.*?)`", text).group(1)
compiler = os.environ.get("CC", "cc").split()
if not shutil.which(compiler[0]):
    sys.exit(77)
failed = 0
with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(folder, "fit.c"), "w", encoding="utf-8") as f:
        f.write(program)
    place = os.path.dirname(library)
    for standard in (["-std=c11"], ["-x", "c++", "-fsyntax-only"]):
        source = "fit.c"
        if "c++" in standard:                      # the header alone: C++ has no compound literals
            source = "header.cc"
            with open(os.path.join(folder, source), "w", encoding="utf-8") as f:
                f.write("#include <hnnc.h>\nhnnc_options o = HNNC_OPTIONS;\n")
        made = subprocess.run(compiler + standard + ["-Wall", "-Wextra", "-Werror", "-I", os.path.join(ROOT, "driver/library"), source]
                              + ([] if "c++" in standard else ["-o", "fit", library, "-Wl,-rpath," + place]),
                              cwd=folder, capture_output=True, text=True, check=False)
        if made.returncode:
            failed += 1
            print("cannot compile %s:\n%s" % (source, made.stderr))
    if not failed:
        ran = subprocess.run(["./fit"], cwd=folder, capture_output=True, text=True, timeout=100, check=False,
                             env=dict(os.environ, HNNC_CACHE_DIR=os.path.join(folder, "cache")))
        lines = ran.stdout.strip().split("\n")
        if ran.returncode or lines[-1] != wanted or not any("step 500 of 500" in l for l in lines):
            failed += 1
            print("exit code %d, expected `%s` at the end of\n%s%s" % (ran.returncode, wanted, ran.stdout, ran.stderr))
print("%d passed, %d failed" % (3 - failed, failed))
sys.exit(1 if failed else 0)
