"""Those that hnnc is measured beside. Each runs in a process of its own (peers/worker.py), started with the environment
and on the cores that the measurement asks for. A peer is a module with

    versions() -> {package: version}
    build(spec, data, start) -> job

where `data` and `start` (the start parameters in the order of the model's) are lists of arrays. A job has

    compile()        all that is done once; timed by the worker
    check() -> list  from the start parameters: the loss before each of spec["steps"] steps, or the function's result
    run() -> int     the measured loop once, blocking; gives the number of steps or calls it made

`build` raises Missing, with the reason, for what the peer cannot do.
"""

import os

import numpy as np

from workloads import error


class Missing(Exception):
    """Not a fault: this peer cannot do this workload, for the reason given."""


class Stepping:
    """A training that is stepped from Python: `reset` goes back to the start parameters, `step` gives the loss before
    it."""

    def run(self):
        self.losses = [self.step() for _ in range(self.spec["steps"])]
        return self.spec["steps"]

    def check(self):
        self.reset()
        self.run()
        return self.losses


def loosest(spec, tolerances, solve):
    """Of `tolerances`, from the tightest on, the last whose result has no larger error than hnnc's (the tightest has not always the least),
    or that of the least error if none has and it is at most ten times as large."""
    right, found, best, least = np.load(os.path.join(spec["folder"], "right.npy")), None, None, np.inf
    for tol in tolerances:
        off = error(solve(tol), right)
        if off < least:
            best, least = tol, off
        if off <= spec["quality"]:
            found = tol
        elif not off <= 10 * max(spec["quality"], least):
            break
    if found is None and not least <= 10 * spec["quality"]:
        raise Missing(f"its least error is {least:.1e}, hnnc's {spec['quality']:.1e}")
    return found or best


# name: (module, virtual environment below bench/venv, what it is)
PEERS = {
    "jax": ("peers.jax_peer", "", "JAX, latest: K steps in one jit(lax.scan), buffers donated, optax"),
    "jax-0.4.31": ("peers.jax_peer", "jax-0.4.31", "JAX 0.4.31, the same program, before XLA's thunk runtime"),
    "torch": ("peers.torch_peer", "", "PyTorch eager, autograd; torch.optim.Adam(fused=True)"),
    "torch-compile": ("peers.torch_compile_peer", "", "PyTorch, torch.func derivatives inside torch.compile"),
    "diffrax": ("peers.diffrax_peer", "", "diffrax, vmap over samples with steps of their own, K steps in one jit(lax.scan), optax; Dopri8 for orbits"),
    "diffrax-together": ("peers.diffrax_together_peer", "", "diffrax, the batch as one state with steps in common"),
    "torchdiffeq": ("peers.torchdiffeq_peer", "", "torchdiffeq, the batch as one state with steps in common; torch.optim.Adam(fused=True)"),
    "flowjax": ("peers.flowjax_peer", "", "FlowJAX, its layers, K steps in one jit(lax.scan), optax"),
    "nflows": ("peers.nflows_peer", "", "nflows, its layers, PyTorch eager; torch.optim.Adam(fused=True)"),
    "zuko": ("peers.zuko_peer", "", "zuko, likewise"),
    "numpy": ("peers.numpy_peer", "", "NumPy, arrays over the ensemble or the ring"),
    "blas": ("peers.blas_peer", "", "the HNN step derived by hand, NumPy on OpenBLAS"),
    "heyoka": ("peers.heyoka_peer", "", "heyoka, Taylor in batch mode, loosest tolerance with no larger energy error; variational equations for gradients"),
    "rebound": ("peers.rebound_peer", "", "REBOUND: IAS15, its loosest epsilon with no larger error"),
    "whfast": ("peers.whfast_peer", "", "REBOUND: WHFast with correctors, its longest step with no larger error"),
    "scipy": ("peers.scipy_peer", "", "SciPy: solve_ivp with DOP853 over NumPy, its loosest tolerance with no larger error"),
    "casadi": ("peers.casadi_peer", "", "CasADi, SX functions, fold over the steps, its virtual machine; sparse matrices by its colouring"),
    "casadi-c": ("peers.casadi_c_peer", "", "CasADi's generated C for sparse matrices, gcc -O3 -march=native"),
}
