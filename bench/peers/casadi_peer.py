"""CasADi: the step as a scalar (SX) function, `fold` over the steps, its virtual machine. Gradients by reverse mode; sparse
Jacobians and Hessians by CasADi's own colouring. As `casadi-c` the function is written as C, and compiled by gcc -O3."""
import os
import subprocess

import casadi as ca
import numpy as np

from peers import Missing, Stepping


def versions():
    return {"casadi": ca.__version__}


def leapfrog(x, d, force, dt):
    q, p = x[:d], x[d:]
    q = q + dt / 2 * p
    p = p + dt * force(q)
    return ca.vertcat(q + dt / 2 * p, p)


def attraction(k, q):
    r2 = q[0] * q[0] + q[1] * q[1]
    return -k * q / (r2 * ca.sqrt(r2))


def ring(q):
    d = ca.vertcat(q[1:], q[0]) - q
    f = d + d * d * d
    return f - ca.vertcat(f[-1], f[:-1])


class Call:
    def __init__(self, spec, data):
        self.spec, self.state = spec, np.concatenate(data, 1).T

    def compile(self):
        c, d = self.spec["config"], len(self.state) // 2
        force = ring if self.spec["family"] == "fput" else lambda q: attraction(1.0, q)
        x = ca.SX.sym("x", 2 * d)
        step = ca.Function("step", [x], [leapfrog(x, d, force, c["dt"])])
        self.fn = step.fold(c["orbit"])

    def run(self):
        self.out = np.stack([np.array(self.fn(s)).ravel() for s in self.state.T])
        return 1

    def check(self):
        self.run()
        return self.out.ravel()


class Matrix:
    """Evaluated in place through CasADi's buffers: no conversion of arguments, no Python but a loop over the calls."""

    def __init__(self, spec, data, generated):
        self.spec, self.q, self.generated = spec, np.array(data[0][0]), generated

    def compile(self):
        x = ca.SX.sym("x", len(self.q))
        d = ca.vertcat(x[1:], x[0]) - x
        matrix = (ca.jacobian(ring(x), x) if self.spec["family"] == "fput-jacobian"
                  else ca.hessian(ca.sum1(d * d / 2 + d * d * d * d / 4), x)[0])
        fn = ca.Function("matrix", [x], [matrix])
        self.pattern = fn.sparsity_out(0)
        self.fn = self.compiled(fn) if self.generated else fn
        self.out = np.zeros(self.pattern.nnz())
        self.buffer, self.call = self.fn.buffer()
        self.buffer.set_arg(0, memoryview(self.q))
        self.buffer.set_res(0, memoryview(self.out))

    def compiled(self, fn):
        folder = self.spec["folder"]
        made = ca.CodeGenerator("matrix")
        made.add(fn)
        made.generate(folder + os.sep)
        library = os.path.join(folder, "casadi_matrix.so")
        subprocess.run([os.environ.get("CC", "cc"), "-O3", "-march=native", "-shared", "-fPIC",
                        os.path.join(folder, "matrix.c"), "-o", library], check=True)
        return ca.external("matrix", library)

    def run(self):
        calls = self.spec["config"]["calls"]
        for _ in range(calls):
            self.call()
        return calls

    def check(self):
        """CasADi's nonzeros stand by columns."""
        self.run()
        rows, cols = np.array(self.pattern.row()), np.repeat(np.arange(len(self.q)), np.diff(self.pattern.colind()))
        return self.out[np.lexsort((cols, rows))]


class OrbitGradient(Stepping):
    def __init__(self, spec, data, start):
        self.spec, self.start = spec, start
        self.q, self.p, self.Q = data

    def compile(self):
        c = self.spec["config"]
        x, k = ca.SX.sym("x", 4), ca.SX.sym("k")
        moved = leapfrog(x, 2, lambda q: attraction(k, q), c["dt"])
        step = ca.Function("step", [x, k], [moved])
        # k is carried along with the state, so that `fold` and its adjoint see one argument.
        z = ca.SX.sym("z", 5)
        orbit = ca.Function("step", [z], [ca.vertcat(step(z[:4], z[4]), z[4])]).fold(c["orbit"])
        s, end, m = ca.MX.sym("s", 4), ca.MX.sym("end", 2), ca.MX.sym("m")
        value = ca.sumsqr(orbit(ca.vertcat(s, m))[:2] - end)
        self.fn = ca.Function("loss", [s, end, m], [value, ca.gradient(value, m)])
        self.reset()

    def reset(self):
        self.k = float(self.start[0][0])

    def step(self):
        each = np.array([[float(y) for y in self.fn(np.concatenate([q, p]), Q, self.k)]
                         for q, p, Q in zip(self.q, self.p, self.Q)])
        value, slope = each.mean(0)
        self.k -= self.spec["config"]["lr"] * slope
        return value


def build(spec, data, start, generated=False):
    if spec["family"] in ("fput-jacobian", "fput-hessian"):
        return Matrix(spec, data, generated)
    if generated:
        raise Missing("C is generated only for the sparse matrices")
    if spec["family"] in ("kepler", "fput"):
        return Call(spec, data)
    if spec["family"] == "orbit":
        return OrbitGradient(spec, data, start)
    raise Missing("CasADi is not used for training steps with matrices")
