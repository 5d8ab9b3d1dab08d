#!/usr/bin/env python3
"""What leaves a run and comes in: `save`, reports of vectors, data made after training, `index`, constants
and instances from files, HDF5.
test_driver_arrays.py HNNC [TEST...]. Arrays are read by a reader of their own, and by NumPy where it is there."""
import ast
import base64
import json
import math
import os
import pty
import random
import signal
import struct
import subprocess
import time
import zipfile
import zlib

from driver_util import HNNC, check, environment, hnnc, last, load, main, metrics_of, read, same_end, tensors, write

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
                check(z[k].shape == shape and z[k].dtype.str == dtype and repr(z[k].ravel().tolist()) == repr(list(v)), "NumPy reads another", k)
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
    for line, says in (('use T = mlp([5], 1) from "w/checkpoints/last"', "is real[4, 1], but `T/dense.0/W` is real[5, 1]"),
                       ('use T = mlp([4], 1) from "w/checkpoints/last" as "V"', ["has no `V/dense.0/W`", "the file has `T/dense.0/W`"]),
                       ('use T = mlp([4], 1) from "none"', "cannot start from its file"),
                       ('use T = sin from "w/checkpoints/last"', "only an instance of a network can start from a file, found a function"),
                       ('const c = read("w/arrays/m.npz", B)\nuse T = mlp([c], 1)', "it has `A`, `s`"),
                       ('const c = read("w/arrays/m.npz")\nuse T = mlp([c], 1)', "name one of them")):
        write("e.hnn", 'import "std/nets"\n%s\nreport t = T([0.7])[0]\n' % line)
        hnnc("check", "e.hnn", code=None, says=[says] if isinstance(says, str) else says)
    write("table.csv", "t,x\n1,2\n3,5\n")
    write("c.hnn", 'const x = read("table.csv", x)\nreport r = x[0] + 10*x[1]\nexpect r == 52\n')
    hnnc("run", "c.hnn", "--out", "c")


# ---- reports of vectors ---------------------------------------------------------------------------------------


VECTORS = """\
precision f64
data points { yield x = normal(0, 1, [2]), k = index }
use some = points(count = 31, seed = 3)
save drawn = { x = x } on some
net n(x: real[2]) { param w: real[2] = 1; return w*x }
report m = [[x[0], x[1], x[0]*x[1]], [k, 1, norm(x)]] on some
report few = n([1, 2])
report long = [i*x[0] for i in 0:7] on some
loss fit(x) = sum((n(x) - 3*x)^2)
train fit on some { steps = STEPS }
report after = n(x) - mean(few) on some
report q = quantile(m, 0.3)
save of = { mean = m, sd = sd(m), most = max(m), sum = sum(m), count = count(m), q = quantile(m, 0.3), first = m[0, 1] }
expect m[0, 1] == mean(m)[0, 1] and maxabs(few - [1, 2]) == 0
"""


def test_vector_reports():
    """Every statistic of each element is that of its column alone, computed from the samples that `save` writes."""
    write("m.hnn", VECTORS.replace("STEPS", "30"))
    said = hnnc("run", "m.hnn", "--out", "r").out
    v = arrays("r/arrays/drawn.npz")["x"][2]
    rows = [(a, b, a*b, float(i), 1.0, math.hypot(a, b)) for i, (a, b) in enumerate(zip(v[::2], v[1::2]))]
    n, got, of = len(rows), load("r/reports.json")["reports"], arrays("r/arrays/of.npz")
    check(got["m"]["shape"] == [2, 3] and got["m"]["n"] == 31 and of["count"][2] == (31,), "the shape", got["m"])
    for e, x in enumerate(zip(*rows)):
        mean = math.fsum(x)/n
        sd = math.sqrt(math.fsum((a - mean)**2 for a in x)/(n - 1))
        place = 0.3*(n - 1)
        low, high = sorted(x)[int(place)], sorted(x)[min(int(place) + 1, n - 1)]
        exact = {"mean": mean, "sd": sd, "standard_error": sd/math.sqrt(n), "min": min(x), "max": max(x), "sum": math.fsum(x),
                 "quantile(0.3)": low + (place - int(place))*(high - low)}
        for k, y in exact.items():
            check(abs(got["m"][k][e] - y) < 1e-12*(1 + abs(y)), "%s of element %d" % (k, e), got["m"][k][e], y)
    for key, name in (("mean", "mean"), ("sd", "sd"), ("most", "max"), ("sum", "sum"), ("q", "quantile(0.3)")):
        check(list(of[key][2]) == got["m"][name] and of[key][1] == (2, 3), "saved: " + key, of[key])
    check(got["q"]["mean"] == got["m"]["quantile(0.3)"] and of["first"][2] == (got["m"]["mean"][1],), "in a later report")
    check(got["few"]["mean"] == [1, 2] and got["few"]["standard_error"] == [0, 0], "without data", got["few"])
    check("report few                      [1, 2]\n" in said and ", … 3 more] (mean ± sd, 31)" in said, "the lines", said)


def test_vector_reports_resumed():
    """Those from before a checkpoint are taken from the run directory; one that was changed is refused."""
    write("m.hnn", VECTORS.replace("STEPS", "20000"))
    hnnc("run", "m.hnn", "--out", "whole", "-q")
    p = subprocess.Popen([HNNC, "run", "m.hnn", "--out", "cut", "-q"], env=environment(), stderr=subprocess.PIPE)
    end = time.time() + 60
    while not (os.path.exists("cut/metrics.jsonl") and read("cut/metrics.jsonl").count(b"\n") > 3):
        check(time.time() < end, "no metrics")
        time.sleep(0.002)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=60)
    if p.returncode:
        kept, other = read("cut/reports.json"), load("cut/reports.json")
        other["reports"]["m"]["mean"][4] += 1
        write("cut/reports.json", json.dumps(other))
        hnnc("resume", "cut", code=4, says="reports.json` has changed")
        write("cut/reports.json", kept)
        hnnc("resume", "cut", "-q")
    same_end("whole", "cut")


def test_vector_reports_not_finite():
    write("m.hnn", "data d { yield x = uniform(-1, 1), k = index }\nuse s = d(count = 9)\n"
                   "report r = [x, 1, log(k - 4)] on s\nreport after = mean(r)\n")
    r = hnnc("run", "m.hnn", "--out", "r", code=3, says=["the report `r` is not finite", "in sample 0"])
    got = load("r/reports.json")["reports"]
    for k in "r", "after":
        check(got[k]["mean"][1:] == [1, None] and abs(got[k]["mean"][0]) < 1, "the other elements are there", r, got)


# ---- HDF5 ------------------------------------------------------------------------------------------------------


# Written by h5py, libver earliest to v108: x = arange(4.); group/y, >f4 [4, 2] = arange(8)/2; group/n, u1 in compressed chunks = 0 100 200 44;
# yes = [True, False, True, True]; k = 2.5, 0-d; name: text; z: complex; nan = [0, 1, 2, nan]; links: again -> group, gone -> nothing.
HDF5 = zlib.decompress(base64.b64decode("""
eNrtWkFrE0EUfjObyJAibCxYEbWjXnprDz0UPGQL3RJENNgKOZUsdhuLmkhtYfVij/EfeFTw4NFfIP4Ef4I/wYvgrc7OzNs400xIYytJnQ+Wl5l583Yz883Le2/z
tr62frFytQI5GIMShPAnjjSat802jre0JFr2tPxEsZ/IsSu6v6rt23qbD+MYgBb27fsslZRc0O3wlu4Hj/8B9Xi1kcvPFu9aN8/2vgTKitsE24rJhKgOTctCBmI8
H6nyGjDZE8HyDCwfBWq8LHrzcUqpNMC0vYBodeDWE/Qmah827j9Yy9cksvwDxX2y9BsOvaalh14nK5v+5H3ZVMDV4deHPyf6iaUbk8lnl1+0v6/yi8TpF3tVJZl3
ER5/jR81/UEfb4bHXPQfiutrTY1xcUXiakXZ1uO64PEOpNnWnQ8BkC/wUzBbH99SlAhYtmG8tusZf73x++bh4eHh4TFeXoXxOMaj3CwDwCstO1a+H51aXqUidkLN
vIpa+RU9lmfN6zEOcwzmMBhw51nckWdlE5BX0SIP+nZpuD7G+1noOWzy6sIJ8/VQqobFFGbyJ1D8mRF8IdIO2mUyg9tOd54l+2lhr+AZpd9n+5Ql/Sd88k/XI88f
yYC6WsWhH2liVazzhrhrJZrU8gceHh4eHh4e0xg/nfR9x4KqY1M1JWT9OGp99d5GLGOQRzEGCe64fJOZlicjLj++HsyId8Z/39NkZiSPeHfO+KG+/yxRU9zr0XLs
/3lbj0OpepmqnGNvxPsM4tcuDGbQKHPd+7DNBmf2/IzWY9zz83Eq3pfaXqy91z14kddT0pey/RTrKsnzNJevi7aqtCTtZDf/tKgntrsdqbfY6Rp+qHGqdYgSrKBd
PlodggfD9bCuFF4brof/54jmp/t39DfGMK5S"""))


def test_hdf5():
    """The numbers of a file that h5py wrote; where libhdf5 is not installed, what to install."""
    write("set.h5", HDF5)
    write("m.hnn", 'precision f64\ndata s = read("set.h5", x, "group/y", n = "/group/n", yes, k)\nconst Y = read("set.h5", "group/y")\n'
                   "save all = { x = x, y = y, n = n, yes = yes, k = k } on s\nreport sum = sum(Y)\nexpect mean(sum) == 14\n")
    r = hnnc("run", "m.hnn", "--out", "r", "-q", code=None)
    if "libhdf5 is not installed" in r.err:
        check("`apt install libhdf5" in r.err, "what to install", r)
        print("     libhdf5 is not installed")
        return
    check(r.code == 0, "it runs", r)
    a = {k: (v[1], list(v[2])) for k, v in arrays("r/arrays/all.npz").items()}
    check(a == {"x": ((4,), [0, 1, 2, 3]), "y": ((4, 2), [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]), "n": ((4,), [0, 100, 200, 44]),
                "yes": ((4,), [1, 0, 1, 1]), "k": ((4,), [2.5]*4)}, "the numbers", a)
    write("g.hnn", 'precision f64\ndata s = read("set.h5", x, v = "nan", missing = nan)\nsave g = { m = v_mask } on s\n')
    hnnc("run", "g.hnn", "--out", "g", "-q")
    check(arrays("g/arrays/g.npz")["m"][2] == (1, 1, 1, 0), "a gap")
    for columns, says in ((", x, q", ["no dataset `q`", "it has `group/n`, `group/y`, `k`, `name`, `nan`, `x`, `yes`, `z`"]),
                          (", x, z", ["complex numbers"]), (", name", ["it contains text"]), (', x, "again/y"', ["no dataset `again/y`"]),
                          (', "group/y", y = x', ["named twice"]), (", k", ["one value for all samples"]), ("", ["`z` of `set.h5`"]),
                          (", nan", ["dataset `nan`: the element [3] is not a finite number"])):
        write("e.hnn", 'data s = read("set.h5"%s)\nsave a = { s = 1 } on s\n' % columns)
        hnnc("run", "e.hnn", "--out", "e", code=None, says=["error"] + says)
    write("f.hnn", 'data s = read("f.h5", x)\nreport r = x on s\n')
    for text, says in (HDF5[:3000], "not a valid HDF5 file (truncated"), (b"x,y\n1,2\n", "not a valid HDF5 file"), (b"", "not a valid HDF5 file"):
        write("f.h5", text)
        hnnc("check", "f.hnn", code=1, says=says)


def damaged(r):
    """A part of it, or some bytes of it changed, or some bits of bytes that are not 0."""
    kind, b = r.randrange(3), bytearray(HDF5)
    if kind == 0:
        return bytes(b[:r.randrange(len(b))])
    told = [i for i, v in enumerate(HDF5) if v]
    for _ in range(r.choice((1, 2, 4, 8, 32))):
        if kind == 1:
            b[r.randrange(len(b))] = r.randrange(256)
        else:
            b[r.choice(told)] ^= 1 << r.randrange(8)
    return bytes(b)


def test_damaged_hdf5():
    """An error with its place, or the numbers that are not damaged or of which nobody can tell. libhdf5 1.10 crashes on some of them."""
    write("f.hnn", 'const X = read("f.h5", "x")\nconst N = read("f.h5", "group/n")\nreport r = sum(X) + sum(N)\n')
    r, codes = random.Random(13), {}
    for k in range(300):
        write("f.h5", damaged(r))
        got = hnnc("check", "f.hnn", code=None)
        codes[got.code] = codes.get(got.code, 0) + 1
        check(got.code == 0 or got.code in (1, 2, 4) and "error" in got.err and "--> f.hnn:" in got.err, "variant %d" % k, got)
    if "libhdf5 is not installed" not in got.err:
        check(codes.get(0, 0) > 20 and codes.get(1, 0) + codes.get(4, 0) > 100, "both happen", codes)
    print("     %s" % codes)


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
            ('data d = read("g.csv")\nreport r = t on d\n', ["error[table_cell]", "the field is empty", "`missing = nan` reads gaps as NaN"]),
            (read % "i" + "report r = t on d\n", ["error[table_cell]", "line 3: `inf` is not a finite number"]),
            (read % "c" + "report r = t on d\n", ["error[given_twice]", "`x` has gaps, and their mask `x_mask` has the name of another field"]),
            ('data d = read("g.csv", t, x, missing = nan, window = 2, group = x)\nreport r = t on d\n', ["error[column]", "`x` has gaps"]),
            (read % "g" + "report r = x on d\n", ["error[not_finite]", "in sample 1 `x` is nan", "it is a gap in the data"]),
            (read % "g" + "data e on d { yield x, z = log(t - 1) }\nuse es = e()\nreport r = z on es\n",
             ["error[not_finite]", "`z` of the data set `es` is not finite in sample 0"]),
            (read % "g" + "data e on d { yield x = 1/(x - 1) }\nuse es = e()\nreport r = x on es\n",
             ["error[not_finite]", "`x` of the data set `es` is not finite in sample 0"]),
            (read % "g" + "net f(t: real) { param a: real = 1; return a*t }\nloss l(t, x, x_mask) = where(x_mask > 0, (x - f(t))^2, 0)\n"
             "train l on d { steps = 3 }\n", ["error[not_finite]", "it is a gap in the data"])):
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


# ---- what is the same in every run --------------------------------------------------------------------------------


def files_of(run):
    """path -> bytes of every file of a run, without what says when it ran and how fast."""
    out = {}
    for folder, _, names in os.walk(run):
        for name in names:
            path = os.path.join(folder, name)
            out[os.path.relpath(path, run)] = read(path)
    manifest = json.loads(out.pop("manifest.json"))
    out["manifest.json"] = {k: v for k, v in manifest.items() if k not in ("created", "updated") and not k.startswith("seconds")}
    out["metrics.jsonl"] = metrics_of(run)
    return out


def test_equal_bytes():
    """Two runs of one file write equal bytes; the second begins later than the two seconds of a zip's clock."""
    write("m.hnn", TRAINED.replace("30000", "30") % "f32" + "plot p = { kind = scatter, x = x, y = v } on drawn\nsave arrays = { v = v } on drawn\n")
    hnnc("run", "m.hnn", "--out", "a", "-q")
    time.sleep(2.1)
    hnnc("run", "m.hnn", "--out", "b", "-q")
    a, b = files_of("a"), files_of("b")
    check({"arrays/arrays.npz", "plots/p.dat", "reports.json"} < set(a) and any(k.startswith("checkpoints/") for k in a), "the files", sorted(a))
    check(a.keys() == b.keys(), "other files", sorted(a), sorted(b))
    check(not [k for k in a if a[k] != b[k]], "other bytes", [k for k in a if a[k] != b[k]])


SIGNS = """\
net f(x: real) { param a: real = -1; return a*x }
data points { let x = uniform(1, 2); yield x }
use s = points(count = 5)
report lost = [1/(f(x) - f(x)) - 1/(f(x) - f(x)), -log(f(x)), log(f(x)), 1] on s
report values = { let (l, V) = eigh([[f(1), 0], [-log(f(2)), 1]]); return l }
report one = -log(f(2))
"""


def test_nan_has_no_sign():
    """What inf - inf and the root of -1 are has a sign, which differs between processors: none is shown."""
    write("m.hnn", SIGNS)
    r = hnnc("run", "m.hnn", "--out", "r", code=3)
    check("[nan, nan, nan, 1 ± 0]" in r.out and "[nan, nan]" in r.out and "-nan" not in r.out + r.err, "a report", r)
    write("t.hnn", SIGNS.split("report")[0] + "loss l(x) = 1/(f(x) - f(x)) - 1/(f(x) - f(x))\ntrain l on s { optimizer = sgd(lr = 0.1), steps = 3 }\n")
    r = hnnc("run", "t.hnn", "--out", "t", code=3)
    check("-nan" not in r.out + r.err, "a training", r)
    r = hnnc("diagnose", "t.hnn", code=None)
    check(" nan " in r.out and "-nan" not in r.out + r.err, "derivatives", r)
    for text in ("train log(-1)*l on s { optimizer = sgd(lr = 0.1), steps = 3 }", "report z = sum(zeros(-sqrt(-1)))", "report z = sum(zeros(inf - inf))"):
        write("e.hnn", SIGNS.split("report")[0] + "loss l(x) = f(x)^2\n" + text + "\n")
        r = hnnc("check", "e.hnn", code=1)
        check("found nan" in r.err and "-nan" not in r.err, "a constant", r)


TESTS = {k: v for k, v in globals().items() if k.startswith("test_")}
raise SystemExit(main(TESTS))
