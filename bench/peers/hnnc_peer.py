"""hnnc itself: the library that `hnnc compile` writes, its steps called in a loop by C (bench/loop.c). What runs is the
same code as in `hnnc run`, on arrays of the caller, as with the peers. A library trains on one thread; a function of
many samples is shared out between the cores that the process may use, a model for each."""
import ctypes
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from peers import Missing


def versions():
    return {}


class Shard:
    """A model of its own and the part of the samples that it works on."""

    def __init__(self, job, first, last):
        self.job, self.n = job, last - first
        self.model = None
        self.data = [a[first:last] for a in job.data]
        self.inputs = (ctypes.c_void_p * len(self.data))(*[a.ctypes.data for a in self.data])
        self.out = job.out[first:last] if job.is_call else job.loss
        self.reset()

    def reset(self):
        lib = self.job.lib
        lib.step_destroy(self.model)
        self.model = ctypes.c_void_p(lib.step_create())
        for k, value in enumerate(self.job.start):
            to = lib.step_param(self.model, ctypes.c_int(k))
            value = np.ascontiguousarray(value, self.job.dtype)
            ctypes.memmove(to, value.ctypes.data, value.nbytes)

    def run(self):
        job = self.job
        loop, times = (job.loop.bench_call, job.spec["config"].get("calls", 1)) if job.is_call else (job.loop.bench_train, job.spec["steps"])
        code = loop(job.fn, self.model, ctypes.c_int64(self.n), ctypes.c_int(len(self.data)), self.inputs,
                    ctypes.c_void_p(self.out.ctypes.data), ctypes.c_int64(times))
        if code:
            raise RuntimeError(f"the library returned {code}")
        return times


class Job:
    def __init__(self, spec, data, start):
        self.spec, self.data, self.start = spec, [np.ascontiguousarray(a) for a in data], start
        if all(a.ndim == 1 for a in data):
            self.data = list(np.stack(data))         # one block, as heyoka has it: pages are large then
        self.is_call = spec["kind"] == "call"
        self.dtype = np.float32 if spec["precision"] == "f32" else np.float64
        if any(a.dtype != self.dtype for a in data):
            raise Missing("the data has another precision than the model")
        self.out, self.loss = np.zeros(spec["out"] or 0, self.dtype), np.zeros(spec["steps"])

    def compile(self):
        folder, prefix = self.spec["folder"], "step_" if self.is_call else "step_train_"
        subprocess.run([self.spec["hnnc"], "compile", os.path.join(folder, "step.hnn")], check=True, capture_output=True)
        self.lib, self.loop = ctypes.CDLL(os.path.join(folder, "step.so")), ctypes.CDLL(self.spec["loop"])
        self.lib.step_create.restype = self.lib.step_param.restype = ctypes.c_void_p
        self.fn = ctypes.cast(getattr(self.lib, prefix + self.spec["entry"]), ctypes.c_void_p)
        batch = len(self.data[0])
        parts = min(len(os.sched_getaffinity(0)), batch) if self.is_call else 1
        self.shards = [Shard(self, batch * k // parts, batch * (k + 1) // parts) for k in range(parts)]
        self.pool = ThreadPoolExecutor(parts) if parts > 1 else None

    def run(self):
        if not self.pool:
            return self.shards[0].run()
        return list(self.pool.map(Shard.run, self.shards))[0]

    def check(self):
        for s in self.shards:
            s.reset()
        self.run()
        return (self.out if self.is_call else self.loss).ravel()


def build(spec, data, start):
    return Job(spec, data, start)


def read_start(folder, name="step"):
    """The start values of a compiled library: [(name, array)], in its order. Shapes are those of its header."""
    lib = ctypes.CDLL(os.path.join(folder, f"{name}.so"))
    lib.step_create.restype = lib.step_param.restype = ctypes.c_void_p
    model, found = ctypes.c_void_p(lib.step_create()), []
    with open(os.path.join(folder, f"{name}.h"), encoding="utf-8") as f:
        header = f.read()
    real = ctypes.c_double if "double *step_param" in header else ctypes.c_float
    rows = re.findall(r"^ \*  +(\d+) +(\S+) +((?:\[\d+\])+)$", header, re.M)
    for number, path, shape in rows:
        dims = [int(x) for x in shape.strip("[]").split("][")]
        at = ctypes.cast(lib.step_param(model, ctypes.c_int(int(number))), ctypes.POINTER(real))
        found.append((path, np.ctypeslib.as_array(at, shape=dims).copy()))
    lib.step_destroy(model)
    return found
