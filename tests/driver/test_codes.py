#!/usr/bin/env python3
"""The kinds of diagnostics: test_codes.py HNNC; prints `N passed, N failed`.

Every row of ir/codes.def has a section in docs/codes.md, and the other way round. A section has a program that fails with exactly
this code, and the same program mended, which passes without a warning. Their fences say how they are tried:

  ```hnn fails           by `hnnc check -`; further words: `run` for `hnnc run -`, `name=value` for an override
  ```hnn
  ```csv table.csv       a file that lies beside them
"""
import json
import os
import re
import subprocess
import tempfile

from driver_util import check, environment, HNNC, main

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What no program on its own can show: the machine, other files, other commands.
WITHOUT = {"encoding", "too_deep", "memory", "output", "ranks", "resume", "weights", "library", "network", "onnx", "emit", "ir_text", "no_pass", "not_yet", "internal"}


def codes():
    text = open(os.path.join(ROOT, "ir/codes.def"), encoding="utf-8").read()
    return re.findall(r'^CODE\((\w+), (ERROR|WARNING), "([^"]*)"\)$', text, re.M)


def sections():
    text = open(os.path.join(ROOT, "docs/codes.md"), encoding="utf-8").read()
    parts = re.split(r"^## (\w+)\n", text, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2]))


def fences(section):
    return [(words.split(), body) for words, body in re.findall(r"^```([^\n]+)\n(.*?)^```\n", section, re.M | re.S)]


def said(words, program, folder):
    """The codes that a program gives, and the exit code."""
    command = [HNNC, "run" if "run" in words else "check", "-"] + [w for w in words if "=" in w]
    if "run" not in words:
        command.append("--json")
    p = subprocess.run(command, input=program.encode(), capture_output=True, cwd=folder, env=environment(), timeout=60)
    if "run" in words:
        return re.findall(r"^(?:error|warning)\[(\w+)\]", p.stderr.decode(), re.M), p.returncode
    lines = [json.loads(line) for line in p.stdout.decode().splitlines()]
    return [m["code"] for m in lines if m["kind"] == "diagnostic"], p.returncode


def page(name, level):
    def test():
        shown = subprocess.run([HNNC, "explain", name], capture_output=True, env=environment(), timeout=60)
        check(shown.returncode == 0 and shown.stdout.decode().startswith("%s[%s]: " % (level.lower(), name)), "hnnc explain", shown)
        failed = mended = 0
        with tempfile.TemporaryDirectory() as folder:
            for words, body in fences(sections()[name]):
                if words[0] == "csv":
                    open(os.path.join(folder, words[1]), "w", encoding="utf-8").write(body)
            for words, body in fences(sections()[name]):
                if words[0] != "hnn":
                    continue
                got, code = said(words[1:], body, folder)
                if "fails" in words:
                    failed += 1
                    check(got and set(got) == {name}, "the program that fails", got, code)
                    check((code != 0) == (level == "ERROR"), "its exit code", code)
                else:
                    mended += 1
                    check(got == [] and code == 0, "the program mended", got, code)
        check((failed > 0 and mended > 0) != (name in WITHOUT), "programs", failed, mended)
    return test


def table_and_pages():
    names = [name for name, _, _ in codes()]
    check(len(set(names)) == len(names), "a code stands twice")
    check(sorted(names) == sorted(sections()), "rows and sections differ", set(names) ^ set(sections()))


def raised():
    """Every code is named by some call."""
    text = ""
    for folder in ("ir", "frontend", "passes", "codegen", "driver"):
        for room, _, files in os.walk(os.path.join(ROOT, folder)):
            for file in files:
                if file.endswith((".c", ".y", ".l")):
                    text += open(os.path.join(room, file), encoding="utf-8").read()
    missing = [name for name, _, _ in codes() if not re.search(r"\bCODE_%s\b" % name, text)]
    check(not missing, "nothing raises", missing)


def switched_off():
    program = 'fn f(x: real) {\n  let y = x^2%s\n  return x\n}\nreport r = f(1)\n'
    with tempfile.TemporaryDirectory() as folder:
        def run(text, *options):
            return subprocess.run([HNNC, "check", "-", *options], input=text.encode(), capture_output=True, cwd=folder, env=environment(), timeout=60)
        check(b"warning[unused]" in run(program % "").stderr, "the warning")
        check(run(program % "").returncode == 0, "a warning is no error")
        check(run(program % "", "--werror").returncode == 1, "--werror")
        for options in (["--no-warn=unused"], ["--no-warn=kink,unused"], ["--no-warn=all"]):
            p = run(program % "", *options, "--werror")
            check(p.stderr == b"" and p.returncode == 0, "switched off by", options, p)
        check(run(program % "  # allow: unused").stderr == b"", "allowed in its line")
        check(run(program.replace("  let", "  # allow: kink, unused\n  let") % "").stderr == b"", "allowed above")
        check(run(program % "  # allow: unused_parameter").stderr != b"", "another name")
        check(run(program % "", "--no-warn=undefined").returncode == 2, "an error is not switched off")
        check(run(program % "", "--no-warn=nothing").returncode == 2, "no such warning")


def json_lines():
    with tempfile.TemporaryDirectory() as folder:
        def run(text, file="-"):
            p = subprocess.run([HNNC, "check", file, "--json"], input=text, capture_output=True, cwd=folder, env=environment(), timeout=60)
            check(p.stderr == b"", "nothing on stderr", p.stderr)
            return [json.loads(line) for line in p.stdout.decode("utf-8", "strict").splitlines()], p.returncode
        lines, code = run("fn f(x: real[3]) = x\nfn g(α: real[2]) = f(α)\n".encode())
        check(code == 1 and [l["kind"] for l in lines] == ["diagnostic", "summary"], lines)
        m = lines[0]
        check((m["severity"], m["code"], m["file"]) == ("error", "argument_type", "<stdin>"), m)
        check(m["begin"] == {"line": 2, "column": 22, "byte": 43} and m["end"] == {"line": 2, "column": 23, "byte": 45}, m)
        check(m["labels"][0]["begin"]["line"] == 1 and m["labels"][0]["message"], m)
        check(lines[-1]["errors"] == 1 and lines[-1]["warnings"] == 0, lines[-1])
        lines, code = run(b"report r = 1\n# \xff\xfe\nlet\n\xc3\x28")
        check(code == 1 and lines[0]["code"] == "encoding", lines)
        lines, code = run(b"", "there\xffis.none".encode("latin-1"))
        check(code == 4 and lines[0]["code"] == "file" and lines[0]["file"] == "there\ufffdis.none", "a file that is missing", lines, code)
        lines, code = run(b"prove (x: real) x + x == 2*x\nreport r = 1\n")
        check(code == 0 and [l["kind"] for l in lines] == ["proof", "summary"] and lines[0]["answer"] == "proved", lines)
        check(lines[-1]["reports"] == 1 and lines[-1]["file"] == "<stdin>", lines)
        lines, code = run(b"".join(b"report r%d = zzz%d\n" % (k, k) for k in range(25)))
        check(lines[-2] == {"kind": "more", "errors": 5}, lines[-2])


def standard_input():
    program = b'import "part"\ndata d = read("t.csv")\nreport r = twice(x) on d\n'
    with tempfile.TemporaryDirectory() as folder:
        open(os.path.join(folder, "part.hnn"), "w").write("fn twice(x) = 2*x\n")
        open(os.path.join(folder, "t.csv"), "w").write("x\n1\n2\n")
        def run(*args, text=program):
            return subprocess.run([HNNC, *args], input=text, capture_output=True, cwd=folder, env=environment(), timeout=120)
        p = run("run", "-", "--out", "out")
        check(p.returncode == 0 and b"3" in p.stdout, p)
        check(open(os.path.join(folder, "out/model.hnn"), "rb").read() == program, "the run keeps what was read")
        check(run("run", "-").returncode == 0 and os.path.isdir(os.path.join(folder, "runs/input")), "a run directory of its own")
        check(b"<stdin>:1:12" in run("check", "-", text=b"report r = zz\n").stderr, "its name in messages")
        check(b"report" in run("compile", "-", "--emit=ast").stdout, "ast")
        check(run("compile", "-", "--emit=ir").returncode == 0, "ir")
        p = run("compile", "-", text=b"hamiltonian H(q: real[1], p: real[1]) = q[0]^2 + p[0]^2\n")
        check(p.returncode == 0 and os.path.exists(os.path.join(folder, "input.so")), p)


TESTS = {"test_" + f.__name__: f for f in (table_and_pages, raised, switched_off, json_lines, standard_input)}
TESTS.update({"test_" + name: page(name, level) for name, level, _ in codes()})
raise SystemExit(main(TESTS))
