"""JAX: the networks of workloads/conv.py, [sample][line][pixel][channel], which XLA's convolutions on CPUs want."""
import jax
import jax.numpy as jnp


def layer(W, b, h, stride=1):
    """Padding as hnnc's `same`, which is XLA's."""
    return jax.lax.conv_general_dilated(h, W, (stride, stride), "SAME", dimension_numbers=("NHWC", "OIHW", "NHWC")) + b


def channels_last(x):
    return jnp.moveaxis(x, 1, -1)


def loss(config, params, data):
    """The data has been turned by `prepare`."""
    h, y = data
    for k in range(0, len(params), 2):
        h = layer(params[k], params[k + 1], h)
        if k + 2 < len(params):
            h = jax.nn.relu(h)
    return jnp.mean((h - y) ** 2)


def swish(x):
    return x * jax.nn.sigmoid(x)


def mlp_slope(params, x):
    """Gradient of the energy of one of q and p."""
    def energy(x):
        W1, b1, W2, b2, W3, b3 = params
        h = jax.nn.softplus(jax.nn.softplus(x @ W1.T + b1) @ W2.T + b2)
        return jnp.sum(h @ W3.T + b3)
    return jax.grad(energy)(x)


def hgn_loss(config, params, data):
    film, noise = data
    h = film
    for k in range(0, 6, 2):
        h = swish(layer(params[k], params[k + 1], h, 2))
    flat = jnp.moveaxis(h, -1, 1).reshape(len(h), -1)
    mean, log_sd = (flat @ params[k].T + params[k + 1] for k in (6, 8))
    kinetic, potential, decoder = params[10:16], params[16:22], params[22:]
    z, dt = mean + jnp.exp(log_sd) * noise, config["dt"]

    def step(state, _):
        q, p = state
        p = p - dt / 2 * mlp_slope(potential, q)
        q = q + dt * mlp_slope(kinetic, p)
        p = p - dt / 2 * mlp_slope(potential, q)
        return (q, p), q
    start = z[:, :16], z[:, 16:]
    q = jnp.concatenate([start[0][None], jax.lax.scan(step, start, None, length=9)[1]])     # [frame][sample]
    h = swish(q.reshape(-1, 16) @ decoder[0].T + decoder[1])
    h = jnp.moveaxis(h.reshape(-1, 32, 4, 4), 1, -1)
    for k in range(2, 8, 2):
        h = swish(layer(decoder[k], decoder[k + 1], jnp.repeat(jnp.repeat(h, 2, 1), 2, 2)))
    drawn = layer(decoder[8], decoder[9], h)[..., 0].reshape(10, -1, 32, 32)
    kl = jnp.sum(mean ** 2 + jnp.exp(2 * log_sd) - 2 * log_sd - 1, 1) / 2
    return jnp.mean((jnp.moveaxis(drawn, 0, 1) - jnp.moveaxis(film, -1, 1)) ** 2) + 1e-5 * jnp.mean(kl)


def prepare(data):
    return [channels_last(a) if a.ndim == 4 else a for a in data]
