"""diffrax: adaptive neural ODEs of workloads/node_adaptive.py, one vmap over samples that have steps of their own; its default adjoint
(recursive checkpoints), K steps of optax in one jit(lax.scan)."""
import diffrax
import jax
import jax.numpy as jnp

from peers import Missing, jax_peer

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


def build(spec, data, start, together=False):
    if spec["family"] != "node-adaptive":
        raise Missing("diffrax is here for adaptive methods")
    jax_peer.LOSSES["node-adaptive"] = lambda *a: loss(together, *a)
    return jax_peer.Training(spec, data, start)
