#!/usr/bin/env python3
"""Trainings that keep the best or the average, sums of losses, losses of draws, monitored reports; stopped and resumed, bit for bit:
test_driver_training.py HNNC [TEST...]; prints `N passed, N failed`."""
import json
import os
import re
import signal
import struct
import subprocess
import time

from driver_util import check, environment, HNNC, hnnc, last, load, main, metrics_of, read, same_end, tensors, write

START = """\
precision PRECISION
import "std/nets"
data wave { let x = uniform(-1, 1); yield x, y = sin(3*x) + normal(0, 0.3) }
data place { yield x = uniform(-2, 2) }
use seen = wave(count = 30, seed = 1)
use held = wave(count = 100, seed = 2)
use wide = place(count = 70, seed = 3)
use f = mlp([12], 1)
loss fit(x, y) = (f([x])[0] - y)^2
loss small(x) = f([x])[0]^2
loss drawn() { let z = uniform(-2, 2); return grad(f([z])[0], z)^2 }
loss fixed() = f([0])[0]^2
"""


def model(train, more="", precision="f64"):
    write("m.hnn", START.replace("PRECISION", precision) + train + "\n" + more + "report e = fit(x, y) on held\n")


def lines(out):
    return [json.loads(l) for l in open(out + "/metrics.jsonl", encoding="utf-8")]


def params(path):
    """name -> numbers, of f64."""
    return {k: struct.unpack("<%dd" % (len(v[2])//8), v[2]) for k, v in tensors(path)[0].items() if not k.startswith("optimizer.")}


def test_best_is_kept():
    model("train fit on seen { optimizer = adam(lr = 5e-2), batch = 10, steps = 600, every = 20, test = held, keep = best }",
          "train fit on seen { optimizer = sgd(lr = 1e-12), steps = 1 }\n")
    hnnc("run", "m.hnn", "--out", "a", "-q")
    told = [l for l in lines("a") if l["action"] == 0]
    best = min(told, key=lambda l: l["test"])
    check(best["step"] < 600, "it gets worse again", best)
    mean = load("a/reports.json")["reports"]["e"]["mean"]
    check(abs(mean - best["test"]) < 1e-9, "the report is of the best parameters, and the next training begins there", mean, best)
    check(os.readlink("a/checkpoints/best") == "best-%d.safetensors" % best["step"], "its name", os.listdir("a/checkpoints"))
    kept, end = params("a/checkpoints/best"), params("a/checkpoints/step-600.safetensors")
    check(kept.keys() == end.keys() and kept != end, "parameters alone, not the last ones", kept.keys(), end.keys())
    hnnc("resume", "a/checkpoints/best", code=4, says="contains the parameters that a training keeps")


def test_patience_and_plateau():
    model("train fit on seen { optimizer = adam(lr = 5e-2), batch = 10, steps = 5000, every = 10, test = held, patience = 8,\n"
          "  schedule = plateau(factor = 0.5, patience = 2, cooldown = 1, to = 2e-2) }")
    hnnc("run", "m.hnn", "--out", "a", "-q")
    told = lines("a")
    tests = [l["test"] for l in told]
    best = min(range(len(tests)), key=lambda k: tests[k])
    check(len(tests) == best + 1 + 8 and told[-1]["step"] < 5000, "eight checks without a better one end it", best, len(tests))
    rate, level, bad, cooling = 5e-2, float("inf"), 0, 0          # PyTorch's ReduceLROnPlateau
    for l in told:
        check(abs(l["lr"] - rate) < 1e-15, "the rate at step %d" % l["step"], l["lr"], rate)
        if l["test"] < level*(1 - 1e-4) or level == float("inf"):
            level, bad = l["test"], 0
        else:
            bad += 1
        if cooling > 0:
            cooling, bad = cooling - 1, 0
        if bad > 2:
            rate, cooling, bad = max(rate*0.5, 2e-2), 1, 0
    check(told[-1]["lr"] < 5e-2, "it fell")


def test_plateau_without_test():
    model("train fit on seen { optimizer = adam(lr = 1e-1), batch = 10, steps = 2000, every = 10, schedule = plateau(patience = 1) }")
    hnnc("run", "m.hnn", "--out", "a", "-q")
    rates = [l["lr"] for l in lines("a")]
    check(rates == sorted(rates, reverse=True) and rates[-1] < 1e-3, "it falls by the mean loss of the steps", rates[-5:])


def test_average():
    train = "train fit on seen { optimizer = adam(lr = 5e-2), batch = 10, steps = 40, every = 1, test = held, average = 0.9, KEEP }"
    model(train.replace("KEEP", "keep = average"))
    hnnc("run", "m.hnn", "--out", "a", "-q")
    model(train.replace(", KEEP", ""))
    path, average = [], None
    for step in range(1, 41):
        hnnc("run", "m.hnn", "train.steps=%d" % step, "--out", "b", "-q")
        path.append(params(last("b")))
    got = params("a/checkpoints/average")
    for k, p in enumerate(path):
        move = 1 - min(0.9, k/(k + 1))
        average = {n: list(v) for n, v in p.items()} if average is None else {
            n: [a + move*(x - a) for a, x in zip(average[n], p[n])] for n in p}
    worst = max(abs(x - y) for n in average for x, y in zip(average[n], got[n]))
    check(worst < 1e-13, "the moving average of all steps", worst)
    told = lines("a")[-1]
    check(abs(load("a/reports.json")["reports"]["e"]["mean"] - told["average"]) < 1e-12, "reports are of the average", told)


def test_sum_is_the_sum():
    """On the same samples 0.25 fit + 0.75 fit is fit; a sum of one data set is the loss of the sum."""
    steps = "{ optimizer = sgd(lr = 1e-2), batch = all, steps = 50, every = 1 }"
    model("train fit on seen " + steps)
    hnnc("run", "m.hnn", "--out", "a", "-q")
    model("train 0.25*fit on seen, 0.75*fit on seen " + steps)
    hnnc("run", "m.hnn", "--out", "b", "-q")
    one, two = params(last("a")), params(last("b"))
    worst = max(abs(x - y) for n in one for x, y in zip(one[n], two[n]))
    check(worst < 1e-12, "parts of one loss", worst)
    labels = lines("b")[0]["losses"]
    check(list(labels) == ["fit on seen", "fit on seen, 2"], "each has a name", labels)
    model("loss both(x, y) = fit(x, y) + 0.5*small(x)\ntrain both on seen " + steps)
    hnnc("run", "m.hnn", "--out", "c", "-q")
    model("train fit on seen, 0.5*small on seen " + steps)
    hnnc("run", "m.hnn", "--out", "d", "-q")
    one, two = params(last("c")), params(last("d"))
    check(max(abs(x - y) for n in one for x, y in zip(one[n], two[n])) < 1e-12, "the sum in one loss")
    told = lines("d")[-1]
    check(abs(told["loss"] - told["losses"]["fit"] - 0.5*told["losses"]["small"]) < 1e-12, "the means of its losses", told)


def test_overrides():
    model("train fit on seen, small on wide { steps = 50, batch = 10, test = [held, wide], keep = best }")
    hnnc("run", "m.hnn", "train.small.batch=[5, 7]", "train.keep=last", "--out", "a", "-q")
    check(not os.path.exists("a/checkpoints/best"), "keep = last")
    hnnc("run", "m.hnn", "train.other.batch=5", code=1, says="the file trains no `other`")


def test_draws_are_new():
    """Of draws alone: the loss differs from step to step, not from run to run or by threads."""
    model("train drawn { optimizer = sgd(lr = 1e-12), batch = 64, steps = 20, every = 1, test = 1000 }")
    hnnc("run", "m.hnn", "--out", "a", "-q", "--threads", "1")
    hnnc("run", "m.hnn", "--out", "b", "-q", "--threads", "3")
    check(metrics_of("a") == metrics_of("b"), "the same by any threads")
    told = lines("a")
    check(len({round(l["loss"], 9) for l in told}) == 20, "new draws in each step")
    check(max(l["test"] for l in told) - min(l["test"] for l in told) < 1e-6, "a test takes the same draws each time")


def test_monitor():
    model("train fit on seen { optimizer = adam(lr = 1e-2), steps = 40, every = 10, monitor = [e, share, above], test = held }",
          "report w = exp(-fit(x, y)) on seen\nreport share = mean(w)^2/mean(w)*sd(w)\nreport above = fit(x, y) - mean(w) on held\n")
    text = hnnc("run", "m.hnn", "--out", "a")
    told = lines("a")
    for l in told:
        check(abs(l["monitor"]["e"] - l["test"]) < 1e-12, "with the parameters of that moment", l)
    r = load("a/reports.json")["reports"]
    for name in "e", "share", "above":
        check(abs(told[-1]["monitor"][name] - r[name]["mean"]) < 1e-12, "the last is the report: " + name, told[-1], r[name])
    check("  share " in text.err, "the line shows it", text)


USE = """\
#include "m.h"
#include <stdio.h>
int main(void) {
  const double a[] = {A}, b[] = {B}, c[] = {C};
  double loss = 0;
  m_model *m = m_model_create();
  for (int k = 0; m && k < STEPS; k++)
    if (m_model_train_fit_small_fixed(m, sizeof a / sizeof *a, a, b, sizeof c / sizeof *c, c, 1, 0, &loss)) return 1;
  for (int k = 0; m && k < m_MODEL_PARAMS; k++)
    for (int64_t i = 0; i < m_model_param_size(k); i++) printf("%.17g\\n", m_model_param(m, k)[i]);
  return !m;
}
"""


def test_library_of_a_sum():
    """Steps of an exported library on the same samples are those of the run."""
    x, y, z = [0.1*k for k in range(-9, 10)], [(0.1*k)**3 for k in range(-9, 10)], [0.25*k for k in range(-5, 6)]
    write("xy.csv", "x,y\n" + "".join("%.17g,%.17g\n" % p for p in zip(x, y)))
    write("z.csv", "x\n" + "".join("%.17g\n" % v for v in z))
    for opt, steps in (("adam(lr = 1e-2)", 30), ("lbfgs(max_iter = 3)", 6)):
        write("m.hnn", START.replace("PRECISION", "f64").split("use seen")[0] + """\
data seen = read("xy.csv", x = x, y = y)
data wide = read("z.csv", x = x)
use f = mlp([12], 1)
loss fit(x, y) = (f([x])[0] - y)^2
loss small(x) = f([x])[0]^2
loss fixed() = f([0.5])[0]^2
train fit on seen, 0.3*small on wide, 0.1*fixed { clip = 1, optimizer = %s, steps = %d }
""" % (opt, steps))
        hnnc("run", "m.hnn", "--out", "run", "-q")
        hnnc("compile", "m.hnn", "-q")
        header = open("m.h", encoding="utf-8").read()
        prefix = "m_model" if "m_model_create" in header else "m"
        text = USE.replace("STEPS", str(steps)).replace("m_MODEL_PARAMS", prefix.upper() + "_PARAMS").replace("m_model", prefix)
        for name, values in (("A", x), ("B", y), ("C", z)):
            text = text.replace("{%s}" % name, "{" + ", ".join("%.17g" % v for v in values) + "}")
        write("use.c", text)
        made = subprocess.run(os.environ.get("CC", "cc").split() + ["use.c", "./m.so", "-Wl,-rpath,.", "-lm", "-lpthread", "-o", "use"],
                              capture_output=True, text=True)
        check(made.returncode == 0, "the C program", made.stderr)
        ran = subprocess.run(["./use"], capture_output=True, text=True)
        got = [float(v) for v in ran.stdout.split()]
        want = [v for n in re.findall(r"^ \*\s+\d+\s+(f/\S+)", header, re.M) for v in params(last("run"))[n]]
        check(ran.returncode == 0 and len(got) == len(want), "it runs", ran, len(want))
        worst = max(abs(a - b) for a, b in zip(got, want))
        check(worst < 1e-9, "the parameters of the run: " + opt, worst)


RESUMED = [
    "train fit on seen { batch = 10, test = held, keep = best, patience = 1000000, schedule = plateau(factor = 0.9, patience = 30), OPT }",
    "train fit on seen, 0.1*small on wide, 1e-3*drawn, fixed { batch = [10, 7, 16, all], average = 0.99, test = [held, wide, 50, 1],\n"
    "  keep = average, clip = 1, OPT }",
    "train fit on seen, drawn { batch = [all, 8], schedule = plateau(patience = 100, warmup = 50), monitor = [e], optimizer = "
    "lbfgs(max_iter = 2), steps = STEPS, every = EVERY }",
]


def stopped(out, lines_before):
    p = subprocess.Popen([HNNC, "run", "m.hnn", "--out", out, "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         universal_newlines=True, env=environment())
    start = time.time()
    while not (os.path.exists(out + "/metrics.jsonl") and read(out + "/metrics.jsonl").count(b"\n") >= lines_before):
        check(p.poll() is None and time.time() - start < 100, "the run ended before it could be stopped", out)
        time.sleep(0.002)
    p.send_signal(signal.SIGINT)
    text = "".join(p.communicate(timeout=100))
    check(p.returncode == 130, "Ctrl-C: exit code 130", p.returncode, text)


def test_resume():
    for k, train in enumerate(RESUMED):
        steps = 3000 if "lbfgs" in train else 60000
        train = train.replace("OPT", "optimizer = adam(lr = 1e-2), steps = STEPS, every = EVERY")
        model(train.replace("STEPS", str(steps)).replace("EVERY", str(steps//200)), precision="f32" if k == 1 else "f64")
        whole, parts = "whole%d" % k, "parts%d" % k
        hnnc("run", "m.hnn", "--out", whole, "-q")
        stopped(parts, 7)
        at = int(tensors(last(parts))[1]["step"])
        check(0 < at < steps, "stopped on the way", at)
        hnnc("resume", parts, "-q", "--threads", "1")
        same_end(whole, parts)
        check(metrics_of(whole) == metrics_of(parts), "the same metrics, none twice", train)
        check(read(whole + "/reports.json") == read(parts + "/reports.json"), "the same reports", train)
        for kind in "best", "average":
            if os.path.exists(whole + "/checkpoints/" + kind):
                check(read(whole + "/checkpoints/" + kind) == read(parts + "/checkpoints/" + kind), "the same " + kind, train)
                check(os.readlink(whole + "/checkpoints/" + kind) == os.readlink(parts + "/checkpoints/" + kind), "its name", kind)
        hnnc("resume", parts, "-q")
        same_end(whole, parts)
        check(read(whole + "/reports.json") == read(parts + "/reports.json"), "the same reports after the end", train)


if __name__ == "__main__":
    raise SystemExit(main(globals()))
