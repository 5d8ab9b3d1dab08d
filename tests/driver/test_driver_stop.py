#!/usr/bin/env python3
"""SIGINT and SIGTERM stop the compiler at once, whatever it is at: test_driver_stop.py HNNC [TEST...].

Each command gets a signal at instants from its start to its end. It has to end by it (or with 130, or it was done already),
without a child left, without a file of which half is there, and without anything in the folder for temporary files."""
import glob
import os
import signal
import subprocess
import sys
import tempfile
import time

from driver_util import check, environment, HNNC, hnnc, main, SLOWER, write

TIMES = int(os.environ.get("HNNC_STOPS", "4" if SLOWER > 1 else "8"))

CHAIN = "fn f(x: real) {\nlet a0 = x\n" + "".join("let a%d = sin(a%d)\n" % (i + 1, i) for i in range(3000)) + "return a3000\n}\n"
LOOPS = "fn f(x: real) {\nvar y = x\nfor i in 0:1000000 { for j in 0:1000000 { let k = i } }\nreturn y\n}\n"
TRAINING = """\
data d {
  let x = normal(0, 1)
  yield x
}
use e = d(count = 10)
net m(x: real) {
  param w: real ~ normal
  var z = x*w
  repeat 800 { z = z + 0.1*sin(z) }
  return z
}
loss l(x) = m(x)^2
train l on e { steps = 2 }
"""


def session_of(pid):
    """What still runs of a session."""
    live = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                state, _, _, session = f.read().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == pid and state not in "ZX":
            live.append(path)
    return live


def wait_for_none(pid):
    end = time.time() + 5 * SLOWER
    while session_of(pid) and time.time() < end:
        time.sleep(0.01)
    return session_of(pid)


def whole(path):
    """The file ends as such files do."""
    with open(path, "rb") as f:
        b = f.read()
    if path.endswith(".o") or path.endswith(".so"):
        return b[:4] == b"\x7fELF"
    return b.endswith(b"}\n") or b.endswith(b"#endif\n")


def seconds_of(command, env):
    start = time.time()
    subprocess.run([HNNC, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, timeout=240)
    return time.time() - start


def stop(command, outputs=()):
    """Runs the command TIMES times and stops it somewhere."""
    env = environment(TMPDIR=os.path.abspath("tmp"), HNNC_CACHE_DIR="")
    os.makedirs("tmp", exist_ok=True)
    whole_time = seconds_of(command, env)
    for path in outputs:
        check(os.path.exists(path) and whole(path), "%s: %s was not made" % (" ".join(command), path))
    for k in range(TIMES):
        for path in outputs:
            if k % 2 and os.path.exists(path):               # an older one stays, or there is none
                os.unlink(path)
        number = (signal.SIGTERM, signal.SIGINT)[k % 2]
        p = subprocess.Popen([HNNC, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env, start_new_session=True)
        time.sleep(whole_time * (k + 0.5) / TIMES)
        p.send_signal(number)
        told = time.time()
        err = p.communicate(timeout=60)[1].decode(errors="replace")
        took, said = time.time() - told, "%s, stopped by %s after %.2f of %.2f s" % (" ".join(command), number.name, whole_time*(k + 0.5)/TIMES, whole_time)
        check(p.returncode in (-number, 130, 0, 1), said + ": exit code %d" % p.returncode, err)
        check(p.returncode in (0, 1) or took < 5 * SLOWER, said + ": it took %.2f s" % took, err)
        check(not wait_for_none(p.pid), said + ": something still runs", session_of(p.pid))
        check(not os.listdir("tmp"), said + ": temporary files are left", os.listdir("tmp"))
        check(not glob.glob("*.new"), said + ": half a file is left", glob.glob("*.new"))
        for path in outputs:
            check(not os.path.exists(path) or whole(path), said + ": half of %s is there" % path)


def test_check():
    write("m.hnn", LOOPS)
    stop(["check", "m.hnn"])


def test_library():
    write("m.hnn", CHAIN)
    stop(["compile", "m.hnn"], ["m.so", "m.h"])


def test_object():
    write("m.hnn", CHAIN)
    stop(["compile", "--emit=obj", "-o", "m.o", "m.hnn"], ["m.o"])


def test_text():
    write("m.hnn", CHAIN)
    stop(["compile", "--emit=ir", "-o", "m.ir", "m.hnn"], ["m.ir"])


def test_run():
    write("m.hnn", TRAINING)
    stop(["run", "--out", "out", "-q", "m.hnn"])


def test_bench():
    write("m.hnn", TRAINING)
    stop(["bench", "m.hnn"])


def test_diagnose():
    write("m.hnn", TRAINING)
    stop(["diagnose", "m.hnn"])


def test_opt():
    write("m.hnn", CHAIN)
    hnnc("compile", "--emit=ir", "-o", "m.hir", "m.hnn")
    stop(["opt", "--passes=simplify,simplify,simplify,simplify", "m.hir"])


def test_nohup_is_kept():
    """A signal that the caller ignores stays ignored."""
    write("m.hnn", CHAIN)
    p = subprocess.Popen([HNNC, "compile", "--emit=obj", "-o", "m.o", "m.hnn"], env=environment(HNNC_CACHE_DIR=""),
                         preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    time.sleep(0.2)
    p.send_signal(signal.SIGHUP)
    check(p.wait(timeout=120) == 0, "SIGHUP ended what was started to go on")
    check(whole("m.o"), "there is no object")


if __name__ == "__main__":
    sys.exit(main(globals()))
