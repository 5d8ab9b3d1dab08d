#!/usr/bin/env python3
"""`hnnc compile --emit=onnx`: its files and what it says; test_driver_onnx.py HNNC. What is in the files: tests/golden/onnx, and by
onnxruntime tools/test_onnx."""
import os
import struct
import sys

import onnx_text
from driver_util import check, hnnc, main, write

MODEL = """\
precision PRECISION
net energy(q: real[2], p: real[2]) -> real {
  param W: real[3, 4] ~ normal(0, 1)
  param v: real[3] = 0.5
  return dot(v, tanh(W @ concat(q, p)))
}
fn flow(q: real[2], p: real[2]) = field(energy)(q, p)
fn adaptive(q: real[2], p: real[2]) = integrate(field(energy), q, p, times = [0, 1], method = dopri5)
fn any(x) = x
data points { yield q = normal(0, 1, 2), p = normal(0, 1, 2) }
use some = points(count = 20)
loss fit(q, p) = (energy(q, p) - dot(q, q))^2
train fit on some { optimizer = adam(lr = 1e-2), steps = 3 }
report error = fit(q, p) on some
"""


def made(precision="f64"):
    write("m.hnn", MODEL.replace("PRECISION", precision))


def initializers(path):
    with open(path, "rb") as f: model = onnx_text.message("Model", f.read())
    return {t["name"]: t for t in model["graph"]["initializer"]}


def test_a_file_for_each_function():
    made()
    r = hnnc("compile", "m.hnn", "--emit=onnx", "-o", "new/all/")
    files = sorted(os.listdir("new/all"))
    check(files == ["m.energy.onnx", "m.error.onnx", "m.flow.onnx", "m.gradient_fit.onnx", "m.loss_fit.onnx"], "files", files)
    check("left out: fn `adaptive`: ONNX has no loop" in r.out and "m.hnn:8:39" in r.out and "left out: fn `any`: its argument `x` has no type" in r.out, "what is left out", r.out)
    check("new/all/m.flow.onnx (" in r.out and "fn `flow`" in r.out, "what is made", r.out)
    for f in files: onnx_text.text("new/all/" + f)
    r = hnnc("compile", "m.hnn", "--emit=onnx", "-q")
    check(os.path.exists("m.energy.onnx") and not r.out, "beside the file, quietly", r.out)


def test_one_file_of_several():
    made()
    hnnc("compile", "m.hnn", "--emit=onnx", "energy", "flow", "-o", "x.onnx")
    text = onnx_text.text("x.onnx")
    check("(q: f64[B, 2], p: f64[B, 2])" in text and "-> energy: f64[B], flow.0: f64[B, 2], flow.1: f64[B, 2]" in text, "inputs and outputs", text)
    check("Einsum" not in text and text.count("MatMul") >= 3, "products", text)
    hnnc("compile", "m.hnn", "--emit=onnx", "energy")
    check(os.path.exists("m.onnx"), "its name")
    hnnc("compile", "m.hnn", "--emit=onnx", "energy_vjp", "energy_jvp", "energy_hvp", "--vjp=energy", "--jvp=energy", "--hvp=energy", "-o", "y.onnx")
    check("v_q: f64[B, 2]" in onnx_text.text("y.onnx"), "products with derivatives")
    hnnc("compile", "m.hnn", "--emit=onnx", "energy", "--hvp=flow", code=1, says="`flow` has others")


def test_weights():
    for precision, letter in (("f64", "d"), ("f32", "f")):
        made(precision)
        hnnc("run", "m.hnn", "--out", "run_" + precision, "-q")
        hnnc("compile", "m.hnn", "--emit=onnx", "energy", "-o", "start.onnx")
        hnnc("compile", "m.hnn", "--emit=onnx", "energy", "-o", "end.onnx", "--params", "run_" + precision)
        start, end = [struct.unpack("<3" + letter, initializers(f)["energy/v"]["raw"]) for f in ("start.onnx", "end.onnx")]
        check(start == (0.5,)*3 and all(0 < abs(x - 0.5) < 0.1 for x in end), "start and trained", start, end)
        check("hnnc.params = run_" + precision in onnx_text.text("end.onnx"), "where they are from")


def test_mistakes():
    made()
    hnnc("compile", "m.hnn", "energy", code=2, says="functions are only for --emit=onnx")
    hnnc("compile", "m.hnn", "energy", "--emit=ir", code=2, says="functions are only for --emit=onnx")
    hnnc("compile", "m.hnn", "--emit=onnx", "enrgy", code=1, says="did you mean `energy`?")
    hnnc("compile", "m.hnn", "--emit=onnx", "adaptive", code=1, says="m.hnn:8:39")
    hnnc("compile", "m.hnn", "--emit=onnx", "-o", "x.onnx", code=1, says="list its functions")
    write("d", "a file")
    hnnc("compile", "m.hnn", "--emit=onnx", "energy", "-o", "d/x.onnx", code=4, says="d/x.onnx")
    check(not os.path.exists("x.onnx"), "nothing is written")


if __name__ == "__main__":
    sys.exit(main(globals()))
