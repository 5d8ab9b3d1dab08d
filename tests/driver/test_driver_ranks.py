#!/usr/bin/env python3
"""Several ranks under mpirun make the bits of one: test_driver_ranks.py HNNC [TEST...]. Where no MPI is installed, or hnnc was built without
it, nothing is tested but that it says so."""
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from driver_util import check, environment, HNNC, hnnc, load, main, metrics_of, model, npy, read, same_end, SLOWER, write

MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../models")
PENDULUM = os.path.join(MODELS, "pendulum.hnn")
OPENMPI = ("openmpi", ["mpirun.openmpi", "--oversubscribe", "--bind-to", "none"])
MPICH = ("mpich", ["mpirun.mpich"])


def built(name):
    return os.path.exists(os.path.join(os.path.dirname(os.path.realpath(HNNC)), "hnnc_%s.so" % name))


LAUNCHERS = [command for name, command in (OPENMPI, MPICH) if shutil.which(command[0]) and built(name)]
if not LAUNCHERS:
    print("skipped: no MPI that hnnc was built with is installed (openmpi-bin libopenmpi-dev, or mpich libmpich-dev)")


def ranks_environment(**more):
    return environment(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_btl_vader_single_copy_mechanism="none", **more)


def start(launcher, ranks, *args, **more):
    return subprocess.Popen([*launcher, "-n", str(ranks), HNNC, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            universal_newlines=True, errors="replace", env=ranks_environment(**more), start_new_session=True)


def finish(p, code=0, says=""):
    try:
        text, _ = p.communicate(timeout=100 * SLOWER)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        check(False, "the ranks hang")
    check(code is None or p.returncode == code, "expected exit code %s, found %s" % (code, p.returncode), text)
    check(says in text, "nothing says `%s`" % says, text)
    return text


def under(launcher, ranks, *args, code=0, says="", **more):
    return finish(start(launcher, ranks, *args, **more), code, says)


def same_files(a, b, folder, ends):
    names = sorted(os.listdir(os.path.join(a, folder))) if os.path.isdir(os.path.join(a, folder)) else []
    for name in names:
        if name.endswith(ends):
            check(read(os.path.join(a, folder, name)) == read(os.path.join(b, folder, name)), "%s of %s and %s differ" % (name, a, b))


def same_run(a, b):
    if os.path.exists(a + "/checkpoints/last"):
        same_end(a, b)
    else:
        check(load(a + "/reports.json") == load(b + "/reports.json"), "the reports of %s and %s differ" % (a, b))
    check(metrics_of(a) == metrics_of(b), "the metrics of %s and %s differ" % (a, b))
    same_files(a, b, "arrays", ".npz")
    same_files(a, b, "plots", ".dat")
    for key in ("status", "adaptive_steps", "proofs"):
        x, y = (load(run + "/manifest.json").get(key) for run in (a, b))
        check(x == y, "%s of %s and %s differ" % (key, a, b), x, y)


# ---- the same bits ---------------------------------------------------------------------------------------------------

SHORT = {
    "pendulum": ["train.steps=40"],
    "kepler": ["train.steps=60"],
    "two_moons": ["train.steps=12", "seen.count=3000", "held_out.count=2000", "drawn.count=500"],
    "ising": ["ensemble.count=600"],
    "hgn": ["train.steps=2", "seen.count=40", "held_out.count=16"],
}
NUMBERS = {"pendulum": [(2, 2), (3, 1)], "kepler": [(2, 1)], "two_moons": [(3, 2), (8, 1)], "ising": [(4, 1)], "hgn": [(2, 1), (4, 1)]}


def test_models():
    for name, short in SHORT.items() if LAUNCHERS else ():
        path = os.path.join(MODELS, name + ".hnn")
        hnnc("run", "-q", "--threads", "2", "--out", name, path, *short, code=None)
        for k, (ranks, threads) in enumerate(NUMBERS[name]):
            out = "%s-%d-%d" % (name, ranks, threads)
            under(LAUNCHERS[k % len(LAUNCHERS)], ranks, "run", "-q", "--threads", str(threads), "--out", out, path, *short, code=None)
            same_run(name, out)
            check(load(out + "/manifest.json")["ranks"] == ranks, "the manifest has other ranks")


# Means over the batch, a norm, a second-order optimizer, gradients through adaptive methods, averages, the best of tests.
KINDS = """\
precision f64
import "std/nets"
data points {
  let x = normal(0, 1, [2])
  yield x, y = sin(x[0]) + x[1]^2
}
use seen = points(count = 1500, seed = 3)
use others = points(count = 700, seed = 4)
flow T(x: real[2]) {
  running m = mean_over_batch(x) decay 0.9
  x -= m
  running s = mean_over_batch(x^2) decay 0.9
  x *= exp(-log(s + 1e-3)/2)
}
net f(x: real[2]) = mlp([64, 64], 1)(T(x))[0]
net g(x: real[2]) = mlp([32, 32], 1)(x)[0]
net H0(s: real[2]) = mlp([16], 1)(s)[0]
hamiltonian H(q: real[1], p: real[1]) = H0(concat(q, p))
loss fit(x, y) = (f(x) - y)^2
loss smooth(x, y) = (g(x) - y)^2
loss orbit(x, y) {
  let (q, p) = trajectory(H, x[:1], x[1:], dt = 0.5, steps = 2, method = dopri5(rtol = 1e-6))
  return (q[2][0] - y)^2
}
train fit on seen { optimizer = adam(lr = 1e-2), batch = 600, steps = 12, every = 4, test = others, keep = average, average = 0.9, clip = 0.5 }
train smooth on seen { optimizer = lbfgs(max_iter = 4), batch = all, steps = 3 }
train orbit on seen { optimizer = sgd(lr = 1e-2), batch = 256, steps = 3, test = others, keep = best }
report error = (f(x) - y)^2 + (g(x) - y)^2 on others
expect quantile(error, 0.9) > 0
save values = { f = f(x), g = g(x) } on others
"""


def test_kinds():
    write("kinds.hnn", KINDS)
    hnnc("run", "-q", "--out", "one", "kinds.hnn")
    for k, (ranks, threads) in enumerate([(2, 1), (3, 2), (5, 1)] if LAUNCHERS else ()):
        out = "run-%d-%d" % (ranks, threads)
        under(LAUNCHERS[k % len(LAUNCHERS)], ranks, "run", "-q", "--threads", str(threads), "--out", out, "kinds.hnn")
        same_run("one", out)
        done = load(out + "/manifest.json")["exchanges"]
        check(done["count"] > 30 and done["bytes"] > 100000, "the work was not shared", done)


# Sets of so many samples that each rank has a part: programs, on other sets and with several rows a draw, files, parts, orders.
LARGE = """\
precision f32
import "std/nets"
data points {
  let x = normal(0, 1, [3])
  yield x, y = sin(x[0]) + x[1]^2
}
use a = points(count = 530000, seed = 3)
use s = shuffle(a, seed = 5)
use most = first(s, 526000)
use few = last(a, 3000)
data pairs {
  let x = normal(0, 1, [2])
  yield each u = [x[0], x[1], x[0]*x[1]]
}
use t = pairs(count = 180001, seed = 9)
data moved on a {
  let e = normal(0, 1)
  yield v = x[0]*e + y, x
}
use m = moved(seed = 4)
data doubled on a {
  let e = normal(0, 1, 2)
  yield each v = [x[0]*e[0] + y, e[1]]
}
use d = doubled(seed = 6)
data file = read("FILE", z = 0)
net f(x: real[3]) = mlp([16], 1)(x)[0]
net g(u: real) = mlp([8], 1)([u])[0]
loss fit(x, y) = (f(x) - y)^2
loss square(u) = (g(u) - u^2)^2
train fit on s { optimizer = adam(lr = 1e-2), batch = 3000, steps = 6, every = 3, test = most, keep = best }
train fit on most { optimizer = lbfgs(max_iter = 2), batch = all, steps = 1 }
train square on t { optimizer = sgd(lr = 1e-2), batch = 1000, steps = 3 }
report error = (f(x) - y)^2 on most
report few_y = y on few
report mean_x = x on s
report mean_u = u on t
report mean_v = v on m
report mean_w = v on d
report mean_z = z on file
save some = { x = x, none = log(y - 2) } on few
plot p = { kind = scatter, x = x[0], y = y } on s
"""


def test_large():
    if not LAUNCHERS:
        return
    write("z.npy", npy((530000,), (0.25*(i % 977) for i in range(530000))))
    write("large.hnn", LARGE.replace("FILE", "z.npy"))
    hnnc("run", "-q", "--threads", "2", "--out", "one", "large.hnn")
    for k, ranks in enumerate((2, 3)):
        out = "run-%d" % ranks
        under(LAUNCHERS[k % len(LAUNCHERS)], ranks, "run", "-q", "--threads", "1", "--out", out, "large.hnn")
        same_run("one", out)


def test_eval():
    if not LAUNCHERS:
        return
    path = os.path.join(MODELS, "ising.hnn")
    hnnc("eval", "-q", path, "energy(s)", "ensemble", "-o", "one.npy")
    under(LAUNCHERS[0], 3, "eval", "-q", path, "energy(s)", "ensemble", "-o", "all.npy")
    check(read("one.npy") == read("all.npy"), "the arrays differ")


SCRIPT = """\
import sys
FIRST
import hnnc
m = hnnc.load(sys.argv[1], options={"train.steps": 20})
run = m.run(sys.argv[2], progress=False)
print("done", run.status, len(run.reports), flush=True)
"""


def test_python():
    """Runs of the package are shared, beside mpi4py too; what a rank asks of a model is its own."""
    package = os.path.join(os.path.dirname(os.path.realpath(HNNC)), "..", "python")
    if not LAUNCHERS or not os.path.isdir(package + "/hnnc"):
        return
    hnnc("run", "-q", "--out", "one", PENDULUM, "train.steps=20", code=None)
    for launcher in LAUNCHERS:
        for first in ("", "from mpi4py import MPI"):
            write("p.py", SCRIPT.replace("FIRST", first))
            if first and (launcher is not LAUNCHERS[0] or subprocess.run(["/usr/bin/python3", "-c", first], stderr=subprocess.DEVNULL).returncode):
                continue
            out = os.path.abspath("run" + launcher[0] + first[:4])
            p = subprocess.Popen([*launcher, "-n", "2", "/usr/bin/python3", "p.py", PENDULUM, out], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, universal_newlines=True, errors="replace", start_new_session=True,
                                 env=ranks_environment(PYTHONPATH=package))
            text = finish(p)
            check(text.count("done") == 2, "both are done", text)
            check(load(out + "/manifest.json")["ranks"] == 2, "the run is of one rank", text)
            same_run("one", out)


# ---- what ends early ---------------------------------------------------------------------------------------------------

LONG = ["train.steps=500"]


def ranks_of(p, out):
    """Processes of the ranks, which have `out` among their arguments."""
    pids = []
    for pid in os.listdir("/proc"):
        try:
            with open("/proc/%s/cmdline" % pid) as f:
                words = f.read().split("\0")
        except OSError:
            continue
        if words[0] == HNNC and out in words:
            pids.append(int(pid))
    return sorted(pids)


def wait_for(path, p):
    """Until there is something in the file."""
    until = time.time() + 60 * SLOWER
    while time.time() < until and p.poll() is None:
        if os.path.exists(path) and os.path.getsize(path):
            return
        time.sleep(0.02)
    check(False, "%s is not made" % path, p.communicate()[0] if p.poll() is not None else "")


def wait_for_step(out, p):
    wait_for(out + "/metrics.jsonl", p)


def test_stopped_and_resumed():
    """SIGTERM at one rank stops all after the same step; any other number of ranks goes on."""
    hnnc("run", "-q", "--out", "whole", PENDULUM, *LONG, code=None)
    for launcher in LAUNCHERS:
        out = os.path.abspath("stopped-" + launcher[0])
        p = start(launcher, 3, "run", "-q", "--threads", "1", "--out", out, PENDULUM, *LONG, "train.every=10")
        wait_for_step(out, p)
        os.kill(ranks_of(p, out)[1], signal.SIGTERM)
        finish(p, 130)
        check(load(out + "/manifest.json")["status"] == "stopped", "it is not stopped")
        check(os.path.exists(out + "/checkpoints/last"), "there is no checkpoint")
        under(LAUNCHERS[0], 2, "resume", "-q", "--threads", "1", out, code=None)
        for kind in ("last", "best"):
            if os.path.exists("whole/checkpoints/" + kind):
                check(read("whole/checkpoints/" + kind)[-4096:] == read(out + "/checkpoints/" + kind)[-4096:], "the parameters differ")


def test_killed():
    """A rank that is killed: all end, and the run goes on."""
    hnnc("run", "-q", "--out", "whole", PENDULUM, *LONG, code=None)       # two trainings, with a checkpoint between them
    for k in range(int(os.environ.get("HNNC_KILLS", "2")) if LAUNCHERS else 0):
        launcher = LAUNCHERS[k % len(LAUNCHERS)]
        out = os.path.abspath("killed-%d" % k)
        p = start(launcher, 3, "run", "-q", "--threads", "1", "--out", out, PENDULUM, *LONG)
        wait_for(out + "/checkpoints/last", p)
        time.sleep(random.random() * 0.2)
        pids = ranks_of(p, out)
        if pids:
            os.kill(random.choice(pids), signal.SIGKILL)
        begin = time.time()
        finish(p, None)
        check(time.time() - begin < 10 * SLOWER, "it took %.1f s" % (time.time() - begin))
        while ranks_of(p, out) and time.time() - begin < 10 * SLOWER:
            time.sleep(0.05)
        check(not ranks_of(p, out), "a rank lives on", launcher, k)
        hnnc("resume", "-q", out, code=None)
        same_run("whole", out)


def test_one_fails():
    """What happened at a rank is told with its rank, and all end."""
    for launcher in LAUNCHERS:
        only = 'case "$OMPI_COMM_WORLD_RANK$PMI_RANK" in 1) mkdir elsewhere; cd elsewhere;; esac; exec "$@"'
        out = os.path.abspath("failed-" + launcher[0])
        shutil.rmtree("elsewhere", ignore_errors=True)
        command = [*launcher, "-n", "2", "sh", "-c", only, "-", HNNC, "run", "-q", "--threads", "1", "--out", out, model()]
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, errors="replace",
                             env=ranks_environment(), start_new_session=True)
        text = finish(p, None)
        check(p.returncode not in (None, 0) and "rank 1 (" in text and "m.hnn" in text, "it is not told", text)


def test_cannot_write():
    """The first rank cannot write: all end with its message."""
    for launcher in LAUNCHERS:
        out = os.path.abspath("full-" + launcher[0])
        p = start(launcher, 2, "run", "-q", "--threads", "1", "--out", out, PENDULUM, "train.steps=100000", "train.every=10")
        wait_for_step(out, p)
        shutil.rmtree(out + "/checkpoints")
        write(out + "/checkpoints", "in the way")
        os.kill(ranks_of(p, out)[0], signal.SIGTERM)
        text = finish(p, None)
        check(p.returncode == 4 and "error[output]" in text, "the error is not told", p.returncode, text)


# ---- launchers ---------------------------------------------------------------------------------------------------------

def test_without_module():
    """Never two runs in one directory."""
    for rank in "01":
        for launcher in ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": rank}, {"PMI_SIZE": "2", "PMI_RANK": rank},
                         {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": rank}):
            env = environment(HNNC_MPI="/nowhere/module.so", **launcher)
            r = hnnc("run", model(), "--out", "run", code=2, env=env, says="has started 2 ranks, and HNNC_MPI=/nowhere/module.so cannot be opened: " if rank == "0" else "")
            check(rank == "0" or not r.err, "the other rank speaks too", r)
            check(not os.path.exists("run"), "there is a run directory")
    hnnc("check", model(), env=environment(HNNC_MPI="none", PMI_SIZE="2", PMI_RANK="0"))
    hnnc("check", model(), env=environment(OMPI_COMM_WORLD_SIZE="1", OMPI_COMM_WORLD_RANK="0"))
    hnnc("check", model(), env=environment(SLURM_NTASKS="4", SLURM_PROCID="0"))       # a batch script, no step


def test_once():
    """Errors of all ranks, and commands that no rank shares, are said once."""
    for launcher in LAUNCHERS:
        write("wrong.hnn", "fn f(x: real) = y\n")
        text = under(launcher, 3, "run", "wrong.hnn", code=1, says="`y`")
        check(text.count("error[") == 1, "it is said more than once", text)
        text = under(launcher, 2, "run", model(), "--seeds", "1:3", code=2, says="a sweep cannot run under an MPI launcher")
        check(text.count("error[") == 1 and not os.path.exists("runs"), "a sweep has begun", text)
        under(launcher, 2, "run", "-", code=2, says="name a file")
        text = under(launcher, 3, "compile", "--emit=ir", model())
        check(text.count("fn error") <= 1, "it is printed more than once", text)


if __name__ == "__main__":
    sys.exit(main(globals()))
