"""JAX: the whole loop of steps is one jit(lax.scan) with donated buffers; the optimizer is optax's."""
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from peers import Missing, jax_conv, jax_density

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)


def versions():
    return {"jax": jax.__version__, "optax": optax.__version__}


def mlp(params, x):
    *hidden, (W, b) = [params[i:i + 2] for i in range(0, len(params), 2)]
    for V, c in hidden:
        x = jnp.tanh(x @ V.T + c)
    return x @ W.T + b


def hnn_loss(config, params, data):
    q, p, dq, dp = data
    x = jnp.concatenate([q, p], 1)
    g = jax.grad(lambda x: jnp.sum(mlp(params, x)))(x)
    return jnp.mean(jnp.concatenate([g[:, 1:] - dq, -g[:, :1] - dp], 1) ** 2)


def irrotational(params, x):
    W1, b1, w2, b2, b3 = params
    return jnp.tanh(w2 * jnp.tanh(x @ W1.T + b1) + b2) @ W1 + b3


def flow_loss(config, params, data):
    q, p, Q, P = data
    for k in range(0, len(params), 10):
        p = p + irrotational(params[k:k + 5], q)
        q = q + irrotational(params[k + 5:k + 10], p)
    return jnp.mean(jnp.concatenate([q - Q, p - P], 1) ** 2)


def node_loss(config, params, data):
    x, y = data
    h = np.asarray(config["span"] / (config["points"] - 1), x.dtype)
    f = functools.partial(mlp, params)

    def step(x, _):
        k1 = f(x)
        k2 = f(x + h / 2 * k1)
        k3 = f(x + h / 2 * k2)
        k4 = f(x + h * k3)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x, x
    _, z = jax.lax.scan(step, x, None, length=config["points"] - 1)
    z = jnp.concatenate([x[None], z]).transpose(1, 0, 2)
    return jnp.mean((z - y) ** 2)


def leapfrog(force, q, p, dt, steps):
    """q, p: tuples of arrays, one for each coordinate, since XLA's vectors run along the ensemble then."""
    def step(state, _):
        q, p = state
        q = tuple(a + dt / 2 * b for a, b in zip(q, p))
        p = tuple(b + dt * f for b, f in zip(p, force(q)))
        return (tuple(a + dt / 2 * b for a, b in zip(q, p)), p), None
    return jax.lax.scan(step, (q, p), None, length=steps)[0]


def columns(x):
    return tuple(x[:, k] for k in range(x.shape[1]))


def attraction(k):
    def force(q):
        r2 = q[0] * q[0] + q[1] * q[1]
        s = -k / (r2 * jnp.sqrt(r2))
        return s * q[0], s * q[1]
    return force


def orbit_loss(config, params, data):
    q, p, Q = map(columns, data)
    q, p = leapfrog(attraction(params[0][0]), q, p, config["dt"], config["orbit"])
    return jnp.mean((q[0] - Q[0]) ** 2 + (q[1] - Q[1]) ** 2)


def kepler(config, data):
    q, p = leapfrog(attraction(1.0), *map(columns, data), config["dt"], config["orbit"])
    return jnp.stack(q + p, 1)


def fput(config, data):
    def force(q):
        d = jnp.roll(q[0], -1, axis=1) - q[0]
        f = d + d * d * d
        return (f - jnp.roll(f, 1, axis=1),)
    q, p = leapfrog(force, (data[0],), (data[1],), config["dt"], config["orbit"])
    return jnp.concatenate(q + p, 1)


def cr3bp(config, data):
    (x, y, z, px, py, pz), mu = data, config["mu"]
    r1, r2 = jnp.sqrt((x + mu) ** 2 + y**2 + z**2), jnp.sqrt((x - 1 + mu) ** 2 + y**2 + z**2)
    return (px**2 + py**2 + pz**2) / 2 + y * px - x * py - (1 - mu) / r1 - mu / r2


def ring(q):
    d = jnp.roll(q, -1) - q
    f = d + d * d * d
    return f - jnp.roll(f, 1)


def ring_slope(q):
    def energy(q):
        d = jnp.roll(q, -1) - q
        return jnp.sum(d * d / 2 + d * d * d * d / 4)
    return jax.grad(energy)(q)


class Matrix:
    """JAX has no sparse Jacobian: columns are coloured by hand here, and all colours pushed forward by one vmap of jvp; then
    the nonzeros are gathered. (jacfwd would make n tangents.) The calls are turns of one scan, each of which reads what
    the one before gave, so that none is left out."""

    def __init__(self, spec, data):
        self.q, self.calls = jnp.asarray(data[0][0]), spec["config"]["calls"]
        f, n = ring if spec["family"] == "fput-jacobian" else ring_slope, len(data[0][0])
        colour = np.arange(n) % 3
        colour[n - n % 3:] = 3 + np.arange(n % 3)              # the ring closes: what is left over stands alone
        seeds = jnp.asarray(np.eye(colour.max() + 1)[colour].T)
        rows = np.repeat(np.arange(n), 3)
        cols = np.sort((np.arange(n)[:, None] + np.array([-1, 0, 1])) % n, axis=1).ravel()

        def nonzeros(q):
            swept = jax.vmap(lambda s: jax.jvp(f, (q,), (s,))[1])(seeds)
            return swept[colour[cols], rows]

        def many(q):
            def turn(q, _):
                v = nonzeros(q)
                return q + 1e-300 * v[:n], None
            q, _ = jax.lax.scan(turn, q, None, length=self.calls - 1)
            return nonzeros(q)
        self.jitted = jax.jit(many)

    def compile(self):
        self.fn = self.jitted.lower(self.q).compile()

    def run(self):
        self.out = jax.block_until_ready(self.fn(self.q))
        return self.calls

    def check(self):
        self.run()
        return np.asarray(self.out)


LOSSES = {"hnn": hnn_loss, "flow": flow_loss, "node": node_loss, "orbit": orbit_loss, "density": jax_density.loss,
          "conv": jax_conv.loss, "hgn": jax_conv.hgn_loss}
CALLS = {"kepler": kepler, "fput": fput, "cr3bp": cr3bp}
SCORES = {"density-score": jax_density.score}


class Training:
    def __init__(self, spec, data, start):
        self.steps, self.start = spec["steps"], start
        self.data = jax_conv.prepare([jnp.asarray(a) for a in data])
        loss, config = LOSSES[spec["family"]], spec["config"]
        self.optimizer = optimizer = (optax.sgd if spec["family"] == "orbit" else optax.adam)(config["lr"])

        def step(carry, _, data):
            params, state = carry
            value, g = jax.value_and_grad(functools.partial(loss, config))(params, data)
            change, state = optimizer.update(g, state, params)
            return (optax.apply_updates(params, change), state), value

        def many(carry, data):
            return jax.lax.scan(lambda c, x: step(c, x, data), carry, None, length=self.calls)
        # In a scan XLA's convolutions on CPUs are plain loops, 17 times slower: those steps are called one by one.
        self.calls = 1 if spec["family"] in ("conv", "hgn") else self.steps
        self.jitted = jax.jit(many if self.calls > 1 else lambda carry, data: step(carry, None, data), donate_argnums=0)

    def reset(self):
        params = [jnp.array(a) for a in self.start]
        self.carry = jax.block_until_ready((params, self.optimizer.init(params)))

    def compile(self):
        self.reset()
        self.many = self.jitted.lower(self.carry, self.data).compile()

    def run(self):
        self.losses = []
        for _ in range(self.steps // self.calls):
            self.carry, losses = self.many(self.carry, self.data)
            self.losses.append(losses)
        jax.block_until_ready(self.carry)
        return self.steps

    def check(self):
        self.reset()
        self.run()
        return np.ravel(self.losses)


class Call:
    """Of many calls, each is made when the one before may still be at work."""

    def __init__(self, fn, data, calls=1):
        self.calls = calls
        self.data = [jnp.asarray(a) for a in data]
        self.jitted = jax.jit(fn)

    def compile(self):
        self.fn = self.jitted.lower(self.data).compile()

    def run(self):
        for _ in range(self.calls):
            self.out = self.fn(self.data)
        jax.block_until_ready(self.out)
        return self.calls

    def check(self):
        self.run()
        return np.asarray(self.out).ravel()


def build(spec, data, start):
    if spec["family"] in LOSSES:
        return Training(spec, data, start)
    if spec["family"] in CALLS:
        return Call(functools.partial(CALLS[spec["family"]], spec["config"]), data, spec["config"].get("calls", 1))
    if spec["family"] in SCORES:
        return Call(functools.partial(SCORES[spec["family"]], spec["config"], [jnp.asarray(a) for a in start]), data)
    if spec["family"] in ("fput-jacobian", "fput-hessian"):
        return Matrix(spec, data)
    raise Missing("this workload is not written for JAX")
