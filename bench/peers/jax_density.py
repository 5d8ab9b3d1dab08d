"""JAX: the flows of workloads/density.py by hand."""
import jax
import jax.numpy as jnp
import numpy as np

from workloads.density import LEAST, masks


def network(params, x):
    W1, b1, W2, b2, W3, b3 = params
    return jnp.tanh(jnp.tanh(x @ W1.T + b1) @ W2.T + b2) @ W3.T + b3


def affine(config, params, a, b):
    u = network(params, b)
    s = config["limit"] * jnp.tanh(u[:, 0])
    return a * jnp.exp(s)[:, None] + u[:, 1:], s


def spline(config, params, a, b):
    """Durkan et al.: the piece of each sample is counted from the knots, and what belongs to it gathered."""
    bins, bound, x = config["bins"], config["bound"], a[:, 0]
    u = network(params, b)

    def lengths(logits):
        return 2 * bound * (LEAST + (1 - LEAST * bins) * jax.nn.softmax(logits))

    def starts(w):
        return jnp.cumsum(w, 1) - w - bound
    w, h = lengths(u[:, :bins]), lengths(u[:, bins:2 * bins])
    d = jnp.pad(LEAST + jax.nn.softplus(u[:, 2 * bins:] + np.float32(np.log(np.expm1(1 - LEAST)))), ((0, 0), (1, 1)),
                constant_values=1.0)
    x0, y0 = starts(w), starts(h)
    piece = jnp.sum(x[:, None] >= x0[:, 1:], 1, keepdims=True)

    def at(v):
        return jnp.take_along_axis(v, piece, 1)[:, 0]
    x0, y0, w, h, d0, d1 = at(x0), at(y0), at(w), at(h), at(d[:, :-1]), at(d[:, 1:])
    s, xi = h / w, (x - x0) / w
    both = xi * (1 - xi)
    under = s + (d0 + d1 - 2 * s) * both
    y = y0 + h * (s * xi * xi + d0 * both) / under
    slope = jnp.log(s * s * (d1 * xi * xi + 2 * s * both + d0 * (1 - xi) ** 2)) - 2 * jnp.log(under)
    inside = jnp.abs(x) < bound
    return jnp.where(inside, y, x)[:, None], jnp.where(inside, slope, 0)


def autoregressive(config, params, x):
    d = config["d"]
    seen = masks(d)
    u = network([p if k % 2 else p * seen[k // 2] for k, p in enumerate(params)], x)
    s = config["limit"] * jnp.tanh(u[:, :d])
    return x * jnp.exp(s) + u[:, d:], jnp.sum(s, 1)


def log_prob(config, params, x):
    volume = 0
    layers = [params[k:k + 6] for k in range(0, len(params), 6)]
    if config["layers"] == "autoregressive":
        for layer in layers:
            x, s = autoregressive(config, layer, x)
            x, volume = x[:, ::-1], volume + s
    else:
        coupling = {"affine": affine, "spline": spline}[config["layers"]]
        a, b = x[:, :1], x[:, 1:]
        for layer in layers:
            a, s = coupling(config, layer, a, b)
            a, b, volume = b, a, volume + s
        x = jnp.concatenate([a, b], 1)
    return -jnp.sum(x * x, 1) / 2 - config["d"] / 2 * np.float32(np.log(2 * np.pi)) + volume


def loss(config, params, data):
    return -jnp.mean(log_prob(config, params, data[0]))


def score(config, params, data):
    """Log-density and its gradient, side by side. Samples do not touch each other, so the gradient of the sum is each one's own."""
    def summed(x):
        p = log_prob(config, params, x)
        return jnp.sum(p), p
    (_, p), g = jax.value_and_grad(summed, has_aux=True)(data[0])
    return jnp.concatenate([p[:, None], g], 1)
