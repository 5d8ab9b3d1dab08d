#!/usr/bin/env python3
"""Every function of models, asked by `hnnc eval` on arrays, gives the bits that libhnnc gives: test_eval_all.py HNNC LIBHNNC [TEST...]"""
import ctypes
import os
import random
import sys

LIBRARY = os.path.abspath(sys.argv.pop(2))

from driver_util import CACHE, check, hnnc, main, models      # noqa: E402
from test_driver_eval import arrays, npz                      # noqa: E402

SAMPLES = 3


class Value(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("rank", ctypes.c_int), ("dim", ctypes.c_uint32*8), ("elems", ctypes.c_size_t),
                ("per_sample", ctypes.c_bool), ("rows", ctypes.c_uint32), ("cols", ctypes.c_uint32), ("row", ctypes.c_void_p),
                ("col", ctypes.c_void_p)]


class Place(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char_p), ("numbers", ctypes.c_uint32*6)]


class Function(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("kind", ctypes.c_char_p), ("args", ctypes.POINTER(Value)), ("results", ctypes.POINTER(Value)),
                ("nargs", ctypes.c_size_t), ("nresults", ctypes.c_size_t), ("at", Place)]


def pointers(blocks):
    p = ctypes.POINTER(ctypes.c_double)
    return (p*max(1, len(blocks)))(*[ctypes.cast(b, p) for b in blocks])


def question(name, kind):
    return {"inverse": "inverse(%s)" % name[:-len("_inverse")], "logdet": "logdet(%s)" % name[:-len("_logdet")]}.get(kind, name)


def compare(lib, model, m, k, f):
    """Function k of m, by both; how many numbers were compared."""
    draw = random.Random(k)
    given, blocks = {}, []
    for v in f.args[:f.nargs]:
        x = [draw.gauss(0, 0.5) for _ in range(SAMPLES*v.elems)]
        given[v.name.decode()] = ((SAMPLES,) + tuple(v.dim[:v.rank]), x)
        blocks.append((ctypes.c_double*len(x))(*x))
    npz("in.npz", **given)
    want = [(ctypes.c_double*(SAMPLES*v.elems))() for v in f.results[:f.nresults]]
    check(lib.hnnc_call(m, ctypes.c_size_t(k), ctypes.c_size_t(SAMPLES), pointers(blocks), pointers(want)) == 0, "a call", f.name)
    hnnc("eval", model, question(f.name.decode(), f.kind.decode()), "in.npz", "-o", "out.npz", "-q")
    got = list(arrays("out.npz").values())
    check(len(got) == len(want), "results", f.name, got)
    for (shape, values, _), w, v in zip(got, want, f.results[:f.nresults]):
        check(shape == (SAMPLES,) + tuple(v.dim[:v.rank]), "the shape of `%s` of %s" % (f.name.decode(), model), shape)
        check(all(a == b or (a != a and b != b) for a, b in zip(values, w)), "`%s` of %s" % (f.name.decode(), model), values, list(w))
    return sum(len(w) for w in want)


def test_every_function():
    os.environ["HNNC_CACHE_DIR"] = CACHE
    lib = ctypes.CDLL(LIBRARY)
    lib.hnnc_open.restype = ctypes.c_void_p
    lib.hnnc_functions.restype = ctypes.c_size_t
    numbers, kinds = 0, set()
    for model in models()[1::6]:
        m = ctypes.c_void_p(lib.hnnc_open(model.encode(), None))
        check(lib.hnnc_state(m) == 0, "it opens", model)
        f = ctypes.POINTER(Function)()
        for k in range(lib.hnnc_functions(m, ctypes.byref(f))):
            kind = f[k].kind.decode()
            if kind not in ("loss", "gradient") and f[k].nargs:
                numbers += compare(lib, model, m, k, f[k])
                kinds.add(kind)
        lib.hnnc_close(m)
    check(numbers > 300 and {"fn", "hamiltonian", "net", "flow", "inverse", "logdet", "report"} <= kinds, "kinds of functions", numbers, kinds)


if __name__ == "__main__":
    sys.exit(main(globals()))
