#!/usr/bin/env python3
"""Instances in turns: a network for each turn of a loop or comprehension, its path, start, training, checkpoint, library:
test_driver_instances.py HNNC [TEST...]; prints `N passed, N failed`."""
import os
import re
import signal
import struct
import subprocess
import sys
import time

from driver_util import check, environment, HNNC, hnnc, last, load, main, read, same_end, tensors, write

MODEL = """\
precision PRECISION
import "std/nets"
data wave { let x = uniform(-1, 1); yield x, y = sin(3*x) + normal(0, 0.05) }
use seen = wave(count = 100, seed = 1)
net committee(x: real) -> real[3] = BODY
loss fit(x, y) = sum((committee(x) - y)^2)
train fit on seen { optimizer = adam(lr = 1e-2), batch = 30, steps = 100, every = 20 }
report value = sum(committee(x)) on seen
report slope = grad(sum(committee(x)^2), x) on seen
"""
LOOP = "[mlp([8, 7], 1)([x])[0] for k in 0:3]"            # one loop along stacked parameters
LIST = "[f([x])[0] for f in [mlp([8, 7], 1) for k in 0:3]]"     # turn by turn
FOR = """{
  var v = zeros(1)
  for k in 0:3 { v = concat(v, mlp([8, 7], 1)([x])) }
  return v[1:]
}"""
NAMED = "[{ use f = mlp([8, 7], 1); return f([x])[0] } for k in 0:3]"
NAMED_FOR = """{
  var v = zeros(1)
  for k in 0:3 {
    use f = mlp([8, 7], 1)
    v = concat(v, f([x]))
  }
  return v[1:]
}"""


def model(body, precision="f64", name="m.hnn"):
    write(name, MODEL.replace("PRECISION", precision).replace("BODY", body))


def params(run):
    return {k: v for k, v in tensors(last(run))[0].items() if not k.startswith("optimizer")}


def weights(run, prefix="committee/"):
    return sorted(k[len(prefix):] for k in params(run) if k.startswith(prefix) and k.endswith("/dense.0/W"))


def stacked(name):
    """Whether the parameters of the gradient are stacked."""
    return ":3/" in hnnc("compile", name, "--emit=ir").out


def tile(name):
    """Samples in a tile of the gradient: the planner chooses it for each program and processor."""
    return re.search(r"gradient: f\d\d, tile (\d+)", hnnc("compile", name, "--emit=kernels").out).group(1)


def same_training(a, b, precision="f64"):
    """The same parameters: bit for bit where sums over samples run in one order (a and b: of `trained`), else to rounding."""
    if a[0] == b[0]:
        return a[1] == b[1]
    near = 1e-12 if precision == "f64" else 1e-4
    return a[1].keys() == b[1].keys() and all(
        t[:2] == b[1][k][:2] and all(abs(x - y) <= near*(1 + abs(x)) for x, y in zip(numbers(t), numbers(b[1][k]))) for k, t in a[1].items())


def numbers(tensor):
    size = {"F64": 8, "F32": 4}[tensor[0]]
    return struct.unpack("<%d%s" % (len(tensor[2])//size, "d" if size == 8 else "f"), tensor[2])


def trained(run):
    return tile("m.hnn"), params(run)


def test_equal():
    """A comprehension trains as the networks of a list do, and those of a loop."""
    runs = {}
    for precision in "f64", "f32":
        for k, body in enumerate((LOOP, LIST, FOR)):
            model(body, precision)
            hnnc("run", "m.hnn", "-q", "--out", precision + str(k))
            runs[precision + str(k)] = trained(precision + str(k))
            check(stacked("m.hnn") == (body == LOOP), "one loop: " + body)
        a = params(precision + "0")
        check(len(a) == 18 and a["committee/mlp.1/dense.1/W"][1] == [7, 8], "paths and shapes", sorted(a))
        check(len({v[2] for k, v in a.items() if k.endswith("dense.0/W")}) == 3, "starts of their own")
        for k in "12":
            check(same_training(runs[precision + k], runs[precision + "0"], precision), "other parameters", precision, k)
            for name, r in load(precision + "0/reports.json")["reports"].items():
                other = load(precision + k + "/reports.json")["reports"][name]["mean"]
                check(abs(other - r["mean"]) < (1e-12 if precision == "f64" else 1e-5), "other reports", precision, k, name, other, r)


def test_named():
    runs = []
    for k, body in enumerate((NAMED, NAMED_FOR)):
        model(body)
        hnnc("run", "m.hnn", "-q", "--out", "r" + str(k))
        runs.append(trained("r" + str(k)))
    check(weights("r0") == ["f.%d/dense.0/W" % k for k in range(3)], "named by `use`", weights("r0"))
    check(same_training(*runs), "as in a loop")


def test_paths():
    """In one body the turns of all comprehensions around are counted; an instance in an instance has its own number."""
    model("""{
  let a = [[mlp([2], 1)([x*j])[0] for j in 0:2] for k in 0:3]
  let b = [twice()(x) for k in 0:3]
  let c = [{ use g = mlp([w], 1); return g([x])[0] } for w in [2, 3, 4]]
  use h = mlp([2], 1)
  let d = [h([k*x])[0] for k in 0:3]
  return [sum(v) for v in a] + b + c + d + [mlp([2], 1)([x])[0] for k in 0:1][0]
}
net twice()(x: real) -> real = sum([mlp([2], 1)([x])[0] for j in 0:2])""")
    hnnc("run", "m.hnn", "-q", "--out", "r", "--verify-each")
    want = ["mlp.%d" % k for k in range(7)] + ["twice.%d/mlp.%d" % (k, j) for k in range(3) for j in range(2)]
    want += ["g.0", "g.1", "g.2", "h"]
    check(weights("r") == sorted(p + "/dense.0/W" for p in want), "paths", weights("r"))
    shapes = [params("r")["committee/g.%d/dense.0/W" % k][1] for k in range(3)]
    check(shapes == [[2, 1], [3, 1], [4, 1]], "shapes of their own", shapes)
    hnnc("diagnose", "m.hnn")


def test_resume():
    model(LOOP, "f32")
    steps = ["train.steps=60000", "train.every=1000"]
    hnnc("run", "m.hnn", *steps, "--out", "whole", "-q")
    p = subprocess.Popen([HNNC, "run", "m.hnn", *steps, "--out", "parts", "-q"], env=environment(), stderr=subprocess.DEVNULL)
    begun = time.time()
    while not (os.path.exists("parts/metrics.jsonl") and read("parts/metrics.jsonl").count(b"\n") >= 3):
        check(p.poll() is None and time.time() - begun < 60, "the run ended before it could be stopped")
        time.sleep(0.005)
    p.send_signal(signal.SIGINT)
    check(p.wait(timeout=60) == 130, "stopped")
    check(0 < int(tensors(last("parts"))[1]["step"]) < 60000, "on the way")
    hnnc("resume", "parts", "-q")
    same_end("whole", "parts")


def test_diagnose():
    """Derivatives through ensembles of Hamiltonians, trajectories, nested turns, turns along a value of the sample."""
    write("m.hnn", """\
import "std/nets"
data d { yield q = normal(0, 1, 2), p = normal(0, 1, 2) }
use s = d(count = 8)
net fields(q: real[2], p: real[2]) -> real[3, 4] = [{
  use H = energy_net([6])
  let (a, b) = field(H)(q, p)
  return concat(a, b)
} for k in 0:3]
net orbits(q: real[2], p: real[2]) -> real[3] = [{
  use H = separable_energy([6])
  let (a, b) = trajectory(H, q, p, dt = 0.1, steps = 3, method = leapfrog)
  return sum(a^2) + sum(b)
} for k in 0:3]
net nested(q: real[2], p: real[2]) -> real = sum([sum([energy_net([3])(q*k, p*j) for j in 1:3]) for k in 1:4])
net along(q: real[2], p: real[2]) -> real = sum([mlp([3], 1)([a])[0]*a for a in q])
net chain(q: real[2], p: real[2]) -> real {
  use f = mlp([4], 1)
  return sum([{ use g = mlp([4], 1); return g(f(q*k))[0]*f(p)[0] } for k in 0:3])
}
loss l(q, p) = sum((fields(q, p) - 1)^2) + sum(orbits(q, p)^2) + nested(q, p)^2 + along(q, p) + chain(q, p)
train l on s { steps = 2 }
report h = maxabs(hess(sum(fields(q, p)), q)) + maxabs(jac(fields(q, p), p)) on s
""")
    r = hnnc("diagnose", "m.hnn", "--verify-each", says=["fields/H.0:3/mlp.0/dense.0/W", "along/mlp.0:2/dense.1/b"])
    check("WRONG" not in r.out, "derivatives", r)
    hnnc("run", "m.hnn", "-q", "--out", "r", "--verify-each")


FLOWS = """\
import "std/nets"
import "std/symplectic"
volume flow shift(by: real)(x: real[2]) {
  use f = mlp([6], 1)
  x[0:1] += by*f(x[1:2])
  x = [x[1], -x[0]]
}
flow scaled()(x: real[2]) {
  param s: real[2] ~ normal(0, 0.3)
  x *= exp(s)
  shift(1)(x)
}
symplectic flow canonical()(q: real[2], p: real[2]) {
  linear_symplectic(reflections = 1)(q, p)
  p += irrotational(4)(q)
}
net ends(x: real[2]) -> real[3, 2] = [scaled()(x) for k in 0:3]
net turns(x: real[2]) -> real[3, 2] = [shift(k)(x) for k in 0:3]
net undone(x: real[2]) -> real = sum([{ use T = scaled(); return sum((inverse(T)(T(x)) - x)^2) } for k in 0:3])
net logdets(x: real[2]) -> real[3] = [{
  use T = scaled()
  let J = jacobian(T)(x)
  return log(abs(J[0, 0]*J[1, 1] - J[0, 1]*J[1, 0])) - logdet(T)(x)
} for k in 0:3]
net volumes(x: real[2]) -> real[3] = [logdet(scaled())(x) for k in 0:3]
net back(x: real[2]) -> real[3] = [{
  use T = canonical()
  let (a, b) = T(x, 2*x)
  let (c, d) = inverse(T)(a, b)
  return maxabs(c - x) + maxabs(d - 2*x)
} for k in 0:3]
data d { yield x = normal(0, 1, 2) }
use s = d(count = 50)
loss l(x) = sum(ends(x)^2) + sum(turns(x)^2) + undone(x) + sum(volumes(x))
train l on s { steps = 20, optimizer = adam(lr = 1e-2) }
report there = undone(x) on s
report logs = maxabs(logdets(x)) on s
report canon = maxabs(back(x)) on s
report apart = maxabs(ends(x)[0] - ends(x)[1]) on s
expect max(there) < 1e-20
expect max(logs) < 1e-12
expect max(canon) < 1e-10
expect min(apart) > 1e-3
"""


def test_flows():
    write("m.hnn", FLOWS)
    r = hnnc("run", "m.hnn", "-q", "--out", "r", "--verify-each")
    check("undecided" not in r.out and r.out.count("proved") >= 2, "claims of an instance are those of any turn", r)
    check("ends/scaled.2/shift.0/f/dense.0/W" in params("r"), "paths", sorted(params("r")))
    check("WRONG" not in hnnc("diagnose", "m.hnn").out, "derivatives")
    write("p.hnn", FLOWS + "prove (x: real[2]) turns(x)[1] == turns(x)[2]\n")
    hnnc("check", "p.hnn", code=1, says="refuted")        # networks of their own
    write("v.hnn", FLOWS.replace("x[0:1] += by*f(x[1:2])", "x[0:1] *= exp(f(x[1:2]))"))
    hnnc("check", "v.hnn", code=1, says="not volume-preserving")


def test_claim_of_turns():
    """Within a flow the turns of its comprehensions are not any one: two networks cancel in no turn."""
    write("m.hnn", """\
import "std/nets"
volume flow f()(x: real[2]) {
  let g = [mlp([4], 1)(x[1:2])[0] for k in 0:2]
  x[0] *= exp(g[0] - g[1])
}
net all(x: real[2]) -> real = sum([sum(f()(x)) for k in 0:3])
report r = all([1, 2])
""")
    hnnc("check", "m.hnn", code=1, says="not volume-preserving")


def test_means():
    """An average for each turn; of a flow that is named outside, one over all turns."""
    write("m.hnn", """\
import "std/symplectic"
net own(q: real[2], p: real[2]) -> real = sum([sum(batch_center()(q*(k + 1), p)[0]) for k in 0:3])
net one(q: real[2], p: real[2]) -> real { use T = batch_center(); return sum([sum(T(q*(k + 1), p)[0]) for k in 0:3]) }
data d { yield q = normal(1, 1, 2), p = normal(0, 1, 2) }
use s = d(count = 50)
loss l(q, p) = (own(q, p) - 1)^2 + (one(q, p) - 1)^2
train l on s { steps = 1 }
report mean_q = q[0] on s
""")
    hnnc("run", "m.hnn", "-q", "--out", "r", "--verify-each")
    first = {k: struct.unpack("d", v[2][:8])[0] for k, v in params("r").items() if k.endswith("/mq")}
    m = load("r/reports.json")["reports"]["mean_q"]["mean"]
    want = {"own/batch_center.%d/mq" % k: m*(k + 1) for k in range(3)}
    want["one/T/mq"] = 2*m
    check(first.keys() == want.keys() and all(abs(first[k] - want[k]) < 1e-12 for k in want), "averages", first, want)


def test_library():
    model(LOOP)
    hnnc("run", "m.hnn", "--out", "r", "-q")
    hnnc("compile", "m.hnn", "-o", "three.so", says="18 parameters")
    write("c.c", """\
#include "three.h"
#include <stdio.h>
#include <string.h>
int main(int n, char **arg) {
  three *m = three_create();
  FILE *f = fopen(arg[1], "rb");
  char name[256];
  long size;
  while (n && fscanf(f, "%255s %ld", name, &size) == 2) {
    int k = 0;
    while (k < THREE_PARAMS && strcmp(three_param_name(k), name)) k++;
    if (k == THREE_PARAMS || three_param_size(k) != size) return 1;
    for (long i = 0; i < size; i++) if (fscanf(f, "%lf", &three_param(m, k)[i]) != 1) return 2;
  }
  double x = 0.25, y[3];
  if (three_committee(m, 1, &x, y)) return 3;
  printf("%.17g\\n", y[0] + y[1] + y[2]);
  const int none = three_param(m, -1) || three_param(m, THREE_PARAMS);
  three_destroy(m);
  return none ? 4 : 0;
}
""")
    with open("w.txt", "w") as f:
        for name, (_, shape, data) in params("r").items():
            x = struct.unpack("%dd" % (len(data)//8), data)
            f.write("%s %d\n%s\n" % (name, len(x), " ".join(repr(v) for v in x)))
    p = subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "c.c", "./three.so", "-Wl,-rpath,.", "-o", "c", "-lm", "-lpthread"],
                       stderr=subprocess.PIPE, universal_newlines=True)
    check(p.returncode == 0, "the header compiles", p.stderr)
    p = subprocess.run(["./c", "w.txt"], stdout=subprocess.PIPE, universal_newlines=True)
    model(LOOP, name="at.hnn")
    write("at.hnn", read("at.hnn").decode() + "report at = sum(committee(0.25))\n")
    hnnc("run", "at.hnn", "--out", "a", "-q")
    check(p.returncode == 0 and abs(float(p.stdout) - load("a/reports.json")["reports"]["at"]["mean"]) < 1e-13,
          "parameters of a checkpoint by their names", p.returncode, p.stdout)


def test_only():
    model(LOOP)
    for what in "committee", '"committee/mlp.0:3"', '["committee/mlp.0:3/dense.0"]':
        hnnc("run", "m.hnn", "train.only=" + what, "--out", "r", "-q")
    r = hnnc("run", "m.hnn", 'train.only="committee/mlp.1"', code=1, says="is trained as a whole")
    check("for` or `repeat`" in r.err, "what to write", r)
    model(LIST)
    hnnc("run", "m.hnn", 'train.only="committee/mlp.1"', "--out", "one", "-q")
    hnnc("run", "m.hnn", "train.steps=1", "train.optimizer=sgd(lr = 1e-300)", "--out", "none", "-q")
    moved = {k for k, v in params("one").items() if v != params("none")[k]}
    check(moved and all(k.startswith("committee/mlp.1/") for k in moved), "one of a list", moved)


if __name__ == "__main__":
    sys.exit(main(globals()))
