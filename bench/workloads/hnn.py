"""The training step of a Hamiltonian network 2-h-h-1 with Adam, on samples of a pendulum."""
import numpy as np

from workloads import Workload

MODEL = """precision {precision}
import "std/nets"
data points = read("data.npz", q, p, dq, dp)
use energy = mlp([{width}, {width}], 1)
hamiltonian learned(q: real[1], p: real[1]) = energy(concat(q, p))[0]
loss hnn(q, p, dq, dp) {{
  let (vq, vp) = field(learned)(q, p)
  return mean(concat(vq - dq, vp - dp)^2)
}}
train hnn on points {{
  optimizer = adam(lr = 1e-3)
  batch = all, steps = {steps}, every = 1
}}
"""


def samples(batch, dtype):
    r = np.random.default_rng(1)
    q, p = r.uniform(-2, 2, (2, batch, 1))
    return {k: v.astype(dtype) for k, v in dict(q=q, p=p, dq=2 * p, dp=-3 * np.sin(q)).items()}


def workload(width, batch, precision, reach):
    steps = 20 if width * batch > 10000 else 50 if width > 50 else 200
    dtype = np.float32 if precision == "f32" else np.float64
    return Workload(name=f"hnn-{width}-b{batch}-{precision}", family="hnn", precision=precision, entry="hnn", steps=steps,
                    model=MODEL.format(precision=precision, width=width, steps=steps), data=samples(batch, dtype),
                    config=dict(width=width, lr=1e-3), rtol=1e-4 if precision == "f32" else 1e-8, reach=reach)


def workloads():
    big = "≥ 88 % of peak; ≥ 1.8× torch, ≥ 1.3× JAX"
    aims = {200: big, 750: big, 1: "≥ 15× torch, ≥ 5× JAX", 32: "≥ 4× torch, ≥ 5× JAX"}
    found = [workload(200, b, "f32", aims[b]) for b in (200, 750, 1, 32)]
    found += [workload(200, b, "f64", "≥ 85 % of peak" if b >= 200 else "") for b in (200, 750, 1, 32)]
    return found + [workload(32, 32, "f32", "≥ 40× torch, ≥ 5× JAX")]
