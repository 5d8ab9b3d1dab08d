#!/usr/bin/env python3
"""hnnc fmt: what it gives is the same program, stays as it is, and keeps comments; files come whole or not at all."""
import collections
import glob
import os
import random
import re
import sys

from driver_util import SLOWER, check, hnnc, main, model, models, read, write

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def fmt(text, code=0):
    r = hnnc("fmt", "-", code=code, input=text)
    return r.err if code else r.out


def comments(text):
    text = re.sub(r'"([^"\\\n]|\\.)*"', '""', text)
    return collections.Counter(x.rstrip() for x in re.findall(r"#.*", text))


def test_all_programs():
    """Of the repository: those without syntax errors, and the examples of the documents."""
    texts = [open(f, errors="replace").read() for f in sorted(glob.glob(HERE + "/tests/**/*.hnn", recursive=True))[::24 if SLOWER > 1 else 8]]
    for doc in glob.glob(HERE + "/docs/*.md") + [HERE + "/README.md"]:
        texts += re.findall(r"^```(?:hnn)?\n(.*?)^```", open(doc).read(), re.M | re.S)[::12 if SLOWER > 1 else 6]
    done = 0
    for text in texts:
        r = hnnc("fmt", "-", code=None, input=text.encode("utf-8", "replace").decode())
        if r.code:
            check(r.code == 1 and "error[" in r.err and not r.out, "neither laid out nor refused", text, r)
            continue
        made = r.out
        check(fmt(made) == made, "laid out again it is another text", text, made)
        check(comments(text) == comments(made), "other comments", text, made)
        done += 1
    check(done > len(texts)/3, "few could be laid out", done, len(texts))


def test_models_are_laid_out():
    files = sorted(glob.glob(HERE + "/models/**/*.hnn", recursive=True))
    check(len(files) > 50, "no models")
    hnnc("fmt", "--check", *files)


def shaken(text, rng):
    """The same program with more blanks where there are some, and other indentation of statements."""
    out = []
    for line in text.splitlines():
        code = line if '"' in line or "#" in line else re.sub(r" +", lambda m: " "*rng.randrange(1, 4), line.strip())
        out.append(" "*rng.randrange(5) + code)
    return "\n".join(out) + "\n"


def ir():
    return re.sub(r" *#.*", "", hnnc("compile", "m.hnn", "--emit=ir").out)       # without places


def test_ir_stays():
    rng = random.Random(1)
    for path in models()[::16]:
        os.makedirs("std", exist_ok=True)
        text = open(path).read()
        write("m.hnn", text)
        before = ir()
        other = shaken(text, rng)
        check(other != text, "nothing was shaken")
        write("m.hnn", other)
        hnnc("fmt", "m.hnn")
        check(ir() == before and before, "another program", path)


def test_style():
    said = {
        "const a=1+2*  3\n": "const a = 1 + 2 * 3\n",
        "const a = (1)*-2^ 3 ;\n\n\n\nconst b=[ 1 ,2][ 0 :1 ];;": "const a = (1)*-2^3\n\nconst b = [1, 2][0:1]\n",
        "fn f(x:real[2],y:real=-1)->real{\n\nlet a=x   # one\n    let bb =x# two\n return { return bb}[0]\n\n}":
            "fn f(x: real[2], y: real = -1) -> real {\n  let a = x  # one\n  let bb = x  # two\n  return { return bb }[0]\n}\n",
        "flow s(q:real){\n  q=q*2 inverse q/2   logdet log(2)\n}\n": "flow s(q: real) {\n  q = q*2  inverse q/2  logdet log(2)\n}\n",
        "const x  = 1\nconst xyz   = 2\nconst yz    = 3\n": "const x = 1\nconst xyz = 2\nconst yz  = 3\n",
        "report r = f(1,\n 2)\n": "report r = f(1,\n             2)\n",
        "report r = f(\n1,\n 2\n)\n": "report r = f(\n  1,\n  2\n)\n",
        "prove (q: real) \n a(q) == 0\n": "prove (q: real)\n  a(q) == 0\n",
        "\ufeffconst a = 1\r\n": "const a = 1\n",
        "# q̂\n\n\n": "# q̂\n",
        "const a = 1 .T\n": "const a = 1 .T\n",
        "": "",
    }
    for text, want in said.items():
        made = fmt(text)
        check(made == want, "another layout", repr(text), repr(made), repr(want))
    check(fmt("const q̂  = 1  # a\nconst pp = 2  # b\n") == "const q̂  = 1  # a\nconst pp = 2  # b\n", "columns are characters")


def test_errors_leave_the_file():
    write("bad.hnn", "const a = \nfn f(x = 2\n")
    good = model()
    write("good.hnn", read(good).replace(b"  let q", b"let   q"))
    hnnc("fmt", "bad.hnn", "good.hnn", code=1, says="bad.hnn:2:")
    check(read("bad.hnn") == b"const a = \nfn f(x = 2\n", "a file with errors was changed")
    check(read("good.hnn") == read(good), "the other one was not laid out", read("good.hnn"))
    check(not [f for f in os.listdir(".") if f.endswith(".new")], "something is left", os.listdir("."))
    hnnc("fmt", "none.hnn", code=4, says="none.hnn")
    hnnc("fmt", code=2, says="which FILE?")


def test_check_and_links():
    write("a.hnn", "const a=1\n")
    write("b.hnn", "const a = 1\n")
    check(hnnc("fmt", "--check", "a.hnn", "b.hnn", code=1).out == "a.hnn\n", "--check names another file")
    check(read("a.hnn") == b"const a=1\n", "--check writes")
    os.chmod("a.hnn", 0o640)
    os.symlink("a.hnn", "link.hnn")
    before = os.stat("b.hnn").st_mtime_ns
    hnnc("fmt", "link.hnn", "b.hnn")
    check(os.path.islink("link.hnn") and read("a.hnn") == b"const a = 1\n", "a link was replaced")
    check(os.stat("a.hnn").st_mode & 0o777 == 0o640, "another mode")
    check(os.stat("b.hnn").st_mtime_ns == before, "what is laid out already was written")
    hnnc("fmt", "--check", "a.hnn", "b.hnn")
    write("kept.hnn", "const a=1\n")
    os.chmod("kept.hnn", 0o444)
    hnnc("fmt", "kept.hnn", code=4, says="kept.hnn")
    check(read("kept.hnn") == b"const a=1\n", "what is read-only was replaced")


sys.exit(main(globals()))
