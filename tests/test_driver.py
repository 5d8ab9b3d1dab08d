#!/usr/bin/env python3
"""The hnnc command end to end: test_driver.py HNNC [TEST...]. Every test has an empty directory of its own, a
compile cache shared with the others, and small models; prints `N passed, N failed`."""
import array
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

HNNC = os.path.abspath(sys.argv[1])
ROOT = tempfile.mkdtemp(prefix="hnnc-driver-")
CACHE = os.path.join(ROOT, "cache")

MODEL = """\
precision PRECISION
import "std/nets"
const width = 8
use energy = mlp([width], 1)
hamiltonian H(q: real[1], p: real[1]) = energy(concat(q, p))[0]
data points {
  let q = normal(0, 1, [1])
  let p = normal(0, 1, [1])
  yield q, p, dq = p, dp = -q
}
use train_set = points(count = 100, seed = 0)
use test_set = points(count = 50, seed = 1)
loss fit(q, p, dq, dp) {
  let (a, b) = field(H)(q, p)
  return sum((a - dq)^2 + (b - dp)^2)
}
train fit on train_set {
  optimizer = adam(lr = 1e-2)
  batch = 25
  steps = 200
  every = 50
  test = test_set
}
report error = abs(H(q, p)) on test_set
report at_one = H([1], [1])
expect mean(error) < LIMIT
expect min(error) >= 0
"""

TABLE = """\
data d = read("FILE", x = 0, y = 1)
net f(x: real) {
  param a: real = 1
  return a*x
}
loss l(x, y) = (f(x) - y)^2
train l on d {
  optimizer = sgd(lr = 1e-2)
  batch = all
  steps = 3
}
"""


class Failure(Exception):
    pass


def check(ok, what, *shown):
    if not ok:
        raise Failure("\n".join([what] + [str(s) for s in shown]))


def write(path, text):
    if os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb" if isinstance(text, bytes) else "w") as f:
        f.write(text)


def model(name="m.hnn", precision="f32", limit="1e9", old="", new=""):
    text = MODEL.replace("PRECISION", precision).replace("LIMIT", limit)
    check(old in text, "the model has no `%s`" % old)
    write(name, text.replace(old, new))
    return name


def environment(**more):
    env = dict(os.environ, HNNC_CACHE_DIR=CACHE)
    env.pop("NO_COLOR", None)
    env.update(more)
    return env


class Result:
    def __init__(self, p):
        self.code, self.out, self.err = p.returncode, p.stdout, p.stderr

    def __str__(self):
        return "exit code %d\n%s%s" % (self.code, self.out, self.err)


def hnnc(*args, code=0, says=(), env=None, **more):
    p = subprocess.run([HNNC, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, errors="replace",
                       timeout=120, env=env or environment(), **more)
    r = Result(p)
    check(r.code == code, "hnnc %s: expected exit code %d" % (" ".join(args), code), r)
    check("internal error" not in r.err and "Sanitizer" not in r.err and "runtime error" not in r.err, "a fault", r)
    for text in [says] if isinstance(says, str) else says:
        check(text in r.out + r.err, "nothing says `%s`" % text, r)
    return r


def read(path):
    with open(path, "rb") as f:
        return f.read()


def load(path):
    return json.loads(read(path))


def lines(path):
    return [json.loads(x) for x in read(path).splitlines()]


def tensors(path):
    """name -> (dtype, shape, bytes) of a safetensors file, and its metadata."""
    b = read(path)
    n = struct.unpack("<Q", b[:8])[0]
    head = json.loads(b[8:8 + n])
    meta = head.pop("__metadata__", {})
    return {k: (v["dtype"], v["shape"], b[8 + n:][slice(*v["data_offsets"])]) for k, v in head.items()}, meta


def last(run):
    return os.path.join(run, "checkpoints", "last")


def same_end(a, b):
    """The same parameters, optimizer, reports: bit for bit."""
    check(tensors(last(a))[0] == tensors(last(b))[0], "the checkpoints of %s and %s differ" % (a, b))
    check(load(a + "/reports.json") == load(b + "/reports.json"), "the reports of %s and %s differ" % (a, b))


def metrics_of(run):
    return [{k: v for k, v in m.items() if k != "samples_per_s"} for m in lines(run + "/metrics.jsonl")]


# ---- run ------------------------------------------------------------------------------------------------------


def test_run_directory():
    model()
    r = hnnc("run", "m.hnn", "--out", "r", says=["report error", "expect mean(error) < 1e9", "holds"])
    check("m.hnn: r" in r.err, "the run directory is named", r)
    check(sorted(os.listdir("r")) == ["checkpoints", "manifest.json", "metrics.jsonl", "model.hnn", "reports.json"], "the files of a run",
          os.listdir("r"))
    check(read("r/model.hnn") == read("m.hnn"), "model.hnn is the model as run")
    m = load("r/manifest.json")
    check(m["status"] == "done" and m["overrides"] == [] and m["seed"] == 0 and m["precision"] == "f32", "the manifest", m)
    for key in "hnnc model model_hash cpu threads created updated seconds seconds_to_first_step".split():
        check(key in m, "the manifest has `%s`" % key, m)
    check([x["step"] for x in lines("r/metrics.jsonl")] == [50, 100, 150, 200], "a line for each `every`", lines("r/metrics.jsonl"))
    for x in lines("r/metrics.jsonl"):
        check(set(x) == {"train", "action", "step", "loss", "test", "lr", "samples_per_s"}, "keys of the metrics", x)
    check(os.readlink(last("r")) == "step-200.safetensors", "last is a link", os.listdir("r/checkpoints"))


def test_reports_format():
    model(limit="1e-30")
    r = hnnc("run", "m.hnn", "--out", "r", "-q", code=3, says="expect mean(error) < 1e-30")
    text = read("r/reports.json").decode()
    d = json.loads(text)
    check(list(d) == ["reports", "expects", "proofs"], "the keys of reports.json", text)
    check(list(d["reports"]) == ["error", "at_one"], "reports in the order of the file", text)
    for x in d["reports"].values():
        check(list(x) == ["mean", "sd", "min", "max", "n"], "the keys of a report", x)
    e = d["reports"]["error"]
    check(e["n"] == 50 and e["min"] <= e["mean"] <= e["max"] and e["sd"] > 0, "statistics", e)
    check(d["reports"]["at_one"]["n"] == 1 and d["reports"]["at_one"]["sd"] == 0, "a constant", d)
    check(d["expects"] == [{"text": "mean(error) < 1e-30", "holds": False}, {"text": "min(error) >= 0", "holds": True}], "expects", d)
    check(d["proofs"] == [], "proofs", d)
    check(load("r/manifest.json")["status"] == "failed", "a failed expect fails the run", r)


def test_default_directory():
    model("two.hnn")
    hnnc("run", "two.hnn", "-q")
    hnnc("run", "two.hnn", "-q")
    names = sorted(os.listdir("runs/two"))
    check(len(names) == 3 and "latest" in names, "two runs and a link", names)
    check(os.readlink("runs/two/latest") in names[:2], "latest is a link to one of them", names)
    same_end("runs/two/" + names[0], "runs/two/" + names[1])


def test_out_used_again():
    model()
    hnnc("run", "m.hnn", "--out", "r", "-q")
    before = read("r/reports.json")
    hnnc("run", "m.hnn", "train.steps=50", "--out", "r", "-q")
    old = os.listdir("r/earlier")
    check(len(old) == 1 and read("r/earlier/%s/reports.json" % old[0]) == before, "the earlier run is kept", old)


def test_threads():
    for precision in "f32", "f64":
        model(precision=precision, old="count = 100", new="count = 1000")
        for n in "1", "2", "5":
            hnnc("run", "m.hnn", "train.batch=all", "train.steps=40", "train.every=10", "--threads", n, "--out", precision + n, "-q")
        same_end(precision + "1", precision + "2")
        same_end(precision + "1", precision + "5")
        check(metrics_of(precision + "1") == metrics_of(precision + "2"), "the same metrics")


def test_seed():
    model()
    for s, out in ("1", "a"), ("1", "b"), ("2", "c"), ("0", "d"):
        hnnc("run", "m.hnn", "--seed", s, "--out", out, "-q")
    hnnc("run", "m.hnn", "--out", "e", "-q")
    same_end("a", "b")
    same_end("d", "e")
    for x in "c", "d":
        check(tensors(last("a"))[0] != tensors(last(x))[0], "another seed, another result")


def test_overrides():
    model()
    hnnc("run", "m.hnn", "width=3", "train.steps=7", "train.fit.batch=all", "--out", "r", "-q")
    t, meta = tensors(last("r"))
    check(["F32", [3, 2]] in [list(x[:2]) for x in t.values()], "width=3", {k: x[:2] for k, x in t.items()})
    check(lines("r/metrics.jsonl")[-1]["step"] == 7 and meta["step"] == "7", "train.steps=7", meta)
    check(load("r/manifest.json")["overrides"] == ["width=3", "train.steps=7", "train.fit.batch=all"], "the manifest keeps them")
    hnnc("check", "m.hnn", "train.stps=3", code=1, says=["stps", "steps"])
    hnnc("check", "m.hnn", "widht=3", code=1, says=["widht", "did you mean `width`?"])
    hnnc("check", "m.hnn", "train.fitt.steps=3", code=1, says="fitt")
    hnnc("check", "m.hnn", "train.steps=many", code=1, says="many")
    hnnc("check", "m.hnn", "width=(", code=1, says="error:")
    hnnc("check", "m.hnn", "width=1.5", code=1, says="error:")
    hnnc("check", "m.hnn", "train.steps=-5", code=1, says="`steps` is at least 1, found -5")


def test_usage():
    model()
    hnnc(code=2, says="usage: hnnc COMMAND")
    hnnc("runn", "m.hnn", code=2, says="did you mean `run`?")
    hnnc("run", code=2, says="which FILE?")
    hnnc("run", "m.hnn", "other.hnn", code=2, says="unexpected argument `other.hnn`")
    hnnc("run", "m.hnn", "--threads", "none", code=2, says="--threads needs a whole number of at least 1, found `none`")
    hnnc("run", "m.hnn", "--threads", "0", code=2)
    hnnc("run", "m.hnn", "--frobnicate", code=2, says="frobnicate")
    hnnc("compile", "m.hnn", "--emit=irr", code=2, says="did you mean `ir`?")
    hnnc("--help", says="resume DIR")
    hnnc("--version", says="hnnc 0.")


def test_missing_file():
    hnnc("run", "nothing.hnn", code=4, says=["nothing.hnn", "No such file"])
    os.mkdir("directory.hnn")
    hnnc("check", "directory.hnn", code=4, says="directory.hnn")
    hnnc("resume", "nowhere", code=4, says="there is no run directory nowhere")
    os.mkdir("empty")
    hnnc("resume", "empty", code=4, says="is no run directory")


def test_check():
    model()
    r = hnnc("check", "m.hnn", says="no errors")
    check("\x1b" not in r.out + r.err, "no colours in a file")
    write("w.hnn", "fn f(x: real[3]) = x + [1, 2]\nfn g(x: real) = y\n")
    r = hnnc("check", "w.hnn", code=1, says=["w.hnn:1:22", "real[3]", "real[2]", "`y` is not defined"])
    check("\x1b" not in r.out + r.err, "no colours in a file")
    hnnc("run", "w.hnn", code=1, says="`y` is not defined")
    check(not os.path.exists("runs"), "a file with errors makes no run")


def terminal(*args, **env):
    """What hnnc writes to a terminal."""
    master, slave = os.openpty()
    p = subprocess.Popen([HNNC, *args], stdout=slave, stderr=slave, env=environment(TERM="xterm", **env))
    os.close(slave)
    out = b""
    while True:
        try:
            b = os.read(master, 65536)
        except OSError:
            break
        if not b:
            break
        out += b
    os.close(master)
    p.wait(120)
    return out.decode(errors="replace")


def test_colours():
    write("w.hnn", "fn g(x: real) = y\n")
    check("\x1b[" in terminal("check", "w.hnn"), "colours on a terminal")
    plain = terminal("check", "w.hnn", NO_COLOR="1")
    check("\x1b[" not in plain and "is not defined" in plain, "NO_COLOR is honoured", repr(plain))


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
        r = hnnc("resume", "r", "-q", code=4, says="error:")
        check("step-200" in r.err or "last" in r.err, "the file is named: " + name, r)
    os.remove(path)
    hnnc("resume", "r", "-q", code=4, says="error:")
    write(path, good)
    hnnc("resume", "r", "-q")
    write("r/model.hnn", read("r/model.hnn") + b"# changed\n")
    hnnc("resume", "r", code=4, says="is not what the run was started with")
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
    r = table(npy([2, 2], data=bad), name="t.npy", code=4, says="t.npy")
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
        r = hnnc("run", "m.hnn", "train.every=1", "--out", "r%d" % size, "-q", code=4, says="error:", preexec_fn=limit_files(size))
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


# ---- numbers -----------------------------------------------------------------------------------------------------


def test_not_finite():
    write("n.hnn", """\
data points { let x = normal(0, 1)
  yield x }
use d = points(count = 10)
net f(x: real) {
  param a: real = 1
  return a*x
}
loss l(x) = exp(f(x)^2)
train l on d {
  optimizer = sgd(lr = 1e4)
  batch = all
  steps = 20
  every = 1
}
""")
    r = hnnc("run", "n.hnn", "--out", "r", "-q", code=3, says=["stopped being finite at step", "n.hnn:8", "learning rate"])
    check(re.search("`exp|`mul", r.err), "the operation is named", r)
    check(load("r/manifest.json")["status"] == "failed", "status")
    write("n.hnn", "precision f32\nreport big = log(0)\nreport none = sqrt(0 - 1)*1\nexpect big < 1\nexpect none < 1\n")
    r = hnnc("run", "n.hnn", "--out", "s", "-q", code=3)
    text = read("s/reports.json").decode()
    check("NaN" not in text and "Infinity" not in text and json.loads(text)["reports"]["none"]["mean"] is None, "JSON has no NaN", text)


def test_data_not_finite():
    write("n.hnn", """\
data points { let x = normal(0, 1)
  yield x, y = sqrt(x) }
use d = points(count = 10)
net f(x: real) { param a: real = 1
  return a*x }
loss l(x, y) = (f(x) - y)^2
train l on d { steps = 20 }
""")
    r = hnnc("run", "n.hnn", "--out", "r", "-q", code=3, says="error:")
    check("`y`" in r.err or "y" in r.err.split(), "the field is named", r)


# ---- other commands ----------------------------------------------------------------------------------------------


def test_emit():
    model()
    for kind, has in ("ir", "fn f32 @"), ("kernels", "fit"), ("llvm", "define "), ("asm", ".text"), ("dot", "digraph"), ("ast", "H"):
        r = hnnc("compile", "m.hnn", "--emit=" + kind)
        check(has in r.out, "--emit=%s prints `%s`" % (kind, has), r.out[:500], r.err[:500])
    hnnc("compile", "m.hnn", "--emit=obj", "-o", "m.o")
    check(read("m.o")[:4] == b"\x7fELF", "an object")
    hnnc("compile", "m.hnn", "--emit=header", "-o", "only.h")
    check(b"H(" in read("only.h") or b"_H" in read("only.h"), "a header")
    r = hnnc("run", "m.hnn", "-q", "--out", "r", "--print-after=derive", "--time-passes", "--verify-each")
    check("fn f32 @" in r.err + r.out and "derive" in r.err, "--print-after, --time-passes", r.err[-2000:])


def test_opt():
    write("f.hir", """\
fn f64 @f("x" field 0: f64[B]) {
  %1 = in {index=0} : f64[B]
  %2 = mul %1, %1 : f64[B]
  %3 = grad %2, %1 : f64[B]
  return %3
}
""")
    r = hnnc("opt", "f.hir")
    write("g.hir", r.out)
    check(hnnc("opt", "g.hir").out == r.out, "printing and reading again changes nothing", r.out)
    r = hnnc("opt", "f.hir", "--passes=derive,simplify")
    check("grad" not in r.out and "@f(" in r.out, "passes run", r.out)
    hnnc("opt", "f.hir", "--passes=derivee", code=1, says="did you mean `derive`?")
    write("bad.hir", "fn f64 @f(\"x\" field 0: f64[B]) {\n  %1 = in {index=0} : f64[B]\n  %2 = mul %1 : f64[B]\n  return %2\n}\n")
    hnnc("opt", "bad.hir", code=1, says="bad.hir:3")
    hnnc("opt", "missing.hir", code=4, says="missing.hir")


def test_bench():
    model()
    b = json.loads(hnnc("bench", "m.hnn", "--json", "--batch", "64", "--threads", "1").out)
    for key in "us_per_step samples_per_s flop_per_step gflops peak_gflops peak_share".split():
        check(isinstance(b[key], (int, float)) and b[key] > 0, "`%s`" % key, b)
    check(b["batch"] == 64 and b["threads"] == 1 and b["peak_share"] < 1.2, "options", b)
    twice = json.loads(hnnc("bench", "m.hnn", "--json", "--batch", "128", "--threads", "1").out)
    check(1.6 < twice["flop_per_step"] / b["flop_per_step"] < 2.1, "FLOP grow with the batch", b, twice)
    hnnc("bench", "m.hnn", says="FLOP a step")
    write("none.hnn", "fn f(x: real) = x\n")
    hnnc("bench", "none.hnn", code=1, says="has no `train`")


def test_diagnose():
    model()
    hnnc("diagnose", "m.hnn", says=["d fit", "energy/"])
    rows = json.loads(hnnc("diagnose", "m.hnn", "--json").out)
    check(len(rows) >= 4 and isinstance(rows, list), "a row for each block", rows)


TRAINS = r"""
#include "m.h"
#include <stdio.h>
#include <stdlib.h>
#define N 100
static double q[N], p[N], dq[N], dp[N];
int main(void) {
  double loss = 0;
  m *x = m_create();
  if (!x) return 1;
  for (int i = 0; i < N; i++) if (scanf("%lf %lf %lf %lf", &q[i], &p[i], &dq[i], &dp[i]) != 4) return 2;
  for (int step = 0; step < 40; step++) if (m_train_fit(x, N, q, p, dq, dp, 0, &loss)) return 3;
  double one = 1, h;
  if (m_H(x, 1, &one, &one, &h)) return 4;
  printf("%.17g\n", h);
  for (int k = 0; k < M_PARAMS; k++) {
    printf("%s", m_param_name(k));
    for (int i = 0; i < m_param_size(k); i++) printf(" %.17g", m_param(x, k)[i]);
    printf("\n");
  }
  m_destroy(x);
  return 0;
}
"""


def gcc(*args):
    p = subprocess.run(["gcc", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    check(p.returncode == 0, "gcc " + " ".join(args), p.stdout)


def test_compile():
    """A C program trains by the library; the same data through `read` and `hnnc run` give the same parameters."""
    model(precision="f64", old="""data points {
  let q = normal(0, 1, [1])
  let p = normal(0, 1, [1])
  yield q, p, dq = p, dp = -q
}
use train_set = points(count = 100, seed = 0)
use test_set = points(count = 50, seed = 1)
""", new="""data table = read("t.csv")
data rows on table { yield q = [a], p = [b], dq = [c], dp = [d] }
use train_set = rows()
use test_set = rows()
""")
    rows = [[((k * 7 + i * 13) % 41 - 20) / 11 for i in range(2)] for k in range(100)]
    rows = [[q, p, p, -q] for q, p in rows]
    write("t.csv", "a,b,c,d\n" + "".join(",".join(repr(x) for x in r) + "\n" for r in rows))
    options = ["train.batch=all", "train.steps=40"]
    hnnc("run", "m.hnn", *options, "--out", "r", "-q")
    r = hnnc("compile", "m.hnn", "-o", "m.so", *options, says=["parameters", "FLOP"])
    check(os.path.exists("m.so") and os.path.exists("m.h"), "a library and its header", r, os.listdir("."))
    linked = subprocess.run(["nm", "-D", "m.so"], stdout=subprocess.PIPE, universal_newlines=True).stdout
    check("LLVM" not in linked and "json" not in linked, "self-contained", linked)
    write("c.c", TRAINS)
    gcc("-std=c11", "-Wall", "-Wextra", "-Werror", "c.c", "./m.so", "-o", "c", "-lm", "-lpthread")
    p = subprocess.run(["./c"], input="".join(" ".join(repr(x) for x in r) + "\n" for r in rows), stdout=subprocess.PIPE,
                       universal_newlines=True)
    check(p.returncode == 0, "the C program", p.returncode, p.stdout)
    h, *params = p.stdout.splitlines()
    check(abs(float(h) - load("r/reports.json")["reports"]["at_one"]["mean"]) < 1e-12, "H(1, 1)", h, load("r/reports.json"))
    t = tensors(last("r"))[0]
    for line in params:
        name, *values = line.split()
        want = array.array("d", t[name][2])
        got = [float(x) for x in values]
        check(len(want) == len(got) and max(abs(a - b) for a, b in zip(want, got)) < 1e-12, name, list(want), got)


def test_compile_refused():
    model()
    write("d", "a file")
    hnnc("compile", "m.hnn", "-o", "d/m.so", code=4, says="d/m")
    hnnc("compile", "m.hnn", "-o", "x.so", code=4, env=environment(CC="no-such-compiler"), says=["no-such-compiler", "C compiler"])
    hnnc("compile", "m.hnn", "-o", "x.so", code=4, env=environment(TMPDIR="/nowhere"), says="/nowhere")
    hnnc("compile", "m.hnn", "--emit=ir", "-o", "d/x.ir", code=4, says="d/x.ir")
    hnnc("compile", "m.hnn", "--emit=obj", "-o", "d/x.o", code=4, says="d/x.o")
    check(not os.path.exists("x.so"), "nothing is left")


# ---- all -----------------------------------------------------------------------------------------------------------


def main():
    tests = [(n, f) for n, f in globals().items() if n.startswith("test_") and (len(sys.argv) < 3 or n in sys.argv[2:])]
    failed = 0
    for name, f in tests:
        where = os.path.join(ROOT, name)
        os.mkdir(where)
        os.chdir(where)
        start = time.time()
        try:
            f()
            print("ok   %-32s %5.1f s" % (name, time.time() - start), flush=True)
        except Exception as e:
            failed += 1
            print("FAIL %s: %s" % (name, e if isinstance(e, Failure) else traceback.format_exc()), flush=True)
    os.chdir("/")
    shutil.rmtree(ROOT, ignore_errors=True)
    print("%d passed, %d failed" % (len(tests) - failed, failed))
    return failed > 0


sys.exit(main())
