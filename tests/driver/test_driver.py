#!/usr/bin/env python3
"""The hnnc command end to end: test_driver.py HNNC [TEST...]; prints `N passed, N failed`."""
import array
import json
import os
import re
import subprocess
import sys

from driver_util import check, environment, HNNC, hnnc, last, lines, load, main, metrics_of, model, read, same_end, tensors, write


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
    for key in "hnnc model model_hash cpu threads created updated seconds seconds_to_first_step seconds_compiling seconds_making_data".split():
        check(key in m, "the manifest has `%s`" % key, m)
    check(0 < m["seconds_compiling"] + m["seconds_making_data"] <= m["seconds_to_first_step"] <= m["seconds"], "the times", m)
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
    hnnc("check", "m.hnn", "width=(", code=1, says="error[")
    hnnc("check", "m.hnn", "width=1.5", code=1, says="error[")
    hnnc("check", "m.hnn", "train.steps=-5", code=1, says="`steps` must be at least 1, found -5")


SECTION = """\
hamiltonian H(q: real[3], p: real[3]) = dot(p[:2], p[:2])/2 + dot(q[:2], q[:2])/2 + q[0]^2*q[1] - q[1]^3/3 + p[2]
fn flow(q: real[3], p: real[3], t: real) {
  let (dq, dp) = field(H)(q, p)
  return (t*dq, t*dp, 0*t)
}
# q[2] is the time. Six crossings of random orbits, and where a dense method of order 8 is then.
data d {
  let y = uniform(-0.2, 0.2)
  let py = uniform(-0.2, 0.2)
  let q0 = [0, y, 0]
  let p0 = [sqrt(1/5 - y^2 + 2*y^3/3 - py^2), py, 0]
  let (q, p) = section(H, q0, p0, on = q[0] + q[1]/3, direction = DIRECTION, crossings = 6, dt = 0.02, method = yoshida8)
  let (a, b, t) = [integrate(flow, q0, p0, q[k, 2], times = [0, 1], method = dop853(rtol = 1e-13)) for k in 0:6]
  yield each t = q[:, 2], g = q[:, 0] + q[:, 1]/3, rate = p[:, 0] + p[:, 1]/3, dq = q - a[:, 1], dp = (p - b[:, 1])[:, 0:2]
}
use s = d(count = 37, seed = 5)
report surface = abs(g) on s
report rate = rate on s
report off = max(maxabs(dq), maxabs(dp)) on s
report t = t on s
"""


def test_section():
    for direction in 1, -1, 0:
        write("s.hnn", SECTION.replace("DIRECTION", str(direction)))
        hnnc("run", "s.hnn", "--out", "r%d" % direction, "-q")
        r = load("r%d/reports.json" % direction)["reports"]
        check(r["off"]["n"] == 6 * 37 and r["surface"]["max"] < 1e-15 and r["off"]["max"] < 1e-10, "crossings as by dop853", r)
        check((direction <= 0 or r["rate"]["min"] > 0) and (direction >= 0 or r["rate"]["max"] < 0), "the direction", r)
    check(load("r0/reports.json")["reports"]["t"]["max"] < 0.7 * r_max(1), "both directions come twice as often")
    hnnc("run", "s.hnn", "--threads", "3", "--out", "t", "-q")
    check(load("r0/reports.json") == load("t/reports.json"), "the same on three threads")


def r_max(direction):
    return load("r%d/reports.json" % direction)["reports"]["t"]["max"]


def test_bouncing():
    """Events in a loop: bounces in the air, and without it when they are known to be."""
    hnnc("run", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../models/bouncing.hnn"), "--out", "r", "-q")


def test_henon_heiles():
    """Poincaré sections and Lyapunov exponents: what the model expects of itself holds."""
    hnnc("run", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../models/henon_heiles.hnn"), "--out", "r", "-q")


def test_usage():
    model()
    hnnc(code=2, says="usage: hnnc COMMAND")
    hnnc("rn", "m.hnn", code=2, says="did you mean `run`?")
    hnnc("run", code=2, says="which FILE?")
    hnnc("run", "m.hnn", "other.hnn", code=2, says="unexpected argument `other.hnn`")
    hnnc("run", "m.hnn", "--threads", "none", code=2, says="--threads needs a whole number of at least 1, found `none`")
    hnnc("run", "m.hnn", "--threads", "0", code=2)
    hnnc("run", "m.hnn", "--frobnicate", code=2, says="frobnicate")
    hnnc("compile", "m.hnn", "--emit=irr", code=2, says="did you mean `ir`?")
    hnnc("--help", says="resume DIR")
    version = hnnc("--version").out
    check(re.fullmatch(r"hnnc \d+\.\d+\.\d+\nlanguage \d+\nLLVM \d+\.\d+\.\d+\nABI of compiled libraries \d+\ncommit ([0-9a-f]+(-dirty)?|unknown)\n", version), "the version", version)


def test_missing_file():
    hnnc("run", "nothing.hnn", code=4, says=["nothing.hnn", "No such file"])
    os.mkdir("directory.hnn")
    hnnc("check", "directory.hnn", code=4, says="directory.hnn")
    hnnc("resume", "nowhere", code=4, says="there is no run directory nowhere")
    os.mkdir("empty")
    hnnc("resume", "empty", code=4, says="is not a run directory")


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
    r = hnnc("run", "n.hnn", "--out", "r", "-q", code=3, says="error[")
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
    r = hnnc("run", "m.hnn", "-q", "--out", "r", "--print-after=derive", "--time-passes", "--verify-each", "--no-cache")
    check("fn f32 @" in r.err + r.out and "derive" in r.err, "--print-after, --time-passes", r.err[-2000:])
    check("\nhnn_fit_gradient" in r.err, "--time-passes names kernels", r.err[-2000:])
    hnnc("check", "m.hnn", "--print-after=derife", code=2, says="did you mean `derive`?")
    hnnc("compile", "m.hnn", "--emit=asm", "--cpu=nonsense", code=2, says="`nonsense`")


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


MEAN = """\
fn f64 @loss("x" field 0: f64[B], "k" param 0: f64, "A" param 1: f64) {
  %1 = in {index=0} : f64[B]
  %2 = in {index=1} : f64
  %3 = in {index=2} : f64
  %4 = mul %1, %2 : f64[B]
  %5 = batch_mean %4, %3 {param=1, lag=0} : f64
  %6 = sub %4, %5 : f64[B]
  %7 = mul %6, %6 : f64[B]
  return %7
}
"""


def test_opt_means():
    write("m.hir", MEAN)
    check(hnnc("opt", "m.hir").out.count("batch_mean") == 1, "printed as read")
    r = hnnc("opt", "m.hir", "--passes=derive")
    check("batch_mean" not in r.out and "sub %4, %3" in r.out, "elsewhere it is the average", r.out)
    r = hnnc("opt", "m.hir", "--passes=means,simplify")
    check("batch_sum" in r.out and '"weight" weight 0: f64[B]' in r.out and 'return %8, %6' not in r.out and '"A"' in r.out.split("return")[1],
          "a weighted sum, which comes out after the loss", r.out)
    r = hnnc("opt", "m.hir", "--passes=gradient,derive,simplify")
    outs = r.out.split("return")[1].split(",")
    check(len(outs) == 3 and '"k"' in outs[1] and '"A"' in outs[2], "loss, gradient, mean of the step", r.out)
    body = MEAN[MEAN.index("{\n") + 2:].replace("return %7", "return %6").replace("\n", "\n  ").rstrip()
    write("loop.hir", 'fn f64 @loop("x" field 0: f64[B], "k" param 0: f64, "A" param 1: f64) {\n'
          '  %1 = in {index=0} : f64[B]\n  %2 = in {index=1} : f64\n  %3 = in {index=2} : f64\n'
          '  sub 1 @turn("" other 0: f64[B], "" other 0: f64, "" other 0: f64) {\n  ' + body + '\n'
          '  %4 = scan %1, %2, %3 {n=3, carry=1, xs=0, ys=0, zs=0, reverse=0, converge=0} @1 : (f64[B])\n'
          '  %5 = proj %4 {index=0} : f64[B]\n  return %5\n}\n')
    r = hnnc("opt", "loop.hir", "--passes=gradient", code=1, says="loop.hir:10")
    check("turns depend on one another" in r.err, "no mean in a loop", r.err)


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
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#define N 100
static double q[N], p[N], dq[N], dp[N], all[N], some[N];
/* Calls of other sizes in between change nothing. */
static int sizes(m *x) {
  if (m_H(x, N, q, p, all)) return 1;
  for (int n = 1; n < N; n += 7) {
    if (m_H(x, n, q, p, some)) return 1;
    for (int i = 0; i < n; i++) if (!(fabs(some[i] - all[i]) < 1e-12)) return 1;
  }
  return m_H(x, 0, q, p, some) || m_H(x, -1, q, p, some) != HNN_BAD_CALL;
}
int main(void) {
  double loss = 0;
  m *x = m_create();
  if (!x) return 1;
  for (int i = 0; i < N; i++) if (scanf("%lf %lf %lf %lf", &q[i], &p[i], &dq[i], &dp[i]) != 4) return 2;
  for (int step = 0; step < 40; step++) if (m_train_fit(x, N, q, p, dq, dp, 0, &loss)) return 3;
  double one = 1, h;
  if (m_H(x, 1, &one, &one, &h)) return 4;
  if (sizes(x)) return 5;
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
    gcc("-std=c11", "-Wall", "-Wextra", "-Werror", "c.c", "./m.so", "-Wl,-rpath,.", "-o", "c", "-lm", "-lpthread")
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


RING = """precision f64
fn V(q: real[9]) {
  let d = roll(q, -1) - q
  return sum(d^2/2 + d^4/4)
}
fn H(q: real[9]) = nonzeros(hessian(V))(q)
fn dense(q: real[9]) = hess(V(q), q)
fn both(q: real[9]) = (V(q), nonzeros(hessian(V))(q))
"""
RING_C = """#include "ring.h"
#include <stdio.h>
int main(void) {
  double q[18], out[2*27], full[2*81], V[2];
  ring *m = ring_create();
  int bad = 0;
  for (int k = 0; k < 18; k++) q[k] = 0.1*k*(k % 5 - 2);
  if (!m || ring_H(m, 2, q, out) || ring_dense(m, 2, q, full)) return 1;
  for (int s = 0; s < 2; s++)
    for (int i = 0; i < 9; i++)
      for (int j = 0, k = ring_pattern_H_rows[i]; j < 9; j++) {
        int has = k < ring_pattern_H_rows[i + 1] && ring_pattern_H_cols[k] == j;
        double d = full[s*81 + i*9 + j] - (has ? out[s*27 + k] : 0);
        bad += has ? d > 1e-12 || d < -1e-12 : d != 0;
        k += has;
      }
  if (ring_both(m, 2, q, V, out)) return 2;
  for (int i = 0; i <= 9; i++) bad += ring_pattern_both_1_rows[i] != ring_pattern_H_rows[i] || ring_pattern_H_rows[i] != 3*i;
  ring_destroy(m);
  printf("%d wrong\\n", bad);
  return 0;
}
"""


def test_compile_nonzeros():
    write("ring.hnn", RING)
    write("ring.c", RING_C)
    hnnc("compile", "ring.hnn", "-o", "ring.so", says="27 nonzeros of 9 x 9")
    gcc("-std=c11", "-Wall", "-Wextra", "-Werror", "ring.c", "./ring.so", "-Wl,-rpath,.", "-o", "ring", "-lm", "-lpthread")
    r = subprocess.run(["./ring"], stdout=subprocess.PIPE, universal_newlines=True)
    check(r.returncode == 0 and r.stdout == "0 wrong\n", "nonzeros stand where the header says", r)
    hnnc("compile", "ring.hnn", "--emit=flops", says="27 nonzeros of 9 x 9, 3 instead of 9 tangents")


def test_compile_refused():
    model()
    write("d", "a file")
    hnnc("compile", "m.hnn", "-o", "d/m.so", code=4, says="d/m")
    hnnc("compile", "m.hnn", "--emit=ir", "-o", "d/x.ir", code=4, says="d/x.ir")
    hnnc("compile", "m.hnn", "--emit=obj", "-o", "d/x.o", code=4, says="d/x.o")
    check(not os.path.exists("x.so"), "nothing is left")


sys.exit(main(globals()))
