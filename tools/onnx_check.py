"""onnx_check.py HNNC [MODEL.hnn ... | --random FIRST COUNT]: see tools/test_onnx, which calls it."""
import ctypes as c
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SAMPLES, SEED = 7, 1
WITHIN = {"f64": 1e-13, "f32": 1e-5}  # of the largest number of a result
AMPLIFIED = 50  # what is not within: so many times as much as by the last place of its arguments, where a system is chaotic


# ---- the library: runtime/library/model.h ---------------------------------------------------------------------------

class Array(c.Structure):
    _fields_ = [("p", c.c_void_p), ("ld", c.c_int64)]


class Value(c.Structure):
    _fields_ = [("name", c.c_char_p), ("rank", c.c_int32), ("dim", c.c_uint32 * 8), ("elems", c.c_int64), ("per_sample", c.c_int32),
                ("rows", c.c_uint32), ("cols", c.c_uint32), ("row", c.c_void_p), ("col", c.c_void_p)]

    def shape(self, n):
        return ((n,) if self.per_sample else ()) + tuple(self.dim[:self.rank])


class Function(c.Structure):
    _fields_ = [("name", c.c_char_p), ("kind", c.c_char_p), ("nin", c.c_int32), ("nout", c.c_int32), ("in_", c.POINTER(Value)),
                ("out", c.POINTER(Value)), ("flop", c.c_int64), ("draws", c.c_int32)]


class Parameter(c.Structure):
    _fields_ = [("path", c.c_char_p), ("rank", c.c_int32), ("dim", c.c_uint32 * 8), ("elems", c.c_int64), ("first", c.c_int64)]


class Library(c.Structure):
    _fields_ = [("abi", c.c_uint32), ("size", c.c_uint32)] + [(k, c.c_char_p) for k in "name source compiler hash cpu features".split()] + [
        (k, c.c_int32) for k in "f64 nfunction nparameter ntraining nproof".split()] + [
        ("function", c.POINTER(Function)), ("parameter", c.POINTER(Parameter)), ("training", c.c_void_p), ("proof", c.c_void_p), ("reals", c.c_int64),
        ("create", c.CFUNCTYPE(c.c_void_p)), ("destroy", c.CFUNCTYPE(None, c.c_void_p)), ("share", c.c_void_p), ("threads", c.c_void_p),
        ("param", c.c_void_p),
        ("call", c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int, c.c_int64, c.c_uint64, c.POINTER(Array), c.POINTER(Array))), ("step", c.c_void_p),
        ("load", c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_char_p)), ("save", c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_char_p))]


def call(lib, model, k, args, n):
    f, kind = lib.function[k], "f8" if lib.f64 else "f4"
    out = [np.zeros(f.out[i].shape(n), kind) for i in range(f.nout)]
    arrays = [(Array * (len(list_) + 1))(*[Array(a.ctypes.data, 0) for a in list_]) for list_ in (args, out)]
    return lib.call(model, k, n, 0, arrays[0], arrays[1]), out


# ---- one function ------------------------------------------------------------------------------------------------------

def session(path):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def difference(a, b):
    """Of the largest number, or of 1, the size of the arguments; infinite where one is none and the other is."""
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)): return np.inf
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True): return np.inf
    return np.max(np.abs(a[finite] - b[finite]), initial=0) / max(np.max(np.abs(b[finite]), initial=0), 1)


def moved(args, rng):
    """By one unit in the last place."""
    return [np.nextafter(a, a + rng.choice([-1, 1], a.shape).astype(a.dtype)) for a in args]


def arguments(lib, model, k, rng, n):
    """Random ones, their results, and how much these change with the last place: not much and finite, if there are such arguments."""
    f, found = lib.function[k], None
    for make in (lambda s: rng.normal(0, 0.7, s), lambda s: np.abs(rng.normal(0, 0.7, s)), lambda s: rng.normal(0, 0.1, s),
                 lambda s: rng.uniform(0.1, 0.9, s), lambda s: rng.uniform(0, 1, s) + np.arange(np.prod(s)).reshape(s),
                 lambda s: np.floor(rng.uniform(0, 2, s)), lambda s: np.full(s, 0.5)):
        args = [make(f.in_[i].shape(n)).astype("f8" if lib.f64 else "f4") for i in range(f.nin)]
        code, want = call(lib, model, k, args, n)
        if code: raise RuntimeError("the library says %d" % code)
        shaken = max(difference(a, w) for _ in range(3) for a, w in zip(call(lib, model, k, moved(args, rng), n)[1], want))
        if all(np.all(np.isfinite(w)) for w in want):
            if shaken < 1e-3: return args, want, shaken
            found = found or (args, want, 0 if shaken == np.inf else shaken)  # an index has no other last place
    return found or (args, want, 0)


def end_to_end(lib, run, got):
    """Of a gradient: the loss, and the gradients by parameters where the library has them. A stack's turns are parameters there."""
    bare = lambda path: re.sub(r"[.\[:]\d+\]?", "", path)
    first = {}
    for k in reversed(range(lib.nparameter)):
        path = lib.parameter[k].path.decode()
        first[path] = first[bare(path)] = lib.parameter[k].first
    flat = np.zeros(lib.reals, "f8" if lib.f64 else "f4")
    for x, v in zip(run.get_outputs()[1:], got[1:]):
        path = x.name.split(".", 1)[1]
        at = first[path if path in first else bare(path)]
        flat[at:at + v.size] = v.ravel()
    return [got[0], flat]


def compare(lib, model, k, path):
    """The largest difference, how much results change with the last place of the arguments, the share of numbers that are finite."""
    f, run, rng = lib.function[k], session(path), np.random.default_rng(SEED)
    worst, shaken, finite = 0, 0, 1
    for n in (SAMPLES, 1):
        args, want, by = arguments(lib, model, k, rng, n)
        got = run.run(None, {f.in_[i].name.decode(): args[i] for i in range(f.nin)})
        if f.kind == b"gradient": got = end_to_end(lib, run, got)
        if len(got) != len(want): return np.inf, 0, 0
        worst = max([worst] + [difference(g.astype(w.dtype), w) for g, w in zip(got, want)])
        shaken = max(shaken, by)
        finite = min([finite] + [np.mean(np.isfinite(w)) for w in want])
    return worst, shaken, finite


# ---- weights: a flow that is the identity at its start says little -----------------------------------------------------

def shake(path):
    """Moves all numbers of a safetensors file."""
    with open(path, "rb") as f: data = f.read()
    size = int.from_bytes(data[:8], "little")
    rng, out = np.random.default_rng(SEED), bytearray(data)
    for name, t in json.loads(data[8:8 + size]).items():
        if name == "__metadata__" or t["dtype"] not in ("F32", "F64"): continue
        a, b = (8 + size + k for k in t["data_offsets"])
        v = np.frombuffer(data[a:b], "f8" if t["dtype"] == "F64" else "f4")
        out[a:b] = (v*(1 + 0.05*rng.normal(size=v.size)) + 0.02*rng.normal(size=v.size)).astype(v.dtype).tobytes()
    with open(path, "wb") as f: f.write(out)


# ---- a model -------------------------------------------------------------------------------------------------------------

def compile_(hnnc, path, *more):
    return subprocess.run([hnnc, "compile", path, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_model(hnnc, path, products):
    """Differences, what is to be said, what is wrong."""
    name = os.path.splitext(os.path.basename(path))[0]
    p = compile_(hnnc, path, "-o", "./", "-q", *products)
    if "error[file]" in p.stderr: return [], ["left out: its data are not here"], []
    if p.returncode: return [], [], ["%s: %s" % (path, p.stderr)]
    so = c.CDLL(os.path.abspath(name + ".so"))
    lib, done, wrong = Library.in_dll(so, "hnn_library_1"), [], []
    model, weights = lib.create(), (name + ".safetensors").encode()
    if lib.nparameter:
        lib.save(model, weights)
        shake(weights)
        if lib.load(model, weights): return [], [], [path + ": weights"]
        products = products + ["--params", weights.decode()]
    p = compile_(hnnc, path, "-o", "./", "--emit=onnx", *products)
    out = [line.strip() for line in p.stdout.splitlines() if "left out" in line]
    if p.returncode: return [], out, ["%s: %s" % (path, p.stderr)]
    for k in range(lib.nfunction):
        kind, function = lib.function[k].kind.decode(), lib.function[k].name.decode()
        files = [name + "." + file + ".onnx" for file in (function, kind + "_" + function)]
        file = files[1] if kind in ("loss", "gradient") or (kind == "report" and os.path.exists(files[1])) else files[0]
        if not os.path.exists(file): continue
        try: d, shaken, finite = compare(lib, model, k, file)
        except Exception as e: d, shaken, finite = np.inf, 0, 0; print("  %s: %s" % (file, str(e)[:600]))
        within = WITHIN["f64" if lib.f64 else "f32"]
        if not d <= max(within, AMPLIFIED*shaken): wrong.append("%s: %s `%s`: %.3g" % (path, kind, function, d))
        elif d > within: out.append("%s `%s`: differs by %.2g, and by %.2g with the last place of its arguments" % (kind, function, d, shaken))
        if finite < 1: out.append("%s `%s`: %.0f %% of its numbers are finite" % (kind, function, 100*finite))
        done.append((d if d <= within else 0))
    lib.destroy(model)
    return done, out, wrong


def check_page(hnnc):
    """The example of docs/onnx.md."""
    with open(os.path.join(ROOT, "docs", "onnx.md")) as f: text = f.read()
    fence = {kind: re.search("```%s\n(.*?)```" % kind, text, re.S).group(1) for kind in ("hnn", "sh", "python")}
    with open("spring.hnn", "w") as f: f.write(fence["hnn"])
    for line in fence["sh"].splitlines(): subprocess.run([hnnc] + line.split()[1:], check=True, stdout=subprocess.DEVNULL)
    exec(fence["python"], {})


def own_models():
    """All operators, in both precisions."""
    with open(os.path.join(ROOT, "tests", "driver", "onnx.hnn")) as f: text = f.read()
    for kind in ("f64", "f32"):
        with open("operators_%s.hnn" % kind, "w") as f: f.write(text.replace("precision f64", "precision " + kind))
    return [os.path.abspath("operators_%s.hnn" % kind) for kind in ("f64", "f32")]


def random_models(first, count):
    """Programs of tests/differential, ten in a file, in turns of both precisions."""
    sys.path.insert(0, os.path.join(ROOT, "tests", "differential"))
    import generate
    kinds = [k for k in generate.KINDS if k != "runs"]
    for at in range(first, first + count, 10):
        texts = [generate.case("%d" % seed, kinds).text for seed in range(at, min(at + 10, first + count))]
        with open("random_%d.hnn" % at, "w") as f: f.write("precision f%d\n%s\n" % (64 if at // 10 % 3 else 32, "\n".join(texts)))
        yield os.path.abspath("random_%d.hnn" % at)


def main(hnnc, paths):
    random_ = [int(n) for n in paths[1:]] if paths[:1] == ["--random"] else None
    if random_: paths = []
    own = not paths and not random_
    paths = [os.path.abspath(p) for p in paths]
    if own: paths = sorted(glob.glob(os.path.join(ROOT, "models", "*.hnn")))
    home, hnnc = tempfile.mkdtemp(prefix="hnnc-onnx-"), os.path.abspath(hnnc)
    os.chdir(home)
    if own: paths += own_models()
    if random_: paths = list(random_models(*random_))
    functions, failed, all_out = 0, [], []
    if own: check_page(hnnc)
    for path in paths:
        products = ["--vjp=quartic", "--jvp=quartic", "--hvp=quartic"] if "operators_" in path else []
        done, out, wrong = check_model(hnnc, path, products)
        functions, failed = functions + len(done), failed + wrong
        all_out += ["%s: %s" % (os.path.basename(path), line) for line in out]
        print("%-28s %3d functions, at most %.2g" % (os.path.basename(path), len(done), max(done, default=0)), flush=True)
    shutil.rmtree(home)
    print("\n".join(all_out + failed))
    print("%d functions of %d models; %d passed, %d failed" % (functions, len(paths), functions - len(failed), len(failed)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
