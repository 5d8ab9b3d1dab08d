#!/usr/bin/env python3
"""Lists of runs, what differs between them, and sweeps: grids of them that outlive a kill. test_driver_sweeps.py HNNC [TEST...]"""
import json
import os
import random
import re
import signal
import subprocess
import sys

from driver_util import HNNC, check, environment, hnnc, load, main, metrics_of, model, read, same_end, until, write


def listed(*args):
    return json.loads(hnnc("runs", *args, "--json").out)["runs"]


def points(sweep):
    return sorted(x for x in os.listdir(sweep) if re.match(r"\d\d\d-", x))


# ---- lists --------------------------------------------------------------------------------------------------------


def test_list():
    model(precision="f64")
    hnnc("run", "m.hnn", "--out", "runs/m/a", "-q")
    hnnc("run", "m.hnn", "train.optimizer.lr=0.02", "width=4", "--seed", "3", "--out", "runs/m/b", "-q")
    hnnc("run", "m.hnn", "--out", "runs/m/a", "-q")                  # the first is set aside, and no run of the list any more
    write("n.hnn", "report r = [1, 2, 3, 4]\nexpect maxabs(r) < 0\n")
    hnnc("run", "n.hnn", "--out", "runs/n", "-q", code=3)
    os.mkdir("runs/other")
    os.symlink("m/a", "runs/latest")
    all_ = listed()
    check([r["dir"] for r in all_] == ["runs/m/b", "runs/m/a", "runs/n"] or {r["dir"] for r in all_} == {"runs/m/b", "runs/m/a", "runs/n"},
          [r["dir"] for r in all_])
    b = [r for r in all_ if r["dir"] == "runs/m/b"][0]
    check((b["status"], b["overrides"], b["seed"], b["model"]) == ("done", ["train.optimizer.lr=0.02", "width=4"], 3, "m.hnn"), b)
    check(b["reports"] == load("runs/m/b/reports.json")["reports"], "reports")
    text = hnnc("runs").out
    check("m.hnn:\n  run  status  train.optimizer.lr  width  seed  time " in text, text)
    check(re.search(r"^  m/b  done    0\.02                4      3  ", text, re.M), text)
    check(re.search(r"^  m/a  done {30,}0  ", text, re.M), text)
    check(re.search(r"^n\.hnn, failed:\n  run  status  time +r\n  n +failed  \S+ s +\[1, 2, 3, ...\] +not: maxabs\(r\) < 0$", text, re.M), text)
    check(listed("runs/m/a")[0]["dir"] == "runs/m/a" and len(listed("runs/m")) == 2, "of a folder, of one")
    check(hnnc("runs", "runs/other").out == "no runs in runs/other\n", "none")
    hnnc("runs", "nowhere", code=4, says="there is no folder `nowhere`")
    write("runs/n/manifest.json", "{")
    check([r["status"] for r in listed() if r["dir"] == "runs/n"] == ["damaged"], "damaged")


def test_compare():
    model(precision="f64")
    for name, more in ("a", []), ("b", ["width=4", "--seed", "3"]), ("c", []):
        hnnc("run", "m.hnn", "--out", name, "-q", *more)
    text = hnnc("runs", "--compare", "a", "b").out
    check(re.search(r"^differs +a +b\nseed +0 +3\nwidth +as written +4\n", text), text)
    check("model.hnn" not in text, "the file is the same", text)
    a, b = (load(x + "/reports.json")["reports"]["error"] for x in "ab")
    d, e = b["mean"] - a["mean"], ((a["sd"]**2 + b["sd"]**2)/50)**0.5
    check(("error   %.5g ± %.2g" % (a["mean"], a["sd"])) in text and text.splitlines()[-2].endswith("%+.3g ± %.2g" % (d, e)), text, d, e)
    check("error" in hnnc("runs", "--compare", "a", "c").out, "the same reports")
    write("m.hnn", read("m.hnn").decode() + "# more\n")
    hnnc("run", "m.hnn", "--out", "d", "-q")
    check("model.hnn" in hnnc("runs", "--compare", "a", "b", "d").out, "another file")
    check(len(json.loads(hnnc("runs", "--compare", "a", "b", "d", "--json").out)["runs"]) == 3, "as JSON")
    hnnc("runs", "--compare", "a", code=2, says="needs two runs")
    hnnc("runs", "--compare", "a", "nowhere", code=4, says="nowhere")
    hnnc("runs", "a", "b", code=2, says="--compare RUN RUN")


# ---- sweeps -------------------------------------------------------------------------------------------------------------


def test_grid():
    """Each run is the one that the command line would make; any number of them at a time."""
    model(precision="f64")
    grid = ["--sweep", "train.optimizer.lr=[1e-2, 1e-3]", "--sweep", "width=[4,  8]", "--seeds", "0:2"]
    r = hnnc("run", "m.hnn", "train.steps=100", *grid, "--jobs", "2", "--out", "s")
    names = points("s")
    check(names == ["%03d-lr=%s-width=%d-seed=%d" % (k, ["1e-2", "1e-3"][k//4], [4, 8][k//2 % 2], k % 2) for k in range(8)], names)
    for k, name in enumerate(names):
        m = load("s/%s/manifest.json" % name)
        check(m["overrides"] == ["train.steps=100", "train.optimizer.lr=" + ["1e-2", "1e-3"][k//4], "width=%d" % [4, 8][k//2 % 2]] and
              m["seed"] == k % 2 and m["status"] == "done", m)
    hnnc("run", "m.hnn", "train.steps=100", "train.optimizer.lr=1e-3", "width=4", "--seed", "1", "--out", "one", "-q")
    same_end("one", "s/" + names[5])
    check(len(listed("s")) == 8 and r.out == hnnc("runs", "s").out and r.err.splitlines()[0] == "m.hnn: 8 runs in s", r)
    check(hnnc("run", "m.hnn", "train.steps=100", *grid, "--out", "s", "-q").err == "", "it is there already")
    hnnc("run", "m.hnn", *grid, "--out", "s", code=4, says="has another sweep")
    hnnc("run", "m.hnn", *grid, "--out", "one", code=4, says="contains other files")
    hnnc("run", "m.hnn", "--seeds", "[5, 7]", "train.steps=1", "-q")
    new = os.listdir("runs/m")
    check(len(new) == 1 and new[0].startswith("sweep-") and points("runs/m/" + new[0]) == ["000-seed=5", "001-seed=7"], new)


def test_failures():
    """They hinder no other; the table has them apart, and resume does not do what is done or failed again."""
    model(precision="f64", limit="5")
    r = hnnc("run", "m.hnn", "--sweep", "train.optimizer.lr=[1e-2, 1e-3, \"x\", f(1, [2, 3])]", "--out", "s", code=3)
    names = points("s")
    check(names == ["000-lr=1e-2", "001-lr=1e-3"] and [x["status"] for x in listed("s")] == ["failed", "done"], names)
    check("m.hnn:\n" in r.out and re.search(r"m\.hnn, failed:\n.*\n  000-lr=1e-2  failed .*not: mean\(error\) < 5", r.out), r)
    check(r.err.splitlines()[-1] == "3 of 4 runs failed" and "`lr` must be a number known at compile time, found a string" in r.err, r)
    check("`f` is not defined" in read("s/logs/003-lr=f123.txt").decode(), os.listdir("s/logs"))
    before = [os.stat("s/%s/manifest.json" % n).st_mtime_ns for n in names]
    hnnc("resume", "s", code=3)
    check(before == [os.stat("s/%s/manifest.json" % n).st_mtime_ns for n in names], "left alone")
    r = hnnc("run", "m.hnn", "--sweep", "widht=[1, 2]", "--out", "t", code=1)
    check("the file has no constant `widht`" in r.err and not os.path.exists("t"), "said once, before anything begins", r)


def swept(name, *more):
    return ["run", "m.hnn", "--sweep", "train.optimizer.lr=[1e-2, 1e-3]", "--seeds", "1:3", "--out", name, *more]


def stopped_by(number, name):
    """A sweep that a signal met while its first runs trained."""
    p = subprocess.Popen([HNNC, *swept(name, "--jobs", "2")], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = ["%s/%03d-lr=1e-2-seed=%d/metrics.jsonl" % (name, k, k + 1) for k in (0, 1)]
    until(lambda: all(os.path.exists(f) and os.path.getsize(f) for f in first))
    p.send_signal(number)
    out, err = p.communicate()
    until(lambda: all(r["status"] not in ("running",) for r in listed(name)))
    return p.returncode, err


def test_killed():
    """A sweep that is killed, or stopped, goes on: each run to the same bits as if it had not."""
    model(precision="f64", old="steps = 200", new="steps = 20000")
    hnnc(*swept("whole"), "-q")
    for number, code in (signal.SIGKILL, -9), (signal.SIGINT, 130):
        name = "s%d" % number
        got, err = stopped_by(number, name)
        check(got == code and (number == signal.SIGKILL or err.endswith("stopped; `hnnc resume %s` continues\n" % name)), "the end", got, err)
        states = [r["status"] for r in listed(name)]
        check("done" not in states and len(states) == 2, "both stopped", states)
        check(hnnc("resume", name, "-q", "--jobs", "2").out.count("done") == 4, "it goes on")
        check(points(name) == points("whole"), "all")
        for p in points(name):
            same_end("whole/" + p, name + "/" + p)
            check(metrics_of("whole/" + p) == metrics_of(name + "/" + p), "the same metrics")


def test_kills_at_random():
    """At any instant, by any signal, again and again; it goes on by either command, at once. HNNC_KILLS is how many sweeps are tried (default 3)."""
    model(precision="f64", old="steps = 200", new="steps = 10000")
    hnnc(*swept("whole"), "-q")
    draw = random.Random(7)
    for k in range(int(os.environ.get("HNNC_KILLS", 3))):
        name = "s%d" % k
        command = swept(name, "-q", "--jobs", "2")
        while True:
            p = subprocess.Popen([HNNC, *command], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            try:
                err = p.communicate(timeout=draw.random()*0.6)[1]
                check(p.returncode == 0, "the end", p.returncode, err)
                break
            except subprocess.TimeoutExpired:
                p.send_signal(draw.choice([signal.SIGKILL, signal.SIGINT, signal.SIGTERM]))
                p.communicate()
            if os.path.exists(name + "/sweep.json") and draw.random() < 0.5:
                command = ["resume", name, "-q", "--jobs", "2"]
        check(points(name) == points("whole"), "all")
        for x in points(name):
            same_end("whole/" + x, name + "/" + x)


# ---- job arrays -----------------------------------------------------------------------------------------------------------

# A queue in a file: sbatch reads the array and the script's #SBATCH lines, squeue lists what waits.
SBATCH = r'''#!/usr/bin/env python3
import json, os, re, sys
if "refuse" in open(sys.argv[3]).read(): sys.exit("sbatch: error: no such partition")
jobs = json.load(open("queue.json"))
tasks = []
for part in re.match(r"--array=([0-9,-]+)(%\d+)?$", sys.argv[2])[1].split(","):
    first, _, last = part.partition("-")
    tasks += range(int(first), int(last or first) + 1)
assert sys.argv[1] == "--parsable" and max(tasks) < 1001, sys.argv
jobs.append({"script": os.path.abspath(sys.argv[3]), "first": sys.argv[4], "tasks": tasks, "array": sys.argv[2],
             "says": [l[8:].strip() for l in open(sys.argv[3]) if l.startswith("#SBATCH ")]})
json.dump(jobs, open("queue.json", "w"))
print("%d;cluster" % (100 + len(jobs)))
'''
SQUEUE = r'''#!/usr/bin/env python3
import json, sys
assert sys.argv[1:] == ["--noheader", "--array", "--me", "--format=%F:%K"], sys.argv
for k, job in enumerate(json.load(open("queue.json"))):
    for t in job["tasks"]: print("%d:%d" % (101 + k, t))
print("7:0\n8:N/A")
'''


def scheduler():
    for name, text in ("sbatch", SBATCH), ("squeue", SQUEUE):
        write("bin/" + name, text)
        os.chmod("bin/" + name, 0o755)
    write("queue.json", "[]")
    os.environ["PATH"] = os.path.abspath("bin") + ":" + os.environ["PATH"]


def at_work(number=None, **more):
    """All tasks that wait, one after the other; each is sent the signal `number` when it trains. Exit codes, by run."""
    jobs, codes = load("queue.json"), {}
    write("queue.json", json.dumps([dict(j, tasks=[]) for j in jobs]))
    for job in jobs:
        for task in job["tasks"]:
            p = subprocess.Popen(["sh", job["script"], job["first"]], env=dict(environment(), SLURM_ARRAY_TASK_ID=str(task), **more), cwd="/")
            k = task + int(job["first"])
            if number:
                begun = os.path.join(os.path.dirname(job["script"]), load("s/sweep.json")["points"][k]["dir"], "metrics.jsonl")
                until(lambda: os.path.exists(begun) and os.path.getsize(begun))
                p.send_signal(number)
            codes[k] = p.wait()
    return codes


def test_job_array():
    """The runs of an array are those of processes; what waits is not submitted twice, what was stopped or failed goes on when it is asked for."""
    model(precision="f64", old="steps = 200", new="steps = 20000")
    hnnc(*swept("whole"), "-q")
    scheduler()
    r = hnnc(*swept("s", "--slurm=--time=60 -p short", "--threads", "2", "--jobs", "3"))
    job = load("queue.json")[0]
    check((job["array"], job["first"], job["says"][0], job["says"][2:]) ==
          ("--array=0-3%3", "0", "--job-name=hnnc-m", ["--signal=B:TERM@120", "--cpus-per-task=2", "--time=60 -p short"]), job)
    check("job 101: 4 runs\ns: 4 of 4 runs submitted\n" in r.err and r.out == "", r)
    check(hnnc("runs", "s").out == "no runs in s\n4 more have not started: 000-lr=1e-2-seed=1, ...\n", "not begun")
    check(json.loads(hnnc("runs", "s", "--json").out)["not_begun"] == points("whole"), "not begun")
    check("0 of 4 runs submitted, 4 were waiting or running\n" in hnnc("resume", "s", "--slurm").err and len(load("queue.json")) == 1, "not twice")
    check(set(at_work(signal.SIGTERM, SLURM_CPUS_PER_TASK="2").values()) <= {0, 130, -15}, "stopped")
    r = hnnc("resume", "s", "--slurm")
    check(len(load("queue.json")) == 2, "none was stopped", r)
    again = len(load("queue.json")[-1]["tasks"])
    check(again > 0 and "%d of 4 runs submitted%s\n" % (again, ", %d over" % (4 - again) if again < 4 else "") in r.err, "submitted again", r)
    check(load("queue.json")[-1]["says"][-1] == "--time=60 -p short", "with what was said before")
    check(list(at_work().values()) == again*[0], "whole")
    check("0 of 4 runs submitted, 4 over" in hnnc("resume", "s", "--slurm").err, "all over")
    for x in points("whole"):
        same_end("whole/" + x, "s/" + x)
    check(hnnc("runs", "s").out.count("done") == 4, "collected")


def test_job_array_failures():
    model(precision="f64", limit="5")
    scheduler()
    hnnc("run", "m.hnn", "--sweep", 'train.optimizer.lr=[1e-2, 1e-3]', "--out", "s", "--slurm")
    check(at_work() == {0: 3, 1: 0}, "one fails")
    check("0 of 2 runs submitted, 2 over" in hnnc("resume", "s", "--slurm").err, "left alone")
    check("1 of 2 runs submitted" in hnnc("resume", "s", "--slurm", "--again").err and load("queue.json")[-1]["array"] == "--array=0", "again")
    check(at_work() == {0: 3} and len(os.listdir("s/000-lr=1e-2/earlier")) == 1, "done again")
    r = hnnc("resume", "s", "--again", code=3)
    check(len(os.listdir("s/000-lr=1e-2/earlier")) == 2 and "failed" in r.out, "here, too", r)
    hnnc("resume", "s", "--task", "2", code=2, says="--task 2: the sweep has the runs 0 to 1")
    hnnc("run", "m.hnn", "--seeds", "0:2", "--out", "t", "--slurm=-p refuse", code=4, says="sbatch did not accept the job array t/array.sh")
    hnnc("resume", "s/000-lr=1e-2", "--slurm", code=4, says="is not a sweep, and --slurm is for sweeps")
    hnnc("run", "m.hnn", "--seeds", "0:2500", "--out", "many", "--slurm", "-q")
    check([(j["first"], j["array"]) for j in load("queue.json")[-3:]] == [("0", "--array=0-999"), ("1000", "--array=0-999"), ("2000", "--array=0-499")], "arrays end")


def test_no_scheduler():
    model(precision="f64")
    os.environ["PATH"] = os.path.abspath(".")
    r = hnnc("run", "m.hnn", "--seeds", "0:2", "--out", "s", "--slurm")
    check("there is no `sbatch` here: the runs are processes on this machine" in r.err and r.out.count("done") == 2, r)


def test_two_at_once():
    model(precision="f64", old="steps = 200", new="steps = 2000000")
    p = subprocess.Popen([HNNC, *swept("s")], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: os.path.exists("s/logs"))
    hnnc("resume", "s", code=4, says="another process is using the sweep s: wait for it")
    p.terminate()
    check(p.wait() == 130, "stopped", p.returncode)


def test_changed_since():
    model(precision="f64")
    hnnc("run", "m.hnn", "--seeds", "1:3", "--out", "s", "-q")
    text = read("m.hnn").decode()
    write("m.hnn", text + "# more\n")
    hnnc("resume", "s", code=4, says="has changed since the sweep started")
    write("m.hnn", text)
    good = load("s/sweep.json")
    for bad in {}, [], dict(good, points=[]), dict(good, points=[dict(good["points"][0], dir="../x")]), dict(good, model=3):
        write("s/sweep.json", json.dumps(bad))
        hnnc("resume", "s", code=4, says="sweep.json is damaged")


def test_of_python():
    """hnnc.sweep of Python writes sweep.json with the points alone: `hnnc runs` and `hnnc resume` take it from there."""
    model(precision="f64")
    os.mkdir("s")
    write("s/sweep.json", json.dumps({"model": os.path.abspath("m.hnn"), "points": [
        {"dir": "000", "overrides": ["width=3"], "seed": 0}, {"dir": "001", "overrides": ["width=4"], "seed": 2}]}))
    check("2 more have not started: 000, ..." in hnnc("runs", "s").out, "not begun")
    hnnc("resume", "s", "-q")
    check([(r["overrides"], r["seed"], r["status"]) for r in listed("s")] == [(["width=3"], 0, "done"), (["width=4"], 2, "done")], listed("s"))


def test_words():
    model()
    for args, says in ((["--sweep", "lr"], "--sweep needs a name and its values, found `lr`"),
                       (["--sweep", "width=3"], "--sweep needs a list of values or a range, `width=[1, 2]` or `width=1:3`, found `3`"),
                       (["--sweep", "width=[1,,2]"], "found `[1,,2]`"), (["--sweep", "width=[]"], "found `[]`"),
                       (["--sweep", "width=[1, (2]"], "found `[1, (2]`"),
                       (["--sweep", "width=[1]", "--sweep", "width=[2]"], "--sweep has `width` twice"),
                       (["--seeds", "x"], "--seeds needs whole numbers, `0:5` or `[1, 7]`, found `x`"),
                       (["--seeds", "3:3"], "found `3:3`"), (["--seeds", "[-1]"], "found `[-1]`"),
                       (["--seeds", "0:2", "--seed", "1"], "--seed and --seeds exclude each other"),
                       (["--seeds", "0:1000000"], "--seeds needs whole numbers"),
                       (["--seeds", "0:1000", "--sweep", "width=0:1000"], "a sweep has at most 100000 runs"),
                       (["--jobs", "0"], "--jobs needs a whole number of at least 1")):
        r = hnnc("run", "m.hnn", *args, code=2)
        check(says in r.err, says, r)
    hnnc("check", "m.hnn", "--sweep", "width=[1]", code=2, says="--sweep has no effect on `hnnc check`: it is an option of run")
    check(not os.path.exists("runs"), "nothing is made")


if __name__ == "__main__":
    sys.exit(main(globals()))
