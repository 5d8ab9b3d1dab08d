"""BlackJAX: the HMC chains of bench/chains by its `hmc` kernel."""
import blackjax
import jax
import jax.numpy as jnp

from peers import Missing, chains_jax


def versions():
    return {"blackjax": blackjax.__version__, "jax": jax.__version__}


class Hmc(chains_jax.Chains):
    def __init__(self, c):
        self.chains, self.turns = c["chains"], c["turns"]
        self.kernel = blackjax.hmc(chains_jax.log_density, c["dt"], jnp.ones(2), c["steps"])

    def first(self, key):
        q = 2*jax.random.normal(key, (self.chains, 2))
        return jax.vmap(self.kernel.init)(q), jnp.zeros(self.chains), jnp.zeros(self.chains)

    def step(self, state, key):
        at, accepted, r2 = state
        at, info = jax.vmap(self.kernel.step)(jax.random.split(key, self.chains), at)
        return at, accepted + info.is_accepted, r2 + jnp.sum(at.position**2, 1)

    check = chains_jax.Hmc.check


def build(spec, data, start):
    if spec["family"] != "hmc":
        raise Missing("BlackJAX has no Metropolis of lattices")
    jax.config.update("jax_enable_x64", spec["config"]["bits"] == 64)
    jax.config.update("jax_default_prng_impl", spec["config"]["rng"])
    return Hmc(spec["config"])
