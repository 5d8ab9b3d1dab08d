#!/usr/bin/env python3
"""`use net = onnx("net.onnx")`: test_driver_networks.py HNNC. tests/networks/ holds networks that PyTorch exported, with arguments, values and
derivatives by PyTorch (tools/test_onnx --write); what no exporter writes is written here."""
import os
import random
import shutil
import struct
import sys

from driver_util import check, hnnc, load, main, read, tensors, write

NETWORKS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "networks")


# ---- a writer of ONNX files ------------------------------------------------------------------------------------------------

def varint(v):
    out, v = b"", v & (1 << 64) - 1
    while v > 127:
        out, v = out + bytes([v & 127 | 128]), v >> 7
    return out + bytes([v])


def field(number, v):
    if isinstance(v, int):
        return varint(number << 3) + varint(v)
    if isinstance(v, float):
        return varint(number << 3 | 5) + struct.pack("<f", v)
    v = v.encode() if isinstance(v, str) else v
    return varint(number << 3 | 2) + varint(len(v)) + v


def tensor(name, dims, values, kind=11):
    letter = {1: "f", 7: "q", 9: "?", 11: "d"}[kind]
    return b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name) + field(9, struct.pack("<%d%s" % (len(values), letter), *values))


def attribute(name, v):
    if isinstance(v, list):
        return field(1, name) + b"".join(field(8, x) for x in v) + field(20, 7)
    if isinstance(v, bytes):                                         # a tensor, or a graph
        return field(1, name) + (field(5, v) + field(20, 4) if name == "value" else field(6, v) + field(20, 5))
    number = {int: 3, float: 2, str: 4}[type(v)]
    return field(1, name) + field(number, v) + field(20, {3: 2, 2: 1, 4: 3}[number])


def node(op, ins, outs, domain="", **attributes):
    return (b"".join(field(1, i) for i in ins) + b"".join(field(2, o) for o in outs) + field(3, "the " + op) + field(4, op) + field(7, domain) +
            b"".join(field(5, attribute(k, v)) for k, v in attributes.items()))


def info(name, dims, kind=11):
    dim = b"".join(field(1, field(2, d) if isinstance(d, str) else field(1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dim)))


def graph(nodes, inputs, outputs, weights=()):
    return (b"".join(field(1, n) for n in nodes) + field(2, "g") + b"".join(field(5, w) for w in weights) + b"".join(field(11, i) for i in inputs) +
            b"".join(field(12, o) for o in outputs))


def network(path, nodes, inputs, outputs, weights=(), opset=18):
    write(path, field(1, 8) + field(2, "a test") + field(7, graph(nodes, inputs, outputs, weights)) + field(8, field(2, opset)))


def value(ops, x, dims="B3", opset=18, weights=(), says=(), code=0, out="y", options=""):
    """What the last node gives at x."""
    shape = [d if d.isalpha() else int(d) for d in dims]
    network("n.onnx", ops, [info("x", shape)], [info(out, ["B", 1])], weights, opset)
    write("n.hnn", 'precision f64\nuse n = onnx("n.onnx"%s)\nreport r = n(%s)\n' % (options, x))
    shutil.rmtree("o", ignore_errors=True)
    hnnc("run", "n.hnn", "-q", "-o", "o", code=code, says=says)
    return None if code else load("o/reports.json")["reports"]["r"]["mean"]


# ---- networks of PyTorch ---------------------------------------------------------------------------------------------------

CASES = {                # arguments; results, those that are scalars
    "mlp": (1, 1, ""), "activations": (1, 1, ""), "energy": (2, 2, "1"), "encoder": (1, 1, ""), "pictures": (1, 1, ""), "decoder": (1, 1, ""), "waves": (1, 2, ""),
    "pairs": (1, 3, "012"),
}


def test_values_and_derivatives():
    for name, (arguments, results, scalars) in CASES.items():
        for f in (".onnx", ".npz"):
            shutil.copy(os.path.join(NETWORKS, name + f), ".")
        x, y = ["x%d" % k for k in range(arguments)], ["r%d" % k for k in range(results)]
        call = "let %s = net(%s)" % (y[0] if results == 1 else "(%s)" % ", ".join(y), ", ".join(x))
        far = "+".join(("(r%d - y%d)^2" if str(k) in scalars else "sum((r%d - y%d)^2)") % (k, k) for k in range(results))
        size = "+".join(("y%d^2" if str(k) in scalars else "sum(y%d^2)") % k for k in range(results))
        total = "+".join(("r%d*c%d" if str(k) in scalars else "sum(r%d*c%d)") % (k, k) for k in range(results))
        slope = "+".join("sum((grad(s, x%d) - g%d)^2)" % (k, k) for k in range(arguments))
        within = 1e-6 if name == "mlp" else 1e-9
        write(name + ".hnn", """precision f64
use net = onnx("%s.onnx")
data seen = read("%s.npz")
report value = { %s; return sqrt((%s)/(%s)) } on seen
report slope = { %s; let s = %s; return sqrt((%s)/(%s)) } on seen
expect max(value) < %g and max(slope) < %g
""" % (name, name, call, far, size, call, total, slope, "+".join("sum(g%d^2)" % k for k in range(arguments)), within, within))
        hnnc("run", name + ".hnn", "-q")


def test_physics_with_it():
    """A Hamiltonian is made of it; flows are proved, it is trained on, and kept."""
    shutil.copy(os.path.join(NETWORKS, "mlp.onnx"), ".")
    write("m.hnn", """use energy = onnx("mlp.onnx")
hamiltonian H(q: real[2], p: real[2]) = energy(concat(q, p))[0]
symplectic flow step(q: real[2], p: real[2]) { evolve(q, p) under H for 0.1 steps 2 method implicit_midpoint }
data d { let q = normal(0, 1, 2); let p = normal(0, 1, 2); yield q, p, e = dot(q, q) + dot(p, p) }
use some = d(count = 100)
loss fit(q, p, e) = (H(q, p) - e)^2
report before = fit(q, p, e) on some
train fit on some { optimizer = adam(lr = 1e-2), batch = 50, steps = 200 }
report after = fit(q, p, e) on some
expect after < before/2
""")
    r = hnnc("run", "m.hnn", "--out", "run")
    check("proved" in r.out and "symplectic flow step" in r.out, "the proof", r)
    have = tensors("run/checkpoints/last")[0]
    have = [k for k in have if k.startswith("energy/")]
    check(sorted(have) == ["energy/%d.%s" % (k, w) for k in (0, 2, 4) for w in ("bias", "weight")], "names of parameters", sorted(have))
    hnnc("run", "m.hnn", "--out", "again", "--params", "run")
    hnnc("run", "m.hnn", "--out", "some", "train.only=[\"energy/4.weight\"]", code=None)
    hnnc("compile", "m.hnn", "--params", "run")
    check(os.path.exists("m.so"), "a library")


def test_file_belongs_to_the_program():
    """What was kept of it does not outlast a change of the file; nor that of weights beside it."""
    def made(v):
        network("a.onnx", [node("Mul", ["x", "w"], ["y"])], [info("x", ["B", 2])], [info("y", ["B", 2])], [tensor("w", [2], [v, v])])
    write("a.hnn", 'precision f64\nuse a = onnx("a.onnx")\nreport r = a([1, 2])\n')
    for v in (2.0, 3.0):
        made(v)
        check("[%d, %d]" % (v, 2*v) in hnnc("run", "a.hnn", "-q").out, "the weights are those of the file")
    outside = field(1, 2) + field(2, 11) + field(8, "w") + b"".join(field(13, field(1, k) + field(2, v)) for k, v in
                                                                  (("location", "a.data"), ("offset", "8"), ("length", "16"))) + field(14, 1)
    network("a.onnx", [node("Mul", ["x", "w"], ["y"])], [info("x", ["B", 2])], [info("y", ["B", 2])], [outside])
    for v in (4.0, 5.0):
        write("a.data", struct.pack("<3d", 0, v, v))
        check("[%d, %d]" % (v, 2*v) in hnnc("run", "a.hnn", "-q").out, "weights beside it")
    write("a.data", b"12")
    hnnc("check", "a.hnn", code=1, says="`w` needs 16 bytes of `a.data`")
    network("a.onnx", [node("Mul", ["x", "w"], ["y"])], [info("x", ["B", 2])], [info("y", ["B", 2])], [outside.replace(b"a.data", b"../aaa")])
    hnnc("check", "a.hnn", code=1, says="which is not a file beside this one")


def test_own_files_come_back():
    write("m.hnn", """precision f64
import "std/nets"
net energy(q: real[2], p: real[2]) = energy_net([8, 8])(q, p)
net picture(x: real[2, 6, 6]) = pool_max(group_norm(2)(conv_layer(4, 3, padding = periodic)(upsample(conv_layer(3, 3, stride = 2)(x), 2))), 2)
net attention(x: real[5, 4]) {
  let k = [dense(4)(x[i]) for i in 0:5]
  return softmax(k @ x.T, axis = 1) @ x
}
net row(i: real) = layer_norm()(embedding(5, 3)(i))
fn flow(q: real[2], p: real[2]) = field(energy)(q, p)
data d { yield q = normal(0, 1, 2), p = normal(0, 1, 2), x = normal(0, 1, [2, 6, 6]), k = normal(0, 1, [5, 4]), i = mod(index, 5) }
use some = d(count = 20)
""")
    hnnc("compile", "m.hnn", "--emit=onnx", "-o", "out/")
    uses = "".join('use %s_ = onnx("out/m.%s.onnx")\n' % (n, n) for n in ("energy", "picture", "attention", "row", "flow"))
    write("again.hnn", read("m.hnn").decode() + uses + """report a = abs(energy(q, p) - energy_(q, p)) on some
report b = maxabs(picture(x) - picture_(x)) on some
report c = maxabs(attention(k) - attention_(k)) on some
report e = maxabs(row(i) - row_(i)) on some
report f = { let (a, b) = flow(q, p); let (c, d) = flow_(q, p); return maxabs(a - c) + maxabs(b - d) } on some
report g = { let s = sum(picture(x)^2); let t = sum(picture_(x)^2); return maxabs(grad(s, x) - grad(t, x)) } on some
expect max(a) < 1e-14 and max(b) < 1e-13 and max(c) < 1e-14 and max(e) < 1e-14 and max(f) < 1e-14 and max(g) < 1e-12
""")
    r = hnnc("run", "again.hnn", "-q")
    check("proved" not in r.out, "nothing is claimed", r)
    hnnc("compile", "again.hnn", "--emit=ir")


# ---- what is read -----------------------------------------------------------------------------------------------------------

def test_samples():
    """Which axis is that of the samples."""
    double = [node("Add", ["x", "x"], ["y"])]
    for dims, options, shape in ((["N", 2], "", "real[2]"), ([1, 2], "", "real[2]"), ([8, 2], "", "real[2]"), ([2], "", "real[2]"), ([3, 2], ", batch = false", "real[3, 2]"),
                                 ([4], ", batch = true", "real"), ([3, "N"], "", "real[3]"), (["N", "s", 2], ", s = 5", "real[5, 2]"), (["N"], "", "real"), (["N", 2], ", N = 3", "real[3, 2]")):
        network("s.onnx", double, [info("x", dims)], [info("y", dims)])
        write("s.hnn", 'use s = onnx("s.onnx"%s)\nfn f(x: %s) -> %s = s(x)\n' % (options, shape, shape))
        hnnc("check", "s.hnn")
    for options, says in (("", "axis 1 of the input `x` has no size"), (", t = 3", "`onnx` has no option `t`"), (", s = 0", "from 1 to"), (", s = 2.5", "integer"), (", 3", "options by name")):
        network("s.onnx", double, [info("x", ["N", "s"])], [info("y", ["N", "s"])])
        write("s.hnn", 'use s = onnx("s.onnx"%s)\nreport r = s([1, 2])\n' % options)
        hnnc("check", "s.hnn", code=1, says=says)
    # a number of samples that is written into the file is one, here
    out = value([node("Reshape", ["x", "to"], ["y"])], "[[1, 2], [3, 4]]", "822", weights=[tensor("to", [2], [8, -1], 7)])
    check(out == [1, 2, 3, 4], "a number of samples in a shape", out)


def test_weights():
    """Tensors are learned; scalars, what must be known, and what is not finite are not, unless they are named."""
    w = [tensor("a", [2], [1, 2]), tensor("s", [], [3]), tensor("m", [2], [0, float("-inf")]), tensor("val_7", [2], [1, 1])]
    nodes = [node("Mul", ["x", "a"], ["u"]), node("Mul", ["u", "s"], ["v"]), node("Max", ["v", "m"], ["t"]), node("Mul", ["t", "val_7"], ["y"])]
    network("w.onnx", nodes, [info("x", ["B", 2])], [info("y", ["B", 2])], w)
    for options, count in (("", "2 numbers in 1 parameter"), (', weights = ["s"]', "3 numbers in 2 parameters")):
        write("w.hnn", 'use w = onnx("w.onnx"%s)\nreport r = w([1, 2])\n' % options)
        hnnc("check", "w.hnn", says=count)
    write("w.hnn", 'use w = onnx("w.onnx", weights = ["ss"])\n')
    hnnc("check", "w.hnn", code=1, says=["has no weight `ss`", "did you mean `s`"])
    write("w.hnn", 'net n(x: real[2]) {\n  use w = onnx("w.onnx")\n  return w(x) + onnx("w.onnx")(x) + sum([w(k*x) for k in 0:3])*x\n}\nreport r = n([1, 2])\n')
    hnnc("check", "w.hnn", says="4 numbers in 2 parameters")


def test_nodes():
    """What exporters of today do not write: older forms, control flow, constants, numbers of all kinds."""
    def gives(shown, *a, **k):
        out, want = value(*a, **k), [float(x) for x in shown.split(",")]
        out = out if isinstance(out, list) else [out]
        check(len(out) == len(want) and all(abs(x - y) < 1e-6 for x, y in zip(out, want)), "gives %s" % shown, out)
    gives("0.0900306, 0.244728, 0.665241", [node("Softmax", ["x"], ["y"], axis=1)], "[1, 2, 3]", opset=9)
    gives("2, 3", [node("Slice", ["x"], ["y"], axes=[1], starts=[1], ends=[2**63 - 1])], "[1, 2, 3]", opset=9)
    gives("3, 2, 1", [node("Slice", ["x", "s", "e", "a", "b"], ["y"])], "[1, 2, 3]", weights=[tensor(n, [1], [v], 7) for n, v in (("s", -1), ("e", -2**63), ("a", 1), ("b", -1))])
    gives("3, 1", [node("Gather", ["x", "i"], ["y"], axis=1)], "[1, 2, 3]", weights=[tensor("i", [2], [-1, 0], 7)])
    gives("1, 5, 9", [node("GatherElements", ["x", "i"], ["y"], axis=1)], "[[1, 2, 3], [4, 5, 6], [7, 8, 9]]", "B33", weights=[tensor("i", [1, 1, 3], [0, 1, 2], 7)])
    gives("6, 1", [node("Unsqueeze", ["x"], ["u"], axes=[0]), node("GatherND", ["u", "i"], ["y"], batch_dims=1)], "[[1, 2], [5, 6]]", "B22", weights=[tensor("i", [1, 2, 3], [0, 1, 1, 0, 0, 0], 7)])
    gives("7", [node("Cast", ["x"], ["i"], to=7), node("Gather", ["w", "i"], ["y"])], "2", "B", weights=[tensor("w", [4], [5, 6, 7, 8])])
    gives("0, 0, 1, 2, 3, 0", [node("Pad", ["x"], ["y"], pads=[0, 2, 0, 1])], "[1, 2, 3]", opset=9)
    gives("3, 2, 1, 2, 3, 2", [node("Pad", ["x", "p"], ["y"], mode="reflect")], "[1, 2, 3]", weights=[tensor("p", [4], [0, 2, 0, 1], 7)])
    gives("3, 1", [node("Split", ["x"], ["a", "b"], axis=1, split=[2, 1]), node("ReduceSum", ["a"], ["s"], axes=[1]), node("Concat", ["s", "b"], ["t"], axis=1), node("Sub", ["t", "w"], ["y"])],
          "[1, 2, 3]", opset=11, weights=[tensor("w", [2], [0, 2])])
    gives("1, 2, 6", [node("CumSum", ["x", "a"], ["s"]), node("Where", ["c", "s", "x"], ["y"])], "[1, 2, 3]", weights=[tensor("a", [], [1], 7), tensor("c", [3], [True, False, True], 9)])
    gives("6, 5, 3", [node("CumSum", ["x", "a"], ["y"], reverse=1)], "[1, 2, 3]", weights=[tensor("a", [], [-1], 7)])
    gives("1, 0, -4", [node("Range", ["a", "b", "c"], ["r"]), node("Cast", ["r"], ["f"], to=11), node("Mod", ["x", "three"], ["m"], fmod=1), node("Sub", ["m", "f"], ["y"])], "[1, 4, -5]",
          weights=[tensor("a", [], [0], 7), tensor("b", [], [3], 7), tensor("c", [], [1], 7), tensor("three", [], [3])])
    gives("14", [node("Einsum", ["x", "x"], ["y"], equation="bi,bi->b")], "[1, 2, 3]")
    gives("1, 2, 3, 2, 4, 6, 3, 6, 9", [node("Einsum", ["x", "x"], ["o"], equation="...i,...j"), node("Flatten", ["o"], ["y"])], "[1, 2, 3]")
    gives("12", [node("Einsum", ["x", "w", "w"], ["y"], equation="bi,i,i->b")], "[1, 2, 3]", weights=[tensor("w", [3], [1, 2, 1])])
    gives("3, 6", [node("Constant", [], ["k"], value=tensor("", [2, 3], [1, 0, 0, 0, 1, 0])), node("ReduceSum", ["k", "one"], ["v"], keepdims=0), node("Range", ["a", "b", "c"], ["r"]),
                   node("Gemm", ["x", "k"], ["g"], transB=1, alpha=3.0), node("Mul", ["g", "v"], ["y"])], "[1, 2, 3]", weights=[tensor("one", [1], [1], 7)])
    gives("3, 6", [node("MaxPool", ["x"], ["p"], kernel_shape=[2], strides=[2], ceil_mode=1), node("Flatten", ["p"], ["y"])], "[[1, 3, 6]]", "B13")
    gives("2, 6", [node("AveragePool", ["x"], ["p"], kernel_shape=[2], strides=[2], ceil_mode=1), node("Flatten", ["p"], ["y"])], "[[1, 3, 6]]", "B13")
    gives("1, 1, 2, 2", [node("Upsample", ["x", "s"], ["u"], mode="nearest"), node("Flatten", ["u"], ["y"])], "[[1, 2]]", "B12", opset=9, weights=[tensor("s", [3], [1, 1, 2], 1)])
    gives("1, 1.25, 1.75, 2", [node("Resize", ["x", "", "s"], ["u"], mode="linear"), node("Flatten", ["u"], ["y"])], "[[1, 2]]", "B12", weights=[tensor("s", [3], [1, 1, 2], 1)])
    gives("1, 2, 3, 4", [node("DepthToSpace", ["x"], ["d"], blocksize=2), node("Flatten", ["d"], ["y"])], "[[[1]], [[2]], [[3]], [[4]]]", "B411")
    three = tensor("three", [], [3], 7)
    body = graph([node("Identity", ["go"], ["on"]), node("Add", ["h", "h"], ["h2"]), node("Cast", ["i"], ["f"], to=11), node("Mul", ["h", "f"], ["o"])],
                 [info("i", [], 7), info("go", [], 9), info("h", ["B", 3])], [info("on", [], 9), info("h2", ["B", 3]), info("o", ["B", 3])])
    gives("8, 16, 24", [node("Loop", ["three", "", "x"], ["y", "all"], body=body)], "[1, 2, 3]", weights=[three])
    step = graph([node("Add", ["h", "e"], ["h2"]), node("Identity", ["h2"], ["o"])], [info("h", ["B"]), info("e", ["B"])], [info("h2", ["B"]), info("o", ["B"])])
    gives("6, 5, 3", [node("Scan", ["zero", "x"], ["last", "y"], body=step, num_scan_inputs=1, scan_input_axes=[1], scan_input_directions=[1], scan_output_axes=[1], scan_output_directions=[1])],
          "[1, 2, 3]", weights=[tensor("zero", [1], [0])])
    yes, no = graph([node("Neg", ["x"], ["a"])], [], [info("a", ["B", 3])]), graph([node("Identity", ["x"], ["b"])], [], [info("b", ["B", 3])])
    gives("-1, -2, -3", [node("Shape", ["x"], ["s"], start=1), node("Equal", ["s", "three"], ["c"]), node("Squeeze", ["c"], ["d"]), node("If", ["d"], ["y"], then_branch=yes, else_branch=no)],
          "[1, 2, 3]", weights=[three])


def test_what_is_wrong():
    """The message, and the line of the listing."""
    w3 = tensor("w", [4], [1, 2, 3, 4])
    for ops, says in (([node("NonZero", ["x"], ["y"])], ["the operator `NonZero` is not supported", "y = NonZero(x)    # the NonZero", "in this network"]),
                      ([node("Mine", ["x"], ["y"], domain="org.me")], "`Mine` of `org.me` is not supported"),
                      ([node("Add", ["x", "w"], ["y"])], "`Add` needs shapes that broadcast, found [1, 3] and [4]"),
                      ([node("MatMul", ["x", "w"], ["y"])], "equal inner sizes, found [1, 3] and [4]"),
                      ([node("Add", ["x", "z"], ["y"])], "`Add` reads `z`, which no node above it computes"),
                      ([node("Add", ["x"], ["y"])], "`Add` needs 2 inputs, and input 1 is not given"),
                      ([node("Reshape", ["x", "x"], ["y"])], "the shape of `Reshape` must be known"),
                      ([node("Transpose", ["x"], ["y"], perm=[0, 0])], "names axis 0 twice"),
                      ([node("Softmax", ["x"], ["y"], axis=7)], "has no axis 7 of 2"),
                      ([node("Conv", ["x", "w"], ["y"])], "one to 3 spatial axes"),
                      ([node("Einsum", ["x", "x"], ["y"], equation="ii,j")], "`Einsum` along a diagonal"),
                      ([node("BatchNormalization", ["x", "w", "w", "w", "w"], ["y"], training_mode=1)], "model.eval()"),
                      ([node("Identity", ["x"], ["z"])], "no node computes the output `y`")):
        value(ops, "[1, 2, 3]", weights=[w3], code=1, says=says)
    value([node("Identity", ["x"], ["y"])], "[1, 2]", code=1, says="real[3]")
    write("n.onnx", "this is no ONNX file\n")
    hnnc("check", "n.hnn", code=1, says="cannot read `n.onnx`")
    os.remove("n.onnx")
    hnnc("check", "n.hnn", code=1, says=["cannot read `n.onnx`: No such file", "relative to the directory of the model"])
    for text, says in (("use n = onnx()", "needs the path"), ("use n = onnx(3)", "a path must be a string"), ('const n = onnx("n.onnx")', "cannot read"), ('use n = onnx("n.onnx").f', "cannot read")):
        write("n.hnn", text + "\n")
        hnnc("check", "n.hnn", code=1, says=says)


def test_other_files():
    """What a file is that is no ONNX file, and where it ends too early."""
    write("o.hnn", 'use o = onnx("o.onnx")\n')
    torch = "torch.onnx.export"
    good = read(os.path.join(NETWORKS, "mlp.onnx"))
    for what, says, help in ((b"", "it is empty", False), (b"some text\n", "it is text", False), (b"\x93NUMPY\1\0", "a NumPy array", False),
                             (read(os.path.join(NETWORKS, "mlp.npz")), "it is a zip archive", False), (b"\x89HDF\r\n\x1a\n", "it is an HDF5 file", False),
                             (b"PK\3\4 archive/data.pkl", "`torch.save`", True), (b"\x80\2}q\0.", "`torch.save`", True),
                             (struct.pack("<Q", 2) + b"{}", "it is a safetensors file", True), (bytes([7]), "a field has no number", True),
                             (good[:1], "it is truncated", False), (good[:len(good) // 2], "it is truncated", False), (good[:-1], "it is truncated", False)):
        write("o.onnx", what)
        r = hnnc("check", "o.hnn", code=1, says=["cannot read `o.onnx`: ", says])
        check((torch in r.out + r.err) == help, "%r" % what[:20], r)


def test_nan_weights():
    """A warning, with the name of the array: it is seen before anything is computed."""
    w = tensor("bias", [3], [1, float("nan"), float("inf")])
    network("w.onnx", [node("Add", ["x", "bias"], ["y"])], [info("x", ["B", 3])], [info("y", ["B", 3])], [w], 18)
    write("w.hnn", 'use w = onnx("w.onnx")\n')
    hnnc("check", "w.hnn", says="warning[nan]: the weight `bias` has 1 NaN among its 3 numbers, the first is number 1")


def test_damaged_files():
    """Cut off anywhere, or with a byte changed: a message, or a network."""
    draw = random.Random(1)
    write("d.hnn", 'use d = onnx("d.onnx")\n')
    for name in ("mlp", "pairs"):
        good = read(os.path.join(NETWORKS, name + ".onnx"))
        for k in range(40):
            at = draw.randrange(len(good))
            write("d.onnx", good[:at] if k % 2 else good[:at] + bytes([draw.randrange(256)]) + good[at + 1:])
            r = hnnc("check", "d.hnn", code=None)
            check(r.code in (0, 1) and (r.code == 0 or "error[" in r.out + r.err), "%s, %d" % (name, at), r)


if __name__ == "__main__":
    sys.exit(main(globals()))
