"""Compiles programs with hnnc and calls what comes out, by the declarations of the header."""
import ctypes
import os
import re
import subprocess
import tempfile

import scalar as s
import tensor as t

DECLARED = re.compile(r"int (\w+?)_(\w+)\((?:\w+) \*m, int64_t n((?:, [^)]*)?)\);")
COMMENT = re.compile(r"/\* (?:\w+ )+?`[^`]*`[^.]*\. (.*?)\. \*/|/\* (?:\w+) `([^`]+)`. (.*?)\. \*/", re.S)
SHAPE = re.compile(r"(\w+): \[n\]((?:\[\d+\])*)")


class Failed(Exception):
    """hnnc or its library did not do what was asked: (exit code, text)."""

    def __init__(self, code, text):
        super().__init__("exit %s: %s" % (code, text))
        self.code, self.text = code, text


class Library:
    """A compiled program: its functions take and give lists of samples, each a list of Tensors."""

    def __init__(self, hnnc, text, precision, folder, seconds=120):
        self.precision = precision
        self.real = ctypes.c_float if precision is s.F32 else ctypes.c_double
        path = tempfile.mkdtemp(dir=folder)
        source = os.path.join(path, "m.hnn")
        with open(source, "w", encoding="utf-8") as f:
            f.write("precision %s\n%s" % (precision.name, text))
        try:
            done = subprocess.run([hnnc, "compile", source], capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failed("time", "compiling took more than %d s" % seconds) from None
        if done.returncode:
            raise Failed(done.returncode, (done.stderr or done.stdout).strip())
        self.lib = ctypes.CDLL(os.path.join(path, "m.so"))
        self.lib.m_create.restype = ctypes.c_void_p
        self.functions = self.declarations(open(os.path.join(path, "m.h"), encoding="utf-8").read())
        self.model = ctypes.c_void_p(self.lib.m_create())

    @staticmethod
    def declarations(header):
        """name -> (shapes of the inputs, shapes of the outputs)."""
        out = {}
        for m in re.finditer(r"/\* (?:(?!\*/).)*?\*/\s*int m_(\w+)\(m \*m, int64_t n[^)]*\);", header, re.S):
            comment = m.group(0)[:m.group(0).index("*/")]
            shapes = [(n, tuple(int(k) for k in re.findall(r"\d+", d))) for n, d in SHAPE.findall(comment)]
            results = len(re.findall(r"\w+ \*(out\d*)\b", re.sub(r"const \w+ \*\w+", "", m.group(0)[len(comment):])))
            at = len(shapes) - results
            out[m.group(1)] = (shapes[:at], shapes[at:])
        return out

    def buffer(self, samples, k):
        values = [v.v for x in samples for v in x[k].data]
        return (self.real * len(values))(*values)

    def call(self, name, samples):
        """The outputs of each sample, as lists of Python floats."""
        inputs, outputs = self.functions[name]
        n = len(samples)
        ins = [self.buffer(samples, k) for k in range(len(inputs))]
        sizes = [t.count(shape) for _, shape in outputs]
        outs = [(self.real * (size * n))() for size in sizes]
        code = getattr(self.lib, "m_" + name)(self.model, ctypes.c_int64(n), *ins, *outs)
        if code:
            raise Failed(code, "%s returned %d" % (name, code))
        return [[list(o[k * size:(k + 1) * size]) for o, size in zip(outs, sizes)] for k in range(n)]

    # ---- training ----

    def params(self):
        """path -> flat values."""
        out, k = {}, 0
        self.lib.m_param_name.restype = ctypes.c_char_p
        self.lib.m_param_size.restype = ctypes.c_int64
        self.lib.m_param.restype = ctypes.POINTER(self.real)
        while True:
            name = self.lib.m_param_name(self.model, k) if False else self.lib.m_param_name(k)
            if not name:
                return out
            values = self.lib.m_param(self.model, k)
            out[name.decode()] = [values[i] for i in range(self.lib.m_param_size(k))]
            k += 1

    def train(self, name, fields, samples):
        """One step; the mean loss before it, or None where the library refused it. `fields` are the loss's, in the header's order."""
        ins = [self.buffer(samples, k) for k in fields]
        loss = ctypes.c_double()
        code = getattr(self.lib, "m_train_" + name)(self.model, ctypes.c_int64(len(samples)), *ins, ctypes.c_double(0), ctypes.byref(loss))
        return None if code == 1 else loss.value

    def close(self):
        if self.model:
            self.lib.m_destroy(self.model)
            self.model = None
