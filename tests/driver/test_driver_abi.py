#!/usr/bin/env python3
"""ABI 1 of exported libraries (runtime/library/model.h), from Python by ctypes, and from C and C++. test_driver_abi.py HNNC [TEST...]"""
import ctypes as c
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import threading

from driver_util import check, hnnc, main, read, tensors, write

DOUBLES = c.POINTER(c.c_double)


class Array(c.Structure):
    _fields_ = [("p", c.c_void_p), ("ld", c.c_int64)]


class Value(c.Structure):
    _fields_ = [("name", c.c_char_p), ("rank", c.c_int32), ("dim", c.c_uint32 * 8), ("elems", c.c_int64), ("per_sample", c.c_int32),
                ("rows", c.c_uint32), ("cols", c.c_uint32), ("row", c.POINTER(c.c_int32)), ("col", c.POINTER(c.c_int32))]


class Function(c.Structure):
    _fields_ = [("name", c.c_char_p), ("kind", c.c_char_p), ("nin", c.c_int32), ("nout", c.c_int32), ("in_", c.POINTER(Value)),
                ("out", c.POINTER(Value)), ("flop", c.c_int64), ("draws", c.c_int32)]


class Parameter(c.Structure):
    _fields_ = [("path", c.c_char_p), ("rank", c.c_int32), ("dim", c.c_uint32 * 8), ("elems", c.c_int64), ("first", c.c_int64)]


class Training(c.Structure):
    _fields_ = [("name", c.c_char_p), ("optimizer", c.c_char_p), ("lr", c.c_double), ("nloss", c.c_int32), ("loss", c.POINTER(c.c_int32))]


class Proof(c.Structure):
    _fields_ = [("text", c.c_char_p), ("answer", c.c_char_p), ("detail", c.c_char_p)]


ARRAYS = c.POINTER(Array)


class Library(c.Structure):
    _fields_ = [("abi", c.c_uint32), ("size", c.c_uint32)] + [(k, c.c_char_p) for k in "name source compiler hash cpu features".split()] + [
        (k, c.c_int32) for k in "f64 nfunction nparameter ntraining nproof".split()] + [
        ("function", c.POINTER(Function)), ("parameter", c.POINTER(Parameter)), ("training", c.POINTER(Training)),
        ("proof", c.POINTER(Proof)), ("reals", c.c_int64),
        ("create", c.CFUNCTYPE(c.c_void_p)), ("destroy", c.CFUNCTYPE(None, c.c_void_p)), ("share", c.CFUNCTYPE(c.c_void_p, c.c_void_p)),
        ("threads", c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int)), ("param", c.CFUNCTYPE(DOUBLES, c.c_void_p, c.c_int)),
        ("call", c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int, c.c_int64, c.c_uint64, ARRAYS, ARRAYS)),
        ("step", c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int, c.POINTER(c.c_int64), c.POINTER(ARRAYS), c.c_double, DOUBLES)),
        ("load", c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_char_p)), ("save", c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_char_p)),
        ("error", c.CFUNCTYPE(c.c_char_p, c.c_int))]


def library(name):
    """The table, and the library that it must not outlive."""
    so = c.CDLL(os.path.abspath(name + ".so"))
    return Library.in_dll(so, "hnn_library_1"), so


def numbers(values):
    return (c.c_double * len(values))(*values)


def arrays(*buffers, ld=0):
    return (Array * (len(buffers) + 1))(*[Array(c.cast(b, c.c_void_p), ld) if b is not None else Array(None, 0) for b in buffers])


def number(lib, name, kind):
    for k in range(lib.nfunction):
        if lib.function[k].name == name.encode() and lib.function[k].kind == kind.encode(): return k
    check(False, "there is no", kind, name)


def call(lib, m, f, n, args, seed=0, ld=0):
    """Results of function f as lists."""
    out = [numbers([0] * max(1, lib.function[f].out[k].elems * (n if lib.function[f].out[k].per_sample else 1)))
           for k in range(lib.function[f].nout)]
    code = lib.call(m, f, n, seed, arrays(*args, ld=ld), arrays(*out, ld=ld))
    check(code == 0, "a call", lib.error(0))
    return [list(o) for o in out]


MODEL = """\
precision f64
net lin(x: real[3]) -> real {
  param w: real[3] ~ normal(0, 1)
  param b: real = 0.5
  return dot(w, x) + b
}
net held(x: real) {
  param still: real = 2
  return (x*still, still^2)
}
fn f(x: real[3], t: real) = (sin(x)*lin(x)*t, lin(x))
fn one(t: real) = exp(-t)/2
fn quartic(x: real[3]) = sum(x^4) + x[0]*x[1]
fn hess(x: real[3]) = nonzeros(hessian(quartic))(x)
flow T(x: real[3]) { x *= exp(0.3) }
data d { yield x = normal(0, 1, 3), t = uniform(0, 1) }
use some = d(count = 40)
loss fit(x, t) = (lin(x) - t)^2 + held(1)[0]^2
loss noisy(x) = mean((lin(x) + normal(0, 1, 3))^2)
train fit on some { optimizer = adam(lr = 0.01), steps = 20, only = lin }
train noisy on some { optimizer = sgd(lr = 0.01), steps = 2 }
report error_ = fit(x, t) on some
report kept = held(1)[1]
"""


def made():
    write("m.hnn", MODEL)
    hnnc("compile", "m.hnn", "-q")
    return library("m")


def test_what_it_has():
    lib, so = made()
    check(lib.abi == 1 and lib.size == c.sizeof(Library), "the ABI", lib.abi, lib.size, c.sizeof(Library))
    check(lib.name == b"m" and lib.source == b"m.hnn" and lib.compiler.startswith(b"hnnc ") and len(lib.hash) == 32 and lib.f64 == 1, "the model")
    functions = [(lib.function[k].kind.decode(), lib.function[k].name.decode()) for k in range(lib.nfunction)]
    check(functions == [("net", "lin"), ("net", "held"), ("fn", "f"), ("fn", "one"), ("fn", "quartic"), ("fn", "hess"), ("flow", "T"), ("inverse", "T_inverse"), ("logdet", "T_logdet"),
                        ("report", "error_"), ("report", "kept"), ("gradient", "fit"), ("loss", "fit"), ("gradient", "noisy"), ("loss", "noisy")], "functions", functions)
    f = lib.function[2]
    check([(f.in_[k].name, f.in_[k].rank, f.in_[k].dim[0], f.in_[k].elems) for k in range(f.nin)] == [(b"x", 1, 3, 3), (b"t", 0, 0, 1)], "arguments")
    check([(f.out[k].elems, f.out[k].per_sample) for k in range(f.nout)] == [(3, 1), (1, 1)], "results")
    check(lib.function[10].out[0].per_sample == 0, "what all samples share")
    h = lib.function[5].out[0]
    check((h.rows, h.cols, h.elems) == (3, 3, 5) and h.row[:4] == [0, 2, 4, 5] and h.col[:5] == [0, 1, 0, 1, 2], "the pattern", h.row[:4], h.col[:5])
    check([lib.function[k].draws for k in range(11, 15)] == [0, 0, 1, 1], "draws")
    parameters = [(lib.parameter[k].path, lib.parameter[k].elems, lib.parameter[k].first) for k in range(lib.nparameter)]
    check(parameters == [(b"lin/w", 3, 0), (b"lin/b", 1, 3), (b"held/still", 1, 4)] and lib.reals == 5, "parameters", parameters)
    t = lib.training[0]
    check((t.name, t.optimizer, t.lr, t.nloss, t.loss[0]) == (b"fit", b"adam", 0.01, 1, 11), "trainings")
    hash_ = lib.hash
    write("m.hnn", MODEL + "\n")
    hnnc("compile", "m.hnn", "-q", "-o", "other")
    check(library("other")[0].hash != hash_, "the hash follows the text")
    write("p.hnn", "hamiltonian H(q: real[1], p: real[1]) = p[0]^2/2 + q[0]^2/2\nsymplectic flow T(q: real[1], p: real[1]) { q += 0.1*p }\n")
    hnnc("compile", "p.hnn", "-q")
    lib, so = library("p")
    check([(lib.proof[k].text, lib.proof[k].answer) for k in range(lib.nproof)] == [(b"symplectic flow T", b"proved")], "proofs")


def close(a, b, tolerance=1e-12):
    return len(a) == len(b) and all(abs(x - y) <= tolerance*(1 + abs(y)) for x, y in zip(a, b))


def test_calls_in_both_layouts():
    lib, so = made()
    m = lib.create()
    w, b = lib.param(m, 0)[:3], lib.param(m, 1)[0]
    for n in (1, 2, 7, 64, 1000, 40000):
        x = [math.sin(k) for k in range(3*n)]
        t = [math.cos(k) for k in range(n)]
        first = call(lib, m, 2, n, [numbers(x), numbers(t)])
        lin = [sum(w[e]*x[3*s + e] for e in range(3)) + b for s in range(n)]
        check(close(first[0], [math.sin(x[3*s + e])*lin[s]*t[s] for s in range(n) for e in range(3)]) and close(first[1], lin), "sample first", n)
        lanes = [x[3*s + e] for e in range(3) for s in range(n)]
        last = call(lib, m, 2, n, [numbers(lanes), numbers(t)], ld=n)
        check([last[0][e*n + s] for s in range(n) for e in range(3)] == first[0] and last[1] == first[1], "sample last: the same bits", n)
        wide = n + 5
        lanes = [x[3*s + e] if s < n else math.nan for e in range(3) for s in range(wide)]
        out = [numbers([7]*(3*wide)), numbers([7]*wide)]
        check(lib.call(m, 2, n, 0, arrays(numbers(lanes), numbers(t), ld=wide), arrays(*out, ld=wide)) == 0, "a call")
        check(all(out[0][e*wide + s] == 7 for e in range(3) for s in range(n, wide)) and all(out[1][s] == 7 for s in range(n, wide)), "nothing behind n is written")
        check([out[0][e*wide + s] for s in range(n) for e in range(3)] == first[0], "rows that are longer", n)
        check(close(call(lib, m, 3, n, [numbers(t)])[0], [math.exp(-v)/2 for v in t]), "one number a sample, in place", n)
    lib.destroy(m)


def test_threads_give_the_same_bits():
    lib, so = made()
    n = 9000
    args = [numbers([math.sin(k) for k in range(3*n)]), numbers([math.cos(k) for k in range(n)])]
    m = lib.create()
    want = [call(lib, m, f, n, args[:lib.function[f].nin]) for f in (2, 7, 9, 11, 12)]
    for k in (1, 2, 3, 8, 0):
        check(lib.threads(m, k) == 0, "threads", k)
        check([call(lib, m, f, n, args[:lib.function[f].nin]) for f in (2, 7, 9, 11, 12)] == want, "the same bits by threads", k)
    check(lib.threads(m, -1) == -1 and b"found -1" in lib.error(0), "no threads", lib.error(0))
    lib.param(m, 1)[0] = 0.25
    shared = [lib.share(m) for _ in range(8)]
    want = call(lib, m, 2, n, args)
    got = [None]*8
    def work(k):
        for _ in range(20): got[k] = call(lib, shared[k], 2, n, args)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads: t.start()
    for t in threads: t.join()
    check(all(g == want for g in got), "eight threads over one set of parameters")
    loss, samples = c.c_double(), c.c_int64(n)
    code = lib.step(shared[0], 0, c.byref(samples), c.pointer(c.cast(arrays(*args), ARRAYS)), 0, c.byref(loss))
    check(code == -1 and b"shares parameters cannot train" in lib.error(0), "who trains", lib.error(0))
    for s in shared: lib.destroy(s)
    lib.destroy(m)


def test_gradients():
    lib, so = made()
    m = lib.create()
    n = 11
    x, t = [math.sin(k) for k in range(3*n)], [math.cos(k) for k in range(n)]
    args = [numbers(x), numbers(t)]
    value, slope = number(lib, "fit", "loss"), number(lib, "fit", "gradient")
    loss, gradient = call(lib, m, slope, n, args)
    check(call(lib, m, value, n, args)[0] == loss or close(call(lib, m, value, n, args)[0], loss), "the loss")
    w, b = lib.param(m, 0)[:3], lib.param(m, 1)[0]
    rest = [sum(w[e]*x[3*s + e] for e in range(3)) + b - t[s] for s in range(n)]
    want = [sum(2*rest[s]*x[3*s + e] for s in range(n))/n for e in range(3)] + [2*sum(rest)/n, 0]
    check(close(gradient, want), "by the parameters; what no training moves is 0", gradient, want)
    noisy = number(lib, "noisy", "gradient")
    one, same, other = (call(lib, m, noisy, n, args[:1], seed=s) for s in (1, 1, 2))
    check(one == same and one[1] != other[1], "draws follow the seed")
    samples = c.c_int64(n)
    got = c.c_double()
    check(lib.step(m, 0, c.byref(samples), c.pointer(c.cast(arrays(*args), ARRAYS)), 0, c.byref(got)) == 0 and close([got.value], loss), "a step")
    check(lib.param(m, 2)[0] == 2 and lib.param(m, 1)[0] != b, "what it moves")
    lib.destroy(m)


LOOSE = """\
precision f64
net lin(x: real[3]) -> real {
  param w: real[3] ~ normal(0, 1)
  param b: real = 0.5
  return dot(w, x) + b
}
data d { yield x = normal(0, 1, 3), t = uniform(0, 1) }
use some = d(count = 40)
loss free(x: real[3], t: real) = (lin(x) - t)^2
loss seen(x, t) = (lin(x) - 2*t)^2
loss penalty() = lin([1, 2, 3])^2
loss noisy(x: real[3]) = mean((lin(x) + normal(0, 1, 3))^2)
loss unknown(x, t) = (lin(x) - t)^2
loss still(x: real[3]) = sum(x^2)
hamiltonian spring(q: real[1], p: real[1]) = p[0]^2/2 + exp(lin([1, 0, 0]))*q[0]^2
loss far(x: real[3]) {
  let (q, p) = trajectory(spring, [x[0]], [x[1]], times = [0, 1], method = dopri5(rtol = 1e-8))
  return sum(q) + sum(p)
}
loss farther(x: real[3]) {
  let (q, p) = trajectory(spring, [x[0]], [x[1]], times = [0, 1], method = taylor(rtol = 1e-8))
  return sum(q) + sum(p)
}
loss fit(x, t) = (lin(x) - t)^2
train fit on some { optimizer = adam(lr = 0.01), only = "lin/b", steps = 20 }
report error_ = seen(x, t) on some
"""


def test_losses_that_nothing_trains():
    write("loose.hnn", LOOSE)
    hnnc("compile", "loose.hnn", says="left out: loss `unknown`: its argument `x` has no type")
    lib, so = library("loose")
    m = lib.create()
    shown = [(lib.function[k].kind.decode(), lib.function[k].name.decode()) for k in range(lib.nfunction)]
    losses = [n for k, n in shown if k == "loss"]
    check(losses == ["fit", "free", "seen", "penalty", "noisy", "still", "far", "farther"], "losses", losses)
    check([n for k, n in shown if k == "gradient"] == ["fit", "free", "seen", "penalty", "noisy", "far", "farther"], "gradients: what has parameters and derivatives", shown)
    n = 9
    args = [numbers([math.sin(k) for k in range(3*n)]), numbers([math.cos(k) for k in range(n)])]
    for name, count in ("free", 2), ("seen", 2), ("penalty", 0), ("noisy", 1), ("far", 1), ("farther", 1):
        value, slope = number(lib, name, "loss"), number(lib, name, "gradient")
        loss, gradient = call(lib, m, slope, n, args[:count], seed=3)
        want = []
        for k, e in ((0, 0), (0, 1), (0, 2), (1, 0)):
            was = lib.param(m, k)[e]
            d = []
            for h in 1e-6, -1e-6:
                lib.param(m, k)[e] = was + h
                d += call(lib, m, value, n, args[:count], seed=3)[0]
            lib.param(m, k)[e] = was
            want.append((d[0] - d[1])/2e-6)
        check(close(gradient, want, 1e-7) and close(loss, call(lib, m, value, n, args[:count], seed=3)[0]), name, gradient, want)
    fit = call(lib, m, number(lib, "fit", "gradient"), n, args)[1]
    check(fit[:3] == [0, 0, 0] and fit[3] != 0, "a trained one is by what its training moves", fit)
    check(close(call(lib, m, number(lib, "still", "loss"), 1, [numbers([1, 2, 3])])[0], [14]), "without parameters")
    lib.destroy(m)


def differences(f, x, h=1e-6):
    """The gradient of f, a function of a list."""
    out = []
    for k in range(len(x)):
        up, down = list(x), list(x)
        up[k] += h
        down[k] -= h
        out.append((f(up) - f(down))/(2*h))
    return out


def test_products_with_jacobians():
    write("m.hnn", MODEL)
    hnnc("compile", "m.hnn", "-q", "--vjp=f", "--jvp", "f", "--hvp=quartic", "--vjp=f_vjp", "--vjp=one", "--jvp=T", "--grad=quartic")
    lib, so = library("m")
    m = lib.create()
    kinds = {lib.function[k].name.decode(): lib.function[k].kind.decode() for k in range(lib.nfunction)}
    check([kinds.get(k) for k in ("f_vjp", "f_jvp", "quartic_hvp", "f_vjp_vjp", "one_vjp", "T_jvp")] == ["vjp", "jvp", "hvp", "vjp", "vjp", "jvp"], "kinds", kinds)
    f, vjp, jvp, twice = (number(lib, *k) for k in (("f", "fn"), ("f_vjp", "vjp"), ("f_jvp", "jvp"), ("f_vjp_vjp", "vjp")))
    v = lib.function[vjp]
    check([v.in_[k].name for k in range(v.nin)] == [b"x", b"t", b"g0", b"g1"] and [v.out[k].name for k in range(v.nout)] == [b"x", b"t", b"gradient"], "its values")
    n = 70
    x, t = [math.sin(k) for k in range(3*n)], [math.cos(k) for k in range(n)]
    g0, g1 = [math.cos(3*k) for k in range(3*n)], [math.sin(7*k) for k in range(n)]

    def paired(x, t, g0, g1):
        out = call(lib, m, f, len(t), [numbers(x), numbers(t)])
        return sum(a*b for a, b in zip(out[0], g0)) + sum(a*b for a, b in zip(out[1], g1))

    def by_params(of):
        """The gradient by w and b, by differences."""
        out = []
        for k, e in ((0, 0), (0, 1), (0, 2), (1, 0)):
            was = lib.param(m, k)[e]
            d = []
            for h in 1e-6, -1e-6:
                lib.param(m, k)[e] = was + h
                d.append(of())
            lib.param(m, k)[e] = was
            out.append((d[0] - d[1])/2e-6)
        return out + [0]

    bar_x, bar_t, gradient = call(lib, m, vjp, n, [numbers(a) for a in (x, t, g0, g1)])
    check(close(bar_x, differences(lambda y: paired(y, t, g0, g1), x), 1e-7), "cotangents of x")
    check(close(bar_t, differences(lambda y: paired(x, y, g0, g1), t), 1e-7), "cotangents of t")
    check(close(gradient, by_params(lambda: paired(x, t, g0, g1)), 1e-7), "the gradient by parameters is a sum", gradient)
    one = call(lib, m, vjp, 1, [numbers(a) for a in (x[:3], t[:1], g0[:3], g1[:1])])
    check(one[0] == bar_x[:3] and one[1] == bar_t[:1], "one sample")
    check(lib.threads(m, 3) == 0 and call(lib, m, vjp, n, [numbers(a) for a in (x, t, g0, g1)]) == [bar_x, bar_t, gradient], "threads")
    lanes = [[a[3*s + e] for e in range(3) for s in range(n)] for a in (x, g0)]
    last = call(lib, m, vjp, n, [numbers(lanes[0]), numbers(t), numbers(lanes[1]), numbers(g1)], ld=n)
    check([last[0][e*n + s] for s in range(n) for e in range(3)] == bar_x and last[2] == gradient, "sample last")
    out = [numbers([1]), numbers([1]), numbers([7]*5)]
    check(lib.call(m, vjp, 0, 0, None, arrays(*out)) == 0 and list(out[2]) == [0]*5, "a sum over nothing")
    check(lib.call(m, vjp, 1, 0, arrays(*[numbers(a) for a in (x, t, g0, g1)]), arrays(out[0], out[1], None)) == -1 and b"result 2, `gradient`, is NULL" in lib.error(0),
          "no gradient", lib.error(0))
    v0, v1 = [math.sin(k + 1) for k in range(3*n)], [math.cos(k + 2) for k in range(n)]
    dot0, dot1 = call(lib, m, jvp, n, [numbers(a) for a in (x, t, v0, v1)])
    check(close([sum(a*b for a, b in zip(dot0, g0)) + sum(a*b for a, b in zip(dot1, g1))],
                [sum(a*b for a, b in zip(bar_x, v0)) + sum(a*b for a, b in zip(bar_t, v1))], 1e-11), "<J v, g> = <v, g J>")

    def paired_again(x, t, g0, g1):
        out = call(lib, m, vjp, len(t), [numbers(a) for a in (x, t, g0, g1)])
        return sum(a*b for a, b in zip(out[0], v0)) + sum(a*b for a, b in zip(out[1], v1))

    names = [lib.function[twice].in_[k].name.decode() for k in range(lib.function[twice].nin)]
    check(len(names) == 6 and len(set(names)) == 6, "cotangents of cotangents have names of their own", names)
    second = call(lib, m, twice, n, [numbers(a) for a in (x, t, g0, g1, v0, v1)])
    check(len(second) == 5, "by x, t, g0, g1, parameters")
    check(close(second[0], differences(lambda y: paired_again(y, t, g0, g1), x), 1e-6), "twice, by x")
    check(close(second[2], differences(lambda y: paired_again(x, t, y, g1), g0), 1e-6), "twice, by g0")
    check(close(second[4], by_params(lambda: paired_again(x, t, g0, g1)), 1e-6), "twice, by the parameters")
    hvp = call(lib, m, number(lib, "quartic_hvp", "hvp"), n, [numbers(x), numbers(v0)])[0]
    check(close(hvp, [12*x[3*s + e]**2*v0[3*s + e] + (v0[3*s + 1 - e] if e < 2 else 0) for s in range(n) for e in range(3)]), "the Hessian times a vector")
    value, slope = call(lib, m, number(lib, "quartic_grad", "grad"), n, [numbers(x)])
    check(list(value) == list(call(lib, m, number(lib, "quartic", "fn"), n, [numbers(x)])[0]), "the value with its gradient")
    check(close(slope, differences(lambda y: sum(call(lib, m, number(lib, "quartic", "fn"), n, [numbers(y)])[0]), x), 1e-7), "its gradient")
    check(close(call(lib, m, number(lib, "one_vjp", "vjp"), n, [numbers(t), numbers(g1)])[0], [-math.exp(-a)/2*b for a, b in zip(t, g1)]), "without parameters")
    lib.destroy(m)
    hnnc("compile", "m.hnn", "--vjp=quartik", code=1, says="--vjp=quartik: there is no function `quartik`, did you mean `quartic`?")
    hnnc("compile", "m.hnn", "--hvp=f", code=1, says="--hvp takes a function with one result, a scalar")
    hnnc("compile", "m.hnn", "--grad=f", code=1, says="--grad takes a function with one result, a scalar")
    hnnc("run", "m.hnn", "--hvp=f", code=2, says="--hvp")


def test_bad_calls():
    lib, so = made()
    m = lib.create()
    x, t, out = numbers([1, 2, 3]), numbers([1]), [numbers([7]*3), numbers([7])]
    def bad(code, says, *args):
        got = lib.call(*args)
        check(got == code and says in lib.error(0).decode(), "a bad call", got, lib.error(0))
        check(list(out[0]) == [7]*3 and list(out[1]) == [7], "nothing was written")
    bad(-1, "the model is NULL", None, 2, 1, 0, arrays(x, t), arrays(*out))
    bad(-1, "there is no function 15; there are 15", m, 15, 1, 0, arrays(x, t), arrays(*out))
    bad(-1, "there is no function -1", m, -1, 1, 0, arrays(x, t), arrays(*out))
    bad(-1, "`f`: argument 1, `t`, is NULL", m, 2, 1, 0, arrays(x, None), arrays(*out))
    bad(-1, "`f`: result 1 is NULL", m, 2, 1, 0, arrays(x, t), arrays(out[0], None))
    bad(-1, "`f`: argument 0, `x`, is NULL", m, 2, 1, 0, None, arrays(*out))
    bad(-1, "invalid number of samples, -2", m, 2, -2, 0, arrays(x, t), arrays(*out))
    bad(-1, "has ld 1, less than 2 samples", m, 2, 2, 0, arrays(x, t, ld=1), arrays(*out))
    bad(-1, "samples are too many", m, 2, 2**62, 0, arrays(x, t), arrays(*out))
    check(lib.call(m, 2, 0, 0, None, None) == 0, "no samples are fine")
    shared = numbers([0])
    check(lib.call(m, 10, 0, 0, None, arrays(shared)) == 0 and shared[0] == 4, "what needs no samples", list(shared))
    check(lib.call(m, number(lib, "fit", "loss"), 0, 0, None, arrays(out[1])) == 0 and math.isnan(out[1][0]), "a mean of nothing")
    check(not lib.param(m, 3) and b"there is no parameter 3; there are 3" in lib.error(0), "no parameter", lib.error(0))
    check([bool(lib.error(k)) for k in (1, -1, -2, -3, -4, 99)] == [True]*6, "texts")
    lib.destroy(None)
    lib.destroy(m)


def test_load_and_save():
    lib, so = made()
    hnnc("run", "m.hnn", "-q", "--out", "out")
    trained = [f for f in sorted(os.listdir("out/checkpoints")) if f.endswith(".safetensors")][-1]
    m, other = lib.create(), lib.create()
    check(lib.load(m, ("out/checkpoints/" + trained).encode()) == 0, "a checkpoint of a run", lib.error(0))
    check(lib.param(m, 0)[:3] != lib.param(other, 0)[:3], "it was read")
    check(lib.save(m, b"w.safetensors") == 0, "save", lib.error(0))
    names, meta = tensors("w.safetensors")
    check(sorted(names) == ["held/still", "lin/b", "lin/w"], "what was saved", names)
    check(meta["model"] == "m.hnn" and meta["model_hash"] == lib.hash.decode(), "of which model", meta)
    check(lib.load(other, b"w.safetensors") == 0 and [lib.param(other, k)[0] for k in range(3)] == [lib.param(m, k)[0] for k in range(3)], "the same bits")
    good = read("w.safetensors")
    length = struct.unpack("<Q", good[:8])[0]
    header = good[8:8 + length]
    def bad(image, says):
        write("bad.safetensors", image)
        before = [lib.param(other, k)[0] for k in range(3)]
        code = lib.load(other, b"bad.safetensors")
        check(code == -4 and says in lib.error(0).decode(), "a bad file", code, lib.error(0))
        check([lib.param(other, k)[0] for k in range(3)] == before, "nothing was changed")
    def with_header(h):
        return struct.pack("<Q", len(h)) + h + good[8 + length:]
    bad(b"", "not a safetensors file")
    bad(good[:20], "truncated")
    bad(good[:-1], "truncated")
    bad(with_header(header.replace(b'lin/w', b'lin/v')), "has no parameter `lin/w`")
    bad(with_header(header.replace(b'[3]', b'[1, 3]')), "`lin/w` has the shape [1, 3], expected [3]")
    bad(with_header(header.replace(b'F64', b'I64')), "is I64; only F32 and F64 are supported")
    bad(with_header(header.replace(b'"shape"', b'"sha')), "its header cannot be read")
    bad(with_header(b'{' * 200), "its header cannot be read")
    bad(good[:-8] + struct.pack("<d", math.nan), "is not finite")
    write("bad.safetensors", with_header(header.rstrip()[:-1] + b', "more": {"dtype": "I8", "x": [1, {"a": null}]}, "\\u00e9\\ud83d\\ude00": -1.5e3}'))
    check(lib.load(other, b"bad.safetensors") == 0, "what else is in it is passed over", lib.error(0))
    check(lib.load(m, b"nowhere/w") == -4 and b"No such file" in lib.error(0) and lib.save(m, b"nowhere/w") == -4, "no such place", lib.error(0))
    write("single.hnn", MODEL.replace("f64", "f32"))
    hnnc("compile", "single.hnn", "-q")
    lib, so = library("single")
    m = lib.create()
    check(lib.load(m, b"w.safetensors") == 0 and lib.save(m, b"single.safetensors") == 0, "f64 into f32", lib.error(0))
    lib.destroy(m)


def test_from_c_and_cpp():
    made()
    write("use.c", """#include "m.h"
#include <stdio.h>
int main(void) {
  m *a = m_create();
  const hnn_library *lib = m_library();
  double x[3] = {1, 2, 3}, t = 0.5, v, loss, gradient[M_REALS], out0[3], out1;
  if (!a || lib->abi != HNN_ABI) return 1;
  if (m_f(a, 1, x, &t, out0, &out1) || m_loss_fit(a, 1, x, &t, &v) || m_gradient_fit(a, 1, x, &t, &loss, gradient)) return 2;
  printf("%d %d %d\\n", v == loss, gradient[M_REALS - 1] == 0, m_f(a, 1, 0, &t, out0, &out1));
  printf("%s\\n", m_error(0));
  m *b = m_share(a);
  printf("%d\\n", b && !m_threads(b, 2) && m_save(b, "c.safetensors") == HNN_OK && m_load(a, "c.safetensors") == HNN_OK);
  m_destroy(b);
  lib->destroy(a);
  return 0;
}
""")
    for compiler, language in (("gcc", ["-x", "c", "-std=c11"]), ("g++", ["-x", "c++", "-std=c++11"]), ("clang-19", ["-x", "c", "-std=c11"])):
        if not shutil.which(compiler): continue
        p = subprocess.run([compiler, *language, "-Wall", "-Wextra", "-pedantic", "-Werror", "use.c", "-x", "none", "./m.so", "-Wl,-rpath,.", "-lm", "-o", "use"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        check(p.returncode == 0, "compiles", p.stdout)
        said = subprocess.run(["./use"], stdout=subprocess.PIPE, universal_newlines=True, timeout=60).stdout
        check(said == "1 1 -1\n`f`: argument 0, `x`, is NULL\n1\n", "what it says", compiler, said)


THREADS = """#include "m.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
enum { N = 700, THREADS = 8 };
static double x[3*N], t[N], want[4*N], slope[M_REALS + 1];
static int calls(m *h, double *out, double *g) {
  return m_f(h, N, x, t, out, out + 3*N) || m_gradient_fit(h, N, x, t, g, g + 1);
}
typedef struct Job { m *handle; int number, wrong; } Job;
static void *work(void *arg) {
  Job *j = arg;
  double *out = calloc(4*N, sizeof *out), g[M_REALS + 1];
  for (int turn = 0; turn < 5; turn++) {
    j->wrong += m_threads(j->handle, 1 + j->number % 3) || calls(j->handle, out, g);
    j->wrong += memcmp(out, want, sizeof want) || memcmp(g, slope, sizeof g);
    j->wrong += m_f(j->handle, -1 - j->number, x, t, out, out) != HNN_BAD_CALL || atoi(strrchr(m_error(0), ' ')) != -1 - j->number;
  }
  free(out);
  return NULL;
}
int main(void) {
  m *a = m_create();
  pthread_t thread[THREADS];
  Job job[THREADS];
  int wrong = 0;
  double loss;
  for (int k = 0; k < 3*N; k++) x[k] = sin(k);
  for (int k = 0; k < N; k++) t[k] = cos(k);
  if (!a || calls(a, want, slope)) return 1;
  for (int k = 0; k < THREADS; k++) {
    job[k] = (Job){m_share(a), k, 0};
    if (!job[k].handle || pthread_create(&thread[k], NULL, work, &job[k])) return 2;
  }
  for (int k = 0; k < THREADS; k++) {
    pthread_join(thread[k], NULL);
    wrong += job[k].wrong;
    m_destroy(job[k].handle);
  }
  wrong += m_train_fit(a, N, x, t, 0, &loss) || m_save(a, "w.safetensors") || m_load(a, "w.safetensors");
  m_destroy(a);
  printf("%d wrong\\n", wrong);
  return wrong;
}
"""


def test_threads_and_valgrind():
    """Eight threads over one set of parameters, from C; nothing is lost, and nothing is read that was not written."""
    write("m.hnn", MODEL)
    hnnc("compile", "m.hnn", "-q", "--cpu=x86-64" if os.uname().machine == "x86_64" else "-q")      # valgrind knows no AVX-512
    write("use.c", THREADS)
    subprocess.run(["cc", "use.c", "./m.so", "-Wl,-rpath,.", "-lm", "-lpthread", "-o", "use"], check=True)
    said = subprocess.run(["./use"], stdout=subprocess.PIPE, universal_newlines=True, timeout=60).stdout
    check(said == "0 wrong\n", "the same bits, and messages of their own", said)
    if not shutil.which("valgrind"): return
    p = subprocess.run(["valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=all", "./use"], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, universal_newlines=True, timeout=600)
    check(p.returncode == 0 and p.stdout == "0 wrong\n", "valgrind", p.returncode, p.stdout[-3000:])


def test_document():
    """The programs of docs/c-interface.md."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    text = read(os.path.join(root, "docs/c-interface.md")).decode()
    shutil.copy(os.path.join(root, "models/pendulum.hnn"), "pendulum.hnn")
    hnnc("compile", "pendulum.hnn", "-q")
    blocks = re.findall(r"```(c|python)\n(.*?)```", text, re.S)
    check([k for k, _ in blocks] == ["c", "python"], "blocks", [k for k, _ in blocks])
    write("use.c", blocks[0][1])
    subprocess.run(["cc", "use.c", "./pendulum.so", "-Wl,-rpath,.", "-lm", "-lpthread", "-o", "use"], check=True)
    said = subprocess.run(["./use"], stdout=subprocess.PIPE, universal_newlines=True, timeout=60).stdout
    wanted = re.search(r"^loss .*$", text, re.M).group(0)
    got, want = (re.findall(r"-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?", t) for t in (said, wanted))
    check(len(got) == len(want) and all(abs(float(a) - float(b)) <= 0.02*abs(float(b)) for a, b in zip(got, want)), "what it prints", said, wanted)
    write("use.py", blocks[1][1])
    if subprocess.run([sys.executable, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode: return
    p = subprocess.run([sys.executable, "use.py"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=60)
    check(p.returncode == 0 and p.stdout.startswith("["), "the program in Python", p.stdout)


sys.exit(main(globals()))
