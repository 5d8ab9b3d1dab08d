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


# name: (module, virtual environment below bench/venv, what it is)
PEERS = {
    "jax": ("peers.jax_peer", "", "JAX, latest: K steps in one jit(lax.scan), buffers donated, optax"),
    "jax-0.4.31": ("peers.jax_peer", "jax-0.4.31", "JAX 0.4.31, the same program, before XLA's thunk runtime"),
    "torch": ("peers.torch_peer", "", "PyTorch eager, autograd; torch.optim.Adam(fused=True)"),
    "torch-compile": ("peers.torch_compile_peer", "", "PyTorch, torch.func derivatives inside torch.compile"),
    "diffrax": ("peers.diffrax_peer", "", "diffrax, vmap over samples with steps of their own, K steps in one jit(lax.scan), optax"),
    "diffrax-together": ("peers.diffrax_together_peer", "", "diffrax, the batch as one state with steps in common"),
    "torchdiffeq": ("peers.torchdiffeq_peer", "", "torchdiffeq, the batch as one state with steps in common; torch.optim.Adam(fused=True)"),
    "flowjax": ("peers.flowjax_peer", "", "FlowJAX, its layers, K steps in one jit(lax.scan), optax"),
    "nflows": ("peers.nflows_peer", "", "nflows, its layers, PyTorch eager; torch.optim.Adam(fused=True)"),
    "zuko": ("peers.zuko_peer", "", "zuko, likewise"),
    "numpy": ("peers.numpy_peer", "", "NumPy, arrays over the ensemble or the ring"),
    "blas": ("peers.blas_peer", "", "the HNN step derived by hand, NumPy on OpenBLAS"),
    "heyoka": ("peers.heyoka_peer", "", "heyoka, Taylor in batch mode, loosest tolerance with no larger energy error; variational equations for gradients"),
    "casadi": ("peers.casadi_peer", "", "CasADi, SX functions, fold over the steps, its virtual machine; sparse matrices by its colouring"),
    "casadi-c": ("peers.casadi_c_peer", "", "CasADi's generated C for sparse matrices, gcc -O3 -march=native"),
}
