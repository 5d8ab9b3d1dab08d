#!/usr/bin/env python3
"""hnnc help, the manual pages and the completions: of every command and option, and shells read them."""
import re
import shutil
import subprocess
import sys

from driver_util import check, hnnc, main, model, read, write


def commands():
    return re.findall(r"^ *(?:Commands: *)?([a-z]+) (?:FILE|DIR|RUN|\[\w+\]|SHELL| )", hnnc("--help").out.split("Commands:")[1].split("\n\n")[0], re.M)


def options(command):
    return set(re.findall(r"--[a-z-]+", hnnc(command, "--help").out.split("Exit codes")[0])) - {"--help", "--usage", "--version"}


def test_every_command():
    names = commands()
    check(len(names) > 12 and "fmt" in names, "the commands", names)
    for c in names:
        page = hnnc("help", c).out
        check("hnnc %s - " % c in page and "EXIT CODES" in page and len(page) > 400, "the page of %s" % c, page)
        missing = [o for o in options(c) if o not in page and o not in ("--compare",)]
        check(not missing, "options of %s that its page lacks" % c, missing)
        check("hnnc-%s" % c in hnnc("help", "--man", c).out.lower(), "the manual page of %s" % c)
    check(all(c in hnnc("help").out for c in names), "the list of all")
    hnnc("help", "fnt", code=2, says="did you mean `fmt`?")


def test_what_is_missing():
    """A command without what it takes first says what that is."""
    for c in commands():
        first = re.search(r"Usage: hnnc %s \[OPTION\.\.\.\] ?(\S*)" % c, hnnc(c, "--help").out)[1]
        if first.isupper() and first[0].isalpha():
            hnnc(c, code=2, says="which %s?" % first)


def test_manual_pages_are_roff():
    groff = shutil.which("groff")
    for c in [None] + commands():
        text = hnnc("help", "--man", *[c] * bool(c)).out
        check(re.match(r"\.TH HNNC", text) and not re.search(r"^'", text, re.M), "no manual page", text[:200])
        if groff:
            p = subprocess.run([groff, "-man", "-Tutf8", "-ww"], input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            check(p.returncode == 0 and not p.stderr, "groff", p.stderr)


def completed(words):
    script = hnnc("completion", "bash").out
    line = 'COMP_WORDS=(hnnc %s); COMP_CWORD=%d; _hnnc 2>/dev/null; printf "%%s\\n" "${COMPREPLY[@]}"' % (" ".join('"%s"' % w for w in words), len(words))
    return subprocess.run(["bash", "-c", script + line], stdout=subprocess.PIPE, text=True).stdout.split()


def test_completions():
    write("a.hnn", "")
    write("b.txt", "")
    check({"check", "run", "fmt"} <= set(completed([""])) and completed(["fm"]) == ["fmt"], "commands", completed([""]))
    check(completed(["check", ""])[-1] == "a.hnn" and "b.txt" not in completed(["check", ""]), "files", completed(["check", ""]))
    check(completed(["run", "--se"]) == ["--seed=", "--seeds="], "options", completed(["run", "--se"]))
    check("shape_mismatch" in completed(["explain", "sha"]) and completed(["cache", "tr"]) == ["trim"], "words")
    for shell in ["bash", "zsh", "fish"]:
        text = hnnc("completion", shell).out
        check(all(c in text for c in commands()), "commands of %s" % shell)
        if shutil.which(shell):
            p = subprocess.run([shell, "-n"], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            check(p.returncode == 0 and not p.stderr, "%s does not read it" % shell, p.stderr)
    hnnc("completion", "csh", code=2, says="bash, zsh and fish")
    hnnc("completion", code=2, says="which SHELL?")


def test_standard_input():
    """`-` wherever a FILE is read."""
    model()
    text = read("m.hnn").decode()
    for command, more in [("check", []), ("compile", ["--emit=ir"]), ("bench", ["--batch", "10"]), ("diagnose", []), ("fmt", []), ("run", ["train.steps=2", "-o", "out", "-q"])]:
        hnnc(command, "-", *more, input=text)
    ir = hnnc("opt", "-", "--passes=simplify", code=None, input="fn f64 @f(x lane: f64) {\n  %1 = in {index=0} : f64\n  %2 = add %1, %1 : f64\n  return %2\n}\n")
    check("No such file" not in ir.err and "cannot read" not in ir.err, "opt does not read it", ir)


sys.exit(main(globals()))
