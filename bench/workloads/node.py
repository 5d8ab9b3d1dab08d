"""The training step of a neural ODE 2-50-2, tanh: 20 orbits of 10 points, one step of RK4 between two points."""
import numpy as np

from workloads import Workload

MODEL = """precision f32
import "std/nets"
data orbits = read("data.npz", x, y)
use rate = mlp([50], 2)
loss node(x: real[2], y: real[10, 2]) {{
  let z = integrate(rate, x, times = linspace(0, 1.5, 10), method = rk4)
  return mean((z - y)^2)
}}
train node on orbits {{
  optimizer = adam(lr = 1e-3)
  batch = all, steps = {steps}, every = 1
}}
"""


def workloads():
    r = np.random.default_rng(3)
    x = r.normal(size=(20, 2))
    t = np.linspace(0, 1.5, 10)[None, :]
    fall = np.exp(-0.1 * t)
    y = np.stack([fall * (x[:, :1] * np.cos(2 * t) + x[:, 1:] * np.sin(2 * t)),
                  fall * (x[:, 1:] * np.cos(2 * t) - x[:, :1] * np.sin(2 * t))], axis=2)
    return [Workload(name="node-50-b20", family="node", entry="node", steps=50, model=MODEL.format(steps=50),
                     data=dict(x=x.astype(np.float32), y=y.astype(np.float32)),
                     config=dict(width=50, points=10, span=1.5, lr=1e-3), reach="≥ 60× torch, ≥ 10× JAX, ≥ 50× heyoka")]
