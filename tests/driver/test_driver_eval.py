#!/usr/bin/env python3
"""Trained models asked on arrays of files, and weights that go from run to run: test_driver_eval.py HNNC [TEST...]."""
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import zipfile

from driver_util import HNNC, check, environment, hnnc, load, main, model, npy, read, tensors, until, write


# ---- arrays ----------------------------------------------------------------------------------------------------


def npz(path, **arrays):
    with zipfile.ZipFile(path, "w") as z:
        for name, a in arrays.items():
            z.writestr(name + ".npy", npy(*a))


def parse(b):
    n = int.from_bytes(b[8:10], "little")
    head = eval(b[10:10 + n])
    code = {"<f8": "d", "<f4": "f", "|b1": "?"}[head["descr"]]
    data = b[10 + n:]
    return head["shape"], list(struct.unpack("<%d%s" % (len(data) // struct.calcsize(code), code), data)), head["descr"]


def arrays(path):
    with zipfile.ZipFile(path) as z:
        return {n[:-4]: parse(z.read(n)) for n in z.namelist()}


def asked(run, function, *data, out="o.npz", **more):
    """name -> (shape, values, type)"""
    hnnc("eval", run, function, *data, "-o", out, **more)
    return arrays(out)


def says(text, *args, code=1):
    """The whole message, to the last character."""
    r = hnnc("eval", *args, code=code)
    check(r.err == text and r.out == "", "another message", r.err)


GRID = [(k % 7 - 3) / 4 for k in range(24)]


def trained(**more):
    model(precision="f64", **more)
    write("m.hnn", read("m.hnn").decode() + "save all = { q = q, p = p } on test_set\n")
    hnnc("run", "m.hnn", "--out", "r", "-q")


# ---- functions ---------------------------------------------------------------------------------------------------


def test_report_is_its_function():
    """A report of the run's own data, asked by name, is what the run said, to the last bit; by any number of threads."""
    trained()
    o = asked("r", "error", "r/arrays/all.npz", "--threads", "1")
    shape, values, kind = o["error"]
    said = load("r/reports.json")["reports"]["error"]
    mean = 0
    for i, x in enumerate(values):
        mean += (x - mean)/(i + 1)
    check(shape == (50,) and kind == "<f8" and min(values) == said["min"] and max(values) == said["max"] and mean == said["mean"], "it")
    for more in "error", "abs(H(q, p))", "{ error = abs(H(q, p)) }":
        o = asked("r", more, "r/arrays/all.npz", "--threads", "3")
        check(list(o.values()) == [(shape, values, kind)], more)
    check(asked("r", "at_one")["at_one"] == ((), [load("r/reports.json")["reports"]["at_one"]["mean"]], "<f8"), "of no data")
    check(asked("r", "mean(error)")["result"] == ((), [said["mean"]], "<f8"), "a statistic of the run")


def test_report_of_its_own_name():
    """A report may have the name of a field; those below it it does not know."""
    write("m.hnn", "precision f64\ndata d { yield x = normal(0, 1, [3]) }\nuse s = d(count = 10, seed = 1)\nreport x = mean(x) on s\n"
          "report y = max(2*x) on s\nreport z = y + x on s\nreport d = sum(2*x) on s\n")
    npz("n.npz", x=((2, 3), [1, 2, 6, 3, 4, 8]))
    check(asked("m.hnn", "x", "n.npz")["x"][1] == [3, 5] and asked("m.hnn", "d", "n.npz")["d"][1] == [18, 30], "x, d")
    hnnc("run", "m.hnn", "--out", "r", "-q")
    said = load("r/reports.json")["reports"]
    check(asked("r", "x", "s")["x"][0] == (10,) and asked("r", "z", "s")["z"][0] == (10, 3), "on its data", said)


def by_hand(weights, x):
    """The network of the model in Python, from its checkpoint: tanh between two dense layers."""
    def layer(k, x):
        W, b = (weights["energy/dense.%d/%s" % (k, n)] for n in "Wb")
        rows, cols = W[1]
        w, c = struct.unpack("<%dd" % (rows*cols), W[2]), struct.unpack("<%dd" % rows, b[2])
        return [math.fsum([w[i*cols + j]*x[j] for j in range(cols)] + [c[i]]) for i in range(rows)]
    return layer(1, [math.tanh(v) for v in layer(0, x)])[0]


def test_by_hand():
    """Against the same network written in Python, and its field against differences of that."""
    trained()
    weights = tensors("r/checkpoints/last")[0]
    q, p = GRID[:12], GRID[12:]
    npz("n.npz", q=((12, 1), q), p=((12, 1), p))
    h = asked("r", "H", "n.npz")["H"][1]
    check(all(abs(a - by_hand(weights, [x, y])) < 1e-14*max(1, abs(a)) for a, x, y in zip(h, q, p)), "H", h)
    field, e = asked("r", "field(H)", "n.npz"), 1e-5
    for k in range(12):
        by_p = (by_hand(weights, [q[k], p[k] + e]) - by_hand(weights, [q[k], p[k] - e]))/(2*e)
        by_q = (by_hand(weights, [q[k] + e, p[k]]) - by_hand(weights, [q[k] - e, p[k]]))/(2*e)
        check(abs(field["dq"][1][k] - by_p) < 1e-8 and abs(field["dp"][1][k] + by_q) < 1e-8, "the field", k, field)
    npz("n.npz", q=((12, 1), q), p=((12, 1), p), dq=((12, 1), p), dp=((12, 1), [-x for x in q]))
    loss = asked("r", "fit", "n.npz")["fit"]
    want = [(a - y)**2 + (b + x)**2 for a, b, x, y in zip(field["dq"][1], field["dp"][1], q, p)]
    check(loss[0] == (12,) and all(abs(a - b) < 1e-13*max(1, b) for a, b in zip(loss[1], want)), "a loss, sample by sample", loss, want)


def test_shapes():
    """Any axes of samples, or none; what is the same for all; none at all."""
    trained()
    q, p = GRID[:12], GRID[12:]
    npz("n.npz", q=((12, 1), q), p=((12, 1), p), other=((3, 7), GRID[:21]))
    want = asked("r", "H", "n.npz")["H"][1]
    check(len(set(want)) > 5, "numbers", want)
    npz("grid.npz", q=((3, 4, 1), q), p=((3, 4, 1), p))
    check(asked("r", "H", "grid.npz")["H"][:2] == ((3, 4), want), "two axes")
    npz("one.npz", q=((1,), q[5:6]), p=((1,), p[5:6]))
    check(asked("r", "H", "one.npz")["H"][:2] == ((), want[5:6]), "no axis")
    npz("same.npz", q=((12, 1), q), p=((1,), p[5:6]))
    npz("each.npz", q=((12, 1), q), p=((12, 1), p[5:6]*12))
    check(asked("r", "H", "same.npz")["H"] == asked("r", "H", "each.npz")["H"], "one for all")
    npz("none.npz", q=((0, 1), []), p=((0, 1), []))
    check(asked("r", "H", "none.npz")["H"][:2] == ((0,), []), "n = 0")
    check(asked("r", "field(H)", "none.npz")["dq"][:2] == ((0, 1), []), "n = 0 of vectors")
    npz("single.npz", q=((12, 1), q, "<f4"), p=((12, 1), p, "<f4"))
    check(asked("r", "H", "single.npz")["H"][1] == want, "f32 in")
    npz("nan.npz", q=((3, 1), [0, math.nan, math.inf]), p=((3, 1), [0, 0, 0]))
    h = asked("r", "q", "nan.npz")["result"][1]
    check(h[0] == 0 and h[1] != h[1] and h[2] == math.inf, "what is not finite goes through", h)


def test_places():
    """Arrays without names: a row is shared out among the arguments; numpy.savez's names are places."""
    trained()
    q, p = GRID[:12], GRID[12:]
    npz("n.npz", q=((12, 1), q), p=((12, 1), p))
    want = asked("r", "H", "n.npz")["H"]
    write("z.npy", npy((12, 2), [x for z in zip(q, p) for x in z]))
    check(asked("r", "H", "z.npy")["H"] == want, ".npy")
    check(asked("r", "H(x[0:1], x[1:2])", "z.npy")["result"] == want, "an expression of x")
    npz("savez.npz", arr_0=((12, 1), q), arr_1=((12, 1), p))
    check(asked("r", "H", "savez.npz")["H"] == want, "numpy.savez")
    rows = "".join("%r,%r\n" % z for z in zip(q, p))
    write("t.csv", rows)
    check(asked("r", "H", "t.csv")["H"] == want, "a table")
    check(asked("r", "H(x[0:1], x[1:2])", "t.csv")["result"] == want, "x of a table")
    for head in "q,p\n", "q[0],p[0]\n", "# q p\n":
        write("t.csv", head + rows)
        check(asked("r", "H", "t.csv")["H"] == want, head)
    write("t.csv", "q,p\n" + rows)
    check(asked("r", "H([q], [p])", "t.csv")["result"] == want, "columns are numbers")
    hnnc("eval", "r", "H", "t.csv", "-o", "o.npy")
    check(parse(read("o.npy")) == want, "one array as .npy")
    r = hnnc("eval", "r", "H", "t.csv")
    check(r.out.splitlines()[0] == "H" and [float(x) for x in r.out.splitlines()[1:]] == want[1], "as text")
    hnnc("eval", "r", "{ h = H([q], [p]), z = [q, p], positive = q > 0 }", "t.csv", "-o", "o.csv")
    lines = read("o.csv").decode().splitlines()
    check(lines[0] == "h,z[0],z[1],positive" and [float(x) for x in lines[1].split(",")] == [want[1][0], q[0], p[0], q[0] > 0], lines)


FLOW = """\
precision f64
import "std/nets"
use s = mlp([8], 1)
use t = mlp([8], 1)
flow T(x: real, y: real) {
  repeat 2 {
    y *= exp(0.3*s([x])[0])
    x += t([y])[0]
  }
}
fn scaled(x: real, a: real = 2) = a*x
fn untyped(x) = sum(x)
data d { yield x = normal(0, 1), y = normal(0, 1) }
use drawn = d(count = 100, seed = 3)
loss nll(x, y) { let (u, v) = T(x, y); return (u^2 + v^2)/2 - logdet(T)(x, y) }
train nll on drawn { optimizer = adam(lr = 1e-2)
  batch = all
  steps = 20 }
"""


def test_flow():
    """A map, its inverse, its log-determinant: there and back; the determinant against differences."""
    write("f.hnn", FLOW)
    hnnc("run", "f.hnn", "--out", "f", "-q")
    npz("x.npz", x=((12,), GRID[:12]), y=((12,), GRID[12:]))
    o = asked("f", "T", "x.npz", out="t.npz")
    check(sorted(o) == ["x", "y"] and max(abs(a - b) for a, b in zip(o["x"][1], GRID)) > 1e-3, "moved", o)
    back = asked("f", "inverse(T)", "t.npz")
    check(all(abs(a - b) < 1e-14 for a, b in zip(back["x"][1] + back["y"][1], GRID)), "back", back)
    logdet = asked("f", "logdet(T)", "x.npz")["result"][1]
    jac = asked("f", "logabsdet(jacobian(T)(x, y))", "x.npz")["result"][1]
    check(all(abs(a - b) < 1e-14 for a, b in zip(logdet, jac)) and abs(logdet[0]) > 1e-3, "determinants", logdet, jac)
    write("v.npy", npy((3,), [1, 2, 3]))
    check(asked("f", "scaled", "v.npy")["scaled"][1] == [2, 4, 6], "a default")
    write("w.npy", npy((3, 2), [1, 2, 3, 4, 5, 6]))
    check(asked("f", "untyped", "w.npy")["untyped"] == ((3,), [3, 7, 11], "<f8"), "without a type")


def test_single_precision():
    model(precision="f32")
    hnnc("run", "m.hnn", "--out", "r", "-q")
    npz("n.npz", q=((2, 1), [0.5, 1]), p=((2, 1), [0, 1]))
    shape, values, kind = asked("r", "H", "n.npz")["H"]
    check(kind == "<f4" and values[1] == load("r/reports.json")["reports"]["at_one"]["mean"], "f32", values)
    npz("n.npz", q=((2, 1), [0.5, 1e60]), p=((2, 1), [0, 1]))
    hnnc("eval", "r", "H", "n.npz", code=3, says="f32 does not hold")


def test_cause_of_nan():
    """What is not finite in an answer is told with its cause; what is not so in the question is not told of again."""
    write("n.hnn", """\
precision f64
fn rate(x: real) = -1000*x
fn far(x: real) = integrate(rate, x, times = [0, 3000], method = tsit5(max_steps = 100))[-1]
fn root(x: real) = sqrt(x)
""")
    r = hnnc("eval", "n.hnn", "far(1)", says=["warning[saved]: `result` has 1 number that is not finite, of 1", "n.hnn:3:19",
                                              "`tsit5` used up its `max_steps` = 100 at t ="])
    check("nan" in r.out, "the number", r)
    npz("x.npz", x=((4,), [math.nan, 4, -1, math.inf]))
    r = hnnc("eval", "n.hnn", "root", "x.npz", says=["has 1 number that is not finite, of 4", "in sample 2 `sqrt` gave nan: sqrt(-1)"])
    npz("x.npz", x=((3,), [math.nan, 4, math.inf]))
    r = hnnc("eval", "n.hnn", "root", "x.npz")
    check(not r.err, "nothing is told of gaps", r)


def test_data_sets():
    """A data set of the model, by its name, is what it was for the run."""
    trained()
    o = asked("r", "error", "test_set")
    check(o == asked("r", "error", "r/arrays/all.npz") and o["error"][0] == (50,), "the run's own")
    check(asked("r", "H", "train_set")["H"][0] == (100,) and asked("r", "{ x = dq - p }", "train_set")["x"][1] == [0]*100, "another")
    at = "error[%s]: %s\n --> command line:1:1\n1 | %s\n  | %s\n"
    says(at % ("file", "there is no file `tst_set`, and the model has no data set of that name", "H", "^") +
         "help: did you mean `test_set`?\n", "r", "H", "tst_set")
    says(at % ("missing_argument", "`energy` takes `x: real[2]`; missing: `x`; `test_set` has `q: real[1]`, `p: real[1]`, `dq: real[1]`, "
               "`dp: real[1]`", "energy", "^^^^^^") +
         "help: arrays are matched to arguments by name; for other names, write an expression: `f(x = a)`\n", "r", "energy", "test_set")


def test_draws():
    """So many samples, which differ by their draws: of --seed alone, by any threads; a flow's inverse samples what it learned."""
    write("f.hnn", FLOW)
    hnnc("run", "f.hnn", "--out", "f", "-q")
    ask = "{ x = uniform(0, 1), z = normal(3, 2, [2]) }"
    o = asked("f", ask, "5000")
    check(o["x"][0] == (5000,) and o["z"][0] == (5000, 2) and len(set(o["x"][1])) > 4990, "shapes")
    mean = [sum(v)/len(v) for v in (o["x"][1], o["z"][1])]
    check(abs(mean[0] - 0.5) < 0.02 and abs(mean[1] - 3) < 0.1, "means", mean)
    check(asked("f", ask, "5000", "--threads", "1") == o and asked("f", ask, "5000", "--seed", "0") == o, "the same")
    other = asked("f", ask, "5000", "--seed", "1")
    check(not set(other["x"][1]) & set(o["x"][1]), "another seed")
    check(asked("f", ask, "10")["x"][1] == o["x"][1][:10], "a sample is its number's")
    s = asked("f", "inverse(T)(normal(0, 1), normal(0, 1))", "4000")
    check(sorted(s) == ["result_0", "result_1"] and abs(sum(s["result_0"][1])/4000) < 0.3, "a sample of the flow")
    npz("x.npz", x=((12,), [1]*12), y=((12,), [1]*12))
    check(len(set(asked("f", "x + normal(0, 1)", "x.npz")["result"][1])) == 12, "beside arrays")
    hnnc("eval", "f", "T", "3", code=1, says="missing: `x`, `y`; samples without arrays are given")


# ---- what is wrong ---------------------------------------------------------------------------------------------------


def test_messages():
    trained()
    npz("n.npz", q=((5, 1), GRID[:5]), x=((5,), GRID[:5]), p=((7, 1), GRID[:7]))
    npz("flat.npz", q=((5,), GRID[:5]), p=((5, 1), GRID[:5]))
    write("z.npy", npy((5, 3), GRID[:15]))
    at = "error[%s]: %s\n --> command line:1:1\n1 | %s\n  | %s\n"
    says(at % ("shape_mismatch", "`q` has [5] samples, but `p` has [7]", "H", "^") +
         "help: arrays need the same axes of samples, or none if the value is the same for all samples\n", "r", "H", "n.npz")
    says(at % ("wrong_shape", "`q: real[1]` is needed, and `q` is of [5]", "H", "^") +
         "help: an array of n samples has the shape [n, 1], one of one sample [1]\nhelp: in NumPy, `q[:, None]` has it\n",
         "r", "H", "flat.npz")
    says(at % ("wrong_shape", "`H` takes `q: real[1]`, `p: real[1]`; `z.npy` has an array of [5, 3]", "H", "^") +
         "help: by position: 2 numbers in a row, or an array for each; or arrays with these names\n", "r", "H", "z.npy")
    npz("q.npz", q=((5, 1), GRID[:5]))
    says(at % ("missing_argument", "`H` takes `q: real[1]`, `p: real[1]`; missing: `p`; `q.npz` has `q`: [5, 1]", "H", "^") +
         "help: arrays are matched to arguments by name; for other names, write an expression: `f(x = a)`\n", "r", "H", "q.npz")
    says(at % ("missing_argument", "`error` takes `q: real[1]`, `p: real[1]`; missing: `q`, `p`; no arrays are given", "error", "^^^^^") +
         "help: arrays are matched to arguments by name; for other names, write an expression: `f(x = a)`\n", "r", "error")
    says(at % ("undefined", "`Hh` is not defined", "Hh", "^^") + "help: did you mean `H`?\nhelp: `q.npz` has the field `q`\n", "r", "Hh", "q.npz")
    says(at % ("wrong_kind", "`sin` is a function of the language: the file does not declare its arguments", "sin", "^^^") +
         "help: call it: `sin(x)`\n", "r", "sin", "q.npz")
    says(at % ("wrong_kind", "`mlp` is a template: the file does not declare its arguments", "mlp", "^^^") +
         "help: give its first list of arguments: `mlp(...)`\n", "r", "mlp", "q.npz")
    write("text.csv", "1,left,2\n3,right,4\n")
    write("names.csv", "q,side,p\n1,left,2\n3,right,4\n")
    hnnc("eval", "r", "H", "text.csv", code=1, says="takes `q: real[1]`, `p: real[1]`; `text.csv` has")
    hnnc("eval", "r", "x[0] + x[2]", "text.csv", code=1, says=["error[table_cell]", "it contains text, in line 1 `left`"])
    check(asked("r", "H", "names.csv")["H"][0] == (2,), "text beside")
    hnnc("eval", "r", "q + side", "names.csv", code=1, says="`side` of `names.csv`: it contains text, in line 2 `left`")
    write("bad.npz", "PK\x03\x04")
    hnnc("eval", "r", "H", "bad.npz", code=4, says="cannot open the archive")
    hnnc("eval", "r", "mlp([3], 1)(q)", "q.npz", code=1, says="which the file does not train")
    hnnc("eval", "r", "H(q", "q.npz", code=1, says="command line:1:2")
    hnnc("eval", "r", "q", "nowhere.npz", code=4, says="nowhere.npz")
    hnnc("eval", "nowhere", "q", "q.npz", code=4, says="there is no run directory nowhere")
    hnnc("eval", "r", "H", "q.npz", "-o", "q.npz", code=2, says="-o `q.npz` would replace the data")
    hnnc("eval", "r", code=2, says="which function?")
    hnnc("eval", code=2, says="which RUN?")
    hnnc("eval", "r", "field(H)", "n.npz", "-o", "o.npy", code=1)
    hnnc("eval", "r", "{ a = q, b = q }", "q.npz", "-o", "o.npy", code=4, says="there are 2 results")
    check(not os.path.exists("o.npy"), "nothing is left")


# ---- which parameters -------------------------------------------------------------------------------------------------


def test_kept():
    """What the training keeps is what is asked: the best, the average."""
    for keep, more in ("best", ""), ("average", "\n  average = 0.9"):
        model(precision="f64", old="every = 50", new="every = 10\n  keep = %s%s" % (keep, more))
        write("m.hnn", read("m.hnn").decode().replace("lr = 1e-2", "lr = 0.5") + "save all = { q = q, p = p } on test_set\n")
        hnnc("run", "m.hnn", "--out", keep, "-q")
        values = asked(keep, "error", keep + "/arrays/all.npz")["error"][1]
        said = load(keep + "/reports.json")["reports"]["error"]
        check(min(values) == said["min"] and max(values) == said["max"], keep)
        other = asked(keep + "/checkpoints/last", "error", keep + "/arrays/all.npz")["error"][1]
        check(other != values, "another checkpoint has others", keep)


def test_stopped_run():
    """The parameters of its newest checkpoint, and a word about it; nothing in the directory changes, and another may be at work in it."""
    model(precision="f64", old="steps = 200", new="steps = 2000000")
    npz("n.npz", q=((2, 1), [0.5, 1]), p=((2, 1), [0, 1]))
    p = subprocess.Popen([HNNC, "run", "m.hnn", "--out", "r", "-q"], env=environment(), stderr=subprocess.DEVNULL)
    until(lambda: os.path.exists("r/metrics.jsonl") and os.path.getsize("r/metrics.jsonl"))
    hnnc("eval", "r", "H", "n.npz", code=4, says="r has no checkpoint")
    p.send_signal(signal.SIGTERM)
    p.wait()
    before = sorted((d, f, os.stat(os.path.join(d, f)).st_mtime_ns) for d, _, files in os.walk("r") for f in files)
    r = hnnc("eval", "r", "H", "n.npz")
    check(r.err == "r: the run is stopped; its parameters are those of r/checkpoints/last\n", "a word", r.err)
    check(hnnc("eval", "r", "H", "n.npz", "-q").err == "", "quiet")
    check(before == sorted((d, f, os.stat(os.path.join(d, f)).st_mtime_ns) for d, _, files in os.walk("r") for f in files), "unchanged")


def test_imports():
    """They are those of the directory, whatever became of them since."""
    write("my.hnn", "fn twice(x: real) = 2*x\n")
    write("m.hnn", 'import "my"\nimport "std/nets"\nprecision f64\nnet f(x: real) { param a: real = 3; return twice(a*x) }\n'
          "data d { let x = normal(0, 1); yield x, y = x }\nuse s = d(count = 10, seed = 1)\nloss l(x, y) = (f(x) - y)^2\n"
          "train l on s { optimizer = sgd(lr = 1e-9)\n  batch = all\n  steps = 1 }\n")
    hnnc("run", "m.hnn", "--out", "r", "-q")
    write("my.hnn", "fn twice(x: real) = 200*x\n")
    write("x.npy", npy((2,), [1, 2]))
    check(abs(asked("r", "f", "x.npy")["f"][1][1] - 12) < 1e-3, "as it was")
    os.remove("my.hnn")
    os.remove("m.hnn")
    check(abs(asked("r", "f", "x.npy")["f"][1][1] - 12) < 1e-3, "as it was")
    write("r/model.hnn", read("r/model.hnn").decode().replace("twice(a", "twice(2*a"))
    hnnc("eval", "r", "f", "x.npy", code=4, says="has changed since the run started")
    write("r/manifest.json", read("r/manifest.json").decode().replace(load("r/manifest.json")["build"], "0123456789abcdef"))
    hnnc("eval", "r", "f", "x.npy", says="warning: r was made by another build of hnnc")


def test_files():
    """A model without a run, at its start or with the weights of another."""
    trained()
    npz("n.npz", q=((2, 1), [0.5, 1]), p=((2, 1), [0, 1]))
    want = asked("r", "H", "n.npz")["H"]
    start = asked("m.hnn", "H", "n.npz")["H"]
    check(start != want and asked("m.hnn", "H", "n.npz", "--params", "r")["H"] == want, "weights")
    shutil.copy("r/checkpoints/last", "w.safetensors")
    check(asked("m.hnn", "H", "n.npz", "--params", "w.safetensors")["H"] == want, "of a file")


# ---- weights that go on -------------------------------------------------------------------------------------------------------


def test_run_from_weights():
    """A run starts from them, and says so; one of another architecture is refused by names and shapes, and leaves nothing."""
    trained()
    text = read("m.hnn").decode()
    write("n.hnn", text[:text.index("train fit")] + text[text.index("report error"):])
    hnnc("run", "n.hnn", "--out", "s", "-q", "--params", "r")
    check(load("s/reports.json")["reports"] == load("r/reports.json")["reports"], "the same reports")
    check(load("s/manifest.json")["params"] == "r", "the manifest")
    got, meta = tensors("s/data/start.safetensors")
    want = tensors("r/checkpoints/last")[0]
    check(got and all(got[k] == want[k] for k in got) and len(got) == 4, "the copy", sorted(got), sorted(want))
    hnnc("run", "n.hnn", "--out", "t", "-q", "--params", "s/data/start.safetensors")
    check(load("t/reports.json")["reports"] == load("r/reports.json")["reports"], "of a file")
    r = hnnc("run", "m.hnn", "width=9", "--out", "u", "-q", "--params", "r", code=4)
    check(r.err == """error[weights]: the weights of `r/checkpoints/last` do not fit the model
help: `energy/dense.0/W` is real[8, 2] there, and real[9, 2] in the model
help: `energy/dense.0/b` is real[8] there, and real[9] in the model
help: `energy/dense.1/W` is real[1, 8] there, and real[1, 9] in the model
""" and not os.path.exists("u"), "shapes", r.err)
    write("o.hnn", text.replace("energy", "other"))
    r = hnnc("run", "o.hnn", "-q", "--params", "r", code=4)
    check(r.err == """error[weights]: the weights of `r/checkpoints/last` do not fit the model
help: `other/dense.0/W`, real[8, 2] in the model, is missing there
help: `other/dense.0/b`, real[8] in the model, is missing there
help: `other/dense.1/W`, real[1, 8] in the model, is missing there
help: `other/dense.1/b`, real[1] in the model, is missing there
help: the file has `energy/dense.0/W`, `energy/dense.0/b`, `energy/dense.1/W`, `energy/dense.1/b`
""", "names", r.err)
    hnnc("run", "n.hnn", "--params", "nowhere", code=4, says="nowhere")
    os.mkdir("folder")
    os.rename("s", "folder/s")
    hnnc("run", "n.hnn", "--params", "folder", code=4, says="folder is not a run directory, but a folder of runs: try folder/s")
    write("bad.safetensors", "x")
    hnnc("compile", "n.hnn", "--params", "bad.safetensors", code=4, says="damaged")
    hnnc("check", "n.hnn", "--params", "r", code=2, says="--params has no effect on `hnnc check`")


def test_begun_again():
    """A run that is killed before its first checkpoint begins again at its weights, wherever they are by then."""
    trained()
    hnnc("run", "m.hnn", "train.steps=400", "--out", "a", "-q", "--params", "r")
    hnnc("run", "m.hnn", "train.steps=400", "--out", "b", "-q", "--params", "r")
    shutil.rmtree("b/checkpoints")
    os.remove("b/metrics.jsonl")
    write("b/manifest.json", read("b/manifest.json").decode().replace('"status": "done"', '"status": "running"'))
    shutil.rmtree("r")
    hnnc("resume", "b", "-q")
    check(tensors("a/checkpoints/last")[0] == tensors("b/checkpoints/last")[0], "the same end")
    check(load("a/reports.json") == load("b/reports.json"), "the same reports")


def test_compiled_weights():
    """A library has them as its start values."""
    import ctypes
    trained()
    for args, want in (["--params", "r"], tensors("r/checkpoints/last")[0]), ([], None):
        hnnc("compile", "m.hnn", "-q", "-o", "lib" + str(len(args)), *args)
        lib = ctypes.CDLL(os.path.abspath("lib%d.so" % len(args)))
        prefix = "lib%d" % len(args) if hasattr(lib, "lib%d_create" % len(args)) else "m"
        f = lambda name, kind: setattr(getattr(lib, prefix + name), "restype", kind) or getattr(lib, prefix + name)
        m = ctypes.c_void_p(f("_create", ctypes.c_void_p)())
        got = {}
        for k in range(4):
            name = f("_param_name", ctypes.c_char_p)(k).decode()
            n = f("_param_size", ctypes.c_int64)(k)
            got[name] = ctypes.string_at(f("_param", ctypes.c_void_p)(m, k), 8*n)
        trained_ones = {k: v[2] for k, v in tensors("r/checkpoints/last")[0].items() if k in got}
        check((got == trained_ones) == (want is not None), "values", sorted(got))


if __name__ == "__main__":
    sys.exit(main(globals()))
