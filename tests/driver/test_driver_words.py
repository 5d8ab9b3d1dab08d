#!/usr/bin/env python3
"""What the command says of a command line, a folder or a stream that is not as it should be: test_driver_words.py HNNC [TEST...]."""
import json
import os
import resource
import subprocess
import time

from driver_util import check, environment, HNNC, hnnc, load, main, model, read, write

UNUSED = "fn f(x: real) {\n  let lost = x + 1\n  return x\n}\nreport r = f(1)\n"


def objects(r):
    return [json.loads(line) for line in r.out.splitlines()]


def checkpoints(run):
    folder = os.path.join(run, "checkpoints")
    return sorted((os.path.join(folder, n) for n in os.listdir(folder) if n.startswith("step-")), key=lambda p: int(p.split("step-")[1].split(".")[0]))


def test_damaged_checkpoints():
    """Only a checkpoint that is whole is named as the one to go on with."""
    first = "train fit on train_set { steps = 10 }\n"
    write("m.hnn", read(model()).decode().replace("train fit", first * 3 + "train fit", 1))
    hnnc("run", "-q", "--out", "r", "m.hnn")
    steps = checkpoints("r")
    check(len(steps) == 4, "four trainings, four checkpoints", steps)
    for k in (3, 2, 1):
        write(steps[k], read(steps[k])[:-8])
        r = hnnc("resume", "r", code=4, says=["error[resume]", "the checkpoint is damaged", "try hnnc resume " + steps[k - 1]])
    hnnc("resume", "-q", steps[0])
    for path in checkpoints("r"):
        write(path, read(path)[:-8])
    r = hnnc("resume", "r", code=4, says=["no other checkpoint of r is intact", "start a new run"])
    check("try" not in r.err, "a damaged one is named", r)
    os.unlink("r/checkpoints/last")
    r = hnnc("resume", "r", code=4, says=["no other checkpoint of r is intact", "start a new run"])
    check("try" not in r.err, "a damaged one is named", r)
    for path in checkpoints("r"):
        os.unlink(path)
    hnnc("resume", "r", code=4, says=["has no checkpoint yet", "start a new run"])


def test_last_is_missing():
    hnnc("run", "-q", "--out", "r", model())
    os.unlink("r/checkpoints/last")
    hnnc("resume", "r", code=4, says="try hnnc resume " + checkpoints("r")[-1])


def test_why_a_write_failed():
    """The reason is that of the write, whatever failed since."""
    model()
    for command in ["check", "m.hnn"], ["run", "-q", "--out", "r", "m.hnn"], ["resume", "r"], ["compile", "--emit=ir", "m.hnn"], ["explain"]:
        with open("/dev/full", "w") as full:
            p = subprocess.run([HNNC, *command], stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=120)
        check(p.returncode == 4 and b"No space left on device" in p.stderr and b"No such file" not in p.stderr, " ".join(command), p)
    for command in ["run", "-q", "--out", "r", "m.hnn"], ["resume", "-q", "r"]:
        out, into = os.pipe()
        os.close(out)
        p = subprocess.run([HNNC, *command], stdout=into, stderr=subprocess.PIPE, env=environment(), timeout=120)
        os.close(into)
        check(p.returncode == 4 and b"Broken pipe" in p.stderr, " ".join(command), p)
    p = subprocess.run([HNNC, "compile", "--emit=llvm", "-o", "/dev/full", "m.hnn"], stderr=subprocess.PIPE, env=environment(), timeout=120)
    check(p.returncode == 4 and b"No space left on device" in p.stderr, "a file", p)


def test_werror():
    """With --werror warnings are errors, in the text and in JSON."""
    write("m.hnn", UNUSED)
    for _ in range(2):                                   # the second time the model is a kept one
        r = hnnc("check", "--werror", "m.hnn", code=1, says=["error[unused]", "m.hnn: 1 warning, which --werror makes an error"])
        check("warning[" not in r.err, "a warning", r)
        said = objects(hnnc("check", "--werror", "--json", "m.hnn", code=1))
        check([m.get("severity") for m in said] == ["error", None], "severities", said)
        check((said[-1]["errors"], said[-1]["warnings"]) == (1, 0), "the summary", said)
    said = objects(hnnc("check", "--json", "m.hnn"))
    check(said[0]["severity"] == "warning" and (said[-1]["errors"], said[-1]["warnings"]) == (0, 1), "without --werror", said)
    hnnc("run", "-q", "--werror", "m.hnn", code=1, says="--werror makes an error")
    check(not os.path.exists("runs"), "it ran")


def test_usage_as_json():
    """Whatever the mistake is, stdout has an object that tells it, and the summary."""
    write("m.hnn", UNUSED)
    for command in ["check"], ["check", "m"], ["check", "m.hnn", "--oops"], ["check", "m.hnn", "-O", "9"], ["chek", "m.hnn"], ["explain"], \
                   ["check", "m.hnn", "--threads"], ["check", "m.hnn", "--no-warn=batchsize"], ["check", "m.hnn", "x"]:
        said = objects(hnnc(*command, "--json", code=2))
        check([m["kind"] for m in said] == ["diagnostic", "summary"], " ".join(command), said)
        check(said[0]["severity"] == "error" and said[0]["message"] and said[-1]["errors"] == 1, " ".join(command), said)
        check(not hnnc(*command, code=None).out.startswith("{"), "JSON that nobody asked for")
    said = objects(hnnc("check", "--json", "nothing.hnn", code=4))
    check(said[0]["file"] == said[-1]["file"] == "nothing.hnn", "the file's name", said)


def test_command_line():
    write("m.hnn", UNUSED)
    write("t.hnn", read(model()))
    hnnc("check", "m", code=2, says="did you mean `m.hnn`?")
    hnnc("run", "t.hnn", "--steps", "10", code=2, says="`train.steps=10`")
    hnnc("run", "t.hnn", "--lr=3", code=2, says="`train.optimizer=adam(lr = 3)`")
    for level in "3", "9", "-1", "x":
        hnnc("check", "-O", level, "m.hnn", code=2, says="-O takes 0, 1 or 2, found `%s`" % level)
    for level in "012":
        hnnc("check", "-O", level, "m.hnn")
    hnnc("opt", "--json", "m.hnn", code=2, says="it is an option of check, bench, diagnose, runs, explore and report\n")
    r = hnnc("explain", "undefind", code=2, says="did you mean `undefined`?\n")
    r = hnnc("--help", says="cache [ACTION]  ")
    check("[show" not in r.out, "the commands", r)


def test_explain_with_command_lines():
    """Where the command line is the mistake, it is shown."""
    hnnc("explain", "override", says=["This causes it, by `hnnc check FILE m=5`:", "Corrected, by `hnnc check FILE n=5`:"])
    r = hnnc("explain", "undefined", says=["This causes it:", "Corrected:"])
    check("FILE" not in r.out, "a command line without need", r)


def test_folder_of_runs():
    """A folder of runs names the run to take."""
    hnnc("run", "-q", model())
    hnnc("resume", "runs/m", code=4, says=["error[resume]", "folder of runs", "try runs/m/latest"])
    run = os.readlink("runs/m/latest")
    os.unlink("runs/m/latest")
    hnnc("resume", "runs/m/", code=4, says="try runs/m/" + run)
    os.mkdir("empty")
    r = hnnc("resume", "empty", code=4, says="it has no readable manifest.json")
    check("try" not in r.err, "a run where none is", r)
    hnnc("resume", "nothing", code=4, says="there is no run directory nothing")


def test_changed_model():
    """sources/ is named where it is."""
    for name, text, sources in ("std", read(model()).decode(), False), ("own", 'import "other"\n' + read("m.hnn").decode(), True):
        write("other.hnn", "const k = 1\n")
        write("m.hnn", text.replace("steps = 200", "steps = 2"))
        hnnc("run", "-q", "--out", name, "m.hnn")
        write(name + "/model.hnn", read(name + "/model.hnn") + b"\n")
        r = hnnc("resume", name, code=4, says="has changed since the run started")
        check((name + "/sources/" in r.err) == sources == os.path.exists(name + "/sources"), "sources/", r)


def test_out_into_what_is_of_others():
    model()
    write("thesis/chapter.tex", "text")
    r = hnnc("run", "-q", "--out", "thesis", "m.hnn", code=4, says=["error[output]", "chapter.tex", "choose a new directory with --out"])
    check(os.listdir("thesis") == ["chapter.tex"], "it was written to", os.listdir("thesis"))
    os.mkdir("empty")
    hnnc("run", "-q", "--out", "empty", "m.hnn")
    write("empty/notes.txt", "mine")                     # a run of ours with something beside it is still one
    hnnc("run", "-q", "--out", "empty", "m.hnn")
    check(os.path.exists("empty/earlier") and read("empty/notes.txt") == b"mine", "the earlier run", os.listdir("empty"))


def test_compile_into_a_new_folder():
    model()
    hnnc("compile", "-q", "-o", "lib/", "m.hnn")
    hnnc("compile", "-q", "-o", "a/b/n.so", "m.hnn")
    hnnc("compile", "--emit=ir", "-o", "c/d/m.ir", "m.hnn")
    hnnc("compile", "--emit=obj", "-o", "e/m.o", "m.hnn")
    for path in "lib/m.so", "lib/m.h", "a/b/n.so", "a/b/n.h", "c/d/m.ir", "e/m.o":
        check(os.path.exists(path), path + " was not made")
    write("file", "")
    hnnc("compile", "-q", "-o", "file/m.so", "m.hnn", code=4, says="cannot write `file/m.so`")


def test_left_out():
    """What is not in a library is said, and why."""
    write("m.hnn", "fn generic(x) = x^2\nfn power(x: real, n: int) = x^n\nfn plain(x: real) = x + 1\nfn none() = 3\nfn noisy(x: real) = x + normal(0, 1)\n")
    for _ in range(2):
        r = hnnc("compile", "m.hnn", says=["left out: fn `generic`: its argument `x` has no type", "left out: fn `power`: its argument `n` is not a real",
                                           "left out: fn `none`: it takes no arguments",
                                           "left out: fn `noisy`: it draws, at m.hnn:"])
        check("`plain`" not in r.out and r.out.count("left out") == 4, "left out", r)


def test_the_header_says_how_to_link():
    """By its own line a program is made that runs."""
    write("m.hnn", "fn plain(x: real) = x + 1\n")
    hnnc("compile", "-q", "m.hnn")
    line = [x for x in read("m.h").decode().splitlines() if x.startswith(" *   cc ")]
    check(len(line) == 1, "the line", line)
    write("use.c", '#include "m.h"\nint main(void) { double x = 1, y = 0; m *a = m_create(); return !a || m_plain(a, 1, &x, &y) || y != 2; }\n')
    p = subprocess.run(line[0][3:].strip() + " && ./use", shell=True, capture_output=True, timeout=120)
    check(p.returncode == 0, "it does not run", p)


def test_allow_of_no_warning():
    write("m.hnn", UNUSED.replace("x + 1", "x + 1  # allow: unuzed"))
    hnnc("check", "m.hnn", says=["warning[unknown_warning]: there is no warning `unuzed`", "did you mean `unused`?", "warning[unused]"])
    hnnc("check", "--werror", "m.hnn", code=1)
    write("m.hnn", UNUSED.replace("x + 1", "x + 1  # allow: kink, unused because the author says so"))
    check(not hnnc("check", "m.hnn").err, "a warning")
    write("m.hnn", "# allow: undefined\n" + UNUSED.replace("x + 1", "x + 1  # allow: unused"))
    hnnc("check", "m.hnn", says="`undefined` is an error, which cannot be allowed")


def test_memory_of_data():
    if "ASAN_OPTIONS" in os.environ:
        return                               # AddressSanitizer ends the process itself
    write("m.hnn", "data d {\n  let x = normal(0, 1, [6000])\n  yield x\n}\nuse s = d(count = 1000000000)\nreport r = sum(x) on s\n")
    hnnc("run", "-q", "m.hnn", code=4, says=["error[memory]", "1000000000 samples of 6000 numbers in f64 are 48 TB", "take fewer samples"])


def test_little_memory():
    """Where the system gives no more, that is said: no signal ends the command, and nothing half made stays."""
    if "ASAN_OPTIONS" in os.environ:
        return
    model()
    codes = set()
    for megabytes in 40, 80, 120, 160, 200, 280, 400, 1000, 4000:
        def limited(bytes_=megabytes << 20):
            resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))
        p = subprocess.run([HNNC, "compile", "m.hnn", "--emit=obj", "-o", "m.o", "--no-cache"], capture_output=True, preexec_fn=limited, timeout=100, check=False)
        check(p.returncode in (0, 1, 4, 70), "exit code", megabytes, p.returncode, p.stderr[-200:])
        check(p.returncode == 0 or p.stderr, "nothing is said", megabytes)
        check(p.returncode == 0 or not os.path.exists("m.o.new"), "a half file stays", megabytes)
        codes.add(p.returncode)
    check(0 in codes and len(codes) > 1, "the limits are too wide or too narrow", codes)


def test_override_of_training():
    hnnc("run", model(), "steps=100", code=1, says="did you mean `train.steps=100`?")
    hnnc("run", "m.hnn", "widht=100", code=1, says="did you mean `width`?")


def test_check_makes_no_start_values():
    """They would take 2 GB and minutes here."""
    write("m.hnn", 'net big(x: real) -> real[1] { param W: real[16384, 16384] ~ orthogonal; return [W[0, 0]*x] }\n')
    begin = time.time()
    hnnc("check", "m.hnn")
    check(time.time() - begin < 20, "check took", time.time() - begin)


def test_out_spares_the_program():
    model()
    before = read("m.hnn")
    hnnc("compile", "m.hnn", "--emit=ir", "-o", "m.hnn", code=2, says="would replace the program")
    check(read("m.hnn") == before, "the program is what it was")
    hnnc("compile", "m.hnn", "-o", "", code=2, says="-o needs")
    hnnc("run", "m.hnn", "--seed=%d" % 2**63, code=2, says="below 2^63")


def test_file_size_limit_of_libraries():
    model()
    hnnc("compile", "m.hnn", "-o", "lib", code=4, says="error[output]", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 10, 20 << 10)))
    check(not [x for x in os.listdir(".") if x.startswith("lib")], "nothing half made", os.listdir("."))


def test_long_lines():
    """What is left out of a line is shown as left out, and the marks stay below what they mark."""
    long = " + ".join(["x"] * 100)
    for text, left, right in ("fn f(x: real) = oops + " + long, False, True), ("fn f(x: real) = x + %s + oops" % " + ".join(["x"] * 100), True, False), \
                             ("fn f(x: real) = x + %s + oops + %s" % (" + ".join(["x"] * 60), " + ".join(["x"] * 60)), True, True), \
                             ("fn f(x: real) = x + oops", False, False):
        write("m.hnn", text)
        line, marks = [x.partition(" | ")[2] for x in hnnc("check", "m.hnn", code=1).err.splitlines()[2:4]]
        check(line.startswith("…") == left and line.endswith("…") == right, "…", line)
        check(line[marks.index("^"):].startswith("oops"), "the mark", line, marks)
        check(len(line) <= 120, "too long", line)


def test_constants_that_are_not_finite():
    """What was computed while compiling is named with its place, by the warning where it is made and by what is said of the run."""
    for text, says in (("report r = inv([[1, 2], [2, 4]])[0, 0]", ["warning[nan]: the matrix of `inv` is singular", "m.hnn:1:12", "a constant is nan"]),
                       ("const B = inv([[0]])\nreport r = B[0, 0]", ["warning[nan]: the matrix of `inv` is singular", "m.hnn:1:11", "m.hnn:2:12"]),
                       ("report r = log(0)", ["`log` of constants is -inf"]), ("report r = sum(log([1, -1]))", ["`log` of -1 is not a number", "m.hnn:1:16"]),
                       ("report r = { let x = 0.0; return grad(sqrt(x), x) }", ["the derivative of `sqrt` is not finite: it gave inf"])):
        write("m.hnn", text)
        hnnc("run", "-q", "m.hnn", code=3, says=["error[not_finite]", *says])


def test_requirements_of_values():
    """What a function requires of values is told at its call, with its name; also by a model that was kept."""
    write("lib.hnn", 'fn drift(L: real, x: real) {\n  require L >= 0, "drifts have L >= 0"\n  return x + L\n}\n')
    write("m.hnn", 'import "lib"\ndata d { let L = normal(); yield L, x = drift(abs(L), 1) }\nuse s = d(count = 10)\n'
          'report a = drift(L, 1) on s\nreport b = x on s\n')
    for _ in range(2):
        hnnc("run", "-q", "m.hnn", code=3,
             says=["the report `a` is not finite", "m.hnn:4:12", "lib.hnn:2:19", "`drift` requires this", "`drift` requires: drifts have L >= 0, found -"])
    write("m.hnn", 'import "std/sampling"\nfn log_p(x: real) = -1e9*x^2\n'
          'data d { fn move(x) = metropolis(log_p, x, 1e6); let (x, _) = markov_chain(move, 0, steps = 20); yield tau = autocorrelation_time(x) }\n'
          'use s = d(count = 2)\nreport tau = tau on s\n')
    hnnc("run", "-q", "m.hnn", code=3, says=["`tau` of the data set `s` is not finite in sample 0", "yield tau = autocorrelation_time(x)", "`autocorrelation` requires: the draws of a chain must not all be equal"])


if __name__ == "__main__":
    raise SystemExit(main(globals()))
