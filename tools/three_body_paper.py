"""Trains models/three_body.hnn on the orbits of the paper's own data (Greydanus et al., arXiv:1906.01563): the starts that
their `random_config` draws from NumPy's generator, first fifth for the test, integrated with their tolerances.

    python3 tools/three_body_paper.py [--hnnc build/hnnc] [--numpy-seed 0] [--seeds 1] [OVERRIDE...]

Prints train and test loss, and how much of the test loss its largest samples carry."""
import argparse
import json
import math
import os
import random
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "models", "three_body.hnn")
TRIALS, TESTS, RADIUS, NU = 5000, 1000, (0.9, 1.2), 0.2

DATA = """\
data starts = read("starts.csv")
use test_starts  = first(starts, {tests})
use train_starts = last(starts, {trains})
data test_orbits on test_starts {{
{body}}}
data train_orbits on train_starts {{
{body}}}
use observed = train_orbits(seed = 0)
use held_out = test_orbits(seed = 0)
"""
BODY = """\
  let (q, p) = trajectory(gravity, [q0, q1, q2, q3, q4, q5], [p0, p1, p2, p3, p4, p5],
                          times = linspace(0, 5, 20), method = dopri5(rtol = 1e-9, atol = 1e-6))
  let (dq, dp) = [field(gravity)(q[k], p[k]) for k in 0:20]
  yield each q, p, dq, dp
"""


def numpy_uniform(seed):
    """numpy.random.seed(seed); numpy.random.rand: the Mersenne twister started by its 32-bit seed, 53 bits a number."""
    state = [seed & 0xffffffff]
    for i in range(1, 624):
        state.append((1812433253*(state[-1] ^ (state[-1] >> 30)) + i) & 0xffffffff)
    twister = random.Random()
    twister.setstate((3, tuple(state) + (624,), None))
    return twister.random


def turned(x, angle):
    c, s = math.cos(angle), math.sin(angle)
    return [c*x[0] - s*x[1], s*x[0] + c*x[1]]


def start(rand):
    """One start, its numbers drawn in the order of the paper's code: direction, radius, disturbances of the velocities."""
    first = [2*rand() - 1, 2*rand() - 1]
    r = rand()*(RADIUS[1] - RADIUS[0]) + RADIUS[0]
    first = [x*r/math.hypot(*first) for x in first]
    circular = math.sqrt(math.sin(math.pi/3)/(2*math.cos(math.pi/6)**2))/r**1.5
    velocity = [x*circular for x in turned(first, math.pi/2)]
    q, p = [], []
    for k in range(3):
        q += turned(first, 2*math.pi/3*k)
        p += turned(velocity, 2*math.pi/3*k)
    return q + [x*(1 + NU*(2*rand() - 1)) for x in p]


def program():
    text = open(MODEL, encoding="utf-8").read()
    head, tail = text[:text.index("data orbits")], text[text.index("use energy"):text.index("# Energy along")]
    data = DATA.format(body=BODY, tests=TESTS, trains=TRIALS - TESTS)
    return head + data + tail + """
report train_loss = hnn(q, p, dq, dp) on observed
plot losses = { kind = line, samples = 1000000, y = hnn(q, p, dq, dp) } on held_out
"""


def shares(path):
    """(median, mean, share of the sum that the five largest have)"""
    losses = sorted(float(line.split()[2]) for line in open(path, encoding="utf-8") if line.strip() and line[0] != "#")
    return losses[len(losses)//2], sum(losses)/len(losses), sum(losses[-5:])/sum(losses)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hnnc", default="build/hnnc")
    parser.add_argument("--numpy-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("override", nargs="*")
    args = parser.parse_args()
    rand = numpy_uniform(args.numpy_seed)
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "starts.csv"), "w", encoding="utf-8") as f:
            f.write(",".join("%s%d" % (x, k) for x in "qp" for k in range(6)) + "\n")
            for _ in range(TRIALS):
                f.write(",".join(map(repr, start(rand))) + "\n")
        path = os.path.join(folder, "three_body.hnn")
        with open(path, "w", encoding="utf-8") as f:
            f.write(program())
        for seed in range(args.seeds):
            out = os.path.join(folder, "run%d" % seed)
            subprocess.run([os.path.abspath(args.hnnc), "run", path, "--out", out, "--seed", str(seed), "-q"] + args.override, check=True)
            reports = json.load(open(os.path.join(out, "reports.json"), encoding="utf-8"))["reports"]
            median, mean, share = shares(os.path.join(out, "plots", "losses.dat"))
            print("numpy seed %d, start %d: train %.4g, test %.4g (median %.2g, %.0f %% of it in 5 of the samples)" % (
                args.numpy_seed, seed, reports["train_loss"]["mean"], mean, median, 100*share), flush=True)


if __name__ == "__main__":
    main()
