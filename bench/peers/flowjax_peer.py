"""FlowJAX: its couplings and masked autoregressive layers, a scan over the layers as its own flows have, each behind or before a flip; K
training steps are one jit(lax.scan). The maps are its Affine with scale exp(limit tanh(u)), and its spline with slope 1 at both ends."""
import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import paramax
from flowjax.bijections import Affine, Chain, Coupling, Flip, Invert, MaskedAutoregressive, RationalQuadraticSpline, Scan
from flowjax.distributions import Normal, Transformed
from flowjax.train.losses import MaximumLikelihoodLoss

from peers import Missing
from peers.jax_peer import Call
from workloads.density import LEAST, interleaved

jax.config.update("jax_enable_x64", False)


def versions():
    from importlib.metadata import version
    return {"flowjax": version("flowjax"), "jax": jax.__version__}


def affine(c):
    scale = paramax.Parameterize(lambda u: jnp.exp(c["limit"] * jnp.tanh(u)), jnp.zeros(()))
    return eqx.tree_at(lambda t: (t.scale, t.loc), Affine(), (scale, jnp.zeros(())))


def spline(c):
    made = RationalQuadraticSpline(knots=c["bins"] - 1, interval=c["bound"], min_derivative=LEAST, min_width=2 * c["bound"] * LEAST)
    inner = paramax.Parameterize(lambda u: jnp.pad(LEAST + jax.nn.softplus(u), [(0, 0)] * (u.ndim - 1) + [(1, 1)], constant_values=1.0),
                                 jnp.full(c["bins"] - 1, jnp.log(jnp.expm1(1 - LEAST))))
    return eqx.tree_at(lambda t: t.derivatives, made, inner)


def flow(c, start):
    net = dict(nn_width=64, nn_depth=2, nn_activation=jnp.tanh)
    masked = c["layers"] == "autoregressive"

    def layer(key):
        if masked:
            return Chain([MaskedAutoregressive(key, transformer=affine(c), dim=c["d"], **net), Flip((c["d"],))])
        kind = affine if c["layers"] == "affine" else spline
        return Chain([Flip((2,)), Coupling(key, transformer=kind(c), untransformed_dim=1, dim=2, **net)])
    layers = eqx.filter_vmap(layer)(jax.random.split(jax.random.key(0), 8))

    def places(t):
        linear = t[0].masked_autoregressive_mlp.layers if masked else t[1].conditioner.layers
        return [p for l in linear for p in (l.weight.args[1] if masked else l.weight, l.bias)]
    values = [jnp.stack(start[k::6]) for k in range(6)]
    # Its maps take their numbers in the order of their fields: of an affine one the shift first.
    order = interleaved(c["d"]).reshape(-1, 2)[:, ::-1].ravel() if masked else jnp.array([1, 0])
    if c["layers"] != "spline":
        values[4:] = [v[:, order] for v in values[4:]]
    layers = eqx.tree_at(places, layers, values)
    return Transformed(paramax.non_trainable(Normal(jnp.zeros(c["d"]))), Invert(Scan(layers)))


def whole(c, start):
    return eqx.partition(flow(c, start), eqx.is_inexact_array, is_leaf=lambda t: isinstance(t, paramax.NonTrainable))


class Training:
    def __init__(self, spec, data, start):
        self.config, self.start, self.x = spec["config"], [jnp.asarray(a) for a in start], jnp.asarray(data[0])
        self.steps, self.optimizer, loss = spec["steps"], optax.adam(spec["config"]["lr"]), MaximumLikelihoodLoss()
        static = whole(self.config, self.start)[1]

        def step(carry, _, x):
            params, state = carry
            value, g = eqx.filter_value_and_grad(loss)(params, static, x)
            change, state = self.optimizer.update(g, state, params)
            return (eqx.apply_updates(params, change), state), value

        self.jitted = jax.jit(lambda carry, x: jax.lax.scan(lambda c, k: step(c, k, x), carry, None, length=self.steps), donate_argnums=0)

    def reset(self):
        params = jax.tree.map(jnp.array, whole(self.config, self.start)[0])
        self.carry = jax.block_until_ready((params, self.optimizer.init(params)))

    def compile(self):
        self.reset()
        self.many = self.jitted.lower(self.carry, self.x).compile()

    def run(self):
        self.carry, self.losses = jax.block_until_ready(self.many(self.carry, self.x))
        return self.steps

    def check(self):
        self.reset()
        self.run()
        return [float(v) for v in self.losses]


def build(spec, data, start):
    if spec["family"] == "density":
        return Training(spec, data, start)
    if spec["family"] == "density-score":
        params, static = whole(spec["config"], [jnp.asarray(a) for a in start])

        def score(data):
            one = paramax.unwrap(eqx.combine(params, static)).log_prob
            p, g = jax.vmap(jax.value_and_grad(one))(data[0])
            return jnp.concatenate([p[:, None], g], 1)
        return Call(score, data)
    raise Missing("a library of flows")
