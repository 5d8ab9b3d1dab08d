"""Normalizing flows of `std/flows`, eight layers with networks of two hidden layers of 64 units: the training step of the negative
log-likelihood, and the log-density with its gradient by x (the score) of many samples. Each layer has six parameters, those of its
network: W1, b1, W2, b2, W3, b3."""
import numpy as np

from workloads import Workload

LEAST = 1e-3              # of the width and height of a spline's piece, as a share of all, and of its slopes
LAYERS = {
    "affine": """  repeat 4 {{
    affine_coupling(move = 0)(x)
    affine_coupling(move = 1)(x)
  }}""",
    "spline": """  repeat 4 {{
    spline_coupling(move = 0, bins = {bins}, bound = 4)(x)
    spline_coupling(move = 1, bins = {bins}, bound = 4)(x)
  }}""",
    "autoregressive": """  repeat 8 {{
    masked_autoregressive()(x)
    x = flip(x)
  }}"""}
DENSITY = """precision f32
import "std/flows"
flow T(x: real[{d}]) {{
{layers}
}}
fn log_prob(x: real[{d}]) = log_normal(T(x)) + logdet(T)(x)
"""
TRAIN = """data points = read("data.npz", x)
loss nll(x) = -log_prob(x)
train nll on points {{
  optimizer = adam(lr = 1e-3)
  batch = all, steps = {steps}, every = 1
}}
"""
SCORE = """fn score(x: real[{d}]) = concat([log_prob(x)], grad(log_prob(x), x))
"""


def masks(d, width=64):
    """MADE: unit j sees the first 1 + (j mod (d - 1)) elements."""
    sees = 1 + np.arange(width) % (d - 1)
    may = np.arange(2 * d) % d
    return [(a[:, None] >= b[None, :]).astype(np.float32) for a, b in ((sees, 1 + np.arange(d)), (sees, sees), (may, sees))]


def interleaved(d):
    """Rows of a network that gives all scales and then all shifts, for those who want the two of an element side by side."""
    return np.arange(2 * d).reshape(2, d).T.ravel()


def samples(d, batch):
    """Two moons; for more dimensions normal numbers, each of which leans on the one before."""
    r = np.random.default_rng(8)
    if d == 2:
        t, side = r.uniform(0, np.pi, batch), r.integers(0, 2, batch)
        x = np.where(side, [np.cos(t), np.sin(t)], [1 - np.cos(t), 0.5 - np.sin(t)]).T
        x = 2 * (x + 0.1 * r.normal(size=x.shape)) + [-1, -0.2]
    else:
        x = r.normal(size=(batch, d))
        x[:, 1:] = 0.7 * x[:, 1:] + 0.5 * x[:, :-1] ** 2 - 0.5
    return dict(x=x.astype(np.float32))


def text(layers, d, bins):
    return DENSITY.format(d=d, layers=LAYERS[layers].format(bins=bins))


def training(name, layers, batch, reach, d=2, bins=0):
    # Splines in f32 leave those in f64 after 6 steps, by a factor of 3 to 10 each, in every library: Adam makes steps of rounding.
    steps = 5 if layers == "spline" else 20
    return Workload(name=f"density-{name}-b{batch}", family="density", entry="nll", steps=steps,
                    model=text(layers, d, bins) + TRAIN.format(steps=steps), data=samples(d, batch),
                    config=dict(layers=layers, d=d, bins=bins, bound=4.0, limit=2.0, lr=1e-3), reach=reach)


def score(name, layers, batch, reach, d=2, bins=0):
    return Workload(name=f"density-{name}-score", family="density-score", kind="call", entry="score",
                    model=text(layers, d, bins) + SCORE.format(d=d), data=samples(d, batch), out=d + 1, scale=batch,
                    config=dict(layers=layers, d=d, bins=bins, bound=4.0, limit=2.0), unit="ns a sample", per=1e-9, reach=reach)


def workloads():
    step = "≥ 1.5× JAX, ≥ 2.5× FlowJAX, ≥ 6× nflows and zuko"
    return [training("realnvp", "affine", 256, step), training("realnvp", "affine", 1024, step),
            training("spline8", "spline", 256, step, bins=8), training("spline16", "spline", 256, step, bins=16),
            training("maf-d16", "autoregressive", 256, step, d=16),
            score("realnvp", "affine", 100_000, "≥ 3× FlowJAX, nflows, zuko")]
