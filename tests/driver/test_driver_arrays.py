#!/usr/bin/env python3
"""What leaves a run and comes in: `save`, data made after training, `index`, constants and instances from files.
test_driver_arrays.py HNNC [TEST...]. Arrays are read by a reader of their own, and by NumPy where it is there."""
import ast
import os
import pty
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


def wait_for(p, there):
    """Until that is so, or the run is over."""
    end = time.time() + 120
    while p.poll() is None and not there():
        check(time.time() < end, "what is waited for does not come")
        time.sleep(0.002)


def test_made_and_resumed():
    """Stopped in the training behind the data: what was made is taken from the run directory."""
    for steps in (30000, 300000, 3000000):
        write("m.hnn", (TRAINED % "f32").replace("steps = 30000", "steps = %d, every = 100" % steps))
        cut = "cut%d" % steps
        p = subprocess.Popen([HNNC, "run", "m.hnn", "--out", cut, "-q"], env=environment(), stderr=subprocess.PIPE)
        wait_for(p, lambda: os.path.exists(cut + "/metrics.jsonl") and b'"again"' in read(cut + "/metrics.jsonl"))
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=60)
        if p.returncode == 130:
            break
    check(p.returncode == 130 and load(cut + "/manifest.json")["status"] == "stopped", "stopped", p.returncode)
    check(sorted(f.split("-")[1] for f in os.listdir(cut + "/data")) == ["before.safetensors", "drawn.safetensors", "half.safetensors", "wider.safetensors"],
          "what was made of the parameters lies there", os.listdir(cut + "/data"))
    hnnc("run", "m.hnn", "--out", "whole", "-q")
    hnnc("resume", cut, "-q")
    same_end("whole", cut)
    check(arrays("whole/arrays/all.npz") == arrays(cut + "/arrays/all.npz"), "other arrays")
    check(tensors(last("whole"))[0] == tensors(last(cut))[0], "other parameters")
    check(load("whole/reports.json") == load(cut + "/reports.json"), "other reports")


WEIGHTS = """\
import "std/nets"
use T = mlp([4], 1)
data d { let x = normal(0, 1); yield x }
use some = d(count = 20)
loss l(x) = (T([x])[0] - x)^2
train l on some { steps = 20 }
save m = { A = [[1, 2, 3], [4, 5, 6]], s = 2.5 }
report at = T([0.7])[0]
"""


def test_from_files():
    """Constants, and instances that start from a checkpoint: the same numbers, or an error that lists what there is."""
    write("w.hnn", WEIGHTS)
    hnnc("run", "w.hnn", "--out", "w", "-q")
    write("r.hnn", 'import "std/nets"\nconst A = read("w/arrays/m.npz", A)\nconst s = 2*read("w/arrays/m.npz", s)\n'
                   'use T = mlp([4], 1) from "w/checkpoints/last"\nuse U = mlp([4], 1) from "w/checkpoints/last" as "T"\n'
                   'report a = sum(A*[[1, 1, 1], [0, 0, 1]]) + s\nreport t = T([0.7])[0]\nreport u = U([0.7])[0]\nexpect a == 17\n')
    hnnc("check", "r.hnn")
    hnnc("run", "r.hnn", "--out", "r", "-q")
    mean = {k: v["mean"] for k, v in load("r/reports.json")["reports"].items()}
    at = load("w/reports.json")["reports"]["at"]["mean"]
    check(mean["t"] == at and mean["u"] == at, "other parameters", mean, at)
    for line, says in (('use T = mlp([5], 1) from "w/checkpoints/last"', "is real[4, 1], and `T/dense.0/W` is real[5, 1]"),
                       ('use T = mlp([4], 1) from "w/checkpoints/last" as "V"', ["has no `V/dense.0/W`", "the file has `T/dense.0/W`"]),
                       ('use T = mlp([4], 1) from "none"', "cannot start from its file"),
                       ('use T = sin from "w/checkpoints/last"', "an instance of a network, found a function"),
                       ('const c = read("w/arrays/m.npz", B)\nuse T = mlp([c], 1)', "it has `A`, `s`"),
                       ('const c = read("w/arrays/m.npz")\nuse T = mlp([c], 1)', "one of them is named")):
        write("e.hnn", 'import "std/nets"\n%s\nreport t = T([0.7])[0]\n' % line)
        hnnc("check", "e.hnn", code=None, says=[says] if isinstance(says, str) else says)
    write("table.csv", "t,x\n1,2\n3,5\n")
    write("c.hnn", 'const x = read("table.csv", x)\nreport r = x[0] + 10*x[1]\nexpect r == 52\n')
    hnnc("run", "c.hnn", "--out", "c")


GAPS = """\
precision %s
data d = read("%s", %smissing = nan)
data e on d { yield a = t, x, x_mask, y = 2*y, both = x + y }
use es = e()
data back on es { yield s = where(x_mask > 0, x, 0), both }
use bs = back()
net line(t: real) { param a: real = 0; return a*t }
loss fit(t, x, x_mask) = { let seen = where(x_mask > 0, x, 0); return sum(x_mask*(seen - line(t))^2) }
train fit on d { optimizer = sgd(lr = 0.05), batch = 2, steps = 500 }
save all = { x = x, m = x_mask, y = y, both = both } on es
save again = { both = both, s = s } on bs
report slope = line(1)
report mean_x = where(x_mask > 0, x, 0) on es
expect abs(slope - 2) < 1e-3
"""


def gap_file(kind):
    """t = 0 ... 4; x = 2 t with two gaps, y = t with one, of which one row has both."""
    if kind == "csv":
        write("g.csv", "t,x,y,note\n0,0,0,\n1,,1,a\n2,NA,nan,b\n3,6,3,NaN\n4,8,4,c\n")
        return "g.csv", ""
    t = [0, 1, 2, 3, 4]
    nan = float("nan")
    with zipfile.ZipFile("g.npz", "w") as z:
        for name, v in (("t", t), ("x", [0, nan, nan, 6, 8]), ("y", [0, 1, nan, 3, 4]), ("other", [float("inf")]*3)):
            head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % len(v)
            head += b" "*((-11 - len(head)) % 64) + b"\n"
            z.writestr(name + ".npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + struct.pack("<%dd" % len(v), *v))
    return "g.npz", "t, x, y, "


def test_gaps():
    for precision in ("f64", "f32"):
        for kind in ("csv", "npz"):
            out = precision + kind
            write("m.hnn", GAPS % ((precision,) + gap_file(kind)))
            hnnc("run", "m.hnn", "--out", out, "-q")
            a = arrays(out + "/arrays/all.npz")
            check(a["m"][2] == (1, 0, 0, 1, 1), "the mask", a)
            check([v != v for v in a["x"][2]] == [False, True, True, False, False] and a["x"][2][3:] == (6, 8), "a gap is NaN", a)
            check([v != v for v in a["y"][2]] == [False, False, True, False, False], "also computed of it", a)
            check([v != v for v in a["both"][2]] == [False, True, True, False, False], "of either", a)
            b = arrays(out + "/arrays/again.npz")
            check(b["s"][2] == (0, 0, 0, 6, 8) and [v != v for v in b["both"][2]] == [False, True, True, False, False], "one on another", b)


def test_gaps_in_windows():
    write("g.csv", "trial,t,x\n0,0,1\n0,1,\n0,2,3\n1,0,4\n1,1,5\n1,2,NA\n")
    write("m.hnn", 'data d = read("g.csv", missing = nan, window = 2, group = trial)\n'
                   "save w = { t = t, x = x, m = x_mask } on d\nreport r = dot(x_mask, where(x_mask > 0, x, 0)) on d\n"
                   "expect sum(r) == 1 + 3 + 9 + 5\n")
    hnnc("run", "m.hnn", "--out", "r")
    a = arrays("r/arrays/w.npz")
    check(a["m"][:2] == ("<f8", (4, 2)) and a["m"][2] == (1, 0, 0, 1, 1, 1, 1, 0), "masks of windows", a)


def test_gaps_refused():
    """What stays an error: no option, infinity, NaN of other fields, a loss that does not mask, names that collide."""
    write("g.csv", "t,x\n0,1\n1,\n2,3\n")
    write("c.csv", "t,x,x_mask\n0,1,1\n1,,0\n2,3,1\n")
    write("i.csv", "t,x\n0,1\n1,inf\n2,NaN\n")
    read = 'data d = read("%s.csv", missing = nan)\n'
    for text, says in (
            ('data d = read("g.csv")\nreport r = t on d\n', ["error[table_cell]", "the field is empty", "`missing = nan` lets gaps through"]),
            (read % "i" + "report r = t on d\n", ["error[table_cell]", "line 3: `inf` is not a finite number"]),
            (read % "c" + "report r = t on d\n", ["error[given_twice]", "`x` has gaps, and their mask is called `x_mask`"]),
            ('data d = read("g.csv", t, x, missing = nan, window = 2, group = x)\nreport r = t on d\n', ["error[column]", "`x` has gaps"]),
            (read % "g" + "report r = x on d\n", ["error[not_finite]", "in sample 1 `x` is nan", "it is a gap of the data"]),
            (read % "g" + "data e on d { yield x, z = log(t - 1) }\nuse es = e()\nreport r = z on es\n",
             ["error[not_finite]", "`z` of the data set `es` is not finite in sample 0"]),
            (read % "g" + "data e on d { yield x = 1/(x - 1) }\nuse es = e()\nreport r = x on es\n",
             ["error[not_finite]", "`x` of the data set `es` is not finite in sample 0"]),
            (read % "g" + "net f(t: real) { param a: real = 1; return a*t }\nloss l(t, x, x_mask) = where(x_mask > 0, (x - f(t))^2, 0)\n"
             "train l on d { steps = 3 }\n", ["error[not_finite]", "it is a gap of the data"])):
        write("m.hnn", text)
        r = hnnc("run", "m.hnn", "--out", "r", code=None, says=says)
        check(r.code not in (0, None), "an error", text)


LONG = """\
hamiltonian K(q: real[2], p: real[2]) = dot(p, p)/2 - 1/norm(q)
data d { let (q, p) = trajectory(K, [1, 0], [0, uniform(0.5, 1)], dt = 0.001, steps = STEPS, every = STEPS, method = yoshida8); yield q, k = index }
use some = d(count = 200)
report r = norm(q[-1]) on some
"""


def stopped_at(shown, out):
    """Runs m.hnn on a terminal and stops it once the terminal shows that; None: it was done before."""
    terminal, its = pty.openpty()
    p = subprocess.Popen([HNNC, "run", "m.hnn", "--out", out], env=environment(), stdout=subprocess.DEVNULL, stderr=its)
    os.close(its)
    said = b""
    try:
        while shown not in said:
            said += os.read(terminal, 4096)
        p.send_signal(signal.SIGINT)
        p.wait(timeout=60)
    except OSError:
        p.wait(timeout=60)
        said = None
    os.close(terminal)
    return said and p.returncode


def test_stopped_while_data_is_made():
    """A signal ends a data program at once, while it shows how far it is; the run begins again where it was."""
    for steps in (400000, 1600000, 6400000):
        write("m.hnn", LONG.replace("STEPS", str(steps)))
        out = "cut%d" % steps
        code = stopped_at(b"draws", out)
        if code is not None:
            break
    check(code == 130 and load(out + "/manifest.json")["status"] == "stopped", "stopped", code)
    check(not os.path.exists(out + "/reports.json"), "nothing was reported yet", os.listdir(out))
    hnnc("resume", out, "-q")
    hnnc("run", "m.hnn", "--out", "whole", "-q")
    check(load(out + "/manifest.json")["status"] == "done" and load(out + "/reports.json") == load("whole/reports.json"), "other reports")


TESTS = {k: v for k, v in globals().items() if k.startswith("test_")}
raise SystemExit(main(TESTS))
