#!/usr/bin/env python3
"""Flows end to end: answers in every file, means over the batch, the two memories, libraries, diagnose:
test_driver_flow.py HNNC [TEST...]; prints `N passed, N failed`."""
import array
import os
import signal
import subprocess
import sys
import time

from driver_util import HNNC, check, environment, hnnc, last, load, main, read, same_end, tensors, write

FLOW = """\
precision f64
import "std/symplectic"
symplectic flow T(q: real[2], p: real[2]) {
  CENTRE(q, p)
  linear_symplectic(reflections = 2)(q, p)
  p += irrotational(8)(q)
  q, p = p, -q
  p += irrotational(8)(q)
}
data points { yield q = 1 + normal(0, 1, [2]), p = normal(0, 1, [2]) - 2 }
use cloud = points(count = 64, seed = 0)
loss round(q, p) {
  let (Q, P) = T(q, p)
  return sum((Q^2 + P^2 - 1)^2)
}
train round on cloud { optimizer = adam(lr = 1e-2), batch = BATCH, steps = 60 MORE }
report back = {
  let (a, b) = inverse(T)(T(q, p))
  return norm(concat(a - q, b - p))
} on cloud
report defect = {
  let J = jacobian(T)(q, p)
  return maxabs(J.T @ omega(2) @ J - omega(2))
} on cloud
report turned = logdet(T)(q, p) on cloud
report fit = round(q, p) on cloud
expect max(back) < 1e-12
expect max(defect) < 1e-12
expect max(turned) == 0
"""


def flow(name="m.hnn", centre="zero_center", batch="16", more=""):
    write(name, FLOW.replace("CENTRE", centre).replace("BATCH", batch).replace("MORE", more))
    return name


def reals(tensor):
    return list(array.array("d", tensor[2]))


def test_answers():
    """Proofs stand in the output, in manifest.json and in reports.json."""
    write("m.hnn", """symplectic flow turn(t: real)(q: real[1], p: real[1]) {
  q, p = cos(t)*q + sin(t)*p, cos(t)*p - sin(t)*q
    inverse
  cos(t)*q - sin(t)*p, cos(t)*p + sin(t)*q
}
prove (q: real[1], p: real[1]) turn(0.3)(turn(0.4)(q, p)) == turn(0.7)(q, p)
prove (x: real) abs(1 + x^2) == 1 + x^2
""")
    r = hnnc("run", "m.hnn", "--out", "r", says=["proved     symplectic flow turn", "undecided  abs(1 + x^2)"])
    proofs = {p["text"]: p["answer"] for p in load("r/reports.json")["proofs"]}
    check(proofs == {"symplectic flow turn": "proved", "inverse clause in turn": "proved",
                     "turn(0.3)(turn(0.4)(q, p)) == turn(0.7)(q, p)": "proved", "abs(1 + x^2) == 1 + x^2": "undecided"}, "reports.json",
          proofs, r)
    manifest = load("r/manifest.json")["proofs"]
    check({p["text"]: p["answer"] for p in manifest} == proofs, "manifest.json", manifest)
    check(all(p["at"].startswith("m.hnn:") for p in manifest), "places", manifest)
    hnnc("compile", "m.hnn", "-o", "m.so", says="proved     symplectic flow turn")


def test_undecided():
    """What holds in part only, or is beyond the relations that are known, is neither proved nor refuted."""
    write("m.hnn", """hamiltonian H(q: real[1], p: real[1]) = (1 + q[0]^2 + p[0]^2)^2/4
symplectic flow S(q: real[1], p: real[1]) { evolve (q, p) under H for 1 steps 10 method implicit_midpoint }
fn both(q: real[1], p: real[1]) = concat(S(q, p))
prove (q: real[1], p: real[1]) poisson(both, both)(q, p) == omega(1)
prove (q: real[1], p: real[1]) inverse(S)(S(q, p)) == (q, p)
prove (x: real) where(exp(2*x) == exp(x)^2, 1, 0) == 0
prove (x: real) where(log(x^2 + 1) + log(2) == log(2*x^2 + 2), 1, 0) == 0
""")
    hnnc("check", "m.hnn", says=["proved     symplectic flow S", "undecided  poisson(both, both)", "undecided  inverse(S)(S(q, p))",
                                 "undecided  where(exp(2*x)", "undecided  where(log(x^2 + 1)"])


def test_refuted():
    """A false `prove` is an error of check and compile; a run goes on and fails. A false claim is an error everywhere."""
    write("m.hnn", "prove (x: real) sin(2*x) == 2*sin(x)\nreport one = 1\n")
    for command in (["check", "m.hnn"], ["compile", "m.hnn", "-o", "m.so"]):
        hnnc(*command, code=1, says=["this does not hold: at x =", "m.hnn:1:17"])
    check(not os.path.exists("m.so"), "no library")
    hnnc("run", "m.hnn", "--out", "r", code=3, says=["refuted    sin(2*x) == 2*sin(x)", "report one"])
    check(load("r/reports.json")["proofs"] == [{"text": "sin(2*x) == 2*sin(x)", "answer": "refuted"}], "reports.json")
    check(load("r/manifest.json")["status"] == "failed", "manifest.json")
    write("w.hnn", "symplectic flow T(q: real[2], p: real[2]) {\n  p += [[1, 2], [3, 4]] @ q\n}\nreport one = 1\n")
    hnnc("run", "w.hnn", "--out", "w", code=1, says=["is not symplectic: at q = [", "w.hnn:2:3"])
    check(not os.path.exists("w"), "nothing was made")


def mean_of_data(out):
    """The mean of the fields, by training nothing and reading two reports."""
    write("d.hnn", """precision f64
data points { yield q = 1 + normal(0, 1, [2]), p = normal(0, 1, [2]) - 2 }
use cloud = points(count = 64, seed = 0)
report a = q[0] on cloud
report b = q[1] on cloud
report c = p[0] on cloud
report d = p[1] on cloud
""")
    hnnc("run", "d.hnn", "--out", out, "-q")
    reports = load(out + "/reports.json")["reports"]
    return [reports[k]["mean"] for k in "abcd"]


def averages(run, centre):
    t = tensors(last(run))[0]
    return reals(t["T/%s.0/mq" % centre]) + reals(t["T/%s.0/mp" % centre])


def test_means():
    """The averages are the means of the data where the batch is all of it, in checkpoints, by both kinds of centre."""
    want = mean_of_data("d")
    for centre in ("zero_center", "batch_center"):
        flow(centre=centre, batch="all")
        hnnc("run", "m.hnn", "--out", centre, says=["proved     symplectic flow T", "holds"])
        got = averages(centre, centre)
        check(max(abs(a - b) for a, b in zip(got, want)) < 1e-12, centre, got, want)
        hnnc("run", "m.hnn", "--out", centre + "1", "--threads", "1", "-q")
        same_end(centre, centre + "1")


def test_mean_has_its_gradient():
    """What is trained by batch_center is a function of the parameters through the mean, too: diagnose agrees with differences."""
    flow(centre="batch_center")
    r = hnnc("diagnose", "m.hnn", says=["flow T", "symplectic defect"])
    check("WRONG" not in r.out and "alpha" in r.out, "every block", r)


def test_shift_is_taken_off():
    """A constant added to the data changes nothing that a centred flow is trained to."""
    losses = []
    for shift in ("1", "6"):
        flow(centre="batch_center", batch="all")
        text = read("m.hnn").decode().replace("1 + normal", shift + " + normal")
        write("m.hnn", text)
        hnnc("run", "m.hnn", "--out", "r" + shift, "-q")
        losses.append(load("r%s/reports.json" % shift)["reports"]["fit"]["mean"])
    check(abs(losses[0] - losses[1]) < 1e-9 * abs(losses[0]), "the same loss", losses)


def test_memory():
    """Both ways of the backward pass make the same training, to round-off."""
    ends = {}
    for memory in ("stored", "reversible"):
        flow(more=", memory = %s" % memory)
        hnnc("run", "m.hnn", "--out", memory, "-q")
        ends[memory] = {k: reals(v) for k, v in tensors(last(memory))[0].items() if not k.startswith("optimizer")}
        hnnc("bench", "m.hnn", "--threads", "1", says="memory = %s" % memory)
    for k, a in ends["stored"].items():
        b = ends["reversible"][k]
        check(max(abs(x - y) for x, y in zip(a, b)) < 1e-7, k, a, b)
    check(ends["stored"] != ends["reversible"], "two ways")


def test_resume():
    """A run with averages, stopped and resumed, ends in the same bits."""
    flow(centre="batch_center")
    options = ["train.steps=20000", "train.every=200"]
    hnnc("run", "m.hnn", *options, "--out", "whole", "-q")
    p = subprocess.Popen([HNNC, "run", "m.hnn", *options, "--out", "parts", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         universal_newlines=True, env=environment())
    start = time.time()
    while not (os.path.exists("parts/metrics.jsonl") and read("parts/metrics.jsonl").count(b"\n") >= 3):
        check(p.poll() is None and time.time() - start < 60, "the run ended before it could be stopped")
        time.sleep(0.005)
    p.send_signal(signal.SIGINT)
    text = "".join(p.communicate(timeout=60))
    check(p.returncode == 130, "Ctrl-C", p.returncode, text)
    hnnc("resume", "parts", "-q")
    same_end("whole", "parts")


PROGRAM = """\
#include "m.h"
#include <math.h>
#include <stdio.h>
int main(void) {
  double q[4] = {0.3, -1, 2, 0.5}, p[4] = {1, 0.2, -0.7, 0}, Q[4], P[4], a[4], b[4], logdet[2], worst = 0;
  m *model = m_create();
  if (!model || m_T(model, 2, q, p, Q, P) || m_T_inverse(model, 2, Q, P, a, b) || m_T_logdet(model, 2, q, p, logdet)) return 1;
  for (int i = 0; i < 4; i++) worst = fmax(worst, fmax(fabs(a[i] - q[i]), fabs(b[i] - p[i])));
  printf("%g %g %g\\n", worst, fabs(Q[0] - q[0]), fabs(logdet[0]) + fabs(logdet[1]));
  m_destroy(model);
  return 0;
}
"""


def test_library():
    """T, its inverse and its log-determinant from C."""
    flow()
    hnnc("compile", "m.hnn", "-o", "m.so")
    write("c.c", PROGRAM)
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Werror", "c.c", "./m.so", "-Wl,-rpath,.", "-o", "c", "-lm", "-lpthread"], check=True)
    worst, moved, logdet = map(float, subprocess.run(["./c"], stdout=subprocess.PIPE, check=True).stdout.split())
    check(worst < 1e-13 and moved > 1e-3 and logdet == 0, "there and back", worst, moved, logdet)


def test_density():
    """A normalizing flow learns a density whose entropy is known: its likelihood comes close, and never beats it."""
    write("m.hnn", """precision f64
import "std/nets"
flow T()(x: real[2]) {
  for k in 0:4 {
    x[0] *= exp(tanh(mlp([16], 1)(x[1:])[0]))
    x[0] += mlp([16], 1)(x[1:])[0]
    x = [x[1], -x[0]]
  }
}
use t = T()
data bent { let z = normal(0, 1, [2])
  yield x = [2*z[0], z[1]/2 + z[0]^2] }
use seen = bent(count = 4000, seed = 0)
use unseen = bent(count = 4000, seed = 1)
loss nll(x) = dot(t(x), t(x))/2 + log(2*pi) - logdet(t)(x)
train nll on seen { optimizer = adam(lr = 3e-3), schedule = cosine(to = 0), batch = 200, steps = 3000, test = unseen }
report unseen_nll = nll(x) on unseen
report there = norm(t(inverse(t)(x)) - x) on unseen
expect max(there) < 1e-10
""")
    hnnc("run", "m.hnn", "--out", "r", "-q")
    entropy = 2.8378770664093453           # of two standard normals: the map has determinant 1
    got = load("r/reports.json")["reports"]["unseen_nll"]
    error = got["sd"] / 4000 ** 0.5
    check(entropy - 4 * error < got["mean"] < entropy + 0.05, "the likelihood", got, entropy)


def test_evolve():
    """The flow of a Hamiltonian as a step: undone to round-off, its learned time found again."""
    write("m.hnn", """precision f64
hamiltonian H(q: real[1], p: real[1]) = p[0]^2/2 - cos(q[0])
symplectic flow S()(q: real[1], p: real[1]) {
  param t: real = 0.5
  evolve(q, p) under H for t steps 10 method yoshida4
}
use s = S()
data pairs {
  let q = normal(0, 1, [1])
  let p = normal(0, 1, [1])
  let (a, b) = trajectory(H, q, p, times = [0, 0.8], method = dop853(rtol = 1e-12))
  yield q, p, Q = a[-1], P = b[-1]
}
use seen = pairs(count = 50)
loss l(q, p, Q, P) {
  let (a, b) = s(q, p)
  return sum((a - Q)^2 + (b - P)^2)
}
train l on seen { optimizer = lbfgs(), steps = 5 }
report t = s_time(q, p) on seen
fn s_time(q, p) = norm(concat(inverse(s)(Q_of(q, p))) - concat(q, p))
fn Q_of(q, p) = s(q, p)
report fit = l(q, p, Q, P) on seen
expect max(t) < 1e-12
expect max(fit) < 1e-9
""")
    hnnc("run", "m.hnn", "--out", "r", "-q", says="proved     symplectic flow S")
    t = reals(tensors(last("r"))[0]["s/t"])[0]
    check(abs(t - 0.8) < 1e-5, "the time", t)


def test_balance_of_power():
    """What holds of the model of a driven system however little it is trained."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../models/port_hamiltonian.hnn")
    got = hnnc("run", path, "train.steps=20", "--out", "r", "-q", code=3, says="proved     power(q, p, u) == ")
    r = load("r/reports.json")["reports"]
    check(abs(r["balance"]["mean"]) < 1e-4 and r["lost_found"]["mean"] > 0.1, "the balance of power", got, r)
    check(abs(r["lost_truly"]["mean"] - 8.09951) < 1e-4, "the system that is measured", r)


if __name__ == "__main__":
    sys.exit(main(globals()))
