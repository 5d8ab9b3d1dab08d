"""diffrax: adaptive neural ODEs of workloads/node_adaptive.py, one vmap over samples that have steps of their own; its default adjoint
(recursive checkpoints), K steps of optax in one jit(lax.scan). A learned field of workloads/orbits.py: Dopri8 in f64, a step size of its
own for each orbit."""
import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from peers import Missing, jax_peer, loosest

SOLVERS = {"dopri5": diffrax.Dopri5, "tsit5": diffrax.Tsit5}


def versions():
    return jax_peer.versions() | {"diffrax": diffrax.__version__}


def loss(together, config, params, data):
    x, y = data
    times = jnp.linspace(0, config["span"], config["points"], dtype=x.dtype)
    term = diffrax.ODETerm(lambda t, x, p: jax_peer.mlp(p, x))
    control = diffrax.PIDController(rtol=config["tol"], atol=config["tol"])

    def solve(x):
        return diffrax.diffeqsolve(term, SOLVERS[config["method"]](), times[0], times[-1], None, x, args=params,
                                   saveat=diffrax.SaveAt(ts=times), stepsize_controller=control).ys
    z = solve(x).transpose(1, 0, 2) if together else jax.vmap(solve)(x)
    return jnp.mean((z - y) ** 2)


class Learned:
    def __init__(self, spec, data, start):
        w0, b0, w1, b1, w2 = (jnp.asarray(a) for a in start[:5])

        def energy(z):
            return w2[0] @ jnp.tanh(w1 @ jnp.tanh(w0 @ z + b0) + b1) + jnp.sum(z * z) / 2

        def rates(t, z, args):
            g = jax.grad(energy)(z)
            return jnp.stack([g[1], -g[0]])
        self.rates, self.span = rates, spec["config"]["span"]
        self.begin = jnp.asarray(np.concatenate(data, -1))
        self.rtol = loosest(spec, [10.0**-k for k in range(14, 4, -1)], self.solved)
        jax.clear_caches()

    def make(self, rtol):
        def one(z):
            return diffrax.diffeqsolve(diffrax.ODETerm(self.rates), diffrax.Dopri8(), 0.0, self.span, None, z, max_steps=None,
                                       stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol / 100)).ys[0]
        self.f = jax.jit(jax.vmap(one))

    def solved(self, rtol):
        self.make(rtol)
        return self.check()

    def compile(self):
        self.make(self.rtol)
        self.run()

    def run(self):
        self.out = self.f(self.begin).block_until_ready()
        return 1

    def check(self):
        self.run()
        return np.asarray(self.out).ravel()


def build(spec, data, start, together=False):
    if spec["family"] == "learned" and not together:
        return Learned(spec, data, start)
    if spec["family"] != "node-adaptive":
        raise Missing("diffrax is here for adaptive methods")
    jax_peer.LOSSES["node-adaptive"] = lambda *a: loss(together, *a)
    return jax_peer.Training(spec, data, start)
