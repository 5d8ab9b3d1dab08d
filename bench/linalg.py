"""Linear algebra of many small systems beside NumPy and JAX, on one core.

    bench/venv/bin/python bench/linalg.py [--hnnc build/driver/hnnc] [--systems 4096] [--sizes 4,8,16]

Each row is one operation on all systems in f64: solutions of one right-hand side, inverses, log|det|, Cholesky factors and
eigenvectors of the same random matrices, and the gradient of sum(solve(A, b)^2) by A. Results are compared before anything is
timed: a difference beyond rounding, measured by the condition of the matrices, is an error. Times are the least of many runs, of
which some are for warming up; the ratio is that of the peer's time to ours.
"""
import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import numpy as np  # noqa: E402

MODEL = """precision f64
const n = {n}
fn f_solve(A: real[n, n], b: real[n]) -> real[n] = solve(A, b)
fn f_grad(A: real[n, n], b: real[n]) -> real[n, n] = grad(sum(solve(A, b)^2), A)
fn f_inv(A: real[n, n]) -> real[n, n] = inv(A)
fn f_logabsdet(A: real[n, n]) -> real = logabsdet(A)
fn f_cholesky(S: real[n, n]) -> real[n, n] = cholesky(S)
fn f_eigh(S: real[n, n]) -> real[n, n] {{
  let (w, v) = eigh(S)
  return v @ diag(w) @ v.T
}}
"""


def least(f, seconds=0.5):
    best, end = float("inf"), time.perf_counter() + seconds
    for _ in range(3):
        f()
    while time.perf_counter() < end:
        start = time.perf_counter()
        f()
        best = min(best, time.perf_counter() - start)
    return best


class Ours:
    def __init__(self, hnnc, n, folder):
        path, out = os.path.join(folder, "linalg%d.hnn" % n), os.path.join(folder, "lib%d" % n)
        with open(path, "w", encoding="utf-8") as f:
            f.write(MODEL.format(n=n))
        subprocess.run([hnnc, "compile", path, "-o", out], check=True, stdout=subprocess.DEVNULL)
        self.lib, self.name = ctypes.CDLL(out + ".so"), "lib%d" % n
        create = getattr(self.lib, self.name + "_create")
        create.restype = ctypes.c_void_p
        self.model = create()

    def function(self, name, inputs, shape):
        f, out = getattr(self.lib, "%s_f_%s" % (self.name, name)), np.zeros(shape)
        args = [ctypes.c_void_p(self.model), ctypes.c_int64(len(inputs[0]))] + [ctypes.c_void_p(a.ctypes.data) for a in inputs + [out]]
        return lambda: f(*args) and sys.exit("error: f_%s failed" % name), out


def grad_numpy(A, b):
    x = np.linalg.solve(A, b[..., None])
    return -np.linalg.solve(A.swapaxes(1, 2), 2 * x) @ x.swapaxes(1, 2)


def eigh_numpy(S):
    w, v = np.linalg.eigh(S)
    return (v * w[:, None, :]) @ v.swapaxes(1, 2)


NUMPY = {
    "solve": lambda A, b, S: np.linalg.solve(A, b[..., None])[..., 0],
    "grad": lambda A, b, S: grad_numpy(A, b),
    "inv": lambda A, b, S: np.linalg.inv(A),
    "logabsdet": lambda A, b, S: np.linalg.slogdet(A)[1],
    "cholesky": lambda A, b, S: np.linalg.cholesky(S),
    "eigh": lambda A, b, S: eigh_numpy(S),
}


def jax_peers():
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)

    def eigh(S):
        w, v = jnp.linalg.eigh(S)
        return (v * w) @ v.T

    one = {
        "solve": lambda A, b, S: jnp.linalg.solve(A, b),
        "grad": lambda A, b, S: jax.grad(lambda M: jnp.sum(jnp.linalg.solve(M, b) ** 2))(A),
        "inv": lambda A, b, S: jnp.linalg.inv(A),
        "logabsdet": lambda A, b, S: jnp.linalg.slogdet(A)[1],
        "cholesky": lambda A, b, S: jnp.linalg.cholesky(S),
        "eigh": lambda A, b, S: eigh(S),
    }
    return {name: jax.jit(jax.vmap(f)) for name, f in one.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hnnc", default="build/driver/hnnc")
    parser.add_argument("--systems", type=int, default=4096)
    parser.add_argument("--sizes", type=lambda s: [int(x) for x in s.split(",")], default=[4, 8, 16])
    args = parser.parse_args()
    jax, rng = jax_peers(), np.random.default_rng(0)
    print("%d systems, f64, one core, ms" % args.systems)
    print("| | n | hnnc | NumPy | JAX | NumPy/hnnc | JAX/hnnc |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for n in args.sizes:
            ours = Ours(args.hnnc, n, folder)
            A, b = rng.normal(size=(args.systems, n, n)), rng.normal(size=(args.systems, n))
            S = A @ A.swapaxes(1, 2) + np.eye(n)
            bound = 1e-13 * n * np.linalg.cond(A) ** 2
            for name, peer in NUMPY.items():
                inputs = {"cholesky": [S], "eigh": [S], "solve": [A, b], "grad": [A, b]}.get(name, [A])
                want = peer(A, b, S)
                run, out = ours.function(name, inputs, want.shape)
                run()
                near = np.abs(out - want).reshape(len(A), -1).max(1) / np.abs(want).reshape(len(A), -1).max(1)
                if not np.all(near <= bound):
                    sys.exit("error: %s of size %d differs from NumPy" % (name, n))
                t, of_numpy = least(run), least(lambda: peer(A, b, S))
                of_jax = None
                if jax:
                    theirs = jax[name](A, b, S)
                    of_jax = least(lambda: jax[name](A, b, S).block_until_ready())
                    del theirs
                print("| %s | %d | %.3f | %.2f | %s | %.1f | %s |" % (name, n, 1e3 * t, 1e3 * of_numpy, "%.2f" % (1e3 * of_jax) if jax else "-",
                                                               of_numpy / t, "%.1f" % (of_jax / t) if jax else "-"), flush=True)


if __name__ == "__main__":
    main()
