#!/usr/bin/env python3
"""Arrays that NumPy writes, read by hnnc: data_numpy.py HNNC [COUNT]. For developers, it needs numpy.

COUNT files of random shape, type, byte order and layout, .npy of every version, .npz stored and deflated, and text by savetxt; a
weighted sum of each is reported and must be NumPy's."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

TYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]


def array(rng, shape):
    kind = TYPES[rng.integers(len(TYPES))]
    a = rng.integers(0, 2 if kind == "?" else 100, shape)
    a = a if kind[0] in "iu?" else a - 50.5
    if kind in ("i8", "u8"):
        a = a * 2**40
    a = np.asarray(a, dtype=(">" if rng.integers(3) == 0 and kind != "?" else "<") + kind if kind != "?" else "?")
    return np.asfortranarray(a) if rng.integers(3) == 0 else a


def weights(a):
    return np.arange(1, a[0].size + 1).reshape(a.shape[1:])


def expected(a):
    """The mean of the sums, and how far rounding may take it."""
    sums = [np.sum(row * weights(a)) for row in a.astype("f8")]
    return float(np.mean(sums)), 1e-13 * float(np.max(np.abs(a.astype("f8")) * weights(a)))


def report(name, a):
    w = np.array2string(weights(a), separator=", ", threshold=10**6).replace("\n", " ")
    return "report %s = %s on d\n" % (name, "sum(%s*%s)" % (name, w) if a.ndim > 1 else name)


def write_npz(rng, rows):
    arrays = {k: array(rng, (rows, *rng.integers(1, 4, rng.integers(0, 4)))) for k in "abc"[:rng.integers(1, 4)]}
    others = {"other": np.array([{"an": "object"}]), "text": np.array(["a", "b"]), "longer": np.zeros(rows + 1), "z": np.zeros(3, "c16")}
    (np.savez_compressed if rng.integers(2) else np.savez)("d.npz", **others, **arrays)
    text = 'data d = read("d.npz", %s)\n' % ", ".join(arrays) + "".join(report(k, a) for k, a in arrays.items())
    return text, {k: expected(a) for k, a in arrays.items()}


def write_npy(rng, rows):
    a = array(rng, (rows, *rng.integers(1, 4, rng.integers(0, 4))))
    with open("d.npy", "wb") as f:
        np.lib.format.write_array(f, a, version=[None, (1, 0), (2, 0), (3, 0)][rng.integers(4)])
    columns = [a] if a.ndim == 1 else [a[:, k] for k in range(a.shape[1])]
    names = ["c%d" % k for k in range(len(columns))]
    text = 'data d = read("d.npy", %s)\n' % ", ".join("%s = %d" % (n, k) for k, n in enumerate(names))
    return text + "".join(report(n, c) for n, c in zip(names, columns)), {n: expected(c) for n, c in zip(names, columns)}


def write_text(rng, rows):
    a = rng.normal(size=(rows, rng.integers(1, 6))) * 10.0 ** rng.integers(-30, 30)
    names = ["c%d" % k for k in range(a.shape[1])]
    separator = [" ", ",", ";", "\t"][rng.integers(4)]
    head = {"header": separator.join(names), "comments": ["", "# "][int(separator == " " and rng.integers(2))]} if rng.integers(2) else {}
    np.savetxt("d.txt", a, delimiter=separator, newline=["\n", "\r\n", "\r"][rng.integers(3)], fmt=["%.18e", "%.17g"][rng.integers(2)], **head)
    what = ", ".join(names) if head else ", ".join("%s = %d" % (n, k) for k, n in enumerate(names))
    text = 'data d = read("d.txt", %s)\n' % what
    return text + "".join(report(n, a[:, k]) for k, n in enumerate(names)), {n: expected(a[:, k]) for k, n in enumerate(names)}


def main(hnnc, count):
    rng = np.random.default_rng(1)
    os.chdir(tempfile.mkdtemp())
    for i in range(count):
        text, want = [write_npz, write_npy, write_text][i % 3](rng, int(rng.integers(2, 9)))
        open("d.hnn", "w").write("precision f64\n" + text)
        p = subprocess.run([hnnc, "run", "d.hnn", "--out", "out%d" % i, "-q"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        got = json.load(open("out%d/reports.json" % i))["reports"] if p.returncode == 0 else {}
        for name, (value, within) in want.items():
            if name not in got or abs(got[name]["mean"] - value) > within:
                sys.exit("file %d in %s: `%s` is %s, numpy has %r\n%s" % (i, os.getcwd(), name, got.get(name), value, p.stdout))
    print("%d files, no difference" % count)


main(os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200)
