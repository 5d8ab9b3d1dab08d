"""The training step of a symplectic flow: irrotational couplings that move q and p in turn, fitted to a map."""
import numpy as np

from workloads import Workload

MODEL = """precision f32
import "std/symplectic"
data points = read("data.npz", q, p, Q, P)
symplectic flow T(q: real[{d}], p: real[{d}]) {{
  repeat {pairs} {{
    p += irrotational({width})(q)
    q += irrotational({width})(p)
  }}
}}
loss fit(q, p, Q, P) {{
  let (a, b) = T(q, p)
  return mean(concat(a - Q, b - P)^2)
}}
train fit on points {{
  optimizer = adam(lr = 1e-3)
  batch = all, steps = {steps}, every = 1
}}
"""


def workload(d, width, batch, layers, reach):
    r = np.random.default_rng(2)
    q, p = r.normal(size=(2, batch, d))
    data = dict(q=q, p=p, Q=q * np.cos(0.5) + p * np.sin(0.5), P=p * np.cos(0.5) - q * np.sin(0.5))
    steps = 20
    return Workload(name=f"flow-d{d}-h{width}-b{batch}", family="flow", entry="fit", steps=steps,
                    model=MODEL.format(d=d, width=width, pairs=layers // 2, steps=steps),
                    data={k: v.astype(np.float32) for k, v in data.items()},
                    config=dict(width=width, layers=layers, lr=1e-3), reach=reach)


def workloads():
    return [workload(1, 32, 128, 12, "≥ 25× torch, ≥ 4× JAX"), workload(4, 64, 256, 12, "≥ 8× torch, ≥ 4× JAX")]
