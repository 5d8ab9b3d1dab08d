"""The training step of a neural ODE 2-50-2, tanh, by an adaptive method: orbits of 100 points within three time units, each sample
with steps of its own. Peers choose their steps by controllers of their own, so losses agree to a multiple of the tolerance."""
import numpy as np

from workloads import Workload

TOLERANCE = 1e-5
MODEL = """precision f32
import "std/nets"
data orbits = read("data.npz", x, y)
use rate = mlp([50], 2)
loss node(x: real[2], y: real[100, 2]) {{
  let z = integrate(rate, x, times = linspace(0, 3, 100), method = {method}(rtol = {tol}, atol = {tol}))
  return mean((z - y)^2)
}}
train node on orbits {{
  optimizer = adam(lr = 1e-3)
  batch = all, steps = {steps}, every = 1
}}
"""


def data(batch):
    r = np.random.default_rng(3)
    x = r.normal(size=(batch, 2))
    t = np.linspace(0, 3, 100)[None, :]
    fall = np.exp(-0.1 * t)
    y = np.stack([fall * (x[:, :1] * np.cos(2 * t) + x[:, 1:] * np.sin(2 * t)),
                  fall * (x[:, 1:] * np.cos(2 * t) - x[:, :1] * np.sin(2 * t))], axis=2)
    return dict(x=x.astype(np.float32), y=y.astype(np.float32))


def workloads():
    return [Workload(name=f"node-{method}-b{batch}", family="node-adaptive", entry="node", steps=20,
                     model=MODEL.format(method=method, tol=TOLERANCE, steps=20), data=data(batch), rtol=2e-4,
                     config=dict(points=100, span=3.0, lr=1e-3, tol=TOLERANCE, method=method),
                     reach="≥ 2× diffrax (the better of Dopri5, Tsit5), ≥ 5× torchdiffeq")
            for method in ("dopri5", "tsit5") for batch in (32, 256)]
