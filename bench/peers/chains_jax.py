"""JAX: the chains of bench/chains, all sweeps one compiled loop. `spec["config"]` has `bits` (32 or 64) and `rng` (threefry2x32, rbg)."""
import math

import jax
import jax.numpy as jnp


def versions():
    return {"jax": jax.__version__}


def neighbours(s):
    return jnp.roll(s, 1, 1) + jnp.roll(s, -1, 1) + jnp.roll(s, 1, 2) + jnp.roll(s, -1, 2)


class Chains:
    """`step` (state, key) -> state, `turns` times; `first` (key) -> state."""

    def compile(self):
        self.key = jax.random.PRNGKey(3)
        def whole(key):
            start, rest = jax.random.split(key)
            return jax.lax.fori_loop(0, self.turns, lambda t, x: self.step(x, jax.random.fold_in(rest, t)), self.first(start))
        self.whole = jax.jit(whole)
        self.run()

    def run(self):
        self.key, key = jax.random.split(self.key)
        self.state = jax.block_until_ready(self.whole(key))
        return self.chains*self.turns


class Ising(Chains):
    def __init__(self, c):
        self.L, self.beta, self.chains, self.turns = c["L"], c["beta"], c["chains"], c["sweeps"]
        i, j = jnp.indices((self.L, self.L))
        self.black = ((i + j) % 2).astype(float)

    def first(self, key):
        return jnp.sign(jax.random.uniform(key, (self.chains, self.L, self.L), minval=-1))

    def half(self, s, mask, key):
        return jnp.where(jax.random.uniform(key, s.shape) < mask*jnp.exp(-2*self.beta*s*neighbours(s)), -s, s)

    def step(self, s, key):
        a, b = jax.random.split(key)
        return self.half(self.half(s, self.black, a), 1 - self.black, b)

    def check(self):
        self.run()
        s = self.state
        e = -jnp.sum(s*(jnp.roll(s, 1, 1) + jnp.roll(s, 1, 2)), (1, 2))
        return [float(e.mean()), float(e.std(ddof=1)/math.sqrt(len(e)))]


def log_density(q):
    return -(jnp.linalg.norm(q, axis=-1) - 2)**2/0.32


class Hmc(Chains):
    """Written out: the same leapfrog, momenta of unit mass, all chains at once. The state: q, accepted, the sum of r^2."""

    def __init__(self, c):
        self.chains, self.turns, self.dt, self.steps = c["chains"], c["turns"], c["dt"], c["steps"]
        self.force = jax.vmap(jax.grad(log_density))

    def first(self, key):
        return 2*jax.random.normal(key, (self.chains, 2)), jnp.zeros(self.chains), jnp.zeros(self.chains)

    def step(self, state, key):
        q, accepted, r2 = state
        a, b = jax.random.split(key)
        p = jax.random.normal(a, q.shape)
        def leap(_, qp):
            q, p = qp
            q = q + self.dt/2*p
            p = p + self.dt*self.force(q)
            return q + self.dt/2*p, p
        x, y = jax.lax.fori_loop(0, self.steps, leap, (q, p))
        gain = log_density(x) - log_density(q) + (jnp.sum(p*p, 1) - jnp.sum(y*y, 1))/2
        yes = jax.random.uniform(b, (self.chains,)) < jnp.exp(gain)
        q = jnp.where(yes[:, None], x, q)
        return q, accepted + yes, r2 + jnp.sum(q*q, 1)

    def check(self):
        self.run()
        _, accepted, r2 = self.state
        mean = r2/self.turns
        return [float(mean.mean()), float(mean.std(ddof=1)/math.sqrt(len(mean))), float(accepted.mean()/self.turns)]


def build(spec, data, start):
    jax.config.update("jax_enable_x64", spec["config"]["bits"] == 64)
    jax.config.update("jax_default_prng_impl", spec["config"]["rng"])
    return {"ising": Ising, "hmc": Hmc}[spec["family"]](spec["config"])
