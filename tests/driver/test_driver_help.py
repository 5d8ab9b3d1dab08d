#!/usr/bin/env python3
"""hnnc help, the manual pages and the completions: of every command and option, and shells read them."""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

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


def in_zsh(lines):
    """What zsh makes of each line when Tab is pressed behind it."""
    write("functions/_hnnc", hnnc("completion", "zsh").out)
    write("setup", "PS1=; fpath=($PWD/functions $fpath); autoload -Uz compinit; compinit -u -d $PWD/dump; said() { print -r -- \"GOT<$BUFFER>\" >>said; BUFFER= }; "
          "zle -N said; bindkey '^X' said; LISTMAX=0; setopt no_beep no_list_ambiguous\n")
    master, slave = pty.openpty()
    p = subprocess.Popen(["zsh", "-f", "-i"], stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=dict(os.environ, TERM="dumb"))
    os.close(slave)
    try:
        write("said", "")
        os.write(master, b"source ./setup\n")
        for k, line in enumerate(lines):
            os.write(master, line.encode() + b"\t\x18")
            end = time.time() + 20
            while read("said").count(b"GOT<") <= k and time.time() < end:
                if select.select([master], [], [], 0.05)[0]:
                    os.read(master, 1 << 16)
    finally:
        p.kill()
        p.wait()
        os.close(master)
    return re.findall("GOT<(.*)>", read("said").decode())


COMPLETED = {"hnnc fm": "hnnc fmt", "hnnc expla": "hnnc explain", "hnnc check a": "hnnc check a.hnn", "hnnc explain shape_m": "hnnc explain shape_mismatch", "hnnc cache tr": "hnnc cache trim",
             "hnnc run --quie": "hnnc run --quiet", "hnnc run --thre": "hnnc run --threads", "hnnc help com": "hnnc help comp", "hnnc nonsens": "hnnc nonsens"}


def test_zsh_completes():
    if not shutil.which("zsh"):
        print("skip: there is no zsh")
        return
    write("a.hnn", "")
    got = [x.rstrip(" =") for x in in_zsh(list(COMPLETED))]
    check(got == list(COMPLETED.values()), "zsh", dict(zip(COMPLETED, got)))


def test_fish_completes():
    if not shutil.which("fish"):
        print("skip: there is no fish")
        return
    write("a.hnn", "")
    write("hnnc.fish", hnnc("completion", "fish").out)
    for line, want in COMPLETED.items():
        p = subprocess.run(["fish", "--no-config", "-c", "source hnnc.fish; complete -C '%s'" % line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ, HOME=os.getcwd()))
        got = [x.split("\t")[0] for x in p.stdout.splitlines()]
        begin, word = want.split(" ", 1)[1], line.split(" ")[-1]
        check(not p.stderr and all(x.startswith(word) for x in got) and (got == [begin.split(" ")[-1]] if want not in ("hnnc help comp", "hnnc nonsens") else len(got) == (2 if "help" in want else 0)),
              "fish: %s" % line, got, p.stderr)


def test_standard_input():
    """`-` wherever a FILE is read."""
    model()
    text = read("m.hnn").decode()
    for command, more in [("check", []), ("compile", ["--emit=ir"]), ("bench", ["--batch", "10"]), ("diagnose", []), ("fmt", []), ("explore", ["-o", "page.html"]), ("eval", ["H([1], [2])"]), ("run", ["train.steps=2", "-o", "out", "-q"])]:
        hnnc(command, "-", *more, input=text)
    ir = hnnc("opt", "-", "--passes=simplify", code=None, input="fn f64 @f(x lane: f64) {\n  %1 = in {index=0} : f64\n  %2 = add %1, %1 : f64\n  return %2\n}\n")
    check("No such file" not in ir.err and "cannot read" not in ir.err, "opt does not read it", ir)


sys.exit(main(globals()))
