#!/usr/bin/env python3
"""Runs stopped and resumed; files that are missing, damaged, unwritable or cut off by a full disk:
test_driver_files.py HNNC [TEST...]; prints `N passed, N failed`."""
import array
import os
import resource
import signal
import struct
import subprocess
import sys
import time

from driver_util import check, environment, HNNC, hnnc, last, load, main, metrics_of, MODEL, model, models, read, same_end, TABLE, tensors, write


# ---- stopping and going on ---------------------------------------------------------------------------------------


def stopped(out, *args, steps, every):
    """Starts a run and interrupts it once it has trained a while."""
    p = subprocess.Popen([HNNC, "run", "m.hnn", "train.steps=%d" % steps, "train.every=%d" % every, "--out", out, "-q", *args],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, env=environment())
    metrics = out + "/metrics.jsonl"
    start = time.time()
    while not (os.path.exists(metrics) and read(metrics).count(b"\n") >= 3):
        check(p.poll() is None and time.time() - start < 60, "the run ended before it could be stopped")
        time.sleep(0.005)
    p.send_signal(signal.SIGINT)
    text = "".join(p.communicate(timeout=60))
    check(p.returncode == 130, "Ctrl-C: exit code 130", p.returncode, text)
    check("hnnc resume %s" % out in text, "the message says how to go on", text)
    return text


def test_stop_and_resume():
    steps, every = 60000, 1000
    model()
    hnnc("run", "m.hnn", "train.steps=%d" % steps, "train.every=%d" % every, "--out", "whole", "-q")
    stopped("parts", steps=steps, every=every)
    check(load("parts/manifest.json")["status"] == "stopped", "status", load("parts/manifest.json"))
    at = int(tensors(last("parts"))[1]["step"])
    check(0 < at < steps, "stopped on the way", at)
    hnnc("resume", "parts", "-q", "--threads", "1", says="report error")
    same_end("whole", "parts")
    check(metrics_of("whole") == metrics_of("parts"), "the same metrics, none twice")
    check(load("parts/manifest.json")["status"] == "done", "status", load("parts/manifest.json"))
    hnnc("resume", "parts", "-q")
    same_end("whole", "parts")


def go_on(out, steps, *args):
    """The same run whole, and stopped and resumed."""
    every = steps // 100
    hnnc("run", "m.hnn", "train.steps=%d" % steps, "train.every=%d" % every, *args, "--out", out + "-whole", "-q")
    stopped(out, *args, steps=steps, every=every)
    hnnc("resume", out, "-q")
    same_end(out + "-whole", out)
    check(metrics_of(out + "-whole") == metrics_of(out), "the same metrics: " + out)


def test_resume_optimizers():
    schedule = "  schedule = cosine(warmup = 100)\n  clip = 1\n  batch = 25"
    for name in "sgd(lr = 1e-3, momentum = 0.9)", "rmsprop(lr = 1e-3)", "adamw(lr = 1e-3)":
        text = MODEL.replace("adam(lr = 1e-2)", name).replace("  batch = 25", schedule)
        text = text.replace("return sum(", "let z = normal(0, 0.1)\n  return z*q[0] + sum(")
        write("m.hnn", text.replace("PRECISION", "f64").replace("LIMIT", "1e9"))
        go_on(name[:3], 60000)
    model(precision="f64", old="adam(lr = 1e-2)", new="lbfgs(history = 5, max_iter = 3)")
    go_on("lbfgs", 2000, "train.batch=all")


def test_resume_not_finite():
    """A report that was NaN before the checkpoint is NaN after it, and fails what it failed."""
    write("n.hnn", """\
data d { yield x = normal() }
use u = d(count = 4)
net l(a: real) -> real {
  param w: real = 1
  return w*a
}
loss z(x) = (l(x) - 1)^2
report bad = log(l(0) - 1)
train z on u { steps = 5 }
expect abs(bad) < 1
""")
    hnnc("run", "n.hnn", "--out", "r", "-q", code=3)
    before = read("r/reports.json")
    hnnc("resume", "r", "-q", code=3, says="FAILS")
    check(read("r/reports.json") == before, "the same reports", before, read("r/reports.json"))


def test_resume_other_data():
    """A run whose data file has changed since is refused, and left as it was."""
    write("c.csv", "x\n1\n2\n3\n")
    write("c.hnn", """\
data d = read("c.csv")
net l(a: real) -> real {
  param w: real = 1
  return w*a
}
loss z(x) = (l(x) - 1)^2
train z on d { steps = 5 }
""")
    hnnc("run", "c.hnn", "--out", "rc", "-q")
    hnnc("resume", "rc", "-q")
    before = tensors(last("rc"))
    write("c.csv", "x\n7\n8\n9\n")
    hnnc("resume", "rc", "-q", code=4, says=["`c.csv`, which `c.hnn` reads, has changed", "start a new run"])
    check(tensors(last("rc")) == before, "the same checkpoint")


def files_changed(model, change, question):
    """A run is not asked with a file that has changed; its parameters are taken for the model as it is now, and that is told."""
    write("m.hnn", model)
    hnnc("run", "m.hnn", "--out", "r", "-q")
    then = hnnc("eval", "r", question).out
    name = change()
    says = [f"`{name}`, which `m.hnn` reads, has changed", "restore it"]
    for more in ([], ["--params", "r"]):
        hnnc("eval", "r", question, *more, code=4, says=[*says, "run again"])
    hnnc("resume", "r", "-q", code=4, says=says)
    warns = [f"warning: `{name}`, which `m.hnn` reads, has changed", "parameters of `r`"]
    check(hnnc("eval", "m.hnn", question, "--params", "r", says=warns).out != then, "other numbers")
    hnnc("compile", "m.hnn", "--params", "r", "--emit", "header", "-o", "m.h", says=warns)
    hnnc("run", "m.hnn", "--params", "r", "--out", "r2", says=warns)
    check("warning" not in hnnc("eval", "r2", question).err, "that run is of the file as it is now")


READS = """\
READ
net f(x: real) {
  param a: real = 1
  return a*x
}
fn of(x: real) = VALUE
data d {
  yield x = normal(0, 1)
}
loss l(x) = (f(x) - 1)^2
use s = d(count = 9)
train l on s { steps = 2 }
"""


def test_eval_of_changed_array():
    write("a.csv", "x\n1\n2\n3\n")

    def change():
        write("a.csv", "x\n1\n2\n4\n")
        return "a.csv"
    files_changed(READS.replace("READ", 'const A = read("a.csv", x)').replace("VALUE", "f(x)*sum(A)"), change, "of(2)")


def test_eval_of_changed_network():
    """The numbers of an ONNX file that are no parameters."""
    made = "fn g(x: real[1]) = %s*x\n"

    def network(a):
        write("o.hnn", made % a)
        hnnc("compile", "o.hnn", "--emit=onnx", "g", "-o", "g.onnx")

    def change():
        network(5)
        return "g.onnx"
    network(3)
    files_changed(READS.replace("READ", 'use g = onnx("g.onnx")').replace("VALUE", "f(x)*g([x])[0]"), change, "of(2)")


def test_resume_second_training():
    more = """report first = H([1], [0])
loss again(q, p, dq, dp) = (H(q, p) - 3)^2
train again on train_set {
  steps = 50000
  every = 1000
  batch = 20
  seed = 3
}
report second = H([1], [0])
expect first != second
"""
    model()
    write("m.hnn", read("m.hnn").decode().replace("report error", more + "report error"))
    hnnc("run", "m.hnn", "--out", "whole", "-q")
    p = subprocess.Popen([HNNC, "run", "m.hnn", "--out", "r", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    start = time.time()
    while not (os.path.exists("r/metrics.jsonl") and read("r/metrics.jsonl").count(b"again") >= 3):
        check(p.poll() is None and time.time() - start < 60, "the run ended before it could be stopped")
        time.sleep(0.005)
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=60)
    check(p.returncode == 130, "SIGTERM: exit code 130", p.returncode)
    hnnc("resume", "r", "-q")
    same_end("whole", "r")
    hnnc("resume", "r/checkpoints/step-200.safetensors", "-q")
    same_end("whole", "r")
    hnnc("resume", "r/checkpoints/step-201.safetensors", "-q", code=4, says="step-201")


def test_killed():
    model()
    p = subprocess.Popen([HNNC, "run", "m.hnn", "train.steps=100000000", "--out", "r", "-q", "train.every=1000"], env=environment())
    while not (os.path.exists("r/metrics.jsonl") and read("r/metrics.jsonl").count(b"\n") >= 3):
        check(p.poll() is None, "the run ended")
        time.sleep(0.005)
    p.kill()
    p.wait()
    check(load("r/manifest.json")["status"] == "running", "what a killed run leaves", load("r/manifest.json"))
    hnnc("resume", "r", code=4, says=["no checkpoint", "r"])


def test_checkpoint_damaged():
    model()
    hnnc("run", "m.hnn", "--out", "r", "-q")
    path = os.path.realpath(last("r"))
    good = read(path)
    for name, bad in ("empty", b""), ("truncated", good[:-9]), ("a head cut off", good[:20]), ("a long head", b"\xff" * 8 + good[8:]), \
            ("a bit", good[:-40] + bytes([good[-40] ^ 16]) + good[-39:]), ("text", b"hello, this is not a checkpoint"):
        write(path, bad)
        r = hnnc("resume", "r", "-q", code=4, says="error[")
        check("step-200" in r.err or "last" in r.err, "the file is named: " + name, r)
    os.remove(path)
    hnnc("resume", "r", "-q", code=4, says="error[")
    write(path, good)
    hnnc("resume", "r", "-q")
    write("r/model.hnn", read("r/model.hnn") + b"# changed\n")
    hnnc("resume", "r", code=4, says="has changed since the run started")
    write("r/manifest.json", b"{")
    hnnc("resume", "r", code=4, says="manifest.json is damaged")


# ---- files ------------------------------------------------------------------------------------------------------


def table(text, code=0, says=(), name="t.csv", suffix="", model_text=TABLE):
    write(name, text)
    write("t.hnn", model_text.replace("FILE", name) + suffix)
    return hnnc("run", "t.hnn", "--out", "out", "-q", code=code, says=says)


def npy(shape, dtype="<f8", data=None, head=None):
    n = 1
    for k in shape:
        n *= k
    h = head or "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (dtype, repr(tuple(shape)))
    h = h.encode() + b" " * (117 - len(h)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(h)) + h + (array.array("d", range(n)).tobytes() if data is None else data)


def test_tables():
    table("x,y\n1,2\n2,4\n3,6\n")
    table("# x y\n1 2\n2 4\n")
    os.remove("t.csv")
    hnnc("run", "t.hnn", code=1, says=["cannot read", "t.csv", "No such file"])
    table("", code=1, says="t.csv")
    table("x,y\n", code=1, says="t.csv")
    table("x,y\n1,2\n3\n", code=1, says=["line 3", "1 column"])
    table("x,y\n1,2\n3,4,5\n", code=1, says=["line 3", "3 columns"])
    table("x,y\n1,2\n3,four\n", code=1, says="t.csv")
    table(b"x,y\n1,2\n\x00\x01\xff\xfe\n", code=1, says="t.csv")
    table("x\n1\n2\n", code=1, says="found 1")


def test_table_not_finite():
    table("x,y\n1,2\n2,nan\n3,6\n", code=1, says=["t.csv", "line 3", "`y`", "nan"])
    table("x,y\n1,2\n2,inf\n3,6\n", code=1, says=["line 3", "`inf` is not a finite number"])
    bad = array.array("d", [1, 2, 3, float("nan")]).tobytes()
    r = table(npy([2, 2], data=bad), name="t.npy", code=1, says="t.npy")
    check("finite" in r.err, "the NaN is named", r)


def test_npy():
    name = dict(name="t.npy", model_text=TABLE.replace("x = 0, y = 1", "v = 0").replace("l(x, y)", "l(v)").replace("f(x) - y", "sum(f(1)*v)"))
    table(npy([4, 3]), **name)
    table(npy([4]), **name)
    table(npy([4, 3])[:-8], code=1, says="t.npy", **name)
    table(npy([4, 3])[:60], code=1, says="t.npy", **name)
    table(npy([4, 3])[:7], code=1, says="t.npy", **name)
    table(npy([0, 3]), code=1, says="t.npy", **name)
    table(npy([4, 3], dtype="<c16"), code=1, says="t.npy", **name)
    table(npy([4, 3], dtype="|O"), code=1, says="t.npy", **name)
    table(npy([10 ** 9, 10 ** 9], data=b""), code=1, says="t.npy", **name)
    table(npy([4, 3], head="{'descr': '<f8', 'shape': (4, "), code=1, says="t.npy", **name)
    table(b"PK\x03\x04 nonsense", code=1, says="t.npz", **dict(name, name="t.npz"))


def test_wrong_shape():
    text = TABLE.replace("x = 0, y = 1", "x = 0").replace("l(x, y)", "l(x: real[2])").replace("f(x) - y", "sum(x) + f(1)")
    table(npy([4, 3]), name="t.npy", model_text=text, code=1, says=["`x` of `l` needs real[2], found real"])


def test_unwritable_run():
    model()
    write("file", "in the way\n")
    hnnc("run", "m.hnn", "--out", "file", code=4, says="file")
    hnnc("run", "m.hnn", "--out", "file/below", code=4, says="file")
    check(read("file") == b"in the way\n", "the file is untouched")
    write("runs", "in the way\n")
    hnnc("run", "m.hnn", code=4, says="runs")
    if os.getuid() != 0:
        os.mkdir("locked", 0o500)
        hnnc("run", "m.hnn", "--out", "locked/r", code=4, says="locked/r")


def limit_files(size):
    def set_limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return set_limit


def test_full_disk():
    model()
    hnnc("run", "m.hnn", "--out", "warm", "-q")
    for size in 0, 200, 600, 3000:
        r = hnnc("run", "m.hnn", "train.every=1", "--out", "r%d" % size, "-q", code=4, says="error[", preexec_fn=limit_files(size))
        check("r%d/" % size in r.err and ("too large" in r.err or "No space" in r.err), "which file, and why", r)
        left = os.listdir("r%d" % size)
        check(not [x for x in left if x.endswith(".tmp") or ".tmp" in x], "nothing half-written is left", left)
    model(old="const width = 8", new="const width = 2000")
    hnnc("run", "m.hnn", "train.every=1000", "--out", "big", "-q", code=4, says=["big/", "too large"], preexec_fn=limit_files(20000))
    check(not [x for x in os.listdir("big/checkpoints") if not x.startswith("step-") and x != "last"], "no half checkpoint",
          os.listdir("big/checkpoints"))
    p = subprocess.run([HNNC, "compile", "m.hnn", "--emit=ir"], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE,
                       universal_newlines=True, env=environment(), timeout=60)
    check(p.returncode == 4 and p.stderr, "output to a full device", p.returncode, p.stderr)
    p = subprocess.run([HNNC, "run", "m.hnn", "-q", "train.steps=2"], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE,
                       universal_newlines=True, env=environment(), timeout=60)
    check(p.returncode == 4 and p.stderr, "reports to a full device", p.returncode, p.stderr)


def test_kept_answers():
    """An answer is decided once; a function that changed is decided anew."""
    def check_with(text, *more, code=0):
        write("p.hnn", text)
        return hnnc("check", "p.hnn", "--time-passes", *more, env=environment(HNNC_CACHE_DIR=os.path.abspath("answers")), code=code)
    proof = "prove (x: real[3]) %s == dot(x, x)\n"
    first, again = check_with(proof % "sum(x^2)"), check_with(proof % "sum(x^2)")
    check("proved" in first.out and "decide " in first.err, "decided", first)
    check(first.out == again.out and "decide " not in again.err, "not decided again", again)
    check("decide " in check_with(proof % "sum(x^2)", "--no-cache").err, "without the cache it is")
    wrong, same = check_with(proof % "sum(x^3)", code=1), check_with(proof % "sum(x^3)", code=1)
    check("refuted" in wrong.out and "decide " in wrong.err, "another function", wrong)
    check(wrong.out == same.out and "decide " not in same.err, "a refutation is kept whole", same)


SHUFFLED = """\
data line { let a = linspace(0, 9, 10)
  yield shuffled(WINDOW) x = a, y = [a, -a].T }
use d = line(count = COUNT, seed = SEED)
plot p = { kind = line, samples = 10000, x = x, y = y[:, 1] } on d
"""


def shuffled(window, count=3, seed=1, *more):
    """For each draw the rows of its samples, in their order."""
    write("s.hnn", SHUFFLED.replace("WINDOW", window).replace("COUNT", str(count)).replace("SEED", str(seed)))
    hnnc("run", "s.hnn", "--out", "s", *more)
    rows = [line.split() for line in read("s/plots/p.dat").decode().split("\n") if line and line[0] != "#"]
    samples = {}
    for number, x, y in rows:
        check(float(x) == -float(y), "fields go together", x, y)
        samples.setdefault(int(number), []).append(int(float(x)))
    each = len(samples)//count
    return [[samples[i*each + j] for j in range(each)] for i in range(count)]


def test_signal_of_a_file():
    """A control from a file drives a system: interp of std/tables in the rates, against NumPy's, and its derivatives by the values."""
    time, u = [0, 0.5, 1.25, 2, 4], [0, 1, -1, 0.5, 2]
    write("drive.csv", "time (s),u [N m]\n" + "".join("%r,%r\n" % row for row in zip(time, u)))
    write("m.hnn", """precision f64
import "std/tables"
const time = read("drive.csv", "time (s)")
const u = read("drive.csv", "u [N m]")
fn rates(x: real, t: real) = interp(t, time, u)
report at = interp([-1, 0, 0.25, 1.25, 1.7, 3, 4, 9], time, u)
report rows = interp(1.5, time, [[a, 2*a] for a in u])
report area = integrate(rates, 0, times = time, method = dopri5(rtol = 1e-9))[-1]
data d { let t = uniform(0, 4); let v = normal(0, 1, 5); yield y = sum([interp(s, time, v) for s in [t, t/2]]) - interp([t, t/2], time, v) @ [1, 1],
  s = sum(grad(interp(t, time, v), v)) }
use some = d(count = 50)
report same = y on some
report shares = s on some
expect maxabs(at - [0, 0, 0.5, -1, -0.1, 1.25, 2, 2]) < 1e-12
expect maxabs(rows - [-0.5, -1]) < 1e-12
expect abs(area - 2.5625) < 1e-6
expect maxabs(same) < 1e-12 and maxabs(shares - 1) < 1e-12
""")
    hnnc("run", "m.hnn", "-q")


def test_shuffled():
    """Every row once in each order; what a draw gets follows from the seed, its number and the order's alone."""
    draws = shuffled("5, orders = 3")
    for draw in draws:
        check(len(draw) == 6 and all(len(s) == 5 for s in draw), "samples of a draw", draw)
        orders = [draw[2*k] + draw[2*k + 1] for k in range(3)]
        check(all(sorted(o) == list(range(10)) for o in orders), "every row once in each", orders)
        check(all(o != list(range(10)) for o in orders) and len(set(map(tuple, orders))) == 3, "random orders", orders)
    check(len(set(str(d) for d in draws)) == 3, "draws have orders of their own", draws)
    left = shuffled("3, orders = 2")
    for draw, rest in zip(draws, left):
        check(len(rest) == 6, "what is left over is dropped", rest)
        for k in range(2):
            check(sum(rest[3*k:3*k + 3], []) == (draw[2*k] + draw[2*k + 1])[:9], "the same order, cut otherwise", draw, rest)
    check(shuffled("5") == [d[:2] for d in draws], "one order if unsaid")
    check(shuffled("5, orders = 3", 2) == draws[:2], "not of the count")
    check(shuffled("5, orders = 3", 3, 1, "--threads", "1") == draws, "not of the threads")
    check(shuffled("5, orders = 3", 3, 2) != draws and shuffled("5, orders = 3", 3, 1, "--seed", "7") != draws, "of the seed")
    check(all(sorted(s) == list(range(10)) for d in shuffled("10, orders = 2") for s in d), "all rows in one sample")
    where = [0]*10
    for draw in shuffled("1, orders = 100", 10):
        for k in range(100):
            where[draw[10*k][0]] += 1
    check(min(where) > 60 and max(where) < 145, "any row comes first", where)


def test_kept_models():
    """A model that was kept is what the frontend makes, in all that is printed of it; and none is taken that anything has changed."""
    env = environment(HNNC_CACHE_DIR=os.path.abspath("kept"))
    for path in models():
        name = os.path.basename(path)
        new, first, kept = [hnnc("compile", path, "--emit=ir", *more, env=env) for more in (["--no-cache"], [], [])]
        check(new.out == first.out == kept.out and new.err == kept.err, "the same functions of %s" % name)
        new, kept = hnnc("check", path, "--no-cache", env=env), hnnc("check", path, env=env)
        check(new.out == kept.out and new.err == kept.err, "the same is said of %s" % name, new, kept)

    def answer(*more, **how):
        return hnnc("check", "m.hnn", *more, env=env, **how)
    write("lib.hnn", "const a = 2\n")
    write("m.hnn", 'import "lib"\nimport "std/nets"\nconst n = 3\nprove (x: real[n]) sum(a*x) == 2*sum(x)\n')
    for _ in range(2):
        check("proved" in answer().out, "as it is")
    write("lib.hnn", "const a = 3\n")
    check("refuted" in answer(code=1).out, "an import has changed")
    write("lib.hnn", "const a = 2\n")
    check("proved" in answer().out, "and back")
    answer("n=0", code=1, says="error")
    os.rename("lib.hnn", "away.hnn")
    answer(code=1, says="there is no file `lib.hnn`")
    os.rename("away.hnn", "lib.hnn")
    write("std/nets.hnn", "const a = 5\n")
    check(answer(code=1).err, "a file that was not there comes before the built-in one")
    os.remove("std/nets.hnn")
    write("t.csv", "x,y\n1,2\n3,4\n")
    write("m.hnn", TABLE.replace("FILE", "t.csv").replace("y = 1", "y = y"))
    answer(), answer()
    write("t.csv", "x,z\n1,2\n3,4\n")
    answer(code=1, says="no column `y`")
    os.remove("t.csv")
    answer(code=1, says="t.csv")


def test_cache():
    env = environment(HNNC_CACHE_DIR=os.path.abspath("c"))
    model()
    hnnc("run", "m.hnn", "--out", "first", "-q", env=env)
    files = [os.path.join("c", x) for x in os.listdir("c")]
    check(files, "objects are kept")
    for i, path in enumerate(files):
        b = read(path)
        write(path, [b"", b[:len(b) // 2], b[:-30] + bytes([b[-30] ^ 1]) + b[-29:], b"\x00" * len(b)][i % 4])
    hnnc("run", "m.hnn", "--out", "second", "-q", env=env)
    same_end("first", "second")
    for path in files:
        write(path, b"junk" * 1000)
        os.chmod(path, 0o400)
    hnnc("run", "m.hnn", "--out", "third", "-q", env=env)
    same_end("first", "third")
    write("file", "")
    for bad in "file", "file/below", "/proc/nothing", "":
        hnnc("run", "m.hnn", "--out", "fourth", "-q", env=environment(HNNC_CACHE_DIR=bad and os.path.join(os.getcwd(), bad)))
        same_end("first", "fourth")
    hnnc("run", "m.hnn", "--out", "fifth", "-q", "--no-cache")
    same_end("first", "fifth")
    hnnc("run", "m.hnn", "--out", "sixth", "-q", env=environment(HNNC_CACHE_DIR=os.path.abspath("limited")), code=4, preexec_fn=limit_files(300))


sys.exit(main(globals()))
