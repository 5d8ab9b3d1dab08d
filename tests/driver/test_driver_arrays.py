#!/usr/bin/env python3
"""What leaves a run and comes in: `save`, data made after training, `index`, constants and instances from files.
test_driver_arrays.py HNNC [TEST...]. Arrays are read by a reader of their own, and by NumPy where it is there."""
import ast
import os
import signal
import struct
import subprocess
import time
import zipfile

from driver_util import HNNC, check, environment, hnnc, last, load, main, read, same_end, tensors, write

try:
    import numpy
except ImportError:
    numpy = None

CODES = {"<f8": "d", "<f4": "f", "|b1": "?"}


def arrays(path):
    """key -> (dtype, shape, numbers) of an .npz."""
    out = {}
    with zipfile.ZipFile(path) as z:
        check(z.testzip() is None, "a damaged archive")
        for name in z.namelist():
            b = z.read(name)
            check(b[:8] == b"\x93NUMPY\x01\x00", "no .npy of version 1")
            n = struct.unpack("<H", b[8:10])[0]
            head = ast.literal_eval(b[10:10 + n].decode())
            check((10 + n) % 64 == 0 and not head["fortran_order"], "the header", head)
            count = 1
            for d in head["shape"]:
                count *= d
            out[name[:-4]] = (head["descr"], head["shape"], struct.unpack("<%d%s" % (count, CODES[head["descr"]]), b[10 + n:]))
    if numpy:
        with numpy.load(path) as z:
            for k, (dtype, shape, v) in out.items():
                check(z[k].shape == shape and z[k].dtype.str == dtype and z[k].ravel().tolist() == list(v), "NumPy reads another", k)
    return out


POINTS = """\
precision %s
data points { let x = normal(0, 1, [2]); yield x, k = index }
use some = points(count = 70, seed = 3)
save drawn = { x = x, k = k, far = norm(x) > 1, m = [[x, 2*x], [x, x]] } on some
save apart = { a = [1, 2, 3], s = 2.5, yes = 1 < 2 }
report k = k on some
"""


def test_arrays():
    for precision, real in (("f64", "<f8"), ("f32", "<f4")):
        write("m.hnn", POINTS % precision)
        hnnc("run", "m.hnn", "--out", precision)
        a = arrays(precision + "/arrays/drawn.npz")
        check({k: v[:2] for k, v in a.items()} == {"x": (real, (70, 2)), "k": (real, (70,)), "far": ("|b1", (70,)), "m": (real, (70, 2, 2, 2))},
              "types and shapes", a)
        x = a["x"][2]
        check(a["k"][2] == tuple(range(70)), "`index` is the number of the draw", a["k"])
        for i in range(70):
            check(a["far"][2][i] == ((x[2*i]**2 + x[2*i + 1]**2)**0.5 > 1), "a truth value", i)
            check(a["m"][2][8*i:8*i + 8] == x[2*i:2*i + 2] + tuple(2*v for v in x[2*i:2*i + 2]) + 2*x[2*i:2*i + 2], "rows of samples", i)
        check(arrays(precision + "/arrays/apart.npz") == {"a": (real, (3,), (1, 2, 3)), "s": (real, (), (2.5,)), "yes": ("|b1", (), (True,))},
              "arrays as they are")
    write("back.hnn", 'data d = read("f64/arrays/drawn.npz", x, k)\nreport k = k on d\nreport x = sum(x) on d\nexpect max(k) == 69\n')
    hnnc("run", "back.hnn", "--out", "back")


def test_index_on_other():
    write("m.hnn", "data a { let t = [0, 1, 2]; yield each t, k = [index, index, index] }\nuse as_ = a(count = 4)\n"
                   "data b on as_ { yield n = index, was = k }\nuse bs = b()\nsave s = { n = n, was = was } on bs\n"
                   "data c { let index = 7; yield own = index }\nuse cs = c(count = 2)\nreport own = own on cs\nexpect min(own) == 7\n")
    hnnc("run", "m.hnn", "--out", "r")
    a = arrays("r/arrays/s.npz")
    check(a["n"][2] == tuple(range(12)) and a["was"][2] == (0,)*3 + (1,)*3 + (2,)*3 + (3,)*3, "numbers of draws", a)


def test_not_finite():
    write("m.hnn", "save s = { a = [1, inf, 2], b = [1, 2] }\n")
    r = hnnc("run", "m.hnn", "--out", "r", says="warning[saved]: `a` of the arrays `s` has 1 number that is not finite, of 3")
    check(arrays("r/arrays/s.npz")["a"][2] == (1, float("inf"), 2), "written all the same", r)
    check("saved" not in hnnc("run", "m.hnn", "--out", "q", "--no-warn=saved").err, "switched off")


TRAINED = """\
precision %s
net f(x: real) { param a: real = 0; return a*x }
data points { let x = uniform(1, 2); yield x, y = 3*x }
use seen = points(count = 100)
loss fit(x, y) = (f(x) - y)^2
data drawn_of { let x = normal(0, 1); yield x, v = f(x), k = index }
use before = drawn_of(count = 10)
train fit on seen { optimizer = sgd(lr = 0.1), steps = 40 }
use drawn = drawn_of(count = 50)
use half = first(drawn, 0.5)
data more on half { yield w = 2*f(x), v }
use wider = more()
loss again(x, v) = (f(x) - 2*v)^2
train again on drawn { optimizer = sgd(lr = 0.001), steps = 30000, batch = 10 }
report zero = v on before
report first_slope = v/x on drawn
report twice = w - 2*v on wider
report slope = f(1)
save all = { x = x, v = v } on drawn
expect max(zero) == 0 and abs(first_slope - 3) < 1e-3 and maxabs([max(twice), min(twice)]) == 0
"""


def test_made_at_its_place():
    for precision in ("f64", "f32"):
        write("m.hnn", (TRAINED % precision).replace("steps = 30000", "steps = 3"))
        hnnc("run", "m.hnn", "--out", precision)


def test_made_and_resumed():
    """Stopped in the training behind the data: what was made is taken from the run directory."""
    write("m.hnn", TRAINED % "f32")
    hnnc("run", "m.hnn", "--out", "whole", "-q")
    p = subprocess.Popen([HNNC, "run", "m.hnn", "--out", "cut", "-q"], env=environment(), stderr=subprocess.PIPE)
    end = time.time() + 60
    while not any(f.endswith("wider.safetensors") for f in (os.listdir("cut/data") if os.path.isdir("cut/data") else [])):
        check(time.time() < end and p.poll() is None, "the data is not made")
        time.sleep(0.002)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=60)
    check(p.returncode in (130, 0), "stopped", p.returncode)
    if p.returncode:
        hnnc("resume", "cut", "-q")
    same_end("whole", "cut")
    check(arrays("whole/arrays/all.npz") == arrays("cut/arrays/all.npz"), "other arrays")
    check(tensors(last("whole"))[0] == tensors(last("cut"))[0], "other parameters")
    check(load("whole/reports.json") == load("cut/reports.json"), "other reports")


TESTS = {k: v for k, v in globals().items() if k.startswith("test_")}
raise SystemExit(main(TESTS))
