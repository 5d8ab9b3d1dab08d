#!/usr/bin/env python3
"""What can befall a run, a checkpoint, the cache: kills, closed outputs, damage, edits, two at once. test_driver_runs.py HNNC [TEST...]
HNNC_KILLS is how many kills at random instants are tried (default 12)."""
import glob
import json
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time

from driver_util import check, environment, HNNC, hnnc, last, lines, load, main, metrics_of, model, read, same_end, until, write


def start(*args, **more):
    return subprocess.Popen([HNNC, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                            env=more.pop("env", environment()), **more)


def left_over(run):
    return [os.path.join(d, f) for d, _, files in os.walk(run) for f in files if ".tmp-" in f]


def stopped_run(name="r", steps=20000):
    """A run that a signal stopped after its first lines of metrics."""
    model(old="steps = 200", new="steps = %d" % steps)
    p = start("run", "m.hnn", "--out", name, "-q")
    until(lambda: os.path.exists(name + "/metrics.jsonl") and os.path.getsize(name + "/metrics.jsonl"))
    p.send_signal(signal.SIGTERM)
    p.communicate()
    check(p.returncode == 130 and load(name + "/manifest.json")["status"] == "stopped", "it stopped", p.returncode)


# ---- resuming ------------------------------------------------------------------------------------------------


def test_resume_takes_no_options():
    stopped_run()
    hnnc("resume", "r", "train.steps=8000", code=2, says="without `train.steps=8000`")


def test_resume_after_an_edit():
    """Whatever decides the numbers must be what it was: the model, an import, the build."""
    write("my.hnn", "fn scale(x: real) = 2*x\n")
    stopped_run()
    write("m.hnn", 'import "my"\n' + read("m.hnn").decode().replace("sum((a", "scale(1)*sum((a"))
    p = start("run", "m.hnn", "--out", "s", "-q")
    until(lambda: os.path.exists("s/metrics.jsonl") and os.path.getsize("s/metrics.jsonl"))
    p.send_signal(signal.SIGTERM)
    p.communicate()
    check(read("s/sources/1-my.hnn") == read("my.hnn"), "the import is kept", os.listdir("s"))
    write("my.hnn", "fn scale(x: real) = 3*x\n")
    hnnc("resume", "s", code=4, says="s/sources/")
    shutil.copy("s/sources/1-my.hnn", "my.hnn")
    m = load("s/manifest.json")
    write("s/manifest.json", json.dumps(dict(m, build="0123456789abcdef")))
    hnnc("resume", "s", code=4, says="another build of hnnc")
    write("s/manifest.json", json.dumps(dict(m, cpu="elsewhere")))
    write("s/model.hnn", read("s/model.hnn").decode().replace("steps = 20000", "steps = 200"))
    hnnc("resume", "s", code=4, says="has changed since the run started")
    write("s/model.hnn", read("m.hnn"))
    hnnc("resume", "s", says=["warning", "elsewhere"])


def test_damaged_checkpoint():
    """Each byte of the header counts."""
    stopped_run()
    path = os.path.join("r", "checkpoints", os.readlink(last("r")))
    good = read(path)
    header = int.from_bytes(good[:8], "little")
    random.seed(1)
    for k in range(40):
        bad = bytearray(good)
        at = random.randrange(8, 8 + header) if k % 4 else random.randrange(len(good))
        bad[at] ^= 1 << random.randrange(7)
        if k == 0:
            bad = bytearray(good.replace(b'"xxh3"', b'"xxh4"'))
        if k == 1:
            bad = bytearray(good.replace(b'"step":"', b'"step":"1'))
        if k == 2:
            bad = bytearray(good.replace(b"hnnc-3", b"hnnc-4"))
        write(path, bytes(bad))
        r = hnnc("resume", "r", code=4)
        check(r.err.startswith("error"), "a message", r)
    write(path, good)


def test_why():
    """What another rank ended with is in the list of runs."""
    hnnc("run", "-q", model(), "--out", "r")
    write("r/manifest.json", json.dumps(dict(load("r/manifest.json"), status="failed", why="rank 1 (n2) ended with the code 4")))
    check("rank 1 (n2) ended with the code 4\n" in hnnc("runs", "r").out, "it is not listed")


def test_damaged_manifest():
    """Any value of any kind in its place is an error with a message."""
    stopped_run()
    good = load("r/manifest.json")
    for key in list(good) + ["plots"]:
        for value in None, 5, -1, 1.5, "x", [], [None], {}, {"a": 1}, True, [1, "x"]:
            write("r/manifest.json", json.dumps(dict(good, **{key: value})))
            if key in ("status", "created", "updated", "threads", "proofs", "precision", "seconds", "seconds_to_first_step",
                       "seconds_compiling", "seconds_making_data"):
                continue                         # nobody reads them
            if value == [] and key in ("plots", "overrides") or value == {} and key in ("sources", "files") or value == "x" and key in ("cpu", "hnnc", "model"):
                continue                         # as it was, or only said
            r = hnnc("resume", "r", code=None)
            check(r.code in (1, 2, 4) and "error" in r.err, "%s: %r" % (key, value), r)
    for text in "", "{", "[]", "5", "null", "\0", '{"model": "m.hnn"}':
        write("r/manifest.json", text)
        hnnc("resume", "r", code=4, says="manifest.json")


def test_lost_report():
    """A report from before the checkpoint cannot be made again with later parameters."""
    text = read(model(old="steps = 200", new="steps = 20000")).decode()
    first = "train fit on train_set { steps = 10 }\nreport before = abs(H(q, p)) on test_set\n"
    write("m.hnn", text.replace("train fit", first + "train fit", 1))
    p = start("run", "m.hnn", "--out", "r", "-q")
    until(lambda: os.path.exists("r/metrics.jsonl") and len(lines("r/metrics.jsonl")) > 12)
    p.send_signal(signal.SIGTERM)
    p.communicate()
    good = load("r/reports.json")
    for key in "mean", "sd", "n":
        for value in good["reports"]["before"][key] + 1, None, "1":
            write("r/reports.json", json.dumps(dict(good, reports={"before": dict(good["reports"]["before"], **{key: value})})))
            hnnc("resume", "r", code=4, says="reports.json` has changed")
    write("r/reports.json", json.dumps({"reports": {}, "expects": [], "proofs": []}))
    hnnc("resume", "r", code=4, says="does not have the report `before`")


# ---- ends ---------------------------------------------------------------------------------------------------


def test_closed_descriptors():
    for closed in ">&-", "2>&-", "<&-", ">&- 2>&- <&-":
        model()
        p = subprocess.run(["sh", "-c", '"$0" run m.hnn --out r ' + closed, HNNC], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           env=environment(), timeout=60)
        check(p.returncode == 0, closed, p)
        check([m["step"] for m in lines("r/metrics.jsonl")] == [50, 100, 150, 200], closed + ": metrics", read("r/metrics.jsonl"))


def test_reader_leaves():
    model()
    p = subprocess.run(["bash", "-c", 'set -o pipefail; "$0" run m.hnn --out r | head -c 1 >/dev/null', HNNC], stderr=subprocess.PIPE,
                       env=environment(), timeout=60)
    check(p.returncode in (0, 4), "a reader that leaves", p)
    check(load("r/manifest.json")["status"] == "done", "how it ended", load("r/manifest.json"))


def test_signal_before_the_first_step():
    """At every instant from the first file on."""
    model(old="count = 100", new="count = 200000")
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        for wait in 0, 0.02, 0.05, 0.1, 0.2:
            p = start("run", "m.hnn", "--out", "r", "-q", "--no-cache")
            until(lambda: os.path.exists("r/manifest.json"))
            time.sleep(wait)
            p.send_signal(number)
            p.communicate()
            status = load("r/manifest.json")["status"]
            check(p.returncode in (130, 0) and status == ("stopped" if p.returncode else "done"), "the end", p.returncode, status)
            shutil.rmtree("r")


def test_file_size_limit():
    model()
    p = start("run", "m.hnn", "--out", "r", "-q", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048)))
    said = p.communicate()[1]
    check(p.returncode == 4 and "error[" in said, "a limit on sizes", p.returncode, said)
    check(load("r/manifest.json")["status"] == "failed", "how it ended", load("r/manifest.json"))
    check(left_over("r") == [], "nothing is left over", left_over("r"))


def test_two_in_one_directory():
    model(old="steps = 200", new="steps = 10000000")
    p = start("run", "m.hnn", "--out", "r", "-q")
    until(lambda: os.path.exists("r/metrics.jsonl") and os.path.getsize("r/metrics.jsonl"))
    hnnc("run", "m.hnn", "--out", "r", code=4, says="another run is using r")
    hnnc("resume", "r", code=4, says="another run is using r")
    check(p.poll() is None, "the first goes on")
    p.kill()
    p.communicate()
    hnnc("run", "m.hnn", "train.steps=10", "--out", "r", "-q")
    check(load("r/manifest.json")["status"] == "done" and os.path.exists("r/earlier"), "a killed run holds no lock")


def test_left_overs_are_removed():
    stopped_run()
    dead = ["r/.manifest.json.tmp-123", "r/checkpoints/.step-5.safetensors.tmp-99", "r/plots/.a.svg.tmp-7"]
    for name in dead:
        write(name, "half")
    write("r/.mine.tmp-x", "no left-over")
    p = start("resume", "r", "-q")
    until(lambda: not set(dead) & set(left_over("r")))
    p.kill()
    p.communicate()
    # The kill may have come while this one wrote: what it leaves is for the next.
    rest = [name for name in left_over("r") if name in dead or not name.rsplit("-", 1)[1].isdigit()]
    check(rest == ["r/.mine.tmp-x"], "only what is not ours", rest)


def test_kills():
    """Two runs on one cache, killed at random instants and resumed: the same bits in the end, nothing left behind."""
    kills = int(os.environ.get("HNNC_KILLS", "12"))
    random.seed(kills)
    model(old="steps = 200", new="steps = 4000")
    text = read("m.hnn").decode().replace("every = 50", "every = 100")
    write("m.hnn", text)
    hnnc("run", "m.hnn", "--out", "whole", "-q")
    begin = time.time()
    hnnc("run", "m.hnn", "--out", "again", "-q")
    length, done = time.time() - begin, 0
    cache = os.path.join(os.getcwd(), "cache")
    while done < kills:
        for name in "a", "b":
            shutil.rmtree(name, ignore_errors=True)
        live = {name: start("run", "m.hnn", "--out", name, "-q", env=environment(HNNC_CACHE_DIR=cache)) for name in ("a", "b")}
        while live:
            time.sleep(random.random()*length)
            for name in list(live):
                if live[name].poll() is None and random.random() < 0.7:
                    live[name].kill()
                    done += 1
                if live[name].poll() is None:
                    continue
                live.pop(name).communicate()
                if os.path.exists(name + "/manifest.json") and load(name + "/manifest.json")["status"] == "done":
                    continue
                can = os.path.exists(last(name)) if os.path.isdir(name) else False
                command = ("resume", name) if can else ("run", "m.hnn", "--out", name)
                live[name] = start(*command, "-q", env=environment(HNNC_CACHE_DIR=cache))
        for name in "a", "b":
            same_end("whole", name)
            check(metrics_of(name) == metrics_of("whole"), "the same metrics")
            hnnc("run", "m.hnn", "train.steps=1", "--out", name, "-q")     # whatever comes next in that place cleans up
            check(left_over(name) == [], "nothing is left behind", left_over(name))
    r = hnnc("cache", "verify", env=environment(HNNC_CACHE_DIR=cache))
    check(" 0 were damaged" in r.out, "the cache", r)


# ---- cache and files --------------------------------------------------------------------------------------------


def test_cache_of_others():
    """What others could have written, and what is no file, is not run."""
    env = environment(HNNC_CACHE_DIR=os.path.abspath("c/deep"))
    model()
    hnnc("run", "m.hnn", "--out", "r", "-q", env=env)
    check(stat.S_IMODE(os.stat("c").st_mode) == 0o700 and stat.S_IMODE(os.stat("c/deep").st_mode) == 0o700, "rights of the cache")
    objects = sorted(glob.glob("c/deep/*.o"))
    check(objects and all(stat.S_IMODE(os.stat(o).st_mode) == 0o600 for o in objects), "rights of its files")

    def again(says):
        r = hnnc("run", "m.hnn", "--out", "s", "-q", env=env)
        check(r.err.count("warning:") == (1 if says else 0), "one warning", r)
        same_end("r", "s")

    again(False)
    for o in objects:
        os.chmod(o, 0o666)
    again(True)
    check(any(stat.S_IMODE(os.stat(o).st_mode) == 0o600 for o in objects), "they are made anew")
    for o in objects:
        os.remove(o)
        os.mkfifo(o)
    again(True)
    for o in objects:
        if os.path.exists(o):
            os.remove(o)
        os.symlink("/etc/passwd", o)
    again(True)
    if os.geteuid() == 0:
        hnnc("cache", "clear", env=env)
        hnnc("run", "m.hnn", "--out", "s", "-q", env=env)
        for o in glob.glob("c/deep/*.o"):
            os.chown(o, 12345, 12345)
        again(True)


def test_cache_command():
    env = environment(HNNC_CACHE_DIR=os.path.abspath("c"))
    hnnc("cache", env=env, says="0 files")
    model()
    hnnc("run", "m.hnn", "--out", "r", "-q", env=env)
    n = len(glob.glob("c/*.o"))
    write("c/mine.txt", "stays")
    hnnc("cache", env=env, says="%d files" % n)
    broken = sorted(glob.glob("c/*.o"))[0]
    write(broken, read(broken)[:-1])
    hnnc("cache", "verify", env=env, says=["%d files are sound, 1 were damaged" % (n - 1)])
    old = sorted(glob.glob("c/*.o"))[0]
    os.utime(old, (1, 1))
    size = sum(os.path.getsize(o) for o in glob.glob("c/*.o"))
    hnnc("cache", "trim", env=dict(env, HNNC_CACHE_MB=repr((size - 1)/2**20)), says="1 files are removed")
    check(not os.path.exists(old), "the one that was used least recently")
    hnnc("cache", "clear", env=env)
    check(os.listdir("c") == ["mine.txt"], "files of others stay", os.listdir("c"))
    hnnc("cache", "burn", code=2, says="show, verify, trim or clear")
    hnnc("cache", env=environment(HNNC_CACHE_DIR=""), says="there is no cache")


def test_irregular_files():
    """An import or data that is a pipe would wait for ever."""
    os.mkfifo("p.hnn")
    os.mkfifo("p.csv")
    os.mkdir("d.csv")
    write("m.hnn", 'import "p"\n')
    hnnc("check", "m.hnn", code=1, says="it is no file that can be read to its end")
    for name, what in ("p.csv", "a pipe or a device"), ("d.csv", "a directory"), ("/dev/zero", "a pipe or a device"):
        write("m.hnn", 'data d = read("%s", x = 0)\n' % name)
        hnnc("check", "m.hnn", code=1, says=what)
    write("n.hnn", "fn f(x: real) = x\n")
    p = subprocess.run(["sh", "-c", 'cat n.hnn | "$0" check /dev/stdin', HNNC], stdout=subprocess.PIPE, env=environment(), timeout=30)
    check(p.returncode == 0, "a pipe that the user named", p)


sys.exit(main(globals()))
